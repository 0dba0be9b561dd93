//! Driving stages: facts from logs, effects onto them, over any [`Transport`].
//!
//! [`Pipeline`] joins the three stages and carries out their effects; [`MemoryLog`] is the transport that needs nothing but
//! memory. [`Sink`] is who hears of lists and rejects.
//! Must not know: Kafka, HTTP's routes, counting rules.

mod left;
mod memory;
mod pipeline;
mod transport;

pub mod watch;

pub use memory::MemoryLog;
pub use pipeline::{Appended, Pipeline, Publication, Setup, Sink};
pub use transport::{Fetched, Transport, TransportError};
