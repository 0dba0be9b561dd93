//! Event → deltas: the counting rules of design section 5.
//!
//! Per user one visitor: the open sessions, the cart, what was viewed last, what was bought, the orders that may still change, and
//! the ids of the last events. An [`Input`] moves its visitor and gives what it means for the counts as [`Delta`]s.
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
mod open_orders;
mod orders;
mod purchases;
mod recent_ids;
mod saved;
mod sessions;
mod tell;
#[cfg(test)]
pub(crate) mod tests;
mod together;
mod views;
mod visitors;

pub use merge::{Merge, SourceIndex};
pub use saved::{COUNT_MAX, Met, WindowsHead};
pub use visitors::WindowsBytes;

use crate::event::{EventKey, EventTime, EventType, LinkKey, OrderStep, UserKey};
use crate::items::{ItemId, ShopId};
use crate::relation::{Delta, Fate};
use crate::rules::{CountingRules, DAY_MS};
use basket::Basket;
use tell::{Others, Part};
use visitors::{FirstView, Horizon, Known, Memory, Visitors};

/// What a user did, in interned items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Saw an item.
    View {
        /// Which.
        item: ItemId,
        /// In this session, if the shop says.
        session: Option<LinkKey>,
    },
    /// Put an item in the cart.
    Cart(ItemId),
    /// Placed an order, or changed it.
    Order(OrderRecord<'a>),
    /// Is to be forgotten.
    Erase,
}

/// A record of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRecord<'a> {
    /// What it does to the order.
    pub step: OrderStep,
    /// Which order; one without a number cannot change.
    pub number: Option<LinkKey>,
    /// Which state is the newer one, where the record's time does not say.
    pub version: Option<i64>,
    /// The item of every line, in order: at least one, but of a cancellation; repetitions as they came.
    pub lines: &'a [ItemId],
}

impl Action<'_> {
    /// Which kind of event this is.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::View { .. } => EventType::View,
            Self::Cart(_) => EventType::Cart,
            Self::Order(record) => record.step.event_type(),
            Self::Erase => EventType::Erase,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Everything applied, by [`EventType`] in its order; duplicates included.
    pub events: [u64; EventType::ALL.len()],
    /// Dropped: their key was among the user's last ones.
    pub duplicate: u64,
    /// Ignored: older than the open session or cart by more than the gap.
    pub late: u64,
    /// Ignored: the session or cart was full.
    pub overlong: u64,
    /// Records of orders that made them bulk: of more than `basket_max` items.
    pub bulk: u64,
    /// Ignored: states and cancellations older than what is known of their order.
    pub stale: u64,
    /// Records of orders that changed no item.
    pub unchanged: u64,
    /// Ignored: returns and cancellations of orders that are not known, or no longer.
    pub unknown_order: u64,
}

impl Tally {
    /// Everything but duplicates: what was then ignored was accepted too.
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
            Fate::Stale => self.stale += 1,
            Fate::Unchanged => self.unchanged += 1,
            Fate::UnknownOrder => self.unknown_order += 1,
        }
    }
}

/// Room for what one event gives: kept, so that the steady state allocates nothing.
#[derive(Default)]
struct Scratch {
    neighbours: Vec<ItemId>,
    basket: Basket,
    /// Items of an order with those that join or leave it.
    all: Vec<ItemId>,
    /// What was counted of an order, and what is.
    old: Part,
    new: Part,
    others: Others,
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
        let horizon = Horizon { of_user_ms: rules.forget_after_ms, of_customer_ms: rules.forget_customer_after_ms };
        visitors.reclaim(*now, horizon);
        if input.action == Action::Erase {
            visitors.erase(input.user);
            self.tally.add(EventType::Erase, Fate::Counted);
            return Fate::Counted;
        }
        let fate = visitors
            .meet(input.user, input.time, horizon, |memory, seen| remember(memory, seen, input, rules, scratch, sink));
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
                (Action::View { item, session: None }, Fate::Counted) => Memory::OneView { key: input.key, item },
                (Action::View { item, session: Some(session) }, Fate::Counted) => {
                    Memory::OneViewInSession(Box::new(FirstView { key: input.key, item, session }))
                }
                _ => Memory::Known(Box::new(known)),
            };
            fate
        }
        Memory::OneView { key, item } => {
            let first = (*key, Action::View { item: *item, session: None });
            after_one_view(memory, first, seen, input, rules, scratch, sink)
        }
        Memory::OneViewInSession(view) => {
            let first = (view.key, Action::View { item: view.item, session: Some(view.session) });
            after_one_view(memory, first, seen, input, rules, scratch, sink)
        }
    }
}

/// The next event of a user of whom one view is known, at the time seen.
fn after_one_view(
    memory: &mut Memory,
    (key, first): (EventKey, Action<'_>),
    seen: EventTime,
    input: &Input<'_>,
    rules: &CountingRules,
    scratch: &mut Scratch,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    let is_click = matches!(input.action, Action::View { .. } | Action::Cart(_));
    if key == input.key && is_click && rules.dedup_ids > 0 && input.time <= seen {
        return Fate::Duplicate; // nothing to remember besides
    }
    let mut known = Known::default();
    let view = Input { key, time: seen, action: first, ..*input };
    react(&mut known, &view, rules, scratch, &mut |_| {}); // has been told
    let fate = react(&mut known, input, rules, scratch, sink);
    *memory = Memory::Known(Box::new(known));
    fate
}

fn react(
    visitor: &mut Known,
    input: &Input<'_>,
    rules: &CountingRules,
    scratch: &mut Scratch,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    let ids = match input.action {
        Action::View { .. } | Action::Cart(_) => &mut visitor.click_ids,
        Action::Order(_) => &mut visitor.customer.get_or_insert_default().order_ids,
        Action::Erase => return Fate::Counted, // nobody is remembered for that
    };
    if !ids.remember(input.key, rules.dedup_ids) {
        return Fate::Duplicate;
    }
    match input.action {
        Action::View { item, session } => {
            views::view(visitor, input, (item, session), rules, &mut scratch.neighbours, sink)
        }
        Action::Cart(item) => carts::add(visitor, input, item, rules, sink),
        Action::Order(record) => orders::order(visitor, input, &record, rules, scratch, sink),
        Action::Erase => Fate::Counted,
    }
}
