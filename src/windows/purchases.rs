//! What a user bought before, and the ids of the last orders.
//!
//! Kept in order of last touch, newest last, without an index: an order reads all of it in one pass (16 KB for the 1000
//! items of a busy business customer), looking each purchase up in the order's small basket. That costs less than the
//! order's pair updates, and a consumer's few purchases cost next to nothing.

use super::basket::Basket;
use super::recent_ids::RecentIds;
use crate::event::EventTime;
use crate::items::ItemId;
use crate::memory::of_vec;
use crate::rules::CountingRules;

/// What a visitor is once there has been an order.
#[derive(Default)]
pub(super) struct Customer {
    pub(super) order_ids: RecentIds,
    pub(super) purchases: Purchases,
}

#[derive(Clone, Copy)]
struct Purchase {
    item: ItemId,
    /// Orders that held it, since the last pause longer than the repeat horizon. [`IN_THIS_ORDER`] between the look
    /// back of an order and its record.
    times: u32,
    latest: EventTime,
}

/// Stands in `times` of what the order under work holds: it is about to be recorded anew. Nothing is bought 0 times.
const IN_THIS_ORDER: u32 = 0;

/// Distinct items bought, with how often and when last.
#[derive(Default)]
pub(super) struct Purchases {
    bought: Vec<Purchase>,
}

impl Purchases {
    /// Tells `basket` how often each of its items was bought before an order at `time`, and gathers in `before` the
    /// most recent other purchases within the horizon: filter first, cut after. An order may arrive after a later one,
    /// so an age can be negative; that is within every horizon. [`Purchases::record`] must follow.
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
            if let Some(place) = basket.find(purchase.item) {
                let repeats = if age_ms <= rules.repeat_horizon_ms { purchase.times } else { 0 };
                basket.bought_before(place, repeats, purchase.latest);
                purchase.times = IN_THIS_ORDER;
            } else if before.len() < rules.also_max && age_ms <= rules.also_horizon_ms {
                before.push(purchase.item);
            }
        }
    }

    /// The items of `basket` become the most recent ones, a later line more recent; the oldest beyond `max` go.
    pub(super) fn record(&mut self, basket: &Basket, max: usize) {
        self.bought.retain(|purchase| purchase.times != IN_THIS_ORDER);
        self.bought.reserve_exact(basket.items().len());
        self.bought.extend(basket.with_latest().map(|(bought, latest)| Purchase {
            item: bought.item,
            times: bought.repeats.saturating_add(1),
            latest,
        }));
        self.bought.drain(..self.bought.len().saturating_sub(max));
    }

    pub(super) fn bytes(&self) -> usize {
        of_vec(&self.bought)
    }
}
