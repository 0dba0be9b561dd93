//! Ranking by facts: as without, but that what people say moves candidates before they are sorted, and that what is known of items is
//! asked of those only that would have a place.

use super::beside::Beside;
use super::gate::Gate;
use super::label::{Label, Source};
use super::list::{Entry, List};
use super::measure::{score_milli, thousandths};
use super::placing::Placing;
use super::ranker::{Ranker, entry, row_figures, sort_best};
use super::told::{ByHand, Told, boost, is_approved, pinned_at, said, sort_by_hand};
use super::{Day, Figures};
use crate::facts::Facts;
use crate::items::ItemId;
use crate::rows::RowView;
use crate::rules::ListRules;
use std::sync::Arc;

impl Ranker {
    /// As [`Ranker::rank_only`], with what `facts` know and people say. Of what people want in the list, that is ranked which the
    /// row's table of items has.
    pub fn rank_by_facts(&mut self, row: &RowView<'_>, facts: &Facts, list: &mut List) {
        self.rank_beside(row, &Beside { row: None, facts: Some(facts) }, list);
    }

    pub(super) fn rank_by_facts_beside(
        &mut self,
        row: &RowView<'_>,
        (beside, facts): (&Beside<'_>, &Facts),
        list: &mut List,
    ) {
        list.clear(self.key_of(row), row.now);
        let rules = Arc::clone(&self.rules);
        let told = Told::of(row, &rules, facts);
        let mut placing = std::mem::take(&mut self.placing);
        placing.begin(&rules);
        let mut by_hand = told.by_hand(row, &rules.shown);
        if told.moves_any() {
            self.collect_moved(row, &told, &mut by_hand);
        } else {
            self.collect(row);
        }
        place_by_hand(&by_hand, row, (&rules, &told), &mut placing, list);
        self.place_counted(row, beside, &told, &mut placing, list);
        placing.fill(list);
        self.placing = placing;
    }

    /// Whether any of these may not be in the list of `row` at all, by what is known of them: whatever its rank.
    #[must_use]
    pub fn turns_any_away(&self, row: &RowView<'_>, facts: &Facts, items: &[ItemId]) -> bool {
        let told = Told::of(row, &self.rules, facts);
        items.iter().any(|&item| {
            let fingerprint = row.items.fingerprint(item);
            let known = told.facts.of(fingerprint);
            told.failed(&self.rules.shown, (fingerprint, told.ruling(fingerprint), &known), &[], true).is_some()
        })
    }

    /// As [`Ranker::collect`], where verdicts may move or approve what is counted, or pin it.
    fn collect_moved(&mut self, row: &RowView<'_>, told: &Told<'_>, by_hand: &mut Vec<ByHand>) {
        self.clear();
        let rules = Arc::clone(&self.rules);
        let mut boosts = Vec::new();
        let wanted_before = by_hand.len();
        for (neighbour, index) in row.neighbours().zip(0_u32..) {
            let fingerprint = row.items.fingerprint(neighbour.item);
            let ruling = told.ruling(fingerprint);
            if let Some(place) = pinned_at(ruling) {
                if by_hand[..wanted_before].iter().all(|known| known.item != neighbour.item) {
                    let label = Label { source: Source::Pinned, verdict: said(ruling), relation: None, list: None };
                    by_hand.push(ByHand { item: neighbour.item, fingerprint, place: Some(place), label });
                }
                continue;
            }
            let figures = row_figures(row, neighbour.weight, row.other_weight(neighbour.item));
            if super::gate::failed_before(&rules, neighbour.support, &figures, is_approved(ruling)).is_none() {
                self.add(index, &figures);
                boosts.push(boost(ruling));
            }
        }
        sort_by_hand(by_hand, row);
        self.value(row, |place, value| value * boosts[place]);
    }

    /// Places what is counted, best first, until nothing more would have a place.
    fn place_counted(
        &mut self,
        row: &RowView<'_>,
        beside: &Beside<'_>,
        told: &Told<'_>,
        placing: &mut Placing,
        list: &mut List,
    ) {
        let wanted = self.rules.length.saturating_add(self.rules.reserve);
        let mut done = 0;
        while !placing.is_full() && done < self.candidates.len() {
            let best = sort_best(&mut self.candidates[done..], wanted, row);
            for &candidate in &self.candidates[done..done + best] {
                if placing.is_full() {
                    break;
                }
                let entry = entry(candidate, row);
                let gate = || beside.failed(&self.rules, row, entry.item, &entry.figures, &self.look_up);
                place_one(entry, row, (&self.rules, told, &gate), placing, list);
            }
            done += best;
        }
    }
}

fn place_one(
    mut entry: Entry,
    row: &RowView<'_>,
    (rules, told, failed_beside): (&ListRules, &Told<'_>, &dyn Fn() -> Option<Gate>),
    placing: &mut Placing,
    list: &mut List,
) {
    if placing.has(entry.item) {
        return;
    }
    let fingerprint = row.items.fingerprint(entry.item);
    let ruling = told.ruling(fingerprint);
    if rules.min_llr_root.is_some() && !is_approved(ruling) {
        entry.llr_root = entry.figures.llr_root();
        if super::gate::failed_root(rules, entry.llr_root).is_some() {
            return;
        }
    }
    match failed_beside().filter(|_| !is_approved(ruling)) {
        None => {}
        Some(gate) => {
            // A price may come to be known.
            list.held_back.extend((gate == Gate::Price).then_some(entry.item));
            return;
        }
    }
    let known = told.facts.of(fingerprint);
    if told.failed(&rules.shown, (fingerprint, ruling, &known), &placing.families, false).is_some() {
        list.held_back.push(entry.item);
        return;
    }
    entry.label.verdict = said(ruling);
    placing.float(entry, &known, &mut list.held_back);
}

/// Places what people want in the list.
fn place_by_hand(
    by_hand: &[ByHand],
    row: &RowView<'_>,
    (rules, told): (&ListRules, &Told<'_>),
    placing: &mut Placing,
    list: &mut List,
) {
    for wanted in by_hand {
        if wanted.place.map_or_else(|| placing.is_full(), |_| placing.are_all_fixed()) {
            placing.take(wanted.item); // it has no place, as what is counted of it would not
            list.held_back.push(wanted.item);
            continue;
        }
        placing.take(wanted.item);
        let known = told.facts.of(wanted.fingerprint);
        let ruling = told.ruling(wanted.fingerprint);
        if told.failed(&rules.shown, (wanted.fingerprint, ruling, &known), &[], true).is_some() {
            list.held_back.push(wanted.item);
            continue;
        }
        let entry = entry_by_hand(row, wanted.item, wanted.label);
        match wanted.place {
            Some(place) => placing.fix(place, entry, &known),
            None => placing.float(entry, &known, &mut list.held_back),
        }
    }
}

/// An entry that people want: with what is counted of it, if anything.
pub(super) fn entry_by_hand(row: &RowView<'_>, item: ItemId, label: Label) -> Entry {
    let counted = row.neighbours().find(|neighbour| neighbour.item == item);
    let weight = counted.map_or(0.0, |neighbour| neighbour.weight);
    let figures: Figures = row_figures(row, weight, row.other_weight(item));
    Entry {
        item,
        score_milli: score_milli(figures.score()),
        rank_milli: thousandths(0.0),
        support: counted.map_or(0, |neighbour| neighbour.support),
        figures,
        llr_root: if counted.is_some() { f64::NAN } else { 0.0 },
        last_seen: Day(counted.map_or(0, |neighbour| neighbour.last_seen_day)),
        label,
    }
}
