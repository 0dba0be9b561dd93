//! `/v1/recommendations`: one list for several items, from the lists of each as they were last published.
//!
//! Each item's list comes from the view, or from the instance that has its partition ([`super::peers`]), all at once. Facts are asked when the
//! answer is made: what has just been sold out is in no answer, whatever the lists say yet.

use super::Shared;
use super::answer::{Refusal, list_path};
use super::peers::Told;
use crate::event::SHOP_DEFAULT;
use crate::facts::CountsAs;
use crate::list_key::{ListName, SHOP_WIDE, owner_text};
use crate::position::Partition;
use crate::publish::ListRecord;
use crate::serve::combine::{Combining, Part, Recommended, Wish, combine};
use crate::watch::health::PartitionState;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use tokio::task::JoinSet;
use url::form_urlencoded;

pub(super) const PATH: &str = "/v1/recommendations";
/// Items that may be given, and that may be excluded.
pub const ITEMS_MAX: usize = 50;
/// Entries of an answer, where nothing is said, and at most.
pub const LIMIT_DEFAULT: usize = 10;
/// Most entries of an answer.
pub const LIMIT_MAX: usize = 100;

const EXPECTED: &str = "parameters: shop (main), list or placement (a list that is published here), combine (basket or session), limit (10, at most 100), \
     fill (true), each at most once; item or items (a,b,c), exclude_item or exclude (a,b,c), 50 at most";
const _: () = assert!(ITEMS_MAX == 50 && LIMIT_DEFAULT == 10 && LIMIT_MAX == 100, "as the message says");

/// What is asked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Question {
    shop: Option<String>,
    list: Option<String>,
    combining: Option<Combining>,
    limit: Option<usize>,
    fill: Option<bool>,
    items: Vec<String>,
    excluded: Vec<String>,
}

impl Question {
    /// Of the text behind `?`; none where it is no such question.
    fn parse(query: &str) -> Option<Self> {
        let mut question = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "shop" => once(&mut question.shop, Some(value).filter(|shop| !shop.is_empty() && !shop.contains('/')))?,
                "list" | "placement" => once(&mut question.list, Some(value))?,
                "combine" => once(&mut question.combining, Combining::find(&value))?,
                "limit" => {
                    once(&mut question.limit, value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)))?
                }
                "fill" => once(&mut question.fill, value.parse().ok())?,
                "item" => question.items.push(value),
                "items" => question.items.extend(split(&value)),
                "exclude_item" => question.excluded.push(value),
                "exclude" => question.excluded.extend(split(&value)),
                _ => return None,
            }
        }
        let is_bounded = question.items.len().max(question.excluded.len()) <= ITEMS_MAX;
        (is_bounded && question.items.iter().chain(&question.excluded).all(|item| !item.is_empty())).then_some(question)
    }

    /// The list that is asked for: the first of the usual ones that is published, where none is named.
    fn list(&self, published: &[ListName]) -> Result<ListName, Refusal> {
        const USUAL: [&str; 3] = ["cart", "bought-together", "viewed-together"];
        let find = |name: &str| ListName::find(name).filter(|list| published.contains(list));
        let found = match &self.list {
            Some(name) => find(name),
            None => USUAL.into_iter().find_map(find).or(published.first().copied()),
        };
        found.ok_or_else(|| Refusal::NoSuchList {
            list: self.list.clone().unwrap_or_default(),
            known: published.iter().map(|list| list.name()).collect(),
        })
    }
}

fn once<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    (place.is_none() && value.is_some()).then(|| *place = value)
}

fn split(items: &str) -> impl Iterator<Item = String> {
    items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned)
}

#[derive(Serialize)]
struct Answer<'a> {
    shop: &'a str,
    list: &'static str,
    combine: Combining,
    items: &'a [String],
    entries: Vec<Recommended<'a>>,
    without: Vec<Without<'a>>,
    partial: bool,
}

/// An item that brought nothing.
#[derive(Serialize)]
struct Without<'a> {
    item: &'a str,
    why: Why,
}

/// Why an item brings nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Why {
    /// It has no list.
    NoList,
    /// The catalogue says that it is no product.
    NotCounted,
    /// It is not among the latest of its session.
    TooLongAgo,
    /// Its partition is not live.
    NotReady,
    /// No instance that is known has its partition.
    NotHere,
    /// Another instance's list is of a form that this release does not know.
    Unreadable,
}

/// What there is of one item's list.
#[derive(Debug)]
enum Found {
    List(Bytes),
    Nothing(Why),
}

impl Found {
    /// Whether asking again may bring a list.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Nothing(Why::NotReady | Why::NotHere))
    }
}

pub(super) async fn recommendations(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let bad = || Refusal::BadQuery { expected: EXPECTED };
    let question = Question::parse(query.as_deref().unwrap_or_default()).ok_or_else(bad)?;
    let list = question.list(&shared.state.lists)?;
    let shop = question.shop.as_deref().unwrap_or(SHOP_DEFAULT);
    let combining = question.combining.unwrap_or_else(|| Combining::of_list(list));
    let given = counted_as(&shared, shop, &question.items);
    let items: Vec<&str> = given.iter().filter_map(|(_, item)| item.as_deref()).collect();
    // A list about a shop is the same whatever is given.
    let is_of_items = !list.is_shop_wide();
    let weighed = if is_of_items { combining.weigh(&items) } else { vec![(SHOP_WIDE, 1.0)] };
    let fill = question.fill.unwrap_or(true).then(|| filling(&shared, list)).flatten();
    let wanted = weighed.iter().map(|&(item, _)| (list, item)).chain(fill.map(|fill| (fill, SHOP_WIDE)));
    let mut found = find_all(&shared, shop, wanted.collect()).await;
    let filling = if fill.is_some() { found.pop() } else { None };

    let records: Vec<Result<ListRecord<'_>, Why>> = found.iter().map(record).collect();
    let whys: Vec<Option<Why>> = records.iter().map(|record| record.as_ref().err().copied()).collect();
    let parts: Vec<Part<'_>> = (weighed.iter().zip(records))
        .filter_map(|(&(_, weight), record)| Some(Part { weight, record: record.ok()? }))
        .collect();
    let fill_record = filling.as_ref().and_then(|filling| record(filling).ok());
    if parts.is_empty() && fill_record.is_none() && found.iter().any(Found::is_passing) {
        return Err(refusal(&shared, shop, list, &weighed, &found));
    }
    let (given_items, excluded): (Vec<&str>, Vec<&str>) = (
        question.items.iter().map(String::as_str).chain(items.iter().copied()).collect(),
        question.excluded.iter().map(String::as_str).collect(),
    );
    let wish = Wish {
        shop,
        list,
        combining,
        given: &given_items,
        excluded: &excluded,
        limit: question.limit.unwrap_or(LIMIT_DEFAULT),
        rules: &shared.state.recommending.rules,
        facts: shared.facts(),
    };
    let entries = combine(&wish, &parts, fill_record.as_ref());
    let without = without(&given, &weighed, &whys, is_of_items);
    let is_partial = found.iter().chain(&filling).any(Found::is_passing);
    let items = &question.items;
    let answer = Answer { shop, list: list.name(), combine: combining, items, entries, without, partial: is_partial };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Each item as it was given, and as which it counts; none where it does not.
fn counted_as(shared: &Shared, shop: &str, items: &[String]) -> Vec<(String, Option<String>)> {
    let as_what = |item: &String| match shared.facts().map(|facts| facts.counts_as(shop, item)) {
        Some(CountsAs::Nothing) => None,
        Some(CountsAs::Parent(parent)) => Some(parent.into_string()),
        Some(CountsAs::Itself) | None => Some(item.clone()),
    };
    items.iter().map(|item| (item.clone(), as_what(item))).collect()
}

/// The list that stands behind all others: what the shop sells most, if that is published.
fn filling(shared: &Shared, list: ListName) -> Option<ListName> {
    Some(ListName::BEST_SELLERS).filter(|&fill| fill != list && shared.state.lists.contains(&fill))
}

async fn find_all(shared: &Arc<Shared>, shop: &str, wanted: Vec<(ListName, &str)>) -> Vec<Found> {
    let mut found: Vec<Option<Found>> = Vec::with_capacity(wanted.len());
    let mut elsewhere = JoinSet::new();
    for (place, (list, item)) in wanted.into_iter().enumerate() {
        let (partition, state) = shared.state.health.owner(shop, owner_text(list, item));
        found.push(here(shared, (shop, list, item), state));
        if found[place].is_none() {
            let (peers, path) = (Arc::clone(&shared.peers), list_path(shop, list.name(), item));
            elsewhere.spawn(async move { (place, ask(&peers, partition, &path).await) });
        }
    }
    while let Some(answer) = elsewhere.join_next().await {
        if let Ok((place, told)) = answer {
            found[place] = Some(told);
        }
    }
    found.into_iter().map(|found| found.unwrap_or(Found::Nothing(Why::NotHere))).collect()
}

/// What this instance has; none where the item is another's.
fn here(shared: &Shared, (shop, list, item): (&str, ListName, &str), state: Option<PartitionState>) -> Option<Found> {
    let state = state?;
    Some(match shared.state.view.get(shop, list.name(), item) {
        Some(published) => Found::List(published.record),
        None if state != PartitionState::Live || shared.state.view.is_loading() => Found::Nothing(Why::NotReady),
        None => Found::Nothing(Why::NoList),
    })
}

async fn ask(peers: &Arc<super::peers::Peers>, partition: Partition, path: &str) -> Found {
    match peers.list(partition, path).await {
        Some(Told::List(record)) => Found::List(record),
        Some(Told::NoList) => Found::Nothing(Why::NoList),
        Some(Told::NotReady) => Found::Nothing(Why::NotReady),
        None => Found::Nothing(Why::NotHere),
    }
}

fn record(found: &Found) -> Result<ListRecord<'_>, Why> {
    match found {
        Found::Nothing(why) => Err(*why),
        // One of another instance may be of another release.
        Found::List(bytes) => serde_json::from_slice(bytes).map_err(|error| {
            tracing::debug!(%error, "a list of another instance is unreadable");
            Why::Unreadable
        }),
    }
}

/// What was given and brought nothing, and why.
fn without<'a>(
    given: &'a [(String, Option<String>)],
    weighed: &[(&str, f64)],
    whys: &[Option<Why>],
    is_of_items: bool,
) -> Vec<Without<'a>> {
    let mut without = Vec::new();
    for (item, counted) in given {
        let why = match counted.as_deref() {
            None => Why::NotCounted,
            Some(_) if !is_of_items => continue,
            Some(counted) => match weighed.iter().zip(whys).find(|((known, _), _)| *known == counted) {
                Some((_, None)) => continue,
                Some((_, Some(why))) => *why,
                None => Why::TooLongAgo,
            },
        };
        without.push(Without { item, why });
    }
    without
}

/// Where nothing can be said yet: why not of the first item.
fn refusal(shared: &Shared, shop: &str, list: ListName, weighed: &[(&str, f64)], found: &[Found]) -> Refusal {
    let passing = weighed.iter().zip(found).find(|(_, found)| found.is_passing());
    let (item, why) = match passing {
        Some(((item, _), Found::Nothing(why))) => (*item, *why),
        _ => (SHOP_WIDE, Why::NotHere),
    };
    let (partition, state) = shared.state.health.owner(shop, owner_text(list, item));
    let partitions = shared.state.health.rows_partitions();
    match state {
        None if why == Why::NotReady => Refusal::NotReady { partition, state: "not live on another instance" },
        None => Refusal::NotHere { partition, partitions },
        Some(state) => Refusal::NotReady { partition, state: state.name() },
    }
}

#[cfg(test)]
mod tests;
