//! Which lists are to be ranked, and when.
//!
//! A changed list is due at once, but not within `min_interval` of when it was last ranked; changes in between coalesce. Besides, every
//! known list is due once per `sweep`: decay and moved totals shift scores without touching a row.
//! Invariants: changed lists come in the order of when they became due, and before those that the sweep brings up; a list waits once, however
//! often it changed; a change is never forgotten; no call does more than a bounded number of steps ([`STEPS_MAX`]), however many lists
//! are known. Clocks are given, and one that goes back counts as standing still.
//!
//! Both queues are first in, first out, because every ranked list rests for the same time: no heap is needed, and a list
//! that rests for long costs four bytes. The sweep is a cursor over all lists and a number of lists that it owes.

use super::lists::ListNumber;
use crate::memory::of_vec;
use crate::rules::PublishRules;
use std::collections::VecDeque;

/// How many lists one call of [`Due::pop`] looks at.
pub const STEPS_MAX: usize = 1_024;

/// A list whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueList {
    /// Which one.
    pub list: ListNumber,
    /// Since when the oldest change waits, in ms; `None` where the sweep brought the list up.
    pub since_ms: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In `cooling`, nothing to do yet.
    Cooling,
    /// In `ready`, or in `cooling` and due when that ends.
    Due,
}

#[derive(Clone, Copy)]
struct Pending {
    list: ListNumber,
    since_ms: Option<i64>,
    state: State,
}

const RESTING: u32 = 0;
/// From here on a place is a number in `pending`.
const PENDING: u32 = 1;

/// The queue of one partition.
pub struct Due {
    min_interval_ms: i64,
    sweep_ms: i64,
    clock_ms: i64,
    /// By list: resting, or where in `pending`. Every list that is in it is known to the sweep.
    places: Vec<u32>,
    pending: Vec<Pending>,
    free: Vec<u32>,
    ready: VecDeque<u32>,
    /// Ranked lists, each with the time until which it must not be ranked again.
    cooling: VecDeque<(i64, u32)>,
    sweep: Sweep,
}

/// How far the sweep has come, over all lists again and again.
#[derive(Default)]
struct Sweep {
    at_ms: Option<i64>,
    cursor: usize,
    /// How many lists from the cursor on are due; at most all.
    owed: usize,
    /// Lists × ms that are owed beyond whole lists.
    carry: i64,
}

impl Due {
    /// An empty queue.
    #[must_use]
    pub fn new(rules: &PublishRules) -> Self {
        Self {
            min_interval_ms: rules.min_interval_ms.max(0),
            sweep_ms: rules.sweep_ms.max(1),
            clock_ms: i64::MIN,
            places: Vec::new(),
            pending: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            cooling: VecDeque::new(),
            sweep: Sweep::default(),
        }
    }

    /// Makes a list known to the sweep, without a change.
    pub fn know(&mut self, list: ListNumber) {
        if self.places.len() <= list.index() {
            self.places.resize(list.index() + 1, RESTING);
        }
    }

    /// The list's row changed, by something that arrived at `arrival_ms`.
    pub fn mark(&mut self, list: ListNumber, arrival_ms: i64, clock_ms: i64) {
        self.advance(clock_ms);
        self.know(list);
        self.bring_up(list, Some(arrival_ms));
    }

    /// The list is to be ranked, though nothing in its row changed.
    pub fn mark_again(&mut self, list: ListNumber, clock_ms: i64) {
        self.advance(clock_ms);
        self.know(list);
        self.bring_up(list, None);
    }

    /// Brings up every known list, the ones that were ranked just now when their interval has passed.
    pub fn sweep_all(&mut self) {
        self.sweep.owed = self.places.len();
    }

    /// The next list that may be ranked at `clock_ms`. It counts as ranked then. `None` where there is none, or it was not
    /// found within as many steps as one call takes: see [`Due::is_busy`].
    pub fn pop(&mut self, clock_ms: i64) -> Option<DueList> {
        self.advance(clock_ms);
        self.owe();
        if let Some(number) = self.ready.pop_front() {
            let pending = &mut self.pending[number as usize];
            let due = DueList { list: pending.list, since_ms: pending.since_ms.take() };
            self.cool(number);
            return Some(due);
        }
        for _ in 0..STEPS_MAX {
            let Some(list) = self.next_swept() else { break };
            match self.places[list.index()] {
                RESTING => {
                    let number = self.take_pending(Pending { list, since_ms: None, state: State::Cooling });
                    self.places[list.index()] = number + PENDING;
                    self.cool(number);
                    return Some(DueList { list, since_ms: None });
                }
                place => self.pending[(place - PENDING) as usize].state = State::Due, // it cools: nothing is ready
            }
        }
        None
    }

    /// Whether a list may be ranked at once, or looking for one goes on.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let has_cooled = self.cooling.front().is_some_and(|(until_ms, _)| *until_ms <= self.clock_ms);
        !self.ready.is_empty() || self.sweep.owed > 0 || has_cooled
    }

    /// How many lists are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.places.len()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let queues = self.ready.capacity() * size_of::<u32>() + self.cooling.capacity() * size_of::<(i64, u32)>();
        of_vec(&self.places) + of_vec(&self.pending) + of_vec(&self.free) + queues
    }

    /// Moves the clock; what has cooled is ready when it changed meanwhile, else it rests.
    fn advance(&mut self, clock_ms: i64) {
        self.clock_ms = self.clock_ms.max(clock_ms);
        for _ in 0..STEPS_MAX {
            let Some(&(_, number)) = self.cooling.front().filter(|(until_ms, _)| *until_ms <= self.clock_ms) else {
                return;
            };
            self.cooling.pop_front();
            let pending = &mut self.pending[number as usize];
            if pending.state == State::Due {
                self.ready.push_back(number);
            } else {
                self.rest(number);
            }
        }
    }

    /// Owes as many lists as the time since the last call is worth.
    fn owe(&mut self) {
        let last_ms = self.sweep.at_ms.replace(self.clock_ms).unwrap_or(self.clock_ms);
        let elapsed_ms = self.clock_ms.saturating_sub(last_ms).min(self.sweep_ms);
        let known = i64::try_from(self.places.len()).unwrap_or(i64::MAX);
        let owed = known.saturating_mul(elapsed_ms).saturating_add(self.sweep.carry);
        self.sweep.carry = owed % self.sweep_ms;
        let more = usize::try_from(owed / self.sweep_ms).unwrap_or(usize::MAX);
        self.sweep.owed = self.sweep.owed.saturating_add(more).min(self.places.len());
    }

    /// The next list of the sweep, if one is owed.
    fn next_swept(&mut self) -> Option<ListNumber> {
        self.sweep.owed = self.sweep.owed.checked_sub(1)?;
        if self.sweep.cursor >= self.places.len() {
            self.sweep.cursor = 0;
        }
        let list = u32::try_from(self.sweep.cursor).ok().map(ListNumber);
        self.sweep.cursor += 1;
        list
    }

    fn bring_up(&mut self, list: ListNumber, since_ms: Option<i64>) {
        let number = match self.places[list.index()] {
            RESTING => {
                let number = self.take_pending(Pending { list, since_ms: None, state: State::Due });
                self.places[list.index()] = number + PENDING;
                self.ready.push_back(number);
                number
            }
            place => place - PENDING,
        };
        let pending = &mut self.pending[number as usize];
        pending.state = State::Due;
        pending.since_ms = match (pending.since_ms, since_ms) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }

    /// It is being ranked: not again within the interval.
    fn cool(&mut self, number: u32) {
        self.pending[number as usize].state = State::Cooling;
        if self.min_interval_ms > 0 {
            self.cooling.push_back((self.clock_ms.saturating_add(self.min_interval_ms), number));
        } else {
            self.rest(number);
        }
    }

    fn take_pending(&mut self, pending: Pending) -> u32 {
        if let Some(number) = self.free.pop() {
            self.pending[number as usize] = pending;
            return number;
        }
        let number = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        assert!(number < u32::MAX - PENDING, "more than 2^32 lists wait");
        self.pending.push(pending);
        number
    }

    fn rest(&mut self, number: u32) {
        self.places[self.pending[number as usize].list.index()] = RESTING;
        self.free.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NO_SWEEP: i64 = i64::MAX;

    fn due(min_interval_ms: i64, sweep_ms: i64) -> Due {
        Due::new(&PublishRules { min_interval_ms, sweep_ms, ..PublishRules::default() })
    }

    fn list(item: u32, since_ms: Option<i64>) -> Option<DueList> {
        Some(DueList { list: ListNumber(item), since_ms })
    }

    #[test]
    fn changes_coalesce_and_wait_for_the_interval() {
        let mut queue = due(1000, NO_SWEEP);
        let mark = |queue: &mut Due, item, arrival, clock| queue.mark(ListNumber(item), arrival, clock);
        mark(&mut queue, 1, 5, 10);
        mark(&mut queue, 2, 4, 11);
        mark(&mut queue, 1, 3, 12);
        assert_eq!(queue.pop(12), list(1, Some(3)), "at once, since the oldest of two changes");
        assert_eq!(queue.pop(12), list(2, Some(4)));
        assert_eq!(queue.pop(12), None);
        mark(&mut queue, 2, 20, 20);
        mark(&mut queue, 1, 21, 21);
        mark(&mut queue, 1, 22, 22);
        mark(&mut queue, 3, 23, 23);
        assert_eq!(queue.pop(23), list(3, Some(23)));
        assert_eq!(queue.pop(1011), None, "ranked at 12: not within 1000 ms");
        assert_eq!(queue.pop(1012), list(1, Some(21)), "ranked first, due first");
        assert_eq!(queue.pop(1000), list(2, Some(20)), "a clock that goes back stands still");
        assert_eq!(queue.pop(9999), None);
        mark(&mut queue, 1, 9999, 9999);
        assert_eq!(queue.pop(9999), list(1, Some(9999)), "long rested: at once");
        assert_eq!(queue.known(), 4, "numbers are dense: 0 is a list too");
    }

    #[test]
    fn the_sweep_brings_up_every_row_once_per_round_evenly() {
        let mut queue = due(0, 1000);
        (0..100).for_each(|item| queue.know(ListNumber(item)));
        assert_eq!(queue.pop(0), None);
        for round in 0..3 {
            let mut seen = Vec::new();
            for clock in 1..=200 {
                let before = seen.len();
                while let Some(row) = queue.pop(round * 1000 + clock * 5) {
                    assert_eq!(row.since_ms, None);
                    seen.push(row.list.0);
                }
                assert!(seen.len() - before <= 1, "one row in ten ms");
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<_>>(), "round {round}");
        }
        assert_eq!(std::iter::from_fn(|| queue.pop(1_000_000)).count(), 100, "a leap of time is worth one round");
    }

    #[test]
    fn a_list_that_changes_before_the_sweep_comes_to_it_does_not_wait_and_is_swept_after_its_interval() {
        let mut queue = due(1000, NO_SWEEP);
        queue.know(ListNumber(0));
        queue.mark(ListNumber(1), 0, 0);
        assert_eq!(queue.pop(0), list(1, Some(0)));
        queue.sweep_all();
        queue.mark(ListNumber(0), 2, 2);
        assert_eq!(queue.pop(2), list(0, Some(2)));
        assert_eq!(queue.pop(999), None);
        assert_eq!(queue.pop(1000), list(1, None), "the sweep, after the interval");
        assert_eq!(queue.pop(1001), None);
        assert_eq!(queue.pop(1002), list(0, None));
        assert_eq!(queue.pop(99_999), None);
    }

    #[test]
    fn what_the_sweep_brought_up_rests_for_the_interval_like_any_other() {
        let mut queue = due(1000, NO_SWEEP);
        queue.know(ListNumber(0));
        queue.sweep_all();
        assert_eq!(queue.pop(0), list(0, None));
        queue.mark(ListNumber(0), 5, 5);
        assert_eq!(queue.pop(999), None);
        assert_eq!(queue.pop(1000), list(0, Some(5)));
    }

    #[test]
    fn a_list_that_was_not_known_may_be_marked_again_and_is_swept_from_then_on() {
        let mut queue = due(0, NO_SWEEP);
        queue.mark_again(ListNumber(2), 0);
        assert_eq!(
            (queue.known(), queue.pop(0), queue.is_busy()),
            (3, list(2, None), false),
            "without an interval none rests"
        );
    }

    #[test]
    fn a_sweep_takes_its_time_however_often_it_is_looked_at() {
        let mut queue = due(0, 1000);
        (0..10).for_each(|item| queue.know(ListNumber(item)));
        let swept = |queue: &mut Due, ms: std::ops::RangeInclusive<i64>| ms.filter_map(|ms| queue.pop(ms)).count();
        assert_eq!((swept(&mut queue, 0..=999), swept(&mut queue, 1000..=1000)), (9, 1));
        let mut queue = due(0, 1);
        (0..10).for_each(|item| queue.know(ListNumber(item)));
        assert_eq!(queue.pop(0), None);
        assert_eq!(std::iter::from_fn(|| queue.pop(1)).count(), 10, "a round a millisecond");
    }

    #[test]
    fn an_interval_of_a_millisecond_is_one() {
        let mut queue = due(1, NO_SWEEP);
        queue.mark(ListNumber(0), 0, 0);
        assert_eq!(queue.pop(0), list(0, Some(0)));
        queue.mark(ListNumber(0), 0, 0);
        assert_eq!((queue.pop(0), queue.pop(1)), (None, list(0, Some(0))));
    }

    #[test]
    fn it_is_busy_as_long_as_a_list_is_ready_or_owed_or_has_cooled() {
        let mut queue = due(1000, NO_SWEEP);
        assert!(!queue.is_busy());
        queue.know(ListNumber(0));
        queue.sweep_all();
        assert!(queue.is_busy(), "one is owed");
        assert_eq!(queue.pop(0), list(0, None));
        assert!(!queue.is_busy());
        queue.mark_again(ListNumber(0), 999);
        assert!(!queue.is_busy(), "it cools");
        queue.mark_again(ListNumber(0), 1000);
        assert!(queue.is_busy(), "it has");
        // More have cooled than one call looks at.
        let many = u32::try_from(STEPS_MAX).unwrap() + 1;
        let mut queue = due(1000, NO_SWEEP);
        (0..many).for_each(|item| queue.mark(ListNumber(item), 0, 0));
        assert_eq!(std::iter::from_fn(|| queue.pop(0)).count(), many as usize);
        assert!(!queue.is_busy());
        assert_eq!((queue.pop(1000), queue.is_busy()), (None, true));
        assert_eq!((queue.pop(1000), queue.is_busy()), (None, false));
    }

    #[test]
    fn bytes_held_are_those_of_lists_known_waiting_and_resting_and_no_place_is_lost() {
        const N: u32 = 1024; // what grows by doubling has just this room
        let n = N as usize;
        let mut queue = due(1000, NO_SWEEP);
        assert_eq!(queue.bytes(), 0);
        (0..N).for_each(|item| queue.mark(ListNumber(item), 0, 0));
        let waiting = queue.bytes();
        assert!(
            (n * (4 + size_of::<Pending>() + 4)..2 * n * (4 + size_of::<Pending>() + 4)).contains(&waiting),
            "{waiting}"
        );
        assert_eq!(std::iter::from_fn(|| queue.pop(0)).count(), n);
        let cooling = queue.bytes();
        assert!(cooling - waiting >= n * size_of::<(i64, u32)>(), "{} more that cool", cooling - waiting);
        assert_eq!(queue.pop(1000), None);
        let rested = queue.bytes();
        assert!(rested - cooling >= n * size_of::<u32>(), "{} more of free places", rested - cooling);
        for round in 2..10 {
            (0..N).for_each(|item| queue.mark(ListNumber(item), 0, 1000 * round));
            assert_eq!(std::iter::from_fn(|| queue.pop(1000 * round)).count(), n);
        }
        assert_eq!(queue.bytes(), rested, "places are used again");
    }

    #[test]
    fn a_changed_list_goes_before_all_that_the_sweep_owes() {
        let mut queue = due(0, NO_SWEEP);
        (0..100).for_each(|item| queue.know(ListNumber(item)));
        queue.sweep_all();
        assert_eq!(queue.pop(1), list(0, None));
        queue.mark(ListNumber(50), 1, 1);
        assert_eq!(queue.pop(1), list(50, Some(1)));
        assert_eq!(queue.pop(1), list(1, None));
        let rest = std::iter::from_fn(|| queue.pop(1)).map(|row| row.list.0).collect::<Vec<_>>();
        assert_eq!(rest, (2..100).collect::<Vec<_>>(), "one round, and 50 again: nothing rests");
        assert!(!queue.is_busy());
    }

    #[test]
    fn no_call_looks_at_more_lists_than_its_bound_and_none_is_lost_for_it() {
        let many = u32::try_from(STEPS_MAX).unwrap() * 3;
        let mut queue = due(1000, NO_SWEEP);
        (0..many).for_each(|item| queue.mark(ListNumber(item), 0, 0));
        assert_eq!(std::iter::from_fn(|| queue.pop(0)).count(), many as usize);
        queue.sweep_all();
        // All of them cool: three calls pass over them without finding one.
        for left in [2, 1, 0] {
            assert_eq!((queue.pop(1), queue.sweep.owed), (None, left * STEPS_MAX));
        }
        assert!(!queue.is_busy());
        let mut seen = 0;
        let mut before = queue.cooling.len();
        while queue.clock_ms < 1000 || queue.is_busy() {
            seen += usize::from(queue.pop(1000).is_some());
            assert!(queue.cooling.len() + STEPS_MAX + 1 >= before, "one call cools a bounded number");
            before = queue.cooling.len();
        }
        assert_eq!(seen, many as usize, "what was swept while it cooled is due when it has");
    }

    /// The same by a list that is searched: what is dirty, and when it was last ranked.
    #[derive(Default)]
    struct Naive {
        dirty: Vec<(u32, i64, u64)>,
        ranked: std::collections::BTreeMap<u32, (i64, u64)>,
        counter: u64,
    }

    impl Naive {
        fn mark(&mut self, item: u32, clock: i64) {
            self.counter += 1;
            match self.dirty.iter_mut().find(|dirty| dirty.0 == item) {
                Some(_) => {}
                None => self.dirty.push((item, clock, self.counter)),
            }
        }

        /// By due time; at one time what had to wait goes first, in the order in which it was ranked.
        fn pop(&mut self, clock: i64, interval: i64) -> Option<(u32, i64)> {
            let order = |&(item, marked, number): &(u32, i64, u64)| match self.ranked.get(&item) {
                Some(&(at, ranked)) if at + interval > marked => (at + interval, 0, ranked),
                _ => (marked, 1, number),
            };
            let index = (0..self.dirty.len()).min_by_key(|&index| order(&self.dirty[index]))?;
            if order(&self.dirty[index]).0 > clock {
                return None;
            }
            let (item, marked, _) = self.dirty.remove(index);
            self.counter += 1;
            self.ranked.insert(item, (clock, self.counter));
            Some((item, marked))
        }
    }

    proptest! {
        #[test]
        fn the_queue_does_what_a_search_does(steps in proptest::collection::vec((0_u32..12, 0_i64..8, any::<bool>()), 1..400)) {
            let (mut queue, mut naive, mut clock) = (due(20, NO_SWEEP), Naive::default(), 0);
            for (item, wait, is_pop) in steps {
                clock += wait;
                if is_pop {
                    let popped = queue.pop(clock).map(|row| (row.list.0, row.since_ms.unwrap()));
                    prop_assert_eq!(popped, naive.pop(clock, 20));
                } else {
                    queue.mark(ListNumber(item), clock, clock);
                    naive.mark(item, clock);
                }
            }
            clock += 20;
            let rest = std::iter::from_fn(|| queue.pop(clock)).count();
            prop_assert_eq!(rest, naive.dirty.len(), "no change is forgotten");
        }
    }
}
