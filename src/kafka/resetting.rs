//! What resetting needs of the brokers: who is in our groups, how much topics hold, deleting topics, and the marks on totals that
//! were made anew.
//!
//! Invariants: only topics that the caller names are deleted; what has been asked to go is waited for. Absent: what is to be reset, and
//! whether it may be (`cli`).

use super::admin::{ANSWER_MAX, Admin, AdminError, options};
use crate::wire::Anew;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long deleted topics may take to be gone.
pub const GONE_MAX: Duration = Duration::from_secs(60);
const GONE_PAUSE: Duration = Duration::from_millis(200);
/// A topic must have been away for so long: brokers tell each other one after the other.
const AWAY: Duration = Duration::from_secs(1);
/// How long the first records may take to be written.
const WRITTEN_MAX: Duration = Duration::from_secs(30);

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The group.
    pub group: String,
    /// How it calls itself to the brokers, and where it is.
    pub client: String,
}

/// What the partitions of a topic hold, together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// First offset and next offset of each.
    pub bounds: Vec<(u64, u64)>,
}

impl Extent {
    /// Offsets that are held: of a compacted topic, and of one with transactions, more than there are records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.bounds.iter().map(|&(low, high)| high.saturating_sub(low)).sum()
    }

    /// Records that it once held and has lost at its start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.bounds.iter().map(|&(low, _)| low).sum()
    }
}

impl Admin {
    /// The members of these groups.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn members(&self, groups: &[String]) -> Result<Vec<Member>, AdminError> {
        let mut members = Vec::new();
        for name in groups {
            let listed = self.asker.fetch_group_list(Some(name), ANSWER_MAX);
            let listed = listed.map_err(|error| self.brokers("members of groups", error))?;
            for group in listed.groups().iter().filter(|group| group.name() == name) {
                members.extend(group.members().iter().map(|member| Member {
                    group: name.clone(),
                    client: format!("{} at {}", member.client_id(), member.client_host()),
                }));
            }
        }
        Ok(members)
    }

    /// What a topic of so many partitions holds.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn extent(&self, topic: &str, partitions: u32) -> Result<Extent, AdminError> {
        let of = |partition: u32| {
            let (low, high) = self.bounds(topic, i32::try_from(partition).unwrap_or(i32::MAX))?;
            Ok((u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0)))
        };
        Ok(Extent { bounds: (0..partitions).map(of).collect::<Result<_, AdminError>>()? })
    }

    /// Deletes topics, and waits until they are gone. One that is not there is.
    ///
    /// # Errors
    /// When the brokers refuse, do not answer, or do not do it in time.
    pub fn delete(&self, topics: &[String]) -> Result<(), AdminError> {
        if topics.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let answers = self.runtime.block_on(self.client.delete_topics(&names, &options()));
        let answers = answers.map_err(|error| self.brokers("deleting topics", error))?;
        for (topic, code) in answers.into_iter().filter_map(Result::err) {
            // Under way, or gone since it was looked for.
            let passes = [RDKafkaErrorCode::UnknownTopicOrPartition, RDKafkaErrorCode::RequestTimedOut];
            if !passes.contains(&code) {
                return Err(AdminError::NotDeleted { topic, code });
            }
        }
        let (start, mut away_since) = (Instant::now(), None);
        loop {
            let metadata = self.asker.fetch_metadata(None, ANSWER_MAX);
            let metadata = metadata.map_err(|error| self.brokers("metadata", error))?;
            let there = metadata.topics().iter().map(|topic| topic.name()).find(|name| names.contains(name));
            match there {
                None if away_since.get_or_insert_with(Instant::now).elapsed() >= AWAY => return Ok(()),
                None => {}
                Some(topic) if start.elapsed() > GONE_MAX => {
                    return Err(AdminError::NotGone { topic: topic.to_owned(), waited: GONE_MAX });
                }
                Some(_) => away_since = None,
            }
            std::thread::sleep(GONE_PAUSE);
        }
    }

    /// Writes the first record of each partition of a totals log that was made anew.
    ///
    /// # Errors
    /// When one is not acknowledged in time.
    pub fn mark_anew(
        &self,
        client: &ClientConfig,
        topic: &str,
        partitions: u32,
        mark: &Anew,
    ) -> Result<(), AdminError> {
        let not_written = |what: String| AdminError::NotWritten { topic: topic.to_owned(), what };
        let mut config = client.clone();
        config.set("enable.idempotence", "true");
        let producer: BaseProducer<Written> = config
            .create_with_context(Written::default())
            .map_err(|error: KafkaError| not_written(error.to_string()))?;
        let block = mark.encode();
        for partition in 0..partitions {
            let to = i32::try_from(partition).unwrap_or(i32::MAX);
            let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(to).payload(&block);
            producer.send(record).map_err(|(error, _)| not_written(error.to_string()))?;
        }
        let flushed = producer.flush(WRITTEN_MAX);
        let written = producer.context().0.load(Ordering::Relaxed);
        match flushed {
            Ok(()) if written == partitions => Ok(()),
            Ok(()) => Err(not_written(format!("{written} of {partitions} partitions took it"))),
            Err(error) => Err(not_written(error.to_string())),
        }
    }
}

/// How many records have been acknowledged.
#[derive(Default)]
struct Written(AtomicU32);

impl ClientContext for Written {}

impl ProducerContext for Written {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0.fetch_add(u32::from(result.is_ok()), Ordering::Relaxed);
    }
}
