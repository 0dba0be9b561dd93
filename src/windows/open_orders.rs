//! The orders of a user that may still change, with what was counted of each: to take it back, the same numbers must be told again.
//!
//! Few and short: an order without a number is none of them, nor is one that has not been touched for long.

use super::exact::of_list;
use super::saved::Met;
use crate::event::{EventTime, LinkKey};
use crate::items::{ItemId, ShopId};
use crate::relation::{Bought, OrdersBefore};
use crate::saved::SavedError;

/// An item of an order: 8 bytes.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Held {
    item: ItemId,
    /// The highest bit: whether the order is among those that the user's purchases have of the item.
    repeats: u32,
}

const RECORDED: u32 = 1 << 31;

impl Held {
    pub(super) fn new(bought: Bought, is_recorded: bool) -> Self {
        let repeats = bought.repeats.min(RECORDED - 1);
        Self { item: bought.item, repeats: if is_recorded { repeats | RECORDED } else { repeats } }
    }

    pub(super) fn item(self) -> ItemId {
        self.item
    }

    pub(super) fn bought(self) -> Bought {
        Bought { item: self.item, repeats: self.repeats & !RECORDED }
    }

    pub(super) fn is_recorded(self) -> bool {
        self.repeats & RECORDED != 0
    }
}

/// What was counted of an order besides its items. Nothing of an order that is bulk, or has none.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Counted {
    pub(super) before: Box<[OrdersBefore]>,
    /// What was bought before, and behind it what was viewed.
    anchors: Box<[ItemId]>,
    also: u32,
}

impl Counted {
    pub(super) fn new(before: &[OrdersBefore], also: &[ItemId], viewed: &[ItemId]) -> Self {
        let anchors = [also, viewed].concat().into_boxed_slice();
        Self { before: before.into(), anchors, also: u32::try_from(also.len()).unwrap_or(u32::MAX) } // at most `REMEMBERED_MAX`
    }

    /// What was bought before, and what was viewed.
    pub(super) fn anchors(&self) -> (&[ItemId], &[ItemId]) {
        self.anchors.split_at((self.also as usize).min(self.anchors.len()))
    }
}

/// An order that may still change.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct OpenOrder {
    pub(super) link: LinkKey,
    /// Of its first record.
    pub(super) time: EventTime,
    /// The highest so far.
    pub(super) version: i64,
    /// Its place among the orders of the user.
    pub(super) number: u32,
    pub(super) shop: ShopId,
    pub(super) is_counted: bool,
    /// In the order in which they joined.
    pub(super) items: Box<[Held]>,
    pub(super) counted: Counted,
}

/// Those of one user; the one touched last is last.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct OpenOrders {
    orders: Box<[OpenOrder]>,
}

impl OpenOrders {
    /// Those placed longer than `open_ms` before `time` change no more.
    pub(super) fn close_old(&mut self, time: EventTime, open_ms: i64) {
        let is_old = |order: &OpenOrder| time.since(order.time) > open_ms;
        if self.orders.iter().any(is_old) {
            self.change(|orders| orders.retain(|order| !is_old(order)));
        }
    }

    /// Takes the order `link` in hand. [`OpenOrders::put`] must follow.
    pub(super) fn take(&mut self, link: LinkKey) -> Option<OpenOrder> {
        let at = self.orders.iter().position(|order| order.link == link)?;
        Some(self.change(|orders| orders.remove(at)))
    }

    /// Puts an order that was touched; those touched longest ago go beyond `max`.
    pub(super) fn put(&mut self, order: OpenOrder, max: usize) {
        self.change(|orders| {
            let too_many = (orders.len() + 1).saturating_sub(max).min(orders.len());
            orders.drain(..too_many);
            orders.reserve_exact(1);
            orders.push(order);
        });
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut Vec<OpenOrder>) -> R) -> R {
        let mut orders = std::mem::take(&mut self.orders).into_vec();
        let changed = change(&mut orders);
        self.orders = orders.into_boxed_slice();
        changed
    }

    /// `item` is no purchase any more.
    pub(super) fn forget(&mut self, item: ItemId) {
        self.orders.iter_mut().for_each(|order| order.forget(item));
    }

    /// Whether they are any; takes note of what they name.
    pub(super) fn fits(&self, met: &mut Met) -> Result<(), SavedError> {
        self.orders.iter().try_for_each(|order| order.fits(met))
    }

    pub(super) fn bytes(&self) -> usize {
        let of_order = |order: &OpenOrder| {
            of_list(&order.items) + of_list(&order.counted.before) + of_list(&order.counted.anchors)
        };
        of_list(&self.orders) + self.orders.iter().map(of_order).sum::<usize>()
    }
}

impl OpenOrder {
    /// Whether it is one; takes note of what it names. To take back what was counted, an item is looked up once, and what there is of one
    /// besides is found at its place.
    fn fits(&self, met: &mut Met) -> Result<(), SavedError> {
        let mut items: Vec<ItemId> = self.items.iter().map(|held| held.item).collect();
        met.items(&items);
        met.items(&self.counted.anchors);
        met.shop(self.shop);
        items.sort_unstable();
        if items.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(SavedError::unfit("an order that holds an item twice"));
        }
        if !self.counted.before.is_empty() && self.counted.before.len() != self.items.len() {
            return Err(SavedError::unfit("an order with other items than were counted of it"));
        }
        Ok(())
    }

    /// `item` is no purchase any more.
    pub(super) fn forget(&mut self, item: ItemId) {
        self.items.iter_mut().filter(|held| held.item == item).for_each(|held| held.repeats &= !RECORDED);
    }
}
