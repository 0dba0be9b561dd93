//! The merge of a backlog, at its rules and under random input.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const UNBOUNDED: usize = usize::MAX;

fn opened(names: &[&str], bytes_max: usize) -> (Merge<String>, Vec<SourceIndex>) {
    let mut merge = Merge::new(bytes_max);
    let indices = names.iter().map(|name| merge.open(&SourcePartition::new(name, 0))).collect();
    (merge, indices)
}

/// Pushes a view of 10 bytes, labelled by its source's number and its time.
fn push(merge: &mut Merge<String>, source: SourceIndex, time: i64) {
    merge.push(source, EventTime(time), EventType::View, 10, format!("{}@{time}", source.0));
}

fn released(merge: &mut Merge<String>) -> Vec<String> {
    std::iter::from_fn(|| merge.release()).collect()
}

#[test]
fn one_source_passes_through_as_it_comes() {
    let (mut merge, source) = opened(&["a"], UNBOUNDED);
    for time in [5, 3, 9] {
        push(&mut merge, source[0], time);
        assert_eq!(released(&mut merge), [format!("0@{time}")]);
    }
    assert_eq!((merge.held(), merge.bytes(), merge.forced()), (0, 0, 0));
}

#[test]
fn a_source_never_heard_from_holds_everything_up() {
    let (mut merge, source) = opened(&["a", "b"], UNBOUNDED);
    push(&mut merge, source[0], 5);
    assert_eq!(released(&mut merge), [""; 0]);
    assert_eq!((merge.held(), merge.bytes()), (1, 10));
    merge.mark(source[1], None, false);
    assert_eq!(released(&mut merge), ["0@5"]);
}

#[test]
fn a_source_that_is_behind_holds_up_what_is_later_than_its_highest_time() {
    let (mut merge, source) = opened(&["a", "b"], UNBOUNDED);
    [5, 7, 9].iter().for_each(|&time| push(&mut merge, source[0], time));
    merge.mark(source[1], Some(EventTime(7)), true);
    assert_eq!(released(&mut merge), ["0@5", "0@7"], "at equal times a comes before b");
    merge.mark(source[1], Some(EventTime(6)), true);
    let third = merge.open(&SourcePartition::new("c", 0));
    merge.mark(third, None, false);
    push(&mut merge, third, 6);
    assert_eq!(released(&mut merge), ["2@6"], "the highest time of b did not go back to 6");
    push(&mut merge, source[1], 8);
    assert_eq!(released(&mut merge), ["1@8"]);
    merge.mark(source[1], None, false);
    assert_eq!(released(&mut merge), ["0@9"]);
}

#[test]
fn a_source_with_something_buffered_holds_up_nothing_before_its_head() {
    let (mut merge, source) = opened(&["a", "b"], UNBOUNDED);
    push(&mut merge, source[0], 5);
    push(&mut merge, source[1], 6);
    assert_eq!(released(&mut merge), ["0@5"], "then a is empty at 5, behind, and b's 6 waits for it");
    push(&mut merge, source[0], 7);
    assert_eq!(released(&mut merge), ["1@6"]);
}

#[test]
fn a_source_that_is_not_behind_holds_nothing_up_until_it_falls_behind_again() {
    let (mut merge, source) = opened(&["a", "b"], UNBOUNDED);
    source.iter().for_each(|&source| merge.mark(source, Some(EventTime(1)), false));
    push(&mut merge, source[1], 50);
    assert_eq!(released(&mut merge), ["1@50"]);
    merge.mark(source[0], Some(EventTime(40)), true);
    push(&mut merge, source[1], 51);
    assert_eq!(released(&mut merge), [""; 0]);
}

#[test]
fn at_equal_times_views_come_before_carts_before_orders_and_then_sources_by_name() {
    let mut merge = Merge::new(UNBOUNDED);
    let kinds = [("d", EventType::Order), ("c", EventType::Cart), ("b", EventType::View), ("a", EventType::View)];
    let sources = kinds.map(|(name, _)| merge.open(&SourcePartition::new(name, 3))); // not in order of name
    for ((name, event_type), source) in kinds.into_iter().zip(sources) {
        merge.push(source, EventTime(7), event_type, 1, name);
    }
    sources.iter().for_each(|&source| merge.mark(source, None, false));
    assert_eq!(std::iter::from_fn(|| merge.release()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn over_the_bound_the_lowest_head_goes_and_is_counted_as_forced() {
    let (mut merge, source) = opened(&["a", "b", "never heard"], 25);
    push(&mut merge, source[0], 9);
    push(&mut merge, source[1], 4);
    assert_eq!((released(&mut merge), merge.forced()), (vec![], 0));
    push(&mut merge, source[1], 5);
    assert_eq!((released(&mut merge), merge.forced(), merge.bytes()), (vec!["1@4".to_owned()], 1, 20));
    merge.mark(source[2], None, false);
    [10, 11].iter().for_each(|&time| push(&mut merge, source[0], time));
    assert_eq!(released(&mut merge), ["1@5", "0@9"], "b may still bring earlier than 9, but 30 bytes are too many");
    assert_eq!((merge.forced(), merge.bytes()), (2, 20));
}

#[test]
fn opening_again_changes_nothing_and_a_source_opened_later_is_behind() {
    let (mut merge, source) = opened(&["b"], UNBOUNDED);
    merge.mark(source[0], Some(EventTime(3)), false);
    push(&mut merge, source[0], 5);
    assert_eq!(merge.open(&SourcePartition::new("b", 0)), source[0]);
    let later = merge.open(&SourcePartition::new("a", 0));
    assert_eq!(merge.index(&SourcePartition::new("a", 0)), Some(later));
    assert_eq!(merge.index(&SourcePartition::new("a", 1)), None);
    assert_eq!(released(&mut merge), [""; 0]);
    push(&mut merge, later, 1);
    merge.mark(later, None, false);
    assert_eq!(released(&mut merge), ["1@1", "0@5"]);
}

#[test]
fn a_source_that_is_opened_while_others_hold_events_changes_their_places_and_nothing_else() {
    let (mut merge, source) = opened(&["b", "c", "silent"], UNBOUNDED);
    for (place, time) in [(0, 5), (0, 8), (1, 6), (1, 8)] {
        push(&mut merge, source[place], time);
    }
    let earlier = merge.open(&SourcePartition::new("a", 0)); // first in order of name: all others move on
    push(&mut merge, earlier, 7);
    push(&mut merge, earlier, 8);
    let all: Vec<SourceIndex> = source.into_iter().chain([earlier]).collect();
    all.iter().for_each(|&source| merge.mark(source, None, false));
    assert_eq!(released(&mut merge), ["0@5", "1@6", "3@7", "3@8", "0@8", "1@8"]);
    assert_eq!((merge.held(), merge.bytes()), (0, 0));
}

#[test]
fn what_a_backlog_took_is_given_back_and_marks_pile_up_nothing() {
    let (mut merge, source) = opened(&["a", "b"], UNBOUNDED);
    let many = 3 * i64::try_from(KEPT_EVENTS_MAX).unwrap();
    (0..many).for_each(|time| push(&mut merge, source[0], time));
    merge.mark(source[1], Some(EventTime(0)), true);
    assert_eq!(released(&mut merge).len(), 1, "b has come to 0");
    (1..many).for_each(|time| merge.mark(source[1], Some(EventTime(time)), true));
    assert!(merge.bounds.len() <= 2, "{} bounds of two sources", merge.bounds.len());
    merge.mark(source[1], None, false);
    assert_eq!(released(&mut merge).len(), 3 * KEPT_EVENTS_MAX - 1);
    let room = merge.sources[0].held.capacity();
    assert!(room <= KEPT_EVENTS_MAX, "room for {room} events");
}

/// A call on the merge; sources and times are taken from the plan.
#[derive(Clone, Debug)]
enum Call {
    /// Push the next event of the source.
    Push(usize),
    /// Say where the source stands: behind unless it has brought all.
    Mark(usize, Said),
}

/// The highest time a mark gives. All are true of a sorted source.
#[derive(Clone, Copy, Debug)]
enum Said {
    /// Of what it brought.
    Brought,
    /// Lower: an older section.
    Old,
    /// Up to its next: other partitions of the log got something later.
    Ahead,
}

fn highest(own: &[Labelled], brought: usize, said: Said) -> Option<i64> {
    let highest = own[..brought].iter().map(|event| event.0).max();
    match said {
        Said::Brought => highest,
        Said::Old => highest.map(|time| time - 5),
        Said::Ahead => own.get(brought).map(|event| event.0).max(highest),
    }
}

type Labelled = (i64, EventType, usize, usize); // time, type, source, number within the source

fn event_type(number: u8) -> EventType {
    EventType::ALL[usize::from(number) % 3]
}

prop_compose! {
    /// Events of up to five sources, and calls that push them all, in any interleaving.
    fn plan()(
        sources in prop::collection::vec(prop::collection::vec((0..40_i64, any::<u8>()), 0..15), 1..6),
        sorted in any::<bool>(),
        order in prop::collection::vec((any::<prop::sample::Index>(), 0..6_u8), 0..200),
    ) -> (Vec<Vec<Labelled>>, bool, Vec<Call>) {
        let mut events: Vec<Vec<Labelled>> = Vec::new();
        for (source, times) in sources.iter().enumerate() {
            let mut own: Vec<_> = times.iter().map(|&(time, kind)| (time, event_type(kind))).collect();
            if sorted {
                own.sort_unstable();
            }
            events.push(own.into_iter().enumerate().map(|(n, (time, kind))| (time, kind, source, n)).collect());
        }
        let mut calls: Vec<Call> = order
            .iter()
            .map(|(index, choice)| match (index.index(sources.len()), choice) {
                (source, 0) => Call::Mark(source, Said::Brought),
                (source, 1) => Call::Mark(source, Said::Old),
                (source, 2) => Call::Mark(source, Said::Ahead),
                (source, _) => Call::Push(source),
            })
            .collect();
        for (source, own) in events.iter().enumerate() {
            calls.extend(own.iter().map(|_| Call::Push(source)));
            calls.push(Call::Mark(source, Said::Brought));
        }
        (events, sorted, calls)
    }
}

/// Drives a merge through a plan. Returns what came out, and how many were forced.
fn run(events: &[Vec<Labelled>], calls: &[Call], bytes_max: usize) -> (Vec<Labelled>, u64) {
    let mut merge = Merge::new(bytes_max);
    let indices: Vec<_> = (0..events.len()).map(|n| merge.open(&SourcePartition::new(&format!("s{n}"), 0))).collect();
    let mut brought = vec![0; events.len()];
    let mut out = Vec::new();
    for call in calls {
        match *call {
            Call::Push(source) => {
                let Some(&event) = events[source].get(brought[source]) else { continue };
                merge.push(indices[source], EventTime(event.0), event.1, 10, event);
                brought[source] += 1;
            }
            Call::Mark(source, said) => {
                let (own, brought) = (&events[source], brought[source]);
                merge.mark(indices[source], highest(own, brought, said).map(EventTime), brought < own.len());
            }
        }
        out.extend(std::iter::from_fn(|| merge.release()));
        assert!(merge.bytes() <= bytes_max, "{} bytes held", merge.bytes());
        assert_eq!(merge.held() * 10, merge.bytes());
        assert_eq!(merge.held(), brought.iter().sum::<usize>() - out.len());
    }
    (out, merge.forced())
}

proptest! {
    #[test]
    fn sorted_sources_come_out_in_the_order_of_all_keys((events, sorted, calls) in plan()) {
        prop_assume!(sorted);
        let mut want: Vec<Labelled> = events.concat();
        want.sort_unstable();
        let (got, forced) = run(&events, &calls, UNBOUNDED);
        prop_assert_eq!(got, want);
        prop_assert_eq!(forced, 0);
    }

    #[test]
    fn nothing_is_lost_and_each_source_keeps_its_order((events, _, calls) in plan(), bytes_max in 0..200_usize) {
        let (got, _) = run(&events, &calls, bytes_max);
        prop_assert_eq!(got.len(), events.iter().map(Vec::len).sum::<usize>());
        for (source, own) in events.iter().enumerate() {
            let of_source: Vec<Labelled> = got.iter().filter(|event| event.2 == source).copied().collect();
            prop_assert_eq!(&of_source, own);
        }
    }

    /// The plainest merge there is: look at every source each time.
    #[test]
    fn releases_equal_those_of_a_plain_scan((events, _, calls) in plan(), bytes_max in 0..200_usize) {
        let (got, forced) = run(&events, &calls, bytes_max);
        prop_assert_eq!((got, forced), scan(&events, &calls, bytes_max));
    }
}

fn scan(events: &[Vec<Labelled>], calls: &[Call], bytes_max: usize) -> (Vec<Labelled>, u64) {
    let count = events.len();
    let (mut brought, mut taken, mut behind) = (vec![0; count], vec![0; count], vec![true; count]);
    let mut heard = vec![i64::MIN; count];
    let (mut out, mut forced) = (Vec::new(), 0);
    for call in calls {
        match *call {
            Call::Push(source) => {
                let Some(event) = events[source].get(brought[source]) else { continue };
                heard[source] = heard[source].max(event.0);
                brought[source] += 1;
            }
            Call::Mark(source, said) => {
                let highest = highest(&events[source], brought[source], said).unwrap_or(i64::MIN);
                heard[source] = heard[source].max(highest);
                behind[source] = brought[source] < events[source].len();
            }
        }
        loop {
            let heads = (0..count).filter(|&n| taken[n] < brought[n]).map(|n| events[n][taken[n]]);
            let Some(lowest) = heads.min_by_key(|event| (event.0, event.1, event.2)) else { break };
            let bounds: BTreeSet<_> = (0..count)
                .filter(|&n| behind[n] && taken[n] == brought[n])
                .map(|n| (heard[n], EventType::View, n))
                .collect();
            let free = bounds.first().is_none_or(|bound| *bound > (lowest.0, lowest.1, lowest.2));
            let held: usize = brought.iter().sum::<usize>() - out.len();
            if !free && held * 10 <= bytes_max {
                break;
            }
            forced += u64::from(!free);
            taken[lowest.2] += 1;
            out.push(lowest);
        }
    }
    (out, forced)
}
