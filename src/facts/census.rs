//! How much of what facts can say they do say: for people, who see by it whether fields are mapped as they meant.

use super::catalogue::CategoryId;
use super::item::Item;
use super::manual::Ruling;
use super::stock::Stock;
use super::table::Facts;
use crate::relation::Kind;
use std::collections::HashMap;
use std::sync::PoisonError;

/// Of how many items the catalogue says what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as of `Catalogue`
pub struct Held {
    pub items: usize,
    pub category: usize,
    pub brand: usize,
    pub price: usize,
    pub currency: usize,
    pub name: usize,
    pub parent: usize,
    pub launched: usize,
    pub url: usize,
    pub image: usize,
    pub parts: usize,
    /// That it is not sold.
    pub inactive: usize,
    /// That it is no product.
    pub uncountable: usize,
}

/// How many facts there are of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All items of the catalogue.
    pub all: Held,
    /// Those that can be in lists: sold, products, and variants of none.
    pub listed: Held,
    /// Items by what there is of them: in, low, out.
    pub stock: [usize; 3],
    /// Relations by kind, of those that there are.
    pub relations: Vec<(Kind, usize)>,
    /// Verdicts: approve, reject, pin, boost.
    pub verdicts: [usize; 4],
}

impl Held {
    fn count(&mut self, item: &Item) {
        let text = item.text.as_deref();
        let mut add = |count: fn(&mut Self) -> &mut usize, is: bool| *count(self) += usize::from(is);
        add(|held| &mut held.items, true);
        add(|held| &mut held.category, item.category.is_some());
        add(|held| &mut held.brand, item.brand != 0);
        add(|held| &mut held.price, item.price.is_some());
        add(|held| &mut held.currency, item.price.is_some_and(|price| price.currency != 0));
        add(|held| &mut held.name, text.is_some_and(|text| text.name.is_some()));
        add(|held| &mut held.parent, item.parent.is_some());
        add(|held| &mut held.launched, item.launched_ms.is_some());
        add(|held| &mut held.url, text.is_some_and(|text| text.url.is_some()));
        add(|held| &mut held.image, text.is_some_and(|text| text.image.is_some()));
        add(|held| &mut held.parts, text.is_some_and(|text| !text.parts.is_empty()));
        add(|held| &mut held.inactive, !item.is_active);
        add(|held| &mut held.uncountable, !item.is_countable);
    }
}

impl Facts {
    /// Counts what is known. It goes through all items.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for found in &self.items {
            let item = found.value();
            if let Some(stock) = item.own_stock {
                census.stock[match stock {
                    Stock::In => 0,
                    Stock::Low => 1,
                    Stock::Out => 2,
                }] += 1;
            }
            if !item.has_catalogue {
                continue;
            }
            census.all.count(item);
            if item.is_active && item.is_countable && item.parent.is_none() {
                census.listed.count(item);
            }
        }
        for found in self.manual.iter().chain(self.everywhere.iter()) {
            for relation in &found.value().relations {
                match census.relations.iter_mut().find(|(kind, _)| *kind == relation.kind) {
                    Some((_, count)) => *count += 1,
                    None => census.relations.push((relation.kind, 1)),
                }
            }
            for verdict in &found.value().verdicts {
                census.verdicts[match verdict.ruling {
                    Ruling::Approve => 0,
                    Ruling::Reject => 1,
                    Ruling::Pin(_) => 2,
                    Ruling::Boost(_) => 3,
                }] += 1;
            }
        }
        census.relations.sort_unstable();
        census
    }

    /// The categories of one level that items have, by their names, with how many items are of each.
    #[must_use]
    pub fn categories_of_one_level(&self) -> Vec<(Box<str>, usize)> {
        let mut counts: HashMap<CategoryId, usize> = HashMap::new();
        for category in self.items.iter().filter_map(|found| found.value().category) {
            *counts.entry(category).or_default() += 1;
        }
        let categories = self.categories.read().unwrap_or_else(PoisonError::into_inner);
        let alone = counts.into_iter().filter(|(category, _)| categories.parent(*category).is_none());
        let mut named: Vec<_> =
            alone.filter_map(|(category, count)| Some((categories.way(category).pop()?, count))).collect();
        named.sort_unstable();
        named
    }
}
