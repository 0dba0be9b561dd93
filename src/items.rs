//! Shops and items, interned: a stage's partition knows each by a small number, and by a fingerprint of its content.
//!
//! Invariants: numbers are dense and, until a table is cleared, never reused; they are private to one table, so nothing that leaves a partition
//! (logs, lists, order of ties) may depend on them. Fingerprints are the same everywhere and for ever.
//! Absent: forgetting single ones. A table grows with the catalogue, about 50 bytes an item, unless it is cleared.

mod saved;

pub use saved::ItemsSaving;

use crate::memory::{allocated, of_vec};
use crate::position::Partition;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;
use xxhash_rust::xxh3::xxh3_64;

/// Shop and item together are mostly shorter than this: that much memory need not be cleared to hash them.
const FINGERPRINT_BYTES_SHORT: usize = 64;
/// Longest shop and item together that are hashed without an allocation.
const FINGERPRINT_BYTES_MAX: usize = 2 * crate::limits::ID_BYTES_MAX + 1;

/// Number of a shop in one [`Items`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ShopId(pub u32);

/// Number of an item (of one shop) in one [`Items`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ItemId(pub u32);

impl ShopId {
    /// The number as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ItemId {
    /// The number as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The fixed fingerprint of an item of a shop (XXH3, 64 bits); an empty item stands for the shop itself.
#[must_use]
pub fn fingerprint(shop: &str, item: &str) -> u64 {
    let separator = [0xFF]; // no UTF-8 text holds this byte
    let parts = [shop.as_bytes(), &separator, item.as_bytes()];
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // Every id within its limit fits. (The streaming hasher gives the same, but costs several times as much.)
    if length <= FINGERPRINT_BYTES_SHORT {
        hash_of::<FINGERPRINT_BYTES_SHORT>(parts)
    } else if length <= FINGERPRINT_BYTES_MAX {
        hash_of::<FINGERPRINT_BYTES_MAX>(parts)
    } else {
        xxh3_64(&parts.concat())
    }
}

/// The hash of parts that are `N` bytes long together at most.
#[inline]
fn hash_of<const N: usize>(parts: [&[u8]; 3]) -> u64 {
    let (mut buffer, mut end) = ([0; N], 0);
    for part in parts {
        buffer[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    xxh3_64(&buffer[..end])
}

/// The partition of `count` that a fingerprint belongs to: the upper bits, by multiplication (Lemire, 2019).
#[must_use]
pub fn spread(fingerprint: u64, count: u32) -> Partition {
    let wide = u128::from(fingerprint) * u128::from(count);
    Partition(u32::try_from(wide >> 64).unwrap_or(0)) // below `count`, which is a u32
}

struct Entry {
    fingerprint: u64,
    /// Where its name starts in `Items::names`, times 2^16, plus the name's length.
    name: u64,
    shop: ShopId,
}

impl Entry {
    /// Names are at most 2^16 - 1 bytes long, and 2^48 bytes in all: ids are shorter, memory is smaller.
    fn new(shop: ShopId, fingerprint: u64, start: usize, length: usize) -> Self {
        assert!(length < 1 << 16, "an id is at most ID_BYTES_MAX bytes long");
        Self { fingerprint, name: (start as u64) << 16 | length as u64, shop }
    }

    fn range(&self) -> std::ops::Range<usize> {
        range_of(self.name)
    }
}

/// Where a name stands among all names.
fn range_of(name: u64) -> std::ops::Range<usize> {
    let start = usize::try_from(name >> 16).unwrap_or(usize::MAX);
    start..start + usize::from((name & 0xFFFF) as u16)
}

/// The shops and items that one partition of a stage has met.
#[derive(Default)]
pub struct Items {
    shops: Vec<Box<str>>,
    /// What the names of shops take.
    shop_name_bytes: usize,
    /// By the hash of their names. How many shops there are is up to the data, as it is for items.
    shop_index: HashTable<u32>,
    /// The shop that `shop` gave last: most often the next one too, and often the only one.
    last_shop: usize,
    entries: Vec<Entry>,
    /// All item names, one behind the other: less memory than a box each, and fewer cache misses.
    names: String,
    index: Index,
}

/// Numbers by fingerprint. In shards, because a table that grows is made anew at once: of one for all items that would be
/// a step that grows with the catalogue (`cargo bench --bench steps`, the take-over).
#[derive(Default)]
struct Index(Vec<HashTable<u32>>);

const SHARDS: usize = 64;

impl Index {
    /// Which shard: by bits that neither partitions nor tables go by.
    fn shard(fingerprint: u64) -> usize {
        usize::from(fingerprint.to_le_bytes()[5]) % SHARDS
    }

    fn find(&self, fingerprint: u64, is_it: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.0.get(Self::shard(fingerprint))?.find(fingerprint, is_it).copied()
    }

    fn insert(&mut self, fingerprint: u64, id: u32, entries: &[Entry]) {
        if self.0.is_empty() {
            self.0.resize_with(SHARDS, HashTable::default);
        }
        let fingerprint_of = |&other: &u32| entries[other as usize].fingerprint;
        self.0[Self::shard(fingerprint)].insert_unique(fingerprint, id, fingerprint_of);
    }

    /// Takes in all of `entries`, of which it has none yet: shard by shard, so that the one at work is in the processor's cache. Gives a number
    /// whose entry `is_same` as an earlier one, if there is such.
    fn take_in(&mut self, entries: &[Entry], is_same: impl Fn(u32, u32) -> bool) -> Option<u32> {
        let mut by_shard: Vec<Vec<(u64, u32)>> = vec![Vec::new(); SHARDS];
        for (id, entry) in (0..).zip(entries) {
            by_shard[Self::shard(entry.fingerprint)].push((entry.fingerprint, id));
        }
        self.0.clear();
        let fingerprint_of = |&other: &u32| entries[other as usize].fingerprint;
        for all in by_shard {
            let mut shard = HashTable::with_capacity(all.len());
            for (fingerprint, id) in all {
                match shard.entry(fingerprint, |&other| is_same(id, other), fingerprint_of) {
                    Place::Occupied(_) => return Some(id),
                    Place::Vacant(free) => drop(free.insert(id)),
                }
            }
            self.0.push(shard);
        }
        None
    }

    fn clear(&mut self) {
        self.0.iter_mut().for_each(HashTable::clear);
    }

    fn bytes(&self) -> usize {
        of_vec(&self.0) + self.0.iter().map(|shard| allocated(shard.allocation_size())).sum::<usize>()
    }
}

impl Items {
    /// The number of `shop`, new or known.
    ///
    /// # Panics
    /// Never on data: more than 2^32 shops do not fit memory.
    pub fn shop(&mut self, shop: &str) -> ShopId {
        let id = self.find_shop(shop).unwrap_or_else(|| self.add_shop(shop));
        self.last_shop = id.index();
        id
    }

    /// The number of `shop`, if it has been met.
    #[must_use]
    pub fn find_shop(&self, shop: &str) -> Option<ShopId> {
        if self.shops.get(self.last_shop).is_some_and(|last| **last == *shop) {
            return Some(ShopId(small(self.last_shop)));
        }
        let same = |&id: &u32| *self.shops[id as usize] == *shop;
        self.shop_index.find(xxh3_64(shop.as_bytes()), same).map(|&id| ShopId(id))
    }

    fn add_shop(&mut self, shop: &str) -> ShopId {
        let id = small(self.shops.len());
        self.shops.push(Box::from(shop));
        self.shop_name_bytes += allocated(shop.len());
        let shops = &self.shops;
        let hash = |&other: &u32| xxh3_64(shops[other as usize].as_bytes());
        self.shop_index.insert_unique(xxh3_64(shop.as_bytes()), id, hash);
        ShopId(id)
    }

    /// The number of `item` in `shop`, new or known.
    pub fn item(&mut self, shop: ShopId, item: &str) -> ItemId {
        let fingerprint = fingerprint(&self.shops[shop.index()], item);
        if let Some(known) = self.find(shop, item, fingerprint) {
            return known;
        }
        let id = small(self.entries.len());
        self.entries.push(Entry::new(shop, fingerprint, self.names.len(), item.len()));
        self.names.push_str(item);
        self.index.insert(fingerprint, id, &self.entries);
        ItemId(id)
    }

    /// The numbers of `items`, each a place in `shops` and a name, new or known; over what `ids` holds.
    ///
    /// A look-up in a large table waits for memory four times, one behind the other. Step by step over all items, those of
    /// different items are waited for together.
    pub fn items(&mut self, shops: &[ShopId], items: &[(u32, &str)], ids: &mut Vec<ItemId>) {
        struct Guess {
            fingerprint: u64,
            id: u32,
            name: u64,
        }
        let mut guesses = Vec::with_capacity(items.len());
        for &(shop, item) in items {
            let fingerprint = fingerprint(&self.shops[shops[shop as usize].index()], item);
            guesses.push(Guess { fingerprint, id: u32::MAX, name: 0 });
        }
        for guess in &mut guesses {
            // The first that it may be: mostly it is.
            guess.id = self.index.find(guess.fingerprint, |_| true).unwrap_or(u32::MAX);
        }
        for (guess, &(shop, _)) in guesses.iter_mut().zip(items) {
            match self.entries.get(guess.id as usize) {
                Some(entry) if entry.fingerprint == guess.fingerprint && entry.shop == shops[shop as usize] => {
                    guess.name = entry.name;
                }
                _ => guess.id = u32::MAX,
            }
        }
        ids.clear();
        for (guess, &(shop, item)) in guesses.iter().zip(items) {
            let is_it = guess.id != u32::MAX && self.names.as_bytes()[range_of(guess.name)] == *item.as_bytes();
            ids.push(if is_it { ItemId(guess.id) } else { self.item(shops[shop as usize], item) });
        }
    }

    /// Forgets everything, but keeps the room for it.
    pub fn clear(&mut self) {
        self.shops.clear();
        self.shop_index.clear();
        (self.shop_name_bytes, self.last_shop) = (0, 0);
        self.entries.clear();
        self.names.clear();
        self.index.clear();
    }

    /// The number of `item` in `shop`, if it has been met.
    #[must_use]
    pub fn find_item(&self, shop: &str, item: &str) -> Option<ItemId> {
        let shop_id = self.find_shop(shop)?;
        self.find(shop_id, item, fingerprint(shop, item))
    }

    /// The number of the item with this fingerprint, if it has been met.
    #[must_use]
    pub fn find_fingerprint(&self, fingerprint: u64) -> Option<ItemId> {
        self.index.find(fingerprint, |&id| self.entries[id as usize].fingerprint == fingerprint).map(ItemId)
    }

    fn find(&self, shop: ShopId, item: &str, fingerprint: u64) -> Option<ItemId> {
        let same = |&id: &u32| {
            let entry = &self.entries[id as usize];
            entry.fingerprint == fingerprint
                && entry.shop == shop
                && self.names.as_bytes()[entry.range()] == *item.as_bytes()
        };
        self.index.find(fingerprint, same).map(ItemId)
    }

    /// The name of a shop.
    #[must_use]
    pub fn shop_name(&self, shop: ShopId) -> &str {
        &self.shops[shop.index()]
    }

    /// The name of an item.
    #[must_use]
    pub fn name(&self, item: ItemId) -> &str {
        &self.names[self.entries[item.index()].range()]
    }

    /// The shop an item belongs to.
    #[must_use]
    pub fn shop_of(&self, item: ItemId) -> ShopId {
        self.entries[item.index()].shop
    }

    /// The fixed fingerprint of an item.
    #[must_use]
    pub fn fingerprint(&self, item: ItemId) -> u64 {
        self.entries[item.index()].fingerprint
    }

    /// How many items have been met.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none has been met.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many shops have been met.
    #[must_use]
    pub fn shop_count(&self) -> usize {
        self.shops.len()
    }

    /// The `place`-th shop, in the order of first meeting.
    #[must_use]
    pub fn shop_at(&self, place: usize) -> ShopId {
        ShopId(small(place))
    }

    /// Bytes held, as allocated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let shops: usize = self.shop_name_bytes + of_vec(&self.shops) + allocated(self.shop_index.allocation_size());
        shops + of_vec(&self.entries) + allocated(self.names.capacity()) + self.index.bytes()
    }

    /// Every item, in the order of first meeting.
    pub fn ids(&self) -> impl Iterator<Item = ItemId> + use<> {
        (0..small(self.entries.len())).map(ItemId)
    }
}

/// A table index as a `u32`. A table of 2^32 entries would need hundreds of gigabytes: not reachable by data.
fn small(index: usize) -> u32 {
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    assert!(number != u32::MAX, "more than 2^32 interned names");
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gets_one_number_per_shop() {
        let mut items = Items::default();
        let (main, b2b) = (items.shop("main"), items.shop("b2b"));
        let a = items.item(main, "sku-1");
        assert_eq!(items.item(main, "sku-1"), a);
        assert_ne!(items.item(b2b, "sku-1"), a);
        assert_eq!((items.name(a), items.shop_name(items.shop_of(a))), ("sku-1", "main"));
        assert_eq!(items.find_item("main", "sku-1"), Some(a));
        assert_eq!(items.find_item("main", "sku-2"), None);
        assert_eq!(items.find_item("other", "sku-1"), None);
        assert_eq!(items.shop("main"), main);
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn many_at_once_get_the_numbers_that_one_by_one_they_would() {
        let (mut together, mut apart) = (Items::default(), Items::default());
        let shops = ["main", "b2b"].map(|shop| {
            assert_eq!(together.shop(shop), apart.shop(shop));
            apart.shop(shop)
        });
        let mut ids = vec![ItemId(7); 3];
        for round in 0..200_u32 {
            // New ones, known ones, and some that stand in a block twice. Thousands, so that some share a tag in the index.
            let names: Vec<String> = (0..300_u32).map(|n| format!("{}", (round * 131 + n * 7) % 9_000)).collect();
            let items: Vec<(u32, &str)> = (0..).zip(&names).map(|(n, name)| (n % 2, name.as_str())).collect();
            together.items(&shops, &items, &mut ids);
            let expected: Vec<ItemId> =
                items.iter().map(|&(shop, name)| apart.item(shops[shop as usize], name)).collect();
            assert_eq!(ids, expected, "round {round}");
        }
        assert_eq!(together.len(), apart.len());
    }

    #[test]
    fn a_cleared_table_knows_nothing_and_counts_from_the_start() {
        let mut items = Items::default();
        let b2b = (items.shop("main"), items.shop("b2b")).1;
        items.item(b2b, "a");
        items.clear();
        assert_eq!((items.len(), items.shop_count(), items.find_shop("b2b")), (0, 0, None));
        let shop = items.shop("b2b");
        assert_eq!((shop, items.find_item("b2b", "a")), (ShopId(0), None));
        let b = items.item(shop, "b");
        assert_eq!((b, items.name(b)), (ItemId(0), "b"));
    }

    #[test]
    fn bytes_held_grow_with_the_items_about_as_told() {
        let mut items = Items::default();
        assert_eq!(items.bytes(), 0);
        let shop = items.shop("main");
        for n in 0..10_000 {
            items.item(shop, &format!("sku-{n:06}"));
        }
        let each = items.bytes() / 10_000;
        assert!((24 + 10 + 4..=100).contains(&each), "{each} bytes an item");
    }

    #[test]
    fn many_shops_are_numbered_as_a_search_through_a_list_would() {
        let (mut items, mut list) = (Items::default(), Vec::<String>::new());
        assert_eq!(items.find_shop(""), None, "nothing is known yet");
        for step in 0..2000_u32 {
            let name = format!("shop-{}", step.wrapping_mul(2_654_435_761) % 700); // new ones, old ones, in no order
            let name = if step % 50 == 0 { String::new() } else { name };
            let known = list.iter().position(|shop| *shop == name);
            assert_eq!(items.find_shop(&name).map(ShopId::index), known, "step {step}");
            let id = items.shop(&name);
            assert_eq!(id.index(), known.unwrap_or(list.len()), "step {step}");
            assert_eq!((items.shop(&name), items.shop_name(id)), (id, name.as_str()), "again: the last one");
            if known.is_none() {
                list.push(name);
            }
        }
        assert!(list.len() > 500 && items.shop_count() == list.len());
        assert_eq!(items.find_shop("shop-700"), None);
        // A search through all of them for each would need minutes in the dev profile.
        (0..200_000_u32).for_each(|n| assert_eq!(items.shop(&format!("many {n}")).index(), list.len() + n as usize));
        assert_eq!(items.find_shop("many 77777").map(ShopId::index), Some(list.len() + 77_777));
    }

    #[test]
    fn fingerprints_are_fixed_for_ever() {
        // Changing any of these moves items between partitions: it needs new logs.
        let golden = [
            ("main", "sku-1", 5_007_213_943_938_677_954, 1),
            ("main", "\u{e9}-\u{4ef6}", 10_005_583_027_641_158_006, 3),
            ("b2b", "", 12_089_214_982_923_225_802, 4),
        ];
        let seen = golden.map(|(shop, item, _, _)| {
            let hash = fingerprint(shop, item);
            (shop, item, hash, spread(hash, 7).0)
        });
        assert_eq!(seen, golden);
        let long = "x".repeat(300);
        assert_ne!(fingerprint(&long, &long), fingerprint(&long, "x"), "over any limit too");
    }

    #[test]
    fn partitions_cover_their_range_and_no_more() {
        for count in [1, 2, 7, 64] {
            let mut seen = vec![0_u32; count as usize];
            for n in 0..10_000_u32 {
                seen[spread(fingerprint("main", &n.to_string()), count).index()] += 1;
            }
            let fair = 10_000 / count;
            assert!(seen.iter().all(|&n| n > fair * 7 / 10 && n < fair * 13 / 10 + 10), "{count}: {seen:?}");
        }
    }
}
