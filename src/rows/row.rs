//! Rows: the neighbours of one item in one relation, at most `row_max` of them.
//!
//! Invariants: a key stands in a row once; the order of pairs within a row means nothing and decides nothing; no weight is
//! zero. A row is pruned only when an insertion finds it full, and the newcomer always gets in.
//! Why a sixteenth goes at once: one at a time keeps hardly more of the exact lists, and looks through the row sixteen
//! times as often (`docs/evaluation.md` has the figures).
//! Absent: what a key is called, and how weights decay.

use super::RelationStats;
use super::decay::{accumulate, narrow, power_of_two, reduce, split};
use super::saved::PAIR_BYTES;
use super::slab::{Block, BlockMut, Place, ROW_PAIRS_MAX, Slabs};
use crate::items::{ItemId, Items};
use crate::relation::Relation;
use crate::saved::SavedError;

/// Where nothing has faded, this part of the bound makes room: a sixteenth.
const PRUNED_SHARE: usize = 16;

/// What one event adds to one pair.
#[derive(Clone, Copy)]
pub(super) struct Increment {
    /// Relative to the landmark.
    pub(super) weight: f64,
    pub(super) support: u32,
    /// Day of the event.
    pub(super) day: u16,
}

/// Where a row is and how long.
#[derive(Clone, Copy, Default)]
struct Head {
    length: u32,
    place: Place,
}

/// The rows of one partition.
pub(super) struct RowStore {
    heads: [Vec<Head>; Relation::COUNT],
    slabs: Slabs,
    row_max: usize,
    scratch: Scratch,
    held: [RelationStats; Relation::COUNT],
}

impl RowStore {
    pub(super) fn new(row_max: Option<usize>) -> Self {
        let row_max = row_max.unwrap_or(ROW_PAIRS_MAX).clamp(1, ROW_PAIRS_MAX);
        let heads = std::array::from_fn(|_| Vec::new());
        Self { heads, slabs: Slabs::new(), row_max, scratch: Scratch::default(), held: Default::default() }
    }

    /// Adds to the pair (anchor, other). What lies below `faded` (a stored weight) goes first when the row is full.
    pub(super) fn add(
        &mut self,
        relation: Relation,
        anchor: ItemId,
        other: ItemId,
        increment: Increment,
        faded: f64,
        items: &Items,
    ) {
        let heads = &mut self.heads[relation.index()];
        if heads.len() <= anchor.index() {
            heads.resize(anchor.index() + 1, Head::default());
        }
        let mut head = heads[anchor.index()];
        if !bump(&mut self.slabs, head, other, increment) {
            if head.length as usize >= self.row_max {
                self.prune(relation, &mut head, faded, items);
            }
            self.push(relation, &mut head, other, increment);
            self.heads[relation.index()][anchor.index()] = head;
        }
    }

    /// Takes back from the pair (anchor, other), which goes when nothing is left. One that is not there was pruned.
    pub(super) fn take_back(&mut self, relation: Relation, anchor: ItemId, other: ItemId, increment: Increment) {
        let held = &mut self.held[relation.index()];
        let Some(head) = self.heads[relation.index()].get_mut(anchor.index()).filter(|head| head.length > 0) else {
            held.missed += 1;
            return;
        };
        let length = head.length as usize;
        let mut block = self.slabs.block_mut(head.place);
        let Some(index) = find(&block.keys[..length], other.0) else {
            held.missed += 1;
            return;
        };
        let support = block.support[index].saturating_sub(increment.support);
        let stored = f32::from_bits(block.weights[index]);
        let (coarse, fine) = reduce(stored, block.fine(index), increment.weight, support == 0);
        if coarse > 0.0 {
            block.support[index] = support;
            block.weights[index] = coarse.to_bits();
            block.set_fine(index, fine);
            return;
        }
        block.copy_within(length - 1, index);
        head.length -= 1;
        held.pairs -= 1;
        if head.length == 0 {
            held.rows -= 1;
            self.slabs.give_back(head.place);
        }
    }

    fn push(&mut self, relation: Relation, head: &mut Head, other: ItemId, increment: Increment) {
        let length = head.length as usize;
        if length == 0 {
            self.held[relation.index()].rows += 1;
            head.place = self.slabs.take(0);
        } else if length == self.slabs.capacity(head.place.class) {
            head.place = self.slabs.widen(head.place, length);
        }
        let mut block = self.slabs.block_mut(head.place);
        block.keys[length] = other.0;
        let (coarse, fine) = split(increment.weight);
        block.weights[length] = coarse.to_bits();
        block.support[length] = increment.support;
        block.set_day(length, increment.day);
        block.set_fine(length, fine);
        head.length += 1;
        self.held[relation.index()].pairs += 1;
    }

    /// Makes room in a full row: all that has faded, else the lightest of the row, 1 / [`PRUNED_SHARE`] of its bound.
    fn prune(&mut self, relation: Relation, head: &mut Head, faded: f64, items: &Items) {
        let mut block = self.slabs.block_mut(head.place);
        let full = head.length as usize;
        let length = if f64::from(f32::from_bits(smallest(&block.weights[..full]))) < faded {
            drop_where(&mut block, full, |_, weight| f64::from(f32::from_bits(weight)) < faded)
        } else {
            drop_lightest(&mut block, full, (self.row_max / PRUNED_SHARE).max(1), items, &mut self.scratch)
        };
        let held = &mut self.held[relation.index()];
        held.evictions += (full - length) as u64;
        held.pairs -= full - length;
        if length == 0 {
            held.rows -= 1;
            self.slabs.give_back(head.place);
        }
        head.length = small(length);
    }

    /// The pairs of a row; empty where there is none.
    pub(super) fn row(&self, relation: Relation, anchor: ItemId) -> Option<Block<'_>> {
        let head = self.heads[relation.index()].get(anchor.index())?;
        (head.length > 0).then(|| self.slabs.block(head.place, head.length as usize))
    }

    /// Items that may have a row in the relation at `index`.
    pub(super) fn heads_len(&self, index: usize) -> usize {
        self.heads[index].len()
    }

    /// Takes up a row that was kept: `pairs` as they lay in memory, of items below `items`.
    pub(super) fn load_row(
        &mut self,
        relation: Relation,
        anchor: ItemId,
        pairs: &[u8],
        items: usize,
    ) -> Result<(), SavedError> {
        let length = pairs.len() / PAIR_BYTES;
        let heads = &mut self.heads[relation.index()];
        if heads.len() <= anchor.index() {
            heads.resize(anchor.index() + 1, Head::default());
        }
        let is_free = heads[anchor.index()].length == 0;
        let class = self.slabs.class_of(length).filter(|_| is_free && (1..=self.row_max).contains(&length));
        let class = class.ok_or_else(|| SavedError::unfit(format!("a row of {length} pairs, or one twice")))?;
        let place = self.slabs.take(class);
        let block = self.slabs.block_mut(place);
        let columns = [block.keys, block.weights, block.support, block.tails];
        for (column, bytes) in columns.into_iter().zip(pairs.chunks_exact(length * 4)) {
            for (word, bytes) in column.iter_mut().zip(bytes.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
        }
        let row = self.slabs.block(place, length);
        let is_weight = |&bits: &u32| f32::from_bits(bits).is_finite() && bits > 0 && bits >> 31 == 0;
        if row.keys.iter().any(|&key| key as usize >= items) || !row.weights.iter().all(is_weight) {
            return Err(SavedError::unfit("a row with a neighbour or a weight that cannot be"));
        }
        self.heads[relation.index()][anchor.index()] = Head { length: small(length), place };
        let held = &mut self.held[relation.index()];
        held.rows += 1;
        held.pairs += length;
        Ok(())
    }

    /// What had been dropped and missed, by relation.
    pub(super) fn take_up_tallies(&mut self, evictions: &[u64; Relation::COUNT], missed: &[u64; Relation::COUNT]) {
        for ((held, &evictions), &missed) in self.held.iter_mut().zip(evictions).zip(missed) {
            (held.evictions, held.missed) = (evictions, missed);
        }
    }

    /// The items that have a row in `relation`, in the order of their numbers.
    pub(super) fn anchors(&self, relation: Relation) -> impl Iterator<Item = ItemId> {
        let with_row = self.heads[relation.index()].iter().zip(0_u32..).filter(|(head, _)| head.length > 0);
        with_row.map(|(_, number)| ItemId(number))
    }

    /// The landmark of `relation` moved by `half_lives`: all its weights shrink by that power of two.
    pub(super) fn rescale(&mut self, relation: Relation, half_lives: i64) {
        let factor = power_of_two(-half_lives);
        for head in self.heads[relation.index()].iter().filter(|head| head.length > 0) {
            let block = self.slabs.block_mut(head.place);
            for bits in &mut block.weights[..head.length as usize] {
                *bits = narrow(f64::from(f32::from_bits(*bits)) * factor).to_bits();
            }
        }
    }

    /// What is held and was dropped, by relation; updates are counted by whoever adds.
    pub(super) fn held(&self) -> &[RelationStats; Relation::COUNT] {
        &self.held
    }

    pub(super) fn bytes(&self) -> usize {
        let heads: usize = self.heads.iter().map(Vec::capacity).sum();
        self.slabs.bytes() + heads * size_of::<Head>()
    }
}

/// A row's length: at most [`ROW_PAIRS_MAX`].
fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(0)
}

/// Adds to a pair that the row holds; says whether it does.
fn bump(slabs: &mut Slabs, head: Head, other: ItemId, increment: Increment) -> bool {
    if head.length == 0 {
        return false;
    }
    let mut block = slabs.block_mut(head.place);
    let Some(index) = find(&block.keys[..head.length as usize], other.0) else { return false };
    block.support[index] = block.support[index].saturating_add(increment.support);
    let stored = f32::from_bits(block.weights[index]);
    let (coarse, fine) = accumulate(stored, block.fine(index), increment.weight);
    block.weights[index] = coarse.to_bits();
    block.set_fine(index, fine);
    if block.day(index) < increment.day {
        block.set_day(index, increment.day);
    }
    true
}

/// Where `key` stands. Sixteen keys are compared at a time, and four of what is left, without a branch in between, so
/// that the compiler uses vector instructions.
#[inline]
fn find(keys: &[u32], key: u32) -> Option<usize> {
    let (lines, rest) = keys.as_chunks::<16>();
    let (quads, last) = rest.as_chunks::<4>();
    let has = |part: &[u32]| part.iter().fold(0_u32, |hit, &other| hit | u32::from(other == key)) != 0;
    let mut from = 0;
    let mut part: &[u32] = last;
    if let Some(number) = lines.iter().position(|line| has(line)) {
        (from, part) = (number * 16, &lines[number]);
    } else if let Some(number) = quads.iter().position(|quad| has(quad)) {
        (from, part) = (lines.len() * 16 + number * 4, &quads[number]);
    } else {
        from += keys.len() - last.len();
    }
    part.iter().position(|&other| other == key).map(|within| from + within)
}

/// The smallest of some weights, by their bits.
fn smallest(weights: &[u32]) -> u32 {
    weights.iter().fold(u32::MAX, |smallest, &bits| smallest.min(bits))
}

/// Drops every pair that `goes` says of its index and the bits of its weight, which is asked from the back. Returns how many are left.
fn drop_where(block: &mut BlockMut<'_>, full: usize, mut goes: impl FnMut(usize, u32) -> bool) -> usize {
    let mut length = full;
    // From the back, so that what moves into a gap has been asked about.
    for index in (0..full).rev() {
        if goes(index, block.weights[index]) {
            length -= 1;
            block.copy_within(length, index);
        }
    }
    length
}

/// What pruning works on, kept from one time to the next.
#[derive(Default)]
struct Scratch {
    weights: Vec<u32>,
    /// Fingerprints and indices of the pairs that weigh as much as the heaviest which goes.
    ties: Vec<(u64, usize)>,
}

/// Drops the `count` lightest pairs; among equals those whose items have the lowest fingerprints, then names. A rule on
/// content only: two runs that counted the same drop the same. Returns how many are left.
///
/// A wholesaler's rows are full most of the time, so this is hot: what is selected from is numbers, and only of equals
/// is it asked what they are called.
fn drop_lightest(block: &mut BlockMut<'_>, full: usize, count: usize, items: &Items, scratch: &mut Scratch) -> usize {
    if count >= full {
        return 0;
    }
    let Scratch { weights, ties } = scratch;
    weights.clear();
    weights.extend_from_slice(&block.weights[..full]);
    let (lighter, &mut heaviest, _) = weights.select_nth_unstable(count - 1);
    let of_equals = count - lighter.iter().filter(|&&weight| weight < heaviest).count();
    let item = |index: usize| ItemId(block.keys[index]);
    ties.clear();
    let equals = block.weights[..full].iter().enumerate().filter(|&(_, &weight)| weight == heaviest);
    ties.extend(equals.map(|(index, _)| (0, index)));
    if of_equals < ties.len() {
        ties.iter_mut().for_each(|(fingerprint, index)| *fingerprint = items.fingerprint(item(*index)));
        ties.select_nth_unstable_by(of_equals - 1, |x, y| {
            x.0.cmp(&y.0).then_with(|| items.name(item(x.1)).cmp(items.name(item(y.1))))
        });
        ties.truncate(of_equals);
        ties.sort_unstable_by_key(|&(_, index)| index);
    }
    drop_where(block, full, |index, weight| weight < heaviest || ties.pop_if(|tie| tie.1 == index).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_is_found_where_it_stands(count in 0_u32..70, wanted in 0_u32..80) {
            let keys: Vec<u32> = (0..count).map(|n| n * 7919 % 104_729).collect();
            let key = wanted * 7919 % 104_729;
            prop_assert_eq!(find(&keys, key), keys.iter().position(|&other| other == key));
        }
    }

    proptest! {
        /// Against a model that sorts all pairs, wherever in the row those stand that go.
        #[test]
        fn a_full_row_drops_what_sorting_says(weights in prop::collection::vec(1_u8..4, 100)) {
            let names: Vec<String> = (0..=100).map(|n| format!("i{n}")).collect();
            let (mut store, items, ids) = store(48, &names.iter().map(String::as_str).collect::<Vec<_>>());
            let mut model: Vec<(u8, u64, String)> = Vec::new();
            for (weight, &other) in weights.into_iter().zip(&ids[1..]) {
                if model.len() == 48 {
                    model.sort();
                    model.drain(..3);
                }
                model.push((weight, items.fingerprint(other), items.name(other).to_owned()));
                let increment = Increment { weight: f64::from(weight), support: 1, day: 1 };
                store.add(Relation::BoughtTogether, ids[0], other, increment, 0.5, &items);
            }
            let mut expected: Vec<String> = model.into_iter().map(|(_, _, name)| name).collect();
            expected.sort();
            prop_assert_eq!(names_of(&store, &items, ids[0]), expected);
        }
    }

    fn store(row_max: usize, names: &[&str]) -> (RowStore, Items, Vec<ItemId>) {
        let mut items = Items::default();
        let shop = items.shop("main");
        let ids = names.iter().map(|name| items.item(shop, name)).collect();
        (RowStore::new(Some(row_max)), items, ids)
    }

    fn names_of(store: &RowStore, items: &Items, anchor: ItemId) -> Vec<String> {
        let block = store.row(Relation::BoughtTogether, anchor).unwrap();
        let mut names: Vec<String> = block.keys.iter().map(|&key| items.name(ItemId(key)).to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_row_first_drops_all_that_has_faded_then_the_lightest() {
        let (mut store, items, ids) = store(4, &["a", "b", "c", "d", "e", "f", "g", "h"]);
        let mut add = |other: usize, weight: f64| {
            let increment = Increment { weight, support: 1, day: 1 };
            store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.5, &items);
            names_of(&store, &items, ids[0]).concat()
        };
        assert_eq!(add(1, 0.4), "b", "faded, but there is room");
        assert_eq!(add(2, 0.3), "bc");
        assert_eq!(add(3, 2.0), "bcd");
        assert_eq!(add(4, 1.0), "bcde");
        assert_eq!(add(5, 3.0), "def", "b and c had faded");
        assert_eq!(add(6, 1.5), "defg");
        assert_eq!(add(4, 1.0), "defg", "a pair that is there needs no room");
        assert_eq!(add(7, 9.0), "defh", "g was the lightest");
        let held = store.held()[Relation::BoughtTogether.index()];
        assert_eq!((held.evictions, held.pairs, held.rows), (3, 4, 1));
        assert_eq!(store.held()[Relation::AlsoBought.index()], RelationStats::default());
    }

    #[test]
    fn a_row_of_which_all_has_faded_and_one_of_a_single_place_take_the_newcomer() {
        let add = |store: &mut RowStore, items: &Items, ids: &[ItemId], other: usize, weight: f64| {
            let increment = Increment { weight, support: 1, day: 1 };
            store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.5, items);
            let held = store.held()[Relation::BoughtTogether.index()];
            (names_of(store, items, ids[0]).concat(), held.rows, held.pairs, held.evictions)
        };
        let (mut faded, items, ids) = store(2, &["a", "b", "c", "d"]);
        assert_eq!(add(&mut faded, &items, &ids, 1, 0.4), ("b".to_owned(), 1, 1, 0));
        assert_eq!(add(&mut faded, &items, &ids, 2, 0.3), ("bc".to_owned(), 1, 2, 0));
        assert_eq!(add(&mut faded, &items, &ids, 3, 2.0), ("d".to_owned(), 1, 1, 2));
        let (mut single, items, ids) = store(1, &["a", "b", "c"]);
        assert_eq!(add(&mut single, &items, &ids, 1, 9.0), ("b".to_owned(), 1, 1, 0));
        assert_eq!(add(&mut single, &items, &ids, 2, 1.0), ("c".to_owned(), 1, 1, 1));
    }

    #[test]
    fn what_stays_in_a_pruned_row_keeps_its_figures() {
        let names: Vec<String> = (0..40).map(|n| format!("i{n}")).collect();
        let (mut store, items, ids) = store(32, &names.iter().map(String::as_str).collect::<Vec<_>>());
        for n in 1..40_u16 {
            // The first are the lightest, so that others move into their places.
            let increment = Increment { weight: n.into(), support: u32::from(n) * 3, day: n * 5 };
            store.add(Relation::BoughtTogether, ids[0], ids[usize::from(n)], increment, 0.0, &items);
        }
        let block = store.row(Relation::BoughtTogether, ids[0]).unwrap();
        for (index, &key) in block.keys.iter().enumerate() {
            let n = u16::try_from(key).unwrap();
            let figures = (f32::from_bits(block.weights[index]), block.support[index], block.day(index));
            assert_eq!(figures, (n.into(), u32::from(n) * 3, n * 5));
        }
        assert!(store.held()[Relation::BoughtTogether.index()].evictions >= 7);
    }

    /// Weekly orders round an `f32` the same way each time: what is behind it must be kept with each addition.
    #[test]
    fn a_pair_that_is_counted_again_and_again_does_not_drift() {
        let (mut store, items, ids) = store(4, &["a", "b"]);
        let (times, weight) = (100_000_u32, 1.0 / 3.0);
        for _ in 0..times {
            let increment = Increment { weight, support: 1, day: 1 };
            store.add(Relation::BoughtTogether, ids[0], ids[1], increment, 0.0, &items);
        }
        let block = store.row(Relation::BoughtTogether, ids[0]).unwrap();
        let off = f64::from(f32::from_bits(block.weights[0])) / (f64::from(times) * weight) - 1.0;
        assert!(off.abs() < 1e-6, "off by {off}");
    }

    #[test]
    fn bytes_held_count_a_place_for_each_item_up_to_the_last_with_a_row() {
        let names: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
        let (mut store, items, ids) = store(4, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut bytes_with = |anchor: usize| {
            let increment = Increment { weight: 1.0, support: 1, day: 1 };
            store.add(Relation::BoughtTogether, ids[anchor], ids[1], increment, 0.0, &items);
            store.bytes()
        };
        let few = bytes_with(0);
        assert!(bytes_with(1_999) - few >= 1_900 * size_of::<Head>());
        let all = (0..2_000).map(bytes_with).last().unwrap();
        let places = 2_048 * size_of::<Head>();
        assert!(
            (16 * 2_000..1 << 20).contains(&(all - places)),
            "{all} bytes, {places} of them places: a pair takes 16"
        );
    }

    #[test]
    fn where_nothing_has_faded_the_lightest_sixteenth_goes_and_the_newcomer_gets_in() {
        let names: Vec<String> = (0..50).map(|n| format!("i{n:02}")).collect();
        for (row_max, gone) in [(16, 1), (31, 1), (32, 2), (48, 3)] {
            let (mut store, items, ids) = store(row_max, &names.iter().map(String::as_str).collect::<Vec<_>>());
            let increment = |weight| Increment { weight, support: 1, day: 1 };
            for (n, &other) in (1_u32..).zip(&ids[1..=row_max]) {
                // Weights in no order of their places: 5 has no divisor in common with any of these bounds + 1.
                let weight = f64::from(n * 5 % (u32::try_from(row_max).unwrap() + 1));
                store.add(Relation::BoughtTogether, ids[0], other, increment(weight.max(0.5)), 0.1, &items);
            }
            assert_eq!(store.held()[Relation::BoughtTogether.index()].evictions, 0, "there was room");
            store.add(Relation::BoughtTogether, ids[0], ids[49], increment(0.25), 0.1, &items);
            let held = store.held()[Relation::BoughtTogether.index()];
            assert_eq!((held.evictions, held.pairs), (gone, row_max + 1 - usize::try_from(gone).unwrap()));
            let block = store.row(Relation::BoughtTogether, ids[0]).unwrap();
            let mut weights: Vec<f32> = block.weights.iter().map(|&bits| f32::from_bits(bits)).collect();
            weights.sort_by(f32::total_cmp);
            assert_eq!(weights[0], 0.25, "the newcomer, though it is the lightest of all");
            assert!(weights[1] > f32::from(u16::try_from(gone).unwrap()), "{row_max}: {weights:?}");
        }
    }

    #[test]
    fn among_equal_weights_content_decides() {
        let increment = Increment { weight: 1.0, support: 1, day: 1 };
        for row_max in [2, 40] {
            let names: Vec<String> = (0..60).map(|n| format!("i{n}")).collect();
            let mut left: Vec<Vec<String>> = Vec::new();
            for met in [0, 17, 41] {
                // The same additions in the same order, but the items were first met in another one.
                let mut order: Vec<&str> = names.iter().map(String::as_str).collect();
                order.rotate_left(met);
                let (mut store, mut items, _) = store(row_max, &order);
                let shop = items.shop("main");
                let anchor = items.item(shop, "i0");
                for other in &names[1..] {
                    let other = items.item(shop, other);
                    store.add(Relation::BoughtTogether, anchor, other, increment, 0.0, &items);
                }
                assert!(store.held()[Relation::BoughtTogether.index()].evictions > 0);
                left.push(names_of(&store, &items, anchor));
            }
            assert_eq!(left[0], left[1], "{row_max}");
            assert_eq!(left[0], left[2], "{row_max}");
        }
    }

    #[test]
    fn what_goes_does_not_depend_on_where_pairs_stand() {
        let names: Vec<String> = (0..80).map(|n| format!("i{n}")).collect();
        let mut left: Vec<Vec<String>> = Vec::new();
        for forwards in [true, false] {
            let (mut store, items, ids) = store(64, &names.iter().map(String::as_str).collect::<Vec<_>>());
            let mut others: Vec<usize> = (1..=64).collect();
            if !forwards {
                others.reverse();
            }
            for other in others {
                let weight = if other % 8 == 0 { 1.0 } else { 2.0 };
                let increment = Increment { weight, support: 1, day: 1 };
                store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.0, &items);
            }
            let increment = Increment { weight: 1.0, support: 1, day: 1 };
            store.add(Relation::BoughtTogether, ids[0], ids[70], increment, 0.0, &items);
            assert_eq!(store.held()[Relation::BoughtTogether.index()].evictions, 4);
            left.push(names_of(&store, &items, ids[0]));
        }
        assert_eq!(left[0], left[1]);
    }

    #[test]
    fn a_newcomer_inherits_nothing_of_the_pair_whose_place_it_takes() {
        let names: Vec<String> = (0..18).map(|n| format!("i{n}")).collect();
        let (mut store, items, ids) = store(16, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut add = |other: usize, weight: f64, day: u16| {
            let increment = Increment { weight, support: 7, day };
            store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.0, &items);
        };
        // Bits behind those of an f32, in every pair.
        (1..=16).for_each(|other| add(other, 1.0 + f64::EPSILON * (1 << 20) as f64, 900));
        let increment = Increment { weight: 1.0, support: 1, day: 3 };
        store.add(Relation::BoughtTogether, ids[0], ids[17], increment, 0.0, &items);
        let head = store.heads[Relation::BoughtTogether.index()][ids[0].index()];
        let block = store.slabs.block_mut(head.place);
        let old_fine = block.fine(0);
        assert!(old_fine > 0, "so there was something to inherit");
        let newcomer = find(&block.keys[..16], ids[17].0).unwrap();
        let held = (
            f32::from_bits(block.weights[newcomer]),
            block.fine(newcomer),
            block.support[newcomer],
            block.day(newcomer),
        );
        assert_eq!(held, (1.0, 0, 1, 3));
    }

    #[test]
    fn a_row_keeps_all_figures_while_it_grows() {
        let names: Vec<String> = (0..700).map(|n| format!("i{n}")).collect();
        let (mut store, items, ids) = store(1000, &names.iter().map(String::as_str).collect::<Vec<_>>());
        for (n, &other) in (0_u16..).zip(&ids) {
            let increment = Increment { weight: f64::from(n) + 1.0, support: u32::from(n), day: n };
            store.add(Relation::AlsoBought, ids[0], other, increment, 0.0, &items);
        }
        let block = store.row(Relation::AlsoBought, ids[0]).unwrap();
        for (index, &key) in block.keys.iter().enumerate() {
            let n = u16::try_from(key).unwrap();
            let figures = (f32::from_bits(block.weights[index]), block.support[index], block.day(index));
            assert_eq!(figures, (f32::from(n) + 1.0, u32::from(n), n));
        }
        let held = store.held()[Relation::AlsoBought.index()];
        assert_eq!((held.rows, held.pairs), (1, 700));
    }

    #[test]
    fn moving_the_landmark_changes_no_bit_of_a_mantissa() {
        let (mut store, items, ids) = store(9, &["a", "b", "c"]);
        for (other, weight) in [(1, 0.1_f64.exp2()), (2, 1e-31)] {
            let increment = Increment { weight, support: 1, day: 1 };
            store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.0, &items);
        }
        let weights = |store: &RowStore| store.row(Relation::BoughtTogether, ids[0]).unwrap().weights.to_vec();
        let before = weights(&store);
        store.rescale(Relation::BoughtTogether, 25);
        store.rescale(Relation::BoughtTogether, 1);
        let after = weights(&store);
        assert_eq!(after[0], before[0] - (26 << 23), "only the exponent");
        assert_eq!(after[1], f32::MIN_POSITIVE.to_bits(), "present, though it underflowed");
    }
}
