//! Gates: what a candidate must pass to be in a list, in a fixed order.

use super::measure::Figures;
use crate::rules::ListRules;
use serde::{Deserialize, Serialize};

/// The gates, in the order in which they are tried. The first one failed is the one that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Too few contexts behind the pair.
    Support,
    /// A total of the anchor, the candidate or the shop is not known (yet).
    Totals,
    /// Not together more than by chance.
    Lift,
    /// Too little evidence.
    LlrRoot,
    /// Too few orders to say what it is bought along with.
    Orders,
    /// Bought together more than by chance: no alternative.
    Together,
    /// Mostly viewed in place of the other: no complement.
    Instead,
    /// The shop says that the two never go together.
    Never,
    /// A specialist says that it does not belong here.
    Rejected,
    /// It is not sold, or is no product.
    NotSold,
    /// There is none.
    OutOfStock,
    /// It is a variant of the anchor's family, or of one that is in the list already.
    Family,
    /// Its category is not one that the list shows for this anchor.
    Category,
    /// It costs too little, or too much, beside the anchor; or nobody knows, where the list needs to.
    Price,
    /// It is of a maker that the list does not show for this anchor.
    Brand,
    /// It leads as many lists as one item may; this one it may not.
    Exposure,
    /// Its category has all the places among the shown entries that one may have.
    CategoryPlaces,
    /// The same of its maker.
    BrandPlaces,
    /// It stands in the placement already, from another of its lists.
    Twice,
    /// Passed every gate, but others rank higher.
    Rank,
}

impl Gate {
    /// The gates that settings can switch off.
    pub const OPTIONAL: [Self; 3] = [Self::Support, Self::Lift, Self::LlrRoot];

    /// The name used in settings and explanations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Totals => "totals",
            Self::Lift => "lift",
            Self::LlrRoot => "llr-root",
            Self::Orders => "orders",
            Self::Together => "together",
            Self::Instead => "instead",
            Self::Never => "never",
            Self::Rejected => "rejected",
            Self::NotSold => "not-sold",
            Self::OutOfStock => "out-of-stock",
            Self::Family => "family",
            Self::Category => "category",
            Self::Price => "price",
            Self::Brand => "brand",
            Self::Exposure => "exposure",
            Self::CategoryPlaces => "category-places",
            Self::BrandPlaces => "brand-places",
            Self::Twice => "twice",
            Self::Rank => "rank",
        }
    }

    /// The gate called `name`, of those that can be switched off.
    #[must_use]
    pub fn optional(name: &str) -> Option<Self> {
        Self::OPTIONAL.into_iter().find(|gate| gate.name() == name)
    }

    /// Switches this gate off. The others stay: they may stop what this one did.
    pub fn switch_off(self, rules: &mut ListRules) {
        match self {
            Self::Support => rules.min_support = 0,
            Self::Lift => rules.lift_above_one = false,
            Self::LlrRoot => rules.min_llr_root = None,
            _ => {}
        }
    }
}

/// The first gate that fails, but for the root LLR, which costs four logarithms and is tried last.
pub(super) fn failed_cheap(rules: &ListRules, support: u32, figures: &Figures) -> Option<Gate> {
    if support < rules.min_support {
        return Some(Gate::Support);
    }
    if !figures.are_known() {
        return Some(Gate::Totals);
    }
    let by_chance = figures.anchor * figures.other;
    (rules.lift_above_one && figures.pair * figures.contexts <= by_chance).then_some(Gate::Lift)
}

/// The same where people may have approved of the candidate: then only what is not known stops it.
pub(super) fn failed_before(rules: &ListRules, support: u32, figures: &Figures, is_approved: bool) -> Option<Gate> {
    match is_approved {
        true => (!figures.are_known()).then_some(Gate::Totals),
        false => failed_cheap(rules, support, figures),
    }
}

/// Whether the root LLR fails.
pub(super) fn failed_root(rules: &ListRules, root: f64) -> Option<Gate> {
    rules.min_llr_root.is_some_and(|smallest| root < smallest).then_some(Gate::LlrRoot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relation::Relation;

    fn first_failed(rules: &ListRules, support: u32, figures: Figures) -> Option<Gate> {
        failed_cheap(rules, support, &figures).or_else(|| failed_root(rules, figures.llr_root()))
    }

    #[test]
    fn the_first_failed_gate_is_named_and_each_can_be_switched_off() {
        let rules = ListRules::of(Relation::BoughtTogether);
        let by_chance = Figures::new(10.0, 100.0, 100.0, 1000.0);
        let thin = Figures::new(2.0, 100.0, 10.0, 1000.0);
        let good = Figures::new(20.0, 100.0, 50.0, 1000.0);
        let unknown = Figures::new(20.0, 100.0, 0.0, 1000.0);
        let cases = [
            (2, by_chance, Some(Gate::Support)),
            (3, unknown, Some(Gate::Totals)),
            (3, by_chance, Some(Gate::Lift)),
            (3, thin, Some(Gate::LlrRoot)),
            (3, good, None),
        ];
        for (support, figures, gate) in cases {
            assert_eq!(first_failed(&rules, support, figures), gate, "{figures:?}");
        }
        let without = |gate: Gate| {
            let mut rules = rules.clone();
            gate.switch_off(&mut rules);
            rules
        };
        let smallest = rules.min_llr_root.unwrap();
        assert_eq!(failed_root(&rules, smallest), None, "enough is enough");
        assert_eq!(failed_root(&rules, smallest.next_down()), Some(Gate::LlrRoot));
        assert_eq!(first_failed(&without(Gate::Support), 0, good), None);
        assert_eq!(first_failed(&without(Gate::LlrRoot), 3, thin), None);
        assert_eq!(first_failed(&without(Gate::Lift), 3, by_chance), Some(Gate::LlrRoot));
        assert_eq!(Gate::OPTIONAL.map(|gate| Gate::optional(gate.name())), Gate::OPTIONAL.map(Some));
        assert_eq!(Gate::optional("rank"), None);
    }
}
