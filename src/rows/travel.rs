//! Totals travel: the owner of an item or shop tells the other partitions what they need of it to rank their own rows.
//!
//! A total is told when it is more than a step off what its readers compute from the last telling. Both sides decay
//! alike, so weights relative to the landmark are compared, and a total that nothing was added to is never told again.
//! Invariants: a reader drops what is not newer, by (epoch, sequence), than what it has from that partition; own totals are
//! never overwritten. What is told depends on the order of counting and of the rounds only.
//! Absent: the log in between, and who may write to it.

use super::Rows;
use super::decay::power_of_two;
use super::totals::slot;
use crate::items::{ItemId, ShopId};
use crate::relation::Relation;
use serde::{Deserialize, Serialize};

/// A total as its owner knows it. One key (shop, relation, item) has one owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TotalUpdate {
    /// The partition that owns the total.
    pub partition: u32,
    /// Which incarnation of the owner says so.
    pub epoch: u64,
    /// Its how many-th saying.
    pub sequence: u64,
    /// The shop.
    pub shop: String,
    /// The relation.
    pub relation: Relation,
    /// The item whose other total this is; `None`: the contexts of the shop.
    pub item: Option<String>,
    /// Counts behind it, undecayed.
    pub support: u64,
    /// Weight relative to `landmark`.
    pub weight: f64,
    /// In half-lives of the relation since 1970.
    pub landmark: i64,
}

#[derive(Clone, Copy)]
enum Key {
    Item(Relation, ItemId),
    Shop(Relation, ShopId),
}

/// What a partition has to tell, and has heard.
#[derive(Default)]
pub(super) struct Travel {
    epoch: u64,
    sequence: u64,
    /// Totals that changed since the last round.
    changed: Vec<Key>,
    /// Totals that may differ from what was last told.
    differs: Vec<Key>,
    /// The newest (epoch, sequence) heard of each partition.
    heard: Vec<(u64, u64)>,
}

impl Travel {
    pub(super) fn bytes(&self) -> usize {
        (self.changed.capacity() + self.differs.capacity()) * size_of::<Key>()
    }
}

impl Rows {
    /// A new incarnation of the owner: what it tells from now on counts as newer than all before.
    pub fn claim(&mut self, epoch: u64) {
        self.travel.epoch = epoch;
        self.travel.sequence = 0;
    }

    /// An own other total has been added to.
    pub(super) fn note_other(&mut self, relation: Relation, item: ItemId) {
        if self.owner.is_alone() {
            return;
        }
        let total = self.totals[relation.index()].other_mut(item);
        note(&mut self.travel, &mut total.changed, &mut total.differs, Key::Item(relation, item));
    }

    /// Own contexts have been added to.
    pub(super) fn note_contexts(&mut self, relation: Relation, shop: ShopId) {
        if self.owner.is_alone() {
            return;
        }
        let contexts = self.totals[relation.index()].contexts_mut(shop.index());
        note(&mut self.travel, &mut contexts.changed, &mut contexts.differs, Key::Shop(relation, shop));
    }

    /// Appends to `out` the own totals that have to be told: those of which readers would be off by more than
    /// `step_milli` thousandths, or, when `exact`, all that differ at all. With one partition there are none.
    pub fn drain_totals(&mut self, step_milli: u32, exact: bool, out: &mut Vec<TotalUpdate>) {
        let mut changed = std::mem::take(&mut self.travel.changed);
        for &key in &changed {
            self.tell_when_off(key, f64::from(step_milli) / 1000.0, out);
        }
        changed.clear();
        self.travel.changed = changed;
        if exact {
            let mut differs = std::mem::take(&mut self.travel.differs);
            for &key in &differs {
                self.tell_when_off(key, 0.0, out);
                self.unlist(key);
            }
            differs.clear();
            self.travel.differs = differs;
        }
    }

    fn tell_when_off(&mut self, key: Key, step: f64, out: &mut Vec<TotalUpdate>) {
        let (weight, support, sent) = match key {
            Key::Item(relation, item) => {
                let totals = &mut self.totals[relation.index()];
                let total = totals.other_mut(item);
                total.changed = false;
                let (weight, support) = (total.weight, u64::from(total.support));
                (weight, support, slot(&mut totals.sent_others, item.index()))
            }
            Key::Shop(relation, shop) => {
                let totals = &mut self.totals[relation.index()];
                let contexts = totals.contexts_mut(shop.index());
                contexts.changed = false;
                let (weight, support) = (contexts.weight, contexts.support);
                (weight, support, slot(&mut totals.sent_contexts, shop.index()))
            }
        };
        if (weight - *sent).abs() > step * *sent {
            *sent = weight;
            let update = self.total_update(key, weight, support);
            out.push(update);
        }
    }

    fn total_update(&mut self, key: Key, weight: f64, support: u64) -> TotalUpdate {
        self.travel.sequence += 1;
        let (relation, shop, item) = match key {
            Key::Item(relation, item) => (relation, self.items.shop_of(item), Some(self.items.name(item).to_owned())),
            Key::Shop(relation, shop) => (relation, shop, None),
        };
        TotalUpdate {
            partition: self.owner.partition.0,
            epoch: self.travel.epoch,
            sequence: self.travel.sequence,
            shop: self.items.shop_name(shop).to_owned(),
            relation,
            item,
            support,
            weight,
            landmark: self.decay[relation.index()].landmark(),
        }
    }

    fn unlist(&mut self, key: Key) {
        match key {
            Key::Item(relation, item) => self.totals[relation.index()].other_mut(item).differs = false,
            Key::Shop(relation, shop) => self.totals[relation.index()].contexts_mut(shop.index()).differs = false,
        }
    }

    /// Takes over a foreign total. An own one, and one that is not newer than what that partition said before, changes
    /// nothing. Says whether it was taken.
    pub fn apply_total(&mut self, update: &TotalUpdate) -> bool {
        let own = update.partition == self.owner.partition.0;
        if own || update.partition >= self.owner.partitions || !(update.weight > 0.0 && update.weight.is_finite()) {
            return false;
        }
        let heard = slot(&mut self.travel.heard, update.partition as usize);
        if *heard >= (update.epoch, update.sequence) {
            return false;
        }
        *heard = (update.epoch, update.sequence);
        let shop = self.items.shop(&update.shop);
        let item = update.item.as_deref().map(|name| self.items.item(shop, name));
        self.owner.meet(&self.items);
        if item.map_or_else(|| self.owner.has_shop(shop), |item| self.owner.has(item)) {
            return false;
        }
        self.prepare_landmark(update.relation, update.landmark);
        let shift = update.landmark.saturating_sub(self.decay[update.relation.index()].landmark());
        let weight = (update.weight * power_of_two(shift)).clamp(f64::MIN_POSITIVE, f64::MAX);
        let totals = &mut self.totals[update.relation.index()];
        if let Some(item) = item {
            let total = totals.other_mut(item);
            total.weight = weight;
            total.support = u32::try_from(update.support).unwrap_or(u32::MAX);
        } else {
            let contexts = totals.contexts_mut(shop.index());
            contexts.weight = weight;
            contexts.support = update.support;
        }
        true
    }
}

fn note(travel: &mut Travel, changed: &mut bool, differs: &mut bool, key: Key) {
    if !std::mem::replace(changed, true) {
        travel.changed.push(key);
    }
    if !std::mem::replace(differs, true) {
        travel.differs.push(key);
    }
}
