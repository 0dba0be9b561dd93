//! Results on stdout, and rejects on stderr. A reader of stdout that went away (`| head`) is not an error of ours: commands
//! return it like any other, and [`is_closed`] tells it from a broken connection elsewhere.

use super::files::Place;
use crate::config::LogFormat;
use crate::intake::Reject;
use std::collections::BTreeSet;
use std::io::{self, BufWriter, Stdout, Write};

/// Buffered stdout. Flush it at the end: what is left when it is dropped may be lost without a word.
pub type Output = BufWriter<ClosableStdout>;

/// Stdout whose broken pipe can be recognised.
#[derive(Debug)]
pub struct ClosableStdout(Stdout);

/// Marks the error of a closed stdout.
#[derive(Debug, thiserror::Error)]
#[error("stdout was closed")]
struct StdoutClosed;

/// Buffered stdout.
#[must_use]
pub fn stdout() -> Output {
    BufWriter::new(ClosableStdout(io::stdout()))
}

/// Whether `error` comes from the reader of stdout going away.
#[must_use]
pub fn is_closed(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.is_some_and(|inner| inner.is::<StdoutClosed>())
    })
}

/// Tells of the records that could not be used: the first ones one by one, the rest by number. For people in the form
/// of a compiler (place, reason, what to do), whatever the log level; as JSON like any other warning.
#[derive(Debug)]
pub struct RejectNotes {
    format: LogFormat,
    told_max: u64,
    rejected: u64,
    /// What has been told of files that are read again.
    told: BTreeSet<(String, String)>,
}

impl RejectNotes {
    /// Tells at most `told_max` one by one.
    #[must_use]
    pub fn new(format: LogFormat, told_max: u64) -> Self {
        Self { format, told_max, rejected: 0, told: BTreeSet::new() }
    }

    /// For files that are read again: counts from 0, and what has been told is not told twice.
    #[must_use]
    pub fn take_again(&mut self) -> Self {
        Self { format: self.format, told_max: self.told_max, rejected: 0, told: std::mem::take(&mut self.told) }
    }

    /// Tells of one, unless there were too many.
    pub fn note(&mut self, file: &str, place: Place, reject: &Reject) {
        self.rejected += 1;
        if self.rejected > self.told_max || !self.told.insert((file.to_owned(), place.to_string())) {
            return;
        }
        match self.format {
            LogFormat::Text => {
                let _ = writeln!(io::stderr().lock(), "{file}{place}: {reject}"); // nobody reads stderr: nothing to be done
            }
            LogFormat::Json => {
                let (line, index) = match place {
                    Place::Line(line) | Place::Row { line, .. } => (Some(line), None),
                    Place::Index(index) => (None, Some(index)),
                };
                tracing::warn!(file, line, index, reason = reject.reason.name(), "{}", reject.message);
            }
        }
    }

    /// Says how many more there were than were told one by one.
    pub fn note_more(&self) {
        let more = self.rejected.saturating_sub(self.told_max);
        match self.format {
            _ if more == 0 => {}
            LogFormat::Text => {
                let _ = writeln!(io::stderr().lock(), "... and {more} more rejects, not shown");
            }
            LogFormat::Json => tracing::warn!(more, "more rejects, not shown"),
        }
    }

    /// How many there were.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected
    }
}

fn mark(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, StdoutClosed),
        _ => error,
    }
}

impl Write for ClosableStdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark)
    }
}

/// A text of somebody else's that cannot steer the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_stdout_is_taken_for_one() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed(&anyhow::Error::from(mark(broken())).context("while writing lists")));
        assert!(!is_closed(&broken().into()));
        assert!(!is_closed(&mark(io::Error::other("disk full")).into()));
    }
}
