//! The records of a file as they are read: in its order or by time, and, where that is asked for, with what surrounds those
//! whose time jumps.

use super::jumps::{Jumps, Times};
use super::own_times;
use crate::cli::files::{FileRecord, Place, RecordFile, SortedReader};
use crate::event::EventTime;
use crate::intake::{Around, Mapping, Plans};
use std::sync::Arc;

/// Most bytes of records that are held until those behind them are known.
const HELD_BYTES_MAX: usize = 1 << 20;

/// From what records are read.
pub(super) enum Records {
    Plain(RecordFile),
    Sorted(SortedReader),
}

impl Records {
    #[inline]
    fn next(&mut self) -> anyhow::Result<Option<FileRecord<'_>>> {
        match self {
            Self::Plain(file) => file.next(),
            Self::Sorted(sorted) => sorted.next(),
        }
    }
}

/// Which times are looked at, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct JumpRules {
    pub(super) max_jump_ms: i64,
    /// Times before it are refused, and say nothing of those around them.
    pub(super) earliest_ms: i64,
}

struct Held {
    number: u64,
    place: Place,
    bytes: Vec<u8>,
}

/// How times are held against those around them.
pub(super) struct Vetting {
    rules: JumpRules,
    mapping: Arc<Mapping>,
    plans: Plans,
    topic: String,
    jumps: Jumps<Held>,
    held_bytes: usize,
    ended: bool,
    at_hand: Vec<u8>,
}

impl Vetting {
    pub(super) fn new(rules: JumpRules, mapping: Arc<Mapping>, topic: String) -> Self {
        let jumps = Jumps::new(rules.max_jump_ms);
        let (held_bytes, ended, at_hand) = (0, false, Vec::new());
        Self { rules, mapping, plans: Plans::default(), topic, jumps, held_bytes, ended, at_hand }
    }

    fn hold(&mut self, record: &FileRecord<'_>) {
        let is_accepted = |time: &EventTime| time.0 >= self.rules.earliest_ms;
        let mut times = None;
        own_times(&self.mapping, &self.plans, &self.topic, record, |time| {
            if is_accepted(&time) {
                let Times { first_ms, last_ms } = times.unwrap_or(Times { first_ms: time.0, last_ms: time.0 });
                times = Some(Times { first_ms: first_ms.min(time.0), last_ms: last_ms.max(time.0) });
            }
        });
        self.held_bytes += record.bytes.len();
        let held = Held { number: record.number, place: record.place, bytes: record.bytes.to_vec() };
        self.jumps.push(held, times);
    }
}

/// Reads a file's records.
pub(in crate::cli) struct Reader {
    pub(super) records: Records,
    pub(super) vetting: Option<Vetting>,
}

impl Reader {
    /// The next record; with what surrounds it where its time jumps.
    #[inline]
    pub(in crate::cli) fn next(&mut self) -> anyhow::Result<Option<(FileRecord<'_>, Option<Around>)>> {
        if self.vetting.is_none() {
            return Ok(self.records.next()?.map(|record| (record, None)));
        }
        self.next_vetted()
    }

    fn next_vetted(&mut self) -> anyhow::Result<Option<(FileRecord<'_>, Option<Around>)>> {
        let Some(vetting) = &mut self.vetting else { return Ok(None) };
        vetting.at_hand = Vec::new(); // a long one is not kept beside the next
        while !vetting.ended && !vetting.jumps.is_ready() && vetting.held_bytes <= HELD_BYTES_MAX {
            match self.records.next()? {
                Some(record) => vetting.hold(&record),
                None => vetting.ended = true,
            }
        }
        let Some((Held { number, place, bytes }, median_ms)) = vetting.jumps.pop() else { return Ok(None) };
        vetting.held_bytes -= bytes.len();
        vetting.at_hand = bytes;
        let around = median_ms.map(|ms| Around { median: EventTime(ms), max_jump_ms: vetting.rules.max_jump_ms });
        Ok(Some((FileRecord { number, place, bytes: &vetting.at_hand }, around)))
    }
}
