//! Event files: JSON lines, plain, gzip or zstd (told by their first bytes), or stdin.

use anyhow::Context as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest line that is read whole; what is longer is cut, and so refused as damaged, without holding more of it.
pub(super) const LINE_BYTES_MAX: usize = 16 << 20;

/// What some programs write before the text of a file, to say that it is UTF-8.
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

const BUFFER_BYTES: usize = 256 << 10;
const GZIP: &[u8] = &[0x1F, 0x8B];
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

/// A file of lines, read front to back.
pub(super) struct LineFile {
    name: String,
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    read: u64,
}

/// Counts what is read of the file itself, compressed or not: what progress goes by.
struct Counting<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl LineFile {
    /// Opens `path`, or stdin for `-`. Bytes read are added to `progress`.
    pub(super) fn open(path: &Path, progress: &Arc<AtomicU64>) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let source: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).with_context(|| format!("{name}: cannot be opened"))?)
        };
        let counted = Counting { inner: source, bytes: Arc::clone(progress) };
        let mut plain = BufReader::with_capacity(BUFFER_BYTES, counted);
        let start = plain.fill_buf().with_context(|| format!("{name}: cannot be read"))?;
        let reader: Box<dyn BufRead> = if start.starts_with(GZIP) {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, flate2::bufread::MultiGzDecoder::new(plain)))
        } else if start.starts_with(ZSTD) {
            let decoder =
                zstd::Decoder::with_buffer(plain).with_context(|| format!("{name}: cannot be read as zstd"))?;
            Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
        } else {
            Box::new(plain)
        };
        Ok(Self { name, reader, line: Vec::new(), read: 0 })
    }

    /// The file's name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The next line that is not blank, with its number from 0; `None` at the end.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<(u64, &[u8])>> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.reader).take(LINE_BYTES_MAX as u64);
            let length = limited
                .read_until(b'\n', &mut self.line)
                .with_context(|| format!("{}: cannot be read on from line {}", self.name, self.read + 1))?;
            if length == 0 {
                return Ok(None);
            }
            if length == LINE_BYTES_MAX && self.line.last() != Some(&b'\n') {
                self.reader.skip_until(b'\n').with_context(|| format!("{}: cannot be read on", self.name))?;
            }
            let number = self.read;
            self.read += 1;
            let marked = number == 0 && self.line.starts_with(BYTE_ORDER_MARK);
            let start = if marked { BYTE_ORDER_MARK.len() } else { 0 };
            if !self.line[start..].trim_ascii().is_empty() {
                return Ok(Some((number, self.line[start..].trim_ascii_end())));
            }
        }
    }
}

/// The size of all files together; `None` when one has none (stdin).
pub(super) fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    paths.iter().map(|path| path.metadata().ok().filter(std::fs::Metadata::is_file).map(|data| data.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn lines_of(bytes: &[u8]) -> Vec<(u64, String)> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut lines = LineFile::open(file.path(), &Arc::default()).unwrap();
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push((number, String::from_utf8_lossy(line).into_owned()));
        }
        all
    }

    #[test]
    fn plain_gzip_and_zstd_give_the_same_lines() {
        let text = b"{\"a\":1}\n\n  \r\n{\"b\":2}\r\nlast without end";
        let want = [(0, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "last without end")].map(|(n, s)| (n, s.to_owned()));
        assert_eq!(lines_of(text), want);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        assert_eq!(lines_of(&gzip.finish().unwrap()), want);
        assert_eq!(lines_of(&zstd::encode_all(&text[..], 1).unwrap()), want);
        assert_eq!(lines_of(b""), []);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line_and_nowhere_else_left_out() {
        let want = |lines: &[(u64, &str)]| lines.iter().map(|&(n, line)| (n, line.to_owned())).collect::<Vec<_>>();
        assert_eq!(lines_of("\u{FEFF}{}\n\u{FEFF}{}\n".as_bytes()), want(&[(0, "{}"), (1, "\u{FEFF}{}")]));
        assert_eq!(lines_of("\u{FEFF}\n{}".as_bytes()), want(&[(1, "{}")]), "a blank line, though marked");
        let packed = zstd::encode_all("\u{FEFF}{}".as_bytes(), 1).unwrap();
        assert_eq!(lines_of(&packed), want(&[(0, "{}")]));
    }

    #[test]
    fn a_line_over_the_limit_is_cut_and_the_next_one_is_whole() {
        let mut text = vec![b'x'; LINE_BYTES_MAX + 10];
        text.extend_from_slice(b"\nnext\n");
        let lines = lines_of(&text);
        assert_eq!(lines[0].1.len(), LINE_BYTES_MAX);
        assert_eq!(lines[1], (1, "next".to_owned()));
    }
}
