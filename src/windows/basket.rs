//! The distinct items of one order, with a look-up by item.

use super::together::OrderNumbers;
use crate::event::EventTime;
use crate::items::ItemId;

/// An item of the order under work.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) item: ItemId,
    /// Earlier orders that held it when it joined this one.
    pub(super) repeats: u32,
    /// Whether it was in the order before, so that `repeats` is known.
    pub(super) stays: bool,
    /// Whether this order is among those that the user's purchases have of it.
    pub(super) is_recorded: bool,
    /// What is recorded of it: how often it was bought, this order included, last when, and in which orders.
    pub(super) times: u32,
    pub(super) latest: EventTime,
    pub(super) orders: OrderNumbers,
}

/// The basket under work. Kept between orders for its room.
#[derive(Default)]
pub(super) struct Basket {
    lines: Vec<Line>,
    /// Open addressing, linear probing: place in `lines` plus one, 0 is free. At most an eighth full, because nearly
    /// all of the up to `purchases_max` look-ups of an order find nothing.
    slots: Vec<u32>,
}

impl Basket {
    /// Takes the distinct items of `items`, at most `items_max` of them, in order of first mention. What came before is gone. There
    /// are no more than `items` says.
    pub(super) fn fill(&mut self, items: impl ExactSizeIterator<Item = ItemId>, items_max: usize) {
        let most = items.len().min(items_max);
        self.lines.clear();
        self.slots.clear();
        self.slots.resize((8 * most.max(1)).next_power_of_two(), 0);
        for item in items {
            let Err(free) = self.search(item) else { continue };
            if self.lines.len() == items_max {
                return;
            }
            self.lines.push(Line {
                item,
                repeats: 0,
                stays: false,
                is_recorded: false,
                times: 1,
                latest: EventTime::MIN,
                orders: OrderNumbers::default(),
            });
            let places = u32::try_from(self.lines.len());
            assert!(places.is_ok(), "an order of more than 2^32 items");
            self.slots[free] = places.unwrap_or(0);
        }
    }

    /// The place of `item`, or else the slot where it would go.
    fn search(&self, item: ItemId) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let product = u64::from(item.0).wrapping_mul(0x9E37_79B9_7F4A_7C15); // multiplicative hashing (Knuth, 6.4)
        let mut slot = (product >> 32) as usize & mask;
        loop {
            let Some(place) = self.slots[slot].checked_sub(1) else { return Err(slot) };
            if self.lines[place as usize].item == item {
                return Ok(place as usize);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The place of `item` in the basket. It must have been filled once.
    pub(super) fn find(&self, item: ItemId) -> Option<usize> {
        self.search(item).ok()
    }

    /// The line of `item`.
    pub(super) fn line_mut(&mut self, item: ItemId) -> Option<&mut Line> {
        self.find(item).map(|place| &mut self.lines[place])
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_basket_holds_the_distinct_items_in_order_of_first_mention(
            lines in prop::collection::vec(0..40_u32, 0..60), items_max in 0..30_usize, spread in 1..100_000_u32,
        ) {
            let lines: Vec<_> = lines.into_iter().map(|n| ItemId(n * spread)).collect();
            let mut distinct = Vec::new();
            for &item in &lines {
                if !distinct.contains(&item) {
                    distinct.push(item);
                }
            }
            distinct.truncate(items_max);
            let mut basket = Basket::default();
            // A basket that was full of other items before must not show.
            basket.fill([ItemId(7), ItemId(8), ItemId(9)].into_iter(), 3);
            basket.fill(lines.into_iter(), items_max);
            let held: Vec<_> = basket.lines().iter().map(|line| line.item).collect();
            prop_assert_eq!(&held, &distinct);
            for n in 0..40 {
                let item = ItemId(n * spread);
                prop_assert_eq!(basket.find(item), distinct.iter().position(|&other| other == item));
            }
        }
    }
}
