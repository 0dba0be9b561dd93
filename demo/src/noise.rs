//! What goes wrong between a shop and its stream: records sent twice, records that are late, records that are broken.
//!
//! Invariant: noise adds records and moves arrivals, but never changes an event; so a shop with noise and the same shop
//! without it hold the same events.

use super::catalogue::Catalogue;
use super::clock::{HOUR_MS, MINUTE_MS, SECOND_MS};
use super::draw::chance;
use super::line::{Action, Event, write_event, write_user};
use super::settings::ShopSettings;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Ways in which a record is broken. None of them can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The JSON ends early.
    Truncated,
    /// Not JSON at all.
    NotJson,
    /// No user.
    NoUser,
    /// The item is null.
    NullItem,
    /// Seconds in a field of milliseconds: a day in 1970.
    Year1970,
    /// An order without lines.
    EmptyOrder,
    /// A type that no one configured.
    UnknownType,
    /// No value at all.
    NullValue,
}

impl Damage {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Truncated,
        Self::NotJson,
        Self::NoUser,
        Self::NullItem,
        Self::Year1970,
        Self::EmptyOrder,
        Self::UnknownType,
        Self::NullValue,
    ];
}

/// What noise does to one event.
pub(super) struct Fate {
    /// How much later than it happened it arrives.
    pub delay_ms: i64,
    /// When, after its arrival, it arrives again.
    pub again_ms: Option<i64>,
    /// What arrives broken beside it.
    pub broken: Option<Damage>,
}

pub(super) struct Noise {
    rng: ChaCha8Rng,
    duplicates_permille: u32,
    late_permille: u32,
    broken_permille: u32,
}

impl Noise {
    pub fn new(rng: ChaCha8Rng, settings: &ShopSettings) -> Self {
        Self {
            rng,
            duplicates_permille: settings.duplicates_permille,
            late_permille: settings.late_permille,
            broken_permille: settings.broken_permille,
        }
    }

    /// Decides on one event.
    pub fn fate(&mut self, event: &Event) -> Fate {
        let rng = &mut self.rng;
        let is_order = matches!(event.action, Action::Order(_));
        let delay_ms = if is_order || !chance(rng, self.late_permille) {
            0
        } else if rng.random() {
            rng.random_range(2 * MINUTE_MS..25 * MINUTE_MS) // within the gap of a session
        } else {
            rng.random_range(HOUR_MS..30 * HOUR_MS)
        };
        let again_ms = chance(rng, self.duplicates_permille)
            .then(|| [SECOND_MS, 10 * MINUTE_MS, 3 * HOUR_MS][rng.random_range(0..3)]);
        let broken = chance(rng, self.broken_permille).then(|| Damage::ALL[rng.random_range(0..Damage::ALL.len())]);
        Fate { delay_ms, again_ms, broken }
    }

    /// Writes a broken record that resembles `event`; false when it has no value.
    pub fn write_broken(&mut self, out: &mut Vec<u8>, event: &Event, damage: Damage, catalogue: &Catalogue) -> bool {
        let start = out.len();
        let type_name = if damage == Damage::UnknownType { "wishlist" } else { "view" };
        let time_ms = if damage == Damage::Year1970 { event.time_ms / 1000 } else { event.time_ms };
        match damage {
            Damage::NullValue => return false,
            Damage::NotJson => out.extend_from_slice(b"<html><body>502 Bad Gateway</body></html>"),
            Damage::Truncated => {
                write_event(out, event, catalogue);
                let length = out.len() - start;
                out.truncate(start + self.rng.random_range(1..length));
            }
            Damage::NoUser => {
                out.extend_from_slice(
                    format!("{{\"type\":\"view\",\"ts\":{time_ms},\"item\":\"1000000\"}}").as_bytes(),
                );
            }
            Damage::NullItem | Damage::Year1970 | Damage::EmptyOrder | Damage::UnknownType => {
                let what = match damage {
                    Damage::EmptyOrder => "\"type\":\"order\",\"order_id\":\"o-empty\",\"lines\":[]".to_owned(),
                    Damage::NullItem => "\"type\":\"view\",\"item\":null".to_owned(),
                    _ => format!("\"type\":\"{type_name}\",\"item\":\"1000000\""),
                };
                out.extend_from_slice(format!("{{\"event_id\":\"z{}\",\"user\":\"", event.id.1).as_bytes());
                write_user(out, event.user);
                out.extend_from_slice(format!("\",\"ts\":{time_ms},{what}}}").as_bytes());
            }
        }
        true
    }
}
