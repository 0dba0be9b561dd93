//! Answers to what HTTP and `inspect` ask of stages, and how much of that a worker does between two batches.

use super::asked::Asked;
use super::clicks::Clicked;
use super::counts::portion;
use super::query::{Query, RowAnswer};
use super::review::to_review_and_looked_at;
use crate::facts::{CountsAs, Facts};
use crate::items::{fingerprint, spread};
use crate::list_key::{ListName, owner_text};
use crate::rank::Explanation;
use crate::rows::LINES_MAX;
use serde::Serialize;
use std::collections::BTreeMap;

/// Lines that one look at the questions is worth, a line being a count or a candidate of a row: about a millisecond, or two
/// when a last answer goes over it. What is asked beyond waits for the next look.
pub const LOOK_LINES_MAX: usize = LINES_MAX;

/// Candidates of a row that an answer holds; of a longer row the best ones. Rows have that many only where `row_max` is lifted.
pub const CANDIDATES_MAX: usize = 1024;

/// Neighbours of a row, or entries of queues, that are looked at for about what one candidate's text costs.
const NEIGHBOURS_A_LINE: usize = 8;

/// One look of a worker at what it is asked. Whoever asks how often, what one costs is bounded; a worker looks at every tick of
/// its clock, so that answers take a small part of its time.
#[derive(Debug, Default)]
pub struct Look {
    lines: usize,
}

impl Look {
    /// Whether another question may be answered in this look.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.lines < LOOK_LINES_MAX
    }

    /// Answers one question. Nobody waits for one whose asker has gone.
    pub fn answer(&mut self, asked: &Asked<'_>, query: Query) {
        self.lines += match query {
            Query::Row { reply, .. } if !reply.is_wanted() => 1,
            Query::Counts { reply, .. } if !reply.is_wanted() => 1,
            Query::Row { shop, list, item, reply } => {
                let (answer, lines) = row_and_lines(asked, &shop, list, &item, CANDIDATES_MAX);
                reply.send(answer);
                lines
            }
            Query::Review { reply, .. } if !reply.is_wanted() => 1,
            Query::Review { shop, count, reply } => {
                let (answer, looked_at) = to_review_and_looked_at(asked, &shop, count);
                let lines = 1 + answer.entries.len() + looked_at / NEIGHBOURS_A_LINE;
                reply.send(answer);
                lines
            }
            Query::Clicks { reply, .. } if !reply.is_wanted() => 1,
            Query::Clicks { shop, reply } => {
                let answer = Clicked::of(asked, Some(&shop));
                let lines = answer.cost();
                reply.send(answer);
                lines
            }
            Query::Counts { from, reply } => {
                reply.send(portion(asked, from));
                LOOK_LINES_MAX
            }
        };
    }
}

/// The row of an item with at most `candidates_max` of its candidates, from the partition that owns it.
#[must_use]
pub fn explain_row(asked: &Asked<'_>, shop: &str, list: ListName, item: &str, candidates_max: usize) -> RowAnswer {
    row_and_lines(asked, shop, list, item, candidates_max).0
}

/// The same, and what it cost.
fn row_and_lines(
    asked: &Asked<'_>,
    shop: &str,
    list: ListName,
    item: &str,
    candidates_max: usize,
) -> (RowAnswer, usize) {
    let partition = spread(fingerprint(shop, owner_text(list, item)), asked.rows_partitions);
    let Some((_, work)) = asked.rows.iter().find(|(held, _)| *held == partition) else {
        return (RowAnswer::NotHere, 1);
    };
    let counts_as = work.facts().filter(|_| !list.is_shop_wide()).map(|facts| facts.counts_as(shop, item));
    let counts_as = match counts_as {
        Some(CountsAs::Parent(parent)) => Some(String::from(parent)),
        _ => None,
    };
    let Some((row, looked_at)) = work.explain_published(list, shop, item, candidates_max) else {
        return (counts_as.map_or(RowAnswer::NoSuchItem, RowAnswer::CountsAs), 1);
    };
    let lines = 1 + row.candidates.len() + (row.left_out + looked_at) / NEIGHBOURS_A_LINE;
    let names = work.facts().map(|facts| names(facts, &row)).unwrap_or_default();
    // Texts and numbers always serialise; one that is not finite is null.
    (RowAnswer::Found(serde_json::to_string(&Told { row, counts_as, names }).unwrap_or_default()), lines)
}

/// A row, with what the catalogue says for people.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    row: Explanation,
    /// Of a variant that was counted by itself before the catalogue said so: what it counts as now.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts_as: Option<String>,
    /// By item: of those that have one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    names: BTreeMap<String, Box<str>>,
}

fn names(facts: &Facts, row: &Explanation) -> BTreeMap<String, Box<str>> {
    let items = row.candidates.iter().map(|candidate| &candidate.item).chain([&row.item]);
    let named = |item: &String| {
        let text = facts.text(fingerprint(&row.shop, item))?;
        Some((item.clone(), text.name.clone()?))
    };
    items.filter_map(named).collect()
}

#[cfg(test)]
mod tests;
