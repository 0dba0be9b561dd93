//! Reading a log from where one stands to where it ends now: what it holds before one writes to it, or goes on reading it.
//!
//! Invariants: a scan ends at the end that each partition had when it began, or later; it belongs to no group and commits
//! nothing. Absent: following a log, and what follows from what was found (`recovery`).

use super::plan::Plan;
use super::recovery::{LogFacts, holds_from};
use super::snapshots::{Wanted, head_facts};
use super::transport::{Appending, Follower, LogFailure, Message, Next, Topic, Transport, Writer};
use super::vigil::Vigil;
use crate::position::{Checkpoint, NextOffset, Partition, Position};
use crate::stage::{Log, StageError};
use crate::wire::{Opening, checksum_of_block, founding};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a scan waits for the next record before it looks around.
const LOOK: Duration = Duration::from_millis(100);

/// An offset of each partition.
pub type Offsets = BTreeMap<Partition, NextOffset>;

/// What is done with a record, and where it lies.
pub type Each<'e, F> = dyn FnMut(Partition, NextOffset, &<F as Follower>::Message<'_>) -> anyhow::Result<()> + 'e;

/// Reads each partition of `from` from its offset to its end now. Returns where each was read to.
///
/// # Errors
/// When the topic cannot be read or does not hold an offset any more, or `each` fails.
pub fn scan<F: Follower + 'static>(
    follower: &F,
    topic: &Topic,
    from: &Offsets,
    vigil: &Vigil,
    each: &mut Each<'_, F>,
) -> anyhow::Result<Offsets> {
    let (mut read_to, mut open, mut starts) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (&partition, &offset) in from {
        let bounds = follower.bounds(partition)?;
        if bounds.low > offset {
            // Trimmed since whoever asks has looked: behind a newer snapshot, which a new start finds.
            let what = format!(
                "offset {} of partition {} is asked for, but it starts at {}",
                offset.0, partition.0, bounds.low.0
            );
            return Err(LogFailure { may_pass: true, ..LogFailure::said(&topic.to_string(), &what) }.into());
        }
        let (start, high) = (offset, bounds.high);
        read_to.insert(partition, start);
        if start < high {
            open.insert(partition, high);
            starts.push((partition, start));
        }
    }
    if starts.is_empty() {
        return Ok(read_to);
    }
    follower.assign(&starts)?;
    while !open.is_empty() {
        match follower.poll(LOOK)? {
            Next::Nothing => vigil.wait(&format_args!("{topic}: records that are there do not come"))?,
            Next::End(partition) => {
                vigil.note_answer();
                open.remove(&partition);
            }
            Next::Record(message) => {
                vigil.beat();
                vigil.note_answer();
                let Some((partition, offset)) = message.place() else { continue };
                each(partition, offset, &message)?;
                read_to.insert(partition, offset.after());
                if open.get(&partition).is_some_and(|&high| offset.after() >= high) {
                    open.remove(&partition);
                }
            }
        }
        if vigil.is_stopping() {
            return Err(super::vigil::StopAsked.into());
        }
    }
    follower.assign(&[])?;
    Ok(read_to)
}

/// The records of a topic at these offsets, of those partitions that still have them. All are waited for together.
///
/// # Errors
/// When the topic cannot be read.
pub fn records_at<F: Follower + 'static, R>(
    follower: &F,
    offsets: &Offsets,
    vigil: &Vigil,
    mut take: impl FnMut(&F::Message<'_>) -> R,
) -> anyhow::Result<BTreeMap<Partition, R>> {
    let (mut found, mut open) = (BTreeMap::new(), BTreeMap::new());
    for (&partition, &offset) in offsets {
        let bounds = follower.bounds(partition)?;
        if (bounds.low..bounds.high).contains(&offset) {
            open.insert(partition, offset);
        }
    }
    if open.is_empty() {
        return Ok(found);
    }
    follower.assign(&open.iter().map(|(&partition, &offset)| (partition, offset)).collect::<Vec<_>>())?;
    while !open.is_empty() {
        match follower.poll(LOOK)? {
            Next::Nothing => vigil.wait(&format_args!("records do not come that are there: {open:?}"))?,
            // Nothing stands there or behind it but marks of transactions.
            Next::End(partition) => drop(open.remove(&partition)),
            Next::Record(message) => {
                vigil.note_answer();
                let Some((partition, at)) = message.place() else { continue };
                // The first that comes; another one where compaction has taken it.
                if open.remove(&partition) == Some(at) {
                    found.insert(partition, take(&message));
                }
            }
        }
    }
    follower.assign(&[])?;
    Ok(found)
}

/// The checksums of the blocks that checkpoints were made at, as a log of ours holds them now.
///
/// # Errors
/// When the log cannot be read, or a block is damaged.
pub(super) fn blocks_at<F: Follower + 'static>(
    follower: &F,
    log: Log,
    checkpoints: &[(Partition, Checkpoint)],
    vigil: &Vigil,
) -> anyhow::Result<BTreeMap<Partition, u32>> {
    let with_record = checkpoints.iter().filter(|(_, checkpoint)| checkpoint.checksum.is_some());
    let offsets = with_record.filter_map(|&(partition, checkpoint)| Some((partition, checkpoint.record()?)));
    let offsets: Offsets = offsets.collect();
    let found =
        records_at(follower, &offsets, vigil, |message| checksum_of_block(message.value().unwrap_or_default()))?;
    let checked = found.into_iter().map(|(partition, checksum)| {
        let offset = offsets.get(&partition).copied().unwrap_or_default();
        let damaged = |error| StageError::Wire { log, partition, offset, error };
        Ok((partition, checksum.map_err(damaged)?))
    });
    checked.collect()
}

/// Whether all partitions of the events log are whole from where counting begins: from their first record on, or from where a rebuild has put
/// the beginning, of which a snapshot of nothing counted tells.
///
/// # Errors
/// When one is not, or cannot be asked.
pub(super) fn are_whole<T: Transport>(transport: &T, plan: &Plan, vigil: &Vigil) -> anyhow::Result<()> {
    let (log, topic) = (Log::Events, Topic::Log(Log::Events));
    let follower = transport.follow(&topic)?;
    let mut trimmed = Vec::new();
    for partition in (0..plan.events_partitions).map(Partition) {
        let bounds = follower.bounds(partition)?;
        if bounds.low > NextOffset(0) {
            // Nothing has been made of it yet.
            trimmed.push(Wanted { behind: Some(Position::default()), ..Wanted::of(plan, log, partition, bounds) });
        }
    }
    let mut begun = vec![None; trimmed.len()];
    if let (Some(snapshots), false) = (&plan.snapshots, trimmed.is_empty()) {
        let found_at = |checkpoints: &[_]| blocks_at(&transport.follow(&topic)?, log, checkpoints, vigil);
        begun = head_facts(snapshots, &trimmed, vigil, &found_at)?;
    }
    for (wanted, begun) in trimmed.iter().zip(begun) {
        let from = begun.map_or(NextOffset(0), |(offset, _)| offset);
        holds_from(log, wanted.partition, wanted.bounds, from)?;
    }
    Ok(())
}

/// What a log of ours holds, kept between changes of what a worker owns, so that only what is new is read again.
pub(super) struct LogScan {
    pub(super) facts: LogFacts,
    topic: Topic,
    plan: Option<Arc<Plan>>,
}

impl LogScan {
    pub(super) fn new(log: Log, partitions: u32) -> Self {
        Self { facts: LogFacts::new(log, partitions), topic: Topic::Log(log), plan: None }
    }

    /// Of a log of `plan`, whose snapshots tell what lies before them.
    pub(super) fn of(plan: &Arc<Plan>, log: Log) -> Self {
        let partitions = if log == Log::Events { plan.events_partitions } else { plan.pairs_partitions };
        Self { plan: Some(Arc::clone(plan)), ..Self::new(log, partitions) }
    }

    /// Reads on to the log's present end.
    pub(super) fn refresh<T: Transport>(&mut self, transport: &T, vigil: &Vigil) -> anyhow::Result<()> {
        let follower = transport.follow(&self.topic)?;
        let (mut bounds, mut wanted) = (Vec::new(), Vec::new());
        for partition in (0..self.facts.partitions()).map(Partition) {
            let of_partition = follower.bounds(partition)?;
            bounds.push((partition, of_partition));
            let seen = self.facts.read_to().get(&partition).copied().unwrap_or_default();
            // What lies before a snapshot of its reader need not be read, and may be gone.
            if let Some(plan) = &self.plan
                && (seen == NextOffset(0) || of_partition.low > seen)
            {
                wanted.push(Wanted::of(plan, self.facts.log(), partition, of_partition));
            }
        }
        if let Some(snapshots) = self.plan.as_ref().and_then(|plan| plan.snapshots.as_ref()) {
            // Another client: an answer to one that has been reading may be half a second late.
            let log = self.facts.log();
            let found_at = |checkpoints: &[_]| blocks_at(&transport.follow(&self.topic)?, log, checkpoints, vigil);
            for (wanted, found) in wanted.iter().zip(head_facts(snapshots, &wanted, vigil, &found_at)?) {
                if let Some((offset, facts)) = found {
                    self.facts.add_partition(wanted.partition, offset, facts);
                }
            }
        }
        for (partition, bounds) in bounds {
            self.facts.bounds(partition, bounds)?;
        }
        let from = self.facts.read_to().clone();
        let Self { facts, topic, .. } = self;
        let read_to = scan(&follower, topic, &from, vigil, &mut |partition, offset, message| {
            let Some(block) = message.value() else { return Ok(()) };
            Ok(facts.record(partition, offset, block)?)
        })?;
        for (partition, to) in read_to {
            self.facts.reached(partition, to);
        }
        Ok(())
    }

    /// The log's id. Where it has none yet, one is proposed; the first proposal on partition 0 is it, whoever made it.
    /// `may_found` is asked before anything is appended; what it says counts only if nobody has founded the log meanwhile.
    pub(super) fn settle_id<T: Transport>(
        &mut self,
        transport: &T,
        writer: &mut T::Writer,
        vigil: &Vigil,
        may_found: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<u128> {
        if let Some(id) = self.facts.id() {
            return Ok(id);
        }
        if let Err(refusal) = may_found() {
            self.refresh(transport, vigil)?;
            return self.facts.id().ok_or(refusal);
        }
        let proposal = founding(rand::random());
        let appending = Appending { value: Some(&proposal), ..Appending::default() };
        writer.append_at(self.facts.log(), Partition(0), appending)?;
        self.refresh(transport, vigil)?;
        let what = "a founding mark was acknowledged, but is not there: another topic under the same name?";
        Ok(self.facts.id().ok_or_else(|| LogFailure::said(self.facts.log().name(), what))?)
    }

    /// Says where sources start that the log does not know yet, on partition 0, and reads what stands there: of several
    /// that say so at once, the first counts for all.
    pub(super) fn settle_origins<T: Transport>(
        &mut self,
        opening: &Opening,
        transport: &T,
        writer: &mut T::Writer,
        vigil: &Vigil,
    ) -> anyhow::Result<()> {
        let mark = opening.encode();
        let appending = Appending { value: Some(&mark), ..Appending::default() };
        writer.append_at(self.facts.log(), Partition(0), appending)?;
        self.refresh(transport, vigil)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::memory::MemoryLog;
    use crate::drive::transport::Trim;
    use crate::watch::health::Health;
    use std::sync::Arc;

    /// What stands behind an empty log may be of somebody who has founded it since it was read.
    #[test]
    fn a_log_that_may_not_be_founded_is_the_one_that_somebody_else_has_founded_meanwhile() {
        let health = Health::new(1, Duration::from_secs(60));
        let vigil = Vigil::new("windows-0", Arc::default(), &health);
        let settle = |is_founded_meanwhile: bool| {
            let log = MemoryLog::new(1, 1);
            let (transport, mut scan) = (log.transport(0), LogScan::new(Log::Pairs, 1));
            let mut writer = transport.writer().unwrap();
            scan.refresh(&transport, &vigil).unwrap();
            let settled = scan.settle_id(&transport, &mut writer, &vigil, || {
                if is_founded_meanwhile {
                    let value = founding(7);
                    let appending = Appending { value: Some(&value), ..Appending::default() };
                    log.transport(1).writer()?.append_at(Log::Pairs, Partition(0), appending)?;
                }
                anyhow::bail!("totals know of it")
            });
            let high = log.bounds(&Topic::Log(Log::Pairs), Partition(0)).unwrap().high;
            (settled.map_err(|error| error.to_string()), high)
        };
        assert_eq!(settle(true), (Ok(7), NextOffset(1)));
        assert_eq!(settle(false), (Err("totals know of it".to_owned()), NextOffset(0)), "nothing is appended");
    }

    #[test]
    fn records_of_several_partitions_are_found_together_each_where_it_stands() {
        let health = Health::new(1, Duration::from_secs(60));
        let vigil = Vigil::new("windows-0", Arc::default(), &health);
        let log = MemoryLog::new(1, 4);
        let transport = log.transport(0);
        let mut writer = transport.writer().unwrap();
        for (partition, number) in (0..3).flat_map(|partition| (0..5).map(move |number| (partition, number))) {
            let value = [partition, number];
            let appending = Appending { value: Some(&value), ..Appending::default() };
            writer.append_at(Log::Pairs, Partition(partition.into()), appending).unwrap();
        }
        let trim = Trim { log: Log::Pairs, partition: Partition(1), to: NextOffset(3), stays_from_ms: None };
        transport.trim(vec![trim], Box::new(|_, _| ()));
        let follower = transport.follow(&Topic::Log(Log::Pairs)).unwrap();
        let asked = |all: &[(u32, u64)]| {
            let offsets = all.iter().map(|&(partition, offset)| (Partition(partition), NextOffset(offset))).collect();
            records_at(&follower, &offsets, &vigil, |message| message.value().map(<[u8]>::to_vec)).unwrap()
        };
        // One that was trimmed, and one that is not there yet.
        let found = asked(&[(0, 2), (1, 2), (2, 4), (3, 0)]);
        assert_eq!(found, BTreeMap::from([(Partition(0), Some(vec![0, 2])), (Partition(2), Some(vec![2, 4]))]));
        assert_eq!(asked(&[(1, 3)]), BTreeMap::from([(Partition(1), Some(vec![1, 3]))]), "by the same client");
        assert_eq!(asked(&[]), BTreeMap::new());
    }
}
