//! Kinds of co-occurrence, and the changes to their counts: the language that windows and rows share.
//!
//! A [`Delta`] is what one event means for the counts, in the terms of design section 5, not yet split into pairs: an
//! order of n items makes n (n - 1) directed pairs, but travels as n items. Rows applies of it what it owns. A delta that is taken back
//! is the same with the sign turned, at the same time.
//! Absent: decay (rows) and bytes (wire).

use crate::event::EventTime;
use crate::items::{ItemId, ShopId};

/// A kind of co-occurrence. Each feeds the list of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// In one order.
    BoughtTogether,
    /// Bought before → bought now, across a customer's orders.
    AlsoBought,
    /// In one session.
    ViewedTogether,
    /// Viewed → bought within a day.
    ViewedThenBought,
    /// In one cart.
    CartedTogether,
}

impl Relation {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// All of them, in their order.
    pub const ALL: [Self; Self::COUNT] =
        [Self::BoughtTogether, Self::AlsoBought, Self::ViewedTogether, Self::ViewedThenBought, Self::CartedTogether];

    /// The name used in counts and settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BoughtTogether => "bought_together",
            Self::AlsoBought => "also_bought",
            Self::ViewedTogether => "viewed_together",
            Self::ViewedThenBought => "viewed_then_bought",
            Self::CartedTogether => "carted_together",
        }
    }

    /// The name of the list that this relation feeds.
    #[must_use]
    pub fn list_name(self) -> &'static str {
        match self {
            Self::BoughtTogether => "bought-together",
            Self::AlsoBought => "also-bought",
            Self::ViewedTogether => "viewed-together",
            Self::ViewedThenBought => "bought-after-viewing",
            Self::CartedTogether => "carted-together",
        }
    }

    /// The relation that feeds the list called `name`.
    #[must_use]
    pub fn of_list(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relation| relation.list_name() == name)
    }

    /// The relation as an index below [`Relation::COUNT`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether a pair counts the same both ways, so that an item has one total for both roles.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::ViewedTogether | Self::CartedTogether)
    }

    /// Weight of a pair of a [`Change::Star`], where the neighbour is the `distance`-th nearest (from 1):
    /// 1/sqrt(distance) for views, 1 for carts.
    #[must_use]
    pub fn star_weight(self, distance: u32) -> f64 {
        match self {
            Self::ViewedTogether => 1.0 / f64::from(distance.max(1)).sqrt(),
            _ => 1.0,
        }
    }
}

/// How an item goes with another one, as a shop keeps it by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Used together.
    Complement,
    /// Used instead.
    Alternative,
    /// Belongs to it.
    Accessory,
    /// The better one.
    Upsell,
    /// Never together, whatever is counted.
    Never,
}

impl Kind {
    /// All that a list may show, in their order.
    pub const SHOWN: [Self; 4] = [Self::Complement, Self::Alternative, Self::Accessory, Self::Upsell];

    /// The name used in records and settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complement => "complement",
            Self::Alternative => "alternative",
            Self::Accessory => "accessory",
            Self::Upsell => "upsell",
            Self::Never => "never",
        }
    }
}

/// Weight of something a user has bought `repeats` times before: 1/(1+r), so that a weekly repeat order cannot carry a
/// pair.
#[must_use]
pub fn repeat_weight(repeats: u32) -> f64 {
    1.0 / (1.0 + f64::from(repeats))
}

/// An item of an order with the number of earlier orders by the same user that held it (r in design section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bought {
    /// The item.
    pub item: ItemId,
    /// Earlier orders by this user that held it, within the repeat horizon.
    pub repeats: u32,
}

/// Which earlier orders of its user held an item of an order: a bit each, as numbered for this delta. Only such as held several
/// of its items matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OrdersBefore(pub u128);

impl OrdersBefore {
    /// Whether no order held both.
    #[must_use]
    pub fn are_apart(self, other: Self) -> bool {
        self.0 & other.0 == 0
    }
}

/// What one event changes in the counts. Item and shop numbers are those of the table of whoever holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta<'a> {
    /// When it happened: what decay starts from.
    pub time: EventTime,
    /// What changes.
    pub change: Change<'a>,
    /// Whether it was counted before and is so no longer: all its numbers are subtracted.
    pub is_taken_back: bool,
}

impl<'a> Delta<'a> {
    /// What is counted.
    #[must_use]
    pub fn counted(time: EventTime, change: Change<'a>) -> Self {
        Self { time, change, is_taken_back: false }
    }
}

/// The kinds of change. "Owner" is the partition that holds an item's rows and totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// +1 contexts of a shop's relation. Goes to the owner of the shop.
    Context {
        /// The shop.
        shop: ShopId,
        /// The relation.
        relation: Relation,
    },
    /// A new item in a session or cart: +1 total (both roles) of `centre`, and a pair both ways with each neighbour,
    /// weight [`Relation::star_weight`], support 1. For the owner of `centre`, which applies row `centre` whole and the
    /// rows of those neighbours that it owns too.
    Star {
        /// `ViewedTogether` or `CartedTogether`.
        relation: Relation,
        /// The new item.
        centre: ItemId,
        /// The items it met, nearest first: the n-th has distance n, from 1.
        neighbours: &'a [ItemId],
    },
    /// The other half of a [`Change::Star`], for the owner of neighbours that does not own `centre`: rows of the
    /// neighbours only, no total.
    StarBack {
        /// `ViewedTogether` or `CartedTogether`.
        relation: Relation,
        /// The new item.
        centre: ItemId,
        /// The neighbours that the reader owns, each with its distance.
        neighbours: &'a [(ItemId, u32)],
    },
    /// An order that is not bulk (`BoughtTogether`). Every owner of one of its items gets all of it, and applies for
    /// each item i that it owns: anchor total, weight [`repeat_weight`] of r(i), support 1 if r(i) = 0; other total 1;
    /// row i for every other j, weight `repeat_weight` of r(i), support 1 if no order before held both.
    Basket {
        /// The distinct items.
        items: &'a [Bought],
        /// For each of them the orders before; empty where no two of them share one.
        before: &'a [OrdersBefore],
        /// So many of the first items were counted and stay: nothing is changed of their totals, and of the pairs among them.
        settled: usize,
    },
    /// What led to an order (`AlsoBought`, `ViewedThenBought`): for each anchor v that the reader owns, anchor total 1
    /// and row v for every o that is not v; for each o that it owns, other total. Pairs and other totals weigh
    /// [`repeat_weight`] of r(o), support 1 if r(o) = 0. (`AlsoBought` has only r = 0.)
    Cross {
        /// `AlsoBought` or `ViewedThenBought`.
        relation: Relation,
        /// Bought or viewed before; only those the reader owns.
        anchors: &'a [ItemId],
        /// Whether the anchors were counted and stay: nothing is changed of their totals.
        settled: bool,
        /// Bought now: all of them where there is an anchor, else those that the reader owns.
        others: &'a [Bought],
    },
}

/// What became of an event in the windows stage. Every event is exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Counted.
    Counted,
    /// Its key was among the user's last ones.
    Duplicate,
    /// Older than the open session or cart by more than the gap.
    Late,
    /// The session or cart is full: only recency moved.
    Overlong,
    /// An order over `basket_max` items.
    Bulk,
    /// A state or cancellation older than what is known of its order.
    Stale,
    /// A record of an order that changed none of its items.
    Unchanged,
    /// A return or cancellation of an order that is not known, or no longer.
    UnknownOrder,
}

impl Fate {
    /// How many there are.
    pub const COUNT: usize = 8;
}
