//! Placements: lists put together from other lists about the same, against a naive putting together of what these show.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "support/at_rest.rs"]
mod at_rest;
#[path = "support/recount.rs"]
mod recount;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;

use at_rest::{come_to_rest, explained, held, names};
use recount::{Event, Kind};
use rig::{Rig, Shape, default_rules, naive_rules};
use samenloop::facts::{Catalogue, Facts, Ruling, Stock, Verdict, VerdictKey};
use samenloop::list_key::ListName;
use samenloop::rules::{KindRules, ListRules, Part, Parts};
use serde_json::Value;
use shop::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const MAIN: &str = "main";

fn list(name: &str) -> ListName {
    ListName::find(name).unwrap()
}

/// Switches a placement on, made of these.
fn put(lists: &mut [ListRules; ListName::COUNT], name: &str, parts: &[(&str, u16)], length: usize, reserve: usize) {
    let rules = &mut lists[list(name).index()];
    let parts = Parts::of(parts.iter().map(|&(name, places)| Part { list: list(name), places }));
    (rules.enabled, rules.length, rules.reserve) = (true, length, reserve);
    rules.kind = KindRules::Placement { parts, price_max: None };
}

/// What is known of the items of a test: variants, prices.
#[derive(Default)]
struct Known {
    families: BTreeMap<String, String>,
    prices: BTreeMap<String, f64>,
}

impl Known {
    fn family<'a>(&'a self, item: &'a str) -> &'a str {
        self.families.get(item).map_or(item, String::as_str)
    }

    fn is_too_dear(&self, rules: &ListRules, about: &str, item: &str) -> bool {
        let Some(&price) = self.prices.get(item) else { return false };
        let KindRules::Placement { price_max, .. } = rules.kind else { unreachable!() };
        let share = rules.shown.price_at_most.zip(self.prices.get(about));
        price_max.is_some_and(|most| price > most) || share.is_some_and(|(share, own)| price > share * own)
    }
}

/// Item and list of each entry.
type Placed = Vec<(String, String)>;

/// What `parts` make together: what is shown, what is in reserve, and how much was left out for being there twice, or too dear.
fn naive(rules: &ListRules, about: &str, all: &[(Part, Vec<String>)], known: &Known) -> (Placed, Placed, usize) {
    let (mut shown, mut left, mut families) = (Placed::new(), Placed::new(), BTreeSet::new());
    let mut dropped = 0;
    let mut fits = |item: &str| {
        let fits = !known.is_too_dear(rules, about, item) && families.insert(known.family(item).to_owned());
        dropped += usize::from(!fits);
        fits
    };
    for (part, items) in all {
        let mut places = usize::from(part.places);
        for item in items {
            let entry = (item.clone(), part.list.name().to_owned());
            if places == 0 || shown.len() == rules.length {
                left.push(entry);
            } else if fits(item) {
                shown.push(entry);
                places -= 1;
            }
        }
    }
    let mut reserve = Placed::new();
    for entry in left {
        if reserve.len() < rules.reserve && fits(&entry.0) {
            reserve.push(entry);
        }
    }
    (shown, reserve, dropped)
}

fn entries(list: Option<&Value>, part: &str) -> Placed {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let all = list.map_or(vec![], |list| list[part].as_array().unwrap().clone());
    all.iter().map(|entry| (text(entry, "item"), text(entry, "list"))).collect()
}

/// Every placement is what its parts make together; says how many there are, and how much was left out of them.
fn check(
    all: &BTreeMap<String, Value>,
    lists: &[ListRules; ListName::COUNT],
    known: &Known,
    context: &str,
) -> [usize; 2] {
    let mut tried = [0, 0];
    let abouts: BTreeSet<(String, String)> = all
        .keys()
        .map(|key| {
            let mut parts = key.splitn(3, '/');
            (parts.next().unwrap().to_owned(), parts.nth(1).unwrap().to_owned())
        })
        .collect();
    for rules in lists.iter().filter(|rules| rules.enabled) {
        let KindRules::Placement { parts, .. } = rules.kind else { continue };
        for (shop, about) in &abouts {
            let of = |list: ListName| all.get(&format!("{shop}/{}/{about}", list.name()));
            let made: Vec<_> = parts.iter().map(|part| (part, of(part.list).map(names).unwrap_or_default())).collect();
            let (shown, reserve, dropped) = naive(rules, about, &made, known);
            let own = of(rules.list);
            let name = rules.list.name();
            assert_eq!(entries(own, "entries"), shown, "{context}: {name} of {about}");
            assert_eq!(entries(own, "reserve"), if shown.is_empty() { vec![] } else { reserve }, "{context}: {name}");
            tried[0] += usize::from(own.is_some());
            tried[1] += dropped;
            // Figures are those of the list that an entry is from.
            for entry in own.map_or(vec![], |own| own["entries"].as_array().unwrap().clone()) {
                let from = of(list(entry["list"].as_str().unwrap())).unwrap();
                let same = ["entries", "reserve"].map(|part| from[part].as_array().unwrap().clone()).concat();
                let mut plain = entry.clone();
                plain.as_object_mut().unwrap().remove("list");
                assert!(same.contains(&plain), "{context}: {entry} of {from}");
            }
        }
    }
    tried
}

/// Whatever a part gives, and the placement does not hold, is told why: by name, how often.
fn check_dropped(
    rig: &Rig,
    all: &BTreeMap<String, Value>,
    lists: &[ListRules; ListName::COUNT],
    known: &Known,
    told: &mut BTreeMap<String, usize>,
) {
    for (key, own) in all {
        let [_, name, about] = key.splitn(3, '/').collect::<Vec<_>>().try_into().unwrap();
        let rules = &lists[list(name).index()];
        if !rules.list.is_placement() {
            continue;
        }
        let held = [entries(Some(own), "entries"), entries(Some(own), "reserve")].concat();
        let row = explained(rig, key);
        let mut given = BTreeMap::<String, Vec<String>>::new();
        for candidate in row["candidates"].as_array().unwrap() {
            let text = |name: &str| candidate[name].as_str().unwrap().to_owned();
            let (item, from) = (text("item"), text("list"));
            given.entry(from.clone()).or_default().push(item.clone());
            let is_of_family = |(other, _): &(String, String)| known.family(other) == known.family(&item);
            let expected = if held.contains(&(item.clone(), from)) {
                None
            } else if held.iter().any(|(other, _)| *other == item) {
                Some("twice")
            } else if held.iter().any(is_of_family) {
                Some("family")
            } else if known.is_too_dear(rules, about, &item) {
                Some("price")
            } else {
                Some("rank")
            };
            assert_eq!(candidate["gate"].as_str(), expected, "{key}: {candidate}");
            *told.entry(expected.unwrap_or("held").to_owned()).or_default() += 1;
        }
        // All that its parts give is told.
        let KindRules::Placement { parts, .. } = rules.kind else { unreachable!() };
        for part in parts.iter() {
            let of_part = all.get(&key.replacen(name, part.list.name(), 1)).map(names).unwrap_or_default();
            let mut given = given.remove(part.list.name()).unwrap_or_default();
            given.sort();
            let mut of_part = of_part;
            of_part.sort();
            assert_eq!(given, of_part, "{key}: {}", part.list.name());
        }
    }
}

fn items_of(event: &Event) -> Vec<(String, String)> {
    let items = match &event.kind {
        Kind::View { item, .. } | Kind::Cart { item } => vec![item.clone()],
        Kind::Order { lines, .. } => lines.clone(),
        Kind::Erase => Vec::new(),
    };
    items.into_iter().map(|item| (event.shop.clone(), item)).collect()
}

fn shown_lists() -> [ListRules; ListName::COUNT] {
    let mut lists = ListRules::defaults();
    for rules in &mut lists {
        (rules.min_support, rules.min_llr_root, rules.length, rules.reserve) = (1, None, 4, 2);
    }
    for name in ["best-sellers", "trending"] {
        lists[list(name).index()].enabled = true;
    }
    put(&mut lists, "product-page", &[("bought-together", 2), ("viewed-together", 9)], 6, 3);
    put(&mut lists, "cart", &[("carted-together", 1), ("viewed-together", 1), ("also-bought", 3)], 4, 0);
    if let KindRules::Placement { price_max, .. } = &mut lists[list("cart").index()].kind {
        *price_max = Some(40.0);
    }
    put(&mut lists, "checkout", &[("bought-together", 3)], 3, 2);
    put(&mut lists, "home", &[("trending", 2), ("best-sellers", 4)], 5, 2);
    lists
}

#[test]
fn placements_are_what_their_parts_make_together_also_behind_restarts_and_when_facts_change() {
    let (mut tried, mut told) = ([0, 0], BTreeMap::new());
    for partitions in [1, 3] {
        for seed in shop::seeds(5) {
            let context = format!("{partitions} partitions, SAMENLOOP_SEED={seed}");
            let rules = default_rules();
            let events = shop::events(seed, 600, &shop::Shape::of(&naive_rules(&rules)));
            let facts = Arc::new(Facts::new(1 << 20));
            facts.complete();
            let shape =
                Shape { partitions, lists: shown_lists(), facts: Some(Arc::clone(&facts)), ..Shape::new(&rules) };
            let mut rig = Rig::open(&shape, std::slice::from_ref(&events));
            let (mut random, mut now_ms) = (Random::new(seed), 4_000_000_000_000);
            while rig.feed(0).unwrap() {
                if rig.fed[0].is_multiple_of(40) {
                    rig.pipeline.flush().unwrap();
                    now_ms += 700;
                    rig.clock(now_ms).unwrap();
                }
                if random.chance(1) {
                    rig.restart(random.below(4), u32::try_from(random.below(u64::from(partitions))).unwrap()).unwrap();
                }
            }
            let all = come_to_rest(&mut rig, now_ms, &context);
            let plain = check(&all, &shape.lists, &Known::default(), &context);
            check_dropped(&rig, &all, &shape.lists, &Known::default(), &mut told);

            // Variants and prices come to be known, and something runs out.
            let mut known = Known::default();
            for (shop, item) in events.iter().flat_map(items_of) {
                let number: usize =
                    item.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap_or(0);
                let price = (number % 4 != 3).then_some(10.0 + 7.0 * (number % 6) as f64);
                let parent = (number % 5 >= 3).then(|| format!("family {}", number % 2));
                known.prices.extend(price.map(|price| (item.clone(), price)));
                known.families.extend(parent.clone().map(|parent| (item.clone(), parent)));
                let said = Catalogue { price, parent: parent.as_deref(), ..Catalogue::default() };
                facts.set_catalogue(&shop, &item, Some(&said)).unwrap();
                if number % 7 == 2 {
                    facts.set_stock(&shop, &item, Some(Stock::Out)).unwrap();
                }
            }
            let changed_ms = now_ms + 100_000;
            rig.clock(changed_ms).unwrap();
            let all = come_to_rest(&mut rig, changed_ms, &context);
            let gated = check(&all, &shape.lists, &known, &context);
            check_dropped(&rig, &all, &shape.lists, &known, &mut told);
            assert!(gated[0] <= plain[0], "{context}: {gated:?} {plain:?}");
            tried = [tried[0] + plain[0], tried[1] + gated[1]];
        }
    }
    assert!(tried[0] > 300 && tried[1] > 100, "{tried:?}: hardly tried");
    let gates = ["held", "twice", "family", "price", "rank"];
    assert!(gates.iter().all(|gate| told.get(*gate).is_some_and(|&count| count > 10)), "{told:?}");
}

/// Two products that go together in orders and views, and others that each of them is viewed with.
fn pair(from: i64, count: i64) -> Vec<Event> {
    let mut events = Vec::new();
    for visit in from..from + count {
        let user = format!("u{visit}");
        let ts = 1_700_000_000_000 + visit * 600_000;
        let mut tell = |kind| events.push(Event { id: None, kind, shop: MAIN.into(), user: user.clone(), ts });
        tell(Kind::view("a"));
        tell(Kind::view(&format!("v{}", visit % 6)));
        tell(Kind::order(&format!("o{visit}"), vec!["a".into(), "b".into(), format!("w{}", visit % 3)]));
        tell(Kind::order(&format!("p{visit}"), vec![format!("x{}", visit % 3)]));
    }
    events
}

#[test]
fn a_placement_follows_its_parts_within_an_interval_and_goes_with_the_last() {
    let mut lists = shown_lists();
    lists[list("checkout").index()].shown.price_at_most = Some(0.5);
    let facts = Arc::new(Facts::new(1 << 20));
    facts.complete();
    let shape = Shape { lists, facts: Some(Arc::clone(&facts)), ..Shape::new(&default_rules()) };
    let mut rig = Rig::open(&shape, &[pair(0, 40)]);
    rig.feed_all(&mut Random::new(1)).unwrap();
    rig.settle().unwrap();
    let mut now_ms = 4_000_000_000_000;
    let mut pass = |rig: &mut Rig| {
        now_ms += 1_000;
        rig.clock(now_ms).unwrap();
        held(rig)
    };
    pass(&mut rig);
    let of = |held: &BTreeMap<String, Vec<String>>, list: &str| {
        held.get(&format!("{MAIN}/{list}/a")).cloned().unwrap_or_default()
    };
    let lists = pass(&mut rig);
    assert_eq!(of(&lists, "checkout")[0], "b", "{lists:?}");
    let said = |price| Catalogue { price: Some(price), currency: Some("EUR"), ..Catalogue::default() };
    facts.set_catalogue(MAIN, "a", Some(&said(10.0))).unwrap();
    for (item, price) in [("b", 6.0), ("w0", 5.0), ("w1", 4.0), ("w2", 9.0)] {
        facts.set_catalogue(MAIN, item, Some(&said(price))).unwrap();
    }
    let dear = pass(&mut rig);
    assert_eq!(of(&dear, "checkout").iter().collect::<BTreeSet<_>>(), BTreeSet::from([&"w0".into(), &"w1".into()]));
    assert!(of(&dear, "product-page").contains(&"b".into()), "it is dear at the checkout only");
    facts.set_catalogue(MAIN, "b", Some(&said(3.0))).unwrap();
    assert_eq!(of(&pass(&mut rig), "checkout")[0], "b", "what was too dear comes back at once");
    let (who, why, other) = (Box::from("an editor"), Box::from("not here"), Box::from(""));
    let ruling = Ruling::Reject;
    let reject = Verdict { list: None, other, fingerprint: 0, ruling, who, when_ms: 1, why, until_ms: None };
    let key = VerdictKey { list: Some(list("checkout")), anchor: Some("a"), other: "b" };
    facts.set_verdict(MAIN, key, Some(reject)).unwrap();
    let rejected = pass(&mut rig);
    assert!(!of(&rejected, "checkout").contains(&"b".into()), "{rejected:?}");
    assert!(of(&rejected, "product-page").contains(&"b".into()), "rejected at the checkout only");
    for item in ["b", "w0", "w1", "w2"] {
        facts.set_stock(MAIN, item, Some(Stock::Out)).unwrap();
    }
    let gone = pass(&mut rig);
    assert_eq!(of(&gone, "checkout"), Vec::<String>::new());
    let heard = rig.pipeline.sink().lists.clone();
    let buried = heard.iter().filter(|list| list.tombstone && list.key == "main/checkout/a");
    assert_eq!(buried.count(), 1, "a tombstone, once");
    assert!(!of(&gone, "product-page").is_empty(), "what is viewed with it is there");
}

/// Whoever has the list would fall back on it.
#[test]
fn what_a_verdict_takes_out_of_the_reserve_of_a_placement_or_of_the_shops_lists_is_told() {
    let mut lists = shown_lists();
    put(&mut lists, "mail", &[("viewed-together", 2)], 2, 2);
    let facts = Arc::new(Facts::new(1 << 20));
    facts.complete();
    let shape = Shape { lists, facts: Some(Arc::clone(&facts)), ..Shape::new(&default_rules()) };
    let mut rig = Rig::open(&shape, &[pair(0, 40)]);
    rig.feed_all(&mut Random::new(1)).unwrap();
    let mut now_ms = 4_000_000_000_000;
    come_to_rest(&mut rig, now_ms, "before");
    let reserve = |rig: &Rig, key: &str| -> Vec<String> {
        let sink = rig.pipeline.sink();
        let heard = sink.lists.iter().rev().find(|list| list.key == key).expect("it was published");
        let all = heard.record["reserve"].as_array().unwrap().iter();
        all.map(|entry| entry["item"].as_str().unwrap().to_owned()).collect()
    };
    for (name, anchor, key) in [("mail", Some("a"), "main/mail/a"), ("best-sellers", None, "main/best-sellers/*")] {
        let gone = reserve(&rig, key)[0].clone();
        let (who, why, other) = (Box::from("an editor"), Box::from("not here"), Box::from(""));
        let ruling = Ruling::Reject;
        let reject = Verdict { list: None, other, fingerprint: 0, ruling, who, when_ms: 1, why, until_ms: None };
        facts.set_verdict(MAIN, VerdictKey { list: Some(list(name)), anchor, other: &gone }, Some(reject)).unwrap();
        for _ in 0..3 {
            now_ms += 30_000;
            rig.clock(now_ms).unwrap();
        }
        assert!(!reserve(&rig, key).contains(&gone), "{key}: {gone}");
    }
}

#[test]
fn placements_that_are_switched_on_later_are_made_of_what_is_there() {
    let mut off = shown_lists();
    off.iter_mut().filter(|rules| rules.list.is_placement()).for_each(|rules| rules.enabled = false);
    let shape = Shape { lists: off, partitions: 3, ..Shape::new(&default_rules()) };
    let mut rig = Rig::open(&shape, &[pair(0, 40)]);
    rig.feed_all(&mut Random::new(1)).unwrap();
    let before = come_to_rest(&mut rig, 4_000_000_000_000, "off");
    let is_placement = |key: &String| ListName::placements().any(|list| key.contains(&format!("/{}/", list.name())));
    assert!(!before.keys().any(is_placement), "off by default");
    let shape = Shape { lists: shown_lists(), ..shape };
    let (log, files) = (rig.pipeline.log().clone(), rig.files.clone());
    log.expel(0);
    let mut rig = Rig::over(&shape, log, files).unwrap();
    rig.end().unwrap();
    for step in 1..4 {
        rig.rest().unwrap();
        rig.clock(4_000_001_000_000 + step * 20_000).unwrap();
    }
    let published: BTreeSet<String> = held(&mut rig).into_keys().collect();
    let after = rig.final_lists();
    let tried = check(&after, &shape.lists, &Known::default(), "on");
    assert!(tried[0] > 20, "{tried:?}");
    let (placements, plain): (BTreeMap<_, _>, BTreeMap<_, _>) =
        after.into_iter().partition(|(key, _)| is_placement(key));
    assert_eq!(plain, before, "the others stay as they are");
    assert_eq!(published, placements.into_keys().collect(), "nothing else is published again");
    assert!(published.contains("main/home/*"));
}
