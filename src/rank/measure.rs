//! The formulas: Wilson's bound, Dunning's G², lift, and the value that a list is ordered by.
//!
//! Logarithms and powers are those of `libm`: the platforms' differ in their last bits, and two of them would order two
//! entries differently. Everything else, roots included, is exact by IEEE 754.

use crate::rules::{ListRules, Measure};

/// Standard normal quantile of the two-sided 95 % interval.
pub const Z: f64 = 1.96;

/// Lower end of the Wilson score interval of k successes in a trials, 0 to 1 (Wilson, "Probable Inference, the Law of Succession,
/// and Statistical Inference", JASA 1927). Both may be fractions; k is at most a.
///
/// The usual form, multiplied by a above and below, so that no tiny a overflows.
#[must_use]
pub fn wilson_lower(k: f64, a: f64) -> f64 {
    if a <= 0.0 {
        return 0.0;
    }
    let spread = Z * (k * (a - k).max(0.0) / a + Z * Z / 4.0).sqrt();
    ((k + Z * Z / 2.0 - spread) / (a + Z * Z)).max(0.0)
}

/// Both ends of the same interval; all of it where nothing was tried.
#[must_use]
pub fn wilson_interval(k: f64, a: f64) -> (f64, f64) {
    if a <= 0.0 {
        return (0.0, 1.0);
    }
    let spread = Z * (k * (a - k).max(0.0) / a + Z * Z / 4.0).sqrt();
    (wilson_lower(k, a), ((k + Z * Z / 2.0 + spread) / (a + Z * Z)).min(1.0))
}

/// Signed root of the log-likelihood ratio G² (Dunning, "Accurate Methods for the Statistics of Surprise and Coincidence",
/// Computational Linguistics 1993): negative when the pair occurs less than by chance. k of the pair, a of the anchor, b of the
/// other, n contexts; a cell that would be negative counts as 0.
///
/// Written as the sum of k ln(k n / (row column)), which loses no digits where n is large, unlike the entropies.
#[must_use]
pub fn llr_root(k: f64, a: f64, b: f64, n: f64) -> f64 {
    let (k12, k21, k22) = ((a - k).max(0.0), (b - k).max(0.0), (n - a - b + k).max(0.0));
    let (row1, row2, column1, column2) = (k + k12, k21 + k22, k + k21, k12 + k22);
    let all = row1 + row2;
    let part =
        |cell: f64, row: f64, column: f64| if cell > 0.0 { cell * libm::log(cell * all / (row * column)) } else { 0.0 };
    let half = part(k, row1, column1) + part(k12, row1, column2) + part(k21, row2, column1) + part(k22, row2, column2);
    let root = (2.0 * half).max(0.0).sqrt();
    if k * n < a * b { -root } else { root }
}

/// What is known of one candidate, all decayed to one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// k: weight of the pair, at most `anchor` and `other`.
    pub pair: f64,
    /// a: anchor total of the anchor.
    pub anchor: f64,
    /// b: other total of the candidate.
    pub other: f64,
    /// N: contexts of the shop.
    pub contexts: f64,
}

impl Figures {
    /// Figures with the weight of the pair capped.
    #[must_use]
    pub fn new(pair: f64, anchor: f64, other: f64, contexts: f64) -> Self {
        Self { pair: pair.min(anchor).min(other), anchor, other, contexts }
    }

    /// Whether all totals are there. A foreign one may not have arrived yet.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.anchor > 0.0 && self.other > 0.0 && self.contexts > 0.0
    }

    /// P(other | anchor); 0 where totals are missing.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        if self.anchor > 0.0 { self.pair / self.anchor } else { 0.0 }
    }

    /// Confidence / P(other); 0 where totals are missing.
    #[must_use]
    pub fn lift(&self) -> f64 {
        if self.are_known() { self.confidence() * (self.contexts / self.other) } else { 0.0 }
    }

    /// Signed root LLR; 0 where totals are missing.
    #[must_use]
    pub fn llr_root(&self) -> f64 {
        if self.are_known() { llr_root(self.pair, self.anchor, self.other, self.contexts) } else { 0.0 }
    }

    /// 0 to 100: the lower end of the 95 % interval of the confidence, in percent.
    #[must_use]
    pub fn score(&self) -> f64 {
        100.0 * wilson_lower(self.pair, self.anchor)
    }
}

/// A score in thousandths of a point: what is printed, and compared.
#[must_use]
pub fn score_milli(score: f64) -> u32 {
    u32::try_from(thousandths(score)).unwrap_or(0) // 0 to 100,000
}

/// `value` × 1000, rounded to the nearest integer; what does not fit is held at the ends, NaN is 0.
#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, which is what is meant")]
pub(super) fn thousandths(value: f64) -> i64 {
    let raised = value * 1000.0 + 0.5;
    let cut = raised as i64;
    if cut as f64 > raised { cut.saturating_sub(1) } else { cut } // a cast cuts towards 0
}

/// (N/b)^specificity, by square roots where they do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Specificity {
    Zero,
    Quarter,
    Half,
    One,
    Power(f64),
}

impl Specificity {
    fn new(exponent: f64) -> Self {
        let known = [(0.0, Self::Zero), (0.25, Self::Quarter), (0.5, Self::Half), (1.0, Self::One)];
        let near = known.into_iter().find(|(value, _)| (value - exponent).abs() < 1e-12);
        near.map_or(Self::Power(exponent), |(_, specificity)| specificity)
    }
}

/// The value that a list is ordered by.
#[derive(Clone, Copy, Debug)]
pub(super) struct RankValue {
    measure: Measure,
    specificity: Specificity,
}

impl RankValue {
    pub(super) fn new(rules: &ListRules) -> Self {
        Self { measure: rules.measure, specificity: Specificity::new(rules.specificity) }
    }

    /// What the candidates of one row share. Anchor and contexts must be known.
    pub(super) fn of_row(self, anchor: f64, contexts: f64) -> RowValue {
        let by_anchor = 1.0 / anchor;
        RowValue { by: self, anchor, contexts, by_anchor, by_size: 100.0 / (anchor + Z * Z) }
    }
}

/// The value that the candidates of one row are ordered by.
pub(super) struct RowValue {
    by: RankValue,
    anchor: f64,
    contexts: f64,
    /// 1 / a.
    by_anchor: f64,
    /// 100 / (a + z²).
    by_size: f64,
}

impl RowValue {
    /// Appends the value of every candidate to `values`: of its pair weight (capped) and its other total (known). One loop
    /// without a branch for each of the usual rules, so that the compiler uses vector instructions.
    pub(super) fn append(&self, pairs: &[f64], others: &[f64], values: &mut Vec<f64>) {
        let n = self.contexts;
        match (self.by.measure, self.by.specificity) {
            (Measure::Score, Specificity::Zero) => each(pairs, others, values, |k, _| self.score(k)),
            (Measure::Score, Specificity::Quarter) => {
                each(pairs, others, values, |k, b| self.score(k) * (n / b).sqrt().sqrt());
            }
            (Measure::Score, Specificity::Half) => each(pairs, others, values, |k, b| self.score(k) * (n / b).sqrt()),
            (Measure::Score, Specificity::One) => each(pairs, others, values, |k, b| self.score(k) * (n / b)),
            (Measure::Score, Specificity::Power(exponent)) => {
                each(pairs, others, values, |k, b| self.score(k) * libm::pow(n / b, exponent));
            }
            (Measure::Count, _) => each(pairs, others, values, |k, _| k),
            // In percent, as a score is: thousandths would be too coarse for a cosine.
            (Measure::Cosine, _) => each(pairs, others, values, |k, b| 100.0 * k / (self.anchor * b).sqrt()),
            (Measure::Lift, _) => each(pairs, others, values, |k, b| k * self.by_anchor * (n / b)),
            (Measure::Llr, _) => each(pairs, others, values, |k, b| llr_root(k, self.anchor, b, n)),
        }
    }

    /// The value of one candidate.
    pub(super) fn of(&self, figures: &Figures) -> f64 {
        let mut values = Vec::new();
        self.append(&[figures.pair], &[figures.other], &mut values);
        values.first().copied().unwrap_or(0.0)
    }

    /// [`Figures::score`] with what depends on the anchor divided once. May differ from it in the last bits, which
    /// rounding to thousandths takes away but at the edges: the score shown is always that of the figures.
    fn score(&self, k: f64) -> f64 {
        let spread = Z * (k * (self.anchor - k) * self.by_anchor + Z * Z / 4.0).sqrt();
        (k + Z * Z / 2.0 - spread).max(0.0) * self.by_size
    }
}

/// The value that a list's candidates are ordered by, of one candidate whose figures are known.
#[must_use]
pub fn rank_value(rules: &ListRules, figures: &Figures) -> f64 {
    RankValue::new(rules).of_row(figures.anchor, figures.contexts).of(figures)
}

fn each(pairs: &[f64], others: &[f64], values: &mut Vec<f64>, value: impl Fn(f64, f64) -> f64) {
    values.extend(pairs.iter().zip(others).map(|(&pair, &other)| value(pair, other)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relation::Relation;
    use proptest::prelude::*;

    #[test]
    fn wilson_meets_the_check_values() {
        for (k, a, expected) in
            [(1.0, 1.0, 20.65), (3.0, 3.0, 43.85), (3.0, 10.0, 10.78), (30.0, 100.0, 21.89), (300.0, 1000.0, 27.24)]
        {
            let score = 100.0 * wilson_lower(k, a);
            assert!((score - expected).abs() <= 0.005, "{k}/{a}: {score}");
        }
        let (low, high) = wilson_interval(3.0, 10.0);
        assert!((low - 0.1078).abs() < 5e-5 && (high - 0.6032).abs() < 5e-5, "{low} {high}");
        assert_eq!((wilson_interval(0.0, 0.0), wilson_interval(10.0, 10.0).1), ((0.0, 1.0), 1.0));
        assert_eq!(wilson_lower(0.0, 10.0), 0.0);
        assert_eq!(wilson_lower(0.0, 0.0), 0.0);
        assert!(wilson_lower(1e-300, 1e-300).is_finite());
    }

    #[test]
    fn llr_meets_the_check_values() {
        for (k11, k12, k21, k22, expected) in [
            (10.0, 0.0, 0.0, 10.0, 27.725_887),
            (5.0, 1995.0, 0.0, 100_000.0, 39.330_522),
            (1000.0, 1995.0, 1000.0, 100_000.0, 4_730.736_813),
            (110.0, 2442.0, 111.0, 29_114.0, 270.721_877),
            (29.0, 13.0, 123.0, 31_612.0, 263.896_626),
        ] {
            let root = llr_root(k11, k11 + k12, k11 + k21, k11 + k12 + k21 + k22);
            assert!((root * root - expected).abs() < 1e-6, "{expected}: {}", root * root);
        }
    }

    #[test]
    fn exactly_by_chance_is_not_less_than_by_chance() {
        let root = llr_root(10.0, 100.0, 100.0, 1000.0);
        assert!(root.is_sign_positive() && root < 1e-6, "{root}");
    }

    #[test]
    fn where_a_total_is_missing_nothing_is_known_of_a_candidate() {
        assert!(Figures::new(2.0, 3.0, 4.0, 5.0).are_known());
        for (anchor, other, contexts) in [(0.0, 4.0, 5.0), (3.0, 0.0, 5.0), (3.0, 4.0, 0.0)] {
            let figures = Figures::new(2.0, anchor, other, contexts);
            assert!(!figures.are_known(), "{figures:?}");
            assert_eq!((figures.lift(), figures.llr_root()), (0.0, 0.0), "{figures:?}");
        }
        assert_eq!(Figures::new(2.0, 0.0, 4.0, 5.0).confidence(), 0.0);
    }

    #[test]
    fn a_specificity_is_by_square_roots_where_it_is_meant_to_be() {
        let known =
            [(0.0, Specificity::Zero), (0.25, Specificity::Quarter), (0.5, Specificity::Half), (1.0, Specificity::One)];
        for (exponent, specificity) in known {
            for off in [0.0, 5e-13, -5e-13] {
                assert_eq!(Specificity::new(exponent + off), specificity);
            }
            assert_eq!(Specificity::new(exponent + 2e-12), Specificity::Power(exponent + 2e-12));
        }
    }

    #[test]
    fn two_best_sellers_bought_together_less_than_by_chance_are_no_complements() {
        let root = llr_root(200.0, 10_000.0, 10_000.0, 100_000.0);
        assert!((root * root - 1102.0).abs() < 1.0 && (root + 33.0).abs() < 0.5, "{root}");
    }

    proptest! {
        #[test]
        fn llr_agrees_with_the_entropies(k in 0.0..1e3_f64, more in (0.0..1e3_f64, 0.0..1e3_f64, 0.0..1e5_f64)) {
            let cells = [k, more.0, more.1, more.2];
            let h = |xs: &[f64]| {
                let sum: f64 = xs.iter().sum();
                xs.iter().filter(|x| **x > 0.0).map(|x| x * (x / sum).ln()).sum::<f64>()
            };
            let g = 2.0 * (h(&cells) - h(&[k + more.0, more.1 + more.2]) - h(&[k + more.1, more.0 + more.2]));
            let root = llr_root(k, k + more.0, k + more.1, cells.iter().sum());
            prop_assert!((root * root - g.max(0.0)).abs() < 1e-7, "{} {}", root * root, g);
        }

        #[test]
        fn any_figures_give_a_score_from_0_to_100(k in 0.0..1e9_f64, a in 0.0..1e9_f64, b in 0.0..1e9_f64, n in 0.0..1e9_f64) {
            let figures = Figures::new(k, a, b, n);
            prop_assert!(score_milli(figures.score()) <= 100_000);
            prop_assert!(figures.llr_root().is_finite() && figures.lift().is_finite());
            prop_assert!((0.0..=1.0).contains(&figures.confidence()));
        }

        #[test]
        fn values_are_what_the_formulas_say(k in 0.0..1e3_f64, a in 1e-3..1e3_f64, b in 1e-3..1e3_f64, n in 1e3..1e6_f64) {
            let figures = Figures::new(k, a, b, n);
            let value = |measure: Measure, specificity: f64| {
                let rules = ListRules { measure, specificity, ..ListRules::of(Relation::AlsoBought) };
                let mut values = Vec::new();
                RankValue::new(&rules).of_row(a, n).append(&[0.0, figures.pair], &[1.0, b], &mut values);
                values[1]
            };
            let near = |seen: f64, exact: f64| (seen - exact).abs() <= 1e-9 * (1.0 + exact.abs());
            for exponent in [0.0, 0.25, 0.5, 0.7, 1.0] {
                prop_assert!(near(value(Measure::Score, exponent), figures.score() * (n / b).powf(exponent)), "{exponent}");
            }
            prop_assert!(near(value(Measure::Count, 0.5), figures.pair));
            prop_assert!(near(value(Measure::Cosine, 0.5), 100.0 * figures.pair / a.sqrt() / b.sqrt()));
            prop_assert!(near(value(Measure::Lift, 0.5), figures.lift()));
            prop_assert!(near(value(Measure::Llr, 0.5), figures.llr_root()));
        }
    }

    #[test]
    fn a_rank_value_saturates() {
        assert_eq!((thousandths(1e300), thousandths(-1e300)), (i64::MAX, i64::MIN));
        assert_eq!((thousandths(f64::NAN), thousandths(-1.2345), thousandths(0.0005)), (0, -1234, 1));
        assert_eq!((thousandths(-0.0006), thousandths(-2.0), thousandths(2.0)), (-1, -2000, 2000), "to the nearest");
    }
}
