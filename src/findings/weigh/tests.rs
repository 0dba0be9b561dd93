//! What is told of which events, and that nothing is told of good ones.

use super::*;
use crate::event::{Action, Event, EventKey, EventTime, OrderStep, UserKeys};
use crate::position::{NextOffset, Partition};
use crate::rules::DAY_MS;

/// 2026-01-05 08:00 UTC.
const START_MS: i64 = 1_767_600_000_000;
const MINUTE_MS: i64 = 60_000;

#[derive(Default)]
struct Made {
    profile: Profile,
    records: u64,
    rejected: u64,
    before: Option<EventTime>,
}

impl Made {
    fn add(&mut self, user: &str, ts: i64, action: Action<'_>) {
        // A shop may stand before the user.
        let (shop, user) = user.split_once('/').unwrap_or(("main", user));
        let event = Event { shop: shop.into(), user: user.into(), time: EventTime(ts), key: EventKey(0), action };
        let key = UserKeys::new([0; 16]).key(shop, user);
        let at = At { partition: Partition(0), record: NextOffset(self.records) };
        self.profile.observe(&event, key, at, self.before);
        self.before = Some(event.time);
        self.records += 1;
    }

    fn view(&mut self, user: &str, ts: i64, item: &str) {
        self.add(user, ts, Action::View { item: item.into(), session: None });
    }

    fn order(&mut self, user: &str, ts: i64, items: &[&str]) {
        let items = items.iter().map(|&item| item.into()).collect();
        self.add(
            user,
            ts,
            Action::Order { step: OrderStep::State, order_id: "".into(), version: None, items, money: None },
        );
    }

    fn source<'a>(&'a self, name: &'a str) -> Source<'a> {
        Source {
            name,
            profile: &self.profile,
            records: self.records,
            rejected: self.rejected,
            reason: Some("missing_field"),
            place: &|at| format!("record {}", at.record.0),
        }
    }
}

/// `users` who view two items of ten and order them ten minutes later, one an hour; each id and time as `change` says.
fn shop(users: u32, mut change: impl FnMut(&mut Made, &str, i64, [&str; 2])) -> Made {
    let mut made = Made::default();
    for n in 0..users {
        let (user, items) = (format!("u{n}"), [format!("item-{}", n % 30), format!("item-{}", (n + 1) % 30)]);
        let time_ms = START_MS + i64::from(n) * 61 * MINUTE_MS + i64::from(n % 7) * 1_000;
        change(&mut made, &user, time_ms, [&items[0], &items[1]]);
    }
    made
}

fn usual(made: &mut Made, user: &str, ts: i64, items: [&str; 2]) {
    made.view(user, ts, items[0]);
    made.view(user, ts + MINUTE_MS, items[1]);
    made.order(user, ts + 10 * MINUTE_MS, &items);
}

fn kinds(sources: &[Source<'_>], counted: Option<&Counted>) -> Vec<Kind> {
    find(sources, counted).into_iter().map(|finding| finding.kind).collect()
}

fn alone(made: &Made) -> Vec<Finding> {
    find(&[made.source("shop.jsonl")], None)
}

#[test]
fn of_a_usual_shop_nothing_is_told() {
    for users in [1, 9, 40, 5000] {
        assert_eq!(alone(&shop(users, usual)), [], "{users}");
    }
}

#[test]
fn a_source_that_holds_nothing_or_of_which_nothing_is_used_says_so() {
    let mut made = Made::default();
    assert_eq!(kinds(&[made.source("a")], None), [Kind::Empty]);
    (made.records, made.rejected) = (40, 30);
    let found = find(&[made.source("a")], None);
    assert_eq!(found[0].kind, Kind::NothingUsed);
    assert_eq!(
        found[0].what,
        "a: none of its 40 records became an event; 30 were rejected, mostly missing_field; 10 were passed over"
    );
    let mut made = shop(30, usual);
    (made.records, made.rejected) = (120, 30);
    assert_eq!(
        alone(&made)[0].what,
        "a: 25 % of its 120 records were rejected, mostly missing_field".replace("a:", "shop.jsonl:")
    );
    (made.records, made.rejected) = (120, 20);
    assert_eq!(alone(&made), []);
}

#[test]
fn orders_of_one_item_each_are_told_and_one_of_two_is_enough() {
    let lines = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        made.view(user, ts, items[0]);
        made.order(user, ts + MINUTE_MS, &[items[0]]);
        made.order(user, ts + MINUTE_MS, &[items[1], items[1]]);
    };
    let mut made = shop(30, lines);
    assert_eq!(alone(&made)[0].what, "shop.jsonl: none of its 60 orders has two items");
    let mut joined = shop(30, lines);
    joined.profile.events[EventType::Add as usize] = 1;
    assert_eq!(alone(&joined), [], "lines that join make baskets");
    made.order("u", START_MS, &["item-1", "item-2"]);
    assert_eq!(alone(&made), []);
    let mut many = shop(300, lines);
    many.order("u", START_MS, &["item-1", "item-2"]);
    assert_eq!(alone(&many)[0].what, "shop.jsonl: next to none of its 601 orders has two items (1)");
}

#[test]
fn a_guest_is_told_with_a_place_and_without_a_name() {
    let guest = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        made.view(user, ts, items[0]);
        let number: u32 = user[1..].parse().unwrap();
        made.order(if number % 2 == 1 { "guest@shop" } else { user }, ts + MINUTE_MS, &items);
    };
    let found = alone(&shop(100, guest));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].kind, Kind::OneUser);
    assert!(found[0].what.starts_with("shop.jsonl: one user has at least 4"), "{}", found[0].what);
    assert!(found[0].what.ends_with("of its 100 orders (first met at record 3)"), "{}", found[0].what);
    assert!(!found[0].what.contains("guest"));
}

#[test]
fn a_guest_in_a_long_stream_has_the_share_that_he_has() {
    let guest = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        let number: u32 = user[1..].parse().unwrap();
        made.order(if number % 5 < 2 { "guest@shop" } else { user }, ts, &items);
    };
    let found = alone(&shop(200_000, guest));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].what.contains("at least 3") || found[0].what.contains("at least 40 %"), "{}", found[0].what);
    assert!(found[0].what.contains("of its 200000 orders"), "{}", found[0].what);
}

#[test]
fn how_much_is_much_for_one_user_depends_on_how_many_there_are() {
    let told = |customers: u32, share_of_one: u32| {
        let mut made = Made::default();
        for n in 0..2000 {
            let user = if n % 100 < share_of_one { "guest".to_owned() } else { format!("u{}", n % customers) };
            made.order(&user, START_MS + i64::from(n) * 17 * MINUTE_MS, &["a", "b"]);
        }
        alone(&made).into_iter().map(|finding| finding.kind).collect::<Vec<_>>()
    };
    assert_eq!(told(1700, 20), [Kind::OneUser], "a fifth of the orders of a shop with many customers: guests");
    assert_eq!(told(150, 20), [], "the largest customer of a wholesaler");
    assert_eq!(told(150, 40), [Kind::OneUser]);
    assert_eq!(told(2, 33), [], "three customers have a third each");
    assert_eq!(told(1, 10), [Kind::OneUser], "and of two one may be all but alone");
}

#[test]
fn shops_that_differ_are_told_and_not_what_comes_of_it() {
    let apart = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        made.view(&format!("nl/{user}"), ts, items[0]);
        made.view(&format!("be/{user}"), ts, items[1]);
        made.order(user, ts + MINUTE_MS, &items);
    };
    let found = alone(&shop(200, apart));
    assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::ShopsApart], "{found:?}");
    assert_eq!(found[0].what, "views and orders share no shop (2 with views, 1 with orders)");
    let tenants = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        usual(made, &format!("nl/{user}"), ts, items);
        usual(made, &format!("be/{user}"), ts, items);
    };
    assert_eq!(alone(&shop(200, tenants)), []);
}

#[test]
fn user_ids_that_differ_by_form_only_are_told_as_such() {
    let shouted = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        made.view(user, ts, items[0]);
        made.order(&format!("{} ", user.to_uppercase()), ts + MINUTE_MS, &items);
    };
    let found = alone(&shop(300, shouted));
    assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::IdForms], "{found:?}");
    assert!(
        found[0].what.contains("share 0 users of 300 with views and 300 with orders, and 300 more if"),
        "{found:?}"
    );
}

#[test]
fn users_and_items_that_never_meet_are_told_across_sources() {
    let (mut views, mut orders) = (Made::default(), Made::default());
    let _all = shop(3000, |_, user, ts, items| {
        views.view(user, ts, items[0]);
        views.view(user, ts, items[1]);
        orders.order(&format!("customer-{user}"), ts + MINUTE_MS, &items);
    });
    let found = find(&[views.source("views"), orders.source("orders")], None);
    assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::UsersApart], "{found:?}");

    let (mut views, mut orders) = (Made::default(), Made::default());
    let _all = shop(3000, |_, user, ts, items| {
        views.view(user, ts, items[0]);
        views.view(user, ts, items[1]);
        orders.order(
            user,
            ts + MINUTE_MS,
            &items.map(|item| item.replace("item", "sku")).each_ref().map(String::as_str),
        );
    });
    assert_eq!(kinds(&[views.source("views"), orders.source("orders")], None), [Kind::ItemsApart]);

    let (mut views, mut orders) = (Made::default(), Made::default());
    let _all = shop(3000, |_, user, ts, items| {
        views.view(user, ts, items[0]);
        views.view(user, ts, items[1]);
        orders.order(user, ts + MINUTE_MS, &items.map(str::to_uppercase).each_ref().map(String::as_str));
    });
    let found = find(&[views.source("views"), orders.source("orders")], None);
    assert_eq!(found[0].kind, Kind::IdForms);
    let told = found[0].to_string();
    assert!(told.contains("share 0 items of 30 with views and 30 with orders, and 30 more if"), "{told}");
    let example = told.split_once(", as \"item-").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
    assert!(told.contains(&format!("as \"item-{example}\" and \"ITEM-{example}\" (")), "{told}");
    assert!(told.contains("parent of a catalogue"), "{told}");
}

#[test]
fn ids_in_several_forms_are_told() {
    let forms = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        usual(made, user, ts, items);
        let number: u32 = user[1..].parse().unwrap();
        if number.is_multiple_of(4) {
            made.view(user, ts + 2 * MINUTE_MS, &format!(" {}", items[0]));
        }
    };
    let found = alone(&shop(200, forms));
    assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::IdForms]);
    // item-0: u0, u30 … u180 and u29 … u179 view and order it, 13 users; u0, u60, u120 and u180 view it with a blank, too.
    assert!(found[0].what.contains("), as \"item-0\" and \" item-0\" (26 and 4 times), and each"), "{}", found[0].what);
    let many = alone(&shop(40_000, forms));
    assert!(many[0].what.contains(" times among the events that were looked at), and each"), "{}", many[0].what);
}

#[test]
fn forms_of_the_ids_of_users_are_told_without_an_id() {
    let forms = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        usual(made, user, ts, items);
        made.view(&user.to_uppercase(), ts + 2 * MINUTE_MS, items[0]);
    };
    let found = alone(&shop(200, forms));
    assert_eq!(found[0].kind, Kind::IdForms);
    assert!(!found[0].what.contains('"') && !found[0].what.contains("times"), "{}", found[0].what);
}

#[test]
fn an_id_too_long_to_be_kept_is_no_example() {
    let forms = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        let long = items.map(|item| format!("{item}{}", "x".repeat(60)));
        usual(made, user, ts, [&long[0], &long[1]]);
        made.view(user, ts + 2 * MINUTE_MS, &long[0].to_uppercase());
    };
    let found = alone(&shop(200, forms));
    assert_eq!(found[0].kind, Kind::IdForms);
    assert!(!found[0].what.contains('"'), "{}", found[0].what);
}

#[test]
fn clocks_that_differ_by_hours_are_told_with_their_direction() {
    for (hours, expected) in
        [(2, "2 to 3 hours after"), (1, "1 to 2 hours after"), (-2, "1 to 2 hours before"), (-6, "5 to 6 hours before")]
    {
        let late = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
            made.view(user, ts, items[0]);
            made.view(user, ts + MINUTE_MS, items[1]);
            made.order(user, ts + 10 * MINUTE_MS + hours * HOUR_MS, &items);
        };
        let found = alone(&shop(300, late));
        assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Shifted], "{found:?}");
        assert!(found[0].what.contains(expected), "{}", found[0].what);
    }
}

#[test]
fn orders_by_the_day_say_nothing_of_clocks() {
    let by_day = |end_ms: i64| {
        let made = shop(300, |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
            let day = ts.div_euclid(DAY_MS) * DAY_MS;
            made.view(user, day + 12 * HOUR_MS, items[0]);
            made.view(user, day + 12 * HOUR_MS + MINUTE_MS, items[1]);
            made.order(user, day + end_ms, &items);
        });
        alone(&made).iter().map(|finding| finding.kind).collect::<Vec<_>>()
    };
    assert!(!by_day(23 * HOUR_MS - 1).contains(&Kind::Shifted));
    assert!(by_day(23 * HOUR_MS - 2).contains(&Kind::Shifted), "that is a time");
}

#[test]
fn days_instead_of_times_and_files_that_run_backwards_are_told() {
    let days = |at_ms: i64| {
        move |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
            made.order(user, ts.div_euclid(DAY_MS) * DAY_MS + at_ms, &items);
        }
    };
    let found = alone(&shop(200, days(22 * HOUR_MS)));
    assert_eq!(found[0].what, "shop.jsonl: 100 % of its 200 orders have the same time of the day, 22:00 UTC");
    assert_eq!(alone(&shop(200, days(DAY_MS - 1))), [], "dates count at the end of their day");
    assert_eq!(alone(&shop(200, days(22 * HOUR_MS - 1))), [], "also where a zone is set");
    let summer = |made: &mut Made, user: &str, ts: i64, items: [&str; 2]| {
        let hours = if user.len() > 3 { 22 } else { 23 };
        made.order(user, ts.div_euclid(DAY_MS) * DAY_MS + hours * HOUR_MS, &items);
    };
    assert!(
        alone(&shop(200, summer))[0].what.contains("100 % of its 200 orders have the same time"),
        "midnight of a zone with summer time"
    );
    let mut events = Vec::new();
    let _all = shop(200, |_, user, ts, items| events.push((user.to_owned(), ts, items.map(str::to_owned))));
    let mut made = Made::default();
    for (user, ts, items) in events.iter().rev() {
        made.order(user, *ts, &items.each_ref().map(String::as_str));
    }
    assert_eq!(kinds(&[made.source("a")], None), [Kind::Backwards]);
}

#[test]
fn a_type_of_which_a_part_counts_for_nothing_is_told_once_for_each_reason() {
    let mut counted = Counted { rows: [1; Relation::COUNT], ..Counted::default() };
    counted.fates[EventType::View as usize][Fate::Counted as usize] = 90;
    counted.fates[EventType::View as usize][Fate::Late as usize] = 10;
    counted.fates[EventType::Order as usize][Fate::Counted as usize] = 97;
    counted.fates[EventType::Order as usize][Fate::Bulk as usize] = 3;
    assert_eq!(kinds(&[], Some(&counted)), [Kind::Late]);
    counted.fates[EventType::Order as usize][Fate::Bulk as usize] = 24;
    counted.fates[EventType::Order as usize][Fate::Duplicate as usize] = 24;
    assert_eq!(kinds(&[], Some(&counted)), [Kind::Late, Kind::Duplicate, Kind::Bulk]);
    counted.fates[EventType::Cart as usize] = [1; Fate::COUNT];
    assert_eq!(kinds(&[], Some(&counted)), [Kind::Late, Kind::Duplicate, Kind::Bulk], "a handful says nothing");
}

#[test]
fn records_of_orders_that_are_too_old_change_nothing_or_name_no_order_are_told() {
    let told = |event_type: EventType, fate: Fate, part: u64| {
        let mut counted = Counted { rows: [1; Relation::COUNT], ..Counted::default() };
        counted.fates[event_type as usize][Fate::Counted as usize] = 100 - part;
        counted.fates[event_type as usize][fate as usize] = part;
        find(&[], Some(&counted))
    };
    for (event_type, fate, usual, much, kind, what) in [
        (EventType::Order, Fate::Stale, 9, 30, Kind::Stale, "30 % of the 100 orders are older than what was known"),
        (EventType::Cancel, Fate::Stale, 9, 30, Kind::Stale, "30 % of the 100 cancellations are older"),
        (EventType::Order, Fate::Unchanged, 80, 95, Kind::Unchanged, "95 % of the 100 orders change nothing"),
        (
            EventType::Add,
            Fate::Unchanged,
            80,
            95,
            Kind::Unchanged,
            "95 % of the 100 lines that join orders change nothing",
        ),
        (
            EventType::Return,
            Fate::UnknownOrder,
            15,
            40,
            Kind::UnknownOrder,
            "40 % of the 100 returns name an order that",
        ),
        (
            EventType::Cancel,
            Fate::UnknownOrder,
            15,
            100,
            Kind::UnknownOrder,
            "100 % of the 100 cancellations name an order",
        ),
    ] {
        assert_eq!(told(event_type, fate, usual), [], "{event_type:?} {fate:?}");
        let found = told(event_type, fate, much);
        assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [kind]);
        assert!(found[0].what.starts_with(what), "{}", found[0].what);
    }
}

#[test]
fn a_relation_without_pairs_and_a_list_behind_closed_gates_are_told() {
    let mut counted = Counted::default();
    counted.fates[EventType::View as usize][Fate::Counted as usize] = 50;
    counted.fates[EventType::Order as usize][Fate::Counted as usize] = 50;
    counted.rows[Relation::ViewedTogether.index()] = 9;
    counted.rows[Relation::BoughtTogether.index()] = 10;
    let told = |counted: &Counted| {
        find(&[], Some(counted)).into_iter().map(|finding| (finding.kind, finding.what)).collect::<Vec<_>>()
    };
    let empty = |what: &str| (Kind::NoPairs, what.to_owned());
    assert_eq!(
        told(&counted),
        [
            empty(
                "also-bought stays empty: its events are there, but no user ordered one item and later another (a customer number \
                 stays from order to order, a session does not)"
            ),
            empty(
                "bought-after-viewing stays empty: its events are there, but no user viewed one item and then ordered another \
                 (the views need the user id of the order, and times before it)"
            ),
        ]
    );
    let mut lists = [Some(0); Relation::COUNT];
    lists[Relation::ViewedTogether.index()] = Some(9);
    counted.lists = Some(lists);
    let closed =
        (Kind::NoLists, "bought-together: 10 items have candidates, and none passes the gates of the list".to_owned());
    assert_eq!(told(&counted)[0], closed);
    counted.rows[Relation::BoughtTogether.index()] = 9;
    assert_eq!(told(&counted).len(), 2, "a few candidates beside lists");
    counted.lists = Some([Some(0); Relation::COUNT]);
    assert_eq!(told(&counted).len(), 4, "where there is no list at all each is told");
    counted.rows[Relation::BoughtTogether.index()] = 10;
    lists[Relation::BoughtTogether.index()] = None;
    counted.lists = Some(lists);
    assert_eq!(told(&counted).len(), 2, "a list that is switched off has no entries to miss");
}

#[test]
fn every_kind_has_a_name_of_its_own_and_a_remedy() {
    let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    assert!(Kind::ALL.iter().all(|kind| kind.remedy().len() > 20));
    let told = include_str!("../../../docs/mapping.md");
    for name in names {
        assert!(told.lines().any(|line| line.starts_with("| `") && line.contains(&format!("`{name}`"))), "{name}");
    }
}
