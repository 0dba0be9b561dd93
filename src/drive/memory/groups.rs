//! A consumer group as its members see it: who owns which partition, and what each is told.
//!
//! Cooperative, as on Kafka: a partition is given to its new owner once the old one has let go of it, unless that one has been
//! declared dead.

use super::super::transport::{Change, Topic};
use crate::position::{NextOffset, Partition};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) struct Group {
    pub(super) topic: Topic,
    partitions: u32,
    /// With the instance that each is of.
    members: BTreeMap<u64, u64>,
    /// By how many places partitions are shifted among members.
    shift: u64,
    owners: BTreeMap<Partition, u64>,
    /// Partitions that their owners have been told to let go of.
    revoking: BTreeSet<Partition>,
    changes: BTreeMap<u64, VecDeque<Change>>,
    /// Offsets that have been committed, with what stands beside them.
    pub(super) committed: BTreeMap<Partition, (NextOffset, String)>,
}

impl Group {
    pub(super) fn new(topic: Topic, partitions: u32) -> Self {
        Self {
            topic,
            partitions,
            members: BTreeMap::new(),
            shift: 0,
            owners: BTreeMap::new(),
            revoking: BTreeSet::new(),
            changes: BTreeMap::new(),
            committed: BTreeMap::new(),
        }
    }

    /// Who joins is told what is its own, be it nothing.
    pub(super) fn join(&mut self, member: u64, instance: u64) {
        let is_new = self.members.insert(member, instance).is_none();
        self.rebalance();
        if is_new {
            self.tell_at_least(member);
        }
    }

    /// As on Kafka, where whoever takes part in a rebalance hears of its end.
    fn tell_at_least(&mut self, member: u64) {
        let changes = self.changes.entry(member).or_default();
        if changes.is_empty() {
            changes.push_back(Change::Assigned(Vec::new()));
        }
    }

    /// A member is gone, in order or not.
    pub(super) fn leave(&mut self, member: u64) {
        self.members.remove(&member);
        self.changes.remove(&member);
        self.owners.retain(|_, owner| *owner != member);
        self.revoking.retain(|partition| self.owners.contains_key(partition));
        self.rebalance();
    }

    /// Declares the members of `instance` dead. They are told once they ask.
    pub(super) fn expel(&mut self, instance: u64) {
        for member in
            self.members.iter().filter(|(_, of)| **of == instance).map(|(&member, _)| member).collect::<Vec<_>>()
        {
            let owned = self.owned_by(member);
            self.leave(member);
            // Be it nothing: who is told joins again.
            self.changes.entry(member).or_default().push_back(Change::Lost(owned));
        }
    }

    pub(super) fn lose(&mut self, partition: Partition) {
        if let Some(owner) = self.owners.remove(&partition) {
            self.revoking.remove(&partition);
            self.changes.entry(owner).or_default().push_back(Change::Lost(vec![partition]));
            self.rebalance();
        }
    }

    pub(super) fn rotate(&mut self) {
        self.shift += 1;
        self.rebalance();
    }

    pub(super) fn grow(&mut self, partitions: u32) {
        self.partitions = self.partitions.max(partitions);
        self.rebalance();
        for member in self.members.keys().copied().collect::<Vec<_>>() {
            self.tell_at_least(member);
        }
    }

    pub(super) fn change(&mut self, member: u64) -> Option<Change> {
        self.changes.get_mut(&member)?.pop_front()
    }

    /// Whether `member` has nothing to hear.
    pub(super) fn is_settled(&self, member: u64) -> bool {
        self.members.contains_key(&member) && self.changes.get(&member).is_none_or(VecDeque::is_empty)
    }

    pub(super) fn release(&mut self, member: u64, partitions: &[Partition]) {
        for partition in partitions {
            if self.owners.get(partition) == Some(&member) && self.revoking.remove(partition) {
                self.owners.remove(partition);
            }
        }
        self.rebalance();
    }

    fn owned_by(&self, member: u64) -> Vec<Partition> {
        self.owners.iter().filter(|(_, owner)| **owner == member).map(|(&partition, _)| partition).collect()
    }

    fn rebalance(&mut self) {
        let members: Vec<u64> = self.members.keys().copied().collect();
        let Ok(count) = u64::try_from(members.len()) else { return };
        if count == 0 {
            return;
        }
        let (mut assigned, mut revoked): (BTreeMap<u64, Vec<Partition>>, BTreeMap<u64, Vec<Partition>>) =
            (BTreeMap::new(), BTreeMap::new());
        for number in 0..self.partitions {
            let partition = Partition(number);
            let place = usize::try_from((u64::from(number) + self.shift) % count).unwrap_or(0);
            let wanted = members[place];
            match self.owners.get(&partition) {
                None => {
                    self.owners.insert(partition, wanted);
                    assigned.entry(wanted).or_default().push(partition);
                }
                Some(&owner) if owner != wanted && self.revoking.insert(partition) => {
                    revoked.entry(owner).or_default().push(partition);
                }
                Some(_) => {}
            }
        }
        let tell = |changes: BTreeMap<u64, Vec<Partition>>, change: fn(Vec<Partition>) -> Change| {
            changes.into_iter().map(move |(member, partitions)| (member, change(partitions)))
        };
        for (member, change) in tell(revoked, Change::Revoked).chain(tell(assigned, Change::Assigned)) {
            self.changes.entry(member).or_default().push_back(change);
        }
    }
}
