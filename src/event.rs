//! What happens in a shop: the events that intake accepts, in the words of the field.
//!
//! Invariants: an id is at most [`ID_BYTES_MAX`](crate::limits::ID_BYTES_MAX) bytes and not empty; a record of an order has at least one line, unless it
//! cancels it. A user is known behind intake by a fingerprint only, so no log, metric or list can leak one.
//! Absent: where an event came from (see `position`) and how it was written (see `intake`).

use siphasher::sip128::{Hasher128, SipHasher24};
use std::borrow::Cow;
use std::hash::Hasher;
use std::num::NonZeroU64;
use xxhash_rust::xxh3::xxh3_64;

/// The shop of events that name none.
pub const SHOP_DEFAULT: &str = "main";

/// When an event happened: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
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

/// The kinds of event, in the order in which equal times are merged: who viewed and bought in the same
/// millisecond viewed first, and an order is there before it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum EventType {
    /// A product page was seen.
    View,
    /// A product was put in the cart.
    Cart,
    /// An order as it now is: placed, or changed since.
    Order,
    /// Lines joined an order.
    Add,
    /// Lines left an order.
    Return,
    /// All lines left an order.
    Cancel,
    /// What is known of a user is to be forgotten.
    Erase,
    /// Entries of a list were shown.
    Impression,
    /// An entry of a list was clicked.
    Click,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::View,
        Self::Cart,
        Self::Order,
        Self::Add,
        Self::Return,
        Self::Cancel,
        Self::Erase,
        Self::Impression,
        Self::Click,
    ];

    /// Whether it tells of lists that were shown: it changes no count.
    #[must_use]
    pub fn is_of_lists(self) -> bool {
        matches!(self, Self::Impression | Self::Click)
    }

    /// The name used in settings, metrics and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Cart => "cart",
            Self::Order => "order",
            Self::Add => "add",
            Self::Return => "return",
            Self::Cancel => "cancel",
            Self::Erase => "erase",
            Self::Impression => "impression",
            Self::Click => "click",
        }
    }
}

/// What a record does to its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum OrderStep {
    /// These are its lines now.
    State,
    /// These lines join.
    Add,
    /// These lines leave.
    Return,
    /// All lines leave.
    Cancel,
}

impl OrderStep {
    /// The type of such a record.
    #[must_use]
    pub fn event_type(self) -> EventType {
        match self {
            Self::State => EventType::Order,
            Self::Add => EventType::Add,
            Self::Return => EventType::Return,
            Self::Cancel => EventType::Cancel,
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
        /// The shop's id of the session, if it has one.
        session: Option<Cow<'a, str>>,
    },
    /// Put `item` in the cart.
    Cart {
        /// The product added.
        item: Cow<'a, str>,
    },
    /// Placed an order, or changed it.
    Order {
        /// What the record does to it.
        step: OrderStep,
        /// The shop's number of the order; empty only where `step` is a state.
        order_id: Cow<'a, str>,
        /// Which state of the order is the newer one; else its time says.
        version: Option<i64>,
        /// The product of every line, in order (at least one, but of a cancellation; an item may stand in several lines).
        items: Vec<Cow<'a, str>>,
        /// What the lines cost, where that is read.
        money: Option<Box<Money>>,
    },
    /// Is to be forgotten.
    Erase,
    /// Was shown entries of a list, at least one.
    Impression {
        /// Where.
        spot: Spot<'a>,
        /// Which.
        entries: Vec<ShownEntry<'a>>,
    },
    /// Clicked an entry of a list.
    Click {
        /// Where.
        spot: Spot<'a>,
        /// Which.
        entry: ShownEntry<'a>,
    },
    /// An impression or a click that nobody wants to know of: nothing of it was read.
    Unread(EventType),
}

/// Where entries were shown: it has a list, a placement, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot<'a> {
    /// The list's name.
    pub list: Option<Cow<'a, str>>,
    /// The placement on a page or in a mail.
    pub placement: Option<Cow<'a, str>>,
    /// The item that the list is about; none of a list about a whole shop.
    pub about: Option<Cow<'a, str>>,
}

/// An entry of a list, as it was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownEntry<'a> {
    /// The product.
    pub item: Cow<'a, str>,
    /// Its place, from 1; a click may not say it.
    pub position: Option<u32>,
    /// Where the entry came from, as its list's record says.
    pub source: Option<Cow<'a, str>>,
}

/// A currency, by its three letters (ISO 4217); `XXX` where none is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Currency(pub [u8; 3]);

impl Currency {
    /// None is said.
    pub const NONE: Self = Self(*b"XXX");

    /// The currency of these letters, small or capital.
    #[must_use]
    pub fn of(letters: &str) -> Option<Self> {
        let bytes: [u8; 3] = letters.trim().as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphabetic).then(|| Self(bytes.map(|letter| letter.to_ascii_uppercase())))
    }

    /// Its letters.
    #[must_use]
    pub fn letters(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

/// What the lines of an order cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// Of all of them.
    pub currency: Currency,
    /// By line, in thousandths; none where it is not said, or makes no sense. Never negative.
    pub amounts: Vec<Option<u64>>,
}

impl Action<'_> {
    /// Which kind of event this is.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::View { .. } => EventType::View,
            Self::Cart { .. } => EventType::Cart,
            Self::Order { step, .. } => step.event_type(),
            Self::Erase => EventType::Erase,
            Self::Impression { .. } => EventType::Impression,
            Self::Click { .. } => EventType::Click,
            Self::Unread(event_type) => *event_type,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
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

/// What ties records of a user together: the id of a session, or the number of an order, as a fingerprint of 64 bits. Looked up
/// among the few that a user has open only, so a false match has a chance of 2^-60 a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct LinkKey(pub NonZeroU64);

impl LinkKey {
    /// The fingerprint of an id.
    #[must_use]
    pub fn of(id: &str) -> Self {
        Self(NonZeroU64::new(xxh3_64(id.as_bytes())).unwrap_or(NonZeroU64::MIN))
    }
}

/// What tells a re-sent event from a new one: 64 bits of (type, event id), or where there is none of (type, item or items of the
/// lines, order number, version, own time). Looked up among a user's last 128 only, so a false match has a chance of 2^-57 an
/// event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct EventKey(pub u64);

/// Keeps keys of ids and of contents apart.
const OF_ID: u64 = 0;
const OF_CONTENT: u64 = 1;

impl EventKey {
    /// The key of an event that has an id.
    #[must_use]
    pub fn of_id(event_type: EventType, id: &str) -> Self {
        Self(mixed(xxh3_64(id.as_bytes()) ^ salt(event_type, OF_ID, EventTime(0))))
    }

    /// The key of an event without id that is about an item, or nothing. `own_time` is the event's own, before any correction.
    #[must_use]
    pub fn of_item(event_type: EventType, item: &str, own_time: EventTime) -> Self {
        Self(mixed(xxh3_64(item.as_bytes()) ^ salt(event_type, OF_CONTENT, own_time)))
    }

    /// The key of a record of an order without event id: in which order its lines stand, and how often, does not matter.
    #[must_use]
    pub fn of_order<'i>(
        step: OrderStep,
        order_id: &str,
        version: Option<i64>,
        items: impl Iterator<Item = &'i str>,
        own_time: EventTime,
    ) -> Self {
        let mut parts: Vec<u64> = items.map(|item| xxh3_64(item.as_bytes())).collect();
        parts.sort_unstable();
        parts.dedup();
        let version = version.map_or([0, 0], |version| [1, version.cast_unsigned()]);
        parts.extend([xxh3_64(order_id.as_bytes()), version[0], version[1]]);
        let bytes: Vec<u8> = parts.into_iter().flat_map(u64::to_le_bytes).collect();
        Self(mixed(xxh3_64(&bytes) ^ salt(step.event_type(), OF_CONTENT, own_time)))
    }
}

/// Another number for each type, kind of key and time. (A seed of XXH3 would not do: of texts of a few letters it is added to the
/// letters.)
fn salt(event_type: EventType, of: u64, own_time: EventTime) -> u64 {
    mixed(own_time.0.cast_unsigned() ^ mixed((event_type as u64) << 1 | of))
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): each bit depends on every other.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
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
    fn keys_of_other_types_ids_contents_and_times_never_meet() {
        let at = EventTime(7);
        let mut keys = vec![
            EventKey::of_item(EventType::View, "x", EventTime(8)),
            EventKey::of_item(EventType::View, "y", at),
            EventKey::of_item(EventType::View, "x", EventTime(0)),
        ];
        for event_type in EventType::ALL {
            // Short ids, the one like the other.
            keys.extend((0..100).map(|n| EventKey::of_id(event_type, &format!("e{n}"))));
            keys.extend((0..100).map(|n| EventKey::of_item(event_type, &format!("e{n}"), EventTime(n))));
            keys.extend([EventKey::of_id(event_type, "x"), EventKey::of_item(event_type, "x", at)]);
        }
        let order = |step, number, version, items: &[&str], time| {
            EventKey::of_order(step, number, version, items.iter().copied(), EventTime(time))
        };
        let placed = order(OrderStep::State, "7", None, &["a", "b"], 5);
        assert_eq!(placed, order(OrderStep::State, "7", None, &["b", "a", "b"], 5), "the same lines");
        keys.extend([
            placed,
            order(OrderStep::Add, "7", None, &["a", "b"], 5),
            order(OrderStep::State, "8", None, &["a", "b"], 5),
            order(OrderStep::State, "7", Some(0), &["a", "b"], 5),
            order(OrderStep::State, "7", Some(1), &["a", "b"], 5),
            order(OrderStep::State, "7", None, &["a"], 5),
            order(OrderStep::State, "7", None, &["a", "b"], 6),
        ]);
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn days_are_whole_and_bounded() {
        assert_eq!(EventTime(86_400_000 * 20_000 + 5).day(), 20_000);
        assert_eq!(EventTime(-1).day(), 0);
        assert_eq!(EventTime(i64::MAX).day(), u16::MAX);
    }
}
