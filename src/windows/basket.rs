//! The distinct items of one order, with a look-up by item.

use crate::event::EventTime;
use crate::items::ItemId;
use crate::relation::Bought;

/// The basket under work. Kept between orders for its room.
#[derive(Default)]
pub(super) struct Basket {
    items: Vec<Bought>,
    /// Per item, the latest time it was bought, this order included.
    latest: Vec<EventTime>,
    /// Open addressing, linear probing: place in `items` plus one, 0 is free. At most an eighth full, because nearly
    /// all of the up to `purchases_max` look-ups of an order find nothing.
    slots: Vec<u32>,
}

/// An order holds more distinct items than a basket may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bulk;

impl Basket {
    /// Takes the distinct items of `lines`, in order of first mention, at `time`. Stops once it is bulk: the work for an
    /// order of any length is bounded by its lines, the room by `basket_max`.
    pub(super) fn fill(&mut self, lines: &[ItemId], basket_max: usize, time: EventTime) -> Result<(), Bulk> {
        self.items.clear();
        self.latest.clear();
        let most = lines.len().min(basket_max.saturating_add(1));
        self.slots.clear();
        self.slots.resize((8 * most).next_power_of_two(), 0);
        for &item in lines {
            let Err(free) = self.search(item) else { continue };
            if self.items.len() == basket_max {
                return Err(Bulk);
            }
            self.items.push(Bought { item, repeats: 0 });
            self.latest.push(time);
            let places = u32::try_from(self.items.len());
            assert!(places.is_ok(), "an order of more than 2^32 items");
            self.slots[free] = places.unwrap_or(0);
        }
        Ok(())
    }

    /// The place of `item`, or else the slot where it would go.
    fn search(&self, item: ItemId) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let product = u64::from(item.0).wrapping_mul(0x9E37_79B9_7F4A_7C15); // multiplicative hashing (Knuth, 6.4)
        let mut slot = (product >> 32) as usize & mask;
        loop {
            let Some(place) = self.slots[slot].checked_sub(1) else { return Err(slot) };
            if self.items[place as usize].item == item {
                return Ok(place as usize);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The place of `item` in the basket.
    pub(super) fn find(&self, item: ItemId) -> Option<usize> {
        self.search(item).ok()
    }

    /// The item at `place` was bought `repeats` times before, last at `time`.
    pub(super) fn bought_before(&mut self, place: usize, repeats: u32, time: EventTime) {
        self.items[place].repeats = repeats;
        self.latest[place] = self.latest[place].max(time);
    }

    pub(super) fn items(&self) -> &[Bought] {
        &self.items
    }

    /// Every item with the latest time it was bought.
    pub(super) fn with_latest(&self) -> impl Iterator<Item = (Bought, EventTime)> {
        self.items.iter().copied().zip(self.latest.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_basket_holds_the_distinct_items_in_order_of_first_mention(
            lines in prop::collection::vec(0..40_u32, 1..60), basket_max in 0..30_usize, spread in 1..100_000_u32,
        ) {
            let lines: Vec<_> = lines.into_iter().map(|n| ItemId(n * spread)).collect();
            let mut distinct = Vec::new();
            for &item in &lines {
                if !distinct.contains(&item) {
                    distinct.push(item);
                }
            }
            let mut basket = Basket::default();
            // A basket that was full of other items before must not show.
            let _ = basket.fill(&[ItemId(7), ItemId(8), ItemId(9)], 3, EventTime(0));
            let filled = basket.fill(&lines, basket_max, EventTime(1));
            prop_assert_eq!(filled.is_err(), distinct.len() > basket_max);
            if filled.is_ok() {
                let held: Vec<_> = basket.items().iter().map(|bought| bought.item).collect();
                prop_assert_eq!(&held, &distinct);
                for n in 0..40 {
                    let item = ItemId(n * spread);
                    prop_assert_eq!(basket.find(item), distinct.iter().position(|&other| other == item));
                }
            }
        }
    }
}
