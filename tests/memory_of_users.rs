//! What users cost in memory, and that the program knows it. A process of its own: it looks at how large that is.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)] // tests

use samenloop::drive::{MemoryLog, Pipeline, Setup, Sink};
use samenloop::event::{EventKey, EventTime, LinkKey, OrderStep, UserKey, UserKeys};
use samenloop::intake::{Intake, MappingSpec, Record, Reject, TimeRules};
use samenloop::items::{ItemId, Items, ShopId};
use samenloop::list_key::ListName;
use samenloop::position::{NextOffset, SourcePartition};
use samenloop::publish::Publication;
use samenloop::rules::{CountingRules, ListRules, PublishRules};
use samenloop::stage::{BlockLimits, Clocked, IntakeInput, RowsSetup};
use samenloop::windows::{Action, Input, OrderRecord, Windows};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// As the program has it: sizes are told by its classes.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MINUTE_MS: i64 = 60_000;
const NOW_MS: i64 = 1_700_000_000_000;

/// One test at a time: each looks at how large the process is.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes of this process in pages that hold something. What was let go of a moment ago (a table that has grown out of its
/// room) is not in it: the system gets that back within ten seconds.
fn held_now() -> usize {
    tikv_jemalloc_ctl::epoch::advance().unwrap();
    tikv_jemalloc_ctl::stats::active::read().unwrap()
}

struct Crowd {
    windows: Windows,
    shop: ShopId,
    items: Vec<ItemId>,
    events: u64,
}

impl Crowd {
    fn new() -> Self {
        let mut items = Items::default();
        let shop = items.shop("main");
        let items = (0..100).map(|n| items.item(shop, &format!("i{n}"))).collect();
        Self { windows: Windows::new(&CountingRules::default()), shop, items, events: 0 }
    }

    fn event(&mut self, user: u64, at: i64, action: Action<'_>) {
        self.events += 1;
        let spread = |n: u64, by: u64| n.wrapping_add(1).wrapping_mul(by);
        let (high, low) = (spread(user, 0x9E37_79B9_7F4A_7C15), spread(user, 0xD1B5_4A32_D192_ED03));
        let input = Input {
            user: UserKey(u128::from(high) << 64 | u128::from(low)),
            key: EventKey(self.events),
            time: EventTime(1_700_000_000_000 + at),
            shop: self.shop,
            action,
        };
        self.windows.apply(&input, &mut |_| {});
    }

    fn view(&mut self, user: u64, at: i64) {
        let item = self.items[usize::try_from((user + self.events) % 100).unwrap()];
        self.event(user, at, Action::View { item, session: None });
    }

    /// An order with a number may change later.
    fn order(&mut self, user: u64, at: i64, lines: usize, is_numbered: bool) {
        let from = usize::try_from(user % 80).unwrap();
        let lines = self.items[from..from + lines].to_vec();
        let number = is_numbered.then(|| LinkKey::of(&self.events.to_string()));
        let record = OrderRecord { step: OrderStep::State, number, version: None, lines: &lines };
        self.event(user, at, Action::Order(record));
    }
}

/// Bytes a user, as told and as the process grew. The table of users has room for up to a chunk more, and its index for more.
fn cost(users: u64, history: impl Fn(&mut Crowd, u64)) -> (f64, f64) {
    let before = held_now();
    let mut crowd = Crowd::new();
    (0..users).for_each(|user| history(&mut crowd, user));
    let grown = held_now() - before;
    assert_eq!(crowd.windows.visitors() as u64, users);
    let told = crowd.windows.bytes();
    eprintln!("{told:?}");
    std::mem::forget(crowd); // what comes next must not find its memory free
    (told.total() as f64 / users as f64, grown as f64 / users as f64)
}

/// Lists go to the view, and nowhere else.
struct ToView;

impl Sink for ToView {
    fn list(&mut self, _publication: &Publication<'_>, _value: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    fn reject(&mut self, source: &SourcePartition, _offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        anyhow::bail!("{source}: {reject:?}")
    }
}

/// All stages, on logs that are kept.
fn service() -> Pipeline<ToView> {
    let setup = Setup {
        intake: Intake::new(TimeRules::default(), UserKeys::new([7; 16]), 1),
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
        limits: BlockLimits::default(),
    };
    let mapping = Arc::new(MappingSpec::default().compile().unwrap());
    let inputs = vec![IntakeInput { source: SourcePartition::new("shop", 0), mapping }];
    Pipeline::open(setup, inputs, i64::MAX, MemoryLog::new(1, 1).keeping(), ToView).unwrap()
}

/// `samenloop_state_bytes`, by stage and kind.
fn told(pipeline: &mut Pipeline<ToView>) -> BTreeMap<String, f64> {
    let state = pipeline.serve(ListName::ALL.to_vec());
    pipeline.look();
    let text = state.metrics.render(state.view.len(), state.view.bytes(), &state.health).unwrap();
    let bytes = |line: &str| {
        let (labels, value) = line.strip_prefix("samenloop_state_bytes{")?.rsplit_once(' ')?;
        Some((labels.to_owned(), value.parse().unwrap()))
    };
    text.lines().filter_map(bytes).collect()
}

/// Fault 18. What is read again takes as much as it took when it came, and the metric names it.
#[test]
fn users_who_view_once_are_in_the_metric_and_take_no_more_after_a_restart() {
    const USERS: u64 = 100_000;
    /// What each takes, as the metric has it: a place in the table, and in its index.
    const EACH: std::ops::Range<f64> = 40.0..64.0;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pipeline = service();
    pipeline.clock(NOW_MS).unwrap();
    for user in 0..USERS {
        let item = user % 100;
        let event = format!(r#"{{"type":"view","user":"u{user}","ts":{NOW_MS},"item":"i{item}"}}"#);
        let record = Record { value: Some(event.as_bytes()), timestamp_ms: Some(NOW_MS), ..Record::default() };
        pipeline.feed(0, NextOffset(user), &record).unwrap();
    }
    pipeline.rest().unwrap();
    let (before, held) = (told(&mut pipeline), held_now());
    let users = |told: &BTreeMap<String, f64>| {
        let series = told.iter().find(|(labels, _)| labels.contains("visitors") && labels.contains("windows"));
        series.unwrap_or_else(|| panic!("users are in no series: {told:?}")).1 / USERS as f64
    };
    assert!(EACH.contains(&users(&before)), "{} bytes a user: {before:?}", users(&before));

    pipeline.restart().unwrap();
    pipeline.clock(NOW_MS + 60_000).unwrap();
    pipeline.rest().unwrap();
    let after = told(&mut pipeline);
    assert_eq!(pipeline.windows()[0].work().users() as u64, USERS);
    assert!(users(&after) <= users(&before), "{before:?} before, {after:?} after");
    let (sum, sum_before) = (after.values().sum::<f64>(), before.values().sum::<f64>());
    assert!(sum <= sum_before * 1.02, "{sum_before} bytes before: {before:?}\n{sum} after: {after:?}");
    let more = held_now().saturating_sub(held) as f64 / USERS as f64;
    println!("{:.0} bytes a user as told, and {more:.0} more in the process after a restart", users(&after));
    assert!(more < EACH.start / 4.0, "{more} bytes a user more than before the restart");
}

#[test]
fn a_user_costs_what_is_told_and_one_who_views_once_costs_little() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let one_view = cost(400_000, |crowd, user| crowd.view(user, 0));
    let session = cost(100_000, |crowd, user| (0..5).for_each(|n| crowd.view(user, n * MINUTE_MS)));
    let [customer, changing] = [false, true].map(|is_numbered| {
        cost(100_000, |crowd, user| {
            (0..5).for_each(|n| crowd.view(user, n * MINUTE_MS));
            crowd.order(user, 6 * MINUTE_MS, 3, is_numbered);
            crowd.order(user, 60 * MINUTE_MS, 5, is_numbered);
        })
    });
    let cases = [
        ("one view", one_view, 64.0),
        ("a session of five", session, 400.0),
        ("a customer", customer, 640.0),
        ("a customer whose two orders may change", changing, 980.0),
    ];
    for (name, (told, grown), most) in cases {
        println!("{name}: {told:.0} bytes a user as told, {grown:.0} as the process grew");
        assert!(grown <= most, "{name}: {grown} bytes a user, at most {most} are wanted");
        assert!((told / grown - 1.0).abs() < 0.15, "{name}: {told} bytes a user as told, {grown} as the process grew");
    }
}
