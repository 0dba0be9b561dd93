//! Whether a ranked list is news, and whether what stands on the lists log is what was published last.
//!
//! Every record that lands on the partition's lists log comes back here. One that is not the newest of its key, behind which no
//! newer one of ours is still to land, is *stale*: subscribers and compaction would keep it, so the list is published again.

use super::lists::ListNumber;
use super::saved::PublisherSaving;
use super::shelf::Shelved;
use crate::items::ItemId;
use crate::memory::{allocated, of_vec};
use crate::rank::{Entry, LABEL_BITS, Label, List};

/// Who published a record, and as which one. Of two records of a key the higher one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Which incarnation of the owner: the offset of its claim.
    pub epoch: u64,
    /// Its how many-th record, from 1.
    pub sequence: u64,
}

/// What to do with a ranked list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Publish it.
    List(Stamp),
    /// It became empty: publish a tombstone.
    Tombstone(Stamp),
    /// It says nothing new.
    Suppressed,
    /// It is empty, as subscribers know.
    Nothing,
}

/// What a list shows at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The item.
    pub item: ItemId,
    /// Its score, and above it the bits of its label: a hundred thousand lists are remembered.
    packed: u32,
}

/// So many bits a score takes: it is at most 100,000.
const SCORE_BITS: u32 = 17;
const _: () = assert!(SCORE_BITS + LABEL_BITS <= u32::BITS, "score and label fit together");

impl Shown {
    /// An item at one place, with its score in thousandths.
    #[must_use]
    pub fn new(item: ItemId, score_milli: u32, label: Label) -> Self {
        let score_milli = score_milli.min((1 << SCORE_BITS) - 1);
        Self { item, packed: u32::from(label.bits()) << SCORE_BITS | score_milli }
    }

    fn of(entry: &Entry) -> Self {
        Self::new(entry.item, entry.score_milli, entry.label)
    }

    /// As it is kept.
    pub(super) fn kept(self) -> (ItemId, u32) {
        (self.item, self.packed)
    }

    /// From what was kept.
    pub(super) fn of_kept(item: ItemId, packed: u32) -> Self {
        Self { item, packed }
    }

    fn score_milli(self) -> u32 {
        self.packed & ((1 << SCORE_BITS) - 1)
    }

    /// Whether another one at this place would be news: another item, or the same for other reasons, or by more than a step.
    fn differs(self, other: Self, step_milli: u32) -> bool {
        self.item != other.item
            || self.packed >> SCORE_BITS != other.packed >> SCORE_BITS
            || self.score_milli().abs_diff(other.score_milli()) > step_milli
    }
}

/// What subscribers have last been told of one key; nothing shown after a tombstone, or where there never was one.
#[derive(Clone, Default)]
pub(super) struct Published {
    /// What is shown; behind it the reserve, where that is kept.
    pub(super) entries: Box<[Shown]>,
    /// How many of them are shown: at most [`crate::limits::LIST_ENTRIES_MAX`].
    pub(super) length: u16,
    /// Price and stock of what is shown, as they were told.
    pub(super) shelved: Shelved,
    pub(super) stamp: Stamp,
    /// What stands on the log last is something else.
    pub(super) is_stale: bool,
}

impl Published {
    pub(super) fn shown(&self) -> &[Shown] {
        self.entries.get(..usize::from(self.length)).unwrap_or(&self.entries)
    }
}

/// Remembers what subscribers know: 8 bytes a shown entry, and one in reserve where that is kept.
pub struct Publisher {
    min_score_step_milli: u32,
    keeps_reserve: bool,
    last: Stamp,
    /// The highest sequence of this epoch that has landed. Ours land in their order.
    landed: u64,
    pub(super) published: Vec<Published>,
    pub(super) shown_bytes: usize,
    /// Room for what is put.
    collected: Vec<Shown>,
    pub(super) saving: Option<Box<PublisherSaving>>,
    /// How many lists have been taken up, and whether that was all.
    pub(super) loaded: u64,
    pub(super) is_loaded: bool,
}

impl Publisher {
    /// A publisher for which a score must move by more than `min_score_step_milli` thousandths to be news.
    #[must_use]
    pub fn new(min_score_step_milli: u32) -> Self {
        Self {
            min_score_step_milli,
            keeps_reserve: false,
            last: Stamp::default(),
            landed: 0,
            published: Vec::new(),
            shown_bytes: 0,
            collected: Vec::new(),
            saving: None,
            loaded: 0,
            is_loaded: false,
        }
    }

    /// The same, which also remembers what is in reserve.
    #[must_use]
    pub fn keeping_reserve(self, keeps_reserve: bool) -> Self {
        Self { keeps_reserve, ..self }
    }

    /// What subscribers know to be in reserve, where that is kept.
    #[must_use]
    pub fn reserve(&self, list: ListNumber) -> &[Shown] {
        let published = self.published.get(list.index());
        published.and_then(|published| published.entries.get(usize::from(published.length)..)).unwrap_or_default()
    }

    /// A new incarnation of the owner: its records count as newer than all before.
    pub fn claim(&mut self, epoch: u64) {
        self.last = Stamp { epoch, sequence: 0 };
        self.landed = 0;
    }

    /// Decides on `ranked`, which would tell `shelved` of what it shows; where only that is new, it is news if the sweep has brought the list up
    /// (`is_swept`). What is to be published counts as published from here on.
    pub fn offer(&mut self, list: ListNumber, ranked: &List, shelved: Shelved, is_swept: bool) -> News {
        let shown = ranked.shown();
        let step_milli = self.min_score_step_milli;
        let published = self.published(list);
        let is_told_anew = is_swept && published.shelved != shelved && !shown.is_empty();
        if !(published.is_stale || is_told_anew) {
            match (published.shown().is_empty(), shown.is_empty()) {
                (true, true) => return News::Nothing,
                (false, false) if !is_news(published.shown(), shown, step_milli) => return News::Suppressed,
                _ => {}
            }
        }
        self.last.sequence += 1;
        let stamp = self.last;
        let kept = if self.keeps_reserve && !shown.is_empty() { ranked.entries.as_slice() } else { shown };
        self.put(list, stamp, kept.iter().map(Shown::of), (shown.len(), shelved));
        if shown.is_empty() { News::Tombstone(stamp) } else { News::List(stamp) }
    }

    /// What subscribers have of a list is to be replaced, whether or not what it shows is news.
    pub fn renew(&mut self, list: ListNumber) {
        let published = self.published(list);
        published.is_stale |= !published.shown().is_empty();
    }

    /// Takes over a record that a predecessor has left on the lists log, in the log's order: of two of a key the one with the higher
    /// stamp counts, and where it is not the one that stands last, subscribers may hold the other. One without a stamp
    /// is nobody's.
    pub fn restore(&mut self, list: ListNumber, stamp: Option<Stamp>, shown: impl ExactSizeIterator<Item = Shown>) {
        let length = shown.len();
        self.restore_entries(list, stamp, shown, (length, Shelved::default()));
    }

    /// The same, of which the first `length` are shown and the others in reserve, and of the shown ones `shelved` is told.
    pub fn restore_entries(
        &mut self,
        list: ListNumber,
        stamp: Option<Stamp>,
        entries: impl Iterator<Item = Shown>,
        (length, shelved): (usize, Shelved),
    ) {
        let known = self.published(list).stamp;
        match stamp.filter(|stamp| *stamp >= known && stamp.sequence > 0) {
            None => self.published(list).is_stale = true,
            Some(stamp) if stamp == known => self.published(list).is_stale = false, // sent twice
            Some(stamp) if self.keeps_reserve => self.put(list, stamp, entries, (length, shelved)),
            Some(stamp) => self.put(list, stamp, entries.take(length), (length, shelved)),
        }
    }

    /// All of ours up to this one have landed, and nothing of anybody else between them.
    pub fn pass(&mut self, sequence: u64) {
        self.landed = self.landed.max(sequence);
    }

    /// A record of `list` has landed on the log. Says whether the list must be published again.
    pub fn landed(&mut self, list: ListNumber, stamp: Option<Stamp>) -> bool {
        let own_epoch = self.last.epoch;
        if let Some(stamp) = stamp.filter(|stamp| stamp.epoch == own_epoch) {
            self.landed = self.landed.max(stamp.sequence);
        }
        let landed = self.landed;
        let published = self.published(list);
        let newest = published.stamp;
        let is_to_land = newest.epoch == own_epoch && newest.sequence > landed;
        if stamp == Some(newest) && newest.sequence > 0 {
            published.is_stale = false;
        } else if !is_to_land {
            published.is_stale = true;
        }
        published.is_stale
    }

    /// What subscribers have last been told of a list.
    #[must_use]
    pub fn shown(&self, list: ListNumber) -> &[Shown] {
        self.published.get(list.index()).map(|published| published.shown()).unwrap_or_default()
    }

    /// As which record a key was last published, a tombstone included.
    #[must_use]
    pub fn stamp(&self, list: ListNumber) -> Option<Stamp> {
        self.published.get(list.index()).map(|published| published.stamp).filter(|stamp| stamp.sequence > 0)
    }

    /// Whether what stands last on the log is not what was published last.
    #[must_use]
    pub fn is_stale(&self, list: ListNumber) -> bool {
        self.published.get(list.index()).is_some_and(|published| published.is_stale)
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        of_vec(&self.published) + of_vec(&self.collected) + self.shown_bytes
    }

    /// What was known of a list when the state was kept.
    pub(super) fn restore_saved(
        &mut self,
        list: ListNumber,
        stamp: Stamp,
        (entries, length, shelved): (&[Shown], usize, Shelved),
        is_stale: bool,
    ) {
        self.put(list, stamp, entries.iter().copied(), (length, shelved));
        self.published(list).is_stale = is_stale;
    }

    /// Nothing that was known of any list counts: the lists log is another one.
    pub fn forget_all(&mut self) {
        (self.published, self.shown_bytes) = (Vec::new(), 0);
    }

    fn published(&mut self, list: ListNumber) -> &mut Published {
        if let Some(saving) = &mut self.saving {
            saving.keep(list, &self.published);
        }
        if self.published.len() <= list.index() {
            self.published.resize(list.index() + 1, Published::default());
        }
        &mut self.published[list.index()]
    }

    fn put(
        &mut self,
        list: ListNumber,
        stamp: Stamp,
        entries: impl Iterator<Item = Shown>,
        (length, shelved): (usize, Shelved),
    ) {
        let mut collected = std::mem::take(&mut self.collected);
        collected.extend(entries);
        let published = self.published(list);
        (published.stamp, published.is_stale) = (stamp, false);
        (published.length, published.shelved) = (u16::try_from(length).unwrap_or(u16::MAX), shelved);
        let before = bytes_of(&published.entries);
        if published.entries.len() == collected.len() {
            published.entries.copy_from_slice(&collected);
        } else {
            published.entries = collected.as_slice().into();
        }
        let after = bytes_of(&published.entries);
        self.shown_bytes = self.shown_bytes + after - before;
        collected.clear();
        self.collected = collected;
    }
}

fn bytes_of(shown: &[Shown]) -> usize {
    allocated(size_of_val(shown))
}

/// Whether membership, order or a label changed, or a score moved by more than a step.
fn is_news(known: &[Shown], shown: &[Entry], step_milli: u32) -> bool {
    known.len() != shown.len()
        || known.iter().zip(shown).any(|(known, entry)| known.differs(Shown::of(entry), step_milli))
}

#[cfg(test)]
mod tests;
