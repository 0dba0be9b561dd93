//! Bounded rows against a row kept the plain way, through what windows and ranking use of the room: the rule by which a full
//! row makes room, and that what stays keeps all of its figures. Nothing is shared with the program but fixed fingerprints.
//!
//! The rule (design section 5; `rows::row`): a row is pruned only when a new neighbour finds it full. What has decayed below
//! `min_weight` goes, all of it; where nothing has, the lightest sixteenth of the bound, at least one. Among equals
//! those go that have the lowest fingerprint, then name. The new neighbour gets in.

#![allow(clippy::unwrap_used)] // tests

use samenloop::config::{Layers, Settings};
use samenloop::event::EventTime;
use samenloop::items::{ItemId, fingerprint};
use samenloop::position::Partition;
use samenloop::relation::{Bought, Change, Delta, Relation};
use samenloop::rows::{Neighbour, Rows};
use samenloop::rules::{CountingRules, DAY_MS};
use std::collections::BTreeMap;

const SHOP: &str = "main";
/// The bound that is documented, in `samenloop.toml` too.
const DEFAULT_ROW_MAX: usize = 256;
const FIRST_DAY: u16 = 19_700;

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((z ^ (z >> 31)) % u64::from(bound)).unwrap()
    }
}

/// A pair. Its weight is relative to the first day: half-lives are whole days here, so that each is an exact power of two.
#[derive(Clone, Copy, Default)]
struct Pair {
    weight: f64,
    support: u32,
    day: u16,
}

/// A weight as it is documented to be held: 24 bits of a float, cut, and the next 16; rounded to these 40.
fn held(weight: f64) -> f64 {
    f64::from_bits(((weight.to_bits() + (1 << 12)) >> 13) << 13)
}

/// The 24 bits of it that are read.
fn read(weight: f64) -> f64 {
    f64::from_bits((weight.to_bits() >> 29) << 29)
}

#[derive(Default)]
struct PlainRow {
    pairs: BTreeMap<String, Pair>,
    /// How often room was made, by what had faded and by what was lightest.
    prunings: [u32; 2],
    evicted: u64,
}

impl PlainRow {
    fn add(&mut self, other: &str, added: Pair, faded: f64, row_max: Option<usize>) {
        if !self.pairs.contains_key(other) && row_max.is_some_and(|most| self.pairs.len() >= most) {
            self.make_room(faded, row_max.unwrap());
        }
        let pair = self.pairs.entry(other.to_owned()).or_default();
        pair.weight = held(pair.weight + added.weight);
        pair.support += added.support;
        pair.day = pair.day.max(added.day);
    }

    fn make_room(&mut self, faded: f64, row_max: usize) {
        let before = self.pairs.len();
        self.pairs.retain(|_, pair| read(pair.weight) >= faded);
        let has_faded = self.pairs.len() < before;
        self.prunings[usize::from(!has_faded)] += 1;
        if !has_faded {
            let mut order: Vec<(f64, u64, String)> = self
                .pairs
                .iter()
                .map(|(name, pair)| (read(pair.weight), fingerprint(SHOP, name), name.clone()))
                .collect();
            order.sort_by(|one, other| one.partial_cmp(other).unwrap());
            order.iter().take((row_max / 16).max(1)).for_each(|(_, _, name)| {
                self.pairs.remove(name);
            });
        }
        self.evicted += (before - self.pairs.len()) as u64;
    }
}

/// What is compared: support, the bits of the weight as of `today`, and the day, by name.
type Figures = BTreeMap<String, (u32, u64, u16)>;

fn plain_figures(row: &PlainRow, today: u16) -> Figures {
    let decay = 2.0_f64.powi(i32::from(FIRST_DAY) - i32::from(today));
    row.pairs.iter().map(|(name, p)| (name.clone(), (p.support, (read(p.weight) * decay).to_bits(), p.day))).collect()
}

fn figures(rows: &Rows, anchor: ItemId) -> Figures {
    let row = rows.row(Relation::ViewedThenBought, anchor);
    let one = |n: Neighbour| (rows.items().name(n.item).to_owned(), (n.support, n.weight.to_bits(), n.last_seen_day));
    row.neighbours().map(one).collect()
}

/// Counts `events` seeded ones, and compares after each few. Hands back how often room was made.
fn compare(seed: u64, rules: &CountingRules, row_max: Option<usize>, catalogue: u32, events: u32) -> [u32; 2] {
    const ANCHORS: [&str; 3] = ["x", "y", "z"];
    let (mut seeded, mut rows) = (Seeded(seed), Rows::new(rules, Partition(0), 1));
    let shop = rows.items_mut().shop(SHOP);
    let anchors = ANCHORS.map(|name| rows.items_mut().item(shop, name));
    let mut plain: [PlainRow; 3] = Default::default();
    let min_weight = f64::from(rules.min_weight_millionths) / 1e6;
    let mut today = FIRST_DAY;
    for n in 0..events {
        let day = FIRST_DAY + u16::try_from(u64::from(n) * 40 / u64::from(events)).unwrap();
        let day = day - u16::try_from(seeded.below(3)).unwrap().min(day - FIRST_DAY); // some are late
        today = today.max(day);
        let others: BTreeMap<u32, u32> =
            (0..=seeded.below(8)).map(|_| (seeded.below(catalogue), seeded.below(6))).collect();
        let named: Vec<(String, u32)> = others.iter().map(|(other, &repeats)| (format!("i{other}"), repeats)).collect();
        let bought: Vec<Bought> = named
            .iter()
            .map(|(name, repeats)| Bought { item: rows.items_mut().item(shop, name), repeats: *repeats })
            .collect();
        let first = usize::try_from(seeded.below(3)).unwrap();
        let time = EventTime(i64::from(day) * DAY_MS);
        let change = Change::Cross {
            relation: Relation::ViewedThenBought,
            anchors: &anchors[first..],
            settled: false,
            others: &bought,
        };
        rows.apply(&Delta::counted(time, change), &mut Vec::new());
        let power = |day: u16| 2.0_f64.powi(i32::from(day) - i32::from(FIRST_DAY));
        for row in &mut plain[first..] {
            for (name, repeats) in &named {
                let weight = power(day) * (1.0 / (1.0 + f64::from(*repeats)));
                let added = Pair { weight, support: u32::from(*repeats == 0), day };
                row.add(name, added, min_weight * power(today), row_max);
            }
        }
        if n % 16 == 0 || n + 1 == events {
            for (anchor, row) in anchors.iter().zip(&plain) {
                let (seen, expected) = (figures(&rows, *anchor), plain_figures(row, today));
                let first = seen.iter().zip(&expected).find(|(seen, expected)| seen != expected);
                assert_eq!(seen, expected, "seed {seed}, row_max {row_max:?}, after {n} events, first {first:?}");
            }
        }
    }
    assert_eq!(rows.stats().evictions, plain.iter().map(|row| row.evicted).sum::<u64>());
    plain.iter().fold([0; 2], |sum, row| [sum[0] + row.prunings[0], sum[1] + row.prunings[1]])
}

fn rules(row_max: Option<usize>, min_weight_millionths: u32) -> CountingRules {
    let half_life_ms = [DAY_MS; Relation::COUNT];
    CountingRules { half_life_ms, row_max, min_weight_millionths, ..CountingRules::default() }
}

/// With the rules that `run` has when nothing is set, but for the half-life, which makes weights exact.
#[test]
fn by_default_a_row_holds_256_neighbours_and_makes_room_as_documented() {
    let loaded = Settings::load(&Layers::default()).unwrap().counting;
    assert_eq!(loaded, CountingRules::default());
    let rules = CountingRules { half_life_ms: [DAY_MS; Relation::COUNT], ..loaded };
    let mut prunings = [0; 2];
    for seed in 0..3 {
        let of_seed = compare(seed, &rules, Some(DEFAULT_ROW_MAX), 600, 1500);
        prunings = [prunings[0] + of_seed[0], prunings[1] + of_seed[1]];
    }
    assert!(prunings[0] > 10, "room was made by what had faded: {prunings:?}");
    // Nothing fades within a day: the lightest go.
    let rules = CountingRules { min_weight_millionths: 0, ..rules };
    let [_, lightest] = compare(3, &rules, Some(DEFAULT_ROW_MAX), 600, 1500);
    assert!(lightest > 10, "{lightest}");
}

#[test]
fn small_rows_make_room_as_documented_and_what_stays_keeps_its_weight_support_and_day() {
    for seed in 0..4 {
        for row_max in [1, 2, 7, 16, 31, 48, 64] {
            for min_weight_millionths in [0, 50_000, 700_000] {
                let rules = rules(Some(row_max), min_weight_millionths);
                let prunings = compare(seed, &rules, Some(row_max), 90, 400);
                let expected = usize::from(min_weight_millionths == 0);
                assert!(prunings[expected] > 20, "row_max {row_max}: {prunings:?}");
            }
        }
    }
}

#[test]
fn a_row_without_a_bound_is_never_pruned() {
    assert_eq!(compare(5, &rules(None, 700_000), None, 900, 1500), [0, 0]);
}
