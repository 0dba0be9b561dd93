//! What became of the records that change orders.

use super::kind::Kind;
use super::weigh::{Counted, EVENTS_MIN, percent, share};
use crate::event::EventType;
use crate::relation::Fate;

/// A share of a type that comes too late: some do wherever several senders write.
const STALE_MAX: f64 = 0.1;
/// A share of a type that changes nothing. Shops send orders again when they are paid or packed, and nothing is lost by that: only what is
/// nearly all of them tells of something.
const UNCHANGED_MAX: f64 = 0.9;
/// A share of a type whose orders are not known: returns of the first weeks are of orders before them.
const UNKNOWN_MAX: f64 = 0.2;

const TYPES: [(EventType, &str); 4] = [
    (EventType::Order, "orders"),
    (EventType::Add, "lines that join orders"),
    (EventType::Return, "returns"),
    (EventType::Cancel, "cancellations"),
];

/// Tells of types of which a large part changed no order.
pub(super) fn of_changes(counted: &Counted, tell: &mut impl FnMut(Kind, String)) {
    for (event_type, what) in TYPES {
        let fates = &counted.fates[event_type as usize];
        let events = fates.iter().sum();
        if events < EVENTS_MIN {
            continue;
        }
        for (fate, kind, max, is) in [
            (Fate::Stale, Kind::Stale, STALE_MAX, "are older than what was known of their order, and ignored"),
            (Fate::Unchanged, Kind::Unchanged, UNCHANGED_MAX, "change nothing, and count for nothing"),
            (Fate::UnknownOrder, Kind::UnknownOrder, UNKNOWN_MAX, "name an order that is not known, and are ignored"),
        ] {
            let part = share(fates[fate as usize], events);
            if part > max {
                tell(kind, format!("{} of the {events} {what} {is}", percent(part)));
            }
        }
    }
}
