//! A source that gets more partitions while it is read.

use crate::house::{House, ROUNDS_TO_REST, SOURCE_PARTITIONS, source};
use crate::recount::{Event, Recount};
use crate::rig::{Shape, counts, default_rules, difference, line, naive_rules};
use crate::shop;
use samenloop::config::Start;
use samenloop::drive::Kept;
use samenloop::position::Partition;
use samenloop::watch::waits::TopicStanding;

fn push(house: &House, partition: u32, event: &Event) {
    let kept = Kept { value: Some(line(event).into_bytes()), ..Kept::default() };
    house.log.with(&source(), Partition(partition), |held| held.push(kept)).unwrap();
}

#[track_caller]
fn assert_counted(house: &House, shape: &Shape, events: &[Event]) {
    let mut recount = Recount::new(naive_rules(&shape.rules));
    events.iter().for_each(|event| recount.event(event));
    let as_of = recount.latest();
    assert_eq!(difference(&recount.rows(as_of), &counts(&house.instances, as_of)), None);
}

/// Its intake is made anew for what comes, and what it keeps has grown since it was taken over.
#[test]
fn an_intake_worker_that_keeps_a_partition_while_another_comes_goes_on_with_both() {
    let shape = Shape { partitions: 3, ..Shape::new(&default_rules()) };
    let events = shop::events(1, 300, &shop::Shape::of(&naive_rules(&shape.rules)));
    let mut house = House::open(&shape, 1, false);
    for part in events.chunks(100) {
        part.iter().for_each(|event| house.feed(event));
        house.tick();
        house.log.lose("intake.shop", Partition(1));
        house.tick();
    }
    assert_counted(&house, &shape, &events);
}

/// Readiness knows of them before anybody reads them, also that of an instance that reads none of the source.
#[test]
fn partitions_that_a_source_gets_are_told_as_unread_until_they_are_read_and_then_counted() {
    const MORE: u32 = 2;
    let shape = Shape { partitions: 5, ..Shape::new(&default_rules()) };
    let events = shop::events(2, 240, &shop::Shape::of(&naive_rules(&shape.rules)));
    let mut house = House::open(&shape, 3, false);
    let assert_standing = |house: &mut House, partitions: u32, unread: &[u32]| {
        for (number, instance) in house.instances.iter_mut().enumerate() {
            instance.look();
            let unread: Vec<Partition> = unread.iter().copied().map(Partition).collect();
            let is_ready = unread.is_empty();
            let standing = instance.health().waits().topics().remove(0).1;
            assert_eq!(standing, TopicStanding { partitions, unread }, "instance {number}");
            assert_eq!(instance.health().is_ready(), is_ready, "instance {number}");
        }
    };
    let (before, after) = events.split_at(events.len() / 2);
    before.iter().for_each(|event| house.feed(event));
    house.rounds(ROUNDS_TO_REST);
    assert_standing(&mut house, SOURCE_PARTITIONS, &[]);

    house.log.make(&source(), SOURCE_PARTITIONS + MORE);
    assert_standing(&mut house, SOURCE_PARTITIONS + MORE, &[SOURCE_PARTITIONS, SOURCE_PARTITIONS + 1]);
    for event in after {
        let partition = u32::from(event.user.bytes().last().unwrap()) % (SOURCE_PARTITIONS + MORE);
        push(&house, partition, event);
    }
    house.rounds(ROUNDS_TO_REST);
    assert_standing(&mut house, SOURCE_PARTITIONS + MORE, &[]);
    assert_counted(&house, &shape, &events);
}

/// What came before anybody read the source is passed over; what a new partition holds by the time it is seen is not.
#[test]
fn a_source_that_starts_at_its_end_is_read_from_the_start_in_partitions_that_it_gets() {
    let shape = Shape { partitions: 2, ..Shape::new(&default_rules()) };
    let events = shop::events(4, 300, &shop::Shape::of(&naive_rules(&shape.rules)));
    let mut house = House::open_at(Start::Latest, &shape, 1, false);
    let (passed_over, counted) = events.split_at(events.len() / 3);
    let (before, after) = counted.split_at(counted.len() / 2);
    passed_over.iter().for_each(|event| house.feed(event));
    house.tick();
    before.iter().for_each(|event| house.feed(event));
    house.tick();
    house.log.make(&source(), SOURCE_PARTITIONS + 1);
    after.iter().for_each(|event| push(&house, SOURCE_PARTITIONS, event));
    house.tick();
    assert_counted(&house, &shape, counted);
}
