//! Claims: the first word of a new owner of a rows partition, on its own partition of the totals log. The offset where a claim
//! stands is the epoch of the owner that wrote it.

use super::frame::{Kind, WireError, body, seal, start};
use super::varint::{Reader, put};
use crate::position::Partition;

/// A claim of `partition`. `nonce`, drawn at random, tells it from every other.
#[must_use]
pub fn claim(nonce: u128, partition: Partition) -> Vec<u8> {
    let mut block = start(Kind::Claim);
    block.extend_from_slice(&nonce.to_le_bytes());
    put(&mut block, u64::from(partition.0));
    seal(block)
}

/// The nonce and the partition of a claim.
///
/// # Errors
/// When the bytes are no whole claim.
pub fn claimed(block: &[u8]) -> Result<(u128, Partition), WireError> {
    let mut reader = Reader::new(body(block, Kind::Claim)?);
    let nonce = u128::from_le_bytes(reader.fixed()?);
    let partition = Partition(reader.small()?);
    if !reader.is_at_end() {
        return Err(reader.error("bytes after the end"));
    }
    Ok((nonce, partition))
}
