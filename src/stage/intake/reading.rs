//! How far one source partition has been read.

use super::IntakeInput;
use crate::event::{EventTime, EventType};
use crate::intake::{Plans, Reason};
use crate::position::{Checkpoint, Position};
use crate::stage::checkpoints::Checkpoints;
use crate::stage::lag::LagWatch;
use crate::stage::sections::{Place, Progress};
use crate::wire::Lag;
use std::sync::Arc;

/// An event this far behind one before it, in ms of event time, is out of order. Sessions, as they are by default, bear less.
pub const BEHIND_MS: i64 = 30 * 60_000;

/// How far a source is from the order of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disorder {
    /// Events read.
    pub events: u64,
    /// Of these, more than [`BEHIND_MS`] behind the latest before them.
    pub behind: u64,
    /// Of these, right after another one.
    pub in_a_row: u64,
    /// The most that followed one another.
    pub longest_row: u64,
    /// How far, in ms, one lay ahead of the latest before it, the furthest; of one whose time was corrected as far as there is.
    pub ahead_ms: i64,
    row: u64,
}

impl Disorder {
    /// An event of this time is read; `highest` is the latest time before it.
    pub fn meet(&mut self, time: EventTime, highest: Option<EventTime>) {
        self.events += 1;
        self.lead(time, highest);
        if highest.is_none_or(|highest| highest.since(time) <= BEHIND_MS) {
            self.row = 0;
            return;
        }
        self.behind += 1;
        self.in_a_row += u64::from(self.row > 0);
        self.row += 1;
        self.longest_row = self.longest_row.max(self.row);
    }

    /// Something that is no event moves the latest time to this.
    pub(super) fn lead(&mut self, time: EventTime, highest: Option<EventTime>) {
        self.ahead_ms = self.ahead_ms.max(highest.map_or(0, |highest| time.since(highest)));
    }
}

/// What became of the records of one source partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputTally {
    /// Its records.
    pub records: u64,
    /// Events accepted, by `EventType as usize`.
    pub accepted: [u64; EventType::ALL.len()],
    /// Records, or values that the source's transform gave, that were refused, by [`Reason::index`].
    pub rejects: [u64; Reason::ALL.len()],
    /// Null values and skipped types.
    pub skipped: u64,
    /// Records of which the source's transform gave nothing.
    pub filtered: u64,
    /// Events none of whose items is a product.
    pub uncountable: u64,
    /// Impressions and clicks that nobody wants to know of.
    pub unread: u64,
}

/// A source partition as it is read.
pub(super) struct Reading {
    pub(super) input: IntakeInput,
    /// Shared while a record is read, which borrows from it.
    pub(super) plans: Arc<Plans>,
    pub(super) origin: Option<Position>,
    /// All before it has been read. Within a record where some of what its transform gives has been taken.
    pub(super) next: Position,
    /// Checksum of the last record that `next` covers anything of.
    pub(super) checksum: Option<u32>,
    /// What the log holds of records that have not been read again yet.
    pub(super) checkpoints: Checkpoints,
    pub(super) highest: Option<EventTime>,
    /// Whether it brings impressions and clicks only, so that nothing that counts waits for it.
    pub(super) is_aside: bool,
    /// The latest of these.
    told_to: Option<EventTime>,
    /// The time of the event read last.
    pub(super) latest: Option<EventTime>,
    /// Its source among those seen.
    pub(super) seen: usize,
    pub(super) disorder: Disorder,
    pub(super) tally: InputTally,
    pub(super) lag: LagWatch,
}

impl Reading {
    pub(super) fn new(input: IntakeInput, history_ms: Option<i64>) -> Self {
        Self {
            is_aside: input.mapping.is_of_lists_only(),
            told_to: None,
            input,
            plans: Arc::default(),
            origin: None,
            next: Position::default(),
            checksum: None,
            checkpoints: Checkpoints::default(),
            highest: None,
            latest: None,
            seen: 0,
            disorder: Disorder::default(),
            tally: InputTally::default(),
            lag: LagWatch::new(history_ms),
        }
    }

    /// An event was read.
    pub(super) fn meet(&mut self, time: EventTime, skewed: bool) {
        self.disorder.meet(time, self.highest);
        if skewed {
            self.disorder.ahead_ms = i64::MAX;
        }
        self.highest = self.highest.max(Some(time));
    }

    /// An impression or a click was read: of what brings nothing else it is how far that is read.
    pub(super) fn meet_told(&mut self, time: EventTime, skewed: bool) {
        if self.is_aside {
            self.disorder.meet(time, self.told_to);
            if skewed {
                self.disorder.ahead_ms = i64::MAX;
            }
        }
        self.told_to = self.told_to.max(Some(time));
    }

    /// It was read so far before.
    pub(super) fn resume_from(&mut self, highest: Option<EventTime>) {
        let read_to = if self.is_aside { &mut self.told_to } else { &mut self.highest };
        *read_to = (*read_to).max(highest);
    }

    /// The latest time that was read.
    pub(super) fn read_to(&self) -> Option<EventTime> {
        if self.is_aside { self.told_to } else { self.highest }
    }

    /// How far behind it is, as the log is told.
    pub(super) fn told_lag(&self) -> Lag {
        if self.is_aside { Lag::Live } else { self.lag.lag() }
    }

    /// A record of this time was refused.
    pub(super) fn meet_refused(&mut self, time: EventTime) {
        if self.is_aside {
            return;
        }
        self.disorder.lead(time, self.highest);
        self.highest = self.highest.max(Some(time));
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place {
            source: &self.input.source,
            checkpoint: Checkpoint { position: self.next, checksum: self.checksum },
            progress: Progress { highest: self.highest, lag: self.told_lag() },
            has_origin: self.origin.is_some(),
        }
    }
}
