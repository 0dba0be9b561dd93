//! What events and pairs blocks have in common: sections, one per source partition, with entries at positions.

use super::frame::WireError;
use super::size::{COUNT_BYTES_MAX, HEAD_BYTES_MAX};
use super::varint::{Reader, name_length, put, put_count, put_name, put_signed};
use crate::event::EventTime;
use crate::position::{Checkpoint, NextOffset, Position, SourcePartition, Span};
use std::ops::Range;

/// The two lowest flags are the lag.
const LAG: u8 = 3;
const HIGHEST: u8 = 4;
const ARRIVED: u8 = 8;
const CHECKSUM: u8 = 16;

/// How a source stands to the end of what there is to read of it (design section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Lag {
    /// At its end, or near it: it holds nothing up.
    Live = 0,
    /// It has a backlog that merging must wait for.
    Behind = 1,
    /// It has a backlog that is history: merging waits, and lists and totals stay silent.
    History = 2,
    /// It cannot be read for now: it holds nothing up, and what it brings after all comes late.
    Waiting = 3,
}

impl Lag {
    /// Whether merging must wait for it.
    #[must_use]
    pub fn is_behind(self) -> bool {
        matches!(self, Self::Behind | Self::History)
    }

    fn of(flags: u8) -> Self {
        match flags & LAG {
            0 => Self::Live,
            1 => Self::Behind,
            2 => Self::History,
            _ => Self::Waiting,
        }
    }
}

/// What a section says of its source partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionHead {
    /// The source partition.
    pub source: SourcePartition,
    /// The positions that the section covers, entries or not.
    pub span: Span,
    /// The highest event time that the source has been read to.
    pub highest: Option<EventTime>,
    /// How far behind the source is.
    pub lag: Lag,
    /// When the oldest of the entries arrived, ms by the writer's clock. Only for delay metrics.
    pub arrived_ms: Option<i64>,
    /// Checksum of the last input record that the span's end covers anything of: of a source's record, or of a block.
    /// `None` where the writer has read none, or another one has read it before.
    pub checksum: Option<u32>,
}

impl SectionHead {
    /// What whoever goes on from the section's end must find.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { position: self.span.to, checksum: self.checksum }
    }
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

impl SectionWriter {
    pub(super) fn new(head: SectionHead) -> Self {
        let cursor = Cursor { position: head.span.from, time: EventTime(0) };
        Self { cursor, head, entries: 0, bytes: Vec::new() }
    }

    /// What [`write_sources`] and [`write_sections`] append for it, or a few bytes more.
    pub(super) fn bytes_max(&self) -> usize {
        name_length(&self.head.source.source) + HEAD_BYTES_MAX + self.bytes.len()
    }

    /// Writes what every entry starts with: where it stands, and when it happened.
    #[inline]
    pub(super) fn place(&mut self, position: Position, time: EventTime) {
        assert!(position >= self.cursor.position, "entries of a section go forward");
        write_step(position.offset.0 - self.cursor.position.offset.0, position.index, &mut self.bytes);
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
        let SectionHead { span, highest, lag, arrived_ms, checksum, .. } = &section.head;
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        out.push(
            *lag as u8
                | flag(highest.is_some(), HIGHEST)
                | flag(arrived_ms.is_some(), ARRIVED)
                | flag(checksum.is_some(), CHECKSUM),
        );
        write_position(span.from, out);
        write_step(span.to.offset.0 - span.from.offset.0, span.to.index, out);
        put_count(out, section.entries);
        out.extend_from_slice(&section.bytes);
        let mut base = section.cursor.time.0;
        for time in [highest.map(|t| t.0), *arrived_ms].into_iter().flatten() {
            put_signed(out, time.wrapping_sub(base));
            base = time;
        }
        if let Some(checksum) = checksum {
            out.extend_from_slice(&checksum.to_le_bytes());
        }
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
        if flags & !(LAG | HIGHEST | ARRIVED | CHECKSUM) != 0 {
            return Err(reader.error("unknown section flags"));
        }
        let from = read_position(reader)?;
        let span = Span { from, to: read_step(reader, from.offset)? };
        if span.to < span.from {
            return Err(reader.error("section runs backwards"));
        }
        let count = reader.count(3)?;
        let mut cursor = Cursor { position: span.from, time: EventTime(0) };
        for _ in 0..count {
            cursor = read_place(reader, cursor)?;
            if cursor.position >= span.to {
                return Err(reader.error("entry behind its section's end"));
            }
            entry(reader, cursor.position, cursor.time)?;
        }
        let mut base = cursor.time.0;
        let mut time = |is_there: bool| -> Result<Option<i64>, WireError> {
            if is_there {
                base = base.wrapping_add(reader.signed()?);
            }
            Ok(is_there.then_some(base))
        };
        let highest = time(flags & HIGHEST != 0)?.map(EventTime);
        let arrived_ms = time(flags & ARRIVED != 0)?;
        let checksum = if flags & CHECKSUM != 0 { Some(u32::from_le_bytes(reader.fixed()?)) } else { None };
        let head = SectionHead { source, span, highest, lag: Lag::of(flags), arrived_ms, checksum };
        sections.push(Section { head, entries: total..total + count });
        total += count;
    }
    Ok(sections)
}

#[inline]
fn read_place(reader: &mut Reader<'_>, before: Cursor) -> Result<Cursor, WireError> {
    let position = read_step(reader, before.position.offset)?;
    if position < before.position {
        return Err(reader.error("entries run backwards"));
    }
    let time = EventTime(before.time.0.wrapping_add(reader.signed()?));
    Ok(Cursor { position, time })
}

/// Writes a position whose offset is `step` further than the one before it.
#[inline]
fn write_step(step: u64, index: u32, out: &mut Vec<u8>) {
    put(out, step << 1 | u64::from(index != 0));
    if index != 0 {
        put(out, u64::from(index));
    }
}

#[inline]
fn read_step(reader: &mut Reader<'_>, before: NextOffset) -> Result<Position, WireError> {
    let word = reader.number()?;
    let offset = before.0.checked_add(word >> 1).ok_or_else(|| reader.error("offset over 64 bits"))?;
    let index = if word & 1 != 0 { reader.small()? } else { 0 };
    Ok(Position { offset: NextOffset(offset), index })
}

pub(super) fn write_position(position: Position, out: &mut Vec<u8>) {
    put(out, position.offset.0);
    put(out, u64::from(position.index));
}

pub(super) fn read_position(reader: &mut Reader<'_>) -> Result<Position, WireError> {
    Ok(Position { offset: NextOffset(reader.number()?), index: reader.small()? })
}
