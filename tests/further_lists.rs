//! Lists that are more than the counts of one relation, against a naive making of them from counts: alternatives, complements, upsell;
//! best sellers, rising and new items of a shop and of its categories.

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
use recount::{Event, Kind, Recount, Row, Rules};
use rig::{Rig, Shape, default_rules, naive_rules};
use samenloop::facts::{Catalogue, Facts, Stock};
use samenloop::items::{fingerprint, spread};
use samenloop::list_key::ListName;
use samenloop::rank::{llr_root, wilson_lower};
use samenloop::rules::{DAY_MS, FillStep, KindRules, ListRules, ShopOrder};
use serde_json::Value;
use shop::Random;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SHORT_MS: i64 = 3 * DAY_MS;
const MAIN: &str = "main";

/// Counts by (shop, relation, first, second), and their support.
struct Counts(BTreeMap<(String, String, String, String), (f64, i64)>);

impl Counts {
    fn of(rows: &[Row]) -> Self {
        let key = |row: &Row| (row.shop.clone(), row.relation.clone(), row.x.clone(), row.y.clone());
        Self(rows.iter().filter(|row| row.kind != "tally").map(|row| (key(row), (row.weight, row.support))).collect())
    }

    fn get(&self, shop: &str, relation: &str, x: &str, y: &str) -> (f64, i64) {
        let key = [shop, relation, x, y].map(str::to_owned);
        let [shop, relation, x, y] = key;
        self.0.get(&(shop, relation, x, y)).copied().unwrap_or_default()
    }

    fn total(&self, shop: &str, relation: &str, item: &str, role: &str) -> (f64, i64) {
        let role = if ["viewed_together", "carted_together"].contains(&relation) { "both" } else { role };
        self.get(shop, relation, item, role)
    }

    fn contexts(&self, shop: &str, relation: &str) -> f64 {
        self.get(shop, relation, "*", "*").0
    }

    /// k, a, b, N.
    fn figures(&self, shop: &str, relation: &str, x: &str, y: &str) -> [f64; 4] {
        let (a, b) = (self.total(shop, relation, x, "anchor").0, self.total(shop, relation, y, "other").0);
        [self.get(shop, relation, x, y).0.min(a).min(b), a, b, self.contexts(shop, relation)]
    }

    /// Items that were counted in a relation, by shop.
    fn items(&self, relation: &str) -> BTreeSet<(String, String)> {
        let roles = ["other", "both"];
        let of = self.0.keys().filter(|(_, of, _, role)| of == relation && roles.contains(&role.as_str()));
        of.map(|(shop, _, item, _)| (shop.clone(), item.clone())).collect()
    }
}

/// As the design orders: value in thousandths, root, name.
fn ranked(all: Vec<(i64, f64, String)>, rules: &ListRules) -> Vec<String> {
    valued(all, rules).into_iter().map(|(name, _)| name).collect()
}

/// The same, each with its value.
fn valued(mut all: Vec<(i64, f64, String)>, rules: &ListRules) -> Vec<(String, i64)> {
    all.sort_by(|x, y| Reverse(x.0).cmp(&Reverse(y.0)).then_with(|| y.1.total_cmp(&x.1)).then_with(|| x.2.cmp(&y.2)));
    all.into_iter().take(rules.length + rules.reserve).map(|(value, _, name)| (name, value)).collect()
}

#[allow(clippy::cast_possible_truncation)] // a list's values are small
fn milli(value: f64) -> i64 {
    (value * 1000.0 + 0.5).floor() as i64
}

/// A list about an item, made from counts.
fn naive_of_item(
    counts: &Counts,
    rules: &ListRules,
    shop: &str,
    x: &str,
    price: &dyn Fn(&str) -> Option<f64>,
) -> Vec<String> {
    naive_valued(counts, rules, shop, x, price).into_iter().map(|(name, _)| name).collect()
}

/// The same, each with its value.
fn naive_valued(
    counts: &Counts,
    rules: &ListRules,
    shop: &str,
    x: &str,
    price: &dyn Fn(&str) -> Option<f64>,
) -> Vec<(String, i64)> {
    let (own, beside) = match rules.kind {
        KindRules::Pairs => (rules.relation.name(), ""),
        KindRules::Complements { .. } => ("bought_together", "viewed_together"),
        _ => ("viewed_together", "bought_together"),
    };
    let mut all = Vec::new();
    for (of, y) in counts.items(own) {
        let support = counts.get(shop, own, x, &y).1;
        let [k, a, b, n] = counts.figures(shop, own, x, &y);
        if of != shop || k <= 0.0 || support < i64::from(rules.min_support) || (rules.lift_above_one && k * n <= a * b)
        {
            continue;
        }
        let root = llr_root(k, a, b, n);
        if rules.min_llr_root.is_some_and(|smallest| root < smallest) {
            continue;
        }
        let [beside_k, beside_a, beside_b, beside_n] = counts.figures(shop, beside, x, &y);
        let is_in = match rules.kind {
            KindRules::Alternatives { min_orders, needs_price } => {
                let enough = beside_a.min(beside_b) >= f64::from(min_orders);
                let fits = !needs_price
                    || matches!((price(x), price(&y)), (Some(own), Some(other)) if other >= 1.05 * own && other <= 1.6 * own);
                enough && beside_k * beside_n <= beside_a * beside_b && fits
            }
            KindRules::Complements { viewed_more } => wilson_lower(beside_k, beside_a) <= viewed_more * k / a,
            KindRules::Pairs => true,
            KindRules::ShopWide { .. } | KindRules::Placement { .. } => unreachable!(),
        };
        if is_in {
            all.push((milli(100.0 * wilson_lower(k, a) * (n / b).powf(rules.specificity)), root, y));
        }
    }
    valued(all, rules)
}

/// The same rules for a list of all that there is.
fn without_end(rules: &ListRules) -> ListRules {
    ListRules { length: 10_000, reserve: 0, ..rules.clone() }
}

/// What stands in the lists of the entries that the list of `x` shows, of those that its partition owns.
fn naive_second(counts: &Counts, rules: &ListRules, shop: &str, x: &str, partitions: u32) -> Vec<String> {
    let shown = |x: &str| {
        let all = naive_valued(counts, &without_end(rules), shop, x, &|_| None);
        let values: BTreeMap<String, i64> = all.iter().cloned().collect();
        let shown = naive_spread(all.into_iter().map(|(item, _)| (item, String::new())).collect(), rules).0;
        shown.into_iter().map(|(item, _)| (item.clone(), values[&item])).collect::<Vec<_>>()
    };
    let owner = |item: &str| spread(fingerprint(shop, item), partitions);
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    for (y, value) in shown(x).into_iter().filter(|(y, _)| owner(y) == owner(x)) {
        for (candidate, own) in shown(&y) {
            *sums.entry(candidate).or_default() += i128::from(value) * i128::from(own);
        }
    }
    let mut all: Vec<(String, i128)> = sums.into_iter().collect();
    all.sort_by(|x, y| y.1.cmp(&x.1).then_with(|| x.0.cmp(&y.0)));
    all.into_iter().map(|(name, _)| name).collect()
}

/// Which items are in a category.
type IsIn<'a> = &'a dyn Fn(&str) -> bool;

/// A list about a shop, made from counts, and of a rising one from counts with a shorter half-life.
fn naive_of_shop(
    counts: &Counts,
    recent: &Counts,
    rules: &ListRules,
    shop: &str,
    is_in: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let KindRules::ShopWide { order, .. } = rules.kind else { unreachable!() };
    let relation = rules.relation.name();
    let n = counts.contexts(shop, relation);
    let mut all = Vec::new();
    for (of, item) in counts.items(relation) {
        let (b, support) = counts.total(shop, relation, &item, "other");
        if of != shop || support < i64::from(rules.min_support) || !is_in(&item) {
            continue;
        }
        match order {
            ShopOrder::Most => all.push((milli(b), 0.0, item)),
            ShopOrder::Rising { .. } => {
                let (k, a) = (recent.total(shop, relation, &item, "other").0, recent.contexts(shop, relation));
                let k = k.min(a).min(b);
                if k * n > a * b {
                    let value = milli(100.0 * wilson_lower(k, a) * (n / b).powf(rules.specificity));
                    all.push((value, llr_root(k, a, b, n), item));
                }
            }
            ShopOrder::Newest { .. } => unreachable!(),
        }
    }
    ranked(all, rules)
}

/// All six lists on, with gates that a tiny shop passes.
fn loose() -> [ListRules; ListName::COUNT] {
    let mut lists = ListRules::defaults();
    for rules in &mut lists[5..11] {
        rules.enabled = rules.list != ListName::NEW;
        (rules.min_support, rules.min_llr_root, rules.length, rules.reserve) = (1, None, 4, 2);
        match &mut rules.kind {
            KindRules::Alternatives { min_orders, .. } => *min_orders = 2,
            KindRules::Complements { viewed_more } => *viewed_more = 0.3,
            KindRules::ShopWide { order: ShopOrder::Rising { recent_half_life_ms }, .. } => {
                *recent_half_life_ms = SHORT_MS
            }
            _ => {}
        }
    }
    lists
}

fn recounted(events: &[Event], rules: &Rules) -> (Vec<Row>, i64) {
    let mut recount = Recount::new(rules.clone());
    events.iter().for_each(|event| recount.event(event));
    (recount.rows(recount.latest()), recount.latest())
}

fn prices(item: &str) -> Option<f64> {
    let number: u32 = item.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().ok()?;
    (number % 5 != 4).then(|| f64::from(10 + 3 * (number % 7)))
}

/// Everything that the counts give, and nothing else.
#[test]
fn lists_of_items_and_shops_are_what_a_naive_making_gives_also_behind_restarts() {
    let (mut of_items, mut of_shops, mut excluded) = (0, 0, 0);
    for partitions in [1, 3] {
        for seed in shop::seeds(6) {
            let context = format!("{partitions} partitions, SAMENLOOP_SEED={seed}");
            let rules = default_rules();
            let events = shop::events(seed, 700, &shop::Shape::of(&naive_rules(&rules)));
            let facts = Arc::new(Facts::new(1 << 20));
            for (shop, item) in events.iter().flat_map(items_of) {
                let said = Catalogue { price: prices(&item), currency: Some("EUR"), ..Catalogue::default() };
                facts.set_catalogue(&shop, &item, Some(&said)).unwrap();
            }
            facts.complete();
            let shape = Shape { partitions, lists: loose(), facts: Some(facts), ..Shape::new(&rules) };
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

            let as_of = recounted(&events, &naive_rules(&rules)).1;
            let counts = Counts::of(&rig.rows(as_of));
            let short = Rules { half_life_bought_together: SHORT_MS, ..naive_rules(&rules) };
            let recent = Counts::of(&recounted(&events, &short).0);
            for rules in &shape.lists[5..8] {
                let items = counts.items("viewed_together").into_iter().chain(counts.items("bought_together"));
                for (shop, x) in items.collect::<BTreeSet<_>>() {
                    let want = naive_of_item(&counts, rules, &shop, &x, &|item| prices(item));
                    let key = format!("{shop}/{}/{x}", rules.list.name());
                    let got = all.get(&key).map(names).unwrap_or_default();
                    assert_eq!(got, want, "{context}: {key}");
                    of_items += usize::from(!want.is_empty());
                    let any = ListRules { kind: KindRules::Complements { viewed_more: 1e9 }, ..rules.clone() };
                    let is_of_orders = matches!(rules.kind, KindRules::Complements { .. });
                    excluded += usize::from(is_of_orders && naive_of_item(&counts, &any, &shop, &x, &prices) != want);
                }
            }
            for rules in shape.lists[8..11].iter().filter(|rules| rules.enabled) {
                if partitions > 1 && rules.list == ListName::TRENDING {
                    continue; // what others tell is dated when they tell it
                }
                for shop in counts.items("bought_together").into_iter().map(|(shop, _)| shop).collect::<BTreeSet<_>>() {
                    let want = naive_of_shop(&counts, &recent, rules, &shop, &|_| true);
                    let key = format!("{shop}/{}/*", rules.list.name());
                    assert_eq!(all.get(&key).map(names).unwrap_or_default(), want, "{context}: {key}");
                    of_shops += usize::from(!want.is_empty());
                }
            }
        }
    }
    assert!(of_items > 50 && of_shops > 10 && excluded > 5, "{of_items} {of_shops} {excluded}: hardly tried");
}

fn items_of(event: &Event) -> Vec<(String, String)> {
    let items = match &event.kind {
        Kind::View { item, .. } | Kind::Cart { item } => vec![item.clone()],
        Kind::Order { lines, .. } => lines.clone(),
        Kind::Erase => Vec::new(),
    };
    items.into_iter().map(|item| (event.shop.clone(), item)).collect()
}

/// A shop of kinds of machines, four models of each, each model with a filling of its own. Who looks for a machine looks at three models of
/// a kind and buys one, with its filling. Of the last kind some customers buy several models at once.
fn office(seed: u64, visits: usize) -> Vec<Event> {
    let mut random = Random::new(seed);
    let (mut ts, mut events) = (1_700_000_000_000, Vec::new());
    for visit in 0..visits {
        ts += 600_000;
        let user = format!("u{visit}");
        let mut tell = |kind, after: i64| {
            events.push(Event { id: None, kind, shop: MAIN.into(), user: user.clone(), ts: ts + after })
        };
        let (kind, first) = (random.below(5), random.below(4));
        let models = [0, 1, 2].map(|step| format!("machine {kind}{}", (first + step) % 4));
        for (model, step) in models.iter().zip(0..) {
            tell(Kind::view(model), step);
        }
        let filling = models[2].replace("machine", "filling");
        if random.chance(60) {
            tell(Kind::view(&filling), 10);
        }
        if random.chance(50) {
            let mut lines = vec![models[2].clone()];
            if random.chance(70) {
                lines.push(filling);
            }
            if kind == 4 && random.chance(6) {
                lines.extend(models[..2].iter().cloned());
            }
            tell(Kind::order(&format!("o{visit}"), lines), 20);
        }
        if random.chance(30) {
            let noise = [0, 1].map(|_| format!("chair {}", random.below(30)));
            noise.iter().for_each(|chair| tell(Kind::view(chair), 30));
            tell(Kind::order(&format!("n{visit}"), vec![noise[0].clone()]), 40);
        }
    }
    events
}

#[test]
fn planted_alternatives_are_found_apart_from_complements_by_default_rules() {
    let mut lists = ListRules::defaults();
    lists.iter_mut().for_each(|rules| rules.enabled = true);
    let facts = Arc::new(Facts::new(1 << 20));
    let amount = |kind: usize, model: usize| Some([100.0, 110.0, 150.0, 170.0][model] * (1.0 + kind as f64));
    for (kind, model) in (0..5).flat_map(|kind| (0..4).map(move |model| (kind, model))) {
        // One model is paid in another currency.
        let currency = Some(if (kind, model) == (3, 1) { "USD" } else { "EUR" });
        let category = vec!["Machines"];
        let said = Catalogue { price: amount(kind, model), currency, category, ..Catalogue::default() };
        facts.set_catalogue(MAIN, &format!("machine {kind}{model}"), Some(&said)).unwrap();
        let category = vec!["Fillings"];
        let said = Catalogue { category, ..Catalogue::default() };
        facts.set_catalogue(MAIN, &format!("filling {kind}{model}"), Some(&said)).unwrap();
    }
    facts.complete();
    let shape = Shape { lists, facts: Some(facts), ..Shape::new(&default_rules()) };
    let mut rig = Rig::open(&shape, &[office(1, 6_000)]);
    rig.feed_all(&mut Random::new(1)).unwrap();
    rig.rest().unwrap();
    let all = rig.final_lists();
    let of = |list: &str, item: &str| all.get(&format!("{MAIN}/{list}/{item}")).map(names).unwrap_or_default();
    let mut mixed = 0;
    for (kind, model) in (0..5).flat_map(|kind| (0..4).map(move |model| (kind, model))) {
        let own = format!("machine {kind}{model}");
        let models: BTreeSet<_> =
            (0..4).filter(|&other| other != model).map(|other| format!("machine {kind}{other}")).collect();
        let alternatives = of("alternatives", &own);
        let want = if kind == 4 { BTreeSet::new() } else { models };
        assert_eq!(
            BTreeSet::from_iter(alternatives.clone()),
            want,
            "{own}: what some buy together is no second choice"
        );
        let filling = own.replace("machine", "filling");
        assert_eq!(of("complements", &own), [filling.as_str()], "{own}");
        assert_eq!(of("complements", &filling), [own.as_str()]);
        assert!(!alternatives.contains(&filling) && !of("alternatives", &filling).contains(&own));
        mixed += usize::from(of("bought-together", &own).len() > 1);
        let dearer = |other: &usize| {
            let share = amount(kind, *other).unwrap() / amount(kind, model).unwrap();
            (1.05..=1.6).contains(&share) && kind != 4 && (kind != 3 || (*other != 1 && model != 1))
        };
        let want: BTreeSet<_> = (0..4).filter(dearer).map(|other| format!("machine {kind}{other}")).collect();
        assert_eq!(of("upsell", &own).into_iter().collect::<BTreeSet<_>>(), want, "{own}");
    }
    assert_eq!(mixed, 4, "orders of several models make them go together, but for what is viewed");
}

/// Views and orders of items in categories, over weeks; one rises in the last days.
fn weeks(days: i64) -> Vec<Event> {
    let (mut random, mut events) = (Random::new(9), Vec::new());
    for day in 0..days {
        for hour in 0..24 {
            let ts = 1_700_000_000_000 + day * DAY_MS + hour * 3_600_000;
            let mut item = format!("i{:02}", random.skewed(40));
            if day >= days - 3 && random.chance(20) {
                "i39".clone_into(&mut item);
            }
            let user = format!("u{}", events.len());
            let mut tell = |kind| events.push(Event { id: None, kind, shop: MAIN.into(), user: user.clone(), ts });
            tell(Kind::view(&item));
            tell(Kind::order(&format!("o{day}-{hour}"), vec![item.clone()]));
            if day == 0 {
                (0..40).for_each(|number| tell(Kind::view(&format!("i{number:02}"))));
            }
            if day == days - 2 && hour < 5 {
                tell(Kind::view("late"));
            }
        }
    }
    events
}

#[test]
fn shop_wide_lists_go_by_what_the_catalogue_says_and_follow_it() {
    let mut lists = ListRules::defaults();
    for rules in &mut lists[8..11] {
        rules.enabled = true;
        if let KindRules::ShopWide { categories, .. } = &mut rules.kind {
            *categories = true;
        }
    }
    // A list about a category is of one.
    lists[ListName::BEST_SELLERS.index()].category_max = Some(4);
    for partitions in [1, 3] {
        let facts = Arc::new(Facts::new(1 << 20));
        let even = |item: &str| item[1..].parse::<u32>().is_ok_and(|number| number % 2 == 0);
        let end_ms = 1_700_000_000_000 + 40 * DAY_MS;
        for number in 0..40 {
            let item = format!("i{number:02}");
            let category = if even(&item) { vec!["Office", "Ink/toner"] } else { vec!["Office", "Paper"] };
            let launched_ms = (number < 2).then_some(end_ms - 20 * DAY_MS + i64::from(number) * DAY_MS);
            facts
                .set_catalogue(MAIN, &item, Some(&Catalogue { category, launched_ms, ..Catalogue::default() }))
                .unwrap();
        }
        facts.set_stock(MAIN, "i03", Some(Stock::Out)).unwrap();
        facts.complete();
        let shape = Shape { partitions, lists: lists.clone(), facts: Some(facts), ..Shape::new(&default_rules()) };
        let events = weeks(40);
        let mut rig = Rig::open(&shape, std::slice::from_ref(&events));
        rig.feed_all(&mut Random::new(1)).unwrap();
        rig.rest().unwrap();
        let all = rig.final_lists();
        let (rows, as_of) = recounted(&events, &naive_rules(&default_rules()));
        assert!(as_of < end_ms);
        let (counts, rules) = (Counts::of(&rows), &shape.lists[ListName::BEST_SELLERS.index()]);
        let cases: [(&str, IsIn<'_>); 4] = [
            ("*", &|_| true),
            ("category:Office", &|_| true),
            ("category:Office/Ink%2Ftoner", &|item| even(item)),
            ("category:Office/Paper", &|item| !even(item)),
        ];
        for (about, is_in) in cases {
            let is_shown = |item: &str| is_in(item) && item != "i03";
            let mut want = naive_of_shop(&counts, &counts, &without_end(rules), MAIN, &is_shown);
            let mut behind = Vec::new();
            if about == "*" {
                let mut held = [0, 0];
                let (shown, others) = want.into_iter().partition(|item| {
                    held[usize::from(even(item))] += 1;
                    held[usize::from(even(item))] <= 4
                });
                (want, behind) = (shown, others);
                assert_eq!(want.len(), 8);
            }
            behind.splice(..0, want.split_off(want.len().min(rules.length)));
            behind.truncate(rules.reserve);
            want.extend(behind);
            let list = &all[&format!("{MAIN}/best-sellers/{about}")];
            assert_eq!((names(list), list["item"].as_str()), (want, Some(about)));
            let entry = &list["entries"][0];
            let number = |name: &str| entry[name].as_f64().unwrap();
            assert_eq!((number("weight"), number("anchor_weight")), (number("other_weight"), number("contexts")));
            let score = 100.0 * wilson_lower(number("weight"), number("anchor_weight"));
            assert!((number("score") - score).abs() < 0.001, "{about}: {score}");
            assert!((number("lift") - 1.0).abs() < 1e-5);
        }
        let rising = &all[&format!("{MAIN}/trending/*")];
        assert_eq!(names(rising)[0], "i39");
        assert!(rising["entries"][0]["lift"].as_f64().unwrap() > 1.5, "{rising}");
        assert!(rising["entries"].as_array().unwrap().len() < 10, "what is as usual is not rising: {rising}");
        assert_eq!(names(&all[&format!("{MAIN}/new/*")]), ["late", "i01", "i00"], "met two days ago, and launched");
        let by_category: BTreeSet<_> = all.keys().filter(|key| key.contains("/category:")).collect();
        assert!(by_category.len() >= 7, "{by_category:?}");
    }
}

/// An item's way of categories, and its maker.
fn placed(item: &str) -> (Vec<&'static str>, Option<&'static str>) {
    let number: usize = item.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap_or(0);
    let ways = [vec!["A", "B"], vec!["A", "C"], vec!["D"], vec![]];
    (ways[number % 4].clone(), [Some("X"), Some("Y"), None][number % 3])
}

/// Items, each with where it is from.
type Sourced = Vec<(String, String)>;

/// What of a list is shown where its categories and makers may take so many places; then the others.
fn naive_spread(all: Sourced, rules: &ListRules) -> (Sourced, Sourced) {
    let (mut shown, mut behind): (Vec<(String, String)>, Vec<_>) = (Vec::new(), Vec::new());
    for (item, source) in all {
        let (way, brand) = placed(&item);
        let of_way = shown.iter().filter(|(held, _)| !way.is_empty() && placed(held).0 == way).count();
        let of_brand = shown.iter().filter(|(held, _)| brand.is_some() && placed(held).1 == brand).count();
        let fits =
            rules.category_max.is_none_or(|max| of_way < max) && rules.brand_max.is_none_or(|max| of_brand < max);
        if fits && shown.len() < rules.length { shown.push((item, source)) } else { behind.push((item, source)) }
    }
    behind.truncate(rules.reserve);
    (shown, behind)
}

/// What is counted, and ranks before something that is shown, says whose places are all taken; nothing else does. Returns how many do.
fn check_displaced(row: &Value, ranked: &Sourced, shown: &Sourced, rules: &ListRules, context: &str) -> usize {
    let at = |item: &str| ranked.iter().position(|(known, _)| known == item);
    let last = shown.iter().filter_map(|(item, _)| at(item)).max().unwrap_or(0);
    let mut displaced = 0;
    for candidate in row["candidates"].as_array().unwrap() {
        let item = candidate["item"].as_str().unwrap();
        let is_passed_over = at(item).is_some_and(|at| at < last && ranked[at].1 == "counted");
        let expected = (is_passed_over && shown.iter().all(|(known, _)| known != item)).then(|| {
            let of_way = shown.iter().filter(|(known, _)| placed(known).0 == placed(item).0).count();
            let is_full = rules.category_max.is_some_and(|max| of_way >= max) && !placed(item).0.is_empty();
            if is_full { "category-places" } else { "brand-places" }
        });
        let reasons = [&candidate["displaced"], &candidate["gate"]].map(|gate| gate.as_str());
        let told = reasons.into_iter().flatten().find(|gate| gate.ends_with("-places"));
        assert_eq!(told, expected, "{context}: {candidate}");
        displaced += usize::from(expected.is_some());
    }
    displaced
}

#[test]
fn lists_are_filled_behind_what_is_counted_and_no_category_or_maker_takes_too_many_places() {
    let mut lists = ListRules::defaults();
    lists.iter_mut().for_each(|rules| rules.enabled = false);
    for (number, places, bounds) in
        [(0, (6, 4), (None, None)), (4, (6, 4), (Some(2), Some(3))), (2, (3, 1), (Some(1), Some(2)))]
    {
        let rules = &mut lists[number];
        (rules.enabled, rules.min_support) = (true, if places.0 < 6 { 1 } else { 3 });
        (rules.length, rules.reserve) = places;
        rules.fill = match number {
            0 => vec![FillStep::Thin, FillStep::Second, FillStep::Category, FillStep::Shop],
            _ => vec![FillStep::Second, FillStep::Category, FillStep::Thin, FillStep::Shop],
        };
        (rules.category_max, rules.brand_max) = bounds;
    }
    lists[ListName::BEST_SELLERS.index()].min_support = 1;
    let mut by_source: BTreeMap<String, usize> = BTreeMap::new();
    let (mut displaced, mut from_behind, mut told) = (0, 0, 0);
    for partitions in [1, 3] {
        for seed in shop::seeds(4) {
            let context = format!("{partitions} partitions, SAMENLOOP_SEED={seed}");
            let rules = default_rules();
            let events = shop::events(seed, 500, &shop::Shape::of(&naive_rules(&rules)));
            let facts = Arc::new(Facts::new(1 << 20));
            for (shop, item) in events.iter().flat_map(items_of) {
                let (category, brand) = placed(&item);
                let said = Catalogue { category, brand, ..Catalogue::default() };
                facts.set_catalogue(&shop, &item, Some(&said)).unwrap();
            }
            facts.complete();
            let shape = Shape { partitions, lists: lists.clone(), facts: Some(facts), ..Shape::new(&rules) };
            let mut rig = Rig::open(&shape, std::slice::from_ref(&events));
            let now_ms = 4_000_000_000_000;
            while rig.feed(0).unwrap() {}
            let all = come_to_rest(&mut rig, now_ms, &context);
            let counts = Counts::of(&rig.rows(recounted(&events, &naive_rules(&rules)).1));
            let best = ListRules { length: 60, reserve: 0, ..shape.lists[ListName::BEST_SELLERS.index()].clone() };
            for rules in shape.lists.iter().filter(|rules| rules.enabled) {
                for (shop, x) in counts.items(rules.relation.name()) {
                    let counted = naive_of_item(&counts, &without_end(rules), &shop, &x, &|_| None);
                    let thin = ListRules { min_support: 2, length: 20, reserve: 0, ..rules.clone() };
                    let thin = naive_of_item(&counts, &thin, &shop, &x, &|_| None);
                    let mut way = placed(&x).0;
                    let mut of_category = Vec::new();
                    while !way.is_empty() {
                        let is_in = |item: &str| placed(item).0.starts_with(&way);
                        of_category.extend(naive_of_shop(&counts, &counts, &best, &shop, &is_in));
                        way.pop();
                    }
                    let mut steps = vec![("counted", counted)];
                    steps.extend(rules.fill.iter().map(|step| match step {
                        FillStep::Thin => ("thin", thin.clone()),
                        FillStep::Second => ("second", naive_second(&counts, rules, &shop, &x, partitions)),
                        FillStep::Category => ("category", of_category.clone()),
                        FillStep::Shop => ("shop", naive_of_shop(&counts, &counts, &best, &shop, &|_| true)),
                    }));
                    let mut want: Vec<(String, String)> = Vec::new();
                    for (source, item) in
                        steps.into_iter().flat_map(|(source, items)| items.into_iter().map(move |item| (source, item)))
                    {
                        if item != x && want.iter().all(|(known, _)| *known != item) {
                            want.push((item, source.to_owned()));
                        }
                    }
                    let before: Vec<_> = want.iter().take(rules.length).cloned().collect();
                    let behind: Vec<_> = want.iter().skip(rules.length + rules.reserve).cloned().collect();
                    let key = format!("{shop}/{}/{x}", rules.list.name());
                    let ranked = want.clone();
                    let want = naive_spread(want, rules);
                    told +=
                        check_displaced(&explained(&rig, &key), &ranked, &want.0, rules, &format!("{context}: {key}"));
                    let of_counted = |(item, source): &(String, String)| {
                        source == "counted" && behind.iter().any(|(of, _)| of == item)
                    };
                    from_behind += usize::from(want.0.iter().any(of_counted));
                    displaced += usize::from(want.0 != before);
                    for (_, source) in want.0.iter().chain(&want.1) {
                        *by_source.entry(source.clone()).or_default() += 1;
                    }
                    let entries = |part: &str| -> Vec<(String, String)> {
                        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
                        let list = all.get(&key).map_or(vec![], |list| list[part].as_array().unwrap().clone());
                        list.iter().map(|entry| (text(entry, "item"), text(entry, "source"))).collect()
                    };
                    assert_eq!((entries("entries"), entries("reserve")), want, "{context}: {key}");
                }
            }
        }
    }
    assert!(
        by_source.len() == 5
            && by_source.values().all(|&count| count > 10)
            && displaced > 10
            && from_behind > 10
            && told > 10,
        "{by_source:?} {displaced} {from_behind} {told}"
    );
}

/// What is in the catalogue, and that nobody has looked at or bought, has its category's list; and it goes with the catalogue.
#[test]
fn a_product_that_nobody_has_counted_has_its_categorys_list() {
    let mut lists = ListRules::defaults();
    lists.iter_mut().for_each(|rules| rules.enabled = false);
    for (number, fill) in [(0, vec![FillStep::Category, FillStep::Shop]), (1, vec![FillStep::Shop])] {
        (lists[number].enabled, lists[number].length, lists[number].reserve) = (true, 5, 2);
        lists[number].fill = fill;
    }
    lists[ListName::BEST_SELLERS.index()].min_support = 1;
    for partitions in [1, 3] {
        let context = format!("{partitions} partitions");
        let facts = Arc::new(Facts::new(1 << 20).keeping_names());
        let way = |item: &str| if item.ends_with(|end: char| end.is_ascii_digit()) { placed(item).0 } else { vec![] };
        let set = |item: &str| {
            let said = Catalogue { category: way(item), ..Catalogue::default() };
            facts.set_catalogue(MAIN, item, Some(&said)).unwrap();
        };
        (0..40).for_each(|number| set(&format!("i{number:02}")));
        (0..30).for_each(|number| set(&format!("shelf {number}")));
        for (item, said) in [
            ("variant 1", Catalogue { parent: Some("i01"), category: vec!["D"], ..Catalogue::default() }),
            ("gone 2", Catalogue { active: false, category: vec!["D"], ..Catalogue::default() }),
            ("fee 3", Catalogue { countable: false, category: vec!["D"], ..Catalogue::default() }),
        ] {
            facts.set_catalogue(MAIN, item, Some(&said)).unwrap();
        }
        let bytes = facts.bytes();
        facts.complete();
        let shape =
            Shape { partitions, lists: lists.clone(), facts: Some(Arc::clone(&facts)), ..Shape::new(&default_rules()) };
        let events = weeks(20);
        let mut rig = Rig::open(&shape, std::slice::from_ref(&events));
        while rig.feed(0).unwrap() {}
        for partition in 0..partitions {
            rig.restart(1, partition).unwrap();
        }
        let all = come_to_rest(&mut rig, 4_000_000_000_000, &context);
        let counts = Counts::of(&rig.rows(recounted(&events, &naive_rules(&default_rules())).1));
        let best = ListRules { length: 60, reserve: 0, ..shape.lists[ListName::BEST_SELLERS.index()].clone() };
        let want = |item: &str| -> Vec<String> {
            let mut way = way(item);
            let mut all = Vec::new();
            while !way.is_empty() {
                all.extend(naive_of_shop(&counts, &counts, &best, MAIN, &|other| placed(other).0.starts_with(&way)));
                way.pop();
            }
            all.extend(naive_of_shop(&counts, &counts, &best, MAIN, &|_| true));
            let mut met = BTreeSet::from([item.to_owned()]);
            all.into_iter().filter(|other| met.insert(other.clone())).take(7).collect()
        };
        for number in 0..30 {
            let item = format!("shelf {number}");
            let list = &all[&format!("{MAIN}/bought-together/{item}")];
            assert_eq!(names(list), want(&item), "{context}: {item}");
            let source = if way(&item).is_empty() { "shop" } else { "category" };
            assert_eq!(list["entries"][0]["source"], source, "{item}");
        }
        for item in ["variant 1", "gone 2", "fee 3"] {
            assert!(!all.contains_key(&format!("{MAIN}/bought-together/{item}")), "{item} is no product of its own");
        }
        assert!(all.contains_key(&format!("{MAIN}/bought-together/i39")), "looked at, and never bought with another");
        assert!(!all.keys().any(|key| key.contains("also-bought/shelf")), "its fill has no category");

        // It comes with its fact, at once, and goes with it.
        set("new 1");
        rig.clock(4_000_000_100_000).unwrap();
        let key = format!("{MAIN}/bought-together/new 1");
        assert_eq!(at_rest::held(&mut rig).get(&key), Some(&want("new 1")[..5].to_vec()), "{context}");
        facts.set_catalogue(MAIN, "new 1", None).unwrap();
        rig.clock(4_000_000_200_000).unwrap();
        assert_eq!(at_rest::held(&mut rig).get(&key), None, "{context}: it went with its fact");
        assert_eq!(facts.named(fingerprint(MAIN, "new 1")), None);
        assert!(facts.bytes() <= bytes + 200, "{} bytes, {bytes} before", facts.bytes());
    }
}

#[test]
fn further_lists_are_off_unless_asked_for_and_the_five_stay_as_they_are() {
    let events = shop::events(3, 700, &shop::Shape::of(&naive_rules(&default_rules())));
    let lists_by = |lists: [ListRules; ListName::COUNT]| {
        let mut rig =
            Rig::open(&Shape { lists, partitions: 3, ..Shape::new(&default_rules()) }, std::slice::from_ref(&events));
        rig.feed_all(&mut Random::new(1)).unwrap();
        rig.rest().unwrap();
        rig.final_lists()
    };
    let (plain, mut more) = (lists_by(ListRules::defaults()), lists_by(loose()));
    let five: Vec<&str> = ListName::ALL[..5].iter().map(|list| list.name()).collect();
    let is_plain = |key: &String| five.iter().any(|name| key.contains(&format!("/{name}/")));
    assert!(plain.len() > 20 && plain.keys().all(is_plain));
    assert!(more.len() > plain.len() + 10);
    more.retain(|key, _| is_plain(key));
    assert_eq!(more, plain);
}
