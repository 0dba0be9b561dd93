//! How large the simulated shop is, and what is in its stream.

/// Events of a visit, orders and noise included, by trial (see the test of [`ShopSettings::span_ms`]).
const EVENTS_PER_VISIT: f64 = 5.5;
/// Views of a visit, by trial.
const VIEWS_PER_VISIT: f64 = 4.15;
/// Events a day of the crawler.
const CRAWLER_EVENTS_PER_DAY: u32 = 528;
/// Fewest visits a day in which the crawler and the resellers do not drown the customers.
const VISITS_PER_DAY_MIN: u32 = 500;
/// How long a demonstration lasts in simulated time: what the schedules of `outsiders` are made for.
const DAYS: u32 = 84;

/// How large the shop is and what is in its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopSettings {
    /// Where simulated time starts, in ms since 1970; after 2000.
    pub start_ms: i64,
    /// Regular products.
    pub products: usize,
    /// Visits of people a day.
    pub visits_per_day: u32,
    /// People.
    pub visitors: u32,
    /// Businesses with a weekly order.
    pub businesses: u32,
    /// Views only: no carts, no orders, nobody odd, no noise. For measuring speed.
    pub views_only: bool,
    /// Events sent twice, in thousandths.
    pub duplicates_permille: u32,
    /// Views and carts that arrive late, in thousandths; half of them beyond the gap of a session.
    pub late_permille: u32,
    /// Broken records, in thousandths of the events.
    pub broken_permille: u32,
    /// Whether resellers place bulk orders.
    pub bulk_orders: bool,
    /// Whether a crawler comes.
    pub crawler: bool,
    /// Whether strangers come for vouchers.
    pub fads: bool,
}

impl ShopSettings {
    /// A shop in which about twelve weeks pass in `events` events (at 300,000: 550 visits a day), fewer when that would
    /// leave it nearly empty.
    #[must_use]
    pub fn of_events(start_ms: i64, events: u64) -> Self {
        let per_day = u32::try_from(events / u64::from(DAYS)).unwrap_or(u32::MAX);
        let by_visits = per_day.saturating_sub(CRAWLER_EVENTS_PER_DAY);
        let visits_per_day = (by_visits / 11 * 2).max(VISITS_PER_DAY_MIN); // 5.5 events each
        Self {
            start_ms,
            products: 800,
            visits_per_day,
            visitors: visits_per_day.saturating_mul(40),
            businesses: visits_per_day / 11 * 3,
            views_only: false,
            duplicates_permille: 10,
            late_permille: 8,
            broken_permille: 3,
            bulk_orders: true,
            crawler: true,
            fads: true,
        }
    }

    /// Plain views of a large catalogue by 300,000 people: what speed is measured with.
    #[must_use]
    pub fn views_only(start_ms: i64) -> Self {
        Self {
            products: 20_000,
            visits_per_day: 25_000,
            visitors: 300_000,
            businesses: 0,
            views_only: true,
            ..Self::of_events(start_ms, 0).calm()
        }
    }

    /// The same shop without noise, bulk orders, crawler and vouchers: every customer's events are the same.
    #[must_use]
    pub fn calm(self) -> Self {
        Self {
            duplicates_permille: 0,
            late_permille: 0,
            broken_permille: 0,
            bulk_orders: false,
            crawler: false,
            fads: false,
            ..self
        }
    }

    /// About how much simulated time passes in `events` events, in ms.
    #[must_use]
    pub fn span_ms(&self, events: u64) -> i64 {
        let visits = f64::from(self.visits_per_day.max(1));
        let per_day = if self.views_only {
            visits * VIEWS_PER_VISIT
        } else {
            let crawled = if self.crawler { CRAWLER_EVENTS_PER_DAY } else { 0 };
            visits * EVENTS_PER_VISIT + f64::from(self.businesses) / 7.0 + f64::from(crawled)
        };
        let days = std::time::Duration::try_from_secs_f64(events as f64 / per_day * 86_400.0).unwrap_or_default();
        i64::try_from(days.as_millis()).unwrap_or(i64::MAX)
    }
}
