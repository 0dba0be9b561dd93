//! What fills a list behind what is counted for it, each entry labelled with where it comes from; and that no category and no maker takes more
//! places than it may.
//!
//! In the order that the list's rules name: what is counted with less evidence (`thin`), what stands in the lists of its own entries
//! (`second`), what sells in the item's categories, the narrowest first, and in the shop.
//! What fills passes the gates by facts, as everything does, and never stands before what is counted.

use super::beside::Beside;
use super::by_facts::entry_by_hand;
use super::label::{Label, Source};
use super::list::{Entry, List};
use super::ranker::Ranker;
use super::told::Told;
use crate::facts::{CategoryId, Facts};
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
            let thin = ListRules { min_support: THIN_SUPPORT, length, reserve: 0, fill: Vec::new(), ..rules.clone() };
            Box::new(Self::new(thin))
        })
    }

    /// Whether there are places that something could fill.
    #[must_use]
    pub fn has_places(&self, list: &List) -> bool {
        !self.rules().fill.is_empty() && list.entries.len() < self.wanted()
    }

    fn wanted(&self) -> usize {
        self.rules().length.saturating_add(self.rules().reserve)
    }

    /// Fills a list that has been ranked from `row`, step by step: with what is thin, and from `items`, each with where it is from.
    pub fn fill(&mut self, row: &RowView<'_>, beside: &Beside<'_>, items: &[(ItemId, Source)], list: &mut List) {
        let mut families: Vec<u64> = Vec::new();
        let family = |item| beside.facts.map(|facts| facts.of(row.items.fingerprint(item)).family);
        families.extend(list.entries.iter().filter_map(|entry| family(entry.item)));
        let rules = Arc::clone(&self.rules);
        for step in &rules.fill {
            match source_of(*step) {
                Source::Thin => self.fill_thin(row, beside, &mut families, list),
                source => {
                    let of_step = items.iter().filter(|(_, from)| *from == source).map(|(item, _)| *item);
                    self.fill_from((row, beside), (of_step, source), &mut families, list);
                }
            }
        }
        list.shown = rules.length.min(list.entries.len());
    }

    fn fill_thin(&mut self, row: &RowView<'_>, beside: &Beside<'_>, families: &mut Vec<u64>, list: &mut List) {
        let wanted = self.wanted();
        let Some(mut thin) = self.thin.take() else { return };
        let family = |item| beside.facts.map(|facts| facts.of(row.items.fingerprint(item)).family);
        let mut thinner = thin.rank_thin(row, beside);
        for mut entry in thinner.entries.drain(..) {
            let is_there = list.entries.iter().any(|known| known.item == entry.item);
            let own = family(entry.item);
            if list.entries.len() < wanted && !is_there && !own.is_some_and(|own| families.contains(&own)) {
                families.extend(own);
                entry.label.source = Source::Thin;
                list.entries.push(entry);
            }
        }
        list.held_back.append(&mut thinner.held_back);
        self.thin = Some(thin);
    }

    fn fill_from(
        &self,
        (row, beside): (&RowView<'_>, &Beside<'_>),
        (items, source): (impl Iterator<Item = ItemId>, Source),
        families: &mut Vec<u64>,
        list: &mut List,
    ) {
        let wanted = self.wanted();
        let told = beside.facts.map(|facts| Told::of(row, self.rules(), facts));
        for item in items {
            if list.entries.len() >= wanted {
                break;
            }
            if item == row.anchor || list.entries.iter().any(|known| known.item == item) {
                continue;
            }
            if let Some(told) = &told {
                let fingerprint = row.items.fingerprint(item);
                let known = told.facts.of(fingerprint);
                let about = (fingerprint, told.ruling(fingerprint), &known);
                if told.failed(&self.rules().shown, about, families, false).is_some() {
                    list.held_back.push(item);
                    continue;
                }
                families.push(known.family);
            }
            list.entries.push(entry_by_hand(row, item, Label { source, ..Label::default() }));
        }
    }

    fn rank_thin(&mut self, row: &RowView<'_>, beside: &Beside<'_>) -> List {
        let mut list = List::empty(self.key_of(row));
        self.rank_beside(row, beside, &mut list);
        list
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

/// Leaves among the shown entries of a list at most as many of one category and one maker as its rules allow; what is displaced goes to the
/// reserve, and what stands behind moves up. What people put there stays.
pub fn spread_out(rules: &ListRules, items: &Items, facts: &Facts, list: &mut List) {
    if rules.category_max.is_none() && rules.brand_max.is_none() {
        return;
    }
    let (mut categories, mut brands): (Vec<CategoryId>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut fits = |entry: &Entry| {
        let known = facts.of(items.fingerprint(entry.item));
        let is_by_hand = matches!(entry.label.source, Source::Manual | Source::Pinned);
        let of_category = known.category.map_or(0, |own| categories.iter().filter(|&&held| held == own).count());
        let of_brand = known.brand.map_or(0, |own| brands.iter().filter(|&&held| held == own).count());
        let fits =
            rules.category_max.is_none_or(|max| of_category < max) && rules.brand_max.is_none_or(|max| of_brand < max);
        if fits || is_by_hand {
            categories.extend(known.category);
            brands.extend(known.brand);
        }
        fits || is_by_hand
    };
    let (mut shown, mut behind) = (Vec::new(), Vec::new());
    for entry in list.entries.drain(..) {
        let has_place = shown.len() < rules.length && fits(&entry);
        if has_place { shown.push(entry) } else { behind.push(entry) }
    }
    list.shown = shown.len();
    list.entries.extend(shown.into_iter().chain(behind));
}
