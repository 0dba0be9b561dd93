//! What stood at a path of a record, whatever format it was written in.
//!
//! Absent: the inside of arrays and objects. A mapping asks for scalars; of the others their kind is enough.

use super::paths::{LINE_FIELDS, Paths};
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
    Bool(bool),
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

/// What a number is counted in by its Avro schema (logical types of the 1.12 specification). Of local times the zone is not
/// known; they are read as UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogicalTime {
    /// `date`: days since 1970.
    Date,
    /// `timestamp-millis`, `local-timestamp-millis`.
    Millis,
    /// `timestamp-micros`, `local-timestamp-micros`.
    Micros,
    /// `timestamp-nanos`, `local-timestamp-nanos`.
    Nanos,
}

impl LogicalTime {
    /// The name of the logical type, of local ones too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Millis => "timestamp-millis",
            Self::Micros => "timestamp-micros",
            Self::Nanos => "timestamp-nanos",
        }
    }

    /// The logical type of that name, if it is one of 64 bits.
    pub(super) fn of_timestamp(name: &str) -> Option<Self> {
        let known = [Self::Millis, Self::Micros, Self::Nanos];
        known.into_iter().find(|known| known.name() == name.strip_prefix("local-").unwrap_or(name))
    }

    pub(super) fn whole_ms(self, number: i64) -> i64 {
        match self {
            Self::Date => number.saturating_mul(24 * 60 * 60 * 1000),
            Self::Millis => number,
            Self::Micros => number.div_euclid(1000),
            Self::Nanos => number.div_euclid(1_000_000),
        }
    }
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
            Self::Bool(_) => "true or false",
            Self::Signed(_) | Self::Unsigned(_) | Self::Time(..) => "a whole number",
            Self::Float(_) => "a number with a fraction or exponent, or beyond 64 bits",
            Self::Text(_) => "text",
            Self::Bytes => "bytes that are not UTF-8 text",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }

    /// Why it is no id, and what to do.
    pub fn no_id(&self) -> String {
        let whole = match self {
            Self::Float(_) => ", or make 17.0 whole in a transform: tostring | sub(\"\\\\.0+$\"; \"\")",
            _ => "",
        };
        format!("{}; an id is text or a whole number: map the field that holds it{whole}", self.kind())
    }
}

/// What a format's reader found in one record: a value per node of the mapping's paths.
pub(super) struct Found<'a> {
    /// By node.
    pub values: Vec<Value<'a>>,
    /// The item of every line of the order, unchecked; at most [`LINES_MAX`].
    pub lines: Vec<Value<'a>>,
    /// More of every line, where it is wanted, in the order of [`LINE_FIELDS`].
    pub more: Vec<[Value<'a>; LINE_FIELDS]>,
    /// How many lines there were.
    pub line_count: usize,
    /// Of the first line without an item, by its index: where the path to it ends.
    pub line_end: Option<(usize, String)>,
}

impl<'a> Found<'a> {
    pub fn nothing(paths: &Paths) -> Self {
        Self {
            values: vec![Value::Missing; paths.len()],
            lines: Vec::new(),
            more: Vec::new(),
            line_count: 0,
            line_end: None,
        }
    }

    /// Forgets what an earlier value of the same name left at and below `node`.
    pub fn forget(&mut self, paths: &Paths, node: usize) {
        let end = paths.node(node).end;
        self.values[node..end].fill(Value::Missing);
    }

    /// Where the path to `node` ends before it, and what stands there: it goes through something that is neither an array nor
    /// an object, or that has no such name. `None` when there is nothing to say: its first step is missing.
    pub fn path_end(&self, paths: &Paths, node: usize) -> Option<String> {
        let way = paths.way_to(node);
        let (_, above) = way.split_last()?;
        let last = above.iter().skip(1).rfind(|&&above| self.values[above] != Value::Missing)?;
        let (pointer, value) = (paths.pointer(&way, *last), &self.values[*last]);
        let end = match value {
            Value::Object => format!("{pointer} is there, without it"),
            Value::Array => format!("{pointer} is an array; a step into it is an index, such as {pointer}/0"),
            Value::Text(text) if text.trim_start().starts_with(['{', '[']) => {
                format!(
                    "the path ends at {pointer}, which is text; it looks like JSON, which a transform can read: fromjson"
                )
            }
            other => format!("the path ends at {pointer}, which is {}", other.kind()),
        };
        Some(end)
    }

    /// Takes the item of the line that has just been read at `element`.
    pub fn keep_line(&mut self, paths: &Paths, line: usize, element: usize) {
        if line < LINES_MAX {
            let places = &paths.node(element).line_items;
            // A copy: a field may point at this very place. Borrowed text makes it cheap.
            let mut items = places.iter().map(|place| place.cleaned(&self.values[place.node]));
            let first = items.next().unwrap_or_default();
            let item = if first.is_blank() { items.find(|item| !item.is_blank()).unwrap_or(first) } else { first };
            if item.is_blank() && self.line_end.is_none() {
                self.line_end =
                    places.first().and_then(|place| self.path_end(paths, place.node)).map(|end| (line, end));
            }
            self.lines.push(item);
            if let Some(nodes) = &paths.node(element).line_fields {
                // A line that is itself the item has no fields.
                let value = |node: usize| if node == element { Value::Missing } else { self.values[node].clone() };
                self.more.push(nodes.map(value));
            }
        }
    }

    /// Forgets the lines of an earlier value of the same name.
    pub fn forget_lines(&mut self) {
        self.lines.clear();
        self.more.clear();
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
