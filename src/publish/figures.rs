//! The figures of a list as they are published and held: single precision, and what follows from it.
//!
//! What is printed is a function of these alone, so whoever holds them prints, byte for byte, what went out.

use super::number::{Rounded, rounded};
use crate::rank::{Day, Entry, List};

/// Significant digits of weights: a score recomputed from them is right to 0.001.
pub const WEIGHT_DIGITS: usize = 8;
/// Significant digits of what can be derived from the weights.
pub const DERIVED_DIGITS: usize = 6;

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
        first.map_or_else(Self::default, |figures| Self {
            anchor_weight: single(figures.anchor),
            contexts: single(figures.contexts),
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
        }
    }

    /// What is printed of it, in a list of this printed anchor weight and these contexts. What can be derived is derived from
    /// what is printed.
    pub(super) fn printed(&self, [anchor_weight, contexts]: [Rounded; 2]) -> Printed {
        let (weight, other_weight) = (printed_weight(self.weight), printed_weight(self.other_weight));
        let by = |number: f64, divisor: f64| if divisor > 0.0 { number / divisor } else { 0.0 };
        let confidence = by(weight.value, anchor_weight.value);
        let lift = confidence * by(contexts.value, other_weight.value);
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
    rounded(f64::from(weight), WEIGHT_DIGITS)
}

/// The nearest `f32`; what is too large for one is held at the largest.
#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is meant")]
fn single(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}
