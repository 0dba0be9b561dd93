//! Our schemas, and list records through bytes and back.

use super::*;
use crate::event::EventTime;
use crate::facts::{Shelf, Stock};
use crate::items::Items;
use crate::list_key::{About, ListKey, ListName};
use crate::position::Partition;
use crate::publish::EntryRecord;
use crate::rank::{Day, Entry, Figures, Label, List, Said, Source, score_milli};
use crate::relation::Kind;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::cell::Cell;

const KEY_ID: u32 = 7;
const VALUE_ID: u32 = 0x0102_0304;

fn avro() -> ListCodec {
    ListCodec::avro(KEY_ID, VALUE_ID).unwrap()
}

/// A registry that must not be asked.
fn nobody(id: u32) -> Result<Arc<str>, SchemaFailure> {
    panic!("schema {id} was asked for")
}

fn encode(codec: &ListCodec, record: &ListRecord<'_>) -> (Vec<u8>, Vec<u8>) {
    let (mut key, mut value) = (b"what was".to_vec(), b"there before".to_vec());
    codec.encode_record(record, &mut key, &mut value);
    (key, value)
}

fn entry(item: &str, score: f64) -> EntryRecord<'static> {
    EntryRecord {
        item: Cow::Owned(item.to_owned()),
        score,
        support: u32::MAX,
        weight: 33.3,
        anchor_weight: 100.0,
        other_weight: 0.1,
        contexts: 1e6,
        confidence: 0.333,
        lift: 1e-300,
        llr_root: -25.0197,
        source: Source::Counted,
        last_seen: Day(19_844),
        verdict: None,
        relation: None,
        list: None,
        price: None,
        currency: None,
        stock: None,
    }
}

fn record() -> ListRecord<'static> {
    ListRecord {
        shop: Cow::Borrowed("main"),
        list: Cow::Borrowed("bought-together"),
        item: Cow::Borrowed("a/\"1\" ä"),
        entries: vec![entry("b", 24.832), entry("c", 0.001)],
        reserve: vec![entry("d", 0.0)],
        tombstone: false,
        as_of: 1_700_000_000_123,
        epoch: 3,
        sequence: 1 << 40,
    }
}

fn tombstone() -> ListRecord<'static> {
    ListRecord { entries: Vec::new(), reserve: Vec::new(), tombstone: true, as_of: 0, ..record() }
}

/// The record as the library's value, written down a second time.
fn library_value(record: &ListRecord<'_>) -> Value {
    let text = |text: &str| Value::String(text.to_owned());
    let symbol = |place: usize, name: &str| Value::Enum(u32::try_from(place).unwrap(), name.to_owned());
    let optional = |value: Option<Value>| match value {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(value) => Value::Union(1, Box::new(value)),
    };
    let entry = |entry: &EntryRecord<'_>| {
        let mut fields = vec![
            ("item", text(&entry.item)),
            ("score", Value::Double(entry.score)),
            ("support", Value::Long(entry.support.into())),
        ];
        fields.push(("weight", Value::Double(entry.weight)));
        fields.push(("anchor_weight", Value::Double(entry.anchor_weight)));
        fields.push(("other_weight", Value::Double(entry.other_weight)));
        fields.push(("contexts", Value::Double(entry.contexts)));
        fields.push(("confidence", Value::Double(entry.confidence)));
        fields.push(("lift", Value::Double(entry.lift)));
        fields.push(("llr_root", Value::Double(entry.llr_root)));
        let source = Source::ALL.iter().position(|known| *known == entry.source).unwrap() + 1;
        fields.push(("source", symbol(source, entry.source.name())));
        fields.push(("last_seen", Value::Date(entry.last_seen.0.into())));
        let verdict = entry.verdict.map(|said| symbol(said as usize + 1, said.name()));
        fields.push(("verdict", optional(verdict)));
        let relation = entry.relation.map(|kind| symbol(kind as usize + 1, kind.name()));
        fields.push(("relation", optional(relation)));
        fields.push(("list", optional(entry.list.as_deref().map(text))));
        fields.push(("price", optional(entry.price.map(Value::Double))));
        fields.push(("currency", optional(entry.currency.as_deref().map(text))));
        let stock = entry.stock.map(|stock| match stock {
            Stock::In => symbol(1, "in"),
            Stock::Low => symbol(2, "low"),
            Stock::Out => symbol(3, "out"),
        });
        fields.push(("stock", optional(stock)));
        Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let entries = |entries: &[EntryRecord<'_>]| Value::Array(entries.iter().map(entry).collect());
    let fields = [
        ("shop", text(&record.shop)),
        ("list", text(&record.list)),
        ("item", text(&record.item)),
        ("entries", entries(&record.entries)),
        ("reserve", entries(&record.reserve)),
        ("as_of", Value::TimestampMillis(record.as_of)),
        ("epoch", Value::Long(record.epoch.cast_signed())),
        ("sequence", Value::Long(record.sequence.cast_signed())),
    ];
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn library_bytes(schema: &str, value: Value) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap()
}

/// Every object of a schema that has a name: named types and fields.
fn named(schema: &Json, found: &mut Vec<Json>) {
    match schema {
        Json::Object(object) => {
            if object.contains_key("name") {
                found.push(schema.clone());
            }
            object.iter().filter(|(key, _)| *key != "default").for_each(|(_, inner)| named(inner, found));
        }
        Json::Array(all) => all.iter().for_each(|inner| named(inner, found)),
        _ => {}
    }
}

fn field_names(record: &Json) -> Vec<String> {
    record["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_schema_is_read_and_explains_every_field() {
    let files = [
        (VIEW_SCHEMA, "samenloop.View"),
        (CART_SCHEMA, "samenloop.Cart"),
        (ORDER_SCHEMA, "samenloop.Order"),
        (include_str!("../../../schemas/impression.avsc"), "samenloop.Impression"),
        (include_str!("../../../schemas/click.avsc"), "samenloop.Click"),
        (LIST_KEY_SCHEMA, "samenloop.ListKey"),
        (LIST_VALUE_SCHEMA, "samenloop.ListValue"),
    ];
    for (text, name) in files {
        let schema = Schema::parse_str(text).unwrap();
        assert_eq!(schema.name().unwrap().fullname(None), name);
        assert!(apache_avro::schema::ResolvedSchema::try_from(&schema).is_ok(), "{name}");
        let mut parts = Vec::new();
        named(&serde_json::from_str(text).unwrap(), &mut parts);
        for part in &parts {
            assert!(part["doc"].as_str().is_some_and(|doc| doc.ends_with('.')), "{name}: {part} has no doc");
            let given = part["name"].as_str().unwrap();
            let is_type = part.get("fields").is_some() || part.get("symbols").is_some();
            assert_eq!(is_type, given.starts_with(char::is_uppercase), "{name}: {given}");
            assert!(given.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '_'), "{name}: {given}");
        }
        // Every enum of what we write can be added to: an older reader has something to read a later symbol as.
        let enums = parts.iter().filter(|part| name == "samenloop.ListValue" && part.get("symbols").is_some());
        for part in enums {
            assert_eq!(part["default"], part["symbols"][0], "{name}: {part}");
        }
    }
}

/// A key's bytes hold the id of its schema, and compaction goes by bytes: with another text the lists of before would stay
/// in the topic for ever. Not a word of it may change, docs included.
#[test]
fn the_schema_of_keys_is_for_ever() {
    assert_eq!(xxhash_rust::xxh3::xxh3_64(LIST_KEY_SCHEMA.as_bytes()), 15_849_809_918_786_124_107);
}

#[test]
fn the_schemas_hold_every_field_of_a_record() {
    let of_record = |record: Json| -> Vec<String> { record.as_object().unwrap().keys().cloned().collect() };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let schema: Json = serde_json::from_str(LIST_VALUE_SCHEMA).unwrap();
    let mut all = record();
    (all.entries[0].verdict, all.entries[0].relation) = (Some(Said::Approved), Some(Kind::Upsell));
    all.entries[0].list = Some("upsell".into());
    (all.entries[0].price, all.entries[0].currency) = (Some(12.9), Some("EUR".into()));
    all.entries[0].stock = Some(Stock::Low);
    let written = serde_json::to_value(all).unwrap();
    let entry = &schema["fields"][3]["type"]["items"];
    assert_eq!(sorted(field_names(entry)), sorted(of_record(written["entries"][0].clone())));
    assert_eq!(sorted(field_names(&schema)), sorted(of_record(written)));
    // A tombstone has no value.
    assert_eq!(of_record(serde_json::to_value(tombstone()).unwrap()).len(), field_names(&schema).len() + 1);
}

#[test]
fn events_by_our_schemas_have_the_fields_of_the_default_mapping() {
    let mapping = serde_json::to_value(crate::intake::MappingSpec::default()).unwrap();
    for (text, own) in [
        (VIEW_SCHEMA, &["item", "session"][..]),
        (CART_SCHEMA, &["item"]),
        (include_str!("../../../schemas/impression.avsc"), &["list", "placement", "about", "lines"]),
        (include_str!("../../../schemas/click.avsc"), &["list", "placement", "about", "item", "position", "source"]),
        (ORDER_SCHEMA, &["order_id", "version", "lines", "currency"]),
    ] {
        let schema: Json = serde_json::from_str(text).unwrap();
        let names = field_names(&schema);
        let mut expected = vec!["type", "shop", "user", "ts", "event_id"];
        expected.extend(own);
        assert_eq!(names, expected);
        // The name of a type is the value that the default mapping knows, and the default of its field.
        let kind = schema["name"].as_str().unwrap().to_lowercase();
        assert_eq!(schema["fields"][0]["default"], Json::String(kind));
        assert_eq!(
            schema["fields"][0]["type"]["symbols"],
            serde_json::json!(crate::event::EventType::ALL.map(crate::event::EventType::name))
        );
    }
    let fields = &mapping["fields"];
    assert_eq!(mapping["type"]["field"], "/type");
    assert_eq!(fields["shop"][0], "/shop");
    assert_eq!(fields["time"], serde_json::json!({ "field": "/ts", "unit": "ms" }));
    for (place, name) in [
        ("user", "/user"),
        ("id", "/event_id"),
        ("item", "/item"),
        ("order_id", "/order_id"),
        ("session", "/session"),
        ("version", "/version"),
        ("list", "/list"),
        ("placement", "/placement"),
        ("about", "/about"),
        ("position", "/position"),
        ("source", "/source"),
        ("currency", "/currency"),
    ] {
        assert_eq!(fields[place], *name);
    }
    let order: Json = serde_json::from_str(ORDER_SCHEMA).unwrap();
    assert_eq!((&fields["lines"], &fields["line_item"]), (&Json::from("/lines"), &Json::from("/item")));
    assert_eq!(field_names(&order["fields"][7]["type"]["items"]), ["item", "quantity", "unit_price"]);
}

#[test]
fn a_records_bytes_are_those_of_the_avro_library() {
    for record in [record(), ListRecord { reserve: Vec::new(), as_of: -1, sequence: 0, ..record() }] {
        let (key, value) = encode(&avro(), &record);
        assert_eq!((key[0], &key[1..5]), (0, &[0, 0, 0, 7][..]));
        assert_eq!((value[0], &value[1..5]), (0, &[1, 2, 3, 4][..]));
        let text = |text: &str| Value::String(text.to_owned());
        let names = [("shop", text(&record.shop)), ("list", text(&record.list)), ("item", text(&record.item))];
        let names = Value::Record(names.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        assert_eq!(key[5..], library_bytes(LIST_KEY_SCHEMA, names));
        assert_eq!(value[5..], library_bytes(LIST_VALUE_SCHEMA, library_value(&record)));
    }
}

/// What the specification allows, and other writers make: a block with its size before it, so that readers can pass over it.
#[test]
fn an_array_in_blocks_of_which_the_sizes_are_told_is_read() {
    let encoded = |entries: Vec<EntryRecord<'static>>| {
        let mut bytes = Vec::new();
        datum::write_record(&ListRecord { entries, ..record() }, &mut bytes);
        bytes
    };
    let (none, one) = (encoded(Vec::new()), encoded(vec![entry("b", 24.832)]));
    let count_at = none.iter().zip(&one).position(|(none, one)| none != one).unwrap();
    let entry_bytes = &one[count_at + 1..one.len() - (none.len() - count_at)];
    let zigzag = |value: u8| [value << 1 & 0x7F | 0x80, value >> 6];
    let size = zigzag(u8::try_from(entry_bytes.len()).unwrap());
    // Twice: a block of -1 entries (that is 1) and its size, the entry.
    let block = [&[1][..], &size, entry_bytes].concat();
    let bytes = [&one[..count_at], &block, &block, &none[count_at..]].concat();
    let read = datum::read_value(&bytes).unwrap();
    assert_eq!(read.entries, [entry("b", 24.832), entry("b", 24.832)]);
    assert_eq!((read.reserve.len(), read.sequence), (1, 1 << 40));
}

#[test]
fn a_key_is_ones_own_by_form_and_schema() {
    let other = ListCodec::avro(KEY_ID + 1, VALUE_ID).unwrap();
    let (by_id, by_other, text) =
        [avro(), other, ListCodec::json().unwrap()].map(|codec| encode(&codec, &record()).0).into();
    for (codec, key, is_own) in [
        (avro(), &by_id, true),
        (avro(), &by_other, false),
        (avro(), &text, false),
        (ListCodec::json().unwrap(), &text, true),
        (ListCodec::json().unwrap(), &by_id, false),
    ] {
        assert_eq!(codec.owns_key(key), is_own, "{key:?}");
    }
}

#[test]
fn in_json_the_key_is_text_and_the_value_an_object() {
    let codec = ListCodec::json().unwrap();
    let (key, value) = encode(&codec, &record());
    assert_eq!(key, record().key().into_bytes());
    assert_eq!(serde_json::from_slice::<ListRecord<'_>>(&value).unwrap(), record());
    assert_eq!(codec.decode(&key, Some(&value), None, &nobody).unwrap(), record());
}

#[test]
fn a_tombstone_has_a_key_and_no_value_and_its_stamp_is_in_the_headers() {
    for codec in [avro(), ListCodec::json().unwrap()] {
        let (key, value) = encode(&codec, &tombstone());
        assert_eq!(key, encode(&codec, &record()).0);
        assert!(value.is_empty());
        let read = codec.decode(&key, None, Some(tombstone().stamp()), &nobody).unwrap();
        assert_eq!(read, tombstone());
        // Somebody else's has no headers.
        assert_eq!(codec.decode(&key, None, None, &nobody).unwrap().stamp(), Stamp::default());
    }
}

#[test]
fn headers_read_back() {
    let stamp = Stamp { epoch: 12, sequence: u64::MAX };
    for headers in [ListHeaders { stamp, since_ms: Some(-5) }, ListHeaders { stamp, since_ms: None }] {
        let mut digits = HeaderDigits::default();
        let texts: Vec<_> = headers.texts(&mut digits).collect();
        assert!(texts.len() <= HEADERS_MAX);
        let bytes = || texts.iter().map(|(name, text)| (*name, Some(text.as_bytes())));
        assert_eq!(ListHeaders::read(bytes()).unwrap(), Some(headers));
        let others = [("traceparent", Some(&b"00-1"[..])), (EPOCH_HEADER, Some(b"1"))];
        assert_eq!(ListHeaders::read(others.into_iter().chain(bytes())).unwrap(), Some(headers));
    }
    assert_eq!(ListHeaders::read([(EPOCH_HEADER, Some(&b"1"[..]))]).unwrap(), None);
    for bytes in [None, Some(&b""[..]), Some(b"0x1"), Some(b"-1"), Some(b"\xff")] {
        let error = ListHeaders::read([(EPOCH_HEADER, bytes), (SEQUENCE_HEADER, Some(b"1"))]).unwrap_err();
        assert!(error.to_string().contains("samenloop.epoch"), "{error}");
    }
}

/// The value schema as an older release may have had it: a field missing is impossible, since none has a default yet,
/// but there may be one more, another order, narrower numbers.
fn older_schema() -> String {
    let mut schema: Json = serde_json::from_str(LIST_VALUE_SCHEMA).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    fields.insert(0, serde_json::json!({ "name": "comment", "type": ["null", "string"] }));
    fields.swap(1, 3);
    let entry = &mut fields[4]["type"]["items"]["fields"];
    entry[2]["type"] = "int".into();
    entry[10]["type"]["symbols"] = serde_json::json!(["counted"]);
    entry[10]["type"]["default"] = "counted".into();
    schema.to_string()
}

fn older_value(record: &ListRecord<'_>) -> Value {
    let Value::Record(mut fields) = library_value(record) else { panic!() };
    let older_entry = |entry: Value| {
        let Value::Record(mut fields) = entry else { panic!() };
        let Value::Long(support) = fields[2].1 else { panic!() };
        fields[2].1 = Value::Int(i32::try_from(support).unwrap());
        fields[10].1 = Value::Enum(0, "counted".to_owned());
        Value::Record(fields)
    };
    for place in [3, 4] {
        let Value::Array(entries) = std::mem::replace(&mut fields[place].1, Value::Null) else { panic!() };
        fields[place].1 = Value::Array(entries.into_iter().map(older_entry).collect());
    }
    fields.insert(0, ("comment".to_owned(), Value::Union(1, Box::new(Value::String("x".to_owned())))));
    fields.swap(1, 3);
    Value::Record(fields)
}

#[test]
fn what_an_older_release_published_is_resolved_by_the_schema_it_was_written_by() {
    let mut record = record();
    record.entries.iter_mut().chain(&mut record.reserve).for_each(|entry| entry.support = 5);
    let mut bytes = vec![0, 0, 0, 0, 99];
    bytes.extend(library_bytes(&older_schema(), older_value(&record)));
    let asked = Cell::new(0);
    let registry = |id| {
        assert_eq!(id, 99);
        asked.set(asked.get() + 1);
        Ok(older_schema().into())
    };
    // Also where the topic is JSON by now.
    for codec in [avro(), ListCodec::json().unwrap()] {
        asked.set(0);
        for _ in 0..2 {
            assert_eq!(codec.decode(b"", Some(&bytes), None, &registry).unwrap(), record);
        }
        assert_eq!(asked.get(), 1);
        let (key, value) = encode(&ListCodec::avro(99, 99).unwrap(), &self::record());
        let same = |_| Ok(LIST_VALUE_SCHEMA.into());
        let fresh = ListCodec::json().unwrap();
        assert_eq!(fresh.decode(&key, Some(&value), None, &same).unwrap(), self::record());
        let same_key = |_| Ok(LIST_KEY_SCHEMA.into());
        let fresh = avro();
        assert_eq!(fresh.decode(&key, None, Some(tombstone().stamp()), &same_key).unwrap(), tombstone());
    }
    // And a codec of Avro reads the JSON of before.
    let (key, value) = encode(&ListCodec::json().unwrap(), &record);
    assert_eq!(avro().decode(&key, Some(&value), None, &nobody).unwrap(), record);
    let read = avro().decode(&key, None, Some(tombstone().stamp()), &nobody).unwrap();
    assert_eq!(read, tombstone());
}

#[test]
fn schemas_of_older_records_are_asked_for_once_and_so_many_are_kept() {
    let mut record = record();
    record.entries.iter_mut().chain(&mut record.reserve).for_each(|entry| entry.support = 5);
    let datum = library_bytes(&older_schema(), older_value(&record));
    let (codec, asked) = (avro(), Cell::new(0));
    let registry = |_| {
        asked.set(asked.get() + 1);
        Ok(older_schema().into())
    };
    let read = |id: u32| {
        let bytes = [&[0][..], &id.to_be_bytes(), &datum].concat();
        assert_eq!(codec.decode(b"", Some(&bytes), None, &registry).unwrap(), record);
        asked.get()
    };
    (0..2).for_each(|_| (100..164).for_each(|id| assert!(read(id) > 0)));
    assert_eq!((asked.get(), read(164), read(163)), (64, 65, 65));
    assert_eq!(read(100), 66, "the first made room");
}

#[test]
fn a_registry_that_does_not_answer_is_not_the_records_fault() {
    let away = |_| Err(SchemaFailure::Passing("is away".to_owned()));
    let gone = |_| Err(SchemaFailure::NotFound("schema 9".to_owned()));
    let (key, value) = encode(&ListCodec::avro(9, 9).unwrap(), &record());
    for value in [Some(value.as_slice()), None] {
        assert!(avro().decode(&key, value, None, &away).unwrap_err().is_transient());
        assert!(!avro().decode(&key, value, None, &gone).unwrap_err().is_transient());
    }
}

#[test]
fn what_is_not_ours_is_an_error() {
    let codec = avro();
    let (key, value) = encode(&codec, &record());
    for cut in 5..value.len() {
        assert!(codec.decode(&key, Some(&value[..cut]), None, &nobody).is_err(), "{cut}");
    }
    for cut in 5..key.len() {
        assert!(codec.decode(&key[..cut], None, None, &nobody).is_err(), "{cut}");
    }
    let longer = [&value[..], &[0]].concat();
    for value in [&longer[..], b"", b"{}", b"[1]", b"\0", b"text"] {
        let error = codec.decode(&key, Some(value), None, &nobody).unwrap_err();
        assert!(error.to_string().starts_with("the value is not one of samenloop's"), "{error}");
    }
    for key in [&b""[..], b"main/x", b"\xff/a/b"] {
        let error = codec.decode(key, None, None, &nobody).unwrap_err();
        assert!(error.to_string().starts_with("the key is not one of samenloop's"), "{error}");
    }
    // A block that claims 2^40 entries ends with its bytes; one of i64::MIN has no count.
    for count in [
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x40][..],
        &[0xff; 9],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0],
    ] {
        let lies = [&[0, 1, 2, 3, 4, 0, 0, 0], count].concat();
        assert!(codec.decode(&key, Some(&lies), None, &nobody).is_err());
    }
    let unknown = encode(&codec, &ListRecord { reserve: Vec::new(), entries: vec![entry("b", 1.0)], ..record() }).1;
    let found = (5..unknown.len()).filter(|&place| {
        let mut changed = unknown.clone();
        changed[place] = 0;
        let read = codec.decode(&key, Some(&changed), None, &nobody);
        unknown[place] == 2 && read.is_err_and(|error| error.to_string().contains("of a later release"))
    });
    assert_eq!(found.count(), 1);
}

#[test]
fn the_source_of_a_later_release_is_unknown_to_a_reader_of_this_one() {
    let later = LIST_VALUE_SCHEMA.replace(r#""category", "shop"]"#, r#""category", "shop", "filled"]"#);
    assert_ne!(later, LIST_VALUE_SCHEMA);
    let Value::Record(mut fields) = library_value(&record()) else { panic!() };
    let Value::Array(entries) = &mut fields[3].1 else { panic!() };
    let Value::Record(entry) = &mut entries[0] else { panic!() };
    entry[10].1 = Value::Enum(9, "filled".to_owned());
    let bytes = library_bytes(&later, Value::Record(fields));
    let (writer, reader) = (Schema::parse_str(&later).unwrap(), Schema::parse_str(LIST_VALUE_SCHEMA).unwrap());
    let read = GenericDatumReader::builder(&writer).reader_schema(&reader).build().unwrap();
    let Value::Record(fields) = read.read_value(&mut &bytes[..]).unwrap() else { panic!() };
    let Value::Array(entries) = &fields[3].1 else { panic!() };
    let Value::Record(entry) = &entries[0] else { panic!() };
    assert_eq!(entry[10].1, Value::Enum(0, "unknown".to_owned()));
}

/// The schema of values when an entry had so many fields, the last of this name.
fn schema_before(count: usize, last: &str) -> String {
    let mut schema: Json = serde_json::from_str(LIST_VALUE_SCHEMA).unwrap();
    let fields = schema["fields"][3]["type"]["items"]["fields"].as_array_mut().unwrap();
    fields.truncate(count);
    assert_eq!(fields[count - 1]["name"], last);
    schema.to_string()
}

/// The same before there were labels.
fn schema_before_labels() -> String {
    let mut schema: Json = serde_json::from_str(&schema_before(12, "last_seen")).unwrap();
    let fields = schema["fields"][3]["type"]["items"]["fields"].as_array_mut().unwrap();
    fields[10]["type"]["symbols"] = serde_json::json!(["unknown", "counted"]);
    schema.to_string()
}

/// What was written by a schema of before, of entries of so many fields, reads as what it was.
fn check_reads_before(schema: &str, count: usize) {
    let Value::Record(mut fields) = library_value(&ListRecord { reserve: Vec::new(), ..record() }) else { panic!() };
    let Value::Array(entries) = &mut fields[3].1 else { panic!() };
    for entry in entries {
        let Value::Record(fields) = entry else { panic!() };
        fields.truncate(count);
    }
    let datum = library_bytes(schema, Value::Record(fields));
    let registry = |_| Ok(schema.into());
    let bytes = [&[0][..], &99_u32.to_be_bytes(), &datum].concat();
    let read = avro().decode(b"", Some(&bytes), None, &registry).unwrap();
    assert_eq!(read, ListRecord { reserve: Vec::new(), ..record() });
}

#[test]
fn a_reader_of_before_placements_reads_theirs_and_what_was_written_then_is_read_now() {
    let schema = schema_before(14, "relation");
    let (before, now) = (Schema::parse_str(&schema).unwrap(), Schema::parse_str(LIST_VALUE_SCHEMA).unwrap());
    let mut placed = record();
    placed.entries[0].list = Some("bought-together".into());
    let (_, value) = encode(&avro(), &placed);
    let reader = GenericDatumReader::builder(&now).reader_schema(&before).build().unwrap();
    let Value::Record(fields) = reader.read_value(&mut &value[5..]).unwrap() else { panic!() };
    let Value::Array(entries) = &fields[3].1 else { panic!() };
    assert!(entries.iter().all(|entry| matches!(entry, Value::Record(fields) if fields.len() == 14)));
    assert_eq!(entries.len(), placed.entries.len());
    check_reads_before(&schema, 14);
    // Written by this release's schema under another id, as after a move of the registry.
    let same = |_| Ok(LIST_VALUE_SCHEMA.into());
    assert_eq!(ListCodec::json().unwrap().decode(b"", Some(&value), None, &same).unwrap(), placed);
}

#[test]
fn a_reader_of_before_prices_reads_what_has_them_and_what_was_written_then_is_read_now() {
    let schema = schema_before(15, "list");
    let (before, now) = (Schema::parse_str(&schema).unwrap(), Schema::parse_str(LIST_VALUE_SCHEMA).unwrap());
    let mut priced = record();
    (priced.entries[0].price, priced.entries[0].currency) = (Some(12.9), Some("EUR".into()));
    priced.entries[1].stock = Some(Stock::Low);
    let (_, value) = encode(&avro(), &priced);
    let reader = GenericDatumReader::builder(&now).reader_schema(&before).build().unwrap();
    let Value::Record(fields) = reader.read_value(&mut &value[5..]).unwrap() else { panic!() };
    let Value::Array(entries) = &fields[3].1 else { panic!() };
    assert!(entries.iter().all(|entry| matches!(entry, Value::Record(fields) if fields.len() == 15)));
    assert_eq!(entries.len(), priced.entries.len());
    check_reads_before(&schema, 15);
    // A stock of a later release is unknown to a reader of this one.
    let later = LIST_VALUE_SCHEMA.replace(r#""low", "out"]"#, r#""low", "out", "preorder"]"#);
    assert_ne!(later, LIST_VALUE_SCHEMA);
    let Value::Record(mut fields) = library_value(&priced) else { panic!() };
    let Value::Array(entries) = &mut fields[3].1 else { panic!() };
    let Value::Record(entry) = &mut entries[1] else { panic!() };
    entry[17].1 = Value::Union(1, Box::new(Value::Enum(4, "preorder".to_owned())));
    let bytes = library_bytes(&later, Value::Record(fields));
    let later = Schema::parse_str(&later).unwrap();
    let reader = GenericDatumReader::builder(&later).reader_schema(&now).build().unwrap();
    let Value::Record(fields) = reader.read_value(&mut &bytes[..]).unwrap() else { panic!() };
    let Value::Array(entries) = &fields[3].1 else { panic!() };
    let Value::Record(entry) = &entries[1] else { panic!() };
    assert_eq!(entry[17].1, Value::Union(1, Box::new(Value::Enum(0, "unknown".to_owned()))));
}

#[test]
fn a_reader_of_before_labels_reads_what_has_them_and_what_was_written_then_is_read_now() {
    let before = Schema::parse_str(&schema_before_labels()).unwrap();
    let now = Schema::parse_str(LIST_VALUE_SCHEMA).unwrap();
    let mut labelled = record();
    let labels = [(Source::Counted, Some(Said::Boosted), None), (Source::Manual, None, Some(Kind::Upsell))];
    for (entry, (source, verdict, relation)) in labelled.entries.iter_mut().zip(labels) {
        (entry.source, entry.verdict, entry.relation) = (source, verdict, relation);
    }
    let (_, value) = encode(&avro(), &labelled);
    let reader = GenericDatumReader::builder(&now).reader_schema(&before).build().unwrap();
    let Value::Record(fields) = reader.read_value(&mut &value[5..]).unwrap() else { panic!() };
    let Value::Array(entries) = &fields[3].1 else { panic!() };
    let sources: Vec<_> = entries
        .iter()
        .map(|entry| {
            let Value::Record(fields) = entry else { panic!() };
            assert_eq!(fields.len(), 12);
            (fields[0].1.clone(), fields[10].1.clone())
        })
        .collect();
    let expected = [("b", 1, "counted"), ("c", 0, "unknown")]
        .map(|(item, place, name)| (Value::String(item.to_owned()), Value::Enum(place, name.to_owned())));
    assert_eq!(sources, expected);

    check_reads_before(&schema_before_labels(), 12);
}

prop_compose! {
    fn any_entry()(
        item in ".{0,20}",
        score_milli in 0..=100_000_u32,
        support: u32,
        figures in prop::array::uniform7(prop::num::f64::NORMAL | prop::num::f64::ZERO),
        day: u16,
        label: u16,
        price in prop::option::of(prop::num::f64::POSITIVE),
        currency in prop::option::of(".{1,4}"),
        stock in prop_oneof![Just(None), Just(Some(Stock::In)), Just(Some(Stock::Low)), Just(Some(Stock::Out))],
    ) -> EntryRecord<'static> {
        let Label { source, verdict, relation, list } = Label::of_bits(label);
        let list = list.map(|list| Cow::Borrowed(list.name()));
        let [weight, anchor_weight, other_weight, contexts, confidence, lift, llr_root] = figures;
        EntryRecord {
            item: Cow::Owned(item), score: f64::from(score_milli) / 1000.0, support, weight, anchor_weight, other_weight,
            contexts, confidence, lift, llr_root, source, last_seen: Day(day), verdict, relation, list,
            price, currency: currency.map(Cow::Owned), stock,
        }
    }
}

#[test]
fn a_list_is_encoded_from_ids_as_its_record_is() {
    let mut items = Items::default();
    let shop = items.shop("main");
    let ids: Vec<_> = ["a/1 ä", "b", "c \"", "d"].iter().map(|name| items.item(shop, name)).collect();
    let key = ListKey { shop, list: ListName::ALL[0], about: About::Item(ids[0]) };
    for (shown, count) in [(0, 0), (1, 1), (2, 2), (2, 3), (3, 3)] {
        let mut list = List::empty(key);
        (list.as_of, list.shown) = (EventTime(1_700_000_000_123), shown);
        for (&item, pair) in ids[1..].iter().zip([33.333_333_3, 12.0, 1e-7]).take(count) {
            let figures = Figures::new(pair, 100.123_456_789, 40.0, 1e6 / 3.0);
            let llr_root = figures.llr_root();
            let score_milli = score_milli(figures.score());
            list.entries.push(Entry {
                item,
                score_milli,
                rank_milli: 0,
                support: 3,
                figures,
                llr_root,
                last_seen: Day(19_844),
                label: Label::of_bits(u16::try_from(item.0 * 0x51).unwrap()),
            });
        }
        let stamp = Stamp { epoch: 1 << 40, sequence: 300 };
        let shelf = |price, stock| Shelf { price, currency: price.map(|_| "EUR".into()), stock };
        let shelves =
            [shelf(Some(9.95), Some(Stock::In)), shelf(None, Some(Stock::Low)), shelf(Some(0.0), Some(Stock::Out))];
        let (partition, list, items, shelves) = (Partition(0), &list, &items, &shelves[..count]);
        let publication = Publication { partition, list, shelves, items, stamp, since_ms: None, waited_ms: None };
        for codec in [avro(), ListCodec::json().unwrap()] {
            let (mut key, mut value) = (b"what was".to_vec(), b"there before".to_vec());
            codec.encode(&publication, &mut key, &mut value);
            assert_eq!((key, value), encode(&codec, &publication.record()), "{shown} of {count}");
        }
    }
}

proptest! {
    #[test]
    fn every_record_reads_back_bit_for_bit_in_both_forms(
        shop in "[^/]{1,9}",
        item in ".{1,300}",
        entries in prop::collection::vec(any_entry(), 0..20),
        reserve in prop::collection::vec(any_entry(), 0..3),
        as_of: i64,
        epoch: u64,
        sequence: u64,
    ) {
        let list = Cow::Borrowed("also-bought");
        let (shop, item) = (Cow::Owned(shop), Cow::Owned(item));
        let record = ListRecord { shop, list, item, entries, reserve, tombstone: false, as_of, epoch, sequence };
        for codec in [avro(), ListCodec::json().unwrap()] {
            let (key, value) = encode(&codec, &record);
            let read = codec.decode(&key, Some(&value), None, &nobody).unwrap();
            prop_assert_eq!(&read, &record);
            for (read, written) in read.entries.iter().zip(&record.entries) {
                prop_assert_eq!(read.lift.to_bits(), written.lift.to_bits());
                prop_assert_eq!((read.score * 1000.0).round(), (written.score * 1000.0).round());
            }
        }
        let (_, value) = encode(&avro(), &record);
        prop_assert_eq!(&value[5..], library_bytes(LIST_VALUE_SCHEMA, library_value(&record)));
        let same = |_| Ok(LIST_VALUE_SCHEMA.into());
        prop_assert_eq!(ListCodec::json().unwrap().decode(b"", Some(&value), None, &same).unwrap(), record);
    }
}
