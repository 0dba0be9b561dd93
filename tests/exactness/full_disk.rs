//! A disk that is full, for real: no file may grow beyond some bytes (RLIMIT_FSIZE), in a process of its own, which needs no rights and no
//! other file system.

use crate::house::House;
use crate::recount::{Event, Recount};
use crate::rig::{Shape, counts, default_rules, difference, naive_rules};
use crate::shop;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use samenloop::config::Start;
use samenloop::drive::{Snapshots, Topic};
use samenloop::position::Partition;
use samenloop::snapshot::SnapshotStore;
use samenloop::stage::Log;
use std::process::Command;

/// The folder of the store, in the process that has no room.
const FOLDER: &str = "SAMENLOOP_FULL_DISK";
const NAME: &str =
    "full_disk::while_the_disk_is_full_nothing_is_lost_that_is_said_once_and_it_goes_on_when_there_is_room";

fn snapshots(folder: &str) -> Snapshots {
    let store = SnapshotStore::open(folder).unwrap();
    let store_id = store.id().unwrap();
    let (scope, instance) = ("house".into(), "one".into());
    Snapshots { store, scope, store_id, interval_ms: 5_000, keep: 2, keep_events_ms: None, instance, is_inline: true }
}

/// What the store holds: of both stages the offsets, newest first.
fn kept(snapshots: &Snapshots) -> Vec<Vec<u64>> {
    let of = |stage| snapshots.store.newest(&snapshots.scope, stage, 0).unwrap();
    ["windows", "rows"].map(|stage| of(stage).iter().map(|found| found.offset).collect()).to_vec()
}

fn lows(house: &House) -> [u64; 3] {
    [Log::Events, Log::Pairs, Log::Totals].map(|log| house.log.bounds(&Topic::Log(log), Partition(0)).unwrap().low.0)
}

/// How many snapshots of both stages came to this.
fn shown(house: &mut House, outcome: &str) -> f64 {
    let instance = &mut house.instances[0];
    instance.look();
    let text = instance.metrics().render(0, 0, instance.health()).unwrap();
    let series = format!("samenloop_snapshots_total{{outcome=\"{outcome}\"");
    let values = text.lines().filter(|line| line.starts_with(&series));
    values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn feed(house: &mut House, recount: &mut Recount, events: &[Event]) {
    for events in events.chunks(12) {
        events.iter().for_each(|event| {
            house.feed(event);
            recount.event(event);
        });
        house.rounds(1);
    }
    house.rounds(3);
    let as_of = recount.latest();
    assert_eq!(difference(&recount.rows(as_of), &counts(&house.instances, as_of)), None);
}

/// No file may have more bytes than these.
fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

fn without_room(folder: &str) {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let shape = Shape { partitions: 1, block_entries: 8, ..Shape::new(&default_rules()) };
    let (store, naive) = (snapshots(folder), naive_rules(&shape.rules));
    let mut house = House::open_keeping(Start::Earliest, &shape, 1, false, Some(store.clone()));
    let events = shop::events(5, 900, &shop::Shape::of(&naive));
    let mut recount = Recount::new(naive);
    feed(&mut house, &mut recount, &events[..300]);
    let (held, trimmed) = (kept(&store), lows(&house));
    assert!(held.iter().all(|offsets| offsets.len() == 2) && trimmed.iter().all(|low| *low > 0), "not begun: {held:?}");

    limit(Some(64));
    feed(&mut house, &mut recount, &events[300..500]);
    assert!(shown(&mut house, "failed") >= 4.0, "nothing has failed: not tried");
    house.instances[0].restart().unwrap();
    feed(&mut house, &mut recount, &events[500..600]);
    assert!(shown(&mut house, "failed") >= 4.0 && shown(&mut house, "published") == 0.0);
    assert_eq!(
        (kept(&store), lows(&house)),
        (held.clone(), trimmed),
        "what is kept stays, and all that lies behind it"
    );

    limit(None);
    feed(&mut house, &mut recount, &events[600..800]);
    assert!(shown(&mut house, "published") >= 4.0, "it goes on");
    let held_then = kept(&store);
    assert!(held_then.iter().zip(&held).all(|(now, before)| now.len() == 2 && now[1] > before[0]), "{held_then:?}");
    assert!(lows(&house).iter().zip(trimmed).all(|(now, before)| *now > before), "logs are trimmed again");
    house.instances[0].restart().unwrap();
    feed(&mut house, &mut recount, &events[800..]);
    let newest = store.store.newest(&store.scope, "rows", 0).unwrap().remove(0).name;
    let of_rows = std::path::Path::new(folder).join(newest);
    let left: Vec<_> =
        std::fs::read_dir(of_rows.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is left of what had no room: {left:?}");
}

#[test]
fn while_the_disk_is_full_nothing_is_lost_that_is_said_once_and_it_goes_on_when_there_is_room() {
    if let Ok(folder) = std::env::var(FOLDER) {
        return without_room(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    // Who writes beyond the limit is told so, as on a full disk, where it has asked not to be ended for it.
    let with_the_signal_ignored = "trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture";
    let ran = Command::new("sh")
        .args(["-c", with_the_signal_ignored])
        .arg(std::env::current_exe().unwrap())
        .arg(NAME)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let (out, said) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && out.contains("1 passed"), "{out}\n{said}");
    let times = |what: &str| said.matches(what).count();
    // Before and after the restart.
    let counted = [times("no snapshot this time"), times("no room for"), times("snapshots go on")];
    assert_eq!(counted, [2, 2, 1], "{said}");
}
