//! Answers to what HTTP and `inspect` ask of stages: the row behind a list, and all counts as text.
//!
//! Absent: state of its own. A question is answered from what the stages hold at that moment.

use super::counts::{COUNTS_BYTES_MAX, CountsWriter};
use super::query::{CountsAnswer, CountsTooLarge, Query, RowAnswer};
use crate::event::EventTime;
use crate::items::{fingerprint, spread};
use crate::position::Partition;
use crate::relation::{Fate, Relation};
use crate::stage::{RowsWork, WindowsWork};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The stages that are asked: those of a pipeline, or of one worker.
pub struct Asked<'a> {
    /// Source records refused.
    pub rejected: u64,
    /// The windows stages.
    pub windows: Vec<&'a WindowsWork>,
    /// The rows stages.
    pub rows: Vec<(Partition, &'a RowsWork)>,
    /// How many rows partitions there are, here and elsewhere.
    pub rows_partitions: u32,
}

/// Answers one question.
pub fn answer(asked: &Asked<'_>, query: Query) {
    match query {
        Query::Row { shop, relation, item, reply } => reply.send(explain_row(asked, &shop, relation, &item)),
        Query::Counts { as_of, reply } => {
            if reply.is_wanted() {
                reply.send(counts(asked, as_of));
            }
        }
    }
}

/// The row of an item, from the partition that owns it.
#[must_use]
pub fn explain_row(asked: &Asked<'_>, shop: &str, relation: Relation, item: &str) -> RowAnswer {
    let partition = spread(fingerprint(shop, item), asked.rows_partitions);
    let Some((_, work)) = asked.rows.iter().find(|(held, _)| *held == partition) else { return RowAnswer::NotHere };
    match work.explain(crate::list_key::ListName::of(relation), shop, item) {
        // Texts and numbers always serialise; one that is not finite is null.
        Some(explanation) => RowAnswer::Found(serde_json::to_string(&explanation).unwrap_or_default()),
        None => RowAnswer::NoSuchItem,
    }
}

fn counts(asked: &Asked<'_>, as_of: Option<EventTime>) -> CountsAnswer {
    let mut writer = CountsWriter::default();
    let written = count_lines(asked, as_of, COUNTS_BYTES_MAX)
        .and_then(|lines| lines.iter().try_for_each(|line| writer.write_all(line.as_bytes())).map_err(too_large));
    written?;
    writer.finish()
}

fn too_large(_: io::Error) -> CountsTooLarge {
    CountsTooLarge { bytes_max: COUNTS_BYTES_MAX }
}

/// Writes every count, decayed to `as_of` (or to the latest event time), sorted by the bytes of its lines. The lines are
/// held in memory to be sorted: about 60 bytes a directed pair.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_counts(asked: &Asked<'_>, as_of: Option<EventTime>, out: &mut impl Write) -> io::Result<()> {
    for line in count_lines(asked, as_of, usize::MAX).map_err(io::Error::other)? {
        out.write_all(line.as_bytes())?;
    }
    out.flush()
}

fn count_lines(asked: &Asked<'_>, as_of: Option<EventTime>, bytes_max: usize) -> Result<Vec<String>, CountsTooLarge> {
    let latest = asked.rows.iter().map(|(_, work)| work.rows().now()).max();
    let (mut lines, mut bytes) = (Vec::new(), 0_usize);
    for (_, work) in &asked.rows {
        work.rows().for_each_count(as_of.or(latest), |count| {
            if bytes <= bytes_max {
                let line = format!("{count}\n");
                bytes = bytes.saturating_add(line.len());
                lines.push(line);
            }
        });
    }
    if bytes > bytes_max {
        return Err(CountsTooLarge { bytes_max });
    }
    lines.extend(tallies(asked).into_iter().map(|(name, count)| format!("tally\t*\t{name}\t*\t*\t{count}\t0\n")));
    lines.sort_unstable();
    Ok(lines)
}

/// What became of the events: those that are not 0.
#[must_use]
pub fn tallies(asked: &Asked<'_>) -> BTreeMap<&'static str, u64> {
    let of = |fate: Fate| events_of(asked, fate);
    let accepted = of(Fate::Counted) + of(Fate::Late) + of(Fate::Overlong) + of(Fate::Bulk);
    let all = [
        ("accepted", accepted),
        ("bulk", of(Fate::Bulk)),
        ("duplicate", of(Fate::Duplicate)),
        ("late", of(Fate::Late)),
        ("overlong", of(Fate::Overlong)),
        ("rejected", asked.rejected),
    ];
    all.into_iter().filter(|&(_, count)| count > 0).collect()
}

/// How many events met `fate`.
#[must_use]
pub fn events_of(asked: &Asked<'_>, fate: Fate) -> u64 {
    let by_type = asked.windows.iter().flat_map(|work| &work.tally().fates);
    by_type.map(|by_fate| by_fate[fate as usize]).sum()
}
