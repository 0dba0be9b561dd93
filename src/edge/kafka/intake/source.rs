//! A source as an intake worker holds it: its reader, and of each partition what waits and where it stands.

use super::super::KafkaFailure;
use super::super::reader::Reader;
use super::super::scan::LogScan;
use super::super::service::SourceOfRun;
use crate::config::Start;
use crate::edge::health::StageName;
use crate::edge::metrics::{LagFollower, Metrics};
use crate::event::EventTime;
use crate::intake::{Record, Reject};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::stage::{IntakeWork, Stage};
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
        let is_full = self.waiting_bytes > WAITING_BYTES_MAX;
        is_full && !std::mem::replace(&mut self.is_paused, is_full)
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
    pub(super) fn new(of_run: SourceOfRun, reader: Reader) -> Result<Self, KafkaFailure> {
        Ok(Self { of_run, reader: Rc::new(reader), held: BTreeMap::new() })
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

    /// Where a partition that is taken over is read from, and where it ends now.
    ///
    /// The log says where: what it holds is not read again. What it does not know yet starts where its group has committed,
    /// if somebody set that, else where settings say; but a partition that a known topic has grown starts at its start.
    pub(super) fn bounds(
        &self,
        work: &IntakeWork,
        partition: Partition,
        scan: &LogScan,
    ) -> Result<(NextOffset, NextOffset), KafkaFailure> {
        let (low, high) = self.reader.bounds(partition)?;
        let name = &self.of_run.name;
        let Some(held) = self.held.get(&partition) else { return Ok((low, high)) };
        let next = if work.origin(held.input).is_some() {
            let resume_at = work.resume_at(held.input);
            if resume_at > high {
                let what = format!(
                    "{name}-{} ends at {}, but the events log holds it up to {}: the topic was made anew or truncated. \
                     Bring it back, or start with another topics.prefix and replay what there is",
                    partition.0, high.0, resume_at.0
                );
                return Err(KafkaFailure::said(&self.of_run.topic, &what));
            }
            resume_at.max(low) // where records are gone, the stage says which
        } else if let Some(&committed) = self.reader.committed(&[partition])?.get(&partition) {
            committed.clamp(low, high)
        } else {
            let place = SourcePartition { source: name.clone(), partition };
            let has_grown = scan.knows_source(name) && !scan.named().contains(&place);
            if self.of_run.start == Start::Latest && !has_grown { high } else { low }
        };
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
