//! Why a list is as it is: the whole row, entry by entry, with the gate that each rejected candidate failed.
//!
//! Written the plain way (everything computed, everything sorted), so that it also checks the fast one.

use super::day::Day;
use super::gate::{Gate, failed_cheap, failed_root};
use super::measure::{Figures, RankValue, score_milli};
use crate::rows::{Neighbour, RowView};
use crate::rules::{ListRules, Measure};
use serde::{Deserialize, Serialize};

/// A row, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The shop.
    pub shop: String,
    /// The name of the list.
    pub list: String,
    /// Whose list it is.
    pub item: String,
    /// The time that all weights are decayed to, in ms since 1970.
    pub as_of: i64,
    /// Support of the anchor total of the item.
    pub anchor_support: u32,
    /// Weight of the anchor total of the item.
    pub anchor_weight: f64,
    /// Contexts of the shop.
    pub contexts: f64,
    /// What the list is ordered by.
    pub measure: Measure,
    /// Exponent of rarity.
    pub specificity: f64,
    /// Gate: fewest contexts behind an entry.
    pub min_support: u32,
    /// Gate: smallest signed root LLR.
    pub min_llr_root: Option<f64>,
    /// Gate: more than by chance.
    pub lift_above_one: bool,
    /// The neighbours: the listed ones in their order, then the others, best first.
    pub candidates: Vec<ExplainedCandidate>,
    /// How many more there are, behind these.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// A neighbour, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainedCandidate {
    /// The other item.
    pub item: String,
    /// Where it stands in the list.
    pub place: Option<Place>,
    /// The gate that it failed; none where it has a place.
    pub gate: Option<Gate>,
    /// Contexts behind the pair.
    pub support: u32,
    /// Weight of the pair, at most that of anchor and other.
    pub weight: f64,
    /// Other total of the item.
    pub other_weight: f64,
    /// P(other | anchor).
    pub confidence: f64,
    /// Confidence / P(other).
    pub lift: f64,
    /// Signed root LLR.
    pub llr_root: f64,
    /// 0 to 100.
    pub score: f64,
    /// What the list is ordered by, in thousandths.
    pub rank_milli: i64,
    /// Day of the latest event behind the pair.
    pub last_seen: Day,
}

/// Where a candidate stands, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Among the shown ones.
    Shown(usize),
    /// In reserve.
    Reserve(usize),
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A neighbour that has no texts yet: a long row has more of them than are told.
struct Judged {
    neighbour: Neighbour,
    other_weight: f64,
    figures: Figures,
    llr_root: f64,
    gate: Option<Gate>,
    rank_milli: i64,
}

/// Explains `row` under `rules`, with its best `candidates_max` neighbours.
#[must_use]
pub fn explain(row: &RowView<'_>, rules: &ListRules, candidates_max: usize) -> Explanation {
    let value = RankValue::new(rules).of_row(row.anchor_weight, row.contexts);
    let judge = |neighbour: Neighbour| {
        let other_weight = row.other_weight(neighbour.item);
        let figures = Figures::new(neighbour.weight, row.anchor_weight, other_weight, row.contexts);
        let llr_root = figures.llr_root();
        let gate = failed_cheap(rules, neighbour.support, &figures).or_else(|| failed_root(rules, llr_root));
        let rank_milli = if figures.are_known() { value.milli(&figures) } else { 0 };
        Judged { neighbour, other_weight, figures, llr_root, gate, rank_milli }
    };
    let name = |judged: &Judged| row.items.name(judged.neighbour.item);
    let order = |x: &Judged, y: &Judged| {
        let passed = x.gate.is_some().cmp(&y.gate.is_some());
        let ranked = passed.then_with(|| y.rank_milli.cmp(&x.rank_milli));
        ranked.then_with(|| y.llr_root.total_cmp(&x.llr_root)).then_with(|| name(x).cmp(name(y)))
    };
    let mut judged: Vec<Judged> = row.neighbours().map(judge).collect();
    let left_out = judged.len().saturating_sub(candidates_max);
    if left_out > 0 {
        judged.select_nth_unstable_by(candidates_max, order);
        judged.truncate(candidates_max);
    }
    judged.sort_unstable_by(order);
    let tell = |judged: &Judged| ExplainedCandidate {
        item: name(judged).to_owned(),
        place: None,
        gate: judged.gate,
        support: judged.neighbour.support,
        weight: judged.figures.pair,
        other_weight: judged.other_weight,
        confidence: judged.figures.confidence(),
        lift: judged.figures.lift(),
        llr_root: judged.llr_root,
        score: f64::from(score_milli(judged.figures.score())) / 1000.0,
        rank_milli: judged.rank_milli,
        last_seen: Day(judged.neighbour.last_seen_day),
    };
    let mut candidates: Vec<ExplainedCandidate> = judged.iter().map(tell).collect();
    let passed = candidates.iter_mut().filter(|candidate| candidate.gate.is_none());
    for (candidate, place) in passed.zip(1_usize..) {
        if place <= rules.length {
            candidate.place = Some(Place::Shown(place));
        } else if place - rules.length <= rules.reserve {
            candidate.place = Some(Place::Reserve(place - rules.length));
        } else {
            candidate.gate = Some(Gate::Rank);
        }
    }
    Explanation {
        shop: row.items.shop_name(row.items.shop_of(row.anchor)).to_owned(),
        list: row.relation.list_name().to_owned(),
        item: row.items.name(row.anchor).to_owned(),
        as_of: row.now.0,
        anchor_support: row.anchor_support,
        anchor_weight: row.anchor_weight,
        contexts: row.contexts,
        measure: rules.measure,
        specificity: rules.specificity,
        min_support: rules.min_support,
        min_llr_root: rules.min_llr_root,
        lift_above_one: rules.lift_above_one,
        candidates,
        left_out,
    }
}
