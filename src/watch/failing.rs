//! What fails again and again of many partitions, and is told once, then from time to time, and when it is over.
//!
//! Absent: what fails, and the words for it: whoever asks for it puts them on the log.

use super::health::StageName;
use crate::position::Partition;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the log repeats what still fails.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Tries that came to nothing, since the first.
    pub tries: u64,
    /// Partitions that these were of.
    pub partitions: usize,
    /// Seconds since the first.
    pub seconds: u64,
}

/// Since when something fails, and of whom.
#[derive(Debug)]
struct Since {
    began: Instant,
    said: Instant,
    tries: u64,
    /// Of which it has failed since the last time that it went well.
    failing: BTreeSet<(StageName, Partition)>,
    all: BTreeSet<(StageName, Partition)>,
}

impl Since {
    fn told(&self, now: Instant) -> Told {
        let seconds = now.saturating_duration_since(self.began).as_secs();
        Told { tries: self.tries, partitions: self.all.len(), seconds }
    }
}

/// Something that is tried of every partition.
#[derive(Debug, Default)]
pub struct Failing(Mutex<Option<Since>>);

impl Failing {
    /// It has failed of a partition. Gives what is to be told, if something is.
    pub fn failed(&self, stage: StageName, partition: Partition, now: Instant) -> Option<Told> {
        let mut held = self.lock();
        let is_first = held.is_none();
        let none = || Since { began: now, said: now, tries: 0, failing: BTreeSet::new(), all: BTreeSet::new() };
        let since = held.get_or_insert_with(none);
        since.tries = since.tries.saturating_add(1);
        since.failing.insert((stage, partition));
        since.all.insert((stage, partition));
        if !is_first && now.saturating_duration_since(since.said) < SAY_AGAIN {
            return None;
        }
        since.said = now;
        Some(since.told(now))
    }

    /// It has gone well of a partition. Gives what there was, when it fails of none any more.
    pub fn went_well(&self, stage: StageName, partition: Partition, now: Instant) -> Option<Told> {
        let mut held = self.lock();
        let since = held.as_mut()?;
        since.failing.remove(&(stage, partition));
        held.take_if(|since| since.failing.is_empty()).map(|since| since.told(now))
    }

    /// A partition is somebody else's.
    pub fn forget(&self, stage: StageName, partition: Partition) {
        let mut held = self.lock();
        if let Some(since) = held.as_mut() {
            since.failing.remove(&(stage, partition));
        }
        held.take_if(|since| since.failing.is_empty());
    }

    fn lock(&self) -> MutexGuard<'_, Option<Since>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_of_many_partitions_is_told_once_a_minute_and_when_it_is_over() {
        let (failing, began) = (Failing::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let told = |tries, partitions, seconds| Some(Told { tries, partitions, seconds });
        let failed = |partition, seconds| failing.failed(StageName::Rows, Partition(partition), at(seconds));
        let well = |partition, seconds| failing.went_well(StageName::Rows, Partition(partition), at(seconds));
        assert_eq!(well(0, 0), None, "nothing has failed");
        assert_eq!(failed(0, 0), told(1, 1, 0));
        let tries: Vec<_> = (1..60).filter_map(|second| failed(second % 3, u64::from(second))).collect();
        assert_eq!(tries, []);
        assert_eq!(failed(1, 60), told(61, 3, 60));
        assert_eq!(failing.failed(StageName::Windows, Partition(1), at(61)), None);
        assert_eq!((well(0, 70), well(1, 70)), (None, None), "it fails of others");
        assert_eq!(failed(0, 71), None);
        failing.forget(StageName::Windows, Partition(1));
        assert_eq!((well(2, 72), well(0, 75)), (None, told(63, 4, 75)));
        assert_eq!(well(0, 76), None, "told once");
        assert_eq!(failed(0, 80), told(1, 1, 0), "anew");
        failing.forget(StageName::Rows, Partition(0));
        assert_eq!(failed(2, 81), told(1, 1, 0), "nobody is left of whom it failed");
    }
}
