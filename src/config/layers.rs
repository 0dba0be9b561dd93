//! The layers, one over the other: defaults, file, environment, flags.
//!
//! Each layer is checked for keys and kinds on its own, so that what is wrong is said with the place where it stands.

use super::kafka::{self, RawKafka};
use super::keys::{Keys, leaves};
use super::problem::{ConfigError, Layer, Problem};
use super::raw::RawSettings;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Table, Value};

const PREFIX: &str = "SAMENLOOP_";

/// The environment variable that names the settings file. Not a setting itself.
pub const CONFIG_FILE_VARIABLE: &str = "SAMENLOOP_CONFIG";

/// The texts that settings are made of. Each layer overrules the ones before it.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Name and text of the settings file.
    pub file: Option<(String, String)>,
    /// Names and values of the environment; what does not start with `SAMENLOOP_` is ignored.
    pub environment: Vec<(String, String)>,
    /// Settings given by flags, in their order: the last one of a key holds.
    pub flags: Vec<Flag>,
}

/// A setting given by a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag, for messages: `--set`, `--log-level`.
    pub flag: &'static str,
    /// The setting: `counting.session_gap`.
    pub key: String,
    /// Its value as written.
    pub value: String,
}

impl Layers {
    /// Variables that start with `SAMENLOOP_` and name no section, nor look like a setting: `SAMENLOOP_BIN` of a wrapper.
    #[must_use]
    pub fn ignored_variables(&self) -> Vec<String> {
        let Ok(defaults) = Table::try_from(RawSettings::default()) else { return Vec::new() };
        let keys = Keys::of(&defaults);
        let is_ignored =
            |name: &&String| name.strip_prefix(PREFIX).is_some_and(|rest| names_nothing(name, rest, &keys));
        self.environment.iter().map(|(name, _)| name).filter(is_ignored).cloned().collect()
    }
}

/// Whether a variable that is no setting is somebody else's: no section of ours is in it, and no setting looks like it.
fn names_nothing(name: &str, rest: &str, keys: &Keys) -> bool {
    if name == CONFIG_FILE_VARIABLE || is_service_link(rest) {
        return false;
    }
    let wanted = rest.to_ascii_lowercase().replace("__", ".");
    let section = wanted.split(['.', '_']).next().unwrap_or_default();
    let sections = keys.all.iter().filter_map(|key| key.split('.').next()).chain(["kafka", "source"]);
    sections.into_iter().all(|known| known != section) && keys.nearest(&wanted).is_none()
}

/// The layers put together.
pub(super) struct Merged {
    pub(super) raw: RawSettings,
    /// Which layer each key came from; what is missing is a default.
    pub(super) origins: BTreeMap<String, Layer>,
}

pub(super) fn merge(layers: &Layers) -> Result<Merged, ConfigError> {
    let defaults = match Table::try_from(RawSettings::default()) {
        Ok(table) => table,
        Err(error) => return Err(unreadable(Layer::Default, error.to_string())),
    };
    let keys = Keys::of(&defaults);
    let mut merging =
        Merging { table: defaults.clone(), defaults, keys, origins: BTreeMap::new(), problems: Vec::new() };
    if let Some((name, text)) = &layers.file {
        merging.file(Layer::File(name.clone()), text);
    }
    for (name, value) in &layers.environment {
        merging.variable(name, value);
    }
    for flag in &layers.flags {
        merging.flag(flag);
    }
    if !merging.problems.is_empty() {
        return Err(ConfigError { problems: merging.problems });
    }
    match RawSettings::deserialize(merging.table) {
        Ok(raw) => Ok(Merged { raw, origins: merging.origins }),
        Err(error) => Err(unreadable(Layer::Default, error.to_string())),
    }
}

fn unreadable(layer: Layer, message: String) -> ConfigError {
    ConfigError::one(Problem::Unreadable { layer, message })
}

struct Merging {
    table: Table,
    defaults: Table,
    keys: Keys,
    origins: BTreeMap<String, Layer>,
    problems: Vec<Problem>,
}

impl Merging {
    fn file(&mut self, layer: Layer, text: &str) {
        if let Some(message) = text.parse::<Table>().ok().and_then(|table| source_fault(&table)) {
            return self.problems.push(Problem::Unreadable { layer, message });
        }
        let mut unknown = Vec::new();
        let parsed = toml::Deserializer::parse(text).and_then(|deserializer| {
            serde_ignored::deserialize::<_, _, RawSettings>(deserializer, |path| unknown.push(path.to_string()))
        });
        for key in unknown {
            let nearest = self.keys.nearest(&key);
            self.problems.push(Problem::Unknown { layer: layer.clone(), key, nearest });
        }
        match parsed.and_then(|_| text.parse::<Table>()) {
            Ok(mut table) => {
                let kafka = table.get("kafka").and_then(Value::as_table).and_then(|it| RawKafka::from_table(it).ok());
                if let Some(properties) = kafka {
                    table.insert("kafka".to_owned(), Value::Table(properties.into_table()));
                }
                for (key, _) in leaves(&table) {
                    self.origins.insert(key, layer.clone());
                }
                overlay(&mut self.table, table);
            }
            Err(error) => {
                let message = with_line(&error, wrong_setting(&error, text).as_deref(), text);
                self.problems.push(Problem::Unreadable { layer, message });
            }
        }
    }

    fn variable(&mut self, name: &str, value: &str) {
        let Some(rest) = name.strip_prefix(PREFIX) else { return };
        if name == CONFIG_FILE_VARIABLE || is_service_link(rest) {
            return;
        }
        if let Some(property) = rest.strip_prefix("KAFKA__") {
            let layer = Layer::Environment(name.to_owned());
            return self.property(kafka::of_variable(property), value, layer);
        }
        let wanted = rest.to_ascii_lowercase().replace("__", ".");
        let Some(key) = self.keys.all.iter().find(|key| key.replace('-', "_") == wanted).cloned() else {
            if names_nothing(name, rest, &self.keys) {
                return;
            }
            let nearest = self.keys.nearest(&wanted).map(|key| variable_name(&key));
            let layer = Layer::Environment(name.to_owned());
            return self.problems.push(Problem::Unknown { layer, key: wanted, nearest });
        };
        self.one(&key, value, Layer::Environment(name.to_owned()));
    }

    fn flag(&mut self, flag: &Flag) {
        let layer = Layer::Flag(flag.flag.to_owned());
        if let Some(property) = flag.key.strip_prefix(kafka::SECTION) {
            return self.property(property.to_owned(), &flag.value, layer);
        }
        if self.keys.all.contains(&flag.key) {
            return self.one(&flag.key, &flag.value, layer);
        }
        let nearest = self.keys.nearest(&flag.key);
        self.problems.push(Problem::Unknown { layer, key: flag.key.clone(), nearest });
    }

    /// Takes a property of librdkafka, whose name has dots that are no levels.
    fn property(&mut self, name: String, value: &str, layer: Layer) {
        self.origins.insert(format!("{}{name}", kafka::SECTION), layer);
        let alone = Table::from_iter([(name, Value::String(value.to_owned()))]);
        overlay(&mut self.table, Table::from_iter([("kafka".to_owned(), Value::Table(alone))]));
    }

    /// Takes one key's text: as text or as a TOML value, first the way its default is written.
    fn one(&mut self, key: &str, text: &str, layer: Layer) {
        let as_text = Some(Value::String(text.to_owned()));
        let as_value = text.parse::<Value>().ok();
        let readings = match get(&self.defaults, key) {
            Some(Value::String(_)) => [as_text, as_value],
            _ => [as_value, as_text],
        };
        let mut refusal = None;
        for alone in readings.into_iter().flatten().map(|value| nested(key, value)) {
            match RawSettings::deserialize(alone.clone()) {
                Ok(_) => {
                    self.origins.insert(key.to_owned(), layer);
                    return overlay(&mut self.table, alone);
                }
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        let message = refusal.map(|error| error.message().trim().replace('\n', "; ")).unwrap_or_default();
        self.problems.push(Problem::Unreadable { layer, message: format!("{key}: {message}") });
    }
}

/// What is wrong with how sources are written, if it is a thing that is easily written so.
fn source_fault(table: &Table) -> Option<String> {
    let listed =
        "a list of sources: write [[source]], with two brackets, before each, and its fields behind [source.fields]";
    match (table.get("source"), table.get("sources")) {
        (Some(Value::Array(sources)), None) if sources.iter().all(Value::is_table) => None,
        (Some(_), None) => Some(format!("source is {listed}")),
        (_, Some(_)) => Some(format!("sources is not read; there is {listed}")),
        (None, None) => None,
    }
}

/// The table that holds nothing but `value`, at `key`.
fn nested(key: &str, value: Value) -> Table {
    let (level, value) = match key.split_once('.') {
        Some((level, rest)) => (level, Value::Table(nested(rest, value))),
        None => (key, value),
    };
    Table::from_iter([(level.to_owned(), value)])
}

/// What Kubernetes sets in every container beside a service called `samenloop…`: `SAMENLOOP_PORT_9180_TCP_ADDR` and so
/// on. No setting looks like that: each has a section, so two underscores.
fn is_service_link(rest: &str) -> bool {
    if rest.contains("__") {
        return false;
    }
    let padded = format!("_{rest}_");
    let after_port = padded.split_once("_PORT_").map(|(_, after)| after);
    padded.ends_with("_SERVICE_HOST_")
        || padded.contains("_SERVICE_PORT_")
        || after_port.is_some_and(|after| after.is_empty() || after.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// The variable that sets a property of librdkafka.
pub(super) fn property_variable(name: &str) -> String {
    format!("{PREFIX}KAFKA__{}", name.replace('.', "_").to_ascii_uppercase())
}

fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").replace('-', "_").to_ascii_uppercase())
}

/// One line of what the TOML reader found, with the line it found it in and the setting that it is about.
fn with_line(error: &toml::de::Error, setting: Option<&str>, text: &str) -> String {
    let message = error.message().trim().replace('\n', "; ");
    let message = match setting {
        Some(setting) if !message.starts_with(setting) => format!("{setting}: {message}"),
        _ => message,
    };
    let start = error.span().map(|span| span.start);
    let Some(before) = start.and_then(|start| text.get(..start)) else { return message };
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {message}")
}

/// The setting whose value the reader refuses, which it does not say: the one that is refused in the same words when it stands alone.
fn wrong_setting(error: &toml::de::Error, text: &str) -> Option<String> {
    let table = text.parse::<Table>().ok()?;
    let is_refused = |(key, value): &(String, &Value)| {
        let alone = RawSettings::deserialize(nested(key, (*value).clone()));
        alone.err().is_some_and(|alone| alone.message() == error.message())
    };
    leaves(&table).into_iter().find(is_refused).map(|(key, _)| key)
}

/// Puts `upper` over `lower`: tables are merged, everything else is replaced.
fn overlay(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((level, rest)) => get(table.get(level)?.as_table()?, rest),
        None => table.get(key),
    }
}
