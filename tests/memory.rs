//! What the metrics say of memory against what the process holds: `samenloop_state_bytes`, summed, and the resident memory.
//!
//! Not run by default: it wants some gigabytes and minutes, and a process of its own.
//!
//! ```sh
//! cargo test --test memory -- --ignored --nocapture                            # 100,000 lists
//! SAMENLOOP_LISTS=1000000 cargo test --test memory -- --ignored --nocapture
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)] // tests

use samenloop::drive::{MemoryLog, Pipeline, Setup, Sink};
use samenloop::event::UserKeys;
use samenloop::intake::{Intake, MappingSpec, Record, Reject, TimeRules};
use samenloop::list_key::ListName;
use samenloop::position::{NextOffset, Partition, SourcePartition};
use samenloop::publish::Publication;
use samenloop::rules::{CountingRules, ListRules, PublishRules};
use samenloop::serve::http::State;
use samenloop::stage::{BlockLimits, Clocked, IntakeInput, RowsSetup};
use std::collections::BTreeMap;
use std::sync::Arc;

/// As the program has it: sizes are told by its classes.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How far the sum may be off, in percent of what the process holds.
const OFF_MAX_PERCENT: f64 = 15.0;

const PARTITIONS: u32 = 2;
const STARTED_MS: i64 = 1_700_000_000_000;
/// Views of a session, and how far apart the items of one lie in the catalogue.
const SESSION_VIEWS: u64 = 5;
const SESSION_SPREAD: u64 = 40;
/// Of so many users one orders, as well as viewing.
const USERS_AN_ORDER: u64 = 8;
/// Events between two looks at the clock, which moves by a second then.
const EVENTS_A_SECOND: u64 = 5_000;

struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// Lists go to the view, as they do live, and nowhere else.
struct ToView;

impl Sink for ToView {
    fn list(&mut self, _publication: &Publication<'_>, _value: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    fn reject(&mut self, source: &SourcePartition, _offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        panic!("{source}: {reject:?}")
    }
}

fn setup() -> Setup {
    let limits = BlockLimits::default();
    Setup {
        intake: Intake::new(TimeRules::default(), UserKeys::new([7; 16]), PARTITIONS),
        events_identity: 7,
        history_ms: None,
        clicks: samenloop::rules::ClickRules::default(),
        counting: CountingRules::default(),
        merge_bytes_max: 256 << 20,
        rows: RowsSetup {
            lists: ListRules::defaults(),
            publish: PublishRules::default(),
            clocked: Clocked::Wall,
            facts: None,
        },
        limits,
    }
}

/// A running process: its stages, and what is served of them.
struct Running {
    pipeline: Pipeline<ToView>,
    state: State,
    offset: u64,
    now_ms: i64,
}

impl Running {
    fn start() -> Self {
        let mapping = Arc::new(MappingSpec::default().compile().unwrap());
        let inputs = vec![IntakeInput { source: SourcePartition::new("shop", 0), mapping }];
        let log = MemoryLog::new(PARTITIONS, PARTITIONS);
        let mut pipeline = Pipeline::open(setup(), inputs, i64::MAX, log, ToView).unwrap();
        pipeline.clock(STARTED_MS).unwrap();
        let state = pipeline.serve(ListName::ALL.to_vec());
        Self { pipeline, state, offset: 0, now_ms: STARTED_MS }
    }

    fn feed(&mut self, event: &str) {
        let record = Record {
            topic: "shop",
            value: Some(event.as_bytes()),
            timestamp_ms: Some(self.now_ms),
            ..Record::default()
        };
        self.pipeline.feed(0, NextOffset(self.offset), &record).unwrap();
        self.offset += 1;
        if self.offset.is_multiple_of(EVENTS_A_SECOND) {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.now_ms += 1_000;
        self.pipeline.clock(self.now_ms).unwrap();
        self.pipeline.look();
    }

    /// Bytes of every stage and kind, and the resident memory.
    fn told(&self) -> (BTreeMap<(String, String), u64>, u64) {
        let text =
            self.state.metrics.render(self.state.view.len(), self.state.view.bytes(), &self.state.health).unwrap();
        let (mut kinds, mut resident) = (BTreeMap::new(), 0);
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let bytes = || value.parse::<f64>().unwrap() as u64;
            if series.starts_with("samenloop_state_bytes{") {
                let label = |name: &str| series.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
                *kinds.entry((label("stage").to_owned(), label("kind").to_owned())).or_default() += bytes();
            } else if series == "process_resident_memory_bytes" {
                resident = bytes();
            }
        }
        (kinds, resident)
    }
}

fn feed_until(running: &mut Running, lists: usize) {
    let (mut seeded, items) = (Seeded(1), lists as u64);
    for user in 0_u64.. {
        if running.state.view.len() >= lists - lists / 50 {
            return;
        }
        let anchor = seeded.below(items);
        for _ in 0..SESSION_VIEWS {
            let item = (anchor + seeded.below(SESSION_SPREAD)) % items;
            let (id, now_ms) = (running.offset, running.now_ms);
            let event = format!(
                r#"{{"event_id":"{id}","type":"view","user":"u{user}","ts":{now_ms},"item":"article-{item}"}}"#
            );
            running.feed(&event);
        }
        if user.is_multiple_of(USERS_AN_ORDER) {
            let (id, now_ms) = (running.offset, running.now_ms);
            let line = |n: u64| format!(r#"{{"item":"article-{}"}}"#, (anchor + n) % items);
            let lines = [line(0), line(seeded.below(SESSION_SPREAD)), line(seeded.below(SESSION_SPREAD))].join(",");
            let event = format!(
                r#"{{"event_id":"{id}","type":"order","user":"u{user}","ts":{now_ms},"order_id":"o{id}","lines":[{lines}]}}"#
            );
            running.feed(&event);
        }
    }
}

#[test]
#[ignore = "wants gigabytes, minutes and a process of its own"]
fn what_the_metrics_tell_is_what_the_process_holds() {
    let lists: usize = std::env::var("SAMENLOOP_LISTS").map_or(100_000, |lists| lists.parse().unwrap());
    let mut running = Running::start();
    let (_, empty) = running.told();
    feed_until(&mut running, lists);
    running.pipeline.rest().unwrap();
    running.turn();
    // What the allocator has been given back, of tables that have grown out of their room, goes to the system within ten seconds.
    std::thread::sleep(std::time::Duration::from_secs(12));
    let (kinds, resident) = running.told();
    assert_eq!(running.pipeline.rows().len(), Partition(PARTITIONS).index());

    let (held, sum) = (resident - empty, kinds.values().sum::<u64>());
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "{} lists, {} events, {} users and items by thousands",
        running.state.view.len(),
        running.offset,
        lists / 1000
    );
    for ((stage, kind), bytes) in &kinds {
        println!("{stage:>8} {kind:<10} {:>9.1} MB", megabytes(*bytes));
    }
    println!("{:>8} {:<10} {:>9.1} MB", "", "sum", megabytes(sum));
    println!(
        "{:>8} {:<10} {:>9.1} MB  without the {:.1} MB of an empty process",
        "",
        "resident",
        megabytes(held),
        megabytes(empty)
    );
    let off_percent = (held as f64 - sum as f64) / held as f64 * 100.0;
    println!("{:>8} {:<10} {off_percent:>9.1} %", "", "off");
    assert!(off_percent.abs() <= OFF_MAX_PERCENT, "off by {off_percent:.1} %, {OFF_MAX_PERCENT} % are allowed");
}
