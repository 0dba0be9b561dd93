//! What the catalogue says of one item.

/// A way of categories, interned: equal ways have equal numbers, in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CategoryId(pub u32);

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// In units of the currency; not negative, and finite.
    pub amount: f64,
    /// Interned: prices of different currencies are not compared. 0 is none given.
    pub currency: u16,
}

/// What the catalogue says of one item. Borrowed from the record that brings it.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue<'a> {
    /// The item that this is a variant of: it counts as that one.
    pub parent: Option<&'a str>,
    /// From the widest category to the narrowest; empty where none is given.
    pub category: Vec<&'a str>,
    /// Who makes it.
    pub brand: Option<&'a str>,
    /// What it costs: an amount in units of the currency.
    pub price: Option<f64>,
    /// The currency, as in ISO 4217.
    pub currency: Option<&'a str>,
    /// Whether it is sold at all.
    pub active: bool,
    /// Whether it is a product: fees, deposits and samples are not. What is not is neither counted nor shown.
    pub countable: bool,
    /// Since when it is sold, in ms since 1970.
    pub launched_ms: Option<i64>,
    /// What people call it.
    pub name: Option<&'a str>,
    /// Where its page is.
    pub url: Option<&'a str>,
    /// Where its picture is.
    pub image: Option<&'a str>,
    /// The items that it is a bundle of.
    pub parts: Vec<&'a str>,
}

impl Default for Catalogue<'_> {
    fn default() -> Self {
        Self {
            parent: None,
            category: Vec::new(),
            brand: None,
            price: None,
            currency: None,
            active: true,
            countable: true,
            launched_ms: None,
            name: None,
            url: None,
            image: None,
            parts: Vec::new(),
        }
    }
}
