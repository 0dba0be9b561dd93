//! Rows from files: they are counted first, in this process, by the stages of the service.

use super::{InspectArgs, nearest};
use crate::cli::Outcome;
use crate::cli::sources::counted_alone;
use crate::config::Settings;
use crate::list_key::ListName;
use crate::serve::explain_row;
use crate::serve::query::RowAnswer;
use anyhow::bail;

/// The row behind each list, as JSON.
pub(super) fn rows(
    args: &InspectArgs,
    settings: &Settings,
    lists: &[ListName],
) -> anyhow::Result<(Vec<String>, Outcome)> {
    let (pipeline, outcome) = counted_alone(&args.files, settings)?;
    let mut rows = Vec::with_capacity(lists.len());
    for &list in lists {
        match explain_row(&pipeline.asked(), &args.shop, list, &args.item, usize::MAX) {
            RowAnswer::Found(row) => rows.push(row),
            RowAnswer::NoSuchItem | RowAnswer::NotHere => bail!(
                "item {:?} of shop {:?} is in no event of these files that counts; {}",
                args.item,
                args.shop,
                nearest::told(&pipeline.asked(), &args.shop, &args.item)
            ),
        }
    }
    Ok((rows, outcome))
}
