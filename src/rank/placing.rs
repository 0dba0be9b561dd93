//! The places of one list, filled by what passes: what people put somewhere, then the others in their order.
//!
//! What is shown, and the first of the reserve, has enough stock, as long as there is such; what is low stands behind, in the order of
//! rank. What people put at a place stays there, unless too little stands before it.

use super::list::{Entry, List};
use super::spread::Spread;
use crate::facts::{ItemFacts, Stock};
use crate::items::ItemId;
use crate::rules::ListRules;

/// How many of those that are displaced and have no place a list is held to: it is ranked anew at once when their category or maker changes, and
/// at the next sweep for those beyond.
const DROPPED_MAX: usize = 16;

/// What is known of an entry that people put nowhere in particular.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Floating {
    /// Has a place in its turn.
    Fits,
    /// Stands behind what has enough stock.
    Low,
    /// Its category or maker has all the places that it may have.
    Displaced,
}

/// The places of one list.
#[derive(Default)]
pub(super) struct Placing {
    length: usize,
    wanted: usize,
    puts_low_behind: bool,
    taken: Vec<ItemId>,
    pub(super) families: Vec<u64>,
    /// In the order of their places.
    fixed: Vec<(u16, Entry)>,
    /// In the order of rank.
    floating: Vec<(Entry, Floating)>,
    /// How many of those are not, and fit among what is shown.
    enough: usize,
    spread: Spread,
    /// How many of those do not fit.
    displaced: usize,
    /// How many of those had no place and are held back.
    dropped: usize,
}

impl Placing {
    /// Begins another list.
    pub(super) fn begin(&mut self, rules: &ListRules) {
        self.length = rules.length;
        self.wanted = rules.length.saturating_add(rules.reserve);
        self.puts_low_behind = rules.shown.in_stock;
        self.taken.clear();
        self.families.clear();
        self.fixed.clear();
        self.floating.clear();
        (self.enough, self.displaced, self.dropped) = (0, 0, 0);
        self.spread.begin(rules);
    }

    /// Whether an item has been met: placed, or turned away.
    pub(super) fn has(&self, item: ItemId) -> bool {
        self.taken.contains(&item)
    }

    /// An item is not to be met again.
    pub(super) fn take(&mut self, item: ItemId) {
        self.taken.push(item);
    }

    /// Puts an entry at a place, behind those that were put at one.
    pub(super) fn fix(&mut self, place: u16, entry: Entry, known: &ItemFacts) {
        self.families.push(known.family);
        self.spread.take(known);
        self.fixed.push((place, entry));
    }

    /// Puts an entry behind those that were put nowhere in particular. One that is displaced where the reserve has enough of them has no place:
    /// so far it is held back, as what would have one but for its category or maker.
    pub(super) fn float(&mut self, entry: Entry, known: &ItemFacts, held_back: &mut Vec<ItemId>) {
        let is_low = self.puts_low_behind && known.stock == Stock::Low;
        let how = if is_low {
            Floating::Low
        } else if self.enough >= self.lead() || self.spread.admits(&entry, known) {
            self.enough += 1;
            Floating::Fits
        } else if self.displaced < self.wanted - self.length {
            self.displaced += 1;
            Floating::Displaced
        } else {
            if self.dropped < DROPPED_MAX {
                self.dropped += 1;
                held_back.push(entry.item);
            }
            return;
        };
        self.families.push(known.family);
        self.floating.push((entry, how));
    }

    /// Whether all that could still be put at a place would be behind the last one.
    pub(super) fn are_all_fixed(&self) -> bool {
        self.fixed.len() >= self.wanted
    }

    /// Whether nothing that comes now would have a place.
    pub(super) fn is_full(&self) -> bool {
        let left = self.wanted.saturating_sub(self.fixed.len());
        self.floating.len() >= left && self.enough >= self.lead().min(left)
    }

    /// How many of those that were put nowhere in particular must have enough stock, before one that is low has a place.
    fn lead(&self) -> usize {
        let first_of_reserve = self.length.saturating_add(1);
        let before = self.fixed.iter().filter(|(place, _)| usize::from(*place) <= first_of_reserve).count();
        first_of_reserve.saturating_sub(before)
    }

    /// Fills the list. What finds no place, though it passed, is held back.
    pub(super) fn fill(&mut self, list: &mut List) {
        let left = self.wanted.saturating_sub(self.fixed.len());
        let mut lead = self.lead();
        let mut leads = |how: Floating| {
            let leads = how != Floating::Low && lead > 0;
            lead -= usize::from(leads && how == Floating::Fits);
            leads
        };
        let (first, behind): (Vec<_>, Vec<_>) = self.floating.drain(..).partition(|(_, how)| leads(*how));
        let mut floating: Vec<Entry> = first.into_iter().chain(behind).map(|(entry, _)| entry).collect();
        let behind = floating.split_off(left.min(floating.len()));
        list.held_back.extend(behind.iter().map(|entry| entry.item));
        let (mut floating, mut fixed) = (floating.into_iter(), self.fixed.drain(..).peekable());
        loop {
            let place = list.entries.len() + 1;
            let is_due = fixed.peek().is_some_and(|(at, _)| usize::from(*at) <= place);
            let next = if is_due { None } else { floating.next() };
            let Some(entry) = next.or_else(|| fixed.next().map(|(_, entry)| entry)) else { break };
            list.entries.push(entry);
        }
        list.shown = self.length.min(list.entries.len());
    }
}
