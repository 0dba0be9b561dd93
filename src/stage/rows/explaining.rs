//! What is published of a list, explained: candidates with their places and gates, as the list would go out now, and what cannot be told.
//!
//! Lists are ranked apart, in the way in which they are ranked to go out, and nothing of the stage changes.

use super::RowsWork;
use super::ranking::Rankers;
use crate::items::ItemId;
use crate::list_key::{About, Base, ListKey, ListName, SHOP_WIDE};
use crate::rank::{Explanation, List, Places, place_together};
use crate::rules::{FillStep, KindRules, ListRules};

/// What an explanation cannot tell, or what it goes by.
const OFF: &str = "the list is off: nothing of it is published";
const PART_OFF: &str = "of its parts this one is off, and gives nothing: ";
const SILENT: &str = "nothing is published at the moment: a backlog is being read, or facts are";
const UNREADY: &str = "not all items have been looked at since the start: what sells in the shop is not known yet";
const HELD: &str = "of what ranks further behind, and of what was turned away, nothing is kept, so nothing is told";
const TOLD: &str = "totals of items that other partitions own are those that were told last";
const SECOND: &str = "second: entries that another partition owns had no say, as their rows are not here";
const NO_ROUND: &str = "exposure: no round has decided yet who may lead these lists; they are published behind it";
const ROUNDS: &str = "exposure: who leads is decided in rounds, of all lists of this name, shop and partition at once; what has changed since the last one counts in the next";
const ANOTHER: &str = "subscribers have other entries, or another order, until the list is ranked next";

impl RowsWork {
    /// The list of this name about `item` as it would go out now, with up to `candidates_max` candidates of its row, and how many neighbours
    /// were looked at. `item` is [`SHOP_WIDE`] or a category for lists about a shop. Also where the list is off. `None` where what it is about has not been met.
    #[must_use]
    pub fn explain_published(
        &self,
        list: ListName,
        shop: &str,
        item: &str,
        candidates_max: usize,
    ) -> Option<(Explanation, usize)> {
        let items = self.rows.items();
        let about = if list.is_shop_wide() && item == SHOP_WIDE {
            About::Shop
        } else {
            About::Item(items.find_item(shop, item)?)
        };
        let key = ListKey { shop: items.find_shop(shop)?, list, about };
        let rules = &self.rules[list.index()];
        if list.is_shop_wide() && about != About::Shop && self.lists.find(key).is_none() {
            return None; // no such category
        }
        let wanted = |other: &ListRules| other.enabled || other.list == list;
        let mut rankers = Rankers::of(&self.rules, wanted);
        let mut ranked = List::blank();
        let (mut explanation, looked_at) = match list.base() {
            Base::Row { .. } => {
                let mut explanation = self.explain(list, shop, item, candidates_max)?;
                let looked_at = self.rank_with(key, &mut rankers, &mut ranked);
                let added = explanation.put_in_place(&ranked, &self.places(key, rules));
                let told = self.neighbours_of(key, &added); // of those behind the last candidate that was told
                explanation.left_out = explanation.left_out.saturating_sub(told);
                (explanation, looked_at)
            }
            Base::Shop => {
                let mut whole = List::blank();
                let looked_at = self.rank_shop_wide(key, &mut rankers.renewed, &mut whole);
                self.rank_with(key, &mut rankers, &mut ranked);
                let mut explanation = Explanation::without_row(shop, item, rules, &whole);
                let places = self.places(key, rules);
                explanation.take_ranked(&whole, &places);
                explanation.put_in_place(&ranked, &places);
                (explanation, looked_at)
            }
            Base::Placement { .. } => {
                let (parts, looked_at) = self.rank_parts(key, &mut rankers);
                ranked.clear(key, self.rows.now());
                let placed = self.placed(key);
                place_together(rules, &parts, &placed, &mut ranked);
                let mut explanation = Explanation::without_row(shop, item, rules, &ranked);
                explanation.take_parts(&parts, &ranked, rules, &placed);
                (explanation, looked_at)
            }
        };
        explanation.notes = self.notes(key, rules, &ranked);
        Some((explanation, looked_at))
    }

    fn places<'a>(&'a self, key: ListKey, rules: &'a ListRules) -> Places<'a> {
        let items = self.rows.items();
        let levels = match key.about {
            About::Item(anchor) => self.levels(key).map(|levels| (levels, items.fingerprint(anchor))),
            About::Shop => None,
        };
        Places { rules, items, facts: self.facts(), levels }
    }

    /// How many of these items are in the row behind a list.
    fn neighbours_of(&self, key: ListKey, items: &[ItemId]) -> usize {
        match (key.about, key.list.base()) {
            (About::Item(anchor), Base::Row { relation, .. }) if !items.is_empty() => {
                self.rows.row(relation, anchor).neighbours().filter(|known| items.contains(&known.item)).count()
            }
            _ => 0,
        }
    }

    /// What cannot be told of a list, or what it goes by.
    fn notes(&self, key: ListKey, rules: &ListRules, ranked: &List) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        let mut note = |text: &str| {
            if !notes.iter().any(|known| known == text) {
                notes.push(text.to_owned());
            }
        };
        if !rules.enabled {
            note(OFF);
        } else if self.silence.is_on() || !self.are_facts_there() {
            note(SILENT);
        }
        let own = [key.list];
        let parts: Vec<ListName> = match rules.kind {
            KindRules::Placement { parts, .. } => parts.iter().map(|part| part.list).collect(),
            _ => Vec::new(),
        };
        for list in &parts {
            if !self.rules[list.index()].enabled {
                note(&format!("{PART_OFF}{}", list.name()));
            }
        }
        for list in own.into_iter().chain(parts) {
            let rules = &self.rules[list.index()];
            self.note_of(list, rules, &mut note);
        }
        let (told, shown) = (self.lists.find(key).filter(|list| self.publisher.stamp(*list).is_some()), ranked.shown());
        if let Some(told) = told.map(|list| self.publisher.shown(list)) {
            let is_same =
                told.len() == shown.len() && told.iter().zip(shown).all(|(told, entry)| told.item == entry.item);
            if !is_same && rules.enabled {
                note(ANOTHER);
            }
        }
        notes
    }

    /// What follows from the rules of a list, or of a part of it.
    fn note_of(&self, list: ListName, rules: &ListRules, note: &mut dyn FnMut(&str)) {
        let goes_by_shop = rules.fill.iter().any(|step| matches!(step, FillStep::Category | FillStep::Shop));
        let is_of_shop = list.base() == Base::Shop;
        if (is_of_shop || goes_by_shop) && self.shop_wide.as_ref().is_some_and(|wide| !wide.is_ready()) {
            note(UNREADY);
        }
        if is_of_shop {
            note(HELD);
        }
        let is_alone = self.rows.is_alone();
        if (is_of_shop || goes_by_shop) && !is_alone {
            note(TOLD);
        }
        if rules.fill.contains(&FillStep::Second) && !is_alone {
            note(SECOND);
        }
        if rules.exposure_max.is_some() {
            note(if self.exposure.is_unready(list) { NO_ROUND } else { ROUNDS });
        }
    }
}
