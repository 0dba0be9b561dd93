//! What is shown of a cache that is kept equal to the lists topic: what became of each record, what the cache refused, how far behind it is.

use super::families::Catalogue;
use super::followers::{Followed, Gauges};
use super::{Metrics, Outcome};
use crate::position::Partition;
use prometheus::{GaugeVec, IntCounterVec};

/// What became of records of the lists topic. Each record is one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarmTallies {
    /// Lists that were set.
    pub set: u64,
    /// Lists that were deleted.
    pub deleted: u64,
    /// Records that the cache knew a newer one of.
    pub older: u64,
    /// Records of lists that the cache is not for.
    pub unselected: u64,
    /// Records that could not be read.
    pub unreadable: u64,
}

impl WarmTallies {
    fn named(&self) -> [(&'static str, u64); 5] {
        let Self { set, deleted, older, unselected, unreadable } = *self;
        [("set", set), ("deleted", deleted), ("older", older), ("unselected", unselected), ("unreadable", unreadable)]
    }

    /// All records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.named().iter().map(|(_, count)| count).sum()
    }
}

/// Why a cache does not take what it is given now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheTrouble {
    /// It does not answer.
    Connection,
    /// It loads its data, or is busy, or waits for its master.
    Loading,
    /// It is a replica.
    ReadOnly,
    /// It has no room.
    Memory,
    /// Anything else that it says.
    Other,
}

impl CacheTrouble {
    const ALL: [Self; 5] = [Self::Connection, Self::Loading, Self::ReadOnly, Self::Memory, Self::Other];

    fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Loading => "loading",
            Self::ReadOnly => "read_only",
            Self::Memory => "memory",
            Self::Other => "other",
        }
    }
}

pub(super) struct WarmFamilies {
    records: IntCounterVec,
    troubles: IntCounterVec,
    returns: IntCounterVec,
    lag_records: GaugeVec,
    lag_seconds: GaugeVec,
}

impl WarmFamilies {
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
        Ok(Self {
            records: all.counter(
                "samenloop_warm_records_total",
                "Records of the lists topic by what they did to the cache: set, deleted, older, unselected or unreadable.",
                &["outcome"],
            )?,
            troubles: all.counter(
                "samenloop_warm_troubles_total",
                "Times that the cache did not take what it was given: connection, loading, read_only, memory or other. It is tried again.",
                &["reason"],
            )?,
            returns: all.counter(
                "samenloop_warm_returns_total",
                "Times that the cache was found to hold less than it had, or another's: what is missing was read again.",
                &[],
            )?,
            lag_records: all.gauge(
                "samenloop_warm_lag_records",
                "Records between the cache and the end of a partition of the lists topic.",
                &["partition"],
            )?,
            lag_seconds: all.gauge(
                "samenloop_warm_lag_seconds",
                "Age of the record that the cache has come to; 0 at the end of the partition.",
                &["partition"],
            )?,
        })
    }
}

/// Shows what a warmer does.
pub struct WarmFollower {
    records: [Followed; 5],
    troubles: IntCounterVec,
    returns: IntCounterVec,
}

/// Shows how far behind one partition is; nothing once it is dropped.
pub struct WarmLagFollower {
    partition: String,
    records: Gauges,
    seconds: Gauges,
}

impl Metrics {
    /// A follower for a warmer. Its counters are there from now on: a first count must be seen as a rise.
    #[must_use]
    pub fn warm(&self) -> WarmFollower {
        let families = &self.warm;
        for trouble in CacheTrouble::ALL {
            families.troubles.with_label_values(&[trouble.name()]);
        }
        let none: &[&str] = &[];
        families.returns.with_label_values(none);
        let records = WarmTallies::default().named().map(|(name, _)| Followed::new(&families.records, &[name]));
        WarmFollower { records, troubles: families.troubles.clone(), returns: families.returns.clone() }
    }

    /// A follower for how far behind `partition` is.
    #[must_use]
    pub fn warm_lag(&self, partition: Partition) -> WarmLagFollower {
        let (records, seconds) = (Gauges::new(&self.warm.lag_records), Gauges::new(&self.warm.lag_seconds));
        WarmLagFollower { partition: partition.0.to_string(), records, seconds }
    }
}

impl WarmFollower {
    /// Shows what has been done so far.
    pub fn update(&mut self, tallies: &WarmTallies) {
        for (followed, (_, count)) in self.records.iter_mut().zip(tallies.named()) {
            followed.set(count);
        }
    }

    /// Counts a time that the cache took nothing.
    pub fn count_trouble(&self, trouble: CacheTrouble) {
        self.troubles.with_label_values(&[trouble.name()]).inc();
    }

    /// Counts a time that the cache held less than it had.
    pub fn count_return(&self) {
        let none: &[&str] = &[];
        self.returns.with_label_values(none).inc();
    }
}

impl WarmLagFollower {
    /// `records` are left, and the cache has come to one that is `age_ms` old.
    pub fn update(&mut self, records: u64, age_ms: i64) {
        let labels = [self.partition.as_str()];
        self.records.set(&labels, records as f64);
        self.seconds.set(&labels, age_ms.max(0) as f64 / 1e3);
    }
}
