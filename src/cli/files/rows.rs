//! Rows of comma-separated values (RFC 4180) as JSON objects of texts, so that a mapping reads them like any record.
//!
//! Invariants: a row gives exactly one value, an object, or, where it cannot be told into columns, a text that says why;
//! `intake` refuses that as `bad_csv`. A column is called as the header says, without blanks around; a name that stands
//! there again gets its count behind it. Absent: numbers; a cell is a text.

use super::{LINE_BYTES_MAX, Place};
use crate::config::{FileForm, Header, Quote};
use anyhow::Context as _;
use csv::ByteRecord;
use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

/// Names that are shown of a header.
const SHOWN_MAX: usize = 30;

/// What may separate cells, where no setting says it.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Most columns.
const COLUMNS_MAX: usize = 16_384;

/// A file of rows.
pub(super) struct Rows {
    reader: csv::Reader<Bounded<Box<dyn BufRead>>>,
    left: Rc<Cell<u64>>,
    delimiter: u8,
    row: ByteRecord,
    /// The names of the columns.
    pub names: Vec<String>,
    /// The same, as what stands before the value in an object.
    keys: Vec<Vec<u8>>,
    /// How many lines stand before what the reader sees.
    lines_before: u64,
    /// Whether lines end with a carriage return: then the reader says of a row the line before it.
    has_returns: bool,
    read: u64,
    json: Vec<u8>,
}

/// Ends a row that is longer than a record may be: a quote that nobody closed would take the rest of the file into memory.
struct Bounded<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other("a row of more than 16 MiB; is there a quote that is not closed?"));
        }
        let count = self.inner.read(into)?;
        self.left.set(self.left.get().saturating_sub(count as u64));
        Ok(count)
    }
}

impl Rows {
    /// `start`: the first bytes of what `reader` gives.
    pub(super) fn open(
        name: &str,
        mut reader: Box<dyn BufRead>,
        start: &[u8],
        form: &FileForm,
        is_tsv: bool,
    ) -> anyhow::Result<Self> {
        let told = told_delimiter(start);
        let mut lines_before = 0;
        if told.is_some() {
            reader.skip_until(b'\n').with_context(|| format!("{name}: cannot be read"))?;
            lines_before = 1;
        }
        let found = || if is_tsv { b'\t' } else { likely_delimiter(start) };
        let delimiter = form.delimiter.or(told).unwrap_or_else(found);
        let left = Rc::new(Cell::new(LINE_BYTES_MAX as u64));
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(delimiter).flexible(true).has_headers(false);
        match form.quote {
            Quote::Byte(quote) => builder.quote(quote),
            Quote::Nothing => builder.quoting(false),
        };
        let first_line = start.split_inclusive(|byte| *byte == b'\n').nth(usize::from(told.is_some()));
        let has_returns = first_line.is_some_and(|line| line.ends_with(b"\r\n"));
        let reader = builder.from_reader(Bounded { inner: reader, left: Rc::clone(&left) });
        let row = ByteRecord::new();
        let mut rows = Self {
            reader,
            left,
            delimiter,
            row,
            names: Vec::new(),
            keys: Vec::new(),
            lines_before,
            has_returns,
            read: 0,
            json: Vec::new(),
        };
        match &form.header {
            Header::Row if rows.advance(name)? => {
                let cells = rows.row.iter().map(|cell| str::from_utf8(cell).map(|cell| cell.trim().to_owned()));
                let names: Result<Vec<String>, _> = cells.collect();
                rows.names = names.ok().map(unique).with_context(|| {
                    format!("{name}: its header is not UTF-8: set encoding, such as encoding = \"windows-1252\"")
                })?;
                anyhow::ensure!(rows.names.len() <= COLUMNS_MAX, "{name}: more than {COLUMNS_MAX} columns");
            }
            Header::Row | Header::Numbers => {}
            Header::Names(names) => rows.names = names.clone(),
        }
        rows.keys = rows.names.iter().map(|name| key(name)).collect();
        Ok(rows)
    }

    /// The names of the columns, for a message.
    pub(super) fn shown_names(&self) -> String {
        let more = if self.names.len() > SHOWN_MAX { ", …" } else { "" };
        let shown: Vec<&str> = self.names.iter().take(SHOWN_MAX).map(String::as_str).collect();
        format!("{}{more}", shown.join(", "))
    }

    /// What they are, for people.
    pub(super) fn what(&self) -> String {
        let delimiter = match self.delimiter {
            b'\t' => "tab".to_owned(),
            byte => format!("{:?}", char::from(byte)),
        };
        let columns = if self.names.is_empty() {
            "numbered columns".to_owned()
        } else {
            format!("columns {}", self.shown_names())
        };
        format!("rows separated by {delimiter}, {columns}")
    }

    fn advance(&mut self, name: &str) -> anyhow::Result<bool> {
        self.left.set(LINE_BYTES_MAX as u64);
        let line = self.lines_before + self.reader.position().line();
        self.reader
            .read_byte_record(&mut self.row)
            .with_context(|| format!("{name}: cannot be read on from line {line}"))
    }

    /// The next row that holds anything, with its number from 0; `None` at the end.
    pub(super) fn next(&mut self, name: &str) -> anyhow::Result<Option<(u64, Place, &[u8])>> {
        loop {
            if !self.advance(name)? {
                return Ok(None);
            }
            let is_off = |position: &csv::Position| u64::from(self.has_returns && position.byte() > 0);
            let line = self.row.position().map_or(0, |position| position.line() + is_off(position)) + self.lines_before;
            let number = self.read;
            self.read += 1;
            if self.row.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            while self.keys.len() < self.row.len() && self.has_numbers() {
                let name = (self.keys.len() + 1).to_string();
                self.keys.push(key(&name));
            }
            self.write();
            return Ok(Some((number, Place::Row { line, row: number + 1 }, &self.json)));
        }
    }

    /// Whether columns are called by their numbers.
    fn has_numbers(&self) -> bool {
        self.names.is_empty() && self.keys.len() < COLUMNS_MAX
    }

    fn write(&mut self) {
        self.json.clear();
        // Some programs end each row, but the header, with a delimiter.
        if self.row.iter().skip(self.keys.len()).any(|cell| !cell.is_empty()) {
            let (cells, columns) = (self.row.len(), self.keys.len());
            return self.refuse(&format!(
                "{cells} cells, and the header has {columns}: is there a delimiter in a cell without quotes?"
            ));
        }
        let mut opening = b'{';
        for (column, (key, cell)) in self.keys.iter().zip(&self.row).enumerate() {
            let Ok(text) = str::from_utf8(cell) else {
                let name = self.names.get(column).map_or_else(|| (column + 1).to_string(), Clone::clone);
                return self.refuse(&format!(
                    "{name} holds bytes that are not UTF-8: set encoding, such as encoding = \"windows-1252\""
                ));
            };
            self.json.push(opening);
            self.json.extend_from_slice(key);
            write_text(text, &mut self.json);
            opening = b',';
        }
        self.json.push(b'}');
    }

    fn refuse(&mut self, what: &str) {
        self.json.clear();
        write_text(what, &mut self.json);
    }
}

fn write_text(text: &str, into: &mut Vec<u8>) {
    let _ = serde_json::to_writer(into, text); // a text can always be written to memory
}

fn key(name: &str) -> Vec<u8> {
    let mut key = Vec::new();
    write_text(name, &mut key);
    key.push(b':');
    key
}

/// Names as they are; one that stood there before gets its count behind it, one that is empty its number.
fn unique(names: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::with_capacity(names.len());
    for (column, name) in names.into_iter().enumerate() {
        let name = if name.is_empty() { (column + 1).to_string() } else { name };
        let mut candidate = name.clone();
        let mut count = 1;
        while all.contains(&candidate) {
            count += 1;
            candidate = format!("{name} ({count})");
        }
        all.push(candidate);
    }
    all
}

/// What a first line `sep=;` says, as Excel reads and writes it.
fn told_delimiter(start: &[u8]) -> Option<u8> {
    let line = start.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    match line.trim_ascii_start() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => Some(*delimiter),
        _ => None,
    }
}

/// What the first line has most of, outside of quotes.
pub(super) fn likely_delimiter(start: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut in_quotes = false;
    for &byte in start {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\n' if !in_quotes => break,
            _ if in_quotes => {}
            _ => {
                if let Some(at) = DELIMITERS.iter().position(|known| *known == byte) {
                    counts[at] += 1;
                }
            }
        }
    }
    // The first of several that are as frequent.
    let most = counts.into_iter().max().filter(|most| *most > 0);
    let found = most.and_then(|most| counts.iter().position(|count| *count == most));
    found.map_or(b',', |at| DELIMITERS[at])
}
