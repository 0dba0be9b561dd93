//! Impressions and clicks of files: they change no count and no list, and what came of them is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "support/command.rs"]
mod command;
#[path = "support/recount.rs"]
mod recount;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;

use command::{Ended, Folder, end, lines, samenloop, shop_shape};
use std::fs;

const ON: [&str; 2] = ["--set", "clicks.enabled=true"];

/// Events of a shop, and the same with what was shown and clicked between them: three entries a view, one clicked in three.
fn files(folder: &Folder) -> (String, String, String) {
    let events = shop::events(3, 900, &shop_shape());
    let plain = lines(&events);
    let (mut both, mut alone) = (String::new(), String::new());
    for (n, (event, line)) in events.iter().zip(plain.lines()).enumerate() {
        let head = format!(r#""shop":"{}","user":"{}","ts":{},"list":"also-bought""#, event.shop, event.user, event.ts);
        let shown = format!(
            r#"{{"type":"impression",{head},"lines":[{{"item":"i{}"}},{{"item":"i{}"}},{{"item":"i{}"}}]}}"#,
            n % 7,
            n % 11 + 20,
            n % 13 + 40
        );
        let mut told = vec![shown];
        if n % 3 == 0 {
            told.push(format!(r#"{{"type":"click",{head},"item":"i{}","event_id":"c{n}"}}"#, n % 11 + 20));
        }
        for told in told {
            both.push_str(&format!("{told}\n"));
            alone.push_str(&format!("{told}\n"));
        }
        both.push_str(&format!("{line}\n"));
    }
    (folder.write("plain.jsonl", plain), folder.write("both.jsonl", both), folder.write("alone.jsonl", alone))
}

fn replay(folder: &Folder, name: &str, arguments: &[&str]) -> (Ended, String, String) {
    let out = |what: &str| folder.path(&format!("{name}.{what}")).to_str().unwrap().to_owned();
    let (lists, counts) = (out("lists"), out("counts"));
    let ended = end(samenloop(&["replay", "--lists", &lists, "--counts", &counts]).args(arguments));
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.stderr);
    (ended, fs::read_to_string(lists).unwrap(), fs::read_to_string(counts).unwrap())
}

#[test]
fn lists_and_counts_are_the_same_byte_for_byte_and_what_was_clicked_is_told() {
    let folder = Folder::new();
    let (plain, both, alone) = files(&folder);
    let without = replay(&folder, "without", &[&plain]);
    let off = replay(&folder, "off", &[&both]);
    let with = replay(&folder, "with", &[&[&*both][..], &ON].concat());
    let apart = replay(&folder, "apart", &[&[&*plain, &*alone][..], &ON].concat());
    for (name, other) in [("off", &off), ("with", &with), ("apart", &apart)] {
        assert_eq!(without.1, other.1, "{name}: other lists");
        assert_eq!(without.2, other.2, "{name}: other counts");
    }
    assert!(off.0.stderr.contains("were passed over: set clicks.enabled = true"), "{}", off.0.stderr);
    assert!(!without.0.stderr.contains("clicks") && !off.0.stderr.contains("click_percent"), "{}", without.0.stderr);
    let told = |ended: &Ended| -> Vec<String> {
        let lines = ended.stderr.lines().filter(|line| line.contains("click_percent"));
        lines.filter_map(|line| Some(line.split_once("shop=")?.1.to_owned())).collect()
    };
    assert!(told(&with.0)[0].contains("also-bought"), "{}", with.0.stderr);
    // A file of their own is read in another order, which decides what was shown again: as many lists are told.
    assert_eq!(told(&with.0).len(), told(&apart.0).len(), "{}", apart.0.stderr);
}

#[test]
fn a_report_tells_click_rates_as_json_and_on_the_page() {
    let folder = Folder::new();
    let (_, both, _) = files(&folder);
    let out = |name: &str| folder.path(name).to_str().unwrap().to_owned();
    let (json, html) = (out("report.json"), out("report.html"));
    let ended = end(samenloop(&["report", &both, "--json", &json, "--html", &html]).args(ON));
    assert!(matches!(ended.code, Some(0 | 3)), "{}", ended.stderr);
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let list = &report["clicks"][0];
    assert_eq!(list["list"], "also-bought");
    let [shown, clicked] = ["shown", "clicked"].map(|name| list[name].as_u64().unwrap());
    assert!(shown > clicked && clicked > 0 && list["click_rate"]["low"].as_f64().unwrap() > 0.0, "{list}");
    assert!(list["by_position"]["2-4"]["clicked"].as_u64() == Some(clicked), "the second entry is clicked: {list}");
    assert!(fs::read_to_string(html).unwrap().contains("<h2>Shown and clicked</h2>"));
}

#[test]
fn lists_that_nobody_knows_are_told_by_an_example_and_bad_ones_lose_nothing_else() {
    let folder = Folder::new();
    let click = |n: u32, rest: &str| format!(r#"{{"type":"click","user":"secret{n}","ts":170000000000{n},{rest}}}"#);
    let events = [
        click(0, r#""list":"of their own","item":"a""#),
        click(1, r#""list":"also-bought","item":"a","position":0"#),
        click(2, r#""list":"also-bought","item":"a","position":1000000000000"#),
        click(3, r#""list":"also-bought""#),
        click(4, &format!(r#""list":"{}","item":"a""#, "x".repeat(10_000))),
        click(5, r#""placement":"cart","item":"a","position":2"#),
    ];
    let file = folder.write("events.jsonl", events.join("\n"));
    let ended = end(samenloop(&["check", &file]).args(ON));
    let all = ended.stdout + &ended.stderr;
    assert!(all.contains("2 impressions and clicks name lists that are not known, such as \"of their own\""), "{all}");
    assert!(all.contains("bad_position") && all.contains("missing_field"), "{all}");
    assert!(!all.contains("secret"), "{all}");
    let ended = end(samenloop(&["check", &file]).args(ON).args(["--set", "clicks.lists=of their own"]));
    let all = ended.stdout + &ended.stderr;
    assert!(
        all.contains("1 impressions and clicks name lists") && all.contains("such as texts that can be no name"),
        "{all}"
    );
}
