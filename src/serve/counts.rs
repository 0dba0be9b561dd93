//! All counts as text, handed from workers to HTTP: a buffer a worker writes to without ever waiting, and the merge of
//! several workers' lines into one sorted stream.
//!
//! The price of never waiting for a slow client is memory: a worker's whole text, about 60 bytes a directed pair, lives
//! from the question until the client has read it or has been given up. It is bounded ([`COUNTS_BYTES_MAX`] a worker, one
//! request at a time), each chunk is freed as soon as it is sent, and what does not fit is refused, never cut.
//! Invariants: chunks end at line ends; merged lines are sorted by their bytes, as `LC_ALL=C sort` would.
//! Absent: what the lines mean, but for one thing: tallies are per worker, and are added up.

use super::query::CountsTooLarge;
use axum::body::Bytes;
use std::collections::VecDeque;
use std::io;

/// Most bytes of counts that one worker hands over: 1 GiB, about 17 million directed pairs.
pub const COUNTS_BYTES_MAX: usize = 1 << 30;

/// Size from which a chunk is closed at its last line end.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Takes a worker's lines, which must come sorted by their bytes.
#[derive(Debug)]
pub struct CountsWriter {
    chunks: VecDeque<Bytes>,
    open: Vec<u8>,
    bytes: usize,
    bytes_max: usize,
}

/// One worker's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountLines {
    chunks: VecDeque<Bytes>,
}

impl Default for CountsWriter {
    fn default() -> Self {
        Self::with_limit(COUNTS_BYTES_MAX)
    }
}

impl CountsWriter {
    /// A writer for at most `bytes_max` bytes.
    #[must_use]
    pub fn with_limit(bytes_max: usize) -> Self {
        Self { chunks: VecDeque::new(), open: Vec::new(), bytes: 0, bytes_max }
    }

    /// What was written.
    ///
    /// # Errors
    /// When it was more than the limit.
    pub fn finish(mut self) -> Result<CountLines, CountsTooLarge> {
        if self.bytes > self.bytes_max {
            return Err(CountsTooLarge { bytes_max: self.bytes_max });
        }
        if !self.open.is_empty() {
            self.chunks.push_back(Bytes::from(self.open));
        }
        Ok(CountLines { chunks: self.chunks })
    }

    /// Closes the open chunk behind its last line end; a line longer than a chunk goes on in it.
    fn close_chunk(&mut self) {
        if let Some(end) = self.open.iter().rposition(|&byte| byte == b'\n') {
            let rest = self.open.split_off(end + 1);
            self.chunks.push_back(Bytes::from(std::mem::replace(&mut self.open, rest)));
        }
    }
}

impl io::Write for CountsWriter {
    /// Fails once the limit is passed, so that the worker stops rendering; [`CountsWriter::finish`] says it again.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > self.bytes_max {
            self.chunks.clear();
            self.open = Vec::new();
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, CountsTooLarge { bytes_max: self.bytes_max }));
        }
        if self.open.capacity() == 0 {
            self.open.reserve_exact(CHUNK_BYTES);
        }
        self.open.extend_from_slice(text);
        if self.open.len() >= CHUNK_BYTES {
            self.close_chunk();
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CountLines {
    /// The first line with its line end; chunks are never empty.
    fn first(&self) -> Option<&[u8]> {
        let chunk = self.chunks.front()?;
        let end = chunk.iter().position(|&byte| byte == b'\n').map_or(chunk.len(), |place| place + 1);
        Some(&chunk[..end])
    }

    fn take_first(&mut self) -> Option<Bytes> {
        let length = self.first()?.len();
        let chunk = self.chunks.front_mut()?;
        let line = chunk.split_to(length);
        if chunk.is_empty() {
            self.chunks.pop_front();
        }
        Some(line)
    }
}

/// The lines of several workers as one sorted stream of chunks.
#[derive(Debug)]
pub struct Merge {
    workers: Vec<CountLines>,
}

impl Merge {
    /// Merges the lines of `workers`.
    #[must_use]
    pub fn new(workers: Vec<CountLines>) -> Self {
        Self { workers }
    }

    /// The next piece of text; `None` at the end.
    pub fn next_chunk(&mut self) -> Option<Bytes> {
        if let [worker] = &mut self.workers[..] {
            return worker.chunks.pop_front();
        }
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK_BYTES {
            let Some(lowest) = self.lowest() else { break };
            let Some(line) = self.workers[lowest].take_first() else { break };
            match tally(&line) {
                Some((key, count)) => {
                    let total = self.take_tallies(key).fold(count, u64::saturating_add);
                    chunk.extend_from_slice(key);
                    chunk.extend_from_slice(format!("{total}\t0\n").as_bytes());
                }
                None => chunk.extend_from_slice(&line),
            }
        }
        (!chunk.is_empty()).then(|| Bytes::from(chunk))
    }

    /// The worker with the lowest line. Workers are few: a linear search.
    fn lowest(&self) -> Option<usize> {
        let heads = self.workers.iter().enumerate().filter_map(|(n, lines)| lines.first().map(|line| (line, n)));
        heads.min().map(|(_, n)| n)
    }

    /// Takes every worker's line that counts the same as `key`.
    fn take_tallies(&mut self, key: &[u8]) -> impl Iterator<Item = u64> {
        self.workers.iter_mut().filter_map(move |lines| {
            let count = lines.first().and_then(tally).filter(|(other, _)| *other == key).map(|(_, count)| count)?;
            lines.take_first();
            Some(count)
        })
    }
}

/// The key (with its last tab) and the count of a line `tally * name * * n 0`.
fn tally(line: &[u8]) -> Option<(&[u8], u64)> {
    let body = line.strip_suffix(b"\t0\n")?;
    if !body.starts_with(b"tally\t") {
        return None;
    }
    let tab = body.iter().rposition(|&byte| byte == b'\t')?;
    let (key, digits) = body.split_at(tab + 1);
    Some((key, std::str::from_utf8(digits).ok()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn lines(text: &str, piece_bytes: usize) -> CountLines {
        let mut writer = CountsWriter::default();
        text.as_bytes().chunks(piece_bytes).for_each(|piece| writer.write_all(piece).unwrap());
        writer.finish().unwrap()
    }

    fn merged(workers: Vec<CountLines>) -> String {
        let mut merge = Merge::new(workers);
        let mut text = Vec::new();
        while let Some(chunk) = merge.next_chunk() {
            assert!(chunk.ends_with(b"\n"), "chunks end at line ends");
            text.extend_from_slice(&chunk);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_tallies_of_workers_are_added_and_other_lines_kept() {
        let one = "pair\tmain\tx\ta\tb\t1\t1\ntally\t*\taccepted\t*\t*\t5\t0\ntally\t*\tlate\t*\t*\t2\t0\n";
        let two = "pair\tmain\tx\tb\ta\t1\t1\ntally\t*\taccepted\t*\t*\t12\t0\n";
        let all = "pair\tmain\tx\ta\tb\t1\t1\npair\tmain\tx\tb\ta\t1\t1\ntally\t*\taccepted\t*\t*\t17\t0\n\
                   tally\t*\tlate\t*\t*\t2\t0\n";
        assert_eq!(merged(vec![lines(one, 7), lines(two, 1000)]), all);
        assert_eq!(merged(vec![lines(two, 7), CountLines::default(), lines(one, 1000)]), all);
        assert_eq!(merged(vec![lines(one, 7)]), one, "one worker's text goes out as it is");
        assert_eq!(merged(vec![]), "");
    }

    #[test]
    fn what_is_over_the_limit_is_refused_and_freed() {
        let mut writer = CountsWriter::with_limit(10);
        writer.write_all(b"12345678\n").unwrap();
        let error = writer.write_all(b"12\n").unwrap_err();
        assert!(error.to_string().contains("over 10 bytes"), "{error}");
        assert_eq!(writer.open.capacity(), 0);
        assert_eq!(writer.finish(), Err(CountsTooLarge { bytes_max: 10 }));
    }

    #[test]
    fn large_texts_are_cut_at_line_ends_only() {
        let text: String = (0..60_000).map(|n| format!("pair\tmain\tr\t{n:06}\n")).collect();
        let lines = lines(&text, 1000);
        assert!(lines.chunks.len() > 2);
        assert!(lines.chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES + 1000));
        assert_eq!(merged(vec![lines.clone(), CountLines::default()]), text);
        assert_eq!(merged(vec![lines]), text);
    }

    proptest! {
        /// Whatever the split over workers, the merge is the sorted whole.
        #[test]
        fn a_merge_is_the_sorted_whole(items in proptest::collection::vec(("[a-c\u{e9} ]{0,4}", 0_usize..4), 0..60)) {
            let mut workers = vec![Vec::new(); 4];
            let mut whole = Vec::new();
            for (item, worker) in items {
                let line = format!("pair\tmain\tr\t{item}\n");
                workers[worker].push(line.clone());
                whole.push(line);
            }
            whole.sort();
            let workers = workers.into_iter().map(|mut of_worker| {
                of_worker.sort();
                lines(&of_worker.concat(), 5)
            });
            prop_assert_eq!(merged(workers.collect()), whole.concat());
        }
    }
}
