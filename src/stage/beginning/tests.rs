//! Where sources begin in what is kept: tried against every place from which a ledger could begin.

use super::*;
use crate::items::Items;
use crate::position::{Ledger, Verdict};
use crate::wire::{EventsWriter, SectionHead};
use proptest::prelude::*;

const LOG_ID: u128 = 12;

fn at(offset: u64) -> Position {
    Position::start_of(NextOffset(offset))
}

fn source(name: &str) -> SourcePartition {
    SourcePartition::new(name, 0)
}

fn opening(log_id: u128, generation: u64, origins: &[(&str, Option<u64>)]) -> Opening {
    let origins = origins.iter().map(|&(name, first)| Origin { source: source(name), first: first.map(at) });
    Opening { log_id, input_log_id: 0, store_id: 0, identity: 7, generation, origins: origins.collect() }
}

/// A block of a writer of `generation` with one empty section: of `name`, from one place to another.
fn section(generation: u64, name: &str, (from, to): (u64, u64), lag: Lag) -> Vec<u8> {
    let mut writer = EventsWriter::default();
    let span = Span { from: at(from), to: at(to) };
    writer.open(SectionHead { source: source(name), span, highest: None, lag, arrived_ms: None, checksum: None });
    writer.finish(generation, &Items::default())
}

fn kept(blocks: &[Vec<u8>]) -> KeptRecords {
    let mut kept = KeptRecords::default();
    for (offset, block) in (0..).zip(blocks) {
        kept.record(Partition(0), NextOffset(offset), block).unwrap();
    }
    kept
}

fn live(spans: &[(u64, u64)]) -> Vec<Vec<u8>> {
    spans.iter().map(|&span| section(3, "a", span, Lag::Live)).collect()
}

/// What a snapshot knows that has read sources so far.
fn known(sources: &[(&str, u64)]) -> PartitionFacts {
    let places = sources.iter().map(|&(name, offset)| (source(name), at(offset)));
    PartitionFacts::begun(NextOffset(1), &opening(LOG_ID, 1, &[]), places.collect())
}

fn headless(partition: u32, low: u64, blocks: &[Vec<u8>], known: Option<PartitionFacts>) -> Headless {
    Headless { partition: Partition(partition), low: NextOffset(low), kept: kept(blocks), known }
}

/// Where "a" begins, kept from these sections on, with what a snapshot knows of it.
fn first(spans: &[(u64, u64)], read: Option<u64>) -> Result<u64, String> {
    let blocks = [vec![opening(LOG_ID, 1, &[]).encode()], live(spans)].concat();
    let begun = beginnings(&[headless(0, 5, &blocks, read.map(|read| known(&[("a", read)])))]);
    let begun = begun.map_err(|error| error.to_string())?.remove(0);
    let place = begun.facts.read_of(&source("a")).unwrap().position;
    assert_eq!(begun.places[&source("a")].0, place);
    Ok(place.offset.0)
}

#[test]
fn a_source_begins_where_what_is_kept_of_it_chains_to_its_end() {
    assert_eq!(first(&[(10, 12), (12, 15), (15, 15)], None), Ok(10));
    assert_eq!(
        first(&[(10, 15), (7, 12), (15, 20)], None),
        Ok(10),
        "what was sent again starts before, and ends before"
    );
    assert_eq!(first(&[(20, 25), (10, 25)], None), Ok(10), "a gap that was closed: all of what closed it is counted");
    assert_eq!(first(&[(20, 25), (10, 20), (20, 30)], None), Ok(10));
}

#[test]
fn what_a_paused_writer_sent_last_is_left_out_where_a_snapshot_knows_that_the_rest_was_there() {
    let late = [(0, 5), (10, 15)];
    assert_eq!(first(&late, Some(12)), Ok(10));
    assert_eq!(first(&late, Some(15)), Ok(10));
    assert_eq!(first(&[(0, 5)], Some(10)), Ok(10), "nothing that is kept is news");
    assert_eq!(first(&[], Some(10)), Ok(10));
    for read in [None, Some(5)] {
        let refused = first(&late, read).unwrap_err();
        let what = "events-0: what is kept of a-0 starts at 0.0, but chains only from 10.0 on";
        assert!(refused.starts_with(what), "{refused}");
    }
}

#[test]
fn writers_learn_what_the_marks_said_that_are_gone() {
    // The writer of the newest blocks has left no mark that is kept; partition 1 is whole, partition 2 knows of "b" by a snapshot only.
    let blocks = [opening(LOG_ID, 4, &[("a", Some(0))]).encode(), section(9, "a", (30, 40), Lag::History)];
    let whole = [opening(LOG_ID, 1, &[("a", Some(2))]).encode(), section(9, "a", (2, 35), Lag::Live)];
    let all = [
        headless(0, 5, &blocks, Some(known(&[("b", 8)]))),
        headless(1, 0, &whole, None),
        headless(2, 9, &live(&[(20, 33)]), Some(known(&[("b", 6), ("a", 33)]))),
    ];
    let begun = beginnings(&all).unwrap();
    let of: Vec<_> = begun.iter().map(|begun| (begun.partition.0, begun.low.0, begun.log_id)).collect();
    assert_eq!(of, [(0, 5, LOG_ID), (2, 9, LOG_ID)]);
    for begun in &begun {
        let (offset, mark) = begun.facts.openings().next().unwrap();
        // The least of all partitions: to go on from a later place would leave out what one of them has not got.
        let origins = [("a", Some(2)), ("b", Some(6))];
        assert_eq!((offset.after(), mark), (begun.low, &opening(LOG_ID, 9, &origins)), "{}", begun.partition.0);
    }
    let places = |begun: &Beginning| -> Vec<(u64, Lag)> {
        begun.places.values().map(|&(place, lag)| (place.offset.0, lag)).collect()
    };
    assert_eq!(places(&begun[0]), [(30, Lag::History), (8, Lag::Live)], "who says nothing is not waited for");
    assert_eq!(places(&begun[1]), [(20, Lag::Live), (6, Lag::Live)]);
    assert_eq!(begun[1].facts.read_of(&source("b")), Some(crate::position::Checkpoint::origin(at(6))));
}

#[test]
fn what_does_not_say_which_log_it_is_or_how_far_a_source_was_read_is_refused() {
    let refused = |all: &[Headless]| beginnings(all).unwrap_err();
    assert_eq!(refused(&[headless(0, 5, &live(&[(1, 2)]), None)]), BeginningError::NoId);
    let mark = opening(LOG_ID, 1, &[("a", Some(0))]).encode();
    let unheard = |name| BeginningError::Unheard { partition: Partition(0), source_partition: source(name) };
    let without = || headless(0, 5, std::slice::from_ref(&mark), None);
    assert_eq!(refused(&[without()]), unheard("a"), "where it once began is not how far it was read");
    let other = headless(1, 5, &[mark.clone(), section(1, "b", (1, 2), Lag::Live)], Some(known(&[("a", 1)])));
    let blocks = [opening(LOG_ID, 1, &[]).encode(), section(1, "a", (1, 2), Lag::Live)];
    assert_eq!(refused(&[headless(0, 5, &blocks, None), other]), unheard("b"), "another partition knows it");
    let two = [mark.clone(), opening(13, 2, &[]).encode()];
    for all in [vec![headless(0, 5, &two, None)], vec![without(), headless(1, 5, &two[1..], None)]] {
        assert!(matches!(refused(&all), BeginningError::OtherLog { first: LOG_ID, found: 13, .. }));
    }
}

/// Where a ledger that begins at `first` comes to, and whether it shows a gap then.
fn run(spans: &[(u64, u64)], first: u64) -> (u64, bool) {
    let (mut ledger, source) = (Ledger::default(), source("a"));
    ledger.open(&source, at(first));
    for &(from, to) in spans {
        let span = Span { from: at(from), to: at(to) };
        match ledger.check(&source, span).unwrap() {
            Verdict::Duplicate => {}
            Verdict::Beyond => ledger.skip(&source, span, NextOffset(0)),
            Verdict::Apply { .. } => ledger.advance(&source, span.to),
        }
    }
    (ledger.next(&source).unwrap().offset.0, ledger.gaps().next().is_some())
}

proptest! {
    /// By the ledger itself: the place found is the first one from which nothing is missing at the end.
    #[test]
    fn no_place_before_it_would_do(spans in prop::collection::vec((0_u64..12, 0_u64..5), 1..8), read in 0_u64..16) {
        let spans: Vec<_> = spans.into_iter().map(|(from, length)| (from, from + length)).collect();
        let end = spans.iter().map(|&(_, to)| to).max().unwrap().max(read);
        let want = (0..=end).find(|&first| run(&spans, first) == (end, false)).unwrap();
        let all = kept(&live(&spans));
        // A place that no section starts at, or that was read to, is none: what lies before it is not kept.
        let found = all.sources[&source("a")].first(at(read)).offset.0;
        prop_assert_eq!(run(&spans, found), (end, false));
        prop_assert_eq!(found, want);
    }
}
