//! The counting rules of design section 5, counted the slow and plain way: strings for ids, one pass, nothing shared with
//! the program. What the program counts must equal this.
//!
//! Its output has the form of `oracle/recount_life.py`, a third counting of the same rules.

#![allow(dead_code)] // each test that includes this file uses a part of it

use std::collections::BTreeMap;
use std::fmt;

/// What a record does to its order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    State,
    Add,
    Return,
    Cancel,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "order",
            Self::Add => "add",
            Self::Return => "return",
            Self::Cancel => "cancel",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    View { item: String, session: Option<String> },
    Cart { item: String },
    Order { step: Step, order_id: String, version: Option<i64>, lines: Vec<String> },
    Erase,
}

impl Kind {
    pub fn view(item: &str) -> Self {
        Self::View { item: item.to_owned(), session: None }
    }

    /// An order that is placed.
    pub fn order(order_id: &str, lines: Vec<String>) -> Self {
        Self::Order { step: Step::State, order_id: order_id.to_owned(), version: None, lines }
    }

    /// Whether intake refuses it: a record of an order without lines, or a later one without the order's number.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Order { step, order_id, lines, .. } => {
                (lines.is_empty() && *step != Step::Cancel) || (order_id.is_empty() && *step != Step::State)
            }
            _ => false,
        }
    }
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
    pub session_longest: i64,
    pub sessions_open: usize,
    pub order_open: i64,
    pub orders_max: usize,
    pub together_orders: usize,
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
            session_longest: 4 * 60 * minute,
            sessions_open: 4,
            order_open: 30 * day,
            orders_max: 16,
            together_orders: 64,
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

/// The first difference between two sorted lists of rows; weights may differ by `relative`. What was taken back leaves its
/// rounding: of weights far below 1 it may be more, and a part without support that is as small cannot be told from that.
pub fn difference(want: &[Row], got: &[Row], relative: f64) -> Option<String> {
    let stand = |rows: &[Row]| -> Vec<Row> {
        let stands = |row: &&Row| row.kind == "tally" || row.support > 0 || row.weight > 1e-6;
        rows.iter().filter(stands).cloned().collect()
    };
    let (want, got) = (stand(want), stand(got));
    for (w, g) in want.iter().zip(&got) {
        let near = (w.weight - g.weight).abs() <= relative * (w.weight.abs().max(g.weight.abs()) + 1e-2);
        if w.key() != g.key() || w.support != g.support || !near {
            return Some(format!("want {w}\n got {g}"));
        }
    }
    let shared = want.len().min(got.len());
    let (longer, which) = if want.len() > got.len() { (want, "missing") } else { (got, "too many") };
    longer.get(shared).map(|row| format!("{which}: {row}"))
}

#[derive(Default)]
struct User {
    click_ids: Vec<String>,
    order_ids: Vec<String>,
    /// Newest last.
    sessions: Vec<Session>,
    /// (item, last ts); newest last.
    recent: Vec<(String, i64)>,
    cart: Vec<String>,
    cart_at: Option<i64>,
    /// Newest last.
    purchases: Vec<Purchase>,
    /// The one touched last is last.
    orders: Vec<Order>,
    order_count: usize,
}

struct Session {
    id: Option<String>,
    items: Vec<String>,
    first: i64,
    latest: i64,
}

struct Purchase {
    item: String,
    at: i64,
    times: i64,
    /// The orders that held it.
    orders: Vec<usize>,
}

/// An order that may still change.
struct Order {
    id: String,
    ts: i64,
    version: i64,
    number: usize,
    /// Items, each with how often it had been bought when it joined.
    items: Vec<(String, i64)>,
    /// What was counted of it.
    counted: Vec<Entry>,
}

type Key = (&'static str, String, String, String, String);

/// One number that was counted.
type Entry = (Key, i64, f64);

struct Cell {
    /// Entries less those taken back.
    entries: i64,
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
        let key = (event.shop.clone(), event.user.clone());
        if event.kind == Kind::Erase {
            self.users.remove(&key);
            *self.tally.entry("accepted").or_default() += 1;
            return;
        }
        if event.kind.is_refused() {
            *self.tally.entry("rejected").or_default() += 1;
            return;
        }
        let mut user = self.users.remove(&key).unwrap_or_default();
        let fate = if is_new(&mut user, event, self.rules.dedup_ids) {
            *self.tally.entry("accepted").or_default() += 1;
            match &event.kind {
                Kind::View { item, session } => self.view(&mut user, event, item, session),
                Kind::Cart { item } => self.cart(&mut user, event, item),
                Kind::Order { step, order_id, version, lines } => {
                    self.order(&mut user, event, (*step, order_id, version.unwrap_or(event.ts)), lines)
                }
                Kind::Erase => None,
            }
        } else {
            Some("duplicate")
        };
        if let Some(name) = fate {
            *self.tally.entry(name).or_default() += 1;
        }
        self.users.insert(key, user);
    }

    fn view(&mut self, user: &mut User, event: &Event, item: &String, id: &Option<String>) -> Option<&'static str> {
        let relation = "viewed_together";
        let (ts, gap) = (event.ts, self.rules.session_gap);
        let known = user.sessions.iter().position(|session| session.id == *id);
        if known.is_some_and(|place| ts < user.sessions[place].latest - gap) {
            return Some("late");
        }
        let before = known.map(|place| user.sessions.remove(place));
        let goes_on = |s: &Session| ts <= s.latest + gap && ts <= s.first + self.rules.session_longest;
        let mut session = match before.filter(goes_on) {
            Some(session) => session,
            None => {
                self.context(event, relation);
                Session { id: id.clone(), items: Vec::new(), first: ts, latest: ts }
            }
        };
        session.latest = session.latest.max(ts);
        user.sessions.push(session);
        while user.sessions.len() > self.rules.sessions_open {
            user.sessions.remove(0);
        }

        let before = user.recent.iter().find(|(other, _)| other == item).map_or(ts, |(_, at)| *at);
        user.recent.retain(|(other, _)| other != item);
        user.recent.push((item.clone(), before.max(ts)));
        while user.recent.len() > self.rules.recent_max {
            user.recent.remove(0);
        }

        let Some(session) = user.sessions.last_mut() else { unreachable!() };
        if session.items.contains(item) {
            return None;
        }
        if session.items.len() >= self.rules.session_max_items {
            return Some("overlong");
        }
        self.total(event, relation, item, "both", 1, 1.0);
        let mut distance = 0.0;
        for other in session.items.iter().rev().take(self.rules.pair_window) {
            distance += 1.0;
            let weight = 1.0 / f64::sqrt(distance);
            self.pair(event, relation, item, other, 1, weight);
            self.pair(event, relation, other, item, 1, weight);
        }
        session.items.push(item.clone());
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

    fn order(
        &mut self,
        user: &mut User,
        event: &Event,
        (step, id, version): (Step, &str, i64),
        lines: &[String],
    ) -> Option<&'static str> {
        let ts = event.ts;
        let lines = distinct(lines.iter().cloned());
        user.orders.retain(|order| ts - order.ts <= self.rules.order_open);
        let known = user.orders.iter().position(|order| order.id == id && !id.is_empty());
        let (mut order, items) = if let Some(place) = known {
            let mut order = user.orders.remove(place);
            let held: Vec<String> = order.items.iter().map(|(item, _)| item.clone()).collect();
            let items = match step {
                Step::State => lines,
                Step::Add => distinct(held.iter().cloned().chain(lines)),
                Step::Return => held.iter().filter(|item| !lines.contains(item)).cloned().collect(),
                Step::Cancel => Vec::new(),
            };
            let is_stale = version < order.version && matches!(step, Step::State | Step::Cancel);
            order.version = order.version.max(version);
            let is_same = items.len() == held.len() && items.iter().all(|item| held.contains(item));
            if is_stale || is_same {
                user.orders.push(order);
                return Some(if is_stale { "stale" } else { "unchanged" });
            }
            self.take_back(user, event, &mut order, &items);
            (order, items)
        } else {
            if matches!(step, Step::Return | Step::Cancel) {
                return Some("unknown_order");
            }
            if user.cart_at.is_none_or(|at| ts >= at) {
                user.cart.clear();
                user.cart_at = None;
            }
            user.order_count += 1;
            let number = user.order_count;
            let (items, counted) = (Vec::new(), Vec::new());
            (Order { id: id.to_owned(), ts, version, number, items, counted }, lines)
        };
        let fate = self.count(user, &event.shop, &mut order, &items);
        for entry in &order.counted {
            self.enter(entry, order.ts, 1);
        }
        if !id.is_empty() {
            user.orders.push(order);
            while user.orders.len() > self.rules.orders_max {
                user.orders.remove(0);
            }
        }
        fate
    }

    /// Nothing is counted of `order` any more, and what is not among `items` is no purchase by it.
    fn take_back(&mut self, user: &mut User, event: &Event, order: &mut Order, items: &[String]) {
        assert!(order.counted.iter().all(|(key, ..)| key.1 == event.shop));
        for entry in order.counted.drain(..) {
            self.enter(&entry, order.ts, -1);
        }
        let (number, is_bulk) = (order.number, items.len() > self.rules.basket_max);
        let (stay, leave): (Vec<_>, Vec<_>) =
            std::mem::take(&mut order.items).into_iter().partition(|(item, _)| !is_bulk && items.contains(item));
        order.items = stay;
        for (item, _) in leave {
            for purchase in user.purchases.iter_mut().filter(|p| p.item == item && p.orders.contains(&number)) {
                purchase.orders.retain(|&other| other != number);
                purchase.times -= 1;
            }
        }
        user.purchases.retain(|purchase| purchase.times > 0);
    }

    /// What `order` comes to with `items`, after what its user did before.
    fn count(&self, user: &mut User, shop: &str, order: &mut Order, items: &[String]) -> Option<&'static str> {
        let (ts, number) = (order.ts, order.number);
        for item in items {
            if !order.items.iter().any(|(other, _)| other == item) {
                order.items.push((item.clone(), self.repeats(user, item, ts)));
            }
        }
        if items.len() > self.rules.basket_max {
            return Some("bulk");
        }
        if items.is_empty() {
            return None;
        }
        let repeats = |item: &String| order.items.iter().find(|(other, _)| other == item).map_or(0, |(_, r)| *r);
        let bought: Vec<(&String, i64)> = items.iter().map(|item| (item, repeats(item))).collect();
        let mut book = Book { shop, entries: Vec::new() };
        self.bought_together(user, number, &bought, &mut book);
        self.also_bought(user, ts, &bought, &mut book);
        self.viewed_then_bought(user, ts, &bought, &mut book);
        for (item, repeats) in bought {
            let known = user.purchases.iter().position(|purchase| purchase.item == *item);
            let fresh = Purchase { item: item.clone(), at: ts, times: 0, orders: Vec::new() };
            let mut purchase = known.map_or(fresh, |place| user.purchases.remove(place));
            purchase.at = purchase.at.max(ts);
            if !purchase.orders.contains(&number) {
                purchase.times = repeats + 1;
                purchase.orders.push(number);
            }
            user.purchases.push(purchase);
        }
        while user.purchases.len() > self.rules.purchases_max {
            user.purchases.remove(0);
        }
        order.counted = book.entries;
        None
    }

    fn repeats(&self, user: &User, item: &String, ts: i64) -> i64 {
        match user.purchases.iter().find(|purchase| purchase.item == *item) {
            Some(purchase) if ts - purchase.at <= self.rules.repeat_horizon => purchase.times,
            _ => 0,
        }
    }

    fn bought_together(&self, user: &User, number: usize, bought: &[(&String, i64)], book: &mut Book<'_>) {
        let relation = "bought_together";
        let before = |item: &String| -> Vec<usize> {
            let orders = user.purchases.iter().find(|purchase| purchase.item == *item).map(|p| p.orders.clone());
            let matters = |n: &usize| n + self.rules.together_orders >= user.order_count && *n != number;
            orders.unwrap_or_default().into_iter().filter(matters).collect()
        };
        book.add("contexts", relation, ("*", "*"), 1, 1.0);
        for &(i, r) in bought {
            book.add("total", relation, (i, "anchor"), i64::from(r == 0), damped(r));
            book.add("total", relation, (i, "other"), 1, 1.0);
            for &(j, _) in bought.iter().filter(|(j, _)| *j != i) {
                let is_new = !before(i).iter().any(|n| before(j).contains(n));
                book.add("pair", relation, (i, j), i64::from(is_new), damped(r));
            }
        }
    }

    fn also_bought(&self, user: &User, ts: i64, bought: &[(&String, i64)], book: &mut Book<'_>) {
        let relation = "also_bought";
        let mut before: Vec<&String> = Vec::new();
        for Purchase { item, at, .. } in user.purchases.iter().rev() {
            let ordered = bought.iter().any(|(other, _)| *other == item);
            let age = ts - at;
            if !ordered && age >= 0 && age <= self.rules.also_horizon && before.len() < self.rules.also_max {
                before.push(item);
            }
        }
        let fresh: Vec<&String> = bought.iter().filter(|(_, r)| *r == 0).map(|(item, _)| *item).collect();
        if before.is_empty() || fresh.is_empty() {
            return;
        }
        book.add("contexts", relation, ("*", "*"), 1, 1.0);
        for anchor in &before {
            book.add("total", relation, (anchor, "anchor"), 1, 1.0);
            for other in &fresh {
                book.add("pair", relation, (anchor, other), 1, 1.0);
            }
        }
        for other in fresh {
            book.add("total", relation, (other, "other"), 1, 1.0);
        }
    }

    fn viewed_then_bought(&self, user: &User, ts: i64, bought: &[(&String, i64)], book: &mut Book<'_>) {
        let relation = "viewed_then_bought";
        let is_recent = |age: i64| age >= 0 && age <= self.rules.view_to_order;
        let viewed: Vec<&String> =
            user.recent.iter().filter(|(_, at)| is_recent(ts - at)).map(|(item, _)| item).collect();
        if viewed.is_empty() {
            return;
        }
        book.add("contexts", relation, ("*", "*"), 1, 1.0);
        for anchor in &viewed {
            book.add("total", relation, (anchor, "anchor"), 1, 1.0);
        }
        for &(other, r) in bought {
            book.add("total", relation, (other, "other"), i64::from(r == 0), damped(r));
            for anchor in viewed.iter().filter(|anchor| **anchor != other) {
                book.add("pair", relation, (anchor, other), i64::from(r == 0), damped(r));
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
        self.enter(&(key, n, weight), event.ts, 1);
    }

    /// Counts an entry, or takes it back.
    fn enter(&mut self, (key, n, weight): &Entry, ts: i64, sign: i64) {
        let half_life = self.rules.half_life(&key.2);
        let cell = self.cells.entry(key.clone()).or_insert(Cell { entries: 0, support: 0, weight: 0.0, at: ts });
        let at = cell.at.max(ts);
        cell.entries += sign;
        cell.support += sign * n;
        let weight = sign as f64 * weight;
        cell.weight = decayed(cell.weight, at - cell.at, half_life) + decayed(weight, at - ts, half_life);
        cell.at = at;
        if cell.entries == 0 {
            self.cells.remove(key);
        }
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

fn damped(repeats: i64) -> f64 {
    1.0 / (1.0 + repeats as f64)
}

/// What an order is about to count.
struct Book<'a> {
    shop: &'a str,
    entries: Vec<Entry>,
}

impl Book<'_> {
    fn add(&mut self, kind: &'static str, relation: &str, (x, y): (&str, &str), n: i64, weight: f64) {
        let key = (kind, self.shop.to_owned(), relation.to_owned(), x.to_owned(), y.to_owned());
        self.entries.push((key, n, weight));
    }
}

fn distinct(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for item in items {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    all
}

fn is_new(user: &mut User, event: &Event, dedup_ids: usize) -> bool {
    let (name, content, ids) = match &event.kind {
        Kind::View { item, .. } => ("view", item.clone(), &mut user.click_ids),
        Kind::Cart { item } => ("cart", item.clone(), &mut user.click_ids),
        Kind::Order { step, order_id, version, lines } => {
            let mut lines = distinct(lines.iter().cloned());
            lines.sort();
            (step.name(), format!("{order_id:?} {version:?} {lines:?}"), &mut user.order_ids)
        }
        Kind::Erase => return true,
    };
    let id = match &event.id {
        Some(id) => format!("{name} id {id}"),
        None => format!("{name} at {} {content}", event.ts),
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
