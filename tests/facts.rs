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

#[test]
fn inspect_names_items_and_goes_on_with_what_a_variant_counts_as() {
    let folder = Folder::new();
    let catalogue = folder.write(
        "items.csv",
        "item,parent,name,countable\nA,,Kettle,true\nA-red,A,Kettle in red,true\nB,,Tea towel,true\nfee,,Postage,false\n",
    );
    let order = |user: u32| {
        format!(
            r#"{{"type":"order","user":"u{user}","ts":1700000000000,"order_id":"{user}","lines":[{{"item":"A-red"}},{{"item":"B"}},{{"item":"C"}},{{"item":"fee"}}]}}"#
        )
    };
    let events = folder.write("events.jsonl", (0..4).map(order).collect::<Vec<_>>().join("\n"));
    let settings = folder.write("shop.toml", format!("[facts.catalogue]\nfile = {catalogue:?}\nformat = \"csv\"\n"));
    let inspect = |rest: &[&str]| {
        let all = [&["--config", &settings, "inspect", "--list", "bought-together"], rest];
        end(&mut samenloop(&all.concat()))
    };
    let own = inspect(&["A", &events]);
    assert!(own.stdout.starts_with("bought-together of A Kettle in shop main"), "{}{}", own.stdout, own.stderr);
    assert!(own.stdout.contains("  B Tea towel  ") && own.stdout.contains("  C            "), "{}", own.stdout);
    let variant = inspect(&["A-red", &events]);
    assert_eq!(variant.stdout, format!("A-red is a variant, and counts as A\n\n{}", own.stdout), "{}", variant.stderr);
    let json = inspect(&["A-red", &events, "--json"]);
    let row: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&row["item"], &row["names"]), (&"A".into(), &serde_json::json!({ "A": "Kettle", "B": "Tea towel" })));
    let fee = inspect(&["fee", &events]);
    assert!(fee.code == Some(1) && fee.stderr.contains("\"fee\" of shop \"main\" is no product"), "{}", fee.stderr);
    let unknown = inspect(&["D", &events]);
    assert!(unknown.stderr.contains("is in no event of these files that counts"), "{}", unknown.stderr);
    let plain = end(&mut samenloop(&["inspect", "--list", "bought-together", "B", &events, "--json"]));
    assert!(!plain.stdout.contains("names"), "{}", plain.stdout);
}

#[test]
fn evaluate_says_what_of_the_facts_it_goes_by() {
    let folder = Folder::new();
    let order = |n: i64| {
        let ts = 1_700_000_000_000_i64 + n * 3_600_000;
        format!(
            r#"{{"type":"order","user":"u{n}","ts":{ts},"order_id":"{n}","lines":[{{"item":"a{}"}},{{"item":"b{}"}}]}}"#,
            n % 3,
            n % 3
        )
    };
    let events = folder.write("events.jsonl", (0..60).map(order).collect::<Vec<_>>().join("\n"));
    let facts = folder.write("facts.jsonl", r#"{"item":"a1","parent":"a2","quantity":0}"#);
    for (key, told) in [
        (None, ""),
        (Some(("catalogue.file", &*facts)), "of facts only parent and countable of facts.catalogue.file count here"),
        (Some(("stock.file", &*facts)), "facts are left out here"),
        (Some(("catalogue.topic", "erp.items")), "facts are left out here"),
    ] {
        let set = key.map(|(key, place)| format!("facts.{key}={place}"));
        let sets: Vec<&str> = set.iter().flat_map(|set| ["--set", set.as_str()]).collect();
        let ended = end(&mut samenloop(&[&["evaluate", events.as_str()][..], &sets].concat()));
        assert_eq!(ended.code, Some(0), "{key:?} {}", ended.stderr);
        let lines = ended.stderr.lines().filter(|line| line.contains("facts"));
        assert_eq!(
            (lines.count(), ended.stderr.contains(told)),
            (usize::from(key.is_some()), true),
            "{}",
            ended.stderr
        );
    }
}

/// What `check` says of a catalogue with these rows, mapped by `fields`, with `lists` set.
fn catalogue_checked(rows: &str, fields: &str, lists: &str) -> String {
    let folder = Folder::new();
    let catalogue = folder.write("goods.csv", rows);
    let settings = folder.write(
        "shop.toml",
        format!(
            "{lists}\n[facts.catalogue]\nfile = {catalogue:?}\nformat = \"csv\"\n[facts.catalogue.fields]\n{fields}\n"
        ),
    );
    let events = folder.write(
        "events.jsonl",
        r#"{"type":"order","user":"u","ts":1700000000000,"order_id":"1","lines":[{"item":"p1"},{"item":"p2"}]}"#,
    );
    end(&mut samenloop(&["--config", &settings, "check", &events])).stdout
}

/// The one line that says `part`.
fn said<'a>(report: &'a str, part: &str) -> &'a str {
    let mut lines = report.lines().filter(|line| line.contains(part));
    let line = lines.next().unwrap_or_else(|| panic!("{part:?} is not said:\n{report}"));
    assert_eq!(lines.next(), None, "{part:?} is said twice:\n{report}");
    line
}

const GOODS: &str = "code;group;title;cost\n\
                     p1;Garden > Rakes;Leaf rake;12.50\n\
                     p2;Garden > Hoses;Hose 20 m;31\n\
                     p3;;Twine;2\n\
                     p4;;Pegs;\n\
                     p5;;Gloves;\n";

#[test]
fn check_says_how_many_items_have_each_field_of_the_catalogue() {
    let all = "item = \"/code\"\nname = \"/title\"\nprice = \"/cost\"\ncategory = { field = \"/group\", separator = \" > \" }";
    let told = catalogue_checked(GOODS, all, "");
    let line = said(&told, "facts.catalogue file");
    assert!(line.starts_with("ok "), "{line}");
    assert!(line.ends_with("0 facts refused; of 5 items: category 2, brand 0, price 3, name 5, parent 0"), "{line}");
    assert!(!told.contains("warning  facts.catalogue"), "no list asks, nothing is amiss: {told}");
    let bare = catalogue_checked(GOODS, "item = \"/code\"", "");
    let line = said(&bare, "warning  facts.catalogue: nothing but the ids of 5 items");
    assert!(line.contains("fields that are there: /code, /cost, /group, /title"), "{line}");
    let wrong = catalogue_checked(GOODS, "item = \"/code\"\nname = \"/title\"\nbrand = \"/maker\"", "");
    let line = said(&wrong, "warning  facts.catalogue: fields.brand is mapped, and none of 5 items has a brand");
    assert!(line.contains("/code, /cost, /group, /title"), "{line}");
}

#[test]
fn check_warns_where_lists_go_by_a_field_that_most_items_lack() {
    let fields = "item = \"/code\"\nname = \"/title\"\nprice = \"/cost\"\ncategory = { field = \"/group\", separator = \" > \" }";
    let lists = "[lists.bought-together]\nbrand_max = 3\nfill = [\"category\"]\nprice_at_most = 2.0\n\
                 [lists.complements]\nenabled = true\ncategory = \"other\"\n\
                 [lists.best-sellers]\ncategories = true\n";
    let told = catalogue_checked(GOODS, fields, lists);
    let category = said(&told, "warning  facts.catalogue: 3 of 5 items have no category");
    assert!(
        category.ends_with(
            ": they pass lists.complements.category = \"other\"; nothing comes for them of lists.bought-together.fill = \"category\""
        ),
        "best-sellers is off: {category}"
    );
    let brand = said(&told, "warning  facts.catalogue: none of 5 items has a brand");
    assert!(brand.contains(": they pass lists.bought-together.brand_max = 3; fields that are there: /code"), "{brand}");
    assert!(brand.ends_with(". Map fields.brand"), "{brand}");
    assert!(!told.contains("price_at_most"), "most have a price: {told}");
    // What is a variant, or not sold, is in no list: nobody misses its price.
    let rows = "code;of;group;cost;sold\nq1;;Tea;4;yes\nq2;;;;yes\nq3;q1;;;yes\nq4;q1;;;yes\nq5;;;;no\n";
    let own = "item = \"/code\"\nparent = \"/of\"\ncategory = \"/group\"\nprice = \"/cost\"\nactive = \"/sold\"";
    let told = catalogue_checked(rows, own, "[lists.upsell]\nenabled = true\n");
    assert!(said(&told, "facts.catalogue file").ends_with("price 1, name 0, parent 2, not active 1"), "{told}");
    assert!(!told.contains("warning  facts.catalogue"), "{told}");
    let told = catalogue_checked(&rows.replace(";4;", ";;"), own, "[lists.upsell]\nenabled = true\n");
    let price = said(&told, "none of 2 items that can be shown has a price: they are in no list of lists.upsell");
    assert!(price.starts_with("warning  facts.catalogue"), "{price}");
}

#[test]
fn check_warns_where_lists_go_by_a_catalogue_that_is_not_there() {
    let folder = Folder::new();
    let events = folder.write(
        "events.jsonl",
        r#"{"type":"order","user":"u","ts":1700000000000,"order_id":"1","lines":[{"item":"p1"},{"item":"p2"}]}"#,
    );
    let check = |set: &[&str]| {
        let sets: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        end(&mut samenloop(&[&["check", &events][..], &sets].concat())).stdout
    };
    let told = check(&["lists.bought-together.category_max=2", "lists.alternatives.enabled=true"]);
    let line = said(&told, "warning  facts.catalogue: there is none, so no item has a category");
    assert!(line.contains("lists.bought-together.category_max = 2"), "{line}");
    assert!(!line.contains("alternatives"), "nobody asked it to go by categories: {line}");
    assert!(check(&["lists.upsell.enabled=true"]).contains("they are in no list of lists.upsell"));
    assert!(!check(&[]).contains("facts.catalogue"));
}

#[test]
fn check_warns_where_categories_hold_their_levels_in_one_text() {
    let told = catalogue_checked(GOODS, "item = \"/code\"\ncategory = \"/group\"", "");
    let line = said(&told, "are read as one level each");
    assert!(line.starts_with("warning  facts.catalogue: categories of 2 items hold \" > \""), "{line}");
    assert!(line.contains("\"Garden > Hoses\"") && line.contains("separator = \" > \""), "{line}");
    let other = "item = \"/code\"\ncategory = { field = \"/group\", separator = \"/\" }";
    assert!(catalogue_checked(GOODS, other, "").contains("set separator = \" > \", not \"/\""));
    let slashes = GOODS.replace(" > ", "/");
    assert!(catalogue_checked(&slashes, "item = \"/code\"\ncategory = \"/group\"", "").contains("hold \"/\""));
    assert!(!catalogue_checked(&slashes, other, "").contains("one level"));
}

#[test]
fn check_names_categories_of_settings_that_no_item_has() {
    let fields = "item = \"/code\"\ncategory = { field = \"/group\", separator = \" > \" }";
    let beside = |pairs: &str| format!("[lists.bought-together]\ncategory_beside = [{pairs}]\n");
    let told = catalogue_checked(GOODS, fields, &beside("\"Garden > Garden/Hose\", \"Gardens > Garden\""));
    let line = said(&told, "lists.bought-together.category_beside: no item is of the category");
    assert!(line.starts_with("warning  facts.catalogue"), "{line}");
    assert!(line.contains("\"Garden > Hose\", nor of 1 others"), "{line}");
    let told = catalogue_checked(GOODS, fields, &beside("\"Garden > Garden/Hoses\""));
    assert!(!told.contains("no item is of"), "{told}");
}
