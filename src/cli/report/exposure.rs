//! How evenly places are spread over products.

use serde::{Deserialize, Serialize};

/// How the places of a list's name are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Exposure {
    /// Products that could be shown.
    pub products: usize,
    /// Those that are, as a share.
    pub shown: f64,
    /// Share of all places that the most shown 1 % of the products have.
    pub top_percent: f64,
    /// Gini's coefficient of places by product: 0 where all have as many, near 1 where one has all.
    pub gini: f64,
}

impl Exposure {
    /// Of the places of each product that is shown, and how many products there are.
    pub(super) fn of(mut places: Vec<u64>, products: usize) -> Option<Self> {
        places.retain(|&places| places > 0);
        let products = products.max(places.len());
        let all: u64 = places.iter().sum();
        if all == 0 {
            return None;
        }
        places.sort_unstable_by(|one, other| other.cmp(one));
        let top: u64 = places.iter().take(products.div_ceil(100)).sum();
        // Over the products from the least shown on, those without a place first: 2 Σ rank × places / (n Σ places) - (n + 1) / n.
        let ranked = (0..).zip(&places).map(|(before, &places)| (products - before) as f64 * places as f64);
        let n = products as f64;
        let gini = 2.0 * ranked.sum::<f64>() / (n * all as f64) - (n + 1.0) / n;
        let share = |part: f64, of: f64| part / of;
        Some(Self {
            products,
            shown: share(places.len() as f64, n),
            top_percent: share(top as f64, all as f64),
            gini: gini.max(0.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_uneven_the_nearer_to_one() {
        let close = |one: f64, other: f64| (one - other).abs() < 1e-12;
        let even = Exposure::of(vec![3; 200], 200).unwrap();
        assert!(close(even.gini, 0.0) && close(even.shown, 1.0) && close(even.top_percent, 0.01), "{even:?}");
        let one = Exposure::of(vec![0, 7, 0], 100).unwrap();
        assert!(close(one.gini, 0.99) && close(one.shown, 0.01) && close(one.top_percent, 1.0), "{one:?}");
        // Mean absolute difference over twice the mean, by hand: of 1, 3 and 0.
        let three = Exposure::of(vec![3, 1], 3).unwrap();
        let by_hand =
            [(1.0, 3.0), (1.0, 0.0), (3.0, 0.0)].iter().map(|(a, b): &(f64, f64)| 2.0 * (a - b).abs()).sum::<f64>();
        assert!(close(three.gini, by_hand / (2.0 * 9.0 * 4.0 / 3.0)), "{three:?}");
        assert!(close(three.top_percent, 0.75), "one of three is the most shown percent: {three:?}");
        assert_eq!(Exposure::of(vec![0, 0], 5), None);
        assert_eq!(Exposure::of(vec![1, 1], 0).unwrap().products, 2, "what is shown is a product");
    }
}
