//! A member of a consumer group that reads one topic: records, ends of partitions, and changes of what it owns.
//!
//! Who owns which partition is the group's business; from where a partition is read is its owner's. So a change is not
//! carried out when it comes, but told by [`Reader::change`], and it is the owner who then calls [`Reader::assign`] or
//! [`Reader::release`]: until it does, the group waits.
//!
//! Invariants: offsets become [`NextOffset`]s here and in `scan`, nowhere else; a partition is read from where its owner
//! said, or not at all (`auto.offset.reset=error`). One topic a reader: librdkafka tells the end of a partition by its
//! number alone. Absent: threads; whoever owns a reader polls it.

use super::KafkaFailure;
use super::client::log_line;
use crate::position::{NextOffset, Partition};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a call that asks the brokers may take.
pub const ASK_MAX: Duration = Duration::from_secs(30);
/// How long until brokers are asked again that refused for a moment.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How often librdkafka tells how far behind the reader is.
const STATISTICS_INTERVAL_MS: &str = "1000";
/// How long a member may not poll before the group takes its partitions away: a log is scanned meanwhile.
const POLL_INTERVAL_MAX_MS: &str = "1800000";
/// How often a member tells its group that it is there; it hears of changes with the answer.
const HEARTBEAT_INTERVAL_MS: &str = "1000";
/// After so long a silence a member's partitions go to others: a crash stalls them for as long.
const SESSION_TIMEOUT_MS: &str = "15000";
/// Bytes fetched ahead of what is taken, per partition, in kB.
const FETCHED_AHEAD_KBYTES: &str = "8192";

/// A change of what the group says this member owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These are its own from now on.
    Assigned(Vec<Partition>),
    /// These are not any more.
    Revoked(Vec<Partition>),
}

/// What a poll gave.
pub enum Next<'a> {
    /// A record.
    Record(BorrowedMessage<'a>),
    /// A partition has been read to its end.
    End(Partition),
    /// Nothing is at hand.
    Nothing,
}

/// The group's word and librdkafka's figures, as they come in while the reader is polled.
struct Member {
    topic: String,
    changes: Mutex<VecDeque<Change>>,
    closing: AtomicBool,
    figures: Mutex<Figures>,
}

#[derive(Default)]
struct Figures {
    settled: bool,
    /// The end of each partition, and whether it was read up to there.
    ends: BTreeMap<Partition, (NextOffset, bool)>,
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        let mut figures = lock(&self.figures);
        figures.settled = statistics.cgrp.is_some_and(|group| group.join_state == "steady");
        figures.ends.clear();
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let mut partitions: Vec<_> = topic.partitions.values().collect();
        partitions.sort_unstable_by_key(|partition| partition.partition);
        for partition in partitions {
            let end = partition.ls_offset.max(partition.eof_offset);
            if let (Some(number), Some(end)) = (number(partition.partition), next(end)) {
                figures.ends.insert(number, (end, partition.eof_offset >= partition.ls_offset));
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if !matches!(error, KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
            tracing::debug!(topic = self.topic, %error, reason, "kafka consumer"); // its line in the log says as much
        }
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        if self.closing.load(Ordering::Relaxed) {
            // Nobody takes changes any more; what was owned has been finished.
            let _closing = consumer.incremental_unassign(partitions);
            return;
        }
        let elements = partitions.elements();
        let numbers = elements.iter().filter_map(|element| u32::try_from(element.partition()).ok().map(Partition));
        let change = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Assigned(numbers.collect()),
            _ => Change::Revoked(numbers.collect()),
        };
        lock(&self.changes).push_back(change);
    }
}

/// The reader.
pub struct Reader {
    consumer: BaseConsumer<Member>,
    topic: String,
}

impl Reader {
    /// Joins `group` for `topic`. `wake` is called when something comes after nothing was there.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn join(
        base: &ClientConfig,
        group: &str,
        topic: &str,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, KafkaFailure> {
        let mut config = base.clone();
        config
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("statistics.interval.ms", STATISTICS_INTERVAL_MS);
        reading(&mut config);
        default(&mut config, "max.poll.interval.ms", POLL_INTERVAL_MAX_MS);
        default(&mut config, "queued.max.messages.kbytes", FETCHED_AHEAD_KBYTES);
        default(&mut config, "heartbeat.interval.ms", HEARTBEAT_INTERVAL_MS);
        default(&mut config, "session.timeout.ms", SESSION_TIMEOUT_MS);
        let member = Member {
            topic: topic.to_owned(),
            changes: Mutex::default(),
            closing: AtomicBool::new(false),
            figures: Mutex::default(),
        };
        let made: Result<BaseConsumer<Member>, KafkaError> = config.create_with_context(member);
        let mut consumer = made.map_err(|error| KafkaFailure::new(topic, "joining its group", &error))?;
        consumer.set_nonempty_callback(wake);
        consumer.subscribe(&[topic]).map_err(|error| KafkaFailure::new(topic, "subscribing", &error))?;
        Ok(Self { consumer, topic: topic.to_owned() })
    }

    /// What comes next; waits for `timeout` at most.
    ///
    /// # Errors
    /// When reading cannot go on.
    pub fn poll(&self, timeout: Duration) -> Result<Next<'_>, KafkaFailure> {
        match self.consumer.poll(timeout) {
            None => Ok(Next::Nothing),
            Some(Ok(record)) => Ok(Next::Record(record)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                Ok(u32::try_from(partition).map_or(Next::Nothing, |number| Next::End(Partition(number))))
            }
            Some(Err(error)) if is_passing(&error) => Ok(Next::Nothing), // librdkafka goes on trying, and has said so
            Some(Err(error)) => Err(KafkaFailure::new(&self.topic, "reading", &error)),
        }
    }

    /// The oldest change that has not been taken yet.
    #[must_use]
    pub fn change(&self) -> Option<Change> {
        lock(&self.consumer.context().changes).pop_front()
    }

    /// Reads `partitions`, which the group has assigned, from these offsets on.
    ///
    /// # Errors
    /// When the group does not take it.
    pub fn assign(&self, partitions: &[(Partition, NextOffset)]) -> Result<(), KafkaFailure> {
        let list = self.list(partitions)?;
        let assigned = self.consumer.incremental_assign(&list);
        assigned.map_err(|error| KafkaFailure::new(&self.topic, "taking over partitions", &error))
    }

    /// Lets go of `partitions`, which the group has revoked.
    ///
    /// # Errors
    /// When the group does not take it.
    pub fn release(&self, partitions: &[Partition]) -> Result<(), KafkaFailure> {
        let list = self.names(partitions);
        let released = self.consumer.incremental_unassign(&list);
        released.map_err(|error| KafkaFailure::new(&self.topic, "letting go of partitions", &error))
    }

    /// Fetches no more of `partitions` until they are resumed.
    ///
    /// # Errors
    /// When they are not its own.
    pub fn pause(&self, partitions: &[Partition]) -> Result<(), KafkaFailure> {
        let paused = self.consumer.pause(&self.names(partitions));
        paused.map_err(|error| KafkaFailure::new(&self.topic, "pausing", &error))
    }

    /// Fetches `partitions` again.
    ///
    /// # Errors
    /// When they are not its own.
    pub fn resume(&self, partitions: &[Partition]) -> Result<(), KafkaFailure> {
        let resumed = self.consumer.resume(&self.names(partitions));
        resumed.map_err(|error| KafkaFailure::new(&self.topic, "resuming", &error))
    }

    /// Commits, without waiting, that everything before these offsets has been dealt with; `note` stands beside them.
    pub fn commit(&self, offsets: &[(Partition, NextOffset)], note: &str) {
        self.commit_in(offsets, note, CommitMode::Async);
    }

    /// As [`Reader::commit`], but waits for the brokers' answer.
    pub fn commit_now(&self, offsets: &[(Partition, NextOffset)], note: &str) {
        self.commit_in(offsets, note, CommitMode::Sync);
    }

    /// A commit that fails costs nothing but a lag tool's view: the log itself says where reading goes on.
    fn commit_in(&self, offsets: &[(Partition, NextOffset)], note: &str, mode: CommitMode) {
        let Ok(list) = self.list(offsets) else { return };
        if offsets.is_empty() {
            return;
        }
        for &(partition, _) in offsets {
            if let Some(mut element) = list.find_partition(&self.topic, kafka_number(partition)) {
                element.set_metadata(note);
            }
        }
        if let Err(error) = self.consumer.commit(&list, mode) {
            tracing::warn!(topic = self.topic, %error, "offsets were not committed; they are only for lag tools");
        }
    }

    /// The offset that the group has committed for `partition`, and the note beside it, if there is one.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn committed(&self, partition: Partition) -> Result<Option<(NextOffset, String)>, KafkaFailure> {
        let asked = patiently(|| self.consumer.committed_offsets(self.names(&[partition]), ASK_MAX));
        let list = asked.map_err(|error| KafkaFailure::new(&self.topic, "asking for committed offsets", &error))?;
        let elements = list.elements();
        Ok(elements.first().and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some((next(offset)?, element.metadata().to_owned())),
            _ => None,
        }))
    }

    /// The first offset that a partition still holds, and the first that it does not hold yet.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn bounds(&self, partition: Partition) -> Result<(NextOffset, NextOffset), KafkaFailure> {
        bounds(&self.consumer, &self.topic, partition)
    }

    /// How many partitions the topic has.
    ///
    /// # Errors
    /// When the brokers do not answer, or do not have the topic.
    pub fn partitions(&self) -> Result<u32, KafkaFailure> {
        count_partitions(&self.consumer, &self.topic)
    }

    /// Records between `next` and the end of `partition`, as of a second ago. Behind the last record may stand what is none
    /// (the marks of transactions): none is left where all has been read and nothing waits.
    #[must_use]
    pub fn left(&self, partition: Partition, next: NextOffset, nothing_waits: bool) -> u64 {
        match lock(&self.consumer.context().figures).ends.get(&partition) {
            Some((_, true)) if nothing_waits => 0,
            Some((end, _)) => end.0.saturating_sub(next.0),
            None => 0,
        }
    }

    /// Whether the group has said what is this member's, even if that is nothing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        lock(&self.consumer.context().figures).settled
    }

    fn names(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, kafka_number(*partition));
        }
        list
    }

    fn list(&self, offsets: &[(Partition, NextOffset)]) -> Result<TopicPartitionList, KafkaFailure> {
        list_of(&self.topic, offsets)
    }
}

impl Drop for Reader {
    /// Leaves the group: closing polls until the group has let go.
    fn drop(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Relaxed);
        while let Some(change) = self.change() {
            let (Change::Assigned(partitions) | Change::Revoked(partitions)) = change;
            let _closing = self.release(&partitions);
        }
    }
}

/// How every consumer reads: from where its owner says, to ends that it is told of, and no record of a transaction that is
/// open or was given up.
pub(super) fn reading(config: &mut ClientConfig) {
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed");
    default(config, "fetch.wait.max.ms", "100");
}

pub(super) fn count_partitions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
) -> Result<u32, KafkaFailure> {
    let asked = patiently(|| consumer.fetch_metadata(Some(topic), ASK_MAX));
    let metadata = asked.map_err(|error| KafkaFailure::new(topic, "asking for its partitions", &error))?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    match u32::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(KafkaFailure::said(topic, "the topic does not exist; see `samenloop topics`")),
    }
}

/// Sets a property that is not set yet.
pub(super) fn default(config: &mut ClientConfig, name: &str, value: &str) {
    if config.get(name).is_none() {
        config.set(name, value);
    }
}

/// A partition as librdkafka numbers it.
pub(super) fn kafka_number(partition: Partition) -> i32 {
    i32::try_from(partition.0).unwrap_or(i32::MAX)
}

pub(super) fn number(partition: i32) -> Option<Partition> {
    u32::try_from(partition).ok().map(Partition)
}

pub(super) fn next(offset: i64) -> Option<NextOffset> {
    u64::try_from(offset).ok().map(NextOffset)
}

pub(super) fn list_of(topic: &str, offsets: &[(Partition, NextOffset)]) -> Result<TopicPartitionList, KafkaFailure> {
    let mut list = TopicPartitionList::new();
    for &(partition, offset) in offsets {
        let offset = Offset::Offset(i64::try_from(offset.0).unwrap_or(i64::MAX));
        let added = list.add_partition_offset(topic, kafka_number(partition), offset);
        added.map_err(|error| KafkaFailure::new(topic, "naming an offset", &error))?;
    }
    Ok(list)
}

pub(super) fn bounds<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: Partition,
) -> Result<(NextOffset, NextOffset), KafkaFailure> {
    let asked = patiently(|| consumer.fetch_watermarks(topic, kafka_number(partition), ASK_MAX));
    let (low, high) = asked.map_err(|error| KafkaFailure::new(topic, "asking for its bounds", &error))?;
    Ok((next(low).unwrap_or_default(), next(high).unwrap_or_default()))
}

/// Asks again what brokers refuse only for a moment, as while a partition changes its leader. Calls of librdkafka that wait for an
/// answer do not do that by themselves.
fn patiently<T>(mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let deadline = Instant::now() + ASK_MAX;
    loop {
        match ask() {
            Err(error) if is_passing(&error) && Instant::now() < deadline => thread::sleep(ASK_AGAIN),
            answered => return answered,
        }
    }
}

/// Whether an error goes by itself.
pub(super) fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error,
        KafkaError::MessageConsumption(code) | KafkaError::MetadataFetch(code) | KafkaError::ConsumerCommit(code)
        if matches!(
            code,
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::UnknownTopicOrPartition
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotCoordinator
                | Code::RebalanceInProgress
                | Code::PollExceeded
        )
    )
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
