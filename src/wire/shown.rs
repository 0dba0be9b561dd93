//! Of events blocks: lists that were shown or clicked, and what orders cost.
//!
//! Items are fingerprints here: they are compared, and never named. Names of lists, placements and sources are few, and stand once a block.

use super::frame::WireError;
use super::size::{AMOUNT_BYTES_MAX, COUNT_BYTES_MAX};
use super::varint::{Reader, name_length, put, put_count, put_name};
use crate::event::{Currency, Money};
use crate::limits::AMOUNT_MAX;
use std::ops::Range;

const HAS_ABOUT: u8 = 1;
const IS_SAMPLED: u8 = 2;

/// Longest entry: fingerprint, place, source.
const ENTRY_BYTES_MAX: usize = 8 + 5 + 5;

/// Entries of a list, as they are written.
#[derive(Clone, Debug, Default)]
pub struct ShownToWrite<'a> {
    /// The list.
    pub list: Option<&'a str>,
    /// The placement.
    pub placement: Option<&'a str>,
    /// Fingerprint of the item that the list is about.
    pub about: Option<u64>,
    /// Whether impressions of this user are told.
    pub is_sampled: bool,
    /// The entries.
    pub entries: Vec<EntryToWrite<'a>>,
}

/// An entry of a list, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct EntryToWrite<'a> {
    /// Fingerprint of the item.
    pub item: u64,
    /// From 1.
    pub position: Option<u32>,
    /// Where it came from.
    pub source: Option<&'a str>,
}

/// Where entries were shown, as read. Labels are places in [`EventsBlock::labels`](super::EventsBlock::labels).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownAsRead {
    /// The list.
    pub list: Option<u32>,
    /// The placement.
    pub placement: Option<u32>,
    /// Fingerprint of the item that the list is about.
    pub about: Option<u64>,
    /// Whether impressions of this user are told.
    pub is_sampled: bool,
    /// The entries, as places in [`EventsBlock::shown_entries`](super::EventsBlock::shown_entries).
    pub entries: Range<usize>,
}

/// An entry as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryAsRead {
    /// Fingerprint of the item.
    pub item: u64,
    /// From 1.
    pub position: Option<u32>,
    /// Where it came from.
    pub source: Option<u32>,
}

/// Names that the block under construction has used.
#[derive(Default)]
pub(super) struct Labels {
    names: Vec<Box<str>>,
    bytes: usize,
}

impl Labels {
    /// The number of a name, from 1; 0 is none. There are few: intake tells only those apart that are known.
    fn number(&mut self, name: Option<&str>) -> u64 {
        let Some(name) = name else { return 0 };
        let place = self.names.iter().position(|known| **known == *name).unwrap_or_else(|| {
            self.bytes += name_length(name);
            self.names.push(name.into());
            self.names.len() - 1
        });
        place as u64 + 1 // lossless
    }

    /// Bytes held, about.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes + self.names.len() * size_of::<Box<str>>()
    }

    pub(super) fn bytes_max(&self) -> usize {
        COUNT_BYTES_MAX + self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.bytes = 0;
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_count(out, self.names.len());
        self.names.iter().for_each(|name| put_name(out, name));
    }

    pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a str>, WireError> {
        let count = reader.count(1)?;
        (0..count).map(|_| reader.name()).collect()
    }
}

impl ShownToWrite<'_> {
    /// At most so many bytes it adds to a block.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        let label = |name: Option<&str>| name.map_or(0, name_length);
        let sources: usize = self.entries.iter().map(|entry| label(entry.source)).sum();
        1 + 8 + 3 * 5 + label(self.list) + label(self.placement) + self.entries.len() * ENTRY_BYTES_MAX + sources
    }

    pub(super) fn write(&self, labels: &mut Labels, out: &mut Vec<u8>) {
        out.push(if self.about.is_some() { HAS_ABOUT } else { 0 } | if self.is_sampled { IS_SAMPLED } else { 0 });
        put(out, labels.number(self.list));
        put(out, labels.number(self.placement));
        out.extend(self.about.iter().flat_map(|about| about.to_le_bytes()));
        put_count(out, self.entries.len());
        for entry in &self.entries {
            out.extend_from_slice(&entry.item.to_le_bytes());
            put(out, u64::from(entry.position.unwrap_or(0)));
            put(out, labels.number(entry.source));
        }
    }
}

impl ShownAsRead {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        labels: usize,
        entries: &mut Vec<EntryAsRead>,
    ) -> Result<Self, WireError> {
        let flags = reader.byte()?;
        if flags & !(HAS_ABOUT | IS_SAMPLED) != 0 {
            return Err(reader.error("unknown flags of a list"));
        }
        let label = |reader: &mut Reader<'_>| Ok::<_, WireError>(reader.reference(labels + 1)?.checked_sub(1));
        let (list, placement) = (label(reader)?, label(reader)?);
        let about = if flags & HAS_ABOUT != 0 { Some(u64::from_le_bytes(reader.fixed()?)) } else { None };
        let from = entries.len();
        for _ in 0..reader.count(10)? {
            let item = u64::from_le_bytes(reader.fixed()?);
            let position = Some(reader.small()?).filter(|&position| position > 0);
            entries.push(EntryAsRead { item, position, source: label(reader)? });
        }
        if entries.len() == from {
            return Err(reader.error("a list without entries"));
        }
        Ok(Self { list, placement, about, is_sampled: flags & IS_SAMPLED != 0, entries: from..entries.len() })
    }
}

/// Writes what the lines of an order cost: none is 0.
pub(super) fn write_money(money: &Money, out: &mut Vec<u8>) {
    out.extend_from_slice(&money.currency.0);
    for amount in &money.amounts {
        let before = out.len();
        put(out, amount.map_or(0, |amount| amount.min(AMOUNT_MAX) + 1));
        debug_assert!(out.len() - before <= AMOUNT_BYTES_MAX, "an amount is bounded");
    }
}

/// Reads what so many lines of an order cost.
pub(super) fn read_money(
    reader: &mut Reader<'_>,
    lines: usize,
    amounts: &mut Vec<Option<u64>>,
) -> Result<(Currency, Range<usize>), WireError> {
    let letters: [u8; 3] = reader.fixed()?;
    let known = str::from_utf8(&letters).ok().and_then(Currency::of).filter(|known| known.0 == letters);
    let currency = known.ok_or_else(|| reader.error("no currency"))?;
    let from = amounts.len();
    for _ in 0..lines {
        let amount = reader.number()?;
        if amount > AMOUNT_MAX + 1 {
            return Err(reader.error("an amount that is too large"));
        }
        amounts.push(amount.checked_sub(1));
    }
    Ok((currency, from..amounts.len()))
}
