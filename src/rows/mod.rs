//! Deltas → rows: decayed co-occurrence counts per item and relation, and their totals (design section 5).
//!
//! One [`Rows`] is the state of one partition of the pairs log; one thread owns it. It holds the rows and totals of the
//! items that the partition owns, exactly, and what other owners have broadcast of theirs.
//! Invariants: the state is a function of the deltas in their order, the times observed and the totals heard, bit for bit;
//! no count is zero or negative; a row never exceeds `row_max`, and what pruning drops is counted.
//! What was counted can be taken back, by the same numbers at the same time: what is taken back wholly is gone. Of a pair that was
//! pruned nothing is taken back, and none is made.
//! An event's time may lie in the past, so pruning measures against the latest time that the partition has seen. Pair weights
//! are `f32`; what would underflow is held at the smallest normal number, because a pair that was counted is present.
//! Absent: users, windows, ranking, bytes, IO.

mod decay;
mod owner;
mod recent;
mod slab;
mod row;
mod saved;
mod totals;
mod travel;
mod counts;
mod view;

pub use counts::{Count, CountKind, CountsPlace, LINES_MAX};
pub use decay::HALF_LIFE_MS_MAX;
pub use saved::is_of_rows;
pub use travel::{TotalKey, TotalUpdate};
pub use view::{Neighbour, RowView, ShopTotal, ShopView};

use crate::event::EventTime;
use crate::items::{ItemId, Items, ShopId};
use crate::position::Partition;
use crate::relation::{Bought, Change, Delta, OrdersBefore, Relation, repeat_weight};
use crate::rules::CountingRules;
use decay::{Decay, ROUNDING_OF_TOTALS, remaining};
use owner::Ownership;
use recent::Recent;
use row::{Increment, RowStore};
use saved::{Loading, State};
use totals::Totals;
use travel::Travel;

/// The counts of one partition.
pub struct Rows {
    items: Items,
    owner: Ownership,
    decay: [Decay; Relation::COUNT],
    store: RowStore,
    totals: [Totals; Relation::COUNT],
    travel: Travel,
    recent: Option<Recent>,
    min_weight: f64,
    now: EventTime,
    pair_updates: [u64; Relation::COUNT],
    saving: State,
    loading: Loading,
}

/// How much a partition holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsStats {
    /// Rows with at least one neighbour.
    pub rows: usize,
    /// Pairs held.
    pub pairs: usize,
    /// Bytes of rows and totals. Names are not in it (see [`Items`]).
    pub bytes: usize,
    /// Items met, owned or not.
    pub items: usize,
    /// Pairs dropped from full rows, ever.
    pub evictions: u64,
    /// Pairs of which something was to be taken back and which were not there (any more), ever.
    pub missed: u64,
    /// Directed pair updates, ever.
    pub pair_updates: u64,
    /// The same, by [`Relation::index`].
    pub by_relation: [RelationStats; Relation::COUNT],
}

/// What a partition holds and has done of one relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelationStats {
    /// Rows with at least one neighbour.
    pub rows: usize,
    /// Pairs held.
    pub pairs: usize,
    /// Pairs dropped from full rows, ever.
    pub evictions: u64,
    /// Pairs of which something was to be taken back and which were not there (any more), ever.
    pub missed: u64,
    /// Directed pair updates, ever.
    pub pair_updates: u64,
}

/// What one delta counts with: 2^x once, and the day.
#[derive(Clone, Copy)]
struct Unit {
    relation: Relation,
    /// Weight of 1 at the event's time, relative to the landmark.
    weight: f64,
    day: u16,
    /// Stored weight below which a pair of a full row goes first.
    faded: f64,
    is_taken_back: bool,
    /// What an event counts with lately; 0 where that is not kept.
    recent: f64,
}

impl Unit {
    fn times(self, weight: f64, support: u32) -> Increment {
        Increment { weight: self.weight * weight, support, day: self.day }
    }
}

impl Rows {
    /// An empty partition of `partitions`.
    ///
    /// # Panics
    /// When `partition` is not one of them.
    #[must_use]
    pub fn new(rules: &CountingRules, partition: Partition, partitions: u32) -> Self {
        Self {
            items: Items::default(),
            owner: Ownership::new(partition, partitions),
            decay: rules.half_life_ms.map(Decay::new),
            store: RowStore::new(rules.row_max),
            totals: std::array::from_fn(|_| Totals::default()),
            travel: Travel::default(),
            recent: None,
            min_weight: f64::from(rules.min_weight_millionths) / 1e6,
            now: EventTime::MIN,
            pair_updates: [0; Relation::COUNT],
            saving: State::default(),
            loading: Loading::default(),
        }
    }

    /// The names behind the numbers.
    #[must_use]
    pub fn items(&self) -> &Items {
        &self.items
    }

    /// The same, to meet new names: deltas speak in these numbers.
    pub fn items_mut(&mut self) -> &mut Items {
        &mut self.items
    }

    /// The latest event time seen: what weights are decayed to.
    #[must_use]
    pub fn now(&self) -> EventTime {
        self.now
    }

    /// A mark says that the log has come to `time`.
    pub fn observe(&mut self, time: EventTime) {
        self.now = self.now.max(time);
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.owner.partitions
    }

    /// Whether there is no other partition.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.owner.is_alone()
    }

    /// Whether this partition owns `item`.
    #[must_use]
    pub fn owns(&self, item: ItemId) -> bool {
        self.owner.owns(&self.items, item)
    }

    /// Whether this partition owns the contexts, and the shop-wide lists, of `shop`.
    #[must_use]
    pub fn owns_shop(&mut self, shop: ShopId) -> bool {
        self.owner.meet(&self.items);
        self.owner.has_shop(shop)
    }

    /// Applies of `delta` what this partition owns, and appends to `touched` the anchors whose row or anchor total
    /// changed, each once.
    ///
    /// # Panics
    /// When a delta came that, by [`Change`], goes to another partition: counting on would count it twice or not at all.
    pub fn apply(&mut self, delta: &Delta<'_>, touched: &mut Vec<(Relation, ItemId)>) {
        self.observe(delta.time);
        self.owner.meet(&self.items);
        let unit = |rows: &mut Self, relation| rows.unit(relation, delta.time, delta.is_taken_back);
        match delta.change {
            Change::Context { shop, relation } => {
                let unit = unit(self, relation);
                self.count_context(unit, shop);
            }
            Change::Star { relation, centre, neighbours } => {
                let unit = unit(self, relation);
                self.count_star(unit, centre, neighbours, touched);
            }
            Change::StarBack { relation, centre, neighbours } => {
                let unit = unit(self, relation);
                for &(neighbour, distance) in neighbours {
                    assert!(self.owner.has(neighbour), "half a star for a row of another partition");
                    self.count_pair(unit, neighbour, centre, relation.star_weight(distance), 1);
                    touched.push((relation, neighbour));
                }
            }
            Change::Basket { items, before, settled } => {
                let unit = unit(self, Relation::BoughtTogether);
                self.count_basket(unit, (items, before, settled), touched);
            }
            Change::Cross { relation, anchors, settled, others } => {
                let unit = unit(self, relation);
                self.count_cross(unit, (anchors, settled), others, touched);
            }
        }
    }

    /// How much is held and has been done.
    #[must_use]
    pub fn stats(&self) -> RowsStats {
        let totals: usize = self.totals.iter().map(Totals::bytes).sum();
        let mut by_relation = *self.store.held();
        for (stats, &pair_updates) in by_relation.iter_mut().zip(&self.pair_updates) {
            stats.pair_updates = pair_updates;
        }
        RowsStats {
            rows: by_relation.iter().map(|stats| stats.rows).sum(),
            pairs: by_relation.iter().map(|stats| stats.pairs).sum(),
            bytes: self.store.bytes() + totals + self.owner.bytes() + self.travel.bytes(),
            items: self.items.len(),
            evictions: by_relation.iter().map(|stats| stats.evictions).sum(),
            missed: by_relation.iter().map(|stats| stats.missed).sum(),
            pair_updates: by_relation.iter().map(|stats| stats.pair_updates).sum(),
            by_relation,
        }
    }

    fn count_context(&mut self, unit: Unit, shop: ShopId) {
        assert!(self.owner.has_shop(shop), "contexts of a shop of another partition");
        self.keep_shop(unit.relation, shop);
        self.count_recent(TotalKey::Shop(unit.relation, shop), unit.recent, unit.is_taken_back);
        let contexts = self.totals[unit.relation.index()].contexts_mut(shop.index());
        if unit.is_taken_back {
            contexts.support = contexts.support.saturating_sub(1);
            let left = remaining(contexts.weight, unit.weight, ROUNDING_OF_TOTALS, false);
            contexts.weight = if contexts.support == 0 { 0.0 } else { left }; // each has support
        } else {
            contexts.weight += unit.weight;
            contexts.support += 1;
        }
        self.note_contexts(unit.relation, shop);
    }

    fn count_star(&mut self, unit: Unit, centre: ItemId, neighbours: &[ItemId], touched: &mut Vec<(Relation, ItemId)>) {
        assert!(self.owner.has(centre), "a star around an item of another partition");
        self.count_other(unit, centre, 1.0, 1);
        touched.push((unit.relation, centre));
        for (&neighbour, distance) in neighbours.iter().zip(1_u32..) {
            let weight = unit.relation.star_weight(distance);
            self.count_pair(unit, centre, neighbour, weight, 1);
            if self.owner.has(neighbour) {
                self.count_pair(unit, neighbour, centre, weight, 1);
                touched.push((unit.relation, neighbour));
            }
        }
    }

    fn count_basket(
        &mut self,
        unit: Unit,
        (items, before, settled): (&[Bought], &[OrdersBefore], usize),
        touched: &mut Vec<(Relation, ItemId)>,
    ) {
        for (place, anchor) in items.iter().enumerate() {
            if !self.owner.has(anchor.item) {
                continue;
            }
            let weight = repeat_weight(anchor.repeats);
            let is_settled = place < settled;
            if !is_settled {
                self.count_anchor(unit, anchor.item, weight, u32::from(anchor.repeats == 0));
                self.count_other(unit, anchor.item, 1.0, 1);
            }
            // Two that are settled have been counted.
            let from = if is_settled { settled } else { 0 };
            for (at, other) in items.iter().enumerate().skip(from).filter(|&(at, _)| at != place) {
                let is_new = before.is_empty() || before[place].are_apart(before[at]);
                self.count_pair(unit, anchor.item, other.item, weight, u32::from(is_new));
            }
            touched.push((unit.relation, anchor.item));
        }
    }

    fn count_cross(
        &mut self,
        unit: Unit,
        (anchors, is_settled): (&[ItemId], bool),
        others: &[Bought],
        touched: &mut Vec<(Relation, ItemId)>,
    ) {
        for other in others {
            if self.owner.has(other.item) {
                self.count_other(unit, other.item, repeat_weight(other.repeats), u32::from(other.repeats == 0));
            }
        }
        for &anchor in anchors {
            assert!(self.owner.has(anchor), "an anchor of another partition");
            if !is_settled {
                self.count_anchor(unit, anchor, 1.0, 1);
            }
            for other in others.iter().filter(|other| other.item != anchor) {
                let (weight, support) = (repeat_weight(other.repeats), u32::from(other.repeats == 0));
                self.count_pair(unit, anchor, other.item, weight, support);
            }
            touched.push((unit.relation, anchor));
        }
    }

    fn count_pair(&mut self, unit: Unit, anchor: ItemId, other: ItemId, weight: f64, support: u32) {
        self.pair_updates[unit.relation.index()] += 1;
        self.keep(unit.relation, anchor);
        let increment = unit.times(weight, support);
        if unit.is_taken_back {
            self.store.take_back(unit.relation, anchor, other, increment);
        } else {
            self.store.add(unit.relation, anchor, other, increment, unit.faded, &self.items);
        }
    }

    fn count_anchor(&mut self, unit: Unit, item: ItemId, weight: f64, support: u32) {
        self.keep(unit.relation, item);
        let total = self.totals[unit.relation.index()].anchor_mut(unit.relation, item);
        total.count(unit.weight * weight, support, unit.is_taken_back);
    }

    fn count_other(&mut self, unit: Unit, item: ItemId, weight: f64, support: u32) {
        self.keep(unit.relation, item);
        self.count_recent(TotalKey::Item(unit.relation, item), unit.recent * weight, unit.is_taken_back);
        let total = self.totals[unit.relation.index()].other_mut(item);
        total.count(unit.weight * weight, support, unit.is_taken_back);
        self.note_other(unit.relation, item);
    }

    /// What an event at `time` counts with. May move the landmark.
    fn unit(&mut self, relation: Relation, time: EventTime, is_taken_back: bool) -> Unit {
        let moved = self.decay[relation.index()].prepare(time);
        self.rescale(relation, moved);
        let recent = self.recent_unit(relation, time);
        let decay = &self.decay[relation.index()];
        let weight = decay.growth(time);
        let weight_now = if time == self.now { weight } else { decay.growth(self.now) };
        Unit { relation, weight, day: time.day(), faded: self.min_weight * weight_now, is_taken_back, recent }
    }

    fn prepare_landmark(&mut self, relation: Relation, landmark: i64) {
        let moved = self.decay[relation.index()].prepare_landmark(landmark);
        self.rescale(relation, moved);
    }

    fn rescale(&mut self, relation: Relation, half_lives: i64) {
        if half_lives != 0 {
            self.make_void();
            self.store.rescale(relation, half_lives);
            self.totals[relation.index()].rescale(half_lives);
        }
    }
}

#[cfg(test)]
mod tests;
