//! The buffers as they are kept: the sources in the order of their numbers, each with what it holds.

use super::{Buffer, Buffered, Merge, SourceIndex, small};
use crate::event::{EventTime, EventType};
use crate::position::SourcePartition;
use crate::saved::{SavedError, put, take};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;

/// How a source stands: name, highest time heard of, whether it is behind, events held.
type Standing<N> = (N, EventTime, bool, u64);

impl<T: Serialize> Merge<T> {
    /// Appends all of it.
    pub fn save(&self, out: &mut Vec<u8>) {
        put(out, &self.forced);
        let mut names: Vec<(SourceIndex, &SourcePartition)> =
            self.names.iter().map(|(name, &index)| (index, name)).collect();
        names.sort_unstable_by_key(|&(index, _)| index);
        for ((_, name), source) in names.into_iter().zip(&self.sources) {
            let standing: Standing<_> = (name, source.highest, source.behind, source.held.len() as u64);
            put(out, &standing);
            for Buffered { time, event_type, item, .. } in &source.held {
                put(out, &(time, event_type, item));
            }
        }
    }
}

impl<T: DeserializeOwned> Merge<T> {
    /// Takes up all of it. `bytes_of`: what holding an event costs, if it is one.
    ///
    /// # Errors
    /// When it does not read, or there is something already.
    pub fn load(
        &mut self,
        mut body: &[u8],
        mut bytes_of: impl FnMut(&T) -> Result<usize, SavedError>,
    ) -> Result<(), SavedError> {
        if !self.sources.is_empty() {
            return Err(SavedError::unfit("buffers twice"));
        }
        self.forced = take(&mut body, "a counter")?;
        if self.forced > crate::windows::COUNT_MAX {
            return Err(SavedError::unfit("more events than there can be"));
        }
        while !body.is_empty() {
            let (name, highest, behind, count): Standing<SourcePartition> = take(&mut body, "a source")?;
            if self.names.insert(name, SourceIndex(small(self.sources.len()))).is_some() {
                return Err(SavedError::unfit("a source twice"));
            }
            let mut held = VecDeque::new();
            for _ in 0..count {
                let (time, event_type, item): (EventTime, EventType, T) = take(&mut body, "an event")?;
                let bytes = bytes_of(&item)?;
                self.bytes += bytes;
                self.held += 1;
                held.push_back(Buffered { time, event_type, bytes, item });
            }
            self.sources.push(Buffer { rank: 0, highest, behind, bounding: false, held });
        }
        self.rank();
        Ok(())
    }

    /// How many sources there are.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.sources.len()
    }
}

impl SourceIndex {
    /// Whether it is one of so many sources.
    #[must_use]
    pub fn is_below(self, sources: usize) -> bool {
        (self.0 as usize) < sources
    }
}
