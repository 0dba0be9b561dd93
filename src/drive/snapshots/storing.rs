//! Storing one snapshot: its chunks, its publication, reading it back; then what is older than those that are kept goes, and what no log needs
//! to hold any more is told.
//!
//! Invariants: what does not read back is removed again; nothing is removed or trimmed but what is older than as many snapshots that count
//! (`counted`) as are to be kept.

use super::counted::{Candidate, Counted};
use super::watching::reader_of;
use super::{Snapshots, trimmed_to};
use crate::drive::transport::Trim;
use crate::position::Partition;
use crate::saved::pieces;
use crate::snapshot::format::CHUNK_BYTES_MAX;
use crate::snapshot::store::Writing;
use crate::snapshot::{Encoder, Found, Head, StoreError};
use crate::stage::Log;
use crate::watch::metrics::{Metrics, PassedOver};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot that has been published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::drive) struct Published {
    pub(in crate::drive) offset: u64,
    /// As it is stored.
    pub(in crate::drive) bytes: u64,
    /// What no log needs to hold any more.
    pub(in crate::drive) trims: Vec<Trim>,
    /// Why a log is not trimmed, or an old snapshot stays.
    pub(in crate::drive) untidy: Option<String>,
}

/// Stores one snapshot.
pub(super) struct Job {
    pub(super) snapshots: Snapshots,
    pub(super) log: Log,
    pub(super) partition: Partition,
    pub(super) head: Head,
    pub(super) writing: Option<(Encoder, Writing)>,
    pub(super) out: Vec<u8>,
    /// Partitions of the totals log.
    pub(super) totals: u32,
    pub(super) counted: Counted,
    pub(super) metrics: Arc<Metrics>,
    /// Goes up with everything that the store has taken or given.
    pub(super) moved: Arc<AtomicU64>,
}

impl Job {
    /// Stores a portion, cut between frames where what had to go early has made it long.
    pub(super) fn portion(&mut self, raw: &[u8]) -> Result<(), StoreError> {
        pieces(raw, CHUNK_BYTES_MAX / 4).try_for_each(|piece| self.chunk(piece))
    }

    fn chunk(&mut self, raw: &[u8]) -> Result<(), StoreError> {
        let of_format = |error| StoreError::of_format("a snapshot", error);
        let (encoder, writing) = match &mut self.writing {
            Some(begun) => begun,
            none => {
                let (encoder, bytes) = Encoder::head(&self.head).map_err(of_format)?;
                let Head { stage, partition, offset, .. } = &self.head;
                let mut writing = self.snapshots.store.write(&self.snapshots.scope, stage, *partition, *offset)?;
                writing.put(&bytes)?;
                none.insert((encoder, writing))
            }
        };
        self.out.clear();
        encoder.chunk(raw, &mut self.out).map_err(of_format)?;
        writing.put(&self.out)?;
        self.moves();
        Ok(())
    }

    pub(super) fn publish(&mut self) -> Result<Published, StoreError> {
        self.chunk(&[])?; // the head, where there was nothing else
        let Some((encoder, mut writing)) = self.writing.take() else {
            return Err(StoreError::Abandoned { object: "a snapshot".to_owned() });
        };
        self.out.clear();
        encoder.finish(&mut self.out);
        writing.put(&self.out)?;
        self.snapshots.store.keep_id()?;
        let name = writing.name().to_owned();
        let bytes = writing.publish()?;
        self.moves();
        self.read_back(&name)?;
        let (trims, untidy) = match self.tidy() {
            Ok(trims) => (trims, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        Ok(Published { offset: self.head.offset, bytes, trims, untidy })
    }

    /// Reads back what was published. What is not as it was written must not stay: it would be the newest.
    fn read_back(&self, name: &str) -> Result<(), StoreError> {
        let all = self.snapshots.newest(self.log, self.partition)?;
        let gone = || StoreError::Missing { object: name.to_owned() };
        let found = all.iter().find(|found| found.name == name).ok_or_else(gone)?;
        let mut wrong = String::new();
        if self.counted.is_whole(&self.snapshots, found, || self.moves(), |error| wrong = error.to_string())? {
            return Ok(());
        }
        self.metrics.count_passed_over(reader_of(self.log), PassedOver::Damaged);
        self.snapshots.store.remove(name)?;
        Err(StoreError::NotAsWritten { object: name.to_owned(), said: wrong })
    }

    /// Removes what is older than those that are kept. Gives what no log needs to hold then.
    fn tidy(&self) -> Result<Vec<Trim>, StoreError> {
        let (log, partition) = (self.log, self.partition);
        let mut trims = Vec::new();
        if let Some(oldest) = self.prune()? {
            let kept = self.snapshots.keep_events_ms.filter(|_| log == Log::Events);
            let stays_from_ms = kept.map(|keep_ms| self.head.written_at_ms.saturating_sub(keep_ms));
            trims.push(Trim { log, partition, to: trimmed_to(oldest.offset), stays_from_ms });
        }
        // All partitions of rows read all totals: one of them looks after what they need.
        if log == Log::Pairs && partition == Partition(0) {
            let of_totals = |(number, offset)| {
                let (partition, to) = (Partition(number), trimmed_to(offset));
                Trim { log: Log::Totals, partition, to, stays_from_ms: None }
            };
            trims.extend(self.totals_needed()?.into_iter().map(of_totals));
        }
        Ok(trims)
    }

    /// Removes what is older than those that are kept, once there are as many as are wanted. Gives the oldest of them then.
    fn prune(&self) -> Result<Option<Found>, StoreError> {
        let (log, partition, store) = (self.log, self.partition, &self.snapshots.store);
        let keep = self.snapshots.keep.max(1);
        let (mut counting, mut oldest) = (0, None);
        for Candidate { found, is_overtaken, .. } in self.candidates(partition)? {
            if !is_overtaken && self.is_whole(&found)? {
                counting += 1;
                if counting == keep {
                    oldest = Some(found);
                    break;
                }
            }
        }
        if let Some(oldest) = &oldest {
            for old in self.snapshots.newest(log, partition)?.iter().filter(|old| old.offset < oldest.offset) {
                store.remove(&old.name)?;
            }
        }
        store.remove_abandoned(&self.snapshots.scope, &self.head.stage, partition.0)?;
        Ok(oldest)
    }

    /// From where the snapshots of all partitions of rows need each partition of the totals log; none while one of them has too few.
    fn totals_needed(&self) -> Result<BTreeMap<u32, u64>, StoreError> {
        let mut needed: BTreeMap<u32, u64> = BTreeMap::new();
        for partition in (0..self.totals).map(Partition) {
            // Of all that are there, also of those that do not count: one of an owner that was overtaken may lie further in pairs, and less far
            // in totals. Whether the others' are whole, their owners look.
            let candidates = self.candidates(partition)?;
            let counting = candidates.iter().filter(|candidate| !candidate.is_overtaken);
            if counting.count() < self.snapshots.keep {
                return Ok(BTreeMap::new());
            }
            for (number, offset) in candidates.into_iter().flat_map(|candidate| candidate.totals) {
                let least = needed.entry(number).or_insert(offset);
                *least = offset.min(*least);
            }
        }
        Ok(needed)
    }

    fn candidates(&self, partition: Partition) -> Result<Vec<Candidate>, StoreError> {
        let damaged = |found: &Found, error: &StoreError| self.tell_damaged(found, error);
        let candidates = self.counted.candidates(&self.snapshots, (self.log, partition), &self.head, &damaged);
        self.moves();
        candidates
    }

    fn is_whole(&self, found: &Found) -> Result<bool, StoreError> {
        self.counted.is_whole(&self.snapshots, found, || self.moves(), |error| self.tell_damaged(found, error))
    }

    fn tell_damaged(&self, found: &Found, error: &StoreError) {
        tracing::warn!(snapshot = found.name, "does not count among those that are kept: {error}");
        self.metrics.count_passed_over(reader_of(self.log), PassedOver::Damaged);
    }

    /// A sign that the store does something.
    fn moves(&self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
