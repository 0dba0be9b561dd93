//! How a log begins, and begins again: sources that are empty, logs that are gone, settings that may not touch what is there.

use crate::house::{lived_in, views};
use crate::kafka;
use crate::service::House;
use std::time::Duration;

const GONE_MAX: Duration = Duration::from_secs(30);

#[test]
fn a_source_that_is_empty_at_the_start_is_read_when_events_come() {
    let mut house = House::new("empty");
    let topic = house.source("shop", 3, &[], "");
    house.create_topics();
    let mut instance = house.start("only");
    house.wait_rest(&mut [&mut instance]);
    kafka::produce(house.broker.bootstrap(), &topic, views(200));
    kafka::wait_until("the events are counted", GONE_MAX, || (house.event_entries().sum() == 200).then_some(()));
    house.wait_rest(&mut [&mut instance]);
    assert!(!house.lists().is_empty());
    instance.stop();
}

#[test]
fn a_log_that_is_made_anew_is_filled_from_the_start_of_its_sources() {
    let (house, _) = lived_in("anew");
    let bootstrap = house.broker.bootstrap();
    let own: Vec<String> = ["events", "pairs", "totals", "lists", "rejects"].map(|name| house.own(name)).to_vec();
    own.iter().for_each(|topic| kafka::delete_topic(bootstrap, topic));
    kafka::wait_until("the topics are gone", GONE_MAX, || {
        let topics = kafka::topics(bootstrap);
        own.iter().all(|topic| !topics.contains(topic)).then_some(())
    });
    house.create_topics();
    let mut instance = house.start("again");
    kafka::wait_until("all is read again", GONE_MAX, || (house.event_entries().sum() == 200).then_some(()));
    house.wait_rest(&mut [&mut instance]);
    assert!(instance.log().contains("committed for another events log"), "{}", instance.log());
    instance.stop();
}

#[test]
fn settings_of_another_log_touch_nothing_though_there_is_a_new_source_to_begin() {
    let (mut house, _) = lived_in("secret");
    let before = house.ends("events");
    house.source("more", 2, &[], "");
    house.more = "[intake]\nuser_secret = \"00112233445566778899aabbccddeeff\"\n".to_owned();
    let ended = house.command(&["run"]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("events") && ended.stderr.contains("written under rules"), "{}", ended.stderr);
    assert_eq!(house.ends("events"), before, "something was appended");
    house.more.clear();
    let mut instance = house.start("after");
    house.wait_rest(&mut [&mut instance]);
    instance.stop();
}
