//! An intake worker: its partitions of all sources, one intake stage over them, and what that appends to the events log.
//!
//! Whatever changes which partitions it owns is a restart of its intake: what is in hand is finished, the log is looked at, and
//! a new stage goes on from there. So a take-over, a rebalance and a crash are one path.
//!
//! A record that cannot be taken yet waits in its partition's queue: because its source is ahead of one that has a backlog
//! to catch up with, or because the registry does not give its schema. What waits is bounded; beyond that its partition is
//! paused, and nothing else waits for it.

mod source;

use self::source::{Held, Source, Waiting};
use super::reader::{Change, Next, Reader};
use super::rejects::{Rejected, Rejects};
use super::scan::{LogScan, place_of};
use super::schemas::{Schemas, Standing, UNKNOWN_AGAIN};
use super::worker::{Hands, SECOND, Worker, age_ms, unexpected};
use super::writer::Appending;
use crate::intake::{Learned, Record};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::serve::Asked;
use crate::stage::{Effect, Fact, IntakeInput, IntakeTally, IntakeWork, Log, Phase, Stage};
use crate::watch::health::{PartitionState, StageName};
use crate::watch::metrics::{IntakeFollower, LogFollower, LogTallies};
use crate::watch::{intake_tallies, now_ms, state};
use crate::wire::Opening;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Records taken of one source between two looks at everything else.
const BATCH_RECORDS: usize = 256;

/// Health numbers a worker's inputs from its own number times this.
const INPUTS_OF_A_WORKER: usize = 10_000;

/// What is to be committed once everything that was sent when it was noted has been acknowledged.
struct Committing {
    era: u64,
    offsets: Vec<Vec<(Partition, NextOffset)>>,
}

/// The worker.
pub(super) struct IntakeWorker {
    hands: Hands,
    sources: Vec<Source>,
    scan: LogScan,
    /// None while nothing is this worker's.
    stage: Option<Stage<IntakeWork>>,
    rejects: Rejects,
    schemas: Schemas,
    effects: Vec<Effect>,
    committing: Option<Committing>,
    /// What stands beside committed offsets: the log that they belong to.
    note: String,
    tally: IntakeTally,
    follower: IntakeFollower,
    muted: LogFollower,
    next_commit: Instant,
    /// When schemas that were not found are asked for again.
    next_forget: Instant,
}

impl IntakeWorker {
    pub(super) fn new(hands: Hands) -> anyhow::Result<Self> {
        let plan = &hands.plan;
        let mut sources = Vec::new();
        for source in &plan.sources {
            let (wake, group) = (hands.ties.wake.clone(), plan.group(&format!("intake.{}", source.name)));
            let reader = Reader::join(&plan.client, &group, &source.topic, move || wake.wake())?;
            sources.push(Source::new(source.clone(), reader));
        }
        let scan = LogScan::new(Log::Events, plan.topic(Log::Events), plan.events_partitions);
        let rejects = Rejects::new(&plan.client, &plan.rejects)?;
        let schemas = Schemas::new(plan.registry.clone());
        let (follower, muted) = (hands.ties.metrics.intake(), hands.ties.metrics.log(Log::Events.name()));
        let now = Instant::now();
        Ok(Self {
            sources,
            scan,
            stage: None,
            rejects,
            schemas,
            effects: Vec::new(),
            committing: None,
            note: String::new(),
            tally: IntakeTally::default(),
            follower,
            muted,
            next_commit: now,
            next_forget: now + UNKNOWN_AGAIN,
            hands,
        })
    }

    /// Takes what is at hand of a source; says whether that was nothing.
    fn read_source(&mut self, source: usize) -> anyhow::Result<bool> {
        let reader = Rc::clone(&self.sources[source].reader);
        for _ in 0..BATCH_RECORDS {
            match reader.poll(Duration::ZERO)? {
                Next::Nothing => return Ok(true),
                Next::End(partition) => self.ended(source, partition)?,
                Next::Record(message) => {
                    let Some((partition, offset)) = place_of(&message) else { continue };
                    let Some(held) = self.sources[source].held.get(&partition) else { continue };
                    let must_wait = !held.waiting.is_empty() || !self.may_take(source, partition);
                    let is_taken = !must_wait
                        && source::with_record(&message, |record| self.take(source, partition, offset, record))?;
                    if !is_taken {
                        let held = self.sources[source].held.get_mut(&partition);
                        if held.is_some_and(|held| held.put_by(Waiting::new(offset, &message))) {
                            reader.pause(&[partition])?;
                        }
                    }
                }
            }
        }
        Ok(false)
    }

    /// Takes what has waited and may be taken now; says whether that was nothing.
    fn take_waiting(&mut self, source: usize) -> anyhow::Result<bool> {
        let mut is_idle = true;
        let partitions: Vec<Partition> = self.sources[source].held.keys().copied().collect();
        for partition in partitions {
            for _ in 0..BATCH_RECORDS {
                let Some(held) = self.sources[source].held.get_mut(&partition) else { break };
                let Some(waiting) = held.next_waiting() else { break };
                if !self.may_take(source, partition) {
                    self.give_back(source, partition, waiting);
                    break;
                }
                let offset = waiting.offset;
                let is_taken =
                    source::with_record(&waiting.message, |record| self.take(source, partition, offset, record))?;
                if !is_taken {
                    self.give_back(source, partition, waiting);
                    break;
                }
                is_idle = false;
            }
            self.after_waiting(source, partition)?;
        }
        Ok(is_idle)
    }

    fn give_back(&mut self, source: usize, partition: Partition, waiting: Waiting) {
        if let Some(held) = self.sources[source].held.get_mut(&partition) {
            held.put_back(waiting);
        }
    }

    /// Fetches a partition again of which little waits, and notes its end where that was reached while something waited.
    fn after_waiting(&mut self, source: usize, partition: Partition) -> anyhow::Result<()> {
        let Source { held, reader, .. } = &mut self.sources[source];
        let Some(held) = held.get_mut(&partition) else { return Ok(()) };
        if held.may_resume() {
            reader.resume(&[partition])?;
        }
        if held.waiting.is_empty() && std::mem::take(&mut held.ends_behind_waiting) {
            let input = held.input;
            self.tell(Fact::Ended { input })?;
        }
        Ok(())
    }

    fn ended(&mut self, source: usize, partition: Partition) -> anyhow::Result<()> {
        let Some(held) = self.sources[source].held.get_mut(&partition) else { return Ok(()) };
        held.has_ended = true;
        if held.waiting.is_empty() {
            let input = held.input;
            return self.tell(Fact::Ended { input });
        }
        held.ends_behind_waiting = true;
        Ok(())
    }

    /// Whether a record of this partition may be taken: its schema is not being waited for, and it is not far ahead of a
    /// source that has a backlog to catch up with.
    fn may_take(&self, source: usize, partition: Partition) -> bool {
        let (Some(held), Some(stage)) = (self.sources[source].held.get(&partition), &self.stage) else { return false };
        if held.retry_at.is_some_and(|retry_at| Instant::now() < retry_at) {
            return false;
        }
        let (work, own) = (stage.work(), held.input);
        let Some(highest) = work.highest(own) else { return true };
        let align_ms = self.hands.plan.align_ms;
        let others = self.sources.iter().flat_map(|source| source.held.values()).filter(|other| other.input != own);
        others.filter(|other| work.is_behind(other.input) && other.retry_at.is_none()).all(|other| {
            work.highest(other.input).is_none_or(|slowest| highest.0 <= slowest.0.saturating_add(align_ms))
        })
    }

    /// Gives a record to the stage; false when it must wait for its schema.
    fn take(
        &mut self,
        source: usize,
        partition: Partition,
        offset: NextOffset,
        record: &Record<'_>,
    ) -> anyhow::Result<bool> {
        let Self { sources, stage: Some(stage), .. } = self else { return Ok(false) };
        let Some(held) = sources[source].held.get_mut(&partition) else { return Ok(true) };
        let input = held.input;
        while let Some(id) = stage.work().missing_schema(input, record) {
            self.hands.ties.heartbeat.beat();
            match self.schemas.ask(id, &sources[source].of_run.name) {
                Standing::Known(text) => stage.work_mut().learn(input, id, Learned::Schema(&text)),
                Standing::Unusable(why) => stage.work_mut().learn(input, id, Learned::Unusable(&why)),
                Standing::Unknown => stage.work_mut().learn(input, id, Learned::NotFound),
                Standing::Ask(retry_at) => {
                    let held = sources[source].held.get_mut(&partition);
                    held.into_iter().for_each(|held| held.retry_at = Some(retry_at));
                    return Ok(false);
                }
            }
        }
        if let Some(held) = sources[source].held.get_mut(&partition) {
            held.retry_at = None;
            held.newest_ms = record.timestamp_ms;
        }
        stage.handle(Fact::Record { input, offset, record: *record }, &mut self.effects)?;
        self.carry_out(Some(record))?;
        Ok(true)
    }

    fn tell(&mut self, fact: Fact<'_, Record<'_>>) -> anyhow::Result<()> {
        let Some(stage) = &mut self.stage else { return Ok(()) };
        stage.handle(fact, &mut self.effects)?;
        self.carry_out(None)
    }

    fn carry_out(&mut self, record: Option<&Record<'_>>) -> anyhow::Result<()> {
        for effect in self.effects.drain(..) {
            match (effect, record) {
                (Effect::Append { log, partition, block }, _) => {
                    self.hands.append(log, partition, Appending { value: Some(&block), ..Appending::default() })?;
                }
                (Effect::Reject { source, offset, reject }, Some(record)) => {
                    let rejected = Rejected { source: &source, offset, reject: &reject, record };
                    let heartbeat = &self.hands.ties.heartbeat;
                    self.rejects.append(&rejected, &mut || heartbeat.beat())?;
                    source::note(&source, offset, &reject);
                }
                (other, _) => return Err(unexpected("intake", &other)),
            }
        }
        Ok(())
    }

    fn let_go(&mut self, source: usize, partition: Partition) -> anyhow::Result<()> {
        let Some(held) = self.sources[source].held.remove(&partition) else { return Ok(()) };
        if held.is_paused() {
            self.sources[source].reader.resume(&[partition])?;
        }
        self.hands.ties.health.remove(StageName::Intake, held.number);
        tracing::info!(
            stage = "intake",
            source = &*self.sources[source].of_run.name,
            partition = partition.0,
            "let go"
        );
        Ok(())
    }

    /// A new stage over what is held and what is `new`. Returns where the new ones are read from.
    fn start(&mut self, new: &BTreeSet<(usize, Partition)>) -> anyhow::Result<Vec<(usize, Partition, NextOffset)>> {
        for &(source, partition) in new {
            let held = Held::new(&self.hands.ties.metrics, &self.sources[source].of_run.name, partition);
            self.sources[source].held.insert(partition, held);
        }
        let inputs = self.number_inputs();
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let Hands { scanner, writer, ties, plan, .. } = &mut self.hands;
        let mut beat = || ties.heartbeat.beat();
        self.scan.refresh(scanner, &mut beat)?;
        let log_id = self.scan.settle_id(scanner, writer, &mut beat)?;
        let (identity, _) = plan.setup.identities(plan.events_partitions, plan.pairs_partitions);
        self.note = format!("samenloop events log {log_id:032x}");
        let mut named = Vec::new();
        for source in &self.sources {
            named.extend(source.partitions()?);
        }
        let origins = source::origins(&self.sources, &named, &self.scan, &self.note)?;
        if !origins.is_empty() && self.scan.is_written_under(identity) {
            let opening = Opening { log_id, input_log_id: 0, store_id: 0, identity, origins };
            self.scan.settle_origins(&opening, scanner, writer, &mut beat)?;
        }
        let count = inputs.len();
        let (intake, history_ms, limits) = (plan.setup.intake.clone(), plan.setup.history_ms, plan.setup.limits);
        let work = IntakeWork::new(intake, inputs, plan.events_partitions, identity, history_ms, limits)
            .naming(named)
            .counting_on(std::mem::take(&mut self.tally));
        let mut stage = Stage::new(work, count);
        self.scan.tell(&mut stage, log_id, |_| true)?;
        stage.handle(Fact::Clock { now_ms: now_ms() }, &mut self.effects)?;
        let starts = self.open(&mut stage, new)?;
        self.stage = Some(stage);
        self.carry_out(None)?;
        self.hands.flush()?; // the opening marks
        Ok(starts)
    }

    /// Gives every partition held its number among the inputs.
    fn number_inputs(&mut self) -> Vec<IntakeInput> {
        let base = self.hands.ties.number * INPUTS_OF_A_WORKER;
        let mut inputs = Vec::new();
        for source in &mut self.sources {
            for (&partition, held) in &mut source.held {
                held.input = inputs.len();
                held.number = Partition(u32::try_from(base + inputs.len()).unwrap_or(u32::MAX));
                let place = SourcePartition { source: source.of_run.name.clone(), partition };
                inputs.push(IntakeInput { source: place, mapping: source.of_run.mapping.clone() });
            }
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
            for &partition in source.held.keys().copied().collect::<Vec<_>>().iter() {
                if new.contains(&(number, partition)) {
                    let (next, until) = source.bounds(stage.work(), partition)?;
                    starts.push((number, partition, next));
                    source.placed(partition, next, until);
                }
                let Some(held) = source.held.get(&partition) else { continue };
                let (input, next, until) = (held.input, held.next, Some(held.until));
                stage.work_mut().resume_from(input, held.highest);
                stage.handle(Fact::Opened { input, next, until }, &mut self.effects)?;
            }
        }
        // Only now: an end makes the stage tell how far all inputs are, which must not stand before its opening marks.
        for held in self.sources.iter().flat_map(|source| source.held.values()).filter(|held| held.has_ended) {
            stage.handle(Fact::Ended { input: held.input }, &mut self.effects)?;
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
                source.reader.commit(offsets, &self.note);
            }
        }
        if self.committing.is_none() && Instant::now() >= self.next_commit {
            self.next_commit = Instant::now() + SECOND;
            let offsets = self.sources.iter().map(|source| source.offsets(stage)).collect();
            self.committing = Some(Committing { era: self.hands.writer.end_era(), offsets });
        }
    }
}

impl Worker for IntakeWorker {
    fn hands(&mut self) -> &mut Hands {
        &mut self.hands
    }

    fn change(&mut self) -> anyhow::Result<()> {
        let mut changes = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            while let Some(change) = source.reader.change() {
                changes.push((number, change));
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.finish()?;
        let mut new = BTreeSet::new();
        for (number, change) in &changes {
            match change {
                Change::Assigned(partitions) => new.extend(partitions.iter().map(|&partition| (*number, partition))),
                Change::Revoked(partitions) => {
                    for &partition in partitions {
                        self.let_go(*number, partition)?;
                    }
                    self.sources[*number].reader.release(partitions)?;
                }
            }
        }
        let starts = self.start(&new)?;
        for (number, change) in &changes {
            if matches!(change, Change::Assigned(_)) {
                let own = starts.iter().filter(|(source, ..)| source == number);
                let own: Vec<_> = own.map(|&(_, partition, next)| (partition, next)).collect();
                self.sources[*number].reader.assign(&own)?;
            }
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<bool> {
        self.tell(Fact::Clock { now_ms: now_ms() })?;
        let mut is_idle = true;
        for source in 0..self.sources.len() {
            is_idle &= self.read_source(source)?;
            is_idle &= self.take_waiting(source)?;
        }
        let heartbeat = &self.hands.ties.heartbeat;
        self.rejects.flush(&mut || heartbeat.beat()); // before a mark says that their records have been dealt with
        Ok(is_idle)
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        self.tell(Fact::Send)?;
        self.commit();
        if let (true, Some(stage)) = (Instant::now() >= self.next_forget, &mut self.stage) {
            self.next_forget = Instant::now() + UNKNOWN_AGAIN;
            stage.work_mut().forget_not_found();
        }
        Ok(())
    }

    fn show(&mut self) {
        let is_settled = self.sources.iter().all(|source| source.reader.is_settled());
        self.hands.settle(is_settled, self.sources.iter().all(|source| source.held.is_empty()));
        self.hands.show();
        let Some(stage) = &self.stage else { return };
        let tally = stage.work().tally();
        let mut tallies = intake_tallies(stage.work());
        let held = self.sources.iter().flat_map(|source| source.held.values());
        tallies.bytes.push(("waiting", held.map(|held| held.waiting_bytes() as u64).sum()));
        self.follower.update(&tallies);
        self.muted.update(&LogTallies { muted: tally.muted, ..LogTallies::default() });
        for source in &mut self.sources {
            for (&partition, held) in &mut source.held {
                let left = source.reader.left(partition, stage.next(held.input), held.waiting.is_empty());
                held.lag.update(left, age_ms(left, held.oldest_ms()));
                let standing = match (stage.phase(), stage.work().is_behind(held.input)) {
                    (Phase::CatchingUp, false) => PartitionState::Live,
                    (phase, _) => state(phase, left),
                };
                self.hands.ties.health.set(StageName::Intake, held.number, standing);
            }
        }
    }

    fn asked(&self) -> Asked<'_> {
        let rejected = self.stage.as_ref().map_or(&self.tally, |stage| stage.work().tally()).rejected();
        let rows_partitions = self.hands.plan.pairs_partitions;
        Asked { assignment: 0, rejected, windows: Vec::new(), rows: Vec::new(), rows_partitions }
    }

    /// Sends what the stage has in hand, waits until it is on the log, and commits that.
    fn finish(&mut self) -> anyhow::Result<()> {
        self.tell(Fact::Drain)?;
        let Some(mut stage) = self.stage.take() else { return Ok(()) };
        let heartbeat = &self.hands.ties.heartbeat;
        self.hands.writer.flush(&mut || heartbeat.beat())?;
        self.rejects.flush(&mut || heartbeat.beat());
        self.committing = None;
        for source in &mut self.sources {
            for held in source.held.values_mut() {
                self.hands.ties.health.remove(StageName::Intake, held.number);
                held.next = stage.next(held.input);
                held.highest = stage.work().highest(held.input);
            }
            source.reader.commit_now(&source.offsets(&stage), &self.note);
        }
        self.tally = std::mem::take(stage.work_mut().tally_mut());
        Ok(())
    }
}
