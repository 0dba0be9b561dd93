//! Starting from a snapshot: which one may be used, or why none may.
//!
//! The newest that is good counts; one that is damaged, torn or from a newer release is passed over, and said so. So is one behind which a log
//! has been trimmed: an owner that was overtaken may have published it late. One that is good but cannot belong to the log that is there is a
//! refusal, never passed over: the log, or the store, is another one.

use super::watching::reader_of;
use super::{STATE_FORMAT, Snapshots, facts_of};
use crate::drive::plan::Plan;
use crate::drive::recovery::{Refusal, holds_from};
use crate::drive::transport::Bounds;
use crate::drive::vigil::Vigil;
use crate::drive::worker::Ties;
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition};
use crate::saved::frames;
use crate::snapshot::{Found, Head, Reader, StoreError};
use crate::stage::{Kept, Log, PartitionFacts};
use crate::watch::metrics::PassedOver;
use crate::watch::waits::Outside;
use std::time::{Duration, Instant};

/// How long between two tries to reach a store that does not answer: at first, and at most. In between it doubles.
const STORE_PAUSE_MIN: Duration = Duration::from_millis(500);
const STORE_PAUSE_MAX: Duration = Duration::from_secs(16);
/// How often a choice is begun anew because logs were trimmed while a state was loaded.
const CHOICES_MAX: usize = 5;
/// How often the log says how far a long restore is.
const SAY_PROGRESS: Duration = Duration::from_secs(10);

/// What a snapshot must be of.
pub(in crate::drive) struct Wanted {
    /// The log that the stage reads.
    pub(in crate::drive) log: Log,
    pub(in crate::drive) partition: Partition,
    /// The fingerprint of what the state depends on besides.
    pub(in crate::drive) identity: u64,
    /// Partitions of events and of pairs.
    pub(in crate::drive) partitions: (u32, u32),
    /// What that log holds.
    pub(in crate::drive) bounds: Bounds,
    /// All that follows from what lies before this is in the log behind it, in every partition; `None` where that says nothing.
    pub(in crate::drive) behind: Option<Position>,
}

impl Wanted {
    /// A snapshot of the reader of `partition` of `log`, which holds `bounds`.
    pub(in crate::drive) fn of(plan: &Plan, log: Log, partition: Partition, bounds: Bounds) -> Self {
        let partitions = (plan.events_partitions, plan.pairs_partitions);
        Self { log, partition, identity: plan.state_identity(), partitions, bounds, behind: None }
    }
}

/// The checksum of the record that a checkpoint was made at, as the log holds it now.
pub(in crate::drive) type FoundAt<'a> = dyn Fn(Checkpoint) -> anyhow::Result<Option<u32>> + 'a;

/// What a state would need of the logs and is not there any more, by its head; `None` where all is.
pub(in crate::drive) type Lost<'a> = dyn Fn(&Head) -> anyhow::Result<Option<Refusal>> + 'a;

/// What a stage goes on from.
pub(in crate::drive) struct Restored<W> {
    pub(in crate::drive) work: W,
    pub(in crate::drive) head: Head,
    /// Of the snapshot, as stored.
    pub(in crate::drive) bytes: u64,
    /// What loading it took.
    pub(in crate::drive) seconds: f64,
}

/// Work that `make` makes, with the state of the newest snapshot that may be used; `None` where there is none.
///
/// # Errors
/// What `lost` gave of the newest, where the logs have lost what lies behind all that could be used.
pub(in crate::drive) fn restore<W: Kept>(
    snapshots: &Snapshots,
    wanted: &Wanted,
    ties: &Ties,
    (found_at, lost): (&FoundAt<'_>, &Lost<'_>),
    make: impl Fn() -> W,
) -> anyhow::Result<Option<Restored<W>>> {
    let (stage, partition) = (reader_of(wanted.log), wanted.partition.0);
    let mut refusal = None;
    for _ in 0..CHOICES_MAX {
        let found = listed(snapshots, wanted, &ties.vigil)?;
        let (mut is_overtaken, mut passed_over) = (false, 0);
        refusal = None;
        for found in &found {
            match load(snapshots, wanted, found, ties, (found_at, lost), &make)? {
                Ok(restored) => match lost(&restored.head)? {
                    None => return Ok(Some(restored)),
                    // Others have gone on meanwhile: there are newer ones.
                    Some(said) => {
                        (is_overtaken, refusal) = (true, Some(said));
                        break;
                    }
                },
                Err((why, said)) => {
                    ties.metrics.count_passed_over(stage, why);
                    refusal = refusal.or(said);
                    passed_over += 1;
                }
            }
        }
        if !is_overtaken {
            let Some(refusal) = refusal else {
                let stage = stage.name();
                tracing::info!(
                    stage,
                    partition,
                    passed_over,
                    "no snapshot to start from: its log is read from the start"
                );
                return Ok(None);
            };
            return Err(refusal.into());
        }
    }
    refusal.map_or(Ok(None), |refusal| Err(refusal.into()))
}

/// The snapshots of a partition, newest first. Where the log needs one and there is none, the store must be the one that it was: it may be a
/// folder that is not mounted.
fn listed(snapshots: &Snapshots, wanted: &Wanted, vigil: &Vigil) -> anyhow::Result<Vec<Found>> {
    asked(vigil, || {
        let found = snapshots.newest(wanted.log, wanted.partition)?;
        if found.is_empty() && wanted.bounds.low > NextOffset(0) {
            snapshots.store.check_id()?;
        }
        Ok(found)
    })
}

/// Something of a snapshot; or why that is passed over, and what is to be said where none is of use.
type Usable<T> = Result<T, (PassedOver, Option<Refusal>)>;

/// The state of one snapshot, or why it is not started from.
fn load<W: Kept>(
    snapshots: &Snapshots,
    wanted: &Wanted,
    found: &Found,
    ties: &Ties,
    (found_at, lost): (&FoundAt<'_>, &Lost<'_>),
    make: &impl Fn() -> W,
) -> anyhow::Result<Usable<Restored<W>>> {
    let (vigil, snapshot, began) = (&*ties.vigil, &found.name, Instant::now());
    let head = match usable(snapshots, wanted, found, vigil, found_at)? {
        Ok(head) => head,
        Err(passed_over) => return Ok(Err(passed_over)),
    };
    if let Some(refusal) = lost(&head)? {
        tracing::warn!(snapshot, "passed over: a log is trimmed behind what it needs: {refusal}");
        return Ok(Err((PassedOver::Trimmed, Some(refusal))));
    }
    if wanted.behind.is_some_and(|behind| behind < Position::start_of(NextOffset(head.offset))) {
        tracing::warn!(snapshot, "passed over: the log behind has not got all that was made before it");
        return Ok(Err((PassedOver::Behind, None)));
    }
    let (work, bytes) = match asked(vigil, || loaded(snapshots, found, make(), vigil)) {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(error)) => {
            tracing::warn!(snapshot, "passed over: its state {error}");
            return Ok(Err((PassedOver::Damaged, None)));
        }
        Err(error) => return tell_damaged(found, error).map(|why| Err((why, None))),
    };
    let seconds = began.elapsed().as_secs_f64();
    let age_seconds = ties.clock.now().wall_ms.saturating_sub(head.written_at_ms) / 1_000;
    let (offset, written_by) = (head.offset, &head.written_by);
    tracing::info!(snapshot, offset, age_seconds, bytes, seconds, written_by, "restored");
    Ok(Ok(Restored { work, head, bytes, seconds }))
}

/// What the newest snapshot that belongs to the partition says of the log, and up to which offset. Whether its state is good is not looked at.
pub(in crate::drive) fn head_facts(
    snapshots: &Snapshots,
    wanted: &Wanted,
    vigil: &Vigil,
    found_at: &FoundAt<'_>,
) -> anyhow::Result<Option<(NextOffset, PartitionFacts)>> {
    for found in listed(snapshots, wanted, vigil)? {
        let Ok(head) = usable(snapshots, wanted, &found, vigil, found_at)? else { continue };
        match facts_of(&head) {
            Some(facts) => return Ok(Some((NextOffset(head.offset), facts))),
            None => tracing::warn!(snapshot = found.name, "passed over: its head does not read"),
        }
    }
    Ok(None)
}

/// The head of a snapshot that may be used, as far as the head tells.
fn usable(
    snapshots: &Snapshots,
    wanted: &Wanted,
    found: &Found,
    vigil: &Vigil,
    found_at: &FoundAt<'_>,
) -> anyhow::Result<Usable<Head>> {
    let head = match asked(vigil, || snapshots.store.head(&found.name)) {
        Ok(head) => head,
        Err(error) => return tell_damaged(found, error).map(|why| Err((why, None))),
    };
    if head.state_format != STATE_FORMAT {
        let format = head.state_format;
        tracing::warn!(snapshot = found.name, format, known = STATE_FORMAT, "passed over: a state of another release");
        return Ok(Err((PassedOver::Format, None)));
    }
    let refuse = |what: String| Refusal::Snapshot { name: found.name.clone(), what };
    if head.store_id != snapshots.store_id {
        return Err(refuse("it was written to another store: two stores must not be mixed".to_owned()).into());
    }
    if (head.identity, head.partitions) != (wanted.identity, wanted.partitions) {
        let (events, pairs) = head.partitions;
        let what =
            format!("it was made by other counting rules, or with other numbers of partitions ({events} and {pairs})");
        return Err(refuse(what).into());
    }
    // Older ones are no better, newer ones may be.
    if let Err(refusal) = holds_from(wanted.log, wanted.partition, wanted.bounds, NextOffset(head.offset)) {
        tracing::warn!(snapshot = found.name, "passed over: a log is trimmed behind what it needs: {refusal}");
        return Ok(Err((PassedOver::Trimmed, Some(refusal))));
    }
    let checkpoint = Checkpoint { position: Position::start_of(NextOffset(head.offset)), checksum: head.checksum };
    let input = SourcePartition::new(wanted.log.name(), wanted.partition.0);
    // The record before it stays when a log is trimmed: that is how the log is known to be the one that was read.
    let found_record = found_at(checkpoint)?;
    if found_record.is_none()
        && checkpoint.record().is_some_and(|record| record >= wanted.bounds.low)
        && head.offset <= wanted.bounds.high.0
    {
        return Err(refuse("the record before its offset cannot be found in the log".to_owned()).into());
    }
    let resumed = checkpoint.resume(wanted.bounds.low, wanted.bounds.high, found_record);
    resumed.map_err(|error| Refusal::Ahead { name: found.name.clone(), input, error })?;
    Ok(Ok(head))
}

/// `work`, new, with the state of a snapshot, and the snapshot's bytes.
fn loaded<W: Kept>(
    snapshots: &Snapshots,
    found: &Found,
    mut work: W,
    vigil: &Vigil,
) -> Result<Result<(W, u64), crate::saved::SavedError>, StoreError> {
    let bad = |error| StoreError::of_format(&found.name, error);
    let reading = snapshots.store.read(&found.name)?;
    let bytes = reading.size();
    let (_, mut reader) = Reader::open(reading).map_err(bad)?;
    let (mut chunk, mut said) = (Vec::new(), Instant::now());
    while reader.next_chunk(&mut chunk).map_err(bad)?.is_some() {
        vigil.beat();
        if said.elapsed() >= SAY_PROGRESS {
            said = Instant::now();
            let (chunks, raw_bytes) = reader.read_so_far();
            tracing::info!(snapshot = found.name, chunks, raw_bytes, bytes, "restoring");
        }
        for frame in frames(&chunk) {
            if let Err(error) = frame.and_then(|(kind, body)| work.load(kind, body)) {
                return Ok(Err(error));
            }
        }
    }
    Ok(work.loaded().map(|()| (work, bytes)))
}

/// Asks the store until it answers.
fn asked<R>(vigil: &Vigil, ask: impl FnMut() -> Result<R, StoreError>) -> anyhow::Result<R> {
    let (mut ask, mut pause) = (ask, STORE_PAUSE_MIN);
    loop {
        match ask() {
            Err(error) if error.is_waited_for() => {
                // In steps: a sign of life with each, and a look at whether the process stops.
                let until = Instant::now() + pause;
                while Instant::now() < until {
                    vigil.wait_for(Outside::Store, &error)?;
                    std::thread::sleep(STORE_PAUSE_MIN);
                }
                pause = (pause * 2).min(STORE_PAUSE_MAX);
            }
            answer => {
                vigil.note_answer_of(Outside::Store);
                return Ok(answer?);
            }
        }
    }
}

/// Says that a snapshot is passed over because it is damaged; any other error is one.
fn tell_damaged(found: &Found, error: anyhow::Error) -> anyhow::Result<PassedOver> {
    match error.downcast_ref::<StoreError>() {
        Some(damaged) if matches!(damaged, StoreError::Format { .. } | StoreError::Missing { .. }) => {
            tracing::warn!(snapshot = found.name, "passed over: {damaged}");
            Ok(PassedOver::Damaged)
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests;
