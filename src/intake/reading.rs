//! The values of one record at the places of a mapping's fields: what decoding events and decoding facts share.
//!
//! Invariant: a field is the first of its places that is neither missing, null nor empty.

use super::Record;
use super::form::Form;
use super::id::id_fault;
use super::mapping::{Field, From, Origin};
use super::reject::{Reason, Reject};
use super::value::{Found, Place, Value};
use std::borrow::Cow;

/// What is wrong with a field.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub reason: Reason,
    pub field: &'static str,
    /// Where it was looked for.
    pub label: String,
    pub what: String,
    pub place: Option<Place>,
}

impl Fault {
    /// The reject of a record with this fault; `place`: where in the record it is.
    pub fn reject(self, place: impl Fn(Place) -> String) -> Reject {
        let at = self.place.map(place).unwrap_or_default();
        Reject::new(self.reason, format!("{} ({}{at}): {}", self.field, self.label, self.what))
    }
}

/// A record, and what was found in it.
pub(super) struct Fields<'r, 'a> {
    pub form: &'a Form,
    pub record: &'r Record<'a>,
    pub found: Found<'a>,
    pub key: Option<Found<'a>>,
    /// What it is to become, for messages: an event.
    pub noun: &'static str,
}

impl<'a> Fields<'_, 'a> {
    /// The id in `field`, which must be there.
    pub fn needed(&self, field: &'a Field) -> Result<Cow<'a, str>, Fault> {
        self.id(field)?.ok_or_else(|| self.blank(field))
    }

    /// The id in `field`, if there is one.
    pub fn id(&self, field: &'a Field) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some((origin, value)) = self.pick(field)? else { return Ok(None) };
        id_text(value).map(Some).map_err(|(reason, what)| fault_at(reason, field, origin, what))
    }

    /// The first place of `field` that gives something.
    pub fn pick(&self, field: &'a Field) -> Result<Option<(&'a Origin, Value<'a>)>, Fault> {
        Ok(self.pick_place(field)?.map(|(place, value)| (&field.origins[place], value)))
    }

    /// The same, with the place's number.
    pub fn pick_place(&self, field: &'a Field) -> Result<Option<(usize, Value<'a>)>, Fault> {
        for (place, origin) in field.origins.iter().enumerate() {
            let value = self.fetch(field.name, origin)?;
            if !value.is_blank() {
                return Ok(Some((place, value)));
            }
        }
        Ok(None)
    }

    pub fn fetch(&self, field: &'static str, origin: &'a Origin) -> Result<Value<'a>, Fault> {
        let text = |bytes: Option<&'a [u8]>| match bytes.map(str::from_utf8) {
            None => Ok(Value::Missing),
            Some(Ok(text)) => Ok(Value::Text(Cow::Borrowed(text))),
            Some(Err(_)) => Err(at(Reason::BadType, field, origin, "bytes that are not UTF-8 text".to_owned())),
        };
        let value = match &origin.from {
            From::Value(node) => Ok(self.found.values[*node].clone()),
            From::Key(node) => Ok(self.key.as_ref().map(|key| key.values[*node].clone()).unwrap_or_default()),
            From::KeyText => text(self.record.key),
            From::Header(name) => {
                text(self.record.headers.iter().rev().find(|(known, _)| known == name).map(|&(_, bytes)| bytes))
            }
            From::Topic => Ok(Value::Text(Cow::Borrowed(self.record.topic))),
            From::Constant(constant) => Ok(Value::Text(Cow::Borrowed(constant))),
        }?;
        Ok(match &origin.clean {
            None => value,
            Some(clean) => clean.apply(value),
        })
    }

    /// The fault of a needed field that no place gives.
    pub fn blank(&self, field: &'a Field) -> Fault {
        let is_empty = |origin| matches!(self.fetch(field.name, origin), Ok(Value::Text(_)));
        if field.origins.iter().any(is_empty) {
            return self.fault(
                Reason::EmptyId,
                field,
                format!("empty; {} needs it: do not send it without", self.noun),
            );
        }
        let ends = in_brackets(field.origins.iter().filter_map(|origin| self.path_end(origin)).collect());
        let what =
            format!("missing or null{ends}; {} needs it: map the field that holds it, or add a fallback", self.noun);
        self.fault(Reason::MissingField, field, what)
    }

    pub fn fault(&self, reason: Reason, field: &Field, what: String) -> Fault {
        let labels: Vec<&str> = field.origins.iter().map(|origin| origin.label.as_str()).collect();
        Fault { reason, field: field.name, label: labels.join(", "), what, place: None }
    }

    /// Where the path of `origin` ends in this record, if that is before its last step.
    pub fn path_end(&self, origin: &Origin) -> Option<String> {
        match origin.from {
            From::Value(node) => self.found.path_end(&self.form.value_paths, node),
            _ => None,
        }
    }
}

/// Refuses what is no object; `of`: what that is, `noun`: what it is to become.
pub(super) fn check_object(found: &Found<'_>, of: &str, noun: &str) -> Result<(), Reject> {
    if found.values[0] == Value::Object {
        return Ok(());
    }
    let remedy = match &found.values[0] {
        Value::Array => format!("; a transform makes {noun} of each element: .[]"),
        Value::Text(text) if text.trim_start().starts_with(['{', '[']) => {
            "; it holds JSON within a text, which a transform reads: fromjson".to_owned()
        }
        _ => String::new(),
    };
    let message = format!("{of} is {}, not an object; {noun} is one object{remedy}", found.values[0].kind());
    Err(Reject::new(Reason::NotAnObject, message))
}

/// What is wrong with a field at one of its places.
pub(super) fn at(reason: Reason, field: &'static str, origin: &Origin, what: String) -> Fault {
    let place = if let From::Value(node) = origin.from { Some(Place::Node(node)) } else { None };
    Fault { reason, field, label: origin.label.clone(), what, place }
}

pub(super) fn fault_at(reason: Reason, field: &Field, origin: &Origin, what: String) -> Fault {
    at(reason, field.name, origin, what)
}

/// What is more to say of something that is missing.
pub(super) fn in_brackets(ends: Vec<String>) -> String {
    if ends.is_empty() { String::new() } else { format!(" ({})", ends.join("; ")) }
}

/// A text, or a whole number as one.
pub(super) fn scalar_text(value: Value<'_>) -> Result<Cow<'_, str>, String> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Signed(number) | Value::Time(number, _) => Ok(Cow::Owned(number.to_string())),
        Value::Unsigned(number) => Ok(Cow::Owned(number.to_string())),
        other => Err(other.no_id()),
    }
}

pub(super) fn id_text(value: Value<'_>) -> Result<Cow<'_, str>, (Reason, String)> {
    let text = scalar_text(value).map_err(|what| (Reason::BadType, what))?;
    match id_fault(&text) {
        None => Ok(text),
        Some(fault) => Err(fault),
    }
}
