//! `samenloop warm` as processes: killed on either side, several of them, brokers away; equal to the topic in the end.

use crate::kafka::{self, Sent, wait_until};
use crate::redis_server::Redis;
use crate::service::{House, Instance};
use crate::topic::Rec;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(90);
const PARTITIONS: i32 = 4;
const LISTS: i32 = 400;

/// A house whose lists are written by the test, and its cache.
fn house(house: House) -> (House, Redis) {
    let mut house = house;
    let redis = Redis::start(&[]);
    house.more = format!("[warm]\nurl = \"{}\"\n", redis.url());
    kafka::create_topic(house.broker.bootstrap(), &house.own("lists"), PARTITIONS, &[("cleanup.policy", "compact")]);
    (house, redis)
}

/// Publishes: of all lists in turn, every seventh a tombstone, every eleventh later than one that is newer.
fn publish(house: &House, expected: &mut BTreeMap<String, String>, numbers: std::ops::Range<i32>) {
    let mut sent = Vec::new();
    for number in numbers {
        let partition = number % PARTITIONS;
        let key = format!("main/bought-together/{}", number % LISTS);
        let stamp = |number: i32| (1_700_000_000_000_000, u64::try_from(number).unwrap() * 2);
        let entry = format!("e{number}");
        let record = match number % 7 {
            0 => Rec::tombstone(&key, stamp(number)),
            _ => Rec::list(&key, stamp(number), &[&entry]),
        };
        match &record.value {
            None => drop(expected.remove(&key)),
            Some(value) => drop(expected.insert(key.clone(), String::from_utf8(value.clone()).unwrap())),
        }
        sent.push(of(record, partition));
        if number % 11 == 0 {
            sent.push(of(Rec::list(&key, (stamp(number).0, stamp(number).1 - 1), &["stale"]), partition));
        }
    }
    kafka::produce(house.broker.bootstrap(), &house.own("lists"), sent);
}

fn wait_equal(what: &str, warmer: &mut Instance, redis: &Redis, expected: &BTreeMap<String, String>) {
    let deadline = Instant::now() + SOON;
    while redis.lists("") != *expected {
        warmer.assert_runs();
        let held = redis.lists("").len();
        assert!(Instant::now() < deadline, "{what}: {held} of {}\n{}", expected.len(), warmer.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn of(record: Rec, partition: i32) -> Sent {
    let (epoch, sequence) = record.stamp.unwrap();
    let header = |name: &str, number: u64| (name.to_owned(), Some(number.to_string().into_bytes()));
    let headers = vec![header("samenloop.epoch", epoch), header("samenloop.sequence", sequence)];
    Sent { key: Some(record.key), value: record.value, headers, partition: Some(partition), timestamp_ms: None }
}

fn lists(house: &House) -> i64 {
    kafka::end_offsets(house.broker.bootstrap(), &house.own("lists")).into_iter().sum()
}

#[test]
fn warmers_that_are_killed_and_a_cache_that_is_killed_are_equal_to_the_topic_in_the_end() {
    let (house, mut redis) = house(House::new("warm"));
    let mut expected = BTreeMap::new();
    publish(&house, &mut expected, 1..30_000);
    // Killed in the middle of reading all of it.
    for name in ["first", "second"] {
        let mut warmer = house.start_command(name, "warm");
        let marker: Vec<String> = redis.ask(&format!("HGETALL //warm/{}", house.own("lists")));
        wait_until("it writes", SOON, || {
            warmer.assert_runs();
            let now: Vec<String> = redis.ask(&format!("HGETALL //warm/{}", house.own("lists")));
            (now.len() > 2 && now != marker).then_some(())
        });
        warmer.kill();
    }
    let mut warmer = house.start_command("third", "warm");
    wait_equal("it is equal", &mut warmer, &redis, &expected);
    wait_until("it is ready", SOON, || warmer.is_ready().then_some(()));
    // Two share the work; then the cache is gone with all it held, and while it is away one of them dies.
    let other = house.start_command("fourth", "warm");
    wait_until("both have a share", SOON, || {
        let shares = [&warmer, &other].map(|it| it.metrics().has("samenloop_warm_lag_records", "partition="));
        (shares == [true, true] && other.is_ready()).then_some(())
    });
    publish(&house, &mut expected, 30_000..36_000);
    redis.kill();
    publish(&house, &mut expected, 36_000..37_000);
    wait_until("it says so", SOON, || {
        let (status, said) = warmer.get("/readyz");
        (status == 503 && said.contains("the cache")).then_some(())
    });
    other.kill();
    redis.start_again();
    wait_equal("it is equal again", &mut warmer, &redis, &expected);
    wait_until("it is ready again", SOON, || warmer.is_ready().then_some(()));
    assert!(warmer.metrics().sum("samenloop_warm_troubles_total") > 0.0);
    warmer.stop();
    let (bootstrap, topic) = (house.broker.bootstrap(), house.own("lists"));
    let ends: Vec<_> = kafka::end_offsets(bootstrap, &topic).into_iter().map(Some).collect();
    assert_eq!(kafka::committed(bootstrap, &house.own("warm"), &topic), ends);
    // As a job: there is nothing to do, then something.
    for (range, records) in [(0..0, 0), (37_000..37_100, 110)] {
        publish(&house, &mut expected, range);
        let ended = house.command(&["warm", "--once"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let told = ended.stderr.split("records=").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        assert!(told.is_some_and(|told| told <= records && (records == 0 || told > 0)), "{}", ended.stderr);
        assert_eq!(redis.lists(""), expected);
    }
    let ended = house.command(&["warm", "--verify"]);
    assert_eq!(
        (ended.code, ended.stdout.contains(&format!("equal      {}", expected.len()))),
        (Some(0), true),
        "{}",
        ended.stdout
    );
    let gone = expected.keys().next().unwrap();
    redis.ask::<()>(&format!("DEL {gone}"));
    let ended = house.command(&["warm", "--verify"]);
    assert_eq!(
        (ended.code, ended.stdout.contains(&format!("missing    1\n           {gone}"))),
        (Some(3), true),
        "{}",
        ended.stdout
    );
    assert!(lists(&house) > 37_000);
}

#[test]
fn brokers_that_are_away_are_waited_for() {
    let (house, redis) = house(House::apart("warm-away"));
    let mut expected = BTreeMap::new();
    publish(&house, &mut expected, 1..2000);
    let mut warmer = house.start_command("first", "warm");
    wait_until("it is equal", SOON, || (redis.lists("") == expected).then_some(()));
    house.broker.stop();
    std::thread::sleep(Duration::from_secs(3)); // long enough to be missed
    warmer.assert_runs();
    house.broker.start_again();
    publish(&house, &mut expected, 2000..3000);
    wait_until("it goes on", SOON, || {
        warmer.assert_runs();
        (redis.lists("") == expected).then_some(())
    });
    warmer.stop();
}

#[test]
fn a_warmer_without_a_cache_or_with_a_wrong_one_says_what_to_set() {
    let house = House::new("warm-unset");
    let ended = house.command(&["warm"]);
    assert_eq!((ended.code, ended.stderr.contains("warm.url")), (Some(2), true), "{}", ended.stderr);
    let ended = house.command(&["--set", "warm.url=redis://shop:5ec4e7@127.0.0.1", "warm", "--once"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("warm.password"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("5ec4e7"), "{}", ended.stderr);
}
