//! Lists to ask: who stands in them, in which order, with which rank value.
//!
//! Those of the settings' measure are taken from the records that would be published, as a subscriber has them; the rank
//! value is recomputed from a record's own figures. Those of other measures are ranked anew from the same counts.

use super::history::History;
use crate::items::{ItemId, Items};
use crate::publish::{EntryRecord, ListRecord};
use crate::rank::{Figures, List, Ranker};
use crate::rows::Rows;
use crate::rules::{ListRules, Measure};

/// Rank value, in thousandths, of the first entry that only fills a list: less than anything counted has.
const FILLED_MILLI: i64 = 100;

/// An entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) item: ItemId,
    /// Rank value in thousandths.
    pub(super) rank_milli: i64,
}

/// Lists by anchor, in the numbers of a [`History`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists {
    by_anchor: Vec<Vec<Candidate>>,
    /// How many of each are shown; the others are in reserve.
    shown: Vec<usize>,
}

impl Lists {
    /// The list of `anchor`; empty where there is none.
    pub(super) fn of(&self, anchor: ItemId) -> &[Candidate] {
        self.by_anchor.get(anchor.index()).map_or(&[], Vec::as_slice)
    }

    #[cfg(test)]
    pub(super) fn from_parts(lists: Vec<Vec<Candidate>>) -> Self {
        let shown = lists.iter().map(Vec::len).collect();
        Self { by_anchor: lists, shown }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.by_anchor.iter().filter(|list| !list.is_empty()).count()
    }

    /// What each shows.
    pub(super) fn shown(&self) -> impl Iterator<Item = &[Candidate]> {
        self.by_anchor.iter().zip(&self.shown).map(|(list, &shown)| &list[..shown.min(list.len())])
    }

    /// Adds a published record, with the rank values that its rules give its figures: as the order of its entries counts, none has
    /// more than the one before it.
    pub(super) fn add_record<'a>(&mut self, record: &ListRecord<'a>, rules: &ListRules, names: &Items) {
        let entries = record.entries.iter().chain(&record.reserve);
        // What fills a list has no rank value of its own: it stands behind what is counted, in its order.
        let value = |(place, entry): (i64, &EntryRecord<'a>)| match entry.support {
            0 => (FILLED_MILLI - place).max(1),
            _ => rank_milli(entry, rules),
        };
        let mut lowest = i64::MAX;
        let list = (0..).zip(entries).map(|(place, entry)| {
            lowest = lowest.min(value((place, entry)));
            (&*entry.item, lowest)
        });
        self.add([&record.shop, &record.item], record.entries.len(), list, names);
    }

    /// Ranks every row of `rows` by `rules`.
    pub(super) fn add_ranked(&mut self, rows: &Rows, rules: &ListRules, names: &Items) {
        let mut ranker = Ranker::new(rules.clone());
        let mut list = List::blank();
        let anchors: Vec<ItemId> = rows.anchors(rules.relation).collect();
        for anchor in anchors {
            ranker.rank_into(&rows.row(rules.relation, anchor), &mut list);
            let items = rows.items();
            let entries = list.entries.iter().map(|entry| (items.name(entry.item), entry.rank_milli));
            let about = [items.shop_name(items.shop_of(anchor)), items.name(anchor)];
            self.add(about, list.shown, entries, names);
        }
    }

    fn add<'a>(
        &mut self,
        [shop, anchor]: [&str; 2],
        shown: usize,
        list: impl Iterator<Item = (&'a str, i64)>,
        names: &Items,
    ) {
        // Whatever was counted has been read before.
        let Some(anchor) = names.find_item(shop, anchor) else { return };
        let known = list
            .filter_map(|(name, rank_milli)| names.find_item(shop, name).map(|item| Candidate { item, rank_milli }));
        let list: Vec<Candidate> = known.collect();
        if self.by_anchor.len() <= anchor.index() {
            self.by_anchor.resize(anchor.index() + 1, Vec::new());
            self.shown.resize(anchor.index() + 1, 0);
        }
        (self.by_anchor[anchor.index()], self.shown[anchor.index()]) = (list, shown);
    }
}

/// The rank value of an entry, from what its record says.
#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, and no rank value comes near the ends")]
fn rank_milli(entry: &EntryRecord<'_>, rules: &ListRules) -> i64 {
    let figures = Figures::new(entry.weight, entry.anchor_weight, entry.other_weight, entry.contexts);
    let value = match rules.measure {
        Measure::Score => figures.score() * (figures.contexts / figures.other).powf(rules.specificity),
        Measure::Count => figures.pair,
        Measure::Cosine => 100.0 * figures.pair / (figures.anchor * figures.other).sqrt(),
        Measure::Lift => figures.lift(),
        Measure::Llr => figures.llr_root(),
    };
    (value * 1000.0 + 0.5).floor() as i64
}

/// How often each item was ordered, or viewed, in a part of the history: the baseline that knows no pairs.
pub(super) struct Popularity {
    /// Most popular first, then by name.
    ranking: Vec<ItemId>,
}

impl Popularity {
    /// Of the items as they come.
    pub(super) fn of(items: impl Iterator<Item = ItemId>, history: &History) -> Self {
        let names = &history.items;
        let mut counts = vec![0_u64; names.len()];
        items.for_each(|item| counts[item.index()] += 1);
        let mut ranking: Vec<ItemId> = names.ids().filter(|item| counts[item.index()] > 0).collect();
        ranking
            .sort_by(|&x, &y| counts[y.index()].cmp(&counts[x.index()]).then_with(|| names.name(x).cmp(names.name(y))));
        Self { ranking }
    }

    /// The place of `wanted`, from 1, among the first `at` that are not in `shown`.
    pub(super) fn place(&self, wanted: ItemId, shown: &[ItemId], at: usize) -> Option<usize> {
        let candidates = self.ranking.iter().filter(|item| **item == wanted || !shown.contains(item));
        candidates.take(at).position(|&item| item == wanted).map(|before| before + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank::{Day, Source};
    use crate::relation::Relation;

    #[test]
    fn what_has_been_displaced_is_worth_no_more_than_what_stands_before_it_and_reserve_is_not_shown() {
        let mut names = Items::default();
        let shop = names.shop("main");
        let ids = ["x", "a", "b", "c"].map(|name| names.item(shop, name));
        let entry = |item: &'static str, weight: f64| EntryRecord {
            item: item.into(),
            score: 0.0,
            support: 5,
            weight,
            anchor_weight: 100.0,
            other_weight: 20.0,
            contexts: 1000.0,
            confidence: 0.0,
            lift: 0.0,
            llr_root: 0.0,
            source: Source::Counted,
            last_seen: Day(0),
            verdict: None,
            relation: None,
            list: None,
            price: None,
            currency: None,
            stock: None,
        };
        let record = ListRecord {
            shop: "main".into(),
            list: "bought-together".into(),
            item: "x".into(),
            entries: vec![entry("a", 8.0), entry("b", 12.0)],
            reserve: vec![entry("c", 5.0)],
            tombstone: false,
            as_of: 0,
            epoch: 0,
            sequence: 1,
        };
        let mut lists = Lists::default();
        lists.add_record(&record, &ListRules::of(Relation::BoughtTogether), &names);
        let list = lists.of(ids[0]);
        assert_eq!(list.iter().map(|candidate| candidate.item).collect::<Vec<_>>(), ids[1..]);
        assert_eq!(list[0].rank_milli, list[1].rank_milli, "its own figures would give it more");
        assert!(list[2].rank_milli < list[1].rank_milli && list[2].rank_milli > 0);
        let shown: Vec<usize> = lists.shown().map(<[Candidate]>::len).filter(|&length| length > 0).collect();
        assert_eq!(shown, [2]);
    }
}
