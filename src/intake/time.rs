//! Times as sources write them, in whole milliseconds since 1970.
//!
//! Absent: the machine's time zone. A time without a zone is UTC.

use super::TIME_MAX_MS;
use super::reject::shortened;
use super::value::{LogicalTime, Value};
use crate::event::EventTime;
use serde::{Deserialize, Serialize};

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum TimeUnit {
    /// Seconds since 1970; may have a fraction.
    #[serde(rename = "s")]
    S,
    /// Milliseconds since 1970.
    #[serde(rename = "ms")]
    Ms,
    /// Microseconds since 1970; what is below a millisecond is cut.
    #[serde(rename = "us")]
    Us,
    /// ISO 8601 / RFC 3339; without a zone UTC.
    #[serde(rename = "iso8601")]
    Iso8601,
}

/// How an event's time was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeForm {
    /// It is the record's timestamp.
    Timestamp,
    /// In the unit that the mapping says.
    Unit(TimeUnit),
    /// In the unit that its schema says.
    Logical(LogicalTime),
}

impl TimeUnit {
    /// The name used in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Iso8601 => "iso8601",
        }
    }

    /// The time that `value` says, and how it was written: a value with a unit of its own is read in that.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(self, value: &Value<'_>) -> Result<(EventTime, TimeForm), String> {
        if let Value::Time(number, logical) = value {
            let time_ms = logical.whole_ms(*number);
            if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&time_ms) {
                let name = logical.name();
                return Err(format!(
                    "{number} lies beyond the year 9999 in {name}, as its schema says; mend the schema"
                ));
            }
            return Ok((EventTime(time_ms), TimeForm::Logical(*logical)));
        }
        let time_ms = match value {
            Value::Text(text) => self.text_ms(text),
            Value::Signed(number) => self.whole_ms(*number),
            Value::Unsigned(number) => i64::try_from(*number).ok().and_then(|number| self.whole_ms(number)),
            Value::Float(number) => self.fraction_ms(*number),
            _ => None,
        };
        match time_ms {
            Some(time_ms) if (-TIME_MAX_MS..=TIME_MAX_MS).contains(&time_ms) => {
                Ok((EventTime(time_ms), TimeForm::Unit(self)))
            }
            Some(time_ms) => {
                Err(format!("{} lies beyond the year 9999 in {}{}", shown(value), self.name(), self.hint(time_ms)))
            }
            None => Err(format!("{} is no time in {}", shown(value), self.name())),
        }
    }

    fn whole_ms(self, number: i64) -> Option<i64> {
        match self {
            Self::S => Some(number.saturating_mul(1000)),
            Self::Ms => Some(number),
            Self::Us => Some(number.div_euclid(1000)),
            Self::Iso8601 => None,
        }
    }

    fn fraction_ms(self, number: f64) -> Option<i64> {
        let time_ms = match self {
            Self::S => number * 1000.0,
            Self::Ms => number,
            Self::Us => number / 1000.0,
            Self::Iso8601 => return None,
        };
        // Within ±2^53, so the conversion loses nothing.
        #[expect(clippy::cast_possible_truncation)]
        (time_ms.abs() < 9_007_199_254_740_992.0).then(|| time_ms.round() as i64)
    }

    fn text_ms(self, text: &str) -> Option<i64> {
        match self {
            Self::Iso8601 => iso8601_ms(text),
            _ => match text.parse::<i64>() {
                Ok(number) => self.whole_ms(number),
                Err(_) => text.parse::<f64>().ok().and_then(|number| self.fraction_ms(number)),
            },
        }
    }

    /// The unit in which the number read as `time_ms` would be a likely time, as the end of a message.
    pub(super) fn hint(self, time_ms: i64) -> String {
        const YEAR_2000_MS: i64 = 946_684_800_000;
        const YEAR_2100_MS: i64 = 4_102_444_800_000;
        let number = match self {
            Self::S => Some(time_ms / 1000),
            Self::Ms => Some(time_ms),
            Self::Us => time_ms.checked_mul(1000),
            Self::Iso8601 => None,
        };
        let likely = [Self::S, Self::Ms, Self::Us].into_iter().filter(|&unit| unit != self).find_map(|unit| {
            let time_ms = unit.whole_ms(number?)?;
            (YEAR_2000_MS..YEAR_2100_MS).contains(&time_ms).then_some((unit, time_ms))
        });
        likely.map_or_else(String::new, |(unit, time_ms)| {
            let unit = unit.name();
            format!("; in {unit} it would be {}: set unit = \"{unit}\"", written(EventTime(time_ms)))
        })
    }
}

fn iso8601_ms(text: &str) -> Option<i64> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_millisecond());
    }
    let local = text.parse::<jiff::civil::DateTime>().ok()?;
    jiff::tz::Offset::UTC.to_timestamp(local).ok().map(|instant| instant.as_millisecond())
}

/// A time for a message.
pub(super) fn written(time: EventTime) -> String {
    jiff::Timestamp::from_millisecond(time.0).map_or_else(|_| format!("{} ms", time.0), |instant| instant.to_string())
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => shortened(text),
        Value::Signed(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        other => other.kind().to_owned(),
    }
}
