//! What stands for nothing, and blanks around a text: seen to before a value is looked at, so before fallbacks.
//!
//! Absent: any other change of a value. What it takes more for is a transformation, not a field.

use super::origin::CleanSpec;
use super::value::Value;
use std::borrow::Cow;

/// What becomes of a value before it is looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Clean {
    missing: Vec<String>,
    trim: bool,
}

impl Clean {
    /// All that the specifications say together; `None` when that is nothing.
    pub fn of<'a>(specs: impl IntoIterator<Item = &'a CleanSpec>) -> Option<Self> {
        let mut clean = Self::default();
        for spec in specs {
            clean.trim |= spec.trim;
            clean.missing.extend(spec.missing.iter().map(|value| value.0.clone()));
        }
        (clean != Self::default()).then_some(clean)
    }

    /// `value`, or [`Value::Missing`] where it stands for nothing.
    pub fn apply<'a>(&self, value: Value<'a>) -> Value<'a> {
        let value = match value {
            Value::Text(text) if self.trim => Value::Text(trimmed(text)),
            other => other,
        };
        let is_missing = match &value {
            Value::Text(text) => self.names(text),
            Value::Bool(truth) => self.names(if *truth { "true" } else { "false" }),
            // Numbers are compared as they would be written, so that 0, "0" and 0.0 are one.
            Value::Signed(number) | Value::Time(number, _) => self.names_number(number),
            Value::Unsigned(number) => self.names_number(number),
            Value::Float(number) => self.names_number(number),
            _ => false,
        };
        if is_missing { Value::Missing } else { value }
    }

    fn names(&self, text: &str) -> bool {
        self.missing.iter().any(|missing| missing == text)
    }

    fn names_number(&self, number: &impl ToString) -> bool {
        !self.missing.is_empty() && self.names(&number.to_string())
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
