//! Facts of files: in a replay, and in `check`.

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

const CATALOGUE: &str = "Artikel;Hoofdartikel;Groep;Prijs;Product\n\
                         A-red;A;Keuken > Messen;€ 1.299,00;ja\n\
                         A-blue;A;Keuken > Messen;12,-;ja\n\
                         deposit;;;0,25;nee\n\
                         B;;;gratis;ja\n";

const STOCK: &str = r#"[{"item":"A-red","quantity":0},{"item":"B","quantity":5}]"#;

/// Settings that read both, and events that name variants and a deposit.
fn shop_of(folder: &Folder) -> (String, String) {
    let (catalogue, stock) = (folder.write("items.csv", CATALOGUE), folder.write("stock.json", STOCK));
    let settings = format!(
        "[facts.catalogue]\nfile = {catalogue:?}\nformat = \"csv\"\n[facts.catalogue.fields]\nitem = \"/Artikel\"\nparent = \"/Hoofdartikel\"\n\
         category = {{ field = \"/Groep\", separator = \" > \" }}\nprice = {{ field = \"/Prijs\", number = \"1.234,56\" }}\n\
         countable = {{ field = \"/Product\", values = {{ ja = true, nee = false }} }}\n[facts.stock]\nfile = {stock:?}\n\
         [facts.relations]\ntopic = \"pim.relations\"\n"
    );
    let order = |user: &str, items: &[&str]| {
        let lines: Vec<String> = items.iter().map(|item| format!(r#"{{"item":"{item}"}}"#)).collect();
        let lines = lines.join(",");
        format!(r#"{{"type":"order","user":"{user}","ts":1700000000000,"order_id":"{user}","lines":[{lines}]}}"#)
    };
    let events = [order("u1", &["A-red", "B", "deposit"]), order("u2", &["A-blue", "B"]), order("u3", &["deposit"])];
    (folder.write("shop.toml", settings), folder.write("events.jsonl", events.join("\n")))
}

#[test]
fn a_replay_counts_variants_as_their_parents_and_leaves_out_what_is_no_product() {
    let folder = Folder::new();
    let (settings, events) = shop_of(&folder);
    let counts = folder.path("counts.tsv");
    let arguments = ["--config", &settings, "replay", &events, "--counts", counts.to_str().unwrap()];
    let ended = end(&mut samenloop(&arguments));
    let told = &ended.stderr;
    assert_eq!(ended.code, Some(3), "a fact that cannot be used is as bad as an event: {told}");
    assert!(told.contains("uncountable=1") && told.contains("records=4 refused=1"), "{told}");
    assert!(told.contains("items.csv:5 (row 4): bad_number: price (/Prijs)"), "{told}");
    assert!(told.contains("facts.relations is a topic"), "{told}");
    let counts = std::fs::read_to_string(counts).unwrap();
    assert!(counts.contains("pair\tmain\tbought_together\tA\tB\t2\t"), "{counts}");
    assert!(!counts.contains("A-red") && !counts.contains("deposit"), "{counts}");
    for command in [&["inspect", "A"][..], &["review"], &["report"]] {
        let ended = end(&mut samenloop(&[&["--config", &settings, "-q"], command, &[&events]].concat()));
        assert_eq!(ended.code, Some(3), "{command:?} {}", ended.stderr);
    }
}

#[test]
fn check_says_what_files_of_facts_hold_and_which_fact_cannot_be_used() {
    let folder = Folder::new();
    let (settings, events) = shop_of(&folder);
    let ended = end(&mut samenloop(&["--config", &settings, "check", &events]));
    let told = &ended.stdout;
    assert_eq!(ended.code, Some(0), "{told}{}", ended.stderr);
    let catalogue = told.lines().find(|line| line.contains("facts.catalogue file")).unwrap_or_else(|| panic!("{told}"));
    assert!(
        catalogue.starts_with("warning ") && catalogue.contains("4 records, 1 facts refused; the first is"),
        "{told}"
    );
    let stock = told.lines().find(|line| line.contains("facts.stock file")).unwrap_or_else(|| panic!("{told}"));
    assert!(stock.starts_with("ok ") && stock.contains("2 records, 0 facts refused"), "{told}");
    assert!(told.contains("1 without any product"), "{told}");
    let missing =
        end(&mut samenloop(&["--config", &settings, "--set", "facts.stock.file=nowhere.json", "check", &events]));
    assert_eq!(missing.code, Some(2), "as for other settings that are wrong: {}", missing.stdout);
    assert!(missing.stdout.contains("nowhere.json: cannot be opened"), "{}{}", missing.stdout, missing.stderr);
}
