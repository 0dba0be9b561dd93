//! A network between instance and broker that is slow, breaks, or swallows everything for a while; and signals meanwhile.

use crate::broker::Broker;
use crate::kafka::wait_until;
use crate::proxy::Proxy;
use crate::running::{assert_lists, events, produce};
use crate::service::House;
use std::time::{Duration, Instant};

const SOON_MAX: Duration = Duration::from_secs(60);
/// Longer than the group's session (6 s), so that partitions are lost.
const HOLE: Duration = Duration::from_secs(9);
const DELAY: Duration = Duration::from_millis(60);
const CUTS: usize = 5;
const CUT_PAUSE: Duration = Duration::from_millis(700);
/// Signals sooner than that are the same wish; and how soon the second one must end it.
const ANOTHER_WISH: Duration = Duration::from_millis(700);
const AT_ONCE_MAX: Duration = Duration::from_secs(3);

#[test]
fn whatever_the_network_does_every_event_counts_once() {
    let (broker, proxy) = Broker::start_behind_proxy(Proxy::start);
    let mut house = House::behind(broker, "network", &proxy.address());
    // Clients back off up to 10 s; what they wait for at most is not what is tested.
    house.kafka = "reconnect.backoff.max.ms = 500\n".to_owned();
    let store = house.folder.path("store");
    house.more =
        format!("[snapshots]\nurl = \"{}\"\ninterval = \"1s\"\nkeep = 2\nkeep_events = \"1h\"\n", store.display());
    let topic = house.source("shop", 5, &[], "");
    let events = events(31);
    let parts: Vec<_> = events.chunks(events.len().div_ceil(5)).collect();
    house.create_topics();
    let mut instance = house.start("only");
    produce(&house, &topic, parts[0]);
    wait_until("some is counted", SOON_MAX, || (house.ends("pairs").iter().sum::<i64>() > 10).then_some(()));

    proxy.delay(DELAY);
    produce(&house, &topic, parts[1]);
    std::thread::sleep(HOLE / 3);
    proxy.delay(Duration::ZERO);

    let made = proxy.made();
    for part in parts[2].chunks(parts[2].len().div_ceil(CUTS)) {
        produce(&house, &topic, part);
        assert!(proxy.cut() > 3, "an instance has several connections");
        std::thread::sleep(CUT_PAUSE);
        instance.assert_runs();
    }
    assert!(proxy.made() > made + CUTS as u64, "they are made again");

    produce(&house, &topic, parts[3]);
    proxy.swallow(true);
    std::thread::sleep(HOLE);
    instance.assert_runs();
    proxy.swallow(false);
    wait_until("it goes on", SOON_MAX, || {
        instance.assert_runs();
        (house.event_entries().times.len() >= parts[..4].concat().len() * 9 / 10).then_some(())
    });

    // Nobody answers: an orderly end takes its time, and a second signal does not wait for it.
    produce(&house, &topic, parts[4]);
    proxy.swallow(true);
    instance.terminate();
    std::thread::sleep(ANOTHER_WISH);
    instance.terminate();
    let began = Instant::now();
    let status = instance.ended();
    assert!(began.elapsed() < AT_ONCE_MAX, "ended after {:?}", began.elapsed());
    assert_eq!(status.code(), Some(130), "{}", instance.log_tail());
    proxy.swallow(false);

    let mut instance = house.start("again");
    house.wait_rest(&mut [&mut instance]);
    house.assert_counts(&[&instance], &events, "after all that");
    assert_lists(&house, &events);
    instance.stop();
}

#[test]
fn stopped_at_any_moment_it_ends_in_order_and_loses_nothing() {
    const STOPS: u64 = 8;
    let mut house = House::new("stops");
    let store = house.folder.path("store");
    house.more =
        format!("[snapshots]\nurl = \"{}\"\ninterval = \"1s\"\nkeep = 2\nkeep_events = \"1h\"\n", store.display());
    house.kafka = "group.instance.id = \"only\"\n".to_owned();
    let topic = house.source("shop", 5, &[], "");
    let events = events(32);
    house.create_topics();
    let mut random = crate::shop::Random::new(32);
    for part in events.chunks(events.len().div_ceil(usize::try_from(STOPS).unwrap())) {
        produce(&house, &topic, part);
        // Often before it has read what there is, sometimes before it has its partitions.
        let instance = house.start_alone("one of many");
        std::thread::sleep(Duration::from_millis(random.below(1_500)));
        instance.stop();
    }
    let mut instance = house.start("last");
    house.wait_rest(&mut [&mut instance]);
    house.assert_counts(&[&instance], &events, "after many stops");
    house.event_entries().assert_once("events");
    assert_lists(&house, &events);
    instance.stop();
}
