//! From what was seen to what is told.

use super::profile::{Profile, UserSeen};
use crate::event::EventType;
use crate::relation::{Fate, Relation};
use crate::rules::HOUR_MS;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer events of a kind say nothing.
const EVENTS_MIN: u64 = 10;
/// A share of the events of a type that is more than noise.
const SHARE_MAX: f64 = 0.05;
/// A share of the records that may be refused without a word beyond those of the rejects.
const REJECTED_MAX: f64 = 0.2;
/// One user's share of the events of a type.
const USER_SHARE_MAX: f64 = 0.3;
/// A share of users, or of items, below which two kinds of event have next to nothing in common.
const SHARED_MIN: f64 = 0.02;
/// A share of items that are written in more than one way.
const FORMS_SHARE_MAX: f64 = 0.02;
/// The share of the most frequent time of the day from which times are days.
const DAYS_SHARE_MIN: f64 = 0.9;
/// The share of gaps in one hour from which two clocks differ by it, and how much more than in the hour in which they would agree.
const SHIFT_SHARE_MIN: f64 = 0.4;
const SHIFT_TIMES_MIN: usize = 4;
/// How far clocks are compared: no two zones differ by more.
const SHIFT_HOURS_MAX: i64 = 14;

const TYPES: usize = EventType::ALL.len();

/// The types that are looked at one by one.
const LOOKED_AT: [EventType; 3] = [EventType::View, EventType::Cart, EventType::Order];

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A source held nothing.
    Empty,
    /// No record became an event.
    NothingUsed,
    /// A large part of the records is refused.
    Rejected,
    /// No order has two items.
    NoBaskets,
    /// Orders are bulk.
    Bulk,
    /// Events are late.
    Late,
    /// Sessions or carts are full.
    Overlong,
    /// Events are copies.
    Duplicate,
    /// Views and orders share no users.
    UsersApart,
    /// Views and orders share no items.
    ItemsApart,
    /// Ids differ by form only.
    IdForms,
    /// One user makes a large share.
    OneUser,
    /// Times run backwards.
    Backwards,
    /// Orders lie hours from the views of their users.
    Shifted,
    /// Times are days.
    Days,
    /// A relation stays empty.
    NoPairs,
    /// No list of a relation passes its gates.
    NoLists,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Empty,
        Self::NothingUsed,
        Self::Rejected,
        Self::NoBaskets,
        Self::Bulk,
        Self::Late,
        Self::Overlong,
        Self::Duplicate,
        Self::UsersApart,
        Self::ItemsApart,
        Self::IdForms,
        Self::OneUser,
        Self::Backwards,
        Self::Shifted,
        Self::Days,
        Self::NoPairs,
        Self::NoLists,
    ];

    /// The name in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NothingUsed => "nothing_used",
            Self::Rejected => "rejected",
            Self::NoBaskets => "no_baskets",
            Self::Bulk => "bulk",
            Self::Late => "late",
            Self::Overlong => "overlong",
            Self::Duplicate => "duplicate",
            Self::UsersApart => "users_apart",
            Self::ItemsApart => "items_apart",
            Self::IdForms => "id_forms",
            Self::OneUser => "one_user",
            Self::Backwards => "backwards",
            Self::Shifted => "shifted",
            Self::Days => "days",
            Self::NoPairs => "no_pairs",
            Self::NoLists => "no_lists",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Empty => "name another file, or see why its export is empty",
            Self::NothingUsed => {
                "see the reasons of the rejects, and what types are skipped; --sample 5 shows what records become"
            }
            Self::Rejected => "see their reasons above, and mend the mapping or the producer",
            Self::NoBaskets => {
                "if a record is a line of an order, not an order, map its order number and send it as type \"add\"; else map the array of \
                 its lines (lines and line_item)"
            }
            Self::Bulk => {
                "raise counting.basket_max if these are usual orders; see that lines of several orders are not sent as one"
            }
            Self::Late => "send each user's events in the order of their times; files are sorted with --sort",
            Self::Overlong => {
                "see whether sessions never end (a session id or user id that is shared, a crawler); else raise \
                 counting.session_max_items or counting.cart_max"
            }
            Self::Duplicate => {
                "if these are no copies, map an event id that differs, or none: then the contents tell copies"
            }
            Self::UsersApart => "map the same id in both, such as the customer number of those who are logged in",
            Self::ItemsApart => "map the same id in both: an SKU in one and a product number in the other never meet",
            Self::IdForms => "set trim, or write ids in one way at the producer or in a transform",
            Self::OneUser => {
                "if it stands for guests or for nobody, name its value under missing of the field user; see also user_missing"
            }
            Self::Backwards => "sort it by time, oldest first, or count it with --order time",
            Self::Shifted => "a time without a zone is read as UTC: set zone of the field time",
            Self::Days => {
                "map a field that has the time too; where there is none, write dates (2026-11-27), which count at the end of their day"
            }
            Self::NoPairs => "see the findings above; docs/mapping.md says what each relation needs",
            Self::NoLists => {
                "samenloop inspect ITEM says which gate its candidates fail; with few events lower min_support of the list"
            }
        }
    }
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// What is so, with figures, and where.
    pub what: String,
}

/// A source as it was read.
pub struct Source<'a> {
    /// Its name, or that of its file.
    pub name: &'a str,
    /// Its accepted events.
    pub profile: &'a Profile,
    /// All its records.
    pub records: u64,
    /// Those refused, and the most frequent reason.
    pub rejected: u64,
    /// The most frequent reason among them.
    pub reason: Option<&'static str>,
}

/// What counting made of the events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// By `EventType as usize`, then by `Fate as usize`.
    pub fates: [[u64; Fate::COUNT]; EventType::ALL.len()],
    /// Rows with at least one pair, by relation.
    pub rows: [u64; Relation::COUNT],
    /// Lists with at least one entry, by relation, where lists were made.
    pub lists: Option<[u64; Relation::COUNT]>,
}

/// What will disappoint. `counted`: once everything has been.
#[must_use]
pub fn find(sources: &[Source<'_>], counted: Option<&Counted>) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        of_source(source, &mut found);
    }
    across(sources, &mut found);
    if let Some(counted) = counted {
        of_counts(counted, &mut found);
    }
    found
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A share for people.
fn percent(share: f64) -> String {
    if share < 0.1 { format!("{:.1} %", share * 100.0) } else { format!("{:.0} %", share * 100.0) }
}

fn plural(event_type: EventType) -> &'static str {
    match event_type {
        EventType::View => "views",
        EventType::Cart => "cart additions",
        _ => "orders",
    }
}

fn of_source(source: &Source<'_>, found: &mut Vec<Finding>) {
    let Source { name, profile, records, rejected, reason } = source;
    let mut tell = |kind, what: String| found.push(Finding { kind, what: format!("{name}: {what}") });
    if *records == 0 {
        tell(Kind::Empty, "holds no record".to_owned());
        return;
    }
    let most = reason.map_or_else(String::new, |reason| format!(", mostly {reason}"));
    if profile.accepted() == 0 {
        tell(
            Kind::NothingUsed,
            format!("none of its {records} records became an event; {rejected} were rejected{most}"),
        );
        return;
    }
    if share(*rejected, *records) > REJECTED_MAX && *rejected >= EVENTS_MIN {
        let part = percent(share(*rejected, *records));
        tell(Kind::Rejected, format!("{part} of its {records} records were rejected{most}"));
    }
    for event_type in LOOKED_AT {
        let (events, what) = (profile.events[event_type as usize], plural(event_type));
        let looked_at = profile.looked_at[event_type as usize];
        if looked_at < EVENTS_MIN {
            continue;
        }
        if let Some((_, count, place)) = profile.heavy[event_type as usize].largest() {
            let part = share(count, looked_at);
            if part > USER_SHARE_MAX {
                let part = percent(part);
                tell(
                    Kind::OneUser,
                    format!("one user has at least {part} of its {events} {what} (met at record {})", place + 1),
                );
            }
        }
        if let Some((time_ms, count, _)) = profile.times_of_day[event_type as usize].largest() {
            let is_end_of_day = time_ms >= DAY_END_MS;
            if share(count, looked_at) > DAYS_SHARE_MIN && !is_end_of_day {
                let part = percent(share(count, looked_at));
                let time = format!("{:02}:{:02} UTC", time_ms / 3_600_000, time_ms / 60_000 % 60);
                tell(Kind::Days, format!("{part} of its {events} {what} have the same time of the day, {time}"));
            }
        }
    }
    let orders = profile.events[EventType::Order as usize];
    // Lines that join are records of their own: orders grow by them.
    let joins = profile.events[EventType::Add as usize] > 0;
    if orders >= EVENTS_MIN && profile.single == orders && !joins {
        tell(Kind::NoBaskets, format!("none of its {orders} orders has two items"));
    }
    if profile.backwards >= EVENTS_MIN && profile.backwards > 2 * profile.forwards {
        let steps = profile.backwards + profile.forwards;
        tell(
            Kind::Backwards,
            format!("its times run backwards: {} of {steps} steps of over a minute do", profile.backwards),
        );
    }
}

/// What a day's end is: dates count there.
const DAY_END_MS: u64 = 86_400_000 - 1_000;

/// Views and orders, whichever sources they come from.
fn across(sources: &[Source<'_>], found: &mut Vec<Finding>) {
    let mut tell = |kind, what: String| found.push(Finding { kind, what });
    let users = users(sources);
    let has = |seen: &UserSeen, event_type: EventType| seen.types[event_type as usize];
    let viewers = users.values().filter(|seen| has(seen, EventType::View)).count();
    let buyers = users.values().filter(|seen| has(seen, EventType::Order)).count();
    let both = users.values().filter(|seen| has(seen, EventType::View) && has(seen, EventType::Order)).count();
    let least = viewers.min(buyers) as u64;
    if least >= EVENTS_MIN && share(both as u64, least) < SHARED_MIN {
        let what =
            if both == 0 { "no user of those sampled has both" } else { "next to no user of those sampled has both" };
        tell(
            Kind::UsersApart,
            format!("views and orders share {both} users of {viewers} who viewed and {buyers} who ordered: {what}"),
        );
    } else if let Some((hours, part)) = shifted(&users) {
        let direction = if hours > 0 { "after" } else { "before" };
        let (from, to) = (hours.abs(), hours.abs() + 1);
        let part = percent(part);
        tell(
            Kind::Shifted,
            format!(
                "orders lie {from} to {to} hours {direction} the views of their users ({part}), next to none within the hour"
            ),
        );
    }
    items_across(sources, found);
}

/// The samples of users, joined as far as all of them reach.
fn users(sources: &[Source<'_>]) -> BTreeMap<u64, UserSeen> {
    let end = sources.iter().map(|source| source.profile.users.end()).min().unwrap_or(0);
    let mut joined: BTreeMap<u64, UserSeen> = BTreeMap::new();
    for source in sources {
        for (user, seen) in source.profile.users.iter().take_while(|&(user, _)| user < end) {
            let all = joined.entry(user).or_default();
            all.types.iter_mut().zip(seen.types).for_each(|(all, one)| *all |= one);
            all.view_times.extend(&seen.view_times);
            all.order_times.extend(&seen.order_times);
        }
    }
    joined
}

/// By how many whole hours most orders lie from the views of their users, where they should lie within the hour: the share
/// too. Negative: before them.
fn shifted(users: &BTreeMap<u64, UserSeen>) -> Option<(i64, f64)> {
    let mut gaps: BTreeMap<i64, usize> = BTreeMap::new();
    for seen in users.values() {
        for &order in &seen.order_times {
            // An order has a session of views before it: each hour of it counts once.
            let hours = seen.view_times.iter().map(|view| order.saturating_sub(*view).div_euclid(HOUR_MS));
            let hours: BTreeSet<i64> = hours.filter(|hours| hours.abs() <= SHIFT_HOURS_MAX).collect();
            hours.into_iter().for_each(|hour| *gaps.entry(hour).or_default() += 1);
        }
    }
    let all: usize = gaps.values().sum();
    let near = gaps.get(&0).copied().unwrap_or(0);
    let (&hour, &most) = gaps.iter().max_by_key(|&(_, count)| count)?;
    let part = share(most as u64, all as u64);
    let is_shifted =
        hour != 0 && all as u64 >= EVENTS_MIN && part > SHIFT_SHARE_MIN && most >= SHIFT_TIMES_MIN * (near + 1);
    // -1 is "within the hour before": an order an hour early at most.
    is_shifted.then_some((if hour < 0 { hour + 1 } else { hour }, part))
}

fn items_across(sources: &[Source<'_>], found: &mut Vec<Finding>) {
    let end = sources.iter().map(|source| source.profile.items.end()).min().unwrap_or(0);
    let mut joined: BTreeMap<u64, BTreeMap<u64, [bool; TYPES]>> = BTreeMap::new();
    for source in sources {
        for (item, seen) in source.profile.items.iter().take_while(|&(item, _)| item < end) {
            let forms = joined.entry(item).or_default();
            for (form, types) in &seen.forms {
                forms.entry(*form).or_default().iter_mut().zip(types).for_each(|(all, one)| *all |= one);
            }
        }
    }
    let (view, order) = (EventType::View as usize, EventType::Order as usize);
    let forms = || joined.values().flat_map(BTreeMap::values);
    let viewed = forms().filter(|types| types[view]).count();
    let bought = forms().filter(|types| types[order]).count();
    let both = forms().filter(|types| types[view] && types[order]).count();
    let several = joined.values().filter(|forms| forms.len() > 1).count() as u64;
    let least = viewed.min(bought) as u64;
    let mut tell = |kind, what: String| found.push(Finding { kind, what });
    if least >= EVENTS_MIN && share(both as u64, least) < SHARED_MIN {
        let alike = joined.values().filter(|forms| {
            let has = |event: usize| forms.values().any(|types| types[event]);
            has(view) && has(order)
        });
        let alike = alike.count();
        if alike > both {
            tell(
                Kind::IdForms,
                format!(
                    "views and orders share {both} items of {viewed} viewed and {bought} ordered, but {alike} if blanks, case and leading zeros did not count"
                ),
            );
            return;
        }
        tell(Kind::ItemsApart, format!("views and orders share {both} items of {viewed} viewed and {bought} ordered"));
    }
    let items = joined.len() as u64;
    if several >= EVENTS_MIN / 2 && share(several, items) > FORMS_SHARE_MAX {
        let part = percent(share(several, items));
        tell(
            Kind::IdForms,
            format!(
                "{part} of the items are written in more than one way (blanks, case, leading zeros), and each way counts by itself"
            ),
        );
    }
}

fn of_counts(counted: &Counted, found: &mut Vec<Finding>) {
    let mut tell = |kind, what: String| found.push(Finding { kind, what });
    let all = |event_type: EventType| counted.fates[event_type as usize].iter().sum::<u64>();
    for event_type in LOOKED_AT {
        let (events, what) = (all(event_type), plural(event_type));
        if events < EVENTS_MIN {
            continue;
        }
        for (fate, kind, is) in [
            (Fate::Duplicate, Kind::Duplicate, "copies of events before them (same id or same contents), and dropped"),
            (Fate::Late, Kind::Late, "late, and count for nothing"),
            (Fate::Overlong, Kind::Overlong, "beyond what a session or cart may hold, and count for nothing"),
            (Fate::Bulk, Kind::Bulk, "over counting.basket_max items, and count for nothing"),
        ] {
            let part = share(counted.fates[event_type as usize][fate as usize], events);
            if part > SHARE_MAX {
                tell(kind, format!("{} of the {events} {what} are {is}", percent(part)));
            }
        }
    }
    let counts = |event_type: EventType| counted.fates[event_type as usize][Fate::Counted as usize] >= EVENTS_MIN;
    for relation in Relation::ALL {
        let (rows, name) = (counted.rows[relation.index()], relation.list_name());
        let events = match relation {
            Relation::BoughtTogether | Relation::AlsoBought => counts(EventType::Order),
            Relation::ViewedTogether => counts(EventType::View),
            Relation::ViewedThenBought => counts(EventType::View) && counts(EventType::Order),
            Relation::CartedTogether => counts(EventType::Cart),
        };
        if events && rows == 0 {
            let met = match relation {
                Relation::BoughtTogether => "no order that counts has two items",
                Relation::AlsoBought => "no user ordered one item and later another",
                Relation::ViewedTogether => "no session has two items",
                Relation::ViewedThenBought => "no user viewed one item and then ordered another",
                Relation::CartedTogether => "no cart has two items",
            };
            tell(Kind::NoPairs, format!("{name} stays empty: its events are there, but {met}"));
        } else if rows > 0 && counted.lists.is_some_and(|lists| lists[relation.index()] == 0) {
            tell(Kind::NoLists, format!("{name}: {rows} items have candidates, and none passes the gates of the list"));
        }
    }
}

#[cfg(test)]
mod tests;
