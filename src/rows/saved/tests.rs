//! Counts that are saved while they change, against counts that stood still.

use super::*;
use crate::position::Partition;
use crate::relation::{Bought, Change, Delta};
use crate::rows::TotalUpdate;
use crate::rules::CountingRules;
use crate::saved::frames;
use std::num::NonZeroU32;

const ITEMS: u64 = 60;
const DAY_MS: i64 = 86_400_000;

/// Splitmix64 (Vigna): numbers from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn small(&mut self, bound: u64) -> u32 {
        u32::try_from(self.below(bound)).unwrap()
    }
}

fn rules() -> CountingRules {
    CountingRules { row_max: Some(8), ..CountingRules::default() }
}

/// What is counted lately is kept too, of one relation or another.
fn empty(partitions: u32) -> Rows {
    let mut rows = Rows::new(&rules(), Partition(0), partitions);
    let relation = if partitions == 1 { Relation::BoughtTogether } else { Relation::AlsoBought };
    rows.keep_recent(relation, 7 * DAY_MS);
    rows
}

/// One thing happens to the counts: something is counted, or taken back, a total is heard, or told.
fn happen(rows: &mut Rows, numbers: &mut Numbers, time: EventTime) {
    let shop_name = ["main", "other"][usize::try_from(numbers.below(2)).unwrap()];
    let shop = rows.items_mut().shop(shop_name);
    let mut items = Vec::new();
    while items.len() < 4 {
        let item = rows.items_mut().item(shop, &format!("i{}", numbers.below(ITEMS)));
        if !items.contains(&item) {
            items.push(item);
        }
    }
    let mut touched = Vec::new();
    let is_taken_back = numbers.below(4) == 0;
    let bought: Vec<Bought> = items.iter().map(|&item| Bought { item, repeats: numbers.small(3) }).collect();
    let mut apply = |rows: &mut Rows, change| rows.apply(&Delta { time, change, is_taken_back }, &mut touched);
    match numbers.below(7) {
        0 if rows.owns_shop(shop) => apply(rows, Change::Context { shop, relation: Relation::BoughtTogether }),
        1 | 2 => apply(rows, Change::Basket { items: &bought, before: &[], settled: 0 }),
        3 if rows.owns(items[0]) => {
            let relation = Relation::ViewedTogether;
            apply(rows, Change::Star { relation, centre: items[0], neighbours: &items[1..] });
        }
        4 if rows.owns(items[0]) => {
            let change =
                Change::Cross { relation: Relation::AlsoBought, anchors: &items[..1], settled: false, others: &bought };
            apply(rows, change);
        }
        5 if rows.landmark(Relation::AlsoBought) != 0 => {
            let key = TotalKey::Item(Relation::AlsoBought, items[0]);
            let update = TotalUpdate { key, support: numbers.below(9), weight: 1.5 };
            let landmark = rows.landmark(Relation::AlsoBought);
            if numbers.below(2) == 0 {
                rows.apply_foreign_total(&update, landmark);
            } else {
                rows.restore_sent(&update, landmark);
            }
        }
        6 => {
            rows.drain_changed(50, 3, &mut Vec::new());
            rows.drain_differing(2, &mut Vec::new());
        }
        _ => {}
    }
}

fn names(rows: &Rows) -> Vec<u8> {
    let (mut saving, mut out) = (rows.items().begin_save(), Vec::new());
    while saving.save(rows.items(), 1, &mut out) == Saving::More {}
    out
}

/// All of the counts, as a state that stands still is saved: the same bytes for the same counts.
fn all(rows: &mut Rows) -> Vec<u8> {
    let mut out = Vec::new();
    rows.begin_save();
    assert_eq!(rows.save(usize::MAX, &mut out), Saving::Done);
    rows.end_save();
    out
}

fn loaded(partitions: u32, names: &[u8], counts: &[u8]) -> Result<Rows, SavedError> {
    let mut rows = empty(partitions);
    for frame in frames(names) {
        rows.items_mut().load(frame?.1)?;
    }
    for frame in frames(counts) {
        let (kind, body) = frame?;
        rows.load(kind, body)?;
    }
    rows.loaded()?;
    Ok(rows)
}

fn run(seed: u64, partitions: u32) {
    let mut numbers = Numbers(seed);
    let (before, after) = (50 + numbers.below(200), 50 + numbers.below(100));
    let mut rows = empty(partitions);
    let mut time = EventTime(1_700_000_000_000);
    let mut step = |rows: &mut Rows, numbers: &mut Numbers| {
        time = EventTime(time.0 + i64::from(numbers.small(3_600_000)) * 4);
        happen(rows, numbers, time);
    };
    (0..before).for_each(|_| step(&mut rows, &mut numbers));
    let still = all(&mut rows);
    let names = names(&rows);
    rows.begin_save();
    let (mut moving, mut is_done) = (Vec::new(), false);
    let portion = NonZeroU32::new(1 + numbers.small(400)).unwrap();
    for _ in 0..after {
        step(&mut rows, &mut numbers);
        let bytes = numbers.below(u64::from(portion.get()) + 1);
        if !is_done && numbers.below(3) == 0 {
            is_done = rows.save(usize::try_from(bytes).unwrap(), &mut moving) == Saving::Done;
        }
    }
    while !is_done {
        let saved = rows.save(64, &mut moving);
        assert_ne!(saved, Saving::Void);
        is_done = saved == Saving::Done;
    }
    rows.end_save();
    let mut taken_up = loaded(partitions, &names, &moving).unwrap();
    assert_eq!(all(&mut taken_up), still, "seed {seed}: not the counts of the moment");
    // What follows is counted alike.
    let now = EventTime(time.0 + 1_000);
    let mut twin = loaded(partitions, &names, &still).unwrap();
    for (rows, seed) in [(&mut taken_up, seed), (&mut twin, seed)] {
        let mut numbers = Numbers(seed ^ 0xABCD);
        (0..50).for_each(|_| happen(rows, &mut numbers, now));
    }
    assert_eq!(taken_up.stats().pairs, twin.stats().pairs);
}

#[test]
fn counts_are_saved_as_they_were_whatever_happens_meanwhile() {
    for seed in 0..300 {
        run(seed, 1 + u32::try_from(seed % 3).unwrap());
    }
}

#[test]
fn a_landmark_that_moves_makes_what_was_given_void() {
    let mut rows = empty(1);
    let mut numbers = Numbers(1);
    let start = EventTime(1_700_000_000_000);
    (0..200).for_each(|_| happen(&mut rows, &mut numbers, start));
    rows.begin_save();
    assert_eq!(rows.save(1, &mut Vec::new()), Saving::More);
    let later = EventTime(start.0 + 200 * 365 * DAY_MS);
    (0..20).for_each(|_| happen(&mut rows, &mut numbers, later));
    assert_eq!(rows.save(1 << 20, &mut Vec::new()), Saving::Void);
    rows.end_save();
    let still = all(&mut rows);
    assert_eq!(all(&mut loaded(1, &names(&rows), &still).unwrap()), still, "begun anew, it is whole");
}

#[test]
fn what_is_damaged_is_refused_or_reads_as_something_else_but_never_ends_the_process() {
    let mut rows = empty(2);
    let mut numbers = Numbers(5);
    (0..12).for_each(|_| happen(&mut rows, &mut numbers, EventTime(1_700_000_000_000)));
    let (names, still) = (names(&rows), all(&mut rows));
    for end in 0..still.len() {
        assert!(loaded(2, &names, &still[..end]).is_err(), "cut at {end} of {}", still.len());
    }
    for place in 0..still.len() {
        for bit in 0..8 {
            let mut damaged = still.clone();
            damaged[place] ^= 1 << bit;
            if let Ok(mut rows) = loaded(2, &names, &damaged) {
                (0..20).for_each(|_| happen(&mut rows, &mut numbers, EventTime(1_700_000_100_000)));
            }
        }
    }
    assert!(loaded(2, &names, &[still.as_slice(), &still].concat()).is_err(), "twice");
}

#[test]
fn a_change_costs_one_unit_at_most_and_a_portion_is_bounded() {
    let mut rows = empty(1);
    let mut numbers = Numbers(9);
    (0..400).for_each(|_| happen(&mut rows, &mut numbers, EventTime(1_700_000_000_000)));
    rows.begin_save();
    let mut out = Vec::new();
    assert_eq!(rows.save(100, &mut out), Saving::More);
    assert!(out.len() < 100 + 8 * PAIR_BYTES + 100, "{}", out.len());
    let shop = rows.items_mut().shop("main");
    let items = [rows.items_mut().item(shop, "i58"), rows.items_mut().item(shop, "i59")];
    let bought = items.map(|item| Bought { item, repeats: 0 });
    let change = Change::Basket { items: &bought, before: &[], settled: 0 };
    let mut early = 0;
    for _ in 0..5 {
        let delta = Delta { time: EventTime(1_700_000_000_000), change, is_taken_back: false };
        rows.apply(&delta, &mut Vec::new());
        let mut out = Vec::new();
        rows.save(0, &mut out);
        early = early.max(out.len());
    }
    assert!(early < 2 * (8 * PAIR_BYTES + 100), "{early}");
}
