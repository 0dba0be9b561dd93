//! Which list: its name, what it is made of, and what it is about.
//!
//! A list has a name and rules of its own. The first five names show one relation each; others take a second row of the same item into
//! account, or are about a whole shop; *placements* are put together from other lists about the same. Half-lives belong to relations,
//! rules to lists.
//! Absent: texts (`shop/list/item` is made where a record is), and what is in a list.

use crate::items::{ItemId, ShopId};
use crate::relation::Relation;

/// The name of a list: a place among the lists that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListName(u8);

/// What a list is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// A row of the item that it is about.
    Row {
        /// Which row its candidates are in.
        relation: Relation,
        /// Which other row of the item has a say.
        beside: Option<Relation>,
    },
    /// The totals of a whole shop: it is about the shop, or about one of its categories.
    Shop,
    /// Other lists about the same.
    Placement {
        /// Whether these are lists about a shop and its categories.
        of_shop: bool,
    },
}

/// What lists other than those of one relation are called, in their order behind these.
const FURTHER: [&str; 14] = [
    "alternatives",
    "complements",
    "upsell",
    "best-sellers",
    "trending",
    "new",
    "product-page",
    "cart",
    "checkout",
    "order-confirmation",
    "mail",
    "home",
    "not-found",
    "category-page",
];

/// Where those begin that are placements, and those of them that are about a shop.
const PLACEMENTS: u8 = 11;
const PLACEMENTS_OF_SHOP: u8 = 16;

impl ListName {
    /// How many lists there are.
    pub const COUNT: usize = Relation::COUNT + FURTHER.len();

    /// All of them, in their order: first those of one relation, by [`Relation::index`].
    pub const ALL: [Self; Self::COUNT] = [
        Self(0),
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self::ALTERNATIVES,
        Self::COMPLEMENTS,
        Self::UPSELL,
        Self::BEST_SELLERS,
        Self::TRENDING,
        Self::NEW,
        Self(PLACEMENTS),
        Self(12),
        Self(13),
        Self(14),
        Self(15),
        Self(PLACEMENTS_OF_SHOP),
        Self(17),
        Self(18),
    ];

    /// Viewed together, and bought together no more than by chance: the second choice.
    pub const ALTERNATIVES: Self = Self(5);
    /// Bought together, and not mostly viewed in place of each other.
    pub const COMPLEMENTS: Self = Self(6);
    /// Alternatives that cost a little more.
    pub const UPSELL: Self = Self(7);
    /// What a shop sells most.
    pub const BEST_SELLERS: Self = Self(8);
    /// What it has sold more of lately than before.
    pub const TRENDING: Self = Self(9);
    /// What it sells since a short time.
    pub const NEW: Self = Self(10);

    /// The list that shows `relation`.
    #[must_use]
    pub fn of(relation: Relation) -> Self {
        Self::ALL[relation.index()]
    }

    /// The list called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.name() == name)
    }

    /// What it is called, in keys and settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match Relation::ALL.get(self.index()) {
            Some(relation) => relation.list_name(),
            None => FURTHER[self.index() - Relation::COUNT],
        }
    }

    /// Those that are put together from others.
    pub fn placements() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|list| list.is_placement())
    }

    /// Whether it is put together from others.
    #[must_use]
    pub fn is_placement(self) -> bool {
        self.0 >= PLACEMENTS
    }

    /// Whether a row stands behind it.
    #[must_use]
    pub fn is_of_row(self) -> bool {
        matches!(self.base(), Base::Row { .. })
    }

    /// What it is made of.
    #[must_use]
    pub fn base(self) -> Base {
        let (relation, beside) = match self {
            Self(place) if place >= PLACEMENTS => return Base::Placement { of_shop: place >= PLACEMENTS_OF_SHOP },
            Self::ALTERNATIVES | Self::UPSELL => (Relation::ViewedTogether, Some(Relation::BoughtTogether)),
            Self::COMPLEMENTS => (Relation::BoughtTogether, Some(Relation::ViewedTogether)),
            Self(place) => match Relation::ALL.get(usize::from(place)) {
                Some(&relation) => (relation, None),
                None => return Base::Shop,
            },
        };
        Base::Row { relation, beside }
    }

    /// Whether it is about a whole shop, or a category of it, not about an item.
    #[must_use]
    pub fn is_shop_wide(self) -> bool {
        matches!(self.base(), Base::Shop | Base::Placement { of_shop: true })
    }

    /// The lists that a row of `relation` has a say in: that of its own name first.
    pub fn shown_by(relation: Relation) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |list| match list.base() {
            Base::Row { relation: own, beside } => own == relation || beside == Some(relation),
            Base::Shop | Base::Placement { .. } => false,
        })
    }

    /// The list as an index below [`ListName::COUNT`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// An item: what goes with it. Of a shop-wide list a category, which has a number among items by its text: no list about an item
    /// has the same name.
    Item(ItemId),
    /// The whole shop.
    Shop,
}

/// What stands in place of an item in the key of a list about its whole shop.
pub const SHOP_WIDE: &str = "*";

/// What the same begins with where a list is about a category.
pub const CATEGORY: &str = "category:";

/// What stands in place of an item in the key of a list about a category: its way, from the widest to the narrowest, with `/` between.
/// A `/` or `%` in a name is written as in a link, so that no two ways are written alike.
#[must_use]
pub fn category_text<'a>(way: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from(CATEGORY);
    for (place, name) in way.enumerate() {
        if place > 0 {
            text.push('/');
        }
        for letter in name.chars() {
            match letter {
                '/' => text.push_str("%2F"),
                '%' => text.push_str("%25"),
                letter => text.push(letter),
            }
        }
    }
    text
}

/// What decides which partition of rows has a list: `item`, or of a shop-wide list the shop alone.
#[must_use]
pub fn owner_text(list: ListName, item: &str) -> &str {
    if list.is_shop_wide() { "" } else { item }
}

/// Which list. Numbers are those of the table of whoever holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListKey {
    /// The shop.
    pub shop: ShopId,
    /// The list's name.
    pub list: ListName,
    /// What it is about.
    pub about: About,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_found_by_its_name() {
        for (place, list) in ListName::ALL.into_iter().enumerate() {
            assert_eq!((ListName::find(list.name()), list.index()), (Some(list), place));
        }
        for relation in Relation::ALL {
            let list = ListName::of(relation);
            assert_eq!(list.base(), Base::Row { relation, beside: None });
            assert_eq!((list.name(), ListName::shown_by(relation).next()), (relation.list_name(), Some(list)));
        }
        assert_eq!(ListName::find("best-seller"), None);
        let named = |of_shop| {
            let is_of = move |list: &ListName| list.base() == Base::Placement { of_shop };
            ListName::placements().filter(is_of).map(ListName::name).collect::<Vec<_>>()
        };
        assert_eq!(named(false), ["product-page", "cart", "checkout", "order-confirmation", "mail"]);
        assert_eq!(named(true), ["home", "not-found", "category-page"]);
        assert!(ListName::ALL.into_iter().all(|list| list.is_of_row() || list.is_placement() || list.is_shop_wide()));
    }

    #[test]
    fn a_changed_row_is_told_to_every_list_that_it_has_a_say_in() {
        let further = |relation| ListName::shown_by(relation).skip(1).map(ListName::name).collect::<Vec<_>>();
        let both = ["alternatives", "complements", "upsell"];
        assert_eq!([Relation::BoughtTogether, Relation::ViewedTogether].map(further), [both, both]);
        assert_eq!(further(Relation::CartedTogether), Vec::<&str>::new());
    }

    #[test]
    fn no_two_ways_of_categories_are_written_alike() {
        let text = |way: &[&str]| category_text(way.iter().copied());
        assert_eq!(text(&["Office", "Ink & toner"]), "category:Office/Ink & toner");
        assert_eq!(text(&["Office/Ink"]), "category:Office%2FInk");
        assert_eq!(text(&["100%", "a%2Fb//"]), "category:100%25/a%252Fb%2F%2F");
        assert_eq!((text(&["", "a"]), text(&["a", ""])), ("category:/a".into(), "category:a/".into()));
    }
}
