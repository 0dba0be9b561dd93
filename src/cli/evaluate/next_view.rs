//! Next view: every view of the sessions at the end is asked of the list of the view before it.
//!
//! A session is all views of one user id, as in click data where each session has an id of its own; it is tested when its last
//! view falls on the last day (UTC) of the data, and then nothing of it is counted. A repeated view is a question like
//! any other: one of the same item twice in a row is a miss, as no list holds its own anchor.

use super::estimate::{Estimate, Measured, reciprocal};
use super::history::{History, View};
use super::lists::{Lists, Popularity};
use crate::event::{EventTime, UserKey};
use crate::items::ItemId;
use crate::rules::DAY_MS;
use std::collections::{BTreeMap, HashMap};

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
    pub(super) fn ask(&self, lists: &Lists) -> Option<Measured> {
        self.measure(|anchor, wanted| {
            let place = lists.of(anchor).iter().take(self.at).position(|candidate| candidate.item == wanted);
            place.map(|before| before + 1)
        })
    }

    /// Asks the baseline.
    pub(super) fn ask_popularity(&self, popularity: &Popularity) -> Option<Measured> {
        self.measure(
            |anchor, wanted| {
                if anchor == wanted { None } else { popularity.place(wanted, &[anchor], self.at) }
            },
        )
    }

    fn measure(&self, place: impl Fn(ItemId, ItemId) -> Option<usize>) -> Option<Measured> {
        let steps = self.tested.iter().flat_map(|session| session.windows(2));
        let places: Vec<Option<usize>> = steps.map(|step| place(step[0], step[1])).collect();
        if places.is_empty() {
            return None;
        }
        let hits: Vec<f64> = places.iter().map(|place| f64::from(u8::from(place.is_some()))).collect();
        let reciprocals: Vec<f64> = places.iter().map(|&place| reciprocal(place)).collect();
        Some(Measured { questions: places.len(), recall: Estimate::of(&hits), mrr: Estimate::of(&reciprocals) })
    }
}
