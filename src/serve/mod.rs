//! Serving: HTTP over what is published, questions to workers, and their answers.
//!
//! Must not know: Kafka, and who drives the stages: a question goes through a queue ([`query`]), a list is read from the
//! [`view`] of what was published last.

mod answers;
mod asked;

pub mod clicks;
pub mod combine;
pub mod counts;
pub mod http;
pub mod query;
mod names;
pub mod review;
pub mod verdicts;
pub mod view;

pub use answers::{CANDIDATES_MAX, LOOK_LINES_MAX, Look, explain_row};
pub use asked::{Asked, events_of, tallies};
pub use counts::write_counts;
