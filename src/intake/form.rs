//! How a source's records are written, and what stands at the wanted paths of one: what mappings of events and of facts share.
//!
//! Who reads records asks [`Form::missing_schema`] first, and lets the form [`learn`](Form::learn) what it found.
//! Absent: what the values mean.

use super::Record;
use super::avro::{self, Learned, Part, Plans, SchemaFiles, SchemaId, id_of};
use super::json;
use super::mapping::MappingError;
use super::paths::Paths;
use super::reject::{Reason, Reject};
use super::spec::Format;
use super::transform::{Num, Output, Transform, Val, of_json, text_or_bytes};
use super::value::{Found, Place, Value};
use crate::limits::TRANSFORM_STEPS_MAX;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How records are written, and which paths in them are wanted.
#[derive(Clone, Debug)]
pub struct Form {
    pub(super) format: Format,
    pub(super) key_format: Format,
    pub(super) schema_files: SchemaFiles,
    /// What makes of a record the values that are read.
    pub(super) transform: Option<Transform>,
    /// The wanted paths of values; node 0 is the value.
    pub(super) value_paths: Paths,
    /// The wanted paths of keys, where any is.
    pub(super) key_paths: Option<Paths>,
}

impl Form {
    /// The form with the texts of schema files: `writer`'s is that of all values, which are then bare Avro;
    /// `reader`'s names the fields that the mapping's pointers name, with their aliases and defaults.
    ///
    /// # Errors
    /// [`MappingError`] names the file's setting and what is wrong with the schema.
    pub fn with_schemas(mut self, writer: Option<&str>, reader: Option<&str>) -> Result<Self, MappingError> {
        let given = [("schema_file", writer), ("reader_schema_file", reader)];
        if let (Format::Json, Some((field, _))) = (self.format, given.iter().find(|(_, text)| text.is_some())) {
            let message = "a schema is for format = \"avro\" only; JSON needs none".to_owned();
            return Err(MappingError { field, message });
        }
        if let (Some(_), Some(_)) = (&self.transform, reader) {
            let message = "with transform, the program sees the fields that the writer named: leave this schema out, and write \
                           other names and defaults in the program (.a // .b // \"main\")";
            return Err(MappingError { field: "reader_schema_file", message: message.to_owned() });
        }
        let files = SchemaFiles::new(writer, reader, &self.value_paths);
        self.schema_files = files.map_err(|(field, message)| MappingError { field, message })?;
        Ok(self)
    }

    /// Whether records name schemas by the ids of a registry.
    #[must_use]
    pub fn needs_registry(&self) -> bool {
        self.is_wire(Part::Value) || self.is_wire(Part::Key)
    }

    /// The schema id that `record` needs and `plans` does not hold yet: to be asked for and [`Form::learn`]ed before the
    /// record is taken. To be called again after that: value and key may need one each.
    #[must_use]
    pub fn missing_schema(&self, plans: &Plans, record: &Record<'_>) -> Option<SchemaId> {
        let value = if self.is_wire(Part::Value) { record.value.and_then(id_of) } else { None };
        let key = if self.is_wire(Part::Key) { record.key.and_then(id_of) } else { None };
        [value, key].into_iter().flatten().find(|&id| plans.lack(id))
    }

    /// Takes in what was found out about `id`.
    pub fn learn(&self, plans: &mut Plans, id: SchemaId, learned: Learned<'_>) {
        let value = self.is_wire(Part::Value).then_some(&self.value_paths);
        let key = self.key_paths.as_ref().filter(|_| self.is_wire(Part::Key));
        plans.learn(id, learned, &self.schema_files, value, key);
    }

    /// Whether `part` is read in the wire format.
    fn is_wire(&self, part: Part) -> bool {
        match part {
            Part::Value => self.format == Format::Avro && !self.schema_files.are_of_bare_values(),
            Part::Key => self.key_format == Format::Avro && self.key_paths.is_some(),
        }
    }

    /// Whether records go through a program before their fields are read: then by [`Form::transform`].
    #[must_use]
    pub fn transforms(&self) -> bool {
        self.transform.is_some()
    }

    /// What the program gives for `record`: none when it passes over it. A null value has been looked at before.
    ///
    /// # Errors
    /// [`Reject`] where the record cannot be read, and of [`Reason::Transform`] where the program fails on it.
    pub fn transform(&self, plans: &Plans, record: &Record<'_>) -> Result<Vec<Output>, Reject> {
        self.transform_within(TRANSFORM_STEPS_MAX, plans, record)
    }

    pub(super) fn transform_within(
        &self,
        steps: usize,
        plans: &Plans,
        record: &Record<'_>,
    ) -> Result<Vec<Output>, Reject> {
        let (Some(transform), Some(bytes)) = (&self.transform, record.value) else { return Ok(Vec::new()) };
        let input = self.whole(plans, bytes)?;
        let key = if transform.uses_key() { self.whole_key(plans, record)? } else { Val::Null };
        let headers =
            record.headers.iter().map(|&(name, bytes)| (text_or_bytes(name.as_bytes()), text_or_bytes(bytes)));
        let timestamp = record.timestamp_ms.map_or(Val::Null, |time_ms| Val::Num(Num::from_integral(time_ms)));
        let variables = [key, Val::obj(headers.collect()), text_or_bytes(record.topic.as_bytes()), timestamp];
        // What the libraries do not expect of a record must not end the process.
        let run = catch_unwind(AssertUnwindSafe(|| transform.run(steps, input, variables)));
        let run = run.unwrap_or_else(|_| Err("the program cannot be run on this record".to_owned()));
        run.map_err(|what| {
            let remedy = "the record is refused whole: mend the program, or pass over such records with select(…)";
            Reject::new(Reason::Transform, format!("the program fails: {what}; {remedy}"))
        })
    }

    /// What stands at the wanted paths of a record's value.
    pub(super) fn value<'a>(&'a self, plans: &'a Plans, bytes: &'a [u8]) -> Result<Found<'a>, Reject> {
        let found = self.read(plans, Part::Value, &self.value_paths, bytes)?;
        match &found.values[0] {
            // What is wrong with a row stands in its place.
            Value::Text(what) if self.format.is_rows() => Err(Reject::new(Reason::BadCsv, what.clone().into_owned())),
            _ => Ok(found),
        }
    }

    /// What stands at the wanted paths of a record's key, where there are any.
    pub(super) fn key<'a>(&'a self, plans: &'a Plans, record: &Record<'a>) -> Result<Option<Found<'a>>, Reject> {
        match (&self.key_paths, record.key) {
            (Some(paths), Some(bytes)) => self.read(plans, Part::Key, paths, bytes).map(Some),
            _ => Ok(None),
        }
    }

    fn read<'a>(&'a self, plans: &'a Plans, part: Part, paths: &Paths, bytes: &'a [u8]) -> Result<Found<'a>, Reject> {
        let (format, name) = self.format_of(part);
        match format {
            Format::Json | Format::Csv | Format::Tsv => json::read(paths, bytes).map_err(|what| bad_json(name, &what)),
            Format::Avro => avro::read(&self.schema_files, plans, part, paths, bytes),
        }
    }

    /// The whole value of a record, for its transform.
    pub(super) fn whole(&self, plans: &Plans, bytes: &[u8]) -> Result<Val, Reject> {
        self.read_whole(plans, Part::Value, bytes)
    }

    /// The whole key of a record: as text, or by `key_format = "avro"` as its value.
    pub(super) fn whole_key(&self, plans: &Plans, record: &Record<'_>) -> Result<Val, Reject> {
        match (record.key, self.key_format) {
            (None, _) => Ok(Val::Null),
            (Some(bytes), Format::Json | Format::Csv | Format::Tsv) => Ok(text_or_bytes(bytes)),
            (Some(bytes), Format::Avro) => self.read_whole(plans, Part::Key, bytes),
        }
    }

    fn read_whole(&self, plans: &Plans, part: Part, bytes: &[u8]) -> Result<Val, Reject> {
        match self.format_of(part) {
            (Format::Json, name) => of_json(bytes).map_err(|what| bad_json(name, &what)),
            (Format::Csv | Format::Tsv, name) => match of_json(bytes).map_err(|what| bad_json(name, &what))? {
                // What is wrong with a row stands in its place.
                Val::TStr(what) | Val::BStr(what) => {
                    Err(Reject::new(Reason::BadCsv, String::from_utf8_lossy(&what).into_owned()))
                }
                row => Ok(row),
            },
            (Format::Avro, _) => avro::read_whole(&self.schema_files, plans, part, bytes),
        }
    }

    fn format_of(&self, part: Part) -> (Format, &'static str) {
        match part {
            Part::Value => (self.format, "the record"),
            Part::Key => (self.key_format, "the record's key"),
        }
    }

    /// Where in a record's value a fault is, for a message.
    pub(super) fn place(&self, plans: &Plans, bytes: &[u8], place: Place) -> String {
        let place = match self.format {
            Format::Json => json::locate(&self.value_paths, bytes, place).map(|place| match place {
                (1, column) => format!(", to column {column}"),
                (line, column) => format!(", to line {line} column {column}"),
            }),
            // A row's fields have names, and their place in the bytes made of them says nothing.
            Format::Csv | Format::Tsv => None,
            Format::Avro => avro::locate(&self.schema_files, plans, &self.value_paths, bytes, place)
                .map(|byte| format!(", to byte {byte}")),
        };
        place.unwrap_or_default()
    }
}

fn bad_json(what: &str, found: &str) -> Reject {
    Reject::new(Reason::BadJson, format!("{what} is not JSON: {found}; mend its producer, or skip this topic"))
}
