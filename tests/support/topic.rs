//! A lists topic in memory, with the group that reads it: what a warmer needs of brokers.

#![allow(dead_code)] // each test that includes this file uses a part of it

use samenloop::drive::{Bounds, Change, Follower, Message, Next, Reader};
use samenloop::position::{NextOffset, Partition};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A record.
#[derive(Clone, Debug)]
pub struct Rec {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    /// Epoch and sequence.
    pub stamp: Option<(u64, u64)>,
}

impl Rec {
    /// A list of a few entries, as samenloop would publish it.
    pub fn list(key: &str, stamp: (u64, u64), entries: &[&str]) -> Self {
        let [shop, list, item] = <[&str; 3]>::try_from(key.splitn(3, '/').collect::<Vec<_>>()).unwrap();
        let entry = |item: &&str| {
            serde_json::json!({"item": item, "score": 9.125, "support": 12, "weight": 7.5, "anchor_weight": 20.25, "other_weight": 14.5,
                "contexts": 90000.0, "confidence": 0.37, "lift": 2.4, "llr_root": 5.5, "source": "counted", "last_seen": "2026-03-01"})
        };
        let value = serde_json::json!({"shop": shop, "list": list, "item": item, "entries": entries.iter().map(entry).collect::<Vec<_>>(),
            "reserve": [], "as_of": 1_700_000_000_000_i64, "epoch": stamp.0, "sequence": stamp.1});
        Self { key: key.into(), value: Some(value.to_string().into_bytes()), stamp: Some(stamp) }
    }

    /// The list is no more.
    pub fn tombstone(key: &str, stamp: (u64, u64)) -> Self {
        Self { key: key.into(), value: None, stamp: Some(stamp) }
    }
}

#[derive(Default)]
struct Held {
    partitions: Vec<(u64, Vec<Rec>)>,
    committed: BTreeMap<Partition, (NextOffset, String)>,
    changes: Vec<Change>,
    read: u64,
}

/// The topic. Clones are the same one.
#[derive(Clone, Default)]
pub struct Topic(Arc<Mutex<Held>>);

impl Topic {
    /// With so many partitions, all of which are the one reader's.
    pub fn new(partitions: u32) -> Self {
        let topic = Self::default();
        topic.held().partitions = vec![(0, Vec::new()); partitions as usize];
        topic
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    /// Appends records to a partition.
    pub fn push(&self, partition: usize, records: impl IntoIterator<Item = Rec>) {
        self.held().partitions[partition].1.extend(records);
    }

    /// Records that readers have been given.
    pub fn read(&self) -> u64 {
        self.held().read
    }

    /// What the group has committed.
    pub fn committed(&self, partition: u32) -> Option<u64> {
        self.held().committed.get(&Partition(partition)).map(|(offset, _)| offset.0)
    }

    /// The group says something.
    pub fn change(&self, change: Change) {
        self.held().changes.push(change);
    }

    /// A member that the group gives all partitions.
    pub fn join(&self) -> Member {
        let all = (0..self.held().partitions.len()).map(|number| Partition(u32::try_from(number).unwrap())).collect();
        self.held().changes = vec![Change::Assigned(all)];
        Member { topic: self.clone(), places: RefCell::default(), paused: RefCell::default() }
    }

    /// A reader outside the group.
    pub fn follow(&self) -> Member {
        Member { topic: self.clone(), places: RefCell::default(), paused: RefCell::default() }
    }

    /// What a reader of all of it has in the end: of each key the highest stamp.
    pub fn newest(&self) -> BTreeMap<String, String> {
        let mut newest = BTreeMap::<String, (Option<(u64, u64)>, _)>::new();
        for record in self.held().partitions.iter().flat_map(|(_, records)| records) {
            let known = newest.entry(String::from_utf8(record.key.clone()).unwrap()).or_default();
            if known.0 <= record.stamp {
                *known = (record.stamp, record.value.clone());
            }
        }
        let there = newest.into_iter().filter_map(|(key, (_, value))| Some((key, String::from_utf8(value?).unwrap())));
        there.collect()
    }
}

struct Place {
    next: u64,
    has_told_end: Cell<bool>,
}

/// A reader.
pub struct Member {
    topic: Topic,
    places: RefCell<BTreeMap<Partition, Place>>,
    /// As librdkafka has it: letting go of a partition does not end its pause.
    paused: RefCell<BTreeSet<Partition>>,
}

/// A record as it is given.
pub struct Given {
    partition: Partition,
    offset: u64,
    record: Rec,
    digits: Option<[String; 2]>,
}

impl Message for Given {
    fn place(&self) -> Option<(Partition, NextOffset)> {
        Some((self.partition, NextOffset(self.offset)))
    }

    fn timestamp_ms(&self) -> Option<i64> {
        Some(1_700_000_000_000)
    }

    fn key(&self) -> Option<&[u8]> {
        Some(&self.record.key)
    }

    fn value(&self) -> Option<&[u8]> {
        self.record.value.as_deref()
    }

    fn headers<'m>(&'m self, into: &mut Vec<(&'m str, &'m [u8])>) {
        if let Some([epoch, sequence]) = &self.digits {
            into.extend([("samenloop.epoch", epoch.as_bytes()), ("samenloop.sequence", sequence.as_bytes())]);
        }
    }

    fn topic(&self) -> &str {
        "lists"
    }
}

impl Member {
    fn next(&self) -> Next<Given> {
        let mut held = self.topic.held();
        let paused = self.paused.borrow();
        for (&partition, place) in self.places.borrow_mut().iter_mut().filter(|(it, _)| !paused.contains(*it)) {
            let (_, records) = &held.partitions[partition.index()];
            if let Some(record) = records.get(usize::try_from(place.next).unwrap()).cloned() {
                let offset = place.next;
                place.next += 1;
                place.has_told_end.set(false);
                held.read += 1;
                let digits = record.stamp.map(|(epoch, sequence)| [epoch.to_string(), sequence.to_string()]);
                return Next::Record(Given { partition, offset, record, digits });
            }
            if !place.has_told_end.replace(true) {
                return Next::End(partition);
            }
        }
        Next::Nothing
    }

    fn bounds_of(&self, partition: Partition) -> Bounds {
        let held = self.topic.held();
        let (low, records) = &held.partitions[partition.index()];
        Bounds { low: NextOffset(*low), high: NextOffset(records.len() as u64), is_stream: false }
    }

    fn set(&self, partitions: &[(Partition, NextOffset)]) {
        for &(partition, next) in partitions {
            let place = Place { next: next.0, has_told_end: Cell::new(false) };
            assert!(self.places.borrow_mut().insert(partition, place).is_none(), "{partition:?} is read already");
        }
    }
}

impl Reader for Member {
    type Message<'m> = Given;

    fn poll(&self) -> anyhow::Result<Next<Given>> {
        Ok(self.next())
    }

    fn change(&self) -> Option<Change> {
        let mut held = self.topic.held();
        (!held.changes.is_empty()).then(|| held.changes.remove(0))
    }

    fn assign(&self, partitions: &[(Partition, NextOffset)]) -> anyhow::Result<()> {
        self.set(partitions);
        Ok(())
    }

    fn release(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        for partition in partitions {
            assert!(self.places.borrow_mut().remove(partition).is_some(), "{partition:?} is not read");
        }
        Ok(())
    }

    fn pause(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        assert!(partitions.iter().all(|partition| self.places.borrow().contains_key(partition)));
        self.paused.borrow_mut().extend(partitions);
        Ok(())
    }

    fn resume(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        self.paused.borrow_mut().retain(|paused| !partitions.contains(paused));
        Ok(())
    }

    fn commit(&self, offsets: &[(Partition, NextOffset)], note: &str, _: bool) {
        let committed = offsets.iter().map(|&(partition, next)| (partition, (next, note.to_owned())));
        self.topic.held().committed.extend(committed);
    }

    fn committed(&self, partition: Partition) -> anyhow::Result<Option<(NextOffset, String)>> {
        Ok(self.topic.held().committed.get(&partition).cloned())
    }

    fn bounds(&self, partition: Partition) -> anyhow::Result<Bounds> {
        Ok(self.bounds_of(partition))
    }

    fn partitions(&self) -> anyhow::Result<u32> {
        Ok(u32::try_from(self.topic.held().partitions.len())?)
    }

    fn partitions_known(&self) -> Option<u32> {
        None
    }

    fn lag(&self, partition: Partition, next: NextOffset, _: bool) -> u64 {
        next.lag(self.bounds_of(partition).high)
    }

    fn end_read(&self, _: Partition) -> Option<NextOffset> {
        None
    }

    fn is_settled(&self) -> bool {
        self.topic.held().changes.is_empty()
    }
}

impl Follower for Member {
    type Message<'m> = Given;

    fn partitions(&self) -> anyhow::Result<Option<u32>> {
        Reader::partitions(self).map(Some)
    }

    fn bounds(&self, partition: Partition) -> anyhow::Result<Bounds> {
        Ok(self.bounds_of(partition))
    }

    fn assign(&self, partitions: &[(Partition, NextOffset)]) -> anyhow::Result<()> {
        self.places.borrow_mut().clear();
        self.set(partitions);
        Ok(())
    }

    fn poll(&self, _: Duration) -> anyhow::Result<Next<Given>> {
        Ok(self.next())
    }
}
