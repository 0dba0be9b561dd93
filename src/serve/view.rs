//! The read view: every list as it was last published, for HTTP to serve without asking a worker.
//!
//! Lists are held as numbers, about 430 bytes with fifteen entries, and written as JSON when somebody asks: byte for byte what went out,
//! or what would have gone out where the lists topic is Avro.
//! Invariants: one entry per key, the record with the highest stamp; of a tombstone the stamp stays, so that no older list comes
//! back. Readers never wait for a worker, and a worker waits at most for the copy of one list.
//! Absent: history, order, and a bound of its own: it holds what the lists topic would hold after compaction.

use super::names::{NameId, Names};
use crate::event::EventTime;
use crate::facts::Stock;
use crate::items::{ItemId, spread};
use crate::list_key::{About, ListName, SHOP_WIDE};
use crate::memory::{allocated, of_vec};
use crate::position::Partition;
use crate::publish::{EntryFigures, ListFigures, ListHead, ListRecord, Publication, Stamp, Told};
use crate::rank::{Day, Label};
use axum::body::Bytes;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A list as it was last published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The record, JSON, byte for byte as it went out.
    pub record: Bytes,
    /// When it was published, by the clock of whoever did.
    pub at: EventTime,
}

/// The newest record of every list, shared by the workers that publish and the threads that read.
#[derive(Default)]
pub struct ListView {
    names: Names,
    lists: DashMap<(ListName, NameId), Held>,
    /// Lists that are no tombstones.
    count: AtomicUsize,
    /// Bytes of what hangs on the table's entries.
    packed_bytes: AtomicUsize,
    /// Rows partitions whose older lists are still being read.
    loading: AtomicUsize,
}

/// What is held of a key.
struct Held {
    stamp: Stamp,
    at: EventTime,
    /// See [`pack`]; empty for a tombstone.
    packed: Box<[u8]>,
}

/// What a table takes for one place besides what stands there, and how full tables are on average.
const PLACE_BYTES: usize = 1;
const TABLE_FILL: f64 = 0.66;

impl ListView {
    /// The list of `item`, if one is published.
    #[must_use]
    pub fn get(&self, shop: &str, list: &str, item: &str) -> Option<Published> {
        let list = ListName::find(list)?;
        let key = (list, self.names.find(shop, item)?);
        let (stamp, at, packed) = {
            let held = self.lists.get(&key).filter(|held| !held.packed.is_empty())?;
            (held.stamp, held.at, held.packed.clone())
        };
        let Unpacked { as_of, figures, shown, entries } = unpack(&packed);
        // The names, all in one text: locks are let go of before anything is written.
        let mut names = String::new();
        let mut ends = Vec::with_capacity(entries.len());
        for (name, ..) in &entries {
            self.names.with(*name, |name| names.push_str(name));
            ends.push(names.len());
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let named = starts.zip(&ends).zip(&entries);
        let named = named.map(|((from, &to), &(_, entry, told))| (&names[from..to], entry, told));
        let mut record = Vec::with_capacity(JSON_BYTES_AN_ENTRY * (entries.len() + 1));
        let head = ListHead { names: [shop, list.name(), item], as_of, stamp, figures };
        head.write_json(shown, named, &mut record);
        Some(Published { record: record.into(), at })
    }

    /// Takes in a record that was published before, or a tombstone: a new owner reads what its predecessors left.
    pub fn restore(&self, record: &ListRecord<'_>, at: EventTime) {
        let Some(list) = ListName::find(&record.list) else { return };
        let name = |item: &str| self.names.meet(&record.shop, item);
        let key = (list, name(&record.item));
        if record.tombstone {
            return self.put(key, record.stamp(), at, &[]);
        }
        let entries = record.entries.iter().chain(&record.reserve);
        let mut packed = Vec::new();
        pack(
            &mut packed,
            EventTime(record.as_of),
            ListFigures::of_record(record),
            record.entries.len(),
            entries.map(|entry| (name(&entry.item), EntryFigures::of_record(entry), entry.told())),
        );
        self.put(key, record.stamp(), at, &packed);
    }

    /// The older lists of one more rows partition are to be read: until what this gives is dropped, by whatever.
    #[must_use]
    pub fn load(self: &Arc<Self>) -> Loading {
        self.loading.fetch_add(1, Ordering::Relaxed);
        Loading(Arc::clone(self))
    }

    /// Whether a list that is not here may be published all the same.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.loading.load(Ordering::Relaxed) > 0
    }

    /// Removes the records of a rows partition, of `partitions`: they are another instance's now.
    pub fn remove_partition(&self, partition: Partition, partitions: u32) {
        self.lists.retain(|&(list, name), held| {
            let owner = if list.is_shop_wide() { self.names.shop(name) } else { self.names.fingerprint(name) };
            let stays = spread(owner, partitions) != partition;
            if !stays {
                self.take_off(held);
            }
            stays
        });
    }

    /// How many lists are published.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether no list is published.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held: lists, the table they stand in, and names.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let place = size_of::<(ListName, NameId)>() + size_of::<Held>() + PLACE_BYTES;
        let table = (self.lists.len() as f64 * place as f64 / TABLE_FILL).round();
        let rest = self.packed_bytes.load(Ordering::Relaxed) + self.names.bytes();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size in memory, not negative")]
        let table = table as u64;
        table + rest as u64
    }

    fn put(&self, key: (ListName, NameId), stamp: Stamp, at: EventTime, packed: &[u8]) {
        match self.lists.entry(key) {
            Entry::Occupied(mut place) => {
                let held = place.get_mut();
                if held.stamp > stamp {
                    return; // late, of an owner that has been overtaken
                }
                (held.stamp, held.at) = (stamp, at);
                if held.packed.len() == packed.len() {
                    held.packed.copy_from_slice(packed); // mostly: as many entries as before
                } else {
                    self.take_off(held);
                    held.packed = packed.into();
                    self.put_on(held);
                }
            }
            Entry::Vacant(place) => {
                let held = Held { stamp, at, packed: packed.into() };
                self.put_on(&held);
                place.insert(held);
            }
        }
    }

    fn put_on(&self, held: &Held) {
        if !held.packed.is_empty() {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.packed_bytes.fetch_add(allocated(held.packed.len()), Ordering::Relaxed);
        }
    }

    fn take_off(&self, held: &Held) {
        if !held.packed.is_empty() {
            self.count.fetch_sub(1, Ordering::Relaxed);
            self.packed_bytes.fetch_sub(allocated(held.packed.len()), Ordering::Relaxed);
        }
    }
}

/// Lists of a rows partition that the view has still to read.
pub struct Loading(Arc<ListView>);

impl Drop for Loading {
    fn drop(&mut self) {
        self.0.loading.fetch_sub(1, Ordering::Relaxed);
    }
}

/// About how many bytes of JSON an entry is.
const JSON_BYTES_AN_ENTRY: usize = 256;

/// Writes the lists of one partition into the view: knows the view's numbers of the partition's items.
pub struct ViewWriter {
    view: Arc<ListView>,
    /// By item number: the view's number, or [`UNMET`].
    names: Vec<u32>,
    /// The list at hand.
    packed: Vec<u8>,
}

const UNMET: u32 = u32::MAX;

impl ViewWriter {
    /// A writer that has met nothing.
    #[must_use]
    pub fn new(view: Arc<ListView>) -> Self {
        Self { view, names: Vec::new(), packed: Vec::new() }
    }

    /// Takes in what is published, or its tombstone.
    pub fn publish(&mut self, publication: &Publication<'_>, at: EventTime) {
        let Publication { list, shelves, stamp, .. } = *publication;
        let key = (list.key.list, self.subject(publication));
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        if !publication.is_tombstone() {
            let entries = (0..).zip(&list.entries).map(|(place, entry)| {
                (self.name(publication, entry.item), EntryFigures::of(entry), Told::at(shelves, place))
            });
            pack(&mut packed, list.as_of, ListFigures::of(list), list.shown, entries);
        }
        self.view.put(key, stamp, at, &packed);
        self.packed = packed;
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        of_vec(&self.names) + of_vec(&self.packed)
    }

    fn subject(&mut self, publication: &Publication<'_>) -> NameId {
        match publication.list.key.about {
            About::Item(item) => self.name(publication, item),
            About::Shop => self.view.names.meet(publication.names()[0], SHOP_WIDE),
        }
    }

    fn name(&mut self, publication: &Publication<'_>, item: ItemId) -> NameId {
        if self.names.len() <= item.index() {
            self.names.resize(item.index() + 1, UNMET);
        }
        if self.names[item.index()] == UNMET {
            let items = publication.items;
            let shop = items.shop_name(items.shop_of(item));
            self.names[item.index()] = self.view.names.meet(shop, items.name(item)).0;
        }
        NameId(self.names[item.index()])
    }
}

/// Fixed bytes of a packed entry, and about how many the others are.
const ENTRY_BYTES: usize = 24;
/// Fixed bytes before the entries.
const HEAD_BYTES: usize = 20;

/// A list as bytes: as_of, anchor weight, contexts, how many are shown, then the entries; nothing where none is shown. Read by
/// [`unpack`] alone.
fn pack<'a>(
    out: &mut Vec<u8>,
    as_of: EventTime,
    figures: ListFigures,
    shown: usize,
    entries: impl Iterator<Item = (NameId, EntryFigures, Told<'a>)>,
) {
    out.reserve(HEAD_BYTES + ENTRY_BYTES * entries.size_hint().1.unwrap_or(0));
    out.extend_from_slice(&as_of.0.to_le_bytes());
    out.extend_from_slice(&figures.anchor_weight.to_le_bytes());
    out.extend_from_slice(&figures.contexts.to_le_bytes());
    out.extend_from_slice(&u32::try_from(shown).unwrap_or(u32::MAX).to_le_bytes());
    let mut is_any = false;
    for (NameId(name), entry, told) in entries {
        is_any = true;
        let EntryFigures { score_milli, support, weight, other_weight, llr_root, last_seen, label, own } = entry;
        out.extend_from_slice(&name.to_le_bytes());
        for figure in [weight, other_weight, llr_root] {
            out.extend_from_slice(&figure.to_le_bytes());
        }
        let is_labelled = if label == Label::default() { 0 } else { LABELLED };
        let is_telling = if told == Told::default() { 0 } else { TELLING };
        out.extend_from_slice(&(score_milli | is_labelled | is_telling).to_le_bytes()[..SCORE_BYTES]); // at most 100,000
        out.extend_from_slice(&last_seen.0.to_le_bytes());
        put_varint(support, out);
        if is_labelled > 0 {
            out.extend_from_slice(&label.bits().to_le_bytes());
        }
        if let Some(own) = own {
            out.extend_from_slice(&own.anchor_weight.to_le_bytes());
            out.extend_from_slice(&own.contexts.to_le_bytes());
        }
        if is_telling > 0 {
            pack_told(told, out);
        }
    }
    if !is_any || shown == 0 {
        out.clear();
    }
}

const SCORE_BYTES: usize = 3;
/// In a score: a label follows. Few entries have one.
const LABELLED: u32 = 1 << 23;
/// In a score: price and stock follow. No entry has them unless they are to be told.
const TELLING: u32 = 1 << 22;

/// What follows of price and stock: stock in the lower bits, 0 for none, and whether there are a price and a currency.
const STOCKS: [Option<Stock>; 4] = [None, Some(Stock::Out), Some(Stock::Low), Some(Stock::In)];
const STOCK: u8 = 3;
const PRICED: u8 = 1 << 2;
const NAMED: u8 = 1 << 3;

fn pack_told(told: Told<'_>, out: &mut Vec<u8>) {
    let Told { price, currency, stock } = told;
    let stock = STOCKS.iter().position(|known| *known == stock).and_then(|place| u8::try_from(place).ok());
    let priced = if price.is_some() { PRICED } else { 0 };
    let named = if currency.is_some() { NAMED } else { 0 };
    out.push(stock.unwrap_or(0) | priced | named);
    if let Some(price) = price {
        out.extend_from_slice(&price.to_le_bytes());
    }
    if let Some(currency) = currency {
        put_varint(u32::try_from(currency.len()).unwrap_or(u32::MAX), out);
        out.extend_from_slice(currency.as_bytes());
    }
}

fn unpack_told<'a>(rest: &mut &'a [u8]) -> Told<'a> {
    let [flags] = fixed(rest);
    let stock = STOCKS[usize::from(flags & STOCK)];
    let price = (flags & PRICED > 0).then(|| f64::from_le_bytes(fixed(rest)));
    let currency = (flags & NAMED > 0).then(|| {
        let length = take_varint(rest) as usize;
        let (text, after) = rest.split_at_checked(length).unwrap_or((&[], &[]));
        *rest = after;
        std::str::from_utf8(text).unwrap_or_default()
    });
    Told { price, currency, stock }
}

struct Unpacked<'a> {
    as_of: EventTime,
    figures: ListFigures,
    shown: usize,
    entries: Vec<(NameId, EntryFigures, Told<'a>)>,
}

fn unpack(packed: &[u8]) -> Unpacked<'_> {
    let mut rest = packed;
    let as_of = EventTime(i64::from_le_bytes(fixed(&mut rest)));
    let (anchor_weight, contexts) = (f32::from_le_bytes(fixed(&mut rest)), f32::from_le_bytes(fixed(&mut rest)));
    let shown = u32::from_le_bytes(fixed(&mut rest)) as usize;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let name = NameId(u32::from_le_bytes(fixed(&mut rest)));
        let [weight, other_weight, llr_root] = [(); 3].map(|()| f32::from_le_bytes(fixed(&mut rest)));
        let [low, middle, high]: [u8; SCORE_BYTES] = fixed(&mut rest);
        let score = u32::from_le_bytes([low, middle, high, 0]);
        let last_seen = Day(u16::from_le_bytes(fixed(&mut rest)));
        let support = take_varint(&mut rest);
        let label = if score & LABELLED > 0 { u16::from_le_bytes(fixed(&mut rest)) } else { 0 };
        let (score_milli, label) = (score & !(LABELLED | TELLING), Label::of_bits(label));
        let own = label.list.map(|_| ListFigures {
            anchor_weight: f32::from_le_bytes(fixed(&mut rest)),
            contexts: f32::from_le_bytes(fixed(&mut rest)),
        });
        let figures = EntryFigures { score_milli, support, weight, other_weight, llr_root, last_seen, label, own };
        let told = if score & TELLING > 0 { unpack_told(&mut rest) } else { Told::default() };
        entries.push((name, figures, told));
    }
    Unpacked { as_of, figures: ListFigures { anchor_weight, contexts }, shown, entries }
}

/// The next bytes; zeros where there are none, which [`pack`] leaves nobody to see.
fn fixed<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let Some((bytes, after)) = rest.split_first_chunk() else {
        *rest = &[];
        return [0; N];
    };
    *rest = after;
    *bytes
}

fn put_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7F) as u8);
}

fn take_varint(rest: &mut &[u8]) -> u32 {
    let mut value = 0_u32;
    for place in 0..5 {
        let [byte] = fixed(rest);
        value |= u32::from(byte & 0x7F) << (7 * place);
        if byte < 0x80 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests;
