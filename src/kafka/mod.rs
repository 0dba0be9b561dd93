//! The stages on Kafka: topics as logs, consumer groups that share the work, one thread per member.
//!
//! ```text
//! sources ─▶ intake workers ─▶ events ─▶ windows workers ─▶ pairs ─▶ rows workers ─▶ lists
//!                   └─▶ rejects                                          └─▶ totals ─┘
//! ```
//! A worker is a thread that owns the partitions which its groups give it, their stages, and one gapless producer. It starts
//! with what the log it writes holds already (`scan`), reads the log before it from the start, and appends only what is
//! not there yet: after a crash, a take-over and a rebalance alike. Whatever a worker cannot go on from ends the
//! process, in order; whoever watches it starts it again.
//!
//! Invariants: what a stage has been told, in what order, is decided by the log it reads; a partition is let go only when
//! what was made of it has been acknowledged. Absent: transactions, async in the data path, unsafe.

pub mod admin;
pub mod client;
pub mod facts_topics;
pub mod lists;
pub mod probe;
pub mod registry;
pub mod topics;
pub mod verdicts;

mod errors;
mod follower;
mod lane;
mod message;
mod reader;
mod rejects;
mod resetting;
mod service;
mod transport;
mod trimming;
mod writer;

pub use resetting::{Extent, Member};
pub use service::{Service, Standby};
pub use transport::{KafkaTransport, Names};

use crate::drive::LogFailure;
use rdkafka::error::KafkaError;
use std::fmt::Display;

impl LogFailure {
    /// An error of librdkafka, while `doing` something with `topic`.
    fn of(topic: &str, doing: &dyn Display, error: &KafkaError) -> Self {
        let may_pass = errors::may_pass_by_starting_again(error);
        Self { may_pass, ..Self::said(topic, &format!("{doing}: {error}")) }
    }
}
