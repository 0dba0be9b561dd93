//! Looking at what has been read: whether it will disappoint.

use crate::findings::Kind;
use crate::stage::IntakeWork;
use std::collections::BTreeSet;

/// How often what has been read is weighed: it takes some milliseconds.
const INTERVAL_MS: i64 = 60_000;

/// What a worker finds of input that is in vain.
pub(super) struct Weighing {
    found: BTreeSet<Kind>,
    /// What the log has been told of.
    warned: BTreeSet<Kind>,
    /// By the clock that never goes back.
    next_ms: i64,
}

impl Weighing {
    pub(super) fn new(now_ms: i64) -> Self {
        Self { found: BTreeSet::new(), warned: BTreeSet::new(), next_ms: now_ms.saturating_add(INTERVAL_MS) }
    }

    /// Looks, where it is time to, and tells each kind once a process.
    pub(super) fn look(&mut self, work: &IntakeWork, now_ms: i64) {
        if now_ms < self.next_ms {
            return;
        }
        self.next_ms = now_ms.saturating_add(INTERVAL_MS);
        let found = work.findings();
        for finding in &found {
            if self.warned.insert(finding.kind) {
                tracing::warn!(finding = finding.kind.name(), "{finding}");
            }
        }
        self.found = found.into_iter().map(|finding| finding.kind).collect();
    }

    /// What was found when it was last looked.
    pub(super) fn found(&self) -> &BTreeSet<Kind> {
        &self.found
    }
}
