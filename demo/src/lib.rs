//! A simulated wholesaler whose truth is known: what `samenloop demo` shows its lists on.
//!
//! The shop is a pure function of a seed and its settings: the same seed gives the same bytes. It has no clock; time
//! starts where the caller says and moves with the customers. Absent: samenloop. Nothing here knows how its events are read
//! or counted; [`Truth`] knows why somebody bought.

#![forbid(unsafe_code)]

mod clock;
mod draw;
mod assortment;
mod catalogue;
mod line;
mod settings;
mod orders;
mod visits;
mod outsiders;
mod fads;
mod noise;
mod shop;
mod stock;
mod curation;
mod truth;

pub use catalogue::{Catalogue, PRODUCTS_MAX, Product, Shelf};
pub use curation::Curation;
pub use noise::Damage;
pub use settings::ShopSettings;
pub use shop::{Kind, Record, Sent, Shop};
pub use stock::{StockChange, Stockroom};
pub use truth::{List, TOP, Truth, Verdict, Wrong};

#[cfg(test)]
mod tests;
