//! Event files: JSON lines, JSON documents or rows, plain, gzip or zstd (told by their first bytes), or stdin.
//!
//! Invariants: each record is given once, as JSON, with its number from 0; what is not a file of records is refused with
//! its name and what to do, before a record is given.

mod documents;
mod encoding;
mod kind;
mod rows;
mod sorted;

use super::UsageError;
use crate::config::FileForm;
use crate::intake::{Format, pointer_steps};
use anyhow::Context as _;
use documents::Documents;
use encoding::Transcoding;
use encoding_rs::Encoding;
use kind::Layout;
use rows::Rows;
pub(super) use sorted::{Sorted, SortedReader};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest line that is read whole; what is longer is cut, and so refused as damaged, without holding more of it.
pub(super) const LINE_BYTES_MAX: usize = 16 << 20;

/// What some programs write before the text of a file, to say that it is UTF-8.
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

const BUFFER_BYTES: usize = 256 << 10;
/// How much of a file is looked at to see what it is.
const START_BYTES: usize = 64 << 10;
const GZIP: &[u8] = &[0x1F, 0x8B];
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

/// How a file is to be read.
#[derive(Clone, Debug, Default)]
pub(super) struct FileFormat {
    /// The format of its records.
    pub(super) format: Format,
    /// The rest of how it is written.
    pub(super) form: FileForm,
}

/// A file of records, read front to back.
pub(super) struct RecordFile {
    name: String,
    /// How it is packed and written, for people.
    what: String,
    records: Records,
    /// Where its records stand, if it is one document that is no event.
    page: Option<String>,
}

enum Records {
    Lines(Lines),
    Rows(Box<Rows>),
    Documents(Box<Documents>),
}

/// A record of a file.
pub(super) struct FileRecord<'a> {
    /// Its number, from 0.
    pub(super) number: u64,
    /// Where it stands, for messages.
    pub(super) place: Place,
    /// The record, as JSON.
    pub(super) bytes: &'a [u8],
}

/// Where a record stands in its file, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line, from 1.
    Line(u64),
    /// A row of a table, from 1, and the line where it starts.
    Row {
        /// The line.
        line: u64,
        /// The row, without the header.
        row: u64,
    },
    /// The index in an array, or of a document, from 0.
    Index(u64),
}

impl Place {
    /// Whether it stands before `other` in one file.
    pub(super) fn is_before(self, other: Self) -> bool {
        let order = |place: Self| match place {
            Self::Line(line) => line,
            Self::Row { row, .. } => row,
            Self::Index(index) => index,
        };
        order(self) < order(other)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(formatter, ":{line}"),
            Self::Row { line, row } => write!(formatter, ":{line} (row {row})"),
            Self::Index(index) => write!(formatter, "[{index}]"),
        }
    }
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

/// The first bytes of what `reader` gives, and whether that is all.
fn start_of(reader: &mut dyn BufRead, waits: bool) -> io::Result<(Vec<u8>, bool)> {
    let mut start = Vec::new();
    if waits {
        reader.take(START_BYTES as u64).read_to_end(&mut start)?;
        let is_whole = start.len() < START_BYTES;
        return Ok((start, is_whole));
    }
    // What is there: whoever writes on may take his time.
    let bytes = reader.fill_buf()?;
    start.extend_from_slice(&bytes[..bytes.len().min(START_BYTES)]);
    let taken = start.len();
    reader.consume(taken);
    Ok((start, taken == 0))
}

/// `reader`, with `start` before it.
fn before(start: Vec<u8>, reader: Box<dyn BufRead>) -> Box<dyn BufRead> {
    Box::new(Cursor::new(start).chain(reader))
}

impl RecordFile {
    /// Opens `path`, or stdin for `-`. Bytes read are added to `progress`.
    pub(super) fn open(path: &Path, format: &FileFormat, progress: &Arc<AtomicU64>) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let is_stdin = path == Path::new("-");
        let source: Box<dyn Read> = if is_stdin {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).with_context(|| format!("{name}: cannot be opened"))?)
        };
        let unreadable = || format!("{name}: cannot be read");
        let refused = |what: String| UsageError(format!("{name}: {what}"));
        let (mut reader, packing) = unpacked(&name, Counting { inner: source, bytes: Arc::clone(progress) })?;
        let (mut start, mut is_whole) = start_of(&mut reader, !is_stdin).with_context(unreadable)?;
        let told = format.form.encoding.as_ref().and_then(|label| Encoding::for_label(label.as_bytes()));
        let marked = Encoding::for_bom(&start).map(|(encoding, _)| encoding);
        let encoding = marked.or(told).filter(|encoding| *encoding != encoding_rs::UTF_8);
        if encoding.is_none()
            && let Some(what) = kind::refusal(&start, &name)
        {
            return Err(refused(what).into());
        }
        reader = before(start.clone(), reader);
        if let Some(encoding) = encoding {
            reader = Box::new(Transcoding::new(reader, encoding));
            (start, is_whole) = start_of(&mut reader, !is_stdin).with_context(unreadable)?;
            reader = before(start.clone(), reader);
        }
        let mark = if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let start = &start[mark..];
        let page =
            if format.format == Format::Json && format.form.records.is_none() { kind::page(start) } else { None };
        let records = if format.format.is_rows() {
            if kind::is_json(start) {
                return Err(
                    refused("holds JSON lines, and its source says rows: set format = \"json\"".to_owned()).into()
                );
            }
            reader.consume(mark);
            let rows = Rows::open(&name, reader, start, &format.form, format.format == Format::Tsv)?;
            Records::Rows(Box::new(rows))
        } else if let Some(pointer) = &format.form.records {
            reader.consume(mark);
            let steps = pointer_steps(pointer).map_err(|what| refused(format!("records: {what}")))?;
            Records::Documents(Box::new(Documents::new(reader, Some(steps))))
        } else {
            let layout = kind::layout(start, is_whole).map_err(refused)?;
            let documents = |mut reader: Box<dyn BufRead>, steps| {
                reader.consume(mark);
                Records::Documents(Box::new(Documents::new(reader, steps)))
            };
            match layout {
                Layout::Lines => Records::Lines(Lines { reader, line: Vec::new(), read: 0 }),
                Layout::Elements => documents(reader, Some(Vec::new())),
                Layout::Documents => documents(reader, None),
            }
        };
        let written = encoding.map_or(String::new(), |encoding| format!(", in {}", encoding.name()));
        let what = format!("{}{written}{packing}", records.what());
        Ok(Self { name, what, records, page })
    }

    /// What it is, for people: how its records are written, and how it is packed.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// The file's name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The names of its columns, if it has any; and as they are shown.
    pub(super) fn columns(&self) -> Option<(&[String], String)> {
        match &self.records {
            Records::Rows(rows) if !rows.names.is_empty() => Some((&rows.names, rows.shown_names())),
            _ => None,
        }
    }

    /// The pointer to what may be its records, where the file holds one document only.
    pub(super) fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// The next record; `None` at the end.
    #[inline]
    pub(super) fn next(&mut self) -> anyhow::Result<Option<FileRecord<'_>>> {
        let name = &self.name;
        Ok(match &mut self.records {
            Records::Lines(lines) => {
                lines.next(name)?.map(|(number, bytes)| FileRecord { number, place: Place::Line(number + 1), bytes })
            }
            Records::Rows(rows) => rows.next(name)?.map(|(number, place, bytes)| FileRecord { number, place, bytes }),
            Records::Documents(documents) => {
                documents.next(name)?.map(|(number, bytes)| FileRecord { number, place: Place::Index(number), bytes })
            }
        })
    }
}

impl Records {
    fn what(&self) -> String {
        match self {
            Self::Lines(_) => "JSON lines".to_owned(),
            Self::Documents(_) => "JSON documents".to_owned(),
            Self::Rows(rows) => rows.what(),
        }
    }
}

/// What stands in a file that may be packed, and how it is.
fn unpacked(name: &str, counted: Counting<Box<dyn Read>>) -> anyhow::Result<(Box<dyn BufRead>, &'static str)> {
    let mut plain = BufReader::with_capacity(BUFFER_BYTES, counted);
    let start = plain.fill_buf().with_context(|| format!("{name}: cannot be read"))?;
    Ok(if start.starts_with(GZIP) {
        (
            Box::new(BufReader::with_capacity(BUFFER_BYTES, flate2::bufread::MultiGzDecoder::new(plain))),
            ", packed by gzip",
        )
    } else if start.starts_with(ZSTD) {
        let decoder = zstd::Decoder::with_buffer(plain).with_context(|| format!("{name}: cannot be read as zstd"))?;
        (Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)), ", packed by zstd")
    } else {
        (Box::new(plain), "")
    })
}

/// A file of lines.
struct Lines {
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    read: u64,
}

impl Lines {
    /// The next line that is not blank, with its number from 0; `None` at the end.
    fn next(&mut self, name: &str) -> anyhow::Result<Option<(u64, &[u8])>> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.reader).take(LINE_BYTES_MAX as u64);
            let length = limited
                .read_until(b'\n', &mut self.line)
                .with_context(|| format!("{name}: cannot be read on from line {}", self.read + 1))?;
            if length == 0 {
                return Ok(None);
            }
            if length == LINE_BYTES_MAX && self.line.last() != Some(&b'\n') {
                self.reader.skip_until(b'\n').with_context(|| format!("{name}: cannot be read on"))?;
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
    use crate::config::{Header, Quote};
    use std::io::Write as _;

    fn open(bytes: &[u8], format: Format, form: FileForm) -> anyhow::Result<RecordFile> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        RecordFile::open(file.path(), &FileFormat { format, form }, &Arc::default())
    }

    fn lines_of(bytes: &[u8]) -> Vec<(u64, String)> {
        let mut lines = open(bytes, Format::Json, FileForm::default()).unwrap();
        let mut all = Vec::new();
        while let Some(record) = lines.next().unwrap() {
            all.push((record.number, String::from_utf8_lossy(record.bytes).into_owned()));
        }
        all
    }

    /// Each record with its place behind it.
    fn records_of(bytes: &[u8], format: Format, form: FileForm) -> Vec<String> {
        let mut file = open(bytes, format, form).unwrap_or_else(|error| panic!("{error:#}"));
        let mut all = Vec::new();
        while let Some(record) =
            file.next().unwrap_or_else(|error| panic!("{}: {error:#}: {all:?}", String::from_utf8_lossy(bytes)))
        {
            all.push(format!("{}{}", String::from_utf8_lossy(record.bytes), record.place));
        }
        all
    }

    #[test]
    fn rows_are_objects_by_the_names_of_their_columns() {
        let rows = |text: &[u8], form: FileForm| records_of(text, Format::Csv, form);
        let usual = FileForm::default;
        let text = "\u{FEFF}Order;Item name\r\n1;\"a;\nb\"\r\n;;\r\n2;\"say \"\"x\"\"\";\r\n3\r\n";
        let want = [
            r#"{"Order":"1","Item name":"a;\nb"}:2 (row 1)"#,
            r#"{"Order":"2","Item name":"say \"x\""}:5 (row 3)"#,
            r#"{"Order":"3"}:6 (row 4)"#,
        ];
        assert_eq!(rows(text.as_bytes(), usual()), want);
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(rows(&utf16, usual()), want, "the byte order mark says it");
        let latin = FileForm { encoding: Some("latin1".to_owned()), ..usual() };
        assert_eq!(rows(b"naam,prijs\ncaf\xE9,1\n", latin), [r#"{"naam":"café","prijs":"1"}:2 (row 1)"#]);
        let told = rows(b"naam,prijs\ncaf\xE9,1\n", usual());
        assert!(told[0].starts_with("\"naam holds bytes that are not UTF-8: set encoding"), "{told:?}");
        assert_eq!(rows(b"sep=|\na|b\n1|2", usual()), [r#"{"a":"1","b":"2"}:3 (row 1)"#]);
        assert_eq!(rows(b"a,a,\n1,2,3\n", usual()), [r#"{"a":"1","a (2)":"2","3":"3"}:2 (row 1)"#]);
        let told = rows(b"a,b\n1,2,3\n", usual());
        assert!(told[0].starts_with("\"3 cells, and the header has 2"), "{told:?}");
        let numbers = FileForm { header: Header::Numbers, ..usual() };
        assert_eq!(rows(b"x,y\n1,2,3\n", numbers)[1], r#"{"1":"1","2":"2","3":"3"}:2 (row 2)"#);
        let named = FileForm { header: Header::Names(vec!["p".to_owned(), "q".to_owned()]), ..usual() };
        assert_eq!(rows(b"1\t2\n", named), [r#"{"p":"1","q":"2"}:1 (row 1)"#]);
        let bare = FileForm { quote: Quote::Nothing, delimiter: Some(b','), ..usual() };
        assert_eq!(rows(b"a,b\n\"1,2\n", bare), [r#"{"a":"\"1","b":"2"}:2 (row 1)"#]);
        assert_eq!(records_of(b"a\tb\n1,5\t2\n", Format::Tsv, usual()), [r#"{"a":"1,5","b":"2"}:2 (row 1)"#]);
        assert_eq!(rows(b"", usual()), [""; 0]);
    }

    #[test]
    fn a_quote_that_is_not_closed_ends_the_reading_within_bounds() {
        let mut text = b"a,b\n1,\"2\n".to_vec();
        text.resize(LINE_BYTES_MAX + (2 << 20), b'x');
        let mut file = open(&text, Format::Csv, FileForm::default()).unwrap();
        let told = loop {
            match file.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("read to its end"),
                Err(error) => break format!("{error:#}"),
            }
        };
        assert!(told.contains("from line 2: a row of more than 16 MiB"), "{told}");
    }

    #[test]
    fn records_within_a_document_are_found_however_it_is_laid_out() {
        let at = |pointer: &str| FileForm { records: Some(pointer.to_owned()), ..FileForm::default() };
        let all = |text: &str, form: FileForm| records_of(text.as_bytes(), Format::Json, form);
        let page = r#"{"@x": [{"no": "]"}], "v": {"a\\\"/b": {"value": 1}, "value": [ {"i":"}\""} , 2,"x",[3],
            true]}, "next": {"value": [9]}}"#;
        let want = [r#"{"i":"}\""}[0]"#, "2[1]", "\"x\"[2]", "[3][3]", "true[4]"];
        assert_eq!(all(page, at("/v/value")), want);
        let twice = format!("\u{FEFF}{page}\n{page}");
        assert_eq!(all(&twice, at("/v/value")).len(), 2 * want.len(), "pages may follow one another");
        assert_eq!(all("[[1,2],[3,4]]", at("/1")), ["3[0]", "4[1]"]);
        assert_eq!(all("[\n {\"a\":1},\n {\"a\":2}\n]\n", FileForm::default()), ["{\"a\":1}[0]", "{\"a\":2}[1]"]);
        assert_eq!(all("[]", FileForm::default()), [""; 0]);
        let laid_out = "{\n \"a\": 1\n}\n{\n \"a\": 2\n}";
        assert_eq!(all(laid_out, FileForm::default()), ["{\n \"a\": 1\n}[0]", "{\n \"a\": 2\n}[1]"]);
        for (text, pointer, part) in [
            ("{\"value\":{}}", "/value", "there is no array at records = \"/value\""),
            ("{\"a\":[1]}\n{\"b\":[2]}", "/c", "there is no array"),
            ("{\"value\":[1,{\"a\":2", "/value", "from line 1: a value has no end: the file is cut"),
            ("{\"value\":[1,", "/value", "the array of records has no end"),
            ("[1}", "", "where a value should be"),
            ("{\"value\"[1]}", "/value", "a name without a value"),
        ] {
            let mut file = open(text.as_bytes(), Format::Json, at(pointer)).unwrap();
            let told = loop {
                match file.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{text} was read"),
                    Err(error) => break format!("{error:#}"),
                }
            };
            assert!(told.contains(part), "{text}: {told}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_rows_of_json_or_an_error_and_documents_never_panic(
            text in "[,;\"\\n\\r a\u{e9}{}\\[\\]:1]{0,80}", cut in 0_usize..80, pointer in "(/a)?(/0)?",
        ) {
            let bytes = &text.as_bytes()[..cut.min(text.len())];
            for format in [Format::Csv, Format::Tsv, Format::Json] {
                let records = (format == Format::Json).then(|| pointer.clone());
                let Ok(mut file) = open(bytes, format, FileForm { records, ..FileForm::default() }) else { continue };
                while let Ok(Some(record)) = file.next() {
                    let value = serde_json::from_slice::<serde_json::Value>(record.bytes);
                    assert!(!format.is_rows() || value.is_ok_and(|value| value.is_object() || value.is_string()));
                    assert!(!record.bytes.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused_before_a_record_is_given() {
        let told = |bytes: &[u8], format| format!("{:#}", open(bytes, format, FileForm::default()).err().unwrap());
        assert!(told(b"order;item\n1;2\n", Format::Json).contains("holds a table (CSV): set format = \"csv\""));
        assert!(told(b"{\"a\":1}\n", Format::Csv).contains("set format = \"json\""));
        assert!(told(b"PK\x03\x04", Format::Csv).contains("is a zip archive: unzip -p "));
        let packed = zstd::encode_all(&b"PAR1\x15"[..], 1).unwrap();
        assert!(told(&packed, Format::Json).contains("is a Parquet file"));
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
