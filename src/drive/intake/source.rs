//! A source as an intake worker owns it: its reader, and of each partition what waits and where it stands.

use super::super::plan::SourcePlan;
use super::super::recovery::{LogFacts, start};
use super::super::scan::{Offsets, records_at};
use super::super::transport::{Bounds, Change, Follower as _, Message, Reader, Topic, Transport};
use super::super::vigil::Vigil;
use super::super::worker::{Hands, Ties, age_ms};
use crate::config::Start;
use crate::event::EventTime;
use crate::intake::{Around, Record, checksum_of_record};
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition};
use crate::stage::{Clock, IntakeInput, IntakeWork, Log, Phase, SourceInput, Stage};
use crate::watch::health::{PartitionState, StageName};
use crate::watch::metrics::LagFollower;
use crate::watch::state;
use crate::watch::waits::{SourceWait, TopicStanding};
use crate::wire::{Lag, Origin};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// What is to be committed once everything that was sent when it was noted has been acknowledged.
pub(super) struct Committing {
    pub(super) era: u64,
    pub(super) offsets: Vec<Vec<(Partition, NextOffset)>>,
}

/// What a waiting record costs besides its key and value.
const WAITING_BYTES_EACH: usize = 256;

/// Name and value of one.
type Header = (Box<str>, Box<[u8]>);

/// A record that waits.
pub(in crate::drive) struct WaitingRecord {
    pub(in crate::drive) offset: NextOffset,
    topic: Rc<str>,
    timestamp_ms: Option<i64>,
    key: Option<Box<[u8]>>,
    value: Option<Box<[u8]>>,
    headers: Box<[Header]>,
    around: Option<Around>,
}

impl WaitingRecord {
    pub(in crate::drive) fn of(topic: Rc<str>, offset: NextOffset, record: &Record<'_>) -> Self {
        let headers = record.headers.iter().map(|&(name, value)| (Box::from(name), Box::from(value)));
        Self {
            offset,
            topic,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(Box::from),
            value: record.value.map(Box::from),
            headers: headers.collect(),
            around: record.around,
        }
    }

    pub(in crate::drive) fn with<R>(&self, then: impl FnOnce(&Record<'_>) -> R) -> R {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        then(&Record {
            topic: &self.topic,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            timestamp_ms: self.timestamp_ms,
            headers: &headers,
            around: self.around,
        })
    }

    pub(in crate::drive) fn timestamp_ms(&self) -> Option<i64> {
        self.timestamp_ms
    }

    fn bytes(&self) -> usize {
        let own = self.key.as_ref().map_or(0, |key| key.len()) + self.value.as_ref().map_or(0, |value| value.len());
        own + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() + WAITING_BYTES_EACH
    }
}

/// One partition that is this worker's.
pub(super) struct OwnedPartition {
    /// Its number among the stage's inputs.
    pub(super) input: SourceInput,
    /// The same, as health numbers it.
    pub(super) number: Partition,
    pub(super) next: NextOffset,
    /// Where it ended when it was taken over.
    pub(super) until: Option<NextOffset>,
    pub(super) has_ended: bool,
    pub(super) ends_behind_waiting: bool,
    /// Whether no record has come since its end was met.
    pub(super) is_at_end: bool,
    pub(super) highest: Option<EventTime>,
    /// Since when it had been waiting for its registry when its stage was last made anew.
    pub(super) waits_since_ms: Option<i64>,
    waiting: VecDeque<WaitingRecord>,
    waiting_bytes: usize,
    /// With more, it is paused.
    waiting_max: usize,
    is_paused: bool,
    /// When the registry is asked again for what the first that waits needs, by the steady clock.
    pub(super) retry_at_ms: Option<i64>,
    /// The newest record's timestamp.
    pub(super) newest_ms: Option<i64>,
    pub(super) lag: LagFollower,
    pub(super) wait: SourceWait,
}

impl OwnedPartition {
    pub(super) fn new<T: Transport>(hands: &Hands<T>, place: &SourcePartition) -> Self {
        let (ties, partition, waiting_max) = (&hands.ties, place.partition, hands.plan.sizes.waiting);
        Self {
            input: SourceInput(0),
            number: partition,
            next: NextOffset(0),
            until: None,
            has_ended: false,
            ends_behind_waiting: false,
            is_at_end: false,
            highest: None,
            waits_since_ms: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_max,
            is_paused: false,
            retry_at_ms: None,
            newest_ms: None,
            lag: ties.metrics.lag(StageName::Intake, place),
            wait: ties.health.waits().source(place),
        }
    }

    /// Lets a record wait behind the others; true when its partition is to be paused.
    pub(super) fn put_by(&mut self, record: WaitingRecord) -> bool {
        self.waiting_bytes += record.bytes();
        self.waiting.push_back(record);
        self.ends_behind_waiting = false; // more came after that end
        let is_full = self.waiting_bytes > self.waiting_max;
        is_full && !std::mem::replace(&mut self.is_paused, is_full)
    }

    /// The first that waits.
    pub(super) fn next_waiting(&mut self) -> Option<WaitingRecord> {
        let record = self.waiting.pop_front()?;
        self.waiting_bytes -= record.bytes();
        Some(record)
    }

    /// It must go on waiting.
    pub(super) fn put_back(&mut self, record: WaitingRecord) {
        self.waiting_bytes += record.bytes();
        self.waiting.push_front(record);
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Bytes of what waits.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// The timestamp of the first record that waits, or of the newest that was taken.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.waiting.front().map_or(self.newest_ms, WaitingRecord::timestamp_ms)
    }

    /// Whether it is paused. A client remembers that beyond a revocation: who lets go of it resumes it first.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether it was paused and is to be fetched again. Says so once.
    pub(super) fn may_resume(&mut self) -> bool {
        self.waiting_bytes < self.waiting_max / 2 && std::mem::replace(&mut self.is_paused, false)
    }
}

/// A topic and what of it is this worker's.
pub(super) struct OwnedSource<T: Transport> {
    pub(super) plan: SourcePlan,
    pub(super) reader: Rc<T::Reader>,
    pub(super) owned: BTreeMap<Partition, OwnedPartition>,
    /// How many partitions the topic had when the stage was made.
    pub(super) partitions: u32,
}

impl<T: Transport> OwnedSource<T> {
    pub(super) fn new(plan: SourcePlan, reader: T::Reader) -> Self {
        Self { plan, reader: Rc::new(reader), owned: BTreeMap::new(), partitions: 0 }
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        std::iter::from_fn(|| self.reader.change()).collect()
    }

    pub(super) fn place(&self, partition: Partition) -> SourcePartition {
        SourcePartition { source: self.plan.name.clone(), partition }
    }

    /// All partitions of the topic, whoever reads them.
    pub(super) fn all_partitions(&mut self) -> anyhow::Result<Vec<SourcePartition>> {
        self.partitions = self.reader.partitions()?;
        Ok((0..self.partitions).map(|number| self.place(Partition(number))).collect())
    }

    /// How the topic stands: partitions that it has grown since its group last spoke are read by nobody yet.
    pub(super) fn topic(&self) -> TopicStanding {
        let partitions = self.reader.partitions_known().unwrap_or(self.partitions).max(self.partitions);
        TopicStanding { partitions, unread: (self.partitions..partitions).map(Partition).collect() }
    }

    pub(super) fn inputs(&self) -> impl Iterator<Item = IntakeInput> {
        self.owned
            .keys()
            .map(|&partition| IntakeInput { source: self.place(partition), mapping: self.plan.mapping.clone() })
    }

    /// Where a partition starts that the log does not know yet: where its group has committed, if somebody set that (what
    /// samenloop commits itself belongs to one log), else as the settings say; but a partition that a known topic has grown
    /// starts at its start.
    pub(super) fn first(&self, partition: Partition, facts: &LogFacts, note: &str) -> anyhow::Result<NextOffset> {
        let bounds = self.reader.bounds(partition)?;
        let high = bounds.high;
        let name = &self.plan.name;
        match self.reader.committed(partition)? {
            Some((committed, found)) if found.is_empty() || found == note => {
                return Ok(committed.clamp(bounds.low, high));
            }
            Some((committed, _)) => tracing::warn!(
                source = &**name,
                partition = partition.0,
                committed = committed.0,
                "committed for another events log, and passed over: the source starts as set"
            ),
            None => {}
        }
        let has_grown = facts.first_named(name).is_some_and(|named| !named.contains(&partition));
        Ok(if self.plan.start == Start::Latest && !has_grown { high } else { bounds.low })
    }

    /// The bounds of all its partitions; those of `new` must be the ones that were read: the log says how far, and which record was the
    /// last.
    pub(super) fn bounds(
        &self,
        new: impl Fn(Partition) -> bool,
        facts: &LogFacts,
        transport: &T,
        vigil: &Vigil,
    ) -> anyhow::Result<BTreeMap<Partition, Bounds>> {
        if self.owned.is_empty() {
            return Ok(BTreeMap::new());
        }
        // A client that reads nothing is answered at once, and another one reads all records at once.
        let follow = || transport.follow(&Topic::Source(self.plan.name.clone()));
        let enquiry = follow()?;
        let bounds = self.owned.keys().map(|&partition| Ok((partition, enquiry.bounds(partition)?)));
        let bounds = bounds.collect::<anyhow::Result<BTreeMap<_, _>>>()?;
        let known = self.owned.keys().copied().filter(|&partition| new(partition));
        let known = known.filter_map(|partition| Some((partition, facts.furthest(&self.place(partition))?)));
        let known: BTreeMap<Partition, Checkpoint> = known.collect();
        let marked = known.iter().filter(|(_, checkpoint)| checkpoint.checksum.is_some());
        let offsets = marked.filter_map(|(&partition, checkpoint)| Some((partition, checkpoint.record()?)));
        let offsets: Offsets = offsets.collect();
        let found = match offsets.is_empty() {
            true => BTreeMap::new(),
            false => records_at(&follow()?, &offsets, vigil, |message| with_record(message, checksum_of_record))?,
        };
        for (partition, checkpoint) in known {
            let Some(&bounds) = bounds.get(&partition) else { continue };
            // What retention has taken before everybody had it is the stage's to say: it knows from where on.
            let low = bounds.low.min(checkpoint.position.offset);
            let found = found.get(&partition).copied();
            start(&self.place(partition), Log::Events, checkpoint, Bounds { low, ..bounds }, found)?;
        }
        Ok(bounds)
    }

    /// Shows how its partitions stand.
    pub(super) fn show(&mut self, stage: &Stage<IntakeWork>, ties: &Ties, now: Clock) {
        for (&partition, owned) in &mut self.owned {
            let left = self.reader.lag(partition, stage.next(owned.input), !owned.has_waiting());
            owned.lag.update(left, age_ms(left, owned.oldest_ms(), now));
            if stage.work().lag(owned.input.0) == Lag::Waiting {
                owned.wait.begin("its schema registry");
            } else {
                owned.wait.end();
            }
            let standing = match (stage.phase(), stage.work().is_behind(owned.input.0)) {
                (Phase::CatchingUp, false) => PartitionState::Live,
                (phase, _) => state(phase, left, 0),
            };
            ties.desk.set(StageName::Intake, owned.number, standing);
        }
    }
}

/// Before these offsets, the log has everything. Of a partition that has been read to its end this is its end: who looks at the group's lag is
/// not to take for unread what is no record.
pub(super) fn offsets<T: Transport>(
    source: &OwnedSource<T>,
    stage: &Stage<IntakeWork>,
) -> Vec<(Partition, NextOffset)> {
    let of = |(&partition, owned): (&Partition, &OwnedPartition)| {
        let (next, kept) = (stage.next(owned.input), stage.work().resume_at(owned.input.0));
        let is_all_kept = owned.is_at_end && !owned.has_waiting() && kept >= next;
        let end = if is_all_kept { source.reader.end_read(partition) } else { None };
        (partition, kept.max(end.unwrap_or_default()))
    };
    source.owned.iter().map(of).collect()
}

/// Tells health whether the groups of all sources have spoken.
pub(super) fn settle<T: Transport>(hands: &Hands<T>, sources: &[OwnedSource<T>]) {
    let is_settled = sources.iter().all(|source| source.reader.is_settled());
    hands.settle(is_settled, sources.iter().all(|source| source.owned.is_empty()));
}

/// What a mark says that settles where new sources start: all that are configured, with the origins known so far. Empty when
/// nothing is to be settled.
pub(super) fn origins<T: Transport>(
    sources: &[OwnedSource<T>],
    named: &[SourcePartition],
    facts: &LogFacts,
    note: &str,
) -> anyhow::Result<Vec<Origin>> {
    let (mut origins, mut is_news) = (Vec::new(), false);
    for place in named {
        let source = sources.iter().find(|source| source.plan.name == place.source);
        let own = source.filter(|source| source.owned.contains_key(&place.partition));
        let first = match (facts.origin(place), own) {
            (None, Some(own)) => {
                is_news = true;
                Some(Position::start_of(own.first(place.partition, facts, note)?))
            }
            (known, _) => known,
        };
        origins.push(Origin { source: place.clone(), first });
    }
    Ok(if is_news { origins } else { Vec::new() })
}

/// A message as a record.
pub(in crate::drive) fn with_record<M: Message, R>(message: &M, then: impl FnOnce(&Record<'_>) -> R) -> R {
    let mut headers = Vec::new();
    message.headers(&mut headers);
    then(&Record {
        topic: message.topic(),
        key: message.key(),
        value: message.value(),
        timestamp_ms: message.timestamp_ms(),
        headers: &headers,
        around: message.around(),
    })
}
