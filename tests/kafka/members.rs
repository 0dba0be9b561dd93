//! Instances that are known again to their groups: static membership.

use crate::house::views;
use crate::kafka;
use crate::service::House;
use std::time::Duration;

const COUNTED_MAX: Duration = Duration::from_secs(30);

/// The second takes the first one's place, and the first one ends: they never work side by side.
#[test]
fn of_two_instances_with_one_id_the_older_one_ends_and_says_so() {
    let mut house = House::new("members");
    let topic = house.source("shop", 2, &[], "");
    house.kafka = "group.instance.id = \"pod-0\"\n".to_owned();
    house.create_topics();
    let mut first = house.start("first");
    kafka::produce(house.broker.bootstrap(), &topic, views(200));
    kafka::wait_until("the events are counted", COUNTED_MAX, || (house.event_entries().sum() == 200).then_some(()));
    let mut second = house.start("second");
    let status = first.ended();
    assert_eq!(status.code(), Some(1), "{}", first.log());
    assert!(first.log().to_lowercase().contains("fenced"), "{}", first.log());
    kafka::produce(house.broker.bootstrap(), &topic, views(100));
    kafka::wait_until("the second counts", COUNTED_MAX, || (house.event_entries().sum() == 300).then_some(()));
    house.wait_rest(&mut [&mut second]);
    second.stop();
    // Within the session, it comes back to what it had, at once.
    let mut again = house.start("again");
    house.wait_rest(&mut [&mut again]);
    again.stop();
}
