//! A worker whose process has slept: it finishes nothing.

use super::*;
use crate::drive::memory::{MemoryLog, MemoryTransport};
use crate::drive::{Lease, Overslept, SetClocks, Setup, SleepClock, Topic, plan};
use crate::event::UserKeys;
use crate::intake::{Intake, TimeRules};
use crate::rules::{CountingRules, ListRules, PublishRules};
use crate::stage::{BlockLimits, Clocked, RowsSetup};
use crate::watch::health::HEARTBEAT_AGE_MAX;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Seconds, set by hand.
#[derive(Clone, Default)]
struct Seconds(Arc<AtomicU64>);

impl SleepClock for Seconds {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

fn setup() -> Setup {
    let (lists, publish) = (ListRules::defaults(), PublishRules::default());
    Setup {
        intake: Intake::new(TimeRules::default(), UserKeys::new([0; 16]), 1),
        events_identity: 0,
        history_ms: None,
        clicks: crate::rules::ClickRules::default(),
        counting: CountingRules::default(),
        merge_bytes_max: 1 << 20,
        rows: RowsSetup { lists, publish, clocked: Clocked::Wall, facts: None },
        limits: BlockLimits::default(),
    }
}

/// When the process sleeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleeps {
    /// In the midst of this turn, which goes on to append.
    InTurn(u64),
    /// At the end of this turn.
    BehindTurn(u64),
    /// In this tick.
    InTick(u64),
}

/// Appends a record in each turn, and when it finishes; commits when it ticks and shows.
struct Busy {
    hands: Hands<MemoryTransport>,
    clock: Seconds,
    stop: Arc<AtomicBool>,
    turns: u64,
    ticks: u64,
    commits: u64,
    sleeps: Sleeps,
    stops_after: u64,
}

impl Busy {
    fn new(log: &MemoryLog, sleeps: Sleeps, stops_after: u64) -> Self {
        let (clock, stop) = (Seconds::default(), Arc::<AtomicBool>::default());
        let lease = Lease::new(Box::new(clock.clone()), Duration::from_secs(15));
        let health = Arc::new(Health::new(1, HEARTBEAT_AGE_MAX));
        let ties = Ties {
            number: 0,
            vigil: Arc::new(Vigil::new("busy-0", Arc::clone(&stop), &health)),
            wake: Wake::default(),
            clock: Arc::<SetClocks>::default() as Arc<dyn Clocks>,
            tenure: Tenure::begin(&lease),
            desk: Desk::new(Arc::clone(&health)),
            health,
            metrics: Arc::new(Metrics::new().unwrap()),
            view: Arc::default(),
            questions: Questions::new(std::sync::mpsc::channel().1),
            witness: Box::new(Nobody),
        };
        let plan = plan(setup(), &[], 0, log).unwrap();
        let hands = Hands::new(plan, ties, log.transport(0)).unwrap();
        Self { hands, clock, stop, turns: 0, ticks: 0, commits: 0, sleeps, stops_after }
    }

    fn sleep(&self) {
        self.clock.0.fetch_add(16, Ordering::Relaxed);
    }

    fn append(&mut self) -> anyhow::Result<()> {
        let appending = Appending { value: Some(b"value"), ..Appending::default() };
        self.hands.append(Log::Events, Partition(0), appending)
    }
}

impl Worker for Busy {
    fn ties(&self) -> &Ties {
        &self.hands.ties
    }

    fn look(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn change(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<bool> {
        self.append()?;
        self.turns += 1;
        if self.turns == self.stops_after {
            self.stop.store(true, Ordering::Relaxed);
        }
        if self.sleeps == Sleeps::InTurn(self.turns) {
            self.sleep();
            self.append()?;
        }
        if self.sleeps == Sleeps::BehindTurn(self.turns) {
            self.sleep();
        }
        Ok(false)
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        self.commits += 1;
        self.ticks += 1;
        if self.sleeps == Sleeps::InTick(self.ticks) {
            self.sleep();
        }
        Ok(())
    }

    fn show(&mut self) {
        self.commits += 1;
    }

    fn asked(&self) -> Asked<'_> {
        Asked { assignment: 0, rejected: 0, windows: Vec::new(), rows: Vec::new(), rows_partitions: 1 }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.hands.writer.append(Log::Events, Partition(0), Appending::default())
    }
}

fn appended(log: &MemoryLog) -> u64 {
    log.bounds(&Topic::Log(Log::Events), Partition(0)).unwrap().high.0
}

#[test]
fn who_overslept_appends_nothing_more_and_ends_so_as_to_begin_again() {
    let log = MemoryLog::new(1, 1).keeping();
    let mut busy = Busy::new(&log, Sleeps::InTurn(3), 9);
    let error = busy.run().unwrap_err();
    assert!(error.is::<Overslept>() && error.to_string().starts_with("the process slept for 16s"), "{error}");
    assert_eq!(appended(&log), 3);
    assert!(busy.run().is_err(), "and so it stays");
    assert_eq!(appended(&log), 3);
}

/// The first turn is followed by a tick and by showing.
#[test]
fn who_overslept_commits_nothing_more_wherever_in_the_loop_it_slept() {
    for (sleeps, commits) in [(Sleeps::BehindTurn(1), 0), (Sleeps::InTick(1), 1)] {
        let log = MemoryLog::new(1, 1).keeping();
        let mut busy = Busy::new(&log, sleeps, 9);
        assert!(busy.run().unwrap_err().is::<Overslept>());
        assert_eq!((appended(&log), busy.commits), (1, commits));
    }
    let log = MemoryLog::new(1, 1).keeping();
    let mut busy = Busy::new(&log, Sleeps::BehindTurn(9), 1);
    busy.run().unwrap();
    assert!(busy.commits >= 3, "who has not slept commits when it ticks, shows and ends: {}", busy.commits);
}

#[test]
fn who_overslept_and_is_to_stop_stops_and_finishes_nothing() {
    let log = MemoryLog::new(1, 1).keeping();
    Busy::new(&log, Sleeps::BehindTurn(4), 4).run().unwrap();
    assert_eq!(appended(&log), 4, "what is in hand is not its own to finish");
}
