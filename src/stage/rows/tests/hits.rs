//! What lists are tried by.

use super::*;
use crate::relation::Bought;

/// Tests, and hits among the first 1, 4 and 10: of the list, and of counts.
type Tried = (u64, [u64; 3], [u64; 3]);

fn tried(bench: &Bench, relation: Relation) -> Tried {
    let mut all = (0, [0; 3], [0; 3]);
    for (_, tallies) in bench.stage.work().hits().by_shop() {
        let HitTally { tests, shown, counted } = tallies[relation.index()];
        all.0 += tests;
        (0..3).for_each(|at| (all.1[at], all.2[at]) = (all.1[at] + shown[at], all.2[at] + counted[at]));
    }
    all
}

fn views_tried(bench: &Bench) -> Tried {
    tried(bench, Relation::ViewedTogether)
}

/// One delta in a block of its own.
fn tell(bench: &mut Bench, lag: Lag, delta: &Delta<'_>) {
    let mut writer = PairsWriter::default();
    let (source, from) = (SourcePartition::new("events", 0), bench.written);
    let (highest, span) = (Some(EventTime(EVENT_MS)), Span { from, to: from });
    writer.open(SectionHead { source, span, highest, lag, arrived_ms: None, checksum: None });
    writer.push(bench.written, delta, &bench.items);
    bench.written = Position::start_of(bench.written.offset.after());
    writer.head().unwrap().span.to = bench.written;
    let block = writer.finish(1, &bench.items);
    bench.append(block).unwrap();
}

fn item(bench: &mut Bench, name: &str) -> ItemId {
    let shop = bench.items.shop("main");
    bench.items.item(shop, name)
}

fn basket(bench: &mut Bench, lines: &[(&str, u32)], settled: usize, is_taken_back: bool) {
    let items: Vec<_> = lines.iter().map(|&(name, repeats)| Bought { item: item(bench, name), repeats }).collect();
    let change = Change::Basket { items: &items, before: &[], settled };
    tell(bench, Lag::Live, &Delta { time: EventTime(EVENT_MS), change, is_taken_back });
}

#[test]
fn a_view_is_looked_for_in_the_list_of_the_view_before_it_as_it_was_published_last() {
    let mut bench = Bench::live(0, 1, 900);
    with_contexts(&mut bench);
    bench.views(&[("a", "b")]); // first b, then a
    assert_eq!(views_tried(&bench), (1, [0; 3], [0; 3]), "nothing had been counted");
    bench.views(&[("a", "b")]);
    assert_eq!(views_tried(&bench), (2, [0; 3], [1; 3]), "counted, but not published yet");
    bench.pass(1_000);
    bench.views(&[("a", "b")]);
    assert_eq!(views_tried(&bench), (3, [1; 3], [2; 3]));
    bench.views(&[("c", "b")]);
    assert_eq!(views_tried(&bench), (4, [1; 3], [2; 3]), "something else came");
    let (list, by_count) = (views_tried(&bench).1[0], views_tried(&bench).2);
    bench.pass(1_000);
    bench.views(&[("c", "b")]);
    assert_eq!(views_tried(&bench).1[0], list, "second in the list");
    assert_eq!(views_tried(&bench).2, [by_count[0], by_count[1] + 1, by_count[2] + 1], "and by count");
    assert_eq!(views_tried(&bench).1[1..], [2, 2]);
}

#[test]
fn of_many_viewed_before_only_the_last_one_is_asked() {
    let mut bench = Bench::live(0, 1, 900);
    let [a, b, c] = ["a", "b", "c"].map(|name| item(&mut bench, name));
    bench.stars(&[a], &[b, c]);
    assert_eq!(views_tried(&bench).0, 1);
    let [own, other] = [names_of(0, 1).remove(0), names_of(1, 1).remove(0)];
    let mut bench = Bench::live(0, 2, 900);
    let (own, other) = (item(&mut bench, &own), item(&mut bench, &other));
    bench.stars(&[own], &[other]);
    assert_eq!(views_tried(&bench).0, 0, "its owner asks");
    for (distance, asked) in [(2, 0), (1, 1)] {
        let relation = Relation::ViewedTogether;
        let change = Change::StarBack { relation, centre: other, neighbours: &[(own, distance)] };
        tell(&mut bench, Lag::Live, &Delta::counted(EventTime(EVENT_MS), change));
        assert_eq!(views_tried(&bench).0, asked, "distance {distance}");
    }
}

#[test]
fn a_line_of_an_order_is_tried_once_and_only_if_it_is_new_to_the_customer() {
    let mut bench = Bench::live(0, 1, 900);
    let lines = [("a", 0), ("b", 0), ("c", 3), ("d", 0)];
    basket(&mut bench, &lines, 0, false);
    let of_orders = |bench: &Bench| tried(bench, Relation::BoughtTogether);
    assert_eq!(of_orders(&bench).0, 2, "b behind a, d behind c");
    basket(&mut bench, &lines, 0, false);
    assert_eq!((of_orders(&bench).0, of_orders(&bench).2), (4, [2; 3]), "all in their rows weigh the same");
    basket(&mut bench, &lines, 0, true);
    assert_eq!(of_orders(&bench).0, 4, "taken back");
    basket(&mut bench, &lines, 3, false);
    assert_eq!(of_orders(&bench).0, 5, "d joins");
}

#[test]
fn of_what_led_to_an_order_the_newest_is_asked() {
    let mut bench = Bench::live(0, 1, 900);
    let ids = ["old", "new", "x", "y"].map(|name| item(&mut bench, name));
    let others = [Bought { item: ids[2], repeats: 0 }, Bought { item: ids[3], repeats: 1 }];
    let mut cross = |relation, anchors: &[ItemId], settled| {
        let change = Change::Cross { relation, anchors, settled, others: &others };
        tell(&mut bench, Lag::Live, &Delta::counted(EventTime(EVENT_MS), change));
        tried(&bench, relation)
    };
    let (also, viewed) = (Relation::AlsoBought, Relation::ViewedThenBought);
    assert_eq!(cross(also, &[ids[1]], false), (1, [0; 3], [0; 3]));
    assert_eq!(cross(also, &[ids[1], ids[0]], false), (2, [0; 3], [1; 3]), "bought stands newest first");
    assert_eq!(cross(viewed, &[ids[1]], false), (1, [0; 3], [0; 3]));
    assert_eq!(cross(viewed, &[ids[0], ids[1]], false), (2, [0; 3], [1; 3]), "viewed stands newest last");
    assert_eq!(cross(viewed, &[ids[1]], true).0, 2, "has been tried");
}

#[test]
fn nothing_is_tried_while_lists_are_silent_or_off() {
    let mut bench = Bench::live(0, 1, 900);
    with_contexts_of(&mut bench, Lag::History);
    assert_eq!(views_tried(&bench).0, 0);
    let mut setup = setup();
    setup.lists[Relation::ViewedTogether.index()].enabled = false;
    let mut bench = Bench::by_setup(0, 1, &setup);
    bench.open(900, 0, 0).unwrap();
    bench.write_opening();
    bench.views(&[("a", "b"), ("a", "b")]);
    assert_eq!(views_tried(&bench).0, 0);
}

#[test]
fn shops_beyond_so_many_are_one() {
    let mut bench = Bench::live(0, 1, 900);
    for n in 0..HIT_SHOPS_MAX + 3 {
        let shop = bench.items.shop(&format!("shop {n}"));
        let [a, b] = ["a", "b"].map(|name| bench.items.item(shop, name));
        bench.stars(&[a], &[b]);
    }
    let by_shop: Vec<_> = bench.stage.work().hits().by_shop().map(|(shop, all)| (shop, all[2].tests)).collect();
    assert_eq!(by_shop.len(), HIT_SHOPS_MAX + 1);
    assert_eq!((by_shop[0].1, by_shop[HIT_SHOPS_MAX]), (1, (None, 3)));
}
