//! `samenloop inspect`: what is published of a list, and the row behind it, entry by entry.
//!
//! A running instance is asked over HTTP; files are counted here first. Both give the same JSON, and the table is made of
//! that, so they cannot differ in form.

mod count;
mod nearest;
mod table;

use super::ask::Instance;
use super::{Outcome, Sets, UsageError, output};
use crate::config::Settings;
use crate::event::SHOP_DEFAULT;
use crate::list_key::{CATEGORY, ListName, SHOP_WIDE};
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
an entry without place failed the gate beside it (rank: it passed them all, but the list was full; category-places, \
brand-places, exposure: others took its place). What filled a list says from where, what stands in a placement from which list.

Examples:
  samenloop inspect 84879
  samenloop inspect 84879 --list bought-together --url http://127.0.0.1:9180
  samenloop inspect 84879 --list cart
  samenloop inspect '*' --list best-sellers
  samenloop inspect 'category:Office/Ink' --list best-sellers
  samenloop inspect 84879 events.jsonl";

/// Shows every candidate of an item's lists, how it was weighed, and the gate that each rejected one failed.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(super) sets: Sets,
    /// The product; '*' or 'category:WAY' for lists about a whole shop
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) item: String,
    /// Events to count first, as JSON lines, a JSON array or CSV, plain, .gz or .zst
    #[arg(value_name = "FILE", conflicts_with = "url")]
    pub(crate) files: Vec<PathBuf>,
    /// Its shop
    #[arg(help_heading = "What is asked", long, default_value = SHOP_DEFAULT, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) shop: String,
    /// One list only
    #[arg(help_heading = "What is asked", long, value_parser = PossibleValuesParser::new(ListName::ALL.map(ListName::name)))]
    pub(crate) list: Option<String>,
    /// The instance to ask [default: the one at http.listen]
    #[arg(help_heading = "What is asked", long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) url: Option<String>,
    /// Print the rows as JSON, one a line
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

/// Whether lists about a shop are asked for.
fn is_of_shop(item: &str) -> bool {
    item == SHOP_WIDE || item.starts_with(CATEGORY)
}

/// The lists about what is asked for: those of one relation without being asked for, others only where they are on.
fn lists(args: &InspectArgs, settings: &Settings) -> anyhow::Result<Vec<ListName>> {
    let is_of_shop = is_of_shop(&args.item);
    if let Some(list) = args.list.as_deref().and_then(ListName::find) {
        if list.is_shop_wide() && !is_of_shop {
            let what = format!("{} is about a whole shop: ask for '*', or 'category:WAY'", list.name());
            return Err(UsageError(what).into());
        }
        if args.item == SHOP_WIDE && !list.is_shop_wide() {
            return Err(UsageError(format!("{} is about a product, not about a whole shop", list.name())).into());
        }
        return Ok(vec![list]);
    }
    let is_on = |list: &ListName| settings.lists[list.index()].enabled;
    let is_shown = |list: &ListName| (!is_of_shop && list.index() < Relation::COUNT) || is_on(list);
    let all = ListName::ALL.into_iter().filter(|list| list.is_shop_wide() == is_of_shop);
    let shown: Vec<ListName> = all.filter(is_shown).collect();
    if shown.is_empty() {
        let what = "by these settings no list about a whole shop is on: name one by --list, such as best-sellers";
        return Err(UsageError(what.to_owned()).into());
    }
    Ok(shown)
}

pub(super) fn run(args: InspectArgs, settings: Settings) -> anyhow::Result<Outcome> {
    let lists = lists(&args, &settings)?;
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
    if let (Some(row), true) = (rows.first(), shown.is_empty() && rows.first().is_some_and(|row| is_of_shop(&row.item)))
    {
        writeln!(out, "The lists about {} are empty.", output::plain(&row.item))?;
    } else if let (Some(row), true) = (rows.first(), shown.is_empty()) {
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
