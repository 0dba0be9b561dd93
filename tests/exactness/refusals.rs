//! Logs that are not what they must be: the stage stops, says at which position and what to do, and applies nothing after.

use crate::rig::{Rig, Shape, default_rules, line, naive_rules};
use crate::shop;
use samenloop::drive::Transport as _;
use samenloop::position::{NextOffset, Partition};
use samenloop::stage::{EventsInput, Log, Phase, RowsInput};
use samenloop::wire::{EventsBlock, Kind, Opening, PairsBlock, kind_of};

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
    let tally = rig.pipeline.intake_tally();
    assert!(tally.muted > 15 && tally.accepted.iter().sum::<u64>() <= 1, "read again, not appended again: {tally:?}");
}
