//! The simulated shop: what it plants, and that a seed gives the same events again.

use super::catalogue::Shelf;
use super::clock::DAY_MS;
use super::curation::Curation;
use super::noise::Damage;
use super::settings::ShopSettings;
use super::shop::{Kind, Shop};
use super::stock::{StockChange, Stockroom};
use super::truth::{List, Truth, Wrong};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use xxhash_rust::xxh3::Xxh3;

const START_MS: i64 = 1_750_000_000_000;
const EVENTS: u64 = 300_000;

fn settings() -> ShopSettings {
    ShopSettings::of_events(START_MS, EVENTS)
}

/// XXH3 of the first `records`: key, value and arrival.
fn hash(seed: u64, settings: &ShopSettings, records: u64) -> u64 {
    let mut shop = Shop::new(seed, settings);
    let mut hasher = Xxh3::new();
    for _ in 0..records {
        let record = shop.next_record();
        hasher.update(record.key);
        hasher.update(b"\t");
        hasher.update(record.value.unwrap_or(b"null"));
        hasher.update(&record.arrival_ms.to_le_bytes());
    }
    hasher.digest()
}

#[test]
fn a_seed_means_the_same_bytes_for_ever() {
    // Changing these changes every figure that anyone has noted down from a demonstration.
    assert_eq!(hash(1, &settings(), 10_000), 6_451_061_427_142_430_445);
    assert_eq!(hash(1, &ShopSettings::views_only(START_MS), 10_000), 1_554_987_138_415_010_503);
    assert_ne!(hash(1, &settings(), 1_000), hash(2, &settings(), 1_000));
}

#[test]
fn every_record_is_whole_json_but_the_broken_ones() {
    let mut shop = Shop::new(3, &ShopSettings { broken_permille: 50, ..settings() });
    let (mut broken, mut arrived_ms) = (BTreeMap::<String, u32>::new(), START_MS);
    for _ in 0..50_000 {
        let record = shop.next_record();
        assert!(record.arrival_ms >= arrived_ms, "arrivals never go back");
        arrived_ms = record.arrival_ms;
        let json: Option<Value> = record.value.and_then(|value| serde_json::from_slice(value).ok());
        let Kind::Broken(damage) = record.kind else {
            let json = json.unwrap();
            let expected = match record.kind {
                Kind::View => "view",
                Kind::Cart => "cart",
                _ => "order",
            };
            assert_eq!(json["type"], expected);
            assert_eq!(json["user"].as_str().map(str::as_bytes), Some(record.key));
            assert!(json["event_id"].is_string() && json["ts"].as_i64().unwrap() <= record.arrival_ms);
            assert!(json["item"].is_string() || !json["lines"].as_array().unwrap().is_empty());
            continue;
        };
        *broken.entry(format!("{damage:?}")).or_default() += 1;
        match damage {
            Damage::NullValue => assert_eq!(record.value, None),
            Damage::Truncated | Damage::NotJson => assert!(json.is_none() && record.value.is_some()),
            Damage::NoUser => assert!(json.unwrap()["user"].is_null()),
            Damage::NullItem => assert!(json.unwrap()["item"].is_null()),
            Damage::Year1970 => assert!(json.unwrap()["ts"].as_i64().unwrap() < 10_000_000_000),
            Damage::EmptyOrder => assert_eq!(json.unwrap()["lines"].as_array().unwrap().len(), 0),
            Damage::UnknownType => assert_eq!(json.unwrap()["type"], "wishlist"),
        }
    }
    assert_eq!(broken.len(), Damage::ALL.len(), "{broken:?}");
}

/// Values by event id, as first sent, and how often each was sent.
fn values(seed: u64, settings: &ShopSettings, until_ms: i64) -> BTreeMap<String, (String, u32)> {
    let mut shop = Shop::new(seed, settings);
    let mut values = BTreeMap::<String, (String, u32)>::new();
    while shop.now_ms() < until_ms {
        let record = shop.next_record();
        if let (Some(value), Kind::View | Kind::Cart | Kind::Order) = (record.value, record.kind) {
            let value = std::str::from_utf8(value).unwrap();
            let id = value.split('"').nth(3).unwrap().to_owned();
            let known = values.entry(id).or_insert_with(|| (value.to_owned(), 0));
            assert_eq!(known.0, value, "a copy is the same bytes");
            known.1 += 1;
        }
    }
    values
}

#[test]
fn noise_adds_records_and_moves_them_but_changes_no_event() {
    const DAY_MS: i64 = 86_400_000;
    let noisy = ShopSettings { duplicates_permille: 300, late_permille: 100, ..settings() };
    let calm = values(5, &noisy.clone().calm(), START_MS + 5 * DAY_MS);
    let disturbed = values(5, &noisy, START_MS + 7 * DAY_MS); // late ones take up to 30 hours
    assert!(calm.len() > 10_000);
    for (id, (value, times)) in &calm {
        assert_eq!(*times, 1);
        assert_eq!(disturbed.get(id).map(|(value, _)| value), Some(value));
    }
    assert!(disturbed.values().filter(|(_, times)| *times > 1).count() > calm.len() / 4);
}

#[test]
fn each_kind_has_its_share() {
    let mut shop = Shop::new(2, &settings());
    let (mut bulk_lines, mut crawls, mut crawled_ms) = (BTreeMap::<usize, u32>::new(), 0, i64::MIN);
    for _ in 0..EVENTS {
        let record = shop.next_record();
        if record.key.starts_with(b"r") && record.kind == Kind::Order {
            let order: Value = serde_json::from_slice(record.value.unwrap()).unwrap();
            *bulk_lines.entry(order["lines"].as_array().unwrap().len()).or_default() += 1;
        }
        if record.key.starts_with(b"b") {
            crawls += u32::from(record.arrival_ms > crawled_ms + 3_600_000);
            crawled_ms = record.arrival_ms;
        }
    }
    let sent = shop.sent();
    let between = |what: &str, number: u64, low: u64, high: u64| {
        assert!((low..=high).contains(&number), "{what}: {number} is not within {low} and {high}; {sent:?}");
    };
    assert_eq!(sent.views + sent.carts + sent.orders + sent.duplicates + sent.broken, sent.records);
    let customers = sent.views + sent.carts + sent.orders - sent.crawler - sent.bulk;
    between("duplicates", sent.duplicates, customers * 8 / 1000, customers * 12 / 1000);
    between("late", sent.late, customers * 6 / 1000, customers * 10 / 1000);
    between("broken", sent.broken, customers * 2 / 1000, customers * 4 / 1000);
    between("orders", sent.orders, 10_000, 20_000);
    between("crawls", crawls.into(), 190, 210);
    assert_eq!(bulk_lines.keys().copied().collect::<Vec<_>>(), [200, 2000]);
    between("bulk orders", bulk_lines.values().sum::<u32>().into(), 38, 46);
    let (real_ms, said_ms) = (shop.now_ms() - START_MS, settings().span_ms(EVENTS));
    assert!((real_ms - said_ms).abs() < said_ms / 20, "{real_ms} is not about {said_ms}");
    assert!((real_ms / 86_400_000 - 84).abs() < 5, "{} days", real_ms / 86_400_000);
}

#[test]
fn plain_views_are_nothing_else() {
    let settings = ShopSettings::views_only(START_MS);
    assert_eq!(settings, ShopSettings::views_only(START_MS).calm(), "there is nothing to calm");
    let mut shop = Shop::new(1, &settings);
    let (mut users, mut items) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..200_000 {
        let record = shop.next_record();
        assert_eq!(record.kind, Kind::View);
        users.insert(record.key.to_vec());
        items.insert(record.value.unwrap().split(|&byte| byte == b'"').nth(17).unwrap().to_vec());
    }
    assert!(users.len() > 30_000, "{}", users.len());
    assert!((15_000..=20_000).contains(&items.len()), "{}", items.len());
    let (real_ms, said_ms) = (shop.now_ms() - START_MS, settings.span_ms(200_000));
    assert!((real_ms - said_ms).abs() < said_ms / 10, "{real_ms} is not about {said_ms}");
}

#[test]
fn the_catalogue_has_one_name_and_one_number_for_each_product() {
    for products in [800, 20_000] {
        let shop = Shop::new(1, &ShopSettings { products, ..settings() });
        let catalogue = shop.catalogue();
        let names: BTreeSet<&str> = catalogue.products().iter().map(|product| product.name.as_str()).collect();
        assert_eq!(names.len(), catalogue.products().len());
        assert_eq!(catalogue.best_sellers().len(), products);
        for (item, product) in (0..).zip(catalogue.products()) {
            assert_eq!(catalogue.find(&product.id), Some(item));
            assert_eq!(product.shelf == Shelf::Regular, (item as usize) < products);
        }
        assert_eq!((catalogue.find("999"), catalogue.find("x")), (None, None));
    }
}

#[test]
fn the_truth_is_consistent() {
    let shop = Shop::new(4, &settings());
    let (catalogue, truth) = (shop.catalogue(), Truth::of(shop.catalogue()));
    let mut complements = HashMap::<&str, u32>::new();
    for (anchor, other) in truth.planted() {
        *complements.entry(anchor).or_default() += 1;
        let [anchor, other] = [anchor, other].map(|id| catalogue.find(id).unwrap());
        assert_ne!(catalogue.product(anchor).family, catalogue.product(other).family);
        assert_eq!(truth.wrong(List::Bought, anchor, other), None, "nothing is both right and wrong");
    }
    assert!(complements.len() > 60 && complements.values().all(|n| (1..=3).contains(n)));
    let pairs: Vec<_> = truth.substitutes().collect();
    assert_eq!(pairs.len(), 3);
    for (one, other) in pairs {
        let [one, other] = [one, other].map(|id| catalogue.find(id).unwrap());
        let without_brand = |item: u32| catalogue.product(item).name.split_once(' ').unwrap().1.to_owned();
        assert_eq!(without_brand(one), without_brand(other), "the same thing of two brands");
        assert_eq!(truth.wrong(List::Bought, one, other), Some(Wrong::Substitute));
        assert_eq!(truth.wrong(List::Viewed, one, other), None, "alternatives are viewed together");
        assert!(catalogue.best_sellers()[..6].contains(&one));
    }
}

#[test]
fn the_judge_counts_what_it_is_shown() {
    let shop = Shop::new(1, &settings());
    let (catalogue, truth) = (shop.catalogue(), Truth::of(shop.catalogue()));
    let planted: Vec<_> = truth.planted().collect();
    let on = |shelf: Shelf| catalogue.products().iter().find(|product| product.shelf == shelf).unwrap().id.clone();
    let (one, other) = truth.substitutes().next().unwrap();
    let right = truth.judge(|list, item| {
        let mine = planted.iter().filter(|(anchor, _)| list == List::Bought && *anchor == item);
        mine.map(|(_, other)| (*other).to_owned()).collect()
    });
    assert_eq!((right.found_in_top, right.planted, right.wrong_in_all(), right.by_chance), (right.planted, 111, 0, 0));
    let wrong = truth.judge(|list, item| match list {
        List::Bought if item == one => {
            vec![other.to_owned(), on(Shelf::DeadStock), on(Shelf::Archive), on(Shelf::House(3))]
        }
        List::Viewed if item == one => vec![other.to_owned(), on(Shelf::DeadStock)],
        _ => Vec::new(),
    });
    assert_eq!((wrong.found_in_top, wrong.entries, wrong.bought_entries), (0, 6, 4));
    assert_eq!(Wrong::ALL.map(|kind| wrong.wrong_of(kind)), [1, 1, 2, 1], "substitute, bulk, crawler, one customer");
    let late = truth.judge(|list, item| {
        let mine = planted.iter().filter(|(anchor, _)| list == List::Bought && *anchor == item);
        let filling = catalogue.best_sellers()[..4].iter().map(|&item| catalogue.product(item).id.clone());
        filling.chain(mine.map(|(_, other)| (*other).to_owned())).collect()
    });
    assert_eq!(late.found_in_top, 0, "the fifth place is not in the top four");
}

/// All changes in the demonstration's time, and the most products that are out at once.
fn changes(seed: u64, step_ms: i64) -> (Vec<StockChange>, usize) {
    let shop = Shop::new(seed, &settings());
    let mut stock = Stockroom::new(seed, START_MS);
    let (mut all, mut out, mut most) = (Vec::new(), BTreeSet::new(), 0);
    for now_ms in (START_MS..=START_MS + 84 * DAY_MS).step_by(usize::try_from(step_ms).unwrap()) {
        while let Some(change) = stock.next_change(now_ms, shop.catalogue()) {
            let is_news = if change.is_out { out.insert(change.item) } else { out.remove(&change.item) };
            assert!(is_news, "{change:?} was so before");
            most = most.max(out.len());
            all.push(change);
        }
    }
    while let Some(change) = stock.deliver() {
        assert!(!change.is_out && out.remove(&change.item), "{change:?}");
    }
    assert!(out.is_empty(), "all of it is there at the end: {out:?}");
    (all, most)
}

#[test]
fn a_few_products_at_a_time_run_out_and_come_back() {
    let (hourly, most) = changes(1, 3_600_000);
    let outs = hourly.iter().filter(|change| change.is_out).count();
    assert!(outs > 100 && hourly.len() - outs > 80 && most <= 40, "{outs} of {}, {most} at once", hourly.len());
    assert_eq!(changes(1, 14 * DAY_MS).0, hourly, "however often one looks");
    assert_ne!(changes(2, DAY_MS).0, hourly);
}

#[test]
fn what_the_shop_says_of_pairs_takes_nothing_from_what_lists_are_judged_by() {
    let shop = Shop::new(1, &settings());
    let truth = Truth::of(shop.catalogue());
    let planted: BTreeSet<[&str; 2]> = truth.planted().map(|(one, other)| [one, other]).collect();
    let substitutes: BTreeSet<&str> = truth.substitutes().flat_map(|(one, other)| [one, other]).collect();
    let Curation { rejected, pinned, by_hand } = Curation::of(shop.catalogue());
    assert_eq!((rejected.len(), pinned.len(), by_hand.len()), (6, 3, 5));
    let is_planted = |[one, other]: &[String; 2]| planted.contains(&[one.as_str(), other.as_str()]);
    assert!(pinned.iter().all(is_planted));
    assert!(!by_hand.iter().any(is_planted) && !rejected.iter().any(is_planted));
    assert!(rejected.iter().flatten().all(|item| !substitutes.contains(item.as_str())), "these counting keeps apart");
}

#[test]
fn vouchers_put_together_what_nobody_needs_together_within_a_week() {
    let mut shop = Shop::new(1, &settings());
    assert_eq!(shop.nonsense(), [[""; 2]; 0], "none is over");
    let mut orders: BTreeMap<[String; 2], Vec<i64>> = BTreeMap::new();
    let mut users = BTreeSet::new();
    for _ in 0..EVENTS {
        let record = shop.next_record();
        if record.key.starts_with(b"s") {
            assert!(users.insert(record.key.to_vec()), "each comes once");
            let order: Value = serde_json::from_slice(record.value.unwrap()).unwrap();
            let line = |at: usize| order["lines"][at]["item"].as_str().unwrap().to_owned();
            assert_eq!(order["lines"].as_array().unwrap().len(), 2);
            orders.entry([line(0), line(1)]).or_default().push(record.arrival_ms);
        }
    }
    let nonsense: BTreeSet<[String; 2]> = shop.nonsense().into_iter().collect();
    assert_eq!((nonsense.len(), users.len()), (6, 30));
    assert_eq!(orders.keys().cloned().collect::<BTreeSet<_>>(), nonsense);
    assert!(orders.values().all(|times| times.len() == 5 && times[4] - times[0] < 3 * DAY_MS));
    let catalogue = shop.catalogue();
    for [one, other] in &nonsense {
        let [one, other] = [one, other].map(|id| catalogue.find(id).unwrap());
        assert!(!catalogue.same_job(one, other) && catalogue.product(one).family != catalogue.product(other).family);
    }
    let mut calm = Shop::new(1, &settings().calm());
    (0..EVENTS).for_each(|_| assert!(!calm.next_record().key.starts_with(b"s")));
    assert_eq!(calm.nonsense(), [[""; 2]; 0]);
}
