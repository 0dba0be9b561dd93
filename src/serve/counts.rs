//! All counts as text: a portion at a time for HTTP, sorted and whole for a file.
//!
//! A portion costs a worker about a millisecond, and asking for the next one is up to whoever reads: neither how much there
//! is nor how slowly it is read makes a worker wait, and nobody holds more than a few portions.
//! Invariants: a portion ends at a line's end; what was counted before the first portion comes exactly once, unless pruning
//! drops it meanwhile; when stages were opened or let go in between, there is no next portion, but [`Moved`].
//! Absent: one moment. While events flow, every row is as it was when its portion was made.

use super::asked::{Asked, tallies};
use crate::event::EventTime;
use crate::rows::{self, CountsPlace};
use axum::body::Bytes;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// About how long a line is.
const LINE_BYTES: usize = 64;

/// Where a portion starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountsFrom {
    /// At the beginning.
    Start {
        /// The time to which weights are decayed; `None` is the worker's latest event time when it is first asked.
        as_of: Option<EventTime>,
    },
    /// Where the portion before it ended.
    Next(NextCounts),
}

/// Where the next portion of a worker's counts starts, and to which time all of them are decayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextCounts {
    as_of: EventTime,
    assignment: u64,
    /// Among the worker's rows stages.
    stage: usize,
    /// Within that; `None` at its beginning.
    place: Option<CountsPlace>,
}

/// Some of a worker's counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountsPortion {
    /// Whole lines, in the form of `recount.py`; there may be none.
    pub text: Bytes,
    /// Where it goes on.
    pub rest: Rest,
}

/// What is left after a portion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// More counts.
    Next(NextCounts),
    /// Nothing but what became of the worker's events, which is added up over workers.
    Tallies(BTreeMap<&'static str, u64>),
}

/// Partitions came or went between two portions: the rest would not fit what has been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("partitions came or went while the counts were read; ask again")]
pub struct Moved;

/// A portion of all that `asked` counts.
///
/// # Errors
/// When its stages are others than those that the portion before was of.
pub fn portion(asked: &Asked<'_>, from: CountsFrom) -> Result<CountsPortion, Moved> {
    let mut from = match from {
        CountsFrom::Start { as_of } => {
            let as_of = as_of.or_else(|| latest(asked)).unwrap_or(EventTime::MIN);
            NextCounts { as_of, assignment: asked.assignment, stage: 0, place: None }
        }
        CountsFrom::Next(next) if next.assignment == asked.assignment => next,
        CountsFrom::Next(_) => return Err(Moved),
    };
    let Some((_, work)) = asked.rows.get(from.stage) else {
        return Ok(CountsPortion { text: Bytes::new(), rest: Rest::Tallies(tallies(asked)) });
    };
    let mut text = String::with_capacity(rows::LINES_MAX * LINE_BYTES);
    let place = from.place.unwrap_or_else(|| work.rows().counts_start());
    let next = work.rows().counts_from(place, from.as_of, rows::LINES_MAX, &mut |count| {
        let _infallible = writeln!(text, "{count}");
    });
    from.place = next;
    from.stage += usize::from(next.is_none());
    text.shrink_to_fit();
    Ok(CountsPortion { text: Bytes::from(text), rest: Rest::Next(from) })
}

/// The lines of tallies.
#[must_use]
pub fn tally_lines(tallies: &BTreeMap<&'static str, u64>) -> String {
    tallies.iter().map(|(name, count)| format!("tally\t*\t{name}\t*\t*\t{count}\t0\n")).collect()
}

/// Writes every count, decayed to `as_of` (or to the latest event time), sorted by the bytes of its lines. The lines are
/// held in memory to be sorted: about 60 bytes a directed pair.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_counts(asked: &Asked<'_>, as_of: Option<EventTime>, out: &mut impl Write) -> io::Result<()> {
    let (as_of, mut lines) = (as_of.or_else(|| latest(asked)), Vec::new());
    for (_, work) in &asked.rows {
        work.rows().for_each_count(as_of, |count| lines.push(format!("{count}\n")));
    }
    lines.extend(tally_lines(&tallies(asked)).split_inclusive('\n').map(str::to_owned));
    lines.sort_unstable();
    lines.iter().try_for_each(|line| out.write_all(line.as_bytes()))?;
    out.flush()
}

fn latest(asked: &Asked<'_>) -> Option<EventTime> {
    asked.rows.iter().map(|(_, work)| work.rows().now()).max()
}

#[cfg(test)]
impl NextCounts {
    /// A place that says nothing but its number.
    pub(crate) fn numbered(stage: usize) -> Self {
        Self { as_of: EventTime(0), assignment: 0, stage, place: None }
    }

    pub(crate) fn number(self) -> usize {
        self.stage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_next_portion_once_partitions_came_or_went() {
        let asked =
            |assignment| Asked { assignment, rejected: 3, windows: Vec::new(), rows: Vec::new(), rows_partitions: 1 };
        let next = CountsFrom::Next(NextCounts::numbered(1));
        let end = portion(&asked(0), next).unwrap();
        assert_eq!(end.rest, Rest::Tallies(BTreeMap::from([("rejected", 3)])));
        assert_eq!(portion(&asked(1), next), Err(Moved));
        assert!(portion(&asked(1), CountsFrom::Start { as_of: None }).is_ok());
    }
}
