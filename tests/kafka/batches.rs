//! `samenloop run` on records that give several events: each counts once, also where an instance was killed between two of them.

use crate::kafka::{self, Sent, wait_until};
use crate::recount::Event;
use crate::rig::line;
use crate::running::{assert_lists, events};
use crate::service::House;
use std::time::Duration;

/// More than a block of each partition holds, so that blocks end within records.
const EVENTS_A_RECORD: usize = 370;
const SOME_MAX: Duration = Duration::from_secs(60);

fn batches(events: &[Event]) -> Vec<Sent> {
    let batch = |events: &[Event]| {
        let values: Vec<String> = events.iter().map(line).collect();
        Sent::of("batch", format!("{{\"noise\":[7],\"batch\":[{}]}}", values.join(",")))
    };
    events.chunks(EVENTS_A_RECORD).map(batch).collect()
}

#[test]
fn killed_instances_lose_and_repeat_no_event_of_a_record() {
    let events = events(21);
    let mut house = House::new("batches");
    let topic = house.source("shop", 1, &[], "transform = \"(.batch, .noise)[] | objects\"\n");
    let bootstrap = house.broker.bootstrap();
    let (first, second) = events.split_at(5 * EVENTS_A_RECORD);
    kafka::produce(bootstrap, &topic, batches(first));
    house.create_topics();
    let (one, two) = (house.start("one"), house.start("two"));
    wait_until("some of it on the events log", SOME_MAX, || {
        let blocks: i64 = house.ends("events").iter().sum();
        (blocks > 10).then_some(())
    });
    kafka::produce(bootstrap, &topic, batches(second));
    two.kill(); // one of the two has the source
    let mut two = house.start("two again");
    one.kill();
    let mut one = house.start("one again");
    house.wait_rest(&mut [&mut one, &mut two]);

    house.assert_counts(&[&one, &two], &events, "after two kills");
    let entries = house.event_entries();
    entries.assert_once("events");
    let within = entries.times.keys().filter(|place| !place.ends_with(".0")).count();
    assert!(within > entries.times.len() / 2, "{within}: not tried");
    house.pair_entries().assert_once("pairs");
    assert_lists(&house, &events);
}
