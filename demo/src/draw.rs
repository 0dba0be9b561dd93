//! Drawing lots.

use rand::{Rng, RngExt};

/// True in `permille` of a thousand cases.
pub(super) fn chance(rng: &mut impl Rng, permille: u32) -> bool {
    rng.random_range(0..1000) < permille
}

/// Products to draw from, by popularity. Integers only, so that a draw is the same on every platform.
#[derive(Clone, Debug, Default)]
pub(super) struct Urn {
    items: Vec<u32>,
    cumulative: Vec<u32>,
}

impl Urn {
    /// Puts a product in.
    pub fn add(&mut self, item: u32, weight: u32) {
        self.items.push(item);
        self.cumulative.push(self.cumulative.last().copied().unwrap_or(0) + weight);
    }

    /// All of them.
    pub fn items(&self) -> &[u32] {
        &self.items
    }

    /// One product; `None` from an empty urn.
    pub fn draw(&self, rng: &mut impl Rng) -> Option<u32> {
        let total = *self.cumulative.last()?;
        let at = rng.random_range(0..total);
        self.items.get(self.cumulative.partition_point(|&below| below <= at)).copied()
    }
}
