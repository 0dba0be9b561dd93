//! Exactly once on the in-process log: whatever is sent again, cut, delayed, taken away or restarted, the counts are those
//! of a naive recount, or the stage stops and says why. All seeded; `SAMENLOOP_SEED` tries a seed again, and
//! `SAMENLOOP_SEEDS` so many of them in each test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

#[path = "exactness/batches.rs"]
mod batches;
#[path = "exactness/clicks.rs"]
mod clicks;
#[path = "exactness/forgetting.rs"]
mod forgetting;
#[path = "exactness/full_disk.rs"]
mod full_disk;
#[path = "exactness/gaps.rs"]
mod gaps;
#[path = "exactness/growing.rs"]
mod growing;
#[path = "exactness/house.rs"]
mod house;
#[path = "exactness/late.rs"]
mod late;
#[path = "exactness/logs.rs"]
mod logs;
#[path = "exactness/marks.rs"]
mod marks;
#[path = "exactness/merging.rs"]
mod merging;
#[path = "exactness/publishing.rs"]
mod publishing;
#[path = "exactness/rebuilding.rs"]
mod rebuilding;
#[path = "support/recount.rs"]
mod recount;
#[path = "exactness/refusals.rs"]
mod refusals;
#[path = "exactness/registry.rs"]
mod registry;
#[path = "exactness/restarts.rs"]
mod restarts;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/shop.rs"]
mod shop;
#[path = "exactness/stock.rs"]
mod stock;
#[path = "exactness/tails.rs"]
mod tails;
#[path = "exactness/waiting.rs"]
mod waiting;
#[path = "exactness/watched.rs"]
mod watched;
