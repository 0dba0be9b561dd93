//! Totals that partitions tell each other, claims, and how far pairs have been read.

use super::*;
use crate::saved::{Saving, frames};
use crate::stage::kept::Kept as _;

#[test]
fn totals_travel_in_blocks_and_no_more_often_than_the_interval() {
    let mut bench = Bench::live(0, 2, 900);
    let blocks = told(&mut bench).totals;
    let [block] = &blocks[..] else { panic!("{} blocks", blocks.len()) };
    let block = TotalsBlock::decode(block).unwrap();
    assert_eq!(block.entries.len(), 6);
    assert_eq!((block.head.epoch, block.head.sequence, block.head.partition), (900, 1, Partition(0)));
    assert_eq!(block.head.read.position, Position::start_of(NextOffset(2)), "the opening and the views");
    let mut count = 0;
    for _ in 0..TELL_INTERVAL_MS / 10 * 4 {
        let names = names_of(0, 3);
        bench.views(&[(&names[0], "x"), (&names[1], "x"), (&names[2], "x")]);
        count += bench.pass(10).totals.len();
    }
    assert!((3..=4).contains(&count), "{count} blocks in four intervals");
}

#[test]
fn much_that_has_changed_is_told_in_bounded_blocks() {
    let mut bench = Bench::live(0, 2, 900);
    bench.pass(1);
    let names = names_of(0, LOOKED_AT_MAX * 2 + 5);
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "other")).collect();
    bench.views(&pairs);
    let blocks = bench.pass(TELL_INTERVAL_MS).totals;
    let sizes: Vec<usize> = blocks.iter().map(|block| TotalsBlock::decode(block).unwrap().entries.len()).collect();
    assert_eq!(sizes, [LOOKED_AT_MAX, LOOKED_AT_MAX, 5]);
}

#[test]
fn as_many_changed_totals_as_are_worth_it_are_told_before_the_interval_is_over() {
    let mut bench = Bench::live(0, 2, 900);
    bench.pass(1);
    let names = names_of(0, CHANGED_MAX);
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "other")).collect();
    assert_eq!(bench.views(&pairs[1..]).totals.len(), 0, "one too few");
    let told = bench.views(&pairs[..1]).totals;
    let entries: usize = told.iter().map(|block| TotalsBlock::decode(block).unwrap().entries.len()).sum();
    assert_eq!(entries, LOOKED_AT_MAX, "the first of them; the rest is left over");
    assert!(bench.stage.is_busy());
}

#[test]
fn totals_are_refused_in_a_partition_that_is_not_theirs_and_counted_when_told() {
    let mut owner = Bench::live(0, 2, 900);
    let block = told(&mut owner).totals.remove(0);
    assert_eq!(owner.stage.work().tally().totals_told, 6);
    let mut reader = Bench::live(1, 2, 800);
    let refused = reader.total(1, 5, &block);
    assert!(matches!(refused, Err(StageError::Foreign { log: Log::Totals, .. })), "{refused:?}");
    let mut damaged = claim(1, Partition(0), 0);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let mut reader = Bench::live(1, 2, 800);
    assert!(matches!(reader.total(0, 5, &damaged), Err(StageError::Wire { log: Log::Totals, .. })));
}

#[test]
fn what_moves_a_total_by_less_than_a_step_is_told_at_rest_and_once() {
    let mut bench = Bench::live(0, 2, 900);
    let name = names_of(0, 1).remove(0);
    for _ in 0..30 {
        bench.views(&[(&name, "other")]);
    }
    assert_eq!(bench.pass(1_000).totals.len(), 1);
    bench.views(&[(&name, "other")]);
    let entries = |blocks: &[Vec<u8>]| -> usize {
        blocks.iter().map(|block| TotalsBlock::decode(block).unwrap().entries.len()).sum()
    };
    assert_eq!(entries(&bench.pass(1_000).totals), 0, "a thirtieth");
    let rest_ms = PublishRules::default().rest_after_ms;
    assert_eq!(entries(&bench.pass(rest_ms).totals), 1);
    let ranked = |bench: &Bench| bench.stage.work().tally().ranked.iter().sum::<u64>();
    let before = ranked(&bench);
    assert_eq!(entries(&bench.pass(rest_ms / 2).totals), 0);
    assert_eq!(ranked(&bench), before, "the others rank by them first");
    assert_eq!(entries(&bench.pass(rest_ms).totals), 0);
    assert!(ranked(&bench) > before, "then everything is ranked");
}

#[test]
fn at_rest_too_totals_are_told_in_bounded_blocks() {
    let mut bench = Bench::live(0, 2, 900);
    let names = names_of(0, LOOKED_AT_MAX + 5);
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "other")).collect();
    let sizes = |seen: Seen| -> Vec<usize> {
        seen.totals.iter().map(|block| TotalsBlock::decode(block).unwrap().entries.len()).collect()
    };
    for _ in 0..25 {
        bench.views(&pairs);
    }
    assert_eq!(sizes(bench.pass(1_000)), [LOOKED_AT_MAX, 5]);
    bench.views(&pairs);
    assert_eq!(sizes(bench.pass(1_000)), [0; 0], "each moved by a twenty-fifth");
    assert_eq!(sizes(bench.pass(PublishRules::default().rest_after_ms)), [LOOKED_AT_MAX, 5]);
}

#[test]
fn a_restart_tells_no_total_again_that_readers_have() {
    let mut first = Bench::live(0, 2, 900);
    let mut log = told(&mut first).totals;
    log.extend(first.pass(1_000).totals);
    let mut second = Bench::restoring(0, 2);
    second.open(950, first.log.len() as u64, 0).unwrap();
    for (offset, block) in (901..).zip(&log) {
        second.total(0, offset, block).unwrap();
    }
    for (offset, block) in (0..).zip(&first.log) {
        second.pairs(offset, block).unwrap();
    }
    assert_eq!(*second.stage.phase(), Phase::Live);
    let entries = |blocks: &[Vec<u8>]| -> usize {
        blocks.iter().map(|block| TotalsBlock::decode(block).unwrap().entries.len()).sum()
    };
    let again = second.pass(60_000);
    assert_eq!(entries(&again.totals), 0, "readers know");
    let at_rest = second.pass(60_000);
    assert_eq!(entries(&at_rest.totals), 0);
    // And what readers do not have is told.
    let mut third = Bench::restoring(0, 2);
    third.open(960, first.log.len() as u64, 0).unwrap();
    for (offset, block) in (0..).zip(&first.log) {
        third.pairs(offset, block).unwrap();
    }
    assert_eq!(entries(&third.pass(1).totals), 6);
}

/// An owner that stood still told totals behind the claim of a later one, and kept a state that has them as told. No reader
/// took them.
#[test]
fn what_a_kept_state_has_as_told_but_no_reader_took_is_told_again() {
    let mut first = Bench::live(0, 2, 900);
    let early = told(&mut first).totals.remove(0);
    let name = names_of(0, 1).remove(0);
    first.views(&[(&name, "x"), (&name, "y"), (&name, "z")]);
    let late = first.pass(1_000).totals.remove(0);
    let late_entries = TotalsBlock::decode(&late).unwrap().entries.len();
    let (mut state, mut effects) = (Vec::new(), Vec::<Effect>::new());
    first.stage.begin_save(&mut effects).unwrap();
    while first.stage.save(usize::MAX, &mut state) == Saving::More {}

    let entries_of_successor = |records: &[Vec<u8>]| -> usize {
        let mut second = Bench::restoring(0, 2);
        let mut work = RowsWork::new(Partition(0), 2, &CountingRules::default(), IDENTITY, &setup());
        for frame in frames(&state) {
            let (kind, body) = frame.unwrap();
            work.load(kind, body).unwrap();
        }
        work.loaded().unwrap();
        second.stage = Stage::new(work, RowsInput::all(2));
        second.tell(Fact::Claimed { epoch: 950 }).unwrap();
        let pairs = NextOffset(first.log.len() as u64);
        let own = RowsInput::Totals(Partition(0));
        let totals = NextOffset(901 + records.len() as u64);
        for (input, next, until) in [
            (own, NextOffset(901), totals),
            (RowsInput::Totals(Partition(1)), NextOffset(0), NextOffset(0)),
            (RowsInput::Lists, NextOffset(0), NextOffset(0)),
            (RowsInput::Pairs, pairs, pairs),
        ] {
            second.tell(Fact::Opened { input, next, until: Some(until) }).unwrap();
        }
        for (offset, record) in (901..).zip(records) {
            second.total(0, offset, record).unwrap();
        }
        assert_eq!(*second.stage.phase(), Phase::Live);
        let told = [second.pass(60_000), second.pass(60_000)].into_iter().flat_map(|seen| seen.totals);
        told.map(|block| TotalsBlock::decode(&block).unwrap().entries.len()).sum()
    };
    let overtakes = claim(2, Partition(0), 0);
    assert_eq!(entries_of_successor(&[early.clone(), late.clone(), overtakes.clone()]), 0, "readers have both");
    assert_eq!(entries_of_successor(&[early.clone(), overtakes.clone(), late.clone()]), late_entries);
    assert_eq!(entries_of_successor(&[overtakes, early, late]), 5 + late_entries, "one of the six is in both");
}

#[test]
fn after_a_claim_no_total_of_an_owner_before_counts() {
    let mut owner = Bench::live(0, 2, 900);
    let early = told(&mut owner).totals.remove(0);
    let late = {
        let names = names_of(0, 1);
        owner.views(&[(&names[0], "x"), (&names[0], "y"), (&names[0], "z")]);
        owner.pass(1_000).totals.remove(0)
    };
    let total = |reader: &Bench| {
        let mut weight = None;
        let name = names_of(0, 1).remove(0);
        if let Some(item) = reader.stage.work().rows().items().find_item("main", &name) {
            let row = reader.stage.work().rows().row(Relation::ViewedTogether, item);
            weight = Some(row.other_weight(item));
        }
        weight
    };
    let mut reader = Bench::live(1, 2, 800);
    reader.total(0, 900, &claim(1, Partition(0), 0)).unwrap();
    reader.total(0, 901, &early).unwrap();
    let known = total(&reader);
    assert!(known.is_some());
    reader.total(0, 902, &claim(2, Partition(0), 0)).unwrap();
    reader.total(0, 903, &late).unwrap();
    assert_eq!(total(&reader), known, "the claim stands before it");
    let mut other = Bench::live(1, 2, 800);
    other.total(0, 901, &early).unwrap();
    other.total(0, 902, &late).unwrap();
    assert!(total(&other) > known, "without the claim it counts");
    other.total(0, 903, &early).unwrap();
    assert!(total(&other) > known, "an older block of the same owner");
}

#[test]
fn what_a_predecessor_read_of_the_pairs_log_must_be_there() {
    let mut first = Bench::live(0, 1, 0);
    first.views(&[("a", "b")]);
    first.views(&[("a", "c")]);
    let marks = first.pass(60_000).totals;
    let read = TotalsBlock::decode(marks.last().unwrap()).unwrap().head.read;
    assert_eq!(read.position, Position::start_of(NextOffset(3)), "told although there is nobody to tell totals to");
    assert!(first.pass(60_000).totals.is_empty(), "once");
    let source = SourcePartition::new(PAIRS_SOURCE, 0);
    let successor = |until: u64| {
        let mut bench = Bench::restoring(0, 1);
        bench.tell(Fact::Inherited(Inherited::Checkpoint { output: 0, source: &source, checkpoint: read })).unwrap();
        (bench.open(9, until, 0), bench)
    };
    let (short, _) = successor(2);
    assert!(matches!(short, Err(StageError::Checkpoint { .. })), "{short:?}");
    let (whole, mut bench) = successor(3);
    whole.unwrap();
    let log = first.log.clone();
    (0..).zip(&log).for_each(|(offset, block)| drop(bench.pairs(offset, block).unwrap()));
    let (grown, mut bench) = successor(5);
    grown.unwrap();
    bench.pairs(0, &log[0]).unwrap();
    bench.pairs(1, &log[1]).unwrap();
    let other = bench.pairs(2, &log[1]);
    assert!(matches!(other, Err(StageError::Checkpoint { .. })), "another block stands there: {other:?}");
}
