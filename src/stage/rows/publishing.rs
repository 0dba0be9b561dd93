//! Ranking what is due, a bounded number of rows a step, and publishing what is news; and lists that have landed over ours.

use super::record::{Landed, LandedValue};
use super::{Clocked, RowsWork};
use crate::list_key::{About, ListKey, ListName, SHOP_WIDE};
use crate::publish::{DueList, EntryRecord, ListNumber, News, Publication, Shelved, Shown, Stamp};
use crate::rank::score_milli;
use crate::stage::effect::{Effects, Log, StageError};

/// How many rows one step ranks.
pub const RANKED_MAX: usize = 256;

/// How many neighbours the rows of one step may have before it ends: rows may be long where their bound is lifted.
pub const NEIGHBOURS_MAX: usize = 65_536;

/// How long lists wait behind a history for the totals of the other partitions, whose histories end at the same time: else
/// nearly each would be published twice.
pub const TOTALS_FIRST_MS: i64 = 1_000;

/// The same where all is counted anew beside lists of before: a partition that is still at it has told nothing yet, and lists that
/// need its totals would go, and come back.
pub const TOTALS_FIRST_ANEW_MS: i64 = 10_000;

/// How far rest lies at least behind the last event where the clock is the events'.
const REST_MS: i64 = 10_000;

impl RowsWork {
    /// Where events are the clock: they have come to `time_ms`. All that is due by then is ranked first.
    pub(super) fn events_come_to(&mut self, time_ms: i64, effects: &mut dyn Effects) {
        if time_ms > self.clock_ms {
            (self.clock_ms, self.wall_ms) = (time_ms, time_ms);
            self.publish_due(effects);
        }
    }

    /// Silence is over: every list is due once.
    pub(super) fn end_silence(&mut self) {
        self.review.begin();
        self.due.sweep_all();
        self.begin_walk();
    }

    /// A history is over, for the other partitions too.
    pub(super) fn end_history(&mut self) {
        let totals_first_ms = if self.silence.is_of_anew() { TOTALS_FIRST_ANEW_MS } else { TOTALS_FIRST_MS };
        self.publish_from_ms = self.clock_ms.saturating_add(totals_first_ms);
        self.end_silence();
    }

    pub(super) fn is_publishing(&self) -> bool {
        self.may_publish() && (self.due.is_busy() || self.is_walking())
    }

    fn may_publish(&self) -> bool {
        !self.silence.is_on()
            && self.are_facts_there()
            && (self.clocked == Clocked::Events || self.clock_ms >= self.publish_from_ms)
    }

    /// Ranks and publishes what is due: a step of it, or, where events are the clock, all of it before the next event is
    /// counted.
    pub(super) fn publish_due(&mut self, effects: &mut dyn Effects) {
        self.follow_facts();
        if !self.may_publish() {
            return;
        }
        match self.clocked {
            Clocked::Wall => self.publish_step(effects),
            Clocked::Events => {
                self.publish_step(effects); // which moves the queue's clock
                while self.due.is_busy() || self.is_following_facts() || self.is_walking() {
                    self.follow_facts();
                    self.publish_step(effects);
                }
            }
        }
    }

    fn publish_step(&mut self, effects: &mut dyn Effects) {
        self.walk_step();
        let unready = self.shop_wide.as_ref().filter(|wide| !wide.is_ready());
        let is_unready = unready.is_some();
        if unready.is_some_and(|wide| wide.fills()) {
            return; // each list would go out twice
        }
        self.rank_some(is_unready, effects);
        self.note_reviewed();
    }

    fn rank_some(&mut self, is_unready: bool, effects: &mut dyn Effects) {
        let mut neighbours = 0;
        for _ in 0..RANKED_MAX {
            let Some(due) = self.due.pop(self.clock_ms) else { return };
            let name = self.lists.key(due.list).list;
            if (is_unready && name.is_shop_wide()) || self.exposure.is_unready(name) {
                self.due.pass_over();
                continue; // the end of the walk, or of the round, brings it up
            }
            neighbours += self.rank(due.list);
            self.offer(due, effects);
            self.hold(due.list);
            if neighbours >= NEIGHBOURS_MAX {
                return;
            }
        }
    }

    fn offer(&mut self, due: DueList, effects: &mut dyn Effects) {
        let DueList { list, since_ms, is_swept } = due;
        let name = self.ranked.key.list.index();
        self.tally.ranked[name] += 1;
        self.review(list);
        self.tally.corrected += u64::from(self.publisher.is_stale(list));
        if self.is_reserve_lost(list) {
            self.publisher.renew(list); // who has the list would fall back on it
        }
        let shelved = self.look_at_shelves();
        let news = self.publisher.offer(list, &self.ranked, shelved, is_swept);
        self.mark_placements(matches!(news, News::List(_) | News::Tombstone(_)), since_ms);
        match news {
            News::List(stamp) => {
                self.tally.published[name] += 1;
                self.ranked.complete();
                effects.publish(&self.publication(stamp, since_ms));
            }
            News::Tombstone(stamp) => {
                self.tally.tombstones[name] += 1;
                effects.publish(&self.publication(stamp, since_ms));
            }
            News::Suppressed => self.tally.suppressed[name] += 1,
            News::Nothing => {}
        }
    }

    fn publication(&self, stamp: Stamp, since_ms: Option<i64>) -> Publication<'_> {
        Publication {
            partition: self.partition,
            list: &self.ranked,
            shelves: &self.shelves,
            items: self.rows.items(),
            stamp,
            since_ms,
            waited_ms: since_ms.map(|since_ms| self.wall_ms.saturating_sub(since_ms).max(0)),
        }
    }

    /// Publishes lists as they stand, news or not: a step of them, from the `from`-th on. Returns where to go on, if there
    /// are more.
    pub fn publish_all(&mut self, from: usize, effects: &mut dyn Effects) -> Option<usize> {
        if from == 0 {
            self.walk_all();
            self.meet_placements();
        }
        let to = from.saturating_add(RANKED_MAX).min(self.lists.len());
        for number in (from..to).filter_map(|number| u32::try_from(number).ok()) {
            let list = ListNumber(number);
            self.rank(list);
            self.review(list);
            if !self.ranked.is_empty() {
                self.ranked.complete();
                self.look_at_shelves();
                let stamp = self.publisher.stamp(list).unwrap_or_default();
                effects.publish(&self.publication(stamp, None));
            }
        }
        let next = (to < self.lists.len()).then_some(to);
        if next.is_none() {
            self.review.end();
        }
        next
    }

    /// A record of the lists log: of a predecessor, of this owner, or of somebody who has been overtaken and does not know.
    pub(super) fn list_record(&mut self, landed: &Landed<'_>) -> Result<(), StageError> {
        let own_epoch = self.epoch.unwrap_or(0);
        if let Some(Stamp { epoch, .. }) = landed.stamp.filter(|stamp| stamp.epoch > own_epoch) {
            if !self.wants_lists {
                return Err(self.overtaken(Log::Lists, epoch));
            }
            self.epoch_above = self.epoch_above.max(Some(epoch));
        }
        let Some(list) = self.list_landed(landed) else { return Ok(()) };
        self.due.know(list);
        if !self.wants_lists {
            if self.publisher.landed(list, landed.stamp) {
                self.due.mark_again(list, self.clock_ms);
            }
            return Ok(());
        }
        let LandedValue::List(record) = landed.value else {
            self.publisher.restore(list, landed.stamp, std::iter::empty());
            return Ok(());
        };
        let (items, shop) = (self.rows.items_mut(), self.lists.key(list).shop);
        let shown = (record.entries.len(), Shelved::of(record.entries.iter().map(EntryRecord::told)));
        let entries = record
            .entries
            .iter()
            .chain(&record.reserve)
            .map(|entry| Shown::new(items.item(shop, &entry.item), score_milli(entry.score), entry.label()));
        self.publisher.restore_entries(list, landed.stamp, entries, shown);
        Ok(())
    }

    /// The number of the list that has landed; `None` where it is none of this partition's, or is off.
    fn list_landed(&mut self, landed: &Landed<'_>) -> Option<ListNumber> {
        let list = ListName::find(landed.list)?;
        if !self.rules[list.index()].enabled {
            return None;
        }
        let items = self.rows.items_mut();
        let shop = items.shop(landed.shop);
        let about = if landed.item == SHOP_WIDE { About::Shop } else { About::Item(items.item(shop, landed.item)) };
        let is_own = match about {
            About::Item(item) if !list.is_shop_wide() => self.rows.owns(item),
            _ => self.rows.owns_shop(shop),
        };
        is_own.then(|| self.lists.meet(ListKey { shop, list, about }))
    }

    /// First exact totals go out; when there are none to tell, every list is ranked.
    pub(super) fn come_to_rest(&mut self, effects: &mut dyn Effects) {
        if self.silence.is_on() || !self.moved || self.is_telling_exact() {
            return;
        }
        self.start_exact();
        self.go_on_resting(effects);
        while self.clocked == Clocked::Events && self.is_telling_exact() {
            self.go_on_resting(effects);
        }
    }

    /// A step of the exact totals; behind the last, if there were none, the sweep.
    pub(super) fn go_on_resting(&mut self, effects: &mut dyn Effects) {
        match self.tell_exact(effects) {
            None => {}
            Some(true) => self.last_input_ms = self.clock_ms, // the others rank by them first
            Some(false) => {
                self.moved = false;
                if self.clocked == Clocked::Events {
                    // As live, where rest comes when nothing has come for so long that no row cools any more.
                    let rest_ms = REST_MS.max(self.publish.min_interval_ms.saturating_add(1));
                    self.clock_ms = self.clock_ms.max(self.rows.now().0).saturating_add(rest_ms);
                    self.wall_ms = self.clock_ms;
                }
                self.due.sweep_all();
                self.begin_walk();
                if self.clocked == Clocked::Events {
                    self.publish_due(effects);
                }
            }
        }
    }
}
