//! Who is well: the heartbeats of the workers, and where each stage stands on each partition.
//!
//! Workers write, HTTP reads. The rows partitions also say which items are on this instance: an item belongs to the
//! partition of its fixed fingerprint.
//! Absent: judgement about lag; an instance that is behind but working is ready.

use super::failing::Failing;
use super::waits::Waits;
use crate::items::{fingerprint, spread};
use crate::position::Partition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A worker that has not come round its loop for this long hangs or is dead. A batch takes milliseconds, and so does an
/// answer; whoever waits for brokers gives signs of life meanwhile.
pub const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(60);

/// What the worker of `samenloop warm` is called.
pub const WARMER: &str = "warm";

/// The stages, as metrics and answers name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StageName {
    /// Source records → events log.
    Intake,
    /// Events log → pairs log.
    Windows,
    /// Pairs log → lists.
    Rows,
}

impl StageName {
    /// All of them, in the order of the flow.
    pub const ALL: [Self; 3] = [Self::Intake, Self::Windows, Self::Rows];

    /// The name used in metric labels and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Windows => "windows",
            Self::Rows => "rows",
        }
    }
}

/// Where a stage stands on one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionState {
    /// Loading its state.
    Restoring,
    /// Applying what the log held at start; lists stay silent.
    CatchingUp {
        /// Records still to read.
        records_left: u64,
        /// Source partitions of which something is missing from the log: until it has been sent again, this does not become live.
        gaps: usize,
    },
    /// Normal work.
    Live,
    /// Being handed over.
    Draining,
    /// After an error: what it holds counts no more.
    Stopped,
}

impl PartitionState {
    /// The name used in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Restoring => "restoring",
            Self::CatchingUp { .. } => "catching_up",
            Self::Live => "live",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// What [`Health::partitions`] and `/readyz` say of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The stage.
    pub stage: StageName,
    /// The partition it reads.
    pub partition: Partition,
    /// Where it stands.
    pub state: PartitionState,
}

/// A worker whose heartbeat is too old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The worker's name.
    pub worker: Arc<str>,
    /// Age of its last heartbeat.
    pub age: Duration,
    /// The limit it has passed.
    pub age_max: Duration,
}

/// Shared by all workers and HTTP.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    age_max: Duration,
    rows_partitions: AtomicU32,
    beats: Mutex<Vec<(Arc<str>, Arc<AtomicU64>)>>,
    /// Workers that wait to hear what is theirs.
    waiting: Mutex<BTreeSet<Arc<str>>>,
    /// Whether any worker that waited has heard.
    has_settled: AtomicBool,
    states: RwLock<BTreeMap<(StageName, Partition), PartitionState>>,
    waits: Arc<Waits>,
    /// Snapshots, and what is removed behind them.
    saving: Failing,
    tidying: Failing,
}

/// A worker's right to say that it is alive. Dropped without [`Heartbeat::finish`] (a panic), it grows stale.
#[derive(Debug)]
pub struct Heartbeat {
    started: Instant,
    at_ms: Arc<AtomicU64>,
}

/// In place of a time, and later than any: the worker ended as it should.
const FINISHED: u64 = u64::MAX;

impl Health {
    /// Nothing assigned, no worker yet. `rows_partitions` is the partition count of the pairs log.
    #[must_use]
    pub fn new(rows_partitions: u32, age_max: Duration) -> Self {
        Self {
            started: Instant::now(),
            age_max,
            rows_partitions: AtomicU32::new(rows_partitions),
            beats: Mutex::default(),
            waiting: Mutex::default(),
            has_settled: AtomicBool::new(false),
            states: RwLock::default(),
            waits: Arc::default(),
            saving: Failing::default(),
            tidying: Failing::default(),
        }
    }

    /// Registers a worker. Its first beat is now.
    #[must_use]
    pub fn heartbeat(&self, worker: &str) -> Heartbeat {
        let heartbeat = Heartbeat { started: self.started, at_ms: Arc::default() };
        heartbeat.beat();
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.push((Arc::from(worker), Arc::clone(&heartbeat.at_ms)));
        heartbeat
    }

    /// The first worker whose heartbeat is too old, if there is one.
    #[must_use]
    pub fn stale(&self) -> Option<Stale> {
        let now_ms = milliseconds(self.started.elapsed());
        let age_max_ms = milliseconds(self.age_max);
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.iter().find_map(|(worker, at_ms)| {
            let at_ms = at_ms.load(Ordering::Relaxed);
            let age_ms = now_ms.saturating_sub(at_ms);
            (age_ms > age_max_ms).then(|| Stale {
                worker: Arc::clone(worker),
                age: Duration::from_millis(age_ms),
                age_max: self.age_max,
            })
        })
    }

    /// `worker` does not know yet which partitions are its own.
    pub fn announce(&self, worker: &str) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::from(worker));
    }

    /// `worker` has heard which partitions are its own, be it none.
    pub fn settle(&self, worker: &str) {
        if self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(worker) {
            self.has_settled.store(true, Ordering::Relaxed);
        }
    }

    /// The workers that wait to hear which partitions are theirs.
    #[must_use]
    pub fn waiting(&self) -> Vec<Arc<str>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Who waits for something outside.
    #[must_use]
    pub fn waits(&self) -> &Arc<Waits> {
        &self.waits
    }

    /// How snapshots fail that are taken.
    #[must_use]
    pub fn saving(&self) -> &Failing {
        &self.saving
    }

    /// How removing what snapshots make needless fails.
    #[must_use]
    pub fn tidying(&self) -> &Failing {
        &self.tidying
    }

    /// Whether everything that is on this instance is live, every worker knows what is, and every partition of the sources
    /// has a reader.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        let is_known = !states.is_empty() || self.has_settled.load(Ordering::Relaxed);
        let is_known = is_known && self.waiting().is_empty() && self.waits.all_are_read();
        is_known && states.values().all(|&state| state == PartitionState::Live)
    }

    /// Says where `stage` stands on `partition`, which is on this instance from now on.
    pub fn set(&self, stage: StageName, partition: Partition, state: PartitionState) {
        self.states.write().unwrap_or_else(PoisonError::into_inner).insert((stage, partition), state);
    }

    /// `partition` is no longer on this instance.
    pub fn remove(&self, stage: StageName, partition: Partition) {
        self.states.write().unwrap_or_else(PoisonError::into_inner).remove(&(stage, partition));
        self.saving.forget(stage, partition);
        self.tidying.forget(stage, partition);
    }

    /// Every partition on this instance, in order.
    #[must_use]
    pub fn partitions(&self) -> Vec<Standing> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(|(&(stage, partition), &state)| Standing { stage, partition, state }).collect()
    }

    /// How many partitions the pairs log has.
    #[must_use]
    pub fn rows_partitions(&self) -> u32 {
        self.rows_partitions.load(Ordering::Relaxed)
    }

    /// How many partitions the pairs log has, once brokers have said so.
    pub fn set_rows_partitions(&self, count: u32) {
        self.rows_partitions.store(count, Ordering::Relaxed);
    }

    /// The rows partition that holds the lists of `item`, and where it stands; `None` when it is not on this instance.
    #[must_use]
    pub fn owner(&self, shop: &str, item: &str) -> (Partition, Option<PartitionState>) {
        let partition = spread(fingerprint(shop, item), self.rows_partitions().max(1));
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        (partition, states.get(&(StageName::Rows, partition)).copied())
    }
}

impl Heartbeat {
    /// The worker has come round its loop.
    pub fn beat(&self) {
        self.at_ms.store(milliseconds(self.started.elapsed()), Ordering::Relaxed);
    }

    /// The worker ends as it should, and is no longer watched.
    pub fn finish(&self) {
        self.at_ms.store(FINISHED, Ordering::Relaxed);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(FINISHED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns the clock on until `heartbeat` is older than its limit.
    fn age(health: &Health) -> Stale {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(stale) = health.stale() {
                return stale;
            }
            assert!(Instant::now() < deadline, "no heartbeat grew stale");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_silent_worker_is_named_and_a_finished_one_is_not() {
        let health = Health::new(1, Duration::from_millis(20));
        assert_eq!(health.stale(), None, "nobody to watch");
        health.heartbeat("done").finish();
        let heartbeat = health.heartbeat("rows-0");
        assert_eq!(&*age(&health).worker, "rows-0");
        heartbeat.beat();
        assert_eq!(health.stale(), None, "it beats again");
        drop(heartbeat); // as a panic would
        assert_eq!(&*age(&health).worker, "rows-0");
    }

    #[test]
    fn an_item_is_here_while_its_rows_partition_is() {
        let health = Health::new(7, HEARTBEAT_AGE_MAX);
        let (partition, state) = health.owner("main", "sku/1");
        assert_eq!(partition, spread(fingerprint("main", "sku/1"), 7));
        assert_eq!(state, None);
        health.set(StageName::Windows, partition, PartitionState::Live);
        assert_eq!(health.owner("main", "sku/1").1, None, "another stage's partition is no row");
        health.set(StageName::Rows, partition, PartitionState::Restoring);
        assert_eq!(health.owner("main", "sku/1").1, Some(PartitionState::Restoring));
        health.remove(StageName::Rows, partition);
        assert_eq!(health.owner("main", "sku/1").1, None);
        assert_eq!(health.partitions().len(), 1);
    }
}
