//! What a user bought before.
//!
//! Kept in order of last touch, newest last, without an index: an order reads all of it in one pass (28 KB for the 1000
//! items of a busy business customer), looking each purchase up in the order's small basket. That costs less than the
//! order's pair updates, and a consumer's few purchases cost next to nothing.

use super::basket::Basket;
use super::exact::of_list;
use super::open_orders::OpenOrders;
use super::recent_ids::RecentIds;
use super::saved::Met;
use super::together::OrderNumbers;
use crate::event::EventTime;
use crate::items::ItemId;
use crate::memory::allocated;
use crate::rules::CountingRules;
use crate::saved::SavedError;

/// What a visitor is once there has been an order.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Customer {
    pub(super) order_ids: RecentIds,
    pub(super) purchases: Purchases,
    pub(super) open: OpenOrders,
    /// Orders so far. The number of an order is its place among them, from 1.
    pub(super) orders: u32,
}

impl Customer {
    /// Whether it is one; takes note of what it names.
    pub(super) fn fits(&self, met: &mut Met) -> Result<(), SavedError> {
        for purchase in &self.purchases.bought {
            let orders = purchase.orders;
            orders.fits()?;
            met.item(purchase.item);
        }
        self.order_ids.fits()?;
        self.open.fits(met)
    }

    /// What is held, but for the ids of orders.
    pub(super) fn bytes(&self) -> usize {
        allocated(size_of::<Self>()) + of_list(&self.purchases.bought) + self.open.bytes()
    }
}

/// Packed: 28 bytes instead of 32.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
#[repr(Rust, packed(4))]
struct Purchase {
    item: ItemId,
    /// Orders that held it, since the last pause longer than the repeat horizon. [`IN_THIS_ORDER`] between the look
    /// back of an order and its record.
    times: u32,
    latest: EventTime,
    orders: OrderNumbers,
}

/// Stands in `times` of what the order under work holds: it is about to be recorded anew. Nothing is bought 0 times.
const IN_THIS_ORDER: u32 = 0;

/// Distinct items bought, with how often and when last.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Purchases {
    bought: Box<[Purchase]>,
}

impl Purchases {
    /// Tells `basket` what was bought of each of its items before an order at `time`, and gathers in `before` the
    /// most recent other purchases within the horizon: filter first, cut after. [`Purchases::record`] must follow.
    pub(super) fn look_back(
        &mut self,
        basket: &mut Basket,
        time: EventTime,
        rules: &CountingRules,
        before: &mut Vec<ItemId>,
    ) {
        before.clear();
        for purchase in self.bought.iter_mut().rev() {
            let age_ms = time.since(purchase.latest);
            if let Some(line) = basket.line_mut(purchase.item) {
                if !line.stays {
                    line.repeats = repeats(purchase.times, age_ms, rules);
                }
                line.times = if line.is_recorded { purchase.times } else { line.repeats.saturating_add(1) };
                (line.latest, line.orders) = (purchase.latest, purchase.orders);
                purchase.times = IN_THIS_ORDER;
            } else if before.len() < rules.also_max && (0..=rules.also_horizon_ms).contains(&age_ms) {
                before.push(purchase.item);
            }
        }
    }

    /// Tells `basket` how often each of its items was bought before an order at `time` that is not recorded.
    pub(super) fn count_repeats(&self, basket: &mut Basket, time: EventTime, rules: &CountingRules) {
        for purchase in &self.bought {
            if let Some(line) = basket.line_mut(purchase.item) {
                line.repeats = repeats(purchase.times, time.since(purchase.latest), rules);
            }
        }
    }

    /// The items of `basket`, in the order `number` at `time`, become the most recent ones, a later line more recent; the oldest
    /// beyond `max` go, and are told.
    pub(super) fn record(
        &mut self,
        basket: &Basket,
        (number, time): (u32, EventTime),
        max: usize,
        gone: impl FnMut(ItemId),
    ) {
        let mut bought = std::mem::take(&mut self.bought).into_vec();
        bought.retain(|purchase| purchase.times != IN_THIS_ORDER);
        bought.reserve_exact(basket.lines().len());
        bought.extend(basket.lines().iter().map(|line| {
            let mut orders = line.orders;
            orders.add(number);
            let times = if line.stays && !line.is_recorded { line.repeats.saturating_add(1) } else { line.times };
            Purchase { item: line.item, times, latest: line.latest.max(time), orders }
        }));
        let too_many = bought.len().saturating_sub(max);
        bought.drain(..too_many).map(|purchase| purchase.item).for_each(gone);
        self.bought = bought.into_boxed_slice();
    }

    /// The order `number` holds `item` no longer. Says whether no order is left that does, so that it is no purchase.
    pub(super) fn take_back(&mut self, item: ItemId, number: u32) -> bool {
        let Some(at) = self.bought.iter().rposition(|purchase| purchase.item == item) else { return false };
        let purchase = &mut self.bought[at];
        let mut orders = purchase.orders;
        orders.remove(number);
        (purchase.orders, purchase.times) = (orders, purchase.times.saturating_sub(1));
        let is_gone = purchase.times == 0;
        if is_gone {
            let mut bought = std::mem::take(&mut self.bought).into_vec();
            bought.remove(at);
            self.bought = bought.into_boxed_slice();
        }
        is_gone
    }
}

fn repeats(times: u32, age_ms: i64, rules: &CountingRules) -> u32 {
    if age_ms <= rules.repeat_horizon_ms { times } else { 0 }
}
