//! The inputs of each stage, by name.

use crate::position::Partition;
use std::fmt;

/// An input of a stage.
pub trait Input: Copy + fmt::Debug {
    /// Its place among the inputs of its stage, from 0.
    fn index(self) -> usize;
}

/// An input of intake: a source partition, by its number among those that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceInput(pub usize);

impl Input for SourceInput {
    fn index(self) -> usize {
        self.0
    }
}

/// The one input of windows: its partition of the events log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsInput;

impl Input for EventsInput {
    fn index(self) -> usize {
        0
    }
}

/// An input of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsInput {
    /// Its partition of the pairs log.
    Pairs,
    /// Its partition of the lists log: what has landed there, whoever wrote it.
    Lists,
    /// A partition of the totals log, of all of them.
    Totals(Partition),
}

impl RowsInput {
    /// All inputs, where the totals log has so many partitions.
    pub fn all(totals_partitions: u32) -> impl Iterator<Item = Self> {
        let totals = (0..totals_partitions).map(|partition| Self::Totals(Partition(partition)));
        [Self::Pairs, Self::Lists].into_iter().chain(totals)
    }
}

impl Input for RowsInput {
    fn index(self) -> usize {
        match self {
            Self::Pairs => 0,
            Self::Lists => 1,
            Self::Totals(partition) => 2 + partition.index(),
        }
    }
}
