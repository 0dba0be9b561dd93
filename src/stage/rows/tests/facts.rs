//! One partition of rows whose lists go by facts: whatever changes, what subscribers have is what a ranking of every row now would give.

use super::*;
use crate::facts::{Catalogue, Kind, RelationKey, RelationTerms, Ruling, Stock, Verdict, VerdictKey};
use crate::rank::{Place, Said};
use crate::stage::rows::shown::{CHANGES_MAX, MARKED_MAX};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn by_facts(facts: &Arc<Facts>) -> RowsSetup {
    let publish = PublishRules { min_score_step_milli: 0, ..setup().publish };
    let mut lists = ListRules::defaults();
    for rules in &mut lists {
        (rules.length, rules.reserve) = (3, 2);
    }
    RowsSetup { lists, publish, facts: Some(Arc::clone(facts)), ..setup() }
}

/// A stage that has nothing to catch up with, and facts that are there.
fn live(facts: &Arc<Facts>) -> Bench {
    facts.come_to(WALL_MS);
    let mut bench = Bench::by_setup(0, 1, &by_facts(facts));
    bench.open(900, 0, 0).unwrap();
    bench.write_opening();
    bench
}

fn complete() -> Arc<Facts> {
    let facts = Arc::new(Facts::new(1 << 30));
    facts.complete();
    facts
}

fn verdict(ruling: Ruling) -> Verdict {
    let (who, why, other) = (Box::from("an editor"), Box::from("tried"), Box::from(""));
    Verdict { list: None, other, fingerprint: 0, ruling, who, when_ms: 1, why, until_ms: None }
}

fn out(facts: &Facts, item: &str) {
    facts.set_stock("main", item, Some(Stock::Out)).unwrap();
}

fn say(facts: &Facts, anchor: Option<&str>, other: &str, ruling: Option<Ruling>) {
    facts.set_verdict("main", VerdictKey { list: None, anchor, other }, ruling.map(verdict)).unwrap();
}

fn relate(facts: &Facts, anchor: &str, other: &str, kind: Kind, terms: Option<RelationTerms>) {
    facts.set_relation("main", RelationKey { anchor, other, kind }, terms.as_ref()).unwrap();
}

/// What subscribers have: by key, what is shown.
type Held = BTreeMap<String, Vec<String>>;

/// The same of what is in reserve.
fn note_reserve(held: &mut Held, seen: &Seen) {
    for record in &seen.records {
        held.insert(record.key(), record.reserve.iter().map(|entry| entry.item.to_string()).collect());
    }
}

fn note(held: &mut Held, seen: Seen) {
    for record in seen.records {
        let shown: Vec<String> = record.entries.iter().map(|entry| entry.item.to_string()).collect();
        if record.tombstone {
            assert!(held.remove(&record.key()).is_some(), "{} was buried, and nobody had it", record.key());
        } else {
            held.insert(record.key(), shown);
        }
    }
}

fn names(records: &[ListRecord<'_>], item: &str) -> Vec<Vec<String>> {
    let of_item = records.iter().filter(|record| record.list == "viewed-together" && record.item == item);
    of_item.map(|record| record.entries.iter().map(|entry| entry.item.to_string()).collect()).collect()
}

/// What they would have if every row were ranked now: by the explanation, which asks for everything.
fn naive(bench: &Bench) -> Held {
    let work = bench.stage.work();
    let mut all = Held::new();
    for (item, list) in
        work.rows().items().ids().flat_map(|item| Relation::ALL.map(|relation| (item, ListName::of(relation))))
    {
        let name = work.rows().items().name(item).to_owned();
        let explanation = work.explain(list, "main", &name, usize::MAX).unwrap();
        let shown = explanation.candidates.into_iter().filter(|known| matches!(known.place, Some(Place::Shown(_))));
        let shown: Vec<String> = shown.map(|known| known.item).collect();
        if !shown.is_empty() {
            all.insert(format!("main/{}/{name}", list.name()), shown);
        }
    }
    all
}

#[derive(Clone, Debug)]
enum Step {
    Views(Vec<(u8, u8)>),
    Stock(u8, Option<Stock>),
    Catalogue(u8, Option<(bool, Option<u8>)>),
    Relation(u8, u8, Kind, Option<RelationTerms>),
    Verdict(Option<u8>, u8, Option<Ruling>),
    Time(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let item = || 0_u8..14;
    let stock = prop_oneof![Just(None), Just(Some(Stock::In)), Just(Some(Stock::Low)), Just(Some(Stock::Out))];
    let parent = prop_oneof![2 => Just(None), 1 => (20_u8..23).prop_map(Some)];
    let ruling = prop_oneof![
        Just(Ruling::Approve),
        Just(Ruling::Reject),
        (1_u16..5).prop_map(Ruling::Pin),
        Just(Ruling::Boost(0.5)),
        Just(Ruling::Boost(2.0)),
    ];
    let kind = prop_oneof![Just(Kind::Alternative), Just(Kind::Never), Just(Kind::Complement)];
    let time = || prop_oneof![2 => Just(None), 1 => (0_i64..60_000).prop_map(|ms| Some(WALL_MS + ms))];
    let terms = (prop_oneof![Just(None), (1_u16..6).prop_map(Some)], time(), time());
    let terms = terms.prop_map(|(position, from_ms, until_ms)| RelationTerms { position, from_ms, until_ms });
    prop_oneof![
        3 => prop::collection::vec((item(), item()), 1..8).prop_map(Step::Views),
        6 => (item(), stock).prop_map(|(item, stock)| Step::Stock(item, stock)),
        2 => (item(), prop::option::of((prop::bool::weighted(0.8), parent))).prop_map(|(item, said)| Step::Catalogue(item, said)),
        2 => (0_u8..17, item(), kind, prop::option::of(terms)).prop_map(|(a, b, kind, terms)| Step::Relation(a, b, kind, terms)),
        3 => (prop::option::weighted(0.8, item()), item(), prop::option::of(ruling)).prop_map(|(a, b, r)| Step::Verdict(a, b, r)),
        1 => (1_i64..20_000).prop_map(Step::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_changes_what_subscribers_have_is_what_a_ranking_of_everything_would_give(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let facts = complete();
        let mut bench = live(&facts);
        let (mut held, mut reserves) = (Held::new(), Held::new());
        contexts(&mut bench, Lag::Live);
        let name = |item: u8| format!("i{item}");
        for step in steps {
            match &step {
                Step::Views(pairs) => {
                    let pairs: Vec<_> = pairs.iter().filter(|(a, b)| a != b).map(|&(a, b)| (name(a), name(b))).collect();
                    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
                    note(&mut held, bench.views(&pairs));
                    let rest = bench.tell(Fact::Rest).unwrap(); // totals shift lists whose rows did not change
                    note_reserve(&mut reserves, &rest);
                    note(&mut held, rest);
                }
                Step::Stock(item, stock) => facts.set_stock("main", &name(*item), *stock).unwrap(),
                Step::Catalogue(item, said) => {
                    let parent = said.and_then(|(_, parent)| parent).map(name);
                    let said = said.map(|(active, _)| Catalogue { active, parent: parent.as_deref(), ..Catalogue::default() });
                    facts.set_catalogue("main", &name(*item), said.as_ref()).unwrap();
                }
                Step::Relation(a, b, kind, terms) if a != b => relate(&facts, &name(*a), &name(*b), *kind, *terms),
                Step::Relation(..) => {}
                Step::Verdict(anchor, other, ruling) if *anchor != Some(*other) => {
                    say(&facts, anchor.map(name).as_deref(), &name(*other), *ruling);
                }
                Step::Verdict(..) => {}
                Step::Time(ms) => bench.monotonic_ms += ms,
            }
            let pass_ms = setup().publish.min_interval_ms;
            facts.come_to(WALL_MS + bench.monotonic_ms + pass_ms);
            for ms in [pass_ms, 1] {
                let seen = bench.pass(ms);
                note_reserve(&mut reserves, &seen);
                note(&mut held, seen);
            }
            prop_assert_eq!(&held, &naive(&bench), "after {:?}", step);
            for (key, item) in reserves.iter().flat_map(|(key, items)| items.iter().map(move |item| (key, item))) {
                let known = facts.of(fingerprint("main", item));
                let is_to_be_had = known.is_sold && known.stock != Stock::Out;
                prop_assert!(is_to_be_had, "{} is in reserve of {}, after {:?}", item, key, step);
            }
        }
    }
}

#[test]
fn nothing_is_published_before_all_facts_are_there_and_nothing_sold_out_then() {
    let facts = Arc::new(Facts::new(1 << 30));
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    bench.views(&[("a", "b"), ("a", "c")]);
    assert_eq!(bench.pass(60_000).records, []);
    let rest = bench.tell(Fact::Rest).unwrap();
    assert_eq!((rest.records, bench.pass(60_000).records), (vec![], vec![]), "nor at rest");
    out(&facts, "b");
    assert!(!bench.stage.is_busy(), "waiting is no work");
    facts.complete();
    let seen = bench.pass(20);
    assert_eq!((names(&seen.records, "a"), seen.records.len()), (vec![vec!["c".to_owned()]], 3), "{seen:?}");
}

#[test]
fn a_change_ranks_the_lists_that_it_touches_and_no_other_and_what_is_back_in_stock_comes_back() {
    let facts = complete();
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    bench.views(&[("a", "b"), ("a", "c"), ("a", "d"), ("e", "f")]);
    bench.pass(1);
    bench.pass(600); // the sweep of the start
    let ranked = bench.ranked();
    out(&facts, "b");
    let seen = bench.pass(600);
    assert_eq!(names(&seen.records, "a"), [["c", "d"]]);
    assert_eq!(bench.ranked() - ranked, 2, "a, which shows b, and b's own");
    facts.set_stock("main", "b", Some(Stock::In)).unwrap();
    assert_eq!(names(&bench.pass(600).records, "a"), [["b", "c", "d"]]);
    facts.set_stock("main", "b", Some(Stock::Low)).unwrap();
    assert_eq!(names(&bench.pass(600).records, "a"), [["c", "d", "b"]]);
    facts.set_stock("main", "nobody-has-met-it", Some(Stock::Out)).unwrap();
    assert_eq!(bench.pass(600).records, []);
    assert!(bench.stage.work().bytes_by_kind().iter().any(|(kind, bytes)| *kind == "shown" && *bytes > 0));
}

/// A list is ranked at most once in its interval, whatever changes.
#[test]
fn changes_of_facts_respect_the_interval() {
    let facts = complete();
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    bench.views(&[("a", "b"), ("a", "c")]);
    bench.pass(1);
    let mut published = 0;
    for n in 0..40 {
        facts.set_stock("main", "b", Some([Stock::Out, Stock::In][n % 2])).unwrap();
        published += names(&bench.pass(100).records, "a").len();
    }
    assert!((2..=8).contains(&published), "{published} in 4 s of changes");
}

#[test]
fn what_is_in_reserve_and_sold_out_is_replaced_though_nothing_shown_changes() {
    let facts = complete();
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    bench.views(&[("a", "b"), ("a", "c"), ("a", "d"), ("a", "e"), ("a", "f")]);
    bench.pass(1);
    out(&facts, "e");
    let seen = bench.pass(600);
    let record = seen.records.iter().find(|record| record.item == "a").unwrap();
    assert_eq!(record.entries.len(), 3);
    assert!(record.reserve.iter().all(|entry| entry.item != "e"), "{record:?}");
}

/// What subscribers have in reserve may have lost its place by rank since, and nobody told them: it ran out all the same.
#[test]
fn what_was_told_to_be_in_reserve_is_watched_also_where_others_have_its_place_by_now() {
    let facts = complete();
    facts.come_to(WALL_MS);
    let by_order = PublishRules { min_score_step_milli: 100_000, ..setup().publish };
    let mut bench = Bench::by_setup(0, 1, &RowsSetup { publish: by_order, ..by_facts(&facts) });
    bench.open(900, 0, 0).unwrap();
    bench.write_opening();
    contexts(&mut bench, Lag::Live);
    let times = |bench: &mut Bench, others: &[&str], times: usize| {
        let pairs: Vec<(&str, &str)> = (0..times).flat_map(|_| others.iter().map(|other| ("a", *other))).collect();
        bench.views(&pairs);
        bench.pass(600);
        bench.pass(600).records
    };
    times(&mut bench, &["b", "c", "d"], 9);
    times(&mut bench, &["e", "f"], 1);
    say(&facts, Some("a"), "b", Some(Ruling::Approve)); // which is news, with what is in reserve
    let told = bench.pass(600).records;
    let reserve = |records: &[ListRecord<'_>]| {
        let record = records.iter().find(|record| record.item == "a").unwrap();
        record.reserve.iter().map(|entry| entry.item.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(reserve(&told), ["e", "f"]);
    assert_eq!(names(&times(&mut bench, &["g", "h"], 4), "a"), [[""; 0]; 0], "only the reserve has changed");
    out(&facts, "e");
    assert_eq!(reserve(&bench.pass(600).records), ["g", "h"]);
}

#[test]
fn a_best_seller_is_taken_out_of_many_lists_in_bounded_steps() {
    let facts = complete();
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    let lists = MARKED_MAX + 500;
    let pairs: Vec<(String, &str)> = (0..lists).map(|n| (format!("a{n}"), "best")).collect();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (a.as_str(), *b)).collect();
    bench.views(&pairs);
    let mut held = Held::new();
    note(&mut held, bench.pass(1));
    bench.pass(600); // the sweep of the start
    assert_eq!(held.len(), lists + 1);
    out(&facts, "best");
    bench.monotonic_ms += 600;
    let clock = Clock { wall_ms: WALL_MS + bench.monotonic_ms, monotonic_ms: bench.monotonic_ms };
    let before = bench.ranked();
    note(&mut held, bench.tell(Fact::Clock(clock)).unwrap());
    assert_eq!(bench.stage.work().shown.as_ref().unwrap().left(), 500, "marked {MARKED_MAX} of {lists}");
    assert!(bench.ranked() - before <= RANKED_MAX as u64 && bench.stage.is_busy());
    while bench.stage.is_busy() {
        let before = bench.ranked();
        note(&mut held, bench.tell(Fact::Continue).unwrap());
        assert!(bench.ranked() - before <= RANKED_MAX as u64);
    }
    assert_eq!((held.len(), held.contains_key(&key("best"))), (1, true), "its own list stays");
}

/// Where anything may have changed, all that people said is looked at: that too in steps.
#[test]
fn what_people_said_of_many_anchors_is_looked_at_in_bounded_steps() {
    let facts = complete();
    let anchors = CHANGES_MAX + 300;
    for n in 0..anchors {
        relate(&facts, &format!("a{n}"), "b", Kind::Alternative, Some(RelationTerms::default()));
    }
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    bench.monotonic_ms += 1;
    let clock = Clock { wall_ms: WALL_MS + bench.monotonic_ms, monotonic_ms: bench.monotonic_ms };
    let mut held = Held::new();
    note(&mut held, bench.tell(Fact::Clock(clock)).unwrap());
    assert_eq!(bench.stage.work().shown.as_ref().unwrap().left(), 300, "looked at {CHANGES_MAX} of {anchors}");
    while bench.stage.is_busy() {
        note(&mut held, bench.tell(Fact::Continue).unwrap());
    }
    let of_anchors = |held: &Held| held.keys().filter(|key| key.starts_with("main/viewed-together/a")).count();
    assert_eq!(of_anchors(&held), anchors);

    // Where no list shows such relations, nothing else keeps the stage at it.
    let mut setup = by_facts(&facts);
    setup.lists.iter_mut().for_each(|rules| rules.shown.relations.clear());
    let mut bench = Bench::by_setup(0, 1, &setup);
    bench.open(900, 0, 0).unwrap();
    bench.write_opening();
    bench.tell(Fact::Clock(clock)).unwrap();
    assert_eq!((bench.stage.is_busy(), bench.stage.work().shown.as_ref().unwrap().left()), (true, 300));
    bench.tell(Fact::Continue).unwrap();
    assert_eq!((bench.stage.is_busy(), bench.stage.work().shown.as_ref().unwrap().left()), (false, 0));
}

#[test]
fn what_nobody_has_counted_is_shown_where_people_want_it() {
    let facts = complete();
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    bench.views(&[("a", "b")]);
    bench.pass(1);
    relate(&facts, "a", "new", Kind::Alternative, Some(RelationTerms::default()));
    relate(&facts, "newer", "b", Kind::Upsell, Some(RelationTerms { position: Some(2), ..RelationTerms::default() }));
    relate(&facts, "newest", "b", Kind::Complement, Some(RelationTerms::default())); // this list shows no such
    say(&facts, Some("b"), "pinned", Some(Ruling::Pin(1)));
    let seen = bench.pass(600);
    assert_eq!(names(&seen.records, "a"), [["new", "b"]]);
    assert_eq!(names(&seen.records, "newer"), [["b"]], "of an item that nobody has counted, too");
    assert_eq!(names(&seen.records, "b"), [["pinned", "a"]]);
    let viewed = |record: &&ListRecord<'_>| record.list == "viewed-together";
    assert_eq!(seen.records.iter().filter(viewed).count(), 3, "{:?}", seen.lists);
    let entry =
        |item: &str| seen.records.iter().filter(viewed).find(|record| record.item == item).unwrap().entries[0].clone();
    let (new, pinned) = (entry("a"), entry("b"));
    assert_eq!((new.source, new.relation, new.verdict), (Source::Manual, Some(Kind::Alternative), None));
    assert_eq!((pinned.source, pinned.relation, pinned.verdict), (Source::Pinned, None, Some(Said::Pinned)));
    for entry in [new, pinned] {
        let figures = [entry.score, entry.weight, entry.confidence, entry.lift, entry.llr_root];
        assert_eq!((figures, entry.support, entry.last_seen), ([0.0; 5], 0, Day(0)));
    }
    relate(&facts, "newer", "b", Kind::Upsell, None);
    let seen = bench.pass(600);
    assert_eq!(
        seen.lists.iter().map(|(key, _, gone)| (key.clone(), *gone)).collect::<Vec<_>>(),
        [(key("newer"), true)]
    );
}

/// A stage that starts again knows of no list of an item that nobody has counted: people want it all the same.
#[test]
fn what_people_want_is_met_at_the_start_too() {
    let facts = complete();
    relate(&facts, "new", "b", Kind::Alternative, Some(RelationTerms::default()));
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    assert_eq!(names(&bench.pass(600).records, "new"), [["b"]]);
}

#[test]
fn what_people_said_begins_and_ends_to_hold_by_the_wall_clock() {
    let facts = complete();
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    bench.views(&[("a", "b")]);
    bench.pass(1);
    let terms = RelationTerms { from_ms: Some(WALL_MS + 5_000), until_ms: Some(WALL_MS + 9_000), position: None };
    relate(&facts, "a", "new", Kind::Alternative, Some(terms));
    let mut passed = |ms: i64| {
        facts.come_to(WALL_MS + bench.monotonic_ms + ms);
        names(&bench.pass(ms).records, "a")
    };
    assert_eq!(passed(4_000), [[""; 0]; 0]);
    assert_eq!(passed(1_000), [["new", "b"]]);
    assert_eq!(passed(3_900), [[""; 0]; 0]);
    assert_eq!(passed(100), [["b"]]);
}

#[test]
fn a_verdict_on_what_is_shown_is_told_though_nothing_moves() {
    let facts = complete();
    let mut bench = live(&facts);
    contexts(&mut bench, Lag::Live);
    bench.views(&[("a", "b"), ("a", "c")]);
    bench.pass(1);
    say(&facts, Some("a"), "b", Some(Ruling::Approve));
    let seen = bench.pass(600);
    let verdicts: Vec<_> = seen.records.iter().flat_map(|record| record.entries.iter().map(|e| e.verdict)).collect();
    assert_eq!(
        (names(&seen.records, "a"), verdicts),
        (vec![vec!["b".to_owned(), "c".to_owned()]], vec![Some(Said::Approved), None])
    );
}

fn price(facts: &Facts, item: &str, price: f64) {
    let catalogue = Catalogue { price: Some(price), currency: Some("EUR"), ..Catalogue::default() };
    facts.set_catalogue("main", item, Some(&catalogue)).unwrap();
}

fn telling(facts: &Arc<Facts>, sweep_ms: i64) -> RowsSetup {
    let by_facts = by_facts(facts);
    RowsSetup { publish: PublishRules { tells_facts: true, sweep_ms, ..by_facts.publish }, ..by_facts }
}

/// An entry, and what is told of it: price, currency, stock.
type ToldOf = (String, Option<f64>, Option<String>, Option<Stock>);

/// What is told of the entries about `a`, the newest.
fn told(records: &[ListRecord<'_>]) -> Option<Vec<ToldOf>> {
    let record = records.iter().rev().find(|record| record.list == "viewed-together" && record.item == "a")?;
    let of = |entry: &EntryRecord<'_>| {
        let currency = entry.currency.as_deref().map(str::to_owned);
        (entry.item.to_string(), entry.price, currency, entry.stock)
    };
    Some(record.entries.iter().chain(&record.reserve).map(of).collect())
}

#[test]
fn entries_tell_price_and_stock_and_one_that_changes_alone_goes_out_with_the_sweep() {
    const SWEEP_MS: i64 = 1_000_000;
    let facts = complete();
    facts.come_to(WALL_MS);
    price(&facts, "b", 12.9);
    facts.set_stock("main", "b", Some(Stock::In)).unwrap();
    facts.set_stock("main", "d", Some(Stock::Low)).unwrap();
    let mut bench = Bench::by_setup(0, 1, &telling(&facts, SWEEP_MS));
    bench.open(900, 0, 0).unwrap();
    bench.write_opening();
    contexts(&mut bench, Lag::Live);
    let mut seen = bench.views(&[("a", "b"), ("a", "b"), ("a", "b"), ("a", "c"), ("a", "c"), ("a", "d")]);
    seen.records.extend(bench.pass(600).records);
    let known =
        |item: &str, price: Option<f64>, stock| (item.to_owned(), price, price.map(|_| "EUR".to_owned()), stock);
    let expected = |price| {
        [known("b", Some(price), Some(Stock::In)), known("c", None, None), known("d", None, Some(Stock::Low))].to_vec()
    };
    assert_eq!(told(&seen.records), Some(expected(12.9)));

    bench.pass(SWEEP_MS); // and rest
    bench.pass(600);
    price(&facts, "b", 9.9);
    assert_eq!(told(&bench.pass(600).records), None, "a price alone is no news at once");
    assert_eq!(told(&bench.pass(SWEEP_MS).records), Some(expected(9.9)), "but the sweep's");
    assert_eq!(told(&bench.pass(SWEEP_MS).records), None, "once");

    let mut silent = live(&facts);
    contexts(&mut silent, Lag::Live);
    let mut seen = silent.views(&[("a", "b"), ("a", "b"), ("a", "b")]);
    seen.records.extend(silent.pass(600).records);
    assert_eq!(told(&seen.records), Some(vec![known("b", None, None)]), "nothing, unless it is asked for");
}

#[test]
fn a_list_that_changes_all_the_time_tells_its_prices_within_a_sweep_too() {
    const SWEEP_MS: i64 = 20_000;
    let facts = complete();
    facts.come_to(WALL_MS);
    let telling = telling(&facts, SWEEP_MS);
    let publish = PublishRules { min_score_step_milli: 100_000, ..telling.publish };
    let mut bench = Bench::by_setup(0, 1, &RowsSetup { publish, ..telling });
    bench.open(900, 0, 0).unwrap();
    bench.write_opening();
    contexts(&mut bench, Lag::Live);
    bench.views(&[("a", "b"), ("a", "b"), ("a", "b")]);
    bench.pass(600);
    price(&facts, "b", 9.9);
    let mut records = Vec::new();
    for _ in 0..SWEEP_MS / 300 + 5 {
        records.extend(bench.views(&[("a", "b")]).records);
        records.extend(bench.pass(300).records);
    }
    assert_eq!(told(&records).map(|told| told[0].1), Some(Some(9.9)));
    assert_eq!(records.iter().filter(|record| record.item == "a").count(), 1);
}

/// What subscribers have, as far as the lists log goes, is what a new owner finds there.
#[test]
fn a_new_owner_sends_no_price_again_and_tells_the_one_that_has_changed_meanwhile() {
    let facts = complete();
    facts.come_to(WALL_MS);
    price(&facts, "b", 12.9);
    price(&facts, "d", 3.0);
    let views = [("a", "b"), ("a", "b"), ("a", "b"), ("c", "d"), ("c", "d"), ("c", "d")];
    let mut first = Bench::by_setup(0, 1, &telling(&facts, 1 << 40));
    first.open(900, 0, 0).unwrap();
    first.write_opening();
    contexts(&mut first, Lag::Live);
    let mut seen = first.views(&views);
    seen.records.extend(first.pass(600).records);
    let left: Vec<ListRecord<'static>> = seen.records;
    assert!(left.iter().any(|record| record.item == "c") && told(&left).is_some());

    price(&facts, "d", 4.0);
    let mut second = Bench::by_setup(0, 1, &telling(&facts, 1 << 40));
    second.open(901, first.log.len() as u64, left.len() as u64).unwrap();
    let mut after = Vec::new();
    for (offset, block) in (0..).zip(&first.log) {
        after.extend(second.pairs(offset, block).unwrap().records);
    }
    for (offset, record) in (0..).zip(&left) {
        let landed = RowsRecord::List(Landed::of(record, Some(record.stamp())));
        let fact = Fact::Record { input: RowsInput::Lists, offset: NextOffset(offset), record: landed };
        after.extend(second.tell(fact).unwrap().records);
    }
    assert_eq!(*second.stage.phase(), Phase::Live);
    after.extend(second.pass(1).records);
    after.extend(second.pass(600).records);
    let keys: Vec<String> = after.iter().map(ListRecord::key).collect();
    assert_eq!(keys, [key("c")], "{after:?}");
    assert_eq!(after[0].entries[0].price, Some(4.0));
}
