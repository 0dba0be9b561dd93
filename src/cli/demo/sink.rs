//! What the demonstration keeps of what is published: lists for HTTP and the end, delays, and the newest changes.

use crate::drive::watch::Published;
use crate::drive::{Publication, Sink};
use crate::intake::Reject;
use crate::position::{NextOffset, SourcePartition};
use crate::relation::Relation;
use crate::serve::view::ListView;
use crate::watch::metrics::DelayTally;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Changes kept for the live view.
const CHANGES_MAX: usize = 3;
/// The delay that is shown is that of this long, at most twice.
const LATELY: Duration = Duration::from_secs(2);

/// A change, as published.
pub(super) struct Change {
    pub(super) relation: Relation,
    pub(super) key: String,
    pub(super) record: Vec<u8>,
    pub(super) tombstone: bool,
}

pub(super) struct DemoSink {
    published: Published,
    lately: [DelayTally; 2],
    turned: Instant,
    changes: VecDeque<Change>,
}

impl DemoSink {
    pub(super) fn new(view: Arc<ListView>, rows_partitions: u32) -> Self {
        Self {
            published: Published::new(view, rows_partitions),
            lately: Default::default(),
            turned: Instant::now(),
            changes: VecDeque::with_capacity(CHANGES_MAX),
        }
    }

    pub(super) fn published(&self) -> &Published {
        &self.published
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
    fn list(&mut self, publication: &Publication<'_>) -> anyhow::Result<()> {
        self.published.note(publication);
        if let Some(waited_ms) = publication.waited_ms {
            self.lately[0].record(waited_ms.unsigned_abs().saturating_mul(1000));
        }
        self.changes.truncate(CHANGES_MAX - 1);
        self.changes.push_front(Change {
            relation: publication.list.relation(),
            key: publication.key.to_owned(),
            record: publication.record.to_vec(),
            tombstone: publication.tombstone,
        });
        Ok(())
    }

    fn reject(&mut self, _source: &SourcePartition, _offset: NextOffset, _reject: &Reject) -> anyhow::Result<()> {
        Ok(()) // intake counts them by reason; the shop breaks records on purpose
    }
}
