//! The intake stage of an instance: records of any number of source partitions in, events blocks out, by user.
//!
//! Each source partition keeps its own order; every section says how far its source has been read, and how far behind it is
//! (design section 2, "Merging a backlog"; [`super::lag`]). Only here is a clock part of what is written, and then it is in the
//! log for good.
//!
//! The log is told of progress with the events, else at each mark; of a source's lag at once when it changes, but, after its first
//! end, no more often than once in [`LAG_MARKS_MIN_MS`], however often that is. Where nothing happens, nothing is written.

mod counted;
mod outputs;
mod reading;
mod seen;
mod told;

pub use self::counted::counted;
pub use self::seen::Seen;

use self::reading::Reading;
pub use self::reading::{BEHIND_MS, Disorder, InputTally};
pub use self::told::ToldTally;
use super::checkpoints::{Checkpoints, refused};
use super::effect::{Effects, Log, StageError};
use super::lag::LagWatch;
use super::sections::{News, Sections};
use super::{Authorship, BlockLimits, Clock, Inherited, REPEAT_INTERVAL_MS, SourceInput, Work};
use crate::event::{EventTime, EventType};
use crate::facts::Facts;
use crate::findings::{Finding, Profile};
use crate::intake::{Intake, Learned, Mapping, Reason, Record, SchemaId, checksum_of_record};
use crate::items::{ItemId, Items};
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition, Span};
use crate::rules::ClickRules;
use crate::wire::{Lag, Origin};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rounds in which the log is told that lags have changed come no closer than this.
pub(super) const LAG_MARKS_MIN_MS: i64 = 1_000;

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
#[derive(Debug, Default)]
pub struct IntakeTally {
    /// Events written, by `EventType as usize`.
    pub accepted: [u64; EventType::ALL.len()],
    /// Records refused, by [`Reason::index`].
    pub rejects: [u64; Reason::ALL.len()],
    /// Null values and skipped types.
    pub skipped: u64,
    /// Records of which the source's transform gave nothing.
    pub filtered: u64,
    /// Events none of whose items is a product, as the catalogue says.
    pub uncountable: u64,
    /// Of impressions and clicks: those that were not written, and why.
    pub told: ToldTally,
    /// Events whose time lay in the future and was corrected.
    pub skewed: u64,
    /// Events that the log held already.
    pub muted: u64,
    /// What each source looks like.
    pub seen: Vec<Seen>,
}

impl IntakeTally {
    /// Records refused, for any reason.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejects.iter().sum()
    }
}

/// The intake of one instance.
pub struct IntakeWork {
    intake: Intake,
    /// As what items count, where anybody says that.
    facts: Option<Arc<Facts>>,
    /// Which impressions and clicks are written.
    clicks: ClickRules,
    authorship: Authorship,
    clock: Option<Clock>,
    items: Items,
    event_items: Vec<ItemId>,
    inputs: Vec<Reading>,
    sections: Sections,
    /// Whether a lag has changed of which the log has not been told, and when it may be, by the clock that never goes back.
    lag_is_news: bool,
    next_lag_marks_ms: i64,
    next_repeat_ms: i64,
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
        let work = Self {
            intake,
            facts: None,
            clicks: ClickRules::default(),
            authorship: Authorship::new(Log::Events, identity),
            clock: None,
            items: Items::default(),
            event_items: Vec::new(),
            sections: Sections::new(inputs.len(), outputs, limits),
            inputs: inputs.into_iter().map(|input| Reading::new(input, history_ms)).collect(),
            lag_is_news: false,
            next_lag_marks_ms: i64::MIN,
            next_repeat_ms: i64::MIN,
            named,
            tally: IntakeTally::default(),
        };
        work.counting_on(IntakeTally::default())
    }

    /// Opening marks name `sources` too: those that are configured, but read by others.
    #[must_use]
    pub fn naming(mut self, sources: impl IntoIterator<Item = SourcePartition>) -> Self {
        for source in sources {
            self.named.entry(source).or_insert(None);
        }
        self
    }

    /// Items count as these facts say.
    #[must_use]
    pub fn by_facts(mut self, facts: Option<Arc<Facts>>) -> Self {
        self.facts = facts;
        self
    }

    /// Goes on counting from what an intake before it, in this process, counted.
    #[must_use]
    pub fn counting_on(mut self, mut tally: IntakeTally) -> Self {
        for reading in &mut self.inputs {
            reading.seen = seen::number_of(&mut tally.seen, &reading.input.source.source);
        }
        self.tally = tally;
        self
    }

    /// Where the log starts to hold `input`; `None` while the log does not know it.
    #[must_use]
    pub fn origin(&self, input: usize) -> Option<Position> {
        self.inputs[input].origin
    }

    /// What will disappoint of what has been read so far. What views and orders share is told only by who reads all of the
    /// sources: of parts each may have other users.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        seen::findings(&self.tally.seen, self.inputs.len() >= self.named.len())
    }

    /// Bytes held now, by kind.
    #[must_use]
    pub fn bytes_by_kind(&self) -> Vec<(&'static str, usize)> {
        let schemas = self.inputs.iter().map(|reading| reading.plans.bytes()).sum();
        let profiles = self.tally.seen.len() * Profile::bytes_max();
        vec![
            ("profiles", profiles),
            ("names", self.items.bytes()),
            ("blocks", self.sections.held_bytes()),
            ("schemas", schemas),
        ]
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

    /// The highest event time that an intake before this one, in this process, read of `input`, and since when that had been
    /// waiting, by the clock that never goes back.
    pub fn resume_from(&mut self, input: usize, highest: Option<EventTime>, waits_since_ms: Option<i64>) {
        let reading = &mut self.inputs[input];
        reading.resume_from(highest);
        if let Some(since_ms) = waits_since_ms {
            reading.lag.wait(since_ms);
        }
    }

    /// Since when `input` has been waiting for something outside, if it has.
    #[must_use]
    pub fn waits_since_ms(&self, input: usize) -> Option<i64> {
        self.inputs[input].lag.waits_since_ms()
    }

    /// The highest event time read of `input`.
    #[must_use]
    pub fn highest(&self, input: usize) -> Option<EventTime> {
        self.inputs[input].read_to()
    }

    /// How far what was read of `source` is from the order of time.
    #[must_use]
    pub fn disorder(&self, source: &SourcePartition) -> Option<Disorder> {
        self.number_of(source).map(|input| self.inputs[input].disorder)
    }

    /// What became of the records that were read of `source`.
    #[must_use]
    pub fn input_tally(&self, source: &SourcePartition) -> Option<InputTally> {
        self.number_of(source).map(|input| self.inputs[input].tally)
    }

    /// How far behind `input` is.
    #[must_use]
    pub fn lag(&self, input: usize) -> Lag {
        self.inputs[input].told_lag()
    }

    /// Whether `input` is behind, so that another may have to wait for it.
    #[must_use]
    pub fn is_behind(&self, input: usize) -> bool {
        self.lag(input).is_behind()
    }

    /// Where reading `input` goes on after a restart: before it, every partition of the log has everything.
    #[must_use]
    pub fn resume_at(&self, input: usize) -> NextOffset {
        self.checkpoint(input).position.offset
    }

    /// The same, with the record that was read there: see [`Checkpoint::resume`].
    #[must_use]
    pub fn checkpoint(&self, input: usize) -> Checkpoint {
        self.sections.sent(input).reduce(Checkpoint::min).unwrap_or_default()
    }

    fn monotonic_ms(&self) -> Option<i64> {
        self.clock.map(|clock| clock.monotonic_ms)
    }

    /// When a record arrived: as its timestamp says, which counts how long it has waited to be read; where it has none that
    /// can be right, now.
    fn arrived_ms(&self, timestamp_ms: Option<i64>) -> Option<i64> {
        let now_ms = self.clock?.wall_ms;
        Some(timestamp_ms.filter(|timestamp_ms| (1..now_ms).contains(timestamp_ms)).unwrap_or(now_ms))
    }

    /// `input` starts at `first`, unless it has started before.
    fn start(&mut self, input: usize, first: Position) {
        let first = *self.inputs[input].origin.get_or_insert(first);
        for output in 0..self.sections.len() {
            self.sections.restore(output, input, Checkpoint::origin(first));
        }
    }

    fn number_of(&self, source: &SourcePartition) -> Option<usize> {
        self.inputs.iter().position(|reading| reading.input.source == *source)
    }

    fn flush_one(&mut self, output: usize, effects: &mut dyn Effects) {
        let mut places = self.inputs.iter().map(Reading::place);
        self.sections.flush(output, &mut places, self.authorship.generation, &self.items, effects);
    }

    fn mark_all(&mut self, news: News, effects: &mut dyn Effects) {
        for output in 0..self.sections.len() {
            self.sections.mark(output, news, &mut self.inputs.iter().map(Reading::place));
            self.flush_one(output, effects);
        }
    }

    /// Lets the lag of `input` change, and sees that the log is told.
    fn watch_lag(&mut self, input: usize, effects: &mut dyn Effects, change: impl FnOnce(&mut LagWatch)) {
        let reading = &mut self.inputs[input];
        let (before, had_reached) = (reading.told_lag(), reading.lag.is_reached());
        change(&mut reading.lag);
        self.lag_is_news |= before != reading.told_lag();
        if self.lag_is_news && reading.lag.is_reached() && !had_reached {
            self.next_lag_marks_ms = i64::MIN; // once a source and start: what has waited for it need not wait longer
        }
        self.tell_lags(effects);
    }

    /// Tells every partition at once how far behind sources are, where that is news and the last round is long enough ago.
    fn tell_lags(&mut self, effects: &mut dyn Effects) {
        let now_ms = self.monotonic_ms();
        let is_due = now_ms.is_none_or(|now_ms| now_ms >= self.next_lag_marks_ms);
        if self.lag_is_news && is_due {
            self.lag_is_news = false;
            self.next_lag_marks_ms = now_ms.map_or(i64::MIN, |now_ms| now_ms.saturating_add(LAG_MARKS_MIN_MS));
            self.mark_all(News::Lag, effects);
        }
    }
}

impl Work for IntakeWork {
    type Input = SourceInput;
    type Record<'a> = SourceRecord<'a>;

    fn inherit(&mut self, inherited: &Inherited<'_>) -> Result<(), StageError> {
        match *inherited {
            Inherited::NewLogId(log_id) => self.authorship.settle(log_id),
            Inherited::Opening { partition, offset, opening } => {
                self.authorship.check(partition, offset, opening)?;
                for Origin { source, first } in &opening.origins {
                    let (Some(named), Some(first)) = (self.named.get_mut(source), *first) else { continue };
                    named.get_or_insert(first);
                    if let Some(input) = self.number_of(source) {
                        self.start(input, first);
                    }
                }
            }
            Inherited::Checkpoint { output, source, checkpoint } => {
                if let Some(input) = self.number_of(source) {
                    self.sections.restore(output, input, checkpoint);
                }
            }
            Inherited::GivenUp { source } => {
                if let Some(input) = self.number_of(source) {
                    self.inputs[input].lag.give_up();
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
        let sent = self.sections.sent(input).filter(|_| known);
        let checkpoints = Checkpoints::open(sent, next, until).map_err(refused(&reading.input.source, next))?;
        let reading = &mut self.inputs[input];
        (reading.next, reading.checkpoints) = (Position::start_of(next), checkpoints);
        // Of a record of which a part is in the log, the checkpoint knows that one, not the one before it.
        reading.checksum = if checkpoint.position == reading.next { checkpoint.checksum } else { None };
        let is_aside = reading.is_aside;
        self.lag_is_news |= is_aside; // nothing waits for it: whoever reads the log is told at once
        self.start(input, Position::start_of(next));
        Ok(())
    }

    fn open(&mut self, effects: &mut dyn Effects) {
        for reading in &self.inputs {
            self.named.insert(reading.input.source.clone(), reading.origin);
        }
        let origins = self.named.iter().map(|(source, first)| Origin { source: source.clone(), first: *first });
        let block = self.authorship.opening(origins.collect());
        for output in 0..self.sections.len() {
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
        self.tally.seen[self.inputs[input].seen].records += 1;
        self.inputs[input].tally.records += 1;
        let end = Position::start_of(offset.after());
        if mapping.transforms() {
            self.outputs(input, offset, record, &mapping, &plans, effects);
        } else {
            match self.intake.admit_record(&mapping, &plans, record, self.now(input)) {
                Ok(Some(admitted)) => {
                    let span = Span { from: Position::start_of(offset), to: end };
                    self.event(input, span, record, &admitted, effects);
                }
                Ok(None) => self.skip(input),
                Err(reject) => self.reject(input, offset, reject, effects),
            }
        }
        self.passed(input, end, checksum);
        let age_ms = self.clock.zip(record.timestamp_ms).map(|(clock, read_ms)| clock.wall_ms.saturating_sub(read_ms));
        let now_ms = self.monotonic_ms().unwrap_or(i64::MIN);
        self.watch_lag(input, effects, |watch| watch.read(age_ms, now_ms));
        Ok(())
    }

    fn reached(&mut self, SourceInput(input): SourceInput, effects: &mut dyn Effects) {
        self.watch_lag(input, effects, LagWatch::reach);
    }

    fn live(&mut self, _effects: &mut dyn Effects) -> Result<(), StageError> {
        Ok(())
    }

    fn clock(&mut self, clock: Clock, effects: &mut dyn Effects) -> Result<(), StageError> {
        self.clock = Some(clock);
        if clock.monotonic_ms >= self.next_repeat_ms {
            self.next_repeat_ms = clock.monotonic_ms.saturating_add(REPEAT_INTERVAL_MS);
            self.sections.tell_again();
        }
        for input in 0..self.inputs.len() {
            self.watch_lag(input, effects, |watch| watch.tick(clock.monotonic_ms));
        }
        Ok(())
    }

    fn waits(&mut self, SourceInput(input): SourceInput, effects: &mut dyn Effects) {
        if let Some(now_ms) = self.monotonic_ms() {
            self.watch_lag(input, effects, |watch| watch.wait(now_ms));
        }
    }

    fn at_end(&mut self, SourceInput(input): SourceInput, effects: &mut dyn Effects) {
        self.watch_lag(input, effects, LagWatch::end);
    }

    fn flush(&mut self, effects: &mut dyn Effects) {
        for output in 0..self.sections.len() {
            self.flush_one(output, effects);
        }
        // Names are for the blocks at hand only: a small table stays in the processor's caches, whatever the catalogue.
        self.items.clear();
    }

    fn mark(&mut self, effects: &mut dyn Effects) {
        self.lag_is_news = false;
        self.mark_all(News::All, effects);
    }

    fn rest(&mut self, _effects: &mut dyn Effects) {}
}

#[cfg(test)]
mod tests;
