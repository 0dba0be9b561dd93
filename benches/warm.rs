//! What `samenloop warm` does in a second, beside a bare loop that writes the same values by pipelined SET and nothing else.
//!
//! ```sh
//! cargo bench --bench warm
//! ```
//!
//! Starts a redis-server of its own on loopback. The topic is in memory: the client of Kafka is not in it. Rounds alternate, and of each way the
//! fastest round counts, by the CPU time of this process: the ratios hold on a busy machine too. What Redis used is told apart.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../tests/support/redis.rs"]
mod redis_server;
#[path = "../tests/support/topic.rs"]
mod topic;

use redis_server::Redis;
use rustix::time::{ClockId, clock_gettime};
use samenloop::cache::{Cache, Until, Warmer, WarmerParts};
use samenloop::config::{Flag, Layers, Settings};
use samenloop::drive::{Vigil, Wake};
use samenloop::publish::codec::ListCodec;
use samenloop::warm::{Reading, Selection, ValueForm};
use samenloop::watch::health::{HEARTBEAT_AGE_MAX, Health};
use samenloop::watch::metrics::Metrics;
use std::sync::Arc;
use std::time::Instant;
use topic::{Rec, Topic};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const LISTS: usize = 60_000;
const ENTRIES: usize = 15;
const ROUNDS: usize = 5;
/// As many as a warmer has on their way at once.
const PIPELINED: usize = 2048;

/// What one round took, in seconds: of this process, of Redis, by the clock.
#[derive(Clone, Copy)]
struct Took([f64; 3]);

fn main() {
    let redis = Redis::start(&[]);
    let lists: Vec<Rec> = (0..LISTS).map(list).collect();
    let bytes: usize = lists.iter().filter_map(|list| list.value.as_ref()).map(Vec::len).sum();
    let topic = Topic::new(1);
    topic.push(0, lists.iter().cloned());
    println!(
        "{LISTS} lists of {ENTRIES} entries, {} bytes each as JSON; of {ROUNDS} rounds the fastest",
        bytes / LISTS
    );
    println!("{:32} {:>10} {:>10} {:>10} {:>8}", "", "lists/s", "Redis", "by clock", "ratio");
    let mut fastest = [Took([f64::MAX; 3]); 3];
    for _ in 0..ROUNDS {
        let ways: [&dyn Fn(); 3] = [&|| bare(&redis, &lists), &|| warm(&redis, &topic, ValueForm::Record), &|| {
            warm(&redis, &topic, ValueForm::Ids)
        }];
        for (way, fastest) in ways.iter().zip(&mut fastest) {
            redis.ask::<()>("FLUSHALL");
            let took = measured(&redis, way);
            if took.0[0] < fastest.0[0] {
                *fastest = took;
            }
        }
    }
    let names = ["SET, pipelined, nothing else", "warm, value = \"record\"", "warm, value = \"ids\""];
    for (name, took) in names.iter().zip(fastest) {
        let [own, of_redis, clock] = took.0.map(|seconds| LISTS as f64 / seconds);
        println!("{name:32} {own:10.0} {of_redis:10.0} {clock:10.0} {:7.1} ×", took.0[0] / fastest[0].0[0]);
    }
    redis.ask::<()>("FLUSHALL");
    warm(&redis, &topic, ValueForm::Record);
    let of = |key: &str| redis.ask::<u64>(&format!("MEMORY USAGE {key}"));
    let key = String::from_utf8(lists[LISTS / 2].key.clone()).unwrap();
    println!("memory in Redis of {key}: value {} bytes, stamp {} bytes", of(&key), of(&format!("/{key}")));
}

/// Sizes as a shop's: ids of some ten characters.
fn list(number: usize) -> Rec {
    let entries: Vec<String> =
        (0..ENTRIES).map(|entry| format!("SKU-{:06}", (number * 31 + entry * 7919) % 1_000_000)).collect();
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    Rec::list(&format!("main/bought-together/SKU-{number:06}"), (1_700_000_000_000_000, number as u64 + 1), &entries)
}

fn measured(redis: &Redis, way: &dyn Fn()) -> Took {
    let now = || [own_s(), redis_s(redis)];
    let (from, began) = (now(), Instant::now());
    way();
    let (to, clock) = (now(), began.elapsed().as_secs_f64());
    Took([to[0] - from[0], to[1] - from[1], clock])
}

fn own_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn redis_s(redis: &Redis) -> f64 {
    let info: String = redis.ask("INFO cpu");
    let of = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap();
    of("used_cpu_user:") + of("used_cpu_sys:")
}

fn bare(redis: &Redis, lists: &[Rec]) {
    let mut connection = redis.connect();
    for lists in lists.chunks(PIPELINED) {
        let mut pipe = redis::pipe();
        for list in lists {
            pipe.cmd("SET").arg(&list.key).arg(list.value.as_deref()).ignore();
        }
        pipe.exec(&mut connection).unwrap();
    }
}

fn warm(redis: &Redis, topic: &Topic, form: ValueForm) {
    let flags = vec![Flag { flag: "--set", key: "warm.url".to_owned(), value: redis.url() }];
    let settings = Settings::load(&Layers { flags, ..Layers::default() }).unwrap();
    let health = Arc::new(Health::new(0, HEARTBEAT_AGE_MAX));
    let mut warmer = Warmer::new(WarmerParts {
        reader: topic.join(),
        cache: Cache::new(settings.warm.url.as_ref().unwrap(), &settings.warm, "lists").unwrap(),
        reading: Reading::new(ListCodec::json().unwrap(), form, Selection::default()),
        schemas: None,
        lives_ms: None,
        vigil: Arc::new(Vigil::new("warm", Arc::default(), &health)),
        wake: Wake::default(),
        health,
        metrics: Arc::new(Metrics::new().unwrap()),
    });
    warmer.run(Until::CaughtUp).unwrap();
    assert_eq!(warmer.tallies().set, LISTS as u64);
}
