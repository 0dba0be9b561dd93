//! The settings of lists as they stand in a file. What a kind of list does not go by is no key of its.

use super::beside::CategoriesBeside;
use super::raw::RawSettings;
use super::units::{Duration, Fill, Kinds, Threshold};
use crate::list_key::ListName;
use crate::relation::Relation;
use crate::rules::{Alike, KindRules, ListRules, Measure, ShopOrder};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct RawLists {
    pub(super) bought_together: RawList,
    pub(super) also_bought: RawList,
    pub(super) bought_after_viewing: RawList,
    pub(super) viewed_together: RawList,
    pub(super) carted_together: RawList,
    pub(super) alternatives: RawList,
    pub(super) complements: RawList,
    pub(super) upsell: RawList,
    pub(super) best_sellers: RawList,
    pub(super) trending: RawList,
    pub(super) new: RawList,
}

/// The settings of any list. Those that a kind of list does not have are none: no key of that name is known there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawList {
    pub(super) enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<By>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) categories: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recent_half_life: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) within: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) measure: Option<Measure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) specificity: Option<f64>,
    pub(super) min_support: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min_llr_root: Option<Threshold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lift_above_one: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min_orders: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) viewed_more: Option<f64>,
    pub(super) length: usize,
    pub(super) reserve: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fill: Option<Fill>,
    /// 0: no bound.
    pub(super) category_max: usize,
    /// 0: no bound.
    pub(super) brand_max: usize,
    /// As a share of a shop's lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exposure_max: Option<Threshold>,
    pub(super) in_stock: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) category: Option<Alike>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) category_beside: Option<CategoriesBeside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) brand: Option<Alike>,
    /// As a share of what the anchor costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) price_at_least: Option<Threshold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) price_at_most: Option<Threshold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) relations: Option<Kinds>,
}

/// Which totals a shop-wide list goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum By {
    Orders,
    Carts,
    Views,
}

impl By {
    const ALL: [Self; 3] = [Self::Orders, Self::Carts, Self::Views];

    pub(super) fn relation(self) -> Relation {
        match self {
            Self::Orders => Relation::BoughtTogether,
            Self::Carts => Relation::CartedTogether,
            Self::Views => Relation::ViewedTogether,
        }
    }
}

impl RawLists {
    /// Those of a list; none of a placement, which is set elsewhere.
    pub(super) fn of(&self, list: ListName) -> Option<&RawList> {
        // By ListName::index.
        let all = [
            &self.bought_together,
            &self.also_bought,
            &self.viewed_together,
            &self.bought_after_viewing,
            &self.carted_together,
            &self.alternatives,
            &self.complements,
            &self.upsell,
            &self.best_sellers,
            &self.trending,
            &self.new,
        ];
        all.get(list.index()).copied()
    }
}

impl From<&[ListRules; ListName::COUNT]> for RawLists {
    fn from(lists: &[ListRules; ListName::COUNT]) -> Self {
        let own = |list: ListName| RawList::from(&lists[list.index()]);
        let list = |relation: Relation| own(ListName::of(relation));
        Self {
            bought_together: list(Relation::BoughtTogether),
            also_bought: list(Relation::AlsoBought),
            bought_after_viewing: list(Relation::ViewedThenBought),
            viewed_together: list(Relation::ViewedTogether),
            carted_together: list(Relation::CartedTogether),
            alternatives: own(ListName::ALTERNATIVES),
            complements: own(ListName::COMPLEMENTS),
            upsell: own(ListName::UPSELL),
            best_sellers: own(ListName::BEST_SELLERS),
            trending: own(ListName::TRENDING),
            new: own(ListName::NEW),
        }
    }
}

impl From<&ListRules> for RawList {
    fn from(rules: &ListRules) -> Self {
        let plain = Self {
            enabled: rules.enabled,
            by: None,
            categories: None,
            recent_half_life: None,
            within: None,
            measure: Some(rules.measure),
            specificity: Some(rules.specificity),
            min_support: rules.min_support,
            min_llr_root: Some(Threshold(rules.min_llr_root)),
            lift_above_one: Some(rules.lift_above_one),
            min_orders: None,
            viewed_more: None,
            length: rules.length,
            reserve: rules.reserve,
            fill: Some(Fill(rules.fill.clone())),
            category_max: rules.category_max.unwrap_or(0),
            brand_max: rules.brand_max.unwrap_or(0),
            exposure_max: Some(Threshold(rules.exposure_max)),
            in_stock: rules.shown.in_stock,
            category: Some(rules.shown.category),
            category_beside: Some(CategoriesBeside(rules.shown.beside.clone())),
            brand: Some(rules.shown.brand),
            price_at_least: Some(Threshold(rules.shown.price_at_least)),
            price_at_most: Some(Threshold(rules.shown.price_at_most)),
            relations: Some(Kinds(rules.shown.relations.clone())),
        };
        match rules.kind {
            KindRules::Pairs | KindRules::Placement { .. } => plain,
            KindRules::Alternatives { min_orders, .. } => Self { min_orders: Some(min_orders), ..plain },
            KindRules::Complements { viewed_more } => Self { viewed_more: Some(viewed_more), ..plain },
            KindRules::ShopWide { categories, order } => {
                let by = By::ALL.into_iter().find(|by| by.relation() == rules.relation);
                let of_shop = Self {
                    by,
                    categories: Some(categories),
                    measure: None,
                    specificity: None,
                    min_llr_root: None,
                    lift_above_one: None,
                    category: None,
                    category_beside: None,
                    brand: None,
                    price_at_least: None,
                    price_at_most: None,
                    relations: None,
                    fill: None,
                    exposure_max: None,
                    ..plain
                };
                match order {
                    ShopOrder::Most => of_shop,
                    ShopOrder::Rising { recent_half_life_ms } => Self {
                        recent_half_life: Some(Duration(recent_half_life_ms)),
                        specificity: Some(rules.specificity),
                        min_llr_root: Some(Threshold(rules.min_llr_root)),
                        ..of_shop
                    },
                    ShopOrder::Newest { within_ms } => Self { within: Some(Duration(within_ms)), ..of_shop },
                }
            }
        }
    }
}

impl Default for RawLists {
    fn default() -> Self {
        RawSettings::default().lists
    }
}

/// Fills the gaps of one layer while it is looked at alone; the defaults of each list come from [`RawLists`].
impl Default for RawList {
    fn default() -> Self {
        Self {
            by: None,
            categories: None,
            recent_half_life: None,
            within: None,
            measure: None,
            specificity: None,
            min_llr_root: None,
            lift_above_one: None,
            min_orders: None,
            viewed_more: None,
            fill: None,
            exposure_max: None,
            category: None,
            category_beside: None,
            brand: None,
            price_at_least: None,
            price_at_most: None,
            relations: None,
            ..Self::from(&ListRules::of(Relation::BoughtTogether))
        }
    }
}
