//! Fingerprints of rules.

use super::*;

/// Rules of a later release: those of today and one more, 7 by default.
#[derive(Serialize)]
struct Later {
    #[serde(flatten)]
    today: CountingRules,
    quantity_max: u32,
}

fn later(today: CountingRules, quantity_max: u32) -> u64 {
    fingerprint(&Later { today, quantity_max }, &Later { today: CountingRules::left_out(), quantity_max: 7 })
}

#[test]
fn a_new_rule_with_its_default_refuses_no_log() {
    let set = CountingRules { row_max: None, cart_max: 51, ..CountingRules::default() };
    for rules in [CountingRules::default(), set] {
        assert_eq!(later(rules.clone(), 7), rules.fingerprint());
        assert_ne!(later(rules.clone(), 8), rules.fingerprint(), "but set to something else it tells");
    }
}

/// Each rule on its own, other than by default.
fn changed() -> Vec<(&'static str, CountingRules)> {
    let one = |name, change: fn(&mut CountingRules)| {
        let mut rules = CountingRules::default();
        change(&mut rules);
        (name, rules)
    };
    vec![
        one("session_gap_ms", |r| r.session_gap_ms += 1),
        one("session_longest_ms", |r| r.session_longest_ms += 1),
        one("sessions_open", |r| r.sessions_open += 1),
        one("session_max_items", |r| r.session_max_items += 1),
        one("pair_window", |r| r.pair_window += 1),
        one("recent_max", |r| r.recent_max += 1),
        one("view_to_order_ms", |r| r.view_to_order_ms += 1),
        one("cart_gap_ms", |r| r.cart_gap_ms += 1),
        one("cart_max", |r| r.cart_max += 1),
        one("basket_max", |r| r.basket_max += 1),
        one("repeat_horizon_ms", |r| r.repeat_horizon_ms += 1),
        one("purchases_max", |r| r.purchases_max += 1),
        one("also_max", |r| r.also_max += 1),
        one("also_horizon_ms", |r| r.also_horizon_ms += 1),
        one("order_open_ms", |r| r.order_open_ms += 1),
        one("orders_max", |r| r.orders_max += 1),
        one("together_orders", |r| r.together_orders -= 1),
        one("dedup_ids", |r| r.dedup_ids += 1),
        one("forget_after_ms", |r| r.forget_after_ms += 1),
        one("forget_customer_after_ms", |r| r.forget_customer_after_ms += 1),
        one("half_life_ms.bought_together", |r| r.half_life_ms[0] += 1),
        one("half_life_ms.also_bought", |r| r.half_life_ms[1] += 1),
        one("half_life_ms.viewed_together", |r| r.half_life_ms[2] += 1),
        one("half_life_ms.viewed_then_bought", |r| r.half_life_ms[3] += 1),
        one("half_life_ms.carted_together", |r| r.half_life_ms[4] += 1),
        one("row_max", |r| r.row_max = None),
        one("min_weight_millionths", |r| r.min_weight_millionths += 1),
    ]
}

#[test]
fn any_rule_that_changes_changes_the_fingerprint() {
    let mut seen = BTreeMap::from([(CountingRules::default().fingerprint(), "none")]);
    for (name, rules) in changed() {
        assert_eq!(seen.insert(rules.fingerprint(), name), None, "{name}");
    }
    let names: Vec<_> = pairs(&CountingRules::default()).into_keys().collect();
    let mut tried: Vec<_> = changed().into_iter().map(|(name, _)| name.to_owned()).collect();
    tried.sort();
    assert_eq!(tried, names, "a rule that this test does not know of");
}

#[test]
fn fingerprints_are_fixed_for_ever() {
    // Another value here refuses every log that is there. What a fingerprint is made of, for whoever must mend it:
    assert_eq!(CountingRules::default().fingerprint(), xxh3_64(b"version=2\n"));
    let set = CountingRules { row_max: None, cart_max: 51, ..CountingRules::default() };
    assert_eq!(set.fingerprint(), xxh3_64(b"version=2\ncart_max=51\nrow_max=null\n"));
    let golden = [CountingRules::default().fingerprint(), set.fingerprint()];
    assert_eq!(golden, [64_038_372_118_255_114, 500_239_632_144_313_623]);
}

/// A failure here means that a default has changed: keep the former one in [`CountingRules::left_out`].
#[test]
fn what_is_left_out_stays_what_it_was() {
    let text: Vec<_> =
        pairs(&CountingRules::left_out()).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        text.join(" "),
        "also_horizon_ms=7776000000 also_max=50 basket_max=100 cart_gap_ms=86400000 cart_max=50 dedup_ids=128 \
         forget_after_ms=34560000000 forget_customer_after_ms=69120000000 half_life_ms.also_bought=15552000000 half_life_ms.bought_together=15552000000 \
         half_life_ms.carted_together=5184000000 half_life_ms.viewed_then_bought=5184000000 \
         half_life_ms.viewed_together=5184000000 min_weight_millionths=50000 order_open_ms=2592000000 orders_max=16 pair_window=20 purchases_max=1000 \
         recent_max=20 repeat_horizon_ms=15552000000 row_max=256 session_gap_ms=1800000 session_longest_ms=14400000 \
         session_max_items=50 sessions_open=4 together_orders=64 view_to_order_ms=86400000"
    );
}
