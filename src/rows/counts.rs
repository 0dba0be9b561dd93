//! All counts of a partition, in the form that an independent recount writes: to compare, and to look at.
//!
//! They are walked in portions, so that nobody who counts has to wait for somebody who reads. Invariants: a row of up to
//! [`LINES_MAX`] pairs comes whole; what is there from the first portion to the last comes exactly once; what is new or
//! dropped meanwhile may come or not. Absent: order by name; whoever wants it sorts.

use super::Rows;
use super::slab::Block;
use crate::event::EventTime;
use crate::items::{ItemId, ShopId};
use crate::relation::Relation;
use std::fmt;

/// Counts of a portion, at most.
pub const LINES_MAX: usize = 4096;

/// How many items that have nothing to tell cost as much as one count.
const STEPS_A_LINE: usize = 64;
/// An item has two totals at most.
const STEPS_AN_ITEM_MAX: usize = 1 + 2 * STEPS_A_LINE;

/// What a count counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CountKind {
    /// Contexts of a shop's relation.
    Contexts,
    /// A directed pair.
    Pair,
    /// A total of an item.
    Total,
}

/// One count. Printed, it is the line of the file: tab separated, without the line's end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count<'a> {
    /// What it counts.
    pub kind: CountKind,
    /// The shop.
    pub shop: &'a str,
    /// The relation.
    pub relation: Relation,
    /// Anchor, item, or `*`.
    pub first: &'a str,
    /// Other item, role (`anchor`, `other`, `both`), or `*`.
    pub second: &'a str,
    /// How many, undecayed.
    pub support: u64,
    /// Decayed weight.
    pub weight: f64,
}

impl Count<'_> {
    /// The first five fields, which no other count shares.
    #[must_use]
    pub fn key(&self) -> (CountKind, &str, &str, &str, &str) {
        (self.kind, self.shop, self.relation.name(), self.first, self.second)
    }
}

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            CountKind::Contexts => "contexts",
            CountKind::Pair => "pair",
            CountKind::Total => "total",
        };
        let Self { shop, relation, first, second, support, weight, .. } = self;
        write!(f, "{kind}\t{shop}\t{}\t{first}\t{second}\t{support}\t{weight}", relation.name())
    }
}

/// Where a walk through the counts of a partition goes on. Numbers of items and shops are never used again, so a place stays
/// good while rows change; another table's numbers mean something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountsPlace {
    kind: CountKind,
    /// [`Relation::index`].
    relation: usize,
    /// A shop's or an item's.
    number: u32,
    /// Within the row of `number`: the lowest key that has not come yet.
    key: u32,
    /// Shops and items there were at the beginning: the walk ends, however fast new ones come.
    shops: usize,
    items: usize,
}

impl CountsPlace {
    fn at(self, kind: CountKind, relation: usize) -> Self {
        Self { kind, relation, number: 0, key: 0, ..self }
    }

    /// Where the numbers of this relation have come to their end.
    fn next_relation(self) -> Option<Self> {
        if self.relation + 1 < Relation::COUNT {
            return Some(self.at(self.kind, self.relation + 1));
        }
        match self.kind {
            CountKind::Contexts => Some(self.at(CountKind::Pair, 0)),
            CountKind::Pair => Some(self.at(CountKind::Total, 0)),
            CountKind::Total => None,
        }
    }

    fn next_number(self) -> Self {
        Self { number: self.number.saturating_add(1), key: 0, ..self }
    }
}

/// A walk's portion: where it goes, and what it may still cost.
struct Portion<'a> {
    as_of: EventTime,
    steps_left: usize,
    sink: &'a mut dyn FnMut(&Count<'_>),
}

impl Portion<'_> {
    fn give(&mut self, count: &Count<'_>) {
        self.steps_left = self.steps_left.saturating_sub(STEPS_A_LINE);
        (self.sink)(count);
    }
}

impl Rows {
    /// Gives every count of what this partition owns to `sink`, decayed to `as_of` (or to the latest event time), in no
    /// order that means anything.
    pub fn for_each_count(&self, as_of: Option<EventTime>, mut sink: impl FnMut(&Count<'_>)) {
        let as_of = as_of.unwrap_or(self.now);
        let mut place = Some(self.counts_start());
        while let Some(from) = place {
            place = self.counts_from(from, as_of, LINES_MAX, &mut sink);
        }
    }

    /// Where a walk through all counts starts.
    #[must_use]
    pub fn counts_start(&self) -> CountsPlace {
        let (shops, items) = (self.items.shop_count(), self.items.len());
        CountsPlace { kind: CountKind::Contexts, relation: 0, number: 0, key: 0, shops, items }
    }

    /// Gives the counts from `from` on to `sink`, at most `lines_max` (two or more), decayed to `as_of`. Returns where the next portion
    /// starts; `None` when there is no more. A portion may be empty, and costs no more than one that is full: but for a row of
    /// more than `lines_max` pairs, which each of its portions reads once, as ranking it does.
    pub fn counts_from(
        &self,
        from: CountsPlace,
        as_of: EventTime,
        lines_max: usize,
        sink: &mut dyn FnMut(&Count<'_>),
    ) -> Option<CountsPlace> {
        let steps_max = lines_max.saturating_mul(STEPS_A_LINE);
        let mut portion = Portion { as_of, steps_left: steps_max, sink };
        let mut place = from;
        loop {
            let relation = Relation::ALL[place.relation];
            let numbers = match place.kind {
                CountKind::Contexts => place.shops,
                CountKind::Pair | CountKind::Total => place.items,
            };
            if place.number as usize >= numbers {
                place = place.next_relation()?;
                continue;
            }
            let is_fresh = portion.steps_left == steps_max;
            if !is_fresh && portion.steps_left < STEPS_AN_ITEM_MAX {
                return Some(place);
            }
            portion.steps_left = portion.steps_left.saturating_sub(1);
            match place.kind {
                CountKind::Contexts => self.give_contexts(relation, ShopId(place.number), &mut portion),
                CountKind::Total => self.give_totals(relation, ItemId(place.number), &mut portion),
                CountKind::Pair => {
                    let pairs = self.store.row(relation, ItemId(place.number)).unwrap_or_default();
                    if !is_fresh && pairs.keys.len() > portion.steps_left / STEPS_A_LINE {
                        return Some(place); // it comes whole in the next one
                    }
                    if let Some(key) = self.give_row(relation, place, pairs, lines_max, &mut portion) {
                        return Some(CountsPlace { key, ..place });
                    }
                }
            }
            place = place.next_number();
        }
    }

    fn give_contexts(&self, relation: Relation, shop: ShopId, portion: &mut Portion<'_>) {
        let contexts = self.totals[relation.index()].contexts(shop.index());
        // Names alone may not have been looked through for their owners; what was counted has been.
        if contexts.weight > 0.0 && self.owner.has_shop(shop) {
            portion.give(&Count {
                kind: CountKind::Contexts,
                shop: self.items.shop_name(shop),
                relation,
                first: "*",
                second: "*",
                support: contexts.support,
                weight: self.decayed(relation, contexts.weight, portion.as_of),
            });
        }
    }

    /// The pairs of a row, or of one that is too long the lowest keys from `place` on: then it returns the next key. Pairs
    /// move within their row when it is pruned, keys stay.
    fn give_row(
        &self,
        relation: Relation,
        place: CountsPlace,
        pairs: Block<'_>,
        lines_max: usize,
        portion: &mut Portion<'_>,
    ) -> Option<u32> {
        let anchor = ItemId(place.number);
        let mut give = |index: usize| {
            let stored = f64::from(f32::from_bits(pairs.weights[index]));
            portion.give(&Count {
                kind: CountKind::Pair,
                shop: self.items.shop_name(self.items.shop_of(anchor)),
                relation,
                first: self.items.name(anchor),
                second: self.items.name(ItemId(pairs.keys[index])),
                support: u64::from(pairs.support[index]),
                weight: self.decayed(relation, stored, portion.as_of),
            });
        };
        if place.key == 0 && pairs.keys.len() <= lines_max {
            (0..pairs.keys.len()).for_each(give);
            return None;
        }
        let keys =
            pairs.keys.iter().zip(0_usize..).filter(|&(&key, _)| key >= place.key && (key as usize) < place.items);
        let mut left: Vec<(u32, usize)> = keys.map(|(&key, index)| (key, index)).collect();
        let next = (left.len() > lines_max).then(|| left.select_nth_unstable(lines_max).1.0);
        left.iter().take(lines_max).for_each(|&(_, index)| give(index));
        next
    }

    fn give_totals(&self, relation: Relation, item: ItemId, portion: &mut Portion<'_>) {
        let totals = &self.totals[relation.index()];
        let roles: &[_] = if relation.is_symmetric() {
            &[("both", totals.other(item))]
        } else {
            &[("anchor", totals.anchor(relation, item)), ("other", totals.other(item))]
        };
        for (second, total) in roles.iter().filter(|(_, total)| total.weight > 0.0 && self.owner.has(item)) {
            portion.give(&Count {
                kind: CountKind::Total,
                shop: self.items.shop_name(self.items.shop_of(item)),
                relation,
                first: self.items.name(item),
                second,
                support: u64::from(total.support),
                weight: self.decayed(relation, total.weight, portion.as_of),
            });
        }
    }

    fn decayed(&self, relation: Relation, weight: f64, as_of: EventTime) -> f64 {
        weight / self.decay[relation.index()].growth(as_of)
    }
}
