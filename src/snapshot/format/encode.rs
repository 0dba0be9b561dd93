//! Snapshot → bytes.

use super::{CHUNK, CHUNK_BYTES_MAX, FOOTER, FormatError, HEAD_BYTES_MAX, MAGIC, VERSION, seed};
use crate::snapshot::Head;
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};
use zstd::bulk::Compressor;

/// Of 64 MiB of made-up rows (ids, counts, weights) level 1 leaves 0.57 and takes 200 MB/s in and 780 MB/s out on one core; level 3
/// leaves 0.48 at 114 MB/s; -5 leaves 0.85 (`what_packing_costs` prints it). Unpacked, a disk and its fsync, or a cloud's network, would carry
/// nearly twice as much at less than 200 MB/s, and packing is off the hot path.
const LEVEL: i32 = 1;

/// Makes a snapshot's bytes, in the order of its calls: head, chunks, footer. They go wherever the caller puts them.
pub struct Encoder {
    compressor: Compressor<'static>,
    packed: Vec<u8>,
    chunks: u64,
    raw_bytes: u64,
    checksums: Xxh3,
}

impl Encoder {
    /// An encoder, and the bytes with which its snapshot begins.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] when the head has more than [`HEAD_BYTES_MAX`] bytes; [`FormatError::Codec`].
    pub fn head(head: &Head) -> Result<(Self, Vec<u8>), FormatError> {
        let body = postcard::to_stdvec(head).map_err(|error| FormatError::Codec(error.to_string()))?;
        let length = length("head", body.len(), HEAD_BYTES_MAX)?;
        let checksum = xxh3_64(&body);
        let mut out = Vec::with_capacity(MAGIC.len() + 14 + body.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(&checksum.to_le_bytes());
        let compressor = Compressor::new(LEVEL).map_err(|error| FormatError::Codec(error.to_string()))?;
        let mut checksums = Xxh3::new();
        checksums.update(&checksum.to_le_bytes());
        Ok((Self { compressor, packed: Vec::new(), chunks: 0, raw_bytes: 0, checksums }, out))
    }

    /// Appends a chunk to `out`. Raw bytes come out of the decoder as they went in, chunk by chunk.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] when it has more than [`CHUNK_BYTES_MAX`] bytes; then nothing is appended.
    pub fn chunk(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
        let raw_length = length("chunk", raw.len(), CHUNK_BYTES_MAX)?;
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        self.compressor
            .compress_to_buffer(raw, &mut self.packed)
            .map_err(|error| FormatError::Codec(error.to_string()))?;
        let stored: &[u8] = if self.packed.len() < raw.len() { &self.packed } else { raw };
        let stored_length = length("chunk", stored.len(), CHUNK_BYTES_MAX)?;
        let checksum = xxh3_64_with_seed(stored, seed(raw_length, stored_length));
        out.extend_from_slice(&CHUNK);
        out.extend_from_slice(&raw_length.to_le_bytes());
        out.extend_from_slice(&stored_length.to_le_bytes());
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(stored);
        self.checksums.update(&checksum.to_le_bytes());
        self.chunks += 1;
        self.raw_bytes += u64::from(raw_length);
        Ok(())
    }

    /// Appends the footer to `out`: the snapshot is complete.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.checksums.update(&self.chunks.to_le_bytes());
        self.checksums.update(&self.raw_bytes.to_le_bytes());
        out.extend_from_slice(&FOOTER);
        out.extend_from_slice(&self.chunks.to_le_bytes());
        out.extend_from_slice(&self.raw_bytes.to_le_bytes());
        out.extend_from_slice(&self.checksums.digest().to_le_bytes());
    }
}

fn length(what: &'static str, bytes: usize, max: usize) -> Result<u32, FormatError> {
    match u32::try_from(bytes) {
        Ok(length) if bytes <= max => Ok(length),
        _ => Err(FormatError::TooLarge { what, bytes, max }),
    }
}
