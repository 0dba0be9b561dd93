//! What became of shown lists, as HTTP, `report` and `replay` tell it: rates with their intervals, by list, place, placement and source.
//!
//! Absent: what is counted as what (`clicks`).

use super::asked::Asked;
use crate::clicks::{BANDS, Band, Cell, CellTally, Clicks};
use crate::rank::wilson_interval;
use serde::Serialize;
use std::collections::BTreeMap;

/// A shop's cells, by list, placement, band of places and source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clicked {
    cells: BTreeMap<CellName, CellTally>,
    shops: BTreeMap<String, CellTally>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CellName {
    shop: String,
    list: Option<String>,
    placement: Option<String>,
    band: Band,
    source: Option<String>,
}

impl CellName {
    fn of(cell: &Cell<'_>) -> Self {
        let kept = |text: Option<&str>| text.map(str::to_owned);
        Self {
            shop: cell.shop.to_owned(),
            list: kept(cell.list),
            placement: kept(cell.placement),
            band: cell.band,
            source: kept(cell.source),
        }
    }
}

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// The share itself.
    pub rate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Rate {
    /// `part` of `whole`, by the interval of Wilson (1927); none of nothing.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // counts of events
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        let (part, whole) = (part as f64, whole as f64);
        let (low, high) = wilson_interval(part, whole);
        (whole > 0.0).then(|| Self { rate: part / whole, low, high })
    }
}

/// What was counted, with what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Entries shown, once a session.
    pub shown: u64,
    /// Of these, clicked.
    pub clicked: u64,
    /// `clicked` of `shown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_rate: Option<Rate>,
    /// All clicks.
    pub clicks: u64,
    /// Of these, on what is not known to have been shown.
    pub clicks_unseen: u64,
    /// Of the clicks, followed by an order.
    pub converted: u64,
    /// `converted` of `clicks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_rate: Option<Rate>,
    /// Products ordered after a click.
    pub orders: u64,
    /// Of these, returned or cancelled.
    pub returned: u64,
    /// By currency, what was ordered less what was returned.
    pub revenue: BTreeMap<String, f64>,
    /// By currency, what was returned.
    pub revenue_returned: BTreeMap<String, f64>,
}

impl Figures {
    fn of(tally: &CellTally) -> Self {
        #[allow(clippy::cast_precision_loss)] // amounts for people
        let money = |milli: u64| milli as f64 / 1000.0;
        let by_currency = tally.revenue.iter().map(|(currency, revenue)| (currency.letters().to_owned(), revenue));
        let net = |revenue: &crate::clicks::Revenue| money(revenue.ordered.saturating_sub(revenue.returned));
        Self {
            shown: tally.shown,
            clicked: tally.clicked,
            click_rate: Rate::of(tally.clicked, tally.shown),
            clicks: tally.clicks,
            clicks_unseen: tally.unseen,
            converted: tally.converted,
            order_rate: Rate::of(tally.converted, tally.clicks),
            orders: tally.orders,
            returned: tally.returned,
            revenue: by_currency.clone().map(|(currency, revenue)| (currency, net(revenue))).collect(),
            revenue_returned: by_currency.map(|(currency, revenue)| (currency, money(revenue.returned))).collect(),
        }
    }
}

/// A list's figures, all together and apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfList {
    /// The list; none where only a placement was told.
    pub list: Option<String>,
    /// All of it.
    #[serde(flatten)]
    pub figures: Figures,
    /// By place.
    pub by_position: BTreeMap<&'static str, Figures>,
    /// By placement, where one was told.
    pub by_placement: BTreeMap<String, Figures>,
    /// By source of the entries, where one was told.
    pub by_source: BTreeMap<String, Figures>,
}

impl Clicked {
    /// What the stages counted of a shop, or of all.
    #[must_use]
    pub fn of(asked: &Asked<'_>, shop: Option<&str>) -> Self {
        let told = asked.windows.iter().map(|work| work.clicks()).filter(|clicks| clicks.is_active());
        Self::of_cells(told.flat_map(Clicks::cells), shop)
    }

    pub(super) fn of_cells<'c>(cells: impl Iterator<Item = Cell<'c>>, shop: Option<&str>) -> Self {
        let mut clicked = Self::default();
        for cell in cells {
            clicked.shops.entry(cell.shop.to_owned()).or_default().add(cell.tally);
            if shop.is_none_or(|shop| shop == cell.shop) {
                clicked.cells.entry(CellName::of(&cell)).or_default().add(cell.tally);
            }
        }
        clicked
    }

    /// Adds what others counted.
    pub fn join(&mut self, other: Self) {
        for (name, tally) in other.cells {
            self.cells.entry(name).or_default().add(&tally);
        }
        for (shop, tally) in other.shops {
            self.shops.entry(shop).or_default().add(&tally);
        }
    }

    /// The shops of which anything is known.
    pub fn shops(&self) -> impl Iterator<Item = &str> {
        self.shops.keys().map(String::as_str)
    }

    /// How much looking at it costs.
    pub(super) fn cost(&self) -> usize {
        1 + self.cells.len() / 8
    }

    /// The figures of a shop by list, in the order of their names.
    #[must_use]
    pub fn by_list(&self, shop: &str) -> Vec<OfList> {
        let mut lists: BTreeMap<&Option<String>, Vec<(&CellName, &CellTally)>> = BTreeMap::new();
        for (name, tally) in self.cells.iter().filter(|(name, _)| name.shop == shop) {
            lists.entry(&name.list).or_default().push((name, tally));
        }
        lists.into_iter().map(|(list, cells)| of_list(list.clone(), &cells)).collect()
    }
}

fn of_list(list: Option<String>, cells: &[(&CellName, &CellTally)]) -> OfList {
    let sum = |is_in: &dyn Fn(&CellName) -> bool| {
        let mut sum = CellTally::default();
        cells.iter().filter(|(name, _)| is_in(name)).for_each(|(_, tally)| sum.add(tally));
        sum
    };
    let bands = BANDS.into_iter().map(|band| (band.name(), sum(&|name| name.band == band)));
    let told = |of: fn(&CellName) -> &Option<String>| -> BTreeMap<String, Figures> {
        let names: std::collections::BTreeSet<&String> =
            cells.iter().filter_map(|(name, _)| of(name).as_ref()).collect();
        let figures = |wanted: &String| Figures::of(&sum(&|name| of(name).as_ref() == Some(wanted)));
        names.into_iter().map(|name| (name.clone(), figures(name))).collect()
    };
    OfList {
        list,
        figures: Figures::of(&sum(&|_| true)),
        by_position: bands
            .filter(|(_, tally)| *tally != CellTally::default())
            .map(|(band, tally)| (band, Figures::of(&tally)))
            .collect(),
        by_placement: told(|name| &name.placement),
        by_source: told(|name| &name.source),
    }
}
