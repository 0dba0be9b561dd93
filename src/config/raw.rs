//! The settings as they stand in a file: names, nesting, units. Every key there is, is a field here.
//!
//! Invariants: made from the checked settings and turned into them without loss, but for secrets, which print as "***".
//! Defaults are those of the checked settings. Absent: whether values make sense (`check`).

use super::clicks::RawClicks;
use super::facts::RawFacts;
use super::kafka::{HIDDEN, RawKafka};
use super::lists::RawLists;
use super::memory::RawMemory;
use super::placements::RawPlacements;
use super::snapshots::RawSnapshots;
use super::units::{Bound, Bytes, Decimal, Duration, Moment, SecretText};
use super::warm::RawWarm;
use super::{
    HttpSettings, IntakeSettings, LogFormat, LogLevel, LogSettings, LogsSettings, OutputFormat, RegistrySettings,
    Secret, Settings,
};
use crate::relation::Relation;
use crate::rules::{CountingRules, PublishRules};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawSettings {
    pub(super) counting: RawCounting,
    pub(super) intake: RawIntake,
    pub(super) lists: RawLists,
    pub(super) placements: RawPlacements,
    pub(super) publish: RawPublish,
    pub(super) http: RawHttp,
    pub(super) log: RawLog,
    pub(super) logs: RawLogs,
    pub(super) kafka: RawKafka,
    pub(super) topics: RawTopics,
    pub(super) registry: RawRegistry,
    pub(super) output: RawOutput,
    pub(super) snapshots: RawSnapshots,
    pub(super) workers: RawWorkers,
    pub(super) memory: RawMemory,
    pub(super) facts: RawFacts,
    pub(super) clicks: RawClicks,
    pub(super) warm: RawWarm,
    /// Read one by one, by `source`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) source: Vec<toml::Table>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawCounting {
    pub(super) session_gap: Duration,
    pub(super) session_longest: Duration,
    pub(super) sessions_open: usize,
    pub(super) session_max_items: usize,
    pub(super) pair_window: usize,
    pub(super) recent_max: usize,
    pub(super) view_to_order: Duration,
    pub(super) cart_gap: Duration,
    pub(super) cart_max: usize,
    pub(super) basket_max: usize,
    pub(super) repeat_horizon: Duration,
    pub(super) purchases_max: usize,
    pub(super) also_max: usize,
    pub(super) also_horizon: Duration,
    pub(super) order_open: Duration,
    pub(super) orders_max: usize,
    pub(super) together_orders: u32,
    pub(super) dedup_ids: usize,
    pub(super) forget_after: Duration,
    pub(super) forget_customer_after: Duration,
    /// 0 lifts the bound.
    pub(super) row_max: usize,
    pub(super) min_weight: Decimal<6>,
    pub(super) half_life: RawHalfLives,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawHalfLives {
    pub(super) bought_together: Duration,
    pub(super) also_bought: Duration,
    pub(super) viewed_together: Duration,
    pub(super) viewed_then_bought: Duration,
    pub(super) carted_together: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawIntake {
    pub(super) max_ahead: Duration,
    pub(super) earliest_time: Moment,
    pub(super) max_jump: Bound,
    pub(super) align: Duration,
    pub(super) merge_buffer: Bytes,
    pub(super) history: Duration,
    /// Empty: none.
    pub(super) user_secret: SecretText,
    /// Empty: none.
    pub(super) user_secret_file: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawPublish {
    /// In points of the score.
    pub(super) min_score_step: Decimal<3>,
    pub(super) min_interval: Duration,
    pub(super) sweep: Duration,
    pub(super) rest_after: Duration,
    /// A share: 0.05 is 5 %.
    pub(super) total_step: Decimal<3>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawHttp {
    pub(super) enabled: bool,
    pub(super) listen: String,
    pub(super) token: SecretText,
    /// A path; empty is none.
    pub(super) token_file: String,
    /// Host and port each, with commas between.
    pub(super) peers: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawLog {
    pub(super) level: LogLevel,
    pub(super) format: LogFormat,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawLogs {
    pub(super) events_partitions: u32,
    pub(super) pairs_partitions: u32,
    pub(super) block_records: usize,
    pub(super) block_bytes: Bytes,
    pub(super) gap_wait: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawTopics {
    pub(super) prefix: String,
    /// 0: the brokers' default.
    pub(super) replication: u16,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawRegistry {
    /// Empty: none.
    pub(super) url: String,
    /// Empty: none.
    pub(super) user: String,
    /// Empty: none.
    pub(super) password: SecretText,
    /// Empty: none.
    pub(super) token: SecretText,
    pub(super) register: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawOutput {
    pub(super) format: OutputFormat,
    /// Whether entries tell price and stock.
    pub(super) facts: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawWorkers {
    pub(super) intake: usize,
    pub(super) windows: usize,
    pub(super) rows: usize,
}

impl RawHalfLives {
    pub(super) fn of(&self, relation: Relation) -> Duration {
        match relation {
            Relation::BoughtTogether => self.bought_together,
            Relation::AlsoBought => self.also_bought,
            Relation::ViewedTogether => self.viewed_together,
            Relation::ViewedThenBought => self.viewed_then_bought,
            Relation::CartedTogether => self.carted_together,
        }
    }
}

impl From<&Settings> for RawSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            counting: RawCounting::from(&settings.counting),
            intake: RawIntake::from(&settings.intake),
            lists: RawLists::from(&settings.lists),
            placements: RawPlacements::from(&settings.lists),
            publish: RawPublish::from(&settings.publish),
            http: RawHttp::from(&settings.http),
            log: RawLog::from(&settings.log),
            logs: RawLogs::from(&settings.logs),
            kafka: RawKafka::from(&settings.kafka),
            topics: RawTopics {
                prefix: settings.topics.prefix.clone(),
                replication: settings.topics.replication.unwrap_or(0),
            },
            registry: RawRegistry::from(&settings.registry),
            output: RawOutput { format: settings.output.format, facts: settings.publish.tells_facts },
            snapshots: RawSnapshots::from(&settings.snapshots),
            workers: RawWorkers {
                intake: settings.workers.intake,
                windows: settings.workers.windows,
                rows: settings.workers.rows,
            },
            memory: RawMemory::from(&settings.memory),
            facts: RawFacts::from(&settings.facts),
            clicks: RawClicks::from(&settings.clicks),
            warm: RawWarm::from(&settings.warm),
            source: settings.sources.iter().map(super::source::to_table).collect(),
        }
    }
}

impl From<&CountingRules> for RawCounting {
    fn from(rules: &CountingRules) -> Self {
        let half_life = |relation| Duration(rules.half_life(relation));
        Self {
            session_gap: Duration(rules.session_gap_ms),
            session_longest: Duration(rules.session_longest_ms),
            sessions_open: rules.sessions_open,
            session_max_items: rules.session_max_items,
            pair_window: rules.pair_window,
            recent_max: rules.recent_max,
            view_to_order: Duration(rules.view_to_order_ms),
            cart_gap: Duration(rules.cart_gap_ms),
            cart_max: rules.cart_max,
            basket_max: rules.basket_max,
            repeat_horizon: Duration(rules.repeat_horizon_ms),
            purchases_max: rules.purchases_max,
            also_max: rules.also_max,
            also_horizon: Duration(rules.also_horizon_ms),
            order_open: Duration(rules.order_open_ms),
            orders_max: rules.orders_max,
            together_orders: rules.together_orders,
            dedup_ids: rules.dedup_ids,
            forget_after: Duration(rules.forget_after_ms),
            forget_customer_after: Duration(rules.forget_customer_after_ms),
            row_max: rules.row_max.unwrap_or(0),
            min_weight: Decimal(rules.min_weight_millionths),
            half_life: RawHalfLives {
                bought_together: half_life(Relation::BoughtTogether),
                also_bought: half_life(Relation::AlsoBought),
                viewed_together: half_life(Relation::ViewedTogether),
                viewed_then_bought: half_life(Relation::ViewedThenBought),
                carted_together: half_life(Relation::CartedTogether),
            },
        }
    }
}

impl From<&IntakeSettings> for RawIntake {
    fn from(intake: &IntakeSettings) -> Self {
        let hidden = if intake.user_secret.is_set() { "***" } else { "" };
        let file = intake.user_secret_file.as_ref();
        Self {
            max_ahead: Duration(intake.max_ahead_ms),
            earliest_time: Moment(intake.earliest_time),
            max_jump: Bound(intake.max_jump_ms.map(Duration)),
            align: Duration(intake.align_ms),
            merge_buffer: Bytes(intake.merge_buffer_bytes),
            history: Duration(intake.history_ms),
            user_secret: SecretText(hidden.to_owned()),
            user_secret_file: file.map(|path| path.display().to_string()).unwrap_or_default(),
        }
    }
}

impl From<&PublishRules> for RawPublish {
    fn from(rules: &PublishRules) -> Self {
        Self {
            min_score_step: Decimal(rules.min_score_step_milli),
            min_interval: Duration(rules.min_interval_ms),
            sweep: Duration(rules.sweep_ms),
            rest_after: Duration(rules.rest_after_ms),
            total_step: Decimal(rules.total_step_milli),
        }
    }
}

impl From<&HttpSettings> for RawHttp {
    fn from(http: &HttpSettings) -> Self {
        let file = http.token_file.as_ref();
        Self {
            enabled: http.enabled,
            listen: http.listen.clone(),
            token: SecretText(if http.token.is_set() { HIDDEN } else { "" }.to_owned()),
            token_file: file.map(|path| path.display().to_string()).unwrap_or_default(),
            peers: http.peers.join(","),
        }
    }
}

impl From<&LogSettings> for RawLog {
    fn from(log: &LogSettings) -> Self {
        Self { level: log.level, format: log.format }
    }
}

impl From<&LogsSettings> for RawLogs {
    fn from(logs: &LogsSettings) -> Self {
        Self {
            events_partitions: logs.events_partitions,
            pairs_partitions: logs.pairs_partitions,
            block_records: logs.block_records,
            block_bytes: Bytes(logs.block_bytes),
            gap_wait: Duration(logs.gap_wait_ms),
        }
    }
}

impl From<&RegistrySettings> for RawRegistry {
    fn from(registry: &RegistrySettings) -> Self {
        let hidden = |secret: &Secret| SecretText(if secret.is_set() { HIDDEN } else { "" }.to_owned());
        Self {
            url: registry.url.clone().unwrap_or_default(),
            user: registry.user.clone().unwrap_or_default(),
            password: hidden(&registry.password),
            token: hidden(&registry.token),
            register: registry.register,
        }
    }
}

impl Default for RawSettings {
    fn default() -> Self {
        Self::from(&Settings::default())
    }
}

impl Default for RawCounting {
    fn default() -> Self {
        Self::from(&CountingRules::default())
    }
}

impl Default for RawHalfLives {
    fn default() -> Self {
        RawCounting::default().half_life
    }
}

impl Default for RawIntake {
    fn default() -> Self {
        Self::from(&IntakeSettings::default())
    }
}

impl Default for RawPublish {
    fn default() -> Self {
        Self::from(&PublishRules::default())
    }
}

impl Default for RawHttp {
    fn default() -> Self {
        Self::from(&HttpSettings::default())
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self::from(&LogSettings::default())
    }
}

impl Default for RawLogs {
    fn default() -> Self {
        Self::from(&LogsSettings::default())
    }
}

impl Default for RawTopics {
    fn default() -> Self {
        RawSettings::default().topics
    }
}

impl Default for RawRegistry {
    fn default() -> Self {
        RawSettings::default().registry
    }
}

impl Default for RawOutput {
    fn default() -> Self {
        RawSettings::default().output
    }
}

impl Default for RawWorkers {
    fn default() -> Self {
        RawSettings::default().workers
    }
}
