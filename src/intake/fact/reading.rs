//! What stands in the fields of a record, by what each field holds.
//!
//! Invariant: whatever decides what is shown or counted is right or refused; what only people read is cut.

use super::field::{FactField, Holds};
use super::mapping::{FactMapping, FactPlaces, LEVELS_MAX, Written};
use super::number::EXAMPLES;
use crate::intake::TIME_MAX_MS;
use crate::intake::mapping::From;
use crate::intake::reading::{Fault, Fields, at, fault_at, id_text, scalar_text};
use crate::intake::reject::{Reason, shortened};
use crate::intake::value::Value;
use crate::limits::{LABEL_BYTES_MAX, LINK_BYTES_MAX, LIST_ENTRIES_MAX, PARTS_MAX};
use std::borrow::Cow;

/// A record being read.
pub(super) struct Reading<'r, 'a> {
    pub mapping: &'a FactMapping,
    pub fields: Fields<'r, 'a>,
    pub shortened: u32,
}

impl<'a> Reading<'_, 'a> {
    pub fn places(&self, field: FactField) -> Option<&'a FactPlaces> {
        self.mapping.places(field)
    }

    /// What stands in a field, and how it is written there.
    fn pick(&self, field: FactField) -> Result<Option<(&'a FactPlaces, usize, Value<'a>)>, Fault> {
        let Some(places) = self.places(field) else { return Ok(None) };
        Ok(self.fields.pick_place(&places.field)?.map(|(place, value)| (places, place, value)))
    }

    pub fn id(&self, field: FactField) -> Result<Option<Cow<'a, str>>, Fault> {
        self.places(field).map_or(Ok(None), |places| self.fields.id(&places.field))
    }

    pub fn needed(&self, field: FactField) -> Result<Cow<'a, str>, Fault> {
        self.id(field)?.ok_or_else(|| self.blank(field))
    }

    pub fn blank(&self, field: FactField) -> Fault {
        match self.places(field) {
            Some(places) => self.fields.blank(&places.field),
            None => self.fault(Reason::MissingField, field, "missing".to_owned()),
        }
    }

    pub fn fault(&self, reason: Reason, field: FactField, what: String) -> Fault {
        match self.places(field) {
            Some(places) => self.fields.fault(reason, &places.field, what),
            None => Fault { reason, field: field.name(), label: String::new(), what, place: None },
        }
    }

    /// A text for people, cut to its limit, or left out where half of it is of no use.
    pub fn text(&mut self, field: FactField) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else { return Ok(None) };
        let text = scalar_text(value).map_err(|_| {
            let origin = &places.field.origins[place];
            fault_at(Reason::BadType, &places.field, origin, "no text: map the field that holds it".to_owned())
        })?;
        let (text, is_short) = match field.holds() {
            Holds::Link if text.len() > LINK_BYTES_MAX => (None, true),
            Holds::Text(max) if text.len() > max => (Some(cut(text, max)), true),
            _ => (Some(text), false),
        };
        self.shortened += u32::from(is_short);
        Ok(text.map(without_controls))
    }

    /// The levels of a category, or the parts of a bundle.
    pub fn several(&mut self, field: FactField) -> Result<Vec<Cow<'a, str>>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else { return Ok(Vec::new()) };
        let origin = &places.field.origins[place];
        let is_way = field.holds() == Holds::Way;
        let max = if is_way { LEVELS_MAX } else { PARTS_MAX };
        let wrong = |what: String| fault_at(Reason::BadType, &places.field, origin, what);
        let mut all: Vec<Value<'a>> = Vec::new();
        match (value, &origin.from) {
            (Value::Array, From::Value(node)) => {
                let (paths, found) = (&self.mapping.form.value_paths, &self.fields.found);
                for element in (0..max).map_while(|index| paths.indexed(*node, index)) {
                    let value = found.values[element].clone();
                    all.push(match &origin.clean {
                        None => value,
                        Some(clean) => clean.apply(value),
                    });
                }
            }
            (Value::Text(text), _) => match &places.written[place].separator {
                None => all.push(Value::Text(text)),
                Some(separator) => {
                    let levels =
                        text.split(separator.as_str()).map(|level| Value::Text(Cow::Owned(level.trim().to_owned())));
                    all.extend(levels.filter(|level| !level.is_blank()).take(max));
                }
            },
            (value, _) => all.push(value),
        }
        let mut texts = Vec::new();
        for value in all.into_iter().filter(|value| !value.is_blank()) {
            if is_way {
                let text = scalar_text(value).map_err(|what| {
                    wrong(format!(
                        "a level that is {what}; a category is an array of names, or a text with a separator"
                    ))
                })?;
                self.shortened += u32::from(text.len() > LABEL_BYTES_MAX);
                texts.push(without_controls(cut(text, LABEL_BYTES_MAX)));
            } else {
                texts.push(
                    id_text(value)
                        .map_err(|(reason, what)| Fault { reason, ..wrong(format!("a part that is {what}")) })?,
                );
            }
        }
        Ok(texts)
    }

    pub fn truth(&self, field: FactField, otherwise: bool) -> Result<bool, Fault> {
        let truth = self.word(field, |word| match word {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            other => Err(format!("{} is none of true, false, yes, no, 1, 0; map it under values", shortened(other))),
        })?;
        Ok(truth.unwrap_or(otherwise))
    }

    /// What a word means, by the settings' values and then by `ours`.
    pub fn word<T>(&self, field: FactField, ours: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else { return Ok(None) };
        let wrong = |reason, what| fault_at(reason, &places.field, &places.field.origins[place], what);
        let text = match value {
            Value::Bool(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
            value => scalar_text(value).map_err(|what| wrong(Reason::BadType, what))?,
        };
        let Written { words, .. } = &places.written[place];
        let word = match words.iter().find(|(written, _)| *written == text) {
            Some((_, word)) => word.as_str(),
            None if words.is_empty() => &text,
            None => {
                let known: Vec<&str> = words.iter().map(|(written, _)| written.as_str()).collect();
                let what = format!("{} is none of {}; map it under values", shortened(&text), known.join(", "));
                return Err(wrong(Reason::UnknownWord, what));
            }
        };
        ours(word).map(Some).map_err(|what| wrong(Reason::UnknownWord, what))
    }

    pub fn needed_word<T>(&self, field: FactField, ours: impl Fn(&str) -> Result<T, String>) -> Result<T, Fault> {
        self.word(field, ours)?.ok_or_else(|| self.blank(field))
    }

    pub fn number(&self, field: FactField) -> Result<Option<f64>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else { return Ok(None) };
        let wrong = |reason, what| fault_at(reason, &places.field, &places.field.origins[place], what);
        #[expect(clippy::cast_precision_loss)] // beyond 2^53 nobody has as many, or pays as much
        let number = match &value {
            Value::Signed(number) | Value::Time(number, _) => *number as f64,
            Value::Unsigned(number) => *number as f64,
            Value::Float(number) => *number,
            Value::Text(text) => places.written[place].number.read(text).ok_or_else(|| {
                let what = format!(
                    "{} is no number as it should be written; say how they are: number = {EXAMPLES}",
                    shortened(text)
                );
                wrong(Reason::BadNumber, what)
            })?,
            other => return Err(wrong(Reason::BadType, format!("{}, which is no number", other.kind()))),
        };
        if !number.is_finite() {
            return Err(wrong(Reason::BadNumber, "not a number, or without end".to_owned()));
        }
        Ok(Some(number))
    }

    /// A number that is not negative.
    pub fn amount(&self, field: FactField, what: &str) -> Result<Option<f64>, Fault> {
        match self.number(field)? {
            Some(number) if number < 0.0 => {
                Err(self.fault(Reason::BadNumber, field, format!("{number} is negative; {what} is 0 or more")))
            }
            number => Ok(number),
        }
    }

    /// A place in a list, from 1.
    pub fn position(&self) -> Result<Option<u16>, Fault> {
        let Some(number) = self.number(FactField::Position)? else { return Ok(None) };
        #[expect(clippy::cast_precision_loss)]
        let is_place = number.fract() == 0.0 && (1.0..=LIST_ENTRIES_MAX as f64).contains(&number);
        if !is_place {
            let what = format!("{number} is no place in a list; write 1 to {LIST_ENTRIES_MAX}");
            return Err(self.fault(Reason::BadNumber, FactField::Position, what));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it has been looked at
        Ok(Some(number as u16))
    }

    /// A time, in ms since 1970; of a day its start and its end.
    pub fn time(&self, field: FactField) -> Result<Option<(i64, i64)>, Fault> {
        let Some((places, place, value)) = self.pick(field)? else {
            let stands_in = self.places(field).is_some_and(|places| places.or_timestamp);
            let timestamp_ms = self.fields.record.timestamp_ms.filter(|time_ms| (0..=TIME_MAX_MS).contains(time_ms));
            return Ok(timestamp_ms.filter(|_| stands_in).map(|time_ms| (time_ms, time_ms)));
        };
        let Some(times) = &places.written[place].time else { return Ok(None) };
        let is_number = matches!(&value, Value::Text(text) if text.parse::<f64>().is_ok());
        let reader = match &times.of_texts {
            Some(of_texts) if matches!(value, Value::Text(_)) && !is_number => of_texts,
            _ => &times.reader,
        };
        let reason = match value {
            Value::Bool(_) | Value::Bytes | Value::Array | Value::Object => Reason::BadType,
            _ => Reason::BadTime,
        };
        let read = reader.read(&value).map_err(|what| at(reason, field.name(), &places.field.origins[place], what))?;
        Ok(Some((read.time.0, read.order_time.0)))
    }
}

/// The start of a text, of at most so many bytes.
fn cut(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text;
    }
    let end = text.floor_char_boundary(max);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

/// Blanks in place of control characters, which would break lines of what is written later.
fn without_controls(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return text;
    }
    Cow::Owned(text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect())
}
