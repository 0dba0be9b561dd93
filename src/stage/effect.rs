//! What a stage wants done, and why it may stop.

use crate::intake::Reject;
use crate::position::{CheckpointError, LedgerError, NextOffset, Partition, Position, SourcePartition};
use crate::publish::{ListRecord, Publication};
use crate::wire::WireError;

/// The logs that stages write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Log {
    /// Intake → windows, by user. Internal.
    Events,
    /// Windows → rows, by item. Internal.
    Pairs,
    /// Rows → rows. Internal.
    Totals,
    /// Rows → the world, compacted.
    Lists,
}

impl Log {
    /// The log's name, in messages and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Pairs => "pairs",
            Self::Totals => "totals",
            Self::Lists => "lists",
        }
    }
}

/// Who carries out what a stage wants done: at once, in this order. Nothing is collected.
///
/// Nothing comes back: a carrier that fails keeps its failure, does nothing more, and whoever drives the stage asks it afterwards.
pub trait Effects {
    /// Append a block to an internal log.
    fn append(&mut self, log: Log, partition: Partition, block: Vec<u8>);

    /// Publish a list, or its tombstone.
    fn publish(&mut self, publication: &Publication<'_>);

    /// Keep an input record that could not be used, `offset` of `source`.
    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: Reject);
}

/// An effect that was collected, names and all.
#[derive(Clone, Debug)]
pub enum Effect {
    /// See [`Effects::append`].
    Append {
        /// Which log.
        log: Log,
        /// Its partition.
        partition: Partition,
        /// The block.
        block: Vec<u8>,
    },
    /// See [`Effects::publish`].
    Publish {
        /// The partition of the lists log: that of the row.
        partition: Partition,
        /// The record; a tombstone where it says that there is no list any more.
        record: Box<ListRecord<'static>>,
        /// When the oldest change in it arrived, in ms since 1970.
        since_ms: Option<i64>,
        /// How long that change waited, from arrival to now, in ms.
        waited_ms: Option<i64>,
    },
    /// See [`Effects::reject`].
    Reject {
        /// Where it came from.
        source: SourcePartition,
        /// Its offset there.
        offset: NextOffset,
        /// Why.
        reject: Reject,
    },
}

impl Effects for Vec<Effect> {
    fn append(&mut self, log: Log, partition: Partition, block: Vec<u8>) {
        self.push(Effect::Append { log, partition, block });
    }

    fn publish(&mut self, publication: &Publication<'_>) {
        let Publication { partition, since_ms, waited_ms, .. } = *publication;
        let record = Box::new(publication.record().into_owned());
        self.push(Effect::Publish { partition, record, since_ms, waited_ms });
    }

    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: Reject) {
        self.push(Effect::Reject { source: source.clone(), offset, reject });
    }
}

/// Why a stage stops. All but a damaged record are refusals: a person must decide.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A record of an internal log is not what it must be.
    #[error("{log}-{partition} at offset {offset}: {error}", log = log.name(), partition = partition.0, offset = offset.0)]
    Wire {
        /// The log read.
        log: Log,
        /// Its partition.
        partition: Partition,
        /// The record.
        offset: NextOffset,
        /// What is wrong with it.
        error: WireError,
    },
    /// Positions do not chain.
    #[error("{log}-{partition} at offset {offset}: {error}", log = log.name(), partition = partition.0, offset = offset.0)]
    Ledger {
        /// The log read.
        log: Log,
        /// Its partition.
        partition: Partition,
        /// The record.
        offset: NextOffset,
        /// What does not chain.
        error: LedgerError,
    },
    /// What is read is not what the log written behind it was made from.
    #[error("{input} at offset {offset}: {error}", offset = offset.0)]
    Checkpoint {
        /// What is read.
        input: SourcePartition,
        /// The record, or where reading would have started.
        offset: NextOffset,
        /// What was expected, and what is there.
        error: CheckpointError,
    },
    /// A kept state goes further than the log that was written along with it.
    #[error(
        "{log}-{partition} holds what was made of {input} up to {found} only, the snapshot that this starts from goes up to \
         {expected}: the log has lost its end. Bring it back, or start from an older snapshot",
        log = log.name(), partition = partition.0
    )]
    Ahead {
        /// The log written.
        log: Log,
        /// Its partition.
        partition: Partition,
        /// What it is made of.
        input: SourcePartition,
        /// How far the state goes.
        expected: Position,
        /// How far the log goes.
        found: Position,
    },
    /// A record that does not decode where only our own may stand.
    #[error("{log}: a record is not ours: {what}", log = log.name())]
    Foreign {
        /// The log read.
        log: Log,
        /// What is wrong.
        what: String,
    },
    /// Another log under the same name.
    #[error(
        "{log}-{partition} at offset {offset}: the log's id is {found:032x}, it was {first:032x}: another log under \
         the same name. Remove one of them",
        log = log.name(), partition = partition.0, offset = offset.0
    )]
    OtherLog {
        /// The log read.
        log: Log,
        /// Its partition.
        partition: Partition,
        /// The record.
        offset: NextOffset,
        /// The id found first.
        first: u128,
        /// The id found here.
        found: u128,
    },
    /// A source starts again beyond what the log holds of it: records between would be lost unseen.
    #[error(
        "{source_partition} would go on at {found}, but the events log holds it up to {expected} only: records between \
         are missing. Read it again from {expected}, or, where it no longer holds them, start a new events log"
    )]
    Skipped {
        /// The source.
        source_partition: SourcePartition,
        /// Up to where every partition of the log holds it.
        expected: u64,
        /// Where reading would go on.
        found: u64,
    },
    /// Somebody else has claimed the partition since: what this stage says counts no more. It is to be let go of.
    #[error(
        "{log}-{partition}: another owner of rows partition {partition} holds epoch {found}, this one epoch {own}: the partition \
         has been taken over",
        log = log.name(), partition = partition.0
    )]
    Overtaken {
        /// The log that shows it: totals or lists.
        log: Log,
        /// The partition.
        partition: Partition,
        /// The epoch of this stage.
        own: u64,
        /// The higher one.
        found: u64,
    },
    /// Lists were published under an epoch that no claim on the totals log explains.
    #[error(
        "lists-{partition} holds a list of epoch {found}, but the totals log, whose offsets epochs are, gave this owner only {own}: it \
         has been made anew, or has lost its end. Restore it, or count anew: `samenloop rebuild` (docs/operations.md)",
        partition = partition.0
    )]
    EpochLost {
        /// The partition.
        partition: Partition,
        /// The epoch of this stage.
        own: u64,
        /// The highest on the lists log.
        found: u64,
    },
    /// It has stopped before; its state may hold a part of what it stopped at.
    #[error("the stage has stopped after an error: drop it and open it anew on what its log holds")]
    Stopped,
    /// Written under other rules.
    #[error(
        "{log}-{partition} at offset {offset}: written under rules {found:016x}, in force are {own:016x}: set \
         the counting rules, merge_buffer, numbers of partitions and user secret back, or count anew: `samenloop rebuild`, or under another topics.prefix (docs/operations.md)",
        log = log.name(), partition = partition.0, offset = offset.0
    )]
    OtherRules {
        /// The log read.
        log: Log,
        /// Its partition.
        partition: Partition,
        /// The record.
        offset: NextOffset,
        /// Fingerprint of the rules in force.
        own: u64,
        /// Fingerprint in the log.
        found: u64,
    },
}
