//! List → output record, only when it differs from the last one (design section 6).
//!
//! [`Due`] says when a row may be ranked; [`Publisher`] says whether its list is news; [`ListRecord`] is what subscribers read.
//! Invariants: consecutive records of a key differ in the shown entries or by more than the score step; a list that becomes
//! empty is a tombstone, once; every record carries an (epoch, sequence) higher than the one before it; what comes out
//! depends on the order of the calls and their clocks only.
//! Absent: clocks (times are given), topics, and silence: who must be silent does not ask.

pub mod codec;

mod due;
mod publisher;
mod number;
mod record;
mod publication;

pub use due::{Due, DueRow};
pub use publication::Publication;
pub use publisher::{News, Publisher, PublisherStats, Stamp};
pub use record::{EntryRecord, ListRecord, Source, parse_key};
