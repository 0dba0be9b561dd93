//! Where things stand on a log: partitions, offsets, positions, spans, and the ledger that makes counting exact.
//!
//! Invariants: the only offset type is [`NextOffset`], the first offset *not yet read*, so no `+ 1` stands anywhere
//! else. A [`Span`] is `[from, to)`. A [`Ledger`] only moves forward, and only over spans that chain.
//! Absent: IO, and any knowledge of what the sections hold.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The number of one partition of a log or topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Partition(pub u32);

impl Partition {
    /// The partition as an index into a table with one place per partition.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The first offset of a partition that has not been read yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct NextOffset(pub u64);

impl NextOffset {
    /// The next offset once the record at this one has been read.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many records lie between this offset and `end` (the lag, in records).
    #[must_use]
    pub fn lag(self, end: Self) -> u64 {
        end.0.saturating_sub(self.0)
    }
}

/// A place within what a stage gives for its input: all that lies before it has been given. One input record may give
/// more than fits one output record, so an offset alone would let the second half pass for a duplicate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Offset of the input record.
    pub offset: NextOffset,
    /// How many outputs of that record lie before this place.
    pub index: u32,
}

impl Position {
    /// The place before the first output of the record at `offset`.
    #[must_use]
    pub fn start_of(offset: NextOffset) -> Self {
        Self { offset, index: 0 }
    }

    /// The place just behind the entry at this place.
    #[must_use]
    pub fn after(self) -> Self {
        Self { offset: self.offset, index: self.index.saturating_add(1) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.offset.0, self.index)
    }
}

/// How far a log holds an input, and which record of it was the last: what whoever goes on from there must find again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checkpoint {
    /// All before it is in the log.
    pub position: Position,
    /// Checksum of the last record that the position covers anything of; `None` where nothing has been read, or by a writer
    /// that had not read it itself.
    pub checksum: Option<u32>,
}

impl Checkpoint {
    /// Nothing before `position` has been read.
    #[must_use]
    pub fn origin(position: Position) -> Self {
        Self { position, checksum: None }
    }

    /// The further of the two; at one position, the one that knows its record.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        let goes_on = other.position > self.position;
        let knows_more = other.position == self.position && other.checksum.is_some();
        if goes_on || knows_more { other } else { self }
    }

    /// The nearer of the two; at one position, the one that knows its record.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        let lies_before = other.position < self.position;
        let knows_more = other.position == self.position && other.checksum.is_some();
        if lies_before || knows_more { other } else { self }
    }

    /// The record that the checksum is of: the one before the position, or at it where a part of it lies before.
    #[must_use]
    pub fn record(&self) -> Option<NextOffset> {
        let Position { offset, index } = self.position;
        if index > 0 { Some(offset) } else { offset.0.checked_sub(1).map(NextOffset) }
    }

    /// Where an input may end at the earliest that was read up to here: a record of which only a part has been given is there.
    #[must_use]
    pub fn end(&self) -> NextOffset {
        let Position { offset, index } = self.position;
        if index > 0 { offset.after() } else { offset }
    }

    /// Whether an input that holds `[low, high)` is the one that was read up to here; if so, where reading it goes on.
    /// `found`: checksum of [`Checkpoint::record`] as the input holds it now, where it could be fetched.
    ///
    /// # Errors
    /// When the input has been cut, or replaced by another: to go on would be to lose records without a word.
    pub fn resume(&self, low: NextOffset, high: NextOffset, found: Option<u32>) -> Result<NextOffset, CheckpointError> {
        let Self { position, .. } = *self;
        if high < self.end() {
            return Err(CheckpointError::EndsBefore { position, high });
        }
        if low > position.offset {
            return Err(CheckpointError::StartsBehind { position, low });
        }
        found.map_or(Ok(()), |found| self.check(found))?;
        Ok(position.offset)
    }

    /// Whether the record that the checkpoint was made at is the one whose checksum is `found`.
    ///
    /// # Errors
    /// When it is another one.
    pub fn check(&self, found: u32) -> Result<(), CheckpointError> {
        match self.checksum {
            Some(expected) if expected != found => {
                Err(CheckpointError::OtherRecord { position: self.position, expected, found })
            }
            _ => Ok(()),
        }
    }
}

/// An input is not what it was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It has lost its tail.
    #[error(
        "it was read up to {position}, but ends at {high}: it has lost its end, or was made anew. Bring it back, or count \
         anew: `samenloop rebuild`, or under another topics.prefix (docs/operations.md)",
        high = high.0
    )]
    EndsBefore {
        /// How far it had been read.
        position: Position,
        /// Where it ends now.
        high: NextOffset,
    },
    /// It has lost records that nobody has read.
    #[error(
        "it was read up to {position}, but starts at {low}: records between are missing. Bring them back, or count anew: \
         `samenloop rebuild`, or under another topics.prefix (docs/operations.md)",
        low = low.0
    )]
    StartsBehind {
        /// How far it had been read.
        position: Position,
        /// Where it starts now.
        low: NextOffset,
    },
    /// It has lost its tail and grown again, or is another one.
    #[error(
        "it was read up to {position}, where the record's checksum was {expected:08x}; the record there now has {found:08x}: \
         it has lost its end and grown again, or was made anew. Bring it back, or count anew: `samenloop rebuild`, or under another topics.prefix \
         (docs/operations.md)"
    )]
    OtherRecord {
        /// How far it had been read.
        position: Position,
        /// The checksum of the record that was read.
        expected: u32,
        /// The checksum of the record that is there.
        found: u32,
    },
}

/// `[from, to)` on one source partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First place covered.
    pub from: Position,
    /// First place no longer covered.
    pub to: Position,
}

/// One partition of a named source: a user's topic (or file), or an internal log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct SourcePartition {
    /// Name of the source, as configured.
    pub source: Arc<str>,
    /// Its partition.
    pub partition: Partition,
}

impl SourcePartition {
    /// `partition` of the source called `source`.
    #[must_use]
    pub fn new(source: &str, partition: u32) -> Self {
        Self { source: Arc::from(source), partition: Partition(partition) }
    }
}

impl fmt::Display for SourcePartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.source, self.partition.0)
    }
}

/// What a ledger says of a section before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it has been applied before: drop it.
    Duplicate,
    /// Something is missing before it: skip it, and tell the ledger by [`Ledger::skip`]. Who sends what is missing sends this again.
    Beyond,
    /// Apply the entries that stand at `from` or later, then [`Ledger::advance`].
    Apply {
        /// The next position expected.
        from: Position,
    },
}

/// A section that does not chain: nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A section starts beyond what has been applied, and nobody has sent what is missing.
    #[error(
        "section from {source_partition} {found}, next expected {expected}: the log lost records or was \
         truncated, and nobody has sent them again within logs.gap_wait. Start all instances again, whose writers then send what is \
         missing from {expected} on; else restore the log, or count anew: `samenloop rebuild` (docs/operations.md)"
    )]
    Gap {
        /// Whose section it is.
        source_partition: SourcePartition,
        /// The next position the ledger expects.
        expected: Position,
        /// What stands behind the gap.
        found: Skipped,
    },
    /// A section of a source that no opening mark has introduced.
    #[error("section from {source_partition}, which no opening mark of this log names: the log's start is missing")]
    Unknown {
        /// Whose section it is.
        source_partition: SourcePartition,
    },
    /// A section whose end lies before its start.
    #[error("section from {source_partition} runs backwards, from {from} to {to}: its writer is broken")]
    Backwards {
        /// Whose section it is.
        source_partition: SourcePartition,
        /// Its start.
        from: Position,
        /// Its end.
        to: Position,
    },
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
struct Line {
    next: Position,
    missing: Option<Missing>,
}

/// What was skipped because something before it is missing.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
struct Missing {
    /// Where the first section that was skipped stands in the log, and where it starts.
    at: NextOffset,
    found: Position,
    /// All that was skipped ends here, with the section that stands there in the log: the gap is closed when everything up to it has
    /// been applied.
    until: Position,
    until_at: NextOffset,
}

/// A section that was skipped, as people are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// It starts here, beyond what is expected.
    From(Position),
    /// It ends here, and is still to come again, at least in part: some of what was missing before it has come.
    UpTo(Position),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(found) => write!(f, "starts at {found}"),
            Self::UpTo(until) => write!(f, "was skipped up to {until}"),
        }
    }
}

/// Positions of a source are missing, and sections behind them were skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap<'a> {
    /// Whose sections.
    pub source: &'a SourcePartition,
    /// Where the section that `found` is of stands in the log.
    pub at: NextOffset,
    /// The next position expected.
    pub expected: Position,
    /// Where the first section that was skipped starts, while that lies beyond what is expected; else where the last one ends.
    pub found: Skipped,
}

/// The next position expected of every source partition. Part of a stage's state.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Ledger {
    lines: BTreeMap<SourcePartition, Line>,
}

impl Ledger {
    /// Records that `source` starts at `origin`. The first one counts: a writer that was overtaken before its first mark was
    /// there may say another later, and has been told since.
    pub fn open(&mut self, source: &SourcePartition, origin: Position) {
        self.lines.entry(source.clone()).or_insert(Line { next: origin, missing: None });
    }

    /// Whether a section of `source` over `span` is new, and from where.
    ///
    /// # Errors
    /// When nobody opened the source, or when the span runs backwards.
    pub fn check(&self, source: &SourcePartition, span: Span) -> Result<Verdict, LedgerError> {
        let Some(line) = self.lines.get(source) else {
            return Err(LedgerError::Unknown { source_partition: source.clone() });
        };
        if span.to < span.from {
            return Err(LedgerError::Backwards { source_partition: source.clone(), from: span.from, to: span.to });
        }
        if span.from > line.next {
            return Ok(Verdict::Beyond);
        }
        // A section that ends where the ledger stands is news only as a mark, which covers nothing: one that was sent
        // again would tell how its source stood back then.
        let is_old = span.to < line.next || (span.to == line.next && span.from < span.to);
        if is_old { Ok(Verdict::Duplicate) } else { Ok(Verdict::Apply { from: line.next }) }
    }

    /// All up to `to` has been applied. Never moves backwards.
    pub fn advance(&mut self, source: &SourcePartition, to: Position) {
        if let Some(line) = self.lines.get_mut(source) {
            line.next = line.next.max(to);
            line.missing = line.missing.filter(|missing| missing.until > line.next);
        }
    }

    /// A section of `source` over `span`, at offset `at` of the log, has been skipped: what lies before it is missing. One gap a source
    /// is remembered, until all that was skipped behind it has been applied.
    pub fn skip(&mut self, source: &SourcePartition, span: Span, at: NextOffset) {
        if let Some(line) = self.lines.get_mut(source) {
            let new = Missing { at, found: span.from, until: span.to, until_at: at };
            let missing = line.missing.get_or_insert(new);
            if missing.found <= line.next {
                (missing.at, missing.found) = (at, span.from); // the one before has come again, at least in part
            }
            if missing.until < span.to {
                (missing.until, missing.until_at) = (span.to, at);
            }
        }
    }

    /// Of each source of which something is missing, what, in order.
    pub fn gaps(&self) -> impl Iterator<Item = Gap<'_>> {
        self.lines.iter().filter_map(|(source, line)| {
            let Missing { at, found, until, until_at } = line.missing?;
            let expected = line.next;
            let (at, found) =
                if found > expected { (at, Skipped::From(found)) } else { (until_at, Skipped::UpTo(until)) };
            Some(Gap { source, at, expected, found })
        })
    }

    /// The next position expected of `source`.
    #[must_use]
    pub fn next(&self, source: &SourcePartition) -> Option<Position> {
        self.lines.get(source).map(|line| line.next)
    }

    /// Every source partition with the next position expected of it, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&SourcePartition, Position)> {
        self.lines.iter().map(|(source, line)| (source, line.next))
    }
}

#[cfg(test)]
mod tests;
