//! One `[[source]]`: its name and place, and the mapping that intake reads records by.

use super::keys::Keys;
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
    let mapping = mapping(rest, &mut reasons);
    match (mapping.format, &file) {
        (Format::Avro, Some(_)) => reasons.push("has a file and format = \"avro\": files hold JSON lines".to_owned()),
        (Format::Json, _) if schema_file.is_some() || reader_schema_file.is_some() => {
            reasons.push("has a file of an Avro schema: set format = \"avro\", or leave the schema out".to_owned());
        }
        _ => {}
    }
    let name = name.unwrap_or_default();
    (SourceSettings { name, file, topic, start, schema_file, reader_schema_file, mapping }, reasons)
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
    table
}

fn mapping(table: Table, reasons: &mut Vec<String>) -> MappingSpec {
    let mut unknown = Vec::new();
    let read =
        serde_ignored::deserialize::<_, _, MappingSpec>(Value::Table(table), |path| unknown.push(path.to_string()));
    let mut known = Table::try_from(MappingSpec::default()).unwrap_or_default();
    for key in ["start", "transform"] {
        known.insert(key.to_owned(), Value::String(String::new()));
    }
    known.extend(OWN_KEYS.into_iter().chain(SCHEMA_KEYS).map(|key| (key.to_owned(), Value::String(String::new()))));
    let keys = Keys::of(&known);
    for key in unknown {
        let hint = keys.nearest(&key).map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
        reasons.push(format!("unknown setting {key}{hint}"));
    }
    match read {
        Ok(mapping) => {
            reasons.extend(mapping.compile().err().map(|error| error.to_string()));
            mapping
        }
        Err(error) => {
            reasons.push(error.message().trim().replace('\n', "; "));
            MappingSpec::default()
        }
    }
}
