//! The rules for carts: `carted_together`. An order empties the cart (see `orders`).

use super::Input;
use super::gap_window::{Arrival, GapWindow, Place};
use super::visitors::Known;
use crate::items::ItemId;
use crate::relation::{Change, Delta, Fate, Relation};
use crate::rules::CountingRules;

/// What was added to the cart since the last order, or the last long pause.
pub(super) type Cart = GapWindow;

const RELATION: Relation = Relation::CartedTogether;

pub(super) fn add(
    visitor: &mut Known,
    input: &Input<'_>,
    item: ItemId,
    rules: &CountingRules,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    let time = input.time;
    let cart = visitor.cart.get_or_insert_default();
    match cart.arrive(time, rules.cart_gap_ms) {
        Arrival::Late => return Fate::Late,
        Arrival::Opens => sink(Delta::counted(time, Change::Context { shop: input.shop, relation: RELATION })),
        Arrival::Continues => {}
    }
    match cart.place(item, rules.cart_max) {
        Place::Held => return Fate::Counted,
        Place::Full => return Fate::Overlong,
        Place::Free => {}
    }
    // All pairs of a cart weigh the same, so the order of neighbours has no meaning here.
    sink(Delta::counted(time, Change::Star { relation: RELATION, centre: item, neighbours: cart.items() }));
    cart.push(item);
    Fate::Counted
}
