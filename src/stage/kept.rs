//! Keeping a stage's state, and taking it up again.
//!
//! A state is kept as of a moment between two records, in portions, while the stage goes on: what changes before its turn is saved first as
//! it was ([`crate::saved::Early`]). So the longest pause is one portion, however large the state.
//! The rule that makes a kept state safe to start from: before it is published, the log that the stage writes holds, acknowledged,
//! all that follows from the records before the moment. Whoever starts from it then finds a log that is as far or further.

use super::{Effects, Input, PartitionFacts, Phase, Stage, Work};
use crate::position::{Checkpoint, NextOffset};
use crate::saved::{SavedError, Saving};

/// Work whose state can be kept.
pub trait Kept: Work {
    /// Whether the state can be kept now without holding everything up.
    fn may_save(&self) -> bool;
    /// From here on [`Kept::save`] gives the state as it is now, whatever happens to it meanwhile. Asked between records only.
    fn begin_save(&mut self);
    /// Appends frames of the state: what had to go early, and about `bytes_max` bytes more.
    fn save(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> Saving;
    /// Bytes of the state that are held because they had to go early, and that the next [`Kept::save`]s give first.
    fn held_early(&self) -> usize;
    /// No more of it is wanted.
    fn end_save(&mut self);
    /// Takes up a frame. Frames of one kind come in the order in which they were made.
    ///
    /// # Errors
    /// When it does not read, or does not fit.
    fn load(&mut self, kind: u8, body: &[u8]) -> Result<(), SavedError>;
    /// All frames have been taken up.
    ///
    /// # Errors
    /// When they are not a whole state.
    fn loaded(&mut self) -> Result<(), SavedError>;
    /// The id of the log that it reads, once that is known.
    fn log_id(&self) -> Option<u128>;
    /// What the partition of the log that it reads holds, as far as it has been read.
    fn facts(&self) -> &PartitionFacts;
    /// How far that is.
    fn read_to(&self) -> Checkpoint;
    /// Where counting began in that log: its start, unless `rebuild` has put the beginning elsewhere.
    fn origin(&self) -> NextOffset {
        NextOffset(0)
    }
}

/// The moment that a state is kept of.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The id of the log that is read.
    pub log_id: u128,
    /// Where each input goes on, by [`Input::index`].
    pub next: Vec<NextOffset>,
    /// The last record of the first input that is in the state.
    pub checkpoint: Checkpoint,
    /// Where counting began.
    pub origin: NextOffset,
    /// What the partition read holds up to there.
    pub facts: PartitionFacts,
}

impl<W: Kept> Stage<W> {
    /// Begins to keep the state as it is, if that can be now. Marks for the next log go out first: when they are acknowledged, what was made of
    /// the records before the moment is.
    pub fn begin_save(&mut self, effects: &mut dyn Effects) -> Option<Moment> {
        if !matches!(self.phase, Phase::CatchingUp | Phase::Live) || !self.work.may_save() {
            return None;
        }
        let log_id = self.work.log_id()?;
        self.work.mark(effects);
        self.work.flush(effects);
        self.work.begin_save();
        let next = self.inputs.iter().map(|reading| reading.next).collect();
        debug_assert!(self.inputs.iter().enumerate().all(|(place, reading)| reading.input.index() == place));
        let (checkpoint, origin) = (self.work.read_to(), self.work.origin());
        Some(Moment { log_id, next, checkpoint, origin, facts: self.work.facts().clone() })
    }

    /// The next portion of it: see [`Kept::save`].
    pub fn save(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> Saving {
        match self.phase {
            Phase::CatchingUp | Phase::Live => self.work.save(bytes_max, out),
            Phase::Restoring | Phase::Drained | Phase::Stopped => Saving::Void,
        }
    }

    /// Bytes that are held because they changed before their turn.
    #[must_use]
    pub fn held_early(&self) -> usize {
        self.work.held_early()
    }

    /// No more of it is wanted.
    pub fn end_save(&mut self) {
        self.work.end_save();
    }
}
