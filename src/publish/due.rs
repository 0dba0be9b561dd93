//! Which rows are to be ranked, and when.
//!
//! A changed row is due at once, but not within `min_interval` of when it was last ranked; changes in between coalesce. Besides, every
//! known row is due once per `sweep`: decay and moved totals shift scores without touching a row.
//! Invariants: rows come in the order of when they became due; a row waits once, however often it changed; a change is
//! never forgotten. Clocks are given, and one that goes back counts as standing still.
//!
//! Both queues are first in, first out, because every ranked row rests for the same time: no heap is needed, and a row
//! that rests for long costs four bytes.

use crate::items::ItemId;
use crate::relation::Relation;
use crate::rules::PublishRules;
use std::collections::VecDeque;

/// A row whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueRow {
    /// The relation.
    pub relation: Relation,
    /// The anchor.
    pub item: ItemId,
    /// Since when the oldest change waits, in ms; `None` where the sweep brought the row up.
    pub since_ms: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In `ready`.
    Ready,
    /// In `cooling`, nothing to do yet.
    Cooling,
    /// In `cooling`, due when that ends.
    CoolingDirty,
}

#[derive(Clone, Copy)]
struct Pending {
    row: (Relation, ItemId),
    since_ms: Option<i64>,
    state: State,
}

const UNKNOWN: u32 = 0;
const RESTING: u32 = 1;
/// Below this a place is one of the two words above; from it on, a number in `pending`.
const PENDING: u32 = 2;

/// The queue of one partition.
pub struct Due {
    min_interval_ms: i64,
    sweep_ms: i64,
    clock_ms: i64,
    /// By relation and item: unknown, resting, or where in `pending`.
    places: [Vec<u32>; Relation::COUNT],
    /// Every row, in the order of first meeting: the order of the sweep.
    known: Vec<(Relation, ItemId)>,
    pending: Vec<Pending>,
    free: Vec<u32>,
    ready: VecDeque<u32>,
    /// Ranked rows, each with the time until which it must not be ranked again.
    cooling: VecDeque<(i64, u32)>,
    swept: Swept,
}

/// How far the slow sweep has come.
#[derive(Default)]
struct Swept {
    at_ms: Option<i64>,
    cursor: usize,
    /// Rows × ms that are owed beyond whole rows.
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
            places: std::array::from_fn(|_| Vec::new()),
            known: Vec::new(),
            pending: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            cooling: VecDeque::new(),
            swept: Swept::default(),
        }
    }

    /// Makes a row known to the sweep, without a change: after a restart.
    pub fn know(&mut self, relation: Relation, item: ItemId) {
        let places = &mut self.places[relation.index()];
        if places.len() <= item.index() {
            places.resize(item.index() + 1, UNKNOWN);
        }
        if places[item.index()] == UNKNOWN {
            places[item.index()] = RESTING;
            self.known.push((relation, item));
        }
    }

    /// The row changed, by something that arrived at `arrival_ms`.
    pub fn mark(&mut self, relation: Relation, item: ItemId, arrival_ms: i64, clock_ms: i64) {
        self.advance(clock_ms);
        self.know(relation, item);
        self.bring_up(relation, item, Some(arrival_ms));
    }

    /// Brings up every known row, the ones that were ranked just now when their interval has passed.
    pub fn sweep_all(&mut self, clock_ms: i64) {
        self.advance(clock_ms);
        for index in 0..self.known.len() {
            let (relation, item) = self.known[index];
            self.bring_up(relation, item, None);
        }
    }

    /// The next row that may be ranked at `clock_ms`. It counts as ranked then.
    pub fn pop(&mut self, clock_ms: i64) -> Option<DueRow> {
        self.advance(clock_ms);
        self.sweep_on();
        let number = self.ready.pop_front()?;
        let pending = &mut self.pending[number as usize];
        let (relation, item) = pending.row;
        let due = DueRow { relation, item, since_ms: pending.since_ms.take() };
        pending.state = State::Cooling;
        if self.min_interval_ms > 0 {
            self.cooling.push_back((self.clock_ms.saturating_add(self.min_interval_ms), number));
        } else {
            self.rest(number);
        }
        Some(due)
    }

    /// How many rows are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words = self.places.iter().map(Vec::capacity).sum::<usize>() + self.free.capacity() + self.ready.capacity();
        words * size_of::<u32>()
            + self.known.capacity() * size_of::<(Relation, ItemId)>()
            + self.pending.capacity() * size_of::<Pending>()
            + self.cooling.capacity() * size_of::<(i64, u32)>()
    }

    /// Moves the clock; what has cooled is ready when it changed meanwhile, else it rests.
    fn advance(&mut self, clock_ms: i64) {
        self.clock_ms = self.clock_ms.max(clock_ms);
        while let Some(&(_, number)) = self.cooling.front().filter(|(until_ms, _)| *until_ms <= self.clock_ms) {
            self.cooling.pop_front();
            let pending = &mut self.pending[number as usize];
            if pending.state == State::CoolingDirty {
                pending.state = State::Ready;
                self.ready.push_back(number);
            } else {
                self.rest(number);
            }
        }
    }

    /// Brings up as many rows as the time since the last call is worth.
    fn sweep_on(&mut self) {
        let last_ms = self.swept.at_ms.replace(self.clock_ms).unwrap_or(self.clock_ms);
        let elapsed_ms = self.clock_ms.saturating_sub(last_ms).min(self.sweep_ms);
        if elapsed_ms <= 0 || self.known.is_empty() {
            return;
        }
        let known = i64::try_from(self.known.len()).unwrap_or(i64::MAX);
        let owed = known.saturating_mul(elapsed_ms).saturating_add(self.swept.carry);
        self.swept.carry = owed % self.sweep_ms;
        for _ in 0..(owed / self.sweep_ms).min(known) {
            self.swept.cursor = if self.swept.cursor < self.known.len() { self.swept.cursor } else { 0 };
            let (relation, item) = self.known[self.swept.cursor];
            self.swept.cursor += 1;
            self.bring_up(relation, item, None);
        }
    }

    fn bring_up(&mut self, relation: Relation, item: ItemId, since_ms: Option<i64>) {
        let place = self.places[relation.index()][item.index()];
        let number = if place < PENDING {
            let number = self.take_pending(Pending { row: (relation, item), since_ms: None, state: State::Ready });
            self.places[relation.index()][item.index()] = number + PENDING;
            self.ready.push_back(number);
            number
        } else {
            place - PENDING
        };
        let pending = &mut self.pending[number as usize];
        if pending.state == State::Cooling {
            pending.state = State::CoolingDirty;
        }
        pending.since_ms = match (pending.since_ms, since_ms) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }

    fn take_pending(&mut self, pending: Pending) -> u32 {
        if let Some(number) = self.free.pop() {
            self.pending[number as usize] = pending;
            return number;
        }
        let number = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        assert!(number < u32::MAX - PENDING, "more than 2^32 rows wait");
        self.pending.push(pending);
        number
    }

    fn rest(&mut self, number: u32) {
        let (relation, item) = self.pending[number as usize].row;
        self.places[relation.index()][item.index()] = RESTING;
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

    fn row(item: u32, since_ms: Option<i64>) -> Option<DueRow> {
        Some(DueRow { relation: Relation::AlsoBought, item: ItemId(item), since_ms })
    }

    #[test]
    fn changes_coalesce_and_wait_for_the_interval() {
        let mut queue = due(1000, NO_SWEEP);
        let mark =
            |queue: &mut Due, item, arrival, clock| queue.mark(Relation::AlsoBought, ItemId(item), arrival, clock);
        mark(&mut queue, 1, 5, 10);
        mark(&mut queue, 2, 4, 11);
        mark(&mut queue, 1, 3, 12);
        assert_eq!(queue.pop(12), row(1, Some(3)), "at once, since the oldest of two changes");
        assert_eq!(queue.pop(12), row(2, Some(4)));
        assert_eq!(queue.pop(12), None);
        mark(&mut queue, 2, 20, 20);
        mark(&mut queue, 1, 21, 21);
        mark(&mut queue, 1, 22, 22);
        mark(&mut queue, 3, 23, 23);
        assert_eq!(queue.pop(23), row(3, Some(23)));
        assert_eq!(queue.pop(1011), None, "ranked at 12: not within 1000 ms");
        assert_eq!(queue.pop(1012), row(1, Some(21)), "ranked first, due first");
        assert_eq!(queue.pop(1000), row(2, Some(20)), "a clock that goes back stands still");
        assert_eq!(queue.pop(9999), None);
        mark(&mut queue, 1, 9999, 9999);
        assert_eq!(queue.pop(9999), row(1, Some(9999)), "long rested: at once");
        assert_eq!(queue.known(), 3);
    }

    #[test]
    fn the_sweep_brings_up_every_row_once_per_round_evenly() {
        let mut queue = due(0, 1000);
        (0..100).for_each(|item| queue.know(Relation::AlsoBought, ItemId(item)));
        assert_eq!(queue.pop(0), None);
        for round in 0..3 {
            let mut seen = Vec::new();
            for clock in 1..=200 {
                let before = seen.len();
                while let Some(row) = queue.pop(round * 1000 + clock * 5) {
                    assert_eq!(row.since_ms, None);
                    seen.push(row.item.0);
                }
                assert!(seen.len() - before <= 1, "one row in ten ms");
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<_>>(), "round {round}");
        }
        assert_eq!(std::iter::from_fn(|| queue.pop(1_000_000)).count(), 100, "a leap of time is worth one round");
    }

    #[test]
    fn a_swept_row_that_changes_while_it_waits_is_ranked_once() {
        let mut queue = due(1000, NO_SWEEP);
        queue.know(Relation::AlsoBought, ItemId(0));
        queue.mark(Relation::AlsoBought, ItemId(1), 0, 0);
        assert_eq!(queue.pop(0), row(1, Some(0)));
        queue.sweep_all(1);
        queue.mark(Relation::AlsoBought, ItemId(0), 2, 2);
        assert_eq!(queue.pop(2), row(0, Some(2)));
        assert_eq!(queue.pop(999), None);
        assert_eq!(queue.pop(1000), row(1, None), "the sweep, after the interval");
        assert_eq!(queue.pop(99_999), None);
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
                    let popped = queue.pop(clock).map(|row| (row.item.0, row.since_ms.unwrap()));
                    prop_assert_eq!(popped, naive.pop(clock, 20));
                } else {
                    queue.mark(Relation::AlsoBought, ItemId(item), clock, clock);
                    naive.mark(item, clock);
                }
            }
            clock += 20;
            let rest = std::iter::from_fn(|| queue.pop(clock)).count();
            prop_assert_eq!(rest, naive.dirty.len(), "no change is forgotten");
        }
    }
}
