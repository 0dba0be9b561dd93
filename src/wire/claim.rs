//! Claims: the first word of a new owner of a rows partition, on its own partition of the totals log. The offset where a claim
//! stands, counted from where the log's epochs begin, is the epoch of the owner that wrote it.
//!
//! Epochs begin at 0, but for a totals log that was made anew beside lists of earlier owners: there they go on above all of
//! those, as the *anew mark* says that stands first on each of its partitions.

use super::frame::{Kind, WireError, body, seal, start};
use super::varint::{Reader, put, put_count};
use crate::position::{NextOffset, Partition};

/// A claim of `partition`, on a log whose epochs begin at `epochs_from`. `nonce`, drawn at random, tells it from every other.
#[must_use]
pub fn claim(nonce: u128, partition: Partition, epochs_from: u64) -> Vec<u8> {
    let mut block = start(Kind::Claim);
    block.extend_from_slice(&nonce.to_le_bytes());
    put(&mut block, u64::from(partition.0));
    put(&mut block, epochs_from);
    seal(block)
}

/// The nonce and the partition of a claim, and where epochs begin on its log.
///
/// # Errors
/// When the bytes are no whole claim.
pub fn claimed(block: &[u8]) -> Result<(u128, Partition, u64), WireError> {
    let mut reader = Reader::new(body(block, Kind::Claim)?);
    let nonce = u128::from_le_bytes(reader.fixed()?);
    let partition = Partition(reader.small()?);
    let epochs_from = reader.number()?;
    if !reader.is_at_end() {
        return Err(reader.error("bytes after the end"));
    }
    Ok((nonce, partition, epochs_from))
}

/// What stands first on each partition of a totals log that was made anew beside lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anew {
    /// Where epochs begin: above those of all owners before.
    pub epochs_from: u64,
    /// Of each partition of the events log, up to where it is to be read before lists are compared: what is not counted yet
    /// is not gone.
    pub read_to: Vec<NextOffset>,
}

impl Anew {
    /// As a block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut block = start(Kind::Anew);
        put(&mut block, self.epochs_from);
        put_count(&mut block, self.read_to.len());
        self.read_to.iter().for_each(|offset| put(&mut block, offset.0));
        seal(block)
    }

    /// From a block.
    ///
    /// # Errors
    /// When the bytes are no whole mark.
    pub fn decode(block: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body(block, Kind::Anew)?);
        let epochs_from = reader.number()?;
        let count = reader.count(1)?;
        let read_to = (0..count).map(|_| reader.number().map(NextOffset)).collect::<Result<_, _>>()?;
        if !reader.is_at_end() {
            return Err(reader.error("bytes after the end"));
        }
        Ok(Self { epochs_from, read_to })
    }
}
