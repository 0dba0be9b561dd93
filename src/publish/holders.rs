//! Which lists hold an item: show it, have it in reserve, or would, but for what is known of it. So that a change of an item costs as much
//! as the lists that it is in, and not a sweep of all.
//!
//! Both ways are kept, each entry with its place in the other: so that one goes in a constant number of steps, also where a best seller is in
//! a hundred thousand lists.
//! Invariants: a list stands once with an item; who visits the holders of an item meets each that was there at the start and still is,
//! whatever comes and goes meanwhile.

use super::lists::ListNumber;
use crate::items::ItemId;
use crate::memory::{allocated, of_vec};

/// An item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    item: u32,
    /// Where the list stands among the holders of the item.
    at: u32,
}

/// Lists by item, and items by list.
#[derive(Default)]
pub struct Holders {
    /// By list: in the order of items.
    held: Vec<Box<[Held]>>,
    /// By item.
    holders: Vec<Vec<u32>>,
    held_bytes: usize,
    holder_bytes: usize,
    next: Vec<u32>,
}

impl Holders {
    /// A list holds these items now.
    pub fn set(&mut self, list: ListNumber, items: impl Iterator<Item = ItemId>) {
        let mut next = std::mem::take(&mut self.next);
        next.clear();
        next.extend(items.map(|ItemId(item)| item));
        next.sort_unstable();
        next.dedup();
        if self.held.len() <= list.index() {
            self.held.resize_with(list.index() + 1, Box::default);
        }
        let held = &self.held[list.index()];
        if held.len() != next.len() || held.iter().zip(&next).any(|(held, item)| held.item != *item) {
            self.replace(list, &next);
        }
        self.next = next;
    }

    fn replace(&mut self, list: ListNumber, next: &[u32]) {
        let before = std::mem::take(&mut self.held[list.index()]);
        let find = |item: u32| before.binary_search_by_key(&item, |held| held.item).ok().map(|found| before[found].at);
        let mut after = Vec::with_capacity(next.len());
        for &item in next {
            let at = find(item).unwrap_or_else(|| self.add(item, list));
            after.push(Held { item, at });
        }
        for gone in before.iter().filter(|held| next.binary_search(&held.item).is_err()) {
            self.remove(gone.item, gone.at);
        }
        self.held_bytes = self.held_bytes + bytes_of(after.len()) - bytes_of(before.len());
        self.held[list.index()] = after.into_boxed_slice();
    }

    fn add(&mut self, item: u32, list: ListNumber) -> u32 {
        let index = item as usize;
        if self.holders.len() <= index {
            self.holders.resize_with(index + 1, Vec::new);
        }
        let holders = &mut self.holders[index];
        let before = of_vec(holders);
        holders.push(list.0);
        self.holder_bytes = self.holder_bytes + of_vec(holders) - before;
        u32::try_from(holders.len() - 1).unwrap_or(0) // fewer than there are lists
    }

    fn remove(&mut self, item: u32, at: u32) {
        let holders = &mut self.holders[item as usize];
        holders.swap_remove(at as usize);
        let moved = holders.get(at as usize).copied();
        if holders.is_empty() {
            self.holder_bytes -= of_vec(holders);
            *holders = Vec::new();
        }
        let Some(moved) = moved else { return };
        let held = &mut self.held[moved as usize];
        if let Ok(found) = held.binary_search_by_key(&item, |held| held.item) {
            held[found].at = at;
        }
    }

    /// How many lists hold an item: where a visit starts.
    #[must_use]
    pub fn count(&self, item: ItemId) -> usize {
        self.holders.get(item.index()).map_or(0, Vec::len)
    }

    /// At most `max` holders of an item of the first `left`, from the last one on. Returns how many are left.
    pub fn visit(&self, item: ItemId, left: usize, max: usize, visit: impl FnMut(ListNumber)) -> usize {
        let holders = self.holders.get(item.index()).map_or(&[][..], Vec::as_slice);
        // What has gone meanwhile was replaced by the last one: those before `left` are all that was there.
        let end = left.min(holders.len());
        let start = end.saturating_sub(max);
        holders[start..end].iter().rev().map(|&list| ListNumber(list)).for_each(visit);
        start
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        of_vec(&self.held) + of_vec(&self.holders) + of_vec(&self.next) + self.held_bytes + self.holder_bytes
    }
}

fn bytes_of(length: usize) -> usize {
    allocated(length * size_of::<Held>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn check(holders: &Holders, naive: &BTreeMap<u32, BTreeSet<u32>>) {
        for item in 0..12 {
            let mut found = Vec::new();
            assert_eq!(holders.visit(ItemId(item), usize::MAX, usize::MAX, |list| found.push(list.0)), 0);
            assert_eq!(found.len(), holders.count(ItemId(item)));
            let set: BTreeSet<u32> = found.iter().copied().collect();
            assert_eq!(set.len(), found.len(), "each once");
            let expected: BTreeSet<u32> =
                naive.iter().filter(|(_, items)| items.contains(&item)).map(|(list, _)| *list).collect();
            assert_eq!(set, expected, "item {item}");
        }
        let held: usize = holders.held.iter().map(|held| bytes_of(held.len())).sum();
        let vectors: usize = holders.holders.iter().map(of_vec).sum();
        assert_eq!((holders.held_bytes, holders.holder_bytes), (held, vectors));
    }

    proptest! {
        #[test]
        fn both_ways_agree(
            steps in prop::collection::vec((0..8_u32, prop::collection::btree_set(0..12_u32, 0..8)), 1..60),
        ) {
            let (mut holders, mut naive) = (Holders::default(), BTreeMap::<u32, BTreeSet<u32>>::new());
            for (list, items) in steps {
                holders.set(ListNumber(list), items.iter().chain(items.first()).map(|&item| ItemId(item)));
                naive.insert(list, items);
                check(&holders, &naive);
            }
        }

        #[test]
        fn a_visit_meets_all_that_stay_whatever_comes_and_goes(
            at_start in 1..40_u32,
            max in 1..7_usize,
            meanwhile in prop::collection::vec((0..60_u32, any::<bool>()), 0..60),
        ) {
            let mut holders = Holders::default();
            let mut stays: BTreeSet<u32> = (0..at_start).collect();
            (0..at_start).for_each(|list| holders.set(ListNumber(list), [ItemId(3)].into_iter()));
            let (mut left, mut met, mut meanwhile) = (holders.count(ItemId(3)), BTreeSet::new(), meanwhile.into_iter());
            while left > 0 {
                left = holders.visit(ItemId(3), left, max, |list| { met.insert(list.0); });
                for (list, comes) in meanwhile.by_ref().take(3) {
                    holders.set(ListNumber(list), [ItemId(if comes { 3 } else { 4 })].into_iter());
                    if !comes {
                        stays.remove(&list);
                    }
                }
            }
            prop_assert!(stays.is_subset(&met), "{stays:?} {met:?}");
        }
    }

    #[test]
    fn a_list_of_fifteen_takes_some_240_bytes() {
        let mut holders = Holders::default();
        for list in 0..10_000_u32 {
            holders.set(ListNumber(list), (0..15).map(|n| ItemId((list * 7 + n * 131) % 5_000)));
        }
        let each = holders.bytes() / 10_000;
        assert!((200..280).contains(&each), "{each} bytes a list");
    }
}
