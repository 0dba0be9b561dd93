//! `[facts]`: what is known of items, and where it comes from.
//!
//! Absent: what facts mean (`facts`), and how records become facts (`intake`).

use super::check::Check;
use super::file_form::{self, FILE_KEYS, FileForm};
use super::problem::Problem;
use super::raw::RawSettings;
use super::source::{place_key, said};
use super::units::{Bytes, Duration, Threshold};
use crate::facts::FactsTopic;
use crate::intake::{FactField, FactOriginSpec, FactSpec, Format, OneOrMore, WrittenScalar};
use crate::rules::DAY_MS;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use toml::{Table, Value};

/// Room for facts.
const MEMORY: RangeInclusive<Bytes> = Bytes(1 << 20)..=Bytes(1 << 40);
/// How long facts are waited for.
const WAIT: RangeInclusive<Duration> = Duration(0)..=Duration(DAY_MS);
/// A quantity at which stock is low.
const LOW_STOCK: RangeInclusive<f64> = 0.0..=1e9;
/// Keys of a section that are not its mapping's, and are known to the environment too.
const PLACE: [&str; 2] = ["topic", "file"];
/// More keys that hold a text.
const TEXTS: [&str; 4] = ["schema_file", "reader_schema_file", "key", "transform"];
/// All other keys.
const OTHERS: [&str; 3] = ["format", "key_format", "fields"];
/// Keys of `fields` that are not fields.
const OF_ALL_FIELDS: [&str; 2] = ["missing", "trim"];

/// What is known of items, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct FactsSettings {
    /// How much memory facts may take, in bytes.
    pub memory_bytes: u64,
    /// How long a start waits, in ms, while nothing comes of what it needs.
    pub wait_ms: i64,
    /// What then.
    pub when_away: WhenAway,
    /// At or below this quantity stock is low; `None`: none is.
    pub low_stock: Option<f64>,
    /// The topics and files that facts come from.
    pub sources: Vec<FactsSourceSettings>,
}

/// What is done without facts that do not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenAway {
    /// They are waited for.
    #[default]
    Wait,
    /// Counting and publishing go on without them.
    GoOn,
}

/// Where facts of one kind come from.
#[derive(Clone, Debug, PartialEq)]
pub struct FactsSourceSettings {
    /// The topic that is followed.
    pub topic: Option<String>,
    /// The file that is read once, at start.
    pub file: Option<String>,
    /// File that holds the schema by which values are written as bare Avro; without it they name a registry's.
    pub schema_file: Option<String>,
    /// File of the Avro schema whose fields the mapping names.
    pub reader_schema_file: Option<String>,
    /// How the file is written.
    pub form: FileForm,
    /// How records become facts. Known to compile.
    pub mapping: FactSpec,
}

impl FactsSourceSettings {
    /// Of which kind its facts are.
    #[must_use]
    pub fn kind(&self) -> FactsTopic {
        self.mapping.topic
    }
}

impl Default for FactsSettings {
    fn default() -> Self {
        let wait_ms = 5 * 60_000;
        Self { memory_bytes: 1 << 30, wait_ms, when_away: WhenAway::Wait, low_stock: None, sources: Vec::new() }
    }
}

impl FactsSettings {
    /// Where facts of this kind come from.
    #[must_use]
    pub fn source(&self, topic: FactsTopic) -> Option<&FactsSourceSettings> {
        self.sources.iter().find(|source| source.kind() == topic)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RawFacts {
    memory: Bytes,
    wait: Duration,
    when_away: WhenAway,
    low_stock: Threshold,
    /// Read one by one.
    catalogue: Table,
    stock: Table,
    relations: Table,
    verdicts: Table,
}

impl RawFacts {
    fn section(&self, topic: FactsTopic) -> &Table {
        match topic {
            FactsTopic::Catalogue => &self.catalogue,
            FactsTopic::Stock => &self.stock,
            FactsTopic::Relations => &self.relations,
            FactsTopic::Verdicts => &self.verdicts,
        }
    }
}

impl From<&FactsSettings> for RawFacts {
    fn from(facts: &FactsSettings) -> Self {
        let section = |topic| to_table(facts.source(topic));
        Self {
            memory: Bytes(facts.memory_bytes),
            wait: Duration(facts.wait_ms),
            when_away: facts.when_away,
            low_stock: Threshold(facts.low_stock),
            catalogue: section(FactsTopic::Catalogue),
            stock: section(FactsTopic::Stock),
            relations: section(FactsTopic::Relations),
            verdicts: section(FactsTopic::Verdicts),
        }
    }
}

impl Default for RawFacts {
    fn default() -> Self {
        Self::from(&FactsSettings::default())
    }
}

impl Check<'_> {
    pub(super) fn facts(&mut self, raw: &RawSettings) -> FactsSettings {
        let prefix = &raw.topics.prefix;
        let raw = &raw.facts;
        if let Some(low) = raw.low_stock.0.filter(|low| !LOW_STOCK.contains(low)) {
            let reason = format!("must be {} to {}, or \"off\"", LOW_STOCK.start(), LOW_STOCK.end());
            self.refuse("facts.low_stock", low, reason);
        }
        let mut sources = Vec::new();
        for topic in FactsTopic::ALL {
            let section = raw.section(topic);
            let (source, mut reasons) = read(topic, section);
            reasons.extend(source.as_ref().and_then(|source| self.facts_topic(source, prefix)));
            let setting = format!("[facts.{}]", topic.name());
            let keys = section.keys().map(|key| self.layer(&format!("facts.{}.{key}", topic.name())));
            let layer = keys.into_iter().find(|layer| *layer != super::Layer::Default).unwrap_or(super::Layer::Default);
            let problem = |reason| Problem::Limit { setting: setting.clone(), layer: layer.clone(), reason };
            self.problems.extend(reasons.into_iter().map(problem));
            sources.extend(source);
        }
        FactsSettings {
            memory_bytes: self.within("facts.memory", raw.memory, &MEMORY).0,
            wait_ms: self.within("facts.wait", raw.wait, &WAIT).0,
            when_away: raw.when_away,
            low_stock: raw.low_stock.0,
            sources,
        }
    }
}

/// Reads a section; none where it says neither topic nor file. The second part is what is wrong with it.
fn read(topic: FactsTopic, table: &Table) -> (Option<FactsSourceSettings>, Vec<String>) {
    let mut reasons = Vec::new();
    let mut rest = table.clone();
    let mut text = |key: &str| match rest.remove(key) {
        Some(Value::String(text)) => Some(text).filter(|text| !text.is_empty()),
        None => None,
        Some(_) => {
            reasons.push(format!("{key} must be a text"));
            None
        }
    };
    let [place, file] = PLACE.map(&mut text);
    let [schema_file, reader_schema_file, key, transform] = TEXTS.map(&mut text);
    if place.is_some() && file.is_some() {
        reasons.push("has both a topic and a file: set one".to_owned());
    }
    if place.is_none() && file.is_none() {
        if !rest.is_empty() || key.is_some() || transform.is_some() || schema_file.is_some() {
            reasons.push("has neither a topic nor a file: set one, or leave the section out".to_owned());
        }
        return (None, reasons);
    }
    let form = file_form::take(&mut rest, &mut reasons);
    let mut mapping = FactSpec { transform, ..FactSpec::new(topic) };
    mapping.key = key.unwrap_or(mapping.key);
    for (key, format) in [("format", &mut mapping.format), ("key_format", &mut mapping.key_format)] {
        match rest.remove(key).map(Format::deserialize) {
            None => {}
            Some(Ok(read)) => *format = read,
            Some(Err(_)) => reasons.push(format!("{key} must be \"json\", \"avro\", \"csv\" or \"tsv\"")),
        }
    }
    match rest.remove("fields") {
        None => {}
        Some(Value::Table(fields)) => take_fields(&mut mapping, fields, &mut reasons),
        Some(_) => reasons.push("fields must be a table".to_owned()),
    }
    for key in rest.keys() {
        let known = PLACE.into_iter().chain(TEXTS).chain(OTHERS).chain(FILE_KEYS);
        reasons.push(unknown(key, known));
    }
    reasons.extend(file_form::faults(&form, mapping.format, place.is_some()));
    match (mapping.format, &file) {
        (Format::Avro, Some(_)) => reasons.push("has a file and format = \"avro\": files hold JSON or rows".to_owned()),
        (Format::Json | Format::Csv | Format::Tsv, _) if schema_file.is_some() || reader_schema_file.is_some() => {
            reasons.push("has a file of an Avro schema: set format = \"avro\", or leave the schema out".to_owned());
        }
        _ => {}
    }
    if reasons.is_empty() {
        reasons.extend(mapping.compile(None).err().map(|error| error.to_string()));
    }
    (Some(FactsSourceSettings { topic: place, file, schema_file, reader_schema_file, form, mapping }), reasons)
}

fn unknown<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> String {
    let near = known.map(|known| (strsim::damerau_levenshtein(known, key), known)).min();
    let hint = near.filter(|(distance, _)| *distance <= 2).map(|(_, known)| format!("; did you mean {known}?"));
    format!("unknown setting {key}{}", hint.unwrap_or_default())
}

fn take_fields(mapping: &mut FactSpec, fields: Table, reasons: &mut Vec<String>) {
    for (name, value) in fields {
        match name.as_str() {
            "trim" => match value {
                Value::Boolean(trim) => mapping.trim = trim,
                _ => reasons.push("fields.trim must be true or false".to_owned()),
            },
            "missing" => match Vec::<WrittenScalar>::deserialize(value) {
                Ok(missing) => mapping.missing = missing,
                Err(_) => reasons.push("fields.missing must be a list of texts and numbers".to_owned()),
            },
            name => {
                let fields = FactField::of(mapping.topic);
                let Some(field) = fields.iter().find(|field| field.name() == name) else {
                    let known = fields.iter().map(|field| field.name()).chain(OF_ALL_FIELDS);
                    reasons.push(unknown(name, known).replace("setting ", "setting fields."));
                    continue;
                };
                let mut wrong = Vec::new();
                let read = serde_ignored::deserialize::<_, _, OneOrMore<FactOriginSpec>>(value, |path| {
                    wrong.push(path.to_string());
                });
                for key in wrong {
                    let near = place_key(&key).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                    reasons.push(format!("unknown setting fields.{name}.{key}{near}"));
                }
                match read {
                    Ok(places) => drop(mapping.fields.insert(field.name(), places)),
                    Err(error) => reasons.push(format!("fields.{name}: {}", said(&error))),
                }
            }
        }
    }
}

/// A section as it would be written in a file.
fn to_table(source: Option<&FactsSourceSettings>) -> Table {
    let mut table = Table::new();
    let mut put = |key: &str, text: Option<&String>| {
        table.insert(key.to_owned(), Value::String(text.cloned().unwrap_or_default()));
    };
    put("topic", source.and_then(|source| source.topic.as_ref()));
    put("file", source.and_then(|source| source.file.as_ref()));
    let Some(source) = source else { return table };
    let FactsSourceSettings { schema_file, reader_schema_file, mapping, form, .. } = source;
    let key = Some(&mapping.key).filter(|key| **key != FactSpec::default_key(mapping.topic));
    for (name, text) in
        TEXTS.into_iter().zip([schema_file.as_ref(), reader_schema_file.as_ref(), key, mapping.transform.as_ref()])
    {
        if text.is_some() {
            put(name, text);
        }
    }
    for (name, format) in [("format", mapping.format), ("key_format", mapping.key_format)] {
        if format != Format::default() {
            table.extend(Value::try_from(format).ok().map(|format| (name.to_owned(), format)));
        }
    }
    table.extend(file_form::to_table(form));
    let mut fields = Table::new();
    for (name, places) in &mapping.fields {
        // Places are made of texts and tables: they can always be written.
        fields.extend(Value::try_from(places).ok().map(|places| ((*name).to_owned(), places)));
    }
    if !mapping.missing.is_empty() {
        fields.extend(Value::try_from(&mapping.missing).ok().map(|missing| ("missing".to_owned(), missing)));
    }
    if mapping.trim {
        fields.insert("trim".to_owned(), Value::Boolean(true));
    }
    if !fields.is_empty() {
        table.insert("fields".to_owned(), Value::Table(fields));
    }
    table
}
