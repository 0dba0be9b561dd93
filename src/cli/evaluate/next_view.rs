//! Next view: every view of the sessions at the end is asked of the list of the view before it.
//!
//! A session is all views of one user id, as in click data where each session has an id of its own; it is tested when its last
//! view falls on the last day (UTC) of the data, and then nothing of it is counted. A repeated view is a question like
//! any other: one of the same item twice in a row is a miss, as no list holds its own anchor. New to the session is an item that none
//! of its views before has shown; asked for such a one, the session's items are no candidates, as a shop knows them.

use super::estimate::Answers;
use super::history::{History, View};
use super::lists::{Lists, Popularity};
use crate::event::{EventTime, UserKey};
use crate::items::ItemId;
use crate::rules::DAY_MS;
use std::collections::{BTreeMap, HashMap};

/// Which views are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// All but the first of a session.
    Next,
    /// Those of items that are new to the session.
    New,
}

/// How lists are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The list of the view before.
    Last,
    /// The lists of the last [`LISTS_COMBINED`] distinct items together: a candidate gets its rank value of each, divided by
    /// how long ago that item was viewed, 1 for the view before.
    Combined,
}

/// How many lists a caller combines: more of them add next to nothing, as their weights are small.
pub(super) const LISTS_COMBINED: usize = 5;

/// The views of a history, split by the last day.
pub(super) struct Sessions<'a> {
    /// What is counted, by time.
    pub(super) trained: Vec<&'a View>,
    /// The items of each tested session, in the order of views.
    pub(super) tested: Vec<Vec<ItemId>>,
    tested_times: Vec<EventTime>,
    at: usize,
}

impl<'a> Sessions<'a> {
    pub(super) fn split(history: &'a History, at: usize) -> Self {
        let last_ms = history.views.last().map_or(0, |view| view.time.0);
        let last_day_ms = last_ms.div_euclid(DAY_MS) * DAY_MS;
        let last_views: HashMap<UserKey, i64> = history.views.iter().map(|view| (view.user, view.time.0)).collect(); // by time: the last one stays
        let is_tested = |view: &&View| last_views.get(&view.user).is_some_and(|&last| last >= last_day_ms);
        let (tested, trained): (Vec<&View>, Vec<&View>) = history.views.iter().partition(is_tested);
        let mut sessions: BTreeMap<UserKey, Vec<ItemId>> = BTreeMap::new();
        tested.iter().for_each(|view| sessions.entry(view.user).or_default().push(view.item));
        let tested_times = tested.iter().map(|view| view.time).collect();
        Self { trained, tested: sessions.into_values().collect(), tested_times, at }
    }

    /// When the tested sessions' views were, by time.
    pub(super) fn tested_times(&self) -> impl Iterator<Item = EventTime> {
        self.tested_times.iter().copied()
    }

    /// How many views are asked for.
    pub(super) fn questions(&self) -> usize {
        self.tested.iter().map(|session| session.len() - 1).sum()
    }

    /// Asks `lists`.
    pub(super) fn ask(&self, lists: &Lists, target: Target, way: Way) -> Answers {
        let mut recent: Vec<ItemId> = Vec::new();
        self.answers(target, |seen, wanted| self.place_after(lists, seen, wanted, target, way, &mut recent))
    }

    /// The place of `wanted` after the views `seen`. `recent` is room for the distinct ones, the latest first.
    fn place_after(
        &self,
        lists: &Lists,
        seen: &[ItemId],
        wanted: ItemId,
        target: Target,
        way: Way,
        recent: &mut Vec<ItemId>,
    ) -> Option<usize> {
        recent.clear();
        for &item in seen.iter().rev() {
            if !recent.contains(&item) {
                recent.push(item);
            }
        }
        // Otherwise only what stands before the customer is none.
        let shown = if target == Target::New { &recent[..] } else { &recent[..1] };
        let anchors = &recent[..if way == Way::Last { 1 } else { recent.len().min(LISTS_COMBINED) }];
        self.place(lists, anchors, shown, wanted)
    }

    /// The place of `wanted`, from 1, among the candidates of the lists of `anchors` that are not `shown`.
    fn place(&self, lists: &Lists, anchors: &[ItemId], shown: &[ItemId], wanted: ItemId) -> Option<usize> {
        let mut candidates: Vec<(ItemId, f64)> = Vec::new();
        for (steps, &anchor) in anchors.iter().enumerate() {
            for candidate in lists.of(anchor).iter().filter(|candidate| !shown.contains(&candidate.item)) {
                let value = candidate.rank_milli as f64 / (steps + 1) as f64;
                match candidates.iter_mut().find(|(item, _)| *item == candidate.item) {
                    Some((_, sum)) => *sum += value,
                    None => candidates.push((candidate.item, value)),
                }
            }
        }
        if anchors.len() > 1 {
            // Stable: ties stay in the order of the nearest list.
            candidates.sort_by(|(_, x), (_, y)| y.total_cmp(x));
        }
        candidates.iter().take(self.at).position(|(item, _)| *item == wanted).map(|before| before + 1)
    }

    /// Asks the baseline.
    pub(super) fn ask_popularity(&self, popularity: &Popularity, target: Target) -> Answers {
        self.answers(target, |seen, wanted| {
            let shown = if target == Target::New { seen } else { &seen[seen.len() - 1..] };
            if shown.contains(&wanted) { None } else { popularity.place(wanted, shown, self.at) }
        })
    }

    /// A group for each session. `place` gets the items viewed before, at least one, and the one that is wanted.
    fn answers(&self, target: Target, mut place: impl FnMut(&[ItemId], ItemId) -> Option<usize>) -> Answers {
        let mut answers = Answers::default();
        for session in self.tested.iter().filter(|session| session.len() > 1) {
            let steps = (1..session.len()).map(|step| (&session[..step], session[step]));
            let mut asked = steps.filter(|(seen, wanted)| target == Target::Next || !seen.contains(wanted)).peekable();
            if asked.peek().is_some() {
                answers.begin_group();
            }
            asked.for_each(|(seen, wanted)| answers.add(place(seen, wanted)));
        }
        answers
    }
}

#[cfg(test)]
mod tests;
