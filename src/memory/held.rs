//! What buffers hold now, by part: whoever holds some says so as it comes and goes, whoever watches reads the sum.

use super::Part;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What all buffers of the process hold.
#[derive(Debug, Default)]
pub struct Held([AtomicU64; Part::COUNT]);

impl Held {
    /// Bytes that are held of `part`.
    #[must_use]
    pub fn bytes(&self, part: Part) -> u64 {
        self.0[part.index()].load(Ordering::Relaxed)
    }
}

/// What one buffer holds. Dropped, it holds nothing any more, whatever became of what was in it.
#[derive(Debug)]
pub struct Holding {
    held: Arc<Held>,
    part: Part,
    own: AtomicU64,
}

impl Holding {
    /// A buffer of `part` that is empty.
    #[must_use]
    pub fn new(held: &Arc<Held>, part: Part) -> Self {
        Self { held: Arc::clone(held), part, own: AtomicU64::new(0) }
    }

    /// So many bytes came.
    pub fn add(&self, bytes: u64) {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.held.0[self.part.index()].fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many went.
    pub fn sub(&self, bytes: u64) {
        self.own.fetch_sub(bytes, Ordering::Relaxed);
        self.held.0[self.part.index()].fetch_sub(bytes, Ordering::Relaxed);
    }

    /// So many are there.
    pub fn set(&self, bytes: u64) {
        let before = self.own.swap(bytes, Ordering::Relaxed);
        let sum = &self.held.0[self.part.index()];
        sum.fetch_add(bytes, Ordering::Relaxed);
        sum.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_the_sum_of_those_that_hold_some() {
        let held = Arc::<Held>::default();
        let (one, other) = (Holding::new(&held, Part::Appends), Holding::new(&held, Part::Appends));
        let third = Holding::new(&held, Part::Fetched);
        one.add(10);
        other.set(5);
        other.set(7);
        third.add(1);
        one.sub(4);
        assert_eq!((held.bytes(Part::Appends), held.bytes(Part::Fetched)), (13, 1));
        drop(one); // with what had not been acknowledged
        assert_eq!((held.bytes(Part::Appends), held.bytes(Part::Fetched)), (7, 1));
    }
}
