//! What happens to logs, brokers and processes, and must neither be lost nor counted twice.

use crate::command::Ended;
use crate::house::{lived_in, views};
use crate::kafka::{self, Sent, wait_until};
use crate::running::{assert_lists, events, produce};
use crate::service::{House, Instance};
use std::time::Duration;

/// A minute is what an operator may be asked to wait for; a busy machine gets more.
const SOON_MAX: Duration = Duration::from_secs(90);
const GONE_MAX: Duration = Duration::from_secs(30);
/// Clients hear of new partitions within 10 s, and the group must agree; their own default would be five minutes.
const WIDER_MAX: Duration = Duration::from_secs(60);
/// Longer than any limit of 10 s.
const AWAY: Duration = Duration::from_secs(12);
/// Longer than the group's session (6 s), so that the others take over.
const PAUSE: Duration = Duration::from_secs(12);

#[test]
fn brokers_that_are_away_at_the_start_are_waited_for_and_told() {
    let mut house = House::apart("away");
    let bootstrap = house.broker.bootstrap();
    let topic = house.source("shop", 1, &[], "");
    kafka::produce(bootstrap, &topic, views(200));
    house.create_topics();
    house.broker.stop();
    let mut instance = house.start_alone("early");
    let told = wait_until("readiness names the brokers", SOON_MAX, || {
        let (status, text) = instance.get("/readyz");
        assert_eq!(status, 503, "{text}");
        text.contains("brokers").then_some(text)
    });
    assert_eq!(instance.get("/livez").0, 200, "{told}");
    std::thread::sleep(AWAY);
    instance.assert_runs();
    let waited = instance.metrics().sum("samenloop_broker_wait_seconds");
    assert!(waited >= AWAY.as_secs_f64(), "{waited} s by the metric, {AWAY:?} at least");
    house.broker.start_again();
    wait_until("all is counted", SOON_MAX, || (house.event_entries().sum() == 200).then_some(()));
    house.wait_rest(&mut [&mut instance]);
    // And away while it runs.
    house.broker.stop();
    wait_until("readiness or a metric tells", SOON_MAX, || {
        instance.assert_runs();
        (instance.metrics().sum("samenloop_broker_wait_seconds") > 0.0).then_some(())
    });
    std::thread::sleep(AWAY);
    instance.assert_runs();
    house.broker.start_again();
    kafka::produce(bootstrap, &topic, views(50));
    wait_until("it goes on", SOON_MAX, || (house.event_entries().sum() == 250).then_some(()));
    house.wait_rest(&mut [&mut instance]);
    instance.stop();
}

#[test]
fn logs_that_were_emptied_are_refused_by_check_and_run_before_anything_is_appended() {
    for emptied in [&["events", "pairs"][..], &["events"], &["totals"]] {
        let (house, _) = lived_in("emptied");
        let bootstrap = house.broker.bootstrap();
        emptied.iter().for_each(|name| kafka::empty(bootstrap, &house.own(name)));
        let ends = |house: &House| ["events", "pairs", "totals", "lists"].map(|name| house.ends(name));
        let before = ends(&house);
        let checked = house.command(&["check"]);
        assert_eq!(checked.code, Some(1), "{emptied:?}: {}{}", checked.stdout, checked.stderr);
        let is_told = |name: &&str| {
            let topic = house.own(name);
            checked
                .stdout
                .lines()
                .any(|line| line.starts_with("wrong") && line.contains(&topic) && line.contains("first record"))
        };
        assert!(emptied.iter().all(is_told), "{emptied:?}: {}", checked.stdout);
        let Ended { code, stdout, stderr } = house.command(&["run"]);
        assert_eq!(code, Some(1), "{emptied:?}: {stdout}{stderr}");
        assert!(stderr.contains(emptied[0]) && stderr.contains("offset"), "{emptied:?}: {stderr}");
        assert_eq!(before, ends(&house), "{emptied:?}: something was appended");
    }
}

#[test]
fn a_source_that_was_made_anew_and_is_longer_is_refused() {
    let (house, topic) = lived_in("longer");
    let bootstrap = house.broker.bootstrap();
    kafka::delete_topic(bootstrap, &topic);
    wait_until("the topic is gone", GONE_MAX, || (!kafka::topics(bootstrap).contains(&topic)).then_some(()));
    kafka::create_topic(bootstrap, &topic, 1, &[]);
    let other = |number: usize| {
        let ts = 1_710_000_000_000_i64 + i64::try_from(number).unwrap();
        Sent::of("k", format!(r#"{{"type":"view","user":"v{number}","ts":{ts},"item":"other"}}"#)).to(0)
    };
    kafka::produce(bootstrap, &topic, (0..300).map(other));
    let before = house.event_entries().times;
    let Ended { code, stdout, stderr } = house.command(&["run"]);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(stderr.contains("shop-0") && stderr.contains("200"), "{stderr}");
    assert!(house.event_entries().times == before, "something was appended");
}

/// Of two instances one reads nothing at first, and the other gets nothing new: both know that all partitions have readers.
#[test]
fn partitions_that_a_source_gets_while_running_are_read() {
    let mut house = House::new("wider");
    let topic = house.source("shop", 1, &[], "");
    let bootstrap = house.broker.bootstrap();
    kafka::produce(bootstrap, &topic, views(200));
    house.create_topics();
    let (mut one, mut two) = (house.start("one"), house.start("two"));
    house.wait_rest(&mut [&mut one, &mut two]);
    // Who reads none of it need not know how many there are.
    let assert_all_read = |instances: [&Instance; 2], partitions: f64| {
        let told =
            |of: &str| instances.map(|instance| instance.metrics().sum(&format!("samenloop_source_partitions{of}")));
        assert_eq!(told("_unread"), [0.0; 2]);
        assert_eq!(told("").into_iter().fold(0.0, f64::max), partitions);
        assert!(instances.iter().all(|instance| instance.is_ready()));
    };
    assert_all_read([&one, &two], 1.0);
    // What is kept grows, too: it is read beyond where it ended when it was taken over.
    kafka::produce(bootstrap, &topic, views(50));
    wait_until("more of the first partition", SOON_MAX, || (house.event_entries().sum() == 250).then_some(()));
    kafka::add_partitions(bootstrap, &topic, 2);
    kafka::produce(bootstrap, &topic, views(100).map(|sent| sent.to(1)));
    wait_until("the new partition is read", WIDER_MAX, || {
        one.assert_runs();
        two.assert_runs();
        (house.event_entries().sum() == 350).then_some(())
    });
    kafka::produce(bootstrap, &topic, views(50));
    wait_until("the first one still is", SOON_MAX, || (house.event_entries().sum() == 400).then_some(()));
    house.wait_rest(&mut [&mut one, &mut two]);
    assert_all_read([&one, &two], 2.0);
    one.stop();
    two.stop();
}

#[test]
fn an_instance_that_stood_still_leaves_no_stale_list_and_counts_nothing_twice() {
    let mut house = House::new("paused");
    let topic = house.source("shop", 5, &[], "");
    let events = events(14);
    let (first, rest) = events.split_at(events.len() / 2);
    let (second, third) = rest.split_at(rest.len() / 2);
    produce(&house, &topic, first);
    house.create_topics();
    let (mut one, mut two) = (house.start("one"), house.start("two"));
    wait_until("some of it on the pairs log", SOON_MAX, || {
        (house.ends("pairs").iter().sum::<i64>() > 20 && one.is_ready() && two.is_ready()).then_some(())
    });
    // In the midst of it, with much in hand.
    produce(&house, &topic, second);
    two.pause();
    std::thread::sleep(PAUSE);
    produce(&house, &topic, third);
    two.go_on();
    house.wait_rest(&mut [&mut one, &mut two]);

    house.assert_counts(&[&one, &two], &events, "after a pause");
    assert_lists(&house, &events);
    let said = |service: &Instance| service.log().matches("the process slept for").count();
    assert!(said(&two) >= 3 && said(&one) == 0, "each of its workers begins again, by its own look\n{}", two.log());
    one.stop();
    two.stop();
}
