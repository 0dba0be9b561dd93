//! A windows worker: its partitions of the events log, a stage each, and what they append to the pairs log.

mod keeping;

use crate::drive::recovery::{Refusal, holds_from, may_found, start};
use crate::drive::scan::{LogScan, are_whole, block_at};
use crate::drive::snapshots::{Begun, Keeping as _, Restored, Saver, Wanted, restore};
use crate::drive::transport::{Bounds, Change, Message, Next, Reader, Topic, Transport, Writer};
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

/// Records taken between two looks at everything else.
const BATCH_RECORDS: usize = 32;

/// A partition of the events log that is this worker's.
struct Owned {
    stage: Stage<WindowsWork>,
    /// The newest record's timestamp.
    newest_ms: Option<i64>,
    follower: WindowsFollower,
    lag: LagFollower,
    muted: LogFollower,
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
        let saver = Saver::new(hands.plan.snapshots.clone(), Log::Events, Arc::clone(&hands.ties.metrics));
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
                    let Hands { transport, writer, ties, plan, .. } = &mut self.hands;
                    self.pairs.refresh(transport, &ties.vigil)?;
                    let log_id = self.pairs.settle_id(transport, writer, &ties.vigil, || {
                        are_whole(transport, Log::Events, plan.events_partitions)?;
                        let mut totals = LogScan::of(plan, Log::Totals);
                        totals.refresh(transport, &ties.vigil)?;
                        Ok(may_found(Log::Pairs, &totals.facts)?)
                    })?;
                    for &partition in &partitions {
                        self.hands.ties.desk.set(StageName::Windows, partition, PartitionState::Restoring);
                    }
                    for &partition in &partitions {
                        starts.push((partition, self.take_over(partition, log_id)?));
                    }
                }
                self.reader.assign(&starts)
            }
        }
    }

    /// A stage for `partition` that knows what its predecessors appended. Returns where it reads from.
    fn take_over(&mut self, partition: Partition, log_id: u128) -> anyhow::Result<NextOffset> {
        let source = SourcePartition::new(Log::Events.name(), partition.0);
        let bounds = self.reader.bounds(partition)?;
        let restored = self.restored(partition, bounds, &source)?;
        let begun = Begun::of(restored.as_ref());
        let (work, next) = (restored.map_or_else(|| self.work(partition), |restored| restored.work), begun.next);
        holds_from(Log::Events, partition, bounds, next)?;
        if let Some(checkpoint) = self.pairs.facts.furthest(&source) {
            start(&source, Log::Pairs, checkpoint, bounds, self.found_at(partition, checkpoint)?)?;
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
        desk.set(StageName::Windows, partition, PartitionState::CatchingUp { records_left: left });
        let owned = Owned {
            stage,
            newest_ms: None,
            follower: metrics.windows(partition),
            lag: metrics.lag(StageName::Windows, &source),
            muted: metrics.log(Log::Pairs.name()),
        };
        self.owned.insert(partition, owned);
        self.saver.meet(partition, &begun, left, self.hands.now());
        Ok(next)
    }

    /// The newest state of `partition` that was kept and may be used.
    fn restored(
        &self,
        partition: Partition,
        bounds: Bounds,
        source: &SourcePartition,
    ) -> anyhow::Result<Option<Restored<WindowsWork>>> {
        let plan = &self.hands.plan;
        let Some(snapshots) = &plan.snapshots else { return Ok(None) };
        let behind = Some(self.pairs.facts.nearest(source));
        let wanted = Wanted { behind, ..Wanted::of(plan, Log::Events, partition, bounds) };
        let found_at = |checkpoint| self.found_at(partition, checkpoint);
        let lost = |head: &Head| -> anyhow::Result<Option<Refusal>> {
            Ok(holds_from(Log::Events, partition, self.reader.bounds(partition)?, NextOffset(head.offset)).err())
        };
        restore(snapshots, &wanted, &self.hands.ties, (&found_at, &lost), || self.work(partition))
    }

    /// Work that knows nothing yet.
    fn work(&self, partition: Partition) -> WindowsWork {
        let plan = &self.hands.plan;
        let (identities, setup) = (plan.identities(), &plan.setup);
        WindowsWork::new(
            partition,
            plan.pairs_partitions,
            &setup.counting,
            identities.events,
            identities.pairs,
            setup.merge_bytes_max,
            setup.limits,
        )
    }

    /// The checksum of the block that a checkpoint was made at, as the log holds it now.
    fn found_at(&self, partition: Partition, checkpoint: Checkpoint) -> anyhow::Result<Option<u32>> {
        let follower = self.hands.transport.follow(&Topic::Log(Log::Events))?;
        block_at(&follower, Log::Events, partition, checkpoint, &self.hands.ties.vigil)
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

    fn change(&mut self) -> anyhow::Result<()> {
        while let Some(change) = self.reader.change() {
            self.apply_change(change)?;
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
        for owned in self.owned.values_mut() {
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
            self.saver.show(partition, next, now.monotonic_ms);
            owned.muted.update(&LogTallies { muted: owned.stage.work().appended().1, ..LogTallies::default() });
            self.hands.ties.desk.set(StageName::Windows, partition, state(owned.stage.phase(), left));
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
