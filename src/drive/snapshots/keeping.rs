//! What a worker does for snapshots, turn by turn and at its end: the same for all.

use super::Saver;
use crate::drive::transport::{Transport, Writer};
use crate::drive::worker::Hands;
use crate::position::{NextOffset, Partition};
use crate::stage::{Clock, Kept, Stage};
use std::time::{Duration, Instant};

/// How long a worker that ends takes snapshots, so that the next start is a short one: well within what a stop may take.
const LAST_SNAPSHOTS_MAX: Duration = Duration::from_secs(15);
/// How long it waits at a time for the store.
const LAST_SNAPSHOTS_PAUSE: Duration = Duration::from_millis(2);

/// A worker whose partitions' states are kept.
pub(in crate::drive) trait Keeping<T: Transport> {
    /// What its stages do.
    type Work: Kept;
    /// Its means.
    fn means(&mut self) -> &mut Hands<T>;
    /// What takes its snapshots.
    fn saver(&self) -> &Saver;
    /// The same, and the stage of a partition, while it is its own.
    fn saver_and_stage(&mut self, partition: Partition) -> (&mut Saver, Option<&mut Stage<Self::Work>>);
    /// How far a partition has read.
    fn read_to(&self, partition: Partition) -> Option<NextOffset>;
    /// Begins the snapshot of a partition.
    ///
    /// # Errors
    /// When its marks cannot be appended.
    fn begin_save(&mut self, partition: Partition, now: Clock) -> anyhow::Result<()>;

    /// A turn of what snapshots need: goes on with the one that is being taken, or begins the one that is due.
    fn keep(&mut self) -> anyhow::Result<()> {
        let now = self.means().now();
        if self.saver().at_work().is_some() {
            self.go_on_saving(now);
            return Ok(());
        }
        match self.saver().due(now.monotonic_ms, |partition| self.read_to(partition)) {
            Some(partition) => self.begin_save(partition, now),
            None => Ok(()),
        }
    }

    /// Of each partition that has read something since its last snapshot one more, as far as time allows: the next start is a short one.
    fn keep_all(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + LAST_SNAPSHOTS_MAX;
        self.end_saving(deadline)?;
        for partition in self.saver().unsaved(|partition| self.read_to(partition)) {
            if Instant::now() < deadline {
                let now = self.means().now();
                self.begin_save(partition, now)?;
                self.end_saving(deadline)?;
            }
        }
        Ok(())
    }

    /// Ends the snapshot that is being taken.
    fn end_saving(&mut self, deadline: Instant) -> anyhow::Result<()> {
        while self.saver().at_work().is_some() && Instant::now() < deadline {
            self.means().writer.look()?;
            let now = self.means().now();
            self.go_on_saving(now);
            if self.saver().at_work().is_some() && !self.saver().is_busy() {
                std::thread::sleep(LAST_SNAPSHOTS_PAUSE);
            }
        }
        Ok(())
    }

    /// A turn of the snapshot that is being taken.
    fn go_on_saving(&mut self, now: Clock) {
        let Some((partition, era)) = self.saver().at_work() else { return };
        let is_acknowledged = self.means().writer.is_done(era);
        let (saver, stage) = self.saver_and_stage(partition);
        if let Some(outcome) = saver.go_on(stage, is_acknowledged, now.monotonic_ms) {
            let stage = self.saver().stage();
            self.means().heed(stage, outcome);
        }
    }
}
