//! What the people of the simulated shop say of pairs: which they do not want to see, which they pin, which they put together by
//! hand. Absent: substitutes and complements that lists are judged by, where counting must do without help; but for what is
//! pinned, which ought to be there anyhow.

use super::catalogue::Catalogue;
use std::collections::BTreeMap;

/// Pairs that are rejected.
const REJECTED: usize = 6;
/// Entries that are pinned.
const PINNED: usize = 3;
/// Pairs put together by hand.
const BY_HAND: usize = 5;

/// What is said: article numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Curation {
    /// Two products that no list of either may show. Alternatives, which customers view together.
    pub rejected: Vec<[String; 2]>,
    /// What stands first in the bought-together list of a product: one of its complements.
    pub pinned: Vec<[String; 2]>,
    /// A product, and what the shop puts beside it as its complement.
    pub by_hand: Vec<[String; 2]>,
}

impl Curation {
    /// What is said in the shop with this catalogue.
    #[must_use]
    pub fn of(catalogue: &Catalogue) -> Self {
        let ids = |(one, other): (u32, u32)| [one, other].map(|item| catalogue.product(item).id.clone());
        let links = |item: u32| catalogue.links(item).iter().map(move |link| (item, *link));
        let best = || catalogue.best_sellers().iter().copied();
        // The least popular: there a hand is needed, and the first of a list says most.
        let pinned = best().rev().filter_map(|item| links(item).rfind(|(_, link)| link.planted));
        let by_hand = best().filter_map(|item| links(item).find(|(_, link)| !link.planted));
        Self {
            rejected: alternatives(catalogue).into_iter().take(REJECTED).map(ids).collect(),
            pinned: pinned.map(|(item, link)| ids((item, link.other))).take(PINNED).collect(),
            by_hand: by_hand.map(|(item, link)| ids((item, link.other))).take(BY_HAND).collect(),
        }
    }
}

/// The two most popular of each family that needs no other and has no substitutes, best families first.
fn alternatives(catalogue: &Catalogue) -> Vec<(u32, u32)> {
    let mut families: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    let mut pairs = Vec::new();
    for &item in catalogue.best_sellers() {
        let met = families.entry(catalogue.product(item).family).or_default();
        met.push(item);
        if let [first, second] = met[..]
            && catalogue.rival_of(first).is_none()
            && catalogue.links(first).is_empty()
        {
            pairs.push((first, second));
        }
    }
    pairs
}
