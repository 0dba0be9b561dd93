//! The in-process logs: what runs `replay` and `demo` without a broker, and the seeded tests.
//!
//! They behave as brokers do, as far as workers can tell: partitions with bounds, groups that hand partitions over, appends
//! that stand in the log only once they are acknowledged, members that are declared dead while they pause. What a
//! test wants to go wrong, it says: [`Faults`].
//! Invariants: offsets never change; one thread. Absent: durability.

mod client;
mod groups;

pub use client::MemoryTransport;

use self::groups::Group;
use super::transport::{Appending, Bounds, LogFailure, Topic};
use crate::intake::{Around, Record};
use crate::position::{NextOffset, Partition};
use crate::stage::Log;
use crate::wire::{Kind, kind_of};
use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// A record as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its timestamp, ms since 1970.
    pub timestamp_ms: Option<i64>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What surrounds it.
    pub around: Option<Around>,
}

impl Kept {
    fn of(appending: Appending<'_>) -> Self {
        let headers = appending.headers.iter().map(|&(name, value)| (name.to_owned(), value.to_vec()));
        Self {
            key: appending.key.map(<[u8]>::to_vec),
            value: appending.value.map(<[u8]>::to_vec),
            timestamp_ms: None,
            headers: headers.collect(),
            around: None,
        }
    }
}

/// One partition of a log or topic.
#[derive(Default)]
pub struct PartitionLog {
    /// The first offset held.
    low: NextOffset,
    /// The first offset not held yet.
    high: NextOffset,
    /// With their offsets, which only rise.
    records: VecDeque<(NextOffset, Rc<Kept>)>,
    /// Whether more may come without end: a file that is being read.
    is_stream: bool,
}

impl PartitionLog {
    fn append(&mut self, offset: NextOffset, record: Kept) {
        let offset = offset.max(self.high);
        self.records.push_back((offset, Rc::new(record)));
        self.high = offset.after();
    }

    /// The first record at `from` or behind it.
    fn at(&self, from: NextOffset) -> Option<(NextOffset, Rc<Kept>)> {
        let first = self.records.front()?.0;
        let guess = usize::try_from(from.0.saturating_sub(first.0)).ok()?;
        let place = match self.records.get(guess) {
            Some((offset, _)) if *offset == from => guess, // offsets seldom skip
            _ => self.records.partition_point(|(offset, _)| *offset < from),
        };
        self.records.get(place).cloned()
    }

    /// Lets go of what has been read: memory, not a loss.
    fn release(&mut self, to: NextOffset) {
        while self.records.front().is_some_and(|(offset, _)| *offset < to) {
            self.records.pop_front();
        }
    }

    /// What it holds, to look at or to damage.
    pub fn records(&mut self) -> &mut VecDeque<(NextOffset, Rc<Kept>)> {
        &mut self.records
    }

    /// Appends a record.
    pub fn push(&mut self, record: Kept) {
        self.append(self.high, record);
    }

    /// Holds these records instead, from its first offset on.
    pub fn replace(&mut self, records: impl IntoIterator<Item = Kept>) {
        let low = self.low.0;
        self.records = (low..).map(NextOffset).zip(records.into_iter().map(Rc::new)).collect();
        self.high = self.records.back().map_or(self.low, |(offset, _)| offset.after());
    }

    /// Loses everything from `offset` on, as after an unclean election.
    pub fn cut(&mut self, offset: NextOffset) {
        self.records.retain(|(at, _)| *at < offset);
        self.high = self.high.min(offset);
    }

    /// The first record with this timestamp or a later one.
    fn first_since(&self, from_ms: i64) -> Option<NextOffset> {
        let is_since = |kept: &Kept| kept.timestamp_ms.is_some_and(|timestamp_ms| timestamp_ms >= from_ms);
        self.records.iter().find(|(_, kept)| is_since(kept)).map(|&(offset, _)| offset)
    }

    /// Loses everything before `offset`, as by retention.
    pub fn trim(&mut self, offset: NextOffset) {
        self.release(offset.min(self.high));
        self.low = self.low.max(offset.min(self.high));
    }
}

/// What goes wrong, on purpose.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Percentage of polls that give nothing although there is something.
    pub lazy_percent: u64,
    /// Percentage of looks in which a writer's appends get on: the rest wait. 0 makes every append stand at once.
    pub slow_percent: u64,
    /// Whether every block of events and pairs is appended twice, as by a writer that crashed.
    pub resend: bool,
    /// The next block of this log is acknowledged, and does not stand there: as by a broker that has forgotten the writer, and takes its
    /// second batch for the first.
    pub lose_next: Option<Log>,
    /// How many were lost like that.
    pub lost: usize,
    /// State of the generator.
    seed: u64,
}

impl Faults {
    /// None, to be changed; what is drawn comes from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed: seed | 1, ..Self::default() }
    }

    /// Whether something happens that has `percent` percent (xorshift64, Marsaglia 2003).
    fn happens(&mut self, percent: u64) -> bool {
        if percent == 0 {
            return false;
        }
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % 100 < percent
    }
}

struct Logs {
    topics: BTreeMap<Topic, Vec<PartitionLog>>,
    groups: BTreeMap<String, Group>,
    /// How many members there ever were.
    members: u64,
    /// Whether what has been read stays.
    keep: bool,
    faults: Faults,
    /// The time of what is appended.
    now_ms: Option<i64>,
}

/// Logs held in memory. Clones are the same logs.
#[derive(Clone)]
pub struct MemoryLog {
    logs: Rc<RefCell<Logs>>,
    /// Before the names of groups.
    prefix: Rc<str>,
}

impl MemoryLog {
    /// Empty logs: `events` by user, the others by item. What has been read is let go.
    #[must_use]
    pub fn new(events_partitions: u32, pairs_partitions: u32) -> Self {
        let counts = [
            (Log::Events, events_partitions),
            (Log::Pairs, pairs_partitions),
            (Log::Totals, pairs_partitions),
            (Log::Lists, pairs_partitions),
        ];
        let logs = Logs {
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            members: 0,
            keep: false,
            faults: Faults::default(),
            now_ms: None,
        };
        let log = Self { logs: Rc::new(RefCell::new(logs)), prefix: Rc::from("") };
        for (name, count) in counts {
            log.make(&Topic::Log(name), count);
        }
        log
    }

    /// The same logs for members of other groups, who know nothing of the first ones: two owners at once.
    #[must_use]
    pub fn apart(&self, prefix: &str) -> Self {
        Self { logs: Rc::clone(&self.logs), prefix: Rc::from(prefix) }
    }

    /// Keeps everything, for restarts.
    #[must_use]
    pub fn keeping(self) -> Self {
        self.logs().keep = true;
        self
    }

    /// Appends every block of events and pairs twice: nothing may come of it.
    #[must_use]
    pub fn resending(self) -> Self {
        self.logs().faults.resend = true;
        self
    }

    /// What is appended from now on is of this time, in ms since 1970; until it is told, it has no time.
    pub fn set_now(&self, now_ms: i64) {
        self.logs().now_ms = Some(now_ms);
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.logs().faults = faults;
    }

    /// What goes wrong, to be changed.
    pub fn with_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.logs().faults);
    }

    fn logs(&self) -> RefMut<'_, Logs> {
        self.logs.borrow_mut()
    }

    /// Sees that `topic` has at least `partitions` partitions. Groups that read it are told.
    pub fn make(&self, topic: &Topic, partitions: u32) {
        let mut logs = self.logs();
        let held = logs.topics.entry(topic.clone()).or_default();
        let wanted = Partition(partitions).index().max(held.len());
        held.resize_with(wanted, PartitionLog::default);
        let count = u32::try_from(wanted).unwrap_or(u32::MAX);
        for group in logs.groups.values_mut().filter(|group| group.topic == *topic) {
            group.grow(count);
        }
    }

    /// How many partitions a topic has.
    #[must_use]
    pub fn partitions(&self, topic: &Topic) -> u32 {
        self.logs().topics.get(topic).map_or(0, |held| u32::try_from(held.len()).unwrap_or(u32::MAX))
    }

    /// Whether the end of a source's partition shows only in the reading, as of a file.
    pub fn set_stream(&self, topic: &Topic, partition: Partition, is_stream: bool) {
        self.with(topic, partition, |held| held.is_stream = is_stream);
    }

    /// Appends a source's record at `offset`, or at its end where that lies behind.
    pub fn feed(&self, topic: &Topic, partition: Partition, offset: NextOffset, record: &Record<'_>) {
        let headers = record.headers.iter().map(|&(name, value)| (name.to_owned(), value.to_vec()));
        let kept = Kept {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            timestamp_ms: record.timestamp_ms,
            headers: headers.collect(),
            around: record.around,
        };
        self.with(topic, partition, |held| held.append(offset, kept));
    }

    /// Looks at a partition, or damages it.
    pub fn with<R>(
        &self,
        topic: &Topic,
        partition: Partition,
        change: impl FnOnce(&mut PartitionLog) -> R,
    ) -> Option<R> {
        let mut logs = self.logs();
        let held = logs.topics.get_mut(topic).and_then(|partitions| partitions.get_mut(partition.index()));
        held.map(change)
    }

    /// Where a partition begins and ends.
    ///
    /// # Errors
    /// When there is none.
    pub fn bounds(&self, topic: &Topic, partition: Partition) -> Result<Bounds, LogFailure> {
        let bounds =
            self.with(topic, partition, |held| Bounds { low: held.low, high: held.high, is_stream: held.is_stream });
        bounds.ok_or_else(|| LogFailure::said(&topic.to_string(), "there is no such partition"))
    }

    /// What a member of groups is told apart by: every worker of `instance` is the same member.
    #[must_use]
    pub fn transport(&self, instance: u64) -> MemoryTransport {
        MemoryTransport::new(self.clone(), instance)
    }

    /// Declares `instance` dead, as brokers do with a member that is silent: others get what it owned, and it is told that
    /// it lost it once it asks again.
    pub fn expel(&self, instance: u64) {
        self.logs().groups.values_mut().for_each(|group| group.expel(instance));
    }

    /// Takes `partition` of `group` from its owner at once, without its help, and gives it back: a crash of one partition.
    pub fn lose(&self, group: &str, partition: Partition) {
        if let Some(group) = self.logs().groups.get_mut(&format!("{}{group}", self.prefix)) {
            group.lose(partition);
        }
    }

    /// Hands every partition of `group` to the next member, in order.
    pub fn rotate(&self, group: &str) {
        if let Some(group) = self.logs().groups.get_mut(&format!("{}{group}", self.prefix)) {
            group.rotate();
        }
    }
}

impl Logs {
    fn append(&mut self, log: Log, partition: Partition, mut record: Kept) -> Option<NextOffset> {
        record.timestamp_ms = record.timestamp_ms.or(self.now_ms);
        let copies = if self.faults.resend && matches!(log, Log::Events | Log::Pairs) { 2 } else { 1 };
        let held = self.topics.get_mut(&Topic::Log(log))?.get_mut(partition.index())?;
        let offset = held.high;
        if self.faults.lose_next == Some(log) && is_block(&record) {
            self.faults.lose_next = None;
            self.faults.lost += 1;
            return Some(offset);
        }
        for _ in 1..copies {
            held.append(NextOffset(0), record.clone());
        }
        held.append(NextOffset(0), record);
        Some(offset)
    }
}

/// Whether it says how far a source has been read: no mark of who writes the log.
fn is_block(record: &Kept) -> bool {
    record
        .value
        .as_deref()
        .and_then(|block| kind_of(block).ok())
        .is_some_and(|kind| matches!(kind, Kind::Events | Kind::Pairs))
}
