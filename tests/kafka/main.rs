//! On a real Apache Kafka, which the tests start themselves: `tests/run --test kafka`.
//!
//! Needs a JDK 17 or newer, Maven and redis-server (`tests/run` installs them where it may). `SAMENLOOP_TEST_BOOTSTRAP=host:port` uses a
//! broker that is already there, but for the tests that stop theirs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "../support/broker.rs"]
mod broker;
#[path = "../support/command.rs"]
mod command;
#[path = "../support/kafka.rs"]
mod kafka;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/recount.rs"]
mod recount;
#[path = "../support/redis.rs"]
mod redis_server;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/rig.rs"]
mod rig;
#[path = "../support/service.rs"]
mod service;
#[path = "../support/shop.rs"]
mod shop;
#[path = "../support/topic.rs"]
mod topic;

mod avro;
mod batches;
mod budget;
mod check;
mod facts;
mod faults;
mod house;
mod members;
mod network;
mod poison;
mod rebuild;
mod refusals;
mod running;
mod snapshots;
mod starts;
mod the_broker;
mod transactions;
mod warm;
