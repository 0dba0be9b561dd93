//! What the stages count: plain running totals, added to in the hot path and shown to [`super::Metrics`] once a batch.
//!
//! A tally starts at 0 with its worker and only grows. Sizes (rows, bytes, users) may shrink.

use super::delay::DelayTally;
use crate::clicks::CellTally;
use crate::event::EventType;
use crate::findings::Kind;
use crate::list_key::ListName;
use crate::relation::{Fate, Relation};
use crate::stage::HitTally;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All fates with the names used in labels.
pub const FATES: [(Fate, &str); Fate::COUNT] = [
    (Fate::Counted, "counted"),
    (Fate::Duplicate, "duplicate"),
    (Fate::Late, "late"),
    (Fate::Overlong, "overlong"),
    (Fate::Bulk, "bulk"),
    (Fate::Stale, "stale"),
    (Fate::Unchanged, "unchanged"),
    (Fate::UnknownOrder, "unknown_order"),
];

/// What intake made of source records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntakeTallies {
    /// Events written to the events log, by `EventType as usize`.
    pub accepted: [u64; EventType::ALL.len()],
    /// Records refused, by machine reason. Reasons are words of the code, so they are few.
    pub rejects: BTreeMap<&'static str, u64>,
    /// Records without a value.
    pub skipped_nulls: u64,
    /// Records of which their source's transform gave nothing.
    pub filtered: u64,
    /// Events none of whose items is a product.
    pub uncountable: u64,
    /// Impressions and clicks that were not written, by why.
    pub clicks_left_out: [(&'static str, u64); 3],
    /// Events from the future, whose time was corrected.
    pub skewed: u64,
    /// What is found now of input that is in vain.
    pub findings: BTreeSet<Kind>,
    /// Bytes held now, by kind.
    pub bytes: Vec<(&'static str, u64)>,
}

/// What the windows stage made of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowsTallies {
    /// Events by `EventType as usize` and `Fate as usize`.
    pub fates: [[u64; FATES.len()]; EventType::ALL.len()],
    /// Events released from the merge buffer because it was full.
    pub forced: u64,
    /// Events that came after their source had been waiting, by source.
    pub late_arrivals: BTreeMap<Arc<str>, u64>,
    /// Entries of the events log that had been applied before.
    pub ledger_duplicates: u64,
    /// What was shown and clicked, by shop and list.
    pub clicks: BTreeMap<(String, String), CellTally>,
    /// What of it was not counted, by why.
    pub clicks_ignored: Vec<(&'static str, u64)>,
    /// Users held now.
    pub users: u64,
    /// Bytes held now, by kind.
    pub bytes: Vec<(&'static str, u64)>,
}

/// What the rows stage made of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsTallies {
    /// Directed pair updates, by [`Relation::index`].
    pub pair_updates: [u64; Relation::COUNT],
    /// Neighbours that a full row let go, by [`Relation::index`].
    pub evictions: [u64; Relation::COUNT],
    /// Entries of the pairs log that had been applied before.
    pub ledger_duplicates: u64,
    /// Rows ranked, by the [`ListName::index`] of their list, like the three below.
    pub ranked: [u64; ListName::COUNT],
    /// Lists published.
    pub published: [u64; ListName::COUNT],
    /// Tombstones published.
    pub tombstones: [u64; ListName::COUNT],
    /// Ranked lists that were not published, as they did not differ enough.
    pub suppressed: [u64; ListName::COUNT],
    /// Lists published again, or buried, because the record of an older owner had landed last.
    pub corrected: u64,
    /// How good the lists of each shop were, by [`Relation::index`].
    pub hits: Vec<(String, [HitTally; Relation::COUNT])>,
    /// Event-to-list delay of every list published.
    pub delay: DelayTally,
    /// Items held now.
    pub items: u64,
    /// Rows held now, by [`Relation::index`].
    pub rows: [u64; Relation::COUNT],
    /// Directed pairs held now, by [`Relation::index`].
    pub pairs: [u64; Relation::COUNT],
    /// Bytes held now, by kind.
    pub bytes: Vec<(&'static str, u64)>,
}

/// What one worker appended to one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTallies {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that were not appended again after a restart, as the log held them.
    pub muted: u64,
}

impl IntakeTallies {
    /// Counts an accepted event.
    pub fn accept(&mut self, event_type: EventType) {
        self.accepted[event_type as usize] += 1;
    }

    /// Counts a reject.
    pub fn reject(&mut self, reason: &'static str) {
        *self.rejects.entry(reason).or_default() += 1;
    }
}

impl WindowsTallies {
    /// Counts what became of an event.
    pub fn count(&mut self, event_type: EventType, fate: Fate) {
        self.fates[event_type as usize][fate as usize] += 1;
    }

    /// Events of all types with this fate.
    #[must_use]
    pub fn of_fate(&self, fate: Fate) -> u64 {
        self.fates.iter().map(|by_fate| by_fate[fate as usize]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_order_of_names() {
        for (n, (fate, _)) in FATES.iter().enumerate() {
            assert_eq!(*fate as usize, n);
        }
        for (n, event_type) in EventType::ALL.iter().enumerate() {
            assert_eq!(*event_type as usize, n);
        }
        let mut tallies = WindowsTallies::default();
        tallies.count(EventType::View, Fate::Late);
        tallies.count(EventType::Cart, Fate::Late);
        assert_eq!((tallies.of_fate(Fate::Late), tallies.of_fate(Fate::Bulk)), (2, 0));
    }
}
