//! `samenloop demo`: a simulated shop whose truth is known, and what the terminal shows of it.
//!
//! The shop is a pure function of a seed and its settings: the same seed gives the same bytes. It has no clock; time
//! starts where the caller says and moves with the customers. Absent: the stages (they are those of every other
//! command) and any knowledge of how they count.

mod assortment;
pub mod catalogue;
mod orders;
mod visits;
mod outsiders;
mod noise;
mod line;
pub mod shop;
pub mod truth;
pub mod typeset;
pub mod live;
pub mod summary;

use super::{Outcome, Sets, settings};
use crate::config::{Flag, Settings};
use crate::relation::Relation;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

const HELP: &str = "\
Examples:
  samenloop demo
  samenloop demo --events 200000 --without lift
  samenloop demo --events 300000 --seed 7 --write events.jsonl";

/// Runs a simulated shop with planted complements, bulk orders and a crawler, and shows the lists as they change.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Stop after so many events [default: at Ctrl-C]
    #[arg(long, value_name = "N")]
    pub(crate) events: Option<u64>,
    /// Another shop
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Switch a gate off, to see the harm; may be repeated
    #[arg(long, value_name = "GATE", value_enum)]
    pub(crate) without: Vec<Gate>,
    /// Write the events to a file as JSON lines instead
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Partitions of both logs
    #[arg(long, value_name = "N")]
    pub(crate) partitions: Option<u32>,
    /// Host and port of the HTTP endpoint
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
}

/// What keeps wrong entries out of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gate {
    /// Fewest contexts behind an entry
    Support,
    /// Surprise behind an entry
    Llr,
    /// Together more often than by chance
    Lift,
    /// Orders of very many items make no pairs
    Bulk,
    /// Only the first items of a session count
    Session,
}

impl Gate {
    /// The settings that switch it off.
    fn off(self) -> Vec<Flag> {
        let every_list = |name: &str, value: &str| {
            let keys = Relation::ALL.map(|relation| format!("lists.{}.{name}", relation.list_name()));
            keys.iter().map(|key| settings::flag("--without", key, value)).collect()
        };
        match self {
            Self::Support => every_list("min_support", "1"),
            Self::Llr => every_list("min_llr_root", "off"),
            Self::Lift => every_list("lift_above_one", "false"),
            Self::Bulk => vec![settings::flag("--without", "counting.basket_max", 10_000)],
            Self::Session => vec![settings::flag("--without", "counting.session_max_items", 1000)],
        }
    }
}

impl DemoArgs {
    /// The settings that its flags stand for.
    pub(super) fn settings(&self) -> Vec<Flag> {
        let mut flags: Vec<Flag> = self.without.iter().flat_map(|gate| gate.off()).collect();
        flags.extend(self.partitions.into_iter().flat_map(settings::partitions));
        flags.extend(self.listen.as_ref().map(|listen| settings::flag("--listen", "http.listen", listen)));
        flags
    }
}

pub(super) fn run(_args: DemoArgs, _settings: Settings) -> anyhow::Result<Outcome> {
    anyhow::bail!("demo is not built yet")
}

#[cfg(test)]
mod gates {
    use super::*;
    use crate::config::Layers;

    #[test]
    fn each_gate_can_be_switched_off() {
        for gate in Gate::value_variants() {
            let layers = Layers { flags: gate.off(), ..Layers::default() };
            let settings = Settings::load(&layers).unwrap();
            assert_ne!(settings, Settings::default(), "{gate:?}");
        }
    }
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod screen_tests;
