//! Who has been seen: a dense table of visitors, found by user.
//!
//! Invariants: a user silent for longer than the horizon, by the times of the user's own events, is met as new, whether or
//! not the memory has been reclaimed. In which order visitors lie decides nothing. Reclaiming waits for twice the horizon, so
//! that it decides only over events that come later than the horizon after everybody else's: whoever reads a source late, by a
//! crash or a backlog, finds everybody who would have been found in time.
//!
//! Nothing here is ever moved or read as a whole: the table grows by chunks, its index by shards, and reclaiming looks at a few
//! visitors an event. So no single event takes long, and a table that is read again is as large as it was.

mod keeping;

use super::carts::Cart;
use super::exact::of_list;
use super::purchases::Customer;
use super::recent_ids::RecentIds;
use super::saved::Met;
use super::sessions::Sessions;
use super::views::RecentViews;
use crate::event::{EventKey, EventTime, LinkKey, UserKey};
use crate::items::ItemId;
use crate::memory::allocated;
use hashbrown::HashTable;
use keeping::{TableLoading, TableSaving};

/// Visitors of a chunk.
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 10;

/// Parts of the index. A part grows at once, so there are many.
const SHARDS: usize = 64;

/// How many visitors each event looks at to free what is forgotten: with two, a table of n is looked through in n/2 events.
const LOOKS: u32 = 2;

/// What is remembered of a user.
pub(super) struct Visitor {
    /// The user's key in halves: a whole one would leave a gap of 8 bytes.
    user: [u64; 2],
    /// Latest event time.
    seen: EventTime,
    pub(super) memory: Memory,
}

const _: () = assert!(size_of::<Visitor>() == 40, "there are millions of these");

/// How much is remembered. Most users view one item and never come back.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) enum Memory {
    /// Nothing yet.
    Stranger,
    /// One view that was counted, at the time the visitor was seen.
    OneView { key: EventKey, item: ItemId },
    /// The same, in a session that has an id.
    OneViewInSession(Box<FirstView>),
    /// More.
    Known(Box<Known>),
}

/// A view that was counted.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct FirstView {
    pub(super) key: EventKey,
    pub(super) item: ItemId,
    pub(super) session: LinkKey,
}

/// What is remembered of a user who has done more than view one item. Carts and purchases are boxes, made when first used.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Known {
    /// Views and carts share these.
    pub(super) click_ids: RecentIds,
    pub(super) sessions: Sessions,
    pub(super) recent_views: RecentViews,
    pub(super) cart: Option<Box<Cart>>,
    pub(super) customer: Option<Box<Customer>>,
}

/// Bytes held, by what for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowsBytes {
    /// The table of users and its index.
    pub visitors: usize,
    /// Open sessions, and what was viewed last.
    pub sessions: usize,
    /// Carts.
    pub carts: usize,
    /// Purchases.
    pub customers: usize,
    /// Keys of the last events.
    pub ids: usize,
}

impl WindowsBytes {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> usize {
        self.named().into_iter().map(|(_, bytes)| bytes).sum()
    }

    /// Each part with its name in metrics.
    #[must_use]
    pub fn named(&self) -> [(&'static str, usize); 5] {
        let Self { visitors, sessions, carts, customers, ids } = *self;
        [("visitors", visitors), ("sessions", sessions), ("carts", carts), ("customers", customers), ("ids", ids)]
    }

    fn change(&mut self, from: &Self, to: &Self) {
        let change = |total: &mut usize, from: usize, to: usize| *total = (*total + to).saturating_sub(from);
        change(&mut self.visitors, from.visitors, to.visitors);
        change(&mut self.sessions, from.sessions, to.sessions);
        change(&mut self.carts, from.carts, to.carts);
        change(&mut self.customers, from.customers, to.customers);
        change(&mut self.ids, from.ids, to.ids);
    }
}

impl Memory {
    fn bytes(&self) -> WindowsBytes {
        match self {
            Self::Known(known) => known.bytes(),
            Self::OneViewInSession(_) => {
                WindowsBytes { visitors: allocated(size_of::<FirstView>()), ..WindowsBytes::default() }
            }
            Self::Stranger | Self::OneView { .. } => WindowsBytes::default(),
        }
    }
}

impl Known {
    fn bytes(&self) -> WindowsBytes {
        let customer = self.customer.as_deref();
        WindowsBytes {
            visitors: allocated(size_of::<Self>()),
            sessions: self.sessions.bytes() + self.recent_views.bytes(),
            carts: self.cart.as_ref().map_or(0, |cart| allocated(size_of::<Cart>()) + of_list(cart.items())),
            customers: customer.map_or(0, Customer::bytes),
            ids: self.click_ids.bytes() + customer.map_or(0, |customer| customer.order_ids.bytes()),
        }
    }
}

impl Visitor {
    fn new(user: UserKey, seen: EventTime) -> Self {
        Self { user: halves(user), seen, memory: Memory::Stranger }
    }
}

/// After how long a silence users are forgotten.
#[derive(Clone, Copy)]
pub(super) struct Horizon {
    pub(super) of_user_ms: i64,
    /// Of one who has bought; not shorter.
    pub(super) of_customer_ms: i64,
}

impl Horizon {
    /// Whether `visitor` was silent for longer than `times` of it before `time`.
    fn is_silent(self, time: EventTime, visitor: &Visitor, times: i64) -> bool {
        let silence_ms = time.since(visitor.seen);
        let is_customer = || matches!(&visitor.memory, Memory::Known(known) if known.customer.is_some());
        silence_ms > self.of_user_ms.saturating_mul(times)
            && (!is_customer() || silence_ms > self.of_customer_ms.saturating_mul(times))
    }
}

/// The visitors of a partition.
pub(super) struct Visitors {
    /// All but the last are full.
    chunks: Vec<Vec<Visitor>>,
    /// Places in the table.
    index: [HashTable<u32>; SHARDS],
    /// Whom reclaiming looks at next.
    hand: u32,
    /// What memories hold besides the table and its index.
    held: WindowsBytes,
    saving: Option<Box<TableSaving>>,
    loading: TableLoading,
}

impl Default for Visitors {
    fn default() -> Self {
        let index = std::array::from_fn(|_| HashTable::new());
        Self {
            chunks: Vec::new(),
            index,
            hand: 0,
            held: WindowsBytes::default(),
            saving: None,
            loading: TableLoading::default(),
        }
    }
}

impl Visitors {
    /// Lets `react` move the memory for an event of `user` at `time`; it is told when the visitor was seen before.
    pub(super) fn meet<R>(
        &mut self,
        user: UserKey,
        time: EventTime,
        horizon: Horizon,
        react: impl FnOnce(&mut Memory, EventTime) -> R,
    ) -> R {
        let (shard, hash) = place_of(user);
        let known = self.index[shard].find(hash, |&place| at(&self.chunks, place).user == halves(user)).copied();
        let place = known.unwrap_or_else(|| self.add(Visitor::new(user, time)));
        let visitor = at_mut(&mut self.chunks, place);
        if let Some(saving) = &mut self.saving {
            saving.goes_early(place, visitor);
        }
        let before = visitor.memory.bytes();
        if horizon.is_silent(time, visitor, 1) {
            *visitor = Visitor::new(user, time);
        }
        let seen = visitor.seen;
        visitor.seen = seen.max(time);
        let reacted = react(&mut visitor.memory, seen);
        self.held.change(&before, &visitor.memory.bytes());
        reacted
    }

    fn add(&mut self, visitor: Visitor) -> u32 {
        let (shard, hash) = place_of(whole(visitor.user));
        let place = self.append(visitor);
        let chunks = &self.chunks;
        self.index[shard].insert_unique(hash, place, |&other| place_of(whole(at(chunks, other).user)).1);
        place
    }

    fn append(&mut self, visitor: Visitor) -> u32 {
        let place = small(self.len());
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(visitor);
        }
        place
    }

    /// Forgets `user` at once.
    pub(super) fn erase(&mut self, user: UserKey) {
        let (shard, hash) = place_of(user);
        let known = self.index[shard].find(hash, |&place| at(&self.chunks, place).user == halves(user)).copied();
        if let Some(place) = known {
            self.remove(place);
        }
    }

    /// Looks at the next few visitors and frees those seen last longer ago than twice the horizon.
    pub(super) fn reclaim(&mut self, now: EventTime, horizon: Horizon) {
        for _ in 0..LOOKS {
            let count = small(self.len());
            if count == 0 {
                return;
            }
            if self.hand >= count {
                self.hand = 0;
            }
            let visitor = at(&self.chunks, self.hand);
            if horizon.is_silent(now, visitor, 2) {
                self.remove(self.hand);
            } else {
                self.hand += 1;
            }
        }
    }

    /// Frees the visitor at `place`; the last one moves there.
    fn remove(&mut self, place: u32) {
        if self.saving.is_some() {
            self.goes_early(place);
            self.goes_early(small(self.len().saturating_sub(1)));
        }
        let (shard, hash) = place_of(whole(at(&self.chunks, place).user));
        if let Ok(entry) = self.index[shard].find_entry(hash, |&other| other == place) {
            entry.remove();
        }
        let Some(mover) = self.chunks.last_mut().and_then(Vec::pop) else { return };
        if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        let last = small(self.len());
        let leaver = if place == last {
            mover
        } else {
            let (shard, hash) = place_of(whole(mover.user));
            if let Some(other) = self.index[shard].find_mut(hash, |&other| other == last) {
                *other = place;
            }
            std::mem::replace(at_mut(&mut self.chunks, place), mover)
        };
        self.held.change(&leaver.memory.bytes(), &WindowsBytes::default());
    }

    pub(super) fn len(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    /// What all of it takes.
    pub(super) fn bytes(&self) -> WindowsBytes {
        let chunks = self.chunks.len() * allocated(CHUNK * size_of::<Visitor>());
        let index: usize = self.index.iter().map(|shard| allocated(shard.allocation_size())).sum();
        let list = allocated(self.chunks.capacity() * size_of::<Vec<Visitor>>());
        WindowsBytes { visitors: self.held.visitors + chunks + index + list, ..self.held }
    }
}

fn at(chunks: &[Vec<Visitor>], place: u32) -> &Visitor {
    &chunks[place as usize / CHUNK][place as usize % CHUNK]
}

fn at_mut(chunks: &mut [Vec<Visitor>], place: u32) -> &mut Visitor {
    &mut chunks[place as usize / CHUNK][place as usize % CHUNK]
}

fn halves(user: UserKey) -> [u64; 2] {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default(); // always fits
    [half(user.0), half(user.0 >> 64)]
}

fn whole([low, high]: [u64; 2]) -> UserKey {
    UserKey(u128::from(high) << 64 | u128::from(low))
}

/// The shard of a user and its hash there. A fingerprint is a hash already. The lower half: partitions are chosen by the upper
/// one, so within a partition that is no longer spread.
fn place_of(user: UserKey) -> (usize, u64) {
    let [hash, _] = halves(user);
    let shard = (hash >> 32) as usize % SHARDS; // the table uses the ends
    (shard, hash)
}

/// A place as a `u32`. 2^32 visitors would need a sixth of a terabyte: not reachable by data.
fn small(place: usize) -> u32 {
    let small = u32::try_from(place);
    assert!(small.is_ok(), "more than 2^32 visitors");
    small.unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const HORIZON: i64 = 1_000;
    const HORIZONS: Horizon = Horizon { of_user_ms: HORIZON, of_customer_ms: 3 * HORIZON };

    fn meet(visitors: &mut Visitors, user: u128, time: i64) -> bool {
        visitors.meet(UserKey(user), EventTime(time), HORIZONS, |memory, _| {
            let is_stranger = matches!(memory, Memory::Stranger);
            *memory = match time % 2 {
                0 => Memory::OneView { key: EventKey(0), item: ItemId(0) },
                _ => {
                    let mut known = Known::default();
                    known.click_ids.remember(EventKey(1), 8);
                    Memory::Known(Box::new(known))
                }
            };
            is_stranger
        })
    }

    fn user_at(step: i64) -> u128 {
        u128::from(step.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) // 4,096 users, mixed
    }

    #[test]
    fn reclaiming_frees_the_silent_and_keeps_everyone_else_findable() {
        let (mut visitors, mut plain) = (Visitors::default(), BTreeMap::new());
        let mut most = 0;
        for step in 0..30_000_i64 {
            let (user, time) = (user_at(step) % (1 + step.unsigned_abs() as u128 / 4), EventTime(step));
            visitors.reclaim(time, HORIZONS);
            let was_stranger = meet(&mut visitors, user, step);
            let before = plain.insert(user, step);
            assert_eq!(was_stranger, before.is_none_or(|before| step - before > HORIZON), "at {step}");
            most = most.max(visitors.len());
        }
        assert!(most > 2 * CHUNK && most < 4_096, "{most} visitors: not all that were ever met");
        let all: Vec<&Visitor> = visitors.chunks.iter().flatten().collect();
        assert_eq!(all.len(), visitors.len());
        for (place, visitor) in (0..).zip(&all) {
            assert_eq!(plain.get(&whole(visitor.user).0), Some(&visitor.seen.0));
            let (shard, hash) = place_of(whole(visitor.user));
            assert!(visitors.index[shard].find(hash, |&other| other == place).is_some(), "{place} cannot be found");
        }
        assert_eq!(visitors.index.iter().map(HashTable::len).sum::<usize>(), all.len());
        let mut held = WindowsBytes::default();
        all.iter().for_each(|visitor| held.change(&WindowsBytes::default(), &visitor.memory.bytes()));
        assert!(held.visitors > 0 && held.ids > 0);
        assert_eq!(visitors.held, held, "what was told of memories as they changed is what they hold");
        for _ in 0..2 * most {
            visitors.reclaim(EventTime(30_000 + 2 * HORIZON), HORIZONS);
        }
        assert_eq!(visitors.len(), 0);
        assert!(visitors.chunks.is_empty() && visitors.index.iter().all(HashTable::is_empty));
        assert_eq!(visitors.held, WindowsBytes::default());
    }

    #[test]
    fn reclaiming_passes_over_nobody() {
        let now_ms = 10 * HORIZON;
        for silent in 0..9 {
            let mut visitors = Visitors::default();
            (0..9).for_each(|user| assert!(meet(&mut visitors, user, if user == silent { 0 } else { now_ms })));
            (0..9_u32.div_ceil(LOOKS)).for_each(|_| visitors.reclaim(EventTime(now_ms), HORIZONS));
            assert_eq!(visitors.len(), 8, "{silent} was silent for long");
        }
    }

    #[test]
    fn memory_is_kept_for_as_long_again_and_then_freed() {
        let mut visitors = Visitors::default();
        meet(&mut visitors, 1, 0);
        visitors.reclaim(EventTime(2 * HORIZON), HORIZONS);
        assert!(!meet(&mut visitors, 1, HORIZON), "an event as late as the horizon finds its user");
        assert!(meet(&mut visitors, 1, 2 * HORIZON + 1), "by its own events' times the user is forgotten");
        visitors.reclaim(EventTime(4 * HORIZON + 2), HORIZONS);
        assert_eq!(visitors.len(), 0);
    }
}
