//! The fast way from a row to its list: cheap gates on every candidate, the costly one on those that may be shown.

use super::day::Day;
use super::gate::{failed_cheap, failed_root};
use super::list::{Entry, List};
use super::measure::{Figures, RankValue, score_milli};
use crate::items::Items;
use crate::rows::{Neighbour, RowView};
use crate::rules::ListRules;
use std::cmp::Ordering;

/// A candidate that passed the cheap gates.
#[derive(Clone, Copy)]
struct Candidate {
    rank_milli: i64,
    /// `None` until somebody asks.
    llr_root: Option<f64>,
    neighbour: Neighbour,
    other_weight: f64,
}

/// Ranks rows by the rules of one list. Keeps its scratch memory between rows.
pub struct Ranker {
    rules: ListRules,
    rank_value: RankValue,
    candidates: Vec<Candidate>,
}

impl Ranker {
    /// A ranker for one list.
    #[must_use]
    pub fn new(rules: ListRules) -> Self {
        Self { rank_value: RankValue::new(&rules), rules, candidates: Vec::new() }
    }

    /// The rules it ranks by.
    #[must_use]
    pub fn rules(&self) -> &ListRules {
        &self.rules
    }

    /// The list of `row`.
    #[must_use]
    pub fn rank(&mut self, row: &RowView<'_>) -> List {
        let mut list = List::empty(row.relation, row.anchor);
        self.rank_into(row, &mut list);
        list
    }

    /// The same, into a list that is there already.
    pub fn rank_into(&mut self, row: &RowView<'_>, list: &mut List) {
        (list.relation, list.anchor, list.as_of) = (row.relation, row.anchor, row.now);
        list.entries.clear();
        self.collect(row);
        let wanted = self.rules.length.saturating_add(self.rules.reserve);
        let mut done = 0;
        // Mostly one round: more only where the root LLR turns away many that rank high.
        while list.entries.len() < wanted && done < self.candidates.len() {
            let best = sort_best(&mut self.candidates[done..], wanted, row);
            for candidate in &mut self.candidates[done..done + best] {
                if list.entries.len() == wanted {
                    break;
                }
                let root = root(candidate, row);
                if failed_root(&self.rules, root).is_none() {
                    list.entries.push(entry(candidate, root, row));
                }
            }
            done += best;
        }
        list.shown = self.rules.length.min(list.entries.len());
    }

    fn collect(&mut self, row: &RowView<'_>) {
        self.candidates.clear();
        for neighbour in row.neighbours() {
            if neighbour.support < self.rules.min_support {
                continue; // before the look-up of the other total, which is a cache miss
            }
            let other_weight = row.other_weight(neighbour.item);
            let figures = Figures::new(neighbour.weight, row.anchor_weight, other_weight, row.contexts);
            if failed_cheap(&self.rules, neighbour.support, &figures).is_none() {
                let rank_milli = self.rank_value.of(&figures);
                self.candidates.push(Candidate { rank_milli, llr_root: None, neighbour, other_weight });
            }
        }
    }
}

/// Brings the best `wanted` candidates to the front, in order, and all that tie with the last of them. Returns how many
/// these are.
fn sort_best(candidates: &mut [Candidate], wanted: usize, row: &RowView<'_>) -> usize {
    let by_rank = |x: &Candidate, y: &Candidate| y.rank_milli.cmp(&x.rank_milli);
    let mut best = wanted.clamp(1, candidates.len());
    if best < candidates.len() {
        let (_, last, _) = candidates.select_nth_unstable_by(best - 1, by_rank);
        let last = last.rank_milli;
        best += ties_first(&mut candidates[best..], last);
    }
    candidates[..best].sort_unstable_by(by_rank);
    for tie in candidates[..best].chunk_by_mut(|x, y| x.rank_milli == y.rank_milli) {
        if tie.len() > 1 {
            tie.iter_mut().for_each(|candidate| {
                root(candidate, row);
            });
            tie.sort_unstable_by(|x, y| break_tie(x, y, row.items));
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

fn break_tie(x: &Candidate, y: &Candidate, items: &Items) -> Ordering {
    let roots = y.llr_root.unwrap_or(0.0).total_cmp(&x.llr_root.unwrap_or(0.0));
    roots.then_with(|| items.name(x.neighbour.item).cmp(items.name(y.neighbour.item)))
}

fn figures(candidate: &Candidate, row: &RowView<'_>) -> Figures {
    Figures::new(candidate.neighbour.weight, row.anchor_weight, candidate.other_weight, row.contexts)
}

fn root(candidate: &mut Candidate, row: &RowView<'_>) -> f64 {
    let figures = figures(candidate, row);
    *candidate.llr_root.get_or_insert_with(|| figures.llr_root())
}

fn entry(candidate: &Candidate, llr_root: f64, row: &RowView<'_>) -> Entry {
    let figures = figures(candidate, row);
    Entry {
        item: candidate.neighbour.item,
        score_milli: score_milli(figures.score()),
        rank_milli: candidate.rank_milli,
        support: candidate.neighbour.support,
        figures,
        llr_root,
        last_seen: Day(candidate.neighbour.last_seen_day),
    }
}
