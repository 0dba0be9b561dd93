//! What a list shows by what is known of its items, besides what is counted.

use super::Beside;
use crate::list_key::ListName;
use crate::relation::Kind;
use crate::relation::Relation;
use serde::{Deserialize, Serialize};

/// How an entry stands to the anchor in something that both have. Where either has none, nothing is turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alike {
    /// Whatever it has.
    #[default]
    Any,
    /// The same.
    Same,
    /// Another one.
    Other,
}

impl Alike {
    /// Whether an entry passes that has the same as the anchor, or something else.
    #[must_use]
    pub fn allows(self, is_same: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Same => is_same(),
            Self::Other => !is_same(),
        }
    }
}

/// Gates by what is known of items, and the relations that a list shows of those that a shop keeps by hand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownRules {
    /// Whether what is out of stock is left out, and what is low stands behind.
    pub in_stock: bool,
    /// Which categories an entry may be of: two are the same where one is the other, or around it.
    pub category: Alike,
    /// Which categories an entry may be of, beside an anchor of which category: none said, any.
    #[serde(skip)]
    pub beside: Vec<Beside>,
    /// Whose products.
    pub brand: Alike,
    /// Cheapest entry, as a share of what the anchor costs.
    pub price_at_least: Option<f64>,
    /// Dearest entry, as a share of what the anchor costs.
    pub price_at_most: Option<f64>,
    /// Which relations are shown, of those that a shop keeps by hand.
    pub relations: Vec<Kind>,
}

impl ShownRules {
    /// The defaults of a list.
    #[must_use]
    pub fn of_list(list: ListName) -> Self {
        let relations = match list {
            ListName::ALTERNATIVES => vec![Kind::Alternative],
            ListName::COMPLEMENTS => vec![Kind::Complement, Kind::Accessory],
            ListName::UPSELL => vec![Kind::Upsell],
            _ => Vec::new(),
        };
        let none = Self { relations, ..Self::of(Relation::AlsoBought) };
        match list {
            // What is of another category is no choice between two: it goes with one of them.
            ListName::ALTERNATIVES => Self { category: Alike::Same, ..none },
            ListName::UPSELL => {
                let (price_at_least, price_at_most) = (Some(1.05), Some(1.6));
                Self { category: Alike::Same, price_at_least, price_at_most, ..none }
            }
            _ => none,
        }
    }

    /// The defaults of the list that shows `relation`.
    #[must_use]
    pub fn of(relation: Relation) -> Self {
        let relations = match relation {
            Relation::BoughtTogether | Relation::CartedTogether => vec![Kind::Complement, Kind::Accessory],
            Relation::ViewedTogether => vec![Kind::Alternative, Kind::Upsell],
            Relation::AlsoBought | Relation::ViewedThenBought => Vec::new(),
        };
        let (category, brand) = (Alike::Any, Alike::Any);
        let beside = Vec::new();
        Self { in_stock: true, category, beside, brand, price_at_least: None, price_at_most: None, relations }
    }
}
