//! Counting against a naive recount: every event kept with its time, summed up when asked.

use super::*;
use crate::items::{fingerprint, spread};
use std::collections::{BTreeMap, BTreeSet};

/// A change by name, before it is split among partitions.
#[derive(Clone, Debug)]
enum Whole {
    Context {
        shop: String,
        relation: Relation,
    },
    Star {
        relation: Relation,
        shop: String,
        centre: String,
        neighbours: Vec<String>,
    },
    /// With the orders before of each item, if any two of them share one, and how many items are settled.
    Basket {
        shop: String,
        items: Vec<(String, u32)>,
        before: Vec<u128>,
        settled: usize,
    },
    Cross {
        relation: Relation,
        shop: String,
        anchors: Vec<String>,
        settled: bool,
        others: Vec<(String, u32)>,
    },
}

type Key = (String, String, String, String, String);

/// Kind, shop, relation, first, second → support and the (time, weight) of each event.
#[derive(Default)]
struct Naive {
    cells: BTreeMap<Key, (u64, Vec<(i64, f64)>)>,
    is_taken_back: bool,
}

impl Naive {
    fn add(&mut self, key: [&str; 5], time: i64, weight: f64, support: bool) {
        let [a, b, c, d, e] = key.map(str::to_owned);
        let key = (a, b, c, d, e);
        let cell = self.cells.entry(key.clone()).or_default();
        if !self.is_taken_back {
            cell.0 += u64::from(support);
            cell.1.push((time, weight));
            return;
        }
        cell.0 -= u64::from(support);
        let place = cell.1.iter().rposition(|&event| event == (time, weight));
        cell.1.remove(place.expect("what is taken back was counted"));
        if cell.1.is_empty() {
            self.cells.remove(&key);
        }
    }

    fn apply(&mut self, time: i64, whole: &Whole, is_taken_back: bool) {
        self.is_taken_back = is_taken_back;
        match whole {
            Whole::Context { shop, relation } => {
                self.add(["contexts", shop, relation.name(), "*", "*"], time, 1.0, true);
            }
            Whole::Star { relation, shop, centre, neighbours } => {
                self.add(["total", shop, relation.name(), centre, "both"], time, 1.0, true);
                for (n, other) in neighbours.iter().enumerate() {
                    let nearness = 1.0 / ((n + 1) as f64).sqrt();
                    let weight = if *relation == Relation::ViewedTogether { nearness } else { 1.0 };
                    self.add(["pair", shop, relation.name(), centre, other], time, weight, true);
                    self.add(["pair", shop, relation.name(), other, centre], time, weight, true);
                }
            }
            Whole::Basket { shop, items, before, settled } => {
                let relation = "bought_together";
                for (n, (i, r)) in items.iter().enumerate() {
                    let weight = 1.0 / (1.0 + f64::from(*r));
                    if n >= *settled {
                        self.add(["total", shop, relation, i, "anchor"], time, weight, *r == 0);
                        self.add(["total", shop, relation, i, "other"], time, 1.0, true);
                    }
                    for (m, (j, _)) in items.iter().enumerate().filter(|&(m, _)| m != n && m.max(n) >= *settled) {
                        let is_new = before.is_empty() || before[n] & before[m] == 0;
                        self.add(["pair", shop, relation, i, j], time, weight, is_new);
                    }
                }
            }
            Whole::Cross { relation, shop, anchors, settled, others } => {
                for v in anchors.iter().filter(|_| !settled) {
                    self.add(["total", shop, relation.name(), v, "anchor"], time, 1.0, true);
                }
                for (o, r) in others {
                    let weight = 1.0 / (1.0 + f64::from(*r));
                    self.add(["total", shop, relation.name(), o, "other"], time, weight, *r == 0);
                    for v in anchors.iter().filter(|v| *v != o) {
                        self.add(["pair", shop, relation.name(), v, o], time, weight, *r == 0);
                    }
                }
            }
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    /// Distinct item names, low numbers more often.
    fn names(&mut self, max: u64, catalogue: u64) -> Vec<String> {
        let count = self.below(max) + 1;
        let mut names: Vec<String> = Vec::new();
        for _ in 0..count {
            let top = self.below(catalogue) + 1;
            let name = format!("i{}", self.below(top));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn whole(&mut self, catalogue: u64) -> Whole {
        let shop = if self.below(4) == 0 { "b2b" } else { "main" }.to_owned();
        let relation = Relation::ALL[usize::try_from(self.below(5)).unwrap()];
        match self.below(4) {
            0 => Whole::Context { shop, relation },
            1 => {
                let mut neighbours = self.names(12, catalogue);
                let centre = neighbours.pop().unwrap();
                let relation = if self.below(2) == 0 { Relation::ViewedTogether } else { Relation::CartedTogether };
                Whole::Star { relation, shop, centre, neighbours }
            }
            2 => {
                let items = self.bought(catalogue, 3);
                let settled =
                    if self.below(3) == 0 { usize::try_from(self.below(items.len() as u64)).unwrap() } else { 0 };
                let mut before = Vec::new();
                if self.below(2) == 0 {
                    before.extend(items.iter().map(|_| u128::from(self.below(8)) << 62));
                }
                Whole::Basket { shop, items, before, settled }
            }
            _ => {
                let (relation, repeats) = [(Relation::AlsoBought, 1), (Relation::ViewedThenBought, 3)]
                    [usize::try_from(self.below(2)).unwrap()];
                Whole::Cross {
                    relation,
                    shop,
                    anchors: self.names(8, catalogue),
                    settled: self.below(4) == 0,
                    others: self.bought(catalogue, repeats),
                }
            }
        }
    }

    fn bought(&mut self, catalogue: u64, repeats: u64) -> Vec<(String, u32)> {
        self.names(10, catalogue).into_iter().map(|name| (name, u32::try_from(self.below(repeats)).unwrap())).collect()
    }
}

fn basket(shop: &str, items: Vec<(String, u32)>) -> Whole {
    Whole::Basket { shop: shop.to_owned(), items, before: Vec::new(), settled: 0 }
}

/// Gives `whole` to every partition that `Change` says it goes to.
fn give(partitions: &mut [Rows], time: i64, whole: &Whole) -> BTreeSet<(Relation, String)> {
    give_signed(partitions, time, whole, false)
}

fn give_signed(partitions: &mut [Rows], time: i64, whole: &Whole, is_taken_back: bool) -> BTreeSet<(Relation, String)> {
    let mut all_touched = BTreeSet::new();
    for rows in partitions {
        let mut touched = Vec::new();
        give_one(rows, EventTime(time), whole, is_taken_back, &mut touched);
        let distinct: BTreeSet<_> = touched.iter().copied().collect();
        assert_eq!(distinct.len(), touched.len(), "each once: {touched:?}");
        all_touched.extend(touched.iter().map(|&(relation, item)| (relation, rows.items().name(item).to_owned())));
    }
    all_touched
}

fn give_one(
    rows: &mut Rows,
    time: EventTime,
    whole: &Whole,
    is_taken_back: bool,
    touched: &mut Vec<(Relation, ItemId)>,
) {
    let (partition, count) = (rows.owner.partition, rows.owner.partitions);
    let owned = |shop: &str, item: &str| spread(fingerprint(shop, item), count) == partition;
    let id = |rows: &mut Rows, shop: &str, item: &str| {
        let shop = rows.items_mut().shop(shop);
        rows.items_mut().item(shop, item)
    };
    let delta = |change| Delta { time, change, is_taken_back };
    match whole {
        Whole::Context { shop, relation } => {
            if owned(shop, "") {
                let shop = rows.items_mut().shop(shop);
                rows.apply(&delta(Change::Context { shop, relation: *relation }), touched);
            }
        }
        Whole::Star { relation, shop, centre, neighbours } => {
            let centre_id = id(rows, shop, centre);
            let ids: Vec<ItemId> = neighbours.iter().map(|name| id(rows, shop, name)).collect();
            let back: Vec<(ItemId, u32)> = ids
                .iter()
                .zip(neighbours)
                .zip(1..)
                .filter(|((_, name), _)| owned(shop, name))
                .map(|((&item, _), d)| (item, d))
                .collect();
            if owned(shop, centre) {
                let change = Change::Star { relation: *relation, centre: centre_id, neighbours: &ids };
                rows.apply(&delta(change), touched);
            } else if !back.is_empty() {
                let change = Change::StarBack { relation: *relation, centre: centre_id, neighbours: &back };
                rows.apply(&delta(change), touched);
            }
        }
        Whole::Basket { shop, items, before, settled } => {
            if items.iter().any(|(name, _)| owned(shop, name)) {
                let before: Vec<OrdersBefore> = before.iter().copied().map(OrdersBefore).collect();
                let items: Vec<Bought> =
                    items.iter().map(|&(ref name, repeats)| Bought { item: id(rows, shop, name), repeats }).collect();
                rows.apply(&delta(Change::Basket { items: &items, before: &before, settled: *settled }), touched);
            }
        }
        Whole::Cross { relation, shop, anchors, settled, others } => {
            let anchors: Vec<ItemId> =
                anchors.iter().filter(|name| owned(shop, name)).map(|name| id(rows, shop, name)).collect();
            let wanted = others.iter().filter(|(name, _)| !anchors.is_empty() || owned(shop, name));
            let others: Vec<Bought> =
                wanted.map(|&(ref name, repeats)| Bought { item: id(rows, shop, name), repeats }).collect();
            if !others.is_empty() {
                let change =
                    Change::Cross { relation: *relation, anchors: &anchors, settled: *settled, others: &others };
                rows.apply(&delta(change), touched);
            }
        }
    }
}

fn opened(rules: &CountingRules, count: u32) -> Vec<Rows> {
    (0..count).map(|n| Rows::new(rules, Partition(n), count)).collect()
}

/// Everything counted, merged over the partitions; nothing may come twice, however it is cut.
fn counted(partitions: &[Rows], as_of: i64) -> BTreeMap<Key, (u64, f64)> {
    let mut all = BTreeMap::new();
    for rows in partitions {
        let held = Relation::ALL.into_iter().flat_map(|relation| rows.anchors(relation));
        assert!(held.into_iter().all(|anchor| rows.owner.has(anchor)), "a row of another partition");
        rows.for_each_count(Some(EventTime(as_of)), |count| {
            let (key, figures) = read(&count.to_string());
            assert!(all.insert(key, figures).is_none(), "counted twice: {count}");
        });
    }
    all
}

fn read(line: &str) -> (Key, (u64, f64)) {
    let fields: Vec<&str> = line.split('\t').collect();
    let key: Vec<String> = fields[..5].iter().map(|&field| field.to_owned()).collect();
    (<[String; 5]>::try_from(key).unwrap().into(), (fields[5].parse().unwrap(), fields[6].parse().unwrap()))
}

fn compare(seed: u64, half_life_ms: i64, naive: &Naive, seen: &BTreeMap<Key, (u64, f64)>, as_of: i64) {
    let decay = |time: i64| ((time - as_of) as f64 / half_life_ms as f64).exp2();
    for (key, (support, events)) in &naive.cells {
        let exact: f64 = events.iter().map(|&(time, weight)| weight * decay(time)).sum();
        // What is far below what was taken back of it cannot be told from nothing.
        let Some(&(seen_support, weight)) = seen.get(key) else {
            assert!(*support == 0 && exact < 1e-6, "seed {seed}: {key:?} is missing");
            continue;
        };
        assert_eq!(seen_support, *support, "seed {seed}: {key:?}");
        let tolerance = if key.0 == "pair" { 1e-5 } else { 1e-9 };
        let faded = exact < 1e-17 && weight < 1e-17; // underflow is held at 2^-126, and this lies at least 64 above
        let off = (weight - exact).abs();
        assert!(faded || off <= tolerance * (exact + 1e-5), "seed {seed}: {key:?} {weight} for {exact}");
    }
    let more = seen.keys().find(|key| !naive.cells.contains_key(key));
    assert_eq!(more, None, "seed {seed}: not there");
}

fn incremental_equals_from_scratch(seed: u64, count: u32, half_life_ms: i64, step_ms: u64) {
    let rules = CountingRules { half_life_ms: [half_life_ms; 5], row_max: None, ..CountingRules::default() };
    let (mut seeded, mut naive, mut partitions) = (Seeded(seed), Naive::default(), opened(&rules, count));
    let (mut time, mut latest, mut recent) = (1_700_000_000_000_i64, 0, Vec::new());
    for n in 1..=600 {
        time += i64::try_from(seeded.below(step_ms)).unwrap() - i64::try_from(step_ms / 5).unwrap();
        let whole = seeded.whole(40);
        naive.apply(time, &whole, false);
        give(&mut partitions, time, &whole);
        latest = latest.max(time);
        recent.push((time, whole));
        if seeded.below(3) == 0 {
            let from = recent.len().saturating_sub(4);
            let at = from + usize::try_from(seeded.below((recent.len() - from) as u64)).unwrap();
            let (time, whole) = recent.remove(at);
            naive.apply(time, &whole, true);
            give_signed(&mut partitions, time, &whole, true);
        }
        partitions.iter_mut().for_each(|rows| rows.observe(EventTime(latest)));
        if n % 100 == 0 {
            compare(seed, half_life_ms, &naive, &counted(&partitions, latest), latest);
        }
    }
}

/// The lines of all portions, with what `between` does to the rows between two of them.
fn portions(rows: &mut Rows, lines_max: usize, mut between: impl FnMut(&mut Rows)) -> Vec<String> {
    let (mut lines, mut place) = (Vec::new(), Some(rows.counts_start()));
    while let Some(from) = place {
        let before = lines.len();
        place = rows.counts_from(from, EventTime(0), lines_max, &mut |count| lines.push(count.to_string()));
        assert!(lines.len() - before <= lines_max, "{} lines of at most {lines_max}", lines.len() - before);
        between(rows);
    }
    lines
}

#[test]
fn counts_in_portions_are_all_counts_once_at_any_size() {
    let rules = CountingRules { row_max: None, ..CountingRules::default() };
    let (mut seeded, mut partitions) = (Seeded(5), opened(&rules, 3));
    (0..400).for_each(|time| drop(give(&mut partitions, time, &seeded.whole(40))));
    let longest = Relation::ALL.into_iter().flat_map(|relation| {
        let rows = &partitions[0];
        rows.anchors(relation).map(move |anchor| rows.row(relation, anchor).len())
    });
    assert!(longest.max().unwrap() > 7, "rows that one portion does not hold");
    for rows in &mut partitions {
        let mut whole = portions(rows, 1_000_000, |_| {});
        whole.sort();
        assert!(whole.len() > 1000);
        for lines_max in [2, 3, 7, 64, 1000] {
            let mut cut = portions(rows, lines_max, |_| {});
            cut.sort();
            assert!(cut == whole, "{} and {} lines by {lines_max}", cut.len(), whole.len());
        }
    }
}

#[test]
fn what_is_there_all_along_comes_once_while_rows_are_pruned_and_new_items_come() {
    for (seed, row_max, lines_max) in [(1, None, 3), (2, Some(12), 5), (3, Some(12), 64)] {
        let rules = CountingRules { row_max, ..CountingRules::default() };
        let (mut seeded, mut partitions, mut touched) = (Seeded(seed), opened(&rules, 1), Vec::new());
        (0..300).for_each(|time| drop(give(&mut partitions, time, &seeded.whole(40))));
        let rows = &mut partitions[0];
        let keys = |rows: &Rows| {
            let mut keys = BTreeSet::new();
            rows.for_each_count(None, |count| assert!(keys.insert(read(&count.to_string()).0)));
            keys
        };
        let mut throughout = keys(rows);
        let before = throughout.len();
        let mut time = 300;
        let lines = portions(rows, lines_max, |rows| {
            time += 1;
            if time < 450 {
                give_one(rows, EventTime(time), &seeded.whole(60), false, &mut touched);
                let now = keys(rows);
                throughout.retain(|key| now.contains(key));
            }
        });
        assert!(row_max.is_none() || throughout.len() < before, "seed {seed}: nothing was pruned");
        let mut seen = BTreeSet::new();
        for line in lines {
            let key = read(&line).0;
            assert!(seen.insert(key.clone()) || !throughout.contains(&key), "seed {seed}: {line} twice");
        }
        let missing: Vec<_> = throughout.difference(&seen).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}");
    }
}

#[test]
fn a_row_that_is_pruned_between_two_of_its_portions_gives_what_stays_once() {
    let rules = CountingRules { row_max: Some(12), ..CountingRules::default() };
    let mut rows = Rows::new(&rules, Partition(0), 1);
    let together = |rows: &mut Rows, other: u32| {
        let items = vec![("a".to_owned(), 0), (format!("n{other}"), 0)];
        give_one(rows, EventTime(0), &basket("main", items), false, &mut Vec::new());
    };
    for other in 0..12 {
        (0..=other).for_each(|_| together(&mut rows, other)); // the first ones are the lightest, and go first
    }
    // The first portion ends before the row. Then each newcomer, soon heavy, lets the lightest go, whose place the last pair takes.
    let mut new = 99;
    let lines = portions(&mut rows, 3, |rows| {
        new += 1;
        (0..20).filter(|_| (101..105).contains(&new)).for_each(|_| together(rows, new));
    });
    let of_row = lines.iter().map(|line| read(line).0).filter(|key| key.0 == "pair" && key.3 == "a");
    let seen: Vec<String> = of_row.map(|key| key.4).collect();
    let a = rows.items().find_item("main", "a").unwrap();
    let held: Vec<ItemId> = rows.row(Relation::BoughtTogether, a).neighbours().map(|pair| pair.item).collect();
    let stayed = (0..12)
        .map(|other| format!("n{other}"))
        .filter(|name| held.contains(&rows.items().find_item("main", name).unwrap()));
    let stayed: Vec<String> = stayed.collect();
    assert!((1..12).contains(&stayed.len()), "some go, some stay: {stayed:?}");
    for name in stayed {
        assert_eq!(seen.iter().filter(|seen| **seen == name).count(), 1, "{name} in {seen:?}");
    }
}

#[test]
fn a_portion_costs_no_more_where_there_is_nothing_to_tell() {
    let mut rows = Rows::new(&CountingRules::default(), Partition(0), 2);
    let shop = rows.items_mut().shop("main");
    for n in 0..10 * STEPS_OF_A_PORTION {
        rows.items_mut().item(shop, &n.to_string());
    }
    let (mut count, mut place) = (0, Some(rows.counts_start()));
    while let Some(from) = place {
        place = rows.counts_from(from, EventTime(0), 2, &mut |count| panic!("{count} of names only"));
        count += 1;
    }
    assert!(count >= 10, "{count} portions: one looked at more than it may");
}

/// Items that a portion of two counts may look at.
const STEPS_OF_A_PORTION: usize = 2 * 64;

#[test]
fn incremental_counts_equal_counts_from_scratch_at_every_cut() {
    for seed in 0..6 {
        incremental_equals_from_scratch(seed, 1, 180 * 86_400_000, 3_600_000);
        incremental_equals_from_scratch(seed, 3, 60 * 86_400_000, 86_400_000);
    }
}

#[test]
fn counts_survive_landmarks_that_move_many_times() {
    for seed in 10..14 {
        incremental_equals_from_scratch(seed, 1, 1000, 3_000); // 600 half-lives, a dozen moves
        incremental_equals_from_scratch(seed, 3, 7, 100);
    }
}

#[test]
fn touched_are_the_anchors_whose_row_or_anchor_total_changed() {
    let name = |name: &str| name.to_owned();
    let shop = name("main");
    let stars = Whole::Star {
        relation: Relation::ViewedTogether,
        shop: shop.clone(),
        centre: name("a"),
        neighbours: vec![name("b"), name("c")],
    };
    let basket = basket(&shop, vec![(name("a"), 0), (name("d"), 1)]);
    let cross = Whole::Cross {
        settled: false,
        relation: Relation::AlsoBought,
        shop: shop.clone(),
        anchors: vec![name("e"), name("f")],
        others: vec![(name("a"), 0)],
    };
    let context = Whole::Context { shop, relation: Relation::AlsoBought };
    for count in [1, 3] {
        let mut partitions = opened(&CountingRules::default(), count);
        let mut check = |whole: &Whole, relation: Relation, expected: &str| {
            let touched = give(&mut partitions, 5, whole);
            assert!(touched.iter().all(|(touched, _)| *touched == relation));
            assert_eq!(touched.into_iter().map(|(_, name)| name).collect::<String>(), expected);
        };
        check(&stars, Relation::ViewedTogether, "abc");
        check(&basket, Relation::BoughtTogether, "ad");
        check(&cross, Relation::AlsoBought, "ef");
        check(&context, Relation::AlsoBought, "");
    }
}

#[test]
fn every_directed_pair_that_is_counted_is_an_update_of_its_relation() {
    let mut rows = opened(&CountingRules::default(), 1).remove(0);
    let mut touched = Vec::new();
    let whole = |names: &[&str]| Whole::Star {
        relation: Relation::CartedTogether,
        shop: "main".to_owned(),
        centre: "a".to_owned(),
        neighbours: names.iter().map(|&name| name.to_owned()).collect(),
    };
    give_one(&mut rows, EventTime(5), &whole(&["b", "c"]), false, &mut touched);
    give_one(&mut rows, EventTime(6), &whole(&["b"]), false, &mut touched);
    let stats = rows.stats();
    let of = |relation: Relation| stats.by_relation[relation.index()].pair_updates;
    assert_eq!((stats.pair_updates, of(Relation::CartedTogether), of(Relation::ViewedTogether)), (6, 6, 0));
    assert_eq!((stats.rows, stats.pairs), (3, 4));
}

#[test]
fn a_total_that_changed_many_times_is_told_once() {
    let mut rows = opened(&CountingRules::default(), 2).remove(0);
    let (relation, mut touched, mut updates) = (Relation::CartedTogether, Vec::new(), Vec::new());
    let shop = rows.items_mut().shop("main");
    let items: Vec<ItemId> = (0..20).map(|n| rows.items_mut().item(shop, &n.to_string())).collect();
    let centre = items.into_iter().find(|&item| rows.owns(item)).unwrap();
    for time in 0..5 {
        let change = Change::Star { relation, centre, neighbours: &[] };
        rows.apply(&Delta::counted(EventTime(time), change), &mut touched);
    }
    assert_eq!(rows.changed_totals(), 1);
    assert!(!rows.drain_changed(0, 100, &mut updates));
    assert_eq!((updates.len(), rows.changed_totals()), (1, 0));
    let before = updates.len();
    for time in 5..9 {
        let change = Change::Star { relation, centre, neighbours: &[] };
        rows.apply(&Delta::counted(EventTime(time), change), &mut touched);
    }
    assert!(!rows.drain_differing(1, &mut updates) && updates.len() == before + 1, "one look, and nothing is left");
}

#[test]
fn whose_an_item_is_that_nobody_counted_is_known() {
    for (partition, mut rows) in (0..).zip(opened(&CountingRules::default(), 3)) {
        for n in 0..20 {
            let shop = rows.items_mut().shop(&format!("shop {n}"));
            let item = rows.items_mut().item(shop, "a");
            let owner = |name: &str| spread(fingerprint(&format!("shop {n}"), name), 3);
            let own = Partition(partition);
            // Whichever is asked for first.
            let shop_first = n % 2 == 0;
            let first = if shop_first { rows.owns_shop(shop) } else { rows.owns(item) };
            let second = if shop_first { rows.owns(item) } else { rows.owns_shop(shop) };
            let (shops, items) = if shop_first { (first, second) } else { (second, first) };
            assert_eq!((items, shops), (owner("a") == own, owner("") == own));
        }
    }
}

#[test]
fn a_row_never_exceeds_its_bound_and_what_goes_does_not_depend_on_numbers() {
    for seed in 0..8 {
        let rules = CountingRules { half_life_ms: [50_000; 5], row_max: Some(7), ..CountingRules::default() };
        let mut left = Vec::new();
        for order in 0..3_u64 {
            let (mut seeded, mut partitions) = (Seeded(seed), opened(&rules, 1));
            let rows = &mut partitions[0];
            let mut ahead = Seeded(order);
            for _ in 0..order * 60 {
                let shop = rows.items_mut().shop(if ahead.below(2) == 0 { "main" } else { "b2b" });
                let name = format!("i{}", ahead.below(60));
                rows.items_mut().item(shop, &name);
            }
            for n in 0..800_i64 {
                // Many events share one time, so that weights tie.
                give(&mut partitions, 1_700_000_000_000 + n / 20 * 4000, &seeded.whole(60));
            }
            for relation in Relation::ALL {
                let rows = &partitions[0];
                let longest = rows.anchors(relation).map(|anchor| rows.row(relation, anchor).len()).max().unwrap();
                assert_eq!(longest, 7, "seed {seed}: the bound, reached and kept");
            }
            assert!(partitions[0].stats().evictions > 100);
            let counts = counted(&partitions, 1_700_000_000_000);
            let bits: Vec<_> =
                counts.into_iter().map(|(key, (support, weight))| (key, support, weight.to_bits())).collect();
            left.push((bits, partitions[0].stats().evictions));
        }
        assert_eq!(left[0], left[1], "seed {seed}");
        assert_eq!(left[0], left[2], "seed {seed}");
    }
}

/// Everything that partitions have to tell, told to all.
fn tell(partitions: &mut [Rows], step_milli: u32, exact: bool) -> usize {
    let mut count = 0;
    for teller in 0..partitions.len() {
        let mut updates = Vec::new();
        while partitions[teller].drain_changed(step_milli, 3, &mut updates) {}
        while exact && partitions[teller].drain_differing(3, &mut updates) {}
        count += updates.len();
        for update in updates {
            let landmark = partitions[teller].landmark(update.key.relation());
            let named = named(&partitions[teller], update.key);
            for (place, rows) in partitions.iter_mut().enumerate() {
                let key = key_of(rows, &named);
                let own = place == teller;
                assert!(!own || !rows.apply_foreign_total(&TotalUpdate { key, ..update }, landmark), "own totals stay");
                rows.apply_foreign_total(&TotalUpdate { key, ..update }, landmark);
            }
        }
    }
    count
}

/// Relation, shop, and item, if it is one's.
fn named(rows: &Rows, key: TotalKey) -> (Relation, String, Option<String>) {
    match key {
        TotalKey::Item(relation, item) => {
            let shop = rows.items().shop_name(rows.items().shop_of(item));
            (relation, shop.to_owned(), Some(rows.items().name(item).to_owned()))
        }
        TotalKey::Shop(relation, shop) => (relation, rows.items().shop_name(shop).to_owned(), None),
    }
}

fn key_of(rows: &mut Rows, (relation, shop, item): &(Relation, String, Option<String>)) -> TotalKey {
    let shop = rows.items_mut().shop(shop);
    match item {
        Some(item) => TotalKey::Item(*relation, rows.items_mut().item(shop, item)),
        None => TotalKey::Shop(*relation, shop),
    }
}

/// How far off the totals are that any partition ranks its rows with, at worst, and how many were compared.
fn worst_total(partitions: &[Rows], alone: &Rows) -> (f64, usize) {
    let (mut worst, mut compared) = (0.0_f64, 0);
    for rows in partitions {
        for relation in Relation::ALL {
            for anchor in rows.anchors(relation) {
                let (row, name) = (rows.row(relation, anchor), rows.items().name(anchor));
                let exact_anchor =
                    alone.items().find_item(rows.items().shop_name(rows.items().shop_of(anchor)), name).unwrap();
                let exact = alone.row(relation, exact_anchor);
                let mut off = |own: f64, exact: f64| {
                    compared += 1;
                    worst = worst.max(if exact > 0.0 { (own / exact - 1.0).abs() } else { own });
                };
                off(row.contexts, exact.contexts);
                off(row.anchor_weight, exact.anchor_weight);
                for neighbour in row.neighbours() {
                    let shop = rows.items().shop_name(rows.items().shop_of(neighbour.item));
                    let same = alone.items().find_item(shop, rows.items().name(neighbour.item)).unwrap();
                    off(row.other_weight(neighbour.item), exact.other_weight(same));
                }
            }
        }
    }
    (worst, compared)
}

#[test]
fn totals_that_travel_are_never_further_off_than_a_step_and_exact_when_asked() {
    for (seed, half_life_ms) in [(1, 86_400_000), (2, 5_000)] {
        let rules = CountingRules { half_life_ms: [half_life_ms; 5], ..CountingRules::default() };
        let (mut seeded, mut partitions, mut alone) = (Seeded(seed), opened(&rules, 3), opened(&rules, 1));
        let (mut told, mut rounds_exact) = (0, 0);
        for n in 0..1500_i64 {
            let (time, whole) = (1_700_000_000_000 + n * 1000, seeded.whole(30));
            give(&mut partitions, time, &whole);
            give(&mut alone, time, &whole);
            partitions.iter_mut().for_each(|rows| rows.observe(EventTime(time)));
            if n % 7 == 0 {
                told += tell(&mut partitions, 50, false);
                assert!(worst_total(&partitions, &alone[0]).0 <= 0.05 / 0.95, "seed {seed} event {n}");
            }
            if n % 300 == 299 {
                let (before, _) = worst_total(&partitions, &alone[0]);
                rounds_exact += tell(&mut partitions, 50, true);
                let (after, compared) = worst_total(&partitions, &alone[0]);
                assert!(
                    after < 1e-12 && compared > 300 && (before > 1e-6 || half_life_ms < 10_000),
                    "{before} {after}"
                );
                assert_eq!(tell(&mut partitions, 50, true), 0, "nothing is told twice");
            }
        }
        assert!(told > 300 && rounds_exact > 20, "{told} {rounds_exact}");
        let mut none = Vec::new();
        assert!(!alone[0].drain_changed(0, 9, &mut none) && !alone[0].drain_differing(9, &mut none));
        assert!(none.is_empty(), "one partition has nobody to tell");
    }
}

#[test]
fn an_own_total_is_not_taken_from_others_and_what_was_told_is_not_told_again() {
    let rules = CountingRules::default();
    let mut rows = Rows::new(&rules, Partition(0), 2);
    let of = |owner| (0..).map(|n| format!("i{n}")).find(|n| spread(fingerprint("main", n), 2).0 == owner).unwrap();
    let (own, foreign) = (of(0), of(1));
    let key =
        |rows: &mut Rows, name: &str| key_of(rows, &(Relation::AlsoBought, "main".to_owned(), Some(name.to_owned())));
    let update = |key, weight| TotalUpdate { key, support: 4, weight };
    let weight = |rows: &Rows, name: &str| {
        rows.totals[Relation::AlsoBought.index()].other(rows.items().find_item("main", name).unwrap()).weight
    };
    let (own_key, foreign_key) = (key(&mut rows, &own), key(&mut rows, &foreign));
    assert!(rows.apply_foreign_total(&update(foreign_key, 7.0), 3));
    assert!(!rows.apply_foreign_total(&update(foreign_key, 7.0), 3), "no news");
    assert!(rows.apply_foreign_total(&update(foreign_key, 8.0), 3));
    assert!(!rows.apply_foreign_total(&update(own_key, 9.0), 3));
    assert_eq!((weight(&rows, &foreign), weight(&rows, &own)), (8.0, 0.0));
    assert!(rows.apply_foreign_total(&update(foreign_key, 0.0), 3), "taken back wholly");
    assert_eq!(weight(&rows, &foreign), 0.0);

    // What a predecessor told of an own total: the same is not told again, more is.
    let TotalKey::Item(relation, item) = own_key else { panic!() };
    let landmark = rows.landmark(relation);
    rows.restore_sent(&update(own_key, 5.0), landmark);
    rows.totals[relation.index()].other_mut(item).weight = 5.0;
    rows.note_other(relation, item);
    let mut told = Vec::new();
    assert!(!rows.drain_changed(50, 10, &mut told) && !rows.drain_differing(10, &mut told));
    assert_eq!(told, []);
    rows.totals[relation.index()].other_mut(item).weight = 6.0;
    rows.note_other(relation, item);
    rows.drain_changed(50, 10, &mut told);
    assert_eq!(told, [update(own_key, 6.0)].map(|update| TotalUpdate { support: 0, ..update }));

    // Readers took something else than is held to be told: nothing is known. Also where nothing is left of the total.
    let mut again = |weight, refused| {
        rows.totals[relation.index()].other_mut(item).weight = weight;
        rows.forget_sent(&update(own_key, refused), landmark);
        told.clear();
        assert!(!rows.drain_changed(50, 10, &mut told) && !rows.drain_differing(10, &mut told));
        told.iter().map(|update| update.weight).collect::<Vec<_>>()
    };
    assert_eq!(again(6.0, 5.0), [0.0; 0], "told again since, and taken");
    assert_eq!(again(6.0, 6.0), [6.0]);
    assert_eq!(again(0.0, 6.0), [0.0], "taken back wholly since");
    assert_eq!(again(0.0, 0.0), [0.0]);
    assert_eq!(again(0.0, 3.0), [0.0; 0]);
}

#[test]
fn reading_decays_to_the_latest_time_seen() {
    let rules = CountingRules { half_life_ms: [1000; 5], ..CountingRules::default() };
    let mut partitions = opened(&rules, 1);
    let items = vec![("a".to_owned(), 0), ("b".to_owned(), 1)];
    give(&mut partitions, 10_000, &basket("main", items));
    let rows = &mut partitions[0];
    rows.observe(EventTime(12_000));
    rows.observe(EventTime(11_000));
    let a = rows.items().find_item("main", "a").unwrap();
    let row = rows.row(Relation::BoughtTogether, a);
    assert_eq!((row.len(), row.anchor_weight, row.anchor_support, row.now), (1, 0.25, 1, EventTime(12_000)));
    let pair = row.neighbour(0);
    assert_eq!((pair.support, pair.weight, row.other_weight(pair.item)), (1, 0.25, 0.25));
}

#[test]
fn what_has_faded_is_measured_at_the_latest_time_seen_even_by_an_old_event() {
    let rules = CountingRules { half_life_ms: [1000; 5], row_max: Some(3), ..CountingRules::default() };
    let mut partitions = opened(&rules, 1);
    let mut order = |time: i64, other: &str| {
        let items = vec![("x".to_owned(), 0), (other.to_owned(), 0)];
        give(&mut partitions, time, &basket("main", items));
        let rows = &partitions[0];
        let row = rows.row(Relation::BoughtTogether, rows.items().find_item("main", "x").unwrap());
        let mut names: Vec<&str> = row.neighbours().map(|neighbour| rows.items().name(neighbour.item)).collect();
        names.sort_unstable();
        names.concat()
    };
    assert_eq!(order(1_000_000, "a"), "a");
    assert_eq!(order(1_000_500, "b"), "ab");
    assert_eq!(order(1_009_000, "c"), "abc", "a and b are below 0.05 by now, but there is room");
    assert_eq!(order(1_000_100, "d"), "cd", "at its own time nothing had faded; now a and b have");
    assert_eq!(partitions[0].stats().evictions, 2);
}

#[test]
fn what_is_taken_back_wholly_is_gone_with_its_row_and_nothing_is_made_by_taking_back() {
    for count in [1, 3] {
        let (mut seeded, mut partitions) = (Seeded(9), opened(&CountingRules::default(), count));
        let all: Vec<Whole> = (0..200).map(|_| seeded.whole(40)).collect();
        (0..).zip(&all).for_each(|(time, whole)| drop(give(&mut partitions, time * 60_000_000, whole)));
        assert!(counted(&partitions, 0).len() > 1000);
        (0..).zip(&all).for_each(|(time, whole)| {
            drop(give_signed(&mut partitions, time * 60_000_000, whole, true));
        });
        assert_eq!(counted(&partitions, 0), BTreeMap::new());
        let stats = |partitions: &[Rows]| {
            let of = partitions.iter().map(Rows::stats);
            of.fold((0, 0, 0), |sum, stats| (sum.0 + stats.rows, sum.1 + stats.pairs, sum.2 + stats.missed))
        };
        assert_eq!(stats(&partitions), (0, 0, 0));
        // Nothing of these is there.
        (0..).zip(&all).for_each(|(time, whole)| {
            drop(give_signed(&mut partitions, time * 60_000_000, whole, true));
        });
        assert_eq!(counted(&partitions, 0), BTreeMap::new());
        let (rows, pairs, missed) = stats(&partitions);
        assert!((rows, pairs) == (0, 0) && missed > 1000, "{missed}");
        give(&mut partitions, 0, &all[1]);
    }
}
