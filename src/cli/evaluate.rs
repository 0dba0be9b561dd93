//! `samenloop evaluate`: how good the lists are, by a split in time.

use super::{Outcome, Sets};
use crate::config::Settings;
use crate::rules::Measure;
use clap::{Args, ValueEnum};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use std::path::PathBuf;

const HELP: &str = "\
Examples:
  samenloop evaluate orders.jsonl.gz
  samenloop evaluate clicks.jsonl.gz --task next-view --measures score,cosine,llr";

/// Counts the first part of the events, and asks the lists for what was hidden in the rest.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Events as JSON lines, plain, .gz or .zst
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What is hidden
    #[arg(long, value_enum, default_value_t = Task::Basket)]
    pub(crate) task: Task,
    /// Share of the orders, at the end, that is asked about (basket)
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    pub(crate) split: f64,
    /// Choices of the hidden item to average over (basket)
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) seeds: u32,
    /// Measures to compare, of score, count, cosine, lift, llr
    #[arg(long, value_name = "MEASURE", value_delimiter = ',', default_value = "score,count,cosine,lift,llr", value_parser = measure)]
    pub(crate) measures: Vec<Measure>,
}

/// What an evaluation hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// One item of an order
    Basket,
    /// The next view of a session
    NextView,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "must be between 0 and 1".to_owned())
}

fn measure(text: &str) -> Result<Measure, serde::de::value::Error> {
    Measure::deserialize(text.into_deserializer())
}

pub(super) fn run(_args: EvaluateArgs, _settings: Settings) -> anyhow::Result<Outcome> {
    anyhow::bail!("evaluate is not built yet")
}
