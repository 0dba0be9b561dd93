//! Where things stand on a log: partitions, offsets, positions, spans, and the ledger that makes counting exact.
//!
//! Invariants: the only offset type is [`NextOffset`], the first offset *not yet read*, so no `+ 1` stands anywhere
//! else. A [`Span`] is `[from, to)`. A [`Ledger`] only moves forward, and only over spans that chain.
//! Absent: IO, and any knowledge of what the sections hold.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The number of one partition of a log or topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u32);

impl Partition {
    /// The partition as an index into a table with one place per partition.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The first offset of a partition that has not been read yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// `[from, to)` on one source partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First place covered.
    pub from: Position,
    /// First place no longer covered.
    pub to: Position,
}

/// One partition of a named source: a user's topic (or file), or an internal log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Apply the entries that stand at `from` or later, then [`Ledger::advance`].
    Apply {
        /// The next position expected.
        from: Position,
    },
}

/// Something is missing: nothing was applied, and nothing may be until the gap is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A section starts beyond what has been applied.
    #[error(
        "section from {source_partition} starts at {found}, next expected {expected}: the log lost records or was \
         truncated. Restore the log from {expected}, or rebuild from the events"
    )]
    Gap {
        /// Whose section it is.
        source_partition: SourcePartition,
        /// The next position the ledger expects.
        expected: Position,
        /// Where the section starts.
        found: Position,
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

#[derive(Clone, Copy, Debug)]
struct Line {
    next: Position,
}

/// The next position expected of every source partition. Part of a stage's state.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    lines: BTreeMap<SourcePartition, Line>,
}

impl Ledger {
    /// Records that `source` starts at `origin`. The first one counts: a writer that was overtaken before its first mark was
    /// there may say another later, and has been told since.
    pub fn open(&mut self, source: &SourcePartition, origin: Position) {
        self.lines.entry(source.clone()).or_insert(Line { next: origin });
    }

    /// Whether a section of `source` over `span` is new, and from where.
    ///
    /// # Errors
    /// When positions are missing before it, when nobody opened the source, or when the span runs backwards.
    pub fn check(&self, source: &SourcePartition, span: Span) -> Result<Verdict, LedgerError> {
        let Some(line) = self.lines.get(source) else {
            return Err(LedgerError::Unknown { source_partition: source.clone() });
        };
        if span.to < span.from {
            return Err(LedgerError::Backwards { source_partition: source.clone(), from: span.from, to: span.to });
        }
        if span.from > line.next {
            return Err(LedgerError::Gap { source_partition: source.clone(), expected: line.next, found: span.from });
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
        }
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
mod tests {
    use super::*;

    fn at(offset: u64, index: u32) -> Position {
        Position { offset: NextOffset(offset), index }
    }

    fn opened() -> (Ledger, SourcePartition) {
        let (mut ledger, source) = (Ledger::default(), SourcePartition::new("events", 1));
        ledger.open(&source, at(5, 0));
        (ledger, source)
    }

    #[test]
    fn a_chaining_section_is_applied_from_where_the_ledger_stands() {
        let (mut ledger, source) = opened();
        let span = Span { from: at(5, 0), to: at(9, 2) };
        assert_eq!(ledger.check(&source, span), Ok(Verdict::Apply { from: at(5, 0) }));
        ledger.advance(&source, span.to);
        assert_eq!(ledger.check(&source, span), Ok(Verdict::Duplicate), "sent again");
        let mark = Span { from: at(9, 2), to: at(9, 2) };
        assert_eq!(
            ledger.check(&source, mark),
            Ok(Verdict::Apply { from: at(9, 2) }),
            "nothing in it, but it is heard"
        );
        let overlapping = Span { from: at(7, 0), to: at(12, 0) };
        assert_eq!(ledger.check(&source, overlapping), Ok(Verdict::Apply { from: at(9, 2) }));
        let old = Span { from: at(5, 0), to: at(9, 1) };
        assert_eq!(ledger.check(&source, old), Ok(Verdict::Duplicate));
    }

    #[test]
    fn a_gap_is_refused_with_both_positions() {
        let (ledger, source) = opened();
        let error = ledger.check(&source, Span { from: at(5, 1), to: at(9, 0) }).unwrap_err();
        assert_eq!(error, LedgerError::Gap { source_partition: source, expected: at(5, 0), found: at(5, 1) });
        assert!(error.to_string().contains("starts at 5.1, next expected 5.0"), "{error}");
    }

    #[test]
    fn a_source_without_opening_mark_and_a_backward_section_are_refused() {
        let (mut ledger, source) = opened();
        let other = SourcePartition::new("events", 2);
        assert!(matches!(
            ledger.check(&other, Span { from: at(0, 0), to: at(1, 0) }),
            Err(LedgerError::Unknown { .. })
        ));
        assert!(matches!(
            ledger.check(&source, Span { from: at(5, 0), to: at(4, 0) }),
            Err(LedgerError::Backwards { .. })
        ));
        ledger.open(&source, at(6, 0));
        assert_eq!(ledger.next(&source), Some(at(5, 0)), "the first origin counts");
    }

    #[test]
    fn a_ledger_never_moves_backwards() {
        let (mut ledger, source) = opened();
        ledger.advance(&source, at(9, 0));
        ledger.advance(&source, at(7, 3));
        assert_eq!(ledger.next(&source), Some(at(9, 0)));
    }
}
