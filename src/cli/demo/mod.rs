//! `samenloop demo`: a simulated shop whose truth is known, and what the terminal shows of it.
//!
//! The shop is a crate of its own, `samenloop_shop`, and knows nothing of samenloop; the stages are those of every other
//! command. Here is what drives the one with the other, and what is shown of it.

mod typeset;
mod live;
mod summary;
mod gates;
mod plan;
mod write;
mod ledger;
mod sink;
mod picture;
mod backroom;
mod worker;
mod run;

use super::{Outcome, Sets, settings};
use crate::config::{Flag, Settings};
use clap::Args;
use gates::Gate;
use std::path::PathBuf;

const HELP: &str = "\
On a terminal it shows twelve weeks of the shop as fast as they can be counted, then goes on slowly until \
Ctrl-C. Elsewhere it ends with a summary on stdout. Everything is in memory and gone at the end.

Examples:
  samenloop demo
  samenloop demo --events 200000 --without chance
  samenloop demo --events 50000 --rate 5000
  samenloop demo --events 300000 --seed 7 --write events.jsonl";

/// Runs a simulated shop with planted complements, bulk orders, a crawler and stock that runs out, and shows the lists as they change.
#[derive(Debug, Default, Args)]
#[command(after_help = HELP)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Stop after so many events [default: on a terminal at Ctrl-C, else 300000]
    #[arg(help_heading = "What is shown", long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events: Option<u64>,
    /// So many events a second [default: the first 300000 at full speed, then slow enough to read]
    #[arg(help_heading = "What is shown", long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "write")]
    pub(crate) rate: Option<u64>,
    /// Another shop
    #[arg(help_heading = "What is shown", long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Switch a gate off, to see the harm; may be repeated
    #[arg(help_heading = "What is shown", long, value_name = "GATE", value_enum)]
    pub(crate) without: Vec<Gate>,
    /// Write the events to a file as JSON lines instead; - is stdout
    #[arg(help_heading = "Output", long, value_name = "FILE", conflicts_with_all = ["without", "stay", "listen", "partitions"])]
    pub(crate) write: Option<PathBuf>,
    /// Views of a large shop and nothing else: what speed is measured with
    #[arg(help_heading = "What is shown", long)]
    pub(crate) views_only: bool,
    /// Where simulated time starts, in ms since 1970: the same start gives the same events
    #[arg(long, value_name = "MS", hide = true)]
    pub(crate) start: Option<i64>,
    /// After the summary, keep the HTTP endpoint up until Ctrl-C
    #[arg(help_heading = "Serving", long)]
    pub(crate) stay: bool,
    /// Partitions of both logs
    #[arg(help_heading = "Serving", long, value_name = "N")]
    pub(crate) partitions: Option<u32>,
    /// Host and port of the HTTP endpoint
    #[arg(help_heading = "Serving", long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
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

pub(super) fn run(args: DemoArgs, settings: Settings) -> anyhow::Result<Outcome> {
    match &args.write {
        Some(path) => write::run(&args, path)?,
        None => run::run(&args, &settings)?,
    }
    Ok(Outcome::Done) // broken events are part of the show
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod screen_tests;
#[cfg(test)]
mod served_tests;
