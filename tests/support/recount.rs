//! The counting rules of design section 5, counted the slow and plain way: strings for ids, one pass, nothing shared with
//! the program. What the program counts must equal this.
//!
//! Its output has the form of `oracle/recount.py`, a third counting of the same rules.

#![allow(dead_code)] // each test that includes this file uses a part of it

use std::collections::BTreeMap;
use std::fmt;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    View { item: String },
    Cart { item: String },
    Order { order_id: String, lines: Vec<String> },
}

/// One event, in the order in which the users' events are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: Option<String>,
    pub kind: Kind,
    pub shop: String,
    pub user: String,
    /// Event time, ms since 1970.
    pub ts: i64,
}

/// Settings, in ms and items, by the names of `recount.py`.
#[derive(Clone, Debug)]
pub struct Rules {
    pub session_gap: i64,
    pub session_max_items: usize,
    pub pair_window: usize,
    pub recent_max: usize,
    pub view_to_order: i64,
    pub cart_gap: i64,
    pub cart_max: usize,
    pub basket_max: usize,
    pub repeat_horizon: i64,
    pub purchases_max: usize,
    pub also_max: usize,
    pub also_horizon: i64,
    pub dedup_ids: usize,
    pub half_life_bought_together: i64,
    pub half_life_also_bought: i64,
    pub half_life_viewed_together: i64,
    pub half_life_viewed_then_bought: i64,
    pub half_life_carted_together: i64,
}

impl Default for Rules {
    fn default() -> Self {
        let (minute, day) = (60_000, 86_400_000);
        Self {
            session_gap: 30 * minute,
            session_max_items: 50,
            pair_window: 20,
            recent_max: 20,
            view_to_order: day,
            cart_gap: day,
            cart_max: 50,
            basket_max: 100,
            repeat_horizon: 180 * day,
            purchases_max: 1000,
            also_max: 50,
            also_horizon: 90 * day,
            dedup_ids: 128,
            half_life_bought_together: 180 * day,
            half_life_also_bought: 180 * day,
            half_life_viewed_together: 60 * day,
            half_life_viewed_then_bought: 60 * day,
            half_life_carted_together: 60 * day,
        }
    }
}

impl Rules {
    fn half_life(&self, relation: &str) -> f64 {
        let ms = match relation {
            "bought_together" => self.half_life_bought_together,
            "also_bought" => self.half_life_also_bought,
            "viewed_together" => self.half_life_viewed_together,
            "viewed_then_bought" => self.half_life_viewed_then_bought,
            _ => self.half_life_carted_together,
        };
        ms as f64
    }
}

/// A line of output: `kind shop relation x y support weight`, sorted by all but the last two.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `pair`, `total`, `contexts` or `tally`.
    pub kind: &'static str,
    pub shop: String,
    /// The relation, or the name of a tally.
    pub relation: String,
    /// Anchor, or the item of a total.
    pub x: String,
    /// The other item, or the role of a total.
    pub y: String,
    pub support: i64,
    pub weight: f64,
}

impl Row {
    /// What rows are sorted by.
    pub fn key(&self) -> (&str, &str, &str, &str, &str) {
        (self.kind, &self.shop, &self.relation, &self.x, &self.y)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, shop, relation, x, y, support, weight } = self;
        write!(f, "{kind}\t{shop}\t{relation}\t{x}\t{y}\t{support}\t{weight:?}")
    }
}

/// The first difference between two sorted lists of rows; weights may differ by `relative`.
pub fn difference(want: &[Row], got: &[Row], relative: f64) -> Option<String> {
    for (w, g) in want.iter().zip(got) {
        let near = (w.weight - g.weight).abs() <= relative * w.weight.abs().max(g.weight.abs());
        if w.key() != g.key() || w.support != g.support || !near {
            return Some(format!("want {w}\n got {g}"));
        }
    }
    let (longer, which) = if want.len() > got.len() { (want, "missing") } else { (got, "too many") };
    longer.get(want.len().min(got.len())).map(|row| format!("{which}: {row}"))
}

#[derive(Default)]
struct User {
    click_ids: Vec<String>,
    order_ids: Vec<String>,
    session: Vec<String>,
    session_at: Option<i64>,
    /// (item, last ts); newest last.
    recent: Vec<(String, i64)>,
    cart: Vec<String>,
    cart_at: Option<i64>,
    /// (item, last ts, times); newest last.
    purchases: Vec<(String, i64, u32)>,
}

type Key = (&'static str, String, String, String, String);

struct Cell {
    support: i64,
    weight: f64,
    /// Its latest event: what `weight` is decayed to.
    at: i64,
}

/// The recount so far.
pub struct Recount {
    rules: Rules,
    users: BTreeMap<(String, String), User>,
    cells: BTreeMap<Key, Cell>,
    tally: BTreeMap<&'static str, i64>,
    latest: i64,
}

impl Recount {
    pub fn new(rules: Rules) -> Self {
        let (users, cells, tally) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { rules, users, cells, tally, latest: 0 }
    }

    /// Latest event time seen: what `recount.py` decays to unless told otherwise.
    pub fn latest(&self) -> i64 {
        self.latest
    }

    /// Counts one event.
    pub fn event(&mut self, event: &Event) {
        self.latest = self.latest.max(event.ts);
        if matches!(&event.kind, Kind::Order { lines, .. } if lines.is_empty()) {
            *self.tally.entry("rejected").or_default() += 1;
            return;
        }
        let mut user = self.users.remove(&(event.shop.clone(), event.user.clone())).unwrap_or_default();
        let fate = if is_new(&mut user, event, self.rules.dedup_ids) {
            *self.tally.entry("accepted").or_default() += 1;
            match &event.kind {
                Kind::View { item } => self.view(&mut user, event, item),
                Kind::Cart { item } => self.cart(&mut user, event, item),
                Kind::Order { lines, .. } => self.order(&mut user, event, lines),
            }
        } else {
            Some("duplicate")
        };
        if let Some(name) = fate {
            *self.tally.entry(name).or_default() += 1;
        }
        self.users.insert((event.shop.clone(), event.user.clone()), user);
    }

    fn view(&mut self, user: &mut User, event: &Event, item: &String) -> Option<&'static str> {
        let relation = "viewed_together";
        let (ts, gap) = (event.ts, self.rules.session_gap);
        if user.session_at.is_some_and(|at| ts < at - gap) {
            return Some("late");
        }
        if user.session_at.is_none_or(|at| ts > at + gap) {
            user.session.clear();
            user.session_at = Some(ts);
            self.context(event, relation);
        }
        user.session_at = user.session_at.max(Some(ts));

        let before = user.recent.iter().find(|(other, _)| other == item).map_or(ts, |(_, at)| *at);
        user.recent.retain(|(other, _)| other != item);
        user.recent.push((item.clone(), before.max(ts)));
        while user.recent.len() > self.rules.recent_max {
            user.recent.remove(0);
        }

        if user.session.contains(item) {
            return None;
        }
        if user.session.len() >= self.rules.session_max_items {
            return Some("overlong");
        }
        self.total(event, relation, item, "both", 1, 1.0);
        let mut distance = 0.0;
        for other in user.session.iter().rev().take(self.rules.pair_window) {
            distance += 1.0;
            let weight = 1.0 / f64::sqrt(distance);
            self.pair(event, relation, item, other, 1, weight);
            self.pair(event, relation, other, item, 1, weight);
        }
        user.session.push(item.clone());
        None
    }

    fn cart(&mut self, user: &mut User, event: &Event, item: &String) -> Option<&'static str> {
        let relation = "carted_together";
        let (ts, gap) = (event.ts, self.rules.cart_gap);
        if user.cart_at.is_some_and(|at| ts < at - gap) {
            return Some("late");
        }
        if user.cart_at.is_none_or(|at| ts > at + gap) {
            user.cart.clear();
            user.cart_at = Some(ts);
            self.context(event, relation);
        }
        user.cart_at = user.cart_at.max(Some(ts));
        if user.cart.contains(item) {
            return None;
        }
        if user.cart.len() >= self.rules.cart_max {
            return Some("overlong");
        }
        self.total(event, relation, item, "both", 1, 1.0);
        for other in &user.cart {
            self.pair(event, relation, item, other, 1, 1.0);
            self.pair(event, relation, other, item, 1, 1.0);
        }
        user.cart.push(item.clone());
        None
    }

    fn order(&mut self, user: &mut User, event: &Event, lines: &[String]) -> Option<&'static str> {
        let mut basket: Vec<String> = Vec::new();
        for item in lines {
            if !basket.contains(item) {
                basket.push(item.clone());
            }
        }
        if user.cart_at.is_none_or(|at| event.ts >= at) {
            user.cart.clear();
            user.cart_at = None;
        }
        if basket.len() > self.rules.basket_max {
            return Some("bulk");
        }
        let repeats: Vec<u32> = basket.iter().map(|item| self.repeats(user, item, event.ts)).collect();
        let bought: Vec<(&String, u32)> = basket.iter().zip(repeats).collect();
        self.bought_together(event, &bought);
        self.also_bought(user, event, &bought);
        self.viewed_then_bought(user, event, &bought);

        for (item, repeats) in bought {
            let at = user.purchases.iter().find(|(other, ..)| other == item).map_or(event.ts, |&(_, at, _)| at);
            user.purchases.retain(|(other, ..)| other != item);
            user.purchases.push((item.clone(), at.max(event.ts), repeats + 1));
        }
        while user.purchases.len() > self.rules.purchases_max {
            user.purchases.remove(0);
        }
        None
    }

    fn repeats(&self, user: &User, item: &String, ts: i64) -> u32 {
        match user.purchases.iter().find(|(other, ..)| other == item) {
            Some(&(_, at, times)) if ts - at <= self.rules.repeat_horizon => times,
            _ => 0,
        }
    }

    fn bought_together(&mut self, event: &Event, bought: &[(&String, u32)]) {
        let relation = "bought_together";
        self.context(event, relation);
        for &(i, r) in bought {
            self.total(event, relation, i, "anchor", i64::from(r == 0), damped(r));
            self.total(event, relation, i, "other", 1, 1.0);
            for &(j, s) in bought {
                if i != j {
                    self.pair(event, relation, i, j, i64::from(r == 0 || s == 0), damped(r));
                }
            }
        }
    }

    fn also_bought(&mut self, user: &User, event: &Event, bought: &[(&String, u32)]) {
        let relation = "also_bought";
        let mut before: Vec<&String> = Vec::new();
        for (item, at, _) in user.purchases.iter().rev() {
            let ordered = bought.iter().any(|(other, _)| *other == item);
            if !ordered && event.ts - at <= self.rules.also_horizon && before.len() < self.rules.also_max {
                before.push(item);
            }
        }
        let fresh: Vec<&String> = bought.iter().filter(|(_, r)| *r == 0).map(|(item, _)| *item).collect();
        if before.is_empty() || fresh.is_empty() {
            return;
        }
        self.context(event, relation);
        for anchor in &before {
            self.total(event, relation, anchor, "anchor", 1, 1.0);
            for other in &fresh {
                self.pair(event, relation, anchor, other, 1, 1.0);
            }
        }
        for other in fresh {
            self.total(event, relation, other, "other", 1, 1.0);
        }
    }

    fn viewed_then_bought(&mut self, user: &User, event: &Event, bought: &[(&String, u32)]) {
        let relation = "viewed_then_bought";
        let mut viewed: Vec<&String> = Vec::new();
        for (item, at) in &user.recent {
            let age = event.ts - at;
            if age >= 0 && age <= self.rules.view_to_order {
                viewed.push(item);
            }
        }
        if viewed.is_empty() {
            return;
        }
        self.context(event, relation);
        for anchor in &viewed {
            self.total(event, relation, anchor, "anchor", 1, 1.0);
        }
        for &(other, r) in bought {
            self.total(event, relation, other, "other", i64::from(r == 0), damped(r));
            for anchor in &viewed {
                if *anchor != other {
                    self.pair(event, relation, anchor, other, i64::from(r == 0), damped(r));
                }
            }
        }
    }

    fn context(&mut self, event: &Event, relation: &str) {
        self.add("contexts", event, relation, ("*", "*"), 1, 1.0);
    }

    fn total(&mut self, event: &Event, relation: &str, item: &str, role: &str, support: i64, weight: f64) {
        self.add("total", event, relation, (item, role), support, weight);
    }

    fn pair(&mut self, event: &Event, relation: &str, anchor: &str, other: &str, support: i64, weight: f64) {
        self.add("pair", event, relation, (anchor, other), support, weight);
    }

    /// A weight is kept as of its cell's latest event: the program's landmark is not shared.
    fn add(&mut self, kind: &'static str, event: &Event, relation: &str, (x, y): (&str, &str), n: i64, weight: f64) {
        let key = (kind, event.shop.clone(), relation.to_owned(), x.to_owned(), y.to_owned());
        let half_life = self.rules.half_life(relation);
        let cell = self.cells.entry(key).or_insert(Cell { support: 0, weight: 0.0, at: event.ts });
        let at = cell.at.max(event.ts);
        cell.support += n;
        cell.weight = decayed(cell.weight, at - cell.at, half_life) + decayed(weight, at - event.ts, half_life);
        cell.at = at;
    }

    /// All counts and tallies, sorted; weights decayed to `as_of`.
    pub fn rows(&self, as_of: i64) -> Vec<Row> {
        let cells = self.cells.iter().map(|((kind, shop, relation, x, y), cell)| Row {
            kind,
            shop: shop.clone(),
            relation: relation.clone(),
            x: x.clone(),
            y: y.clone(),
            support: cell.support,
            weight: decayed(cell.weight, as_of - cell.at, self.rules.half_life(relation)),
        });
        let tallies = self.tally.iter().map(|(&name, &n)| tally_row(name, n));
        let mut rows: Vec<Row> = cells.chain(tallies).collect();
        sort(&mut rows);
        rows
    }
}

/// The row of a tally.
pub fn tally_row(name: &str, n: i64) -> Row {
    let any = || "*".to_owned();
    Row { kind: "tally", shop: any(), relation: name.to_owned(), x: any(), y: any(), support: n, weight: 0.0 }
}

/// Sorts rows as `recount.py` does.
pub fn sort(rows: &mut [Row]) {
    rows.sort_by(|a, b| a.key().cmp(&b.key()));
}

fn decayed(weight: f64, age_ms: i64, half_life_ms: f64) -> f64 {
    weight * f64::exp2(-(age_ms as f64) / half_life_ms)
}

fn damped(repeats: u32) -> f64 {
    1.0 / (1.0 + f64::from(repeats))
}

fn is_new(user: &mut User, event: &Event, dedup_ids: usize) -> bool {
    let (content, ids) = match &event.kind {
        Kind::View { item } => (format!("view {} {item}", event.ts), &mut user.click_ids),
        Kind::Cart { item } => (format!("cart {} {item}", event.ts), &mut user.click_ids),
        Kind::Order { order_id, .. } => (format!("order {} {order_id}", event.ts), &mut user.order_ids),
    };
    let id = match &event.id {
        Some(id) => format!("id {id}"),
        None => content,
    };
    if ids.contains(&id) {
        return false;
    }
    ids.push(id);
    while ids.len() > dedup_ids {
        ids.remove(0);
    }
    true
}
