//! Which list: its name, and what it is about.
//!
//! A list has a name and rules of its own; what it shows is counted by a [`Relation`]. Each name shows one relation so far, but
//! nothing may count on that: half-lives belong to relations, rules to lists.
//! Absent: texts (`shop/list/item` is made where a record is), and what is in a list.

use crate::items::{ItemId, ShopId};
use crate::relation::Relation;

/// The name of a list: a place among the lists that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListName(u8);

impl ListName {
    /// How many lists there are.
    pub const COUNT: usize = Relation::COUNT;

    /// All of them, in their order.
    pub const ALL: [Self; Self::COUNT] = [Self(0), Self(1), Self(2), Self(3), Self(4)];

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
        self.relation().list_name()
    }

    /// The counts that it shows.
    #[must_use]
    pub fn relation(self) -> Relation {
        Relation::ALL[self.index()]
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
    /// An item: what goes with it.
    Item(ItemId),
    /// The whole shop.
    Shop,
}

/// What the key of an item is where a list is about its whole shop.
pub const SHOP_WIDE: &str = "*";

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
            assert_eq!(ListName::of(list.relation()), list);
        }
        assert_eq!(ListName::find("best-sellers"), None);
    }
}
