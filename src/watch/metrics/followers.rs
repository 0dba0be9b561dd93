//! Followers: each holds the counters of one worker's tallies and what they were when last seen.
//!
//! A follower and its tallies are made together and end together; dropping the follower takes its gauges out, so that a
//! partition that went elsewhere does not seem to stand still here.

use super::clicks::ClicksFollower;
use super::delay::DelayFollower;
use super::tallies::{FATES, IntakeTallies, LogTallies, RowsTallies, WindowsTallies};
use super::{GaugeVec, IntCounterVec, Metrics, WHOLE_PROCESS};
use crate::event::EventType;
use crate::findings::Kind;
use crate::list_key::ListName;
use crate::position::{Partition, SourcePartition};
use crate::relation::Relation;
use crate::stage::{HITS_AT, HitTally, Log};
use crate::watch::health::StageName;
use prometheus::IntCounter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A counter that follows a running total.
pub(super) struct Followed {
    counter: IntCounter,
    seen: u64,
}

impl Followed {
    pub(super) fn new(family: &IntCounterVec, labels: &[&str]) -> Self {
        Self { counter: family.with_label_values(labels), seen: 0 }
    }

    /// Adds what the total has grown by. A total that shrank was replaced by a new one, which began at 0.
    pub(super) fn set(&mut self, total: u64) {
        let grown = total.checked_sub(self.seen).unwrap_or(total);
        if grown > 0 {
            self.counter.inc_by(grown);
        }
        self.seen = total;
    }
}

/// Gauges of one partition, by their labels; taken out when dropped.
pub(super) struct Gauges {
    family: GaugeVec,
    held: BTreeMap<Vec<String>, prometheus::Gauge>,
}

impl Gauges {
    pub(super) fn new(family: &GaugeVec) -> Self {
        Self { family: family.clone(), held: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, labels: &[&str], value: f64) {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        let family = &self.family;
        self.held.entry(labels).or_insert_with_key(|labels| family.with_label_values(labels)).set(value);
    }
}

impl Drop for Gauges {
    fn drop(&mut self) {
        for labels in self.held.keys() {
            // Gone already only if two followers had one partition.
            let _absent = self.family.remove_label_values(&labels.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}

/// Bytes that a worker adds to those of its stage in this process; taken off when dropped.
struct AddedBytes {
    family: GaugeVec,
    stage: StageName,
    seen: BTreeMap<&'static str, f64>,
}

impl AddedBytes {
    fn set(&mut self, bytes: &[(&'static str, u64)]) {
        for &(kind, now) in bytes {
            let seen = self.seen.insert(kind, now as f64).unwrap_or(0.0);
            self.family.with_label_values(&[self.stage.name(), WHOLE_PROCESS, kind]).add(now as f64 - seen);
        }
    }
}

impl Drop for AddedBytes {
    fn drop(&mut self) {
        let none: Vec<(&'static str, u64)> = self.seen.keys().map(|&kind| (kind, 0)).collect();
        self.set(&none);
    }
}

/// What an intake worker finds, added to what others in this process do; taken off when dropped.
struct AddedFindings {
    family: GaugeVec,
    seen: BTreeSet<Kind>,
}

impl AddedFindings {
    fn set(&mut self, now: &BTreeSet<Kind>) {
        let gauge = |kind: &Kind| self.family.with_label_values(&[kind.name()]);
        now.difference(&self.seen).for_each(|kind| gauge(kind).inc());
        self.seen.difference(now).for_each(|kind| gauge(kind).dec());
        self.seen.clone_from(now);
    }
}

impl Drop for AddedFindings {
    fn drop(&mut self) {
        self.set(&BTreeSet::new());
    }
}

/// Shows an intake worker's tallies.
pub struct IntakeFollower {
    accepted: [Followed; EventType::ALL.len()],
    rejects: BTreeMap<&'static str, Followed>,
    rejects_family: IntCounterVec,
    skipped_nulls: Followed,
    filtered: Followed,
    uncountable: Followed,
    clicks_left_out: BTreeMap<&'static str, Followed>,
    clicks_left_out_family: IntCounterVec,
    skewed: Followed,
    findings: AddedFindings,
    bytes: AddedBytes,
}

/// Shows the tallies of one partition of the windows stage.
pub struct WindowsFollower {
    partition: String,
    fates: Vec<Followed>,
    forced: Followed,
    late_arrivals: BTreeMap<Arc<str>, Followed>,
    late_arrivals_family: IntCounterVec,
    ledger_duplicates: Followed,
    clicks: ClicksFollower,
    clicks_ignored: BTreeMap<&'static str, Followed>,
    clicks_ignored_family: IntCounterVec,
    users: Gauges,
    bytes: Gauges,
}

/// Shows the tallies of one partition of the rows stage.
pub struct RowsFollower {
    partition: String,
    by_relation: [RelationFollower; Relation::COUNT],
    hits: HitsFollower,
    by_list: [ListFollower; ListName::COUNT],
    corrected: Followed,
    ledger_duplicates: Followed,
    delay: DelayFollower,
    items: Gauges,
    rows: Gauges,
    pairs: Gauges,
    bytes: Gauges,
}

/// Shows how good lists were, by shop.
struct HitsFollower {
    families: [IntCounterVec; 3],
    by_shop: BTreeMap<String, [ListHits; Relation::COUNT]>,
}

/// The same of one list.
struct ListHits {
    tests: Followed,
    shown: [Followed; HITS_AT.len()],
    counted: [Followed; HITS_AT.len()],
}

impl ListHits {
    fn new([tests, shown, counted]: &[IntCounterVec; 3], shop: &str, list: &str) -> Self {
        let at = |family: &IntCounterVec| HITS_AT.map(|at| Followed::new(family, &[shop, list, &at.to_string()]));
        Self { tests: Followed::new(tests, &[shop, list]), shown: at(shown), counted: at(counted) }
    }
}

impl HitsFollower {
    fn set(&mut self, hits: &[(String, [HitTally; Relation::COUNT])]) {
        for (shop, tallies) in hits {
            // Of a shop that nothing was asked of yet there is nothing to see.
            if tallies.iter().all(|tally| tally.tests == 0) {
                continue;
            }
            let families = &self.families;
            let followers = self.by_shop.entry(shop.clone()).or_insert_with_key(|shop| {
                Relation::ALL.map(|relation| ListHits::new(families, shop, relation.list_name()))
            });
            for (follower, tally) in followers.iter_mut().zip(tallies) {
                follower.tests.set(tally.tests);
                follower.shown.iter_mut().zip(tally.shown).for_each(|(follower, hits)| follower.set(hits));
                follower.counted.iter_mut().zip(tally.counted).for_each(|(follower, hits)| follower.set(hits));
            }
        }
    }
}

struct RelationFollower {
    pair_updates: Followed,
    evictions: Followed,
}

struct ListFollower {
    ranked: Followed,
    published: Followed,
    tombstones: Followed,
    suppressed: Followed,
}

/// Shows what one worker appends to one log.
pub struct LogFollower {
    blocks: Followed,
    bytes: Followed,
    muted: Followed,
}

/// Shows what is missing from one partition of an internal log.
pub struct GapsFollower {
    labels: [String; 2],
    gaps: Gauges,
}

/// Shows how far a stage is behind on one partition that it reads.
pub struct LagFollower {
    labels: [String; 3],
    records: Gauges,
    seconds: Gauges,
}

impl Metrics {
    /// A follower for an intake worker.
    #[must_use]
    pub fn intake(&self) -> IntakeFollower {
        let families = &self.intake;
        IntakeFollower {
            accepted: EventType::ALL.map(|event_type| Followed::new(&families.events, &[event_type.name()])),
            rejects: BTreeMap::new(),
            rejects_family: families.rejects.clone(),
            skipped_nulls: Followed::new(&families.skipped_nulls, &[]),
            filtered: Followed::new(&families.filtered, &[]),
            uncountable: Followed::new(&families.uncountable, &[]),
            clicks_left_out: BTreeMap::new(),
            clicks_left_out_family: self.clicks.left_out.clone(),
            skewed: Followed::new(&families.skewed, &[]),
            findings: AddedFindings { family: families.findings.clone(), seen: BTreeSet::new() },
            bytes: AddedBytes { family: self.state_bytes.clone(), stage: StageName::Intake, seen: BTreeMap::new() },
        }
    }

    /// A follower for one partition of the windows stage.
    #[must_use]
    pub fn windows(&self, partition: Partition) -> WindowsFollower {
        let families = &self.windows;
        // Of impressions and clicks all are 0: they have counters of their own.
        let counted = EventType::ALL.into_iter().filter(|event_type| !event_type.is_of_lists());
        let fates = counted.flat_map(|event_type| FATES.map(|(_, fate)| [event_type.name(), fate]));
        WindowsFollower {
            partition: partition.0.to_string(),
            fates: fates.map(|labels| Followed::new(&families.events, &labels)).collect(),
            forced: Followed::new(&families.forced, &[]),
            late_arrivals: BTreeMap::new(),
            late_arrivals_family: families.late_arrivals.clone(),
            ledger_duplicates: Followed::new(&self.ledger_duplicates, &[StageName::Windows.name()]),
            clicks: ClicksFollower::new(&self.clicks),
            clicks_ignored: BTreeMap::new(),
            clicks_ignored_family: self.clicks.ignored.clone(),
            users: Gauges::new(&families.users),
            bytes: Gauges::new(&self.state_bytes),
        }
    }

    /// A follower for one partition of the rows stage.
    #[must_use]
    pub fn rows(&self, partition: Partition) -> RowsFollower {
        let families = &self.rows;
        let partition = partition.0.to_string();
        RowsFollower {
            by_relation: Relation::ALL.map(|relation| {
                let name = relation.name();
                RelationFollower {
                    pair_updates: Followed::new(&families.pair_updates, &[&partition, name]),
                    evictions: Followed::new(&families.evictions, &[name]),
                }
            }),
            by_list: ListName::ALL.map(|list| {
                let list = [list.name()];
                ListFollower {
                    ranked: Followed::new(&families.ranked, &list),
                    published: Followed::new(&families.published, &list),
                    tombstones: Followed::new(&families.tombstones, &list),
                    suppressed: Followed::new(&families.suppressed, &list),
                }
            }),
            hits: HitsFollower { families: families.hits.clone(), by_shop: BTreeMap::new() },
            corrected: Followed::new(&families.corrected, &[]),
            ledger_duplicates: Followed::new(&self.ledger_duplicates, &[StageName::Rows.name()]),
            delay: families.delay.follower(),
            items: Gauges::new(&families.items),
            rows: Gauges::new(&families.rows),
            pairs: Gauges::new(&families.pairs),
            bytes: Gauges::new(&self.state_bytes),
            partition,
        }
    }

    /// A follower for what one worker appends to `log`, by the name of the log.
    #[must_use]
    pub fn log(&self, log: &str) -> LogFollower {
        LogFollower {
            blocks: Followed::new(&self.log.blocks, &[log]),
            bytes: Followed::new(&self.log.bytes, &[log]),
            muted: Followed::new(&self.log.muted, &[log]),
        }
    }

    /// A follower for what is missing from `partition` of `log`: nothing as yet.
    #[must_use]
    pub fn gaps(&self, log: Log, partition: Partition) -> GapsFollower {
        let (labels, gaps) = ([log.name().to_owned(), partition.0.to_string()], Gauges::new(&self.log.gaps));
        let mut follower = GapsFollower { labels, gaps };
        follower.update(0);
        follower
    }

    /// A follower for how far `stage` is behind on `source`.
    #[must_use]
    pub fn lag(&self, stage: StageName, source: &SourcePartition) -> LagFollower {
        LagFollower {
            labels: [stage.name().to_owned(), source.source.to_string(), source.partition.0.to_string()],
            records: Gauges::new(&self.lag_records),
            seconds: Gauges::new(&self.lag_seconds),
        }
    }
}

/// Shows totals by why something was not counted, as far as there are any.
fn set_by_why(followed: &mut BTreeMap<&'static str, Followed>, family: &IntCounterVec, totals: &[(&'static str, u64)]) {
    for &(why, total) in totals.iter().filter(|(_, total)| *total > 0) {
        followed.entry(why).or_insert_with(|| Followed::new(family, &[why])).set(total);
    }
}

impl IntakeFollower {
    /// Shows `tallies`.
    pub fn update(&mut self, tallies: &IntakeTallies) {
        for (followed, &total) in self.accepted.iter_mut().zip(&tallies.accepted) {
            followed.set(total);
        }
        for (&reason, &total) in &tallies.rejects {
            let family = &self.rejects_family;
            self.rejects.entry(reason).or_insert_with(|| Followed::new(family, &[reason])).set(total);
        }
        self.skipped_nulls.set(tallies.skipped_nulls);
        self.filtered.set(tallies.filtered);
        self.uncountable.set(tallies.uncountable);
        set_by_why(&mut self.clicks_left_out, &self.clicks_left_out_family, &tallies.clicks_left_out);
        self.skewed.set(tallies.skewed);
        self.findings.set(&tallies.findings);
        self.bytes.set(&tallies.bytes);
    }
}

impl WindowsFollower {
    /// Shows `tallies`.
    pub fn update(&mut self, tallies: &WindowsTallies) {
        for (followed, &total) in self.fates.iter_mut().zip(tallies.fates.as_flattened()) {
            followed.set(total);
        }
        self.forced.set(tallies.forced);
        for (source, &total) in &tallies.late_arrivals {
            let family = &self.late_arrivals_family;
            let followed = self.late_arrivals.entry(Arc::clone(source));
            followed.or_insert_with(|| Followed::new(family, &[&**source])).set(total);
        }
        self.ledger_duplicates.set(tallies.ledger_duplicates);
        self.clicks.set(&tallies.clicks);
        set_by_why(&mut self.clicks_ignored, &self.clicks_ignored_family, &tallies.clicks_ignored);
        self.users.set(&[&self.partition], tallies.users as f64);
        for &(kind, bytes) in &tallies.bytes {
            self.bytes.set(&[StageName::Windows.name(), &self.partition, kind], bytes as f64);
        }
    }
}

impl RowsFollower {
    /// Shows `tallies`.
    pub fn update(&mut self, tallies: &RowsTallies) {
        for (relation, follower) in Relation::ALL.into_iter().zip(&mut self.by_relation) {
            let n = relation.index();
            follower.pair_updates.set(tallies.pair_updates[n]);
            follower.evictions.set(tallies.evictions[n]);
            self.rows.set(&[&self.partition, relation.name()], tallies.rows[n] as f64);
            self.pairs.set(&[&self.partition, relation.name()], tallies.pairs[n] as f64);
        }
        for (n, follower) in self.by_list.iter_mut().enumerate() {
            follower.ranked.set(tallies.ranked[n]);
            follower.published.set(tallies.published[n]);
            follower.tombstones.set(tallies.tombstones[n]);
            follower.suppressed.set(tallies.suppressed[n]);
        }
        self.ledger_duplicates.set(tallies.ledger_duplicates);
        self.corrected.set(tallies.corrected);
        self.hits.set(&tallies.hits);
        self.delay.set(&tallies.delay);
        self.items.set(&[&self.partition], tallies.items as f64);
        for &(kind, bytes) in &tallies.bytes {
            self.bytes.set(&[StageName::Rows.name(), &self.partition, kind], bytes as f64);
        }
    }
}

impl LogFollower {
    /// Shows `tallies`.
    pub fn update(&mut self, tallies: &LogTallies) {
        self.blocks.set(tallies.blocks);
        self.bytes.set(tallies.bytes);
        self.muted.set(tallies.muted);
    }
}

impl GapsFollower {
    /// Shows that something is missing from `sources` partitions of sources.
    pub fn update(&mut self, sources: usize) {
        let labels = [self.labels[0].as_str(), &self.labels[1]];
        self.gaps.set(&labels, sources as f64);
    }
}

impl LagFollower {
    /// Shows a lag of `records` records, the oldest of which is `age_ms` old.
    pub fn update(&mut self, records: u64, age_ms: u64) {
        let labels = [self.labels[0].as_str(), &self.labels[1], &self.labels[2]];
        self.records.set(&labels, records as f64);
        self.seconds.set(&labels, age_ms as f64 / 1000.0);
    }
}
