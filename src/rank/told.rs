//! What people and facts say of one list: verdicts, relations kept by hand, and gates by what is known of items.

use super::gate::Gate;
use super::label::{Label, Said, Source};
use crate::facts::{Facts, ItemFacts, Manual, Ruling, Stock, Verdict};
use crate::items::ItemId;
use crate::list_key::ListName;
use crate::relation::Kind;
use crate::rows::RowView;
use crate::rules::{Beside, ListRules, ShownRules};
use std::sync::Arc;

/// What a boost may do.
const BOOST_MIN: f64 = 0.5;
const BOOST_MAX: f64 = 2.0;

/// An entry that people want in a list, counted or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByHand {
    pub(super) item: ItemId,
    pub(super) fingerprint: u64,
    /// At which place, from 1; without one, ahead of what is counted.
    pub(super) place: Option<u16>,
    pub(super) label: Label,
}

/// What is said of one list, as of one moment.
pub(super) struct Told<'a> {
    pub(super) facts: &'a Facts,
    list: ListName,
    now_ms: i64,
    anchor: ItemFacts,
    manual: Option<Arc<Manual>>,
    /// The verdict that counts of each other item, by its fingerprint: a place in `manual`.
    verdicts: Vec<(u64, usize)>,
    /// What is never shown, in order.
    never: Vec<u64>,
    /// Which categories go beside the anchor's, where that is ruled.
    beside: Option<Beside>,
}

impl<'a> Told<'a> {
    /// Of the list of `row`.
    pub(super) fn of(row: &RowView<'_>, rules: &ListRules, facts: &'a Facts) -> Self {
        let fingerprint = row.items.fingerprint(row.anchor);
        let manual = facts.manual(fingerprint);
        let now_ms = facts.now_ms();
        let (mut verdicts, mut never) = (Vec::new(), Vec::new());
        if let Some(manual) = &manual {
            let counting = manual.verdicts.iter().enumerate().filter(|(_, known)| known.counts_in(rules.list, now_ms));
            verdicts.extend(counting.map(|(place, known)| (known.fingerprint, known.list.is_none(), place)));
            verdicts.sort_unstable();
            verdicts.dedup_by_key(|(other, ..)| *other); // what is said of this very list comes first
            let holding = manual.relations.iter().filter(|known| known.is_never() && known.holds_at(now_ms));
            never.extend(holding.map(|known| known.fingerprint));
            never.sort_unstable();
        }
        let verdicts = verdicts.into_iter().map(|(other, _, place)| (other, place)).collect();
        let anchor = facts.of(fingerprint);
        let ways = &rules.shown.beside;
        let way = anchor.category.filter(|_| !ways.is_empty()).map(|category| facts.category(category));
        let beside = way.and_then(|way| Beside::of(ways, &way)).cloned();
        Self { facts, list: rules.list, now_ms, anchor, manual, verdicts, never, beside }
    }

    /// Whether a verdict may bring an item in, or move it: then each neighbour is asked for, else only those that would have a place.
    pub(super) fn moves_any(&self) -> bool {
        !self.verdicts.is_empty() || self.facts.moves_everywhere()
    }

    /// What was said of an item here: of this anchor before everywhere, of this list before all.
    pub(super) fn ruling(&self, other: u64) -> Option<Ruling> {
        self.with_verdict(other, |verdict| verdict.ruling)
    }

    /// The same, in full.
    pub(super) fn verdict(&self, other: u64) -> Option<Verdict> {
        self.with_verdict(other, Verdict::clone)
    }

    fn with_verdict<R>(&self, other: u64, then: impl FnOnce(&Verdict) -> R) -> Option<R> {
        if let (Some(manual), Ok(found)) =
            (&self.manual, self.verdicts.binary_search_by_key(&other, |(other, _)| *other))
        {
            return manual.verdicts.get(self.verdicts[found].1).map(then);
        }
        self.facts.everywhere(other)?.everywhere_in(self.list, self.now_ms).map(then)
    }

    /// What people want in this list of what the table of `row` has, in the order of their places: what is pinned before what is
    /// related, then by name. Each once.
    pub(super) fn by_hand(&self, row: &RowView<'_>, rules: &ShownRules) -> Vec<ByHand> {
        let Some(manual) = &self.manual else { return Vec::new() };
        let mut all: Vec<ByHand> = Vec::new();
        let mut add = |fingerprint: u64, position: Option<u16>, kind: Option<Kind>| {
            let item = row.items.find_fingerprint(fingerprint).filter(|&item| item != row.anchor);
            let Some(item) = item.filter(|&item| all.iter().all(|known| known.item != item)) else { return };
            let ruling = self.ruling(fingerprint);
            let pinned = pinned_at(ruling);
            let source = if pinned.is_some() { Source::Pinned } else { Source::Manual };
            let label = Label { source, verdict: said(ruling), relation: kind, list: None };
            all.push(ByHand { item, fingerprint, place: pinned.or(position), label });
        };
        for relation in manual.relations.iter().filter(|known| known.holds_at(self.now_ms)) {
            if rules.relations.contains(&relation.kind) {
                add(relation.fingerprint, relation.position, Some(relation.kind));
            }
        }
        for &(fingerprint, place) in &self.verdicts {
            if pinned_at(manual.verdicts.get(place).map(|verdict| verdict.ruling)).is_some() {
                add(fingerprint, None, None);
            }
        }
        sort_by_hand(&mut all, row);
        all
    }

    /// Whether two items are of one family, or would be: nothing is a variant of itself.
    fn is_sibling(&self, other: &ItemFacts) -> bool {
        other.family == self.anchor.family
    }

    /// The first gate by facts that turns an item away. What people want by hand passes those that compare it with the anchor; of a
    /// family that is in `families` there is one already.
    pub(super) fn failed(
        &self,
        rules: &ShownRules,
        (fingerprint, ruling, other): (u64, Option<Ruling>, &ItemFacts),
        families: &[u64],
        is_by_hand: bool,
    ) -> Option<Gate> {
        if self.never.binary_search(&fingerprint).is_ok() {
            return Some(Gate::Never);
        }
        if ruling == Some(Ruling::Reject) {
            return Some(Gate::Rejected);
        }
        if !other.is_sold {
            return Some(Gate::NotSold);
        }
        if rules.in_stock && other.stock == Stock::Out {
            return Some(Gate::OutOfStock);
        }
        if is_by_hand {
            return None;
        }
        if self.is_sibling(other) || families.contains(&other.family) {
            return Some(Gate::Family);
        }
        self.failed_beside(rules, other)
    }

    /// The gates that compare an item with the anchor.
    fn failed_beside(&self, rules: &ShownRules, other: &ItemFacts) -> Option<Gate> {
        if let (Some(one), Some(another)) = (self.anchor.category, other.category)
            && !rules.category.allows(|| self.facts.are_one_way(one, another))
        {
            return Some(Gate::Category);
        }
        if let (Some(beside), Some(another)) = (&self.beside, other.category)
            && !beside.allows(&self.facts.category(another))
        {
            return Some(Gate::Category);
        }
        if let (Some(one), Some(another)) = (self.anchor.price, other.price)
            && one.currency == another.currency
        {
            let is_too_cheap = rules.price_at_least.is_some_and(|share| another.amount < share * one.amount);
            let is_too_dear = rules.price_at_most.is_some_and(|share| another.amount > share * one.amount);
            if is_too_cheap || is_too_dear {
                return Some(Gate::Price);
            }
        }
        if let (Some(one), Some(another)) = (self.anchor.brand, other.brand)
            && !rules.brand.allows(|| one == another)
        {
            return Some(Gate::Brand);
        }
        None
    }
}

/// In the order of their places: what is pinned first, then by name.
pub(super) fn sort_by_hand(all: &mut [ByHand], row: &RowView<'_>) {
    let order = |x: &ByHand| (x.place.is_none(), x.place, x.label.source != Source::Pinned);
    all.sort_unstable_by(|x, y| {
        order(x).cmp(&order(y)).then_with(|| row.items.name(x.item).cmp(row.items.name(y.item)))
    });
}

/// What a ruling says of an entry that is shown.
pub(super) fn said(ruling: Option<Ruling>) -> Option<Said> {
    match ruling? {
        Ruling::Approve => Some(Said::Approved),
        Ruling::Pin(_) => Some(Said::Pinned),
        Ruling::Boost(_) => Some(Said::Boosted),
        Ruling::Reject => None,
    }
}

/// At which place a ruling wants an item, from 1.
pub(super) fn pinned_at(ruling: Option<Ruling>) -> Option<u16> {
    match ruling? {
        Ruling::Pin(place) => Some(place.max(1)),
        _ => None,
    }
}

/// What the rank value of an item is multiplied by.
pub(super) fn boost(ruling: Option<Ruling>) -> f64 {
    match ruling {
        Some(Ruling::Boost(by)) if by.is_finite() => by.clamp(BOOST_MIN, BOOST_MAX),
        _ => 1.0,
    }
}

/// Whether gates of evidence do not count for an item.
pub(super) fn is_approved(ruling: Option<Ruling>) -> bool {
    ruling == Some(Ruling::Approve)
}
