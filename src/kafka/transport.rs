//! Kafka as the stages' workers see it: topics by the names that the settings give them, clients of a worker.

use super::follower::KafkaFollower;
use super::reader::KafkaReader;
use super::rejects::KafkaRejects;
use super::writer::KafkaWriter;
use crate::drive::{Topic, Transport, Trim, TrimDone, Vigil, Wake};
use crate::facts::FactsTopic;
use crate::memory::{Held, Sizes};
use crate::stage::Log;
use rdkafka::ClientConfig;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How to reach the brokers, and what topics and groups are called there.
#[derive(Clone)]
pub struct Names {
    /// The properties that all clients share.
    pub client: ClientConfig,
    /// By which this instance is known again to its groups (static membership), if it is to be.
    pub instance: Option<String>,
    /// Before the names of groups.
    pub prefix: String,
    /// The topics of the events, pairs, totals and lists logs.
    pub logs: [(Log, String); 4],
    /// The topics of sources, by the sources' names.
    pub sources: BTreeMap<Arc<str>, String>,
    /// The topics of facts.
    pub facts: BTreeMap<FactsTopic, String>,
    /// The topic of rejects.
    pub rejects: String,
    /// How large clients' buffers may be.
    pub sizes: Sizes,
    /// Where they say what they hold.
    pub held: Arc<Held>,
}

impl Names {
    /// Of clients that reach nothing.
    #[cfg(test)]
    pub(super) fn of(client: ClientConfig) -> Self {
        let logs = [Log::Events, Log::Pairs, Log::Totals, Log::Lists].map(|log| (log, log.name().to_owned()));
        let (sizes, held) = (Sizes::default(), Arc::default());
        let (sources, facts) = (BTreeMap::new(), BTreeMap::new());
        Self {
            client,
            instance: None,
            prefix: String::new(),
            logs,
            sources,
            facts,
            rejects: "rejects".to_owned(),
            sizes,
            held,
        }
    }

    fn topic(&self, topic: &Topic) -> &str {
        match topic {
            Topic::Log(log) => self.logs.iter().find(|(name, _)| name == log).map_or("", |(_, topic)| topic),
            Topic::Source(name) => self.sources.get(name).map_or("", String::as_str),
            Topic::Facts(topic) => self.facts.get(topic).map_or("", String::as_str),
        }
    }

    fn group(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// Makes the clients of one worker.
pub struct KafkaTransport {
    names: Arc<Names>,
    vigil: Arc<Vigil>,
    wake: Wake,
}

impl KafkaTransport {
    /// Of the worker that `vigil` and `wake` belong to.
    #[must_use]
    pub fn new(names: Arc<Names>, vigil: Arc<Vigil>, wake: Wake) -> Self {
        Self { names, vigil, wake }
    }
}

impl Transport for KafkaTransport {
    type Reader = KafkaReader;
    type Follower = KafkaFollower;
    type Writer = KafkaWriter;
    type Rejects = KafkaRejects;

    fn join(&self, group: &str, topic: &Topic) -> anyhow::Result<KafkaReader> {
        let Self { names, vigil, wake } = self;
        // Each worker is a member: one id for all of a process would fence its own.
        let instance = names.instance.as_ref().map(|instance| format!("{instance}.{}", vigil.name()));
        KafkaReader::join(names, &names.group(group), instance.as_deref(), names.topic(topic), vigil, wake)
    }

    fn follow(&self, topic: &Topic) -> anyhow::Result<KafkaFollower> {
        let Self { names, vigil, wake } = self;
        KafkaFollower::new(names, &names.group("follow"), names.topic(topic), vigil, wake)
    }

    fn writer(&self) -> anyhow::Result<KafkaWriter> {
        KafkaWriter::new(&self.names, &self.vigil)
    }

    fn rejects(&self) -> anyhow::Result<KafkaRejects> {
        KafkaRejects::new(&self.names, &self.vigil)
    }

    fn trim(&self, trims: Vec<Trim>, told: TrimDone) {
        let topic_of = |trim: &Trim| self.names.topic(&Topic::Log(trim.log)).to_owned();
        super::trimming::trim(&self.names.client, trims, topic_of, told);
    }
}
