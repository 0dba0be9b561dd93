//! Records that give several events, for users on several partitions: a record cut over blocks, sent twice, read again after a
//! crash of which each partition kept another part, and the counts are those of the single events.

use crate::recount::Event;
use crate::rig::{Entries, Rig, Shape, assert_counts, default_rules, line, naive_rules, tiny_rules};
use crate::shop::{self, Random};
use samenloop::drive::Topic;
use samenloop::position::{NextOffset, Partition};
use samenloop::stage::Log;

const EVENTS: usize = 400;
/// Seeds of crashes.
const CRASHES: u64 = 30;

/// Unpacks a batch, and passes over what is noise in it.
const UNPACK: &str = ".batch[] | select(.noise | not)";

type Lines = Vec<(String, Option<i64>)>;

/// The events in batches of none to 30, with noise and values that are no events between them.
fn batches(events: &[Event], random: &mut Random) -> Lines {
    let mut lines = Vec::new();
    let mut rest = events;
    while !rest.is_empty() {
        let size = usize::try_from(random.skewed(31)).unwrap().min(rest.len());
        let (batch, left) = rest.split_at(size);
        rest = left;
        let mut values: Vec<String> = batch.iter().map(line).collect();
        for (percent, value) in [(30, r#"{"noise":1}"#), (20, r#"{"type":"view"}"#), (10, r#"{"type":"wish"}"#)] {
            if random.chance(percent) {
                let place = usize::try_from(random.below(values.len() as u64 + 1)).unwrap();
                values.insert(place, value.to_owned());
            }
        }
        lines.push((format!("{{\"batch\":[{}]}}", values.join(",")), None));
    }
    lines
}

fn shape(partitions: u32, block_entries: usize, rules: &samenloop::rules::CountingRules) -> Shape {
    Shape { partitions, block_entries, transform: Some(UNPACK), ..Shape::new(rules) }
}

#[test]
fn events_of_one_record_count_once_however_blocks_are_cut_sent_and_read() {
    for rules in [default_rules(), tiny_rules()] {
        let naive = naive_rules(&rules);
        for seed in shop::seeds(10) {
            let mut random = Random::new(seed);
            let events = shop::events(seed, EVENTS, &shop::Shape::of(&naive));
            let lines = batches(&events, &mut random);
            let block_entries = [1, 2, 3, 50][usize::try_from(random.below(4)).unwrap()];
            let shape = Shape {
                resend: random.chance(50),
                lazy: random.chance(50).then_some((seed, 70)),
                block_bytes: if random.chance(50) { 400 } else { 1 << 19 },
                ..shape([1, 3, 7][usize::try_from(random.below(3)).unwrap()], block_entries, &rules)
            };
            let mut rig = Rig::over(&shape, shape.log(), vec![lines]).unwrap();
            while rig.feed(0).unwrap() {
                if random.chance(10) {
                    let partition = u32::try_from(random.below(u64::from(shape.partitions))).unwrap();
                    rig.restart(random.below(4), partition).unwrap();
                }
            }
            rig.end().unwrap();
            rig.rest().unwrap();
            assert_counts(&rig, &events, &naive, &format!("{shape:?}, SAMENLOOP_SEED={seed}"));
        }
    }
}

/// A crash leaves of each partition of the log what had been acknowledged of it: any number of its blocks.
#[test]
fn a_record_of_which_each_partition_holds_another_part_is_completed_and_not_repeated() {
    let rules = default_rules();
    let naive = naive_rules(&rules);
    let mut inside = 0;
    for seed in shop::seeds(CRASHES) {
        let mut random = Random::new(seed);
        let events = shop::events(seed, EVENTS, &shop::Shape::of(&naive));
        let lines = batches(&events, &mut random);
        let shape = shape(3, [1, 2, 5][usize::try_from(random.below(3)).unwrap()], &rules);
        let calm = |lines: &Lines| -> Rig {
            let mut rig = Rig::over(&shape, shape.log(), vec![lines.clone()]).unwrap();
            while rig.feed(0).unwrap() {}
            rig.settle().unwrap();
            rig
        };
        let mut whole = calm(&lines);
        let want = whole.event_entries();
        let half = calm(&lines[..lines.len() / 2].to_vec());
        let log = half.pipeline.log().clone();
        drop(half);
        for partition in 0..shape.partitions {
            // The opening mark and, of partition 0, the founding one stay: nothing was written before them.
            log.with(&Topic::Log(Log::Events), Partition(partition), |held| {
                let kept = 2 + random.below(held.records().len() as u64 - 1);
                held.cut(NextOffset(kept));
            });
        }
        for log_behind in [Log::Pairs, Log::Totals, Log::Lists] {
            for partition in 0..shape.partitions {
                log.with(&Topic::Log(log_behind), Partition(partition), |held| held.cut(NextOffset(0)));
            }
        }
        inside += parted(&log);
        let mut rig = Rig::over(&shape, log, vec![lines]).unwrap();
        while rig.feed(0).unwrap() {}
        rig.end().unwrap();
        rig.rest().unwrap();
        let context = format!("SAMENLOOP_SEED={seed}");
        let got: Entries = rig.event_entries();
        got.assert_equal(&want, &context);
        assert_counts(&rig, &events, &naive, &context);
    }
    assert!(
        inside >= 10 || !shop::all_are_tried(CRASHES),
        "only {inside} crashes in the middle of a record: not tried"
    );
}

/// Whether a partition's last block ends within a record.
fn parted(log: &samenloop::drive::MemoryLog) -> usize {
    let mut ends = std::collections::BTreeMap::new();
    crate::rig::each_block(log, Log::Events, |partition, bytes| {
        for section in samenloop::wire::EventsBlock::decode(bytes).unwrap().sections {
            ends.insert(partition, section.head.span.to);
        }
    });
    usize::from(ends.values().any(|end| end.index > 0))
}
