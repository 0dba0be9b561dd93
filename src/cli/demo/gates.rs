//! What keeps wrong entries out of lists, and how to switch it off.

use super::settings;
use crate::config::{Flag, Settings};
use crate::relation::Relation;
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
}

impl Gate {
    /// The name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Llr => "llr",
            Self::Lift => "lift",
            Self::Chance => "chance",
            Self::Bulk => "bulk",
            Self::Repeat => "repeat",
            Self::Session => "session",
        }
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
            Self::Repeat => vec![settings::flag("--without", "counting.repeat_horizon", "1ms")],
            Self::Session => vec![settings::flag("--without", "counting.session_max_items", 1000)],
        }
    }

    /// Switches it on again, as it is by default.
    pub(super) fn on(self, settings: &mut Settings) {
        let default = Settings::default();
        for (rules, default) in settings.lists.iter_mut().zip(&default.lists) {
            match self {
                Self::Support => rules.min_support = default.min_support,
                Self::Llr => rules.min_llr_root = default.min_llr_root,
                Self::Lift => rules.lift_above_one = default.lift_above_one,
                Self::Chance => {
                    rules.min_llr_root = default.min_llr_root;
                    rules.lift_above_one = default.lift_above_one;
                }
                Self::Bulk | Self::Repeat | Self::Session => {}
            }
        }
        let (counting, default) = (&mut settings.counting, default.counting);
        match self {
            Self::Bulk => counting.basket_max = default.basket_max,
            Self::Repeat => counting.repeat_horizon_ms = default.repeat_horizon_ms,
            Self::Session => counting.session_max_items = default.session_max_items,
            Self::Support | Self::Llr | Self::Lift | Self::Chance => {}
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
            assert_eq!(gate.to_possible_value().unwrap().get_name(), gate.name());
        }
    }
}
