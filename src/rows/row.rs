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
mod tests;
