//! All counts of a partition, in the form that an independent recount writes: to compare, and to look at.

use super::Rows;
use crate::event::EventTime;
use crate::items::{ItemId, ShopId};
use crate::relation::Relation;
use std::fmt;

/// What a count counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CountKind {
    /// Contexts of a shop's relation.
    Contexts,
    /// A directed pair.
    Pair,
    /// A total of an item.
    Total,
}

/// One count. Printed, it is the line of the file: tab separated, without the line's end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count<'a> {
    /// What it counts.
    pub kind: CountKind,
    /// The shop.
    pub shop: &'a str,
    /// The relation.
    pub relation: Relation,
    /// Anchor, item, or `*`.
    pub first: &'a str,
    /// Other item, role (`anchor`, `other`, `both`), or `*`.
    pub second: &'a str,
    /// How many, undecayed.
    pub support: u64,
    /// Decayed weight.
    pub weight: f64,
}

impl Count<'_> {
    /// The first five fields: what the file is sorted by, as bytes.
    #[must_use]
    pub fn key(&self) -> (CountKind, &str, &str, &str, &str) {
        (self.kind, self.shop, self.relation.name(), self.first, self.second)
    }
}

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            CountKind::Contexts => "contexts",
            CountKind::Pair => "pair",
            CountKind::Total => "total",
        };
        let Self { shop, relation, first, second, support, weight, .. } = self;
        write!(f, "{kind}\t{shop}\t{}\t{first}\t{second}\t{support}\t{weight}", relation.name())
    }
}

/// Owned items and shops in the order of their names.
struct Sorted {
    shops: Vec<(ShopId, Vec<ItemId>)>,
    relations: [Relation; Relation::COUNT],
}

impl Rows {
    /// Gives every count of what this partition owns to `sink`, decayed to `as_of` (or to the latest event time), in the
    /// order of [`Count::key`].
    pub fn for_each_count(&self, as_of: Option<EventTime>, mut sink: impl FnMut(&Count<'_>)) {
        let as_of = as_of.unwrap_or(self.now);
        let sorted = self.sorted();
        self.each_contexts(&sorted, as_of, &mut sink);
        self.each_pair(&sorted, as_of, &mut sink);
        self.each_total(&sorted, as_of, &mut sink);
    }

    fn sorted(&self) -> Sorted {
        let mut shops: Vec<_> = (0_u32..).take(self.items.shop_count()).map(|n| (ShopId(n), Vec::new())).collect();
        for item in self.items.ids().filter(|&item| self.owner.has(item)) {
            shops[self.items.shop_of(item).index()].1.push(item);
        }
        for (_, items) in &mut shops {
            items.sort_unstable_by_key(|&item| self.items.name(item));
        }
        shops.sort_unstable_by_key(|&(shop, _)| self.items.shop_name(shop));
        let mut relations = Relation::ALL;
        relations.sort_unstable_by_key(|relation| relation.name());
        Sorted { shops, relations }
    }

    fn each_contexts(&self, sorted: &Sorted, as_of: EventTime, sink: &mut impl FnMut(&Count<'_>)) {
        for &(shop, _) in sorted.shops.iter().filter(|(shop, _)| self.owner.has_shop(*shop)) {
            for relation in sorted.relations {
                let contexts = self.totals[relation.index()].contexts(shop.index());
                if contexts.weight > 0.0 {
                    let weight = self.decayed(relation, contexts.weight, as_of);
                    let shop = self.items.shop_name(shop);
                    let (kind, support) = (CountKind::Contexts, contexts.support);
                    sink(&Count { kind, shop, relation, first: "*", second: "*", support, weight });
                }
            }
        }
    }

    fn each_pair(&self, sorted: &Sorted, as_of: EventTime, sink: &mut impl FnMut(&Count<'_>)) {
        let mut order: Vec<(&str, usize)> = Vec::new();
        for (shop, items) in &sorted.shops {
            for relation in sorted.relations {
                for &anchor in items {
                    let Some(pairs) = self.store.row(relation, anchor) else { continue };
                    order.clear();
                    let named = pairs.keys.iter().enumerate().map(|(n, &key)| (self.items.name(ItemId(key)), n));
                    order.extend(named);
                    order.sort_unstable();
                    for &(second, index) in &order {
                        let stored = f64::from(f32::from_bits(pairs.weights[index]));
                        sink(&Count {
                            kind: CountKind::Pair,
                            shop: self.items.shop_name(*shop),
                            relation,
                            first: self.items.name(anchor),
                            second,
                            support: u64::from(pairs.support[index]),
                            weight: self.decayed(relation, stored, as_of),
                        });
                    }
                }
            }
        }
    }

    fn each_total(&self, sorted: &Sorted, as_of: EventTime, sink: &mut impl FnMut(&Count<'_>)) {
        for (shop, items) in &sorted.shops {
            for relation in sorted.relations {
                let totals = &self.totals[relation.index()];
                for &item in items {
                    let roles: &[_] = if relation.is_symmetric() {
                        &[("both", totals.other(item))]
                    } else {
                        &[("anchor", totals.anchor(relation, item)), ("other", totals.other(item))]
                    };
                    for (second, total) in roles.iter().filter(|(_, total)| total.weight > 0.0) {
                        sink(&Count {
                            kind: CountKind::Total,
                            shop: self.items.shop_name(*shop),
                            relation,
                            first: self.items.name(item),
                            second,
                            support: u64::from(total.support),
                            weight: self.decayed(relation, total.weight, as_of),
                        });
                    }
                }
            }
        }
    }

    fn decayed(&self, relation: Relation, weight: f64, as_of: EventTime) -> f64 {
        weight / self.decay[relation.index()].growth(as_of)
    }
}
