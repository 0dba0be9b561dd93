//! Why a list is as it is: the whole row, entry by entry, with the gate that each rejected candidate failed.
//!
//! Written the plain way (everything computed, everything sorted), so that it also checks the fast one.

use super::beside::{Beside, LookUp};
use super::day::Day;
use super::gate::{Gate, failed_before, failed_root};
use super::label::{Label, Source};
use super::measure::{Figures, RankValue, RowValue, score_milli, thousandths};
use super::told::{Told, boost, is_approved, said};
use crate::facts::{Facts, Ruling, Verdict};
use crate::items::ItemId;
use crate::relation::Kind;
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
    /// What cannot be told, and what the list goes by besides its row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
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
    /// What keeps it in reserve, though it ranks before something that is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displaced: Option<Gate>,
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
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "is_counted")]
    pub source: Source,
    /// In a placement: the list that it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The relation that the shop keeps by hand and this list shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<Kind>,
    /// The verdict that counts here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<ExplainedVerdict>,
}

/// A verdict that counts in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainedVerdict {
    /// `approve`, `reject`, `pin 3`, `boost 1.5`.
    pub ruling: String,
    /// Who said so.
    pub who: String,
    /// When, in ms since 1970.
    pub when: i64,
    /// Why.
    pub why: String,
    /// Until when it counts, in ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl ExplainedVerdict {
    fn of(verdict: &Verdict) -> Self {
        let ruling = match verdict.ruling {
            Ruling::Approve => "approve".to_owned(),
            Ruling::Reject => "reject".to_owned(),
            Ruling::Pin(place) => format!("pin {place}"),
            Ruling::Boost(by) => format!("boost {by}"),
        };
        let Verdict { who, when_ms, why, until_ms, .. } = verdict;
        Self { ruling, who: who.to_string(), when: *when_ms, why: why.to_string(), until: *until_ms }
    }
}

/// Where a candidate stands, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Among the shown ones.
    Shown(usize),
    /// In reserve.
    Reserve(usize),
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_counted(source: &Source) -> bool {
    *source == Source::Counted
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A candidate that has no texts yet: a long row has more of them than are told.
pub(super) struct Judged {
    pub(super) item: ItemId,
    pub(super) support: u32,
    pub(super) last_seen: Day,
    pub(super) figures: Figures,
    pub(super) llr_root: f64,
    pub(super) gate: Option<Gate>,
    pub(super) rank_milli: i64,
    pub(super) place: Option<Place>,
    pub(super) label: Label,
}

impl Judged {
    /// What people want in the list, and nobody has counted.
    pub(super) fn uncounted(item: ItemId, row: &RowView<'_>) -> Self {
        let figures = Figures::new(0.0, row.anchor_weight, row.other_weight(item), row.contexts);
        let (support, last_seen, llr_root, rank_milli) = (0, Day(0), 0.0, 0);
        Self {
            item,
            support,
            last_seen,
            figures,
            llr_root,
            gate: None,
            rank_milli,
            place: None,
            label: Label::default(),
        }
    }

    fn of(
        neighbour: Neighbour,
        row: &RowView<'_>,
        (rules, value): (&ListRules, &RowValue),
        (beside, look_up): (&Beside<'_>, &LookUp),
        ruling: Option<Ruling>,
    ) -> Self {
        let Neighbour { item, support, weight, last_seen_day } = neighbour;
        let figures = Figures::new(weight, row.anchor_weight, row.other_weight(item), row.contexts);
        let llr_root = figures.llr_root();
        let is_approved = is_approved(ruling);
        let late = || {
            let gate = || beside.failed(rules, row, item, &figures, look_up);
            if is_approved { None } else { failed_root(rules, llr_root).or_else(gate) }
        };
        let gate = failed_before(rules, support, &figures, is_approved).or_else(late);
        let rank_milli = if figures.are_known() { thousandths(value.of(&figures) * boost(ruling)) } else { 0 };
        let label = Label { verdict: said(ruling), ..Label::default() };
        Self { item, support, last_seen: Day(last_seen_day), figures, llr_root, gate, rank_milli, place: None, label }
    }

    /// By rank, among those that passed.
    pub(super) fn compare(&self, other: &Self, row: &RowView<'_>) -> std::cmp::Ordering {
        let passed = self.gate.is_some().cmp(&other.gate.is_some());
        let ranked = passed.then_with(|| other.rank_milli.cmp(&self.rank_milli));
        let name = |judged: &Self| row.items.name(judged.item);
        ranked.then_with(|| other.llr_root.total_cmp(&self.llr_root)).then_with(|| name(self).cmp(name(other)))
    }

    fn tell(&self, row: &RowView<'_>, told: Option<&Told<'_>>) -> ExplainedCandidate {
        let verdict = told.and_then(|told| told.verdict(row.items.fingerprint(self.item)));
        ExplainedCandidate {
            item: row.items.name(self.item).to_owned(),
            place: self.place,
            gate: self.gate,
            displaced: None,
            support: self.support,
            weight: self.figures.pair,
            other_weight: self.figures.other,
            confidence: self.figures.confidence(),
            lift: self.figures.lift(),
            llr_root: self.llr_root,
            score: f64::from(score_milli(self.figures.score())) / 1000.0,
            rank_milli: self.rank_milli,
            last_seen: self.last_seen,
            source: self.label.source,
            list: None,
            relation: self.label.relation,
            verdict: verdict.as_ref().map(ExplainedVerdict::of),
        }
    }
}

/// Explains `row` under `rules`, with its best `candidates_max` neighbours, and what `facts` say of them.
#[must_use]
pub fn explain(row: &RowView<'_>, rules: &ListRules, candidates_max: usize, facts: Option<&Facts>) -> Explanation {
    explain_beside(row, &Beside { row: None, facts }, rules, candidates_max)
}

/// The same, where the item's row of another relation has a say, too.
#[must_use]
pub fn explain_beside(row: &RowView<'_>, beside: &Beside<'_>, rules: &ListRules, candidates_max: usize) -> Explanation {
    let mut look_up = LookUp::default();
    look_up.make(beside.row.as_ref());
    let value = RankValue::new(rules).of_row(row.anchor_weight, row.contexts);
    let told = beside.facts.map(|facts| Told::of(row, rules, facts));
    let ruling = |item| told.as_ref().and_then(|told| told.ruling(row.items.fingerprint(item)));
    let judge =
        |neighbour: Neighbour| Judged::of(neighbour, row, (rules, &value), (beside, &look_up), ruling(neighbour.item));
    let mut judged: Vec<Judged> = row.neighbours().map(judge).collect();
    let left_out;
    if let Some(told) = &told {
        super::explain_facts::place(&mut judged, row, rules, told);
        left_out = judged.len().saturating_sub(candidates_max);
        judged.truncate(candidates_max);
    } else {
        left_out = judged.len().saturating_sub(candidates_max);
        if left_out > 0 {
            judged.select_nth_unstable_by(candidates_max, |x, y| x.compare(y, row));
            judged.truncate(candidates_max);
        }
        judged.sort_unstable_by(|x, y| x.compare(y, row));
        let passed = judged.iter_mut().filter(|candidate| candidate.gate.is_none());
        passed.zip(1_usize..).for_each(|(candidate, place)| candidate.put(place, rules));
    }
    Explanation {
        shop: row.items.shop_name(row.items.shop_of(row.anchor)).to_owned(),
        list: rules.list.name().to_owned(),
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
        candidates: judged.iter().map(|judged| judged.tell(row, told.as_ref())).collect(),
        left_out,
        notes: Vec::new(),
    }
}

impl Place {
    /// That of a place of a list, from 1, if it has one.
    fn of(place: usize, rules: &ListRules) -> Option<Self> {
        if place <= rules.length {
            return Some(Self::Shown(place));
        }
        Some(Self::Reserve(place - rules.length)).filter(|_| place - rules.length <= rules.reserve)
    }
}

impl Judged {
    /// Puts it at a place of the list, from 1, if there is one.
    pub(super) fn put(&mut self, place: usize, rules: &ListRules) {
        self.place = Place::of(place, rules);
        if self.place.is_none() {
            self.gate = Some(Gate::Rank);
        }
    }
}

impl ExplainedCandidate {
    /// The same.
    pub(super) fn put(&mut self, place: usize, rules: &ListRules) {
        self.place = Place::of(place, rules);
        if self.place.is_none() {
            self.gate = Some(Gate::Rank);
        }
    }
}
