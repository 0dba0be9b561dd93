//! People who look around, fill a cart and sometimes order.

use super::catalogue::Catalogue;
use super::clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use super::draw::chance;
use super::line::{Action, Event, User};
use super::orders;
use super::settings::ShopSettings;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Exp1, StandardNormal};
use std::time::Duration;

/// How busy each hour of the day is, in percent of the mean.
const HOUR_PERCENT: [u32; 24] =
    [20, 15, 10, 10, 15, 35, 70, 120, 180, 200, 190, 170, 150, 165, 175, 170, 150, 120, 100, 95, 85, 70, 50, 35];
/// How many views a visit has: (views, in how many of a thousand visits). Most are short, a few are long.
const VISIT_VIEWS: [(u32, u32); 16] = [
    (1, 240),
    (2, 190),
    (3, 150),
    (4, 110),
    (5, 80),
    (6, 60),
    (7, 40),
    (8, 30),
    (9, 22),
    (10, 17),
    (12, 20),
    (15, 16),
    (20, 12),
    (25, 7),
    (30, 4),
    (40, 2),
];
/// Logarithm of the median pause between two views in seconds (20 s), and its spread.
const PAUSE_LOG_MEDIAN: f64 = 3.0;
const PAUSE_LOG_SPREAD: f64 = 0.9;
/// Views after which someone comes back after more than a session's gap, in thousandths.
const BREAK_PERMILLE: u32 = 5;
/// Visits of a business' buyer, in thousandths.
const BUSINESS_PERMILLE: u32 = 60;
/// Views that put the product in the cart, in thousandths.
const CART_PERMILLE: u32 = 150;
/// Visits with something in the cart that end in an order, in thousandths.
const CHECKOUT_PERMILLE: u32 = 600;

/// Where someone looks next, in thousandths; the rest is anything.
const NEXT_RIVAL_PERMILLE: u32 = 500;
const NEXT_ALTERNATIVE_PERMILLE: u32 = 350;
const NEXT_COMPLEMENT_PERMILLE: u32 = 200;
const NEXT_DEPARTMENT_PERMILLE: u32 = 200;

/// The stream of visits.
pub(super) struct Visits {
    rng: ChaCha8Rng,
    /// When the next visit starts.
    pub due_ms: i64,
    mean_gap_s: f64,
    visitors: u32,
    businesses: u32,
    views_only: bool,
    events: u64,
    basket: Vec<u32>,
}

impl Visits {
    pub fn new(rng: ChaCha8Rng, start_ms: i64, settings: &ShopSettings) -> Self {
        Self {
            rng,
            due_ms: start_ms,
            mean_gap_s: 86_400.0 / f64::from(settings.visits_per_day.max(1)),
            visitors: settings.visitors.max(1),
            businesses: settings.businesses,
            views_only: settings.views_only,
            events: 0,
            basket: Vec::new(),
        }
    }

    /// One visit from start to end.
    pub fn step(&mut self, catalogue: &Catalogue, out: &mut Vec<Event>) {
        let user = self.user();
        let mut time_ms = self.due_ms;
        let mut seen = catalogue.viewed.draw(&mut self.rng).unwrap_or(0);
        self.basket.clear();
        for _ in 0..self.view_count() {
            out.push(self.event(user, time_ms, Action::View(seen)));
            let buys = catalogue.rival_of(seen).is_none() && chance(&mut self.rng, CART_PERMILLE);
            if !self.views_only && buys && !self.basket.contains(&seen) {
                self.basket.push(seen);
                out.push(self.event(user, time_ms + 4 * SECOND_MS, Action::Cart(seen)));
            }
            time_ms += self.pause_ms();
            seen = self.next_view(catalogue, seen);
        }
        if !self.basket.is_empty() && chance(&mut self.rng, CHECKOUT_PERMILLE) {
            self.check_out(catalogue, user, time_ms, out);
        }
        self.due_ms += self.gap_ms();
    }

    /// Completes the basket, then orders it.
    fn check_out(&mut self, catalogue: &Catalogue, user: User, mut time_ms: i64, out: &mut Vec<Event>) {
        let before = self.basket.len();
        let mut basket = std::mem::take(&mut self.basket);
        orders::complete(&mut basket, catalogue, &mut self.rng);
        orders::add_extras(&mut basket, catalogue, &mut self.rng);
        for item in &basket[before..] {
            time_ms += 7 * SECOND_MS;
            out.push(self.event(user, time_ms, Action::Cart(*item)));
        }
        let lines = orders::lines(&basket, &mut self.rng);
        out.push(self.event(user, time_ms + 2 * MINUTE_MS, Action::Order(lines)));
        self.basket = basket;
    }

    fn event(&mut self, user: User, time_ms: i64, action: Action) -> Event {
        self.events += 1;
        Event { id: (b'e', self.events), user, time_ms, action }
    }

    /// Some people come often, most seldom.
    fn user(&mut self) -> User {
        let business = self.businesses > 0 && !self.views_only && chance(&mut self.rng, BUSINESS_PERMILLE);
        if business {
            return User::Business(self.rng.random_range(0..self.businesses));
        }
        let upper = self.rng.random_range(0..self.visitors);
        User::Visitor(self.rng.random_range(0..=upper))
    }

    fn view_count(&mut self) -> u32 {
        let mut at = self.rng.random_range(0..1000);
        for (views, share) in VISIT_VIEWS {
            if at < share {
                return views;
            }
            at -= share;
        }
        1
    }

    fn next_view(&mut self, catalogue: &Catalogue, seen: u32) -> u32 {
        let rng = &mut self.rng;
        if let Some(rival) = catalogue.rival_of(seen)
            && chance(rng, NEXT_RIVAL_PERMILLE)
        {
            return rival;
        }
        let (product, links) = (catalogue.product(seen), catalogue.links(seen));
        let at = rng.random_range(0..1000);
        let near = if at < NEXT_ALTERNATIVE_PERMILLE {
            catalogue.families[product.family].draw(rng)
        } else if at < NEXT_ALTERNATIVE_PERMILLE + NEXT_COMPLEMENT_PERMILLE && !links.is_empty() {
            links.get(rng.random_range(0..links.len())).map(|link| link.other)
        } else if at < NEXT_ALTERNATIVE_PERMILLE + NEXT_COMPLEMENT_PERMILLE + NEXT_DEPARTMENT_PERMILLE {
            catalogue.departments[product.department].draw(rng)
        } else {
            None
        };
        near.or_else(|| catalogue.viewed.draw(rng)).unwrap_or(seen)
    }

    fn pause_ms(&mut self) -> i64 {
        if chance(&mut self.rng, BREAK_PERMILLE) {
            return self.rng.random_range(31 * MINUTE_MS..90 * MINUTE_MS);
        }
        let normal: f64 = self.rng.sample(StandardNormal);
        millis((PAUSE_LOG_MEDIAN + PAUSE_LOG_SPREAD * normal).exp()).clamp(SECOND_MS, 25 * MINUTE_MS)
    }

    /// Exponential, by the hour of the day.
    fn gap_ms(&mut self) -> i64 {
        let hour = usize::try_from(self.due_ms.rem_euclid(DAY_MS) / HOUR_MS).unwrap_or(0);
        let unit: f64 = self.rng.sample(Exp1);
        millis(unit * self.mean_gap_s * 100.0 / f64::from(HOUR_PERCENT[hour]))
    }
}

fn millis(seconds: f64) -> i64 {
    let rounded = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_millis();
    i64::try_from(rounded).unwrap_or(0)
}
