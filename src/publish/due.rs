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
    /// Whether the sweep has brought it up, perhaps among others.
    pub is_swept: bool,
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
    is_swept: bool,
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
    /// How many of those are due because all were to be brought up: what is met meanwhile is too.
    of_all: usize,
    /// Lists × ms that are owed beyond whole lists.
    carry: i64,
}

impl Sweep {
    /// There were `known` lists, and are `all`. While all are being brought up, so are the new ones, and nobody loses a turn to them.
    fn lengthen(&mut self, known: usize, all: usize) {
        if self.of_all == 0 {
            return;
        }
        let end = self.cursor + self.of_all;
        // Where what is left lies before the new ones, the way there leads over some that have been brought up.
        self.of_all = if end <= known { all - self.cursor } else { self.of_all + all - known };
        self.owed = self.owed.max(self.of_all);
    }
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
        let known = self.places.len();
        if known <= list.index() {
            self.places.resize(list.index() + 1, RESTING);
            self.sweep.lengthen(known, self.places.len());
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
        (self.sweep.owed, self.sweep.of_all) = (self.places.len(), self.places.len());
    }

    /// The next list that may be ranked at `clock_ms`. It counts as ranked then. `None` where there is none, or it was not
    /// found within as many steps as one call takes: see [`Due::is_busy`].
    pub fn pop(&mut self, clock_ms: i64) -> Option<DueList> {
        self.advance(clock_ms);
        self.owe();
        if let Some(number) = self.ready.pop_front() {
            let pending = &mut self.pending[number as usize];
            let (since_ms, is_swept) = (pending.since_ms.take(), std::mem::take(&mut pending.is_swept));
            let due = DueList { list: pending.list, since_ms, is_swept };
            self.cool(number);
            return Some(due);
        }
        for _ in 0..STEPS_MAX {
            let Some(list) = self.next_swept() else { break };
            match self.places[list.index()] {
                RESTING => {
                    let number =
                        self.take_pending(Pending { list, since_ms: None, state: State::Cooling, is_swept: false });
                    self.places[list.index()] = number + PENDING;
                    self.cool(number);
                    return Some(DueList { list, since_ms: None, is_swept: true });
                }
                place => {
                    let pending = &mut self.pending[(place - PENDING) as usize];
                    (pending.state, pending.is_swept) = (State::Due, true); // it cools: nothing is ready
                }
            }
        }
        None
    }

    /// The list that [`Due::pop`] gave last has not been ranked: it rests, and may be brought up at once.
    pub fn pass_over(&mut self) {
        if self.min_interval_ms > 0
            && let Some((_, number)) = self.cooling.pop_back()
        {
            self.rest(number);
        }
    }

    /// Whether a list may be ranked at once, or looking for one goes on.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let has_cooled = self.cooling.front().is_some_and(|(until_ms, _)| *until_ms <= self.clock_ms);
        !self.ready.is_empty() || self.sweep.owed > 0 || has_cooled
    }

    /// Whether lists are left of those that were all to be brought up.
    #[must_use]
    pub fn is_bringing_all_up(&self) -> bool {
        self.sweep.of_all > 0
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
        self.sweep.of_all = self.sweep.of_all.saturating_sub(1);
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
                let number = self.take_pending(Pending { list, since_ms: None, state: State::Due, is_swept: false });
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
mod tests;
