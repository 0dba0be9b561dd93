//! The rules for orders: `bought_together`, `also_bought` and `viewed_then_bought`.

use super::basket::Bulk;
use super::visitors::Known;
use super::{Input, Scratch};
use crate::items::ItemId;
use crate::relation::{Change, Delta, Fate, Relation};
use crate::rules::CountingRules;

pub(super) fn order(
    visitor: &mut Known,
    input: &Input<'_>,
    lines: &[ItemId],
    rules: &CountingRules,
    scratch: &mut Scratch,
    sink: &mut impl FnMut(Delta<'_>),
) -> Fate {
    assert!(!lines.is_empty(), "an order without lines: intake refuses those");
    let Input { time, shop, .. } = *input;
    if let Some(cart) = &mut visitor.cart {
        cart.close_at(time);
    }
    let Scratch { basket, anchors, fresh, .. } = scratch;
    if basket.fill(lines, rules.basket_max, time) == Err(Bulk) {
        return Fate::Bulk;
    }
    let purchases = &mut visitor.customer.get_or_insert_default().purchases;
    let mut give = |relation, change: Change<'_>| {
        sink(Delta { time, change: Change::Context { shop, relation } });
        sink(Delta { time, change });
    };

    purchases.look_back(basket, time, rules, anchors);
    let items = basket.items();
    give(Relation::BoughtTogether, Change::Basket { items });

    fresh.clear();
    fresh.extend(items.iter().filter(|bought| bought.repeats == 0));
    if !anchors.is_empty() && !fresh.is_empty() {
        let relation = Relation::AlsoBought;
        give(relation, Change::Cross { relation, anchors, others: fresh });
    }

    anchors.clear();
    anchors.extend(visitor.recent_views.before(time, rules.view_to_order_ms));
    if !anchors.is_empty() {
        let relation = Relation::ViewedThenBought;
        give(relation, Change::Cross { relation, anchors, others: items });
    }

    purchases.record(basket, rules.purchases_max);
    Fate::Counted
}
