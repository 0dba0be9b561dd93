//! Record → event → partition of its user; what is refused, and why.
//!
//! A [`Mapping`] says where in a source's records the fields of an event stand; it is compiled once from a
//! [`MappingSpec`], the form in the settings. [`Mapping::decode`] reads a record by it, [`Intake::admit`] applies the
//! rules on time and finds the user's partition, [`Intake::admit_record`] does both. Records of Avro need the schema that wrote them:
//! [`Mapping::missing_schema`] says which, [`Mapping::learn`] makes a plan of it, [`Plans`] keep it.
//!
//! A source may have a jq program, [`Mapping::transform`], which makes none, one or several [`Output`]s of a record:
//! then each of them is read as a record would be, by [`Mapping::decode_output`] or [`Intake::admit_output`].
//!
//! Invariants: every record, or output of one, is an event, a [`Reject`] or a skip, whatever its bytes; none of the three depends on the
//! records around it, but for what is told of them ([`Record::around`]). What a mapping does not name changes nothing. Nothing here keeps a copy: an event borrows from
//! its record, the mapping and the plans. A message never holds a user id.
//! Absent: where records and schemas come from. The mapping knows nothing of the formats: each fills the same `Found`.

mod admit;
mod avro;
mod clean;
mod decode;
mod fact;
mod form;
mod id;
mod json;
mod mapping;
mod origin;
mod paths;
mod pattern;
mod program;
mod reading;
mod reject;
mod shown;
mod spec;
mod time;
mod transform;
mod value;

#[cfg(test)]
mod tests;

use crate::event::EventTime;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub use admit::{Admitted, Intake, Now, TimeRules};
pub use avro::{Learned, Plans, SCHEMAS_MAX, SchemaId};
pub use decode::Decoded;
pub use fact::{CatalogueTexts, Fact, FactField, FactMapping, FactSpec, OwnVerdict, OwnVerdicts, Said};
pub use form::Form;
pub use mapping::{Mapping, MappingError};
pub use origin::{CleanSpec, Day, FactOriginSpec, MISSING_MAX, OriginSpec, TimeOriginSpec, TimeSpec, WrittenScalar};
pub use paths::steps as pointer_steps;
pub use program::Program;
pub use reject::{Reason, Reject};
pub use spec::{FieldsSpec, Format, LineWithoutItem, MappingSpec, OneOrMore, TypeSpec, UserMissing};
pub use time::{TimeForm, TimeUnit};
pub use transform::Output;
pub use value::LogicalTime;

/// Deepest nesting of arrays and objects (in Avro records and maps) in a record.
pub const DEPTH_MAX: usize = 127;

/// Longest JSON pointer of a mapping, in steps.
pub const POINTER_STEPS_MAX: usize = 32;

/// Most places a field may be looked for.
pub const FALLBACKS_MAX: usize = 16;

/// Latest time that is a time at all: the end of the year 9999, in ms since 1970. Beyond it the unit is wrong.
pub const TIME_MAX_MS: i64 = 253_402_300_799_999;

/// A record as a source gave it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// The topic or file it stood in.
    pub topic: &'a str,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its timestamp in ms since 1970, if the transport gives one.
    pub timestamp_ms: Option<i64>,
    /// Its headers, in order; of several with one name the last counts.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// What surrounds it, where that tells that a time in it is wrong: of a file, whose records have no timestamp.
    pub around: Option<Around>,
}

/// The times around a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    /// Their median.
    pub median: EventTime,
    /// A time further ahead of it than this, in ms, is refused.
    pub max_jump_ms: i64,
}

/// What tells a record from another that stands where it stood: of its key, value and timestamp.
#[must_use]
pub fn checksum_of_record(record: &Record<'_>) -> u32 {
    // The lowest bits of a seed say what is absent: that is not what is empty, or 0.
    const NO_BYTES: u64 = 1;
    const NO_TIME: u64 = 2;
    let of = |bytes: Option<&[u8]>, seed: u64| match bytes {
        Some(bytes) => xxh3_64_with_seed(bytes, seed),
        None => xxh3_64_with_seed(&[], seed ^ NO_BYTES),
    };
    let time = record.timestamp_ms.map_or(NO_TIME, |timestamp_ms| timestamp_ms.cast_unsigned() << 2);
    let folded = of(record.value, of(record.key, time));
    u32::try_from(folded >> 32).unwrap_or_default() // always fits
}
