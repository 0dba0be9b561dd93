//! Families of metrics, by the stage or the place that feeds them: name, help text and labels. What to do when one moves is in
//! `docs/metrics.md`.

use super::delay::DelayHistogram;
use super::{Family, Outcome};
use crate::watch::health::Health;
use crate::watch::waits::Outside;
use prometheus::core::{Collector, Desc};
use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};
use std::collections::HashMap;
use std::time::SystemTime;

pub(super) struct IntakeFamilies {
    pub(super) events: IntCounterVec,
    pub(super) rejects: IntCounterVec,
    pub(super) skipped_nulls: IntCounterVec,
    pub(super) filtered: IntCounterVec,
    pub(super) uncountable: IntCounterVec,
    pub(super) skewed: IntCounterVec,
    pub(super) findings: GaugeVec,
}

pub(super) struct WindowsFamilies {
    pub(super) events: IntCounterVec,
    pub(super) forced: IntCounterVec,
    pub(super) late_arrivals: IntCounterVec,
    pub(super) users: GaugeVec,
}

pub(super) struct RowsFamilies {
    pub(super) pair_updates: IntCounterVec,
    pub(super) evictions: IntCounterVec,
    pub(super) ranked: IntCounterVec,
    pub(super) published: IntCounterVec,
    pub(super) tombstones: IntCounterVec,
    pub(super) suppressed: IntCounterVec,
    /// Tests, and hits of lists and of plain counts.
    pub(super) hits: [IntCounterVec; 3],
    pub(super) corrected: IntCounterVec,
    pub(super) delay: DelayHistogram,
    pub(super) items: GaugeVec,
    pub(super) rows: GaugeVec,
    pub(super) pairs: GaugeVec,
}

pub(super) struct LogFamilies {
    pub(super) blocks: IntCounterVec,
    pub(super) bytes: IntCounterVec,
    pub(super) muted: IntCounterVec,
    pub(super) gaps: GaugeVec,
}

/// Read off [`Health`] when they are asked for: who waits may be too busy waiting to say so.
pub(super) struct WaitFamilies {
    pub(super) workers: [(Outside, GaugeVec); Outside::ALL.len()],
    pub(super) sources: GaugeVec,
    pub(super) partitions: GaugeVec,
    pub(super) unread: GaugeVec,
}

/// Registers metrics and notes what they are.
pub(super) struct Catalogue {
    pub(super) registry: Registry,
    pub(super) families: Vec<Family>,
}

impl IntakeFamilies {
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
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
            filtered: all.counter(
                "samenloop_filtered_total",
                "Source records of which their source's transform gave nothing.",
                &[],
            )?,
            uncountable: all.counter(
                "samenloop_uncountable_total",
                "Events none of whose items is a product, as the catalogue says: they count for nothing.",
                &[],
            )?,
            skewed: all.counter(
                "samenloop_skewed_total",
                "Events from the future, whose time was set to the record's. A rise: a producer's clock is wrong.",
                &[],
            )?,
            findings: all.gauge(
                "samenloop_findings",
                "How many intake workers see that input is in vain, by what they find; the log says what to do.",
                &["finding"],
            )?,
        })
    }
}

impl WindowsFamilies {
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
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
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
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
            hits: [
                all.counter(
                    "samenloop_hit_tests_total",
                    "How often something new came behind an item that has such a list: each is a test of it.",
                    &["shop", "list"],
                )?,
                all.counter(
                    "samenloop_hits_total",
                    "How often that was among the first entries of the list as it was published then.",
                    &["shop", "list", "at"],
                )?,
                all.counter(
                    "samenloop_hits_by_count_total",
                    "How often it would have been among as many entries of a list by the weight of pairs alone.",
                    &["shop", "list", "at"],
                )?,
            ],
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
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
        Ok(Self {
            workers: [
                (Outside::Brokers, all.gauge(
                    "samenloop_broker_wait_seconds",
                    "Since how long a worker has been waiting for the brokers to answer; 0 when it does not wait.",
                    &["worker"],
                )?),
                (Outside::Registry, all.gauge(
                    "samenloop_registry_wait_seconds",
                    "Since how long a start has been waiting for the schema registry; 0 when it does not wait.",
                    &["worker"],
                )?),
                (Outside::Store, all.gauge(
                    "samenloop_store_wait_seconds",
                    "Since how long a worker has been waiting for the snapshot store to answer; 0 when it does not wait.",
                    &["worker"],
                )?),
                (Outside::Facts, all.gauge(
                    "samenloop_facts_wait_seconds",
                    "Since how long facts about items have been waited for at start; 0 when they are not.",
                    &["worker"],
                )?),
                (Outside::Cache, all.gauge(
                    "samenloop_cache_wait_seconds",
                    "Since how long a warmer has been waiting for its cache to answer, or to take what it is given; 0 when it does not wait.",
                    &["worker"],
                )?),
            ],
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

    pub(super) fn show(&self, health: &Health) {
        let waits = health.waits();
        [&self.sources, &self.partitions, &self.unread].into_iter().for_each(GaugeVec::reset);
        for (what, gauge) in &self.workers {
            gauge.reset();
            for (worker, lasts) in waits.workers(*what) {
                gauge.with_label_values(&[&*worker]).set(lasts.unwrap_or_default().as_secs_f64());
            }
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
    pub(super) fn new(all: &mut Catalogue) -> Outcome<Self> {
        Ok(Self {
            blocks: all.counter("samenloop_log_blocks_total", "Blocks appended to an internal log.", &["log"])?,
            bytes: all.counter("samenloop_log_bytes_total", "Bytes appended to an internal log.", &["log"])?,
            muted: all.counter(
                "samenloop_log_entries_muted_total",
                "Entries not appended again after a restart, as the log held them already.",
                &["log"],
            )?,
            gaps: all.gauge(
                "samenloop_log_gaps",
                "Source partitions of which something is missing from a partition of an internal log, though brokers had \
                 acknowledged it: what lies behind is not counted until it has been sent again.",
                &["log", "partition"],
            )?,
        })
    }
}

impl Catalogue {
    pub(super) fn counter(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &'static [&'static str],
    ) -> Outcome<IntCounterVec> {
        let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.register(Family { name, kind: "counter", labels }, &counter)?;
        Ok(counter)
    }

    pub(super) fn gauge(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &'static [&'static str],
    ) -> Outcome<GaugeVec> {
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
    pub(super) fn constants(&mut self) -> Outcome<()> {
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
