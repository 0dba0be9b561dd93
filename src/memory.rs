//! What memory really costs: the metrics count allocations as the system gives them, not as they were asked for.
//!
//! By the rules of glibc's malloc on 64 bits; other allocators are near to it.

/// Bytes in front of an allocation.
const HEADER_BYTES: usize = 8;
/// Sizes are multiples of this.
const STEP_BYTES: usize = 16;
/// The smallest there is.
const SMALLEST_BYTES: usize = 32;

/// What an allocation of `bytes` takes; nothing where nothing is allocated.
#[must_use]
pub fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + HEADER_BYTES).next_multiple_of(STEP_BYTES).max(SMALLEST_BYTES) }
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
        let costs = [0, 1, 24, 25, 40, 41, 1000].map(allocated);
        assert_eq!(costs, [0, 32, 32, 48, 48, 64, 1008]);
        assert_eq!(of_vec(&Vec::<u64>::with_capacity(3)), 32);
        assert_eq!(of_vec(&Vec::<u64>::new()), 0);
    }
}
