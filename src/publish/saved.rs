//! What subscribers know of each list, as it is kept: so that a new owner need not read back all that stands on the lists log.
//!
//! A list that is published, or lands, before its turn is saved as it was. Numbers of lists are not kept: a list is told by what it is about.

use super::lists::{ListNumber, Lists};
use super::publisher::{Published, Publisher, Shown, Stamp};
use super::shelf::Shelved;
use crate::items::{ItemId, Items, ShopId};
use crate::list_key::{About, ListKey, ListName};
use crate::saved::{Early, SavedError, Saving, frame, put, take};

/// Lists that one portion looks at, at most: most have something to tell.
const LOOKED_AT_MAX: usize = 65_536;
/// Entries that a list can have, whatever a length says.
const ENTRIES_MAX: usize = 1 << 16;

/// What is being saved.
#[derive(Default)]
pub(super) struct PublisherSaving {
    early: Early,
    gone_early: Vec<(ListNumber, Published)>,
    /// What these take.
    gone_early_bytes: usize,
    given: u64,
    is_told: bool,
}

impl PublisherSaving {
    /// What is known of `list` is about to change.
    pub(super) fn keep(&mut self, list: ListNumber, published: &[Published]) {
        if self.early.is_to_go(list.index())
            && let Some(published) = published.get(list.index())
        {
            self.gone_early_bytes = self.gone_early_bytes.saturating_add(held_bytes(published));
            self.gone_early.push((list, published.clone()));
        }
    }
}

/// What a list takes while it is held.
fn held_bytes(published: &Published) -> usize {
    size_of::<(ListNumber, Published)>() + size_of_val::<[Shown]>(&published.entries)
}

impl Publisher {
    /// From here on [`Publisher::save`] gives what subscribers know now.
    pub fn begin_save(&mut self) {
        let saving = PublisherSaving { early: Early::new(self.published.len()), ..PublisherSaving::default() };
        self.saving = Some(Box::new(saving));
    }

    /// No more is wanted.
    pub fn end_save(&mut self) {
        self.saving = None;
    }

    /// Bytes of what went early and has not been given yet.
    #[must_use]
    pub fn held_early(&self) -> usize {
        self.saving.as_ref().map_or(0, |saving| saving.gone_early_bytes)
    }

    /// Appends frames of kind `kind`: what had to go early, and about `bytes_max` bytes more. `lists` tells what lists are about.
    pub fn save(&mut self, lists: &Lists, kind: u8, bytes_max: usize, out: &mut Vec<u8>) -> Saving {
        let Some(saving) = &mut self.saving else { return Saving::Void };
        let full = out.len().saturating_add(bytes_max);
        let mut is_done = false;
        frame(out, kind, |out| {
            // As many as were published meanwhile, so no more of them than there is room for.
            while out.len() < full {
                let Some((list, published)) = saving.gone_early.pop() else { break };
                saving.gone_early_bytes = saving.gone_early_bytes.saturating_sub(held_bytes(&published));
                saving.given += u64::from(put_list(lists.key(list), &published, out));
            }
            for _ in 0..LOOKED_AT_MAX {
                if out.len() >= full {
                    return;
                }
                let Some(place) = saving.early.next_to_go() else {
                    is_done = true;
                    return;
                };
                let Ok(number) = u32::try_from(place) else { continue };
                saving.given += u64::from(put_list(lists.key(ListNumber(number)), &self.published[place], out));
            }
        });
        if is_done && !std::mem::replace(&mut saving.is_told, true) {
            frame(out, kind, |out| put_end(saving.given, out));
        }
        if is_done { Saving::Done } else { Saving::More }
    }

    /// Takes up the body of a frame; lists are met in `lists`, and are about what `items` has.
    ///
    /// # Errors
    /// When it does not read, or does not fit.
    pub fn load(&mut self, mut body: &[u8], items: &Items, lists: &mut Lists) -> Result<(), SavedError> {
        let mut entries = Vec::new();
        while !body.is_empty() {
            let what = "what is published";
            let tag: u8 = take(&mut body, what)?;
            if tag == END {
                let expected: u64 = take(&mut body, what)?;
                if self.loaded != expected || !body.is_empty() {
                    return Err(SavedError::unfit(format!("{} published lists, of {expected}", self.loaded)));
                }
                self.is_loaded = true;
                return Ok(());
            }
            let name = ListName::ALL.get(usize::from(tag >> 2)).copied();
            let name = name.ok_or_else(|| SavedError::unfit(format!("published: list {}", tag >> 2)))?;
            let is_of_shop = tag & OF_SHOP != 0;
            let number: u32 = take(&mut body, what)?;
            let key = match is_of_shop {
                true if (number as usize) < items.shop_count() => {
                    ListKey { shop: ShopId(number), list: name, about: About::Shop }
                }
                false if (number as usize) < items.len() => {
                    let item = ItemId(number);
                    ListKey { shop: items.shop_of(item), list: name, about: About::Item(item) }
                }
                _ => return Err(SavedError::unfit(format!("published: about {number}, which is not there"))),
            };
            let (epoch, sequence, count, length, shelved): (u64, u64, u32, u16, u32) = take(&mut body, what)?;
            if count as usize > ENTRIES_MAX || u32::from(length) > count {
                return Err(SavedError::unfit(format!("published: {length} of {count} entries")));
            }
            entries.clear();
            for _ in 0..count {
                let (item, packed): (ItemId, u32) = take(&mut body, what)?;
                if item.index() >= items.len() {
                    return Err(SavedError::unfit(format!("published: item {}, of {}", item.0, items.len())));
                }
                entries.push(Shown::of_kept(item, packed));
            }
            let list = lists.meet(key);
            if self.stamp(list).is_some() || self.is_stale(list) {
                return Err(SavedError::unfit("published: a list twice"));
            }
            self.loaded += 1;
            let known = (entries.as_slice(), usize::from(length), Shelved(shelved));
            self.restore_saved(list, Stamp { epoch, sequence }, known, tag & STALE != 0);
        }
        Ok(())
    }

    /// All frames have been taken up.
    ///
    /// # Errors
    /// When some are missing.
    pub fn loaded(&mut self) -> Result<(), SavedError> {
        self.loaded = 0;
        if std::mem::take(&mut self.is_loaded) { Ok(()) } else { Err(SavedError::unfit("what is published, cut")) }
    }
}

/// Flags of a list's tag, behind its name.
const OF_SHOP: u8 = 1;
const STALE: u8 = 2;
/// In place of a tag: how many there are follows.
const END: u8 = u8::MAX;

const _: () = assert!(ListName::COUNT < (END >> 2) as usize, "no tag of a list is the end's");

/// Appends a list, if subscribers have been told of it.
fn put_list(key: ListKey, published: &Published, out: &mut Vec<u8>) -> bool {
    let Published { entries, length, shelved, stamp, is_stale } = published;
    if stamp.sequence == 0 && !is_stale {
        return false;
    }
    let (of_shop, number) = match key.about {
        About::Item(item) => (0, item.0),
        About::Shop => (OF_SHOP, key.shop.0),
    };
    let stale = if *is_stale { STALE } else { 0 };
    let tag = u8::try_from(key.list.index() << 2).unwrap_or(0) | of_shop | stale;
    let count = u32::try_from(entries.len()).unwrap_or(0);
    put(out, &(tag, number, stamp.epoch, stamp.sequence, count, *length, shelved.0));
    entries.iter().for_each(|shown| put(out, &shown.kept()));
    true
}

fn put_end(given: u64, out: &mut Vec<u8>) {
    put(out, &(END, given));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saved::frames;

    fn shown(entries: &[(u32, u32)]) -> Vec<Shown> {
        entries
            .iter()
            .map(|&(item, score_milli)| Shown::new(ItemId(item), score_milli, crate::rank::Label::default()))
            .collect()
    }

    /// Lists of 40 items, published under stamps of their own; every third is stale, every fifth buried.
    fn published() -> (Items, Lists, Publisher) {
        let (mut items, mut lists) = (Items::default(), Lists::default());
        let mut publisher = Publisher::new(0).keeping_reserve(true);
        let shop = items.shop("main");
        for number in 0..40_u32 {
            let item = items.item(shop, &format!("i{number}"));
            let about = if number == 7 { About::Shop } else { About::Item(item) };
            let list = lists.meet(ListKey { shop, list: ListName::ALL[number as usize % ListName::COUNT], about });
            let entries = if number % 5 == 0 { vec![] } else { shown(&[(number, 100 + number), (0, 3)]) };
            let stamp = Stamp { epoch: 3, sequence: u64::from(number) + 1 };
            let length = entries.len() / 2; // the others are in reserve
            publisher.restore_entries(list, Some(stamp), entries.into_iter(), (length, Shelved(number % 4)));
            if number % 3 == 0 {
                publisher.restore(list, None, std::iter::empty());
            }
        }
        (items, lists, publisher)
    }

    fn saved(
        publisher: &mut Publisher,
        lists: &Lists,
        bytes_max: usize,
        mut meanwhile: impl FnMut(&mut Publisher),
    ) -> Vec<u8> {
        let mut out = Vec::new();
        publisher.begin_save();
        while publisher.save(lists, 9, bytes_max, &mut out) == Saving::More {
            meanwhile(publisher);
        }
        publisher.end_save();
        out
    }

    fn loaded(items: &Items, bytes: &[u8]) -> Result<(Lists, Publisher), SavedError> {
        let (mut lists, mut publisher) = (Lists::default(), Publisher::new(0));
        for frame in frames(bytes) {
            publisher.load(frame?.1, items, &mut lists)?;
        }
        publisher.loaded()?;
        Ok((lists, publisher))
    }

    #[test]
    fn what_subscribers_know_comes_back_as_it_was_whatever_is_published_meanwhile() {
        let (items, lists, mut publisher) = published();
        let (_, _, still) = published();
        let mut turn = 0;
        let bytes = saved(&mut publisher, &lists, 30, |publisher| {
            for step in [0, 11, 23] {
                let list = ListNumber((turn + step) % 40);
                let stamp = Stamp { epoch: 4, sequence: u64::from(turn) + 1 };
                publisher.restore(list, Some(stamp), shown(&[(1, turn)]).into_iter());
            }
            turn += 1;
        });
        assert!(turn > 5, "{turn} portions");
        let (met, mut read) = loaded(&items, &bytes).unwrap();
        assert_eq!(met.len(), 40);
        for number in 0..40 {
            let key = lists.key(ListNumber(number));
            let list = met.find(key).unwrap();
            let (read_now, before) = (&read.published[list.index()], &still.published[number as usize]);
            assert_eq!((&read_now.entries, read_now.length), (&before.entries, before.length), "{key:?}");
            assert_eq!(read_now.shelved, before.shelved, "{key:?}");
            assert_eq!(read.stamp(list), still.stamp(ListNumber(number)));
            assert_eq!(read.is_stale(list), still.is_stale(ListNumber(number)));
        }
        assert_eq!(read.shown_bytes, still.shown_bytes);
        let again = saved(&mut read, &met, usize::MAX, |_| ());
        assert_eq!(loaded(&items, &again).unwrap().1.shown_bytes, still.shown_bytes);
    }

    #[test]
    fn what_is_cut_twice_or_damaged_is_refused_or_at_least_ends_nothing() {
        let (items, lists, mut publisher) = published();
        let bytes = saved(&mut publisher, &lists, 100, |_| ());
        for end in 0..bytes.len() {
            assert!(loaded(&items, &bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(loaded(&items, &[bytes.as_slice(), &bytes].concat()).is_err(), "twice");
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x41;
            let _may_read_as_something_else = loaded(&items, &damaged);
        }
    }
}
