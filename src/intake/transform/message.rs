//! What is said of a program that cannot be compiled, and of a run that failed.
//!
//! Invariant: of a record nothing is said but what stands in the program too: its ids must not get into logs. So of the libraries'
//! messages, which show values, each word is kept that is their own or the program's, and the rest shows as its kind.

use super::{REFUSED, VARIABLES};
use crate::intake::reject::shortened;
use jaq_core::compile::Undefined;
use jaq_core::load::{lex, parse, span};

/// The words of the libraries' messages.
const WORDS: [&str; 44] = [
    "cannot",
    "use",
    "as",
    "index",
    "with",
    "calculate",
    "invalid",
    "path",
    "expression",
    "input",
    "string",
    "number",
    "integer",
    "array",
    "object",
    "iterable",
    "(array",
    "or",
    "object)",
    "rangeable",
    "string)",
    "out",
    "of",
    "bounds",
    "has",
    "no",
    "length",
    "null",
    "true",
    "false",
    "parse",
    "boolean",
    "a",
    "text",
    "that",
    "is",
    "not",
    "JSON:",
    "at",
    "line",
    "column",
    "convert",
    "to",
    "time",
];

/// Longest message of a run.
const MESSAGE_CHARS_MAX: usize = 200;

/// `line 2, column 5: `
fn place(text: &str, part: &str) -> String {
    let inside = text.as_bytes().as_ptr_range();
    if !(inside.start..=inside.end).contains(&part.as_ptr()) {
        return String::new();
    }
    let before = &text[..span(text, part).start.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: ")
}

fn found(part: &str) -> String {
    if part.is_empty() { "the program ends here".to_owned() } else { format!("here is {}", shortened(part)) }
}

pub(super) fn of_lexer(text: &str, errors: &[lex::Error<&str>]) -> String {
    let Some((expected, part)) = errors.first() else { return "not a jq program".to_owned() };
    let what = match expected {
        lex::Expect::Delim(open) => {
            return format!("{}{} is not closed", place(text, open), shortened(open));
        }
        other => other.as_str(),
    };
    format!("{}expected {what}, {}", place(text, part), found(part))
}

pub(super) fn of_parser(text: &str, errors: &[parse::TError<'_, &str>]) -> String {
    let Some((expected, token)) = errors.first() else { return "not a jq program".to_owned() };
    let part = lex::Token::opt_as_str(*token, text);
    format!("{}expected {}, {}", place(text, part), expected.as_str(), found(part))
}

pub(super) fn of_compiler(text: &str, errors: &[(&str, Undefined)]) -> String {
    let errors: Vec<String> = errors
        .iter()
        .map(|(name, undefined)| {
            let arity = if let Undefined::Filter(arity) = undefined { format!("/{arity}") } else { String::new() };
            let why = if REFUSED.contains(name) {
                "; a transform must give the same for the same record, so it has no clock, no zone of the machine, no \
                 environment, no other input and nothing to write to"
                    .to_owned()
            } else if matches!(undefined, Undefined::Var) {
                format!("; of the record there are {}", VARIABLES.join(", "))
            } else {
                String::new()
            };
            format!("{}{} {name}{arity} is not defined{why}", place(text, name), undefined.as_str())
        })
        .collect();
    errors.join("; ")
}

/// A message of a run over the program `text`, without what stands in the record alone.
pub(super) fn of_run(text: &str, message: &str) -> String {
    let own = serde_json::from_str::<String>(message).ok(); // of error("…")
    let message = own.as_deref().unwrap_or(message);
    let mut shown: Vec<&str> = Vec::new();
    for word in message.split_whitespace() {
        let word = if is_known(text, word) { word } else { kind(word) };
        // A value of several words shows once.
        let goes_on = word == REST && shown.last().is_some_and(|last| KINDS.contains(last));
        if !goes_on {
            shown.push(word);
        }
    }
    let shown = shown.join(" ");
    let cut: String = shown.chars().take(MESSAGE_CHARS_MAX).collect();
    if cut.is_empty() { "failed without a message".to_owned() } else { cut }
}

fn is_known(text: &str, word: &str) -> bool {
    let bare = word.trim_matches(|mark| "\":,;.".contains(mark));
    WORDS.contains(&word) || (!bare.is_empty() && words_of(text).any(|known| known == bare))
}

/// The words of a program: what stands between anything that no name has in it.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '@'))
        .chain(text.split_whitespace().map(|word| word.trim_matches(|mark| "\":,;.()[]{}".contains(mark))))
}

const REST: &str = "…";
const KINDS: [&str; 5] = ["{…}", "[…]", "\"…\"", "N", REST];

fn kind(word: &str) -> &'static str {
    match word.chars().next() {
        Some('{') => "{…}",
        Some('[') => "[…]",
        Some('"') => "\"…\"",
        Some(first) if first.is_ascii_digit() || first == '-' => "N",
        _ => REST,
    }
}
