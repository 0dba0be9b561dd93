//! Which records of a file say a time that cannot be right, by those around them: a file's records have no timestamp of a
//! transport to hold their times against, and one that says a time years ahead would decay all that stands in the file.
//!
//! A record jumps when it lies more than `max_jump` ahead of the highest time before it and of the median of those around it, and
//! those around it agree among themselves: their distances from the median, by their median, are a small part of its own
//! (the identifier of Hampel, "The influence curve and its role in robust estimation", 1974). So a shop with an order a month has no jumps.
//! What follows decides: where it goes back, the record is alone. Where it stays up there for as long as is looked
//! ahead, the file has moved on. Where the file ends before that shows, only what is years ahead is taken for a jump.
//! Absent: reading, and what becomes of a jump.

use std::collections::VecDeque;

/// How many times before a record are looked at.
pub(super) const BEFORE: usize = 15;
/// How many behind it. As many records that stay where the first of them jumps to have a median there.
pub(super) const AFTER: usize = BEFORE + 1;
/// Fewer times around it say nothing.
const AROUND_MIN: usize = 3;
/// A jump is longer than so many times the median distance of those around from their median.
const SPREADS: i64 = 6;
/// Where a file ends before it shows whether it goes back, a jump is longer than so many times `max_jump`: about a year.
const UNSEEN: i64 = 12;
/// There, at most one in so many of those around stands where it jumps to.
const STAYING_ONE_IN: usize = 4;
/// Most records held, such as have no time.
const HELD_MAX: usize = 4 * AFTER;

/// The times that a record says: several where a program makes several events of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// The earliest, in ms since 1970.
    pub(super) first_ms: i64,
    /// The latest.
    pub(super) last_ms: i64,
}

/// Records, each held until those behind it are known.
pub(super) struct Jumps<T> {
    max_jump_ms: i64,
    /// Times that did not jump, the last ones.
    before: VecDeque<i64>,
    highest: Option<i64>,
    held: VecDeque<(T, Option<Times>)>,
    /// Of those held, how many have a time.
    timed: usize,
}

impl<T> Jumps<T> {
    pub(super) fn new(max_jump_ms: i64) -> Self {
        Self { max_jump_ms, before: VecDeque::with_capacity(BEFORE), highest: None, held: VecDeque::new(), timed: 0 }
    }

    /// The next record, and its times if it has any.
    pub(super) fn push(&mut self, record: T, times: Option<Times>) {
        self.timed += usize::from(times.is_some());
        self.held.push_back((record, times));
    }

    /// Whether the first record held can be judged, with as much behind it as there will be.
    pub(super) fn is_ready(&self) -> bool {
        self.timed > AFTER || self.held.len() >= HELD_MAX || self.held.front().is_some_and(|(_, times)| times.is_none())
    }

    /// The first record held, with the median of the times around it if it jumps.
    pub(super) fn pop(&mut self) -> Option<(T, Option<i64>)> {
        let (record, times) = self.held.pop_front()?;
        let Some(Times { first_ms, last_ms }) = times else { return Some((record, None)) };
        self.timed -= 1;
        let median_ms = self.jumps_from(last_ms);
        let kept_ms = match median_ms {
            // Of several events those that do not jump count.
            Some(median_ms) => Some(first_ms).filter(|first_ms| !self.is_ahead(*first_ms, median_ms)),
            None => Some(last_ms),
        };
        if let Some(kept_ms) = kept_ms {
            self.highest = self.highest.max(Some(kept_ms));
            if self.before.len() == BEFORE {
                self.before.pop_front();
            }
            self.before.push_back(kept_ms);
        }
        Some((record, median_ms))
    }

    fn is_ahead(&self, time_ms: i64, of_ms: i64) -> bool {
        time_ms.saturating_sub(of_ms) > self.max_jump_ms
    }

    /// The median of what surrounds the record that was held first, if it jumps to `time_ms`.
    fn jumps_from(&self, time_ms: i64) -> Option<i64> {
        if self.highest.is_some_and(|highest_ms| !self.is_ahead(time_ms, highest_ms)) {
            return None;
        }
        let after = || self.held.iter().filter_map(|(_, times)| Some(times.as_ref()?.first_ms)).take(AFTER);
        let mut around: Vec<i64> = self.before.iter().copied().chain(after()).collect();
        if around.len() < AROUND_MIN {
            return None;
        }
        let median_ms = median(&mut around);
        let mut distances: Vec<i64> = around.iter().map(|ms| ms.saturating_sub(median_ms).saturating_abs()).collect();
        let ahead_ms = time_ms.saturating_sub(median_ms);
        if !self.is_ahead(time_ms, median_ms) || ahead_ms / SPREADS <= median(&mut distances) {
            return None;
        }
        let followers = after().count();
        let staying = after().filter(|ms| !self.is_ahead(time_ms, *ms)).count();
        let goes_back = followers - staying > staying;
        let is_far = ahead_ms / UNSEEN > self.max_jump_ms && staying * STAYING_ONE_IN <= around.len();
        (goes_back || is_far).then_some(median_ms)
    }
}

/// Of an even number the upper one. There is one.
fn median(times: &mut [i64]) -> i64 {
    let middle = times.len() / 2;
    *times.select_nth_unstable(middle).1
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;
    const START_MS: i64 = 1_546_300_800_000; // 2019-01-01
    const FAR_MS: i64 = 1_924_992_000_000; // 2031-01-01

    /// The places of the jumps among these.
    fn jumps(times: &[Option<i64>]) -> Vec<usize> {
        let mut jumps = Jumps::new(30 * DAY_MS);
        let (mut found, mut given) = (Vec::new(), 0);
        let mut next = times.iter().enumerate();
        loop {
            if !jumps.is_ready()
                && let Some((place, time)) = next.next()
            {
                jumps.push(place, time.map(|ms| Times { first_ms: ms, last_ms: ms }));
                continue;
            }
            let Some((place, median_ms)) = jumps.pop() else { break };
            assert_eq!(place, given, "the order stays");
            given += 1;
            found.extend(median_ms.map(|_| place));
        }
        assert_eq!(given, times.len());
        found
    }

    /// `count` times, one every `step_ms`, and then these put in at their places, the last first.
    fn with(count: i64, step_ms: i64, put: &[(usize, i64)]) -> Vec<Option<i64>> {
        let mut times: Vec<_> = (0..count).map(|n| Some(START_MS + n * step_ms)).collect();
        put.iter().for_each(|&(place, ms)| times.insert(place, Some(ms)));
        times
    }

    #[test]
    fn a_time_years_ahead_is_found_wherever_it_stands() {
        for count in [3, 4, 30, 100] {
            for place in 0..=usize::try_from(count).unwrap() {
                assert_eq!(jumps(&with(count, 60_000, &[(place, FAR_MS)])), [place], "{place} of {count}");
                let two = with(count, 60_000, &[(place, FAR_MS), (place, FAR_MS + DAY_MS)]);
                if count >= 30 {
                    assert_eq!(jumps(&two), [place, place + 1], "two at {place} of {count}");
                }
            }
        }
        assert_eq!(jumps(&with(60, 60_000, &[(40, FAR_MS), (20, FAR_MS)])), [20, 41]);
        let mut sparse = with(60, 31 * DAY_MS, &[(40, FAR_MS)]);
        assert_eq!(jumps(&sparse), [40], "an order a month");
        sparse.insert(3, None);
        assert_eq!(jumps(&sparse), [41]);
    }

    #[test]
    fn a_time_some_weeks_ahead_is_one_where_the_file_goes_back() {
        let weeks_ms = START_MS + 45 * DAY_MS;
        assert_eq!(jumps(&with(100, 60_000, &[(50, weeks_ms)])), [50]);
        assert_eq!(jumps(&with(100, 60_000, &[(98, weeks_ms)])), [98], "one after it goes back");
        assert_eq!(jumps(&with(100, 60_000, &[(100, weeks_ms)])), [0; 0], "the last may be right");
        assert_eq!(jumps(&with(100, 60_000, &[(50, START_MS + 29 * DAY_MS)])), [0; 0]);
    }

    #[test]
    fn a_file_that_moves_on_or_is_sparse_has_none() {
        for step_days in [1, 31, 45, 200, 400] {
            for count in [1, 2, 3, 5, 20, 100] {
                assert_eq!(jumps(&with(count, step_days * DAY_MS, &[])), [0; 0], "{count} every {step_days} days");
            }
        }
        for (gap_days, before, after) in
            [(40, 50, 1), (300, 50, 15), (40, 2, 50), (1000, 50, 16), (1000, 50, 40), (1000, 5, 9)]
        {
            let mut times = with(before, 60_000, &[]);
            let end = START_MS + gap_days * DAY_MS;
            times.extend((0..after).map(|n| Some(end + n * 60_000)));
            assert_eq!(jumps(&times), [0; 0], "{before}, {gap_days} days, {after}");
        }
        assert_eq!(jumps(&[None; 200]), [0; 0]);
        assert_eq!(jumps(&[Some(START_MS), Some(FAR_MS)]), [0; 0], "of two who knows");
    }

    #[test]
    fn times_without_any_order_have_none_as_far_as_they_reach() {
        let mut seed = 5_u64;
        let times: Vec<_> = (0..3000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Some(START_MS + i64::try_from(seed >> 40).unwrap() * 730 * DAY_MS / (1 << 24))
            })
            .collect();
        assert_eq!(jumps(&times), [0; 0]);
    }

    #[test]
    fn of_a_record_with_several_times_the_latest_is_looked_at() {
        let mut jumps = Jumps::new(30 * DAY_MS);
        for n in 0..5 {
            let first_ms = START_MS + n * 60_000;
            jumps.push(n, Some(Times { first_ms, last_ms: if n == 2 { FAR_MS } else { first_ms } }));
        }
        let found: Vec<_> = std::iter::from_fn(|| jumps.pop()).collect();
        assert_eq!(found[2], (2, Some(START_MS + 3 * 60_000)));
        assert_eq!(found.iter().filter(|(_, median)| median.is_some()).count(), 1);
    }
}
