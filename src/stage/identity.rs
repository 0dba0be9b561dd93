//! Whether the log being read is the one it must be: its id, the rules it was written under, its chain of positions.

use super::effect::{Log, StageError};
use crate::position::{Ledger, NextOffset, Partition, Verdict};
use crate::wire::{Opening, Origin, SectionHead, WireError};

/// The reader's side of one partition of an internal log.
pub(super) struct Identity {
    log: Log,
    partition: Partition,
    own: u64,
    log_id: Option<u128>,
    pub(super) ledger: Ledger,
}

impl Identity {
    /// Nothing read yet; the log must have been written under `own`.
    pub(super) fn new(log: Log, partition: Partition, own: u64) -> Self {
        Self { log, partition, own, log_id: None, ledger: Ledger::default() }
    }

    pub(super) fn wire(&self, offset: NextOffset, error: WireError) -> StageError {
        StageError::Wire { log: self.log, partition: self.partition, offset, error }
    }

    /// Reads an opening mark and refuses it when it is another log's.
    pub(super) fn check(&mut self, offset: NextOffset, block: &[u8]) -> Result<Opening, StageError> {
        let opening = Opening::decode(block).map_err(|error| self.wire(offset, error))?;
        let (log, partition) = (self.log, self.partition);
        let first = *self.log_id.get_or_insert(opening.log_id);
        if first != opening.log_id {
            return Err(StageError::OtherLog { log, partition, offset, first, found: opening.log_id });
        }
        if opening.identity != self.own {
            return Err(StageError::OtherRules { log, partition, offset, own: self.own, found: opening.identity });
        }
        Ok(opening)
    }

    pub(super) fn open(&mut self, offset: NextOffset, origin: &Origin) -> Result<(), StageError> {
        let (log, partition) = (self.log, self.partition);
        self.ledger.open(&origin.source, origin.first).map_err(|error| StageError::Ledger {
            log,
            partition,
            offset,
            error,
        })
    }

    pub(super) fn verdict(&self, offset: NextOffset, head: &SectionHead) -> Result<Verdict, StageError> {
        let (log, partition) = (self.log, self.partition);
        self.ledger.check(&head.source, head.span).map_err(|error| StageError::Ledger { log, partition, offset, error })
    }
}
