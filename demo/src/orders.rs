//! What stands in an order, and the businesses that repeat theirs every week.

use super::catalogue::{Catalogue, HOUSES, Shelf, small};
use super::clock::{DAY_MS, HOUR_MS};
use super::draw::chance;
use super::line::{Action, Event, Line, User};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Most distinct products of an order that is not bulk.
const BASKET_MAX: usize = 60;
/// Orders that also hold another product for the same job, or any other one, in thousandths.
const SAME_JOB_PERMILLE: u32 = 450;
const ANYTHING_PERMILLE: u32 = 250;
/// Orders that hold the one or the other of two rivals, in thousandths each, and both.
const ONE_RIVAL_PERMILLE: u32 = 120;
const BOTH_RIVALS_PERMILLE: u32 = 9;
/// Longest stable list of a business, before complements.
const LIST_MAX: u32 = 30;
/// Lines of the list that are in a week's order, in thousandths.
const KEPT_PERMILLE: u32 = 900;
/// Products of a list that belong to the business' trade, in thousandths.
const TRADE_PERMILLE: u32 = 750;
const WEEK_MS: i64 = 7 * DAY_MS;

/// Adds the complements of everything in the basket, each as likely as it is needed.
pub(super) fn complete(basket: &mut Vec<u32>, catalogue: &Catalogue, rng: &mut impl Rng) {
    let mut at = 0;
    while at < basket.len() {
        for link in catalogue.links(basket[at]) {
            if chance(rng, link.permille) {
                add(basket, Some(link.other));
            }
        }
        at += 1;
    }
}

/// Adds something for the same job, something that has nothing to do with the rest, and often one of two rivals.
pub(super) fn add_extras(basket: &mut Vec<u32>, catalogue: &Catalogue, rng: &mut impl Rng) {
    if let Some(&first) = basket.first()
        && chance(rng, SAME_JOB_PERMILLE)
    {
        add(basket, catalogue.for_same_job(first, rng));
    }
    if chance(rng, ANYTHING_PERMILLE) {
        add(basket, catalogue.ordered.draw(rng));
    }
    complete(basket, catalogue, rng);
    for &(one, other) in catalogue.rivals() {
        let at = rng.random_range(0..1000);
        let both = at < BOTH_RIVALS_PERMILLE;
        if both || at < BOTH_RIVALS_PERMILLE + ONE_RIVAL_PERMILLE {
            add(basket, Some(one));
        }
        if both || (1000 - ONE_RIVAL_PERMILLE..1000).contains(&at) {
            add(basket, Some(other));
        }
    }
}

fn add(basket: &mut Vec<u32>, item: Option<u32>) {
    if let Some(item) = item
        && basket.len() < BASKET_MAX
        && !basket.contains(&item)
    {
        basket.push(item);
    }
}

/// The lines of an order of these products.
pub(super) fn lines(basket: &[u32], rng: &mut impl Rng) -> Box<[Line]> {
    const QUANTITIES: [u32; 8] = [1, 1, 1, 1, 2, 3, 5, 10];
    basket.iter().map(|&item| Line { item, quantity: QUANTITIES[rng.random_range(0..QUANTITIES.len())] }).collect()
}

/// The businesses: each orders its list once a week.
pub(super) struct Businesses {
    rng: ChaCha8Rng,
    lists: Vec<Vec<u32>>,
    due: BinaryHeap<Reverse<(i64, u32)>>,
    orders: u64,
}

impl Businesses {
    pub fn new(mut rng: ChaCha8Rng, start_ms: i64, count: u32, catalogue: &Catalogue) -> Self {
        let lists = (0..count).map(|business| stable_list(business, catalogue, &mut rng)).collect();
        let due = (0..count).map(|business| Reverse((start_ms + rng.random_range(0..WEEK_MS), business))).collect();
        Self { rng, lists, due, orders: 0 }
    }

    /// When the next order comes.
    pub fn due_ms(&self) -> i64 {
        self.due.peek().map_or(i64::MAX, |Reverse((due_ms, _))| *due_ms)
    }

    /// One business' order of this week.
    pub fn step(&mut self, catalogue: &Catalogue, out: &mut Vec<Event>) {
        let Some(Reverse((time_ms, business))) = self.due.pop() else { return };
        let rng = &mut self.rng;
        let own = |item: u32| catalogue.product(item).shelf != Shelf::Regular;
        let list = &self.lists[business as usize];
        let mut basket: Vec<u32> =
            list.iter().copied().filter(|&item| own(item) || chance(rng, KEPT_PERMILLE)).collect();
        add_extras(&mut basket, catalogue, rng);
        self.orders += 1;
        let lines = lines(&basket, rng);
        let id = (b'w', self.orders);
        if !lines.is_empty() {
            out.push(Event { id, user: User::Business(business), time_ms, action: Action::Order(lines) });
        }
        let next_ms = time_ms + WEEK_MS + rng.random_range(-3 * HOUR_MS..3 * HOUR_MS);
        self.due.push(Reverse((next_ms, business)));
    }
}

/// What a business orders every week: mostly of its trade, with what goes with it, and the articles made for it.
fn stable_list(business: u32, catalogue: &Catalogue, rng: &mut impl Rng) -> Vec<u32> {
    let trade = &catalogue.departments[rng.random_range(0..catalogue.departments.len())];
    let upper = rng.random_range(2..=LIST_MAX);
    let mut list = Vec::new();
    for _ in 0..rng.random_range(2..=upper) {
        let item = if chance(rng, TRADE_PERMILLE) { trade.draw(rng) } else { catalogue.ordered.draw(rng) };
        add(&mut list, item);
    }
    complete(&mut list, catalogue, rng);
    if business < HOUSES {
        let mine = (0..).zip(catalogue.products()).filter(|(_, product)| product.shelf == Shelf::House(business));
        list.extend(mine.map(|(item, _): (usize, _)| small(item)));
    }
    list
}
