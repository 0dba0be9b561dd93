//! What the log says of gaps: once when one shows, once when it is closed.

use crate::position::{Gap, Partition};
use crate::stage::Log;

/// Of one partition.
#[derive(Default)]
pub(super) struct Gaps {
    /// Of how many sources something was missing when that was last looked at.
    open: usize,
}

impl Gaps {
    /// Says what is news. `gaps`: what is missing now.
    pub(super) fn tell<'a>(
        &mut self,
        log: Log,
        partition: Partition,
        gap_wait_ms: i64,
        gaps: impl Iterator<Item = Gap<'a>>,
    ) {
        let (mut count, mut last) = (0, None);
        for gap in gaps {
            (count, last) = (count + 1, Some(gap));
        }
        let (log, partition, was_open) = (log.name(), partition.0, std::mem::replace(&mut self.open, count));
        match last {
            Some(Gap { source, at, expected, found }) if count > was_open => tracing::warn!(
                log,
                partition,
                offset = at.0,
                gap_wait_ms,
                "a section from {source} starts at {found}, next expected {expected}: what lies between is missing. It is skipped until \
                 its writer sends that again"
            ),
            None if was_open > 0 => tracing::info!(log, partition, "what was missing has been sent again"),
            _ => {}
        }
    }
}
