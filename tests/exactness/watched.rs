//! What is shown of snapshots while they are taken, damaged and started from.

use crate::house::House;
use crate::rig::{Shape, default_rules, naive_rules};
use crate::shop;
use samenloop::config::Start;
use samenloop::drive::{Snapshots, Topic};
use samenloop::position::Partition;
use samenloop::snapshot::SnapshotStore;
use samenloop::stage::Log;
use std::collections::BTreeMap;
use std::io::Read as _;

const INTERVAL_MS: i64 = 5_000;

fn snapshots() -> Snapshots {
    let store = SnapshotStore::open("memory:").unwrap();
    let store_id = store.id().unwrap();
    let (scope, instance) = ("house".into(), "one".into());
    Snapshots {
        store,
        scope,
        store_id,
        interval_ms: INTERVAL_MS,
        keep: 2,
        keep_events_ms: None,
        instance,
        is_inline: true,
    }
}

/// The value of a series, by its name and labels without the prefix that all have.
fn shown(house: &mut House, series: &str) -> Option<f64> {
    let instance = &mut house.instances[0];
    instance.look();
    let text = instance.metrics().render(0, 0, instance.health()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("samenloop_{series} ")))?;
    Some(line.parse().unwrap())
}

fn of_rows(name: &str) -> String {
    format!("{name}{{partition=\"0\",stage=\"rows\"}}")
}

/// Cuts the newest snapshot of rows in two.
fn tear(snapshots: &Snapshots) {
    let newest = snapshots.store.newest(&snapshots.scope, "rows", 0).unwrap().remove(0);
    let mut bytes = Vec::new();
    snapshots.store.read(&newest.name).unwrap().read_to_end(&mut bytes).unwrap();
    let mut writing = snapshots.store.write(&snapshots.scope, "rows", 0, newest.offset).unwrap();
    writing.put(&bytes[..bytes.len() / 2]).unwrap();
    writing.publish().unwrap();
}

#[test]
fn who_watches_sees_how_old_snapshots_are_what_a_start_went_by_and_what_was_trimmed() {
    let shape = Shape { partitions: 1, block_entries: 8, ..Shape::new(&default_rules()) };
    let kept = snapshots();
    let mut house = House::open_keeping(Start::Earliest, &shape, 1, false, Some(kept.clone()));
    for event in shop::events(5, 600, &shop::Shape::of(&naive_rules(&shape.rules))).chunks(12) {
        event.iter().for_each(|event| house.feed(event));
        house.rounds(1);
    }
    assert_eq!(shown(&mut house, "snapshot_interval_seconds"), Some(5.0));
    let (age, unsaved) = (of_rows("snapshot_age_seconds"), of_rows("snapshot_unsaved_records"));
    assert!(shown(&mut house, &age).unwrap() <= 6.0, "one is taken every 5 s");
    for stage in ["windows", "rows"] {
        let published = shown(&mut house, &format!("snapshots_total{{outcome=\"published\",stage=\"{stage}\"}}"));
        assert!(published.unwrap() >= 5.0, "{stage}: {published:?}");
        assert!(shown(&mut house, &format!("snapshot_bytes{{partition=\"0\",stage=\"{stage}\"}}")).unwrap() > 100.0);
    }
    for log in ["events", "pairs", "totals"] {
        let done = shown(&mut house, &format!("log_trims_total{{log=\"{log}\",outcome=\"done\"}}"));
        assert!(done.unwrap() >= 1.0, "{log}: {done:?}");
    }
    assert!(shown(&mut house, r#"log_trimmed_offset{log="pairs",partition="0"}"#).unwrap() > 1.0);
    house.rounds(120);
    assert_eq!(shown(&mut house, &unsaved), Some(0.0), "at rest nothing is left to be kept");
    assert!(shown(&mut house, &age).unwrap() > 60.0, "but it ages");
    // A start goes on with the age of the snapshot that it went by.
    tear(&kept);
    let damaged = r#"snapshots_passed_over_total{reason="damaged",stage="rows"}"#;
    assert_eq!(shown(&mut house, damaged), Some(0.0));
    house.instances[0].restart().unwrap();
    house.instances[0].flush().unwrap();
    assert_eq!(shown(&mut house, damaged), Some(1.0));
    assert!(shown(&mut house, &of_rows("restore_records")).unwrap() > 0.0, "the older one leaves more to be read");
    assert!(shown(&mut house, &of_rows("restore_seconds")).unwrap() > 0.0);
    assert!(shown(&mut house, &age).unwrap() > 60.0);
}

#[test]
fn where_snapshots_are_off_that_is_shown_and_no_age() {
    let shape = Shape { partitions: 1, ..Shape::new(&default_rules()) };
    let mut house = House::open_keeping(Start::Earliest, &shape, 1, false, None);
    house.rounds(3);
    assert_eq!(shown(&mut house, "snapshot_interval_seconds"), Some(0.0));
    assert_eq!(shown(&mut house, &of_rows("snapshot_age_seconds")), None);
    assert!(shown(&mut house, r#"lag_records{partition="0",source="pairs",stage="rows"}"#).is_some());
}

/// Where the events log begins after a minute and a half of events, and where it ended at each time, by how long its records are kept.
fn begins_and_ended(keep_events_ms: Option<i64>) -> (u64, BTreeMap<i64, u64>, i64) {
    let shape = Shape { partitions: 1, block_entries: 8, ..Shape::new(&default_rules()) };
    let kept = Snapshots { keep_events_ms, ..snapshots() };
    let mut house = House::open_keeping(Start::Earliest, &shape, 1, false, Some(kept));
    let mut ended = BTreeMap::new();
    let topic = Topic::Log(Log::Events);
    for event in shop::events(5, 900, &shop::Shape::of(&naive_rules(&shape.rules))).chunks(10) {
        house.log.set_now(house.now_ms());
        event.iter().for_each(|event| house.feed(event));
        house.rounds(1);
        ended.insert(house.now_ms(), house.log.bounds(&topic, Partition(0)).unwrap().high.0);
    }
    let pairs = house.log.bounds(&Topic::Log(Log::Pairs), Partition(0)).unwrap();
    assert!(pairs.low.0 > 1, "others are trimmed as ever");
    (house.log.bounds(&topic, Partition(0)).unwrap().low.0, ended, house.now_ms())
}

#[test]
fn what_is_young_of_the_events_log_stays_as_long_as_it_is_told_to_and_no_longer() {
    const KEPT_MS: i64 = 40_000;
    let (begins, ended, now_ms) = begins_and_ended(None);
    let at = |ended: &BTreeMap<i64, u64>, ms: i64| *ended.range(..=ms).next_back().unwrap().1;
    assert!(begins > at(&ended, now_ms - KEPT_MS), "else this would tell nothing");
    let (begins, ended, now_ms) = begins_and_ended(Some(KEPT_MS));
    assert!(begins > 0 && begins <= at(&ended, now_ms - KEPT_MS), "from {begins}: {ended:?}");
    let older_ms = KEPT_MS + 3 * INTERVAL_MS;
    assert!(begins >= at(&ended, now_ms - older_ms), "what is too old goes: from {begins}: {ended:?}");
    assert_eq!(begins_and_ended(Some(86_400_000)).0, 0);
}
