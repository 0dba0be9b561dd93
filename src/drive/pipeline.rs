//! The three stages joined over one transport, in one thread: facts from the logs, effects onto them.
//!
//! Invariants: a block is appended before the stage that made it takes in anything else; a stage reads only what the
//! transport gives back, never what another stage holds.
//! Absent: threads and groups (one pipeline holds every partition), and the clock: its holder brings it.

use super::left::{each_record, tell_left};
use super::transport::{Fetched, Transport};
use crate::intake::{Record, Reject};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::relation::Relation;
use crate::serve::Asked;
use crate::stage::{
    BlockLimits, Effect, Fact, IntakeInput, IntakeWork, Left, Log, RowsSetup, RowsWork, Stage, StageError, WindowsWork,
    identity_of,
};
use crate::{intake::Intake, rules::CountingRules};
use std::collections::BTreeMap;

/// How many records a stage takes at a time.
const FETCH_RECORDS_MAX: usize = 16;

/// Input of rows that brings deltas, and the one that brings totals.
const PAIRS: usize = 0;
const TOTALS: usize = 1;

/// A list as it is published.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The row's partition.
    pub partition: Partition,
    /// Which list.
    pub relation: Relation,
    /// `shop/list/item`.
    pub key: &'a str,
    /// The record, as JSON.
    pub record: &'a [u8],
    /// Whether the list is gone.
    pub tombstone: bool,
    /// How long its oldest change waited since it arrived, in ms.
    pub waited_ms: Option<i64>,
}

/// Who hears of what leaves the pipeline besides its logs.
pub trait Sink {
    /// A list was published.
    ///
    /// # Errors
    /// When it cannot be taken: the pipeline stops.
    fn list(&mut self, publication: &Publication<'_>) -> anyhow::Result<()>;

    /// A record was refused.
    ///
    /// # Errors
    /// When it cannot be taken: the pipeline stops.
    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: &Reject) -> anyhow::Result<()>;
}

/// What was appended to a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Records.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

/// All that a pipeline is made of.
#[derive(Clone)]
pub struct Setup {
    /// Admission of events.
    pub intake: Intake,
    /// Fingerprint of what the events log depends on besides its sources and number of partitions.
    pub events_identity: u64,
    /// The source partitions to read.
    pub inputs: Vec<IntakeInput>,
    /// How long a backlog must be to silence the lists; `None`: nothing does.
    pub history_ms: Option<i64>,
    /// The counting rules.
    pub counting: CountingRules,
    /// The merge buffer's bound.
    pub merge_bytes_max: usize,
    /// Ranking and publishing.
    pub rows: RowsSetup,
    /// Size of blocks.
    pub limits: BlockLimits,
}

impl Setup {
    /// What the events log and the pairs log are written under, with so many partitions. Where a merge is forced depends on
    /// the room that it has.
    #[must_use]
    pub fn identities(&self, events_partitions: u32, pairs_partitions: u32) -> (u64, u64) {
        let merge_bytes_max = u64::try_from(self.merge_bytes_max).unwrap_or(u64::MAX);
        let counting = self.counting.fingerprint();
        let (events, pairs) = (u64::from(events_partitions), u64::from(pairs_partitions));
        (identity_of(&[self.events_identity, events]), identity_of(&[counting, merge_bytes_max, events, pairs]))
    }
}

/// Intake, windows and rows over one transport.
pub struct Pipeline<T, S> {
    setup: Setup,
    transport: T,
    sink: S,
    intake: Stage<IntakeWork>,
    windows: Vec<Stage<WindowsWork>>,
    rows: Vec<Stage<RowsWork>>,
    effects: Vec<Effect>,
    fetched: Vec<Fetched>,
    appended: BTreeMap<Log, Appended>,
    /// Of a pairs log that nobody has written to yet: every partition of windows must give it the same.
    new_pairs_id: u128,
    assignment: u64, // how often a rows stage was opened anew
}

impl<T: Transport, S: Sink> Pipeline<T, S> {
    /// Opens all stages on what `transport` holds. Inputs are opened by [`Pipeline::open_input`].
    ///
    /// # Errors
    /// When a log is not what it must be.
    pub fn open(setup: Setup, mut transport: T, sink: S) -> anyhow::Result<Self> {
        let intake = new_intake(&setup, &mut transport)?;
        let mut pipeline = Self {
            setup,
            transport,
            sink,
            intake,
            windows: Vec::new(),
            rows: Vec::new(),
            effects: Vec::new(),
            fetched: Vec::new(),
            appended: BTreeMap::new(),
            new_pairs_id: rand::random(),
            assignment: 0,
        };
        for partition in 0..pipeline.transport.partitions(Log::Events) {
            let stage = pipeline.open_windows(Partition(partition))?;
            pipeline.windows.push(stage);
        }
        for partition in 0..pipeline.transport.partitions(Log::Pairs) {
            let stage = pipeline.open_rows(Partition(partition))?;
            pipeline.rows.push(stage);
        }
        Ok(pipeline)
    }

    fn identities(&self) -> (u64, u64) {
        self.setup.identities(self.transport.partitions(Log::Events), self.transport.partitions(Log::Pairs))
    }

    fn open_windows(&mut self, partition: Partition) -> anyhow::Result<Stage<WindowsWork>> {
        let outputs = self.transport.partitions(Log::Pairs);
        let (events_identity, pairs_identity) = self.identities();
        let Setup { counting, merge_bytes_max, limits, .. } = &self.setup;
        let work =
            WindowsWork::new(partition, outputs, counting, events_identity, pairs_identity, *merge_bytes_max, *limits);
        let mut stage = Stage::new(work, 1);
        tell_left(&mut stage, Log::Pairs, self.new_pairs_id, &mut self.transport)?;
        let (next, until) = self.transport.bounds(Log::Events, partition)?;
        let mut effects = Vec::new();
        stage.handle(Fact::Opened { input: 0, next, until: Some(until) }, &mut effects)?;
        self.carry_out(effects)?;
        Ok(stage)
    }

    fn open_rows(&mut self, partition: Partition) -> anyhow::Result<Stage<RowsWork>> {
        let partitions = self.transport.partitions(Log::Pairs);
        let work = RowsWork::new(partition, partitions, &self.setup.counting, self.identities().1, &self.setup.rows);
        let mut stage = Stage::new(work, 2);
        let mut effects = Vec::new();
        each_record(&mut self.transport, Log::Lists, partition, |_, record| {
            let record = serde_json::from_slice(record)
                .map_err(|error| StageError::Foreign { log: Log::Lists, what: error.to_string() })?;
            Ok(stage.handle(Fact::Left(Left::List(&record)), &mut effects)?)
        })?;
        each_record(&mut self.transport, Log::Totals, Partition(0), |_, record| {
            Ok(stage.handle(Fact::Left(Left::Total(record)), &mut effects)?)
        })?;
        for (input, log, partition) in [(PAIRS, Log::Pairs, partition), (TOTALS, Log::Totals, Partition(0))] {
            let (next, until) = self.transport.bounds(log, partition)?;
            stage.handle(Fact::Opened { input, next, until: Some(until) }, &mut effects)?;
        }
        self.carry_out(effects)?;
        Ok(stage)
    }

    /// Where reading an input goes on: before it, the log has everything.
    #[must_use]
    pub fn resume_at(&self, input: usize) -> NextOffset {
        self.intake.work().resume_at(input)
    }

    /// An input is read from `next`; `until` is its end, where that is known.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn open_input(&mut self, input: usize, next: NextOffset, until: Option<NextOffset>) -> anyhow::Result<()> {
        self.tell_intake(Fact::Opened { input, next, until })
    }

    /// A record of an input.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn feed(&mut self, input: usize, offset: NextOffset, record: Record<'_>) -> anyhow::Result<()> {
        self.tell_intake(Fact::Record { input, offset, record })
    }

    /// An input has been read to its end.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn end_input(&mut self, input: usize) -> anyhow::Result<()> {
        self.tell_intake(Fact::Ended { input })
    }

    /// The wall's clock, for marks, corrections of future times, and, where rows go by it, publishing.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn clock(&mut self, now_ms: i64) -> anyhow::Result<()> {
        self.tell_intake(Fact::Clock { now_ms })?;
        for place in 0..self.windows.len() {
            self.tell_windows(place, Fact::Clock { now_ms })?;
        }
        self.pump()?;
        for place in 0..self.rows.len() {
            self.tell_rows(place, Fact::Clock { now_ms })?;
        }
        self.pump()
    }

    /// Only intake's clock: against which future event times are corrected.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn intake_clock(&mut self, now_ms: i64) -> anyhow::Result<()> {
        self.tell_intake(Fact::Clock { now_ms })
    }

    /// Sends on what has been collected, through all stages.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.tell_intake(Fact::Flush)?;
        self.pump()?;
        for place in 0..self.windows.len() {
            self.tell_windows(place, Fact::Flush)?;
        }
        self.pump()
    }

    /// Brings everything to rest: exact totals everywhere, every row ranked.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn rest(&mut self) -> anyhow::Result<()> {
        self.tell_intake(Fact::Rest)?;
        self.pump()?;
        for place in 0..self.windows.len() {
            self.tell_windows(place, Fact::Rest)?;
        }
        self.pump()?;
        for _totals_then_sweep in 0..2 {
            for place in 0..self.rows.len() {
                self.tell_rows(place, Fact::Rest)?;
            }
            self.pump()?;
        }
        Ok(())
    }

    /// Publishes every list as it stands, news or not.
    ///
    /// # Errors
    /// When the sink cannot take one.
    pub fn publish_all(&mut self) -> anyhow::Result<()> {
        for place in 0..self.rows.len() {
            let mut effects = Vec::new();
            self.rows[place].work_mut().publish_all(&mut effects);
            self.carry_out(effects)?;
        }
        Ok(())
    }

    /// Drops a windows stage and opens it anew on what the logs hold.
    ///
    /// # Errors
    /// When a log is not what it must be.
    pub fn restart_windows(&mut self, partition: Partition) -> anyhow::Result<()> {
        self.windows[partition.index()] = self.open_windows(partition)?;
        self.pump()
    }

    /// Drops a rows stage and opens it anew on what the logs hold.
    ///
    /// # Errors
    /// When a log is not what it must be.
    pub fn restart_rows(&mut self, partition: Partition) -> anyhow::Result<()> {
        self.rows[partition.index()] = self.open_rows(partition)?;
        self.assignment += 1;
        self.pump()
    }

    /// Drops the intake and opens it anew; its inputs are to be opened again, from [`Pipeline::resume_at`].
    ///
    /// # Errors
    /// When a log is not what it must be.
    pub fn restart_intake(&mut self) -> anyhow::Result<()> {
        self.intake = new_intake(&self.setup, &mut self.transport)?;
        Ok(())
    }

    fn tell_intake(&mut self, fact: Fact<'_, Record<'_>>) -> anyhow::Result<()> {
        let mut effects = std::mem::take(&mut self.effects);
        self.intake.handle(fact, &mut effects)?;
        if effects.is_empty() {
            self.effects = effects;
            return Ok(());
        }
        let appended = effects.iter().any(|effect| matches!(effect, Effect::Append { .. }));
        self.effects = self.carry_out(effects)?;
        if appended { self.pump() } else { Ok(()) }
    }

    fn tell_windows(&mut self, place: usize, fact: Fact<'_, &[u8]>) -> anyhow::Result<()> {
        let mut effects = std::mem::take(&mut self.effects);
        self.windows[place].handle(fact, &mut effects)?;
        self.effects = self.carry_out(effects)?;
        Ok(())
    }

    fn tell_rows(&mut self, place: usize, fact: Fact<'_, &[u8]>) -> anyhow::Result<()> {
        let mut effects = std::mem::take(&mut self.effects);
        self.rows[place].handle(fact, &mut effects)?;
        self.effects = self.carry_out(effects)?;
        Ok(())
    }

    /// Lets windows and rows read until there is nothing new.
    fn pump(&mut self) -> anyhow::Result<()> {
        loop {
            let mut read = 0;
            for place in 0..self.windows.len() {
                let next = self.windows[place].next(0);
                read += self.read(Log::Events, place, next, |pipeline, offset, bytes| {
                    pipeline.tell_windows(place, Fact::Record { input: 0, offset, record: bytes })
                })?;
            }
            for place in 0..self.rows.len() {
                for (input, log, partition) in [(PAIRS, Log::Pairs, place), (TOTALS, Log::Totals, 0)] {
                    let next = self.rows[place].next(input);
                    read += self.read(log, partition, next, |pipeline, offset, bytes| {
                        pipeline.tell_rows(place, Fact::Record { input, offset, record: bytes })
                    })?;
                }
            }
            self.release_totals();
            if read == 0 {
                return Ok(());
            }
        }
    }

    /// Reads a partition's next records; returns how many there were.
    fn read(
        &mut self,
        log: Log,
        place: usize,
        from: NextOffset,
        mut each: impl FnMut(&mut Self, NextOffset, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let partition = Partition(u32::try_from(place).unwrap_or(u32::MAX));
        let mut fetched = std::mem::take(&mut self.fetched);
        fetched.clear();
        self.transport.fetch(log, partition, from, FETCH_RECORDS_MAX, &mut fetched)?;
        for Fetched { offset, value } in &fetched {
            each(self, *offset, value.as_ref().map_or(&[][..], |value| value))?;
        }
        let (read, last) = (fetched.len(), fetched.last().map(|record| record.offset.after()));
        self.fetched = fetched;
        if let (Some(to), true) = (last, log != Log::Totals) {
            self.transport.release(log, partition, to);
        }
        Ok(read)
    }

    /// Every rows partition reads the same totals: they may go once all have.
    fn release_totals(&mut self) {
        if let Some(to) = self.rows.iter().map(|stage| stage.next(TOTALS)).min() {
            self.transport.release(Log::Totals, Partition(0), to);
        }
    }

    /// Carries out `effects`, in order, and returns their emptied vector.
    fn carry_out(&mut self, mut effects: Vec<Effect>) -> anyhow::Result<Vec<Effect>> {
        for effect in effects.drain(..) {
            match effect {
                Effect::Append { log, partition, block } => {
                    self.append(log, partition, None, block)?;
                }
                Effect::Broadcast { key, value } => {
                    self.append(Log::Totals, Partition(0), Some(&key), value)?;
                }
                Effect::Publish { partition, relation, record, waited_ms, .. } => {
                    let (key, tombstone) = (record.key(), record.tombstone);
                    let mut json = Vec::with_capacity(256 * (record.entries.len() + record.reserve.len() + 1));
                    record.write_json(&mut json);
                    let list = Publication { partition, relation, key: &key, record: &json, tombstone, waited_ms };
                    self.sink.list(&list)?;
                    self.append(Log::Lists, partition, Some(key.as_bytes()), json)?;
                    let (_, end) = self.transport.bounds(Log::Lists, partition)?;
                    self.transport.release(Log::Lists, partition, end);
                }
                Effect::Reject { source, offset, reject } => self.sink.reject(&source, offset, &reject)?,
            }
        }
        Ok(effects)
    }

    fn append(&mut self, log: Log, partition: Partition, key: Option<&[u8]>, value: Vec<u8>) -> anyhow::Result<()> {
        let appended = self.appended.entry(log).or_default();
        appended.records += 1;
        appended.bytes += value.len() as u64;
        Ok(self.transport.append(log, partition, key, Some(value))?)
    }

    /// What this pipeline appended to `log`.
    #[must_use]
    pub fn appended(&self, log: Log) -> Appended {
        self.appended.get(&log).copied().unwrap_or_default()
    }

    /// The inputs, in their order.
    #[must_use]
    pub fn inputs(&self) -> &[IntakeInput] {
        &self.setup.inputs
    }

    /// The intake, to ask.
    pub fn intake(&self) -> &Stage<IntakeWork> {
        &self.intake
    }

    /// The windows stages, to ask.
    pub fn windows(&self) -> &[Stage<WindowsWork>] {
        &self.windows
    }

    /// The rows stages, to ask.
    pub fn rows(&self) -> &[Stage<RowsWork>] {
        &self.rows
    }

    /// The rows stages, to ask what needs room to answer.
    pub fn rows_mut(&mut self) -> &mut [Stage<RowsWork>] {
        &mut self.rows
    }

    /// The transport, to ask (and, in tests, to damage).
    pub fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// The sink, to ask.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    /// The sink, to change what it does.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }
}

fn new_intake<T: Transport>(setup: &Setup, transport: &mut T) -> anyhow::Result<Stage<IntakeWork>> {
    let outputs = transport.partitions(Log::Events);
    let (identity, _) = setup.identities(outputs, transport.partitions(Log::Pairs));
    let Setup { intake, inputs, history_ms, limits, .. } = setup;
    let work = IntakeWork::new(intake.clone(), inputs.clone(), outputs, identity, *history_ms, *limits);
    let mut stage = Stage::new(work, inputs.len());
    tell_left(&mut stage, Log::Events, rand::random(), transport)?;
    Ok(stage)
}

impl<T: Transport, S: Sink> Pipeline<T, S> {
    /// All stages, to be asked.
    pub fn asked(&self) -> Asked<'_> {
        let rows = (0..).map(Partition).zip(self.rows.iter().map(Stage::work)).collect::<Vec<_>>();
        Asked {
            assignment: self.assignment,
            rejected: self.intake.work().tally().rejected(),
            windows: self.windows.iter().map(Stage::work).collect(),
            rows_partitions: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            rows,
        }
    }
}
