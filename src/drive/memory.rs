//! The in-process log: what runs `replay` and `demo` without a broker, and the seeded tests.
//!
//! Invariants: what is appended can be fetched until it is released; offsets never change. Absent: durability.

use super::transport::{Fetched, Transport, TransportError};
use crate::position::{NextOffset, Partition};
use crate::stage::Log;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

#[derive(Default)]
struct PartitionLog {
    /// Offset of the first record held.
    first: NextOffset,
    records: VecDeque<Option<Arc<Vec<u8>>>>,
    blocks_appended: u64,
    bytes_appended: u64,
}

impl PartitionLog {
    fn end(&self) -> NextOffset {
        NextOffset(self.first.0 + self.records.len() as u64)
    }
}

/// Logs held in memory.
pub struct MemoryLog {
    logs: BTreeMap<Log, Vec<PartitionLog>>,
    /// Whether released records stay.
    keep: bool,
    /// Whether every block of an internal log is appended twice, as a writer that crashed would.
    resend: bool,
}

impl MemoryLog {
    /// Empty logs: `events` by user, `pairs`, `totals` and `lists` by item. What has been read is let go.
    #[must_use]
    pub fn new(events_partitions: u32, pairs_partitions: u32) -> Self {
        let counts = [
            (Log::Events, events_partitions),
            (Log::Pairs, pairs_partitions),
            (Log::Totals, pairs_partitions),
            (Log::Lists, pairs_partitions),
        ];
        let log = |count: u32| std::iter::repeat_with(PartitionLog::default).take(Partition(count).index()).collect();
        let logs = counts.into_iter().map(|(name, count)| (name, log(count))).collect();
        Self { logs, keep: false, resend: false }
    }

    /// Keeps everything, for restarts.
    #[must_use]
    pub fn keeping(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Appends every block of an internal log twice: nothing may come of it.
    #[must_use]
    pub fn resending(mut self) -> Self {
        self.resend = true;
        self
    }

    /// Records and bytes appended to a partition so far.
    #[must_use]
    pub fn appended(&self, log: Log, partition: Partition) -> (u64, u64) {
        let place = self.logs.get(&log).and_then(|partitions| partitions.get(partition.index()));
        place.map_or((0, 0), |place| (place.blocks_appended, place.bytes_appended))
    }

    /// Takes away or changes records, for tests of what a damaged log does.
    pub fn tamper(&mut self, log: Log, partition: Partition, tamper: impl FnOnce(&mut VecDeque<Option<Arc<Vec<u8>>>>)) {
        if let Some(place) = self.logs.get_mut(&log).and_then(|partitions| partitions.get_mut(partition.index())) {
            tamper(&mut place.records);
        }
    }

    fn place(&mut self, log: Log, partition: Partition) -> Result<&mut PartitionLog, TransportError> {
        let count = self.partitions(log);
        let what = || format!("there is no such partition, the log has {count}");
        let place = self.logs.get_mut(&log).and_then(|partitions| partitions.get_mut(partition.index()));
        place.ok_or_else(|| TransportError { log, partition, what: what() })
    }
}

impl Transport for MemoryLog {
    fn partitions(&self, log: Log) -> u32 {
        self.logs.get(&log).map_or(0, |partitions| u32::try_from(partitions.len()).unwrap_or(u32::MAX))
    }

    fn bounds(&mut self, log: Log, partition: Partition) -> Result<(NextOffset, NextOffset), TransportError> {
        let place = self.place(log, partition)?;
        Ok((place.first, place.end()))
    }

    fn fetch(
        &mut self,
        log: Log,
        partition: Partition,
        from: NextOffset,
        records_max: usize,
        into: &mut Vec<Fetched>,
    ) -> Result<(), TransportError> {
        let place = self.place(log, partition)?;
        let Some(skip) = from.0.checked_sub(place.first.0) else {
            let what = format!("offset {} is asked for, but the log starts at {}", from.0, place.first.0);
            return Err(TransportError { log, partition, what });
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut offset = from;
        for value in place.records.iter().skip(skip).take(records_max) {
            into.push(Fetched { offset, value: value.clone() });
            offset = offset.after();
        }
        Ok(())
    }

    fn append(
        &mut self,
        log: Log,
        partition: Partition,
        _key: Option<&[u8]>,
        value: Option<Vec<u8>>,
    ) -> Result<(), TransportError> {
        let copies = if self.resend && matches!(log, Log::Events | Log::Pairs) { 2 } else { 1 };
        let value: Option<Arc<Vec<u8>>> = value.map(Arc::new);
        let bytes = value.as_ref().map_or(0, |value| value.len());
        let place = self.place(log, partition)?;
        for _ in 0..copies {
            place.records.push_back(value.clone());
            place.blocks_appended += 1;
            place.bytes_appended += bytes as u64;
        }
        Ok(())
    }

    fn release(&mut self, log: Log, partition: Partition, to: NextOffset) {
        if self.keep {
            return;
        }
        let Ok(place) = self.place(log, partition) else { return };
        while place.first < to {
            if place.records.pop_front().is_none() {
                return;
            }
            place.first = place.first.after();
        }
    }
}
