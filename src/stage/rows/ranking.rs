//! Ranking a list as it goes out: from its row, filled and spread out; from the totals of a shop; or put together from others.
//!
//! It changes nothing of the stage but what rankers keep, so that who explains a list ranks it in the very same way.

use super::RowsWork;
use crate::list_key::{About, Base, ListKey, ListName};
use crate::publish::ListNumber;
use crate::rank::{Beside, Best, List, Ranker};
use crate::rules::ListRules;

/// What ranking writes to, besides the list.
#[derive(Default)]
pub(super) struct Rankers {
    by_list: Vec<Option<Ranker>>,
    /// Of lists about shops: what is held of each, by its number, as it stood when it was ranked.
    pub(super) renewed: Vec<(usize, Best)>,
}

impl Rankers {
    /// Of those lists of these that have a row, and are wanted.
    pub(super) fn of(lists: &[ListRules], is_wanted: impl Fn(&ListRules) -> bool) -> Self {
        let is_wanted = |rules: &&ListRules| rules.list.is_of_row() && is_wanted(rules);
        let ranker = |rules: &ListRules| Some(rules).filter(is_wanted).map(|rules| Ranker::new(rules.clone()));
        Self { by_list: lists.iter().map(ranker).collect(), renewed: Vec::new() }
    }

    /// The one for a list; none where it is off, or has no row.
    pub(super) fn get(&self, list: ListName) -> Option<&Ranker> {
        self.by_list.get(list.index())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, list: ListName) -> Option<&mut Ranker> {
        self.by_list.get_mut(list.index())?.as_mut()
    }
}

impl RowsWork {
    /// Ranks a list into `self.ranked`; returns how many neighbours its row has.
    pub(super) fn rank(&mut self, list: ListNumber) -> usize {
        let key = self.lists.key(list);
        if let (About::Item(anchor), false) = (key.about, key.list.is_shop_wide()) {
            self.meet_by_hand(anchor);
        }
        let mut rankers = std::mem::take(&mut self.rankers);
        let mut ranked = std::mem::replace(&mut self.ranked, List::blank());
        let neighbours = self.rank_with(key, &mut rankers, &mut ranked);
        for (number, best) in rankers.renewed.drain(..) {
            self.hold_best(number, best);
        }
        (self.rankers, self.ranked) = (rankers, ranked);
        neighbours
    }

    /// Ranks the list of `key` into `ranked`; returns how many neighbours were looked at.
    pub(super) fn rank_with(&self, key: ListKey, rankers: &mut Rankers, ranked: &mut List) -> usize {
        match (key.about, key.list.base(), rankers.get_mut(key.list)) {
            (About::Item(anchor), Base::Row { relation, beside }, Some(ranker)) => {
                let row = self.rows.row(relation, anchor);
                let beside =
                    Beside { row: beside.map(|relation| self.rows.row(relation, anchor)), facts: self.facts() };
                ranker.rank_beside(&row, &beside, ranked);
                row.len() + self.fill_up(anchor, rankers, ranked)
            }
            (_, Base::Shop, _) => {
                let looked_at = self.rank_shop_wide(key, &mut rankers.renewed, ranked);
                self.spread_ranked(ranked);
                ranked.entries.truncate(ranked.shown.saturating_add(self.rules[key.list.index()].reserve));
                looked_at
            }
            (_, Base::Placement { .. }, _) => self.rank_placement(key, rankers, ranked),
            (About::Shop, ..) | (_, _, None) => {
                ranked.clear(key, self.rows.now());
                0
            }
        }
    }
}
