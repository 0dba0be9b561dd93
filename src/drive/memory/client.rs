//! The clients of the in-process logs.

use super::super::transport::{
    Appending, Bounds, Change, Follower, LogFailure, Message, Next, Reader, Rejected, Rejects, Run, Topic, Transport,
    Trim, TrimDone, Writer,
};
use super::groups::Group;
use super::{Kept, MemoryLog};
use crate::drive::tail::Runs;
use crate::intake::Around;
use crate::position::{NextOffset, Partition};
use crate::publish::Stamp;
use crate::stage::Log;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// A record.
pub struct MemoryMessage {
    topic: Rc<str>,
    partition: Partition,
    offset: NextOffset,
    kept: Rc<Kept>,
}

impl Message for MemoryMessage {
    fn place(&self) -> Option<(Partition, NextOffset)> {
        Some((self.partition, self.offset))
    }

    fn timestamp_ms(&self) -> Option<i64> {
        self.kept.timestamp_ms
    }

    fn key(&self) -> Option<&[u8]> {
        self.kept.key.as_deref()
    }

    fn value(&self) -> Option<&[u8]> {
        self.kept.value.as_deref()
    }

    fn headers<'m>(&'m self, into: &mut Vec<(&'m str, &'m [u8])>) {
        into.extend(self.kept.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
    }

    fn topic(&self) -> &str {
        &self.topic
    }

    fn around(&self) -> Option<Around> {
        self.kept.around
    }
}

/// Where one partition is read.
struct Cursor {
    next: NextOffset,
    is_paused: bool,
    has_told_end: bool,
}

/// Partitions that are read in turn.
struct Cursors {
    log: MemoryLog,
    topic: Topic,
    name: Rc<str>,
    /// Whether what is given is wanted by nobody else.
    is_only: bool,
    cursors: RefCell<BTreeMap<Partition, Cursor>>,
    /// Whose turn it is.
    turn: Cell<usize>,
}

impl Cursors {
    fn new(log: MemoryLog, topic: Topic, is_member: bool) -> Self {
        let name = Rc::from(topic.to_string());
        // Totals and lists have no groups: their one reader follows them.
        let is_only = is_member || matches!(topic, Topic::Log(Log::Totals | Log::Lists));
        Self { log, topic, name, is_only, cursors: RefCell::default(), turn: Cell::new(0) }
    }

    fn set(&self, partitions: &[(Partition, NextOffset)]) {
        let mut cursors = self.cursors.borrow_mut();
        for &(partition, next) in partitions {
            cursors.insert(partition, Cursor { next, is_paused: false, has_told_end: false });
        }
    }

    fn poll(&self) -> anyhow::Result<Next<MemoryMessage>> {
        let mut logs = self.log.logs();
        let lazy_percent = logs.faults.lazy_percent;
        if logs.faults.happens(lazy_percent) {
            return Ok(Next::Nothing);
        }
        let keep = logs.keep;
        let mut cursors = self.cursors.borrow_mut();
        let (count, turn) = (cursors.len(), self.turn.get());
        let Some(held) = logs.topics.get_mut(&self.topic) else { return Ok(Next::Nothing) };
        // From the one whose turn it is, once round. Who has something goes on while it has.
        for step in 0..count {
            let place = (turn + step) % count;
            let Some((&partition, cursor)) = cursors.iter_mut().nth(place) else { continue };
            let Some(held) = held.get_mut(partition.index()).filter(|_| !cursor.is_paused) else { continue };
            if cursor.next < held.low {
                let what = format!("offset {} is asked for, but it starts at {}", cursor.next.0, held.low.0);
                return Err(LogFailure { may_pass: true, ..LogFailure::said(&self.name, &what) }.into());
            }
            if let Some((offset, kept)) = held.at(cursor.next) {
                (cursor.next, cursor.has_told_end) = (offset.after(), false);
                if !keep && self.is_only {
                    held.release(cursor.next);
                }
                self.turn.set(place);
                let topic = Rc::clone(&self.name);
                return Ok(Next::Record(MemoryMessage { topic, partition, offset, kept }));
            }
            if !held.is_stream && !std::mem::replace(&mut cursor.has_told_end, true) {
                return Ok(Next::End(partition));
            }
        }
        Ok(Next::Nothing)
    }
}

/// A member of a group.
pub struct MemoryReader {
    cursors: Cursors,
    group: String,
    member: u64,
    instance: u64,
}

impl MemoryReader {
    fn group<R>(&self, ask: impl FnOnce(&mut Group) -> R) -> Option<R> {
        self.cursors.log.logs().groups.get_mut(&self.group).map(ask)
    }

    fn each(&self, partitions: &[Partition], mut change: impl FnMut(&mut Cursor)) {
        let mut cursors = self.cursors.cursors.borrow_mut();
        for partition in partitions {
            if let Some(cursor) = cursors.get_mut(partition) {
                change(cursor);
            }
        }
    }
}

impl Reader for MemoryReader {
    type Message<'m> = MemoryMessage;

    fn poll(&self) -> anyhow::Result<Next<MemoryMessage>> {
        self.cursors.poll()
    }

    fn change(&self) -> Option<Change> {
        self.group(|group| group.change(self.member)).flatten()
    }

    fn assign(&self, partitions: &[(Partition, NextOffset)]) -> anyhow::Result<()> {
        self.cursors.set(partitions);
        Ok(())
    }

    fn release(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        self.cursors.cursors.borrow_mut().retain(|partition, _| !partitions.contains(partition));
        self.group(|group| {
            group.release(self.member, partitions);
            group.join(self.member, self.instance); // who was declared dead, and has taken note, is taken in again
        });
        Ok(())
    }

    fn pause(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        self.each(partitions, |cursor| cursor.is_paused = true);
        Ok(())
    }

    fn resume(&self, partitions: &[Partition]) -> anyhow::Result<()> {
        self.each(partitions, |cursor| cursor.is_paused = false);
        Ok(())
    }

    fn commit(&self, offsets: &[(Partition, NextOffset)], note: &str, _wait: bool) {
        let commits = offsets.iter().map(|&(partition, next)| (partition, (next, note.to_owned())));
        self.group(|group| group.committed.extend(commits));
    }

    fn committed(&self, partition: Partition) -> anyhow::Result<Option<(NextOffset, String)>> {
        Ok(self.group(|group| group.committed.get(&partition).cloned()).flatten())
    }

    fn bounds(&self, partition: Partition) -> anyhow::Result<Bounds> {
        Ok(self.cursors.log.bounds(&self.cursors.topic, partition)?)
    }

    fn partitions(&self) -> anyhow::Result<u32> {
        Ok(self.cursors.log.partitions(&self.cursors.topic))
    }

    fn partitions_known(&self) -> Option<u32> {
        Some(self.cursors.log.partitions(&self.cursors.topic))
    }

    fn lag(&self, partition: Partition, next: NextOffset, _nothing_waits: bool) -> u64 {
        self.cursors.log.with(&self.cursors.topic, partition, |held| next.lag(held.high)).unwrap_or(0)
    }

    fn end_read(&self, partition: Partition) -> Option<NextOffset> {
        self.cursors.log.with(&self.cursors.topic, partition, |held| held.high)
    }

    fn is_settled(&self) -> bool {
        self.group(|group| group.is_settled(self.member)).unwrap_or(false)
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        self.group(|group| group.leave(self.member));
    }
}

/// Reads outside groups.
pub struct MemoryFollower(Cursors);

impl Follower for MemoryFollower {
    type Message<'m> = MemoryMessage;

    fn partitions(&self) -> anyhow::Result<Option<u32>> {
        Ok(Some(self.0.log.partitions(&self.0.topic)).filter(|&count| count > 0))
    }

    fn bounds(&self, partition: Partition) -> anyhow::Result<Bounds> {
        Ok(self.0.log.bounds(&self.0.topic, partition)?)
    }

    fn assign(&self, partitions: &[(Partition, NextOffset)]) -> anyhow::Result<()> {
        self.0.cursors.borrow_mut().clear();
        self.0.set(partitions);
        Ok(())
    }

    fn poll(&self, _wait: Duration) -> anyhow::Result<Next<MemoryMessage>> {
        self.0.poll()
    }
}

/// Appends. With [`super::Faults::slow_percent`], an append stands in the log only after a while.
pub struct MemoryWriter {
    log: MemoryLog,
    waiting: VecDeque<(Log, Partition, Kept, Option<Stamp>)>,
    runs: Runs,
}

impl MemoryWriter {
    fn deliver(&mut self) -> anyhow::Result<Option<NextOffset>> {
        let Some((log, partition, kept, stamp)) = self.waiting.pop_front() else { return Ok(None) };
        let offset = self.log.logs().append(log, partition, kept);
        if let Some(stamp) = stamp {
            self.runs.landed(partition, offset, stamp);
        }
        offset.map(Some).ok_or_else(|| LogFailure::said(log.name(), "there is no such partition").into())
    }
}

impl Writer for MemoryWriter {
    fn append(&mut self, log: Log, partition: Partition, appending: Appending<'_>) -> anyhow::Result<()> {
        self.waiting.push_back((log, partition, Kept::of(appending), appending.stamp));
        let is_slow = self.log.logs().faults.slow_percent > 0;
        if is_slow { Ok(()) } else { self.flush() }
    }

    fn append_at(&mut self, log: Log, partition: Partition, appending: Appending<'_>) -> anyhow::Result<NextOffset> {
        self.flush()?;
        self.waiting.push_back((log, partition, Kept::of(appending), appending.stamp));
        let offset = self.deliver()?;
        offset.ok_or_else(|| LogFailure::said(log.name(), "nothing was appended").into())
    }

    fn look(&mut self) -> anyhow::Result<()> {
        loop {
            let mut logs = self.log.logs();
            let percent = logs.faults.slow_percent;
            let gets_on = percent == 0 || logs.faults.happens(percent);
            drop(logs);
            if !gets_on || self.deliver()?.is_none() {
                return Ok(());
            }
        }
    }

    fn holds_back(&self) -> bool {
        false
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        while self.deliver()?.is_some() {}
        Ok(())
    }

    fn end_era(&mut self) -> u64 {
        0
    }

    fn is_done(&mut self, _era: u64) -> bool {
        self.waiting.is_empty()
    }

    // Where nothing is kept, memory is let go of by reading.
    fn runs(&mut self) -> Vec<(Partition, Option<Run>)> {
        if self.log.logs().keep { self.runs.take() } else { Vec::new() }
    }
}

/// Keeps no rejects: who runs the stages in process hears of them.
pub struct MemoryRejects;

impl Rejects for MemoryRejects {
    fn append(&mut self, _rejected: &Rejected<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn look(&mut self) -> bool {
        true
    }

    fn flush(&mut self) {}
}

/// Makes clients of the in-process logs.
pub struct MemoryTransport {
    log: MemoryLog,
    instance: u64,
}

impl MemoryTransport {
    pub(super) fn new(log: MemoryLog, instance: u64) -> Self {
        Self { log, instance }
    }
}

impl Transport for MemoryTransport {
    type Reader = MemoryReader;
    type Follower = MemoryFollower;
    type Writer = MemoryWriter;
    type Rejects = MemoryRejects;

    fn join(&self, group: &str, topic: &Topic) -> anyhow::Result<MemoryReader> {
        let (partitions, group) = (self.log.partitions(topic), format!("{}{group}", self.log.prefix));
        let mut logs = self.log.logs();
        logs.members += 1;
        let member = logs.members;
        let held = logs.groups.entry(group.clone()).or_insert_with(|| Group::new(topic.clone(), partitions));
        held.join(member, self.instance);
        drop(logs);
        Ok(MemoryReader {
            cursors: Cursors::new(self.log.clone(), topic.clone(), true),
            group,
            member,
            instance: self.instance,
        })
    }

    fn follow(&self, topic: &Topic) -> anyhow::Result<MemoryFollower> {
        Ok(MemoryFollower(Cursors::new(self.log.clone(), topic.clone(), false)))
    }

    fn writer(&self) -> anyhow::Result<MemoryWriter> {
        Ok(MemoryWriter { log: self.log.clone(), waiting: VecDeque::new(), runs: Runs::default() })
    }

    fn rejects(&self) -> anyhow::Result<MemoryRejects> {
        Ok(MemoryRejects)
    }

    fn trim(&self, trims: Vec<Trim>, told: TrimDone) {
        for Trim { log, partition, to, stays_from_ms } in trims {
            self.log.with(&Topic::Log(log), partition, |held| {
                let stays = stays_from_ms.and_then(|from_ms| held.first_since(from_ms));
                held.trim(stays.map_or(to, |stays| to.min(stays)));
            });
            told(log, true);
        }
    }
}
