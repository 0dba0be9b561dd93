//! Snapshots of an owner that was overtaken, and published late: right in themselves, but the logs need not hold any more what lies behind them.

use crate::house::House;
use crate::recount::Recount;
use crate::rig::{Shape, counts, default_rules, difference, naive_rules};
use crate::shop;
use samenloop::config::Start;
use samenloop::drive::{Snapshots, Topic};
use samenloop::position::Partition;
use samenloop::snapshot::{Encoder, Head, Reader, SnapshotStore};
use samenloop::stage::Log;

fn snapshots() -> Snapshots {
    let store = SnapshotStore::open("memory:").unwrap();
    let store_id = store.id().unwrap();
    let (scope, instance) = ("house".into(), "one".into());
    Snapshots { store, scope, store_id, interval_ms: 5_000, keep: 2, keep_events_ms: None, instance, is_inline: true }
}

/// Writes the snapshot of that place, newest first, again, with another head.
fn change_head(kept: &Snapshots, stage: &str, place: usize, change: impl FnOnce(&mut Head)) {
    let found = kept.store.newest(&kept.scope, stage, 0).unwrap().remove(place);
    let (mut head, mut reader) = Reader::open(kept.store.read(&found.name).unwrap()).unwrap();
    change(&mut head);
    let (mut encoder, mut bytes) = Encoder::head(&head).unwrap();
    let mut chunk = Vec::new();
    while reader.next_chunk(&mut chunk).unwrap().is_some() {
        encoder.chunk(&chunk, &mut bytes).unwrap();
    }
    encoder.finish(&mut bytes);
    let mut writing = kept.store.write(&kept.scope, stage, 0, found.offset).unwrap();
    writing.put(&bytes).unwrap();
    writing.publish().unwrap();
}

/// As an owner would have published it that had not read on in totals: their start is trimmed since.
fn is_late(head: &mut Head) {
    head.epoch = Some(0);
    let totals = head.inputs.iter_mut().find(|(log, ..)| log == "totals").unwrap();
    totals.2 = 0;
}

fn low(house: &House, log: Log) -> u64 {
    house.log.bounds(&Topic::Log(log), Partition(0)).unwrap().low.0
}

#[test]
fn a_start_passes_over_a_late_snapshot_and_what_is_kept_rests_on_none() {
    let shape = Shape { partitions: 1, block_entries: 8, ..Shape::new(&default_rules()) };
    let (kept, naive) = (snapshots(), naive_rules(&shape.rules));
    let mut house = House::open_keeping(Start::Earliest, &shape, 1, false, Some(kept.clone()));
    let events = shop::events(5, 900, &shop::Shape::of(&naive));
    let (first, then) = events.split_at(600);
    for (number, events) in first.chunks(12).enumerate() {
        events.iter().for_each(|event| house.feed(event));
        house.rounds(1);
        if number == 10 {
            house.instances[0].restart().unwrap(); // overtakes its own first epoch
        }
    }
    assert!(low(&house, Log::Totals) > 0 && low(&house, Log::Pairs) > 0, "nothing is trimmed: not tried");
    let offsets =
        || kept.store.newest(&kept.scope, "rows", 0).unwrap().iter().map(|found| found.offset).collect::<Vec<_>>();
    let [late, good] = offsets()[..] else { panic!("{:?}: two are kept", offsets()) };
    change_head(&kept, "rows", 0, is_late);
    house.instances[0].restart().unwrap();
    let mut are_kept_beside = 0;
    for events in then.chunks(12) {
        events.iter().for_each(|event| house.feed(event));
        house.rounds(1);
        if let [_, second, third] = offsets()[..] {
            assert_eq!(
                [second, third],
                [late, good],
                "the late one does not count, and is no reason to remove a good one"
            );
            are_kept_beside += 1;
        }
    }
    assert!(are_kept_beside > 0, "not tried: {:?}", offsets());
    house.rounds(20);
    let mut recount = Recount::new(naive);
    events.iter().for_each(|event| recount.event(event));
    let as_of = recount.latest();
    assert_eq!(difference(&recount.rows(as_of), &counts(&house.instances, as_of)), None);

    // Where there are none but such ones, what is missing is said.
    for place in 0..kept.store.newest(&kept.scope, "rows", 0).unwrap().len() {
        change_head(&kept, "rows", place, is_late);
    }
    let refusal = house.instances[0].restart().map(|_| ()).unwrap_err().to_string();
    let start = format!("totals-0 starts at offset {}, but is needed from 0 on", low(&house, Log::Totals));
    assert!(refusal.contains(&start), "{refusal}");
}

/// All newer ones are damaged: an older one that the log has been trimmed behind helps no further, and is not what is said to be wrong.
#[test]
fn a_snapshot_behind_which_its_own_log_is_trimmed_is_passed_over_and_what_is_missing_is_said() {
    let shape = Shape { partitions: 1, block_entries: 8, ..Shape::new(&default_rules()) };
    for (stage, log) in [("windows", Log::Events), ("rows", Log::Pairs)] {
        let kept = snapshots();
        let mut house = House::open_keeping(Start::Earliest, &shape, 1, false, Some(kept.clone()));
        let mut oldest = None;
        for events in shop::events(5, 600, &shop::Shape::of(&naive_rules(&shape.rules))).chunks(12) {
            events.iter().for_each(|event| house.feed(event));
            house.rounds(1);
            let found = kept.store.newest(&kept.scope, stage, 0).unwrap();
            if let (None, Some(found)) = (&oldest, found.last()) {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut kept.store.read(&found.name).unwrap(), &mut bytes).unwrap();
                oldest = Some((found.offset, bytes));
            }
        }
        let (offset, bytes) = oldest.unwrap();
        assert!(low(&house, log) > offset, "not trimmed so far: not tried");
        for found in kept.store.newest(&kept.scope, stage, 0).unwrap() {
            kept.store.remove(&found.name).unwrap();
        }
        let mut writing = kept.store.write(&kept.scope, stage, 0, offset).unwrap();
        writing.put(&bytes).unwrap();
        writing.publish().unwrap();
        let refusal = house.instances[0].restart().map(|_| ()).unwrap_err().to_string();
        let lost = format!("starts at offset {}, but is needed from", low(&house, log));
        assert!(refusal.contains(&lost) && refusal.contains("that no snapshot covers"), "{refusal}");
    }
}
