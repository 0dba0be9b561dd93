//! How the snapshots of a worker's partitions stand, for who watches.

use super::restoring::Restored;
use super::storing::Published;
use crate::position::{NextOffset, Partition};
use crate::stage::{Clock, Log};
use crate::watch::health::StageName;
use crate::watch::metrics::{Metrics, SnapshotFollower};

/// What a partition began with when it was taken over.
#[derive(Clone, Debug, Default)]
pub(in crate::drive) struct Begun {
    /// Where reading begins.
    pub(in crate::drive) next: NextOffset,
    /// When the snapshot was taken, by the wall clock of who took it; `None` where there was none.
    written_at_ms: Option<i64>,
    bytes: u64,
    seconds: f64,
}

impl Begun {
    /// With what was restored, if anything.
    pub(in crate::drive) fn of<W>(restored: Option<&Restored<W>>) -> Self {
        let Some(Restored { head, bytes, seconds, .. }) = restored else { return Self::default() };
        let (next, written_at_ms) = (NextOffset(head.offset), Some(head.written_at_ms));
        Self { next, written_at_ms, bytes: *bytes, seconds: *seconds }
    }
}

/// The stage that reads `log`.
pub(super) fn reader_of(log: Log) -> StageName {
    if log == Log::Events { StageName::Windows } else { StageName::Rows }
}

/// How the snapshots of one partition stand.
pub(super) struct Watched {
    follower: SnapshotFollower,
    /// When the newest was taken, by the steady clock; where there is none, when the partition was taken over.
    taken_ms: i64,
}

impl Watched {
    /// A partition that was taken over now, and has `records` still to read.
    pub(super) fn new(
        metrics: &Metrics,
        log: Log,
        partition: Partition,
        begun: &Begun,
        records: u64,
        now: Clock,
    ) -> Self {
        let mut follower = metrics.snapshots(reader_of(log), partition);
        follower.restored(begun.seconds, begun.bytes, records);
        let age_ms = begun.written_at_ms.map_or(0, |written_ms| now.wall_ms.saturating_sub(written_ms).max(0));
        Self { follower, taken_ms: now.monotonic_ms.saturating_sub(age_ms) }
    }

    /// One that was taken at `taken_ms` is there.
    pub(super) fn published(&mut self, published: &Published, seconds: f64, taken_ms: i64) {
        self.follower.published(published.bytes, seconds);
        // How far one goes that leaves what is young, only the brokers know.
        for trim in published.trims.iter().filter(|trim| trim.stays_from_ms.is_none()) {
            self.follower.trimmed(trim.log, trim.partition, trim.to);
        }
        self.taken_ms = taken_ms;
    }

    /// Shows its age, and how many records were read since.
    pub(super) fn show(&mut self, unsaved: u64, now_ms: i64) {
        self.follower.update(now_ms.saturating_sub(self.taken_ms), unsaved);
    }
}
