//! samenloop: view, cart and order events in, recommendation lists out.

#![forbid(unsafe_code)]

pub mod event;
pub mod items;
pub mod position;
pub mod relation;
pub mod rules;
