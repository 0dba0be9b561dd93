//! The only room that touches the world: logs, sockets, clocks, randomness.
//!
//! [`Pipeline`] joins the three stages over a [`Transport`] and carries out their effects; [`MemoryLog`] is the
//! transport that needs nothing but memory. [`Sink`] is who hears of lists and rejects. Beside it stands what watches:
//! metrics, health, the view of published lists, questions to workers, and HTTP in front of them.
//! Absent: Kafka and snapshots, which come behind the same traits.

mod answers;
mod left;
mod memory;
mod pipeline;
mod transport;

pub mod counts;
pub mod health;
pub mod http;
pub mod kafka;
pub mod lists;
pub mod metrics;
pub mod query;
pub mod registry;
pub mod view;
pub mod watch;

pub use answers::{answer, events_of, explain_row, tallies, write_counts};
pub use memory::MemoryLog;
pub use pipeline::{Appended, Pipeline, Publication, Setup, Sink};
pub use transport::{Fetched, Transport, TransportError};
