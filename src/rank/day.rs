//! A day, as lists print it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Days since 1970-01-01, printed as `2024-05-01`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u16);

impl Day {
    /// As it is printed, in ASCII.
    #[must_use]
    pub fn text(self) -> [u8; 10] {
        let (year, month, day) = self.civil();
        let digit = |number: u32, unit: u32| b'0' + (number / unit % 10).to_le_bytes()[0];
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
    fn civil(self) -> (u32, u32, u32) {
        // Civil date of a day number, in years that start in March (Hinnant, "chrono-Compatible Low-Level Date
        // Algorithms", 2013), for days from 1970 on.
        let shifted = u32::from(self.0) + 719_468; // days since 0000-03-01
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + u32::from(month <= 2);
        (year, month, day)
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
