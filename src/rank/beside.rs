//! What the other row of an item says of a candidate: is it bought along with it, or looked at in its place?
//!
//! Alternatives are viewed together and bought together no more than by chance, complements bought together and not mostly viewed in each
//! other's place. Tried last, on candidates that may be shown: it takes a look-up in the other row.

use super::gate::Gate;
use super::measure::{Figures, wilson_lower};
use crate::facts::Facts;
use crate::items::ItemId;
use crate::rows::RowView;
use crate::rules::{KindRules, ListRules};

/// What is known of the anchor besides the row that is ranked.
#[derive(Clone, Copy, Default)]
pub struct Beside<'a> {
    /// Its row in the other relation.
    pub row: Option<RowView<'a>>,
    /// What the shop says of items.
    pub facts: Option<&'a Facts>,
}

impl Beside<'_> {
    /// The first gate that a candidate fails, of those that this kind of list has. `figures` are those of the row that is ranked.
    pub(super) fn failed(
        &self,
        rules: &ListRules,
        row: &RowView<'_>,
        item: ItemId,
        figures: &Figures,
        look_up: &LookUp,
    ) -> Option<Gate> {
        match rules.kind {
            KindRules::Pairs | KindRules::ShopWide { .. } | KindRules::Placement { .. } => None,
            KindRules::Alternatives { min_orders, needs_price } => {
                let Some(row_beside) = &self.row else { return Some(Gate::Orders) };
                let bought = figures_of(row_beside, item, look_up);
                failed_apart(f64::from(min_orders), &bought)
                    .or_else(|| if needs_price { self.failed_price(row, item) } else { None })
            }
            KindRules::Complements { viewed_more } => {
                let viewed = figures_of(self.row.as_ref()?, item, look_up);
                let surely_viewed = wilson_lower(viewed.pair, viewed.anchor);
                (surely_viewed > viewed_more * figures.confidence()).then_some(Gate::Instead)
            }
        }
    }

    /// Where either has no price, or they are paid in two currencies, nobody can say that one costs more.
    fn failed_price(&self, row: &RowView<'_>, item: ItemId) -> Option<Gate> {
        let price = |item| self.facts.and_then(|facts| facts.of(row.items.fingerprint(item)).price);
        let are_known = match (price(row.anchor), price(item)) {
            (Some(own), Some(other)) => own.currency == other.currency && own.amount > 0.0,
            _ => false,
        };
        (!are_known).then_some(Gate::Price)
    }
}

/// Where either is hardly ever ordered, nobody can say what is bought along with it.
fn failed_apart(min_orders: f64, bought: &Figures) -> Option<Gate> {
    if !bought.are_known() || bought.anchor < min_orders || bought.other < min_orders {
        return Some(Gate::Orders);
    }
    (bought.pair * bought.contexts > bought.anchor * bought.other).then_some(Gate::Together)
}

/// Where the neighbours of a row stand. Made once a ranking: rows may be long.
#[derive(Default)]
pub(super) struct LookUp {
    /// By item.
    places: Vec<(ItemId, u32)>,
}

impl LookUp {
    pub(super) fn make(&mut self, row: Option<&RowView<'_>>) {
        self.places.clear();
        if let Some(row) = row {
            self.places.extend(row.neighbours().map(|neighbour| neighbour.item).zip(0..));
            self.places.sort_unstable();
        }
    }

    fn find(&self, item: ItemId) -> Option<usize> {
        let place = self.places.binary_search_by_key(&item, |&(known, _)| known).ok()?;
        self.places.get(place).map(|&(_, index)| index as usize)
    }
}

fn figures_of(row: &RowView<'_>, item: ItemId, look_up: &LookUp) -> Figures {
    let pair = look_up.find(item).map_or(0.0, |index| row.neighbour(index).weight);
    Figures::new(pair, row.anchor_weight, row.other_weight(item), row.contexts)
}
