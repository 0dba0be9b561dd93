//! Gapless appends: an idempotent producer that either delivers everything in order, or ends its owner.
//!
//! Invariants: per partition, records stand in the log in the order in which they were given; a record that cannot be
//! delivered is a failure of the writer for good, so nothing behind it is relied on. A broker accepts any first sequence
//! number of a new producer, so nothing follows a writer's first record on a partition before that is acknowledged.
//! Absent: Kafka transactions (ARCHITECTURE, "Exactly once"), partitioners, a limit on time: brokers that are away are
//! waited for.

use super::KafkaFailure;
use super::client::log_line;
use super::reader::{default, kafka_number, lock};
use crate::limits::PRODUCED_BYTES_MAX;
use crate::position::Partition;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What may wait for the brokers, in kB. More, and the writer's owner waits.
const WAITING_KBYTES_MAX: &str = "131072";
/// How long an owner that waits sleeps between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// What to append.
#[derive(Default)]
pub struct Appending<'a> {
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Option<OwnedHeaders>,
}

/// What is known of a record until it is acknowledged.
struct Sent {
    /// The number of a partition's first record; 0 for all others.
    first: usize,
    era: u64,
}

#[derive(Default)]
struct Acknowledgements {
    count: AtomicU64,
    /// How many records of each era have been acknowledged.
    by_era: Mutex<BTreeMap<u64, u64>>,
    /// Numbers of the first records of partitions that have been acknowledged.
    firsts: Mutex<BTreeSet<usize>>,
    failure: Mutex<Option<String>>,
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer"); // its line in the log says as much
        if matches!(error, KafkaError::Global(RDKafkaErrorCode::Fatal)) {
            lock(&self.failure).get_or_insert_with(|| reason.to_owned());
        }
    }
}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        match result {
            Ok(_) => {
                if sent.first > 0 {
                    lock(&self.firsts).insert(sent.first);
                }
                *lock(&self.by_era).entry(sent.era).or_default() += 1;
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                lock(&self.failure).get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// The writer.
pub struct Writer {
    producer: BaseProducer<Acknowledgements>,
    sent: u64,
    era: u64,
    /// How many records were sent in each era that has not been acknowledged in full.
    sent_by_era: BTreeMap<u64, u64>,
    /// By topic and partition: the number of the first record there, until it is acknowledged.
    firsts: BTreeMap<(String, Partition), Option<usize>>,
}

impl Writer {
    /// A new producer.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(base: &ClientConfig) -> Result<Self, KafkaFailure> {
        let mut config = base.clone();
        config
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("message.max.bytes", PRODUCED_BYTES_MAX.to_string());
        default(&mut config, "queue.buffering.max.kbytes", WAITING_KBYTES_MAX);
        default(&mut config, "linger.ms", "1");
        default(&mut config, "compression.type", "lz4");
        let made = config.create_with_context(Acknowledgements::default());
        let producer = made.map_err(|error| KafkaFailure::new("producer", "making it", &error))?;
        Ok(Self { producer, sent: 0, era: 0, sent_by_era: BTreeMap::new(), firsts: BTreeMap::new() })
    }

    /// Appends a record. Where it must wait, `while_waiting` is called again and again.
    ///
    /// # Errors
    /// When it, or any record before it, cannot be appended, now or ever.
    pub fn append(
        &mut self,
        topic: &str,
        partition: Partition,
        appending: Appending<'_>,
        while_waiting: &mut dyn FnMut(),
    ) -> Result<(), KafkaFailure> {
        let first = self.wait_for_first(topic, partition, while_waiting)?;
        let Appending { key, value, headers } = appending;
        let mut record =
            BaseRecord::<[u8], [u8], Box<Sent>>::with_opaque_to(topic, Box::new(Sent { first, era: self.era }));
        record = record.partition(kafka_number(partition));
        record.key = key;
        record.payload = value;
        record.headers = headers;
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    self.look(topic)?;
                    while_waiting();
                    std::thread::sleep(LOOK);
                }
                Err((error, _)) => return Err(KafkaFailure::new(topic, "appending", &error)),
            }
        }
        self.sent += 1;
        *self.sent_by_era.entry(self.era).or_default() += 1;
        Ok(())
    }

    /// The number to send as, where this is the first record for a partition; else 0, once the first has been acknowledged.
    fn wait_for_first(
        &mut self,
        topic: &str,
        partition: Partition,
        while_waiting: &mut dyn FnMut(),
    ) -> Result<usize, KafkaFailure> {
        let place = (topic.to_owned(), partition);
        match self.firsts.get(&place) {
            None => {
                let number = self.firsts.len() + 1;
                self.firsts.insert(place, Some(number));
                Ok(number)
            }
            Some(None) => Ok(0),
            Some(&Some(number)) => {
                loop {
                    self.look(topic)?;
                    if lock(&self.producer.context().firsts).contains(&number) {
                        break;
                    }
                    while_waiting();
                    std::thread::sleep(LOOK);
                }
                self.firsts.insert(place, None);
                Ok(0)
            }
        }
    }

    /// Takes in what the brokers have answered.
    ///
    /// # Errors
    /// When a record was not delivered: nothing that was sent can be relied on any more.
    pub fn look(&mut self, topic: &str) -> Result<(), KafkaFailure> {
        // One poll takes in one answer, of some records only; what is not taken in holds its room in the queue.
        loop {
            let before = self.producer.context().count.load(Ordering::Relaxed);
            self.producer.poll(Duration::ZERO);
            if self.producer.context().count.load(Ordering::Relaxed) == before {
                break;
            }
        }
        match &*lock(&self.producer.context().failure) {
            None => Ok(()),
            Some(what) => Err(KafkaFailure::said(topic, &format!("a record was not delivered: {what}"))),
        }
    }

    /// Ends the present era: what has been sent so far. [`Writer::is_done`] says when all of it has been acknowledged,
    /// whatever is sent after it.
    pub fn end_era(&mut self) -> u64 {
        self.era += 1;
        self.era - 1
    }

    /// Whether everything sent up to the end of `era` has been acknowledged.
    pub fn is_done(&mut self, era: u64) -> bool {
        let mut acknowledged = lock(&self.producer.context().by_era);
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

    /// Whether everything sent has been acknowledged.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.producer.context().count.load(Ordering::Relaxed) == self.sent
    }

    /// Waits until everything sent has been acknowledged.
    ///
    /// # Errors
    /// When something was not delivered.
    pub fn flush(&mut self, while_waiting: &mut dyn FnMut()) -> Result<(), KafkaFailure> {
        while !self.is_acknowledged() {
            self.look("producer")?;
            while_waiting();
            if !self.is_acknowledged() {
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }
}

impl Drop for Writer {
    /// What has not been acknowledged is given up: its reader's log decides.
    fn drop(&mut self) {
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
        self.producer.poll(Duration::ZERO);
    }
}
