//! Where numbers are counted: a cell for each shop, list, placement, band of places and source of entries.
//!
//! Invariants: there are at most [`CLICK_CELLS_MAX`] of them; what does not fit is counted in the first one, which is of no shop. A cell's
//! number never changes.

use crate::event::Currency;
use crate::limits::{CLICK_CELLS_MAX, CLICK_CURRENCIES_MAX, CLICK_SOURCES_MAX, CLICK_SPOTS_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// In place of a shop, where there are too many to tell them apart: no shop has a `/` in its name.
pub(super) const OTHERS: &str = "/others";

/// Places that are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Band {
    /// The first place.
    First,
    /// The second to the fourth.
    ToFourth,
    /// The fifth to the tenth.
    ToTenth,
    /// Behind these.
    Later,
    /// Not said.
    Unknown,
}

/// All of them, in their order.
pub const BANDS: [Band; 5] = [Band::First, Band::ToFourth, Band::ToTenth, Band::Later, Band::Unknown];

impl Band {
    /// The band of a place, from 1.
    #[must_use]
    pub fn of(position: Option<u32>) -> Self {
        match position {
            None | Some(0) => Self::Unknown,
            Some(1) => Self::First,
            Some(2..=4) => Self::ToFourth,
            Some(5..=10) => Self::ToTenth,
            Some(_) => Self::Later,
        }
    }

    /// As it is told.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "1",
            Self::ToFourth => "2-4",
            Self::ToTenth => "5-10",
            Self::Later => "11+",
            Self::Unknown => "unknown",
        }
    }
}

/// What orders after clicks came to, in thousandths of their currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revenue {
    /// Of all that was ordered.
    pub ordered: u64,
    /// Of what left these orders again.
    pub returned: u64,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellTally {
    /// Entries shown, once a session.
    pub shown: u64,
    /// Of these, clicked at least once.
    pub clicked: u64,
    /// Clicks, all of them.
    pub clicks: u64,
    /// Of these, without the entry having been shown, as far as is known.
    pub unseen: u64,
    /// Of the clicks, followed by an order.
    pub converted: u64,
    /// Products of orders after a click.
    pub orders: u64,
    /// Of these, those that left their order again.
    pub returned: u64,
    /// By currency.
    pub revenue: BTreeMap<Currency, Revenue>,
}

impl CellTally {
    /// Adds what another counted.
    pub fn add(&mut self, other: &Self) {
        let Self { shown, clicked, clicks, unseen, converted, orders, returned, revenue } = other;
        self.shown += shown;
        self.clicked += clicked;
        self.clicks += clicks;
        self.unseen += unseen;
        self.converted += converted;
        self.orders += orders;
        self.returned += returned;
        for (currency, revenue) in revenue {
            let own = self.revenue.entry(*currency).or_default();
            own.ordered = own.ordered.saturating_add(revenue.ordered);
            own.returned = own.returned.saturating_add(revenue.returned);
        }
    }

    /// The counters, for checks.
    pub(super) fn counters(&self) -> [u64; 7] {
        [self.shown, self.clicked, self.clicks, self.unseen, self.converted, self.orders, self.returned]
    }
}

/// A cell with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    /// The shop.
    pub shop: &'a str,
    /// The list, if it was said.
    pub list: Option<&'a str>,
    /// The placement, if it was said.
    pub placement: Option<&'a str>,
    /// The places.
    pub band: Band,
    /// Where the entries came from, if it was said.
    pub source: Option<&'a str>,
    /// What was counted.
    pub tally: &'a CellTally,
}

/// A cell's number.
pub(super) type CellId = u32;

/// A shop, list and placement, as they are told.
#[derive(Clone, Copy)]
pub(super) struct SpotName<'a> {
    pub shop: &'a str,
    pub list: Option<&'a str>,
    pub placement: Option<&'a str>,
}

/// The same, kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Spot {
    shop: Box<str>,
    list: Option<Box<str>>,
    placement: Option<Box<str>>,
}

impl Spot {
    fn is(&self, name: SpotName<'_>) -> bool {
        *self.shop == *name.shop && self.list.as_deref() == name.list && self.placement.as_deref() == name.placement
    }
}

/// What a cell is of: a spot, places, and a source (0 is none).
type Place = (u32, Band, u8);

/// All cells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cells {
    spots: Vec<Spot>,
    sources: Vec<Box<str>>,
    places: Vec<Place>,
    tallies: Vec<CellTally>,
    /// Where spots and cells stand; made of the rest when it is read again.
    #[serde(skip)]
    by_name: hashbrown::HashMap<u64, u32>,
    #[serde(skip)]
    by_place: hashbrown::HashMap<Place, CellId>,
}

impl Default for Cells {
    fn default() -> Self {
        let others = Spot { shop: OTHERS.into(), list: None, placement: None };
        let mut cells = Self {
            spots: vec![others],
            sources: Vec::new(),
            places: vec![(0, Band::Unknown, 0)],
            tallies: vec![CellTally::default()],
            by_name: hashbrown::HashMap::default(),
            by_place: hashbrown::HashMap::default(),
        };
        cells.find_again();
        cells
    }
}

impl Cells {
    /// The number of a spot, and whether it has one of its own.
    pub fn spot(&mut self, name: SpotName<'_>) -> (u32, bool) {
        let hash = hash_of(name);
        let next = small(self.spots.len());
        match self.by_name.get(&hash) {
            Some(&spot) => (spot, self.spots[spot as usize].is(name)),
            None if self.spots.len() >= CLICK_SPOTS_MAX => (0, false),
            None => {
                let SpotName { shop, list, placement } = name;
                let kept = |text: Option<&str>| text.map(Box::from);
                self.spots.push(Spot { shop: shop.into(), list: kept(list), placement: kept(placement) });
                self.by_name.insert(hash, next);
                (next, true)
            }
        }
    }

    /// The cell of some places of a spot, and whether it is one of its own.
    pub fn cell(&mut self, spot: u32, band: Band, source: Option<&str>) -> (CellId, bool) {
        let (source, fits) = source.map_or((0, true), |source| self.source(source));
        let place = (spot, band, source);
        if let Some(&cell) = self.by_place.get(&place) {
            return (cell, fits);
        }
        if self.places.len() >= CLICK_CELLS_MAX || spot == 0 {
            return (0, false);
        }
        let cell = small(self.places.len());
        self.places.push(place);
        self.tallies.push(CellTally::default());
        self.by_place.insert(place, cell);
        (cell, fits)
    }

    /// The number of a source, from 1.
    fn source(&mut self, source: &str) -> (u8, bool) {
        let known = self.sources.iter().position(|known| **known == *source);
        let place = match known {
            Some(place) => place,
            None if self.sources.len() >= CLICK_SOURCES_MAX => return (0, false),
            None => {
                self.sources.push(source.into());
                self.sources.len() - 1
            }
        };
        (u8::try_from(place + 1).unwrap_or(0), true)
    }

    /// What is counted in a cell.
    pub fn of(&mut self, cell: CellId) -> &mut CellTally {
        &mut self.tallies[cell as usize]
    }

    /// The revenue of a cell in a currency; none where it has too many.
    pub fn revenue(&mut self, cell: CellId, currency: Currency) -> Option<&mut Revenue> {
        let revenue = &mut self.of(cell).revenue;
        let fits = revenue.len() < CLICK_CURRENCIES_MAX || revenue.contains_key(&currency);
        fits.then(|| revenue.entry(currency).or_default())
    }

    /// Whether there is such a cell.
    pub fn has(&self, cell: CellId) -> bool {
        (cell as usize) < self.places.len()
    }

    /// All in which something was counted, in the order of what they are of.
    pub fn all(&self) -> impl Iterator<Item = Cell<'_>> {
        let source = |source: u8| usize::from(source).checked_sub(1).map(|place| &*self.sources[place]);
        let mut cells: Vec<Cell<'_>> = self
            .places
            .iter()
            .zip(&self.tallies)
            .map(|(&(spot, band, from), tally)| {
                let Spot { shop, list, placement } = &self.spots[spot as usize];
                Cell { shop, list: list.as_deref(), placement: placement.as_deref(), band, source: source(from), tally }
            })
            .filter(|cell| *cell.tally != CellTally::default())
            .collect();
        cells.sort_by(|one, other| one.name().cmp(&other.name()));
        cells.into_iter()
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        const EACH: usize = size_of::<Place>() + size_of::<CellTally>() + 64;
        self.places.len() * EACH + self.spots.len() * (size_of::<Spot>() + 96)
    }

    /// What is found by is made anew.
    pub fn find_again(&mut self) {
        let names = self.spots.iter().map(|spot| SpotName {
            shop: &spot.shop,
            list: spot.list.as_deref(),
            placement: spot.placement.as_deref(),
        });
        self.by_name = names.map(hash_of).zip(0..).collect();
        self.by_place = self.places.iter().copied().zip(0..).collect();
    }

    /// Whether what was read fits together.
    pub fn is_sound(&self, count_max: u64) -> bool {
        let counts = |tally: &CellTally| tally.counters().into_iter().all(|count| count <= count_max);
        let is_there = |&(spot, _, source): &Place| {
            (spot as usize) < self.spots.len() && usize::from(source) <= self.sources.len()
        };
        !self.spots.is_empty()
            && !self.places.is_empty()
            && self.places.len() == self.tallies.len()
            && self.spots.len() <= CLICK_SPOTS_MAX
            && self.places.len() <= CLICK_CELLS_MAX
            && self.sources.len() <= CLICK_SOURCES_MAX
            && self.places.iter().all(is_there)
            && self.tallies.iter().all(|tally| counts(tally) && tally.revenue.len() <= CLICK_CURRENCIES_MAX)
    }
}

impl Cell<'_> {
    fn name(&self) -> impl Ord + '_ {
        (self.shop, self.list, self.placement, self.band, self.source)
    }
}

fn hash_of(name: SpotName<'_>) -> u64 {
    let part = |text: Option<&str>, seed: u64| match text {
        Some(text) => xxh3_64_with_seed(text.as_bytes(), seed),
        None => seed.rotate_left(17) ^ 1,
    };
    part(name.placement, part(name.list, part(Some(name.shop), 0)))
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX) // there are limits to both
}
