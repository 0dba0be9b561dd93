//! `samenloop config`: the settings in force.

use super::{Outcome, Sets, output};
use crate::config::{ANNOTATED, Settings};
use clap::Args;
use std::io::Write as _;

const HELP: &str = "\
Examples:
  samenloop config --defaults > shop.toml
  SAMENLOOP_COUNTING__SESSION_GAP=20m samenloop --config shop.toml config";

/// Prints the settings in force as TOML, secrets hidden.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Print the annotated file of all settings with their defaults instead
    #[arg(long)]
    defaults: bool,
}

pub(super) fn run(args: ConfigArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let effective;
    let text = if args.defaults {
        ANNOTATED
    } else {
        effective = settings.to_toml()?;
        &effective
    };
    let mut out = output::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Outcome::Done)
}
