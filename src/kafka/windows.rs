//! A windows worker: its partitions of the events log, a stage each, and what they append to the pairs log.

use super::reader::{Change, Next, Reader};
use super::scan::{LogScan, place_of};
use super::worker::{Hands, Ties, Worker, age_ms, unexpected};
use super::writer::Appending;
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::serve::Asked;
use crate::stage::{Effect, Fact, Log, Stage, WindowsWork};
use crate::watch::health::{PartitionState, StageName};
use crate::watch::metrics::{LagFollower, LogFollower, LogTallies, WindowsFollower};
use crate::watch::{now_ms, state, windows_tallies};
use rdkafka::message::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// Records taken between two looks at everything else.
const BATCH_RECORDS: usize = 32;

/// A partition of the events log that is this worker's.
struct Held {
    stage: Stage<WindowsWork>,
    /// The newest record's timestamp.
    newest_ms: Option<i64>,
    follower: WindowsFollower,
    lag: LagFollower,
    muted: LogFollower,
}

/// The worker.
pub(super) struct WindowsWorker {
    hands: Hands,
    reader: Reader,
    scan: LogScan,
    held: BTreeMap<Partition, Held>,
    effects: Vec<Effect>,
}

impl WindowsWorker {
    pub(super) fn new(hands: Hands) -> anyhow::Result<Self> {
        let plan = &hands.plan;
        let wake = hands.ties.wake.clone();
        let reader = Reader::join(&plan.client, &plan.group("windows"), plan.topic(Log::Events), move || wake.wake())?;
        let scan = LogScan::new(Log::Pairs, plan.topic(Log::Pairs), plan.pairs_partitions);
        Ok(Self { hands, reader, scan, held: BTreeMap::new(), effects: Vec::new() })
    }

    fn take_up(&mut self, change: Change) -> anyhow::Result<()> {
        match change {
            Change::Revoked(partitions) => {
                for partition in &partitions {
                    self.let_go(*partition)?;
                }
                self.hands.flush()?;
                self.reader.release(&partitions)?;
            }
            Change::Assigned(partitions) => {
                let mut starts = Vec::new();
                if !partitions.is_empty() {
                    let Hands { scanner, writer, ties, .. } = &mut self.hands;
                    let mut beat = || ties.heartbeat.beat();
                    self.scan.refresh(scanner, &mut beat)?;
                    let log_id = self.scan.settle_id(scanner, writer, &mut beat)?;
                    for &partition in &partitions {
                        starts.push((partition, self.take_over(partition, log_id)?));
                    }
                }
                self.reader.assign(&starts)?;
            }
        }
        Ok(())
    }

    /// A stage for `partition` that knows what its predecessors appended. Returns where it reads from.
    fn take_over(&mut self, partition: Partition, log_id: u128) -> anyhow::Result<NextOffset> {
        let plan = &self.hands.plan;
        let (events_identity, pairs_identity) = plan.setup.identities(plan.events_partitions, plan.pairs_partitions);
        let (counting, merge_bytes_max) = (&plan.setup.counting, plan.setup.merge_bytes_max);
        let outputs = self.scan.partitions();
        let limits = plan.setup.limits;
        let work =
            WindowsWork::new(partition, outputs, counting, events_identity, pairs_identity, merge_bytes_max, limits);
        let mut stage = Stage::new(work, 1);
        let source = SourcePartition { source: Log::Events.name().into(), partition };
        self.scan.tell(&mut stage, log_id, |known| *known == source)?;
        let (next, until) = self.reader.bounds(partition)?;
        stage.handle(Fact::Opened { input: 0, next, until: Some(until) }, &mut self.effects)?;
        carry_out(&mut self.hands, &mut self.effects)?;
        let Ties { metrics, health, .. } = &self.hands.ties;
        tracing::info!(
            stage = "windows",
            partition = partition.0,
            from = next.0,
            to = until.0,
            "reading the events log"
        );
        let records_left = until.0.saturating_sub(next.0);
        health.set(StageName::Windows, partition, PartitionState::CatchingUp { records_left });
        let held = Held {
            stage,
            newest_ms: None,
            follower: metrics.windows(partition),
            lag: metrics.lag(StageName::Windows, &source),
            muted: metrics.log(Log::Pairs.name()),
        };
        self.held.insert(partition, held);
        Ok(next)
    }

    /// Finishes what is in hand of `partition`.
    fn let_go(&mut self, partition: Partition) -> anyhow::Result<()> {
        let Some(mut held) = self.held.remove(&partition) else { return Ok(()) };
        held.stage.handle(Fact::Drain, &mut self.effects)?;
        carry_out(&mut self.hands, &mut self.effects)?;
        self.hands.ties.health.remove(StageName::Windows, partition);
        tracing::info!(stage = "windows", partition = partition.0, "let go");
        Ok(())
    }
}

impl Worker for WindowsWorker {
    fn hands(&mut self) -> &mut Hands {
        &mut self.hands
    }

    fn change(&mut self) -> anyhow::Result<()> {
        while let Some(change) = self.reader.change() {
            self.take_up(change)?;
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BATCH_RECORDS {
            match self.reader.poll(Duration::ZERO)? {
                Next::Nothing => return Ok(true),
                Next::End(partition) => {
                    if let Some(held) = self.held.get_mut(&partition) {
                        held.stage.handle(Fact::Ended { input: 0 }, &mut self.effects)?;
                    }
                }
                Next::Record(message) => {
                    let Some((partition, offset)) = place_of(&message) else { continue };
                    let (Some(held), Some(record)) = (self.held.get_mut(&partition), message.payload()) else {
                        continue; // revoked since it was fetched, or nothing
                    };
                    held.newest_ms = message.timestamp().to_millis();
                    held.stage.handle(Fact::Record { input: 0, offset, record }, &mut self.effects)?;
                }
            }
            carry_out(&mut self.hands, &mut self.effects)?;
        }
        Ok(false)
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        let now_ms = now_ms();
        for held in self.held.values_mut() {
            held.stage.handle(Fact::Clock { now_ms }, &mut self.effects)?;
            held.stage.handle(Fact::Send, &mut self.effects)?;
            carry_out(&mut self.hands, &mut self.effects)?;
        }
        Ok(())
    }

    fn show(&mut self) {
        let mut offsets = Vec::new();
        for (&partition, held) in &mut self.held {
            let left = self.reader.left(partition, held.stage.next(0), true);
            held.follower.update(&windows_tallies(held.stage.work()));
            held.lag.update(left, age_ms(left, held.newest_ms));
            held.muted.update(&LogTallies { muted: held.stage.work().appended().1, ..LogTallies::default() });
            self.hands.ties.health.set(StageName::Windows, partition, state(held.stage.phase(), left));
            offsets.push((partition, held.stage.next(0)));
        }
        self.reader.commit(&offsets, "");
        self.hands.settle(self.reader.is_settled(), self.held.is_empty());
        self.hands.show();
    }

    fn asked(&self) -> Asked<'_> {
        let windows = self.held.values().map(|held| held.stage.work()).collect();
        Asked {
            assignment: 0,
            rejected: 0,
            windows,
            rows: Vec::new(),
            rows_partitions: self.hands.plan.pairs_partitions,
        }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        for partition in self.held.keys().copied().collect::<Vec<_>>() {
            self.let_go(partition)?;
        }
        Ok(self.hands.flush()?)
    }
}

fn carry_out(hands: &mut Hands, effects: &mut Vec<Effect>) -> anyhow::Result<()> {
    for effect in effects.drain(..) {
        match effect {
            Effect::Append { log, partition, block } => {
                hands.append(log, partition, Appending { value: Some(&block), ..Appending::default() })?;
            }
            other => return Err(unexpected("windows", &other)),
        }
    }
    Ok(())
}
