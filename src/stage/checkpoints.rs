//! The checkpoints that a writer's predecessors left of an input: when it is read again, it must be the input that they read.

use super::effect::StageError;
use crate::position::{Checkpoint, CheckpointError, NextOffset, SourcePartition};
use std::collections::BTreeMap;

/// Checkpoints of one input that reading has not passed yet, by the record that each was made at.
#[derive(Default)]
pub(super) struct Checkpoints {
    ahead: BTreeMap<NextOffset, Vec<Checkpoint>>,
}

impl Checkpoints {
    /// Those of `all` that lie behind `next`, where reading starts. `until`: where the input ended when it was opened.
    pub(super) fn open(
        all: impl Iterator<Item = Checkpoint>,
        next: NextOffset,
        until: Option<NextOffset>,
    ) -> Result<Self, CheckpointError> {
        let mut ahead: BTreeMap<NextOffset, Vec<Checkpoint>> = BTreeMap::new();
        for checkpoint in all {
            if let Some(until) = until {
                checkpoint.resume(NextOffset(0), until, None)?;
            }
            if let Some(record) = checkpoint.record().filter(|&record| record >= next) {
                ahead.entry(record).or_default().push(checkpoint);
            }
        }
        Ok(Self { ahead })
    }

    /// The record at `offset` is read, and its checksum is `found`. Where the record that a checkpoint was made at is not there
    /// any more, the next one is another.
    pub(super) fn pass(&mut self, offset: NextOffset, found: impl FnOnce() -> u32) -> Result<(), CheckpointError> {
        if self.ahead.first_key_value().is_none_or(|(&record, _)| record > offset) {
            return Ok(());
        }
        let found = found();
        while let Some(first) = self.ahead.first_entry().filter(|first| *first.key() <= offset) {
            first.remove().iter().try_for_each(|checkpoint| checkpoint.check(found))?;
        }
        Ok(())
    }
}

pub(super) fn refused(input: &SourcePartition, offset: NextOffset) -> impl FnOnce(CheckpointError) -> StageError {
    let input = input.clone();
    move |error| StageError::Checkpoint { input, offset, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;

    fn at(offset: u64, index: u32, checksum: u32) -> Checkpoint {
        Checkpoint { position: Position { offset: NextOffset(offset), index }, checksum: Some(checksum) }
    }

    fn opened(all: &[Checkpoint], next: u64, until: Option<u64>) -> Result<Checkpoints, CheckpointError> {
        Checkpoints::open(all.iter().copied(), NextOffset(next), until.map(NextOffset))
    }

    /// Reads records whose checksums are their offsets, but `other`'s is another; says at which one it is refused.
    fn refused_at(checkpoints: &mut Checkpoints, offsets: &[u64], other: Option<u64>) -> Option<u64> {
        offsets.iter().copied().find(|&offset| {
            let checksum = if Some(offset) == other { 99 } else { u32::try_from(offset).unwrap() };
            checkpoints.pass(NextOffset(offset), || checksum).is_err()
        })
    }

    #[test]
    fn every_checkpoint_is_compared_at_its_record_and_nothing_else_is() {
        // Of partitions that hold all before 5, all before 5, and all before the third output of 8.
        let all = [at(5, 0, 4), at(5, 0, 4), at(8, 2, 8)];
        let offsets: Vec<u64> = (0..12).collect();
        for other in 0..12 {
            let mut checkpoints = opened(&all, 0, Some(12)).unwrap();
            let want = [4, 8].contains(&other).then_some(other);
            assert_eq!(refused_at(&mut checkpoints, &offsets, Some(other)), want);
        }
        let mut checkpoints = opened(&all, 5, None).unwrap();
        assert_eq!(refused_at(&mut checkpoints, &offsets[5..], Some(4)), None, "read from behind it");
        let mut checkpoints = opened(&all, 4, None).unwrap();
        assert_eq!(refused_at(&mut checkpoints, &offsets[4..], Some(4)), Some(4), "the first that is read");
        let mut checkpoints = opened(&all, 0, None).unwrap();
        assert_eq!(refused_at(&mut checkpoints, &[0, 1, 2, 3, 6], None), Some(6), "the record is not there any more");
    }

    #[test]
    fn what_ends_before_a_checkpoint_is_refused_when_it_is_opened() {
        let all = [at(5, 0, 4), at(8, 2, 8)];
        assert!(opened(&all, 0, Some(9)).is_ok() && opened(&all, 0, None).is_ok());
        let error = opened(&all, 0, Some(8)).err();
        assert_eq!(error, Some(CheckpointError::EndsBefore { position: all[1].position, high: NextOffset(8) }));
        assert!(opened(&all[..1], 0, Some(4)).is_err() && opened(&all[..1], 0, Some(5)).is_ok());
    }
}
