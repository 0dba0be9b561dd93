//! What an operator sees: every metric, in one registry of our own. `docs/metrics.md` explains each; a test keeps both equal.
//!
//! Invariants: a label's values are words of this program, configured names or partition numbers, never a shop, user or
//! item. Workers keep plain tallies (`tallies`) and show them once a batch through a follower (`followers`), which
//! adds the difference to the counters; nothing here is touched per event.
//! Absent: totals that survive a restart. Counters start at 0 with the process, as Prometheus expects.

mod delay;
mod followers;
mod tallies;

pub use delay::{DELAY_EDGES_US, DelayTally};
pub use followers::{IntakeFollower, LagFollower, LogFollower, RowsFollower, WindowsFollower};
pub use tallies::{FATES, IntakeTallies, LogTallies, RowsTallies, WindowsTallies};

use super::health::Health;
use delay::DelayHistogram;
use prometheus::core::{Collector, Desc};
use prometheus::{GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};
use std::collections::HashMap;
use std::time::SystemTime;

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
    claims: IntCounterVec,
    state_bytes: GaugeVec,
    waits: WaitFamilies,
    view_lists: GaugeVec,
    ready: GaugeVec,
    resident_bytes: GaugeVec,
    http_requests: IntCounterVec,
    http_displaced: IntCounterVec,
}

struct IntakeFamilies {
    events: IntCounterVec,
    rejects: IntCounterVec,
    skipped_nulls: IntCounterVec,
    skewed: IntCounterVec,
}

struct WindowsFamilies {
    events: IntCounterVec,
    forced: IntCounterVec,
    late_arrivals: IntCounterVec,
    users: GaugeVec,
}

struct RowsFamilies {
    pair_updates: IntCounterVec,
    evictions: IntCounterVec,
    ranked: IntCounterVec,
    published: IntCounterVec,
    tombstones: IntCounterVec,
    suppressed: IntCounterVec,
    corrected: IntCounterVec,
    delay: DelayHistogram,
    items: GaugeVec,
    rows: GaugeVec,
    pairs: GaugeVec,
}

struct LogFamilies {
    blocks: IntCounterVec,
    bytes: IntCounterVec,
    muted: IntCounterVec,
}

/// Read off [`Health`] when they are asked for: who waits may be too busy waiting to say so.
struct WaitFamilies {
    brokers: GaugeVec,
    sources: GaugeVec,
    partitions: GaugeVec,
    unread: GaugeVec,
}

/// Registers metrics and notes what they are.
struct Catalogue {
    registry: Registry,
    families: Vec<Family>,
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
        let waits = WaitFamilies::new(all)?;
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
            state_bytes,
            waits,
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
        self.resident_bytes.with_label_values(none).set(resident_bytes().unwrap_or(0) as f64);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl IntakeFamilies {
    fn new(all: &mut Catalogue) -> Outcome<Self> {
        Ok(Self {
            events: all.counter(
                "samenloop_events_total",
                "Events accepted by intake and written to the events log, by type.",
                &["type"],
            )?,
            rejects: all.counter(
                "samenloop_rejects_total",
                "Source records refused, by reason. A rise: a producer changed its schema, or the mapping is wrong.",
                &["reason"],
            )?,
            skipped_nulls: all.counter(
                "samenloop_skipped_nulls_total",
                "Source records without a value (tombstones), skipped.",
                &[],
            )?,
            skewed: all.counter(
                "samenloop_skewed_total",
                "Events from the future, whose time was set to the record's. A rise: a producer's clock is wrong.",
                &[],
            )?,
        })
    }
}

impl WindowsFamilies {
    fn new(all: &mut Catalogue) -> Outcome<Self> {
        Ok(Self {
            events: all.counter(
                "samenloop_windows_events_total",
                "Events by type and what became of them: counted, duplicate, late, overlong (session or cart full) or \
                 bulk (order too large). Each event is one of these.",
                &["type", "fate"],
            )?,
            forced: all.counter(
                "samenloop_merge_forced_total",
                "Events released from the merge buffer out of order because it was full. Raise merge_buffer.",
                &[],
            )?,
            late_arrivals: all.counter(
                "samenloop_late_arrivals_total",
                "Events that came after their source had been waiting, and out of order with what others brought meanwhile.",
                &["source"],
            )?,
            users: all.gauge("samenloop_users", "Users whose windows are held in memory.", &["partition"])?,
        })
    }
}

impl RowsFamilies {
    fn new(all: &mut Catalogue) -> Outcome<Self> {
        let (relation, list, by_partition) = (&["relation"], &["list"], &["partition", "relation"]);
        let delay_name = "samenloop_event_to_list_delay_seconds";
        let delay_help =
            "Time from an event to the publishing of the list that it changed. Above 1 s for long: see the lags.";
        Ok(Self {
            pair_updates: all.counter(
                "samenloop_pair_updates_total",
                "Directed pair updates applied to rows: the unit of work.",
                by_partition,
            )?,
            evictions: all.counter(
                "samenloop_evictions_total",
                "Neighbours that full rows let go. High against pair updates: raise row_max.",
                relation,
            )?,
            ranked: all.counter("samenloop_rows_ranked_total", "Rows ranked into lists, changed or swept.", list)?,
            published: all.counter("samenloop_lists_published_total", "Lists published.", list)?,
            tombstones: all.counter(
                "samenloop_tombstones_total",
                "Lists withdrawn because nothing passed the gates any more.",
                list,
            )?,
            suppressed: all.counter(
                "samenloop_lists_suppressed_total",
                "Ranked lists not published, as they did not differ enough from the last published one.",
                list,
            )?,
            corrected: all.counter(
                "samenloop_lists_corrected_total",
                "Lists published again, or buried, because the record of an older owner had landed last.",
                &[],
            )?,
            delay: all.delay(delay_name, delay_help)?,
            items: all.gauge("samenloop_items", "Items known to the rows stage.", &["partition"])?,
            rows: all.gauge("samenloop_rows", "Rows held: items with at least one neighbour.", by_partition)?,
            pairs: all.gauge("samenloop_pairs", "Directed pairs held in rows.", by_partition)?,
        })
    }
}

impl WaitFamilies {
    fn new(all: &mut Catalogue) -> Outcome<Self> {
        Ok(Self {
            brokers: all.gauge(
                "samenloop_broker_wait_seconds",
                "Since how long a worker has been waiting for the brokers to answer; 0 when it does not wait.",
                &["worker"],
            )?,
            sources: all.gauge(
                "samenloop_source_waiting",
                "1 while a source partition waits for something outside, such as its schema registry, and holds nothing up.",
                &["source", "partition"],
            )?,
            partitions: all.gauge(
                "samenloop_source_partitions",
                "Partitions that the topic of a source is known to have.",
                &["source"],
            )?,
            unread: all.gauge(
                "samenloop_source_partitions_unread",
                "Partitions of a source that nobody reads, as far as this instance can know. It is not ready meanwhile.",
                &["source"],
            )?,
        })
    }

    fn show(&self, health: &Health) {
        let waits = health.waits();
        [&self.brokers, &self.sources, &self.partitions, &self.unread].into_iter().for_each(GaugeVec::reset);
        for (worker, lasts) in waits.workers() {
            self.brokers.with_label_values(&[&*worker]).set(lasts.unwrap_or_default().as_secs_f64());
        }
        for (place, is_waiting) in waits.sources() {
            let labels = [&*place.source, &place.partition.0.to_string()];
            self.sources.with_label_values(&labels).set(f64::from(u8::from(is_waiting)));
        }
        for (source, standing) in waits.topics() {
            self.partitions.with_label_values(&[&*source]).set(f64::from(standing.partitions));
            self.unread.with_label_values(&[&*source]).set(standing.unread.len() as f64);
        }
    }
}

impl LogFamilies {
    fn new(all: &mut Catalogue) -> Outcome<Self> {
        Ok(Self {
            blocks: all.counter("samenloop_log_blocks_total", "Blocks appended to an internal log.", &["log"])?,
            bytes: all.counter("samenloop_log_bytes_total", "Bytes appended to an internal log.", &["log"])?,
            muted: all.counter(
                "samenloop_log_entries_muted_total",
                "Entries not appended again after a restart, as the log held them already.",
                &["log"],
            )?,
        })
    }
}

impl Catalogue {
    fn counter(&mut self, name: &'static str, help: &str, labels: &'static [&'static str]) -> Outcome<IntCounterVec> {
        let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.register(Family { name, kind: "counter", labels }, &counter)?;
        Ok(counter)
    }

    fn gauge(&mut self, name: &'static str, help: &str, labels: &'static [&'static str]) -> Outcome<GaugeVec> {
        let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
        self.register(Family { name, kind: "gauge", labels }, &gauge)?;
        Ok(gauge)
    }

    fn delay(&mut self, name: &'static str, help: &str) -> Outcome<DelayHistogram> {
        let histogram = DelayHistogram::new(Desc::new(name.into(), help.into(), Vec::new(), HashMap::new())?);
        self.register(Family { name, kind: "histogram", labels: &[] }, &histogram)?;
        Ok(histogram)
    }

    /// What never changes while the process runs.
    fn constants(&mut self) -> Outcome<()> {
        let none: &[&str] = &[];
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", &[])?
            .with_label_values(none)
            .set(started.as_secs_f64());
        self.gauge("samenloop_build_info", "Always 1; the labels say what is running.", &["version"])?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        Ok(())
    }

    fn register<C: Collector + Clone + 'static>(&mut self, family: Family, collector: &C) -> Outcome<()> {
        self.registry.register(Box::new(collector.clone()))?;
        self.families.push(family);
        Ok(())
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
