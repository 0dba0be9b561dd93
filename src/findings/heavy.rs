//! Who makes a large share of a stream.

/// How many are followed at a time: whoever makes more than one in so many of all is among them.
const FOLLOWED: usize = 16;

/// The counts of those who may make more than a `FOLLOWED`th of the whole (Misra and Gries, 1982).
#[derive(Default)]
pub(super) struct Heavy {
    /// Who, and at least how often; the place where they were met first since they are followed.
    followed: Vec<(u64, u64, u64)>,
}

impl Heavy {
    /// Counts one of `who`, met at `place`.
    #[inline]
    pub(super) fn add(&mut self, who: u64, place: u64) {
        if let Some((_, count, _)) = self.followed.iter_mut().find(|(followed, ..)| *followed == who) {
            *count += 1;
        } else if self.followed.len() < FOLLOWED {
            self.followed.push((who, 1, place));
        } else {
            self.followed.iter_mut().for_each(|(_, count, _)| *count -= 1);
            self.followed.retain(|&(_, count, _)| count > 0);
        }
    }

    /// The one with the largest count: who, at least how often, and where met first.
    pub(super) fn largest(&self) -> Option<(u64, u64, u64)> {
        self.followed.iter().max_by_key(|&&(_, count, _)| count).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_a_third_is_found_among_any_number_of_others() {
        let mut heavy = Heavy::default();
        for n in 0..30_000_u64 {
            heavy.add(if n % 3 == 1 { 7 } else { 1000 + n }, n);
        }
        let (who, count, place) = heavy.largest().unwrap();
        // At most a FOLLOWED + 1st of all is missing.
        assert!((10_000 - 30_000 / 17..=10_000).contains(&count), "{count}");
        assert_eq!((who, place), (7, 1));
        assert!(Heavy::default().largest().is_none());
    }

    #[test]
    fn among_many_equals_nobody_counts_for_much() {
        let mut heavy = Heavy::default();
        (0..30_000_u64).for_each(|n| heavy.add(n % 1000, n));
        assert!(heavy.largest().is_none_or(|(_, count, _)| count <= 30));
    }
}
