//! What the brokers say of topics, and the making of those that are missing.
//!
//! Invariants: nothing is ever altered, nor deleted but for `rebuild` (`resetting`). Metadata is asked for as a whole: asking for a topic by name may make it.

use super::client::{self, ClientError, ClientLog};
use super::errors::is_refusal;
use super::facts_topics::FactsTopicReport;
use super::topics::{Cluster, Found, LogPartitions, TopicKind, TopicNames, TopicReport};
use crate::config::Settings;
use crate::limits::SOURCE_PARTITIONS_MAX;
use rdkafka::admin::TopicReplication;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long an answer may take, connection included.
pub const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Events of a client that are looked at for the reason of a failure.
const EVENTS_MAX: usize = 64;

/// How long topics that were made may take to be shown.
const SHOWN_MAX: Duration = Duration::from_secs(5);
const SHOWN_PAUSE: Duration = Duration::from_millis(100);

/// Stands for the brokers' own default in a request to make a topic.
const REPLICATION_DEFAULT: i32 = -1;

/// Why nothing could be learned of the topics.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The settings.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A topic that was to go is still there.
    #[error("topic {topic} is not gone within {} s: the brokers delete later, or not at all (delete.topic.enable, a broker that is \
             away). Nothing was made in its place; run the same again", .waited.as_secs())]
    NotGone {
        /// Its name.
        topic: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A topic may not be deleted.
    #[error("topic {topic} cannot be deleted: {code}: it needs the right to Delete on topics of this prefix")]
    NotDeleted {
        /// Its name.
        topic: String,
        /// What the brokers say.
        code: RDKafkaErrorCode,
    },
    /// A record could not be written.
    #[error("topic {topic}: the first record of a log could not be written: {what}")]
    NotWritten {
        /// Its name.
        topic: String,
        /// What is wrong.
        what: String,
    },
    /// The brokers.
    #[error("brokers at {bootstrap}: {what}: {error}{}", told(.errors))]
    Brokers {
        /// Where they should be.
        bootstrap: String,
        /// What was asked.
        what: &'static str,
        /// The answer.
        error: Box<KafkaError>,
        /// What the client met on the way.
        errors: Vec<String>,
    },
    /// No way to wait for an answer.
    #[error("no runtime for the admin client")]
    Runtime(#[from] std::io::Error),
}

impl AdminError {
    /// Whether it passes by itself: brokers that do not answer now.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Brokers { error, .. } if !is_refusal(error))
    }
}

/// What there is on the brokers.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// How many brokers there are.
    pub brokers: usize,
    /// samenloop's own topics, all of them, in the order of [`TopicKind::ALL`].
    pub own: Vec<TopicReport>,
    /// The sources that read a topic.
    pub sources: Vec<SourceTopic>,
    /// The topics of facts.
    pub facts: Vec<FactsTopicReport>,
}

impl Inspection {
    /// What is wrong where the sources have more partitions than may have a section in one block.
    #[must_use]
    pub fn too_many_partitions(&self) -> Option<String> {
        let count: usize = self.sources.iter().filter_map(|source| source.partitions).map(|n| n as usize).sum();
        (count > SOURCE_PARTITIONS_MAX).then(|| {
            format!(
                "the topics of the sources have {count} partitions together, {SOURCE_PARTITIONS_MAX} are the limit: a block \
                 of events may say something of each, and has to fit in a record. Read some of them by a samenloop of its \
                 own, or through a topic with fewer partitions"
            )
        })
    }
}

/// The topic of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTopic {
    /// The source's name.
    pub source: String,
    /// The topic's name.
    pub topic: String,
    /// Its partitions; `None`: it is missing, or this user may not see it.
    pub partitions: Option<u32>,
    /// What is there, and looks most like it.
    pub nearest: Option<String>,
}

/// A topic that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Which.
    pub kind: TopicKind,
    /// Its name.
    pub name: String,
    /// What the brokers said, if they did not make it.
    pub fault: Option<String>,
}

/// Asks the brokers about topics.
pub struct Admin {
    pub(super) client: AdminClient<ClientLog>,
    /// Asks for metadata: unlike the admin client it can be polled for what it met on the way.
    pub(super) asker: BaseConsumer<ClientLog>,
    log: ClientLog,
    pub(super) runtime: tokio::runtime::Runtime,
    bootstrap: String,
}

impl Admin {
    /// A client by the settings. Nothing is sent yet.
    ///
    /// # Errors
    /// When no client can be made of the settings.
    pub fn new(settings: &Settings) -> Result<Self, AdminError> {
        let log = ClientLog::default();
        let config = client::base(&settings.kafka, settings.log.level)?;
        let made = config.create_with_context(log.clone());
        let client: AdminClient<ClientLog> = made.map_err(|error| client::creation_error(&error))?;
        let made = config.create_with_context(log.clone());
        let asker: BaseConsumer<ClientLog> = made.map_err(|error| client::creation_error(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let bootstrap = settings.kafka.properties.get("bootstrap.servers").cloned().unwrap_or_default();
        Ok(Self { client, asker, log, runtime, bootstrap })
    }

    /// What there is of samenloop's topics and the sources', and what is wrong with them.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn inspect(&self, settings: &Settings) -> Result<Inspection, AdminError> {
        let metadata = self.asker.fetch_metadata(None, ANSWER_MAX);
        let metadata = metadata.map_err(|error| self.brokers("metadata", error))?;
        let names = TopicNames::new(&settings.topics);
        let mut found: BTreeMap<TopicKind, Found> =
            TopicKind::ALL.into_iter().filter_map(|kind| Some((kind, topic(&metadata, &names.name(kind))?))).collect();
        self.describe(&names, &mut found)?;
        for (&kind, found) in found.iter_mut().filter(|(kind, _)| kind.is_state()) {
            // With snapshots, logs are trimmed; whether they hold what is needed shows when they are read.
            if settings.snapshots.url.is_none() {
                found.starts_lost = self.starts_lost(&names.name(kind), found.partitions)?;
            }
        }
        let pairs = found.get(&TopicKind::Pairs).map_or(settings.logs.pairs_partitions, |pairs| pairs.partitions);
        let (brokers, block_bytes) = (metadata.brokers().len(), settings.logs.block_bytes);
        let cluster = Cluster { brokers, pairs, block_bytes, bootstrap: &self.bootstrap };
        let report = |kind| TopicReport::new(kind, names.name(kind), found.get(&kind).cloned(), &cluster);
        let own = TopicKind::ALL.map(report).to_vec();
        let facts = self.facts(settings, &metadata)?;
        Ok(Inspection { brokers: cluster.brokers, own, sources: sources(settings, &metadata), facts })
    }

    /// [`inspect`](Self::inspect), once the brokers show all of samenloop's topics: those just made take a moment to get
    /// around. What they still do not show in time is missing in the answer.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn inspect_made(&self, settings: &Settings) -> Result<Inspection, AdminError> {
        let start = Instant::now();
        loop {
            let inspection = self.inspect(settings)?;
            let shown = |report: &TopicReport| report.found.as_ref().is_some_and(|found| !found.settings.is_empty());
            if inspection.own.iter().all(shown) || start.elapsed() > SHOWN_MAX {
                return Ok(inspection);
            }
            std::thread::sleep(SHOWN_PAUSE);
        }
    }

    /// Makes the topics that `inspection` misses, or, with `validate_only`, asks the brokers whether they would.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn create(
        &self,
        settings: &Settings,
        inspection: &Inspection,
        validate_only: bool,
    ) -> Result<Vec<Made>, AdminError> {
        self.create_some(settings, inspection, &TopicKind::ALL, validate_only)
    }

    /// The same, of these kinds.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn create_some(
        &self,
        settings: &Settings,
        inspection: &Inspection,
        kinds: &[TopicKind],
        validate_only: bool,
    ) -> Result<Vec<Made>, AdminError> {
        let is_wanted = |report: &&TopicReport| report.found.is_none() && kinds.contains(&report.kind);
        let missing: Vec<&TopicReport> = inspection.own.iter().filter(is_wanted).collect();
        self.make(settings, inspection, &missing, validate_only)
    }

    /// Asks whether this user may make topics, by one that is not there and will not be made.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn may_create(&self, settings: &Settings, inspection: &Inspection) -> Result<Option<String>, AdminError> {
        let name = format!("{}{}", settings.topics.prefix, "check");
        let absent = TopicReport { kind: TopicKind::Pairs, name, found: None, differences: Vec::new() };
        let made = self.make(settings, inspection, &[&absent], true)?;
        Ok(made.into_iter().find_map(|made| made.fault))
    }

    fn make(
        &self,
        settings: &Settings,
        inspection: &Inspection,
        topics: &[&TopicReport],
        validate_only: bool,
    ) -> Result<Vec<Made>, AdminError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let there = |kind| {
            inspection
                .own
                .iter()
                .find(|report| report.kind == kind)
                .and_then(|it| it.found.as_ref())
                .map(|it| it.partitions)
        };
        let logs = LogPartitions {
            events: there(TopicKind::Events).unwrap_or(settings.logs.events_partitions),
            pairs: there(TopicKind::Pairs).unwrap_or(settings.logs.pairs_partitions),
        };
        let replicas = settings.topics.replication.map(u32::from).or_else(|| self.default_replication());
        let wanted: Vec<Vec<(&str, String)>> = topics.iter().map(|topic| topic.kind.settings(replicas)).collect();
        let replication = settings.topics.replication.map_or(REPLICATION_DEFAULT, i32::from);
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .zip(&wanted)
            .map(|(topic, wanted)| {
                let partitions = i32::try_from(topic.kind.partitions(logs)).unwrap_or(i32::MAX);
                let new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(replication));
                wanted.iter().fold(new, |new, (setting, value)| new.set(setting, value))
            })
            .collect();
        let options = options().validate_only(validate_only);
        let answers = self.runtime.block_on(self.client.create_topics(&new, &options));
        let answers = answers.map_err(|error| self.brokers("making topics", error))?;
        let mut faults: BTreeMap<String, String> =
            answers.into_iter().filter_map(Result::err).map(|(name, code)| (name, fault(code))).collect();
        let made = |topic: &&TopicReport| Made {
            kind: topic.kind,
            name: topic.name.clone(),
            fault: faults.remove(&topic.name),
        };
        Ok(topics.iter().map(made).collect())
    }

    /// Reads the settings of the topics that are there.
    fn describe(&self, names: &TopicNames, found: &mut BTreeMap<TopicKind, Found>) -> Result<(), AdminError> {
        let wanted: Vec<String> = found.keys().map(|kind| names.name(*kind)).collect();
        let resources: Vec<ResourceSpecifier<'_>> = wanted.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        if resources.is_empty() {
            return Ok(());
        }
        let answers = self.runtime.block_on(self.client.describe_configs(&resources, &options()));
        let answers = answers.map_err(|error| self.brokers("settings of topics", error))?;
        for resource in answers.into_iter().flatten() {
            let kind = found.keys().copied().find(|kind| is_topic(&resource, &names.name(*kind)));
            if let Some(found) = kind.and_then(|kind| found.get_mut(&kind)) {
                let entries = resource.entries.into_iter();
                found.settings = entries.filter_map(|entry| Some((entry.name, entry.value?))).collect();
            }
        }
        Ok(())
    }

    /// Partitions of a topic that have lost their first records.
    fn starts_lost(&self, topic: &str, partitions: u32) -> Result<Vec<(u32, u64)>, AdminError> {
        let mut lost = Vec::new();
        for partition in 0..partitions {
            let number = i32::try_from(partition).unwrap_or(i32::MAX);
            let low = self.first_offset(topic, number)?;
            if let Some(low) = u64::try_from(low).ok().filter(|&low| low > 0) {
                lost.push((partition, low));
            }
        }
        Ok(lost)
    }

    fn first_offset(&self, topic: &str, partition: i32) -> Result<i64, AdminError> {
        Ok(self.bounds(topic, partition)?.0)
    }

    /// Of a partition, the first offset and the next. One that was just made has no leader at first, or clients know of none: that
    /// passes.
    pub(super) fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), AdminError> {
        let until = Instant::now() + ANSWER_MAX;
        loop {
            match self.asker.fetch_watermarks(topic, partition, ANSWER_MAX) {
                Ok(bounds) => return Ok(bounds),
                Err(error) if is_refusal(&error) || Instant::now() >= until => {
                    return Err(self.brokers("offsets of topics", error));
                }
                Err(_) => std::thread::sleep(SHOWN_PAUSE),
            }
        }
    }

    /// How many copies the brokers make when they are not told; `None` when this user may not know.
    fn default_replication(&self) -> Option<u32> {
        let metadata = self.asker.fetch_metadata(None, ANSWER_MAX).ok()?;
        let broker = metadata.brokers().first()?.id();
        let resource = [ResourceSpecifier::Broker(broker)];
        let answers = self.runtime.block_on(self.client.describe_configs(&resource, &options())).ok()?;
        let answer = answers.into_iter().flatten().next()?;
        answer.get("default.replication.factor")?.value.as_deref()?.parse().ok()
    }

    /// Where the brokers are, for commands.
    pub(super) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(super) fn brokers(&self, what: &'static str, error: KafkaError) -> AdminError {
        for _ in 0..EVENTS_MAX {
            if self.asker.poll(Duration::ZERO).is_none() {
                break; // what came goes to `log`
            }
        }
        AdminError::Brokers {
            bootstrap: self.bootstrap.clone(),
            what,
            error: Box::new(error),
            errors: self.log.errors(),
        }
    }
}

fn told(errors: &[String]) -> String {
    errors.iter().map(|error| format!("; {error}")).collect()
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX))
}

fn is_topic(resource: &ConfigResource, name: &str) -> bool {
    matches!(&resource.specifier, OwnedResourceSpecifier::Topic(topic) if topic == name)
}

pub(super) fn topic(metadata: &Metadata, name: &str) -> Option<Found> {
    let topic = metadata.topics().iter().find(|topic| topic.name() == name && !topic.partitions().is_empty())?;
    let copies = topic.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(Found { partitions: count(topic.partitions().len()), replicas: count(copies), ..Found::default() })
}

fn sources(settings: &Settings, metadata: &Metadata) -> Vec<SourceTopic> {
    let with_topic = settings.sources.iter().filter_map(|source| Some((source, source.topic.clone()?)));
    with_topic
        .map(|(source, topic_name)| {
            let partitions = topic(metadata, &topic_name).map(|found| found.partitions);
            let nearest = if partitions.is_none() { nearest(metadata, &topic_name) } else { None };
            SourceTopic { source: source.name.clone(), topic: topic_name, partitions, nearest }
        })
        .collect()
}

/// What is there, and looks most like `wanted`.
pub(super) fn nearest(metadata: &Metadata, wanted: &str) -> Option<String> {
    let others = metadata.topics().iter().map(|topic| topic.name()).filter(|name| !name.starts_with("__"));
    let distances = others.map(|name| (strsim::damerau_levenshtein(name, wanted), name));
    let close = distances.filter(|(distance, name)| *distance <= wanted.len().max(name.len()) / 4).min();
    close.map(|(_, name)| name.to_owned())
}

/// What the brokers' refusal to make a topic means, and what to do.
fn fault(code: RDKafkaErrorCode) -> String {
    let what_to_do = match code {
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            ": it needs the right to Create, on the cluster or on topics of this prefix"
        }
        RDKafkaErrorCode::InvalidReplicationFactor => ": set topics.replication to at most the number of brokers",
        RDKafkaErrorCode::TopicAlreadyExists => {
            ": it is there, but not shown to this user: it needs the right to Describe"
        }
        RDKafkaErrorCode::PolicyViolation => ": a policy of the brokers forbids these settings; their log says which",
        _ => "",
    };
    format!("{}{what_to_do}", KafkaError::AdminOp(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_partitions_of_sources_than_fit_in_a_block_are_refused() {
        let source =
            |partitions| SourceTopic { source: "s".to_owned(), topic: "t".to_owned(), partitions, nearest: None };
        let of = |more| Inspection {
            brokers: 1,
            own: Vec::new(),
            sources: vec![source(Some(4000)), source(None), source(Some(more))],
            facts: Vec::new(),
        };
        assert_eq!(of(96).too_many_partitions(), None);
        let fault = of(97).too_many_partitions().unwrap();
        assert!(
            fault.starts_with("the topics of the sources have 4097 partitions together, 4096 are the limit"),
            "{fault}"
        );
    }
}
