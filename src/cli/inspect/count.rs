//! Rows from files: they are counted first, in this process, by the stages of the service.

use super::{InspectArgs, nearest};
use crate::cli::Outcome;
use crate::cli::sources::counted_alone;
use crate::config::Settings;
use crate::facts::CountsAs;
use crate::list_key::ListName;
use crate::rules::ListRules;
use crate::serve::explain_row;
use crate::serve::query::RowAnswer;
use anyhow::bail;

/// What files gave.
pub(super) struct Counted {
    /// The row behind each list, as JSON.
    pub(super) rows: Vec<String>,
    /// What the item counts as, where that is another one: whose rows these are then.
    pub(super) counts_as: Option<String>,
    pub(super) outcome: Outcome,
}

/// Whether a list goes by more than the rows of what it is about.
fn needs_all(rules: &ListRules) -> bool {
    !rules.list.is_of_row() || !rules.fill.is_empty() || rules.exposure_max.is_some()
}

/// Counts the files, and asks for the rows.
pub(super) fn rows(args: &InspectArgs, settings: &Settings, lists: &[ListName]) -> anyhow::Result<Counted> {
    let (mut pipeline, outcome) = counted_alone(&args.files, settings)?;
    if lists.iter().any(|list| needs_all(&settings.lists[list.index()])) {
        pipeline.publish_all()?; // which looks at all items, and finds who leads lists; nobody is told
    }
    let asked = pipeline.asked();
    let facts = asked.rows.first().and_then(|(_, work)| work.facts());
    let counts_as = match facts.map(|facts| facts.counts_as(&args.shop, &args.item)) {
        Some(CountsAs::Parent(parent)) => Some(String::from(parent)),
        Some(CountsAs::Nothing) => bail!(
            "item {:?} of shop {:?} is no product, as the catalogue says (countable): it counts for nothing",
            args.item,
            args.shop
        ),
        Some(CountsAs::Itself) | None => None,
    };
    let item = counts_as.as_deref().unwrap_or(&args.item);
    let mut rows = Vec::with_capacity(lists.len());
    for &list in lists {
        match explain_row(&asked, &args.shop, list, item, usize::MAX) {
            RowAnswer::Found(row) => rows.push(row),
            RowAnswer::NoSuchItem | RowAnswer::NotHere | RowAnswer::CountsAs(_) => {
                if list.is_shop_wide() {
                    bail!(
                        "nothing is counted that {} of {:?} in shop {:?} could show",
                        list.name(),
                        args.item,
                        args.shop
                    );
                }
                let as_what = counts_as.as_ref().map(|parent| format!(" counts as {parent:?}, which"));
                bail!(
                    "item {:?} of shop {:?}{} is in no event of these files that counts; {}",
                    args.item,
                    args.shop,
                    as_what.unwrap_or_default(),
                    nearest::told(&asked, &args.shop, item)
                )
            }
        }
    }
    drop(asked);
    Ok(Counted { rows, counts_as, outcome })
}
