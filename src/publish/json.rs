//! Lists as JSON, written straight from ids and figures: byte for byte what `serde_json` makes of a [`super::ListRecord`].
//!
//! A list is some 3 KB of text, made a hundred thousand times a minute: numbers are written as integers with a point in them,
//! names are copied where nothing in them has to be escaped, and what all entries share is written once.
//! Tests compare every byte with serde's.

use super::figures::{EntryFigures, ListFigures, Printed};
use super::number::Rounded;
use super::publisher::Stamp;
use super::shelf::Told;
use crate::event::EventTime;
use crate::rank::Day;

/// About how many bytes an entry is, and so many more is room for.
const ENTRY_BYTES: usize = 256;

/// A list to be written: whose, by whom, and the figures that its entries share.
#[derive(Clone, Copy, Debug)]
pub struct ListHead<'a> {
    /// Shop, list and item.
    pub names: [&'a str; 3],
    /// The time that all weights are decayed to.
    pub as_of: EventTime,
    /// Who publishes it, and as which record.
    pub stamp: Stamp,
    /// What its entries share.
    pub figures: ListFigures,
}

impl ListHead<'_> {
    /// Appends the record as one JSON object, without a line's end. Of `entries` the first `shown` are shown, the others
    /// the reserve.
    pub fn write_json<'e>(
        &self,
        shown: usize,
        entries: impl Iterator<Item = (&'e str, EntryFigures, Told<'e>)>,
        out: &mut Vec<u8>,
    ) {
        // Names lie anywhere in memory: all are looked at before any is written, so that they are waited for together.
        let entries: Vec<_> = entries.map(|(name, entry, told)| (name, is_plain(name), entry, told)).collect();
        out.reserve(ENTRY_BYTES * (entries.len() + 1));
        let [shop, list, item] = self.names;
        out.extend_from_slice(b"{\"shop\":");
        write_text(shop, out);
        out.extend_from_slice(b",\"list\":");
        write_text(list, out);
        out.extend_from_slice(b",\"item\":");
        write_text(item, out);
        out.extend_from_slice(b",\"entries\":[");
        if shown > 0 {
            self.write_entries(shown, &entries, out);
        } else {
            out.extend_from_slice(b"],\"reserve\":[],\"tombstone\":true");
        }
        out.extend_from_slice(b",\"as_of\":");
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(digits.format(self.as_of.0).as_bytes());
        out.extend_from_slice(b",\"epoch\":");
        out.extend_from_slice(digits.format(self.stamp.epoch).as_bytes());
        out.extend_from_slice(b",\"sequence\":");
        out.extend_from_slice(digits.format(self.stamp.sequence).as_bytes());
        out.push(b'}');
    }

    fn write_entries(&self, shown: usize, entries: &[(&str, bool, EntryFigures, Told<'_>)], out: &mut Vec<u8>) {
        let list = self.figures.printed();
        let mut shared = Shared::of(list);
        let mut written = 0;
        for (name, is_plain, entry, told) in entries {
            if written == shown {
                out.extend_from_slice(b"],\"reserve\":[");
            } else if written > 0 {
                out.push(b',');
            }
            write_entry((name, *is_plain), entry, &entry.printed(list), &mut shared, out);
            write_told(told, out);
            out.push(b'}');
            written += 1;
        }
        if written <= shown {
            out.extend_from_slice(b"],\"reserve\":[");
        }
        out.push(b']');
    }
}

/// The texts that the entries of a list have in common: its weights, and often the day.
struct Shared {
    anchor_weight: Vec<u8>,
    contexts: Vec<u8>,
    day: Option<(Day, [u8; DAY_BYTES])>,
}

/// `2024-05-01`; the last day that fits 16 bits is in 2149.
const DAY_BYTES: usize = 10;

impl Shared {
    fn of([anchor_weight, contexts]: [Rounded; 2]) -> Self {
        let mut shared = Self { anchor_weight: Vec::new(), contexts: Vec::new(), day: None };
        anchor_weight.write(&mut shared.anchor_weight);
        contexts.write(&mut shared.contexts);
        shared
    }

    fn day(&mut self, day: Day) -> [u8; DAY_BYTES] {
        match self.day {
            Some((known, text)) if known == day => text,
            _ => {
                let text = day.text();
                self.day = Some((day, text));
                text
            }
        }
    }
}

fn write_entry(
    (name, is_plain): (&str, bool),
    entry: &EntryFigures,
    printed: &Printed,
    shared: &mut Shared,
    out: &mut Vec<u8>,
) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"{\"item\":");
    write_checked(name, is_plain, out);
    out.extend_from_slice(b",\"score\":");
    printed.score.write(out);
    out.extend_from_slice(b",\"support\":");
    out.extend_from_slice(digits.format(entry.support).as_bytes());
    out.extend_from_slice(b",\"weight\":");
    printed.weight.write(out);
    out.extend_from_slice(b",\"anchor_weight\":");
    let own = entry.own.map(|own| own.printed());
    match &own {
        Some([anchor_weight, _]) => anchor_weight.write(out),
        None => out.extend_from_slice(&shared.anchor_weight),
    }
    out.extend_from_slice(b",\"other_weight\":");
    printed.other_weight.write(out);
    out.extend_from_slice(b",\"contexts\":");
    match &own {
        Some([_, contexts]) => contexts.write(out),
        None => out.extend_from_slice(&shared.contexts),
    }
    out.extend_from_slice(b",\"confidence\":");
    printed.confidence.write(out);
    out.extend_from_slice(b",\"lift\":");
    printed.lift.write(out);
    out.extend_from_slice(b",\"llr_root\":");
    printed.llr_root.write(out);
    out.extend_from_slice(b",\"source\":\"");
    out.extend_from_slice(entry.label.source.name().as_bytes());
    out.extend_from_slice(b"\",\"last_seen\":\"");
    out.extend_from_slice(&shared.day(entry.last_seen));
    out.push(b'"');
    if let Some(verdict) = entry.label.verdict {
        out.extend_from_slice(b",\"verdict\":");
        write_checked(verdict.name(), true, out);
    }
    if let Some(kind) = entry.label.relation {
        out.extend_from_slice(b",\"relation\":");
        write_checked(kind.name(), true, out);
    }
    if let Some(list) = entry.label.list {
        out.extend_from_slice(b",\"list\":");
        write_checked(list.name(), true, out);
    }
}

fn write_told(told: &Told<'_>, out: &mut Vec<u8>) {
    if let Some(price) = told.price {
        out.extend_from_slice(b",\"price\":");
        Rounded::plain(price).write(out);
    }
    if let Some(currency) = told.currency {
        out.extend_from_slice(b",\"currency\":");
        write_text(currency, out);
    }
    if let Some(stock) = told.stock {
        out.extend_from_slice(b",\"stock\":");
        write_checked(stock.name(), true, out);
    }
}

/// A text in quotes.
fn write_text(text: &str, out: &mut Vec<u8>) {
    write_checked(text, is_plain(text), out);
}

/// Whether nothing in a text has to be escaped.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

fn write_checked(text: &str, is_plain: bool, out: &mut Vec<u8>) {
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        let written = serde_json::to_writer(out, text);
        assert!(written.is_ok(), "a text always serialises");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Shelf, Stock};
    use crate::items::Items;
    use crate::list_key::{About, ListKey, ListName};
    use crate::position::Partition;
    use crate::publish::{ListRecord, Publication};
    use crate::rank::{Entry, Figures, Label, List, score_milli};
    use proptest::prelude::*;

    prop_compose! {
        fn any_entry()(
            item in 0..40_usize,
            pair in prop_oneof![0.0..1e3_f64, 1e-12..1e-3_f64, 0.0..1e15_f64],
            other in prop_oneof![0.0..1e6_f64, Just(0.0), 1e-9..1e-2_f64],
            support: u32,
            day: u16,
            label: u16,
        ) -> (usize, f64, f64, u32, Day, Label) {
            (item, pair, other, support, Day(day), Label::of_bits(label))
        }
    }

    prop_compose! {
        fn any_shelf()(
            price in prop_oneof![Just(None), (0.0..1e6_f64).prop_map(Some), (0_u32..100_000).prop_map(|cents| Some(f64::from(cents) / 100.0)), Just(Some(1e300))],
            currency in prop::option::of(".{1,3}"),
            stock in prop_oneof![Just(None), Just(Some(Stock::In)), Just(Some(Stock::Low)), Just(Some(Stock::Out))],
        ) -> Shelf {
            Shelf { price, currency: currency.map(Into::into), stock }
        }
    }

    proptest! {
        #[test]
        fn a_list_is_written_as_serde_writes_its_record(
            names in prop::collection::vec(prop_oneof!["[a-z0-9]{1,12}", ".{1,9}", r#"["\\\x00-\x1fé€]{1,5}"#], 41),
            entries in prop::collection::vec(any_entry(), 0..16),
            shelves in prop_oneof![Just(Vec::new()), prop::collection::vec(any_shelf(), 16)],
            shown in 0..16_usize,
            anchor in prop_oneof![1e-9..1e6_f64, Just(0.0), 1e14..1e17_f64],
            contexts in prop_oneof![1e-9..1e9_f64, Just(1e6), 1e30..1e40_f64],
            as_of: i64,
            epoch: u64,
            sequence: u64,
        ) {
            let mut items = Items::default();
            let shop = items.shop(&names[40]);
            let ids: Vec<_> = names[..40].iter().map(|name| items.item(shop, name)).collect();
            let key = ListKey { shop, list: ListName::ALL[2], about: About::Item(ids[0]) };
            let mut list = List::empty(key);
            list.as_of = EventTime(as_of);
            for (item, pair, other, support, last_seen, label) in entries {
                let figures = Figures::new(pair, anchor, other, contexts);
                let (score_milli, llr_root) = (score_milli(figures.score()), figures.llr_root());
                let item = ids[item];
                list.entries.push(Entry { item, score_milli, rank_milli: 0, support, figures, llr_root, last_seen, label });
            }
            list.shown = shown.min(list.entries.len());
            let stamp = Stamp { epoch, sequence };
            let (partition, list, items, shelves) = (Partition(0), &list, &items, &*shelves);
            let publication = Publication { partition, list, shelves, items, stamp, since_ms: None, waited_ms: None };
            let (mut own, mut serde) = (Vec::new(), Vec::new());
            publication.write_json(&mut own);
            ListRecord::telling(list, items, stamp, shelves).write_json(&mut serde);
            prop_assert_eq!(String::from_utf8(own).unwrap(), String::from_utf8(serde).unwrap());
        }
    }
}
