//! One sans-IO machine that drives any stage: facts in, effects out.
//!
//! A [`Stage`] owns one place of work (an instance's intake, or one partition of windows or rows) and moves through
//! [`Phase`]s. It is told all that happens as a [`Fact`], and what it wants done goes to [`Effects`] as it arises; whoever holds
//! it carries that out, in order. What a stage emits for a record depends on its input log up to that record and on nothing else, so
//! a stage that starts again emits the same, and what its log already holds is muted, not appended again.
//!
//! Invariants: effects of a record are complete before the next fact (but for publishing, which takes several where much is due:
//! [`Stage::is_busy`]); a clock moves marks, flushes and publishing, never a count. Absent: IO, threads, randomness, reading a clock.

mod beginning;
mod checkpoints;
mod effect;
mod facts;
mod identity;
mod input;
mod intake;
mod kept;
mod lag;
mod outbox;
mod rows;
mod sections;
mod windows;

pub use beginning::{Beginning, BeginningError, Headless, KeptRecords, beginnings};
pub use effect::{Effect, Effects, Log, StageError};
pub use facts::PartitionFacts;
pub use input::{EventsInput, Input, RowsInput, SourceInput};
pub use intake::{BEHIND_MS, Disorder, InputTally, IntakeInput, IntakeTally, IntakeWork, Seen, SourceRecord, counted};
pub use kept::{Kept, Moment};
pub use lag::SOURCE_WAIT_MAX_MS;
pub use rows::{
    Clocked, Doubt, Doubtful, Doubts, HIT_SHOPS_MAX, HITS_AT, HitTally, Hits, Landed, LandedValue, REVIEW_MAX,
    REVIEW_SHOPS_MAX, ReviewQueue, RowsRecord, RowsSetup, RowsTally, RowsWork,
};
pub use windows::{WindowsTally, WindowsWork};

pub use identity::identity_of;
use identity::{Authorship, Identity};

use crate::position::{Checkpoint, NextOffset, Partition, SourcePartition};
use crate::wire::Opening;

/// How often a stage appends progress marks where it has read on, by its clock. What others wait for is told at once.
pub const MARK_INTERVAL_MS: i64 = 10_000;

/// How soon it does so once there is nothing more to read: whoever brings things to rest waits for it.
const QUIET_MARK_MS: i64 = 1_000;

/// How often a writer tells its log how everything stands, news or not. A writer that was overtaken before its opening mark was
/// there has the generation of the one that overtook it, and what it says late is taken for news.
const REPEAT_INTERVAL_MS: i64 = 600_000;

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

/// What the clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Milliseconds since 1970, by the wall: for what is written down. It may be put back.
    pub wall_ms: i64,
    /// Milliseconds since anything, by a clock that never goes back: what every duration is measured by.
    pub monotonic_ms: i64,
}

impl Clock {
    /// Both clocks at `ms`: where time is made up.
    #[must_use]
    pub fn at(ms: i64) -> Self {
        Self { wall_ms: ms, monotonic_ms: ms }
    }
}

/// Something that a predecessor of this stage left behind.
#[derive(Clone, Debug)]
pub enum Inherited<'a> {
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
    /// By that log's last word, `source` has waited for something outside for too long and has not caught up since.
    GivenUp {
        /// Which.
        source: &'a SourcePartition,
    },
}

/// All that can happen to a stage.
pub enum Fact<'a, W: Work> {
    /// While restoring: what a predecessor left.
    Inherited(Inherited<'a>),
    /// While restoring: this owner's claim stands on the log at this offset, which is its epoch.
    Claimed {
        /// Of two owners the one with the higher epoch counts.
        epoch: u64,
    },
    /// Restoring is over; input `input` starts at `next` and ended at `until` when looked.
    Opened {
        /// Which input.
        input: W::Input,
        /// Where reading starts.
        next: NextOffset,
        /// Where it ended; `None` where that shows only in the reading (a stream).
        until: Option<NextOffset>,
    },
    /// The next record of an input.
    Record {
        /// Which input.
        input: W::Input,
        /// The record's offset.
        offset: NextOffset,
        /// The record.
        record: W::Record<'a>,
    },
    /// What an input holds before `next` and has not been read is this owner's own, up to its record `sequence`: it need not be read.
    Passed {
        /// Which input.
        input: W::Input,
        /// The first offset that has not been seen.
        next: NextOffset,
        /// The last of the records.
        sequence: u64,
    },
    /// An input has been read to its end; more may come.
    Ended {
        /// Which input.
        input: W::Input,
    },
    /// An input cannot be read for now: what it needs from outside (a schema) is not there. Told as often as that shows; the
    /// input's next record or end ends it.
    Waits {
        /// Which input.
        input: W::Input,
    },
    /// Time passes (the wall's, or the events' in a replay).
    Clock(Clock),
    /// Go on with what [`Stage::is_busy`] says is left over.
    Continue,
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
    /// Which inputs it has.
    type Input: Input;
    /// What they bring.
    type Record<'a>;

    /// Takes note of what a predecessor left.
    ///
    /// # Errors
    /// When it cannot be this stage's.
    fn inherit(&mut self, inherited: &Inherited<'_>) -> Result<(), StageError>;
    /// This owner's claim is its epoch. Only rows claims.
    fn claimed(&mut self, _epoch: u64) {}
    /// An input starts at `next`, and ended at `until` when looked.
    ///
    /// # Errors
    /// When what lies before is not all there, or it ends before what the log written behind it holds of it.
    fn opened(&mut self, _input: Self::Input, _next: NextOffset, _until: Option<NextOffset>) -> Result<(), StageError> {
        Ok(())
    }
    /// Restoring is over for all inputs: the first effects.
    fn open(&mut self, effects: &mut dyn Effects);
    /// Applies one record.
    ///
    /// # Errors
    /// When the log is not what it must be: the stage stops.
    fn record(
        &mut self,
        input: Self::Input,
        offset: NextOffset,
        record: &Self::Record<'_>,
        effects: &mut dyn Effects,
    ) -> Result<(), StageError>;
    /// Own records of an input stand there, up to this one, and were not read. Only rows has such.
    fn passed(&mut self, _input: Self::Input, _sequence: u64) {}
    /// An input has reached the end that it had at start.
    fn reached(&mut self, input: Self::Input, effects: &mut dyn Effects);
    /// Whether nothing is missing of what was read: what was counted of it is not to be shown before.
    fn is_whole(&self) -> bool {
        true
    }
    /// All inputs have, and nothing is missing.
    ///
    /// # Errors
    /// When what they brought does not fit together.
    fn live(&mut self, effects: &mut dyn Effects) -> Result<(), StageError>;
    /// Time passes.
    ///
    /// # Errors
    /// As for a record.
    fn clock(&mut self, clock: Clock, effects: &mut dyn Effects) -> Result<(), StageError>;
    /// Whether bounded work is left over that could go on at once.
    fn is_busy(&self) -> bool {
        false
    }
    /// Goes on with it.
    fn go_on(&mut self, _effects: &mut dyn Effects) {}
    /// An input has been read to its end, not for the first time perhaps.
    fn at_end(&mut self, _input: Self::Input, _effects: &mut dyn Effects) {}
    /// An input cannot be read for now.
    fn waits(&mut self, _input: Self::Input, _effects: &mut dyn Effects) {}
    /// Nothing more is at hand: sends what has been collected.
    fn flush(&mut self, effects: &mut dyn Effects);
    /// Sends what has been collected; more may be at hand.
    fn send(&mut self, effects: &mut dyn Effects) {
        self.flush(effects);
    }
    /// Tells every partition of the next log how far this stage is, where that is news.
    fn mark(&mut self, effects: &mut dyn Effects);
    /// Nothing has come for a while.
    fn rest(&mut self, effects: &mut dyn Effects);
}

#[derive(Clone, Copy)]
struct Reading<I> {
    input: I,
    next: NextOffset,
    /// `None`: at an end not known before.
    until: Option<NextOffset>,
    opened: bool,
    reached: bool,
}

/// A stage at work.
pub struct Stage<W: Work> {
    work: W,
    phase: Phase,
    inputs: Vec<Reading<W::Input>>,
    next_mark_ms: i64,
    /// Whether something was read since the last look at the clock.
    has_read: bool,
    /// When something was read last of which nobody has been told.
    read_at_ms: Option<i64>,
}

impl<W: Work> Stage<W> {
    /// A stage with `inputs`, each at the place of its index, restoring.
    ///
    /// # Panics
    /// When an input is not where its index says.
    #[must_use]
    pub fn new(work: W, inputs: impl IntoIterator<Item = W::Input>) -> Self {
        let reading = |input| Reading { input, next: NextOffset(0), until: None, opened: false, reached: false };
        let inputs: Vec<_> = inputs.into_iter().map(reading).collect();
        let in_place = inputs.iter().enumerate().all(|(place, reading)| reading.input.index() == place);
        assert!(in_place, "inputs are given in the order of their indices");
        Self { work, phase: Phase::Restoring, inputs, next_mark_ms: i64::MIN, has_read: false, read_at_ms: None }
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
    pub fn next(&self, input: W::Input) -> NextOffset {
        self.inputs[input.index()].next
    }

    /// Whether bounded work is left over: whoever drives the stage tells it [`Fact::Continue`] (or the time) in its next
    /// turn, without sleeping.
    pub fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::CatchingUp | Phase::Live) && self.work.is_busy()
    }

    /// Takes in one fact; what follows from it goes to `effects`.
    ///
    /// # Errors
    /// When the stage must stop: nothing follows from any fact after this one, and its state is to be dropped. What it has
    /// said of this fact before it met the error is right as far as it goes, as if the process had ended there.
    pub fn handle(&mut self, fact: Fact<'_, W>, effects: &mut dyn Effects) -> Result<(), StageError> {
        if self.phase == Phase::Stopped {
            return Err(StageError::Stopped);
        }
        let taken = self.take(fact, effects);
        if taken.is_err() {
            self.phase = Phase::Stopped;
        }
        taken
    }

    fn take(&mut self, fact: Fact<'_, W>, effects: &mut dyn Effects) -> Result<(), StageError> {
        match fact {
            Fact::Inherited(inherited) => self.work.inherit(&inherited)?,
            Fact::Claimed { epoch } => self.work.claimed(epoch),
            Fact::Opened { input, next, until } => self.opened(input, next, until, effects)?,
            Fact::Record { input, offset, record } => self.record(input, offset, &record, effects)?,
            Fact::Passed { input, next, sequence } => {
                let reading = &mut self.inputs[input.index()];
                assert!(reading.reached, "what one owner finds is read in full");
                if next > reading.next {
                    reading.next = next;
                    self.work.passed(input, sequence);
                }
            }
            Fact::Ended { input } => {
                assert!(self.phase != Phase::Restoring, "an end is told before all inputs are opened");
                self.work.at_end(input, effects);
                self.reached(input, effects)?;
            }
            Fact::Waits { input } => self.work.waits(input, effects),
            Fact::Clock(clock) => self.clock(clock, effects)?,
            Fact::Continue => {
                if self.is_busy() {
                    self.work.go_on(effects);
                }
            }
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
        input: W::Input,
        next: NextOffset,
        until: Option<NextOffset>,
        effects: &mut dyn Effects,
    ) -> Result<(), StageError> {
        self.work.opened(input, next, until)?;
        self.inputs[input.index()] = Reading { input, next, until, opened: true, reached: false };
        if self.phase == Phase::Restoring && self.inputs.iter().all(|input| input.opened) {
            self.phase = Phase::CatchingUp;
            self.work.open(effects);
        }
        if self.phase != Phase::Restoring {
            for place in 0..self.inputs.len() {
                self.check_reached(self.inputs[place].input, effects)?;
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        input: W::Input,
        offset: NextOffset,
        record: &W::Record<'_>,
        effects: &mut dyn Effects,
    ) -> Result<(), StageError> {
        assert!(
            matches!(self.phase, Phase::CatchingUp | Phase::Live),
            "a record is given to a stage that reads, not to one that is {:?}",
            self.phase
        );
        if offset < self.inputs[input.index()].next {
            return Ok(()); // a transport may give a record again; offsets may skip, positions may not
        }
        self.work.record(input, offset, record, effects)?;
        self.inputs[input.index()].next = offset.after();
        self.has_read = true;
        self.check_reached(input, effects)?;
        self.check_live(effects)
    }

    fn check_reached(&mut self, input: W::Input, effects: &mut dyn Effects) -> Result<(), StageError> {
        let Reading { next, until, reached, .. } = self.inputs[input.index()];
        if !reached && until.is_some_and(|until| next >= until) { self.reached(input, effects) } else { Ok(()) }
    }

    fn reached(&mut self, input: W::Input, effects: &mut dyn Effects) -> Result<(), StageError> {
        if std::mem::replace(&mut self.inputs[input.index()].reached, true) {
            return Ok(());
        }
        self.work.reached(input, effects);
        self.check_live(effects)
    }

    fn check_live(&mut self, effects: &mut dyn Effects) -> Result<(), StageError> {
        let has_caught_up = self.phase == Phase::CatchingUp && self.inputs.iter().all(|input| input.reached);
        if has_caught_up && self.work.is_whole() {
            self.phase = Phase::Live;
            self.work.live(effects)?;
        }
        Ok(())
    }

    fn clock(&mut self, clock: Clock, effects: &mut dyn Effects) -> Result<(), StageError> {
        self.work.clock(clock, effects)?;
        let now_ms = clock.monotonic_ms;
        if std::mem::take(&mut self.has_read) {
            self.read_at_ms = Some(now_ms);
        }
        let is_quiet = self.read_at_ms.is_some_and(|read_at_ms| now_ms.saturating_sub(read_at_ms) >= QUIET_MARK_MS);
        if matches!(self.phase, Phase::CatchingUp | Phase::Live) && (is_quiet || now_ms >= self.next_mark_ms) {
            self.next_mark_ms = now_ms.saturating_add(MARK_INTERVAL_MS);
            self.read_at_ms = None;
            self.work.mark(effects);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
