//! Rows one by one: what is found, what goes from a full one, what stays.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_key_is_found_where_it_stands(count in 0_u32..70, wanted in 0_u32..80) {
        let keys: Vec<u32> = (0..count).map(|n| n * 7919 % 104_729).collect();
        let key = wanted * 7919 % 104_729;
        prop_assert_eq!(find(&keys, key), keys.iter().position(|&other| other == key));
    }
}

proptest! {
    /// Against a model that sorts all pairs, wherever in the row those stand that go.
    #[test]
    fn a_full_row_drops_what_sorting_says(weights in prop::collection::vec(1_u8..4, 100)) {
        let names: Vec<String> = (0..=100).map(|n| format!("i{n}")).collect();
        let (mut store, items, ids) = store(48, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut model: Vec<(u8, u64, String)> = Vec::new();
        for (weight, &other) in weights.into_iter().zip(&ids[1..]) {
            if model.len() == 48 {
                model.sort();
                model.drain(..3);
            }
            model.push((weight, items.fingerprint(other), items.name(other).to_owned()));
            let increment = Increment { weight: f64::from(weight), support: 1, day: 1 };
            store.add(Relation::BoughtTogether, ids[0], other, increment, 0.5, &items);
        }
        let mut expected: Vec<String> = model.into_iter().map(|(_, _, name)| name).collect();
        expected.sort();
        prop_assert_eq!(names_of(&store, &items, ids[0]), expected);
    }
}

fn store(row_max: usize, names: &[&str]) -> (RowStore, Items, Vec<ItemId>) {
    let mut items = Items::default();
    let shop = items.shop("main");
    let ids = names.iter().map(|name| items.item(shop, name)).collect();
    (RowStore::new(Some(row_max)), items, ids)
}

fn names_of(store: &RowStore, items: &Items, anchor: ItemId) -> Vec<String> {
    let block = store.row(Relation::BoughtTogether, anchor).unwrap();
    let mut names: Vec<String> = block.keys.iter().map(|&key| items.name(ItemId(key)).to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_full_row_first_drops_all_that_has_faded_then_the_lightest() {
    let (mut store, items, ids) = store(4, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    let mut add = |other: usize, weight: f64| {
        let increment = Increment { weight, support: 1, day: 1 };
        store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.5, &items);
        names_of(&store, &items, ids[0]).concat()
    };
    assert_eq!(add(1, 0.4), "b", "faded, but there is room");
    assert_eq!(add(2, 0.3), "bc");
    assert_eq!(add(3, 2.0), "bcd");
    assert_eq!(add(4, 1.0), "bcde");
    assert_eq!(add(5, 3.0), "def", "b and c had faded");
    assert_eq!(add(6, 1.5), "defg");
    assert_eq!(add(4, 1.0), "defg", "a pair that is there needs no room");
    assert_eq!(add(7, 9.0), "defh", "g was the lightest");
    let held = store.held()[Relation::BoughtTogether.index()];
    assert_eq!((held.evictions, held.pairs, held.rows), (3, 4, 1));
    assert_eq!(store.held()[Relation::AlsoBought.index()], RelationStats::default());
}

#[test]
fn a_row_of_which_all_has_faded_and_one_of_a_single_place_take_the_newcomer() {
    let add = |store: &mut RowStore, items: &Items, ids: &[ItemId], other: usize, weight: f64| {
        let increment = Increment { weight, support: 1, day: 1 };
        store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.5, items);
        let held = store.held()[Relation::BoughtTogether.index()];
        (names_of(store, items, ids[0]).concat(), held.rows, held.pairs, held.evictions)
    };
    let (mut faded, items, ids) = store(2, &["a", "b", "c", "d"]);
    assert_eq!(add(&mut faded, &items, &ids, 1, 0.4), ("b".to_owned(), 1, 1, 0));
    assert_eq!(add(&mut faded, &items, &ids, 2, 0.3), ("bc".to_owned(), 1, 2, 0));
    assert_eq!(add(&mut faded, &items, &ids, 3, 2.0), ("d".to_owned(), 1, 1, 2));
    let (mut single, items, ids) = store(1, &["a", "b", "c"]);
    assert_eq!(add(&mut single, &items, &ids, 1, 9.0), ("b".to_owned(), 1, 1, 0));
    assert_eq!(add(&mut single, &items, &ids, 2, 1.0), ("c".to_owned(), 1, 1, 1));
}

#[test]
fn what_stays_in_a_pruned_row_keeps_its_figures() {
    let names: Vec<String> = (0..40).map(|n| format!("i{n}")).collect();
    let (mut store, items, ids) = store(32, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for n in 1..40_u16 {
        // The first are the lightest, so that others move into their places.
        let increment = Increment { weight: n.into(), support: u32::from(n) * 3, day: n * 5 };
        store.add(Relation::BoughtTogether, ids[0], ids[usize::from(n)], increment, 0.0, &items);
    }
    let block = store.row(Relation::BoughtTogether, ids[0]).unwrap();
    for (index, &key) in block.keys.iter().enumerate() {
        let n = u16::try_from(key).unwrap();
        let figures = (f32::from_bits(block.weights[index]), block.support[index], block.day(index));
        assert_eq!(figures, (n.into(), u32::from(n) * 3, n * 5));
    }
    assert!(store.held()[Relation::BoughtTogether.index()].evictions >= 7);
}

/// Weekly orders round an `f32` the same way each time: what is behind it must be kept with each addition.
#[test]
fn a_pair_that_is_counted_again_and_again_does_not_drift() {
    let (mut store, items, ids) = store(4, &["a", "b"]);
    let (times, weight) = (100_000_u32, 1.0 / 3.0);
    for _ in 0..times {
        let increment = Increment { weight, support: 1, day: 1 };
        store.add(Relation::BoughtTogether, ids[0], ids[1], increment, 0.0, &items);
    }
    let block = store.row(Relation::BoughtTogether, ids[0]).unwrap();
    let off = f64::from(f32::from_bits(block.weights[0])) / (f64::from(times) * weight) - 1.0;
    assert!(off.abs() < 1e-6, "off by {off}");
}

#[test]
fn bytes_held_count_a_place_for_each_item_up_to_the_last_with_a_row() {
    let names: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let (mut store, items, ids) = store(4, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut bytes_with = |anchor: usize| {
        let increment = Increment { weight: 1.0, support: 1, day: 1 };
        store.add(Relation::BoughtTogether, ids[anchor], ids[1], increment, 0.0, &items);
        store.bytes()
    };
    let few = bytes_with(0);
    assert!(bytes_with(1_999) - few >= 1_900 * size_of::<Head>());
    let all = (0..2_000).map(bytes_with).last().unwrap();
    let places = 2_048 * size_of::<Head>();
    assert!((16 * 2_000..1 << 20).contains(&(all - places)), "{all} bytes, {places} of them places: a pair takes 16");
}

#[test]
fn where_nothing_has_faded_the_lightest_sixteenth_goes_and_the_newcomer_gets_in() {
    let names: Vec<String> = (0..50).map(|n| format!("i{n:02}")).collect();
    for (row_max, gone) in [(16, 1), (31, 1), (32, 2), (48, 3)] {
        let (mut store, items, ids) = store(row_max, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let increment = |weight| Increment { weight, support: 1, day: 1 };
        for (n, &other) in (1_u32..).zip(&ids[1..=row_max]) {
            // Weights in no order of their places: 5 has no divisor in common with any of these bounds + 1.
            let weight = f64::from(n * 5 % (u32::try_from(row_max).unwrap() + 1));
            store.add(Relation::BoughtTogether, ids[0], other, increment(weight.max(0.5)), 0.1, &items);
        }
        assert_eq!(store.held()[Relation::BoughtTogether.index()].evictions, 0, "there was room");
        store.add(Relation::BoughtTogether, ids[0], ids[49], increment(0.25), 0.1, &items);
        let held = store.held()[Relation::BoughtTogether.index()];
        assert_eq!((held.evictions, held.pairs), (gone, row_max + 1 - usize::try_from(gone).unwrap()));
        let block = store.row(Relation::BoughtTogether, ids[0]).unwrap();
        let mut weights: Vec<f32> = block.weights.iter().map(|&bits| f32::from_bits(bits)).collect();
        weights.sort_by(f32::total_cmp);
        assert_eq!(weights[0], 0.25, "the newcomer, though it is the lightest of all");
        assert!(weights[1] > f32::from(u16::try_from(gone).unwrap()), "{row_max}: {weights:?}");
    }
}

#[test]
fn among_equal_weights_content_decides() {
    let increment = Increment { weight: 1.0, support: 1, day: 1 };
    for row_max in [2, 40] {
        let names: Vec<String> = (0..60).map(|n| format!("i{n}")).collect();
        let mut left: Vec<Vec<String>> = Vec::new();
        for met in [0, 17, 41] {
            // The same additions in the same order, but the items were first met in another one.
            let mut order: Vec<&str> = names.iter().map(String::as_str).collect();
            order.rotate_left(met);
            let (mut store, mut items, _) = store(row_max, &order);
            let shop = items.shop("main");
            let anchor = items.item(shop, "i0");
            for other in &names[1..] {
                let other = items.item(shop, other);
                store.add(Relation::BoughtTogether, anchor, other, increment, 0.0, &items);
            }
            assert!(store.held()[Relation::BoughtTogether.index()].evictions > 0);
            left.push(names_of(&store, &items, anchor));
        }
        assert_eq!(left[0], left[1], "{row_max}");
        assert_eq!(left[0], left[2], "{row_max}");
    }
}

#[test]
fn what_goes_does_not_depend_on_where_pairs_stand() {
    let names: Vec<String> = (0..80).map(|n| format!("i{n}")).collect();
    let mut left: Vec<Vec<String>> = Vec::new();
    for forwards in [true, false] {
        let (mut store, items, ids) = store(64, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut others: Vec<usize> = (1..=64).collect();
        if !forwards {
            others.reverse();
        }
        for other in others {
            let weight = if other % 8 == 0 { 1.0 } else { 2.0 };
            let increment = Increment { weight, support: 1, day: 1 };
            store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.0, &items);
        }
        let increment = Increment { weight: 1.0, support: 1, day: 1 };
        store.add(Relation::BoughtTogether, ids[0], ids[70], increment, 0.0, &items);
        assert_eq!(store.held()[Relation::BoughtTogether.index()].evictions, 4);
        left.push(names_of(&store, &items, ids[0]));
    }
    assert_eq!(left[0], left[1]);
}

#[test]
fn a_newcomer_inherits_nothing_of_the_pair_whose_place_it_takes() {
    let names: Vec<String> = (0..18).map(|n| format!("i{n}")).collect();
    let (mut store, items, ids) = store(16, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut add = |other: usize, weight: f64, day: u16| {
        let increment = Increment { weight, support: 7, day };
        store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.0, &items);
    };
    // Bits behind those of an f32, in every pair.
    (1..=16).for_each(|other| add(other, 1.0 + f64::EPSILON * (1 << 20) as f64, 900));
    let increment = Increment { weight: 1.0, support: 1, day: 3 };
    store.add(Relation::BoughtTogether, ids[0], ids[17], increment, 0.0, &items);
    let head = store.heads[Relation::BoughtTogether.index()][ids[0].index()];
    let block = store.slabs.block_mut(head.place);
    let old_fine = block.fine(0);
    assert!(old_fine > 0, "so there was something to inherit");
    let newcomer = find(&block.keys[..16], ids[17].0).unwrap();
    let held =
        (f32::from_bits(block.weights[newcomer]), block.fine(newcomer), block.support[newcomer], block.day(newcomer));
    assert_eq!(held, (1.0, 0, 1, 3));
}

#[test]
fn a_row_keeps_all_figures_while_it_grows() {
    let names: Vec<String> = (0..700).map(|n| format!("i{n}")).collect();
    let (mut store, items, ids) = store(1000, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, &other) in (0_u16..).zip(&ids) {
        let increment = Increment { weight: f64::from(n) + 1.0, support: u32::from(n), day: n };
        store.add(Relation::AlsoBought, ids[0], other, increment, 0.0, &items);
    }
    let block = store.row(Relation::AlsoBought, ids[0]).unwrap();
    for (index, &key) in block.keys.iter().enumerate() {
        let n = u16::try_from(key).unwrap();
        let figures = (f32::from_bits(block.weights[index]), block.support[index], block.day(index));
        assert_eq!(figures, (f32::from(n) + 1.0, u32::from(n), n));
    }
    let held = store.held()[Relation::AlsoBought.index()];
    assert_eq!((held.rows, held.pairs), (1, 700));
}

#[test]
fn moving_the_landmark_changes_no_bit_of_a_mantissa() {
    let (mut store, items, ids) = store(9, &["a", "b", "c"]);
    for (other, weight) in [(1, 0.1_f64.exp2()), (2, 1e-31)] {
        let increment = Increment { weight, support: 1, day: 1 };
        store.add(Relation::BoughtTogether, ids[0], ids[other], increment, 0.0, &items);
    }
    let weights = |store: &RowStore| store.row(Relation::BoughtTogether, ids[0]).unwrap().weights.to_vec();
    let before = weights(&store);
    store.rescale(Relation::BoughtTogether, 25);
    store.rescale(Relation::BoughtTogether, 1);
    let after = weights(&store);
    assert_eq!(after[0], before[0] - (26 << 23), "only the exponent");
    assert_eq!(after[1], f32::MIN_POSITIVE.to_bits(), "present, though it underflowed");
}
