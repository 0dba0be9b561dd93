//! Stages dropped in the middle and opened on what the logs hold: the counts, the logs' content and the final lists are
//! those of the calm run, and subscribers are told nothing that they know.

use crate::recount::Event;
use crate::rig::{Published, Rig, Shape, assert_counts, default_rules, naive_rules, tiny_rules};
use crate::shop::{self, Random};
use std::collections::BTreeMap;

const EVENTS: usize = 400;
/// After all events, so that none is corrected.
const CLOCK_MS: i64 = 4_000_000_000_000;
const WINDOWS: u64 = 0;
const ROWS: u64 = 1;
const INTAKE: u64 = 2;
const ALL: u64 = 3;

/// Runs the events of `seed`, with the clock moving on; before each event `restart` may do something.
fn run(shape: &Shape, events: &[Event], mut restart: impl FnMut(usize, &mut Rig)) -> Rig {
    let mut rig = Rig::open(shape, std::slice::from_ref(&events.to_vec()));
    let mut now_ms = CLOCK_MS;
    let mut turn = 0;
    loop {
        restart(turn, &mut rig);
        if !rig.feed(0).unwrap() {
            break;
        }
        turn += 1;
        if turn % 3 == 0 {
            now_ms += 700;
            rig.clock(now_ms).unwrap();
        }
        if turn % 10 == 0 {
            rig.pipeline.flush().unwrap();
        }
    }
    rig.end().unwrap();
    rig.rest().unwrap();
    rig.clock(now_ms + 10_000).unwrap(); // what was still cooling
    rig.rest().unwrap();
    rig
}

/// No record says what its key's record before it said, and stamps rise.
pub fn assert_all_is_news(lists: &[Published], context: &str) {
    let mut last: BTreeMap<&str, &Published> = BTreeMap::new();
    for list in lists {
        let before = last.insert(&list.key, list);
        let (old, new) = (before.map(Published::shown).unwrap_or_default(), list.shown());
        let same_items = old.iter().map(|e| &e.0).eq(new.iter().map(|e| &e.0));
        let moved = old.iter().zip(&new).any(|(old, new)| (old.1 - new.1).abs() > 1.0 - 1e-9);
        assert!(!same_items || moved, "{context}: {} is told again: {new:?}", list.key);
        assert_eq!(list.tombstone, new.is_empty(), "{context}: {}", list.key);
        if let Some(before) = before {
            assert!(before.stamp() < list.stamp(), "{context}: {:?} after {:?}", list.stamp(), before.stamp());
        }
    }
}

/// Shown items and scores of every list.
fn gist(lists: &BTreeMap<String, serde_json::Value>) -> BTreeMap<&str, Vec<(&str, f64)>> {
    lists
        .iter()
        .map(|(key, record)| {
            let entries = record["entries"].as_array().unwrap();
            let shown = entries.iter().map(|e| (e["item"].as_str().unwrap(), e["score"].as_f64().unwrap()));
            (key.as_str(), shown.collect())
        })
        .collect()
}

/// Scores to 0.01: f32 sums depend a little on the order of blocks.
fn assert_same_lists(
    want: &BTreeMap<String, serde_json::Value>,
    got: &BTreeMap<String, serde_json::Value>,
    context: &str,
) {
    let (want, got) = (gist(want), gist(got));
    assert!(want.keys().eq(got.keys()), "{context}: other lists");
    for (key, want) in want {
        let got = &got[key];
        let near = want.iter().zip(got).all(|(w, g)| w.0 == g.0 && (w.1 - g.1).abs() < 0.01);
        assert!(near && want.len() == got.len(), "{context}: {key}\nwant {want:?}\n got {got:?}");
    }
}

struct Case {
    kinds: &'static [u64],
    partitions: u32,
    seeds: u64,
}

/// Restarts of the given kinds at some six random points.
fn check(case: &Case) {
    for rules in [default_rules(), tiny_rules()] {
        let naive = naive_rules(&rules);
        for seed in shop::seeds(case.seeds) {
            let mut random = Random::new(seed);
            let events = shop::events(seed, EVENTS, &shop::Shape::of(&naive));
            let calm_shape = Shape { partitions: case.partitions, ..Shape::new(&rules) };
            let shape = Shape {
                block_entries: if random.chance(30) { 1 } else { 50 },
                lazy: random.chance(50).then_some((seed, 60)),
                ..calm_shape.clone()
            };
            let mut calm = run(&Shape { block_entries: shape.block_entries, ..calm_shape }, &events, |_, _| {});
            let context =
                format!("restarts of {:?}, {} partitions, SAMENLOOP_SEED={seed}", case.kinds, case.partitions);
            let mut restarts = 0;
            let mut rig = run(&shape, &events, |_, rig| {
                if random.below(60) == 0 {
                    restarts += 1;
                    let kind = case.kinds[usize::try_from(random.below(case.kinds.len() as u64)).unwrap()];
                    let partition = u32::try_from(random.below(u64::from(case.partitions))).unwrap();
                    rig.restart(kind, partition).unwrap();
                }
            });
            assert_counts(&rig, &events, &naive, &format!("{context}, {restarts} restarts"));
            assert_logs(&mut calm, &mut rig, &context);
            assert_all_is_news(&calm.pipeline.sink().lists, &context);
            assert_all_is_news(&rig.pipeline.sink().lists, &context);
            let want = calm.final_lists();
            assert!(want.len() > 10, "{context}: hardly any list");
            assert_same_lists(&want, &rig.final_lists(), &context);
        }
    }
}

/// Nothing stands on a log twice, and what stands there is what the calm run put there.
fn assert_logs(calm: &mut Rig, rig: &mut Rig, context: &str) {
    rig.event_entries().assert_equal(&calm.event_entries(), context);
    let (want, got) = (calm.pair_entries(), rig.pair_entries());
    assert_eq!(got.again, 0, "{context}: pairs appended again");
    // Blocks of events are cut elsewhere, so the positions of what follows from them differ, but not what it is.
    let texts = |entries: &crate::rig::Entries| -> Vec<String> {
        let mut all: Vec<String> = entries.by_position.values().cloned().collect();
        all.sort_unstable();
        all
    };
    assert!(texts(&want) == texts(&got), "{context}: other pairs");
}

#[test]
fn windows_restarted_in_the_middle_append_nothing_again() {
    for partitions in [1, 3] {
        check(&Case { kinds: &[WINDOWS], partitions, seeds: 6 });
    }
}

#[test]
fn rows_restarted_in_the_middle_count_the_same_and_publish_nothing_again() {
    for partitions in [1, 3] {
        check(&Case { kinds: &[ROWS], partitions, seeds: 6 });
    }
}

#[test]
fn intake_restarted_in_the_middle_goes_on_where_every_partition_has_everything() {
    for partitions in [1, 3] {
        check(&Case { kinds: &[INTAKE], partitions, seeds: 6 });
    }
}

#[test]
fn everything_restarted_again_and_again_ends_as_the_calm_run() {
    for partitions in [1, 2, 7] {
        check(&Case { kinds: &[WINDOWS, ROWS, INTAKE, ALL], partitions, seeds: 6 });
    }
}

#[test]
fn a_rows_stage_that_restarts_at_rest_publishes_nothing_and_then_under_a_higher_epoch() {
    for partitions in [1, 3] {
        let rules = default_rules();
        let events = shop::events(4, EVENTS, &shop::Shape::of(&naive_rules(&rules)));
        let mut rig = run(&Shape { partitions, ..Shape::new(&rules) }, &events[..EVENTS - 100], |_, _| {});
        let told = rig.pipeline.sink().lists.len();
        let epochs = |rig: &mut Rig, from: usize| -> Vec<u64> {
            rig.pipeline.sink().lists[from..].iter().map(|list| list.stamp().0).collect()
        };
        assert!(told > 0 && epochs(&mut rig, 0).iter().all(|&epoch| epoch == 0));
        for partition in 0..partitions {
            rig.restart(ROWS, partition).unwrap();
        }
        rig.rest().unwrap();
        rig.clock(CLOCK_MS + 100_000_000).unwrap();
        rig.rest().unwrap();
        assert_eq!(rig.pipeline.sink().lists.len(), told, "subscribers know all of it");
        for event in &events[EVENTS - 100..] {
            rig.files[0].push((crate::rig::line(event), None));
            rig.feed(0).unwrap();
        }
        rig.rest().unwrap();
        rig.clock(CLOCK_MS + 200_000_000).unwrap();
        let later = epochs(&mut rig, told);
        assert!(!later.is_empty() && later.iter().all(|&epoch| epoch > 0), "{later:?}");
        assert_all_is_news(&rig.pipeline.sink().lists, "after the restart");
    }
}
