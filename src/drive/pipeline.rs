//! The three stages joined over one transport, in one thread: facts from the logs, effects onto them.
//!
//! Invariants: a block is appended before the stage that made it takes in anything else; a stage reads only what the
//! transport gives back, never what another stage holds.
//! Absent: threads and groups (one pipeline holds every partition), and the clock: its holder brings it.

use super::left::{each_record, tell_left};
use super::transport::{Fetched, Transport, TransportError};
use crate::intake::{Record, Reject};
use crate::list_key::ListName;
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::publish::{self, ListRecord};
use crate::serve::Asked;
use crate::stage::{
    BlockLimits, Clock, Effects, EventsInput, Fact, IntakeInput, IntakeWork, Landed, Log, RowsInput, RowsRecord,
    RowsSetup, RowsWork, SourceInput, Stage, StageError, WindowsWork, Work, identity_of,
};
use crate::wire;
use crate::{intake::Intake, rules::CountingRules};
use std::collections::BTreeMap;

/// How many records a stage takes at a time.
const FETCH_RECORDS_MAX: usize = 16;

/// A list as it is published.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The row's partition.
    pub partition: Partition,
    /// Which list.
    pub list: ListName,
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
    buffers: Buffers,
    fetched: Vec<Fetched>,
    appended: BTreeMap<Log, Appended>,
    /// Of a pairs log that nobody has written to yet: every partition of windows must give it the same.
    new_pairs_id: u128,
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
            buffers: Buffers::default(),
            fetched: Vec::new(),
            appended: BTreeMap::new(),
            new_pairs_id: rand::random(),
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
        let mut stage = Stage::new(work, [EventsInput]);
        tell_left(&mut stage, Log::Pairs, self.new_pairs_id, &mut self.transport)?;
        let (next, until) = self.transport.bounds(Log::Events, partition)?;
        self.tell(&mut stage, Fact::Opened { input: EventsInput, next, until: Some(until) })?;
        Ok(stage)
    }

    fn open_rows(&mut self, partition: Partition) -> anyhow::Result<Stage<RowsWork>> {
        let partitions = self.transport.partitions(Log::Pairs);
        let work = RowsWork::new(partition, partitions, &self.setup.counting, self.identities().1, &self.setup.rows);
        let mut stage = Stage::new(work, RowsInput::all(self.transport.partitions(Log::Totals)));
        let claim = wire::claim(rand::random(), partition);
        self.transport.append(Log::Totals, partition, None, Some(claim))?;
        let (_, claimed_to) = self.transport.bounds(Log::Totals, partition)?;
        self.tell(&mut stage, Fact::Claimed { epoch: claimed_to.0 - 1 })?;
        for input in RowsInput::all(self.transport.partitions(Log::Totals)) {
            let (log, partition) = log_of(input, partition);
            let (next, until) = self.transport.bounds(log, partition)?;
            self.tell(&mut stage, Fact::Opened { input, next, until: Some(until) })?;
        }
        let mut restored = Vec::new();
        each_record(&mut self.transport, Log::Lists, partition, |offset, record| {
            restored.push((offset, record.to_vec()));
            Ok(())
        })?;
        for (offset, bytes) in restored {
            let read: ListRecord<'_> = serde_json::from_slice(&bytes)
                .map_err(|error| StageError::Foreign { log: Log::Lists, what: error.to_string() })?;
            let record = RowsRecord::List(Landed::of(&read, Some(read.stamp())));
            self.tell(&mut stage, Fact::Record { input: RowsInput::Lists, offset, record })?;
        }
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
        self.tell_intake(Fact::Opened { input: SourceInput(input), next, until })
    }

    /// A record of an input.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn feed(&mut self, input: usize, offset: NextOffset, record: Record<'_>) -> anyhow::Result<()> {
        self.tell_intake(Fact::Record { input: SourceInput(input), offset, record })
    }

    /// An input cannot be read for now: see [`Fact::Waits`].
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn input_waits(&mut self, input: usize) -> anyhow::Result<()> {
        self.tell_intake(Fact::Waits { input: SourceInput(input) })
    }

    /// An input has been read to its end.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn end_input(&mut self, input: usize) -> anyhow::Result<()> {
        self.tell_intake(Fact::Ended { input: SourceInput(input) })
    }

    /// The wall's clock, for marks, corrections of future times, and, where rows go by it, publishing.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn clock(&mut self, now_ms: i64) -> anyhow::Result<()> {
        self.tell_intake(Fact::Clock(Clock::at(now_ms)))?;
        for place in 0..self.windows.len() {
            self.tell_windows(place, Fact::Clock(Clock::at(now_ms)))?;
        }
        self.pump()?;
        for place in 0..self.rows.len() {
            self.tell_rows(place, Fact::Clock(Clock::at(now_ms)))?;
        }
        self.pump()
    }

    /// Only intake's clock: against which future event times are corrected.
    ///
    /// # Errors
    /// When a stage must stop.
    pub fn intake_clock(&mut self, now_ms: i64) -> anyhow::Result<()> {
        self.tell_intake(Fact::Clock(Clock::at(now_ms)))
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
            let (stage, mut carrier) = self.rows_and_carrier(place);
            stage.work_mut().publish_all(&mut carrier);
            carrier.finish()?;
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

    fn tell_intake(&mut self, fact: Fact<'_, IntakeWork>) -> anyhow::Result<()> {
        let Self { intake, transport, sink, appended, buffers, .. } = self;
        let mut carrier = Carrier { transport, sink, appended, buffers, blocks: 0, failure: None };
        intake.handle(fact, &mut carrier)?;
        let has_appended = carrier.blocks > 0;
        carrier.finish()?;
        if has_appended { self.pump() } else { Ok(()) }
    }

    fn tell_windows(&mut self, place: usize, fact: Fact<'_, WindowsWork>) -> anyhow::Result<()> {
        let Self { windows, transport, sink, appended, buffers, .. } = self;
        let mut carrier = Carrier { transport, sink, appended, buffers, blocks: 0, failure: None };
        windows[place].handle(fact, &mut carrier)?;
        carrier.finish()
    }

    fn tell_rows(&mut self, place: usize, fact: Fact<'_, RowsWork>) -> anyhow::Result<()> {
        let Self { rows, transport, sink, appended, buffers, .. } = self;
        let mut carrier = Carrier { transport, sink, appended, buffers, blocks: 0, failure: None };
        let stage = &mut rows[place];
        stage.handle(fact, &mut carrier)?;
        while stage.is_busy() && carrier.failure.is_none() {
            stage.handle(Fact::Continue, &mut carrier)?;
        }
        carrier.finish()
    }

    /// Lets windows and rows read until there is nothing new.
    fn pump(&mut self) -> anyhow::Result<()> {
        loop {
            let mut read = 0;
            for place in 0..self.windows.len() {
                let next = self.windows[place].next(EventsInput);
                read += self.read(Log::Events, place, next, |pipeline, offset, bytes| {
                    pipeline.tell_windows(place, Fact::Record { input: EventsInput, offset, record: bytes })
                })?;
            }
            for place in 0..self.rows.len() {
                let own = Partition(u32::try_from(place).unwrap_or(u32::MAX));
                let blocks = |input: &RowsInput| *input != RowsInput::Lists;
                for input in RowsInput::all(self.transport.partitions(Log::Totals)).filter(blocks) {
                    let (log, partition) = log_of(input, own);
                    let next = self.rows[place].next(input);
                    read += self.read(log, partition.index(), next, |pipeline, offset, bytes| {
                        pipeline.tell_rows(place, Fact::Record { input, offset, record: RowsRecord::Block(bytes) })
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
        for partition in (0..self.transport.partitions(Log::Totals)).map(Partition) {
            if let Some(to) = self.rows.iter().map(|stage| stage.next(RowsInput::Totals(partition))).min() {
                self.transport.release(Log::Totals, partition, to);
            }
        }
    }

    /// Tells a stage that is not the pipeline's yet.
    fn tell<W: Work>(&mut self, stage: &mut Stage<W>, fact: Fact<'_, W>) -> anyhow::Result<()> {
        let Self { transport, sink, appended, buffers, .. } = self;
        let mut carrier = Carrier { transport, sink, appended, buffers, blocks: 0, failure: None };
        stage.handle(fact, &mut carrier)?;
        carrier.finish()
    }

    fn rows_and_carrier(&mut self, place: usize) -> (&mut Stage<RowsWork>, Carrier<'_, T, S>) {
        let Self { rows, transport, sink, appended, buffers, .. } = self;
        (&mut rows[place], Carrier { transport, sink, appended, buffers, blocks: 0, failure: None })
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

/// The log that brings an input of the rows partition `own`, and its partition.
fn log_of(input: RowsInput, own: Partition) -> (Log, Partition) {
    match input {
        RowsInput::Pairs => (Log::Pairs, own),
        RowsInput::Lists => (Log::Lists, own),
        RowsInput::Totals(partition) => (Log::Totals, partition),
    }
}

/// Key and value of the list at hand.
#[derive(Default)]
struct Buffers {
    key: String,
    json: Vec<u8>,
}

/// Carries out what a stage wants. The first failure is kept, and nothing is done after it.
struct Carrier<'a, T, S> {
    transport: &'a mut T,
    sink: &'a mut S,
    appended: &'a mut BTreeMap<Log, Appended>,
    buffers: &'a mut Buffers,
    /// Blocks appended.
    blocks: u64,
    failure: Option<anyhow::Error>,
}

impl<T: Transport, S: Sink> Carrier<'_, T, S> {
    fn finish(self) -> anyhow::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    fn attempt(&mut self, carry: impl FnOnce(&mut Self) -> anyhow::Result<()>) {
        if self.failure.is_none() {
            self.failure = carry(self).err();
        }
    }

    fn append_record(
        &mut self,
        log: Log,
        partition: Partition,
        key: Option<&[u8]>,
        value: Vec<u8>,
    ) -> Result<(), TransportError> {
        let appended = self.appended.entry(log).or_default();
        appended.records += 1;
        appended.bytes += value.len() as u64;
        self.transport.append(log, partition, key, Some(value))
    }
}

impl<T: Transport, S: Sink> Effects for Carrier<'_, T, S> {
    fn append(&mut self, log: Log, partition: Partition, block: Vec<u8>) {
        self.blocks += 1;
        self.attempt(|carrier| Ok(carrier.append_record(log, partition, None, block)?));
    }

    fn publish(&mut self, publication: &publish::Publication<'_>) {
        self.attempt(|carrier| {
            let Buffers { key, json } = &mut *carrier.buffers;
            *key = publication.names().join("/");
            json.clear();
            publication.record().write_json(json);
            let list = Publication {
                partition: publication.partition,
                list: publication.key().list,
                key,
                record: json,
                tombstone: publication.is_tombstone(),
                waited_ms: publication.waited_ms,
            };
            carrier.sink.list(&list)?;
            let (key, json) = (key.clone(), json.clone());
            carrier.append_record(Log::Lists, publication.partition, Some(key.as_bytes()), json)?;
            let (_, end) = carrier.transport.bounds(Log::Lists, publication.partition)?;
            carrier.transport.release(Log::Lists, publication.partition, end);
            Ok(())
        });
    }

    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: Reject) {
        self.attempt(|carrier| carrier.sink.reject(source, offset, &reject));
    }
}

fn new_intake<T: Transport>(setup: &Setup, transport: &mut T) -> anyhow::Result<Stage<IntakeWork>> {
    let outputs = transport.partitions(Log::Events);
    let (identity, _) = setup.identities(outputs, transport.partitions(Log::Pairs));
    let Setup { intake, inputs, history_ms, limits, .. } = setup;
    let work = IntakeWork::new(intake.clone(), inputs.clone(), outputs, identity, *history_ms, *limits);
    let mut stage = Stage::new(work, (0..inputs.len()).map(SourceInput));
    tell_left(&mut stage, Log::Events, rand::random(), transport)?;
    Ok(stage)
}

impl<T: Transport, S: Sink> Pipeline<T, S> {
    /// All stages, to be asked.
    pub fn asked(&self) -> Asked<'_> {
        let rows = (0..).map(Partition).zip(self.rows.iter().map(Stage::work)).collect::<Vec<_>>();
        Asked {
            rejected: self.intake.work().tally().rejected(),
            windows: self.windows.iter().map(Stage::work).collect(),
            rows_partitions: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            rows,
        }
    }
}
