//! What tests of snapshots share: a store, and the head of what is kept in it.

use super::{STATE_FORMAT, Snapshots};
use crate::snapshot::{Head, SnapshotStore};

/// In memory.
pub(super) fn snapshots() -> Snapshots {
    snapshots_in(SnapshotStore::open("memory:").unwrap())
}

/// Of two, taken as often as they are asked for.
pub(super) fn snapshots_in(store: SnapshotStore) -> Snapshots {
    let store_id = store.id().unwrap();
    let (scope, instance) = ("x".into(), "one".into());
    Snapshots { store, scope, store_id, interval_ms: 1, keep: 2, keep_events_ms: None, instance, is_inline: true }
}

/// Of rows, partition 0.
pub(super) fn head(snapshots: &Snapshots, offset: u64) -> Head {
    Head {
        stage: "rows".to_owned(),
        partition: 0,
        log_id: 1,
        store_id: snapshots.store_id,
        identity: 11,
        partitions: (2, 3),
        offset,
        checksum: None,
        epoch: None,
        origin: 0,
        inputs: Vec::new(),
        facts: Vec::new(),
        written_at_ms: 0,
        written_by: "one".to_owned(),
        state_format: STATE_FORMAT,
    }
}
