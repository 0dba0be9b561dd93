//! A sample chosen by hash.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What belongs to the `max` smallest of all hashes met: a uniform sample of what is hashed, whatever the order and number of
/// meetings, and of two streams the same one as far as they share (bottom-k sketch; Cohen and Kaplan, 2007).
pub(super) struct Sample<T> {
    entries: BTreeMap<u64, T>,
    max: usize,
    /// Hashes from here on are no part of it any more.
    end: u64,
}

impl<T: Default> Sample<T> {
    pub(super) fn new(max: usize) -> Self {
        Self { entries: BTreeMap::new(), max, end: u64::MAX }
    }

    /// What belongs to `hash`, while that is in the sample.
    #[inline]
    pub(super) fn entry(&mut self, hash: u64) -> Option<&mut T> {
        if hash >= self.end {
            return None;
        }
        if let Entry::Vacant(place) = self.entries.entry(hash) {
            place.insert(T::default());
            if self.entries.len() > self.max {
                self.entries.pop_last();
                self.end = self.entries.last_key_value().map_or(self.end, |(&last, _)| last.saturating_add(1));
            }
        }
        self.entries.get_mut(&hash)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.entries.iter().map(|(&hash, entry)| (hash, entry))
    }

    /// About how many there were that `counts`, whether or not they are in the sample.
    pub(super) fn estimate(&self, counts: impl Fn(&T) -> bool) -> f64 {
        let counted = self.entries.values().filter(|entry| counts(entry)).count() as f64;
        if self.end == u64::MAX { counted } else { counted / (self.end as f64 / u64::MAX as f64) }
    }

    /// Where what this sample tells ends: hashes below are in it if they were met at all.
    pub(super) fn end(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_smallest_hashes_whatever_their_order() {
        let hashes: Vec<u64> = (0..1000_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        let mut forwards: Sample<u32> = Sample::new(10);
        let mut backwards: Sample<u32> = Sample::new(10);
        for &hash in &hashes {
            *forwards.entry(hash).unwrap_or(&mut 0) += 1;
        }
        for &hash in hashes.iter().rev().chain(&hashes) {
            *backwards.entry(hash).unwrap_or(&mut 0) += 1;
        }
        let mut expected = hashes;
        expected.sort_unstable();
        let held = |sample: &Sample<u32>| sample.iter().map(|(hash, _)| hash).collect::<Vec<_>>();
        assert_eq!((held(&forwards), held(&backwards)), (expected[..10].to_vec(), expected[..10].to_vec()));
        assert_eq!((forwards.end(), backwards.end()), (expected[9] + 1, expected[9] + 1));
        assert!((500.0..2000.0).contains(&forwards.estimate(|_| true)), "{}", forwards.estimate(|_| true));
        assert!(forwards.iter().all(|(_, &times)| times == 1));
    }
}
