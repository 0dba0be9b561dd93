//! As what an event counts: what the catalogue says of its items, written into the log for good.
//!
//! A variant counts as its parent, and what is no product does not count at all. What tells re-sent events apart is made of the items as
//! they were sent, so a copy that comes after the catalogue has changed is still a copy.

use crate::event::{Action, Event};
use crate::facts::{CountsAs, Facts};
use std::borrow::Cow;

/// The event as it counts; `None` where none of its items does.
#[must_use]
pub fn counted<'e, 'a>(facts: &Facts, event: &'e Event<'a>) -> Option<Cow<'e, Event<'a>>> {
    let as_what = |item: &Cow<'a, str>| facts.counts_as(&event.shop, item);
    let with = |action: Action<'a>| Some(Cow::Owned(Event { action, ..event.clone() }));
    match &event.action {
        Action::View { item, session } => match as_what(item) {
            CountsAs::Itself => Some(Cow::Borrowed(event)),
            CountsAs::Parent(item) => with(Action::View { item: Cow::Owned(item.into()), session: session.clone() }),
            CountsAs::Nothing => None,
        },
        Action::Cart { item } => match as_what(item) {
            CountsAs::Itself => Some(Cow::Borrowed(event)),
            CountsAs::Parent(item) => with(Action::Cart { item: Cow::Owned(item.into()) }),
            CountsAs::Nothing => None,
        },
        Action::Order { step, order_id, version, items, money } => {
            let meanings: Vec<CountsAs> = items.iter().map(as_what).collect();
            if meanings.iter().all(|meaning| *meaning == CountsAs::Itself) {
                return Some(Cow::Borrowed(event));
            }
            let mut money = money.clone();
            if let Some(money) = &mut money {
                let mut meanings = meanings.iter();
                money.amounts.retain(|_| meanings.next() != Some(&CountsAs::Nothing));
            }
            let items: Vec<Cow<'a, str>> = items
                .iter()
                .zip(meanings)
                .filter_map(|(item, meaning)| match meaning {
                    CountsAs::Itself => Some(item.clone()),
                    CountsAs::Parent(parent) => Some(Cow::Owned(parent.into())),
                    CountsAs::Nothing => None,
                })
                .collect();
            if items.is_empty() {
                return None;
            }
            with(Action::Order { step: *step, order_id: order_id.clone(), version: *version, items, money })
        }
        Action::Erase | Action::Impression { .. } | Action::Click { .. } | Action::Unread(_) => {
            Some(Cow::Borrowed(event))
        }
    }
}
