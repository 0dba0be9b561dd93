//! Lists: what leaves the room.

use super::day::Day;
use super::label::Label;
use super::measure::Figures;
use crate::event::EventTime;
use crate::items::{ItemId, ShopId};
use crate::list_key::{About, ListKey, ListName};

/// A ranked list.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// Which list it is.
    pub key: ListKey,
    /// The time that all figures are decayed to.
    pub as_of: EventTime,
    /// Best first: the shown ones, then the reserve.
    pub entries: Vec<Entry>,
    /// How many of them are shown.
    pub shown: usize,
    /// What would have a place but for what is known of it, in no order that means anything.
    pub held_back: Vec<ItemId>,
}

impl List {
    /// A list to rank into.
    #[must_use]
    pub fn blank() -> Self {
        Self::empty(ListKey { shop: ShopId(0), list: ListName::ALL[0], about: About::Shop })
    }

    /// A list without entries.
    #[must_use]
    pub fn empty(key: ListKey) -> Self {
        Self { key, as_of: EventTime::MIN, entries: Vec::new(), shown: 0, held_back: Vec::new() }
    }

    /// Makes it a list of `key` without entries.
    pub fn clear(&mut self, key: ListKey, as_of: EventTime) {
        (self.key, self.as_of, self.shown) = (key, as_of, 0);
        self.entries.clear();
        self.held_back.clear();
    }

    /// Adds what ranking left out: roots that no gate needed.
    pub fn complete(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.llr_root.is_nan()) {
            entry.llr_root = entry.figures.llr_root();
        }
    }

    /// The shown entries.
    #[must_use]
    pub fn shown(&self) -> &[Entry] {
        &self.entries[..self.shown]
    }

    /// The entries behind them.
    #[must_use]
    pub fn reserve(&self) -> &[Entry] {
        &self.entries[self.shown..]
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// One candidate with all that its score is made of. Of what nobody has counted, support and weight are 0, and the day is the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The other item.
    pub item: ItemId,
    /// 0 to 100, in thousandths.
    pub score_milli: u32,
    /// What the list is ordered by, in thousandths.
    pub rank_milli: i64,
    /// Contexts behind the pair.
    pub support: u32,
    /// Weights of pair, anchor, other and contexts.
    pub figures: Figures,
    /// Signed root LLR; not a number until [`List::complete`], where no gate needed it.
    pub llr_root: f64,
    /// Day of the latest event behind the pair.
    pub last_seen: Day,
    /// Where it comes from, and what people said of it.
    pub label: Label,
}
