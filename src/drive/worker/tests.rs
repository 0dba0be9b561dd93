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
        counting: CountingRules::default(),
        merge_bytes_max: 1 << 20,
        rows: RowsSetup { lists, publish, clocked: Clocked::Wall, facts: None },
        limits: BlockLimits::default(),
    }
}

/// Appends a record in each turn, and when it finishes; before turn `sleeps_before` the process sleeps.
struct Busy {
    hands: Hands<MemoryTransport>,
    clock: Seconds,
    stop: Arc<AtomicBool>,
    turns: u64,
    sleeps_in: Option<u64>,
    stops_after: u64,
}

impl Busy {
    fn new(log: &MemoryLog, sleeps_in: Option<u64>, stops_after: u64) -> Self {
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
        Self { hands, clock, stop, turns: 0, sleeps_in, stops_after }
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
        if self.sleeps_in == Some(self.turns) {
            self.clock.0.fetch_add(16, Ordering::Relaxed);
            return self.append().map(|()| false); // in the midst of a turn
        }
        if self.sleeps_in.is_none() && self.turns == self.stops_after {
            self.clock.0.fetch_add(16, Ordering::Relaxed); // behind the last one
        }
        Ok(false)
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn show(&mut self) {}

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
    let mut busy = Busy::new(&log, Some(3), 9);
    let error = busy.run().unwrap_err();
    assert!(error.is::<Overslept>() && error.to_string().starts_with("the process slept for 16s"), "{error}");
    assert_eq!(appended(&log), 3);
    assert!(busy.run().is_err(), "and so it stays");
    assert_eq!(appended(&log), 3);
}

#[test]
fn who_overslept_and_is_to_stop_stops_and_finishes_nothing() {
    let log = MemoryLog::new(1, 1).keeping();
    Busy::new(&log, None, 4).run().unwrap();
    assert_eq!(appended(&log), 4, "what is in hand is not its own to finish");
}
