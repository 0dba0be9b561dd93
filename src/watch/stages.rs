//! Stages as they are watched: their tallies in the words of metrics, and where they stand.

use super::health::PartitionState;
use super::metrics::{DelayTally, IntakeTallies, RowsTallies, WindowsTallies};
use crate::clicks::CellTally;
use crate::intake::Reason;
use crate::items::ShopId;
use crate::relation::Relation;
use crate::rows::RelationStats;
use crate::stage::{Clock, HitTally, IntakeWork, Phase, RowsWork, WindowsWork};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
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

/// Where a stage stands, as health shows it. `gaps`: of how many source partitions something is missing.
#[must_use]
pub fn state(phase: &Phase, records_left: u64, gaps: usize) -> PartitionState {
    match phase {
        Phase::Restoring => PartitionState::Restoring,
        Phase::CatchingUp => PartitionState::CatchingUp { records_left, gaps },
        Phase::Live => PartitionState::Live,
        Phase::Drained => PartitionState::Draining,
        Phase::Stopped => PartitionState::Stopped,
    }
}

/// What intake did.
#[must_use]
pub fn intake_tallies(work: &IntakeWork) -> IntakeTallies {
    let tally = work.tally();
    let rejects = Reason::ALL.iter().map(|reason| (reason.name(), tally.rejects[reason.index()]));
    IntakeTallies {
        accepted: tally.accepted,
        rejects: rejects.filter(|&(_, count)| count > 0).collect(),
        skipped_nulls: tally.skipped,
        filtered: tally.filtered,
        uncountable: tally.uncountable,
        clicks_left_out: [
            ("off", tally.told.unread),
            ("sample", tally.told.unsampled),
            ("other_list", tally.told.other_list),
        ],
        skewed: tally.skewed,
        findings: BTreeSet::new(),
        bytes: as_u64(work.bytes_by_kind()),
    }
}

/// What a partition of windows did and holds.
#[must_use]
pub fn windows_tallies(work: &WindowsWork) -> WindowsTallies {
    let mut late_arrivals = BTreeMap::new();
    for (source, count) in work.late_arrivals() {
        *late_arrivals.entry(Arc::clone(&source.source)).or_default() += count;
    }
    WindowsTallies {
        fates: work.tally().fates,
        forced: work.forced(),
        late_arrivals,
        ledger_duplicates: work.tally().ledger_duplicates,
        clicks: clicks(work),
        clicks_ignored: work.clicks().tally().named().to_vec(),
        users: work.users() as u64,
        bytes: as_u64(work.bytes_by_kind()),
    }
}

/// What a partition of rows did and holds.
#[must_use]
pub fn rows_tallies(work: &RowsWork, delay: &DelayTally) -> RowsTallies {
    let (tally, stats) = (work.tally(), work.rows().stats());
    let of = |each: fn(&RelationStats) -> u64| stats.by_relation.each_ref().map(each);
    RowsTallies {
        pair_updates: of(|stats| stats.pair_updates),
        evictions: of(|stats| stats.evictions),
        ledger_duplicates: tally.ledger_duplicates,
        ranked: tally.ranked,
        published: tally.published,
        tombstones: tally.tombstones,
        suppressed: tally.suppressed,
        corrected: tally.corrected,
        hits: hits(work),
        delay: delay.clone(),
        items: stats.items as u64,
        rows: of(|stats| stats.rows as u64),
        pairs: of(|stats| stats.pairs as u64),
        bytes: as_u64(work.bytes_by_kind()),
    }
}

/// In place of a shop, where shops are not told apart: no shop has a `/` in its name.
const OTHER_SHOPS: &str = "/others";

fn hits(work: &RowsWork) -> Vec<(String, [HitTally; Relation::COUNT])> {
    let name = |shop: Option<ShopId>| shop.map_or(OTHER_SHOPS, |shop| work.rows().items().shop_name(shop)).to_owned();
    work.hits().by_shop().map(|(shop, tallies)| (name(shop), *tallies)).collect()
}

/// In place of a list, where only a placement is told.
const NO_LIST: &str = "none";

/// By shop and list: placements, places and sources are told over HTTP.
fn clicks(work: &WindowsWork) -> BTreeMap<(String, String), CellTally> {
    let mut by_list: BTreeMap<(String, String), CellTally> = BTreeMap::new();
    if work.clicks().is_active() {
        for cell in work.clicks().cells() {
            let list = cell.list.or(cell.placement).unwrap_or(NO_LIST);
            by_list.entry((cell.shop.to_owned(), list.to_owned())).or_default().add(cell.tally);
        }
    }
    by_list
}

fn as_u64(bytes: Vec<(&'static str, usize)>) -> Vec<(&'static str, u64)> {
    bytes.into_iter().map(|(kind, bytes)| (kind, bytes as u64)).collect() // lossless: usize has at most 64 bits
}
