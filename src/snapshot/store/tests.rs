//! The store: what is seen, when, in which order, and what is told when it cannot be.

use super::*;
use crate::snapshot::Encoder;
use std::fs;
use std::io::Write;
use std::path::Path as FilePath;

const LOG: u128 = 0xABC;
const SCOPE: &str = "shop.";

fn head(offset: u64, facts: usize) -> Head {
    // Facts that do not pack, though the head is not packed anyway.
    let facts = (0..facts).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect();
    Head {
        stage: "rows".to_owned(),
        partition: 2,
        log_id: LOG,
        store_id: 1,
        identity: 2,
        partitions: (1, 4),
        offset,
        checksum: None,
        epoch: None,
        origin: 0,
        inputs: Vec::new(),
        facts,
        written_at_ms: 0,
        written_by: "made-up".to_owned(),
        state_format: 1,
    }
}

/// Bytes that hardly pack.
fn noise(bytes: usize) -> Vec<u8> {
    let word = |n: usize| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()).to_le_bytes();
    (0..bytes / 8).flat_map(word).collect()
}

fn snapshot(offset: u64, facts: usize, chunk: &[u8]) -> Vec<u8> {
    let (mut encoder, mut out) = Encoder::head(&head(offset, facts)).unwrap();
    encoder.chunk(chunk, &mut out).unwrap();
    encoder.finish(&mut out);
    out
}

fn published(store: &SnapshotStore, offset: u64, chunk: &[u8]) -> String {
    let mut writing = store.write(SCOPE, "rows", 2, offset).unwrap();
    writing.put(&snapshot(offset, 0, chunk)).unwrap();
    let name = writing.name().to_owned();
    writing.publish().unwrap();
    name
}

fn offsets(found: &[Found]) -> Vec<u64> {
    found.iter().map(|found| found.offset).collect()
}

fn newest(store: &SnapshotStore) -> Vec<u64> {
    offsets(&store.newest(SCOPE, "rows", 2).unwrap())
}

fn files(folder: &FilePath) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

/// Every kind of store that needs nobody else: a folder that is there as long as the second value is.
fn stores() -> Vec<(SnapshotStore, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/deep/er", folder.path().display());
    vec![(SnapshotStore::open(&url).unwrap(), Some(folder)), (SnapshotStore::open("memory:").unwrap(), None)]
}

#[test]
fn what_was_published_is_found_newest_first_and_reads_back() {
    for (store, _folder) in stores() {
        assert_eq!(newest(&store), [0_u64; 0]);
        for offset in [9, 100, 20, 0, u64::MAX] {
            published(&store, offset, b"state");
        }
        assert_eq!(newest(&store), [u64::MAX, 100, 20, 9, 0]);
        let found = store.newest(SCOPE, "rows", 2).unwrap();
        assert_eq!(found[2].name, "shop./rows-002/00000000000000000020.snapshot");
        assert_eq!(store.head(&found[2].name).unwrap(), head(20, 0));
        // Other partitions, stages and logs are others.
        for (log, stage, partition) in [(SCOPE, "rows", 1), (SCOPE, "windows", 2), ("other", "rows", 2)] {
            assert_eq!(store.newest(log, stage, partition).unwrap(), []);
        }
    }
}

#[test]
fn a_snapshot_of_several_pieces_streams_back_and_verifies() {
    for (store, _folder) in stores() {
        // More than two pieces, and no whole number of them.
        let chunks: Vec<Vec<u8>> = (0..5).map(|n| noise((4 << 20) + 8 * n)).collect();
        let (mut encoder, mut bytes) = Encoder::head(&head(7, 10)).unwrap();
        let mut writing = store.write(SCOPE, "rows", 2, 7).unwrap();
        for chunk in &chunks {
            encoder.chunk(chunk, &mut bytes).unwrap();
            writing.put(&bytes).unwrap();
            bytes.clear();
        }
        encoder.finish(&mut bytes);
        writing.put(&bytes).unwrap();
        assert_eq!(newest(&store), [0_u64; 0], "not before it is published");
        let name = writing.name().to_owned();
        let size = writing.publish().unwrap();
        assert!(size > 2 * READ_BYTES);
        let reading = store.read(&name).unwrap();
        assert_eq!(reading.size(), size);
        let (_, mut reader) = Reader::open(reading).unwrap();
        let mut chunk = Vec::new();
        for expected in &chunks {
            reader.next_chunk(&mut chunk).unwrap().unwrap();
            assert!(chunk == *expected);
        }
        assert!(reader.next_chunk(&mut chunk).unwrap().is_none());
        let raw_bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        assert_eq!(store.verify(&name).unwrap(), Verified { head: head(7, 10), chunks: 5, raw_bytes });
    }
}

#[test]
fn nothing_is_seen_of_what_was_not_published() {
    for (store, folder) in stores() {
        for way in ["abandoned", "dropped"] {
            for parts in [0, 1, 3] {
                let mut writing = store.write(SCOPE, "rows", 2, 7).unwrap();
                writing.put(&noise(parts * PART_BYTES + 800)).unwrap();
                let temporary = folder.as_ref().map_or(0, |folder| files(folder.path()));
                assert_eq!(temporary, usize::from(folder.is_some() && parts > 0), "while it is written");
                assert_eq!(newest(&store), [0_u64; 0]);
                if way == "abandoned" {
                    writing.abandon()
                } else {
                    drop(writing)
                }
                assert_eq!(newest(&store), [0_u64; 0], "{way}, {parts} parts");
                assert_eq!(folder.as_ref().map_or(0, |folder| files(folder.path())), 0, "{way}, {parts} parts");
            }
        }
    }
}

#[test]
fn the_same_offset_again_takes_the_place_of_the_first_when_it_is_published() {
    for (store, _folder) in stores() {
        let name = published(&store, 7, b"first");
        let raw = |store: &SnapshotStore| store.verify(&name).unwrap().raw_bytes;
        let mut writing = store.write(SCOPE, "rows", 2, 7).unwrap();
        writing.put(&snapshot(7, 0, &noise(PART_BYTES + 800))).unwrap();
        assert_eq!(raw(&store), 5);
        writing.publish().unwrap();
        assert_eq!(raw(&store), PART_BYTES as u64 + 800);
        assert_eq!(newest(&store), [7]);
    }
}

#[test]
fn a_snapshot_that_is_replaced_while_it_is_read_is_not_mixed() {
    for (store, _folder) in stores() {
        let name = published(&store, 7, &noise(20 << 20));
        let mut reading = store.read(&name).unwrap();
        reading.read_exact(&mut [0; 10]).unwrap();
        published(&store, 7, &noise((20 << 20) + 80));
        let error = StoreError::of_read(&name, reading.read_to_end(&mut Vec::new()).unwrap_err());
        assert!(matches!(error, StoreError::Replaced { .. }) && error.is_transient(), "{error}");
    }
}

#[test]
fn a_head_is_read_without_the_rest_also_where_it_is_longer_than_a_range() {
    let folder = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(folder.path().to_str().unwrap()).unwrap();
    for facts in [0, 100, usize::try_from(HEAD_READ_BYTES).unwrap() * 3 + 5] {
        let bytes = snapshot(7, facts, &noise(1 << 20));
        let mut writing = store.write(SCOPE, "rows", 2, 7).unwrap();
        let name = writing.name().to_owned();
        // All behind the head is wrong, and nobody looks.
        let cut = bytes.len() - (1 << 20);
        writing.put(&bytes[..cut]).unwrap();
        writing.put(&vec![0; 1 << 20]).unwrap();
        writing.publish().unwrap();
        assert_eq!(store.head(&name).unwrap(), head(7, facts));
        assert!(matches!(store.verify(&name), Err(StoreError::Format { .. })));
        let mut reading = Reading::open(&store, &name, HEAD_READ_BYTES, false).unwrap();
        reading.read_exact(&mut [0; 10]).unwrap();
        assert_eq!((reading.next, reading.asked.is_some()), (HEAD_READ_BYTES, false));
    }
}

#[test]
fn what_is_removed_goes_alone_and_so_does_what_a_crash_has_left() {
    for (store, folder) in stores() {
        for offset in 1..=5 {
            published(&store, offset, b"state");
        }
        let leftover = |name: &str, age: Duration| {
            let Some(folder) = &folder else { return };
            let place = folder.path().join("deep/er").join(names::folder(SCOPE, "rows", 2).unwrap()).join(name);
            let file = fs::File::create(place).unwrap();
            (&file).write_all(b"half of a").unwrap();
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
        };
        leftover("00000000000000000006.snapshot#1", ABANDONED_AFTER + Duration::from_secs(60));
        leftover("00000000000000000006.snapshot#2", Duration::from_secs(60));
        leftover("notes.txt", ABANDONED_AFTER * 2);
        assert_eq!(newest(&store), [5, 4, 3, 2, 1], "what is half is not found");
        let found = store.newest(SCOPE, "rows", 2).unwrap();
        for old in &found[3..] {
            store.remove(&old.name).unwrap();
            store.remove(&old.name).unwrap(); // gone already
        }
        store.remove_abandoned(SCOPE, "rows", 2).unwrap();
        assert_eq!(newest(&store), [5, 4, 3]);
        if let Some(folder) = &folder {
            assert_eq!(files(folder.path()), 3 + 2, "the young one and the notes stay");
        }
        store.remove_abandoned(SCOPE, "rows", 3).unwrap(); // there is none
    }
}

/// What was found of an object holds for as long as it is the same.
#[test]
fn an_object_that_is_written_again_has_another_version() {
    for (store, _folder) in stores() {
        published(&store, 5, b"state");
        let version = || store.newest(SCOPE, "rows", 2).unwrap().remove(0).version;
        let (first, again) = (version(), version());
        assert_eq!(first, again);
        published(&store, 5, b"stake");
        assert_ne!(first, version());
    }
}

/// A folder that is not mounted is empty, or holds another store.
#[test]
fn a_store_that_is_not_the_one_that_it_was_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(folder.path().to_str().unwrap()).unwrap();
    store.id().unwrap();
    store.check_id().unwrap();
    let id = folder.path().join(ID_NAME);
    let kept = fs::read(&id).unwrap();
    fs::write(&id, format!("{ID_TEXT}{:032x}\n", 7)).unwrap();
    let other = store.check_id().unwrap_err();
    fs::remove_file(&id).unwrap();
    let none = store.check_id().unwrap_err();
    for error in [other, none] {
        assert!(matches!(error, StoreError::Exchanged { .. }) && error.is_waited_for(), "{error}");
    }
    assert!(!id.exists(), "none is made");
    fs::write(&id, kept).unwrap();
    store.check_id().unwrap();
}

#[test]
fn all_who_open_at_once_agree_on_the_id() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().to_str().unwrap();
        let barrier = std::sync::Barrier::new(4);
        let ids: Vec<u128> = std::thread::scope(|scope| {
            let ask = || {
                let store = SnapshotStore::open(url).unwrap();
                barrier.wait();
                store.id().unwrap()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids[0] != 0 && ids.iter().all(|id| *id == ids[0]), "{ids:x?}");
        assert_eq!(SnapshotStore::open(url).unwrap().id().unwrap(), ids[0], "and stay with it");
        assert_eq!(files(folder.path()), 1);
    }
}

#[test]
fn another_store_has_another_id_and_a_damaged_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    let id = SnapshotStore::open(url).unwrap().id().unwrap();
    assert_ne!(SnapshotStore::open("memory:").unwrap().id().unwrap(), id);
    for text in ["", "something else", "samenloop snapshot store 12", &"x".repeat(1 << 20)] {
        fs::write(folder.path().join(ID_NAME), text).unwrap();
        let error = SnapshotStore::open(url).unwrap().id().unwrap_err();
        assert!(matches!(error, StoreError::NoId { .. }) && !error.is_transient(), "{error}");
    }
}

#[test]
fn a_store_that_was_emptied_keeps_its_id_and_one_that_was_exchanged_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    let store = SnapshotStore::open(url).unwrap();
    let id = store.id().unwrap();
    let written = fs::read(folder.path().join(ID_NAME)).unwrap();
    fs::remove_file(folder.path().join(ID_NAME)).unwrap();
    store.keep_id().unwrap();
    assert_eq!(SnapshotStore::open(url).unwrap().id().unwrap(), id);
    fs::remove_file(folder.path().join(ID_NAME)).unwrap();
    assert_ne!(SnapshotStore::open(url).unwrap().id().unwrap(), id, "made by somebody else");
    let error = store.keep_id().unwrap_err();
    assert!(matches!(error, StoreError::Exchanged { .. }) && !error.is_transient(), "{error}");
    fs::write(folder.path().join(ID_NAME), written).unwrap();
    store.keep_id().unwrap();
}

#[test]
fn what_is_not_there_or_no_snapshot_is_told_apart() {
    for (store, _folder) in stores() {
        let name = published(&store, 7, b"state");
        let missing = name.replace("7.snapshot", "8.snapshot");
        for error in [store.head(&missing).unwrap_err(), store.verify(&missing).unwrap_err()] {
            assert!(matches!(&error, StoreError::Missing { object } if *object == missing), "{error}");
        }
        for (bytes, expected) in
            [(&b""[..], "its end is missing"), (b"other bytes", "not a snapshot"), (b"smnl", "its end is missing")]
        {
            let mut writing = store.write(SCOPE, "rows", 2, 7).unwrap();
            writing.put(bytes).unwrap();
            writing.publish().unwrap();
            for error in [store.head(&name).unwrap_err(), store.verify(&name).unwrap_err()] {
                assert!(matches!(&error, StoreError::Format { .. }) && !error.is_transient(), "{error}");
                assert!(error.to_string().contains(expected) && error.to_string().contains(&name), "{error}");
            }
        }
        for stage in ["", "a/b", "..", "Rows", "a-b"] {
            assert!(matches!(store.write(SCOPE, stage, 0, 0).map(drop), Err(StoreError::Name { .. })), "{stage}");
        }
        assert!(matches!(store.head("../x"), Err(StoreError::Name { .. })));
    }
}

#[test]
fn a_folder_that_cannot_be_one_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = SnapshotStore::open(path.to_str().unwrap()).map(drop).unwrap_err();
        assert!(!error.is_transient(), "{error}");
        let error = error.to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("Check snapshots.url"), "{error}");
    }
    // A file where the partition's folder should be: opened well, and refused when it is written to, small or large.
    let store = SnapshotStore::open(folder.path().to_str().unwrap()).unwrap();
    fs::create_dir(folder.path().join(SCOPE)).unwrap();
    fs::write(folder.path().join(names::folder(SCOPE, "rows", 2).unwrap()), "").unwrap();
    for bytes in [10, PART_BYTES + 8] {
        let mut writing = store.write(SCOPE, "rows", 2, 7).unwrap();
        let error = writing.put(&vec![0; bytes]).and_then(|()| writing.publish().map(drop)).unwrap_err();
        assert!(matches!(&error, StoreError::Refused { .. }) && error.to_string().contains("rows-002"), "{error}");
    }
}

#[test]
fn a_writing_that_has_failed_stays_failed() {
    let folder = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(folder.path().to_str().unwrap()).unwrap();
    fs::write(folder.path().join(SCOPE), "").unwrap();
    let mut writing = store.write(SCOPE, "rows", 2, 7).unwrap();
    assert!(writing.put(&vec![0; PART_BYTES]).is_err());
    fs::remove_file(folder.path().join(SCOPE)).unwrap();
    assert!(matches!(writing.put(b"more"), Err(StoreError::Abandoned { .. })));
    assert!(matches!(writing.publish(), Err(StoreError::Abandoned { .. })));
    assert_eq!(newest(&store), [0_u64; 0]);
}

/// `SAMENLOOP_FULL_DISK` names a folder on a file system of a few MiB (`mount -t tmpfs -o size=12m tmpfs …`).
#[test]
#[ignore = "needs a small file system"]
fn a_full_disk_is_told_and_leaves_nothing() {
    let store = SnapshotStore::open(&std::env::var("SAMENLOOP_FULL_DISK").unwrap()).unwrap();
    published(&store, 1, b"state");
    for parts in [1, 2] {
        let mut writing = store.write(SCOPE, "rows", 2, 7).unwrap();
        let error =
            writing.put(&noise(parts * PART_BYTES + (6 << 20))).and_then(|()| writing.publish().map(drop)).unwrap_err();
        assert!(matches!(&error, StoreError::Full { .. }) && error.is_transient(), "{error}");
        assert_eq!(newest(&store), [1]);
        published(&store, 2, b"there is room again");
        fs::remove_file(store.inner.folder.as_ref().unwrap().join(&store.newest(SCOPE, "rows", 2).unwrap()[0].name))
            .unwrap();
    }
}

#[test]
#[cfg(feature = "cloud")]
fn a_cloud_opens_without_a_request() {
    let store = SnapshotStore::open("s3://bucket/a/b").unwrap();
    assert_eq!(store.path("x").unwrap().as_ref(), "a/b/x");
}

#[test]
fn all_snapshots_of_a_scope_go_and_nothing_else() {
    for (store, folder) in stores() {
        let id = store.id().unwrap();
        assert_eq!((store.count(SCOPE).unwrap(), store.remove_all_but(SCOPE, &[]).unwrap()), ((0, 0), 0));
        let mut bytes = 0;
        for (scope, stage, partition) in
            [(SCOPE, "rows", 0), (SCOPE, "rows", 7), (SCOPE, "windows", 0), ("shop.2.", "rows", 0), ("shop", "rows", 0)]
        {
            for offset in [3, 4] {
                let mut writing = store.write(scope, stage, partition, offset).unwrap();
                writing.put(&snapshot(offset, 0, b"state")).unwrap();
                let written = writing.publish().unwrap();
                bytes += if scope == SCOPE { written } else { 0 };
            }
        }
        let torn = folder.as_ref().map(|folder| folder.path().join("deep/er/shop./rows-000/1.snapshot#1"));
        let other = folder.as_ref().map(|folder| folder.path().join("deep/er/shop./rows-000/notes.txt"));
        torn.iter().chain(&other).for_each(|path| fs::write(path, "x").unwrap());
        assert_eq!(store.count(SCOPE).unwrap(), (6, bytes));
        let stays = store.newest(SCOPE, "windows", 0).unwrap().remove(0);
        assert_eq!(store.remove_all_but(SCOPE, std::slice::from_ref(&stays.name)).unwrap(), 5);
        assert_eq!(offsets(&store.newest(SCOPE, "windows", 0).unwrap()), [4], "one was to stay");
        assert!(store.verify(&stays.name).is_ok());
        assert_eq!(store.remove_all_but(SCOPE, &[]).unwrap(), 1);
        assert_eq!(store.count(SCOPE).unwrap(), (0, 0));
        assert_eq!(store.newest(SCOPE, "rows", 7).unwrap(), []);
        assert!(torn.is_none_or(|torn| !torn.exists()) && other.is_none_or(|other| other.exists()));
        for scope in ["shop.2.", "shop"] {
            assert_eq!(offsets(&store.newest(scope, "rows", 0).unwrap()), [4, 3], "{scope}");
        }
        assert_eq!(SnapshotStore::open(&place(&folder)).map_or(id, |again| again.id().unwrap()), id);
        for scope in ["", "..", "a/b", ".hidden"] {
            assert!(matches!(store.remove_all_but(scope, &[]), Err(StoreError::Name { .. })), "{scope}");
        }
    }
}

/// Where a folder's store is; of one in memory, nowhere.
fn place(folder: &Option<tempfile::TempDir>) -> String {
    folder.as_ref().map_or(String::new(), |folder| format!("file://{}/deep/er", folder.path().display()))
}
