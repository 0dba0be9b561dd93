//! The only room that touches the world: logs, sockets, clocks, randomness.
//!
//! [`Pipeline`] joins the three stages over a [`Transport`] and carries out their effects; [`MemoryLog`] is the
//! transport that needs nothing but memory. [`Sink`] is who hears of lists and rejects.
//! Absent: Kafka and snapshots, which come behind the same traits.

mod memory;
mod pipeline;
mod transport;

pub use memory::MemoryLog;
pub use pipeline::{Pipeline, Publication, Setup, Sink};
pub use transport::{Fetched, Transport, TransportError};
