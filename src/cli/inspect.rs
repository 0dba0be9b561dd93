//! `samenloop inspect`: the row behind a list, entry by entry.

use super::{Outcome, Sets};
use crate::config::Settings;
use crate::event::SHOP_DEFAULT;
use crate::relation::Relation;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::PathBuf;

const HELP: &str = "\
Without files it asks a running instance.

Examples:
  samenloop inspect 84879
  samenloop inspect 84879 --list bought-together --url http://127.0.0.1:9180
  samenloop inspect 84879 events.jsonl";

/// Shows every candidate of an item's lists, how it was weighed, and the gate that each rejected one failed.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// The product
    pub(crate) item: String,
    /// Events to count first, as JSON lines, plain, .gz or .zst
    #[arg(value_name = "FILE", conflicts_with = "url")]
    pub(crate) files: Vec<PathBuf>,
    /// Its shop
    #[arg(long, default_value = SHOP_DEFAULT)]
    pub(crate) shop: String,
    /// One list only
    #[arg(long, value_parser = PossibleValuesParser::new(Relation::ALL.map(Relation::list_name)))]
    pub(crate) list: Option<String>,
    /// The instance to ask [default: the one at http.listen]
    #[arg(long)]
    pub(crate) url: Option<String>,
}

pub(super) fn run(_args: InspectArgs, _settings: Settings) -> anyhow::Result<Outcome> {
    anyhow::bail!("inspect is not built yet")
}
