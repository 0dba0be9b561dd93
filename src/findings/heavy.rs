//! Who makes a large share of a stream.

use super::At;

/// How many are followed at a time: whoever makes more than one in so many of all is among them.
const FOLLOWED: usize = 16;

/// The counts of those who may make more than a `FOLLOWED`th of the whole (Misra and Gries, 1982).
#[derive(Default)]
pub(super) struct Heavy {
    /// Who, and at least how often; the place where they were met first since they are followed.
    followed: Vec<(u64, u64, At)>,
}

impl Heavy {
    /// Counts one of `who`, met at `place`.
    #[inline]
    pub(super) fn add(&mut self, who: u64, place: At) {
        if let Some((_, count, _)) = self.followed.iter_mut().find(|(followed, ..)| *followed == who) {
            *count += 1;
        } else if self.followed.len() < FOLLOWED {
            self.followed.push((who, 1, place));
        } else {
            self.followed.iter_mut().for_each(|(_, count, _)| *count -= 1);
            self.followed.retain(|&(_, count, _)| count > 0);
        }
    }

    /// How often at least `who` was counted, of those followed.
    pub(super) fn count_of(&self, who: u64) -> u64 {
        self.followed.iter().find(|(followed, ..)| *followed == who).map_or(0, |(_, count, _)| *count)
    }

    /// The one with the largest count: who, at least how often, and where met first.
    pub(super) fn largest(&self) -> Option<(u64, u64, At)> {
        self.followed.iter().max_by_key(|&&(_, count, _)| count).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{NextOffset, Partition};

    fn at(record: u64) -> At {
        At { partition: Partition(0), record: NextOffset(record) }
    }

    #[test]
    fn who_makes_a_third_is_found_among_any_number_of_others() {
        let mut heavy = Heavy::default();
        for n in 0..30_000_u64 {
            heavy.add(if n % 3 == 1 { 7 } else { 1000 + n }, at(n));
        }
        let (who, count, place) = heavy.largest().unwrap();
        // At most a FOLLOWED + 1st of all is missing.
        assert!((10_000 - 30_000 / 17..=10_000).contains(&count), "{count}");
        assert_eq!((who, place), (7, at(1)));
        assert!(Heavy::default().largest().is_none());
    }

    #[test]
    fn among_many_equals_nobody_counts_for_much() {
        let mut heavy = Heavy::default();
        (0..30_000_u64).for_each(|n| heavy.add(n % 1000, at(n)));
        assert!(heavy.largest().is_none_or(|(_, count, _)| count <= 30));
    }
}
