//! `[kafka]`: properties of librdkafka, passed through by name; which are refused because samenloop sets them itself, and
//! why; which are secrets.
//!
//! Names are as librdkafka writes them, dots included. In a file `sasl.username = "shop"` is three tables to TOML and one
//! property here; a variable has underscores for dots (`SAMENLOOP_KAFKA__SASL_USERNAME`).
//! Absent: whether a value is one that librdkafka takes. Only a client can tell (`edge`).

use super::KafkaSettings;
use super::kafka_names::PASSED_THROUGH;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use toml::{Table, Value};

/// The section, with its dot.
pub(super) const SECTION: &str = "kafka.";

/// What a secret prints as. Read back it would be a wrong password, so it is refused.
pub(super) const HIDDEN: &str = "***";

/// Properties that samenloop sets itself, with the reason.
const OWNED: [(&[&str], &str); 20] = [
    (
        &["enable.idempotence", "acks", "request.required.acks"],
        "samenloop writes its logs idempotently, which needs acknowledgements from all in-sync replicas",
    ),
    (
        &["enable.gapless.guarantee"],
        "a record that cannot be written must end the writer, or the log would lack it for ever",
    ),
    (
        &["max.in.flight", "max.in.flight.requests.per.connection"],
        "an idempotent writer keeps its order with at most 5 requests under way, which samenloop sets",
    ),
    (
        &["retries", "message.send.max.retries", "message.timeout.ms", "delivery.timeout.ms"],
        "samenloop decides how long a record is sent again: giving up early leaves a hole in a log",
    ),
    (
        &["transactional.id", "transaction.timeout.ms"],
        "samenloop is exactly once without transactions: positions in the logs tell what was counted",
    ),
    (&["message.max.bytes"], "the largest block of the logs decides it; the topics have the same limit"),
    (
        &["partitioner", "sticky.partitioning.linger.ms"],
        "samenloop chooses the partition of each record: counts depend on it",
    ),
    (
        &["delivery.report.only.error", "queuing.strategy", "produce.offset.report"],
        "samenloop goes by the report of every record, in order",
    ),
    (&["group.id"], "each stage has a group of its own, named after topics.prefix"),
    (
        &["group.protocol", "group.protocol.type", "group.remote.assignor", "partition.assignment.strategy"],
        "how instances share partitions is part of how they hand over their state",
    ),
    (
        &["enable.auto.commit", "auto.commit.enable", "auto.commit.interval.ms"],
        "offsets are committed when what was read is safely in a log, not by time",
    ),
    (
        &["enable.auto.offset.store", "offset.store.method", "offset.store.path", "offset.store.sync.interval.ms"],
        "positions come from samenloop's own logs",
    ),
    (
        &["auto.offset.reset"],
        "where a source starts is `start` of its [[source]]; a position that is gone must stop samenloop, not skip",
    ),
    (&["isolation.level"], "records of aborted transactions must not be counted"),
    (&["enable.partition.eof"], "samenloop must see where a partition ends"),
    (&["statistics.interval.ms"], "samenloop takes lag and round trips from librdkafka's statistics"),
    (
        &["allow.auto.create.topics"],
        "a topic made on the way has the wrong settings: `samenloop topics --create` makes them",
    ),
    (&["metadata.broker.list"], "it is another name of bootstrap.servers: set that"),
    (
        &["log_level", "log.level", "log.queue", "log.thread.name", "enabled_events", "internal.termination.signal"],
        "librdkafka's lines go through samenloop's own log: set log.level",
    ),
    (&["topic.blacklist", "consume.callback.max.messages", "builtin.features"], "it means nothing to samenloop"),
];

/// The property by which a member of a group is known again: of the readers of groups alone.
pub const INSTANCE: &str = "group.instance.id";

/// The property that names the brokers.
pub(super) const BOOTSTRAP: &str = "bootstrap.servers";

/// Properties as they were written: names with dots, values as text.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(try_from = "Table", into = "BTreeMap<String, String>")]
pub(super) struct RawKafka(pub(super) BTreeMap<String, String>);

impl RawKafka {
    /// The properties of a `[kafka]` table, however deep TOML nests them.
    ///
    /// # Errors
    /// A value that is no text, number or boolean. It is not repeated: it may be a secret.
    pub(super) fn from_table(table: &Table) -> Result<Self, String> {
        let mut properties = BTreeMap::new();
        flatten("", table, &mut properties)?;
        Ok(Self(properties))
    }

    /// As a table without nesting.
    pub(super) fn into_table(self) -> Table {
        self.0.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
    }
}

fn flatten(above: &str, table: &Table, into: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in table {
        let name = format!("{above}{key}");
        let text = match value {
            Value::Table(inner) => {
                flatten(&format!("{name}."), inner, into)?;
                continue;
            }
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Datetime(_) | Value::Array(_) => {
                return Err(format!("{SECTION}{name} must be a text, a number, true or false"));
            }
        };
        if into.insert(name.clone(), text).is_some() {
            return Err(format!("{SECTION}{name} is there twice, once in quotes and once without"));
        }
    }
    Ok(())
}

/// The name of a property in a variable: `SASL_PASSWORD`.
pub(super) fn of_variable(rest: &str) -> String {
    rest.to_ascii_lowercase().replace("__", ".").replace('_', ".")
}

/// Why samenloop does not pass it through, when it sets it itself.
pub(super) fn owned(name: &str) -> Option<&'static str> {
    OWNED.iter().find(|(names, _)| names.contains(&name)).map(|(_, reason)| *reason)
}

/// Whether librdkafka knows it.
pub(super) fn is_known(name: &str) -> bool {
    PASSED_THROUGH.contains(&name)
}

/// The property that `wrong` was most likely meant to be.
pub(super) fn nearest(wrong: &str) -> Option<&'static str> {
    let distances = PASSED_THROUGH.iter().map(|known| (strsim::damerau_levenshtein(known, wrong), *known));
    let close = distances.filter(|(distance, known)| *distance <= wrong.len().max(known.len()) / 4);
    close.min().map(|(_, known)| known)
}

impl KafkaSettings {
    /// Whether the value of a property must never be shown.
    #[must_use]
    pub fn is_secret(name: &str) -> bool {
        ["password", "passphrase", "secret", ".pem", "oauthbearer.config"].iter().any(|part| name.contains(part))
    }
}

impl From<&KafkaSettings> for RawKafka {
    fn from(settings: &KafkaSettings) -> Self {
        let shown = |(name, value): (&String, &String)| {
            let value = if KafkaSettings::is_secret(name) { HIDDEN } else { value };
            (name.clone(), value.to_owned())
        };
        Self(settings.properties.iter().map(shown).collect())
    }
}

impl TryFrom<Table> for RawKafka {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        Self::from_table(&table)
    }
}

impl From<RawKafka> for BTreeMap<String, String> {
    fn from(raw: RawKafka) -> Self {
        raw.0
    }
}

impl fmt::Debug for RawKafka {
    /// Names only: a value may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_passed_through_or_owned_and_never_both() {
        assert!(PASSED_THROUGH.is_sorted());
        let mut owned: Vec<&str> = OWNED.iter().flat_map(|(names, _)| names.iter().copied()).collect();
        assert!(owned.iter().all(|name| !is_known(name)));
        let names = owned.len();
        owned.sort_unstable();
        owned.dedup();
        assert_eq!(owned.len(), names, "one reason each");
    }

    #[test]
    fn what_holds_a_secret_is_known_by_its_name() {
        let secrets: Vec<&str> = PASSED_THROUGH.into_iter().filter(|name| KafkaSettings::is_secret(name)).collect();
        assert_eq!(
            secrets,
            [
                "https.ca.pem",
                "sasl.oauthbearer.assertion.private.key.passphrase",
                "sasl.oauthbearer.assertion.private.key.pem",
                "sasl.oauthbearer.client.credentials.client.secret",
                "sasl.oauthbearer.client.secret",
                "sasl.oauthbearer.config",
                "sasl.password",
                "ssl.ca.pem",
                "ssl.certificate.pem",
                "ssl.key.password",
                "ssl.key.pem",
                "ssl.keystore.password",
            ]
        );
    }
}
