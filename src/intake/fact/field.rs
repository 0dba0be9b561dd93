//! The fields of facts: which kinds of facts have which, and what may stand in them.

use crate::facts::FactsTopic;
use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX, WHY_BYTES_MAX};

/// A field of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs)] // they are named in docs/facts.md
pub enum FactField {
    Shop,
    Item,
    Parent,
    Category,
    Brand,
    Price,
    Currency,
    Active,
    Countable,
    Launched,
    Name,
    Url,
    Image,
    Parts,
    Quantity,
    State,
    Anchor,
    Other,
    Kind,
    Position,
    From,
    Until,
    List,
    Ruling,
    Factor,
    Who,
    When,
    Why,
    Deleted,
}

/// What may stand in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// An id of ours.
    Id,
    /// Text for people, of so many bytes at most; the rest is cut.
    Text(usize),
    /// A link.
    Link,
    /// Yes or no.
    Truth,
    /// A word.
    Word,
    /// An amount.
    Number,
    /// A place in a list.
    Place,
    /// A moment, or a day.
    Time,
    /// The levels of a category: an array, or a text.
    Way,
    /// Several items: an array, or a text.
    Items,
}

impl FactField {
    /// How many there are.
    pub(super) const COUNT: usize = 29;

    /// The name in settings, and in our own form of facts.
    #[must_use]
    pub fn name(self) -> &'static str {
        &self.setting()["fields.".len()..]
    }

    /// The setting that says where it stands.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Shop => "fields.shop",
            Self::Item => "fields.item",
            Self::Parent => "fields.parent",
            Self::Category => "fields.category",
            Self::Brand => "fields.brand",
            Self::Price => "fields.price",
            Self::Currency => "fields.currency",
            Self::Active => "fields.active",
            Self::Countable => "fields.countable",
            Self::Launched => "fields.launched",
            Self::Name => "fields.name",
            Self::Url => "fields.url",
            Self::Image => "fields.image",
            Self::Parts => "fields.parts",
            Self::Quantity => "fields.quantity",
            Self::State => "fields.state",
            Self::Anchor => "fields.anchor",
            Self::Other => "fields.other",
            Self::Kind => "fields.kind",
            Self::Position => "fields.position",
            Self::From => "fields.from",
            Self::Until => "fields.until",
            Self::List => "fields.list",
            Self::Ruling => "fields.ruling",
            Self::Factor => "fields.factor",
            Self::Who => "fields.who",
            Self::When => "fields.when",
            Self::Why => "fields.why",
            Self::Deleted => "fields.deleted",
        }
    }

    pub(super) fn holds(self) -> Holds {
        match self {
            Self::Shop | Self::Item | Self::Parent | Self::Currency | Self::Anchor | Self::Other => Holds::Id,
            Self::Category => Holds::Way,
            Self::Parts => Holds::Items,
            Self::Name => Holds::Text(NAME_BYTES_MAX),
            Self::Brand | Self::Who => Holds::Text(LABEL_BYTES_MAX),
            Self::Why => Holds::Text(WHY_BYTES_MAX),
            Self::Url | Self::Image => Holds::Link,
            Self::Active | Self::Countable | Self::Deleted => Holds::Truth,
            Self::State | Self::Kind | Self::List | Self::Ruling => Holds::Word,
            Self::Price | Self::Quantity | Self::Factor => Holds::Number,
            Self::Position => Holds::Place,
            Self::Launched | Self::From | Self::Until | Self::When => Holds::Time,
        }
    }

    /// The fields of a kind of facts.
    #[must_use]
    pub fn of(topic: FactsTopic) -> &'static [Self] {
        match topic {
            FactsTopic::Catalogue => &[
                Self::Shop,
                Self::Item,
                Self::Parent,
                Self::Category,
                Self::Brand,
                Self::Price,
                Self::Currency,
                Self::Active,
                Self::Countable,
                Self::Launched,
                Self::Name,
                Self::Url,
                Self::Image,
                Self::Parts,
                Self::Deleted,
            ],
            FactsTopic::Stock => &[Self::Shop, Self::Item, Self::Quantity, Self::State, Self::Deleted],
            FactsTopic::Relations => &[
                Self::Shop,
                Self::Anchor,
                Self::Other,
                Self::Kind,
                Self::Position,
                Self::From,
                Self::Until,
                Self::Deleted,
            ],
            FactsTopic::Verdicts => &[
                Self::Shop,
                Self::List,
                Self::Anchor,
                Self::Other,
                Self::Ruling,
                Self::Position,
                Self::Factor,
                Self::Who,
                Self::When,
                Self::Why,
                Self::Until,
                Self::Deleted,
            ],
        }
    }

    /// The fields that tell a fact from others of its kind: what a record's key says.
    #[must_use]
    pub fn key_of(topic: FactsTopic) -> &'static [Self] {
        match topic {
            FactsTopic::Catalogue | FactsTopic::Stock => &[Self::Shop, Self::Item],
            FactsTopic::Relations => &[Self::Shop, Self::Anchor, Self::Other, Self::Kind],
            FactsTopic::Verdicts => &[Self::Shop, Self::List, Self::Anchor, Self::Other],
        }
    }
}
