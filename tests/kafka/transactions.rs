//! A source whose producer writes in transactions: what it has aborted was never there.

use crate::kafka::{self, Sent};
use crate::recount::Event;
use crate::rig::line;
use crate::running::{assert_lists, events};
use crate::service::House;

/// Events of one transaction.
const AT_ONCE: usize = 150;

fn sent(events: &[Event]) -> Vec<Sent> {
    events.iter().map(|event| Sent::of(event.user.as_str(), line(event))).collect()
}

/// Every third transaction is aborted, and so is the last: its events are others, of the same users and items.
fn write(house: &House, topic: &str, name: &str, events: &[Event], others: &[Event]) {
    let producer = kafka::Transactions::new(house.broker.bootstrap(), name);
    for (number, (events, others)) in events.chunks(AT_ONCE).zip(others.chunks(AT_ONCE)).enumerate() {
        producer.write(topic, sent(events), true);
        if number % 3 == 0 {
            producer.write(topic, sent(others), false);
        }
    }
    producer.write(topic, sent(&others[..10]), false);
}

#[test]
fn what_a_transaction_has_aborted_counts_for_nothing_and_leaves_no_gap() {
    let mut house = House::new("transactions");
    let store = house.folder.path("store");
    house.more =
        format!("[snapshots]\nurl = \"{}\"\ninterval = \"1s\"\nkeep = 2\nkeep_events = \"1h\"\n", store.display());
    let topic = house.source("shop", 3, &[], "");
    let (events, others) = (events(41), events(42));
    let (first, second) = events.split_at(events.len() / 2);
    let name = format!("{topic}-writer");
    write(&house, &topic, &name, first, &others);
    house.create_topics();
    let mut instance = house.start("first");
    house.wait_rest(&mut [&mut instance]);
    house.assert_counts(&[&instance], first, "of a backlog");
    write(&house, &topic, &name, second, &others);
    house.wait_rest(&mut [&mut instance]);
    house.assert_counts(&[&instance], &events, "as they come");
    let rejected = instance.metrics().sum_where("samenloop_rejects_total", "reason=\"bad_json\"");
    assert_eq!(rejected, 0.0, "marks of transactions are no records");
    instance.kill();
    let mut instance = house.start("again");
    house.wait_rest(&mut [&mut instance]);
    house.assert_counts(&[&instance], &events, "after a crash");
    let entries = house.event_entries();
    entries.assert_once("events");
    assert_lists(&house, &events);
    instance.stop();
}
