//! The entries of a partition's lists that a person should look at first: a bounded queue of each shop.
//!
//! Each list is looked at as it is ranked, when its entries are at hand anyway: so the queue costs no walk, follows what facts and
//! verdicts change, and is whole once every list has been ranked once after a start. It is kept nowhere.
//! Invariants: bounded, by shops and entries; an entry stands once with its list; the order is total, and by no interned number. What
//! finds no place comes again when its list is ranked next, within a sweep.

mod doubt;

pub use doubt::{Doubt, Doubts};

use super::RowsWork;
use crate::items::{ItemId, ShopId};
use crate::list_key::{About, Base, ListName};
use crate::publish::ListNumber;
use crate::rank::Day;
use crate::relation::Relation;
use crate::rules::CountingRules;
use doubt::Looked;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Most entries of one shop in the queue of one partition.
pub const REVIEW_MAX: usize = 1_000;
/// So many shops, the first met, have a queue.
pub const REVIEW_SHOPS_MAX: usize = 64;

/// An entry that a person should look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubtful {
    /// Which list shows it.
    pub list: ListName,
    /// Whose list.
    pub anchor: ItemId,
    /// What is shown.
    pub other: ItemId,
    /// At which place, from 1.
    pub place: usize,
    /// Why.
    pub doubts: Doubts,
    /// About how often it is shown, in thousandths: the anchor's contexts, of views or of the list, by the place.
    pub shown_milli: u64,
    /// Customers behind it.
    pub support: u32,
    /// Its weight, and the anchor's, decayed.
    pub weight: f64,
    /// The anchor's weight.
    pub anchor_weight: f64,
    /// 0 to 100, in thousandths.
    pub score_milli: u32,
    /// Day of the last event.
    pub last_seen: Day,
}

/// Where an entry stands: most in need first, then most shown; then by what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    need: Reverse<u8>,
    shown_milli: Reverse<u64>,
    anchor: u64,
    other: u64,
    list: usize,
}

#[derive(Default)]
struct Queue {
    entries: BTreeMap<Rank, (ListNumber, Doubtful)>,
    /// By list, where any entry of it is here.
    by_list: BTreeMap<ListNumber, Vec<Rank>>,
}

impl Queue {
    fn leave(&mut self, list: ListNumber) {
        for rank in self.by_list.remove(&list).into_iter().flatten() {
            self.entries.remove(&rank);
        }
    }

    fn enter(&mut self, list: ListNumber, rank: Rank, entry: Doubtful) {
        let is_full = self.entries.len() >= REVIEW_MAX;
        if is_full && self.entries.last_key_value().is_some_and(|(last, _)| *last <= rank) {
            return;
        }
        self.entries.insert(rank, (list, entry));
        self.by_list.entry(list).or_default().push(rank);
        if is_full && let Some((gone, (list, _))) = self.entries.pop_last() {
            let left = self.by_list.get_mut(&list).map_or(0, |ranks| {
                ranks.retain(|rank| *rank != gone);
                ranks.len()
            });
            if left == 0 {
                self.by_list.remove(&list);
            }
        }
    }
}

/// Whether a shop has a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewQueue {
    /// Nobody has met the shop.
    Unmet,
    /// It is one of the first [`REVIEW_SHOPS_MAX`].
    Kept,
    /// It came after them.
    NotKept,
}

/// The queues.
pub(super) struct Review {
    half_life_ms: [i64; Relation::COUNT],
    /// By shop.
    shops: Vec<Queue>,
    /// Whether every list has been looked at since the last silence.
    is_whole: bool,
}

impl Review {
    pub(super) fn new(counting: &CountingRules) -> Self {
        Self {
            half_life_ms: Relation::ALL.map(|relation| counting.half_life(relation)),
            shops: Vec::new(),
            is_whole: false,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        const ENTRY: usize = size_of::<Rank>() + size_of::<(ListNumber, Doubtful)>();
        const OF_LIST: usize = size_of::<(ListNumber, Vec<Rank>)>() + 4 * size_of::<Rank>();
        self.shops.iter().map(|queue| queue.entries.len() * ENTRY + queue.by_list.len() * OF_LIST).sum()
    }

    /// Silence is over: lists are looked at from now on.
    pub(super) fn begin(&mut self) {
        self.is_whole = false;
    }

    /// Every list has been looked at.
    pub(super) fn end(&mut self) {
        self.is_whole = true;
    }

    fn queue(&mut self, shop: ShopId) -> Option<&mut Queue> {
        if self.shops.len() <= shop.index() && shop.index() < REVIEW_SHOPS_MAX {
            self.shops.resize_with(shop.index() + 1, Queue::default);
        }
        self.shops.get_mut(shop.index())
    }
}

impl RowsWork {
    /// Looks at the list that has been ranked last.
    pub(super) fn review(&mut self, list: ListNumber) {
        let key = self.ranked.key;
        let (About::Item(anchor), Base::Row { relation, .. }) = (key.about, key.list.base()) else { return };
        let views = self.rows.row(Relation::ViewedTogether, anchor).anchor_weight;
        let (facts, items) = (self.shown.as_ref().map(|shown| shown.facts()), self.rows.items());
        let half_life_ms = self.review.half_life_ms[relation.index()];
        let looked = Looked::of(facts, items, (anchor, self.ranked.as_of), half_life_ms);
        let own = items.fingerprint(anchor);
        let Some(queue) = self.review.queue(key.shop) else { return };
        queue.leave(list);
        for (place, entry) in (1..).zip(self.ranked.shown()) {
            let doubts = looked.doubts(place, entry);
            if doubts == Doubts::default() {
                continue;
            }
            let shown_milli = thousandths(entry.figures.anchor.max(views) / place as f64);
            let rank = Rank {
                need: Reverse(doubts.need()),
                shown_milli: Reverse(shown_milli),
                anchor: own,
                other: items.fingerprint(entry.item),
                list: key.list.index(),
            };
            let doubtful = Doubtful {
                list: key.list,
                anchor,
                other: entry.item,
                place,
                doubts,
                shown_milli,
                support: entry.support,
                weight: entry.figures.pair,
                anchor_weight: entry.figures.anchor,
                score_milli: entry.score_milli,
                last_seen: entry.last_seen,
            };
            queue.enter(list, rank, doubtful);
        }
    }

    /// The entries of a shop that a person should look at, most in need first; and how many there are.
    pub fn to_review(&self, shop: &str) -> (usize, impl Iterator<Item = &Doubtful>) {
        let shop = self.rows.items().find_shop(shop);
        let queue = shop.and_then(|shop| self.review.shops.get(shop.index()));
        let entries = queue.into_iter().flat_map(|queue| queue.entries.values().map(|(_, entry)| entry));
        (queue.map_or(0, |queue| queue.entries.len()), entries)
    }

    /// Whether a shop has a queue here.
    #[must_use]
    pub fn review_queue(&self, shop: &str) -> ReviewQueue {
        match self.rows.items().find_shop(shop) {
            None => ReviewQueue::Unmet,
            Some(shop) if shop.index() < REVIEW_SHOPS_MAX => ReviewQueue::Kept,
            Some(_) => ReviewQueue::NotKept,
        }
    }

    /// Whether some lists have not been looked at yet: they are silent, or wait for their first turn since.
    #[must_use]
    pub fn is_review_waiting(&self) -> bool {
        self.silence.is_on() || !self.are_facts_there() || !self.review.is_whole
    }

    /// A step of ranking is over: whether that was the last of all lists.
    pub(super) fn note_reviewed(&mut self) {
        if !self.review.is_whole {
            let is_waiting = self.due.is_bringing_all_up() || self.exposure.is_any_unready();
            self.review.is_whole = !is_waiting && !self.is_following_facts();
        }
    }
}

/// A weight in thousandths; weights are 0 or more, and far below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // and a cast saturates
fn thousandths(weight: f64) -> u64 {
    (weight * 1000.0).round() as u64
}
