//! What is tested of the windows: every rule by name (`rules`), and all of them at once against a naive recount, at many
//! cut points (here).

mod aggregate;
#[path = "../../tests/support/recount.rs"]
pub(crate) mod recount;
mod by_rule;
#[path = "../../tests/support/shop.rs"]
pub(crate) mod shop;

use crate::relation::Relation;
use crate::rules::{CountingRules, DAY_MS};
use aggregate::Counts;
use recount::{Recount, Rules};
use shop::Shape;

/// Every limit small, every horizon short and different.
fn tiny_rules() -> CountingRules {
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
        half_life_ms: [500_000, 400_000, 300_000, 200_000, 100_000],
        ..CountingRules::default()
    }
}

/// The default rules, but the recount forgets nobody.
fn never_forgetting() -> CountingRules {
    CountingRules { forget_after_ms: i64::MAX, forget_customer_after_ms: i64::MAX, ..CountingRules::default() }
}

fn naive_rules(rules: &CountingRules) -> Rules {
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

/// Counts the events of each seed in both ways and compares all rows, weights and tallies after every `cut`.
fn check(rules: &CountingRules, seeds: u64, events: usize, cut: usize) {
    let naive = naive_rules(rules);
    for seed in shop::seeds(seeds) {
        let (mut counts, mut recount) = (Counts::new(rules), Recount::new(naive.clone()));
        for (n, event) in shop::events(seed, events, &Shape::of(&naive)).iter().enumerate() {
            counts.event(event);
            recount.event(event);
            if n % cut == cut - 1 || n + 1 == events {
                let as_of = recount.latest();
                let difference = recount::difference(&recount.rows(as_of), &counts.rows(as_of), 1e-9);
                assert_eq!(difference, None, "after {} events of seed {seed} (SAMENLOOP_SEED={seed})", n + 1);
            }
        }
    }
}

#[test]
fn counts_equal_a_naive_recount_at_every_cut_with_the_default_rules() {
    // These events span years and some are sent again after years: the recount forgets nobody.
    check(&never_forgetting(), 60, 400, 20);
}

#[test]
fn counts_equal_a_naive_recount_at_every_cut_with_tiny_limits() {
    check(&tiny_rules(), 300, 400, 20);
}

#[test]
fn counts_equal_a_naive_recount_after_each_event() {
    check(&tiny_rules(), 20, 150, 1);
}

#[test]
fn forgetting_changes_no_count_of_events_in_order_of_time() {
    let mut rules = tiny_rules();
    rules.forget_after_ms = 2 * DAY_MS; // far beyond every horizon
    rules.forget_customer_after_ms = 2 * DAY_MS;
    rules.together_orders = 0; // which no time ends
    rules.half_life_ms = [60 * DAY_MS; Relation::COUNT];
    let naive = naive_rules(&rules);
    let shape = Shape { users: 300, calm: true, edges_ms: vec![DAY_MS / 8, 2 * DAY_MS, 300_000], ..Shape::of(&naive) };
    for seed in shop::seeds(10) {
        let (mut counts, mut recount) = (Counts::new(&rules), Recount::new(naive.clone()));
        let mut users = 0;
        for event in shop::events(seed, 2_000, &shape) {
            counts.event(&event);
            recount.event(&event);
            users = users.max(counts.visitors());
        }
        let as_of = recount.latest();
        let difference = recount::difference(&recount.rows(as_of), &counts.rows(as_of), 1e-9);
        assert_eq!(difference, None, "seed {seed} (SAMENLOOP_SEED={seed})");
        assert!(users < 200, "nobody was forgotten: {users} visitors");
    }
}

#[test]
fn forgetting_does_not_depend_on_how_late_another_source_is_read() {
    let rules = CountingRules::default();
    let naive = naive_rules(&rules);
    for seed in shop::seeds(20) {
        let late_days = [0, 1, 30, 200, 399][usize::try_from(seed % 5).unwrap()];
        let (mut counts, mut recount) = (Counts::new(&rules), Recount::new(naive.clone()));
        for (_, event) in shop::one_late(&shop::years(seed, 100, 2_000), late_days * DAY_MS) {
            counts.event(&event);
            recount.event(&event);
        }
        let as_of = recount.latest();
        let difference = recount::difference(&recount.rows(as_of), &counts.rows(as_of), 1e-9);
        assert_eq!(difference, None, "{late_days} days late, seed {seed} (SAMENLOOP_SEED={seed})");
    }
}

#[test]
fn the_made_up_shop_has_every_special_case() {
    let rules = naive_rules(&tiny_rules());
    let mut rows = Vec::new();
    for seed in 0..20 {
        let mut recount = Recount::new(rules.clone());
        shop::events(seed, 400, &Shape::of(&rules)).iter().for_each(|event| recount.event(event));
        rows.extend(recount.rows(recount.latest()));
    }
    for (name, least) in
        [("accepted", 5_000), ("bulk", 100), ("duplicate", 100), ("late", 50), ("overlong", 100), ("rejected", 20)]
            .into_iter()
            .chain([("stale", 20), ("unchanged", 20), ("unknown_order", 50)])
    {
        let tallies = rows.iter().filter(|row| row.kind == "tally" && row.relation == name);
        let times: i64 = tallies.map(|row| row.support).sum();
        assert!(times > least, "{name}: {times}");
    }
    for relation in Relation::ALL {
        let pairs = rows.iter().filter(|row| row.kind == "pair" && row.relation == relation.name()).count();
        assert!(pairs > 500, "{}: {pairs} pairs", relation.name());
    }
    let repeated = rows.iter().filter(|row| row.kind == "pair" && row.support == 0).count();
    assert!(repeated > 20, "{repeated} pairs were only ever repeated");
}
