//! A list on its way out: borrowed, from ids. Whoever encodes it looks up the names it needs.

use super::publisher::Stamp;
use super::record::ListRecord;
use crate::items::Items;
use crate::list_key::{About, ListKey, SHOP_WIDE};
use crate::position::Partition;
use crate::rank::List;

/// A list to be published, or its tombstone where it shows nothing.
#[derive(Clone, Copy)]
pub struct Publication<'a> {
    /// The partition of the lists log: that of the row.
    pub partition: Partition,
    /// What it holds, and which list it is.
    pub list: &'a List,
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

    /// What a reader of the record gets.
    #[must_use]
    pub fn record(&self) -> ListRecord<'a> {
        ListRecord::of(self.list, self.items, self.stamp)
    }
}
