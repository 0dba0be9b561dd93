//! The demonstration's own account of what lists show and what the shop has: checked list by list, as they are published.
//!
//! It is told by the shop and looks at what goes out; it asks the facts nothing. So what facts keep out and what should not be
//! there are known from two sides.

use crate::watch::metrics::DelayTally;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

/// What has been seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How often a product ran out, and came back.
    pub ran_out: u64,
    pub came_back: u64,
    /// Entries of published lists that showed what had run out.
    pub sold_out: u64,
    /// Entries that rejected pairs had.
    pub rejected: u64,
}

/// What lists show.
#[derive(Default)]
pub(super) struct Ledger {
    seen: Seen,
    out: HashSet<String>,
    rejected: HashSet<[String; 2]>,
    /// By name of the list, then by product.
    shown: BTreeMap<&'static str, HashMap<String, Vec<String>>>,
    /// Of each list, what it showed when that ran out, and since when.
    waiting: HashMap<(&'static str, String), Vec<(String, Instant)>>,
    delay: DelayTally,
}

impl Ledger {
    /// No list may show these pairs, whichever of them it is about.
    pub(super) fn reject(&mut self, pairs: &[[String; 2]]) {
        self.rejected
            .extend(pairs.iter().flat_map(|[one, other]| [[one.clone(), other.clone()], [other.clone(), one.clone()]]));
    }

    /// A product runs out.
    pub(super) fn run_out(&mut self, item: &str) {
        self.seen.ran_out += 1;
        self.out.insert(item.to_owned());
        let now = Instant::now();
        for (&list, products) in &self.shown {
            for (product, _) in products.iter().filter(|(_, entries)| entries.iter().any(|entry| entry == item)) {
                self.waiting.entry((list, product.clone())).or_default().push((item.to_owned(), now));
            }
        }
    }

    /// A product is back. Lists that had no time to go out without it do not count.
    pub(super) fn come_back(&mut self, item: &str) {
        self.seen.came_back += 1;
        self.out.remove(item);
        self.waiting.retain(|_, products| {
            products.retain(|(out, _)| out != item);
            !products.is_empty()
        });
    }

    /// A list is published with these entries.
    pub(super) fn publish<'a>(&mut self, list: &'static str, product: &str, entries: impl Iterator<Item = &'a str>) {
        let entries: Vec<String> = entries.map(str::to_owned).collect();
        let sold_out = entries.iter().filter(|entry| self.out.contains(*entry)).count();
        self.seen.sold_out += sold_out as u64;
        if self.rejected.iter().any(|[one, _]| one == product) {
            let is_rejected = |entry: &&String| self.rejected.contains(&[product.to_owned(), (*entry).clone()]);
            self.seen.rejected += entries.iter().filter(is_rejected).count() as u64;
        }
        let key = (list, product.to_owned());
        if let Some(waiting) = self.waiting.get_mut(&key) {
            waiting.retain(|(out, since)| {
                let is_left = !entries.contains(out);
                if is_left {
                    self.delay.record(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX));
                }
                !is_left
            });
            if waiting.is_empty() {
                self.waiting.remove(&key);
            }
        }
        let (_, product) = key;
        let lists = self.shown.entry(list).or_default();
        if entries.is_empty() {
            lists.remove(&product)
        } else {
            lists.insert(product, entries)
        };
    }

    /// At rest, when each list has had its time, what lists still show though it ran out counts too. From here on everything is there.
    pub(super) fn close(&mut self) {
        let left: usize = self.waiting.values().map(Vec::len).sum();
        self.seen.sold_out += left as u64;
        self.waiting.clear();
        self.out.clear();
    }

    /// What has been seen.
    pub(super) fn seen(&self) -> Seen {
        self.seen
    }

    /// From when products ran out to the lists without them.
    pub(super) fn delay(&self) -> &DelayTally {
        &self.delay
    }

    /// What a list shows now.
    pub(super) fn shown(&self, list: &str, product: &str) -> &[String] {
        self.shown.get(list).and_then(|products| products.get(product)).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(ledger: &mut Ledger, product: &str, entries: &[&str]) {
        ledger.publish("viewed-together", product, entries.iter().copied());
    }

    #[test]
    fn what_ran_out_counts_where_it_is_published_or_stays() {
        let mut ledger = Ledger::default();
        publish(&mut ledger, "a", &["b", "c"]);
        publish(&mut ledger, "d", &["b"]);
        publish(&mut ledger, "e", &["c"]);
        ledger.run_out("b");
        assert_eq!((ledger.seen().sold_out, ledger.delay().quantile(500)), (0, None), "both still have their time");
        publish(&mut ledger, "a", &["c"]);
        assert!(ledger.delay().quantile(500).is_some());
        publish(&mut ledger, "e", &["b", "c"]);
        publish(&mut ledger, "e", &["c"]);
        assert_eq!(ledger.seen().sold_out, 1, "what was published stays counted");
        ledger.run_out("c");
        ledger.come_back("c");
        assert_eq!(ledger.seen(), Seen { ran_out: 2, came_back: 1, sold_out: 1, rejected: 0 });
        ledger.close();
        assert_eq!(ledger.seen().sold_out, 2, "d has it at the end");
        publish(&mut ledger, "e", &["b", "c"]);
        publish(&mut ledger, "d", &[]);
        assert_eq!(ledger.seen().sold_out, 2, "it is back");
        assert_eq!((ledger.shown("viewed-together", "e").len(), ledger.shown("viewed-together", "d").len()), (2, 0));
    }

    #[test]
    fn a_rejected_pair_counts_in_lists_of_either() {
        let mut ledger = Ledger::default();
        ledger.reject(&[["a".to_owned(), "b".to_owned()]]);
        publish(&mut ledger, "a", &["b", "c"]);
        publish(&mut ledger, "b", &["c", "a"]);
        publish(&mut ledger, "c", &["a", "b"]);
        assert_eq!(ledger.seen().rejected, 2);
    }
}
