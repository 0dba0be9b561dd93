//! What keeps wrong entries out of lists, and how to switch it off.

use super::settings;
use crate::config::{Flag, Settings};
use crate::relation::Relation;
use crate::rules::ListRules;
use clap::ValueEnum;

/// What keeps wrong entries out of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gate {
    /// Fewest contexts behind an entry
    Support,
    /// Evidence behind an entry
    Llr,
    /// Together more often than by chance
    Lift,
    /// Both tests against chance: llr and lift
    Chance,
    /// Orders of very many items make no pairs
    Bulk,
    /// What a customer orders again and again counts less
    Repeat,
    /// Only the first items of a session count
    Session,
    /// What is sold out is not shown
    Stock,
}

impl Gate {
    /// The name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()) // none is hidden
    }

    /// The settings that switch it off.
    pub(super) fn off(self) -> Vec<Flag> {
        let every_list = |name: &str, value: &str| {
            let keys = Relation::ALL.map(|relation| format!("lists.{}.{name}", relation.list_name()));
            keys.iter().map(|key| settings::flag("--without", key, value)).collect::<Vec<_>>()
        };
        match self {
            Self::Support => every_list("min_support", "1"),
            Self::Llr => every_list("min_llr_root", "off"),
            Self::Lift => every_list("lift_above_one", "false"),
            Self::Chance => Self::Llr.off().into_iter().chain(Self::Lift.off()).collect(),
            Self::Bulk => vec![settings::flag("--without", "counting.basket_max", 10_000)],
            Self::Repeat => vec![
                settings::flag("--without", "counting.repeat_horizon", "1ms"),
                settings::flag("--without", "counting.together_orders", 0),
            ],
            Self::Session => vec![settings::flag("--without", "counting.session_max_items", 1000)],
            Self::Stock => every_list("in_stock", "false"),
        }
    }

    /// Switches it on again, as it is by default.
    pub(super) fn on(self, settings: &mut Settings) {
        let Settings { counting, lists, .. } = Settings::default();
        let every_list = |settings: &mut Settings, set: fn(&mut ListRules, &ListRules)| {
            settings.lists.iter_mut().zip(&lists).for_each(|(rules, default)| set(rules, default));
        };
        match self {
            Self::Support => every_list(settings, |rules, default| rules.min_support = default.min_support),
            Self::Llr => every_list(settings, |rules, default| rules.min_llr_root = default.min_llr_root),
            Self::Lift => every_list(settings, |rules, default| rules.lift_above_one = default.lift_above_one),
            Self::Chance => [Self::Llr, Self::Lift].into_iter().for_each(|gate| gate.on(settings)),
            Self::Bulk => settings.counting.basket_max = counting.basket_max,
            Self::Repeat => {
                settings.counting.repeat_horizon_ms = counting.repeat_horizon_ms;
                settings.counting.together_orders = counting.together_orders;
            }
            Self::Session => settings.counting.session_max_items = counting.session_max_items,
            Self::Stock => every_list(settings, |rules, default| rules.shown.in_stock = default.shown.in_stock),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    #[test]
    fn each_gate_can_be_switched_off_and_on_again() {
        for gate in Gate::value_variants() {
            let layers = Layers { flags: gate.off(), ..Layers::default() };
            let mut settings = Settings::load(&layers).unwrap();
            assert_ne!(settings, Settings::default(), "{gate:?}");
            gate.on(&mut settings);
            assert_eq!(settings, Settings::default(), "{gate:?}");
            assert!(!gate.name().is_empty());
        }
    }
}
