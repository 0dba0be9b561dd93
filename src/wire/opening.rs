//! Opening marks: what a writer appends to every partition before anything else.
//!
//! A broker accepts any first sequence number of a new producer, so the mark's acknowledgement is what makes the
//! producer's order binding; and it says which log this is, so that another one under the same name is refused.
//!
//! A log's id is settled by *founding marks*: who finds a log without any mark appends a random number to partition 0, and
//! the first of these in the partition is the id. Several writers that start at once agree without talking to each other.

use super::block::{read_position, read_source, write_position};
use super::frame::{Kind, WireError, body, seal, start};
use super::varint::{Reader, put, put_count, put_name};
use crate::position::{Position, SourcePartition};

/// A source partition and where it starts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// The source partition.
    pub source: SourcePartition,
    /// The first position that this log holds of it; `None` where its reader has not said so yet.
    pub first: Option<Position>,
}

/// A writer's first word on a partition of a log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Opening {
    /// Random, made with the log's first mark: another log under the same name has another.
    pub log_id: u128,
    /// Id of the log that the writer reads: positions here are positions of that one. 0 where it reads sources.
    pub input_log_id: u128,
    /// Of the snapshot store. Always 0 as yet: the heads of snapshots say which store they are of, the log does not.
    pub store_id: u128,
    /// Fingerprint of what the log's content depends on besides its input: rules, numbers of partitions, user secret.
    pub identity: u64,
    /// Number of the writer: higher than those of all whose marks it found.
    pub generation: u64,
    /// Every source partition that is configured, whoever of the writers will write sections of it.
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
        put(&mut block, self.generation);
        put_count(&mut block, self.origins.len());
        for origin in &self.origins {
            put_name(&mut block, &origin.source.source);
            put(&mut block, u64::from(origin.source.partition.0));
            block.push(u8::from(origin.first.is_some()));
            if let Some(first) = origin.first {
                write_position(first, &mut block);
            }
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
        let generation = reader.number()?;
        let count = reader.count(3)?;
        let mut origins = Vec::with_capacity(count);
        for _ in 0..count {
            let source = read_source(&mut reader)?;
            let first = match reader.byte()? {
                0 => None,
                1 => Some(read_position(&mut reader)?),
                _ => return Err(reader.error("an origin is known or not")),
            };
            origins.push(Origin { source, first });
        }
        if !reader.is_at_end() {
            return Err(reader.error("bytes after the end"));
        }
        Ok(Self { log_id, input_log_id, store_id, identity, generation, origins })
    }
}

/// A founding mark that proposes `log_id`.
#[must_use]
pub fn founding(log_id: u128) -> Vec<u8> {
    let mut block = start(Kind::Founding);
    block.extend_from_slice(&log_id.to_le_bytes());
    seal(block)
}

/// The id that a founding mark proposes.
///
/// # Errors
/// When the bytes are no whole founding mark.
pub fn founded(block: &[u8]) -> Result<u128, WireError> {
    let mut reader = Reader::new(body(block, Kind::Founding)?);
    let log_id = u128::from_le_bytes(reader.fixed()?);
    if reader.is_at_end() { Ok(log_id) } else { Err(reader.error("bytes after the end")) }
}
