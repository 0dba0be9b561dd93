//! Record → fact: what a shop says of an item, or that it says it no more.
//!
//! A [`FactMapping`] says where in a topic's records the fields of a fact stand, as a mapping of events does, and by the same means:
//! formats, schemas, a jq program, places with alternatives. It is compiled once from a [`FactSpec`].
//!
//! Invariants: every record, or output of one, is a fact or a [`Reject`](super::Reject), whatever its bytes; a tombstone takes away what its
//! key says. What is too long for people's eyes is cut, or left out, and counted: it decides nothing.
//! Absent: the table of facts, but for telling it one.

mod decode;
mod field;
mod key;
mod mapping;
mod number;
mod own;
mod reading;
mod said;
mod spec;

#[cfg(test)]
mod tests;

pub use field::FactField;
pub use mapping::FactMapping;
pub use own::{OwnVerdict, OwnVerdicts};
pub use said::{CatalogueTexts, Fact, Said};
pub use spec::FactSpec;

/// A number as programs write it.
pub(super) fn plain_number(text: &str) -> Option<f64> {
    number::PLAIN.read(text)
}
