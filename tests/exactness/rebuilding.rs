//! Counting anew, by other rules, what is left of an events log that has lost its start: by seed, logs are trimmed at any record of each partition,
//! all that was made of them is deleted, and instances to which everything happens count what is kept, and what comes after it. What is to
//! be counted is found here by trying every place, from all that the log ever held.

use crate::house::{House, SOURCE_PARTITIONS, inputs, partition_of, snapshots};
use crate::recount::{Event, Recount};
use crate::rig::{Shape, counts, default_rules, difference, naive_rules, tiny_rules};
use crate::shop::{self, Random};
use samenloop::config::Start;
use samenloop::drive::{Beginnings, Kept, MemoryLog, PartitionLog, Plan, Snapshots, Topic, Vigil, plan};
use samenloop::position::{NextOffset, Partition, Position, Span};
use samenloop::snapshot::SnapshotStore;
use samenloop::stage::{BeginningError, Log};
use samenloop::watch::health::{HEARTBEAT_AGE_MAX, Health};
use samenloop::wire::{Anew, EventsBlock, Kind, Opening, kind_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Above all that there can be before.
const EPOCHS_FROM: u64 = 1 << 40;

/// What an events log has held: of each partition and source, sections by their records' offsets, and entries.
#[derive(Default)]
struct Held {
    sections: BTreeMap<(u32, u32), Vec<(u64, Span)>>,
    /// With the offsets of the records that they stand in.
    entries: BTreeMap<(u32, u32), Vec<(u64, u64)>>,
    origins: BTreeMap<(u32, u32), Position>,
}

impl Held {
    fn of(log: &MemoryLog, partitions: u32) -> Self {
        let mut all = Self::default();
        for partition in 0..partitions {
            log.with(&Topic::Log(Log::Events), Partition(partition), |held| {
                for (offset, kept) in held.records().iter() {
                    all.record(partition, offset.0, kept.value.as_deref().unwrap());
                }
            });
        }
        all
    }

    fn record(&mut self, partition: u32, offset: u64, bytes: &[u8]) {
        match kind_of(bytes).unwrap() {
            Kind::Opening => {
                for origin in Opening::decode(bytes).unwrap().origins {
                    if let Some(first) = origin.first {
                        self.origins.entry((partition, origin.source.partition.0)).or_insert(first);
                    }
                }
            }
            Kind::Events => {
                let block = EventsBlock::decode(bytes).unwrap();
                for section in &block.sections {
                    let place = (partition, section.head.source.partition.0);
                    self.sections.entry(place).or_default().push((offset, section.head.span));
                    let entries = block.entries[section.entries.clone()].iter();
                    self.entries
                        .entry(place)
                        .or_default()
                        .extend(entries.map(|entry| (offset, entry.position.offset.0)));
                }
            }
            _ => {}
        }
    }

    /// Where who stands at `from` comes to by the sections in records from `low` to `high`.
    fn reached(&self, place: (u32, u32), from: Position, (low, high): (u64, u64)) -> Position {
        let sections = self.sections.get(&place).into_iter().flatten();
        let sections = sections.filter(|(offset, _)| (low..high).contains(offset));
        sections.fold(from, |next, (_, span)| if span.from <= next { next.max(span.to) } else { next })
    }

    /// Records in which, first, somebody says of a source what had been said before.
    fn late(&self, partition: u32) -> impl Iterator<Item = u64> {
        let of = self.sections.iter().filter(move |((of, _), _)| *of == partition);
        of.flat_map(|(place, sections)| {
            let mut next = self.origins.get(place).copied().unwrap_or_default();
            sections.iter().filter_map(move |&(offset, span)| {
                let is_late = span.to < next;
                next = next.max(span.to);
                is_late.then_some(offset)
            })
        })
    }

    /// Whether something that a broker has lost has not been sent again.
    fn has_gap(&self) -> bool {
        self.sections.iter().any(|(&place, sections)| {
            let origin = self.origins.get(&place).copied().unwrap_or_default();
            let end = sections.iter().map(|(_, span)| span.to).max();
            end > Some(self.reached(place, origin, (0, u64::MAX)))
        })
    }

    /// Which records of each source partition are to be counted where the partitions are kept from `lows` on: those that stand in what is kept, from the
    /// first place on from which that chains to where reading had got, and those that had not been read. `None` beside a partition
    /// whose place cannot be told from what is kept.
    fn counted(&self, lows: &[u64], records: &[u64]) -> BTreeSet<(u32, u64)> {
        let mut counted = BTreeSet::new();
        for source in 0..SOURCE_PARTITIONS {
            let mut known = BTreeSet::new();
            for (partition, &low) in (0..).zip(lows) {
                let place = (partition, source);
                let origin = self.origins.get(&place).copied().unwrap_or_default();
                let end = self.reached(place, origin, (0, u64::MAX));
                let mut places = BTreeSet::from([self.reached(place, origin, (0, low))]);
                let kept = self.sections.get(&place).into_iter().flatten().filter(|(offset, _)| *offset >= low);
                places.extend(kept.map(|(_, span)| span.from));
                let chains = |from: &&Position| self.reached(place, **from, (low, u64::MAX)) >= end;
                let first = if low == 0 { origin } else { *places.iter().find(chains).unwrap() };
                for &(at, offset) in self.entries.get(&place).into_iter().flatten() {
                    known.insert(offset);
                    if at >= low && Position::start_of(NextOffset(offset)) >= first {
                        counted.insert((source, offset));
                    }
                }
            }
            // What has not been written yet.
            let all = 0..records[source as usize];
            counted.extend(all.filter(|offset| !known.contains(offset)).map(|offset| (source, offset)));
        }
        counted
    }
}

fn vigil() -> (Health, Vigil) {
    let health = Health::new(1, HEARTBEAT_AGE_MAX);
    let vigil = Vigil::new("rebuild", Arc::default(), &health);
    (health, vigil)
}

/// Where counting begins, as `rebuild` finds it.
fn found(log: &MemoryLog, plan: &Plan, snapshots: &Snapshots) -> anyhow::Result<Beginnings> {
    let (_health, vigil) = vigil();
    Beginnings::find(plan, snapshots, &log.transport(99), &vigil, |_| ())
}

/// All that was made of the events log is deleted, and its beginnings are written, as `rebuild` does it; some of it twice, where it breaks off.
fn rebuild(log: &MemoryLog, shape: &Shape, kept: &Snapshots, random: &mut Random) -> anyhow::Result<()> {
    let plan = plan(shape.setup(), &inputs(shape), i64::MAX, log).unwrap();
    let beginnings = found(log, &plan, kept)?;
    assert!(beginnings.is_of(&plan));
    let mut stay = beginnings.store(&plan, kept, 1).unwrap();
    if random.chance(50) {
        if random.chance(50) {
            kept.store.remove_all_but(&kept.scope, &stay).unwrap();
        }
        let again = found(log, &plan, kept).unwrap();
        assert_eq!(format!("{again:?}"), format!("{beginnings:?}"), "begun again");
        stay = again.store(&plan, kept, 2).unwrap();
    }
    kept.store.remove_all_but(&kept.scope, &stay).unwrap();
    let ends = |n| NextOffset(log.bounds(&Topic::Log(Log::Events), Partition(n)).unwrap().high.0);
    let read_to = (0..shape.partitions).map(ends).collect();
    let mark = Anew { epochs_from: EPOCHS_FROM, read_to }.encode();
    for partition in (0..shape.partitions).map(Partition) {
        for of in [Log::Pairs, Log::Totals] {
            log.with(&Topic::Log(of), partition, |held| *held = PartitionLog::default());
        }
        let first = Kept { value: Some(mark.clone()), ..Kept::default() };
        log.with(&Topic::Log(Log::Totals), partition, |held| held.push(first));
    }
    Ok(())
}

/// Feeds events while everything happens.
fn feed(house: &mut House, events: &[Event], random: &mut Random) {
    for event in events {
        house.feed(event);
        house.happen(random);
        if random.chance(40) {
            house.pass(i64::try_from(random.below(1_500)).unwrap());
            house.tick();
        }
    }
}

fn check(seed: u64, happened: &mut BTreeMap<&'static str, usize>) {
    let mut random = Random::new(seed ^ 0x00be_6188);
    let rules = if random.chance(50) { [default_rules(), tiny_rules()] } else { [tiny_rules(), default_rules()] };
    let naive = naive_rules(&rules[1]);
    let events = shop::events(seed, 400, &shop::Shape::of(&naive));
    let [before, after] = rules.map(|rules| Shape {
        partitions: 3,
        block_entries: if seed.is_multiple_of(3) { 1 } else { 50 },
        resend: seed.is_multiple_of(5),
        lazy: Some((seed, 30)),
        ..Shape::new(&rules)
    });
    let kept = Snapshots { keep_events_ms: Some(i64::MAX / 4), ..snapshots(&mut random) };
    let context = format!("SAMENLOOP_SEED={seed}");
    let mut house = House::open_keeping(Start::Earliest, &before, 2, false, Some(kept.clone()));
    house.log.set_now(1); // a time, by which all is young
    // Every block may be the first that is kept.
    let (first, rest) = events.split_at(100 + usize::try_from(random.below(250)).unwrap());
    feed(&mut house, first, &mut random);
    if random.chance(50) {
        house.rest(Some(0), false, random.chance(50));
    } else {
        house.mend(); // and all crash, at different places in each partition
        house.tick();
    }
    for (what, times) in &house.happened {
        *happened.entry(what).or_default() += times;
    }
    let (log, clocks) = house.leave();
    let held = Held::of(&log, before.partitions);
    let mut lows = Vec::new();
    for partition in (0..before.partitions).map(Partition) {
        let bounds = log.bounds(&Topic::Log(Log::Events), partition).unwrap();
        assert_eq!(bounds.low.0, 0, "{context}: all of it is kept so far");
        // As far as a snapshot goes that reads: behind it, what zombies have sent last could be all that is kept.
        let found = kept.store.newest(&kept.scope, "windows", partition.0).unwrap();
        let known = found.iter().find(|found| kept.store.head(&found.name).is_ok()).map_or(0, |found| found.offset);
        let late: Vec<u64> = held.late(partition.0).filter(|&low| low <= known).collect();
        let low = match random.below(10) {
            0..2 => 0,
            2..5 if !late.is_empty() => late[usize::try_from(random.below(late.len() as u64)).unwrap()],
            _ => random.below(known + 1),
        };
        *happened.entry("late blocks at the edge").or_default() += usize::from(late.contains(&low));
        log.with(&Topic::Log(Log::Events), partition, |held| held.trim(NextOffset(low)));
        lows.push(low);
    }
    let context = format!("{context}, kept from {lows:?} on");
    if let Err(error) = rebuild(&log, &after, &kept, &mut random) {
        // What was lost had not been sent again when all crashed.
        assert!(matches!(error.downcast_ref(), Some(BeginningError::Gap { .. })), "{context}: {error:#}");
        assert!(held.has_gap(), "{context}: {error:#}");
        *happened.entry("refused").or_default() += 1;
        return;
    }
    let kept = Snapshots { keep_events_ms: None, ..kept };
    let mut house = House::over((log, clocks), Start::Earliest, &after, 2, false, Some(kept));
    feed(&mut house, rest, &mut random);
    house.rest(Some(1), false, random.chance(50));
    for (what, times) in &house.happened {
        *happened.entry(what).or_default() += times;
    }

    let mut records = vec![0; SOURCE_PARTITIONS as usize];
    let places: Vec<(u32, u64)> = events
        .iter()
        .map(|event| {
            let source = partition_of(event);
            let next = &mut records[source as usize];
            *next += 1;
            (source, *next - 1)
        })
        .collect();
    let counted = held.counted(&lows, &records);
    let mut recount = Recount::new(naive);
    let all = events.iter().zip(&places).filter(|(_, place)| counted.contains(place));
    all.for_each(|(event, _)| recount.event(event));
    *happened.entry("events left out").or_default() += events.len() - counted.len();
    let as_of = recount.latest();
    assert_eq!(difference(&recount.rows(as_of), &counts(&house.instances, as_of)), None, "{context}");
}

#[test]
fn what_is_left_of_an_events_log_is_counted_alone_whatever_happens() {
    let mut happened = BTreeMap::new();
    let seeds = shop::seeds(12);
    seeds.iter().for_each(|&seed| check(seed, &mut happened));
    if shop::all_are_tried(12) {
        for what in ["events left out", "killed", "lost", "rotated", "paused"] {
            assert!(happened.get(what).is_some_and(|&times| times > 5), "{what}: hardly tried, {happened:?}");
        }
        assert!(happened["late blocks at the edge"] > 0, "{happened:?}");
    }
}

/// Without a snapshot that knows better, what is missing at the edge cannot be told from what brokers have lost.
#[test]
fn what_says_too_little_is_refused_and_nothing_is_written() {
    let shape = Shape { partitions: 2, block_entries: 1, ..Shape::new(&default_rules()) };
    let events = shop::events(4, 200, &shop::Shape::of(&naive_rules(&shape.rules)));
    let mut house = House::open(&shape, 1, false);
    events.iter().for_each(|event| house.feed(event));
    house.rounds(5);
    let (log, _) = house.leave();
    let plan = plan(shape.setup(), &inputs(&shape), i64::MAX, &log).unwrap();
    let store = SnapshotStore::open("memory:").unwrap();
    let kept = Snapshots { store_id: store.id().unwrap(), store, ..snapshots(&mut Random::new(1)) };
    let topic = Topic::Log(Log::Events);
    let why = || found(&log, &plan, &kept).map(|_| ()).map_err(|error| error.downcast::<BeginningError>().unwrap());
    assert!(found(&log, &plan, &kept).unwrap().store(&plan, &kept, 1).unwrap().is_empty(), "it is whole");
    let high = log.bounds(&topic, Partition(0)).unwrap().high;
    log.with(&topic, Partition(0), |held| held.trim(high));
    assert!(matches!(why(), Err(BeginningError::Unheard { partition: Partition(0), .. })), "{:?}", why());
    let high = log.bounds(&topic, Partition(1)).unwrap().high;
    log.with(&topic, Partition(1), |held| held.trim(NextOffset(high.0 - 1)));
    assert_eq!(why(), Err(BeginningError::NoId));
    assert_eq!(kept.store.count(&kept.scope).unwrap(), (0, 0));
}
