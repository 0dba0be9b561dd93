//! Raw → checked, for what a run on Kafka needs.

use super::check::Check;
use super::kafka::{self, BOOTSTRAP, HIDDEN};
use super::layers::property_variable;
use super::problem::{Layer, Problem};
use super::raw::{RawRegistry, RawSettings};
use super::{
    FactsSourceSettings, KafkaSettings, RegistrySettings, Secret, SourceSettings, TopicsSettings, WorkersSettings,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Longest name of a topic that Kafka takes.
pub(super) const TOPIC_NAME_BYTES_MAX: usize = 249;
/// Longest prefix: leaves room for every name behind it.
const PREFIX_BYTES_MAX: usize = 200;
/// Copies of a partition; more than brokers in any cluster that would take them.
const REPLICATION_MAX: u16 = 32;
/// Threads of one stage in one process.
const WORKERS: RangeInclusive<usize> = 1..=64;

/// What is wrong with the name of a topic, if anything.
pub(super) fn topic_fault(name: &str) -> Option<String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.len() > TOPIC_NAME_BYTES_MAX {
        return Some(format!("has {} bytes, a topic's name has at most {TOPIC_NAME_BYTES_MAX}", name.len()));
    }
    let dots = matches!(name, "" | "." | "..");
    (dots || !name.bytes().all(legal)).then(|| "is no topic's name: letters, digits, . _ and - may be in it".to_owned())
}

impl Check<'_> {
    pub(super) fn kafka(&mut self, raw: &RawSettings) -> KafkaSettings {
        let mut properties = BTreeMap::new();
        for (name, value) in &raw.kafka.0 {
            let key = format!("{}{name}", kafka::SECTION);
            let layer = self.layer(&key);
            // The value may be a secret: it stays unsaid, whatever is wrong.
            let refuse =
                |reason: &str| Problem::Limit { setting: key.clone(), layer: layer.clone(), reason: reason.to_owned() };
            if let Some(reason) = kafka::owned(name) {
                self.problems.push(refuse(&format!("is set by samenloop: {reason}")));
            } else if !kafka::is_known(name) {
                let nearest = kafka::nearest(name).map(|known| match &layer {
                    Layer::Environment(_) => property_variable(known),
                    _ => format!("{}{known}", kafka::SECTION),
                });
                self.problems.push(Problem::UnknownProperty { layer, key, nearest });
            } else if value == HIDDEN {
                self.problems
                    .push(refuse("*** is what `samenloop config` prints for a secret: write the secret itself"));
            } else if name == BOOTSTRAP && value.trim().is_empty() {
                self.problems.push(refuse("must name a broker, as in 127.0.0.1:9092"));
            } else {
                properties.insert(name.clone(), value.clone());
            }
        }
        let settings = KafkaSettings { properties };
        self.queue(&settings);
        settings
    }

    pub(super) fn topics(&mut self, raw: &RawSettings) -> TopicsSettings {
        let raw = &raw.topics;
        if raw.prefix.len() > PREFIX_BYTES_MAX {
            let reason = format!("has {} bytes, at most {PREFIX_BYTES_MAX} are allowed", raw.prefix.len());
            self.refuse("topics.prefix", &raw.prefix, reason);
        } else if let Some(reason) = topic_fault(&raw.prefix) {
            // The fault is one of the whole name as well, but for a dot alone, which nobody needs.
            self.refuse("topics.prefix", &raw.prefix, reason);
        }
        let replication = self.within("topics.replication", raw.replication, &(0..=REPLICATION_MAX));
        TopicsSettings { prefix: raw.prefix.clone(), replication: (replication != 0).then_some(replication) }
    }

    pub(super) fn registry(&mut self, raw: &RawSettings) -> RegistrySettings {
        let raw = &raw.registry;
        let url = raw.url.trim_end_matches('/');
        // A registry of several nodes has several, with commas between them.
        if let Some(reason) = url.split(',').find_map(|url| url_fault(url.trim())).filter(|_| !url.is_empty()) {
            // Not repeated: it may hold a password.
            let problem =
                Problem::Limit { setting: "registry.url".to_owned(), layer: self.layer("registry.url"), reason };
            self.problems.push(problem);
        }
        for (key, secret) in [("registry.password", &raw.password), ("registry.token", &raw.token)] {
            if secret.0 == HIDDEN {
                let reason = "*** is what `samenloop config` prints for a secret: write the secret itself";
                self.refuse(key, HIDDEN, reason.to_owned());
            }
        }
        self.registry_login(raw);
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        RegistrySettings {
            url: text(url),
            user: text(&raw.user),
            password: Secret::new(raw.password.0.clone()),
            token: Secret::new(raw.token.0.clone()),
            register: raw.register,
        }
    }

    /// One way to log in, and all of it.
    fn registry_login(&mut self, raw: &RawRegistry) {
        let layer = self.layer("registry.token");
        let by_name = !raw.user.is_empty() || !raw.password.0.is_empty();
        if by_name && !raw.token.0.is_empty() {
            let reason = format!("registry.token is set too ({layer}): set a name and a password, or a token");
            let key = if raw.user.is_empty() { "registry.password" } else { "registry.user" };
            self.refuse(key, HIDDEN, reason);
        } else if raw.user.is_empty() && !raw.password.0.is_empty() {
            self.refuse("registry.password", HIDDEN, "needs a registry.user".to_owned());
        } else if raw.user.contains(':') {
            self.refuse(
                "registry.user",
                HIDDEN,
                "must not hold a colon: basic authentication ends it there".to_owned(),
            );
        }
    }

    pub(super) fn workers(&mut self, raw: &RawSettings) -> WorkersSettings {
        WorkersSettings {
            intake: self.within("workers.intake", raw.workers.intake, &WORKERS),
            windows: self.within("workers.windows", raw.workers.windows, &WORKERS),
            rows: self.within("workers.rows", raw.workers.rows, &WORKERS),
        }
    }

    /// What is wrong with a topic of facts, if anything.
    pub(super) fn facts_topic(&self, source: &FactsSourceSettings, prefix: &str) -> Option<String> {
        let topic = source.topic.as_deref()?;
        if let Some(fault) = topic_fault(topic) {
            return Some(format!("topic {topic:?} {fault}"));
        }
        let is_own = topic.strip_prefix(prefix).is_some_and(|rest| TopicsSettings::OWN.contains(&rest));
        is_own.then(|| format!("topic {topic} is one of samenloop's own: it holds no facts"))
    }

    /// What is wrong with a source's topic, if anything; `earlier` are the sources before it.
    pub(super) fn source_topic(source: &SourceSettings, earlier: &[SourceSettings], prefix: &str) -> Option<String> {
        let topic = source.topic.as_deref()?;
        if let Some(fault) = topic_fault(topic) {
            return Some(format!("topic {topic:?} {fault}"));
        }
        if topic.strip_prefix(prefix).is_some_and(|rest| TopicsSettings::OWN.contains(&rest)) {
            return Some(format!("topic {topic} is one of samenloop's own: it would read what it wrote"));
        }
        let other = earlier.iter().find(|other| other.topic.as_deref() == Some(topic))?;
        Some(format!(
            "topic {topic} is read by source {:?} already: one source's mapping can tell its events apart by a field",
            other.name
        ))
    }
}

fn url_fault(url: &str) -> Option<String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/')) else {
        return Some("must begin with http:// or https:// and a host, as in http://127.0.0.1:8081".to_owned());
    };
    let host = rest.split('/').next().unwrap_or(rest);
    if host.contains('@') {
        return Some("must not hold a name and a password: set registry.user and registry.password".to_owned());
    }
    rest.contains(['?', '#', ' ']).then(|| "must end with a path, without a query".to_owned())
}
