//! The topics of facts: whether they are there and compacted; and the making of the one that may be samenloop's own.
//!
//! What is wrong with them is never an error: facts are waited for, as the settings say, and a topic that is not compacted is read all the
//! same.

use super::admin::{Admin, AdminError, nearest, options, topic};
use super::topics::alter;
use crate::config::Settings;
use crate::facts::FactsTopic;
use rdkafka::admin::{NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication};
use rdkafka::metadata::Metadata;
use std::collections::BTreeMap;

/// Name, behind the prefix, of the topic of verdicts that is samenloop's own.
const VERDICTS: &str = "verdicts";
/// Stands for the brokers' own default in a request to make a topic.
const REPLICATION_DEFAULT: i32 = -1;
/// What makes the newest record of each key stay.
const COMPACT: &str = "compact";

/// A topic of facts, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactsTopicReport {
    /// Of which kind.
    pub topic: FactsTopic,
    /// Its name.
    pub name: String,
    /// Whether it is samenloop's to make.
    pub is_own: bool,
    /// Its partitions; `None`: it is missing, or this user may not see it.
    pub partitions: Option<u32>,
    /// What is there, and looks most like it.
    pub nearest: Option<String>,
    /// What is wrong with it, and what to do.
    pub warning: Option<String>,
}

impl FactsTopicReport {
    /// What there is to say of it.
    #[must_use]
    pub fn says(&self) -> String {
        let kind = self.topic.name();
        match (self.partitions, &self.nearest) {
            (Some(count), _) => format!("{count} partitions, of facts.{kind}"),
            (None, _) if self.is_own => {
                format!("missing, of facts.{kind}: `samenloop topics --create` makes it")
            }
            (None, Some(near)) => format!("missing, of facts.{kind}; there is a topic {near}"),
            (None, None) => format!("missing, of facts.{kind}; facts are waited for as facts.when_away says"),
        }
    }
}

impl Admin {
    /// What there is of the topics of facts.
    pub(super) fn facts(&self, settings: &Settings, metadata: &Metadata) -> Result<Vec<FactsTopicReport>, AdminError> {
        let named: Vec<(FactsTopic, String)> =
            settings.facts.sources.iter().filter_map(|source| Some((source.kind(), source.topic.clone()?))).collect();
        let there: Vec<&str> =
            named.iter().map(|(_, name)| name.as_str()).filter(|name| topic(metadata, name).is_some()).collect();
        let policies = self.policies(&there)?;
        let own = format!("{}{VERDICTS}", settings.topics.prefix);
        let report = |(kind, name): (FactsTopic, String)| {
            let partitions = topic(metadata, &name).map(|found| found.partitions);
            let warning = policies.get(&name).filter(|policy| !policy.split(',').any(|one| one == COMPACT));
            let warning = warning.map(|policy| {
                let mend = alter(&name, "cleanup.policy", COMPACT, self.bootstrap());
                format!(
                    "cleanup.policy is {policy}, wanted is {COMPACT}: the newest fact of each key must stay, or it is forgotten at the \
                     next start. To mend it: {mend}"
                )
            });
            let nearest = if partitions.is_none() { nearest(metadata, &name) } else { None };
            let is_own = kind == FactsTopic::Verdicts && name == own;
            FactsTopicReport { topic: kind, name, is_own, partitions, nearest, warning }
        };
        Ok(named.into_iter().map(report).collect())
    }

    /// What is deleted from topics, by their names; of those whose settings this user may not see nothing is said.
    fn policies(&self, names: &[&str]) -> Result<BTreeMap<String, String>, AdminError> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let resources: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answers = self.runtime.block_on(self.client.describe_configs(&resources, &options()));
        let answers = answers.map_err(|error| self.brokers("settings of topics", error))?;
        let policy = |resource: rdkafka::admin::ConfigResource| {
            let policy = resource.get("cleanup.policy")?.value.clone()?;
            match resource.specifier {
                OwnedResourceSpecifier::Topic(name) => Some((name, policy)),
                _ => None,
            }
        };
        Ok(answers.into_iter().flatten().filter_map(policy).collect())
    }

    /// Makes samenloop's own topics of facts that are missing; gives their names, and what was wrong.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn create_facts(
        &self,
        settings: &Settings,
        reports: &[FactsTopicReport],
        validate_only: bool,
    ) -> Result<Vec<(String, Option<String>)>, AdminError> {
        let missing = reports.iter().filter(|report| report.is_own && report.partitions.is_none());
        let missing: Vec<&str> = missing.map(|report| report.name.as_str()).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let copies = settings.topics.replication.map_or(REPLICATION_DEFAULT, i32::from);
        let topic = |name| NewTopic::new(name, 1, TopicReplication::Fixed(copies));
        let new = missing.iter().map(|name| topic(name).set("cleanup.policy", COMPACT));
        let new: Vec<NewTopic<'_>> = new.collect();
        let asked = self.client.create_topics(&new, &options().validate_only(validate_only));
        let answers = self.runtime.block_on(asked).map_err(|error| self.brokers("making topics", error))?;
        let faults: BTreeMap<String, String> =
            answers.into_iter().filter_map(Result::err).map(|(name, code)| (name, code.to_string())).collect();
        Ok(missing.into_iter().map(|name| (name.to_owned(), faults.get(name).cloned())).collect())
    }
}
