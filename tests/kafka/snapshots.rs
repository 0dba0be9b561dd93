//! Starts from snapshots on a real broker: after crashes, with damaged, missing and foreign snapshots, with a store that goes away.

use crate::command::Ended;
use crate::kafka::{self, wait_until};
use crate::recount::Event;
use crate::running::{EVENTS, assert_lists, events, produce};
use crate::service::{House, Instance};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Snapshots come every second; the rest is for a busy machine.
const SNAPSHOTS_MAX: Duration = Duration::from_secs(60);
const GONE_MAX: Duration = Duration::from_secs(30);
/// How many events come at once, and how long until more come: so that there is something new for several snapshots.
const PORTION: usize = 100;
const PORTION_PAUSE: Duration = Duration::from_millis(250);
const KEPT: usize = 2;
/// Records of a log that a start after an orderly stop may have to read, at most: marks of those who stopped later.
const LEFT_OVER_MAX: u64 = 40;
const CRASHES: u64 = 8;
/// Logs that are trimmed behind snapshots.
const TRIMMED: [&str; 2] = ["events", "pairs"];

/// A house that keeps snapshots in a folder, and its source's topic. Its instance is known again, so that nobody waits for the dead.
fn house(purpose: &str) -> (House, String) {
    let mut house = House::new(purpose);
    house.partitions = (2, 2);
    let store = house.folder.path("store");
    house.more = format!("[snapshots]\nurl = \"{}\"\ninterval = \"1s\"\nkeep = {KEPT}\n", store.to_str().unwrap());
    house.kafka = "group.instance.id = \"only\"\n".to_owned();
    let topic = house.source("shop", 5, &[], "");
    house.create_topics();
    (house, topic)
}

fn store(house: &House) -> PathBuf {
    house.folder.path("store")
}

/// The snapshots of a partition, newest first: `windows-000`.
fn snapshots(house: &House, partition: &str) -> Vec<PathBuf> {
    let folder = store(house).join(&house.prefix).join(partition);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| is_snapshot(path)).collect();
    found.sort();
    found.reverse();
    found
}

fn is_snapshot(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "snapshot")
}

/// All partitions that have snapshots when all have.
fn partitions(house: &House) -> Vec<String> {
    let (events, pairs) = house.partitions;
    let of = |stage: &str, count: u32| (0..count).map(|number| format!("{stage}-{number:03}")).collect::<Vec<_>>();
    [of("windows", events), of("rows", pairs)].concat()
}

/// Every snapshot that there is.
fn all(house: &House) -> Vec<PathBuf> {
    partitions(house).iter().flat_map(|partition| snapshots(house, partition)).collect()
}

/// How a snapshot comes to harm.
fn damage(path: &Path, draw: &mut StdRng) {
    let mut bytes = fs::read(path).unwrap();
    let place = draw.random_range(0..bytes.len());
    if draw.random() {
        bytes[place] ^= 1 << draw.random_range(0..8);
    } else {
        bytes.truncate(place);
    }
    fs::write(path, bytes).unwrap();
}

/// What stands in a snapshot's path behind the store.
fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn lows(house: &House) -> Vec<i64> {
    TRIMMED.iter().flat_map(|log| kafka::start_offsets(house.broker.bootstrap(), &house.own(log))).collect()
}

fn ends(house: &House) -> Vec<Vec<i64>> {
    ["events", "pairs", "totals", "lists"].iter().map(|log| house.ends(log)).collect()
}

/// Brings events portion by portion until every partition has snapshots and its logs are trimmed. Gives what has not been brought.
fn feed_until_trimmed<'e>(house: &House, topic: &str, events: &'e [Event]) -> &'e [Event] {
    let mut left = events;
    wait_until("snapshots of all partitions, and logs trimmed", SNAPSHOTS_MAX, || {
        let (now, later) = left.split_at(PORTION.min(left.len()));
        left = later;
        produce(house, topic, now);
        std::thread::sleep(PORTION_PAUSE);
        let is_kept = partitions(house).iter().all(|partition| snapshots(house, partition).len() >= KEPT);
        (is_kept && lows(house).iter().all(|&low| low > 0)).then_some(())
    });
    assert!(left.len() > PORTION, "nothing is left to be counted after the crash");
    left
}

/// From where to where a started instance reads its partitions of a log.
fn reads(instance: &Instance, log: &str) -> Vec<(u64, u64)> {
    let text = instance.log();
    let lines = text.lines().filter(|line| line.contains(&format!("reading the {log} log")));
    let field = |line: &str, name: &str| {
        let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {line}")).parse::<u64>().unwrap()
    };
    lines.map(|line| (field(line, "from"), field(line, "to"))).collect()
}

/// Asserts that all partitions were started from snapshots.
#[track_caller]
fn assert_from_snapshots(house: &House, instance: &Instance) {
    let started = instance.log().matches(" restored ").count();
    assert_eq!(started, partitions(house).len(), "{}", instance.log());
    for log in TRIMMED {
        let read = reads(instance, log);
        assert!(!read.is_empty() && read.iter().all(|&(from, _)| from > 0), "{log}: {read:?}");
    }
}

/// All is at rest: what was counted and published is right.
#[track_caller]
fn assert_right(house: &House, instance: &mut Instance, events: &[Event], context: &str) {
    house.wait_rest(&mut [instance]);
    house.assert_counts(&[instance], events, context);
    assert_lists(house, events);
    house.assert_every_list_was_news();
}

#[test]
fn a_killed_instance_goes_on_from_its_snapshots_and_reads_no_log_from_the_start() {
    let (house, topic) = house("restored");
    let events = events(21);
    let instance = house.start("first");
    let left = feed_until_trimmed(&house, &topic, &events);
    produce(&house, &topic, left);
    instance.kill();
    let mut instance = house.start("again");
    assert_right(&house, &mut instance, &events, "after a kill");
    assert_from_snapshots(&house, &instance);
    // Nobody is there, and more comes.
    instance.stop();
    let mut instance = house.start("after a stop");
    house.wait_rest(&mut [&mut instance]);
    house.assert_counts(&[&instance], &events, "after a stop");
    for log in TRIMMED {
        let read = reads(&instance, log);
        assert!(read.iter().all(|(from, to)| to - from <= LEFT_OVER_MAX), "{log}: {read:?}");
    }
    instance.stop();
}

#[test]
fn crashes_at_any_moment_and_damaged_snapshots_change_no_count() {
    let (house, topic) = house("crashes");
    let events = events(22);
    let mut draw = StdRng::seed_from_u64(22);
    let mut instance = house.start("first");
    let mut left = feed_until_trimmed(&house, &topic, &events);
    let portion = left.len() / usize::try_from(CRASHES).unwrap();
    let mut damaged = BTreeSet::new();
    for crash in 0..CRASHES {
        let (now, later) = left.split_at(portion);
        left = later;
        produce(&house, &topic, now);
        std::thread::sleep(Duration::from_millis(draw.random_range(0..1500)));
        instance.kill();
        let all = partitions(&house);
        let partition = &all[draw.random_range(0..all.len())];
        let kept = snapshots(&house, partition);
        // One that is good always stays.
        if kept.iter().filter(|path| !damaged.contains(*path)).count() > 1 {
            damage(&kept[0], &mut draw);
            damaged.insert(kept[0].clone());
        }
        instance = house.start(&format!("crash {crash}"));
    }
    produce(&house, &topic, left);
    assert!(damaged.len() > 2, "{} damaged ones test little", damaged.len());
    assert_right(&house, &mut instance, &events, "after crashes");
    instance.stop();
}

/// Runs the service, which must end by itself with 1, say all of this and append nothing.
#[track_caller]
fn assert_refused(house: &House, what: &str, parts: &[&str]) {
    assert_refused_in(house, what, parts, || ends(house));
}

/// The same where only the events log is wrong: who reads pairs does not look at it, and may have claimed totals before others refuse.
#[track_caller]
fn assert_events_refused(house: &House, what: &str, parts: &[&str]) {
    assert_refused_in(house, what, parts, || ["events", "pairs", "lists"].map(|log| house.ends(log)).into());
}

#[track_caller]
fn assert_refused_in(house: &House, what: &str, parts: &[&str], ends: impl Fn() -> Vec<Vec<i64>>) {
    let before = ends();
    let Ended { code, stdout, stderr } = house.command(&["run"]);
    assert_eq!(code, Some(1), "{what}: {stdout}{stderr}");
    assert!(parts.iter().all(|part| stderr.contains(part)), "{what}: {parts:?} is not in {stderr}");
    assert_eq!(before, ends(), "{what}: something was appended");
}

#[test]
fn snapshots_that_are_damaged_are_passed_over_and_those_that_are_gone_or_foreign_are_told() {
    let (house, topic) = house("foreign");
    let bootstrap = house.broker.bootstrap();
    let events = events(23);
    let instance = house.start("first");
    let left = feed_until_trimmed(&house, &topic, &events);
    let events = &events[..EVENTS - left.len()];
    instance.kill();

    // The newest are damaged: in their bodies, at the end, in the head.
    let harmed: Vec<PathBuf> =
        partitions(&house).iter().map(|partition| snapshots(&house, partition).remove(0)).collect();
    for (number, path) in harmed.iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        let last = bytes.len() - 1;
        match number % 4 {
            0 => bytes[last / 2] ^= 1,
            1 => bytes.truncate(last),
            2 => bytes[20] ^= 0x80,
            _ => bytes.clear(),
        }
        fs::write(path, bytes).unwrap();
    }
    let mut instance = house.start("damaged");
    house.wait_rest(&mut [&mut instance]);
    house.assert_counts(&[&instance], events, "with the newest damaged");
    house.assert_every_list_was_news();
    assert_from_snapshots(&house, &instance);
    let log = instance.log();
    let told = |path: &PathBuf| log.lines().any(|line| line.contains("WARN") && line.contains(name(path)));
    assert!(harmed.iter().all(told), "{harmed:?} in\n{log}");
    instance.stop();

    // Gone, while the logs before them are gone too.
    let aside = house.folder.path("aside");
    let prefix = house.prefix.clone();
    fs::rename(store(&house).join(&prefix), &aside).unwrap();
    assert_refused(&house, "gone", &["is needed from 0 on", "snapshots.url", "docs/operations.md"]);
    fs::remove_dir_all(store(&house).join(&prefix)).ok();
    fs::rename(&aside, store(&house).join(&prefix)).unwrap();

    // Of another store.
    let id = store(&house).join("store-id");
    let right = fs::read_to_string(&id).unwrap();
    fs::write(&id, right.replace(|sign: char| sign.is_ascii_digit(), "f")).unwrap();
    assert_refused(&house, "of another store", &["another store", "snapshot"]);
    fs::write(&id, right).unwrap();

    // All is there again, and so it goes on.
    let mut instance = house.start("back");
    house.wait_rest(&mut [&mut instance]);
    house.assert_counts(&[&instance], events, "with all back");
    instance.stop();

    // The log was made anew, and is empty; then it is longer than before, and holds something else.
    let log = house.own("events");
    let blocks = kafka::read_all(bootstrap, &log);
    let high = *house.ends("events").iter().max().unwrap();
    kafka::delete_topic(bootstrap, &log);
    wait_until("the topic is gone", GONE_MAX, || (!kafka::topics(bootstrap).contains(&log)).then_some(()));
    assert_eq!(house.command(&["topics", "--create"]).stdout.matches(": made").count(), 1);
    assert_events_refused(&house, "made anew", &["events-", "snapshot", "ends at 0"]);
    // Not the last one: marks say the same to every partition.
    let block = blocks.iter().find_map(|rec| rec.value.clone()).unwrap();
    for partition in 0..2 {
        let again = (0..high + 50).map(|_| kafka::Sent::of("", block.clone()).to(partition));
        kafka::produce(bootstrap, &log, again);
    }
    assert_events_refused(&house, "grown again", &["events-", "snapshot", "checksum", "made anew"]);
}

#[test]
fn a_store_that_goes_away_holds_up_nothing_and_is_used_again_when_it_is_back() {
    let (house, topic) = house("away");
    let events = events(24);
    let mut instance = house.start("first");
    let left = feed_until_trimmed(&house, &topic, &events);
    let (second, left) = left.split_at(left.len() / 3);
    // A file stands in its place: nothing can be written there.
    let aside = house.folder.path("aside");
    fs::rename(store(&house), &aside).unwrap();
    fs::write(store(&house), "not a folder").unwrap();
    produce(&house, &topic, second);
    wait_until("it says that there is no snapshot", SNAPSHOTS_MAX, || {
        instance.assert_runs();
        instance.log().contains("no snapshot this time").then_some(())
    });
    house.wait_rest(&mut [&mut instance]);
    let so_far = EVENTS - left.len();
    house.assert_counts(&[&instance], &events[..so_far], "while the store is away");
    assert_lists(&house, &events[..so_far]);
    // Back with all that it held.
    fs::remove_file(store(&house)).unwrap();
    fs::rename(&aside, store(&house)).unwrap();
    let (third, left) = left.split_at(left.len() / 2);
    let newest =
        || partitions(&house).iter().map(|partition| snapshots(&house, partition).remove(0)).collect::<Vec<_>>();
    let before = newest();
    produce(&house, &topic, third);
    wait_until("snapshots are taken again", SNAPSHOTS_MAX, || {
        newest().iter().zip(&before).all(|(new, old)| new > old).then_some(())
    });
    // Gone for good, and made anew by what comes next: the store's id too.
    fs::remove_dir_all(store(&house)).unwrap();
    produce(&house, &topic, left);
    wait_until("snapshots where there were none", SNAPSHOTS_MAX, || {
        instance.assert_runs();
        partitions(&house).iter().all(|partition| !snapshots(&house, partition).is_empty()).then_some(())
    });
    instance.kill();
    let mut instance = house.start("again");
    assert_right(&house, &mut instance, &events, "after the store was away");
    assert_from_snapshots(&house, &instance);
    instance.stop();
}

#[test]
fn who_outlives_another_takes_its_partitions_over_from_its_snapshots() {
    let (mut house, topic) = house("outlived");
    house.kafka.clear();
    let events = events(25);
    let (mut one, mut two) = (house.start("one"), house.start("two"));
    one.wait_shares();
    two.wait_shares();
    let left = feed_until_trimmed(&house, &topic, &events);
    let (now, later) = left.split_at(left.len() / 2);
    produce(&house, &topic, now);
    two.kill();
    produce(&house, &topic, later);
    assert_right(&house, &mut one, &events, "taken over");
    let started = one.log().matches(" restored ").count();
    assert!(started >= 2, "{}", one.log());
    assert!(!all(&house).is_empty());
    one.stop();
}
