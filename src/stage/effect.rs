//! What a stage wants done, and why it may stop.

use crate::intake::Reject;
use crate::position::{CheckpointError, LedgerError, NextOffset, Partition, SourcePartition};
use crate::publish::ListRecord;
use crate::relation::Relation;
use crate::wire::WireError;

/// The logs that stages write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Log {
    /// Intake → windows, by user. Internal.
    Events,
    /// Windows → rows, by item. Internal.
    Pairs,
    /// Rows → rows, compacted. Internal.
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

/// One thing to be done. Effects are carried out in their order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Append a block to an internal log.
    Append {
        /// Which log.
        log: Log,
        /// Its partition.
        partition: Partition,
        /// The block.
        block: Vec<u8>,
    },
    /// Tell the other rows partitions of a total.
    Broadcast {
        /// The record's key.
        key: Vec<u8>,
        /// The record's value.
        value: Vec<u8>,
    },
    /// Publish a list, or its tombstone.
    Publish {
        /// The partition of the lists log: that of the row.
        partition: Partition,
        /// Which list.
        relation: Relation,
        /// The record; a tombstone where it says that there is no list any more.
        record: Box<ListRecord<'static>>,
        /// When the oldest change in it arrived, in ms since 1970.
        since_ms: Option<i64>,
        /// How long that change waited, from arrival to now, in ms.
        waited_ms: Option<i64>,
    },
    /// An input record that could not be used.
    Reject {
        /// Where it came from.
        source: SourcePartition,
        /// Its offset there.
        offset: NextOffset,
        /// Why.
        reject: Reject,
    },
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
    /// It has stopped before; its state may hold a part of what it stopped at.
    #[error("the stage has stopped after an error: drop it and open it anew on what its log holds")]
    Stopped,
    /// Written under other rules.
    #[error(
        "{log}-{partition} at offset {offset}: written under rules {found:016x}, in force are {own:016x}: set \
         the counting rules, merge_buffer, numbers of partitions and user secret back, or count anew under another topics.prefix (docs/operations.md)",
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
