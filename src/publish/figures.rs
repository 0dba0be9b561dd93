//! The figures of a list as they are published and held: single precision, and what follows from it.
//!
//! What is printed is a function of these alone, so whoever holds them prints, byte for byte, what went out.

use super::number::{Magnitude, Rounded, rounded};
use super::record::{EntryRecord, ListRecord};
use crate::rank::{Day, Entry, Figures, Label, List, score_milli};

/// Significant digits of weights: so many that they read back as the same `f32`, which 7 often do and 9 always. A score
/// recomputed from them is right to 0.001.
const WEIGHT_DIGITS: std::ops::RangeInclusive<usize> = 7..=9;
/// Significant digits of what can be derived from the weights.
const DERIVED_DIGITS: usize = 6;

/// A score is printed in thousandths.
const SCORE_DECIMALS: usize = 3;

/// What all entries of a list share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ListFigures {
    /// Decayed anchor total of the anchor.
    pub anchor_weight: f32,
    /// Decayed contexts of the shop.
    pub contexts: f32,
}

/// What is published of one entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntryFigures {
    /// 0 to 100, in thousandths.
    pub score_milli: u32,
    /// Contexts behind the pair.
    pub support: u32,
    /// Decayed weight of the pair.
    pub weight: f32,
    /// Decayed other total of the item.
    pub other_weight: f32,
    /// Signed root of G².
    pub llr_root: f32,
    /// Day of the latest event behind the pair.
    pub last_seen: Day,
    /// Where it comes from, and what people said of it.
    pub label: Label,
    /// In a placement: what it shares with the others of its list.
    pub own: Option<ListFigures>,
}

/// The numbers that are printed of an entry, but for those that its list shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Printed {
    pub(super) score: Rounded,
    pub(super) weight: Rounded,
    pub(super) other_weight: Rounded,
    pub(super) confidence: Rounded,
    pub(super) lift: Rounded,
    pub(super) llr_root: Rounded,
}

impl ListFigures {
    /// Those of `list`.
    #[must_use]
    pub fn of(list: &List) -> Self {
        let first = list.entries.first().map(|entry| entry.figures);
        first.map_or_else(Self::default, |figures| Self::of_figures(&figures))
    }

    fn of_figures(figures: &Figures) -> Self {
        Self { anchor_weight: single(figures.anchor), contexts: single(figures.contexts) }
    }

    /// Those of a list that has been published.
    #[must_use]
    pub fn of_record(record: &ListRecord<'_>) -> Self {
        let first = record.entries.first();
        first.map_or_else(Self::default, |entry| Self {
            anchor_weight: single(entry.anchor_weight),
            contexts: single(entry.contexts),
        })
    }

    /// Anchor weight and contexts as they are printed.
    pub(super) fn printed(&self) -> [Rounded; 2] {
        [printed_weight(self.anchor_weight), printed_weight(self.contexts)]
    }
}

impl EntryFigures {
    /// Those of `entry`.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self {
            score_milli: entry.score_milli,
            support: entry.support,
            weight: single(entry.figures.pair),
            other_weight: single(entry.figures.other),
            llr_root: single(entry.llr_root),
            last_seen: entry.last_seen,
            label: entry.label,
            own: entry.label.list.map(|_| ListFigures::of_figures(&entry.figures)),
        }
    }

    /// Those of an entry that has been published.
    #[must_use]
    pub fn of_record(record: &EntryRecord<'_>) -> Self {
        Self {
            score_milli: score_milli(record.score),
            support: record.support,
            weight: single(record.weight),
            other_weight: single(record.other_weight),
            llr_root: single(record.llr_root),
            last_seen: record.last_seen,
            label: record.label(),
            own: record.label().list.map(|_| ListFigures {
                anchor_weight: single(record.anchor_weight),
                contexts: single(record.contexts),
            }),
        }
    }

    /// Anchor weight and contexts as they are printed of it, in a list where these are shared.
    pub(super) fn shared(&self, list: [Rounded; 2]) -> [Rounded; 2] {
        self.own.map_or(list, |own| own.printed())
    }

    /// What is printed of it, in a list of this printed anchor weight and these contexts. What can be derived is derived from
    /// what is printed.
    pub(super) fn printed(&self, list: [Rounded; 2]) -> Printed {
        let [anchor_weight, contexts] = self.shared(list);
        let (weight, other_weight) = (printed_weight(self.weight), printed_weight(self.other_weight));
        let by = |number: f64, divisor: f64| if divisor > 0.0 { number / divisor } else { 0.0 };
        let confidence = by(weight.value(), anchor_weight.value());
        let lift = confidence * by(contexts.value(), other_weight.value());
        Printed {
            score: Rounded::of(self.score_milli, SCORE_DECIMALS),
            weight,
            other_weight,
            confidence: rounded(confidence, DERIVED_DIGITS),
            lift: rounded(lift, DERIVED_DIGITS),
            llr_root: rounded(f64::from(self.llr_root), DERIVED_DIGITS),
        }
    }
}

fn printed_weight(weight: f32) -> Rounded {
    let wide = f64::from(weight);
    let magnitude = Magnitude::of(wide);
    let candidates = WEIGHT_DIGITS.map(|digits| magnitude.rounded(digits));
    let reads_back = |printed: &Rounded| single(printed.value()).to_bits() == weight.to_bits();
    // Only what has all but faded needs more places behind the point than are printed.
    candidates
        .into_iter()
        .find(reads_back)
        .unwrap_or_else(|| Rounded::plain(weight.to_string().parse().unwrap_or(wide)))
}

/// The nearest `f32`; what is too large for one is held at the largest.
#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is meant")]
fn single(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_printed_weight_reads_back_and_no_shorter_one_would(bits in 0x3000_0000_u32..0x4B00_0000, whole in 0..2_000_u16) {
            for weight in [f32::from_bits(bits), f32::from(whole), f32::from(whole) / 10.0] {
                let printed = printed_weight(weight);
                prop_assert_eq!(single(printed.value()).to_bits(), weight.to_bits());
                let shortest: f64 = weight.to_string().parse().unwrap();
                let digits = |value: f64| format!("{value:e}").split('e').next().unwrap().replace(['.', '-'], "").len();
                prop_assert!(digits(printed.value()) <= digits(shortest).max(7), "{} for {}", printed.value(), weight);
            }
        }
    }
}
