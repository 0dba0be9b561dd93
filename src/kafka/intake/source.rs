//! A source as an intake worker holds it: its reader, and of each partition what waits and where it stands.

use super::super::KafkaFailure;
use super::super::reader::Reader;
use super::super::scan::LogScan;
use super::super::service::SourceOfRun;
use crate::config::Start;
use crate::event::EventTime;
use crate::intake::{Record, Reject};
use crate::position::{NextOffset, Partition, Position, SourcePartition};
use crate::stage::{IntakeWork, Stage};
use crate::watch::health::StageName;
use crate::watch::metrics::{LagFollower, Metrics};
use crate::wire::Origin;
use rdkafka::message::{BorrowedMessage, Headers, Message, OwnedMessage};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

/// Bytes of records that may wait of one partition before it is paused.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// What a waiting record costs besides its key and value.
const WAITING_BYTES_EACH: usize = 256;

/// A record that waits.
pub(super) struct Waiting {
    pub(super) offset: NextOffset,
    pub(super) message: OwnedMessage,
    bytes: usize,
}

impl Waiting {
    pub(super) fn new(offset: NextOffset, message: &BorrowedMessage<'_>) -> Self {
        Self {
            offset,
            message: message.detach(),
            bytes: message.payload_len() + message.key_len() + WAITING_BYTES_EACH,
        }
    }
}

/// One partition that is this worker's.
pub(super) struct Held {
    /// Its number among the stage's inputs.
    pub(super) input: usize,
    /// The same, as health names it.
    pub(super) number: Partition,
    pub(super) next: NextOffset,
    /// Where it ended when it was taken over.
    pub(super) until: NextOffset,
    pub(super) has_ended: bool,
    pub(super) ends_behind_waiting: bool,
    pub(super) highest: Option<EventTime>,
    pub(super) waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    is_paused: bool,
    /// When the registry is asked again for what the first that waits needs.
    pub(super) retry_at: Option<Instant>,
    /// The newest record's timestamp.
    pub(super) newest_ms: Option<i64>,
    pub(super) lag: LagFollower,
}

impl Held {
    pub(super) fn new(metrics: &Metrics, source: &std::sync::Arc<str>, partition: Partition) -> Self {
        let place = SourcePartition { source: std::sync::Arc::clone(source), partition };
        Self {
            input: 0,
            number: partition,
            next: NextOffset(0),
            until: NextOffset(0),
            has_ended: false,
            ends_behind_waiting: false,
            highest: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            is_paused: false,
            retry_at: None,
            newest_ms: None,
            lag: metrics.lag(StageName::Intake, &place),
        }
    }

    /// Lets a record wait behind the others; true when its partition is to be paused.
    pub(super) fn put_by(&mut self, waiting: Waiting) -> bool {
        self.waiting_bytes += waiting.bytes;
        self.waiting.push_back(waiting);
        self.ends_behind_waiting = false; // more came after that end
        let is_full = self.waiting_bytes > WAITING_BYTES_MAX;
        is_full && !std::mem::replace(&mut self.is_paused, is_full)
    }

    /// About what is held of them.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// The first that waits.
    pub(super) fn next_waiting(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes -= waiting.bytes;
        Some(waiting)
    }

    /// It must go on waiting.
    pub(super) fn put_back(&mut self, waiting: Waiting) {
        self.waiting_bytes += waiting.bytes;
        self.waiting.push_front(waiting);
    }

    /// The timestamp of the first record that waits, or of the newest that was taken.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.waiting.front().map_or(self.newest_ms, |first| first.message.timestamp().to_millis())
    }

    /// Whether it is paused. librdkafka remembers that beyond a revocation: who lets go of it resumes it first.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether it was paused and is to be fetched again. Says so once.
    pub(super) fn may_resume(&mut self) -> bool {
        self.waiting_bytes < WAITING_BYTES_MAX / 2 && std::mem::replace(&mut self.is_paused, false)
    }
}

/// A topic and what of it is this worker's.
pub(super) struct Source {
    pub(super) of_run: SourceOfRun,
    pub(super) reader: Rc<Reader>,
    pub(super) held: BTreeMap<Partition, Held>,
}

impl Source {
    pub(super) fn new(of_run: SourceOfRun, reader: Reader) -> Self {
        Self { of_run, reader: Rc::new(reader), held: BTreeMap::new() }
    }

    /// All partitions of the topic, whoever reads them.
    pub(super) fn partitions(&self) -> Result<Vec<SourcePartition>, KafkaFailure> {
        let count = self.reader.partitions()?;
        let place = |number| SourcePartition { source: self.of_run.name.clone(), partition: Partition(number) };
        Ok((0..count).map(place).collect())
    }

    /// Before these offsets, the log has everything.
    pub(super) fn offsets(&self, stage: &Stage<IntakeWork>) -> Vec<(Partition, NextOffset)> {
        self.held.iter().map(|(&partition, held)| (partition, stage.work().resume_at(held.input))).collect()
    }

    pub(super) fn placed(&mut self, partition: Partition, next: NextOffset, until: NextOffset) {
        if let Some(held) = self.held.get_mut(&partition) {
            (held.next, held.until) = (next, until);
            held.has_ended = next >= until;
        }
    }

    /// Where a partition starts that the log does not know yet: where its group has committed, if somebody set that (what
    /// samenloop commits itself belongs to one log), else as the settings say; but a partition that a known topic has grown
    /// starts at its start.
    pub(super) fn first(&self, partition: Partition, scan: &LogScan, note: &str) -> Result<NextOffset, KafkaFailure> {
        let (low, high) = self.reader.bounds(partition)?;
        let name = &self.of_run.name;
        match self.reader.committed(partition)? {
            Some((committed, found)) if found.is_empty() || found == note => return Ok(committed.clamp(low, high)),
            Some((committed, _)) => tracing::warn!(
                source = &**name,
                partition = partition.0,
                committed = committed.0,
                "committed for another events log, and passed over: the source starts as set"
            ),
            None => {}
        }
        let has_grown = scan.first_named(name).is_some_and(|named| !named.contains(&partition));
        Ok(if self.of_run.start == Start::Latest && !has_grown { high } else { low })
    }

    /// Where a partition that is taken over is read from, and where it ends now. The log says where: what it holds is not
    /// read again.
    pub(super) fn bounds(
        &self,
        work: &IntakeWork,
        partition: Partition,
    ) -> Result<(NextOffset, NextOffset), KafkaFailure> {
        let (low, high) = self.reader.bounds(partition)?;
        let name = &self.of_run.name;
        let Some(held) = self.held.get(&partition) else { return Ok((low, high)) };
        let resume_at = work.resume_at(held.input);
        if resume_at > high {
            let what = format!(
                "{name}-{} ends at {}, but the events log holds it up to {}: the topic was made anew or truncated. \
                 Bring it back, or start with another topics.prefix and replay what there is",
                partition.0, high.0, resume_at.0
            );
            return Err(KafkaFailure::said(&self.of_run.topic, &what));
        }
        let next = resume_at.max(low); // where records are gone, the stage says which
        tracing::info!(
            stage = "intake",
            source = &**name,
            partition = partition.0,
            from = next.0,
            to = high.0,
            "reading"
        );
        Ok((next, high))
    }
}

/// What a mark says that settles where new sources start: all that are configured, with the origins known so far. Empty when
/// nothing is to be settled.
pub(super) fn origins(
    sources: &[Source],
    named: &[SourcePartition],
    scan: &LogScan,
    note: &str,
) -> Result<Vec<Origin>, KafkaFailure> {
    let (mut origins, mut is_news) = (Vec::new(), false);
    for place in named {
        let source = sources.iter().find(|source| source.of_run.name == place.source);
        let own = source.filter(|source| source.held.contains_key(&place.partition));
        let first = match (scan.origin(place), own) {
            (None, Some(own)) => {
                is_news = true;
                Some(Position::start_of(own.first(place.partition, scan, note)?))
            }
            (known, _) => known,
        };
        origins.push(Origin { source: place.clone(), first });
    }
    Ok(if is_news { origins } else { Vec::new() })
}

/// A message as a record.
pub(super) fn with_record<M: Message, T>(message: &M, then: impl FnOnce(&Record<'_>) -> T) -> T {
    let mut headers = Vec::new();
    if let Some(all) = message.headers() {
        headers.extend(all.iter().map(|header| (header.key, header.value.unwrap_or_default())));
    }
    then(&Record {
        topic: message.topic(),
        key: message.key(),
        value: message.payload(),
        timestamp_ms: message.timestamp().to_millis(),
        headers: &headers,
    })
}

/// A line in the log for whoever looks into a reject; the topic has all of it.
pub(super) fn note(source: &SourcePartition, offset: NextOffset, reject: &Reject) {
    tracing::debug!(%source, offset = offset.0, reason = reject.reason.name(), "{}", reject.message);
}
