//! Whether a log is the one it must be: its id, the rules it was written under, and for its reader the chain of
//! positions. A writer looks before it appends anything: a mark of other rules in a log's midst could never be taken back.

use super::effect::{Log, StageError};
use crate::position::{Ledger, NextOffset, Partition, SourcePartition, Verdict};
use crate::wire::{Opening, Origin, SectionHead, WireError};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// One fingerprint of everything that a log's content depends on besides its input.
#[must_use]
pub fn identity_of(parts: &[u64]) -> u64 {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

/// The writer's side of an internal log: what its predecessors' opening marks say.
pub(super) struct Authorship {
    log: Log,
    own: u64,
    log_id: Option<u128>,
    input_log_id: Option<u128>,
    /// One more than the highest of all whose marks are there: see [`crate::wire`].
    pub(super) generation: u64,
}

impl Authorship {
    /// No mark seen yet; the log must have been written under `own`.
    pub(super) fn new(log: Log, own: u64) -> Self {
        Self { log, own, log_id: None, input_log_id: None, generation: 1 }
    }

    /// Takes note of an opening mark that a predecessor left.
    pub(super) fn check(
        &mut self,
        partition: Partition,
        offset: NextOffset,
        opening: &Opening,
    ) -> Result<(), StageError> {
        check(self.log, partition, offset, &mut self.log_id, self.own, opening)?;
        self.input_log_id.get_or_insert(opening.input_log_id);
        self.generation = self.generation.max(opening.generation.saturating_add(1));
        Ok(())
    }

    /// The log read turns out to be `found`. Another one than predecessors read has other positions: to mute by theirs would
    /// swallow it.
    pub(super) fn check_input(&mut self, input: &Identity, offset: NextOffset, found: u128) -> Result<(), StageError> {
        let first = *self.input_log_id.get_or_insert(found);
        if first == found {
            return Ok(());
        }
        Err(StageError::OtherLog { log: input.log, partition: input.partition, offset, first, found })
    }

    /// The log's id; `new` becomes it when no predecessor left one.
    pub(super) fn settle(&mut self, new: u128) {
        self.log_id.get_or_insert(new);
    }

    /// An opening mark of this writer.
    pub(super) fn opening(&self, origins: Vec<Origin>) -> Vec<u8> {
        let (log_id, input_log_id) = (self.log_id.unwrap_or_default(), self.input_log_id.unwrap_or_default());
        let (identity, generation) = (self.own, self.generation);
        Opening { log_id, input_log_id, store_id: 0, identity, generation, origins }.encode()
    }
}

/// The reader's side of one partition of an internal log.
pub(super) struct Identity {
    log: Log,
    partition: Partition,
    own: u64,
    log_id: Option<u128>,
    pub(super) ledger: Ledger,
    /// The highest generation of the writers of each source.
    generations: BTreeMap<SourcePartition, u64>,
}

impl Identity {
    /// Nothing read yet; the log must have been written under `own`.
    pub(super) fn new(log: Log, partition: Partition, own: u64) -> Self {
        Self { log, partition, own, log_id: None, ledger: Ledger::default(), generations: BTreeMap::new() }
    }

    pub(super) fn wire(&self, offset: NextOffset, error: WireError) -> StageError {
        StageError::Wire { log: self.log, partition: self.partition, offset, error }
    }

    /// Reads an opening mark and refuses it when it is another log's.
    pub(super) fn check(&mut self, offset: NextOffset, block: &[u8]) -> Result<Opening, StageError> {
        let opening = Opening::decode(block).map_err(|error| self.wire(offset, error))?;
        check(self.log, self.partition, offset, &mut self.log_id, self.own, &opening)?;
        Ok(opening)
    }

    pub(super) fn open(&mut self, origin: &Origin) {
        if let Some(first) = origin.first {
            self.ledger.open(&origin.source, first);
        }
    }

    /// Whether what a writer of `generation` says of how `source` stands is the last word: not where it has been overtaken, and
    /// what it had to say lands late.
    pub(super) fn is_current(&mut self, generation: u64, source: &SourcePartition) -> bool {
        match self.generations.get_mut(source) {
            Some(newest) if *newest > generation => false,
            Some(newest) => {
                *newest = generation;
                true
            }
            None => {
                self.generations.insert(source.clone(), generation);
                true
            }
        }
    }

    pub(super) fn verdict(&self, offset: NextOffset, head: &SectionHead) -> Result<Verdict, StageError> {
        let (log, partition) = (self.log, self.partition);
        self.ledger.check(&head.source, head.span).map_err(|error| StageError::Ledger { log, partition, offset, error })
    }
}

fn check(
    log: Log,
    partition: Partition,
    offset: NextOffset,
    log_id: &mut Option<u128>,
    own: u64,
    opening: &Opening,
) -> Result<(), StageError> {
    let first = *log_id.get_or_insert(opening.log_id);
    if first != opening.log_id {
        return Err(StageError::OtherLog { log, partition, offset, first, found: opening.log_id });
    }
    if opening.identity != own {
        return Err(StageError::OtherRules { log, partition, offset, own, found: opening.identity });
    }
    Ok(())
}
