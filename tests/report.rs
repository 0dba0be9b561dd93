//! `samenloop report`: figures of a small shop, by hand; and that a page and JSON come of each thing that it can be made of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "support/command.rs"]
mod command;
#[path = "support/recount.rs"]
mod recount;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;

use command::{Folder, end, samenloop};
use serde_json::Value;

const DAY_MS: u64 = 86_400_000;

/// Twenty customers who buy a and b, as many who buy c and d, each on a day of its own; one long ago who bought e and f; and facts.
fn files(folder: &Folder) -> (String, String) {
    let order = |number: u64, day: u64, items: [&str; 2]| {
        let [one, other] = items;
        let ts = 1_700_000_000_000 + day * DAY_MS;
        format!(
            r#"{{"type":"order","user":"u{number}","ts":{ts},"order_id":"{number}","lines":[{{"item":"{one}"}},{{"item":"{other}"}}]}}"#
        )
    };
    let mut lines = vec![order(900, 0, ["e", "f"])];
    for n in 0..20 {
        lines.push(order(n, 300 + n, ["a", "b"]));
        lines.push(order(100 + n, 300 + n, ["c", "d"]));
    }
    let item = |id: &str, more: &str| format!(r#"{{"item":"{id}","name":"<b>{id}</b>"{more}}}"#);
    let mut items: Vec<String> = ["a", "b", "c", "d"].map(|id| item(id, "")).into();
    items.push(item("never", ""));
    items.push(item("variant", r#","parent":"a""#));
    items.push(item("f", r#","active":false"#));
    let verdict = |anchor: &str, other: &str, ruling: &str| {
        format!(r#"{{"list":"*","anchor":"{anchor}","other":"{other}","ruling":"{ruling}"}}"#)
    };
    let verdicts = [verdict("a", "b", "reject"), verdict("c", "nothing", "approve"), verdict("c", "d", "approve")];
    let catalogue = folder.write("items.jsonl", items.join("\n"));
    let stock = folder.write("stock.jsonl", r#"{"item":"d","quantity":0}"#);
    let verdicts = folder.write("verdicts.jsonl", verdicts.join("\n"));
    let settings = format!(
        "[facts.catalogue]\nfile = {catalogue:?}\n[facts.stock]\nfile = {stock:?}\n[facts.verdicts]\nfile = {verdicts:?}\n"
    );
    (folder.write("shop.toml", settings), folder.write("orders.jsonl", lines.join("\n")))
}

fn of_name<'r>(report: &'r Value, list: &str) -> &'r Value {
    report["lists"]
        .as_array()
        .unwrap()
        .iter()
        .find(|figures| figures["list"] == list)
        .unwrap_or_else(|| panic!("{report}"))
}

/// Settings, orders, and the lists that are made of them.
fn with_lists(folder: &Folder) -> (String, String, String) {
    let (settings, orders) = files(folder);
    let lists = folder.path("lists.jsonl").to_str().unwrap().to_owned();
    assert_eq!(end(&mut samenloop(&["--config", &settings, "-q", "replay", &orders, "--lists", &lists])).code, Some(0));
    (settings, orders, lists)
}

#[test]
fn a_small_shop_is_told_as_counted_by_hand() {
    let folder = Folder::new();
    let (settings, orders) = files(&folder);
    let page = folder.path("report.html");
    let ended = end(&mut samenloop(&[
        "--config",
        &settings,
        "-q",
        "report",
        &orders,
        "--json",
        "-",
        "--html",
        page.to_str().unwrap(),
    ]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let bought = of_name(&report, "bought-together");
    // a's b is rejected, c's d is out of stock; e and f have too little. b shows a, d shows c.
    assert_eq!((&bought["anchors"], &bought["lists"], &bought["full"]), (&6.into(), &2.into(), &0.into()), "{bought}");
    assert_eq!(bought["lengths"].to_string(), "[4,2]");
    assert_eq!(bought["stale_anchors"], 2, "e and f");
    assert_eq!(bought["why_short"].to_string(), r#"{"out-of-stock":1,"rejected":1,"support":2}"#);
    let exposure = |name: &str| bought["exposure"][name].as_f64().unwrap();
    let close = |name: &str, expected: f64| assert!((exposure(name) - expected).abs() < 1e-9, "{name} of {bought}");
    for (name, figure) in [("products", 6.0), ("shown", 1.0 / 3.0), ("top_percent", 0.5), ("gini", 2.0 / 3.0)] {
        close(name, figure);
    }
    assert_eq!(bought["sources"]["counted"], 2);
    let catalogue = r#"{"counted":6,"known":5,"never_counted":1,"not_sold":1,"sold_out":1}"#;
    assert_eq!(report["catalogue"].to_string(), catalogue, "known: without the variant and what is not sold");
    let contradicted = report["contradicted"].as_array().unwrap();
    let told: Vec<_> = contradicted
        .iter()
        .map(|one| [&one["ruling"], &one["anchor"], &one["other"]].map(|text| text.as_str().unwrap()))
        .collect();
    assert_eq!(told, [["reject", "a", "b"], ["approve", "c", "d"], ["approve", "c", "nothing"]], "{contradicted:?}");
    assert_eq!(contradicted[0]["support"], 20);
    let missing = report["missing"].to_string();
    assert!(missing.contains("hit rate: ask a running instance") && !missing.contains("coverage"), "{missing}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg ") && !page.contains("<b>"), "{page}");
}

#[test]
fn records_of_lists_tell_what_they_show_and_an_earlier_report_what_has_changed() {
    let folder = Folder::new();
    let (settings, orders, lists) = with_lists(&folder);
    // The topic holds what was published before, too: of each key the last one counts.
    let text = std::fs::read_to_string(&lists).unwrap();
    let older = text.lines().next().unwrap();
    let gone =
        older.replace("{\"shop\"", "{\"tombstone\":true,\"shop\"").replace("\"item\":\"b\"", "\"item\":\"gone\"");
    let before = older.replace("\"item\":\"b\"", "\"item\":\"gone\"");
    std::fs::write(&lists, format!("{older}\n\n{before}\n{text}{gone}\n")).unwrap();
    let earlier = folder.path("earlier.json");
    let earlier = earlier.to_str().unwrap();
    let ended = end(&mut samenloop(&["-q", "report", "--lists", &lists, "--json", earlier]));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(earlier).unwrap()).unwrap();
    let bought = of_name(&report, "bought-together");
    assert_eq!(
        (&bought["lists"], bought["lengths"].to_string().as_str(), &bought["anchors"]),
        (&2.into(), "[0,2]", &Value::Null)
    );
    assert!(report["missing"].to_string().contains("why lists are short"), "{report}");
    let ended = end(&mut samenloop(&["--config", &settings, "-q", "report", &orders, "--before", earlier]));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let changes = report["changes"]["changes"].as_array().unwrap();
    let mean = changes.iter().find(|change| change["figure"] == "mean score").unwrap_or_else(|| panic!("{report}"));
    assert_eq!(mean["then"], mean["now"]);
    for wrong in [
        vec!["--lists", orders.as_str()],
        vec!["--lists", "nowhere"],
        vec!["--before", orders.as_str(), orders.as_str()],
    ] {
        let ended = end(&mut samenloop(&[vec!["-q", "report"], wrong.clone()].concat()));
        assert!(
            ended.code == Some(2) && ended.stderr.contains(wrong[0]),
            "{wrong:?}: {:?} {}",
            ended.code,
            ended.stderr
        );
    }
}

#[test]
fn lists_about_what_is_not_counted_cover_nothing() {
    let folder = Folder::new();
    let orders: Vec<String> = (0..40)
        .map(|n| {
            let [one, other] = if n % 2 == 0 { ["a", "b"] } else { ["c", "d"] };
            let ts = 1_700_000_000_000_u64 + n * DAY_MS;
            format!(
                r#"{{"type":"order","user":"u{n}","ts":{ts},"order_id":"{n}","lines":[{{"item":"{one}"}},{{"item":"{other}"}}]}}"#
            )
        })
        .collect();
    let relations: Vec<String> =
        (0..10).map(|n| format!(r#"{{"anchor":"n{n}","other":"a","kind":"accessory"}}"#)).collect();
    let relations = folder.write("relations.jsonl", relations.join("\n"));
    let settings = folder.write("shop.toml", format!("[facts.relations]\nfile = {relations:?}\n"));
    let orders = folder.write("orders.jsonl", orders.join("\n"));
    let page = folder.path("report.html");
    let page = page.to_str().unwrap();
    let ended = end(&mut samenloop(&["--config", &settings, "-q", "report", &orders, "--json", "-", "--html", page]));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let bought = of_name(&report, "bought-together");
    let figure = |name: &str| bought[name].as_u64();
    assert_eq!([figure("anchors"), figure("covered"), figure("uncounted")], [Some(4), Some(4), Some(10)], "{bought}");
    assert_eq!((figure("lists"), bought["lengths"].to_string()), (Some(14), "[0,14]".to_owned()));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("100.0 %") && !page.contains("350.0 %"), "{page}");
}

#[test]
fn what_is_said_of_a_placement_is_not_taken_for_contradicted() {
    let folder = Folder::new();
    let (settings, orders) = files(&folder);
    let verdict = |list: &str, ruling: &str, other: &str| {
        format!(r#"{{"list":"{list}","anchor":"c","other":"{other}","ruling":"{ruling}"}}"#)
    };
    let verdicts = [
        verdict("cart", "approve", "d"),
        verdict("cart", "reject", "a"),
        verdict("mail", "approve", "b"),
        verdict("bought-together", "approve", "nothing"),
    ];
    folder.write("verdicts.jsonl", verdicts.join("\n"));
    let on = "placements.cart.enabled=true";
    let ended = end(&mut samenloop(&["--config", &settings, "-q", "report", &orders, "--set", on]));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let told = |what: &str| {
        let all = report[what].as_array().unwrap_or_else(|| panic!("{report}"));
        let texts =
            |one: &Value| ["ruling", "list", "other"].map(|name| one[name].as_str().unwrap().to_owned()).join(" ");
        all.iter().map(texts).collect::<Vec<_>>()
    };
    assert_eq!(told("contradicted"), ["approve bought-together nothing"]);
    assert_eq!(told("without_effect"), ["approve cart d", "approve mail b"]);
}

#[test]
fn what_is_passed_over_is_said_and_so_is_a_shop_that_nobody_has_met() {
    let folder = Folder::new();
    let (settings, orders, lists) = with_lists(&folder);
    let text = std::fs::read_to_string(&lists).unwrap();
    let own = text.lines().find(|line| line.contains("\"bought-together\"")).unwrap();
    let unknown = own.replace("\"bought-together\"", "\"bought-later\"");
    let elsewhere = own.replace("\"shop\":\"main\"", "\"shop\":\"nl\"");
    std::fs::write(&lists, format!("{text}{unknown}\n{elsewhere}\n{elsewhere}\n")).unwrap();
    let missing = |arguments: &[&str]| {
        let ended = end(&mut samenloop(&[&["-q", "report"], arguments].concat()));
        let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
        report["missing"].as_array().unwrap().iter().map(|what| what.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let says =
        |missing: &[String], what: &str| assert!(missing.iter().any(|told| told.contains(what)), "{what}: {missing:?}");
    let of_records = missing(&["--lists", &lists, "--set", "lists.bought-together.enabled=false"]);
    says(&of_records, "2 records of bought-together: the settings have it off");
    says(&of_records, "1 record of bought-later: no list has this name");
    says(&of_records, "2 records of other shops (nl)");
    says(&of_records, "what is to be reviewed: ");
    assert!(!of_records.iter().any(|told| told.contains("no record is of shop")), "{of_records:?}");
    says(&missing(&["--lists", &lists, "--shop", "typo"]), "no record is of shop typo");
    let of_files = missing(&["--config", &settings, &orders, "--shop", "typo"]);
    says(&of_files, "nothing is counted of shop typo: the files are of main");
    assert!(!missing(&["--config", &settings, &orders]).iter().any(|told| told.contains("of shop")));
}

#[test]
fn a_shorter_page_of_what_is_to_be_reviewed_is_the_beginning_of_a_longer_one() {
    let folder = Folder::new();
    let mut number = 0;
    let mut order = |day: u64, items: [String; 2]| {
        number += 1;
        let (ts, [one, other]) = (1_700_000_000_000 + day * DAY_MS, items);
        format!(
            r#"{{"type":"order","user":"u{number}","ts":{ts},"order_id":"{number}","lines":[{{"item":"{one}"}},{{"item":"{other}"}}]}}"#
        )
    };
    // All as much in need, and as often shown.
    let mut lines: Vec<String> =
        (0..150).map(|n| order(0, [format!("p{:02}", n % 30), format!("q{:02}", n % 30)])).collect();
    lines.push(order(20, ["y".to_owned(), "z".to_owned()]));
    let orders = folder.write("orders.jsonl", lines.join("\n"));
    let page = |limit: &str| {
        let ended = end(&mut samenloop(&[
            "-q",
            "review",
            &orders,
            "--json",
            "--limit",
            limit,
            "--set",
            "logs.pairs_partitions=3",
        ]));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = page("1000");
    assert_eq!(all.len(), 60);
    for limit in [1, 7, 40] {
        assert_eq!(page(&limit.to_string()), all[..limit], "{limit}");
    }
}
