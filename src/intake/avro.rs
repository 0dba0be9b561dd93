//! Avro records: which schema wrote one, and the plan by which it is read.
//!
//! A value is either in the Confluent wire format (byte 0, schema id as 32 bits big-endian, datum), or the bare datum of one
//! schema that was given as a file. Keys are in the wire format always. The ids' schemas come from outside: who reads
//! records asks [`Mapping::missing_schema`] first, and [`Mapping::learn`]s what it found.
//!
//! Invariants: a schema is compiled once. What cannot be known or read is a reject of the records of that id; no record
//! keeps another from being read. The number of schemas has a limit.
//! Absent: the mapping, and the registry: a schema comes whole, with what it refers to.

mod data;
mod default;
mod plan;
mod read;
mod schema;
mod whole;

use super::paths::Paths;
use super::reject::{Reason, Reject};
use super::transform::Val;
use super::value::{Found, Place};
use crate::memory::allocated;
use data::Stop;
use hashbrown::HashMap;
use plan::Plan;
use schema::Schema;
use std::sync::Arc;

/// Most schemas of one source. A topic has tens; more are a producer that registers one for every record.
pub const SCHEMAS_MAX: usize = 10_000;

/// Bytes before the datum in the wire format.
const HEADER_BYTES: usize = 5;

/// Id of a schema in its registry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SchemaId(pub u32);

/// What intake knows of the writer schemas of one source: plans by id. For the mapping that learned them alone.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    known: HashMap<SchemaId, Known>,
    /// How many of them are not [`Known::NotFound`].
    schemas: usize,
}

impl Plans {
    /// About the bytes held: schemas are few.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of_plan = |plan: &Option<Plan>| plan.as_ref().map_or(0, Plan::bytes);
        let of_known = |known: &Known| match known {
            Known::Read { value, key } => of_plan(value) + of_plan(key),
            Known::Unusable(why) => why.capacity(),
            Known::NotFound => 0,
        };
        allocated(self.known.allocation_size()) + self.known.values().map(of_known).sum::<usize>()
    }
}

/// What a registry said of an id.
#[derive(Clone, Copy, Debug)]
pub enum Learned<'a> {
    /// Its schema's text.
    Schema(&'a str),
    /// It cannot be used, for this reason.
    Unusable(&'a str),
    /// There is none.
    NotFound,
}

#[derive(Clone, Debug)]
enum Known {
    /// Plans for values and keys, as far as the mapping reads them.
    Read {
        value: Option<Plan>,
        key: Option<Plan>,
    },
    /// Why not.
    Unusable(String),
    NotFound,
}

/// What a mapping has of schema files.
#[derive(Clone, Debug, Default)]
pub(super) struct SchemaFiles {
    /// Of bare values.
    writer: Option<Plan>,
    reader: Option<Arc<Schema>>,
}

/// Which part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Value,
    Key,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Value => "the record",
            Self::Key => "the record's key",
        }
    }
}

impl Plans {
    /// Forgets what was not found: it may have been registered since.
    pub fn forget_not_found(&mut self) {
        self.known.retain(|_, known| !matches!(known, Known::NotFound));
    }

    /// Whether `id` is to be asked for.
    pub(super) fn lack(&self, id: SchemaId) -> bool {
        !self.known.contains_key(&id) && !self.is_full()
    }

    /// Takes in what was found out about `id`, for values and keys of which these paths are wanted.
    pub(super) fn learn(
        &mut self,
        id: SchemaId,
        learned: Learned<'_>,
        files: &SchemaFiles,
        value: Option<&Paths>,
        key: Option<&Paths>,
    ) {
        let known = match learned {
            Learned::NotFound => Known::NotFound,
            Learned::Unusable(why) => Known::Unusable(why.to_owned()),
            Learned::Schema(text) => match Schema::of_writer(text) {
                Err(what) => Known::Unusable(what),
                Ok(schema) => {
                    let schema = Arc::new(schema);
                    let plan = |reader, paths| Plan::new(Arc::clone(&schema), reader, paths);
                    Known::Read {
                        value: value.map(|paths| plan(files.reader.as_ref(), paths)),
                        key: key.map(|paths| plan(None, paths)),
                    }
                }
            },
        };
        self.keep(id, known);
    }

    fn is_full(&self) -> bool {
        self.schemas >= SCHEMAS_MAX
    }

    /// What is known stays: a schema's id never changes its meaning.
    fn keep(&mut self, id: SchemaId, known: Known) {
        let is_schema = !matches!(known, Known::NotFound);
        if self.known.contains_key(&id) || (is_schema && self.is_full()) {
            return;
        }
        // Ids that were never registered can be asked for again; they must not use up what schemas may have.
        if self.known.len() >= 2 * SCHEMAS_MAX {
            self.forget_not_found();
        }
        self.schemas += usize::from(is_schema);
        self.known.insert(id, known);
    }
}

impl SchemaFiles {
    /// Of these texts, for values of which `paths` are wanted.
    ///
    /// # Errors
    /// Which file's setting, and what is wrong with the schema.
    pub fn new(writer: Option<&str>, reader: Option<&str>, paths: &Paths) -> Result<Self, (&'static str, String)> {
        let refused = |field: &'static str| move |message| (field, message);
        let reader = reader.map(Schema::of_reader).transpose().map_err(refused("reader_schema_file"))?.map(Arc::new);
        let writer = writer.map(Schema::of_writer).transpose().map_err(refused("schema_file"))?;
        let writer = writer.map(|writer| Plan::new(Arc::new(writer), reader.as_ref(), paths));
        Ok(Self { writer, reader })
    }

    /// Whether values are bare: in no wire format.
    pub fn are_of_bare_values(&self) -> bool {
        self.writer.is_some()
    }
}

/// The values at `paths` in `bytes`.
///
/// # Errors
/// [`Reject`] where they cannot be read.
pub(super) fn read<'a>(
    files: &'a SchemaFiles,
    plans: &'a Plans,
    part: Part,
    paths: &Paths,
    bytes: &'a [u8],
) -> Result<Found<'a>, Reject> {
    let (plan, start) = plan_for(files, plans, part, bytes)?;
    read::read(plan, paths, bytes, start).map_err(|stop| not_avro(part, bytes, start, &stop))
}

/// All of the value in `bytes`.
///
/// # Errors
/// [`Reject`] where it cannot be read.
pub(super) fn read_whole(files: &SchemaFiles, plans: &Plans, part: Part, bytes: &[u8]) -> Result<Val, Reject> {
    let (plan, start) = plan_for(files, plans, part, bytes)?;
    whole::read(&plan.schema, bytes, start).map_err(|stop| not_avro(part, bytes, start, &stop))
}

fn not_avro(part: Part, bytes: &[u8], start: usize, stop: &Stop) -> Reject {
    let field: String = stop.path.iter().rev().flat_map(|name| ["/", name]).collect();
    let field = if field.is_empty() { field } else { format!(" in {field}") };
    let of = match id_of(bytes) {
        Some(id) if start > 0 => format!("schema {}", id.0),
        _ => "schema_file".to_owned(),
    };
    let (part, at, what) = (part.name(), stop.at, &stop.what);
    let message = format!(
        "{part} is not Avro by {of}: at byte {at}{field}: {what}; mend its producer: it must write by the schema it names"
    );
    Reject::new(Reason::BadAvro, message)
}

/// Where `place` ends in the value `bytes`, in bytes.
pub(super) fn locate(files: &SchemaFiles, plans: &Plans, paths: &Paths, bytes: &[u8], place: Place) -> Option<usize> {
    let (plan, start) = plan_for(files, plans, Part::Value, bytes).ok()?;
    read::locate(plan, paths, bytes, start, place)
}

/// The plan for `bytes`, and where their datum starts.
fn plan_for<'a>(
    files: &'a SchemaFiles,
    plans: &'a Plans,
    part: Part,
    bytes: &[u8],
) -> Result<(&'a Plan, usize), Reject> {
    if let (Part::Value, Some(plan)) = (part, &files.writer) {
        return Ok((plan, 0));
    }
    let name = part.name();
    let Some(id) = id_of(bytes) else {
        return Err(Reject::new(Reason::BadAvro, format!("{name} {}", no_header(part, bytes))));
    };
    match (plans.known.get(&id), part) {
        (Some(Known::Read { value: Some(plan), .. }), Part::Value)
        | (Some(Known::Read { key: Some(plan), .. }), Part::Key) => Ok((plan, HEADER_BYTES)),
        (Some(Known::Unusable(what)), _) => {
            let message = format!("{name} has schema {}, which cannot be used: {what}", id.0);
            Err(Reject::new(Reason::UnusableSchema, message))
        }
        (None, _) if plans.is_full() => {
            let message = format!(
                "{name} has schema {}, and {SCHEMAS_MAX} others are known of this source, the most there may be; its \
                 producer must not register a schema for every record",
                id.0
            );
            Err(Reject::new(Reason::UnknownSchema, message))
        }
        _ => {
            let message = format!(
                "{name} has schema {}, which the registry does not know; its producer uses another registry, or this is \
                 not the Confluent wire format",
                id.0
            );
            Err(Reject::new(Reason::UnknownSchema, message))
        }
    }
}

pub(super) fn id_of(bytes: &[u8]) -> Option<SchemaId> {
    let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let &[0, a, b, c, d] = header else { return None };
    Some(SchemaId(u32::from_be_bytes([a, b, c, d])))
}

fn no_header(part: Part, bytes: &[u8]) -> String {
    let (json, bare) = match part {
        Part::Value => ("set format = \"json\"", "; bare Avro needs its schema_file"),
        Part::Key => ("set key_format = \"json\"; a key that is plain text too, then it is read by { key = \"\" }", ""),
    };
    match bytes.first() {
        Some(0) | None => format!("has {} bytes, fewer than byte 0 and a schema id have; it was cut", bytes.len()),
        Some(b'{' | b'[' | b'"') => {
            format!("does not start with byte 0 and a schema id, and looks like JSON: {json}{bare}")
        }
        Some(_) => format!("does not start with byte 0 and a schema id: if it is JSON, {json}{bare}"),
    }
}
