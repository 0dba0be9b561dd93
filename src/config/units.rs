//! Values as people write them: "30m", "256MiB", 0.05, "off", "2000-01-01". Each parses and prints, and what it prints
//! parses to the same value.
//!
//! Absent: limits. What a value may be is for `check`.

use crate::event::EventTime;
use crate::relation::Kind;
use crate::rules::FillStep;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Units of time, longest first, in ms.
const TIME_UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Units of bytes, largest first. The decimal ones are understood, the binary ones printed.
const BYTE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// A value of a TOML file before it is known what it should be: so that a wrong kind gets a message of ours.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or a text")]
pub(super) enum Scalar {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Float(value) => write!(formatter, "{value}"),
            Self::Text(value) => write!(formatter, "{value:?}"),
        }
    }
}

/// A length of time in ms, written with units: "500ms", "30m", "1d12h".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Scalar", into = "String")]
pub(super) struct Duration(pub(super) i64);

impl Duration {
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut total: i64 = 0;
        let mut longest: Option<i64> = None; // of the units that may still follow: they go down
        while !rest.is_empty() {
            let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
            let count: i64 = rest[..digits].parse().ok()?;
            rest = rest[digits..].trim_start();
            let letters = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (_, unit) = TIME_UNITS.into_iter().find(|(name, _)| *name == &rest[..letters])?;
            if longest.is_some_and(|longest| unit >= longest) {
                return None;
            }
            longest = Some(unit);
            total = total.checked_add(count.checked_mul(unit)?)?;
            rest = rest[letters..].trim_start();
        }
        longest.map(|_| Self(total))
    }
}

impl TryFrom<Scalar> for Duration {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        let parsed = if let Scalar::Text(text) = &scalar { Self::parse(text) } else { None };
        parsed.ok_or_else(|| {
            format!("{scalar} is not a length of time; write a whole number with ms, s, m, h or d, as in \"30m\"")
        })
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return formatter.write_str("0s");
        }
        let exact = TIME_UNITS.into_iter().find(|(_, unit)| self.0 % unit == 0);
        let (name, unit) = exact.unwrap_or(("ms", 1));
        write!(formatter, "{}{name}", self.0 / unit)
    }
}

/// A duration, or "off".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Scalar", into = "String")]
pub(super) struct Bound(pub(super) Option<Duration>);

impl TryFrom<Scalar> for Bound {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        match scalar {
            Scalar::Text(text) if text == "off" => Ok(Self(None)),
            scalar => Duration::try_from(scalar)
                .map(|duration| Self(Some(duration)))
                .map_err(|what| format!("{what}, or \"off\"")),
        }
    }
}

impl From<Bound> for String {
    fn from(bound: Bound) -> Self {
        bound.0.map_or_else(|| "off".to_owned(), |duration| duration.to_string())
    }
}

/// A number of bytes, written with units: "256MiB".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Scalar", into = "String")]
pub(super) struct Bytes(pub(super) u64);

impl Bytes {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
        let count: u64 = text[..digits].parse().ok()?;
        let name = text[digits..].trim_start();
        let (_, unit) = BYTE_UNITS.into_iter().find(|(known, _)| *known == name)?;
        count.checked_mul(unit).map(Self)
    }
}

impl TryFrom<Scalar> for Bytes {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        let parsed = if let Scalar::Text(text) = &scalar { Self::parse(text) } else { None };
        parsed.ok_or_else(|| {
            format!("{scalar} is not a number of bytes; write a whole number with B, KiB, MiB or GiB, as in \"256MiB\"")
        })
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.to_string()
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = BYTE_UNITS
            .into_iter()
            .find(|(name, unit)| name.ends_with("iB") && self.0 != 0 && self.0.is_multiple_of(*unit));
        let (name, unit) = exact.unwrap_or(("B", 1));
        write!(formatter, "{}{name}", self.0 / unit)
    }
}

/// A number from 0 with at most `PLACES` decimals, held as a whole number of 10^-`PLACES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Scalar", into = "f64")]
pub(super) struct Decimal<const PLACES: u32>(pub(super) u32);

impl<const PLACES: u32> Decimal<PLACES> {
    /// From decimal digits, so that nothing is rounded.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let places = usize::try_from(PLACES).ok()?;
        let digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > places || !digits {
            return None;
        }
        format!("{whole}{fraction:0<places$}").parse().ok().map(Self)
    }
}

impl<const PLACES: u32> TryFrom<Scalar> for Decimal<PLACES> {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        let parsed = match &scalar {
            Scalar::Integer(_) | Scalar::Float(_) => Self::parse(&scalar.to_string()),
            Scalar::Text(_) => None,
        };
        parsed.ok_or_else(|| format!("{scalar} is not a number from 0 with at most {PLACES} decimals"))
    }
}

impl<const PLACES: u32> From<Decimal<PLACES>> for f64 {
    fn from(decimal: Decimal<PLACES>) -> Self {
        Self::from(decimal.0) / Self::from(10_u32.pow(PLACES))
    }
}

impl<const PLACES: u32> fmt::Display for Decimal<PLACES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", f64::from(*self))
    }
}

/// A threshold, or "off".
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Scalar", into = "ThresholdText")]
pub(super) struct Threshold(pub(super) Option<f64>);

/// How a [`Threshold`] is written.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ThresholdText {
    Number(f64),
    Off(&'static str),
}

impl TryFrom<Scalar> for Threshold {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        match scalar {
            Scalar::Text(text) if text == "off" => Ok(Self(None)),
            Scalar::Float(number) => Ok(Self(Some(number))),
            // Thresholds are small: what an i32 cannot hold is no threshold.
            Scalar::Integer(number) if i32::try_from(number).is_ok() => {
                Ok(Self(i32::try_from(number).ok().map(f64::from)))
            }
            other => Err(format!("{other} is neither a number nor \"off\"")),
        }
    }
}

impl From<Threshold> for ThresholdText {
    fn from(threshold: Threshold) -> Self {
        threshold.0.map_or(Self::Off("off"), Self::Number)
    }
}

/// Relations that a shop keeps by hand: an array, or a text with commas in between, as variables and flags have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NamesText", into = "Vec<Kind>")]
pub(super) struct Kinds(pub(super) Vec<Kind>);

/// How [`Kinds`] are written.
#[derive(Deserialize)]
#[serde(untagged, expecting = "an array of names, or a text with commas in between")]
pub(super) enum NamesText {
    Text(String),
    Array(Vec<String>),
}

impl NamesText {
    pub(super) fn names(self) -> Vec<String> {
        match self {
            Self::Array(names) => names,
            Self::Text(text) => {
                text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
            }
        }
    }
}

impl TryFrom<NamesText> for Kinds {
    type Error = String;

    fn try_from(written: NamesText) -> Result<Self, String> {
        let mut kinds = Vec::new();
        for name in written.names() {
            let known = Kind::SHOWN.into_iter().find(|kind| kind.name() == name);
            let kind = known.ok_or_else(|| {
                format!("{name:?} is no relation that a list shows: {}", Kind::SHOWN.map(Kind::name).join(", "))
            })?;
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Ok(Self(kinds))
    }
}

impl From<Kinds> for Vec<Kind> {
    fn from(kinds: Kinds) -> Self {
        kinds.0
    }
}

/// What fills a list, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NamesText", into = "Vec<FillStep>")]
pub(super) struct Fill(pub(super) Vec<FillStep>);

impl TryFrom<NamesText> for Fill {
    type Error = String;

    fn try_from(written: NamesText) -> Result<Self, String> {
        let mut steps = Vec::new();
        for name in written.names() {
            let known = FillStep::ALL.into_iter().find(|step| step.name() == name);
            let step = known
                .ok_or_else(|| format!("{name:?} fills no list: {}", FillStep::ALL.map(FillStep::name).join(", ")))?;
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        Ok(Self(steps))
    }
}

impl From<Fill> for Vec<FillStep> {
    fn from(fill: Fill) -> Self {
        fill.0
    }
}

/// A moment, written as ISO 8601: "2000-01-01" or "2000-01-01T00:00:00Z".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Scalar", into = "String")]
pub(super) struct Moment(pub(super) EventTime);

impl Moment {
    fn parse(text: &str) -> Option<Self> {
        let with_time = if text.contains(['T', 't']) { text.to_owned() } else { format!("{text}T00:00:00Z") };
        let timestamp: jiff::Timestamp = with_time.parse().ok()?;
        Some(Self(EventTime(timestamp.as_millisecond())))
    }
}

impl TryFrom<Scalar> for Moment {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        let parsed = if let Scalar::Text(text) = &scalar { Self::parse(text) } else { None };
        parsed
            .ok_or_else(|| format!("{scalar} is not a moment; write it as \"2000-01-01\" or \"2000-01-01T00:00:00Z\""))
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0.0) {
            Ok(timestamp) => write!(formatter, "{timestamp}"),
            Err(_) => write!(formatter, "{} ms", self.0.0), // outside the years -9999 to 9999: never parsed from a text
        }
    }
}

/// A text that must never be shown: printed as "***" when there is one.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub(super) struct SecretText(pub(super) String);

impl TryFrom<Scalar> for SecretText {
    type Error = &'static str;

    fn try_from(scalar: Scalar) -> Result<Self, Self::Error> {
        match scalar {
            Scalar::Text(text) => Ok(Self(text)),
            _ => Err("a secret is a text in quotes"), // what was written stays unsaid
        }
    }
}

impl fmt::Display for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "" } else { "***" })
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> Scalar {
        Scalar::Text(value.to_owned())
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (written, ms) in [
            ("500ms", 500),
            ("30m", 1_800_000),
            ("24h", 86_400_000),
            ("180d", 15_552_000_000),
            ("1d12h", 129_600_000),
            (" 1 h 30 m ", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(Duration::try_from(text(written)), Ok(Duration(ms)), "{written}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for written in ["", "30", "m", "-5m", "1.5h", "30 minutes", "1m1h", "1h1h", "99999999999999999d", "5M", "é"] {
            let refusal = Duration::try_from(text(written)).unwrap_err();
            assert!(refusal.contains("as in \"30m\""), "{written}: {refusal}");
        }
        assert!(Duration::try_from(Scalar::Integer(30)).unwrap_err().starts_with("30 is not a length of time"));
    }

    #[test]
    fn bytes_are_read_as_people_write_them() {
        for (written, bytes) in
            [("256MiB", 268_435_456), ("1kB", 1000), ("64 KiB", 65_536), ("12B", 12), ("2GB", 2_000_000_000)]
        {
            assert_eq!(Bytes::try_from(text(written)), Ok(Bytes(bytes)), "{written}");
        }
        for written in ["", "256", "MiB", "-1B", "1.5GiB", "256mib", "99999999999GiB"] {
            assert!(Bytes::try_from(text(written)).is_err(), "{written}");
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(Decimal::<6>::try_from(Scalar::Float(0.05)), Ok(Decimal(50_000)));
        assert_eq!(Decimal::<3>::try_from(Scalar::Integer(1)), Ok(Decimal(1000)));
        for wrong in
            [Scalar::Float(0.0001), Scalar::Float(-1.0), Scalar::Float(f64::NAN), Scalar::Float(1e30), text("1")]
        {
            assert!(Decimal::<3>::try_from(wrong).is_err());
        }
    }

    #[test]
    fn a_threshold_is_a_number_or_off() {
        assert_eq!(Threshold::try_from(text("off")), Ok(Threshold(None)));
        assert_eq!(Threshold::try_from(Scalar::Float(2.5)), Ok(Threshold(Some(2.5))));
        assert_eq!(Threshold::try_from(Scalar::Integer(2)), Ok(Threshold(Some(2.0))));
        assert!(Threshold::try_from(text("none")).is_err());
        assert!(Threshold::try_from(Scalar::Integer(i64::MAX)).is_err());
    }

    #[test]
    fn a_moment_is_a_day_or_a_time() {
        let expected = Moment(EventTime(946_684_800_000));
        assert_eq!(Moment::try_from(text("2000-01-01")), Ok(expected));
        assert_eq!(Moment::try_from(text("2000-01-01T01:00:00+01:00")), Ok(expected));
        assert!(Moment::try_from(text("01-01-2000")).is_err());
        assert!(Moment::try_from(Scalar::Integer(946_684_800)).is_err());
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = SecretText("deadbeef".to_owned());
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert!(!SecretText::try_from(Scalar::Integer(123_456)).unwrap_err().contains("123"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(ms in 0..=i64::MAX, bytes: u64, digits: u32, day_ms in 0..4_000_000_000_000_i64) {
            prop_assert_eq!(Duration::try_from(text(&Duration(ms).to_string())), Ok(Duration(ms)));
            prop_assert_eq!(Bytes::try_from(text(&Bytes(bytes).to_string())), Ok(Bytes(bytes)));
            prop_assert_eq!(Decimal::<6>::try_from(Scalar::Float(Decimal::<6>(digits).into())), Ok(Decimal(digits)));
            let moment = Moment(EventTime(day_ms));
            prop_assert_eq!(Moment::try_from(text(&moment.to_string())), Ok(moment));
        }

        #[test]
        fn any_text_is_read_or_refused(written in ".*") {
            let _ = (Duration::try_from(text(&written)), Bytes::try_from(text(&written)), Moment::try_from(text(&written)));
        }
    }
}
