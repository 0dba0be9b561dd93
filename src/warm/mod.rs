//! What a record of the lists topic does to a cache: the core of `samenloop warm`, without a cache and without brokers.
//!
//! [`Reading`] makes a [`Change`] of a record; a [`Batch`] holds changes in the order of the topic, cut into [`Chunk`]s, each of which is one
//! run of a script in the cache ([`script`]); [`start`] says from where a partition is read; [`Newest`] is what a cache should hold, to hold
//! it against ([`Compared`]).
//!
//! Invariants: of a key the highest stamp (epoch, sequence) counts, whatever the order in which records come, and a deleted list leaves its
//! stamp. How far a cache is stands in the cache itself ([`Held`]), and moves in the script that writes what lies before it: so a cache that
//! was emptied, went back to an older state, or was changed for another, says so itself. A chunk names where it starts; one that does not
//! chain to what the cache says changes nothing.
//! Absent: Redis, Kafka, clocks.

mod batch;
mod change;
mod compare;
mod names;
mod place;
pub mod script;
mod value;

pub use batch::{Batch, Chunk};
pub use change::{Change, Made, Reading, Selection, Unreadable};
pub use compare::{Compared, Found, Newest, TooMany};
pub use names::Names;
pub use place::{Held, Start, start};
pub use value::ValueForm;
