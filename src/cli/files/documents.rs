//! Records within JSON documents: the elements of an array, however it is laid out, or documents that follow one another.
//!
//! Invariants: one record is held at a time, never the document. What is taken is cut out as it stands: whether it is
//! JSON, intake says. Absent: numbers, texts and names as values.

use super::LINE_BYTES_MAX;
use anyhow::{Context as _, bail};
use std::io::BufRead;

/// A file of documents.
pub(super) struct Documents {
    reader: Box<dyn BufRead>,
    /// The names and indices that lead to the array of records; `None`: each document is a record.
    steps: Option<Vec<String>>,
    /// Whether the reader stands within the array of records.
    is_inside: bool,
    /// Whether a document had such an array.
    has_array: bool,
    line: u64,
    read: u64,
    record: Vec<u8>,
}

impl Documents {
    pub(super) fn new(reader: Box<dyn BufRead>, steps: Option<Vec<String>>) -> Self {
        let (is_inside, has_array) = (false, steps.is_none());
        Self { reader, steps, is_inside, has_array, line: 1, read: 0, record: Vec::new() }
    }

    /// The next record, with its number from 0; `None` at the end.
    pub(super) fn next(&mut self, name: &str) -> anyhow::Result<Option<(u64, &[u8])>> {
        let found = self.advance();
        let found = found.with_context(|| format!("{name}: cannot be read on from line {}", self.line))?;
        if !found {
            let pointer = self.steps.iter().flatten().fold(String::new(), |pointer, step| format!("{pointer}/{step}"));
            if !self.has_array {
                bail!("{name}: there is no array at records = \"{pointer}\"; name the pointer to the array of records");
            }
            return Ok(None);
        }
        let number = self.read;
        self.read += 1;
        Ok(Some((number, &self.record)))
    }

    fn advance(&mut self) -> anyhow::Result<bool> {
        loop {
            if self.is_inside {
                match self.peek()? {
                    Some(b',') => self.skip_byte(),
                    Some(b']') => {
                        self.skip_byte();
                        self.is_inside = false;
                        self.leave_from(self.steps.as_ref().map_or(0, Vec::len))?;
                    }
                    None => bail!("the array of records has no end: the file is cut"),
                    Some(_) => {
                        self.value(true)?;
                        return Ok(true);
                    }
                }
                continue;
            }
            if self.peek()?.is_none() {
                return Ok(false);
            }
            let Some(steps) = self.steps.take() else {
                self.value(true)?;
                return Ok(true);
            };
            let found = self.enter(&steps);
            self.steps = Some(steps);
            self.is_inside = found?;
            self.has_array |= self.is_inside;
        }
    }

    /// Goes to the array at `steps` in the document that starts here, or behind the document.
    fn enter(&mut self, steps: &[String]) -> anyhow::Result<bool> {
        for (depth, step) in steps.iter().enumerate() {
            let is_object = match self.peek()? {
                Some(b'{') => true,
                Some(b'[') => false,
                _ => {
                    self.value(false)?;
                    self.leave_from(depth)?;
                    return Ok(false);
                }
            };
            self.skip_byte();
            let mut index = 0_usize;
            loop {
                match self.peek()? {
                    None => bail!("the document has no end: the file is cut"),
                    Some(b',') => {
                        self.skip_byte();
                        continue;
                    }
                    Some(b'}' | b']') => {
                        self.skip_byte();
                        self.leave_from(depth)?;
                        return Ok(false);
                    }
                    Some(_) => {}
                }
                let is_wanted = if is_object {
                    self.value(true)?;
                    let name: Option<String> = serde_json::from_slice(&self.record).ok();
                    if self.peek()? != Some(b':') {
                        bail!("a name without a value");
                    }
                    self.skip_byte();
                    name.as_deref() == Some(step)
                } else {
                    index += 1;
                    (index - 1).to_string() == *step
                };
                if is_wanted {
                    break;
                }
                self.value(false)?;
            }
        }
        match self.peek()? {
            Some(b'[') => {
                self.skip_byte();
                Ok(true)
            }
            _ => {
                self.value(false)?;
                self.leave_from(steps.len())?;
                Ok(false)
            }
        }
    }

    /// Goes behind the document, from within as many arrays and objects.
    fn leave_from(&mut self, depth: usize) -> anyhow::Result<()> {
        for _ in 0..depth {
            loop {
                match self.peek()? {
                    None => bail!("the document has no end: the file is cut"),
                    Some(b',' | b':') => self.skip_byte(),
                    Some(b'}' | b']') => {
                        self.skip_byte();
                        break;
                    }
                    Some(_) => self.value(false)?,
                }
            }
        }
        Ok(())
    }

    /// Reads over one value; with `keeps`, into `record`. What is longer than a record may be is cut, and so refused.
    fn value(&mut self, keeps: bool) -> anyhow::Result<()> {
        self.record.clear();
        self.peek()?;
        let (mut depth, mut in_text, mut escaped, mut is_open) = (0_usize, false, false, true);
        let mut is_empty = true;
        while is_open {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                if depth > 0 || in_text {
                    bail!("a value has no end: the file is cut");
                }
                return Ok(());
            }
            let mut taken = 0;
            for &byte in bytes {
                if in_text {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => in_text = false,
                        _ => {}
                    }
                    is_open = in_text || depth > 0;
                } else {
                    match byte {
                        b'"' => in_text = true,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' if depth > 0 => {
                            depth -= 1;
                            is_open = depth > 0;
                        }
                        // The end of a number or a word, which has none of its own.
                        b',' | b'}' | b']' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => {
                            is_open = false;
                            break;
                        }
                        _ => {}
                    }
                }
                self.line += u64::from(byte == b'\n');
                taken += 1;
                if keeps && self.record.len() < LINE_BYTES_MAX {
                    self.record.push(byte);
                }
                if !is_open {
                    break;
                }
            }
            self.reader.consume(taken);
            is_empty &= taken == 0;
            if is_empty {
                bail!("a comma, colon or bracket where a value should be");
            }
        }
        Ok(())
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> anyhow::Result<Option<u8>> {
        loop {
            let bytes = self.reader.fill_buf()?;
            let Some(at) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                let length = bytes.len();
                if length == 0 {
                    return Ok(None);
                }
                self.line += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
                self.reader.consume(length);
                continue;
            };
            let byte = bytes[at];
            self.line += bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            self.reader.consume(at);
            return Ok(Some(byte));
        }
    }

    fn skip_byte(&mut self) {
        self.reader.consume(1);
    }
}
