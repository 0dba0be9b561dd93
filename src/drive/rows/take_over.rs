//! Taking a partition over: first what its logs hold is looked at, then it is claimed.
//!
//! Invariants: of what a worker is given at once, all is looked at before any of it is claimed; a claim cannot be taken back.
//! Absent: what follows from what is found (`recovery`).

use super::landed::Older;
use super::{Owned, RowsWorker};
use crate::drive::gaps::Gaps;
use crate::drive::plan::Plan;
use crate::drive::recovery::{Refusal, holds_from, start};
use crate::drive::scan::{Offsets, blocks_at, scan};
use crate::drive::snapshots::{Begun, Logs, Restored, Wanted, restore};
use crate::drive::tail::Tail;
use crate::drive::transport::{Appending, Bounds, Follower, Message, Topic, Transport, Writer};
use crate::drive::worker::Ties;
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition};
use crate::serve::view::ViewWriter;
use crate::snapshot::Head;
use crate::stage::{Fact, Inherited, Log, RowsInput, RowsWork, Stage, StageError};
use crate::watch::health::{PartitionState, StageName};
use crate::watch::metrics::DelayTally;
use crate::wire::{Anew, Kind, SectionEnd, claim, kind_of, section_ends};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// What a partition is when it is taken over.
struct Before {
    partition: Partition,
    source: SourcePartition,
    /// How far owners before this one have read it.
    checkpoint: Option<Checkpoint>,
    bounds: Bounds,
    /// What it began with.
    begun: Begun,
    /// Where each partition of the totals log is read from: what lies before is in the state.
    totals: Vec<NextOffset>,
    /// Up to where the state knows what is published, if it does.
    lists_known: Option<NextOffset>,
    /// The state to go on from.
    work: RowsWork,
}

impl Before {
    /// What owners before this one have told of how far they have read the log, where that is further than the state.
    fn told(&self) -> Option<Checkpoint> {
        // Who was still catching up has kept a state and told nothing: what was told before may lie before the state, and be trimmed.
        self.checkpoint.filter(|checkpoint| checkpoint.position.offset >= self.begun.next)
    }
}

/// Clients that are only asked where logs begin and end. Brokers answer a client one request after the other, and hold back the answer to one
/// that waits for more of a log: one that reads waits half a second for any other.
struct Enquiry<F> {
    pairs: F,
    totals: F,
    lists: F,
}

impl<F: Follower> Enquiry<F> {
    /// Where the partitions of the totals log begin and end.
    fn totals(&self, partitions: u32) -> anyhow::Result<Vec<Bounds>> {
        (0..partitions).map(|number| self.totals.bounds(Partition(number))).collect()
    }

    /// What states would need of pairs and of totals and is not there any more.
    fn lost(&self, partitions: u32, heads: &[(Partition, &Head)]) -> anyhow::Result<BTreeMap<Partition, Refusal>> {
        let (totals, mut lost) = (self.totals(partitions)?, BTreeMap::new());
        for &(partition, head) in heads {
            let pairs = holds_from(Log::Pairs, partition, self.pairs.bounds(partition)?, NextOffset(head.offset));
            let mut holds = totals.iter().zip(0..).map(|(&bounds, number)| {
                holds_from(Log::Totals, Partition(number), bounds, totals_from(Some(head), number))
            });
            let refusal = pairs.and_then(|()| holds.try_for_each(|holds| holds)).err();
            lost.extend(refusal.map(|refusal| (partition, refusal)));
        }
        Ok(lost)
    }
}

/// Up to where the state knows what is published, if it does.
fn lists_known(head: Option<&Head>) -> Option<NextOffset> {
    let found = head?.inputs.iter().find(|(name, ..)| name == Log::Lists.name());
    found.map(|&(_, _, offset)| NextOffset(offset))
}

fn totals_from(head: Option<&Head>, number: u32) -> NextOffset {
    let inputs = head.map(|head| head.inputs.as_slice()).unwrap_or_default();
    let found = inputs.iter().find(|(name, partition, _)| name == Log::Totals.name() && *partition == number);
    NextOffset(found.map_or(0, |&(_, _, offset)| offset))
}

impl<T: Transport> RowsWorker<T> {
    /// Takes partitions over. Returns where each reads pairs from.
    pub(super) fn take_all_over(&mut self, partitions: &[Partition]) -> anyhow::Result<Vec<(Partition, NextOffset)>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        tracing::info!(stage = "rows", partitions = partitions.len(), "taking over");
        for &partition in partitions {
            self.hands.ties.desk.set(StageName::Rows, partition, PartitionState::Restoring);
        }
        let follow = |log| self.hands.transport.follow(&Topic::Log(log));
        let enquiry = Enquiry { pairs: follow(Log::Pairs)?, totals: follow(Log::Totals)?, lists: follow(Log::Lists)? };
        let restored = self.restored(partitions, &enquiry)?;
        let all = self.look_at(partitions, restored, &enquiry)?;
        let claimed = all.into_iter().map(|before| Ok((self.claim(&before)?, before)));
        let claimed = claimed.collect::<anyhow::Result<Vec<_>>>()?;
        let totals = enquiry.totals(self.hands.plan.pairs_partitions)?;
        let starts = claimed.into_iter().map(|(epoch, before)| self.take_over(before, epoch, &totals, &enquiry));
        let starts = starts.collect::<anyhow::Result<Vec<_>>>()?;
        let seconds = began.elapsed().as_secs_f64();
        tracing::info!(stage = "rows", partitions = partitions.len(), seconds, "taken over");
        Ok(starts)
    }

    /// The pairs of `partitions`, and how far they have been read before: the log must be the one that was read.
    fn look_at(
        &self,
        partitions: &[Partition],
        restored: Vec<Option<Restored<RowsWork>>>,
        enquiry: &Enquiry<T::Follower>,
    ) -> anyhow::Result<Vec<Before>> {
        let plan = &self.hands.plan;
        let bounds = enquiry.totals(plan.pairs_partitions)?;
        let mut all = Vec::new();
        for (&partition, restored) in partitions.iter().zip(restored) {
            let begun = Begun::of(restored.as_ref());
            let head = restored.as_ref().map(|restored| &restored.head);
            let totals: Vec<NextOffset> = (0..plan.pairs_partitions).map(|number| totals_from(head, number)).collect();
            for ((number, &bounds), &from) in (0..).zip(&bounds).zip(&totals) {
                totals_hold(Partition(number), bounds, from)?;
            }
            let source = SourcePartition::new(Log::Pairs.name(), partition.0);
            let lists_known = lists_known(head);
            let work = restored.map_or_else(|| new_work(plan, partition), |restored| restored.work);
            let (checkpoint, bounds) = (None, NOTHING);
            all.push(Before { partition, source, checkpoint, bounds, begun, totals, lists_known, work });
        }
        self.read_before(&mut all)?;
        for before in &mut all {
            // Only now: whoever had it may still read, and say how far.
            before.bounds = enquiry.pairs.bounds(before.partition)?;
            holds_from(Log::Pairs, before.partition, before.bounds, before.begun.next)?;
        }
        let told = all.iter().filter_map(|before| Some((before.partition, before.told()?)));
        let found = self.blocks_at(&told.collect::<Vec<_>>())?;
        for before in &all {
            if let Some(told) = before.told() {
                start(&before.source, Log::Totals, told, before.bounds, found.get(&before.partition).copied())?;
            }
        }
        Ok(all)
    }

    /// Of each partition the newest state that was kept and may be used.
    fn restored(
        &self,
        partitions: &[Partition],
        enquiry: &Enquiry<T::Follower>,
    ) -> anyhow::Result<Vec<Option<Restored<RowsWork>>>> {
        let plan = &*self.hands.plan;
        let Some(snapshots) = &plan.snapshots else { return Ok(partitions.iter().map(|_| None).collect()) };
        let wanted = |partition| Ok(Wanted::of(plan, Log::Pairs, partition, enquiry.pairs.bounds(partition)?));
        let found_at = |checkpoints: &[_]| self.blocks_at(checkpoints);
        let lost = |heads: &[(Partition, &Head)]| enquiry.lost(plan.pairs_partitions, heads);
        let logs = Logs { wanted: &wanted, found_at: &found_at, lost: &lost };
        restore(snapshots, partitions, &self.hands.ties, &logs, &|partition| new_work(plan, partition))
    }

    /// Claims a partition. Returns the epoch.
    fn claim(&mut self, before: &Before) -> anyhow::Result<u64> {
        let (partition, epochs_from) = (before.partition, before.work.epochs_from());
        let mark = claim(rand::random(), partition, epochs_from);
        let appending = Appending { value: Some(&mark), ..Appending::default() };
        let claimed_at = self.hands.writer.append_at(Log::Totals, partition, appending)?;
        self.hands.ties.metrics.count_claim();
        Ok(epochs_from.saturating_add(claimed_at.0))
    }

    /// A stage for a partition that has been claimed. Returns where it reads pairs from.
    fn take_over(
        &mut self,
        before: Before,
        epoch: u64,
        totals_bounds: &[Bounds],
        enquiry: &Enquiry<T::Follower>,
    ) -> anyhow::Result<(Partition, NextOffset)> {
        let partitions = self.hands.plan.pairs_partitions;
        let Before { partition, source, checkpoint, bounds, begun, totals, lists_known, mut work } = before;
        let next = begun.next;
        // Again: looking at all of them takes its time, and lists stay silent up to where pairs end at the claim.
        let bounds = Bounds { high: bounds.high.max(enquiry.pairs.bounds(partition)?.high), ..bounds };
        let mut inputs = vec![(RowsInput::Pairs, next, bounds)];
        for ((number, next), &bounds) in (0..).zip(totals).zip(totals_bounds) {
            totals_hold(Partition(number), bounds, next)?;
            inputs.push((RowsInput::Totals(Partition(number)), next, bounds));
        }
        let lists = enquiry.lists.bounds(partition)?;
        // A lists log that ends before what the state knows of it was made anew: subscribers have been told nothing.
        let known = lists_known.filter(|&known| (lists.low..=lists.high).contains(&known));
        if known.is_none() {
            work.forget_published();
        }
        inputs.push((RowsInput::Lists, known.unwrap_or(lists.low), lists));
        let older = known.filter(|&until| until > lists.low).map(|until| Older {
            next: lists.low,
            until,
            _loading: self.hands.ties.view.load(),
        });
        let Ties { metrics, desk, .. } = &self.hands.ties;
        let (to, left) = (bounds.high, next.lag(bounds.high));
        tracing::info!(
            stage = "rows",
            partition = partition.0,
            epoch,
            from = next.0,
            to = to.0,
            records = left,
            "reading the pairs log"
        );
        desk.set(StageName::Rows, partition, PartitionState::CatchingUp { records_left: left, gaps: 0 });
        let (follower, lag) = (metrics.rows(partition), metrics.lag(StageName::Rows, &source));
        let view = ViewWriter::new(Arc::clone(&self.hands.ties.view));
        let stage = Stage::new(work, RowsInput::all(partitions));
        let (delay, tail) = (DelayTally::default(), Tail::new(epoch));
        let mut owned = Owned {
            stage,
            catching_up: Some(Instant::now()),
            newest_ms: None,
            delay,
            view,
            tail,
            older,
            follower,
            lag,
            gaps: Gaps::new(Log::Pairs, partition, metrics),
        };
        let known = checkpoint.map(|checkpoint| Inherited::Checkpoint {
            output: partition.index(),
            source: &source,
            checkpoint,
        });
        let opened =
            inputs.into_iter().map(|(input, next, bounds)| Fact::Opened { input, next, until: bounds.until() });
        let facts = std::iter::once(Fact::Claimed { epoch }).chain(known.map(Fact::Inherited)).chain(opened);
        for fact in facts {
            if !owned.tell(&mut self.hands, &mut self.buffers, fact)? {
                self.overtaken.push(partition); // somebody has claimed it already; the group will tell
                break;
            }
        }
        self.owned.insert(partition, owned);
        self.saver.meet(partition, &begun, left, self.hands.now());
        Ok((partition, next))
    }

    /// How far owners before this one say that they have read the pairs log, on their partitions of the totals log; and what stands first
    /// there, if that is read and it was made anew.
    fn read_before(&self, all: &mut [Before]) -> anyhow::Result<()> {
        let topic = Topic::Log(Log::Totals);
        let follower = self.hands.transport.follow(&topic)?;
        let from = all.iter().map(|before| (before.partition, before.totals[before.partition.index()]));
        let from: Offsets = from.collect();
        scan(&follower, &topic, &from, &self.hands.ties.vigil, &mut |partition, offset, message| {
            let Some(before) = all.iter_mut().find(|before| before.partition == partition) else { return Ok(()) };
            let damaged = |error| StageError::Wire { log: Log::Totals, partition, offset, error };
            let block = message.value().unwrap_or_default();
            let ends = section_ends(block).map_err(damaged)?;
            if kind_of(block).map_err(damaged)? == Kind::Anew {
                before.work.made_anew(Anew::decode(block).map_err(damaged)?);
            }
            let own = ends.into_iter().filter(|end| end.source == before.source);
            for SectionEnd { checkpoint, .. } in own.filter(|end| end.checkpoint.position > Position::default()) {
                before.checkpoint = Some(before.checkpoint.map_or(checkpoint, |known| known.max(checkpoint)));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The checksums of the blocks that checkpoints were made at, as the pairs log holds them now.
    fn blocks_at(&self, checkpoints: &[(Partition, Checkpoint)]) -> anyhow::Result<BTreeMap<Partition, u32>> {
        let follower = self.hands.transport.follow(&Topic::Log(Log::Pairs))?;
        blocks_at(&follower, Log::Pairs, checkpoints, &self.hands.ties.vigil)
    }
}

/// Nothing is known of a log yet.
const NOTHING: Bounds = Bounds { low: NextOffset(0), high: NextOffset(0), is_stream: false };

/// Work that knows nothing yet.
fn new_work(plan: &Plan, partition: Partition) -> RowsWork {
    let (setup, pairs) = (&plan.setup, plan.identities().pairs);
    let mut work = RowsWork::new(partition, plan.pairs_partitions, &setup.counting, pairs, &setup.rows);
    work.set_gap_wait(plan.gap_wait_ms);
    work
}

/// Whether a partition of the totals log is there from `from` on, and has been as far: it may have lost neither its start nor its end.
fn totals_hold(partition: Partition, bounds: Bounds, from: NextOffset) -> anyhow::Result<()> {
    holds_from(Log::Totals, partition, bounds, from)?;
    let read = Checkpoint::origin(Position::start_of(from));
    let input = SourcePartition::new(Log::Totals.name(), partition.0);
    let resumed = read.resume(bounds.low, bounds.high, None);
    resumed.map_err(|error| Refusal::Input { input, log: Log::Totals, error })?;
    Ok(())
}
