//! The internal logs' bytes: one log record is one *block*.
//!
//! A block is a frame (magic, kind, version, checksum) around a body of dictionaries and sections. Names and users
//! stand once a block, entries refer to them by number; times and offsets are differences. Kinds: *events* (intake →
//! windows), *pairs* (windows → rows), *opening marks*, which every writer of these puts first, *totals* (rows → rows), *claims* of rows partitions, and *anew marks* on
//! totals logs that were made anew.
//!
//! Invariants: what is written decodes to the same; any bytes at all decode or are refused, without panic and without
//! allocating more than a small multiple of their length; the same entries give the same bytes.
//! Absent: compression (the log's own business: Kafka compresses batches), ownership and counting rules.
//!
//! ```text
//! block    = "sl" kind:u8 version:u8 checksum:u64le body           checksum: XXH3-64 of the body
//! events   = generation sources shops items users sections         kind 'E'
//! pairs    = generation sources shops items sections               kind 'P'
//! opening  = log_id:u128le input_log_id:u128le store_id:u128le identity:u64le generation origins  kind 'O'
//! founding = log_id:u128le                                         kind 'F'
//! claim    = nonce:u128le partition epochs_from                    kind 'C'
//! anew     = epochs_from n { offset }                              kind 'A'
//! totals   = partition epoch sequence flags:u8 offset index [checksum:u32le] landmarks shops items n { total }  kind 'T'
//! total    = relation:u8 item-or-shop support weight:f64le
//! origins  = n { name partition known:u8 [position] }
//! sources  = n { name partition }        shops = n { name }        items = n { shop name }      users = n { u128le }
//! section  = flags from to n { entry } [highest] [arrived] [checksum:u32le]  in the order of the sources
//! ```
//! Numbers are LEB128 varints, signed ones zigzag; a name is its length in bytes and its UTF-8; `from` is an offset and an
//! index, `to` and the places of entries are differences from what stands before them, and so are times.
//!
//! A *generation* numbers the writers of a log: each one's is higher than those of all whose opening marks it found. What
//! a writer that has been overtaken says late of how its source stands is known by it.

mod block;
mod claim;
mod dictionary;
mod events;
mod frame;
mod opening;
mod pairs;
mod shown;
mod size;
mod totals;
mod varint;

pub use block::{Lag, Section, SectionHead};
pub use claim::{Anew, claim, claimed};
pub use events::{EventEntry, EventItems, EventToWrite, EventsBlock, EventsWriter};
pub use frame::{Kind, WireError, checksum_of_block, kind_of};
pub use opening::{Opening, Origin, founded, founding};
pub use pairs::{DeltaScratch, PairEntry, PairsBlock, PairsWriter, Translation};
pub use shown::{EntryAsRead, EntryToWrite, ShownAsRead, ShownToWrite};
pub use totals::{TotalEntry, TotalOf, TotalsBlock, TotalsHead, TotalsWriter};

use crate::position::{Checkpoint, Position, SourcePartition};

/// What the pairs log is called where it is a source.
pub const PAIRS_SOURCE: &str = "pairs";

/// What a block says of a source partition by its end, whatever its kind: what a restarting writer looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionEnd {
    /// The source partition.
    pub source: SourcePartition,
    /// Where the section starts; `None` where the block chains to nothing.
    pub from: Option<Position>,
    /// How far the block goes, and what was read there.
    pub checkpoint: Checkpoint,
    /// How far behind the source is, and the generation of the writer that says so; `None` where that is not said.
    pub standing: Option<(u64, Lag)>,
}

/// How far each section of a block goes.
///
/// # Errors
/// When the block does not decode.
pub fn section_ends(block: &[u8]) -> Result<Vec<SectionEnd>, WireError> {
    let of_sections = |generation: u64, sections: Vec<Section>| {
        let end = |Section { head, .. }: Section| {
            let (checkpoint, standing) = (head.checkpoint(), Some((generation, head.lag)));
            SectionEnd { source: head.source, from: Some(head.span.from), checkpoint, standing }
        };
        sections.into_iter().map(end).collect()
    };
    let of_mark = |source, checkpoint| SectionEnd { source, from: None, checkpoint, standing: None };
    match kind_of(block)? {
        Kind::Events => {
            let EventsBlock { generation, sections, .. } = EventsBlock::decode(block)?;
            Ok(of_sections(generation, sections))
        }
        Kind::Pairs => {
            let PairsBlock { generation, sections, .. } = PairsBlock::decode(block)?;
            Ok(of_sections(generation, sections))
        }
        Kind::Opening => {
            let origins = Opening::decode(block)?.origins.into_iter();
            let end = |origin: Origin| Some(of_mark(origin.source, Checkpoint::origin(origin.first?)));
            Ok(origins.filter_map(end).collect())
        }
        Kind::Totals => {
            let TotalsHead { partition, read, .. } = TotalsBlock::decode(block)?.head;
            Ok(vec![of_mark(SourcePartition::new(PAIRS_SOURCE, partition.0), read)])
        }
        Kind::Founding | Kind::Claim | Kind::Anew => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests;
