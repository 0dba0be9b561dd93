//! What the demonstration keeps of what is published: delays, the newest changes, and the ledger.

use super::ledger::Ledger;
use crate::drive::Sink;
use crate::intake::Reject;
use crate::position::{NextOffset, SourcePartition};
use crate::publish::Publication;
use crate::watch::metrics::DelayTally;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Changes kept for the live view.
const CHANGES_MAX: usize = 3;
/// The delay that is shown is that of this long, at most twice.
const LATELY: Duration = Duration::from_secs(2);

/// A change, as published.
pub(super) struct Change {
    pub(super) list: &'static str,
    pub(super) item: String,
    /// The record; empty where the list is gone.
    pub(super) record: Vec<u8>,
}

pub(super) struct DemoSink {
    lately: [DelayTally; 2],
    turned: Instant,
    changes: VecDeque<Change>,
    pub(super) ledger: Ledger,
}

impl DemoSink {
    pub(super) fn new() -> Self {
        let changes = VecDeque::with_capacity(CHANGES_MAX);
        Self { lately: Default::default(), turned: Instant::now(), changes, ledger: Ledger::default() }
    }

    /// The delays of the last seconds.
    pub(super) fn lately(&mut self) -> DelayTally {
        if self.turned.elapsed() >= LATELY {
            self.turned = Instant::now();
            self.lately.swap(0, 1);
            self.lately[0] = DelayTally::default();
        }
        let mut all = self.lately[0].clone();
        all.merge(&self.lately[1]);
        all
    }

    /// The newest changes, newest first.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }
}

impl Sink for DemoSink {
    fn list(&mut self, publication: &Publication<'_>, value: &[u8]) -> anyhow::Result<()> {
        if let Some(waited_ms) = publication.waited_ms {
            self.lately[0].record(waited_ms.unsigned_abs().saturating_mul(1000));
        }
        self.changes.truncate(CHANGES_MAX - 1);
        let [_, _, item] = publication.names();
        let list = publication.key().list.name();
        let shown = publication.list.shown().iter().map(|entry| publication.items.name(entry.item));
        self.ledger.publish(list, item, shown);
        self.changes.push_front(Change { list, item: item.to_owned(), record: value.to_vec() });
        Ok(())
    }

    fn reject(&mut self, _source: &SourcePartition, _offset: NextOffset, _reject: &Reject) -> anyhow::Result<()> {
        Ok(()) // intake counts them by reason; the shop breaks records on purpose
    }
}
