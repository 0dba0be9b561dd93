//! Which snapshot may be started from, what comes of several partitions at once, and a store that does not say.

use super::super::tests::{self, snapshots, snapshots_in};
use super::*;
use crate::saved::{SavedError, Saving, frame};
use crate::snapshot::{Encoder, SnapshotStore};
use crate::stage::{Clock, Effects, EventsInput, Inherited, StageError, Work};
use crate::watch::health::Health;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

fn vigil() -> (Health, Vigil) {
    let health = Health::new(1, Duration::from_secs(60));
    let vigil = Vigil::new("rows-0", Arc::default(), &health);
    (health, vigil)
}

/// Brokers that answer meanwhile are no answer of the store.
#[test]
fn a_store_that_does_not_answer_is_waited_for_and_told_by_its_name_until_it_does() {
    let health = Health::new(1, Duration::from_secs(60));
    let vigil = Vigil::new("rows-0", Arc::default(), &health);
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
    let snapshots = snapshots_in(SnapshotStore::open(folder.path().to_str().unwrap()).unwrap());
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
    let snapshots = snapshots_in(SnapshotStore::open(folder.path().to_str().unwrap()).unwrap());
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

/// Of rows, partition 0, of a log that is trimmed to 4 and ends at 9.
fn wanted() -> Wanted {
    let bounds = Bounds { low: NextOffset(4), high: NextOffset(9), is_stream: true };
    Wanted { log: Log::Pairs, partition: Partition(0), identity: 11, partitions: (2, 3), bounds, behind: None }
}

/// One that may be used.
fn head(snapshots: &Snapshots) -> Head {
    Head { checksum: Some(77), ..tests::head(snapshots, 7) }
}

fn nothing_lost(_: &[(Partition, &Head)]) -> anyhow::Result<BTreeMap<Partition, Refusal>> {
    Ok(BTreeMap::new())
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
    let snapshots = snapshots();
    let mut head = head(&snapshots);
    change(&mut head);
    let object = write(&snapshots, head.offset, &head);
    let (_health, vigil) = vigil();
    let (wanted, found) = ([wanted()], found.map(|checksum| (Partition(0), checksum)));
    let found_at = |_: &[_]| Ok(found.into_iter().collect());
    let mut choice = Choice::of(&snapshots, &wanted, &vigil, &found_at, &nothing_lost).unwrap();
    match choice.next(&[0]).map(|mut chosen| chosen.remove(0)) {
        Ok((_, Some((found, head)))) => {
            assert_eq!(found, object);
            Ok(head.offset)
        }
        Ok((_, None)) => Err(format!("passed over: {:?}", choice.passed_over)),
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
        ("passed over: [(0, Format)]", judged(|head| head.state_format += 1, Some(77))),
        ("passed over: [(0, Trimmed)]", judged(|head| head.offset = 3, None)),
    ] {
        let judged = judged.unwrap_err();
        assert!(judged.contains(said), "{said}: {judged}");
    }
    assert_eq!(judged(|head| head.offset = 4, None), Ok(4), "the record before it may be trimmed");
}

/// The frames that it has taken up.
struct Noted {
    partition: Partition,
    taken_up: Vec<Vec<u8>>,
    is_whole: bool,
    facts: PartitionFacts,
}

const FITTING: u8 = 1;
const UNFIT: u8 = 2;

impl Work for Noted {
    type Input = EventsInput;
    type Record<'a> = &'a [u8];

    fn inherit(&mut self, _: &Inherited<'_>) -> Result<(), StageError> {
        Ok(())
    }
    fn open(&mut self, _: &mut dyn Effects) {}
    fn record(&mut self, _: EventsInput, _: NextOffset, _: &&[u8], _: &mut dyn Effects) -> Result<(), StageError> {
        Ok(())
    }
    fn reached(&mut self, _: EventsInput, _: &mut dyn Effects) {}
    fn live(&mut self, _: &mut dyn Effects) -> Result<(), StageError> {
        Ok(())
    }
    fn clock(&mut self, _: Clock, _: &mut dyn Effects) -> Result<(), StageError> {
        Ok(())
    }
    fn flush(&mut self, _: &mut dyn Effects) {}
    fn mark(&mut self, _: &mut dyn Effects) {}
    fn rest(&mut self, _: &mut dyn Effects) {}
}

impl Kept for Noted {
    fn may_save(&self) -> bool {
        false
    }
    fn begin_save(&mut self) {}
    fn save(&mut self, _: usize, _: &mut Vec<u8>) -> Saving {
        Saving::Void
    }
    fn held_early(&self) -> usize {
        0
    }
    fn end_save(&mut self) {}
    fn load(&mut self, kind: u8, body: &[u8]) -> Result<(), SavedError> {
        self.taken_up.push(body.to_vec());
        if kind == FITTING { Ok(()) } else { Err(SavedError::Kind { kind }) }
    }
    fn loaded(&mut self) -> Result<(), SavedError> {
        self.is_whole = true;
        Ok(())
    }
    fn log_id(&self) -> Option<u128> {
        None
    }
    fn facts(&self) -> &PartitionFacts {
        &self.facts
    }
    fn read_to(&self) -> Checkpoint {
        Checkpoint::default()
    }
}

const CHUNKS: u32 = 40;

/// Stores a snapshot of frames that name its partition, its offset and their place; the frame at `unfit` does not fit, and from the chunk at
/// `torn` on there is nothing.
fn store(snapshots: &Snapshots, partition: u32, offset: u64, unfit: Option<u32>, torn: Option<u32>) {
    let checksum = Some(partition);
    let of_store = head(snapshots);
    let head = Head { partition, identity: 1, partitions: (1, 9), offset, checksum, ..of_store };
    let (mut encoder, mut bytes) = Encoder::head(&head).unwrap();
    for place in 0..torn.unwrap_or(CHUNKS) {
        let mut chunk = Vec::new();
        let kind = if unfit == Some(place) { UNFIT } else { FITTING };
        frame(&mut chunk, kind, |out| out.extend(body(partition, offset, place)));
        encoder.chunk(&chunk, &mut bytes).unwrap();
    }
    if torn.is_none() {
        encoder.finish(&mut bytes);
    }
    let mut writing = snapshots.store.write(&snapshots.scope, "rows", partition, offset).unwrap();
    writing.put(&bytes).unwrap();
    writing.publish().unwrap();
}

fn body(partition: u32, offset: u64, place: u32) -> Vec<u8> {
    format!("{partition} {offset} {place} ").into_bytes().repeat(100)
}

/// Of rows of a whole log that ends at 100.
fn of_whole(partition: Partition) -> Wanted {
    let bounds = Bounds { low: NextOffset(0), high: NextOffset(100), is_stream: false };
    Wanted { log: Log::Pairs, partition, identity: 1, partitions: (1, 9), bounds, behind: None }
}

/// The offset that each of these partitions started from, or why none could be; and which were passed over.
fn started_of(
    snapshots: &Snapshots,
    partitions: &[u32],
    wanted: &dyn Fn(Partition) -> anyhow::Result<Wanted>,
    lost: &Lost<'_>,
) -> (Result<Vec<Option<u64>>, String>, Vec<PassedOver>) {
    let partitions: Vec<_> = partitions.iter().copied().map(Partition).collect();
    let (_health, vigil) = vigil();
    // All are asked for at once, and no partition's record is taken for another's.
    let found_at =
        |asked: &[(Partition, Checkpoint)]| Ok(asked.iter().map(|&(partition, _)| (partition, partition.0)).collect());
    let logs = Logs { wanted, found_at: &found_at, lost };
    let passed_over = RefCell::new(Vec::new());
    let note = |_, why| passed_over.borrow_mut().push(why);
    let make = |partition| Noted { partition, taken_up: Vec::new(), is_whole: false, facts: PartitionFacts::default() };
    let all = restore_telling(snapshots, &partitions, (&vigil, 0), &logs, &note, &make);
    let offsets = all.map(|all| {
        let offsets = all.into_iter().zip(&partitions).map(|(restored, &partition)| {
            let Restored { work, head, .. } = restored?;
            let expected: Vec<_> = (0..CHUNKS).map(|place| body(partition.0, head.offset, place)).collect();
            assert_eq!((work.partition, head.partition, work.is_whole), (partition, partition.0, true));
            assert!(work.taken_up == expected, "all of partition {}, in order, once", partition.0);
            Some(head.offset)
        });
        offsets.collect()
    });
    (offsets.map_err(|refusal| refusal.downcast::<Refusal>().unwrap().to_string()), passed_over.into_inner())
}

fn started(snapshots: &Snapshots, partitions: &[u32]) -> (Vec<Option<u64>>, usize) {
    let (offsets, passed_over) = started_of(snapshots, partitions, &|partition| Ok(of_whole(partition)), &nothing_lost);
    (offsets.unwrap(), passed_over.len())
}

#[test]
fn partitions_loaded_at_once_each_start_from_their_own_newest_good_snapshot() {
    for is_inline in [true, false] {
        let snapshots = Snapshots { is_inline, ..snapshots() };
        (0..8).filter(|number| *number != 3).for_each(|number| store(&snapshots, number, 10, None, None));
        (0..4).for_each(|number| store(&snapshots, number, 20, Some(number * 13), None));
        store(&snapshots, 5, 30, None, Some(CHUNKS - 1));
        store(&snapshots, 6, 30, None, Some(0));
        store(&snapshots, 7, 30, None, None);
        let all: Vec<u32> = (0..9).collect();
        let ten = Some(10);
        let expected = [ten, ten, ten, None, ten, ten, ten, Some(30), None];
        assert_eq!(started(&snapshots, &all), (expected.to_vec(), 6), "inline: {is_inline}");
        // With cores left over what is unpacked is ahead of what is taken up.
        for (number, expected) in all.iter().zip(expected) {
            assert_eq!(started(&snapshots, &[*number]).0, [expected], "alone: {number}, inline: {is_inline}");
        }
    }
}

/// What a partition's totals would be needed from, where they begin at `low`.
fn needed(partition: Partition, head: &Head, low: u64) -> Option<(Partition, Refusal)> {
    let bounds = Bounds { low: NextOffset(low), high: NextOffset(100), is_stream: false };
    let holds = holds_from(Log::Totals, partition, bounds, NextOffset(head.offset));
    holds.err().map(|refusal| (partition, refusal))
}

#[test]
fn one_behind_which_another_log_is_trimmed_is_passed_over_before_it_is_loaded_and_the_newest_tells_what_is_missing() {
    let snapshots = snapshots();
    for (number, offset) in [(0, 10), (0, 20), (1, 10), (1, 20), (2, 20)] {
        store(&snapshots, number, offset, None, None);
    }
    // Were it loaded, it would be damaged.
    store(&snapshots, 0, 30, Some(0), None);
    let wanted = |partition| Ok(of_whole(partition));
    let lost_where = |is_late: fn(u32, u64) -> bool| {
        move |heads: &[(Partition, &Head)]| {
            let late = heads.iter().filter(|(partition, head)| is_late(partition.0, head.offset));
            Ok(late.filter_map(|&(partition, head)| needed(partition, head, 50)).collect())
        }
    };
    let one_is = lost_where(|number, offset| number == 0 && offset == 30);
    let expected = vec![Some(20), Some(20), Some(20)];
    assert_eq!(started_of(&snapshots, &[0, 1, 2], &wanted, &one_is), (Ok(expected), vec![PassedOver::Trimmed]));
    // One partition that nothing serves is enough.
    let (refusal, passed_over) = started_of(&snapshots, &[0, 1, 2], &wanted, &lost_where(|number, _| number == 1));
    let refusal = refusal.unwrap_err();
    assert!(refusal.contains("totals-1 starts at offset 50, but is needed from 20 on"), "{refusal}");
    assert!(passed_over.iter().filter(|why| **why == PassedOver::Trimmed).count() == 2, "{passed_over:?}");
}

#[test]
fn a_partition_whose_logs_are_trimmed_while_states_are_loaded_is_chosen_anew_by_what_is_there_then() {
    for is_inline in [true, false] {
        let snapshots = Snapshots { is_inline, ..snapshots() };
        (0..3).for_each(|number| store(&snapshots, number, 20, None, None));
        let (asked, wanted_of) = (Cell::new(0), RefCell::new(Vec::new()));
        // The log has grown since, and is asked again: a newer one is not ahead of it.
        let wanted = |partition: Partition| {
            wanted_of.borrow_mut().push(partition.0);
            let high = NextOffset(if asked.get() > 1 { 200 } else { 100 });
            let wanted = of_whole(partition);
            Ok(Wanted { bounds: Bounds { high, ..wanted.bounds }, ..wanted })
        };
        // Asked for the second time, when all are loaded: others have gone on with one.
        let lost = |heads: &[(Partition, &Head)]| {
            asked.set(asked.get() + 1);
            if asked.get() == 2 {
                store(&snapshots, 1, 150, None, None);
            }
            let low = if asked.get() > 1 { 50 } else { 0 };
            let heads = heads.iter().filter(|(partition, _)| *partition == Partition(1));
            Ok(heads.filter_map(|&(partition, head)| needed(partition, head, low)).collect())
        };
        let came = started_of(&snapshots, &[0, 1, 2], &wanted, &lost);
        assert_eq!(came, (Ok(vec![Some(20), Some(150), Some(20)]), vec![PassedOver::Trimmed]), "inline: {is_inline}");
        assert_eq!(wanted_of.into_inner(), [0, 1, 2, 1], "only that one");
    }
}

#[test]
fn a_choice_is_not_begun_anew_without_end() {
    let snapshots = snapshots();
    let asked = Cell::new(0_usize);
    (0..2).for_each(|number| store(&snapshots, number, 20, None, None));
    // Every time all is there before they are loaded, and not when they are.
    let lost = |heads: &[(Partition, &Head)]| {
        let is_before = asked.replace(asked.get() + 1).is_multiple_of(2);
        let heads = heads.iter().filter(|(partition, _)| *partition == Partition(1) && !is_before);
        Ok(heads.filter_map(|&(partition, head)| needed(partition, head, 50)).collect())
    };
    let (refusal, passed_over) = started_of(&snapshots, &[0, 1], &|partition| Ok(of_whole(partition)), &lost);
    assert!(refusal.unwrap_err().contains("totals-1 starts at offset 50, but is needed from 20 on"));
    assert_eq!((asked.get(), passed_over), (2 * CHOICES_MAX, vec![PassedOver::Trimmed; CHOICES_MAX]));
}
