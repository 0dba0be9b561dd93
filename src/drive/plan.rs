//! What all workers of a run share: the stages' setup, the sources, how lists are written.

use crate::config::Start;
use crate::facts::Facts;
use crate::intake::{Intake, Mapping};
use crate::memory::Sizes;
use crate::publish::codec::ListCodec;
use crate::rules::{ClickRules, CountingRules};
use crate::stage::{BlockLimits, RowsSetup, identity_of};
use std::sync::Arc;

use super::facts::FactsFeed;
use super::schemas::SchemaSource;
use super::snapshots::Snapshots;

/// All that stages are made of, besides their sources.
#[derive(Clone)]
pub struct Setup {
    /// Admission of events.
    pub intake: Intake,
    /// Fingerprint of what the events log depends on besides its sources and number of partitions.
    pub events_identity: u64,
    /// How long a backlog must be to silence the lists; `None`: nothing does.
    pub history_ms: Option<i64>,
    /// Which impressions and clicks are told.
    pub clicks: ClickRules,
    /// The counting rules.
    pub counting: CountingRules,
    /// The merge buffer's bound.
    pub merge_bytes_max: usize,
    /// Ranking and publishing.
    pub rows: RowsSetup,
    /// Size of blocks.
    pub limits: BlockLimits,
}

/// What the internal logs are written under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identities {
    /// The events log.
    pub events: u64,
    /// The pairs log.
    pub pairs: u64,
}

/// A source of events.
#[derive(Clone)]
pub struct SourcePlan {
    /// Its name in logs, metrics and positions.
    pub name: Arc<str>,
    /// How its records read.
    pub mapping: Arc<Mapping>,
    /// Where it is read from while the events log does not know it.
    pub start: Start,
}

/// All that a run is made of.
pub struct Plan {
    /// The stages' setup.
    pub setup: Setup,
    /// Partitions of the events log.
    pub events_partitions: u32,
    /// Partitions of the pairs log, and so of totals and lists.
    pub pairs_partitions: u32,
    /// Where events come from.
    pub sources: Vec<SourcePlan>,
    /// How far a source may be ahead of the slowest one that is behind, in ms of event time.
    pub align_ms: i64,
    /// How long something may be missing from a log before a stage stops.
    pub gap_wait_ms: i64,
    /// How large buffers may be.
    pub sizes: Sizes,
    /// How lists are written.
    pub codec: ListCodec,
    /// Where states of stages are kept; none where every start reads the logs from their beginning.
    pub snapshots: Option<Snapshots>,
    /// The topics that facts come from while a run goes on; none where there is no run, or there are no facts.
    pub feed: Option<FactsFeed>,
    /// Where the schemas of sources and of lists published before are.
    pub schemas: Option<Arc<dyn SchemaSource>>,
}

impl Plan {
    /// What is known of items, if anything is.
    #[must_use]
    pub fn facts(&self) -> Option<&Arc<Facts>> {
        self.setup.rows.facts.as_ref()
    }

    /// What states of stages depend on besides the logs that they were made of.
    #[must_use]
    pub fn state_identity(&self) -> u64 {
        let Identities { events, pairs } = self.identities();
        identity_of(&[events, pairs])
    }

    /// What the events log and the pairs log are written under. Where a merge is forced depends on the room that it has.
    #[must_use]
    pub fn identities(&self) -> Identities {
        let merge_bytes_max = u64::try_from(self.setup.merge_bytes_max).unwrap_or(u64::MAX);
        let counting = self.setup.counting.fingerprint();
        let (events, pairs) = (u64::from(self.events_partitions), u64::from(self.pairs_partitions));
        Identities {
            events: identity_of(&[self.setup.events_identity, events]),
            pairs: identity_of(&[counting, merge_bytes_max, events, pairs]),
        }
    }
}
