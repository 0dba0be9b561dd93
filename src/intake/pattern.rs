//! Times by a pattern: as `strftime` writes it (`%d-%m-%Y %H:%M`), or by letters (`dd-mm-yyyy HH:MM`).
//!
//! Invariants: a pattern that compiles says a year, a month and a day, and reads what it writes itself. Letters mean
//! the same in both cases, so that Java's, Excel's and SQL's habits are all read; an `m` right behind the hours is a minute.
//! Absent: names of months in another language than English, which the library does not know.

use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::Offset;
use std::sync::LazyLock;

/// A pattern, ready for use.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// As in the settings, for messages.
    pub written: String,
    strftime: String,
    has_hours: bool,
}

/// What a pattern found in a text.
pub(super) enum Parsed {
    /// A point in time, in ms since 1970.
    Instant(i64),
    /// A time of a day, of an unknown zone.
    Local(jiff::civil::DateTime),
    /// A day.
    Day(jiff::civil::Date),
}

const LETTERS: &str = "write it with yyyy, mm, dd, HH, MM and SS, as in \"dd-mm-yyyy HH:MM\", or as strftime does, as in \
                       \"%d-%m-%Y %H:%M\"";

impl Pattern {
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn compile(written: &str) -> Result<Self, String> {
        let strftime = if written.contains('%') { written.to_owned() } else { of_letters(written)? };
        let pattern = |has_hours| Self { written: written.to_owned(), strftime: strftime.clone(), has_hours };
        // The 13th hour of the 28th day: neither can be taken for a month.
        let sample = jiff::civil::date(2031, 10, 28).at(13, 45, 59, 0);
        let unusable = |error: jiff::Error| format!("format \"{written}\" cannot be used: {error}; {LETTERS}");
        let sample = sample.to_zoned(Offset::constant(2).to_time_zone()).map_err(unusable)?;
        let text = strtime::format(&strftime, &sample).map_err(unusable)?;
        let read = BrokenDownTime::parse(&strftime, &text).map_err(unusable)?;
        let has_day = read.timestamp().is_some() || read.to_date().is_ok_and(|date| date == sample.date());
        if !has_day {
            return Err(format!("format \"{written}\" does not say year, month and day; {LETTERS}"));
        }
        Ok(pattern(read.hour().is_some() || read.timestamp().is_some()))
    }

    /// What it finds in `text`, if the text is written like it.
    pub fn read(&self, text: &str) -> Option<Parsed> {
        let read = BrokenDownTime::parse(&self.strftime, text).ok()?;
        if read.timestamp().is_some() || read.offset().is_some() {
            return read.to_timestamp().ok().map(|instant| Parsed::Instant(instant.as_millisecond()));
        }
        if self.has_hours { read.to_datetime().ok().map(Parsed::Local) } else { read.to_date().ok().map(Parsed::Day) }
    }
}

/// The pattern of letters as `strftime` writes it.
fn of_letters(pattern: &str) -> Result<String, String> {
    let unknown = |part: &str| format!("format \"{pattern}\": \"{part}\" means nothing; {LETTERS}");
    let is_half_day = pattern.split('\'').step_by(2).any(|part| part.contains(['a', 'A']));
    let mut strftime = String::new();
    let mut behind_hours = false;
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        if letter == '\'' {
            let (text, behind) = rest[1..].split_once('\'').ok_or_else(|| unknown(rest))?;
            strftime.push_str(text);
            rest = behind;
            continue;
        }
        let is_same = |other: &char| other.eq_ignore_ascii_case(&letter);
        let length = if letter.is_ascii_alphabetic() { rest.chars().take_while(is_same).count() } else { 1 };
        let (run, behind) = rest.split_at(length * letter.len_utf8());
        rest = behind;
        let directive = match (letter.to_ascii_lowercase(), length) {
            ('y', 4) => "%Y",
            ('y', 2) => "%y",
            ('m', 1 | 2) if behind_hours => "%M",
            ('m', 1 | 2) => "%m",
            ('m', 3) => "%b",
            ('m', 4) => "%B",
            ('d', 1 | 2) => "%d",
            ('d', 3) => "%a",
            ('d', 4) => "%A",
            ('h', 1 | 2) => {
                if is_half_day {
                    "%I"
                } else {
                    "%H"
                }
            }
            // Behind the seconds: their fraction, with the dot that has been written before it.
            ('s' | 'f', _) if strftime.ends_with("%S.") => {
                strftime.pop();
                "%.f"
            }
            ('s', 1 | 2) => "%S",
            ('a', _) => "%p",
            ('z' | 'x', 1..=3) => "%z",
            ('t', 1) => "T",
            (letter, _) if letter.is_ascii_alphabetic() => return Err(unknown(run)),
            _ => run,
        };
        strftime.push_str(directive);
        if letter.is_ascii_alphabetic() {
            behind_hours = letter.eq_ignore_ascii_case(&'h');
        }
    }
    Ok(strftime)
}

/// Patterns that texts are held against where the setting does not fit, the likeliest first.
const USUAL: [&str; 7] =
    ["dd-mm-yyyy", "dd/mm/yyyy", "mm/dd/yyyy", "dd.mm.yyyy", "yyyy/mm/dd", "yyyy.mm.dd", "yyyymmdd"];
const USUAL_TIMES: [&str; 6] = ["", " HH:MM", " HH:MM:SS", " HH:MM:SS.fff", " hh:mm a", " hh:mm:ss a"];
const USUAL_WHOLE: [&str; 4] = [
    "yyyy-mm-dd HH:MM:SS 'UTC'",
    "yyyy-mm-dd HH:MM:SS zzz",
    "ddd, dd mmm yyyy HH:MM:SS 'GMT'",
    "ddd, dd mmm yyyy HH:MM:SS zzz",
];

static LIKELY: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let by_parts = USUAL.iter().flat_map(|date| USUAL_TIMES.iter().map(move |time| format!("{date}{time}")));
    let all = by_parts.chain(USUAL_WHOLE.iter().map(|&whole| whole.to_owned()));
    all.filter_map(|written| Pattern::compile(&written).ok()).collect()
});

/// A pattern by which `text` would be a time, if it is one of the usual ones. For messages.
pub(super) fn likely(text: &str) -> Option<&'static str> {
    const TEXT_BYTES_MAX: usize = 64;
    let mut all = LIKELY.iter().filter(|_| text.len() <= TEXT_BYTES_MAX);
    all.find(|pattern| pattern.read(text).is_some()).map(|pattern| pattern.written.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_mean_what_people_who_write_them_mean() {
        for (letters, strftime) in [
            ("dd-mm-yyyy", "%d-%m-%Y"),
            ("dd-mm-yyyy HH:MM", "%d-%m-%Y %H:%M"),
            ("dd-MM-yyyy HH:mm:ss", "%d-%m-%Y %H:%M:%S"),
            ("DD/MM/YYYY hh:mm", "%d/%m/%Y %H:%M"),
            ("d.m.yy", "%d.%m.%y"),
            ("HH:mm dd/MM/yyyy", "%H:%M %d/%m/%Y"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "%Y-%m-%dT%H:%M:%S%.f%z"),
            ("mm/dd/yyyy hh:mm a", "%m/%d/%Y %I:%M %p"),
            ("dd mmm yyyy", "%d %b %Y"),
            ("yyyymmddHHMMSS", "%Y%m%d%H%M%S"),
            ("ddd, dd mmm yyyy HH:MM:SS 'at'", "%a, %d %b %Y %H:%M:%S at"),
        ] {
            assert_eq!(of_letters(letters).unwrap(), strftime, "{letters}");
            Pattern::compile(letters).unwrap();
        }
    }

    #[test]
    fn a_pattern_that_says_no_day_or_means_nothing_is_refused() {
        for (pattern, part) in [
            ("HH:MM", "does not say year, month and day"),
            ("mm-yyyy", "does not say year, month and day"),
            ("dd-mm-yyyy q", "\"q\" means nothing"),
            ("dd-mm-yyy", "\"yyy\" means nothing"),
            ("dd-mm-yyyy 'at", "\"'at\" means nothing"),
            ("%d-%m-%Y %Z", "cannot be used"),
            ("", "does not say"),
        ] {
            let error = Pattern::compile(pattern).unwrap_err();
            assert!(error.contains(part) && error.contains("dd-mm-yyyy HH:MM"), "{pattern}: {error}");
        }
    }
}
