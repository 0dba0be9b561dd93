//! Which snapshots count: only those are among the `keep` that stay, and only by them a log is trimmed.
//!
//! One counts that a start could go by: every checksum of it is right, it is of the same log, rules, store and format, and its owner had not been
//! overtaken. An owner was overtaken when a later one (a higher epoch) has kept a state at the same offset or an earlier one: what it says is
//! right, but it may need of the totals what others have had deleted.
//! To read all of them every time would cost as much as all starts: what was found is remembered for as long as the object is the same, and for
//! [`WHOLE_FOR`] at most.

use super::{STATE_FORMAT, Snapshots};
use crate::position::Partition;
use crate::snapshot::{FormatError, Found, Head, StoreError};
use crate::stage::Log;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long a snapshot that was read whole is taken for whole, while the store says that it is the same.
const WHOLE_FOR: Duration = Duration::from_secs(3_600);

/// What all snapshots that may be mixed have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kin {
    log_id: u128,
    store_id: u128,
    identity: u64,
    partitions: (u32, u32),
    state_format: u16,
}

impl Kin {
    fn of(head: &Head) -> Self {
        let &Head { log_id, store_id, identity, partitions, state_format, .. } = head;
        Self { log_id, store_id, identity, partitions, state_format }
    }
}

/// What the head of a snapshot says.
#[derive(Clone, Debug)]
struct Said {
    kin: Kin,
    /// Its owner's.
    epoch: Option<u64>,
    /// From where it needs which partition of the totals log.
    totals: Vec<(u32, u64)>,
}

/// What is known of a snapshot.
#[derive(Clone, Debug)]
struct Known {
    version: String,
    /// What its head says, if that reads.
    said: Option<Said>,
    /// When all of it was read.
    whole_at: Option<Instant>,
}

impl Known {
    fn of(found: &Found, head: Option<&Head>, whole_at: Option<Instant>) -> Self {
        let said = head.map(|head| {
            let totals = head.inputs.iter().filter(|(log, ..)| log == Log::Totals.name());
            let totals = totals.map(|&(_, partition, offset)| (partition, offset));
            Said { kin: Kin::of(head), epoch: head.epoch, totals: totals.collect() }
        });
        Self { version: found.version.clone(), said, whole_at }
    }
}

/// A snapshot whose head says that it may be started from.
pub(super) struct Candidate {
    pub(super) found: Found,
    /// From where it needs which partition of the totals log.
    pub(super) totals: Vec<(u32, u64)>,
    epoch: Option<u64>,
    /// Whether its owner had been overtaken.
    pub(super) is_overtaken: bool,
}

/// What a worker knows of the snapshots in the store. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Counted {
    /// By name.
    known: Arc<Mutex<BTreeMap<String, Known>>>,
}

impl Counted {
    /// The snapshots of a partition whose heads say that they may be started from by whoever writes `ours`, newest first. `damaged` is
    /// called once for one whose head is not as it was written.
    pub(super) fn candidates(
        &self,
        snapshots: &Snapshots,
        (log, partition): (Log, Partition),
        ours: &Head,
        damaged: &dyn Fn(&Found, &StoreError),
    ) -> Result<Vec<Candidate>, StoreError> {
        let found = snapshots.newest(log, partition)?;
        self.keep_only(&found);
        let mut candidates = Vec::new();
        for found in found {
            if let Some(Said { kin, epoch, totals }) = self.said(snapshots, &found, damaged)?
                && kin == Kin::of(ours)
            {
                candidates.push(Candidate { found, totals, epoch, is_overtaken: false });
            }
        }
        // From the oldest on: the highest epoch so far.
        let mut highest = None;
        for candidate in candidates.iter_mut().rev() {
            candidate.is_overtaken = candidate.epoch < highest;
            highest = highest.max(candidate.epoch);
        }
        Ok(candidates)
    }

    /// Whether all of a snapshot is as it was written. `read` is called with every piece that is read, `damaged` once when it is not.
    pub(super) fn is_whole(
        &self,
        snapshots: &Snapshots,
        found: &Found,
        read: impl FnMut(),
        damaged: impl FnOnce(&StoreError),
    ) -> Result<bool, StoreError> {
        if let Some(known) = self.known(found) {
            match known {
                Known { said: None, .. } => return Ok(false),
                Known { whole_at: Some(at), .. } if at.elapsed() < WHOLE_FOR => return Ok(true),
                Known { .. } => {}
            }
        }
        match snapshots.store.verify_telling(&found.name, read) {
            Ok(verified) => {
                self.note(found, Known::of(found, Some(&verified.head), Some(Instant::now())));
                Ok(true)
            }
            Err(error @ StoreError::Format { .. }) => {
                self.note(found, Known::of(found, None, None));
                damaged(&error);
                Ok(false)
            }
            Err(StoreError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the head of a snapshot says; `None` where it does not read, or is gone.
    fn said(
        &self,
        snapshots: &Snapshots,
        found: &Found,
        damaged: &dyn Fn(&Found, &StoreError),
    ) -> Result<Option<Said>, StoreError> {
        if let Some(known) = self.known(found) {
            return Ok(known.said);
        }
        let known = match snapshots.store.head(&found.name) {
            Ok(head) if head.state_format == STATE_FORMAT => Known::of(found, Some(&head), None),
            Ok(_) | Err(StoreError::Format { source: FormatError::OtherFormat { .. }, .. }) => {
                Known::of(found, None, None)
            }
            Err(error @ StoreError::Format { .. }) => {
                damaged(found, &error);
                Known::of(found, None, None)
            }
            Err(StoreError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let said = known.said.clone();
        self.note(found, known);
        Ok(said)
    }

    fn known(&self, found: &Found) -> Option<Known> {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&found.name).filter(|known| known.version == found.version).cloned()
    }

    fn note(&self, found: &Found, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(found.name.clone(), known);
    }

    /// What is not in the store any more need not be known: `found` is all that there is of a partition.
    fn keep_only(&self, found: &[Found]) {
        let Some((folder, _)) = found.first().and_then(|found| found.name.rsplit_once('/')) else { return };
        let is_there = |name: &str| found.iter().any(|found| found.name == name);
        let is_of_it = |name: &str| name.rsplit_once('/').is_some_and(|(of, _)| of == folder);
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| !is_of_it(name) || is_there(name));
    }
}
