//! What has changed, for everybody who asks, each at a pace of their own.

use std::collections::VecDeque;

/// How many changes are remembered. Who is further behind is told that everything may have changed.
pub const REMEMBERED_MAX: usize = 1 << 16;

/// What has changed since someone asked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// What is known of these: fingerprints of items, some perhaps twice.
    Items(Vec<u64>),
    /// Anything may have.
    Anything,
}

/// The newest changes, numbered from 0.
#[derive(Debug, Default)]
pub struct Changes {
    /// The number of the oldest that is remembered.
    first: u64,
    items: VecDeque<u64>,
}

impl Changes {
    /// What is known of an item has changed.
    pub fn push(&mut self, item: u64) {
        if self.items.len() == REMEMBERED_MAX {
            self.items.pop_front();
            self.first += 1;
        }
        self.items.push_back(item);
    }

    /// Anything may have changed.
    pub fn push_all(&mut self) {
        self.first += self.items.len() as u64 + 1;
        self.items.clear();
    }

    /// The number that the next change gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// At most `max` changes from number `next` on, which moves behind them.
    pub fn since(&self, next: &mut u64, max: usize) -> Changed {
        let Some(skipped) = next.checked_sub(self.first) else {
            *next = self.next();
            return Changed::Anything;
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.items.len());
        let items: Vec<u64> = self.items.range(skipped..).take(max).copied().collect();
        *next += items.len() as u64;
        Changed::Items(items)
    }
}
