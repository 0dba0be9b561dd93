//! What the simulated shop has run out of, and when more of it comes.
//!
//! Few products at a time, popular ones first to go. Customers go on ordering them, and wait: what they do is the same with
//! and without. Invariants: a function of the seed and of simulated time; a product runs out again only after it came back.

use super::catalogue::Catalogue;
use super::clock::{DAY_MS, HOUR_MS};
use super::shop::{Stream, stream};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Longest time from one product that runs out to the next; half of it on average.
const NEXT_MS_MAX: i64 = 24 * HOUR_MS;
/// How long a delivery takes.
const DELIVERY_DAYS: std::ops::RangeInclusive<i64> = 3..=14;

/// A change of stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockChange {
    /// The product.
    pub item: u32,
    /// Whether it has run out; else it is back.
    pub is_out: bool,
}

/// The stock.
pub struct Stockroom {
    rng: ChaCha8Rng,
    /// When the next product runs out.
    due_ms: i64,
    /// What has run out, by when it comes back.
    deliveries: BTreeSet<(i64, u32)>,
}

impl Stockroom {
    /// The stock of the shop of this seed: all of it is there.
    #[must_use]
    pub fn new(seed: u64, start_ms: i64) -> Self {
        Self { rng: stream(seed, Stream::Stock), due_ms: start_ms, deliveries: BTreeSet::new() }
    }

    /// The next change until `now_ms`, in the order of time.
    pub fn next_change(&mut self, now_ms: i64, catalogue: &Catalogue) -> Option<StockChange> {
        while self.due_ms <= now_ms {
            if let Some(back) = self.next_delivery(self.due_ms) {
                return Some(back);
            }
            let at_ms = self.due_ms;
            self.due_ms += self.rng.random_range(1..=NEXT_MS_MAX);
            let takes_ms = self.rng.random_range(DELIVERY_DAYS) * DAY_MS;
            let drawn = catalogue.viewed.draw(&mut self.rng);
            let is_out = |item: u32| self.deliveries.iter().any(|&(_, out)| out == item);
            if let Some(item) = drawn.filter(|&item| !is_out(item)) {
                self.deliveries.insert((at_ms + takes_ms, item));
                return Some(StockChange { item, is_out: true });
            }
        }
        self.next_delivery(now_ms)
    }

    /// Everything that has run out comes at once: one product a call.
    pub fn deliver(&mut self) -> Option<StockChange> {
        self.next_delivery(i64::MAX)
    }

    fn next_delivery(&mut self, now_ms: i64) -> Option<StockChange> {
        let &(at_ms, item) = self.deliveries.first()?;
        (at_ms <= now_ms).then(|| {
            self.deliveries.pop_first();
            StockChange { item, is_out: false }
        })
    }
}
