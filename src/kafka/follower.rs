//! Reading a topic outside all groups: what a log holds before one writes to it, all totals, the own lists.
//!
//! Invariants: commits nothing; reads what it is told to, from where it is told.

use super::client::log_line;
use super::errors::{is_refusal, patiently};
use super::message::KafkaMessage;
use super::reader::{list_of, number, partitions_shown, reading, watermarks};
use super::transport::Names;
use crate::drive::{Bounds, Follower, LogFailure, Next, Vigil, Wake};
use crate::position::{NextOffset, Partition};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use std::sync::Arc;
use std::time::Duration;

/// The context of a consumer outside all groups.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka consumer");
    }
}

impl ConsumerContext for Quiet {}

/// A follower.
pub struct KafkaFollower {
    consumer: BaseConsumer<Quiet>,
    topic: String,
    vigil: Arc<Vigil>,
}

impl KafkaFollower {
    /// Of `topic`. `group` is never joined; librdkafka wants a name.
    pub(super) fn new(
        names: &Names,
        group: &str,
        topic: &str,
        vigil: &Arc<Vigil>,
        wake: &Wake,
    ) -> anyhow::Result<Self> {
        let mut config = names.client.clone();
        config.set("group.id", group);
        reading(&mut config, &names.sizes);
        let made: Result<BaseConsumer<Quiet>, KafkaError> = config.create_with_context(Quiet);
        let mut consumer = made.map_err(|error| LogFailure::of(topic, &"making a consumer", &error))?;
        let wake = wake.clone();
        consumer.set_nonempty_callback(move || wake.wake());
        Ok(Self { consumer, topic: topic.to_owned(), vigil: Arc::clone(vigil) })
    }
}

impl Follower for KafkaFollower {
    type Message<'m> = KafkaMessage<'m>;

    fn partitions(&self) -> anyhow::Result<Option<u32>> {
        partitions_shown(&self.consumer, &self.topic, &self.vigil)
    }

    fn bounds(&self, partition: Partition) -> anyhow::Result<Bounds> {
        watermarks(&self.consumer, &self.topic, partition, &self.vigil)
    }

    fn assign(&self, partitions: &[(Partition, NextOffset)]) -> anyhow::Result<()> {
        if partitions.is_empty() {
            let left = self.consumer.unassign();
            return Ok(left.map_err(|error| LogFailure::of(&self.topic, &"ending a scan", &error))?);
        }
        let list = list_of(&self.topic, partitions)?;
        patiently(&self.vigil, &self.topic, &"reading it from an offset", |_| self.consumer.assign(&list))
    }

    fn poll(&self, wait: Duration) -> anyhow::Result<Next<KafkaMessage<'_>>> {
        match self.consumer.poll(wait) {
            None => Ok(Next::Nothing),
            Some(Ok(message)) => Ok(Next::Record(KafkaMessage(message))),
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(number(partition).map_or(Next::Nothing, Next::End)),
            Some(Err(error)) if is_refusal(&error) => Err(LogFailure::of(&self.topic, &"reading", &error).into()),
            Some(Err(_)) => Ok(Next::Nothing), // librdkafka goes on trying, and has said so
        }
    }
}
