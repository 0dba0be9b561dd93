//! What a user was shown lately.

use super::cells::CellId;
use super::generations::Held;
use crate::event::EventTime;
use crate::limits::CLICK_ENTRIES_SEEN_MAX;
use serde::{Deserialize, Serialize};

/// Marks a cell's number of an entry that was clicked.
const CLICKED: u32 = 1 << 31;

/// An entry that was shown.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct SeenEntry {
    at: i64,
    tag: u32,
    cell: u32,
}

impl SeenEntry {
    /// Where it was counted.
    pub fn cell(&self) -> CellId {
        self.cell & !CLICKED
    }

    /// Whether a click of it was counted.
    pub fn is_clicked(&self) -> bool {
        self.cell & CLICKED != 0
    }
}

/// What became of an entry that was shown.
pub(super) enum Met {
    New,
    Again,
    /// The user was shown more than is remembered.
    Full,
}

/// What one user was shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    latest: i64,
    entries: Vec<SeenEntry>,
}

impl Seen {
    /// Something is shown at `time`: what was seen too long before is forgotten.
    pub fn start(&mut self, time: EventTime, gap_ms: i64) {
        self.latest = if self.entries.is_empty() { time.0 } else { self.latest.max(time.0) };
        let from = self.latest.saturating_sub(gap_ms);
        self.entries.retain(|entry| entry.at >= from);
    }

    /// An entry is shown.
    pub fn meet(&mut self, tag: u32, time: EventTime, gap_ms: i64, cell: CellId) -> Met {
        let is_near = |entry: &SeenEntry| time.0.saturating_sub(entry.at).saturating_abs() <= gap_ms;
        if let Some(known) = self.entries.iter_mut().find(|entry| entry.tag == tag && is_near(entry)) {
            known.at = known.at.max(time.0);
            return Met::Again;
        }
        if self.entries.len() >= CLICK_ENTRIES_SEEN_MAX {
            return Met::Full;
        }
        self.entries.push(SeenEntry { at: time.0, tag, cell });
        Met::New
    }

    /// The entry, if it was shown about `time`.
    pub fn find(&self, tag: u32, time: EventTime, gap_ms: i64) -> Option<SeenEntry> {
        let is_near = |entry: &SeenEntry| time.0.saturating_sub(entry.at).saturating_abs() <= gap_ms;
        self.entries.iter().copied().find(|entry| entry.tag == tag && is_near(entry))
    }

    /// A click of it was counted.
    pub fn note_click(&mut self, shown: &SeenEntry) {
        let is_it = |entry: &&mut SeenEntry| (entry.tag, entry.at) == (shown.tag, shown.at);
        if let Some(entry) = self.entries.iter_mut().find(is_it) {
            entry.cell |= CLICKED;
        }
    }
}

impl Held for Seen {
    fn cost(&self) -> usize {
        size_of::<Self>() + self.entries.len() * size_of::<SeenEntry>()
    }

    fn latest(&self) -> EventTime {
        EventTime(self.latest)
    }

    fn cells(&self) -> impl Iterator<Item = CellId> {
        self.entries.iter().map(SeenEntry::cell)
    }
}
