//! Pairs blocks: what windows gives to rows.

use super::block::{
    Section, SectionHead, SectionWriter, bytes_max, read_sections, read_sources, write_sections, write_sources,
};
use super::dictionary::{self, Dictionary};
use super::frame::{HEADER_BYTES, Kind, WireError, body, seal, start};
use super::varint::{Reader, VARINT_BYTES_MAX, WIDE_BYTES_MAX, put, put_count, put_wide};
use crate::event::EventTime;
use crate::items::{ItemId, Items};
use crate::position::Position;
use crate::relation::{Bought, Change, Delta, OrdersBefore, Relation};
use std::ops::Range;

const CONTEXT: u8 = 0;
const STAR: u8 = 1;
const STAR_BACK: u8 = 2;
const BASKET: u8 = 3;
const CROSS: u8 = 4;
/// Of a customer who has bought several of the items together before, or of which a part is settled.
const BASKET_AGAIN: u8 = 5;
/// The anchors are settled.
const CROSS_SETTLED: u8 = 6;
/// A change's first byte is its kind times this, plus its relation.
const KIND_STEP: u8 = 8;
/// Added to it where the change is taken back.
const TAKEN_BACK: u8 = 0x80;

/// Place, time, kind and counts.
const ENTRY: usize = 64;
/// A number of the block's dictionaries.
const NUMBER: usize = 5;

/// Collects deltas of one source partition (of the events log) into blocks for one partition of the pairs log.
#[derive(Default)]
pub struct PairsWriter {
    dictionary: Dictionary,
    section: Vec<SectionWriter>,
}

impl PairsWriter {
    /// The head of the section under construction, if there is one.
    pub fn head(&mut self) -> Option<&mut SectionHead> {
        self.section.first_mut().map(|section| &mut section.head)
    }

    /// Opens the block's one section; its `span.to` may be moved until the block is finished.
    pub fn open(&mut self, head: SectionHead) {
        self.section.clear();
        self.section.push(SectionWriter::new(head));
    }

    /// Adds a delta to the open section; moves the section's end behind it. `items` holds the names.
    pub fn push(&mut self, position: Position, delta: &Delta<'_>, items: &Items) {
        let Some(section) = self.section.first_mut() else {
            return; // nothing is ever pushed before `open`: see `stage::outbox`
        };
        section.place(position, delta.time);
        section.head.span.to = section.head.span.to.max(position.after());
        put_change(&mut section.bytes, &mut self.dictionary, delta, items);
    }

    /// Bytes held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let sections = self.section.iter().map(|section| crate::memory::of_vec(&section.bytes));
        self.dictionary.held_bytes() + sections.sum::<usize>()
    }

    /// No fewer than [`Self::entry_bytes_max`], without looking at a name: where that much has room, nothing need be looked up.
    #[must_use]
    pub fn entry_bytes_bound(delta: &Delta<'_>) -> usize {
        let (items, more) = match delta.change {
            Change::Context { .. } => (0, 0),
            Change::Star { neighbours, .. } => (1 + neighbours.len(), 0),
            Change::StarBack { neighbours, .. } => (1 + neighbours.len(), 0),
            Change::Basket { items, before, .. } => (items.len(), before.len() * WIDE_BYTES_MAX),
            Change::Cross { anchors, others, .. } => (anchors.len() + others.len(), 0),
        };
        ENTRY + 2 * NUMBER + more + (1 + items) * (NUMBER + dictionary::NAME_BYTES_BOUND)
    }

    /// About how many bytes a delta adds to a block at most.
    #[must_use]
    pub fn entry_bytes_max(delta: &Delta<'_>, items: &Items) -> usize {
        // All are of one shop, which may be new to the block too.
        let all = |ids: &mut dyn Iterator<Item = ItemId>| -> usize {
            ids.fold(0, |sum, item| {
                let shop = if sum == 0 { dictionary::shop_bytes_max(items.shop_of(item), items) } else { 0 };
                sum + shop + NUMBER + dictionary::item_bytes_max(item, items)
            })
        };
        ENTRY
            + match delta.change {
                Change::Context { shop, .. } => dictionary::shop_bytes_max(shop, items),
                Change::Star { centre, neighbours, .. } => {
                    all(&mut std::iter::once(centre).chain(neighbours.iter().copied()))
                }
                Change::StarBack { centre, neighbours, .. } => {
                    all(&mut std::iter::once(centre).chain(neighbours.iter().map(|&(item, _)| item)))
                }
                Change::Basket { items, before, .. } => {
                    2 * NUMBER + before.len() * WIDE_BYTES_MAX + all(&mut items.iter().map(|bought| bought.item))
                }
                Change::Cross { anchors, others, .. } => {
                    all(&mut anchors.iter().copied().chain(others.iter().map(|bought| bought.item)))
                }
            }
    }

    /// How many bytes the block would have, or a few more, never fewer.
    #[must_use]
    pub fn bytes(&self) -> usize {
        HEADER_BYTES + VARINT_BYTES_MAX + self.dictionary.bytes_max() + bytes_max(&self.section)
    }

    /// How many deltas the block holds.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.section.iter().map(|s| s.entries).sum()
    }

    /// Whether the block would hold nothing at all, not even a mark.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.section.is_empty()
    }

    /// The block, by a writer of `generation`, and a fresh start.
    pub fn finish(&mut self, generation: u64, items: &Items) -> Vec<u8> {
        let mut block = start(Kind::Pairs);
        put(&mut block, generation);
        write_sources(&self.section, &mut block);
        self.dictionary.write(items, &mut block);
        write_sections(&self.section, &mut block);
        self.dictionary.clear();
        self.section.clear();
        seal(block)
    }
}

fn put_change(out: &mut Vec<u8>, dictionary: &mut Dictionary, delta: &Delta<'_>, items: &Items) {
    let sign = if delta.is_taken_back { TAKEN_BACK } else { 0 };
    let head = |kind: u8, relation: Relation| sign + kind * KIND_STEP + relation_number(relation);
    match delta.change {
        Change::Context { shop, relation } => {
            out.push(head(CONTEXT, relation));
            put(out, dictionary.shop(shop, items));
        }
        Change::Star { relation, centre, neighbours } => {
            out.push(head(STAR, relation));
            put(out, dictionary.item(centre, items));
            put_count(out, neighbours.len());
            for &neighbour in neighbours {
                put(out, dictionary.item(neighbour, items));
            }
        }
        Change::StarBack { relation, centre, neighbours } => {
            out.push(head(STAR_BACK, relation));
            put(out, dictionary.item(centre, items));
            put_count(out, neighbours.len());
            for &(neighbour, distance) in neighbours {
                put(out, dictionary.item(neighbour, items));
                put(out, u64::from(distance));
            }
        }
        Change::Basket { items: basket, before: &[], settled: 0 } => {
            out.push(head(BASKET, Relation::BoughtTogether));
            put_bought(out, dictionary, basket, items);
        }
        Change::Basket { items: basket, before, settled } => {
            out.push(head(BASKET_AGAIN, Relation::BoughtTogether));
            put_bought(out, dictionary, basket, items);
            put_count(out, settled);
            put_count(out, before.len());
            before.iter().for_each(|orders| put_wide(out, orders.0));
        }
        Change::Cross { relation, anchors, settled, others } => {
            out.push(head(if settled { CROSS_SETTLED } else { CROSS }, relation));
            put_count(out, anchors.len());
            for &anchor in anchors {
                put(out, dictionary.item(anchor, items));
            }
            put_bought(out, dictionary, others, items);
        }
    }
}

fn put_bought(out: &mut Vec<u8>, dictionary: &mut Dictionary, bought: &[Bought], items: &Items) {
    put_count(out, bought.len());
    for &Bought { item, repeats } in bought {
        put(out, dictionary.item(item, items));
        put(out, u64::from(repeats));
    }
}

fn relation_number(relation: Relation) -> u8 {
    match relation {
        Relation::BoughtTogether => 0,
        Relation::AlsoBought => 1,
        Relation::ViewedTogether => 2,
        Relation::ViewedThenBought => 3,
        Relation::CartedTogether => 4,
    }
}

/// One delta as read: numbers are those of the block's dictionaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairEntry {
    /// Where it stands in its source partition.
    pub position: Position,
    /// When it happened.
    pub time: EventTime,
    relation: Relation,
    is_taken_back: bool,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Context { shop: u32 },
    Star { centre: u32, neighbours: Range<usize> },
    StarBack { centre: u32, neighbours: Range<usize> },
    Basket { items: Range<usize>, before: Range<usize>, settled: usize },
    Cross { anchors: Range<usize>, settled: bool, others: Range<usize> },
}

/// A pairs block as read. Names borrow from the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairsBlock<'a> {
    /// Number of its writer.
    pub generation: u64,
    /// Shop names.
    pub shops: Vec<&'a str>,
    /// Items: number of the shop, name.
    pub items: Vec<(u32, &'a str)>,
    /// One section a source partition.
    pub sections: Vec<Section>,
    /// The entries of all sections, in their order.
    pub entries: Vec<PairEntry>,
    singles: Vec<u32>,
    doubles: Vec<(u32, u32)>,
    wides: Vec<OrdersBefore>,
}

impl<'a> PairsBlock<'a> {
    /// Reads a block.
    ///
    /// # Errors
    /// When the bytes are no whole pairs block.
    pub fn decode(block: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body(block, Kind::Pairs)?);
        let generation = reader.number()?;
        let sources = read_sources(&mut reader)?;
        let (shops, items) = dictionary::read(&mut reader)?;
        let (mut entries, mut singles, mut doubles, mut wides) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let sections = read_sections(&mut reader, sources, |reader, position, time| {
            let signed = reader.byte()?;
            let (head, is_taken_back) = (signed & !TAKEN_BACK, signed & TAKEN_BACK != 0);
            let relation =
                *Relation::ALL.get(usize::from(head % KIND_STEP)).ok_or_else(|| reader.error("unknown relation"))?;
            let shape = match head / KIND_STEP {
                CONTEXT => Shape::Context { shop: reader.reference(shops.len())? },
                STAR => Shape::Star {
                    centre: reader.reference(items.len())?,
                    neighbours: read_singles(reader, items.len(), &mut singles)?,
                },
                STAR_BACK => Shape::StarBack {
                    centre: reader.reference(items.len())?,
                    neighbours: read_doubles(reader, items.len(), &mut doubles)?,
                },
                BASKET => {
                    Shape::Basket { items: read_doubles(reader, items.len(), &mut doubles)?, before: 0..0, settled: 0 }
                }
                BASKET_AGAIN => {
                    let items = read_doubles(reader, items.len(), &mut doubles)?;
                    let settled = reader.small()? as usize;
                    let before = read_wides(reader, &mut wides)?;
                    if settled > items.len() || !(before.is_empty() || before.len() == items.len()) {
                        return Err(reader.error("an order of other lengths"));
                    }
                    Shape::Basket { items, before, settled }
                }
                kind @ (CROSS | CROSS_SETTLED) => Shape::Cross {
                    anchors: read_singles(reader, items.len(), &mut singles)?,
                    settled: kind == CROSS_SETTLED,
                    others: read_doubles(reader, items.len(), &mut doubles)?,
                },
                _ => return Err(reader.error("unknown change")),
            };
            entries.push(PairEntry { position, time, relation, is_taken_back, shape });
            Ok(())
        })?;
        if !reader.is_at_end() {
            return Err(reader.error("bytes after the end"));
        }
        Ok(Self { generation, shops, items, sections, entries, singles, doubles, wides })
    }

    /// Calls `apply` with the delta of an entry, its numbers translated by the tables `shop_ids` and `item_ids` (one
    /// place a shop or item of this block). `scratch` is reused between calls.
    pub fn with_delta<R>(
        &self,
        entry: &PairEntry,
        names: &Translation,
        scratch: &mut DeltaScratch,
        apply: impl FnOnce(&Delta<'_>) -> R,
    ) -> R {
        let DeltaScratch { ids, counted, bought } = scratch;
        let item = |number: u32| names.items[number as usize];
        ids.clear();
        counted.clear();
        bought.clear();
        let relation = entry.relation;
        let change = match &entry.shape {
            Shape::Context { shop } => Change::Context { shop: names.shops[*shop as usize], relation },
            Shape::Star { centre, neighbours } => {
                ids.extend(self.singles[neighbours.clone()].iter().map(|&n| item(n)));
                Change::Star { relation, centre: item(*centre), neighbours: ids }
            }
            Shape::StarBack { centre, neighbours } => {
                counted.extend(self.doubles[neighbours.clone()].iter().map(|&(n, distance)| (item(n), distance)));
                Change::StarBack { relation, centre: item(*centre), neighbours: counted }
            }
            Shape::Basket { items, before, settled } => {
                bought
                    .extend(self.doubles[items.clone()].iter().map(|&(n, repeats)| Bought { item: item(n), repeats }));
                Change::Basket { items: bought, before: &self.wides[before.clone()], settled: *settled }
            }
            Shape::Cross { anchors, settled, others } => {
                ids.extend(self.singles[anchors.clone()].iter().map(|&n| item(n)));
                bought
                    .extend(self.doubles[others.clone()].iter().map(|&(n, repeats)| Bought { item: item(n), repeats }));
                Change::Cross { relation, anchors: ids, settled: *settled, others: bought }
            }
        };
        apply(&Delta { time: entry.time, change, is_taken_back: entry.is_taken_back })
    }
}

/// What the numbers of a block stand for in a reader's tables.
#[derive(Clone, Debug, Default)]
pub struct Translation {
    /// By shop number.
    pub shops: Vec<crate::items::ShopId>,
    /// By item number.
    pub items: Vec<ItemId>,
}

impl Translation {
    /// Bytes held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        crate::memory::of_vec(&self.shops) + crate::memory::of_vec(&self.items)
    }

    /// Interns a block's names in `table`.
    pub fn fill(&mut self, shops: &[&str], items: &[(u32, &str)], table: &mut Items) {
        self.shops.clear();
        self.shops.extend(shops.iter().map(|shop| table.shop(shop)));
        table.items(&self.shops, items, &mut self.items);
    }
}

/// Reused between calls of [`PairsBlock::with_delta`].
#[derive(Default)]
pub struct DeltaScratch {
    ids: Vec<ItemId>,
    counted: Vec<(ItemId, u32)>,
    bought: Vec<Bought>,
}

fn read_singles(reader: &mut Reader<'_>, bound: usize, out: &mut Vec<u32>) -> Result<Range<usize>, WireError> {
    let from = out.len();
    for _ in 0..reader.count(1)? {
        out.push(reader.reference(bound)?);
    }
    Ok(from..out.len())
}

fn read_doubles(reader: &mut Reader<'_>, bound: usize, out: &mut Vec<(u32, u32)>) -> Result<Range<usize>, WireError> {
    let from = out.len();
    for _ in 0..reader.count(2)? {
        out.push((reader.reference(bound)?, reader.small()?));
    }
    Ok(from..out.len())
}

fn read_wides(reader: &mut Reader<'_>, out: &mut Vec<OrdersBefore>) -> Result<Range<usize>, WireError> {
    let from = out.len();
    for _ in 0..reader.count(1)? {
        out.push(OrdersBefore(reader.wide()?));
    }
    Ok(from..out.len())
}
