//! Changes on their way to the cache, in the order of the topic.

use super::Change;
use crate::limits::{
    WARM_BATCH_BYTES_MAX, WARM_BATCH_RECORDS_MAX, WARM_SCRIPT_BYTES_MAX, WARM_SCRIPT_RECORDS_MAX, WARM_SKIPPED_MAX,
};
use crate::position::{NextOffset, Partition};
use std::collections::{BTreeMap, VecDeque};

/// What one run of the script does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Changes, in their order.
    pub changes: Vec<Change>,
    /// How far the cache is with them, of each partition that has records here.
    pub to: BTreeMap<Partition, NextOffset>,
    bytes: usize,
    records: usize,
}

impl Chunk {
    fn is_full(&self) -> bool {
        self.changes.len() >= WARM_SCRIPT_RECORDS_MAX
            || self.bytes >= WARM_SCRIPT_BYTES_MAX
            || self.records >= WARM_SKIPPED_MAX
    }
}

/// Chunks that wait for the cache: they are sent at once, and taken off as it acknowledges them.
#[derive(Debug, Default)]
pub struct Batch {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    records: usize,
}

impl Batch {
    /// Adds the record before `next`: its change, or that it makes none.
    pub fn add(&mut self, partition: Partition, next: NextOffset, change: Option<Change>) {
        if self.chunks.back().is_none_or(Chunk::is_full) {
            self.chunks.push_back(Chunk::default());
        }
        let Some(chunk) = self.chunks.back_mut() else { return };
        let bytes = change.as_ref().map_or(0, |change| change.key.len() + change.value.as_ref().map_or(0, Vec::len));
        chunk.changes.extend(change);
        chunk.to.insert(partition, next);
        (chunk.bytes, chunk.records) = (chunk.bytes + bytes, chunk.records + 1);
        (self.bytes, self.records) = (self.bytes + bytes, self.records + 1);
    }

    /// Whether no more may be added: what is here goes first.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.records >= WARM_BATCH_RECORDS_MAX || self.bytes >= WARM_BATCH_BYTES_MAX
    }

    /// Whether nothing is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// What is to be sent, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter()
    }

    /// The first one has been acknowledged.
    pub fn take(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        (self.bytes, self.records) = (self.bytes - chunk.bytes, self.records - chunk.records);
        Some(chunk)
    }

    /// Drops all of it: it is read again.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::Stamp;

    fn change(bytes: usize) -> Change {
        Change { key: "k".to_owned(), stamp: Stamp::default(), value: Some(vec![0; bytes]) }
    }

    #[test]
    fn chunks_are_bounded_and_hold_every_record_in_its_order() {
        let mut batch = Batch::default();
        let (mut next, mut sizes) = (0, Vec::new());
        while !batch.is_full() {
            next += 1;
            batch.add(Partition(next % 2), NextOffset(u64::from(next)), (next % 3 > 0).then(|| change(100)));
        }
        assert_eq!(usize::try_from(next).unwrap(), WARM_BATCH_RECORDS_MAX);
        let mut last = BTreeMap::new();
        while let Some(chunk) = batch.take() {
            sizes.push(chunk.changes.len());
            for (partition, to) in chunk.to {
                assert!(last.insert(partition, to) < Some(to));
            }
        }
        assert_eq!(last.into_values().max(), Some(NextOffset(u64::from(next))));
        assert!(sizes.iter().all(|&size| size <= WARM_SCRIPT_RECORDS_MAX), "{sizes:?}");
        assert!(!batch.is_full() && batch.is_empty());
    }

    #[test]
    fn large_lists_and_records_without_a_change_close_a_chunk_too() {
        let mut batch = Batch::default();
        batch.add(Partition(0), NextOffset(1), Some(change(WARM_SCRIPT_BYTES_MAX)));
        batch.add(Partition(0), NextOffset(2), Some(change(1)));
        assert_eq!(batch.chunks().count(), 2);
        batch.add(Partition(0), NextOffset(3), Some(change(WARM_BATCH_BYTES_MAX)));
        assert!(batch.is_full());
        batch.clear();
        (1..=WARM_SKIPPED_MAX as u64 + 1).for_each(|next| batch.add(Partition(0), NextOffset(next), None));
        assert_eq!(batch.chunks().count(), 2);
    }
}
