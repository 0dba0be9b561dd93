//! The metrics, as they are scraped.

use super::*;
use crate::clicks::{CellTally, Revenue};
use crate::event::Currency;
use crate::event::EventType;
use crate::facts::FactsTopic;
use crate::findings::Kind;
use crate::list_key::ListName;
use crate::memory::{Budget, Part, Share, Sizes};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::relation::{Fate, Relation};
use crate::stage::{HitTally, Log};
use crate::watch::health::{HEARTBEAT_AGE_MAX, Health, StageName};
use crate::watch::waits::{Outside, TopicStanding};
use std::collections::BTreeSet;

/// Metrics in which every family has at least one series.
fn shown() -> (Metrics, String) {
    let metrics = Metrics::new().unwrap();
    let mut intake = IntakeTallies::default();
    intake.accept(EventType::View);
    intake.reject("no_user");
    intake.findings.insert(Kind::OneUser);
    let mut windows = WindowsTallies { users: 3, bytes: vec![("merge_buffer", 10)], ..WindowsTallies::default() };
    windows.late_arrivals.insert("club".into(), 5);
    windows.count(EventType::Order, Fate::Bulk);
    let revenue = [(Currency(*b"EUR"), Revenue { ordered: 5, returned: 2 })].into();
    let tally = CellTally { shown: 9, clicked: 3, clicks: 4, revenue, ..CellTally::default() };
    windows.clicks.insert(("main".to_owned(), "also-bought".to_owned()), tally);
    windows.clicks_ignored = vec![("again", 7), ("late", 0)];
    intake.clicks_left_out[0] = ("off", 3);
    let hits = vec![("main".to_owned(), hits(0))];
    let mut rows = RowsTallies { items: 7, bytes: vec![("slabs", 99)], hits, ..RowsTallies::default() };
    rows.delay.record(1_500_000);
    let mut followers = (
        metrics.intake(),
        metrics.windows(Partition(0)),
        metrics.rows(Partition(2)),
        metrics.log("events"),
        metrics.lag(StageName::Intake, &SourcePartition::new("cl\"icks", 4)),
        metrics.gaps(Log::Pairs, Partition(2)),
    );
    followers.0.update(&intake);
    followers.1.update(&windows);
    followers.2.update(&rows);
    followers.3.update(&LogTallies { blocks: 1, bytes: 2, muted: 3 });
    followers.4.update(12, 1500);
    metrics.count_http("/metrics", 200);
    metrics.count_http_displaced();
    metrics.count_claim();
    let mut snapshots = metrics.snapshots(StageName::Rows, Partition(1));
    snapshots.restored(0.5, 1000, 3);
    snapshots.published(900, 0.25);
    snapshots.trimmed(Log::Totals, Partition(0), NextOffset(7));
    snapshots.update(1, 1);
    metrics.set_snapshot_interval(0);
    let share = Share { part: Part::State, least: 1, given: 2, of: String::new() };
    metrics.set_budget(&Budget { bytes: 3, shares: vec![share], sizes: Sizes::default() });
    let mut facts = metrics.facts(FactsTopic::Stock);
    facts.update(&FactsTallies { records: 1, refused: [("bad_key", 1)].into(), shortened: 1, lag: 1 });
    metrics.show_facts(1, 1, true);
    let (mut warm, mut warm_lag) = (metrics.warm(), metrics.warm_lag(Partition(0)));
    warm.update(&WarmTallies::default());
    warm_lag.update(1, 1);
    let health = Health::new(1, HEARTBEAT_AGE_MAX);
    let _waiting = (health.waits().worker("rows-0"), health.waits().source(&SourcePartition::new("club", 1)));
    health.waits().set_topic("club", TopicStanding { partitions: 2, unread: Vec::new() });
    let text = metrics.render(0, 0, &health).unwrap();
    (metrics, text)
}

/// The value of a series, given as it is written.
fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let text = metrics.render(0, 0, &Health::new(1, HEARTBEAT_AGE_MAX)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

fn is_name(name: &str) -> bool {
    let tail = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().all(tail) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Checks the text format: HELP and TYPE before samples, each family once, valid names, numeric values, and that a
/// histogram's buckets never fall. Returns the families seen.
pub(crate) fn check_text_format(text: &str) -> BTreeSet<String> {
    let (mut seen, mut family, mut kind, mut bucket) = (BTreeSet::new(), String::new(), String::new(), 0.0);
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(is_name(name) && help.len() > 10, "{line}");
            assert!(seen.insert(name.to_owned()), "{name} twice");
            (family, kind, bucket) = (name.to_owned(), String::new(), 0.0);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest.split_once(' ').map(|(name, _)| name), Some(&*family), "{line}");
            kind = rest[family.len() + 1..].to_owned();
        } else {
            let (series, number) = line.rsplit_once(' ').unwrap();
            let number: f64 = number.parse().unwrap();
            let name = series.split('{').next().unwrap();
            let suffix = name.strip_prefix(&*family).unwrap_or_else(|| panic!("{line} under {family}"));
            match &*kind {
                "counter" => assert!(suffix.is_empty() && number >= 0.0 && name.ends_with("_total"), "{line}"),
                "gauge" => assert!(suffix.is_empty() && !name.ends_with("_total"), "{line}"),
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                other => panic!("type {other:?} before {line}"),
            }
            if suffix == "_bucket" {
                assert!(number >= bucket, "{line}");
                bucket = number;
            }
        }
    }
    seen
}

#[test]
fn the_text_format_is_valid_and_every_family_appears() {
    let (metrics, text) = shown();
    let seen = check_text_format(&text);
    let registered: BTreeSet<String> = metrics.families().iter().map(|family| family.name.to_owned()).collect();
    assert_eq!(seen, registered);
    assert!(text.contains(r#"samenloop_shown_clicked_total{list="also-bought",shop="main"} 3"#), "{text}");
    let revenue = r#"samenloop_click_revenue_milli_total{currency="EUR",list="also-bought",shop="main"} 5"#;
    assert!(text.contains(revenue) && text.contains(r#"samenloop_clicks_ignored_total{why="again"} 7"#), "{text}");
    assert!(!text.contains(r#"why="late""#) && text.contains(r#"samenloop_clicks_left_out_total{why="off"} 3"#));
    assert!(text.contains("samenloop_worker_restarts_total 0"), "an alert goes by its first rise: {text}");
    assert!(text.contains(r#"samenloop_event_to_list_delay_seconds_bucket{le="1"} 0"#), "{text}");
    assert!(text.contains(r#"samenloop_event_to_list_delay_seconds_bucket{le="2"} 1"#), "{text}");
    assert!(text.contains(r#"samenloop_lag_records{partition="4",source="cl\"icks",stage="intake"} 12"#), "{text}");
}

#[test]
fn the_table_in_the_docs_and_the_registry_are_equal() {
    let docs = include_str!("../../../docs/metrics.md");
    let documented: BTreeSet<(String, String, String)> = docs
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 7, "{line}");
            assert!(!cells[4].is_empty() && !cells[5].is_empty(), "{line}");
            (cells[1].replace('`', ""), cells[2].to_owned(), cells[3].replace('`', ""))
        })
        .collect();
    let registered: BTreeSet<(String, String, String)> = Metrics::new()
        .unwrap()
        .families()
        .iter()
        .map(|family| (family.name.to_owned(), family.kind.to_owned(), family.labels.join(", ")))
        .collect();
    assert_eq!(documented, registered);
}

#[test]
fn no_label_can_name_a_user_or_an_item_and_only_where_it_is_bounded_a_shop() {
    let allowed = [
        "stage",
        "source",
        "partition",
        "kind",
        "type",
        "fate",
        "reason",
        "relation",
        "list",
        "log",
        "route",
        "finding",
        "outcome",
        "part",
        "topic",
    ];
    for family in Metrics::new().unwrap().families() {
        for label in family.labels {
            let is_of_hits = family.name.starts_with("samenloop_hit") && ["shop", "at"].contains(label);
            let is_of_clicks =
                ["samenloop_shown_", "samenloop_click"].iter().any(|start| family.name.starts_with(start))
                    && ["shop", "currency", "why"].contains(label);
            assert!(
                is_of_hits
                    || is_of_clicks
                    || allowed.contains(label)
                    || ["status", "version", "worker"].contains(label),
                "{} {label}",
                family.name
            );
        }
    }
}

#[test]
fn counters_grow_by_what_tallies_grew() {
    let metrics = Metrics::new().unwrap();
    let series = r#"samenloop_windows_events_total{fate="late",type="cart"}"#;
    let (mut one, mut two) = (metrics.windows(Partition(0)), metrics.windows(Partition(1)));
    let mut tallies = WindowsTallies::default();
    one.update(&tallies);
    assert_eq!(value(&metrics, series), Some(0.0), "known series exist from the start");
    tallies.count(EventType::Cart, Fate::Late);
    tallies.count(EventType::Cart, Fate::Late);
    one.update(&tallies);
    one.update(&tallies);
    two.update(&tallies);
    assert_eq!(value(&metrics, series), Some(4.0), "two workers with two each, shown twice");
    let mut restarted = WindowsTallies::default();
    restarted.count(EventType::Cart, Fate::Late);
    one.update(&restarted);
    assert_eq!(value(&metrics, series), Some(5.0), "tallies that began anew count from 0");
}

#[test]
fn the_delay_histogram_sums_all_workers() {
    let metrics = Metrics::new().unwrap();
    let mut followers = [metrics.rows(Partition(0)), metrics.rows(Partition(1))];
    let mut tallies = RowsTallies::default();
    for delay_us in [500, 1_000_000, 7_200_000_000] {
        tallies.delay.record(delay_us);
        followers.iter_mut().for_each(|follower| follower.update(&tallies));
    }
    let of = |rest: &str| value(&metrics, &format!("samenloop_event_to_list_delay_seconds{rest}"));
    assert_eq!(of(r#"_bucket{le="0.001"}"#), Some(2.0));
    assert_eq!(of(r#"_bucket{le="0.5"}"#), Some(2.0));
    assert_eq!(of(r#"_bucket{le="1"}"#), Some(4.0));
    assert_eq!(of(r#"_bucket{le="3600"}"#), Some(4.0));
    assert_eq!(of(r#"_bucket{le="+Inf"}"#), Some(6.0));
    assert_eq!((of("_count"), of("_sum")), (Some(6.0), Some(14_402.001)));
}

fn hits(relation: usize) -> [HitTally; Relation::COUNT] {
    let mut all = [HitTally::default(); Relation::COUNT];
    all[relation] = HitTally { tests: 90, shown: [20, 30, 40], counted: [15, 25, 35] };
    all
}

#[test]
fn every_tally_of_the_rows_stage_has_its_series() {
    let metrics = Metrics::new().unwrap();
    let n = Relation::ViewedThenBought.index();
    let at = |value: u64| {
        let mut all = [0; Relation::COUNT];
        all[n] = value;
        all
    };
    let of_list = |value: u64| {
        let mut all = [0; ListName::COUNT];
        all[n] = value;
        all
    };
    let tallies = RowsTallies {
        pair_updates: at(1),
        evictions: at(2),
        ledger_duplicates: 3,
        ranked: of_list(4),
        published: of_list(5),
        tombstones: of_list(6),
        suppressed: of_list(7),
        corrected: 12,
        hits: vec![("main".to_owned(), hits(n)), ("quiet".to_owned(), Default::default())],
        items: 8,
        rows: at(9),
        pairs: at(10),
        bytes: vec![("slabs", 11)],
        ..RowsTallies::default()
    };
    let mut follower = metrics.rows(Partition(3));
    follower.update(&tallies);
    let (partition, relation) = (r#"partition="3""#, r#"relation="viewed_then_bought""#);
    let list = r#"{list="bought-after-viewing"}"#;
    let expected = [
        (format!("samenloop_pair_updates_total{{{partition},{relation}}}"), 1.0),
        (format!("samenloop_evictions_total{{{relation}}}"), 2.0),
        (r#"samenloop_ledger_duplicates_total{stage="rows"}"#.to_owned(), 3.0),
        (format!("samenloop_rows_ranked_total{list}"), 4.0),
        (format!("samenloop_lists_published_total{list}"), 5.0),
        (format!("samenloop_tombstones_total{list}"), 6.0),
        (format!("samenloop_lists_suppressed_total{list}"), 7.0),
        ("samenloop_lists_corrected_total".to_owned(), 12.0),
        (r#"samenloop_hit_tests_total{list="bought-after-viewing",shop="main"}"#.to_owned(), 90.0),
        (r#"samenloop_hits_total{at="4",list="bought-after-viewing",shop="main"}"#.to_owned(), 30.0),
        (r#"samenloop_hits_by_count_total{at="10",list="bought-after-viewing",shop="main"}"#.to_owned(), 35.0),
        (format!("samenloop_items{{{partition}}}"), 8.0),
        (format!("samenloop_rows{{{partition},{relation}}}"), 9.0),
        (format!("samenloop_pairs{{{partition},{relation}}}"), 10.0),
        (format!("samenloop_state_bytes{{kind=\"slabs\",{partition},stage=\"rows\"}}"), 11.0),
    ];
    for (series, number) in expected {
        assert_eq!(value(&metrics, &series), Some(number), "{series}");
    }
    let quiet = r#"samenloop_hit_tests_total{list="bought-after-viewing",shop="quiet"}"#;
    assert_eq!(value(&metrics, quiet), None, "of a shop of which nothing was asked");
}

#[test]
fn what_intake_workers_hold_is_added_up_and_goes_with_them() {
    let metrics = Metrics::new().unwrap();
    let series = r#"samenloop_state_bytes{kind="names",partition="all",stage="intake"}"#;
    let (mut one, mut two) = (metrics.intake(), metrics.intake());
    let held = |bytes| IntakeTallies { bytes: vec![("names", bytes)], ..IntakeTallies::default() };
    one.update(&held(100));
    two.update(&held(30));
    one.update(&held(70));
    assert_eq!(value(&metrics, series), Some(100.0));
    drop(one);
    assert_eq!(value(&metrics, series), Some(30.0));
}

#[test]
fn findings_are_those_of_all_workers_and_go_with_them() {
    let metrics = Metrics::new().unwrap();
    let of = |kind: &str| value(&metrics, &format!("samenloop_findings{{finding=\"{kind}\"}}"));
    let (mut one, mut two) = (metrics.intake(), metrics.intake());
    let found =
        |kinds: &[Kind]| IntakeTallies { findings: kinds.iter().copied().collect(), ..IntakeTallies::default() };
    one.update(&found(&[Kind::OneUser, Kind::Shifted]));
    two.update(&found(&[Kind::OneUser]));
    two.update(&found(&[Kind::OneUser]));
    assert_eq!((of("one_user"), of("shifted")), (Some(2.0), Some(1.0)));
    one.update(&found(&[Kind::OneUser]));
    drop(two);
    assert_eq!((of("one_user"), of("shifted")), (Some(1.0), Some(0.0)));
}

#[test]
fn what_a_warmer_does_is_shown_and_its_lag_goes_with_the_partition() {
    let metrics = Metrics::new().unwrap();
    let (mut follower, mut lag) = (metrics.warm(), metrics.warm_lag(Partition(2)));
    let of = |series: &str| value(&metrics, &format!("samenloop_warm_{series}"));
    assert_eq!(of("troubles_total{reason=\"memory\"}"), Some(0.0), "there from the start: the first one is a rise");
    let tallies = WarmTallies { set: 3, older: 1, ..WarmTallies::default() };
    follower.update(&tallies);
    follower.update(&WarmTallies { set: 5, ..tallies });
    follower.count_trouble(CacheTrouble::Memory);
    follower.count_return();
    lag.update(7, 1500);
    assert_eq!((of("records_total{outcome=\"set\"}"), of("records_total{outcome=\"older\"}")), (Some(5.0), Some(1.0)));
    assert_eq!((of("troubles_total{reason=\"memory\"}"), of("returns_total")), (Some(1.0), Some(1.0)));
    assert_eq!((of("lag_records{partition=\"2\"}"), of("lag_seconds{partition=\"2\"}")), (Some(7.0), Some(1.5)));
    drop(lag);
    assert_eq!(of("lag_records{partition=\"2\"}"), None);
}

#[test]
fn late_arrivals_are_counted_by_source() {
    let metrics = Metrics::new().unwrap();
    let (mut one, mut two) = (metrics.windows(Partition(0)), metrics.windows(Partition(1)));
    let mut tallies = WindowsTallies::default();
    for (source, count) in [("club", 2), ("shop", 5)] {
        tallies.late_arrivals.insert(source.into(), count);
        one.update(&tallies);
        two.update(&tallies);
    }
    let of = |source: &str| value(&metrics, &format!("samenloop_late_arrivals_total{{source=\"{source}\"}}"));
    assert_eq!((of("club"), of("shop")), (Some(4.0), Some(10.0)));
}

#[test]
fn who_waits_is_read_off_when_the_metrics_are() {
    let (metrics, health) = (Metrics::new().unwrap(), Health::new(1, HEARTBEAT_AGE_MAX));
    let of = |series: &str| {
        let text = metrics.render(0, 77, &health).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(line.parse::<f64>().unwrap())
    };
    let [brokers, registry, store] =
        ["broker", "registry", "store"].map(|whom| format!("samenloop_{whom}_wait_seconds{{worker=\"rows-0\"}}"));
    let waiting = r#"samenloop_source_waiting{partition="3",source="club"}"#;
    assert_eq!((of(&brokers), of(waiting)), (None, None));
    let (worker, source) = (health.waits().worker("rows-0"), health.waits().source(&SourcePartition::new("club", 3)));
    assert_eq!((of(&brokers), of(waiting)), (Some(0.0), Some(0.0)));
    worker.begin(Outside::Brokers);
    source.begin("its schema registry");
    assert!(of(&brokers).unwrap() > 0.0);
    assert_eq!((of(waiting), of(&store)), (Some(1.0), Some(0.0)));
    worker.begin(Outside::Store);
    worker.end(Outside::Brokers);
    drop(source);
    assert_eq!((of(&brokers), of(&registry), of(waiting)), (Some(0.0), Some(0.0), None));
    assert!(of(&store).unwrap() > 0.0, "a store that is away is told apart");
    assert_eq!(of(r#"samenloop_state_bytes{kind="view",partition="all",stage="serve"}"#), Some(77.0));
}

#[test]
fn the_gauges_of_a_partition_go_with_it() {
    let metrics = Metrics::new().unwrap();
    let series = r#"samenloop_lag_seconds{partition="4",source="clicks",stage="intake"}"#;
    let mut lag = metrics.lag(StageName::Intake, &SourcePartition::new("clicks", 4));
    lag.update(12, 1500);
    assert_eq!(value(&metrics, series), Some(1.5));
    drop(lag);
    assert_eq!(value(&metrics, series), None);
}

#[test]
fn resident_memory_is_read_where_the_kernel_tells() {
    if std::path::Path::new("/proc/self/status").exists() {
        assert!(resident_bytes().unwrap() > 1 << 20);
    }
}

#[test]
fn what_a_transform_passes_over_is_shown() {
    let metrics = Metrics::new().unwrap();
    let mut follower = metrics.intake();
    follower.update(&IntakeTallies { filtered: 3, ..IntakeTallies::default() });
    follower.update(&IntakeTallies { filtered: 5, ..IntakeTallies::default() });
    assert_eq!(value(&metrics, "samenloop_filtered_total"), Some(5.0));
}

#[test]
fn the_snapshots_of_a_partition_are_shown_and_go_with_it_but_for_what_is_counted() {
    let metrics = Metrics::new().unwrap();
    let of = |series: &str| value(&metrics, &format!("samenloop_{series}"));
    let failed = r#"snapshots_total{outcome="failed",stage="windows"}"#;
    let damaged = r#"snapshots_passed_over_total{reason="damaged",stage="windows"}"#;
    let undone = r#"log_trims_total{log="events",outcome="failed"}"#;
    for series in [failed, damaged, undone] {
        assert_eq!(of(series), Some(0.0), "{series} is there from the start");
    }
    let mut follower = metrics.snapshots(StageName::Windows, Partition(3));
    let shown = |name: &str| of(&format!("{name}{{partition=\"3\",stage=\"windows\"}}"));
    follower.restored(0.5, 1000, 12);
    follower.update(90_500, 7);
    assert_eq!((shown("restore_seconds"), shown("restore_records")), (Some(0.5), Some(12.0)));
    assert_eq!((shown("snapshot_age_seconds"), shown("snapshot_unsaved_records")), (Some(90.5), Some(7.0)));
    assert_eq!((shown("snapshot_bytes"), shown("snapshot_seconds")), (Some(1000.0), None));
    follower.update(-5, 7);
    assert_eq!(shown("snapshot_age_seconds"), Some(0.0), "of a writer whose clock was ahead");
    follower.published(900, 0.25);
    metrics.count_snapshot(StageName::Windows, true);
    metrics.count_snapshot(StageName::Windows, false);
    follower.trimmed(Log::Events, Partition(3), NextOffset(41));
    assert_eq!((shown("snapshot_bytes"), shown("snapshot_seconds")), (Some(900.0), Some(0.25)));
    assert_eq!(of(r#"log_trimmed_offset{log="events",partition="3"}"#), Some(41.0));
    assert_eq!((of(failed), of(r#"snapshots_total{outcome="published",stage="windows"}"#)), (Some(1.0), Some(1.0)));
    metrics.count_passed_over(StageName::Windows, PassedOver::Damaged);
    metrics.count_passed_over(StageName::Windows, PassedOver::Behind);
    metrics.count_trim(Log::Events, true);
    metrics.count_trim(Log::Events, false);
    assert_eq!((of(damaged), of(undone)), (Some(1.0), Some(1.0)));
    assert_eq!(of(r#"log_trims_total{log="events",outcome="done"}"#), Some(1.0));
    metrics.set_snapshot_interval(300_000);
    assert_eq!(of("snapshot_interval_seconds"), Some(300.0));
    drop(follower);
    for name in ["snapshot_age_seconds", "snapshot_unsaved_records", "snapshot_bytes", "snapshot_seconds"] {
        assert_eq!(shown(name), None, "{name}");
    }
    assert_eq!((shown("restore_seconds"), of(r#"log_trimmed_offset{log="events",partition="3"}"#)), (None, None));
    assert_eq!(of(failed), Some(1.0));
}
