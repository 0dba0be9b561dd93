//! The state of the windows as it is kept: a head, and the table of visitors.
//!
//! The table is kept place by place, with whom reclaiming looks at next. That decides whether an event that comes later than the horizon
//! after everybody else's finds its user, and so what it gives: positions on the log behind count what each event gives, and would
//! shift if it were otherwise after a restart.

use super::{Tally, Windows};
use crate::event::EventTime;
use crate::items::{ItemId, ShopId};
use crate::saved::{SavedError, Saving};
use serde::{Deserialize, Serialize};

/// Higher counters are not ours: to count on from them could overflow.
pub const COUNT_MAX: u64 = 1 << 56;

/// What the windows keep besides visitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowsHead {
    now: EventTime,
    tally: Tally,
    visitors: u32,
    /// Whom reclaiming looks at next.
    hand: u32,
}

/// Which items and shops a state names, as far as it has been read: those that its tables must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    items: u32,
    shops: u32,
}

impl Met {
    /// It names an item.
    pub fn item(&mut self, item: ItemId) {
        self.items = self.items.max(item.0.saturating_add(1));
    }

    /// It names several.
    pub fn items(&mut self, items: &[ItemId]) {
        items.iter().for_each(|&item| self.item(item));
    }

    /// It names a shop.
    pub fn shop(&mut self, shop: ShopId) {
        self.shops = self.shops.max(shop.0.saturating_add(1));
    }

    /// Whether tables of so many items and shops have all of it.
    ///
    /// # Errors
    /// When they have not.
    pub fn is_within(self, items: usize, shops: usize) -> Result<(), SavedError> {
        if self.items as usize <= items && self.shops as usize <= shops {
            return Ok(());
        }
        let Self { items: last_item, shops: last_shop } = self;
        Err(SavedError::unfit(format!("{last_item} items and {last_shop} shops are named, of {items} and {shops}")))
    }
}

impl Windows {
    /// From here on [`Windows::save`] gives the visitors as they are now.
    pub fn begin_save(&mut self) -> WindowsHead {
        let (visitors, hand) = self.visitors.begin_save();
        WindowsHead { now: self.now, tally: self.tally, visitors, hand }
    }

    /// Appends frames of kind `kind`: of visitors that changed since the last time, which had to go early, and then of others until
    /// `bytes_max` more have been appended.
    pub fn save(&mut self, kind: u8, bytes_max: usize, out: &mut Vec<u8>) -> Saving {
        self.visitors.save(kind, bytes_max, out)
    }

    /// Bytes of visitors that had to go early, and have not been appended yet.
    #[must_use]
    pub fn held_early(&self) -> usize {
        self.visitors.held_early()
    }

    /// No more of it is wanted.
    pub fn end_save(&mut self) {
        self.visitors.end_save();
    }

    /// Takes up a frame's body.
    ///
    /// # Errors
    /// When it does not read.
    pub fn load(&mut self, body: &[u8]) -> Result<(), SavedError> {
        self.visitors.load(body)
    }

    /// All have been taken up. Returns what they name.
    ///
    /// # Errors
    /// When they are not the visitors that `head` is of.
    pub fn loaded(&mut self, head: WindowsHead) -> Result<Met, SavedError> {
        let Tally { events, duplicate, late, overlong, bulk, stale, unchanged, unknown_order } = head.tally;
        let counters = [duplicate, late, overlong, bulk, stale, unchanged, unknown_order];
        if counters.iter().chain(&events).any(|&count| count > COUNT_MAX) || duplicate > events.iter().sum() {
            return Err(SavedError::unfit("more events than there can be"));
        }
        (self.now, self.tally) = (head.now, head.tally);
        self.visitors.loaded(head.visitors, head.hand)
    }
}
