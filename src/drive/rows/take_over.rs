//! Taking a partition over: first what its logs hold is looked at, then it is claimed.
//!
//! Invariants: of what a worker is given at once, all is looked at before any of it is claimed; a claim cannot be taken back.
//! Absent: what follows from what is found (`recovery`).

use super::landed::Older;
use super::{Owned, RowsWorker};
use crate::drive::recovery::{Refusal, holds_from, start};
use crate::drive::scan::{block_at, scan};
use crate::drive::snapshots::{Begun, Restored, Wanted, restore};
use crate::drive::tail::Tail;
use crate::drive::transport::{Appending, Bounds, Follower, Message, Reader, Topic, Transport, Writer};
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

/// What a partition is when it is taken over.
struct Before {
    partition: Partition,
    source: SourcePartition,
    /// How far owners before this one have read it.
    checkpoint: Option<Checkpoint>,
    bounds: Bounds,
    /// What stands first on its partition of the totals log, if that was made anew and the state does not know it.
    anew: Option<Anew>,
    /// The state to go on from.
    restored: Option<Restored<RowsWork>>,
}

impl Before {
    /// Where each partition of the totals log is read from: what lies before is in the state.
    fn totals_from(&self, number: u32) -> NextOffset {
        totals_from(self.restored.as_ref().map(|restored| &restored.head), number)
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
        for &partition in partitions {
            self.hands.ties.desk.set(StageName::Rows, partition, PartitionState::Restoring);
        }
        let all: anyhow::Result<Vec<Before>> = partitions.iter().map(|&partition| self.look_at(partition)).collect();
        all?.into_iter().map(|before| self.take_over(before)).collect()
    }

    /// The pairs of `partition`, and how far they have been read before: the log must be the one that was read.
    fn look_at(&self, partition: Partition) -> anyhow::Result<Before> {
        let source = SourcePartition::new(Log::Pairs.name(), partition.0);
        let restored = self.restored(partition)?;
        let head = restored.as_ref().map(|restored| &restored.head);
        for number in 0..self.hands.plan.pairs_partitions {
            totals_hold(Partition(number), self.totals.bounds(Partition(number))?, totals_from(head, number))?;
        }
        let (checkpoint, anew) = self.read_before(partition, &source, totals_from(head, partition.0))?;
        // Only now: whoever had it may still read, and say how far.
        let bounds = self.reader.bounds(partition)?;
        let next = NextOffset(head.map_or(0, |head| head.offset));
        holds_from(Log::Pairs, partition, bounds, next)?;
        // Who was still catching up has kept a state and told nothing: what was told before may lie before the state, and be trimmed.
        if let Some(checkpoint) = checkpoint.filter(|checkpoint| checkpoint.position.offset >= next) {
            start(&source, Log::Totals, checkpoint, bounds, self.found_at(partition, checkpoint)?)?;
        }
        Ok(Before { partition, source, checkpoint, bounds, anew, restored })
    }

    /// The newest state of `partition` that was kept and may be used.
    fn restored(&self, partition: Partition) -> anyhow::Result<Option<Restored<RowsWork>>> {
        let plan = &self.hands.plan;
        let Some(snapshots) = &plan.snapshots else { return Ok(None) };
        let wanted = Wanted::of(plan, Log::Pairs, partition, self.reader.bounds(partition)?);
        let found_at = |checkpoint| self.found_at(partition, checkpoint);
        let lost = |head: &Head| self.lost(partition, head);
        restore(snapshots, &wanted, &self.hands.ties, (&found_at, &lost), || self.work(partition))
    }

    /// What a state of `partition` would need of pairs and totals and is not there any more.
    fn lost(&self, partition: Partition, head: &Head) -> anyhow::Result<Option<Refusal>> {
        let bounds = self.reader.bounds(partition)?;
        if let Err(refusal) = holds_from(Log::Pairs, partition, bounds, NextOffset(head.offset)) {
            return Ok(Some(refusal));
        }
        for number in 0..self.hands.plan.pairs_partitions {
            let bounds = self.totals.bounds(Partition(number))?;
            if let Err(refusal) = holds_from(Log::Totals, Partition(number), bounds, totals_from(Some(head), number)) {
                return Ok(Some(refusal));
            }
        }
        Ok(None)
    }

    /// Work that knows nothing yet.
    fn work(&self, partition: Partition) -> RowsWork {
        let plan = &self.hands.plan;
        let identity = plan.identities().pairs;
        RowsWork::new(partition, plan.pairs_partitions, &plan.setup.counting, identity, &plan.setup.rows)
    }

    /// A stage for `partition`, claimed. Returns where it reads pairs from.
    fn take_over(&mut self, before: Before) -> anyhow::Result<(Partition, NextOffset)> {
        let (partitions, nonce) = (self.hands.plan.pairs_partitions, rand::random());
        let totals: Vec<NextOffset> = (0..partitions).map(|number| before.totals_from(number)).collect();
        let Before { partition, source, checkpoint, bounds, anew, restored } = before;
        let begun = Begun::of(restored.as_ref());
        let known = lists_known(restored.as_ref().map(|restored| &restored.head));
        let mut work = restored.map_or_else(|| self.work(partition), |restored| restored.work);
        let next = begun.next;
        if let Some(anew) = anew {
            work.made_anew(anew);
        }
        let mark = claim(nonce, partition, work.epochs_from());
        let appending = Appending { value: Some(&mark), ..Appending::default() };
        let claimed_at = self.hands.writer.append_at(Log::Totals, partition, appending)?;
        let epoch = work.epochs_from().saturating_add(claimed_at.0);
        self.hands.ties.metrics.count_claim();
        // Again: looking at all of them takes its time, and lists stay silent up to where pairs end at the claim.
        let bounds = Bounds { high: bounds.high.max(self.reader.bounds(partition)?.high), ..bounds };
        let mut inputs = vec![(RowsInput::Pairs, next, bounds)];
        for (number, next) in (0..).zip(totals) {
            let bounds = self.totals.bounds(Partition(number))?;
            totals_hold(Partition(number), bounds, next)?;
            inputs.push((RowsInput::Totals(Partition(number)), next, bounds));
        }
        let lists = self.lists.bounds(partition)?;
        // A lists log that ends before what the state knows of it was made anew: subscribers have been told nothing.
        let known = known.filter(|&known| (lists.low..=lists.high).contains(&known));
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
        desk.set(StageName::Rows, partition, PartitionState::CatchingUp { records_left: left });
        let (follower, lag) = (metrics.rows(partition), metrics.lag(StageName::Rows, &source));
        let view = ViewWriter::new(Arc::clone(&self.hands.ties.view));
        let stage = Stage::new(work, RowsInput::all(partitions));
        let (delay, tail) = (DelayTally::default(), Tail::new(epoch));
        let mut owned = Owned { stage, newest_ms: None, delay, view, tail, older, follower, lag };
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

    /// How far owners before this one say that they have read the pairs log, on their partition of the totals log; and what stands
    /// first there, if that is read and it was made anew.
    fn read_before(
        &self,
        partition: Partition,
        source: &SourcePartition,
        from: NextOffset,
    ) -> anyhow::Result<(Option<Checkpoint>, Option<Anew>)> {
        let (mut newest, mut anew): (Option<Checkpoint>, _) = (None, None);
        let topic = Topic::Log(Log::Totals);
        let follower = self.hands.transport.follow(&topic)?;
        let from = BTreeMap::from([(partition, from)]);
        scan(&follower, &topic, &from, &self.hands.ties.vigil, &mut |partition, offset, message| {
            let damaged = |error| StageError::Wire { log: Log::Totals, partition, offset, error };
            let block = message.value().unwrap_or_default();
            let ends = section_ends(block).map_err(damaged)?;
            if kind_of(block).map_err(damaged)? == Kind::Anew {
                anew = Some(Anew::decode(block).map_err(damaged)?);
            }
            for SectionEnd { checkpoint, .. } in ends.into_iter().filter(|end| end.source == *source) {
                newest = Some(newest.map_or(checkpoint, |known| known.max(checkpoint)));
            }
            Ok(())
        })?;
        Ok((newest.filter(|newest| newest.position > Position::default()), anew))
    }

    /// The checksum of the block that a checkpoint was made at, as the log holds it now.
    fn found_at(&self, partition: Partition, checkpoint: Checkpoint) -> anyhow::Result<Option<u32>> {
        let follower = self.hands.transport.follow(&Topic::Log(Log::Pairs))?;
        block_at(&follower, Log::Pairs, partition, checkpoint, &self.hands.ties.vigil)
    }
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
