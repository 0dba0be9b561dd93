//! List records that were written by another schema than this release's: an older one of ours, or the same under
//! another id. The Avro library resolves them to this release's. Slower than [`super::datum`], and rare.

use super::schemas::{LIST_KEY_SCHEMA, LIST_VALUE_SCHEMA};
use super::{CodecError, SchemaOf, datum, foreign};
use crate::publish::{EntryRecord, ListRecord};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Writer schemas held; there is one or two a release.
const WRITERS_MAX: usize = 64;

/// What the Avro library may allocate at once, for a text or for the entries of a list: it goes by the length that is claimed, not by what
/// is there. Two thousand entries take 112 kB.
const ALLOCATION_BYTES_MAX: usize = 4 << 20;

/// Reads data by the schemas they were written by.
pub(super) struct Older {
    key: Schema,
    value: Schema,
    writers: Mutex<BTreeMap<u32, Arc<Schema>>>,
}

impl Older {
    pub(super) fn new() -> Result<Self, CodecError> {
        // For the whole process, once.
        apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
        let own = |file, error: apache_avro::Error| CodecError::OwnSchema { file, what: error.to_string() };
        let key = Schema::parse_str(LIST_KEY_SCHEMA).map_err(|error| own("list-key.avsc", error))?;
        let value = Schema::parse_str(LIST_VALUE_SCHEMA).map_err(|error| own("list-value.avsc", error))?;
        Ok(Self { key, value, writers: Mutex::new(BTreeMap::new()) })
    }

    /// Shop, list and item of a key.
    pub(super) fn key(&self, id: u32, datum: &[u8], schema_of: SchemaOf<'_>) -> Result<[String; 3], CodecError> {
        let wrong = |what| foreign("key", what);
        let mut fields = Fields::of(self.resolve("key", &self.key, id, datum, schema_of)?).map_err(wrong)?;
        Ok([
            fields.text("shop").map_err(wrong)?,
            fields.text("list").map_err(wrong)?,
            fields.text("item").map_err(wrong)?,
        ])
    }

    /// The list of a value.
    pub(super) fn value(
        &self,
        id: u32,
        datum: &[u8],
        schema_of: SchemaOf<'_>,
    ) -> Result<ListRecord<'static>, CodecError> {
        let value = self.resolve("value", &self.value, id, datum, schema_of)?;
        list(value).map_err(|what| foreign("value", what))
    }

    fn resolve(
        &self,
        part: &'static str,
        reader: &Schema,
        id: u32,
        mut datum: &[u8],
        schema_of: SchemaOf<'_>,
    ) -> Result<Value, CodecError> {
        let writer = self.writer(part, id, schema_of)?;
        let wrong = |error: apache_avro::Error| foreign(part, format!("written by schema {id}: {error}"));
        let reader = GenericDatumReader::builder(&writer).reader_schema(reader).build().map_err(wrong)?;
        let value = reader.read_value(&mut datum).map_err(wrong)?;
        match datum.len() {
            0 => Ok(value),
            more => Err(foreign(part, format!("written by schema {id}: {more} bytes follow its end"))),
        }
    }

    fn writer(&self, part: &'static str, id: u32, schema_of: SchemaOf<'_>) -> Result<Arc<Schema>, CodecError> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = writers.get(&id) {
            return Ok(Arc::clone(known));
        }
        let text = schema_of(id)?;
        let schema = Schema::parse_str(&text).map_err(|error| foreign(part, format!("its schema {id}: {error}")))?;
        let schema = Arc::new(schema);
        if writers.len() >= WRITERS_MAX {
            writers.pop_first();
        }
        writers.insert(id, Arc::clone(&schema));
        Ok(schema)
    }
}

fn list(value: Value) -> Result<ListRecord<'static>, String> {
    let mut fields = Fields::of(value)?;
    Ok(ListRecord {
        shop: Cow::Owned(fields.text("shop")?),
        list: Cow::Owned(fields.text("list")?),
        item: Cow::Owned(fields.text("item")?),
        entries: fields.entries("entries")?,
        reserve: fields.entries("reserve")?,
        tombstone: false,
        as_of: fields.long("as_of")?,
        epoch: fields.long("epoch")?.cast_unsigned(),
        sequence: fields.long("sequence")?.cast_unsigned(),
    })
}

fn entry(value: Value) -> Result<EntryRecord<'static>, String> {
    let mut fields = Fields::of(value)?;
    Ok(EntryRecord {
        item: Cow::Owned(fields.text("item")?),
        score: fields.double("score")?,
        support: datum::support(fields.long("support")?)?,
        weight: fields.double("weight")?,
        anchor_weight: fields.double("anchor_weight")?,
        other_weight: fields.double("other_weight")?,
        contexts: fields.double("contexts")?,
        confidence: fields.double("confidence")?,
        lift: fields.double("lift")?,
        llr_root: fields.double("llr_root")?,
        source: datum::source(fields.long("source")?)?,
        last_seen: datum::last_seen(fields.long("last_seen")?)?,
        verdict: fields.optional("verdict")?.map(datum::verdict).transpose()?,
        relation: fields.optional("relation")?.map(datum::relation).transpose()?,
        list: fields.optional_text("list")?.map(Cow::Owned),
        price: fields.optional_double("price")?,
        currency: fields.optional_text("currency")?.map(Cow::Owned),
        stock: fields.optional("stock")?.map(datum::stock).transpose()?,
    })
}

/// The fields of a record that has been resolved to our schema.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn of(value: Value) -> Result<Self, String> {
        match value {
            Value::Record(fields) => Ok(Self(fields)),
            _ => Err("it is not a record".to_owned()),
        }
    }

    fn take(&mut self, name: &str) -> Result<Value, String> {
        let field = self.0.iter_mut().find(|(field, _)| field == name);
        field.map(|(_, value)| std::mem::replace(value, Value::Null)).ok_or_else(|| format!("it has no {name}"))
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        match self.take(name)? {
            Value::String(text) => Ok(text),
            _ => Err(format!("{name} is not a text")),
        }
    }

    fn double(&mut self, name: &str) -> Result<f64, String> {
        match self.take(name)? {
            Value::Double(value) => Ok(value),
            _ => Err(format!("{name} is not a number")),
        }
    }

    /// A whole number, whatever it stands for.
    fn long(&mut self, name: &str) -> Result<i64, String> {
        match self.take(name)? {
            Value::Long(value) | Value::TimestampMillis(value) => Ok(value),
            Value::Date(value) => Ok(value.into()),
            Value::Enum(place, _) => Ok(place.into()),
            _ => Err(format!("{name} is not a whole number")),
        }
    }

    /// A symbol's place, or none.
    fn optional(&mut self, name: &str) -> Result<Option<i64>, String> {
        match self.take(name)? {
            Value::Union(_, inner) => match *inner {
                Value::Null => Ok(None),
                Value::Enum(place, _) => Ok(Some(place.into())),
                _ => Err(format!("{name} is not a symbol")),
            },
            _ => Err(format!("{name} is not optional")),
        }
    }

    /// A number, or none.
    fn optional_double(&mut self, name: &str) -> Result<Option<f64>, String> {
        match self.take(name)? {
            Value::Union(_, inner) => match *inner {
                Value::Null => Ok(None),
                Value::Double(value) => Ok(Some(value)),
                _ => Err(format!("{name} is not a number")),
            },
            _ => Err(format!("{name} is not optional")),
        }
    }

    /// A text, or none.
    fn optional_text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name)? {
            Value::Union(_, inner) => match *inner {
                Value::Null => Ok(None),
                Value::String(text) => Ok(Some(text)),
                _ => Err(format!("{name} is not a text")),
            },
            _ => Err(format!("{name} is not optional")),
        }
    }

    fn entries(&mut self, name: &str) -> Result<Vec<EntryRecord<'static>>, String> {
        match self.take(name)? {
            Value::Array(entries) => entries.into_iter().map(entry).collect(),
            _ => Err(format!("{name} is not an array")),
        }
    }
}
