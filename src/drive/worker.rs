//! What every worker has: its means, its sign of life, its loop, and how it sleeps and wakes.
//!
//! A worker is a member of one group for each topic that it reads, owns the partitions which these give it, and holds their
//! stages. The loop is the same for all, whoever keeps the logs: what the groups say, what is at hand, the time, what it did,
//! what it is asked.
//!
//! Invariants: a fact's effects are carried out before the next fact; whatever a worker waits for, it gives a sign of life.
//! Absent: what a worker does (`intake`, `windows`, `rows`), threads.

use super::clock::Clocks;
use super::lease::{Overslept, Tenure};
use super::plan::Plan;
use super::snapshots::Outcome;
use super::transport::{Appending, Transport, Writer};
use super::vigil::Vigil;
use crate::intake::Reject;
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::publish::Publication;
use crate::serve::query::Query;
use crate::serve::view::ListView;
use crate::serve::{Asked, Look};
use crate::stage::{Clock, Effects, Log, Phase};
use crate::watch::failing::Told;
use crate::watch::health::{Health, PartitionState, StageName};
use crate::watch::metrics::{LogFollower, LogTallies, Metrics};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a worker tells its stages the time, and sends what they hold.
const TICK: Duration = Duration::from_millis(20);
/// How soon a worker looks again that waits to send more: nothing wakes it when brokers acknowledge.
const HELD_BACK: Duration = Duration::from_millis(2);
/// How often a worker shows what it did, and commits how far it is.
const SHOW: Duration = Duration::from_secs(1);
/// The same, for who goes by the steady clock.
pub(super) const SECOND_MS: i64 = 1_000;

/// Wakes a worker that sleeps because nothing was there.
#[derive(Clone, Default)]
pub struct Wake(Arc<(Mutex<bool>, Condvar)>);

impl Wake {
    /// Something came.
    pub fn wake(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_one();
    }

    /// Sleeps until woken, also by what came since the last sleep, or until `deadline`.
    pub fn sleep(&self, deadline: Instant) {
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

/// Who hears of what leaves, besides the logs.
pub trait Witness: Send {
    /// A list was published, as this record.
    ///
    /// # Errors
    /// When it cannot be taken: the worker stops.
    fn list(&mut self, _publication: &Publication<'_>, _value: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    /// A record was refused.
    ///
    /// # Errors
    /// When it cannot be taken: the worker stops.
    fn reject(&mut self, _source: &SourcePartition, _offset: NextOffset, _reject: &Reject) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Nobody.
pub struct Nobody;

impl Witness for Nobody {}

/// What a worker is asked: whoever does its work after it has started again goes on with it.
#[derive(Clone)]
pub struct Questions(Arc<Mutex<Receiver<Query>>>);

impl Questions {
    /// What comes by `receiver`.
    #[must_use]
    pub fn new(receiver: Receiver<Query>) -> Self {
        Self(Arc::new(Mutex::new(receiver)))
    }

    fn next(&self) -> Option<Query> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).try_recv().ok()
    }
}

/// What a worker says of its partitions. Dropped, it has none any more, however its worker ended.
pub struct Desk {
    health: Arc<Health>,
    held: Mutex<BTreeSet<(StageName, Partition)>>,
}

impl Desk {
    /// Of a worker that owns nothing yet.
    #[must_use]
    pub fn new(health: Arc<Health>) -> Self {
        Self { health, held: Mutex::default() }
    }

    /// See [`Health::set`].
    pub(super) fn set(&self, stage: StageName, partition: Partition, state: PartitionState) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert((stage, partition));
        self.health.set(stage, partition, state);
    }

    /// A partition that has been catching up `since` is live now, if it is: said at once, not with the next second's figures.
    pub(super) fn note(&self, stage: StageName, partition: Partition, phase: &Phase, since: &mut Option<Instant>) {
        if *phase == Phase::Live
            && let Some(since) = since.take()
        {
            self.set(stage, partition, PartitionState::Live);
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(stage = stage.name(), partition = partition.0, seconds, "live");
        }
    }

    /// See [`Health::remove`].
    pub(super) fn remove(&self, stage: StageName, partition: Partition) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&(stage, partition));
        self.health.remove(stage, partition);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        held.iter().for_each(|&(stage, partition)| self.health.remove(stage, partition));
    }
}

/// What ties a worker to the rest of the process.
pub struct Ties {
    /// Among the workers of its kind.
    pub number: usize,
    /// Its sign of life.
    pub vigil: Arc<Vigil>,
    /// What wakes it.
    pub wake: Wake,
    /// Its clocks.
    pub clock: Arc<dyn Clocks>,
    /// Whether what it owns may still be its own.
    pub tenure: Tenure,
    /// Where it says how its partitions stand.
    pub desk: Desk,
    /// What is watched of the process.
    pub health: Arc<Health>,
    /// Where it shows what it did.
    pub metrics: Arc<Metrics>,
    /// What HTTP serves of lists.
    pub view: Arc<ListView>,
    /// What it is asked.
    pub questions: Questions,
    /// Who hears of lists and rejects.
    pub witness: Box<dyn Witness>,
}

/// A worker's own means.
pub struct Hands<T: Transport> {
    /// What all workers share.
    pub plan: Arc<Plan>,
    /// The rest of the process.
    pub ties: Ties,
    /// How to reach the logs.
    pub transport: T,
    /// Appends to our logs.
    pub writer: T::Writer,
    appended: BTreeMap<Log, (LogTallies, LogFollower)>,
}

impl<T: Transport> Hands<T> {
    /// With a writer of its own.
    ///
    /// # Errors
    /// When that cannot be made.
    pub fn new(plan: Arc<Plan>, ties: Ties, transport: T) -> anyhow::Result<Self> {
        let writer = transport.writer()?;
        Ok(Self { plan, ties, transport, writer, appended: BTreeMap::new() })
    }

    /// Now.
    pub(super) fn now(&self) -> Clock {
        self.ties.clock.now()
    }

    /// What came of a snapshot of a partition of `stage`. What is the store's fault is told once for all partitions, and again from time
    /// to time: there may be many.
    pub(super) fn heed(&self, stage: StageName, outcome: Outcome) {
        let Ties { vigil, health, metrics, .. } = &self.ties;
        let (worker, now) = (vigil.name(), Instant::now());
        match outcome {
            Outcome::Published { partition, published, seconds } => {
                let (offset, bytes) = (published.offset, published.bytes);
                tracing::info!(worker, partition = partition.0, offset, bytes, seconds, "snapshot");
                if let Some(Told { tries, partitions, seconds }) = health.saving().went_well(stage, partition, now) {
                    tracing::info!(worker, tries, partitions, seconds, "snapshots go on: the store takes them again");
                }
                match &published.untidy {
                    None => {
                        health.tidying().went_well(stage, partition, now);
                    }
                    Some(why) => {
                        let told = health.tidying().failed(stage, partition, now);
                        warn_of(worker, partition, told, &format_args!("a log is not trimmed this time: {why}"));
                    }
                }
                let metrics = Arc::clone(metrics);
                self.transport.trim(published.trims, Box::new(move |log, is_done| metrics.count_trim(log, is_done)));
            }
            Outcome::Failed { partition, why } if why.is_of_the_store() => {
                let told = health.saving().failed(stage, partition, now);
                warn_of(worker, partition, told, &format_args!("no snapshot this time: {why}"));
            }
            Outcome::Failed { partition, why } => {
                tracing::warn!(worker, partition = partition.0, "no snapshot this time: {why}");
            }
        }
    }

    /// Appends to one of our logs.
    pub(super) fn append(&mut self, log: Log, partition: Partition, appending: Appending<'_>) -> anyhow::Result<()> {
        self.ties.tenure.check()?;
        let metrics = &self.ties.metrics;
        let (tallies, _) = self.appended.entry(log).or_insert_with(|| (LogTallies::default(), metrics.log(log.name())));
        tallies.blocks += 1;
        tallies.bytes += appending.value.map_or(0, <[u8]>::len) as u64;
        self.writer.append(log, partition, appending)
    }

    /// How many records, and bytes of their values, were appended to `log`.
    #[must_use]
    pub fn appended(&self, log: Log) -> (u64, u64) {
        self.appended.get(&log).map_or((0, 0), |(tallies, _)| (tallies.blocks, tallies.bytes))
    }

    /// Tells health whether the group has spoken. A worker that has nothing while its group is in disarray waits again.
    pub(super) fn settle(&self, is_settled: bool, has_nothing: bool) {
        let Ties { health, vigil, .. } = &self.ties;
        match (is_settled, has_nothing) {
            (true, _) => health.settle(vigil.name()),
            (false, true) => health.announce(vigil.name()),
            (false, false) => {}
        }
    }

    /// Shows what was appended, and gives a sign of life.
    pub(super) fn show(&mut self) {
        self.ties.vigil.beat();
        for (tallies, follower) in self.appended.values_mut() {
            follower.update(tallies);
        }
    }
}

/// Says what failed, where it is time to say so.
fn warn_of(worker: &str, partition: Partition, told: Option<Told>, what: &dyn Display) {
    if let Some(Told { tries, partitions, seconds }) = told {
        tracing::warn!(worker, partition = partition.0, tries, partitions, seconds, "{what}");
    }
}

/// Carries out effects of a stage that only appends; the first failure is kept, and nothing is carried out after it.
pub(super) struct Appends<'h, T: Transport> {
    hands: &'h mut Hands<T>,
    failed: Option<anyhow::Error>,
}

impl<'h, T: Transport> Appends<'h, T> {
    pub(super) fn new(hands: &'h mut Hands<T>) -> Self {
        Self { hands, failed: None }
    }

    /// What came of it, with what the stage says.
    pub(super) fn end(self, handled: Result<(), crate::stage::StageError>) -> anyhow::Result<()> {
        handled?;
        self.failed.map_or(Ok(()), Err)
    }
}

impl<T: Transport> Effects for Appends<'_, T> {
    fn append(&mut self, log: Log, partition: Partition, block: Vec<u8>) {
        if self.failed.is_none() {
            let appending = Appending { value: Some(&block), ..Appending::default() };
            self.failed = self.hands.append(log, partition, appending).err();
        }
    }

    fn publish(&mut self, _publication: &Publication<'_>) {
        self.failed.get_or_insert_with(|| unexpected("a list published"));
    }

    fn reject(&mut self, _source: &SourcePartition, _offset: NextOffset, _reject: Reject) {
        self.failed.get_or_insert_with(|| unexpected("a record rejected"));
    }
}

/// A stage that wants what is not its to want is broken.
pub(super) fn unexpected(what: &str) -> anyhow::Error {
    anyhow::anyhow!("a stage wants {what} that may not: a mistake in samenloop, please report it")
}

/// A worker: what it does with what its groups give it. The loop is the same for all.
pub trait Worker {
    /// Its means.
    fn ties(&self) -> &Ties;
    /// Takes in what has been acknowledged.
    ///
    /// # Errors
    /// When something was not delivered.
    fn look(&mut self) -> anyhow::Result<()>;
    /// Whether it holds back something that goes out when more has been acknowledged.
    fn holds_back(&self) -> bool {
        false
    }
    /// Takes up what its groups have said, if anything.
    ///
    /// # Errors
    /// When it cannot go on.
    fn change(&mut self) -> anyhow::Result<()>;
    /// Takes what is at hand; says whether that was nothing, and nothing is left to do.
    ///
    /// # Errors
    /// When it cannot go on.
    fn read(&mut self) -> anyhow::Result<bool>;
    /// Tells its stages the time, and sends what they hold.
    ///
    /// # Errors
    /// When it cannot go on.
    fn tick(&mut self) -> anyhow::Result<()>;
    /// Shows what was done to those who watch, and how far to lag tools.
    fn show(&mut self);
    /// Its stages, to be asked.
    fn asked(&self) -> Asked<'_>;
    /// Finishes what is in hand.
    ///
    /// # Errors
    /// When it cannot.
    fn finish(&mut self) -> anyhow::Result<()>;

    /// One turn, but for the time; says whether nothing was at hand.
    ///
    /// # Errors
    /// When it cannot go on.
    fn turn(&mut self) -> anyhow::Result<bool> {
        self.look()?;
        self.change()?;
        self.read()
    }

    /// Answers what one look at the questions is worth: a tick is some twenty times as long.
    fn answer_some(&mut self) {
        let mut look = Look::default();
        while look.goes_on()
            && let Some(query) = self.ties().questions.next()
        {
            look.answer(&self.asked(), query);
        }
    }

    /// Works until the process stops, then finishes what is in hand.
    ///
    /// # Errors
    /// When it cannot go on, or the process has overslept.
    fn run(&mut self) -> anyhow::Result<()> {
        let (mut next_tick, mut next_show) = (Instant::now(), Instant::now());
        while !self.ties().vigil.is_stopping() {
            self.ties().tenure.check()?;
            let is_idle = self.turn()?;
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.ties().tenure.check()?; // to tick and to show is to commit, too
                self.tick()?;
                self.answer_some();
            }
            if now >= next_show {
                next_show = now + SHOW;
                self.ties().tenure.check()?;
                self.show();
            }
            if is_idle {
                let soon = if self.holds_back() { now + HELD_BACK } else { next_tick };
                self.ties().wake.sleep(next_tick.min(soon));
            }
        }
        match self.end() {
            Err(error) if error.is::<Overslept>() => {
                tracing::warn!(worker = self.ties().vigil.name(), "{error}");
                Ok(()) // what is in hand is not its own to finish
            }
            ended => ended,
        }
    }

    /// Shows what was done for the last time, and finishes what is in hand.
    ///
    /// # Errors
    /// When it cannot, or the process has overslept.
    fn end(&mut self) -> anyhow::Result<()> {
        self.ties().tenure.check()?;
        self.show();
        self.ties().tenure.check()?;
        self.finish()
    }
}

/// Age of the oldest record that has not been read, as well as it can be told: that of the newest that has.
pub(super) fn age_ms(records_left: u64, newest_ms: Option<i64>, now: Clock) -> u64 {
    match newest_ms {
        Some(newest_ms) if records_left > 0 => now.wall_ms.saturating_sub(newest_ms).max(0).unsigned_abs(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
