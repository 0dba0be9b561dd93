//! Seeded random events of a tiny, skewed shop: few users and items, so that everything the rules treat apart happens
//! often. Duplicates, events without id, late events, bulk and repeat orders, orders that change in every way, sessions side by side,
//! erasures, full sessions and carts, and times that lie exactly on the edges of gaps and horizons, one ms before and one after.

#![allow(dead_code)] // each test that includes this file uses a part of it

use super::recount::{Event, Kind, Rules, Step};

/// How the shop is made.
#[derive(Clone, Debug)]
pub struct Shape {
    pub users: u64,
    pub items: u64,
    /// Lines of the largest orders.
    pub lines_max: u64,
    /// Steps of time that matter: gaps and horizons of the rules.
    pub edges_ms: Vec<i64>,
    /// Whether events may be sent again, come late, or have no lines.
    pub calm: bool,
    /// Whether orders change, views have sessions, and users are erased.
    pub lives: bool,
}

impl Shape {
    /// Small enough for `rules` to be hit from all sides.
    pub fn of(rules: &Rules) -> Self {
        let mut edges_ms = vec![rules.session_gap, rules.view_to_order, rules.cart_gap];
        edges_ms.extend([rules.repeat_horizon, rules.also_horizon, rules.order_open, rules.session_longest]);
        let lines_max = u64::try_from(rules.basket_max).unwrap().min(12) + 3;
        Self { users: 4, items: 14, lines_max, edges_ms, calm: false, lives: true }
    }
}

/// The seeds `0..count`, or only the one in the environment variable `SAMENLOOP_SEED`, to try a failure again; `SAMENLOOP_SEEDS` is
/// another count, for every test that has seeds.
pub fn seeds(count: u64) -> Vec<u64> {
    let asked =
        |name| std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")));
    match asked("SAMENLOOP_SEED") {
        Some(seed) => vec![seed],
        None => (0..asked("SAMENLOOP_SEEDS").unwrap_or(count)).collect(),
    }
}

/// Whether all of the seeds `0..count` are tried: of fewer, or of one alone, no test may ask that they bring everything about.
pub fn all_are_tried(count: u64) -> bool {
    (0..count).all(|seed| seeds(count).contains(&seed))
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Below `bound`, the small ones far more often.
    pub fn skewed(&mut self, bound: u64) -> u64 {
        let most = self.below(bound) + 1;
        self.below(most)
    }
}

/// `count` events in order of arrival.
pub fn events(seed: u64, count: usize, shape: &Shape) -> Vec<Event> {
    let mut random = Random::new(seed);
    let mut now_ms = 1_700_000_000_000;
    let mut events: Vec<Event> = Vec::with_capacity(count);
    while events.len() < count {
        now_ms += step(&mut random, shape);
        let again = (!shape.calm && random.chance(8) && !events.is_empty()).then(|| {
            let back = random.skewed(u64::try_from(events.len().min(30)).unwrap());
            events.len() - 1 - usize::try_from(back).unwrap()
        });
        let event = match again {
            Some(place) => again_or_reused(&mut random, &events[place], now_ms),
            None => fresh(&mut random, shape, now_ms, events.len(), &events),
        };
        events.push(event);
    }
    events
}

fn step(random: &mut Random, shape: &Shape) -> i64 {
    let edge = shape.edges_ms[usize::try_from(random.below(shape.edges_ms.len() as u64)).unwrap()];
    match random.below(40) {
        0 => edge,
        1 => edge + 1,
        2 => edge - 1,
        3 => i64::try_from(random.below(u64::try_from(2 * edge).unwrap())).unwrap(),
        4..14 => 0,
        _ => i64::try_from(random.below(u64::try_from(shape.edges_ms.iter().min().unwrap() / 8).unwrap())).unwrap(),
    }
}

/// The same event once more, or another one under its id.
fn again_or_reused(random: &mut Random, earlier: &Event, now_ms: i64) -> Event {
    let mut event = earlier.clone();
    if random.chance(25) {
        event.ts = now_ms;
    }
    event
}

fn fresh(random: &mut Random, shape: &Shape, now_ms: i64, number: usize, earlier: &[Event]) -> Event {
    let ts = if !shape.calm && random.chance(12) { now_ms - step(random, shape) } else { now_ms };
    let (shop, user) = match earlier.last() {
        Some(last) if random.chance(90) => (last.shop.clone(), last.user.clone()), // visits come in bursts
        _ => {
            let shop = if random.chance(85) { "main" } else { "b2b" };
            (shop.to_owned(), format!("u{}", random.skewed(shape.users)))
        }
    };
    let kind = match random.below(10) {
        _ if shape.lives && random.below(300) == 0 => Kind::Erase,
        0..6 => Kind::View { item: item(random, shape), session: session(random, shape) },
        6..8 => Kind::Cart { item: item(random, shape) },
        _ => order(random, shape, (&shop, &user), (number, ts), earlier),
    };
    Event { id: random.chance(70).then(|| format!("e{number}")), kind, shop, user, ts }
}

/// One of few, so that a user comes back to them; most views have none.
fn session(random: &mut Random, shape: &Shape) -> Option<String> {
    (shape.lives && random.chance(35)).then(|| format!("s{}", random.skewed(7)))
}

/// A new order, or a change of an earlier one by the same user.
fn order(
    random: &mut Random,
    shape: &Shape,
    (shop, user): (&str, &str),
    (number, ts): (usize, i64),
    earlier: &[Event],
) -> Kind {
    let is_change = shape.lives && random.chance(60);
    let back = usize::try_from(random.skewed(6)).unwrap();
    let of_user = earlier.iter().rev().filter(|event| event.user == user && event.shop == shop);
    let mut before = of_user.filter_map(|event| match &event.kind {
        Kind::Order { order_id, lines, .. } if !(shape.calm && order_id.is_empty()) => Some((order_id, lines)),
        _ => None,
    });
    let Some((order_id, held)) = before.nth(back).filter(|_| is_change) else {
        let is_numbered = !shape.lives || random.chance(90);
        let order_id = if is_numbered { format!("o{number}") } else { String::new() };
        return Kind::order(&order_id, lines(random, shape, user, earlier));
    };
    let version = match random.below(10) {
        0..6 => None,
        6 => Some(ts),
        7..9 => Some(ts - 1 - 20 * step(random, shape)),
        _ => Some(ts + step(random, shape)),
    };
    let part = |random: &mut Random, percent| -> Vec<String> {
        held.iter().filter(|_| random.chance(percent)).cloned().collect()
    };
    let (step, mut lines) = match random.below(8) {
        0..2 => (Step::State, lines(random, shape, user, earlier)),
        2 => {
            let mut lines = part(random, 80);
            lines.extend((0..random.below(3)).map(|_| item(random, shape)));
            (Step::State, lines)
        }
        3..5 => (Step::Add, (0..=random.below(shape.lines_max / 2 + 1)).map(|_| item(random, shape)).collect()),
        5..7 => (Step::Return, part(random, 50)),
        _ => (Step::Cancel, Vec::new()),
    };
    if shape.calm && lines.is_empty() && step != Step::Cancel {
        lines.push(item(random, shape));
    }
    Kind::Order { step, order_id: order_id.clone(), version, lines }
}

fn item(random: &mut Random, shape: &Shape) -> String {
    let number = if random.chance(50) { random.skewed(shape.items) } else { random.below(shape.items) };
    match number {
        0 => "é/件".to_owned(),
        n => format!("i{n}"),
    }
}

/// New lines, or those of an earlier order by the same user and one more.
fn lines(random: &mut Random, shape: &Shape, user: &str, earlier: &[Event]) -> Vec<String> {
    if !shape.calm && random.chance(4) {
        return Vec::new();
    }
    if random.chance(30) {
        let same = earlier.iter().rev().filter(|event| event.user == user).find_map(|event| match &event.kind {
            Kind::Order { lines, .. } if !lines.is_empty() => Some(lines.clone()),
            _ => None,
        });
        if let Some(mut lines) = same {
            lines.push(item(random, shape));
            return lines;
        }
    }
    let most = random.below(shape.lines_max) + 1;
    (0..=random.below(most)).map(|_| item(random, shape)).collect()
}

/// Events of years, in order of time: users come back after up to 399 days, and view and order what they did before, so that it
/// shows in the counts whether they were remembered.
pub fn years(seed: u64, users: u64, days: u64) -> Vec<Event> {
    const DAY_MS: u64 = 86_400_000;
    let mut random = Random::new(seed);
    let mut events = Vec::new();
    for user in 0..users {
        let mut at_ms = random.below(100 * DAY_MS);
        while at_ms < days * DAY_MS {
            for n in 0..3 {
                let item = |random: &mut Random| format!("i{}", random.below(12));
                let number = events.len();
                let kind = match n {
                    2 => Kind::order(&format!("o{number}"), (0..3).map(|_| item(&mut random)).collect()),
                    _ => Kind::view(&item(&mut random)),
                };
                let ts = 1_600_000_000_000 + i64::try_from(at_ms + n * 60_000).unwrap();
                let id = Some(format!("e{number}"));
                events.push(Event { id, kind, shop: "main".to_owned(), user: format!("u{user}"), ts });
            }
            at_ms += DAY_MS + random.below(398 * DAY_MS);
        }
    }
    events.sort_by_key(|event| event.ts);
    events
}

/// The events of two sources by user, of which the second is read late: each of its events comes when the first source has got
/// `late_ms` further. In the order in which they are read; with the number of the source.
pub fn one_late(events: &[Event], late_ms: i64) -> Vec<(usize, Event)> {
    let source = |event: &Event| usize::from(event.user.bytes().last().unwrap() % 2 == 1);
    let mut all: Vec<(usize, Event)> = events.iter().map(|event| (source(event), event.clone())).collect();
    all.sort_by_key(|(source, event)| event.ts + if *source == 1 { late_ms } else { 0 });
    all
}
