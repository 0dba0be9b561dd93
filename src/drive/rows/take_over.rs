//! Taking a partition over: first what its logs hold is looked at, then it is claimed.
//!
//! Invariants: of what a worker is given at once, all is looked at before any of it is claimed; a claim cannot be taken back.
//! Absent: what follows from what is found (`recovery`).

use super::{Owned, RowsWorker};
use crate::drive::recovery::{holds_from, start};
use crate::drive::scan::{are_whole, block_at, scan};
use crate::drive::tail::Tail;
use crate::drive::transport::{Appending, Bounds, Follower, Message, Reader, Topic, Transport, Writer};
use crate::drive::worker::Ties;
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition};
use crate::serve::view::ViewWriter;
use crate::stage::{Fact, Left, Log, RowsInput, RowsWork, Stage, StageError};
use crate::watch::health::{PartitionState, StageName};
use crate::watch::metrics::DelayTally;
use crate::wire::{SectionEnd, claim, section_ends};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a partition is when it is taken over.
struct Before {
    partition: Partition,
    source: SourcePartition,
    /// How far owners before this one have read it.
    checkpoint: Option<Checkpoint>,
    bounds: Bounds,
}

impl<T: Transport> RowsWorker<T> {
    /// Takes partitions over. Returns where each reads pairs from.
    pub(super) fn take_all_over(&mut self, partitions: &[Partition]) -> anyhow::Result<Vec<(Partition, NextOffset)>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        are_whole(&self.hands.transport, Log::Totals, self.hands.plan.pairs_partitions)?;
        let all: anyhow::Result<Vec<Before>> = partitions.iter().map(|&partition| self.look_at(partition)).collect();
        all?.into_iter().map(|before| self.take_over(before)).collect()
    }

    /// The pairs of `partition`, and how far they have been read before: the log must be the one that was read.
    fn look_at(&self, partition: Partition) -> anyhow::Result<Before> {
        let source = SourcePartition::new(Log::Pairs.name(), partition.0);
        let checkpoint = self.read_before(partition, &source)?;
        // Only now: whoever had it may still read, and say how far.
        let bounds = self.reader.bounds(partition)?;
        holds_from(Log::Pairs, partition, bounds, NextOffset(0))?;
        if let Some(checkpoint) = checkpoint {
            start(&source, Log::Totals, checkpoint, bounds, self.found_at(partition, checkpoint)?)?;
        }
        Ok(Before { partition, source, checkpoint, bounds })
    }

    /// A stage for `partition`, claimed. Returns where it reads pairs from.
    fn take_over(&mut self, before: Before) -> anyhow::Result<(Partition, NextOffset)> {
        let Before { partition, source, checkpoint, bounds } = before;
        let (plan, nonce) = (Arc::clone(&self.hands.plan), rand::random());
        let mark = claim(nonce, partition);
        let appending = Appending { value: Some(&mark), ..Appending::default() };
        let epoch = self.hands.writer.append_at(Log::Totals, partition, appending)?;
        self.hands.ties.metrics.count_claim();
        // Again: looking at all of them takes its time, and lists stay silent up to where pairs end at the claim.
        let bounds = Bounds { high: bounds.high.max(self.reader.bounds(partition)?.high), ..bounds };
        let identity = plan.identities().pairs;
        let partitions = plan.pairs_partitions;
        let work = RowsWork::new(partition, partitions, &plan.setup.counting, identity, &plan.setup.rows);
        let mut inputs = vec![(RowsInput::Pairs, bounds)];
        for number in 0..partitions {
            let bounds = self.totals.bounds(Partition(number))?;
            holds_from(Log::Totals, Partition(number), bounds, NextOffset(0))?;
            inputs.push((RowsInput::Totals(Partition(number)), bounds));
        }
        inputs.push((RowsInput::Lists, self.lists.bounds(partition)?));
        let Ties { metrics, health, .. } = &self.hands.ties;
        let Bounds { low: next, high: to, .. } = bounds;
        tracing::info!(
            stage = "rows",
            partition = partition.0,
            epoch = epoch.0,
            from = next.0,
            to = to.0,
            "reading the pairs log"
        );
        health.set(StageName::Rows, partition, PartitionState::CatchingUp { records_left: next.lag(to) });
        let (follower, lag) = (metrics.rows(partition), metrics.lag(StageName::Rows, &source));
        let view = ViewWriter::new(Arc::clone(&self.hands.ties.view));
        let stage = Stage::new(work, RowsInput::all(partitions));
        let (delay, tail) = (DelayTally::default(), Tail::new(epoch.0));
        let mut owned = Owned { stage, newest_ms: None, delay, view, tail, follower, lag };
        let left =
            checkpoint.map(|checkpoint| Left::Checkpoint { output: partition.index(), source: &source, checkpoint });
        let opened =
            inputs.into_iter().map(|(input, bounds)| Fact::Opened { input, next: bounds.low, until: bounds.until() });
        let facts = std::iter::once(Fact::Claimed { epoch: epoch.0 }).chain(left.map(Fact::Left)).chain(opened);
        for fact in facts {
            if !owned.tell(&mut self.hands, &mut self.buffers, fact)? {
                self.overtaken.push(partition); // somebody has claimed it already; the group will tell
                break;
            }
        }
        self.owned.insert(partition, owned);
        Ok((partition, next))
    }

    /// How far owners before this one say that they have read the pairs log: on their partition of the totals log.
    fn read_before(&self, partition: Partition, source: &SourcePartition) -> anyhow::Result<Option<Checkpoint>> {
        let mut newest: Option<Checkpoint> = None;
        let topic = Topic::Log(Log::Totals);
        let follower = self.hands.transport.follow(&topic)?;
        let from = BTreeMap::from([(partition, NextOffset(0))]);
        holds_from(Log::Totals, partition, follower.bounds(partition)?, NextOffset(0))?;
        scan(&follower, &topic, &from, &self.hands.ties.vigil, &mut |partition, offset, message| {
            let damaged = |error| StageError::Wire { log: Log::Totals, partition, offset, error };
            let ends = section_ends(message.value().unwrap_or_default()).map_err(damaged)?;
            for SectionEnd { checkpoint, .. } in ends.into_iter().filter(|end| end.source == *source) {
                newest = Some(newest.map_or(checkpoint, |known| known.max(checkpoint)));
            }
            Ok(())
        })?;
        Ok(newest.filter(|newest| newest.position > Position::default()))
    }

    /// The checksum of the block that a checkpoint was made at, as the log holds it now.
    fn found_at(&self, partition: Partition, checkpoint: Checkpoint) -> anyhow::Result<Option<u32>> {
        let follower = self.hands.transport.follow(&Topic::Log(Log::Pairs))?;
        block_at(&follower, Log::Pairs, partition, checkpoint, &self.hands.ties.vigil)
    }
}
