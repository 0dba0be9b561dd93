//! All counts of a pipeline as text, in the form that an independent recount writes.

use crate::edge::{Pipeline, Sink, Transport};
use crate::event::EventTime;
use crate::relation::Fate;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Writes every count, decayed to `as_of` (or to the latest event time), sorted by the bytes of its lines. The lines are
/// held in memory to be sorted: about 60 bytes a directed pair.
pub(super) fn write_counts<T: Transport, S: Sink>(
    pipeline: &Pipeline<T, S>,
    as_of: Option<EventTime>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut lines = Vec::new();
    for stage in pipeline.rows() {
        stage.work().rows().for_each_count(as_of, |count| lines.push(format!("{count}\n")));
    }
    lines.extend(tallies(pipeline).into_iter().map(|(name, count)| format!("tally\t*\t{name}\t*\t*\t{count}\t0\n")));
    lines.sort_unstable();
    for line in &lines {
        out.write_all(line.as_bytes())?;
    }
    out.flush()
}

/// What became of the events: those that are not 0.
pub(super) fn tallies<T: Transport, S: Sink>(pipeline: &Pipeline<T, S>) -> BTreeMap<&'static str, u64> {
    let mut fates = [0; 5];
    for stage in pipeline.windows() {
        for by_fate in &stage.work().tally().fates {
            for (sum, count) in fates.iter_mut().zip(by_fate) {
                *sum += count;
            }
        }
    }
    let of = |fate: Fate| fates[fate as usize];
    let accepted = fates.iter().sum::<u64>() - of(Fate::Duplicate);
    let all = [
        ("accepted", accepted),
        ("bulk", of(Fate::Bulk)),
        ("duplicate", of(Fate::Duplicate)),
        ("late", of(Fate::Late)),
        ("overlong", of(Fate::Overlong)),
        ("rejected", pipeline.intake().work().tally().rejected()),
    ];
    all.into_iter().filter(|&(_, count)| count > 0).collect()
}
