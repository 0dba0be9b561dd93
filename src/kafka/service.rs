//! A run on Kafka: the threads of its workers, and the end.
//!
//! Before the brokers have answered there is [`Standby`]: HTTP is served, and says what is waited for.
//! Invariants: a worker that panicked, or whose clients have failed, starts again in its place, on the path of every take-over, a bounded
//! number of times; the others go on. One that cannot go on ends the run, the others finish first. A stop is over within [`STOP_MAX`].

use super::reader::sleep_max;
use super::transport::{KafkaTransport, Names};
use crate::config::WorkersSettings;
use crate::drive::{
    Clocks, Desk, FactsWorker, Hands, IntakeWorker, Lease, LogFailure, Nobody, Overslept, Plan, Questions, RowsWorker,
    StopAsked, SystemClocks, SystemSleepClock, Tenure, Ties, Vigil, Wake, WindowsWorker, Worker,
};
use crate::serve::http::{Limits, State};
use crate::serve::query::{Query, queries};
use crate::serve::view::ListView;
use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};
use crate::watch::metrics::{Metrics, Strain};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long workers may take to finish what they have in hand, and to leave their groups.
pub const STOP_MAX: Duration = Duration::from_secs(30);
/// How often a worker may start again within [`RESTARTS_WITHIN`], and how long it waits before it does, doubled each time.
const RESTARTS_MAX: usize = 5;
const RESTARTS_WITHIN: Duration = Duration::from_secs(600);
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How often the run looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// How often it looks what the process takes of the memory, and how often it says that this is too much.
const WEIGH: Duration = Duration::from_secs(5);
const WARN_OF_MEMORY: Duration = Duration::from_secs(600);

/// How a worker ended.
type Ended = (String, anyhow::Result<()>);

/// Tells how a worker ended, also when it panicked.
struct Bell {
    name: String,
    tell: mpsc::Sender<Ended>,
    ran: Option<anyhow::Result<()>>,
}

impl Drop for Bell {
    fn drop(&mut self) {
        let panicked = || Err(anyhow::anyhow!("it panicked, see above: a mistake in samenloop, please report it"));
        let ran = self.ran.take().unwrap_or_else(panicked);
        let _nobody_listens = self.tell.send((std::mem::take(&mut self.name), ran));
    }
}

/// A run that has not begun: nobody knows yet whether brokers answer.
pub struct Standby {
    workers: WorkersSettings,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    view: Arc<ListView>,
    questions: Vec<Receiver<Query>>,
    stop: Arc<AtomicBool>,
}

impl Standby {
    /// With what HTTP serves from now on. Whatever waits gives up once `stop` is set.
    ///
    /// # Errors
    /// When the metrics cannot be registered: a mistake in their file.
    pub fn new(workers: WorkersSettings, stop: &Arc<AtomicBool>) -> anyhow::Result<(Self, State)> {
        let metrics = Arc::new(Metrics::new()?);
        let health = Arc::new(Health::new(0, HEARTBEAT_AGE_MAX));
        let view = Arc::<ListView>::default();
        let (queries, questions) = queries(workers.intake + workers.windows + workers.rows);
        health.announce("start");
        let state = State {
            view: Arc::clone(&view),
            health: Arc::clone(&health),
            queries,
            metrics: Arc::clone(&metrics),
            lists: Vec::new(),
            recommending: Arc::default(),
            verdicts: None,
            limits: Limits::default(),
        };
        Ok((Self { workers, metrics, health, view, questions, stop: Arc::clone(stop) }, state))
    }

    /// Where what is done is shown.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The sign of life of what goes before the workers.
    #[must_use]
    pub fn vigil(&self) -> Vigil {
        Vigil::new("start", Arc::clone(&self.stop), &self.health)
    }

    /// Starts the workers.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(self, plan: Plan, names: Names, vigil: Vigil) -> anyhow::Result<Service> {
        let Self { workers, metrics, health, view, questions, .. } = self;
        health.set_rows_partitions(plan.pairs_partitions);
        let lease = Lease::new(Box::new(SystemSleepClock), sleep_max(&names.client));
        let (plan, names, clock) = (Arc::new(plan), Arc::new(names), Arc::new(SystemClocks::default()));
        let facts = usize::from(plan.feed.is_some());
        let kinds: [(&str, usize, Make); 4] = [
            ("facts", facts, |hands| Ok(Box::new(FactsWorker::new(hands)?))),
            ("intake", workers.intake, |hands| Ok(Box::new(IntakeWorker::new(hands)?))),
            ("windows", workers.windows, |hands| Ok(Box::new(WindowsWorker::new(hands)?))),
            ("rows", workers.rows, |hands| Ok(Box::new(RowsWorker::new(hands)?))),
        ];
        let (tell, ended) = mpsc::channel();
        // Workers stop by a word of their own: what is in hand is finished after the process has been told to stop.
        let stop = Arc::new(AtomicBool::new(false));
        let (wakes, threads) = (Vec::new(), Vec::new());
        let scales = Scales { metrics: Arc::clone(&metrics), next: Instant::now() + WEIGH, told: None };
        let mut service = Service { stop, wakes, threads, ended, lease: Arc::clone(&lease), scales };
        let mut questions = questions.into_iter();
        for (kind, count, make) in kinds {
            for number in 0..count {
                let name = format!("{kind}-{number}");
                health.announce(&name);
                // Of facts nothing is asked: whoever answers looks them up.
                let questions = if kind == "facts" { Some(mpsc::channel().1) } else { questions.next() };
                let Some(questions) = questions else { anyhow::bail!("a queue for each worker") };
                let post = Post {
                    name: name.clone(),
                    number,
                    make,
                    plan: Arc::clone(&plan),
                    names: Arc::clone(&names),
                    vigil: Arc::new(Vigil::new(&name, Arc::clone(&service.stop), &health)),
                    wake: Wake::default(),
                    clock: Arc::clone(&clock) as Arc<dyn Clocks>,
                    lease: Arc::clone(&lease),
                    health: Arc::clone(&health),
                    metrics: Arc::clone(&metrics),
                    view: Arc::clone(&view),
                    questions: Questions::new(questions),
                };
                service.spawn(name, post, tell.clone())?;
            }
        }
        vigil.finish();
        health.settle("start");
        Ok(service)
    }
}

/// A run on Kafka.
pub struct Service {
    stop: Arc<AtomicBool>,
    wakes: Vec<Wake>,
    threads: Vec<JoinHandle<()>>,
    ended: Receiver<Ended>,
    lease: Arc<Lease>,
    scales: Scales,
}

/// Says when the process takes more memory than it should.
struct Scales {
    metrics: Arc<Metrics>,
    next: Instant,
    told: Option<Instant>,
}

/// What a worker is made by, in its own thread.
type Make = fn(Hands<KafkaTransport>) -> anyhow::Result<Box<dyn Worker>>;

/// What a worker is made of, and made of again where it has to start again.
struct Post {
    name: String,
    number: usize,
    make: Make,
    plan: Arc<Plan>,
    names: Arc<Names>,
    vigil: Arc<Vigil>,
    wake: Wake,
    clock: Arc<dyn Clocks>,
    lease: Arc<Lease>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    view: Arc<ListView>,
    questions: Questions,
}

impl Post {
    /// Makes the worker and lets it work to its end; all it had is dropped then.
    fn work(&self) -> anyhow::Result<()> {
        let ties = Ties {
            number: self.number,
            vigil: Arc::clone(&self.vigil),
            wake: self.wake.clone(),
            clock: Arc::clone(&self.clock),
            tenure: Tenure::begin(&self.lease),
            desk: Desk::new(Arc::clone(&self.health)),
            health: Arc::clone(&self.health),
            metrics: Arc::clone(&self.metrics),
            view: Arc::clone(&self.view),
            questions: self.questions.clone(),
            witness: Box::new(Nobody),
        };
        let transport = KafkaTransport::new(Arc::clone(&self.names), Arc::clone(&self.vigil), self.wake.clone());
        let mut worker = Hands::new(Arc::clone(&self.plan), ties, transport).and_then(self.make)?;
        worker.run() // and leaves its groups
    }

    /// The same, again and again where starting again may mend what ended it.
    fn keep_working(&self) -> anyhow::Result<()> {
        let mut restarts = Restarts::default();
        loop {
            let ran = catch_unwind(AssertUnwindSafe(|| self.work())).unwrap_or_else(|_| Err(Panicked.into()));
            let Err(error) = ran else { return Ok(()) };
            if let Some(overslept) = error.downcast_ref::<Overslept>()
                && !self.vigil.is_stopping()
            {
                tracing::warn!(
                    worker = self.name,
                    "{overslept}; it joins its groups again, and goes by what the logs hold"
                );
                self.health.announce(&self.name);
                continue; // nothing is wrong with it: at once, and as often as that happens
            }
            if self.vigil.is_stopping() || !may_pass(&error) {
                return Err(error);
            }
            let Some(pause) = restarts.next(Instant::now()) else {
                return Err(error.context(format!("started again {RESTARTS_MAX} times within {RESTARTS_WITHIN:?}")));
            };
            tracing::error!(worker = self.name, "{error:#}; it starts again, from what the logs hold");
            self.metrics.count_restart();
            self.health.announce(&self.name);
            let until = Instant::now() + pause;
            while Instant::now() < until && !self.vigil.is_stopping() {
                self.vigil.beat();
                thread::sleep(LOOK);
            }
        }
    }
}

/// A worker panicked: a mistake in samenloop.
#[derive(Debug, thiserror::Error)]
#[error("it panicked, see above: a mistake in samenloop, please report it")]
struct Panicked;

/// Whether a worker that starts again may get on.
fn may_pass(error: &anyhow::Error) -> bool {
    error.is::<Panicked>() || error.downcast_ref::<LogFailure>().is_some_and(|failure| failure.may_pass)
}

/// When a worker has started again.
#[derive(Default)]
struct Restarts(VecDeque<Instant>);

impl Restarts {
    /// How long to wait before the next one; `None` where there have been too many.
    fn next(&mut self, now: Instant) -> Option<Duration> {
        while self.0.front().is_some_and(|first| now.duration_since(*first) > RESTARTS_WITHIN) {
            self.0.pop_front();
        }
        if self.0.len() >= RESTARTS_MAX {
            return None;
        }
        let doubled = u32::try_from(self.0.len()).map_or(u32::MAX, |times| 1 << times);
        self.0.push_back(now);
        Some(RESTART_PAUSE * doubled)
    }
}

impl Scales {
    fn look(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + WEIGH;
        let Some(Strain { resident, budget, most: (part, bytes, given) }) = self.metrics.memory_strain() else {
            self.told = None;
            return;
        };
        if self.told.is_none_or(|told| now.duration_since(told) > WARN_OF_MEMORY) {
            self.told = Some(now);
            let part = part.name();
            tracing::warn!(
                resident,
                budget,
                part,
                bytes,
                given,
                "memory runs short: give it more, or another instance (docs/operations.md, SamenloopMemory)"
            );
        }
    }
}

impl Service {
    fn spawn(&mut self, name: String, post: Post, tell: mpsc::Sender<Ended>) -> anyhow::Result<()> {
        self.wakes.push(post.wake.clone());
        let thread = thread::Builder::new().name(name.clone()).spawn(move || {
            let mut bell = Bell { name, tell, ran: None };
            bell.ran = Some(match post.keep_working() {
                Err(error) if error.is::<StopAsked>() => Ok(()),
                ran => ran,
            });
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Works until `stop` is set or a worker cannot go on, then lets all finish.
    ///
    /// # Errors
    /// Why a worker could not go on, or that one did not finish in time.
    pub fn run(mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut running = self.threads.len();
        let mut first_failure = None;
        let mut deadline: Option<Instant> = None;
        while running > 0 {
            self.lease.look();
            self.scales.look(Instant::now());
            match self.ended.recv_timeout(LOOK) {
                Ok((name, ran)) => {
                    running -= 1;
                    if let Err(error) = ran {
                        tracing::error!(worker = name, "{error:#}");
                        first_failure.get_or_insert(error.context(format!("worker {name} cannot go on")));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(anyhow::anyhow!("all workers ended, and not all said how"));
                }
            }
            let is_over = stop.load(Ordering::Relaxed) || first_failure.is_some();
            if is_over && deadline.is_none() {
                tracing::info!("stopping: finishing what is in hand");
                deadline = Some(Instant::now() + STOP_MAX);
                self.stop.store(true, Ordering::Relaxed);
                self.wakes.iter().for_each(Wake::wake);
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                let late = anyhow::anyhow!("{running} workers did not finish within {} s", STOP_MAX.as_secs());
                return Err(first_failure.unwrap_or(late));
            }
        }
        first_failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_starts_again_later_each_time_and_not_for_ever() {
        let (mut restarts, start) = (Restarts::default(), Instant::now());
        let pauses: Vec<Option<u64>> = (0..7)
            .map(|second| restarts.next(start + Duration::from_secs(second)).map(|pause| pause.as_secs()))
            .collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(4), Some(8), Some(16), None, None]);
        let later = start + RESTARTS_WITHIN + Duration::from_secs(10);
        assert_eq!(restarts.next(later), Some(RESTART_PAUSE), "what was long ago is forgotten");
    }

    #[test]
    fn what_a_person_must_decide_is_not_tried_again() {
        let failure = LogFailure::said("pairs", "it is gone");
        assert!(!may_pass(&failure.clone().into()));
        assert!(may_pass(&LogFailure { may_pass: true, ..failure }.into()));
        assert!(may_pass(&Panicked.into()) && !may_pass(&StopAsked.into()));
    }
}
