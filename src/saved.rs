//! How a state is kept: frames of bytes, made while the state goes on changing, and read back in any order.
//!
//! A frame is a kind, a length and a body; what kinds mean is up to the state. Bodies are written with `serde` in postcard's format
//! (variable-length integers, no names), or by hand where that is too slow.
//! Invariants: reading gives an error for whatever was not written here, never a panic, and takes no more memory than a few times the bytes read.
//! Absent: files, checksums and versions (the snapshot's format has them), and which moment a state is kept of.

use serde::{Deserialize, Serialize};

/// Bytes before a frame's body: its kind, and its length as a little-endian `u32`.
const HEAD_BYTES: usize = 5;

/// How far saving a state has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saving {
    /// There is more.
    More,
    /// That was the last of it.
    Done,
    /// The state has changed in a way that what was given of it is of no use: begin anew.
    Void,
}

/// Why a state cannot be taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// A frame ends before its length says.
    #[error("a frame of kind {kind} ends after {found} of {length} bytes")]
    Cut {
        /// The frame's kind.
        kind: u8,
        /// How long it says that it is.
        length: usize,
        /// How long it is.
        found: usize,
    },
    /// A body does not read.
    #[error("{what} does not read: {error}")]
    Body {
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        error: postcard::Error,
    },
    /// Nobody knows the kind.
    #[error("a frame of kind {kind}, which is not known")]
    Kind {
        /// The frame's kind.
        kind: u8,
    },
    /// What was read does not fit together.
    #[error("{what}")]
    Unfit {
        /// How.
        what: String,
    },
}

impl SavedError {
    /// `what` does not fit the rest.
    pub fn unfit(what: impl Into<String>) -> Self {
        Self::Unfit { what: what.into() }
    }
}

/// Appends a frame whose body `write` appends.
///
/// # Panics
/// When a body is 4 GiB or longer: states cut theirs into pieces.
pub fn frame(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[kind, 0, 0, 0, 0]);
    write(out);
    let length = u32::try_from(out.len() - start - HEAD_BYTES);
    assert!(length.is_ok(), "a frame is shorter than 4 GiB");
    out[start + 1..start + HEAD_BYTES].copy_from_slice(&length.unwrap_or_default().to_le_bytes());
}

/// The frames of `bytes`, which hold whole ones: kind and body of each.
pub fn frames(mut bytes: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), SavedError>> {
    std::iter::from_fn(move || {
        let (&kind, rest) = bytes.split_first()?;
        let Some((length, rest)) = rest.split_first_chunk() else {
            bytes = &[];
            return Some(Err(SavedError::Cut { kind, length: HEAD_BYTES, found: rest.len() }));
        };
        let length = u32::from_le_bytes(*length) as usize;
        let Some((body, rest)) = rest.split_at_checked(length) else {
            bytes = &[];
            return Some(Err(SavedError::Cut { kind, length, found: rest.len() }));
        };
        bytes = rest;
        Some(Ok((kind, body)))
    })
}

/// `bytes`, which hold whole frames, in pieces of whole frames: each of `bytes_max` at most, or of one frame that is longer.
pub fn pieces(mut bytes: &[u8], bytes_max: usize) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut end = 0;
        while let Some((_, rest)) = bytes.get(end..).and_then(<[u8]>::split_first)
            && let Some(length) = rest.first_chunk()
        {
            let next = end.saturating_add(HEAD_BYTES).saturating_add(u32::from_le_bytes(*length) as usize);
            if end > 0 && next > bytes_max {
                break;
            }
            end = next;
        }
        let (piece, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Appends `value`.
pub fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let written = postcard::serialize_with_flavor(value, Appended(out));
    debug_assert!(written.is_ok(), "plain data always serializes");
}

/// Takes a value from the front of `bytes`; `what` it is, for the error.
///
/// # Errors
/// When it does not read.
pub fn take<'b, T: Deserialize<'b>>(bytes: &mut &'b [u8], what: &'static str) -> Result<T, SavedError> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| SavedError::Body { what, error })?;
    *bytes = rest;
    Ok(value)
}

/// A value that is all of `bytes`.
///
/// # Errors
/// When it does not read, or something follows.
pub fn whole<'b, T: Deserialize<'b>>(mut bytes: &'b [u8], what: &'static str) -> Result<T, SavedError> {
    let value = take(&mut bytes, what)?;
    if bytes.is_empty() { Ok(value) } else { Err(SavedError::unfit(format!("{} bytes behind {what}", bytes.len()))) }
}

/// Appends to a vector that holds something already.
struct Appended<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appended<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Which of a table's places have been saved already: those that change before it is their turn go first.
///
/// A state that is being saved has one of these for each table. Whoever is about to change a place asks [`Early::is_to_go`] first, and saves the
/// place as it is. Of places beyond those that were there when saving began nothing is saved.
#[derive(Debug, Default)]
pub struct Early {
    /// A bit for each place that was there.
    gone: Vec<u64>,
    places: usize,
    /// All before it have been saved.
    next: usize,
}

impl Early {
    /// A table that has `places` now.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self { gone: vec![0; places.div_ceil(64)], places, next: 0 }
    }

    /// Whether `place` is still to be saved, which the caller then does.
    pub fn is_to_go(&mut self, place: usize) -> bool {
        if place < self.next || place >= self.places {
            return false;
        }
        let bit = 1 << (place % 64);
        let word = &mut self.gone[place / 64];
        let is_to_go = *word & bit == 0;
        *word |= bit;
        is_to_go
    }

    /// The next place that is still to be saved, which the caller then does; `None` when all have been.
    pub fn next_to_go(&mut self) -> Option<usize> {
        while self.next < self.places {
            let place = self.next;
            self.next += 1;
            if self.gone[place / 64] & 1 << (place % 64) == 0 {
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written_and_what_is_cut_is_told() {
        let mut bytes = Vec::new();
        frame(&mut bytes, 7, |out| put(out, &(3_u32, "three")));
        frame(&mut bytes, 9, |_| ());
        let read: Result<Vec<_>, _> = frames(&bytes).collect();
        let read = read.unwrap();
        assert_eq!(read.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [7, 9]);
        assert_eq!(whole::<(u32, String)>(read[0].1, "a pair"), Ok((3, "three".to_owned())));
        let of_first = bytes.len() - HEAD_BYTES;
        for end in (1..bytes.len()).filter(|&end| end != of_first) {
            let last = frames(&bytes[..end]).last().unwrap();
            assert!(matches!(last, Err(SavedError::Cut { .. })), "cut at {end}: {last:?}");
        }
        assert!(matches!(whole::<u8>(&[1, 2], "a byte"), Err(SavedError::Unfit { .. })));
        assert!(matches!(whole::<(u32, String)>(&[3, 200], "a pair"), Err(SavedError::Body { what: "a pair", .. })));
    }

    #[test]
    fn pieces_are_of_whole_frames_and_lose_nothing() {
        let mut bytes = Vec::new();
        (0..9_u8).for_each(|n| frame(&mut bytes, n, |out| out.resize(out.len() + usize::from(n) * 3, n)));
        for bytes_max in [0, 5, 17, 40, 1_000] {
            let cut: Vec<&[u8]> = pieces(&bytes, bytes_max).collect();
            assert_eq!(cut.concat(), bytes);
            assert!(cut.iter().all(|piece| piece.len() <= bytes_max || frames(piece).count() == 1), "{bytes_max}");
            let kinds = cut.iter().flat_map(|piece| frames(piece)).map(|frame| frame.map(|(kind, _)| kind));
            assert_eq!(kinds.collect::<Result<Vec<u8>, _>>(), Ok((0..9).collect()), "{bytes_max}");
        }
    }

    #[test]
    fn a_place_is_saved_once_whether_it_goes_early_or_in_its_turn() {
        let mut early = Early::new(130);
        assert!(early.is_to_go(129) && !early.is_to_go(129), "once");
        assert_eq!(early.next_to_go(), Some(0));
        assert!(!early.is_to_go(0), "it has had its turn");
        assert!(early.is_to_go(1) && !early.is_to_go(130), "what was not there is not saved");
        let rest: Vec<usize> = std::iter::from_fn(|| early.next_to_go()).collect();
        assert_eq!(rest, (2..129).collect::<Vec<_>>());
        assert!(!early.is_to_go(5));
    }
}
