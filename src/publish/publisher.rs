//! Whether a ranked list is news.

use super::record::ListRecord;
use crate::items::{ItemId, Items};
use crate::memory::allocated;
use crate::rank::{Entry, List};
use crate::relation::Relation;
use hashbrown::HashMap;

/// Who published a record, and as which one. Of two records of a key the higher one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Which incarnation of the owner.
    pub epoch: u64,
    /// Its how many-th record, from 1.
    pub sequence: u64,
}

/// What to do with a ranked list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Publish it.
    List(Stamp),
    /// It became empty: publish a tombstone.
    Tombstone(Stamp),
    /// It says nothing new.
    Suppressed,
    /// It is empty, as subscribers know.
    Nothing,
}

/// What has been decided, ever, and what is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublisherStats {
    /// Lists published.
    pub lists: u64,
    /// Tombstones published.
    pub tombstones: u64,
    /// Updates held back because they say nothing new.
    pub suppressed: u64,
    /// Keys remembered.
    pub keys: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Shown {
    item: ItemId,
    score_milli: u32,
}

impl Shown {
    fn of(entry: &Entry) -> Self {
        Self { item: entry.item, score_milli: entry.score_milli }
    }
}

/// What subscribers have last been told of one key; nothing shown after a tombstone.
struct Published {
    shown: Box<[Shown]>,
    stamp: Stamp,
}

impl Published {
    fn bytes(&self) -> usize {
        allocated(size_of_val::<[Shown]>(&self.shown))
    }
}

/// Remembers what subscribers know: 8 bytes a shown entry.
pub struct Publisher {
    min_score_step_milli: u32,
    last: Stamp,
    published: HashMap<(Relation, ItemId), Published>,
    /// What the shown entries take.
    shown_bytes: usize,
    stats: PublisherStats,
}

impl Publisher {
    /// A publisher for which a score must move by more than `min_score_step_milli` thousandths to be news.
    #[must_use]
    pub fn new(min_score_step_milli: u32) -> Self {
        Self {
            min_score_step_milli,
            last: Stamp::default(),
            published: HashMap::new(),
            shown_bytes: 0,
            stats: PublisherStats::default(),
        }
    }

    /// A new incarnation of the owner: its records count as newer than all before.
    pub fn claim(&mut self, epoch: u64) {
        self.last = Stamp { epoch, sequence: 0 };
    }

    /// Decides on `list`. What is to be published counts as published from here on.
    pub fn offer(&mut self, list: &List) -> News {
        let key = (list.relation, list.anchor);
        let shown = list.shown();
        let known = self.published.get(&key).map_or(&[][..], |published| &published.shown);
        match (known.is_empty(), shown.is_empty()) {
            (true, true) => return News::Nothing,
            (false, false) if !is_news(known, shown, self.min_score_step_milli) => {
                self.stats.suppressed += 1;
                return News::Suppressed;
            }
            _ => {}
        }
        self.last.sequence += 1;
        let stamp = self.last;
        self.remember(key, Published { shown: shown.iter().map(Shown::of).collect(), stamp });
        if shown.is_empty() {
            self.stats.tombstones += 1;
            News::Tombstone(stamp)
        } else {
            self.stats.lists += 1;
            News::List(stamp)
        }
    }

    /// Takes over what `record` says that subscribers have been told: a restarted owner reads its own output. Says
    /// whether it is a record of a list that there is.
    pub fn restore(&mut self, record: &ListRecord<'_>, items: &mut Items) -> bool {
        let Some(relation) = Relation::of_list(&record.list) else { return false };
        let shop = items.shop(&record.shop);
        let anchor = items.item(shop, &record.item);
        let read = |entry: &super::EntryRecord<'_>| Shown {
            item: items.item(shop, &entry.item),
            score_milli: crate::rank::score_milli(entry.score),
        };
        let shown = record.entries.iter().map(read).collect();
        self.remember((relation, anchor), Published { shown, stamp: record.stamp() });
        true
    }

    fn remember(&mut self, key: (Relation, ItemId), published: Published) {
        self.shown_bytes += published.bytes();
        if let Some(before) = self.published.insert(key, published) {
            self.shown_bytes -= before.bytes();
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        allocated(self.published.allocation_size()) + self.shown_bytes
    }

    /// As which record a key was last published, a tombstone included.
    #[must_use]
    pub fn stamp(&self, relation: Relation, anchor: ItemId) -> Option<Stamp> {
        self.published.get(&(relation, anchor)).map(|published| published.stamp)
    }

    /// What has been decided and is held.
    #[must_use]
    pub fn stats(&self) -> PublisherStats {
        PublisherStats { keys: self.published.len(), ..self.stats }
    }
}

/// Whether membership or order changed, or a score moved by more than a step.
fn is_news(known: &[Shown], shown: &[Entry], step_milli: u32) -> bool {
    known.len() != shown.len()
        || known.iter().zip(shown).any(|(known, entry)| {
            known.item != entry.item || known.score_milli.abs_diff(entry.score_milli) > step_milli
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventTime;
    use crate::rank::{Day, Figures};

    fn list(items: &mut Items, entries: &[(&str, u32)], shown: usize) -> List {
        let shop = items.shop("main");
        let mut list = List::empty(Relation::AlsoBought, items.item(shop, "anchor"));
        list.as_of = EventTime(1);
        list.shown = shown;
        for &(name, score_milli) in entries {
            let figures = Figures::new(1.0, 2.0, 3.0, 4.0);
            let item = items.item(shop, name);
            let entry =
                Entry { item, score_milli, rank_milli: 0, support: 1, figures, llr_root: 0.0, last_seen: Day(1) };
            list.entries.push(entry);
        }
        list
    }

    fn at(sequence: u64) -> Stamp {
        Stamp { epoch: 0, sequence }
    }

    #[test]
    fn only_what_differs_is_published() {
        let (mut items, mut publisher) = (Items::default(), Publisher::new(1000));
        let mut offer = |entries: &[(&str, u32)], shown: usize| publisher.offer(&list(&mut items, entries, shown));
        assert_eq!(offer(&[], 0), News::Nothing, "empty, and never published");
        assert_eq!(offer(&[("a", 9000), ("b", 8000), ("c", 100)], 2), News::List(at(1)));
        assert_eq!(offer(&[("a", 9000), ("b", 8000), ("c", 100)], 2), News::Suppressed, "the same");
        assert_eq!(offer(&[("a", 9000), ("b", 8000), ("d", 5000)], 2), News::Suppressed, "only the reserve");
        assert_eq!(offer(&[("a", 9600), ("b", 7400)], 2), News::Suppressed, "small steps");
        assert_eq!(offer(&[("a", 10_000), ("b", 7000)], 2), News::Suppressed, "a whole step from what was published");
        assert_eq!(offer(&[("a", 10_001), ("b", 7000)], 2), News::List(at(2)), "more than a step");
        assert_eq!(offer(&[("a", 9002), ("b", 7000)], 2), News::Suppressed, "measured from the last one");
        assert_eq!(offer(&[("b", 7000), ("a", 7000)], 2), News::List(at(3)), "order");
        assert_eq!(offer(&[("b", 7000), ("c", 7000)], 2), News::List(at(4)), "membership");
        assert_eq!(offer(&[("b", 7000), ("c", 7000)], 1), News::List(at(5)), "length");
        assert_eq!(offer(&[], 0), News::Tombstone(at(6)));
        assert_eq!(offer(&[], 0), News::Nothing, "buried once");
        assert_eq!(offer(&[("b", 7000)], 1), News::List(at(7)), "it came back");
        let shown_bytes: usize = publisher.published.values().map(Published::bytes).sum();
        assert!(publisher.shown_bytes == shown_bytes && publisher.bytes() > shown_bytes, "{shown_bytes}");
        let stats = publisher.stats();
        assert_eq!((stats.lists, stats.tombstones, stats.suppressed, stats.keys), (6, 1, 5, 1));
    }

    #[test]
    fn a_restarted_owner_goes_on_from_its_own_records() {
        let (mut items, mut first) = (Items::default(), Publisher::new(1000));
        let shown = list(&mut items, &[("a", 43_849), ("b", 20_654)], 2);
        let News::List(stamp) = first.offer(&shown) else { panic!("news") };
        let mut json = Vec::new();
        ListRecord::of(&shown, &items, stamp).write_json(&mut json);

        let (mut items, mut second) = (Items::default(), Publisher::new(0));
        items.shop("other");
        let record: ListRecord<'_> = serde_json::from_slice(&json).unwrap();
        assert!(second.restore(&record, &mut items));
        second.claim(8);
        let same = list(&mut items, &[("a", 43_849), ("b", 20_654)], 2);
        assert_eq!(second.offer(&same), News::Suppressed, "not a thousandth lost on the way");
        assert_eq!(second.stamp(Relation::AlsoBought, same.anchor), Some(stamp));
        let moved = list(&mut items, &[("a", 43_849), ("b", 20_655)], 2);
        assert_eq!(second.offer(&moved), News::List(Stamp { epoch: 8, sequence: 1 }));

        let News::Tombstone(stamp) = second.offer(&list(&mut items, &[], 0)) else { panic!("a tombstone") };
        let empty = list(&mut items, &[], 0);
        let mut third = Publisher::new(0);
        let tombstone = ListRecord::of(&empty, &items, stamp);
        assert!(tombstone.tombstone);
        let mut other_items = Items::default();
        assert!(third.restore(&tombstone, &mut other_items));
        assert_eq!(third.offer(&list(&mut other_items, &[], 0)), News::Nothing, "subscribers know");
        let unknown = ListRecord { list: "best-sellers".into(), ..tombstone };
        assert!(!third.restore(&unknown, &mut Items::default()));
    }
}
