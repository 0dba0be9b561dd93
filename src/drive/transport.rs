//! What stages need of a log, whoever keeps it.

use crate::position::{NextOffset, Partition};
use crate::stage::Log;
use std::sync::Arc;

/// A record read from a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where it stands.
    pub offset: NextOffset,
    /// Its value; `None` is a tombstone.
    pub value: Option<Arc<Vec<u8>>>,
}

/// Why a log cannot be used any more. The process starts again from what the log holds.
#[derive(Debug, thiserror::Error)]
#[error("{log}-{partition}: {what}", log = log.name(), partition = partition.0)]
pub struct TransportError {
    /// Which log.
    pub log: Log,
    /// Which partition.
    pub partition: Partition,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Append-only, partitioned logs. A partition keeps the order of its appends; what was acknowledged is not lost.
pub trait Transport {
    /// How many partitions a log has.
    fn partitions(&self, log: Log) -> u32;

    /// The first offset that a partition still holds, and the first that it does not hold yet.
    ///
    /// # Errors
    /// When the log cannot be asked.
    fn bounds(&mut self, log: Log, partition: Partition) -> Result<(NextOffset, NextOffset), TransportError>;

    /// The next records from `from`, at most `records_max`; none when there is nothing new.
    ///
    /// # Errors
    /// When `from` lies before what is held, or the log cannot be read.
    fn fetch(
        &mut self,
        log: Log,
        partition: Partition,
        from: NextOffset,
        records_max: usize,
        into: &mut Vec<Fetched>,
    ) -> Result<(), TransportError>;

    /// Appends a record; `None` as value is a tombstone for `key`.
    ///
    /// # Errors
    /// When it cannot be appended, now or ever.
    fn append(
        &mut self,
        log: Log,
        partition: Partition,
        key: Option<&[u8]>,
        value: Option<Vec<u8>>,
    ) -> Result<(), TransportError>;

    /// The reader of a partition needs nothing before `to` any more.
    fn release(&mut self, log: Log, partition: Partition, to: NextOffset);
}
