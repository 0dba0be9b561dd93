//! samenloop: view, cart and order events in, recommendation lists out.

#![forbid(unsafe_code)]

// The vocabulary.
pub mod event;
pub mod items;
pub mod memory;
pub mod limits;
pub mod position;
pub mod relation;
pub mod list_key;
pub mod rules;
pub mod saved;

// What is shown depends on it, and what an item counts as.
pub mod facts;

// The rooms, in the order of the flow.
pub mod intake;
pub mod windows;
pub mod clicks;
pub mod wire;
pub mod rows;
pub mod rank;
pub mod publish;

// What a record of the lists topic does to a shop's cache.
pub mod warm;

// What tells of input that was in vain.
pub mod findings;

// What joins them.
pub mod stage;

// What keeps their state: the bytes of snapshots, and where they are kept.
pub mod snapshot;

// What touches the world: watching, serving, driving the stages, Kafka, and the commands.
pub mod watch;
pub mod serve;
pub mod drive;
pub mod kafka;
pub mod config;
pub mod cache;
pub mod cli;
