//! That no category and no maker takes more of the places that are shown than it may.
//!
//! Places are given in the order of rank to whatever still fits. What does not is displaced: it stands in the reserve, in its order, among what
//! would have stood there anyway. What people put somewhere stays.

use super::list::{Entry, List};
use crate::facts::{CategoryId, Facts, ItemFacts};
use crate::items::Items;
use crate::list_key::About;
use crate::rules::ListRules;

/// Who has how many of the places that were given so far.
#[derive(Default)]
pub(super) struct Spread {
    category_max: Option<usize>,
    brand_max: Option<usize>,
    categories: Vec<CategoryId>,
    brands: Vec<u32>,
}

impl Spread {
    /// Begins another list.
    pub(super) fn begin(&mut self, rules: &ListRules) {
        (self.category_max, self.brand_max) = (rules.category_max, rules.brand_max);
        self.categories.clear();
        self.brands.clear();
    }

    /// Whether an item may have one more place.
    pub(super) fn fits(&self, known: &ItemFacts) -> bool {
        let has_room = |max: Option<usize>, held: &dyn Fn() -> usize| max.is_none_or(|max| held() < max);
        let of_category =
            || known.category.map_or(0, |own| self.categories.iter().filter(|&&held| held == own).count());
        let of_brand = || known.brand.map_or(0, |own| self.brands.iter().filter(|&&held| held == own).count());
        has_room(self.category_max, &of_category) && has_room(self.brand_max, &of_brand)
    }

    /// Gives an item a place.
    pub(super) fn take(&mut self, known: &ItemFacts) {
        if self.category_max.is_some() {
            self.categories.extend(known.category);
        }
        if self.brand_max.is_some() {
            self.brands.extend(known.brand);
        }
    }

    /// The same of an entry, if it fits, or stays where it is.
    pub(super) fn admits(&mut self, entry: &Entry, known: &ItemFacts) -> bool {
        let fits = entry.label.source.is_by_hand() || self.fits(known);
        if fits {
            self.take(known);
        }
        fits
    }
}

/// Leaves among the shown entries of a list at most as many of one category and one maker as its rules allow; what is displaced goes to the
/// reserve, and what stands behind moves up. What has no place in the reserve either is held back. A list about a category is of one.
pub fn spread_out(rules: &ListRules, items: &Items, facts: &Facts, list: &mut List) {
    let mut spread = Spread::default();
    spread.begin(rules);
    if !list.key.list.is_of_row() && list.key.about != About::Shop {
        spread.category_max = None;
    }
    if spread.category_max.is_none() && spread.brand_max.is_none() {
        return;
    }
    let (mut shown, mut behind) = (Vec::new(), Vec::new());
    for entry in list.entries.drain(..) {
        let has_place = shown.len() < rules.length && spread.admits(&entry, &facts.of(items.fingerprint(entry.item)));
        if has_place { shown.push(entry) } else { behind.push(entry) }
    }
    let dropped = behind.split_off(behind.len().min(rules.reserve));
    list.held_back.extend(dropped.iter().map(|entry| entry.item));
    list.shown = shown.len();
    list.entries.extend(shown.into_iter().chain(behind));
}
