//! A day, as lists print it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Days since 1970-01-01, printed as `2024-05-01`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u16);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(i64::from(self.0) * DAY_SECONDS) {
            Ok(midnight) => jiff::tz::Offset::UTC.to_datetime(midnight).date().fmt(f),
            Err(_) => Err(fmt::Error), // the year 2149 is no problem to jiff
        }
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
            date = date.tomorrow().unwrap();
        }
        for day in [0, 59, 19_844, u16::MAX] {
            assert_eq!(Day(day).to_string().parse::<Day>().unwrap(), Day(day));
        }
        assert!("soon".parse::<Day>().is_err());
    }
}
