//! Verdicts that came over HTTP, written to their topic: one after the other, each answered when the brokers have it.
//!
//! A thread of its own: no worker waits for it, nor it for them. Invariants: what is written has been read by the topic's decoder; an
//! answer that says it is written means that all replicas in sync have it. Absent: the table of facts, which learns it from the topic.

use super::client::log_line;
use super::reader::default;
use crate::drive::LogFailure;
use crate::facts::{Facts, Refused};
use crate::intake::{OwnVerdict, OwnVerdicts, Reason, Reject};
use crate::list_key::{ListName, SHOP_WIDE};
use crate::serve::verdicts::{VerdictFault, VerdictJob, VerdictSaid, WrittenVerdict, verdict_queue};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, ProducerContext};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the brokers have to take a verdict: less than a client of HTTP waits.
const WRITE_MAX_MS: &str = "20000";
/// How long between two looks whether the process ends.
const LOOK: Duration = Duration::from_millis(100);
/// How long at an end for what the brokers have not said yet.
const LINGER: Duration = Duration::from_millis(500);

/// What brokers say of a record: partition and offset, or what is wrong.
type Delivered = Result<(i32, i64), String>;

struct Deliveries;

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer of verdicts");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Sender<Delivered>>;

    fn delivery(&self, result: &DeliveryResult<'_>, tell: Self::DeliveryOpaque) {
        let delivered = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.to_string()),
        };
        let _nobody_waits = tell.send(delivered);
    }
}

/// The thread that writes verdicts. Dropping it ends it.
pub struct VerdictWriter {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for VerdictWriter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of verdicts panicked");
        }
    }
}

struct Writing {
    producer: BaseProducer<Deliveries>,
    topic: String,
    own: OwnVerdicts,
    facts: Arc<Facts>,
    stop: Arc<AtomicBool>,
}

impl VerdictWriter {
    /// Writes to `topic`; gives where jobs go.
    ///
    /// # Errors
    /// When a producer cannot be made, or a thread.
    pub fn start(
        base: &ClientConfig,
        topic: &str,
        facts: &Arc<Facts>,
    ) -> anyhow::Result<(Self, SyncSender<VerdictJob>)> {
        let mut config = base.clone();
        config.set("enable.idempotence", "true").set("acks", "all").set("message.timeout.ms", WRITE_MAX_MS);
        // Records of a key are where a Java client would put them, the tombstone too.
        config.set("partitioner", "murmur2_random");
        default(&mut config, "linger.ms", "0");
        let made = config.create_with_context(Deliveries);
        let producer = made.map_err(|error| LogFailure::of(topic, &"making a producer", &error))?;
        let stop = Arc::new(AtomicBool::new(false));
        let writing = Writing {
            producer,
            topic: topic.to_owned(),
            own: OwnVerdicts::new()?,
            facts: Arc::clone(facts),
            stop: Arc::clone(&stop),
        };
        let (jobs, queue) = verdict_queue();
        let thread = std::thread::Builder::new().name("verdicts".to_owned()).spawn(move || writing.run(&queue))?;
        Ok((Self { stop, thread: Some(thread) }, jobs))
    }
}

/// Readers of the topic would not take it: so it is not written.
fn no_room(refused: Refused) -> VerdictFault {
    match refused {
        Refused::Memory => VerdictFault::Full(refused.to_string()),
        _ => VerdictFault::Bad {
            reason: Reason::TooMany.name(),
            message: "there are as many verdicts as can be kept: take others back".to_owned(),
        },
    }
}

impl Writing {
    fn run(&self, queue: &Receiver<VerdictJob>) {
        while !self.stop.load(Ordering::Relaxed) {
            match queue.recv_timeout(LOOK) {
                Ok(job) if job.reply.is_closed() => {} // the client has gone: it does not know that it was written, so it is not
                Ok(job) => {
                    let answer = self.answer(&job.said);
                    if let Err(VerdictFault::NotWritten(error)) = &answer {
                        tracing::error!(topic = self.topic, error, "a verdict was not written");
                    }
                    let _gone = job.reply.send(answer);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.producer.poll(Duration::ZERO);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn answer(&self, said: &VerdictSaid) -> Result<WrittenVerdict, VerdictFault> {
        let bad = |Reject { reason, message, .. }| VerdictFault::Bad { reason: reason.name(), message };
        let verdict = match said {
            VerdictSaid::Put(body) => self.own.said(body),
            VerdictSaid::TakeBack(ids) => self.own.taken_back(ids.each_ref().map(String::as_str)),
        };
        let verdict = verdict.map_err(bad)?;
        if let Some(said) = &verdict.verdict {
            self.facts.has_room_for(&verdict.shop, verdict.key(), said).map_err(no_room)?;
        }
        let (partition, offset) = self.write(&verdict)?;
        let OwnVerdict { shop, list, anchor, other, .. } = verdict;
        let list = list.map_or(SHOP_WIDE, ListName::name).to_owned();
        let ids = [shop, list, anchor.unwrap_or_else(|| SHOP_WIDE.to_owned()), other];
        Ok(WrittenVerdict { ids, partition, offset })
    }

    fn write(&self, verdict: &OwnVerdict) -> Result<(i32, i64), VerdictFault> {
        let (tell, told) = channel();
        let key = verdict.key_text();
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&self.topic, Box::new(tell)).key(key.as_bytes());
        record.payload = verdict.value.as_deref();
        let sent = self.producer.send(record);
        sent.map_err(|(error, _)| VerdictFault::NotWritten(error.to_string()))?;
        loop {
            self.producer.poll(LOOK);
            match told.try_recv() {
                Ok(delivered) => return delivered.map_err(VerdictFault::NotWritten),
                Err(_) if self.stop.load(Ordering::Relaxed) => {
                    self.producer.poll(LINGER);
                    return told
                        .try_recv()
                        .map_or(Err(VerdictFault::Stopped), |delivered| delivered.map_err(VerdictFault::NotWritten));
                }
                Err(_) => {}
            }
        }
    }
}
