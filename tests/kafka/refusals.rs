//! What `samenloop run` must not begin, or go on, with: it ends with 1 and says what to do.

use crate::command::Ended;
use crate::house::{lived_in, views};
use crate::kafka::{self, Sent};
use crate::service::House;
use samenloop::items::Items;
use samenloop::position::{NextOffset, Position, SourcePartition, Span};
use samenloop::wire::{EventsWriter, Lag, SectionHead};
use std::time::Duration;

const GONE_MAX: Duration = Duration::from_secs(30);

/// Runs the service, which must end by itself with 1 and say all of this.
#[track_caller]
fn assert_refused(house: &House, parts: &[&str]) {
    let Ended { code, stdout, stderr } = house.command(&["run"]);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part} is not in {stderr}");
    }
}

#[test]
fn a_log_that_kafka_would_compact_is_refused_before_anything_is_read() {
    let mut house = House::new("compacted");
    let topic = house.source("shop", 1, &[], "");
    kafka::produce(house.broker.bootstrap(), &topic, views(10));
    let events = house.own("events");
    kafka::create_topic(house.broker.bootstrap(), &events, 3, &[("cleanup.policy", "compact")]);
    assert_eq!(house.command(&["topics", "--create"]).code, Some(1), "one is wrong");
    assert_refused(&house, &[&events, "cleanup.policy", "delete"]);
    assert_eq!(house.ends("events"), [0; 3]);
}

#[test]
fn topics_that_nobody_made_are_refused_with_the_command_that_makes_them() {
    let mut house = House::new("missing");
    house.source("shop", 1, &[], "");
    assert_refused(&house, &[&house.own("events"), "samenloop topics --create"]);
}

#[test]
fn logs_that_were_counted_by_other_rules_are_refused() {
    let (mut house, _) = lived_in("rules");
    let before = (house.event_entries().times, house.pair_entries());
    house.more = "[counting.half_life]\nviewed_together = \"61d\"\n".to_owned();
    assert_refused(
        &house,
        &["pairs", "written under rules", "set the counting rules", "or count anew: `samenloop rebuild`"],
    );
    // Intake counts by no such rule, and may have begun; of pairs not even a mark may be there.
    let after = (house.event_entries().times, house.pair_entries());
    assert!(before == after, "something was appended");
}

#[test]
fn a_source_that_is_shorter_than_what_was_read_of_it_is_refused() {
    let (house, topic) = lived_in("shorter");
    let bootstrap = house.broker.bootstrap();
    kafka::delete_topic(bootstrap, &topic);
    kafka::wait_until("the topic is gone", GONE_MAX, || (!kafka::topics(bootstrap).contains(&topic)).then_some(()));
    kafka::create_topic(bootstrap, &topic, 1, &[]);
    kafka::produce(bootstrap, &topic, views(50));
    let before = house.event_entries().times;
    assert_refused(&house, &["shop-0", "ends at 50", "up to 200", "topics.prefix"]);
    assert!(house.event_entries().times == before, "something was appended");
}

/// What a broker holds of a writer of which it has lost what came before: a section over one record of the source.
fn behind_a_gap(partition: i32, offset: u64) -> Sent {
    let at = |offset| Position::start_of(NextOffset(offset));
    let (source, span) = (SourcePartition::new("shop", 0), Span { from: at(offset), to: at(offset + 1) });
    let mut writer = EventsWriter::default();
    writer.open(SectionHead { source, span, highest: None, lag: Lag::Live, arrived_ms: None, checksum: None });
    let value = Some(writer.finish(1, &Items::default()));
    Sent { partition: Some(partition), key: None, value, headers: Vec::new(), timestamp_ms: None }
}

#[test]
fn a_gap_in_a_log_is_skipped_until_its_writer_closes_it_and_refused_when_nobody_does() {
    let (house, topic) = lived_in("gaps");
    let (bootstrap, events) = (house.broker.bootstrap().to_owned(), house.own("events"));
    let mut instance = house.start("one");
    house.wait_rest(&mut [&mut instance]);
    kafka::produce(&bootstrap, &events, [behind_a_gap(0, 205)]);
    let says = |what: &str| instance.log().contains(what).then_some(());
    kafka::wait_until("the gap is told", GONE_MAX, || says("starts at 205.0, next expected 200.0"));
    kafka::produce(&bootstrap, &topic, views(50));
    kafka::wait_until("it is closed", GONE_MAX, || says("what was missing from shop-0 has been sent again"));
    house.wait_rest(&mut [&mut instance]);
    assert_eq!(house.event_entries().sum(), 250);

    kafka::produce(&bootstrap, &events, [behind_a_gap(1, 400)]);
    let status = instance.ended();
    let log = instance.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("events-1") && log.contains("starts at 400.0, next expected 250.0: the log lost records"),
        "{log}"
    );
}
