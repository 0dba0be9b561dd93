//! `samenloop report`: how a shop's lists stand, as a page for people and as JSON.
//!
//! It is made of what it is given: files of events, which are counted here; records of lists, as `replay --lists` writes them or the topic
//! holds them; a running instance. What cannot be known from these is said, not left out in silence. Nothing is changed anywhere.

mod figures;
mod gather;
mod live;
mod page;
mod svg;

use super::ask::Instance;
use super::sources::counted_alone;
use super::{Outcome, Sets, UsageError, output};
use crate::config::Settings;
use crate::event::SHOP_DEFAULT;
use crate::watch::now_ms;
use anyhow::Context as _;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use figures::Report;
pub(super) use gather::Lists;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const HELP: &str = "\
Of files of events everything can be told but the hit rate, which a running instance knows; of records of lists what they show. \
Without any of them, the instance at http.listen is asked.

Examples:
  samenloop --config shop.toml report orders.jsonl clicks.jsonl --html report.html
  samenloop report --url http://127.0.0.1:9180 --lists lists.jsonl --html report.html --json report.json
  samenloop report orders.jsonl --before last-month.json";

/// Tells how a shop's lists stand: coverage, exposure, scores, hit rate, what people should look at.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Events to count first, as JSON lines, a JSON array or CSV, plain, .gz or .zst
    #[arg(value_name = "FILE", conflicts_with = "lists")]
    pub(crate) files: Vec<PathBuf>,
    /// Records of lists, JSON lines, as of replay --lists or of the topic; of each key the last one counts
    #[arg(help_heading = "What is told of", long, value_name = "FILE")]
    pub(crate) lists: Option<PathBuf>,
    /// A running instance, for hit rate and review [default: the one at http.listen, where there is nothing else]
    #[arg(help_heading = "What is told of", long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) url: Option<String>,
    /// Whose lists
    #[arg(help_heading = "What is told of", long, default_value = SHOP_DEFAULT, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) shop: String,
    /// An earlier report, JSON: what has changed since is told
    #[arg(help_heading = "What is told of", long, value_name = "FILE")]
    pub(crate) before: Option<PathBuf>,
    /// Write a page; - is stdout
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write JSON; - is stdout [default: -, where no page is asked for]
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

pub(super) fn run(args: ReportArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let before = args.before.as_deref().map(read_before).transpose()?;
    let mut report = Report::new(&args.shop, now_ms());
    let mut outcome = Outcome::Done;
    if !args.files.is_empty() {
        let (mut pipeline, counted) = counted_alone(&args.files, &settings)?;
        outcome = counted;
        pipeline.sink().lists = Some(Lists::of(&args.shop));
        pipeline.publish_all()?;
        let lists = pipeline.sink().lists.take().unwrap_or_default();
        gather::of_counts(&pipeline.asked(), &settings.lists, &settings.counting, lists, &mut report);
        report.sources.push(format!("{} files of events", args.files.len()));
    }
    if let Some(path) = &args.lists {
        gather::of_records(path, &settings.lists, &mut report)?;
        report.sources.push("records of lists".to_owned());
    }
    let is_asked = args.url.is_some() || (args.files.is_empty() && args.lists.is_none());
    if is_asked {
        let url = args.url.as_deref().unwrap_or(&settings.http.listen);
        live::ask(&Instance::at(url), &mut report)?;
        report.sources.push("a running instance".to_owned());
    }
    if let Some(before) = &before {
        report.compare(before);
    }
    report.say_what_is_missing();
    write(&args, &report)?;
    Ok(outcome)
}

fn read_before(path: &Path) -> anyhow::Result<Report> {
    let of_arguments = || UsageError(format!("--before {}", path.display()));
    let text = fs::read(path).with_context(of_arguments)?;
    serde_json::from_slice(&text).context("it is no report in JSON").with_context(of_arguments)
}

fn write(args: &ReportArgs, report: &Report) -> anyhow::Result<()> {
    let json = || -> anyhow::Result<String> { Ok(serde_json::to_string_pretty(report)? + "\n") };
    if let Some(path) = &args.html {
        put(path, &page::page(report))?;
    }
    match &args.json {
        Some(path) => put(path, &json()?),
        None if args.html.is_none() => put(Path::new("-"), &json()?),
        None => Ok(()),
    }
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    if path == Path::new("-") {
        let mut out = output::stdout();
        out.write_all(text.as_bytes())?;
        return Ok(out.flush()?);
    }
    fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
}
