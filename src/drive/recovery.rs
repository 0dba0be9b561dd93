//! What a worker may start from: facts about logs in, a decision out. No IO.
//!
//! [`LogFacts`] is what a log of ours holds, as far as whoever will write it must know: the opening marks, the number that
//! founded it, and up to where each input has been read into each of its partitions ([`Checkpoint`]s). From that and from the
//! bounds of the input, [`start`] decides: where reading goes on, or a [`Refusal`] that says what is wrong and what to do.
//!
//! The rules: a log of ours is whole from its first record, or from the place that a snapshot of its reader covers, or refused; an input that ends before what was read of it, or
//! holds another record there, is refused; a log that is empty although what was made of it is not is refused. Nothing is
//! appended before the decision, not even a mark that founds a log or claims a partition. Refuse, never reset. (Other rules, and
//! a claim that is lost, show only when reading goes on.)
//! Absent: reading logs (`scan`), and doubt: what passes by itself never comes here.

use super::transport::Bounds;
use crate::position::{Checkpoint, CheckpointError, NextOffset, Partition, Position, SourcePartition};
use crate::stage::{Inherited, Log, PartitionFacts, StageError};
use crate::wire::{Lag, Opening};
use std::collections::{BTreeMap, BTreeSet};

/// Why a worker may not start. A person must decide.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A log of ours has lost records that are needed.
    #[error(
        "{log}-{partition} starts at offset {low}, but is needed from {from} on: records are gone (retention, or deleted by hand) that \
         no snapshot covers, and what was counted from them cannot be counted again. Bring them back, or the snapshots \
         (snapshots.url), or count anew: `samenloop rebuild` (docs/operations.md)",
        log = log.name(), partition = partition.0, low = low.0, from = from.0
    )]
    StartLost {
        /// Which log.
        log: Log,
        /// Its partition.
        partition: Partition,
        /// The first offset that it still holds.
        low: NextOffset,
        /// The first that is needed: behind the newest snapshot, or 0 where there is none.
        from: NextOffset,
    },
    /// An input is not what it was when it was read.
    #[error("{input}, as the {log} log has it: {error}", log = log.name())]
    Input {
        /// The input.
        input: SourcePartition,
        /// Which log says how far it was read.
        log: Log,
        /// What is wrong.
        error: CheckpointError,
    },
    /// A snapshot cannot be of this log, or of this program as it is set.
    #[error("the snapshot {name}: {what}. See docs/operations.md")]
    Snapshot {
        /// Its name in the store.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// A log is not the one that a snapshot was made of.
    #[error("{input}, as the snapshot {name} has it: {error}")]
    Ahead {
        /// Its name in the store.
        name: String,
        /// The input.
        input: SourcePartition,
        /// What is wrong.
        error: CheckpointError,
    },
    /// A log is empty, but what was made of it is not.
    #[error(
        "the {log} log is empty, but the {behind} log holds what was made of it up to {position}: it was made anew or emptied. \
         Bring it back, or count anew: `samenloop rebuild` (docs/operations.md)",
        log = log.name(), behind = behind.name()
    )]
    Emptied {
        /// The empty log.
        log: Log,
        /// The log that was made of it.
        behind: Log,
        /// How far it was read.
        position: Position,
    },
}

/// What a log of ours holds, as far as its next writer must know.
pub struct LogFacts {
    log: Log,
    partitions: u32,
    read_to: BTreeMap<Partition, NextOffset>,
    /// Partition 0 first: there it is settled who was first.
    held: BTreeMap<Partition, PartitionFacts>,
}

impl LogFacts {
    /// Nothing known yet of `log`.
    #[must_use]
    pub fn new(log: Log, partitions: u32) -> Self {
        let all = || (0..partitions).map(Partition);
        Self {
            log,
            partitions,
            read_to: all().map(|partition| (partition, NextOffset(0))).collect(),
            held: all().map(|partition| (partition, PartitionFacts::default())).collect(),
        }
    }

    /// Which log.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log
    }

    /// How many partitions it has.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Up to where each partition is known.
    #[must_use]
    pub fn read_to(&self) -> &BTreeMap<Partition, NextOffset> {
        &self.read_to
    }

    /// Takes note of where a partition begins and ends.
    ///
    /// # Errors
    /// When it starts behind what is known of it, or ends before that.
    pub fn bounds(&self, partition: Partition, bounds: Bounds) -> Result<(), Refusal> {
        let Some(&seen) = self.read_to.get(&partition) else { return Ok(()) };
        holds_from(self.log, partition, bounds, seen)?;
        let seen = Checkpoint::origin(Position::start_of(seen));
        let input = SourcePartition::new(self.log.name(), partition.0);
        let resumed = seen.resume(bounds.low, bounds.high, None);
        resumed.map(|_| ()).map_err(|error| Refusal::Input { input, log: self.log, error })
    }

    /// Takes over what a snapshot of the partition's reader says of all before `offset`, where that is more than is known.
    pub fn add_partition(&mut self, partition: Partition, offset: NextOffset, facts: PartitionFacts) {
        if self.read_to.get(&partition).is_some_and(|&seen| seen < offset) {
            self.read_to.insert(partition, offset);
            self.held.insert(partition, facts);
        }
    }

    /// Takes note of a record.
    ///
    /// # Errors
    /// When it is no block of ours.
    pub fn record(&mut self, partition: Partition, offset: NextOffset, block: &[u8]) -> Result<(), StageError> {
        self.held.entry(partition).or_default().record(self.log, partition, offset, block)?;
        self.read_to.insert(partition, offset.after());
        Ok(())
    }

    /// All of a partition has been read to `to`.
    pub fn reached(&mut self, partition: Partition, to: NextOffset) {
        let read_to = self.read_to.entry(partition).or_default();
        *read_to = to.max(*read_to);
    }

    fn openings(&self) -> impl Iterator<Item = (Partition, NextOffset, &Opening)> {
        self.held
            .iter()
            .flat_map(|(&partition, held)| held.openings().map(move |(offset, opening)| (partition, offset, opening)))
    }

    /// The log's id: that of its marks, else the first one proposed, on partition 0.
    #[must_use]
    pub fn id(&self) -> Option<u128> {
        let founded = || self.held.get(&Partition(0)).and_then(PartitionFacts::founded);
        self.openings().next().map(|(_, _, opening)| opening.log_id).or_else(founded)
    }

    /// Whether a writer has introduced itself on it, ever.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.openings().next().is_some()
    }

    /// The partitions of `source` that the first mark of it names; none while the log does not know the source. A later mark
    /// may name one that the topic has grown before anybody has read it.
    #[must_use]
    pub fn first_named(&self, source: &str) -> Option<BTreeSet<Partition>> {
        self.held.values().map(|held| held.first_named(source)).find(|named| !named.is_empty())
    }

    /// Where the log starts to hold `source`, if its reader has said so.
    #[must_use]
    pub fn origin(&self, source: &SourcePartition) -> Option<Position> {
        let mut origins = self.openings().flat_map(|(_, _, opening)| &opening.origins);
        origins.find_map(|origin| if origin.source == *source { origin.first } else { None })
    }

    /// Whether all that wrote the log did so under `identity`. What did not is refused when a stage is told of it; nothing may
    /// be appended before.
    #[must_use]
    pub fn is_written_under(&self, identity: u64) -> bool {
        self.openings().all(|(_, _, opening)| opening.identity == identity)
    }

    /// How far `input` has been read, by the partition of the log that is furthest: what must still be there.
    #[must_use]
    pub fn furthest(&self, input: &SourcePartition) -> Option<Checkpoint> {
        self.held.values().filter_map(|held| held.furthest_of(input)).reduce(Checkpoint::max)
    }

    /// How far `input` has been read into every partition: all that follows from what lies before is there.
    #[must_use]
    pub fn nearest(&self, input: &SourcePartition) -> Position {
        let nearest = self.held.values().map(|held| held.read_of(input).unwrap_or_default().position).min();
        nearest.unwrap_or_default()
    }

    /// How far any input has been read at all.
    #[must_use]
    pub fn furthest_of_all(&self) -> Option<Position> {
        self.held.values().filter_map(PartitionFacts::furthest).max()
    }

    /// Inputs that waited for something outside for too long, and have not caught up since: the last word of every partition
    /// that has heard of them.
    fn given_up(&self) -> impl Iterator<Item = &SourcePartition> {
        let mut all: BTreeMap<&SourcePartition, bool> = BTreeMap::new();
        for (source, lag) in self.held.values().flat_map(PartitionFacts::standings) {
            *all.entry(source).or_insert(true) &= lag == Lag::Waiting;
        }
        all.into_iter().filter_map(|(source, is_given_up)| is_given_up.then_some(source))
    }

    /// What a stage that will write the log is told of it, in order. `is_its` says whose checkpoints it needs.
    ///
    /// # Errors
    /// When `tell` fails.
    pub fn tell(
        &self,
        log_id: u128,
        is_its: impl Fn(&SourcePartition) -> bool,
        mut tell: impl FnMut(Inherited<'_>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        for (partition, offset, opening) in self.openings() {
            tell(Inherited::Opening { partition, offset, opening })?;
        }
        for (partition, held) in &self.held {
            for (source, checkpoint) in held.checkpoints().filter(|(source, _)| is_its(source)) {
                tell(Inherited::Checkpoint { output: partition.index(), source, checkpoint })?;
            }
        }
        for source in self.given_up().filter(|source| is_its(source)) {
            tell(Inherited::GivenUp { source })?;
        }
        tell(Inherited::NewLogId(log_id))
    }
}

/// Whether a log of ours still holds everything from `from` on.
///
/// # Errors
/// When it has lost some of it, be it all that it held.
pub fn holds_from(log: Log, partition: Partition, bounds: Bounds, from: NextOffset) -> Result<(), Refusal> {
    if bounds.low > from {
        return Err(Refusal::StartLost { log, partition, low: bounds.low, from });
    }
    Ok(())
}

/// Whether a log may be begun: it is empty, and nothing has been made of it yet.
///
/// # Errors
/// When something has.
pub fn may_found(log: Log, behind: &LogFacts) -> Result<(), Refusal> {
    match behind.furthest_of_all() {
        Some(position) => Err(Refusal::Emptied { log, behind: behind.log(), position }),
        None => Ok(()),
    }
}

/// Where reading an input goes on that `log` has read up to `checkpoint`. `found`: the checksum of the checkpoint's record as the
/// input holds it now, where it could be fetched.
///
/// # Errors
/// When it is not the input that was read.
pub fn start(
    input: &SourcePartition,
    log: Log,
    checkpoint: Checkpoint,
    bounds: Bounds,
    found: Option<u32>,
) -> Result<NextOffset, Refusal> {
    let resumed = checkpoint.resume(bounds.low, bounds.high, found);
    resumed.map_err(|error| Refusal::Input { input: input.clone(), log, error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::Items;
    use crate::position::Span;
    use crate::wire::{EventsWriter, SectionHead};

    /// What a writer of `generation` says of how the source stands.
    fn said(generation: u64, lag: Lag) -> Vec<u8> {
        let (mut writer, at) = (EventsWriter::default(), Position::default());
        let (source, span) = (SourcePartition::new("shop", 0), Span { from: at, to: at });
        writer.open(SectionHead { source, span, highest: None, lag, arrived_ms: None, checksum: None });
        writer.finish(generation, &Items::default())
    }

    #[test]
    fn a_source_is_given_up_where_that_is_the_last_word_of_every_partition_that_has_heard_of_it() {
        let mut facts = LogFacts::new(Log::Events, 3);
        let mut next = 0;
        let mut given_up_after = |partition, generation, lag| {
            facts.record(Partition(partition), NextOffset(next), &said(generation, lag)).unwrap();
            next += 1;
            let mut given_up = Vec::new();
            let heard = facts.tell(
                1,
                |_| true,
                |inherited| {
                    if let Inherited::GivenUp { source } = inherited {
                        given_up.push(source.to_string());
                    }
                    Ok(())
                },
            );
            heard.unwrap();
            !given_up.is_empty()
        };
        assert!(!given_up_after(0, 1, Lag::Behind));
        assert!(given_up_after(0, 1, Lag::Waiting));
        assert!(!given_up_after(2, 1, Lag::Live), "one was told that it has caught up");
        assert!(given_up_after(2, 2, Lag::Waiting));
        assert!(given_up_after(2, 1, Lag::Live), "who was overtaken has no say");
        assert!(!given_up_after(0, 2, Lag::Live));
    }
}
