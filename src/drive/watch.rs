//! A worker as it is watched: its tallies as metrics, its heartbeat, where it stands, and its answers.
//!
//! Here, and only here, what stages count becomes what operators see. A worker calls [`Watch::look`] once a batch or tick,
//! and [`Watch::wait`] when it has nothing to do; neither waits for anyone who watches.
//! Absent: HTTP (it reads what is written here) and the clock of the stages.

use super::{Pipeline, Publication, Sink, Transport};
use crate::event::EventTime;
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::relation::Relation;
use crate::serve::Look;
use crate::serve::http::{Limits, State};
use crate::serve::query::{Query, queries};
use crate::serve::view::ListView;
use crate::stage::Log;
use crate::watch::health::{HEARTBEAT_AGE_MAX, Health, Heartbeat, StageName};
use crate::watch::metrics::{
    DelayTally, IntakeFollower, LagFollower, LogFollower, LogTallies, Metrics, RowsFollower, WindowsFollower,
};
use crate::watch::{intake_tallies, now_ms, rows_tallies, state, windows_tallies};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

/// The logs that a pipeline appends to.
const LOGS: [Log; 4] = [Log::Events, Log::Pairs, Log::Totals, Log::Lists];

/// Inputs of windows and rows that bring blocks.
const BLOCKS: usize = 0;

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
        let mut look = Look::default();
        while look.goes_on()
            && let Ok(query) = self.questions.try_recv()
        {
            look.answer(&pipeline.asked(), query);
        }
    }

    /// Answers until `deadline`.
    pub fn wait<T: Transport, S: Sink>(&mut self, pipeline: &Pipeline<T, S>, deadline: Instant) {
        self.heartbeat.beat();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.questions.recv_timeout(left) {
                Ok(query) => Look::default().answer(&pipeline.asked(), query),
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
        self.intake.update(&intake_tallies(pipeline.intake().work()));
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

fn log_tallies<T: Transport, S: Sink>(pipeline: &Pipeline<T, S>, log: Log) -> LogTallies {
    let appended = pipeline.appended(log);
    let muted = match log {
        Log::Events => pipeline.intake().work().tally().muted,
        Log::Pairs => pipeline.windows().iter().map(|stage| stage.work().appended().1).sum(),
        Log::Totals | Log::Lists => 0,
    };
    LogTallies { blocks: appended.records, bytes: appended.bytes, muted }
}
