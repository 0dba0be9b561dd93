//! A worker as it is watched: its tallies as metrics, its heartbeat, where it stands, and its answers.
//!
//! Here, and only here, what stages count becomes what operators see. A worker calls [`Watch::look`] once a batch or tick,
//! and [`Watch::wait`] when it has nothing to do; neither waits for anyone who watches.
//! Absent: HTTP (it reads what is written here) and the clock of the stages.

use super::answers::{Asked, answer};
use super::health::{HEARTBEAT_AGE_MAX, Health, Heartbeat, PartitionState, StageName};
use super::http::{Limits, State};
use super::metrics::{
    DelayTally, IntakeFollower, IntakeTallies, LagFollower, LogFollower, LogTallies, Metrics, RowsFollower,
    RowsTallies, WindowsFollower, WindowsTallies,
};
use super::pipeline::{Pipeline, Publication, Sink};
use super::query::{Query, queries};
use super::transport::Transport;
use super::view::ListView;
use crate::event::EventTime;
use crate::intake::Reason;
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::relation::Relation;
use crate::stage::{Log, Phase, RowsWork, WindowsWork};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The logs that a pipeline appends to.
const LOGS: [Log; 4] = [Log::Events, Log::Pairs, Log::Totals, Log::Lists];

/// Inputs of windows and rows that bring blocks.
const BLOCKS: usize = 0;

/// Milliseconds since 1970, by this machine's clock.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What a sink notes for those who watch: lists for HTTP, and how long each took.
#[derive(Debug)]
pub struct Published {
    view: Arc<ListView>,
    /// By rows partition.
    delays: Vec<DelayTally>,
}

impl Published {
    /// Nothing published yet.
    #[must_use]
    pub fn new(view: Arc<ListView>, rows_partitions: u32) -> Self {
        let delays = std::iter::repeat_with(DelayTally::default).take(Partition(rows_partitions).index());
        Self { view, delays: delays.collect() }
    }

    /// Notes a publication.
    pub fn note(&mut self, publication: &Publication<'_>) {
        if publication.tombstone {
            self.view.remove(publication.key);
        } else {
            self.view.insert(publication.key, publication.record, EventTime(now_ms()));
        }
        if let Some(waited_ms) = publication.waited_ms {
            self.delays[publication.partition.index()].record(waited_ms.unsigned_abs().saturating_mul(1000));
        }
    }

    /// The delays of all partitions.
    #[must_use]
    pub fn delay(&self) -> DelayTally {
        let mut all = DelayTally::default();
        self.delays.iter().for_each(|delay| all.merge(delay));
        all
    }
}

/// One worker that holds a whole pipeline, watched.
pub struct Watch {
    health: Arc<Health>,
    heartbeat: Heartbeat,
    questions: Receiver<Query>,
    intake: IntakeFollower,
    inputs: Vec<LagFollower>,
    windows: Vec<(WindowsFollower, LagFollower)>,
    rows: Vec<(RowsFollower, LagFollower)>,
    logs: [LogFollower; LOGS.len()],
}

impl Watch {
    /// A worker called `name` over `pipeline`, and what HTTP needs to serve it. `lists` are those that are published.
    ///
    /// # Errors
    /// When the metrics cannot be registered: a mistake in their file.
    pub fn new<T: Transport, S: Sink>(
        name: &str,
        pipeline: &Pipeline<T, S>,
        view: Arc<ListView>,
        lists: Vec<Relation>,
    ) -> anyhow::Result<(Self, State)> {
        let metrics = Arc::new(Metrics::new()?);
        let rows_partitions = u32::try_from(pipeline.rows().len()).unwrap_or(u32::MAX);
        let health = Arc::new(Health::new(rows_partitions, HEARTBEAT_AGE_MAX));
        let (queries, mut receivers) = queries(1);
        let lag = |stage, log: Log, partition| {
            metrics.lag(stage, &SourcePartition { source: Arc::from(log.name()), partition })
        };
        let questions = receivers.remove(0); // one worker, one queue
        let watch = Self {
            heartbeat: health.heartbeat(name),
            questions,
            intake: metrics.intake(),
            inputs: pipeline.inputs().iter().map(|input| metrics.lag(StageName::Intake, &input.source)).collect(),
            windows: partitions(pipeline.windows())
                .map(|partition| (metrics.windows(partition), lag(StageName::Windows, Log::Events, partition)))
                .collect(),
            rows: partitions(pipeline.rows())
                .map(|partition| (metrics.rows(partition), lag(StageName::Rows, Log::Pairs, partition)))
                .collect(),
            logs: LOGS.map(|log| metrics.log(log.name())),
            health: Arc::clone(&health),
        };
        Ok((watch, State { view, health, queries, metrics, lists, limits: Limits::default() }))
    }

    /// Shows what `pipeline` has done, answers what has been asked, and gives a sign of life.
    pub fn look<T: Transport, S: Sink>(&mut self, pipeline: &mut Pipeline<T, S>, published: impl Fn(&S) -> &Published) {
        self.heartbeat.beat();
        self.show_intake(pipeline);
        self.show_windows(pipeline);
        self.show_rows(pipeline, published);
        for (log, follower) in LOGS.into_iter().zip(&mut self.logs) {
            follower.update(&log_tallies(pipeline, log));
        }
        while let Ok(query) = self.questions.try_recv() {
            answer(&Asked::of(pipeline), query);
        }
    }

    /// Answers until `deadline`.
    pub fn wait<T: Transport, S: Sink>(&mut self, pipeline: &Pipeline<T, S>, deadline: Instant) {
        self.heartbeat.beat();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.questions.recv_timeout(left) {
                Ok(query) => answer(&Asked::of(pipeline), query),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => return std::thread::sleep(left), // nobody serves
            }
        }
    }

    /// How far a source is behind: `records`, the oldest of which is `age_ms` old.
    pub fn source_lag(&mut self, input: usize, records: u64, age_ms: u64) {
        self.inputs[input].update(records, age_ms);
    }

    /// The worker ends as it should.
    pub fn finish(self) {
        self.heartbeat.finish();
    }

    fn show_intake<T: Transport, S: Sink>(&mut self, pipeline: &Pipeline<T, S>) {
        self.intake.update(&intake_tallies(pipeline.intake().work().tally()));
        for input in 0..self.inputs.len() {
            let partition = Partition(u32::try_from(input).unwrap_or(u32::MAX));
            self.health.set(StageName::Intake, partition, state(pipeline.intake().phase(), 0));
        }
    }

    fn show_windows<T: Transport, S: Sink>(&mut self, pipeline: &mut Pipeline<T, S>) {
        for (partition, (follower, lag)) in (0..).map(Partition).zip(&mut self.windows) {
            let left = records_left(pipeline, Log::Events, partition, |pipeline| {
                pipeline.windows()[partition.index()].next(BLOCKS)
            });
            let stage = &pipeline.windows()[partition.index()];
            follower.update(&windows_tallies(stage.work()));
            lag.update(left, 0);
            self.health.set(StageName::Windows, partition, state(stage.phase(), left));
        }
    }

    fn show_rows<T: Transport, S: Sink>(
        &mut self,
        pipeline: &mut Pipeline<T, S>,
        published: impl Fn(&S) -> &Published,
    ) {
        for (partition, (follower, lag)) in (0..).map(Partition).zip(&mut self.rows) {
            let left = records_left(pipeline, Log::Pairs, partition, |pipeline| {
                pipeline.rows()[partition.index()].next(BLOCKS)
            });
            let stage = &pipeline.rows()[partition.index()];
            follower.update(&rows_tallies(stage.work(), &published(pipeline.sink()).delays[partition.index()]));
            lag.update(left, 0);
            self.health.set(StageName::Rows, partition, state(stage.phase(), left));
        }
    }
}

fn partitions<W>(stages: &[W]) -> impl Iterator<Item = Partition> + use<W> {
    (0..u32::try_from(stages.len()).unwrap_or(u32::MAX)).map(Partition)
}

/// How many records of a log a stage has not read. A log that cannot be asked says so when it is read.
fn records_left<T: Transport, S: Sink>(
    pipeline: &mut Pipeline<T, S>,
    log: Log,
    partition: Partition,
    next: impl Fn(&Pipeline<T, S>) -> NextOffset,
) -> u64 {
    let next = next(pipeline);
    let end = pipeline.transport_mut().bounds(log, partition).map_or(next, |(_, end)| end);
    end.0.saturating_sub(next.0)
}

pub(super) fn state(phase: &Phase, records_left: u64) -> PartitionState {
    match phase {
        Phase::Restoring => PartitionState::Restoring,
        Phase::CatchingUp => PartitionState::CatchingUp { records_left },
        Phase::Live => PartitionState::Live,
        Phase::Drained => PartitionState::Draining,
        Phase::Stopped => PartitionState::Stopped,
    }
}

pub(super) fn intake_tallies(tally: &crate::stage::IntakeTally) -> IntakeTallies {
    let rejects = Reason::ALL.iter().map(|reason| (reason.name(), tally.rejects[reason.index()]));
    IntakeTallies {
        accepted: tally.accepted,
        rejects: rejects.filter(|&(_, count)| count > 0).collect(),
        skipped_nulls: tally.skipped,
        skewed: tally.skewed,
    }
}

pub(super) fn windows_tallies(work: &WindowsWork) -> WindowsTallies {
    let (users, _, merge_bytes) = work.sizes();
    WindowsTallies {
        fates: work.tally().fates,
        forced: work.forced(),
        ledger_duplicates: work.tally().ledger_duplicates,
        users: users as u64,
        bytes: vec![("merge", merge_bytes as u64)],
    }
}

pub(super) fn rows_tallies(work: &RowsWork, delay: &DelayTally) -> RowsTallies {
    let (tally, stats) = (work.tally(), work.rows().stats());
    let items_bytes = work.rows().items().bytes() as u64;
    let of = |each: fn(&crate::rows::RelationStats) -> u64| stats.by_relation.each_ref().map(each);
    RowsTallies {
        pair_updates: of(|stats| stats.pair_updates),
        evictions: of(|stats| stats.evictions),
        ledger_duplicates: tally.ledger_duplicates,
        ranked: tally.ranked,
        published: tally.published,
        tombstones: tally.tombstones,
        suppressed: tally.suppressed,
        delay: delay.clone(),
        items: stats.items as u64,
        rows: of(|stats| stats.rows as u64),
        pairs: of(|stats| stats.pairs as u64),
        bytes: vec![("rows", stats.bytes as u64), ("due", work.due_bytes() as u64), ("items", items_bytes)],
    }
}

fn log_tallies<T: Transport, S: Sink>(pipeline: &Pipeline<T, S>, log: Log) -> LogTallies {
    let appended = pipeline.appended(log);
    let muted = match log {
        Log::Events => pipeline.intake().work().tally().muted,
        Log::Pairs => pipeline.windows().iter().map(|stage| stage.work().appended().1).sum(),
        Log::Totals | Log::Lists => 0,
    };
    LogTallies { blocks: appended.records, bytes: appended.bytes, muted }
}
