//! Counting rules to test with, and their form for the recount.

use super::super::recount::Rules;
use samenloop::relation::Relation;
use samenloop::rules::CountingRules;

/// The naive recount's form of `rules`.
pub fn naive_rules(rules: &CountingRules) -> Rules {
    Rules {
        session_gap: rules.session_gap_ms,
        session_max_items: rules.session_max_items,
        pair_window: rules.pair_window,
        recent_max: rules.recent_max,
        view_to_order: rules.view_to_order_ms,
        cart_gap: rules.cart_gap_ms,
        cart_max: rules.cart_max,
        basket_max: rules.basket_max,
        repeat_horizon: rules.repeat_horizon_ms,
        purchases_max: rules.purchases_max,
        also_max: rules.also_max,
        also_horizon: rules.also_horizon_ms,
        dedup_ids: rules.dedup_ids,
        session_longest: rules.session_longest_ms,
        sessions_open: rules.sessions_open,
        order_open: rules.order_open_ms,
        orders_max: rules.orders_max,
        together_orders: usize::try_from(rules.together_orders).unwrap(),
        half_life_bought_together: rules.half_life(Relation::BoughtTogether),
        half_life_also_bought: rules.half_life(Relation::AlsoBought),
        half_life_viewed_together: rules.half_life(Relation::ViewedTogether),
        half_life_viewed_then_bought: rules.half_life(Relation::ViewedThenBought),
        half_life_carted_together: rules.half_life(Relation::CartedTogether),
    }
}

/// The default rules, but nothing is forgotten and no row is pruned: the recount does neither.
pub fn default_rules() -> CountingRules {
    CountingRules {
        forget_after_ms: i64::MAX,
        forget_customer_after_ms: i64::MAX,
        row_max: None,
        ..CountingRules::default()
    }
}

/// Every limit small, every horizon short and different.
pub fn tiny_rules() -> CountingRules {
    CountingRules {
        session_gap_ms: 40_000,
        session_max_items: 5,
        pair_window: 3,
        recent_max: 3,
        view_to_order_ms: 90_000,
        cart_gap_ms: 70_000,
        cart_max: 3,
        basket_max: 4,
        repeat_horizon_ms: 300_000,
        purchases_max: 6,
        also_max: 3,
        also_horizon_ms: 200_000,
        dedup_ids: 4,
        session_longest_ms: 100_000,
        sessions_open: 2,
        order_open_ms: 250_000,
        orders_max: 2,
        together_orders: 3,
        half_life_ms: [5_000_000, 4_000_000, 3_000_000, 2_000_000, 1_000_000],
        row_max: None,
        ..CountingRules::default()
    }
}
