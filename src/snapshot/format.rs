//! A snapshot's bytes.
//!
//! ```text
//! "smnlsnap"  format u16 │ length u32, head (postcard), checksum u64 │ chunk … │ footer
//! chunk:      "chnk", raw length u32, stored length u32, checksum u64, stored bytes
//! footer:     "foot", number of chunks u64, raw bytes u64, checksum u64
//! ```
//!
//! Numbers are little-endian, checksums XXH3-64. A chunk's checksum is seeded with its lengths, the footer's is over the checksums of
//! head and chunks and over its own figures: no bit may flip, no chunk be left out, put twice or elsewhere. A chunk is stored
//! with zstd, or as it is when that is no shorter; then both lengths are the same.
//!
//! Invariants: the decoder never panics, and gives out a chunk only when its checksum is right; that the whole is whole is
//! known when [`Reader::next_chunk`] has given `None`, not before. Memory grows with what is there, not with what a length claims.
//! Absent: IO, other than by [`std::io::Read`].

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::Reader;
pub use encode::Encoder;

use std::io;

/// First bytes of every snapshot.
const MAGIC: [u8; 8] = *b"smnlsnap";
/// The format that this release writes, and the only one that it reads.
pub const VERSION: u16 = 2;
const CHUNK: [u8; 4] = *b"chnk";
const FOOTER: [u8; 4] = *b"foot";

/// Largest head. Its facts name every source partition, of which there are at most 4096.
pub const HEAD_BYTES_MAX: usize = 16 << 20;

/// Largest chunk, before it is compressed.
pub const CHUNK_BYTES_MAX: usize = 32 << 20;

const _: () = assert!(CHUNK_BYTES_MAX <= u32::MAX as usize, "lengths are written as u32");
const _: () = assert!(HEAD_BYTES_MAX <= CHUNK_BYTES_MAX, "lengths are written as u32");

/// Why bytes are no whole snapshot, or cannot become one.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It starts otherwise.
    #[error("not a snapshot of samenloop: it starts with other bytes")]
    NotOurs,
    /// Another release wrote it.
    #[error("snapshot format {found}, this release reads {known}: run the release that wrote it")]
    OtherFormat {
        /// Its format.
        found: u16,
        /// The format that this release reads.
        known: u16,
    },
    /// It ends before its footer does.
    #[error("the snapshot ends after {bytes} bytes, within its {part}: its end is missing")]
    Torn {
        /// Bytes that are there.
        bytes: u64,
        /// What is cut: head, chunk, footer.
        part: &'static str,
    },
    /// Its bytes are not those that were written.
    #[error("the snapshot is damaged before byte {at}: {what}")]
    Damaged {
        /// Bytes read when it showed: what is wrong lies before.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A head or a chunk that is too large to be written.
    #[error("a snapshot's {what} may have {max} bytes, this one has {bytes}")]
    TooLarge {
        /// Head or chunk.
        what: &'static str,
        /// Its bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The codec or the allocator gave up: nothing is known of the bytes.
    #[error("the snapshot cannot be packed: {0}")]
    Codec(String),
    /// The bytes could not be read: nothing is known of them.
    #[error("the snapshot cannot be read: {0}")]
    Read(#[from] io::Error),
}

impl FormatError {
    /// Whether the object itself is at fault, so that reading it again would not help.
    #[must_use]
    pub fn is_of_the_object(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::Codec(_))
    }
}

/// The seed that ties a chunk's lengths to its bytes.
fn seed(raw: u32, stored: u32) -> u64 {
    (u64::from(raw) << 32) | u64::from(stored)
}
