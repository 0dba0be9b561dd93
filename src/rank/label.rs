//! Where an entry comes from, and what people said of it.

use crate::list_key::ListName;
use crate::relation::Kind;
use serde::{Deserialize, Serialize};

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// From counted co-occurrence.
    #[default]
    Counted,
    /// From a relation that the shop keeps by hand.
    Manual,
    /// Put at its place by a verdict.
    Pinned,
    /// From the lists of the anchor's own entries.
    Second,
    /// Counted, with less evidence than the list asks for.
    Thin,
    /// From the list of the anchor's parent.
    Parent,
    /// From the list of the anchor's category.
    Category,
    /// From the list of the whole shop.
    Shop,
}

impl Source {
    /// All of them, in their order.
    pub const ALL: [Self; 8] =
        [Self::Counted, Self::Manual, Self::Pinned, Self::Second, Self::Thin, Self::Parent, Self::Category, Self::Shop];

    /// Whether people put an entry there.
    #[must_use]
    pub fn is_by_hand(self) -> bool {
        matches!(self, Self::Manual | Self::Pinned)
    }

    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Manual => "manual",
            Self::Pinned => "pinned",
            Self::Second => "second",
            Self::Thin => "thin",
            Self::Parent => "parent",
            Self::Category => "category",
            Self::Shop => "shop",
        }
    }
}

/// What a verdict said of an entry that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It is right here.
    Approved,
    /// It belongs at this place.
    Pinned,
    /// It belongs further to the front, or to the back.
    Boosted,
}

impl Said {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Approved, Self::Pinned, Self::Boosted];

    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Pinned => "pinned",
            Self::Boosted => "boosted",
        }
    }
}

/// Where an entry comes from, and what people said of it. Of what is only counted: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Label {
    /// Where it comes from.
    pub source: Source,
    /// What a verdict said of it.
    pub verdict: Option<Said>,
    /// Which relation the shop keeps by hand.
    pub relation: Option<Kind>,
    /// In a placement: the list that it is from.
    pub list: Option<ListName>,
}

const SAID_SHIFT: u32 = 4;
const RELATION_SHIFT: u32 = 6;
const LIST_SHIFT: u32 = 9;
/// How many bits a label takes.
pub const LABEL_BITS: u32 = 13;

const _: () = assert!(Source::ALL.len() <= 1 << SAID_SHIFT);
const _: () = assert!(Said::ALL.len() < 1 << (RELATION_SHIFT - SAID_SHIFT));
const _: () = assert!(Kind::SHOWN.len() < 1 << (LIST_SHIFT - RELATION_SHIFT));
/// How many lists may be part of a placement: the first ones.
const LISTS: usize = (1 << (LABEL_BITS - LIST_SHIFT)) - 1;

impl Label {
    /// In [`LABEL_BITS`] bits; 0 is what is only counted.
    #[must_use]
    pub fn bits(self) -> u16 {
        let verdict = self.verdict.and_then(|verdict| place(&Said::ALL, verdict)).map_or(0, |place| place + 1);
        let relation = self.relation.and_then(|kind| place(&Kind::SHOWN, kind)).map_or(0, |place| place + 1);
        let list = self.list.and_then(|list| place(&ListName::ALL[..LISTS], list)).map_or(0, |place| place + 1);
        let source = place(&Source::ALL, self.source).unwrap_or(0);
        source | verdict << SAID_SHIFT | relation << RELATION_SHIFT | list << LIST_SHIFT
    }

    /// From these bits. What no label has is left out.
    #[must_use]
    pub fn of_bits(bits: u16) -> Self {
        let at = |shift: u32, end: u32| usize::from(bits >> shift & ((1 << (end - shift)) - 1));
        Self {
            source: Source::ALL.get(at(0, SAID_SHIFT)).copied().unwrap_or_default(),
            verdict: at(SAID_SHIFT, RELATION_SHIFT).checked_sub(1).and_then(|place| Said::ALL.get(place)).copied(),
            relation: at(RELATION_SHIFT, LIST_SHIFT).checked_sub(1).and_then(|place| Kind::SHOWN.get(place)).copied(),
            list: at(LIST_SHIFT, LABEL_BITS).checked_sub(1).and_then(|place| ListName::ALL.get(place)).copied(),
        }
    }
}

fn place<T: PartialEq>(all: &[T], one: T) -> Option<u16> {
    all.iter().position(|known| *known == one).and_then(|place| u16::try_from(place).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_that_may_be_part_of_a_placement_has_a_place_in_a_label() {
        let parts = ListName::ALL.into_iter().filter(|list| !list.is_placement());
        assert!(parts.map(ListName::index).all(|index| index < LISTS));
    }

    #[test]
    fn every_label_is_read_back_from_its_bits_and_only_counted_is_none() {
        let options = |all: &[Said]| all.iter().copied().map(Some).chain([None]).collect::<Vec<_>>();
        let mut seen = std::collections::HashSet::new();
        for source in Source::ALL {
            for verdict in options(&Said::ALL) {
                for relation in Kind::SHOWN.map(Some).into_iter().chain([None]) {
                    for list in ListName::ALL[..LISTS].iter().copied().map(Some).chain([None]) {
                        let label = Label { source, verdict, relation, list };
                        assert_eq!(Label::of_bits(label.bits()), label);
                        assert!(seen.insert(label.bits()) && label.bits() < 1 << LABEL_BITS);
                        assert_eq!(label.bits() == 0, label == Label::default());
                    }
                }
            }
        }
    }
}
