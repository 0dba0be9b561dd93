//! Amounts as people write them.
//!
//! Invariant: a text is read only where there is one way to read it. `1.299` is one and a bit, or more than a thousand: which, the
//! settings say, by an example.

/// How numbers are written in texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberForm {
    /// Between thousands.
    grouping: Option<char>,
    decimal: char,
    /// Whether a currency may stand around it.
    is_said: bool,
}

/// A point before the fraction, and nothing else.
pub(super) const PLAIN: NumberForm = NumberForm { grouping: None, decimal: '.', is_said: false };

/// The examples that there are.
pub(super) const EXAMPLES: &str = "\"1234.56\", \"1234,56\", \"1,234.56\", \"1.234,56\", \"1 234,56\" or \"1'234.56\"";

impl NumberForm {
    /// As in `example`: 1234.56, written as the numbers are.
    pub fn of_example(example: &str) -> Option<Self> {
        let rest = example.strip_prefix('1')?;
        let (grouping, rest) = match rest.strip_prefix("234") {
            Some(rest) => (None, rest),
            None => {
                let mut letters = rest.chars();
                let grouping = letters.next().map(canonical).filter(|letter| ['.', ',', ' ', '\''].contains(letter))?;
                (Some(grouping), letters.as_str().strip_prefix("234")?)
            }
        };
        let decimal = match rest {
            ".56" => '.',
            ",56" => ',',
            _ => return None,
        };
        (grouping != Some(decimal)).then_some(Self { grouping, decimal, is_said: true })
    }

    /// The number that `text` is.
    pub fn read(self, text: &str) -> Option<f64> {
        let text = if self.is_said { without_currency(text.trim()) } else { text.trim() };
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest.trim_start()),
            None => ("", text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match digits.split_once(self.decimal) {
            // "12,-" is how whole prices are written.
            Some((whole, "-" | "–" | "—")) if self.is_said => (whole, "0"),
            Some((whole, fraction)) => (whole, fraction),
            None => (digits, "0"),
        };
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let mut plain = String::with_capacity(text.len());
        plain.push_str(sign);
        match self.grouping {
            None => plain.push_str(whole),
            Some(grouping) => {
                for (place, group) in whole.split(|letter| canonical(letter) == grouping).enumerate() {
                    if place > 0 && group.len() != 3 {
                        return None;
                    }
                    plain.push_str(group);
                }
            }
        }
        if !are_digits(&plain[sign.len()..]) || !are_digits(fraction) {
            return None;
        }
        plain.push('.');
        plain.push_str(fraction);
        plain.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

/// Blanks and apostrophes come in several letters.
fn canonical(letter: char) -> char {
    match letter {
        '\u{A0}' | '\u{2009}' | '\u{202F}' => ' ',
        '\u{2019}' => '\'',
        other => other,
    }
}

/// Without the sign or name of a currency before or behind it.
fn without_currency(text: &str) -> &str {
    let is_of_number = |letter: char| letter.is_ascii_digit() || "+-–—.,'".contains(letter);
    let text = text.trim_matches(|letter: char| !is_of_number(letter));
    // A name may end with a point: "Fr.".
    text.trim_start_matches(['.', ',', '\'']).trim_start()
}
