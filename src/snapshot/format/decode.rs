//! Bytes → snapshot.

use super::{CHUNK, CHUNK_BYTES_MAX, FOOTER, FormatError, HEAD_BYTES_MAX, MAGIC, VERSION, seed};
use crate::snapshot::Head;
use std::io::{ErrorKind, Read};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};
use zstd::bulk::Decompressor;

/// Reads a snapshot from its first byte to its last.
pub struct Reader<R> {
    input: Counted<R>,
    decompressor: Decompressor<'static>,
    pub(super) stored: Vec<u8>,
    chunks: u64,
    raw_bytes: u64,
    checksums: Xxh3,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Chunks or the footer come.
    Within,
    /// The footer was there and right, and nothing behind it.
    Whole,
    /// Something was wrong: nothing more is given out.
    Failed,
}

impl<R: Read> Reader<R> {
    /// Reads the head, and nothing behind it.
    ///
    /// # Errors
    /// What is wrong with the beginning of the snapshot, or with reading it.
    pub fn open(input: R) -> Result<(Head, Self), FormatError> {
        let mut input = Counted { input, at: 0 };
        input.magic()?;
        let found = u16::from_le_bytes(input.array("head")?);
        if found != VERSION && found > 0 {
            return Err(FormatError::OtherFormat { found, known: VERSION });
        }
        if found == 0 {
            return Err(input.damaged("there is no such format"));
        }
        let length = input.length("head", HEAD_BYTES_MAX, "the head's length is beyond its limit")?;
        let mut body = Vec::new();
        input.fill(&mut body, length, "head")?;
        let checksum = u64::from_le_bytes(input.array("head")?);
        if checksum != xxh3_64(&body) {
            return Err(input.damaged("the head's checksum is another"));
        }
        let head = match postcard::take_from_bytes(&body) {
            Ok((head, [])) => head,
            Ok(_) => return Err(input.damaged("the head is followed by other bytes")),
            Err(_) => return Err(input.damaged("the head does not hold what it should")),
        };
        let decompressor = Decompressor::new().map_err(|error| FormatError::Codec(error.to_string()))?;
        let mut checksums = Xxh3::new();
        checksums.update(&checksum.to_le_bytes());
        let stored = Vec::new();
        Ok((head, Self { input, decompressor, stored, chunks: 0, raw_bytes: 0, checksums, state: State::Within }))
    }

    /// Puts the next chunk's raw bytes into `chunk`, in place of what it held. `None`: there was none left, and the snapshot is
    /// whole. What was given out before that may be used only when this has been seen.
    ///
    /// # Errors
    /// What is wrong with the snapshot, or with reading it; then `chunk` is empty, and every later call fails too.
    pub fn next_chunk(&mut self, chunk: &mut Vec<u8>) -> Result<Option<()>, FormatError> {
        chunk.clear();
        match self.state {
            State::Whole => return Ok(None),
            State::Failed => return Err(self.input.damaged("it was found to be bad before")),
            State::Within => {}
        }
        let step = self.step(chunk);
        match &step {
            Ok(Some(())) => {}
            Ok(None) => self.state = State::Whole,
            Err(_) => {
                chunk.clear();
                self.state = State::Failed;
            }
        }
        step
    }

    /// Number of chunks, and their raw bytes, so far.
    #[must_use]
    pub fn read_so_far(&self) -> (u64, u64) {
        (self.chunks, self.raw_bytes)
    }

    fn step(&mut self, chunk: &mut Vec<u8>) -> Result<Option<()>, FormatError> {
        match self.input.array("footer")? {
            CHUNK => self.chunk(chunk).map(Some),
            FOOTER => self.footer().map(|()| None),
            _ => Err(self.input.damaged("neither a chunk nor the footer begins here")),
        }
    }

    fn chunk(&mut self, chunk: &mut Vec<u8>) -> Result<(), FormatError> {
        let raw = self.input.length("chunk", CHUNK_BYTES_MAX, "a chunk's length is beyond its limit")?;
        let stored = self.input.length("chunk", raw as usize, "a chunk's stored length is beyond its raw one")?;
        let checksum = u64::from_le_bytes(self.input.array("chunk")?);
        self.input.fill(&mut self.stored, stored, "chunk")?;
        if checksum != xxh3_64_with_seed(&self.stored, seed(raw, stored)) {
            return Err(self.input.damaged("a chunk's checksum is another"));
        }
        if stored == raw {
            chunk.extend_from_slice(&self.stored);
        } else {
            chunk.reserve_exact(raw as usize);
            let unpacked = self.decompressor.decompress_to_buffer(&self.stored, chunk);
            if unpacked.ok() != Some(raw as usize) {
                return Err(self.input.damaged("a chunk does not unpack to its length"));
            }
        }
        self.checksums.update(&checksum.to_le_bytes());
        self.chunks += 1;
        self.raw_bytes += u64::from(raw);
        Ok(())
    }

    fn footer(&mut self) -> Result<(), FormatError> {
        let chunks = u64::from_le_bytes(self.input.array("footer")?);
        let raw_bytes = u64::from_le_bytes(self.input.array("footer")?);
        let checksum = u64::from_le_bytes(self.input.array("footer")?);
        if (chunks, raw_bytes) != (self.chunks, self.raw_bytes) {
            return Err(self.input.damaged("the footer counts other chunks than there are"));
        }
        self.checksums.update(&chunks.to_le_bytes());
        self.checksums.update(&raw_bytes.to_le_bytes());
        if checksum != self.checksums.digest() {
            return Err(self.input.damaged("the footer's checksum is another"));
        }
        match self.input.array::<1>("footer") {
            Err(FormatError::Torn { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(self.input.damaged("there are bytes behind the footer")),
        }
    }
}

/// The input, and how many bytes came of it.
struct Counted<R> {
    input: R,
    at: u64,
}

impl<R: Read> Counted<R> {
    fn damaged(&self, what: &'static str) -> FormatError {
        FormatError::Damaged { at: self.at, what }
    }

    /// Fills as much of `into` as there is.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, FormatError> {
        let mut filled = 0;
        while filled < into.len() {
            match self.input.read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], FormatError> {
        let mut bytes = [0; N];
        match self.read(&mut bytes)? {
            all if all == N => Ok(bytes),
            _ => Err(FormatError::Torn { bytes: self.at, part }),
        }
    }

    fn magic(&mut self) -> Result<(), FormatError> {
        let mut bytes = [0; MAGIC.len()];
        let found = self.read(&mut bytes)?;
        match bytes.get(..found) {
            Some(all) if all == MAGIC => Ok(()),
            Some(cut) if MAGIC.starts_with(cut) => Err(FormatError::Torn { bytes: self.at, part: "head" }),
            _ => Err(FormatError::NotOurs),
        }
    }

    fn length(&mut self, part: &'static str, max: usize, beyond: &'static str) -> Result<u32, FormatError> {
        let length = u32::from_le_bytes(self.array(part)?);
        if length as usize > max { Err(self.damaged(beyond)) } else { Ok(length) }
    }

    /// Exactly `length` bytes into `into`. The buffer grows with what comes, so a length that lies allocates nothing.
    fn fill(&mut self, into: &mut Vec<u8>, length: u32, part: &'static str) -> Result<(), FormatError> {
        into.clear();
        let read = self.input.by_ref().take(u64::from(length)).read_to_end(into);
        self.at += into.len() as u64;
        read?;
        if into.len() < length as usize {
            return Err(FormatError::Torn { bytes: self.at, part });
        }
        Ok(())
    }
}
