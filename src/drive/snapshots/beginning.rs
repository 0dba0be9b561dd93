//! Beginnings: snapshots of nothing counted, where the kept part of an events log begins that has lost its start.
//!
//! `rebuild` writes them, and with them all is as after any other start: the reader takes one up as the newest that may be used, writers learn from
//! its head what the deleted marks said, and pairs begin where it says ([`Head::origin`]). What is in one follows from the kept records
//! alone and from the snapshots that there are, themselves beginnings perhaps: whoever is cut off in between does the same again.
//! Invariants: nothing is stored before all partitions have been looked at. Absent: what may be deleted, and when (`cli`).

use super::{STATE_FORMAT, Snapshots, facts_of, stage_of};
use crate::drive::plan::Plan;
use crate::drive::scan::{Offsets, scan};
use crate::drive::transport::{Follower as _, Message as _, Topic, Transport};
use crate::drive::vigil::Vigil;
use crate::drive::windows::new_work;
use crate::event::EventTime;
use crate::position::{NextOffset, Partition};
use crate::saved::{Saving, put};
use crate::snapshot::{Encoder, Head, StoreError};
use crate::stage::{Beginning, Headless, Kept as _, KeptRecords, Log, PartitionFacts, StageError, beginnings};
use crate::wire::checksum_of_block;
use std::collections::BTreeMap;

/// Bytes of a portion.
const PORTION_BYTES: usize = 1 << 20;

/// What a partition of the events log still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPartition {
    /// Which.
    pub partition: Partition,
    /// Its first record.
    pub low: NextOffset,
    /// Behind its last.
    pub high: NextOffset,
    /// Events in it, those that were sent twice among them.
    pub events: u64,
    /// The earliest time of any of them.
    pub earliest: Option<EventTime>,
    /// When the first record was written, in ms since 1970.
    pub written_from_ms: Option<i64>,
}

/// Where counting can begin.
#[derive(Clone, Debug)]
pub struct Beginnings {
    /// All partitions, in order.
    pub partitions: Vec<KeptPartition>,
    all: Vec<Beginning>,
}

/// A snapshot that may know how far sources had been read.
struct Known {
    head: Head,
    /// Whether the record before its offset is the one that it was made of, or is not kept.
    is_of_the_log: bool,
}

impl Beginnings {
    /// Reads all that the events log of `plan` holds. `count` is told of records as they are read.
    ///
    /// # Errors
    /// When that cannot be counted alone; when log or snapshots cannot be read.
    pub fn find<T: Transport>(
        plan: &Plan,
        snapshots: &Snapshots,
        transport: &T,
        vigil: &Vigil,
        mut count: impl FnMut(u64),
    ) -> anyhow::Result<Self> {
        let topic = Topic::Log(Log::Events);
        let follower = transport.follow(&topic)?;
        let (mut from, mut partitions, mut known) = (Offsets::new(), Vec::new(), BTreeMap::new());
        for partition in (0..plan.events_partitions).map(Partition) {
            let bounds = follower.bounds(partition)?;
            from.insert(partition, bounds.low);
            known.insert(partition, known_of(snapshots, partition, (bounds.low, bounds.high))?);
            let (low, high) = (bounds.low, bounds.high);
            partitions.push(KeptPartition { partition, low, high, events: 0, earliest: None, written_from_ms: None });
        }
        let mut kept: BTreeMap<Partition, KeptRecords> = BTreeMap::new();
        let mut read = 0;
        scan(&follower, &topic, &from, vigil, &mut |partition, offset, message| {
            let Some(block) = message.value() else { return Ok(()) };
            let damaged = |error| StageError::Wire { log: Log::Events, partition, offset, error };
            kept.entry(partition).or_default().record(partition, offset, block)?;
            for known in known.get_mut(&partition).into_iter().flatten() {
                if offset.after() == NextOffset(known.head.offset) {
                    known.is_of_the_log = known.head.checksum == Some(checksum_of_block(block).map_err(damaged)?);
                }
            }
            if let Some(of) = partitions.get_mut(partition.index()).filter(|of| of.written_from_ms.is_none()) {
                of.written_from_ms = message.timestamp_ms();
            }
            read += 1;
            count(read);
            Ok(())
        })?;
        let mut headless = Vec::new();
        for of in &mut partitions {
            let kept = kept.remove(&of.partition).unwrap_or_default();
            (of.events, of.earliest) = (kept.events, kept.earliest);
            let known = known.remove(&of.partition).unwrap_or_default();
            let known = known.into_iter().filter(|known| known.is_of_the_log && kept.may_be(known.head.log_id));
            let known: Option<PartitionFacts> = known.filter_map(|known| facts_of(&known.head)).next();
            headless.push(Headless { partition: of.partition, low: of.low, kept, known });
        }
        Ok(Self { partitions, all: beginnings(&headless)? })
    }

    /// Whether the log was written under what these settings say of it: by any other, nothing would run.
    #[must_use]
    pub fn is_of(&self, plan: &Plan) -> bool {
        let identity = plan.identities().events;
        self.all.iter().all(|beginning| beginning.facts.openings().all(|(_, opening)| opening.identity == identity))
    }

    /// Stores the beginnings, and reads each back. Gives their names.
    ///
    /// # Errors
    /// When the store does not take one, or gives it back otherwise.
    pub fn store(&self, plan: &Plan, snapshots: &Snapshots, now_ms: i64) -> Result<Vec<String>, StoreError> {
        self.all.iter().map(|beginning| store(beginning, plan, snapshots, now_ms)).collect()
    }
}

/// The snapshots of a partition's reader that cover some of what is kept, newest first.
fn known_of(
    snapshots: &Snapshots,
    partition: Partition,
    (low, high): (NextOffset, NextOffset),
) -> Result<Vec<Known>, StoreError> {
    let mut all = Vec::new();
    for found in snapshots.newest(Log::Events, partition)? {
        let head = match snapshots.store.head(&found.name) {
            Ok(head) => head,
            Err(StoreError::Format { .. } | StoreError::Missing { .. }) => continue,
            Err(error) => return Err(error),
        };
        let is_kept = (low.0..=high.0).contains(&head.offset);
        if is_kept && head.state_format == STATE_FORMAT && head.store_id == snapshots.store_id {
            let is_of_the_log = head.offset == low.0;
            all.push(Known { head, is_of_the_log });
        }
    }
    Ok(all)
}

fn store(beginning: &Beginning, plan: &Plan, snapshots: &Snapshots, now_ms: i64) -> Result<String, StoreError> {
    let of_format = |error| StoreError::of_format("a snapshot", error);
    let Beginning { partition, low, log_id, facts, .. } = beginning;
    let stage = stage_of(Log::Events).unwrap_or_default();
    let mut written = Vec::new();
    put(&mut written, facts);
    let head = Head {
        stage: stage.to_owned(),
        partition: partition.0,
        log_id: *log_id,
        store_id: snapshots.store_id,
        identity: plan.state_identity(),
        partitions: (plan.events_partitions, plan.pairs_partitions),
        offset: low.0,
        origin: low.0,
        checksum: None,
        epoch: None,
        inputs: Vec::new(),
        facts: written,
        written_at_ms: now_ms,
        written_by: snapshots.instance.to_string(),
        state_format: STATE_FORMAT,
    };
    let mut work = new_work(plan, *partition);
    work.begin(beginning);
    let (mut encoder, bytes) = Encoder::head(&head).map_err(of_format)?;
    let mut writing = snapshots.store.write(&snapshots.scope, stage, partition.0, low.0)?;
    writing.put(&bytes)?;
    work.begin_save();
    let (mut saving, mut raw, mut out) = (Saving::More, Vec::new(), Vec::new());
    while saving == Saving::More {
        raw.clear();
        out.clear();
        saving = work.save(PORTION_BYTES, &mut raw);
        encoder.chunk(&raw, &mut out).map_err(of_format)?;
        writing.put(&out)?;
    }
    out.clear();
    encoder.finish(&mut out);
    writing.put(&out)?;
    snapshots.store.keep_id()?;
    let name = writing.name().to_owned();
    writing.publish()?;
    snapshots.store.verify(&name)?;
    Ok(name)
}
