//! Two instances share the work while stock changes and everything happens that happens in a house: at rest each list shows what a calm
//! single instance has counted, without what is sold out, and what is low behind the others. Made by hand from lists without facts.

use crate::house::House;
use crate::recount::{Event, Kind};
use crate::rig::{Shape, default_rules, naive_rules};
use crate::shop::{self, Random};
use samenloop::facts::{Facts, Stock};
use samenloop::rules::PublishRules;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const LENGTH: usize = 4;
const RESERVE: usize = 3;

fn shape(length: usize, reserve: usize, facts: Option<Arc<Facts>>) -> Shape {
    let publish = PublishRules { min_score_step_milli: 0, sweep_ms: 1 << 40, ..PublishRules::default() };
    let mut shape = Shape { partitions: 3, publish, facts, ..Shape::new(&default_rules()) };
    for rules in &mut shape.lists {
        (rules.length, rules.reserve) = (length, reserve);
        (rules.min_support, rules.min_llr_root, rules.lift_above_one) = (1, None, false);
    }
    shape
}

/// Shop and item of everything that is in an event.
fn items(events: &[Event]) -> Vec<(String, String)> {
    let of_event = |event: &Event| match &event.kind {
        Kind::View { item, .. } | Kind::Cart { item } => vec![item.clone()],
        Kind::Order { lines, .. } => lines.clone(),
        Kind::Erase => Vec::new(),
    };
    let all = events.iter().flat_map(|event| of_event(event).into_iter().map(|item| (event.shop.clone(), item)));
    let all: BTreeSet<_> = all.collect();
    all.into_iter().collect()
}

/// What stands last of each list that is there.
fn shown(house: &House, context: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let standing = house.standing(context).into_iter().map(|(key, (_, shown))| (key, shown));
    standing.filter(|(_, shown)| !shown.is_empty()).collect()
}

#[test]
fn at_rest_lists_show_what_is_in_stock_whatever_happened() {
    for seed in shop::seeds(4) {
        let context = format!("SAMENLOOP_SEED={seed}");
        let mut random = Random::new(seed);
        let events = shop::events(seed, 400, &shop::Shape::of(&naive_rules(&default_rules())));
        let items = items(&events);
        let facts = Arc::new(Facts::new(1 << 30));
        let mut stock: BTreeMap<(String, String), Stock> = BTreeMap::new();
        let mut change = |random: &mut Random, facts: &Facts| {
            let item = items[usize::try_from(random.below(items.len() as u64)).unwrap()].clone();
            let now = [Stock::Out, Stock::Low, Stock::In][usize::try_from(random.below(3)).unwrap()];
            facts.set_stock(&item.0, &item.1, Some(now)).unwrap();
            stock.insert(item, now);
        };
        let mut house = House::open(&shape(LENGTH, RESERVE, Some(Arc::clone(&facts))), 2, false);
        let (before, after) = events.split_at(150);
        before.iter().for_each(|event| house.feed(event));
        (0..items.len() / 2).for_each(|_| change(&mut random, &facts));
        house.rounds(20);
        assert_eq!(house.lists().len(), 0, "{context}: lists before all facts are there");
        facts.complete();
        for event in after {
            house.feed(event);
            house.happen(&mut random);
            if random.chance(50) {
                change(&mut random, &facts);
            }
            if random.chance(40) {
                house.pass(i64::try_from(random.below(1_500)).unwrap());
                house.tick();
            }
        }
        house.rest(None, false, false);
        // Nothing but stock changes from here on: no sweep helps.
        for _ in 0..40 {
            change(&mut random, &facts);
            if random.chance(30) {
                house.rounds(1);
            }
        }
        house.rounds(2);
        let got = shown(&house, &context);

        let mut calm = House::open(&shape(400, 0, None), 1, false);
        events.iter().for_each(|event| calm.feed(event));
        calm.rest(None, false, false);
        let mut want = shown(&calm, &context);
        let mut left_out = 0;
        for (key, shown) in &mut want {
            let shop = key.split('/').next().unwrap();
            let of = |item: &str| stock.get(&(shop.to_owned(), item.to_owned())).copied().unwrap_or_default();
            left_out += shown.iter().filter(|(item, _)| of(item) != Stock::In).count();
            shown.retain(|(item, _)| of(item) != Stock::Out);
            let (mut first, behind): (Vec<_>, Vec<_>) = shown.drain(..).partition(|(item, _)| of(item) == Stock::In);
            first.extend(behind);
            first.truncate(LENGTH);
            *shown = first;
        }
        want.retain(|_, shown| !shown.is_empty());
        assert!(want.len() > 20 && left_out > 20, "{context}: {} lists, {left_out} entries", want.len());
        let keys = |all: &BTreeMap<String, Vec<(String, f64)>>| all.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&got), keys(&want), "{context}: other lists");
        for (key, want) in &want {
            let got = &got[key];
            let near = want.iter().zip(got).all(|(w, g)| w.0 == g.0 && (w.1 - g.1).abs() < 0.02);
            assert!(near && want.len() == got.len(), "{context}: {key}\nwant {want:?}\n got {got:?}");
        }
    }
}
