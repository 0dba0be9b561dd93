//! One item: what is known of it, by default and by what has been said.

use super::catalogue::{Catalogue, CategoryId, Price};
use super::stock::Stock;
use std::sync::Arc;

/// What ranking needs to know of an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ItemFacts {
    /// Active, and a product.
    pub is_sold: bool,
    /// Whether there is any: of a parent, what there is of its variants.
    pub stock: Stock,
    /// The fingerprint of the topmost parent: its own where it has none. Items of one family have the same.
    pub family: u64,
    /// Its narrowest category.
    pub category: Option<CategoryId>,
    /// Interned; equal makers have equal numbers.
    pub brand: Option<u32>,
    /// What it costs.
    pub price: Option<Price>,
    /// Since when it is sold.
    pub launched_ms: Option<i64>,
}

/// What only people need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What it is called.
    pub name: Option<Box<str>>,
    /// Where its page is.
    pub url: Option<Box<str>>,
    /// Where its picture is.
    pub image: Option<Box<str>>,
    /// What it is a bundle of.
    pub parts: Box<[Box<str>]>,
}

impl Text {
    pub(super) fn of(catalogue: &Catalogue<'_>) -> Option<Arc<Self>> {
        let Catalogue { name, url, image, parts, .. } = catalogue;
        let text = |text: &Option<&str>| text.filter(|text| !text.is_empty()).map(Box::from);
        let parts = parts.iter().map(|&part| Box::from(part)).collect();
        let all = Self { name: text(name), url: text(url), image: text(image), parts };
        (all != Self::default()).then(|| Arc::new(all))
    }

    pub(super) fn bytes(&self) -> usize {
        let text = [&self.name, &self.url, &self.image].into_iter().flatten().chain(&self.parts);
        size_of::<Self>() + text.map(|text| text.len() + size_of::<Box<str>>()).sum::<usize>()
    }
}

/// One item. What nobody has said is as by default.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) is_active: bool,
    pub(super) is_countable: bool,
    pub(super) has_catalogue: bool,
    pub(super) own_stock: Option<Stock>,
    pub(super) category: Option<CategoryId>,
    pub(super) brand: u32,
    pub(super) price: Option<Price>,
    pub(super) launched_ms: Option<i64>,
    pub(super) parent: Option<Box<str>>,
    pub(super) parent_fingerprint: u64,
    /// Its variants: how many, of how many anything is known, and of these how many are out of stock, and low.
    pub(super) variants: u32,
    pub(super) told: u32,
    pub(super) out: u32,
    pub(super) low: u32,
    /// How many levels of variants have ever stood below it at once, at most.
    pub(super) below: u8,
    pub(super) text: Option<Arc<Text>>,
}

impl Default for Item {
    fn default() -> Self {
        Self {
            is_active: true,
            is_countable: true,
            has_catalogue: false,
            own_stock: None,
            category: None,
            brand: 0,
            price: None,
            launched_ms: None,
            parent: None,
            parent_fingerprint: 0,
            variants: 0,
            told: 0,
            out: 0,
            low: 0,
            below: 0,
            text: None,
        }
    }
}

impl Item {
    /// What ranking needs to know, but for the family.
    pub(super) fn facts(&self) -> ItemFacts {
        ItemFacts {
            is_sold: self.is_active && self.is_countable,
            stock: self.stock().unwrap_or_default(),
            family: 0,
            category: self.category,
            brand: Some(self.brand).filter(|&brand| brand != 0),
            price: self.price,
            launched_ms: self.launched_ms,
        }
    }

    /// What is known of its stock: by its variants, where anything is known of one.
    pub(super) fn stock(&self) -> Option<Stock> {
        if self.told == 0 {
            return self.own_stock;
        }
        let in_stock = self.variants.saturating_sub(self.out + self.low);
        Some(match (in_stock, self.low) {
            (0, 0) => Stock::Out,
            (0, _) => Stock::Low,
            _ => Stock::In,
        })
    }

    /// What that means for its parent: a variant that is not sold is not to be had.
    pub(super) fn for_parent(&self) -> Option<Stock> {
        if self.is_active && self.is_countable { self.stock() } else { Some(Stock::Out) }
    }

    pub(super) fn count(&mut self, variant: Option<Stock>, is_added: bool) {
        let step = |count: &mut u32| *count = if is_added { *count + 1 } else { count.saturating_sub(1) };
        match variant {
            None => {}
            Some(stock) => {
                step(&mut self.told);
                match stock {
                    Stock::Out => step(&mut self.out),
                    Stock::Low => step(&mut self.low),
                    Stock::In => {}
                }
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<(u64, Self)>() * 8 / 7
            + 1
            + self.parent.as_ref().map_or(0, |parent| parent.len())
            + self.text.as_ref().map_or(0, |text| text.bytes())
    }
}
