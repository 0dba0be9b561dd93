//! That no item leads more than its share of lists.
//!
//! Which lists an item then leads is decided as places at schools are (Gale and Shapley, 1962: deferred acceptance): each list asks its own
//! entries in their order, and an item keeps those in which it ranks highest. What comes out is the same in whatever order lists
//! ask, so it is a function of the lists alone; and it is told by one level for each item in demand: it leads the lists in
//! which it ranks at that level or above, and in the others the first entry does that may.
//! Absent: when levels are found, and what counts as a list.

use super::list::{Entry, List};
use crate::items::ItemId;
use crate::memory::{allocated, of_vec};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// How many of a list's entries that nobody put there by hand may come to lead it, from the first on. Where none may, the first does.
pub const LEADERS_MAX: usize = 10;

/// How high an item stands in a list: its rank value in thousandths, then the fingerprint of what the list is about.
type Standing = (i64, u64);

/// A list that an item leads for now, by its place among those that ask.
type Led = Reverse<(Standing, u32)>;

// `docs/lists.md` says what a list costs while a round goes on.
const _: () = assert!(size_of::<Asking>() == 136 && size_of::<Led>() == 24);

/// A list that asks who leads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The fingerprint of what it is about.
    about: u64,
    /// The rank values of those that may come to lead it, in thousandths.
    ranks_milli: [i64; LEADERS_MAX],
    leaders: [ItemId; LEADERS_MAX],
    /// How many these are.
    count: u8,
    /// How many of them it has asked.
    asked: u8,
}

impl Asking {
    /// The list of `entries`; none where people say what leads it, or nothing does.
    #[must_use]
    pub fn of(about: u64, entries: &[Entry]) -> Option<Self> {
        entries.first().filter(|entry| !is_by_hand(entry))?;
        let (ranks_milli, leaders) = ([0; LEADERS_MAX], [ItemId(0); LEADERS_MAX]);
        let mut asking = Self { about, ranks_milli, leaders, count: 0, asked: 0 };
        let places = asking.leaders.iter_mut().zip(&mut asking.ranks_milli);
        for ((leader, rank_milli), (_, entry)) in places.zip(may_come_to_lead(entries)) {
            (*leader, *rank_milli) = (entry.item, entry.rank_milli);
            asking.count += 1;
        }
        Some(asking)
    }

    /// Whom it asks next, if there is anybody left.
    fn next_leader(&mut self) -> Option<(ItemId, Standing)> {
        let place = usize::from(self.asked);
        if self.asked >= self.count {
            return None;
        }
        self.asked += 1;
        Some((*self.leaders.get(place)?, (*self.ranks_milli.get(place)?, self.about)))
    }
}

/// Deferred acceptance among the lists of one name and shop, in steps.
#[derive(Debug)]
pub struct Acceptance {
    lists: Vec<Asking>,
    most: usize,
    /// The lists that each item leads for now, the one in which it ranks lowest first.
    led: HashMap<ItemId, BinaryHeap<Led>>,
    levels: HashMap<ItemId, Standing>,
    /// The next list that has asked nobody yet.
    next: usize,
    /// The list that has been turned away, and asks on.
    turned_away: Option<usize>,
}

impl Acceptance {
    /// So that no item leads more than `most` of these lists, as far as they have another one to lead them.
    #[must_use]
    pub fn among(lists: Vec<Asking>, most: usize) -> Self {
        Self { lists, most, led: HashMap::new(), levels: HashMap::new(), next: 0, turned_away: None }
    }

    /// At most `asks_max` times a list asks one of its entries; returns how often one did. Fewer: it is at its end.
    pub fn step(&mut self, asks_max: usize) -> usize {
        let mut asked = 0;
        while asked < asks_max
            && let Some(number) = self.next_to_ask()
        {
            asked += 1;
            self.ask(number);
        }
        asked
    }

    /// What has been decided, at its end.
    #[must_use]
    pub fn levels(self) -> Levels {
        Levels(self.levels)
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let led: usize = self.led.capacity() * size_of::<(ItemId, BinaryHeap<Led>)>();
        of_vec(&self.lists) + led + self.next * size_of::<Led>() + allocated(levels_bytes(&self.levels))
    }

    fn next_to_ask(&mut self) -> Option<usize> {
        let turned_away = self.turned_away.take();
        if turned_away.is_none() && self.next < self.lists.len() {
            self.next += 1;
            return Some(self.next - 1);
        }
        turned_away
    }

    /// A list asks the next of its entries, which may turn another list away for it.
    fn ask(&mut self, list: usize) {
        let Some((item, standing)) = self.lists.get_mut(list).and_then(Asking::next_leader) else { return };
        let Ok(number) = u32::try_from(list) else { return };
        let held = self.led.entry(item).or_default();
        held.push(Reverse((standing, number)));
        if held.len() > self.most {
            self.turned_away = held.pop().map(|Reverse((_, list))| list as usize);
            let level = held.peek().map_or((i64::MAX, u64::MAX), |Reverse((lowest, _))| *lowest);
            self.levels.insert(item, level);
        }
    }
}

/// From where on items lead lists, of those that would lead more than they may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels(HashMap<ItemId, Standing>);

impl Levels {
    /// Whether everything may lead every list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an item may lead the list about `about`, in which it has this rank value.
    pub(super) fn allow(&self, item: ItemId, rank_milli: i64, about: u64) -> bool {
        self.0.get(&item).is_none_or(|level| (rank_milli, about) >= *level)
    }

    /// Lets the first entry that may lead the list that is about `about`; those before it go to the reserve. What people put somewhere stays
    /// there, unless too little is left before it.
    pub fn lead(&self, about: u64, length: usize, list: &mut List) {
        if self.is_empty() || list.entries.first().is_none_or(is_by_hand) {
            return;
        }
        let may = |entry: &Entry| self.allow(entry.item, entry.rank_milli, about);
        let first = may_come_to_lead(&list.entries).find(|(_, entry)| may(entry));
        let Some((first, _)) = first.filter(|(place, _)| *place > 0) else { return };
        let (mut by_hand, mut displaced, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (place, entry) in list.entries.drain(..).enumerate() {
            match entry {
                entry if is_by_hand(&entry) => by_hand.push((place, entry)),
                entry if place < first => displaced.push(entry),
                entry => others.push(entry),
            }
        }
        list.entries = others;
        for (place, entry) in by_hand {
            list.entries.insert(place.min(list.entries.len()), entry);
        }
        list.shown = length.min(list.entries.len());
        list.entries.splice(list.shown..list.shown, displaced);
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        levels_bytes(&self.0)
    }
}

fn levels_bytes(levels: &HashMap<ItemId, Standing>) -> usize {
    levels.capacity() * size_of::<(ItemId, Standing)>()
}

/// The entries that may come to lead a list which nobody leads by hand, and their places.
fn may_come_to_lead(entries: &[Entry]) -> impl Iterator<Item = (usize, &Entry)> {
    entries.iter().enumerate().filter(|(_, entry)| !is_by_hand(entry)).take(LEADERS_MAX)
}

fn is_by_hand(entry: &Entry) -> bool {
    entry.label.source.is_by_hand()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank::{Day, Figures, Label, Source};
    use proptest::prelude::*;

    fn entry(item: u32, rank_milli: i64) -> Entry {
        let (figures, label) = (Figures::new(1.0, 2.0, 3.0, 4.0), Label::default());
        let (score_milli, support, llr_root, last_seen) = (0, 1, 0.0, Day(0));
        Entry { item: ItemId(item), score_milli, rank_milli, support, figures, llr_root, last_seen, label }
    }

    fn list(entries: &[Entry], length: usize) -> List {
        List { entries: entries.to_vec(), shown: length.min(entries.len()), ..List::blank() }
    }

    fn by_hand(item: u32, source: Source) -> Entry {
        let entry = entry(item, 0);
        Entry { label: Label { source, ..entry.label }, ..entry }
    }

    fn levels_of(lists: &[Asking], most: usize, asks_max: usize) -> Levels {
        let mut acceptance = Acceptance::among(lists.to_vec(), most);
        while acceptance.step(asks_max) == asks_max {}
        acceptance.levels()
    }

    prop_compose! {
        /// Lists of a few items, best first but for what people put somewhere, each with what it is about.
        fn any_lists()(
            lists in prop::collection::vec(
                (
                    prop::collection::btree_map(0..8_u32, 1..9_i64, 0..6),
                    prop::collection::btree_map(6..12_u32, (0..6_usize, any::<bool>()), 0..3),
                ),
                0..40,
            ),
        ) -> Vec<(u64, Vec<Entry>)> {
            type Lists = (std::collections::BTreeMap<u32, i64>, std::collections::BTreeMap<u32, (usize, bool)>);
            let ordered = |(counted, fixed): Lists| {
                let counted = counted.into_iter().filter(|(item, _)| !fixed.contains_key(item));
                let mut all: Vec<Entry> = counted.map(|(item, rank)| entry(item, rank)).collect();
                all.sort_by_key(|entry| Reverse(entry.rank_milli));
                for (item, (place, is_pin)) in fixed {
                    let source = if is_pin { Source::Pinned } else { Source::Manual };
                    all.insert(place.min(all.len()), by_hand(item, source));
                }
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
            asks_max in 1..9_usize,
        ) {
            let asking = |lists: &[(u64, Vec<Entry>)]| -> Vec<Asking> {
                lists.iter().filter_map(|(about, entries)| Asking::of(*about, entries)).collect()
            };
            let levels = levels_of(&asking(&lists), most, asks_max);
            let mut turned = lists.clone();
            turned.rotate_left(turn % lists.len().max(1));
            turned.reverse();
            prop_assert_eq!(&levels_of(&asking(&turned), most, usize::MAX), &levels);
            let leads = led(&lists, &levels);
            let is_asked = |(_, entries): &&(u64, Vec<Entry>)| entries.first().is_some_and(|first| !is_by_hand(first));
            let may_lead = |about: u64, entries: &[Entry]| {
                let may = |entry: &&Entry| !is_by_hand(entry) && levels.allow(entry.item, entry.rank_milli, about);
                entries.iter().find(may).map(|entry| entry.item)
            };
            for (about, entries) in lists.iter().filter(|(_, entries)| !entries.is_empty()) {
                let leader = may_lead(*about, entries).filter(|_| !is_by_hand(&entries[0]));
                prop_assert_eq!(leads[about], leader.unwrap_or(entries[0].item));
            }
            for item in (0..12).map(ItemId) {
                let holds = |(about, entries): &&(u64, Vec<Entry>)| may_lead(*about, entries) == Some(item);
                let count = lists.iter().filter(is_asked).filter(holds).count();
                prop_assert!(count <= most, "{item:?} leads {count}");
                // Nobody is turned away while there is room.
                prop_assert!(count == most || !levels.0.contains_key(&item), "{item:?} leads {count}");
            }
        }

        #[test]
        fn nothing_is_lost_and_what_is_displaced_stands_first_in_reserve(lists in any_lists(), most in 1..4_usize) {
            let asking: Vec<Asking> =
                lists.iter().filter_map(|(about, entries)| Asking::of(*about, entries)).collect();
            let levels = levels_of(&asking, most, usize::MAX);
            for (about, entries) in &lists {
                let mut after = list(entries, 3);
                levels.lead(*about, 3, &mut after);
                let items = |entries: &[Entry]| entries.iter().map(|entry| entry.item).collect::<Vec<_>>();
                let sorted = |entries: &[Entry]| {
                    let mut items = items(entries);
                    items.sort();
                    items
                };
                prop_assert_eq!(sorted(&after.entries), sorted(entries));
                let Some(leader) = after.entries.first().map(|entry| entry.item) else { continue };
                let moved = entries.iter().position(|entry| entry.item == leader).unwrap_or(0);
                let displaced: Vec<ItemId> =
                    entries[..moved].iter().filter(|entry| !is_by_hand(entry)).map(|entry| entry.item).collect();
                prop_assert!(items(after.reserve()).starts_with(&displaced));
                // What people put among the shown is where they put it, as far as enough is left.
                let left = entries.len() - displaced.len();
                for (place, entry) in entries.iter().enumerate().filter(|(_, entry)| is_by_hand(entry)) {
                    if place < after.shown && place + 3 <= left {
                        prop_assert_eq!(after.entries[place].item, entry.item);
                    }
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
    #[test]
    fn what_people_put_behind_the_first_stays_and_keeps_nobody_from_leading() {
        // 20 lists that item 1 leads, each with a pin at the second place.
        let entries = |other: u32| vec![entry(1, 50), by_hand(90, Source::Pinned), entry(other, 9), entry(2, 8)];
        let lists: Vec<(u64, Vec<Entry>)> = (0..20).map(|about| (u64::from(about), entries(10 + about))).collect();
        let asking: Vec<Asking> = lists.iter().filter_map(|(about, entries)| Asking::of(*about, entries)).collect();
        let levels = levels_of(&asking, 1, usize::MAX);
        let leads = led(&lists, &levels);
        assert_eq!(leads.values().filter(|leader| **leader == ItemId(1)).count(), 1);
        assert!(leads.values().all(|leader| *leader != ItemId(90)));
        let mut first = list(&lists[0].1, 2);
        levels.lead(0, 2, &mut first);
        let items: Vec<u32> = first.entries.iter().map(|entry| entry.item.0).collect();
        assert_eq!((items, first.shown), (vec![10, 90, 1, 2], 2));
    }

    #[test]
    fn acceptance_asks_no_more_in_a_step_than_it_may() {
        let asking: Vec<Asking> = (0..50).filter_map(|about| Asking::of(about, &[entry(1, 5), entry(2, 4)])).collect();
        let mut acceptance = Acceptance::among(asking, 1);
        let mut steps = Vec::new();
        while steps.last().is_none_or(|asked| *asked == 7) {
            steps.push(acceptance.step(7));
        }
        // Each list but one asks both, and once more in vain but for the one that leads by the second.
        assert_eq!(steps, [[7; 21].as_slice(), &[0]].concat(), "{} questions", 50 + 49 + 48);
    }
}
