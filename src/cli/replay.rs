//! `samenloop replay`: files of events to lists, changes or counts.

use super::{Outcome, Sets, settings};
use crate::config::{Flag, Settings};
use clap::Args;
use std::path::PathBuf;

const HELP: &str = "\
Several files are several sources, merged by event time. Lines that cannot be used are told on stderr; the exit code is 3
when there were any.

Examples:
  samenloop replay events.jsonl --lists lists.jsonl
  samenloop replay orders.jsonl.gz views.jsonl.zst --changes changes.jsonl --counts counts.tsv
  zcat events.jsonl.gz | samenloop replay - --lists -";

/// Counts the events of files and writes what comes of them.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Events as JSON lines, plain, .gz or .zst; - is stdin
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write the final lists, everything exact and ranked at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) lists: Option<PathBuf>,
    /// Write each change as it would have been published live
    #[arg(long, value_name = "FILE")]
    pub(crate) changes: Option<PathBuf>,
    /// Write the final counts
    #[arg(long, value_name = "FILE")]
    pub(crate) counts: Option<PathBuf>,
    /// Partitions of both logs
    #[arg(long, value_name = "N")]
    pub(crate) partitions: Option<u32>,
    /// Decay counts to this time, ms since 1970 [default: the latest event]
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    pub(crate) as_of: Option<i64>,
    /// Send every block of the logs twice: nothing may change
    #[arg(long)]
    pub(crate) resend_blocks: bool,
    /// Close a block of the logs after so many records
    #[arg(long, value_name = "N")]
    pub(crate) block_records: Option<usize>,
    /// Serve HTTP meanwhile, and afterwards until Ctrl-C
    #[arg(long)]
    pub(crate) http: bool,
}

impl ReplayArgs {
    /// The settings that its flags stand for.
    pub(super) fn settings(&self) -> Vec<Flag> {
        let mut flags: Vec<Flag> = self.partitions.into_iter().flat_map(settings::partitions).collect();
        flags.extend(self.block_records.map(|count| settings::flag("--block-records", "logs.block_records", count)));
        flags
    }
}

pub(super) fn run(_args: ReplayArgs, _settings: Settings) -> anyhow::Result<Outcome> {
    anyhow::bail!("replay is not built yet")
}
