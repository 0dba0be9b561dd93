//! The intake stage of an instance: records of any number of source partitions in, events blocks out, by user.
//!
//! Each source partition keeps its own order; every section says how far its source has been read, and whether it is
//! behind (design section 2, "Merging a backlog"). Only here is a clock part of what is written, and then it is in the
//! log for good.

use super::checkpoints::{Checkpoints, refused};
use super::effect::{Effects, Log, StageError};
use super::{Authorship, BlockLimits, Clock, Left, SourceInput, Work};
use crate::event::{Action, EventTime, EventType};
use crate::intake::{
    Admitted, Intake, Learned, Mapping, Now, Plans, Reason, Record, Reject, SchemaId, checksum_of_record,
};
use crate::items::{ItemId, Items};
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition, Span};
use crate::wire::{EventsWriter, Lag, Origin, SectionHead};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A source partition is behind while what is read of it is older than this.
pub const BEHIND_LAG_MS: i64 = 10_000;

/// How often the log is told how every source stands, news or not: a mark of a paused predecessor that lands late may have
/// said otherwise last.
pub const REPEAT_INTERVAL_MS: i64 = 30_000;

/// A record of a source.
pub type SourceRecord<'a> = Record<'a>;

/// One source partition that an intake reads.
#[derive(Clone)]
pub struct IntakeInput {
    /// Which.
    pub source: SourcePartition,
    /// How its records read.
    pub mapping: Arc<Mapping>,
}

/// What became of the records so far.
#[derive(Clone, Debug, Default)]
pub struct IntakeTally {
    /// Events written, by `EventType as usize`.
    pub accepted: [u64; EventType::ALL.len()],
    /// Records refused, by [`Reason::index`].
    pub rejects: [u64; Reason::ALL.len()],
    /// Null values and skipped types.
    pub skipped: u64,
    /// Events whose time lay in the future and was corrected.
    pub skewed: u64,
    /// Events that the log held already.
    pub muted: u64,
}

impl IntakeTally {
    /// Records refused, for any reason.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejects.iter().sum()
    }
}

/// What the log is told of a source partition besides positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    highest: Option<EventTime>,
    lag: Lag,
}

struct Reading {
    input: IntakeInput,
    /// Shared while a record is read, which borrows from it.
    plans: Arc<Plans>,
    origin: Option<Position>,
    next: NextOffset,
    /// Checksum of the record before `next`.
    checksum: Option<u32>,
    /// What the log holds of records that have not been read again yet.
    checkpoints: Checkpoints,
    highest: Option<EventTime>,
    reached: bool,
    lagging: bool,
    old: bool,
}

impl Reading {
    fn standing(&self, history_ms: Option<i64>) -> Standing {
        let lag = if history_ms.is_some() && !self.reached && self.old {
            Lag::History
        } else if !self.reached || self.lagging {
            Lag::Behind
        } else {
            Lag::Live
        };
        Standing { highest: self.highest, lag }
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { position: Position::start_of(self.next), checksum: self.checksum }
    }
}

#[derive(Clone)]
struct Channel {
    /// All before this is on the log.
    sent: Checkpoint,
    told: Option<Standing>,
    /// Its section in the block under construction.
    place: Option<usize>,
}

struct Output {
    writer: EventsWriter,
    /// By input.
    channels: Vec<Channel>,
}

/// The intake of one instance.
pub struct IntakeWork {
    intake: Intake,
    authorship: Authorship,
    history_ms: Option<i64>,
    limits: BlockLimits,
    now_ms: Option<i64>,
    repeat_ms: i64,
    items: Items,
    event_items: Vec<ItemId>,
    inputs: Vec<Reading>,
    outputs: Vec<Output>,
    /// Every configured source partition, with the origin that the log has for it.
    named: BTreeMap<SourcePartition, Option<Position>>,
    tally: IntakeTally,
}

impl IntakeWork {
    /// Reads `inputs`, writes `outputs` partitions of the events log. `identity`: fingerprint of what the log depends on
    /// besides its sources (the user secret). `history_ms`: see design section 2; `None` never silences anything.
    #[must_use]
    pub fn new(
        intake: Intake,
        inputs: Vec<IntakeInput>,
        outputs: u32,
        identity: u64,
        history_ms: Option<i64>,
        limits: BlockLimits,
    ) -> Self {
        let named = inputs.iter().map(|input: &IntakeInput| (input.source.clone(), None)).collect();
        let channel = Channel { sent: Checkpoint::default(), told: None, place: None };
        let channels = vec![channel; inputs.len()];
        let output = || Output { writer: EventsWriter::default(), channels: channels.clone() };
        let reading = |input| Reading {
            input,
            plans: Arc::default(),
            origin: None,
            next: NextOffset(0),
            checksum: None,
            checkpoints: Checkpoints::default(),
            highest: None,
            reached: false,
            lagging: false,
            old: true,
        };
        Self {
            intake,
            authorship: Authorship::new(Log::Events, identity),
            history_ms,
            limits,
            now_ms: None,
            repeat_ms: i64::MIN,
            items: Items::default(),
            event_items: Vec::new(),
            outputs: std::iter::repeat_with(output).take(Partition(outputs).index()).collect(),
            inputs: inputs.into_iter().map(reading).collect(),
            named,
            tally: IntakeTally::default(),
        }
    }

    /// Opening marks name `sources` too: those that are configured, but read by others.
    #[must_use]
    pub fn naming(mut self, sources: impl IntoIterator<Item = SourcePartition>) -> Self {
        for source in sources {
            self.named.entry(source).or_insert(None);
        }
        self
    }

    /// Goes on counting from what an intake before it, in this process, counted.
    #[must_use]
    pub fn counting_on(mut self, tally: IntakeTally) -> Self {
        self.tally = tally;
        self
    }

    /// Where the log starts to hold `input`; `None` while the log does not know it.
    #[must_use]
    pub fn origin(&self, input: usize) -> Option<Position> {
        self.inputs[input].origin
    }

    /// Bytes held now, by kind.
    #[must_use]
    pub fn bytes_by_kind(&self) -> Vec<(&'static str, usize)> {
        let writers = self.outputs.iter().map(|output| output.writer.held_bytes()).sum();
        let schemas = self.inputs.iter().map(|reading| reading.plans.bytes()).sum();
        vec![("names", self.items.bytes()), ("blocks", writers), ("schemas", schemas)]
    }

    /// The schema to [`IntakeWork::learn`] before `record` of `input` can be read, if there is one.
    #[must_use]
    pub fn missing_schema(&self, input: usize, record: &SourceRecord<'_>) -> Option<SchemaId> {
        let reading = &self.inputs[input];
        reading.input.mapping.missing_schema(&reading.plans, record)
    }

    /// Schemas that were not found may have been registered since: they are asked for again.
    pub fn forget_not_found(&mut self) {
        for reading in &mut self.inputs {
            Arc::make_mut(&mut reading.plans).forget_not_found();
        }
    }

    /// Takes in what the registry says of a schema of `input`.
    pub fn learn(&mut self, input: usize, id: SchemaId, learned: Learned<'_>) {
        let reading = &mut self.inputs[input];
        reading.input.mapping.learn(Arc::make_mut(&mut reading.plans), id, learned);
    }

    /// What became of the records so far.
    #[must_use]
    pub fn tally(&self) -> &IntakeTally {
        &self.tally
    }

    /// Its tally, to take along.
    pub fn tally_mut(&mut self) -> &mut IntakeTally {
        &mut self.tally
    }

    /// The highest event time that an intake before this one, in this process, read of `input`.
    pub fn resume_from(&mut self, input: usize, highest: Option<EventTime>) {
        let reading = &mut self.inputs[input];
        reading.highest = reading.highest.max(highest);
    }

    /// The highest event time read of `input`.
    #[must_use]
    pub fn highest(&self, input: usize) -> Option<EventTime> {
        self.inputs[input].highest
    }

    /// Whether `input` is behind, so that another may have to wait for it.
    #[must_use]
    pub fn is_behind(&self, input: usize) -> bool {
        self.inputs[input].standing(self.history_ms).lag.is_behind()
    }

    /// Where reading `input` goes on after a restart: before it, every partition of the log has everything.
    #[must_use]
    pub fn resume_at(&self, input: usize) -> NextOffset {
        self.checkpoint(input).position.offset
    }

    /// The same, with the record that was read there: see [`Checkpoint::resume`].
    #[must_use]
    pub fn checkpoint(&self, input: usize) -> Checkpoint {
        let sent = self.outputs.iter().map(|output| output.channels[input].sent);
        sent.reduce(Checkpoint::min).unwrap_or_default()
    }

    /// When a record arrived: as its timestamp says, which counts how long it has waited to be read; where it has none that
    /// can be right, now.
    fn arrived_ms(&self, timestamp_ms: Option<i64>) -> Option<i64> {
        let now_ms = self.now_ms?;
        Some(timestamp_ms.filter(|timestamp_ms| (1..now_ms).contains(timestamp_ms)).unwrap_or(now_ms))
    }

    /// `input` starts at `first`, unless it has started before.
    fn start(&mut self, input: usize, first: Position) {
        let first = *self.inputs[input].origin.get_or_insert(first);
        for output in &mut self.outputs {
            let channel = &mut output.channels[input];
            channel.sent = channel.sent.max(Checkpoint::origin(first));
        }
    }

    fn number_of(&self, source: &SourcePartition) -> Option<usize> {
        self.inputs.iter().position(|reading| reading.input.source == *source)
    }

    fn event(
        &mut self,
        input: usize,
        offset: NextOffset,
        timestamp_ms: Option<i64>,
        checksum: u32,
        admitted: &Admitted<'_>,
        effects: &mut dyn Effects,
    ) {
        let arrived_ms = self.arrived_ms(timestamp_ms);
        let Admitted { event, user, partition, skewed } = admitted;
        let reading = &mut self.inputs[input];
        reading.highest = reading.highest.max(Some(event.time));
        let position = Position::start_of(offset);
        let output = &mut self.outputs[partition.index()];
        if position < output.channels[input].sent.position {
            self.tally.muted += 1;
            return;
        }
        self.tally.skewed += u64::from(*skewed);
        let event_type = event.action.event_type();
        self.tally.accepted[event_type as usize] += 1;
        let shop = self.items.shop(&event.shop);
        self.event_items.clear();
        match &event.action {
            Action::View { item } | Action::Cart { item } => self.event_items.push(self.items.item(shop, item)),
            Action::Order { items, .. } => {
                self.event_items.extend(items.iter().map(|item| self.items.item(shop, item)));
            }
        }
        let place = open(output, input, reading, reading.standing(self.history_ms));
        if let (Some(arrived_ms), head) = (arrived_ms, output.writer.head(place)) {
            head.arrived_ms = Some(head.arrived_ms.map_or(arrived_ms, |first| first.min(arrived_ms)));
        }
        let items = &self.event_items;
        output.writer.push(place, position, *user, event.key, event.time, event_type, items, &self.items);
        if output.writer.bytes() >= self.limits.bytes_max || output.writer.entries() >= self.limits.entries_max {
            // The record at hand is in the block, so the section covers it.
            (self.inputs[input].next, self.inputs[input].checksum) = (offset.after(), Some(checksum));
            self.flush_one(partition.index(), effects);
        }
    }

    /// Sends what `output` has collected, and with it how far the sources that are behind have been read.
    fn flush_one(&mut self, output: usize, effects: &mut dyn Effects) {
        if self.outputs[output].writer.is_empty() {
            return;
        }
        self.add_marks(output, true);
        let Output { writer, channels } = &mut self.outputs[output];
        for (channel, reading) in channels.iter_mut().zip(&self.inputs) {
            let Some(place) = channel.place.take() else { continue };
            let standing = reading.standing(self.history_ms);
            let head = writer.head(place);
            let to = reading.checkpoint();
            (head.span.to, head.checksum) = (to.position, to.checksum);
            (head.highest, head.lag) = (standing.highest, standing.lag);
            (channel.sent, channel.told) = (to, Some(standing));
        }
        let partition = Partition(u32::try_from(output).unwrap_or(u32::MAX));
        let block = writer.finish(self.authorship.generation, &self.items);
        effects.append(Log::Events, partition, block);
    }

    /// Opens a section for every input of which `output` has not heard the newest.
    fn add_marks(&mut self, output: usize, only_behind: bool) {
        let output = &mut self.outputs[output];
        for (input, reading) in self.inputs.iter().enumerate() {
            let standing = reading.standing(self.history_ms);
            let channel = &output.channels[input];
            let reached = Position::start_of(reading.next);
            let is_news = channel.told != Some(standing) || (!only_behind && reached > channel.sent.position);
            let wanted = is_news && (!only_behind || standing.lag.is_behind());
            if wanted && reached >= channel.sent.position && reading.origin.is_some() {
                open(output, input, reading, standing);
            }
        }
    }

    fn reject(&mut self, input: usize, offset: NextOffset, reject: Reject, effects: &mut dyn Effects) {
        let reading = &mut self.inputs[input];
        reading.highest = reading.highest.max(reject.time);
        self.tally.rejects[reject.reason.index()] += 1;
        effects.reject(&reading.input.source, offset, reject);
    }

    /// Whether `input` has fallen behind or caught up, by the age of what was read last. Tells everybody at once.
    fn watch_lag(&mut self, input: usize, timestamp_ms: Option<i64>, effects: &mut dyn Effects) {
        let (Some(now_ms), Some(timestamp_ms)) = (self.now_ms, timestamp_ms) else { return };
        let lag_ms = now_ms.saturating_sub(timestamp_ms);
        let reading = &mut self.inputs[input];
        let before = reading.standing(self.history_ms);
        reading.lagging = lag_ms > BEHIND_LAG_MS;
        reading.old = self.history_ms.is_some_and(|history_ms| lag_ms > history_ms);
        let after = reading.standing(self.history_ms);
        if before.lag != after.lag {
            self.mark(effects);
        }
    }
}

/// The section of `input` in `output`'s block; opened if there is none.
fn open(output: &mut Output, input: usize, reading: &Reading, standing: Standing) -> usize {
    let channel = &mut output.channels[input];
    if let Some(place) = channel.place {
        return place;
    }
    let place = output.writer.open(SectionHead {
        source: reading.input.source.clone(),
        span: Span { from: channel.sent.position, to: channel.sent.position },
        highest: standing.highest,
        lag: standing.lag,
        arrived_ms: None,
        checksum: None,
    });
    channel.place = Some(place);
    place
}

impl Work for IntakeWork {
    type Input = SourceInput;
    type Record<'a> = SourceRecord<'a>;

    fn left(&mut self, left: &Left<'_>) -> Result<(), StageError> {
        match *left {
            Left::NewLogId(log_id) => self.authorship.settle(log_id),
            Left::Opening { partition, offset, opening } => {
                self.authorship.check(partition, offset, opening)?;
                for Origin { source, first } in &opening.origins {
                    let (Some(named), Some(first)) = (self.named.get_mut(source), *first) else { continue };
                    named.get_or_insert(first);
                    if let Some(input) = self.number_of(source) {
                        self.start(input, first);
                    }
                }
            }
            Left::Checkpoint { output, source, checkpoint } => {
                if let Some(input) = self.number_of(source) {
                    let channel = &mut self.outputs[output].channels[input];
                    channel.sent = channel.sent.max(checkpoint);
                }
            }
        }
        Ok(())
    }

    fn opened(
        &mut self,
        SourceInput(input): SourceInput,
        next: NextOffset,
        until: Option<NextOffset>,
    ) -> Result<(), StageError> {
        let reading = &self.inputs[input];
        let checkpoint = self.checkpoint(input);
        let expected = checkpoint.position.offset;
        if reading.origin.is_some() && next > expected {
            let source_partition = reading.input.source.clone();
            return Err(StageError::Skipped { source_partition, expected: expected.0, found: next.0 });
        }
        let known = reading.origin.is_some();
        let sent = self.outputs.iter().map(|output| output.channels[input].sent).filter(|_| known);
        let checkpoints = Checkpoints::open(sent, next, until).map_err(refused(&reading.input.source, next))?;
        let reading = &mut self.inputs[input];
        (reading.next, reading.checkpoints) = (next, checkpoints);
        reading.checksum = if next == expected { checkpoint.checksum } else { None };
        self.start(input, Position::start_of(next));
        Ok(())
    }

    fn open(&mut self, effects: &mut dyn Effects) {
        for reading in &self.inputs {
            self.named.insert(reading.input.source.clone(), reading.origin);
        }
        let origins = self.named.iter().map(|(source, first)| Origin { source: source.clone(), first: *first });
        let block = self.authorship.opening(origins.collect());
        for output in 0..self.outputs.len() {
            let partition = Partition(u32::try_from(output).unwrap_or(u32::MAX));
            effects.append(Log::Events, partition, block.clone());
        }
    }

    fn record(
        &mut self,
        SourceInput(input): SourceInput,
        offset: NextOffset,
        record: &SourceRecord<'_>,
        effects: &mut dyn Effects,
    ) -> Result<(), StageError> {
        let checksum = checksum_of_record(record);
        let Reading { input: IntakeInput { mapping, source }, plans, checkpoints, .. } = &mut self.inputs[input];
        checkpoints.pass(offset, || checksum).map_err(refused(source, offset))?;
        let (mapping, plans) = (Arc::clone(mapping), Arc::clone(plans));
        let now = Now { clock_ms: self.now_ms, read_to: self.inputs[input].highest };
        match self.intake.admit_record(&mapping, &plans, record, now) {
            Ok(Some(admitted)) => self.event(input, offset, record.timestamp_ms, checksum, &admitted, effects),
            Ok(None) => self.tally.skipped += 1,
            Err(reject) => self.reject(input, offset, reject, effects),
        }
        (self.inputs[input].next, self.inputs[input].checksum) = (offset.after(), Some(checksum));
        self.watch_lag(input, record.timestamp_ms, effects);
        Ok(())
    }

    fn reached(&mut self, SourceInput(input): SourceInput, effects: &mut dyn Effects) {
        self.inputs[input].reached = true;
        self.mark(effects);
    }

    fn live(&mut self, _effects: &mut dyn Effects) -> Result<(), StageError> {
        Ok(())
    }

    fn clock(&mut self, clock: Clock, _effects: &mut dyn Effects) -> Result<(), StageError> {
        self.now_ms = Some(clock.wall_ms);
        if clock.monotonic_ms >= self.repeat_ms {
            self.repeat_ms = clock.monotonic_ms.saturating_add(REPEAT_INTERVAL_MS);
            let channels = self.outputs.iter_mut().flat_map(|output| &mut output.channels);
            channels.for_each(|channel| channel.told = None);
        }
        Ok(())
    }

    fn at_end(&mut self, SourceInput(input): SourceInput, effects: &mut dyn Effects) {
        if std::mem::take(&mut self.inputs[input].lagging) {
            self.mark(effects);
        }
    }

    fn flush(&mut self, effects: &mut dyn Effects) {
        // Nothing more at hand: what lagged has caught up.
        let lagging = self.inputs.iter_mut().filter(|reading| reading.lagging);
        if lagging.fold(false, |_, reading| std::mem::take(&mut reading.lagging)) {
            self.mark(effects);
        }
        self.send(effects);
    }

    fn send(&mut self, effects: &mut dyn Effects) {
        for output in 0..self.outputs.len() {
            self.flush_one(output, effects);
        }
    }

    fn mark(&mut self, effects: &mut dyn Effects) {
        for output in 0..self.outputs.len() {
            self.add_marks(output, false);
            self.flush_one(output, effects);
        }
    }

    fn rest(&mut self, _effects: &mut dyn Effects) {}
}
