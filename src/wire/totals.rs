//! Totals blocks: what the owner of a rows partition tells the others of the totals that are its.

use super::dictionary::{self, Dictionary};
use super::frame::{Kind, WireError, body, seal, start};
use super::varint::{Reader, put, put_count, put_signed};
use crate::items::{ItemId, Items, ShopId};
use crate::position::{Checkpoint, NextOffset, Partition, Position};
use crate::relation::Relation;

/// An entry's first byte is its relation, plus this where it is about a shop's contexts.
const CONTEXTS: u8 = 8;

/// A flag of the head: the checksum of what was read last follows.
const CHECKSUM: u8 = 1;

/// Fewest bytes of an entry: head, reference, support, weight.
const ENTRY_BYTES_MIN: usize = 11;

/// Who says it, and how far it had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalsHead {
    /// The rows partition that owns the totals.
    pub partition: Partition,
    /// Which incarnation of its owner: the offset of its claim.
    pub epoch: u64,
    /// Its how many-th block, from 1.
    pub sequence: u64,
    /// How far the owner has read its partition of the pairs log, and what it read there last.
    pub read: Checkpoint,
    /// What the weights of each relation are relative to, in half-lives since 1970, by [`Relation::index`].
    pub landmarks: [i64; Relation::COUNT],
}

/// Whose total it is. Numbers are those of a table, or of the block's dictionaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalOf<I, S> {
    /// The other total of an item.
    Item(I),
    /// The contexts of a shop.
    Shop(S),
}

/// One total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TotalEntry<I, S> {
    /// The relation.
    pub relation: Relation,
    /// Whose it is.
    pub of: TotalOf<I, S>,
    /// Counts behind it, undecayed.
    pub support: u64,
    /// Weight relative to the relation's landmark.
    pub weight: f64,
}

/// Collects totals into a block.
#[derive(Default)]
pub struct TotalsWriter {
    dictionary: Dictionary,
    entries: usize,
    bytes: Vec<u8>,
}

impl TotalsWriter {
    /// Adds a total. `items` holds the names.
    pub fn push(&mut self, entry: &TotalEntry<ItemId, ShopId>, items: &Items) {
        let relation = entry.relation.index().to_le_bytes()[0];
        let (head, number) = match entry.of {
            TotalOf::Item(item) => (relation, self.dictionary.item(item, items)),
            TotalOf::Shop(shop) => (relation | CONTEXTS, self.dictionary.shop(shop, items)),
        };
        self.bytes.push(head);
        put(&mut self.bytes, number);
        put(&mut self.bytes, entry.support);
        self.bytes.extend_from_slice(&entry.weight.to_le_bytes());
        self.entries += 1;
    }

    /// Bytes held, also between blocks.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.dictionary.held_bytes() + self.bytes.capacity()
    }

    /// Whether nothing has been added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The block, and a fresh start.
    pub fn finish(&mut self, head: &TotalsHead, items: &Items) -> Vec<u8> {
        let mut block = start(Kind::Totals);
        put(&mut block, u64::from(head.partition.0));
        put(&mut block, head.epoch);
        put(&mut block, head.sequence);
        let Checkpoint { position, checksum } = head.read;
        block.push(if checksum.is_some() { CHECKSUM } else { 0 });
        put(&mut block, position.offset.0);
        put(&mut block, u64::from(position.index));
        if let Some(checksum) = checksum {
            block.extend_from_slice(&checksum.to_le_bytes());
        }
        head.landmarks.iter().for_each(|&landmark| put_signed(&mut block, landmark));
        self.dictionary.write(items, &mut block);
        put_count(&mut block, self.entries);
        block.append(&mut self.bytes);
        self.dictionary.clear();
        self.entries = 0;
        seal(block)
    }
}

/// A totals block as read. Names borrow from the record.
#[derive(Clone, Debug, PartialEq)]
pub struct TotalsBlock<'a> {
    /// Who says it.
    pub head: TotalsHead,
    /// Shop names.
    pub shops: Vec<&'a str>,
    /// Items: number of the shop, name.
    pub items: Vec<(u32, &'a str)>,
    /// What it says.
    pub entries: Vec<TotalEntry<u32, u32>>,
}

impl<'a> TotalsBlock<'a> {
    /// Reads a block.
    ///
    /// # Errors
    /// When the bytes are no whole totals block.
    pub fn decode(block: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body(block, Kind::Totals)?);
        let head = read_head(&mut reader)?;
        let (shops, items) = dictionary::read(&mut reader)?;
        let count = reader.count(ENTRY_BYTES_MIN)?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let first = reader.byte()?;
            let relation = Relation::ALL.get(usize::from(first & !CONTEXTS));
            let relation = *relation.ok_or_else(|| reader.error("unknown relation"))?;
            let of = if first & CONTEXTS == 0 {
                TotalOf::Item(reader.reference(items.len())?)
            } else {
                TotalOf::Shop(reader.reference(shops.len())?)
            };
            let (support, weight) = (reader.number()?, f64::from_le_bytes(reader.fixed()?));
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(reader.error("a weight is negative, or no number"));
            }
            entries.push(TotalEntry { relation, of, support, weight });
        }
        if !reader.is_at_end() {
            return Err(reader.error("bytes after the end"));
        }
        Ok(Self { head, shops, items, entries })
    }
}

fn read_head(reader: &mut Reader<'_>) -> Result<TotalsHead, WireError> {
    let partition = Partition(reader.small()?);
    let (epoch, sequence) = (reader.number()?, reader.number()?);
    let flags = reader.byte()?;
    if flags & !CHECKSUM != 0 {
        return Err(reader.error("unknown flags"));
    }
    let position = Position { offset: NextOffset(reader.number()?), index: reader.small()? };
    let checksum = if flags & CHECKSUM == 0 { None } else { Some(u32::from_le_bytes(reader.fixed()?)) };
    let mut landmarks = [0; Relation::COUNT];
    for landmark in &mut landmarks {
        *landmark = reader.signed()?;
    }
    Ok(TotalsHead { partition, epoch, sequence, read: Checkpoint { position, checksum }, landmarks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(checksum: Option<u32>) -> TotalsHead {
        let position = Position { offset: NextOffset(70_000), index: 3 };
        let read = Checkpoint { position, checksum };
        TotalsHead { partition: Partition(3), epoch: 900, sequence: 12, read, landmarks: [0, -4, 300, 1 << 40, 5] }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_a_damaged_block_is_refused(
            entries in prop::collection::vec((0..5_usize, any::<bool>(), 0..30_u32, any::<u64>(), 0.0..1e300_f64), 0..40),
            checksum: Option<u32>,
            flip in any::<prop::sample::Index>(),
        ) {
            let mut items = Items::default();
            for number in 0..30 {
                let shop = items.shop(["main", "b2b"][number % 2]);
                items.item(shop, &format!("i{number}"));
            }
            let mut writer = TotalsWriter::default();
            let mut expected = Vec::new();
            for (relation, is_shop, number, support, weight) in entries {
                let relation = Relation::ALL[relation];
                let of = if is_shop { TotalOf::Shop(ShopId(number % 2)) } else { TotalOf::Item(ItemId(number)) };
                writer.push(&TotalEntry { relation, of, support, weight }, &items);
                let name = match of {
                    TotalOf::Shop(shop) => (items.shop_name(shop).to_owned(), None),
                    TotalOf::Item(item) => (items.shop_name(items.shop_of(item)).to_owned(), Some(items.name(item).to_owned())),
                };
                expected.push((relation, name, support, weight));
            }
            let bytes = writer.finish(&head(checksum), &items);
            let block = TotalsBlock::decode(&bytes).unwrap();
            prop_assert_eq!(block.head, head(checksum));
            let read: Vec<_> = block.entries.iter().map(|entry| {
                let name = match entry.of {
                    TotalOf::Shop(shop) => (block.shops[shop as usize].to_owned(), None),
                    TotalOf::Item(item) => {
                        let (shop, name) = block.items[item as usize];
                        (block.shops[shop as usize].to_owned(), Some(name.to_owned()))
                    }
                };
                (entry.relation, name, entry.support, entry.weight)
            }).collect();
            prop_assert_eq!(read, expected);
            let empty = writer.finish(&head(checksum), &items);
            prop_assert!(TotalsBlock::decode(&empty).unwrap().entries.is_empty(), "a fresh start");
            let mut damaged = bytes.clone();
            *flip.get_mut(&mut damaged) ^= 0x10;
            prop_assert!(TotalsBlock::decode(&damaged).is_err());
            prop_assert!((0..bytes.len()).all(|end| TotalsBlock::decode(&bytes[..end]).is_err()));
        }
    }

    #[test]
    fn a_weight_that_is_no_number_is_refused() {
        let mut items = Items::default();
        let shop = items.shop("main");
        for (weight, is_read) in [(1.0, true), (0.0, true), (-1.0, false), (f64::NAN, false), (f64::INFINITY, false)] {
            let mut writer = TotalsWriter::default();
            let entry = TotalEntry { relation: Relation::AlsoBought, of: TotalOf::Shop(shop), support: 1, weight };
            writer.push(&entry, &items);
            assert_eq!(TotalsBlock::decode(&writer.finish(&head(None), &items)).is_ok(), is_read, "{weight}");
        }
    }
}
