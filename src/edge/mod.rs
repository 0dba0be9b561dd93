//! The only room that touches the world.

pub mod counts;
pub mod health;
pub mod http;
pub mod metrics;
pub mod query;
pub mod view;
