//! What is published of a list, explained: where its entries stand once it has been filled and spread out, and what took the place of those
//! that rank before them.
//!
//! Places are those of the ranked list itself, so that they cannot differ from what goes out; why is found the plain way, from what is shown.

use super::day::Day;
use super::explain::{ExplainedCandidate, Explanation, Place};
use super::exposure::Levels;
use super::gate::Gate;
use super::list::{Entry, List};
use super::measure::score_milli;
use super::placement::{Placed, why_not_placed};
use crate::facts::{Facts, ItemFacts};
use crate::items::{ItemId, Items};
use crate::list_key::{About, ListName};
use crate::rules::{ListRules, Part};

/// What decides over the places of a list besides the order of its candidates.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// Its rules.
    pub rules: &'a ListRules,
    /// The names of items.
    pub items: &'a Items,
    /// What is known of them.
    pub facts: Option<&'a Facts>,
    /// Which lists items may lead, where that is bounded, and the fingerprint of what this one is about.
    pub levels: Option<(&'a Levels, u64)>,
}

impl Explanation {
    /// A list without a row behind it: whose, and what all its entries share. Nothing stands in it yet.
    #[must_use]
    pub fn without_row(shop: &str, item: &str, rules: &ListRules, list: &List) -> Self {
        let first = list.entries.first().map(|entry| entry.figures);
        Self {
            shop: shop.to_owned(),
            list: rules.list.name().to_owned(),
            item: item.to_owned(),
            as_of: list.as_of.0,
            anchor_support: 0,
            anchor_weight: first.map_or(0.0, |figures| figures.anchor),
            contexts: first.map_or(0.0, |figures| figures.contexts),
            measure: rules.measure,
            specificity: rules.specificity,
            min_support: rules.min_support,
            min_llr_root: rules.min_llr_root,
            lift_above_one: rules.lift_above_one,
            candidates: Vec::new(),
            left_out: 0,
            notes: Vec::new(),
        }
    }

    /// Takes in the entries of a list that has been ranked, and not been spread out.
    pub fn take_ranked(&mut self, list: &List, places: &Places<'_>) {
        for (place, entry) in (1..).zip(&list.entries) {
            let mut candidate = ExplainedCandidate::of_entry(entry, places.items);
            candidate.put(place, places.rules);
            self.candidates.push(candidate);
        }
    }

    /// Puts the candidates where they stand in `list`, which has been filled and spread out; those of its entries that are no candidates are added.
    /// Whatever passed, and ranks before an entry that is shown, is told what keeps it from being shown.
    /// Returns which were added.
    pub fn put_in_place(&mut self, list: &List, places: &Places<'_>) -> Vec<ItemId> {
        let ids: Vec<Option<ItemId>> =
            self.candidates.iter().map(|known| places.items.find_item(&self.shop, &known.item)).collect();
        let has_passed = |known: &ExplainedCandidate| known.place.is_some() || known.gate == Some(Gate::Rank);
        // How each shown entry ranks that nobody put there: what fills a list ranks behind all.
        let rank_of = |entry: &Entry| {
            let found = ids.iter().position(|id| *id == Some(entry.item));
            found.filter(|&at| has_passed(&self.candidates[at])).unwrap_or(usize::MAX)
        };
        let ranks = list.shown().iter().filter(|entry| !entry.label.source.is_by_hand()).map(rank_of);
        let ranks: Vec<usize> = ranks.collect();
        let (first, last) = (ranks.first().copied().unwrap_or(0), ranks.iter().max().copied().unwrap_or(0));
        let shown = Shown::of(list, places);
        for (rank, (candidate, id)) in self.candidates.iter_mut().zip(&ids).enumerate() {
            let Some(id) = *id else { continue };
            let has_passed = has_passed(candidate);
            let at = list.entries.iter().position(|entry| entry.item == id);
            candidate.stand(at, list);
            let is_shown = matches!(candidate.place, Some(Place::Shown(_)));
            if !is_shown && has_passed && rank < last && !candidate.source.is_by_hand() {
                let displaced = shown.displace(id, candidate.rank_milli, rank < first);
                match (displaced, candidate.place) {
                    (Some(gate), None) => candidate.gate = Some(gate),
                    (displaced, _) => candidate.displaced = displaced,
                }
            }
        }
        let mut added = Vec::new();
        for (at, entry) in list.entries.iter().enumerate().filter(|(_, entry)| !ids.contains(&Some(entry.item))) {
            let mut candidate = ExplainedCandidate::of_entry(entry, places.items);
            candidate.stand(Some(at), list);
            self.candidates.push(candidate);
            added.push(entry.item);
        }
        self.sort();
        added
    }

    /// Takes in what the parts of a placement give: where it stands in `list`, or why it does not.
    pub fn take_parts(&mut self, parts: &[(Part, List)], list: &List, rules: &ListRules, placed: &Placed<'_>) {
        for (part, ranked) in parts {
            for entry in &ranked.entries {
                let mut candidate = ExplainedCandidate::of_entry(entry, placed.items);
                candidate.list = Some(part.list.name().to_owned());
                let is_it = |known: &Entry| known.item == entry.item && known.label.list == Some(part.list);
                let at = list.entries.iter().position(is_it);
                candidate.stand(at, list);
                if at.is_none() {
                    candidate.gate = Some(why_not_placed(rules, placed, list, entry));
                }
                self.candidates.push(candidate);
            }
        }
        self.sort();
    }

    /// Those with a place by it, then the others as they were.
    fn sort(&mut self) {
        self.candidates.sort_by_key(|candidate| (candidate.place.is_none(), candidate.place));
    }
}

impl ExplainedCandidate {
    /// An entry, that stands nowhere yet.
    fn of_entry(entry: &Entry, items: &Items) -> Self {
        let figures = entry.figures;
        Self {
            item: items.name(entry.item).to_owned(),
            place: None,
            gate: None,
            displaced: None,
            support: entry.support,
            weight: figures.pair,
            other_weight: figures.other,
            confidence: figures.confidence(),
            lift: figures.lift(),
            llr_root: if entry.llr_root.is_nan() { figures.llr_root() } else { entry.llr_root },
            score: f64::from(score_milli(figures.score())) / 1000.0,
            rank_milli: entry.rank_milli,
            last_seen: Day(entry.last_seen.0),
            source: entry.label.source,
            list: entry.label.list.map(|list: ListName| list.name().to_owned()),
            relation: entry.label.relation,
            verdict: None,
        }
    }

    /// It stands at this place of the list, from 0, or nowhere.
    fn stand(&mut self, at: Option<usize>, list: &List) {
        let Some((at, entry)) = at.and_then(|at| Some((at, list.entries.get(at)?))) else {
            if self.place.take().is_some() {
                self.gate = Some(Gate::Rank);
            }
            return;
        };
        let place = if at < list.shown { Place::Shown(at + 1) } else { Place::Reserve(at - list.shown + 1) };
        (self.place, self.gate) = (Some(place), None);
        (self.source, self.relation) = (entry.label.source, entry.label.relation);
    }
}

/// What is shown, and what follows from it for what is not.
struct Shown<'a> {
    places: &'a Places<'a>,
    category_max: Option<usize>,
    known: Vec<ItemFacts>,
}

impl<'a> Shown<'a> {
    fn of(list: &List, places: &'a Places<'a>) -> Self {
        let is_of_category = !list.key.list.is_of_row() && list.key.about != About::Shop;
        let category_max = places.rules.category_max.filter(|_| !is_of_category);
        let of = |entry: &Entry| places.facts.map(|facts| facts.of(places.items.fingerprint(entry.item)));
        Self { places, category_max, known: list.shown().iter().filter_map(of).collect() }
    }

    /// What keeps an item from being shown that has passed, and ranks before something that is: `is_before_all`, before all that nobody put there.
    fn displace(&self, item: ItemId, rank_milli: i64, is_before_all: bool) -> Option<Gate> {
        if let Some((levels, about)) = self.places.levels
            && is_before_all
            && !levels.allow(item, rank_milli, about)
        {
            return Some(Gate::Exposure);
        }
        let own = self.places.facts?.of(self.places.items.fingerprint(item));
        let count = |is_same: &dyn Fn(&ItemFacts) -> bool| self.known.iter().filter(|known| is_same(known)).count();
        let is_full =
            |max: Option<usize>, is_same: &dyn Fn(&ItemFacts) -> bool| max.is_some_and(|max| count(is_same) >= max);
        if own.category.is_some() && is_full(self.category_max, &|known| known.category == own.category) {
            return Some(Gate::CategoryPlaces);
        }
        let is_of_brand = |known: &ItemFacts| known.brand == own.brand;
        (own.brand.is_some() && is_full(self.places.rules.brand_max, &is_of_brand)).then_some(Gate::BrandPlaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Catalogue;
    use crate::list_key::ListKey;
    use crate::rank::{Acceptance, Asking, Figures, Label};
    use crate::relation::Relation;

    /// What may lead no more lists and has lost its place to its category's others says so: it would not lead anyway.
    #[test]
    fn what_is_displaced_names_exposure_only_where_it_would_lead() {
        let mut items = Items::default();
        let shop = items.shop("main");
        let ids: Vec<ItemId> = ["about", "a", "b", "c", "d"].iter().map(|name| items.item(shop, name)).collect();
        let facts = Facts::new(1 << 20);
        for item in ["a", "b", "c"] {
            let category = Catalogue { category: vec!["Ink"], ..Catalogue::default() };
            facts.set_catalogue("main", item, Some(&category)).unwrap();
        }
        let entry = |id: usize| {
            let figures = Figures::new(1.0, 2.0, 3.0, 4.0);
            let (rank_milli, item) = (100 - i64::try_from(id).unwrap(), ids[id]);
            let (score_milli, label) = (score_milli(figures.score()), Label::default());
            Entry { item, score_milli, rank_milli, support: 3, figures, llr_root: 1.0, last_seen: Day(1), label }
        };
        let list = ListName::of(Relation::ViewedTogether);
        let key = ListKey { shop, list, about: About::Item(ids[0]) };
        let rules =
            ListRules { length: 2, reserve: 2, category_max: Some(1), ..ListRules::of(Relation::ViewedTogether) };
        // In another list both stand so high that they lead that one alone.
        let elsewhere = |about, id| {
            let high = Entry { rank_milli: 1_000, ..entry(id) };
            Asking::of(about, &[high, entry(4)]).unwrap()
        };
        let here = |about, id| Asking::of(about, &[entry(id), entry(4)]).unwrap();
        let lists = vec![elsewhere(7, 1), elsewhere(8, 3), here(9, 1), here(10, 3)];
        let mut acceptance = Acceptance::among(lists, 1);
        while acceptance.step(100) == 100 {}
        let levels = acceptance.levels();
        let places = Places {
            rules: &rules,
            items: &items,
            facts: Some(&facts),
            levels: Some((&levels, items.fingerprint(ids[0]))),
        };
        let ranked = List { entries: (1..5).map(entry).collect(), shown: 2, ..List::empty(key) };
        let mut explanation = Explanation::without_row("main", "about", &rules, &ranked);
        explanation.take_ranked(&ranked, &places);
        let placed = List { entries: [2, 4, 1, 3].map(entry).to_vec(), shown: 2, ..List::empty(key) };
        assert_eq!(explanation.put_in_place(&placed, &places), []);
        let told = explanation.candidates.iter().map(|known| (known.item.as_str(), known.displaced));
        let (exposure, category) = (Some(Gate::Exposure), Some(Gate::CategoryPlaces));
        assert_eq!(told.collect::<Vec<_>>(), [("b", None), ("d", None), ("a", exposure), ("c", category)]);
    }
}
