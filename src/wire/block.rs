//! What events and pairs blocks have in common: sections, one per source partition, with entries at positions.

use super::frame::WireError;
use super::size::{COUNT_BYTES_MAX, HEAD_BYTES_MAX};
use super::varint::{Reader, name_length, put, put_count, put_name, put_signed};
use crate::event::EventTime;
use crate::position::{NextOffset, Position, SourcePartition, Span};
use std::ops::Range;

const BEHIND: u8 = 1;
const HISTORY: u8 = 2;
const HIGHEST: u8 = 4;
const ARRIVED: u8 = 8;

/// What a section says of its source partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionHead {
    /// The source partition.
    pub source: SourcePartition,
    /// The positions that the section covers, entries or not.
    pub span: Span,
    /// The highest event time that the source has been read to.
    pub highest: Option<EventTime>,
    /// Whether the source has a backlog that merging must wait for (design section 2).
    pub behind: bool,
    /// Whether that backlog is history: lists and totals stay silent.
    pub history: bool,
    /// When the oldest of the entries arrived, ms by the writer's clock. Only for delay metrics.
    pub arrived_ms: Option<i64>,
}

/// A section as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it says of its source.
    pub head: SectionHead,
    /// Its entries, as places in the block's.
    pub entries: Range<usize>,
}

/// A section under construction.
pub(super) struct SectionWriter {
    pub(super) head: SectionHead,
    pub(super) entries: usize,
    pub(super) bytes: Vec<u8>,
    cursor: Cursor,
}

/// The entry before: what the next one's place is a difference from.
#[derive(Clone, Copy)]
struct Cursor {
    position: Position,
    time: EventTime,
}

impl Cursor {
    fn at(from: Position) -> Self {
        Self { position: from, time: EventTime(0) }
    }
}

impl SectionWriter {
    pub(super) fn new(head: SectionHead) -> Self {
        Self { cursor: Cursor::at(head.span.from), head, entries: 0, bytes: Vec::new() }
    }

    /// What [`write_sources`] and [`write_sections`] append for it, or a few bytes more.
    pub(super) fn bytes_max(&self) -> usize {
        name_length(&self.head.source.source) + HEAD_BYTES_MAX + self.bytes.len()
    }

    /// Writes what every entry starts with: where it stands, and when it happened.
    #[inline]
    pub(super) fn place(&mut self, position: Position, time: EventTime) {
        assert!(position >= self.cursor.position, "entries of a section go forward");
        let step = position.offset.0 - self.cursor.position.offset.0;
        put(&mut self.bytes, step << 1 | u64::from(position.index != 0));
        if position.index != 0 {
            put(&mut self.bytes, u64::from(position.index));
        }
        put_signed(&mut self.bytes, time.0.wrapping_sub(self.cursor.time.0));
        self.cursor = Cursor { position, time };
        self.entries += 1;
    }
}

/// What sections take, or a few bytes more.
pub(super) fn bytes_max(sections: &[SectionWriter]) -> usize {
    COUNT_BYTES_MAX + sections.iter().map(SectionWriter::bytes_max).sum::<usize>()
}

/// Appends the sources of `sections`, each once.
pub(super) fn write_sources(sections: &[SectionWriter], out: &mut Vec<u8>) {
    put_count(out, sections.len());
    for section in sections {
        put_name(out, &section.head.source.source);
        put(out, u64::from(section.head.source.partition.0));
    }
}

pub(super) fn read_source(reader: &mut Reader<'_>) -> Result<SourcePartition, WireError> {
    let name = reader.name()?;
    Ok(SourcePartition::new(name, reader.small()?))
}

pub(super) fn read_sources(reader: &mut Reader<'_>) -> Result<Vec<SourcePartition>, WireError> {
    let count = reader.count(2)?;
    (0..count).map(|_| read_source(reader)).collect()
}

/// Appends a section for each of `sections`, in the order of [`write_sources`].
pub(super) fn write_sections(sections: &[SectionWriter], out: &mut Vec<u8>) {
    for section in sections {
        let SectionHead { span, highest, behind, history, arrived_ms, .. } = &section.head;
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        out.push(
            flag(*behind, BEHIND)
                | flag(*history, HISTORY)
                | flag(highest.is_some(), HIGHEST)
                | flag(arrived_ms.is_some(), ARRIVED),
        );
        write_position(span.from, out);
        write_position(span.to, out);
        for time in [highest.map(|t| t.0), *arrived_ms].into_iter().flatten() {
            put_signed(out, time);
        }
        put_count(out, section.entries);
        out.extend_from_slice(&section.bytes);
    }
}

/// Reads the section of every one of `sources`; `entry` reads what follows an entry's place.
pub(super) fn read_sections(
    reader: &mut Reader<'_>,
    sources: Vec<SourcePartition>,
    mut entry: impl FnMut(&mut Reader<'_>, Position, EventTime) -> Result<(), WireError>,
) -> Result<Vec<Section>, WireError> {
    let mut sections = Vec::with_capacity(sources.len());
    let mut total = 0;
    for source in sources {
        let flags = reader.byte()?;
        if flags & !(BEHIND | HISTORY | HIGHEST | ARRIVED) != 0 {
            return Err(reader.error("unknown section flags"));
        }
        let span = Span { from: read_position(reader)?, to: read_position(reader)? };
        if span.to < span.from {
            return Err(reader.error("section runs backwards"));
        }
        let highest = if flags & HIGHEST != 0 { Some(EventTime(reader.signed()?)) } else { None };
        let arrived_ms = if flags & ARRIVED != 0 { Some(reader.signed()?) } else { None };
        let count = reader.count(3)?;
        let mut cursor = Cursor::at(span.from);
        for _ in 0..count {
            cursor = read_place(reader, cursor)?;
            if cursor.position >= span.to {
                return Err(reader.error("entry behind its section's end"));
            }
            entry(reader, cursor.position, cursor.time)?;
        }
        let (behind, history) = (flags & BEHIND != 0, flags & HISTORY != 0);
        let head = SectionHead { source, span, highest, behind, history, arrived_ms };
        sections.push(Section { head, entries: total..total + count });
        total += count;
    }
    Ok(sections)
}

#[inline]
fn read_place(reader: &mut Reader<'_>, before: Cursor) -> Result<Cursor, WireError> {
    let word = reader.number()?;
    let offset = before.position.offset.0.checked_add(word >> 1).ok_or_else(|| reader.error("offset over 64 bits"))?;
    let index = if word & 1 != 0 { reader.small()? } else { 0 };
    let position = Position { offset: NextOffset(offset), index };
    if position < before.position {
        return Err(reader.error("entries run backwards"));
    }
    let time = EventTime(before.time.0.wrapping_add(reader.signed()?));
    Ok(Cursor { position, time })
}

pub(super) fn write_position(position: Position, out: &mut Vec<u8>) {
    put(out, position.offset.0);
    put(out, u64::from(position.index));
}

pub(super) fn read_position(reader: &mut Reader<'_>) -> Result<Position, WireError> {
    Ok(Position { offset: NextOffset(reader.number()?), index: reader.small()? })
}
