//! The frame around every block: which bytes these are, whether they are whole.

use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 2] = *b"sl";
/// The format that this release writes, and the only one that it reads. (1 was never released.)
const VERSION: u8 = 4;
/// Bytes before the body: magic, kind, version, checksum.
pub(super) const HEADER_BYTES: usize = 12;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Events, intake → windows.
    Events,
    /// Deltas, windows → rows.
    Pairs,
    /// A writer's first word.
    Opening,
    /// A proposal for the log's id.
    Founding,
    /// A new owner's first word on the totals log.
    Claim,
    /// The first word on a totals log that was made anew.
    Anew,
    /// Totals, rows → rows.
    Totals,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Events => b'E',
            Self::Pairs => b'P',
            Self::Opening => b'O',
            Self::Founding => b'F',
            Self::Claim => b'C',
            Self::Anew => b'A',
            Self::Totals => b'T',
        }
    }
}

/// Why bytes are no block. Each is a refusal: the log is damaged or not ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not a samenloop block at all.
    #[error("not a samenloop block: it starts with {found:02x?}, expected \"sl\"")]
    Magic {
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// Another release's format.
    #[error("block format {found}, this release reads {VERSION}: run the release that wrote it")]
    Version {
        /// The version found.
        found: u8,
    },
    /// A kind that does not belong here.
    #[error("block of kind {found:?}, expected {expected:?}: another log's record")]
    Kind {
        /// The kind's byte as a character.
        found: char,
        /// The kind expected, if one was.
        expected: Option<Kind>,
    },
    /// Damaged bytes.
    #[error("block checksum {found:016x}, its header says {expected:016x}: the record is damaged, restore the log")]
    Checksum {
        /// Of the bytes found.
        found: u64,
        /// As the header says.
        expected: u64,
    },
    /// The bytes are whole, but say nothing sensible.
    #[error("block malformed at body byte {at}: {what}")]
    Malformed {
        /// Byte of the body.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// Room for the header; the body is appended, then [`seal`] fills it in.
pub(super) fn start(kind: Kind) -> Vec<u8> {
    let mut block = Vec::with_capacity(1024);
    block.extend_from_slice(&MAGIC);
    block.extend_from_slice(&[kind.byte(), VERSION]);
    block.extend_from_slice(&[0; 8]);
    block
}

pub(super) fn seal(mut block: Vec<u8>) -> Vec<u8> {
    let checksum = xxh3_64(&block[HEADER_BYTES..]);
    block[4..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// What kind of block this is. Looks at the header only.
///
/// # Errors
/// When it is no block, or of another format.
pub fn kind_of(block: &[u8]) -> Result<Kind, WireError> {
    if block.len() < HEADER_BYTES || block[..2] != MAGIC {
        return Err(WireError::Magic { found: block[..block.len().min(2)].to_vec() });
    }
    if block[3] != VERSION {
        return Err(WireError::Version { found: block[3] });
    }
    match block[2] {
        b'E' => Ok(Kind::Events),
        b'P' => Ok(Kind::Pairs),
        b'O' => Ok(Kind::Opening),
        b'F' => Ok(Kind::Founding),
        b'C' => Ok(Kind::Claim),
        b'A' => Ok(Kind::Anew),
        b'T' => Ok(Kind::Totals),
        other => Err(WireError::Kind { found: char::from(other), expected: None }),
    }
}

/// What tells a block from another that stands where it stood: a part of its own checksum, as its header says it.
///
/// # Errors
/// When it is no block, or of another format.
pub fn checksum_of_block(block: &[u8]) -> Result<u32, WireError> {
    kind_of(block)?;
    let mut low = [0; 4];
    low.copy_from_slice(&block[4..8]);
    Ok(u32::from_le_bytes(low))
}

/// The body of a block of `expected` kind, its checksum verified.
pub(super) fn body(block: &[u8], expected: Kind) -> Result<&[u8], WireError> {
    let kind = kind_of(block)?;
    if kind != expected {
        return Err(WireError::Kind { found: char::from(kind.byte()), expected: Some(expected) });
    }
    let body = &block[HEADER_BYTES..];
    let mut said = [0; 8];
    said.copy_from_slice(&block[4..HEADER_BYTES]);
    let (found, said) = (xxh3_64(body), u64::from_le_bytes(said));
    if found == said { Ok(body) } else { Err(WireError::Checksum { found, expected: said }) }
}
