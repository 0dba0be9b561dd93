//! Times as sources write them, in whole milliseconds since 1970.
//!
//! Invariants: zones come from the table that is built in, so the same bytes give the same times on every machine. A local
//! time that a clock put forward skips is read as if the clock had not been put; one that a clock put back shows twice is the
//! first of the two (RFC 5545, section 3.3.5).
//! Absent: the machine's time zone. A time without a zone is UTC, unless the mapping names one.

use super::TIME_MAX_MS;
use super::origin::{Day, TimeSpec};
use super::pattern::{self, Parsed, Pattern};
use super::reject::shortened;
use super::value::{LogicalTime, Value};
use crate::event::EventTime;
use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// The zones that are built in.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

static PARSER: DateTimeParser = DateTimeParser::new();

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How a time is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds since 1970; may have a fraction.
    S,
    /// Milliseconds since 1970.
    #[default]
    Ms,
    /// Microseconds since 1970; what is below a millisecond is cut.
    Us,
    /// Nanoseconds since 1970; the same.
    Ns,
    /// Days since 1970; a whole number is a day, not its first moment.
    Days,
    /// ISO 8601 / RFC 3339 / RFC 9557; without a zone in that of the mapping, or UTC.
    Iso8601,
}

/// How an event's time was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeForm {
    /// It is the record's timestamp.
    Timestamp,
    /// In the unit that the mapping says.
    Unit(TimeUnit),
    /// By the pattern that the mapping says.
    Pattern,
    /// In the unit that its schema says.
    Logical(LogicalTime),
    /// Not at all: an erasure needs no time.
    Nowhere,
}

/// The time of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadTime {
    /// Of a day, its start.
    pub time: EventTime,
    /// When an order of that time counts: where it says a day only, as the mapping says, at its end.
    pub order_time: EventTime,
    pub form: TimeForm,
}

/// What reads the times of one place.
#[derive(Clone, Debug)]
pub(super) struct TimeReader {
    unit: TimeUnit,
    pattern: Option<Pattern>,
    zone: TimeZone,
    day: Day,
}

/// What a value says: a moment, or a day.
enum Said {
    Ms(i64),
    Local(DateTime),
    Day(Date),
}

impl TimeUnit {
    const ALL: [Self; 6] = [Self::S, Self::Ms, Self::Us, Self::Ns, Self::Days, Self::Iso8601];

    /// The name used in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
            Self::Days => "days",
            Self::Iso8601 => "iso8601",
        }
    }

    /// The unit of that name.
    ///
    /// # Errors
    /// What to write instead.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|unit| unit.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            let pattern = Pattern::compile(name).map(|_| format!("; a pattern is a format: format = \"{name}\""));
            let more = pattern.unwrap_or_else(|_| "; another form is read by format = \"dd-mm-yyyy HH:MM\"".to_owned());
            format!("unit \"{name}\" is none of {known}{more}")
        })
    }

    fn whole_ms(self, number: i64) -> Option<i64> {
        match self {
            Self::S => Some(number.saturating_mul(1000)),
            Self::Ms => Some(number),
            Self::Us => Some(number.div_euclid(1000)),
            Self::Ns => Some(number.div_euclid(1_000_000)),
            Self::Days => Some(number.saturating_mul(DAY_MS)),
            Self::Iso8601 => None,
        }
    }

    fn fraction_ms(self, number: f64) -> Option<i64> {
        let time_ms = match self {
            Self::S => number * 1000.0,
            Self::Ms => number,
            Self::Us => number / 1000.0,
            Self::Ns => number / 1e6,
            Self::Days => number * DAY_MS as f64,
            Self::Iso8601 => return None,
        };
        // Within ±2^53, so the conversion loses nothing.
        #[expect(clippy::cast_possible_truncation)]
        (time_ms.abs() < 9_007_199_254_740_992.0).then(|| time_ms.round() as i64)
    }

    fn of_number(self, number: f64) -> Option<i64> {
        self.fraction_ms(number).filter(|time_ms| LIKELY_MS.contains(time_ms))
    }

    /// The setting by which the number that was read as `time_ms` would be a likely time, as the end of a message.
    pub(super) fn hint(self, time_ms: i64) -> String {
        let time_ms = time_ms as f64;
        let number = match self {
            Self::S => time_ms / 1000.0,
            Self::Ms => time_ms,
            Self::Us => time_ms * 1000.0,
            Self::Ns => time_ms * 1e6,
            Self::Days => time_ms / DAY_MS as f64,
            Self::Iso8601 => return String::new(),
        };
        number_hint(Some(self), number)
    }
}

/// 2000 to 2100.
const LIKELY_MS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

/// The setting by which a number would be a likely time, as the end of a message.
fn number_hint(read_as: Option<TimeUnit>, number: f64) -> String {
    let set = |time_ms, what: &str, setting: String| {
        format!("; {what} it would be {}: set {setting}", written(EventTime(time_ms)))
    };
    let units = [TimeUnit::S, TimeUnit::Ms, TimeUnit::Us, TimeUnit::Ns].into_iter();
    let by_unit = |unit: TimeUnit| {
        let name = unit.name();
        Some(set(unit.of_number(number)?, &format!("in {name}"), format!("unit = \"{name}\"")))
    };
    if let Some(hint) = units.filter(|&unit| read_as != Some(unit)).find_map(by_unit) {
        return hint;
    }
    if (2e7..2.1e7).contains(&number) && pattern::likely(&number.to_string()).is_some() {
        return "; it looks like a day: set format = \"yyyymmdd\"".to_owned();
    }
    // From 2000 to 2050; as days since 1970 it would lie beyond 2070.
    if (36_526.0..54_789.0).contains(&number) {
        return "; it looks like a date of Excel, which counts days from 1900: save dates as text, such as 2026-03-01"
            .to_owned();
    }
    Some(TimeUnit::Days).filter(|&days| read_as != Some(days)).and_then(by_unit).unwrap_or_default()
}

/// What would read a text that the setting does not, as the end of a message.
fn text_hint(text: &str) -> String {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return number_hint(None, number);
    }
    if matches!(iso8601(text), Ok(Some(_))) {
        return "; set unit = \"iso8601\", which reads it".to_owned();
    }
    match pattern::likely(text) {
        Some(pattern) if pattern.contains("dd/mm") => {
            let other = pattern.replace("dd/mm", "mm/dd");
            format!("; set format = \"{pattern}\", or \"{other}\" where the month comes first")
        }
        Some(pattern) => format!("; set format = \"{pattern}\", which reads it"),
        None => {
            "; iso8601 reads 2026-03-01T10:00:00Z and its like, format = \"dd-mm-yyyy HH:MM\" other forms".to_owned()
        }
    }
}

/// A time in ISO 8601, in ms since 1970.
pub(super) fn written_ms(value: &Value<'_>) -> Option<i64> {
    let spec = TimeSpec { unit: TimeUnit::Iso8601, ..TimeSpec::default() };
    Some(TimeReader::compile(&spec).ok()?.read(value).ok()?.time.0)
}

impl TimeReader {
    /// # Errors
    /// What is wrong with the zone or the pattern.
    pub fn compile(spec: &TimeSpec) -> Result<Self, String> {
        let zone = match &spec.zone {
            None => TimeZone::UTC,
            Some(_) if spec.format.is_none() && !matches!(spec.unit, TimeUnit::Iso8601 | TimeUnit::Days) => {
                return Err(format!(
                    "zone is for times that are written out; what is counted in {} since 1970 needs none: leave it out",
                    spec.unit.name()
                ));
            }
            Some(name) => ZONES.get(name).map_err(|_| {
                format!("zone \"{name}\" is not known; write an IANA name, such as \"Europe/Amsterdam\" or \"UTC\"")
            })?,
        };
        let pattern = spec.format.as_deref().map(Pattern::compile).transpose()?;
        Ok(Self { unit: spec.unit, pattern, zone, day: spec.day })
    }

    /// The time that `value` says, and how it was written: a value with a unit of its own is read in that.
    ///
    /// # Errors
    /// What is wrong with it, and what would read it.
    pub fn read(&self, value: &Value<'_>) -> Result<ReadTime, String> {
        if let Value::Time(number, logical) = value {
            let time_ms = logical.whole_ms(*number);
            if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&time_ms) {
                let name = logical.name();
                return Err(format!(
                    "{number} lies beyond the year 9999 in {name}, as its schema says; mend the schema"
                ));
            }
            let form = TimeForm::Logical(*logical);
            let day = (*logical == LogicalTime::Date).then(|| day_of(time_ms)).flatten();
            return Ok(match day.and_then(|day| self.of_day(day, form)) {
                Some(read) => read,
                None => ReadTime { time: EventTime(time_ms), order_time: EventTime(time_ms), form },
            });
        }
        let (form, name) = match &self.pattern {
            Some(pattern) => (TimeForm::Pattern, pattern.written.as_str()),
            None => (TimeForm::Unit(self.unit), self.unit.name()),
        };
        let said = self.said(value)?;
        let time_ms = match said {
            Some(Said::Ms(time_ms)) => Some(time_ms),
            Some(Said::Local(local)) => {
                self.zone.to_ambiguous_timestamp(local).compatible().ok().map(|t| t.as_millisecond())
            }
            Some(Said::Day(day)) => match self.of_day(day, form) {
                Some(read) => return Ok(read),
                None => None,
            },
            None => return Err(format!("{} is no time in {name}{}", shown(value), hint(value, self.unit))),
        };
        match time_ms {
            Some(time_ms) if (-TIME_MAX_MS..=TIME_MAX_MS).contains(&time_ms) => {
                Ok(ReadTime { time: EventTime(time_ms), order_time: EventTime(time_ms), form })
            }
            Some(_) => Err(format!("{} lies beyond the year 9999 in {name}{}", shown(value), hint(value, self.unit))),
            None => Err(format!(
                "{} lies at the end of the year 9999, which stands for never: map another field, or name it under missing",
                shown(value)
            )),
        }
    }

    fn said(&self, value: &Value<'_>) -> Result<Option<Said>, String> {
        let whole = |number: i64| match (self.unit, &self.pattern) {
            (_, Some(pattern)) => pattern.read(&number.to_string()).map(of_pattern),
            (TimeUnit::Days, None) => match number.checked_mul(DAY_MS).and_then(day_of) {
                Some(day) => Some(Said::Day(day)),
                None => Some(Said::Ms(number.saturating_mul(DAY_MS))),
            },
            (unit, None) => unit.whole_ms(number).map(Said::Ms),
        };
        Ok(match (value, &self.pattern) {
            (Value::Text(text), Some(pattern)) => pattern.read(text).map(of_pattern),
            (Value::Text(text), None) if self.unit == TimeUnit::Iso8601 => {
                iso8601(text).map_err(|what| format!("{} {what}", shown(value)))?
            }
            (Value::Text(text), None) => match text.parse::<i64>() {
                Ok(number) => whole(number),
                Err(_) => text.parse::<f64>().ok().and_then(|number| self.unit.fraction_ms(number)).map(Said::Ms),
            },
            (Value::Signed(number), _) => whole(*number),
            (Value::Unsigned(number), _) => i64::try_from(*number).ok().and_then(whole),
            (Value::Float(number), None) => self.unit.fraction_ms(*number).map(Said::Ms),
            _ => None,
        })
    }

    /// The time of a day in the reader's zone; `None` at the end of all times.
    fn of_day(&self, day: Date, form: TimeForm) -> Option<ReadTime> {
        let start = |day: Date| Some(day.to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond());
        let time = EventTime(start(day)?);
        let order_time = match self.day {
            Day::Start => time,
            Day::End => EventTime(start(day.tomorrow().ok()?)?.saturating_sub(1)),
        };
        Some(ReadTime { time, order_time, form })
    }
}

fn of_pattern(parsed: Parsed) -> Said {
    match parsed {
        Parsed::Instant(time_ms) => Said::Ms(time_ms),
        Parsed::Local(local) => Said::Local(local),
        Parsed::Day(day) => Said::Day(day),
    }
}

fn day_of(time_ms: i64) -> Option<Date> {
    Some(jiff::Timestamp::from_millisecond(time_ms).ok()?.to_zoned(TimeZone::UTC).date())
}

/// What a text in ISO 8601 says; `None` when it is none.
fn iso8601(text: &str) -> Result<Option<Said>, &'static str> {
    if text.as_bytes().contains(&b'[')
        && let Ok(pieces) = PARSER.parse_pieces(text)
        && pieces.time_zone_annotation().is_some()
    {
        return match (PARSER.parse_zoned_with(&ZONES, text), pieces.to_time_zone_with(&ZONES)) {
            (Ok(zoned), _) => Ok(Some(Said::Ms(zoned.timestamp().as_millisecond()))),
            (Err(_), Ok(Some(_))) => Err(
                "names an offset that its zone does not have then: nobody can tell which is right, so mend its producer",
            ),
            _ => Err("names a zone that is not known; write an IANA name, such as [Europe/Amsterdam]"),
        };
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(Some(Said::Ms(instant.as_millisecond())));
    }
    let Ok(local) = text.parse::<DateTime>() else { return Ok(None) };
    let is_day = !text.as_bytes().iter().any(|byte| matches!(byte, b'T' | b't' | b' ' | b':'));
    Ok(Some(if is_day { Said::Day(local.date()) } else { Said::Local(local) }))
}

/// What would read `value`, as the end of a message.
fn hint(value: &Value<'_>, read_as: TimeUnit) -> String {
    match value {
        Value::Text(text) => text_hint(text),
        Value::Signed(number) => number_hint(Some(read_as), *number as f64),
        Value::Unsigned(number) => number_hint(Some(read_as), *number as f64),
        Value::Float(number) => number_hint(Some(read_as), *number),
        _ => String::new(),
    }
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
