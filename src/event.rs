//! What happens in a shop: the events that intake accepts, in the words of the field.
//!
//! Invariants: an id is at most [`ID_BYTES_MAX`](crate::limits::ID_BYTES_MAX) bytes and not empty; an order has at least one line. A user is known
//! behind intake by a fingerprint only, so no log, metric or list can leak one.
//! Absent: where an event came from (see `position`) and how it was written (see `intake`).

use siphasher::sip128::{Hasher128, SipHasher24};
use std::borrow::Cow;
use std::hash::Hasher;
use xxhash_rust::xxh3::xxh3_64;

/// The shop of events that name none.
pub const SHOP_DEFAULT: &str = "main";

/// When an event happened: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

impl EventTime {
    /// Before every event.
    pub const MIN: Self = Self(i64::MIN);

    /// Milliseconds from `earlier` to this; negative when `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The day this time falls on, in days since 1970-01-01, within what a `u16` holds (to the year 2149).
    #[must_use]
    pub fn day(self) -> u16 {
        u16::try_from(self.0.div_euclid(86_400_000).clamp(0, i64::from(u16::MAX))).unwrap_or(u16::MAX)
    }
}

/// The three kinds of event, in the order in which equal times are merged: who viewed and bought in the same
/// millisecond viewed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// A product page was seen.
    View,
    /// A product was put in the cart.
    Cart,
    /// An order was placed.
    Order,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::View, Self::Cart, Self::Order];

    /// The name used in settings, metrics and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Cart => "cart",
            Self::Order => "order",
        }
    }
}

/// What a user did. Ids are as the shop wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Saw `item`.
    View {
        /// The product seen.
        item: Cow<'a, str>,
    },
    /// Put `item` in the cart.
    Cart {
        /// The product added.
        item: Cow<'a, str>,
    },
    /// Ordered `items` (at least one; an item may stand in several lines).
    Order {
        /// The shop's number of the order; may be empty.
        order_id: Cow<'a, str>,
        /// The product of every line, in order.
        items: Vec<Cow<'a, str>>,
    },
}

impl Action<'_> {
    /// Which kind of event this is.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::View { .. } => EventType::View,
            Self::Cart { .. } => EventType::Cart,
            Self::Order { .. } => EventType::Order,
        }
    }
}

/// One accepted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Name space; nothing crosses it.
    pub shop: Cow<'a, str>,
    /// Visitor or customer, as the shop wrote it. Ends here: behind intake only [`UserKey`] exists.
    pub user: Cow<'a, str>,
    /// When it happened, corrected (see `intake`).
    pub time: EventTime,
    /// What tells a re-sent event from a new one.
    pub key: EventKey,
    /// What happened.
    pub action: Action<'a>,
}

/// A user of a shop, as a fingerprint of 128 bits (SipHash-2-4; Aumasson and Bernstein, 2012), keyed where a secret is
/// configured. Two users share one with a chance of about n² / 2^129.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub u128);

/// Makes user fingerprints.
#[derive(Clone)]
pub struct UserKeys {
    secret: [u8; 16],
}

impl UserKeys {
    /// Fingerprints under `secret`; all zeros is the published default.
    #[must_use]
    pub fn new(secret: [u8; 16]) -> Self {
        Self { secret }
    }

    /// The fingerprint of `user` in `shop`.
    #[must_use]
    pub fn key(&self, shop: &str, user: &str) -> UserKey {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(shop.as_bytes());
        hasher.write(&[0xFF]); // no UTF-8 text holds this byte, so ("a", "bc") and ("ab", "c") differ
        hasher.write(user.as_bytes());
        UserKey(hasher.finish128().as_u128())
    }
}

impl UserKey {
    /// The partition of the events log that holds this user, of `count`.
    #[must_use]
    pub fn partition(self, count: u32) -> crate::position::Partition {
        let high = (self.0 >> 64) as u64; // lossless: the upper half
        crate::items::spread(high, count)
    }
}

/// What tells a re-sent event from a new one: 64 bits of the event id, or of (type, item or order id, own time) where
/// there is none. Looked up among a user's last 128 only, so a false match has a chance of 2^-57 an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(pub u64);

impl EventKey {
    /// The key of an event that has an id.
    #[must_use]
    pub fn of_id(id: &str) -> Self {
        Self(xxh3_64(id.as_bytes()))
    }

    /// The key of an event without id. `own_time` is the event's own, before any correction.
    #[must_use]
    pub fn of_content(event_type: EventType, item_or_order: &str, own_time: EventTime) -> Self {
        let mut bytes = Vec::with_capacity(item_or_order.len() + 16);
        bytes.push(0xFF); // keeps the two kinds of key apart: no id starts with this byte
        bytes.extend_from_slice(event_type.name().as_bytes());
        bytes.extend_from_slice(&own_time.0.to_le_bytes());
        bytes.extend_from_slice(item_or_order.as_bytes());
        Self(xxh3_64(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_fingerprints_are_fixed_for_ever() {
        let keys = UserKeys::new([0; 16]);
        // Changing any of these moves users between partitions: it needs a new events log.
        let golden = [
            ("main", "u1", 95_328_488_102_558_398_746_047_089_493_896_015_734_u128, 1_u32),
            ("main", "\u{e9}-\u{4ef6}", 50_593_655_610_204_748_141_369_192_206_017_865_574, 1),
            ("b2b", "u1", 151_729_078_824_880_458_805_585_187_316_984_489_633, 3),
        ];
        let seen = golden.map(|(shop, user, _, _)| {
            let key = keys.key(shop, user);
            (shop, user, key.0, key.partition(7).0)
        });
        assert_eq!(seen, golden);
        assert_ne!(UserKeys::new([1; 16]).key("main", "u1"), keys.key("main", "u1"), "the secret matters");
        assert_ne!(keys.key("a", "bc"), keys.key("ab", "c"));
    }

    #[test]
    fn an_id_and_a_content_key_never_meet() {
        assert_ne!(EventKey::of_id("x"), EventKey::of_content(EventType::View, "x", EventTime(0)));
        assert_ne!(
            EventKey::of_content(EventType::View, "x", EventTime(0)),
            EventKey::of_content(EventType::Cart, "x", EventTime(0))
        );
    }

    #[test]
    fn days_are_whole_and_bounded() {
        assert_eq!(EventTime(86_400_000 * 20_000 + 5).day(), 20_000);
        assert_eq!(EventTime(-1).day(), 0);
        assert_eq!(EventTime(i64::MAX).day(), u16::MAX);
    }
}
