//! Logs that are not what they must be: the stage stops, says at which position and what to do, and applies nothing after.

use crate::rig::{Heard, Rig, Shape, default_rules, line, naive_rules};
use crate::shop;
use samenloop::drive::{Bounds, Kept, Pipeline, SetClocks, Topic, plan};
use samenloop::intake::{Record, checksum_of_record};
use samenloop::position::{NextOffset, Partition};
use samenloop::stage::{EventsInput, Log, Phase, RowsInput};
use samenloop::wire::{EventsBlock, Kind, Opening, PairsBlock, kind_of};
use std::sync::Arc;

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

/// Changes the blocks of a log.
fn tamper(rig: &mut Rig, log: Log, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    rig.pipeline.log().with(&Topic::Log(log), ONLY, |held| {
        let mut blocks: Vec<Vec<u8>> = held.records().iter().filter_map(|(_, kept)| kept.value.clone()).collect();
        change(&mut blocks);
        held.replace(blocks.into_iter().map(|block| Kept { value: Some(block), ..Kept::default() }));
    });
}

fn bounds(rig: &Rig, log: Log) -> Bounds {
    rig.pipeline.log().bounds(&Topic::Log(log), ONLY).unwrap()
}

/// What the worker says that reads `log` from its start again.
fn restart(rig: &mut Rig, log: Log) -> String {
    let group = if log == Log::Events { "windows" } else { "rows" };
    format!("{:#}", rig.lose(group, 0).unwrap_err())
}

/// The stage that reads `log` stopped at `offset`, and takes in nothing more.
fn assert_stopped(rig: &mut Rig, log: Log, offset: u64) {
    let (phase, next) = match log {
        Log::Events => (rig.pipeline.windows()[0].phase().clone(), rig.pipeline.windows()[0].next(EventsInput)),
        _ => (rig.pipeline.rows()[0].phase().clone(), rig.pipeline.rows()[0].next(RowsInput::Pairs)),
    };
    assert_eq!((phase, next), (Phase::Stopped, NextOffset(offset)));
    let behind = if log == Log::Events { &[Log::Pairs, Log::Lists][..] } else { &[Log::Lists] };
    let ends = |rig: &Rig| behind.iter().map(|&log| bounds(rig, log)).collect::<Vec<_>>();
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

/// What lies behind a gap is skipped, and nothing that lacks it is published, until its writer has sent again what is missing; nobody does.
#[test]
fn a_missing_block_stops_the_stage_after_a_while_with_both_positions_and_nothing_after_it_is_applied() {
    for log in [Log::Events, Log::Pairs] {
        let (_, mut rig) = rested();
        let (mut want, mut at) = (String::new(), 0);
        tamper(&mut rig, log, |blocks| {
            let entries = |block: &[u8]| kind_of(block).unwrap() != Kind::Opening;
            at = (40..blocks.len()).find(|&n| entries(&blocks[n]) && entries(&blocks[n + 1])).unwrap();
            let (expected, _) = span(log, &blocks.remove(at));
            let (found, _) = span(log, &blocks[at]);
            blocks.extend(blocks.last().cloned()); // as long as it was: only what is read can tell
            want = format!("starts at {found}, next expected {expected}");
        });
        let lists = bounds(&rig, Log::Lists);
        rig.lose(if log == Log::Events { "windows" } else { "rows" }, 0).unwrap();
        let start_ms = 1_800_000_000_000;
        for seconds in [0, 30, 59] {
            rig.clock(start_ms + seconds * 1_000).unwrap();
            let phase = match log {
                Log::Events => rig.pipeline.windows()[0].phase().clone(),
                _ => rig.pipeline.rows()[0].phase().clone(),
            };
            assert_eq!(phase, Phase::CatchingUp, "{seconds} s");
            assert_eq!(bounds(&rig, Log::Lists), lists, "what lacks something was published");
        }
        let error = rig.clock(start_ms + 60_000).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}-0 at offset {at}: ", log.name())), "{error}");
        assert!(error.contains(&want) && error.contains("logs.gap_wait"), "{error}\nwant {want}");
        let high = bounds(&rig, log).high.0;
        assert_stopped(&mut rig, log, high);
    }
}

#[test]
fn a_damaged_byte_is_refused_wherever_it_stands() {
    for log in [Log::Events, Log::Pairs] {
        let (_, mut rig) = rested();
        let mut sizes = Vec::new();
        tamper(&mut rig, log, |blocks| sizes = blocks.iter().map(Vec::len).collect());
        for at in [1, sizes.len() / 2, sizes.len() - 1] {
            for byte in [0, 4, sizes[at] / 2, sizes[at] - 1] {
                let (_, mut rig) = rested();
                tamper(&mut rig, log, |blocks| blocks[at][byte] ^= 0x10);
                let error = restart(&mut rig, log);
                // The last one is looked at before a stage is made: it is the one that was read last.
                let is_told = error.starts_with(&format!("{}-0 at offset {at}: ", log.name()))
                    || (at == sizes.len() - 1 && error.contains("or was made anew"));
                assert!(is_told, "{log:?} at {at}, byte {byte}: {error}");
                if at < sizes.len() - 1 {
                    assert_stopped(&mut rig, log, at as u64); // the last one is looked at before a stage is made
                }
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
            let own = blocks.iter().find(|block| kind_of(block).unwrap() == Kind::Opening).unwrap();
            let foreign = other_id(own);
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
    let log = rig.pipeline.log().clone();
    log.expel(0);
    Rig::over(shape, log, rig.files.clone()).map_err(|error| format!("{error:#}"))
}

#[test]
fn other_counting_rules_and_another_user_secret_are_refused_before_anything_is_appended() {
    let (shape, mut rig) = rested();
    let mut other_rules = shape.clone();
    other_rules.rules.session_gap_ms += 1;
    let other_secret = Shape { secret: 9, ..shape.clone() };
    let other_room = Shape { merge_bytes_max: shape.merge_bytes_max / 2, ..shape.clone() };
    let all = [Log::Events, Log::Pairs, Log::Totals, Log::Lists];
    let before = all.map(|log| bounds(&rig, log).high);
    for (other, log) in [(&other_rules, "pairs"), (&other_room, "pairs"), (&other_secret, "events")] {
        let error = open_again(other, &mut rig).err().expect("refused");
        assert!(error.starts_with(&format!("{log}-0 at offset 1: written under rules ")), "{error}");
        assert!(
            error.contains("set the counting rules, merge_buffer, numbers of partitions and user secret back"),
            "{error}"
        );
    }
    let after = all.map(|log| bounds(&rig, log).high);
    assert_eq!(after[1..], before[1..], "a mark of other rules could never be taken back");
    assert!(open_again(&shape, &mut rig).is_ok(), "with the rules set back the logs are good");
}

/// The same events, in another log under the same name.
#[test]
fn a_pairs_log_made_from_another_events_log_is_refused_not_taken_for_sent() {
    let (shape, mut rig) = rested();
    let (_, other) = rested();
    let topic = Topic::Log(Log::Events);
    let records = other
        .pipeline
        .log()
        .with(&topic, ONLY, |held| held.records().iter().map(|(_, kept)| (**kept).clone()).collect::<Vec<_>>());
    rig.pipeline.log().with(&topic, ONLY, |held| held.replace(records.unwrap()));
    let held = bounds(&rig, Log::Pairs);
    let error = open_again(&shape, &mut rig).err().expect("refused");
    assert!(error.contains("the log's id is") || error.contains("was made anew"), "{error}");
    assert_eq!(bounds(&rig, Log::Pairs), held, "nothing was appended");
}

#[test]
fn a_source_that_goes_on_beyond_what_the_log_holds_is_refused() {
    let (shape, mut rig) = rested();
    let event = &shop::events(7, 121, &shop::Shape::of(&naive_rules(&default_rules())))[120];
    rig.files[0].extend(std::iter::repeat_n((line(event), None), 5));
    let source = Topic::Source("shop".into());
    for _ in 0..5 {
        let kept = Kept { value: Some(line(event).into_bytes()), ..Kept::default() };
        rig.pipeline.log().with(&source, ONLY, |held| held.push(kept));
    }
    // Read by nobody, and taken by retention: 120 to 122.
    rig.pipeline.log().with(&source, ONLY, |held| held.trim(NextOffset(123)));
    let error = open_again(&shape, &mut rig).err().expect("refused");
    assert!(error.starts_with("shop-0 would go on at 123, but the events log holds it up to 120 only"), "{error}");
}

#[test]
fn a_log_that_has_lost_its_start_is_refused_before_anything_is_appended() {
    for (log, lost) in [(Log::Events, 1), (Log::Events, u64::MAX), (Log::Pairs, 1), (Log::Pairs, u64::MAX)] {
        let (shape, mut rig) = rested();
        rig.pipeline.log().with(&Topic::Log(log), ONLY, |held| held.trim(NextOffset(lost)));
        let all = [Log::Events, Log::Pairs, Log::Totals, Log::Lists];
        let behind = if log == Log::Events { &all[..] } else { &all[1..] };
        let before: Vec<_> = behind.iter().map(|&log| bounds(&rig, log)).collect();
        let low = bounds(&rig, log).low.0;
        let error = open_again(&shape, &mut rig).err().expect("refused");
        let want = format!("{}-0 starts at offset {low}, but is needed from 0 on: records are gone", log.name());
        assert!(error.starts_with(&want), "{error}");
        let after: Vec<_> = behind.iter().map(|&log| bounds(&rig, log)).collect();
        assert_eq!(after, before, "nothing is appended: {error}");
    }
}

/// The events log was made anew, or all of it deleted and its offsets with it; what was made of it is there.
#[test]
fn an_emptied_events_log_is_refused_before_it_is_given_another_identity() {
    let (shape, mut rig) = rested();
    rig.pipeline.log().with(&Topic::Log(Log::Events), ONLY, |held| held.cut(NextOffset(0)));
    let error = open_again(&shape, &mut rig).err().expect("refused");
    assert!(error.contains("the events log is empty, but the pairs log holds what was made of it up to"), "{error}");
    assert_eq!(bounds(&rig, Log::Events).high, NextOffset(0), "nothing was appended");
}

/// A second instance that has joined and is about to take partition 1 of windows and rows over; the first has let go of it.
fn about_to_take_over() -> (Rig, Pipeline<Heard>) {
    let rules = default_rules();
    let shape = Shape { block_entries: 1, partitions: 2, ..Shape::new(&rules) };
    let events = shop::events(7, 120, &shop::Shape::of(&naive_rules(&rules)));
    let mut rig = Rig::open(&shape, &[events]);
    while rig.feed(0).unwrap() {}
    rig.rest().unwrap();
    let log = rig.pipeline.log().clone();
    let plan = plan(shape.setup(), &shape.inputs(), i64::MAX, &log).unwrap();
    let clocks = Arc::<SetClocks>::default();
    let second = Pipeline::open_instance(1, plan, shape.inputs(), log, clocks, Heard::default()).unwrap();
    rig.pipeline.take_in().unwrap();
    (rig, second)
}

/// How the logs stand: where each partition begins and ends.
fn all_bounds(rig: &Rig, logs: &[Log]) -> Vec<Bounds> {
    let of = |&log: &Log| [0, 1].map(|n| rig.pipeline.log().bounds(&Topic::Log(log), Partition(n)).unwrap());
    logs.iter().flat_map(of).collect()
}

/// Whoever founds a log must know that the logs around it are good, those of other owners too: a founding mark stands for ever.
#[test]
fn an_empty_pairs_log_is_not_founded_where_events_lost_their_start_or_totals_know_of_pairs() {
    let all = [Log::Events, Log::Pairs, Log::Totals, Log::Lists];
    for (lost, want) in [
        (Some(0), "events-0 starts at offset 1, but is needed from 0 on: records are gone"),
        (Some(1), "events-1 starts at offset 1, but is needed from 0 on: records are gone"),
        (None, "the pairs log is empty, but the totals log holds what was made of it up to"),
    ] {
        let (rig, mut second) = about_to_take_over();
        let log = rig.pipeline.log();
        for number in [0, 1].map(Partition) {
            log.with(&Topic::Log(Log::Pairs), number, |held| held.cut(NextOffset(0)));
        }
        if let Some(number) = lost {
            log.with(&Topic::Log(Log::Events), Partition(number), |held| held.trim(NextOffset(1)));
        }
        let before = all_bounds(&rig, &all);
        let error = format!("{:#}", second.take_in().unwrap_err());
        assert!(error.starts_with(want), "{error}");
        assert_eq!(all_bounds(&rig, &all), before, "nothing is appended: {error}");
    }
}

/// All of what is taken over is looked at before any of it is claimed.
#[test]
fn nothing_is_claimed_where_any_totals_have_lost_their_start_or_any_pairs_their_end() {
    let claimed = [Log::Totals, Log::Lists];
    for (log, want) in [(Log::Totals, "totals-0 starts at offset 1"), (Log::Pairs, "pairs-1, as the totals log has it")]
    {
        let (rig, mut second) = about_to_take_over();
        match log {
            Log::Totals => rig.pipeline.log().with(&Topic::Log(log), Partition(0), |held| held.trim(NextOffset(1))),
            _ => rig.pipeline.log().with(&Topic::Log(log), Partition(1), |held| {
                // The same marks, and another record where the last one was read.
                let last = held.records().back().unwrap().0;
                let other = held.records().iter().rev().nth(1).unwrap().1.clone();
                held.cut(last);
                held.push((*other).clone());
            }),
        };
        let before = all_bounds(&rig, &claimed);
        let error = format!("{:#}", second.take_in().unwrap_err());
        assert!(error.starts_with(want), "{error}");
        assert_eq!(all_bounds(&rig, &claimed), before, "nothing is claimed: {error}");
    }
}

#[test]
fn a_source_made_anew_is_refused_before_another_one_is_begun_beside_it() {
    let (shape, rig) = rested();
    let others = shop::events(8, 200, &shop::Shape::of(&naive_rules(&default_rules())));
    let kept = others.iter().map(|event| Kept { value: Some(line(event).into_bytes()), ..Kept::default() });
    rig.pipeline.log().with(&Topic::Source("shop".into()), ONLY, |held| held.replace(kept));
    let before = bounds(&rig, Log::Events);
    let log = rig.pipeline.log().clone();
    log.expel(0);
    let wider = Shape { sources: vec!["shop", "more"], ..shape };
    let error = format!("{:#}", Rig::over(&wider, log, vec![Vec::new(); 2]).err().expect("refused"));
    assert!(error.starts_with("shop-0, as the events log has it: it was read up to 120.0"), "{error}");
    assert_eq!(bounds(&rig, Log::Events), before, "a mark that names the new source was appended");
}

/// Fault 1: an unclean election or a restored broker. The tail of `log` is gone; in the second case it has grown again since.
#[test]
fn a_log_that_lost_its_tail_is_refused_also_when_it_has_grown_past_that_point_again() {
    for log in [Log::Events, Log::Pairs] {
        for grows in [false, true] {
            let (shape, mut rig) = rested();
            let high = bounds(&rig, log).high.0;
            rig.pipeline.log().with(&Topic::Log(log), ONLY, |held| {
                let tail: Vec<_> = held.records().iter().skip(60).map(|(_, kept)| (**kept).clone()).collect();
                held.cut(NextOffset(60));
                if grows {
                    // Other records stand where the lost ones stood, and more of them.
                    tail.iter().rev().chain(&tail).for_each(|kept| held.push(kept.clone()));
                }
            });
            let before = [Log::Pairs, Log::Totals, Log::Lists].map(|log| bounds(&rig, log).high);
            let error = open_again(&shape, &mut rig).err().expect("refused");
            // Intake may have sent again what the sources still hold: that makes no other log of it.
            assert!(error.contains("it has lost its end") && high > 60, "{log:?}: {error}");
            if log == Log::Events {
                let after = [Log::Pairs, Log::Totals, Log::Lists].map(|log| bounds(&rig, log).high);
                assert_eq!(after, before, "nothing was made of it: {error}");
            }
        }
    }
}

/// Fault 14: offsets alone cannot tell.
#[test]
fn a_source_made_anew_is_refused_whether_it_is_shorter_or_longer_than_before() {
    for longer in [false, true] {
        let (shape, mut rig) = rested();
        let others = shop::events(8, 200, &shop::Shape::of(&naive_rules(&default_rules())));
        let count = if longer { 200 } else { 50 };
        rig.pipeline.log().with(&Topic::Source("shop".into()), ONLY, |held| {
            held.replace(
                others[..count].iter().map(|event| Kept { value: Some(line(event).into_bytes()), ..Kept::default() }),
            );
        });
        let before = bounds(&rig, Log::Events);
        let error = open_again(&shape, &mut rig).err().expect("refused");
        assert!(error.starts_with("shop-0, as the events log has it: it was read up to 120.0"), "{error}");
        let why = if longer { "the record there now has" } else { "but ends at 50" };
        assert!(error.contains(why), "{error}");
        assert_eq!(bounds(&rig, Log::Events), before, "nothing was appended");
    }
}

#[test]
fn what_tells_records_apart_is_key_value_and_time() {
    let record = |key, value, timestamp_ms| Record { key, value, timestamp_ms, ..Record::default() };
    let texts: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"a"), Some(b"b")];
    let mut all = Vec::new();
    for key in texts {
        for value in texts {
            for time in [None, Some(0), Some(1), Some(-1)] {
                all.push(checksum_of_record(&record(key, value, time)));
            }
        }
    }
    let distinct: std::collections::BTreeSet<u32> = all.iter().copied().collect();
    assert_eq!(distinct.len(), all.len());
}
