//! samenloop's own topics: their names, the settings that each needs, and what is wrong with those that are there.
//!
//! The logs *are* the state: what a broker deletes from them was never counted. So a log that loses records is an error,
//! with which nothing may start; what costs only time, room or safety against a broker's loss is a warning.
//! Absent: the brokers (`admin`), and any change to a topic that is there: a difference comes with the command for it.

use crate::config::TopicsSettings;
use crate::limits::{AROUND_BYTES_MAX, MESSAGE_BYTES_MAX};
use std::collections::BTreeMap;
use std::fmt;

/// samenloop's topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicKind {
    /// The events log: intake's blocks, by user.
    Events,
    /// The pairs log: deltas, by item.
    Pairs,
    /// Totals that partitions of the pairs log tell each other.
    Totals,
    /// The published lists.
    Lists,
    /// Records that became no event.
    Rejects,
}

/// What the topics are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    prefix: String,
}

/// How many partitions the internal logs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPartitions {
    /// Of events.
    pub events: u32,
    /// Of pairs, and so of totals and lists.
    pub pairs: u32,
}

/// A topic as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its partitions.
    pub partitions: u32,
    /// Copies of the partition that has fewest.
    pub replicas: u32,
    /// Its settings by name; empty when the brokers do not show them.
    pub settings: BTreeMap<String, String>,
    /// Partitions that have lost their first records, with the first offset that each still holds.
    pub starts_lost: Vec<(u32, u64)>,
}

/// What is known of one of samenloop's topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    /// Which.
    pub kind: TopicKind,
    /// Its name.
    pub name: String,
    /// The topic; `None`: it is missing, or this user may not see it.
    pub found: Option<Found>,
    /// What is not as it should be.
    pub differences: Vec<Difference>,
}

/// One setting that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whether samenloop may run with it.
    pub severity: Severity,
    /// Its name.
    pub setting: String,
    /// Its value.
    pub found: String,
    /// What it should be.
    pub wanted: String,
    /// Why it matters.
    pub why: &'static str,
    /// What would mend it.
    pub command: String,
}

/// How bad a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// samenloop runs.
    Warning,
    /// samenloop refuses to run: counts would be lost or wrong.
    Error,
}

/// How a found value is held against the wanted one.
#[derive(Clone, Copy)]
enum Rule {
    /// The same text.
    Same(Severity, &'static str),
    /// At least this number, or -1.
    AtLeast(Severity, &'static str),
    /// Set when the topic is made; the operator may choose otherwise.
    AtCreation,
}

struct Wanted {
    setting: &'static str,
    value: String,
    rule: Rule,
}

const DAY_MS: u64 = 86_400_000;
/// A tombstone of a list stays this long: a subscriber that is away for less sees it.
const LIST_TOMBSTONES_MS: u64 = 7 * DAY_MS;
/// Time to look at rejects.
const REJECTS_MS: u64 = 14 * DAY_MS;
/// Compaction leaves the newest segment alone, and who starts reads all of it: so it must not grow to the usual 1 GiB.
const COMPACTED_SEGMENT_BYTES: u64 = 128 << 20;
/// The largest batch that a topic takes.
const SIZE: &str = "max.message.bytes";
/// In-sync copies that must have a record before it counts as written.
const INSYNC: u32 = 2;

impl TopicKind {
    /// All, in the order of the flow.
    pub const ALL: [Self; 5] = [Self::Events, Self::Pairs, Self::Totals, Self::Lists, Self::Rejects];

    /// Its name behind the prefix.
    #[must_use]
    pub fn name(self) -> &'static str {
        TopicsSettings::OWN[self as usize]
    }

    /// Whether it is part of what is counted, from its first record on.
    #[must_use]
    pub fn is_state(self) -> bool {
        matches!(self, Self::Events | Self::Pairs | Self::Totals)
    }

    /// How many partitions it is made with.
    #[must_use]
    pub fn partitions(self, logs: LogPartitions) -> u32 {
        match self {
            Self::Events => logs.events,
            Self::Pairs | Self::Totals | Self::Lists => logs.pairs,
            Self::Rejects => 1,
        }
    }

    /// The settings it is made with, by name. `replicas` is `None` where the brokers' default is not known.
    #[must_use]
    pub fn settings(self, replicas: Option<u32>) -> Vec<(&'static str, String)> {
        self.wanted(replicas).into_iter().map(|wanted| (wanted.setting, wanted.value)).collect()
    }

    fn wanted(self, replicas: Option<u32>) -> Vec<Wanted> {
        use Rule::{AtCreation, AtLeast, Same};
        use Severity::{Error, Warning};
        let of = |setting, value: &dyn ToString, rule| Wanted { setting, value: value.to_string(), rule };
        let mut wanted = match self {
            Self::Events | Self::Pairs | Self::Totals => vec![
                of(
                    "cleanup.policy",
                    &"delete",
                    Same(Error, "compaction would remove blocks that are part of the counts"),
                ),
                of("retention.ms", &-1, Same(Error, "the log is the state: what is deleted from it was never counted")),
                of(
                    "retention.bytes",
                    &-1,
                    Same(Error, "the log is the state: what is deleted from it was never counted"),
                ),
            ],
            Self::Lists => vec![
                of(
                    "cleanup.policy",
                    &"compact",
                    Same(Error, "the newest record of each list must stay, and only that"),
                ),
                of(
                    "delete.retention.ms",
                    &LIST_TOMBSTONES_MS,
                    AtLeast(Warning, "a subscriber that is away for longer does not hear that a list is gone"),
                ),
                of("segment.bytes", &COMPACTED_SEGMENT_BYTES, AtCreation),
            ],
            Self::Rejects => vec![
                of(
                    "cleanup.policy",
                    &"delete",
                    Same(Warning, "rejects of one key would replace each other, or never end"),
                ),
                of("retention.ms", &REJECTS_MS, AtCreation),
            ],
        };
        let size = "a block, a list or a reject larger than this cannot be written, and stops who writes it";
        wanted.push(of(SIZE, &MESSAGE_BYTES_MAX, AtLeast(Warning, size)));
        let codec = "the brokers would pack each record again, in their own time";
        wanted.push(of("compression.type", &"producer", Same(Warning, codec)));
        let stamp = "delays are measured from the time that samenloop writes";
        wanted.push(of("message.timestamp.type", &"CreateTime", Same(Warning, stamp)));
        if let Some(replicas) = replicas {
            let insync = "a record that counts as written may be on one machine only, and be lost with it";
            wanted.push(of("min.insync.replicas", &INSYNC.min(replicas), AtLeast(Warning, insync)));
        }
        wanted
    }
}

impl TopicNames {
    /// The names by the settings.
    #[must_use]
    pub fn new(settings: &TopicsSettings) -> Self {
        Self { prefix: settings.prefix.clone() }
    }

    /// The name of a topic.
    #[must_use]
    pub fn name(&self, kind: TopicKind) -> String {
        format!("{}{}", self.prefix, kind.name())
    }
}

impl TopicReport {
    /// What there is to say of a topic that was `found` on `brokers`, or not. `pairs` is how many partitions the pairs
    /// log has, or will have. `bootstrap` is for the commands.
    #[must_use]
    pub fn new(kind: TopicKind, name: String, found: Option<Found>, cluster: &Cluster<'_>) -> Self {
        let differences = found.as_ref().map(|found| judge(kind, &name, found, cluster)).unwrap_or_default();
        Self { kind, name, found, differences }
    }

    /// The worst of the differences.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.differences.iter().map(|difference| difference.severity).max()
    }
}

/// What a topic is held against beside its own settings.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// Brokers there are.
    pub brokers: usize,
    /// Partitions that totals and lists must have.
    pub pairs: u32,
    /// At what size a block is closed.
    pub block_bytes: u64,
    /// For the commands.
    pub bootstrap: &'a str,
}

fn judge(kind: TopicKind, name: &str, found: &Found, cluster: &Cluster<'_>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let wanted_partitions = matches!(kind, TopicKind::Totals | TopicKind::Lists).then_some(cluster.pairs);
    differences.extend(wanted_partitions.filter(|wanted| *wanted != found.partitions).map(|wanted| {
        let why = "each partition of pairs has its own partition of totals and lists";
        let command = if found.partitions < wanted {
            format!("{} --alter --topic {name} --partitions {wanted}", tool("topics", cluster))
        } else {
            let create = "samenloop topics --create";
            format!(
                "{} --delete --topic {name}   (partitions cannot be taken away), then: {create}",
                tool("topics", cluster)
            )
        };
        difference(Severity::Error, "partitions", &found.partitions, &wanted, why, command)
    }));
    differences.extend(lost(kind, found));
    if found.settings.is_empty() {
        let why = "what they are cannot be checked";
        let command = format!(
            "{} --add --allow-principal User:NAME --operation DescribeConfigs --topic {name}",
            tool("acls", cluster)
        );
        differences.push(difference(Severity::Warning, "settings", &"not shown to this user", &"shown", why, command));
        return differences;
    }
    for wanted in kind.wanted(Some(found.replicas)) {
        let is = found.settings.get(wanted.setting).map_or("", String::as_str);
        let (severity, why) = match wanted.rule {
            _ if wanted.setting == SIZE && takes_no_block(kind, is, cluster) => (
                Severity::Error,
                "not even a block of logs.block_bytes can be written: raise it, or lower logs.block_bytes",
            ),
            Rule::Same(severity, why) if is != wanted.value => (severity, why),
            Rule::AtLeast(severity, why) if !at_least(is, &wanted.value) => (severity, why),
            _ => continue,
        };
        let command = alter(name, wanted.setting, &wanted.value, cluster.bootstrap);
        differences.push(difference(severity, wanted.setting, &is, &wanted.value, why, command));
    }
    differences.extend(copies(name, found, cluster));
    differences
}

/// What is wrong where a log that is the state has lost its start.
fn lost(kind: TopicKind, found: &Found) -> Option<Difference> {
    let &(partition, low) = found.starts_lost.first().filter(|_| kind.is_state())?;
    let why = "the log is the state: what its first records held cannot be counted again";
    let found = format!("offset {low} (partition {partition}, and {} more)", found.starts_lost.len() - 1);
    let command = "bring the records back, or count anew: `samenloop rebuild` (docs/operations.md)".to_owned();
    Some(difference(Severity::Error, "first record", &found, &"at offset 0", why, command))
}

/// Whether a topic of blocks takes less than the size at which they are closed: who writes would stop there, at each start
/// again.
fn takes_no_block(kind: TopicKind, size: &str, cluster: &Cluster<'_>) -> bool {
    let is_of_blocks = matches!(kind, TopicKind::Events | TopicKind::Pairs);
    is_of_blocks && size.parse::<u64>().is_ok_and(|size| size < cluster.block_bytes + AROUND_BYTES_MAX as u64)
}

/// What is wrong with how many copies there are.
fn copies(name: &str, found: &Found, cluster: &Cluster<'_>) -> Option<Difference> {
    let insync = found.settings.get("min.insync.replicas").and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
    if insync > found.replicas {
        let command = alter(name, "min.insync.replicas", &INSYNC.min(found.replicas).to_string(), cluster.bootstrap);
        let why = "nothing can be written: it asks for more copies than there are";
        let wanted = format!("at most {}", found.replicas);
        return Some(difference(Severity::Error, "min.insync.replicas", &insync, &wanted, why, command));
    }
    if found.replicas > 1 || cluster.brokers < 2 {
        return None;
    }
    let reassign = tool("reassign-partitions", cluster);
    let command =
        format!("{reassign} --execute --reassignment-json-file FILE   (FILE names the brokers of each partition)");
    let why = "the loss of one broker loses what is on it";
    Some(difference(Severity::Warning, "replication", &1, &"2 or more", why, command))
}

fn difference(
    severity: Severity,
    setting: &str,
    found: &dyn fmt::Display,
    wanted: &dyn fmt::Display,
    why: &'static str,
    command: String,
) -> Difference {
    Difference {
        severity,
        setting: setting.to_owned(),
        found: found.to_string(),
        wanted: wanted.to_string(),
        why,
        command,
    }
}

/// -1 stands for no limit.
fn at_least(found: &str, wanted: &str) -> bool {
    match (found.parse::<i64>(), wanted.parse::<i64>()) {
        (Ok(found), Ok(wanted)) => found == -1 || found >= wanted,
        _ => false,
    }
}

fn tool(name: &str, cluster: &Cluster<'_>) -> String {
    tool_at(name, cluster.bootstrap)
}

fn tool_at(name: &str, bootstrap: &str) -> String {
    format!("kafka-{name}.sh --bootstrap-server {bootstrap}")
}

/// The command that sets a topic's setting.
pub(super) fn alter(name: &str, setting: &str, value: &str, bootstrap: &str) -> String {
    let tool = tool_at("configs", bootstrap);
    format!("{tool} --entity-type topics --entity-name {name} --alter --add-config {setting}={value}")
}

/// Why samenloop does not start on its topics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.join("\n"))]
pub struct TopicsRefused {
    /// What is wrong, one line each, with what to do.
    pub faults: Vec<String>,
}

/// How many partitions the logs have, when samenloop may run on these topics. Warnings are for the caller to tell.
///
/// # Errors
/// All topics that are missing, and all differences that would lose counts.
pub fn partitions_or_refuse(reports: &[TopicReport]) -> Result<LogPartitions, TopicsRefused> {
    let mut faults = Vec::new();
    for report in reports {
        if report.found.is_none() {
            let name = &report.name;
            faults.push(format!(
                "topic {name} is not there, or not shown to this user: `samenloop topics --create` makes it; \
                 to see it needs the right to Describe"
            ));
        }
        let errors = report.differences.iter().filter(|difference| difference.severity == Severity::Error);
        faults.extend(errors.map(|difference| format!("topic {}: {difference}", report.name)));
    }
    if !faults.is_empty() {
        return Err(TopicsRefused { faults });
    }
    let of = |kind| reports.iter().find(|report| report.kind == kind).and_then(|report| report.found.as_ref());
    let partitions = |kind| of(kind).map_or(0, |found| found.partitions);
    Ok(LogPartitions { events: partitions(TopicKind::Events), pairs: partitions(TopicKind::Pairs) })
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, found, wanted, why, command, .. } = self;
        write!(formatter, "{setting} is {found}, wanted is {wanted}: {why}. To mend it: {command}")
    }
}

#[cfg(test)]
mod tests;
