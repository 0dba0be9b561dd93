//! What stood at a path of a record, whatever format it was written in.
//!
//! Absent: the inside of arrays and objects. A mapping asks for scalars; of the others their kind is enough.

use super::paths::Paths;
use super::time::LogicalTime;
use crate::limits::LINES_MAX;
use std::borrow::Cow;

/// A value at a wanted path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value<'a> {
    /// The path does not exist.
    #[default]
    Missing,
    /// It exists and says nothing.
    Null,
    Bool,
    Signed(i64),
    Unsigned(u64),
    /// A number with a fraction or exponent, or beyond 64 bits.
    Float(f64),
    Text(Cow<'a, str>),
    /// Bytes that are not UTF-8 text.
    Bytes,
    /// A number that is a time by its own schema; an id like any number.
    Time(i64, LogicalTime),
    Array,
    Object,
}

impl Value<'_> {
    /// Whether a fallback is due: not there, null, or empty.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Missing | Self::Null => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    /// Its kind in a message. Never its content.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "nothing",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Signed(_) | Self::Unsigned(_) | Self::Time(..) => "a whole number",
            Self::Float(_) => "a number with a fraction or exponent, or beyond 64 bits",
            Self::Text(_) => "text",
            Self::Bytes => "bytes that are not UTF-8 text",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// What a format's reader found in one record: a value per node of the mapping's paths.
pub(super) struct Found<'a> {
    /// By node.
    pub values: Vec<Value<'a>>,
    /// The item of every line of the order, unchecked; at most [`LINES_MAX`].
    pub lines: Vec<Value<'a>>,
    /// How many lines there were.
    pub line_count: usize,
}

impl<'a> Found<'a> {
    pub fn nothing(paths: &Paths) -> Self {
        Self { values: vec![Value::Missing; paths.len()], lines: Vec::new(), line_count: 0 }
    }

    /// Forgets what an earlier value of the same name left at and below `node`.
    pub fn forget(&mut self, paths: &Paths, node: usize) {
        let end = paths.node(node).end;
        self.values[node..end].fill(Value::Missing);
    }

    /// Takes the item of the line that has just been read at `element`.
    pub fn keep_line(&mut self, paths: &Paths, line: usize, element: usize) {
        if line < LINES_MAX {
            let places = &paths.node(element).line_items;
            let best = places.iter().find(|&&place| !self.values[place].is_blank()).or(places.first());
            // A copy: a field may point at this very place. Borrowed text makes it cheap.
            let item = best.map(|&place| self.values[place].clone()).unwrap_or_default();
            self.lines.push(item);
        }
    }
}

/// A place in a record that a message points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The value of this node.
    Node(usize),
    /// This line of the order, from 0.
    Line(usize),
}
