//! `samenloop replay` as a process: every form of input gives the same exact counts, and what cannot be used is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "support/command.rs"]
mod command;
#[path = "support/recount.rs"]
mod recount;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;

use command::{EXACT, Folder, end, key, lines, recounted, samenloop, shop_shape, shown, tally};
use recount::{Event, Kind, Rules};
use rig::difference;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

const EVENTS: usize = 1_500;

fn events(seed: u64) -> Vec<Event> {
    shop::events(seed, EVENTS, &shop_shape())
}

#[test]
fn counts_equal_the_recount_and_lists_are_the_same_with_any_number_of_partitions() {
    let folder = Folder::new();
    let events = events(1);
    let (file, want) = (folder.write("events.jsonl", lines(&events)), recounted(&events, &Rules::default()));
    let one = folder.replay(&[&file], false);
    assert_eq!(difference(&want, &one.counts), None);
    assert_eq!(tally(&one.counts, "rejected"), tally(&want, "rejected"), "orders without lines");
    assert_eq!(one.code, Some(3));
    assert!(one.lists.len() > 20);
    for flags in [&["--partitions", "3"][..], &["--partitions", "7", "--resend-blocks", "--block-records", "1"]] {
        let other = folder.replay(&[&[&*file], flags].concat(), false);
        assert_eq!(difference(&want, &other.counts), None, "{flags:?}");
        assert!(one.lists.keys().eq(other.lists.keys()), "{flags:?}");
        for (key, list) in &one.lists {
            let near = |(a, b): ((String, f64), (String, f64))| a.0 == b.0 && (a.1 - b.1).abs() < 0.01;
            let (want, got) = (shown(list), shown(&other.lists[key]));
            assert!(want.len() == got.len() && want.into_iter().zip(got).all(near), "{flags:?}: {key}");
        }
    }
}

#[test]
fn counts_can_be_decayed_to_another_time() {
    let folder = Folder::new();
    let events = events(2);
    let file = folder.write("events.jsonl", lines(&events));
    let mut recount = recount::Recount::new(Rules::default());
    events.iter().for_each(|event| recount.event(event));
    let as_of = recount.latest() + 40 * 86_400_000;
    let got = folder.replay(&[&file, "--as-of", &as_of.to_string(), "--partitions", "2"], false);
    assert_eq!(difference(&recount.rows(as_of), &got.counts), None);
}

#[test]
fn gzip_zstd_and_stdin_give_what_the_plain_file_gives() {
    let folder = Folder::new();
    let text = lines(&events(3));
    let plain = folder.write("events.jsonl", &text);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = folder.write("events.jsonl.gz", gzip.finish().unwrap());
    let zstd = folder.write("events.any", zstd::encode_all(text.as_bytes(), 1).unwrap());
    let want = folder.replay(&[&plain], false);
    for file in [&gzip, &zstd] {
        let got = folder.replay(&[file], false);
        assert_eq!((got.counts == want.counts, got.lists == want.lists), (true, true), "{file}");
    }
    let counts = folder.path("stdin.tsv");
    let mut command = samenloop(&["replay", "-", "--counts", counts.to_str().unwrap()]);
    let mut child = command.args(EXACT).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(command::read_counts(&counts) == want.counts, "stdin");
}

/// Calm events in order of time, and a file a type.
fn split(folder: &Folder, seed: u64) -> (Vec<Event>, Vec<String>) {
    let shape = shop::Shape { calm: true, ..shop_shape() };
    let mut events = shop::events(seed, EVENTS, &shape);
    let rank = |event: &Event| match event.kind {
        Kind::View { .. } => 0,
        Kind::Cart { .. } => 1,
        Kind::Order { step, .. } => 2 + step as usize,
        Kind::Erase => 6,
    };
    events.sort_by_key(|event| (event.ts, rank(event)));
    let of = |wanted| events.iter().filter(|event| rank(event).min(2) == wanted).cloned().collect::<Vec<_>>();
    let file = |wanted| folder.write(&format!("{wanted}.jsonl"), lines(&of(wanted)));
    let files = [2, 0, 1].map(file).to_vec();
    (events, files)
}

#[test]
fn several_files_are_merged_by_time() {
    let folder = Folder::new();
    let (events, files) = split(&folder, 4);
    let want = recounted(&events, &Rules::default());
    for partitions in ["1", "3"] {
        let mut arguments: Vec<&str> = files.iter().map(String::as_str).collect();
        arguments.extend(["--partitions", partitions]);
        assert_eq!(difference(&want, &folder.replay(&arguments, false).counts), None, "{partitions} partitions");
    }
}

#[test]
fn damaged_lines_are_told_with_file_line_and_reason_and_the_rest_is_exact() {
    let folder = Folder::new();
    let (events, _) = split(&folder, 5);
    let damage = [
        (10, "{\"type\":\"view\",\"user\":", "bad_json"),
        (20, "[1,2,3]", "not_an_object"),
        (30, "{\"type\":\"view\",\"user\":\"u\",\"ts\":1700000000000}", "missing_field"),
        (40, "{\"type\":\"swim\",\"user\":\"u\",\"ts\":1700000000000,\"item\":\"a\"}", "unknown_type"),
        (50, "{\"type\":\"view\",\"user\":\"u\",\"ts\":1700000000,\"item\":\"a\"}", "time_too_early"),
        (60, "{\"type\":\"order\",\"user\":\"u\",\"ts\":1700000000000,\"order_id\":\"o\",\"lines\":[]}", "empty_order"),
        (70, "{\"type\":\"view\",\"user\":{\"id\":7},\"ts\":1700000000000,\"item\":\"a\"}", "bad_type"),
        (80, "\u{0}\u{1}\u{2}", "bad_json"),
    ];
    let mut text: Vec<String> = lines(&events).lines().map(str::to_owned).collect();
    for (at, line, _) in damage {
        text.insert(at - 1, line.to_owned());
    }
    text.insert(100, "   ".to_owned()); // a blank line is none, but it has a number
    text.insert(101, "oops".to_owned());
    let file = folder.write("events.jsonl", text.join("\n"));
    let want = recounted(&events, &Rules::default());
    for partitions in ["1", "3"] {
        let got = folder.replay(&[&file, "--partitions", partitions], false);
        assert_eq!(got.code, Some(3));
        assert_eq!(difference(&want, &got.counts), None, "{partitions} partitions");
        assert_eq!(tally(&got.counts, "rejected"), 9);
        for (at, _, reason) in damage.iter().chain(&[(102, "", "bad_json")]) {
            let told = format!("{file}:{at}: {reason}: ");
            assert!(got.stderr.lines().any(|line| line.starts_with(&told)), "{told}\nin {}", got.stderr);
        }
    }
    let many = folder.write("many.jsonl", "oops\n".repeat(5_000));
    let ended = end(&mut samenloop(&["replay", &many, "--quiet"]));
    assert_eq!(ended.code, Some(3));
    assert_eq!(ended.stderr.lines().count(), 101, "a hundred lines, and how many more");
    assert!(ended.stderr.ends_with("and 4900 more rejects, not shown\n"), "{}", ended.stderr);
}

const OTHER_SHOP: &str = r#"
[[source]]
name = "clicks"
type = "view"
[source.fields]
shop = { constant = "main" }
user = ["/customer", "/cookie"]
time = { field = "/at", unit = "s" }
id = "/n"
item = "/product/sku"

[[source]]
name = "sales"
type = { field = "/kind", values = { sale = "order", note = "skip" } }
[source.fields]
user = "/customer"
time = { field = "/at", unit = "iso8601" }
order_id = "/number"
lines = "/basket"
line_item = ""
"#;

#[test]
fn another_shops_fields_are_read_by_the_mapping_in_the_settings() {
    let folder = Folder::new();
    let event = |ts: i64, kind: Kind| Event { id: None, kind, shop: "main".to_owned(), user: "7".to_owned(), ts };
    let (mut want, mut clicks, mut sales) = (Vec::new(), String::new(), String::new());
    for n in 0..40_i64 {
        let (second, item) = (1_700_000_000 + n * 600, format!("sku-{}", n % 7));
        let who = if n % 2 == 0 { "\"customer\":7" } else { "\"customer\":null,\"cookie\":\"7\"" };
        clicks += &format!("{{{who},\"at\":{second},\"n\":{n},\"product\":{{\"sku\":\"{item}\"}}}}\n");
        want.push(event(second * 1000, Kind::view(&item)));
        if n % 5 == 4 {
            let minute = (1_700_000_060 + n * 600 - 1_699_999_200) / 60; // 2023-11-14T22:00:00Z
            let (day, hour) = (14 + (22 * 60 + minute) / 1440, (22 + minute / 60) % 24);
            let at = format!("2023-11-{day}T{hour:02}:{:02}:20Z", minute % 60);
            sales += &format!("{{\"kind\":\"note\",\"at\":\"{at}\"}}\n");
            sales += &format!(
                "{{\"kind\":\"sale\",\"customer\":\"7\",\"at\":\"{at}\",\"number\":{n},\"basket\":[\"{item}\",\"b\"]}}\n"
            );
            let ts = (1_699_999_200 + minute * 60 + 20) * 1000;
            want.push(event(ts, Kind::order(&n.to_string(), vec![item, "b".to_owned()])));
        }
    }
    want.sort_by_key(|event| event.ts);
    let config = folder.write("shop.toml", OTHER_SHOP);
    let (clicks, sales) = (folder.write("c.jsonl", clicks), folder.write("s.jsonl", sales));
    let (as_clicks, as_sales) = (format!("clicks={clicks}"), format!("sales={sales}"));
    let got = folder.replay(&[&as_sales, &as_clicks, "--config", &config], false);
    assert_eq!(got.code, Some(0), "{}", got.stderr);
    assert_eq!(difference(&recounted(&want, &Rules::default()), &got.counts), None);

    let unclear = end(&mut samenloop(&["replay", &clicks, "--config", &config]));
    assert_eq!(unclear.code, Some(2));
    assert!(unclear.stderr.contains("which of the sources [\"clicks\", \"sales\"] is it?"), "{}", unclear.stderr);
    let unknown = end(&mut samenloop(&["replay", "visits=x.jsonl", "--config", &config]));
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("no source is called \"visits\""), "{}", unknown.stderr);
    let config = folder.write("avro.toml", "[[source]]\nname = \"web\"\ntopic = \"t\"\nformat = \"avro\"");
    let avro = end(&mut samenloop(&["replay", &format!("web={clicks}"), "--config", &config]));
    assert_eq!(avro.code, Some(2));
    let told = "source web has format = \"avro\", and files are read as JSON or rows";
    assert!(avro.stderr.contains(told), "{}", avro.stderr);
}

#[test]
fn what_cannot_be_read_or_written_ends_with_1_and_names_it() {
    let folder = Folder::new();
    let file = folder.write("events.jsonl", lines(&events(6)[..50]));
    let mut broken = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    broken.write_all(lines(&events(6)).as_bytes()).unwrap();
    let mut broken = broken.finish().unwrap();
    broken.truncate(broken.len() / 2);
    let broken = folder.write("half.gz", broken);
    let there = folder.path("no/such/folder/lists.jsonl");
    for (arguments, message) in [
        (vec!["replay", "no-such-file.jsonl"], "no-such-file.jsonl: cannot be opened"),
        (vec!["replay", &file, "no-such-file.jsonl"], "no-such-file.jsonl: cannot be opened"),
        (vec!["replay", &broken], "half.gz: cannot be read on from line "),
        (vec!["replay", &file, "--lists", there.to_str().unwrap()], "lists.jsonl: cannot be written"),
    ] {
        let ended = end(&mut samenloop(&arguments));
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(message), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn an_output_never_overwrites_an_input_or_another_output() {
    let folder = Folder::new();
    let text = lines(&events(9)[..50]);
    let file = folder.write("events.jsonl", &text);
    let linked = folder.path("linked.jsonl").to_str().unwrap().to_owned();
    fs::hard_link(&file, &linked).unwrap();
    let detour = folder.path("./new.jsonl").to_str().unwrap().replace("/new", "/./new");
    let new = folder.path("new.jsonl").to_str().unwrap().to_owned();
    let named = format!("shop={file}");
    let config = folder.write("shop.toml", "[[source]]\nname = \"shop\"\n");
    for (arguments, message) in [
        (vec![&*file, "--changes", &file], "--changes"),
        (vec![&*file, "--counts", &linked], "is read as input"),
        (vec![&*named, "--config", &config, "--lists", &file], "is read as input"),
        (vec![&*file, "--lists", &new, "--changes", &detour], "--changes"),
        (vec![&*file, "--lists", &new, "--counts", &new], "--lists goes there too"),
        (vec![&*file, "--lists", "-", "--counts", "-"], "--lists goes there too"),
        (vec!["-", "-"], "stdin can be read once only"),
    ] {
        let ended = end(samenloop(&["replay"]).args(&arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(message), "{arguments:?}: {}", ended.stderr);
        assert!(fs::read_to_string(&file).unwrap() == text, "{arguments:?}: the input is as it was");
        assert!(!fs::exists(&new).unwrap(), "{arguments:?}: nothing is opened");
    }
    let ended =
        end(&mut samenloop(&["replay", &file, "--lists", "/dev/null", "--changes", "/dev/null", "--counts", "-"]));
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.stderr);
}

#[test]
fn a_replay_that_writes_nothing_says_how_to_get_something() {
    let folder = Folder::new();
    let file = folder.write("events.jsonl", lines(&split(&folder, 10).0[..50]));
    let hinted = |arguments: &[&str]| {
        let ended = end(samenloop(&["replay", &file]).args(arguments));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stderr.contains("nothing was written: --lists FILE")
    };
    assert_eq!([&[][..], &["--counts", "-"], &["--quiet"]].map(hinted), [true, false, false]);
}

#[test]
fn a_reader_that_closes_stdout_early_ends_the_program_quietly() {
    let folder = Folder::new();
    let file = folder.write("events.jsonl", lines(&events(7)));
    for flag in ["--lists", "--changes", "--counts"] {
        let mut command = samenloop(&["replay", &file, "--quiet", flag, "-"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        let code = child.wait().unwrap().code();
        let others =
            told.lines().filter(|line| !line.contains("empty_order") && !line.contains("empty_id")).collect::<Vec<_>>();
        assert_eq!((code, others), (Some(0), Vec::<&str>::new()), "{flag}");
    }
}

/// 100 × the lower end of the 95 % Wilson interval of `hits` in `all` (Wilson, 1927).
fn score(hits: f64, all: f64) -> f64 {
    let (p, z) = (hits / all, 1.96);
    let middle = p + z * z / (2.0 * all);
    let width = z * (p * (1.0 - p) / all + z * z / (4.0 * all * all)).max(0.0).sqrt();
    100.0 * (middle - width) / (1.0 + z * z / all)
}

#[test]
fn every_score_in_changes_follows_from_its_record_and_every_record_is_news() {
    assert!((score(3.0, 10.0) - 10.78).abs() < 0.005 && (score(1.0, 1.0) - 20.65).abs() < 0.005);
    let folder = Folder::new();
    let file = folder.write("events.jsonl", lines(&events(8)));
    let mut sizes = Vec::new();
    for partitions in ["1", "3"] {
        let got = folder.replay(&[&file, "--partitions", partitions], true);
        let mut last: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
        for record in &got.changes {
            let all =
                [&record["entries"], &record["reserve"]].map(|entries| entries.as_array().unwrap().clone()).concat();
            for entry in all {
                let figure = |name: &str| entry[name].as_f64().unwrap();
                let want = score(figure("weight"), figure("anchor_weight"));
                assert!((figure("score") - want).abs() <= 0.001, "{want}, but {entry}");
            }
            let (key, now) = (key(record), shown(record));
            assert_eq!(now.is_empty(), record["tombstone"] == true);
            let before = last.insert(key.clone(), now.clone()).unwrap_or_default();
            let moved = before.iter().zip(&now).any(|(old, new)| (old.1 - new.1).abs() > 1.0 - 1e-9);
            assert!(moved || before.iter().map(|e| &e.0).ne(now.iter().map(|e| &e.0)), "{key}: nothing new in {now:?}");
        }
        last.retain(|_, shown| !shown.is_empty());
        assert!(last.keys().eq(got.lists.keys()), "what was told last is what stands");
        assert!(got.changes.len() > 1_000, "{} changes", got.changes.len());
        sizes.push(got.changes.len());
    }
    assert!(sizes[0].abs_diff(sizes[1]) * 5 < sizes[0], "{sizes:?} changes: partitions must not make them coarser");
    assert!(fs::exists(folder.path("changes.jsonl")).unwrap());
}

/// What is warned of: the kinds, in order.
fn warned(stderr: &str) -> Vec<&str> {
    let warnings = stderr.lines().filter(|line| line.contains(" WARN "));
    warnings.filter_map(|line| line.split("finding=\"").nth(1)?.split('"').next()).collect()
}

#[test]
fn input_that_disappoints_is_told_at_the_end_with_a_remedy_and_without_an_id() {
    let folder = Folder::new();
    let orders = |user: &dyn Fn(i64) -> String, lines: &dyn Fn(i64) -> String| -> String {
        let order = |n: i64| {
            let ts = 1_700_000_000_000 + n * 7_000_000;
            let (user, lines) = (user(n), lines(n));
            format!("{{\"type\":\"order\",\"user\":\"{user}\",\"ts\":{ts},\"order_id\":\"{n}\",\"lines\":[{lines}]}}\n")
        };
        (0..60).map(order).collect()
    };
    let two = |n: i64| format!("{{\"item\":\"a{}\"}},{{\"item\":\"b{}\"}}", n % 7, n % 7);
    let own = |n: i64| format!("u{}", n % 20);
    let replayed = |text: String, flags: &[&str]| {
        let file = folder.write("orders.jsonl", text);
        let lists = folder.path("lists.jsonl");
        let mut command = samenloop(&["replay", &file, "--lists", lists.to_str().unwrap()]);
        end(command.args(flags))
    };
    let calm = replayed(orders(&own, &two), &["--strict"]);
    assert_eq!((warned(&calm.stderr), calm.code), (vec![], Some(0)), "{}", calm.stderr);
    assert!(calm.stderr.contains("accepted type=\"order\" events=60"), "{}", calm.stderr);

    let guest = |n: i64| if n % 2 == 0 { "walk-in".to_owned() } else { own(n) };
    let told = replayed(orders(&guest, &two), &[]);
    assert_eq!((warned(&told.stderr), told.code), (vec!["one_user"], Some(0)));
    let line = told.stderr.lines().find(|line| line.contains("one_user")).unwrap();
    assert!(line.contains("orders.jsonl: one user has at least 50 % of its 60 orders"), "{line}");
    assert!(line.contains("name its value under missing"), "{line}");
    assert!(!told.stderr.contains("walk-in"), "{}", told.stderr);
    assert_eq!(replayed(orders(&guest, &two), &["--strict"]).code, Some(3));
    assert_eq!(replayed(orders(&guest, &two), &["--strict", "--quiet"]).stderr, "");

    let single = replayed(orders(&own, &|n| format!("{{\"item\":\"a{}\"}}", n % 7)), &[]);
    assert_eq!(warned(&single.stderr), ["no_baskets", "no_pairs"], "{}", single.stderr);
    let nothing = replayed(String::new(), &[]);
    assert_eq!(warned(&nothing.stderr), ["empty"], "{}", nothing.stderr);
}

#[test]
fn a_program_of_a_source_unpacks_its_records_and_one_that_is_none_is_refused_at_start() {
    let folder = Folder::new();
    let events = events(3);
    let want = recounted(&events, &Rules::default());
    let texts: Vec<String> = lines(&events).lines().map(str::to_owned).collect();
    let batch = |lines: &[String]| format!("{{\"of\":\"shop\",\"events\":[{}]}}", lines.join(","));
    let mut records: Vec<String> = texts.chunks(7).map(batch).collect();
    records.insert(3, "{\"of\":\"tests\",\"events\":[{\"type\":\"view\"}]}".to_owned());
    records.insert(9, "{\"of\":\"shop\",\"events\":5}".to_owned());
    let file = folder.write("batches.jsonl", records.join("\n"));
    let settings = |program: &str| format!("[[source]]\nname = \"shop\"\ntransform = '''\n{program}\n'''\n");
    let config = folder.write("shop.toml", settings("select(.of == \"shop\")\n| .events[]"));
    for flags in [&[][..], &["--partitions", "3", "--block-records", "1", "--resend-blocks"]] {
        let got = folder.replay(&[&["--config", &config, &file], flags].concat(), false);
        assert_eq!(difference(&want, &got.counts), None, "{flags:?}");
        assert_eq!(
            tally(&got.counts, "rejected"),
            tally(&want, "rejected") + 1,
            "and the record whose events are none"
        );
        assert!(got.stderr.contains("filtered=1"), "{}", got.stderr);
        assert!(got.stderr.contains("the program fails: cannot use N as iterable"), "{}", got.stderr);
    }
    let broken = folder.write("broken.toml", settings("select(.of == \"shop\")\n| .events[] | now"));
    let ended = end(&mut samenloop(&["--config", &broken, "replay", &file]));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("transform: line 2, column 15: filter now/0 is not defined"), "{}", ended.stderr);
}
