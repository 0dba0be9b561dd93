//! Rounds in which is found who leads lists: that they come to their end, and what goes out meanwhile.

use super::super::exposure::LEADERS_ASKED_MAX;
use super::*;
use crate::items::ShopId;
use crate::rank::{Asking, Entry, Figures, Label};
use crate::rules::{KindRules, Part, Parts};

const BOUND: &str = "viewed-together";

/// One list, of what is viewed together, that has a bound; beside it what is viewed most in the shop.
fn bound() -> RowsSetup {
    let mut setup = setup();
    setup.lists.iter_mut().for_each(|rules| rules.enabled = false);
    let rules = &mut setup.lists[ListName::find(BOUND).unwrap().index()];
    (rules.enabled, rules.min_support, rules.exposure_max) = (true, 1, Some(0.01));
    let rules = &mut setup.lists[ListName::BEST_SELLERS.index()];
    (rules.enabled, rules.relation, rules.min_support) = (true, Relation::ViewedTogether, 1);
    setup
}

/// A stage that has met so many lists, and looked at nothing yet.
fn met(setup: &RowsSetup, lists: usize) -> Bench {
    let mut bench = Bench::by_setup(0, 1, setup);
    bench.open(0, 0, 0).unwrap();
    bench.write_opening();
    contexts(&mut bench, Lag::Live);
    for part in 0..lists.div_ceil(100) {
        let names: Vec<_> = (0..100).map(|n| (format!("a{part}-{n}"), format!("b{n}"))).collect();
        let pairs: Vec<_> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        bench.views(&pairs);
    }
    bench
}

fn published(seen: &Seen, list: &str) -> usize {
    let of_list = |(key, _, _): &&(String, Stamp, bool)| key.split('/').nth(1) == Some(list);
    seen.lists.iter().filter(of_list).count()
}

#[test]
fn a_round_comes_to_its_end_however_often_all_comes_to_rest_meanwhile() {
    let mut bench = met(&bound(), 4 * RANKED_MAX);
    let (mut lists, mut rests) = (0, 0);
    for _ in 0..40 {
        bench.views(&[("x", "y")]);
        bench.monotonic_ms += 60_000;
        let clock = Clock { wall_ms: WALL_MS + bench.monotonic_ms, monotonic_ms: bench.monotonic_ms };
        lists += published(&bench.tell(Fact::Clock(clock)).unwrap(), BOUND);
        rests += usize::from(!bench.stage.work().moved);
    }
    assert!(rests > 30, "{rests} rests");
    assert!(lists >= 4 * RANKED_MAX, "{lists} lists");
    // What came meanwhile is looked at once more, and then no more.
    bench.pass(1);
    assert!(!bench.stage.work().is_walking() && !bench.stage.is_busy());
}

#[test]
fn lists_without_a_bound_wait_for_no_round_and_those_with_one_go_out_once() {
    let mut bench = met(&bound(), 4 * RANKED_MAX);
    let (mut seen, mut waited) = (Seen::default(), false);
    bench.monotonic_ms += 1_000;
    let clock = Clock { wall_ms: WALL_MS + bench.monotonic_ms, monotonic_ms: bench.monotonic_ms };
    seen.lists.extend(bench.tell(Fact::Clock(clock)).unwrap().lists);
    while bench.stage.is_busy() {
        let more = bench.tell(Fact::Continue).unwrap();
        seen.lists.extend(more.lists);
        waited |= published(&seen, "best-sellers") > 0 && published(&seen, BOUND) == 0;
    }
    assert!(waited, "all waited for the round");
    seen.lists.extend(bench.pass(10_000).lists);
    let mut keys: Vec<&str> =
        seen.lists.iter().map(|(key, _, _)| key.as_str()).filter(|key| key.contains(BOUND)).collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert!(count >= 4 * RANKED_MAX && keys.len() == count, "{count} lists, {} keys", keys.len());
}

#[test]
fn a_placement_that_shows_a_bounded_list_waits_with_it() {
    let mut setup = bound();
    for (placement, part) in [("product-page", BOUND), ("cart", "carted-together")] {
        let rules = &mut setup.lists[ListName::find(placement).unwrap().index()];
        let parts = Parts::of([Part { list: ListName::find(part).unwrap(), places: 4 }]);
        (rules.enabled, rules.kind) = (true, KindRules::Placement { parts, price_max: None });
    }
    let work = RowsWork::new(Partition(0), 1, &CountingRules::default(), IDENTITY, &setup);
    let waits = |name: &str| work.exposure.is_unready(ListName::find(name).unwrap());
    let names = [BOUND, "product-page", "cart", "carted-together", "best-sellers"];
    assert_eq!(names.map(waits), [true, true, false, false, false]);
}

#[test]
fn who_leads_is_decided_in_bounded_steps_however_many_shops_and_lists_there_are() {
    let mut bench = met(&bound(), 0);
    let work = bench.stage.work_mut();
    let list = ListName::find(BOUND).unwrap();
    let entry = |item: u32, rank_milli: i64| {
        let (figures, label) = (Figures::new(1.0, 2.0, 3.0, 4.0), Label::default());
        let (score_milli, support, llr_root, last_seen) = (0, 1, 0.0, Day(0));
        Entry { item: ItemId(item), score_milli, rank_milli, support, figures, llr_root, last_seen, label }
    };
    let asking = |about: usize| Asking::of(about as u64, &[entry(1, 9), entry(2, 8)]).unwrap();
    let (lists, shops) = (2 * LEADERS_ASKED_MAX, 3 * LEADERS_ASKED_MAX);
    let many = (0..lists).map(asking).collect();
    // Shops all of whose lists are led by hand.
    let none = (1..=shops).map(|shop| ((list, ShopId(u32::try_from(shop).unwrap())), Vec::new()));
    work.exposure.decide_among(std::iter::once(((list, ShopId(0)), many)).chain(none));
    let mut steps = 0;
    while work.exposure.is_in_a_round() {
        work.round_step();
        steps += 1;
    }
    // Each list asks the first, nearly each then the second, and nearly each of those once more in vain.
    let asked = 3 * lists + shops;
    assert!((asked / LEADERS_ASKED_MAX..=asked / LEADERS_ASKED_MAX + 1).contains(&steps), "{steps} steps");
}
