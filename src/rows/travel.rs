//! Totals travel: the owner of an item or shop tells the other partitions what they need of it to rank their own rows.
//!
//! A total is told when it is more than a step off what its readers compute from the last telling. Both sides decay
//! alike, so weights relative to the landmark are compared, and a total that nothing was added to is never told again.
//! Invariants: own totals are never overwritten; what is told depends on the order of counting and of the rounds only; one round looks
//! at a bounded number of totals.
//! Absent: bytes, the log in between, who may write to it, and which of two blocks is the newer one.

use super::Rows;
use super::decay::power_of_two;
use super::totals::slot;
use crate::items::{ItemId, ShopId};
use crate::relation::Relation;

/// Whose total it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalKey {
    /// The other total of an item (of a symmetric relation: its only one).
    Item(Relation, ItemId),
    /// The contexts of a shop.
    Shop(Relation, ShopId),
}

impl TotalKey {
    /// The relation.
    #[must_use]
    pub fn relation(self) -> Relation {
        match self {
            Self::Item(relation, _) | Self::Shop(relation, _) => relation,
        }
    }
}

/// A total as its owner knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TotalUpdate {
    /// Whose total it is.
    pub key: TotalKey,
    /// Counts behind it, undecayed.
    pub support: u64,
    /// Weight relative to the landmark of the owner ([`Rows::landmark`]).
    pub weight: f64,
}

/// What readers have of a total of which nobody knows what they have: off from every weight, by any step.
const UNKNOWN: f64 = f64::MAX;

/// What a partition has to tell.
#[derive(Default)]
pub(super) struct Travel {
    /// Totals that changed since the last round.
    pub(super) changed: Vec<TotalKey>,
    /// Totals that may differ from what was last told.
    pub(super) differs: Vec<TotalKey>,
}

impl Travel {
    pub(super) fn bytes(&self) -> usize {
        (self.changed.capacity() + self.differs.capacity()) * size_of::<TotalKey>()
    }
}

impl Rows {
    /// What own weights of `relation` are relative to, in half-lives since 1970.
    #[must_use]
    pub fn landmark(&self, relation: Relation) -> i64 {
        self.decay[relation.index()].landmark()
    }

    /// How many own totals have changed since they were looked at.
    #[must_use]
    pub fn changed_totals(&self) -> usize {
        self.travel.changed.len()
    }

    /// An own other total has been added to.
    pub(super) fn note_other(&mut self, relation: Relation, item: ItemId) {
        if self.owner.is_alone() {
            return;
        }
        let total = self.totals[relation.index()].other_mut(item);
        note(&mut self.travel, &mut total.changed, &mut total.differs, TotalKey::Item(relation, item));
    }

    /// Own contexts have been added to.
    pub(super) fn note_contexts(&mut self, relation: Relation, shop: ShopId) {
        if self.owner.is_alone() {
            return;
        }
        let contexts = self.totals[relation.index()].contexts_mut(shop.index());
        note(&mut self.travel, &mut contexts.changed, &mut contexts.differs, TotalKey::Shop(relation, shop));
    }

    /// Looks at `looked_at_max` own totals that have changed and appends to `out` those that have to be told: of which
    /// readers would be off by more than `step_milli` thousandths. Says whether there are more to look at. With one
    /// partition there are none.
    pub fn drain_changed(&mut self, step_milli: u32, looked_at_max: usize, out: &mut Vec<TotalUpdate>) -> bool {
        let step = f64::from(step_milli) / 1000.0;
        for _ in 0..looked_at_max {
            let Some(key) = self.travel.changed.pop() else { return false };
            self.tell_when_off(key, step, out);
        }
        !self.travel.changed.is_empty()
    }

    /// The same of all that differ at all from what was told last.
    pub fn drain_differing(&mut self, looked_at_max: usize, out: &mut Vec<TotalUpdate>) -> bool {
        for _ in 0..looked_at_max {
            let Some(key) = self.travel.differs.pop() else { return false };
            self.keep_total(key);
            self.tell_when_off(key, 0.0, out);
            match key {
                TotalKey::Item(relation, item) => self.totals[relation.index()].other_mut(item).differs = false,
                TotalKey::Shop(relation, shop) => {
                    self.totals[relation.index()].contexts_mut(shop.index()).differs = false;
                }
            }
        }
        !self.travel.differs.is_empty()
    }

    fn tell_when_off(&mut self, key: TotalKey, step: f64, out: &mut Vec<TotalUpdate>) {
        self.keep_total(key);
        let (weight, support, sent) = match key {
            TotalKey::Item(relation, item) => {
                let totals = &mut self.totals[relation.index()];
                let total = totals.other_mut(item);
                total.changed = false;
                let (weight, support) = (total.weight, u64::from(total.support));
                (weight, support, slot(&mut totals.sent_others, item.index()))
            }
            TotalKey::Shop(relation, shop) => {
                let totals = &mut self.totals[relation.index()];
                let contexts = totals.contexts_mut(shop.index());
                contexts.changed = false;
                let (weight, support) = (contexts.weight, contexts.support);
                (weight, support, slot(&mut totals.sent_contexts, shop.index()))
            }
        };
        if (weight - *sent).abs() > step * *sent {
            *sent = weight;
            out.push(TotalUpdate { key, support, weight });
        }
    }

    /// Takes over what another partition says of its total, relative to `landmark`. Of an own one nothing is taken. Says
    /// whether anything changed.
    pub fn apply_foreign_total(&mut self, update: &TotalUpdate, landmark: i64) -> bool {
        self.owner.meet(&self.items);
        if self.owns_total(update.key) {
            return false;
        }
        let weight = self.aligned(update, landmark);
        self.keep_total(update.key);
        let before = match update.key {
            TotalKey::Item(relation, item) => self.totals[relation.index()].other(item).weight,
            TotalKey::Shop(relation, shop) => self.totals[relation.index()].contexts(shop.index()).weight,
        };
        self.hear_recent(update.key, before, weight);
        match update.key {
            TotalKey::Item(relation, item) => {
                let total = self.totals[relation.index()].other_mut(item);
                let support = u32::try_from(update.support).unwrap_or(u32::MAX);
                let is_news = (total.weight, total.support) != (weight, support);
                (total.weight, total.support) = (weight, support);
                is_news
            }
            TotalKey::Shop(relation, shop) => {
                let contexts = self.totals[relation.index()].contexts_mut(shop.index());
                let is_news = (contexts.weight, contexts.support) != (weight, update.support);
                (contexts.weight, contexts.support) = (weight, update.support);
                is_news
            }
        }
    }

    /// A predecessor has told this of an own total: readers have it, so it is not told again unless it is off.
    pub fn restore_sent(&mut self, update: &TotalUpdate, landmark: i64) {
        self.owner.meet(&self.items);
        if !self.owns_total(update.key) {
            return;
        }
        let weight = self.aligned(update, landmark);
        self.keep_total(update.key);
        match update.key {
            TotalKey::Item(relation, item) => {
                *slot(&mut self.totals[relation.index()].sent_others, item.index()) = weight;
            }
            TotalKey::Shop(relation, shop) => {
                *slot(&mut self.totals[relation.index()].sent_contexts, shop.index()) = weight;
            }
        }
    }

    /// This was told of an own total, but readers did not take it: if it is what they are held to have, nothing is known
    /// of what they have, and the total is told again.
    pub fn forget_sent(&mut self, update: &TotalUpdate, landmark: i64) {
        self.owner.meet(&self.items);
        if !self.owns_total(update.key) {
            return;
        }
        let weight = self.aligned(update, landmark);
        let totals = &self.totals[update.key.relation().index()];
        let sent = match update.key {
            TotalKey::Item(_, item) => totals.sent_others.get(item.index()),
            TotalKey::Shop(_, shop) => totals.sent_contexts.get(shop.index()),
        };
        if sent.copied().unwrap_or_default() != weight {
            return; // told again since, and taken
        }
        self.keep_total(update.key);
        match update.key {
            TotalKey::Item(relation, item) => {
                *slot(&mut self.totals[relation.index()].sent_others, item.index()) = UNKNOWN;
                self.note_other(relation, item);
            }
            TotalKey::Shop(relation, shop) => {
                *slot(&mut self.totals[relation.index()].sent_contexts, shop.index()) = UNKNOWN;
                self.note_contexts(relation, shop);
            }
        }
    }

    /// A total, or what was told of it, is about to change.
    pub(super) fn keep_total(&mut self, key: TotalKey) {
        match key {
            TotalKey::Item(relation, item) => self.keep(relation, item),
            TotalKey::Shop(relation, shop) => self.keep_shop(relation, shop),
        }
    }

    pub(super) fn owns_total(&self, key: TotalKey) -> bool {
        match key {
            TotalKey::Item(_, item) => self.owner.has(item),
            TotalKey::Shop(_, shop) => self.owner.has_shop(shop),
        }
    }

    /// The weight relative to the own landmark, which may move for it.
    fn aligned(&mut self, update: &TotalUpdate, landmark: i64) -> f64 {
        let relation = update.key.relation();
        self.prepare_landmark(relation, landmark);
        if update.weight <= 0.0 {
            return 0.0; // taken back wholly
        }
        let shift = landmark.saturating_sub(self.landmark(relation));
        (update.weight * power_of_two(shift)).clamp(f64::MIN_POSITIVE, f64::MAX)
    }
}

fn note(travel: &mut Travel, changed: &mut bool, differs: &mut bool, key: TotalKey) {
    if !std::mem::replace(changed, true) {
        travel.changed.push(key);
    }
    if !std::mem::replace(differs, true) {
        travel.differs.push(key);
    }
}
