//! Means with their standard errors.

use serde::Serialize;

/// A mean, and how far it would move if its parts were drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    /// Standard deviation of the parts / root of their number; none of one part.
    pub(super) standard_error: Option<f64>,
}

impl Estimate {
    /// Of `parts`, at least one.
    pub(super) fn of(parts: &[f64]) -> Self {
        let count = parts.len() as f64;
        let mean = parts.iter().sum::<f64>() / count;
        let squares: f64 = parts.iter().map(|part| (part - mean).powi(2)).sum();
        let standard_error = (parts.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt());
        Self { mean, standard_error }
    }
}

/// Recall and mean reciprocal rank of one way to answer one kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Measured {
    /// Questions asked (with one seed).
    pub(super) questions: usize,
    /// Share of the questions whose answer was among the first K.
    pub(super) recall: Estimate,
    /// Mean of 1 / place of the answer, 0 where it was not among the first K.
    pub(super) mrr: Estimate,
}

/// Reciprocal of the place of an answer; 0 where there is none.
pub(super) fn reciprocal(place: Option<usize>) -> f64 {
    place.map_or(0.0, |place| 1.0 / place as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_is_that_of_the_mean() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(estimate.mean, 2.5);
        assert!((estimate.standard_error.unwrap() - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(Estimate::of(&[0.25]), Estimate { mean: 0.25, standard_error: None });
        assert_eq!((reciprocal(Some(4)), reciprocal(None)), (0.25, 0.0));
    }
}
