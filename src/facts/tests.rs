//! What is known of items when facts come in any order, change, and are taken back.

use super::changes::REMEMBERED_MAX;
use super::table::{MANUAL_MAX, PARENTS_MAX};
use super::*;
use crate::items::fingerprint;
use crate::list_key::ListName;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const SHOP: &str = "main";

fn roomy() -> Facts {
    Facts::new(1 << 30)
}

fn of(facts: &Facts, item: &str) -> ItemFacts {
    facts.of(fingerprint(SHOP, item))
}

fn variant_of(parent: &str) -> Catalogue<'_> {
    Catalogue { parent: Some(parent), ..Catalogue::default() }
}

fn verdict(other: &str, ruling: Ruling, until_ms: Option<i64>) -> Verdict {
    let (who, why) = (Box::from("an editor"), Box::from("tried both"));
    let fingerprint = fingerprint(SHOP, other);
    Verdict { list: None, other: Box::from(other), fingerprint, ruling, who, when_ms: 5, why, until_ms }
}

#[test]
fn of_what_nobody_has_said_anything_is_sold_in_stock_and_unpriced() {
    let facts = roomy();
    let unknown = of(&facts, "a");
    assert_eq!((unknown.is_sold, unknown.stock, unknown.price), (true, Stock::In, None));
    assert_eq!(facts.counts_as(SHOP, "a"), CountsAs::Itself);
    facts.set_catalogue(SHOP, "a", None).unwrap();
    facts.set_stock(SHOP, "a", None).unwrap();
    assert_eq!((facts.items(), facts.bytes(), facts.next_change()), (0, 0, 0), "nothing has been said");
}

#[test]
fn what_is_told_of_an_item_is_what_was_said_and_nothing_that_was_not() {
    let facts = roomy();
    let told = |item: &str| facts.shelf(fingerprint("main", item));
    let costs = |currency| Catalogue { price: Some(12.9), currency, ..Catalogue::default() };
    let (long, longest) = ("gold doubloons", "twelve bytes");
    assert_eq!((told("nobody"), longest.len()), (Shelf::default(), CURRENCY_BYTES_MAX));
    for (item, currency, is_told) in
        [("a", None, false), ("b", Some("EUR"), true), ("c", Some(long), false), ("d", Some(longest), true)]
    {
        facts.set_catalogue("main", item, Some(&costs(currency))).unwrap();
        let currency = currency.filter(|_| is_told).map(Arc::from);
        assert_eq!(told(item), Shelf { price: Some(12.9), currency, stock: None });
    }
    facts.set_catalogue("main", "e", Some(&Catalogue { currency: Some("EUR"), ..Catalogue::default() })).unwrap();
    assert_eq!(told("e"), Shelf::default(), "a currency without a price is none");
    for stock in [Some(Stock::Out), Some(Stock::Low), Some(Stock::In), None] {
        facts.set_stock("main", "e", stock).unwrap();
        assert_eq!(told("e").stock, stock);
    }
    facts.set_catalogue("main", "red", Some(&variant_of("e"))).unwrap();
    facts.set_stock("main", "red", Some(Stock::Low)).unwrap();
    assert_eq!(told("e").stock, Some(Stock::Low), "that of its variants");
}

#[test]
fn an_item_is_in_stock_while_one_of_its_variants_is() {
    let facts = roomy();
    for (variant, stock) in [("a-red", Stock::Out), ("a-blue", Stock::In), ("a-green", Stock::Low)] {
        facts.set_catalogue(SHOP, variant, Some(&variant_of("a"))).unwrap();
        facts.set_stock(SHOP, variant, Some(stock)).unwrap();
    }
    assert_eq!(of(&facts, "a").stock, Stock::In);
    facts.set_stock(SHOP, "a-blue", Some(Stock::Out)).unwrap();
    assert_eq!(of(&facts, "a").stock, Stock::Low);
    facts.set_stock(SHOP, "a-green", Some(Stock::Out)).unwrap();
    assert_eq!(of(&facts, "a").stock, Stock::Out);
    facts.set_stock(SHOP, "a", Some(Stock::In)).unwrap();
    assert_eq!(of(&facts, "a").stock, Stock::Out, "variants decide where anything is known of one");
    facts.set_catalogue(SHOP, "a-new", Some(&variant_of("a"))).unwrap();
    assert_eq!(of(&facts, "a").stock, Stock::In, "of this one nobody has said that there is none");
    let not_sold = Catalogue { active: false, ..variant_of("a") };
    facts.set_catalogue(SHOP, "a-new", Some(&not_sold)).unwrap();
    assert_eq!(of(&facts, "a").stock, Stock::Out, "what is not sold is not to be had");
    facts.set_catalogue(SHOP, "a-red", Some(&variant_of("b"))).unwrap();
    facts.set_stock(SHOP, "a-red", Some(Stock::In)).unwrap();
    assert_eq!((of(&facts, "a").stock, of(&facts, "b").stock), (Stock::Out, Stock::In), "it has moved");
    for variant in ["a-red", "a-blue", "a-green", "a-new"] {
        facts.set_stock(SHOP, variant, None).unwrap();
        facts.set_catalogue(SHOP, variant, None).unwrap();
    }
    assert_eq!((of(&facts, "a").stock, of(&facts, "b").stock), (Stock::In, Stock::In), "its own");
    facts.set_stock(SHOP, "a", None).unwrap();
    assert_eq!((facts.items(), facts.bytes()), (0, 0), "nothing is left");
}

#[test]
fn what_is_a_variant_of_a_variant_counts_as_the_topmost_and_has_its_family() {
    let facts = roomy();
    facts.set_catalogue(SHOP, "xl", Some(&variant_of("red"))).unwrap();
    facts.set_stock(SHOP, "xl", Some(Stock::Out)).unwrap();
    assert_eq!(facts.counts_as(SHOP, "xl"), CountsAs::Parent("red".into()));
    facts.set_catalogue(SHOP, "red", Some(&variant_of("shirt"))).unwrap();
    assert_eq!(facts.counts_as(SHOP, "xl"), CountsAs::Parent("shirt".into()));
    assert_eq!([of(&facts, "xl"), of(&facts, "red")].map(|facts| facts.family), [fingerprint(SHOP, "shirt"); 2]);
    assert_eq!(of(&facts, "shirt").stock, Stock::Out, "two levels up");
    facts.set_stock(SHOP, "xl", Some(Stock::Low)).unwrap();
    assert_eq!(of(&facts, "shirt").stock, Stock::Low);
    let fee = Catalogue { countable: false, ..Catalogue::default() };
    facts.set_catalogue(SHOP, "deposit", Some(&fee)).unwrap();
    facts.set_catalogue(SHOP, "large-deposit", Some(&variant_of("deposit"))).unwrap();
    assert_eq!(facts.counts_as(SHOP, "large-deposit"), CountsAs::Nothing);
    assert!(!of(&facts, "deposit").is_sold);
    assert_eq!(facts.counts_as("other", "xl"), CountsAs::Itself, "another shop's");
}

#[test]
fn where_a_parent_moves_to_another_family_its_variants_do_too_and_nobody_knows_them() {
    let facts = roomy();
    facts.set_catalogue(SHOP, "xl", Some(&variant_of("red"))).unwrap();
    let mut next = facts.next_change();
    facts.set_catalogue(SHOP, "red", Some(&variant_of("shirt"))).unwrap();
    assert_eq!(facts.changed_since(&mut next, 10), Changed::Anything);
    let mut next = facts.next_change();
    facts.set_catalogue(SHOP, "xl", Some(&variant_of("shirt"))).unwrap();
    assert_ne!(facts.changed_since(&mut next, 10), Changed::Anything, "it has none itself");
}

#[test]
fn parents_that_lead_back_are_refused_and_the_rest_of_the_fact_counts() {
    let facts = roomy();
    facts.set_catalogue(SHOP, "a", Some(&variant_of("b"))).unwrap();
    facts.set_catalogue(SHOP, "b", Some(&variant_of("c"))).unwrap();
    for (item, parent) in [("c", "a"), ("c", "c")] {
        let said = Catalogue { price: Some(3.0), ..variant_of(parent) };
        assert_eq!(facts.set_catalogue(SHOP, item, Some(&said)), Err(Refused::Loop));
        assert_eq!(of(&facts, item).price.map(|price| price.amount), Some(3.0));
    }
    assert_eq!(facts.counts_as(SHOP, "a"), CountsAs::Parent("c".into()));
    // From the topmost down, from the lowest up, and the lowest last but one: as the records of a topic may come.
    let chain: Vec<String> = (0..=PARENTS_MAX + 3).map(|n| format!("n{n}")).collect();
    let links: Vec<_> = chain.windows(2).collect();
    let downwards: Vec<_> = links.iter().copied().rev().collect();
    let lowest_last = [&links[1..PARENTS_MAX], &links[..1], &links[PARENTS_MAX..]].concat();
    for links in [downwards, links.clone(), lowest_last] {
        let facts = roomy();
        let refused: Vec<_> =
            links.iter().map(|pair| facts.set_catalogue(SHOP, &pair[0], Some(&variant_of(&pair[1])))).collect();
        assert_eq!(refused[..PARENTS_MAX], [const { Ok(()) }; PARENTS_MAX], "{links:?}");
        assert_eq!(refused[PARENTS_MAX], Err(Refused::Deep), "{links:?}");
        let tops = chain.iter().filter(|item| facts.counts_as(SHOP, item) == CountsAs::Itself);
        for item in tops.clone() {
            assert_eq!(of(&facts, item).family, fingerprint(SHOP, item), "each counts as one that counts as itself");
        }
        for item in &chain {
            if let CountsAs::Parent(top) = facts.counts_as(SHOP, item) {
                assert!(tops.clone().any(|known| **known == *top), "{item} counts as {top}");
            }
        }
    }
    // Whoever has no variants any more may stand below something again.
    let facts = roomy();
    let set = |pair: &[String], parent: Option<&str>| {
        facts.set_catalogue(SHOP, &pair[0], Some(&Catalogue { parent, ..Catalogue::default() }))
    };
    links[..PARENTS_MAX].iter().for_each(|pair| set(pair, Some(&pair[1])).unwrap());
    assert_eq!(set(links[PARENTS_MAX], Some("top")), Err(Refused::Deep));
    set(links[PARENTS_MAX - 1], None).unwrap();
    set(links[PARENTS_MAX], Some("top")).unwrap();
}

#[test]
fn categories_and_makers_are_told_apart() {
    let facts = roomy();
    let deep: Vec<String> = (0..50).map(|n| format!("level {n}")).collect();
    let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
    let said = [
        ("ink", vec!["Office", "Ink"], Some("Kyo")),
        ("paper", vec!["Office", "Paper"], Some("Kyo")),
        ("deep", deep, None),
    ];
    for (item, category, brand) in said {
        facts.set_catalogue(SHOP, item, Some(&Catalogue { category, brand, ..Catalogue::default() })).unwrap();
    }
    let (ink, paper, deep) = (of(&facts, "ink"), of(&facts, "paper"), of(&facts, "deep"));
    assert_ne!(ink.category, paper.category);
    assert_eq!((ink.brand, deep.brand), (paper.brand, None));
    let wider = |found: ItemFacts| facts.wider(found.category.unwrap());
    assert_eq!((wider(ink), wider(ink).map(|wide| facts.category(wide))), (wider(paper), Some(vec!["Office".into()])));
    assert_eq!(facts.category(deep.category.unwrap()).len(), 16, "what is deeper belongs to the last level");
}

#[test]
fn what_changes_is_told_to_each_at_its_own_pace_and_too_much_as_such() {
    let facts = roomy();
    let mut next = facts.next_change();
    facts.set_catalogue(SHOP, "v", Some(&variant_of("p"))).unwrap();
    let told = |item: &str| fingerprint(SHOP, item);
    assert_eq!(facts.changed_since(&mut next, 1), Changed::Items(vec![told("v")]));
    assert_eq!(facts.changed_since(&mut next, 9), Changed::Items(vec![told("p")]));
    facts.set_stock(SHOP, "v", Some(Stock::Out)).unwrap();
    facts.set_stock(SHOP, "v", Some(Stock::Out)).unwrap();
    assert_eq!(facts.changed_since(&mut next, 9), Changed::Items(vec![told("v"), told("p")]), "once, and the parent");
    assert_eq!(facts.changed_since(&mut next, 9), Changed::Items(vec![]));
    for n in 0..=REMEMBERED_MAX {
        facts.set_stock(SHOP, &n.to_string(), Some(Stock::Out)).unwrap();
    }
    assert_eq!(facts.changed_since(&mut next, 9), Changed::Anything);
    assert_eq!(facts.changed_since(&mut next, 9), Changed::Items(vec![]));
    let everybodys = VerdictKey { list: None, anchor: None, other: "x" };
    facts.set_verdict(SHOP, everybodys, Some(verdict("x", Ruling::Boost(2.0), None))).unwrap();
    assert_eq!(facts.changed_since(&mut next, 9), Changed::Anything, "in rows that do not show it, too");
    facts.set_verdict(SHOP, everybodys, Some(verdict("x", Ruling::Reject, None))).unwrap();
    assert_eq!(facts.changed_since(&mut next, 9), Changed::Anything, "the boost is gone");
    facts.set_verdict(SHOP, everybodys, None).unwrap();
    assert_eq!(facts.changed_since(&mut next, 9), Changed::Items(vec![told("x")]));
}

#[test]
fn what_people_say_counts_while_it_holds() {
    let facts = roomy();
    let key = RelationKey { anchor: "a", other: "b", kind: Kind::Accessory };
    let terms = RelationTerms { position: Some(2), from_ms: Some(100), until_ms: Some(200) };
    facts.set_relation(SHOP, key, Some(&terms)).unwrap();
    let verdict_key = VerdictKey { list: Some(ListName::ALL[0]), anchor: Some("a"), other: "c" };
    facts.set_verdict(SHOP, verdict_key, Some(verdict("c", Ruling::Pin(1), Some(150)))).unwrap();
    let manual = facts.manual(fingerprint(SHOP, "a")).unwrap();
    assert_eq!([99, 100, 199, 200].map(|ms| manual.relations[0].holds_at(ms)), [false, true, true, false]);
    assert_eq!([149, 150].map(|ms| manual.verdicts[0].counts_in(ListName::ALL[0], ms)), [true, false]);
    assert!(!manual.verdicts[0].counts_in(ListName::ALL[3], 149), "of one list");
    let mut next = facts.next_change();
    let mut told = |ms| {
        facts.come_to(ms);
        match facts.changed_since(&mut next, 9) {
            Changed::Items(items) => items.len(),
            Changed::Anything => panic!("only of one anchor"),
        }
    };
    assert_eq!([99, 100, 120, 150, 199, 200, 300].map(&mut told), [0, 1, 0, 1, 0, 1, 0]);
    facts.set_relation(SHOP, key, None).unwrap();
    facts.set_verdict(SHOP, verdict_key, None).unwrap();
    assert_eq!((facts.manual(fingerprint(SHOP, "a")), facts.bytes()), (None, 0));
}

#[test]
fn of_one_anchor_so_much_is_kept_and_of_all_as_much_as_there_is_room_for() {
    let facts = roomy();
    let mut refused = 0;
    for n in 0..MANUAL_MAX + 5 {
        let other = n.to_string();
        let key = VerdictKey { list: None, anchor: Some("a"), other: &other };
        let said = facts.set_verdict(SHOP, key, Some(verdict(&other, Ruling::Reject, None)));
        refused += usize::from(said == Err(Refused::Manual));
    }
    assert_eq!(refused, 5);
    let room = |facts: &Facts, other: &str| {
        let key = VerdictKey { list: None, anchor: Some("a"), other };
        facts.has_room_for(SHOP, key, &verdict(other, Ruling::Approve, None))
    };
    assert_eq!(room(&facts, "more"), Err(Refused::Manual));
    assert_eq!(room(&facts, "7"), Ok(()), "what is known can change");
    let small = Facts::new(2_000);
    let fits = (0..100).take_while(|n| {
        let other = format!("{n:0100}");
        let (room, key) = (room(&small, &other), VerdictKey { list: None, anchor: Some("a"), other: &other });
        let said = small.set_verdict(SHOP, key, Some(verdict(&other, Ruling::Approve, None)));
        assert_eq!(said, room, "it is as was said");
        room.is_ok()
    });
    let fits = fits.count();
    assert!((3..20).contains(&fits), "{fits}");
    assert_eq!(room(&small, "another"), Err(Refused::Memory));
    let small = Facts::new(2_000);
    let fits = (0..100).take_while(|n| small.set_stock(SHOP, &n.to_string(), Some(Stock::Out)).is_ok()).count();
    assert!((3..30).contains(&fits), "{fits}");
    assert_eq!(small.set_stock(SHOP, "0", Some(Stock::In)), Ok(()), "what is known can change");
    assert!(small.bytes() <= 2_000);
    // Names are kept for good: they too stop coming.
    let small = Facts::new(2_000);
    let named = |n: usize| {
        let (maker, category) = (format!("maker {n}"), format!("category {n}"));
        let said = Catalogue { brand: Some(&maker), category: vec![&category], ..Catalogue::default() };
        small.set_catalogue(SHOP, "a", Some(&said))
    };
    let fits = (0..100).take_while(|&n| named(n).is_ok()).count();
    let bytes = small.bytes();
    (100..200).for_each(|n| assert_eq!(named(n), Err(Refused::Memory)));
    assert!((2..40).contains(&fits) && bytes == small.bytes() && bytes < 3_000, "{fits} {bytes}");
}

/// What the catalogue says, of three kinds: nothing any more, something, and that the item is not sold.
fn said_of(parent: Option<&str>, kind: usize) -> Option<Catalogue<'_>> {
    let category = vec!["x"];
    (kind != 1).then_some(Catalogue { parent, category, active: kind != 2, ..Catalogue::default() })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// In whatever order facts come, in the end the table is as if only the last of each had come.
    #[test]
    fn the_order_of_facts_does_not_count(steps in prop::collection::vec((0..6_usize, 0..4_usize, 0..6_usize, 0..4_usize), 0..60)) {
        // Variants stand below parents of a lower number only: what a loop is depends on the order, and is tried apart.
        let name = |n: usize| format!("i{n}");
        let stock = |n| [None, Some(Stock::Out), Some(Stock::Low), Some(Stock::In)][n];
        let roomy = || {
            let facts = roomy(); // which keeps the names of categories
            facts.set_catalogue(SHOP, "any", said_of(None, 0).as_ref()).unwrap();
            facts
        };
        let (facts, mut last_stock, mut last_catalogue) = (roomy(), BTreeMap::new(), BTreeMap::new());
        for (item, kind, parent, what) in steps {
            if what == 0 {
                facts.set_stock(SHOP, &name(item), stock(kind)).unwrap();
                last_stock.insert(item, kind);
            } else {
                let above = (parent < item).then(|| name(parent));
                facts.set_catalogue(SHOP, &name(item), said_of(above.as_deref(), what).as_ref()).unwrap();
                last_catalogue.insert(item, (above, what));
            }
        }
        let calm = roomy();
        for (item, kind) in last_stock.into_iter().rev() {
            calm.set_stock(SHOP, &name(item), stock(kind)).unwrap();
        }
        for (item, (above, what)) in &last_catalogue {
            calm.set_catalogue(SHOP, &name(*item), said_of(above.as_deref(), *what).as_ref()).unwrap();
        }
        for item in (0..6).map(name) {
            prop_assert_eq!(of(&facts, &item), of(&calm, &item), "{}", item);
            prop_assert_eq!(facts.counts_as(SHOP, &item), calm.counts_as(SHOP, &item));
        }
        prop_assert_eq!((facts.items(), facts.bytes()), (calm.items(), calm.bytes()));
    }
}
