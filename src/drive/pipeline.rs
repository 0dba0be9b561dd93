//! The workers of one instance over the in-process logs, in one thread: for `replay`, `demo` and `evaluate`, and for tests.
//!
//! The workers are those of production, turn by turn; only the time stands still until it is set, so what comes out is a function
//! of what goes in.
//! Invariants: whatever was fed is through all stages when [`Pipeline::flush`] returns.
//! Absent: threads, and the end of a worker: what it cannot go on from is an error of the call.

use super::clock::{Clocks, SetClocks};
use super::intake::IntakeWorker;
use super::lease::Tenure;
use super::memory::{MemoryLog, MemoryTransport};
use super::plan::{Plan, Setup, SourcePlan};
use super::rows::RowsWorker;
use super::transport::Topic;
use super::vigil::Vigil;
use super::windows::WindowsWorker;
use super::worker::{Desk, Hands, Questions, Ties, Wake, Witness, Worker};
use crate::config::Start;
use crate::event::EventTime;
use crate::intake::{Record, Reject};
use crate::limits::GAP_WAIT_MS;
use crate::list_key::ListName;
use crate::memory::Sizes;
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::publish::Publication;
use crate::publish::codec::ListCodec;
use crate::serve::http::{Limits, State};
use crate::serve::query::{Query, queries};
use crate::serve::view::ListView;
use crate::serve::{Asked, Look};
use crate::stage::{
    Disorder, Fact, InputTally, IntakeInput, IntakeTally, IntakeWork, Log, RowsWork, Stage, WindowsWork,
};
use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};
use crate::watch::metrics::{DelayTally, Metrics};
use crate::wire::Lag;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// So many records are fed before they are taken: a turn of a worker costs as much as some records.
const FEED_RECORDS: usize = 64;

/// Who hears of what leaves the pipeline besides its logs.
pub trait Sink: Send {
    /// A list was published, as this record (empty for a tombstone).
    ///
    /// # Errors
    /// When it cannot be taken: the pipeline stops.
    fn list(&mut self, publication: &Publication<'_>, value: &[u8]) -> anyhow::Result<()>;

    /// A record was refused.
    ///
    /// # Errors
    /// When it cannot be taken: the pipeline stops.
    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: &Reject) -> anyhow::Result<()>;
}

/// The sink, as each worker has it.
struct Shared<S>(Arc<Mutex<S>>);

impl<S: Sink> Witness for Shared<S> {
    fn list(&mut self, publication: &Publication<'_>, value: &[u8]) -> anyhow::Result<()> {
        lock(&self.0).list(publication, value)
    }

    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        lock(&self.0).reject(source, offset, reject)
    }
}

fn lock<S>(sink: &Mutex<S>) -> MutexGuard<'_, S> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was appended to a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Records.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

/// One worker of each kind.
struct Workers {
    intake: IntakeWorker<MemoryTransport>,
    windows: WindowsWorker<MemoryTransport>,
    rows: RowsWorker<MemoryTransport>,
}

/// Intake, windows and rows of one instance.
pub struct Pipeline<S> {
    log: MemoryLog,
    clocks: Arc<SetClocks>,
    sink: Arc<Mutex<S>>,
    inputs: Vec<IntakeInput>,
    plan: Arc<Plan>,
    instance: u64,
    workers: Workers,
    /// Records fed since the last turn.
    fed: usize,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    view: Arc<ListView>,
    questions: Option<Receiver<Query>>,
}

impl<S: Sink + 'static> Pipeline<S> {
    /// The workers of one instance on what `log` holds, for `inputs`: one topic partition each. Nothing is read yet.
    ///
    /// # Errors
    /// When a log is not what it must be.
    pub fn open(
        setup: Setup,
        inputs: Vec<IntakeInput>,
        align_ms: i64,
        log: MemoryLog,
        sink: S,
    ) -> anyhow::Result<Self> {
        let plan = plan(setup, &inputs, align_ms, &log)?;
        Self::open_instance(0, plan, inputs, log, Arc::default(), sink)
    }

    /// One of several instances on the same logs.
    ///
    /// # Errors
    /// As for [`Pipeline::open`].
    pub fn open_instance(
        instance: u64,
        plan: Arc<Plan>,
        inputs: Vec<IntakeInput>,
        log: MemoryLog,
        clocks: Arc<SetClocks>,
        sink: S,
    ) -> anyhow::Result<Self> {
        Self::over(instance, plan, inputs, log, clocks, Arc::new(Mutex::new(sink)))
    }

    fn over(
        instance: u64,
        plan: Arc<Plan>,
        inputs: Vec<IntakeInput>,
        log: MemoryLog,
        clocks: Arc<SetClocks>,
        sink: Arc<Mutex<S>>,
    ) -> anyhow::Result<Self> {
        let health = Arc::new(Health::new(plan.pairs_partitions, HEARTBEAT_AGE_MAX));
        let metrics = Arc::new(Metrics::new()?);
        let view = Arc::<ListView>::default();
        let hands = |name: &str| {
            let (_, questions) = channel();
            let ties = Ties {
                number: 0,
                vigil: Arc::new(Vigil::new(name, Arc::default(), &health)),
                wake: Wake::default(),
                clock: Arc::clone(&clocks) as Arc<dyn Clocks>,
                tenure: Tenure::endless(),
                desk: Desk::new(Arc::clone(&health)),
                health: Arc::clone(&health),
                metrics: Arc::clone(&metrics),
                view: Arc::clone(&view),
                questions: Questions::new(questions),
                witness: Box::new(Shared(Arc::clone(&sink))),
            };
            Hands::new(Arc::clone(&plan), ties, log.transport(instance))
        };
        let workers = Workers {
            intake: IntakeWorker::new(hands("intake")?)?,
            windows: WindowsWorker::new(hands("windows")?)?,
            rows: RowsWorker::new(hands("rows")?)?,
        };
        Ok(Self { log, clocks, sink, inputs, plan, instance, workers, fed: 0, health, metrics, view, questions: None })
    }

    /// Drops the whole instance as a crash does, nothing finished, and starts it again on what the logs hold.
    ///
    /// # Errors
    /// When a log is not what it must be.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.log.expel(self.instance);
        let (sink, clocks) = (Arc::clone(&self.sink), Arc::clone(&self.clocks));
        *self = Self::over(self.instance, Arc::clone(&self.plan), self.inputs.clone(), self.log.clone(), clocks, sink)?;
        self.take_in()
    }

    fn topic(&self, input: usize) -> (Topic, Partition) {
        let SourcePartition { source, partition } = &self.inputs[input].source;
        (Topic::Source(Arc::clone(source)), *partition)
    }

    /// A record of an input. Taken with others, at the latest by [`Pipeline::take_in`] or whatever else moves the stages.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn feed(&mut self, input: usize, offset: NextOffset, record: &Record<'_>) -> anyhow::Result<()> {
        let (topic, partition) = self.topic(input);
        self.log.feed(&topic, partition, offset, record);
        self.fed += 1;
        if self.fed >= FEED_RECORDS { self.take_in() } else { Ok(()) }
    }

    /// Whether an input's end shows only in the reading, as of a file: until it is told, its reader is behind.
    pub fn set_stream(&mut self, input: usize, is_stream: bool) {
        let (topic, partition) = self.topic(input);
        self.log.set_stream(&topic, partition, is_stream);
    }

    /// An input cannot be read for now: see [`Fact::Waits`].
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn input_waits(&mut self, input: usize) -> anyhow::Result<()> {
        self.take_in()?;
        self.workers.intake.input_waits(&self.inputs[input].source)
    }

    /// An input has been read to its end.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn end_input(&mut self, input: usize) -> anyhow::Result<()> {
        self.set_stream(input, false);
        self.take_in()
    }

    /// Takes what has been fed, and lets the stages behind read what comes of it. No time passes.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn take_in(&mut self) -> anyhow::Result<()> {
        self.fed = 0;
        loop {
            let mut is_idle = self.workers.intake.turn()?;
            is_idle &= self.workers.windows.turn()?;
            is_idle &= self.workers.rows.turn()?;
            if is_idle {
                return Ok(());
            }
        }
    }

    /// The time is `now_ms`: for marks, corrections of future times, and, where rows go by it, publishing.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn clock(&mut self, now_ms: i64) -> anyhow::Result<()> {
        self.clocks.set(now_ms);
        self.flush()
    }

    /// What the wall's clock shows, against which future event times are corrected; no time passes.
    pub fn wall_clock(&mut self, now_ms: i64) {
        self.clocks.put(now_ms);
    }

    /// The clocks.
    #[must_use]
    pub fn clocks(&self) -> &SetClocks {
        &self.clocks
    }

    /// Sends on what has been collected, through all stages.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.take_in()?;
        self.workers.intake.tick()?;
        self.take_in()?;
        self.workers.windows.tick()?;
        self.take_in()?;
        self.workers.rows.tick()?;
        self.take_in()
    }

    /// Brings everything to rest: exact totals everywhere, every row ranked.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn rest(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        self.workers.intake.rest()?;
        self.take_in()?;
        self.workers.windows.rest()?;
        self.take_in()?;
        for _totals_then_sweep in 0..2 {
            self.workers.rows.tell_all(|| Fact::Rest)?;
            self.take_in()?;
        }
        Ok(())
    }

    /// Publishes every list as it stands, news or not.
    ///
    /// # Errors
    /// When the sink cannot take one.
    pub fn publish_all(&mut self) -> anyhow::Result<()> {
        self.workers.rows.publish_all()
    }

    /// Ends the workers in order: what is in hand is finished.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.workers.intake.finish()?;
        self.workers.windows.finish()?;
        self.workers.rows.finish()
    }

    /// `partition` of the group `windows`, `rows`, or of a source's (`intake.NAME`) is lost and comes back: its stage is dropped, and
    /// opened anew on what the logs hold.
    ///
    /// # Errors
    /// When a log is not what it must be.
    pub fn lose(&mut self, group: &str, partition: Partition) -> anyhow::Result<()> {
        self.log.lose(group, partition);
        self.take_in()
    }

    /// What is asked of the stages is answered from here on. `lists` are those that are published.
    pub fn serve(&mut self, lists: Vec<ListName>) -> State {
        let (queries, mut receivers) = queries(1);
        self.questions = receivers.pop();
        State {
            view: Arc::clone(&self.view),
            health: Arc::clone(&self.health),
            queries,
            metrics: Arc::clone(&self.metrics),
            lists,
            recommending: Arc::default(),
            verdicts: None,
            limits: Limits::default(),
        }
    }

    /// Shows what was done, and answers what has been asked.
    pub fn look(&mut self) {
        self.show();
        let mut look = Look::default();
        while look.goes_on()
            && let Some(Ok(query)) = self.questions.as_ref().map(Receiver::try_recv)
        {
            look.answer(&self.asked(), query);
        }
    }

    fn show(&mut self) {
        self.workers.intake.show();
        self.workers.windows.show();
        self.workers.rows.show();
    }

    /// Answers until `deadline`.
    pub fn wait(&mut self, deadline: Instant) {
        self.show();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.questions.as_ref().map(|questions| questions.recv_timeout(left)) {
                Some(Ok(query)) => Look::default().answer(&self.asked(), query),
                Some(Err(RecvTimeoutError::Timeout)) => return,
                Some(Err(RecvTimeoutError::Disconnected)) | None => return std::thread::sleep(left), // nobody asks
            }
        }
    }

    /// All stages, to be asked.
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            assignment: self.workers.rows.assignment(),
            rejected: self.intake_tally().rejected(),
            windows: self.workers.windows.stages().map(|(_, stage)| stage.work()).collect(),
            rows: self.workers.rows.stages().map(|(partition, stage)| (partition, stage.work())).collect(),
            rows_partitions: self.health.rows_partitions(),
        }
    }

    /// What this pipeline appended to `log`.
    #[must_use]
    pub fn appended(&self, log: Log) -> Appended {
        let (records, bytes) = match log {
            Log::Events => self.workers.intake.hands().appended(log),
            Log::Pairs => self.workers.windows.hands().appended(log),
            Log::Totals | Log::Lists => self.workers.rows.hands().appended(log),
        };
        Appended { records, bytes }
    }

    /// The inputs, in their order.
    #[must_use]
    pub fn inputs(&self) -> &[IntakeInput] {
        &self.inputs
    }

    /// The intake, to ask; none before its group has spoken.
    pub fn intake(&self) -> Option<&Stage<IntakeWork>> {
        self.workers.intake.stage()
    }

    /// The highest event time read of an input.
    #[must_use]
    pub fn highest(&self, input: usize) -> Option<EventTime> {
        self.workers.intake.highest(&self.inputs[input].source)
    }

    /// How far what was read of an input is from the order of time.
    #[must_use]
    pub fn disorder(&self, input: usize) -> Disorder {
        self.intake().and_then(|stage| stage.work().disorder(&self.inputs[input].source)).unwrap_or_default()
    }

    /// What became of the records of an input.
    #[must_use]
    pub fn input_tally(&self, input: usize) -> InputTally {
        self.intake().and_then(|stage| stage.work().input_tally(&self.inputs[input].source)).unwrap_or_default()
    }

    /// How far behind an input is, as the log is told; none before its group has spoken.
    #[must_use]
    pub fn lag(&self, input: usize) -> Option<Lag> {
        self.workers.intake.lag(&self.inputs[input].source)
    }

    /// What became of the records so far.
    pub fn intake_tally(&self) -> &IntakeTally {
        self.workers.intake.tally()
    }

    /// The windows stages, to ask.
    pub fn windows(&self) -> Vec<&Stage<WindowsWork>> {
        self.workers.windows.stages().map(|(_, stage)| stage).collect()
    }

    /// The rows stages, to ask.
    pub fn rows(&self) -> Vec<&Stage<RowsWork>> {
        self.workers.rows.stages().map(|(_, stage)| stage).collect()
    }

    /// How long lists took.
    pub fn delay(&self) -> DelayTally {
        self.workers.rows.delay()
    }

    /// The lists as they were published last.
    #[must_use]
    pub fn view(&self) -> &Arc<ListView> {
        &self.view
    }

    /// What is shown of it.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How its partitions stand.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The logs, to look at or to damage.
    #[must_use]
    pub fn log(&self) -> &MemoryLog {
        &self.log
    }

    /// The sink.
    pub fn sink(&self) -> MutexGuard<'_, S> {
        lock(&self.sink)
    }
}

/// What the workers of one or several instances share.
///
/// # Errors
/// When this build's own schemas cannot be read.
pub fn plan(setup: Setup, inputs: &[IntakeInput], align_ms: i64, log: &MemoryLog) -> anyhow::Result<Arc<Plan>> {
    let mut sources = BTreeMap::new();
    for input in inputs {
        let SourcePartition { source, partition } = &input.source;
        log.make(&Topic::Source(Arc::clone(source)), partition.0 + 1);
        let plan = || SourcePlan { name: Arc::clone(source), mapping: input.mapping.clone(), start: Start::Earliest };
        sources.entry(Arc::clone(source)).or_insert_with(plan);
    }
    Ok(Arc::new(Plan {
        setup,
        events_partitions: log.partitions(&Topic::Log(Log::Events)),
        pairs_partitions: log.partitions(&Topic::Log(Log::Pairs)),
        sources: sources.into_values().collect(),
        align_ms,
        gap_wait_ms: GAP_WAIT_MS,
        sizes: Sizes::default(),
        codec: ListCodec::json()?,
        snapshots: None,
        feed: None,
        schemas: None,
    }))
}
