//! One list from several: for a basket, or for what a visitor has just viewed.
//!
//! A candidate's value comes from the rank values ([`rank_value`]) that it has in the lists of the items given. Of a basket the squares are
//! added: one strong reason says more than several weak ones. Of a session each is divided by how many items ago its own was viewed, and the
//! last [`RECENT_MAX`] count. What nothing counted brings (fill steps, placements, whose parts have values of different kinds) stands behind,
//! by the sum of 1 / (60 + place): reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009, doi:10.1145/1571941.1572114).
//!
//! What people have moved in a list is worth what stands right behind it there, and wins ties. What is known of items holds for the whole: no
//! item given, none of its family, none twice of a family, nothing sold out, nothing that a verdict or a relation keeps from any item given.
//! Absent: where lists come from, and the form of the answer.

use crate::facts::{Facts, ItemFacts, Stock};
use crate::items::fingerprint;
use crate::list_key::{Base, ListName};
use crate::publish::{EntryRecord, ListRecord};
use crate::rank::{Figures, Said, Source, rank_value};
use crate::relation::Relation;
use crate::rules::ListRules;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// So many of the latest items of a session count.
pub const RECENT_MAX: usize = 5;
/// What is added to a place before it is divided by.
const PLACE_OFFSET: f64 = 60.0;

/// How the lists of several items make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Combining {
    /// Items that are had together, in no order.
    Basket,
    /// Items that were viewed one after the other, the latest last.
    Session,
}

impl Combining {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Basket, Self::Session];

    /// The name used in questions and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Basket => "basket",
            Self::Session => "session",
        }
    }

    /// The one called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|combining| combining.name() == name)
    }

    /// What goes with a list: lists about views with a session, all others with a basket.
    #[must_use]
    pub fn of_list(list: ListName) -> Self {
        match list.base() {
            Base::Row { relation: Relation::ViewedTogether | Relation::ViewedThenBought, .. } => Self::Session,
            _ if list.name() == "product-page" => Self::Session,
            _ => Self::Basket,
        }
    }

    /// Those of the distinct `items` whose lists count, each with what its list weighs.
    #[must_use]
    pub fn weigh<'a>(self, items: &[&'a str]) -> Vec<(&'a str, f64)> {
        let mut distinct: Vec<&str> = Vec::new();
        for &item in items.iter().rev() {
            if !distinct.contains(&item) {
                distinct.push(item);
            }
        }
        match self {
            Self::Basket => distinct.into_iter().rev().map(|item| (item, 1.0)).collect(),
            Self::Session => {
                (1_u32..).zip(distinct).take(RECENT_MAX).map(|(ago, item)| (item, f64::from(ago).recip())).collect()
            }
        }
    }
}

/// The list of one of the items.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// What it weighs.
    pub weight: f64,
    /// As it was published.
    pub record: ListRecord<'a>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The shop.
    pub shop: &'a str,
    /// Which list of each item.
    pub list: ListName,
    /// How they are combined.
    pub combining: Combining,
    /// All items given, also those whose lists do not count: none of them is recommended.
    pub given: &'a [&'a str],
    /// What is not to be recommended either.
    pub excluded: &'a [&'a str],
    /// So many at most.
    pub limit: usize,
    /// Of every list, by [`ListName::index`].
    pub rules: &'a [ListRules],
    /// What is known of items.
    pub facts: Option<&'a Facts>,
}

/// An item that is recommended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommended<'a> {
    /// The item.
    pub item: &'a str,
    /// What it is ordered by; 0 of what nothing counted brings.
    pub value: f64,
    /// Where its best reason comes from.
    pub source: Source,
    /// The entries that brought it, the strongest first.
    pub because: Vec<Because<'a>>,
}

/// An entry of a published list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Because<'a> {
    /// Whose list.
    pub item: &'a str,
    /// Which list; of a placement, the one that the entry is from.
    pub list: &'a str,
    /// At which place, from 1; the reserve goes on behind the entries.
    pub place: usize,
    /// Its score there.
    pub score: f64,
    /// Contexts behind it.
    pub support: u32,
    /// Where the entry comes from.
    pub source: Source,
    #[serde(skip)]
    worth: Worth,
}

/// What order goes by: what is counted first, then places.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Worth {
    value: f64,
    moved: f64,
    by_place: f64,
}

impl Worth {
    fn add(&mut self, other: Self) {
        self.value += other.value;
        self.moved += other.moved;
        self.by_place += other.by_place;
    }

    fn order(&self) -> [f64; 3] {
        [self.value, self.moved, self.by_place]
    }

    /// The greater first.
    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let pairs = other.order().into_iter().zip(self.order());
        pairs
            .map(|(theirs, ours)| theirs.total_cmp(&ours))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    }
}

/// The items that the `parts` recommend together, best first, and behind them what `fill` shows.
#[must_use]
pub fn combine<'a>(wish: &Wish<'_>, parts: &'a [Part<'a>], fill: Option<&'a ListRecord<'a>>) -> Vec<Recommended<'a>> {
    let mut chosen = Chosen::new(wish);
    for part in ranked(wish, parts).into_iter().chain(fill.into_iter().flat_map(behind)) {
        if chosen.is_full() {
            break;
        }
        chosen.offer(part);
    }
    chosen.recommended
}

fn ranked<'a>(wish: &Wish<'_>, parts: &'a [Part<'a>]) -> Vec<Recommended<'a>> {
    let mut by_item: BTreeMap<&str, Vec<Because<'a>>> = BTreeMap::new();
    for part in parts {
        for because in reasons(wish, part) {
            by_item.entry(because.0).or_default().push(because.1);
        }
    }
    let mut all: Vec<(Worth, Recommended<'a>)> = Vec::with_capacity(by_item.len());
    for (item, mut because) in by_item {
        because.sort_by(|x, y| x.worth.compare(&y.worth).then_with(|| x.item.cmp(y.item)));
        let mut worth = Worth::default();
        because.iter().for_each(|reason| worth.add(reason.worth));
        let source = because.first().map_or(Source::Counted, |reason| reason.source);
        all.push((worth, Recommended { item, value: rounded(worth.value), source, because }));
    }
    all.sort_by(|(x, one), (y, other)| x.compare(y).then_with(|| one.item.cmp(other.item)));
    all.into_iter().map(|(_, recommended)| recommended).collect()
}

/// Every entry of a list, with what it brings its item.
fn reasons<'a>(wish: &Wish<'_>, part: &'a Part<'a>) -> Vec<(&'a str, Because<'a>)> {
    let record = &part.record;
    let entries: Vec<&EntryRecord<'_>> = record.entries.iter().chain(&record.reserve).collect();
    let mut reasons = Vec::with_capacity(entries.len());
    let mut value_behind = 0.0;
    for (index, entry) in entries.iter().enumerate().rev() {
        let place = index + 1;
        let is_moved = entry.source.is_by_hand() || matches!(entry.verdict, Some(Said::Pinned | Said::Boosted));
        let value = match wish.rules.get(wish.list.index()) {
            _ if is_moved => value_behind,
            Some(rules) if wish.list.is_of_row() && is_counted(entry.source) => own_value(rules, entry),
            _ => 0.0,
        };
        value_behind = if value > 0.0 { value } else { value_behind };
        let value = match wish.combining {
            Combining::Basket => value * value,
            Combining::Session => value * part.weight,
        };
        let by_place = part.weight / (PLACE_OFFSET + place as f64);
        let worth = Worth { value, moved: if is_moved { part.weight } else { 0.0 }, by_place };
        reasons.push((&*entry.item, Because { worth, ..because(record, entry, place) }));
    }
    reasons
}

fn is_counted(source: Source) -> bool {
    matches!(source, Source::Counted | Source::Thin)
}

fn own_value(rules: &ListRules, entry: &EntryRecord<'_>) -> f64 {
    let figures = Figures::new(entry.weight, entry.anchor_weight, entry.other_weight, entry.contexts);
    let value = if figures.are_known() { rank_value(rules, &figures) } else { 0.0 };
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

fn because<'a>(record: &'a ListRecord<'a>, entry: &'a EntryRecord<'a>, place: usize) -> Because<'a> {
    Because {
        item: &record.item,
        list: entry.list.as_deref().unwrap_or(&record.list),
        place,
        score: entry.score,
        support: entry.support,
        source: entry.source,
        worth: Worth::default(),
    }
}

/// What a list about the shop shows, behind all else.
fn behind<'a>(record: &'a ListRecord<'a>) -> impl Iterator<Item = Recommended<'a>> {
    record.entries.iter().chain(&record.reserve).zip(1..).map(|(entry, place)| {
        let because = vec![Because { source: Source::Shop, ..because(record, entry, place) }];
        Recommended { item: &entry.item, value: 0.0, source: Source::Shop, because }
    })
}

/// To six significant digits: what is behind them is of single precision.
fn rounded(value: f64) -> f64 {
    if value > 0.0 { format!("{value:.5e}").parse().unwrap_or(value) } else { 0.0 }
}

/// What has been chosen, and what may not be any more.
struct Chosen<'w, 'a> {
    wish: &'w Wish<'w>,
    families: Vec<u64>,
    /// Kept from one of the items given.
    apart: Vec<u64>,
    categories: HashMap<u32, usize>,
    brands: HashMap<u32, usize>,
    recommended: Vec<Recommended<'a>>,
}

impl<'w, 'a> Chosen<'w, 'a> {
    fn new(wish: &'w Wish<'w>) -> Self {
        let (mut families, mut apart) = (Vec::new(), Vec::new());
        if let Some(facts) = wish.facts {
            for item in wish.given {
                let anchor = fingerprint(wish.shop, item);
                families.push(facts.of(anchor).family);
                apart.extend(kept_apart(facts, wish.list, anchor));
            }
        }
        let (categories, brands, recommended) = (HashMap::new(), HashMap::new(), Vec::new());
        Self { wish, families, apart, categories, brands, recommended }
    }

    fn is_full(&self) -> bool {
        self.recommended.len() >= self.wish.limit
    }

    /// Takes an item, if it may be recommended beside the others.
    fn offer(&mut self, offered: Recommended<'a>) {
        let Wish { given, excluded, shop, facts, .. } = *self.wish;
        let is_there = self.recommended.iter().any(|known| known.item == offered.item);
        if is_there || given.contains(&offered.item) || excluded.contains(&offered.item) {
            return;
        }
        if let Some(facts) = facts {
            let item = fingerprint(shop, offered.item);
            let known = facts.of(item);
            if self.apart.contains(&item) || !self.takes(&known, offered.source.is_by_hand()) {
                return;
            }
            self.families.push(known.family);
            known.category.into_iter().for_each(|category| *self.categories.entry(category.0).or_default() += 1);
            known.brand.into_iter().for_each(|brand| *self.brands.entry(brand).or_default() += 1);
        }
        self.recommended.push(offered);
    }

    /// What people want by hand passes the gates that compare it with others.
    fn takes(&self, known: &ItemFacts, is_by_hand: bool) -> bool {
        let Some(rules) = self.wish.rules.get(self.wish.list.index()) else { return true };
        let held = |held: &HashMap<u32, usize>, of: Option<u32>| of.and_then(|of| held.get(&of)).copied().unwrap_or(0);
        let category = known.category.map(|category| category.0);
        let fits = || {
            !self.families.contains(&known.family)
                && rules.category_max.is_none_or(|max| held(&self.categories, category) < max)
                && rules.brand_max.is_none_or(|max| held(&self.brands, known.brand) < max)
        };
        known.is_sold && !(rules.shown.in_stock && known.stock == Stock::Out) && (is_by_hand || fits())
    }
}

/// What people keep from an item, in a list: by a relation, or by a verdict.
fn kept_apart(facts: &Facts, list: ListName, anchor: u64) -> Vec<u64> {
    let Some(manual) = facts.manual(anchor) else { return Vec::new() };
    let now_ms = facts.now_ms();
    let never = manual.relations.iter().filter(|known| known.is_never() && known.holds_at(now_ms));
    let counting = manual.verdicts.iter().filter(|known| known.counts_in(list, now_ms));
    let mut verdicts: Vec<_> =
        counting.map(|known| (known.fingerprint, known.list.is_none(), known.is_rejection())).collect();
    verdicts.sort_unstable();
    verdicts.dedup_by_key(|(other, ..)| *other); // what is said of this very list comes first
    let rejected = verdicts.into_iter().filter(|&(.., is_rejection)| is_rejection).map(|(other, ..)| other);
    never.map(|known| known.fingerprint).chain(rejected).collect()
}

#[cfg(test)]
mod tests;
