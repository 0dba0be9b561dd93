//! Opening marks: what a writer appends to every partition before anything else.
//!
//! A broker accepts any first sequence number of a new producer, so the mark's acknowledgement is what makes the
//! producer's order binding; and it says which log this is, so that another one under the same name is refused.

use super::block::{read_position, read_source, write_position};
use super::frame::{Kind, WireError, body, seal, start};
use super::varint::{Reader, put, put_count, put_name};
use crate::position::{Position, SourcePartition};

/// A source partition and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The source partition.
    pub source: SourcePartition,
    /// The first position that this log holds of it.
    pub first: Position,
}

/// A writer's first word on a partition of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Random, made with the log's first mark: another log under the same name has another.
    pub log_id: u128,
    /// Id of the log that the writer reads: positions here are positions of that one. 0 where it reads sources.
    pub input_log_id: u128,
    /// Of the snapshot store, once there is one; 0 until then.
    pub store_id: u128,
    /// Fingerprint of what the log's content depends on besides its input: rules, numbers of partitions, user secret.
    pub identity: u64,
    /// Every source partition that the writer will write sections of.
    pub origins: Vec<Origin>,
}

impl Opening {
    /// The mark as a block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut block = start(Kind::Opening);
        block.extend_from_slice(&self.log_id.to_le_bytes());
        block.extend_from_slice(&self.input_log_id.to_le_bytes());
        block.extend_from_slice(&self.store_id.to_le_bytes());
        block.extend_from_slice(&self.identity.to_le_bytes());
        put_count(&mut block, self.origins.len());
        for origin in &self.origins {
            put_name(&mut block, &origin.source.source);
            put(&mut block, u64::from(origin.source.partition.0));
            write_position(origin.first, &mut block);
        }
        seal(block)
    }

    /// Reads a mark.
    ///
    /// # Errors
    /// When the bytes are no whole opening mark.
    pub fn decode(block: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body(block, Kind::Opening)?);
        let log_id = u128::from_le_bytes(reader.fixed()?);
        let input_log_id = u128::from_le_bytes(reader.fixed()?);
        let store_id = u128::from_le_bytes(reader.fixed()?);
        let identity = u64::from_le_bytes(reader.fixed()?);
        let count = reader.count(4)?;
        let mut origins = Vec::with_capacity(count);
        for _ in 0..count {
            origins.push(Origin { source: read_source(&mut reader)?, first: read_position(&mut reader)? });
        }
        if !reader.is_at_end() {
            return Err(reader.error("bytes after the end"));
        }
        Ok(Self { log_id, input_log_id, store_id, identity, origins })
    }
}
