//! `samenloop demo`: a simulated shop whose truth is known, and what the terminal shows of it.
//!
//! The shop is a pure function of a seed and its settings: the same seed gives the same bytes. It has no clock; time
//! starts where the caller says and moves with the customers. Absent: the stages (they are those of every other
//! command) and any knowledge of how they count.

mod assortment;
pub mod catalogue;
mod orders;
mod visits;
mod outsiders;
mod noise;
mod line;
pub mod shop;
pub mod truth;
pub mod typeset;
pub mod live;
pub mod summary;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod screen_tests;
