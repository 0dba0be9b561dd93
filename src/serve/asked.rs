//! The stages that a question is put to, and what became of the events in them.
//!
//! Absent: state of its own. A question is answered from what the stages hold at that moment.

use crate::position::Partition;
use crate::relation::Fate;
use crate::stage::{RowsWork, WindowsWork};
use std::collections::BTreeMap;

/// The stages that are asked: those of a pipeline, or of one worker.
pub struct Asked<'a> {
    /// Another number whenever a rows stage was opened or let go: places in the counts of one are none in those of another.
    pub assignment: u64,
    /// Source records refused.
    pub rejected: u64,
    /// The windows stages.
    pub windows: Vec<&'a WindowsWork>,
    /// The rows stages.
    pub rows: Vec<(Partition, &'a RowsWork)>,
    /// How many rows partitions there are, here and elsewhere.
    pub rows_partitions: u32,
}

/// What became of the events: those that are not 0.
#[must_use]
pub fn tallies(asked: &Asked<'_>) -> BTreeMap<&'static str, u64> {
    let of = |fate: Fate| events_of(asked, fate);
    let ignored = [
        ("bulk", Fate::Bulk),
        ("late", Fate::Late),
        ("overlong", Fate::Overlong),
        ("stale", Fate::Stale),
        ("unchanged", Fate::Unchanged),
        ("unknown_order", Fate::UnknownOrder),
    ];
    let accepted = of(Fate::Counted) + ignored.iter().map(|&(_, fate)| of(fate)).sum::<u64>();
    let all = ignored.map(|(name, fate)| (name, of(fate)));
    let all = all.into_iter().chain([
        ("accepted", accepted),
        ("duplicate", of(Fate::Duplicate)),
        ("rejected", asked.rejected),
    ]);
    all.filter(|&(_, count)| count > 0).collect()
}

/// How many events met `fate`.
#[must_use]
pub fn events_of(asked: &Asked<'_>, fate: Fate) -> u64 {
    let by_type = asked.windows.iter().flat_map(|work| &work.tally().fates);
    by_type.map(|by_fate| by_fate[fate as usize]).sum()
}
