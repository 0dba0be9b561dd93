//! The settings that change what is counted and shown, checked and in plain units. `config` makes them.
//!
//! [`CountingRules`] are part of a log's identity: state counted by other rules is refused ([`CountingRules::fingerprint`]).
//! [`ListRules`] may change at any time: they only read the counts.

mod beside;
mod clicks;
mod placement;
mod shown;

pub use beside::{Beside, Way};
pub use clicks::{ClickRules, OTHER_LIST};
pub use placement::{PARTS_MAX, Part, Parts};
pub use shown::{Alike, ShownRules};

use crate::list_key::{Base, ListName};
use crate::relation::Relation;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// The counting rules of design section 5. Times in ms of event time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountingRules {
    /// A session ends with a gap longer than this.
    pub session_gap_ms: i64,
    /// A session that began longer ago than this ends too.
    pub session_longest_ms: i64,
    /// Sessions that a user may have open at once.
    pub sessions_open: usize,
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
    /// An order placed longer ago than this changes no more.
    pub order_open_ms: i64,
    /// Orders of a user that may still change: those touched last.
    pub orders_max: usize,
    /// A pair that one of so many orders before held is not new to its customer.
    pub together_orders: u32,
    /// Event ids remembered per user; views and carts share one ring, orders have their own.
    pub dedup_ids: usize,
    /// A user silent for longer is forgotten. At least every other horizon.
    pub forget_after_ms: i64,
    /// The same of one who has bought, not shorter: which pairs are new to a customer is counted in orders, not in time.
    pub forget_customer_after_ms: i64,
    /// Half-life of each relation, by [`Relation::index`].
    #[serde(serialize_with = "by_relation")]
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
            session_longest_ms: 4 * HOUR_MS,
            sessions_open: 4,
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
            order_open_ms: 30 * DAY_MS,
            orders_max: 16,
            together_orders: 64,
            dedup_ids: 128,
            forget_after_ms: 400 * DAY_MS,
            forget_customer_after_ms: 800 * DAY_MS,
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

    /// What tells these rules from others: XXH3 of `FINGERPRINT_VERSION` and of every rule that differs from
    /// `left_out`, as `name=value` in the order of the names. A rule that a later release adds is left out
    /// while it has its default: the logs that are there go on.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        fingerprint(self, &Self::left_out())
    }

    /// The rules that a fingerprint leaves out: each by the default that it had when it came to be.
    ///
    /// They are no longer [`CountingRules::default`] once a default changes: write the *former* one here then. Logs that
    /// were counted by it keep their fingerprint and are refused by the new default, which shows as a pair; who sets the
    /// former one goes on with them. (To raise [`FINGERPRINT_VERSION`] instead refuses all logs: right when the same rule
    /// comes to mean something else.)
    fn left_out() -> Self {
        Self::default()
    }
}

/// Part of every fingerprint: another one tells the logs of all releases before it apart, whatever their rules.
const FINGERPRINT_VERSION: u32 = 2;

fn fingerprint<R: Serialize>(rules: &R, left_out: &R) -> u64 {
    let left_out = pairs(left_out);
    let mut text = format!("version={FINGERPRINT_VERSION}\n");
    for (name, value) in pairs(rules) {
        if left_out.get(&name) != Some(&value) {
            text.extend([name.as_str(), "=", value.as_str(), "\n"]);
        }
    }
    xxh3_64(text.as_bytes())
}

/// Every rule by its name, `section.name` in a section. Rules are whole numbers, or `null` where one is off: as JSON, each
/// has one text.
fn pairs(rules: &impl Serialize) -> BTreeMap<String, String> {
    fn add(name: &str, value: &Value, pairs: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(section) => {
                let inside = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
                section.iter().for_each(|(key, value)| add(&inside(key), value, pairs));
            }
            value => {
                pairs.insert(name.to_owned(), value.to_string());
            }
        }
    }
    let mut pairs = BTreeMap::new();
    add("", &serde_json::to_value(rules).unwrap_or_default(), &mut pairs); // plain integers always serialise
    pairs
}

/// By name: a relation that is added later must not move the others.
fn by_relation<S: Serializer>(values: &[i64; Relation::COUNT], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Relation::ALL.iter().map(|relation| (relation.name(), values[relation.index()])))
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
    /// The relation whose counts it shows.
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
    /// What is shown by what is known of items.
    pub shown: ShownRules,
    /// What only lists of its kind go by.
    #[serde(skip)]
    pub kind: KindRules,
    /// What fills places that nothing counted takes, in this order.
    #[serde(skip)]
    pub fill: Vec<FillStep>,
    /// Most entries of one category among the shown ones.
    #[serde(skip)]
    pub category_max: Option<usize>,
    /// Most entries of one maker among them.
    #[serde(skip)]
    pub brand_max: Option<usize>,
    /// What share of a shop's lists of this name one item may lead.
    #[serde(skip)]
    pub exposure_max: Option<f64>,
}

/// Where what fills a list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FillStep {
    /// What is counted with less support than the list asks for: 2.
    Thin,
    /// What stands in the lists of the list's own entries.
    Second,
    /// What sells in the item's category, and in those around it.
    Category,
    /// What sells in the shop.
    Shop,
}

impl FillStep {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Thin, Self::Second, Self::Category, Self::Shop];

    /// The name used in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Thin => "thin",
            Self::Second => "second",
            Self::Category => "category",
            Self::Shop => "shop",
        }
    }
}

/// What lists of one kind alone go by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum KindRules {
    /// Pairs of one relation: nothing more.
    #[default]
    Pairs,
    /// Viewed together, and bought together no more than by chance.
    Alternatives {
        /// So many orders must hold either item before that nobody buys both says anything.
        min_orders: u32,
        /// Whether the prices of both must be known, in one currency: what they may be, [`ShownRules`] say.
        needs_price: bool,
    },
    /// Bought together.
    Complements {
        /// The share of sessions with the item that hold the other too must not be surely more than so many times that of its orders.
        viewed_more: f64,
    },
    /// The totals of a whole shop.
    ShopWide {
        /// Whether each category has such a list, too.
        categories: bool,
        /// In what order.
        order: ShopOrder,
    },
    /// Other lists about the same.
    Placement {
        /// Which, in their order.
        parts: Parts,
        /// The dearest entry, in whatever currency.
        price_max: Option<f64>,
    },
}

/// How a shop-wide list is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShopOrder {
    /// Most first.
    Most,
    /// What had a larger share lately than over the whole half-life: the lower end of the share, times how much larger it is.
    Rising {
        /// Half-life of what counts as lately.
        recent_half_life_ms: i64,
    },
    /// The newest first.
    Newest {
        /// For how long an item is new.
        within_ms: i64,
    },
}

impl ListRules {
    /// The defaults of a list.
    #[must_use]
    pub fn of_list(list: ListName) -> Self {
        let relation = match list.base() {
            Base::Row { relation, .. } => relation,
            Base::Shop if list == ListName::NEW => Relation::ViewedTogether,
            Base::Shop | Base::Placement { .. } => Relation::BoughtTogether,
        };
        let plain = Self { list, enabled: false, shown: ShownRules::of_list(list), ..Self::of(relation) };
        let shop_wide = |order| {
            let kind = KindRules::ShopWide { categories: false, order };
            let (specificity, min_support, min_llr_root, lift_above_one) = (0.0, 1, None, false);
            Self { specificity, min_support, min_llr_root, lift_above_one, kind, ..plain.clone() }
        };
        let apart = |needs_price| {
            let kind = KindRules::Alternatives { min_orders: 5, needs_price };
            Self { min_support: 3, min_llr_root: Some(2.5), lift_above_one: true, kind, ..plain.clone() }
        };
        match list {
            _ if list.is_placement() => {
                let shown = ShownRules { in_stock: false, ..ShownRules::of_list(list) };
                let kind = KindRules::Placement { parts: Parts::of_placement(list), price_max: None };
                let price_at_most = Parts::price_at_most(list);
                let length = Parts::of_placement(list).iter().map(|part| usize::from(part.places)).sum();
                Self { kind, length, shown: ShownRules { price_at_most, ..shown }, ..plain }
            }
            ListName::ALTERNATIVES => apart(false),
            ListName::UPSELL => apart(true),
            ListName::COMPLEMENTS => Self { kind: KindRules::Complements { viewed_more: 2.0 }, ..plain },
            ListName::BEST_SELLERS => Self { min_support: 3, ..shop_wide(ShopOrder::Most) },
            ListName::TRENDING => {
                let rising = shop_wide(ShopOrder::Rising { recent_half_life_ms: 7 * DAY_MS });
                let (specificity, min_support, min_llr_root) = (1.0, 3, Some(2.5));
                Self { specificity, min_support, min_llr_root, lift_above_one: true, ..rising }
            }
            ListName::NEW => shop_wide(ShopOrder::Newest { within_ms: 30 * DAY_MS }),
            _ => Self::of(relation),
        }
    }

    /// Whether a product of the catalogue has such a list also where nobody has counted anything of it.
    #[must_use]
    pub fn fills_uncounted(&self) -> bool {
        self.fill.contains(&FillStep::Category)
    }

    /// Half-life of what counts as lately, where the list goes by it.
    #[must_use]
    pub fn recent_half_life_ms(&self) -> Option<i64> {
        match self.kind {
            KindRules::ShopWide { order: ShopOrder::Rising { recent_half_life_ms }, .. } => Some(recent_half_life_ms),
            _ => None,
        }
    }

    /// The defaults of design section 6, of the list that shows one relation.
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
            shown: ShownRules::of(relation),
            kind: KindRules::Pairs,
            fill: Vec::new(),
            category_max: None,
            brand_max: None,
            exposure_max: None,
        }
    }

    /// The defaults of all lists, by [`ListName::index`].
    #[must_use]
    pub fn defaults() -> [Self; ListName::COUNT] {
        ListName::ALL.map(Self::of_list)
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
    /// Whether entries tell price and stock.
    pub tells_facts: bool,
}

impl Default for PublishRules {
    fn default() -> Self {
        Self {
            min_score_step_milli: 1000,
            min_interval_ms: 500,
            sweep_ms: HOUR_MS,
            rest_after_ms: 10_000,
            total_step_milli: 50,
            tells_facts: false,
        }
    }
}

#[cfg(test)]
mod tests;
