//! Several sources, each in its own order, read in any order: counted as if they were one file in order of time.

use crate::recount::{Event, Kind, Recount};
use crate::rig::{Rig, Shape, assert_counts, default_rules, naive_rules, tiny_rules};
use crate::shop::{self, Random};
use samenloop::rules::CountingRules;

const EVENTS: usize = 500;
pub const SOURCES: [&str; 4] = ["orders", "carts", "views-a", "views-b"];

pub fn rank(event: &Event) -> usize {
    match event.kind {
        Kind::View { .. } => 0,
        Kind::Cart { .. } => 1,
        Kind::Order { step, .. } => 2 + step as usize,
        Kind::Erase => 6,
    }
}

/// A calm stream in order of (time, view < cart < order), and the same by source: orders, carts, and views keyed by user.
pub fn split(seed: u64, rules: &CountingRules) -> (Vec<Event>, Vec<Vec<Event>>) {
    let shape = shop::Shape { calm: true, ..shop::Shape::of(&naive_rules(rules)) };
    let mut events = shop::events(seed, EVENTS, &shape);
    events.sort_by_key(|event| (event.ts, rank(event)));
    let mut files = vec![Vec::new(); SOURCES.len()];
    for event in &events {
        let half = usize::from(event.user.bytes().last().unwrap() % 2 == 1);
        files[[2 + half, 1, 0][rank(event).min(2)]].push(event.clone());
    }
    (events, files)
}

pub fn shape(rules: &CountingRules, partitions: u32) -> Shape {
    Shape { sources: SOURCES.to_vec(), partitions, ..Shape::new(rules) }
}

fn forced(rig: &Rig) -> u64 {
    rig.pipeline.windows().iter().map(|stage| stage.work().forced()).sum()
}

#[test]
fn sources_read_in_any_order_count_as_the_merged_file() {
    for rules in [default_rules(), tiny_rules()] {
        for partitions in [1, 3] {
            for seed in shop::seeds(8) {
                let (events, files) = split(seed, &rules);
                let mut random = Random::new(seed);
                let block_entries = if random.chance(40) { 1 } else { 50 };
                let (resend, lazy) = (random.chance(30), random.chance(50).then_some((seed, 60)));
                let mut rig = Rig::open(&Shape { block_entries, resend, lazy, ..shape(&rules, partitions) }, &files);
                rig.feed_all(&mut random).unwrap();
                rig.rest().unwrap();
                let context = format!("{partitions} partitions, SAMENLOOP_SEED={seed}");
                assert_counts(&rig, &events, &naive_rules(&rules), &context);
                assert_eq!(forced(&rig), 0, "{context}");
            }
        }
    }
}

#[test]
fn a_source_far_ahead_waits_for_the_others() {
    let rules = default_rules();
    for seed in shop::seeds(8) {
        let (events, files) = split(seed, &rules);
        for first in 0..SOURCES.len() {
            let mut rig = Rig::open(&shape(&rules, 2), &files);
            while rig.feed(first).unwrap() {}
            rig.settle().unwrap();
            let released: u64 =
                rig.pipeline.windows().iter().flat_map(|stage| stage.work().tally().fates).flatten().sum();
            assert_eq!(released, 0, "nothing has been heard of the others, SAMENLOOP_SEED={seed}");
            rig.feed_all(&mut Random::new(seed)).unwrap();
            rig.rest().unwrap();
            assert_counts(&rig, &events, &naive_rules(&rules), &format!("{first} first, SAMENLOOP_SEED={seed}"));
        }
    }
}

#[test]
fn merging_is_needed() {
    let rules = default_rules();
    let (events, files) = split(0, &rules);
    let (mut merged, mut one_by_one) = (Recount::new(naive_rules(&rules)), Recount::new(naive_rules(&rules)));
    events.iter().for_each(|event| merged.event(event));
    files.iter().flatten().for_each(|event| one_by_one.event(event));
    let as_of = merged.latest();
    assert_ne!(merged.rows(as_of), one_by_one.rows(as_of), "file after file would count otherwise");
}

#[test]
fn a_full_merge_buffer_forces_and_counts_it_and_loses_nothing() {
    let rules = default_rules();
    for seed in shop::seeds(8) {
        let (events, files) = split(seed, &rules);
        let tiny = Shape { merge_bytes_max: 2_000, block_entries: 10, ..shape(&rules, 1) };
        let mut rig = Rig::open(&tiny, &files);
        while rig.feed(2).unwrap() {}
        rig.settle().unwrap();
        let held = rig.pipeline.windows()[0].work().bytes_by_kind();
        let bytes: usize = held.iter().filter(|(kind, _)| *kind == "merge").map(|(_, bytes)| bytes).sum();
        assert!(bytes <= 2_000, "{bytes} bytes held, SAMENLOOP_SEED={seed}");
        assert!(forced(&rig) > 10, "SAMENLOOP_SEED={seed}");
        rig.feed_all(&mut Random::new(seed)).unwrap();
        rig.rest().unwrap();
        let fates: u64 = rig.pipeline.windows()[0].work().tally().fates.iter().flatten().sum();
        assert_eq!(fates, events.len() as u64, "every event met a fate, SAMENLOOP_SEED={seed}");
        // What is forced is a function of the log: a stage that starts again gives the same.
        let before = rig.pair_entries();
        let told = forced(&rig);
        rig.lose("windows", 0).unwrap();
        rig.rest().unwrap();
        rig.pair_entries().assert_equal(&before, &format!("SAMENLOOP_SEED={seed}"));
        assert_eq!(forced(&rig), told, "SAMENLOOP_SEED={seed}");
    }
}

#[test]
fn live_sources_wait_for_nothing() {
    let rules = default_rules();
    let (events, files) = split(3, &rules);
    let mut rig = Rig::open(&shape(&rules, 1), &vec![Vec::new(); SOURCES.len()]);
    rig.end().unwrap(); // all at their ends: live from here
    let lines: Vec<_> = files.iter().flatten().map(|event| (crate::rig::line(event), None)).collect();
    rig.files[0] = lines; // one source goes on, the others are silent
    for n in 0..EVENTS {
        assert!(rig.feed(0).unwrap());
        rig.pipeline.flush().unwrap();
        let released: u64 = rig.pipeline.windows()[0].work().tally().fates.iter().flatten().sum();
        let rejected = rig.pipeline.intake_tally().rejected();
        assert_eq!(released + rejected, n as u64 + 1, "an event waits");
    }
    assert_eq!(events.len(), EVENTS);
}
