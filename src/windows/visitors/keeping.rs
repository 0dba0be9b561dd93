//! The table of visitors as it is kept, and read back place by place.

use super::{Memory, Met, SHARDS, Visitor, Visitors, WindowsBytes, at, at_mut, place_of, small, whole};
use crate::event::EventTime;
use crate::saved::{Early, SavedError, Saving, frame, put, take};

/// A table that is being saved.
pub(super) struct TableSaving {
    early: Early,
    /// Those that went early, since the last portion.
    gone: Vec<u8>,
    /// Behind the last of them.
    expected: u32,
}

impl TableSaving {
    /// The visitor at `place` is about to change, to move or to be freed.
    #[cold]
    pub(super) fn goes_early(&mut self, place: u32, visitor: &Visitor) {
        if self.early.is_to_go(place as usize) {
            visitor.save(place, &mut self.expected, &mut self.gone);
        }
    }
}

/// A table that is being read.
#[derive(Default)]
pub(super) struct TableLoading {
    /// Where those belong that have been read, in the order in which they were.
    places: Vec<u32>,
    met: Met,
}

impl Visitor {
    /// Appends it; `expected` is the place behind the one appended before.
    fn save(&self, place: u32, expected: &mut u32, out: &mut Vec<u8>) {
        put(out, &(i64::from(place) - i64::from(*expected)));
        self.user.iter().for_each(|half| out.extend_from_slice(&half.to_le_bytes()));
        put(out, &(self.seen, &self.memory));
        *expected = place.saturating_add(1);
    }

    fn load(bytes: &mut &[u8], expected: &mut u32) -> Result<(u32, Self), SavedError> {
        let step: i64 = take(bytes, "a visitor's place")?;
        let place = i64::from(*expected).checked_add(step).and_then(|place| u32::try_from(place).ok());
        let place = place.ok_or_else(|| SavedError::unfit("a visitor outside of any table"))?;
        let mut half = || {
            let (half, rest) = bytes.split_first_chunk().ok_or_else(|| SavedError::unfit("half a visitor"))?;
            *bytes = rest;
            Ok(u64::from_le_bytes(*half))
        };
        let user = [half()?, half()?];
        let (seen, memory): (EventTime, Memory) = take(bytes, "a visitor")?;
        *expected = place.saturating_add(1);
        Ok((place, Self { user, seen, memory }))
    }
}

impl Memory {
    /// Whether it is one; takes note of what it names.
    fn fits(&self, met: &mut Met) -> Result<(), SavedError> {
        match self {
            Self::Stranger => {}
            Self::OneView { item, .. } => met.item(*item),
            Self::OneViewInSession(view) => met.item(view.item),
            Self::Known(known) => {
                known.click_ids.fits()?;
                known.sessions.fits(met);
                known.recent_views.fits(met);
                known.cart.iter().for_each(|cart| cart.fits(met));
                known.customer.as_ref().map_or(Ok(()), |customer| customer.fits(met))?;
            }
        }
        Ok(())
    }
}

impl Visitors {
    /// From here on [`Visitors::save`] gives the table as it is now: of so many visitors, and whom reclaiming looks at next.
    pub(in crate::windows) fn begin_save(&mut self) -> (u32, u32) {
        let early = Early::new(self.len());
        self.saving = Some(Box::new(TableSaving { early, gone: Vec::new(), expected: 0 }));
        (small(self.len()), self.hand)
    }

    #[cold]
    pub(super) fn goes_early(&mut self, place: u32) {
        if let Some(saving) = &mut self.saving {
            saving.goes_early(place, at(&self.chunks, place));
        }
    }

    /// Bytes of those that went early, since the last portion.
    pub(in crate::windows) fn held_early(&self) -> usize {
        self.saving.as_ref().map_or(0, |saving| saving.gone.len())
    }

    /// Appends frames of kind `kind`: what had to go early, and about `bytes_max` bytes more.
    pub(in crate::windows) fn save(&mut self, kind: u8, bytes_max: usize, out: &mut Vec<u8>) -> Saving {
        let Some(saving) = &mut self.saving else { return Saving::Void };
        if !saving.gone.is_empty() {
            frame(out, kind, |out| out.append(&mut saving.gone));
            saving.expected = 0;
        }
        if bytes_max == 0 {
            return Saving::More;
        }
        let full = out.len().saturating_add(bytes_max);
        let mut next = saving.early.next_to_go();
        if next.is_some() {
            frame(out, kind, |out| {
                let mut expected = 0;
                while let Some(place) = next.map(small) {
                    at(&self.chunks, place).save(place, &mut expected, out);
                    if out.len() >= full {
                        break;
                    }
                    next = saving.early.next_to_go();
                }
            });
        }
        if next.is_some() { Saving::More } else { Saving::Done }
    }

    pub(in crate::windows) fn end_save(&mut self) {
        self.saving = None;
    }

    /// Takes up visitors, in the order in which they come.
    pub(in crate::windows) fn load(&mut self, mut body: &[u8]) -> Result<(), SavedError> {
        let mut expected = 0;
        while !body.is_empty() {
            let (place, visitor) = Visitor::load(&mut body, &mut expected)?;
            visitor.memory.fits(&mut self.loading.met)?;
            self.append(visitor);
            self.loading.places.push(place);
        }
        Ok(())
    }

    /// All have been taken up: each goes where it belongs, and can be found from now on. Returns what they name.
    pub(in crate::windows) fn loaded(&mut self, count: u32, hand: u32) -> Result<Met, SavedError> {
        let TableLoading { mut places, met } = std::mem::take(&mut self.loading);
        if places.len() != count as usize || self.len() != places.len() {
            return Err(SavedError::unfit(format!("{} visitors of {count}", places.len())));
        }
        for here in 0..count {
            while places[here as usize] != here {
                let there = places[here as usize];
                if there >= count || places[there as usize] == there {
                    return Err(SavedError::unfit(format!("place {there} of {count} visitors is not theirs alone")));
                }
                self.swap(here, there);
                places.swap(here as usize, there as usize);
            }
        }
        self.hand = hand;
        let Self { chunks, index, held, .. } = self;
        let hash_of = |&other: &u32| place_of(whole(at(chunks, other).user)).1;
        index.iter_mut().for_each(|shard| shard.reserve(count as usize / SHARDS, hash_of));
        for place in 0..count {
            let visitor = at(chunks, place);
            let (shard, hash) = place_of(whole(visitor.user));
            let entry = index[shard].entry(hash, |&other| at(chunks, other).user == visitor.user, hash_of);
            let hashbrown::hash_table::Entry::Vacant(free) = entry else {
                return Err(SavedError::unfit("a visitor twice"));
            };
            free.insert(place);
            held.change(&WindowsBytes::default(), &visitor.memory.bytes());
        }
        Ok(met)
    }

    fn swap(&mut self, one: u32, other: u32) {
        let mut between = Visitor::new(crate::event::UserKey(0), EventTime::MIN);
        std::mem::swap(&mut between, at_mut(&mut self.chunks, one));
        std::mem::swap(&mut between, at_mut(&mut self.chunks, other));
        std::mem::swap(&mut between, at_mut(&mut self.chunks, one));
    }
}
