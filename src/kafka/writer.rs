//! Gapless appends: an idempotent producer that either delivers everything in order, or ends its owner.
//!
//! Invariants: per partition, records stand in the log in the order in which they were given; a record that cannot be
//! delivered is a failure of the writer for good, so nothing behind it is relied on. A broker accepts any first sequence
//! number of a new producer, so nothing follows a writer's first record on a partition before that is acknowledged.
//! Absent: Kafka transactions (ARCHITECTURE, "Exactly once"), partitioners, a limit on time: brokers that are away are
//! waited for.

use super::client::log_line;
use super::reader::{default, kafka_number, kbytes, lock, next, number};
use super::transport::Names;
use crate::drive::{Appending, LogFailure, Run, Runs, Vigil, Writer};
use crate::limits::PRODUCED_BYTES_MAX;
use crate::memory::{Holding, Part, Sizes};
use crate::position::{NextOffset, Partition};
use crate::publish::Stamp;
use crate::stage::Log;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a record waits for others to go out with.
const LINGER_MS: &str = "25";
/// How long an owner that waits sleeps between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// What is known of a record until it is acknowledged.
struct Sent {
    /// The number of a partition's first record; 0 for all others.
    first: usize,
    era: u64,
    /// Whether its owner waits to hear where it stands.
    is_asked: bool,
    /// As which record its publisher counts it.
    stamp: Option<Stamp>,
    bytes: u64,
}

struct Acknowledgements {
    count: AtomicU64,
    waiting: Holding,
    deliveries: Mutex<Deliveries>,
}

/// What brokers have said.
#[derive(Default)]
struct Deliveries {
    /// How many records of each era have been acknowledged.
    by_era: BTreeMap<u64, u64>,
    /// Numbers of the first records of partitions that have been acknowledged.
    firsts: BTreeSet<usize>,
    /// Where the last record stands that was asked for.
    asked: Option<NextOffset>,
    /// Where records with a stamp stand.
    runs: Runs,
    failure: Option<String>,
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer"); // its line in the log says as much
        if matches!(error, KafkaError::Global(RDKafkaErrorCode::Fatal)) {
            lock(&self.deliveries).failure.get_or_insert_with(|| reason.to_owned());
        }
    }
}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        self.waiting.sub(sent.bytes);
        let mut deliveries = lock(&self.deliveries);
        match result {
            Ok(delivered) => {
                if sent.is_asked {
                    deliveries.asked = next(delivered.offset());
                }
                if sent.first > 0 {
                    deliveries.firsts.insert(sent.first);
                }
                if let (Some(stamp), Some(partition)) = (sent.stamp, number(delivered.partition())) {
                    deliveries.runs.landed(partition, next(delivered.offset()), stamp);
                }
                *deliveries.by_era.entry(sent.era).or_default() += 1;
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                deliveries.failure.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// The writer.
pub struct KafkaWriter {
    producer: BaseProducer<Acknowledgements>,
    topics: [(Log, String); 4],
    vigil: Arc<Vigil>,
    sent: u64,
    era: u64,
    /// How many records were sent in each era that has not been acknowledged in full.
    sent_by_era: BTreeMap<u64, u64>,
    /// The number of the first record on each partition, until it is acknowledged.
    firsts: BTreeMap<(Log, Partition), Option<usize>>,
}

impl KafkaWriter {
    /// A new producer.
    pub(super) fn new(names: &Names, vigil: &Arc<Vigil>) -> anyhow::Result<Self> {
        let (mut config, topics) = (names.client.clone(), names.logs.clone());
        config
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("message.max.bytes", PRODUCED_BYTES_MAX.to_string());
        queueing(&mut config, names.sizes.appended);
        default(&mut config, "linger.ms", LINGER_MS);
        default(&mut config, "compression.type", "lz4");
        let made = config.create_with_context(Acknowledgements {
            count: AtomicU64::new(0),
            waiting: Holding::new(&names.held, Part::Appends),
            deliveries: Mutex::default(),
        });
        let producer = made.map_err(|error| LogFailure::of("producer", &"making it", &error))?;
        let (sent_by_era, firsts) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { producer, topics, vigil: Arc::clone(vigil), sent: 0, era: 0, sent_by_era, firsts })
    }

    fn send(&mut self, log: Log, partition: Partition, appending: Appending<'_>, is_asked: bool) -> anyhow::Result<()> {
        let first = self.wait_for_first(log, partition)?;
        let topic = self.topics.iter().find(|(name, _)| *name == log).map_or("", |(_, topic)| topic);
        let Appending { key, value, headers, stamp } = appending;
        let bytes = [key, value].into_iter().flatten().map(|part| part.len() as u64).sum();
        let sent = Box::new(Sent { first, era: self.era, is_asked, stamp, bytes });
        let mut record = BaseRecord::<[u8], [u8], Box<Sent>>::with_opaque_to(topic, sent);
        record = record.partition(kafka_number(partition));
        (record.key, record.payload) = (key, value);
        if !headers.is_empty() {
            let owned = OwnedHeaders::new_with_capacity(headers.len());
            let add =
                |owned: OwnedHeaders, &(key, value): &(&str, &[u8])| owned.insert(Header { key, value: Some(value) });
            record.headers = Some(headers.iter().fold(owned, add));
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    take_in(&self.producer)?;
                    self.vigil.wait(&"there is no room for more appends until brokers acknowledge some")?;
                    std::thread::sleep(LOOK);
                }
                Err((error, _)) => return Err(LogFailure::of(topic, &"appending", &error).into()),
            }
        }
        self.producer.context().waiting.add(bytes); // what is acknowledged is heard by this thread alone
        self.sent += 1;
        *self.sent_by_era.entry(self.era).or_default() += 1;
        Ok(())
    }

    /// The number to send as, where this is the first record for a partition; else 0, once the first has been acknowledged.
    fn wait_for_first(&mut self, log: Log, partition: Partition) -> anyhow::Result<usize> {
        let place = (log, partition);
        match self.firsts.get(&place) {
            None => {
                let number = self.firsts.len() + 1;
                self.firsts.insert(place, Some(number));
                Ok(number)
            }
            Some(None) => Ok(0),
            Some(&Some(number)) => {
                loop {
                    take_in(&self.producer)?;
                    if self.deliveries().firsts.contains(&number) {
                        break;
                    }
                    self.vigil.wait(&format_args!(
                        "{}-{}: its first record is not acknowledged",
                        log.name(),
                        partition.0
                    ))?;
                    std::thread::sleep(LOOK);
                }
                self.vigil.note_answer();
                self.firsts.insert(place, None);
                Ok(0)
            }
        }
    }

    fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        lock(&self.producer.context().deliveries)
    }

    fn is_acknowledged(&self) -> bool {
        self.producer.context().count.load(Ordering::Relaxed) == self.sent
    }
}

impl Writer for KafkaWriter {
    fn append(&mut self, log: Log, partition: Partition, appending: Appending<'_>) -> anyhow::Result<()> {
        self.send(log, partition, appending, false)
    }

    fn append_at(&mut self, log: Log, partition: Partition, appending: Appending<'_>) -> anyhow::Result<NextOffset> {
        self.deliveries().asked = None;
        self.send(log, partition, appending, true)?;
        self.flush()?;
        let asked = self.deliveries().asked;
        asked.ok_or_else(|| LogFailure::said(log.name(), "a record was acknowledged without its offset").into())
    }

    fn look(&mut self) -> anyhow::Result<()> {
        take_in(&self.producer)
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        while !self.is_acknowledged() {
            take_in(&self.producer)?;
            if !self.is_acknowledged() {
                self.vigil.wait(&"brokers have not acknowledged what was appended")?;
                std::thread::sleep(LOOK);
            }
        }
        self.vigil.note_answer();
        Ok(())
    }

    fn end_era(&mut self) -> u64 {
        self.era += 1;
        self.era - 1
    }

    fn is_done(&mut self, era: u64) -> bool {
        let mut deliveries = lock(&self.producer.context().deliveries);
        let acknowledged = &mut deliveries.by_era;
        while let Some((&oldest, &sent)) = self.sent_by_era.first_key_value() {
            if oldest > era {
                break;
            }
            if acknowledged.get(&oldest) != Some(&sent) {
                return false;
            }
            acknowledged.remove(&oldest);
            self.sent_by_era.remove(&oldest);
        }
        true
    }

    fn runs(&mut self) -> Vec<(Partition, Option<Run>)> {
        self.deliveries().runs.take()
    }
}

/// What may wait for the brokers: so many bytes, and as many records as these hold at most. More, and the writer's owner waits.
pub(super) fn queueing(config: &mut ClientConfig, bytes: usize) {
    default(config, "queue.buffering.max.kbytes", &kbytes(bytes));
    let bytes =
        config.get("queue.buffering.max.kbytes").and_then(|kbytes| kbytes.parse().ok()).unwrap_or(bytes >> 10) << 10;
    default(config, "queue.buffering.max.messages", &Sizes::queued(bytes).to_string());
}

/// Takes in what the brokers have answered. One poll takes in one answer, of some records only; what is not taken in holds its
/// room in the queue.
fn take_in(producer: &BaseProducer<Acknowledgements>) -> anyhow::Result<()> {
    loop {
        let before = producer.context().count.load(Ordering::Relaxed);
        producer.poll(Duration::ZERO);
        if producer.context().count.load(Ordering::Relaxed) == before {
            break;
        }
    }
    match &lock(&producer.context().deliveries).failure {
        None => Ok(()),
        Some(what) => Err(LogFailure::said("producer", &format!("a record was not delivered: {what}")).into()),
    }
}

impl Drop for KafkaWriter {
    /// What has not been acknowledged is given up: its reader's log decides.
    fn drop(&mut self) {
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
        self.producer.poll(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::APPENDED_BYTES_MIN;
    use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};
    use std::sync::atomic::AtomicBool;

    /// Nothing is ever acknowledged; whoever waits is told to stop.
    #[test]
    fn what_brokers_do_not_acknowledge_stays_within_its_room_and_its_owner_waits() {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", "127.0.0.1:1");
        let names = Names { sizes: Sizes { appended: APPENDED_BYTES_MIN, ..Sizes::default() }, ..Names::of(client) };
        let stop = Arc::new(AtomicBool::new(true));
        let vigil = Arc::new(Vigil::new("test", stop, &Health::new(1, HEARTBEAT_AGE_MAX)));
        let mut writer = KafkaWriter::new(&names, &vigil).unwrap();
        let block = vec![7; 1 << 20];
        let appending = || Appending { value: Some(&block), ..Appending::default() };
        // Each is the first on its partition: only for room is waited.
        let appended = (0..200).take_while(|&n| writer.append(Log::Events, Partition(n), appending()).is_ok()).count();
        assert_eq!(appended, APPENDED_BYTES_MIN >> 20);
        assert_eq!(names.held.bytes(Part::Appends), APPENDED_BYTES_MIN as u64);
        drop(writer);
        assert_eq!(names.held.bytes(Part::Appends), 0, "what was given up is held by nobody");

        // The largest record there may be has room in a queue that is empty.
        let mut writer = KafkaWriter::new(&names, &vigil).unwrap();
        let largest = vec![7; crate::limits::RECORD_BYTES_MAX];
        writer.append(Log::Pairs, Partition(0), Appending { value: Some(&largest), ..Appending::default() }).unwrap();
    }

    #[test]
    fn small_records_wait_in_numbers_that_their_room_is_reckoned_for() {
        let mut client = ClientConfig::new();
        queueing(&mut client, APPENDED_BYTES_MIN);
        assert_eq!(client.get("queue.buffering.max.kbytes"), Some("33792"));
        assert_eq!(client.get("queue.buffering.max.messages"), Some("33792"));
        client.set("queue.buffering.max.kbytes", "1000000").remove("queue.buffering.max.messages");
        queueing(&mut client, APPENDED_BYTES_MIN);
        assert_eq!(client.get("queue.buffering.max.kbytes"), Some("1000000"), "what the settings say stands");
        assert_eq!(client.get("queue.buffering.max.messages"), Some("100000"));
    }
}
