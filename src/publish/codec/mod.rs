//! Lists as records of their topic: bytes out, and back in at a restart (for readers: `docs/lists.md`).
//!
//! Keys and values are Avro in the registry's wire format (a zero byte, the schema's id, the datum), by the schemas in
//! `schemas/`, or JSON with the text `shop/list/item` as key. A list that is no more has a null value; who said so, and when, is
//! in the headers, which every record has.
//! Invariants: what is encoded decodes to the same record, every number bit for bit; what an older release has published,
//! in either form, decodes too.
//! Absent: topics and partitions.

mod datum;
mod headers;
mod older;
mod schemas;

pub use headers::{EPOCH_HEADER, HEADERS_MAX, HeaderDigits, ListHeaders, SEQUENCE_HEADER, SINCE_HEADER};
pub use schemas::{CART_SCHEMA, LIST_KEY_SCHEMA, LIST_VALUE_SCHEMA, ORDER_SCHEMA, VIEW_SCHEMA};

use crate::publish::{ListRecord, Publication, Stamp, parse_key};
use older::Older;
use std::borrow::Cow;
use std::sync::Arc;

/// First byte of the registry's wire format. Neither JSON nor a text key starts with it.
const WIRE_MAGIC: u8 = 0;
/// The magic byte and the id.
const WIRE_PREFIX_BYTES: usize = 5;

/// How the lists topic is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Avro { key_id: u32, value_id: u32 },
}

/// Writes and reads records of the lists topic.
pub struct ListCodec {
    form: Form,
    older: Older,
}

/// Gives the text of a schema by its id.
pub type SchemaOf<'f> = &'f dyn Fn(u32) -> Result<Arc<str>, SchemaFailure>;

/// Why the text of a schema cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFailure {
    /// It passes by itself: the registry does not answer, or not sensibly.
    #[error("{0}")]
    Passing(String),
    /// The registry does not know it.
    #[error("{0}")]
    NotFound(String),
    /// It is none that can be used.
    #[error("{0}")]
    Unusable(String),
}

/// Why a record of the lists topic cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It is not what any release has written.
    #[error(
        "the {part} is not one of samenloop's: {what}. Nobody else may write to the lists topic; remove the record, or \
         choose another topics.prefix"
    )]
    Foreign {
        /// Key, value, or a header.
        part: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The schema that it was written by is not to be had.
    #[error(transparent)]
    Schema(#[from] SchemaFailure),
    /// One of this build's own schemas cannot be read.
    #[error("schemas/{file} cannot be read: {what}")]
    OwnSchema {
        /// Which.
        file: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl CodecError {
    /// Whether it passes: the registry does not answer.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Schema(SchemaFailure::Passing(_)))
    }
}

impl ListCodec {
    /// JSON, with text as key.
    ///
    /// # Errors
    /// When this build's own schemas cannot be read.
    pub fn json() -> Result<Self, CodecError> {
        Ok(Self { form: Form::Json, older: Older::new()? })
    }

    /// Avro, by [`LIST_KEY_SCHEMA`] and [`LIST_VALUE_SCHEMA`] as they are registered.
    ///
    /// # Errors
    /// When this build's own schemas cannot be read.
    pub fn avro(key_id: u32, value_id: u32) -> Result<Self, CodecError> {
        Ok(Self { form: Form::Avro { key_id, value_id }, older: Older::new()? })
    }

    /// Writes the key and the value of a record over what the buffers hold. Of a tombstone the value stays empty: in the
    /// topic it is null. A list's value is never empty.
    pub fn encode(&self, publication: &Publication<'_>, key: &mut Vec<u8>, value: &mut Vec<u8>) {
        key.clear();
        value.clear();
        match self.form {
            Form::Json => {
                publication.write_key(key);
                if !publication.is_tombstone() {
                    publication.write_json(value);
                }
            }
            Form::Avro { key_id, value_id } => {
                write_prefix(key_id, key);
                datum::write_key(publication.names(), key);
                if !publication.is_tombstone() {
                    write_prefix(value_id, value);
                    datum::write_value(publication, value);
                }
            }
        }
    }

    /// The same of a record: what the other is held against.
    #[cfg(test)]
    fn encode_record(&self, record: &ListRecord<'_>, key: &mut Vec<u8>, value: &mut Vec<u8>) {
        key.clear();
        value.clear();
        match self.form {
            Form::Json => {
                key.extend_from_slice(record.key().as_bytes());
                if !record.tombstone {
                    record.write_json(value);
                }
            }
            Form::Avro { key_id, value_id } => {
                write_prefix(key_id, key);
                datum::write_key([&record.shop, &record.list, &record.item], key);
                if !record.tombstone {
                    write_prefix(value_id, value);
                    datum::write_record(record, value);
                }
            }
        }
    }

    /// Reads back a record of the topic. `stamp` comes from the headers and counts for a tombstone, whose value is null
    /// and whose record is made from the key; one that somebody else wrote has none and counts as the first.
    ///
    /// # Errors
    /// When it is none of ours, or its schema cannot be had now; see [`CodecError::is_transient`].
    pub fn decode<'a>(
        &self,
        key: &'a [u8],
        value: Option<&'a [u8]>,
        stamp: Option<Stamp>,
        schema_of: SchemaOf<'_>,
    ) -> Result<ListRecord<'a>, CodecError> {
        match value {
            None => self.decode_tombstone(key, stamp.unwrap_or_default(), schema_of),
            Some(value) => match wire(value) {
                Some((id, datum)) if self.is_own(|_, value_id| id == value_id) => {
                    datum::read_value(datum).map_err(|what| foreign("value", what))
                }
                Some((id, datum)) => self.older.value(id, datum, schema_of),
                None => serde_json::from_slice(value).map_err(|error| foreign("value", error)),
            },
        }
    }

    fn decode_tombstone<'a>(
        &self,
        key: &'a [u8],
        stamp: Stamp,
        schema_of: SchemaOf<'_>,
    ) -> Result<ListRecord<'a>, CodecError> {
        let [shop, list, item] = match wire(key) {
            Some((id, datum)) if self.is_own(|key_id, _| id == key_id) => {
                datum::read_key(datum).map_err(|what| foreign("key", what))?.map(Cow::Borrowed)
            }
            Some((id, datum)) => self.older.key(id, datum, schema_of)?.map(Cow::Owned),
            None => {
                let text = std::str::from_utf8(key).map_err(|error| foreign("key", error))?;
                let parts = parse_key(text).ok_or_else(|| foreign("key", "it is not like shop/list/item"))?;
                <[&str; 3]>::from(parts).map(Cow::Borrowed)
            }
        };
        let Stamp { epoch, sequence } = stamp;
        let (entries, reserve) = (Vec::new(), Vec::new());
        Ok(ListRecord { shop, list, item, entries, reserve, tombstone: true, as_of: 0, epoch, sequence })
    }

    /// Whether records would be written under this very key now. Under another form or schema id a list would stand twice.
    #[must_use]
    pub fn owns_key(&self, key: &[u8]) -> bool {
        match (self.form, wire(key)) {
            (Form::Json, found) => found.is_none(),
            (Form::Avro { key_id, .. }, found) => found.is_some_and(|(id, _)| id == key_id),
        }
    }

    fn is_own(&self, id: impl Fn(u32, u32) -> bool) -> bool {
        matches!(self.form, Form::Avro { key_id, value_id } if id(key_id, value_id))
    }
}

fn write_prefix(id: u32, out: &mut Vec<u8>) {
    out.push(WIRE_MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

/// Schema id and datum of what is in the registry's wire format.
fn wire(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (prefix, datum) = bytes.split_first_chunk::<WIRE_PREFIX_BYTES>()?;
    let [WIRE_MAGIC, id @ ..] = *prefix else { return None };
    Some((u32::from_be_bytes(id), datum))
}

fn foreign(part: &'static str, what: impl ToString) -> CodecError {
    CodecError::Foreign { part, what: what.to_string() }
}

#[cfg(test)]
mod tests;
