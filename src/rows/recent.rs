//! What was counted lately: of one relation a second total of each item and shop, which decays faster. Kept only where a list asks for it.
//!
//! It is no counting rule: it may begin at any time, and end. Of what was counted before it began, nobody knows when: that is taken to
//! have come evenly ([`Recent::steady`]), and so is what another partition tells for the first time. After that own events count at
//! their own times, and what others tell at the time when they tell it.
//! Invariants: a recent weight is at most about the whole one; it is kept with the counts, and goes on from there.

use super::Rows;
use super::decay::{Decay, power_of_two};
use super::totals::slot;
use super::travel::TotalKey;
use crate::event::EventTime;
use crate::items::{ItemId, ShopId};
use crate::relation::Relation;
use serde::{Deserialize, Serialize};

/// Of which relation, and how fast it decays.
pub(super) struct Recent {
    pub(super) relation: Relation,
    half_life_ms: i64,
    decay: Decay,
    /// The share of an even stream's whole weight that is recent: the ratio of the half-lives.
    steady: f64,
    /// Whether it began when something had been counted already.
    is_assumed: bool,
}

/// The same, as it is kept.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct RecentFigures {
    relation: u8,
    half_life_ms: i64,
    landmark: Option<i64>,
    is_assumed: bool,
}

impl Recent {
    fn new(relation: Relation, half_life_ms: i64, whole_half_life_ms: i64) -> Self {
        let steady = (half_life_ms as f64 / whole_half_life_ms.max(1) as f64).min(1.0);
        Self { relation, half_life_ms, decay: Decay::new(half_life_ms), steady, is_assumed: false }
    }

    pub(super) fn figures(&self) -> RecentFigures {
        RecentFigures {
            relation: u8::try_from(self.relation.index()).unwrap_or(u8::MAX),
            half_life_ms: self.half_life_ms,
            landmark: self.decay.landmark_if_any(),
            is_assumed: self.is_assumed,
        }
    }
}

impl Rows {
    /// From here on what is counted of `relation` is also kept with a shorter half-life. To be told before anything is counted or
    /// taken up.
    pub fn keep_recent(&mut self, relation: Relation, half_life_ms: i64) {
        let whole_ms = self.decay[relation.index()].half_life_ms();
        self.recent = Some(Recent::new(relation, half_life_ms, whole_ms));
    }

    /// What an event at `time` counts with lately; 0 where that is not kept of `relation`. May move the landmark.
    pub(super) fn recent_unit(&mut self, relation: Relation, time: EventTime) -> f64 {
        let Some(recent) = self.recent.as_mut().filter(|recent| recent.relation == relation) else { return 0.0 };
        let moved = recent.decay.prepare(time);
        let weight = recent.decay.growth(time);
        if moved != 0 {
            self.make_void();
            self.totals[relation.index()].rescale_recent(moved);
        }
        weight
    }

    /// What has been counted of `key`, or taken back, is so lately too. To be told before the whole total changes.
    pub(super) fn count_recent(&mut self, key: TotalKey, weight: f64, is_taken_back: bool) {
        if weight == 0.0 {
            return;
        }
        self.assume_steady(key);
        let place = self.recent_mut(key);
        *place = if is_taken_back { (*place - weight).max(0.0) } else { *place + weight };
    }

    /// Another partition's total is now `weight` (relative to the landmark): what is new in it came now.
    pub(super) fn hear_recent(&mut self, key: TotalKey, before: f64, weight: f64) {
        let (relation, now) = (key.relation(), self.now);
        if self.recent.as_ref().is_none_or(|recent| recent.relation != relation) || now == EventTime::MIN {
            return; // a walk over all items gives it what is due
        }
        if before > 0.0 {
            let unit = self.recent_unit(relation, now);
            let by_now = unit / self.decay[relation.index()].growth(now);
            self.assume_steady(key);
            let place = self.recent_mut(key);
            *place = (*place + (weight - before) * by_now).max(0.0);
        }
    }

    /// Of what was counted when nobody looked, or elsewhere, as much is recent as of an even stream.
    pub(super) fn assume_steady(&mut self, key: TotalKey) {
        let (relation, now) = (key.relation(), self.now);
        let Some(recent) = &self.recent else { return };
        let is_known = !recent.is_assumed && self.owns_total(key);
        if recent.relation != relation || is_known || now == EventTime::MIN || *self.recent_mut(key) > 0.0 {
            return;
        }
        let whole = match key {
            TotalKey::Item(_, item) => self.totals[relation.index()].other(item).weight,
            TotalKey::Shop(_, shop) => self.totals[relation.index()].contexts(shop.index()).weight,
        };
        let unit = self.recent_unit(relation, now);
        let steady = self.recent.as_ref().map_or(0.0, |recent| recent.steady);
        *self.recent_mut(key) = whole / self.decay[relation.index()].growth(now) * unit * steady;
    }

    /// The weight lately of an item, or of a shop's contexts, decayed to now.
    pub(super) fn recent_weight(&self, key: TotalKey) -> f64 {
        let totals = &self.totals[key.relation().index()];
        let stored = match key {
            TotalKey::Item(_, item) => totals.recent_others.get(item.index()),
            TotalKey::Shop(_, shop) => totals.recent_contexts.get(shop.index()),
        };
        let growth = self.recent.as_ref().map_or(1.0, |recent| recent.decay.growth(self.now));
        stored.copied().unwrap_or(0.0) / growth
    }

    /// The place of an item's, or a shop's, recent weight. It is about to change.
    fn recent_mut(&mut self, key: TotalKey) -> &mut f64 {
        self.keep_total(key);
        let totals = &mut self.totals[key.relation().index()];
        match key {
            TotalKey::Item(_, ItemId(item)) => slot(&mut totals.recent_others, item as usize),
            TotalKey::Shop(_, ShopId(shop)) => slot(&mut totals.recent_contexts, shop as usize),
        }
    }

    /// What was taken up goes on, if it is of these rules; else it begins anew, with what was counted before taken as even.
    pub(super) fn restore_recent(&mut self, kept: Option<RecentFigures>) {
        let goes_on = match (&mut self.recent, kept) {
            (Some(recent), Some(kept))
                if RecentFigures { landmark: None, is_assumed: false, ..kept } == recent.figures() =>
            {
                recent.decay.restore(kept.landmark);
                recent.is_assumed = kept.is_assumed;
                true
            }
            (Some(recent), _) => {
                recent.is_assumed = true;
                false
            }
            (None, _) => false,
        };
        if !goes_on {
            self.totals.iter_mut().for_each(super::totals::Totals::forget_recent);
        }
    }
}

impl super::totals::Totals {
    /// The landmark of recent weights moved.
    fn rescale_recent(&mut self, half_lives: i64) {
        let factor = power_of_two(-half_lives);
        self.recent_others.iter_mut().chain(&mut self.recent_contexts).for_each(|weight| *weight *= factor);
    }

    fn forget_recent(&mut self) {
        (self.recent_others, self.recent_contexts) = (Vec::new(), Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::spread;
    use crate::position::Partition;
    use crate::relation::{Bought, Change, Delta};
    use crate::rows::TotalUpdate;
    use crate::rules::{CountingRules, DAY_MS};

    const RELATION: Relation = Relation::BoughtTogether;
    const START_MS: i64 = 20_000 * DAY_MS;

    fn rows(partition: u32, partitions: u32) -> Rows {
        Rows::new(&CountingRules::default(), Partition(partition), partitions)
    }

    fn order(rows: &mut Rows, day: i64, item: ItemId, is_taken_back: bool) {
        let (time, items) = (EventTime(START_MS + day * DAY_MS), [Bought { item, repeats: 0 }]);
        let shop = rows.items().shop_of(item);
        let changes =
            [Change::Context { shop, relation: RELATION }, Change::Basket { items: &items, before: &[], settled: 0 }];
        for change in changes {
            rows.apply(&Delta { time, change, is_taken_back }, &mut Vec::new());
        }
    }

    fn assert_near(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-9 * wanted.max(1e-3), "{found}, not {wanted}");
    }

    #[test]
    fn own_events_count_at_their_own_times_and_what_is_taken_back_counts_no_more() {
        let mut rows = rows(0, 1);
        rows.keep_recent(RELATION, 7 * DAY_MS);
        let shop = rows.items_mut().shop("main");
        let [a, b] = ["a", "b"].map(|name| rows.items_mut().item(shop, name));
        // Far enough apart for the landmark to move, and one that comes late.
        let orders = [(0, a), (400, b), (500, a), (900, a), (897, b), (903, a)];
        orders.iter().for_each(|&(day, item)| order(&mut rows, day, item, false));
        order(&mut rows, 900, a, true);
        let naive = |of: &[i64]| of.iter().map(|day| 2.0_f64.powf((day - 903) as f64 / 7.0)).sum::<f64>();
        let view = rows.shop(RELATION, shop);
        assert_near(view.total(a).recent, naive(&[0, 500, 903]));
        assert_near(view.total(b).recent, naive(&[400, 897]));
        assert_near(view.recent_contexts, naive(&[0, 400, 500, 897, 903]));
        assert!(view.total(a).recent <= view.total(a).weight);
        let other = rows.shop(Relation::ViewedTogether, shop);
        assert_eq!((other.total(a).recent, other.recent_contexts), (0.0, 0.0), "of one relation");
    }

    #[test]
    fn what_others_tell_first_is_taken_as_even_and_then_what_is_new_in_it_as_of_now() {
        let mut rows = rows(0, 2);
        rows.keep_recent(RELATION, 18 * DAY_MS); // a tenth of the whole half-life
        let shop = rows.items_mut().shop("main");
        let mut of = |own: bool| {
            let name = (0..)
                .map(|n: u32| n.to_string())
                .find(|name| (spread(crate::items::fingerprint("main", name), 2) == Partition(0)) == own);
            rows.items_mut().item(shop, &name.unwrap())
        };
        let (own, foreign) = (of(true), of(false));
        order_of_item(&mut rows, own);
        let unit = rows.decay[RELATION.index()].growth(rows.now());
        let landmark = rows.landmark(RELATION);
        let tell = |rows: &mut Rows, weight: f64| {
            let key = TotalKey::Item(RELATION, foreign);
            rows.apply_foreign_total(&TotalUpdate { key, support: 9, weight: weight * unit }, landmark);
        };
        tell(&mut rows, 50.0);
        assert_near(rows.shop(RELATION, shop).total(foreign).recent, 0.0);
        rows.know_recent(RELATION, foreign);
        rows.know_recent(RELATION, own);
        assert_near(rows.shop(RELATION, shop).total(foreign).recent, 5.0);
        assert_near(rows.shop(RELATION, shop).total(own).recent, 1.0);
        tell(&mut rows, 54.0);
        assert_near(rows.shop(RELATION, shop).total(foreign).recent, 9.0);
        tell(&mut rows, 10.0);
        assert_near(rows.shop(RELATION, shop).total(foreign).recent, 0.0);
    }

    fn order_of_item(rows: &mut Rows, item: ItemId) {
        let items = [Bought { item, repeats: 0 }];
        let change = Change::Basket { items: &items, before: &[], settled: 0 };
        rows.apply(&Delta::counted(EventTime(START_MS), change), &mut Vec::new());
    }

    #[test]
    fn where_it_begins_later_what_was_counted_before_is_taken_as_even() {
        let mut rows = rows(0, 1);
        let shop = rows.items_mut().shop("main");
        let item = rows.items_mut().item(shop, "a");
        (0..50).for_each(|_| order(&mut rows, 0, item, false));
        rows.keep_recent(RELATION, 18 * DAY_MS);
        rows.restore_recent(None); // as of a state that was kept without it
        order(&mut rows, 0, item, false);
        let view = rows.shop(RELATION, shop);
        assert_near(view.total(item).recent, 6.0);
        assert_near(view.recent_contexts, 6.0);
        let new = rows.items_mut().item(shop, "new");
        order(&mut rows, 0, new, false);
        assert_near(rows.shop(RELATION, shop).total(new).recent, 1.0);
    }
}
