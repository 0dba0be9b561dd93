//! `samenloop review`: the entries of lists that a person should look at first, each with its reasons.
//!
//! A running instance is asked over HTTP; files are counted here first. Both give the same entries.

use super::ask::Instance;
use super::sources::counted_alone;
use super::{Outcome, Sets, output};
use crate::config::Settings;
use crate::event::SHOP_DEFAULT;
use crate::serve::http::review_path;
use crate::serve::review::{PAGE_MAX, REACH_MAX, ReviewEntry, SHOPS_MAX, ToReview, to_review};
use anyhow::Context as _;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;
use std::io::Write;
use std::path::PathBuf;

/// Entries that are told without being asked for.
const LIMIT_DEFAULT: usize = 20;

const HELP: &str = "\
Most in need of a person first; of those with the same need, most shown first. A verdict (approve, reject, pin or boost) takes an \
entry off. Without files it asks a running instance, which answers for the partitions that it has.

Examples:
  samenloop review
  samenloop review --limit 100 --url http://127.0.0.1:9180
  samenloop --config shop.toml review orders.jsonl";

/// Shows the entries of lists that a person should look at first, and why.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct ReviewArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// Events to count first, as JSON lines, a JSON array or CSV, plain, .gz or .zst
    #[arg(value_name = "FILE", conflicts_with = "url")]
    pub(crate) files: Vec<PathBuf>,
    /// Whose lists
    #[arg(help_heading = "What is asked", long, default_value = SHOP_DEFAULT, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) shop: String,
    /// So many entries at most, 1000 or less
    #[arg(help_heading = "What is asked", long, value_name = "N", default_value_t = LIMIT_DEFAULT, value_parser = limit)]
    pub(crate) limit: usize,
    /// The instance to ask [default: the one at http.listen]
    #[arg(help_heading = "What is asked", long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) url: Option<String>,
    /// Print the entries as JSON, one a line
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=REACH_MAX).contains(limit));
    limit.ok_or_else(|| format!("must be 1 to {REACH_MAX}"))
}

/// What an instance answers.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) total: usize,
    pub(super) entries: Vec<ReviewEntry>,
    pub(super) partitions: Vec<u32>,
    pub(super) waiting: Vec<u32>,
    /// Partitions that keep no queue of the shop.
    pub(super) without_queue: Vec<u32>,
    pub(super) of: u32,
}

impl Page {
    /// Reads an answer.
    pub(super) fn read(answer: &str) -> anyhow::Result<Self> {
        serde_json::from_str(answer).context("the answer is no queue: another version of samenloop?")
    }
}

pub(super) fn run(args: ReviewArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let (page, outcome) = if args.files.is_empty() {
        let instance = Instance::at(args.url.as_deref().unwrap_or(&settings.http.listen));
        (asked(&instance, &args)?, Outcome::Done)
    } else {
        let (mut pipeline, outcome) = counted_alone(&args.files, &settings)?;
        pipeline.publish_all()?; // which looks at every list
        let asked = pipeline.asked();
        let found = to_review(&asked, &args.shop, args.limit);
        anyhow::ensure!(found.is_met, "nothing of a shop {:?} is in these files", args.shop);
        let of = asked.rows_partitions;
        let ToReview { total, entries, partitions, without_queue, .. } = found;
        (Page { total, entries, partitions, waiting: Vec::new(), without_queue, of }, outcome)
    };
    let mut out = output::stdout();
    if args.json {
        for entry in &page.entries {
            writeln!(out, "{}", serde_json::to_string(entry)?)?;
        }
    } else {
        print(&page, &args.shop, &mut out)?;
    }
    out.flush()?;
    if page.partitions.len() < page.of as usize {
        tracing::info!(partitions = ?page.partitions, of = page.of, "other instances have the other partitions: ask them too");
    }
    if !page.without_queue.is_empty() {
        tracing::warn!(
            partitions = ?page.without_queue,
            "they keep no queue of this shop, which is not among the first {SHOPS_MAX} that they met"
        );
    }
    if !page.waiting.is_empty() {
        tracing::warn!(partitions = ?page.waiting, "not all of their lists have been looked at yet");
    }
    Ok(outcome)
}

/// The first entries of an instance, a page at a time.
fn asked(instance: &Instance, args: &ReviewArgs) -> anyhow::Result<Page> {
    let mut all: Option<Page> = None;
    loop {
        let from = all.as_ref().map_or(0, |all| all.entries.len());
        let path = review_path(&args.shop, from, PAGE_MAX.min(args.limit - from));
        let page = Page::read(&instance.get(&path)?)?;
        let is_last = page.entries.is_empty() || from + page.entries.len() >= args.limit.min(page.total);
        match &mut all {
            None => all = Some(page),
            Some(all) => all.entries.extend(page.entries),
        }
        if is_last && let Some(all) = all {
            return Ok(all);
        }
    }
}

fn print(page: &Page, shop: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let Page { total, entries, .. } = page;
    writeln!(out, "{} of {total} entries to review in shop {shop}, most in need of a person first", entries.len())?;
    for (number, entry) in (1..).zip(entries) {
        let named = |id: &str, name: &Option<String>| {
            let text = name.as_ref().map_or(id.to_owned(), |name| format!("{id} {name}"));
            output::plain(&text)
        };
        let (anchor, other) = (named(&entry.anchor, &entry.anchor_name), named(&entry.other, &entry.other_name));
        let ReviewEntry { list, place, need, shown, support, score, last_seen, .. } = entry;
        writeln!(out, "\n{number:>4}  {list} of {anchor}\n      place {place}: {other}")?;
        writeln!(
            out,
            "      need {need}, shown {shown:.0}, support {support}, score {score:.1}, last seen {last_seen}"
        )?;
        for reason in &entry.reasons {
            writeln!(out, "      {}: {}", reason.reason, reason.text)?;
        }
    }
    Ok(())
}
