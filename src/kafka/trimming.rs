//! Deleting what our own logs need not hold any more (DeleteRecords).
//!
//! Only [`Trim`]s come here, which are of internal logs; a source's topic or the lists are never touched. What cannot be deleted stays, and
//! is tried again behind the next snapshot. Of a log whose young records are to stay, the brokers say which those are, by timestamps.

use super::client::ClientLog;
use super::follower::Quiet;
use crate::drive::{Trim, TrimDone};
use crate::stage::Log;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::time::Duration;

/// How long the brokers may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What to delete of a log.
struct Named {
    log: Log,
    topic: String,
    partition: i32,
    /// The first offset that stays.
    to: i64,
    stays_from_ms: Option<i64>,
}

/// Deletes, on a thread of its own.
pub(super) fn trim(client: &ClientConfig, trims: Vec<Trim>, topic_of: impl Fn(&Trim) -> String, told: TrimDone) {
    let named = |trim: &Trim| {
        let (partition, to) = (trim.partition.0.try_into().ok()?, trim.to.0.try_into().ok()?);
        Some(Named { log: trim.log, topic: topic_of(trim), partition, to, stays_from_ms: trim.stays_from_ms })
    };
    let wanted = trims.iter().filter(|trim| trim.to.0 > 0);
    let mut named: Vec<Named> = wanted.filter_map(named).collect();
    if named.is_empty() {
        return;
    }
    let client = client.clone();
    let spawned = std::thread::Builder::new().name("trim".to_owned()).spawn(move || {
        if let Err(error) = leave_young(&client, &mut named).and_then(|()| delete(&client, &named, &told)) {
            tracing::warn!("internal logs could not be trimmed, they stay longer: {error:#}");
            named.iter().for_each(|of| told(of.log, false));
        }
    });
    if let Err(error) = spawned {
        tracing::warn!("internal logs could not be trimmed, they stay longer: {error}");
    }
}

/// Lets what is young stay.
fn leave_young(client: &ClientConfig, named: &mut [Named]) -> anyhow::Result<()> {
    for Named { topic, partition, to, stays_from_ms, .. } in named {
        let Some(from_ms) = stays_from_ms else { continue };
        let mut config = client.clone();
        config.set("group.id", "none"); // never joined; librdkafka wants a name
        let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet)?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(topic, *partition, Offset::Offset((*from_ms).max(0)))?;
        let answered = consumer.offsets_for_times(asked, ANSWER_MAX)?;
        for element in answered.elements() {
            element.error()?;
            match element.offset() {
                Offset::Offset(young) => *to = young.min(*to),
                // There is none so young.
                Offset::End => {}
                other => {
                    anyhow::bail!("of {topic} [{partition}] the brokers say {other:?} where an offset was asked for")
                }
            }
        }
    }
    Ok(())
}

/// An error: nothing was answered, nor told.
fn delete(client: &ClientConfig, named: &[Named], told: &TrimDone) -> anyhow::Result<()> {
    let mut offsets = TopicPartitionList::new();
    for Named { topic, partition, to, .. } in named {
        offsets.add_partition_offset(topic, *partition, Offset::Offset(*to))?;
    }
    let admin = AdminClient::from_config_and_context(client, ClientLog::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX));
    let answered = runtime.block_on(admin.delete_records(&offsets, &options))?;
    for element in answered.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        if let Some(of) = named.iter().find(|of| of.topic == topic && of.partition == partition) {
            told(of.log, element.error().is_ok());
        }
        match element.error() {
            Ok(()) => tracing::debug!(topic, partition, to = ?element.offset(), "trimmed"),
            Err(error) => tracing::warn!(topic, partition, "could not be trimmed, it stays longer: {error}"),
        }
    }
    Ok(())
}
