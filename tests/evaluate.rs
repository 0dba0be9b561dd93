//! `samenloop evaluate` on data whose answers are known: planted complements, planted next views.

#![allow(clippy::unwrap_used)] // tests

use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const DAY_MS: i64 = 86_400_000;
const START_MS: i64 = 1_700_006_400_000; // midnight, UTC

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs `evaluate` on `events`, with none of the settings of whoever runs the tests.
fn evaluate(folder: &Path, events: &str, arguments: &[&str]) -> Ended {
    let path = folder.join("events.jsonl");
    fs::write(&path, events).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_samenloop"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SAMENLOOP_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(["evaluate", "events.jsonl", "--quiet"]).args(arguments);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ended = Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended
}

fn reports(events: &str, arguments: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let ended = evaluate(folder.path(), events, &[arguments, &["--json"]].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let read: Value = serde_json::from_str(&ended.stdout).unwrap();
    read["reports"].as_array().unwrap().clone()
}

/// Recall, MRR and questions of a row.
fn figures(report: &Value, measure: &str, value: &str, target: &str) -> (f64, f64, u64) {
    let rows = report["results"].as_array().unwrap();
    let is_it = |row: &&Value| row["measure"] == measure && row["value"].as_str().unwrap_or("") == value;
    let row = &rows.iter().find(is_it).unwrap()["targets"][target];
    let mean = |figure: &str| row[figure]["mean"].as_f64().unwrap();
    (mean("recall"), mean("mrr"), row["questions"].as_u64().unwrap())
}

fn order(events: &mut String, number: i64, user: i64, items: &[String]) {
    let lines: Vec<String> = items.iter().map(|item| format!("{{\"item\":\"{item}\"}}")).collect();
    let ts = START_MS + number * 60_000;
    let lines = lines.join(",");
    writeln!(
        events,
        "{{\"type\":\"order\",\"user\":\"u{user}\",\"ts\":{ts},\"order_id\":\"o{number}\",\"lines\":[{lines}]}}"
    )
    .unwrap();
}

fn view(events: &mut String, ts: i64, user: &str, item: &str) {
    writeln!(events, "{{\"type\":\"view\",\"user\":\"{user}\",\"ts\":{ts},\"item\":\"{item}\"}}").unwrap();
}

/// Orders by ever new customers, each of one of `families` families of three items that always go together.
fn planted(orders: i64, families: i64) -> String {
    let mut events = String::new();
    for number in 0..orders {
        let family = number * 7 % families;
        let items: Vec<String> = ["a", "b", "c"].iter().map(|part| format!("{part}{family:03}")).collect();
        order(&mut events, number, number, &items);
    }
    events
}

#[test]
fn planted_complements_are_found_by_every_measure_and_not_by_popularity() {
    let reports = reports(&planted(1000, 100), &["--seeds", "3"]);
    assert_eq!(reports.len(), 1, "orders only: basket only");
    let report = &reports[0];
    assert_eq!(report["task"], "basket");
    assert_eq!((&report["trained"]["events"], &report["tested"]["events"]), (&900.into(), &100.into()));
    assert_eq!(report["lists"]["published"], 300);
    for measure in ["score", "confidence", "count", "cosine", "lift", "llr", "cosine, whole rows"] {
        for value in ["sum", "squares"] {
            for target in ["any item", "new to the customer"] {
                // The hidden item is the only candidate of its two siblings' lists.
                assert_eq!(figures(report, measure, value, target), (1.0, 1.0, 100), "{measure} {value} {target}");
            }
        }
    }
    let (recall, _, _) = figures(report, "popularity", "", "any item");
    assert!(recall < 0.2, "20 of 300 items, all as popular: {recall}");
}

#[test]
fn what_training_has_never_seen_is_a_miss() {
    let mut events = planted(900, 100);
    for number in 900..1000 {
        let items = [format!("a{:03}", number % 100), format!("unknown{number}")];
        order(&mut events, number, number, &items);
    }
    let reports = reports(&events, &["--seeds", "4", "--measures", "score"]);
    let (recall, _, questions) = figures(&reports[0], "score", "sum", "any item");
    assert_eq!((recall, questions), (0.0, 100), "an unknown item is hidden, or only an unknown one asked");
}

#[test]
fn an_item_the_customer_has_had_is_not_new_and_a_bulk_order_is_not_asked_about() {
    let mut events = planted(900, 100);
    for number in 900..960 {
        // Customer 0 had family 0: of this order, nothing is new from the second time on.
        order(&mut events, number, 100_000, &["a000".to_owned(), "b000".to_owned(), "c000".to_owned()]);
    }
    for number in 960..1000 {
        let items: Vec<String> = (0..30).map(|item| format!("a{item:03}")).collect();
        order(&mut events, number, number, &items);
    }
    let report = &reports(&events, &["--order-max", "29", "--measures", "score"])[0];
    assert_eq!(figures(report, "score", "sum", "any item").2, 60);
    assert_eq!(figures(report, "score", "sum", "new to the customer").2, 1);
    let settings = ["--order-max", "30", "--set", "counting.basket_max=29", "--measures", "score"];
    let report = &reports(&events, &settings)[0];
    assert_eq!(figures(report, "score", "sum", "any item").2, 100, "what is counted does not decide what is asked");
    assert_eq!((&report["settings"]["basket_max"], &report["settings"]["order_max"]), (&29.into(), &30.into()));
}

#[test]
fn nothing_of_the_test_part_is_counted() {
    let training = planted(900, 100);
    let last = |item: &dyn Fn(i64) -> String| {
        let mut events = training.clone();
        for number in 900..1000 {
            let mut items: Vec<String> = (0..6).map(|place| item(number * 6 + place)).collect();
            items.dedup();
            order(&mut events, number, number, &items);
        }
        events
    };
    // Without the test part's own items no list can have changed: one test part strengthens the planted pairs, one makes
    // new pairs of the same items, one is of other items. The trained lists answer the same question each time.
    let folder = tempfile::tempdir().unwrap();
    let held = |events: &str| {
        let ended = evaluate(folder.path(), events, &["--json"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let read: Value = serde_json::from_str(&ended.stdout).unwrap();
        let report = &read["reports"][0];
        (report["lists"].clone(), report["trained"].clone(), report["results"].clone())
    };
    let (lists, trained, _) = held(&planted(1000, 100));
    let (mixed_lists, mixed_trained, mixed) = held(&last(&|number| format!("a{:03}", number % 97)));
    let (other_lists, other_trained, _) = held(&last(&|number| format!("z{number}")));
    assert_eq!((&lists, &trained), (&mixed_lists, &mixed_trained));
    assert_eq!((&lists, &trained), (&other_lists, &other_trained));
    let popularity = |results: &Value| results.as_array().unwrap().last().unwrap()["targets"].clone();
    for row in mixed.as_array().unwrap().iter().filter(|row| row["measure"] != "popularity") {
        // 100 orders of the same a-items: had they been counted, each would be in the lists of the others.
        assert_eq!(row["targets"]["any item"]["recall"]["mean"], 0.0, "{row}");
    }
    assert_ne!(popularity(&mixed)["any item"]["questions"], 0);
}

/// Visits of `item`, `item + 1`, `item + 2` … around a ring of 300, over ten days; the last day's are tested.
fn visits(steps_last_day: i64) -> String {
    let mut events = String::new();
    for day in 0..10 {
        for visit in 0..60 {
            let steps = if day == 9 { steps_last_day } else { 1 };
            let start = START_MS + day * DAY_MS + visit * 10 * 60_000;
            for step in 0..4 {
                let item = (visit * 5 + step * steps) % 300;
                view(&mut events, start + step * 30_000, &format!("d{day}v{visit}"), &format!("p{item}"));
            }
        }
    }
    events
}

#[test]
fn planted_next_views_are_found_and_those_that_never_happened_are_not() {
    let found = &reports(&visits(1), &[])[0];
    assert_eq!((found["task"].as_str(), found["settings"]["entries"].as_u64()), (Some("next-view"), Some(20)));
    assert_eq!((&found["trained"]["events"], &found["tested"]["events"]), (&(9 * 240).into(), &240.into()));
    let (recall, mrr, questions) = figures(found, "score", "", "any view");
    assert_eq!((recall, questions), (1.0, 180));
    assert!(mrr > 0.5, "the next is nearer than the one after it: {mrr}");
    let never = &reports(&visits(50), &[])[0];
    assert_eq!(figures(never, "score", "", "any view"), (0.0, 0.0, 180));
    assert_eq!(found["lists"], never["lists"], "the last day changes nothing that is counted");
}

#[test]
fn a_view_again_of_the_same_item_is_a_miss_and_nothing_of_a_tested_session_is_counted() {
    let mut events = visits(1);
    let last_day = START_MS + 9 * DAY_MS;
    // A session that began the day before, with pairs that nobody else makes.
    for (ts, item) in [(-60_000, "p0"), (-30_000, "p100"), (1000, "p100"), (2000, "p0")] {
        view(&mut events, last_day + ts, "night", item);
    }
    let lines: Vec<&str> = events.lines().collect();
    let calm = &reports(&visits(1), &[])[0];
    let night = &reports(&lines.join("\n"), &[])[0];
    assert_eq!(calm["lists"], night["lists"]);
    assert_eq!(night["tested"]["events"], 244);
    let (recall, _, questions) = figures(night, "score", "", "any view");
    assert_eq!(questions, 183);
    assert!((recall - 180.0 / 183.0).abs() < 1e-12, "p0 → p100, p100 → p100, p100 → p0 are misses: {recall}");
}

#[test]
fn both_tasks_run_when_the_files_hold_both_and_one_when_it_is_named() {
    let mut events = planted(100, 10);
    events.push_str(&visits(1));
    let tasks = |arguments: &[&str]| -> Vec<String> {
        reports(&events, arguments).iter().map(|report| report["task"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(tasks(&[]), ["basket", "next-view"]);
    assert_eq!(tasks(&["--task", "next-view"]), ["next-view"]);
    let folder = tempfile::tempdir().unwrap();
    let none = evaluate(folder.path(), &planted(100, 10), &["--task", "next-view"]);
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("basket needs orders, next-view views"), "{}", none.stderr);
}

#[test]
fn the_lists_are_those_published_with_any_number_of_partitions() {
    let events = planted(600, 23) + &visits(1);
    let set = ["--set", "logs.events_partitions=3", "--set", "logs.pairs_partitions=5"];
    let (one, many) = (reports(&events, &[]), reports(&events, &set));
    for (one, many) in one.iter().zip(&many) {
        assert_eq!((&one["results"], &one["lists"]), (&many["results"], &many["lists"]));
        let rows = one["results"].as_array().unwrap();
        assert!(rows[0]["published"].as_bool().unwrap());
        assert!(rows.iter().skip(1).all(|row| row["published"] == false || row["value"] == "squares"));
    }
}

#[test]
fn published_lists_and_the_same_rules_ranked_anew_answer_alike() {
    // Where the settings rank by cosine, `--measures score` re-ranks by the rule; and the other way round.
    let events = planted(500, 37) + &visits(1);
    for measure in ["score", "cosine", "count", "lift", "llr"] {
        let settings = ["bought-together", "viewed-together"].map(|list| format!("lists.{list}.measure={measure}"));
        let published = reports(&events, &["--set", &settings[0], "--set", &settings[1], "--measures", "score"]);
        let ranked = reports(&events, &["--measures", "score,cosine,count,lift,llr"]);
        for (published, ranked) in published.iter().zip(&ranked) {
            let of = |report: &Value| {
                let rows = report["results"].as_array().unwrap();
                let same: Vec<Value> = rows.iter().filter(|row| row["measure"] == measure).cloned().collect();
                let figures =
                    |target: &Value| (target["questions"].clone(), target["recall"].clone(), target["mrr"].clone());
                let targets =
                    |row: &Value| row["targets"].as_object().unwrap().values().map(figures).collect::<Vec<_>>();
                same.iter().map(targets).collect::<Vec<_>>()
            };
            assert!(!of(published).is_empty());
            assert_eq!(of(published), of(ranked), "{measure}");
            assert_eq!(published["results"][0]["measure"], measure);
        }
    }
}

#[test]
fn the_table_has_a_fixed_form() {
    let folder = tempfile::tempdir().unwrap();
    let ended = evaluate(folder.path(), &planted(100, 10), &["--measures", "score,cosine", "--seeds", "2"]);
    let expected = "\
basket, by the lists bought-together
  trained on   90 orders, 2023-11-15 to 2023-11-15
  asked about  10 orders, 2023-11-15 to 2023-11-15
  counted      30 lists of 30 rows with 60 pairs; full rows of all relations let 0 go
  errors       standard errors of the mean over the orders, each asked with 2 choices of the hidden item
  settings     basket_max = 100, entries = 15, half_life_days = 180.0, lift_above_one = true
               min_llr_root = 2.5, min_support = 3, order_max = 100, row_max = 256
               specificity = 0.5

                             any item: 10 questions              new to the customer: 10 questions
lists               value    recall@20         MRR@20            recall@20         MRR@20
score *             sum      1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000
score *             squares  1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000
cosine              sum      1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000
cosine              squares  1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000
cosine, whole rows  sum      1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000
cosine, whole rows  squares  1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000
count, whole rows   sum      1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000
count, whole rows   squares  1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000   1.0000 ± 0.0000
";
    let (table, rest) = ended.stdout.split_once("popularity").unwrap();
    assert_eq!(table, expected);
    let (popularity, differences) =
        rest.split_once("\n* as published; the others are ranked anew from the same counts\n\n").unwrap();
    assert_eq!(popularity.lines().count(), 1);
    let (differences, popularity) = differences.split_once("popularity").unwrap();
    assert!(popularity.contains("-0.2000 ± 0.1106"), "{popularity}");
    let expected = "\
Differences from *, on the same questions
                             any item: 10 questions              new to the customer: 10 questions
lists               value    recall@20         MRR@20            recall@20         MRR@20
cosine              sum      +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000
cosine              squares  +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000
cosine, whole rows  sum      +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000
cosine, whole rows  squares  +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000
count, whole rows   sum      +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000
count, whole rows   squares  +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000  +0.0000 ± 0.0000
";
    assert_eq!(differences, expected);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn other_settings_answer_the_same_questions_and_differ_by_what_they_cost() {
    // Nothing has a support of 500, and no row holds more than 256.
    let events = planted(400, 20) + &visits(1);
    let none = "lists.bought-together.min_support=500 lists.viewed-together.min_support=500";
    let same = "counting.row_max=300";
    let reports = reports(&events, &["--seeds", "3", "--measures", "score", "--against", none, "--against", same]);
    for report in &reports {
        let rows: Vec<&Value> = report["results"].as_array().unwrap().iter().collect();
        let named = |name: &str| rows.iter().filter(|row| row["measure"] == name).copied().collect::<Vec<_>>();
        let published: Vec<&&Value> = rows.iter().filter(|row| row["published"] == true).collect();
        for (row, published) in named(none).iter().zip(&published) {
            for (name, target) in row["targets"].as_object().unwrap() {
                assert_eq!(target["recall"]["mean"], 0.0, "nothing has such a support");
                let lost = -published["targets"][name]["recall"]["mean"].as_f64().unwrap();
                assert!(lost < -0.5, "{name}: {lost}");
                assert_eq!(target["difference"]["recall"]["mean"], lost);
                assert_eq!(published["targets"][name]["difference"], Value::Null);
            }
        }
        for (row, published) in named(same).iter().zip(&published) {
            for (name, target) in row["targets"].as_object().unwrap() {
                assert_eq!(target["recall"], published["targets"][name]["recall"]);
                assert_eq!(target["difference"]["recall"]["mean"], 0.0);
            }
        }
        assert_eq!((named(none).len(), named(same).len()), (published.len(), published.len()));
        // Next views: what the customer has seen is no new answer, and five lists know more than one.
        if report["task"] == "next-view" {
            let last = named("score, last 5")[0];
            assert!(last["targets"]["new to the session"]["difference"]["recall"]["mean"].as_f64().unwrap() >= 0.0);
        }
    }
    assert_eq!(reports.len(), 2);
}

#[test]
fn lines_that_cannot_be_used_are_told_once_and_copies_are_dropped() {
    let events = planted(100, 10);
    let folder = tempfile::tempdir().unwrap();
    let clean = evaluate(folder.path(), &events, &[]);
    let twice: String = events.lines().flat_map(|line| [line, "\n", line, "\n"]).collect();
    let dirty = evaluate(folder.path(), &format!("{twice}no json\n"), &[]);
    assert_eq!((clean.code, dirty.code), (Some(0), Some(3)));
    assert_eq!(clean.stdout, dirty.stdout);
    assert_eq!(dirty.stderr.lines().count(), 1, "{}", dirty.stderr);
    assert!(dirty.stderr.starts_with("events.jsonl:201: "), "{}", dirty.stderr);
}

#[test]
fn variants_count_as_their_parents_and_what_is_no_product_for_nothing() {
    let (plain, mut sold) = (planted(400, 4), String::new());
    for (number, line) in plain.lines().enumerate() {
        let line = line.replace(r#""lines":["#, r#""lines":[{"item":"fee"},"#);
        let as_sold =
            if number % 2 == 0 { line } else { line.replace("\"item\":\"", "\"item\":\"v-").replace("v-fee", "fee") };
        sold.push_str(&as_sold);
        sold.push('\n');
    }
    let ids: BTreeSet<&str> =
        plain.split(r#"{"item":""#).skip(1).filter_map(|rest| rest.split_once('"')).map(|(id, _)| id).collect();
    let mut catalogue: String =
        ids.iter().map(|id| format!("{{\"item\":\"v-{id}\",\"parent\":\"{id}\",\"active\":false}}\n")).collect();
    catalogue.push_str("{\"item\":\"fee\",\"countable\":false}\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("items.jsonl");
    fs::write(&path, &catalogue).unwrap();
    let file = format!("facts.catalogue.file={}", path.display());
    let by_catalogue = reports(&sold, &["--set", &file]);
    assert_eq!(by_catalogue, reports(&plain, &[]));
    assert_ne!(by_catalogue, reports(&sold, &[]));
    fs::write(&path, catalogue + "{\"item\":\"x\",\"price\":\"dear\"}\n").unwrap();
    let refused = evaluate(folder.path(), &sold, &["--set", &file]);
    assert_eq!(refused.code, Some(3), "a fact that cannot be used is as bad as an event: {}", refused.stderr);
}

#[test]
fn wrong_usage_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, expected) in [
        (&["--against", "mapping.user=/u"][..], 2, "only counting.* and lists.* can be compared"),
        (&["--against", "counting.row_max"], 2, "write it as KEY=VALUE"),
        (&["--against", "counting.nothing=1"], 2, "counting.nothing"),
        (&["--entries", "300"], 2, "--entries 300 is more than a row holds (counting.row_max = 256)"),
        (&["--at", "0"], 2, "must be 1 to 1000"),
        (&["--seeds", "0"], 2, "0 is not in 1..=1000"),
        (&["-"], 2, "stdin cannot be read twice"),
        (&["--order-max", "2"], 1, "none of the last orders has 2 to 2 items"),
    ] {
        let ended = evaluate(folder.path(), &planted(100, 10), arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn events_that_a_program_unpacks_are_asked_about_like_lines() {
    let events = planted(200, 10);
    let unpacked: String =
        events.lines().map(|line| format!("{{\"noise\":[{line},1],\"batch\":[{line}]}}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.toml"), "[[source]]\nname = \"shop\"\ntransform = \".batch[]\"\n").unwrap();
    let ended = evaluate(folder.path(), &unpacked, &["--json", "--config", "shop.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let read: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(read["reports"].as_array().unwrap()[0]["results"], reports(&events, &[])[0]["results"]);
}
