//! The fast way against the plain one, and the order as a property.

use super::*;
use crate::event::EventTime;
use crate::items::ItemId;
use crate::position::Partition;
use crate::relation::{Bought, Change, Delta, Relation};
use crate::rows::Rows;
use crate::rules::{CountingRules, ListRules, Measure};
use proptest::prelude::*;

/// Rows that counted these orders, interned in the order of `first_met`.
pub(super) fn counted(orders: &[(i64, Vec<(u16, u32)>)], first_met: &[u16]) -> Rows {
    let rules = CountingRules { half_life_ms: [1_000_000; 5], ..CountingRules::default() };
    let mut rows = Rows::new(&rules, Partition(0), 1);
    let shop = rows.items_mut().shop("main");
    for name in first_met {
        rows.items_mut().item(shop, &format!("i{name}"));
    }
    let mut touched = Vec::new();
    for (time, order) in orders {
        let mut items: Vec<Bought> = Vec::new();
        for &(name, repeats) in order {
            let item = rows.items_mut().item(shop, &format!("i{name}"));
            if items.iter().all(|known| known.item != item) {
                items.push(Bought { item, repeats });
            }
        }
        let context = Change::Context { shop, relation: Relation::BoughtTogether };
        rows.apply(&Delta::counted(EventTime(*time), context), &mut touched);
        rows.apply(
            &Delta::counted(EventTime(*time), Change::Basket { items: &items, before: &[], settled: 0 }),
            &mut touched,
        );
    }
    rows
}

pub(super) fn orders() -> impl Strategy<Value = Vec<(i64, Vec<(u16, u32)>)>> {
    // Few distinct times and items, so that ties are common.
    let line = (0_u16..40, prop_oneof![4 => Just(0_u32), 1 => Just(1_u32)]);
    proptest::collection::vec(((0_i64..3).prop_map(|t| t * 500_000), proptest::collection::vec(line, 1..9)), 1..120)
}

pub(super) fn rules() -> impl Strategy<Value = ListRules> {
    let measures = [Measure::Score, Measure::Count, Measure::Cosine, Measure::Lift, Measure::Llr];
    let exponents = [0.0, 0.25, 0.5, 0.7, 1.0];
    let roots = [None, Some(0.5), Some(2.5)];
    let choice = (
        proptest::sample::select(measures.to_vec()),
        proptest::sample::select(exponents.to_vec()),
        0_u32..4,
        proptest::sample::select(roots.to_vec()),
        any::<bool>(),
        (0_usize..12, 0_usize..6),
    );
    choice.prop_map(|(measure, specificity, min_support, min_llr_root, lift_above_one, (length, reserve))| ListRules {
        measure,
        specificity,
        min_support,
        min_llr_root,
        lift_above_one,
        length,
        reserve,
        ..ListRules::of(Relation::BoughtTogether)
    })
}

/// A list by names.
fn named(rows: &Rows, list: &List) -> Vec<(String, u32, i64, u64)> {
    list.entries
        .iter()
        .map(|e| (rows.items().name(e.item).to_owned(), e.score_milli, e.rank_milli, e.llr_root.to_bits()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_fast_way_and_the_explanation_give_one_list(orders in orders(), rules in rules()) {
        let rows = counted(&orders, &[]);
        let mut ranker = Ranker::new(rules.clone());
        for anchor in rows.items().ids() {
            let row = rows.row(Relation::BoughtTogether, anchor);
            let list = ranker.rank(&row);
            let explanation = explain(&row, &rules, usize::MAX, None);
            for candidates_max in [0, row.len() / 2, row.len()] {
                let best = explain(&row, &rules, candidates_max, None);
                prop_assert_eq!(best.left_out, row.len() - candidates_max);
                prop_assert_eq!(&best.candidates[..], &explanation.candidates[..candidates_max]);
            }
            let json = serde_json::to_string(&explanation).unwrap();
            let again: Explanation = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(again.candidates.len(), explanation.candidates.len());
            let placed: Vec<_> = explanation.candidates.iter().filter(|c| c.place.is_some()).collect();
            prop_assert_eq!(explanation.candidates.len(), row.len());
            prop_assert!(explanation.candidates.iter().all(|c| c.place.is_some() != c.gate.is_some()));
            prop_assert_eq!(placed.len(), list.entries.len());
            for (n, (entry, candidate)) in list.entries.iter().zip(&placed).enumerate() {
                prop_assert_eq!(rows.items().name(entry.item), candidate.item.as_str());
                prop_assert_eq!(entry.rank_milli, candidate.rank_milli);
                prop_assert_eq!(f64::from(entry.score_milli) / 1000.0, candidate.score);
                prop_assert_eq!(entry.support, candidate.support);
                prop_assert_eq!(entry.last_seen, candidate.last_seen);
                prop_assert_eq!(entry.llr_root, candidate.llr_root);
                prop_assert_eq!(entry.figures.pair, candidate.weight);
                let place = if n < rules.length { Place::Shown(n + 1) } else { Place::Reserve(n + 1 - rules.length) };
                prop_assert_eq!(candidate.place, Some(place));
            }
            prop_assert_eq!(list.shown, list.entries.len().min(rules.length));
            prop_assert_eq!(list.shown().len() + list.reserve().len(), list.entries.len());
        }
    }

    #[test]
    fn a_list_does_not_depend_on_numbers_or_places(orders in orders(), first_met in proptest::collection::vec(0_u16..40, 40)) {
        let rules = ListRules { min_support: 0, min_llr_root: None, ..ListRules::of(Relation::BoughtTogether) };
        let (rows, other_rows) = (counted(&orders, &[]), counted(&orders, &first_met));
        let mut ranker = Ranker::new(rules);
        for anchor in rows.items().ids() {
            let same = other_rows.items().find_item("main", rows.items().name(anchor)).unwrap();
            let list = ranker.rank(&rows.row(Relation::BoughtTogether, anchor));
            let other = ranker.rank(&other_rows.row(Relation::BoughtTogether, same));
            prop_assert_eq!(named(&rows, &list), named(&other_rows, &other));
        }
    }
}

#[test]
fn ties_break_by_evidence_and_then_by_name() {
    // Anchor 0 with 1, 2 and 3 once each, alike in everything; 10 stands in front of 2 as bytes.
    let orders: Vec<_> = [2, 10, 1].into_iter().map(|other| (0, vec![(0, 0), (other, 0)])).collect();
    let rows = counted(&orders, &[]);
    let rules = ListRules {
        min_support: 1,
        min_llr_root: None,
        lift_above_one: false,
        ..ListRules::of(Relation::BoughtTogether)
    };
    let anchor = rows.items().find_item("main", "i0").unwrap();
    let list = Ranker::new(rules).rank(&rows.row(Relation::BoughtTogether, anchor));
    let names: Vec<_> = named(&rows, &list).into_iter().map(|entry| entry.0).collect();
    assert_eq!(names, ["i1", "i10", "i2"]);
}

#[test]
fn an_entry_explains_its_score() {
    let mut orders: Vec<_> = (0..20).map(|n| (0, vec![(0, 0), (1 + n % 2, 0)])).collect();
    orders.extend((0..80).map(|n| (0, vec![(3 + n % 5, 0)])));
    let rows = counted(&orders, &[]);
    let anchor = rows.items().find_item("main", "i0").unwrap();
    let list = Ranker::new(ListRules::of(Relation::BoughtTogether)).rank(&rows.row(Relation::BoughtTogether, anchor));
    assert_eq!((list.entries.len(), list.shown), (2, 2));
    let Entry { figures, support, score_milli, rank_milli, .. } = list.entries[0];
    assert_eq!((figures.pair, figures.anchor, figures.other, figures.contexts), (10.0, 20.0, 10.0, 100.0));
    assert_eq!((support, figures.confidence(), figures.lift()), (10, 0.5, 5.0));
    assert_eq!(f64::from(score_milli), (100_000.0 * wilson_lower(10.0, 20.0)).round());
    assert_eq!(rank_milli as f64, (100_000.0 * wilson_lower(10.0, 20.0) * 10.0_f64.sqrt()).round());
    assert_eq!(list.entries[0].last_seen.to_string(), "1970-01-01");
}

#[test]
fn a_list_that_was_ranked_into_before_holds_nothing_of_it() {
    let orders: Vec<_> = (0..20_u16).map(|n| (i64::from(n), vec![(0, 0), (1, 0), (2 + n % 2, 0)])).collect();
    let rows = counted(&orders, &[]);
    let rules = ListRules { min_support: 1, min_llr_root: None, ..ListRules::of(Relation::BoughtTogether) };
    let mut ranker = Ranker::new(ListRules { lift_above_one: false, ..rules });
    let of = |name: &str| rows.row(Relation::BoughtTogether, rows.items().find_item("main", name).unwrap());
    let mut list = ranker.rank(&of("i0"));
    assert_eq!((list.entries.len(), list.is_empty()), (3, false));
    ranker.rank_into(&of("i2"), &mut list);
    assert_eq!(list, ranker.rank(&of("i2")));
    assert_ne!(list.key, ranker.rank(&of("i0")).key);
    let (key, as_of) = (ranker.rank(&of("i0")).key, EventTime(7));
    list.clear(key, as_of);
    assert_eq!(list, List { as_of, ..List::empty(key) });
    assert!(list.is_empty() && list.shown().is_empty() && list.reserve().is_empty());
}

#[test]
fn a_candidate_whose_totals_are_missing_has_no_rank_and_the_explanation_counts_what_it_leaves_out() {
    let orders: Vec<_> = (0..4).map(|n| (0, vec![(0, 0), (1 + n % 2, 0)])).collect();
    let rows = counted(&orders, &[]);
    let rules = ListRules { measure: Measure::Count, min_support: 0, ..ListRules::of(Relation::BoughtTogether) };
    let mut row = rows.row(Relation::BoughtTogether, rows.items().find_item("main", "i0").unwrap());
    assert_eq!(explain(&row, &rules, 9, None).candidates.iter().map(|c| c.rank_milli).collect::<Vec<_>>(), [2_000; 2]);
    row.contexts = 0.0;
    let explanation = explain(&row, &rules, 9, None);
    let told: Vec<_> = explanation.candidates.iter().map(|c| (c.rank_milli, c.gate)).collect();
    assert_eq!(told, [(0, Some(Gate::Totals)); 2]);
    let left_out = |explanation: &Explanation| serde_json::to_value(explanation).unwrap().get("left_out").cloned();
    assert_eq!(left_out(&explanation), None);
    assert_eq!(left_out(&explain(&row, &rules, 1, None)), Some(1.into()));
}

#[test]
fn an_item_without_row_has_an_empty_list() {
    let rows = counted(&[(0, vec![(0, 0)])], &[]);
    let row = rows.row(Relation::AlsoBought, ItemId(0));
    assert!(row.is_empty() && Ranker::new(ListRules::of(Relation::AlsoBought)).rank(&row).is_empty());
}
