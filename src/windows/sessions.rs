//! The open sessions of a user: items viewed without a long gap, one session for each session id, and one for views without.
//!
//! Most users have one, and no shop has to map session ids: so one lies at hand, and what tells several apart is made when it is needed.

use super::exact::{self, of_list};
use super::gap_window::{Arrival, Place, place};
use super::saved::Met;
use crate::event::{EventTime, LinkKey};
use crate::items::ItemId;
use crate::memory::{allocated, of_vec};
use crate::rules::CountingRules;

/// No event has this time: intake refuses all that lie before 1970.
const NEVER: EventTime = EventTime::MIN;

#[derive(serde::Serialize, serde::Deserialize)]
struct Session {
    /// Distinct items, in order of first view.
    items: Box<[ItemId]>,
    /// [`NEVER`] while it is not open.
    latest: EventTime,
    /// From its first event to its latest; `session_longest` bounds it.
    span_ms: u32,
}

impl Default for Session {
    fn default() -> Self {
        Self { items: Box::default(), latest: NEVER, span_ms: 0 }
    }
}

impl Session {
    fn is_open(&self) -> bool {
        self.latest != NEVER
    }

    fn arrive(&mut self, time: EventTime, rules: &CountingRules) -> Arrival {
        let (after_latest, first) = (time.since(self.latest), self.latest.0.saturating_sub(i64::from(self.span_ms)));
        if self.is_open() && after_latest < -rules.session_gap_ms {
            return Arrival::Late;
        }
        let is_within =
            after_latest <= rules.session_gap_ms && time.since(EventTime(first)) <= rules.session_longest_ms;
        if !self.is_open() || !is_within {
            *self = Self { items: Box::default(), latest: time, span_ms: 0 };
            return Arrival::Opens;
        }
        if after_latest > 0 {
            self.latest = time;
            self.span_ms = u32::try_from(time.since(EventTime(first))).unwrap_or(u32::MAX); // `session_longest` is less
        }
        Arrival::Continues
    }
}

/// What tells sessions apart.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Apart {
    /// Whose the one at hand is.
    link: Option<LinkKey>,
    /// The others; the one touched last is last.
    others: Vec<(Option<LinkKey>, Session)>,
}

/// All of a user's. The one at hand was touched last.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Sessions {
    at_hand: Session,
    /// None for who has never had a session id.
    apart: Option<Box<Apart>>,
}

impl Sessions {
    /// Moves the session of `link` to a view at `time`, and takes it at hand. Nothing moves when the view is late.
    pub(super) fn arrive(&mut self, link: Option<LinkKey>, time: EventTime, rules: &CountingRules) -> Arrival {
        if self.apart.as_ref().and_then(|apart| apart.link) != link {
            let apart = self.apart.get_or_insert_default();
            let known = apart.others.iter().position(|(other, _)| *other == link);
            let session = match known {
                Some(at) if apart.others[at].1.latest.since(time) > rules.session_gap_ms => return Arrival::Late,
                Some(at) => apart.others.remove(at).1,
                None => Session::default(),
            };
            let before = (std::mem::replace(&mut apart.link, link), std::mem::replace(&mut self.at_hand, session));
            if before.1.is_open() {
                apart.others.reserve_exact(1);
                apart.others.push(before);
            }
            let open = apart.others.len() + 1;
            apart.others.drain(..open.saturating_sub(rules.sessions_open).min(apart.others.len()));
        }
        self.at_hand.arrive(time, rules)
    }

    /// What there is for an item in the session at hand.
    pub(super) fn place(&self, item: ItemId, max_items: usize) -> Place {
        place(&self.at_hand.items, item, max_items)
    }

    /// Adds an item to the session at hand.
    pub(super) fn push(&mut self, item: ItemId) {
        exact::push(&mut self.at_hand.items, item);
    }

    /// The items of the session at hand.
    pub(super) fn items(&self) -> &[ItemId] {
        &self.at_hand.items
    }

    /// Takes note of what they name.
    pub(super) fn fits(&self, met: &mut Met) {
        met.items(&self.at_hand.items);
        let others = self.apart.iter().flat_map(|apart| &apart.others);
        others.for_each(|(_, session)| met.items(&session.items));
    }

    pub(super) fn bytes(&self) -> usize {
        let apart = self.apart.as_deref().map_or(0, |apart| {
            let others: usize = apart.others.iter().map(|(_, session)| of_list(&session.items)).sum();
            allocated(size_of::<Apart>()) + of_vec(&apart.others) + others
        });
        of_list(&self.at_hand.items) + apart
    }
}
