//! Deleting what our own logs need not hold any more (DeleteRecords).
//!
//! Only [`Trim`]s come here, which are of internal logs; a source's topic or the lists are never touched. What cannot be deleted stays, and
//! is tried again behind the next snapshot.

use super::client::ClientLog;
use crate::drive::{Trim, TrimDone};
use crate::stage::Log;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::time::Duration;

/// How long the brokers may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A log, and what to delete of it: topic, partition, the first offset that stays.
type Named = (Log, (String, i32, i64));

/// Deletes, on a thread of its own.
pub(super) fn trim(client: &ClientConfig, trims: Vec<Trim>, topic_of: impl Fn(&Trim) -> String, told: TrimDone) {
    let place = |trim: &Trim| Some((topic_of(trim), trim.partition.0.try_into().ok()?, trim.to.0.try_into().ok()?));
    let wanted = trims.iter().filter(|trim| trim.to.0 > 0);
    let named: Vec<Named> = wanted.filter_map(|trim| Some((trim.log, place(trim)?))).collect();
    if named.is_empty() {
        return;
    }
    let client = client.clone();
    let spawned = std::thread::Builder::new().name("trim".to_owned()).spawn(move || {
        if let Err(error) = delete(&client, &named, &told) {
            tracing::warn!("internal logs could not be trimmed, they stay longer: {error:#}");
            named.iter().for_each(|(log, _)| told(*log, false));
        }
    });
    if let Err(error) = spawned {
        tracing::warn!("internal logs could not be trimmed, they stay longer: {error}");
    }
}

/// An error: nothing was answered, nor told.
fn delete(client: &ClientConfig, named: &[Named], told: &TrimDone) -> anyhow::Result<()> {
    let mut offsets = TopicPartitionList::new();
    for (_, (topic, partition, offset)) in named {
        offsets.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    let admin = AdminClient::from_config_and_context(client, ClientLog::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX));
    let answered = runtime.block_on(admin.delete_records(&offsets, &options))?;
    for element in answered.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        let is_it = |(_, (name, number, _)): &&Named| name == topic && *number == partition;
        if let Some((log, _)) = named.iter().find(is_it) {
            told(*log, element.error().is_ok());
        }
        match element.error() {
            Ok(()) => tracing::debug!(topic, partition, to = ?element.offset(), "trimmed"),
            Err(error) => tracing::warn!(topic, partition, "could not be trimmed, it stays longer: {error}"),
        }
    }
    Ok(())
}
