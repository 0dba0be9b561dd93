//! Random schemas and values, written and read by `apache-avro`: what it finds at a pointer, we find.
//!
//! Schemas and values are drawn from bytes, so that proptest makes them smaller by making the bytes fewer.

use super::*;
use crate::intake::avro::{self as room, Part};
use crate::intake::mapping::From;
use crate::intake::value::LogicalTime;
use crate::intake::value::Value;
use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use std::collections::HashMap;

const FIELDS: [&str; 4] = ["a", "b", "c", "next"];
const KEYS: [&str; 3] = ["k", "0", "1"];

struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(first) % count
    }
}

/// A schema as JSON; named types get their names from `names`.
fn schema(choices: &mut Choices<'_>, depth: usize, names: &mut usize) -> Json {
    let kinds = if depth > 3 { 15 } else { 26 };
    *names += 1;
    let name = format!("N{names}");
    match choices.below(kinds) {
        0 => json!("string"),
        1 => json!("int"),
        2 => json!("long"),
        3 => json!("float"),
        4 => json!("double"),
        5 => json!("boolean"),
        6 => json!("bytes"),
        7 => json!({"type": "fixed", "name": name, "size": 3}),
        8 => json!({"type": "enum", "name": name, "symbols": ["x", "y", "z"]}),
        9 => json!({"type": "long", "logicalType": "timestamp-millis"}),
        10 => json!({"type": "long", "logicalType": "local-timestamp-micros"}),
        11 => json!({"type": "long", "logicalType": "timestamp-nanos"}),
        12 => json!({"type": "int", "logicalType": "date"}),
        13 => json!("null"),
        14 => json!(["null", "string", "double"]),
        15..20 => json!({"type": "array", "items": schema(choices, depth + 1, names)}),
        20 | 21 => json!({"type": "map", "values": schema(choices, depth + 1, names)}),
        22 => {
            let branch = record_schema(choices, depth + 1, names);
            json!(["null", branch, {"type": "array", "items": schema(choices, depth + 2, names)}])
        }
        _ => record_schema(choices, depth, names),
    }
}

fn record_schema(choices: &mut Choices<'_>, depth: usize, names: &mut usize) -> Json {
    *names += 1;
    let name = format!("R{names}");
    let mut fields: Vec<Json> = FIELDS[..3]
        .iter()
        .filter_map(|field| match choices.below(4) {
            0 => None,
            _ => Some(json!({"name": field, "type": schema(choices, depth + 1, names)})),
        })
        .collect();
    if choices.below(3) == 0 {
        fields.insert(choices.below(fields.len() + 1), json!({"name": "next", "type": ["null", name.clone()]}));
    }
    json!({"type": "record", "name": name, "fields": fields})
}

/// A value of `schema`; `records` are those around it, by name.
fn value(choices: &mut Choices<'_>, schema: &Json, records: &mut HashMap<String, Json>, depth: usize) -> AvroValue {
    let long = |choices: &mut Choices<'_>| [0, 1, -1, 63, 64, -65, 1 << 40, i64::MAX, i64::MIN][choices.below(9)];
    match schema {
        Json::String(name) => match name.as_str() {
            "string" => AvroValue::String(["", "u", "é件", "a longer text"][choices.below(4)].to_owned()),
            "int" => AvroValue::Int([0, 1, -1, 300, i32::MAX, i32::MIN][choices.below(6)]),
            "long" => AvroValue::Long(long(choices)),
            "float" => AvroValue::Float([0.0, 1.5, -0.1][choices.below(3)]),
            "double" => AvroValue::Double([0.0, 1.5, 1e300][choices.below(3)]),
            "boolean" => AvroValue::Boolean(choices.below(2) == 1),
            "bytes" => AvroValue::Bytes([&b""[..], b"text", b"\xFF\x00"][choices.below(3)].to_vec()),
            "null" => AvroValue::Null,
            name => value(choices, &records[name].clone(), records, depth + 1),
        },
        Json::Array(branches) => {
            let branch = if depth > 6 { 0 } else { choices.below(branches.len()) };
            AvroValue::Union(
                u32::try_from(branch).unwrap(),
                Box::new(value(choices, &branches[branch], records, depth + 1)),
            )
        }
        table => match (table["type"].as_str().unwrap(), table["logicalType"].as_str()) {
            (_, Some("timestamp-millis")) => AvroValue::TimestampMillis(long(choices)),
            (_, Some("local-timestamp-micros")) => AvroValue::LocalTimestampMicros(long(choices)),
            (_, Some("timestamp-nanos")) => AvroValue::TimestampNanos(long(choices)),
            (_, Some("date")) => AvroValue::Date(-7),
            ("fixed", _) => AvroValue::Fixed(3, [&b"fix"[..], b"\xFF\xFE\xFD"][choices.below(2)].to_vec()),
            ("enum", _) => {
                let symbol = choices.below(3);
                AvroValue::Enum(u32::try_from(symbol).unwrap(), ["x", "y", "z"][symbol].to_owned())
            }
            ("array", _) => {
                let count = choices.below(4);
                AvroValue::Array((0..count).map(|_| value(choices, &table["items"], records, depth + 1)).collect())
            }
            ("map", _) => {
                let keys = &KEYS[..choices.below(4)];
                let entry = |key: &&str| ((*key).to_owned(), value(choices, &table["values"], records, depth + 1));
                AvroValue::Map(keys.iter().map(entry).collect())
            }
            _ => {
                records.insert(table["name"].as_str().unwrap().to_owned(), table.clone());
                let fields = table["fields"].as_array().unwrap().iter().map(|field| {
                    let name = field["name"].as_str().unwrap().to_owned();
                    (name, value(choices, &field["type"], records, depth + 1))
                });
                AvroValue::Record(fields.collect())
            }
        },
    }
}

fn plain(value: &AvroValue) -> &AvroValue {
    if let AvroValue::Union(_, inner) = value { plain(inner) } else { value }
}

fn step<'v>(value: &'v AvroValue, step: &str) -> Option<&'v AvroValue> {
    Some(plain(match plain(value) {
        AvroValue::Record(fields) => &fields.iter().find(|(name, _)| name == step)?.1,
        AvroValue::Map(entries) => entries.get(step)?,
        AvroValue::Array(elements) => elements.get(step.parse::<usize>().ok()?)?,
        _ => return None,
    }))
}

fn at<'v>(value: &'v AvroValue, pointer: &str) -> Option<&'v AvroValue> {
    pointer.split('/').skip(1).try_fold(plain(value), step)
}

fn expected(value: Option<&AvroValue>) -> Value<'static> {
    let bytes = |bytes: &[u8]| match str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.to_owned().into()),
        Err(_) => Value::Bytes,
    };
    let Some(value) = value else { return Value::Missing };
    match value {
        AvroValue::Null => Value::Null,
        AvroValue::Boolean(truth) => Value::Bool(*truth),
        AvroValue::Int(number) => Value::Signed(i64::from(*number)),
        AvroValue::Long(number) => Value::Signed(*number),
        AvroValue::Float(number) => Value::Float(f64::from(*number)),
        AvroValue::Double(number) => Value::Float(*number),
        AvroValue::String(text) | AvroValue::Enum(_, text) => Value::Text(text.clone().into()),
        AvroValue::Bytes(all) | AvroValue::Fixed(_, all) => bytes(all),
        AvroValue::TimestampMillis(number) => Value::Time(*number, LogicalTime::Millis),
        AvroValue::LocalTimestampMicros(number) => Value::Time(*number, LogicalTime::Micros),
        AvroValue::TimestampNanos(number) => Value::Time(*number, LogicalTime::Nanos),
        AvroValue::Date(number) => Value::Time(i64::from(*number), LogicalTime::Date),
        AvroValue::Array(_) => Value::Array,
        AvroValue::Map(_) | AvroValue::Record(_) => Value::Object,
        other => panic!("{other:?}"),
    }
}

/// All pointers that lead somewhere in `value`.
fn paths(value: &AvroValue, prefix: &str, all: &mut Vec<String>) {
    let mut add = |name: &str, inner: &AvroValue| {
        all.push(format!("{prefix}/{name}"));
        paths(inner, &format!("{prefix}/{name}"), all);
    };
    match plain(value) {
        AvroValue::Record(fields) => fields.iter().for_each(|(name, inner)| add(name, inner)),
        AvroValue::Map(entries) => {
            KEYS.iter().filter_map(|key| Some((key, entries.get(*key)?))).for_each(|(k, v)| add(k, v))
        }
        AvroValue::Array(elements) => {
            elements.iter().enumerate().take(2).for_each(|(index, inner)| add(&index.to_string(), inner));
        }
        _ => {}
    }
}

/// Eight pointers: five for the user, the lines, two within a line. Most lead somewhere in `value`.
fn pointers(draws: &[(bool, usize, Vec<usize>)], value: &AvroValue) -> Vec<String> {
    let names = [&FIELDS[..], &KEYS[..]].concat();
    let pick = |(is_blind, draw, steps): &(bool, usize, Vec<usize>), from: &[String]| match from.len() {
        0 => steps.iter().map(|&step| format!("/{}", names[step % names.len()])).collect(),
        _ if *is_blind => steps.iter().map(|&step| format!("/{}", names[step % names.len()])).collect(),
        count => from[draw % count].clone(),
    };
    let (mut all, mut in_lines) = (Vec::new(), Vec::new());
    paths(value, "", &mut all);
    let mut pointers: Vec<String> = draws[..5].iter().map(|draw| pick(draw, &all)).collect();
    all.retain(|pointer| matches!(at(value, pointer), Some(AvroValue::Array(_))));
    let lines: String = pick(&draws[5], &all);
    if let Some(AvroValue::Array(elements)) = at(value, &lines) {
        in_lines.push(String::new());
        elements.iter().for_each(|element| paths(element, "", &mut in_lines));
    }
    pointers.push(lines);
    pointers.extend(draws[6..].iter().map(|draw| pick(draw, &in_lines)));
    pointers
}

fn draws() -> impl Strategy<Value = Vec<(bool, usize, Vec<usize>)>> {
    vec_of((prop::bool::weighted(0.3), any::<usize>(), vec_of(0_usize..7, 1..4)), 8)
}

/// `pointers` as user (5 fallbacks), lines and the item within a line (2).
fn mapping_of(pointers: &[String]) -> Mapping {
    avro(&format!(
        "fields.user = {:?}\nfields.lines = {:?}\nfields.line_item = {:?}",
        &pointers[..5],
        pointers[5],
        &pointers[6..]
    ))
}

type Outcome = (Vec<Value<'static>>, Vec<Value<'static>>, Value<'static>, usize);

/// What the room finds at the five pointers, the lines' items, and the lines.
fn found(mapping: &Mapping, schema: &str, datum: &[u8]) -> Result<Outcome, Reject> {
    let (plans, value) = (plans(mapping, schema), wire(datum));
    let found = room::read(&mapping.form.schema_files, &plans, Part::Value, &mapping.form.value_paths, &value)?;
    let owned = |value: &Value<'_>| match value {
        Value::Text(text) => Value::Text(text.to_string().into()),
        Value::Signed(number) => Value::Signed(*number),
        Value::Float(number) => Value::Float(*number),
        Value::Time(number, logical) => Value::Time(*number, *logical),
        Value::Missing => Value::Missing,
        Value::Null => Value::Null,
        Value::Bool(truth) => Value::Bool(*truth),
        Value::Bytes => Value::Bytes,
        Value::Array => Value::Array,
        Value::Object => Value::Object,
        Value::Unsigned(number) => Value::Unsigned(*number),
    };
    let nodes = mapping.user.origins.iter().map(|origin| match origin.from {
        From::Value(node) => owned(&found.values[node]),
        _ => panic!("a field"),
    });
    let lines = owned(&found.values[mapping.lines]);
    Ok((nodes.collect(), found.lines.iter().map(owned).collect(), lines, found.line_count))
}

fn outcome_of(decoded: &AvroValue, pointers: &[String]) -> Outcome {
    let values = pointers[..5].iter().map(|pointer| expected(at(decoded, pointer))).collect();
    let lines = at(decoded, &pointers[5]);
    let elements = if let Some(AvroValue::Array(elements)) = lines { &elements[..] } else { &[] };
    let item = |line: &AvroValue| {
        let places: Vec<Value<'_>> = pointers[6..].iter().map(|place| expected(at(line, place))).collect();
        places.iter().find(|place| !place.is_blank()).unwrap_or(&places[0]).clone()
    };
    (values, elements.iter().map(item).collect(), expected(lines), elements.len())
}

/// The schema with other names for its fields, which has the old ones as aliases.
fn renamed(schema: &Json) -> Json {
    match schema {
        Json::Array(branches) => branches.iter().map(renamed).collect(),
        Json::Object(table) => {
            let mut table = table.clone();
            for inner in ["items", "values"] {
                if let Some(inner) = table.get_mut(inner) {
                    *inner = renamed(inner);
                }
            }
            if let Some(Json::Array(fields)) = table.get_mut("fields") {
                // Another order too.
                fields.reverse();
                // A type must be defined before it is named: it is, since only `next` names one, the record around.
                for field in fields {
                    let name = field["name"].as_str().unwrap().to_owned();
                    *field = json!({"name": format!("{name}_now"), "aliases": [name], "type": renamed(&field["type"])});
                }
            }
            Json::Object(table)
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_apache_avro_reads_at_a_pointer_is_found_there(
        shape in vec_of(any::<u8>(), 20..80),
        content in vec_of(any::<u8>(), 20..160),
        draws in draws(),
        damage in vec_of((any::<usize>(), any::<u8>()), 1..3),
    ) {
        let schema = record_schema(&mut Choices(&shape), 0, &mut 0);
        let text = schema.to_string();
        let written = value(&mut Choices(&content), &schema, &mut HashMap::new(), 0);
        let parsed = apache_avro::Schema::parse_str(&text).unwrap();
        let datum = GenericDatumWriter::builder(&parsed).build().unwrap().write_value_to_vec(written).unwrap();
        let decoded = GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut &datum[..]).unwrap();
        let pointers = pointers(&draws, &decoded);
        let mapping = mapping_of(&pointers);
        let expected = outcome_of(&decoded, &pointers);
        prop_assert_eq!(&found(&mapping, &text, &datum).unwrap(), &expected, "{} {:?}", text, pointers);

        // The same by a reader's schema whose fields all have other names.
        let now: Vec<String> = pointers
            .iter()
            .map(|pointer| FIELDS.iter().fold(pointer.clone(), |pointer, name| {
                pointer.split('/').map(|step| if step == *name { format!("{step}_now") } else { step.to_owned() }).collect::<Vec<_>>().join("/")
            }))
            .collect();
        let by_reader = mapping_of(&now).with_schemas(None, Some(&renamed(&schema).to_string())).unwrap();
        prop_assert_eq!(&found(&by_reader, &text, &datum).unwrap(), &expected, "{} {:?}", text, now);

        // Cut anywhere, it is refused; damaged, it is read or refused, and a refusal that is told can be placed.
        for length in 0..datum.len() {
            prop_assert_eq!(found(&mapping, &text, &datum[..length]).unwrap_err().reason, Reason::BadAvro);
        }
        let mut damaged = datum;
        for (place, byte) in damage {
            let length = damaged.len().max(1);
            if let Some(place) = damaged.get_mut(place % length) {
                *place = byte;
            }
        }
        let plans = plans(&mapping, &text);
        let value = wire(&damaged);
        let _ = intake().admit_record(&mapping, &plans, &of(&value), Now::default());
    }

    #[test]
    fn any_bytes_are_an_event_or_a_reject_and_never_a_panic(bytes in vec_of(any::<u8>(), 0..200), shape in vec_of(any::<u8>(), 20..80), draws in draws()) {
        let mapping = mapping_of(&pointers(&draws, &AvroValue::Null));
        for schema in [record_schema(&mut Choices(&shape), 0, &mut 0).to_string(), EVENT.to_owned()] {
            let plans = plans(&mapping, &schema);
            for value in [wire(&bytes), bytes.clone()] {
                if let Err(reject) = intake().admit_record(&mapping, &plans, &of(&value), Now::default()) {
                    prop_assert!(!reject.message.is_empty() && reject.message.len() < 1500, "{}", reject);
                }
            }
        }
    }

    #[test]
    fn any_text_is_a_schema_or_none_and_never_a_panic(at in any::<usize>(), with in "[\\[\\]{}\",:a-z0-9]{0,3}") {
        let at = at % EVENT.len();
        let text = format!("{}{with}{}", &EVENT[..at], &EVENT[(at + 1).min(EVENT.len())..]);
        let _ = avro("").with_schemas(Some(&text), Some(&text));
    }
}

#[test]
fn the_generator_makes_values_that_are_found() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut scalars, mut items, mut nested) = (0, 0, 0);
    for _ in 0..2000 {
        let drawn = (vec_of(any::<u8>(), 20..80), vec_of(any::<u8>(), 20..160), draws()).new_tree(&mut runner).unwrap();
        let (shape, content, draws) = drawn.current();
        let schema = record_schema(&mut Choices(&shape), 0, &mut 0);
        let written = value(&mut Choices(&content), &schema, &mut HashMap::new(), 0);
        let pointers = pointers(&draws, &written);
        let (values, lines, ..) = outcome_of(&written, &pointers);
        let is_scalar =
            |value: &&Value<'_>| !matches!(value, Value::Missing | Value::Null | Value::Array | Value::Object);
        scalars += values.iter().filter(is_scalar).count();
        items += lines.iter().filter(is_scalar).count();
        nested += values
            .iter()
            .zip(&pointers)
            .filter(|(value, pointer)| is_scalar(value) && pointer[1..].contains('/'))
            .count();
    }
    assert!(scalars > 3000 && items > 500 && nested > 1000, "{scalars} scalars, {items} items, {nested} nested");
}
