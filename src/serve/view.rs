//! The read view: every list as it was last published, for HTTP to serve without asking a worker.
//!
//! Invariants: one entry per key, the newest published record; a tombstone removes the entry. Readers never wait for a
//! worker and a worker waits at most for the copy of one reference.
//! Absent: history, order, and a bound of its own: it holds what the lists topic would hold after compaction, so it
//! grows with the lists (kind `view` of `samenloop_state_bytes`).

use crate::event::EventTime;
use crate::items::{fingerprint, spread};
use crate::memory::allocated;
use crate::position::Partition;
use crate::publish::parse_key;
use axum::body::Bytes;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::sync::atomic::{AtomicU64, Ordering};

/// A list as it was last published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The record, JSON, byte for byte as it went out.
    pub record: Bytes,
    /// When it was published, by the clock of whoever did.
    pub at: EventTime,
}

/// The newest record of every list, shared by the workers that publish and the threads that read.
#[derive(Debug, Default)]
pub struct ListView {
    lists: DashMap<Box<str>, Published>,
    bytes: AtomicU64,
}

/// The key of a list: `shop/list/item`. Neither a shop nor a list name holds a `/`; the rest is the item.
#[must_use]
pub fn list_key(shop: &str, list: &str, item: &str) -> String {
    format!("{shop}/{list}/{item}")
}

impl ListView {
    /// Sets the record of `key`.
    pub fn insert(&self, key: &str, record: &[u8], at: EventTime) {
        let published = Published { record: Bytes::copy_from_slice(record), at };
        match self.lists.entry(Box::from(key)) {
            Entry::Occupied(mut held) => {
                let old = held.insert(published);
                self.bytes.fetch_add(length(record), Ordering::Relaxed);
                self.bytes.fetch_sub(length(&old.record), Ordering::Relaxed);
            }
            Entry::Vacant(place) => {
                place.insert(published);
                self.bytes.fetch_add(length(record) + length(key.as_bytes()), Ordering::Relaxed);
            }
        }
    }

    /// Removes the record of `key`: its tombstone was published.
    pub fn remove(&self, key: &str) {
        if let Some((key, old)) = self.lists.remove(key) {
            self.bytes.fetch_sub(length(key.as_bytes()) + length(&old.record), Ordering::Relaxed);
        }
    }

    /// Removes the records of a rows partition, of `partitions`: they are another instance's now.
    pub fn remove_partition(&self, partition: Partition, partitions: u32) {
        self.lists.retain(|key, held| {
            let owner = parse_key(key).map(|(shop, _, item)| spread(fingerprint(shop, item), partitions));
            let stays = owner != Some(partition);
            if !stays {
                self.bytes.fetch_sub(length(key.as_bytes()) + length(&held.record), Ordering::Relaxed);
            }
            stays
        });
    }

    /// The list of `item`, if one is published.
    #[must_use]
    pub fn get(&self, shop: &str, list: &str, item: &str) -> Option<Published> {
        self.lists.get(list_key(shop, list, item).as_str()).map(|held| held.value().clone())
    }

    /// How many lists are published.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether no list is published.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Bytes held: keys, records, and the tables that they stand in.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let places = self.lists.capacity() as u64 * 8 / 7; // an eighth of a table stays free
        let table = places * (size_of::<(Box<str>, Published)>() as u64 + 1);
        self.bytes.load(Ordering::Relaxed) + table
    }
}

fn length(bytes: &[u8]) -> u64 {
    allocated(bytes.len()) as u64 // lossless: usize has at most 64 bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_instance_owns_now_is_served_no_more() {
        let view = ListView::default();
        for item in 0..50 {
            view.insert(&list_key("main", "also-bought", &format!("a/{item}")), b"{}", EventTime(1));
        }
        let (all, gone) = (view.bytes(), spread(fingerprint("main", "a/7"), 3));
        view.remove_partition(gone, 3);
        assert_eq!(view.get("main", "also-bought", "a/7"), None);
        for item in 0..50 {
            let item = format!("a/{item}");
            let is_there = view.get("main", "also-bought", &item).is_some();
            assert_eq!(is_there, spread(fingerprint("main", &item), 3) != gone, "{item}");
        }
        let some = view.bytes();
        assert!(view.len() > 10 && view.len() < 50 && some < all);
        (0..3).for_each(|partition| view.remove_partition(Partition(partition), 3));
        assert!(view.is_empty() && view.bytes() < some);
    }

    #[test]
    fn the_newest_record_is_served_until_its_tombstone() {
        let view = ListView::default();
        assert!(view.is_empty());
        view.insert("main/bought-together/a/b", b"{1}", EventTime(1));
        view.insert("main/bought-together/a/b", b"{22}", EventTime(2));
        let published = view.get("main", "bought-together", "a/b").unwrap();
        assert_eq!((&published.record[..], published.at), (&b"{22}"[..], EventTime(2)));
        assert_eq!(view.get("main", "bought-together", "a"), None);
        let one = view.bytes();
        assert_eq!(view.len(), 1);
        view.remove("main/bought-together/a/b");
        view.remove("main/bought-together/a/b");
        assert!(view.is_empty() && view.bytes() < one);
        assert_eq!(view.get("main", "bought-together", "a/b"), None);
    }
}
