//! The rules for views: `viewed_together`, and what is remembered for `viewed_then_bought`.

use super::Input;
use super::exact;
use super::gap_window::{Arrival, Place};
use super::saved::Met;
use super::visitors::Known;
use crate::event::{EventTime, LinkKey};
use crate::items::ItemId;
use crate::relation::{Change, Delta, Fate, Relation};
use crate::rules::CountingRules;

const RELATION: Relation = Relation::ViewedTogether;

pub(super) fn view(
    visitor: &mut Known,
    input: &Input<'_>,
    (item, session): (ItemId, Option<LinkKey>),
    rules: &CountingRules,
    neighbours: &mut Vec<ItemId>,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    let time = input.time;
    match visitor.sessions.arrive(session, time, rules) {
        Arrival::Late => return Fate::Late,
        Arrival::Opens => sink(Delta::counted(time, Change::Context { shop: input.shop, relation: RELATION })),
        Arrival::Continues => {}
    }
    visitor.recent_views.touch(item, time, rules.recent_max);
    match visitor.sessions.place(item, rules.session_max_items) {
        Place::Held => return Fate::Counted, // a reload is not a signal
        Place::Full => return Fate::Overlong,
        Place::Free => {}
    }
    neighbours.clear();
    neighbours.extend(visitor.sessions.items().iter().rev().take(rules.pair_window));
    sink(Delta::counted(time, Change::Star { relation: RELATION, centre: item, neighbours }));
    visitor.sessions.push(item);
    Fate::Counted
}

/// Packed: 12 bytes instead of 16.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
#[repr(Rust, packed(4))]
struct Seen {
    item: ItemId,
    time: EventTime,
}

/// The distinct items a user viewed last, over sessions; the newest stands last.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct RecentViews {
    views: Box<[Seen]>,
}

impl RecentViews {
    /// `item` was viewed at `time`: it becomes the most recent by arrival. Its time never goes back.
    fn touch(&mut self, item: ItemId, time: EventTime, max: usize) {
        if let Some(place) = self.views.iter().rposition(|seen| seen.item == item) {
            let time = self.views[place].time.max(time);
            self.views[place..].rotate_left(1);
            self.put_last(Seen { item, time });
        } else if self.views.len() < max {
            exact::push(&mut self.views, Seen { item, time });
        } else if max > 0 {
            self.views.rotate_left(1);
            self.put_last(Seen { item, time });
        }
    }

    fn put_last(&mut self, seen: Seen) {
        if let Some(last) = self.views.last_mut() {
            *last = seen;
        }
    }

    /// Takes note of what they name.
    pub(super) fn fits(&self, met: &mut Met) {
        self.views.iter().for_each(|seen| met.item(seen.item));
    }

    pub(super) fn bytes(&self) -> usize {
        exact::of_list(&self.views)
    }

    /// The items viewed at most `horizon_ms` before `time`, and not after it.
    pub(super) fn before(&self, time: EventTime, horizon_ms: i64) -> impl Iterator<Item = ItemId> {
        let within = move |seen: &&Seen| (0..=horizon_ms).contains(&time.since(seen.time));
        self.views.iter().filter(within).map(|seen| seen.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_views_are_remembered_the_newest_and_none_where_none_are_to_be() {
        let before = |views: &RecentViews| views.before(EventTime(9), 100).map(|item| item.0).collect::<Vec<_>>();
        for (max, kept) in [(0, &[][..]), (1, &[3]), (2, &[2, 3]), (3, &[1, 2, 3]), (4, &[1, 2, 3])] {
            let mut views = RecentViews::default();
            (1..=3).for_each(|n| views.touch(ItemId(n), EventTime(n.into()), max));
            assert_eq!(before(&views), kept, "at most {max}");
            views.touch(ItemId(1), EventTime(4), max);
            assert_eq!(before(&views).last(), (max > 0).then_some(&1));
        }
    }
}
