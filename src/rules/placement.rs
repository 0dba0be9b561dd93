//! What a placement is put together from: a page or a mail, and which lists in which order fill how many of its places.

use crate::list_key::{Base, ListName};

/// How many lists a placement may be put together from.
pub const PARTS_MAX: usize = 8;

/// A list in a placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub list: ListName,
    /// How many places it may fill.
    pub places: u16,
}

/// The lists of a placement, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts([Option<Part>; PARTS_MAX]);

impl Parts {
    /// The first [`PARTS_MAX`] of these.
    #[must_use]
    pub fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut all = Self::default();
        all.0.iter_mut().zip(parts).for_each(|(place, part)| *place = Some(part));
        all
    }

    /// The lists, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Part> + use<> {
        self.0.into_iter().flatten()
    }

    /// Whether a list may be part of a placement: both are about the same.
    #[must_use]
    pub fn may_hold(placement: ListName, list: ListName) -> bool {
        match (placement.base(), list.base()) {
            (Base::Placement { of_shop }, Base::Row { .. }) => !of_shop,
            (Base::Placement { of_shop }, Base::Shop) => of_shop,
            _ => false,
        }
    }

    /// The defaults of a placement: of lists about items, those that are on by default.
    pub(super) fn of_placement(placement: ListName) -> Self {
        let parts: &[(&str, u16)] = match placement.name() {
            "product-page" => &[("bought-together", 4), ("viewed-together", 6)],
            "cart" => &[("bought-together", 6), ("carted-together", 4)],
            "checkout" => &[("bought-together", 4)],
            "order-confirmation" | "mail" => &[("also-bought", 4), ("bought-together", 4)],
            "not-found" => &[("best-sellers", 10)],
            _ => &[("trending", 4), ("best-sellers", 6), ("new", 4)],
        };
        let part = |&(name, places): &(&str, u16)| ListName::find(name).map(|list| Part { list, places });
        Self::of(parts.iter().filter_map(part))
    }

    /// What an entry may cost by default, as a share of what the item costs: who pays is not to be led to something else.
    pub(super) fn price_at_most(placement: ListName) -> Option<f64> {
        (placement.name() == "checkout").then_some(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_parts_of_a_placement_are_lists_about_the_same() {
        for placement in ListName::placements() {
            let parts = Parts::of_placement(placement);
            assert!(parts.iter().count() > 0);
            assert!(parts.iter().all(|part| Parts::may_hold(placement, part.list)), "{}", placement.name());
            assert!(!Parts::may_hold(placement, placement));
        }
    }
}
