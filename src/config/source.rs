//! One `[[source]]`: its name and place, and the mapping that intake reads records by.

use super::file_form::{self, FILE_KEYS};
use super::keys::Keys;
use super::problem::{Layer, Problem};
use super::{SourceSettings, Start};
use crate::intake::{Format, MappingSpec};
use crate::limits::ID_BYTES_MAX;
use serde::Deserialize as _;
use toml::{Table, Value};

/// Keys of a source that are not its mapping's.
const OWN_KEYS: [&str; 3] = ["name", "file", "topic"];

/// More of them: files of Avro schemas.
const SCHEMA_KEYS: [&str; 2] = ["schema_file", "reader_schema_file"];

/// Reads a source; the second part is what is wrong with it, empty when it can be used.
pub(super) fn read(table: &Table) -> (SourceSettings, Vec<String>) {
    let mut reasons = Vec::new();
    let mut rest = table.clone();
    let mut text = |key: &str| match rest.remove(key) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        None => None,
        Some(_) => {
            reasons.push(format!("{key} must be a text that is not empty"));
            None
        }
    };
    let [name, file, topic] = OWN_KEYS.map(&mut text);
    let [schema_file, reader_schema_file] = SCHEMA_KEYS.map(text);
    if name.is_none() && !table.contains_key("name") {
        reasons.push("has no name".to_owned());
    }
    reasons.extend(name.as_deref().and_then(name_fault));
    if file.is_some() && topic.is_some() {
        reasons.push("has both a file and a topic: set one".to_owned());
    }
    let start = start(rest.remove("start"), topic.is_some(), &mut reasons);
    let form = file_form::take(&mut rest, &mut reasons);
    let mapping = mapping(rest, &mut reasons);
    reasons.extend(file_form::faults(&form, mapping.format, topic.is_some()));
    match (mapping.format, &file) {
        (Format::Avro, Some(_)) => reasons.push("has a file and format = \"avro\": files hold JSON or rows".to_owned()),
        (Format::Json | Format::Csv | Format::Tsv, _) if schema_file.is_some() || reader_schema_file.is_some() => {
            reasons.push("has a file of an Avro schema: set format = \"avro\", or leave the schema out".to_owned());
        }
        _ => {}
    }
    let name = name.unwrap_or_default();
    (SourceSettings { name, file, topic, start, schema_file, reader_schema_file, form, mapping }, reasons)
}

fn start(value: Option<Value>, has_topic: bool, reasons: &mut Vec<String>) -> Start {
    let Some(value) = value else { return Start::default() };
    if !has_topic {
        reasons.push("start is of use with a topic only: a file is read from its beginning".to_owned());
    }
    Start::deserialize(value).unwrap_or_else(|_| {
        reasons.push("start must be \"earliest\" or \"latest\"".to_owned());
        Start::default()
    })
}

/// What is wrong with a name, if anything. Every block of the events log holds it, and a reader of the log refuses what is
/// longer than an id; reports and rejects write it in one line.
fn name_fault(name: &str) -> Option<String> {
    if name.len() > ID_BYTES_MAX {
        return Some(format!("name has {} bytes, at most {ID_BYTES_MAX} are allowed", name.len()));
    }
    name.chars().any(char::is_control).then(|| "name must not hold a control character, such as a tab".to_owned())
}

/// The source as it would be written in a file.
pub(super) fn to_table(source: &SourceSettings) -> Table {
    // A mapping is made of texts, lists and tables: it can always be written.
    let mut table = Table::try_from(&source.mapping).unwrap_or_default();
    for (key, value) in OWN_KEYS.into_iter().zip([Some(&source.name), source.file.as_ref(), source.topic.as_ref()]) {
        table.extend(value.map(|value| (key.to_owned(), Value::String(value.clone()))));
    }
    if source.start != Start::default() {
        table.extend(Value::try_from(source.start).ok().map(|start| ("start".to_owned(), start)));
    }
    for (key, value) in SCHEMA_KEYS.into_iter().zip([&source.schema_file, &source.reader_schema_file]) {
        table.extend(value.clone().map(|value| (key.to_owned(), Value::String(value))));
    }
    table.extend(file_form::to_table(&source.form));
    table
}

/// The keys of a table that says where a value comes from, or what a type is.
const PLACE_KEYS: [&str; 17] = [
    "field",
    "key",
    "header",
    "topic",
    "constant",
    "missing",
    "trim",
    "record",
    "unit",
    "format",
    "zone",
    "day",
    "from",
    "values",
    "other",
    "number",
    "separator",
];

/// The key of a place that was most likely meant: another beginning, or a letter or two that differ.
pub(super) fn place_key(wrong: &str) -> Option<&'static str> {
    let last = wrong.rsplit('.').next().unwrap_or(wrong);
    let begins = |known: &&str| last.len() > 2 && known.starts_with(last);
    let begun = PLACE_KEYS.into_iter().find(begins);
    begun.or_else(|| {
        PLACE_KEYS.into_iter().find(|known| strsim::damerau_levenshtein(known, last) <= 2 && last.len() > 3)
    })
}

/// What is wrong with a mapping that cannot be read, with the field it stands in.
fn unreadable(table: &Table, whole: &toml::de::Error) -> String {
    let of = |alone: Table| Value::Table(alone).try_into::<MappingSpec>().err().map(|error| said(&error));
    let fields = table.get("fields").and_then(Value::as_table);
    for (key, value) in fields.into_iter().flatten() {
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        if let Some(what) = of(Table::from_iter([("fields".to_owned(), Value::Table(alone))])) {
            let remedy = match (key.as_str(), value) {
                ("lines", _) => {
                    "; it is one JSON pointer, such as \"/lines\": lines that stand elsewhere at times are for transform"
                }
                ("line_item", Value::Table(_)) => "; as a table it is { field = \"/sku\", missing = [\"SHIPPING\"] }",
                _ => "",
            };
            return format!("fields.{key}: {what}{remedy}");
        }
    }
    for (key, value) in table.iter().filter(|(key, _)| *key != "fields") {
        if let Some(what) = of(Table::from_iter([(key.clone(), value.clone())])) {
            return if what.starts_with(key.as_str()) { what } else { format!("{key}: {what}") };
        }
    }
    said(whole)
}

pub(super) fn said(error: &toml::de::Error) -> String {
    error.message().trim().replace('\n', "; ")
}

/// What is wrong with the fields that only impressions and clicks have, where these are read: of all others it has been said.
pub(super) fn list_fields_fault(source: &SourceSettings) -> Option<Problem> {
    let plain = MappingSpec { reads_clicks: false, ..source.mapping.clone() };
    let error = source.mapping.compile().err().filter(|_| plain.compile().is_ok())?;
    let setting = format!("source {:?}", source.name);
    Some(Problem::Limit { setting, layer: Layer::Default, reason: error.to_string() })
}

fn mapping(table: Table, reasons: &mut Vec<String>) -> MappingSpec {
    let mut unknown = Vec::new();
    let read = serde_ignored::deserialize::<_, _, MappingSpec>(Value::Table(table.clone()), |path| {
        unknown.push(path.to_string());
    });
    let mut known = Table::try_from(MappingSpec::default()).unwrap_or_default();
    for key in ["start", "transform"] {
        known.insert(key.to_owned(), Value::String(String::new()));
    }
    known.extend(
        OWN_KEYS
            .into_iter()
            .chain(SCHEMA_KEYS)
            .chain(FILE_KEYS)
            .map(|key| (key.to_owned(), Value::String(String::new()))),
    );
    let keys = Keys::of(&known);
    for key in unknown {
        let of_place = || key.contains('.').then(|| place_key(&key)).flatten().map(str::to_owned);
        let nearest = of_place().or_else(|| keys.nearest(&key));
        let hint = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
        reasons.push(format!("unknown setting {key}{hint}"));
    }
    match read {
        Ok(mapping) => {
            reasons.extend(mapping.compile().err().map(|error| error.to_string()));
            mapping
        }
        Err(error) => {
            reasons.push(unreadable(&table, &error));
            MappingSpec::default()
        }
    }
}
