//! Whoever publishes much does not read its own lists back: what somebody else puts between or behind them is met all the same.

use crate::recount::Event;
use crate::rig::{Rig, Shape, default_rules, line, naive_rules};
use crate::shop;
use samenloop::drive::{Kept, Topic};
use samenloop::position::Partition;
use samenloop::publish::codec::ListHeaders;
use samenloop::stage::Log;

/// After all events.
const CLOCK_MS: i64 = 4_000_000_000_000;
const TICK_MS: i64 = 20;
/// Events between two ticks: enough for dozens of lists a second.
const EVENTS_A_TICK: usize = 4;

/// An instance that publishes, and what it has not been given yet.
struct Busy {
    rig: Rig,
    events: Vec<Event>,
    now_ms: i64,
}

impl Busy {
    fn new() -> Self {
        let events = shop::events(11, 6_000, &shop::Shape::of(&naive_rules(&default_rules())));
        let shape = Shape { partitions: 1, ..Shape::new(&default_rules()) };
        let mut rig = Rig::over(&shape, shape.log(), vec![Vec::new()]).unwrap();
        rig.clock(CLOCK_MS).unwrap();
        rig.end().unwrap();
        rig.pipeline.set_stream(0, true);
        Self { rig, events, now_ms: CLOCK_MS }
    }

    /// So much time passes, with events or without. Returns how many lists came.
    fn pass(&mut self, ms: i64, with_events: bool) -> u64 {
        let before = self.rig.high(Log::Lists, 0);
        for _ in 0..ms / TICK_MS {
            self.now_ms += TICK_MS;
            if with_events {
                let rest = self.events.split_off(EVENTS_A_TICK);
                for event in std::mem::replace(&mut self.events, rest) {
                    self.rig.files[0].push((line(&event), Some(self.now_ms)));
                    self.rig.feed(0).unwrap();
                }
            }
            self.rig.clock(self.now_ms).unwrap();
        }
        self.rig.high(Log::Lists, 0) - before
    }

    /// Somebody puts a record over the newest list. Returns its key.
    fn put_over(&mut self) -> Vec<u8> {
        let lists = &self.rig.pipeline.sink().lists;
        let key = lists.iter().rev().find(|list| !list.tombstone).unwrap().key.clone().into_bytes();
        let foreign = Kept { key: Some(key.clone()), value: Some(b"{}".to_vec()), ..Kept::default() };
        self.on_log(|held| held.push(foreign));
        key
    }

    fn on_log<R>(&self, look: impl FnOnce(&mut samenloop::drive::PartitionLog) -> R) -> R {
        self.rig.pipeline.log().with(&Topic::Log(Log::Lists), Partition(0), look).unwrap()
    }

    fn corrected(&self) -> u64 {
        self.rig.pipeline.rows()[0].work().tally().corrected
    }

    /// Whether what stands last of `key` is a list of ours.
    fn is_ours(&self, key: &[u8]) -> bool {
        self.on_log(|held| {
            let mut of_key = held.records().iter().filter(|(_, kept)| kept.key.as_deref() == Some(key));
            let (_, last) = of_key.next_back().unwrap();
            let headers = last.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice())));
            ListHeaders::read(headers).unwrap().is_some()
        })
    }
}

#[test]
fn what_lands_between_lists_of_one_who_publishes_much_is_met_with_the_next_of_them() {
    let mut busy = Busy::new();
    for second in 0..3 {
        let lists = busy.pass(1_000, true);
        assert!(lists >= 20, "{lists} lists in second {second}: not tried");
    }
    let key = busy.put_over();
    busy.pass(1_500, true); // until it may be published again
    assert!(busy.is_ours(&key));
    assert_eq!(busy.corrected(), 1, "it, and none but it");
    let lists = busy.pass(3_000, true);
    assert!(lists >= 60, "{lists}: not tried");
    assert_eq!(busy.corrected(), 1, "its own it takes for its own");
}

#[test]
fn what_lands_behind_the_last_list_is_met_when_little_is_published_any_more() {
    let mut busy = Busy::new();
    busy.pass(3_000, true);
    busy.pass(2_500, false);
    let key = busy.put_over();
    let lists = busy.pass(2_500, false);
    assert!(busy.is_ours(&key));
    assert_eq!((busy.corrected(), lists), (1, 1), "and nothing else was published, with which it would have been met");
}

/// A record that nobody can read stops whoever reads it.
#[test]
fn one_who_publishes_much_does_not_read() {
    let mut busy = Busy::new();
    let unreadable = || Kept { key: Some(b"no key".to_vec()), value: Some(b"{}".to_vec()), ..Kept::default() };
    let mut tried = 0;
    for _ in 0..200 {
        if busy.pass(TICK_MS, true) > 0 || busy.now_ms < CLOCK_MS + 3_000 {
            continue; // what is to be published might show that something lies between
        }
        let end = busy.on_log(|held| {
            held.push(unreadable());
            held.records().back().unwrap().0
        });
        busy.rig.clock(busy.now_ms).unwrap();
        busy.on_log(|held| held.cut(end)); // as if it had never been
        tried += 1;
    }
    assert!(tried > 3, "{tried} times only");
    busy.pass(2_500, false);
    busy.on_log(|held| held.push(unreadable()));
    let error = busy.rig.clock(busy.now_ms).unwrap_err();
    assert!(format!("{error:#}").contains("lists-0 at offset"), "{error:#}");
}
