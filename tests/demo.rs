//! The demonstration and `inspect` as processes: the summary, what HTTP serves meanwhile, and that both agree.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with none of the settings of whoever runs the tests.
fn samenloop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_samenloop"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SAMENLOOP_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// Runs to the end; gives the exit code, stdout and stderr.
fn end(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = samenloop(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

/// A demonstration that stays up after its summary. Killed when a test fails.
struct Staying {
    child: Child,
    url: String,
    summary: String,
}

impl Staying {
    fn start(arguments: &[&str]) -> Self {
        let mut all = vec!["demo", "--stay", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut child =
            samenloop(&all).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut url = None;
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        while url.is_none() {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "no address on stderr");
            url = line.trim().split_once("address=").map(|(_, address)| format!("http://{address}"));
        }
        // The rest of stderr must go somewhere, or the process may wait for it.
        std::thread::spawn(move || stderr.read_to_string(&mut String::new()));
        let mut summary = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !summary.contains("samenloop replay events.jsonl") {
            assert!(stdout.read_line(&mut summary).unwrap() > 0, "no summary: {summary}");
        }
        Self { child, url: url.unwrap(), summary }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let mut response = agent.get(format!("{}{path}", self.url)).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    /// Ctrl-C; gives the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::yield_now();
        }
        panic!("it does not end at Ctrl-C");
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.child.kill(); // already gone when all went well
        let _ = self.child.wait();
    }
}

/// A number of the summary: behind `word` in the line that starts with `label`.
fn figure(summary: &str, label: &str, word: &str) -> u64 {
    let line =
        summary.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("no {label} in {summary}"));
    let (_, rest) = line.split_once(word).unwrap_or_else(|| panic!("no {word} in {line}"));
    let digits: String = rest.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == ',').collect();
    digits.replace(',', "").parse().unwrap_or_else(|_| panic!("no number behind {word} in {line}"))
}

/// The sum of a metric over the lines that hold `label`. Every line of the text must parse.
fn metric(text: &str, name: &str, label: &str) -> u64 {
    let mut sum = 0.0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number in {line}"));
        if series.split('{').next() == Some(name) && series.contains(label) {
            sum += value;
        }
    }
    format!("{sum}").parse().unwrap()
}

#[test]
fn without_a_terminal_it_ends_with_a_summary() {
    let (code, stdout, stderr) = end(&["demo", "--events", "20000", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(0), "{stderr}");
    for part in
        ["20,000 in ", " events/s", "rejects ", "event to list p50 ", "planted ones are in the top 4", "customers;"]
    {
        assert!(stdout.contains(part), "no {part:?} in\n{stdout}");
    }
    assert!(!stdout.contains('\x1b') && !stderr.contains('\x1b'), "no colours and no cursor in a pipe");
    assert_eq!(figure(&stdout, "wrong", "wrong"), 0);
    assert!(figure(&stdout, "complements", "complements") >= 60, "{stdout}");
}

#[test]
fn nothing_sold_out_or_rejected_is_published_and_the_gate_of_stock_is_why() {
    let run = ["demo", "-q", "--events", "40000", "--set", "http.enabled=false"];
    let (code, stdout, stderr) = end(&run);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!((figure(&stdout, "sold out", "sold out"), figure(&stdout, "rejected", "rejected")), (0, 0), "{stdout}");
    let (ran_out, came_back) = (figure(&stdout, "sold out", "ran out"), figure(&stdout, "sold out", "came back"));
    assert!(ran_out > came_back && came_back > 5, "some are out at the end, some came back\n{stdout}");
    assert!(stdout.contains("stock-out to list p50 "), "{stdout}");
    for part in ["6 rejected pairs", "3 of 3 pinned entries stand first", "5 of 5 relations are shown"] {
        assert!(stdout.contains(part), "no {part:?} in\n{stdout}");
    }

    let (code, without, stderr) = end(&[&run[..], &["--without", "stock"]].concat());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let sold_out = figure(&without, "sold out", "sold out");
    assert!(sold_out > 100 && figure(&without, "harm", "harm") == sold_out, "{without}");
    assert!(without.contains("complements found, 0 sold out"), "{without}");
    for (label, word) in [("sold out", "ran out"), ("complements", "complements"), ("wrong", "of")] {
        assert_eq!(figure(&without, label, word), figure(&stdout, label, word), "{label}: the shop is the same");
    }

    let (_, views, _) = end(&["demo", "-q", "--events", "2000", "--views-only", "--set", "http.enabled=false"]);
    assert!(!views.contains("sold out"), "speed is measured without facts\n{views}");
}

#[test]
fn what_is_served_agrees_with_the_summary() {
    // Hardly any interval: lists are ranked again without news however fast the demo is.
    let demo = Staying::start(&["--events", "20000", "--partitions", "3", "--set", "publish.min_interval=1ms"]);
    let (status, metrics) = demo.get("/metrics");
    assert_eq!(status, 200);
    for (label, word, name, fate) in [
        ("lists", "published", "samenloop_lists_published_total", ""),
        ("lists", "suppressed", "samenloop_lists_suppressed_total", ""),
        ("set aside", "sent twice", "samenloop_windows_events_total", "fate=\"duplicate\""),
        ("set aside", "bulk orders", "samenloop_windows_events_total", "fate=\"bulk\""),
        ("set aside", "rejected", "samenloop_rejects_total", ""),
        ("rejects", "bad_json", "samenloop_rejects_total", "reason=\"bad_json\""),
        ("counted", "views", "samenloop_windows_events_total", "type=\"view\",fate=\"counted\""),
    ] {
        let label_order = fate.split(',').rev().collect::<Vec<_>>().join(","); // labels are written by name
        let expected = figure(&demo.summary, label, word);
        let tombstones = if word == "published" { metric(&metrics, "samenloop_tombstones_total", "") } else { 0 };
        assert_eq!(metric(&metrics, name, &label_order) + tombstones, expected, "{label} {word}\n{}", demo.summary);
        assert!(expected > 0, "{label} {word} is 0: the case proves nothing");
    }
    let (status, ready) = demo.get("/readyz");
    assert_eq!((status, ready.as_str()), (200, r#"{"partitions":7,"ready":true,"waits":[]}"#));
    assert_eq!(demo.get("/livez").0, 200);
    let path = demo.summary.lines().find_map(|line| line.trim().strip_prefix("curl ")).unwrap();
    let path = path.strip_prefix(&demo.url).unwrap();
    let (status, list) = demo.get(path);
    assert_eq!(status, 200, "{list}");
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let (status, row) = demo.get(&path.replace("/lists/", "/rows/"));
    assert_eq!(status, 200, "{row}");
    let row: serde_json::Value = serde_json::from_str(&row).unwrap();
    assert_eq!(list["entries"][0]["item"], row["candidates"][0]["item"]);
    let (status, refusal) = demo.get("/v1/rows/main/bought-together/nobody-knows");
    assert_eq!(status, 404, "{refusal}");
    assert_eq!(demo.interrupt(), Some(0));
}

#[test]
fn a_gate_that_is_off_does_harm_and_the_summary_says_how_much() {
    let (code, with_all, _) = end(&["demo", "-q", "--events", "40000", "--set", "http.enabled=false"]);
    assert_eq!((code, figure(&with_all, "wrong", "wrong")), (Some(0), 0));
    let (code, stdout, stderr) =
        end(&["demo", "-q", "--events", "40000", "--set", "http.enabled=false", "--without", "bulk"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("without bulk"), "{stdout}");
    let wrong = figure(&stdout, "wrong", "bulk orders");
    assert!(wrong > 100, "{stdout}");
    assert_eq!(figure(&stdout, "harm", "harm"), figure(&stdout, "wrong", "wrong"), "all of it is more\n{stdout}");
    let found = figure(&with_all, "complements", "complements");
    assert!(stdout.contains("with every rule on 0 are wrong"), "{stdout}");
    assert!(stdout.contains(&format!("{found} complements found")), "as it was with all of them\n{stdout}");
}

#[test]
fn written_events_are_the_same_each_time_and_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let file = path.to_str().unwrap();
    let (code, stdout, stderr) = end(&["demo", "--events", "20000", "--write", file]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
    let (_, again, _) = end(&["demo", "--events", "20000", "--write", "-"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), again);
    let (_, other, _) = end(&["demo", "--events", "20000", "--seed", "2", "--write", "-"]);
    assert_ne!(again, other);
    let (code, lists, stderr) = end(&["replay", file, "--lists", "-"]);
    assert_eq!(code, Some(3), "broken events are in it: {stderr}");
    assert!(lists.lines().count() > 100);
    let (_, views, _) = end(&["demo", "--events", "1000", "--views-only", "--write", "-"]);
    assert_eq!(views.lines().filter(|line| line.contains(r#""type":"view""#)).count(), 1000);
}

#[test]
fn inspect_tells_the_same_from_files_and_from_a_running_instance() {
    let shop = ["--events", "5000", "--seed", "4", "--start", "1700000000000"];
    let demo = Staying::start(&shop);
    let path = demo.summary.lines().find_map(|line| line.trim().strip_prefix("curl ")).unwrap();
    let item = &path.rsplit('/').next().unwrap().to_owned();
    let (code, table, stderr) = end(&["inspect", item, "--url", &demo.url, "--list", "viewed-together"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let head = table.lines().next().unwrap();
    let called = head.strip_prefix(&format!("viewed-together of {item} ")).expect("what it is about");
    assert!(called.contains(" in shop main"), "the demo has a catalogue, so it has a name: {head}");
    assert!(
        table.contains("gates: support ≥ 1; ordered by score × rarity^0.25") && table.contains("last seen"),
        "{table}"
    );
    let (code, json, _) = end(&["inspect", item, "--url", &demo.url, "--list", "viewed-together", "--json"]);
    assert_eq!(code, Some(0));
    assert_eq!(json.trim_end(), demo.get(&format!("/v1/rows/main/viewed-together/{item}")).1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let file = path.to_str().unwrap();
    // A file holds events only: an empty record of the shop has no line.
    let empty: u64 = demo.summary.split("empty ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    let (events, rest) = ((5_000 - empty).to_string(), &shop[2..]);
    assert_eq!(end(&[&["demo", "--write", file, "--events", &events], rest].concat()).0, Some(0));
    let (code, from_file, _) = end(&["inspect", item, file, "--list", "viewed-together"]);
    assert_eq!(code, Some(3), "broken events are in the file");
    let called = called.split_once(" in shop").unwrap().0;
    let gates = |table: &str| table.lines().skip(1).take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((gates(&from_file), from_file.lines().count()), (gates(&table), table.lines().count()));
    let (_, from_file, _) = end(&["inspect", item, file, "--list", "viewed-together", "--json"]);
    let parse = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    let (mut running, from_file) = (parse(&json), parse(&from_file));
    let names = running.as_object_mut().unwrap().remove("names").expect("names of the catalogue");
    assert_eq!(names[item.as_str()], called);
    assert_eq!(from_file, running, "the same events, the same row; the file has no catalogue");
    let (code, _, stderr) = end(&["inspect", "nobody-knows", "--url", &demo.url]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no_such_item") && stderr.contains("has not been seen"), "{stderr}");
    let url = demo.url.clone();
    assert_eq!(demo.interrupt(), Some(0));
    let (code, _, stderr) = end(&["inspect", item, "--url", &url]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("nothing listens there; start one"), "{stderr}");
}

#[test]
fn what_nobody_needs_is_in_the_top_of_what_is_to_be_reviewed() {
    let demo = Staying::start(&["--events", "120000", "--seed", "3", "--partitions", "2"]);
    let planted = figure(&demo.summary, "review", "of");
    assert_eq!((planted, figure(&demo.summary, "review", "review")), (2, 2), "{}", demo.summary);
    let (code, table, stderr) = end(&["review", "--url", &demo.url, "--limit", "150"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(table.starts_with("150 of ") && table.contains("\n 150  "), "more than one page\n{table}");
    let parts = ["bought-together of 1", "need 6, ", "one_week: ", "thin: only 5 ", "far_apart: the catalogue"];
    let is_planted = |entry: &&str| parts.iter().all(|part| entry.contains(part));
    assert!(table.split("\n\n").skip(1).take(20).filter(is_planted).count() >= 2, "{table}");
    let (code, json, _) = end(&["review", "--url", &demo.url, "--limit", "150", "--json"]);
    let (status, page) = demo.get("/v1/review?limit=100&from=50");
    assert_eq!((code, status), (Some(0), 200));
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["partitions"].to_string(), "[0,1]");
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(page["entries"].as_array().unwrap()[..], lines[50..]);
    let (code, json, stderr) = end(&["-q", "report", "--url", &demo.url]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["review"]["first"].as_array().unwrap()[..], lines[..20]);
    let (_, metrics) = demo.get("/metrics");
    let hits = report["hits"].as_array().unwrap().iter().find(|hits| hits["list"] == "viewed-together").unwrap();
    let of_list = "list=\"viewed-together\",shop=\"main\"";
    let (tests, at_4) = (metric(&metrics, "samenloop_hit_tests_total", of_list), format!("at=\"4\",{of_list}"));
    assert_eq!(hits["tests"], tests);
    let rate = metric(&metrics, "samenloop_hits_total", &at_4) as f64 / tests as f64;
    assert!(rate > 0.0 && (hits["shown"][1].as_f64().unwrap() - rate).abs() < 1e-9, "{hits}");
    assert!(report["missing"].to_string().contains("exposure: give files of events, or --lists"), "{report}");
    assert_eq!(demo.interrupt(), Some(0));
}

#[test]
fn what_is_to_be_reviewed_is_found_in_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.jsonl");
    let mut lines = String::new();
    let mut order = |number: u64, day: u64, items: [&str; 2]| {
        let ts = 1_700_000_000_000 + day * 86_400_000 + number;
        let [one, other] = items;
        lines.push_str(&format!(
            r#"{{"type":"order","user":"u{number}","ts":{ts},"order_id":"{number}","lines":[{{"item":"{one}"}},{{"item":"{other}"}}]}}"#
        ));
        lines.push('\n');
    };
    for day in 0..60 {
        order(day * 10, day, ["drill", "bits"]);
        (3..9).for_each(|n| order(day * 10 + n, day, ["paper", "pens"]));
        if (30..34).contains(&day) {
            order(day * 10 + 2, day, ["drill", "fad"]);
        }
    }
    fs::write(&path, &lines).unwrap();
    let (code, table, stderr) = end(&["-q", "review", path.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(table.contains("bought-together of drill\n      place 2: fad\n"), "{table:?}");
    assert!(
        table.contains("one_week: its weight is what 4 make within a week: all of it came about 2023-12-17"),
        "{table}"
    );
    let (code, json, _) = end(&["-q", "review", path.to_str().unwrap(), "--json", "--limit", "1"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((code, json.lines().count(), first["reasons"][0]["reason"].as_str()), (Some(0), 1, Some("one_week")));
    for limit in ["0", "1001", "x"] {
        assert_eq!(end(&["review", "--limit", limit]).0, Some(2));
    }
}

#[test]
fn inspect_from_files_names_the_gate_that_each_candidate_failed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.jsonl");
    let mut lines = String::new();
    let mut order = |user: u32, items: &[&str]| {
        let items: Vec<String> = items.iter().map(|item| format!(r#"{{"item":"{item}"}}"#)).collect();
        let ts = 1_700_000_000_000_u64 + u64::from(user) * 60_000;
        lines.push_str(&format!(
            "{{\"event_id\":\"o{user}\",\"type\":\"order\",\"user\":\"u{user}\",\"ts\":{ts},\"order_id\":\"{user}\",\"lines\":[{}]}}\n",
            items.join(",")
        ));
    };
    (0..20).for_each(|user| order(user, &["drill", "bits"]));
    (20..22).for_each(|user| order(user, &["drill", "paper"]));
    (22..60).for_each(|user| order(user, &["paper", "pens"]));
    fs::write(&path, &lines).unwrap();
    let (code, table, stderr) = end(&["inspect", "drill", path.to_str().unwrap(), "--list", "bought-together"]);
    assert_eq!(code, Some(0), "{stderr}");
    let rows: BTreeMap<&str, Vec<&str>> = table
        .lines()
        .skip(5)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|row| (row[1], row))
        .collect();
    assert_eq!((rows["bits"][0], rows["bits"][3], rows["bits"].len()), ("1", "20", 11), "{table}");
    assert_eq!((rows["paper"][0], rows["paper"].last().copied()), ("–", Some("support")), "{table}");
    let (code, json, _) = end(&["inspect", "drill", path.to_str().unwrap(), "--json"]);
    assert_eq!((code, json.lines().count()), (Some(0), 5), "a row for each list");
    // Lists that are made of more than a row: put together, filled, about the whole shop.
    let inspect = |item: &str, rest: &[&str]| {
        let all = [&["inspect", item, path.to_str().unwrap(), "--json"], rest].concat();
        let (code, json, stderr) = end(&all);
        assert_eq!((code, json.lines().count()), (Some(0), 1), "{stderr}");
        let row: serde_json::Value = serde_json::from_str(&json).unwrap();
        let told = row["candidates"].as_array().unwrap().iter().map(|told| {
            let text = |name: &str| told[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {} {}", text("item"), told["place"], text("source"), text("list"))
        });
        (told.collect::<Vec<_>>(), row["notes"].to_string())
    };
    let on = ["--set", "lists.best-sellers.enabled=true", "--set", "placements.cart.enabled=true"];
    let (told, notes) = inspect("*", &[&on[..], &["--list", "best-sellers"]].concat());
    assert_eq!(told[0], r#"paper {"shown":1} - -"#);
    assert!(told.len() == 4 && notes.contains("nothing is kept"), "{told:?} {notes}");
    let (told, notes) = inspect("drill", &[&on[..], &["--list", "cart"]].concat());
    assert_eq!((told, notes.as_str()), (vec![r#"bits {"shown":1} - bought-together"#.to_owned()], "null"));
    let (told, _) = inspect("drill", &["--set", "lists.bought-together.fill=[\"shop\"]", "--list", "bought-together"]);
    let filled = [r#"bits {"shown":1} - -"#, r#"paper {"shown":2} shop -"#, r#"pens {"shown":3} shop -"#];
    assert_eq!(told, filled);
    let (_, notes) = inspect("*", &["--list", "best-sellers"]);
    assert!(notes.contains("the list is off"), "{notes}");
    for (item, list, what) in [("drill", "best-sellers", "about a whole shop"), ("*", "cart", "about a product")] {
        let (code, _, stderr) = end(&["inspect", item, path.to_str().unwrap(), "--list", list]);
        assert!(code == Some(2) && stderr.contains(what), "{code:?} {stderr}");
    }
    let (code, _, stderr) = end(&["inspect", "*", path.to_str().unwrap()]);
    assert!(code == Some(2) && stderr.contains("no list about a whole shop is on"), "{code:?} {stderr}");
    let category = [&["inspect", "category:Ink", path.to_str().unwrap()], &on[..]].concat();
    let (code, _, stderr) = end(&category);
    assert!(code == Some(1) && stderr.contains("nothing is counted that best-sellers"), "{code:?} {stderr}");

    let (code, _, stderr) = end(&["inspect", "hammer", path.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("\"hammer\"") && stderr.contains("in no event of these files"), "{stderr}");
}

#[test]
fn a_port_in_use_is_said_and_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = end(&["demo", "--events", "1000", "--listen", &address]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains(&format!("http on {address}: the port is in use; give another with --set http.listen=")),
        "{stderr}"
    );
}

#[test]
fn a_list_that_is_off_is_not_judged_and_nothing_stays_up_without_http() {
    let off = ["--set", "lists.bought-together.enabled=false", "--set", "http.enabled=false"];
    let (code, stdout, stderr) = end(&[&["demo", "-q", "--events", "5000"], &off[..]].concat());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("not judged: the bought-together list is off"), "{stdout}");
    assert!(!stdout.contains("not enough customers") && !stdout.contains(" of 0 "), "{stdout}");
    let (code, stdout, stderr) = end(&["demo", "--stay", "--set", "http.enabled=false"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("--stay") && stderr.contains("http.enabled is false"), "{stderr}");
}

#[test]
fn two_signals_at_once_are_one() {
    let mut demo = Staying::start(&["--events", "2000", "--set", "log.level=info"]);
    // Both reach it before it can have ended: the shell is one process.
    let pid = demo.child.id();
    let killed = Command::new("sh").args(["-c", &format!("kill -INT {pid}; kill -TERM {pid}")]).status().unwrap();
    assert!(killed.success());
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
}
