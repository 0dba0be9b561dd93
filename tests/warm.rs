//! `samenloop warm` on a real Redis, over a topic in memory: `tests/run --test warm`. Needs redis-server (`tests/run` installs it where it
//! may). With real brokers: `tests/kafka/warm.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "support/redis.rs"]
mod redis_server;
#[path = "support/topic.rs"]
mod topic;

use redis_server::Redis;
use samenloop::cache::{Cache, Until, Warmer, WarmerParts, verify};
use samenloop::config::{Flag, Layers, Settings};
use samenloop::drive::{Change, Vigil, Wake};
use samenloop::intake::Program;
use samenloop::position::Partition;
use samenloop::publish::codec::ListCodec;
use samenloop::warm::{Reading, Selection, ValueForm};
use samenloop::watch::health::{HEARTBEAT_AGE_MAX, Health};
use samenloop::watch::metrics::{Metrics, WarmTallies};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use topic::{Rec, Topic};

const WAIT_MAX: Duration = Duration::from_secs(30);
const PREFIX: &str = "shop:";

fn settings(redis: &Redis, more: &[(&str, &str)]) -> Settings {
    let url = redis.url();
    let own = [("warm.url", url.as_str()), ("warm.key_prefix", PREFIX)];
    let flags =
        own.iter().chain(more).map(|(key, value)| Flag { flag: "--set", key: (*key).into(), value: (*value).into() });
    Settings::load(&Layers { flags: flags.collect(), ..Layers::default() }).unwrap()
}

fn reading(settings: &Settings) -> Reading {
    use samenloop::config::WarmValue;
    let form = match &settings.warm.value {
        WarmValue::Record => ValueForm::Record,
        WarmValue::Ids => ValueForm::Ids,
        WarmValue::Transform(text) => {
            ValueForm::Program { text: text.clone(), program: Program::compile(text).unwrap() }
        }
    };
    let selection = Selection { lists: settings.warm.lists.clone(), shops: settings.warm.shops.clone() };
    Reading::new(ListCodec::json().unwrap(), form, selection)
}

fn cache(settings: &Settings) -> Cache {
    Cache::new(settings.warm.url.as_ref().unwrap(), &settings.warm, "lists").unwrap()
}

/// A warmer that works in a thread of its own.
struct Working {
    stop: Arc<AtomicBool>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    thread: JoinHandle<anyhow::Result<WarmTallies>>,
}

impl Working {
    fn start(topic: &Topic, settings: &Settings, until: Until) -> Self {
        let (stop, topic, settings) = (Arc::<AtomicBool>::default(), topic.clone(), settings.clone());
        let health = Arc::new(Health::new(0, HEARTBEAT_AGE_MAX));
        let metrics = Arc::new(Metrics::new().unwrap());
        let (stop_, health_, metrics_) = (Arc::clone(&stop), Arc::clone(&health), Arc::clone(&metrics));
        let thread = std::thread::spawn(move || {
            let mut warmer = Warmer::new(WarmerParts {
                reader: topic.join(),
                cache: cache(&settings),
                reading: reading(&settings),
                schemas: None,
                lives_ms: settings.warm.lives_ms,
                vigil: Arc::new(Vigil::new("warm", stop_, &health_)),
                wake: Wake::default(),
                health: health_,
                metrics: metrics_,
            });
            warmer.run(until).map(|()| warmer.tallies())
        });
        Self { stop, health, metrics, thread }
    }

    fn stop(self) -> WarmTallies {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap()
    }

    fn metric(&self, series: &str) -> f64 {
        let text = self.metrics.render(0, 0, &self.health).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series}\n{text}")).parse().unwrap()
    }
}

/// Until the topic's end.
fn once(topic: &Topic, settings: &Settings) -> WarmTallies {
    Working::start(topic, settings, Until::CaughtUp).thread.join().unwrap().unwrap()
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {WAIT_MAX:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// That the cache holds what the topic does, without showing all of it.
#[track_caller]
fn assert_equal(redis: &Redis, topic: &Topic) {
    let (held, wanted) = (redis.lists(PREFIX), topic.newest());
    let differ = |key: &&String| held.get(*key) != wanted.get(*key);
    let differing: std::collections::BTreeSet<&String> = held.keys().chain(wanted.keys()).filter(differ).collect();
    assert!(differing.is_empty(), "{} of {} differ: {:?}", differing.len(), wanted.len(), differing.iter().take(3));
}

/// Numbers without pattern (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Records of some lists, with tombstones, and some that come after newer ones. Ids as shops have them.
fn records(random: &mut Random, count: u64, round: u64) -> Vec<(usize, Rec)> {
    let record = |at: u64, random: &mut Random| {
        let item = random.below(40);
        let key = format!("main/bought-together/{item}/é{{x}} *");
        let sequence = if random.below(5) == 0 { at.saturating_sub(random.below(30)) } else { at };
        let stamp = (7 + round, sequence * 100 + item);
        let entry = format!("e{at}");
        let record = match random.below(4) {
            0 => Rec::tombstone(&key, stamp),
            _ => Rec::list(&key, stamp, &[&entry, "b"]),
        };
        (usize::try_from(item % 3).unwrap(), record)
    };
    (0..count).map(|at| record(at, random)).collect()
}

fn push(topic: &Topic, records: Vec<(usize, Rec)>) {
    records.into_iter().for_each(|(partition, record)| topic.push(partition, [record]));
}

#[test]
fn the_cache_is_equal_to_the_topic_and_a_second_run_goes_on_where_the_first_one_ended() {
    let (redis, topic, mut random) = (Redis::start(&[]), Topic::new(3), Random(5));
    let settings = settings(&redis, &[]);
    push(&topic, records(&mut random, 3000, 0));
    let done = once(&topic, &settings);
    assert_equal(&redis, &topic);
    assert_eq!((done.records(), topic.read()), (3000, 3000));
    assert!(done.older > 50 && done.deleted > 300 && done.set > 1000, "{done:?}");
    let lists = records(&mut random, 500, 1);
    let ends: u64 = (0..3).map(|partition| topic.committed(partition).unwrap()).sum();
    assert_eq!(ends, 3000);
    push(&topic, lists);
    assert_eq!(once(&topic, &settings).records(), 500, "what is in the cache is not read again");
    assert_equal(&redis, &topic);
}

#[test]
fn an_older_record_does_not_come_back_after_a_newer_one_nor_after_a_tombstone() {
    let (redis, topic) = (Redis::start(&[]), Topic::new(1));
    let settings = settings(&redis, &[("warm.value", "ids")]);
    let [kept, gone] = ["main/upsell/kept", "main/upsell/gone"];
    let new = (u64::from(u32::MAX) << 24, 1); // Lua's numbers would not tell it from the next
    topic.push(
        0,
        [
            Rec::list(kept, (new.0 + 1, 1), &["new"]),
            Rec::list(kept, new, &["old"]),
            Rec::list(gone, (5, 1), &["first"]),
            Rec::tombstone(gone, (5, 3)),
            Rec::list(gone, (5, 2), &["stale"]),
            Rec::list(gone, (4, 9), &["staler"]),
        ],
    );
    let done = once(&topic, &settings);
    assert_eq!(redis.lists(PREFIX), BTreeMap::from([(kept.to_owned(), r#"["new"]"#.to_owned())]));
    assert_eq!((done.set, done.deleted, done.older), (2, 1, 3));
    // Nor in a batch of its own, nor after the cache has been read anew.
    topic.push(0, [Rec::list(gone, (5, 2), &["stale"]), Rec::list(kept, (9, 9), &["old"])]);
    assert_eq!(once(&topic, &settings).older, 2);
    assert_eq!(redis.lists(PREFIX).len(), 1);
    assert!(redis.ask::<i64>(&format!("PTTL {PREFIX}/{gone}")) > 6 * 86_400_000, "its stamp runs out by itself");
    topic.push(0, [Rec::list(gone, (5, 4), &["again"])]);
    assert_eq!(once(&topic, &settings).set, 1);
    assert_eq!(redis.ask::<String>(&format!("GET {PREFIX}{gone}")), r#"["again"]"#);
    assert_eq!(redis.ask::<i64>(&format!("PTTL {PREFIX}/{gone}")), -1);
}

#[test]
fn a_cache_that_was_emptied_is_found_out_and_filled_again_at_rest_and_between_runs() {
    let (redis, topic, mut random) = (Redis::start(&[]), Topic::new(3), Random(11));
    let settings = settings(&redis, &[]);
    push(&topic, records(&mut random, 1000, 0));
    let working = Working::start(&topic, &settings, Until::Stopped);
    wait_until("it is ready", || working.health.is_ready());
    assert_equal(&redis, &topic);
    redis.ask::<()>("FLUSHALL");
    wait_until("it is filled again", || redis.lists(PREFIX) == topic.newest());
    assert_eq!(working.metric("samenloop_warm_returns_total"), 1.0);
    wait_until("it is ready again", || working.health.is_ready());
    push(&topic, records(&mut random, 100, 1));
    wait_until("it goes on", || redis.lists(PREFIX) == topic.newest());
    working.stop();
    redis.ask::<()>("FLUSHALL");
    assert_eq!(once(&topic, &settings).records(), 1100, "all is read from the start");
    assert_equal(&redis, &topic);
}

#[test]
fn a_cache_that_went_back_to_an_older_state_is_brought_on_from_there() {
    let (redis, topic) = (Redis::start(&[]), Topic::new(1));
    let settings = settings(&redis, &[("warm.value", "ids")]);
    let lists = |range: std::ops::Range<u64>| range.map(|n| Rec::list(&format!("main/upsell/{n}"), (1, n), &["a"]));
    topic.push(0, lists(0..10));
    once(&topic, &settings);
    let marker = format!("{PREFIX}//warm/lists");
    let working = Working::start(&topic, &settings, Until::Stopped);
    topic.push(0, lists(10..20));
    wait_until("all are there", || redis.lists(PREFIX).len() == 20);
    // As after a failover to a replica that lacked the last writes.
    for n in 10..20 {
        redis.ask::<()>(&format!("DEL {PREFIX}main/upsell/{n} {PREFIX}/main/upsell/{n}"));
    }
    redis.ask::<()>(&format!("HSET {marker} 0 10"));
    wait_until("they are back", || redis.lists(PREFIX).len() == 20);
    assert_eq!(working.stop().records(), 20, "only what was lost was read again");
}

#[test]
fn a_cache_that_is_killed_and_starts_empty_is_equal_in_the_end() {
    let (mut redis, topic, mut random) = (Redis::start(&[]), Topic::new(3), Random(17));
    let settings = settings(&redis, &[]);
    push(&topic, records(&mut random, 20_000, 0));
    let working = Working::start(&topic, &settings, Until::Stopped);
    wait_until("it is at it", || redis.ask::<u64>("DBSIZE") > 20);
    redis.kill();
    wait_until("it says that it waits", || {
        !working.health.is_ready() && working.health.waits().all().iter().any(|wait| wait.what == "the cache")
    });
    assert!(working.metric("samenloop_warm_troubles_total{reason=\"connection\"}") > 0.0);
    assert!(working.metric("samenloop_cache_wait_seconds{worker=\"warm\"}") > 0.0);
    push(&topic, records(&mut random, 300, 1));
    redis.start_again();
    wait_until("it is equal", || redis.lists(PREFIX) == topic.newest());
    wait_until("it is ready", || working.health.is_ready());
    working.stop();
}

#[test]
fn a_cache_without_room_or_one_that_is_a_replica_is_waited_for_and_loses_nothing() {
    let (redis, topic, mut random) = (Redis::start(&[]), Topic::new(3), Random(23));
    let settings = settings(&redis, &[]);
    for (round, (begin, end, trouble)) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "memory"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read_only"),
    ]
    .into_iter()
    .enumerate()
    {
        let working = Working::start(&topic, &settings, Until::Stopped);
        wait_until("it is ready", || working.health.is_ready());
        redis.ask::<()>(begin);
        push(&topic, records(&mut random, 400, u64::try_from(round).unwrap()));
        let series = format!("samenloop_warm_troubles_total{{reason=\"{trouble}\"}}");
        wait_until(trouble, || working.metric(&series) >= 2.0);
        assert!(!working.health.is_ready());
        redis.ask::<()>(end);
        wait_until("it is equal", || redis.lists(PREFIX) == topic.newest());
        working.stop();
    }
}

#[test]
fn other_settings_fill_the_cache_anew_and_two_warmers_of_different_settings_do_not_fight() {
    let (redis, topic) = (Redis::start(&[]), Topic::new(1));
    topic.push(0, [Rec::list("main/upsell/1", (1, 1), &["a", "b"])]);
    let ids = settings(&redis, &[("warm.value", "ids")]);
    let transform = settings(&redis, &[("warm.transform", "[.entries[].item] | join(\",\")")]);
    once(&topic, &ids);
    assert_eq!(redis.ask::<String>(&format!("GET {PREFIX}main/upsell/1")), r#"["a","b"]"#);
    let working = Working::start(&topic, &ids, Until::Stopped);
    wait_until("it is ready", || working.health.is_ready());
    once(&topic.clone(), &transform);
    wait_until("the first one ends", || working.thread.is_finished());
    assert_eq!(redis.ask::<String>(&format!("GET {PREFIX}main/upsell/1")), "a,b");
    let ended = working.thread.join().unwrap().unwrap_err().to_string();
    assert!(ended.contains("another warmer with other settings"), "{ended}");
}

#[test]
fn what_cannot_be_read_is_counted_and_passed_over_and_what_is_not_selected_is_not_kept() {
    let (redis, topic) = (Redis::start(&[]), Topic::new(1));
    let settings = settings(&redis, &[("warm.lists", "upsell"), ("warm.shops", "main"), ("warm.value", "ids")]);
    topic.push(
        0,
        [
            Rec::list("main/upsell/1", (1, 1), &["a"]),
            Rec { key: b"main/upsell/2".to_vec(), value: Some(b"{}".to_vec()), stamp: None },
            Rec { key: b"\xff".to_vec(), value: None, stamp: None },
            Rec::list("main/complements/1", (1, 2), &["a"]),
            Rec::list("club/upsell/1", (1, 3), &["a"]),
            Rec::list("main/upsell/3", (1, 4), &["a"]),
        ],
    );
    let done = once(&topic, &settings);
    assert_eq!((done.set, done.unreadable, done.unselected), (2, 2, 2));
    assert_eq!(redis.lists(PREFIX).into_keys().collect::<Vec<_>>(), ["main/upsell/1", "main/upsell/3"]);
    assert_eq!(topic.committed(0), Some(6));
}

#[test]
fn a_partition_that_is_handed_over_is_written_and_committed_first_and_gone_on_from_when_it_comes_back() {
    let (redis, topic, mut random) = (Redis::start(&[]), Topic::new(3), Random(31));
    let settings = settings(&redis, &[]);
    push(&topic, records(&mut random, 900, 0));
    let working = Working::start(&topic, &settings, Until::Stopped);
    wait_until("it is ready", || working.health.is_ready());
    topic.change(Change::Revoked(vec![Partition(1)]));
    wait_until("it is taken away", || topic.committed(1).is_some());
    push(&topic, records(&mut random, 300, 1));
    topic.change(Change::Lost(vec![Partition(2)]));
    topic.change(Change::Assigned(vec![Partition(1), Partition(2)]));
    wait_until("it is equal", || redis.lists(PREFIX) == topic.newest());
    assert_eq!(working.metric("samenloop_warm_returns_total"), 0.0);
    assert!(working.stop().records() < 1500);
}

#[test]
fn a_value_that_lives_for_a_time_runs_out_and_every_start_writes_it_anew() {
    let (redis, topic) = (Redis::start(&[]), Topic::new(1));
    let settings = settings(&redis, &[("warm.ttl", "2h")]);
    topic.push(0, [Rec::list("main/upsell/1", (1, 1), &["a"])]);
    let left = || redis.ask::<i64>(&format!("PTTL {PREFIX}main/upsell/1"));
    once(&topic, &settings);
    assert!((7_000_000..=7_200_000).contains(&left()), "{}", left());
    redis.ask::<()>(&format!("PEXPIRE {PREFIX}main/upsell/1 5000"));
    assert_eq!(once(&topic, &settings).set, 1);
    assert!(left() > 7_000_000);
    assert!(redis.ask::<i64>(&format!("PTTL {PREFIX}/main/upsell/1")) > left(), "a stamp outlives its value");
}

#[test]
fn a_comparison_says_what_is_missing_differs_or_should_not_be_there() {
    let (redis, topic, mut random) = (Redis::start(&[]), Topic::new(3), Random(41));
    let settings = settings(&redis, &[]);
    push(&topic, records(&mut random, 1000, 0));
    once(&topic, &settings);
    let vigil = Vigil::new("warm", Arc::default(), &Health::new(0, HEARTBEAT_AGE_MAX));
    let compare = || verify(&topic.follow(), &mut cache(&settings), &reading(&settings), None, &vigil).unwrap().0;
    let count = topic.newest().len() as u64;
    let compared = compare();
    assert!(compared.is_equal() && compared.equal == count, "{compared:?}");
    let keys: Vec<String> = topic.newest().into_keys().take(3).collect();
    let mut connection = redis.connect();
    let mut ask = |command: &str, arguments: &[&str]| {
        redis::cmd(command).arg(arguments).query::<redis::Value>(&mut connection).unwrap();
    };
    ask("DEL", &[&format!("{PREFIX}{}", keys[0])]);
    ask("SET", &[&format!("{PREFIX}{}", keys[1]), "{}"]);
    ask("SET", &[&format!("{PREFIX}main/upsell/ghost"), "x"]);
    ask("SET", &[&format!("{PREFIX}/main/upsell/ghost"), "0"]);
    ask("SET", &["somebody/else's/key", "x"]);
    ask("SET", &[&format!("{PREFIX}session/of/a visitor"), "x"]);
    let compared = compare();
    assert_eq!(compared.missing, (1, vec![keys[0].clone()]));
    assert_eq!(compared.differing, (1, vec![keys[1].clone()]));
    assert_eq!(compared.too_many, (1, vec!["main/upsell/ghost".to_owned()]));
    assert_eq!(compared.equal, count - 2);
}

#[test]
fn a_password_is_asked_for_and_told_nobody() {
    let redis = Redis::start(&[]);
    redis.ask::<()>("ACL SETUSER warm on >5ec4e7 ~* +@all");
    redis.ask::<()>("ACL SETUSER default off");
    let topic = Topic::new(1);
    topic.push(0, [Rec::list("main/upsell/1", (1, 1), &["a"])]);
    let with = |password| settings(&redis, &[("warm.user", "warm"), ("warm.password", password)]);
    let ended = Working::start(&topic, &with("wr0ng"), Until::CaughtUp).thread.join().unwrap();
    let refused = format!("{:#}", ended.unwrap_err());
    assert!(refused.contains("refuses") && !refused.contains("wr0ng"), "{refused}");
    assert_eq!(once(&topic, &with("5ec4e7")).set, 1);
    assert!(!format!("{:?}", with("5ec4e7").warm).contains("5ec4e7"));
}

#[test]
fn what_sentinels_call_the_master_is_followed_to_another_server_and_is_equal_in_the_end() {
    let (mut first, second, topic, mut random) = (Redis::start(&[]), Redis::start(&[]), Topic::new(3), Random(47));
    second.ask::<()>(&format!("REPLICAOF 127.0.0.1 {}", first.port));
    wait_until("the replica follows", || second.ask::<String>("INFO replication").contains("master_link_status:up"));
    let sentinel = Redis::start_sentinel(&format!(
        "sentinel monitor lists 127.0.0.1 {} 1\nsentinel down-after-milliseconds lists 1000\nsentinel failover-timeout lists 3000\n",
        first.port
    ));
    wait_until("the sentinel knows both", || sentinel.ask::<Vec<redis::Value>>("SENTINEL REPLICAS lists").len() == 1);
    let url = format!("redis+sentinel://127.0.0.1:{}/lists", sentinel.port);
    let settings = settings(&first, &[("warm.url", &url)]);
    push(&topic, records(&mut random, 2000, 0));
    let working = Working::start(&topic, &settings, Until::Stopped);
    wait_until("it is ready", || working.health.is_ready());
    assert_equal(&first, &topic);
    first.kill();
    push(&topic, records(&mut random, 500, 1));
    wait_until("it is equal", || second.lists(PREFIX) == topic.newest());
    wait_until("it is ready again", || working.health.is_ready());
    working.stop();
}
