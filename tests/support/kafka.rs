//! Topics, records and offsets on a real broker, for tests. Everything has a deadline.

#![allow(dead_code)] // each test that includes this file uses a part of it

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ANSWER_MAX: Duration = Duration::from_secs(30);
/// For all records of one call.
const TRANSFER_MAX: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(20);

/// A header: its name and value.
pub type KafkaHeader = (String, Option<Vec<u8>>);

/// A record to write. Without a partition, the key decides as it does in the Java client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<KafkaHeader>,
    pub timestamp_ms: Option<i64>,
}

/// A record read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rec {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<KafkaHeader>,
    pub timestamp_ms: Option<i64>,
}

impl Sent {
    /// A record with a key and a value.
    pub fn of(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }

    /// The same, to this partition.
    pub fn to(self, partition: i32) -> Self {
        Self { partition: Some(partition), ..self }
    }
}

/// Makes a topic, with `configs` such as `("cleanup.policy", "compact")`, and waits until its partitions have a leader.
pub fn create_topic(bootstrap: &str, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in configs {
        topic = topic.set(key, value);
    }
    let made = answer(admin(bootstrap).create_topics([&topic], &options()));
    made.into_iter().for_each(|made| drop(made.unwrap()));
    let client = consumer(bootstrap);
    wait_until("a leader for every partition", ANSWER_MAX, || {
        let metadata = client.fetch_metadata(Some(name), ANSWER_MAX).unwrap();
        let found = metadata.topics()[0].partitions();
        let led = found.iter().filter(|partition| partition.leader() >= 0).count();
        (i32::try_from(led).unwrap() == partitions).then_some(())
    });
}

/// Removes a topic.
pub fn delete_topic(bootstrap: &str, name: &str) {
    let gone = answer(admin(bootstrap).delete_topics(&[name], &options()));
    gone.into_iter().for_each(|gone| drop(gone.unwrap()));
}

/// The names of all topics.
pub fn topics(bootstrap: &str) -> Vec<String> {
    let metadata = consumer(bootstrap).fetch_metadata(None, ANSWER_MAX).unwrap();
    metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()
}

/// Gives a topic more partitions.
pub fn add_partitions(bootstrap: &str, name: &str, partitions: usize) {
    let made = answer(admin(bootstrap).create_partitions([&NewPartitions::new(name, partitions)], &options()));
    made.into_iter().for_each(|made| drop(made.unwrap()));
}

/// Removes all that a topic's partitions hold, as retention would.
pub fn empty(bootstrap: &str, name: &str) {
    trim(bootstrap, name, &end_offsets(bootstrap, name));
}

/// Removes of each partition what lies before an offset.
pub fn trim(bootstrap: &str, name: &str, offsets: &[i64]) {
    let mut up_to = TopicPartitionList::new();
    for (partition, &offset) in (0..).zip(offsets) {
        up_to.add_partition_offset(name, partition, Offset::Offset(offset)).unwrap();
    }
    answer(admin(bootstrap).delete_records(&up_to, &options()));
}

/// Writes all records, each partition's in their order, and waits until the broker has them.
pub fn produce(bootstrap: &str, topic: &str, records: impl IntoIterator<Item = Sent>) {
    let producer: BaseProducer<Deliveries> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .set("message.max.bytes", "40000000")
        .create_with_context(Deliveries::default())
        .unwrap();
    let deadline = Instant::now() + TRANSFER_MAX;
    let mut sent = 0;
    for record in records {
        queue(&producer, topic, &record, deadline);
        sent += 1;
    }
    producer.flush(deadline.saturating_duration_since(Instant::now())).unwrap();
    let Deliveries { done, failed } = &**producer.context();
    assert_eq!((done.load(Ordering::Relaxed), failed.load(Ordering::Relaxed)), (sent, 0), "records (done, failed)");
}

/// A producer that writes in transactions.
pub struct Transactions(BaseProducer<Deliveries>);

impl Transactions {
    /// Whoever had the same name before is fenced.
    pub fn new(bootstrap: &str, name: &str) -> Self {
        let producer: BaseProducer<Deliveries> = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("transactional.id", name)
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .create_with_context(Deliveries::default())
            .unwrap();
        producer.init_transactions(ANSWER_MAX).unwrap();
        Self(producer)
    }

    /// Writes all records in one transaction, which is committed or aborted when all are there.
    pub fn write(&self, topic: &str, records: impl IntoIterator<Item = Sent>, is_committed: bool) {
        let deadline = Instant::now() + TRANSFER_MAX;
        self.0.begin_transaction().unwrap();
        records.into_iter().for_each(|record| queue(&self.0, topic, &record, deadline));
        self.0.flush(ANSWER_MAX).unwrap();
        let ended =
            if is_committed { self.0.commit_transaction(ANSWER_MAX) } else { self.0.abort_transaction(ANSWER_MAX) };
        ended.unwrap();
        assert_eq!(self.0.context().failed.load(Ordering::Relaxed), 0);
    }
}

fn queue(producer: &BaseProducer<Deliveries>, topic: &str, sent: &Sent, deadline: Instant) {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &sent.headers {
        headers = headers.insert(Header { key, value: value.as_ref() });
    }
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
    record.key = sent.key.as_deref();
    record.payload = sent.value.as_deref();
    record.partition = sent.partition;
    record.timestamp = sent.timestamp_ms;
    record.headers = (!sent.headers.is_empty()).then_some(headers);
    while let Err((error, back)) = producer.send(record) {
        assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
        assert!(Instant::now() < deadline, "the broker takes no more");
        producer.poll(POLL);
        record = back;
    }
}

/// How many records arrived, and how many did not.
#[derive(Default)]
struct Deliveries {
    done: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let count = if result.is_ok() { &self.done } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Everything that a topic holds now, by partition and offset.
pub fn read_all(bootstrap: &str, topic: &str) -> Vec<Rec> {
    read_from(bootstrap, topic, &vec![0; end_offsets(bootstrap, topic).len()])
}

/// What a topic holds from these offsets on, one per partition: what came since an earlier [`end_offsets`].
pub fn read_from(bootstrap: &str, topic: &str, offsets: &[i64]) -> Vec<Rec> {
    let consumer = consumer(bootstrap);
    let mut assigned = TopicPartitionList::new();
    for (partition, &offset) in (0..).zip(offsets) {
        let offset = if offset == 0 { Offset::Beginning } else { Offset::Offset(offset) };
        assigned.add_partition_offset(topic, partition, offset).unwrap();
    }
    consumer.assign(&assigned).unwrap();
    let deadline = Instant::now() + TRANSFER_MAX;
    let mut ended = std::collections::BTreeSet::new();
    let mut records = Vec::new();
    while ended.len() < offsets.len() {
        assert!(Instant::now() < deadline, "{topic}: {} records, and no end", records.len());
        match consumer.poll(POLL) {
            None => {}
            Some(Ok(message)) => records.push(rec(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
            Some(Err(error)) => panic!("{topic}: {error}"),
        }
    }
    records.sort_unstable_by_key(|record| (record.partition, record.offset));
    records
}

/// The end of each partition: the offset that its next record gets.
pub fn end_offsets(bootstrap: &str, topic: &str) -> Vec<i64> {
    bounds(bootstrap, topic).into_iter().map(|(_, high)| high).collect()
}

/// The start of each partition: the offset of the first record that it still holds.
pub fn start_offsets(bootstrap: &str, topic: &str) -> Vec<i64> {
    bounds(bootstrap, topic).into_iter().map(|(low, _)| low).collect()
}

fn bounds(bootstrap: &str, topic: &str) -> Vec<(i64, i64)> {
    let client = consumer(bootstrap);
    let metadata = client.fetch_metadata(Some(topic), ANSWER_MAX).unwrap();
    let found = &metadata.topics()[0];
    assert!(found.error().is_none(), "{topic}: {:?}", found.error());
    let partitions = i32::try_from(found.partitions().len()).unwrap();
    (0..partitions).map(|partition| client.fetch_watermarks(topic, partition, ANSWER_MAX).unwrap()).collect()
}

/// The offsets that a consumer group has committed, one per partition; nothing where it has none.
pub fn committed(bootstrap: &str, group: &str, topic: &str) -> Vec<Option<i64>> {
    let client: BaseConsumer = config(bootstrap).set("group.id", group).create().unwrap();
    let mut asked = TopicPartitionList::new();
    let partitions = i32::try_from(end_offsets(bootstrap, topic).len()).unwrap();
    asked.add_partition_range(topic, 0, partitions - 1);
    let told = client.committed_offsets(asked, ANSWER_MAX).unwrap();
    told.elements().iter().map(|element| element.offset().to_raw().filter(|&offset| offset >= 0)).collect()
}

/// Until `look` finds something. Fails with `what` after `max`.
pub fn wait_until<T>(what: &str, max: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + max;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {max:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

fn rec(message: &rdkafka::message::BorrowedMessage<'_>) -> Rec {
    let header = |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
    Rec {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: message.headers().map(|headers| headers.iter().map(header).collect()).unwrap_or_default(),
        timestamp_ms: message.timestamp().to_millis(),
    }
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "samenloop-tests")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("fetch.message.max.bytes", "40000000")
        .set("fetch.wait.max.ms", "20")
        .set("auto.offset.reset", "error");
    config
}

fn consumer(bootstrap: &str) -> BaseConsumer {
    config(bootstrap).create().unwrap()
}

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap()
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(ANSWER_MAX))
}

fn answer<T>(asked: impl Future<Output = Result<T, KafkaError>>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(asked).unwrap()
}
