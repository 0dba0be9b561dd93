//! What an operator sees: every metric, in one registry of our own. `docs/metrics.md` explains each; a test keeps both equal.
//!
//! Invariants: a label's values are words of this program, configured names or partition numbers, never a shop, user or
//! item. Workers keep plain tallies (`tallies`) and show them once a batch through a follower (`followers`), which
//! adds the difference to the counters; nothing here is touched per event.
//! Absent: totals that survive a restart. Counters start at 0 with the process, as Prometheus expects.

mod clicks;
mod delay;
mod facts;
mod families;
mod followers;
mod memory;
mod snapshots;
mod tallies;
mod warm;

pub use delay::{DELAY_EDGES_US, DelayTally};
pub use facts::{FactsFollower, FactsTallies};
pub use followers::{GapsFollower, IntakeFollower, LagFollower, LogFollower, RowsFollower, WindowsFollower};
pub use memory::Strain;
pub use snapshots::{GivenUp, PassedOver, SnapshotFollower};
pub use tallies::{FATES, IntakeTallies, LogTallies, RowsTallies, WindowsTallies};
pub use warm::{CacheTrouble, WarmFollower, WarmLagFollower, WarmTallies};

use super::health::Health;
use clicks::ClicksFamilies;
use facts::FactsFamilies;
use families::{Catalogue, IntakeFamilies, LogFamilies, RowsFamilies, WaitFamilies, WindowsFamilies};
use memory::MemoryFamilies;
use prometheus::{GaugeVec, IntCounterVec, Registry, TextEncoder};
use snapshots::SnapshotFamilies;
use warm::WarmFamilies;

/// One metric as documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Full name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Label names, in order.
    pub labels: &'static [&'static str],
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    families: Vec<Family>,
    intake: IntakeFamilies,
    windows: WindowsFamilies,
    rows: RowsFamilies,
    log: LogFamilies,
    lag_records: GaugeVec,
    lag_seconds: GaugeVec,
    ledger_duplicates: IntCounterVec,
    restarts: IntCounterVec,
    claims: IntCounterVec,
    state_bytes: GaugeVec,
    waits: WaitFamilies,
    snapshots: SnapshotFamilies,
    facts: FactsFamilies,
    memory: MemoryFamilies,
    clicks: ClicksFamilies,
    warm: WarmFamilies,
    view_lists: GaugeVec,
    ready: GaugeVec,
    resident_bytes: GaugeVec,
    http_requests: IntCounterVec,
    http_displaced: IntCounterVec,
}

/// In place of a partition, where state is of the whole process.
const WHOLE_PROCESS: &str = "all";

type Outcome<T> = Result<T, prometheus::Error>;

impl Metrics {
    /// All metrics, at zero. The process start time is now.
    ///
    /// # Errors
    /// When two metrics have one name, or a name is not valid: a mistake in this file.
    pub fn new() -> Outcome<Self> {
        let mut catalogue = Catalogue { registry: Registry::new(), families: Vec::new() };
        let all = &mut catalogue;
        let intake = IntakeFamilies::new(all)?;
        let windows = WindowsFamilies::new(all)?;
        let rows = RowsFamilies::new(all)?;
        let log = LogFamilies::new(all)?;
        let lag_labels = &["stage", "source", "partition"];
        let lag_records = all.gauge(
            "samenloop_lag_records",
            "Records between a stage and the end of the partition it reads. Growing without end: too few workers.",
            lag_labels,
        )?;
        let lag_seconds = all.gauge(
            "samenloop_lag_seconds",
            "Age of the oldest record that a stage has not read yet, by record time; 0 at the end of the partition.",
            lag_labels,
        )?;
        let ledger_duplicates = all.counter(
            "samenloop_ledger_duplicates_total",
            "Entries of an internal log that had been applied before and were dropped. Normal after a restart.",
            &["stage"],
        )?;
        let state_bytes = all.gauge(
            "samenloop_state_bytes",
            "Bytes of state held in memory, by kind. The kinds that grow are where the memory goes.",
            &["stage", "partition", "kind"],
        )?;
        let claims = all.counter(
            "samenloop_claims_total",
            "Partitions of lists claimed by this process: one for each taken over. Steadily rising: rebalances.",
            &[],
        )?;
        let restarts = all.counter(
            "samenloop_worker_restarts_total",
            "Workers that panicked or lost their clients and started again, from what the logs hold. Should not rise.",
            &[],
        )?;
        let none: &[&str] = &[];
        restarts.with_label_values(none); // there from the start: the first one is a rise
        let waits = WaitFamilies::new(all)?;
        let snapshots = SnapshotFamilies::new(all)?;
        let facts = FactsFamilies::new(all)?;
        let memory = MemoryFamilies::new(all)?;
        let clicks = ClicksFamilies::new(all)?;
        let warm = WarmFamilies::new(all)?;
        let view_lists =
            all.gauge("samenloop_view_lists", "Lists that HTTP can serve: published and not withdrawn.", &[])?;
        let http_requests = all.counter(
            "samenloop_http_requests_total",
            "HTTP requests answered, by route and status. 5xx on /v1 routes: look at /livez and /readyz.",
            &["route", "status"],
        )?;
        let http_displaced = all.counter(
            "samenloop_http_displaced_total",
            "HTTP connections closed to make room for new ones. A rise: more clients than there are places, or idle ones.",
            &[],
        )?;
        let ready = all.gauge(
            "samenloop_ready",
            "1 when everything on this instance is live, as /readyz says; 0 while it reads what the logs hold.",
            &[],
        )?;
        let resident_bytes =
            all.gauge("process_resident_memory_bytes", "Resident memory in bytes; 0 where /proc is missing.", &[])?;
        all.constants()?;
        let Catalogue { registry, families } = catalogue;
        Ok(Self {
            registry,
            families,
            intake,
            windows,
            rows,
            log,
            lag_records,
            lag_seconds,
            ledger_duplicates,
            claims,
            restarts,
            state_bytes,
            waits,
            snapshots,
            facts,
            memory,
            clicks,
            warm,
            view_lists,
            ready,
            resident_bytes,
            http_requests,
            http_displaced,
        })
    }

    /// Every metric that can appear, in the order of registration.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The registry, for metrics that a transport brings along.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Counts an HTTP request. `route` is one of few fixed names.
    pub fn count_http(&self, route: &'static str, status: u16) {
        self.http_requests.with_label_values(&[route, &status.to_string()]).inc();
    }

    /// Counts a worker that starts again.
    pub fn count_restart(&self) {
        let none: &[&str] = &[];
        self.restarts.with_label_values(none).inc();
    }

    /// Counts a partition of lists that was claimed.
    pub fn count_claim(&self) {
        let none: &[&str] = &[];
        self.claims.with_label_values(none).inc();
    }

    /// Counts an HTTP connection that had to make room for another.
    pub fn count_http_displaced(&self) {
        let none: &[&str] = &[];
        self.http_displaced.with_label_values(none).inc();
    }

    /// All metrics in Prometheus' text format, with what is read at scrape time.
    ///
    /// # Errors
    /// When a metric cannot be written: a metric without name or of two types.
    pub fn render(&self, lists: usize, view_bytes: u64, health: &Health) -> Outcome<String> {
        let none: &[&str] = &[];
        self.ready.with_label_values(none).set(if health.is_ready() { 1.0 } else { 0.0 });
        self.view_lists.with_label_values(none).set(lists as f64);
        self.state_bytes.with_label_values(&["serve", WHOLE_PROCESS, "view"]).set(view_bytes as f64);
        self.waits.show(health);
        let resident = resident_bytes().unwrap_or(0);
        self.resident_bytes.with_label_values(none).set(resident as f64);
        self.show_memory(resident);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Resident memory, from the kernel's own account in kB (no page size needed).
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::check_text_format;
