//! One walk over a JSON record that picks the values of the wanted paths and skips the rest.
//!
//! Invariants: strings without escapes are borrowed. Of a repeated name the last one counts, with all below it. The
//! nesting has a limit also where it is skipped. What is skipped is checked for its syntax, not for its UTF-8.
//! Absent: a tree of values, and what the paths are for.

use super::DEPTH_MAX;
use super::paths::Paths;
use super::value::{Found, Place, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The values at `paths` in `json`.
///
/// # Errors
/// What is wrong and where, when it is not exactly one JSON value.
pub(super) fn read<'a>(paths: &Paths, json: &'a [u8]) -> Result<Found<'a>, String> {
    if is_too_deep(json) {
        return Err(format!("nested deeper than {DEPTH_MAX}"));
    }
    let mut walk = Walk { paths, found: Found::nothing(paths), stop: None };
    let mut json = serde_json::Deserializer::from_slice(json);
    At { walk: &mut walk, node: 0, line: None }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|e| e.to_string())?;
    Ok(walk.found)
}

/// Whether `json` is exactly one JSON value, as far as [`read`] looks at what it skips.
///
/// # Errors
/// What is wrong and where.
pub(super) fn is_json(json: &[u8]) -> Result<(), String> {
    if is_too_deep(json) {
        return Err(format!("nested deeper than {DEPTH_MAX}"));
    }
    serde_json::from_slice::<IgnoredAny>(json).map(drop).map_err(|error| error.to_string())
}

/// Where `place` stands in `json`, as line and column of its end. A second walk, for messages only.
pub(super) fn locate(paths: &Paths, json: &[u8], place: Place) -> Option<(usize, usize)> {
    let mut walk = Walk { paths, found: Found::nothing(paths), stop: Some(place) };
    let mut json = serde_json::Deserializer::from_slice(json);
    let stopped = At { walk: &mut walk, node: 0, line: None }.deserialize(&mut json).err()?;
    Some((stopped.line(), stopped.column()))
}

struct Walk<'p, 'a> {
    paths: &'p Paths,
    found: Found<'a>,
    stop: Option<Place>,
}

impl<'a> Walk<'_, 'a> {
    /// Keeps what stands at `node`; the error ends a walk that only looks for this place.
    fn keep<E: Error>(&mut self, node: usize, value: Value<'a>) -> Result<(), E> {
        self.found.values[node] = value;
        if self.stop == Some(Place::Node(node)) { Err(E::custom("found")) } else { Ok(()) }
    }

    /// Takes the item of the line that has just been read at `element`.
    fn keep_line<E: Error>(&mut self, line: usize, element: usize) -> Result<(), E> {
        self.found.keep_line(self.paths, line, element);
        if self.stop == Some(Place::Line(line)) { Err(E::custom("found")) } else { Ok(()) }
    }
}

/// The value at a wanted node; `line` when it is a line of the order.
struct At<'w, 'p, 'a> {
    walk: &'w mut Walk<'p, 'a>,
    node: usize,
    line: Option<usize>,
}

impl<'a> At<'_, '_, 'a> {
    /// The end of every visit. Inside it, so that an error gets the position of this value's end.
    fn keep<E: Error>(self, value: Value<'a>) -> Result<(), E> {
        self.walk.keep(self.node, value)?;
        self.line.map_or(Ok(()), |line| self.walk.keep_line(line, self.node))
    }
}

impl<'a> DeserializeSeed<'a> for At<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for At<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.keep(Value::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<(), E> {
        self.keep(Value::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.keep(Value::Signed(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.keep(Value::Unsigned(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.keep(Value::Float(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<(), E> {
        self.keep(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.keep(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        if let Some(each) = self.walk.paths.node(self.node).each {
            return self.visit_lines(map, each);
        }
        while let Some(child) = map.next_key_seed(Name { paths: self.walk.paths, node: self.node })? {
            match child {
                Some(node) => {
                    self.walk.found.forget(self.walk.paths, node);
                    map.next_value_seed(At { walk: &mut *self.walk, node, line: None })?;
                }
                None => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        self.keep(Value::Object)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        let each = self.walk.paths.node(self.node).each;
        if each.is_some() {
            self.walk.found.forget_lines();
        }
        let mut index = 0;
        loop {
            let more = match self.walk.paths.indexed(self.node, index).or(each) {
                Some(node) => {
                    self.walk.found.forget(self.walk.paths, node);
                    let line = each.map(|_| index);
                    seq.next_element_seed(At { walk: &mut *self.walk, node, line })?.is_some()
                }
                None => seq.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
            index += 1;
        }
        if each.is_some() {
            self.walk.found.line_count = index;
        }
        self.keep(Value::Array)
    }
}

impl<'a> At<'_, '_, 'a> {
    /// The order's lines as an object: the one line, where the item stands in it (as programs write that make JSON of XML), or
    /// else its values, where all of them are lines (as PHP writes an array with gaps). Of other objects no line is kept.
    fn visit_lines<A: MapAccess<'a>>(self, mut map: A, each: usize) -> Result<(), A::Error> {
        let walk = self.walk;
        let paths = walk.paths;
        walk.found.forget_lines();
        let nodes: Vec<usize> = paths.node(each).line_nodes().collect();
        let items = paths.node(each).line_items.len();
        let mut own: Vec<Value<'a>> = vec![Value::Missing; nodes.len()];
        let (mut index, mut are_lines) = (0, true);
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            if let Some(within) = paths.named(each, &name) {
                walk.found.forget(paths, each);
                map.next_value_seed(At { walk: &mut *walk, node: within, line: None })?;
                for (kept, &node) in own.iter_mut().zip(&nodes) {
                    if (within..paths.node(within).end).contains(&node) {
                        *kept = walk.found.values[node].clone();
                    }
                }
                are_lines = false;
                continue;
            }
            let node = paths.named(self.node, &name).unwrap_or(each);
            walk.found.forget(paths, node);
            let line = paths.node(node).line_items.first().map(|_| index);
            map.next_value_seed(At { walk: &mut *walk, node, line })?;
            are_lines &= walk.found.values[node] == Value::Object;
            index += 1;
        }
        walk.found.line_count = if are_lines { index } else { 0 };
        if own.iter().take(items).any(|item| *item != Value::Missing) {
            walk.found.forget_lines();
            walk.found.forget(paths, each);
            for (&node, kept) in nodes.iter().zip(own) {
                walk.found.values[node] = kept;
            }
            walk.found.values[each] = Value::Object;
            walk.found.line_count = 1;
            walk.keep_line(0, each)?;
        }
        walk.keep(self.node, Value::Object)
    }
}

/// A name in an object: the wanted node it leads to, if any.
struct Name<'p> {
    paths: &'p Paths,
    node: usize,
}

impl<'a> DeserializeSeed<'a> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.paths.named(self.node, name))
    }
}

/// Whether arrays and objects nest deeper than [`DEPTH_MAX`]. The JSON reader has that limit only where it does not
/// skip; a short record cannot nest that deep, and one with few brackets neither.
fn is_too_deep(json: &[u8]) -> bool {
    let is_open = |byte: &u8| *byte == b'[' || *byte == b'{';
    if json.len() <= DEPTH_MAX || json.iter().filter(|byte| is_open(byte)).count() <= DEPTH_MAX {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}
