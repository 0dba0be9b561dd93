//! Placements: lists put together from the other lists about the same item, category or shop, which are all in one partition.
//!
//! One is due when one of its parts is news, and, as every list, when what it holds changes, and once a sweep. Its parts are ranked again
//! then: it is made of what they would show now, not of what subscribers have of them.
//! Invariant: a list that has something to show has all placements that it is part of known to the queue.

use super::RowsWork;
use super::ranking::Rankers;
use crate::items::ItemId;
use crate::list_key::{About, Base, ListKey, ListName};
use crate::publish::{Due, ListNumber, Lists};
use crate::rank::{List, Placed, is_rejected, place_together, turns_any_away};
use crate::relation::Relation;
use crate::rules::{KindRules, ListRules, Part};

/// Which lists are part of which placements.
#[derive(Default)]
pub(super) struct Placements {
    /// Parts, each with its placement.
    by_part: Vec<(ListName, ListName)>,
}

impl Placements {
    pub(super) fn of(lists: &[ListRules]) -> Self {
        let parts = lists.iter().filter(|rules| rules.enabled).filter_map(|rules| match rules.kind {
            KindRules::Placement { parts, .. } => Some(parts.iter().map(|part| (part.list, rules.list))),
            _ => None,
        });
        Self { by_part: parts.flatten().collect() }
    }

    /// The placements that the list of `key` is part of.
    fn with(&self, key: ListKey) -> impl Iterator<Item = ListKey> {
        let of_list = self.by_part.iter().filter(move |(part, _)| *part == key.list);
        of_list.map(move |&(_, placement)| ListKey { list: placement, ..key })
    }

    /// Those that have been met are to be put together again.
    pub(super) fn mark_known(&self, part: ListKey, lists: &Lists, due: &mut Due, clock_ms: i64) {
        self.with(part).filter_map(|key| lists.find(key)).for_each(|list| due.mark_again(list, clock_ms));
    }
}

impl RowsWork {
    /// The list that was ranked last has been offered; `is_news` to subscribers, by what arrived at `since_ms`.
    pub(super) fn mark_placements(&mut self, is_news: bool, since_ms: Option<i64>) {
        let is_empty = self.ranked.is_empty();
        for key in self.placements.with(self.ranked.key) {
            let known = self.lists.find(key);
            if !is_news && (known.is_some() || is_empty) {
                continue;
            }
            let list = known.unwrap_or_else(|| self.lists.meet(key));
            match since_ms {
                Some(since_ms) => self.due.mark(list, since_ms, self.clock_ms),
                None => self.due.mark_again(list, self.clock_ms),
            }
        }
    }

    /// Meets all placements of the lists that have been met: for whoever publishes nothing before.
    pub(super) fn meet_placements(&mut self) {
        for number in (0..self.lists.len()).filter_map(|number| u32::try_from(number).ok()) {
            for key in self.placements.with(self.lists.key(ListNumber(number))) {
                self.lists.meet(key);
            }
        }
    }

    /// The lists that a placement is put together from, of those that have been met.
    pub(super) fn parts(&self, key: ListKey) -> Vec<(Part, ListNumber)> {
        let KindRules::Placement { parts, .. } = self.rules[key.list.index()].kind else { return Vec::new() };
        let find = |part: Part| Some((part, self.lists.find(ListKey { list: part.list, ..key })?));
        parts.iter().filter_map(find).collect()
    }

    /// Puts a placement together into `ranked`; returns how many neighbours were looked at.
    pub(super) fn rank_placement(&self, key: ListKey, rankers: &mut Rankers, ranked: &mut List) -> usize {
        let (parts, neighbours) = self.rank_parts(key, rankers);
        ranked.clear(key, self.rows.now());
        place_together(&self.rules[key.list.index()], &parts, &self.placed(key), ranked);
        neighbours
    }

    /// Ranks the parts of a placement; and how many neighbours were looked at.
    pub(super) fn rank_parts(&self, key: ListKey, rankers: &mut Rankers) -> (Vec<(Part, List)>, usize) {
        let (mut ranked, mut neighbours) = (Vec::new(), 0);
        for (part, list) in self.parts(key) {
            let mut own = List::blank();
            neighbours += self.rank_with(self.lists.key(list), rankers, &mut own);
            ranked.push((part, own));
        }
        (ranked, neighbours)
    }

    /// What a placement goes by.
    pub(super) fn placed(&self, key: ListKey) -> Placed<'_> {
        let row = match (key.about, key.list.base()) {
            (About::Item(anchor), Base::Placement { of_shop: false }) => {
                Some(self.rows.row(Relation::BoughtTogether, anchor))
            }
            _ => None,
        };
        Placed { items: self.rows.items(), facts: self.shown.as_ref().map(|shown| shown.facts()), row }
    }

    /// Whether a list turns any of these away now; a placement also where a part of it does.
    pub(super) fn turns_any_away(&self, key: ListKey, items: &[ItemId]) -> bool {
        let Some(shown) = &self.shown else { return false };
        let rules = &self.rules[key.list.index()];
        match (key.list.base(), key.about, self.rankers.get(key.list)) {
            (Base::Row { relation, .. }, About::Item(anchor), Some(ranker)) => {
                ranker.turns_any_away(&self.rows.row(relation, anchor), shown.facts(), items)
            }
            (Base::Shop, ..) => {
                let (facts, names) = (shown.facts(), self.rows.items());
                items.iter().map(|&item| names.fingerprint(item)).any(|item| {
                    super::shop_wide::is_kept_out(&facts.of(item), rules) || is_rejected(facts, item, rules)
                })
            }
            (Base::Placement { .. }, ..) => {
                let KindRules::Placement { parts, .. } = rules.kind else { return false };
                turns_any_away(rules, &self.placed(key), items)
                    || parts.iter().any(|part| self.turns_any_away(ListKey { list: part.list, ..key }, items))
            }
            _ => false,
        }
    }
}
