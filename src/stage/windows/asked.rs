//! What is asked of the stage, and told to it once.

use super::{WindowsTally, WindowsWork};
use crate::clicks::Clicks;
use crate::position::{Gap, SourcePartition};

impl WindowsWork {
    /// What became of the events so far.
    #[must_use]
    pub fn tally(&self) -> &WindowsTally {
        &self.tally
    }

    /// Events released because the merge buffer was full.
    #[must_use]
    pub fn forced(&self) -> u64 {
        self.merge.forced()
    }

    /// Of each source that was given up because it had waited for too long: its events that were released after later ones.
    pub fn late_arrivals(&self) -> impl Iterator<Item = (&SourcePartition, u64)> {
        self.late_arrivals.iter().filter_map(|(&index, &count)| Some((self.merge.name(index)?, count)))
    }

    /// Sources that were given up and have not caught up since.
    pub fn given_up(&self) -> impl Iterator<Item = &SourcePartition> {
        self.given_up.iter()
    }

    /// How long something may be missing from the log before the stage stops.
    pub fn set_gap_wait(&mut self, gap_wait_ms: i64) {
        self.identity.set_gap_wait(gap_wait_ms);
    }

    /// What is missing from the log that it reads.
    pub fn gaps(&self) -> impl Iterator<Item = Gap<'_>> {
        self.identity.known.ledger.gaps()
    }

    /// Users remembered.
    #[must_use]
    pub fn users(&self) -> usize {
        self.windows.visitors()
    }

    /// What was shown and clicked, and what came of it.
    #[must_use]
    pub fn clicks(&self) -> &Clicks {
        &self.clicks
    }

    /// Bytes held now, by kind.
    #[must_use]
    pub fn bytes_by_kind(&self) -> Vec<(&'static str, usize)> {
        let windows = self.windows.bytes().named();
        let others = [
            ("names", self.items.bytes() + self.names.held_bytes()),
            ("merge", self.merge.bytes()),
            ("blocks", self.outbox.held_bytes()),
            ("clicks", if self.clicks.is_active() { self.clicks.bytes() } else { 0 }),
        ];
        windows.into_iter().chain(others).collect()
    }

    /// Deltas appended, and deltas that the log held already.
    #[must_use]
    pub fn appended(&self) -> (u64, u64) {
        (self.outbox.deltas, self.outbox.muted)
    }
}
