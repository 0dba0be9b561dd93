//! Which items and shops a rows partition owns: a fixed function of their names.

use crate::items::{ItemId, Items, ShopId, fingerprint, spread};
use crate::position::Partition;

/// What one partition of `partitions` owns, known by number once the table has been looked through.
pub(super) struct Ownership {
    pub(super) partition: Partition,
    pub(super) partitions: u32,
    items: Vec<bool>,
    shops: Vec<bool>,
}

impl Ownership {
    pub(super) fn new(partition: Partition, partitions: u32) -> Self {
        assert!(partition.0 < partitions, "partition {} of {partitions}", partition.0);
        Self { partition, partitions, items: Vec::new(), shops: Vec::new() }
    }

    /// Looks at what is new in the table.
    pub(super) fn meet(&mut self, table: &Items) {
        if self.is_alone() {
            return;
        }
        for number in (0_u32..).map(ItemId).skip(self.items.len()).take(table.len() - self.items.len()) {
            self.items.push(spread(table.fingerprint(number), self.partitions) == self.partition);
        }
        for number in (0_u32..).map(ShopId).skip(self.shops.len()).take(table.shop_count() - self.shops.len()) {
            self.shops.push(spread(fingerprint(table.shop_name(number), ""), self.partitions) == self.partition);
        }
    }

    /// Whether there is no other partition, so that everything is owned.
    pub(super) fn is_alone(&self) -> bool {
        self.partitions == 1
    }

    /// Whether `item` is owned. It must have been met.
    pub(super) fn has(&self, item: ItemId) -> bool {
        self.is_alone() || self.items[item.index()]
    }

    /// The same, whether or not it has been looked at.
    pub(super) fn owns(&self, table: &Items, item: ItemId) -> bool {
        let is_own = || spread(table.fingerprint(item), self.partitions) == self.partition;
        self.is_alone() || self.items.get(item.index()).copied().unwrap_or_else(is_own)
    }

    /// Whether the contexts of `shop` are owned. It must have been met.
    pub(super) fn has_shop(&self, shop: ShopId) -> bool {
        self.is_alone() || self.shops[shop.index()]
    }

    pub(super) fn bytes(&self) -> usize {
        self.items.capacity() + self.shops.capacity()
    }
}
