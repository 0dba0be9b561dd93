//! The output record: a list with names, and all that its scores are made of.

use super::figures::{EntryFigures, ListFigures};
use super::number::Rounded;
use super::publisher::Stamp;
use super::shelf::Told;
use crate::facts::{Shelf, Stock};
use crate::items::Items;
use crate::list_key::{About, ListName, SHOP_WIDE};
use crate::rank::{Day, Entry, Label, List, Said, Source};
use crate::relation::Kind;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A published list, as subscribers and files have it. Borrows its names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListRecord<'a> {
    /// The shop.
    #[serde(borrow)]
    pub shop: Cow<'a, str>,
    /// The list's name.
    #[serde(borrow)]
    pub list: Cow<'a, str>,
    /// Whose list it is.
    #[serde(borrow)]
    pub item: Cow<'a, str>,
    /// What is shown, best first.
    pub entries: Vec<EntryRecord<'a>>,
    /// What stands behind it, for when stock runs out.
    pub reserve: Vec<EntryRecord<'a>>,
    /// In files: the list is no more. In a topic a tombstone has no value at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tombstone: bool,
    /// The event time that all weights are decayed to, in ms since 1970.
    pub as_of: i64,
    /// Which incarnation of the owner published it.
    pub epoch: u64,
    /// Its how many-th record.
    pub sequence: u64,
}

/// An entry of a list. The score is 100 × `wilson_lower(weight, anchor_weight)`. Of what nobody has counted, score, support, weight and root are 0,
/// and the day is the first one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryRecord<'a> {
    /// The other item.
    #[serde(borrow)]
    pub item: Cow<'a, str>,
    /// 0 to 100, to three decimals.
    pub score: f64,
    /// Contexts behind the pair.
    pub support: u32,
    /// Decayed weight of the pair, at most that of anchor and other.
    pub weight: f64,
    /// Decayed anchor total of the anchor.
    pub anchor_weight: f64,
    /// Decayed other total of this item.
    pub other_weight: f64,
    /// Decayed contexts of the shop.
    pub contexts: f64,
    /// weight / anchor_weight.
    pub confidence: f64,
    /// confidence / (other_weight / contexts).
    pub lift: f64,
    /// Signed root of G².
    pub llr_root: f64,
    /// Where the entry comes from.
    pub source: Source,
    /// Day of the latest event behind the pair.
    pub last_seen: Day,
    /// What a verdict said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Said>,
    /// Which relation the shop keeps by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<Kind>,
    /// In a placement: the list that it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Cow<'a, str>>,
    /// What it costs, in units of the currency, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// The currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Cow<'a, str>>,
    /// What there is of it, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<Stock>,
}

impl<'a> EntryRecord<'a> {
    pub(super) fn of(entry: &Entry, list: [Rounded; 2], items: &'a Items, told: Told<'a>) -> Self {
        let figures = EntryFigures::of(entry);
        let (printed, [anchor_weight, contexts]) = (figures.printed(list), figures.shared(list));
        Self {
            item: Cow::Borrowed(items.name(entry.item)),
            score: printed.score.value(),
            support: entry.support,
            weight: printed.weight.value(),
            anchor_weight: anchor_weight.value(),
            other_weight: printed.other_weight.value(),
            contexts: contexts.value(),
            confidence: printed.confidence.value(),
            lift: printed.lift.value(),
            llr_root: printed.llr_root.value(),
            source: entry.label.source,
            last_seen: entry.last_seen,
            verdict: entry.label.verdict,
            relation: entry.label.relation,
            list: entry.label.list.map(|list| Cow::Borrowed(list.name())),
            price: told.price,
            currency: told.currency.map(Cow::Borrowed),
            stock: told.stock,
        }
    }

    /// Its price and stock.
    #[must_use]
    pub fn told(&self) -> Told<'_> {
        Told { price: self.price, currency: self.currency.as_deref(), stock: self.stock }
    }

    /// Where it comes from, and what people said of it.
    #[must_use]
    pub fn label(&self) -> Label {
        let list = self.list.as_deref().and_then(ListName::find);
        Label { source: self.source, verdict: self.verdict, relation: self.relation, list }
    }
}

impl<'a> ListRecord<'a> {
    /// The record of `list`, a tombstone where it shows nothing. It tells no price and no stock.
    #[must_use]
    pub fn of(list: &List, items: &'a Items, stamp: Stamp) -> Self {
        Self::telling(list, items, stamp, &[])
    }

    /// The same, which tells what stands beside its entries.
    #[must_use]
    pub fn telling(list: &List, items: &'a Items, stamp: Stamp, shelves: &'a [Shelf]) -> Self {
        let tombstone = list.shown().is_empty();
        let item = match list.key.about {
            About::Item(item) => items.name(item),
            About::Shop => SHOP_WIDE,
        };
        let figures = ListFigures::of(list).printed();
        let records = |entries: &[Entry], first: usize| {
            let of = |(place, entry)| EntryRecord::of(entry, figures, items, Told::at(shelves, place));
            (first..).zip(entries).map(of).collect()
        };
        Self {
            shop: Cow::Borrowed(items.shop_name(list.key.shop)),
            list: Cow::Borrowed(list.key.list.name()),
            item: Cow::Borrowed(item),
            entries: records(list.shown(), 0),
            reserve: if tombstone { Vec::new() } else { records(list.reserve(), list.shown) },
            tombstone,
            as_of: list.as_of.0,
            epoch: stamp.epoch,
            sequence: stamp.sequence,
        }
    }

    /// The record with names of its own.
    #[must_use]
    pub fn into_owned(self) -> ListRecord<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        let own_entries = |entries: Vec<EntryRecord<'a>>| {
            entries
                .into_iter()
                .map(|entry| EntryRecord {
                    item: own(entry.item),
                    list: entry.list.map(own),
                    currency: entry.currency.map(own),
                    ..entry
                })
                .collect()
        };
        ListRecord {
            shop: own(self.shop),
            list: own(self.list),
            item: own(self.item),
            entries: own_entries(self.entries),
            reserve: own_entries(self.reserve),
            ..self
        }
    }

    /// The key in the output topic: `shop/list/item`.
    #[must_use]
    pub fn key(&self) -> String {
        [&*self.shop, &*self.list, &*self.item].join("/")
    }

    /// Who published it, and as which record.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { epoch: self.epoch, sequence: self.sequence }
    }

    /// Appends the record as one JSON object, without a line's end.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let written = serde_json::to_writer(out, self);
        assert!(written.is_ok(), "text and numbers always serialise");
    }
}

/// Shop, list and item of a key. No shop and no list has a `/` in its name; an item may.
#[must_use]
pub fn parse_key(key: &str) -> Option<(&str, &str, &str)> {
    let (shop, rest) = key.split_once('/')?;
    let (list, item) = rest.split_once('/')?;
    Some((shop, list, item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventTime;
    use crate::list_key::ListKey;
    use crate::rank::{Figures, score_milli, wilson_lower};
    use crate::relation::Relation;

    fn list(items: &mut Items, pair: f64, shown: usize) -> List {
        let shop = items.shop("main");
        let (anchor, other) = (items.item(shop, "a/\"1\""), items.item(shop, "b"));
        let figures = Figures::new(pair, 100.000_000_4, 33.3, 1e6);
        let entry = Entry {
            item: other,
            score_milli: score_milli(figures.score()),
            rank_milli: 0,
            support: 4,
            figures,
            llr_root: figures.llr_root(),
            last_seen: Day(19_844),
            label: Label::default(),
        };
        let key = ListKey { shop, list: ListName::of(Relation::BoughtTogether), about: About::Item(anchor) };
        List { as_of: EventTime(77), entries: vec![entry; 2], shown, ..List::empty(key) }
    }

    #[test]
    fn a_record_has_a_fixed_form_and_reads_back() {
        let mut items = Items::default();
        let list = list(&mut items, 100.0 / 3.0, 1);
        let record = ListRecord::of(&list, &items, Stamp { epoch: 3, sequence: 9 });
        let mut json = Vec::new();
        record.write_json(&mut json);
        let entry = r#"{"item":"b","score":24.832,"support":4,"weight":33.3,"anchor_weight":100.0,"other_weight":33.3,"contexts":1000000.0,"confidence":0.333,"lift":10000.0,"llr_root":25.0197,"source":"counted","last_seen":"2024-05-01"}"#;
        let expected = format!(
            r#"{{"shop":"main","list":"bought-together","item":"a/\"1\"","entries":[{entry}],"reserve":[{entry}],"as_of":77,"epoch":3,"sequence":9}}"#
        );
        assert_eq!(String::from_utf8(json.clone()).unwrap(), expected);
        assert_eq!(serde_json::from_slice::<ListRecord<'_>>(&json).unwrap(), record);
        assert_eq!(parse_key(&record.key()), Some(("main", "bought-together", "a/\"1\"")));
        assert_eq!(parse_key("main/x"), None);
    }

    #[test]
    fn a_list_that_shows_nothing_is_a_tombstone() {
        let mut items = Items::default();
        let list = list(&mut items, 1.0, 0);
        let mut json = Vec::new();
        ListRecord::of(&list, &items, Stamp { epoch: 0, sequence: 1 }).write_json(&mut json);
        let expected = r#"{"shop":"main","list":"bought-together","item":"a/\"1\"","entries":[],"reserve":[],"tombstone":true,"as_of":77,"epoch":0,"sequence":1}"#;
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }

    #[test]
    fn a_score_can_be_recomputed_from_its_record() {
        let mut items = Items::default();
        for n in 1..500 {
            let list = list(&mut items, f64::from(n) * 0.0663, 2);
            let record = ListRecord::of(&list, &items, Stamp { epoch: 0, sequence: 1 });
            for entry in &record.entries {
                let again = 100.0 * wilson_lower(entry.weight, entry.anchor_weight);
                assert!((again - entry.score).abs() <= 0.0006, "{entry:?}");
                assert!((entry.weight / entry.anchor_weight - entry.confidence).abs() < 1e-5);
            }
        }
    }
}
