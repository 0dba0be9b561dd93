//! A table of items as it is kept: names in the order of their numbers, so that reading them gives the same numbers.
//!
//! Names only come, so nothing has to be saved before it changes: a moment is two counts.

use super::{Entry, ItemId, Items, ShopId, fingerprint, small};
use crate::saved::{SavedError, Saving, frame, put, take};

/// About how many bytes one portion has.
const PORTION_BYTES: usize = 64 << 10;
/// Longest id, whatever length a portion says: what it is made of was not written here then.
const NAME_BYTES_MAX: usize = crate::limits::ID_BYTES_MAX;

/// A table that is being saved, as it was at one moment.
#[derive(Debug)]
pub struct ItemsSaving {
    shops: std::ops::Range<usize>,
    items: std::ops::Range<usize>,
}

impl ItemsSaving {
    /// Appends the next frame, of kind `kind`, of the table that this was made of.
    pub fn save(&mut self, items: &Items, kind: u8, out: &mut Vec<u8>) -> Saving {
        frame(out, kind, |out| {
            let full = out.len() + PORTION_BYTES;
            let shops = self.shops.start..self.shops.end.min(self.shops.start.saturating_add(PORTION_BYTES / 16));
            put(out, &(small(shops.start), small(shops.len())));
            self.shops.start = shops.end;
            shops.for_each(|shop| put(out, &*items.shops[shop]));
            put(out, &small(self.items.start));
            while self.shops.is_empty() && !self.items.is_empty() && out.len() < full {
                let item = ItemId(small(self.items.start));
                put(out, &(items.shop_of(item), items.name(item)));
                self.items.start += 1;
            }
        });
        if self.shops.is_empty() && self.items.is_empty() { Saving::Done } else { Saving::More }
    }
}

impl Items {
    /// Begins to save the table as it is now.
    #[must_use]
    pub fn begin_save(&self) -> ItemsSaving {
        ItemsSaving { shops: 0..self.shops.len(), items: 0..self.entries.len() }
    }

    /// Takes up the body of a frame. Frames come in the order in which they were made; by its name an item is found again once all have been
    /// [`loaded`](Self::loaded).
    ///
    /// # Errors
    /// When it is none, or not the next one.
    pub fn load(&mut self, mut body: &[u8]) -> Result<(), SavedError> {
        let (first, count): (u32, u32) = take(&mut body, "a portion of shops")?;
        is_next(first, self.shops.len(), "shop")?;
        for number in 0..count {
            let name: &str = take(&mut body, "a shop's name")?;
            is_short(name)?;
            let shop = self.shop(name);
            is_next(first + number, shop.index(), "shop")?;
        }
        let first: u32 = take(&mut body, "a portion of items")?;
        is_next(first, self.len(), "item")?;
        while !body.is_empty() {
            let (shop, name): (ShopId, &str) = take(&mut body, "an item's name")?;
            is_short(name)?;
            if shop.index() >= self.shops.len() {
                return Err(SavedError::unfit(format!("an item of shop {}, of {}", shop.0, self.shops.len())));
            }
            let start = self.names.len();
            self.entries.push(Entry::new(shop, fingerprint(&self.shops[shop.index()], name), start, name.len()));
            self.names.push_str(name);
        }
        Ok(())
    }

    /// All frames have been taken up.
    ///
    /// # Errors
    /// When a name came twice.
    pub fn loaded(&mut self) -> Result<(), SavedError> {
        let Self { entries, names, index, .. } = self;
        let same = |one: u32, other: u32| {
            let [one, other] = [one, other].map(|id| &entries[id as usize]);
            let name_of = |entry: &Entry| &names.as_bytes()[entry.range()];
            (one.fingerprint, one.shop) == (other.fingerprint, other.shop) && name_of(one) == name_of(other)
        };
        match index.take_in(entries, same) {
            Some(twice) => Err(SavedError::unfit(format!("item {twice} is an earlier one"))),
            None => Ok(()),
        }
    }
}

fn is_next(number: u32, expected: usize, what: &str) -> Result<(), SavedError> {
    if number as usize == expected {
        return Ok(());
    }
    Err(SavedError::unfit(format!("{what} {number} where {expected} was expected")))
}

fn is_short(name: &str) -> Result<(), SavedError> {
    if name.len() <= NAME_BYTES_MAX { Ok(()) } else { Err(SavedError::unfit("a name longer than any id")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saved::frames;

    fn saved(items: &Items, saving: &mut ItemsSaving) -> Vec<u8> {
        let mut out = Vec::new();
        while saving.save(items, 3, &mut out) == Saving::More {}
        out
    }

    #[test]
    fn a_table_comes_back_as_it_was_when_saving_began() {
        let mut items = Items::default();
        let shops = [items.shop("main"), items.shop("other")];
        for number in 0..30_000_u32 {
            items.item(shops[number as usize % 2], &format!("item {number}"));
        }
        let mut saving = items.begin_save();
        items.item(shops[0], "came later");
        items.shop("came later");
        let bytes = saved(&items, &mut saving);
        let mut read = Items::default();
        let mut portions = 0;
        for frame in frames(&bytes) {
            read.load(frame.unwrap().1).unwrap();
            portions += 1;
        }
        assert!(portions > 2, "{portions} portions");
        read.loaded().unwrap();
        assert_eq!((read.len(), read.shop_count()), (30_000, 2));
        for id in read.ids() {
            assert_eq!((read.name(id), read.shop_of(id)), (items.name(id), items.shop_of(id)));
            assert_eq!(read.fingerprint(id), items.fingerprint(id));
            assert_eq!(read.find_item(read.shop_name(read.shop_of(id)), read.name(id)), Some(id));
        }
        let shop = read.shop("main");
        assert_eq!(read.item(shop, "item 2"), ItemId(2), "known");
        assert_eq!(read.item(shop, "item 1"), ItemId(30_000), "another shop's");
    }

    #[test]
    fn a_name_that_comes_twice_is_refused() {
        let body = |names: &[(u32, &str)]| {
            let mut body = Vec::new();
            put(&mut body, &(0_u32, 2_u32));
            ["main", "other"].iter().for_each(|shop| put(&mut body, shop));
            put(&mut body, &0_u32);
            names.iter().for_each(|&(shop, name)| put(&mut body, &(ShopId(shop), name)));
            body
        };
        let loaded = |names: &[(u32, &str)]| {
            let mut items = Items::default();
            items.load(&body(names)).and_then(|()| items.loaded())
        };
        assert_eq!(loaded(&[(0, "a"), (0, "b"), (1, "a")]), Ok(()));
        assert!(matches!(loaded(&[(0, "a"), (0, "b"), (0, "a")]), Err(SavedError::Unfit { .. })));
        assert_eq!(loaded(&[]), Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut items = Items::default();
        let shop = items.shop("main");
        items.item(shop, "one");
        let bytes = saved(&items, &mut items.begin_save());
        let body = frames(&bytes).next().unwrap().unwrap().1;
        assert!(matches!(items.load(body), Err(SavedError::Unfit { .. })), "read twice");
        for end in 0..body.len() {
            // Cut between two items it is a shorter table, which whoever counts them notices.
            let _ = Items::default().load(&body[..end]);
        }
        let mut other = Vec::new();
        put(&mut other, &(0_u32, 0_u32));
        put(&mut other, &0_u32);
        put(&mut other, &(ShopId(7), "x"));
        assert!(matches!(Items::default().load(&other), Err(SavedError::Unfit { .. })), "of no shop");
    }
}
