//! A snapshot that is taken, turn by turn: a store that is slow, portions that are large, what may be trimmed.

use super::*;

fn taking(orders: SyncSender<Order>, outcome: Receiver<Result<Published, StoreError>>) -> Taking {
    Taking {
        partition: Partition(0),
        offset: 1,
        hand: Hand::Thread { orders, outcome },
        waiting: None,
        is_encoded: false,
        is_asked: false,
        era: 0,
        began_ms: 0,
        began: Instant::now(),
    }
}

/// Else that snapshot never ends, and no other of the worker ever begins.
#[test]
fn the_last_portion_goes_out_though_the_store_had_no_room_when_it_was_made() {
    let (orders, taken) = sync_channel(1);
    let (_tell, outcome) = sync_channel(1);
    let mut taking = taking(orders, outcome);
    assert!(taking.order(Order::Chunk(vec![1])).is_none());
    assert!(taking.order(Order::Chunk(vec![2])).is_none());
    taking.is_encoded = true;
    assert!(taking.deliver(true).is_none());
    let mut got = Vec::new();
    for _ in 0..3 {
        got.extend(taken.try_recv().ok().map(|order| match order {
            Order::Chunk(chunk) => Some(chunk),
            Order::Publish => None,
        }));
        assert!(taking.deliver(true).is_none());
    }
    assert_eq!(got, [Some(vec![1]), Some(vec![2]), None]);
}

fn job(snapshots: &Snapshots, offset: u64, totals_to: u64) -> Job {
    let head = Head {
        stage: "rows".to_owned(),
        partition: 0,
        log_id: 1,
        store_id: snapshots.store_id,
        identity: 1,
        partitions: (1, 1),
        offset,
        checksum: None,
        epoch: None,
        inputs: vec![(Log::Totals.name().to_owned(), 0, totals_to)],
        facts: Vec::new(),
        written_at_ms: 0,
        written_by: "one".to_owned(),
        state_format: STATE_FORMAT,
    };
    let (snapshots, partition) = (snapshots.clone(), Partition(0));
    Job { snapshots, log: Log::Pairs, partition, head, writing: None, out: Vec::new(), totals: 1 }
}

fn snapshots() -> Snapshots {
    let store = crate::snapshot::SnapshotStore::open("memory:").unwrap();
    let store_id = store.id().unwrap();
    Snapshots { store, scope: "x".into(), store_id, interval_ms: 1, keep: 2, instance: "one".into(), is_inline: true }
}

#[test]
fn totals_are_trimmed_to_what_any_kept_snapshot_needs_and_pairs_to_the_oldest() {
    let snapshots = snapshots();
    assert_eq!(job(&snapshots, 480, 300).publish().unwrap().trims, [], "not as many yet as are kept");
    // Of an owner that was overtaken: further in pairs, less far in totals.
    let trim = |log, to| Trim { log, partition: Partition(0), to: NextOffset(to) };
    let trims = job(&snapshots, 500, 100).publish().unwrap().trims;
    assert_eq!(trims, [trim(Log::Pairs, 479), trim(Log::Totals, 99)]);
}

/// What had to go early while the store was slow may be more than a chunk can hold.
#[test]
fn a_portion_longer_than_a_chunk_is_stored_in_several() {
    let snapshots = snapshots();
    let mut portion = Vec::new();
    for kind in 0..5_u8 {
        crate::saved::frame(&mut portion, kind, |out| out.resize(out.len() + CHUNK_BYTES_MAX / 3, kind));
    }
    let mut job = job(&snapshots, 1, 0);
    job.portion(&portion).unwrap();
    job.publish().unwrap();
    let found = snapshots.newest(Log::Pairs, Partition(0)).unwrap();
    let verified = snapshots.store.verify(&found[0].name).unwrap();
    assert_eq!(verified.raw_bytes, portion.len() as u64);
}
