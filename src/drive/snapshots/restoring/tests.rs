//! Which snapshot may be started from, and a store that does not say.

use super::*;
use crate::snapshot::{Encoder, SnapshotStore};
use crate::watch::health::Health;

fn vigil() -> (Health, Vigil) {
    let health = Health::new(1, Duration::from_secs(60));
    let vigil = Vigil::new("rows-0", std::sync::Arc::default(), &health);
    (health, vigil)
}

/// Brokers that answer meanwhile are no answer of the store.
#[test]
fn a_store_that_does_not_answer_is_waited_for_and_told_by_its_name_until_it_does() {
    let health = Health::new(1, Duration::from_secs(60));
    let vigil = Vigil::new("rows-0", std::sync::Arc::default(), &health);
    let waits = || health.waits().all().into_iter().map(|wait| (wait.who, wait.what)).collect::<Vec<_>>();
    let away = || StoreError::Unavailable { object: "rows-000".to_owned(), said: "timed out".to_owned() };
    let mut tries = 0;
    let answer = asked(&vigil, || {
        tries += 1;
        assert!(tries < 10, "nothing tells that it waits");
        vigil.note_answer();
        if waits().is_empty() { Err(away()) } else { Ok(waits()) }
    });
    assert_eq!(answer.unwrap(), [("rows-0".to_owned(), "the snapshot store".to_owned())]);
    assert_eq!(waits(), []);
    let gone = asked::<()>(&vigil, || Err(StoreError::Missing { object: "rows-000".to_owned() })).unwrap_err();
    assert!(gone.is::<StoreError>(), "{gone}");
}

/// No right, no folder, a disk that is read-only: a person can mend that while the worker waits.
#[test]
fn a_store_that_cannot_be_used_is_waited_for_while_the_process_runs() {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = snapshots(SnapshotStore::open(folder.path().to_str().unwrap()).unwrap());
    let (health, vigil) = vigil();
    let scope = folder.path().join("x");
    std::fs::write(&scope, "no folder").unwrap();
    let found = std::thread::scope(|threads| {
        threads.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(60);
            while health.waits().all().is_empty() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            assert_eq!(health.waits().all()[0].what, "the snapshot store");
            std::fs::remove_file(&scope).unwrap();
            write(&snapshots, 7, &head(&snapshots));
        });
        listed(&snapshots, &wanted(), &vigil)
    });
    assert_eq!(found.unwrap().iter().map(|found| found.offset).collect::<Vec<_>>(), [7]);
    let refused = StoreError::Refused { object: "x".to_owned(), said: "no".to_owned() };
    assert!(!refused.is_transient(), "who starts says so at once");
}

/// Else an empty folder at the place of one that is not mounted is a refusal: the log needs what is not there.
#[test]
fn a_store_that_has_lost_its_id_with_all_that_it_held_is_waited_for_where_the_log_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = snapshots(SnapshotStore::open(folder.path().to_str().unwrap()).unwrap());
    let id = folder.path().join("store-id");
    let kept = std::fs::read(&id).unwrap();
    std::fs::remove_file(&id).unwrap();
    let (health, vigil) = vigil();
    let whole = Wanted { bounds: Bounds { low: NextOffset(0), high: NextOffset(9), is_stream: true }, ..wanted() };
    assert_eq!(listed(&snapshots, &whole, &vigil).unwrap(), [], "it can be read from its start");
    let found = std::thread::scope(|threads| {
        threads.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(60);
            while health.waits().all().is_empty() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            assert_eq!(health.waits().all().len(), 1, "it is not waited for");
            std::fs::write(&id, kept).unwrap();
        });
        listed(&snapshots, &wanted(), &vigil)
    });
    assert_eq!(found.unwrap(), [], "there is none, and that is true");
}

fn snapshots(store: SnapshotStore) -> Snapshots {
    let store_id = store.id().unwrap();
    Snapshots {
        store,
        scope: "x".into(),
        store_id,
        interval_ms: 1,
        keep: 2,
        keep_events_ms: None,
        instance: "one".into(),
        is_inline: true,
    }
}

/// Of rows, partition 0, of a log that is trimmed to 4 and ends at 9.
fn wanted() -> Wanted {
    let bounds = Bounds { low: NextOffset(4), high: NextOffset(9), is_stream: true };
    Wanted { log: Log::Pairs, partition: Partition(0), identity: 11, partitions: (2, 3), bounds, behind: None }
}

/// One that may be used.
fn head(snapshots: &Snapshots) -> Head {
    Head {
        stage: "rows".to_owned(),
        partition: 0,
        log_id: 1,
        store_id: snapshots.store_id,
        identity: 11,
        partitions: (2, 3),
        offset: 7,
        checksum: Some(77),
        epoch: None,
        inputs: Vec::new(),
        facts: Vec::new(),
        written_at_ms: 0,
        written_by: "one".to_owned(),
        state_format: STATE_FORMAT,
    }
}

fn write(snapshots: &Snapshots, offset: u64, head: &Head) -> Found {
    let (encoder, mut bytes) = Encoder::head(head).unwrap();
    encoder.finish(&mut bytes);
    let mut writing = snapshots.store.write("x", "rows", 0, offset).unwrap();
    writing.put(&bytes).unwrap();
    writing.publish().unwrap();
    snapshots.newest(Log::Pairs, Partition(0)).unwrap().into_iter().find(|found| found.offset == offset).unwrap()
}

/// What comes of a head that differs from a good one by `change`, where the record before its offset has the checksum `found`.
fn judged(change: impl FnOnce(&mut Head), found: Option<u32>) -> Result<u64, String> {
    let snapshots = snapshots(SnapshotStore::open("memory:").unwrap());
    let mut head = head(&snapshots);
    change(&mut head);
    let object = write(&snapshots, head.offset, &head);
    let (_health, vigil) = vigil();
    match usable(&snapshots, &wanted(), &object, &vigil, &|_| Ok(found)) {
        Ok(Ok(head)) => Ok(head.offset),
        Ok(Err((why, _))) => Err(format!("passed over: {why:?}")),
        Err(refusal) => Err(refusal.downcast::<Refusal>().unwrap().to_string()),
    }
}

#[test]
fn what_contradicts_the_log_the_rules_or_the_store_is_refused_and_what_is_of_no_use_is_passed_over() {
    assert_eq!(judged(|_| (), Some(77)), Ok(7));
    for (said, judged) in [
        ("it was written to another store", judged(|head| head.store_id ^= 1, Some(77))),
        ("it was made by other counting rules", judged(|head| head.identity += 1, Some(77))),
        ("(2 and 4)", judged(|head| head.partitions.1 += 1, Some(77))),
        ("(1 and 3)", judged(|head| head.partitions.0 -= 1, Some(77))),
        ("checksum was", judged(|_| (), Some(78))),
        ("the record before its offset cannot be found", judged(|_| (), None)),
        ("it was read up to 10.0, but ends at 9", judged(|head| head.offset = 10, None)),
        ("passed over: Format", judged(|head| head.state_format += 1, Some(77))),
        ("passed over: Trimmed", judged(|head| head.offset = 3, None)),
    ] {
        let judged = judged.unwrap_err();
        assert!(judged.contains(said), "{said}: {judged}");
    }
    assert_eq!(judged(|head| head.offset = 4, None), Ok(4), "the record before it may be trimmed");
}
