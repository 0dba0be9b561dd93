//! What files `samenloop replay` takes: rows, documents, any order of time, and what it says of others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "support/command.rs"]
mod command;
#[path = "support/recount.rs"]
mod recount;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;

use command::{Ended, Folder, end, lines, recounted, samenloop};
use recount::{Event, Kind, Rules};
use rig::difference;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

const DAY_MS: i64 = 86_400_000;
const START_MS: i64 = 1_709_251_200_000; // 2024-03-01

/// Views of pairs of items by as many users, a session each, in the order of time.
fn views(sessions: i64) -> Vec<Event> {
    let view = |session: i64, item: i64| Event {
        id: None,
        shop: "main".to_owned(),
        user: format!("u{session}"),
        ts: START_MS + session * 7_200_000 + item * 60_000,
        kind: Kind::view(&format!("i{}", (session + item) % 7)),
    };
    (0..sessions).flat_map(|session| (0..3).map(move |item| view(session, item))).collect()
}

fn replay(folder: &Folder, settings: &str, arguments: &[&str]) -> Ended {
    let settings = folder.write("shop.toml", settings);
    end(&mut samenloop(&[&["--config", &settings, "replay"], arguments].concat()))
}

fn read(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path(name)).unwrap()
}

/// Counts and lists that come of a replay.
fn outcome(folder: &Folder, settings: &str, file: &str, more: &[&str]) -> (String, String, Ended) {
    let out = |name: &str| folder.path(name).to_str().unwrap().to_owned();
    let (counts, lists) = (out("counts.tsv"), out("lists.jsonl"));
    let ended = replay(folder, settings, &[&[file, "--counts", &counts, "--lists", &lists], more].concat());
    assert!(matches!(ended.code, Some(0 | 3)), "{:?}: {}", ended.code, ended.stderr);
    (read(folder, "counts.tsv"), read(folder, "lists.jsonl"), ended)
}

#[test]
fn a_table_of_an_erp_counts_as_the_same_records_in_the_own_form() {
    let folder = Folder::new();
    let (mut table, mut own) = ("Datum;Klant nr;Artikel;Prijs\r\n".to_owned(), String::new());
    for n in 0..112_i64 {
        let (day, user, item) = (n / 4 + 1, n / 4 % 9, (n + n / 4) % 5);
        let _ = write!(table, "{day:02}-03-2024 09:{:02};00{user};\"Bo{item};\u{e9}\";9,95\r\n", n % 4);
        let ts = START_MS + (day - 1) * DAY_MS + 9 * 3_600_000 + n % 4 * 60_000 - 3_600_000; // CET
        let _ = writeln!(own, "{{\"type\":\"view\",\"user\":\"00{user}\",\"ts\":{ts},\"item\":\"Bo{item};\u{e9}\"}}");
    }
    let settings = "[[source]]\nname = \"erp\"\ntype = \"view\"\nformat = \"csv\"\nencoding = \"windows-1252\"\n[source.fields]\n\
                    user = \"/Klant nr\"\nitem = \"/Artikel\"\n\
                    time = { field = \"/Datum\", format = \"dd-mm-yyyy HH:MM\", zone = \"Europe/Amsterdam\" }\n";
    let latin: Vec<u8> = table.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let rows = folder.write("orders.csv", latin);
    let own = folder.write("own.jsonl", own);
    let (counts, lists, ended) = outcome(&folder, settings, &rows, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(lists.lines().count() > 3);
    assert_eq!((counts, lists), {
        let (counts, lists, _) = outcome(&folder, "", &own, &[]);
        (counts, lists)
    });

    // The same as UTF-16, which its mark says.
    let utf16: Vec<u8> = format!("\u{FEFF}{table}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let rows = folder.write("orders16.csv", utf16);
    let (_, lists, ended) = outcome(&folder, settings, &rows, &[]);
    assert_eq!((ended.code, lists), (Some(0), read(&folder, "lists.jsonl")));
    // A column that is not there is told once, with those that are.
    let ended = replay(&folder, &settings.replace("/Artikel", "/Artikelnr"), &[&rows]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("item: there is no column /Artikelnr; its columns are Datum, Klant nr, Artikel, Prijs"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_table_needs_the_columns_that_its_types_need() {
    let folder = Folder::new();
    let own = folder.write(
        "own.csv",
        "type,user,ts,item\nview,a,1709542800000,x\nview,a,1709542860000,y\ncart,a,1709542860000,y\n",
    );
    let ended = replay(&folder, "[[source]]\nname = \"s\"\nformat = \"csv\"\n", &[&own]);
    assert_eq!(ended.code, Some(0), "the own form, without orders: {}", ended.stderr);
    let rows = folder.write("rows.csv", "kind,at,sku,no\nR,2024-03-04,x,1\nR,2024-03-04,y,1\nC,2024-03-05,y,1\n");
    let settings = |event_type: &str, order_id: &str| {
        format!(
            "[[source]]\nname = \"s\"\nformat = \"csv\"\ntype = {event_type}\n[source.fields]\nuser_missing = \"anonymous\"\n\
             time = {{ field = \"/at\", unit = \"iso8601\" }}\nitem = \"/sku\"\norder_id = \"{order_id}\"\n"
        )
    };
    let by_kind = "{ field = \"/kind\", values = { R = \"add\", C = \"return\" } }";
    let (counts, _, ended) = outcome(&folder, &settings(by_kind, "/no"), &rows, &[]);
    assert_eq!(ended.code, Some(0), "lines that join and leave: {}", ended.stderr);
    assert!(counts.contains("contexts\tmain\tbought_together\t*\t*\t1\t") && !counts.contains("pair\t"), "{counts}");
    let ended = replay(&folder, &settings("\"add\"", "/number"), &[&rows]);
    assert!(ended.code == Some(2) && ended.stderr.contains("order_id: there is no column /number"), "{}", ended.stderr);
    let ended = replay(&folder, &settings("\"order\"", "/no"), &[&rows]);
    assert!(ended.code == Some(2) && ended.stderr.contains("its type is \"add\""), "{}", ended.stderr);
}

#[test]
fn a_page_an_array_and_documents_count_as_lines_and_rejects_name_the_index() {
    let folder = Folder::new();
    let text = lines(&views(40));
    let file = folder.write("events.jsonl", &text);
    let (counts, lists, _) = outcome(&folder, "", &file, &[]);
    assert!(!lists.is_empty());
    let values: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let array = folder.write("array.json", serde_json::to_string(&values).unwrap());
    let pretty = folder.write("pretty.json", serde_json::to_string_pretty(&values).unwrap());
    let documents: Vec<String> = values.iter().map(|value| serde_json::to_string_pretty(value).unwrap()).collect();
    let documents = folder.write("documents.json", documents.join("\n"));
    for file in [array, pretty, documents] {
        let (other, others, _) = outcome(&folder, "", &file, &[]);
        assert_eq!((&other, &others), (&counts, &lists), "{file}");
    }
    let page = serde_json::json!({ "@odata.context": "x", "value": values, "count": 7 });
    let page = folder.write("page.json", zstd::encode_all(page.to_string().as_bytes(), 1).unwrap());
    let settings = "[[source]]\nname = \"erp\"\nrecords = \"/value\"\n";
    let (other, others, _) = outcome(&folder, settings, &page, &[]);
    assert_eq!((other, others), (counts, lists));
    let page = folder.write("bare.json", serde_json::json!({ "count": 1, "value": values }).to_string());
    let told = replay(&folder, "", &[&page]).stderr;
    assert!(told.contains("set records = \"/value\""), "{told}");
    let broken = folder.write("broken.json", "[{\"type\":\"view\"},\n {\"type\":\"vieww\"}]");
    let ended = replay(&folder, "", &[&broken]);
    assert!(
        ended.stderr.contains("broken.json[0]: missing_field") && ended.stderr.contains("broken.json[1]: unknown_type"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_file_in_any_order_counts_as_in_the_order_of_time() {
    let folder = Folder::new();
    let events = views(600);
    let want = recounted(&events, &Rules::default());
    let by_user = {
        let mut events = events.clone();
        events.sort_by_key(|event| (event.user.clone(), event.ts));
        events
    };
    let halves = [&events[900..], &events[..900]].concat();
    let newest_first: Vec<Event> = events.iter().rev().cloned().collect();
    for (name, events) in [("by-user", by_user), ("halves", halves), ("newest-first", newest_first)] {
        let text = lines(&events);
        let file = folder.write(&format!("{name}.jsonl"), text.clone() + "{}\n");
        for flags in [&["--partitions", "3"][..], &["--order", "time"]] {
            let got = folder.replay(&[&[&*file], flags].concat(), false);
            assert_eq!(difference(&want, &got.counts), None, "{name} {flags:?}");
            let told = got.stderr.matches(&format!("{name}.jsonl:{}: missing_field", events.len() + 1)).count();
            assert_eq!(told, 1, "the reject is told once, with its own line: {}", got.stderr);
        }
        let changed = folder.replay(&[&file, "--set", "publish.sweep=24h"], true);
        assert_eq!(difference(&want, &changed.counts), None, "{name}");
        assert!(!changed.changes.is_empty());
        let as_it_stands = folder.replay(&[&file, "--order", "file"], false);
        assert_eq!(difference(&recounted(&events, &Rules::default()), &as_it_stands.counts), None, "{name}");
        assert!(as_it_stands.stderr.contains("not in the order of time"), "{}", as_it_stands.stderr);
    }
}

#[test]
fn stdin_is_counted_as_it_comes_unless_it_is_to_be_sorted() {
    let folder = Folder::new();
    let newest_first: Vec<Event> = views(400).into_iter().rev().collect();
    let counts = folder.path("counts.tsv");
    let run = |order: &str| {
        let mut process = samenloop(&["replay", "-", "--order", order, "--counts", counts.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(lines(&newest_first).as_bytes()).unwrap();
        let ended = process.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0));
        (read(&folder, "counts.tsv"), String::from_utf8(ended.stderr).unwrap())
    };
    let (by_time, quiet) = run("time");
    let (as_it_came, told) = run("auto");
    let file = folder.write("sorted.jsonl", lines(&views(400)));
    let (sorted, _, _) = outcome(&folder, "", &file, &[]);
    assert!(by_time == sorted && as_it_came != sorted);
    assert!(told.contains("stdin is with --order time") && !quiet.contains("not in the order"), "{told}");
}

#[test]
fn an_event_that_came_late_alone_stays_late() {
    let folder = Folder::new();
    let mut events = views(300);
    for at in (50..800).step_by(9) {
        events[at].ts -= 30 * 3_600_000;
    }
    let file = folder.write("events.jsonl", lines(&events));
    let got = folder.replay(&[&file], false);
    assert_eq!(difference(&recounted(&events, &Rules::default()), &got.counts), None);
}

#[test]
fn a_file_of_another_kind_is_named_once_with_what_to_do() {
    let folder = Folder::new();
    let many = |line: &str| line.repeat(500).into_bytes();
    for (name, bytes, part) in [
        (
            "a.csv",
            [&b"order;item;date\n"[..], &many("1;a;2024-03-01\n")].concat(),
            "holds a table (CSV): set format = \"csv\"",
        ),
        ("a.xlsx", b"PK\x03\x04\x14\x00[Content_Types].xml".to_vec(), "is an Excel workbook (.xlsx): save it as CSV"),
        ("a.zip", b"PK\x03\x04\x14\x00events.jsonl".to_vec(), "is a zip archive: unzip -p"),
        ("a.parquet", b"PAR1\x15\x00\n\n".to_vec(), "is a Parquet file: duckdb"),
        (
            "a.txt",
            b"{\x00\"\x00a\x00\"\x00:\x001\x00}\x00".to_vec(),
            "UTF-16 without a byte order mark: set encoding = \"utf-16le\"",
        ),
    ] {
        let file = folder.write(name, bytes);
        let ended = replay(&folder, "", &[&file]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.stderr);
        let told: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error")).collect();
        assert!(told.len() == 1 && told[0].contains(name) && told[0].contains(part), "{}", ended.stderr);
        assert!(!ended.stderr.contains("bad_json"), "{}", ended.stderr);
    }
}

#[test]
fn the_evaluation_and_the_row_of_an_item_read_the_same_files() {
    let folder = Folder::new();
    let newest_first: Vec<Event> = views(400).into_iter().rev().collect();
    let values: Vec<serde_json::Value> =
        lines(&newest_first).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let array = folder.write("array.json", serde_json::to_string(&values).unwrap());
    let sorted = folder.write("sorted.jsonl", lines(&views(400)));
    let told = |file: &str| {
        let evaluated = end(&mut samenloop(&["evaluate", file, "--json"]));
        let row = end(&mut samenloop(&["inspect", "i1", file, "--json"]));
        assert_eq!((evaluated.code, row.code), (Some(0), Some(0)), "{}{}", evaluated.stderr, row.stderr);
        (evaluated.stdout, row.stdout)
    };
    assert!(told(&array) == told(&sorted));
    let unknown = end(&mut samenloop(&["inspect", "I1", &sorted]));
    assert!(unknown.code == Some(1) && unknown.stderr.contains("there is \"i1\", \"i"), "{}", unknown.stderr);
}

#[test]
fn the_example_of_the_readme_gives_lists() {
    let folder = Folder::new();
    for text in [include_str!("../README.md"), include_str!("../docs/mapping.md")] {
        let example = text.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        let file = folder.write("example.jsonl", example);
        let (_, lists, ended) = outcome(&folder, "", &file, &[]);
        assert_eq!((ended.code, lists.lines().count()), (Some(0), 2), "{}", ended.stderr);
    }
}

#[test]
fn the_demo_writes_as_many_events_as_it_is_asked_for() {
    let written = end(&mut samenloop(&["demo", "--events", "20000", "--write", "-"]));
    assert_eq!(written.stdout.lines().count(), 20_000);
}

#[test]
fn a_variable_that_names_no_section_is_told_and_passed_over() {
    let ended = end(samenloop(&["config"]).env("SAMENLOOP_BIN", "/usr/bin/samenloop"));
    assert!(ended.code == Some(0) && ended.stderr.contains("SAMENLOOP_BIN"), "{}", ended.stderr);
    assert_eq!(end(samenloop(&["config"]).env("SAMENLOOP_COUNTING__BIN", "1")).code, Some(2));
}

/// The blocks of a Markdown text behind a heading of the third level: what its settings are, and what they read.
fn recipes(text: &str) -> Vec<(String, String, String)> {
    let section = text.split("## Files: CSV and pages\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let block = |recipe: &str, n: usize| {
        let block = recipe.split("\n```").nth(2 * n + 1).unwrap();
        block.split_once('\n').unwrap().1.to_owned() + "\n"
    };
    let recipes = section.split("\n### ").skip(1);
    recipes.map(|recipe| (recipe.lines().next().unwrap().to_owned(), block(recipe, 0), block(recipe, 1))).collect()
}

#[test]
fn the_recipes_for_files_read_their_examples() {
    let own = |lines: &[&str]| lines.join("\n") + "\n";
    let order = |user: &str, id: &str, ts: i64, items: [&str; 2]| {
        let [a, b] = items;
        format!(
            "{{\"type\":\"order\",\"user\":\"{user}\",\"event_id\":\"{id}\",\"order_id\":\"{id}\",\"ts\":{ts},\
             \"lines\":[{{\"item\":\"{a}\"}},{{\"item\":\"{b}\"}}]}}\n"
        )
    };
    let view = |user: &str, item: &str, minute: i64| {
        let ts = 1_772_438_400_000 + minute * 60_000; // 09:00 in Amsterdam
        format!("{{\"type\":\"view\",\"user\":\"{user}\",\"item\":\"{item}\",\"ts\":{ts}}}")
    };
    const DAY_END: i64 = 1_772_492_399_999; // of 2 March 2026 in Amsterdam
    let line = |kind: &str, user: &str, order: &str, ts: i64, item: &str| {
        format!("{{\"type\":\"{kind}\",\"user\":{user},\"order_id\":\"{order}\",\"ts\":{ts},\"item\":\"{item}\"}}")
    };
    let wanted = [
        own(&[&view("v1", "drill", 0), &view("v1", "bits", 1), &view("17", "drill", 5), &view("17", "bits", 6)]),
        order("10000", "d1", 1_772_492_399_999, ["1901-S", "1902-S"]),
        order("jo@shop.example", "7", 1_772_442_000_000, ["31", "saw"])
            + "{\"type\":\"cancel\",\"user\":\"5\",\"order_id\":\"8\",\"ts\":1772445600000}\n",
        own(&[
            &line("add", "\"00070\"", "2401", DAY_END, "drill"),
            &line("add", "\"00070\"", "2401", DAY_END, "bits"),
            &line("add", "\"00071\"", "2402", DAY_END, "drill"),
            &line("add", "\"00071\"", "2402", DAY_END, "saw"),
            &line("return", "\"00071\"", "2402", DAY_END + DAY_MS, "saw"),
        ]),
        own(&[
            &line("add", "\"13085\"", "490001", DAY_END - 50_039_999, "85123A"),
            &line("add", "\"13085\"", "490001", DAY_END - 50_039_999, "71053"),
            &line("add", "\"g\"", "490003", DAY_END - 39_839_999, "22003"),
            &line("add", "\"g\"", "490003", DAY_END - 39_839_999, "71053"),
        ]),
    ];
    let recipes = recipes(include_str!("../docs/recipes.md"));
    assert_eq!(recipes.len(), wanted.len());
    for ((name, settings, example), wanted) in recipes.into_iter().zip(wanted) {
        let folder = Folder::new();
        let (example, wanted) = (folder.write("example", example), folder.write("wanted.jsonl", wanted));
        let (counts, lists, ended) = outcome(&folder, &settings, &example, &[]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        let facts = |counts: &str| -> Vec<String> {
            counts.lines().filter(|line| !line.starts_with("tally")).map(str::to_owned).collect()
        };
        let (want, want_lists, _) = outcome(&folder, "", &wanted, &[]);
        assert_eq!((facts(&counts), lists), (facts(&want), want_lists), "{name}");
        assert!(facts(&counts).len() > 3, "{name}");
    }
}

#[test]
fn a_program_reads_the_rows_of_a_table_and_a_file_of_what_it_unpacks_is_sorted() {
    let folder = Folder::new();
    let events = views(40);
    let own = folder.write("own.jsonl", lines(&events));
    let (want, lists, _) = outcome(&folder, "", &own, &[]);
    // A table, newest first, whose columns no field of the mapping names.
    let mut table = "who,what,when\n".to_owned();
    for event in events.iter().rev() {
        let Kind::View { item, .. } = &event.kind else { panic!("a view") };
        writeln!(table, "{},sku-{item},{}", event.user, event.ts).unwrap();
    }
    let table = folder.write("views.csv", table);
    let settings = "[[source]]\nname = \"shop\"\nfile = \"views.csv\"\nformat = \"csv\"\ntransform = '''\n\
                    {type: \"view\", user: .who, item: (.what | ltrimstr(\"sku-\")), ts: (.when | tonumber)}\n'''\n";
    let (counts, got, ended) = outcome(&folder, settings, &table, &[]);
    assert_eq!((counts == want, got == lists), (true, true), "{}", ended.stderr);
    // Batches of a session each, newest first.
    let batches: Vec<String> = events
        .chunks(3)
        .map(|session| format!("{{\"events\":[{}]}}\n", lines(session).trim_end().replace('\n', ",")))
        .rev()
        .collect();
    let batches = folder.write("batches.jsonl", batches.concat());
    let settings = "[[source]]\nname = \"shop\"\nfile = \"batches.jsonl\"\ntransform = \".events[]\"\n";
    let (counts, got, ended) = outcome(&folder, settings, &batches, &[]);
    assert_eq!((counts == want, got == lists), (true, true), "{}", ended.stderr);
    let (counts, ..) = outcome(&folder, settings, &batches, &["--order", "file"]);
    assert_ne!(counts, want, "as the file stands, the newest come first");
}

fn iso(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

/// A file of `events`, each as `write` writes it, with strays put in at these places, the last first.
fn with_strays(events: &[Event], strays: &[(usize, i64)], write: impl Fn(&Event) -> String) -> String {
    let mut events = events.to_vec();
    for &(place, ts) in strays {
        events.insert(place, Event { ts, user: "u1".to_owned(), ..events[0].clone() });
    }
    events.iter().map(|event| write(event) + "\n").collect()
}

fn item_of(event: &Event) -> String {
    let line = rig::line(event);
    let from = line.find("\"item\":\"").unwrap() + 8;
    line[from..].split('"').next().unwrap().to_owned()
}

#[test]
fn one_record_with_a_time_years_ahead_changes_nothing_else_of_a_file() {
    const YEAR_MS: i64 = 365 * DAY_MS;
    // Behind today, so that no clock corrects it; and ahead of it.
    let (past, future) = (START_MS + 2 * YEAR_MS, START_MS + 7 * YEAR_MS);
    let events = views(400);
    let newest_first: Vec<Event> = events.iter().rev().cloned().collect();
    let csv = |event: &Event| format!("view,{},{},{}", event.user, iso(event.ts), item_of(event));
    let batch = |event: &Event| format!("{{\"batch\":[{}]}}", rig::line(event));
    let json = |event: &Event| rig::line(event);
    let csv_settings = "[[source]]\nname = \"t\"\nformat = \"csv\"\nfile = \"x\"\ntype = \"view\"\nheader = [\"type\", \"user\", \"at\", \"item\"]\n\
         [source.fields]\ntime = { field = \"/at\", unit = \"iso8601\" }\n";
    let transform = "[[source]]\nname = \"t\"\nfile = \"x\"\ntransform = \".batch[]\"\n";
    let folder = Folder::new();
    type Write<'a> = &'a dyn Fn(&Event) -> String;
    let cases: [(&str, &[Event], &str, Write<'_>); 4] = [
        ("own form", &events, "", &json),
        ("newest first", &newest_first, "", &json),
        ("csv", &events, csv_settings, &csv),
        ("transform", &events, transform, &batch),
    ];
    for (name, events, settings, write) in cases {
        let clean = folder.write("clean", with_strays(events, &[], write));
        let wanted = outcome(&folder, settings, &clean, &[]);
        assert!(wanted.1.len() > 1000, "{name}: no lists");
        let end = events.len();
        let single: &[&[(usize, i64)]] =
            &[&[(0, past)], &[(600, past)], &[(end, past)], &[(600, future)], &[(end, future)]];
        let two: &[&[(usize, i64)]] = &[&[(900, past), (300, past + 40 * DAY_MS)], &[(500, future), (500, past)]];
        for strays in single.iter().chain(two) {
            let file = folder.write("strays", with_strays(events, strays, write));
            let (counts, lists, ended) = outcome(&folder, settings, &file, &[]);
            let without_tally = |counts: &str| {
                counts
                    .lines()
                    .filter(|line| !line.contains("rejected"))
                    .map(|line| format!("{line}\n"))
                    .collect::<String>()
            };
            assert!(without_tally(&counts) == without_tally(&wanted.0), "{name}, {strays:?}: {}", ended.stderr);
            assert!(lists == wanted.1, "{name}, {strays:?}: lists differ");
            assert_eq!(ended.stderr.matches("time_jump: ").count(), strays.len(), "{name}: {}", ended.stderr);
            assert_eq!(ended.code, Some(3));
            // The place is the one in the file.
            let place = strays.last().unwrap().0 + 1;
            assert!(ended.stderr.contains(&format!("strays:{place}")), "{name}, {strays:?}: {}", ended.stderr);
        }
    }
    // Through stdin, and as changes, which can be read or written once only.
    let clean = folder.write("clean", with_strays(&events, &[], json));
    let strays = folder.write("strays", with_strays(&events, &[(700, past)], json));
    let wanted = outcome(&folder, "", &clean, &[]).1;
    let mut child = samenloop(&["replay", "-", "--lists", folder.path("stdin.jsonl").to_str().unwrap()]);
    let mut child = child.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(&strays).unwrap()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(3));
    assert!(read(&folder, "stdin.jsonl") == wanted);
    let changes = |file: &str| {
        let path = folder.path("changes.jsonl").to_str().unwrap().to_owned();
        outcome(&folder, "", file, &["--changes", &path, "--block-records", "50"]);
        read(&folder, "changes.jsonl")
    };
    let wanted_changes = changes(&clean);
    assert!(changes(&strays) == wanted_changes);
    let at_end = folder.write("strays", with_strays(&events, &[(events.len(), past)], json));
    assert!(changes(&at_end) == wanted_changes);
    // At the start it makes all else look late, and still the file is in order.
    let at_start = folder.write("strays", with_strays(&events, &[(0, past)], json));
    let (_, lists, ended) = outcome(&folder, "", &at_start, &["--order", "file"]);
    assert!(lists == wanted, "{}", ended.stderr);
    let (_, lists, ended) = outcome(&folder, "", &at_start, &[]);
    assert!(lists == wanted && !ended.stderr.contains("sorted"), "{}", ended.stderr);
}

#[test]
fn a_file_that_moves_on_or_that_is_sparse_loses_nothing_and_off_sets_nothing_aside() {
    let folder = Folder::new();
    let events = views(40);
    let shifted = |events: &[Event], ms: i64| -> Vec<Event> {
        events.iter().map(|event| Event { ts: event.ts + ms, ..event.clone() }).collect()
    };
    let gap = [events.clone(), shifted(&events, 400 * DAY_MS)].concat();
    let last = [events.clone(), shifted(&events[..1], 40 * DAY_MS)].concat();
    let monthly = |n: usize| START_MS - 2000 * DAY_MS + i64::try_from(n).unwrap() * 33 * DAY_MS;
    let monthly =
        events.iter().enumerate().map(|(n, event)| Event { ts: monthly(n), ..event.clone() }).take(60).collect();
    for (name, events) in [("gap", gap), ("last", last), ("monthly", monthly)] {
        let file = folder.write("file", lines(&events));
        let ended = outcome(&folder, "", &file, &[]).2;
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
    }
    let file = folder.write("file", with_strays(&events, &[(60, START_MS + 400 * DAY_MS)], rig::line));
    assert_eq!(outcome(&folder, "", &file, &[]).2.code, Some(3));
    assert_eq!(outcome(&folder, "", &file, &["--set", "intake.max_jump=off"]).2.code, Some(0));
    assert_eq!(outcome(&folder, "", &file, &["--set", "intake.max_jump=500d"]).2.code, Some(0));
}

#[test]
fn of_several_events_in_a_record_one_that_jumps_is_refused_alone_also_where_files_are_read_for_questions() {
    let past = START_MS + 730 * DAY_MS;
    let folder = Folder::new();
    let settings = folder.write("shop.toml", "[[source]]\nname = \"t\"\nfile = \"x\"\ntransform = \".batch[]\"\n");
    let batches = |strays: bool| -> String {
        let of = |(n, batch): (usize, &[Event])| {
            let mut events: Vec<String> = batch.iter().map(rig::line).collect();
            if strays && n % 150 == 70 {
                events.insert(1, rig::line(&Event { ts: past, ..batch[0].clone() }));
            }
            format!("{{\"batch\":[{}]}}\n", events.join(","))
        };
        views(400).chunks(3).enumerate().map(of).collect()
    };
    let (clean, strays) = (folder.write("clean", batches(false)), folder.write("strays", batches(true)));
    let told = |file: &str, code: i32| {
        let lists = folder.path("lists.jsonl").to_str().unwrap().to_owned();
        let replayed = end(&mut samenloop(&["--config", &settings, "replay", file, "--lists", &lists]));
        let evaluated = end(&mut samenloop(&["--config", &settings, "evaluate", file, "--json"]));
        let row = end(&mut samenloop(&["--config", &settings, "inspect", "i1", file, "--json"]));
        assert_eq!(
            (replayed.code, evaluated.code, row.code),
            (Some(code), Some(code), Some(code)),
            "{}",
            evaluated.stderr
        );
        for ended in [&replayed, &evaluated, &row] {
            assert_eq!(ended.stderr.matches("time_jump: ").count(), if code == 3 { 3 } else { 0 }, "{}", ended.stderr);
        }
        (read(&folder, "lists.jsonl"), evaluated.stdout, row.stdout)
    };
    let (wanted, got) = (told(&clean, 0), told(&strays, 3));
    let checked = end(&mut samenloop(&["--config", &settings, "check", &strays]));
    assert!(checked.stdout.contains("3 rejects (3 time_jump)"), "{}{}", checked.stdout, checked.stderr);
    assert!(got.0 == wanted.0, "lists");
    assert_eq!(got.2, wanted.2);
    let without_rejects =
        |text: &str| text.lines().filter(|line| !line.contains("rejected")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_rejects(&got.1), without_rejects(&wanted.1));
}

#[test]
fn a_refused_record_with_a_time_years_ahead_moves_no_clock() {
    let folder = Folder::new();
    let text = lines(&views(400));
    let at = text.match_indices('\n').nth(700).unwrap().0 + 1;
    let refused = format!("{{\"type\":\"view\",\"user\":\"u1\",\"ts\":{}}}\n", START_MS + 730 * DAY_MS);
    let clean = folder.write("clean", &text);
    let strays = folder.write("strays", format!("{}{refused}{}", &text[..at], &text[at..]));
    let (_, wanted, _) = outcome(&folder, "", &clean, &[]);
    let (_, lists, ended) = outcome(&folder, "", &strays, &[]);
    assert!(ended.stderr.contains("strays:702: missing_field: "), "{}", ended.stderr);
    assert!(lists == wanted);
}
