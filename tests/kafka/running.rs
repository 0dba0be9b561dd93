//! `samenloop run` on a real broker: exact over several instances, over crashes and over restarts.

use crate::command::{lines, shop_shape, shown};
use crate::kafka::{self, Sent, wait_until};
use crate::recount::Event;
use crate::service::{House, Instance};
use crate::{rig, shop};
use std::collections::BTreeMap;
use std::time::Duration;

const PARTITIONS: i32 = 5;
pub const EVENTS: usize = 4_000;
const HALF_MAX: Duration = Duration::from_secs(90);

/// Events of enough users to fill all partitions.
pub fn events(seed: u64) -> Vec<Event> {
    shop::events(seed, EVENTS, &shop::Shape { users: 60, items: 80, ..shop_shape() })
}

pub fn produce(house: &House, topic: &str, events: &[Event]) {
    let sent = events.iter().map(|event| Sent::of(event.user.as_str(), rig::line(event)));
    kafka::produce(house.broker.bootstrap(), topic, sent);
}

/// The lists that a replay of the same events gives: name of the list and what it shows.
pub fn replayed(house: &House, events: &[Event]) -> BTreeMap<String, Vec<(String, f64)>> {
    let file = house.folder.write("events.jsonl", lines(events));
    let replayed = house.folder.replay(&[&file, "--partitions", "5"], false);
    replayed.lists.iter().map(|(key, list)| (key.clone(), shown(list))).collect()
}

#[track_caller]
pub fn assert_lists(house: &House, events: &[Event]) {
    let want = replayed(house, events);
    let got: BTreeMap<_, _> = house.lists().iter().map(|(key, list)| (key.clone(), shown(list))).collect();
    assert!(want.len() > 100, "{} lists test nothing", want.len());
    let only = |a: &BTreeMap<String, _>, b: &BTreeMap<String, _>| -> Vec<String> {
        a.keys().filter(|key| !b.contains_key(*key)).cloned().collect()
    };
    assert_eq!((only(&want, &got), only(&got, &want)), (vec![], vec![]), "(missing, too many) of {}", want.len());
    for (key, want) in &want {
        assert_eq!(&got[key], want, "{key}");
    }
}

#[test]
fn two_instances_count_what_a_recount_counts() {
    let mut house = House::new("recount");
    house.more = "[workers]\nrows = 2\n".to_owned();
    let topic = house.source("shop", PARTITIONS, &[], "");
    let events = events(11);
    // One instance is done with a small backlog before the other has joined: so a part comes when both are there.
    let (backlog, live) = events.split_at(events.len() / 2);
    produce(&house, &topic, backlog);
    house.create_topics();
    let (mut one, mut two) = (house.start("one"), house.start("two"));
    one.wait_shares();
    two.wait_shares();
    produce(&house, &topic, live);
    house.wait_rest(&mut [&mut one, &mut two]);

    house.assert_counts(&[&one, &two], &events, "two instances");
    assert_lists(&house, &events);
    house.event_entries().assert_once("events");
    house.pair_entries().assert_once("pairs");
    house.assert_every_list_was_news();
    for instance in [&one, &two] {
        let metrics = instance.metrics();
        for name in ["samenloop_events_total", "samenloop_windows_events_total", "samenloop_pair_updates_total"] {
            assert!(metrics.sum(name) > 0.0, "{} did nothing of {name}", instance.name);
        }
    }
    one.stop();
    two.stop();
}

/// Two instances that have handled half of the events, with the other half before them.
fn halfway(house: &mut House, events: &[Event]) -> (Instance, Instance) {
    let topic = house.source("shop", PARTITIONS, &[], "");
    let (first, second) = events.split_at(events.len() / 2);
    produce(house, &topic, first);
    house.create_topics();
    let (one, two) = (house.start("one"), house.start("two"));
    wait_until("half of it on the pairs log", HALF_MAX, || {
        let pairs: i64 = house.ends("pairs").iter().sum();
        (pairs > 20 && one.is_ready() && two.is_ready()).then_some(())
    });
    produce(house, &topic, second);
    (one, two)
}

#[test]
fn a_killed_instance_loses_and_repeats_nothing() {
    let events = events(12);
    let mut house = House::new("killed");
    let (mut one, two) = halfway(&mut house, &events);
    two.kill();
    let mut two = house.start("two again");
    house.wait_rest(&mut [&mut one, &mut two]);

    house.assert_counts(&[&one, &two], &events, "after a kill");
    house.event_entries().assert_once("events");
    house.pair_entries().assert_once("pairs");
    house.assert_every_list_was_news();
    assert_lists(&house, &events);
}

#[test]
fn a_restart_of_all_appends_nothing_and_publishes_nothing() {
    let mut house = House::new("restart");
    let topic = house.source("shop", PARTITIONS, &[], "");
    let events = events(13);
    produce(&house, &topic, &events);
    house.create_topics();
    let (mut one, mut two) = (house.start("one"), house.start("two"));
    house.wait_rest(&mut [&mut one, &mut two]);
    let before = (house.event_entries(), house.pair_entries(), house.ends("lists"));
    before.1.assert_once("pairs");
    one.stop();
    two.stop();

    let bootstrap = house.broker.bootstrap();
    let committed = kafka::committed(bootstrap, &house.own("intake.shop"), &topic);
    let ends = kafka::end_offsets(bootstrap, &topic);
    assert_eq!(committed, ends.iter().map(|&end| Some(end)).collect::<Vec<_>>(), "committed when stopped");

    let (mut one, mut two) = (house.start("one again"), house.start("two again"));
    house.wait_rest(&mut [&mut one, &mut two]);
    house.assert_counts(&[&one, &two], &events, "after a restart");
    let after = (house.event_entries(), house.pair_entries(), house.ends("lists"));
    assert!(before.0.times == after.0.times, "events: {} before, {} after", before.0.sum(), after.0.sum());
    assert!(before.1.times == after.1.times, "pairs: {} before, {} after", before.1.sum(), after.1.sum());
    assert_eq!(before.2, after.2, "lists");
}
