//! The fast way from a row to its list: cheap gates on every candidate, the costly one on those that may be shown.

use super::beside::{Beside, LookUp};
use super::day::Day;
use super::gate::{failed_cheap, failed_root};
use super::label::Label;
use super::list::{Entry, List};
use super::measure::{Figures, RankValue, score_milli, thousandths};
use super::placing::Placing;
use crate::list_key::{About, ListKey};
use crate::rows::RowView;
use crate::rules::ListRules;
use std::sync::Arc;

/// A candidate that passed the cheap gates. Small, because selection moves it about; the rest is read again from the row.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    rank_milli: i64,
    /// Where it stands in the row.
    index: u32,
}

/// A candidate that has the rank value of another.
struct Tie<'a> {
    llr_root: f64,
    name: &'a str,
    candidate: Candidate,
}

/// Ranks rows by the rules of one list. Keeps its scratch memory between rows.
pub struct Ranker {
    pub(super) rules: Arc<ListRules>,
    rank_value: RankValue,
    pub(super) candidates: Vec<Candidate>,
    /// Of each candidate, before it has a place: pair weight, other total, value.
    pairs: Vec<f64>,
    others: Vec<f64>,
    values: Vec<f64>,
    pub(super) placing: Placing,
    pub(super) look_up: LookUp,
    /// Ranks what fills its lists first.
    pub(super) thin: Option<Box<Ranker>>,
}

impl Ranker {
    /// A ranker for one list.
    #[must_use]
    pub fn new(rules: ListRules) -> Self {
        let rank_value = RankValue::new(&rules);
        let thin = Self::of_thin(&rules);
        let (candidates, pairs, others, values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (rules, placing, look_up) = (Arc::new(rules), Placing::default(), LookUp::default());
        Self { rules, rank_value, candidates, pairs, others, values, placing, look_up, thin }
    }

    /// The rules it ranks by.
    #[must_use]
    pub fn rules(&self) -> &ListRules {
        &self.rules
    }

    /// The list of `row`.
    #[must_use]
    pub fn rank(&mut self, row: &RowView<'_>) -> List {
        let mut list = List::empty(self.key_of(row));
        self.rank_into(row, &mut list);
        list
    }

    /// The same, into a list that is there already.
    pub fn rank_into(&mut self, row: &RowView<'_>, list: &mut List) {
        self.rank_only(row, list);
        list.complete();
    }

    /// The same, without what neither gates nor order need: [`List::complete`] adds it where the list is published.
    pub fn rank_only(&mut self, row: &RowView<'_>, list: &mut List) {
        self.rank_beside(row, &Beside::default(), list);
    }

    /// The same, where something besides the row has a say: the item's row of another relation, or what is known of items.
    pub fn rank_beside(&mut self, row: &RowView<'_>, beside: &Beside<'_>, list: &mut List) {
        self.look_up.make(beside.row.as_ref());
        if let Some(facts) = beside.facts {
            return self.rank_by_facts_beside(row, (beside, facts), list);
        }
        list.clear(self.key_of(row), row.now);
        self.collect(row);
        let wanted = self.rules.length.saturating_add(self.rules.reserve);
        let mut done = 0;
        // Mostly one round: more only where the root LLR turns away many that rank high.
        while list.entries.len() < wanted && done < self.candidates.len() {
            let best = sort_best(&mut self.candidates[done..], wanted, row);
            for &candidate in &self.candidates[done..done + best] {
                if list.entries.len() == wanted {
                    break;
                }
                let mut entry = entry(candidate, row);
                if self.rules.min_llr_root.is_some() {
                    entry.llr_root = entry.figures.llr_root();
                    if failed_root(&self.rules, entry.llr_root).is_some() {
                        continue;
                    }
                }
                if beside.failed(&self.rules, row, entry.item, &entry.figures, &self.look_up).is_some() {
                    continue;
                }
                list.entries.push(entry);
            }
            done += best;
        }
        list.shown = self.rules.length.min(list.entries.len());
    }

    pub(super) fn key_of(&self, row: &RowView<'_>) -> ListKey {
        ListKey { shop: row.items.shop_of(row.anchor), list: self.rules.list, about: About::Item(row.anchor) }
    }

    pub(super) fn collect(&mut self, row: &RowView<'_>) {
        self.clear();
        for (neighbour, index) in row.neighbours().zip(0_u32..) {
            if neighbour.support < self.rules.min_support {
                continue; // before the look-up of the other total, which is a cache miss
            }
            let figures = row_figures(row, neighbour.weight, row.other_weight(neighbour.item));
            if failed_cheap(&self.rules, neighbour.support, &figures).is_none() {
                self.add(index, &figures);
            }
        }
        self.value(row, |_, value| value);
    }

    pub(super) fn clear(&mut self) {
        self.candidates.clear();
        self.pairs.clear();
        self.others.clear();
        self.values.clear();
    }

    /// The neighbour at `index` passed the gates before ranking.
    #[inline]
    pub(super) fn add(&mut self, index: u32, figures: &Figures) {
        self.candidates.push(Candidate { rank_milli: 0, index });
        self.pairs.push(figures.pair);
        self.others.push(figures.other);
    }

    /// Gives every candidate its value, changed by `moved`, which is told its place.
    #[inline]
    pub(super) fn value(&mut self, row: &RowView<'_>, moved: impl Fn(usize, f64) -> f64) {
        let of_row = self.rank_value.of_row(row.anchor_weight, row.contexts);
        of_row.append(&self.pairs, &self.others, &mut self.values);
        for (place, (candidate, &value)) in self.candidates.iter_mut().zip(&self.values).enumerate() {
            candidate.rank_milli = thousandths(moved(place, value));
        }
    }
}

/// Brings the best `wanted` candidates to the front, in order, and all that tie with the last of them. Returns how many
/// these are.
pub(super) fn sort_best(candidates: &mut [Candidate], wanted: usize, row: &RowView<'_>) -> usize {
    let by_rank = |x: &Candidate, y: &Candidate| y.rank_milli.cmp(&x.rank_milli);
    let mut best = wanted.clamp(1, candidates.len());
    if best < candidates.len() {
        let (_, last, _) = candidates.select_nth_unstable_by(best - 1, by_rank);
        let last = last.rank_milli;
        best += ties_first(&mut candidates[best..], last);
    }
    candidates[..best].sort_unstable_by(by_rank);
    for equals in candidates[..best].chunk_by_mut(|x, y| x.rank_milli == y.rank_milli) {
        if equals.len() > 1 {
            break_ties(equals, row);
        }
    }
    best
}

/// Brings the candidates with this rank value to the front. Returns how many these are.
fn ties_first(candidates: &mut [Candidate], rank_milli: i64) -> usize {
    let mut ties = 0;
    for index in 0..candidates.len() {
        if candidates[index].rank_milli == rank_milli {
            candidates.swap(index, ties);
            ties += 1;
        }
    }
    ties
}

/// Sorts candidates of one rank value: by signed root LLR, then item id.
fn break_ties(equals: &mut [Candidate], row: &RowView<'_>) {
    let tie = |&candidate: &Candidate| {
        let neighbour = row.neighbour(candidate.index as usize);
        let figures = row_figures(row, neighbour.weight, row.other_weight(neighbour.item));
        Tie { llr_root: figures.llr_root(), name: row.items.name(neighbour.item), candidate }
    };
    let mut ties: Vec<Tie<'_>> = equals.iter().map(tie).collect();
    ties.sort_unstable_by(|x, y| y.llr_root.total_cmp(&x.llr_root).then_with(|| x.name.cmp(y.name)));
    equals.iter_mut().zip(ties).for_each(|(place, tie)| *place = tie.candidate);
}

pub(super) fn row_figures(row: &RowView<'_>, pair_weight: f64, other_weight: f64) -> Figures {
    Figures::new(pair_weight, row.anchor_weight, other_weight, row.contexts)
}

pub(super) fn entry(candidate: Candidate, row: &RowView<'_>) -> Entry {
    let neighbour = row.neighbour(candidate.index as usize);
    let figures = row_figures(row, neighbour.weight, row.other_weight(neighbour.item));
    Entry {
        item: neighbour.item,
        score_milli: score_milli(figures.score()),
        rank_milli: candidate.rank_milli,
        support: neighbour.support,
        figures,
        llr_root: f64::NAN, // four logarithms: only where they are needed
        last_seen: Day(neighbour.last_seen_day),
        label: Label::default(),
    }
}
