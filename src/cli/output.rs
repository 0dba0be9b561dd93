//! Results on stdout. A reader that went away (`| head`) is not an error of ours: commands return it like any other, and
//! [`is_closed`] tells it from a broken connection elsewhere.

use crate::intake::Reject;
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

/// Tells of a record that could not be used, in the form of a compiler: place, reason, what to do.
pub fn note_reject(file: &str, line: u64, reject: &Reject) {
    let _ = writeln!(io::stderr().lock(), "{file}:{line}: {reject}"); // nobody reads stderr: nothing to be done
}

/// Says how many more there were than were told one by one.
pub fn note_more_rejects(rejected: u64, told_max: u64) {
    if rejected > told_max {
        let _ = writeln!(io::stderr().lock(), "... and {} more rejects, not shown", rejected - told_max);
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
