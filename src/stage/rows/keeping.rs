//! The state of a partition of rows as it is kept: what the pairs log and the other partitions have brought, and what subscribers know of its
//! lists. What follows from it is not in it: what is due, how lists rank.

use super::RowsWork;
use crate::list_key::{About, Base, ListKey, ListName};
use crate::position::Checkpoint;
use crate::publish::ListNumber;
use crate::rows::is_of_rows;
use crate::saved::{SavedError, Saving, frame, put, whole};
use crate::stage::identity::Known;
use crate::stage::{Kept, PartitionFacts};
use serde::{Deserialize, Serialize};

/// Kinds of frames.
const STAGE: u8 = 1;
const NAMES: u8 = 2;
const PUBLISHED: u8 = 3;

/// What is neither names nor counts.
#[derive(Serialize, Deserialize)]
struct StageState<K> {
    known: K,
    read: Checkpoint,
    silence: super::silence::Kept,
    read_stamps: Vec<(u64, u64)>,
    epochs_from: u64,
    ledger_duplicates: u64,
    /// When items were met first.
    first_met: Vec<(u32, i64)>,
    /// How many names there are.
    items: u64,
}

/// Where saving is.
#[derive(Default)]
pub(super) struct Keeping {
    items: Option<crate::items::ItemsSaving>,
    /// The frame of what is neither names nor counts.
    stage: Vec<u8>,
    /// Whether all counts are out.
    is_counted: bool,
}

impl Kept for RowsWork {
    fn may_save(&self) -> bool {
        true
    }

    fn begin_save(&mut self) {
        let mut stage = Vec::new();
        let state = StageState {
            known: &self.identity.known,
            read: self.read,
            silence: self.silence.kept(),
            read_stamps: self.telling.read_stamps().to_vec(),
            epochs_from: self.epochs_from,
            ledger_duplicates: self.tally.ledger_duplicates,
            first_met: self.shop_wide.as_ref().map_or_else(Vec::new, |wide| wide.met.marks().to_vec()),
            items: self.rows.items().len() as u64,
        };
        frame(&mut stage, STAGE, |out| put(out, &state));
        self.keeping = Keeping { items: Some(self.rows.items().begin_save()), stage, is_counted: false };
        self.rows.begin_save();
        self.publisher.begin_save();
    }

    fn save(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> Saving {
        let full = out.len().saturating_add(bytes_max);
        out.append(&mut self.keeping.stage);
        while let Some(items) = &mut self.keeping.items {
            if items.save(self.rows.items(), NAMES, out) == Saving::Done {
                self.keeping.items = None;
            } else if out.len() >= full {
                // What is counted meanwhile may need room: what had to go early goes along, behind the names that it is of.
                return Saving::More;
            }
        }
        if !self.keeping.is_counted {
            match self.rows.save(full.saturating_sub(out.len()), out) {
                Saving::Done => self.keeping.is_counted = true,
                unfinished => return unfinished,
            }
        }
        self.publisher.save(&self.lists, PUBLISHED, full.saturating_sub(out.len()), out)
    }

    fn held_early(&self) -> usize {
        self.rows.held_early().saturating_add(self.publisher.held_early())
    }

    fn end_save(&mut self) {
        self.keeping = Keeping::default();
        self.rows.end_save();
        self.publisher.end_save();
    }

    fn load(&mut self, kind: u8, body: &[u8]) -> Result<(), SavedError> {
        match kind {
            STAGE => {
                let state: StageState<Known> = whole(body, "the state of a stage")?;
                self.identity.known = state.known;
                self.read = state.read;
                self.silence.restore(state.silence);
                self.telling.restore(state.read_stamps);
                self.epochs_from = state.epochs_from;
                self.tally.ledger_duplicates = state.ledger_duplicates;
                if let Some(wide) = &mut self.shop_wide {
                    wide.met.restore(state.first_met);
                }
                self.items_expected = Some(state.items);
                Ok(())
            }
            NAMES => self.rows.items_mut().load(body),
            PUBLISHED => self.publisher.load(body, self.rows.items(), &mut self.lists),
            kind if is_of_rows(kind) => self.rows.load(kind, body),
            kind => Err(SavedError::Kind { kind }),
        }
    }

    fn loaded(&mut self) -> Result<(), SavedError> {
        let found = self.rows.items().len() as u64;
        match self.items_expected.take() {
            Some(expected) if expected == found => self.rows.loaded().and_then(|()| self.publisher.loaded())?,
            expected => return Err(SavedError::unfit(format!("{found} names of {expected:?}"))),
        }
        // Nothing is due before the stage has caught up; then everything is.
        for list in ListName::ALL {
            if let (Base::Row { relation, .. }, Some(_)) = (list.base(), self.rankers.get(list)) {
                for item in self.rows.anchors(relation) {
                    let shop = self.rows.items().shop_of(item);
                    self.due.know(self.lists.meet(ListKey { shop, list, about: About::Item(item) }));
                }
            }
        }
        for number in (0..self.lists.len()).filter_map(|number| u32::try_from(number).ok()).map(ListNumber) {
            let list = self.lists.key(number).list;
            if list.is_placement() && self.rules[list.index()].enabled {
                self.due.know(number);
            }
        }
        self.moved = true;
        Ok(())
    }

    fn log_id(&self) -> Option<u128> {
        self.identity.known.log_id
    }

    fn facts(&self) -> &PartitionFacts {
        &self.identity.known.facts
    }

    fn read_to(&self) -> Checkpoint {
        self.read
    }
}
