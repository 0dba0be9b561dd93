//! The settings that change what is counted and shown, checked and in plain units. `config` makes them.
//!
//! [`CountingRules`] are part of a log's identity: state counted by other rules is refused ([`CountingRules::fingerprint`]).
//! [`ListRules`] may change at any time: they only read the counts.

use crate::list_key::ListName;
use crate::relation::Relation;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// The counting rules of design section 5. Times in ms of event time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountingRules {
    /// A session ends with a gap longer than this.
    pub session_gap_ms: i64,
    /// Distinct items of a session that count.
    pub session_max_items: usize,
    /// How many of the most recently first viewed items a new one pairs with.
    pub pair_window: usize,
    /// Distinct items a user is remembered to have viewed last.
    pub recent_max: usize,
    /// How long before an order a view may have led to it.
    pub view_to_order_ms: i64,
    /// A cart ends with a gap longer than this between additions.
    pub cart_gap_ms: i64,
    /// Distinct items of a cart that count.
    pub cart_max: usize,
    /// An order of more distinct items is a bulk order.
    pub basket_max: usize,
    /// An earlier purchase longer ago is no repeat.
    pub repeat_horizon_ms: i64,
    /// Distinct items a user is remembered to have bought.
    pub purchases_max: usize,
    /// Earlier purchases that an order is paired with.
    pub also_max: usize,
    /// How long before an order an earlier purchase may lie.
    pub also_horizon_ms: i64,
    /// Event ids remembered per user; views and carts share one ring, orders have their own.
    pub dedup_ids: usize,
    /// A user silent for longer is forgotten. At least every other horizon.
    pub forget_after_ms: i64,
    /// Half-life of each relation, by [`Relation::index`].
    pub half_life_ms: [i64; Relation::COUNT],
    /// Neighbours a row holds; `None` lifts the bound.
    pub row_max: Option<usize>,
    /// In a full row, first goes what has decayed below this, in millionths.
    pub min_weight_millionths: u32,
}

impl Default for CountingRules {
    fn default() -> Self {
        let mut half_life_ms = [60 * DAY_MS; Relation::COUNT];
        half_life_ms[Relation::BoughtTogether.index()] = 180 * DAY_MS;
        half_life_ms[Relation::AlsoBought.index()] = 180 * DAY_MS;
        Self {
            session_gap_ms: 30 * MINUTE_MS,
            session_max_items: 50,
            pair_window: 20,
            recent_max: 20,
            view_to_order_ms: DAY_MS,
            cart_gap_ms: DAY_MS,
            cart_max: 50,
            basket_max: 100,
            repeat_horizon_ms: 180 * DAY_MS,
            purchases_max: 1000,
            also_max: 50,
            also_horizon_ms: 90 * DAY_MS,
            dedup_ids: 128,
            forget_after_ms: 400 * DAY_MS,
            half_life_ms,
            row_max: Some(256),
            min_weight_millionths: 50_000,
        }
    }
}

impl CountingRules {
    /// The half-life of `relation`, in ms.
    #[must_use]
    pub fn half_life(&self, relation: Relation) -> i64 {
        self.half_life_ms[relation.index()]
    }

    /// What tells these rules from others: XXH3 of their canonical JSON.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        // Plain integers in a fixed order always serialise; the empty text would only match itself.
        xxh3_64(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

/// How candidates of a list are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// score × (N/b)^specificity: the default.
    Score,
    /// Pair weight.
    Count,
    /// k / sqrt(a b).
    Cosine,
    /// (k/a) / (b/N).
    Lift,
    /// Signed root of Dunning's G².
    Llr,
}

/// The settings of one list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListRules {
    /// Which list it is.
    #[serde(skip)]
    pub list: ListName,
    /// The relation it shows.
    pub relation: Relation,
    /// Whether it is published at all.
    pub enabled: bool,
    /// How it is ordered.
    pub measure: Measure,
    /// Exponent of N/b: 0 ranks by confidence, 1 by lift, 0.5 is cosine with evidence built in.
    pub specificity: f64,
    /// Fewest contexts behind an entry.
    pub min_support: u32,
    /// Smallest signed root LLR; `None` is off.
    pub min_llr_root: Option<f64>,
    /// Whether an entry must occur more than by chance.
    pub lift_above_one: bool,
    /// Entries shown.
    pub length: usize,
    /// Entries held behind them.
    pub reserve: usize,
}

impl ListRules {
    /// The defaults of design section 6.
    #[must_use]
    pub fn of(relation: Relation) -> Self {
        let order_list = !relation.is_symmetric();
        let (specificity, min_support) = match relation {
            Relation::BoughtTogether | Relation::AlsoBought => (0.5, 3),
            Relation::ViewedThenBought => (0.25, 3),
            Relation::ViewedTogether => (0.25, 1),
            Relation::CartedTogether => (0.25, 2),
        };
        Self {
            list: ListName::of(relation),
            relation,
            enabled: true,
            measure: Measure::Score,
            specificity,
            min_support,
            min_llr_root: order_list.then_some(2.5),
            lift_above_one: order_list,
            length: 10,
            reserve: 5,
        }
    }

    /// The defaults of all lists, by [`Relation::index`].
    #[must_use]
    pub fn defaults() -> [Self; Relation::COUNT] {
        Relation::ALL.map(Self::of)
    }
}

/// When a list is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PublishRules {
    /// A score must move by more than this to be news, in thousandths of a point.
    pub min_score_step_milli: u32,
    /// A list is published at most once in this time.
    pub min_interval_ms: i64,
    /// Every row is ranked once in this time, dirty or not.
    pub sweep_ms: i64,
    /// Without input for this long, exact totals go out and everything is ranked once.
    pub rest_after_ms: i64,
    /// A total is broadcast when readers would be off by more than this many thousandths.
    pub total_step_milli: u32,
}

impl Default for PublishRules {
    fn default() -> Self {
        Self {
            min_score_step_milli: 1000,
            min_interval_ms: 500,
            sweep_ms: HOUR_MS,
            rest_after_ms: 10_000,
            total_step_milli: 50,
        }
    }
}
