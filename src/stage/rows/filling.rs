//! Filling a list behind what is counted for it, as far as its rules say; who leads it; and that it is spread out.
//!
//! What stands in the lists of a list's own entries (`second`) is ranked anew from their rows, so that it is a function of the counts. Those
//! rows have to be here: entries that another partition owns have no say.

use super::RowsWork;
use super::ranking::Rankers;
use crate::facts::Facts;
use crate::items::ItemId;
use crate::list_key::Base;
use crate::rank::{Beside, Entry, List, Source, second, spread_out};
use crate::relation::Relation;
use crate::rules::FillStep;

impl RowsWork {
    /// Fills the list about `anchor` that has been ranked; returns how many neighbours of other rows were looked at.
    pub(super) fn fill_up(&self, anchor: ItemId, rankers: &mut Rankers, ranked: &mut List) -> usize {
        let list = ranked.key.list;
        let Base::Row { relation, beside } = list.base() else { return 0 };
        let mut neighbours = 0;
        self.spread_ranked(ranked);
        let has_places = rankers.get(list).is_some_and(|ranker| ranker.has_places(ranked));
        if has_places && (!ranked.is_empty() || self.has_list(relation, anchor)) {
            let rules = &self.rules[list.index()];
            let has_second = rules.fill.contains(&FillStep::Second);
            let mut filling = self.filling(anchor, &rules.fill);
            if has_second {
                neighbours = self.add_second(rankers, ranked, &mut filling);
            }
            let Some(ranker) = rankers.get_mut(list) else { return neighbours };
            let row = self.rows.row(relation, anchor);
            let beside = Beside { row: beside.map(|relation| self.rows.row(relation, anchor)), facts: self.facts() };
            ranker.fill(&row, &beside, &filling, ranked);
        }
        self.lead(ranked);
        self.spread_ranked(ranked);
        neighbours
    }

    /// That what has been ranked shows no more of a category or maker than it may.
    pub(super) fn spread_ranked(&self, ranked: &mut List) {
        if let Some(shown) = &self.shown {
            let rules = &self.rules[ranked.key.list.index()];
            spread_out(rules, self.rows.items(), shown.facts(), ranked);
        }
    }

    /// Whether an item of which nothing is shown by itself has a list all the same: something is counted of it, or the catalogue has it.
    fn has_list(&self, relation: Relation, anchor: ItemId) -> bool {
        let is_named = |facts: &Facts| facts.named(self.rows.items().fingerprint(anchor)).is_some();
        let row = self.rows.row(relation, anchor);
        row.anchor_weight > 0.0 || !row.is_empty() || self.facts().is_some_and(is_named)
    }

    /// Adds what stands in the lists of the entries that the ranked list shows.
    fn add_second(&self, rankers: &mut Rankers, ranked: &List, filling: &mut Vec<(ItemId, Source)>) -> usize {
        let list = ranked.key.list;
        let Base::Row { relation, beside } = list.base() else { return 0 };
        let (mut lists, mut neighbours, mut room) = (Vec::new(), 0, 0);
        let mut own = List::blank();
        for entry in ranked.shown().iter().filter(|entry| is_counted(entry)) {
            let Some(ranker) = rankers.get_mut(list) else { break };
            if !self.rows.owns(entry.item) {
                continue;
            }
            let row = self.rows.row(relation, entry.item);
            let facts = self.shown.as_ref().map(|shown| shown.facts());
            let beside = Beside { row: beside.map(|relation| self.rows.row(relation, entry.item)), facts };
            ranker.rank_beside(&row, &beside, &mut own);
            if let Some(facts) = facts {
                spread_out(&self.rules[list.index()], self.rows.items(), facts, &mut own);
            }
            neighbours += row.len();
            room += own.entries.len();
            let counted = own.shown().iter().filter(|entry| is_counted(entry));
            lists.push((entry.rank_milli, counted.map(|entry| (entry.item, entry.rank_milli)).collect()));
        }
        let found = second(&lists, self.rows.items(), room);
        filling.extend(found.into_iter().map(|item| (item, Source::Second)));
        neighbours
    }
}

/// Of what people put somewhere nobody knows how much it is worth.
fn is_counted(entry: &Entry) -> bool {
    entry.label.source == Source::Counted
}
