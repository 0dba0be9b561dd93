//! How a source's files are written, besides what a mapping says of records.
//!
//! Absent: what a file is found to be when it is opened (`cli::files`).

use crate::intake::Format;
use encoding_rs::Encoding;
use toml::{Table, Value};

/// How a file is written. The defaults find out what can be found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileForm {
    /// What separates the cells of a row; `None`: what its first row has most of, of tab-separated files a tab.
    pub delimiter: Option<u8>,
    /// What encloses cells that hold a delimiter.
    pub quote: Quote,
    /// Where the names of the columns come from.
    pub header: Header,
    /// The encoding, by its label of the WHATWG; `None`: by the byte order mark, or UTF-8.
    pub encoding: Option<String>,
    /// JSON: pointer to the array of records within the document, empty where the document is that array.
    pub records: Option<String>,
}

/// What encloses cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// This byte, doubled within.
    Byte(u8),
    /// Nothing: quotes are part of the text.
    Nothing,
}

impl Default for Quote {
    fn default() -> Self {
        Self::Byte(b'"')
    }
}

/// Where the names of the columns come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// The first row.
    #[default]
    Row,
    /// Nowhere: a column is called by its number, from 1.
    Numbers,
    /// From here; the first row is one of values.
    Names(Vec<String>),
}

/// The keys of a source that are read here.
pub(super) const FILE_KEYS: [&str; 5] = ["delimiter", "quote", "header", "encoding", "records"];

/// Takes the keys out of a source's table; what is wrong with them is added to `reasons`.
pub(super) fn take(table: &mut Table, reasons: &mut Vec<String>) -> FileForm {
    let mut form = FileForm::default();
    for key in FILE_KEYS {
        let Some(value) = table.remove(key) else { continue };
        if let Err(expected) = set(&mut form, key, value) {
            reasons.push(format!("{key} must be {expected}"));
        }
    }
    form
}

fn set(form: &mut FileForm, key: &str, value: Value) -> Result<(), &'static str> {
    match (key, value) {
        ("delimiter", Value::String(text)) => {
            form.delimiter = Some(one_byte(&text).ok_or("one character of ASCII, such as \";\" or \"\\t\"")?);
        }
        ("quote", Value::String(text)) if text.is_empty() => form.quote = Quote::Nothing,
        ("quote", Value::String(text)) => {
            form.quote = Quote::Byte(one_byte(&text).ok_or("one character of ASCII, or \"\" for none")?);
        }
        ("header", Value::Boolean(true)) => form.header = Header::Row,
        ("header", Value::Boolean(false)) => form.header = Header::Numbers,
        ("header", Value::Array(names)) => {
            let expected = "true, false, or the names of the columns, each once";
            let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
            let names = names.filter(|names| !names.is_empty()).ok_or(expected)?;
            if (1..names.len()).any(|at| names[..at].contains(&names[at])) {
                return Err(expected);
            }
            form.header = Header::Names(names);
        }
        ("encoding", Value::String(label)) => {
            let expected = "a known encoding, such as \"utf-8\", \"windows-1252\", \"latin1\" or \"utf-16le\"";
            Encoding::for_label(label.as_bytes()).ok_or(expected)?;
            form.encoding = Some(label);
        }
        ("records", Value::String(pointer)) if pointer.is_empty() || pointer.starts_with('/') => {
            form.records = Some(pointer);
        }
        ("delimiter", _) => return Err("one character of ASCII, such as \";\" or \"\\t\""),
        ("quote", _) => return Err("one character of ASCII, or \"\" for none"),
        ("header", _) => return Err("true, false, or the names of the columns"),
        ("encoding", _) => return Err("the name of an encoding, such as \"windows-1252\""),
        _ => {
            return Err(
                "a JSON pointer to the array of records, such as \"/value\"; \"\" where the document is that array",
            );
        }
    }
    Ok(())
}

fn one_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        _ => None,
    }
}

/// What is at odds with the rest of the source.
pub(super) fn faults(form: &FileForm, format: Format, has_topic: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let usual = FileForm::default();
    let of_rows = [
        ("delimiter", form.delimiter != usual.delimiter),
        ("quote", form.quote != usual.quote),
        ("header", form.header != usual.header),
    ];
    for (key, _) in of_rows.into_iter().filter(|(_, is_set)| *is_set && !format.is_rows()) {
        faults.push(format!("{key} is for files of rows: set format = \"csv\" or \"tsv\", or leave it out"));
    }
    if form.records.is_some() && format != Format::Json {
        faults.push("records is for files of JSON: leave it out, or set format = \"json\"".to_owned());
    }
    if has_topic && format.is_rows() {
        faults.push(format!("has a topic and format = \"{}\", which only files have", name_of(format)));
    }
    faults
}

/// The name of a format.
pub(super) fn name_of(format: Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::Csv => "csv",
        Format::Tsv => "tsv",
        Format::Avro => "avro",
    }
}

/// What is not as by default, as it would be written in a file.
pub(super) fn to_table(form: &FileForm) -> Table {
    let usual = FileForm::default();
    let text = |byte: u8| Value::String(char::from(byte).to_string());
    let written = [
        ("delimiter", form.delimiter.map(text)),
        (
            "quote",
            (form.quote != usual.quote).then(|| match form.quote {
                Quote::Byte(byte) => text(byte),
                Quote::Nothing => Value::String(String::new()),
            }),
        ),
        (
            "header",
            match &form.header {
                Header::Row => None,
                Header::Numbers => Some(Value::Boolean(false)),
                Header::Names(names) => Some(names.clone().into()),
            },
        ),
        ("encoding", form.encoding.clone().map(Value::String)),
        ("records", form.records.clone().map(Value::String)),
    ];
    written.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}
