//! Text of any encoding as UTF-8, while it is read.

use encoding_rs::{CoderResult, Decoder, Encoding};
use std::io::{self, BufRead, Read};

/// Decodes what `inner` gives. Bytes that are no text come out as U+FFFD.
pub(super) struct Transcoding<R> {
    inner: R,
    decoder: Decoder,
    /// What has been decoded, and how much of it has been given out.
    text: Vec<u8>,
    given: usize,
    is_at_end: bool,
}

/// Bytes decoded at a time.
const TEXT_BYTES: usize = 64 << 10;

impl<R: BufRead> Transcoding<R> {
    /// A byte order mark at the start is taken away.
    pub(super) fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self { inner, decoder: encoding.new_decoder(), text: Vec::new(), given: 0, is_at_end: false }
    }

    fn more(&mut self) -> io::Result<()> {
        while self.given == self.text.len() && !self.is_at_end {
            let bytes = self.inner.fill_buf()?;
            let is_last = bytes.is_empty();
            self.text.resize(TEXT_BYTES, 0);
            let (result, read, written, _) = self.decoder.decode_to_utf8(bytes, &mut self.text, is_last);
            self.inner.consume(read);
            self.text.truncate(written);
            self.given = 0;
            self.is_at_end = is_last && result == CoderResult::InputEmpty;
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Transcoding<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let text = self.fill_buf()?;
        let count = text.len().min(into.len());
        into[..count].copy_from_slice(&text[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Transcoding<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.more()?;
        Ok(&self.text[self.given..])
    }

    fn consume(&mut self, count: usize) {
        self.given += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_across_the_ends_of_buffers() {
        let text = "é件𝄞;".repeat(50_000);
        let utf16: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let mut read = String::new();
        let small = io::BufReader::with_capacity(7, &utf16[..]);
        Transcoding::new(small, encoding_rs::UTF_16LE).read_to_string(&mut read).unwrap();
        assert!(read == text, "{} of {} bytes", read.len(), text.len());
        let mut read = String::new();
        Transcoding::new(&b"caf\xE9 \x80"[..], encoding_rs::WINDOWS_1252).read_to_string(&mut read).unwrap();
        assert_eq!(read, "café €");
    }
}
