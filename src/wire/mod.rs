//! The internal logs' bytes: one log record is one *block*.
//!
//! A block is a frame (magic, kind, version, checksum) around a body of dictionaries and sections. Names and users
//! stand once a block, entries refer to them by number; times and offsets are differences. Kinds: *events* (intake →
//! windows), *pairs* (windows → rows), and *opening marks*, which every writer puts first.
//!
//! Invariants: what is written decodes to the same; any bytes at all decode or are refused, without panic and without
//! allocating more than a small multiple of their length; the same entries give the same bytes.
//! Absent: compression (the log's own business: Kafka compresses batches), ownership and counting rules.
//!
//! ```text
//! block    = "sl" kind:u8 version:u8 checksum:u64le body           checksum: XXH3-64 of the body
//! events   = sources shops items users sections                    kind 'E'
//! pairs    = sources shops items sections                          kind 'P'
//! opening  = log_id:u128le input_log_id:u128le store_id:u128le identity:u64le origins  kind 'O'
//! founding = log_id:u128le                                         kind 'F'
//! origins  = n { name partition known:u8 [position] }
//! sources  = n { name partition }        shops = n { name }        items = n { shop name }      users = n { u128le }
//! section  = source flags from to [highest] [arrived] n { entry }  positions: offset, index
//! ```
//! Numbers are LEB128 varints, signed ones zigzag; a name is its length in bytes and its UTF-8.

mod block;
mod dictionary;
mod events;
mod frame;
mod opening;
mod pairs;
mod size;
mod varint;

pub use block::{Section, SectionHead};
pub use events::{EventEntry, EventItems, EventsBlock, EventsWriter};
pub use frame::{Kind, WireError, kind_of};
pub use opening::{Opening, Origin, founded, founding};
pub use pairs::{DeltaScratch, PairEntry, PairsBlock, PairsWriter, Translation};

use crate::position::{Position, SourcePartition};

/// The newest position that each section of a block covers, whatever its kind: what a restarting writer looks for.
///
/// # Errors
/// When the block does not decode.
pub fn section_ends(block: &[u8]) -> Result<Vec<(SourcePartition, Position)>, WireError> {
    let ends = |sections: Vec<Section>| sections.into_iter().map(|s| (s.head.source, s.head.span.to)).collect();
    match kind_of(block)? {
        Kind::Events => Ok(ends(EventsBlock::decode(block)?.sections)),
        Kind::Pairs => Ok(ends(PairsBlock::decode(block)?.sections)),
        Kind::Opening => {
            let origins = Opening::decode(block)?.origins.into_iter();
            Ok(origins.filter_map(|origin| Some((origin.source, origin.first?))).collect())
        }
        Kind::Founding => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests;
