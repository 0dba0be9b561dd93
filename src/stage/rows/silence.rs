//! When a partition's lists and totals are silent: while it catches up, while a source reads history, and, on logs that were made
//! anew beside the lists of former ones, until all has been counted again: what is not counted yet is not gone.

use crate::position::{NextOffset, SourcePartition};
use crate::wire::SectionHead;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is kept of it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Sources that read history.
    history: BTreeSet<SourcePartition>,
    /// Of each partition of the events log, up to where it is to be counted first. Empty: nothing is waited for.
    awaited: Vec<NextOffset>,
    /// Those of them that have been.
    counted: BTreeSet<SourcePartition>,
}

/// What makes a partition silent.
pub(super) struct Silence {
    is_live: bool,
    kept: Kept,
}

impl Silence {
    /// Silent, as every partition starts.
    pub(super) fn new() -> Self {
        Self { is_live: false, kept: Kept::default() }
    }

    /// What is to be kept of it.
    pub(super) fn kept(&self) -> Kept {
        self.kept.clone()
    }

    /// So it was when the state was kept.
    pub(super) fn restore(&mut self, kept: Kept) {
        self.kept = kept;
    }

    /// Each partition of the events log is to be counted up to here first, and has to have caught up with its sources once.
    pub(super) fn wait_for(&mut self, read_to: Vec<NextOffset>) {
        self.kept.awaited = read_to;
    }

    /// Whether the totals log was made anew beside lists.
    pub(super) fn is_of_anew(&self) -> bool {
        !self.kept.awaited.is_empty()
    }

    pub(super) fn is_on(&self) -> bool {
        !self.is_live || !self.kept.history.is_empty() || self.kept.counted.len() < self.kept.awaited.len()
    }

    pub(super) fn is_catching_up(&self) -> bool {
        !self.is_live
    }

    /// The partition has caught up. Says whether its silence ends with that.
    pub(super) fn catch_up(&mut self) -> bool {
        let was_on = self.is_on();
        self.is_live = true;
        was_on && !self.is_on()
    }

    /// `source` reads history.
    pub(super) fn begin_history(&mut self, source: &SourcePartition) {
        if !self.kept.history.contains(source) {
            self.kept.history.insert(source.clone());
        }
    }

    /// `source` reads history no more. Says whether silence ends with that.
    pub(super) fn end_history(&mut self, source: &SourcePartition) -> bool {
        self.kept.history.remove(source) && !self.is_on()
    }

    /// A section has been counted whose source is not behind. Says whether silence ends with that.
    pub(super) fn has_counted(&mut self, head: &SectionHead) -> bool {
        let Kept { awaited, counted, .. } = &mut self.kept;
        let Some(&to) = awaited.get(head.source.partition.index()) else { return false };
        // That nothing has been read yet says nothing of what is to come.
        if head.span.to.offset < to.max(NextOffset(1)) || counted.contains(&head.source) {
            return false;
        }
        counted.insert(head.source.clone());
        !self.is_on()
    }
}
