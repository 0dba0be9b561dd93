//! What is shown by facts: which lists a change of an item touches, and silence until all facts have been read.
//!
//! What is known of items may change at any time. A change of an item makes the lists about it due, and those that show it, have it in
//! reserve, or would, but for a gate by facts ([`Holders`]). Where too much has changed to tell, all lists are.
//! Invariants: a step marks a bounded number of lists, however many hold an item; what is ranked goes by the newest facts; while not
//! all facts have been read, nothing is published.

use super::RowsWork;
use crate::facts::{Changed, Facts, Manual, Named, Verdict};
use crate::items::{ItemId, spread};
use crate::limits::ID_BYTES_MAX;
use crate::list_key::{About, ListKey, ListName};
use crate::memory::of_vec;
use crate::publish::{Holders, ListNumber, Shelved, Told};
use crate::rank::Entry;
use crate::rules::ListRules;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many lists one step marks as due.
pub const MARKED_MAX: usize = 4_096;

/// How many changes one step takes up.
pub const CHANGES_MAX: usize = 1_024;

/// The holders of an item that are still to be marked.
#[derive(Clone, Copy)]
struct Walk {
    item: ItemId,
    left: usize,
}

/// What lists are shown by.
pub(super) struct Shown {
    facts: Arc<Facts>,
    holders: Holders,
    /// The number of the next change to take up.
    next: u64,
    /// Whether changes are taken up: while lists are silent, all are due anyway.
    is_following: bool,
    walks: VecDeque<Walk>,
    /// Of whose lists people said something that may fill them, and what the catalogue has: still to be looked at, where anything may have changed.
    anchors: Vec<u64>,
    /// Whether there may be more changes than one step took up.
    has_more: bool,
}

impl Shown {
    pub(super) fn by(facts: Arc<Facts>) -> Self {
        let (holders, walks, anchors) = (Holders::default(), VecDeque::new(), Vec::new());
        Self { facts, holders, next: 0, is_following: false, walks, anchors, has_more: false }
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// How many holders are still to be marked.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.walks.iter().map(|walk| walk.left).sum::<usize>() + self.anchors.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.holders.bytes() + of_vec(&self.anchors) + self.walks.capacity() * size_of::<Walk>()
    }
}

impl RowsWork {
    /// Whether facts let lists be published.
    pub(super) fn are_facts_there(&self) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.facts.is_complete())
    }

    /// Whether changes of facts are left over.
    pub(super) fn is_following_facts(&self) -> bool {
        let is_at_it = |shown: &Shown| shown.has_more || !shown.walks.is_empty() || !shown.anchors.is_empty();
        self.shown.as_ref().is_some_and(|shown| shown.is_following && is_at_it(shown))
    }

    /// Takes up what has changed: a step of it.
    pub(super) fn follow_facts(&mut self) {
        let is_silent = self.silence.is_on() || !self.are_facts_there();
        let Some(shown) = &mut self.shown else { return };
        if is_silent {
            (shown.is_following, shown.has_more) = (false, false);
            shown.walks.clear();
            shown.anchors.clear();
            return;
        }
        if !std::mem::replace(&mut shown.is_following, true) {
            shown.next = shown.facts.next_change();
            self.everything_changed();
        }
        self.take_up_changes();
        self.mark_holders();
    }

    fn everything_changed(&mut self) {
        let Some(shown) = &mut self.shown else { return };
        shown.walks.clear();
        let Shown { facts, anchors, .. } = &mut **shown;
        let (own, partitions) = (self.partition, self.rows.partitions());
        anchors.clear();
        facts.for_each_anchor(|fingerprint, manual| {
            if spread(fingerprint, partitions) == own && brings_any(manual) {
                anchors.push(fingerprint);
            }
        });
        facts.for_each_named(|fingerprint| {
            if spread(fingerprint, partitions) == own {
                anchors.push(fingerprint);
            }
        });
        anchors.sort_unstable();
        anchors.dedup();
        self.due.sweep_all();
        self.begin_walk();
    }

    fn take_up_changes(&mut self) {
        let Some(shown) = &mut self.shown else { return };
        if !shown.walks.is_empty() {
            return; // these first: who falls too far behind is told that anything may have changed
        }
        let facts = Arc::clone(&shown.facts);
        if !shown.anchors.is_empty() {
            let from = shown.anchors.len().saturating_sub(CHANGES_MAX);
            let anchors = shown.anchors.split_off(from);
            anchors.into_iter().for_each(|anchor| self.about_changed(anchor, &facts));
            return;
        }
        let changed = facts.changed_since(&mut shown.next, CHANGES_MAX);
        let Changed::Items(items) = changed else {
            shown.has_more = true;
            self.everything_changed();
            return;
        };
        shown.has_more = items.len() == CHANGES_MAX;
        for fingerprint in items {
            self.about_changed(fingerprint, &facts);
            let Some(item) = self.rows.items().find_fingerprint(fingerprint) else { continue };
            self.touch_shop_wide(None, item, Some(self.wall_ms));
            if let Some(shown) = &mut self.shown {
                let left = shown.holders.count(item);
                if left > 0 {
                    shown.walks.push_back(Walk { item, left });
                }
            }
        }
    }

    /// What is known of an item has changed, or said of its lists: those are due that there are, and those that people want.
    fn about_changed(&mut self, fingerprint: u64, facts: &Facts) {
        if spread(fingerprint, self.rows.partitions()) != self.partition {
            return; // another partition's
        }
        let manual = facts.manual(fingerprint);
        let known = self.rows.items().find_fingerprint(fingerprint);
        let named = facts.named(fingerprint);
        let met = known.or_else(|| self.meet_anchor(manual.as_deref()?)).or_else(|| self.meet_named(named.as_deref()?));
        let Some(item) = met else { return };
        let shop = self.rows.items().shop_of(item);
        let is_on = |list: &ListName| self.rules[list.index()].enabled && !list.is_shop_wide();
        for list in ListName::ALL.into_iter().filter(is_on) {
            let key = ListKey { shop, list, about: About::Item(item) };
            let rules = &self.rules[list.index()];
            let is_wanted = || {
                let is_filled = named.is_some() && rules.fills_uncounted();
                is_filled || manual.as_ref().is_some_and(|manual| wants(manual, rules))
            };
            let met = self.lists.find(key);
            if met.is_some() || is_wanted() {
                let number = self.lists.meet(key);
                self.due.mark(number, self.wall_ms, self.clock_ms);
            }
        }
    }

    /// An item of which people said something, and that nobody has met.
    fn meet_anchor(&mut self, manual: &Manual) -> Option<ItemId> {
        if !brings_any(manual) || !is_id(&manual.item) || !is_id(&manual.shop) {
            return None;
        }
        let items = self.rows.items_mut();
        let shop = items.shop(&manual.shop);
        Some(items.item(shop, &manual.item))
    }

    /// A product of the catalogue that nobody has met.
    fn meet_named(&mut self, named: &Named) -> Option<ItemId> {
        if !is_id(&named.item) || !is_id(&named.shop) {
            return None;
        }
        let items = self.rows.items_mut();
        let shop = items.shop(&named.shop);
        Some(items.item(shop, &named.item))
    }

    /// Marks lists that hold what has changed: a bounded number of them.
    fn mark_holders(&mut self) {
        let Some(shown) = &mut self.shown else { return };
        let mut room = MARKED_MAX;
        while room > 0
            && let Some(walk) = shown.walks.front_mut()
        {
            let (due, wall_ms, clock_ms) = (&mut self.due, self.wall_ms, self.clock_ms);
            let left = shown.holders.visit(walk.item, walk.left, room, |list| due.mark(list, wall_ms, clock_ms));
            room = room.saturating_sub(walk.left - left);
            walk.left = left;
            if left == 0 {
                shown.walks.pop_front();
            }
        }
    }

    /// Whether subscribers have in reserve what would be turned away now. (Where it is shown, that it goes is news anyway.)
    pub(super) fn is_reserve_lost(&mut self, list: ListNumber) -> bool {
        if self.shown.is_none() {
            return false;
        }
        let ranked = &self.ranked;
        let mut gone = self.publisher.reserve(list).iter().map(|told| told.item);
        let mut gone = gone.by_ref().filter(|item| ranked.entries.iter().all(|entry| entry.item != *item)).peekable();
        if gone.peek().is_none() {
            return false;
        }
        let gone: Vec<ItemId> = gone.collect();
        self.turns_any_away(ranked.key, &gone)
    }

    /// Looks up what stands beside the entries of the list that was ranked last, where that is told.
    pub(super) fn look_at_shelves(&mut self) -> Shelved {
        self.shelves.clear();
        let Some(shown) = self.shown.as_ref().filter(|_| self.publish.tells_facts) else { return Shelved::default() };
        let items = self.rows.items();
        let shelf = |entry: &Entry| shown.facts.shelf(items.fingerprint(entry.item));
        self.shelves.extend(self.ranked.entries.iter().map(shelf));
        Shelved::of((0..self.ranked.shown).map(|place| Told::at(&self.shelves, place)))
    }

    /// Notes which items the list now holds, by what has been ranked, and by what subscribers have.
    pub(super) fn hold(&mut self, list: ListNumber) {
        let Some(shown) = &mut self.shown else { return };
        let placed = self.ranked.entries.iter().map(|entry| entry.item);
        let told = self.publisher.reserve(list).iter().map(|told| told.item);
        shown.holders.set(list, placed.chain(self.ranked.held_back.iter().copied()).chain(told));
    }

    /// What people want in the lists of an anchor gets its numbers, counted or not.
    pub(super) fn meet_by_hand(&mut self, anchor: ItemId) {
        let Some(shown) = &self.shown else { return };
        let Some(manual) = shown.facts.manual(self.rows.items().fingerprint(anchor)) else { return };
        let items = self.rows.items_mut();
        let shop = items.shop_of(anchor);
        let related = manual.relations.iter().filter(|known| !known.is_never()).map(|known| &known.other);
        let pinned = manual.verdicts.iter().filter(|known| known.is_pin());
        for other in related.chain(pinned.map(|known| &known.other)).filter(|other| is_id(other)) {
            items.item(shop, other);
        }
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX
}

/// Whether what people say of an anchor may fill a list of which nothing is counted.
fn brings_any(manual: &Manual) -> bool {
    manual.relations.iter().any(|known| !known.is_never()) || manual.verdicts.iter().any(Verdict::is_pin)
}

/// The same of one list.
fn wants(manual: &Manual, rules: &ListRules) -> bool {
    let is_pin = |known: &Verdict| known.is_pin() && known.list.is_none_or(|list| list == rules.list);
    manual.relations.iter().any(|known| rules.shown.relations.contains(&known.kind))
        || manual.verdicts.iter().any(is_pin)
}
