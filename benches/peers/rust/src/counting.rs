//! Sessions and rows of ../README.md.

use rustc_hash::{FxHashMap, FxHashSet};

const GAP_MS: i64 = 30 * 60_000;
const LONGEST_MS: i64 = 4 * 3_600_000;
const SESSION_MAX: usize = 50;
const WINDOW: usize = 20;
const MIN_SUPPORT: u32 = 1;
const LENGTH: usize = 20;

/// What is known of two items that were viewed together.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Pair {
    pub weight: f32,
    pub support: u32,
}

struct Session {
    first: i64,
    latest: i64,
    items: Vec<u32>,
}

#[derive(Default)]
pub struct Counting {
    sessions: FxHashMap<Box<str>, Session>,
    numbers: FxHashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
    rows: Vec<FxHashMap<u32, Pair>>,
    dirty: FxHashSet<u32>,
    /// Directed pair updates, ever.
    pub updates: u64,
}

impl Counting {
    pub fn name(&self, item: u32) -> &str {
        &self.names[item as usize]
    }

    fn number(&mut self, item: &str) -> u32 {
        if let Some(&number) = self.numbers.get(item) {
            return number;
        }
        let number = u32::try_from(self.names.len()).expect("fewer items");
        self.names.push(item.into());
        self.rows.push(FxHashMap::default());
        self.numbers.insert(item.into(), number);
        number
    }

    pub fn view(&mut self, user: &str, item: &str, time: i64) {
        let item = self.number(item);
        let fresh = || Session { first: time, latest: time, items: Vec::new() };
        let session = match self.sessions.get_mut(user) {
            Some(session) => session,
            None => self.sessions.entry(user.into()).or_insert_with(fresh),
        };
        if session.latest - time > GAP_MS {
            return; // late
        }
        if time - session.latest > GAP_MS || time - session.first > LONGEST_MS {
            *session = fresh();
        }
        session.latest = session.latest.max(time);
        if session.items.contains(&item) || session.items.len() == SESSION_MAX {
            return;
        }
        for (distance, &other) in (1_u8..).zip(session.items.iter().rev().take(WINDOW)) {
            let weight = 1.0 / f32::from(distance).sqrt();
            for (anchor, met) in [(item, other), (other, item)] {
                let pair = self.rows[anchor as usize].entry(met).or_default();
                pair.weight += weight;
                pair.support += 1;
                self.dirty.insert(anchor);
                self.updates += 1;
            }
        }
        session.items.push(item);
    }

    pub fn take_dirty(&mut self) -> Vec<u32> {
        self.dirty.drain().collect()
    }

    /// The list of an item: the heaviest first.
    pub fn top(&self, anchor: u32) -> Vec<(u32, Pair)> {
        let row = &self.rows[anchor as usize];
        let mut all: Vec<(u32, Pair)> =
            row.iter().filter(|(_, pair)| pair.support >= MIN_SUPPORT).map(|(&item, &pair)| (item, pair)).collect();
        let order = |a: &(u32, Pair), b: &(u32, Pair)| {
            b.1.weight.total_cmp(&a.1.weight).then_with(|| self.name(a.0).cmp(self.name(b.0)))
        };
        if all.len() > LENGTH {
            all.select_nth_unstable_by(LENGTH, order);
            all.truncate(LENGTH);
        }
        all.sort_unstable_by(order);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_viewed_just_before_weighs_most_and_a_reload_nothing() {
        let mut counting = Counting::default();
        for user in ["u1", "u2"] {
            for (item, time) in [("a", 0), ("b", 1), ("b", 2), ("c", 3), ("d", 3 + GAP_MS + 1)] {
                counting.view(user, item, time);
            }
        }
        let top = |anchor: u32| {
            counting
                .top(anchor)
                .iter()
                .map(|(item, pair)| (counting.name(*item), pair.weight, pair.support))
                .collect::<Vec<_>>()
        };
        assert_eq!(top(2), [("b", 2.0, 2), ("a", 2.0 * 0.5_f32.sqrt(), 2)]);
        assert_eq!(top(3), [], "another session");
        assert_eq!(counting.updates, 12);
    }
}
