//! A run on Kafka: the plan that all workers share, the threads, and the end.
//!
//! Invariants: a worker that cannot go on ends the run, the others finish first; a stop is over within [`STOP_MAX`].
//! Absent: restarts in place. What a worker held is dropped with the process, and the logs say where the next one goes on.

use super::intake::IntakeWorker;
use super::rows::RowsWorker;
use super::scan::StopAsked;
use super::windows::WindowsWorker;
use super::worker::{Hands, Ties, Wake, Worker};
use crate::config::{Start, WorkersSettings};
use crate::drive::Setup;
use crate::intake::Mapping;
use crate::kafka::lists::ListCodec;
use crate::kafka::registry::Registry;
use crate::relation::Relation;
use crate::serve::http::{Limits, State};
use crate::serve::query::queries;
use crate::serve::view::ListView;
use crate::stage::Log;
use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};
use crate::watch::metrics::Metrics;
use rdkafka::ClientConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long workers may take to finish what they have in hand, and to leave their groups.
pub const STOP_MAX: Duration = Duration::from_secs(30);
/// How often the run looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// A topic that events are read from.
#[derive(Clone)]
pub struct SourceOfRun {
    /// Its name in logs, metrics and positions.
    pub name: Arc<str>,
    /// The topic.
    pub topic: String,
    /// How its records read.
    pub mapping: Arc<Mapping>,
    /// Where it is read from while the events log does not know it.
    pub start: Start,
}

/// All that a run is made of.
pub struct Plan {
    /// How to reach the brokers.
    pub client: ClientConfig,
    /// Before the names of groups.
    pub prefix: String,
    /// The topics of the events, pairs, totals and lists logs.
    pub logs: [(Log, String); 4],
    /// The topic of rejects.
    pub rejects: String,
    /// Partitions of the events log.
    pub events_partitions: u32,
    /// Partitions of the pairs log.
    pub pairs_partitions: u32,
    /// The stages' setup; its inputs are the sources below.
    pub setup: Setup,
    /// How far a source may be ahead of the slowest one that is behind, in ms of event time.
    pub align_ms: i64,
    /// Where events come from.
    pub sources: Vec<SourceOfRun>,
    /// How lists are written.
    pub codec: ListCodec,
    /// Where the schemas of sources are.
    pub registry: Option<Arc<Registry>>,
    /// How many threads.
    pub workers: WorkersSettings,
    /// The relations whose lists are published.
    pub lists: Vec<Relation>,
}

impl Plan {
    /// The topic of a log.
    #[must_use]
    pub fn topic(&self, log: Log) -> &str {
        self.logs.iter().find(|(name, _)| *name == log).map_or("", |(_, topic)| topic)
    }

    /// The consumer group called `name`.
    #[must_use]
    pub fn group(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

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

/// A run on Kafka.
pub struct Service {
    stop: Arc<AtomicBool>,
    wakes: Vec<Wake>,
    threads: Vec<JoinHandle<()>>,
    ended: Receiver<Ended>,
}

/// What a worker is made by, in its own thread.
type Make = fn(Hands) -> anyhow::Result<Box<dyn Worker>>;

impl Service {
    /// Starts the workers. The state is for HTTP to serve.
    ///
    /// # Errors
    /// When the metrics cannot be registered, or a thread cannot be started.
    pub fn start(plan: Plan) -> anyhow::Result<(Self, State)> {
        let plan = Arc::new(plan);
        let metrics = Arc::new(Metrics::new()?);
        let health = Arc::new(Health::new(plan.pairs_partitions, HEARTBEAT_AGE_MAX));
        let view = Arc::<ListView>::default();
        let kinds: [(&str, usize, Make); 3] = [
            ("intake", plan.workers.intake, |hands| Ok(Box::new(IntakeWorker::new(hands)?))),
            ("windows", plan.workers.windows, |hands| Ok(Box::new(WindowsWorker::new(hands)?))),
            ("rows", plan.workers.rows, |hands| Ok(Box::new(RowsWorker::new(hands)?))),
        ];
        let count = kinds.iter().map(|(_, count, _)| count).sum();
        let (queries, mut questions) = queries(count);
        let (tell, ended) = mpsc::channel();
        let mut service = Self { stop: Arc::default(), wakes: Vec::new(), threads: Vec::new(), ended };
        for (kind, count, make) in kinds {
            for number in 0..count {
                let name = format!("{kind}-{number}");
                health.announce(&name);
                let ties = Ties {
                    name: name.clone(),
                    number,
                    stop: Arc::clone(&service.stop),
                    wake: Wake::default(),
                    health: Arc::clone(&health),
                    metrics: Arc::clone(&metrics),
                    view: Arc::clone(&view),
                    questions: questions.remove(0),
                    heartbeat: health.heartbeat(&name),
                };
                service.spawn(name, make, Arc::clone(&plan), ties, tell.clone())?;
            }
        }
        let lists = plan.lists.clone();
        Ok((service, State { view, health, queries, metrics, lists, limits: Limits::default() }))
    }

    fn spawn(
        &mut self,
        name: String,
        make: Make,
        plan: Arc<Plan>,
        ties: Ties,
        tell: mpsc::Sender<Ended>,
    ) -> anyhow::Result<()> {
        self.wakes.push(ties.wake.clone());
        let thread = thread::Builder::new().name(name.clone()).spawn(move || {
            let mut bell = Bell { name, tell, ran: None };
            let ran = Hands::new(plan, ties).map_err(anyhow::Error::from).and_then(make).and_then(|mut worker| {
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
