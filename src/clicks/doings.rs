//! What a user clicked and ordered lately: orders are credited to clicks.
//!
//! A product of an order is credited to the last click of it before the order, within reach; one that was ordered before its click was
//! told (by another source) is credited when that comes. A credit stays where it is, until the product leaves its order.
//!
//! Invariants: a product of an order is credited once. What is remembered is bounded: of one user [`CLICKS_OF_USER_MAX`] clicks and
//! [`CLICK_ORDERS_MAX`] orders, none longer than the reach.

use super::cells::{CellId, Cells};
use super::generations::Held;
use super::{ClicksTally, ToldOrder};
use crate::event::{Currency, EventKey, EventTime, LinkKey, OrderStep};
use crate::limits::{CLICK_ORDERS_MAX, CLICKS_OF_USER_MAX};
use serde::{Deserialize, Serialize};

/// Records of one order whose keys are remembered.
const KEYS_MAX: usize = 16;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Click {
    item: u64,
    at: i64,
    key: EventKey,
    cell: CellId,
    /// Whether an order followed.
    is_converted: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    item: u64,
    /// When it joined.
    at: i64,
    credit: Option<CellId>,
    /// In thousandths.
    amount: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    number: Option<LinkKey>,
    /// Of its last records.
    keys: Vec<EventKey>,
    /// The latest time of its records.
    at: i64,
    /// Of its newest state.
    version: Option<i64>,
    state_at: i64,
    currency: Currency,
    lines: Vec<Line>,
}

/// What one user did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Doings {
    latest: Option<i64>,
    clicks: Vec<Click>,
    orders: Vec<Order>,
}

/// Where credits are counted.
pub(super) struct Crediting<'a> {
    pub cells: &'a mut Cells,
    pub tally: &'a mut ClicksTally,
    pub reach_ms: i64,
}

/// A record of an order, and how many products an order of a person has at most.
pub(super) struct Ordered<'a> {
    pub order: &'a ToldOrder<'a>,
    pub basket_max: usize,
}

impl Crediting<'_> {
    fn credit(&mut self, click: &mut Click, line: &mut Line, currency: Currency) {
        line.credit = Some(click.cell);
        let tally = self.cells.of(click.cell);
        tally.orders += 1;
        tally.converted += u64::from(!std::mem::replace(&mut click.is_converted, true));
        let Some(amount) = line.amount else { return };
        match self.cells.revenue(click.cell, currency) {
            Some(revenue) => revenue.ordered = revenue.ordered.saturating_add(amount),
            None => {
                line.amount = None;
                self.tally.displaced += 1;
            }
        }
    }

    fn take_back(&mut self, line: &Line, currency: Currency) {
        let Some(cell) = line.credit else { return };
        self.cells.of(cell).returned += 1;
        let Some(amount) = line.amount else { return };
        if let Some(revenue) = self.cells.revenue(cell, currency) {
            revenue.returned = revenue.returned.saturating_add(amount);
        }
    }
}

impl Doings {
    /// Something happens at `time`: what lies too far back is forgotten. Whether it is not itself too old.
    fn start(&mut self, time: EventTime, reach_ms: i64) -> bool {
        let latest = self.latest.map_or(time.0, |latest| latest.max(time.0));
        self.latest = Some(latest);
        let from = latest.saturating_sub(reach_ms);
        self.clicks.retain(|click| click.at >= from);
        self.orders.retain(|order| order.at >= from);
        time.0 >= from
    }

    /// An entry is clicked; whether that counts.
    pub fn click(
        &mut self,
        item: u64,
        time: EventTime,
        key: EventKey,
        cell: CellId,
        crediting: &mut Crediting<'_>,
    ) -> bool {
        let reach_ms = crediting.reach_ms;
        if !self.start(time, reach_ms) {
            crediting.tally.late += 1;
            return false;
        }
        if self.clicks.iter().any(|click| click.key == key) {
            crediting.tally.duplicate += 1;
            return false;
        }
        if self.clicks.len() >= CLICKS_OF_USER_MAX {
            crediting.tally.overlong += 1;
            return false;
        }
        crediting.cells.of(cell).clicks += 1;
        let mut click = Click { item, at: time.0, key, cell, is_converted: false };
        for order in &mut self.orders {
            let currency = order.currency;
            let is_behind = |line: &&mut Line| {
                line.item == item && line.credit.is_none() && (0..=reach_ms).contains(&line.at.saturating_sub(time.0))
            };
            for line in order.lines.iter_mut().filter(is_behind) {
                crediting.credit(&mut click, line, currency);
            }
        }
        self.clicks.push(click);
        true
    }

    /// A record of an order.
    pub fn order(&mut self, ordered: &Ordered<'_>, crediting: &mut Crediting<'_>) {
        let ToldOrder { time, key, step, number, version, .. } = *ordered.order;
        if !self.start(time, crediting.reach_ms) {
            crediting.tally.late += 1;
            return;
        }
        let is_it = |order: &Order| match number {
            Some(_) => order.number == number,
            None => order.number.is_none() && order.keys.contains(&key),
        };
        let place = match self.orders.iter().position(is_it) {
            Some(place) => place,
            None if matches!(step, OrderStep::Return | OrderStep::Cancel) => return, // nothing of it was credited
            None => self.open(ordered.order, crediting),
        };
        let mut order = self.orders.remove(place); // and behind the others again: by when they were touched
        if !order.keys.contains(&key) {
            let spare = order.keys.len().saturating_sub(KEYS_MAX - 1);
            order.keys.drain(..spare);
            order.keys.push(key);
            let is_stale = version.zip(order.version).map_or(time.0 < order.state_at, |(new, old)| new < old);
            match step {
                OrderStep::State if is_stale => {}
                OrderStep::Cancel if is_stale => {}
                OrderStep::State => self.restate(&mut order, ordered, crediting),
                OrderStep::Add => self.join(&mut order, ordered, crediting),
                OrderStep::Return => leave(&mut order, crediting, |line| holds(ordered.order, line.item)),
                OrderStep::Cancel => leave(&mut order, crediting, |_| true),
            }
            if !is_stale && matches!(step, OrderStep::State | OrderStep::Cancel) {
                (order.version, order.state_at) = (version.or(order.version), order.state_at.max(time.0));
            }
            order.at = order.at.max(time.0);
        }
        self.orders.push(order);
    }

    /// A new order, without lines as yet; its place.
    fn open(&mut self, order: &ToldOrder<'_>, crediting: &mut Crediting<'_>) -> usize {
        if self.orders.len() >= CLICK_ORDERS_MAX {
            self.orders.remove(0); // touched longest ago
            crediting.tally.forgotten += 1;
        }
        self.orders.push(Order {
            number: order.number,
            keys: Vec::new(),
            at: order.time.0,
            version: None,
            state_at: i64::MIN,
            currency: order.currency,
            lines: Vec::new(),
        });
        self.orders.len() - 1
    }

    fn restate(&mut self, order: &mut Order, ordered: &Ordered<'_>, crediting: &mut Crediting<'_>) {
        leave(order, crediting, |line| !holds(ordered.order, line.item));
        self.join(order, ordered, crediting);
    }

    /// The products of a record that the order does not have yet join it.
    fn join(&mut self, order: &mut Order, ordered: &Ordered<'_>, crediting: &mut Crediting<'_>) {
        let ToldOrder { time, lines, .. } = *ordered.order;
        let mut new: Vec<Line> = Vec::new();
        let mut told = lines.to_vec();
        told.sort_by_key(|&(item, _)| item);
        for of_item in told.chunk_by(|one, other| one.0 == other.0) {
            let item = of_item[0].0;
            if order.lines.iter().all(|line| line.item != item) {
                let amounts = of_item.iter().map(|&(_, amount)| amount);
                let amount = amounts.reduce(|sum, amount| Some(sum?.saturating_add(amount?))).flatten();
                new.push(Line { item, at: time.0, credit: None, amount });
            }
        }
        if order.lines.len() + new.len() > ordered.basket_max {
            crediting.tally.bulk += 1;
            return;
        }
        for line in &mut new {
            let reach_ms = crediting.reach_ms;
            let is_before = |click: &&mut Click| {
                click.item == line.item && (0..=reach_ms).contains(&time.0.saturating_sub(click.at))
            };
            // Of equal times the one that was told last.
            if let Some(click) = self.clicks.iter_mut().filter(is_before).max_by_key(|click| click.at) {
                crediting.credit(click, line, order.currency);
            }
        }
        order.lines.append(&mut new);
    }
}

fn holds(order: &ToldOrder<'_>, item: u64) -> bool {
    order.lines.iter().any(|&(told, _)| told == item)
}

/// The lines that `goes` says leave the order.
fn leave(order: &mut Order, crediting: &mut Crediting<'_>, goes: impl Fn(&Line) -> bool) {
    let currency = order.currency;
    order.lines.retain(|line| {
        let stays = !goes(line);
        if !stays {
            crediting.take_back(line, currency);
        }
        stays
    });
}

impl Held for Doings {
    fn cost(&self) -> usize {
        let of_orders = self.orders.iter().map(|order| {
            size_of::<Order>() + order.keys.len() * size_of::<EventKey>() + order.lines.len() * size_of::<Line>()
        });
        size_of::<Self>() + self.clicks.len() * size_of::<Click>() + of_orders.sum::<usize>()
    }

    fn latest(&self) -> EventTime {
        EventTime(self.latest.unwrap_or(i64::MIN))
    }

    fn cells(&self) -> impl Iterator<Item = CellId> {
        let lines = self.orders.iter().flat_map(|order| &order.lines).filter_map(|line| line.credit);
        self.clicks.iter().map(|click| click.cell).chain(lines)
    }
}
