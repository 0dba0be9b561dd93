//! Which records of a log one need not read back: those that one has appended oneself.
//!
//! Brokers say where each append stands. While these places follow each other, nobody else's record lies between them
//! ([`Runs`]), and the log has been seen up to there without having been fetched. Where they do not, or while few are appended, the
//! log is read ([`Tail`]): so a record of somebody else is met, wherever it lands.
//! Invariants: only records of the present claim count as one's own; whatever is not known to be one's own is read, and so is
//! a log in which places go back: it has lost its tail, and reading it says so.
//! Absent: IO.

use super::transport::Run;
use crate::position::{NextOffset, Partition};
use crate::publish::Stamp;
use std::collections::BTreeMap;

/// From so many records a second on, one's own are not read back.
pub(super) const OWN_MIN: u64 = 16;

/// The last unbroken run of a writer's records on each partition of a log.
#[derive(Default)]
pub struct Runs {
    last: BTreeMap<Partition, Last>,
}

#[derive(Default)]
struct Last {
    /// None where brokers have not said where the last record stands, or where one stood before.
    run: Option<Run>,
    /// Behind the furthest.
    end: NextOffset,
    is_told: bool,
}

impl Runs {
    /// A record has been acknowledged, in the order in which they were appended.
    pub fn landed(&mut self, partition: Partition, offset: Option<NextOffset>, stamp: Stamp) {
        let Last { run, end, is_told } = self.last.entry(partition).or_default();
        *is_told = false;
        *run = offset.filter(|offset| offset >= end).map(|offset| match *run {
            Some(known) if known.to == offset && known.last.epoch == stamp.epoch => {
                Run { to: offset.after(), last: known.last.max(stamp), ..known }
            }
            _ => Run { from: offset, to: offset.after(), last: stamp },
        });
        *end = run.map_or(*end, |run| run.to);
    }

    /// The runs that have changed since they were asked for last.
    pub fn take(&mut self) -> Vec<(Partition, Option<Run>)> {
        let told = self.last.iter_mut().map(|(&partition, last)| {
            let was_told = std::mem::replace(&mut last.is_told, true);
            (!was_told).then_some((partition, last.run))
        });
        told.flatten().collect()
    }
}

/// How a partition of the lists log is followed by who appends to it.
pub(super) struct Tail {
    epoch: u64,
    /// Whether it is being read.
    is_read: bool,
    /// How many of one's own were passed over since the last [`Tail::second`].
    passed: u64,
    /// Whether something else may lie before one's own last run, and has not been read yet.
    has_gap: bool,
}

impl Tail {
    /// Of the owner with this epoch; read, at first.
    pub(super) fn new(epoch: u64) -> Self {
        Self { epoch, is_read: true, passed: 0, has_gap: false }
    }

    /// Whether it is to be read.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// One's own last run, where all before `next` has been seen. Says up to where that is now, with the last record there.
    /// Where somebody else's may lie between, the log is read from here on.
    pub(super) fn meet(&mut self, next: NextOffset, run: Option<Run>) -> Option<(NextOffset, u64)> {
        match run.filter(|run| run.last.epoch == self.epoch && run.from <= next) {
            None => {
                (self.is_read, self.has_gap) = (true, true);
                None
            }
            Some(run) if run.to <= next => None,
            Some(run) => {
                self.has_gap = false;
                self.passed += next.lag(run.to);
                Some((run.to, run.last.sequence))
            }
        }
    }

    /// A second has passed: where little was appended, the log is read again.
    pub(super) fn second(&mut self) {
        self.is_read = std::mem::take(&mut self.passed) < OWN_MIN || self.has_gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition(3);

    fn at(epoch: u64, sequence: u64) -> Stamp {
        Stamp { epoch, sequence }
    }

    fn run(from: u64, to: u64, last: Stamp) -> Option<Run> {
        Some(Run { from: NextOffset(from), to: NextOffset(to), last })
    }

    #[test]
    fn a_run_ends_where_another_record_lies_between_or_another_claim_begins() {
        let mut runs = Runs::default();
        let mut landed = |offset: Option<u64>, stamp| {
            runs.landed(P, offset.map(NextOffset), stamp);
            let told = runs.take();
            assert!(runs.take().is_empty(), "told once");
            assert_eq!(told.len(), 1);
            told[0].1
        };
        assert_eq!(landed(Some(7), at(5, 1)), run(7, 8, at(5, 1)));
        assert_eq!(landed(Some(8), at(5, 2)), run(7, 9, at(5, 2)));
        assert_eq!(landed(Some(10), at(5, 3)), run(10, 11, at(5, 3)), "9 is somebody's");
        assert_eq!(landed(Some(11), at(5, 4)), run(10, 12, at(5, 4)));
        assert_eq!(landed(Some(12), at(9, 1)), run(12, 13, at(9, 1)), "claimed again");
        assert_eq!(landed(None, at(9, 2)), None, "nobody knows where");
        assert_eq!(landed(Some(14), at(9, 3)), run(14, 15, at(9, 3)));
        assert_eq!(landed(Some(15), at(9, 1)), run(14, 16, at(9, 3)), "one published again as it was");
        assert_eq!(landed(Some(12), at(9, 4)), None, "the log has lost its tail");
        assert_eq!(landed(Some(13), at(9, 5)), None);
        assert_eq!(landed(Some(16), at(9, 6)), run(16, 17, at(9, 6)));
    }

    #[test]
    fn each_partition_has_its_own() {
        let mut runs = Runs::default();
        runs.landed(P, Some(NextOffset(1)), at(1, 1));
        runs.landed(Partition(0), Some(NextOffset(2)), at(1, 1));
        runs.landed(P, Some(NextOffset(2)), at(1, 2));
        let told = runs.take();
        assert_eq!(told, [(Partition(0), run(2, 3, at(1, 1))), (P, run(1, 3, at(1, 2)))]);
    }

    #[test]
    fn only_ones_own_behind_what_was_seen_is_passed_over() {
        let mut tail = Tail::new(5);
        (0..2).for_each(|_| tail.second());
        let next = NextOffset;
        tail.passed = OWN_MIN;
        tail.second();
        assert!(!tail.is_read());
        assert_eq!(tail.meet(next(7), run(7, 9, at(5, 2))), Some((next(9), 2)));
        assert_eq!(tail.meet(next(9), run(7, 9, at(5, 2))), None, "seen");
        assert_eq!(tail.meet(next(9), run(7, 12, at(5, 5))), Some((next(12), 5)));
        assert!(!tail.is_read());
        for between in [run(13, 14, at(5, 6)), run(12, 14, at(4, 6)), run(12, 14, at(6, 1)), None] {
            tail.is_read = false;
            assert_eq!(tail.meet(next(12), between), None, "{between:?}");
            assert!(tail.is_read(), "{between:?}");
            tail.passed = OWN_MIN;
            tail.second();
            assert!(tail.is_read(), "{between:?}: it is read until what lies between has been met");
        }
        assert_eq!(tail.meet(next(13), run(13, 14, at(5, 6))), Some((next(14), 6)), "what lay between has been read");
        tail.passed = OWN_MIN;
        tail.second();
        assert!(!tail.is_read());
    }

    #[test]
    fn where_few_are_appended_all_are_read() {
        let mut tail = Tail::new(5);
        let mut next = NextOffset(0);
        let mut second = |count: u64| {
            let to = next.0 + count;
            if let Some((seen, _)) = tail.meet(next, run(0, to, at(5, to))) {
                next = seen;
            }
            tail.second();
            tail.is_read()
        };
        assert_eq!(
            [0, OWN_MIN - 1, OWN_MIN, 1000, OWN_MIN - 1, 0].map(&mut second),
            [true, true, false, false, true, true]
        );
    }
}
