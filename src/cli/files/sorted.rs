//! A file's records in the order of their times, however they stand in it.
//!
//! Runs of records that fit in memory are sorted, and merged from temporary files where there is more than one (external
//! merge sort; Knuth, The Art of Computer Programming 3, section 5.4). Invariants: records of one time keep their order; a
//! record without a time stays behind the one before it; what is held in memory is bounded.
//! Absent: what the time of a record is.

use super::{FileRecord, Place, RecordFile};
use anyhow::{Context as _, bail};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::sync::Arc;

/// Most bytes of a run.
const RUN_BYTES_MAX: usize = 256 << 20;

/// Most runs, each an open file: 128 GiB.
const RUNS_MAX: usize = 512;

/// Buffer of each run while it is read.
const RUN_BUFFER_BYTES: usize = 64 << 10;

/// What stands before a record in a temporary file: time, number, line, length, each as little-endian bytes.
const HEAD_BYTES: usize = 8 + 8 + 8 + 4;

/// A record in a run.
#[derive(Clone, Copy)]
struct Entry {
    time_ms: i64,
    number: u64,
    line: u64,
    start: usize,
    length: usize,
}

/// Records in memory, in order.
#[derive(Default)]
struct Run {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

/// All records of a file, in the order of their times.
#[derive(Clone)]
pub(in crate::cli) struct Sorted {
    runs: Arc<Runs>,
    kind: Place,
}

enum Runs {
    Held(Run),
    Files(Vec<File>),
}

impl Run {
    fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Stable: entries of one time stay as they were.
    fn sort(&mut self) {
        self.entries.sort_by_key(|entry| entry.time_ms);
    }

    fn write(&mut self) -> std::io::Result<File> {
        self.sort();
        let mut out = BufWriter::with_capacity(RUN_BUFFER_BYTES, tempfile::tempfile()?);
        for entry in &self.entries {
            out.write_all(&entry.time_ms.to_le_bytes())?;
            out.write_all(&entry.number.to_le_bytes())?;
            out.write_all(&entry.line.to_le_bytes())?;
            out.write_all(&u32::try_from(entry.length).unwrap_or(u32::MAX).to_le_bytes())?;
            out.write_all(&self.bytes[entry.start..entry.start + entry.length])?;
        }
        self.entries.clear();
        self.bytes.clear();
        Ok(out.into_inner()?)
    }
}

impl Sorted {
    /// Reads all of `file`; `time_ms` is the time of a record, if it has one.
    pub(in crate::cli) fn read(
        file: RecordFile,
        time_ms: impl FnMut(&FileRecord<'_>) -> Option<i64>,
    ) -> anyhow::Result<Self> {
        Self::read_in_runs(file, time_ms, RUN_BYTES_MAX)
    }

    fn read_in_runs(
        mut file: RecordFile,
        mut time_ms: impl FnMut(&FileRecord<'_>) -> Option<i64>,
        run_bytes_max: usize,
    ) -> anyhow::Result<Self> {
        let name = file.name().to_owned();
        let unwritten =
            || format!("{name}: is not in the order of time, and cannot be sorted: no temporary file can be written");
        let mut run = Run::default();
        let mut files = Vec::new();
        let mut kind = Place::Line(0);
        let mut latest_ms = i64::MIN;
        while let Some(record) = file.next()? {
            latest_ms = time_ms(&record).unwrap_or(latest_ms);
            kind = record.place;
            let start = run.bytes.len();
            run.bytes.extend_from_slice(record.bytes);
            let (number, line, length) = (record.number, record.place.line(), record.bytes.len());
            run.entries.push(Entry { time_ms: latest_ms, number, line, start, length });
            if run.size() >= run_bytes_max {
                files.push(run.write().with_context(unwritten)?);
                if files.len() >= RUNS_MAX {
                    bail!("{name}: is not in the order of time, and too large to be sorted here: sort it before");
                }
            }
        }
        let runs = if files.is_empty() {
            run.sort();
            Runs::Held(run)
        } else {
            files.push(run.write().with_context(unwritten)?);
            Runs::Files(files)
        };
        Ok(Self { runs: Arc::new(runs), kind })
    }

    /// Its records from the first on. One reader at a time.
    pub(in crate::cli) fn reader(&self) -> anyhow::Result<SortedReader> {
        let mut sources = Vec::new();
        if let Runs::Files(files) = &*self.runs {
            for file in files {
                let mut file = file.try_clone().context("a temporary file cannot be read")?;
                file.seek(SeekFrom::Start(0)).context("a temporary file cannot be read")?;
                sources
                    .push(RunReader { reader: BufReader::with_capacity(RUN_BUFFER_BYTES, file), record: Vec::new() });
            }
        }
        let mut reader =
            SortedReader { sorted: self.clone(), next: 0, sources, heads: BinaryHeap::new(), at_hand: None };
        for run in 0..reader.sources.len() {
            reader.advance(run)?;
        }
        Ok(reader)
    }
}

/// Reads sorted records.
pub(in crate::cli) struct SortedReader {
    sorted: Sorted,
    /// The next entry, where all are held.
    next: usize,
    sources: Vec<RunReader>,
    /// The first record of each run, the lowest time first, of one time the earliest run.
    heads: BinaryHeap<Reverse<(i64, usize, u64, u64)>>,
    /// The run whose record was given last.
    at_hand: Option<usize>,
}

struct RunReader {
    reader: BufReader<File>,
    record: Vec<u8>,
}

impl SortedReader {
    /// The next record; `None` at the end.
    pub(in crate::cli) fn next(&mut self) -> anyhow::Result<Option<FileRecord<'_>>> {
        let kind = self.sorted.kind;
        if let Some(run) = self.at_hand.take() {
            self.advance(run)?;
        }
        if let Runs::Held(run) = &*self.sorted.runs {
            let Some(entry) = run.entries.get(self.next) else { return Ok(None) };
            self.next += 1;
            let place = kind.at(entry.number, entry.line);
            let bytes = &run.bytes[entry.start..entry.start + entry.length];
            return Ok(Some(FileRecord { number: entry.number, place, bytes }));
        }
        let Some(Reverse((_, run, number, line))) = self.heads.pop() else { return Ok(None) };
        self.at_hand = Some(run);
        Ok(Some(FileRecord { number, place: kind.at(number, line), bytes: &self.sources[run].record }))
    }

    /// Takes in the next record of a run.
    fn advance(&mut self, run: usize) -> anyhow::Result<()> {
        let source = &mut self.sources[run];
        let mut head = [0; HEAD_BYTES];
        let context = "a temporary file cannot be read on";
        if !source.reader.fill_buf().context(context)?.is_empty() {
            source.reader.read_exact(&mut head).context(context)?;
            let word = |at: usize| <[u8; 8]>::try_from(&head[at..at + 8]).map(u64::from_le_bytes).unwrap_or_default();
            let length = <[u8; 4]>::try_from(&head[24..]).map(u32::from_le_bytes).unwrap_or_default();
            source.record.resize(length as usize, 0);
            source.reader.read_exact(&mut source.record).context(context)?;
            self.heads.push(Reverse((word(0).cast_signed(), run, word(8), word(16))));
        }
        Ok(())
    }
}

impl Place {
    /// The line, where there is one.
    fn line(self) -> u64 {
        match self {
            Self::Line(line) | Self::Row { line, .. } => line,
            Self::Index(_) => 0,
        }
    }

    /// A place of the same kind.
    fn at(self, number: u64, line: u64) -> Self {
        match self {
            Self::Line(_) => Self::Line(line),
            Self::Row { .. } => Self::Row { line, row: number + 1 },
            Self::Index(_) => Self::Index(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::FileFormat;
    use super::*;

    fn sorted(lines: &[String], run_bytes_max: usize) -> Sorted {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines.join("\n").as_bytes()).unwrap();
        let file = RecordFile::open(file.path(), &FileFormat::default(), &Arc::default()).unwrap();
        let time_ms =
            |record: &FileRecord<'_>| str::from_utf8(record.bytes).unwrap().split(' ').next().unwrap().parse().ok();
        Sorted::read_in_runs(file, time_ms, run_bytes_max).unwrap()
    }

    fn all(sorted: &Sorted) -> Vec<(u64, String)> {
        let mut reader = sorted.reader().unwrap();
        let mut all = Vec::new();
        while let Some(record) = reader.next().unwrap() {
            assert_eq!(record.place, Place::Line(record.number + 1));
            all.push((record.number, String::from_utf8(record.bytes.to_vec()).unwrap()));
        }
        all
    }

    #[test]
    fn records_come_by_time_and_of_one_time_as_they_stood_in_memory_and_from_runs() {
        let mut seed = 7_u64;
        let lines: Vec<String> = (0..2000)
            .map(|n| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if n % 17 == 3 { format!("none {n}") } else { format!("{} {n}", seed >> 59) }
            })
            .collect();
        let mut expected: Vec<(i64, usize)> = Vec::new();
        let mut latest = i64::MIN;
        for (n, line) in lines.iter().enumerate() {
            latest = line.split(' ').next().unwrap().parse().unwrap_or(latest);
            expected.push((latest, n));
        }
        expected.sort();
        let expected: Vec<(u64, String)> = expected.iter().map(|(_, n)| (*n as u64, lines[*n].clone())).collect();
        for run_bytes_max in [usize::MAX, 3000, 1] {
            let lines = if run_bytes_max == 1 { &lines[..100] } else { &lines[..] };
            let sorted = sorted(lines, run_bytes_max);
            assert_eq!(matches!(*sorted.runs, Runs::Files(_)), run_bytes_max != usize::MAX);
            let known: Vec<(u64, String)> =
                expected.iter().filter(|(n, _)| usize::try_from(*n).unwrap() < lines.len()).cloned().collect();
            assert_eq!(all(&sorted), known, "runs of {run_bytes_max}");
            assert_eq!(all(&sorted), known, "a second time");
        }
        assert_eq!(all(&sorted(&[], 10)), []);
    }
}
