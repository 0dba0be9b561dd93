//! What of one partition has been handed to librdkafka, and what waits until more may be.
//!
//! An idempotent librdkafka has one request of many records under way for a partition. While others that are due wait in its own
//! queue, its thread asks for the answer without a pause: a core for as long as the brokers take. So it is given no more of a partition
//! while a whole batch of it is not acknowledged, or a record that was handed over long ago.
//!
//! Invariants: records leave in the order in which they came; where nothing is under way, nothing waits.
//! Absent: clients, clocks; whoever owns a lane says what time it is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Records handed over at about the same time are looked at together.
const TOGETHER: Duration = Duration::from_millis(1);

/// When a partition is given no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// So many bytes of keys and values are not acknowledged: a batch.
    pub(super) bytes_max: u64,
    /// The oldest of these was handed over so long ago.
    pub(super) age_max: Duration,
}

/// Records handed over together, until they are acknowledged.
struct Handed {
    at: Instant,
    records: u64,
}

/// One partition.
pub(super) struct Lane<R> {
    under_way: VecDeque<Handed>,
    bytes_under_way: u64,
    waiting: VecDeque<R>,
    is_known: bool,
}

impl<R> Default for Lane<R> {
    fn default() -> Self {
        Self { under_way: VecDeque::new(), bytes_under_way: 0, waiting: VecDeque::new(), is_known: false }
    }
}

impl<R> Lane<R> {
    /// Whether a record of it has been acknowledged.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether a record may be handed over now, as far as what is under way goes.
    fn may_go(&self, pace: Pace, now: Instant) -> bool {
        self.under_way.front().is_none_or(|oldest| {
            self.bytes_under_way < pace.bytes_max && now.saturating_duration_since(oldest.at) < pace.age_max
        })
    }

    /// Whether a new record may be handed over now: none waits before it.
    pub(super) fn is_open(&self, pace: Pace, now: Instant) -> bool {
        self.waiting.is_empty() && self.may_go(pace, now)
    }

    /// Whether any record waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A record waits.
    pub(super) fn wait(&mut self, record: R) {
        self.waiting.push_back(record);
    }

    /// The record that is to be handed over now, if there is one.
    pub(super) fn next(&mut self, pace: Pace, now: Instant) -> Option<R> {
        if self.may_go(pace, now) { self.waiting.pop_front() } else { None }
    }

    /// It could not be handed over: it is the next again.
    pub(super) fn put_back(&mut self, record: R) {
        self.waiting.push_front(record);
    }

    /// A record of so many bytes was handed over.
    pub(super) fn handed_over(&mut self, bytes: u64, now: Instant) {
        self.bytes_under_way += bytes;
        match self.under_way.back_mut().filter(|last| now.saturating_duration_since(last.at) < TOGETHER) {
            Some(last) => last.records += 1,
            None => self.under_way.push_back(Handed { at: now, records: 1 }),
        }
    }

    /// So many records were acknowledged, with so many bytes: those handed over first.
    pub(super) fn acknowledged(&mut self, mut records: u64, bytes: u64) {
        self.is_known |= records > 0;
        self.bytes_under_way = self.bytes_under_way.saturating_sub(bytes);
        while let Some(oldest) = self.under_way.front_mut() {
            let gone = records.min(oldest.records);
            (oldest.records, records) = (oldest.records - gone, records - gone);
            if oldest.records > 0 {
                break;
            }
            self.under_way.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { bytes_max: 100, age_max: Duration::from_millis(50) };

    /// Hands over what may go, as its owner does; returns which.
    fn go(lane: &mut Lane<u32>, now: Instant) -> Vec<u32> {
        let next = |lane: &mut Lane<u32>| lane.next(PACE, now).inspect(|_| lane.handed_over(40, now));
        std::iter::from_fn(|| next(lane)).collect()
    }

    #[test]
    fn a_batch_goes_and_the_rest_follows_when_it_is_acknowledged() {
        let (mut lane, now) = (Lane::default(), Instant::now());
        assert!(lane.is_open(PACE, now) && !lane.is_known());
        (1..=7).for_each(|record| lane.wait(record));
        assert!(!lane.is_open(PACE, now), "nothing overtakes what waits");
        assert_eq!(go(&mut lane, now), [1, 2, 3], "the one that fills the batch is in it");
        assert!(go(&mut lane, now).is_empty());
        lane.acknowledged(1, 40);
        assert!(lane.is_known());
        assert_eq!(go(&mut lane, now), [4]);
        lane.acknowledged(3, 120);
        lane.put_back(0);
        assert_eq!(go(&mut lane, now), [0, 5, 6]);
        lane.acknowledged(3, 120);
        assert_eq!(go(&mut lane, now), [7]);
        assert!(lane.is_open(PACE, now));
    }

    #[test]
    fn behind_what_was_handed_over_long_ago_everything_waits() {
        let (mut lane, began) = (Lane::default(), Instant::now());
        let at = |ms| began + Duration::from_millis(ms);
        lane.handed_over(1, at(0));
        lane.handed_over(1, at(0));
        assert!(lane.is_open(PACE, at(49)));
        lane.handed_over(1, at(49));
        assert!(!lane.is_open(PACE, at(50)));
        lane.wait(1);
        lane.acknowledged(1, 1);
        assert!(go(&mut lane, at(60)).is_empty(), "one of the oldest is still under way");
        lane.acknowledged(1, 1);
        assert_eq!(go(&mut lane, at(60)), [1], "what is left was handed over just before");
        lane.acknowledged(2, 41);
        assert!(lane.is_open(PACE, at(1000)), "nothing is under way");
    }
}
