//! What the key of a tombstone says: whose fact is taken away.
//!
//! A key is a text of ids with slashes between them (a slash within one is `%2F`, a percent sign `%25`), or an object of them. Where
//! it is a single id, it is that id as it stands.

use super::field::FactField;
use crate::facts::FactsTopic;
use crate::intake::mapping::MappingError;
use std::borrow::Cow;

/// How keys are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// These ids, with slashes between.
    Text(Vec<FactField>),
    /// An object with these names.
    Object,
}

impl KeyForm {
    /// As `written` in the settings. `has_constant`: which fields the settings give a constant, so that keys need not say them.
    pub fn compile(
        topic: FactsTopic,
        written: &str,
        has_constant: impl Fn(FactField) -> bool,
    ) -> Result<Self, MappingError> {
        let wrong = |message| MappingError { field: "key", message };
        if written == "json" {
            return Ok(Self::Object);
        }
        let wanted = FactField::key_of(topic);
        let expected = || {
            let names: Vec<&str> = wanted.iter().map(|field| field.name()).collect();
            format!("write \"{}\" as the keys have them, or \"json\" where keys are objects", names.join("/"))
        };
        let mut fields = Vec::new();
        for name in written.split('/') {
            let field = wanted.iter().copied().find(|field| field.name() == name && !fields.contains(field));
            fields.push(
                field.ok_or_else(|| wrong(format!("\"{written}\": \"{name}\" is none of its ids; {}", expected())))?,
            );
        }
        match wanted.iter().find(|field| !fields.contains(field) && !has_constant(**field)) {
            Some(lacking) => {
                let name = lacking.name();
                let message = format!(
                    "\"{written}\" does not say the {name}, and fields.{name} gives no constant; {}",
                    expected()
                );
                Err(wrong(message))
            }
            None => Ok(Self::Text(fields)),
        }
    }

    /// What a key's text says of each field.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn split<'k>(
        fields: &[FactField],
        text: &'k str,
        has_constant: impl Fn(FactField) -> bool,
    ) -> Result<Vec<(FactField, Cow<'k, str>)>, String> {
        if let [only] = fields {
            return Ok(vec![(*only, Cow::Borrowed(text))]);
        }
        let parts: Vec<&str> = text.split('/').collect();
        // Where there is one shop, keys often leave it out.
        let named: Vec<FactField> = if parts.len() == fields.len() {
            fields.to_vec()
        } else {
            fields.iter().copied().filter(|field| *field != FactField::Shop || !has_constant(*field)).collect()
        };
        if parts.len() != named.len() {
            let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
            return Err(format!(
                "{} parts with slashes between, and {} has {}; write a slash within an id as %2F, or set key",
                parts.len(),
                names.join("/"),
                names.len()
            ));
        }
        Ok(named.into_iter().zip(parts).map(|(field, part)| (field, unescaped(part))).collect())
    }
}

/// A key's text of these ids, which [`KeyForm::split`] takes apart again.
pub(super) fn key_text(ids: [&str; 4]) -> String {
    ids.map(|id| id.replace('%', "%25").replace('/', "%2F")).join("/")
}

/// Without the escapes of a slash and of the percent sign.
fn unescaped(part: &str) -> Cow<'_, str> {
    if !part.contains('%') {
        return Cow::Borrowed(part);
    }
    let mut text = String::with_capacity(part.len());
    let mut rest = part;
    while let Some((before, behind)) = rest.split_once('%') {
        text.push_str(before);
        let (letter, length) = match behind.as_bytes() {
            [b'2', b'F' | b'f', ..] => ('/', 2),
            [b'2', b'5', ..] => ('%', 2),
            _ => ('%', 0),
        };
        text.push(letter);
        rest = &behind[length..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}
