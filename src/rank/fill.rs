//! What fills a list behind what is counted for it, each entry labelled with where it comes from.
//!
//! In the order that the list's rules name: what is counted with less evidence (`thin`), what stands in the lists of its own entries
//! (`second`), what sells in the item's categories, the narrowest first, and in the shop.
//! What fills passes the gates by facts, as everything does, and never stands before what is counted.

use super::beside::Beside;
use super::by_facts::entry_by_hand;
use super::label::{Label, Source};
use super::list::{Entry, List};
use super::ranker::Ranker;
use super::spread::Spread;
use super::told::Told;
use crate::facts::{Facts, ItemFacts};
use crate::items::{ItemId, Items};
use crate::rows::RowView;
use crate::rules::{FillStep, ListRules};
use std::collections::HashMap;
use std::sync::Arc;

/// Contexts behind an entry that is thin.
pub const THIN_SUPPORT: u32 = 2;

impl Ranker {
    /// A ranker for what is thin in a list of these rules, if anything can be.
    pub(super) fn of_thin(rules: &ListRules) -> Option<Box<Self>> {
        let is_any = rules.fill.contains(&FillStep::Thin) && rules.min_support > THIN_SUPPORT;
        is_any.then(|| {
            // What is counted is ranked among it, and takes places.
            let length = rules.length.saturating_add(rules.reserve).saturating_mul(2);
            let plain = ListRules { fill: Vec::new(), category_max: None, brand_max: None, ..rules.clone() };
            Box::new(Self::new(ListRules { min_support: THIN_SUPPORT, length, reserve: 0, ..plain }))
        })
    }

    /// Whether there are places that something could fill.
    #[must_use]
    pub fn has_places(&self, list: &List) -> bool {
        !self.rules().fill.is_empty() && !Room::is_full(self.rules(), list)
    }

    /// Fills a list that has been ranked from `row` and spread out, step by step: with what is thin, and from `items`, each with where it
    /// is from.
    pub fn fill(&mut self, row: &RowView<'_>, beside: &Beside<'_>, items: &[(ItemId, Source)], list: &mut List) {
        let rules = Arc::clone(&self.rules);
        let mut room = Room::of(&rules, row.items, beside.facts, list);
        for step in &rules.fill {
            match source_of(*step) {
                Source::Thin => self.fill_thin(row, beside, &mut room, list),
                source => {
                    let of_step = items.iter().filter(|(_, from)| *from == source).map(|(item, _)| *item);
                    self.fill_from((row, beside), (of_step, source), &mut room, list);
                }
            }
        }
    }

    fn fill_thin(&mut self, row: &RowView<'_>, beside: &Beside<'_>, room: &mut Room<'_>, list: &mut List) {
        let Some(mut thin) = self.thin.take() else { return };
        let mut thinner = thin.rank_thin(row, beside);
        for mut entry in thinner.entries.drain(..) {
            let is_there = list.entries.iter().any(|known| known.item == entry.item);
            let known = beside.facts.map(|facts| facts.of(row.items.fingerprint(entry.item)));
            if !is_there && !known.as_ref().is_some_and(|known| room.families.contains(&known.family)) {
                entry.label.source = Source::Thin;
                room.add(entry, known.as_ref(), list);
            }
        }
        list.held_back.append(&mut thinner.held_back);
        self.thin = Some(thin);
    }

    fn fill_from(
        &self,
        (row, beside): (&RowView<'_>, &Beside<'_>),
        (items, source): (impl Iterator<Item = ItemId>, Source),
        room: &mut Room<'_>,
        list: &mut List,
    ) {
        let told = beside.facts.map(|facts| Told::of(row, self.rules(), facts));
        for item in items {
            if Room::is_full(room.rules, list) {
                break;
            }
            if item == row.anchor || list.entries.iter().any(|known| known.item == item) {
                continue;
            }
            let fingerprint = row.items.fingerprint(item);
            let known = told.as_ref().map(|told| (told, told.facts.of(fingerprint)));
            if let Some((told, known)) = &known {
                let about = (fingerprint, told.ruling(fingerprint), known);
                if told.failed(&self.rules().shown, about, &room.families, false).is_some() {
                    list.held_back.push(item);
                    continue;
                }
            }
            let entry = entry_by_hand(row, item, Label { source, ..Label::default() });
            room.add(entry, known.as_ref().map(|(_, known)| known), list);
        }
    }

    fn rank_thin(&mut self, row: &RowView<'_>, beside: &Beside<'_>) -> List {
        let mut list = List::empty(self.key_of(row));
        self.rank_beside(row, beside, &mut list);
        list
    }
}

/// What room a list has: places that are shown, and behind them.
struct Room<'r> {
    rules: &'r ListRules,
    spread: Spread,
    families: Vec<u64>,
}

impl<'r> Room<'r> {
    fn of(rules: &'r ListRules, items: &Items, facts: Option<&Facts>, list: &List) -> Self {
        let (mut spread, mut families) = (Spread::default(), Vec::new());
        spread.begin(rules);
        for (place, entry) in list.entries.iter().enumerate() {
            let Some(known) = facts.map(|facts| facts.of(items.fingerprint(entry.item))) else { break };
            families.push(known.family);
            if place < list.shown {
                spread.take(&known);
            }
        }
        Self { rules, spread, families }
    }

    fn is_full(rules: &ListRules, list: &List) -> bool {
        list.shown >= rules.length && Self::is_reserve_full(rules, list)
    }

    fn is_reserve_full(rules: &ListRules, list: &List) -> bool {
        list.entries.len() - list.shown >= rules.reserve
    }

    /// Puts an entry behind those that are shown, if one more may be, else into the reserve, if that has room.
    fn add(&mut self, entry: Entry, known: Option<&ItemFacts>, list: &mut List) {
        if list.shown < self.rules.length && known.is_none_or(|known| self.spread.fits(known)) {
            known.into_iter().for_each(|known| self.spread.take(known));
            list.entries.insert(list.shown, entry);
            list.shown += 1;
        } else if !Self::is_reserve_full(self.rules, list) {
            list.entries.push(entry);
        } else {
            return;
        }
        self.families.extend(known.map(|known| known.family));
    }
}

/// Where entries of a step come from.
#[must_use]
pub fn source_of(step: FillStep) -> Source {
    match step {
        FillStep::Thin => Source::Thin,
        FillStep::Second => Source::Second,
        FillStep::Category => Source::Category,
        FillStep::Shop => Source::Shop,
    }
}

/// What stands in the lists of a list's entries, most first, by name where two have as much: of each the sum over these entries of their
/// rank value times its own in the list of that entry.
#[must_use]
pub fn second(lists: &[(i64, Vec<(ItemId, i64)>)], items: &Items, most: usize) -> Vec<ItemId> {
    let mut sums: HashMap<ItemId, i128> = HashMap::new();
    for (value, list) in lists {
        for (item, own) in list {
            *sums.entry(*item).or_default() += i128::from(*value) * i128::from(*own);
        }
    }
    let mut all: Vec<(i128, ItemId)> = sums.into_iter().map(|(item, sum)| (sum, item)).collect();
    all.sort_unstable_by(|x, y| y.0.cmp(&x.0).then_with(|| items.name(x.1).cmp(items.name(y.1))));
    all.truncate(most);
    all.into_iter().map(|(_, item)| item).collect()
}
