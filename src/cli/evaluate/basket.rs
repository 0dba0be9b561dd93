//! Basket completion: one item of an order is hidden, and the lists of its other items are asked for it.
//!
//! A candidate's value is the sum of its rank values (or of their squares) over the lists of the other items; those
//! items are no candidates, ties go by item id. What training has never seen cannot be found: a miss.

use super::estimate::Answers;
use super::history::{History, Order};
use super::lists::{Lists, Popularity};
use crate::event::UserKey;
use crate::items::{ItemId, Items};
use std::collections::HashSet;

/// Which item is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Any.
    Any,
    /// One that no earlier order of the customer held.
    New,
}

/// What a candidate gets of each list it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Its rank value.
    Sum,
    /// Its square: one strong reason counts for more than several weak ones.
    Squares,
}

impl Value {
    pub(super) const ALL: [Self; 2] = [Self::Sum, Self::Squares];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Squares => "squares",
        }
    }

    fn of(self, rank_milli: i64) -> i128 {
        let value = i128::from(rank_milli);
        match self {
            Self::Sum => value,
            Self::Squares => value.saturating_mul(value),
        }
    }
}

/// An order of the last part.
struct Question<'a> {
    /// Number of the order within that part.
    number: u64,
    items: &'a [ItemId],
    /// Those that no earlier order of the customer held.
    new: Vec<ItemId>,
}

impl Question<'_> {
    fn pool(&self, target: Target) -> &[ItemId] {
        match target {
            Target::Any => self.items,
            Target::New => &self.new,
        }
    }
}

/// The orders of a history, split in time.
pub(super) struct Baskets<'a> {
    /// What is counted.
    pub(super) trained: &'a [Order],
    /// What comes after it.
    pub(super) tested: &'a [Order],
    questions: Vec<Question<'a>>,
    names: &'a Items,
    at: usize,
    seeds: u32,
}

impl<'a> Baskets<'a> {
    /// Splits off the last `share` of the orders. Those of one item, or of more than `order_max`, are not asked about.
    pub(super) fn split(history: &'a History, share: f64, order_max: usize, at: usize, seeds: u32) -> Self {
        let cut = whole(history.orders.len() as f64 * (1.0 - share) + ROUNDING);
        let (trained, tested) = history.orders.split_at(cut);
        let mut had: HashSet<(UserKey, ItemId)> = HashSet::new();
        for order in trained {
            had.extend(order.items.iter().map(|&item| (order.user, item)));
        }
        let mut questions = Vec::new();
        for (number, order) in (0..).zip(tested) {
            let new = order.items.iter().copied().filter(|&item| !had.contains(&(order.user, item))).collect();
            if (2..=order_max).contains(&order.items.len()) {
                questions.push(Question { number, items: &order.items, new });
            }
            had.extend(order.items.iter().map(|&item| (order.user, item)));
        }
        Self { trained, tested, questions, names: &history.items, at, seeds }
    }

    /// How many orders are asked about.
    pub(super) fn questions(&self, target: Target) -> usize {
        self.questions.iter().filter(|question| !question.pool(target).is_empty()).count()
    }

    /// Asks `lists`.
    pub(super) fn ask(&self, lists: &Lists, target: Target, value: Value) -> Answers {
        let mut tally = Tally::new(self.names);
        self.answers(target, |items, hidden| tally.place(lists, items, hidden, value, self.at))
    }

    /// Asks the baseline.
    pub(super) fn ask_popularity(&self, popularity: &Popularity, target: Target) -> Answers {
        self.answers(target, |items, hidden| popularity.place(hidden, items, self.at))
    }

    /// A group for each order: one answer for each seed.
    fn answers(&self, target: Target, mut place: impl FnMut(&[ItemId], ItemId) -> Option<usize>) -> Answers {
        let mut answers = Answers::default();
        for question in &self.questions {
            let pool = question.pool(target);
            if pool.is_empty() {
                continue;
            }
            answers.begin_group();
            for seed in 1..=self.seeds {
                if let Some(&hidden) = pool.get(choice(u64::from(seed), question.number, pool.len())) {
                    answers.add(place(question.items, hidden));
                }
            }
        }
        answers
    }
}

/// What products of shares may be off by: 5 × (1 - 0.8) is 1.
const ROUNDING: f64 = 1e-6;

/// The whole part of `count`, which is neither negative nor beyond what a `usize` holds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
fn whole(count: f64) -> usize {
    count as usize
}

/// Keeps the seeds 1, 2, 3 … apart before they are mixed.
const SEED_STEP: u64 = 1_000_003;

/// Which of `count` things a seed chooses in an order: by a hash, so that no choice depends on another.
fn choice(seed: u64, number: u64, count: usize) -> usize {
    let hash = mixed(mixed(seed.wrapping_mul(SEED_STEP)) ^ number);
    // Below `count`, which is a usize.
    usize::try_from(hash % (count as u64).max(1)).unwrap_or(0)
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Values of candidates, to be used again for every order.
struct Tally<'a> {
    names: &'a Items,
    values: Vec<Option<i128>>,
    met: Vec<ItemId>,
}

impl<'a> Tally<'a> {
    fn new(names: &'a Items) -> Self {
        Self { names, values: vec![None; names.len()], met: Vec::new() }
    }

    /// The place of `hidden`, from 1, among the candidates that the other `items` name, when it is at most `at`.
    fn place(&mut self, lists: &Lists, items: &[ItemId], hidden: ItemId, value: Value, at: usize) -> Option<usize> {
        for &item in items.iter().filter(|&&item| item != hidden) {
            for candidate in lists.of(item) {
                let sum = &mut self.values[candidate.item.index()];
                if sum.is_none() {
                    self.met.push(candidate.item);
                }
                *sum = Some(sum.unwrap_or(0).saturating_add(value.of(candidate.rank_milli)));
            }
        }
        let place = self.values[hidden.index()].map(|wanted| {
            let name = self.names.name(hidden);
            let is_before = |&&item: &&ItemId| {
                let sum = self.values[item.index()].unwrap_or(i128::MIN);
                (sum > wanted || (sum == wanted && self.names.name(item) < name)) && !items.contains(&item)
            };
            1 + self.met.iter().filter(is_before).count()
        });
        self.met.drain(..).for_each(|item| self.values[item.index()] = None);
        place.filter(|&place| place <= at)
    }
}

#[cfg(test)]
mod tests;
