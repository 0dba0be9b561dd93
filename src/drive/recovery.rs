//! What a worker may start from: facts about logs in, a decision out. No IO.
//!
//! [`LogFacts`] is what a log of ours holds, as far as whoever will write it must know: the opening marks, the number that
//! founded it, and up to where each input has been read into each of its partitions ([`Checkpoint`]s). From that and from the
//! bounds of the input, [`start`] decides: where reading goes on, or a [`Refusal`] that says what is wrong and what to do.
//!
//! The rules: a log of ours is whole from its first record, or refused; an input that ends before what was read of it, or
//! holds another record there, is refused; a log that is empty although what was made of it is not is refused. Nothing is
//! appended before the decision, not even a mark that founds a log or claims a partition. Refuse, never reset. (Other rules, and
//! a claim that is lost, show only when reading goes on.)
//! Absent: reading logs (`scan`), and doubt: what passes by itself never comes here.

use super::transport::Bounds;
use crate::position::{Checkpoint, CheckpointError, NextOffset, Partition, Position, SourcePartition};
use crate::stage::{Left, Log, StageError};
use crate::wire::{Kind, Lag, Opening, SectionEnd, founded, kind_of, section_ends};
use std::collections::{BTreeMap, BTreeSet};

/// Why a worker may not start. A person must decide.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A log of ours has lost its first records.
    #[error(
        "{log}-{partition} starts at offset {low}: its first {low} records are gone (retention, or deleted by hand), and what \
         was counted from them cannot be counted again. Bring them back, or start anew under another topics.prefix \
         (docs/operations.md)",
        log = log.name(), partition = partition.0, low = low.0
    )]
    StartLost {
        /// Which log.
        log: Log,
        /// Its partition.
        partition: Partition,
        /// The first offset that it still holds.
        low: NextOffset,
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
    /// A log is empty, but what was made of it is not.
    #[error(
        "the {log} log is empty, but the {behind} log holds what was made of it up to {position}: it was made anew or emptied. \
         Bring it back, or start anew under another topics.prefix (docs/operations.md)",
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
    openings: BTreeMap<(Partition, NextOffset), Opening>,
    checkpoints: BTreeMap<(usize, SourcePartition), Checkpoint>,
    /// What each partition was told last of how far behind its inputs are, and by which generation of writers.
    standings: BTreeMap<(SourcePartition, usize), (u64, Lag)>,
    /// The first number proposed as the log's id, on partition 0.
    founded: Option<u128>,
}

impl LogFacts {
    /// Nothing known yet of `log`.
    #[must_use]
    pub fn new(log: Log, partitions: u32) -> Self {
        Self {
            log,
            partitions,
            read_to: (0..partitions).map(|number| (Partition(number), NextOffset(0))).collect(),
            openings: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            standings: BTreeMap::new(),
            founded: None,
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
    /// When it is not whole, or ends before what was seen of it.
    pub fn bounds(&self, partition: Partition, bounds: Bounds) -> Result<(), Refusal> {
        is_whole(self.log, partition, bounds)?;
        let Some(&seen) = self.read_to.get(&partition) else { return Ok(()) };
        let seen = Checkpoint::origin(Position::start_of(seen));
        let input = SourcePartition::new(self.log.name(), partition.0);
        let resumed = seen.resume(bounds.low, bounds.high, None);
        resumed.map(|_| ()).map_err(|error| Refusal::Input { input, log: self.log, error })
    }

    /// Takes note of a record.
    ///
    /// # Errors
    /// When it is no block of ours.
    pub fn record(&mut self, partition: Partition, offset: NextOffset, block: &[u8]) -> Result<(), StageError> {
        let log = self.log;
        let damaged = |error| StageError::Wire { log, partition, offset, error };
        match kind_of(block).map_err(damaged)? {
            Kind::Opening => {
                let opening = Opening::decode(block).map_err(damaged)?;
                self.openings.insert((partition, offset), opening);
            }
            Kind::Founding if partition == Partition(0) => {
                self.founded.get_or_insert(founded(block).map_err(damaged)?);
            }
            _ => {}
        }
        for SectionEnd { source, checkpoint, standing } in section_ends(block).map_err(damaged)? {
            if let Some((generation, lag)) = standing {
                let told = self.standings.entry((source.clone(), partition.index())).or_insert((generation, lag));
                if told.0 <= generation {
                    *told = (generation, lag);
                }
            }
            let known = self.checkpoints.entry((partition.index(), source)).or_default();
            *known = known.max(checkpoint);
        }
        self.read_to.insert(partition, offset.after());
        Ok(())
    }

    /// All of a partition has been read to `to`.
    pub fn reached(&mut self, partition: Partition, to: NextOffset) {
        let read_to = self.read_to.entry(partition).or_default();
        *read_to = to.max(*read_to);
    }

    /// The log's id: that of its marks, else the first one proposed.
    #[must_use]
    pub fn id(&self) -> Option<u128> {
        self.openings.values().next().map(|opening| opening.log_id).or(self.founded)
    }

    /// Whether a writer has introduced itself on it, ever.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        !self.openings.is_empty()
    }

    /// The partitions of `source` that the first mark of it names; none while the log does not know the source. A later mark
    /// may name one that the topic has grown before anybody has read it.
    #[must_use]
    pub fn first_named(&self, source: &str) -> Option<BTreeSet<Partition>> {
        let of_source = |opening: &Opening| -> BTreeSet<Partition> {
            opening.origins.iter().filter(|o| &*o.source.source == source).map(|o| o.source.partition).collect()
        };
        self.openings.values().map(of_source).find(|named| !named.is_empty())
    }

    /// Where the log starts to hold `source`, if its reader has said so.
    #[must_use]
    pub fn origin(&self, source: &SourcePartition) -> Option<Position> {
        let mut origins = self.openings.values().flat_map(|opening| &opening.origins);
        origins.find_map(|origin| if origin.source == *source { origin.first } else { None })
    }

    /// Whether all that wrote the log did so under `identity`. What did not is refused when a stage is told of it; nothing may
    /// be appended before.
    #[must_use]
    pub fn is_written_under(&self, identity: u64) -> bool {
        self.openings.values().all(|opening| opening.identity == identity)
    }

    /// How far `input` has been read, by the partition of the log that is furthest: what must still be there.
    #[must_use]
    pub fn furthest(&self, input: &SourcePartition) -> Option<Checkpoint> {
        let own = self.checkpoints.iter().filter(|((_, source), _)| source == input);
        own.map(|(_, &checkpoint)| checkpoint).reduce(Checkpoint::max)
    }

    /// How far any input has been read at all.
    #[must_use]
    pub fn furthest_of_all(&self) -> Option<Position> {
        self.checkpoints.values().map(|checkpoint| checkpoint.position).filter(|at| *at > Position::default()).max()
    }

    /// Inputs that waited for something outside for too long, and have not caught up since: the last word of every partition
    /// that has heard of them.
    fn given_up(&self) -> impl Iterator<Item = &SourcePartition> {
        let mut all: BTreeMap<&SourcePartition, bool> = BTreeMap::new();
        for ((source, _), (_, lag)) in &self.standings {
            *all.entry(source).or_insert(true) &= *lag == Lag::Waiting;
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
        mut tell: impl FnMut(Left<'_>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        for (&(partition, offset), opening) in &self.openings {
            tell(Left::Opening { partition, offset, opening })?;
        }
        for ((output, source), &checkpoint) in self.checkpoints.iter().filter(|((_, source), _)| is_its(source)) {
            tell(Left::Checkpoint { output: *output, source, checkpoint })?;
        }
        for source in self.given_up().filter(|source| is_its(source)) {
            tell(Left::GivenUp { source })?;
        }
        tell(Left::NewLogId(log_id))
    }
}

/// Whether a log of ours is whole from its first record on.
///
/// # Errors
/// When it has lost its start, be it all that it held.
pub fn is_whole(log: Log, partition: Partition, bounds: Bounds) -> Result<(), Refusal> {
    if bounds.low > NextOffset(0) {
        return Err(Refusal::StartLost { log, partition, low: bounds.low });
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
                |left| {
                    if let Left::GivenUp { source } = left {
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
