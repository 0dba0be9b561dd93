//! Kafka: clients, and samenloop's own topics.

pub mod admin;
pub mod client;
pub mod probe;
pub mod topics;
