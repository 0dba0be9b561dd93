//! The queue of lists that are due.

use super::*;
use proptest::prelude::*;

const NO_SWEEP: i64 = i64::MAX;

fn due(min_interval_ms: i64, sweep_ms: i64) -> Due {
    Due::new(&PublishRules { min_interval_ms, sweep_ms, ..PublishRules::default() })
}

fn list(item: u32, since_ms: Option<i64>) -> Option<DueList> {
    Some(DueList { list: ListNumber(item), since_ms, is_swept: since_ms.is_none() })
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
fn lists_met_while_a_sweep_of_all_goes_on_take_no_others_turn() {
    for cursor in 1..9 {
        let mut queue = due(0, NO_SWEEP);
        (0..cursor).for_each(|item| queue.know(ListNumber(item)));
        queue.sweep_all();
        assert_eq!(std::iter::from_fn(|| queue.pop(0)).count(), cursor as usize);
        (cursor..10).for_each(|item| queue.know(ListNumber(item)));
        queue.sweep_all();
        let mut seen: Vec<u32> = (0..3).filter_map(|_| queue.pop(0)).map(|due| due.list.0).collect();
        (10..16).for_each(|item| queue.know(ListNumber(item)));
        seen.extend(std::iter::from_fn(|| queue.pop(0)).map(|due| due.list.0));
        seen.sort_unstable();
        seen.dedup(); // on the way round to where it began, some come again
        assert_eq!(seen, (0..16).collect::<Vec<_>>(), "from {cursor} on");
    }
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
        (3, Some(DueList { list: ListNumber(2), since_ms: None, is_swept: false }), false),
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

#[test]
fn a_list_that_was_passed_over_comes_at_once_when_all_are_brought_up() {
    for interval_ms in [0, 1000] {
        let mut queue = due(interval_ms, NO_SWEEP);
        queue.mark(ListNumber(0), 0, 0);
        queue.mark(ListNumber(1), 0, 0);
        assert_eq!(queue.pop(0), list(0, Some(0)));
        assert_eq!(queue.pop(0), list(1, Some(0)));
        queue.pass_over();
        assert_eq!(queue.pop(0), None, "it waits for nothing");
        queue.sweep_all();
        let first = queue.pop(0);
        assert_eq!(first, list(if interval_ms == 0 { 0 } else { 1 }, None), "the other one was ranked");
    }
}

#[test]
fn the_sweep_is_not_forgotten_over_a_change_that_comes_behind_it() {
    let mut queue = due(1000, NO_SWEEP);
    queue.mark(ListNumber(0), 5, 5);
    assert_eq!(queue.pop(5), list(0, Some(5)));
    queue.sweep_all();
    assert_eq!(queue.pop(6), None, "it cools");
    queue.mark(ListNumber(0), 7, 7);
    assert_eq!(queue.pop(1005), Some(DueList { list: ListNumber(0), since_ms: Some(7), is_swept: true }));
    queue.mark(ListNumber(0), 1006, 1006);
    assert_eq!(queue.pop(2005), list(0, Some(1006)), "once");
}
