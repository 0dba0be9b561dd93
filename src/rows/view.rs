//! What ranking sees: one row with its totals, everything decayed to the latest time of the partition.

use super::Rows;
use super::slab::Block;
use super::totals::Total;
use super::travel::TotalKey;
use crate::event::EventTime;
use crate::items::{ItemId, Items, ShopId};
use crate::relation::Relation;

/// The row of one anchor in one relation. This is what leaves the room.
#[derive(Clone, Copy)]
pub struct RowView<'a> {
    /// The relation.
    pub relation: Relation,
    /// Whose row it is.
    pub anchor: ItemId,
    /// The time that all weights are decayed to: the latest event time of the partition.
    pub now: EventTime,
    /// Weight of the anchor's total; 0 where it was never counted.
    pub anchor_weight: f64,
    /// Support of the anchor's total.
    pub anchor_support: u32,
    /// Weight of the shop's contexts; 0 where not known yet.
    pub contexts: f64,
    /// Names.
    pub items: &'a Items,
    /// Empty where there is no row.
    pairs: Block<'a>,
    others: &'a [Total],
    /// Turns a stored weight into a decayed one.
    scale: f64,
}

/// One pair of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The other item.
    pub item: ItemId,
    /// Contexts behind the pair.
    pub support: u32,
    /// Decayed weight of the pair.
    pub weight: f64,
    /// Day of the latest event, in days since 1970.
    pub last_seen_day: u16,
}

/// The totals of one shop in one relation, everything decayed to the latest time of the partition.
#[derive(Clone, Copy)]
pub struct ShopView<'a> {
    /// The relation.
    pub relation: Relation,
    /// Whose totals.
    pub shop: ShopId,
    /// The time that all weights are decayed to.
    pub now: EventTime,
    /// Weight of the shop's contexts; 0 where not known yet.
    pub contexts: f64,
    /// The same lately; 0 where that is not kept.
    pub recent_contexts: f64,
    /// Names.
    pub items: &'a Items,
    rows: &'a Rows,
    scale: f64,
}

/// The total of one item: of its contexts as the other one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShopTotal {
    /// Decayed weight.
    pub weight: f64,
    /// How many, undecayed.
    pub support: u32,
    /// Weight lately; 0 where that is not kept.
    pub recent: f64,
}

impl ShopView<'_> {
    /// The total of `item`; all 0 where nothing is known of it (yet).
    #[must_use]
    pub fn total(&self, item: ItemId) -> ShopTotal {
        let total = self.rows.totals[self.relation.index()].other(item);
        let recent = self.rows.recent_weight(TotalKey::Item(self.relation, item));
        ShopTotal { weight: total.weight * self.scale, support: total.support, recent }
    }
}

impl RowView<'_> {
    /// The neighbour `item`, if it is one.
    #[must_use]
    pub fn find(&self, item: ItemId) -> Option<Neighbour> {
        self.pairs.keys.iter().position(|&key| key == item.0).map(|index| self.neighbour(index))
    }

    /// How many neighbours there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.keys.is_empty()
    }

    /// The neighbours, in no order that means anything.
    pub fn neighbours(&self) -> impl Iterator<Item = Neighbour> {
        (0..self.len()).map(|index| self.neighbour(index))
    }

    /// The neighbour at `index`.
    ///
    /// # Panics
    /// When `index` is not below [`RowView::len`].
    #[must_use]
    pub fn neighbour(&self, index: usize) -> Neighbour {
        Neighbour {
            item: ItemId(self.pairs.keys[index]),
            support: self.pairs.support[index],
            weight: f64::from(f32::from_bits(self.pairs.weights[index])) * self.scale,
            last_seen_day: self.pairs.day(index),
        }
    }

    /// How many neighbours weigh more than `item`, which is one of them.
    #[must_use]
    pub fn place_by_weight(&self, item: ItemId) -> Option<usize> {
        let own = self.pairs.keys.iter().position(|&key| key == item.0)?;
        let own = f32::from_bits(self.pairs.weights[own]);
        Some(self.pairs.weights.iter().filter(|&&bits| f32::from_bits(bits) > own).count())
    }

    /// Decayed weight of the other total of `item`; 0 where not known (yet).
    #[must_use]
    pub fn other_weight(&self, item: ItemId) -> f64 {
        self.others.get(item.index()).map_or(0.0, |total| total.weight * self.scale)
    }
}

impl Rows {
    /// The row of `anchor` in `relation`, as it is now.
    #[must_use]
    pub fn row(&self, relation: Relation, anchor: ItemId) -> RowView<'_> {
        let totals = &self.totals[relation.index()];
        let scale = 1.0 / self.decay[relation.index()].growth(self.now);
        let anchor_total = totals.anchor(relation, anchor);
        RowView {
            relation,
            anchor,
            now: self.now,
            anchor_weight: anchor_total.weight * scale,
            anchor_support: anchor_total.support,
            contexts: totals.contexts(self.items.shop_of(anchor).index()).weight * scale,
            items: &self.items,
            pairs: self.store.row(relation, anchor).unwrap_or_default(),
            others: totals.others(),
            scale,
        }
    }

    /// The totals of `shop` in `relation`, as they are now, own ones and those that others have told.
    #[must_use]
    pub fn shop(&self, relation: Relation, shop: ShopId) -> ShopView<'_> {
        let scale = 1.0 / self.decay[relation.index()].growth(self.now);
        ShopView {
            relation,
            shop,
            now: self.now,
            contexts: self.totals[relation.index()].contexts(shop.index()).weight * scale,
            recent_contexts: self.recent_weight(TotalKey::Shop(relation, shop)),
            items: &self.items,
            rows: self,
            scale,
        }
    }

    /// Gives an item, and its shop, the recent weight of an even stream where nobody knows it.
    pub fn know_recent(&mut self, relation: Relation, item: ItemId) {
        self.owner.meet(&self.items);
        self.assume_steady(TotalKey::Item(relation, item));
        self.assume_steady(TotalKey::Shop(relation, self.items.shop_of(item)));
    }

    /// The owned items that have a row in `relation`.
    pub fn anchors(&self, relation: Relation) -> impl Iterator<Item = ItemId> {
        self.store.anchors(relation)
    }
}
