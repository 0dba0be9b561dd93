//! What a record says, and how the table of facts is told.

use crate::facts::{Catalogue, Facts, Kind, Refused, RelationKey, RelationTerms, Stock, Verdict, VerdictKey};
use crate::intake::reject::{Reason, Reject};
use crate::list_key::ListName;
use std::borrow::Cow;

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact<'a> {
    /// The shop.
    pub shop: Cow<'a, str>,
    /// What is said.
    pub said: Said<'a>,
    /// How many of its texts were cut or left out.
    pub shortened: u32,
}

/// A fact of some kind; none: that it counts no more.
#[derive(Clone, Debug, PartialEq)]
pub enum Said<'a> {
    /// Of the catalogue.
    Catalogue {
        /// Whose.
        item: Cow<'a, str>,
        /// What it is.
        catalogue: Option<Box<CatalogueTexts<'a>>>,
    },
    /// Of stock.
    Stock {
        /// Whose.
        item: Cow<'a, str>,
        /// What there is of it.
        stock: Option<Stock>,
    },
    /// A relation kept by hand.
    Relation {
        /// Whose lists.
        anchor: Cow<'a, str>,
        /// What is shown in them.
        other: Cow<'a, str>,
        /// How they go together.
        kind: Kind,
        /// Where and when.
        terms: Option<RelationTerms>,
    },
    /// A verdict.
    Verdict {
        /// In which list; none is all.
        list: Option<ListName>,
        /// In whose lists; none is everybody's.
        anchor: Option<Cow<'a, str>>,
        /// What it is about.
        other: Cow<'a, str>,
        /// What was said.
        verdict: Option<Box<Verdict>>,
    },
}

/// What the catalogue says of an item, as it stood in a record.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // as of `Catalogue`
pub struct CatalogueTexts<'a> {
    pub parent: Option<Cow<'a, str>>,
    pub category: Vec<Cow<'a, str>>,
    pub brand: Option<Cow<'a, str>>,
    pub price: Option<f64>,
    pub currency: Option<Cow<'a, str>>,
    pub active: bool,
    pub countable: bool,
    pub launched_ms: Option<i64>,
    pub name: Option<Cow<'a, str>>,
    pub url: Option<Cow<'a, str>>,
    pub image: Option<Cow<'a, str>>,
    pub parts: Vec<Cow<'a, str>>,
}

impl Fact<'_> {
    /// Tells the table of facts.
    ///
    /// # Errors
    /// [`Reject`] when the table does not take it, or not all of it.
    pub fn tell(&self, facts: &Facts) -> Result<(), Reject> {
        let shop = &*self.shop;
        let told = match &self.said {
            Said::Catalogue { item, catalogue } => {
                let catalogue = catalogue.as_deref().map(CatalogueTexts::borrowed);
                facts.set_catalogue(shop, item, catalogue.as_ref())
            }
            Said::Stock { item, stock } => facts.set_stock(shop, item, *stock),
            Said::Relation { anchor, other, kind, terms } => {
                facts.set_relation(shop, RelationKey { anchor, other, kind: *kind }, terms.as_ref())
            }
            Said::Verdict { list, anchor, other, verdict } => {
                let key = VerdictKey { list: *list, anchor: anchor.as_deref(), other };
                facts.set_verdict(shop, key, verdict.as_deref().cloned())
            }
        };
        told.map_err(|refused| {
            let reason = match refused {
                Refused::Loop | Refused::Deep => Reason::BadParent,
                Refused::Manual => Reason::TooMany,
                Refused::Memory => Reason::NoMemory,
            };
            Reject::new(reason, refused.to_string())
        })
    }
}

impl CatalogueTexts<'_> {
    fn borrowed(&self) -> Catalogue<'_> {
        Catalogue {
            parent: self.parent.as_deref(),
            category: self.category.iter().map(AsRef::as_ref).collect(),
            brand: self.brand.as_deref(),
            price: self.price,
            currency: self.currency.as_deref(),
            active: self.active,
            countable: self.countable,
            launched_ms: self.launched_ms,
            name: self.name.as_deref(),
            url: self.url.as_deref(),
            image: self.image.as_deref(),
            parts: self.parts.iter().map(AsRef::as_ref).collect(),
        }
    }
}
