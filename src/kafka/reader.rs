//! A member of a consumer group that reads one topic: records, ends of partitions, and changes of what it owns.
//!
//! Who owns which partition is the group's business; from where a partition is read is its owner's. So a change is not
//! carried out when it comes, but told by [`Reader::change`], and it is the owner who then calls [`Reader::assign`] or
//! [`Reader::release`]: until it does, the group waits.
//!
//! Invariants: offsets become [`NextOffset`]s here and in `scan`, nowhere else; a partition is read from where its owner
//! said, or not at all (`auto.offset.reset=error`). One topic a reader: librdkafka tells the end of a partition by its
//! number alone. Absent: threads; whoever owns a reader polls it.

use super::client::log_line;
use super::errors::{is_refusal, patiently};
use super::message::KafkaMessage;
use super::transport::Names;
use crate::config::INSTANCE;
use crate::drive::{Bounds, Change, LogFailure, Next, Reader, Vigil, Wake};
use crate::memory::{Holding, Part, Sizes};
use crate::position::{NextOffset, Partition};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a topic may be unknown to brokers that answer before it counts as not there.
const ABSENT_MAX: Duration = Duration::from_secs(30);
/// How long until brokers are asked again for a topic that they do not know.
const ABSENT_AGAIN: Duration = Duration::from_millis(500);
/// How often brokers are asked how many partitions a topic has: a source may grow.
const METADATA_INTERVAL_MS: &str = "10000";
/// How often librdkafka tells how far behind the reader is.
const STATISTICS_INTERVAL_MS: &str = "1000";
/// How long a member may not poll before the group takes its partitions away: a log is scanned meanwhile.
const POLL_INTERVAL_MAX_MS: &str = "1800000";
/// How often a member tells its group that it is there; it hears of changes with the answer.
const HEARTBEAT_INTERVAL_MS: u64 = 1_000;
/// The property that says so.
const HEARTBEAT_INTERVAL: &str = "heartbeat.interval.ms";
/// How much later than that a heartbeat may go out: librdkafka looks whether one is due once a second.
const HEARTBEAT_LATE: Duration = Duration::from_secs(1);
/// What may be slept at least, whatever is set: a process that is busy must not seem to have slept.
const SLEEP_MAX_LEAST: Duration = Duration::from_secs(1);
/// The property that says how long a group waits for a member.
const SESSION_TIMEOUT: &str = "session.timeout.ms";
/// After so long a silence a member's partitions go to others: a crash stalls them for as long.
const SESSION_TIMEOUT_MS: u64 = 15_000;
/// How long until more is fetched where so much was at hand. (librdkafka's own second would be the pace of a backlog.)
const FETCH_AGAIN_MS: &str = "20";

/// The group's word and librdkafka's figures, as they come in while the reader is polled.
struct Member {
    topic: String,
    changes: Mutex<VecDeque<Change>>,
    closing: AtomicBool,
    figures: Mutex<Figures>,
    vigil: Arc<Vigil>,
    fetched: Holding,
}

#[derive(Default)]
struct Figures {
    settled: bool,
    /// How many partitions the topic has, as last heard.
    partitions: Option<u32>,
    /// The end of each partition, and whether it was read up to there.
    ends: BTreeMap<Partition, (NextOffset, bool)>,
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        // Of brokers only known by the address in the settings nothing can be said once others are known.
        let mut brokers = statistics.brokers.values().filter(|broker| broker.nodeid >= 0).peekable();
        if brokers.peek().is_none() || brokers.any(|broker| broker.state == "UP") {
            self.vigil.note_answer();
        } else {
            self.vigil.note_away(&format_args!("{}: no broker can be reached", self.topic));
        }
        self.fetched.set(fetched(&statistics));
        let mut figures = lock(&self.figures);
        figures.settled = statistics.cgrp.is_some_and(|group| group.join_state == "steady");
        figures.ends.clear();
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let mut partitions: Vec<_> = topic.partitions.values().filter(|partition| partition.partition >= 0).collect();
        figures.partitions = u32::try_from(partitions.len()).ok().filter(|&count| count > 0);
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
            _ if consumer.assignment_lost() => Change::Lost(numbers.collect()),
            _ => Change::Revoked(numbers.collect()),
        };
        lock(&self.changes).push_back(change);
    }
}

/// The reader.
pub struct KafkaReader {
    consumer: BaseConsumer<Member>,
    topic: String,
    vigil: Arc<Vigil>,
}

impl KafkaReader {
    /// Joins `group` for `topic`.
    pub(super) fn join(
        names: &Names,
        group: &str,
        instance: Option<&str>,
        topic: &str,
        vigil: &Arc<Vigil>,
        wake: &Wake,
    ) -> anyhow::Result<Self> {
        let mut config = names.client.clone();
        config
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("statistics.interval.ms", STATISTICS_INTERVAL_MS);
        if let Some(instance) = instance {
            config.set(INSTANCE, instance);
        }
        reading(&mut config, &names.sizes);
        default(&mut config, "topic.metadata.refresh.interval.ms", METADATA_INTERVAL_MS);
        default(&mut config, "max.poll.interval.ms", POLL_INTERVAL_MAX_MS);
        default(&mut config, HEARTBEAT_INTERVAL, &HEARTBEAT_INTERVAL_MS.to_string());
        default(&mut config, SESSION_TIMEOUT, &SESSION_TIMEOUT_MS.to_string());
        let member = Member {
            topic: topic.to_owned(),
            changes: Mutex::default(),
            closing: AtomicBool::new(false),
            figures: Mutex::default(),
            vigil: Arc::clone(vigil),
            fetched: Holding::new(&names.held, Part::Fetched),
        };
        let made: Result<BaseConsumer<Member>, KafkaError> = config.create_with_context(member);
        let mut consumer = made.map_err(|error| LogFailure::of(topic, &"joining its group", &error))?;
        let wake = wake.clone();
        consumer.set_nonempty_callback(move || wake.wake());
        consumer.subscribe(&[topic]).map_err(|error| LogFailure::of(topic, &"subscribing", &error))?;
        Ok(Self { consumer, topic: topic.to_owned(), vigil: Arc::clone(vigil) })
    }

    fn names(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, kafka_number(*partition));
        }
        list
    }

    fn done(&self, doing: &str, done: Result<(), KafkaError>) -> anyhow::Result<()> {
        Ok(done.map_err(|error| LogFailure::of(&self.topic, &doing, &error))?)
    }
}

impl Reader for KafkaReader {
    type Message<'m> = KafkaMessage<'m>;

    fn poll(&self) -> anyhow::Result<Next<KafkaMessage<'_>>> {
        match self.consumer.poll(Duration::ZERO) {
            None => Ok(Next::Nothing),
            Some(Ok(record)) => Ok(Next::Record(KafkaMessage(record))),
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(number(partition).map_or(Next::Nothing, Next::End)),
            Some(Err(error)) if is_refusal(&error) => Err(LogFailure::of(&self.topic, &"reading", &error).into()),
            Some(Err(_)) => Ok(Next::Nothing), // librdkafka goes on trying, and has said so
        }
    }

    fn change(&self) -> Option<Change> {
        lock(&self.consumer.context().changes).pop_front()
    }

    fn assign(&self, partitions: &[(Partition, NextOffset)]) -> anyhow::Result<()> {
        self.done("taking over partitions", self.consumer.incremental_assign(&list_of(&self.topic, partitions)?))?;
        // The group waits for nothing of this member any more: known now, and by the statistics a second later.
        lock(&self.consumer.context().figures).settled = true;
        Ok(())
    }

    fn release(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        self.done("letting go of partitions", self.consumer.incremental_unassign(&self.names(partitions)))
    }

    fn pause(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        self.done("pausing", self.consumer.pause(&self.names(partitions)))
    }

    fn resume(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        self.done("resuming", self.consumer.resume(&self.names(partitions)))
    }

    fn commit(&self, offsets: &[(Partition, NextOffset)], note: &str, wait: bool) {
        let Ok(list) = list_of(&self.topic, offsets) else { return };
        if offsets.is_empty() {
            return;
        }
        for &(partition, _) in offsets {
            if let Some(mut element) = list.find_partition(&self.topic, kafka_number(partition)) {
                element.set_metadata(note);
            }
        }
        let mode = if wait { CommitMode::Sync } else { CommitMode::Async };
        if let Err(error) = self.consumer.commit(&list, mode) {
            tracing::warn!(topic = self.topic, %error, "offsets were not committed; they are only for lag tools");
        }
    }

    fn committed(&self, partition: Partition) -> anyhow::Result<Option<(NextOffset, String)>> {
        let doing = &"asking for committed offsets";
        let list = patiently(&self.vigil, &self.topic, doing, |wait| {
            self.consumer.committed_offsets(self.names(&[partition]), wait)
        })?;
        let elements = list.elements();
        Ok(elements.first().and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some((next(offset)?, element.metadata().to_owned())),
            _ => None,
        }))
    }

    fn bounds(&self, partition: Partition) -> anyhow::Result<Bounds> {
        watermarks(&self.consumer, &self.topic, partition, &self.vigil)
    }

    fn partitions(&self) -> anyhow::Result<u32> {
        count_partitions(&self.consumer, &self.topic, &self.vigil)
    }

    fn partitions_known(&self) -> Option<u32> {
        lock(&self.consumer.context().figures).partitions
    }

    // As of a second ago. Behind the last record may stand what is none (the marks of transactions).
    fn lag(&self, partition: Partition, next: NextOffset, nothing_waits: bool) -> u64 {
        match lock(&self.consumer.context().figures).ends.get(&partition) {
            Some((_, true)) if nothing_waits => 0,
            Some((end, _)) => next.lag(*end),
            None => 0,
        }
    }

    fn end_read(&self, partition: Partition) -> Option<NextOffset> {
        lock(&self.consumer.context().figures).ends.get(&partition).and_then(|&(end, is_read)| is_read.then_some(end))
    }

    fn is_settled(&self) -> bool {
        lock(&self.consumer.context().figures).settled
    }
}

impl Drop for KafkaReader {
    /// Leaves the group: closing polls until the group has let go.
    fn drop(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Relaxed);
        while let Some(change) = self.change() {
            let (Change::Assigned(partitions) | Change::Revoked(partitions) | Change::Lost(partitions)) = change;
            let _closing = self.release(&partitions);
        }
    }
}

/// How every consumer reads: from where its owner says, to ends that it is told of, and no record of a transaction that is
/// open or was given up.
pub(super) fn reading(config: &mut ClientConfig, sizes: &Sizes) {
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed");
    default(config, "fetch.wait.max.ms", "500");
    default(config, "fetch.queue.backoff.ms", FETCH_AGAIN_MS);
    default(config, "queued.max.messages.kbytes", &kbytes(sizes.fetched_ahead));
    default(config, "fetch.max.bytes", &sizes.fetched.to_string());
}

/// Bytes as librdkafka counts them.
pub(super) fn kbytes(bytes: usize) -> String {
    (bytes >> 10).to_string()
}

/// Bytes that a consumer has fetched and that were not taken.
fn fetched(statistics: &Statistics) -> u64 {
    let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
    partitions.map(|partition| partition.fetchq_size).sum()
}

/// How many partitions a topic has, as the brokers show it; `None` where they show none.
pub(super) fn partitions_shown<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    vigil: &Vigil,
) -> anyhow::Result<Option<u32>> {
    let doing = &"asking for its partitions";
    let metadata = patiently(vigil, topic, doing, |wait| consumer.fetch_metadata(Some(topic), wait))?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    Ok(u32::try_from(count).ok().filter(|&count| count > 0))
}

/// How many partitions a topic has. Brokers that answer, but do not know it, are asked again for a while.
pub(super) fn count_partitions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    vigil: &Vigil,
) -> anyhow::Result<u32> {
    let began = Instant::now();
    loop {
        match partitions_shown(consumer, topic, vigil)? {
            Some(count) => return Ok(count),
            _ if began.elapsed() < ABSENT_MAX => {
                vigil.wait(&format_args!("{topic}: the brokers do not know it"))?;
                thread::sleep(ABSENT_AGAIN);
            }
            _ => return Err(LogFailure::said(topic, "the topic does not exist; see `samenloop topics`").into()),
        }
    }
}

/// For so long a process may sleep and be sure that its groups have not given its partitions to others, with these properties.
/// They count from its last heartbeat, which may have gone out that long before it fell asleep.
pub(super) fn sleep_max(client: &ClientConfig) -> Duration {
    let of = |name, usual| Duration::from_millis(client.get(name).and_then(|ms| ms.parse().ok()).unwrap_or(usual));
    let (session, heartbeat) = (of(SESSION_TIMEOUT, SESSION_TIMEOUT_MS), of(HEARTBEAT_INTERVAL, HEARTBEAT_INTERVAL_MS));
    session.saturating_sub(heartbeat).saturating_sub(HEARTBEAT_LATE).max(SLEEP_MAX_LEAST)
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

pub(super) fn list_of(topic: &str, offsets: &[(Partition, NextOffset)]) -> Result<TopicPartitionList, LogFailure> {
    let mut list = TopicPartitionList::new();
    for &(partition, offset) in offsets {
        let offset = Offset::Offset(i64::try_from(offset.0).unwrap_or(i64::MAX));
        let added = list.add_partition_offset(topic, kafka_number(partition), offset);
        added.map_err(|error| LogFailure::of(topic, &"naming an offset", &error))?;
    }
    Ok(list)
}

/// Where a partition begins and ends now.
pub(super) fn watermarks<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: Partition,
    vigil: &Vigil,
) -> anyhow::Result<Bounds> {
    let (low, high) = patiently(vigil, topic, &"asking for its bounds", |wait| {
        consumer.fetch_watermarks(topic, kafka_number(partition), wait)
    })?;
    let (low, high) = (next(low).unwrap_or_default(), next(high).unwrap_or_default());
    Ok(Bounds { low, high, is_stream: false })
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_slept_since_just_before_a_heartbeat_was_due_has_not_outslept_its_groups() {
        let slept = |session: Option<&str>, heartbeat: Option<&str>| {
            let mut client = ClientConfig::new();
            let set = [(SESSION_TIMEOUT, session), (HEARTBEAT_INTERVAL, heartbeat)];
            for (name, value) in set.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                client.set(name, value);
            }
            sleep_max(&client).as_millis()
        };
        assert_eq!(slept(None, None), 13_000);
        assert_eq!(slept(Some("6000"), None), 4_000);
        assert_eq!(slept(Some("45000"), Some("3000")), 41_000);
        assert_eq!(slept(Some("6000"), Some("9000")), 1_000, "groups would miss it all the time");
    }
}
