//! The simulated shop: an endless stream of records in the order of arrival, from a seed.
//!
//! Each kind of customer has a random stream of its own, so that switching one off, or noise on, changes nothing of the
//! others. Absent: a clock. Simulated time starts where the caller says.

use super::catalogue::Catalogue;
use super::fads::{Fads, over_by, pairs};
use super::line::{Action, Event, User, write_event, write_user};
use super::noise::{Damage, Noise};
use super::orders::Businesses;
use super::outsiders::{Crawler, Resellers};
use super::settings::ShopSettings;
use super::visits::Visits;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What a record is, apart from its bytes: for tallies, never for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A view.
    View,
    /// A cart addition.
    Cart,
    /// An order.
    Order,
    /// Something that cannot be counted.
    Broken(Damage),
}

/// One record, as it would stand in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The user's id.
    pub key: &'a [u8],
    /// A JSON object without line end; broken ones are anything; `None` is a null value.
    pub value: Option<&'a [u8]>,
    /// When it arrives, in simulated ms. Never goes back.
    pub arrival_ms: i64,
    /// What it is.
    pub kind: Kind,
}

/// What the shop has sent so far, by what it was meant to be. Copies and broken records count in no other line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Records in all.
    pub records: u64,
    /// Views.
    pub views: u64,
    /// Cart additions.
    pub carts: u64,
    /// Orders.
    pub orders: u64,
    /// Orders of resellers, in `orders` too.
    pub bulk: u64,
    /// Events of the crawler, in the lines above too.
    pub crawler: u64,
    /// Copies.
    pub duplicates: u64,
    /// First copies that arrived late, in the lines above too.
    pub late: u64,
    /// Broken records.
    pub broken: u64,
}

struct Pending {
    arrival_ms: i64,
    sequence: u64,
    copy: bool,
    damage: Option<Damage>,
    event: Event,
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pending {}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending {
    /// Earliest last: a [`BinaryHeap`] gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.arrival_ms, other.sequence).cmp(&(self.arrival_ms, self.sequence))
    }
}

/// The random streams, each of its own part of the shop. The numbers are part of what a seed means.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Catalogue = 0,
    Visits = 1,
    Businesses = 2,
    Resellers = 3,
    Crawler = 4,
    Noise = 5,
    Stock = 6,
    Fads = 7,
}

pub(super) fn stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// The shop.
pub struct Shop {
    catalogue: Catalogue,
    visits: Visits,
    businesses: Businesses,
    resellers: Option<Resellers>,
    crawler: Option<Crawler>,
    fads: Option<Fads>,
    start_ms: i64,
    noise: Noise,
    queue: BinaryHeap<Pending>,
    sequence: u64,
    fresh: Vec<Event>,
    now_ms: i64,
    sent: Sent,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Shop {
    /// The shop of this seed.
    #[must_use]
    pub fn new(seed: u64, settings: &ShopSettings) -> Self {
        let rng = |part: Stream| stream(seed, part);
        let start_ms = settings.start_ms;
        let catalogue = Catalogue::new(settings.products, &mut rng(Stream::Catalogue));
        let businesses = if settings.views_only { 0 } else { settings.businesses };
        let odd = !settings.views_only;
        Self {
            visits: Visits::new(rng(Stream::Visits), start_ms, settings),
            businesses: Businesses::new(rng(Stream::Businesses), start_ms, businesses, &catalogue),
            resellers: (odd && settings.bulk_orders).then(|| Resellers::new(rng(Stream::Resellers), start_ms)),
            crawler: (odd && settings.crawler).then(|| Crawler::new(rng(Stream::Crawler), start_ms)),
            fads: (odd && settings.fads).then(|| Fads::new(rng(Stream::Fads), start_ms, &catalogue)),
            start_ms,
            noise: Noise::new(rng(Stream::Noise), settings),
            catalogue,
            queue: BinaryHeap::new(),
            sequence: 0,
            fresh: Vec::new(),
            now_ms: start_ms,
            sent: Sent::default(),
            key: Vec::new(),
            value: Vec::new(),
        }
    }

    /// What it sells.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Simulated time: the arrival of the last record.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// What vouchers have put together that has nothing to do with each other, as far as they are over: article numbers. Lists show it,
    /// and a person should see it.
    #[must_use]
    pub fn nonsense(&self) -> Vec<[String; 2]> {
        let over = if self.fads.is_some() { over_by(self.start_ms, self.now_ms) } else { 0 };
        let ids = |(one, other): (u32, u32)| [one, other].map(|item| self.catalogue.product(item).id.clone());
        pairs(&self.catalogue).into_iter().take(over).map(ids).collect()
    }

    /// What has been sent so far.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// The next record. The stream has no end.
    pub fn next_record(&mut self) -> Record<'_> {
        let pending = loop {
            let due_ms = self.due_ms();
            if self.queue.peek().is_some_and(|first| first.arrival_ms < due_ms)
                && let Some(first) = self.queue.pop()
            {
                break first;
            }
            self.step(due_ms);
        };
        self.now_ms = pending.arrival_ms;
        self.tally(&pending);
        self.write(&pending)
    }

    /// When the next customer does something.
    fn due_ms(&self) -> i64 {
        let resellers = self.resellers.as_ref().map_or(i64::MAX, |resellers| resellers.due_ms);
        let crawler = self.crawler.as_ref().map_or(i64::MAX, |crawler| crawler.due_ms);
        let fads = self.fads.as_ref().map_or(i64::MAX, |fads| fads.due_ms);
        self.visits.due_ms.min(self.businesses.due_ms()).min(resellers).min(crawler).min(fads)
    }

    /// Lets the customer who is due do it all, into the queue.
    fn step(&mut self, due_ms: i64) {
        let mut fresh = std::mem::take(&mut self.fresh);
        let mut noisy = true;
        if let Some(resellers) = self.resellers.as_mut().filter(|resellers| resellers.due_ms == due_ms) {
            resellers.step(&self.catalogue, &mut fresh);
            noisy = false;
        } else if let Some(crawler) = self.crawler.as_mut().filter(|crawler| crawler.due_ms == due_ms) {
            crawler.step(&self.catalogue, &mut fresh);
            noisy = false;
        } else if let Some(fads) = self.fads.as_mut().filter(|fads| fads.due_ms == due_ms) {
            fads.step(&mut fresh);
            noisy = false;
        } else if self.businesses.due_ms() == due_ms {
            self.businesses.step(&self.catalogue, &mut fresh);
        } else {
            self.visits.step(&self.catalogue, &mut fresh);
        }
        for event in fresh.drain(..) {
            if noisy {
                self.disturb(&event);
            } else {
                self.push(event.time_ms, false, None, event);
            }
        }
        self.fresh = fresh;
    }

    fn disturb(&mut self, event: &Event) {
        let fate = self.noise.fate(event);
        let arrival_ms = event.time_ms + fate.delay_ms;
        self.push(arrival_ms, false, None, event.clone());
        if let Some(after_ms) = fate.again_ms {
            self.push(arrival_ms + after_ms, true, None, event.clone());
        }
        if fate.broken.is_some() {
            self.push(arrival_ms, false, fate.broken, event.clone());
        }
    }

    fn push(&mut self, arrival_ms: i64, copy: bool, damage: Option<Damage>, event: Event) {
        self.sequence += 1;
        self.queue.push(Pending { arrival_ms, sequence: self.sequence, copy, damage, event });
    }

    fn tally(&mut self, pending: &Pending) {
        let sent = &mut self.sent;
        sent.records += 1;
        if pending.damage.is_some() {
            sent.broken += 1;
            return;
        }
        if pending.copy {
            sent.duplicates += 1;
            return;
        }
        sent.late += u64::from(pending.arrival_ms > pending.event.time_ms);
        match pending.event.action {
            Action::View(_) => sent.views += 1,
            Action::Cart(_) => sent.carts += 1,
            Action::Order(_) => sent.orders += 1,
        }
        match pending.event.user {
            User::Reseller(_) => sent.bulk += 1,
            User::Crawler => sent.crawler += 1,
            User::Visitor(_) | User::Business(_) | User::Stranger(_) => {}
        }
    }

    fn write(&mut self, pending: &Pending) -> Record<'_> {
        self.key.clear();
        self.value.clear();
        write_user(&mut self.key, pending.event.user);
        let (has_value, kind) = if let Some(damage) = pending.damage {
            let written = self.noise.write_broken(&mut self.value, &pending.event, damage, &self.catalogue);
            (written, Kind::Broken(damage))
        } else {
            write_event(&mut self.value, &pending.event, &self.catalogue);
            let kind = match pending.event.action {
                Action::View(_) => Kind::View,
                Action::Cart(_) => Kind::Cart,
                Action::Order(_) => Kind::Order,
            };
            (true, kind)
        };
        let value = has_value.then_some(self.value.as_slice());
        Record { key: &self.key, value, arrival_ms: pending.arrival_ms, kind }
    }
}
