//! Who has been seen: a dense table of visitors, found by user.
//!
//! Invariant: a user silent for longer than the horizon, by the times of the user's own events, is met as new, whether or
//! not the memory has been reclaimed. In which order visitors lie decides nothing. When reclaiming happens decides only over
//! events that come later than the horizon after everybody else's (see [`super::Windows`]).

use super::gap_window::GapWindow;
use super::purchases::Customer;
use super::recent_ids::RecentIds;
use super::views::RecentViews;
use crate::event::{EventTime, UserKey};
use crate::memory::{allocated, of_vec};
use hashbrown::HashTable;

/// What is remembered of one user. Most only ever view, so carts and purchases are boxes, made when first used.
pub(super) struct Visitor {
    user: UserKey,
    /// Latest event time.
    seen: EventTime,
    /// Views and carts share these.
    pub(super) click_ids: RecentIds,
    pub(super) session: GapWindow,
    pub(super) recent_views: RecentViews,
    pub(super) cart: Option<Box<GapWindow>>,
    pub(super) customer: Option<Box<Customer>>,
}

impl Visitor {
    fn new(user: UserKey, seen: EventTime) -> Self {
        Self {
            user,
            seen,
            click_ids: RecentIds::default(),
            session: GapWindow::default(),
            recent_views: RecentViews::default(),
            cart: None,
            customer: None,
        }
    }

    /// Bytes held besides itself.
    fn heap_bytes(&self) -> usize {
        let boxed = |cart: &GapWindow| allocated(size_of::<GapWindow>()) + cart.heap_bytes();
        self.click_ids.heap_bytes()
            + self.session.heap_bytes()
            + self.recent_views.heap_bytes()
            + self.cart.as_deref().map_or(0, boxed)
            + self.customer.as_deref().map_or(0, |customer| allocated(size_of::<Customer>()) + customer.heap_bytes())
    }

    fn is_forgotten(&self, now: EventTime, forget_after_ms: i64) -> bool {
        now.since(self.seen) > forget_after_ms
    }
}

/// The visitors of a partition.
#[derive(Default)]
pub(super) struct Visitors {
    visitors: Vec<Visitor>,
    /// Places in `visitors`.
    index: HashTable<u32>,
    /// Nobody was seen last before this: spares reclaiming where there is nothing to reclaim.
    all_seen_since: Option<EventTime>,
    /// What visitors hold besides themselves: kept as it changes, since there are too many of them to go through.
    heap_bytes: usize,
}

impl Visitors {
    /// The visitor for an event of `user` at `time`, new or known.
    pub(super) fn meet(&mut self, user: UserKey, time: EventTime, forget_after_ms: i64) -> &mut Visitor {
        self.all_seen_since = Some(self.all_seen_since.map_or(time, |since| since.min(time)));
        let visitors = &mut self.visitors;
        let known = self.index.find(hash(user), |&place| visitors[place as usize].user == user);
        let place = if let Some(&place) = known {
            let visitor = &mut visitors[place as usize];
            if visitor.is_forgotten(time, forget_after_ms) {
                self.heap_bytes -= visitor.heap_bytes();
                *visitor = Visitor::new(user, time);
            } else {
                visitor.seen = visitor.seen.max(time);
            }
            place
        } else {
            let place = small(visitors.len());
            visitors.push(Visitor::new(user, time));
            self.index.insert_unique(hash(user), place, |&other| hash(visitors[other as usize].user));
            place
        };
        &mut visitors[place as usize]
    }

    /// Lets `change` change the visitor for an event of `user` at `time`.
    pub(super) fn with<T>(
        &mut self,
        user: UserKey,
        time: EventTime,
        forget_after_ms: i64,
        change: impl FnOnce(&mut Visitor) -> T,
    ) -> T {
        let visitor = self.meet(user, time, forget_after_ms);
        let before = visitor.heap_bytes();
        let changed = change(visitor);
        let after = visitor.heap_bytes();
        self.heap_bytes = self.heap_bytes + after - before;
        changed
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        of_vec(&self.visitors) + allocated(self.index.allocation_size()) + self.heap_bytes
    }

    /// Frees what is forgotten.
    pub(super) fn reclaim(&mut self, now: EventTime, forget_after_ms: i64) {
        if self.all_seen_since.is_none_or(|since| now.since(since) <= forget_after_ms) {
            return;
        }
        let mut place = 0;
        while place < self.visitors.len() {
            if self.visitors[place].is_forgotten(now, forget_after_ms) {
                self.remove(place);
            } else {
                place += 1;
            }
        }
        self.all_seen_since = self.visitors.iter().map(|visitor| visitor.seen).min();
    }

    /// The last visitor moves to `place`.
    fn remove(&mut self, place: usize) {
        self.heap_bytes -= self.visitors[place].heap_bytes();
        let last = self.visitors.len() - 1;
        let leaver = hash(self.visitors[place].user);
        if let Ok(entry) = self.index.find_entry(leaver, |&other| other as usize == place) {
            entry.remove();
        }
        if place != last {
            let mover = hash(self.visitors[last].user);
            if let Some(other) = self.index.find_mut(mover, |&other| other as usize == last) {
                *other = small(place);
            }
        }
        self.visitors.swap_remove(place);
    }

    pub(super) fn len(&self) -> usize {
        self.visitors.len()
    }
}

/// A fingerprint is a hash already. The lower half: partitions are chosen by the upper one, so within a partition that
/// is no longer spread.
fn hash(user: UserKey) -> u64 {
    u64::try_from(user.0 & u128::from(u64::MAX)).unwrap_or(0) // always fits
}

/// A place as a `u32`. 2^32 visitors would need half a terabyte: not reachable by data.
fn small(place: usize) -> u32 {
    let small = u32::try_from(place);
    assert!(small.is_ok(), "more than 2^32 visitors");
    small.unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKey;
    use crate::items::ItemId;
    use std::collections::BTreeMap;

    #[test]
    fn reclaiming_frees_the_silent_and_keeps_everyone_else_findable() {
        let (mut visitors, mut plain) = (Visitors::default(), BTreeMap::new());
        for step in 0..3_000_i64 {
            let user = u128::from(step.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56); // 256 users, mixed
            let now = EventTime(step);
            visitors.with(UserKey(user), now, 100, |visitor| {
                visitor.click_ids.remember(EventKey(step.unsigned_abs()), 8);
                visitor.cart.get_or_insert_default().push(ItemId(0));
                visitor.customer.get_or_insert_default();
            });
            plain.insert(user, step);
            if step % 10 == 0 {
                visitors.reclaim(now, 100);
                plain.retain(|_, &mut seen| step - seen <= 100);
                assert_eq!(visitors.len(), plain.len(), "at {step}");
                let heap_bytes: usize = visitors.visitors.iter().map(Visitor::heap_bytes).sum();
                assert_eq!(visitors.heap_bytes, heap_bytes, "at {step}");
            }
        }
        for (place, visitor) in visitors.visitors.iter().enumerate() {
            assert_eq!(plain.get(&visitor.user.0), Some(&visitor.seen.0));
            let found = visitors.index.find(hash(visitor.user), |&other| other as usize == place);
            assert!(found.is_some(), "visitor at {place} cannot be found");
        }
        assert_eq!(visitors.index.len(), visitors.visitors.len());
        visitors.reclaim(EventTime(10_000), 100);
        assert_eq!((visitors.len(), visitors.index.len()), (0, 0));
    }
}
