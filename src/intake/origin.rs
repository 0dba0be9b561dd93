//! The settings' form of a place where a value is looked for, and of how a time is written there.
//!
//! Invariants: what is written out is read back as the same; a place names exactly one origin.
//! Absent: whether pointers, zones and patterns are good (see `mapping`).

use super::spec::Written;
use super::time::TimeUnit;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Where one value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written<OriginTable>", into = "Written<OriginTable>")]
pub enum OriginSpec {
    /// A field of the record's value, by JSON pointer.
    Field(String),
    /// A field of the record's key, by JSON pointer; empty: the whole key as text, or of Avro its one value.
    Key(String),
    /// A header, by name.
    Header(String),
    /// The topic's name.
    Topic,
    /// Always this.
    Constant(String),
    /// One of these, cleaned.
    Cleaned(Box<OriginSpec>, CleanSpec),
}

/// What becomes of a value before it is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanSpec {
    /// Texts, and numbers written like them, that stand for nothing: a fallback is due.
    pub missing: Vec<WrittenScalar>,
    /// Whether blanks around a text are cut off, before all else.
    pub trim: bool,
}

/// A text, a number, or true or false, as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct WrittenScalar(pub String);

/// Where the event time comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written<OriginTable>", into = "Written<OriginTable>")]
pub enum TimeOriginSpec {
    /// A value, written like this.
    Read(OriginSpec, TimeSpec),
    /// The record's own timestamp.
    RecordTimestamp,
}

/// How a time is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeSpec {
    /// In which unit, where no pattern is given.
    pub unit: TimeUnit,
    /// By which pattern.
    pub format: Option<String>,
    /// The zone of times that name none: its IANA name. `None` is UTC.
    pub zone: Option<String>,
    /// When an order counts of which only the day is known.
    pub day: Day,
}

/// Which end of its day stands for a day. Views and carts always count at its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Its last millisecond: whatever was viewed on the day came before the order.
    #[default]
    End,
    /// Its first.
    Start,
}

/// A table that names an origin. From `record` to `day` it is for times only, what is behind is for facts only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct OriginTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    constant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<WrittenScalar>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trim: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<BTreeMap<String, WrittenScalar>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    separator: Option<String>,
}

/// A place of a fact's field, and how what stands there is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written<OriginTable>", into = "Written<OriginTable>")]
pub struct FactOriginSpec {
    /// Where; of a time, how it is written there.
    pub origin: TimeOriginSpec,
    /// Whether it is said how a time is written.
    pub has_time: bool,
    /// What words mean: what is written, and what it stands for. Empty: they are ours.
    pub values: BTreeMap<String, WrittenScalar>,
    /// How a number is written: `1.234,56`, as an example.
    pub number: Option<String>,
    /// What separates the levels of a category, or the parts of a bundle, that stand in one text.
    pub separator: Option<String>,
}

/// Most values that stand for nothing, of one place.
pub const MISSING_MAX: usize = 256;

const ORIGIN_EXPECTED: &str = "expected a JSON pointer such as \"/user\", or a table with exactly one of field, key, \
                               header, topic = true, constant";

impl OriginSpec {
    /// The pointer into the record's value, if that is where it is looked for.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        match self.plain() {
            Self::Field(pointer) => Some(pointer),
            _ => None,
        }
    }

    /// The origin without its cleaning.
    #[must_use]
    pub fn plain(&self) -> &Self {
        match self {
            Self::Cleaned(origin, _) => origin.plain(),
            origin => origin,
        }
    }
}

impl OriginTable {
    fn origin(self) -> Result<OriginSpec, String> {
        if self.values.is_some() || self.number.is_some() || self.separator.is_some() {
            return Err(
                "values, number and separator are for facts only; what else a value takes is for transform".to_owned()
            );
        }
        let topic = match self.topic {
            Some(false) => return Err("topic can only be true".to_owned()),
            topic => topic.map(|_| OriginSpec::Topic),
        };
        let named = [
            self.field.map(OriginSpec::Field),
            self.key.map(OriginSpec::Key),
            self.header.map(OriginSpec::Header),
            topic,
            self.constant.map(OriginSpec::Constant),
        ];
        let mut named = named.into_iter().flatten();
        let (Some(origin), None) = (named.next(), named.next()) else { return Err(ORIGIN_EXPECTED.to_owned()) };
        let clean = CleanSpec { missing: self.missing.unwrap_or_default(), trim: self.trim.unwrap_or_default() };
        if clean == CleanSpec::default() {
            return Ok(origin);
        }
        if matches!(origin, OriginSpec::Constant(_)) {
            return Err("a constant is what it is: missing and trim are for what is read".to_owned());
        }
        if clean.missing.len() > MISSING_MAX {
            return Err(format!("{} values of missing, at most {MISSING_MAX} are allowed", clean.missing.len()));
        }
        Ok(OriginSpec::Cleaned(Box::new(origin), clean))
    }

    /// Takes what is said of a time, if anything is.
    fn take_time(&mut self) -> Result<Option<TimeSpec>, String> {
        let (unit, format) = (self.unit.take(), self.format.take());
        let (zone, day) = (self.zone.take(), self.day.take());
        if unit.is_none() && format.is_none() && zone.is_none() && day.is_none() {
            return Ok(None);
        }
        let unit = match (unit, &format) {
            (Some(_), Some(_)) => return Err("unit and format are two ways to say the same: set one".to_owned()),
            (Some(unit), None) => TimeUnit::named(&unit)?,
            (None, Some(_)) => TimeUnit::Iso8601, // what it would be without the pattern
            // Only a time that is written out can lack its zone.
            (None, None) if zone.is_some() => TimeUnit::Iso8601,
            (None, None) => TimeUnit::default(),
        };
        Ok(Some(TimeSpec { unit, format, zone, day: day.unwrap_or_default() }))
    }
}

impl From<OriginSpec> for OriginTable {
    fn from(origin: OriginSpec) -> Self {
        let none = Self::default();
        match origin {
            OriginSpec::Field(pointer) => Self { field: Some(pointer), ..none },
            OriginSpec::Key(pointer) => Self { key: Some(pointer), ..none },
            OriginSpec::Header(name) => Self { header: Some(name), ..none },
            OriginSpec::Topic => Self { topic: Some(true), ..none },
            OriginSpec::Constant(text) => Self { constant: Some(text), ..none },
            OriginSpec::Cleaned(origin, CleanSpec { missing, trim }) => {
                let missing = Some(missing).filter(|missing| !missing.is_empty());
                Self { missing, trim: trim.then_some(true), ..Self::from(*origin) }
            }
        }
    }
}

impl TryFrom<Written<OriginTable>> for OriginSpec {
    type Error = String;

    fn try_from(written: Written<OriginTable>) -> Result<Self, String> {
        match written {
            Written::Text(pointer) => Ok(Self::Field(pointer)),
            Written::Table(mut table) => {
                if table.record.is_some() || table.take_time()?.is_some() {
                    return Err("record, unit, format, zone and day are for the time only".to_owned());
                }
                table.origin()
            }
        }
    }
}

impl From<OriginSpec> for Written<OriginTable> {
    fn from(origin: OriginSpec) -> Self {
        match origin {
            OriginSpec::Field(pointer) => Self::Text(pointer),
            other => Self::Table(other.into()),
        }
    }
}

impl TryFrom<Written<OriginTable>> for TimeOriginSpec {
    type Error = String;

    fn try_from(written: Written<OriginTable>) -> Result<Self, String> {
        let mut table = match written {
            Written::Text(pointer) => return Ok(Self::Read(OriginSpec::Field(pointer), TimeSpec::default())),
            Written::Table(table) => table,
        };
        let (record, time) = (table.record.take(), table.take_time()?);
        match record.as_deref() {
            None => Ok(Self::Read(table.origin()?, time.unwrap_or_default())),
            Some("timestamp") if time.is_none() && table == OriginTable::default() => Ok(Self::RecordTimestamp),
            Some(_) => Err("of the record the time can only be { record = \"timestamp\" }, without more".to_owned()),
        }
    }
}

impl From<TimeOriginSpec> for Written<OriginTable> {
    fn from(origin: TimeOriginSpec) -> Self {
        Self::Table(match origin {
            TimeOriginSpec::Read(origin, TimeSpec { unit, format, zone, day }) => OriginTable {
                unit: format.is_none().then(|| unit.name().to_owned()),
                format,
                zone,
                day: Some(day).filter(|day| *day != Day::default()),
                ..origin.into()
            },
            TimeOriginSpec::RecordTimestamp => {
                OriginTable { record: Some("timestamp".to_owned()), ..OriginTable::default() }
            }
        })
    }
}

impl FactOriginSpec {
    /// A field of the record's value.
    #[must_use]
    pub fn field(pointer: &str) -> Self {
        Self::plain(TimeOriginSpec::Read(OriginSpec::Field(pointer.to_owned()), TimeSpec::default()))
    }

    /// A place, read as it is.
    #[must_use]
    pub fn plain(origin: TimeOriginSpec) -> Self {
        Self { origin, has_time: false, values: BTreeMap::new(), number: None, separator: None }
    }
}

impl TryFrom<Written<OriginTable>> for FactOriginSpec {
    type Error = String;

    fn try_from(written: Written<OriginTable>) -> Result<Self, String> {
        let mut table = match written {
            Written::Text(pointer) => return Ok(Self::field(&pointer)),
            Written::Table(table) => table,
        };
        let (values, number, separator) = (table.values.take(), table.number.take(), table.separator.take());
        if values.as_ref().is_some_and(BTreeMap::is_empty) || separator.as_ref().is_some_and(String::is_empty) {
            return Err("values and separator must not be empty: leave them out".to_owned());
        }
        let has_time =
            [&table.unit, &table.format, &table.zone].into_iter().any(Option::is_some) || table.day.is_some();
        let origin = TimeOriginSpec::try_from(Written::Table(table))?;
        Ok(Self { origin, has_time, values: values.unwrap_or_default(), number, separator })
    }
}

impl From<FactOriginSpec> for Written<OriginTable> {
    fn from(spec: FactOriginSpec) -> Self {
        let FactOriginSpec { origin, has_time, values, number, separator } = spec;
        let values = Some(values).filter(|values| !values.is_empty());
        let mut table = match (origin, has_time) {
            (TimeOriginSpec::Read(OriginSpec::Field(pointer), _), false)
                if values.is_none() && number.is_none() && separator.is_none() =>
            {
                return Self::Text(pointer);
            }
            (TimeOriginSpec::Read(origin, _), false) => OriginTable::from(origin),
            (origin, _) => match Self::from(origin) {
                Self::Table(table) => table,
                text => return text, // never: a time is a table
            },
        };
        (table.values, table.number, table.separator) = (values, number, separator);
        Self::Table(table)
    }
}

impl<'de> Deserialize<'de> for WrittenScalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = WrittenScalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<WrittenScalar, E> {
        Ok(WrittenScalar(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<WrittenScalar, E> {
        Ok(WrittenScalar(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<WrittenScalar, E> {
        Ok(WrittenScalar(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<WrittenScalar, E> {
        Ok(WrittenScalar(number.to_string()))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<WrittenScalar, E> {
        Ok(WrittenScalar(truth.to_string()))
    }
}
