//! Blocks that a broker has acknowledged and does not hold: their reader skips what lies behind, and whoever writes the log next sends it
//! again, from where the log holds everything.

use crate::recount::Recount;
use crate::rig::{Rig, Shape, default_rules, difference, naive_rules};
use crate::shop;
use samenloop::stage::{Log, Phase};

/// After all events.
const CLOCK_MS: i64 = 4_000_000_000_000;

/// Half of the events are fed before `log` loses a block, the others after it.
fn with_a_lost_block(log: Log) -> (Rig, Recount) {
    let shape = Shape { block_entries: 4, partitions: 2, ..Shape::new(&default_rules()) };
    let naive = naive_rules(&shape.rules);
    let events = shop::events(11, 400, &shop::Shape::of(&naive));
    let mut recount = Recount::new(naive);
    events.iter().for_each(|event| recount.event(event));
    let mut rig = Rig::open(&shape, &[events]);
    while rig.fed[0] < 200 {
        rig.feed(0).unwrap();
    }
    rig.clock(CLOCK_MS).unwrap();
    rig.pipeline.log().with_faults(|faults| faults.lose_next = Some(log));
    while rig.feed(0).unwrap() {}
    rig.end().unwrap();
    rig.clock(CLOCK_MS + 1_000).unwrap();
    let mut lost = 0;
    rig.pipeline.log().with_faults(|faults| lost = faults.lost);
    assert_eq!(lost, 1, "nothing was lost: not tried");
    (rig, recount)
}

fn gaps(rig: &Rig, log: Log) -> usize {
    match log {
        Log::Events => rig.pipeline.windows().iter().map(|stage| stage.work().gaps().count()).sum(),
        _ => rig.pipeline.rows().iter().map(|stage| stage.work().gaps().count()).sum(),
    }
}

#[test]
fn a_writer_that_starts_again_closes_the_gap_and_every_event_is_counted_once() {
    for log in [Log::Events, Log::Pairs] {
        let (mut rig, recount) = with_a_lost_block(log);
        assert_eq!(gaps(&rig, log), 1, "{log:?}");
        rig.clock(CLOCK_MS + 50_000).unwrap();
        // All at once, as whoever supervises the process does after a stage has stopped: the reader meets the gap again first.
        rig.pipeline.restart().unwrap();
        rig.end().unwrap();
        for seconds in 51..200 {
            rig.clock(CLOCK_MS + seconds * 1_000).unwrap();
        }
        assert_eq!(gaps(&rig, log), 0, "{log:?}");
        assert!(rig.pipeline.rows().iter().all(|stage| *stage.phase() == Phase::Live));
        let as_of = recount.latest();
        let want = recount.rows(as_of);
        assert_eq!(difference(&want, &rig.rows(as_of)), None, "{log:?}");
    }
}

#[test]
fn a_writer_that_goes_on_does_not_close_it_and_the_reader_stops() {
    for log in [Log::Events, Log::Pairs] {
        let (mut rig, _) = with_a_lost_block(log);
        let error = (2..200).find_map(|seconds| rig.clock(CLOCK_MS + seconds * 1_000).err()).expect("refused");
        let error = error.to_string();
        assert!(error.starts_with(log.name()) && error.contains("next expected"), "{error}");
    }
}
