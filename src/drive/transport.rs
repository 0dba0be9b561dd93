//! What workers need of logs, whoever keeps them: members of groups, followers outside groups, writers.
//!
//! Two implementations: Kafka (`crate::kafka`), and the in-process logs (`super::memory`), over which seeded tests run the
//! very workers of production.
//! Invariants: who owns which partition is the group's business; from where a partition is read is its owner's. A change is
//! told by [`Reader::change`], and the owner then calls [`Reader::assign`] or [`Reader::release`]; until it does, the group waits.

use crate::facts::FactsTopic;
use crate::intake::{Around, Record, Reject};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::publish::Stamp;
use crate::stage::Log;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where records come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// One of our own logs.
    Log(Log),
    /// The topic of a source, by the source's name.
    Source(Arc<str>),
    /// A topic of facts.
    Facts(FactsTopic),
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(log) => f.write_str(log.name()),
            Self::Source(name) => f.write_str(name),
            Self::Facts(topic) => f.write_str(topic.name()),
        }
    }
}

/// Why a log or topic cannot be used any more: a person must decide, or the worker starts again from what the logs hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{topic}: {what}")]
pub struct LogFailure {
    /// The topic, or the client.
    pub topic: String,
    /// What is wrong, and what to do.
    pub what: String,
    /// Whether a worker that starts again, with clients of its own, may find nothing wrong.
    pub may_pass: bool,
}

impl LogFailure {
    /// `what` is wrong with `topic`.
    pub fn said(topic: &str, what: &str) -> Self {
        Self { topic: topic.to_owned(), what: what.to_owned(), may_pass: false }
    }
}

/// A change of what the group says this member owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These are its own from now on.
    Assigned(Vec<Partition>),
    /// These are to be handed over: what is in hand is finished first.
    Revoked(Vec<Partition>),
    /// These have been somebody else's for a while: what is in hand is dropped.
    Lost(Vec<Partition>),
}

/// What a poll gave.
pub enum Next<M> {
    /// A record.
    Record(M),
    /// A partition has been read to its end.
    End(Partition),
    /// Nothing is at hand.
    Nothing,
}

/// A record as a reader or follower gives it.
pub trait Message {
    /// Where it stands; `None` where the transport cannot say (never for what brokers keep).
    fn place(&self) -> Option<(Partition, NextOffset)>;
    /// Its timestamp, ms since 1970.
    fn timestamp_ms(&self) -> Option<i64>;
    /// Its key.
    fn key(&self) -> Option<&[u8]>;
    /// Its value; `None` is a tombstone.
    fn value(&self) -> Option<&[u8]>;
    /// Its headers, appended to `into`.
    fn headers<'m>(&'m self, into: &mut Vec<(&'m str, &'m [u8])>);
    /// The topic as its owner calls it.
    fn topic(&self) -> &str;
    /// What surrounds it, where that tells that a time in it is wrong: known of files only.
    fn around(&self) -> Option<Around> {
        None
    }
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that it still holds.
    pub low: NextOffset,
    /// The first that it does not hold yet: the high watermark.
    pub high: NextOffset,
    /// Whether more comes without end, as of a file that is being read: its end shows only in the reading.
    pub is_stream: bool,
}

impl Bounds {
    /// Where it ends, if that is known.
    #[must_use]
    pub fn until(self) -> Option<NextOffset> {
        (!self.is_stream).then_some(self.high)
    }
}

/// A member of a group that reads one topic.
pub trait Reader {
    /// What it gives.
    type Message<'m>: Message
    where
        Self: 'm;

    /// What comes next, without waiting.
    ///
    /// # Errors
    /// When reading cannot go on.
    fn poll(&self) -> anyhow::Result<Next<Self::Message<'_>>>;
    /// The oldest change that has not been taken yet.
    fn change(&self) -> Option<Change>;
    /// Reads `partitions`, which the group has assigned, from these offsets on.
    ///
    /// # Errors
    /// When the group does not take it.
    fn assign(&self, partitions: &[(Partition, NextOffset)]) -> anyhow::Result<()>;
    /// Lets go of `partitions`, which the group has revoked, or which are lost.
    ///
    /// # Errors
    /// When the group does not take it.
    fn release(&self, partitions: &[Partition]) -> anyhow::Result<()>;
    /// Fetches no more of `partitions` until they are resumed.
    ///
    /// # Errors
    /// When they are not its own.
    fn pause(&self, partitions: &[Partition]) -> anyhow::Result<()>;
    /// Fetches `partitions` again.
    ///
    /// # Errors
    /// When they are not its own.
    fn resume(&self, partitions: &[Partition]) -> anyhow::Result<()>;
    /// Commits that everything before these offsets has been dealt with; `note` stands beside them. Without waiting, unless
    /// `wait`. A commit that fails costs nothing but a lag tool's view.
    fn commit(&self, offsets: &[(Partition, NextOffset)], note: &str, wait: bool);
    /// The offset that the group has committed for `partition`, and the note beside it, if there is one.
    ///
    /// # Errors
    /// When it is refused.
    fn committed(&self, partition: Partition) -> anyhow::Result<Option<(NextOffset, String)>>;
    /// Where a partition begins and ends now.
    ///
    /// # Errors
    /// When it is refused.
    fn bounds(&self, partition: Partition) -> anyhow::Result<Bounds>;
    /// How many partitions the topic has.
    ///
    /// # Errors
    /// When it is refused, or there is no such topic.
    fn partitions(&self) -> anyhow::Result<u32>;
    /// The same, as last heard, without asking: for whoever watches it grow.
    fn partitions_known(&self) -> Option<u32>;
    /// Records between `next` and the end of `partition`, as of a moment ago; none where all has been read and nothing
    /// waits.
    fn lag(&self, partition: Partition, next: NextOffset, nothing_waits: bool) -> u64;
    /// Where `partition` ends, as of a moment ago, where it has been read to its end. Behind the last record may stand what is none: marks of
    /// transactions, and records of one that was given up.
    fn end_read(&self, partition: Partition) -> Option<NextOffset>;
    /// Whether the group has said what is this member's, even if that is nothing.
    fn is_settled(&self) -> bool;
}

/// Reads what it is told to, outside all groups.
pub trait Follower {
    /// What it gives.
    type Message<'m>: Message
    where
        Self: 'm;

    /// How many partitions the topic has; `None` where there is no such topic, or it may not be seen.
    ///
    /// # Errors
    /// When it is refused.
    fn partitions(&self) -> anyhow::Result<Option<u32>>;
    /// Where a partition begins and ends now.
    ///
    /// # Errors
    /// When it is refused.
    fn bounds(&self, partition: Partition) -> anyhow::Result<Bounds>;
    /// Reads these partitions from these offsets on, and no others.
    ///
    /// # Errors
    /// When it is refused.
    fn assign(&self, partitions: &[(Partition, NextOffset)]) -> anyhow::Result<()>;
    /// What comes next; waits for `wait` at most.
    ///
    /// # Errors
    /// When reading cannot go on.
    fn poll(&self, wait: Duration) -> anyhow::Result<Next<Self::Message<'_>>>;
}

/// What to append.
#[derive(Clone, Copy, Default)]
pub struct Appending<'a> {
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// As which record its publisher counts it: [`Writer::runs`] tells where such records stand.
    pub stamp: Option<Stamp>,
}

/// Records of one writer and one epoch that stand in a log one behind the other: nobody else's lies between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where the first one stands.
    pub from: NextOffset,
    /// Behind the last one.
    pub to: NextOffset,
    /// The newest of them.
    pub last: Stamp,
}

/// Gapless appends to our logs: in order, or the writer has failed for good.
pub trait Writer {
    /// Appends a record. Waits where there is no room.
    ///
    /// # Errors
    /// When it, or any record before it, cannot be appended, now or ever.
    fn append(&mut self, log: Log, partition: Partition, appending: Appending<'_>) -> anyhow::Result<()>;
    /// Appends a record, and waits until it stands there: at this offset.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    fn append_at(&mut self, log: Log, partition: Partition, appending: Appending<'_>) -> anyhow::Result<NextOffset>;
    /// Takes in what has been acknowledged.
    ///
    /// # Errors
    /// When a record was not delivered.
    fn look(&mut self) -> anyhow::Result<()>;
    /// Whether something is held back until more has been acknowledged: [`Writer::look`] sends it.
    fn holds_back(&self) -> bool;
    /// Waits until everything appended has been acknowledged.
    ///
    /// # Errors
    /// When something was not delivered.
    fn flush(&mut self) -> anyhow::Result<()>;
    /// Ends the present era: what has been appended so far. [`Writer::is_done`] says when all of it is acknowledged.
    fn end_era(&mut self) -> u64;
    /// Whether everything appended up to the end of `era` has been acknowledged.
    fn is_done(&mut self, era: u64) -> bool;
    /// Of each partition on which records with a stamp have been acknowledged since this was asked last: the last unbroken run
    /// of them; none where it is not known where they stand. Stamps are for one log only.
    fn runs(&mut self) -> Vec<(Partition, Option<Run>)>;
}

/// A reject and the record that it is about.
pub struct Rejected<'a> {
    /// Of which source.
    pub source: &'a SourcePartition,
    /// Where it stands there.
    pub offset: NextOffset,
    /// Why.
    pub reject: &'a Reject,
    /// The record, as it was.
    pub record: &'a Record<'a>,
}

/// Keeps rejects.
pub trait Rejects {
    /// Keeps one.
    ///
    /// # Errors
    /// When none can be kept, ever.
    fn append(&mut self, rejected: &Rejected<'_>) -> anyhow::Result<()>;
    /// Whether nothing is on its way.
    fn look(&mut self) -> bool;
    /// Waits until all are kept, but not for long.
    fn flush(&mut self);
}

/// Who hears of a partition of a log whether it was trimmed.
pub type TrimDone = Box<dyn Fn(Log, bool) + Send>;

/// All of a log's partition before an offset, which nobody needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// Which log.
    pub log: Log,
    /// Its partition.
    pub partition: Partition,
    /// What lies before it may go.
    pub to: NextOffset,
    /// But nothing from the first record on whose timestamp is this or later, in ms since 1970.
    pub stays_from_ms: Option<i64>,
}

/// Makes what a worker works with. One for each worker, made in its thread.
pub trait Transport {
    /// Members of groups.
    type Reader: Reader + 'static;
    /// Readers outside groups.
    type Follower: Follower + 'static;
    /// Writers.
    type Writer: Writer + 'static;
    /// Keepers of rejects.
    type Rejects: Rejects + 'static;

    /// Joins the group called `group` for `topic`. The worker is woken when something comes after nothing was there.
    ///
    /// # Errors
    /// When it cannot be made.
    fn join(&self, group: &str, topic: &Topic) -> anyhow::Result<Self::Reader>;
    /// A follower of `topic`.
    ///
    /// # Errors
    /// When it cannot be made.
    fn follow(&self, topic: &Topic) -> anyhow::Result<Self::Follower>;
    /// A writer.
    ///
    /// # Errors
    /// When it cannot be made.
    fn writer(&self) -> anyhow::Result<Self::Writer>;
    /// A keeper of rejects.
    ///
    /// # Errors
    /// When it cannot be made.
    fn rejects(&self) -> anyhow::Result<Self::Rejects>;
    /// Deletes what our logs need not hold any more. Does not wait; what is not deleted stays until the next time. `told` hears of each
    /// log whether it was, later and on any thread.
    fn trim(&self, trims: Vec<Trim>, told: TrimDone);
}
