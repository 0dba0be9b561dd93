//! Splits and questions on histories written out by hand.

use super::*;
use crate::cli::evaluate::history::Line;
use crate::cli::evaluate::lists::Candidate;
use crate::event::EventTime;

/// Orders of `(user, items)`, one a second.
fn history(orders: &[(u128, &str)]) -> History {
    let mut history = History::default();
    let shop = history.items.shop("main");
    for (number, (user, items)) in (0_i32..).zip(orders) {
        let items = items.split(' ').map(|name| history.items.item(shop, name)).collect();
        let line = Line { input: 0, number: u64::try_from(number).unwrap() };
        let time = EventTime(1_700_000_000_000 + i64::from(number) * 1000);
        history.orders.push(Order { line, time, user: UserKey(*user), items, changes: Vec::new() });
    }
    history
}

fn names(history: &History, items: &[ItemId]) -> String {
    items.iter().map(|&item| history.items.name(item)).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_last_share_of_the_orders_is_asked_about() {
    let orders: Vec<(u128, &str)> = (0..25).map(|user| (user, "a b")).collect();
    let history = history(&orders);
    for (share, tested) in [(0.1, 3), (0.5, 13), (0.99, 25), (0.001, 1)] {
        let baskets = Baskets::split(&history, share, 100, 20, 1);
        assert_eq!((baskets.trained.len(), baskets.tested.len()), (25 - tested, tested), "{share}");
        assert_eq!(baskets.questions(Target::Any), tested);
    }
}

#[test]
fn orders_of_one_item_and_bulk_orders_are_no_questions_but_have_been_bought() {
    let history = history(&[(1, "a b"), (1, "c"), (1, "d e f g"), (1, "a c d h"), (2, "a c")]);
    let baskets = Baskets::split(&history, 0.8, 4, 20, 1);
    assert_eq!((baskets.trained.len(), baskets.tested.len()), (1, 4));
    let new: Vec<String> = baskets.questions.iter().map(|question| names(&history, &question.new)).collect();
    assert_eq!(new, ["d e f g", "h", "a c"], "what an earlier order held is not new, whichever part it is of");
    assert_eq!(baskets.questions.iter().map(|question| question.number).collect::<Vec<_>>(), [1, 2, 3]);
    let three = Baskets::split(&history, 0.8, 3, 20, 1);
    let new: Vec<String> = three.questions.iter().map(|question| names(&history, &question.new)).collect();
    assert_eq!(new, ["a c"], "a bulk order is no question");
}

/// Lists by name: anchor, then candidates with their rank values.
fn lists(history: &History, all: &[(&str, &[(&str, i64)])]) -> Lists {
    let id = |name: &str| history.items.find_item("main", name).unwrap();
    let mut lists = vec![Vec::new(); history.items.len()];
    for (anchor, list) in all {
        let candidate = |&(name, rank_milli): &(&str, i64)| Candidate { item: id(name), rank_milli };
        lists[id(anchor).index()] = list.iter().map(candidate).collect();
    }
    Lists::from_parts(lists)
}

#[test]
fn values_add_up_over_the_other_items_and_ties_go_by_name() {
    let history = history(&[(1, "q r h x y z")]);
    let lists = lists(
        &history,
        &[
            ("q", &[("h", 3), ("x", 5), ("y", 4), ("r", 99)]),
            ("r", &[("h", 3), ("y", 1), ("z", 6), ("q", 99)]),
            ("h", &[("x", 1000), ("h", 1000)]),
        ],
    );
    let id = |name: &str| history.items.find_item("main", name).unwrap();
    let items = [id("q"), id("h"), id("r")];
    let mut tally = Tally::new(&history.items);
    let mut place = |wanted: &str, value: Value, at: usize| tally.place(&lists, &items, id(wanted), value, at);
    // Sums: h 6, z 6, x 5, y 5. Squares: z 36, x 25, h 18, y 17. The list of what is hidden is not asked.
    assert_eq!(place("h", Value::Sum, 20), Some(1), "h before z: by name");
    assert_eq!(place("h", Value::Squares, 20), Some(3));
    assert_eq!(place("h", Value::Squares, 2), None, "behind the first two");
    assert_eq!(place("h", Value::Sum, 20), Some(1), "nothing is left of the question before");
    let only_r = [id("r"), id("x")];
    assert_eq!(tally.place(&lists, &only_r, id("x"), Value::Sum, 20), None, "in no list of the others");
}

#[test]
fn another_seed_hides_another_item_and_every_item_gets_its_turn() {
    let mut seen = [0_u32; 7];
    for seed in 1..=20 {
        for number in 0..100 {
            seen[choice(seed, number, 7)] += 1;
        }
    }
    assert!(seen.iter().all(|&times| (200..380).contains(&times)), "{seen:?}");
    assert_eq!(choice(1, 1, 0), 0);
}

#[test]
fn popularity_skips_what_the_order_shows() {
    let history = history(&[(1, "a b c d"), (1, "a b c"), (1, "b c"), (1, "e")]);
    let popularity = Popularity::of(history.orders[..3].iter().flat_map(|order| order.items.iter().copied()), &history);
    let id = |name: &str| history.items.find_item("main", name).unwrap();
    let place = |wanted: &str, shown: &[ItemId]| popularity.place(id(wanted), shown, 3);
    assert_eq!([place("b", &[]), place("c", &[]), place("a", &[]), place("d", &[])], [Some(1), Some(2), Some(3), None]);
    assert_eq!(place("d", &[id("b"), id("d")]), Some(3), "what is hidden stays a candidate");
    assert_eq!(place("e", &[]), None, "never counted");
}
