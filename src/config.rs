//! Settings: from raw texts to checked rules in plain units.
//!
//! Layers, from low to high: the defaults, a TOML file, environment variables (`SAMENLOOP_COUNTING__SESSION_GAP=30m`: two
//! underscores between levels), flags (`--set counting.session_gap=30m`). A key that no layer can have is refused with
//! the nearest one there is; a value out of its limits, or at odds with another, is refused with the layer it came from.
//! All that is wrong is said at once.
//!
//! `samenloop.toml` at the top level shows every key with its default. Invariants: [`Settings`] are always within their
//! limits when they come from [`Settings::load`]; printing them ([`Settings::to_toml`]) and loading what was printed gives
//! the same settings, but for secrets, which print as `***`.
//! Absent: IO. The command line reads files and the environment, and hands over texts.

mod beside;
mod check;
mod check_kafka;
mod clicks;
mod facts;
mod file_form;
mod http;
mod kafka;
mod kafka_names;
mod keys;
mod layers;
mod problem;
mod lists;
mod memory;
mod placements;
mod raw;
mod snapshots;
mod source;
mod units;
mod warm;

pub use facts::{FactsSettings, FactsSourceSettings, WhenAway};
pub use file_form::{FileForm, Header, Quote};
pub use kafka::INSTANCE;
pub use kafka_names::PASSED_THROUGH;
pub use layers::{CONFIG_FILE_VARIABLE, Flag, Layers};
pub use memory::MemorySettings;
pub use problem::{ConfigError, Layer, Problem};
pub use snapshots::SnapshotSettings;
pub use warm::{CacheUrl, WarmSettings, WarmValue};

use crate::event::EventTime;
use crate::intake::MappingSpec;
use crate::limits::GAP_WAIT_MS;
use crate::list_key::ListName;
use crate::rules::{ClickRules, CountingRules, DAY_MS, ListRules, PublishRules};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Every setting with its default and what it does: the `samenloop.toml` of the repository.
pub const ANNOTATED: &str = include_str!("../samenloop.toml");

/// The effective settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What is counted. Part of a log's identity.
    pub counting: CountingRules,
    /// What is accepted, and how a backlog is merged.
    pub intake: IntakeSettings,
    /// What each list shows, by [`crate::list_key::ListName::index`].
    pub lists: [ListRules; ListName::COUNT],
    /// When a list is published.
    pub publish: PublishRules,
    /// The endpoint for metrics, lists and rows.
    pub http: HttpSettings,
    /// What is written to stderr.
    pub log: LogSettings,
    /// The internal logs.
    pub logs: LogsSettings,
    /// The brokers, and how to reach them.
    pub kafka: KafkaSettings,
    /// Names and settings of samenloop's own topics.
    pub topics: TopicsSettings,
    /// The schema registry.
    pub registry: RegistrySettings,
    /// What the lists topic holds.
    pub output: OutputSettings,
    /// Where the state is kept, and how often.
    pub snapshots: SnapshotSettings,
    /// Threads of `run`.
    pub workers: WorkersSettings,
    /// What the process may take.
    pub memory: MemorySettings,
    /// What is known of items, and where it comes from.
    pub facts: FactsSettings,
    /// Which impressions and clicks are told.
    pub clicks: ClickRules,
    /// The cache that `warm` keeps.
    pub warm: WarmSettings,
    /// Where events come from.
    pub sources: Vec<SourceSettings>,
}

/// Properties of librdkafka, as they are given to every client. None of them is one that samenloop sets itself.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// By name, such as `bootstrap.servers`. Some are secrets.
    pub properties: BTreeMap<String, String>,
}

/// Names and settings of samenloop's own topics. What partitions the logs have is in [`LogsSettings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsSettings {
    /// Before every topic's and every consumer group's name.
    pub prefix: String,
    /// Copies of each partition; `None` is the brokers' default.
    pub replication: Option<u16>,
}

/// The schema registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Where it is, without a slash at the end; `None`: there is none.
    pub url: Option<String>,
    /// Name for basic authentication.
    pub user: Option<String>,
    /// Password for basic authentication.
    pub password: Secret,
    /// Bearer token, instead of name and password.
    pub token: Secret,
    /// Whether the schemas of the lists topic may be registered; otherwise they must be there.
    pub register: bool,
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

/// What the lists topic holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputSettings {
    /// How keys and values are written.
    pub format: OutputFormat,
}

/// How lists are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Avro, key and value, by the schemas in `schemas/`, in the registry's wire format.
    #[default]
    Avro,
    /// One JSON object; the key is the text `shop/list/item`.
    Json,
}

/// Threads of `run`: each is a member of its stage's consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkersSettings {
    /// Threads that read sources.
    pub intake: usize,
    /// Threads that read the events log.
    pub windows: usize,
    /// Threads that read the pairs log.
    pub rows: usize,
}

/// The settings of intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakeSettings {
    /// An event further ahead of its Kafka timestamp and the clock than this gets the earlier of the two as its time.
    pub max_ahead_ms: i64,
    /// An event before this is a reject.
    pub earliest_time: EventTime,
    /// In a file, a time further ahead of those around it than this is set aside, if any is.
    pub max_jump_ms: Option<i64>,
    /// Within an instance, a source this much event time ahead of the slowest one that is behind is paused.
    pub align_ms: i64,
    /// Bound of the buffers that merge a backlog.
    pub merge_buffer_bytes: u64,
    /// While a source is further from its end than this, lists stay silent.
    pub history_ms: i64,
    /// Key of the user fingerprints.
    pub user_secret: UserSecret,
    /// File that holds the secret instead; whoever reads it calls [`IntakeSettings::set_user_secret`].
    pub user_secret_file: Option<PathBuf>,
}

/// Key of the user fingerprints. Never printed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct UserSecret([u8; 16]);

/// Where and whether HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Whether it is served at all.
    pub enabled: bool,
    /// Host and port.
    pub listen: String,
    /// Who says this may read and write verdicts; without it nobody may.
    pub token: Secret,
    /// File that holds the token instead; whoever reads it calls [`HttpSettings::set_token`].
    pub token_file: Option<PathBuf>,
    /// The other instances, host and port each, whom recommendations ask for lists that are not here.
    pub peers: Vec<String>,
}

/// Logging to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The least severe lines that are written.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What ends the program or loses something.
    Error,
    /// What a person should look at.
    Warn,
    /// The milestones of a run.
    Info,
    /// Decisions, one by one; user fingerprints may appear from here on.
    Debug,
    /// Everything.
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The internal logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsSettings {
    /// Partitions of the events log.
    pub events_partitions: u32,
    /// Partitions of the pairs log.
    pub pairs_partitions: u32,
    /// Most entries in one block.
    pub block_records: usize,
    /// A block is closed when it reaches this size.
    pub block_bytes: u64,
    /// How long something may be missing from a log before a stage stops.
    pub gap_wait_ms: i64,
}

/// One source of events.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSettings {
    /// Its name in logs, metrics and rejects.
    pub name: String,
    /// File it is read from.
    pub file: Option<String>,
    /// Topic it is read from.
    pub topic: Option<String>,
    /// Where a topic is read from that the events log knows nothing of yet.
    pub start: Start,
    /// File that holds the schema by which its values are written as bare Avro; without it they name a registry's.
    pub schema_file: Option<String>,
    /// File of the Avro schema whose fields the mapping names.
    pub reader_schema_file: Option<String>,
    /// How its file is written.
    pub form: FileForm,
    /// How its records become events: `type`, `format`, `fields`. Known to compile.
    pub mapping: MappingSpec,
}

/// Where a source starts, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At the first record that the topic still holds.
    #[default]
    Earliest,
    /// At what comes next.
    Latest,
}

impl TopicsSettings {
    /// What each of samenloop's own topics is called behind the prefix.
    pub const OWN: [&str; 5] = ["events", "pairs", "totals", "lists", "rejects"];
}

impl Settings {
    /// Puts the layers together and checks the whole.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(layers: &Layers) -> Result<Self, ConfigError> {
        let merged = layers::merge(layers)?;
        check::settings(&merged)
    }

    /// The settings as TOML, every key, secrets hidden.
    ///
    /// # Errors
    /// When a value of a source cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(&raw::RawSettings::from(self))
    }

    /// The rules of the list called `name`.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<&ListRules> {
        ListName::find(name).map(|list| &self.lists[list.index()])
    }
}

impl IntakeSettings {
    /// Takes the secret from the text of [`IntakeSettings::user_secret_file`]: 32 hexadecimal digits.
    ///
    /// # Errors
    /// When it is anything else. The message does not repeat the text.
    pub fn set_user_secret(&mut self, text: &str) -> Result<(), ConfigError> {
        let parsed = UserSecret::parse(text.trim());
        self.user_secret = parsed.ok_or_else(|| {
            ConfigError::one(Problem::Limit {
                setting: "intake.user_secret_file".to_owned(),
                layer: Layer::Default,
                reason: UserSecret::EXPECTED.to_owned(),
            })
        })?;
        Ok(())
    }
}

impl UserSecret {
    pub(crate) const EXPECTED: &str = "a user secret is 32 hexadecimal digits (16 bytes) that are not all 0";

    fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let number = u128::from_str_radix(hex, 16).ok()?;
        (number != 0).then(|| Self(number.to_be_bytes()))
    }

    /// The bytes; all zeros when none is configured.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// Whether one is configured.
    #[must_use]
    pub fn is_set(self) -> bool {
        self != Self::default()
    }
}

impl fmt::Debug for UserSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_set() { "***" } else { "none" })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            counting: CountingRules::default(),
            intake: IntakeSettings::default(),
            lists: ListRules::defaults(),
            publish: PublishRules::default(),
            http: HttpSettings::default(),
            log: LogSettings::default(),
            logs: LogsSettings::default(),
            kafka: KafkaSettings::default(),
            topics: TopicsSettings::default(),
            registry: RegistrySettings { register: true, ..RegistrySettings::default() },
            output: OutputSettings { format: OutputFormat::Avro },
            snapshots: SnapshotSettings::default(),
            workers: WorkersSettings::default(),
            memory: MemorySettings::default(),
            facts: FactsSettings::default(),
            clicks: ClickRules::default(),
            warm: WarmSettings::default(),
            sources: Vec::new(),
        }
    }
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self { properties: BTreeMap::from([("bootstrap.servers".to_owned(), "127.0.0.1:9092".to_owned())]) }
    }
}

impl Default for TopicsSettings {
    fn default() -> Self {
        Self { prefix: "samenloop.".to_owned(), replication: None }
    }
}

impl Default for WorkersSettings {
    fn default() -> Self {
        Self { intake: 1, windows: 1, rows: 1 }
    }
}

impl Secret {
    /// A secret; empty is none.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for whoever sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether one is configured.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_set() { "***" } else { "none" })
    }
}

impl fmt::Debug for KafkaSettings {
    /// Names only: a value may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.properties.keys()).finish()
    }
}

impl Default for IntakeSettings {
    fn default() -> Self {
        const HOUR_MS: i64 = DAY_MS / 24;
        Self {
            max_ahead_ms: HOUR_MS / 12,
            earliest_time: EventTime(946_684_800_000), // 2000-01-01
            max_jump_ms: Some(30 * DAY_MS),
            align_ms: HOUR_MS,
            merge_buffer_bytes: 256 << 20,
            history_ms: 6 * HOUR_MS,
            user_secret: UserSecret::default(),
            user_secret_file: None,
        }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        let listen = "127.0.0.1:9180".to_owned();
        Self { enabled: true, listen, token: Secret::default(), token_file: None, peers: Vec::new() }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text }
    }
}

impl Default for LogsSettings {
    fn default() -> Self {
        Self {
            events_partitions: 1,
            pairs_partitions: 1,
            block_records: 65_536,
            block_bytes: 512 << 10,
            gap_wait_ms: GAP_WAIT_MS,
        }
    }
}

#[cfg(test)]
mod tests;
