//! The keys of a user's last events: what tells a re-sent event from a new one.

use super::exact;
use crate::event::EventKey;
use crate::saved::SavedError;

/// A ring that grows as it is used, up to the bound it is given.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct RecentIds {
    keys: Box<[EventKey]>,
    oldest: u32,
}

impl RecentIds {
    /// Whether `key` is new. If so it takes the place of the oldest once there are `max`.
    /// A short linear search beats any index: at most a few cache lines, compared several at a time.
    pub(super) fn remember(&mut self, key: EventKey, max: usize) -> bool {
        if self.keys.contains(&key) {
            return false;
        }
        if self.keys.len() < max {
            exact::push(&mut self.keys, key);
        } else if max > 0 {
            let oldest = self.oldest as usize;
            self.keys[oldest] = key;
            self.oldest = if oldest + 1 < max { self.oldest + 1 } else { 0 };
        }
        true
    }

    /// Whether it is one: the oldest key is among its keys.
    pub(super) fn fits(&self) -> Result<(), SavedError> {
        let is_there = self.oldest == 0 || (self.oldest as usize) < self.keys.len();
        if is_there { Ok(()) } else { Err(SavedError::unfit("the oldest key of a user is none of them")) }
    }

    pub(super) fn bytes(&self) -> usize {
        exact::of_list(&self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_ring_remembers_exactly_the_last_ones(keys in prop::collection::vec(0..12_u64, 0..200), max in 0..9_usize) {
            let (mut ring, mut plain) = (RecentIds::default(), Vec::new());
            for key in keys {
                let known = plain.contains(&key);
                if !known {
                    plain.push(key);
                    plain.drain(..plain.len().saturating_sub(max));
                }
                prop_assert_eq!(ring.remember(EventKey(key), max), !known);
                prop_assert!(ring.keys.len() <= max);
            }
        }
    }
}
