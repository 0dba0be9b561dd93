//! On a real Apache Kafka, which the tests start themselves: `tests/run --test kafka`.
//!
//! Needs a JDK 17 or newer and Maven (`tests/run` installs them where it may). `SAMENLOOP_TEST_BOOTSTRAP=host:port` uses a
//! broker that is already there, but for the tests that stop theirs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "../support/broker.rs"]
mod broker;
#[path = "../support/kafka.rs"]
mod kafka;
#[path = "../support/registry.rs"]
mod registry;

mod check;
mod the_broker;
