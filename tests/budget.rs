//! What waits is bounded by what the budget gave it, as the allocator counts, and nothing of it is lost. The workers are those of
//! production. A process of its own: it looks at how large that is.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use samenloop::drive::{MemoryLog, Pipeline, Plan, Setup, Sink, plan};
use samenloop::event::UserKeys;
use samenloop::intake::{Intake, MappingSpec, Record, Reject, TimeRules};
use samenloop::list_key::ListName;
use samenloop::memory::{Budget, Demand, Fixed, Part, Sizes};
use samenloop::position::{NextOffset, SourcePartition};
use samenloop::publish::Publication;
use samenloop::rules::{CountingRules, ListRules, PublishRules};
use samenloop::stage::{BlockLimits, Clocked, IntakeInput, RowsSetup};
use std::sync::{Arc, Mutex, PoisonError};

/// As the program has it: sizes are told by its classes.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MIB: u64 = 1 << 20;
const MERGE_BYTES: u64 = 8 * MIB;
const STARTED_MS: i64 = 1_700_000_000_000;
const DAY_MS: i64 = 86_400_000;
/// Sources, by their places: one that is far ahead, one that is behind.
const AHEAD: usize = 0;
const BEHIND: usize = 1;

/// One test at a time: each looks at how large the process is.
static ALONE: Mutex<()> = Mutex::new(());

/// What is allocated, without what the allocator keeps.
fn allocated() -> u64 {
    tikv_jemalloc_ctl::epoch::advance().unwrap();
    tikv_jemalloc_ctl::stats::allocated::read().unwrap() as u64
}

struct Nowhere;

impl Sink for Nowhere {
    fn list(&mut self, _publication: &Publication<'_>, _value: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    fn reject(&mut self, source: &SourcePartition, _offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        panic!("{source}: {reject:?}")
    }
}

fn setup() -> Setup {
    Setup {
        intake: Intake::new(TimeRules::default(), UserKeys::new([7; 16]), 1),
        events_identity: 7,
        history_ms: None,
        counting: CountingRules::default(),
        clicks: samenloop::rules::ClickRules::default(),
        merge_bytes_max: usize::try_from(MERGE_BYTES).unwrap(),
        rows: RowsSetup {
            lists: ListRules::defaults(),
            publish: PublishRules::default(),
            clocked: Clocked::Wall,
            facts: None,
        },
        limits: BlockLimits::default(),
    }
}

/// What a process with this merge buffer, two sources and little memory is given.
fn budget() -> Budget {
    let demand = Demand {
        workers: [1; 3],
        sources: (2, 2),
        facts_topics: 0,
        facts_bytes: None,
        partitions: (1, 1),
        merge_bytes: MERGE_BYTES,
        block_bytes: 512 << 10,
        has_snapshots: false,
        has_http: true,
        cores: 1,
        fixed: Fixed::default(),
    };
    Budget::deal(640 * MIB, &demand).unwrap()
}

struct Running {
    pipeline: Pipeline<Nowhere>,
    offsets: [u64; 2],
    fed: u64,
}

impl Running {
    fn start(align_ms: i64, sizes: Sizes) -> Self {
        let mapping = Arc::new(MappingSpec::default().compile().unwrap());
        let input = |name| IntakeInput { source: SourcePartition::new(name, 0), mapping: Arc::clone(&mapping) };
        let (inputs, log) = (vec![input("ahead"), input("behind")], MemoryLog::new(1, 1));
        let plan = Arc::try_unwrap(plan(setup(), &inputs, align_ms, &log).unwrap()).unwrap_or_else(|_| panic!("ours"));
        let plan = Arc::new(Plan { sizes, ..plan });
        let mut pipeline = Pipeline::open_instance(0, plan, inputs, log, Arc::default(), Nowhere).unwrap();
        [AHEAD, BEHIND].into_iter().for_each(|input| pipeline.set_stream(input, true));
        pipeline.clock(STARTED_MS).unwrap();
        let _state = pipeline.serve(ListName::ALL.to_vec());
        Self { pipeline, offsets: [0; 2], fed: 0 }
    }

    /// A view, or of every eighth an order of three lines.
    fn event(&mut self, input: usize, at_ms: i64) {
        let (number, offset) = (self.fed, self.offsets[input]);
        let (user, item) = (number % 50, number % 40);
        let what = match number % 8 {
            0 => format!(
                r#""type":"order","order_id":"o{number}","lines":[{{"item":"i1"}},{{"item":"i2"}},{{"item":"i3"}}]"#
            ),
            _ => format!(r#""type":"view","item":"i{item}""#),
        };
        let value = format!(r#"{{{what},"user":"u{user}","ts":{at_ms},"id":"e{number}"}}"#);
        let record = Record {
            topic: "shop",
            value: Some(value.as_bytes()),
            timestamp_ms: Some(STARTED_MS),
            ..Record::default()
        };
        self.pipeline.feed(input, NextOffset(offset), &record).unwrap();
        (self.fed, self.offsets[input]) = (number + 1, offset + 1);
    }

    fn held(&mut self, part: Part) -> u64 {
        self.told(&format!("samenloop_memory_bytes{{part=\"{}\"}} ", part.name()))
    }

    fn told(&mut self, series: &str) -> u64 {
        self.pipeline.look();
        let text = self.pipeline.metrics().render(0, 0, self.pipeline.health()).unwrap();
        let value: f64 =
            text.lines().find_map(|line| line.strip_prefix(series)).map_or(0.0, |value| value.parse().unwrap());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of bytes")]
        let bytes = value as u64;
        bytes
    }

    fn counted(&self) -> u64 {
        self.pipeline.windows().iter().flat_map(|stage| stage.work().tally().fates).flatten().sum()
    }

    fn forced(&self) -> u64 {
        self.pipeline.windows().iter().map(|stage| stage.work().forced()).sum()
    }

    /// The one behind has nothing more: nothing waits for it.
    fn end(&mut self) {
        self.pipeline.end_input(BEHIND).unwrap();
        self.pipeline.end_input(AHEAD).unwrap();
        self.pipeline.flush().unwrap();
    }
}

#[test]
fn what_waits_in_the_merge_for_a_source_far_behind_takes_no_more_than_it_was_given() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let given = budget().given(Part::Merge);
    let mut running = Running::start(i64::MAX, Sizes::default());
    running.event(BEHIND, STARTED_MS - 90 * DAY_MS);
    for number in 0..2_000 {
        running.event(AHEAD, STARTED_MS - 30 * DAY_MS + number);
    }
    running.pipeline.flush().unwrap();
    let (before, mut most) = (allocated(), 0);
    for number in 2_000..140_000 {
        running.event(AHEAD, STARTED_MS - 30 * DAY_MS + number);
        if number % 5_000 == 0 {
            running.pipeline.flush().unwrap();
            most = most.max(allocated().saturating_sub(before));
        }
    }
    running.pipeline.flush().unwrap();
    assert!(running.forced() > 1_000, "it was never full: {} forced", running.forced());
    assert!(running.held(Part::Merge) > MERGE_BYTES / 4 * 3, "it holds what it may");
    assert!(most > MERGE_BYTES / 4 * 3, "{most}: nothing is tried");
    assert!(most <= given, "{most} bytes, {given} were given");
    running.end();
    assert_eq!(running.counted(), running.fed, "nothing is lost");
}

#[test]
fn a_source_far_ahead_waits_on_its_topic_and_not_in_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sizes = budget().sizes;
    assert!(sizes.waiting < 2 << 20, "{}: what there is room for tries nothing", sizes.waiting);
    let mut running = Running::start(DAY_MS / 24, sizes);
    running.event(BEHIND, STARTED_MS - 90 * DAY_MS);
    running.pipeline.flush().unwrap();
    for number in 0..40_000 {
        running.event(AHEAD, STARTED_MS - 30 * DAY_MS + number);
        if number % 1_000 == 0 {
            running.pipeline.flush().unwrap();
        }
    }
    running.pipeline.flush().unwrap();
    let held = running.held(Part::Waiting);
    let waiting = sizes.waiting as u64;
    assert!((waiting / 2..=waiting + 4096).contains(&held), "{held} bytes, {waiting} were given");
    assert!(running.counted() < 10, "it waits");
    running.end();
    assert_eq!(running.counted(), running.fed, "nothing is lost");
    assert_eq!(running.held(Part::Waiting), 0);
}
