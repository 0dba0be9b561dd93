//! Logs that are not what they must be: the stage stops, says at which position and what to do, and applies nothing after.

use crate::rig::{Rig, Shape, default_rules, line, naive_rules};
use crate::shop;
use samenloop::drive::Transport as _;
use samenloop::intake::{Record, checksum_of_record};
use samenloop::position::{NextOffset, Partition};
use samenloop::stage::{EventsInput, Log, Phase, RowsInput};
use samenloop::wire::{EventsBlock, Kind, Opening, PairsBlock, checksum_of_block, founding, kind_of};

const ONLY: Partition = Partition(0);

/// A rig at rest after some events in blocks of one record.
fn rested() -> (Shape, Rig) {
    let rules = default_rules();
    let shape = Shape { block_entries: 1, ..Shape::new(&rules) };
    let events = shop::events(7, 120, &shop::Shape::of(&naive_rules(&rules)));
    let mut rig = Rig::open(&shape, &[events]);
    while rig.feed(0).unwrap() {}
    rig.rest().unwrap();
    (shape, rig)
}

fn tamper(rig: &mut Rig, log: Log, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    rig.pipeline.transport_mut().log.borrow_mut().tamper(log, ONLY, |records| {
        let mut blocks: Vec<Vec<u8>> = records.iter().flatten().map(|record| record.to_vec()).collect();
        change(&mut blocks);
        *records = blocks.into_iter().map(|block| Some(block.into())).collect();
    });
}

fn restart(rig: &mut Rig, log: Log) -> String {
    let result = match log {
        Log::Events => rig.pipeline.restart_windows(ONLY),
        _ => rig.pipeline.restart_rows(ONLY),
    };
    format!("{:#}", result.unwrap_err())
}

/// The stage that reads `log` stopped at `offset`, and takes in nothing more.
fn assert_stopped(rig: &mut Rig, log: Log, offset: u64) {
    let (phase, next) = match log {
        Log::Events => (rig.pipeline.windows()[0].phase().clone(), rig.pipeline.windows()[0].next(EventsInput)),
        _ => (rig.pipeline.rows()[0].phase().clone(), rig.pipeline.rows()[0].next(RowsInput::Pairs)),
    };
    assert_eq!((phase, next), (Phase::Stopped, NextOffset(offset)));
    let ends =
        |rig: &mut Rig| [Log::Pairs, Log::Lists].map(|log| rig.pipeline.transport_mut().bounds(log, ONLY).unwrap().1);
    let before = ends(rig);
    for _ in 0..2 {
        let error = rig.pipeline.flush().unwrap_err().to_string();
        assert!(error.contains("has stopped after an error"), "{error}");
    }
    assert!(rig.clock(1_900_000_000_000).is_err());
    assert_eq!(ends(rig), before, "nothing leaves a stage that has stopped");
}

/// Span of the only section of a block.
fn span(log: Log, block: &[u8]) -> (String, String) {
    let section = match log {
        Log::Events => EventsBlock::decode(block).unwrap().sections[0].clone(),
        _ => PairsBlock::decode(block).unwrap().sections[0].clone(),
    };
    (section.head.span.from.to_string(), section.head.span.to.to_string())
}

#[test]
fn a_missing_block_stops_the_stage_with_both_positions_and_nothing_after_it_is_applied() {
    for log in [Log::Events, Log::Pairs] {
        let (_, mut rig) = rested();
        let (mut want, mut at) = (String::new(), 0);
        tamper(&mut rig, log, |blocks| {
            let entries = |block: &[u8]| kind_of(block).unwrap() != Kind::Opening;
            at = (40..blocks.len()).find(|&n| entries(&blocks[n]) && entries(&blocks[n + 1])).unwrap();
            let (expected, _) = span(log, &blocks.remove(at));
            let (found, _) = span(log, &blocks[at]);
            want = format!("starts at {found}, next expected {expected}");
        });
        let error = restart(&mut rig, log);
        assert!(error.starts_with(&format!("{}-0 at offset {at}: ", log.name())), "{error}");
        assert!(error.contains(&want) && error.contains("the log lost records"), "{error}\nwant {want}");
        assert_stopped(&mut rig, log, at as u64);
    }
}

#[test]
fn a_log_without_its_start_is_refused() {
    for log in [Log::Events, Log::Pairs] {
        let (_, mut rig) = rested();
        tamper(&mut rig, log, |blocks| drop(blocks.remove(0)));
        let error = restart(&mut rig, log);
        assert!(error.contains("no opening mark of this log names: the log's start is missing"), "{error}");
    }
}

#[test]
fn a_damaged_byte_is_refused_wherever_it_stands() {
    for log in [Log::Events, Log::Pairs] {
        let (_, mut rig) = rested();
        let mut sizes = Vec::new();
        tamper(&mut rig, log, |blocks| sizes = blocks.iter().map(Vec::len).collect());
        for at in [0, 1, sizes.len() / 2, sizes.len() - 1] {
            for byte in [0, 4, sizes[at] / 2, sizes[at] - 1] {
                let (_, mut rig) = rested();
                tamper(&mut rig, log, |blocks| blocks[at][byte] ^= 0x10);
                let error = restart(&mut rig, log);
                assert!(error.starts_with(&format!("{}-0 at offset {at}: ", log.name())), "byte {byte}: {error}");
                assert_stopped(&mut rig, log, at as u64);
            }
        }
    }
}

#[test]
fn a_record_cut_short_and_an_empty_one_are_refused() {
    for length in [0, 3, 20] {
        let (_, mut rig) = rested();
        tamper(&mut rig, Log::Events, |blocks| blocks[5].truncate(length));
        let error = restart(&mut rig, Log::Events);
        assert!(error.starts_with("events-0 at offset 5: "), "{error}");
    }
}

fn other_id(block: &[u8]) -> Vec<u8> {
    let mut opening = Opening::decode(block).unwrap();
    opening.log_id ^= 1;
    opening.encode()
}

#[test]
fn another_logs_opening_mark_is_refused_by_reader_and_writer() {
    for log in [Log::Events, Log::Pairs] {
        let (shape, mut rig) = rested();
        tamper(&mut rig, log, |blocks| {
            let foreign = other_id(&blocks[0]);
            blocks.push(foreign);
        });
        let error = rig.pipeline.flush().unwrap_err().to_string();
        assert!(error.contains("another log under the same name"), "reader of {}: {error}", log.name());
        assert!(error.contains("the log's id is"), "{error}");
        let error = open_again(&shape, &mut rig).err().expect("the writer refuses too");
        assert!(error.contains("another log under the same name"), "writer of {}: {error}", log.name());
    }
}

/// Another pipeline on the same logs.
fn open_again(shape: &Shape, rig: &mut Rig) -> Result<Rig, String> {
    let log = rig.pipeline.transport_mut().clone();
    Rig::over(shape, log, rig.files.clone()).map_err(|error| format!("{error:#}"))
}

#[test]
fn other_counting_rules_and_another_user_secret_are_refused_before_anything_is_appended() {
    let (shape, mut rig) = rested();
    let mut other_rules = shape.clone();
    other_rules.rules.session_gap_ms += 1;
    let other_secret = Shape { secret: 9, ..shape.clone() };
    let other_room = Shape { merge_bytes_max: shape.merge_bytes_max / 2, ..shape.clone() };
    let ends = |rig: &mut Rig| {
        [Log::Events, Log::Pairs].map(|log| rig.pipeline.transport_mut().bounds(log, ONLY).unwrap().1.0)
    };
    let before = ends(&mut rig);
    for (other, log) in [(&other_rules, "pairs"), (&other_room, "pairs"), (&other_secret, "events")] {
        let error = open_again(other, &mut rig).err().expect("refused");
        assert!(error.starts_with(&format!("{log}-0 at offset 0: written under rules ")), "{error}");
        assert!(
            error.contains("set the counting rules, merge_buffer, numbers of partitions and user secret back"),
            "{error}"
        );
    }
    assert_eq!(ends(&mut rig), before, "a mark of other rules could never be taken back");
    assert!(open_again(&shape, &mut rig).is_ok(), "with the rules set back the logs are good");
}

#[test]
fn a_pairs_log_made_from_another_events_log_is_refused_not_taken_for_sent() {
    let (shape, mut rig) = rested();
    let held = rig.pipeline.transport_mut().bounds(Log::Pairs, ONLY).unwrap();
    tamper(&mut rig, Log::Events, Vec::clear);
    let error = open_again(&shape, &mut rig).err().expect("refused");
    assert!(error.contains("events-0 at offset 0: the log's id is"), "{error}");
    assert_eq!(rig.pipeline.transport_mut().bounds(Log::Pairs, ONLY).unwrap(), held, "nothing was appended");
}

#[test]
fn a_source_that_goes_on_beyond_what_the_log_holds_is_refused() {
    let (_, mut rig) = rested();
    rig.pipeline.restart_intake().unwrap();
    assert_eq!(rig.pipeline.resume_at(0), NextOffset(120));
    let error = rig.pipeline.open_input(0, NextOffset(123), None).unwrap_err().to_string();
    assert!(error.starts_with("shop-0 would go on at 123, but the events log holds it up to 120 only"), "{error}");
    rig.pipeline.restart_intake().unwrap();
    rig.pipeline.open_input(0, NextOffset(100), None).unwrap();
    let event = &shop::events(7, 121, &shop::Shape::of(&naive_rules(&default_rules())))[120];
    rig.files[0].push((line(event), None));
    rig.fed[0] = 100;
    while rig.feed(0).unwrap() {}
    let tally = rig.pipeline.intake().work().tally();
    assert!(tally.muted > 15 && tally.accepted.iter().sum::<u64>() <= 1, "read again, not appended again: {tally:?}");
}

/// Another block that says the same, by another writer.
fn rewritten(block: &[u8]) -> Vec<u8> {
    let mut other = block.to_vec();
    assert!(other[12] < 0x7F, "a generation of one byte");
    other[12] += 1;
    let checksum = xxhash_rust::xxh3::xxh3_64(&other[12..]);
    other[4..12].copy_from_slice(&checksum.to_le_bytes());
    other
}

fn ends(rig: &mut Rig) -> [NextOffset; 2] {
    [Log::Events, Log::Pairs].map(|log| rig.pipeline.transport_mut().bounds(log, ONLY).unwrap().1)
}

#[test]
fn an_events_log_that_lost_its_tail_is_refused_before_anything_is_appended() {
    for lost in [1, 7, 100] {
        let (_, mut rig) = rested();
        let mut left = 0;
        tamper(&mut rig, Log::Events, |blocks| {
            left = blocks.len() - lost;
            blocks.truncate(left);
        });
        let before = ends(&mut rig);
        let error = restart(&mut rig, Log::Events);
        let want = format!("it was read up to {}.0, but ends at {left}: it has lost its end", left + lost);
        assert!(error.starts_with("events-0 at offset 0: ") && error.contains(&want), "{error}\nwant {want}");
        assert_eq!(ends(&mut rig), before);
    }
}

/// It lost its tail, and others wrote on: what is new stands where something else has been read before.
#[test]
fn an_events_log_that_lost_its_tail_and_has_grown_again_is_refused_at_the_record_that_is_another_one() {
    for grown in [0, 5] {
        let (_, mut rig) = rested();
        let (mut at, mut was, mut is) = (0, 0, 0);
        tamper(&mut rig, Log::Events, |blocks| {
            at = blocks.len() - 1;
            let other = rewritten(&blocks[at]);
            (was, is) = (checksum_of_block(&blocks[at]).unwrap(), checksum_of_block(&other).unwrap());
            blocks[at] = other;
            blocks.extend(std::iter::repeat_n(founding(1), grown));
        });
        let before = ends(&mut rig);
        let error = restart(&mut rig, Log::Events);
        let want = format!("the record's checksum was {was:08x}; the record there now has {is:08x}");
        assert!(error.starts_with(&format!("events-0 at offset {at}: ")) && error.contains(&want), "{error}");
        assert_eq!(ends(&mut rig), before, "nothing is appended");
        assert_stopped(&mut rig, Log::Events, at as u64);
    }
}

#[test]
fn the_same_log_with_blocks_that_were_never_read_goes_on() {
    let (_, mut rig) = rested();
    tamper(&mut rig, Log::Events, |blocks| blocks.extend(std::iter::repeat_n(founding(1), 3)));
    rig.pipeline.restart_windows(ONLY).unwrap();
    rig.rest().unwrap();
}

#[test]
fn a_source_that_ends_early_or_brings_another_record_where_one_was_read_is_refused() {
    let (_, mut rig) = rested();
    let at = rig.fed[0];
    let last = rig.files[0][at - 1].0.clone();
    let of = |line: &str| checksum_of_record(&Record { value: Some(line.as_bytes()), ..Record::default() });
    rig.pipeline.restart_intake().unwrap();
    let checkpoint = rig.pipeline.intake().work().checkpoint(0);
    assert_eq!((checkpoint.position.offset.0, checkpoint.checksum), (at as u64, Some(of(&last))), "for the driver");
    let error = rig.pipeline.open_input(0, NextOffset(at as u64), Some(NextOffset(at as u64 - 1))).unwrap_err();
    let want = format!("shop-0 at offset {at}: it was read up to {at}.0, but ends at {}", at - 1);
    assert!(error.to_string().starts_with(&want), "{error}");
    // Read again from before: the record at the checkpoint is compared.
    for is_other in [false, true] {
        rig.pipeline.restart_intake().unwrap();
        rig.pipeline.open_input(0, NextOffset(at as u64 - 2), None).unwrap();
        rig.fed[0] = at - 2;
        if is_other {
            rig.files[0][at - 1].0.push(' ');
        }
        assert!(rig.feed(0).unwrap(), "no checkpoint is there");
        let fed = rig.feed(0).map_err(|error| error.to_string());
        let want = format!("shop-0 at offset {}: it was read up to {at}.0, where the record's checksum was", at - 1);
        assert_eq!(fed.is_err(), is_other, "{fed:?}");
        assert!(fed.err().is_none_or(|error| error.starts_with(&want)), "want {want}");
    }
}

#[test]
fn what_tells_records_apart_is_key_value_and_time() {
    let record = |key, value, timestamp_ms| Record { key, value, timestamp_ms, ..Record::default() };
    let (a, b, none): (Option<&[u8]>, Option<&[u8]>, Option<&[u8]>) = (Some(b"a"), Some(b"b"), None);
    let empty: Option<&[u8]> = Some(b"");
    let mut all = Vec::new();
    for key in [none, empty, a, b] {
        for value in [none, empty, a, b] {
            for time in [None, Some(0), Some(1), Some(-1)] {
                all.push(checksum_of_record(&record(key, value, time)));
            }
        }
    }
    let distinct: std::collections::BTreeSet<u32> = all.iter().copied().collect();
    assert_eq!(distinct.len(), all.len());
}
