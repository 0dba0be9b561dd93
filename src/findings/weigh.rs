//! From what was seen to what is told.

use super::At;
use super::changes::of_changes;
use super::kind::Kind;
use super::profile::{Form, Forms, Met, Profile, UserSeen};
use super::sample::Sample;
use crate::event::EventType;
use crate::relation::{Fate, Relation};
use crate::rules::{DAY_MS, HOUR_MS};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Fewer events of a kind say nothing.
pub(super) const EVENTS_MIN: u64 = 10;
/// A share of the events of a type that is more than noise.
const SHARE_MAX: f64 = 0.05;
/// A share of the records that may be refused without a word beyond those of the rejects.
const REJECTED_MAX: f64 = 0.2;
/// One user's share of the events of a type, and how many times as many these are as others have on average: of two users one may
/// well have half. Who has so much more than others stands out with a smaller share.
const USER_SHARE_MAX: f64 = 0.3;
const USER_TIMES_MAX: f64 = 3.0;
const OUTSTANDING_SHARE_MAX: f64 = 0.1;
const OUTSTANDING_TIMES_MAX: f64 = 50.0;
/// The share from which one user is as good as all.
const ALL_BUT_ALONE: f64 = 0.8;
/// A share of users, or of items, below which two kinds of event have next to nothing in common.
const SHARED_MIN: f64 = 0.05;
/// A share of orders of two items and more below which orders are cut into lines.
const BASKETS_MIN: f64 = 0.01;
/// A share of items that are written in more than one way.
const FORMS_SHARE_MAX: f64 = 0.02;
/// The share of the most frequent time of the day from which times are days.
const DAYS_SHARE_MIN: f64 = 0.9;
/// The share of gaps in one hour from which two clocks differ by it, and how much more than in the hour in which they would agree.
const SHIFT_SHARE_MIN: f64 = 0.4;
const SHIFT_TIMES_MIN: usize = 4;
/// How far clocks are compared: no two zones differ by more.
const SHIFT_HOURS_MAX: i64 = 14;

/// The types that are looked at one by one.
const LOOKED_AT: [EventType; 3] = [EventType::View, EventType::Cart, EventType::Order];

/// Something to be told; as text with what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// What is so, with figures, and where.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.kind.remedy())
    }
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
    /// Says where a record stands.
    pub place: &'a dyn Fn(At) -> String,
}

/// What became of the records of a source, or of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// All of them. Where a program makes several values of one, these.
    pub all: u64,
    /// Those that became events.
    pub accepted: u64,
    /// Those refused.
    pub rejected: u64,
    /// The most frequent reason among them.
    pub reason: Option<&'static str>,
}

/// Whether what is called `name` holds nothing, nothing of use, or much that is refused.
#[must_use]
pub fn of_records(name: &str, records: Records) -> Option<Finding> {
    let Records { all, accepted, rejected, reason } = records;
    let found = |kind, what: String| Some(Finding { kind, what: format!("{name}: {what}") });
    let most = reason.map_or_else(String::new, |reason| format!(", mostly {reason}"));
    if all == 0 {
        return found(Kind::Empty, "holds no record".to_owned());
    }
    if accepted == 0 {
        let passed = match all.saturating_sub(rejected) {
            0 => String::new(),
            passed => format!("; {passed} were passed over"),
        };
        let what = format!("none of its {all} records became an event; {rejected} were rejected{most}{passed}");
        return found(Kind::NothingUsed, what);
    }
    if share(rejected, all) > REJECTED_MAX && rejected >= EVENTS_MIN {
        let part = percent(share(rejected, all));
        return found(Kind::Rejected, format!("{part} of its {all} records were rejected{most}"));
    }
    None
}

/// What counting made of the events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// By `EventType as usize`, then by `Fate as usize`.
    pub fates: [[u64; Fate::COUNT]; EventType::ALL.len()],
    /// Rows with at least one pair, by relation.
    pub rows: [u64; Relation::COUNT],
    /// Lists with at least one entry, by relation, where lists were made; none of a list that is switched off.
    pub lists: Option<[Option<u64>; Relation::COUNT]>,
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

pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A share for people.
pub(super) fn percent(share: f64) -> String {
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
    let Source { name, profile, records, rejected, reason, place: said } = source;
    let accepted = profile.accepted() + profile.told + profile.unread.iter().sum::<u64>();
    found.extend(of_records(name, Records { all: *records, accepted, rejected: *rejected, reason: *reason }));
    let mut tell = |kind, what: String| found.push(Finding { kind, what: format!("{name}: {what}") });
    let [impressions, clicks] = profile.unread;
    if impressions + clicks > 0 {
        tell(Kind::ClicksUnread, format!("{impressions} impressions and {clicks} clicks were passed over"));
    }
    if let Some(list) = &profile.other_list {
        let count = profile.other_lists;
        let such = if list.is_empty() { "texts that can be no name".to_owned() } else { format!("\"{list}\"") };
        tell(Kind::OtherList, format!("{count} impressions and clicks name lists that are not known, such as {such}"));
    }
    for event_type in LOOKED_AT {
        let (events, what) = (profile.events[event_type as usize], plural(event_type));
        let looked_at = profile.looked_at[event_type as usize];
        if looked_at < EVENTS_MIN {
            continue;
        }
        if let Some((_, count, place)) = profile.heavy[event_type as usize].largest() {
            let part = share(count, looked_at);
            let users = profile.users.estimate(|seen| seen.types[event_type as usize]);
            if is_large(part, users) {
                let part = percent(part);
                tell(
                    Kind::OneUser,
                    format!("one user has at least {part} of its {events} {what} (first met at {})", said(place)),
                );
            }
        }
        let times = &profile.times_of_day[event_type as usize];
        if let Some((time_ms, most, _)) = times.largest() {
            // Midnight of a zone with summer time is two times of the day.
            let hour_ms = HOUR_MS.unsigned_abs();
            let shifted = [(time_ms + hour_ms) % DAY_MS_U, (time_ms + DAY_MS_U - hour_ms) % DAY_MS_U];
            let beside = shifted.into_iter().map(|time_ms| times.count_of(time_ms)).max().unwrap_or(0);
            let count = most + beside;
            let is_end_of_day = time_ms % QUARTER_MS >= LAST_SECOND_MS;
            if share(count, looked_at) > DAYS_SHARE_MIN && !is_end_of_day {
                let part = percent(share(count, looked_at));
                let time = format!("{:02}:{:02} UTC", time_ms / 3_600_000, time_ms / 60_000 % 60);
                let summer = if beside > 0 { ", or an hour beside it" } else { "" };
                tell(
                    Kind::Days,
                    format!("{part} of its {events} {what} have the same time of the day, {time}{summer}"),
                );
            }
        }
    }
    let orders = profile.events[EventType::Order as usize];
    // Lines that join are records of their own: orders grow by them.
    let joins = profile.events[EventType::Add as usize] > 0;
    let baskets = orders.saturating_sub(profile.single);
    if orders >= EVENTS_MIN && share(baskets, orders) < BASKETS_MIN && !joins {
        let what = match baskets {
            0 => format!("none of its {orders} orders has two items"),
            _ => format!("next to none of its {orders} orders has two items ({baskets})"),
        };
        tell(Kind::NoBaskets, what);
    }
    if profile.backwards >= EVENTS_MIN && profile.backwards > 2 * profile.forwards {
        let steps = profile.backwards + profile.forwards;
        tell(
            Kind::Backwards,
            format!("its times run backwards: {} of {steps} steps of over a minute do", profile.backwards),
        );
    }
}

const DAY_MS_U: u64 = DAY_MS.unsigned_abs();
/// No zone is set to other than whole quarters of an hour: the last second of one may be a day's end, where dates count.
const QUARTER_MS: u64 = 15 * 60_000;
const LAST_SECOND_MS: u64 = QUARTER_MS - 1_000;

/// Whether `part` of all events is much for one of so many users.
fn is_large(part: f64, users: f64) -> bool {
    let times = part * users;
    part > ALL_BUT_ALONE
        || (part > USER_SHARE_MAX && times > USER_TIMES_MAX)
        || (part > OUTSTANDING_SHARE_MAX && times > OUTSTANDING_TIMES_MAX)
}

/// Views and orders, whichever sources they come from.
fn across(sources: &[Source<'_>], found: &mut Vec<Finding>) {
    let shops = joined(sources, |profile| &profile.shops, |all: &mut Met, one| join(all, one));
    let Shared { viewed, bought, both } = Shared::of(shops.values());
    if viewed > 0 && bought > 0 && both == 0 {
        let what = format!("views and orders share no shop ({viewed} with views, {bought} with orders)");
        return found.push(Finding { kind: Kind::ShopsApart, what });
    }
    let users = joined(
        sources,
        |profile| &profile.users,
        |all: &mut UserSeen, one| {
            join(&mut all.types, &one.types);
            all.view_times.extend(&one.view_times);
            all.order_times.extend(&one.order_times);
        },
    );
    let looks_at_all = sources.iter().all(|source| source.profile.looks_at_all());
    let counted = if looks_at_all { "times" } else { "times among the events that were looked at" };
    let forms = joined(sources, |profile| &profile.user_forms, Forms::join);
    let shared = Shared::of(users.values().map(|seen| &seen.types));
    let is_apart = ids_across("users", shared, forms.values(), Kind::UsersApart, counted, found);
    if let Some((hours, part)) = shifted(&users).filter(|_| !is_apart) {
        let direction = if hours > 0 { "after" } else { "before" };
        let (from, to) = (hours.abs(), hours.abs() + 1);
        let part = percent(part);
        found.push(Finding {
            kind: Kind::Shifted,
            what: format!(
                "orders lie {from} to {to} hours {direction} the views of their users ({part}), next to none within the hour"
            ),
        });
    }
    let items = joined(sources, |profile| &profile.items, Forms::join);
    let shared = Shared::of(items.values().flat_map(|forms| &forms.0).map(|form| &form.met));
    ids_across("items", shared, items.values(), Kind::ItemsApart, counted, found);
}

/// How many were met in views, in orders, in both.
struct Shared {
    viewed: usize,
    bought: usize,
    both: usize,
}

impl Shared {
    fn of<'a>(all: impl Iterator<Item = &'a Met> + Clone) -> Self {
        Self {
            viewed: all.clone().filter(|met| views(met)).count(),
            bought: all.clone().filter(|met| orders(met)).count(),
            both: all.filter(|met| views(met) && orders(met)).count(),
        }
    }
}

fn views(met: &Met) -> bool {
    met[EventType::View as usize]
}

/// An order, or a line of one.
fn orders(met: &Met) -> bool {
    met[EventType::Order as usize] || met[EventType::Add as usize]
}

/// The samples of all sources, joined as far as all of them reach.
fn joined<T: Default>(
    sources: &[Source<'_>],
    sample: impl Fn(&Profile) -> &Sample<T>,
    join: impl Fn(&mut T, &T),
) -> BTreeMap<u64, T> {
    let end = sources.iter().map(|source| sample(source.profile).end()).min().unwrap_or(0);
    let mut all: BTreeMap<u64, T> = BTreeMap::new();
    for source in sources {
        for (id, seen) in sample(source.profile).iter().take_while(|&(id, _)| id < end) {
            join(all.entry(id).or_default(), seen);
        }
    }
    all
}

fn join(all: &mut Met, one: &Met) {
    all.iter_mut().zip(one).for_each(|(all, one)| *all |= one);
}

/// By how many whole hours most orders lie from the views of their users, where they should lie within the hour: the share
/// too. Negative: before them.
fn shifted(users: &BTreeMap<u64, UserSeen>) -> Option<(i64, f64)> {
    let mut gaps: BTreeMap<i64, usize> = BTreeMap::new();
    for seen in users.values() {
        // Of an order by the day the hour is not known.
        let timed = |time_ms: &&i64| time_ms.unsigned_abs() % QUARTER_MS != QUARTER_MS - 1;
        for &order in seen.order_times.iter().filter(timed) {
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

/// Whether views and orders have ids in common, and whether `ids` are written in one way. Says whether they have next to none.
/// `counted`: what forms were counted in, for people.
fn ids_across<'a>(
    what: &str,
    Shared { viewed, bought, both }: Shared,
    ids: impl Iterator<Item = &'a Forms> + Clone,
    apart: Kind,
    counted: &str,
    found: &mut Vec<Finding>,
) -> bool {
    let least = viewed.min(bought) as u64;
    if least >= EVENTS_MIN && share(both as u64, least) < SHARED_MIN {
        let shared = format!("views and orders share {both} {what} of {viewed} with views and {bought} with orders");
        let met = |forms: &&Forms, is: fn(&Met) -> bool| forms.0.iter().any(|form| is(&form.met));
        let alike =
            ids.filter(|forms| met(forms, views) && met(forms, orders) && !met(forms, |met| views(met) && orders(met)));
        // The samples of ids and of their forms are not the same: no more are alike than there are.
        let count = alike.clone().count().min(viewed.min(bought) - both);
        let finding = if count > both {
            let example = example(alike, [|form| views(&form.met), |form| orders(&form.met)], counted);
            let what = format!("{shared}, and {count} more if blanks, case and leading zeros did not count{example}");
            Finding { kind: Kind::IdForms, what }
        } else {
            Finding { kind: apart, what: shared }
        };
        found.push(finding);
        return true;
    }
    let all = ids.clone().count() as u64;
    let several = ids.filter(|forms| forms.0.len() > 1);
    let count = several.clone().count() as u64;
    if count >= EVENTS_MIN / 2 && share(count, all) > FORMS_SHARE_MAX {
        let part = percent(share(count, all));
        let example = example(several, [|_| true; 2], counted);
        let what = format!(
            "{part} of the {what} are written in more than one way (blanks, case, leading zeros){example}, and each way counts by itself"
        );
        found.push(Finding { kind: Kind::IdForms, what });
    }
    false
}

/// Two forms of one id, one of each kind, and how often each came: of the id whose rarer form came most often. Nothing where the ids are
/// not to be shown.
fn example<'a>(ids: impl Iterator<Item = &'a Forms>, are: [fn(&Form) -> bool; 2], counted: &str) -> String {
    let most = |forms: &'a Forms, is: fn(&Form) -> bool, but: Option<&Form>| {
        let others = forms.0.iter().filter(|form| is(form) && but.is_none_or(|but| but.text != form.text));
        let form = others.max_by_key(|form| (form.times, std::cmp::Reverse(&form.text)))?;
        Some((form, form.text.as_deref()?))
    };
    let pairs = ids.filter_map(|forms| {
        let (one, one_text) = most(forms, are[0], None)?;
        let (other, other_text) = most(forms, are[1], Some(one))?;
        Some((one.times.min(other.times), [(one_text, one.times), (other_text, other.times)]))
    });
    let shown = pairs.max_by_key(|&(rarer, texts)| (rarer, std::cmp::Reverse(texts)));
    shown.map_or_else(String::new, |(_, [(one, times), (other, other_times)])| {
        format!(", as {one:?} and {other:?} ({times} and {other_times} {counted})")
    })
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
    of_changes(counted, &mut tell);
    // Where there are lists, a few candidates of another one that came to nothing are no surprise.
    let has_lists = counted.lists.is_some_and(|lists| lists.into_iter().flatten().any(|lists| lists > 0));
    let rows_min = if has_lists { EVENTS_MIN } else { 1 };
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
                Relation::AlsoBought => {
                    "no user ordered one item and later another (a customer number stays from order to order, a session does not)"
                }
                Relation::ViewedTogether => {
                    "no session has two items (a visitor's views need one user id, and times less than a session apart)"
                }
                Relation::ViewedThenBought => {
                    "no user viewed one item and then ordered another (the views need the user id of the order, and times before it)"
                }
                Relation::CartedTogether => "no cart has two items (its additions need one user id)",
            };
            tell(Kind::NoPairs, format!("{name} stays empty: its events are there, but {met}"));
        } else if rows >= rows_min && counted.lists.is_some_and(|lists| lists[relation.index()] == Some(0)) {
            tell(Kind::NoLists, format!("{name}: {rows} items have candidates, and none passes the gates of the list"));
        }
    }
}

#[cfg(test)]
mod tests;
