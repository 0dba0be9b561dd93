//! `samenloop check FILE…` and `samenloop replay --sample`: what files are told to be, without a broker.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "support/command.rs"]
mod command;
#[path = "support/recount.rs"]
mod recount;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;

use command::{Ended, Folder, end, samenloop};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

const START_MS: i64 = 1_772_352_000_000; // 2026-03-01 08:00 UTC

/// Orders of two items by twenty customers, every third hour; `user` says whose.
fn orders(count: i64, user: impl Fn(i64) -> String) -> Vec<String> {
    let order = |n: i64| {
        let (ts, item) = (START_MS + n * 10_800_000 + n % 5 * 1000, n % 6);
        format!(
            r#"{{"type":"order","user":"{}","ts":{ts},"order_id":"{n}","lines":[{{"item":"a{item}"}},{{"item":"b{item}"}}]}}"#,
            user(n)
        )
    };
    (0..count).map(order).collect()
}

fn customer(n: i64) -> String {
    format!("customer-{}", n % 20)
}

/// Views as an export of a table: seven a day, each by a visitor of its own, some with a time that is none.
fn table(rows: i64) -> String {
    let mut text = "Moment;Bezoeker;Artikel\r\n".to_owned();
    for n in 0..rows {
        let time = if n % 9 == 4 { "gisteren".to_owned() } else { format!("{:02}-03-2026 1{}:00", n / 7 + 1, n % 7) };
        let _ = write!(text, "{time};customer-{};a{}\r\n", n % 20, n % 6);
    }
    text
}

const TABLE: &str = "[[source]]\nname = \"views\"\ntype = \"view\"\nformat = \"csv\"\n[source.fields]\nuser = \"/Bezoeker\"\nitem = \"/Artikel\"\n\
                     order_id = \"/Bestelling\"\ntime = { field = \"/Moment\", format = \"dd-mm-yyyy HH:MM\" }\n[[source]]\nname = \"orders\"\n";

fn check(arguments: &[&str]) -> Ended {
    end(&mut samenloop(&[&["check"], arguments].concat()))
}

/// The one line of a report that begins so.
fn line<'a>(report: &'a str, start: &str) -> &'a str {
    let found: Vec<&str> = report.lines().filter(|line| line.starts_with(start)).collect();
    assert_eq!(found.len(), 1, "{start}: {report}");
    found[0]
}

#[test]
fn each_file_is_a_line_then_each_list_and_each_finding() {
    let folder = Folder::new();
    let settings = folder.write("shop.toml", TABLE);
    let views = folder.write("views.csv", table(90));
    let sales = folder.write("sales.jsonl", orders(60, customer).join("\n"));
    let nothing = folder.write("nothing.jsonl", "");
    let named = |source: &str, file: &str| format!("{source}={file}");
    let (views_named, sales_named) = (named("views", &views), named("orders", &sales));
    let nothing_named = named("orders", &nothing);
    let files = [&*views_named, &*sales_named, &*nothing_named];
    let told = check(&[&["--config", &settings], &files[..]].concat());
    assert_eq!((told.code, &*told.stderr), (Some(0), ""), "{}", told.stdout);
    let text = line(&told.stdout, &format!("warning  file {views}: rows"));
    assert!(
        text.contains("rows separated by ';', columns Moment, Bezoeker, Artikel; 90 records: 80 views, 10 rejects"),
        "{text}"
    );
    assert!(text.contains("(10 bad_time); the first is "), "{text}");
    assert!(text.contains("views.csv:6 (row 5): bad_time"), "{text}");
    let text = line(&told.stdout, &format!("warning  file {views}: order_id"));
    assert!(text.contains("/Bestelling is in none of 90 records"), "{text}");
    line(&told.stdout, &format!("ok       file {sales}: JSON lines; 60 records: 60 orders"));
    line(&told.stdout, &format!("warning  file {nothing}: holds no record. What to do: name another file"));
    line(&told.stdout, "ok       list bought-together: 12 items have candidates: 12 lists");
    line(&told.stdout, "ok       list carted-together: 0 items have candidates: 0 lists");
    assert!(!told.stdout.contains("customer-"), "{}", told.stdout);

    let strict = check(&[&["--config", &settings, "--strict"], &files[..]].concat());
    assert_eq!((strict.code, strict.stdout), (Some(3), told.stdout));
    let calm = check(&[&sales, "--strict"]);
    assert_eq!(calm.code, Some(0), "{}", calm.stdout);
    let alone = check(&[&nothing]);
    assert_eq!(alone.code, Some(1), "{}", alone.stdout);

    // A switched off list has no entries to miss.
    let off = check(&[&sales, "--strict", "--set", "lists.bought-together.enabled=false"]);
    line(&off.stdout, "ok       list bought-together: 12 items have candidates: switched off");
    assert_eq!(off.code, Some(0), "{}", off.stdout);
}

#[test]
fn lists_that_are_there_only_because_they_are_filled_or_kept_by_hand_are_told_apart() {
    let folder = Folder::new();
    let mut events = orders(60, customer);
    // Two products in one order: too thin for a list of their own.
    events.push(format!(
        r#"{{"type":"order","user":"x","ts":{},"order_id":"x","lines":[{{"item":"rare"}},{{"item":"seldom"}}]}}"#,
        START_MS + 60 * 10_800_000
    ));
    let sales = folder.write("sales.jsonl", events.join("\n"));
    let relations = folder.write("by-hand.jsonl", r#"{"anchor":"unseen","other":"a1","kind":"complement"}"#);
    let file = format!("facts.relations.file={relations}");
    let fill = r#"lists.bought-together.fill=["shop"]"#;
    let told = check(&[&sales, "--set", fill, "--set", &file]);
    line(
        &told.stdout,
        "ok       list bought-together: 14 items have candidates: 15 lists, 2 of them only filled, 1 of them only by hand",
    );
    let plain = check(&[&sales]);
    assert!(line(&plain.stdout, "ok       list bought-together: 14 items").ends_with(": 12 lists"), "{}", plain.stdout);
}

#[test]
fn a_file_that_cannot_be_used_is_wrong_and_the_others_are_told_all_the_same() {
    let folder = Folder::new();
    let good = folder.write("good.jsonl", orders(60, customer).join("\n"));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(orders(2000, customer).join("\n").as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let cut = folder.write("cut.jsonl.gz", &packed[..packed.len() - 9]);
    let zip = folder.write("export.zip", b"PK\x03\x04");
    let other = folder.write("other.jsonl", "{\"a\":1}\n{\"a\":2}\n");
    let told = check(&["no-such-file", &cut, &zip, &good, &other]);
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    assert!(told.stderr.contains("4 probes are wrong"), "{}", told.stderr);
    line(&told.stdout, "wrong    file no-such-file: cannot be opened");
    assert!(line(&told.stdout, &format!("wrong    file {cut}: ")).contains("cannot be read on from line"));
    assert!(line(&told.stdout, &format!("wrong    file {zip}: ")).contains("is a zip archive"));
    line(&told.stdout, &format!("ok       file {good}: JSON lines; 60 records: 60 orders"));
    let text = line(&told.stdout, &format!("wrong    file {other}: JSON lines"));
    assert!(text.contains("2 records: no event, 2 rejects (2 missing_field); the first is"), "{text}");
    assert!(told.stdout.contains("fields that are there: /a. Correct it"), "{}", told.stdout);
    line(&told.stdout, "ok       list bought-together: 12 items have candidates: 12 lists");
    assert_eq!(check(&[&good, "x=no-such-file"]).code, Some(2), "a source that is none");
}

#[test]
fn a_doubt_about_a_file_is_told_once_however_often_it_is_opened() {
    let folder = Folder::new();
    let settings = folder.write("shop.toml", "[[source]]\nname = \"views\"\nformat = \"csv\"\ntype = \"view\"\nfields = { user = { constant = \"u\" }, item = \"/sku\", time = \"/sku\" }\n");
    let column = folder.write("column.csv", "sku\n1700000000000\n1700000000001\n");
    let told = check(&["--config", &settings, &column, "--sample", "1"]);
    assert_eq!(told.stderr.matches("one column: is it separated by something else?").count(), 1, "{}", told.stderr);
    line(&told.stdout, &format!("ok       file {column}: rows separated by ',', columns sku; 2 records: 2 views"));
}

#[test]
fn a_place_is_that_in_the_file_also_where_it_was_sorted_or_is_one_of_several() {
    let folder = Folder::new();
    let mut newest_first = orders(90, |n| if n % 2 == 0 { "walk-in".to_owned() } else { customer(n) });
    newest_first.reverse();
    let path = folder.write("newest.jsonl", newest_first.join("\n"));
    let nothing = folder.write("nothing.jsonl", "");
    let told = check(&[&nothing, &path]);
    let text = line(&told.stdout, &format!("ok       file {path}: "));
    assert!(text.ends_with("not in the order of time, so it was sorted first"), "{text}");
    // The oldest order is the last line.
    let text = line(&told.stdout, "warning  one_user: ");
    assert!(text.contains(&format!("{nothing}, {path}: one user has at least")), "{text}");
    assert!(text.contains(&format!("(first met at {path}:90)")), "{text}");
    assert!(!told.stdout.contains("walk-in"), "{}", told.stdout);

    let replayed = end(&mut samenloop(&["replay", &nothing, &path, "--strict"]));
    assert_eq!(replayed.code, Some(3));
    assert!(replayed.stderr.contains(&format!("WARN {nothing}: holds no record: ")), "{}", replayed.stderr);
    assert_eq!(replayed.stderr.matches("not in the order of time").count(), 1, "{}", replayed.stderr);
}

#[test]
fn a_sample_shows_what_the_first_records_become_and_nothing_else_is_done() {
    let folder = Folder::new();
    let settings = folder.write("shop.toml", TABLE);
    let views = format!("views={}", folder.write("views.csv", table(90)));
    let sales = format!("orders={}", folder.write("sales.jsonl", orders(60, customer).join("\n")));
    let shown = |command: &str, more: &[&str]| {
        let sample = [command, "--config", &settings, &views, &sales, "--sample", "5"];
        end(&mut samenloop(&[&sample, more].concat()))
    };
    let told = shown("replay", &[]);
    assert_eq!(told.code, Some(3), "one of them is a reject: {}", told.stderr);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(lines.len(), 10, "{}", told.stdout);
    assert!(lines[0].contains("views.csv:2 (row 1)  view of \"a0\" at 2026-03-01T10:00:00Z by user "), "{}", lines[0]);
    assert!(lines[4].contains("views.csv:6 (row 5)  reject bad_time: "), "{}", lines[4]);
    assert!(lines[5].contains("sales.jsonl:1  order \"0\" of \"a0\", \"b0\" at 2026-03-01T08:00:00Z"), "{}", lines[5]);
    assert!(!told.stdout.contains("customer-"), "{}", told.stdout);
    assert!(
        told.stderr.contains("of the 5 first records 4 are events, 1 rejects, 0 skips; nothing was counted"),
        "{}",
        told.stderr
    );
    assert!(!told.stderr.contains("replayed"), "{}", told.stderr);
    let named = shown("replay", &["--show-users"]);
    assert!(named.stdout.contains("by user \"customer-0\""), "{}", named.stdout);
    // check shows the same, after the line of each file.
    let checked = shown("check", &[]);
    let indented: Vec<&str> = checked.stdout.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(indented, lines);

    for (arguments, expected) in
        [(&["--lists", "x.jsonl"][..], "cannot be used with"), (&["--sample", "0"], "must be 1 to 10000")]
    {
        let refused = end(samenloop(&["replay", &sales, "--sample", "5"]).args(arguments));
        assert_eq!(refused.code, Some(2), "{arguments:?}: {}", refused.stderr);
        assert!(
            refused.stderr.contains(expected) || refused.stderr.contains("cannot be used multiple times"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn stdin_is_looked_into_and_a_sample_of_it_is_shown_by_replay() {
    let fed = |arguments: &[&str], text: &str| {
        let mut child = samenloop(arguments);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let ended = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: ended.status.code(), stdout: text(ended.stdout), stderr: text(ended.stderr) }
    };
    let events = orders(60, customer).join("\n");
    let told = fed(&["check", "-"], &events);
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    line(&told.stdout, "ok       file -: stdin; 60 records: 60 orders");
    let refused = fed(&["check", "-", "--sample", "2"], "");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("samenloop replay --sample N - shows its records"), "{}", refused.stderr);
    let shown = fed(&["replay", "-", "--sample", "2"], &events);
    assert_eq!((shown.code, shown.stdout.lines().count()), (Some(0), 2), "{}", shown.stderr);
}
