//! Price and stock as a record tells them, and what subscribers know of them.

use crate::facts::{Shelf, Stock};
use xxhash_rust::xxh3::xxh3_64;

/// What a record tells of an entry's item; nothing where nobody has said anything, or it is not to be told. Borrows its text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Told<'a> {
    /// What it costs, in units of the currency.
    pub price: Option<f64>,
    /// The currency.
    pub currency: Option<&'a str>,
    /// What there is of it.
    pub stock: Option<Stock>,
}

impl<'a> Told<'a> {
    /// Of the entry at `place`, where `shelves` stand beside the entries of a list. Beside a list that tells nothing there are none.
    #[must_use]
    pub fn at(shelves: &'a [Shelf], place: usize) -> Self {
        shelves.get(place).map_or_else(Self::default, |Shelf { price, currency, stock }| Self {
            price: *price,
            currency: currency.as_deref(),
            stock: *stock,
        })
    }
}

/// Price and stock of all that a list shows, as one number: equal ones tell the same. The default is that of a list that tells nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shelved(pub(super) u32);

impl Shelved {
    /// Of these entries, in their order. One in 2^32 changes leaves the number as it was: it is told with the next one.
    #[must_use]
    pub fn of<'a>(shown: impl Iterator<Item = Told<'a>>) -> Self {
        let (mut bytes, mut is_any) = (Vec::new(), false);
        for told in shown {
            is_any |= told != Told::default();
            let Told { price, currency, stock } = told;
            let currency = currency.unwrap_or_default();
            bytes.push(stock.map_or(0, code));
            bytes.extend_from_slice(&price.map_or(u64::MAX, f64::to_bits).to_le_bytes());
            bytes.extend_from_slice(&(currency.len() as u64).to_le_bytes());
            bytes.extend_from_slice(currency.as_bytes());
        }
        let [a, b, c, d, ..] = xxh3_64(&bytes).to_le_bytes();
        if is_any { Self(u32::from_le_bytes([a, b, c, d]).max(1)) } else { Self::default() }
    }
}

/// Stocks in the order of the schema's symbols, from 1.
pub(super) const STOCKS: [Stock; 3] = [Stock::In, Stock::Low, Stock::Out];

/// The place of a stock among them, from 1.
fn code(stock: Stock) -> u8 {
    match stock {
        Stock::In => 1,
        Stock::Low => 2,
        Stock::Out => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_told_differently_has_another_number_and_nothing_has_none() {
        let told = |price, currency, stock| Told { price, currency, stock };
        let (none, all) = (Told::default(), told(Some(1.0), Some("EUR"), Some(Stock::In)));
        let lists = [
            vec![none, none],
            vec![all, none],
            vec![none, all],
            vec![all, all],
            vec![told(Some(0.0), None, None), none],
            vec![told(Some(1.0), None, None), none],
            vec![told(None, None, Some(Stock::In)), none],
            vec![told(None, None, Some(Stock::Low)), none],
            vec![told(None, None, Some(Stock::Out)), none],
            vec![told(Some(1.0), Some("USD"), Some(Stock::In)), none],
        ];
        let numbers: Vec<Shelved> = lists.iter().map(|list| Shelved::of(list.iter().copied())).collect();
        assert_eq!((numbers[0], Shelved::of([].into_iter())), (Shelved::default(), Shelved::default()));
        for (at, number) in numbers.iter().enumerate() {
            assert_eq!(numbers.iter().position(|other| other == number), Some(at), "{:?}", lists[at]);
        }
    }
}
