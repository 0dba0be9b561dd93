//! Distinct items that belong together because no gap between them is too long: a cart. (Sessions, of which there are several, use
//! its words.)

use super::exact;
use super::saved::Met;
use crate::event::EventTime;
use crate::items::ItemId;

/// The open window of a user. It has none until the first event.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct GapWindow {
    /// Distinct items, in order of first arrival.
    items: Box<[ItemId]>,
    /// [`NEVER`] while it is not open.
    latest: EventTime,
}

/// No event has this time: intake refuses all that lie before 1970.
const NEVER: EventTime = EventTime::MIN;

impl Default for GapWindow {
    fn default() -> Self {
        Self { items: Box::default(), latest: NEVER }
    }
}

/// How an event's time stands to the window.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Older than the latest by more than the gap: belongs to a window that is gone.
    Late,
    /// The first of a new window.
    Opens,
    /// Within the gap, either side.
    Continues,
}

/// What there is for an item in the window.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is in there already.
    Held,
    /// It is new, and the window is full.
    Full,
    /// It is new.
    Free,
}

impl GapWindow {
    /// Moves the window to an event at `time`. Nothing moves when it is late.
    pub(super) fn arrive(&mut self, time: EventTime, gap_ms: i64) -> Arrival {
        match self.latest {
            latest if latest != NEVER && latest.since(time) > gap_ms => Arrival::Late,
            latest if latest != NEVER && time.since(latest) <= gap_ms => {
                self.latest = latest.max(time);
                Arrival::Continues
            }
            _ => {
                self.items = Box::default();
                self.latest = time;
                Arrival::Opens
            }
        }
    }

    pub(super) fn place(&self, item: ItemId, max_items: usize) -> Place {
        place(&self.items, item, max_items)
    }

    pub(super) fn push(&mut self, item: ItemId) {
        exact::push(&mut self.items, item);
    }

    /// Takes note of what it names.
    pub(super) fn fits(&self, met: &mut Met) {
        met.items(&self.items);
    }

    pub(super) fn items(&self) -> &[ItemId] {
        &self.items
    }

    /// Closes the window, unless something came in after `time`.
    pub(super) fn close_at(&mut self, time: EventTime) {
        if self.latest <= time {
            *self = Self::default();
        }
    }
}

/// What there is for `item` among those that are there.
pub(super) fn place(items: &[ItemId], item: ItemId, max_items: usize) -> Place {
    if items.contains(&item) {
        Place::Held
    } else if items.len() >= max_items {
        Place::Full
    } else {
        Place::Free
    }
}
