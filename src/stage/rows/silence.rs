//! When a partition's lists and totals are silent: while it catches up, and while a source reads history.

use crate::position::SourcePartition;
use std::collections::BTreeSet;

/// What is kept of it.
pub(super) type Kept = Vec<SourcePartition>;

/// What makes a partition silent.
pub(super) struct Silence {
    is_live: bool,
    /// Sources that read history.
    history: BTreeSet<SourcePartition>,
}

impl Silence {
    /// Silent, as every partition starts.
    pub(super) fn new() -> Self {
        Self { is_live: false, history: BTreeSet::new() }
    }

    /// The sources that read history, to be kept.
    pub(super) fn kept(&self) -> Kept {
        self.history.iter().cloned().collect()
    }

    /// These read history when the state was kept.
    pub(super) fn take_up(&mut self, history: Kept) {
        self.history = history.into_iter().collect();
    }

    pub(super) fn is_on(&self) -> bool {
        !self.is_live || !self.history.is_empty()
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
        if !self.history.contains(source) {
            self.history.insert(source.clone());
        }
    }

    /// `source` reads history no more. Says whether silence ends with that.
    pub(super) fn end_history(&mut self, source: &SourcePartition) -> bool {
        self.history.remove(source) && !self.is_on()
    }
}
