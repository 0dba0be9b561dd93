//! The state of a partition of windows as it is kept.
//!
//! What is small goes in one piece when saving begins; names and visitors follow in portions. Not kept: what of the pairs log has been sent
//! (whoever starts anew is told by the log itself), when what was told last, and room for work. `history_read` is empty between records.

use super::super::kept::Kept;
use super::super::{Beginning, PartitionFacts, identity};
use super::{Buffered, BufferedItems, HELD_BYTES, OrderStep, SourceIndex, SourcePartition, WindowsTally, WindowsWork};
use crate::clicks::ClicksLoading;
use crate::event::EventTime;
use crate::items::ItemsSaving;
use crate::limits::KEPT_MERGE_BYTES_MAX;
use crate::position::{Checkpoint, NextOffset, Position};
use crate::saved::{SavedError, Saving, frame, put, whole};
use crate::windows::{COUNT_MAX, Met, WindowsHead};
use crate::wire::Lag;
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of frames: once the head and the merge, then items, and visitors.
const HEAD: u8 = 1;
const MERGE: u8 = 2;
const ITEMS: u8 = 3;
const VISITORS: u8 = 4;
/// Only where anything was ever shown or clicked.
const CLICKS_HEAD: u8 = 5;
const CLICKS: u8 = 6;

/// A state that is being saved.
pub(super) struct WorkSaving {
    /// Frames of what was saved at once, not handed out yet.
    at_once: Vec<u8>,
    items: Option<ItemsSaving>,
    /// Whether some of what was shown and clicked is still to go.
    has_clicks: bool,
}

/// A state that is being taken up.
#[derive(Default)]
pub(super) struct WorkLoading {
    head: Option<Rest>,
    has_merge: bool,
    /// What held events name.
    met: Met,
    given_up: BTreeSet<SourceIndex>,
    clicks: ClicksLoading,
}

/// How sources stand.
type Sources<S, L> = (Option<EventTime>, Option<EventTime>, S, S, S, L);

/// What the parts that come in portions must come to.
type Rest = (WindowsHead, (u64, u64));

/// What has been read of the log, from where and how far, what of the sources, what became of the events; and what the rest comes to.
type Head = (
    identity::Known,
    (NextOffset, Checkpoint),
    Sources<BTreeSet<SourcePartition>, BTreeMap<SourceIndex, u64>>,
    WindowsTally,
    Rest,
);

impl Buffered {
    /// What holding it costs, if it is an event; takes note of what it names.
    fn fits(&self, met: &mut Met) -> Result<usize, SavedError> {
        let more = match &self.items {
            BufferedItems::View(item, _) | BufferedItems::Cart(item) => {
                met.item(*item);
                0
            }
            BufferedItems::Order(order) => {
                if order.lines.is_empty() && order.step != OrderStep::Cancel {
                    return Err(SavedError::unfit("an order without lines"));
                }
                met.items(&order.lines);
                met.shop(order.shop);
                order.bytes()
            }
            BufferedItems::Erase(shop) => {
                met.shop(*shop);
                0
            }
        };
        Ok(HELD_BYTES + more)
    }
}

impl WindowsWork {
    fn take_up_head(&mut self, head: Head) -> Result<(), SavedError> {
        let (known, (origin, read_to), sources, tally, rest) = head;
        if origin > read_to.position.offset {
            return Err(SavedError::unfit("it was begun behind what was read"));
        }
        let (highest_read, highest_released, behind, history, given_up, late_arrivals) = sources;
        let counters = tally.fates.iter().flatten().chain([&tally.ledger_duplicates]).chain(late_arrivals.values());
        if counters.copied().max() > Some(COUNT_MAX) {
            return Err(SavedError::unfit("more events than there can be"));
        }
        if self.loading.head.replace(rest).is_some() {
            return Err(SavedError::unfit("a head twice"));
        }
        self.identity.known = known;
        self.outbox.began_at(origin);
        self.outbox.resume(read_to);
        (self.highest_read, self.highest_released) = (highest_read, highest_released);
        (self.behind, self.history, self.given_up) = (behind, history, given_up);
        (self.late_arrivals, self.tally) = (late_arrivals, tally);
        Ok(())
    }
}

impl WindowsWork {
    /// The state in which counting begins in a log whose start is gone: nothing has been counted, and of each source is known from where what is
    /// kept of it chains. Sources stand as they first say: who was not behind then was not before, either, so that nothing waits for it.
    pub fn begin(&mut self, beginning: &Beginning) {
        let Beginning { low, log_id, facts, places, .. } = beginning;
        let from = places.iter().map(|(source, &(place, _))| (source.clone(), place));
        self.identity.known = identity::Known::begun(*log_id, from, facts.clone());
        for (source, &(_, lag)) in places {
            let index = self.merge.open(source);
            self.merge.mark(index, None, lag.is_behind());
            if lag.is_behind() {
                self.behind.insert(source.clone());
            }
            match lag {
                Lag::History => drop(self.history.insert(source.clone())),
                Lag::Waiting => drop(self.given_up.insert(source.clone())),
                Lag::Live | Lag::Behind => {}
            }
        }
        self.outbox.began_at(*low);
        self.outbox.resume(Checkpoint::origin(Position::start_of(*low)));
    }
}

impl Kept for WindowsWork {
    /// Not before the opening marks are out: without them the pairs log says nothing of how far it is. And not while much is held by the
    /// merge, which is saved at once: that is while a backlog of one source waits for another's, whose start is then what a
    /// restart begins from again. Where the log holds more than has been read again, nothing needs to be said: it goes further than
    /// the state.
    fn may_save(&self) -> bool {
        self.announced && self.merge.bytes() <= KEPT_MERGE_BYTES_MAX
    }

    fn begin_save(&mut self) {
        debug_assert!(self.history_read.is_empty(), "between records");
        let mut at_once = Vec::new();
        let windows = self.windows.begin_save();
        let Self { highest_read, highest_released, behind, history, given_up, late_arrivals, .. } = &*self;
        let tables = (self.items.len() as u64, self.items.shop_count() as u64);
        let sources: Sources<_, _> = (*highest_read, *highest_released, behind, history, given_up, late_arrivals);
        let read = (self.outbox.origin(), self.outbox.read_to());
        frame(&mut at_once, HEAD, |out| {
            put(out, &(&self.identity.known, read, sources, self.tally, (windows, tables)));
        });
        frame(&mut at_once, MERGE, |out| self.merge.save(out));
        self.clicks.begin_save(CLICKS_HEAD);
        self.saving = Some(Box::new(WorkSaving { at_once, items: Some(self.items.begin_save()), has_clicks: true }));
    }

    fn save(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> Saving {
        let Some(saving) = &mut self.saving else { return Saving::Void };
        out.append(&mut saving.at_once);
        let full = out.len().saturating_add(bytes_max.max(1));
        while let Some(items) = saving.items.as_mut().filter(|_| out.len() < full) {
            if items.save(&self.items, ITEMS, out) == Saving::Done {
                saving.items = None;
            }
        }
        if saving.has_clicks && saving.items.is_none() && out.len() < full {
            saving.has_clicks = self.clicks.save(CLICKS, full.saturating_sub(out.len()), out) == Saving::More;
        }
        if saving.has_clicks {
            // Visitors that changed meanwhile go early, and the rest behind what is left.
            let early = self.windows.save(VISITORS, 0, out);
            if early == Saving::Void {
                self.end_save();
            }
            return early;
        }
        let saved = self.windows.save(VISITORS, full.saturating_sub(out.len()), out);
        if saved != Saving::More {
            self.end_save();
        }
        saved
    }

    fn held_early(&self) -> usize {
        self.windows.held_early()
    }

    fn end_save(&mut self) {
        self.saving = None;
        self.clicks.end_save();
        self.windows.end_save();
    }

    fn load(&mut self, kind: u8, body: &[u8]) -> Result<(), SavedError> {
        match kind {
            HEAD => self.take_up_head(whole(body, "the head of a state")?),
            MERGE => {
                let WorkLoading { has_merge, met, given_up, .. } = &mut self.loading;
                *has_merge = true;
                self.merge.load(body, |held| {
                    given_up.extend(held.given_up);
                    held.fits(met)
                })
            }
            ITEMS => self.items.load(body),
            VISITORS => self.windows.load(body),
            CLICKS_HEAD => self.clicks.load_head(body, &mut self.loading.clicks),
            CLICKS => self.clicks.load(body),
            _ => Err(SavedError::Kind { kind }),
        }
    }

    fn loaded(&mut self) -> Result<(), SavedError> {
        let WorkLoading { head, has_merge, met, given_up, clicks } = std::mem::take(&mut self.loading);
        self.clicks.loaded(clicks)?;
        let Some((windows, tables)) = head.filter(|_| has_merge) else {
            return Err(SavedError::unfit("a state without its head or its buffers"));
        };
        self.items.loaded()?;
        let (items, shops) = (self.items.len(), self.items.shop_count());
        if tables != (items as u64, shops as u64) {
            let (all_items, all_shops) = tables;
            return Err(SavedError::unfit(format!("{items} items and {shops} shops of {all_items} and {all_shops}")));
        }
        let sources = self.merge.sources();
        if !given_up.iter().chain(self.late_arrivals.keys()).all(|index| index.is_below(sources)) {
            return Err(SavedError::unfit("a source that is none"));
        }
        met.is_within(items, shops)?;
        self.windows.loaded(windows)?.is_within(items, shops)
    }

    fn log_id(&self) -> Option<u128> {
        self.identity.known.log_id
    }

    fn facts(&self) -> &PartitionFacts {
        &self.identity.known.facts
    }

    fn read_to(&self) -> Checkpoint {
        self.outbox.read_to()
    }

    fn origin(&self) -> NextOffset {
        self.outbox.origin()
    }
}
