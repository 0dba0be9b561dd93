//! Starting from a snapshot: which one may be used, or why none may.
//!
//! The newest that is good counts; one that is damaged, torn or from another release is passed over, and said so. So is one behind which a log
//! has been trimmed: an owner that was overtaken may have published it late. One that is good but cannot belong to the log that is there is a
//! refusal, never passed over: the log, or the store, is another one.
//!
//! Partitions that come together are decided on together ([`Choice`]), with one look at the logs for all of them, and loaded at once, by a thread
//! a core (`loading`). Only the worker's own thread asks the logs. What they have lost while states were loaded is looked at again, when all are:
//! of such partitions the choice is begun anew.

mod loading;

use self::loading::{Job, load_all};
use super::watching::reader_of;
use super::{STATE_FORMAT, Snapshots, facts_of};
use crate::drive::plan::Plan;
use crate::drive::recovery::{Refusal, holds_from};
use crate::drive::transport::Bounds;
use crate::drive::vigil::Vigil;
use crate::drive::worker::Ties;
use crate::position::{Checkpoint, NextOffset, Partition, Position, SourcePartition};
use crate::snapshot::{Found, Head, StoreError};
use crate::stage::{Kept, Log, PartitionFacts};
use crate::watch::metrics::PassedOver;
use crate::watch::waits::Outside;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long between two tries to reach a store that does not answer: at first, and at most. In between it doubles.
const STORE_PAUSE_MIN: Duration = Duration::from_millis(500);
const STORE_PAUSE_MAX: Duration = Duration::from_secs(16);
/// How often a choice is begun anew because logs were trimmed while states were loaded.
const CHOICES_MAX: usize = 5;

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

/// The checksums of the records that checkpoints were made at, as the log holds them now.
pub(in crate::drive) type FoundAt<'a> =
    dyn Fn(&[(Partition, Checkpoint)]) -> anyhow::Result<BTreeMap<Partition, u32>> + 'a;

/// What states would need of the logs and is not there any more, by their heads: of those partitions where something is missing.
pub(in crate::drive) type Lost<'a> = dyn Fn(&[(Partition, &Head)]) -> anyhow::Result<BTreeMap<Partition, Refusal>> + 'a;

/// What the logs are asked. All that is asked while a choice is made is asked again when it is begun anew.
pub(in crate::drive) struct Logs<'a> {
    /// What a snapshot of a partition must be of, as things are now.
    pub(in crate::drive) wanted: &'a dyn Fn(Partition) -> anyhow::Result<Wanted>,
    pub(in crate::drive) found_at: &'a FoundAt<'a>,
    pub(in crate::drive) lost: &'a Lost<'a>,
}

/// What a stage goes on from.
pub(in crate::drive) struct Restored<W> {
    pub(in crate::drive) work: W,
    pub(in crate::drive) head: Head,
    /// Of the snapshot, as stored.
    pub(in crate::drive) bytes: u64,
    /// What loading it took.
    pub(in crate::drive) seconds: f64,
}

/// Of each partition work that `make` makes, with the state of the newest snapshot that may be used; `None` where there is none.
///
/// Which one may be used is asked first, of all. Loading takes longer: that goes on for several at once.
///
/// # Errors
/// What is missing of the logs for the newest snapshot of a partition, where they have lost what lies behind all that could be used.
pub(in crate::drive) fn restore<W: Kept + Send>(
    snapshots: &Snapshots,
    partitions: &[Partition],
    ties: &Ties,
    logs: &Logs<'_>,
    make: &(impl Fn(Partition) -> W + Sync),
) -> anyhow::Result<Vec<Option<Restored<W>>>> {
    let passed_over = |log, why| ties.metrics.count_passed_over(reader_of(log), why);
    restore_telling(snapshots, partitions, (&ties.vigil, ties.clock.now().wall_ms), logs, &passed_over, make)
}

/// The same; `passed_over` is told of every snapshot that is not started from.
fn restore_telling<W: Kept + Send>(
    snapshots: &Snapshots,
    partitions: &[Partition],
    (vigil, now_ms): (&Vigil, i64),
    logs: &Logs<'_>,
    passed_over: &dyn Fn(Log, PassedOver),
    make: &(impl Fn(Partition) -> W + Sync),
) -> anyhow::Result<Vec<Option<Restored<W>>>> {
    let (mut states, mut choices, mut open) = (BTreeMap::new(), BTreeMap::<_, usize>::new(), partitions.to_vec());
    while !open.is_empty() {
        let wanted = open.iter().map(|&partition| (logs.wanted)(partition)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut choice = Choice::of(snapshots, &wanted, vigil, logs.found_at, logs.lost)?;
        let loaded = load_chosen(&mut choice, now_ms, make);
        choice.passed_over.iter().for_each(|&(place, why)| passed_over(wanted[place].log, why));
        for (wanted, restored) in wanted.iter().zip(loaded?) {
            states.extend(restored.map(|restored| (wanted.partition, (wanted.log, restored))));
        }
        open.clear();
        let heads: Vec<_> = states.iter().map(|(&partition, (_, restored))| (partition, &restored.head)).collect();
        let lost = if heads.is_empty() { BTreeMap::new() } else { (logs.lost)(&heads)? };
        for (partition, refusal) in lost {
            let Some((log, _)) = states.remove(&partition) else { continue };
            passed_over(log, PassedOver::Trimmed);
            let choices = choices.entry(partition).or_default();
            *choices += 1;
            if *choices >= CHOICES_MAX {
                return Err(refusal.into());
            }
            // Others have gone on meanwhile: there are newer ones.
            let (stage, partition_number) = (reader_of(log).name(), partition.0);
            tracing::warn!(stage, partition = partition_number, "chosen anew: trimmed while it was loaded: {refusal}");
            open.push(partition);
        }
    }
    Ok(partitions.iter().map(|partition| states.remove(partition).map(|(_, restored)| restored)).collect())
}

/// Loads of each place the newest that may be used.
fn load_chosen<W: Kept + Send>(
    choice: &mut Choice<'_>,
    now_ms: i64,
    make: &(impl Fn(Partition) -> W + Sync),
) -> anyhow::Result<Vec<Option<Restored<W>>>> {
    let Choice { snapshots, wanted, vigil, .. } = *choice;
    let mut all: Vec<Option<Restored<W>>> = wanted.iter().map(|_| None).collect();
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    while !open.is_empty() {
        let mut jobs = Vec::new();
        for (place, chosen) in choice.next(&open)? {
            match chosen {
                Some((found, head)) => jobs.push(Job { place, partition: wanted[place].partition, found, head }),
                None => choice.begin_without(place)?,
            }
        }
        open.clear();
        for (place, came) in load_all(snapshots, jobs, vigil, now_ms, make) {
            match came? {
                Ok(restored) => all[place] = Some(restored),
                Err(why) => {
                    choice.passed_over.push((place, why));
                    open.push(place);
                }
            }
        }
    }
    Ok(all)
}

/// The snapshots of several partitions, newest first, and which of them may be used.
struct Choice<'c> {
    snapshots: &'c Snapshots,
    wanted: &'c [Wanted],
    vigil: &'c Vigil,
    found_at: &'c FoundAt<'c>,
    lost: &'c Lost<'c>,
    /// Those that have not been looked at.
    found: Vec<std::vec::IntoIter<Found>>,
    passed_over: Vec<(usize, PassedOver)>,
    /// What is to be said where none is of use: what is missing for the newest.
    refusals: BTreeMap<usize, Refusal>,
}

/// The place of a partition among those wanted, and its snapshot that may be used.
type Chosen = (usize, Option<(Found, Head)>);

impl<'c> Choice<'c> {
    fn of(
        snapshots: &'c Snapshots,
        wanted: &'c [Wanted],
        vigil: &'c Vigil,
        found_at: &'c FoundAt<'c>,
        lost: &'c Lost<'c>,
    ) -> anyhow::Result<Self> {
        let found = wanted.iter().map(|wanted| Ok(listed(snapshots, wanted, vigil)?.into_iter()));
        let found = found.collect::<anyhow::Result<Vec<_>>>()?;
        let (passed_over, refusals) = (Vec::new(), BTreeMap::new());
        Ok(Self { snapshots, wanted, vigil, found_at, lost, found, passed_over, refusals })
    }

    /// Of each of these places the next snapshot that may be used, as far as its head and the logs tell; `None` where none is left.
    fn next(&mut self, places: &[usize]) -> anyhow::Result<Vec<Chosen>> {
        let (mut chosen, mut open) = (Vec::new(), places.to_vec());
        while !open.is_empty() {
            let mut heads = Vec::new();
            for place in std::mem::take(&mut open) {
                match self.next_head(place)? {
                    Some((found, head)) => heads.push((place, found, head)),
                    None => chosen.push((place, None)),
                }
            }
            if heads.is_empty() {
                break;
            }
            let checkpoints = heads.iter().map(|(place, _, head)| (self.wanted[*place].partition, checkpoint_of(head)));
            let records = (self.found_at)(&checkpoints.collect::<Vec<_>>())?;
            for (place, found, head) in &heads {
                let wanted = &self.wanted[*place];
                belongs(wanted, found, head, records.get(&wanted.partition).copied())?;
            }
            let needed = heads.iter().map(|(place, _, head)| (self.wanted[*place].partition, head));
            let mut lost = (self.lost)(&needed.collect::<Vec<_>>())?;
            for (place, found, head) in heads {
                let wanted = &self.wanted[place];
                if let Some(refusal) = lost.remove(&wanted.partition) {
                    self.pass_over_trimmed(place, &found, refusal);
                    open.push(place);
                } else if wanted.behind.is_some_and(|behind| is_ahead(&head, behind)) {
                    let snapshot = &found.name;
                    tracing::warn!(snapshot, "passed over: the log behind has not got all that was made before it");
                    self.passed_over.push((place, PassedOver::Behind));
                    open.push(place);
                } else {
                    chosen.push((place, Some((found, head))));
                }
            }
        }
        Ok(chosen)
    }

    fn pass_over_trimmed(&mut self, place: usize, found: &Found, refusal: Refusal) {
        tracing::warn!(snapshot = found.name, "passed over: a log is trimmed behind what it needs: {refusal}");
        self.passed_over.push((place, PassedOver::Trimmed));
        self.refusals.entry(place).or_insert(refusal);
    }

    /// Nothing is left of a place: its log is read from the start, unless something is missing for those that there were.
    fn begin_without(&mut self, place: usize) -> Result<(), Refusal> {
        if let Some(refusal) = self.refusals.remove(&place) {
            return Err(refusal);
        }
        let (stage, partition) = (reader_of(self.wanted[place].log).name(), self.wanted[place].partition.0);
        let passed_over = self.passed_over.iter().filter(|(of, _)| *of == place).count();
        tracing::info!(stage, partition, passed_over, "no snapshot to start from: its log is read from the start");
        Ok(())
    }

    /// The next one whose head is good, and fits the settings.
    fn next_head(&mut self, place: usize) -> anyhow::Result<Option<(Found, Head)>> {
        let wanted = &self.wanted[place];
        while let Some(found) = self.found[place].next() {
            let head = match usable(self.snapshots, wanted, &found, self.vigil)? {
                Ok(head) => head,
                Err(passed_over) => {
                    self.passed_over.push((place, passed_over));
                    continue;
                }
            };
            // Older ones are no better, newer ones may be.
            match holds_from(wanted.log, wanted.partition, wanted.bounds, NextOffset(head.offset)) {
                Ok(()) => return Ok(Some((found, head))),
                Err(refusal) => self.pass_over_trimmed(place, &found, refusal),
            }
        }
        Ok(None)
    }
}

/// What the newest snapshot that belongs to each partition says of the log, and up to which offset. Whether its state is good is not looked at.
pub(in crate::drive) fn head_facts(
    snapshots: &Snapshots,
    wanted: &[Wanted],
    vigil: &Vigil,
    found_at: &FoundAt<'_>,
) -> anyhow::Result<Vec<Option<(NextOffset, PartitionFacts)>>> {
    let mut choice = Choice::of(snapshots, wanted, vigil, found_at, &|_| Ok(BTreeMap::new()))?;
    let mut all: Vec<_> = wanted.iter().map(|_| None).collect();
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    while !open.is_empty() {
        let chosen = choice.next(&open)?;
        open.clear();
        for (place, chosen) in chosen {
            let Some((found, head)) = chosen else { continue };
            all[place] = facts_of(&head).map(|facts| (NextOffset(head.offset), facts));
            if all[place].is_none() {
                tracing::warn!(snapshot = found.name, "passed over: its head does not read");
                open.push(place);
            }
        }
    }
    Ok(all)
}

/// The head of a snapshot that may be used, as far as the head tells.
fn usable(
    snapshots: &Snapshots,
    wanted: &Wanted,
    found: &Found,
    vigil: &Vigil,
) -> anyhow::Result<Result<Head, PassedOver>> {
    let head = match asked(vigil, || snapshots.store.head(&found.name)) {
        Ok(head) => head,
        Err(error) => return tell_damaged(found, error).map(Err),
    };
    if head.state_format != STATE_FORMAT {
        let format = head.state_format;
        tracing::warn!(snapshot = found.name, format, known = STATE_FORMAT, "passed over: a state of another release");
        return Ok(Err(PassedOver::Format));
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
    Ok(Ok(head))
}

/// Where the log that a snapshot was made of goes on, and the record before.
fn checkpoint_of(head: &Head) -> Checkpoint {
    Checkpoint { position: Position::start_of(NextOffset(head.offset)), checksum: head.checksum }
}

/// Whether what follows from the records before a snapshot is not all in the log behind, which has everything up to `behind`. From before
/// the place where counting began nothing follows.
fn is_ahead(head: &Head, behind: Position) -> bool {
    behind.max(Position::start_of(NextOffset(head.origin))) < Position::start_of(NextOffset(head.offset))
}

/// Whether a snapshot is of the log that is there; `found_record` is the record before its offset, as the log holds it.
fn belongs(wanted: &Wanted, found: &Found, head: &Head, found_record: Option<u32>) -> Result<(), Refusal> {
    let (checkpoint, name) = (checkpoint_of(head), found.name.clone());
    // The record before it stays when a log is trimmed: that is how the log is known to be the one that was read.
    if found_record.is_none()
        && checkpoint.record().is_some_and(|record| record >= wanted.bounds.low)
        && head.offset <= wanted.bounds.high.0
    {
        let what = "the record before its offset cannot be found in the log".to_owned();
        return Err(Refusal::Snapshot { name, what });
    }
    let input = SourcePartition::new(wanted.log.name(), wanted.partition.0);
    let resumed = checkpoint.resume(wanted.bounds.low, wanted.bounds.high, found_record);
    resumed.map(|_| ()).map_err(|error| Refusal::Ahead { name, input, error })
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
