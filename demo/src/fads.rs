//! What one week makes: a voucher for two products that have nothing to do with each other, and a few strangers who come for it once.
//!
//! No gate keeps such a pair out: customers did buy both, and hardly by chance. Nobody needs it, and a person sees that at once.

use super::catalogue::{Catalogue, small};
use super::clock::{DAY_MS, HOUR_MS};
use super::line::{Action, Event, User};
use super::orders;
use rand_chacha::ChaCha8Rng;

/// Vouchers in twelve weeks.
pub(super) const FADS: usize = 6;
/// Strangers who come for one.
const STRANGERS: u64 = 5;
/// From one to the next.
const FAD_EVERY_MS: i64 = 12 * DAY_MS;
/// From a stranger to the next of the same voucher: all within three days.
const STRANGER_EVERY_MS: i64 = 14 * HOUR_MS;
/// Among the products by popularity: where the first is looked for, and how far apart they are.
const FROM: usize = 300;
const STEP: usize = 40;

/// The pairs, in their order: products that few others ask for that no order has a reason to hold together.
pub(super) fn pairs(catalogue: &Catalogue) -> Vec<(u32, u32)> {
    let best = catalogue.best_sellers();
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for place in (FROM..).step_by(STEP).take_while(|place| place + 1 < best.len()) {
        let one = best[place];
        let is_new = |item: u32| pairs.iter().all(|&(a, b)| ![a, b].contains(&item));
        let is_unrelated = |other: u32| {
            let partners = |a: u32, b: u32| catalogue.links(a).iter().any(|link| link.other == b);
            !catalogue.same_job(one, other) && !partners(one, other) && !partners(other, one)
        };
        let other = best[place + 1..].iter().copied().find(|&other| is_new(other) && is_unrelated(other));
        if let (true, Some(other)) = (is_new(one), other) {
            pairs.push((one, other));
        }
        if pairs.len() == FADS {
            break;
        }
    }
    pairs
}

/// The strangers.
pub(super) struct Fads {
    rng: ChaCha8Rng,
    start_ms: i64,
    pairs: Vec<(u32, u32)>,
    /// When the next stranger comes.
    pub due_ms: i64,
    orders: u64,
}

impl Fads {
    pub fn new(rng: ChaCha8Rng, start_ms: i64, catalogue: &Catalogue) -> Self {
        let mut fads = Self { rng, start_ms, pairs: pairs(catalogue), due_ms: 0, orders: 0 };
        fads.due_ms = fads.time_of(0);
        fads
    }

    fn time_of(&self, order: u64) -> i64 {
        let (fad, stranger) = (order / STRANGERS, order % STRANGERS);
        let is_over = usize::try_from(fad).map_or(true, |fad| fad >= self.pairs.len());
        let times = |count: u64, ms: i64| ms.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
        if is_over {
            i64::MAX
        } else {
            self.start_ms + DAY_MS + times(fad, FAD_EVERY_MS) + times(stranger, STRANGER_EVERY_MS)
        }
    }

    /// The order of one stranger.
    pub fn step(&mut self, out: &mut Vec<Event>) {
        let fad = usize::try_from(self.orders / STRANGERS).unwrap_or(usize::MAX);
        if let Some(&(one, other)) = self.pairs.get(fad) {
            let user = User::Stranger(small(usize::try_from(self.orders).unwrap_or(usize::MAX)));
            let action = Action::Order(orders::lines(&[one, other], &mut self.rng));
            out.push(Event { id: (b'f', self.orders), user, time_ms: self.due_ms, action });
        }
        self.orders += 1;
        self.due_ms = self.time_of(self.orders);
    }
}

/// How many are over by a time, of a shop that began at another.
pub(super) fn over_by(start_ms: i64, now_ms: i64) -> usize {
    (0_i64..).take(FADS).filter(|fad| start_ms + (fad + 1) * FAD_EVERY_MS <= now_ms).count()
}
