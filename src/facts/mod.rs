//! What a shop says of its items, besides what happens to them: catalogue, stock, manual relations, verdicts.
//!
//! Facts decide what is *shown*, never what is counted; only [`Facts::counts_as`] reaches counts, through intake, which writes what it
//! decided into the events log. There is one table a process: whoever reads facts writes to it, one at a time; intake and all
//! partitions of rows look things up in it meanwhile. A missing fact means: active, countable, in stock, without a price.
//! Items are known by the fingerprint of shop and id ([`crate::items::fingerprint`]).
//!
//! Invariants: the newest fact of a key counts; what changes is told to everybody who asks ([`Changes`]), or that too much has changed
//! to tell; memory stays under a budget, and what does not fit is refused, not forgotten.
//! Absent: where facts come from, their bytes, the time (it is told).

mod catalogue;
mod census;
mod changes;
mod item;
mod manual;
mod named;
mod stock;
mod table;
mod saying;
mod shelf;
mod topic;
mod tree;

pub use catalogue::{Catalogue, CategoryId, Price};
pub use census::{Census, Held};
pub use changes::{Changed, Changes};
pub use item::{ItemFacts, Text};
pub use manual::{Kind, Manual, Relation, RelationKey, Ruling, Verdict, VerdictKey};
pub use named::Named;
pub use saying::RelationTerms;
pub use shelf::{CURRENCY_BYTES_MAX, Shelf};
pub use stock::Stock;
pub use table::{CountsAs, Facts, Refused};
pub use topic::FactsTopic;

#[cfg(test)]
mod tests;
