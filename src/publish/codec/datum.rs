//! List records as Avro data, written and read by hand in the order of the schemas' fields.
//!
//! The encoding is Avro's (specification 1.12, "Binary encoding"): whole numbers in zigzag varints, text behind its
//! length, arrays as one block. Tests compare every byte with the Avro library's.

use crate::facts::Stock;
use crate::publish::shelf::STOCKS;
use crate::publish::{EntryRecord, ListRecord, Publication, Stamp};
use crate::rank::{Day, Said, Source};
use crate::relation::Kind;
use std::borrow::Cow;

/// Place of the symbol of `EntrySource`, `EntryVerdict`, `EntryRelation` and `EntryStock` that stands for one of a later release. Behind it stand
/// those that are known, in the order of their lists.
const UNKNOWN: i64 = 0;
/// Places in the union of nothing and something.
const NULL: i64 = 0;
const SOMETHING: i64 = 1;

/// Most bytes of a 64-bit varint.
const VARINT_BYTES_MAX: u32 = 10;

/// Appends the datum of a key: shop, list and item.
pub(super) fn write_key(names: [&str; 3], out: &mut Vec<u8>) {
    names.iter().for_each(|name| write_text(name, out));
}

/// Appends the datum of a list, straight from ids and figures.
pub(super) fn write_value(publication: &Publication<'_>, out: &mut Vec<u8>) {
    let Publication { list, stamp, .. } = publication;
    write_key(publication.names(), out);
    write_entries(publication.shown_records(), out);
    write_entries(publication.reserve_records(), out);
    write_end(list.as_of.0, *stamp, out);
}

/// The same of a record: what the other is held against.
#[cfg(test)]
pub(super) fn write_record(record: &ListRecord<'_>, out: &mut Vec<u8>) {
    write_key([&record.shop, &record.list, &record.item], out);
    write_entries(record.entries.iter().cloned(), out);
    write_entries(record.reserve.iter().cloned(), out);
    write_end(record.as_of, record.stamp(), out);
}

fn write_end(as_of: i64, stamp: Stamp, out: &mut Vec<u8>) {
    write_long(as_of, out);
    write_long(stamp.epoch.cast_signed(), out);
    write_long(stamp.sequence.cast_signed(), out);
}

fn write_entries<'a>(entries: impl ExactSizeIterator<Item = EntryRecord<'a>>, out: &mut Vec<u8>) {
    if entries.len() > 0 {
        write_length(entries.len(), out);
        entries.for_each(|entry| write_entry(&entry, out));
    }
    write_length(0, out);
}

fn write_entry(entry: &EntryRecord<'_>, out: &mut Vec<u8>) {
    write_text(&entry.item, out);
    write_double(entry.score, out);
    write_long(entry.support.into(), out);
    let EntryRecord { weight, anchor_weight, other_weight, contexts, confidence, lift, llr_root, .. } = *entry;
    for figure in [weight, anchor_weight, other_weight, contexts, confidence, lift, llr_root] {
        write_double(figure, out);
    }
    write_long(symbol_of(&Source::ALL, entry.source), out);
    write_long(entry.last_seen.0.into(), out);
    write_optional(entry.verdict.map(|verdict| symbol_of(&Said::ALL, verdict)), out);
    write_optional(entry.relation.map(|kind| symbol_of(&Kind::SHOWN, kind)), out);
    write_optional_text(entry.list.as_deref(), out);
    match entry.price {
        None => write_long(NULL, out),
        Some(price) => {
            write_long(SOMETHING, out);
            write_double(price, out);
        }
    }
    write_optional_text(entry.currency.as_deref(), out);
    write_optional(entry.stock.map(|stock| symbol_of(&STOCKS, stock)), out);
}

fn write_optional_text(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        None => write_long(NULL, out),
        Some(text) => {
            write_long(SOMETHING, out);
            write_text(text, out);
        }
    }
}

fn symbol_of<T: PartialEq>(all: &[T], one: T) -> i64 {
    let place = all.iter().position(|known| *known == one);
    place.and_then(|place| i64::try_from(place + 1).ok()).unwrap_or(UNKNOWN)
}

fn write_optional(value: Option<i64>, out: &mut Vec<u8>) {
    match value {
        None => write_long(NULL, out),
        Some(value) => {
            write_long(SOMETHING, out);
            write_long(value, out);
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn write_double(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    let length = i64::try_from(length);
    assert!(length.is_ok(), "nothing in memory is longer than 2^63 bytes");
    write_long(length.unwrap_or(0), out);
}

fn write_long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

/// Shop, list and item of a key's datum.
pub(super) fn read_key(datum: &[u8]) -> Result<[&str; 3], String> {
    let mut rest = Datum { rest: datum };
    let key = [rest.text()?, rest.text()?, rest.text()?];
    rest.end()?;
    Ok(key)
}

/// The list of a value's datum.
pub(super) fn read_value(datum: &[u8]) -> Result<ListRecord<'_>, String> {
    let mut rest = Datum { rest: datum };
    let record = ListRecord {
        shop: Cow::Borrowed(rest.text()?),
        list: Cow::Borrowed(rest.text()?),
        item: Cow::Borrowed(rest.text()?),
        entries: rest.entries()?,
        reserve: rest.entries()?,
        tombstone: false,
        as_of: rest.long()?,
        epoch: rest.long()?.cast_unsigned(),
        sequence: rest.long()?.cast_unsigned(),
    };
    rest.end()?;
    Ok(record)
}

/// What is still to be read.
struct Datum<'a> {
    rest: &'a [u8],
}

impl<'a> Datum<'a> {
    /// The blocks of an array. Every entry takes bytes, so a count that lies ends with them.
    fn entries(&mut self) -> Result<Vec<EntryRecord<'a>>, String> {
        let mut entries = Vec::new();
        loop {
            let mut count = self.long()?;
            if count < 0 {
                // The size of the block in bytes follows, for who passes over it.
                self.long()?;
                count = count.checked_neg().ok_or("a block's length is no number of entries")?;
            }
            if count == 0 {
                return Ok(entries);
            }
            for _ in 0..count {
                entries.push(self.entry()?);
            }
        }
    }

    fn entry(&mut self) -> Result<EntryRecord<'a>, String> {
        Ok(EntryRecord {
            item: Cow::Borrowed(self.text()?),
            score: self.double()?,
            support: support(self.long()?)?,
            weight: self.double()?,
            anchor_weight: self.double()?,
            other_weight: self.double()?,
            contexts: self.double()?,
            confidence: self.double()?,
            lift: self.double()?,
            llr_root: self.double()?,
            source: source(self.long()?)?,
            last_seen: last_seen(self.long()?)?,
            verdict: self.optional(Self::long)?.map(verdict).transpose()?,
            relation: self.optional(Self::long)?.map(relation).transpose()?,
            list: self.optional(Self::text)?.map(Cow::Borrowed),
            price: self.optional(Self::double)?,
            currency: self.optional(Self::text)?.map(Cow::Borrowed),
            stock: self.optional(Self::long)?.map(stock).transpose()?,
        })
    }

    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<Option<T>, String> {
        match self.long()? {
            NULL => Ok(None),
            SOMETHING => read(self).map(Some),
            _ => Err("a union has no such branch".to_owned()),
        }
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let length = usize::try_from(self.long()?).map_err(|_| "a text's length is negative".to_owned())?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or("it ends within a text")?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| "a text is not UTF-8".to_owned())
    }

    fn double(&mut self) -> Result<f64, String> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or("it ends within a number")?;
        self.rest = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    fn long(&mut self) -> Result<i64, String> {
        let mut zigzag = 0_u64;
        for place in 0..VARINT_BYTES_MAX {
            let (&byte, rest) = self.rest.split_first().ok_or("it ends within a number")?;
            self.rest = rest;
            zigzag |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err("a number is too long".to_owned())
    }

    fn end(&self) -> Result<(), String> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(format!("{more} bytes follow its end")),
        }
    }
}

pub(super) fn support(value: i64) -> Result<u32, String> {
    u32::try_from(value).map_err(|_| format!("a support of {value} is out of range"))
}

pub(super) fn last_seen(days: i64) -> Result<Day, String> {
    u16::try_from(days).map(Day).map_err(|_| format!("day {days} is out of range"))
}

/// A source by its place in this release's schema.
pub(super) fn source(place: i64) -> Result<Source, String> {
    symbol(&Source::ALL, place, "source")
}

/// A verdict by its place in this release's schema.
pub(super) fn verdict(place: i64) -> Result<Said, String> {
    symbol(&Said::ALL, place, "verdict")
}

/// A relation by its place in this release's schema.
pub(super) fn relation(place: i64) -> Result<Kind, String> {
    symbol(&Kind::SHOWN, place, "relation")
}

/// What there is of an item, by its place in this release's schema.
pub(super) fn stock(place: i64) -> Result<Stock, String> {
    symbol(&STOCKS, place, "stock")
}

fn symbol<T: Copy>(all: &[T], place: i64, what: &str) -> Result<T, String> {
    if place == UNKNOWN {
        return Err(format!("an entry's {what} is one of a later release"));
    }
    let known = place.checked_sub(1).and_then(|place| usize::try_from(place).ok()).and_then(|place| all.get(place));
    known.copied().ok_or_else(|| format!("an entry's {what} has no symbol {place}"))
}
