//! Ways to ask, on sessions written out by hand.

use super::*;
use crate::cli::evaluate::history::Line;
use crate::cli::evaluate::lists::Candidate;

/// One session of views, a second apart, and lists of `(anchor, candidates with their rank values)`.
fn asked(session: &str, lists: &[(&str, &[(&str, i64)])], target: Target, way: Way) -> Vec<Option<usize>> {
    let mut history = History::default();
    let shop = history.items.shop("main");
    for (number, name) in (0_i32..).zip(session.split(' ')) {
        let line = Line { input: 0, number: u64::try_from(number).unwrap() };
        let time = EventTime(1_700_000_000_000 + i64::from(number) * 1000);
        let item = history.items.item(shop, name);
        history.views.push(View { line, time, user: UserKey(1), item });
    }
    let mut id = |name: &str| history.items.item(shop, name);
    let lists: Vec<(ItemId, Vec<Candidate>)> = lists
        .iter()
        .map(|(anchor, list)| {
            let list = list.iter().map(|&(name, rank_milli)| Candidate { item: id(name), rank_milli }).collect();
            (id(anchor), list)
        })
        .collect();
    let mut by_anchor = vec![Vec::new(); history.items.len()];
    lists.into_iter().for_each(|(anchor, list)| by_anchor[anchor.index()] = list);
    let sessions = Sessions::split(&history, 20);
    let lists = Lists::from_parts(by_anchor);
    let mut places = Vec::new();
    let mut recent = Vec::new();
    sessions.answers(target, |seen, wanted| {
        let place = sessions.place_after(&lists, seen, wanted, target, way, &mut recent);
        places.push(place);
        place
    });
    places
}

const LISTS: &[(&str, &[(&str, i64)])] = &[
    ("a", &[("x", 90), ("y", 60), ("b", 50)]),
    ("b", &[("z", 50), ("y", 40), ("a", 30), ("x", 20)]),
    ("c", &[("c", 9)]),
];

#[test]
fn the_list_of_the_view_before_is_asked_as_it_stands() {
    assert_eq!(asked("a b x", LISTS, Target::Next, Way::Last), [Some(3), Some(4)]);
    assert_eq!(asked("a b a y", LISTS, Target::Next, Way::Last), [Some(3), Some(3), Some(2)]);
    assert_eq!(asked("a a", LISTS, Target::Next, Way::Last), [None], "the anchor is no candidate");
    assert_eq!(asked("c c", LISTS, Target::Next, Way::Last), [None], "not even where a list names it");
}

#[test]
fn asked_for_new_items_those_seen_are_neither_questions_nor_candidates() {
    assert_eq!(asked("a b a x", LISTS, Target::New, Way::Last), [Some(3), Some(1)]);
    assert_eq!(asked("a b x", LISTS, Target::New, Way::Last), [Some(3), Some(3)], "a, before it, has been seen");
}

#[test]
fn lists_combine_with_weights_that_fall_with_distance() {
    // After a, b: z 50, y 40 + 60/2 = 70, a 30, x 20 + 90/2 = 65.
    assert_eq!(asked("a b y", LISTS, Target::Next, Way::Combined), [Some(3), Some(1)]);
    assert_eq!(asked("a b x", LISTS, Target::Next, Way::Combined), [Some(3), Some(2)]);
    // b again is no step further: its list has the weight 1, that of a 1/2.
    assert_eq!(asked("a b b z", LISTS, Target::Next, Way::Combined), [Some(3), None, Some(3)]);
    // Five distinct items later a's list is forgotten.
    assert_eq!(asked("a c d e f x", LISTS, Target::Next, Way::Combined).last(), Some(&Some(1)));
    assert_eq!(asked("a c d e f g x", LISTS, Target::Next, Way::Combined).last(), Some(&None));
}
