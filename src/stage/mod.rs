//! One sans-IO machine that drives any stage: facts in, effects out.
//!
//! A [`Stage`] owns one place of work (an instance's intake, or one partition of windows or rows) and moves through
//! [`Phase`]s. It is told all that happens as a [`Fact`] and answers with [`Effect`]s; whoever holds it (`edge`) carries
//! them out, in order. What a stage emits for a record depends on its input log up to that record and on nothing else, so
//! a stage that starts again emits the same, and what its log already holds is muted, not appended again.
//!
//! Invariants: effects of a record are complete before the next fact; a clock moves marks, flushes and publishing, never
//! a count. Absent: IO, threads, randomness, reading a clock; snapshots (a stage starts at its log's origin).

mod checkpoints;
mod effect;
mod identity;
mod intake;
mod outbox;
mod rows;
mod windows;

pub use effect::{Effect, Log, StageError};
pub use intake::{IntakeInput, IntakeTally, IntakeWork, SourceRecord};
pub use rows::{Clocked, RowsSetup, RowsTally, RowsWork};
pub use windows::{WindowsTally, WindowsWork};

pub use identity::identity_of;
use identity::{Authorship, Identity};

use crate::position::{Checkpoint, NextOffset, Partition, SourcePartition};
use crate::publish::ListRecord;
use crate::wire::Opening;

/// How often a stage appends progress marks, by its clock.
pub const MARK_INTERVAL_MS: i64 = 1_000;

/// How large a block may grow before it is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLimits {
    /// About how many bytes. A record of a log has at most a few times as many.
    pub bytes_max: usize,
    /// How many entries.
    pub entries_max: usize,
}

impl Default for BlockLimits {
    fn default() -> Self {
        Self { bytes_max: 512 << 10, entries_max: 65_536 }
    }
}

/// Where a stage stands. Each variant says what may be done in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Learning what its predecessor left; nothing is read or sent.
    Restoring,
    /// Applying records up to where the inputs ended at start; state moves, lists stay silent.
    CatchingUp,
    /// Normal work.
    Live,
    /// Being taken away: what was in hand has been flushed, nothing more is taken in.
    Drained,
    /// After an error: its state may hold a part of a record, so nothing that it says counts any more.
    Stopped,
}

/// Something that a predecessor of this stage left behind.
#[derive(Clone, Debug)]
pub enum Left<'a> {
    /// A random id for the log this stage writes, should no opening mark have given it one.
    NewLogId(u128),
    /// An opening mark on the log that this stage writes.
    Opening {
        /// Its partition.
        partition: Partition,
        /// Where it stands.
        offset: NextOffset,
        /// The mark.
        opening: &'a Opening,
    },
    /// How far partition `output` of that log holds `source`.
    Checkpoint {
        /// Partition of the log that this stage writes.
        output: usize,
        /// What it is of.
        source: &'a SourcePartition,
        /// All before it is there already.
        checkpoint: Checkpoint,
    },
    /// A record of this partition's lists: what was published last under its key.
    List(&'a ListRecord<'a>),
    /// A record of the totals log, of any partition.
    Total(&'a [u8]),
}

/// All that can happen to a stage.
#[derive(Clone, Debug)]
pub enum Fact<'a, R> {
    /// While restoring: what a predecessor left.
    Left(Left<'a>),
    /// Restoring is over; input `input` starts at `next` and ended at `until` when looked.
    Opened {
        /// Number of the input.
        input: usize,
        /// Where reading starts.
        next: NextOffset,
        /// Where it ended; `None` where that shows only in the reading (a stream).
        until: Option<NextOffset>,
    },
    /// The next record of an input.
    Record {
        /// Number of the input.
        input: usize,
        /// The record's offset.
        offset: NextOffset,
        /// The record.
        record: R,
    },
    /// An input has been read to its end; more may come.
    Ended {
        /// Number of the input.
        input: usize,
    },
    /// The time is `now_ms` (of the wall, or of the events in a replay).
    Clock {
        /// Milliseconds since 1970.
        now_ms: i64,
    },
    /// Nothing more is at hand: send what has been collected.
    Flush,
    /// Send what has been collected; more may be at hand.
    Send,
    /// No input for `rest_after`: bring everything up to date.
    Rest,
    /// The partition is being taken away.
    Drain,
}

/// What a stage does, between the facts and the rooms.
pub trait Work {
    /// What its inputs bring.
    type Record<'a>;

    /// Takes note of what a predecessor left.
    ///
    /// # Errors
    /// When it cannot be this stage's.
    fn left(&mut self, left: &Left<'_>) -> Result<(), StageError>;
    /// An input starts at `next`, and ended at `until` when looked.
    ///
    /// # Errors
    /// When what lies before is not all there, or it ends before what the log written behind it holds of it.
    fn opened(&mut self, _input: usize, _next: NextOffset, _until: Option<NextOffset>) -> Result<(), StageError> {
        Ok(())
    }
    /// Restoring is over for all inputs: the first effects.
    fn open(&mut self, effects: &mut Vec<Effect>);
    /// Applies one record.
    ///
    /// # Errors
    /// When the log is not what it must be: the stage stops.
    fn record(
        &mut self,
        input: usize,
        offset: NextOffset,
        record: &Self::Record<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), StageError>;
    /// An input has reached the end that it had at start.
    fn reached(&mut self, input: usize, effects: &mut Vec<Effect>);
    /// All inputs have.
    fn live(&mut self, effects: &mut Vec<Effect>);
    /// Time passes.
    ///
    /// # Errors
    /// As for a record.
    fn clock(&mut self, now_ms: i64, effects: &mut Vec<Effect>) -> Result<(), StageError>;
    /// An input has been read to its end, not for the first time perhaps.
    fn at_end(&mut self, _input: usize, _effects: &mut Vec<Effect>) {}
    /// Nothing more is at hand: sends what has been collected.
    fn flush(&mut self, effects: &mut Vec<Effect>);
    /// Sends what has been collected; more may be at hand.
    fn send(&mut self, effects: &mut Vec<Effect>) {
        self.flush(effects);
    }
    /// Tells every partition of the next log how far this stage is, where that is news.
    fn mark(&mut self, effects: &mut Vec<Effect>);
    /// Nothing has come for a while.
    fn rest(&mut self, effects: &mut Vec<Effect>);
}

struct Input {
    next: NextOffset,
    /// `None`: at an end not known before.
    until: Option<NextOffset>,
    opened: bool,
    reached: bool,
}

/// A stage at work.
pub struct Stage<W> {
    work: W,
    phase: Phase,
    inputs: Vec<Input>,
    next_mark_ms: i64,
}

impl<W: Work> Stage<W> {
    /// A stage with `inputs` inputs, restoring.
    #[must_use]
    pub fn new(work: W, inputs: usize) -> Self {
        let input = || Input { next: NextOffset(0), until: None, opened: false, reached: false };
        let inputs = std::iter::repeat_with(input).take(inputs).collect();
        Self { work, phase: Phase::Restoring, inputs, next_mark_ms: i64::MIN }
    }

    /// The work, to ask questions of.
    pub fn work(&self) -> &W {
        &self.work
    }

    /// The work, to ask questions that need room to answer.
    pub fn work_mut(&mut self) -> &mut W {
        &mut self.work
    }

    /// Where the stage stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The first offset of `input` that has not been read.
    pub fn next(&self, input: usize) -> NextOffset {
        self.inputs[input].next
    }

    /// Takes in one fact; what follows from it is appended to `effects`.
    ///
    /// # Errors
    /// When the stage must stop: nothing follows from this fact, nor from any after it, and its state is to be dropped.
    pub fn handle(&mut self, fact: Fact<'_, W::Record<'_>>, effects: &mut Vec<Effect>) -> Result<(), StageError> {
        if self.phase == Phase::Stopped {
            return Err(StageError::Stopped);
        }
        let before = effects.len();
        let taken = self.take(fact, effects);
        if taken.is_err() {
            self.phase = Phase::Stopped;
            effects.truncate(before);
        }
        taken
    }

    fn take(&mut self, fact: Fact<'_, W::Record<'_>>, effects: &mut Vec<Effect>) -> Result<(), StageError> {
        match fact {
            Fact::Left(left) => self.work.left(&left)?,
            Fact::Opened { input, next, until } => self.opened(input, next, until, effects)?,
            Fact::Record { input, offset, record } => self.record(input, offset, &record, effects)?,
            Fact::Ended { input } => {
                assert!(self.phase != Phase::Restoring, "an end is told before all inputs are opened");
                self.work.at_end(input, effects);
                self.reached(input, effects);
            }
            Fact::Clock { now_ms } => self.clock(now_ms, effects)?,
            Fact::Flush => self.work.flush(effects),
            Fact::Send => self.work.send(effects),
            Fact::Rest => {
                self.work.mark(effects);
                self.work.rest(effects);
                self.work.flush(effects);
            }
            Fact::Drain => {
                self.work.mark(effects);
                self.work.flush(effects);
                self.phase = Phase::Drained;
            }
        }
        Ok(())
    }

    fn opened(
        &mut self,
        input: usize,
        next: NextOffset,
        until: Option<NextOffset>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), StageError> {
        self.work.opened(input, next, until)?;
        self.inputs[input] = Input { next, until, opened: true, reached: false };
        if self.phase == Phase::Restoring && self.inputs.iter().all(|input| input.opened) {
            self.phase = Phase::CatchingUp;
            self.work.open(effects);
        }
        if self.phase != Phase::Restoring {
            for input in 0..self.inputs.len() {
                self.check_reached(input, effects);
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        input: usize,
        offset: NextOffset,
        record: &W::Record<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), StageError> {
        assert!(
            matches!(self.phase, Phase::CatchingUp | Phase::Live),
            "a record is given to a stage that reads, not to one that is {:?}",
            self.phase
        );
        if offset < self.inputs[input].next {
            return Ok(()); // a transport may give a record again; offsets may skip, positions may not
        }
        self.work.record(input, offset, record, effects)?;
        self.inputs[input].next = offset.after();
        self.check_reached(input, effects);
        Ok(())
    }

    fn check_reached(&mut self, input: usize, effects: &mut Vec<Effect>) {
        let Input { next, until, reached, .. } = self.inputs[input];
        if !reached && until.is_some_and(|until| next >= until) {
            self.reached(input, effects);
        }
    }

    fn reached(&mut self, input: usize, effects: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.inputs[input].reached, true) {
            return;
        }
        self.work.reached(input, effects);
        if self.phase == Phase::CatchingUp && self.inputs.iter().all(|input| input.reached) {
            self.phase = Phase::Live;
            self.work.live(effects);
        }
    }

    fn clock(&mut self, now_ms: i64, effects: &mut Vec<Effect>) -> Result<(), StageError> {
        self.work.clock(now_ms, effects)?;
        // A clock that was put back must not keep marks away until it has caught up with itself.
        let is_due = now_ms >= self.next_mark_ms || now_ms < self.next_mark_ms.saturating_sub(MARK_INTERVAL_MS);
        if matches!(self.phase, Phase::CatchingUp | Phase::Live) && is_due {
            self.next_mark_ms = now_ms.saturating_add(MARK_INTERVAL_MS);
            self.work.mark(effects);
        }
        Ok(())
    }
}
