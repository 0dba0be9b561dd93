//! Stages as they are watched: their tallies in the words of metrics, and where they stand.

use super::health::PartitionState;
use super::metrics::{DelayTally, IntakeTallies, RowsTallies, WindowsTallies};
use crate::intake::Reason;
use crate::rows::RelationStats;
use crate::stage::{Clock, IntakeTally, Phase, RowsWork, WindowsWork};
use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, by this machine's clock.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Both clocks: the wall's, and one that nobody puts back.
#[must_use]
pub fn clock() -> Clock {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    let monotonic_ms = i64::try_from(STARTED.elapsed().as_millis()).unwrap_or(i64::MAX);
    Clock { wall_ms: now_ms(), monotonic_ms }
}

/// Where a stage stands, as health shows it.
#[must_use]
pub fn state(phase: &Phase, records_left: u64) -> PartitionState {
    match phase {
        Phase::Restoring => PartitionState::Restoring,
        Phase::CatchingUp => PartitionState::CatchingUp { records_left },
        Phase::Live => PartitionState::Live,
        Phase::Drained => PartitionState::Draining,
        Phase::Stopped => PartitionState::Stopped,
    }
}

/// What intake did.
#[must_use]
pub fn intake_tallies(tally: &IntakeTally) -> IntakeTallies {
    let rejects = Reason::ALL.iter().map(|reason| (reason.name(), tally.rejects[reason.index()]));
    IntakeTallies {
        accepted: tally.accepted,
        rejects: rejects.filter(|&(_, count)| count > 0).collect(),
        skipped_nulls: tally.skipped,
        skewed: tally.skewed,
    }
}

/// What a partition of windows did and holds.
#[must_use]
pub fn windows_tallies(work: &WindowsWork) -> WindowsTallies {
    let (users, _, merge_bytes) = work.sizes();
    WindowsTallies {
        fates: work.tally().fates,
        forced: work.forced(),
        ledger_duplicates: work.tally().ledger_duplicates,
        users: users as u64,
        bytes: work
            .bytes()
            .named()
            .into_iter()
            .chain([("merge", merge_bytes)])
            .map(|(part, n)| (part, n as u64))
            .collect(),
    }
}

/// What a partition of rows did and holds.
#[must_use]
pub fn rows_tallies(work: &RowsWork, delay: &DelayTally) -> RowsTallies {
    let (tally, stats) = (work.tally(), work.rows().stats());
    let items_bytes = work.rows().items().bytes() as u64;
    let of = |each: fn(&RelationStats) -> u64| stats.by_relation.each_ref().map(each);
    RowsTallies {
        pair_updates: of(|stats| stats.pair_updates),
        evictions: of(|stats| stats.evictions),
        ledger_duplicates: tally.ledger_duplicates,
        ranked: tally.ranked,
        published: tally.published,
        tombstones: tally.tombstones,
        suppressed: tally.suppressed,
        delay: delay.clone(),
        items: stats.items as u64,
        rows: of(|stats| stats.rows as u64),
        pairs: of(|stats| stats.pairs as u64),
        bytes: vec![("rows", stats.bytes as u64), ("due", work.due_bytes() as u64), ("items", items_bytes)],
    }
}
