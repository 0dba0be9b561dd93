//! A run on Kafka: the threads of its workers, and the end.
//!
//! Before the brokers have answered there is [`Standby`]: HTTP is served, and says what is waited for.
//! Invariants: a worker that cannot go on ends the run, the others finish first; a stop is over within [`STOP_MAX`].
//! Absent: restarts in place. What a worker held is dropped with the process, and the logs say where the next one goes on.

use super::transport::{KafkaTransport, Names};
use crate::config::WorkersSettings;
use crate::drive::{
    Clocks, Hands, IntakeWorker, Nobody, Plan, RowsWorker, StopAsked, SystemClocks, Ties, Vigil, Wake, WindowsWorker,
    Worker,
};
use crate::serve::http::{Limits, State};
use crate::serve::query::{Query, queries};
use crate::serve::view::ListView;
use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};
use crate::watch::metrics::Metrics;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long workers may take to finish what they have in hand, and to leave their groups.
pub const STOP_MAX: Duration = Duration::from_secs(30);
/// How often the run looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

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
            limits: Limits::default(),
        };
        Ok((Self { workers, metrics, health, view, questions, stop: Arc::clone(stop) }, state))
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
        let (plan, names, clock) = (Arc::new(plan), Arc::new(names), Arc::new(SystemClocks::default()));
        let kinds: [(&str, usize, Make); 3] = [
            ("intake", workers.intake, |hands| Ok(Box::new(IntakeWorker::new(hands)?))),
            ("windows", workers.windows, |hands| Ok(Box::new(WindowsWorker::new(hands)?))),
            ("rows", workers.rows, |hands| Ok(Box::new(RowsWorker::new(hands)?))),
        ];
        let (tell, ended) = mpsc::channel();
        // Workers stop by a word of their own: what is in hand is finished after the process has been told to stop.
        let stop = Arc::new(AtomicBool::new(false));
        let mut service = Service { stop, wakes: Vec::new(), threads: Vec::new(), ended };
        let mut questions = questions.into_iter();
        for (kind, count, make) in kinds {
            for number in 0..count {
                let name = format!("{kind}-{number}");
                health.announce(&name);
                let Some(questions) = questions.next() else { anyhow::bail!("a queue for each worker") };
                let ties = Ties {
                    number,
                    vigil: Arc::new(Vigil::new(&name, Arc::clone(&service.stop), &health)),
                    wake: Wake::default(),
                    clock: Arc::clone(&clock) as Arc<dyn Clocks>,
                    health: Arc::clone(&health),
                    metrics: Arc::clone(&metrics),
                    view: Arc::clone(&view),
                    questions,
                    witness: Box::new(Nobody),
                };
                service.spawn(name, make, Arc::clone(&plan), Arc::clone(&names), ties, tell.clone())?;
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
}

/// What a worker is made by, in its own thread.
type Make = fn(Hands<KafkaTransport>) -> anyhow::Result<Box<dyn Worker>>;

impl Service {
    fn spawn(
        &mut self,
        name: String,
        make: Make,
        plan: Arc<Plan>,
        names: Arc<Names>,
        ties: Ties,
        tell: mpsc::Sender<Ended>,
    ) -> anyhow::Result<()> {
        self.wakes.push(ties.wake.clone());
        let thread = thread::Builder::new().name(name.clone()).spawn(move || {
            let mut bell = Bell { name, tell, ran: None };
            let transport = KafkaTransport::new(names, Arc::clone(&ties.vigil), ties.wake.clone());
            let ran = Hands::new(plan, ties, transport).and_then(make).and_then(|mut worker| {
                let ran = worker.run();
                drop(worker); // leaves its groups
                ran
            });
            bell.ran = Some(match ran {
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
    pub fn run(self, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut running = self.threads.len();
        let mut first_failure = None;
        let mut deadline: Option<Instant> = None;
        while running > 0 {
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
