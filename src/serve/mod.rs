//! Serving: HTTP over what is published, questions to workers, and their answers.
//!
//! Must not know: Kafka, and who drives the stages: a question goes through a queue ([`query`]), a list is read from the
//! [`view`] of what was published last.

mod answers;

pub mod counts;
pub mod http;
pub mod query;
mod names;
pub mod view;

pub use answers::{Asked, answer, events_of, explain_row, tallies, write_counts};
