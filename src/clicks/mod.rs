//! What became of shown lists: entries shown, clicked and ordered after, as whole numbers by shop, list, placement, place and source.
//!
//! An impression tells which entries of a list a user was shown, a click which one was chosen, and an order whether it was bought. A
//! user's orders are credited to clicks, the last one of the item before the order wins, within `view_to_order`.
//!
//! Invariants: all of it is a function of what is told, in the order in which it is told: no clock, no hash map is iterated. It is apart
//! from the counts: nothing here is seen by windows, rows or lists. Every table is bounded, and what does not fit is counted.
//! Absent: names of users and items. A user is a fingerprint of 128 bits, an item one of 64; which list names are told apart is
//! decided by intake.

mod cells;
mod doings;
mod generations;
mod keeping;
mod seen;
#[cfg(test)]
mod tests;

pub use cells::{BANDS, Band, Cell, CellTally, Revenue};
pub use keeping::ClicksLoading;

use crate::event::{Currency, EventKey, EventTime, LinkKey, OrderStep, UserKey};
use crate::limits::CLICK_MEMORY_BYTES_MAX;
use crate::rules::CountingRules;
use cells::{CellId, Cells, SpotName};
use doings::{Crediting, Doings, Ordered};
use generations::Generations;
use keeping::ClicksSaving;
use seen::{Met, Seen};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Where something was shown or clicked, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Whose it is.
    pub user: UserKey,
    /// When.
    pub time: EventTime,
    /// What tells it from a re-sent one.
    pub key: EventKey,
    /// The shop.
    pub shop: &'a str,
    /// The list.
    pub list: Option<&'a str>,
    /// The placement.
    pub placement: Option<&'a str>,
    /// The item that the list is about.
    pub about: Option<u64>,
    /// Whether impressions of this user are told: a click without one means nothing otherwise.
    pub is_sampled: bool,
}

/// An entry of a list.
#[derive(Clone, Copy, Debug)]
pub struct ToldEntry<'a> {
    /// The product.
    pub item: u64,
    /// From 1.
    pub position: Option<u32>,
    /// Where it came from.
    pub source: Option<&'a str>,
}

/// A record of an order.
#[derive(Clone, Copy, Debug)]
pub struct ToldOrder<'a> {
    /// Whose it is.
    pub user: UserKey,
    /// When.
    pub time: EventTime,
    /// What tells it from a re-sent one.
    pub key: EventKey,
    /// What it does to the order.
    pub step: OrderStep,
    /// Which order.
    pub number: Option<LinkKey>,
    /// Which state is the newer one.
    pub version: Option<i64>,
    /// Of all amounts.
    pub currency: Currency,
    /// Item and amount in thousandths of every line, in their order.
    pub lines: &'a [(u64, Option<u64>)],
}

/// What was not counted, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClicksTally {
    /// Entries shown again to a user who had just seen them.
    pub again: u64,
    /// Clicks that had been counted.
    pub duplicate: u64,
    /// Clicks and orders older than what is remembered of their users.
    pub late: u64,
    /// Entries and clicks of users who were shown, or clicked, more than is remembered.
    pub overlong: u64,
    /// Orders of more items than are an order of a person.
    pub bulk: u64,
    /// Users and orders that were forgotten before their time, as there was no room.
    pub forgotten: u64,
    /// Counted as one for all, as there are too many shops, lists or currencies.
    pub displaced: u64,
}

impl ClicksTally {
    /// All of them, with their names in metrics.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 7] {
        let Self { again, duplicate, late, overlong, bulk, forgotten, displaced } = *self;
        [
            ("again", again),
            ("duplicate", duplicate),
            ("late", late),
            ("overlong", overlong),
            ("bulk", bulk),
            ("forgotten", forgotten),
            ("displaced", displaced),
        ]
    }
}

/// What is counted by: rules that sessions and orders have anyway.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// An entry that comes again within this was seen already.
    gap_ms: i64,
    /// How long before an order a click may have led to it.
    reach_ms: i64,
    basket_max: usize,
}

/// What was shown, clicked and ordered of one partition of the events log.
pub struct Clicks {
    rules: Rules,
    /// Whether anything was ever told: until then orders are passed by.
    is_active: bool,
    cells: Cells,
    seen: Generations<Seen>,
    doings: Generations<Doings>,
    tally: ClicksTally,
    saving: Option<Box<ClicksSaving>>,
}

impl Clicks {
    /// Nothing told yet.
    #[must_use]
    pub fn new(rules: &CountingRules) -> Self {
        let rules =
            Rules { gap_ms: rules.session_gap_ms, reach_ms: rules.view_to_order_ms, basket_max: rules.basket_max };
        Self {
            rules,
            is_active: false,
            cells: Cells::default(),
            seen: Generations::new(rules.gap_ms, CLICK_MEMORY_BYTES_MAX),
            doings: Generations::new(rules.reach_ms, CLICK_MEMORY_BYTES_MAX),
            tally: ClicksTally::default(),
            saving: None,
        }
    }

    /// Whether anything was ever told.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// Entries were shown.
    pub fn shown<'a>(&mut self, told: &Told<'_>, entries: impl Iterator<Item = ToldEntry<'a>>) {
        self.is_active = true;
        let Self { rules, cells, seen, tally, .. } = self;
        let spot = spot_of(cells, told, tally);
        tally.forgotten += seen.make_room(told.time);
        seen.with(told.user, |seen| {
            seen.start(told.time, rules.gap_ms);
            for entry in entries {
                let cell = cell_of(cells, spot, &entry, tally);
                match seen.meet(tag(told, entry.item), told.time, rules.gap_ms, cell) {
                    Met::New => cells.of(cell).shown += 1,
                    Met::Again => tally.again += 1,
                    Met::Full => tally.overlong += 1,
                }
            }
        });
    }

    /// An entry was clicked.
    pub fn clicked(&mut self, told: &Told<'_>, entry: &ToldEntry<'_>) {
        self.is_active = true;
        let Self { rules, cells, seen, doings, tally, .. } = self;
        let spot = spot_of(cells, told, tally);
        let tag = tag(told, entry.item);
        let mut own = cell_of(cells, spot, entry, tally);
        let shown = seen.find(told.user).and_then(|seen| seen.find(tag, told.time, rules.gap_ms));
        if let (None, Some(shown)) = (entry.position, &shown) {
            own = shown.cell();
        }
        tally.forgotten += doings.make_room(told.time);
        let taken = doings.with(told.user, |doings| {
            let mut crediting = Crediting { cells, tally, reach_ms: rules.reach_ms };
            doings.click(entry.item, told.time, told.key, own, &mut crediting)
        });
        if !taken {
            return;
        }
        match shown {
            Some(shown) if shown.is_clicked() => {}
            Some(shown) => {
                self.cells.of(shown.cell()).clicked += 1;
                self.seen.with(told.user, |seen| seen.note_click(&shown));
            }
            None => self.cells.of(own).unseen += u64::from(told.is_sampled),
        }
    }

    /// An order was placed, or changed.
    pub fn ordered(&mut self, order: &ToldOrder<'_>) {
        let Self { rules, cells, doings, tally, .. } = self;
        tally.forgotten += doings.make_room(order.time);
        doings.with(order.user, |doings| {
            let mut crediting = Crediting { cells, tally, reach_ms: rules.reach_ms };
            let ordered = Ordered { order, basket_max: rules.basket_max };
            doings.order(&ordered, &mut crediting);
        });
    }

    /// A user is forgotten; what was counted stays.
    pub fn erase(&mut self, user: UserKey) {
        self.seen.remove(user);
        self.doings.remove(user);
    }

    /// What was counted, in the order of shops, lists, placements, places and sources.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        self.cells.all()
    }

    /// What was not.
    #[must_use]
    pub fn tally(&self) -> &ClicksTally {
        &self.tally
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.cells.bytes() + self.seen.bytes() + self.doings.bytes()
    }
}

fn spot_of(cells: &mut Cells, told: &Told<'_>, tally: &mut ClicksTally) -> u32 {
    let name = SpotName { shop: told.shop, list: told.list, placement: told.placement };
    let (spot, fits) = cells.spot(name);
    tally.displaced += u64::from(!fits);
    spot
}

fn cell_of(cells: &mut Cells, spot: u32, entry: &ToldEntry<'_>, tally: &mut ClicksTally) -> CellId {
    let (cell, fits) = cells.cell(spot, Band::of(entry.position), entry.source);
    tally.displaced += u64::from(!fits);
    cell
}

/// Tells an entry of a list from others of its user: looked up among a few hundred, so a false match has a chance of 2^-23.
fn tag(told: &Told<'_>, item: u64) -> u32 {
    let part = |text: Option<&str>, seed| text.map_or(seed, |text| xxh3_64_with_seed(text.as_bytes(), seed ^ 1));
    let spot = part(told.placement, part(told.list, told.about.unwrap_or(0)));
    let mixed = xxh3_64_with_seed(&item.to_le_bytes(), spot);
    u32::try_from(mixed >> 32).unwrap_or_default() // always fits
}
