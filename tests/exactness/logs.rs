//! Blocks sent twice, cut at one record, and read in any order: no count changes.

use crate::recount::Kind;
use crate::rig::{Rig, Shape, assert_counts, default_rules, line, naive_rules, tiny_rules};
use crate::shop::{self, Random};
use samenloop::drive::{Kept, Topic};
use samenloop::position::Partition;
use samenloop::rules::CountingRules;
use samenloop::stage::Log;
use samenloop::wire::{EventsBlock, Kind as BlockKind, PairsBlock, kind_of};

const EVENTS: usize = 400;

/// Counts the events of each seed through all stages and compares with the recount at `cuts` points.
fn check(rules: &CountingRules, seeds: u64, cuts: usize, shape: impl Fn(u64, &mut Random) -> Shape) {
    let naive = naive_rules(rules);
    for seed in shop::seeds(seeds) {
        let mut random = Random::new(seed);
        let events = shop::events(seed, EVENTS, &shop::Shape::of(&naive));
        let mut rig = Rig::open(&shape(seed, &mut random), std::slice::from_ref(&events));
        for n in 1..=EVENTS {
            assert!(rig.feed(0).unwrap());
            if n % (EVENTS / cuts) == 0 {
                rig.settle().unwrap();
                assert_counts(&rig, &events[..n], &naive, &format!("after {n} events, SAMENLOOP_SEED={seed}"));
            }
        }
        rig.end().unwrap();
        rig.rest().unwrap();
        assert_counts(&rig, &events, &naive, &format!("at rest, SAMENLOOP_SEED={seed}"));
    }
}

/// All four ways to cut and resend, on 1, 2, 3 and 7 partitions, in order and in any order.
fn check_ways(rules: &CountingRules, seeds: u64) {
    for partitions in [1, 2, 3, 7] {
        for (cut, resend) in [(false, false), (true, false), (false, true), (true, true)] {
            for is_lazy in [false, true] {
                check(rules, seeds, 4, |seed, _| Shape {
                    partitions,
                    block_entries: if cut { 1 } else { 50 },
                    resend,
                    lazy: is_lazy.then_some((seed, 70)),
                    ..Shape::new(rules)
                });
            }
        }
    }
}

#[test]
fn blocks_sent_twice_cut_at_one_record_or_read_in_any_order_change_no_count() {
    check_ways(&default_rules(), 2);
}

#[test]
fn nor_do_they_with_tiny_limits() {
    check_ways(&tiny_rules(), 3);
}

#[test]
fn counts_equal_the_recount_at_many_cuts_whatever_the_shape_of_the_logs() {
    let rules = tiny_rules();
    check(&rules, 40, 20, |seed, random| Shape {
        partitions: u32::try_from(random.below(7)).unwrap() + 1,
        block_entries: if random.chance(50) { 1 } else { 50 },
        resend: random.chance(50),
        lazy: random.chance(50).then_some((seed, 90)),
        ..Shape::new(&rules)
    });
}

#[test]
fn a_log_sent_twice_is_told_in_the_tally_of_duplicates() {
    let rules = default_rules();
    let events = shop::events(1, EVENTS, &shop::Shape::of(&naive_rules(&rules)));
    for resend in [false, true] {
        let mut rig = Rig::open(&Shape { resend, ..Shape::new(&rules) }, std::slice::from_ref(&events));
        rig.feed_all(&mut Random::new(1)).unwrap();
        rig.rest().unwrap();
        let windows = rig.pipeline.windows()[0].work().tally().ledger_duplicates;
        let rows = rig.pipeline.rows()[0].work().tally().ledger_duplicates;
        let accepted: u64 = rig.pipeline.intake_tally().accepted.iter().sum();
        let (deltas, _) = rig.pipeline.windows()[0].work().appended();
        assert_eq!((windows, rows), if resend { (accepted, deltas) } else { (0, 0) });
    }
}

/// A paused owner that wakes up: two pipelines write the same logs, their blocks cut at other places, so that sections
/// overlap in part.
#[test]
fn two_writers_at_once_count_once() {
    for rules in [default_rules(), tiny_rules()] {
        let naive = naive_rules(&rules);
        for seed in shop::seeds(10) {
            let mut random = Random::new(seed);
            let events = shop::events(seed, EVENTS, &shop::Shape::of(&naive));
            let partitions = u32::try_from(random.below(3)).unwrap() + 1;
            let shape = |block_entries| Shape { partitions, block_entries, ..Shape::new(&rules) };
            let log = shape(1).log();
            let lines: Vec<_> = events.iter().map(|event| (line(event), None)).collect();
            let open = |entries, log| Rig::over(&shape(entries), log, vec![lines.clone()]).unwrap();
            let mut both = [open(7, log.clone()), open(11, log.apart("other."))];
            let source = Topic::Source("shop".into());
            for (line, _) in &lines {
                let kept = Kept { value: Some(line.as_bytes().to_vec()), ..Kept::default() };
                log.with(&source, Partition(0), |held| held.push(kept));
                let rig = &mut both[usize::try_from(random.below(2)).unwrap()];
                if random.below(40) == 0 {
                    rig.pipeline.take_in().unwrap();
                }
                if random.below(200) == 0 {
                    rig.settle().unwrap();
                }
            }
            for rig in &mut both {
                rig.end().unwrap();
                rig.settle().unwrap();
            }
            // Lists have one owner: the one whose claim came last.
            let context = format!("{partitions} partitions, SAMENLOOP_SEED={seed}");
            let [first, last] = &mut both;
            assert_eq!(first.pipeline.rows().len(), 0, "{context}: overtaken");
            last.rest().unwrap();
            assert_counts(last, &events, &naive, &context);
            for partition in 0..partitions {
                last.lose("rows", partition).unwrap();
            }
            assert_counts(last, &events, &naive, &format!("{context}, read again"));
            assert!(both[0].pair_entries().again > 50, "{context}: hardly anything was written twice");
        }
    }
}

/// Orders of up to a hundred lines among views: none may take a block past its limit that has something in it already.
#[test]
fn a_block_stays_within_its_limit_unless_one_entry_is_larger() {
    const LIMIT: usize = 1_500;
    let rules = default_rules();
    let mut events = shop::events(2, EVENTS, &shop::Shape::of(&naive_rules(&rules)));
    for (n, event) in events.iter_mut().enumerate() {
        if let Kind::Order { lines, .. } = &mut event.kind {
            lines.extend((0..(n * 7) % 100).map(|line| format!("item number {line} of order {n}")));
        }
    }
    let mut rig = Rig::open(&Shape { block_bytes: LIMIT, block_entries: 10_000, ..Shape::new(&rules) }, &[events]);
    rig.feed_all(&mut Random::new(1)).unwrap();
    rig.rest().unwrap();
    for log in [Log::Events, Log::Pairs] {
        let (mut larger, mut near) = (0, 0);
        rig.each_block(log, |_, bytes| {
            let entries = match kind_of(bytes).unwrap() {
                BlockKind::Events => EventsBlock::decode(bytes).unwrap().entries.len(),
                BlockKind::Pairs => PairsBlock::decode(bytes).unwrap().entries.len(),
                _ => return,
            };
            assert!(bytes.len() <= LIMIT || entries == 1, "{log:?}: {} bytes, {entries} entries", bytes.len());
            larger += usize::from(bytes.len() > LIMIT);
            near += usize::from(entries > 1 && bytes.len() > LIMIT / 2);
        });
        assert!(larger > 3 && near > 3, "{log:?}: {larger} larger ones, {near} near the limit: not tried");
    }
}
