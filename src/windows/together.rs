//! Which of a user's orders held an item, as far back as it matters for support: a pair is new to its customer when none of the
//! last orders held both.

use crate::limits::TOGETHER_ORDERS_MAX;
use crate::relation::OrdersBefore;
use crate::saved::SavedError;

/// The numbers of the orders that held an item: the highest, and the 64 before it as bits. Numbers only rise, so what lies further
/// back never matters again. Packed: 12 bytes instead of 16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[repr(Rust, packed(4))]
pub(super) struct OrderNumbers {
    /// 0: none.
    highest: u32,
    /// Bit n: whether `highest` - 1 - n did.
    earlier: u64,
}

const _: () = assert!(TOGETHER_ORDERS_MAX <= u64::BITS, "so many orders before the highest are known");

impl OrderNumbers {
    pub(super) fn add(&mut self, number: u32) {
        if number > self.highest {
            let step = number - self.highest;
            let is_first = self.highest == 0;
            self.earlier = self.earlier.checked_shl(step).unwrap_or(0);
            if !is_first && step <= u64::BITS {
                self.earlier |= 1 << (step - 1);
            }
            self.highest = number;
        } else if let Some(bit) = self.bit_of(number) {
            self.earlier |= bit;
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        if number == self.highest {
            let step = self.earlier.trailing_zeros() + 1;
            if step > u64::BITS {
                *self = Self::default();
            } else {
                self.highest -= step;
                self.earlier = self.earlier.checked_shr(step).unwrap_or(0);
            }
        } else if let Some(bit) = self.bit_of(number) {
            self.earlier &= !bit;
        }
    }

    /// Whether they are any: none is lower than 1.
    pub(super) fn fits(self) -> Result<(), SavedError> {
        let lowest_back = self.earlier.checked_ilog2().map_or(0, |bit| bit + 2);
        if lowest_back <= self.highest { Ok(()) } else { Err(SavedError::unfit("an order before the first")) }
    }

    /// The bit of a number below the highest, where there is one.
    fn bit_of(self, number: u32) -> Option<u64> {
        let back = self.highest.checked_sub(number)?.checked_sub(1)?;
        1_u64.checked_shl(back)
    }

    /// Of the last `orders_max` orders before order `count`, and that one: bit n for `count` - n; without order `own`.
    fn among_last(self, count: u32, orders_max: u32, own: u32) -> u128 {
        let back = count.saturating_sub(self.highest);
        if self.highest == 0 || back > orders_max {
            return 0;
        }
        let all = (u128::from(self.earlier) << 1 | 1) << back;
        let without_own = count.checked_sub(own).map_or(u128::MAX, |own| !1_u128.checked_shl(own).unwrap_or(0));
        all & ((1 << (orders_max + 1)) - 1) & without_own
    }
}

/// The order under work: how many orders there have been, and which of them it is.
#[derive(Clone, Copy)]
pub(super) struct Counting {
    pub(super) count: u32,
    pub(super) own: u32,
    pub(super) orders_max: u32,
}

/// Beyond so many items, orders that say no more than another are told too.
const ITEMS_COMPARED_MAX: usize = 128;

/// The orders before that held several of the items of an order, of which `numbers` are; numbered anew, as few as say the same.
/// Empty where there are none.
pub(super) fn orders_before(
    numbers: impl Iterator<Item = OrderNumbers>,
    counting: Counting,
    before: &mut Vec<OrdersBefore>,
) {
    before.clear();
    let (mut once, mut again) = (0_u128, 0_u128);
    for held in numbers {
        let orders = held.among_last(counting.count, counting.orders_max, counting.own);
        again |= once & orders;
        once |= orders;
        before.push(OrdersBefore(orders));
    }
    if again == 0 {
        before.clear();
        return;
    }
    let bits = (0..u128::BITS).filter(|bit| again >> bit & 1 == 1);
    let mut kept = [0_u32; 128];
    let mut length = 0;
    if before.len() <= ITEMS_COMPARED_MAX {
        // Of each order its items: one that held no more of them than another says nothing besides.
        let mut columns = [0_u128; 128];
        for bit in bits {
            let column =
                (0..).zip(&*before).fold(0_u128, |column, (place, orders)| column | (orders.0 >> bit & 1) << place);
            if columns[..length].iter().any(|other| column & !other == 0) {
                continue;
            }
            let mut left = 0;
            for at in 0..length {
                if columns[at] & !column != 0 {
                    (columns[left], kept[left]) = (columns[at], kept[at]);
                    left += 1;
                }
            }
            (columns[left], kept[left]) = (column, bit);
            length = left + 1;
        }
    } else {
        for bit in bits {
            kept[length] = bit;
            length += 1;
        }
    }
    for orders in before {
        let all = kept[..length].iter().enumerate();
        orders.0 = all.fold(0, |anew, (place, bit)| anew | (orders.0 >> bit & 1) << place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Numbers that come and go, near the highest and far below it.
    fn steps() -> impl Strategy<Value = Vec<(bool, u32)>> {
        prop::collection::vec((prop::bool::weighted(0.7), 1_u32..100), 1..60)
    }

    fn numbers_of(steps: &[(bool, u32)]) -> (OrderNumbers, BTreeSet<u32>) {
        let (mut numbers, mut plain) = (OrderNumbers::default(), BTreeSet::new());
        for &(joins, number) in steps {
            if joins {
                numbers.add(number);
                plain.insert(number);
            } else {
                numbers.remove(number);
                plain.remove(&number);
            }
        }
        (numbers, plain)
    }

    proptest! {
        #[test]
        fn two_items_are_apart_where_none_of_the_last_orders_held_both(
            of in prop::collection::vec(steps(), 2..6), orders_max in 0..=TOGETHER_ORDERS_MAX, more in 0_u32..70, own in 1_u32..170,
        ) {
            let held: Vec<_> = of.iter().map(|steps| numbers_of(steps)).collect();
            let count = of.iter().flatten().map(|&(_, number)| number).max().unwrap_or(1) + more;
            let mut before = Vec::new();
            orders_before(held.iter().map(|(numbers, _)| *numbers), Counting { count, own, orders_max }, &mut before);
            for (i, (_, one)) in held.iter().enumerate() {
                for (j, (_, other)) in held.iter().enumerate().skip(i + 1) {
                    let matters = |n: &u32| *n + orders_max >= count && *n != own;
                    let shared = one.intersection(other).any(matters);
                    let apart = before.is_empty() || before[i].are_apart(before[j]);
                    prop_assert_eq!(apart, !shared, "{} and {} of {:?}", i, j, held);
                }
            }
        }
    }

    #[test]
    fn orders_that_say_the_same_are_told_once() {
        let mut weekly = OrderNumbers::default();
        (1..=64).for_each(|number| weekly.add(number));
        let mut before = Vec::new();
        orders_before([weekly; 3].into_iter(), Counting { count: 65, own: 65, orders_max: 64 }, &mut before);
        assert_eq!(before, [OrdersBefore(1); 3]);
    }
}
