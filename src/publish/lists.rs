//! The lists that a partition has met, numbered: what the due queue and the publisher hold is in tables by these numbers.
//!
//! Invariants: numbers are dense, from 0, in the order of first meeting, and never reused; nothing that leaves may depend on them.
//! A table by number grows by copying a plain array: no step of it moves a million entries to new places, as a hash map does.

use crate::items::ItemId;
use crate::list_key::{About, ListKey, ListName};
use crate::memory::of_vec;

/// Number of a list in one [`Lists`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListNumber(pub u32);

impl ListNumber {
    /// The number as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// In a table of places: not met.
const UNMET: u32 = 0;

/// The lists met.
#[derive(Default)]
pub struct Lists {
    /// By list name and item: one more than the list's number, or [`UNMET`].
    by_item: [Vec<u32>; ListName::COUNT],
    /// The same for lists about a whole shop, by shop.
    by_shop: [Vec<u32>; ListName::COUNT],
    keys: Vec<ListKey>,
}

impl Lists {
    /// The number of the list of `key`, new or known.
    ///
    /// # Panics
    /// Never on data: more than 2^32 lists do not fit memory.
    pub fn meet(&mut self, key: ListKey) -> ListNumber {
        let (table, index) = match key.about {
            About::Item(ItemId(item)) => (&mut self.by_item, item as usize),
            About::Shop => (&mut self.by_shop, key.shop.index()),
        };
        let places = &mut table[key.list.index()];
        if places.len() <= index {
            places.resize(index + 1, UNMET);
        }
        if places[index] == UNMET {
            self.keys.push(key);
            let next = u32::try_from(self.keys.len()).unwrap_or(UNMET);
            assert!(next != UNMET, "more than 2^32 lists");
            places[index] = next;
        }
        ListNumber(places[index] - 1)
    }

    /// The number of the list of `key`, if it has been met.
    #[must_use]
    pub fn find(&self, key: ListKey) -> Option<ListNumber> {
        let (table, index) = match key.about {
            About::Item(ItemId(item)) => (&self.by_item, item as usize),
            About::Shop => (&self.by_shop, key.shop.index()),
        };
        table[key.list.index()].get(index).and_then(|place| place.checked_sub(1)).map(ListNumber)
    }

    /// Which list has this number.
    #[must_use]
    pub fn key(&self, list: ListNumber) -> ListKey {
        self.keys[list.index()]
    }

    /// How many have been met.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let places: usize = self.by_item.iter().chain(&self.by_shop).map(of_vec).sum();
        places + of_vec(&self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::ShopId;
    use crate::relation::Relation;

    #[test]
    fn every_key_has_one_number_and_shops_are_not_items() {
        let mut lists = Lists::default();
        let key = |relation, about| ListKey { shop: ShopId(0), list: ListName::of(relation), about };
        let keys = [
            key(Relation::AlsoBought, About::Item(ItemId(7))),
            key(Relation::AlsoBought, About::Item(ItemId(0))),
            key(Relation::AlsoBought, About::Shop),
            key(Relation::BoughtTogether, About::Item(ItemId(7))),
            ListKey { shop: ShopId(1), ..key(Relation::AlsoBought, About::Shop) },
        ];
        assert_eq!(lists.find(keys[0]), None);
        for _ in 0..2 {
            assert_eq!(keys.map(|key| lists.meet(key).0), [0, 1, 2, 3, 4]);
        }
        for (number, key) in (0..).zip(keys) {
            assert_eq!((lists.find(key), lists.key(ListNumber(number))), (Some(ListNumber(number)), key));
        }
        assert_eq!(lists.find(key(Relation::AlsoBought, About::Item(ItemId(3)))), None, "a hole in the table");
        assert_eq!(lists.len(), 5);
    }

    #[test]
    fn bytes_held_are_those_of_places_and_keys() {
        let mut lists = Lists::default();
        assert_eq!(lists.bytes(), 0);
        let key = |item| ListKey {
            shop: ShopId(0),
            list: ListName::of(Relation::AlsoBought),
            about: About::Item(ItemId(item)),
        };
        (0..1024).for_each(|item| assert_eq!(lists.meet(key(item)), ListNumber(item))); // what grows by doubling has just this room
        let each = size_of::<ListNumber>() + size_of::<ListKey>();
        assert!((1024 * each..2 * 1024 * each).contains(&lists.bytes()), "{} bytes", lists.bytes());
    }
}
