//! The job of ../README.md on differential dataflow. The weight and the support of a pair are its difference, so that adding up is what the
//! engine does by itself; sessions and lists are reductions. Time moves on when lists are to go out, and at rest.

use anyhow::{Context, Result};
use differential_dataflow::input::Input;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const GAP_MS: i64 = 30 * 60_000;
const LONGEST_MS: i64 = 4 * 3_600_000;
const SESSION_MAX: usize = 50;
const WINDOW: usize = 20;
const MIN_SUPPORT: i64 = 1;
const LENGTH: usize = 20;
const SILENCE: Duration = Duration::from_secs(1);
/// A weight of 1: differences are integers.
const ONE: f64 = (1_u64 << 24) as f64;
/// Views between two turns of the engine.
const TURN: u64 = 1_000;

#[derive(Deserialize)]
struct View<'a> {
    user: &'a str,
    item: &'a str,
    ts: i64,
}

#[derive(Serialize)]
struct List<'a> {
    item: &'a str,
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    item: &'a str,
    weight: f64,
    support: i64,
}

#[derive(Default)]
struct Names {
    numbers: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).expect("fewer names");
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }
}

/// Place among all views, time, item.
type Seen = (u64, i64, u32);
/// Anchor, other, distance.
type Met = (u32, u32, u8);

/// What the views of one user come to.
fn meet(views: &[(&Seen, i64)], met: &mut Vec<(Met, i64)>) {
    let (mut items, mut first, mut latest): (Vec<u32>, i64, i64) = (Vec::new(), 0, 0);
    for &(&(_, time, item), _) in views {
        if !items.is_empty() && latest - time > GAP_MS {
            continue; // late
        }
        if items.is_empty() || time - latest > GAP_MS || time - first > LONGEST_MS {
            items.clear();
            (first, latest) = (time, time);
        }
        latest = latest.max(time);
        if items.contains(&item) || items.len() == SESSION_MAX {
            continue;
        }
        for (distance, &other) in (1..).zip(items.iter().rev().take(WINDOW)) {
            met.push(((item, other, distance), 1));
            met.push(((other, item, distance), 1));
        }
        items.push(item);
    }
    // Each once, with how often.
    met.sort_unstable();
    met.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        kept.1 += if is_same { next.1 } else { 0 };
        is_same
    });
}

/// The heaviest neighbours of an item: other, weight, support.
type Top = Vec<(u32, i64, i64)>;

fn top(row: &[(&u32, (i64, i64))]) -> Top {
    let mut all: Top = row
        .iter()
        .filter(|(_, (_, support))| *support >= MIN_SUPPORT)
        .map(|&(&other, (weight, support))| (other, weight, support))
        .collect();
    let order = |entry: &(u32, i64, i64)| (Reverse(entry.1), entry.0);
    if all.len() > LENGTH {
        all.select_nth_unstable_by_key(LENGTH, order);
        all.truncate(LENGTH);
    }
    all.sort_unstable_by_key(order);
    all
}

fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, names: &Names, anchor: u32, top: &Top) {
    let name = |item: u32| &*names.names[item as usize];
    let entries = top
        .iter()
        .map(|&(item, weight, support)| Entry { item: name(item), weight: weight as f64 / ONE, support })
        .collect();
    let value = serde_json::to_vec(&List { item: name(anchor), entries }).expect("a list is JSON");
    let mut record = BaseRecord::to(topic).key(name(anchor)).payload(&value);
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                record = again;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err((error, _)) => panic!("a list was not taken: {error}"),
        }
    }
}

fn given(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: ../run starts this"))
}

fn main() -> Result<()> {
    let (bootstrap, source, lists) = (given("PEER_BOOTSTRAP")?, given("PEER_SOURCE")?, given("PEER_LISTS")?);
    let flush_views: u64 = given("PEER_FLUSH_VIEWS")?.parse()?;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("group.id", given("PEER_GROUP")?)
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&[&source])?;
    timely::execute_directly(move |worker| {
        let producer: Rc<ThreadedProducer<_>> = Rc::new(
            ClientConfig::new()
                .set("bootstrap.servers", &bootstrap)
                .set("linger.ms", "50")
                .set("compression.type", "lz4")
                .set("enable.idempotence", "true")
                .create()
                .expect("a producer"),
        );
        let (mut users, items) = (Names::default(), Rc::new(RefCell::new(Names::default())));
        let (mut input, probe) = {
            let (producer, items) = (Rc::clone(&producer), Rc::clone(&items));
            worker.dataflow::<u64, _, _>(move |scope| {
                let (input, views) = scope.new_collection::<(u32, Seen), i64>();
                let (probe, _) = views
                    .reduce(|_user, views, met| meet(views, met))
                    .explode(|(_user, (anchor, other, distance))| {
                        let weight = (ONE / f64::from(distance).sqrt()).round() as i64;
                        Some(((anchor, other), (weight, 1_i64)))
                    })
                    .reduce(|_anchor, row: &[(&u32, (i64, i64))], list: &mut Vec<(Top, i64)>| {
                        let top = top(row);
                        if !top.is_empty() {
                            list.push((top, 1));
                        }
                    })
                    .inspect(move |((anchor, top), _, change)| {
                        if *change > 0 {
                            send(&producer, &lists, &items.borrow(), *anchor, top);
                        }
                    })
                    .probe();
                (input, probe)
            })
        };
        let (mut read, mut sent, mut latest) = (0_u64, 0_u64, Instant::now());
        loop {
            if let Some(message) = consumer.poll(Duration::from_millis(20)) {
                let message = message.expect("a record");
                let view: View<'_> = serde_json::from_slice(message.payload().unwrap_or_default()).expect("a view");
                let (user, item) = (users.number(view.user), items.borrow_mut().number(view.item));
                input.update((user, (read, view.ts, item)), 1);
                read += 1;
                latest = Instant::now();
                if read % TURN == 0 {
                    worker.step();
                }
            }
            if read - sent >= flush_views || (read > sent && latest.elapsed() > SILENCE) {
                sent = read;
                input.advance_to(read);
                input.flush();
                worker.step_while(|| probe.less_than(input.time()));
                producer.flush(Duration::from_secs(60)).expect("all lists are taken");
            }
        }
    })
}
