//! Deleting what our own logs need not hold any more (DeleteRecords).
//!
//! Only [`Trim`]s come here, which are of internal logs; a source's topic or the lists are never touched. What cannot be deleted stays, and
//! is tried again behind the next snapshot.

use super::client::ClientLog;
use crate::drive::Trim;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::time::Duration;

/// How long the brokers may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A record to delete up to: topic, partition, offset.
type Named = (String, i32, i64);

/// Deletes, on a thread of its own.
pub(super) fn trim(client: &ClientConfig, trims: &[Trim], topic_of: impl Fn(&Trim) -> String) {
    let named: Vec<Named> = trims
        .iter()
        .filter(|trim| trim.to.0 > 0)
        .filter_map(|trim| Some((topic_of(trim), trim.partition.0.try_into().ok()?, trim.to.0.try_into().ok()?)))
        .collect();
    if named.is_empty() {
        return;
    }
    let client = client.clone();
    let spawned = std::thread::Builder::new().name("trim".to_owned()).spawn(move || {
        if let Err(error) = delete(&client, &named) {
            tracing::warn!("internal logs could not be trimmed, they stay longer: {error:#}");
        }
    });
    if let Err(error) = spawned {
        tracing::warn!("internal logs could not be trimmed, they stay longer: {error}");
    }
}

fn delete(client: &ClientConfig, named: &[Named]) -> anyhow::Result<()> {
    let mut offsets = TopicPartitionList::new();
    for (topic, partition, offset) in named {
        offsets.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    let admin = AdminClient::from_config_and_context(client, ClientLog::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX));
    let answered = runtime.block_on(admin.delete_records(&offsets, &options))?;
    for element in answered.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        match element.error() {
            Ok(()) => tracing::debug!(topic, partition, to = ?element.offset(), "trimmed"),
            Err(error) => tracing::warn!(topic, partition, "could not be trimmed, it stays longer: {error}"),
        }
    }
    Ok(())
}
