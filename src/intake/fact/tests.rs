//! What records become facts, and what is refused.

use super::*;
use crate::facts::{Facts, FactsTopic, ItemFacts, Ruling, Stock};
use crate::intake::{FactOriginSpec, Format, Learned, OneOrMore, Plans, Reason, Record, Reject, SchemaId};
use crate::items::fingerprint;
use crate::limits::{ID_BYTES_MAX, LINK_BYTES_MAX, NAME_BYTES_MAX};
use proptest::prelude::*;
use serde::Deserialize as _;
use serde_json::json;

/// A mapping by settings as they stand in a file.
fn mapping(topic: FactsTopic, settings: &str) -> FactMapping {
    spec(topic, settings).compile(Some(3.0)).unwrap_or_else(|error| panic!("{settings}: {error}"))
}

fn spec(topic: FactsTopic, settings: &str) -> FactSpec {
    let table: toml::Table = settings.parse().unwrap();
    let mut spec = FactSpec::new(topic);
    for (name, value) in &table {
        let text = || value.as_str().unwrap().to_owned();
        match name.as_str() {
            "key" => spec.key = text(),
            "transform" => spec.transform = Some(text()),
            name => {
                let field = FactField::of(topic).iter().find(|field| field.name() == name).unwrap();
                let places = OneOrMore::<FactOriginSpec>::deserialize(value.clone()).unwrap();
                spec.fields.insert(field.name(), places);
            }
        }
    }
    spec
}

fn record<'a>(key: Option<&'a str>, value: Option<&'a str>) -> Record<'a> {
    let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
    Record { topic: "facts", key, value, timestamp_ms: Some(1_700_000_000_000), ..Record::default() }
}

/// What comes of a record, told to `facts`.
fn told(mapping: &FactMapping, record: &Record<'_>, facts: &Facts) -> Vec<Result<u32, Reject>> {
    let mut all = Vec::new();
    mapping.decode(&Plans::default(), record, |decoded| {
        all.push(decoded.and_then(|fact| fact.tell(facts).map(|()| fact.shortened)));
    });
    all
}

fn taken(mapping: &FactMapping, value: &str, facts: &Facts) -> u32 {
    let told = told(mapping, &record(None, Some(value)), facts);
    let [Ok(shortened)] = told[..] else { panic!("{value}: {told:?}") };
    shortened
}

fn refused(mapping: &FactMapping, record: &Record<'_>) -> Reject {
    let facts = Facts::new(1 << 30);
    let told = told(mapping, record, &facts);
    assert_eq!((facts.items(), facts.next_change()), (0, 0), "{told:?}");
    let [Err(reject)] = &told[..] else { panic!("{told:?}") };
    reject.clone()
}

fn roomy() -> Facts {
    Facts::new(1 << 30)
}

fn of(facts: &Facts, item: &str) -> ItemFacts {
    facts.of(fingerprint("main", item))
}

#[test]
fn our_own_form_needs_no_mapping() {
    let facts = roomy();
    let catalogue = mapping(FactsTopic::Catalogue, "");
    let value = json!({
        "shop": "main", "item": "A-red", "parent": "A", "category": ["Kitchen", "Knives"], "brand": "Edge", "price": 12.5,
        "currency": "EUR", "active": true, "countable": true, "launched": "2026-03-01", "name": "Knife, red",
        "url": "https://shop.example/a", "image": "https://shop.example/a.png", "parts": ["B", "C"], "something": {"else": 1},
    });
    assert_eq!(taken(&catalogue, &value.to_string(), &facts), 0);
    let red = of(&facts, "A-red");
    assert_eq!((red.family, red.price.map(|price| price.amount)), (fingerprint("main", "A"), Some(12.5)));
    assert_eq!(red.launched_ms, Some(1_772_323_200_000), "a day starts when it starts");
    let way: Vec<String> = facts.category(red.category.unwrap()).iter().map(|name| name.to_string()).collect();
    assert_eq!(way, ["Kitchen", "Knives"]);
    let text = facts.text(fingerprint("main", "A-red")).unwrap();
    assert_eq!((text.name.as_deref(), text.parts.len()), (Some("Knife, red"), 2));
    taken(&mapping(FactsTopic::Stock, ""), r#"{"item":"A-red","quantity":2}"#, &facts);
    assert_eq!(of(&facts, "A-red").stock, Stock::Low, "no more than low_stock");
    let relation = r#"{"anchor":"A","other":"B","kind":"never","until":"2026-12-24"}"#;
    taken(&mapping(FactsTopic::Relations, ""), relation, &facts);
    let never = facts.manual(fingerprint("main", "A")).unwrap().relations[0].clone();
    assert!(never.is_never() && never.holds_at(1_798_156_799_998), "until the end of the day");
    assert!(!never.holds_at(1_798_156_800_000));
    let verdicts = mapping(FactsTopic::Verdicts, "");
    let boost =
        r#"{"list":"bought-together","anchor":"*","other":"B","ruling":"boost","factor":1.5,"who":"Ann","why":"new"}"#;
    taken(&verdicts, boost, &facts);
    let said = facts.everywhere(fingerprint("main", "B")).unwrap().verdicts[0].clone();
    assert_eq!((said.ruling, said.when_ms, &*said.who), (Ruling::Boost(1.5), 1_700_000_000_000, "Ann"));
    taken(&verdicts, r#"{"list":"*","anchor":"A","other":"B","ruling":"pin","position":2}"#, &facts);
    let pin = facts.manual(fingerprint("main", "A")).unwrap().verdicts[0].clone();
    assert_eq!((pin.list, pin.ruling), (None, Ruling::Pin(2)));
}

#[test]
fn what_a_fact_cannot_be_is_refused_with_its_place_and_what_to_do_and_the_former_fact_stays() {
    use FactsTopic::{Catalogue, Relations, Stock, Verdicts};
    let long = "x".repeat(ID_BYTES_MAX + 1);
    let (with_long, long_part) = (format!(r#"{{"item":"{long}"}}"#), format!(r#"{{"item":"A","parts":["{long}"]}}"#));
    let cases: [(FactsTopic, &str, Reason, &str); 36] = [
        (Catalogue, r#"{"item":"A","price":"€ 1.299,00"}"#, Reason::BadNumber, "number = \"1234.56\""),
        (Catalogue, r#"{"item":"A","price":"1.299,00"}"#, Reason::BadNumber, "say how they are"),
        (Catalogue, r#"{"item":"A","price":"NaN"}"#, Reason::BadNumber, "price (/price, to column 25)"),
        (Catalogue, r#"{"item":"A","price":"Infinity"}"#, Reason::BadNumber, ""),
        (Catalogue, r#"{"item":"A","price":"1e3"}"#, Reason::BadNumber, ""),
        (Catalogue, r#"{"item":"A","price":-0.01}"#, Reason::BadNumber, "a price is 0 or more"),
        (Catalogue, r#"{"item":"A","price":true}"#, Reason::BadType, "no number"),
        (Catalogue, r#"{"item":"A","price":{"amount":1}}"#, Reason::BadType, "an object"),
        (Catalogue, r#"{"item":"A","price":1e999}"#, Reason::BadJson, "out of range"),
        (Catalogue, r#"{"price":1}"#, Reason::MissingField, "a fact needs it"),
        (Catalogue, r#"{"item":""}"#, Reason::EmptyId, ""),
        (Catalogue, &with_long, Reason::IdTooLong, "257 bytes"),
        (Catalogue, &long_part, Reason::IdTooLong, "257 bytes"),
        (Catalogue, r#"{"item":"A","shop":"a/b"}"#, Reason::BadId, "slash"),
        (Catalogue, r#"{"item":"A","active":"perhaps"}"#, Reason::UnknownWord, "none of true, false"),
        (Catalogue, r#"{"item":"A","launched":"soon"}"#, Reason::BadTime, "soon"),
        (Catalogue, r#"{"item":"A","launched":[1]}"#, Reason::BadType, ""),
        (Catalogue, r#"{"item":"A","category":[["a"]]}"#, Reason::BadType, "an array of names"),
        (Catalogue, r#"{"item":"A","category":{"a":1}}"#, Reason::BadType, "an array of names"),
        (Catalogue, r#"{"item":"A","name":["x"]}"#, Reason::BadType, "no text"),
        (Catalogue, "[]", Reason::NotAnObject, "a transform makes a fact of each element"),
        (Catalogue, "{", Reason::BadJson, ""),
        (Stock, r#"{"item":"A"}"#, Reason::MissingField, "quantity"),
        (Stock, r#"{"item":"A","quantity":"many"}"#, Reason::BadNumber, ""),
        (Stock, r#"{"item":"A","state":"gone"}"#, Reason::UnknownWord, "in, low, out"),
        (Relations, r#"{"anchor":"A","other":"B","kind":"friend"}"#, Reason::UnknownWord, "complement"),
        (Relations, r#"{"anchor":"A","other":"B"}"#, Reason::MissingField, "kind"),
        (Relations, r#"{"anchor":"A","other":"B","kind":"upsell","position":0}"#, Reason::BadNumber, "1 to 1000"),
        (Relations, r#"{"anchor":"A","other":"B","kind":"upsell","position":1.5}"#, Reason::BadNumber, "1 to 1000"),
        (Verdicts, r#"{"list":"*","anchor":"A","other":"B","ruling":"ban"}"#, Reason::UnknownWord, "approve"),
        (
            Verdicts,
            r#"{"list":"no-list","anchor":"A","other":"B","ruling":"reject"}"#,
            Reason::UnknownWord,
            "bought-together",
        ),
        (Verdicts, r#"{"list":"*","other":"B","ruling":"reject"}"#, Reason::MissingField, "anchor"),
        (Verdicts, r#"{"list":"*","anchor":"A","other":"B","ruling":"pin"}"#, Reason::MissingField, "position"),
        (
            Verdicts,
            r#"{"list":"*","anchor":"A","other":"B","ruling":"boost","factor":2.01}"#,
            Reason::BadNumber,
            "0.5 to 2",
        ),
        (Verdicts, r#"{"list":"*","anchor":"A","other":"B","ruling":"boost","factor":"NaN"}"#, Reason::BadNumber, ""),
        (
            Verdicts,
            r#"{"list":"*","anchor":"A","other":"B","ruling":"pin","position":1001}"#,
            Reason::BadNumber,
            "1 to 1000",
        ),
    ];
    for (topic, value, reason, part) in cases {
        let reject = refused(&mapping(topic, ""), &record(Some("main/A"), Some(value)));
        assert_eq!(reject.reason, reason, "{value}: {reject}");
        assert!(reject.message.contains(part), "{value}: {reject}");
    }
    let facts = roomy();
    let catalogue = mapping(Catalogue, "");
    taken(&catalogue, r#"{"item":"A","price":7}"#, &facts);
    let bad = told(&catalogue, &record(None, Some(r#"{"item":"A","price":"7,50"}"#)), &facts);
    assert!(bad[0].is_err());
    assert_eq!(of(&facts, "A").price.map(|price| price.amount), Some(7.0));
}

#[test]
fn stock_is_what_a_quantity_and_a_state_leave() {
    let stock = mapping(FactsTopic::Stock, r#"state = { field = "/state", values = { A = "in", B = "out" } }"#);
    let facts = roomy();
    for (value, expected) in [
        (json!({"item": "A", "quantity": 4}), Stock::In),
        (json!({"item": "A", "quantity": 3}), Stock::Low),
        (json!({"item": "A", "quantity": "0"}), Stock::Out),
        (json!({"item": "A", "quantity": 0.5}), Stock::Low),
        (json!({"item": "A", "quantity": -12}), Stock::Out),
        (json!({"item": "A", "quantity": 9, "state": "B"}), Stock::Out),
        (json!({"item": "A", "quantity": 0, "state": "A"}), Stock::Out),
        (json!({"item": "A", "state": "A"}), Stock::In),
    ] {
        taken(&stock, &value.to_string(), &facts);
        assert_eq!(of(&facts, "A").stock, expected, "{value}");
    }
    let unknown = refused(&stock, &record(None, Some(r#"{"item":"A","state":"in"}"#)));
    assert_eq!(unknown.reason, Reason::UnknownWord, "with values, words are theirs: {unknown}");
}

#[test]
fn numbers_are_read_as_the_settings_say_they_are_written() {
    let price = |number: &str, text: &str| {
        let settings = format!(r#"price = {{ field = "/price", number = "{number}" }}"#);
        let facts = roomy();
        let value = json!({"item": "A", "price": text}).to_string();
        let told = told(&mapping(FactsTopic::Catalogue, &settings), &record(None, Some(&value)), &facts);
        told[0].is_ok().then(|| of(&facts, "A").price.unwrap().amount)
    };
    for (number, text, expected) in [
        ("1.234,56", "€ 1.299,00", Some(1299.0)),
        ("1.234,56", "1299,5", Some(1299.5)),
        ("1.234,56", "12,-", Some(12.0)),
        ("1.234,56", "1.299", Some(1299.0)),
        ("1.234,56", "1.29", None),
        ("1.234,56", "1,299.00", None),
        ("1.234,56", "-3,00", None),
        ("1,234.56", "$1,234,567.80", Some(1_234_567.8)),
        ("1,234.56", "1234.5 USD", Some(1234.5)),
        ("1 234,56", "1\u{a0}234,50 €", Some(1234.5)),
        ("1'234.56", "Fr. 1\u{2019}234.50", Some(1234.5)),
        ("1234,56", "12,5", Some(12.5)),
        ("1234,56", "12.5", None),
        ("1234.56", "", None),
        ("1234.56", "EUR", None),
        ("1234.56", "1.2.3", None),
        ("1234.56", "12 34", None),
    ] {
        if text.is_empty() {
            continue; // nothing stands there: no price
        }
        assert_eq!(price(number, text), expected, "{number}: {text}");
    }
    let none = roomy();
    taken(&mapping(FactsTopic::Catalogue, ""), r#"{"item":"A","price":""}"#, &none);
    assert_eq!(of(&none, "A").price, None);
    taken(&mapping(FactsTopic::Catalogue, ""), r#"{"item":"A","price":" 12.50 "}"#, &none);
    assert_eq!(of(&none, "A").price.unwrap().amount, 12.5);
}

#[test]
fn categories_come_as_arrays_or_texts_and_deep_ones_end_at_their_sixteenth_level() {
    let by_text = mapping(FactsTopic::Catalogue, r#"category = { field = "/category", separator = ">" }"#);
    let facts = roomy();
    let way = |value: serde_json::Value, mapping: &FactMapping| {
        taken(mapping, &value.to_string(), &facts);
        of(&facts, "A").category.map(|id| facts.category(id).len()).unwrap_or(0)
    };
    let levels: Vec<String> = (0..50).map(|level| format!("level {level}")).collect();
    assert_eq!(way(json!({"item": "A", "category": levels}), &mapping(FactsTopic::Catalogue, "")), 16);
    assert_eq!(way(json!({"item": "A", "category": levels.join(" > ")}), &by_text), 16);
    assert_eq!(way(json!({"item": "A", "category": "Kitchen > > Knives > "}), &by_text), 2);
    assert_eq!(way(json!({"item": "A", "category": "Kitchen > Knives"}), &mapping(FactsTopic::Catalogue, "")), 1);
    assert_eq!(way(json!({"item": "A", "category": ["a", null, "", "b"]}), &by_text), 2);
    assert_eq!(way(json!({"item": "A", "category": []}), &by_text), 0);
}

#[test]
fn what_is_too_long_for_people_is_cut_or_left_out_and_counted() {
    let facts = roomy();
    let (name, url) = ("é".repeat(NAME_BYTES_MAX), "u".repeat(LINK_BYTES_MAX + 1));
    let value = json!({"item": "A", "name": name, "url": url, "image": "i", "brand": "a\tb"}).to_string();
    assert_eq!(taken(&mapping(FactsTopic::Catalogue, ""), &value, &facts), 2);
    let text = facts.text(fingerprint("main", "A")).unwrap();
    assert_eq!((text.name.as_ref().unwrap().len(), text.url.as_deref(), text.image.as_deref()), (512, None, Some("i")));
}

#[test]
fn a_tombstone_takes_away_what_its_key_says() {
    let facts = roomy();
    let stock = mapping(FactsTopic::Stock, "");
    for (item, key) in [("A", "main/A"), ("A", "A"), ("a/b%", "main/a%2Fb%25"), ("50% off", "main/50% off")] {
        taken(&stock, &json!({"item": item, "quantity": 0}).to_string(), &facts);
        assert_eq!(of(&facts, item).stock, Stock::Out);
        assert_eq!(told(&stock, &record(Some(key), None), &facts), [Ok(0)], "{key}");
        assert_eq!(of(&facts, item).stock, Stock::In, "{key}");
    }
    let alone = mapping(FactsTopic::Stock, r#"key = "item""#);
    taken(&alone, r#"{"item":"a/b%2F","quantity":0}"#, &facts);
    assert_eq!(told(&alone, &record(Some("a/b%2F"), None), &facts), [Ok(0)], "a single id is what stands there");
    assert_eq!(facts.items(), 0);
    let object = mapping(FactsTopic::Relations, "key = \"json\"");
    taken(&object, r#"{"shop":"b2b","anchor":"A","other":"B","kind":"upsell"}"#, &facts);
    let key = r#"{"shop":"b2b","anchor":"A","other":"B","kind":"upsell"}"#;
    assert_eq!(told(&object, &record(Some(key), None), &facts), [Ok(0)]);
    assert_eq!(facts.manual(fingerprint("b2b", "A")), None);
    let verdicts = mapping(FactsTopic::Verdicts, "");
    taken(&verdicts, r#"{"list":"*","anchor":"*","other":"B","ruling":"reject"}"#, &facts);
    assert_eq!(told(&verdicts, &record(Some("main/*/*/B"), None), &facts), [Ok(0)]);
    assert_eq!(facts.everywhere(fingerprint("main", "B")), None);
    let deleted = mapping(FactsTopic::Catalogue, r#"deleted = { field = "/op", values = { d = true, c = false } }"#);
    taken(&deleted, r#"{"item":"A","price":7,"op":"c"}"#, &facts);
    taken(&deleted, r#"{"item":"A","price":"whatever","op":"d"}"#, &facts);
    assert_eq!((of(&facts, "A").price, facts.items()), (None, 0));
}

#[test]
fn a_tombstone_with_a_key_in_avro_waits_for_the_schema_of_its_key_and_takes_away_what_that_says() {
    let text = |text: &str| [&[u8::try_from(2 * text.len()).unwrap()][..], text.as_bytes()].concat();
    let wire = |datum: &[u8]| [&[0, 0, 0, 0, 7][..], datum].concat();
    let fields = r#"[{"name":"item","type":"string"},{"name":"shop","type":"string"}]"#;
    let of_two = format!(r#"{{"type":"record","name":"Key","fields":{fields}}}"#);
    for (schema, datum) in [(of_two.as_str(), [text("A"), text("main")].concat()), (r#""string""#, text("main/A"))] {
        let spec = FactSpec { key_format: Format::Avro, ..FactSpec::new(FactsTopic::Stock) };
        let mapping = spec.compile(None).unwrap();
        let (facts, key, mut plans) = (roomy(), wire(&datum), Plans::default());
        taken(&mapping, r#"{"item":"A","quantity":0}"#, &facts);
        let tombstone = Record { key: Some(&key), ..record(None, None) };
        assert_eq!(mapping.form().missing_schema(&plans, &tombstone), Some(SchemaId(7)));
        mapping.form().learn(&mut plans, SchemaId(7), Learned::Schema(schema));
        assert_eq!(mapping.form().missing_schema(&plans, &tombstone), None);
        mapping.decode(&plans, &tombstone, |fact| fact.unwrap().tell(&facts).unwrap());
        assert_eq!(facts.items(), 0, "{schema}");
        let cut = Record { key: Some(&key[..7]), ..tombstone };
        mapping.decode(&plans, &cut, |fact| assert_eq!(fact.unwrap_err().reason, Reason::BadKey));
    }
}

#[test]
fn a_tombstone_whose_key_says_nothing_is_refused() {
    let settings =
        [("", None), ("", Some("a/b/c")), ("key = \"json\"", Some("main/A")), ("key = \"json\"", Some("{}"))];
    for (settings, key) in settings {
        let reject = refused(&mapping(FactsTopic::Stock, settings), &record(key, None));
        assert_eq!(reject.reason, Reason::BadKey, "{key:?}: {reject}");
    }
    let not_text = Record { key: Some(b"\xFF"), ..record(None, None) };
    assert_eq!(refused(&mapping(FactsTopic::Stock, ""), &not_text).reason, Reason::BadKey);
    assert_eq!(refused(&mapping(FactsTopic::Stock, ""), &record(Some("main/"), None)).reason, Reason::EmptyId);
    let kind = refused(&mapping(FactsTopic::Relations, ""), &record(Some("main/A/B/x"), None));
    assert_eq!(kind.reason, Reason::UnknownWord);
}

#[test]
fn settings_that_cannot_be_right_are_refused_at_start() {
    for (topic, settings, part) in [
        (FactsTopic::Catalogue, r#"price = { field = "/p", number = "1,5" }"#, "write 1234.56 as the numbers are"),
        (FactsTopic::Catalogue, r#"price = { field = "/p", unit = "ms" }"#, "for times only"),
        (FactsTopic::Catalogue, r#"name = { field = "/n", values = { a = "b" } }"#, "for words"),
        (FactsTopic::Catalogue, r#"name = { field = "/n", separator = ">" }"#, "for category and parts"),
        (FactsTopic::Catalogue, r#"item = { field = "/n", number = "1234.56" }"#, "for prices"),
        (FactsTopic::Catalogue, r#"item = "sku""#, "is not a JSON pointer"),
        (FactsTopic::Catalogue, r#"key = "sku""#, "\"sku\" is none of its ids"),
        (FactsTopic::Relations, r#"key = "anchor/other""#, "does not say the kind"),
        (FactsTopic::Verdicts, r#"when = [{ record = "timestamp" }, "/at"]"#, "no place is ever looked at"),
    ] {
        let error = spec(topic, settings).compile(None).expect_err(settings).to_string();
        assert!(error.contains(part), "{settings}: {error}");
    }
    spec(FactsTopic::Relations, "key = \"anchor/other\"\nkind = { constant = \"upsell\" }").compile(None).unwrap();
}

#[test]
fn a_transform_makes_several_facts_of_a_record_and_each_is_told_or_refused_for_itself() {
    let stock = mapping(FactsTopic::Stock, "transform = '.rows[] | {item: .sku, quantity: .n}'");
    let facts = roomy();
    let value = r#"{"rows":[{"sku":"A","n":0},{"sku":"B","n":"x"},{"sku":"C","n":0}]}"#;
    let told = told(&stock, &record(None, Some(value)), &facts);
    assert_eq!(told.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(["A", "B", "C"].map(|item| of(&facts, item).stock), [Stock::Out, Stock::In, Stock::Out]);
}

#[test]
fn what_the_table_does_not_take_is_a_reject() {
    let facts = roomy();
    let catalogue = mapping(FactsTopic::Catalogue, "");
    taken(&catalogue, r#"{"item":"A","parent":"B"}"#, &facts);
    taken(&catalogue, r#"{"item":"B","parent":"B","price":5}"#, &facts); // its own parent is none
    let told_of = |value: &str, facts: &Facts| told(&catalogue, &record(None, Some(value)), facts)[0].clone();
    assert_eq!(told_of(r#"{"item":"B","parent":"A","price":6}"#, &facts).unwrap_err().reason, Reason::BadParent);
    assert_eq!(of(&facts, "B").price.unwrap().amount, 6.0, "the rest of it counts");
    let full = Facts::new(10);
    assert_eq!(told_of(r#"{"item":"B","name":"b"}"#, &full).unwrap_err().reason, Reason::NoMemory);
}

#[test]
fn the_reference_explains_every_reason_and_field() {
    let reference = include_str!("../../../docs/facts.md");
    for reason in Reason::OF_FACTS {
        assert!(reference.contains(&format!("| `{}` |", reason.name())), "{} is not in docs/facts.md", reason.name());
    }
    for field in FactsTopic::ALL.into_iter().flat_map(FactField::of) {
        assert!(reference.contains(&format!("`{}`", field.name())), "{} is not in docs/facts.md", field.name());
    }
}

proptest! {
    #[test]
    fn any_record_is_facts_or_a_reject(
        value in r#"\{("(item|anchor|other|kind|list|ruling|quantity|price|category|position)":("[a-z0-9.,*%/ €-]{0,8}"|-?[0-9]{1,4}(\.5)?|null|true|\[1,"a"\]),?){0,6}\}?"#,
        key in "[a-z0-9/%*{}\"]{0,20}", topic in 0_usize..4, has_value in any::<bool>(),
    ) {
        let mapping = mapping(FactsTopic::ALL[topic], "");
        let value = value.replace(",}", "}");
        let record = record(Some(&key), has_value.then_some(&*value));
        prop_assert_eq!(told(&mapping, &record, &roomy()).len(), 1);
    }
}
