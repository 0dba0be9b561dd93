//! Who does not shop like a customer: resellers who order by the pallet, and a crawler.

use super::catalogue::{Catalogue, Shelf, small};
use super::clock::{DAY_MS, HOUR_MS, SECOND_MS};
use super::draw::chance;
use super::line::{Action, Event, User};
use super::orders;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Lines of the two sizes of bulk order.
pub(super) const BULK_LINES: [usize; 2] = [200, 2000];
/// A bulk order comes this often; each fifth is of the larger size.
const BULK_EVERY_MS: i64 = 2 * DAY_MS;
const LARGE_EACH: u64 = 5;
const RESELLERS: u32 = 12;
/// How likely a product nobody else orders is in the smaller size, in thousandths.
const DEAD_STOCK_PERMILLE: u32 = 500;

/// The crawler comes this often: 200 times in twelve weeks.
const CRAWL_EVERY_MS: i64 = 10 * HOUR_MS;
/// Best sellers on the front page, where each crawl starts; the page shows them in another order each time.
const FRONT_PAGE: usize = 50;
/// Fewest and most views of a crawl.
const CRAWL_VIEWS: (usize, usize) = (180, 260);
/// A test order comes with each so many crawls, of some of so many products.
const TEST_ORDER_EACH: u64 = 3;
const TEST_ORDER_ITEMS: usize = 8;

/// The resellers.
pub(super) struct Resellers {
    rng: ChaCha8Rng,
    /// When the next bulk order comes.
    pub due_ms: i64,
    orders: u64,
}

impl Resellers {
    pub fn new(rng: ChaCha8Rng, start_ms: i64) -> Self {
        Self { rng, due_ms: start_ms + BULK_EVERY_MS, orders: 0 }
    }

    /// One bulk order.
    pub fn step(&mut self, catalogue: &Catalogue, out: &mut Vec<Event>) {
        self.orders += 1;
        let rng = &mut self.rng;
        let dead: Vec<u32> = on_shelf(catalogue, |shelf| shelf == Shelf::DeadStock);
        let regular = catalogue.regular_count();
        let basket = if self.orders.is_multiple_of(LARGE_EACH) {
            let choices = regular + small(dead.len());
            let any = |n: u32| n.checked_sub(regular).map_or(n, |n| dead[n as usize]);
            (0..BULK_LINES[1]).map(|_| any(rng.random_range(0..choices))).collect() // products repeat
        } else {
            let mut basket: Vec<u32> = dead.into_iter().filter(|_| chance(rng, DEAD_STOCK_PERMILLE)).collect();
            while basket.len() < BULK_LINES[0] {
                let item = rng.random_range(0..regular);
                if !basket.contains(&item) {
                    basket.push(item);
                }
            }
            basket
        };
        let user = User::Reseller(rng.random_range(0..RESELLERS));
        let action = Action::Order(orders::lines(&basket, rng));
        out.push(Event { id: (b'k', self.orders), user, time_ms: self.due_ms, action });
        self.due_ms += BULK_EVERY_MS;
    }
}

/// The crawler.
pub(super) struct Crawler {
    rng: ChaCha8Rng,
    /// When it comes next.
    pub due_ms: i64,
    crawls: u64,
    events: u64,
}

impl Crawler {
    pub fn new(rng: ChaCha8Rng, start_ms: i64) -> Self {
        Self { rng, due_ms: start_ms + HOUR_MS, crawls: 0, events: 0 }
    }

    /// One crawl: the front page, then the catalogue in order, what is delisted first; sometimes a test order.
    pub fn step(&mut self, catalogue: &Catalogue, out: &mut Vec<Event>) {
        self.crawls += 1;
        let mut front: Vec<u32> = catalogue.best_sellers().iter().copied().take(FRONT_PAGE).collect();
        for last in (1..front.len()).rev() {
            front.swap(last, self.rng.random_range(0..=last));
        }
        let views = self.rng.random_range(CRAWL_VIEWS.0..=CRAWL_VIEWS.1);
        let delisted = on_shelf(catalogue, |shelf| shelf != Shelf::Regular);
        let pages = front.into_iter().chain(delisted).chain(0..catalogue.regular_count());
        let mut time_ms = self.due_ms;
        for item in pages.take(views) {
            out.push(self.event(time_ms, Action::View(item)));
            time_ms += self.rng.random_range(SECOND_MS / 2..2 * SECOND_MS);
        }
        if self.crawls.is_multiple_of(TEST_ORDER_EACH) {
            let mut basket: Vec<u32> = on_shelf(catalogue, |shelf| shelf == Shelf::Archive);
            basket.truncate(TEST_ORDER_ITEMS);
            while basket.len() > 3 {
                basket.swap_remove(self.rng.random_range(0..basket.len()));
            }
            let lines = orders::lines(&basket, &mut self.rng);
            out.push(self.event(time_ms, Action::Order(lines)));
        }
        self.due_ms += CRAWL_EVERY_MS;
    }

    fn event(&mut self, time_ms: i64, action: Action) -> Event {
        self.events += 1;
        Event { id: (b'x', self.events), user: User::Crawler, time_ms, action }
    }
}

fn on_shelf(catalogue: &Catalogue, wanted: impl Fn(Shelf) -> bool) -> Vec<u32> {
    (0..).zip(catalogue.products()).filter(|(_, product)| wanted(product.shelf)).map(|(item, _)| item).collect()
}
