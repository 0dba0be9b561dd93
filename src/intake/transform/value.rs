//! Values of the program's kind: from JSON, and to what a mapping finds at its paths.
//!
//! Numbers keep their digits: whole ones at any size, others as they are written. Of a repeated name the last one counts.

use super::{Num, Val};
use crate::intake::json::is_json;
use crate::intake::paths::Paths;
use crate::intake::value::{Found, Value};
use std::borrow::Cow;

/// Longest number that is read, in bytes: what its digits cost grows with their square.
const NUMBER_BYTES_MAX: usize = 1000;

/// Text where it is UTF-8, else bytes.
pub(in crate::intake) fn text_or_bytes(bytes: &[u8]) -> Val {
    match str::from_utf8(bytes) {
        Ok(text) => Val::utf8_str(text.to_owned()),
        Err(_) => Val::byte_str(bytes.to_vec()),
    }
}

/// The one value that `bytes` are.
///
/// # Errors
/// What is wrong and where, when it is not exactly one JSON value.
pub(in crate::intake) fn of_json(bytes: &[u8]) -> Result<Val, String> {
    is_json(bytes)?;
    let text = str::from_utf8(bytes).map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
    let mut reader = Reader { text, at: 0 };
    reader.value().ok_or_else(|| format!("a text or number that cannot be read, to byte {}", reader.at))
}

/// Reads what has been found to be JSON; `None` where a text has half of a character, or a number no end.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn value(&mut self) -> Option<Val> {
        Some(match self.next()? {
            b'{' => self.object()?,
            b'[' => self.array()?,
            b'"' => Val::utf8_str(self.string()?.into_owned()),
            b't' => self.word("true", Val::Bool(true)),
            b'f' => self.word("false", Val::Bool(false)),
            b'n' => self.word("null", Val::Null),
            _ => self.number()?,
        })
    }

    fn word(&mut self, word: &str, value: Val) -> Val {
        self.at += word.len();
        value
    }

    fn object(&mut self) -> Option<Val> {
        let mut fields = jaq_json::Map::default();
        self.at += 1;
        while self.next()? != b'}' {
            if self.next()? == b',' {
                self.at += 1;
                self.next()?;
            }
            let name = Val::utf8_str(self.string()?.into_owned());
            self.next()?;
            self.at += 1; // the colon
            let value = self.value()?;
            fields.insert(name, value);
        }
        self.at += 1;
        Some(Val::obj(fields))
    }

    fn array(&mut self) -> Option<Val> {
        let mut values = Vec::new();
        self.at += 1;
        while self.next()? != b']' {
            if self.next()? == b',' {
                self.at += 1;
            }
            values.push(self.value()?);
        }
        self.at += 1;
        Some(Val::Arr(values.into()))
    }

    fn string(&mut self) -> Option<Cow<'_, str>> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start + 1;
        let mut is_plain = true;
        while *bytes.get(end)? != b'"' {
            let is_escape = bytes[end] == b'\\';
            is_plain &= !is_escape;
            end += 1 + usize::from(is_escape);
        }
        self.at = end + 1;
        if is_plain {
            return self.text.get(start + 1..end).map(Cow::Borrowed);
        }
        serde_json::from_str::<String>(self.text.get(start..=end)?).ok().map(Cow::Owned)
    }

    fn number(&mut self) -> Option<Val> {
        let rest = &self.text[self.at..];
        let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let length = rest.bytes().position(|byte| !is_of_number(byte)).unwrap_or(rest.len());
        self.at += length;
        if length > NUMBER_BYTES_MAX {
            return None;
        }
        let number = &rest[..length];
        let number = Num::from_str_radix(number, 10).unwrap_or_else(|| Num::Dec(number.to_owned().into()));
        Some(Val::Num(number))
    }
}

/// The values at `paths` in `value`.
pub(super) fn found<'a>(value: &'a Val, paths: &Paths) -> Found<'a> {
    let mut found = Found::nothing(paths);
    walk(value, paths, 0, &mut found);
    found
}

fn walk<'a>(value: &'a Val, paths: &Paths, node: usize, found: &mut Found<'a>) {
    match value {
        Val::Obj(fields) => {
            for (name, value) in fields.iter() {
                let name = if let Val::TStr(name) = name { str::from_utf8(name).ok() } else { None };
                if let Some(child) = name.and_then(|name| paths.named(node, name)) {
                    walk(value, paths, child, found);
                }
            }
        }
        Val::Arr(values) => elements(values, paths, node, found),
        _ => {}
    }
    found.values[node] = scalar(value);
}

fn elements<'a>(values: &'a [Val], paths: &Paths, node: usize, found: &mut Found<'a>) {
    let each = paths.node(node).each;
    if each.is_none() && paths.node(node).children.is_empty() {
        return;
    }
    for (index, value) in values.iter().enumerate() {
        let Some(child) = paths.indexed(node, index).or(each) else { continue };
        found.forget(paths, child);
        walk(value, paths, child, found);
        if each.is_some() {
            found.keep_line(paths, index, child);
        }
    }
    if each.is_some() {
        found.line_count = values.len();
    }
}

fn scalar(value: &Val) -> Value<'_> {
    /// Every whole number up to here is one that a float can be.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Val::Null => Value::Null,
        Val::Bool(value) => Value::Bool(*value),
        Val::TStr(bytes) | Val::BStr(bytes) => {
            str::from_utf8(bytes).map_or(Value::Bytes, |text| Value::Text(Cow::Borrowed(text)))
        }
        Val::Arr(_) => Value::Array,
        Val::Obj(_) => Value::Object,
        Val::Num(Num::Int(number)) => i64::try_from(*number).map_or(Value::Missing, Value::Signed),
        // Of a calculation: what is whole is a whole number, as it would be written.
        #[allow(clippy::cast_possible_truncation)] // within 53 bits
        Val::Num(Num::Float(number)) if number.fract() == 0.0 && number.abs() <= WHOLE_MAX => {
            Value::Signed(*number as i64)
        }
        Val::Num(Num::Float(number)) => Value::Float(*number),
        Val::Num(Num::BigInt(number)) => {
            let text = number.to_string();
            text.parse().map(Value::Unsigned).or_else(|_| text.parse().map(Value::Float)).unwrap_or_default()
        }
        Val::Num(Num::Dec(text)) => text.parse().map(Value::Float).unwrap_or_default(),
    }
}
