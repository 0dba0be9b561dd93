//! The views that are counted, as the records of a topic with a partition for each thread.

use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Deserialize;
use std::error::Error;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

#[path = "../parts/draw.rs"]
mod draw;

/// Half of them before the clock runs.
pub const VIEWS: usize = 2_000_000;
pub const SCHEMA: &str = include_str!("../../schemas/view.avsc");
const VIEWS_EACH: usize = 6;
const VISITORS_AT_ONCE: usize = 1_000;
const START_MS: i64 = 1_700_000_000_000;
/// Between two views of the shop: a visitor's are 100 s apart.
const BETWEEN_MS: i64 = 100;
const MONTH_MS: i64 = 31 * 86_400_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Avro,
    Json,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if *self == Self::Avro { "Avro" } else { "JSON" })
    }
}

#[derive(Clone)]
pub struct View {
    user: String,
    item: String,
    time_ms: i64,
}

/// Items by Zipf's law, anew for each view: harsher than visits of a real shop, whose views are of few items each.
pub fn drawn(items: usize, skew: f64) -> Result<Vec<View>, Box<dyn Error>> {
    let mut draw = draw::Draw::new();
    let mut users: Vec<usize> = (0..VISITORS_AT_ONCE).collect();
    let mut next = VISITORS_AT_ONCE;
    let mut views = Vec::with_capacity(VIEWS);
    let mut time_ms = START_MS;
    for _ in 0..VIEWS {
        let place = draw.below(users.len());
        if draw.below(VIEWS_EACH) == 0 {
            users[place] = next;
            next += 1;
        }
        // Popular items are not the first ones of the catalogue.
        let item = draw.zipf_of(items, skew).wrapping_mul(0x9E37_79B1) % items;
        views.push(View { user: format!("user-{:08}", users[place]), item: format!("sku-{item:08}"), time_ms });
        time_ms += BETWEEN_MS;
    }
    Ok(views)
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    user: String,
    item: Option<String>,
    ts: i64,
}

/// The views of a file in samenloop's own form, again and again, each time a month later and by other users.
pub fn of_file(path: &str) -> Result<Vec<View>, Box<dyn Error>> {
    let file = std::fs::File::open(path)?;
    let reader: Box<dyn Read> =
        if path.ends_with(".zst") { Box::new(zstd::Decoder::new(file)?) } else { Box::new(file) };
    let mut once = Vec::new();
    for line in BufReader::new(reader).lines() {
        let Line { r#type, user, item, ts } = serde_json::from_str(&line?)?;
        if let (Some(item), true) = (item, r#type == "view") {
            once.push(View { user, item, time_ms: ts });
        }
    }
    if once.is_empty() {
        return Err(format!("{path} holds no views").into());
    }
    let copies = (0_i64..).flat_map(|copy| {
        once.iter().map(move |view| View {
            user: format!("{}-{copy}", view.user),
            item: view.item.clone(),
            time_ms: view.time_ms + copy * MONTH_MS,
        })
    });
    Ok(copies.take(VIEWS).collect())
}

/// The records of each of so many partitions: a user's are all in one.
pub fn records(views: &[View], form: Form, partitions: usize) -> Result<Vec<Vec<Vec<u8>>>, Box<dyn Error>> {
    let schema = apache_avro::Schema::parse_str(SCHEMA)?;
    let writer = GenericDatumWriter::builder(&schema).build()?;
    let mut records = vec![Vec::with_capacity(views.len() / partitions); partitions];
    for (number, View { user, item, time_ms }) in views.iter().enumerate() {
        let partition =
            user.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte)) / 8 % partitions;
        let id = format!("e{number:08}");
        records[partition].push(match form {
            Form::Json => format!(
                r#"{{"type":"view","shop":"main","user":"{user}","item":"{item}","ts":{time_ms},"event_id":"{id}"}}"#
            )
            .into_bytes(),
            Form::Avro => {
                let mut view =
                    serde_json::json!({"shop": "main", "user": user, "item": item, "event_id": id, "ts": time_ms});
                view["session"] = serde_json::Value::Null;
                let datum = writer.write_value_to_vec(Value::try_from(view)?.resolve(&schema)?)?;
                [&[0; 5][..], &datum].concat() // of the Confluent wire format: a zero byte and the schema's id
            }
        });
    }
    Ok(records)
}
