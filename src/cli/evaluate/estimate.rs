//! Means with their standard errors, and differences between two ways to answer the same questions.

use serde::Serialize;

/// A mean, and how far it would move if its groups were drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    /// None of one group.
    pub(super) standard_error: Option<f64>,
}

impl Estimate {
    /// Of groups of `(sum, count)`: sum of sums / sum of counts. Parts of one group are not independent of each other, so the
    /// error is over groups: that of a ratio estimator (Cochran, *Sampling Techniques*, 1977, section 6.4). Groups of one
    /// give the standard error of a plain mean.
    fn of(groups: &[(f64, f64)]) -> Self {
        let number = groups.len() as f64;
        let count: f64 = groups.iter().map(|(_, count)| count).sum();
        let mean = groups.iter().map(|(sum, _)| sum).sum::<f64>() / count;
        let squares: f64 = groups.iter().map(|(sum, count)| (sum - mean * count).powi(2)).sum();
        let standard_error = (groups.len() > 1).then(|| (squares * number / (number - 1.0)).sqrt() / count);
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
    /// What is left when the published lists' answers to the same questions are taken off; none for those themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) difference: Option<Difference>,
}

/// A difference of two [`Measured`], question by question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    pub(super) recall: Estimate,
    pub(super) mrr: Estimate,
}

/// The answers to the questions of one group: of one session, or of one order with all choices of what is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Group {
    asked: f64,
    hits: f64,
    reciprocals: f64,
}

/// All answers of one way to answer, by groups that chance draws as wholes.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    groups: Vec<Group>,
    asked: usize,
}

impl Answers {
    /// Begins a group.
    pub(super) fn begin_group(&mut self) {
        self.groups.push(Group::default());
    }

    /// Adds an answer to the latest group: its place from 1, or that it was not found.
    pub(super) fn add(&mut self, place: Option<usize>) {
        self.asked += 1;
        if let Some(group) = self.groups.last_mut() {
            group.asked += 1.0;
            group.hits += f64::from(u8::from(place.is_some()));
            group.reciprocals += place.map_or(0.0, |place| 1.0 / place as f64);
        }
    }

    /// What they come to, asked `repeats` times each; none where nothing was asked.
    pub(super) fn measured(&self, repeats: usize, published: Option<&Self>) -> Option<Measured> {
        if self.asked == 0 {
            return None;
        }
        let estimate = |part: &dyn Fn(usize, &Group) -> f64| {
            let groups = self.groups.iter().enumerate().map(|(place, group)| (part(place, group), group.asked));
            Estimate::of(&groups.collect::<Vec<_>>())
        };
        let difference = published.map(|published| {
            let other = |place: usize| published.groups.get(place).copied().unwrap_or_default();
            Difference {
                recall: estimate(&|place, group| group.hits - other(place).hits),
                mrr: estimate(&|place, group| group.reciprocals - other(place).reciprocals),
            }
        });
        Some(Measured {
            questions: self.asked / repeats.max(1),
            recall: estimate(&|_, group| group.hits),
            mrr: estimate(&|_, group| group.reciprocals),
            difference,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(groups: &[&[Option<usize>]]) -> Answers {
        let mut answers = Answers::default();
        for group in groups {
            answers.begin_group();
            group.iter().for_each(|&place| answers.add(place));
        }
        answers
    }

    #[test]
    fn the_standard_error_of_groups_of_one_is_that_of_the_mean() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0].map(|part| (part, 1.0)));
        assert_eq!(estimate.mean, 2.5);
        assert!((estimate.standard_error.unwrap() - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(Estimate::of(&[(0.25, 1.0)]), Estimate { mean: 0.25, standard_error: None });
    }

    #[test]
    fn a_session_that_answers_alike_a_hundred_times_is_one_witness() {
        let alone = answers(&[&[Some(1)], &[None], &[None], &[Some(2)]]).measured(1, None).unwrap();
        let hit = [Some(1); 100];
        let long = answers(&[&hit, &[None; 100], &[None; 100], &[Some(2); 100]]).measured(1, None).unwrap();
        assert_eq!((alone.questions, long.questions), (4, 400));
        let errors =
            |measured: Measured| [measured.recall, measured.mrr].map(|estimate| estimate.standard_error.unwrap());
        for (alone, long) in errors(alone).into_iter().zip(errors(long)) {
            assert!((alone - long).abs() < 1e-12, "{alone} {long}");
        }
        // By hand: means 0.5 and 0.375; over four, by three.
        let expected = [(1.0_f64 / 3.0 / 4.0).sqrt(), ((1.0_f64 + 0.25 - 4.0 * 0.375 * 0.375) / 3.0 / 4.0).sqrt()];
        for (got, expected) in errors(alone).into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
        // Of unequal ones: 4 hits of 5; (1 - 0.8)^2 + (3 - 4 * 0.8)^2 over 5 squared, by 2 of 1.
        let unequal = answers(&[&[Some(1)], &[Some(1), Some(1), Some(1), None]]).measured(1, None).unwrap();
        assert!((unequal.recall.standard_error.unwrap() - (0.08_f64 * 2.0).sqrt() / 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_difference_is_of_the_same_questions() {
        let published = answers(&[&[Some(1), None], &[None, None], &[Some(4), Some(4)]]);
        let other = answers(&[&[Some(1), Some(2)], &[None, Some(2)], &[Some(4), None]]);
        let measured = other.measured(2, Some(&published)).unwrap();
        assert_eq!(measured.questions, 3, "each was asked twice");
        let difference = measured.difference.unwrap();
        assert!((difference.recall.mean - 1.0 / 6.0).abs() < 1e-12);
        assert!((difference.mrr.mean - 0.75 / 6.0).abs() < 1e-12);
        let same = published.measured(2, Some(&published)).unwrap().difference.unwrap();
        assert_eq!(same.recall, Estimate { mean: 0.0, standard_error: Some(0.0) });
        assert!(published.measured(2, None).unwrap().difference.is_none());
        assert!(Answers::default().measured(1, None).is_none());
    }
}
