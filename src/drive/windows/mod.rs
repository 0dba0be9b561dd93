//! A windows worker: its partitions of the events log, a stage each, and what they append to the pairs log.

mod keeping;

use crate::drive::gaps::Gaps;
use crate::drive::plan::Plan;
use crate::drive::recovery::{holds_from, may_found, start};
use crate::drive::scan::{LogScan, are_whole, blocks_at};
use crate::drive::snapshots::{Begun, Keeping as _, Logs, Restored, Saver, Wanted, restore};
use crate::drive::transport::{Bounds, Change, Follower as _, Message, Next, Reader, Topic, Transport, Writer};
use crate::drive::worker::{Appends, Hands, Ties, Worker, age_ms};
use crate::position::{Checkpoint, NextOffset, Partition, SourcePartition};
use crate::serve::Asked;
use crate::snapshot::Head;
use crate::stage::{EventsInput, Fact, Log, Stage, WindowsWork};
use crate::watch::health::{PartitionState, StageName};
use crate::watch::metrics::{LagFollower, LogFollower, LogTallies, WindowsFollower};
use crate::watch::{state, windows_tallies};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Records taken between two looks at everything else.
const BATCH_RECORDS: usize = 32;

/// A partition of the events log that is this worker's.
struct Owned {
    stage: Stage<WindowsWork>,
    /// Since when it is catching up.
    catching_up: Option<Instant>,
    /// The newest record's timestamp.
    newest_ms: Option<i64>,
    follower: WindowsFollower,
    lag: LagFollower,
    muted: LogFollower,
    gaps: Gaps,
}

/// The worker.
pub struct WindowsWorker<T: Transport> {
    hands: Hands<T>,
    reader: T::Reader,
    pairs: LogScan,
    owned: BTreeMap<Partition, Owned>,
    saver: Saver,
}

impl<T: Transport> WindowsWorker<T> {
    /// Joins its group.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(hands: Hands<T>) -> anyhow::Result<Self> {
        let reader = hands.transport.join("windows", &Topic::Log(Log::Events))?;
        let pairs = LogScan::of(&hands.plan, Log::Pairs);
        let early_max = hands.plan.sizes.early;
        let saver = Saver::new(hands.plan.snapshots.clone(), Log::Events, Arc::clone(&hands.ties.metrics))
            .with_early_max(early_max);
        Ok(Self { hands, reader, pairs, owned: BTreeMap::new(), saver })
    }

    /// Its stages, in the order of their partitions.
    pub fn stages(&self) -> impl Iterator<Item = (Partition, &Stage<WindowsWork>)> {
        self.owned.iter().map(|(&partition, owned)| (partition, &owned.stage))
    }

    /// Its means.
    pub fn hands(&self) -> &Hands<T> {
        &self.hands
    }

    /// Brings its stages to rest.
    pub(super) fn rest(&mut self) -> anyhow::Result<()> {
        for owned in self.owned.values_mut() {
            let mut effects = Appends::new(&mut self.hands);
            let rested = owned.stage.handle(Fact::Rest, &mut effects);
            effects.end(rested)?;
        }
        Ok(())
    }

    fn apply_change(&mut self, change: Change) -> anyhow::Result<()> {
        match change {
            Change::Revoked(partitions) => {
                for partition in &partitions {
                    self.let_go(*partition)?;
                }
                self.hands.writer.flush()?; // a successor reads what stands there
                self.reader.release(&partitions)
            }
            Change::Lost(partitions) => {
                for &partition in &partitions {
                    self.forget(partition);
                }
                self.reader.release(&partitions)
            }
            Change::Assigned(partitions) => {
                let mut starts = Vec::new();
                if !partitions.is_empty() {
                    let began = Instant::now();
                    tracing::info!(stage = "windows", partitions = partitions.len(), "taking over");
                    let Hands { transport, writer, ties, plan, .. } = &mut self.hands;
                    self.pairs.refresh(transport, &ties.vigil)?;
                    let log_id = self.pairs.settle_id(transport, writer, &ties.vigil, || {
                        are_whole(transport, plan, &ties.vigil)?;
                        let mut totals = LogScan::of(plan, Log::Totals);
                        totals.refresh(transport, &ties.vigil)?;
                        Ok(may_found(Log::Pairs, &totals.facts)?)
                    })?;
                    for &partition in &partitions {
                        self.hands.ties.desk.set(StageName::Windows, partition, PartitionState::Restoring);
                    }
                    starts = self.take_all_over(&partitions, log_id)?;
                    let seconds = began.elapsed().as_secs_f64();
                    tracing::info!(stage = "windows", partitions = starts.len(), seconds, "taken over");
                }
                self.reader.assign(&starts)
            }
        }
    }

    /// Stages for `partitions`. Returns where each reads from.
    fn take_all_over(
        &mut self,
        partitions: &[Partition],
        log_id: u128,
    ) -> anyhow::Result<Vec<(Partition, NextOffset)>> {
        // A client that reads nothing is answered at once.
        let events = self.hands.transport.follow(&Topic::Log(Log::Events))?;
        let restored = self.restored(partitions, &events)?;
        // Only now: others may have gone on meanwhile.
        let bounds = partitions.iter().map(|&partition| Ok((partition, events.bounds(partition)?)));
        let bounds = bounds.collect::<anyhow::Result<Vec<_>>>()?;
        let written = bounds.iter().filter_map(|&(partition, _)| {
            let source = SourcePartition::new(Log::Events.name(), partition.0);
            Some((partition, self.pairs.facts.furthest(&source)?))
        });
        let found = self.blocks_at(&written.collect::<Vec<_>>())?;
        let all = bounds.into_iter().zip(restored).map(|((partition, bounds), restored)| {
            let next = self.take_over(partition, bounds, restored, found.get(&partition).copied(), log_id)?;
            Ok((partition, next))
        });
        all.collect()
    }

    /// A stage for `partition` that knows what its predecessors appended; `found` is the checksum of the record up to which they did. Returns
    /// where it reads from.
    fn take_over(
        &mut self,
        partition: Partition,
        bounds: Bounds,
        restored: Option<Restored<WindowsWork>>,
        found: Option<u32>,
        log_id: u128,
    ) -> anyhow::Result<NextOffset> {
        let source = SourcePartition::new(Log::Events.name(), partition.0);
        let begun = Begun::of(restored.as_ref());
        let work = restored.map_or_else(|| new_work(&self.hands.plan, partition), |restored| restored.work);
        let next = begun.next;
        holds_from(Log::Events, partition, bounds, next)?;
        if let Some(checkpoint) = self.pairs.facts.furthest(&source) {
            start(&source, Log::Pairs, checkpoint, bounds, found)?;
        }
        let mut stage = Stage::new(work, [EventsInput]);
        let mut effects = Appends::new(&mut self.hands);
        let told = self.pairs.facts.tell(
            log_id,
            |known| *known == source,
            |inherited| stage.handle(Fact::Inherited(inherited), &mut effects),
        );
        // What lies behind the snapshot is read again; what the log written holds of it is muted.
        let until = bounds.until();
        let opened = told.and_then(|()| stage.handle(Fact::Opened { input: EventsInput, next, until }, &mut effects));
        effects.end(opened)?;
        let Ties { metrics, desk, .. } = &self.hands.ties;
        let to = until.unwrap_or(next);
        let left = next.lag(to);
        tracing::info!(
            stage = "windows",
            partition = partition.0,
            from = next.0,
            to = to.0,
            records = left,
            "reading the events log"
        );
        desk.set(StageName::Windows, partition, PartitionState::CatchingUp { records_left: left, gaps: 0 });
        let owned = Owned {
            stage,
            catching_up: Some(Instant::now()),
            newest_ms: None,
            follower: metrics.windows(partition),
            lag: metrics.lag(StageName::Windows, &source),
            muted: metrics.log(Log::Pairs.name()),
            gaps: Gaps::new(Log::Events, partition, metrics),
        };
        self.owned.insert(partition, owned);
        self.saver.meet(partition, &begun, left, self.hands.now());
        Ok(next)
    }

    /// Of each partition the newest state that was kept and may be used. `events` is asked where the log begins and ends.
    fn restored(
        &self,
        partitions: &[Partition],
        events: &T::Follower,
    ) -> anyhow::Result<Vec<Option<Restored<WindowsWork>>>> {
        let plan = &*self.hands.plan;
        let Some(snapshots) = &plan.snapshots else { return Ok(partitions.iter().map(|_| None).collect()) };
        let wanted = |partition: Partition| {
            let behind = Some(self.pairs.facts.nearest(&SourcePartition::new(Log::Events.name(), partition.0)));
            Ok(Wanted { behind, ..Wanted::of(plan, Log::Events, partition, events.bounds(partition)?) })
        };
        let found_at = |checkpoints: &[_]| self.blocks_at(checkpoints);
        let lost = |heads: &[(Partition, &Head)]| {
            let mut lost = BTreeMap::new();
            for &(partition, head) in heads {
                let holds = holds_from(Log::Events, partition, events.bounds(partition)?, NextOffset(head.offset));
                lost.extend(holds.err().map(|refusal| (partition, refusal)));
            }
            Ok(lost)
        };
        let logs = Logs { wanted: &wanted, found_at: &found_at, lost: &lost };
        restore(snapshots, partitions, &self.hands.ties, &logs, &|partition| new_work(plan, partition))
    }

    /// The checksums of the blocks that checkpoints were made at, as the events log holds them now.
    fn blocks_at(&self, checkpoints: &[(Partition, Checkpoint)]) -> anyhow::Result<BTreeMap<Partition, u32>> {
        let follower = self.hands.transport.follow(&Topic::Log(Log::Events))?;
        blocks_at(&follower, Log::Events, checkpoints, &self.hands.ties.vigil)
    }

    /// Finishes what is in hand of `partition`.
    fn let_go(&mut self, partition: Partition) -> anyhow::Result<()> {
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) };
        let mut effects = Appends::new(&mut self.hands);
        let drained = owned.stage.handle(Fact::Drain, &mut effects);
        effects.end(drained)?;
        self.forget(partition);
        Ok(())
    }

    fn forget(&mut self, partition: Partition) {
        self.saver.forget(partition);
        if self.owned.remove(&partition).is_some() {
            self.hands.ties.desk.remove(StageName::Windows, partition);
            tracing::info!(stage = "windows", partition = partition.0, "let go");
        }
    }
}

/// Work that knows nothing yet.
pub(super) fn new_work(plan: &Plan, partition: Partition) -> WindowsWork {
    let (identities, setup) = (plan.identities(), &plan.setup);
    let mut work = WindowsWork::new(
        partition,
        plan.pairs_partitions,
        &setup.counting,
        identities.events,
        identities.pairs,
        setup.merge_bytes_max,
        setup.limits,
    );
    work.set_gap_wait(plan.gap_wait_ms);
    work
}

impl<T: Transport> WindowsWorker<T> {
    /// Tells the stages the events that are at hand; says whether there were none.
    fn read_events(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BATCH_RECORDS {
            let mut effects = Appends::new(&mut self.hands);
            let handled = match self.reader.poll()? {
                Next::Nothing => return Ok(true),
                Next::End(partition) => match self.owned.get_mut(&partition) {
                    Some(owned) => owned.stage.handle(Fact::Ended { input: EventsInput }, &mut effects),
                    None => Ok(()),
                },
                Next::Record(message) => {
                    let Some((partition, offset)) = message.place() else { continue };
                    let (Some(owned), Some(record)) = (self.owned.get_mut(&partition), message.value()) else {
                        continue; // revoked since it was fetched, or nothing
                    };
                    owned.newest_ms = message.timestamp_ms();
                    owned.stage.handle(Fact::Record { input: EventsInput, offset, record }, &mut effects)
                }
            };
            effects.end(handled)?;
        }
        Ok(false)
    }
}

impl<T: Transport> Worker for WindowsWorker<T> {
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
        while let Some(change) = self.reader.change() {
            self.apply_change(change)?;
            self.hands.settle(self.reader.is_settled(), self.owned.is_empty());
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<bool> {
        let is_idle = self.read_events()?;
        self.keep()?;
        Ok(is_idle && !self.saver.is_busy())
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        let now = self.hands.now();
        for (&partition, owned) in &mut self.owned {
            let Owned { stage, catching_up, .. } = owned;
            self.hands.ties.desk.note(StageName::Windows, partition, stage.phase(), catching_up);
            let mut effects = Appends::new(&mut self.hands);
            let told = owned.stage.handle(Fact::Clock(now), &mut effects);
            let sent = told.and_then(|()| owned.stage.handle(Fact::Send, &mut effects));
            effects.end(sent)?;
        }
        Ok(())
    }

    fn show(&mut self) {
        let mut offsets = Vec::new();
        let now = self.hands.now();
        for (&partition, owned) in &mut self.owned {
            let next = owned.stage.next(EventsInput);
            let left = self.reader.lag(partition, next, true);
            owned.follower.update(&windows_tallies(owned.stage.work()));
            owned.lag.update(left, age_ms(left, owned.newest_ms, now));
            let gaps = owned.stage.work().gaps().count();
            owned.gaps.tell(self.hands.plan.gap_wait_ms, owned.stage.work().gaps());
            self.saver.show(partition, next, now.monotonic_ms);
            owned.muted.update(&LogTallies { muted: owned.stage.work().appended().1, ..LogTallies::default() });
            self.hands.ties.desk.set(StageName::Windows, partition, state(owned.stage.phase(), left, gaps));
            offsets.push((partition, next));
        }
        self.reader.commit(&offsets, "", false);
        self.hands.settle(self.reader.is_settled(), self.owned.is_empty());
        self.hands.show();
    }

    fn asked(&self) -> Asked<'_> {
        let windows = self.owned.values().map(|owned| owned.stage.work()).collect();
        let rows_partitions = self.hands.plan.pairs_partitions;
        Asked { assignment: 0, rejected: 0, windows, rows: Vec::new(), rows_partitions }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.keep_all()?;
        for partition in self.owned.keys().copied().collect::<Vec<_>>() {
            self.let_go(partition)?;
        }
        self.hands.writer.flush()
    }
}
