//! Watching: what operators see of stages, as metrics and as health.
//!
//! Stages count in plain tallies; here, and only here, these become metrics ([`metrics`]) and standings ([`health`]).
//! Must not know: HTTP, Kafka, who drives the stages; nothing here decides anything.

pub mod failing;
pub mod health;
pub mod metrics;
mod stages;
pub mod waits;

pub use stages::{clock, intake_tallies, now_ms, rows_tallies, state, windows_tallies};
