//! Lines for a terminal: measured in columns, cut or wrapped, with or without colour.

use console::{Style, measure_text_width, truncate_str};

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    #[default]
    Plain,
    /// A heading or a figure to look at.
    Strong,
    /// A label or a remark.
    Faint,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dim(),
            Self::Good => Style::new().green(),
            Self::Bad => Style::new().red().bold(),
        }
    }
}

/// One line of text on a screen. Holds no control characters, whatever it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<(Tone, String)>,
}

impl Line {
    /// A line in one tone.
    #[must_use]
    pub fn of(tone: Tone, text: &str) -> Self {
        Self::default().then(tone, text)
    }

    /// The line with more text at its end.
    #[must_use]
    pub fn then(mut self, tone: Tone, text: &str) -> Self {
        // A name with an escape sequence must not steer the terminal.
        let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.spans.push((tone, clean));
        self
    }

    /// The line with more text that begins at `column`, or one space further on where the line is longer than that.
    #[must_use]
    pub fn then_at(self, column: usize, tone: Tone, text: &str) -> Self {
        let blank = column.saturating_sub(self.width()).max(1);
        self.then(Tone::Plain, &" ".repeat(blank)).then(tone, text)
    }

    /// Columns it takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| measure_text_width(text)).sum()
    }

    /// The line, cut to `width` columns.
    #[must_use]
    pub fn cut(self, width: usize) -> Self {
        if self.width() <= width {
            return self;
        }
        let mut left = width;
        let mut spans = Vec::new();
        for (tone, text) in self.spans {
            let needs = measure_text_width(&text);
            // The span that does not fit is cut to what is left; the ellipsis stands for all that follows.
            if needs < left {
                left -= needs;
                spans.push((tone, text));
                continue;
            }
            spans.push((tone, cut(&format!("{text}……"), left)));
            break;
        }
        Self { spans }
    }

    /// The line as lines of at most `width` columns, those after the first indented. It breaks behind a `·` where there
    /// is one, else between words; a word that is wider than a line is cut.
    #[must_use]
    pub fn wrap(self, width: usize, indent: usize) -> Vec<Self> {
        let continued = indent.min(width / 2);
        let chars = |(tone, text): &(Tone, String)| text.chars().map(|c| (*tone, c)).collect::<Vec<_>>();
        let all: Vec<(Tone, char)> = self.spans.iter().flat_map(chars).collect();
        let mut rest = all.as_slice();
        let mut lines = Vec::new();
        loop {
            let blank = if lines.is_empty() { 0 } else { continued };
            let end = if Self::of_chars(0, rest).width() + blank <= width {
                rest.len()
            } else {
                // The label of a first line stays with what it is for.
                break_of(rest, width - blank, if lines.is_empty() { indent } else { 0 })
            };
            lines.push(Self::of_chars(blank, &rest[..end]).cut(width));
            let next = rest[end..].iter().position(|&(_, c)| c != ' ');
            let Some(next) = next else { return lines };
            rest = &rest[end + next..];
        }
    }

    fn of_chars(blank: usize, chars: &[(Tone, char)]) -> Self {
        let mut spans = Vec::new();
        if blank > 0 {
            spans.push((Tone::Plain, " ".repeat(blank)));
        }
        spans.extend(
            chars.chunk_by(|one, two| one.0 == two.0).map(|run| (run[0].0, run.iter().map(|&(_, c)| c).collect())),
        );
        Self { spans }
    }

    /// The text alone.
    #[must_use]
    pub fn plain(&self) -> String {
        self.spans.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The text with the terminal's codes for its tones.
    #[must_use]
    pub fn coloured(&self) -> String {
        let paint = |(tone, text): &(Tone, String)| match tone {
            Tone::Plain => text.clone(),
            tone => tone.style().force_styling(true).apply_to(text).to_string(),
        };
        self.spans.iter().map(paint).collect()
    }
}

/// Where a line of `width` columns ends: at a space that is not among the first `label` characters.
fn break_of(chars: &[(Tone, char)], width: usize, label: usize) -> usize {
    let mut text = String::new();
    let (mut at_dot, mut at_word) = (None, None);
    for (place, &(_, c)) in chars.iter().enumerate() {
        let is_break = c == ' ' && place > label && chars[place - 1].1 != ' ';
        if measure_text_width(&text) > width {
            match at_dot.or(at_word) {
                Some(end) => return end,
                None if is_break => return place, // behind a word that is too wide
                None => {}
            }
        } else if is_break {
            at_word = Some(place);
            at_dot = if chars[place - 1].1 == '·' { Some(place) } else { at_dot };
        }
        text.push(c);
    }
    at_dot.or(at_word).unwrap_or(chars.len())
}

/// `text`, cut to `width` columns.
pub(super) fn cut(text: &str, width: usize) -> String {
    if width == 0 {
        return String::new();
    }
    truncate_str(text, width, "…").into_owned()
}

/// `text`, cut or filled up to `width` columns.
pub(super) fn column(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let blank = width.saturating_sub(measure_text_width(&text));
    text + &" ".repeat(blank)
}

/// 1234567 → 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number that may be large and is not exact: no decimals, grouped.
pub(super) fn rounded(number: f64) -> String {
    // Through text: no cast can go wrong, and what is not finite stays readable.
    format!("{number:.0}").parse::<u64>().map_or_else(|_| format!("{number:.0}"), grouped)
}

/// Milliseconds in a unit that suits them.
pub(super) fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 1.0 => format!("{ms:.2} ms"),
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 60_000.0 => format!("{:.1} s", ms / 1_000.0),
        ms => format!("{:.1} min", ms / 60_000.0),
    }
}

/// A share in percent, with a decimal where it is small.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    if share > 0.0 && share < 10.0 { format!("{share:.1} %") } else { format!("{share:.0} %") }
}

/// `3 things`, `1 thing`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A time in ms since 1970 as a date and a time of day, UTC.
pub(super) fn date_time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}
