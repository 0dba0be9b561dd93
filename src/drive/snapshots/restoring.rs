//! Starting from a snapshot: which one may be used, or why none may.
//!
//! The newest that is good counts; one that is damaged, torn or from a newer release is passed over, and said so. One that is good but cannot
//! belong to the log that is there is a refusal, never passed over: the log, or the store, is another one.

use super::{STATE_FORMAT, Snapshots, facts_of};
use crate::drive::plan::Plan;
use crate::drive::recovery::Refusal;
use crate::drive::transport::Bounds;
use crate::drive::vigil::Vigil;
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition};
use crate::saved::frames;
use crate::snapshot::{Found, Head, Reader, StoreError};
use crate::stage::{Kept, Log, PartitionFacts};
use std::time::Duration;

/// How long between two tries to reach a store that does not answer.
const STORE_PAUSE: Duration = Duration::from_secs(2);

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

/// Work that `make` makes, with the state of the newest snapshot that may be used; `None` where there is none.
pub(in crate::drive) fn restore<W: Kept>(
    snapshots: &Snapshots,
    wanted: &Wanted,
    vigil: &Vigil,
    found_at: &FoundAt<'_>,
    make: impl Fn() -> W,
) -> anyhow::Result<Option<(W, Head)>> {
    for found in asked(vigil, || snapshots.newest(wanted.log, wanted.partition))? {
        let Some(head) = usable(snapshots, wanted, &found, vigil, found_at)? else { continue };
        if wanted.behind.is_some_and(|behind| behind < Position::start_of(NextOffset(head.offset))) {
            tracing::warn!(
                snapshot = found.name,
                "passed over: the log behind has not got all that was made before it"
            );
            continue;
        }
        let mut work = make();
        match asked(vigil, || loaded(snapshots, &found, &mut work, vigil)) {
            Ok(Ok(())) => return Ok(Some((work, head))),
            Ok(Err(error)) => tracing::warn!(snapshot = found.name, "passed over: its state {error}"),
            Err(error) => tell_damaged(&found, error)?,
        }
    }
    Ok(None)
}

/// What the newest snapshot that belongs to the partition says of the log, and up to which offset. Whether its state is good is not looked at.
pub(in crate::drive) fn head_facts(
    snapshots: &Snapshots,
    wanted: &Wanted,
    vigil: &Vigil,
    found_at: &FoundAt<'_>,
) -> anyhow::Result<Option<(NextOffset, PartitionFacts)>> {
    for found in asked(vigil, || snapshots.newest(wanted.log, wanted.partition))? {
        let Some(head) = usable(snapshots, wanted, &found, vigil, found_at)? else { continue };
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
) -> anyhow::Result<Option<Head>> {
    let head = match asked(vigil, || snapshots.store.head(&found.name)) {
        Ok(head) => head,
        Err(error) => return tell_damaged(found, error).map(|()| None),
    };
    if head.state_format != STATE_FORMAT {
        let format = head.state_format;
        tracing::warn!(snapshot = found.name, format, known = STATE_FORMAT, "passed over: a state of another release");
        return Ok(None);
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
    Ok(Some(head))
}

fn loaded<W: Kept>(
    snapshots: &Snapshots,
    found: &Found,
    work: &mut W,
    vigil: &Vigil,
) -> Result<Result<(), crate::saved::SavedError>, StoreError> {
    let bad = |error| StoreError::of_format(&found.name, error);
    let (_, mut reader) = Reader::open(snapshots.store.read(&found.name)?).map_err(bad)?;
    let mut chunk = Vec::new();
    while reader.next_chunk(&mut chunk).map_err(bad)?.is_some() {
        vigil.beat();
        for frame in frames(&chunk) {
            let taken_up = frame.and_then(|(kind, body)| work.load(kind, body));
            if taken_up.is_err() {
                return Ok(taken_up);
            }
        }
    }
    Ok(work.loaded())
}

/// Asks the store until it answers.
fn asked<R>(vigil: &Vigil, ask: impl FnMut() -> Result<R, StoreError>) -> anyhow::Result<R> {
    let mut ask = ask;
    loop {
        match ask() {
            Err(error) if error.is_transient() => {
                vigil.wait(&format_args!("the snapshot store: {error}"))?;
                std::thread::sleep(STORE_PAUSE);
            }
            answer => {
                vigil.note_answer();
                return Ok(answer?);
            }
        }
    }
}

/// Says that a snapshot is passed over because it is damaged; any other error is one.
fn tell_damaged(found: &Found, error: anyhow::Error) -> anyhow::Result<()> {
    match error.downcast_ref::<StoreError>() {
        Some(damaged) if matches!(damaged, StoreError::Format { .. } | StoreError::Missing { .. }) => {
            tracing::warn!(snapshot = found.name, "passed over: {damaged}");
            Ok(())
        }
        _ => Err(error),
    }
}
