//! The names of the products that a catalogue has, kept only where lists about what nobody has counted want them.
//!
//! Elsewhere a fingerprint is all that is known of an item: who has counted it knows its name.

use super::table::Facts;
use crate::memory::allocated;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A product that the catalogue has, and sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The shop.
    pub shop: Box<str>,
    /// The item.
    pub item: Box<str>,
}

impl Named {
    fn bytes(&self) -> usize {
        size_of::<(u64, Arc<Self>)>()
            + allocated(size_of::<Self>())
            + allocated(self.shop.len())
            + allocated(self.item.len())
    }
}

impl Facts {
    /// The same, keeping names.
    #[must_use]
    pub fn keeping_names(mut self) -> Self {
        self.keeps_names = true;
        self
    }

    /// What an item of the catalogue is called, where names are kept. Variants and what is not sold have none.
    #[must_use]
    pub fn named(&self, item: u64) -> Option<Arc<Named>> {
        self.names.get(&item).map(|found| Arc::clone(&found))
    }

    /// All items that have a name, each by its fingerprint. Whoever is told may ask nothing of the table meanwhile.
    pub fn for_each_named(&self, mut tell: impl FnMut(u64)) {
        self.names.iter().for_each(|found| tell(*found.key()));
    }

    /// The catalogue has an item, and sells it as a product of its own; or not.
    pub(super) fn name(&self, fingerprint: u64, named: Option<[&str; 2]>) {
        let named = named.filter(|_| self.keeps_names);
        if named.is_some() == self.names.contains_key(&fingerprint) {
            return;
        }
        match named {
            Some([shop, item]) => {
                let named = Arc::new(Named { shop: Box::from(shop), item: Box::from(item) });
                self.bytes.fetch_add(named.bytes(), Ordering::Relaxed);
                self.names.insert(fingerprint, named);
            }
            None => {
                let gone = self.names.remove(&fingerprint);
                self.bytes.fetch_sub(gone.map_or(0, |(_, named)| named.bytes()), Ordering::Relaxed);
            }
        }
    }
}
