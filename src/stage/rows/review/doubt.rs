//! Why an entry of a list wants a person's look: what its figures, the facts and what people said elsewhere give to doubt.
//!
//! A row holds of a pair how many customers are behind it, a decayed weight, and the day of the last event; neither the first day nor who
//! they were. What follows from that, and no more, is said here.

use crate::event::EventTime;
use crate::facts::{CategoryId, Facts, ItemFacts, Verdict};
use crate::items::{ItemId, Items};
use crate::rank::{Entry, Source};
use crate::rules::DAY_MS;

/// So many first places are the top of a list.
pub const TOP_PLACES: usize = 4;
/// So many customers, and fewer, are thin evidence at the top.
pub const THIN_SUPPORT_MAX: u32 = 5;
/// What is shown for an anchor of so many contexts, and more, is seen by many.
pub const POPULAR_WEIGHT_MIN: f64 = 10.0;
/// A weight that is less than this share below what all of its customers would give on the last day came within about a week: of
/// what is spread evenly over d days, half a day of decay for each is missing.
const ONE_WEEK_DAYS: f64 = 7.0;
/// Of fewer customers it says nothing that they came in one week: two or three often do.
const ONE_WEEK_SUPPORT_MIN: u32 = 4;
/// Rounding of weights, as a share.
const ROUNDING: f64 = 1e-3;
/// So often each of the customers behind a pair has had it again, and more often, though they are few.
const REGULARS_WEIGHT_MIN: f64 = 3.0;
/// So many customers are few.
const REGULARS_MAX: u32 = 10;

/// A reason to look at an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The weight is what all of its customers would give within a week, and none since.
    OneWeek,
    /// People took the anchor out of the other product's lists.
    RejectedTurned,
    /// Few customers stand behind a place at the top of what many see.
    Thin,
    /// Few customers, who have had both again and again.
    FewRegulars,
    /// People took the same product out of lists of others.
    RejectedElsewhere,
    /// The catalogue has them in different trees.
    FarApart,
    /// The last event is older than the relation's half-life.
    Old,
}

impl Doubt {
    /// All of them, the gravest first.
    pub const ALL: [Self; 7] = [
        Self::OneWeek,
        Self::RejectedTurned,
        Self::Thin,
        Self::FewRegulars,
        Self::RejectedElsewhere,
        Self::FarApart,
        Self::Old,
    ];

    /// The name used in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneWeek => "one_week",
            Self::RejectedTurned => "rejected_turned",
            Self::RejectedElsewhere => "rejected_elsewhere",
            Self::Thin => "thin",
            Self::FewRegulars => "few_regulars",
            Self::FarApart => "far_apart",
            Self::Old => "old",
        }
    }

    /// How much it adds to an entry's need of a person.
    #[must_use]
    pub fn need(self) -> u8 {
        match self {
            Self::OneWeek | Self::RejectedTurned => 3,
            Self::Thin | Self::FewRegulars => 2,
            Self::RejectedElsewhere | Self::FarApart | Self::Old => 1,
        }
    }
}

/// Some reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts(u8);

impl Doubts {
    /// Whether this one is among them.
    #[must_use]
    pub fn has(self, doubt: Doubt) -> bool {
        self.0 & (1 << doubt as u8) != 0
    }

    /// The gravest first.
    pub fn iter(self) -> impl Iterator<Item = Doubt> {
        Doubt::ALL.into_iter().filter(move |doubt| self.has(*doubt))
    }

    /// How much a person is needed: the sum of all.
    #[must_use]
    pub fn need(self) -> u8 {
        self.iter().map(Doubt::need).sum()
    }

    fn add(&mut self, doubt: Doubt, holds: bool) {
        self.0 |= u8::from(holds) << doubt as u8;
    }
}

/// What all entries of a list are looked at with.
pub(super) struct Looked<'a> {
    facts: Option<&'a Facts>,
    items: &'a Items,
    /// Fingerprint of the anchor.
    anchor: u64,
    as_of: EventTime,
    half_life_ms: i64,
    /// What is left of a weight after a day, and after half a week.
    of_day: f64,
    of_half_week: f64,
}

impl<'a> Looked<'a> {
    /// A list about `anchor`, of a relation with this half-life.
    pub(super) fn of(
        facts: Option<&'a Facts>,
        items: &'a Items,
        (anchor, as_of): (ItemId, EventTime),
        half_life_ms: i64,
    ) -> Self {
        let half_life_ms = half_life_ms.max(1);
        let left = |days: f64| libm::exp2(-days * DAY_MS as f64 / half_life_ms as f64);
        let (of_day, of_half_week) = (left(1.0), left(ONE_WEEK_DAYS / 2.0));
        Self { facts, items, anchor: items.fingerprint(anchor), as_of, half_life_ms, of_day, of_half_week }
    }

    /// What there is to doubt of the entry at a place, from 1. Of what people want there, nothing.
    pub(super) fn doubts(&self, place: usize, entry: &Entry) -> Doubts {
        let mut doubts = Doubts::default();
        let is_counted = matches!(entry.label.source, Source::Counted | Source::Thin);
        if !is_counted || entry.label.verdict.is_some() || entry.support == 0 {
            return doubts;
        }
        let is_top = place <= TOP_PLACES;
        let is_popular = entry.figures.anchor >= POPULAR_WEIGHT_MIN;
        doubts.add(Doubt::Thin, is_top && is_popular && entry.support <= THIN_SUPPORT_MAX);
        let age_ms = (self.as_of.0 - i64::from(entry.last_seen.0) * DAY_MS).max(0);
        doubts.add(Doubt::Old, age_ms >= self.half_life_ms);
        let is_few = entry.support <= REGULARS_MAX;
        let is_over = age_ms as f64 >= ONE_WEEK_DAYS * DAY_MS as f64 && entry.support >= ONE_WEEK_SUPPORT_MIN;
        if is_few || is_over {
            // What all of its customers would leave by now, had they come once as the last day began; its hour is not known.
            let full = f64::from(entry.support) * libm::exp2(-(age_ms as f64) / self.half_life_ms as f64);
            let is_of_one_week = entry.figures.pair >= full * self.of_half_week
                && entry.figures.pair <= full / self.of_day * (1.0 + ROUNDING);
            doubts.add(Doubt::OneWeek, is_over && is_of_one_week);
            doubts.add(Doubt::FewRegulars, is_few && entry.figures.pair >= full * REGULARS_WEIGHT_MIN);
        }
        if let Some(facts) = self.facts {
            let (anchor, other) = (self.anchor, self.items.fingerprint(entry.item));
            doubts.add(Doubt::RejectedElsewhere, is_rejected_by_others(facts, other, anchor));
            doubts.add(Doubt::RejectedTurned, is_rejected_turned(facts, other, anchor));
            if is_top || doubts != Doubts::default() {
                doubts.add(Doubt::FarApart, are_far_apart(facts, &facts.of(anchor), &facts.of(other)));
            }
        }
        doubts
    }
}

/// Whether people took `other` out of lists of another anchor than `anchor`.
fn is_rejected_by_others(facts: &Facts, other: u64, anchor: u64) -> bool {
    let all = facts.rejections(other);
    all > 0 && usize::try_from(all).unwrap_or(usize::MAX) > rejections_from(facts, other, anchor)
}

/// Whether people took `anchor` out of lists of `other`.
fn is_rejected_turned(facts: &Facts, other: u64, anchor: u64) -> bool {
    facts.rejections(anchor) > 0 && rejections_from(facts, anchor, other) > 0 // of nearly all there is none
}

/// How many verdicts take `other` out of lists of `anchor`: one of each list.
fn rejections_from(facts: &Facts, other: u64, anchor: u64) -> usize {
    let is_of = |verdict: &&Verdict| verdict.is_rejection() && verdict.fingerprint == other;
    facts.manual(anchor).map_or(0, |manual| manual.verdicts.iter().filter(is_of).count())
}

/// Whether their ways of categories have nothing in common.
fn are_far_apart(facts: &Facts, one: &ItemFacts, other: &ItemFacts) -> bool {
    let (Some(one), Some(other)) = (one.category, other.category) else { return false };
    top(facts, one) != top(facts, other)
}

/// The widest category around one.
fn top(facts: &Facts, category: CategoryId) -> CategoryId {
    std::iter::successors(Some(category), |&id| facts.wider(id)).last().unwrap_or(category)
}
