//! Avro records by case: what is read, what is refused, and with which words.

mod evolution;
mod oracle;

use super::*;
use crate::limits::LINES_MAX;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value as Json, json};

/// All that an event has, most of it nullable; `seen` and `next` are never mapped.
const EVENT: &str = r#"{"type": "record", "name": "shop.Event", "fields": [
    {"name": "type", "type": {"type": "enum", "name": "Kind", "symbols": ["view", "cart", "order"]}},
    {"name": "seen", "type": {"type": "map", "values": {"type": "array", "items": "double"}}},
    {"name": "user", "type": ["null", "string", "long"]},
    {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "item", "type": ["null", "string"]},
    {"name": "order_id", "type": ["null", "long"]},
    {"name": "lines", "type": ["null", {"type": "array", "items":
        {"type": "record", "name": "Line", "fields": [{"name": "price", "type": "float"}, {"name": "item", "type": "string"}]}}]},
    {"name": "next", "type": ["null", "Event"]}
]}"#;

const ID: SchemaId = SchemaId(7);

/// `value` as its writer would encode it.
pub fn datum(schema: &str, value: Json) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(schema).unwrap();
    let value = AvroValue::try_from(value).unwrap().resolve(&schema).unwrap();
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap()
}

/// The same in the wire format.
pub fn wire(datum: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 7], datum].concat()
}

/// Plans that know `schema` by [`ID`].
pub fn plans(mapping: &Mapping, schema: &str) -> Plans {
    let mut plans = Plans::default();
    mapping.learn(&mut plans, ID, Learned::Schema(schema));
    plans
}

fn avro(toml: &str) -> Mapping {
    mapping(&format!("format = \"avro\"\n{toml}"))
}

fn of(value: &[u8]) -> Record<'_> {
    Record { topic: "clicks", value: Some(value), ..Record::default() }
}

fn event_json() -> Json {
    json!({"type": "order", "seen": {"a": [1.5]}, "user": "u1", "ts": MORNING_MS, "item": null, "order_id": 5,
           "lines": [{"price": 1.0, "item": "a"}, {"price": 2.0, "item": "b"}], "next": null})
}

fn refused(mapping: &Mapping, plans: &Plans, value: &[u8]) -> Reject {
    intake().admit_record(mapping, plans, &of(value), Now::default()).unwrap_err()
}

/// A reason for each of some records of Avro, for the test that asks for all reasons.
pub fn reasons() -> Vec<Reason> {
    let mapping = avro("");
    let mut plans = plans(&mapping, EVENT);
    mapping.learn(&mut plans, SchemaId(8), Learned::NotFound);
    mapping.learn(&mut plans, SchemaId(9), Learned::Schema("{"));
    [&b"{}"[..], &[0, 0, 0, 0, 8], &[0, 0, 0, 0, 9]].map(|value| refused(&mapping, &plans, value).reason).to_vec()
}

#[test]
fn an_event_is_read_from_the_wire_format_and_bare() {
    let bare = datum(EVENT, event_json());
    let wired = wire(&bare);
    let (by_id, by_file) = (avro(""), avro("").with_schemas(Some(EVENT), None).unwrap());
    let (plans, none) = (plans(&by_id, EVENT), Plans::default());
    for (mapping, plans, value) in [(&by_id, &plans, &wired), (&by_file, &none, &bare)] {
        assert_eq!(mapping.missing_schema(plans, &of(value)), None);
        let event = intake().admit_record(mapping, plans, &of(value), Now::default()).unwrap().unwrap().event;
        assert_eq!((&*event.shop, &*event.user, event.time), ("main", "u1", EventTime(MORNING_MS)));
        let lines = ["a", "b"].map(Into::into).to_vec();
        assert_eq!(
            event.action,
            Action::Order { step: OrderStep::State, order_id: "5".into(), version: None, items: lines, money: None }
        );
        assert!(value.as_ptr_range().contains(&event.user.as_ptr()), "borrowed");
    }
}

#[test]
fn what_a_source_needs_to_know_is_asked_for_once() {
    let mapping = avro("key_format = \"avro\"\nfields.user = { key = \"/id\" }");
    let mut plans = Plans::default();
    let (value, key) = ([0, 0, 0, 1, 2], [0, 0, 0, 0, 9]);
    let record = Record { key: Some(&key), ..of(&value) };
    assert_eq!(mapping.missing_schema(&plans, &record), Some(SchemaId(258)));
    mapping.learn(&mut plans, SchemaId(258), Learned::NotFound);
    assert_eq!(mapping.missing_schema(&plans, &record), Some(SchemaId(9)), "then the key's");
    mapping.learn(&mut plans, SchemaId(9), Learned::Schema("\"string\""));
    assert_eq!(mapping.missing_schema(&plans, &record), None);
    assert_eq!(mapping.missing_schema(&Plans::default(), &Record { value: None, ..record }), None, "a tombstone");
    assert_eq!(mapping.missing_schema(&Plans::default(), &Record { key: None, ..of(b"{}") }), None);
    assert_eq!(avro("").missing_schema(&Plans::default(), &Record { key: Some(&key), ..of(b"\0\0") }), None);
    let json = super::mapping("");
    assert_eq!(json.missing_schema(&Plans::default(), &record), None);
}

#[test]
fn a_null_value_is_a_skip_and_a_schema_that_is_not_known_a_reject() {
    let mapping = avro("");
    let plans = plans(&mapping, EVENT);
    assert_eq!(mapping.decode(&plans, &Record { key: Some(b"k"), ..Record::default() }), Ok(None));
    let found = refused(&mapping, &plans, &[0, 0, 0, 0, 1, 9]);
    assert_eq!(found.reason, Reason::UnknownSchema);
    assert!(found.message.starts_with("the record has schema 1, which the registry does not know"), "{found}");
}

#[test]
fn the_schemas_of_a_source_have_a_limit_that_ids_without_one_do_not_use_up() {
    let mapping = avro("");
    let mut plans = Plans::default();
    let header = |id: u32| [&[0][..], &id.to_be_bytes()].concat();
    for id in 0..25_000 {
        mapping.learn(&mut plans, SchemaId(1_000_000 + id), Learned::NotFound);
        assert_eq!(mapping.missing_schema(&plans, &of(&header(1_000_000 + id))), None, "it is known at least now");
    }
    for id in 0..u32::try_from(SCHEMAS_MAX).unwrap() {
        assert_eq!(mapping.missing_schema(&plans, &of(&header(id))), Some(SchemaId(id)));
        mapping.learn(&mut plans, SchemaId(id), Learned::Schema("\"string\""));
    }
    mapping.learn(&mut plans, SchemaId(500_000), Learned::Schema("\"string\""));
    assert_eq!(mapping.missing_schema(&plans, &of(&header(500_000))), None, "no more are asked for");
    let found = refused(&mapping, &plans, &header(500_000));
    assert!(found.reason == Reason::UnknownSchema && found.message.contains("10000 others are known"), "{found}");
    assert_eq!(refused(&mapping, &plans, &[header(3), vec![0]].concat()).reason, Reason::NotAnObject);
}

#[test]
fn what_is_not_avro_by_its_schema_is_refused_with_place_and_remedy() {
    let mapping = avro("");
    let plans = plans(&mapping, EVENT);
    let good = wire(&datum(EVENT, event_json()));
    let with = |place: usize, bytes: &[u8]| [&good[..place], bytes, &good[place + 1..]].concat();
    let of_line = good.iter().rposition(|&byte| byte == b'b').unwrap() - 1;
    let cases = [
        (
            b"{\"type\":1}".to_vec(),
            "does not start with byte 0 and a schema id, and looks like JSON: set format = \"json\"",
        ),
        (vec![2, 8], "if it is JSON, set format = \"json\"; bare Avro needs its schema_file"),
        (vec![0, 0, 0], "has 3 bytes, fewer than byte 0 and a schema id have; it was cut"),
        (vec![], "has 0 bytes"),
        (good[..5].to_vec(), "at byte 5 in /type: the data ends within a number"),
        (good[..good.len() - 1].to_vec(), "in /next: the data ends within a number"),
        ([&good[..], &[0, 0]].concat(), "2 more bytes than its schema has"),
        (with(5, &[6]), "at byte 5 in /type: a symbol that is none of 3"),
        (with(5, &[1]), "at byte 5 in /type: a symbol that is none of 3"),
        (with(6, &[0xFF; 10]), "at byte 6 in /seen: a number beyond 64 bits"),
        (with(6, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2]), "in /seen: a number beyond 64 bits"),
        (with(7, &[0x7F]), "at byte 7 in /seen: a negative length"),
        (with(7, &[0xFE, 0x0F]), "at byte 7 in /seen: a length beyond the "),
        (with(of_line, &[0x80, 0x80, 0x80, 0x80, 0x10]), "in /lines/1/item: a length beyond the 3 bytes that are left"),
        (with(of_line + 1, &[0xFF]), "in /lines/1/item: text that is not UTF-8"),
        (with(good.len() - 1, &[9]), "in /next: a branch that is none of 2"),
    ];
    for (value, message) in cases {
        let found = refused(&mapping, &plans, &value);
        assert_eq!(found.reason, Reason::BadAvro, "{value:?} {found}");
        assert!(found.message.contains(message), "{found}\nnot {message}");
        assert!(!found.message.contains("u1"));
    }
    let found = refused(&mapping, &plans, &good[..5]).message;
    assert!(
        found.starts_with("the record is not Avro by schema 7: ") && found.contains("mend its producer"),
        "{found}"
    );
}

#[test]
fn a_fault_in_a_field_names_the_byte_where_its_value_ends() {
    let mapping = avro("fields.user = \"/seen\"\nfields.item = \"/lines/1/item\"");
    let of_seen = plans(&mapping, EVENT);
    let value = wire(&datum(EVENT, event_json()));
    let found = refused(&mapping, &of_seen, &value);
    let seen = value.iter().position(|&byte| byte == b'a').unwrap() + 1 + 10 + 1;
    assert_eq!(
        found.to_string(),
        format!(
            "bad_type: user (/seen, to byte {seen}): an object; an id is text or a whole number: map the field that holds it"
        )
    );
    let blank = avro("");
    let plans = plans(&blank, EVENT);
    let mut json = event_json();
    json["lines"][1]["item"] = json!("");
    let value = wire(&datum(EVENT, json));
    let found = refused(&blank, &plans, &value);
    let end = value.len() - 2;
    let start = format!("empty_id: line_item (/item of line 2 in /lines, to byte {end}): ");
    assert!(found.to_string().starts_with(&start), "{found}\n{start}");
}

#[test]
fn blocks_that_say_their_length_are_read_and_skipped() {
    let schema = r#"{"type": "record", "name": "E", "fields": [{"name": "lines", "type": {"type": "array", "items": "string"}},
        {"name": "more", "type": {"type": "map", "values": "long"}}, {"name": "user", "type": "string"}]}"#;
    // Two lines in a block of 4 bytes, one in a plain block; a map of one entry, 3 bytes.
    let value = |first: u8, entries: u8| {
        wire(&[&[3, first, 2, b'a', 2, b'b', 2, 2, b'c', 0][..], &[1, entries, 2, b'k', 8, 0, 2, b'u']].concat())
    };
    let lines = avro("type = \"order\"\nfields.time = { record = \"timestamp\" }\nfields.line_item = \"\"");
    let mapped = avro(
        "type = \"view\"\nfields.time = { record = \"timestamp\" }\nfields.item = [\"/lines/2\", \"/more/k\"]\nfields.lines = \"/none\"",
    );
    let decoded = |mapping: &Mapping, value: &[u8]| {
        let plans = plans(mapping, schema);
        let record = Record { timestamp_ms: Some(MORNING_MS), ..of(value) };
        mapping.decode(&plans, &record).map(|event| items(&event.unwrap().action))
    };
    assert_eq!(decoded(&lines, &value(8, 6)).unwrap(), ["a", "b", "c"]);
    assert_eq!(decoded(&mapped, &value(8, 6)).unwrap(), ["c"]);
    for (first, entries) in [(6, 6), (10, 6), (8, 4), (8, 100), (7, 6)] {
        let found = decoded(&mapped, &value(first, entries)).unwrap_err();
        assert_eq!(found.reason, Reason::BadAvro, "{found}");
    }
    let found = decoded(&lines, &value(10, 6)).unwrap_err();
    assert!(found.message.contains("in /lines: a block that ends at byte 12 by its own word"), "{found}");
}

#[test]
fn claims_without_bytes_cost_nothing() {
    let nulls =
        r#"{"type": "record", "name": "E", "fields": [{"name": "lines", "type": {"type": "array", "items": "null"}}]}"#;
    // Each record holds the one before twice, the last so 2^59 of them.
    let levels = (1..60).map(|level| {
        let fields = ["a", "b"].map(|name| json!({"name": name, "type": format!("R{}", level - 1)}));
        json!({"name": format!("f{level}"), "type": {"type": "record", "name": format!("R{level}"), "fields": fields}})
    });
    let empty = json!({"name": "f0", "type": {"type": "record", "name": "R0", "fields": []}});
    let bomb: Vec<Json> = [empty].into_iter().chain(levels).collect();
    let bomb = json!({"type": "record", "name": "Bomb", "fields": bomb}).to_string();
    let bomb_wanted = "type = \"view\"\nfields.user = \"/f59/a/b/a\"";
    let claim = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
    for (schema, toml, datum) in [
        (nulls, "", &claim[..]),
        (nulls, "fields.lines = \"/none\"", &claim[..]),
        (&bomb[..], "", &[]),
        (&bomb[..], bomb_wanted, &[]),
    ] {
        let mapping = avro(toml);
        let found = refused(&mapping, &plans(&mapping, schema), &wire(datum));
        assert_eq!(found.reason, Reason::BadAvro, "{found}");
        assert!(found.message.contains("more than 10000 values, and 8 for each byte"), "{found}");
    }
}

#[test]
fn an_order_of_too_many_lines_is_counted_and_refused() {
    let schema =
        r#"{"type": "record", "name": "E", "fields": [{"name": "lines", "type": {"type": "array", "items": "int"}}]}"#;
    let mapping = avro(
        "type = \"order\"\nfields.user = { constant = \"u\" }\nfields.time = { record = \"timestamp\" }\nfields.line_item = \"\"",
    );
    let plans = plans(&mapping, schema);
    let lines = |count: usize| wire(&datum(schema, json!({"lines": vec![1; count]})));
    let taken = |value: &[u8]| {
        let record = Record { timestamp_ms: Some(MORNING_MS), ..of(value) };
        mapping.decode(&plans, &record).map(|event| items(&event.unwrap().action).len())
    };
    assert_eq!(taken(&lines(LINES_MAX)), Ok(LINES_MAX));
    let found = taken(&lines(LINES_MAX + 1)).unwrap_err();
    assert!(found.reason == Reason::TooManyLines && found.message.contains("100001 lines"), "{found}");
}

#[test]
fn nesting_has_a_limit_wanted_or_not() {
    let schema = r#"{"type": "record", "name": "E", "fields": [{"name": "user", "type": "int"}, {"name": "next", "type": ["null", "E"]}]}"#;
    let mapping = avro("type = \"view\"\nfields.time = { record = \"timestamp\" }\nfields.item = \"/next/next/user\"");
    let plans = plans(&mapping, schema);
    let nested = |depth: usize| wire(&[&[2, 2].repeat(depth - 1)[..], &[2, 0]].concat());
    let taken = |value: &[u8]| {
        let record = Record { timestamp_ms: Some(MORNING_MS), ..of(value) };
        mapping.decode(&plans, &record).map(|event| items(&event.unwrap().action))
    };
    assert_eq!(taken(&nested(DEPTH_MAX)).unwrap(), ["1"]);
    let found = taken(&nested(DEPTH_MAX + 1)).unwrap_err();
    assert!(found.reason == Reason::BadAvro && found.message.contains("nested deeper than 127"), "{found}");
    assert_eq!(taken(&nested(1_000_000)).unwrap_err().reason, Reason::BadAvro);
}

#[test]
fn the_unit_of_a_logical_type_wins_over_the_settings() {
    let day_ms = 1_699_920_000_000;
    let cases = [
        (json!({"type": "long", "logicalType": "timestamp-millis"}), json!(MORNING_MS), MORNING_MS),
        (json!({"type": "long", "logicalType": "local-timestamp-millis"}), json!(MORNING_MS), MORNING_MS),
        (json!({"type": "long", "logicalType": "timestamp-micros"}), json!(MORNING_MS * 1000 + 999), MORNING_MS),
        (json!({"type": "long", "logicalType": "local-timestamp-micros"}), json!(MORNING_MS * 1000), MORNING_MS),
        (json!({"type": "long", "logicalType": "timestamp-nanos"}), json!(MORNING_MS * 1_000_000), MORNING_MS),
        (json!({"type": "int", "logicalType": "date"}), json!(day_ms / 86_400_000), day_ms),
        (json!(["null", {"type": "long", "logicalType": "timestamp-micros"}]), json!(MORNING_MS * 1000), MORNING_MS),
        // None of its own: the unit of the settings, seconds.
        (json!("long"), json!(1_700_000_000), 1_700_000_000_000),
        (json!("double"), json!(1_700_000_000.123), MORNING_MS),
        (json!("string"), json!("1700000000.123"), MORNING_MS),
        (json!({"type": "long", "logicalType": "unheard-of"}), json!(1_700_000_000), 1_700_000_000_000),
    ];
    let mapping = avro("type = \"view\"\nfields.time = { field = \"/at\", unit = \"s\" }");
    for (of_time, written, time_ms) in cases {
        let schema = json!({"type": "record", "name": "E", "fields": [{"name": "user", "type": "string"},
            {"name": "item", "type": "string"}, {"name": "at", "type": of_time}]})
        .to_string();
        let value = wire(&datum(&schema, json!({"user": "u", "item": "i", "at": written})));
        let plans = plans(&mapping, &schema);
        let event = intake().admit_record(&mapping, &plans, &of(&value), Now::default());
        assert_eq!(event.unwrap().unwrap().event.time, EventTime(time_ms), "{schema}");
    }
    let schema = r#"{"type": "record", "name": "E", "fields": [{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "user", "type": "string"}, {"name": "item", "type": "string"}]}"#;
    let plans = plans(&mapping, schema);
    let message = |at: i64| {
        refused(&mapping, &plans, &wire(&datum(schema, json!({"at": at, "user": "u", "item": "i"})))).to_string()
    };
    assert!(message(1_700_000_000).contains("1970-01-20T16:13:20Z read as timestamp-millis by its schema lies before"));
    assert!(message(MORNING_MS * 1000).contains("beyond the year 9999 in timestamp-millis, as its schema says"));
}

#[test]
fn scalars_become_ids_as_they_would_in_json() {
    let number = json!({"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 0});
    let price = json!({"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2});
    let uuid = json!({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"});
    let plain = json!({"type": "fixed", "name": "F", "size": 2});
    let time = json!({"type": "long", "logicalType": "timestamp-micros"});
    let id_of = "00010203-0405-0607-0809-0a0b0c0d0eff";
    let cases: [(Json, Vec<u8>, Result<&str, Reason>); 19] = [
        (json!("int"), vec![3], Ok("-2")),
        (json!("long"), [0xFE].into_iter().chain([0xFF; 8]).chain([1]).collect(), Ok("9223372036854775807")),
        (json!("long"), [0xFF; 9].into_iter().chain([1]).collect(), Ok("-9223372036854775808")),
        (json!("int"), vec![0x80, 0x80, 0x80, 0x80, 0x10], Err(Reason::BadAvro)),
        (json!("double"), vec![0; 8], Err(Reason::BadType)),
        (json!("boolean"), vec![1], Err(Reason::BadType)),
        (json!("boolean"), vec![2], Err(Reason::BadAvro)),
        (json!("bytes"), vec![4, b'a', b'b'], Ok("ab")),
        (json!("bytes"), vec![2, 0xFF], Err(Reason::BadType)),
        (plain, b"xy".to_vec(), Ok("xy")),
        (json!({"type": "enum", "name": "N", "symbols": ["p", "q"]}), vec![2], Ok("q")),
        (number.clone(), vec![4, 0xFF, 0x38], Ok("-200")),
        (number.clone(), [18, 0].into_iter().chain([0xFF; 8]).collect(), Ok("18446744073709551615")),
        (number.clone(), [18, 1].into_iter().chain([0; 8]).collect(), Err(Reason::BadType)),
        (number, vec![0], Ok("0")),
        (price, vec![4, 0xFF, 0x38], Err(Reason::BadType)),
        (uuid, (0..15).chain([0xFF]).collect(), Ok(id_of)),
        (time, vec![4], Ok("2")),
        (json!("null"), vec![], Err(Reason::MissingField)),
    ];
    let mapping = avro("type = \"view\"\nfields.user = { constant = \"u\" }\nfields.time = { record = \"timestamp\" }");
    for (of_item, bytes, expected) in cases {
        let schema = json!({"type": "record", "name": "E", "fields": [{"name": "item", "type": of_item}]}).to_string();
        let (plans, value) = (plans(&mapping, &schema), wire(&bytes));
        let record = Record { timestamp_ms: Some(MORNING_MS), ..of(&value) };
        let item = mapping.decode(&plans, &record).map(|event| items(&event.unwrap().action).concat());
        assert_eq!(item.as_deref().map_err(|reject| reject.reason), expected, "{schema} {bytes:?}");
    }
}

#[test]
fn keys_are_read_as_avro_by_their_own_schemas() {
    let key = r#"{"type": "record", "name": "K", "fields": [{"name": "id", "type": "long"}]}"#;
    let value = wire(&datum(EVENT, event_json()));
    let user = |toml: &str, schema: &str, key: &[u8]| {
        let mapping = avro(&format!("key_format = \"avro\"\n{toml}"));
        let mut plans = plans(&mapping, EVENT);
        mapping.learn(&mut plans, SchemaId(9), Learned::Schema(schema));
        let decoded = mapping.decode(&plans, &Record { key: Some(key), ..of(&value) });
        decoded.map(|event| event.unwrap().user.into_owned()).map_err(|reject| reject.to_string())
    };
    let (by_field, whole) = ("fields.user = { key = \"/id\" }", "fields.user = { key = \"\" }");
    assert_eq!(user(by_field, key, &[0, 0, 0, 0, 9, 84]).unwrap(), "42");
    assert_eq!(user(whole, "\"string\"", &[0, 0, 0, 0, 9, 2, b'k']).unwrap(), "k");
    assert_eq!(user("", key, b"anything").unwrap(), "u1", "not mapped, not read");
    let found = user(whole, "\"string\"", b"k").unwrap_err();
    assert!(found.starts_with("bad_avro: the record's key does not start with byte 0"), "{found}");
    assert!(found.contains("set key_format = \"json\""), "{found}");
    let found = user(by_field, key, &[0, 0, 0, 0, 9]).unwrap_err();
    assert!(found.contains("the record's key is not Avro by schema 9: at byte 5 in /id"), "{found}");
    let text = mapping("format = \"avro\"\nfields.user = { key = \"\" }");
    let decoded = text
        .decode(&plans(&text, EVENT), &Record { key: Some(b"k"), ..of(&value) })
        .unwrap()
        .unwrap()
        .user
        .into_owned();
    assert_eq!(decoded, "k", "a plain text key beside a value of Avro");
}

#[test]
fn a_schema_that_cannot_be_used_is_refused_with_what_is_wrong_with_it() {
    let mapping = avro("");
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    let deep = "[".repeat(100_000);
    let record = |fields: &str| format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    let cases = [
        ("{", "not JSON"),
        (&deep, "not JSON"),
        (&long, "bytes long, more than 1048576"),
        ("7", "7 stands where a type is expected"),
        ("\"Other\"", "it names a type \"Other\" that it does not define before"),
        ("{\"type\": \"array\"}", "a type lacks its \"items\""),
        ("{\"name\": \"x\"}", "a type lacks its \"type\""),
        ("{\"type\": \"fixed\", \"name\": \"F\", \"size\": -1}", "the size of a fixed type is a whole number"),
        ("[\"null\", [\"null\"]]", "a union stands directly in a union"),
        ("{\"type\": \"record\", \"name\": \"R\"}", "a record lacks its fields"),
        (&record(r#"{"name": "a"}"#), "field \"a\" lacks its type"),
        (
            &record(r#"{"name": "a", "type": {"type": "enum", "name": "R", "symbols": []}}"#),
            "it defines the type \"R\" twice",
        ),
    ];
    for (schema, what) in cases {
        let found = refused(&mapping, &plans(&mapping, schema), &[0, 0, 0, 0, 7]);
        assert_eq!(found.reason, Reason::UnusableSchema, "{found}");
        assert!(found.message.contains("schema 7, which cannot be used: ") && found.message.contains(what), "{found}");
        let found = avro("").with_schemas(Some(schema), None).unwrap_err();
        assert!(found.field == "schema_file" && found.message.contains(what), "{found}");
    }
    let found = refused(&mapping, &plans(&mapping, "\"string\""), &wire(b"\x02a"));
    assert_eq!(found.to_string(), "not_an_object: the record is text, not an object; an event is one object");
    let found = super::mapping("").with_schemas(None, Some(EVENT)).unwrap_err();
    assert!(found.to_string().starts_with("reader_schema_file: a schema is for format = \"avro\" only"), "{found}");
}

#[test]
fn names_of_types_follow_their_namespaces_and_records_of_a_top_union_are_told_apart() {
    let schema = r#"[{"type": "record", "name": "View", "namespace": "a.b", "fields": [
            {"name": "who", "type": {"type": "record", "name": "Who", "fields": [{"name": "id", "type": "string"}]}},
            {"name": "also", "type": "Who"}, {"name": "full", "type": ["null", "a.b.Who"]}]},
        {"type": "record", "name": "c.Other", "fields": [{"name": "x", "type": "int"},
            {"name": "full", "type": {"type": "a.b.Who"}}]}]"#;
    let mapping = avro(
        "type = \"view\"\nfields.user = \"/full/id\"\nfields.item = [\"/also/id\", \"/x\"]\nfields.time = { record = \"timestamp\" }",
    );
    let plans = plans(&mapping, schema);
    for (bytes, expected) in [(&[0, 2, b'w', 2, b'i', 2, 2, b'u'][..], "i"), (&[2, 8, 2, b'u'], "4")] {
        let value = wire(bytes);
        let record = Record { timestamp_ms: Some(MORNING_MS), ..of(&value) };
        let decoded = mapping.decode(&plans, &record).unwrap().unwrap();
        assert_eq!((&*decoded.user, items(&decoded.action).concat().as_str()), ("u", expected));
    }
}
