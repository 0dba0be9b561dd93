//! What every worker has: its name, its producer and its scanner, its sign of life, its loop, and how it sleeps and wakes.
//!
//! Invariants: whatever a worker waits for, it gives a sign of life meanwhile. Absent: what a worker does (`intake`,
//! `windows`, `rows`).

use super::KafkaFailure;
use super::scan::Scanner;
use super::service::Plan;
use super::writer::{Appending, Writer};
use crate::position::Partition;
use crate::serve::query::Query;
use crate::serve::view::ListView;
use crate::serve::{Asked, Look};
use crate::stage::{Effect, Log};
use crate::watch::health::{Health, Heartbeat};
use crate::watch::metrics::{LogFollower, LogTallies, Metrics};
use crate::watch::now_ms;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a worker tells its stages the time, and sends what they hold.
const TICK: Duration = Duration::from_millis(20);
/// How often a worker shows what it did, and commits how far it is.
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Wakes a worker that sleeps because nothing was there.
#[derive(Clone, Default)]
pub(super) struct Wake(Arc<(Mutex<bool>, Condvar)>);

impl Wake {
    /// Something came.
    pub(super) fn wake(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_one();
    }

    /// Sleeps until woken, also by what came since the last sleep, or until `deadline`.
    pub(super) fn sleep(&self, deadline: Instant) {
        let mut woken = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*woken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            woken = self.0.1.wait_timeout(woken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *woken = false;
    }
}

/// What ties a worker to the rest of the process.
pub(super) struct Ties {
    pub(super) name: String,
    /// Among the workers of its kind.
    pub(super) number: usize,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) wake: Wake,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) view: Arc<ListView>,
    pub(super) questions: Receiver<Query>,
    pub(super) heartbeat: Heartbeat,
}

/// A worker's own means.
pub(super) struct Hands {
    pub(super) plan: Arc<Plan>,
    pub(super) ties: Ties,
    pub(super) writer: Writer,
    pub(super) scanner: Scanner,
    appended: BTreeMap<Log, (LogTallies, LogFollower)>,
}

impl Hands {
    pub(super) fn new(plan: Arc<Plan>, ties: Ties) -> Result<Self, KafkaFailure> {
        let writer = Writer::new(&plan.client)?;
        let scanner = Scanner::new(&plan.client, &plan.group("scan"), Arc::clone(&ties.stop))?;
        Ok(Self { plan, ties, writer, scanner, appended: BTreeMap::new() })
    }

    /// Appends to one of our topics.
    pub(super) fn append(
        &mut self,
        log: Log,
        partition: Partition,
        appending: Appending<'_>,
    ) -> Result<(), KafkaFailure> {
        let metrics = &self.ties.metrics;
        let (tallies, _) = self.appended.entry(log).or_insert_with(|| (LogTallies::default(), metrics.log(log.name())));
        tallies.blocks += 1;
        tallies.bytes += appending.value.map_or(0, <[u8]>::len) as u64;
        let heartbeat = &self.ties.heartbeat;
        self.writer.append(self.plan.topic(log), partition, appending, &mut || heartbeat.beat())
    }

    /// Waits until everything appended has been acknowledged.
    pub(super) fn flush(&mut self) -> Result<(), KafkaFailure> {
        let heartbeat = &self.ties.heartbeat;
        self.writer.flush(&mut || heartbeat.beat())
    }

    /// Tells health whether the group has spoken. A worker that has nothing while its group is in disarray waits again.
    pub(super) fn settle(&self, is_settled: bool, has_nothing: bool) {
        let Ties { health, name, .. } = &self.ties;
        match (is_settled, has_nothing) {
            (true, _) => health.settle(name),
            (false, true) => health.announce(name),
            (false, false) => {}
        }
    }

    /// A sign of life, and what the brokers answered.
    pub(super) fn look(&mut self) -> Result<(), KafkaFailure> {
        self.ties.heartbeat.beat();
        self.writer.look("producer")
    }

    pub(super) fn show(&mut self) {
        for (tallies, follower) in self.appended.values_mut() {
            follower.update(tallies);
        }
    }
}

/// A worker: what it does with what its groups give it. The loop is the same for all.
pub(super) trait Worker {
    /// Its means.
    fn hands(&mut self) -> &mut Hands;
    /// Takes up what its groups have said, if anything.
    fn change(&mut self) -> anyhow::Result<()>;
    /// Takes what is at hand; says whether that was nothing.
    fn read(&mut self) -> anyhow::Result<bool>;
    /// Tells its stages the time, and sends what they hold.
    fn tick(&mut self) -> anyhow::Result<()>;
    /// Shows what was done to those who watch, and how far to lag tools.
    fn show(&mut self);
    /// Its stages, to be asked.
    fn asked(&self) -> Asked<'_>;
    /// Finishes what is in hand.
    fn finish(&mut self) -> anyhow::Result<()>;

    /// Answers what one look at the questions is worth: a tick is some twenty times as long.
    fn answer_some(&mut self) {
        let mut look = Look::default();
        while look.goes_on()
            && let Ok(query) = self.hands().ties.questions.try_recv()
        {
            look.answer(&self.asked(), query);
        }
    }

    /// Works until the ties say stop, then finishes what is in hand.
    ///
    /// # Errors
    /// When it cannot go on.
    fn run(&mut self) -> anyhow::Result<()> {
        let (mut next_tick, mut next_second) = (Instant::now(), Instant::now());
        while !self.hands().ties.stop.load(Ordering::Relaxed) {
            self.hands().look()?;
            self.change()?;
            let is_idle = self.read()?;
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.tick()?;
                self.answer_some();
            }
            if now >= next_second {
                next_second = now + SECOND;
                self.show();
            }
            if is_idle {
                self.hands().ties.wake.sleep(next_tick);
            }
        }
        self.show();
        self.finish()
    }
}

/// Age of the oldest record that has not been read, as well as it can be told: that of the newest that has.
pub(super) fn age_ms(records_left: u64, newest_ms: Option<i64>) -> u64 {
    match newest_ms {
        Some(newest_ms) if records_left > 0 => now_ms().saturating_sub(newest_ms).max(0).unsigned_abs(),
        _ => 0,
    }
}

/// A stage that wants what is not its to want is broken.
pub(super) fn unexpected(stage: &str, effect: &Effect) -> anyhow::Error {
    let what = match effect {
        Effect::Append { .. } => "a block appended",
        Effect::Broadcast { .. } => "a total told",
        Effect::Publish { .. } => "a list published",
        Effect::Reject { .. } => "a record rejected",
    };
    anyhow::anyhow!("the {stage} stage wants {what}: a mistake in samenloop, please report it")
}
