//! What the lists of the simulated shop ought to say, known because the shop was made that way.
//!
//! A complement is planted where an order of the anchor holds it far more often than by chance. A wrong entry is one
//! that no customer's behaviour supports. Absent: anything that stages or lists could look at.

use super::catalogue::{Catalogue, Shelf, small};
use std::collections::HashSet;

/// A planted complement ought to be among so many first entries of its anchor's list.
pub const TOP: usize = 4;

/// The lists that can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Bought together.
    Bought,
    /// Viewed together.
    Viewed,
}

/// What is wrong with an entry. Each kind is kept out by some rule, and gets in when that rule is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrong {
    /// Two best sellers that replace each other, bought together less than by chance (tests against chance).
    Substitute,
    /// Ordered by nobody but resellers, with everything (`basket_max`).
    Bulk,
    /// Viewed or ordered by nobody but the crawler (`session_max_items`, `min_support`).
    Crawler,
    /// Ordered by one business alone, every week (`min_support`, repeat damping).
    OneCustomer,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Substitute, Self::Bulk, Self::Crawler, Self::OneCustomer];

    /// What a person reads.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Substitute => "substitutes",
            Self::Bulk => "bulk orders",
            Self::Crawler => "crawler",
            Self::OneCustomer => "one customer",
        }
    }
}

/// How lists compare with the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Planted complements.
    pub planted: u32,
    /// Those found among the first [`TOP`] of the bought-together list of their anchor.
    pub found_in_top: u32,
    /// Entries of bought-together and viewed-together lists.
    pub entries: u32,
    /// Wrong ones among them.
    pub wrong: [u32; Wrong::ALL.len()],
    /// Entries of bought-together lists.
    pub bought_entries: u32,
    /// Those that are not wrong but have no reason either: no complement, and not for the same job. Tests against chance let a few of these pass, and most when they are off.
    pub by_chance: u32,
}

impl Verdict {
    /// Wrong entries of a kind.
    #[must_use]
    pub fn wrong_of(&self, kind: Wrong) -> u32 {
        self.wrong[kind as usize]
    }

    /// Wrong entries of all kinds.
    #[must_use]
    pub fn wrong_in_all(&self) -> u32 {
        self.wrong.iter().sum()
    }
}

/// The truth about a shop.
pub struct Truth<'a> {
    catalogue: &'a Catalogue,
    planted: Vec<(u32, u32)>,
    related: HashSet<(u32, u32)>,
}

impl<'a> Truth<'a> {
    /// What is true of the shop with this catalogue.
    #[must_use]
    pub fn of(catalogue: &'a Catalogue) -> Self {
        let count = small(catalogue.products().len());
        let mut planted = Vec::new();
        let mut related = HashSet::new();
        for anchor in 0..count {
            let links = catalogue.links(anchor);
            planted.extend(links.iter().filter(|link| link.planted).map(|link| (anchor, link.other)));
            for link in links {
                related.insert((anchor, link.other));
                related.insert((link.other, anchor));
                related.extend(links.iter().map(|sibling| (link.other, sibling.other)));
            }
        }
        Self { catalogue, planted, related }
    }

    /// The planted complements: article numbers of anchor and complement.
    pub fn planted(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        let id = |item: u32| self.catalogue.product(item).id.as_str();
        self.planted.iter().map(move |&(anchor, other)| (id(anchor), id(other)))
    }

    /// Best sellers that replace each other: article numbers.
    pub fn substitutes(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        let id = |item: u32| self.catalogue.product(item).id.as_str();
        self.catalogue.rivals().iter().map(move |&(one, other)| (id(one), id(other)))
    }

    /// What is wrong with showing `other` for `anchor` in this list, if anything is.
    #[must_use]
    pub fn wrong(&self, list: List, anchor: u32, other: u32) -> Option<Wrong> {
        if list == List::Bought && self.catalogue.rival_of(anchor) == Some(other) {
            return Some(Wrong::Substitute);
        }
        let of_shelf = |item: u32| match (self.catalogue.product(item).shelf, list) {
            (Shelf::Regular, _) => None,
            (_, List::Viewed) | (Shelf::Archive, _) => Some(Wrong::Crawler), // no one else looks at it
            (Shelf::DeadStock, _) => Some(Wrong::Bulk),
            (Shelf::House(_), _) => Some(Wrong::OneCustomer),
        };
        of_shelf(anchor).or_else(|| of_shelf(other))
    }

    /// Judges lists. `shown` gives the article numbers shown for one, best first; empty where there is none.
    pub fn judge(&self, shown: impl Fn(List, &str) -> Vec<String>) -> Verdict {
        let mut verdict = Verdict::default();
        let numbers = |list: List, anchor: &str| -> Vec<u32> {
            shown(list, anchor).iter().filter_map(|id| self.catalogue.find(id)).collect()
        };
        for (anchor, product) in (0..).zip(self.catalogue.products()) {
            let bought = numbers(List::Bought, &product.id);
            for other in &bought {
                verdict.bought_entries += 1;
                self.judge_entry(List::Bought, anchor, *other, &mut verdict);
            }
            for other in numbers(List::Viewed, &product.id) {
                self.judge_entry(List::Viewed, anchor, other, &mut verdict);
            }
            let top = &bought[..bought.len().min(TOP)];
            for (_, complement) in self.planted.iter().filter(|(planted, _)| *planted == anchor) {
                verdict.planted += 1;
                verdict.found_in_top += u32::from(top.contains(complement));
            }
        }
        verdict
    }

    fn judge_entry(&self, list: List, anchor: u32, other: u32, verdict: &mut Verdict) {
        verdict.entries += 1;
        if let Some(kind) = self.wrong(list, anchor, other) {
            verdict.wrong[kind as usize] += 1;
            return;
        }
        let has_reason = self.catalogue.same_job(anchor, other) || self.related.contains(&(anchor, other));
        verdict.by_chance += u32::from(list == List::Bought && !has_reason);
    }
}
