//! What a person should look at: which entries, in which order, and what takes them off.

use super::*;
use crate::facts::{Catalogue, Ruling, Verdict, VerdictKey};
use crate::rules::DAY_MS;
use crate::stage::rows::review::{Doubt, Doubtful, REVIEW_MAX, REVIEW_SHOPS_MAX, ReviewQueue};

fn live(facts: Option<&Arc<Facts>>) -> Bench {
    facts.iter().for_each(|facts| facts.come_to(WALL_MS));
    let mut lists = ListRules::defaults();
    for rules in &mut lists {
        (rules.length, rules.reserve) = (10, 2);
    }
    let mut bench = Bench::by_setup(0, 1, &RowsSetup { facts: facts.cloned(), lists, ..setup() });
    bench.open(900, 0, 0).unwrap();
    bench.write_opening();
    bench
}

fn complete() -> Arc<Facts> {
    let facts = Arc::new(Facts::new(1 << 30));
    facts.complete();
    facts
}

fn say(facts: &Facts, anchor: &str, other: &str, ruling: Option<Ruling>) {
    let (who, why, no_other) = (Box::from(""), Box::from(""), Box::from(""));
    let verdict =
        |ruling| Verdict { list: None, other: no_other, fingerprint: 0, ruling, who, when_ms: 1, why, until_ms: None };
    facts.set_verdict("main", VerdictKey { list: None, anchor: Some(anchor), other }, ruling.map(verdict)).unwrap();
}

/// Counts of one time: each pair so often.
fn counted(bench: &mut Bench, day: i64, pairs: &[(&str, &str, usize)]) {
    counted_in(bench, "main", day, pairs);
}

fn counted_in(bench: &mut Bench, shop: &str, day: i64, pairs: &[(&str, &str, usize)]) {
    let mut writer = PairsWriter::default();
    let (source, from) = (SourcePartition::new("events", 0), bench.written);
    let time = EventTime((EVENT_MS / DAY_MS + day) * DAY_MS + DAY_MS / 2);
    let (highest, span) = (Some(time), Span { from, to: from });
    writer.open(SectionHead { source, span, highest, lag: Lag::Live, arrived_ms: None, checksum: None });
    let shop = bench.items.shop(shop);
    let relation = Relation::ViewedTogether;
    let mut push = |bench: &mut Bench, change: Change<'_>| {
        writer.push(bench.written, &Delta::counted(time, change), &bench.items);
        bench.written = Position::start_of(bench.written.offset.after());
    };
    for &(one, other, times) in pairs {
        let (one, other) = (bench.items.item(shop, one), bench.items.item(shop, other));
        for _ in 0..times {
            push(bench, Change::Context { relation, shop });
            push(bench, Change::Star { relation, centre: one, neighbours: &[other] });
            push(bench, Change::Star { relation, centre: other, neighbours: &[] });
        }
    }
    writer.head().unwrap().span.to = bench.written;
    let block = writer.finish(1, &bench.items);
    bench.append(block).unwrap();
    bench.pass(2_000);
}

fn queue(bench: &Bench) -> Vec<(String, String, Doubtful)> {
    let items = bench.stage.work().rows().items();
    let (total, entries) = bench.stage.work().to_review("main");
    let entries: Vec<_> = entries
        .map(|entry| (items.name(entry.anchor).to_owned(), items.name(entry.other).to_owned(), *entry))
        .collect();
    assert_eq!(entries.len(), total);
    entries
}

fn doubts(bench: &Bench, anchor: &str, other: &str) -> Vec<&'static str> {
    let queue = queue(bench);
    let found = queue.iter().find(|(a, o, _)| (a.as_str(), o.as_str()) == (anchor, other));
    found.map(|(.., entry)| entry.doubts.iter().map(Doubt::name).collect()).unwrap_or_default()
}

#[test]
fn what_one_week_made_is_told_from_what_comes_all_the_time() {
    let mut bench = live(None);
    for week in 0..4 {
        counted(&mut bench, 7 * week, &[("a", "steady", 5), ("a", "spread", 1), ("x", "y", 9)]);
    }
    counted(&mut bench, 20, &[("a", "fad", 3)]);
    counted(&mut bench, 23, &[("a", "fad", 3)]);
    counted(&mut bench, 24, &[("a", "two", 2)]);
    assert_eq!(doubts(&bench, "a", "fad"), [""; 0], "it may still go on");
    counted(&mut bench, 32, &[("a", "steady", 5)]);
    assert_eq!(doubts(&bench, "a", "fad"), ["one_week"]);
    assert_eq!(doubts(&bench, "a", "spread"), ["thin"], "over weeks, and few");
    assert_eq!(doubts(&bench, "a", "two"), ["thin"], "two often come in one week");
    assert_eq!(doubts(&bench, "a", "steady"), [""; 0]);
    counted(&mut bench, 40, &[("a", "fad", 1)]);
    assert_eq!(doubts(&bench, "a", "fad"), [""; 0], "it went on");
    counted(&mut bench, 24 + 61, &[("x", "y", 1)]);
    bench.tell(Fact::Rest).unwrap();
    bench.pass(2_000);
    assert!(doubts(&bench, "a", "two").contains(&"old"), "{:?}", doubts(&bench, "a", "two"));
}

#[test]
fn a_verdict_takes_an_entry_off_and_its_deletion_brings_it_back() {
    let facts = complete();
    let mut bench = live(Some(&facts));
    counted(&mut bench, 0, &[("a", "b", 40), ("a", "c", 3), ("d", "c", 2)]);
    assert_eq!(doubts(&bench, "a", "c"), ["thin"]);
    for ruling in [Ruling::Approve, Ruling::Pin(1), Ruling::Boost(1.5), Ruling::Reject] {
        say(&facts, "a", "c", Some(ruling));
        bench.pass(2_000);
        assert_eq!(doubts(&bench, "a", "c"), [""; 0], "{ruling:?}");
        say(&facts, "a", "c", None);
        bench.pass(2_000);
        assert_eq!(doubts(&bench, "a", "c"), ["thin"], "without {ruling:?}");
    }
}

#[test]
fn what_was_rejected_elsewhere_and_what_is_far_apart_comes_first() {
    let facts = complete();
    for (item, category) in [("a", "tools"), ("b", "tools"), ("c", "food"), ("e", "tools")] {
        let category = vec![category, "more"];
        facts.set_catalogue("main", item, Some(&Catalogue { category, ..Catalogue::default() })).unwrap();
    }
    say(&facts, "z", "b", Some(Ruling::Reject));
    say(&facts, "c", "a", Some(Ruling::Reject));
    let mut bench = live(Some(&facts));
    counted(&mut bench, 0, &[("a", "b", 40), ("a", "c", 40), ("a", "e", 40), ("a", "f", 40)]);
    let found = |bench: &Bench| {
        let names = |(anchor, other, entry): (String, String, Doubtful)| {
            (anchor, other, entry.doubts.iter().map(Doubt::name).collect::<Vec<_>>().join(" "))
        };
        queue(bench)
            .into_iter()
            .map(names)
            .filter(|(anchor, ..)| anchor == "a")
            .map(|(_, other, why)| (other, why))
            .collect::<Vec<_>>()
    };
    let expected = [("c", "rejected_turned far_apart"), ("b", "rejected_elsewhere")];
    assert_eq!(found(&bench), expected.map(|(other, why)| (other.to_owned(), why.to_owned())));
    assert_eq!((facts.rejections(fingerprint("main", "b")), facts.rejections(fingerprint("main", "e"))), (1, 0));
    say(&facts, "z", "b", Some(Ruling::Boost(1.2)));
    say(&facts, "c", "a", None);
    assert_eq!(facts.rejections(fingerprint("main", "b")), 0, "the last one counts");
    counted(&mut bench, 0, &[("a", "b", 1)]);
    assert_eq!(found(&bench), [("c".to_owned(), "far_apart".to_owned())]);
}

#[test]
fn what_the_same_anchor_does_without_in_another_list_is_not_rejected_elsewhere() {
    let facts = complete();
    let mut bench = live(Some(&facts));
    let said = |anchor: &str, list: &str, ruling: Option<Ruling>| {
        let (who, why, other) = (Box::from(""), Box::from(""), Box::from(""));
        let list = ListName::find(list);
        let verdict =
            ruling.map(|ruling| Verdict { list, other, fingerprint: 0, ruling, who, when_ms: 1, why, until_ms: None });
        facts.set_verdict("main", VerdictKey { list, anchor: Some(anchor), other: "b" }, verdict).unwrap();
    };
    said("a", "also-bought", Some(Ruling::Reject));
    said("a", "bought-together", Some(Ruling::Reject));
    counted(&mut bench, 0, &[("a", "b", 40), ("a", "c", 40)]);
    assert_eq!(doubts(&bench, "a", "b"), [""; 0]);
    said("z", "also-bought", Some(Ruling::Reject));
    counted(&mut bench, 0, &[("a", "b", 1)]);
    assert_eq!(doubts(&bench, "a", "b"), ["rejected_elsewhere"]);
}

#[test]
fn the_queue_keeps_what_is_most_in_need_and_most_shown_and_no_more() {
    let mut bench = live(None);
    let names: Vec<(String, String)> = (0..REVIEW_MAX + 200).map(|n| (format!("a{n}"), format!("b{n}"))).collect();
    let pairs: Vec<_> = names.iter().enumerate().map(|(n, (a, b))| (a.as_str(), b.as_str(), 3 + n % 2)).collect();
    counted(&mut bench, 0, &pairs);
    let others: Vec<_> = names.iter().map(|(a, _)| (a.as_str(), "all", 20)).collect();
    counted(&mut bench, 0, &others);
    let queue = queue(&bench);
    assert_eq!(queue.len(), REVIEW_MAX);
    let ranks: Vec<_> = queue.iter().map(|(.., entry)| (entry.doubts.need(), entry.shown_milli)).collect();
    assert!(ranks.is_sorted_by(|one, other| one >= other), "most in need, then most shown");
    let bytes = bench.stage.work().bytes_by_kind();
    let (_, bytes) = bytes.iter().find(|(kind, _)| *kind == "review").unwrap();
    assert!((100_000..400_000).contains(bytes), "{bytes} bytes of {REVIEW_MAX} entries");
    assert_eq!(bench.stage.work().to_review("other").0, 0);
    // What leaves makes room: what had none comes when its list is ranked again.
    let gone: Vec<_> = names.iter().take(REVIEW_MAX / 2).map(|(a, b)| (a.as_str(), b.as_str(), 5)).collect();
    counted(&mut bench, 0, &gone);
    bench.tell(Fact::Rest).unwrap();
    bench.pass(2_000);
    let left = REVIEW_MAX + 200 - REVIEW_MAX / 2;
    assert_eq!(bench.stage.work().to_review("main").0, left);
}

#[test]
fn a_shop_beyond_the_last_that_has_a_queue_is_told_from_one_that_nobody_has_met() {
    let mut bench = live(None);
    for number in 0..=REVIEW_SHOPS_MAX {
        counted_in(&mut bench, &format!("s{number}"), 0, &[("a", "b", 2), ("a", "all", 20)]);
    }
    let of = |shop: usize| {
        let name = format!("s{shop}");
        (bench.stage.work().review_queue(&name), bench.stage.work().to_review(&name).0 > 0)
    };
    assert_eq!(of(REVIEW_SHOPS_MAX - 1), (ReviewQueue::Kept, true));
    assert_eq!(of(REVIEW_SHOPS_MAX), (ReviewQueue::NotKept, false));
    assert_eq!(bench.stage.work().review_queue("typo"), ReviewQueue::Unmet);
}

#[test]
fn the_queue_waits_until_every_list_has_had_its_turn() {
    let mut lists = ListRules::defaults();
    for exposure_max in [None, Some(0.5)] {
        lists.iter_mut().for_each(|rules| rules.exposure_max = exposure_max);
        let mut bench = Bench::by_setup(0, 1, &RowsSetup { lists: lists.clone(), ..setup() });
        bench.open(0, 3, 0).unwrap();
        bench.write_opening();
        with_contexts(&mut bench);
        let of_step = 3 * RANKED_MAX;
        bench.many_views(of_step / 2);
        assert_eq!(*bench.stage.phase(), Phase::Live);
        let waits = |bench: &Bench| bench.stage.work().is_review_waiting();
        assert!(waits(&bench), "nothing has been ranked");
        bench.tell(Fact::Clock(Clock::at(WALL_MS))).unwrap();
        let mut steps = 1;
        while bench.stage.is_busy() && waits(&bench) {
            bench.tell(Fact::Continue).unwrap();
            steps += 1;
        }
        let ranked: u64 = bench.stage.work().tally().ranked.iter().sum();
        assert!((3..20).contains(&steps) && ranked >= of_step as u64, "{steps} steps, {ranked} ranked");
        assert!(!waits(&bench));
        bench.tell(Fact::Rest).unwrap();
        assert!(!waits(&bench), "a later sweep finds a queue that is whole");
    }
}
