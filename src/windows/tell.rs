//! What an order comes to, and what a change of it comes to: the difference of both states, as deltas.
//!
//! By the rule, all that was counted of an order is taken back and counted anew. What would be subtracted and added again is left out:
//! an order that grows line by line costs what it grows by.

use crate::event::EventTime;
use crate::items::{ItemId, ShopId};
use crate::relation::{Bought, Change, Delta, OrdersBefore, Relation};

/// What is counted of an order. Without items: nothing.
#[derive(Default)]
pub(super) struct Part {
    pub(super) items: Vec<Bought>,
    pub(super) before: Vec<OrdersBefore>,
    pub(super) also: Vec<ItemId>,
    pub(super) viewed: Vec<ItemId>,
}

impl Part {
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.before.clear();
        self.also.clear();
        self.viewed.clear();
    }

    fn anchors(&self, is_also: bool) -> &[ItemId] {
        if is_also { &self.also } else { &self.viewed }
    }

    fn are_apart(&self, i: usize, j: usize) -> bool {
        self.before.is_empty() || self.before[i].are_apart(self.before[j])
    }
}

/// Room for the items of one relation.
#[derive(Default)]
pub(super) struct Others {
    old: Vec<Bought>,
    new: Vec<Bought>,
}

/// Where and when an order was counted, and how many of the first items of both its states are the same.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) shop: ShopId,
    pub(super) time: EventTime,
    pub(super) stay: usize,
}

/// Gives to `sink` what makes `new` of `old`.
pub(super) fn tell(of: Place, old: &Part, new: &Part, others: &mut Others, sink: &mut impl FnMut(Delta<'_>)) {
    let Place { shop, time, stay } = of;
    if old.items.is_empty() && new.items.is_empty() {
        return;
    }
    let mut give = |is_taken_back, change: Change<'_>| sink(Delta { time, change, is_taken_back });
    tell_basket(of, old, new, &mut give);
    let Others { old: from, new: to } = others;
    for relation in [Relation::AlsoBought, Relation::ViewedThenBought] {
        let is_also = relation == Relation::AlsoBought;
        let counts = |bought: &&Bought| !is_also || bought.repeats == 0;
        let was = !old.anchors(is_also).is_empty() && old.items.iter().any(|bought| counts(&bought));
        let is = !new.anchors(is_also).is_empty() && new.items.iter().any(|bought| counts(&bought));
        let settled = was && is && old.anchors(is_also) == new.anchors(is_also);
        let skipped = if settled { stay } else { 0 };
        from.clear();
        from.extend(old.items.iter().skip(skipped).filter(counts));
        to.clear();
        to.extend(new.items.iter().skip(skipped).filter(counts));
        for (is_taken_back, does, part, others, other) in [(true, was, old, &from, is), (false, is, new, &to, was)] {
            if does && !other {
                give(is_taken_back, Change::Context { shop, relation });
            }
            if does && !others.is_empty() {
                give(is_taken_back, Change::Cross { relation, anchors: part.anchors(is_also), settled, others });
            }
        }
    }
}

fn tell_basket(of: Place, old: &Part, new: &Part, give: &mut impl FnMut(bool, Change<'_>)) {
    let Place { shop, stay, .. } = of;
    let same = |place: usize| (0..place).all(|other| old.are_apart(place, other) == new.are_apart(place, other));
    let is_plain = old.before.is_empty() && new.before.is_empty();
    let settled = if is_plain || (0..stay).all(same) { stay } else { 0 };
    let relation = Relation::BoughtTogether;
    for (is_taken_back, part, other) in [(true, old, new), (false, new, old)] {
        let Part { items, before, .. } = part;
        if !items.is_empty() && other.items.is_empty() {
            give(is_taken_back, Change::Context { shop, relation });
        }
        if items.len() > settled {
            give(is_taken_back, Change::Basket { items, before, settled });
        }
    }
}
