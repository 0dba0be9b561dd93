//! What is remembered of users, in bounded room: a young table, and the old one that it took the place of.
//!
//! Whoever is met moves to the young table. When that has taken half of the room it grows old, and the old one is dropped, with those who
//! were not met for longest. What of a user still counts, the user's own times decide, not those of others: sources are read in whatever
//! order, and only where there is no room does it matter. Both tables are cut into parts that are shared with whoever saves them and
//! copied when they change meanwhile.

use super::cells::CellId;
use crate::event::{EventTime, UserKey};
use crate::rules::DAY_MS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parts of a table: what is copied at once is one of them.
const PARTS: usize = 256;

/// About what a user costs besides what is remembered.
const USER_BYTES: usize = 48;

/// What can be remembered.
pub(super) trait Held: Clone + Default {
    /// About the bytes it takes: by what it holds, not by what was allocated, as more depends on it than metrics.
    fn cost(&self) -> usize;
    /// The latest time of what it holds.
    fn latest(&self) -> EventTime;
    /// The cells that it names.
    fn cells(&self) -> impl Iterator<Item = CellId>;
}

/// A part of a table.
pub(super) type Part<T> = BTreeMap<UserKey, T>;

#[derive(Debug)]
struct Table<T> {
    parts: Vec<Arc<Part<T>>>,
    bytes: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { parts: Vec::new(), bytes: 0 }
    }
}

fn part_of(user: UserKey) -> usize {
    usize::try_from(user.0 % (PARTS as u128)).unwrap_or_default() // always fits
}

impl<T: Held> Table<T> {
    fn part(&mut self, user: UserKey) -> &mut Part<T> {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Arc::default);
        }
        Arc::make_mut(&mut self.parts[part_of(user)])
    }

    fn find(&self, user: UserKey) -> Option<&T> {
        self.parts.get(part_of(user))?.get(&user)
    }

    fn take(&mut self, user: UserKey) -> Option<T> {
        self.find(user)?;
        let taken = self.part(user).remove(&user)?;
        self.bytes = self.bytes.saturating_sub(USER_BYTES + taken.cost());
        Some(taken)
    }

    fn put(&mut self, user: UserKey, held: T) {
        self.bytes += USER_BYTES + held.cost();
        self.part(user).insert(user, held);
    }

    fn users(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }
}

/// Where the clocks of the tables stand.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Standing {
    now: Option<EventTime>,
    /// Users in the young and the old table.
    users: [u64; 2],
}

/// Both tables.
pub(super) struct Generations<T> {
    /// For how long what is remembered counts.
    horizon_ms: i64,
    bytes_max: usize,
    now: Option<EventTime>,
    young: Table<T>,
    old: Table<T>,
}

impl<T: Held> Generations<T> {
    pub fn new(horizon_ms: i64, bytes_max: usize) -> Self {
        let (young, old) = (Table::default(), Table::default());
        Self { horizon_ms, bytes_max, now: None, young, old }
    }

    /// Something happens at `time`. Returns how many users are forgotten before their time.
    pub fn make_room(&mut self, time: EventTime) -> u64 {
        // One event moves this clock by a day at most, as in the windows.
        let now = self.now.map_or(time, |now| now.max(time.min(EventTime(now.0.saturating_add(DAY_MS)))));
        self.now = Some(now);
        if self.young.bytes <= self.bytes_max / 2 {
            return 0;
        }
        let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        let counted = |held: &&T| now.since(held.latest()) <= self.horizon_ms;
        let forgotten = old.parts.iter().flat_map(|part| part.values()).filter(counted).count();
        forgotten as u64 // lossless: there are fewer than 2^64
    }

    /// Changes what is remembered of a user.
    pub fn with<R>(&mut self, user: UserKey, change: impl FnOnce(&mut T) -> R) -> R {
        if self.young.find(user).is_none() {
            let held = self.old.take(user).unwrap_or_default();
            self.young.put(user, held);
        }
        let part = self.young.part(user);
        let held = part.entry(user).or_default();
        let before = held.cost();
        let changed = change(held);
        let after = held.cost();
        self.young.bytes = (self.young.bytes + after).saturating_sub(before);
        changed
    }

    /// What is remembered of a user.
    pub fn find(&self, user: UserKey) -> Option<&T> {
        self.young.find(user).or_else(|| self.old.find(user))
    }

    pub fn remove(&mut self, user: UserKey) {
        self.young.take(user);
        self.old.take(user);
    }

    pub fn bytes(&self) -> usize {
        self.young.bytes + self.old.bytes
    }

    pub fn standing(&self) -> Standing {
        let users = [&self.young, &self.old].map(|table| table.users() as u64); // lossless
        Standing { now: self.now, users }
    }

    /// The parts that hold anything, with the number of their table.
    pub fn parts(&self) -> impl Iterator<Item = (u8, Arc<Part<T>>)> {
        let of = |number: u8, table: &Table<T>| {
            let parts: Vec<_> = table.parts.iter().filter(|part| !part.is_empty()).cloned().collect();
            parts.into_iter().map(move |part| (number, part))
        };
        of(0, &self.young).chain(of(1, &self.old))
    }

    /// Takes up users of a table; none twice.
    pub fn load(&mut self, number: u8, users: Vec<(UserKey, T)>) -> bool {
        let table = if number == 0 { &mut self.young } else { &mut self.old };
        users.into_iter().all(|(user, held)| {
            let is_new = table.find(user).is_none();
            table.put(user, held);
            is_new
        })
    }

    /// All has been taken up.
    pub fn loaded(&mut self, standing: Standing) -> bool {
        let Standing { now, users } = standing;
        self.now = now;
        self.standing().users == users
    }
}
