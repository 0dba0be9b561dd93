//! Memory of rows: blocks of a few fixed sizes, cut from pages, with a free list for each size.
//!
//! A block holds the pairs of one row as a structure of arrays in one piece: keys, weights (the bits of an `f32`), supports, and
//! tails (a day, and the next 16 bits of the weight). A row of four pairs is 64 bytes: one cache line or two. Pages are never moved, so growth
//! copies one row at a time and never the whole state.
//! Absent: returning pages to the system; a freed block serves the next row of its size.

/// Pairs that a block can hold, by class; beyond the last the sizes double.
const CAPACITIES: [usize; 11] = [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256];
/// Most pairs of one row, where the bound of the counting rules is lifted.
pub(super) const ROW_PAIRS_MAX: usize = 1 << 26;
/// Words of a page, at least one block.
const PAGE_WORDS: usize = 1 << 14;

/// Where a block is: its class and its number within that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) class: u8,
    slot: u32,
}

struct Class {
    capacity: usize,
    /// log2 of the blocks of a page.
    page_shift: u32,
    pages: Vec<Box<[u32]>>,
    free: Vec<u32>,
    /// Blocks ever cut: the number of the next new one.
    cut: u32,
}

impl Class {
    fn new(capacity: usize) -> Self {
        let page_shift = (PAGE_WORDS / words(capacity)).max(1).ilog2();
        Self { capacity, page_shift, pages: Vec::new(), free: Vec::new(), cut: 0 }
    }

    fn locate(&self, slot: u32) -> (usize, usize) {
        let within = slot & ((1 << self.page_shift) - 1);
        ((slot >> self.page_shift) as usize, within as usize * words(self.capacity))
    }

    fn block(&self, slot: u32, length: usize) -> Block<'_> {
        let (page, from) = self.locate(slot);
        let (keys, rest) = self.pages[page][from..from + words(self.capacity)].split_at(self.capacity);
        let (weights, rest) = rest.split_at(self.capacity);
        let (support, tails) = rest.split_at(self.capacity);
        Block { keys: &keys[..length], weights: &weights[..length], support: &support[..length], tails }
    }

    fn block_mut(&mut self, slot: u32) -> BlockMut<'_> {
        let (page, from) = self.locate(slot);
        let (keys, rest) = self.pages[page][from..from + words(self.capacity)].split_at_mut(self.capacity);
        let (weights, rest) = rest.split_at_mut(self.capacity);
        let (support, tails) = rest.split_at_mut(self.capacity);
        BlockMut { keys, weights, support, tails }
    }
}

/// Words of a block: four a pair.
fn words(capacity: usize) -> usize {
    capacity * 4
}

/// All blocks of one partition.
pub(super) struct Slabs {
    classes: Vec<Class>,
    page_words: usize,
}

impl Slabs {
    pub(super) fn new() -> Self {
        let doubled = std::iter::successors(Some(512), |capacity| Some(capacity * 2));
        let capacities = CAPACITIES.into_iter().chain(doubled.take_while(|&capacity| capacity <= ROW_PAIRS_MAX));
        Self { classes: capacities.map(Class::new).collect(), page_words: 0 }
    }

    /// Pairs that blocks of `class` can hold.
    pub(super) fn capacity(&self, class: u8) -> usize {
        self.classes[usize::from(class)].capacity
    }

    /// A block of `class`, with whatever it held before.
    pub(super) fn take(&mut self, class: u8) -> Place {
        let slabs = &mut self.classes[usize::from(class)];
        if let Some(slot) = slabs.free.pop() {
            return Place { class, slot };
        }
        let slot = slabs.cut;
        let (page, _) = slabs.locate(slot);
        if page == slabs.pages.len() {
            let page_words = words(slabs.capacity) << slabs.page_shift;
            slabs.pages.push(vec![0; page_words].into_boxed_slice());
            self.page_words += page_words;
        }
        assert!(slot < u32::MAX, "more than 2^32 rows of one size");
        slabs.cut += 1;
        Place { class, slot }
    }

    /// The class of blocks that hold `pairs`, and no more than they must.
    pub(super) fn class_of(&self, pairs: usize) -> Option<u8> {
        let class = self.classes.iter().position(|class| class.capacity >= pairs)?;
        u8::try_from(class).ok()
    }

    /// Gives a block back.
    pub(super) fn give_back(&mut self, place: Place) {
        self.classes[usize::from(place.class)].free.push(place.slot);
    }

    /// Moves the `length` pairs of a full block into one of the next size.
    pub(super) fn widen(&mut self, place: Place, length: usize) -> Place {
        let wider = self.take(place.class + 1);
        let (narrower, from_wider) = self.classes.split_at_mut(usize::from(wider.class));
        let old = narrower[usize::from(place.class)].block(place.slot, length);
        let new = from_wider[0].block_mut(wider.slot);
        new.keys[..length].copy_from_slice(old.keys);
        new.weights[..length].copy_from_slice(old.weights);
        new.support[..length].copy_from_slice(old.support);
        new.tails[..old.tails.len()].copy_from_slice(old.tails);
        self.give_back(place);
        wider
    }

    /// The first `length` pairs of a block.
    pub(super) fn block(&self, place: Place, length: usize) -> Block<'_> {
        self.classes[usize::from(place.class)].block(place.slot, length)
    }

    /// A whole block, to change.
    pub(super) fn block_mut(&mut self, place: Place) -> BlockMut<'_> {
        self.classes[usize::from(place.class)].block_mut(place.slot)
    }

    /// Bytes of all pages and free lists.
    pub(super) fn bytes(&self) -> usize {
        let free: usize = self.classes.iter().map(|class| class.free.capacity()).sum();
        (self.page_words + free) * 4
    }
}

/// Pairs of a row, to read.
#[derive(Clone, Copy, Default)]
pub(super) struct Block<'a> {
    pub(super) keys: &'a [u32],
    /// Bits of positive `f32`s, which order as the numbers do.
    pub(super) weights: &'a [u32],
    pub(super) support: &'a [u32],
    tails: &'a [u32],
}

impl Block<'_> {
    pub(super) fn day(&self, index: usize) -> u16 {
        low(self.tails[index])
    }

    /// Days, and what of weights does not fit an `f32`, as words.
    pub(super) fn tails(&self) -> &[u32] {
        &self.tails[..self.keys.len()]
    }
}

/// Pairs of a row, to change.
pub(super) struct BlockMut<'a> {
    pub(super) keys: &'a mut [u32],
    pub(super) weights: &'a mut [u32],
    pub(super) support: &'a mut [u32],
    pub(super) tails: &'a mut [u32],
}

impl BlockMut<'_> {
    pub(super) fn day(&self, index: usize) -> u16 {
        low(self.tails[index])
    }

    pub(super) fn set_day(&mut self, index: usize, day: u16) {
        self.tails[index] = self.tails[index] & 0xFFFF_0000 | u32::from(day);
    }

    /// The 16 bits of a weight behind those of its `f32`.
    pub(super) fn fine(&self, index: usize) -> u16 {
        low(self.tails[index] >> 16)
    }

    pub(super) fn set_fine(&mut self, index: usize, fine: u16) {
        self.tails[index] = self.tails[index] & 0xFFFF | u32::from(fine) << 16;
    }

    /// Overwrites pair `to` with pair `from`.
    pub(super) fn copy_within(&mut self, from: usize, to: usize) {
        self.keys[to] = self.keys[from];
        self.weights[to] = self.weights[from];
        self.support[to] = self.support[from];
        self.tails[to] = self.tails[from];
    }
}

fn low(word: u32) -> u16 {
    u16::try_from(word & 0xFFFF).unwrap_or(0) // masked: it fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_all_sizes_do_not_overlap() {
        let mut slabs = Slabs::new();
        let mut places = Vec::new();
        for class in 0..13_u8 {
            for _ in 0..70 {
                places.push(slabs.take(class));
            }
        }
        for (mark, place) in (0_u32..).zip(&places) {
            let mut block = slabs.block_mut(*place);
            block.keys.fill(mark);
            block.weights.fill(mark);
            block.support.fill(mark);
            for index in 0..block.keys.len() {
                block.set_day(index, u16::try_from(mark).unwrap());
                block.set_fine(index, u16::try_from(mark + 7).unwrap());
                assert_eq!(block.fine(index), u16::try_from(mark + 7).unwrap());
            }
        }
        for (mark, place) in (0_u32..).zip(&places) {
            let block = slabs.block(*place, slabs.capacity(place.class));
            let all = block.keys.iter().chain(block.weights).chain(block.support);
            assert!(all.into_iter().all(|&word| word == mark));
            assert!((0..block.keys.len()).all(|index| u32::from(block.day(index)) == mark));
        }
    }

    #[test]
    fn a_freed_block_is_used_again() {
        let mut slabs = Slabs::new();
        let place = slabs.take(3);
        let bytes = slabs.bytes();
        slabs.give_back(place);
        assert_eq!(slabs.take(3), place);
        assert!(slabs.bytes() < bytes + 64);
    }
}
