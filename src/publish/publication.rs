//! A list on its way out: borrowed, from ids. Whoever encodes it looks up the names it needs.

use super::figures::{EntryFigures, ListFigures};
use super::json::ListHead;
use super::publisher::Stamp;
use super::record::{EntryRecord, ListRecord};
use super::shelf::Told;
use crate::facts::Shelf;
use crate::items::Items;
use crate::list_key::{About, ListKey, SHOP_WIDE};
use crate::position::Partition;
use crate::rank::{Entry, List};

/// A list to be published, or its tombstone where it shows nothing.
#[derive(Clone, Copy)]
pub struct Publication<'a> {
    /// The partition of the lists log: that of the row.
    pub partition: Partition,
    /// What it holds, and which list it is.
    pub list: &'a List,
    /// What stands beside its entries, one each, the reserve's too; none where that is not to be told.
    pub shelves: &'a [Shelf],
    /// The names behind its numbers.
    pub items: &'a Items,
    /// Who publishes it, and as which record.
    pub stamp: Stamp,
    /// When the oldest change in it arrived, in ms since 1970; none where decay alone moved it.
    pub since_ms: Option<i64>,
    /// How long that change waited, from arrival to now, in ms.
    pub waited_ms: Option<i64>,
}

impl<'a> Publication<'a> {
    /// Which list.
    #[must_use]
    pub fn key(&self) -> ListKey {
        self.list.key
    }

    /// Whether the list is no more.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.list.shown().is_empty()
    }

    /// Shop, list and item, as keys name them.
    #[must_use]
    pub fn names(&self) -> [&'a str; 3] {
        let ListKey { shop, list, about } = self.list.key;
        let item = match about {
            About::Item(item) => self.items.name(item),
            About::Shop => SHOP_WIDE,
        };
        [self.items.shop_name(shop), list.name(), item]
    }

    /// Appends the key in the output topic: `shop/list/item`.
    pub fn write_key(&self, out: &mut Vec<u8>) {
        let [shop, list, item] = self.names();
        for part in [shop, "/", list, "/", item] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// Its head, to write it with.
    #[must_use]
    pub fn head(&self) -> ListHead<'a> {
        let (as_of, figures) = (self.list.as_of, ListFigures::of(self.list));
        ListHead { names: self.names(), as_of, stamp: self.stamp, figures }
    }

    /// Names and figures of its entries, and what is told of them: the shown ones, then the reserve.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, EntryFigures, Told<'a>)> + use<'a> {
        let (items, shelves) = (self.items, self.shelves);
        let of = move |(place, entry): (usize, &'a Entry)| {
            (items.name(entry.item), EntryFigures::of(entry), Told::at(shelves, place))
        };
        self.list.entries.iter().enumerate().map(of)
    }

    /// The shown entries, as a reader gets them. Nothing is copied.
    pub fn shown_records(&self) -> impl ExactSizeIterator<Item = EntryRecord<'a>> + use<'a> {
        self.entry_records(self.list.shown(), 0)
    }

    /// The same of the reserve.
    pub fn reserve_records(&self) -> impl ExactSizeIterator<Item = EntryRecord<'a>> + use<'a> {
        self.entry_records(self.list.reserve(), self.list.shown)
    }

    /// Entries of which the first stands at place `first`, from 0.
    fn entry_records(
        &self,
        entries: &'a [Entry],
        first: usize,
    ) -> impl ExactSizeIterator<Item = EntryRecord<'a>> + use<'a> {
        let (figures, items, shelves) = (ListFigures::of(self.list).printed(), self.items, self.shelves);
        let of = move |(place, entry)| EntryRecord::of(entry, figures, items, Told::at(shelves, first + place));
        entries.iter().enumerate().map(of)
    }

    /// Appends the record as one JSON object, without a line's end.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.head().write_json(self.list.shown, self.entries(), out);
    }

    /// What a reader of the record gets.
    #[must_use]
    pub fn record(&self) -> ListRecord<'a> {
        ListRecord::telling(self.list, self.items, self.stamp, self.shelves)
    }
}
