//! List → output record, only when it differs from the last one (design section 6).
//!
//! [`Lists`] numbers the lists met; [`Holders`] says which ones an item is in; [`Due`] says when one may be ranked; [`Publisher`] says whether it is news, or stands on the log as it
//! should; a [`Publication`] is on its way out, and [`ListRecord`] is what subscribers read.
//! Invariants: consecutive records of a key differ in the shown entries or by more than the score step; a list that becomes
//! empty is a tombstone, once; every record carries an (epoch, sequence) higher than the one before it; what comes out
//! depends on the order of the calls and their clocks only.
//! Absent: clocks (times are given), topics, and silence: who must be silent does not ask.

pub mod codec;

mod lists;
mod due;
mod holders;
mod publisher;
mod number;
mod figures;
mod shelf;
mod json;
mod record;
mod saved;
mod publication;

pub use due::{Due, DueList};
pub use figures::{EntryFigures, ListFigures};
pub use holders::Holders;
pub use json::ListHead;
pub use lists::{ListNumber, Lists};
pub use publication::Publication;
pub use publisher::{News, Publisher, Shown, Stamp};
pub use record::{EntryRecord, ListRecord, parse_key};
pub use shelf::{Shelved, Told};
