//! By hand, and against a naive recount over random lives.

#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)] // small numbers

use super::*;
use crate::saved::frames;
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;

fn clicks() -> Clicks {
    Clicks::new(&CountingRules { basket_max: 4, ..CountingRules::default() })
}

fn told(user: u128, minute: i64, key: u64) -> Told<'static> {
    Told {
        user: UserKey(user),
        time: EventTime(1_700_000_000_000 + minute * MINUTE),
        key: EventKey(key),
        shop: "main",
        list: Some("also-bought"),
        placement: None,
        about: Some(1),
        is_sampled: true,
    }
}

fn entry(item: u64, position: u32) -> ToldEntry<'static> {
    ToldEntry { item, position: (position > 0).then_some(position), source: None }
}

struct Bought<'a> {
    user: u128,
    minute: i64,
    key: u64,
    step: OrderStep,
    number: Option<&'a str>,
    lines: &'a [(u64, Option<u64>)],
}

fn order(clicks: &mut Clicks, bought: &Bought<'_>) {
    let Bought { user, minute, key, step, number, lines } = *bought;
    clicks.ordered(&ToldOrder {
        user: UserKey(user),
        time: EventTime(1_700_000_000_000 + minute * MINUTE),
        key: EventKey(key),
        step,
        number: number.map(LinkKey::of),
        version: None,
        currency: Currency(*b"EUR"),
        lines,
    });
}

fn place(clicks: &mut Clicks, user: u128, minute: i64, key: u64, lines: &[(u64, Option<u64>)]) {
    order(clicks, &Bought { user, minute, key, step: OrderStep::State, number: None, lines });
}

/// All cells together.
fn sum(clicks: &Clicks) -> CellTally {
    let mut sum = CellTally::default();
    clicks.cells().for_each(|cell| sum.add(cell.tally));
    sum
}

fn of_band(clicks: &Clicks, band: Band) -> CellTally {
    let mut sum = CellTally::default();
    clicks.cells().filter(|cell| cell.band == band).for_each(|cell| sum.add(cell.tally));
    sum
}

#[test]
fn a_list_that_is_shown_again_in_a_session_counts_once() {
    let mut clicks = clicks();
    let all = || (1..=10).map(|place| entry(u64::from(place), place));
    clicks.shown(&told(7, 0, 1), all());
    clicks.shown(&told(7, 20, 2), all());
    clicks.shown(&told(7, 45, 3), all()); // 25 minutes behind the one before: the session goes on
    assert_eq!((sum(&clicks).shown, clicks.tally().again), (10, 20));
    clicks.shown(&told(7, 80, 4), all());
    clicks.shown(&told(8, 80, 4), all());
    assert_eq!((sum(&clicks).shown, clicks.tally().again), (30, 20), "another session, another user");
    let bands = BANDS.map(|band| of_band(&clicks, band).shown);
    assert_eq!(bands, [3, 9, 18, 0, 0]);
    clicks.shown(&Told { about: Some(2), ..told(8, 80, 5) }, all());
    assert_eq!(sum(&clicks).shown, 40, "of another anchor it is another list");
}

#[test]
fn a_clicked_entry_counts_once_however_often_it_is_clicked() {
    let mut clicks = clicks();
    clicks.shown(&told(7, 0, 1), [entry(5, 2)].into_iter());
    clicks.clicked(&told(7, 1, 2), &entry(5, 0)); // says no place: that of the impression
    clicks.clicked(&told(7, 1, 2), &entry(5, 0)); // sent again
    clicks.clicked(&told(7, 2, 3), &entry(5, 0));
    clicks.clicked(&told(7, 2, 4), &entry(6, 1)); // was never shown
    clicks.clicked(&Told { is_sampled: false, ..told(7, 2, 5) }, &entry(6, 1));
    let second = of_band(&clicks, Band::ToFourth);
    assert_eq!((second.shown, second.clicked, second.clicks, second.unseen), (1, 1, 2, 0));
    let first = of_band(&clicks, Band::First);
    assert_eq!((first.shown, first.clicked, first.clicks, first.unseen), (0, 0, 2, 1));
    assert_eq!(clicks.tally().duplicate, 1);
}

#[test]
fn an_order_is_credited_to_the_last_click_before_it_within_reach() {
    let mut clicks = clicks();
    clicks.clicked(&told(7, 0, 1), &entry(5, 1));
    clicks.clicked(&told(7, 10, 2), &entry(5, 7));
    clicks.clicked(&told(7, 30, 3), &entry(5, 20));
    place(&mut clicks, 7, 20, 9, &[(5, Some(1500)), (5, Some(500)), (6, Some(9))]);
    let tenth = of_band(&clicks, Band::ToTenth);
    assert_eq!((tenth.orders, tenth.converted), (1, 1));
    assert_eq!(tenth.revenue[&Currency(*b"EUR")], Revenue { ordered: 2000, returned: 0 });
    assert_eq!(sum(&clicks).orders, 1, "no other click has it");
    place(&mut clicks, 7, 25, 10, &[(5, None)]);
    let tenth = of_band(&clicks, Band::ToTenth);
    assert_eq!((tenth.orders, tenth.converted), (2, 1), "the click was followed by two orders");
    place(&mut clicks, 8, 25, 11, &[(5, None)]);
    place(&mut clicks, 7, 31 + 24 * 60, 12, &[(5, None)]);
    assert_eq!(sum(&clicks).orders, 2, "another user's, and one beyond the reach");
    place(&mut clicks, 7, 25, 10, &[(5, None)]);
    assert_eq!(clicks.tally().late, 1);
}

#[test]
fn an_order_that_was_told_before_its_click_is_credited_once() {
    let mut clicks = clicks();
    clicks.shown(&told(1, 0, 1), [entry(5, 1)].into_iter());
    place(&mut clicks, 7, 20, 9, &[(5, Some(100))]);
    clicks.clicked(&told(7, 25, 2), &entry(5, 1)); // behind the order
    assert_eq!(sum(&clicks).orders, 0);
    clicks.clicked(&told(7, 5, 3), &entry(5, 1));
    clicks.clicked(&told(7, 15, 4), &entry(5, 3)); // later, but the credit stays
    place(&mut clicks, 7, 20, 9, &[(5, Some(100))]); // sent again
    assert_eq!((sum(&clicks).orders, of_band(&clicks, Band::First).orders), (1, 1));
}

#[test]
fn what_leaves_an_order_is_taken_back() {
    let mut clicks = clicks();
    for item in 1..=3 {
        clicks.clicked(&told(7, 0, item), &entry(item, 1));
    }
    let mut change = |minute, key, step, lines: &[(u64, Option<u64>)]| {
        order(&mut clicks, &Bought { user: 7, minute, key, step, number: Some("o1"), lines });
        let Euros { ordered, returned } = eur(&clicks);
        let all = sum(&clicks);
        (all.orders, all.returned, ordered, returned)
    };
    assert_eq!(change(1, 11, OrderStep::State, &[(1, Some(10)), (2, Some(20))]), (2, 0, 30, 0));
    assert_eq!(change(2, 12, OrderStep::State, &[(1, Some(10)), (2, Some(20))]), (2, 0, 30, 0), "the same again");
    assert_eq!(change(3, 13, OrderStep::Add, &[(3, Some(5))]), (3, 0, 35, 0));
    assert_eq!(change(4, 14, OrderStep::Return, &[(1, None), (9, None)]), (3, 1, 35, 10));
    assert_eq!(change(4, 14, OrderStep::Return, &[(1, None)]), (3, 1, 35, 10), "sent again");
    assert_eq!(change(1, 15, OrderStep::State, &[(9, None)]), (3, 1, 35, 10), "older than what is known");
    assert_eq!(change(5, 16, OrderStep::State, &[(3, None)]), (3, 2, 35, 30));
    assert_eq!(change(6, 17, OrderStep::Cancel, &[]), (3, 3, 35, 35));
    assert_eq!(change(7, 18, OrderStep::Cancel, &[]), (3, 3, 35, 35));
}

struct Euros {
    ordered: u64,
    returned: u64,
}

fn eur(clicks: &Clicks) -> Euros {
    let Revenue { ordered, returned } = sum(clicks).revenue.get(&Currency(*b"EUR")).copied().unwrap_or_default();
    Euros { ordered, returned }
}

#[test]
fn crawlers_and_bulk_orders_count_up_to_a_bound() {
    let mut clicks = clicks();
    let many = 0..(crate::limits::CLICK_ENTRIES_SEEN_MAX as u64 + 7);
    clicks.shown(&told(7, 0, 1), many.clone().map(|item| entry(item, 1)));
    assert_eq!(sum(&clicks).shown as usize, crate::limits::CLICK_ENTRIES_SEEN_MAX);
    assert_eq!(clicks.tally().overlong, 7);
    for key in 0..(crate::limits::CLICKS_OF_USER_MAX as u64 + 3) {
        clicks.clicked(&told(7, 1, key), &entry(key, 1));
    }
    assert_eq!(sum(&clicks).clicks as usize, crate::limits::CLICKS_OF_USER_MAX);
    assert_eq!(clicks.tally().overlong, 10);
    let five: Vec<_> = (1..=5).map(|item| (item, None)).collect();
    place(&mut clicks, 7, 2, 900, &five);
    assert_eq!((sum(&clicks).orders, clicks.tally().bulk), (0, 1));
    place(&mut clicks, 7, 2, 901, &five[..4]);
    assert_eq!(sum(&clicks).orders, 4);
}

#[test]
fn shops_lists_and_currencies_are_bounded_and_nothing_is_lost() {
    let mut clicks = clicks();
    let shops: Vec<String> = (0..crate::limits::CLICK_SPOTS_MAX + 50).map(|n| format!("s{n}")).collect();
    for (n, shop) in shops.iter().enumerate() {
        clicks.clicked(&Told { shop, ..told(n as u128, 0, 1) }, &entry(1, 1));
    }
    assert_eq!(sum(&clicks).clicks as usize, shops.len());
    let others = clicks.cells().find(|cell| cell.shop == cells::OTHERS).unwrap();
    assert_eq!((others.tally.clicks, clicks.tally().displaced), (51, 51 * 2), "of a spot, and of its cell");
}

#[test]
fn an_erased_user_is_met_as_new() {
    let mut clicks = clicks();
    clicks.shown(&told(7, 0, 1), [entry(5, 1)].into_iter());
    clicks.clicked(&told(7, 0, 1), &entry(5, 1));
    clicks.erase(UserKey(7));
    place(&mut clicks, 7, 1, 9, &[(5, None)]);
    clicks.shown(&told(7, 2, 1), [entry(5, 1)].into_iter());
    assert_eq!((sum(&clicks).orders, sum(&clicks).shown), (0, 2));
}

/// Saves a state in portions of `bytes`, while `meanwhile` changes it; gives what was saved, taken up.
fn saved(clicks: &mut Clicks, bytes: usize, mut meanwhile: impl FnMut(&mut Clicks)) -> Clicks {
    let mut out = Vec::new();
    clicks.begin_save(1);
    while clicks.save(2, bytes, &mut out) == crate::saved::Saving::More {
        meanwhile(clicks);
    }
    let (mut again, mut loading) = (self::clicks(), ClicksLoading::default());
    for read in frames(&out) {
        match read.unwrap() {
            (1, body) => again.load_head(body, &mut loading).unwrap(),
            (_, body) => again.load(body).unwrap(),
        }
    }
    again.loaded(loading).unwrap();
    again
}

/// A small generator (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

#[derive(Clone, Debug)]
enum Life {
    Shown { user: u128, minute: i64, entries: Vec<(u64, u32)> },
    Click { user: u128, minute: i64, key: u64, item: u64, position: u32 },
    Order { user: u128, minute: i64, key: u64, step: OrderStep, number: u64, lines: Vec<(u64, Option<u64>)> },
}

fn lives(seed: u64, events: usize) -> Vec<Life> {
    let mut dice = Dice(seed);
    let mut minute = 0;
    (0..events)
        .map(|event| {
            minute += dice.roll(12) as i64;
            let at = minute - if dice.roll(8) == 0 { dice.roll(2000) as i64 } else { 0 };
            let (user, key) = (u128::from(dice.roll(6)), event as u64 - dice.roll(2).min(event as u64));
            match dice.roll(3) {
                0 => {
                    let entries = (1..=1 + dice.roll(5) as u32).map(|place| (dice.roll(8), place)).collect();
                    Life::Shown { user, minute: at, entries }
                }
                1 => Life::Click { user, minute: at, key, item: dice.roll(8), position: dice.roll(3) as u32 * 4 },
                _ => {
                    let step =
                        [OrderStep::State, OrderStep::State, OrderStep::Add, OrderStep::Return, OrderStep::Cancel]
                            [dice.roll(5) as usize];
                    let amount = |dice: &mut Dice| (dice.roll(4) > 0).then(|| dice.roll(5000));
                    let lines = if step == OrderStep::Cancel { 0 } else { 1 + dice.roll(4) };
                    let lines = (0..lines).map(|_| (dice.roll(8), amount(&mut dice))).collect();
                    Life::Order { user, minute: at, key, step, number: dice.roll(5), lines }
                }
            }
        })
        .collect()
}

fn live(clicks: &mut Clicks, life: &Life) {
    match life {
        Life::Shown { user, minute, entries } => {
            clicks.shown(&told(*user, *minute, 0), entries.iter().map(|&(item, place)| entry(item, place)));
        }
        Life::Click { user, minute, key, item, position } => {
            clicks.clicked(&told(*user, *minute, *key), &entry(*item, *position));
        }
        Life::Order { user, minute, key, step, number, lines } => {
            let number = (*number > 0).then(|| number.to_string());
            let (user, minute, key, step) = (*user, *minute, *key, *step);
            order(clicks, &Bought { user, minute, key, step, number: number.as_deref(), lines });
        }
    }
}

/// When an entry was shown, where, and whether it was clicked.
type Times = Vec<(i64, Band, bool)>;

/// The same by the rules as the documentation tells them, over all that ever happened to a user.
#[derive(Default)]
struct Naive {
    shown: BTreeMap<(u128, u64), Times>,
    latest_shown: BTreeMap<u128, i64>,
    clicks: Vec<NaiveClick>,
    orders: Vec<NaiveOrder>,
    latest: BTreeMap<u128, i64>,
    cells: BTreeMap<Band, CellTally>,
}

struct NaiveClick {
    user: u128,
    at: i64,
    key: u64,
    item: u64,
    band: Band,
    followed: bool,
}

struct NaiveOrder {
    user: u128,
    number: u64,
    keys: Vec<u64>,
    touched: i64,
    state_at: i64,
    lines: Vec<(u64, i64, Option<Band>, Option<u64>)>,
}

impl Naive {
    fn at(&mut self, band: Band) -> &mut CellTally {
        self.cells.entry(band).or_default()
    }

    /// Whether something at `minute` is not too old for the user; forgets what is.
    fn moves(&mut self, user: u128, minute: i64) -> bool {
        let latest = *self.latest.entry(user).and_modify(|latest| *latest = minute.max(*latest)).or_insert(minute);
        self.clicks.retain(|click| click.user != user || latest - click.at <= 24 * 60);
        self.orders.retain(|order| order.user != user || latest - order.touched <= 24 * 60);
        latest - minute <= 24 * 60
    }

    fn live(&mut self, life: &Life) {
        match life.clone() {
            Life::Shown { user, minute, entries } => {
                let none_left = !self.shown.iter().any(|((known, _), times)| *known == user && !times.is_empty());
                let latest = self.latest_shown.entry(user).or_insert(minute);
                *latest = if none_left { minute } else { minute.max(*latest) };
                let from = *latest - 30;
                for ((_, _), times) in self.shown.iter_mut().filter(|((known, _), _)| *known == user) {
                    times.retain(|(at, ..)| *at >= from);
                }
                for (item, place) in entries {
                    let times = self.shown.entry((user, item)).or_default();
                    if let Some(known) = times.iter_mut().find(|(at, ..)| (minute - *at).abs() <= 30) {
                        known.0 = known.0.max(minute);
                        continue;
                    }
                    let band = Band::of(Some(place));
                    times.push((minute, band, false));
                    self.at(band).shown += 1;
                }
            }
            Life::Click { user, minute, key, item, position } => {
                let is_known = |click: &NaiveClick| click.user == user && click.key == key;
                if !self.moves(user, minute) || self.clicks.iter().any(is_known) {
                    return;
                }
                let times = self.shown.entry((user, item)).or_default();
                let seen = times.iter_mut().find(|(at, ..)| (minute - *at).abs() <= 30);
                let mut band = Band::of((position > 0).then_some(position));
                match seen {
                    None => self.at(band).unseen += 1,
                    Some((_, shown, clicked)) => {
                        let (shown, is_first) = (*shown, !std::mem::replace(clicked, true));
                        band = if position == 0 { shown } else { band };
                        self.at(shown).clicked += u64::from(is_first);
                    }
                }
                self.at(band).clicks += 1;
                let mut click = NaiveClick { user, at: minute, key, item, band, followed: false };
                let mut credits = Vec::new();
                for order in self.orders.iter_mut().filter(|order| order.user == user) {
                    for line in &mut order.lines {
                        if line.0 == item && line.2.is_none() && (0..=24 * 60).contains(&(line.1 - minute)) {
                            line.2 = Some(band);
                            credits.push(line.3);
                        }
                    }
                }
                for amount in credits {
                    self.credit(band, &mut click.followed, amount);
                }
                self.clicks.push(click);
            }
            Life::Order { user, minute, key, step, number, lines } => {
                if !self.moves(user, minute) {
                    return;
                }
                let is_it = |order: &NaiveOrder| {
                    order.user == user && order.number == number && (number > 0 || order.keys.contains(&key))
                };
                let known = self.orders.iter().position(is_it);
                if known.is_none() && matches!(step, OrderStep::Return | OrderStep::Cancel) {
                    return;
                }
                let mut order = match known {
                    Some(place) => self.orders.remove(place),
                    None => NaiveOrder {
                        user,
                        number,
                        keys: Vec::new(),
                        touched: minute,
                        state_at: i64::MIN,
                        lines: Vec::new(),
                    },
                };
                if !order.keys.contains(&key) {
                    order.keys.push(key);
                    order.touched = order.touched.max(minute);
                    let is_state = matches!(step, OrderStep::State | OrderStep::Cancel);
                    if !is_state || minute >= order.state_at {
                        if is_state {
                            order.state_at = minute;
                        }
                        self.change(&mut order, minute, step, &lines);
                    }
                }
                self.orders.push(order);
            }
        }
    }

    fn change(&mut self, order: &mut NaiveOrder, minute: i64, step: OrderStep, lines: &[(u64, Option<u64>)]) {
        let named = |item: u64| lines.iter().any(|(named, _)| *named == item);
        let goes = |item: u64| match step {
            OrderStep::State => !named(item),
            OrderStep::Return => named(item),
            OrderStep::Cancel => true,
            OrderStep::Add => false,
        };
        for (_, _, credit, amount) in order.lines.iter().filter(|line| goes(line.0)) {
            let Some(band) = credit else { continue };
            self.at(*band).returned += 1;
            if let Some(amount) = amount {
                self.at(*band).revenue.entry(Currency(*b"EUR")).or_default().returned += amount;
            }
        }
        order.lines.retain(|line| !goes(line.0));
        if !matches!(step, OrderStep::State | OrderStep::Add) {
            return;
        }
        let mut new: BTreeMap<u64, Option<u64>> = BTreeMap::new();
        for &(item, amount) in lines.iter().filter(|(item, _)| order.lines.iter().all(|line| line.0 != *item)) {
            new.entry(item).and_modify(|sum| *sum = sum.zip(amount).map(|(a, b)| a + b)).or_insert(amount);
        }
        if order.lines.len() + new.len() > 4 {
            return;
        }
        for (item, amount) in new {
            let before = self.clicks.iter().enumerate().filter(|(_, click)| {
                click.user == order.user && click.item == item && (0..=24 * 60).contains(&(minute - click.at))
            });
            let best = before.max_by_key(|(_, click)| click.at).map(|(place, _)| place);
            let credit = best.map(|place| self.clicks[place].band);
            if let (Some(place), Some(band)) = (best, credit) {
                let mut followed = self.clicks[place].followed;
                self.credit(band, &mut followed, amount);
                self.clicks[place].followed = followed;
            }
            order.lines.push((item, minute, credit, amount));
        }
    }

    fn credit(&mut self, band: Band, followed: &mut bool, amount: Option<u64>) {
        let is_first = !std::mem::replace(followed, true);
        let tally = self.at(band);
        tally.orders += 1;
        tally.converted += u64::from(is_first);
        if let Some(amount) = amount {
            tally.revenue.entry(Currency(*b"EUR")).or_default().ordered += amount;
        }
    }
}

#[test]
fn random_lives_count_as_a_naive_recount_does_through_restarts() {
    for seed in 0..60 {
        let (mut clicks, mut naive, mut dice) = (clicks(), Naive::default(), Dice(seed ^ 0xABCD));
        for (n, life) in lives(seed, 600).iter().enumerate() {
            live(&mut clicks, life);
            naive.live(life);
            if dice.roll(60) == 0 {
                clicks = saved(&mut clicks, 1 + dice.roll(500) as usize, |_| {});
            }
            let found: BTreeMap<Band, CellTally> = clicks.cells().map(|cell| (cell.band, cell.tally.clone())).collect();
            naive.cells.retain(|_, tally| *tally != CellTally::default());
            assert_eq!(found, naive.cells, "seed {seed}, event {n}: {life:?}");
        }
        let all = sum(&clicks);
        assert!(all.orders > 20 && all.returned > 5 && all.clicked > 3 && all.unseen > 5, "{all:?}");
        assert!(all.clicked <= all.shown && all.converted <= all.clicks && all.returned <= all.orders);
    }
}

#[test]
fn what_is_saved_is_of_the_moment_when_saving_began() {
    let all = lives(7, 400);
    let (before, after) = all.split_at(200);
    let mut clicks = clicks();
    before.iter().for_each(|life| live(&mut clicks, life));
    let then: Vec<_> = clicks.cells().map(|cell| (cell.band, cell.tally.clone())).collect();
    let mut rest = after.iter();
    let mut again = saved(&mut clicks, 1, |clicks| rest.by_ref().take(40).for_each(|life| live(clicks, life)));
    assert_eq!(again.cells().map(|cell| (cell.band, cell.tally.clone())).collect::<Vec<_>>(), then);
    rest.for_each(|life| live(&mut clicks, life));
    after.iter().for_each(|life| live(&mut again, life));
    assert_eq!(again.cells().collect::<Vec<_>>(), clicks.cells().collect::<Vec<_>>());
    assert_eq!(again.tally(), clicks.tally());
}

#[test]
fn damaged_states_are_refused() {
    let mut clicks = clicks();
    lives(3, 200).iter().for_each(|life| live(&mut clicks, life));
    let mut out = Vec::new();
    clicks.begin_save(1);
    while clicks.save(2, 100, &mut out) == crate::saved::Saving::More {}
    let frames: Vec<(u8, Vec<u8>)> =
        frames(&out).map(|read| read.map(|(kind, body)| (kind, body.to_vec())).unwrap()).collect();
    let load = |frames: &[(u8, Vec<u8>)]| {
        let (mut again, mut loading) = (self::clicks(), ClicksLoading::default());
        for (kind, body) in frames {
            if *kind == 1 { again.load_head(body, &mut loading) } else { again.load(body) }?;
        }
        again.loaded(loading)
    };
    load(&frames).unwrap();
    assert!(load(&frames[1..]).is_err(), "no head");
    assert!(load(&frames[..frames.len() - 1]).is_err(), "a part is missing");
    assert!(load(&[frames.clone(), vec![frames[1].clone()]].concat()).is_err(), "a part twice");
    // No byte that is another one may make it panic.
    for place in 0..frames[0].1.len() {
        let mut damaged = frames.clone();
        damaged[0].1[place] ^= 0x55;
        let _any = load(&damaged);
    }
}

#[test]
fn what_users_did_takes_bounded_room() {
    let mut clicks = clicks();
    for user in 0..60_000_u128 {
        clicks.shown(&told(user, 0, 1), (1..=60).map(|place| entry(u64::from(place), place)));
    }
    let bound = CLICK_MEMORY_BYTES_MAX + (1 << 20);
    assert!(clicks.seen.bytes() <= bound, "{} bytes", clicks.seen.bytes());
    assert!(clicks.tally().forgotten > 0);
    assert_eq!(sum(&clicks).shown, 60 * 60_000, "nothing of it is lost");
    let mut calm = self::clicks();
    for user in 0..60_000_u128 {
        calm.shown(&told(user, user as i64, 1), (1..=60).map(|place| entry(u64::from(place), place)));
    }
    assert!(calm.seen.bytes() <= bound);
    assert_eq!(calm.tally().forgotten, 0, "who was seen days ago is not missed");
}
