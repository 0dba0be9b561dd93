//! What lists of several items make together.

use super::*;
use crate::facts::{Kind, RelationKey, RelationTerms, Ruling, Verdict, VerdictKey};
use crate::rank::{Day, score_milli};
use std::borrow::Cow;

fn list(name: &str) -> ListName {
    ListName::find(name).unwrap()
}

fn rules() -> Vec<ListRules> {
    ListName::ALL.into_iter().map(ListRules::of_list).collect()
}

/// An entry counted `pair` times of 100, among 10,000 contexts.
fn entry(item: &str, pair: f64, other: f64) -> EntryRecord<'_> {
    let figures = Figures::new(pair, 100.0, other, 10_000.0);
    EntryRecord {
        item: Cow::Borrowed(item),
        score: f64::from(score_milli(figures.score())) / 1000.0,
        support: 10,
        weight: pair,
        anchor_weight: 100.0,
        other_weight: other,
        contexts: 10_000.0,
        confidence: figures.confidence(),
        lift: figures.lift(),
        llr_root: figures.llr_root(),
        source: Source::Counted,
        last_seen: Day(20_000),
        verdict: None,
        relation: None,
        list: None,
        price: None,
        currency: None,
        stock: None,
    }
}

fn filled(item: &str, source: Source) -> EntryRecord<'_> {
    EntryRecord { source, ..entry(item, 0.0, 50.0) }
}

fn part<'a>(weight: f64, of: &'a str, entries: Vec<EntryRecord<'a>>) -> Part<'a> {
    let list = Cow::Borrowed("bought-together");
    let (shop, item) = (Cow::Borrowed("main"), Cow::Borrowed(of));
    let record = ListRecord {
        shop,
        list,
        item,
        entries,
        reserve: Vec::new(),
        tombstone: false,
        as_of: 0,
        epoch: 1,
        sequence: 1,
    };
    Part { weight, record }
}

fn wish<'a>(combining: Combining, given: &'a [&'a str], rules: &'a [ListRules]) -> Wish<'a> {
    let (shop, list) = ("main", list("bought-together"));
    Wish { shop, list, combining, given, excluded: &[], limit: 10, rules, facts: None }
}

fn items<'a>(recommended: &[Recommended<'a>]) -> Vec<&'a str> {
    recommended.iter().map(|known| known.item).collect()
}

/// The rank value of an entry, by the formula in the docs.
fn by_hand(entry: &EntryRecord<'_>, rules: &[ListRules]) -> f64 {
    let specificity = rules[list("bought-together").index()].specificity;
    100.0
        * crate::rank::wilson_lower(entry.weight, entry.anchor_weight)
        * (entry.contexts / entry.other_weight).powf(specificity)
}

#[test]
fn of_a_basket_squares_are_added_and_of_a_session_the_latest_count_most() {
    let rules = rules();
    let (strong, weak, weaker) = (entry("x", 40.0, 300.0), entry("y", 20.0, 300.0), entry("y", 24.0, 300.0));
    let parts = [part(1.0, "a", vec![strong.clone(), weak.clone()]), part(1.0, "b", vec![weaker.clone()])];
    let basket = combine(&wish(Combining::Basket, &["a", "b"], &rules), &parts, None);
    assert_eq!(items(&basket), ["x", "y"], "one strong reason before two weak ones");
    let squares = by_hand(&weak, &rules).powi(2) + by_hand(&weaker, &rules).powi(2);
    assert!((basket[1].value / squares - 1.0).abs() < 1e-4, "{} and {squares}", basket[1].value);
    let reasons: Vec<_> = basket[1].because.iter().map(|because| (because.item, because.place)).collect();
    assert_eq!(reasons, [("b", 1), ("a", 2)], "the stronger one first");

    let weighed = Combining::Session.weigh(&["a", "b", "a", "c"]);
    assert_eq!(weighed, [("c", 1.0), ("a", 0.5), ("b", 1.0 / 3.0)]);
    assert_eq!(Combining::Session.weigh(&["1", "2", "3", "4", "5", "6"]).len(), RECENT_MAX);
    assert_eq!(Combining::Basket.weigh(&["a", "b", "a"]), [("b", 1.0), ("a", 1.0)]);
    let parts = [part(1.0, "c", vec![weak.clone()]), part(0.5, "a", vec![strong.clone(), weaker.clone()])];
    let session = combine(&wish(Combining::Session, &["a", "c"], &rules), &parts, None);
    let sum = by_hand(&weak, &rules) + by_hand(&weaker, &rules) / 2.0;
    assert_eq!(items(&session), ["y", "x"]);
    assert!((session[0].value / sum - 1.0).abs() < 1e-4);
}

#[test]
fn neither_what_was_given_nor_what_is_excluded_nor_more_than_wanted_is_recommended() {
    let rules = rules();
    let parts = [part(1.0, "a", ["b", "c", "d", "e", "f"].map(|item| entry(item, 30.0, 100.0)).to_vec())];
    let wish = Wish { excluded: &["c"], limit: 2, ..wish(Combining::Basket, &["a", "b"], &rules) };
    assert_eq!(items(&combine(&wish, &parts, None)), ["d", "e"]);
}

#[test]
fn what_nothing_counted_brings_stands_behind_and_the_shop_last() {
    let rules = rules();
    let parts = [
        part(1.0, "a", vec![entry("x", 9.0, 300.0), filled("p", Source::Second), filled("q", Source::Category)]),
        part(1.0, "b", vec![filled("q", Source::Category)]),
    ];
    let shop = part(1.0, "*", vec![entry("best", 90.0, 90.0), entry("x", 80.0, 90.0)]);
    let given = ["a", "b"];
    let recommended = combine(&wish(Combining::Basket, &given, &rules), &parts, Some(&shop.record));
    assert_eq!(items(&recommended), ["x", "q", "p", "best"]);
    let sources: Vec<_> = recommended.iter().map(|known| known.source).collect();
    assert_eq!(sources, [Source::Counted, Source::Category, Source::Second, Source::Shop]);
    assert!(recommended[0].value > 0.0 && recommended[1].value == 0.0);
    assert_eq!(recommended[3].because[0].item, "*");
}

#[test]
fn what_people_moved_is_worth_what_stands_behind_it_and_wins_ties() {
    let rules = rules();
    let pinned = EntryRecord { source: Source::Pinned, verdict: Some(Said::Pinned), ..entry("pinned", 0.0, 90.0) };
    let boosted_down = EntryRecord { verdict: Some(Said::Boosted), ..entry("down", 90.0, 90.0) };
    let parts = [part(
        1.0,
        "a",
        vec![pinned, entry("x", 40.0, 100.0), entry("y", 30.0, 100.0), boosted_down, entry("z", 5.0, 100.0)],
    )];
    let recommended = combine(&wish(Combining::Basket, &["a"], &rules), &parts, None);
    assert_eq!(items(&recommended), ["pinned", "x", "y", "down", "z"], "as the list itself has it");
}

#[test]
fn places_decide_where_values_are_of_different_kinds() {
    let rules = rules();
    let (given, list) = (["a", "b"], list("cart"));
    let parts = [
        part(1.0, "a", ["x", "y"].map(|item| entry(item, 30.0, 100.0)).to_vec()),
        part(1.0, "b", vec![entry("y", 1.0, 100.0)]),
    ];
    let recommended = combine(&Wish { list, ..wish(Combining::Basket, &given, &rules) }, &parts, None);
    assert_eq!(items(&recommended), ["y", "x"]);
    assert_eq!(recommended[0].value, 0.0);
}

#[test]
fn figures_that_are_no_numbers_break_nothing() {
    let rules = rules();
    let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0]
        .map(|other_weight| EntryRecord { other_weight, ..entry("odd", 30.0, 100.0) });
    for odd in odd {
        let parts = [part(1.0, "a", vec![odd, entry("x", 30.0, 100.0)])];
        let recommended = combine(&wish(Combining::Basket, &["a"], &rules), &parts, None);
        assert!(recommended.iter().all(|known| known.value.is_finite()));
        assert_eq!(recommended.len(), 2);
    }
}

#[test]
fn what_is_known_of_items_holds_for_the_whole() {
    use crate::facts::{Catalogue, Facts};
    let mut rules = rules();
    rules[list("bought-together").index()].category_max = Some(2);
    let facts = Facts::new(1 << 20);
    let catalogue = |parent: Option<&'static str>, category: &'static str| Catalogue {
        parent,
        category: vec![category],
        ..Catalogue::default()
    };
    for (item, parent, category) in [
        ("red", Some("shirt"), "shirts"),
        ("blue", Some("shirt"), "shirts"),
        ("tool-1", None, "tools"),
        ("tool-2", None, "tools"),
        ("tool-3", None, "tools"),
        ("sock-l", Some("sock"), "socks"),
        ("sock-m", Some("sock"), "socks"),
    ] {
        facts.set_catalogue("main", item, Some(&catalogue(parent, category))).unwrap();
    }
    facts.set_stock("main", "gone", Some(Stock::Out)).unwrap();
    let verdict = |ruling| Verdict {
        list: None,
        other: "bad".into(),
        fingerprint: fingerprint("main", "bad"),
        ruling,
        who: "ann".into(),
        when_ms: 0,
        why: "".into(),
        until_ms: None,
    };
    let key = VerdictKey { list: None, anchor: Some("b"), other: "bad" };
    facts.set_verdict("main", key, Some(verdict(Ruling::Reject))).unwrap();
    let never = RelationKey { anchor: "b", other: "never", kind: Kind::Never };
    facts.set_relation("main", never, Some(&RelationTerms::default())).unwrap();
    facts.complete();

    let names = ["blue", "gone", "bad", "never", "sock-l", "sock-m", "tool-1", "tool-2", "tool-3", "plain"];
    let parts = [part(1.0, "a", names.map(|item| entry(item, 30.0, 100.0)).to_vec())];
    let given = ["red", "a", "b"];
    let with = Wish { facts: Some(&facts), ..wish(Combining::Basket, &given, &rules) };
    // By name, as all else is equal: no other shirt, nothing sold out, rejected or never together with b, one sock, two tools.
    let recommended = combine(&with, &parts, None);
    let mut shown = items(&recommended);
    shown.sort_unstable();
    assert_eq!(shown, ["plain", "sock-l", "tool-1", "tool-2"]);
    assert_eq!(combine(&wish(Combining::Basket, &given, &rules), &parts, None).len(), names.len(), "nothing is known");
}
