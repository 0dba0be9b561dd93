//! That no item leads more than its share of lists.
//!
//! Which lists an item then leads is decided as places at schools are (Gale and Shapley, 1962: deferred acceptance): each list asks its own
//! entries in their order, and an item keeps those in which it ranks highest. What comes out is the same in whatever order lists
//! ask, so it is a function of the lists alone; and it is told by one level for each item in demand: it leads the lists in
//! which it ranks at that level or above, and in the others the first entry does that may.
//! Absent: when levels are found, and what counts as a list.

use super::label::Source;
use super::list::{Entry, List};
use crate::items::ItemId;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// How many of a list's first entries may come to lead it. Where none may, the first does.
pub const LEADERS_MAX: usize = 10;

/// How high an item stands in a list: its rank value in thousandths, then the fingerprint of what the list is about.
type Standing = (i64, u64);

/// A list that asks who leads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The fingerprint of what it is about.
    about: u64,
    /// Its first entries, with their rank values in thousandths.
    leaders: [Option<(ItemId, i64)>; LEADERS_MAX],
}

impl Asking {
    /// The list of `entries`; none where people say what leads it, or nothing does.
    #[must_use]
    pub fn of(about: u64, entries: &[Entry]) -> Option<Self> {
        let mut leaders = [None; LEADERS_MAX];
        entries.first().filter(|entry| !is_by_hand(entry))?;
        leaders.iter_mut().zip(entries).for_each(|(leader, entry)| *leader = Some((entry.item, entry.rank_milli)));
        Some(Self { about, leaders })
    }

    fn leader(&self, place: usize) -> Option<(ItemId, Standing)> {
        self.leaders.get(place).copied().flatten().map(|(item, rank_milli)| (item, (rank_milli, self.about)))
    }
}

/// From where on items lead lists, of those that would lead more than they may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels(HashMap<ItemId, Standing>);

impl Levels {
    /// So that no item leads more than `most` of these lists, as far as they have another one to lead them.
    #[must_use]
    pub fn of(lists: &[Asking], most: usize) -> Self {
        let mut led: HashMap<ItemId, BinaryHeap<Reverse<(Standing, usize)>>> = HashMap::new();
        let (mut levels, mut places) = (HashMap::new(), vec![0_usize; lists.len()]);
        for first in 0..lists.len() {
            let mut asks = Some(first);
            while let Some(list) = asks
                && let Some((item, standing)) = lists[list].leader(places[list])
            {
                places[list] += 1;
                let held = led.entry(item).or_default();
                held.push(Reverse((standing, list)));
                asks = if held.len() > most { held.pop().map(|Reverse((_, list))| list) } else { None };
                if asks.is_some() {
                    levels.insert(item, held.peek().map_or((i64::MAX, u64::MAX), |Reverse((lowest, _))| *lowest));
                }
            }
        }
        Self(levels)
    }

    /// Whether an item may lead the list about `about`, in which it has this rank value.
    fn allow(&self, item: ItemId, rank_milli: i64, about: u64) -> bool {
        self.0.get(&item).is_none_or(|level| (rank_milli, about) >= *level)
    }

    /// Lets the first entry that may lead the list that is about `about`; those before it go to the reserve.
    pub fn lead(&self, about: u64, length: usize, list: &mut List) {
        if self.0.is_empty() || list.entries.first().is_none_or(is_by_hand) {
            return;
        }
        let may = |entry: &Entry| self.allow(entry.item, entry.rank_milli, about);
        let Some(first) = list.entries.iter().take(LEADERS_MAX).position(may) else { return };
        if first == 0 || list.entries[..=first].iter().any(is_by_hand) {
            return;
        }
        let displaced: Vec<Entry> = list.entries.drain(..first).collect();
        list.shown = length.min(list.entries.len());
        list.entries.splice(list.shown..list.shown, displaced);
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(ItemId, Standing)>()
    }
}

fn is_by_hand(entry: &Entry) -> bool {
    matches!(entry.label.source, Source::Manual | Source::Pinned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank::{Day, Figures, Label};
    use proptest::prelude::*;

    fn entry(item: u32, rank_milli: i64) -> Entry {
        let (figures, label) = (Figures::new(1.0, 2.0, 3.0, 4.0), Label::default());
        let (score_milli, support, llr_root, last_seen) = (0, 1, 0.0, Day(0));
        Entry { item: ItemId(item), score_milli, rank_milli, support, figures, llr_root, last_seen, label }
    }

    fn list(entries: &[Entry], length: usize) -> List {
        List { entries: entries.to_vec(), shown: length.min(entries.len()), ..List::blank() }
    }

    prop_compose! {
        /// Lists of a few items, best first, each with what it is about.
        fn any_lists()(
            lists in prop::collection::vec(prop::collection::btree_map(0..8_u32, 1..9_i64, 0..6), 0..40),
        ) -> Vec<(u64, Vec<Entry>)> {
            let ordered = |entries: std::collections::BTreeMap<u32, i64>| {
                let mut all: Vec<Entry> = entries.into_iter().map(|(item, rank)| entry(item, rank)).collect();
                all.sort_by_key(|entry| Reverse(entry.rank_milli));
                all
            };
            (100..).zip(lists.into_iter().map(ordered)).collect()
        }
    }

    /// Who leads each list, by what it is about.
    fn led(lists: &[(u64, Vec<Entry>)], levels: &Levels) -> HashMap<u64, ItemId> {
        let lead = |(about, entries): &(u64, Vec<Entry>)| {
            let mut list = list(entries, 3);
            levels.lead(*about, 3, &mut list);
            Some((*about, list.entries.first()?.item))
        };
        lists.iter().filter_map(lead).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_item_leads_more_than_it_may_and_who_leads_is_the_same_in_whatever_order_lists_ask(
            lists in any_lists(),
            most in 1..6_usize,
            turn in 0..40_usize,
        ) {
            let asking = |lists: &[(u64, Vec<Entry>)]| -> Vec<Asking> {
                lists.iter().filter_map(|(about, entries)| Asking::of(*about, entries)).collect()
            };
            let levels = Levels::of(&asking(&lists), most);
            let mut turned = lists.clone();
            turned.rotate_left(turn % lists.len().max(1));
            turned.reverse();
            prop_assert_eq!(&Levels::of(&asking(&turned), most), &levels);
            let leads = led(&lists, &levels);
            for (about, entries) in lists.iter().filter(|(_, entries)| !entries.is_empty()) {
                let leader = leads[about];
                let may = |entry: &&Entry| levels.allow(entry.item, entry.rank_milli, *about);
                let first = entries.iter().take(LEADERS_MAX).find(may);
                prop_assert_eq!(leader, first.unwrap_or(&entries[0]).item);
            }
            for item in (0..8).map(ItemId) {
                let holds = |(about, entries): &&(u64, Vec<Entry>)| {
                    let has_another = entries.iter().take(LEADERS_MAX).any(|e| levels.allow(e.item, e.rank_milli, *about));
                    has_another && leads.get(about) == Some(&item)
                };
                let count = lists.iter().filter(holds).count();
                prop_assert!(count <= most, "{item:?} leads {count}");
                // Nobody is turned away while there is room.
                prop_assert!(count == most || !levels.0.contains_key(&item), "{item:?} leads {count}");
            }
        }

        #[test]
        fn nothing_is_lost_and_what_is_displaced_stands_first_in_reserve(lists in any_lists(), most in 1..4_usize) {
            let asking: Vec<Asking> =
                lists.iter().filter_map(|(about, entries)| Asking::of(*about, entries)).collect();
            let levels = Levels::of(&asking, most);
            for (about, entries) in &lists {
                let mut after = list(entries, 3);
                levels.lead(*about, 3, &mut after);
                let sorted = |entries: &[Entry]| {
                    let mut items: Vec<ItemId> = entries.iter().map(|entry| entry.item).collect();
                    items.sort();
                    items
                };
                prop_assert_eq!(sorted(&after.entries), sorted(entries));
                if let Some(moved) = entries.iter().position(|entry| after.entries.first().is_some_and(|e| e.item == entry.item)) {
                    let behind: Vec<ItemId> = after.reserve().iter().take(moved).map(|entry| entry.item).collect();
                    prop_assert_eq!(behind, entries[..moved].iter().map(|entry| entry.item).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn what_people_put_first_stays_and_asks_nothing() {
        let mut entries = vec![entry(1, 9), entry(2, 8)];
        let levels = Levels(HashMap::from([(ItemId(1), (100, 0))]));
        let mut plain = list(&entries, 1);
        levels.lead(7, 1, &mut plain);
        assert_eq!((plain.entries[0].item, plain.shown), (ItemId(2), 1));
        entries[0].label.source = Source::Pinned;
        let mut by_hand = list(&entries, 1);
        levels.lead(7, 1, &mut by_hand);
        assert_eq!(by_hand.entries, entries);
        assert_eq!(Asking::of(7, &entries), None);
    }
}
