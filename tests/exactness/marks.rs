//! What is told of sources beside their events: enough that nothing waits in vain, and no more than time allows.

use crate::recount::Event;
use crate::rig::{Rig, Shape, default_rules, line, naive_rules};
use crate::shop;

use samenloop::drive::{Kept, Topic};
use samenloop::position::Partition;
use samenloop::stage::Log;
use samenloop::wire::{EventsBlock, Kind as BlockKind, Lag, kind_of};

/// After all events.
const CLOCK_MS: i64 = 4_000_000_000_000;
/// Older than what counts as lag.
const OLD_MS: i64 = 15_000;

fn appended(rig: &Rig, log: Log) -> (u64, u64) {
    let appended = rig.pipeline.appended(log);
    (appended.records, appended.bytes)
}

/// What waits to be merged.
fn held_bytes(rig: &Rig) -> usize {
    let kinds = rig.pipeline.windows()[0].work().bytes_by_kind();
    kinds.iter().find(|(kind, _)| *kind == "merge").unwrap().1
}

fn events(count: usize) -> Vec<Event> {
    let all = shop::events(3, 3 * count, &shop::Shape::of(&naive_rules(&default_rules())));
    let accepted = |event: &Event| !event.kind.is_refused();
    all.into_iter().filter(accepted).take(count).collect()
}

fn live(partitions: u32, sources: Vec<&'static str>) -> Rig {
    let shape = Shape { partitions, sources: sources.clone(), ..Shape::new(&default_rules()) };
    let mut rig = Rig::open(&shape, &vec![Vec::new(); sources.len()]);
    rig.clock(CLOCK_MS).unwrap();
    rig.end().unwrap();
    rig.clock(CLOCK_MS + 1_000).unwrap();
    rig
}

/// A mirrored topic: each record was old when it came, and is the last there is; its end is seen after each.
#[test]
fn records_that_were_old_when_they_came_make_hardly_more_blocks_than_young_ones() {
    let blocks = |age_ms: i64| {
        let mut rig = live(16, vec!["mirror"]);
        let before = appended(&rig, Log::Events).0;
        for (n, event) in (1_i64..).zip(events(100)) {
            let now_ms = CLOCK_MS + 2_000 + 200 * n;
            rig.clock(now_ms).unwrap();
            rig.files[0].push((line(&event), Some(now_ms - age_ms)));
            rig.feed(0).unwrap();
            rig.pipeline.end_input(0).unwrap();
            rig.pipeline.flush().unwrap();
        }
        appended(&rig, Log::Events).0 - before
    };
    let (young, old) = (blocks(0), blocks(OLD_MS));
    assert!(young >= 100, "a block an event: {young}");
    assert!(old <= young + 8, "{old} blocks, {young} for young records");
}

/// However the lags of sixteen sources change, the log is told in one round a second.
#[test]
fn marks_are_bounded_by_time_however_often_lags_change() {
    let sources: Vec<&'static str> = vec!["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut rig = live(4, sources.clone());
    let marks = |rig: &mut Rig| {
        let mut marks = 0;
        rig.each_block(Log::Events, |_, bytes| {
            marks += u64::from(EventsBlock::decode(bytes).unwrap().entries.is_empty());
        });
        marks
    };
    let before = marks(&mut rig);
    let all = events(sources.len());
    (0..sources.len()).for_each(|source| rig.pipeline.set_stream(source, true));
    let seconds = 60;
    for step in 0..seconds * 50 {
        let now_ms = CLOCK_MS + 10_000 + 20 * step;
        rig.clock(now_ms).unwrap();
        for (source, event) in all.iter().enumerate() {
            // Each is old for six seconds without an end in sight, then at its end; no two at the same time.
            let phase = (now_ms + 700 * i64::try_from(source).unwrap()) % 6_100;
            if phase < 20 {
                rig.pipeline.end_input(source).unwrap();
                rig.pipeline.set_stream(source, true);
            } else if step % 10 == 0 {
                rig.files[source].push((line(event), Some(now_ms - OLD_MS)));
                rig.feed(source).unwrap();
            }
        }
    }
    let flips = u64::try_from(seconds).unwrap() * 1_000 / 6_100 * 2 * sources.len() as u64;
    let made = marks(&mut rig) - before;
    let rounds = u64::try_from(seconds).unwrap() + 1;
    assert!(flips > 2 * rounds, "{flips} changes in {rounds} rounds: not tried");
    assert!(made > rounds * 2, "{made} marks: not tried");
    assert!(made <= (rounds + rounds / 10 + 1) * 4, "{made} marks in {rounds} seconds on 4 partitions");
}

/// Production never says that nothing more is at hand; it says that a source is at its end.
#[test]
fn the_end_of_a_source_ends_its_lag_and_what_waited_for_it_goes_on() {
    let mut rig = live(1, vec!["late", "other"]);
    let all = events(60);
    rig.pipeline.set_stream(0, true); // no end in sight
    let mut now_ms = CLOCK_MS + 5_000;
    for event in &all[..30] {
        now_ms += 500;
        rig.clock(now_ms).unwrap();
        rig.files[0].push((line(event), Some(now_ms - OLD_MS)));
        rig.feed(0).unwrap();
    }
    assert_eq!(rig.pipeline.lag(0).unwrap(), Lag::Behind);
    for event in &all[30..] {
        rig.files[1].push((line(event), Some(now_ms)));
        rig.feed(1).unwrap();
    }
    rig.settle().unwrap();
    let held = held_bytes;
    assert!(held(&rig) > 0, "nothing waits for the late one");
    now_ms += 2_000;
    rig.clock(now_ms).unwrap();
    rig.settle().unwrap();
    assert!(held(&rig) > 0, "that nothing is at hand is not the end");
    rig.pipeline.end_input(0).unwrap();
    assert_eq!((rig.pipeline.lag(0).unwrap(), held(&rig)), (Lag::Live, 0));
}

#[test]
fn a_second_after_the_last_record_every_partition_knows_how_far_its_source_is() {
    let mut rig = live(4, vec!["a"]);
    rig.files[0].push((line(&events(1)[0]), Some(CLOCK_MS)));
    rig.feed(0).unwrap();
    rig.pipeline.end_input(0).unwrap();
    let known = |rig: &Rig| rig.pipeline.intake().unwrap().work().resume_at(0).0;
    rig.clock(CLOCK_MS + 1_500).unwrap();
    assert_eq!(known(&rig), 0, "three of four have not been told");
    rig.clock(CLOCK_MS + 2_500).unwrap();
    assert_eq!(known(&rig), 1);
}

#[test]
fn where_nothing_happens_nothing_is_written() {
    let mut rig = live(4, vec!["a", "b"]);
    for event in events(50) {
        rig.files[0].push((line(&event), Some(CLOCK_MS)));
        rig.feed(0).unwrap();
    }
    rig.pipeline.end_input(0).unwrap();
    rig.pipeline.flush().unwrap();
    let mut now_ms = CLOCK_MS + 2_000;
    let mut idle = |rig: &mut Rig, seconds: i64| {
        for _ in 0..seconds * 10 {
            now_ms += 100;
            rig.clock(now_ms).unwrap();
            rig.pipeline.flush().unwrap();
        }
        (appended(rig, Log::Events).0, appended(rig, Log::Pairs).0)
    };
    let settled = idle(&mut rig, 30);
    assert_eq!(idle(&mut rig, 300), settled, "blocks of events and pairs in five idle minutes");
}

/// A member that was paused and overtaken says late how its source stood. The source has not moved since.
#[test]
fn what_an_overtaken_writer_says_late_holds_nothing_up() {
    let shape = Shape { sources: vec!["busy", "idle"], ..Shape::new(&default_rules()) };
    let mut rig = Rig::open(&shape, &[Vec::new(), Vec::new()]);
    rig.clock(CLOCK_MS).unwrap();
    // Behind, as far as that writer knows.
    let mut said = Vec::new();
    rig.each_block(Log::Events, |_, bytes| {
        if kind_of(bytes).unwrap() == BlockKind::Events {
            said.push(bytes.to_vec());
        }
    });
    let late = said.pop().unwrap();
    let idle = EventsBlock::decode(&late).unwrap().sections.into_iter().find(|s| &*s.head.source.source == "idle");
    assert_eq!(idle.unwrap().head.lag, Lag::Behind);
    rig.restart(3, 0).unwrap();
    rig.end().unwrap();
    rig.clock(CLOCK_MS + 2_000).unwrap();
    let kept = Kept { value: Some(late), ..Kept::default() };
    rig.pipeline.log().with(&Topic::Log(Log::Events), Partition(0), |held| held.push(kept));
    for event in events(40) {
        rig.files[0].push((line(&event), Some(CLOCK_MS)));
        rig.feed(0).unwrap();
    }
    rig.settle().unwrap();
    assert_eq!(held_bytes(&rig), 0, "an event waits for what was said late");
    let told = rig.pair_entries().by_position.len();
    assert!(told > 20, "{told} pairs");
}

/// What a source event costs on the logs when little comes: 4 + 4 partitions, blocks sent every 20 ms.
#[test]
fn few_events_cost_few_bytes() {
    let (per_second, seconds) = (20, 60);
    let mut rig = live(4, vec!["a", "b", "c", "d"]);
    rig.rest().unwrap();
    let before = [Log::Events, Log::Pairs].map(|log| appended(&rig, log).1);
    let count = per_second * seconds;
    let all = events(usize::try_from(count).unwrap());
    for (n, event) in (0_i64..).zip(&all) {
        let now_ms = CLOCK_MS + 10_000 + n * 1_000 / per_second;
        for tick in 0..3 {
            rig.clock(now_ms + 20 * tick).unwrap();
            rig.pipeline.flush().unwrap();
        }
        let source = usize::try_from(n % 4).unwrap();
        rig.files[source].push((line(event), Some(now_ms)));
        rig.feed(source).unwrap();
        rig.pipeline.end_input(source).unwrap();
        rig.pipeline.flush().unwrap();
    }
    let made = [Log::Events, Log::Pairs].map(|log| appended(&rig, log).1);
    let each = |n: usize| (made[n] - before[n]) as f64 / count as f64;
    println!("{per_second} events/s: {:.1} bytes an event on events, {:.1} on pairs", each(0), each(1));
    assert!(each(0) < 100.0 && each(1) < 160.0, "{:.1} and {:.1} bytes an event", each(0), each(1));
}
