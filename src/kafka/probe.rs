//! What is tried on the brokers before a run, to see that a run could: reading a source, writing to a topic.
//!
//! Reading joins no group and commits nothing. The probe of writing appends nothing: it sends a record that the brokers
//! must refuse *for what it is*, which they look at only after the right to write. A record without a key cannot stand in
//! a compacted topic; one from the year 9999 in none that bounds how far ahead a record may be (Kafka does, since 3.6,
//! and by default since 4.0). Where neither holds, writing is not tried.

use super::admin::ANSWER_MAX;
use super::client::{self, ClientError, ClientLog};
use super::topics::Found;
use crate::config::Settings;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Headers as _, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one wait for something to happen is; the whole ends with [`ANSWER_MAX`].
const WAIT: Duration = Duration::from_millis(100);

/// The end of the year 9999, in ms since 1970.
const FAR_AHEAD_MS: i64 = crate::intake::TIME_MAX_MS;

/// A record of a source, on its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp in ms since 1970.
    pub timestamp_ms: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What was read of a topic.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The newest records, by partition and offset.
    pub records: Vec<SourceRecord>,
    /// Partitions that gave neither a record nor their end in time.
    pub silent: Vec<i32>,
    /// What went wrong on the way.
    pub errors: Vec<String>,
}

/// How the probe of writing ended. Nothing was appended, but for the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writing {
    /// The brokers let this user write.
    Allowed,
    /// They do not, or the writer could not introduce itself.
    Refused(String),
    /// There is no record that they would have to refuse.
    NotTried,
    /// They took what they should have refused, at this offset.
    Appended(i64),
}

/// Why a probe could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The settings.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The brokers.
    #[error("{0}")]
    Kafka(#[from] KafkaError),
}

/// Reads the newest records of `topic`, `records_max` in all, in turn over its partitions, and waits for the end of each.
///
/// # Errors
/// When the partitions cannot be asked where they end.
pub fn newest(settings: &Settings, topic: &str, partitions: u32, records_max: usize) -> Result<Taken, ProbeError> {
    let log = ClientLog::default();
    let mut config = client::base(&settings.kafka, settings.log.level)?;
    config.set("group.id", format!("{}check", settings.topics.prefix)); // without one nothing can be assigned
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
    config.set("allow.auto.create.topics", "false");
    let made = config.create_with_context(log.clone());
    let consumer: BaseConsumer<ClientLog> = made.map_err(|error| client::creation_error(&error))?;
    let mut ends = BTreeMap::new();
    for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
        ends.insert(partition, consumer.fetch_watermarks(topic, partition, ANSWER_MAX)?);
    }
    let mut assignment = TopicPartitionList::new();
    for (partition, count) in shares(&ends, records_max) {
        assignment.add_partition_offset(topic, partition, Offset::Offset(ends[&partition].1 - count))?;
    }
    consumer.assign(&assignment)?;
    let mut taken = poll(&consumer, ends.keys().copied().collect(), records_max);
    taken.records.sort_by_key(|record| (record.partition, record.offset));
    taken.errors.extend(log.errors());
    Ok(taken)
}

/// How many of the newest records each partition gives, by its first and next offset: in turn, while they have some.
fn shares(ends: &BTreeMap<i32, (i64, i64)>, records_max: usize) -> BTreeMap<i32, i64> {
    let mut shares: BTreeMap<i32, i64> = ends.keys().map(|partition| (*partition, 0)).collect();
    let mut left = records_max;
    loop {
        let before = left;
        for (partition, share) in &mut shares {
            let (first, next) = ends[partition];
            if left > 0 && *share < next - first {
                *share += 1;
                left -= 1;
            }
        }
        if left == before {
            return shares;
        }
    }
}

fn poll(consumer: &BaseConsumer<ClientLog>, mut open: BTreeSet<i32>, records_max: usize) -> Taken {
    let mut taken = Taken::default();
    let start = Instant::now();
    while !open.is_empty() && start.elapsed() < ANSWER_MAX {
        match consumer.poll(WAIT) {
            None => {}
            Some(Ok(message)) if taken.records.len() < records_max => {
                let headers = message.headers().map(|headers| {
                    let one = |header: rdkafka::message::Header<'_, &[u8]>| {
                        (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
                    };
                    headers.iter().map(one).collect()
                });
                taken.records.push(SourceRecord {
                    partition: message.partition(),
                    offset: message.offset(),
                    timestamp_ms: message.timestamp().to_millis(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: headers.unwrap_or_default(),
                });
            }
            Some(Ok(message)) => {
                open.remove(&message.partition()); // came after we asked: the partition can be read
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => {
                let text = error.to_string();
                if !taken.errors.contains(&text) {
                    taken.errors.push(text);
                }
                let denied = RDKafkaErrorCode::TopicAuthorizationFailed;
                if error.rdkafka_error_code() == Some(denied) {
                    break;
                }
            }
        }
    }
    taken.silent = open.into_iter().collect();
    taken
}

/// Tries to write to `topic`, which is as it was `found`, without appending to it.
///
/// # Errors
/// When no writer can be made of the settings.
pub fn write(settings: &Settings, topic: &str, found: &Found) -> Result<Writing, ProbeError> {
    let Some((timestamp_ms, refusal)) = refusable(found) else { return Ok(Writing::NotTried) };
    let told = Told::default();
    let mut config = client::base(&settings.kafka, settings.log.level)?;
    config.set("enable.idempotence", "true").set("allow.auto.create.topics", "false");
    config.set("message.timeout.ms", ANSWER_MAX.as_millis().to_string());
    let made = config.create_with_context(told.clone());
    let producer: BaseProducer<Told> = made.map_err(|error| client::creation_error(&error))?;
    let record: BaseRecord<'_, (), [u8; 0]> = BaseRecord::to(topic).partition(0).payload(&[]).timestamp(timestamp_ms);
    producer.send(record).map_err(|(error, _)| error)?;
    let start = Instant::now();
    let answer = loop {
        producer.poll(WAIT);
        if let Some((code, text)) = producer.client().fatal_error() {
            break Err((code, text));
        }
        let answer = told.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(answer) = answer {
            break answer;
        }
        if start.elapsed() > ANSWER_MAX + WAIT {
            break Err((RDKafkaErrorCode::OperationTimedOut, "no answer".to_owned()));
        }
    };
    Ok(match answer {
        Err((code, _)) if code == refusal => Writing::Allowed,
        Err((_, text)) => {
            let errors = told.log.errors().into_iter().map(|error| format!("; {error}"));
            Writing::Refused(text + &errors.collect::<String>())
        }
        Ok(offset) => Writing::Appended(offset),
    })
}

/// The timestamp of a record without a key that the brokers must refuse, and what they call it.
fn refusable(found: &Found) -> Option<(i64, RDKafkaErrorCode)> {
    let setting = |name: &str| found.settings.get(name).map_or("", String::as_str);
    if setting("cleanup.policy") == "compact" {
        return Some((0, RDKafkaErrorCode::InvalidRecord));
    }
    let ahead_max_ms = setting("message.timestamp.after.max.ms").parse::<i64>().ok()?;
    let bounded = setting("message.timestamp.type") == "CreateTime" && ahead_max_ms < FAR_AHEAD_MS / 2;
    bounded.then_some((FAR_AHEAD_MS, RDKafkaErrorCode::InvalidTimestamp))
}

/// Hears what became of the record.
#[derive(Clone, Default)]
struct Told {
    log: ClientLog,
    answer: Arc<Mutex<Option<Answer>>>,
}

type Answer = Result<i64, (RDKafkaErrorCode, String)>;

impl ClientContext for Told {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let answer = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => {
                Err((error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown), error.to_string()))
            }
        };
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_shared_in_turn_by_partitions_that_have_some() {
        let ends = BTreeMap::from([(0, (0, 100)), (1, (7, 7)), (2, (5, 6)), (3, (0, 100))]);
        let of = |count| shares(&ends, count).into_values().collect::<Vec<_>>();
        assert_eq!(of(0), [0, 0, 0, 0]);
        assert_eq!(of(2), [1, 0, 1, 0]);
        assert_eq!(of(10), [5, 0, 1, 4]);
        assert_eq!(of(1000), [100, 0, 1, 100]);
    }

    #[test]
    fn a_probe_is_a_record_that_must_be_refused_or_none() {
        let found = |settings: &[(&str, &str)]| Found {
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Found::default()
        };
        let code = |settings: &[(&str, &str)]| refusable(&found(settings)).map(|(_, code)| code);
        let (policy, stamp, ahead) = ("cleanup.policy", "message.timestamp.type", "message.timestamp.after.max.ms");
        assert_eq!(code(&[(policy, "compact")]), Some(RDKafkaErrorCode::InvalidRecord));
        let bounded = [(policy, "delete"), (stamp, "CreateTime"), (ahead, "3600000")];
        assert_eq!(code(&bounded), Some(RDKafkaErrorCode::InvalidTimestamp));
        for settings in [
            &[(policy, "delete"), (stamp, "CreateTime"), (ahead, "9223372036854775807")][..],
            &[(policy, "delete"), (stamp, "LogAppendTime"), (ahead, "3600000")],
            &[(policy, "delete"), (stamp, "CreateTime")],
            &[],
        ] {
            assert_eq!(code(settings), None, "{settings:?}");
        }
    }
}
