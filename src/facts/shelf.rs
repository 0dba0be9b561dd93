//! What stands beside an item on a shelf: what it costs, and whether there is any.

use super::stock::Stock;
use super::table::Facts;
use std::sync::{Arc, PoisonError};

/// Longest name of a currency that is told, in bytes: a code has three.
pub const CURRENCY_BYTES_MAX: usize = 12;

/// What is told of an item to whoever shows it. Of what nobody has said anything: the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shelf {
    /// What it costs, in units of the currency; not negative, and finite.
    pub price: Option<f64>,
    /// The currency, as the catalogue names it; none without a price, and none that is longer than [`CURRENCY_BYTES_MAX`].
    pub currency: Option<Arc<str>>,
    /// What there is of it: of a parent, of its variants. None where nobody has said.
    pub stock: Option<Stock>,
}

impl Facts {
    /// What is told of an item to whoever shows it.
    #[must_use]
    pub fn shelf(&self, item: u64) -> Shelf {
        let Some((price, stock)) = self.items.get(&item).map(|known| (known.price, known.stock())) else {
            return Shelf::default();
        };
        let currency = price.and_then(|price| self.currency(price.currency));
        Shelf { price: price.map(|price| price.amount), currency, stock }
    }

    /// The name of a currency; none of 0, nor of one that is too long to be told.
    fn currency(&self, number: u16) -> Option<Arc<str>> {
        let place = usize::from(number.checked_sub(1)?);
        let names = self.currencies.read().unwrap_or_else(PoisonError::into_inner);
        names.get(place).filter(|name| !name.is_empty()).cloned()
    }

    /// Notes what the currency of a number is called. Numbers are given in their order, from 1, and the last stands for all beyond it.
    pub(super) fn name_currency(&self, number: u16, name: Option<&str>) {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return };
        let mut names = self.currencies.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() + 1 == usize::from(number) {
            let is_told = name.len() <= CURRENCY_BYTES_MAX && number < u16::MAX;
            names.push(if is_told { Arc::from(name) } else { Arc::from("") });
        }
    }
}
