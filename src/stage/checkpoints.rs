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
