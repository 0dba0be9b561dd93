//! What a source looks like: bounded, whatever comes.

use super::At;
use super::heavy::Heavy;
use super::sample::Sample;
use crate::event::{Action, Event, EventTime, EventType, OrderStep, UserKey};
use crate::rules::DAY_MS;
use std::borrow::Cow;
use std::fmt;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// So many events are looked at one by one, and then one in so many: of a long stream that tells as much.
const LOOKED_AT_FIRST: u64 = 1 << 15;
const LOOKED_AT_ONE_IN: u64 = 32;
/// Most users of a sample.
const USERS_MAX: usize = 2048;
/// Most items of a sample.
const ITEMS_MAX: usize = 2048;
/// Most times of views, and of orders, that are kept of one user.
const TIMES_MAX: usize = 16;
/// Most forms that are kept of an id.
const FORMS_MAX: usize = 4;
/// About what a place in a tree costs besides what stands there.
const NODE_BYTES: usize = 32;
/// A step back in time that is no jitter.
pub(super) const STEP_MS: i64 = 60_000;

const TYPES: usize = EventType::ALL.len();

/// Most shops that are told apart.
const SHOPS_MAX: usize = 64;

/// By type of event, whether something was met.
pub(super) type Met = [bool; TYPES];

/// Longest id that is kept to be shown.
const SHOWN_BYTES_MAX: usize = 40;

/// One way in which an id is written.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Its hash.
    written: u64,
    /// In which types of event it was met.
    pub(super) met: Met,
    /// How often, among the events that are looked at.
    pub(super) times: u64,
    /// Itself, of an item's whose id is short; never of a user's.
    pub(super) text: Option<Box<str>>,
}

/// The forms in which an id was met.
#[derive(Clone, Debug, Default)]
pub(super) struct Forms(pub(super) Vec<Form>);

impl Forms {
    fn meet(&mut self, written: u64, kind: usize, text: Option<&str>) {
        if let Some(form) = self.0.iter_mut().find(|form| form.written == written) {
            form.met[kind] = true;
            form.times += 1;
        } else if self.0.len() < FORMS_MAX {
            let mut met = [false; TYPES];
            met[kind] = true;
            let text = text.filter(|text| text.len() <= SHOWN_BYTES_MAX).map(Box::from);
            self.0.push(Form { written, met, times: 1, text });
        }
    }

    /// Takes in the forms of the same id, as they were met elsewhere.
    pub(super) fn join(&mut self, others: &Self) {
        for other in &others.0 {
            match self.0.iter_mut().find(|form| form.written == other.written) {
                Some(form) => {
                    form.met.iter_mut().zip(other.met).for_each(|(all, one)| *all |= one);
                    form.times += other.times;
                }
                None => self.0.push(other.clone()),
            }
        }
    }
}

/// What is kept of a user in the sample.
#[derive(Clone, Debug, Default)]
pub(super) struct UserSeen {
    /// By type: whether met at all.
    pub(super) types: Met,
    pub(super) view_times: Vec<i64>,
    pub(super) order_times: Vec<i64>,
}

/// The accepted events of a source, or of all its partitions that one worker reads.
pub struct Profile {
    /// By `EventType as usize`.
    pub(super) events: [u64; TYPES],
    all: u64,
    /// Of those looked at: by type, what `times_of_day` and `heavy` are shares of.
    pub(super) looked_at: [u64; TYPES],
    /// Orders with one item.
    pub(super) single: u64,
    /// By type: times of the day (ms since midnight, UTC).
    pub(super) times_of_day: [Heavy; TYPES],
    /// Steps in time by more than a minute from one event to the next.
    pub(super) forwards: u64,
    pub(super) backwards: u64,
    pub(super) users: Sample<UserSeen>,
    pub(super) user_forms: Sample<Forms>,
    pub(super) items: Sample<Forms>,
    pub(super) shops: Sample<Met>,
    pub(super) heavy: [Heavy; TYPES],
    /// Impressions and clicks that were accepted.
    pub(super) told: u64,
    /// Those that nobody wants to know of.
    pub(super) unread: [u64; 2],
    /// Impressions and clicks of lists that are not told apart, and the name of the first.
    pub(super) other_lists: u64,
    pub(super) other_list: Option<Box<str>>,
}

impl fmt::Debug for Profile {
    /// Of all that was seen only the numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("events", &self.events).finish_non_exhaustive()
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            events: [0; TYPES],
            all: 0,
            looked_at: [0; TYPES],
            single: 0,
            times_of_day: Default::default(),
            forwards: 0,
            backwards: 0,
            users: Sample::new(USERS_MAX),
            user_forms: Sample::new(USERS_MAX),
            items: Sample::new(ITEMS_MAX),
            shops: Sample::new(SHOPS_MAX),
            heavy: Default::default(),
            told: 0,
            unread: [0; 2],
            other_lists: 0,
            other_list: None,
        }
    }
}

impl Profile {
    /// Takes in an event of `user`, read at `place`. `before`: the time of the event read before it in the same partition.
    pub fn observe(&mut self, event: &Event<'_>, user: UserKey, place: At, before: Option<EventTime>) {
        let event_type = event.action.event_type();
        let kind = event_type as usize;
        let time = event.time;
        self.events[kind] += 1;
        let step_ms = before.map_or(0, |before| time.since(before));
        self.forwards += u64::from(step_ms > STEP_MS);
        self.backwards += u64::from(step_ms < -STEP_MS);
        let user = (user.0 >> 64) as u64; // lossless: the upper half
        if let Some(seen) = self.users.entry(user) {
            seen.types[kind] = true;
            let times = match event_type {
                EventType::View => Some(&mut seen.view_times),
                EventType::Order | EventType::Add => Some(&mut seen.order_times),
                _ => None,
            };
            if let Some(times) = times.filter(|times| times.len() < TIMES_MAX) {
                times.push(time.0);
            }
        }
        if let Action::Order { step: OrderStep::State, items, .. } = &event.action {
            // Two lines of one item are one item: no pair. Of records that change an order, one line says nothing.
            let is_single = items.iter().all(|item| *item == items[0]);
            self.single += u64::from(is_single);
        }
        self.all += 1;
        if self.all <= LOOKED_AT_FIRST || self.all.is_multiple_of(LOOKED_AT_ONE_IN) {
            self.look_at(event, user, place);
        }
    }

    fn look_at(&mut self, event: &Event<'_>, user: u64, place: At) {
        let (kind, time) = (event.action.event_type() as usize, event.time);
        self.looked_at[kind] += 1;
        self.heavy[kind].add(user, place);
        self.times_of_day[kind].add(time.0.rem_euclid(DAY_MS).cast_unsigned(), place);
        let shop = xxh3_64(event.shop.as_bytes());
        if let Some(met) = self.shops.entry(shop) {
            met[kind] = true;
        }
        let (plain, written) = hashes(&event.user, shop);
        if let Some(forms) = self.user_forms.entry(plain) {
            forms.meet(written, kind, None);
        }
        match &event.action {
            Action::View { item, .. } | Action::Cart { item } => self.item(shop, item, kind),
            Action::Order { items, .. } => items.iter().for_each(|item| self.item(shop, item, kind)),
            Action::Erase | Action::Impression { .. } | Action::Click { .. } | Action::Unread(_) => {}
        }
    }

    /// An impression or a click came that nobody wants to know of.
    pub fn unread(&mut self, event_type: EventType) {
        self.unread[usize::from(event_type == EventType::Click)] += 1;
    }

    /// An impression or a click was accepted.
    pub fn told(&mut self) {
        self.told += 1;
    }

    /// An impression or a click came of a list that is not told apart.
    pub fn other_list(&mut self, name: &str) {
        self.other_lists += 1;
        if self.other_list.is_none() {
            self.other_list = Some(name.chars().take(SHOWN_BYTES_MAX).flat_map(char::escape_debug).collect());
        }
    }

    fn item(&mut self, shop: u64, item: &str, kind: usize) {
        let (plain, written) = hashes(item, shop);
        if let Some(forms) = self.items.entry(plain) {
            forms.meet(written, kind, Some(item));
        }
    }

    /// Most bytes that a profile takes: it is the same from a few thousand events on.
    #[must_use]
    pub fn bytes_max() -> usize {
        let forms = FORMS_MAX * size_of::<Form>();
        let user = size_of::<UserSeen>() + 2 * TIMES_MAX * size_of::<i64>() + size_of::<Forms>() + forms + NODE_BYTES;
        let item = size_of::<Forms>() + forms + FORMS_MAX * SHOWN_BYTES_MAX;
        let shops = SHOPS_MAX * (size_of::<Met>() + NODE_BYTES);
        size_of::<Self>() + USERS_MAX * (user + NODE_BYTES) + ITEMS_MAX * (item + NODE_BYTES) + shops
    }

    /// Whether each event was looked at.
    pub(super) fn looks_at_all(&self) -> bool {
        self.all <= LOOKED_AT_FIRST
    }

    /// All events.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.events.iter().sum()
    }
}

/// The hashes of an id in its plain form, and as it is written. Shops are name spaces: equal ids of two are two.
fn hashes(id: &str, shop: u64) -> (u64, u64) {
    let written = xxh3_64_with_seed(id.as_bytes(), shop);
    match plain_form(id) {
        Cow::Borrowed(same) if same.len() == id.len() => (written, written),
        plain => (xxh3_64_with_seed(plain.as_bytes(), shop), written),
    }
}

/// An id without what people and exports leave out or add: blanks, case, leading zeros of a number.
fn plain_form(id: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() && !byte.is_ascii_uppercase() || b"-_./:".contains(&byte);
    let id = id.trim();
    let digits = id.trim_start_matches('0');
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let id = if is_number && !digits.is_empty() { digits } else { id };
    if id.bytes().all(is_plain) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_id_have_one_plain_form() {
        for (id, plain) in [
            ("a-1", "a-1"),
            (" A-1", "a-1"),
            ("A 1 ", "a1"),
            ("0042", "42"),
            ("42", "42"),
            ("000", "000"),
            ("0a", "0a"),
            ("É1", "é1"),
            ("", ""),
        ] {
            assert_eq!(plain_form(id), plain, "{id:?}");
        }
    }
}
