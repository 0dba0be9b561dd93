//! From a record's bytes to an event whose user is a key.

use super::table::{Way, compare};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use samenloop::event::UserKeys;
use samenloop::intake::{Format, Intake, Learned, MappingSpec, Now, Plans, Record, SchemaId, TimeRules};
use serde::Deserialize;
use std::error::Error;
use std::hint::black_box;

const RECORDS: usize = 50_000;
const SCHEMA: &str = include_str!("../../schemas/view.avsc");
/// Of the Confluent wire format: a zero byte and the schema's id.
const WIRE_BYTES: usize = 5;

/// What one would write: names are borrowed, nothing is checked.
#[derive(Deserialize)]
struct View<'a> {
    shop: &'a str,
    user: &'a str,
    item: &'a str,
    event_id: &'a str,
    ts: i64,
}

fn admit(spec: &MappingSpec, records: &[Vec<u8>], learn: Option<&str>) -> Result<impl FnMut(), Box<dyn Error>> {
    let (mapping, mut plans) = (spec.compile()?, Plans::default());
    if let Some(schema) = learn {
        mapping.learn(&mut plans, SchemaId(0), Learned::Schema(schema));
    }
    let intake = Intake::new(TimeRules::default(), UserKeys::new([7; 16]), 4);
    Ok(move || {
        let mut admitted = 0;
        for bytes in records {
            let record = Record { value: Some(bytes), ..Record::default() };
            let event = intake.admit_record(&mapping, &plans, &record, Now::default());
            admitted += usize::from(matches!(event, Ok(Some(_))));
            let _used = black_box(&event);
        }
        assert_eq!(admitted, RECORDS, "all of them are events");
    })
}

fn texts() -> Vec<Vec<u8>> {
    let text = |number: usize| {
        let (user, item, at) = (number * 7 % 9_973, number * 31 % 5_003, 1_700_000_000_000 + number);
        format!(
            r#"{{"type":"view","shop":"main","user":"user-{user:05}","item":"sku-{item:06}","ts":{at},"event_id":"e{number:08}"}}"#
        )
        .into_bytes()
    };
    (0..RECORDS).map(text).collect()
}

pub fn json() -> Result<(), Box<dyn Error>> {
    let records = texts();
    let spec = MappingSpec::default();
    let ours = admit(&spec, &records, None)?;
    let ways: Vec<Way<'_>> = vec![
        ("intake: mapped, checked, keyed", Box::new(ours)),
        (
            "serde_json, a borrowed struct",
            Box::new(|| {
                for bytes in &records {
                    let view: View<'_> = serde_json::from_slice(bytes).expect("a view");
                    black_box((view.shop, view.user, view.item, view.event_id, view.ts));
                }
            }),
        ),
        (
            "serde_json, a Value",
            Box::new(|| {
                for bytes in &records {
                    let view: serde_json::Value = serde_json::from_slice(bytes).expect("a view");
                    black_box((view["user"].as_str(), view["item"].as_str(), view["ts"].as_i64()));
                }
            }),
        ),
    ];
    compare(&format!("a view of JSON, {} bytes", records[0].len()), RECORDS, ways);
    Ok(())
}

pub fn avro() -> Result<(), Box<dyn Error>> {
    let schema = apache_avro::Schema::parse_str(SCHEMA)?;
    let writer = GenericDatumWriter::builder(&schema).build()?;
    let mut records = Vec::new();
    for text in texts() {
        let mut view: serde_json::Value = serde_json::from_slice(&text)?;
        view["session"] = serde_json::Value::Null;
        let datum = writer.write_value_to_vec(Value::try_from(view)?.resolve(&schema)?)?;
        records.push([&[0; WIRE_BYTES][..], &datum].concat());
    }
    let spec = MappingSpec { format: Format::Avro, ..MappingSpec::default() };
    let ours = admit(&spec, &records, Some(SCHEMA))?;
    let reader = GenericDatumReader::builder(&schema).build()?;
    let ways: Vec<Way<'_>> = vec![
        ("intake: mapped, checked, keyed", Box::new(ours)),
        (
            "apache-avro, a Value",
            Box::new(|| {
                for bytes in &records {
                    let view = reader.read_value(&mut &bytes[WIRE_BYTES..]).expect("a view");
                    let _used = black_box(&view);
                }
            }),
        ),
    ];
    compare(&format!("a view of Avro, {} bytes", records[0].len()), RECORDS, ways);
    Ok(())
}
