//! Settings of facts.

use super::*;
use crate::facts::FactsTopic;

const SHOP: &str = r#"
[facts]
memory = "2GiB"
wait = "30s"
when_away = "go-on"
low_stock = 3
[facts.catalogue]
file = "items.csv"
format = "csv"
delimiter = ";"
key = "item"
[facts.catalogue.fields]
item = { field = "/Artikel", trim = true }
category = { field = "/Groep", separator = " > " }
price = [{ field = "/Actie", number = "1.234,56", missing = ["-"] }, "/Prijs"]
active = { field = "/Status", values = { A = true, X = false } }
launched = { field = "/Sinds", format = "dd-mm-yyyy", zone = "Europe/Amsterdam" }
missing = ["NULL", 0]
trim = true
[facts.stock]
topic = "erp.stock"
format = "avro"
key_format = "avro"
transform = ".rows[]"
[facts.verdicts]
topic = "samenloop.verdicts"
[facts.verdicts.fields]
when = [{ field = "/at", unit = "s" }, { record = "timestamp" }]
"#;

#[test]
fn facts_are_read_written_out_and_read_back() {
    let settings = Settings::load(&file(SHOP)).unwrap();
    let facts = &settings.facts;
    assert_eq!((facts.memory_bytes, facts.wait_ms, facts.when_away), (2 << 30, 30_000, WhenAway::GoOn));
    assert_eq!((facts.low_stock, facts.sources.len()), (Some(3.0), 3));
    let catalogue = facts.source(FactsTopic::Catalogue).unwrap();
    assert_eq!((catalogue.file.as_deref(), catalogue.form.delimiter), (Some("items.csv"), Some(b';')));
    assert_eq!((catalogue.mapping.fields.len(), catalogue.mapping.missing.len()), (5, 2));
    assert_eq!(facts.source(FactsTopic::Stock).unwrap().mapping.transform.as_deref(), Some(".rows[]"));
    assert!(facts.source(FactsTopic::Relations).is_none());
    let written = settings.to_toml().unwrap();
    assert_eq!(Settings::load(&file(&written)).unwrap(), settings, "{written}");
}

#[test]
fn a_topic_of_facts_can_be_set_by_the_environment() {
    let layers = variables(&[("SAMENLOOP_FACTS__STOCK__TOPIC", "erp.stock"), ("SAMENLOOP_FACTS__LOW_STOCK", "2.5")]);
    let facts = Settings::load(&layers).unwrap().facts;
    assert_eq!(facts.low_stock, Some(2.5));
    assert_eq!(facts.source(FactsTopic::Stock).unwrap().topic.as_deref(), Some("erp.stock"));
}

#[test]
fn facts_that_cannot_be_right_are_refused_with_section_and_remedy() {
    for (text, part) in [
        ("[facts]\nmemroy = \"1GiB\"", "unknown setting facts.memroy; did you mean facts.memory?"),
        ("[facts]\nwhen_away = \"stop\"", "unknown variant `stop`"),
        ("[facts]\nlow_stock = -1", "facts.low_stock = -1 (file shop.toml): must be 0 to 1000000000, or \"off\""),
        ("[facts]\nmemory = \"1KiB\"", "facts.memory = 1KiB (file shop.toml): must be 1MiB"),
        ("[facts.prices]\ntopic = \"t\"", "unknown setting facts.prices"),
        (
            "[facts.stock]\ntopic = \"t\"\nfile = \"f\"",
            "[facts.stock] (file shop.toml): has both a topic and a file: set one",
        ),
        ("[facts.stock]\nformat = \"json\"", "[facts.stock] (file shop.toml): has neither a topic nor a file"),
        ("[facts.stock]\ntopic = \"t\"\ntransfrom = \".\"", "unknown setting transfrom; did you mean transform?"),
        (
            "[facts.stock]\ntopic = \"t\"\nfields.quantty = \"/q\"",
            "unknown setting fields.quantty; did you mean quantity?",
        ),
        ("[facts.stock]\ntopic = \"t\"\nfields.price = \"/q\"", "unknown setting fields.price"),
        ("[facts.stock]\ntopic = \"t\"\nfields.item = { feld = \"/q\" }", "fields.item.feld; did you mean field?"),
        (
            "[facts.stock]\ntopic = \"t\"\nfields.item = { key = \"\", header = \"h\" }",
            "fields.item: expected a JSON pointer",
        ),
        ("[facts.stock]\ntopic = \"t\"\nfields.item = \"sku\"", "write \"/sku\""),
        ("[facts.stock]\ntopic = \"t\"\nformat = \"csv\"", "has a topic and format = \"csv\", which only files have"),
        ("[facts.stock]\nfile = \"f\"\nformat = \"avro\"", "files hold JSON or rows"),
        ("[facts.stock]\ntopic = \"samenloop.lists\"", "is one of samenloop's own"),
        ("[facts.stock]\ntopic = \"t\"\ntransform = \".[\"", "[facts.stock] (file shop.toml): transform"),
    ] {
        let told = refused(&file(text));
        assert!(told.contains(part), "{text}: {told}");
    }
}
