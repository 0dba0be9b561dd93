//! The rejects topic: every record that became no event, as it was, with why and where in its headers.
//!
//! The headers follow Kafka Connect's dead letter queues, so what reads those reads these; ours is the machine reason.
//! Rejects are waited for after each batch of records, before a mark says that these have been dealt with; so after a crash they
//! are there, perhaps twice. One can be missing: a block that fills up within its batch may cover it sooner, what is good never
//! waits for long for a topic that takes nothing ([`KEEP_MAX`], then an error in the log), and what
//! passes [`PRODUCED_BYTES_MAX`] is left out: the value, which a header says, then the key and the record's own headers too.
//!
//! Invariants: a header or a log line holds no part of a record. Absent: gapless order, which nobody needs here.

use super::client::log_line;
use super::reader::{default, lock};
use super::transport::Names;
use super::writer::queueing;
use crate::drive::{LogFailure, Rejected, Rejects, Vigil};
use crate::intake::Record;
use crate::limits::PRODUCED_BYTES_MAX;
use crate::memory::{Holding, Part};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long to wait where the producer's queue is full.
const LOOK: Duration = Duration::from_millis(2);

/// How long rejects may hold up what is good.
const KEEP_MAX: Duration = Duration::from_secs(5);

/// Our reason, as in metrics and `docs/mapping.md`.
const REASON_HEADER: &str = "samenloop.reason";
/// Set to `true` where the value was too large to be kept.
const OMITTED_HEADER: &str = "samenloop.value.omitted";

struct Deliveries {
    waiting: Holding,
    answered: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer of rejects");
    }
}

impl ProducerContext for Deliveries {
    /// Its bytes.
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, bytes: Box<u64>) {
        self.waiting.sub(*bytes);
        self.answered.fetch_add(1, Ordering::Relaxed);
        if let Err((error, _)) = result {
            *lock(&self.failure) = Some(error.to_string());
        }
    }
}

/// Writes rejects.
pub struct KafkaRejects {
    vigil: Arc<Vigil>,
    producer: BaseProducer<Deliveries>,
    topic: String,
    sent: u64,
    /// The topic takes nothing: not waited for until it does again.
    is_given_up: bool,
    dropped: u64,
}

impl KafkaRejects {
    pub(super) fn new(names: &Names, vigil: &Arc<Vigil>) -> anyhow::Result<Self> {
        let (mut config, topic) = (names.client.clone(), names.rejects.as_str());
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("message.max.bytes", PRODUCED_BYTES_MAX.to_string());
        queueing(&mut config, names.sizes.rejected);
        default(&mut config, "compression.type", "lz4");
        let made = config.create_with_context(Deliveries {
            waiting: Holding::new(&names.held, Part::Appends),
            answered: AtomicU64::new(0),
            failure: Mutex::default(),
        });
        let producer = made.map_err(|error| LogFailure::of(topic, &"making a producer", &error))?;
        let (topic, vigil) = (topic.to_owned(), Arc::clone(vigil));
        Ok(Self { vigil, producer, topic, sent: 0, is_given_up: false, dropped: 0 })
    }

    /// Sends as much of the record as `kept` is.
    fn send(&mut self, rejected: &Rejected<'_>, kept: &Record<'_>) -> Result<(), KafkaError> {
        let headers_bytes: usize = kept.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = [kept.key, kept.value].into_iter().flatten().map(<[u8]>::len).sum::<usize>() + headers_bytes;
        let bytes = bytes as u64;
        let mut record = BaseRecord::<[u8], [u8], Box<u64>>::with_opaque_to(&self.topic, Box::new(bytes));
        record.key = kept.key;
        record.payload = kept.value;
        record.timestamp = kept.timestamp_ms;
        record.headers = Some(headers(rejected, kept));
        let deadline = Instant::now() + KEEP_MAX;
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    if Instant::now() > deadline {
                        self.dropped += 1;
                        tracing::error!(topic = self.topic, dropped = self.dropped, "a reject was not kept");
                        return Ok(());
                    }
                    record = again;
                    self.vigil.beat();
                    self.producer.poll(LOOK);
                }
                Err((error, _)) => return Err(error),
            }
        }
        self.producer.context().waiting.add(bytes);
        self.sent += 1;
        Ok(())
    }
}

impl Rejects for KafkaRejects {
    fn append(&mut self, rejected: &Rejected<'_>) -> anyhow::Result<()> {
        let whole = *rejected.record;
        let without_value = Record { value: None, ..whole };
        let bare = Record { key: None, headers: &[], ..without_value };
        let mut sent = Ok(());
        for record in [whole, without_value, bare] {
            sent = self.send(rejected, &record);
            if !matches!(sent, Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge))) {
                break;
            }
        }
        Ok(sent.map_err(|error| LogFailure::of(&self.topic, &"appending", &error))?)
    }

    // One that was refused is told of: it counts as a reject all the same.
    fn look(&mut self) -> bool {
        loop {
            let before = self.producer.context().answered.load(Ordering::Relaxed);
            self.producer.poll(Duration::ZERO); // one answer each
            if self.producer.context().answered.load(Ordering::Relaxed) == before {
                break;
            }
        }
        if let Some(error) = lock(&self.producer.context().failure).take() {
            tracing::error!(topic = self.topic, error, "a reject was not kept");
        }
        let is_done = self.producer.context().answered.load(Ordering::Relaxed) == self.sent;
        self.is_given_up &= !is_done;
        is_done
    }

    fn flush(&mut self) {
        if self.look() || self.is_given_up {
            return;
        }
        let deadline = Instant::now() + KEEP_MAX;
        while !self.look() {
            if Instant::now() > deadline {
                tracing::error!(topic = self.topic, "rejects cannot be kept now; what is good goes on without them");
                self.is_given_up = true;
                return;
            }
            self.vigil.beat();
            std::thread::sleep(LOOK);
        }
    }
}

fn headers(rejected: &Rejected<'_>, kept: &Record<'_>) -> OwnedHeaders {
    let Rejected { offset, reject, record, source } = rejected;
    let mut headers = OwnedHeaders::new();
    for &(key, value) in kept.headers {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    let stage = if reject.reason.is_of_bytes() { "VALUE_CONVERTER" } else { "TRANSFORMATION" };
    let texts = [
        ("__connect.errors.topic", record.topic.to_owned()),
        ("__connect.errors.partition", source.partition.0.to_string()),
        ("__connect.errors.offset", offset.0.to_string()),
        ("__connect.errors.connector.name", format!("samenloop-{}", source.source)),
        ("__connect.errors.stage", stage.to_owned()),
        ("__connect.errors.exception.class.name", format!("samenloop.{}", reject.reason.name())),
        ("__connect.errors.exception.message", reject.message.clone()),
        (REASON_HEADER, reject.reason.name().to_owned()),
    ];
    for (key, text) in &texts {
        headers = headers.insert(Header { key, value: Some(text) });
    }
    if kept.value.is_none() && record.value.is_some() {
        headers = headers.insert(Header { key: OMITTED_HEADER, value: Some("true") });
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{Reason, Reject};
    use crate::position::{NextOffset, SourcePartition};
    use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};
    use rdkafka::ClientConfig;

    /// A record may be larger than what samenloop writes: its source's topic says how large. No broker is needed: what is too
    /// large is refused before it is sent.
    #[test]
    fn a_reject_of_any_size_is_kept_as_far_as_it_fits() {
        let large = vec![b'x'; PRODUCED_BYTES_MAX + 1];
        let source = SourcePartition::new("s", 0);
        let reject = Reject { reason: Reason::NotAnObject, message: String::new(), time: None };
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", "127.0.0.1:1");
        let names = Names::of(client);
        let vigil = Vigil::new("test", Arc::default(), &Health::new(1, HEARTBEAT_AGE_MAX));
        let mut rejects = KafkaRejects::new(&names, &Arc::new(vigil)).unwrap();
        let small: &[u8] = b"x";
        let cases: [(&[u8], &[u8], &[u8]); 4] =
            [(small, small, small), (small, &large, small), (&large, small, small), (small, small, &large)];
        for (n, (key, value, header)) in (1..).zip(cases) {
            let headers = [("h", header)];
            let record = Record {
                topic: "t",
                key: Some(key),
                value: Some(value),
                timestamp_ms: None,
                headers: &headers,
                around: None,
            };
            let rejected = Rejected { source: &source, offset: NextOffset(n), reject: &reject, record: &record };
            rejects.append(&rejected).unwrap();
            assert_eq!((rejects.sent, rejects.dropped), (n, 0));
        }
        assert!((3..64).contains(&names.held.bytes(Part::Appends)), "what was left out is not held");
        drop(rejects);
        assert_eq!(names.held.bytes(Part::Appends), 0);
    }
}
