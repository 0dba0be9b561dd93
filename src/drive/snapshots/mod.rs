//! Snapshots of stages: when one is taken, what must hold before one is started from, and what no log needs to hold any more then.
//!
//! A worker takes one of a partition at a time (`saving`): the stage's state goes in portions, turn by turn, to a thread that
//! compresses and stores it (`storing`). It is published when all that the worker had appended before its moment has been acknowledged; then it is
//! read back, old ones are removed, and the log before the oldest one that is kept is trimmed. Only those that are good count (`counted`).
//! Of an events log whose start is gone `rebuild` writes such of nothing counted, where what is kept begins (`beginning`).
//! Who takes a partition over (`restoring`) starts from the newest one that is good and belongs to its log. What the log holds besides, its head
//! tells to whoever writes that log.
//! Absent: what is in a state (`stage`), bytes and stores (`snapshot`).

pub(super) mod beginning;
mod counted;
mod keeping;
mod restoring;
mod saving;
mod storing;
mod watching;

pub(super) use keeping::Keeping;
pub(super) use restoring::{Logs, Restored, Wanted, head_facts, restore};
pub(super) use saving::{About, Outcome, Saver};
pub(super) use watching::Begun;

use crate::position::{NextOffset, Partition};
use crate::snapshot::{Found, Head, SnapshotStore, StoreError};
use crate::stage::{Log, PartitionFacts};
use std::sync::Arc;

/// Format of the states that stages write: raised with every change that an older release could not read.
pub const STATE_FORMAT: u16 = 5;

/// How snapshots are kept.
#[derive(Clone)]
pub struct Snapshots {
    /// Where.
    pub store: SnapshotStore,
    /// What its objects are called after: the prefix of our topics.
    pub scope: Arc<str>,
    /// Its id.
    pub store_id: u128,
    /// How long between two of a partition, in ms.
    pub interval_ms: i64,
    /// How many of a partition are kept.
    pub keep: usize,
    /// Records of the events log that are younger than this, in ms, stay, though no snapshot needs them.
    pub keep_events_ms: Option<i64>,
    /// Who takes them, for people.
    pub instance: Arc<str>,
    /// Whether the worker itself stores them, in its turn: for tests, where nothing may happen beside it.
    pub is_inline: bool,
}

/// The log that a stage reads, and what the stage is called in snapshots.
pub(super) fn stage_of(log: Log) -> Option<&'static str> {
    match log {
        Log::Events => Some("windows"),
        Log::Pairs => Some("rows"),
        Log::Totals | Log::Lists => None,
    }
}

impl Snapshots {
    /// The snapshots of the reader of `log`, newest first.
    fn newest(&self, log: Log, partition: Partition) -> Result<Vec<Found>, StoreError> {
        stage_of(log).map_or(Ok(Vec::new()), |stage| self.store.newest(&self.scope, stage, partition.0))
    }
}

/// The facts in a head.
fn facts_of(head: &Head) -> Option<PartitionFacts> {
    crate::saved::whole(&head.facts, "what a log holds").ok()
}

/// Up to where a log may be trimmed that is needed from `offset` on: the record before it stays, to be compared.
fn trimmed_to(offset: u64) -> NextOffset {
    NextOffset(offset.saturating_sub(1))
}

#[cfg(test)]
mod tests;
