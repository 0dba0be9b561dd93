//! Event → deltas: the counting rules of design section 5.
//!
//! Per user one visitor: the open session, the cart, what was viewed last, what was bought, and the ids of the last
//! events. An [`Input`] moves its visitor and gives what it means for the counts as [`Delta`]s.
//!
//! Invariants: what an event gives, and in which order, is a function of the events before it alone: no hash map is
//! ever iterated, no number of an item or slot of a visitor decides anything. Every list a visitor holds is bounded by a
//! setting. Forgetting is decided by the times of a user's own events, at the moment the user is met again; reclaiming only
//! frees memory, and waits for as long again.
//! Absent: decay and totals (rows), names (the caller interns), rejects and corrections of time (intake).
//!
//! Events of several sources come through a [`Merge`] first, which puts a backlog in order of event time.

mod basket;
mod carts;
mod exact;
mod gap_window;
mod merge;
mod orders;
mod purchases;
mod recent_ids;
#[cfg(test)]
mod tests;
mod views;
mod visitors;

pub use merge::{Merge, SourceIndex};
pub use visitors::WindowsBytes;

use crate::event::{EventKey, EventTime, EventType, UserKey};
use crate::items::{ItemId, ShopId};
use crate::relation::{Bought, Delta, Fate};
use crate::rules::{CountingRules, DAY_MS};
use basket::Basket;
use visitors::{Known, Memory, Visitors};

/// What a user did, in interned items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Saw an item.
    View(ItemId),
    /// Put an item in the cart.
    Cart(ItemId),
    /// Ordered these: the item of every line, in order; at least one, repetitions as they came.
    Order(&'a [ItemId]),
}

impl Action<'_> {
    /// Which kind of event this is.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::View(_) => EventType::View,
            Self::Cart(_) => EventType::Cart,
            Self::Order(_) => EventType::Order,
        }
    }
}

/// An event whose names are interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// The user (of a shop: the same name in another shop has another key).
    pub user: UserKey,
    /// What tells a re-sent event from a new one.
    pub key: EventKey,
    /// When it happened.
    pub time: EventTime,
    /// The shop, for its contexts.
    pub shop: ShopId,
    /// What happened.
    pub action: Action<'a>,
}

/// How many events met which [`Fate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everything applied, by [`EventType`] in its order; duplicates included.
    pub events: [u64; EventType::ALL.len()],
    /// Dropped: their key was among the user's last ones.
    pub duplicate: u64,
    /// Ignored: older than the open session or cart by more than the gap.
    pub late: u64,
    /// Ignored: the session or cart was full.
    pub overlong: u64,
    /// Orders over `basket_max` items.
    pub bulk: u64,
}

impl Tally {
    /// Everything but duplicates: late, overlong and bulk events were accepted too.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.events.iter().sum::<u64>() - self.duplicate
    }

    fn add(&mut self, event_type: EventType, fate: Fate) {
        self.events[event_type as usize] += 1;
        match fate {
            Fate::Counted => {}
            Fate::Duplicate => self.duplicate += 1,
            Fate::Late => self.late += 1,
            Fate::Overlong => self.overlong += 1,
            Fate::Bulk => self.bulk += 1,
        }
    }
}

/// Room for what one event gives: kept, so that the steady state allocates nothing.
#[derive(Default)]
struct Scratch {
    neighbours: Vec<ItemId>,
    basket: Basket,
    anchors: Vec<ItemId>,
    fresh: Vec<Bought>,
}

/// The visitors of one partition of the events log.
pub struct Windows {
    rules: CountingRules,
    visitors: Visitors,
    now: EventTime,
    tally: Tally,
    scratch: Scratch,
}

impl Windows {
    /// Nobody met yet.
    #[must_use]
    pub fn new(rules: &CountingRules) -> Self {
        Self {
            rules: rules.clone(),
            visitors: Visitors::default(),
            now: EventTime::MIN,
            tally: Tally::default(),
            scratch: Scratch::default(),
        }
    }

    /// Applies one event; gives what it changes to `sink`, in a fixed order: per relation first the context, then what
    /// happened in it.
    ///
    /// # Panics
    /// On an order without items, which intake refuses.
    pub fn apply(&mut self, input: &Input<'_>, sink: &mut impl FnMut(Delta<'_>)) -> Fate {
        self.move_on(input.time);
        let Self { rules, scratch, visitors, now, .. } = self;
        visitors.reclaim(*now, rules.forget_after_ms);
        let fate = visitors.meet(input.user, input.time, rules.forget_after_ms, |memory, seen| {
            remember(memory, seen, input, rules, scratch, sink)
        });
        self.tally.add(input.action.event_type(), fate);
        fate
    }

    /// What reclaiming goes by. One event moves this clock by a day at most: a single time that lies years ahead must not make
    /// strangers of everybody.
    fn move_on(&mut self, time: EventTime) {
        if self.now == EventTime::MIN {
            self.now = time;
        }
        self.now = self.now.max(time.min(EventTime(self.now.0.saturating_add(DAY_MS))));
    }

    /// How many events met which fate.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Users remembered.
    #[must_use]
    pub fn visitors(&self) -> usize {
        self.visitors.len()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> WindowsBytes {
        self.visitors.bytes()
    }
}

/// Moves the memory of one user, seen last at `seen`, who has not been met for too long.
fn remember(
    memory: &mut Memory,
    seen: EventTime,
    input: &Input<'_>,
    rules: &CountingRules,
    scratch: &mut Scratch,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    match memory {
        Memory::Known(known) => react(known, input, rules, scratch, sink),
        Memory::Stranger => {
            let mut known = Known::default();
            let fate = react(&mut known, input, rules, scratch, sink);
            *memory = match (input.action, fate) {
                (Action::View(item), Fate::Counted) => Memory::OneView { key: input.key, item },
                _ => Memory::Known(Box::new(known)),
            };
            fate
        }
        Memory::OneView { key, item } => {
            let is_click = input.action.event_type() != EventType::Order;
            if *key == input.key && is_click && rules.dedup_ids > 0 && input.time <= seen {
                return Fate::Duplicate; // nothing to remember besides
            }
            let mut known = Known::default();
            let view = Input { key: *key, time: seen, action: Action::View(*item), ..*input };
            react(&mut known, &view, rules, scratch, &mut |_| {}); // has been told
            let fate = react(&mut known, input, rules, scratch, sink);
            *memory = Memory::Known(Box::new(known));
            fate
        }
    }
}

fn react(
    visitor: &mut Known,
    input: &Input<'_>,
    rules: &CountingRules,
    scratch: &mut Scratch,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    let ids = match input.action {
        Action::View(_) | Action::Cart(_) => &mut visitor.click_ids,
        Action::Order(_) => &mut visitor.customer.get_or_insert_default().order_ids,
    };
    if !ids.remember(input.key, rules.dedup_ids) {
        return Fate::Duplicate;
    }
    match input.action {
        Action::View(item) => views::view(visitor, input, item, rules, &mut scratch.neighbours, sink),
        Action::Cart(item) => carts::add(visitor, input, item, rules, sink),
        Action::Order(items) => orders::order(visitor, input, items, rules, scratch, sink),
    }
}
