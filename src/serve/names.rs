//! The names in the read view, each once in the process: partitions know the same items by numbers of their own.
//!
//! Invariants: a name keeps its number; a number fits 32 bits. Tables are many and small, each behind a lock of its own: none holds up a
//! worker while it grows.
//! Absent: forgetting. A name costs about 50 bytes.

use crate::items::{ItemId, Items, fingerprint};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// How many tables there are, as a power of two.
const TABLES_LOG2: u32 = 6;
const TABLES: usize = 1 << TABLES_LOG2;

/// Number of an item of a shop in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(pub(super) u32);

/// The names.
#[derive(Default)]
pub(super) struct Names {
    tables: Tables,
}

struct Tables([RwLock<Items>; TABLES]);

impl Default for Tables {
    fn default() -> Self {
        Self(std::array::from_fn(|_| RwLock::default()))
    }
}

impl Names {
    /// The number of `item` of `shop`, new or known.
    ///
    /// # Panics
    /// Never on data: more than 2^32 names do not fit memory.
    pub(super) fn meet(&self, shop: &str, item: &str) -> NameId {
        let table = table_of(fingerprint(shop, item));
        let known = self.table(table).find_item(shop, item);
        let id = known.unwrap_or_else(|| {
            let mut items = self.tables.0[table].write().unwrap_or_else(PoisonError::into_inner);
            let shop = items.shop(shop);
            items.item(shop, item)
        });
        number(table, id)
    }

    /// The number of `item` of `shop`, if it has been met.
    pub(super) fn find(&self, shop: &str, item: &str) -> Option<NameId> {
        let table = table_of(fingerprint(shop, item));
        self.table(table).find_item(shop, item).map(|id| number(table, id))
    }

    /// Gives the name to `use_name`.
    pub(super) fn with<R>(&self, name: NameId, use_name: impl FnOnce(&str) -> R) -> R {
        let (table, id) = place(name);
        use_name(self.table(table).name(id))
    }

    /// The fingerprint of the item behind a number.
    pub(super) fn fingerprint(&self, name: NameId) -> u64 {
        let (table, id) = place(name);
        self.table(table).fingerprint(id)
    }

    /// The fingerprint of the shop of the item behind a number.
    pub(super) fn shop(&self, name: NameId) -> u64 {
        let (table, id) = place(name);
        let items = self.table(table);
        fingerprint(items.shop_name(items.shop_of(id)), "")
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        (0..TABLES).map(|table| self.table(table).bytes()).sum()
    }

    fn table(&self, table: usize) -> RwLockReadGuard<'_, Items> {
        self.tables.0[table].read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By the lowest bits: the upper ones decide on the partition.
fn table_of(fingerprint: u64) -> usize {
    usize::try_from(fingerprint % (1 << TABLES_LOG2)).unwrap_or(0) // below TABLES
}

fn number(table: usize, id: ItemId) -> NameId {
    assert!(id.0 < 1 << (u32::BITS - TABLES_LOG2), "more than 2^32 names");
    NameId(id.0 << TABLES_LOG2 | u32::try_from(table).unwrap_or(0))
}

fn place(NameId(number): NameId) -> (usize, ItemId) {
    ((number as usize) % TABLES, ItemId(number >> TABLES_LOG2))
}
