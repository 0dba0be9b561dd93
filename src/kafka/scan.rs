//! Reading a topic from where one stands to where it ends now: what a log holds before one writes to it.
//!
//! Invariants: a scan ends at the end that each partition had when it began, or later; it belongs to no group and commits
//! nothing. Absent: following a topic (see `reader`).

use super::KafkaFailure;
use super::client::log_line;
use super::reader::{self, is_passing, list_of, next, number, reading};
use super::writer::{Appending, Writer};
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition};
use crate::stage::{Effect, Fact, Left, Log, Stage, StageError, Work};
use crate::wire::{Kind, Opening, founded, founding, kind_of, section_ends};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a scan waits for the next record before it looks around.
const LOOK: Duration = Duration::from_millis(100);
/// How long a scan may get nothing at all before it is given up.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// The context of a consumer outside all groups.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka consumer");
    }
}

impl ConsumerContext for Quiet {}

/// A consumer that reads what it is told to. `group` is never joined; librdkafka wants a name.
pub(super) fn outside_groups(base: &ClientConfig, group: &str) -> Result<BaseConsumer<Quiet>, KafkaFailure> {
    let mut config = base.clone();
    config.set("group.id", group);
    reading(&mut config);
    let made = config.create_with_context(Quiet);
    made.map_err(|error| KafkaFailure::new(group, "making a consumer", &error))
}

/// A scan was ended because the process stops.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("stopped while reading what the logs hold")]
pub(super) struct StopAsked;

/// A consumer that reads what it is told to, outside all groups.
pub struct Scanner {
    consumer: BaseConsumer<Quiet>,
    stop: Arc<AtomicBool>,
}

impl Scanner {
    /// Scans end early once `stop` is set.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(base: &ClientConfig, group: &str, stop: Arc<AtomicBool>) -> Result<Self, KafkaFailure> {
        Ok(Self { consumer: outside_groups(base, group)?, stop })
    }

    /// The first offset that a partition still holds, and the first that it does not hold yet.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn bounds(&self, topic: &str, partition: Partition) -> Result<(NextOffset, NextOffset), KafkaFailure> {
        reader::bounds(&self.consumer, topic, partition)
    }

    /// Reads each partition of `from` from its offset (or the first that it holds) to its end now. Returns where each was
    /// read to. `while_waiting` is called again and again.
    ///
    /// # Errors
    /// When the topic cannot be read, or `each` fails.
    pub fn scan(
        &self,
        topic: &str,
        from: &BTreeMap<Partition, NextOffset>,
        while_waiting: &mut dyn FnMut(),
        each: &mut dyn FnMut(Partition, NextOffset, &BorrowedMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<BTreeMap<Partition, NextOffset>> {
        let (mut read_to, mut open, mut starts) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (&partition, &offset) in from {
            let (low, high) = self.bounds(topic, partition)?;
            let start = offset.max(low);
            read_to.insert(partition, start);
            if start < high {
                open.insert(partition, high);
                starts.push((partition, start));
            }
        }
        if starts.is_empty() {
            return Ok(read_to);
        }
        let assigned = self.consumer.assign(&list_of(topic, &starts)?);
        assigned.map_err(|error| KafkaFailure::new(topic, "reading it from its start", &error))?;
        let mut heard = Instant::now();
        while !open.is_empty() {
            while_waiting();
            if self.stop.load(Ordering::Relaxed) {
                return Err(StopAsked.into());
            }
            match self.consumer.poll(LOOK) {
                None if heard.elapsed() > SILENCE_MAX => {
                    let what = format!("nothing came for {} s, although there are records", SILENCE_MAX.as_secs());
                    return Err(KafkaFailure::said(topic, &what).into());
                }
                None => {}
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let Some((partition, offset)) = place_of(&message) else { continue };
                    each(partition, offset, &message)?;
                    read_to.insert(partition, offset.after());
                    if open.get(&partition).is_some_and(|&high| offset.after() >= high) {
                        open.remove(&partition);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard = Instant::now();
                    if let Some(partition) = number(partition) {
                        open.remove(&partition);
                    }
                }
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => return Err(KafkaFailure::new(topic, "reading it", &error).into()),
            }
        }
        let left = self.consumer.unassign();
        left.map_err(|error| KafkaFailure::new(topic, "ending a scan", &error))?;
        Ok(read_to)
    }
}

/// Where a record stands.
pub(super) fn place_of(message: &BorrowedMessage<'_>) -> Option<(Partition, NextOffset)> {
    Some((number(message.partition())?, next(message.offset())?))
}

/// What an internal log holds, as far as a writer of it must know. Kept between rebalances, so that only what is new is
/// read again.
pub(super) struct LogScan {
    log: Log,
    topic: String,
    partitions: u32,
    read_to: BTreeMap<Partition, NextOffset>,
    /// Partition 0 first: there it is settled who was first.
    openings: BTreeMap<(Partition, NextOffset), Opening>,
    checkpoints: BTreeMap<(usize, SourcePartition), Checkpoint>,
    /// The first number proposed as the log's id, on partition 0.
    founded: Option<u128>,
}

impl LogScan {
    pub(super) fn new(log: Log, topic: &str, partitions: u32) -> Self {
        Self {
            log,
            topic: topic.to_owned(),
            partitions,
            read_to: (0..partitions).map(|number| (Partition(number), NextOffset(0))).collect(),
            openings: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            founded: None,
        }
    }

    /// Reads on to the log's present end.
    pub(super) fn refresh(&mut self, scanner: &Scanner, while_waiting: &mut dyn FnMut()) -> anyhow::Result<()> {
        let (log, topic, from) = (self.log, self.topic.clone(), self.read_to.clone());
        self.read_to = scanner.scan(&topic, &from, while_waiting, &mut |partition, offset, message| {
            let Some(block) = message.payload() else { return Ok(()) };
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
            for (source, checkpoint) in section_ends(block).map_err(damaged)? {
                let known = self.checkpoints.entry((partition.index(), source)).or_default();
                *known = known.max(checkpoint);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The log's id. Where it has none yet, one is proposed; the first proposal on partition 0 is it, whoever made it.
    pub(super) fn settle_id(
        &mut self,
        scanner: &Scanner,
        writer: &mut Writer,
        while_waiting: &mut dyn FnMut(),
    ) -> anyhow::Result<u128> {
        if let Some(opening) = self.openings.values().next() {
            return Ok(opening.log_id);
        }
        if self.founded.is_none() {
            let proposal = founding(rand::random());
            let appending = Appending { value: Some(&proposal), ..Appending::default() };
            writer.append(&self.topic, Partition(0), appending, while_waiting)?;
            writer.flush(while_waiting)?;
            self.refresh(scanner, while_waiting)?;
        }
        if let Some(opening) = self.openings.values().next() {
            return Ok(opening.log_id);
        }
        let what = "a founding mark was acknowledged, but is not there: another topic under the same name?";
        Ok(self.founded.ok_or_else(|| KafkaFailure::said(&self.topic, what))?)
    }

    /// The partitions of `source` that the first mark of it names; none while the log does not know the source. A later mark
    /// may name one that the topic has grown before anybody has read it.
    pub(super) fn first_named(&self, source: &str) -> Option<BTreeSet<Partition>> {
        let of_source = |opening: &Opening| -> BTreeSet<Partition> {
            opening.origins.iter().filter(|o| &*o.source.source == source).map(|o| o.source.partition).collect()
        };
        self.openings.values().map(of_source).find(|named| !named.is_empty())
    }

    /// Where the log starts to hold `source`, if its reader has said so.
    pub(super) fn origin(&self, source: &SourcePartition) -> Option<Position> {
        let mut origins = self.openings.values().flat_map(|opening| &opening.origins);
        origins.find_map(|origin| if origin.source == *source { origin.first } else { None })
    }

    /// Whether all that wrote the log did so under `identity`. What did not is refused when a stage is told of it; nothing may
    /// be appended before.
    pub(super) fn is_written_under(&self, identity: u64) -> bool {
        self.openings.values().all(|opening| opening.identity == identity)
    }

    /// Says where sources start that the log does not know yet, on partition 0, and reads what stands there: of several
    /// that say so at once, the first counts for all.
    pub(super) fn settle_origins(
        &mut self,
        opening: &Opening,
        scanner: &Scanner,
        writer: &mut Writer,
        while_waiting: &mut dyn FnMut(),
    ) -> anyhow::Result<()> {
        let mark = opening.encode();
        let appending = Appending { value: Some(&mark), ..Appending::default() };
        writer.append(&self.topic, Partition(0), appending, while_waiting)?;
        writer.flush(while_waiting)?;
        self.refresh(scanner, while_waiting)
    }

    /// Tells a stage that will write this log what its predecessors left there. `is_its` says whose positions it needs.
    pub(super) fn tell<W: Work>(
        &self,
        stage: &mut Stage<W>,
        log_id: u128,
        is_its: impl Fn(&SourcePartition) -> bool,
    ) -> Result<(), StageError> {
        let mut effects: Vec<Effect> = Vec::new();
        for ((partition, offset), opening) in &self.openings {
            let left = Left::Opening { partition: *partition, offset: *offset, opening };
            stage.handle(Fact::Left(left), &mut effects)?;
        }
        for ((output, source), checkpoint) in self.checkpoints.iter().filter(|((_, source), _)| is_its(source)) {
            let left = Left::Checkpoint { output: *output, source, checkpoint: *checkpoint };
            stage.handle(Fact::Left(left), &mut effects)?;
        }
        stage.handle(Fact::Left(Left::NewLogId(log_id)), &mut effects)
    }

    /// How many partitions the log has.
    pub(super) fn partitions(&self) -> u32 {
        self.partitions
    }
}
