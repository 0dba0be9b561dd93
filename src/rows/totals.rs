//! Totals: how often an item was an anchor and an other, and how many contexts a shop had, per relation.
//!
//! Invariants: own totals are exact; a foreign one is what its owner last broadcast. Weights are relative to the landmark;
//! zero means never counted, or taken back wholly.

use super::decay::{ROUNDING_OF_TOTALS, power_of_two, remaining};
use crate::items::ItemId;
use crate::relation::Relation;

/// One total.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Total {
    pub(super) weight: f64,
    pub(super) support: u32,
    /// Listed as changed since the last broadcast round.
    pub(super) changed: bool,
    /// Listed as possibly other than what was last broadcast.
    pub(super) differs: bool,
}

impl Total {
    /// Adds, or takes back.
    pub(super) fn count(&mut self, weight: f64, support: u32, is_taken_back: bool) {
        if is_taken_back {
            self.support = self.support.saturating_sub(support);
            self.weight = remaining(self.weight, weight, ROUNDING_OF_TOTALS, self.support == 0);
        } else {
            self.support = self.support.saturating_add(support);
            self.weight += weight;
        }
    }
}

/// How many contexts a shop had.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Contexts {
    pub(super) weight: f64,
    pub(super) support: u64,
    pub(super) changed: bool,
    pub(super) differs: bool,
}

/// The totals of one relation, by item and shop number.
#[derive(Default)]
pub(super) struct Totals {
    /// Empty for a symmetric relation, which has one total for both roles.
    anchors: Vec<Total>,
    others: Vec<Total>,
    contexts: Vec<Contexts>,
    /// Weights as last broadcast; empty where nobody else listens.
    pub(super) sent_others: Vec<f64>,
    pub(super) sent_contexts: Vec<f64>,
    /// Weights lately; empty where they are not kept.
    pub(super) recent_others: Vec<f64>,
    pub(super) recent_contexts: Vec<f64>,
}

impl Totals {
    /// The anchor total of an item, to change.
    pub(super) fn anchor_mut(&mut self, relation: Relation, item: ItemId) -> &mut Total {
        debug_assert!(!relation.is_symmetric(), "one total serves both roles");
        slot(&mut self.anchors, item.index())
    }

    /// The other total of an item (of a symmetric relation: its only one), to change.
    pub(super) fn other_mut(&mut self, item: ItemId) -> &mut Total {
        slot(&mut self.others, item.index())
    }

    /// The contexts of a shop, to change.
    pub(super) fn contexts_mut(&mut self, shop: usize) -> &mut Contexts {
        slot(&mut self.contexts, shop)
    }

    pub(super) fn anchor(&self, relation: Relation, item: ItemId) -> Total {
        let table = if relation.is_symmetric() { &self.others } else { &self.anchors };
        table.get(item.index()).copied().unwrap_or_default()
    }

    pub(super) fn other(&self, item: ItemId) -> Total {
        self.others.get(item.index()).copied().unwrap_or_default()
    }

    /// The other totals by item number; what lies beyond the end was never counted.
    pub(super) fn others(&self) -> &[Total] {
        &self.others
    }

    pub(super) fn contexts(&self, shop: usize) -> Contexts {
        self.contexts.get(shop).copied().unwrap_or_default()
    }

    /// Items of which something may be held.
    pub(super) fn items_len(&self) -> usize {
        self.anchors.len().max(self.others.len()).max(self.sent_others.len()).max(self.recent_others.len())
    }

    /// Shops of which something may be held.
    pub(super) fn shops_len(&self) -> usize {
        self.contexts.len().max(self.sent_contexts.len()).max(self.recent_contexts.len())
    }

    /// The landmark moved by `half_lives`: all weights shrink by that power of two. What was counted stays above zero.
    pub(super) fn rescale(&mut self, half_lives: i64) {
        let factor = power_of_two(-half_lives);
        let shrink = |weight: &mut f64| {
            if *weight > 0.0 {
                *weight = (*weight * factor).max(f64::MIN_POSITIVE);
            }
        };
        self.anchors.iter_mut().chain(&mut self.others).for_each(|total| shrink(&mut total.weight));
        self.contexts.iter_mut().for_each(|contexts| shrink(&mut contexts.weight));
        self.sent_others.iter_mut().chain(&mut self.sent_contexts).for_each(shrink);
    }

    pub(super) fn bytes(&self) -> usize {
        let sent = self.sent_others.capacity() + self.sent_contexts.capacity();
        let recent = self.recent_others.capacity() + self.recent_contexts.capacity();
        (self.anchors.capacity() + self.others.capacity()) * size_of::<Total>()
            + self.contexts.capacity() * size_of::<Contexts>()
            + (sent + recent) * size_of::<f64>()
    }
}

/// The place `index` of a table, which grows to hold it.
pub(super) fn slot<T: Copy + Default>(table: &mut Vec<T>, index: usize) -> &mut T {
    if table.len() <= index {
        table.resize(index + 1, T::default());
    }
    &mut table[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_held_are_those_of_every_table_up_to_its_last_place() {
        let mut totals = Totals::default();
        assert_eq!(totals.bytes(), 0);
        totals.other_mut(ItemId(1_023));
        let others = totals.bytes();
        assert!(others >= 1_024 * size_of::<Total>(), "{others}");
        totals.anchor_mut(Relation::AlsoBought, ItemId(1_023));
        assert!(totals.bytes() - others >= 1_024 * size_of::<Total>());
    }
}
