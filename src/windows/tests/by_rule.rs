//! One test a rule, in words.

use crate::event::{EventKey, EventTime, EventType, LinkKey, OrderStep, UserKeys};
use crate::items::{ItemId, Items};
use crate::relation::{Bought, Change, Delta, Fate, Relation};
use crate::rules::{CountingRules, DAY_MS};
use crate::windows::{Action, Input, OrderRecord, Windows};

const MINUTE_MS: i64 = 60_000;

/// Windows with names for items, and deltas as text: `views: a > b c` is a star, `bought: a*1 b` a basket in which `a`
/// has been bought once before, `also: a > b` and `after: a > b*2` crosses, `+views` a context.
struct Bench {
    windows: Windows,
    items: Items,
    users: UserKeys,
    user: &'static str,
}

fn bench() -> Bench {
    bench_with(|_| {})
}

fn bench_with(change: impl FnOnce(&mut CountingRules)) -> Bench {
    let mut rules = CountingRules::default();
    change(&mut rules);
    Bench { windows: Windows::new(&rules), items: Items::default(), users: UserKeys::new([0; 16]), user: "u" }
}

/// What an event came to: its fate (when it was not counted) and its deltas.
type Said = Vec<String>;

impl Bench {
    fn view(&mut self, at: i64, item: &str) -> Said {
        self.apply(at, EventType::View, EventKey::of_item(EventType::View, item, EventTime(at)), item)
    }

    fn cart(&mut self, at: i64, item: &str) -> Said {
        self.apply(at, EventType::Cart, EventKey::of_item(EventType::Cart, item, EventTime(at)), item)
    }

    /// `lines` are separated by spaces.
    fn order(&mut self, at: i64, lines: &str) -> Said {
        self.record(at, State, "", None, lines)
    }

    /// A record of the order `number`; of none where that is empty.
    fn record(&mut self, at: i64, step: OrderStep, number: &str, version: Option<i64>, lines: &str) -> Said {
        let key = EventKey::of_order(step, number, version, lines.split_whitespace(), EventTime(at));
        let shop = self.items.shop("main");
        let ids: Vec<ItemId> = lines.split_whitespace().map(|item| self.items.item(shop, item)).collect();
        let number = (!number.is_empty()).then(|| LinkKey::of(number));
        self.act(at, key, Action::Order(OrderRecord { step, number, version, lines: &ids }))
    }

    /// What becomes of the order `o` by a record at `at`, which is its version too.
    fn later(&mut self, at: i64, step: OrderStep, lines: &str) -> Said {
        self.record(at, step, "o", None, lines)
    }

    fn view_in(&mut self, at: i64, session: &str, item: &str) -> Said {
        let shop = self.items.shop("main");
        let (item, key) = (self.items.item(shop, item), EventKey::of_item(EventType::View, item, EventTime(at)));
        self.act(at, key, Action::View { item, session: Some(LinkKey::of(session)) })
    }

    fn with_id(&mut self, at: i64, event_type: EventType, id: &str, items: &str) -> Said {
        self.apply(at, event_type, EventKey::of_id(event_type, id), items)
    }

    fn apply(&mut self, at: i64, event_type: EventType, key: EventKey, items: &str) -> Said {
        let shop = self.items.shop("main");
        let ids: Vec<ItemId> = items.split(' ').map(|item| self.items.item(shop, item)).collect();
        let action = match event_type {
            EventType::View => Action::View { item: ids[0], session: None },
            EventType::Cart => Action::Cart(ids[0]),
            _ => Action::Order(OrderRecord { step: State, number: None, version: None, lines: &ids }),
        };
        self.act(at, key, action)
    }

    fn act(&mut self, at: i64, key: EventKey, action: Action<'_>) -> Said {
        let shop = self.items.shop("main");
        let input = Input { user: self.users.key("main", self.user), key, time: EventTime(at), shop, action };
        let mut said = Vec::new();
        let fate = self.windows.apply(&input, &mut |delta| {
            let of_order = matches!(action, Action::Order(_));
            assert!(delta.time == EventTime(at) || (of_order && delta.time < EventTime(at)), "at its own time");
            said.push(text(&self.items, &delta));
        });
        if fate == Fate::Bulk {
            said.push(format!("{fate:?}"));
        } else if fate != Fate::Counted {
            assert!(said.is_empty(), "{fate:?} gave {said:?}");
            said.push(format!("{fate:?}"));
        }
        said
    }
}

fn short(relation: Relation) -> &'static str {
    match relation {
        Relation::BoughtTogether => "bought",
        Relation::AlsoBought => "also",
        Relation::ViewedTogether => "views",
        Relation::ViewedThenBought => "after",
        Relation::CartedTogether => "cart",
    }
}

fn text(items: &Items, delta: &Delta<'_>) -> String {
    let names = |ids: &[ItemId]| ids.iter().map(|&id| items.name(id)).collect::<Vec<_>>().join(" ");
    let bought = |bought: &[Bought]| {
        let one = |b: &Bought| match b.repeats {
            0 => items.name(b.item).to_owned(),
            n => format!("{}*{n}", items.name(b.item)),
        };
        bought.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    let sign = if delta.is_taken_back { "-" } else { "" };
    let text = match delta.change {
        Change::Context { relation, .. } if delta.is_taken_back => short(relation).to_owned(),
        Change::Context { relation, .. } => format!("+{}", short(relation)),
        Change::Star { relation, centre, neighbours } => {
            format!("{}: {} > {}", short(relation), items.name(centre), names(neighbours)).trim_end().to_owned()
        }
        Change::StarBack { .. } => "back".to_owned(),
        Change::Basket { items, before, settled } => {
            let (there, new) = items.split_at(settled);
            let known = if settled > 0 { format!("({}) ", bought(there)) } else { String::new() };
            let again = if before.is_empty() { "" } else { " again" };
            format!("bought{again}: {known}{}", bought(new))
        }
        Change::Cross { relation, anchors, settled, others } => {
            let anchors = if settled { format!("({})", names(anchors)) } else { names(anchors) };
            format!("{}: {anchors} > {}", short(relation), bought(others))
        }
    };
    format!("{sign}{text}")
}

const NOTHING: Said = Vec::new();

// Views.

#[test]
fn a_new_item_of_a_session_pairs_with_those_before_it_nearest_first() {
    let mut shop = bench();
    assert_eq!(shop.view(0, "a"), ["+views", "views: a >"]);
    assert_eq!(shop.view(1, "b"), ["views: b > a"]);
    assert_eq!(shop.view(2, "c"), ["views: c > b a"]);
}

#[test]
fn only_the_pair_window_most_recently_first_viewed_items_are_neighbours() {
    let mut shop = bench_with(|rules| rules.pair_window = 2);
    shop.view(0, "a");
    shop.view(1, "b");
    shop.view(2, "c");
    shop.view(3, "a"); // seen again, but first viewed longest ago
    assert_eq!(shop.view(4, "d"), ["views: d > c b"]);
}

#[test]
fn a_reload_counts_nothing() {
    let mut shop = bench();
    shop.view(0, "a");
    assert_eq!(shop.view(1, "a"), NOTHING);
}

#[test]
fn a_reload_keeps_the_session_open() {
    let mut shop = bench();
    shop.view(0, "a");
    shop.view(20 * MINUTE_MS, "a");
    assert_eq!(shop.view(40 * MINUTE_MS, "b"), ["views: b > a"]);
}

#[test]
fn a_session_closes_after_more_than_the_gap_and_not_at_it() {
    let mut shop = bench();
    shop.view(0, "a");
    assert_eq!(shop.view(30 * MINUTE_MS, "b"), ["views: b > a"]);
    assert_eq!(shop.view(60 * MINUTE_MS + 1, "c"), ["+views", "views: c >"]);
}

#[test]
fn a_view_within_the_gap_before_the_latest_joins_the_session_and_an_older_one_is_late() {
    let mut shop = bench();
    shop.view(100 * MINUTE_MS, "a");
    assert_eq!(shop.view(70 * MINUTE_MS, "b"), ["views: b > a"]);
    assert_eq!(shop.view(70 * MINUTE_MS - 1, "c"), ["Late"]);
    assert_eq!(shop.windows.tally().late, 1);
}

#[test]
fn a_late_view_changes_nothing_but_its_id_is_remembered() {
    let mut shop = bench();
    shop.view(100 * MINUTE_MS, "a");
    assert_eq!(shop.with_id(0, EventType::View, "x", "b"), ["Late"]);
    assert_eq!(shop.with_id(101 * MINUTE_MS, EventType::View, "x", "b"), ["Duplicate"]);
    assert_eq!(shop.order(MINUTE_MS, "o"), ["+bought", "bought: o"], "the late view of b is not a recent view");
}

#[test]
fn a_full_session_counts_no_more_but_an_overlong_view_moves_its_time_and_recency() {
    let mut shop = bench_with(|rules| rules.session_max_items = 2);
    shop.view(0, "a");
    shop.view(1, "b");
    assert_eq!(shop.view(20 * MINUTE_MS, "c"), ["Overlong"]);
    assert_eq!(shop.view(40 * MINUTE_MS, "a"), NOTHING, "the overlong view kept the session open");
    assert_eq!(shop.order(41 * MINUTE_MS, "o")[2..], ["+after", "after: b c a > o"]);
    assert_eq!(shop.view(71 * MINUTE_MS, "c"), ["+views", "views: c >"]);
}

// Recent views.

#[test]
fn an_order_meets_what_was_viewed_within_the_horizon_before_it_and_not_after() {
    let mut shop = bench();
    shop.view(0, "a");
    shop.view(1, "b");
    shop.view(DAY_MS, "c");
    assert_eq!(shop.order(DAY_MS + 1, "o"), ["+bought", "bought: o", "+after", "after: b c > o"]);
    assert_eq!(shop.order(DAY_MS - 1, "p")[2..], ["+after", "after: a b > p"]);
}

#[test]
fn an_order_without_recent_views_is_no_context_of_viewed_then_bought() {
    let mut shop = bench();
    shop.view(0, "a");
    assert_eq!(shop.order(DAY_MS + 1, "o"), ["+bought", "bought: o"]);
}

#[test]
fn only_the_last_recent_max_items_are_remembered_and_a_view_again_makes_an_item_recent() {
    let mut shop = bench_with(|rules| rules.recent_max = 2);
    shop.view(0, "a");
    shop.view(1, "b");
    shop.view(2, "a");
    shop.view(3, "c");
    assert_eq!(shop.order(4, "o")[2..], ["+after", "after: a c > o"]);
}

#[test]
fn the_time_of_a_recent_view_never_goes_back() {
    let mut shop = bench();
    shop.view(20 * MINUTE_MS, "a");
    shop.view(5 * MINUTE_MS, "a"); // arrives later, happened before
    assert_eq!(shop.order(10 * MINUTE_MS, "o"), ["+bought", "bought: o"]);
}

// Carts.

#[test]
fn a_new_item_of_a_cart_pairs_with_all_that_is_in_it_until_it_is_full() {
    let mut shop = bench_with(|rules| rules.cart_max = 2);
    assert_eq!(shop.cart(0, "a"), ["+cart", "cart: a >"]);
    assert_eq!(shop.cart(1, "b"), ["cart: b > a"]);
    assert_eq!(shop.cart(2, "a"), NOTHING);
    assert_eq!(shop.cart(3, "c"), ["Overlong"]);
}

#[test]
fn an_order_empties_the_cart_unless_something_was_added_after_it() {
    let mut shop = bench();
    shop.cart(10, "a");
    shop.order(9, "x");
    assert_eq!(shop.cart(11, "b"), ["cart: b > a"]);
    shop.order(11, "y");
    assert_eq!(shop.cart(12, "c"), ["+cart", "cart: c >"]);
}

#[test]
fn a_cart_is_left_after_more_than_the_gap_and_an_older_addition_is_late() {
    let mut shop = bench();
    shop.cart(0, "a");
    assert_eq!(shop.cart(DAY_MS, "b"), ["cart: b > a"]);
    assert_eq!(shop.cart(2 * DAY_MS + 1, "c"), ["+cart", "cart: c >"]);
    assert_eq!(shop.cart(DAY_MS, "d"), ["Late"]);
    assert_eq!(shop.cart(DAY_MS + 1, "e"), ["cart: e > c"]);
}

// Orders.

#[test]
fn a_basket_holds_each_item_once_in_order_of_first_line() {
    assert_eq!(bench().order(0, "b a b c a"), ["+bought", "bought: b a c"]);
}

#[test]
fn an_order_of_one_item_counts_too() {
    assert_eq!(bench().order(0, "a"), ["+bought", "bought: a"]);
}

#[test]
fn a_bulk_order_empties_the_cart_and_counts_for_nothing_else() {
    let mut shop = bench_with(|rules| rules.basket_max = 2);
    shop.cart(0, "a");
    shop.view(0, "v");
    assert_eq!(shop.order(1, "a b c"), ["Bulk"]);
    assert_eq!(shop.cart(2, "d"), ["+cart", "cart: d >"]);
    assert_eq!(shop.order(3, "a b a b")[..2], ["+bought", "bought: a b"], "the bulk order is no earlier purchase");
    assert_eq!(shop.windows.tally().bulk, 1);
}

#[test]
fn repeats_count_earlier_orders_and_start_anew_after_the_horizon() {
    let mut shop = bench();
    let bought = |shop: &mut Bench, day: i64| shop.order(day * DAY_MS, "a")[1].clone();
    assert_eq!(bought(&mut shop, 0), "bought: a");
    assert_eq!(bought(&mut shop, 100), "bought: a*1");
    assert_eq!(bought(&mut shop, 280), "bought: a*2");
    assert_eq!(shop.order(460 * DAY_MS + 1, "a")[1], "bought: a");
    assert_eq!(bought(&mut shop, 461), "bought: a*1");
}

#[test]
fn repeats_count_by_arrival_so_an_older_order_that_comes_later_is_a_repeat() {
    let mut shop = bench();
    shop.order(100 * DAY_MS, "a");
    assert_eq!(shop.order(0, "a")[1], "bought: a*1");
    assert_eq!(shop.order(280 * DAY_MS, "a")[1], "bought: a*2", "the latest time stays day 100");
}

#[test]
fn only_the_last_purchases_max_items_are_remembered() {
    let mut shop = bench_with(|rules| rules.purchases_max = 2);
    shop.order(0, "a b");
    shop.order(1, "a");
    shop.order(2, "c");
    assert_eq!(shop.order(3, "a b c")[1], "bought: a*2 b c*1", "b was touched longest ago");
}

// Across orders.

#[test]
fn earlier_purchases_lead_to_new_ones_most_recent_first() {
    let mut shop = bench();
    shop.order(0, "a b");
    shop.order(1, "c");
    assert_eq!(shop.order(2, "d e"), ["+bought", "bought: d e", "+also", "also: c b a > d e"]);
}

#[test]
fn what_is_in_the_order_is_left_out_before_the_cut() {
    let mut shop = bench_with(|rules| rules.also_max = 2);
    shop.order(0, "a b c");
    assert_eq!(shop.order(1, "c d")[2..], ["+also", "also: b a > d"]);
}

#[test]
fn an_order_of_repeats_only_or_without_earlier_purchases_leads_to_nothing() {
    let mut shop = bench();
    assert_eq!(shop.order(0, "a b").len(), 2);
    assert_eq!(shop.order(1, "a").len(), 2);
    assert_eq!(shop.order(2, "a b").len(), 2);
}

#[test]
fn a_purchase_beyond_the_horizon_or_after_the_order_leads_to_nothing() {
    let mut shop = bench();
    shop.order(0, "a");
    shop.order(1, "b");
    assert_eq!(shop.order(90 * DAY_MS + 1, "c")[2..], ["+also", "also: b > c"]);
    assert_eq!(shop.order(90 * DAY_MS, "d")[2..], ["+also", "also: b a > d"], "an order that arrives late");
}

#[test]
fn an_item_viewed_and_bought_is_its_own_anchor_and_repeats_are_kept() {
    let mut shop = bench();
    shop.order(0, "a");
    shop.view(1, "a");
    assert_eq!(shop.order(2, "a b"), ["+bought", "bought: a*1 b", "+after", "after: a > a*1 b"]);
}

// Duplicates.

#[test]
fn an_id_among_the_last_ones_is_a_duplicate_and_an_older_one_is_not() {
    let mut shop = bench_with(|rules| rules.dedup_ids = 2);
    shop.with_id(0, EventType::View, "1", "a");
    shop.with_id(1, EventType::View, "2", "b");
    assert_eq!(shop.with_id(2, EventType::View, "1", "x"), ["Duplicate"]);
    shop.with_id(3, EventType::View, "3", "c");
    assert_eq!(shop.with_id(4, EventType::View, "1", "d"), ["views: d > c b a"]);
    assert_eq!(shop.windows.tally().duplicate, 1);
    assert_eq!(shop.windows.tally().accepted(), 4);
}

#[test]
fn views_and_carts_share_their_ids_and_orders_have_their_own() {
    let mut shop = bench();
    shop.with_id(0, EventType::View, "1", "a");
    assert_eq!(shop.with_id(1, EventType::Cart, "2", "a").len(), 2);
    assert_eq!(shop.with_id(1, EventType::Order, "1", "o").len(), 4);
    assert_eq!(shop.with_id(1, EventType::Order, "1", "o"), ["Duplicate"]);
    assert_eq!(shop.windows.tally().events, [1, 1, 2, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn without_an_id_the_same_item_at_the_same_time_is_a_duplicate() {
    let mut shop = bench();
    shop.view(0, "a");
    assert_eq!(shop.view(0, "a"), ["Duplicate"]);
    assert_eq!(shop.cart(0, "a").len(), 2);
}

// Users.

#[test]
fn users_do_not_meet() {
    let mut shop = bench();
    shop.view(0, "a");
    shop.user = "w";
    assert_eq!(shop.view(0, "b"), ["+views", "views: b >"]);
    assert_eq!(shop.windows.visitors(), 2);
}

#[test]
fn a_user_silent_for_longer_than_the_horizon_is_forgotten() {
    let mut shop = bench();
    shop.with_id(0, EventType::View, "1", "a");
    shop.user = "w";
    shop.view(400 * DAY_MS, "b");
    assert_eq!(shop.windows.visitors(), 2);
    shop.user = "u";
    assert_eq!(shop.with_id(400 * DAY_MS, EventType::View, "1", "a"), ["Duplicate"], "not silent for longer");
    assert_eq!(shop.with_id(800 * DAY_MS + 1, EventType::View, "1", "a").len(), 2, "its ids are forgotten");
}

#[test]
fn an_event_that_comes_late_makes_nobody_silent_for_longer() {
    let mut shop = bench();
    shop.with_id(100 * DAY_MS, EventType::View, "1", "a");
    shop.view(0, "b");
    assert_eq!(shop.with_id(450 * DAY_MS, EventType::View, "1", "a"), ["Duplicate"], "seen 350 days ago");
}

#[test]
fn a_first_view_sent_again_is_a_duplicate_only_where_ids_are_remembered_and_an_order_under_its_id_never_is() {
    for (ids, again) in [(128, &["Duplicate"][..]), (0, &[])] {
        let mut shop = bench_with(|rules| rules.dedup_ids = ids);
        shop.with_id(0, EventType::View, "1", "a");
        assert_eq!(shop.with_id(0, EventType::View, "1", "a"), again, "{ids} ids");
        assert_eq!(shop.with_id(0, EventType::Order, "1", "a b").len(), 4, "{ids} ids: two contexts, two changes");
    }
}

#[test]
fn memory_of_the_silent_is_freed_when_days_have_passed_and_not_by_one_time_far_ahead() {
    let mut shop = bench();
    shop.view(0, "a");
    shop.user = "w";
    shop.view(5_000 * DAY_MS, "b");
    shop.user = "v";
    shop.view(1, "b");
    assert_eq!(shop.windows.visitors(), 3, "one time far ahead frees nobody");
    shop.user = "u";
    assert_eq!(shop.view(DAY_MS / 100, "b"), ["views: b > a"], "in the session that it was in");
    shop.user = "x";
    for day in 1..=800 {
        shop.view(day * DAY_MS, "c");
    }
    assert_eq!(shop.windows.visitors(), 4, "kept for as long again, for events that come late");
    for day in 801..=803 {
        shop.view(day * DAY_MS, "c");
    }
    assert_eq!(shop.windows.visitors(), 2, "w and x: the others have been silent for twice 400 days");
}

#[test]
#[should_panic(expected = "without lines")]
fn an_order_without_lines_is_a_broken_invariant() {
    let mut windows = Windows::new(&CountingRules::default());
    let user = UserKeys::new([0; 16]).key("main", "u");
    let (key, time, shop) = (EventKey(1), EventTime(0), Items::default().shop("main"));
    let record = OrderRecord { step: State, number: None, version: None, lines: &[] };
    windows.apply(&Input { user, key, time, shop, action: Action::Order(record) }, &mut |_| {});
}

// Sessions.

#[test]
fn sessions_of_several_ids_and_of_none_stand_side_by_side() {
    let mut shop = bench();
    assert_eq!(shop.view_in(0, "s", "a"), ["+views", "views: a >"]);
    assert_eq!(shop.view(1, "b"), ["+views", "views: b >"]);
    assert_eq!(shop.view_in(2, "t", "c"), ["+views", "views: c >"]);
    assert_eq!(shop.view_in(3, "s", "d"), ["views: d > a"]);
    assert_eq!(shop.view(4, "e"), ["views: e > b"]);
    assert_eq!(shop.order(5, "o")[2..], ["+after", "after: a b c d e > o"], "recent views are the user's");
}

#[test]
fn of_too_many_sessions_the_one_touched_longest_ago_goes() {
    let mut shop = bench_with(|rules| rules.sessions_open = 2);
    shop.view_in(0, "s", "a");
    shop.view_in(1, "t", "b");
    shop.view_in(2, "s", "a");
    shop.view_in(3, "u", "c");
    assert_eq!(shop.view_in(4, "s", "d"), ["views: d > a"]);
    assert_eq!(shop.view_in(5, "t", "e"), ["+views", "views: e >"]);
}

#[test]
fn a_late_view_of_a_session_takes_it_nowhere() {
    let mut shop = bench_with(|rules| rules.sessions_open = 2);
    shop.view_in(100 * MINUTE_MS, "s", "a");
    shop.view_in(100 * MINUTE_MS, "t", "b");
    assert_eq!(shop.view_in(0, "s", "c"), ["Late"]);
    shop.view_in(101 * MINUTE_MS, "u", "d");
    assert_eq!(shop.view_in(102 * MINUTE_MS, "s", "e"), ["+views", "views: e >"], "t was touched later");
}

#[test]
fn a_session_closes_when_it_has_lasted_for_too_long() {
    let mut shop = bench();
    for n in 0..=8 {
        shop.view(n * 30 * MINUTE_MS, "a");
    }
    assert_eq!(shop.view(240 * MINUTE_MS, "b"), ["views: b > a"], "four hours");
    assert_eq!(shop.view(240 * MINUTE_MS + 1, "c"), ["+views", "views: c >"]);
}

// Orders that change.

use OrderStep::{Add, Cancel, Return, State};

#[test]
fn a_newer_state_changes_what_differs_and_a_record_that_changes_nothing_is_unchanged() {
    let mut shop = bench();
    assert_eq!(shop.later(0, State, "a b"), ["+bought", "bought: a b"]);
    assert_eq!(shop.later(1, State, "c b"), ["-bought: (b) a", "bought: (b) c"]);
    assert_eq!(shop.later(2, State, "b c b"), ["Unchanged"]);
    assert_eq!(shop.later(3, Add, "c"), ["Unchanged"]);
    assert_eq!(shop.later(4, Return, "a"), ["Unchanged"]);
    let tally = shop.windows.tally();
    assert_eq!((tally.unchanged, tally.accepted()), (3, 5));
}

#[test]
fn lines_join_and_leave_and_all_of_them_leave_a_cancelled_order() {
    let mut shop = bench();
    assert_eq!(shop.later(0, Add, "a"), ["+bought", "bought: a"]);
    assert_eq!(shop.later(1, Add, "b c"), ["bought: (a) b c"]);
    assert_eq!(shop.later(2, Return, "a"), ["-bought: (b c) a"]);
    assert_eq!(shop.later(3, Cancel, ""), ["-bought", "-bought: b c"]);
    assert_eq!(shop.later(4, Cancel, ""), ["Unchanged"]);
    assert_eq!(shop.later(5, Add, "d"), ["+bought", "bought: d"], "at its own time: see Bench::act");
    assert_eq!(shop.order(6, "a b d")[1], "bought: a b d*1", "what was taken back is no purchase");
}

#[test]
fn what_led_to_an_order_is_told_of_what_joins_and_anew_where_it_is_something_else() {
    let mut shop = bench();
    shop.order(0, "p");
    shop.view(1, "v");
    assert_eq!(shop.later(2, State, "a")[2..], ["+also", "also: p > a", "+after", "after: v > a"]);
    assert_eq!(shop.later(3, Add, "b"), ["bought: (a) b", "also: (p) > b", "after: (v) > b"]);
    shop.view(1, "w");
    assert_eq!(
        shop.later(4, Add, "p"),
        ["bought: (a b) p*1", "-also", "-also: p > a b", "-after: v > a b", "after: v w > a b p*1"],
        "what was bought before is in the order now"
    );
}

#[test]
fn an_item_keeps_the_repeats_that_it_joined_with() {
    let mut shop = bench();
    shop.later(0, State, "a");
    shop.order(1, "a b");
    assert_eq!(shop.later(2, Add, "b"), ["bought again: (a) b*1"]);
    assert_eq!(shop.later(3, Return, "a"), ["-bought again: (b*1) a"], "which is counted as r = 0 still");
    assert_eq!(shop.order(4, "a b")[1], "bought again: a*1 b*2", "the order between held both");
}

#[test]
fn an_older_state_is_stale_and_a_version_says_more_than_a_time() {
    let mut shop = bench();
    shop.record(10, State, "o", Some(5), "a");
    assert_eq!(shop.record(20, State, "o", Some(4), "b"), ["Stale"]);
    assert_eq!(shop.record(30, Cancel, "o", Some(4), ""), ["Stale"]);
    assert_eq!(shop.record(30, Add, "o", Some(4), "c"), ["bought: (a) c"], "lines that join come in any order");
    assert_eq!(shop.record(11, State, "o", Some(6), "b"), ["-bought: a c", "bought: b"]);
    assert_eq!(shop.windows.tally().stale, 2);
}

#[test]
fn a_change_of_an_order_that_is_not_known_is_told_as_such() {
    let mut shop = bench_with(|rules| rules.orders_max = 2);
    assert_eq!(shop.later(0, Return, "a"), ["UnknownOrder"]);
    shop.later(1, State, "a");
    shop.record(2, State, "p", None, "b");
    shop.later(3, Add, "c");
    shop.record(4, State, "q", None, "d");
    assert_eq!(shop.record(5, Cancel, "p", None, ""), ["UnknownOrder"], "touched longest ago");
    assert_eq!(shop.record(30 * DAY_MS + 1, Return, "o", None, "c"), ["-bought: (a) c"]);
    assert_eq!(shop.record(30 * DAY_MS + 2, Cancel, "o", None, ""), ["UnknownOrder"], "placed too long ago");
    assert_eq!(shop.windows.tally().unknown_order, 3);
}

#[test]
fn an_order_that_grows_into_bulk_counts_nothing_until_it_is_smaller() {
    let mut shop = bench_with(|rules| rules.basket_max = 2);
    shop.later(0, State, "a b");
    assert_eq!(shop.later(1, Add, "c"), ["-bought", "-bought: a b", "Bulk"]);
    assert_eq!(shop.order(2, "a b")[1], "bought: a b", "it is no purchase");
    assert_eq!(shop.later(3, Return, "b"), ["+bought", "bought: a c"]);
}

#[test]
fn only_the_first_record_of_an_order_empties_the_cart() {
    let mut shop = bench();
    shop.later(0, State, "a");
    shop.cart(1, "x");
    shop.later(2, Add, "b");
    assert_eq!(shop.cart(3, "y"), ["cart: y > x"]);
}

// Support.

#[test]
fn a_pair_is_new_to_its_customer_when_none_of_the_last_orders_held_both() {
    let mut shop = bench_with(|rules| rules.together_orders = 2);
    shop.order(0, "a");
    shop.order(1, "b");
    assert_eq!(shop.order(2, "a b")[1], "bought: a*1 b*1", "each was bought before, but never both");
    assert_eq!(shop.order(3, "a b")[1], "bought again: a*2 b*2");
    shop.order(4, "c");
    assert_eq!(shop.order(5, "a b")[1], "bought again: a*3 b*3");
    shop.order(6, "c");
    shop.order(7, "c");
    assert_eq!(shop.order(8, "a b")[1], "bought: a*4 b*4", "too many orders ago");
}

#[test]
fn an_order_is_no_order_before_itself() {
    let mut shop = bench();
    shop.later(0, State, "a b");
    assert_eq!(shop.later(1, Add, "c"), ["bought: (a b) c"]);
    shop.order(2, "a b");
    assert_eq!(
        shop.later(3, Add, "d"),
        ["-bought: a b c", "bought again: a b c d"],
        "in the meantime both were bought once more"
    );
}

// Erasure.

#[test]
fn an_erased_user_is_met_as_new() {
    let mut shop = bench();
    shop.order(0, "a");
    shop.view(1, "v");
    assert_eq!(shop.windows.visitors(), 1);
    assert_eq!(shop.act(2, EventKey(7), Action::Erase), NOTHING);
    assert_eq!(shop.windows.visitors(), 0);
    assert_eq!(shop.order(3, "a"), ["+bought", "bought: a"]);
    assert_eq!(shop.act(4, EventKey(7), Action::Erase), NOTHING, "nobody is left who knows that key");
    assert_eq!(shop.windows.tally().events[EventType::Erase as usize], 2);
}

#[test]
fn who_has_bought_is_remembered_for_longer() {
    let mut shop = bench();
    shop.order(0, "a b");
    assert_eq!(shop.order(800 * DAY_MS, "a b")[1], "bought again: a b", "no repeats, but no new pair either");
    assert_eq!(shop.order(1600 * DAY_MS + 1, "a b")[1], "bought: a b");
}
