//! `samenloop inspect`: the row behind a list, entry by entry.
//!
//! A running instance is asked over HTTP; files are counted here first. Both give the same JSON, and the table is made of
//! that, so they cannot differ in form.

mod count;
mod nearest;
mod table;

use super::ask::Instance;
use super::{Outcome, Sets, output};
use crate::config::Settings;
use crate::event::SHOP_DEFAULT;
use crate::list_key::ListName;
use crate::relation::Relation;
use crate::serve::http::row_path;
use anyhow::Context as _;
use clap::Args;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use count::Counted;
use std::io::Write as _;
use std::path::PathBuf;
use table::Row;

const HELP: &str = "\
Without files it asks a running instance. Places: 1 is the first entry shown, r1 the first in reserve; \
an entry without place failed the gate beside it (rank: it passed them all, but the list was full).

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
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) item: String,
    /// Events to count first, as JSON lines, a JSON array or CSV, plain, .gz or .zst
    #[arg(value_name = "FILE", conflicts_with = "url")]
    pub(crate) files: Vec<PathBuf>,
    /// Its shop
    #[arg(help_heading = "What is asked", long, default_value = SHOP_DEFAULT, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) shop: String,
    /// One list only
    #[arg(help_heading = "What is asked", long, value_parser = PossibleValuesParser::new(lists_of_rows().map(ListName::name)))]
    pub(crate) list: Option<String>,
    /// The instance to ask [default: the one at http.listen]
    #[arg(help_heading = "What is asked", long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) url: Option<String>,
    /// Print the rows as JSON, one a line
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

/// The lists that are about an item.
fn lists_of_rows() -> impl Iterator<Item = ListName> {
    ListName::ALL.into_iter().filter(|list| list.is_of_row())
}

/// Those of one relation are shown without being asked for, others only where they are on.
fn is_shown(list: ListName, settings: &Settings) -> bool {
    list.index() < Relation::COUNT || settings.lists[list.index()].enabled
}

pub(super) fn run(args: InspectArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let lists: Vec<ListName> = match &args.list {
        Some(name) => ListName::find(name).into_iter().collect(),
        None => lists_of_rows().filter(|list| is_shown(*list, &settings)).collect(),
    };
    let Counted { rows, counts_as, outcome } = if args.files.is_empty() {
        let instance = Instance::at(args.url.as_deref().unwrap_or(&settings.http.listen));
        let row = |list: &ListName| instance.get(&row_path(&args.shop, list.name(), &args.item));
        let rows = lists.iter().map(row).collect::<anyhow::Result<_>>()?;
        Counted { rows, counts_as: None, outcome: Outcome::Done }
    } else {
        count::rows(&args, &settings, &lists)?
    };
    let mut out = output::stdout();
    if args.json {
        for row in &rows {
            writeln!(out, "{row}")?;
        }
    } else {
        if let Some(parent) = &counts_as {
            let (item, parent) = (output::plain(&args.item), output::plain(parent));
            writeln!(out, "{item} is a variant, and counts as {parent}\n")?;
        }
        print(&rows, args.list.is_some(), &mut out)?;
    }
    out.flush()?;
    Ok(outcome)
}

/// The tables; empty ones only where one list was asked for, or all are.
fn print(rows: &[String], one_list: bool, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    let read = |row: &String| serde_json::from_str(row).context("the answer is no row: another version of samenloop?");
    let rows = rows.iter().map(read).collect::<anyhow::Result<Vec<Row>>>()?;
    let shown: Vec<&Row> = rows.iter().filter(|row| one_list || !row.candidates.is_empty()).collect();
    if let (Some(row), true) = (rows.first(), shown.is_empty()) {
        writeln!(out, "{} is known, but nothing was viewed, put into a cart or bought with it yet.", row.item)?;
    }
    for (n, row) in shown.into_iter().enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        for line in table::lines(row) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}
