//! Where the records of a file stand that have been fed to the stages, which know them by offset: for messages.
//!
//! Of a file of lines that is read as it stands the offset says it; of others the last ones are kept.

use crate::cli::files::Place;
use crate::cli::output::RejectNotes;
use crate::intake::Reject;
use crate::position::NextOffset;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// So many records back a place is known. The stages take in what they are fed after some hundreds.
const KEPT_MAX: usize = 65_536;

/// The places of one file.
#[derive(Clone)]
pub(in crate::cli) struct Places {
    name: Arc<str>,
    kept: Arc<Mutex<VecDeque<(u64, Place)>>>,
}

impl Places {
    pub(super) fn new(name: String) -> Self {
        Self { name: name.into(), kept: Arc::default() }
    }

    /// The record at `place` has been fed under `offset`.
    pub(super) fn fed(&self, offset: u64, place: Place) {
        if place == Place::Line(offset + 1) {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.back().is_some_and(|(last, _)| *last >= offset) {
            kept.clear(); // the file is read again
        }
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((offset, place));
    }

    /// Tells of a record that was refused.
    pub(in crate::cli) fn note(&self, notes: &mut RejectNotes, offset: NextOffset, reject: &Reject) {
        notes.note(&self.name, self.at(offset), reject);
    }

    /// Where the record stands that was fed last, or not long ago, under `offset`.
    pub(in crate::cli) fn at(&self, offset: NextOffset) -> Place {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.binary_search_by_key(&offset.0, |(offset, _)| *offset).ok().map(|at| kept[at].1);
        known.unwrap_or(Place::Line(offset.0 + 1))
    }
}
