//! That no item leads more than its share of lists: against the same lists without a bound.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "support/at_rest.rs"]
mod at_rest;
#[path = "support/recount.rs"]
mod recount;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;

use at_rest::{come_to_rest, explained, names};
use recount::{Event, Kind};
use rig::{Rig, Shape, default_rules, naive_rules};
use samenloop::list_key::ListName;
use samenloop::rules::{FillStep, ListRules};
use serde_json::Value;
use shop::Random;
use std::collections::BTreeMap;

const NAME: &str = "viewed-together";

/// Whole lists of a few entries: nothing is cut off that could come to lead.
fn lists(exposure_max: Option<f64>) -> [ListRules; ListName::COUNT] {
    let mut lists = ListRules::defaults();
    let rules = &mut lists[ListName::find(NAME).unwrap().index()];
    (rules.length, rules.reserve, rules.exposure_max) = (3, 30, exposure_max);
    lists
}

/// Of every list the items that are told to lead as many lists as they may.
type Exposed = BTreeMap<String, Vec<String>>;

fn at_rest(
    shape: &Shape,
    events: &[Event],
    context: &str,
) -> (BTreeMap<String, Value>, BTreeMap<String, u32>, Exposed) {
    let mut rig = Rig::open(shape, &[events.to_vec()]);
    let mut random = Random::new(events.len() as u64);
    let mut now_ms = 4_000_000_000_000;
    while rig.feed(0).unwrap() {
        if rig.fed[0].is_multiple_of(50) {
            rig.pipeline.flush().unwrap();
            now_ms += 700;
            rig.clock(now_ms).unwrap();
        }
        if random.chance(1) {
            let partition = u32::try_from(random.below(u64::from(shape.partitions))).unwrap();
            rig.restart(random.below(4), partition).unwrap();
        }
    }
    let all = come_to_rest(&mut rig, now_ms, context);
    let partitions = rig.pipeline.sink().lists.iter().map(|list| (list.key.clone(), list.partition)).collect();
    let exposed = |key: &String| {
        let row = explained(&rig, key);
        let is_exposed = |told: &&Value| [&told["displaced"], &told["gate"]].contains(&&Value::from("exposure"));
        let told = row["candidates"].as_array().unwrap().iter().filter(is_exposed);
        (key.clone(), told.map(|told| told["item"].as_str().unwrap().to_owned()).collect())
    };
    let exposed = all.keys().map(exposed).collect();
    (all, partitions, exposed)
}

/// Score times the root of the root of rarity, as the list's rules have it.
fn value(entry: &Value) -> f64 {
    let number = |name: &str| entry[name].as_f64().unwrap();
    number("score") * (number("contexts") / number("other_weight")).powf(0.25)
}

fn entry<'a>(list: &'a Value, item: &str) -> &'a Value {
    let all = ["entries", "reserve"].into_iter().flat_map(|part| list[part].as_array().unwrap());
    all.into_iter().find(|entry| entry["item"] == item).unwrap()
}

/// A few items that everybody looks at, and many that are looked at with them.
fn stars(seed: u64) -> Vec<Event> {
    let (mut random, mut events) = (Random::new(seed), Vec::new());
    for visit in 0..500_i64 {
        let user = format!("u{visit}");
        let first = random.below(60);
        let mut items =
            vec![format!("i{first}"), format!("star {}", random.skewed(3)), format!("i{}", (first + 1) % 60)];
        if random.chance(30) {
            items.push(format!("i{}", random.below(60)));
        }
        for (item, step) in items.iter().zip(0..) {
            let ts = 1_700_000_000_000 + visit * 600_000 + step;
            events.push(Event { id: None, kind: Kind::view(item), shop: "main".into(), user: user.clone(), ts });
        }
    }
    events
}

#[test]
fn no_item_leads_more_than_its_share_and_those_that_it_leads_are_where_it_ranks_highest() {
    let mut displaced = 0;
    for partitions in [1, 3] {
        for seed in shop::seeds(3) {
            let context = format!("{partitions} partitions, SAMENLOOP_SEED={seed}");
            let events = stars(seed);
            let share = 0.1;
            let shape = Shape { partitions, lists: lists(None), ..Shape::new(&default_rules()) };
            let (plain, _, none) = at_rest(&shape, &events, &context);
            let (bound, of, exposed) =
                at_rest(&Shape { lists: lists(Some(share)), ..shape.clone() }, &events, &context);
            assert_eq!(bound.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>(), "{context}");
            assert!(none.values().all(Vec::is_empty), "{context}: nothing is bounded");
            for partition in 0..partitions {
                let is_here = |key: &&String| key.contains(NAME) && of[*key] == partition;
                let keys: Vec<&String> = plain.keys().filter(is_here).collect();
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of a length
                let most = ((share * keys.len() as f64) as usize).max(1);
                let leader = |lists: &BTreeMap<String, Value>, key: &str| names(&lists[key])[0].clone();
                let mut led: BTreeMap<String, Vec<f64>> = BTreeMap::new();
                for key in &keys {
                    let item = leader(&bound, key);
                    led.entry(item.clone()).or_default().push(value(entry(&plain[*key], &item)));
                }
                assert!(led.values().all(|lists| lists.len() <= most), "{context}: {most} of {}: {led:?}", keys.len());
                for key in keys {
                    let (before, after) = (names(&plain[key]), names(&bound[key]));
                    let first = before.iter().position(|item| *item == after[0]).unwrap();
                    displaced += first;
                    assert_eq!(exposed[key], before[..first], "{context}: {key}: told why");
                    for item in &before[..first] {
                        let own = value(entry(&plain[key], item));
                        let leads = &led[item];
                        assert_eq!(leads.len(), most, "{context}: {key}: {item} has room");
                        assert!(
                            leads.iter().all(|other| *other >= own - 0.01),
                            "{context}: {key}: {item} {own} {leads:?}"
                        );
                    }
                    // What is displaced stands first in reserve; all others keep their order.
                    let mut want = before[first..].to_vec();
                    let shown = want.len().min(3);
                    want.splice(shown..shown, before[..first].iter().cloned());
                    assert_eq!(after, want, "{context}: {key}");
                    let reserve = bound[key]["reserve"].as_array().unwrap();
                    assert!(reserve.len() >= first && bound[key]["entries"].as_array().unwrap().len() == shown);
                }
            }
        }
    }
    assert!(displaced > 100, "{displaced}: hardly tried");
}

/// Filled lists too; and whatever comes in what order, and is restarted when: the same at rest.
#[test]
fn who_leads_at_rest_depends_on_the_counts_alone() {
    let rules = default_rules();
    for seed in shop::seeds(4) {
        let events = shop::events(seed, 500, &shop::Shape::of(&naive_rules(&rules)));
        let mut lists = ListRules::defaults();
        for rules in &mut lists[..5] {
            (rules.exposure_max, rules.min_support) = (Some(0.2), 1);
            rules.fill = vec![FillStep::Shop];
        }
        let shape = Shape { partitions: 3, lists, ..Shape::new(&rules) };
        let (restarted, ..) = at_rest(&shape, &events, &format!("SAMENLOOP_SEED={seed}"));
        let mut calm = Rig::open(&shape, std::slice::from_ref(&events));
        while calm.feed(0).unwrap() {}
        let calm = come_to_rest(&mut calm, 4_000_000_000_000, "calm");
        let leaders = |all: &BTreeMap<String, Value>| -> BTreeMap<String, Vec<String>> {
            all.iter().map(|(key, list)| (key.clone(), names(list))).collect()
        };
        assert_eq!(leaders(&restarted), leaders(&calm), "SAMENLOOP_SEED={seed}");
        // Also where nothing is known of items, a best seller does not fill its own list.
        for (key, items) in leaders(&calm) {
            let about = key.splitn(3, '/').last().unwrap();
            assert!(items.iter().all(|item| item != about), "{key}: {items:?}");
        }
    }
}
