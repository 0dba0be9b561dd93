//! What is served of a running pipeline against what its stages hold: metrics, health, rows, counts.

use super::sink::DemoSink;
use super::worker::open;
use crate::config::Settings;
use crate::drive::Pipeline;
use crate::event::EventTime;
use crate::intake::Record;
use crate::list_key::ListName;
use crate::position::{NextOffset, Partition};
use crate::relation::Relation;
use crate::serve::counts::{CountsFrom, Rest, tally_lines};
use crate::serve::http::State;
use crate::serve::query::RowAnswer;
use crate::serve::{explain_row, tallies, write_counts};
use crate::stage::Log;
use crate::watch::health::{PartitionState, StageName};
use crate::watch::now_ms;
use samenloop_shop::{Shop, ShopSettings};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const EVENTS: u64 = 20_000;
const PARTITIONS: u32 = 3;

struct Served {
    pipeline: Pipeline<DemoSink>,
    state: State,
}

/// A shop of three partitions, its first events counted and its lists at rest.
fn served() -> Served {
    let mut settings = Settings::default();
    (settings.logs.events_partitions, settings.logs.pairs_partitions) = (PARTITIONS, PARTITIONS);
    let mut pipeline = open(&settings, None).unwrap();
    let state = pipeline.serve(ListName::ALL.to_vec());
    let mut shop = Shop::new(3, &ShopSettings::of_events(1_700_000_000_000, EVENTS));
    for n in 0..EVENTS {
        let event = shop.next_record();
        let timestamp_ms = Some(now_ms());
        let record = Record {
            topic: "shop",
            key: Some(event.key),
            value: event.value,
            timestamp_ms,
            headers: &[],
            around: None,
        };
        pipeline.feed(0, NextOffset(n), &record).unwrap();
        if n.is_multiple_of(5_000) {
            pipeline.clock(now_ms()).unwrap();
            pipeline.look();
        }
    }
    pipeline.rest().unwrap();
    pipeline.clock(now_ms() + 10_000).unwrap();
    pipeline.look();
    Served { pipeline, state }
}

/// The sum of a metric over its labels, where its line holds `label`.
fn metric(text: &str, name: &str, label: &str) -> f64 {
    let lines =
        text.lines().filter(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")));
    lines.filter(|line| line.contains(label)).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn metrics_are_what_the_stages_counted() {
    let Served { mut pipeline, state } = served();
    pipeline.look(); // a second look adds nothing
    let text = state.metrics.render(state.view.len(), state.view.bytes(), &state.health).unwrap();
    let intake = pipeline.intake_tally();
    let all = tallies(&pipeline.asked());
    let of_lists = |each: fn(&crate::stage::RowsTally) -> &[u64; ListName::COUNT]| -> u64 {
        pipeline.rows().iter().flat_map(|stage| each(stage.work().tally())).sum()
    };
    let of_rows = |each: fn(&crate::rows::RowsStats) -> u64| -> u64 {
        pipeline.rows().iter().map(|stage| each(&stage.work().rows().stats())).sum()
    };
    let published = of_lists(|tally| &tally.published);
    let cases = [
        ("samenloop_events_total", "", intake.accepted.iter().sum()),
        ("samenloop_rejects_total", "", intake.rejected()),
        ("samenloop_skipped_nulls_total", "", intake.skipped),
        ("samenloop_windows_events_total", "", intake.accepted.iter().sum()),
        ("samenloop_windows_events_total", "fate=\"duplicate\"", all["duplicate"]),
        ("samenloop_windows_events_total", "fate=\"overlong\"", all["overlong"]),
        ("samenloop_pair_updates_total", "", of_rows(|stats| stats.pair_updates)),
        ("samenloop_evictions_total", "", of_rows(|stats| stats.evictions)),
        ("samenloop_rows", "", of_rows(|stats| stats.rows as u64)),
        ("samenloop_pairs", "", of_rows(|stats| stats.pairs as u64)),
        ("samenloop_items", "", of_rows(|stats| stats.items as u64)),
        ("samenloop_lists_published_total", "", published),
        ("samenloop_lists_suppressed_total", "", of_lists(|tally| &tally.suppressed)),
        ("samenloop_rows_ranked_total", "", of_lists(|tally| &tally.ranked)),
        ("samenloop_event_to_list_delay_seconds_count", "", pipeline.delay().count()),
        ("samenloop_log_blocks_total", "log=\"pairs\"", pipeline.appended(Log::Pairs).records),
        ("samenloop_log_blocks_total", "log=\"lists\"", published + of_lists(|tally| &tally.tombstones)),
        ("samenloop_lag_records", "", 0),
        ("samenloop_view_lists", "", state.view.len() as u64),
    ];
    for (name, label, expected) in cases {
        assert_eq!(metric(&text, name, label), expected as f64, "{name} {label}");
        assert!(
            name.contains("lag") || name.contains("evictions") || expected > 0,
            "{name} {label} is 0: the case proves nothing"
        );
    }
    for relation in Relation::ALL {
        let label = format!("relation=\"{}\"", relation.name());
        let updates: u64 = pipeline
            .rows()
            .iter()
            .map(|stage| stage.work().rows().stats().by_relation[relation.index()].pair_updates)
            .sum();
        assert_eq!(metric(&text, "samenloop_pair_updates_total", &label), updates as f64);
        assert!(updates > 0);
    }
}

#[test]
fn every_partition_is_live_and_the_worker_gives_signs_of_life() {
    let Served { state, pipeline } = served();
    let standings = state.health.partitions();
    let of = |stage| standings.iter().filter(|standing| standing.stage == stage).count();
    assert_eq!(StageName::ALL.map(of), [1, 3, 3]);
    assert!(standings.iter().all(|standing| standing.state == PartitionState::Live), "{standings:?}");
    assert_eq!(state.health.stale(), None);
    drop(pipeline);
}

#[test]
fn the_row_behind_a_list_holds_its_entries_in_their_order() {
    let Served { pipeline, state, .. } = served();
    let shop = Shop::new(3, &ShopSettings::of_events(1_700_000_000_000, EVENTS));
    let mut seen = BTreeMap::new();
    for product in shop.catalogue().products() {
        let Some(list) = state.view.get("main", "bought-together", &product.id) else { continue };
        let list: serde_json::Value = serde_json::from_slice(&list.record).unwrap();
        let RowAnswer::Found(row) = explain_row(&pipeline.asked(), "main", ListName::ALL[0], &product.id, usize::MAX)
        else {
            panic!("{} has a list and no row", product.id)
        };
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        let items = |entries: &serde_json::Value| -> Vec<String> {
            entries.as_array().unwrap().iter().map(|entry| entry["item"].as_str().unwrap().to_owned()).collect()
        };
        let entries = items(&list["entries"]);
        assert_eq!(items(&row["candidates"])[..entries.len()], entries, "{}", product.id);
        *seen.entry(row["candidates"][0]["place"]["shown"].as_u64()).or_insert(0) += 1;
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [Some(1)], "each has a first place");
    assert!(seen[&Some(1)] > 50, "only {seen:?} lists");
    let explain = |shop, item| explain_row(&pipeline.asked(), shop, ListName::ALL[0], item, usize::MAX);
    assert_eq!(explain("main", "no-such"), RowAnswer::NoSuchItem);
    assert_eq!(explain("other", "1000001"), RowAnswer::NoSuchItem);
}

#[test]
fn a_row_is_explained_also_where_its_list_is_off() {
    let mut settings = Settings::default();
    settings.lists[Relation::ViewedTogether.index()].enabled = false;
    let mut pipeline = open(&settings, None).unwrap();
    for (n, item) in ["a", "b"].into_iter().enumerate() {
        let line = format!(r#"{{"event_id":"{n}","type":"view","user":"u","ts":1700000000000,"item":"{item}"}}"#);
        let record = Record { topic: "shop", value: Some(line.as_bytes()), ..Record::default() };
        pipeline.feed(0, NextOffset(n as u64), &record).unwrap();
    }
    pipeline.rest().unwrap();
    let RowAnswer::Found(row) = explain_row(&pipeline.asked(), "main", ListName::of(Relation::ViewedTogether), "a", 10)
    else {
        panic!("a is known")
    };
    assert!(row.contains(r#""item":"b""#), "{row}");
}

#[test]
fn questions_are_answered_while_the_worker_waits_and_counts_are_those_of_a_file() {
    let Served { mut pipeline, state } = served();
    let as_of = Some(EventTime(1_700_100_000_000));
    let mut file = Vec::new();
    write_counts(&pipeline.asked(), as_of, &mut file).unwrap();
    let asker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (mut counts, mut from) = (Vec::new(), CountsFrom::Start { as_of });
        let tallies = loop {
            let portion = runtime.block_on(state.queries.counts(0, from)).unwrap().unwrap();
            counts.push(portion.text);
            match portion.rest {
                Rest::Next(next) => from = CountsFrom::Next(next),
                Rest::Tallies(tallies) => break tallies,
            }
        };
        let row = runtime.block_on(state.queries.row("main", ListName::ALL[0], "no-such")).unwrap();
        (counts, tallies, row)
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    while !asker.is_finished() {
        assert!(Instant::now() < deadline, "no answer");
        pipeline.wait(Instant::now() + Duration::from_millis(5));
    }
    let (counts, tallies, row) = asker.join().unwrap();
    assert_eq!(row, RowAnswer::NoSuchItem);
    assert!(counts.len() > 5, "{} portions", counts.len());
    let text = [counts.concat(), tally_lines(&tallies).into_bytes()].concat();
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    let text = lines.concat();
    assert!(text == file && file.len() > 100_000, "{} and {} bytes", text.len(), file.len());
    let lines: Vec<&[u8]> = file.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert!(lines.is_sorted(), "sorted by bytes");
    let kinds: Vec<&[u8]> = [&b"contexts\t"[..], b"pair\t", b"tally\t", b"total\t"].to_vec();
    assert!(kinds.iter().all(|kind| lines.iter().any(|line| line.starts_with(kind))));
    assert_eq!(Partition(PARTITIONS).index(), pipeline.rows().len());
}
