//! The rules for orders: `bought_together`, `also_bought` and `viewed_then_bought`.
//!
//! An order has a life: it is known by its number while it is open, and a later record of it changes what was counted of it, at the
//! order's own time.

use super::basket::Basket;
use super::open_orders::{Counted, Held, OpenOrder};
use super::purchases::Customer;
use super::tell::{Part, Place, tell};
use super::together::{Counting, orders_before};
use super::views::RecentViews;
use super::visitors::Known;
use super::{Input, OrderRecord, Scratch};
use crate::event::{EventTime, OrderStep};
use crate::limits::LINES_MAX;
use crate::relation::{Bought, Delta, Fate};
use crate::rules::CountingRules;

pub(super) fn order(
    visitor: &mut Known,
    input: &Input<'_>,
    record: &OrderRecord<'_>,
    rules: &CountingRules,
    scratch: &mut Scratch,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    let is_cancel = record.step == OrderStep::Cancel;
    assert!(!record.lines.is_empty() || is_cancel, "an order without lines: intake refuses those");
    let Input { time, shop, .. } = *input;
    let customer = visitor.customer.get_or_insert_default();
    customer.open.close_old(time, rules.order_open_ms);
    let known = record.number.and_then(|number| customer.open.take(number));
    if let Some(mut order) = known {
        let fate = change(&mut order, customer, &visitor.recent_views, time, record, rules, scratch, sink);
        customer.open.put(order, rules.orders_max);
        return fate;
    }
    if matches!(record.step, OrderStep::Return | OrderStep::Cancel) {
        return Fate::UnknownOrder;
    }
    if let Some(cart) = &mut visitor.cart {
        cart.close_at(time);
    }
    customer.orders = customer.orders.saturating_add(1);
    let number = customer.orders;
    let Some(link) = record.number else {
        // Nothing can come back to it, so nothing is kept of it.
        scratch.basket.fill(record.lines.iter().copied(), rules.basket_max + 1);
        if scratch.basket.lines().len() > rules.basket_max {
            return Fate::Bulk;
        }
        scratch.old.clear();
        count(customer, &visitor.recent_views, (number, time), rules, scratch, |_| {});
        let Scratch { old, new, others, basket, .. } = scratch;
        new.items.extend(basket.lines().iter().map(|line| Bought { item: line.item, repeats: line.repeats }));
        tell(Place { shop, time, stay: 0 }, old, new, others, sink);
        return Fate::Counted;
    };
    let version = record.version.unwrap_or(time.0);
    let (items, counted) = (Box::default(), Counted::default());
    let mut order = OpenOrder { link, time, version, number, shop, is_counted: false, items, counted };
    scratch.basket.fill(record.lines.iter().copied(), LINES_MAX);
    let fate = count_anew(&mut order, customer, &visitor.recent_views, rules, scratch, sink);
    customer.open.put(order, rules.orders_max);
    fate
}

/// A later record of an order.
#[allow(clippy::too_many_arguments)] // an order, all it may depend on, and a record of it
fn change(
    order: &mut OpenOrder,
    customer: &mut Customer,
    views: &RecentViews,
    time: EventTime,
    record: &OrderRecord<'_>,
    rules: &CountingRules,
    scratch: &mut Scratch,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    let version = record.version.unwrap_or(time.0);
    if matches!(record.step, OrderStep::State | OrderStep::Cancel) && version < order.version {
        return Fate::Stale;
    }
    order.version = order.version.max(version);
    let basket = &mut scratch.basket;
    let held = order.items.iter().map(|held| held.item());
    match record.step {
        OrderStep::State => basket.fill(record.lines.iter().copied(), LINES_MAX),
        OrderStep::Add => {
            scratch.all.clear();
            scratch.all.extend(held.chain(record.lines.iter().copied()));
            basket.fill(scratch.all.iter().copied(), LINES_MAX);
        }
        OrderStep::Return => {
            basket.fill(record.lines.iter().copied(), LINES_MAX);
            scratch.all.clear();
            scratch.all.extend(held.filter(|&item| basket.find(item).is_none()));
            basket.fill(scratch.all.iter().copied(), LINES_MAX);
        }
        OrderStep::Cancel => basket.fill([].into_iter(), 0),
    }
    let is_same = order.items.iter().all(|held| basket.find(held.item()).is_some());
    if is_same && basket.lines().len() == order.items.len() {
        return Fate::Unchanged;
    }
    count_anew(order, customer, views, rules, scratch, sink)
}

/// Takes back what was counted of `order`, and counts it with the items of the basket.
fn count_anew(
    order: &mut OpenOrder,
    customer: &mut Customer,
    views: &RecentViews,
    rules: &CountingRules,
    scratch: &mut Scratch,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    let is_bulk = scratch.basket.lines().len() > rules.basket_max;
    let stay = part(order, is_bulk, scratch);
    for held in order.items.iter().filter(|held| held.is_recorded()) {
        let item = held.item();
        let stays = !is_bulk && scratch.basket.find(item).is_some();
        if !stays && customer.purchases.take_back(item, order.number) {
            customer.open.forget(item);
        }
    }
    scratch.new.clear();
    order.counted = Counted::default();
    order.is_counted = !is_bulk && !scratch.basket.lines().is_empty();
    if is_bulk {
        customer.purchases.count_repeats(&mut scratch.basket, order.time, rules);
    } else if order.is_counted {
        let mut gone = Vec::new();
        count(customer, views, (order.number, order.time), rules, scratch, |item| gone.push(item));
        order.items = joined(&order.items, &scratch.basket, true);
        for item in gone {
            order.forget(item);
            customer.open.forget(item);
        }
    }
    if !order.is_counted {
        order.items = joined(&[], &scratch.basket, false);
    }
    keep(order, scratch);
    let Scratch { old, new, others, .. } = scratch;
    tell(Place { shop: order.shop, time: order.time, stay }, old, new, others, sink);
    if is_bulk { Fate::Bulk } else { Fate::Counted }
}

/// The items of an order by now: those that stay, in their order, and those of the basket that join.
fn joined(before: &[Held], basket: &Basket, is_recorded: bool) -> Box<[Held]> {
    let held = |line: &super::basket::Line| Held::new(Bought { item: line.item, repeats: line.repeats }, is_recorded);
    let stay = before.iter().filter_map(|held| basket.find(held.item())).map(|place| &basket.lines()[place]);
    let mut items = Vec::with_capacity(basket.lines().len());
    items.extend(stay.chain(basket.lines().iter().filter(|line| !line.stays)).map(held));
    items.into_boxed_slice()
}

/// What was counted of `order`, those of its items first that are in the basket too, which learns of them. Returns how many they
/// are.
fn part(order: &OpenOrder, is_bulk: bool, scratch: &mut Scratch) -> usize {
    let Scratch { old, basket, .. } = scratch;
    old.clear();
    let mut stay = 0;
    for leave in [false, true] {
        for (place, held) in order.items.iter().enumerate() {
            let line = basket.line_mut(held.item()).filter(|_| !is_bulk);
            if line.is_none() != leave {
                continue;
            }
            if let Some(line) = line {
                (line.stays, line.repeats, line.is_recorded) = (true, held.bought().repeats, held.is_recorded());
                stay += 1;
            }
            if order.is_counted {
                old.items.push(held.bought());
                old.before.extend(order.counted.before.get(place));
            }
        }
    }
    if !order.is_counted {
        return 0;
    }
    let (also, viewed) = order.counted.anchors();
    old.also.extend_from_slice(also);
    old.viewed.extend_from_slice(viewed);
    stay
}

/// Looks back from an order with the items of the basket, and records it among the purchases. What is counted of it but its items
/// is in `scratch.new` then, in the order of the basket; purchases that went are given to `gone`.
fn count(
    customer: &mut Customer,
    views: &RecentViews,
    (number, time): (u32, EventTime),
    rules: &CountingRules,
    scratch: &mut Scratch,
    gone: impl FnMut(crate::items::ItemId),
) {
    let Scratch { basket, new, .. } = scratch;
    new.clear();
    customer.purchases.look_back(basket, time, rules, &mut new.also);
    let counting = Counting { count: customer.orders, own: number, orders_max: rules.together_orders };
    orders_before(basket.lines().iter().map(|line| line.orders), counting, &mut new.before);
    new.viewed.extend(views.before(time, rules.view_to_order_ms));
    customer.purchases.record(basket, (number, time), rules.purchases_max, gone);
}

/// Keeps what is counted of `order` by now, to take it back one day; `scratch.new` has its items then, in their order.
fn keep(order: &mut OpenOrder, scratch: &mut Scratch) {
    if !order.is_counted {
        return;
    }
    let Scratch { basket, new, .. } = scratch;
    let Part { items, before, also, viewed } = new;
    items.extend(order.items.iter().map(|held| held.bought()));
    if !before.is_empty() {
        let placed = order.items.iter().filter_map(|held| basket.find(held.item())).map(|place| before[place]);
        *before = placed.collect();
    }
    order.counted = Counted::new(before, also, viewed);
}
