//! What was shown and clicked, as it is kept: a head, and the users' tables part by part.
//!
//! Parts are shared when saving begins and copied when they change, so what is saved is of one moment. Where nothing was ever told,
//! nothing is kept.

use super::cells::Cells;
use super::doings::Doings;
use super::generations::{Generations, Held, Part, Standing};
use super::seen::Seen;
use super::{Clicks, ClicksTally};
use crate::event::UserKey;
use crate::saved::{SavedError, Saving, frame, put, whole};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Higher counters are not ours: to count on from them could overflow.
const COUNT_MAX: u64 = 1 << 56;

/// A part that waits to be saved, with the number of its table.
enum Waiting {
    Seen(u8, Arc<Part<Seen>>),
    Doings(u8, Arc<Part<Doings>>),
}

/// What is being saved.
pub(super) struct ClicksSaving {
    head: Vec<u8>,
    waiting: VecDeque<Waiting>,
}

#[derive(Serialize)]
struct HeadToSave<'a> {
    cells: &'a Cells,
    tally: ClicksTally,
    standing: [Standing; 2],
}

#[derive(Deserialize)]
struct Head {
    cells: Cells,
    tally: ClicksTally,
    standing: [Standing; 2],
}

/// What has been read so far.
#[derive(Default)]
pub struct ClicksLoading {
    head: Option<[Standing; 2]>,
}

impl Clicks {
    /// From here on [`Clicks::save`] gives what is there now.
    pub fn begin_save(&mut self, head_kind: u8) {
        if !self.is_active {
            return;
        }
        let mut head = Vec::new();
        let standing = [self.seen.standing(), self.doings.standing()];
        frame(&mut head, head_kind, |out| put(out, &HeadToSave { cells: &self.cells, tally: self.tally, standing }));
        let seen = self.seen.parts().map(|(number, part)| Waiting::Seen(number, part));
        let doings = self.doings.parts().map(|(number, part)| Waiting::Doings(number, part));
        self.saving = Some(Box::new(ClicksSaving { head, waiting: seen.chain(doings).collect() }));
    }

    /// Appends frames of kind `kind`, until `bytes_max` have been appended.
    pub fn save(&mut self, kind: u8, bytes_max: usize, out: &mut Vec<u8>) -> Saving {
        let Some(saving) = &mut self.saving else { return Saving::Done };
        out.append(&mut saving.head);
        let full = out.len().saturating_add(bytes_max.max(1));
        while out.len() < full {
            let Some(waiting) = saving.waiting.pop_front() else {
                self.saving = None;
                return Saving::Done;
            };
            frame(out, kind, |out| match waiting {
                Waiting::Seen(number, part) => put(out, &(number, part.iter().collect::<Vec<_>>())),
                Waiting::Doings(number, part) => put(out, &(number + 2, part.iter().collect::<Vec<_>>())),
            });
        }
        Saving::More
    }

    /// No more of it is wanted.
    pub fn end_save(&mut self) {
        self.saving = None;
    }

    /// Takes up the head.
    ///
    /// # Errors
    /// When it does not read, or does not fit together.
    pub fn load_head(&mut self, body: &[u8], loading: &mut ClicksLoading) -> Result<(), SavedError> {
        let Head { mut cells, tally, standing } = whole(body, "what was shown and clicked")?;
        if !cells.is_sound(COUNT_MAX) || tally.named().into_iter().any(|(_, count)| count > COUNT_MAX) {
            return Err(SavedError::unfit("lists that were shown do not fit together"));
        }
        if loading.head.replace(standing).is_some() {
            return Err(SavedError::unfit("what was shown and clicked twice"));
        }
        cells.find_again();
        (self.cells, self.tally, self.is_active) = (cells, tally, true);
        Ok(())
    }

    /// Takes up a part of a table.
    ///
    /// # Errors
    /// When it does not read, or names a user twice or a cell that is not there.
    pub fn load(&mut self, body: &[u8]) -> Result<(), SavedError> {
        const WHAT: &str = "what users were shown and clicked";
        let Self { cells, seen, doings, .. } = self;
        match body.first() {
            Some(0 | 1) => take_up(cells, seen, whole(body, WHAT)?),
            Some(2 | 3) => {
                let (number, users): (u8, Vec<(UserKey, Doings)>) = whole(body, WHAT)?;
                take_up(cells, doings, (number - 2, users))
            }
            _ => Err(SavedError::unfit("a table of users that is none")),
        }
    }

    /// All has been taken up.
    ///
    /// # Errors
    /// When there are other users than the head says.
    pub fn loaded(&mut self, loading: ClicksLoading) -> Result<(), SavedError> {
        let are_none = self.seen.bytes() == 0 && self.doings.bytes() == 0;
        let is_whole = match loading.head {
            Some([seen, doings]) => self.seen.loaded(seen) && self.doings.loaded(doings),
            None => are_none,
        };
        if is_whole { Ok(()) } else { Err(SavedError::unfit("other users than were shown something")) }
    }
}

fn take_up<T: Held>(
    cells: &Cells,
    table: &mut Generations<T>,
    (number, users): (u8, Vec<(UserKey, T)>),
) -> Result<(), SavedError> {
    if !users.iter().flat_map(|(_, held)| held.cells()).all(|cell| cells.has(cell)) {
        return Err(SavedError::unfit("a list that was shown, and is none"));
    }
    if table.load(number, users) { Ok(()) } else { Err(SavedError::unfit("a user twice")) }
}
