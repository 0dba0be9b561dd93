//! A Redis or Valkey that is kept equal to the lists topic: its client, and the loop of `samenloop warm`.
//!
//! What a record does to the cache is told by `warm`, which knows no cache; here it is carried out. [`Cache`] is one connection, with
//! every answer sorted by who must act; [`Warmer`] reads, writes and waits; [`verify()`] holds the cache against the topic.
//! Invariants: an offset is committed when the cache has acknowledged all before it; whatever the cache says that may pass is waited for,
//! with a sign of life, and what had not been acknowledged is read again. No user or password is in a message.
//! Absent: Redis Cluster (how far a cache is stands in the cache, in one place: shards lose their last writes each on its own); threads.

mod link;
mod store;
mod understood;
mod verify;
mod warmer;

pub use link::CacheError;
pub use store::Cache;
pub use verify::verify;
pub use warmer::{Until, Warmer, WarmerParts};
