//! What memory really costs: the metrics count allocations as the system gives them, not as they were asked for. And what a
//! process may take of it: [`Budget`] deals one number of bytes out to all that holds some, [`Held`] says what each holds now.
//!
//! By the size classes of jemalloc, with which the program runs (`main.rs`): others are near to it. Documented at
//! <https://jemalloc.net/jemalloc.3.html#size_classes>.

mod budget;
mod held;

pub use budget::{Budget, Demand, Fixed, Part, Share, Sizes, Unfit};
pub use held::{Held, Holding};

/// The smallest there is.
const SMALLEST_BYTES: usize = 8;
/// Up to [`EVEN_MAX_BYTES`], sizes are multiples of this; above, there are four between a power of two and the next.
const EVEN_STEP_BYTES: usize = 16;
const EVEN_MAX_BYTES: usize = 128;

/// What an allocation of `bytes` takes; nothing where nothing is allocated.
#[must_use]
pub fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=SMALLEST_BYTES => SMALLEST_BYTES,
        9..=EVEN_MAX_BYTES => bytes.next_multiple_of(EVEN_STEP_BYTES),
        _ => {
            let step = 1 << ((bytes - 1).ilog2() - 2);
            bytes.checked_next_multiple_of(step).unwrap_or(bytes)
        }
    }
}

/// What a vector takes besides itself: all its room, used or not.
#[must_use]
pub fn of_vec<T>(vec: &Vec<T>) -> usize {
    allocated(vec.capacity() * size_of::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_allocations_cost_more_than_they_hold() {
        let costs = [0, 1, 8, 9, 24, 33, 128, 129, 161, 256, 257, 1000, 1025, 5 << 20, usize::MAX].map(allocated);
        let expected = [0, 8, 8, 16, 32, 48, 128, 160, 192, 256, 320, 1024, 1280, 5 << 20, usize::MAX];
        assert_eq!(costs, expected);
        assert_eq!(of_vec(&Vec::<u64>::with_capacity(3)), 32);
        assert_eq!(of_vec(&Vec::<u64>::new()), 0);
    }
}
