//! How evenly places are spread over products.

use serde::{Deserialize, Serialize};

/// How places are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    /// Share of all places that the most shown 1 % of the products have.
    pub(super) top_percent: f64,
    /// Gini's coefficient of places by product: 0 where all have as many, near 1 where one has all.
    pub(super) gini: f64,
    /// Share of the products that have a place at all.
    pub(super) shown: f64,
}

impl Spread {
    /// Of the places of each product that has any, among so many products; all 0 where there is no place.
    pub(super) fn of(mut places: Vec<usize>, products: usize) -> Self {
        places.retain(|&places| places > 0);
        places.sort_unstable();
        let (all, products) = (places.iter().sum::<usize>(), products.max(places.len()));
        if all == 0 {
            return Self::default();
        }
        let share = |part: usize, whole: usize| part as f64 / whole as f64;
        let top: usize = places.iter().rev().take(products.div_ceil(100)).sum();
        // Those that are never shown come first, and add nothing to the sum of ranks times places.
        let ranks = (products - places.len() + 1..).zip(&places).map(|(rank, &places)| rank as f64 * places as f64);
        let n = products as f64;
        let gini = 2.0 * ranks.sum::<f64>() / (n * all as f64) - (n + 1.0) / n;
        Self { top_percent: share(top, all), gini, shown: share(places.len(), products) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_uneven_the_nearer_to_one() {
        let close = |one: f64, other: f64| (one - other).abs() < 1e-12;
        let even = Spread::of(vec![3; 200], 200);
        assert!(close(even.gini, 0.0) && close(even.shown, 1.0) && close(even.top_percent, 0.01), "{even:?}");
        let one = Spread::of(vec![0, 7, 0], 100);
        assert!(close(one.gini, 0.99) && close(one.shown, 0.01) && close(one.top_percent, 1.0), "{one:?}");
        // Mean absolute difference over twice the mean, by hand: of 1, 3 and 0.
        let three = Spread::of(vec![3, 1], 3);
        let differences = [(1.0, 3.0), (1.0, 0.0), (3.0, 0.0)].map(|(a, b): (f64, f64)| 2.0 * (a - b).abs());
        assert!(close(three.gini, differences.iter().sum::<f64>() / (2.0 * 9.0 * 4.0 / 3.0)), "{three:?}");
        assert!(close(three.top_percent, 0.75), "one of three is the most shown percent: {three:?}");
        assert_eq!(Spread::of(vec![0, 0], 5), Spread::default());
        assert!(close(Spread::of(vec![1, 1], 0).shown, 1.0), "what is shown is a product");
    }
}
