//! The totals topic, as every rows worker reads all of it: what others tell of the totals that are theirs.
//!
//! Absent: groups. Each worker reads all partitions, from the start whenever it takes over a partition of pairs; a stage
//! passes over what it knows.

use super::KafkaFailure;
use super::reader::{self, is_passing, list_of, number};
use super::scan::{Quiet, outside_groups, place_of};
use super::service::Plan;
use crate::position::{NextOffset, Partition};
use crate::stage::Log;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use std::time::Duration;

/// What a totals partition gave: a record, or its end.
pub(super) type Given<'a> = Option<(NextOffset, &'a [u8])>;

/// The reader of all totals.
pub(super) struct Totals {
    consumer: BaseConsumer<Quiet>,
    topic: String,
    partitions: u32,
}

impl Totals {
    pub(super) fn new(plan: &Plan, wake: impl Fn() + Send + Sync + 'static) -> Result<Self, KafkaFailure> {
        let topic = plan.topic(Log::Totals).to_owned();
        let mut consumer = outside_groups(&plan.client, &plan.group("totals"))?;
        consumer.set_nonempty_callback(wake);
        let partitions = reader::count_partitions(&consumer, &topic)?;
        Ok(Self { consumer, topic, partitions })
    }

    pub(super) fn partitions(&self) -> u32 {
        self.partitions
    }

    pub(super) fn bounds(&self, partition: Partition) -> Result<(NextOffset, NextOffset), KafkaFailure> {
        reader::bounds(&self.consumer, &self.topic, partition)
    }

    /// Reads everything again.
    pub(super) fn start_again(&self) -> Result<(), KafkaFailure> {
        let mut starts = Vec::new();
        for number in 0..self.partitions {
            let (low, _) = self.bounds(Partition(number))?;
            starts.push((Partition(number), low));
        }
        let assigned = self.consumer.assign(&list_of(&self.topic, &starts)?);
        assigned.map_err(|error| KafkaFailure::new(&self.topic, "reading it from its start", &error))
    }

    /// Gives `take` what is at hand; says whether there was anything.
    pub(super) fn poll(
        &self,
        take: &mut dyn FnMut(Partition, Given<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        match self.consumer.poll(Duration::ZERO) {
            None => Ok(false),
            Some(Ok(message)) => {
                if let (Some((partition, offset)), Some(total)) = (place_of(&message), message.payload()) {
                    take(partition, Some((offset, total)))?;
                }
                Ok(true)
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if let Some(partition) = number(partition) {
                    take(partition, None)?;
                }
                Ok(true)
            }
            Some(Err(error)) if is_passing(&error) => Ok(false),
            Some(Err(error)) => Err(KafkaFailure::new(&self.topic, "reading", &error).into()),
        }
    }
}
