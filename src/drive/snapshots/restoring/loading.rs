//! Loading snapshots: several at once, each unpacked ahead of what is taken up where there are cores for it.
//!
//! Nothing here asks a log.

use super::super::Snapshots;
use super::{Restored, asked, tell_damaged};
use crate::drive::vigil::Vigil;
use crate::position::Partition;
use crate::saved::{SavedError, frames};
use crate::snapshot::store::Reading;
use crate::snapshot::{FormatError, Found, Head, Reader, StoreError};
use crate::stage::Kept;
use crate::watch::metrics::PassedOver;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the log says how far a long restore is.
const SAY_PROGRESS: Duration = Duration::from_secs(10);

/// Snapshots that are loaded at once, at most: each holds some 20 MiB of what it reads and unpacks, and cores are used for other work too.
const LOADED_AT_ONCE_MAX: usize = 16;
/// Chunks that are unpacked ahead of what is taken up.
const UNPACKED_AHEAD_MAX: usize = 4;

/// A snapshot that is to be loaded.
pub(super) struct Job {
    /// Whose it is, among those that are wanted.
    pub(super) place: usize,
    pub(super) partition: Partition,
    pub(super) found: Found,
    pub(super) head: Head,
}

/// Whose it was, and what came of it.
pub(super) type Came<W> = (usize, anyhow::Result<Result<Restored<W>, PassedOver>>);

/// Loads snapshots, as many at once as there are cores for.
pub(super) fn load_all<W: Kept + Send>(
    snapshots: &Snapshots,
    jobs: Vec<Job>,
    vigil: &Vigil,
    now_ms: i64,
    make: &(impl Fn(Partition) -> W + Sync),
) -> Vec<Came<W>> {
    let cores = if snapshots.is_inline { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let (hands, is_ahead) = (cores.min(jobs.len()).min(LOADED_AT_ONCE_MAX), cores > jobs.len());
    let jobs = Mutex::new(jobs.into_iter());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work_off = || {
        let mut all = Vec::new();
        while let Some(job) = next() {
            all.push((job.place, load(snapshots, job, vigil, is_ahead, now_ms, make)));
        }
        all
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..hands).map(|_| scope.spawn(work_off)).collect();
        let mut all = work_off();
        for other in others {
            match other.join() {
                Ok(more) => all.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

/// The state of one snapshot, or why it is not started from.
fn load<W: Kept>(
    snapshots: &Snapshots,
    job: Job,
    vigil: &Vigil,
    is_ahead: bool,
    now_ms: i64,
    make: &impl Fn(Partition) -> W,
) -> anyhow::Result<Result<Restored<W>, PassedOver>> {
    let Job { partition, found, head, .. } = job;
    let (snapshot, began) = (&found.name, Instant::now());
    let (work, bytes) = match asked(vigil, || loaded(snapshots, &found, make(partition), vigil, is_ahead)) {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(error)) => {
            tracing::warn!(snapshot, "passed over: its state {error}");
            return Ok(Err(PassedOver::Damaged));
        }
        Err(error) => return tell_damaged(&found, error).map(Err),
    };
    let seconds = began.elapsed().as_secs_f64();
    let age_seconds = now_ms.saturating_sub(head.written_at_ms) / 1_000;
    let (offset, written_by) = (head.offset, &head.written_by);
    tracing::info!(snapshot, offset, age_seconds, bytes, seconds, written_by, "restored");
    Ok(Ok(Restored { work, head, bytes, seconds }))
}

/// `work`, new, with the state of a snapshot, and the snapshot's bytes. Chunks are unpacked ahead of it by a thread of their own, if `is_ahead`.
fn loaded<W: Kept>(
    snapshots: &Snapshots,
    found: &Found,
    mut work: W,
    vigil: &Vigil,
    is_ahead: bool,
) -> Result<Result<(W, u64), SavedError>, StoreError> {
    let bad = |error| StoreError::of_format(&found.name, error);
    let reading = snapshots.store.read(&found.name)?;
    let bytes = reading.size();
    let (_, mut reader) = Reader::open(reading).map_err(bad)?;
    let (mut said, mut chunks, mut raw_bytes) = (Instant::now(), 0_u64, 0_usize);
    let mut take_up = |chunk: &[u8]| {
        vigil.beat();
        (chunks, raw_bytes) = (chunks + 1, raw_bytes + chunk.len());
        if said.elapsed() >= SAY_PROGRESS {
            said = Instant::now();
            tracing::info!(snapshot = found.name, chunks, raw_bytes, bytes, "restoring");
        }
        frames(chunk).try_for_each(|frame| frame.and_then(|(kind, body)| work.load(kind, body)))
    };
    let taken_up = if is_ahead {
        unpacked_ahead(reader, &mut take_up).map_err(bad)?
    } else {
        let mut chunk = Vec::new();
        let mut taken_up = Ok(());
        while taken_up.is_ok() && reader.next_chunk(&mut chunk).map_err(bad)?.is_some() {
            taken_up = take_up(&chunk);
        }
        taken_up
    };
    Ok(taken_up.and_then(|()| work.loaded()).map(|()| (work, bytes)))
}

/// Gives all chunks of a snapshot to `take_up`, until it fails, while the next ones are unpacked.
fn unpacked_ahead(
    mut reader: Reader<Reading>,
    take_up: &mut dyn FnMut(&[u8]) -> Result<(), SavedError>,
) -> Result<Result<(), SavedError>, FormatError> {
    std::thread::scope(|scope| {
        let (give, taken) = sync_channel(UNPACKED_AHEAD_MAX);
        scope.spawn(move || {
            let mut chunk = Vec::new();
            loop {
                let next = match reader.next_chunk(&mut chunk) {
                    Ok(Some(())) => Ok(std::mem::take(&mut chunk)),
                    Ok(None) => return,
                    Err(error) => Err(error),
                };
                let is_last = next.is_err();
                if give.send(next).is_err() || is_last {
                    return; // nobody wants more
                }
            }
        });
        for chunk in taken {
            if let Err(error) = take_up(&chunk?) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    })
}
