//! Names once a block: which of a table's items a block has named, and their numbers in it.

use super::frame::WireError;
use super::size::COUNT_BYTES_MAX;
use super::varint::{Reader, length, name_length, put, put_count, put_name};
use crate::items::{ItemId, Items, ShopId};
use crate::limits::ID_BYTES_MAX;
use crate::memory::{allocated, of_vec};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// The numbers that a block has given, by number in the table. As small as the block, however large the table: it stays in the
/// processor's caches.
#[derive(Default)]
struct Numbers(HashTable<(u32, u32)>);

impl Numbers {
    /// The number in the block of what has `index` in the table: `next` when it is new there, which is the second part.
    #[inline]
    fn number(&mut self, index: u32, next: usize) -> (u64, bool) {
        match self.0.entry(hash(index), |&(known, _)| known == index, |&(known, _)| hash(known)) {
            Entry::Occupied(known) => (u64::from(known.get().1), false),
            Entry::Vacant(place) => {
                let number = u32::try_from(next).unwrap_or(u32::MAX);
                place.insert((index, number));
                (u64::from(number), true)
            }
        }
    }
}

/// Spreads numbers that follow each other (multiplicative hashing, Knuth, TAOCP 3, section 6.4).
fn hash(index: u32) -> u64 {
    u64::from(index).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// What a mention of an item, or of a shop, costs at most, whatever its name.
pub(super) const NAME_BYTES_BOUND: usize = 4 * 5 + ID_BYTES_MAX;

/// At most so many bytes a mention of `item` costs: its number, and its name and shop where they are new to the block.
pub(super) fn item_bytes_max(item: ItemId, items: &Items) -> usize {
    const NUMBERS: usize = 4 * 5; // its own, its shop's, two lengths
    NUMBERS + items.name(item).len()
}

/// The same of a shop.
pub(super) fn shop_bytes_max(shop: ShopId, items: &Items) -> usize {
    const NUMBERS: usize = 2 * 5;
    NUMBERS + items.shop_name(shop).len()
}

/// The items and shops that the block under construction has named so far.
#[derive(Default)]
pub(super) struct Dictionary {
    item_numbers: Numbers,
    shop_numbers: Numbers,
    items: Vec<ItemId>,
    shops: Vec<ShopId>,
    name_bytes: usize,
}

impl Dictionary {
    pub(super) fn clear(&mut self) {
        self.item_numbers.0.clear();
        self.shop_numbers.0.clear();
        self.items.clear();
        self.shops.clear();
        self.name_bytes = 0;
    }

    #[inline]
    pub(super) fn item(&mut self, item: ItemId, items: &Items) -> u64 {
        let (number, is_new) = self.item_numbers.number(item.0, self.items.len());
        if is_new {
            self.items.push(item);
            let shop = self.shop(items.shop_of(item), items);
            self.name_bytes += length(shop) + name_length(items.name(item));
        }
        number
    }

    pub(super) fn shop(&mut self, shop: ShopId, items: &Items) -> u64 {
        let (number, is_new) = self.shop_numbers.number(shop.0, self.shops.len());
        if is_new {
            self.shops.push(shop);
            self.name_bytes += name_length(items.shop_name(shop));
        }
        number
    }

    /// Bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let numbers = [&self.item_numbers, &self.shop_numbers].map(|numbers| allocated(numbers.0.allocation_size()));
        numbers.iter().sum::<usize>() + of_vec(&self.items) + of_vec(&self.shops)
    }

    /// What [`Dictionary::write`] appends, or a few bytes more.
    pub(super) fn bytes_max(&self) -> usize {
        2 * COUNT_BYTES_MAX + self.name_bytes
    }

    /// Appends shops and items.
    pub(super) fn write(&mut self, items: &Items, out: &mut Vec<u8>) {
        let mut named = Vec::with_capacity(self.items.len() + self.name_bytes);
        put_count(&mut named, self.items.len());
        for place in 0..self.items.len() {
            let item = self.items[place];
            put(&mut named, self.shop(items.shop_of(item), items));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mention_may_cost_is_no_less_than_it_does() {
        let mut table = Items::default();
        let mut dictionary = Dictionary::default();
        for n in 0..300 {
            let shop = table.shop(&format!("{n:0width$}", width = n % 140 + 3));
            let item = table.item(shop, &"x".repeat(n % 130 + 1));
            let before = dictionary.bytes_max();
            let number = dictionary.shop(shop, &table);
            let of_shop = dictionary.bytes_max() - before + length(number);
            assert!(of_shop <= shop_bytes_max(shop, &table), "{of_shop}");
            let before = dictionary.bytes_max();
            let number = dictionary.item(item, &table);
            let of_item = dictionary.bytes_max() - before + length(number);
            assert!(of_item <= item_bytes_max(item, &table), "{of_item}");
        }
    }

    #[test]
    fn names_are_numbered_by_block() {
        let mut table = Items::default();
        let shops: Vec<ShopId> = (0..300).map(|n| table.shop(&format!("shop {n}"))).collect();
        let items: Vec<ItemId> = shops.iter().map(|&shop| table.item(shop, "a")).collect();
        let mut dictionary = Dictionary::default();
        for block in 1..7_usize {
            // A search through a list gives the same numbers. Each block begins elsewhere and goes back and forth.
            let (mut named_shops, mut named_items) = (Vec::new(), Vec::new());
            for step in 0..1000 {
                let place = (block + step * 7) % (100 + step % 200);
                let by_list = |list: &mut Vec<usize>| {
                    list.iter().position(|&known| known == place).unwrap_or_else(|| {
                        list.push(place);
                        list.len() - 1
                    }) as u64
                };
                assert_eq!(dictionary.shop(shops[place], &table), by_list(&mut named_shops));
                if step % 3 == 0 {
                    assert_eq!(dictionary.item(items[place], &table), by_list(&mut named_items));
                }
            }
            assert!(dictionary.shops.len() > 200 && dictionary.items.len() > 100);
            let mut bytes = Vec::new();
            dictionary.write(&table, &mut bytes);
            let spare = dictionary.bytes_max() - bytes.len(); // the counts are small
            assert!(spare < 2 * COUNT_BYTES_MAX, "{spare} bytes were told that are not there");
            let (read_shops, read_items) = read(&mut Reader::new(&bytes)).unwrap();
            let shop_names: Vec<String> = named_shops.iter().map(|place| format!("shop {place}")).collect();
            assert_eq!(read_shops, shop_names);
            let owners: Vec<&str> = read_items.iter().map(|(shop, _)| read_shops[*shop as usize]).collect();
            let expected: Vec<String> = named_items.iter().map(|place| format!("shop {place}")).collect();
            assert_eq!(owners, expected);
            dictionary.clear();
        }
    }
}
