//! A source that cannot be read holds the others up for a while, then no more; what it brings after all is counted, as late.

use crate::merging::{SOURCES, rank, shape, split};
use crate::recount::Event;
use crate::rig::{Rig, Shape, assert_counts, default_rules, naive_rules};
use crate::shop::{self, Random};
use samenloop::stage::SOURCE_WAIT_MAX_MS;
use samenloop::wire::Lag;

/// After all events.
const CLOCK_MS: i64 = 4_000_000_000_000;

fn released(rig: &Rig) -> u64 {
    rig.pipeline.windows().iter().flat_map(|stage| stage.work().tally().fates).flatten().sum()
}

fn late_arrivals(rig: &Rig) -> Vec<(String, u64)> {
    let stages = rig.pipeline.windows();
    let all = stages.iter().flat_map(|stage| stage.work().late_arrivals());
    all.map(|(source, count)| (source.to_string(), count)).collect()
}

/// In the order in which they are counted: all but what `waiting` did not bring in time, merged; then that.
fn counted_order(files: &[Vec<Event>], waiting: usize, brought: usize) -> Vec<Event> {
    let mut merged: Vec<(usize, Event)> = Vec::new();
    for (source, file) in files.iter().enumerate() {
        let of_it = if source == waiting { &file[..brought] } else { file };
        merged.extend(of_it.iter().map(|event| (source, event.clone())));
    }
    merged.sort_by_key(|(source, event)| (event.ts, rank(event), SOURCES[*source]));
    merged.into_iter().map(|(_, event)| event).chain(files[waiting][brought..].iter().cloned()).collect()
}

struct Case {
    partitions: u32,
    /// Restarts a windows partition after each step.
    restarts: bool,
    seed: u64,
}

fn check(case: &Case) {
    let rules = default_rules();
    let (seed, mut random) = (case.seed, Random::new(case.seed));
    let (_, files) = split(seed, &rules);
    let waiting = usize::try_from(random.below(SOURCES.len() as u64)).unwrap();
    // At the start, or in the middle.
    let brought = if random.chance(50) { 0 } else { files[waiting].len() / 2 };
    let block_entries = if random.chance(50) { 1 } else { 50 };
    let context = format!(
        "{} waits after {brought}, {} partitions, restarts: {}, SAMENLOOP_SEED={seed}",
        SOURCES[waiting], case.partitions, case.restarts
    );
    let mut rig = Rig::open(&Shape { block_entries, ..shape(&rules, case.partitions) }, &files);
    let restart = |rig: &mut Rig| {
        let partitions = if case.restarts { case.partitions } else { 0 };
        (0..partitions).for_each(|partition| rig.restart(0, partition).unwrap());
    };
    rig.clock(CLOCK_MS).unwrap();
    while rig.fed[waiting] < brought {
        rig.feed(waiting).unwrap();
    }
    rig.pipeline.input_waits(waiting).unwrap();
    for other in (0..SOURCES.len()).filter(|&other| other != waiting) {
        while rig.feed(other).unwrap() {}
        rig.pipeline.end_input(other).unwrap();
    }
    rig.clock(CLOCK_MS + SOURCE_WAIT_MAX_MS - 1).unwrap();
    rig.settle().unwrap();
    restart(&mut rig);
    let in_time = released(&rig);
    let before: u64 = files.iter().map(|file| file.len() as u64).sum();
    assert!(in_time < before * 3 / 4, "{context}: {in_time} of {before} did not wait");

    rig.clock(CLOCK_MS + SOURCE_WAIT_MAX_MS).unwrap();
    rig.clock(CLOCK_MS + SOURCE_WAIT_MAX_MS + 1_000).unwrap(); // a round of marks a second
    rig.settle().unwrap();
    restart(&mut rig);
    let lags: Vec<Lag> = (0..SOURCES.len()).map(|n| rig.pipeline.lag(n).unwrap()).collect();
    let given_up = (0..SOURCES.len()).map(|n| if n == waiting { Lag::Waiting } else { Lag::Live });
    assert_eq!(lags, given_up.collect::<Vec<_>>(), "{context}");
    let rest = (files[waiting].len() - brought) as u64;
    let refused = rig.pipeline.intake_tally().rejected();
    assert_eq!(released(&rig) + refused, before - rest, "{context}: an event waits");
    assert_eq!(late_arrivals(&rig), [], "{context}");

    while rig.feed(waiting).unwrap() {}
    rig.settle().unwrap();
    restart(&mut rig);
    assert_eq!(released(&rig) + rig.pipeline.intake_tally().rejected(), before, "{context}: an event waits");
    rig.pipeline.end_input(waiting).unwrap();
    rig.clock(CLOCK_MS + 2 * SOURCE_WAIT_MAX_MS).unwrap();
    rig.rest().unwrap();
    assert_eq!(rig.pipeline.lag(waiting).unwrap(), Lag::Live, "{context}");
    for stage in rig.pipeline.windows() {
        assert_eq!(stage.work().given_up().count(), 0, "{context}: it has caught up");
    }
    assert_counts(&rig, &counted_order(&files, waiting, brought), &naive_rules(&rules), &context);
    let late = late_arrivals(&rig);
    let of_it = format!("{}-0", SOURCES[waiting]);
    assert!(!late.is_empty() && late.iter().all(|(source, _)| *source == of_it), "{context}: late {late:?}");
    let told = rig.pair_entries();
    restart(&mut rig);
    rig.rest().unwrap();
    rig.pair_entries().assert_equal(&told, &context);
    assert_eq!(late_arrivals(&rig), late, "{context}: read again");
}

#[test]
fn a_source_that_waits_holds_up_the_others_for_a_while_and_comes_late_then() {
    for partitions in [1, 7] {
        for restarts in [false, true] {
            shop::seeds(8).into_iter().for_each(|seed| check(&Case { partitions, restarts, seed }));
        }
    }
}

/// The log says that it waits, and its new reader goes by that: nobody is held up a second time.
#[test]
fn a_source_that_was_given_up_holds_nobody_up_again_when_its_reader_starts_anew() {
    let rules = default_rules();
    for (seed, which) in shop::seeds(4).into_iter().flat_map(|seed| [(seed, 2), (seed, 3)]) {
        let (_, files) = split(seed, &rules);
        let mut rig = Rig::open(&shape(&rules, 2), &files);
        let waiting = 2;
        let others = || (0..SOURCES.len()).filter(|&other| other != waiting);
        let context = format!("restart {which}, SAMENLOOP_SEED={seed}");
        rig.clock(CLOCK_MS).unwrap();
        rig.pipeline.input_waits(waiting).unwrap();
        rig.clock(CLOCK_MS + SOURCE_WAIT_MAX_MS).unwrap();
        rig.restart(which, 0).unwrap();
        let lags = |rig: &Rig| (0..SOURCES.len()).map(|n| rig.pipeline.lag(n).unwrap()).collect::<Vec<_>>();
        assert_eq!(lags(&rig)[waiting], Lag::Waiting, "{context}");
        assert!(others().all(|other| lags(&rig)[other] != Lag::Waiting), "{context}: {:?}", lags(&rig));
        rig.clock(CLOCK_MS + SOURCE_WAIT_MAX_MS + 1_000).unwrap();
        for other in others() {
            while rig.feed(other).unwrap() {}
            rig.pipeline.end_input(other).unwrap();
        }
        rig.clock(CLOCK_MS + SOURCE_WAIT_MAX_MS + 2_000).unwrap();
        rig.settle().unwrap();
        assert!(released(&rig) > 100, "{context}: it holds the others up again");
        assert_eq!(lags(&rig)[waiting], Lag::Waiting, "{context}");

        while rig.feed(waiting).unwrap() {}
        rig.pipeline.end_input(waiting).unwrap();
        rig.clock(CLOCK_MS + 2 * SOURCE_WAIT_MAX_MS).unwrap();
        rig.restart(which, 0).unwrap();
        assert_ne!(lags(&rig)[waiting], Lag::Waiting, "{context}: it has caught up since");
        rig.rest().unwrap();
        assert_counts(&rig, &counted_order(&files, waiting, 0), &naive_rules(&rules), &context);
        assert!(!late_arrivals(&rig).is_empty(), "{context}");
    }
}

/// Another partition comes or goes meanwhile, so that all of the worker's stage is made anew.
#[test]
fn how_long_a_source_has_waited_is_not_forgotten_when_its_reader_gets_another_partition() {
    let (_, files) = split(1, &default_rules());
    let mut rig = Rig::open(&shape(&default_rules(), 2), &files);
    let waiting = 2;
    rig.clock(CLOCK_MS).unwrap();
    rig.pipeline.input_waits(waiting).unwrap();
    rig.clock(CLOCK_MS + SOURCE_WAIT_MAX_MS - 1).unwrap();
    rig.restart(2, 0).unwrap();
    rig.pipeline.input_waits(waiting).unwrap();
    assert_ne!(rig.pipeline.lag(waiting), Some(Lag::Waiting));
    rig.clock(CLOCK_MS + SOURCE_WAIT_MAX_MS).unwrap();
    assert_eq!(rig.pipeline.lag(waiting), Some(Lag::Waiting));
}
