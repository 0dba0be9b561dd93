//! Names once a block: which of a table's items a block has named, and their numbers in it.

use super::frame::WireError;
use super::varint::{Reader, put, put_count, put_name};
use crate::items::{ItemId, Items, ShopId};

/// The items and shops that the block under construction has named so far.
#[derive(Default)]
pub(super) struct Dictionary {
    /// By item: the block it was last named in, and its number there.
    slots: Vec<(u32, u32)>,
    block: u32,
    items: Vec<ItemId>,
    shops: Vec<ShopId>,
    name_bytes: usize,
}

impl Dictionary {
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.shops.clear();
        self.name_bytes = 0;
        self.block = self.block.wrapping_add(1);
        if self.block == 0 {
            self.slots.fill((0, 0)); // after 2^32 blocks old stamps could be taken for new ones
            self.block = 1;
        }
    }

    #[inline]
    pub(super) fn item(&mut self, item: ItemId, items: &Items) -> u64 {
        if self.block == 0 {
            self.block = 1;
        }
        if self.slots.len() <= item.index() {
            self.slots.resize(items.len().max(item.index() + 1), (0, 0));
        }
        let slot = &mut self.slots[item.index()];
        if slot.0 != self.block {
            let number = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
            *slot = (self.block, number);
            self.items.push(item);
            self.name_bytes += items.name(item).len() + 2;
        }
        u64::from(slot.1)
    }

    pub(super) fn shop(&mut self, shop: ShopId) -> u64 {
        let known = self.shops.iter().position(|&s| s == shop);
        known.unwrap_or_else(|| {
            self.shops.push(shop);
            self.shops.len() - 1
        }) as u64
    }

    pub(super) fn bytes(&self) -> usize {
        self.name_bytes
    }

    /// Appends shops and items.
    pub(super) fn write(&mut self, items: &Items, out: &mut Vec<u8>) {
        let mut named = Vec::with_capacity(self.items.len() + self.name_bytes);
        put_count(&mut named, self.items.len());
        for place in 0..self.items.len() {
            let item = self.items[place];
            put(&mut named, self.shop(items.shop_of(item)));
            put_name(&mut named, items.name(item));
        }
        put_count(out, self.shops.len());
        for &shop in &self.shops {
            put_name(out, items.shop_name(shop));
        }
        out.extend_from_slice(&named);
    }
}

/// A block's names as read: shops, and items as (shop number, name).
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Names<'a>, WireError> {
    let count = reader.count(1)?;
    let mut shops = Vec::with_capacity(count);
    for _ in 0..count {
        shops.push(reader.name()?);
    }
    let count = reader.count(2)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let shop = reader.reference(shops.len())?;
        items.push((shop, reader.name()?));
    }
    Ok((shops, items))
}

pub(super) type Names<'a> = (Vec<&'a str>, Vec<(u32, &'a str)>);
