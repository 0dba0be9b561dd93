//! An intake worker: its partitions of all sources, one intake stage over them, and what that appends to the events log.
//!
//! Whatever changes which partitions it owns is a restart of its intake: what is in hand is finished, the log is looked at, and
//! a new stage goes on from there. So a take-over, a rebalance and a crash are one path.
//!
//! A record that cannot be taken yet waits in its partition's queue: because its source is ahead of one that has a backlog
//! to catch up with, or because the registry does not give its schema. What waits is bounded; beyond that its partition is
//! paused, and nothing else waits for it. A source that waits for its registry for long says so in the log, and holds up no
//! other there either.

mod reading;
mod source;
mod weighing;

use self::source::{Committing, OwnedPartition, OwnedSource, offsets, origins, settle};
pub(super) use self::source::{WaitingRecord, with_record};
use self::weighing::Weighing;
use super::recovery::may_found;
use super::scan::LogScan;
use super::schemas::{Schemas, UNKNOWN_AGAIN_MS};
use super::transport::{Appending, Change, Reader, Rejected, Rejects, Topic, Transport, Writer};
use super::worker::{Hands, SECOND_MS, Ties, Worker, unexpected};
use crate::event::EventTime;
use crate::intake::{Record, Reject};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::publish::Publication;
use crate::serve::Asked;
use crate::stage::{Clock, Effects, Fact, IntakeInput, IntakeTally, IntakeWork, Log, Phase, SourceInput, Stage};
use crate::watch::health::StageName;
use crate::watch::intake_tallies;
use crate::watch::metrics::{IntakeFollower, LogFollower, LogTallies};
use crate::wire::{Lag, Opening};
use std::collections::BTreeSet;

/// Health numbers a worker's inputs from its own number times this.
const INPUTS_OF_A_WORKER: usize = 10_000;

/// The worker.
pub struct IntakeWorker<T: Transport> {
    hands: Hands<T>,
    sources: Vec<OwnedSource<T>>,
    events: LogScan,
    /// None while nothing is this worker's.
    stage: Option<Stage<IntakeWork>>,
    rejects: T::Rejects,
    schemas: Schemas,
    committing: Option<Committing>,
    /// What stands beside committed offsets: the log that they belong to.
    note: String,
    tally: IntakeTally,
    follower: IntakeFollower,
    muted: LogFollower,
    next_commit_ms: i64,
    /// When this turn began: no look at the clock for every record.
    now: Clock,
    /// When schemas that were not found are asked for again.
    next_forget_ms: i64,
    weighing: Weighing,
    /// Whether it has been shown that its stage is live.
    shown_live: bool,
}

impl<T: Transport> IntakeWorker<T> {
    /// Joins the groups of all sources.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(hands: Hands<T>) -> anyhow::Result<Self> {
        let plan = &hands.plan;
        let mut sources = Vec::new();
        for source in &plan.sources {
            let group = format!("intake.{}", source.name);
            let reader = hands.transport.join(&group, &Topic::Source(source.name.clone()))?;
            sources.push(OwnedSource::new(source.clone(), reader));
        }
        let events = LogScan::of(plan, Log::Events);
        let rejects = hands.transport.rejects()?;
        let schemas = Schemas::new(plan.schemas.clone());
        let (follower, muted) = (hands.ties.metrics.intake(), hands.ties.metrics.log(Log::Events.name()));
        let now = hands.now();
        Ok(Self {
            now,
            sources,
            events,
            stage: None,
            rejects,
            schemas,
            committing: None,
            note: String::new(),
            tally: IntakeTally::default(),
            follower,
            muted,
            next_commit_ms: now.monotonic_ms,
            next_forget_ms: now.monotonic_ms.saturating_add(UNKNOWN_AGAIN_MS),
            weighing: Weighing::new(now.monotonic_ms),
            shown_live: false,
            hands,
        })
    }

    /// Its means.
    pub fn hands(&self) -> &Hands<T> {
        &self.hands
    }

    /// Its stage; none while nothing is its own.
    pub fn stage(&self) -> Option<&Stage<IntakeWork>> {
        self.stage.as_ref()
    }

    /// What became of the records so far.
    pub fn tally(&self) -> &IntakeTally {
        self.stage.as_ref().map_or(&self.tally, |stage| stage.work().tally())
    }

    /// The highest event time read of a source partition that is its own.
    pub fn highest(&self, place: &SourcePartition) -> Option<EventTime> {
        let source = self.sources.iter().find(|source| source.plan.name == place.source)?;
        let owned = source.owned.get(&place.partition)?;
        self.stage.as_ref().map_or(owned.highest, |stage| stage.work().highest(owned.input.0))
    }

    /// How far behind a source partition is that is its own.
    pub fn lag(&self, place: &SourcePartition) -> Option<Lag> {
        let source = self.sources.iter().find(|source| source.plan.name == place.source)?;
        let owned = source.owned.get(&place.partition)?;
        self.stage.as_ref().map(|stage| stage.work().lag(owned.input.0))
    }

    /// Bytes of records that wait to be taken.
    pub fn waiting_bytes(&self) -> usize {
        self.sources.iter().flat_map(|source| source.owned.values()).map(OwnedPartition::waiting_bytes).sum()
    }

    /// A source partition cannot be read for now.
    pub(super) fn input_waits(&mut self, place: &SourcePartition) -> anyhow::Result<()> {
        let source = self.sources.iter().find(|source| source.plan.name == place.source);
        let input = source.and_then(|source| source.owned.get(&place.partition)).map(|owned| owned.input);
        input.map_or(Ok(()), |input| self.tell(Fact::Waits { input }))
    }

    /// Brings its stage to rest.
    pub(super) fn rest(&mut self) -> anyhow::Result<()> {
        self.tell(Fact::Rest)
    }

    fn tell(&mut self, fact: Fact<'_, IntakeWork>) -> anyhow::Result<()> {
        let Some(stage) = &mut self.stage else { return Ok(()) };
        let mut effects = IntakeEffects::new(&mut self.hands, &mut self.rejects, None);
        let handled = stage.handle(fact, &mut effects);
        effects.end(handled)
    }

    fn forget(&mut self, source: usize, partition: Partition) -> anyhow::Result<()> {
        let Some(owned) = self.sources[source].owned.remove(&partition) else { return Ok(()) };
        if owned.is_paused() {
            self.sources[source].reader.resume(&[partition])?;
        }
        self.hands.ties.desk.remove(StageName::Intake, owned.number);
        let name = &*self.sources[source].plan.name;
        tracing::info!(stage = "intake", source = name, partition = partition.0, "let go");
        Ok(())
    }

    /// A new stage over what is owned and what is `new`. Returns where the new ones are read from.
    fn start(&mut self, new: &BTreeSet<(usize, Partition)>) -> anyhow::Result<Vec<(usize, Partition, NextOffset)>> {
        for &(source, partition) in new {
            let owned = OwnedPartition::new(&self.hands, &self.sources[source].place(partition));
            self.sources[source].owned.insert(partition, owned);
        }
        let inputs = self.number_inputs();
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let Hands { transport, writer, ties, plan, .. } = &mut self.hands;
        self.events.refresh(transport, &ties.vigil)?;
        let log_id = self.events.settle_id(transport, writer, &ties.vigil, || {
            let mut pairs = LogScan::of(plan, Log::Pairs);
            pairs.refresh(transport, &ties.vigil)?;
            Ok(may_found(Log::Events, &pairs.facts)?)
        })?;
        let identity = plan.identities().events;
        self.note = format!("samenloop events log {log_id:032x}");
        let mut named = Vec::new();
        for source in &mut self.sources {
            named.extend(source.all_partitions()?);
        }
        let origins = origins(&self.sources, &named, &self.events.facts, &self.note)?;
        if !origins.is_empty() && self.events.facts.is_written_under(identity) {
            // They are looked at again when they are opened; but then a mark would stand there already.
            for (number, source) in self.sources.iter().enumerate() {
                let is_new = |partition| new.contains(&(number, partition));
                source.bounds(is_new, &self.events.facts, transport, &ties.vigil)?;
            }
            let opening = Opening { log_id, input_log_id: 0, store_id: 0, identity, generation: 0, origins };
            self.events.settle_origins(&opening, transport, writer, &ties.vigil)?;
        }
        let (setup, count) = (&plan.setup, inputs.len());
        let work = IntakeWork::new(
            setup.intake.clone(),
            inputs,
            plan.events_partitions,
            identity,
            setup.history_ms,
            setup.limits,
        )
        .naming(named)
        .by_facts(plan.facts().cloned())
        .telling(setup.clicks.clone())
        .counting_on(std::mem::take(&mut self.tally));
        let mut stage = Stage::new(work, (0..count).map(SourceInput));
        let now = ties.clock.now();
        let mut effects = IntakeEffects::new(&mut self.hands, &mut self.rejects, None);
        let told = self.events.facts.tell(log_id, |_| true, |it| stage.handle(Fact::Inherited(it), &mut effects));
        let told = told.and_then(|()| stage.handle(Fact::Clock(now), &mut effects));
        effects.end(told)?;
        let starts = self.open(&mut stage, new)?;
        self.stage = Some(stage);
        self.hands.writer.flush()?; // the opening marks
        Ok(starts)
    }

    /// Gives every partition owned its number among the inputs.
    fn number_inputs(&mut self) -> Vec<IntakeInput> {
        let base = self.hands.ties.number * INPUTS_OF_A_WORKER;
        let mut inputs = Vec::new();
        for source in &mut self.sources {
            for (place, owned) in (inputs.len()..).zip(source.owned.values_mut()) {
                owned.input = SourceInput(place);
                owned.number = Partition(u32::try_from(base + place).unwrap_or(u32::MAX));
            }
            inputs.extend(source.inputs());
        }
        inputs
    }

    fn open(
        &mut self,
        stage: &mut Stage<IntakeWork>,
        new: &BTreeSet<(usize, Partition)>,
    ) -> anyhow::Result<Vec<(usize, Partition, NextOffset)>> {
        let mut starts = Vec::new();
        for (number, source) in self.sources.iter_mut().enumerate() {
            let Hands { transport, ties, .. } = &self.hands;
            let is_new = |partition| new.contains(&(number, partition));
            for (partition, bounds) in source.bounds(is_new, &self.events.facts, transport, &ties.vigil)? {
                if is_new(partition) {
                    let Some(owned) = source.owned.get_mut(&partition) else { continue };
                    // The log says where; where records are gone, the stage says which.
                    owned.next = stage.work().resume_at(owned.input.0).max(bounds.low);
                    owned.until = bounds.until();
                    owned.has_ended = owned.until.is_some_and(|until| owned.next >= until);
                    starts.push((number, partition, owned.next));
                    let (from, name) = (owned.next.0, &*source.plan.name);
                    let to = bounds.high.0;
                    tracing::info!(stage = "intake", source = name, partition = partition.0, from, to, "reading");
                } else {
                    // It has grown since it was taken over, and the log holds what has been read of that, by others too.
                    let Some(owned) = source.owned.get_mut(&partition) else { continue };
                    owned.until = bounds.until();
                }
                let Some(owned) = source.owned.get(&partition) else { continue };
                stage.work_mut().resume_from(owned.input.0, owned.highest, owned.waits_since_ms);
                let fact = Fact::Opened { input: owned.input, next: owned.next, until: owned.until };
                let mut effects = IntakeEffects::new(&mut self.hands, &mut self.rejects, None);
                let opened = stage.handle(fact, &mut effects);
                effects.end(opened)?;
            }
        }
        // Only now: an end makes the stage tell how far all inputs are, which must not stand before its opening marks.
        let ended = self.sources.iter().flat_map(|source| source.owned.values()).filter(|owned| owned.has_ended);
        for input in ended.map(|owned| owned.input).collect::<Vec<_>>() {
            let mut effects = IntakeEffects::new(&mut self.hands, &mut self.rejects, None);
            let ended = stage.handle(Fact::Ended { input }, &mut effects);
            effects.end(ended)?;
        }
        Ok(starts)
    }

    /// Commits what has been acknowledged, and notes what is to be committed next.
    fn commit(&mut self) {
        let Some(stage) = &self.stage else { return };
        let rejects_are_kept = self.rejects.look();
        if let Some(committing) =
            self.committing.take_if(|committing| rejects_are_kept && self.hands.writer.is_done(committing.era))
        {
            for (source, offsets) in self.sources.iter().zip(&committing.offsets) {
                source.reader.commit(offsets, &self.note, false);
            }
        }
        let now_ms = self.hands.now().monotonic_ms;
        if self.committing.is_none() && now_ms >= self.next_commit_ms {
            self.next_commit_ms = now_ms.saturating_add(SECOND_MS);
            let offsets = self.sources.iter().map(|source| offsets(source, stage)).collect();
            self.committing = Some(Committing { era: self.hands.writer.end_era(), offsets });
        }
    }
}

impl<T: Transport> Worker for IntakeWorker<T> {
    fn ties(&self) -> &Ties {
        &self.hands.ties
    }

    fn look(&mut self) -> anyhow::Result<()> {
        self.hands.writer.look()
    }

    fn holds_back(&self) -> bool {
        self.hands.writer.holds_back()
    }

    fn change(&mut self) -> anyhow::Result<()> {
        let mut changes = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            changes.extend(source.changes().into_iter().map(|change| (number, change)));
        }
        if changes.is_empty() {
            return Ok(());
        }
        for (number, _) in &changes {
            let source = &mut self.sources[*number];
            source.partitions = source.reader.partitions_known().unwrap_or(source.partitions);
        }
        // What is somebody else's already is neither finished nor committed.
        for (number, change) in &changes {
            if let Change::Lost(partitions) = change {
                for &partition in partitions {
                    self.forget(*number, partition)?;
                }
                self.sources[*number].reader.release(partitions)?;
            }
        }
        self.finish()?;
        let mut new = BTreeSet::new();
        for (number, change) in &changes {
            match change {
                Change::Assigned(partitions) => new.extend(partitions.iter().map(|&partition| (*number, partition))),
                Change::Revoked(partitions) => {
                    for &partition in partitions {
                        self.forget(*number, partition)?;
                        new.remove(&(*number, partition));
                    }
                    self.sources[*number].reader.release(partitions)?;
                }
                Change::Lost(partitions) => {
                    new.retain(|(source, partition)| source != number || !partitions.contains(partition));
                }
            }
        }
        let starts = self.start(&new)?;
        for (number, change) in &changes {
            if let Change::Assigned(partitions) = change {
                let own =
                    starts.iter().filter(|(source, partition, _)| source == number && partitions.contains(partition));
                let own: Vec<_> = own.map(|&(_, partition, next)| (partition, next)).collect();
                self.sources[*number].reader.assign(&own)?;
            }
        }
        self.shown_live = false;
        settle(&self.hands, &self.sources);
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<bool> {
        self.now = self.hands.now();
        self.tell(Fact::Clock(self.now))?;
        let mut is_idle = true;
        for source in 0..self.sources.len() {
            is_idle &= self.read_source(source)?;
            is_idle &= self.take_waiting(source)?;
        }
        self.rejects.flush(); // before a mark says that their records have been dealt with
        Ok(is_idle)
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        self.tell(Fact::Send)?;
        self.commit();
        let now_ms = self.hands.now().monotonic_ms;
        if let (true, Some(stage)) = (now_ms >= self.next_forget_ms, &mut self.stage) {
            self.next_forget_ms = now_ms.saturating_add(UNKNOWN_AGAIN_MS);
            stage.work_mut().forget_not_found();
        }
        if let Some(stage) = &self.stage {
            self.weighing.look(stage.work(), now_ms);
            // Said at once, not with the next second's figures.
            if *stage.phase() == Phase::Live && !self.shown_live {
                self.show();
            }
        }
        Ok(())
    }

    fn show(&mut self) {
        settle(&self.hands, &self.sources);
        self.hands.show();
        for source in &self.sources {
            self.hands.ties.health.waits().set_topic(&source.plan.name, source.topic());
        }
        let Some(stage) = &self.stage else { return };
        let tally = stage.work().tally();
        let mut tallies = intake_tallies(stage.work());
        let owned = self.sources.iter().flat_map(|source| source.owned.values());
        tallies.bytes.push(("waiting", owned.map(|owned| owned.waiting_bytes() as u64).sum()));
        tallies.findings.clone_from(self.weighing.found());
        self.follower.update(&tallies);
        self.muted.update(&LogTallies { muted: tally.muted, ..LogTallies::default() });
        let now = self.hands.now();
        for source in &mut self.sources {
            source.show(stage, &self.hands.ties, now);
        }
        self.shown_live = *stage.phase() == Phase::Live;
    }

    fn asked(&self) -> Asked<'_> {
        let rows_partitions = self.hands.plan.pairs_partitions;
        Asked {
            assignment: 0,
            rejected: self.tally().rejected(),
            windows: Vec::new(),
            rows: Vec::new(),
            rows_partitions,
        }
    }

    /// Sends what the stage has in hand, waits until it is on the log, and commits that.
    fn finish(&mut self) -> anyhow::Result<()> {
        self.tell(Fact::Drain)?;
        let Some(mut stage) = self.stage.take() else { return Ok(()) };
        self.hands.writer.flush()?;
        self.rejects.flush();
        self.hands.ties.tenure.check()?; // it may have slept while it waited for those
        self.committing = None;
        for source in &mut self.sources {
            for owned in source.owned.values_mut() {
                self.hands.ties.desk.remove(StageName::Intake, owned.number);
                owned.next = stage.next(owned.input);
                owned.highest = stage.work().highest(owned.input.0);
                owned.waits_since_ms = stage.work().waits_since_ms(owned.input.0);
            }
            source.reader.commit(&offsets(source, &stage), &self.note, true);
        }
        self.tally = std::mem::take(stage.work_mut().tally_mut());
        Ok(())
    }
}

/// Carries out what the intake stage wants; the first failure is kept, and nothing is carried out after it.
struct IntakeEffects<'h, T: Transport> {
    hands: &'h mut Hands<T>,
    rejects: &'h mut T::Rejects,
    /// The record at hand.
    record: Option<&'h Record<'h>>,
    failed: Option<anyhow::Error>,
}

impl<'h, T: Transport> IntakeEffects<'h, T> {
    fn new(hands: &'h mut Hands<T>, rejects: &'h mut T::Rejects, record: Option<&'h Record<'h>>) -> Self {
        Self { hands, rejects, record, failed: None }
    }

    fn end(self, handled: Result<(), crate::stage::StageError>) -> anyhow::Result<()> {
        handled?;
        self.failed.map_or(Ok(()), Err)
    }

    fn keep(&mut self, source: &SourcePartition, offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        let Some(record) = self.record else { return Err(unexpected("a record rejected that is not at hand")) };
        self.rejects.append(&Rejected { source, offset, reject, record })?;
        // For whoever looks into a reject; the topic has all of it.
        tracing::debug!(%source, offset = offset.0, reason = reject.reason.name(), "{}", reject.message);
        self.hands.ties.witness.reject(source, offset, reject)
    }
}

impl<T: Transport> Effects for IntakeEffects<'_, T> {
    fn append(&mut self, log: Log, partition: Partition, block: Vec<u8>) {
        if self.failed.is_none() {
            let appending = Appending { value: Some(&block), ..Appending::default() };
            self.failed = self.hands.append(log, partition, appending).err();
        }
    }

    fn publish(&mut self, _publication: &Publication<'_>) {
        self.failed.get_or_insert_with(|| unexpected("a list published"));
    }

    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: Reject) {
        if self.failed.is_none() {
            self.failed = self.keep(source, offset, &reject).err();
        }
    }
}
