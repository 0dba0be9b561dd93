//! A day, as lists print it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Days since 1970-01-01, printed as `2024-05-01`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u16);

impl Day {
    /// As it is printed, in ASCII.
    #[must_use]
    pub fn text(self) -> [u8; 10] {
        let (year, month, day) = self.civil();
        let digit = |number: u16, unit: u16| b'0' + (number / unit % 10).to_le_bytes()[0];
        [
            digit(year, 1000),
            digit(year, 100),
            digit(year, 10),
            digit(year, 1),
            b'-',
            digit(month, 10),
            digit(month, 1),
            b'-',
            digit(day, 10),
            digit(day, 1),
        ]
    }

    /// Year, month and day of the month.
    fn civil(self) -> (u16, u16, u16) {
        let midnight = jiff::Timestamp::from_second(i64::from(self.0) * DAY_SECONDS).unwrap_or_default(); // the year 2149 is no problem to jiff
        let date = jiff::tz::Offset::UTC.to_datetime(midnight).date();
        (date.year().unsigned_abs(), date.month().unsigned_abs().into(), date.day().unsigned_abs().into())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let date: jiff::civil::Date = text.parse()?;
        let days = (date - jiff::civil::date(1970, 1, 1)).get_days();
        Ok(Self(u16::try_from(days.max(0)).unwrap_or(u16::MAX)))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_prints_as_the_calendar_says_and_reads_back() {
        let mut date = jiff::civil::date(1970, 1, 1);
        for day in 0..=u16::MAX {
            assert_eq!(Day(day).to_string(), date.to_string());
            assert_eq!(Day(day).text(), *date.to_string().as_bytes());
            date = date.tomorrow().unwrap();
        }
        for day in [0, 59, 19_844, u16::MAX] {
            assert_eq!(Day(day).to_string().parse::<Day>().unwrap(), Day(day));
        }
        assert!("soon".parse::<Day>().is_err());
    }
}
