//! What is shown of snapshots: how old, how large, what became of them, what starting from them took, what was deleted behind them.
//!
//! Invariants: age goes by the clock that is never put back, but for that of a snapshot which somebody else has taken: that is what its head
//! says it is. Series that alerts count on are there from the start. What is shown of a partition goes with it.

use super::families::Catalogue;
use super::followers::Gauges;
use super::{Metrics, Outcome};
use crate::position::{NextOffset, Partition};
use crate::stage::Log;
use crate::watch::health::StageName;
use prometheus::{GaugeVec, IntCounterVec};

/// Stages that have a state.
const KEPT: [StageName; 2] = [StageName::Windows, StageName::Rows];
const PUBLISHED: &str = "published";
const FAILED: &str = "failed";
const DONE: &str = "done";

/// Why a stage did not start from a snapshot, but from an older one or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// Damaged, torn, or gone when it was read.
    Damaged,
    /// Of a release that writes states in another form.
    Format,
    /// The log behind the stage does not hold all that was made before it.
    Behind,
    /// A log does not hold any more what lies behind it.
    Trimmed,
}

/// Why a snapshot that was being taken was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// The store has taken and given nothing for too long.
    Still,
    /// It has taken too long altogether.
    Late,
    /// Too much had changed before the store took it.
    Early,
}

impl GivenUp {
    const ALL: [Self; 3] = [Self::Still, Self::Late, Self::Early];

    fn name(self) -> &'static str {
        match self {
            Self::Still => "still",
            Self::Late => "late",
            Self::Early => "early",
        }
    }
}

impl PassedOver {
    const ALL: [Self; 4] = [Self::Damaged, Self::Format, Self::Behind, Self::Trimmed];

    fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Format => "format",
            Self::Behind => "behind",
            Self::Trimmed => "trimmed",
        }
    }
}

pub(super) struct SnapshotFamilies {
    interval: GaugeVec,
    taken: IntCounterVec,
    given_up: IntCounterVec,
    passed_over: IntCounterVec,
    trims: IntCounterVec,
    trimmed: GaugeVec,
    age: GaugeVec,
    unsaved: GaugeVec,
    bytes: GaugeVec,
    seconds: GaugeVec,
    restore_seconds: GaugeVec,
    restore_records: GaugeVec,
}

impl SnapshotFamilies {
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
        let of_partition = &["stage", "partition"];
        let families = Self {
            interval: all.gauge(
                "samenloop_snapshot_interval_seconds",
                "Time between two snapshots of a partition; 0: snapshots are off, internal logs grow for ever.",
                &[],
            )?,
            taken: all.counter(
                "samenloop_snapshots_total",
                "Snapshots by what became of them: published or failed. A rise of failed: see the log, and the store.",
                &["stage", "outcome"],
            )?,
            given_up: all.counter(
                "samenloop_snapshots_given_up_total",
                "Snapshots given up while they were taken: the store stood still, all of it took too long (late), or too much changed early.",
                &["stage", "reason"],
            )?,
            passed_over: all.counter(
                "samenloop_snapshots_passed_over_total",
                "Snapshots that a start did not use: damaged, another format, behind the next log, log trimmed. Damaged: also found among those kept.",
                &["stage", "reason"],
            )?,
            trims: all.counter(
                "samenloop_log_trims_total",
                "Partitions of internal logs that brokers were told to trim, and whether they did: done or failed.",
                &["log", "outcome"],
            )?,
            trimmed: all.gauge(
                "samenloop_log_trimmed_offset",
                "Offset before which brokers were last told to delete an internal log's records.",
                &["log", "partition"],
            )?,
            age: all.gauge(
                "samenloop_snapshot_age_seconds",
                "Age of the newest snapshot of a partition; where it has none, time since it was taken over.",
                of_partition,
            )?,
            unsaved: all.gauge(
                "samenloop_snapshot_unsaved_records",
                "Records that were read since the newest snapshot of a partition: a restart reads them again.",
                of_partition,
            )?,
            bytes: all.gauge(
                "samenloop_snapshot_bytes",
                "Bytes of the newest snapshot of a partition, as stored; 0 where there is none.",
                of_partition,
            )?,
            seconds: all.gauge(
                "samenloop_snapshot_seconds",
                "What the last snapshot of a partition took, from its moment until it had been read back.",
                of_partition,
            )?,
            restore_seconds: all.gauge(
                "samenloop_restore_seconds",
                "What loading the state of a partition took when it was taken over; 0 where there was no snapshot.",
                of_partition,
            )?,
            restore_records: all.gauge(
                "samenloop_restore_records",
                "Records behind its snapshot that a partition had to read when it was taken over.",
                of_partition,
            )?,
        };
        families.begin();
        Ok(families)
    }

    /// Counters at zero: a first count must be seen as a rise.
    fn begin(&self) {
        for stage in KEPT {
            for outcome in [PUBLISHED, FAILED] {
                self.taken.with_label_values(&[stage.name(), outcome]);
            }
            for reason in GivenUp::ALL {
                self.given_up.with_label_values(&[stage.name(), reason.name()]);
            }
            for reason in PassedOver::ALL {
                self.passed_over.with_label_values(&[stage.name(), reason.name()]);
            }
        }
        for log in [Log::Events, Log::Pairs, Log::Totals] {
            for outcome in [DONE, FAILED] {
                self.trims.with_label_values(&[log.name(), outcome]);
            }
        }
    }
}

/// Shows the snapshots of one partition of a stage.
pub struct SnapshotFollower {
    stage: &'static str,
    partition: String,
    trimmed: Gauges,
    age: Gauges,
    unsaved: Gauges,
    bytes: Gauges,
    seconds: Gauges,
    restore_seconds: Gauges,
    restore_records: Gauges,
}

impl Metrics {
    /// A follower for the snapshots of one partition.
    #[must_use]
    pub fn snapshots(&self, stage: StageName, partition: Partition) -> SnapshotFollower {
        let families = &self.snapshots;
        SnapshotFollower {
            stage: stage.name(),
            partition: partition.0.to_string(),
            trimmed: Gauges::new(&families.trimmed),
            age: Gauges::new(&families.age),
            unsaved: Gauges::new(&families.unsaved),
            bytes: Gauges::new(&families.bytes),
            seconds: Gauges::new(&families.seconds),
            restore_seconds: Gauges::new(&families.restore_seconds),
            restore_records: Gauges::new(&families.restore_records),
        }
    }

    /// How long between two snapshots of a partition, in ms; 0 where there are none.
    pub fn set_snapshot_interval(&self, interval_ms: i64) {
        let none: &[&str] = &[];
        self.snapshots.interval.with_label_values(none).set(interval_ms as f64 / 1e3);
    }

    /// Counts a snapshot that was published, or came to nothing.
    pub fn count_snapshot(&self, stage: StageName, is_published: bool) {
        let outcome = if is_published { PUBLISHED } else { FAILED };
        self.snapshots.taken.with_label_values(&[stage.name(), outcome]).inc();
    }

    /// Counts a snapshot that was given up while it was taken.
    pub fn count_given_up(&self, stage: StageName, reason: GivenUp) {
        self.snapshots.given_up.with_label_values(&[stage.name(), reason.name()]).inc();
    }

    /// Counts a snapshot that a start did not use, or that is found damaged among those kept.
    pub fn count_passed_over(&self, stage: StageName, reason: PassedOver) {
        self.snapshots.passed_over.with_label_values(&[stage.name(), reason.name()]).inc();
    }

    /// Counts a partition of `log` that was to be trimmed.
    pub fn count_trim(&self, log: Log, is_done: bool) {
        self.snapshots.trims.with_label_values(&[log.name(), if is_done { DONE } else { FAILED }]).inc();
    }
}

impl SnapshotFollower {
    /// What the partition started from took `seconds` to load and has `bytes`, and leaves `records` to be read.
    pub fn restored(&mut self, seconds: f64, bytes: u64, records: u64) {
        let labels = [self.stage, &self.partition];
        self.restore_seconds.set(&labels, seconds);
        self.restore_records.set(&labels, records as f64);
        self.bytes.set(&labels, bytes as f64);
    }

    /// One was published.
    pub fn published(&mut self, bytes: u64, seconds: f64) {
        let labels = [self.stage, &self.partition];
        self.bytes.set(&labels, bytes as f64);
        self.seconds.set(&labels, seconds);
    }

    /// `log` is to be trimmed before `to`.
    pub fn trimmed(&mut self, log: Log, partition: Partition, to: NextOffset) {
        self.trimmed.set(&[log.name(), &partition.0.to_string()], to.0 as f64);
    }

    /// How old the newest is, in ms, and how many records were read since.
    pub fn update(&mut self, age_ms: i64, unsaved_records: u64) {
        let labels = [self.stage, &self.partition];
        self.age.set(&labels, age_ms.max(0) as f64 / 1e3);
        self.unsaved.set(&labels, unsaved_records as f64);
    }
}
