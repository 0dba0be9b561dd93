//! When lists are published: silent while history is read, then each once; later only what is news, and not too often.

use crate::recount::Event;
use crate::restarts::assert_all_is_news;
use crate::rig::{Rig, Shape, default_rules, line, naive_rules};
use crate::shop::{self, Random};
use samenloop::position::Partition;
use samenloop::rules::PublishRules;
use samenloop::stage::{Clocked, Log, RowsInput};
use std::collections::{BTreeMap, BTreeSet};

const HISTORY_MS: i64 = 6 * 3_600_000;
/// After all events.
const CLOCK_MS: i64 = 4_000_000_000_000;

fn events(seed: u64, count: usize) -> Vec<Event> {
    shop::events(seed, count, &shop::Shape::of(&naive_rules(&default_rules())))
}

/// Totals told.
fn totals(rig: &mut Rig) -> u64 {
    rig.pipeline.rows().iter().map(|stage| stage.work().tally().totals_told).sum()
}

/// Blocks on the events log.
fn blocks(rig: &mut Rig) -> u64 {
    rig.high(Log::Events, 0)
}

fn keys(rig: &mut Rig) -> Vec<String> {
    rig.pipeline.sink().lists.iter().map(|list| list.key.clone()).collect()
}

/// Old records in blocks of each size, the clock and flushes in between.
#[test]
fn while_a_source_reads_history_nothing_leaves_and_at_its_end_every_list_comes_once() {
    for (partitions, block_entries, count) in [(1, 1, 400), (3, 1, 400), (3, 50, 400), (3, 900, 3_000)] {
        let shape = Shape { partitions, block_entries, history_ms: Some(HISTORY_MS), ..Shape::new(&default_rules()) };
        let context = format!("{partitions} partitions, blocks of {block_entries}");
        let old = |event: &Event| (line(event), Some(CLOCK_MS - 10 * HISTORY_MS));
        let mut files: Vec<_> = events(5, count).iter().map(old).collect();
        if block_entries == 900 {
            files.iter_mut().for_each(|(_, timestamp_ms)| *timestamp_ms = None); // as of a file
        }
        let mut rig = Rig::over(&shape, shape.log(), vec![files]).unwrap();
        let mut now_ms = CLOCK_MS;
        rig.clock(now_ms).unwrap();
        while rig.feed(0).unwrap() {
            if block_entries < 900 && rig.fed[0].is_multiple_of(7) {
                now_ms += 400;
                rig.clock(now_ms).unwrap();
                rig.pipeline.flush().unwrap();
                if rig.fed[0].is_multiple_of(70) {
                    rig.pipeline.rest().unwrap();
                }
            }
            assert_eq!(totals(&mut rig), 0, "{context}: totals while history is read, after {}", rig.fed[0]);
            assert_eq!(keys(&mut rig), [""; 0], "{context}: lists while history is read");
        }
        rig.end().unwrap();
        rig.rest().unwrap();
        for _ in 0..3 {
            now_ms += 2_000;
            rig.clock(now_ms).unwrap();
        }
        let told = keys(&mut rig);
        let distinct: BTreeSet<&String> = told.iter().collect();
        assert!(told.len() > 10, "{context}: hardly any list");
        assert_eq!(distinct.len(), told.len(), "{context}: a list came twice");
        let all: BTreeSet<String> = rig.final_lists().into_keys().collect();
        assert_eq!(distinct.into_iter().cloned().collect::<BTreeSet<_>>(), all, "{context}: not every list came");
        assert!(partitions == 1 || totals(&mut rig) > 0, "{context}: no totals");
    }
}

/// At its end once, then a lag of more than `history`: an overload, not a history.
#[test]
fn a_mere_overload_silences_nothing_and_makes_no_block_a_record() {
    let shape = Shape { history_ms: Some(HISTORY_MS), ..Shape::new(&default_rules()) };
    let mut rig = Rig::over(&shape, shape.log(), vec![Vec::new()]).unwrap();
    rig.end().unwrap();
    rig.clock(CLOCK_MS).unwrap();
    rig.files[0] = events(6, 600).iter().map(|event| (line(event), Some(CLOCK_MS - 2 * HISTORY_MS))).collect();
    let before = blocks(&mut rig);
    while rig.feed(0).unwrap() {}
    let (made, want) = (blocks(&mut rig) - before, 600 / 50);
    assert!((want - 1..want + 5).contains(&made), "{made} blocks for 600 records, {want} are full");
    rig.pipeline.flush().unwrap();
    rig.clock(CLOCK_MS + 2_000).unwrap();
    assert!(keys(&mut rig).len() > 10, "lists go on");
}

#[test]
fn records_are_news_and_no_more_often_than_the_interval_and_the_rest_is_counted() {
    const SEEDS: u64 = 6;
    let (mut tombstones, mut suppressed) = (0, 0);
    for partitions in [1, 3] {
        for seed in shop::seeds(SEEDS) {
            let context = format!("{partitions} partitions, SAMENLOOP_SEED={seed}");
            let shape = Shape { partitions, ..Shape::new(&default_rules()) };
            let mut rig = Rig::open(&shape, &[events(seed, 500)]);
            let (mut random, mut now_ms) = (Random::new(seed), CLOCK_MS);
            while rig.feed(0).unwrap() {
                now_ms += i64::try_from(random.skewed(1_500)).unwrap();
                rig.pipeline.flush().unwrap();
                rig.clock(now_ms).unwrap();
            }
            rig.end().unwrap();
            rig.rest().unwrap();
            let lists = std::mem::take(&mut rig.pipeline.sink().lists);
            assert_all_is_news(&lists, &context);
            let mut last: BTreeMap<&str, i64> = BTreeMap::new();
            for list in &lists {
                let before = last.insert(&list.key, list.at_ms);
                let waited = before.map_or(i64::MAX, |before| list.at_ms - before);
                assert!(waited >= shape.publish.min_interval_ms, "{context}: {} again after {waited} ms", list.key);
            }
            let (mut published, mut gone) = (0, 0);
            for stage in rig.pipeline.rows() {
                let tally = stage.work().tally();
                published += tally.published.iter().sum::<u64>();
                gone += tally.tombstones.iter().sum::<u64>();
                suppressed += tally.suppressed.iter().sum::<u64>();
            }
            let heard_gone = lists.iter().filter(|list| list.tombstone).count() as u64;
            assert_eq!((published, gone), (lists.len() as u64 - heard_gone, heard_gone), "{context}");
            tombstones += gone;
        }
    }
    let is_tried = tombstones > 0 && suppressed > 100;
    assert!(is_tried || !shop::all_are_tried(SEEDS), "{tombstones} tombstones, {suppressed} suppressed: not tried");
}

#[test]
fn by_the_events_clock_the_same_holds() {
    for partitions in [1, 3] {
        for seed in shop::seeds(6) {
            let shape = Shape { partitions, clocked: Clocked::Events, ..Shape::new(&default_rules()) };
            let mut rig = Rig::open(&shape, &[events(seed, 500)]);
            while rig.feed(0).unwrap() {
                rig.pipeline.flush().unwrap();
            }
            rig.end().unwrap();
            rig.rest().unwrap();
            let lists = std::mem::take(&mut rig.pipeline.sink().lists);
            assert!(lists.len() > 100, "{} lists", lists.len());
            assert_all_is_news(&lists, &format!("{partitions} partitions, SAMENLOOP_SEED={seed}"));
            // At rest, what was told last of each key is what stands.
            let mut last = BTreeMap::new();
            for list in &lists {
                last.insert(list.key.clone(), list.shown().into_iter().map(|(item, _)| item).collect::<Vec<_>>());
            }
            last.retain(|_, shown| !shown.is_empty());
            let shown = |record: &serde_json::Value| -> Vec<String> {
                let entries = record["entries"].as_array().unwrap();
                entries.iter().map(|e| e["item"].as_str().unwrap().to_owned()).collect()
            };
            let stands: BTreeMap<_, _> =
                rig.final_lists().iter().map(|(key, list)| (key.clone(), shown(list))).collect();
            assert_eq!(last, stands, "{partitions} partitions, SAMENLOOP_SEED={seed}");
        }
    }
}

#[test]
fn totals_known_to_a_restarted_partition_are_those_that_the_others_told() {
    let shape = Shape { partitions: 3, ..Shape::new(&default_rules()) };
    let mut rig = Rig::open(&shape, &[events(8, 500)]);
    while rig.feed(0).unwrap() {}
    rig.end().unwrap();
    rig.rest().unwrap();
    let before = rig.final_lists();
    for partition in 0..3 {
        rig.lose("rows", partition).unwrap();
        for of in 0..3 {
            let next = rig.pipeline.rows()[partition as usize].next(RowsInput::Totals(Partition(of)));
            assert_eq!(next.0, rig.high(Log::Totals, of), "all totals read");
        }
        // Before anybody tells anything again, a list stands as it stood: b and N of other partitions are known.
        assert_eq!(rig.final_lists(), before, "after the restart of partition {partition}");
    }
}

/// Nobody tells the pipeline to rest: the clock alone does.
#[test]
fn without_input_for_a_while_exact_totals_go_out_and_every_row_is_ranked_once() {
    for partitions in [1, 3] {
        let rules = PublishRules { sweep_ms: i64::MAX, total_step_milli: 900, ..PublishRules::default() };
        let shape = Shape { partitions, publish: rules, ..Shape::new(&default_rules()) };
        let old = |event: &Event| (line(event), Some(CLOCK_MS));
        let mut rig = Rig::over(&shape, shape.log(), vec![events(9, 600).iter().map(old).collect()]).unwrap();
        rig.clock(CLOCK_MS).unwrap();
        // Told again and again meanwhile: what moves a total by less than a step, only rest tells.
        let mut now_ms = CLOCK_MS;
        while rig.feed(0).unwrap() {
            if rig.fed[0].is_multiple_of(5) {
                now_ms += 300;
                rig.pipeline.flush().unwrap();
                rig.clock(now_ms).unwrap();
            }
        }
        rig.end().unwrap();
        let ranked = |rig: &Rig| -> u64 {
            rig.pipeline.rows().iter().map(|stage| stage.work().tally().ranked.iter().sum::<u64>()).sum()
        };
        let mut tick = |rig: &mut Rig, step_ms: i64| {
            now_ms += step_ms;
            rig.pipeline.flush().unwrap();
            rig.clock(now_ms).unwrap();
            ranked(rig)
        };
        tick(&mut rig, 2_000);
        let (before, told) = (tick(&mut rig, 5_000), totals(&mut rig));
        assert_eq!(tick(&mut rig, 1_000), before, "nothing has changed, and rest has not come");
        for _ in 0..20 {
            tick(&mut rig, 2_000);
        }
        let rows: usize = rig.pipeline.rows().iter().map(|stage| stage.work().rows().stats().rows).sum();
        let swept = ranked(&rig) - before;
        assert!(swept >= rows as u64, "{partitions} partitions: {swept} ranked of {rows} rows");
        assert!(partitions == 1 || totals(&mut rig) > told, "no exact totals");
        assert_eq!(tick(&mut rig, 60_000), before + swept, "rest comes once");
    }
}
