//! One snapshot after the other is stored: which of them stay, and what is trimmed by them.

use super::super::tests::{head, snapshots};
use super::*;
use crate::position::NextOffset;
use std::io::Read as _;

fn job(snapshots: &Snapshots, offset: u64, totals_to: u64) -> Job {
    let head = Head { inputs: vec![(Log::Totals.name().to_owned(), 0, totals_to)], ..head(snapshots, offset) };
    let (snapshots, partition) = (snapshots.clone(), Partition(0));
    let (counted, metrics, moved) = (Counted::default(), Arc::new(Metrics::new().unwrap()), Arc::default());
    Job {
        snapshots,
        log: Log::Pairs,
        partition,
        head,
        writing: None,
        out: Vec::new(),
        totals: 1,
        counted,
        metrics,
        moved,
    }
}

#[test]
fn totals_are_trimmed_to_what_any_kept_snapshot_needs_and_pairs_to_the_oldest() {
    let snapshots = snapshots();
    assert_eq!(job(&snapshots, 480, 300).publish().unwrap().trims, [], "not as many yet as are kept");
    // Of an owner that was overtaken: further in pairs, less far in totals.
    let trim = |log, to| Trim { log, partition: Partition(0), to: NextOffset(to), stays_from_ms: None };
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

/// By an owner of that epoch. What it knows of the snapshots is what a worker knows.
fn publish(counted: &Counted, snapshots: &Snapshots, (epoch, offset, totals_to): (u64, u64, u64)) -> Vec<(Log, u64)> {
    let mut job = job(snapshots, offset, totals_to);
    (job.head.epoch, job.counted) = (Some(epoch), counted.clone());
    let published = job.publish().unwrap();
    assert_eq!(published.untidy, None);
    published.trims.into_iter().map(|trim| (trim.log, trim.to.0)).collect()
}

fn offsets(snapshots: &Snapshots) -> Vec<u64> {
    snapshots.newest(Log::Pairs, Partition(0)).unwrap().iter().map(|found| found.offset).collect()
}

/// Writes other bytes in place of those of a snapshot.
fn change(snapshots: &Snapshots, offset: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let all = snapshots.newest(Log::Pairs, Partition(0)).unwrap();
    let found = all.iter().find(|found| found.offset == offset).unwrap();
    let mut bytes = Vec::new();
    snapshots.store.read(&found.name).unwrap().read_to_end(&mut bytes).unwrap();
    change(&mut bytes);
    let mut writing = snapshots.store.write(&snapshots.scope, "rows", 0, offset).unwrap();
    writing.put(&bytes).unwrap();
    writing.publish().unwrap();
}

fn flip_last(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

#[test]
fn what_is_damaged_does_not_count_among_those_that_are_kept() {
    // At its end, in its head, cut: whether its head reads or not.
    let damages: [fn(&mut Vec<u8>); 3] =
        [|bytes| flip_last(bytes), |bytes| flip(bytes, 20), |bytes| bytes.truncate(bytes.len() / 2)];
    for damage in damages {
        let (snapshots, counted) = (snapshots(), Counted::default());
        let publish = |offset| publish(&counted, &snapshots, (1, offset, offset));
        publish(10);
        assert_eq!(publish(20), [(Log::Pairs, 9), (Log::Totals, 9)]);
        publish(30);
        assert_eq!(offsets(&snapshots), [30, 20]);
        change(&snapshots, 30, damage);
        let trims = publish(40);
        assert_eq!(offsets(&snapshots), [40, 30, 20], "what is good of two stays");
        assert_eq!(trims.first(), Some(&(Log::Pairs, 19)));
        // What another finds that has read none of them.
        assert_eq!(self::publish(&Counted::default(), &snapshots, (1, 50, 50)).first(), Some(&(Log::Pairs, 39)));
        assert_eq!(offsets(&snapshots), [50, 40], "behind two good ones it goes");
    }
}

#[test]
fn where_there_are_too_few_good_ones_nothing_goes() {
    let (snapshots, counted) = (snapshots(), Counted::default());
    let publish = |offset| publish(&counted, &snapshots, (1, offset, offset));
    publish(10);
    change(&snapshots, 10, |bytes| bytes.truncate(9));
    assert_eq!(publish(20), []);
    change(&snapshots, 20, |bytes| bytes.truncate(9));
    assert_eq!((publish(30), offsets(&snapshots)), (vec![], vec![30, 20, 10]));
    assert_eq!(publish(40), [(Log::Pairs, 29), (Log::Totals, 29)]);
    assert_eq!(offsets(&snapshots), [40, 30]);
}

/// Of another log, other rules, another store, another release: no start goes by it.
#[test]
fn what_no_start_would_go_by_does_not_count() {
    let others: [fn(&mut Head); 5] = [
        |head| head.log_id += 1,
        |head| head.identity += 1,
        |head| head.partitions.0 += 1,
        |head| head.store_id ^= 1,
        |head| head.state_format += 1,
    ];
    for other in others {
        let (snapshots, counted) = (snapshots(), Counted::default());
        let mut strange = job(&snapshots, 30, 30);
        strange.head.epoch = Some(1);
        other(&mut strange.head);
        publish(&counted, &snapshots, (1, 10, 10));
        strange.publish().unwrap();
        assert_eq!(publish(&counted, &snapshots, (1, 40, 40)).first(), Some(&(Log::Pairs, 9)));
        assert_eq!(offsets(&snapshots), [40, 30, 10]);
    }
}

#[test]
fn a_damaged_one_is_counted_once_and_so_is_one_that_was_damaged_as_it_was_written() {
    let (snapshots, counted) = (snapshots(), Counted::default());
    let mut job = job(&snapshots, 50, 50);
    job.counted = counted.clone();
    let damaged = || {
        let health = crate::watch::health::Health::new(1, std::time::Duration::from_secs(60));
        let text = job.metrics.render(0, 0, &health).unwrap();
        let series = "samenloop_snapshots_passed_over_total{reason=\"damaged\",stage=\"rows\"} ";
        text.lines().find_map(|line| line.strip_prefix(series)).unwrap().to_owned()
    };
    for offset in [10, 20, 30] {
        publish(&counted, &snapshots, (1, offset, 1));
    }
    change(&snapshots, 30, |bytes| flip(bytes, 20));
    job.tidy().unwrap();
    job.tidy().unwrap();
    assert_eq!(damaged(), "1");
    publish(&counted, &snapshots, (1, 40, 1));
    change(&snapshots, 40, |bytes| flip_last(bytes));
    let newest = snapshots.newest(Log::Pairs, Partition(0)).unwrap().remove(0);
    let error = job.read_back(&newest.name).unwrap_err();
    assert!(matches!(error, StoreError::NotAsWritten { .. }), "{error}");
    assert_eq!((damaged(), offsets(&snapshots)), ("2".to_owned(), vec![30, 20]), "it does not stay as the newest");
}

/// It is as right as any other, but what it needs of the totals may be gone: others have not waited for it.
#[test]
fn what_an_owner_publishes_that_was_overtaken_neither_counts_nor_pushes_others_out() {
    for late in [(3, 110, 10), (3, 130, 10)] {
        let (snapshots, counted) = (snapshots(), Counted::default());
        let publish = |what| publish(&counted, &snapshots, what);
        publish((3, 90, 9)); // before it was overtaken
        publish((5, 100, 50));
        assert_eq!(publish((5, 120, 60)), [(Log::Pairs, 99), (Log::Totals, 49)]);
        assert_eq!(publish(late).first(), Some(&(Log::Pairs, 99)), "by its own hand as little");
        assert_eq!(offsets(&snapshots).len(), 3);
        assert_eq!(publish((5, 125, 70)).first(), Some(&(Log::Pairs, 119)));
        publish((5, 140, 80));
        assert_eq!(publish((5, 150, 90)), [(Log::Pairs, 139), (Log::Totals, 79)], "{late:?}");
        assert_eq!(offsets(&snapshots), [150, 140]);
    }
}
