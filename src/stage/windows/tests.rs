//! A windows stage on its own, told blocks of events by hand: what it holds back, what it says of time and lag, and what it
//! takes for known.

mod beginning;
mod keeping;

use super::*;
use crate::position::{Checkpoint, Position, Span};
use crate::stage::{Effect, Fact, Stage};
use crate::wire::{EventToWrite, EventsWriter, Origin, PairsBlock, checksum_of_block, founding};

const UNBOUNDED: usize = 1 << 30;

/// A pairs block: its span, what it says of time and lag, and the distinct times of its entries.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    from: Position,
    to: Checkpoint,
    highest: Option<i64>,
    lag: Lag,
    arrived_ms: Option<i64>,
    times: Vec<i64>,
}

/// A section of an events block: views, each of another user, at (offset, time).
#[derive(Clone, Copy)]
struct Spoken<'a> {
    source: &'a str,
    span: (u64, u64),
    lag: Lag,
    highest: Option<i64>,
    views: &'a [(u64, i64)],
}

const NOTHING: Spoken<'_> = Spoken { source: "a", span: (0, 0), lag: Lag::Live, highest: None, views: &[] };

struct Bench {
    stage: Stage<WindowsWork>,
    items: Items,
    users: u128,
    /// Records of the events log.
    log: Vec<Vec<u8>>,
    openings: usize,
}

fn source(name: &str) -> SourcePartition {
    SourcePartition::new(name, 0)
}

impl Bench {
    fn restoring(merge_bytes_max: usize, limits: BlockLimits) -> Self {
        let work = WindowsWork::new(Partition(0), 1, &CountingRules::default(), 7, 8, merge_bytes_max, limits);
        let stage = Stage::new(work, [EventsInput]);
        Self { stage, items: Items::default(), users: 0, log: Vec::new(), openings: 0 }
    }

    /// On an empty log.
    fn open(merge_bytes_max: usize, limits: BlockLimits) -> Self {
        let mut bench = Self::restoring(merge_bytes_max, limits);
        bench.tell(Fact::Inherited(Inherited::NewLogId(21)));
        bench.tell(Fact::Opened { input: EventsInput, next: NextOffset(0), until: None });
        bench
    }

    /// One that sends each entry in a block of its own.
    fn by_entry(sources: &[&str]) -> Self {
        let mut bench = Self::open(UNBOUNDED, BlockLimits { entries_max: 1, ..BlockLimits::default() });
        bench.opening(1, sources);
        bench
    }

    fn tell(&mut self, fact: Fact<'_, WindowsWork>) -> Vec<Said> {
        let mut effects: Vec<Effect> = Vec::new();
        self.stage.handle(fact, &mut effects).unwrap();
        let mut all = Vec::new();
        for effect in effects {
            let Effect::Append { log: Log::Pairs, block, .. } = effect else { panic!("{effect:?}") };
            match kind_of(&block).unwrap() {
                Kind::Opening => self.openings += 1,
                _ => all.push(said(&block)),
            }
        }
        all
    }

    fn clock(&mut self, now_ms: i64) -> Vec<Said> {
        self.tell(Fact::Clock(Clock::at(now_ms)))
    }

    fn lags_at(&mut self, now_ms: i64) -> Vec<Lag> {
        self.clock(now_ms).iter().map(|said| said.lag).collect()
    }

    fn mark(&mut self) -> Vec<Said> {
        self.tell(Fact::Rest)
    }

    /// Everything again, and so how it stands.
    fn stands(&mut self) -> (Option<i64>, Lag) {
        self.stage.work_mut().outbox.tell_again();
        let all = self.mark();
        let last = all.last().unwrap();
        (last.highest, last.lag)
    }

    fn record(&mut self, block: Vec<u8>) -> Vec<Said> {
        let offset = NextOffset(self.log.len() as u64);
        self.log.push(block.clone());
        self.tell(Fact::Record { input: EventsInput, offset, record: block.as_slice() })
    }

    fn opening(&mut self, generation: u64, sources: &[&str]) -> Vec<Said> {
        let first = Some(Position::default());
        let origins = sources.iter().map(|name| Origin { source: source(name), first }).collect();
        let opening = Opening { log_id: 12, input_log_id: 0, store_id: 0, identity: 7, generation, origins };
        self.record(opening.encode())
    }

    fn block(&mut self, generation: u64, sections: &[Spoken<'_>]) -> Vec<Said> {
        let block = self.events(generation, sections, EventType::View, &["i"]);
        self.record(block)
    }

    fn events(&mut self, generation: u64, all: &[Spoken<'_>], event_type: EventType, names: &[&str]) -> Vec<u8> {
        let mut writer = EventsWriter::default();
        let shop = self.items.shop("s");
        let event_items: Vec<ItemId> = names.iter().map(|name| self.items.item(shop, name)).collect();
        let at = |offset| Position::start_of(NextOffset(offset));
        for spoken in all {
            let place = writer.open(SectionHead {
                source: source(spoken.source),
                span: Span { from: at(spoken.span.0), to: at(spoken.span.0) },
                highest: spoken.highest.map(EventTime),
                lag: spoken.lag,
                arrived_ms: spoken.views.first().map(|(_, time)| 1_000 + time),
                checksum: None,
            });
            for &(offset, time) in spoken.views {
                self.users += 1;
                let (user, key, time) = (UserKey(self.users), EventKey(offset), EventTime(time));
                writer.push(
                    place,
                    &EventToWrite::plain(at(offset), (user, key), time, event_type, (&event_items, &self.items)),
                    &self.items,
                );
            }
            writer.head(place).span.to = at(spoken.span.1);
        }
        writer.finish(generation, &self.items)
    }

    fn checksum(&self, offset: usize) -> u32 {
        checksum_of_block(&self.log[offset]).unwrap()
    }

    fn released(&self) -> u64 {
        self.stage.work().tally().fates.iter().flatten().sum()
    }

    fn held_bytes(&self) -> usize {
        let kinds = self.stage.work().bytes_by_kind();
        kinds.iter().find(|(kind, _)| *kind == "merge").unwrap().1
    }

    fn late(&self) -> Vec<(String, u64)> {
        self.stage.work().late_arrivals().map(|(source, count)| (source.to_string(), count)).collect()
    }

    fn given_up(&self) -> Vec<String> {
        self.stage.work().given_up().map(ToString::to_string).collect()
    }
}

fn said(block: &[u8]) -> Said {
    let block = PairsBlock::decode(block).unwrap();
    let head = &block.sections[0].head;
    let mut times: Vec<i64> = block.entries.iter().map(|entry| entry.time.0).collect();
    times.dedup();
    Said {
        from: head.span.from,
        to: head.checkpoint(),
        highest: head.highest.map(|time| time.0),
        lag: head.lag,
        arrived_ms: head.arrived_ms,
        times,
    }
}

fn times(all: &[Said]) -> Vec<i64> {
    let mut times: Vec<i64> = all.iter().flat_map(|said| said.times.iter().copied()).collect();
    times.dedup();
    times
}

/// (highest, lag) of each block, without repeats.
fn progress(all: &[Said]) -> Vec<(Option<i64>, Lag)> {
    let mut progress: Vec<_> = all.iter().map(|said| (said.highest, said.lag)).collect();
    progress.dedup();
    progress
}

#[test]
fn nothing_is_said_before_the_log_has_said_which_it_is_and_then_one_opening_mark() {
    let mut bench = Bench::open(UNBOUNDED, BlockLimits::default());
    for now_ms in [0, 10_000, 20_000] {
        assert_eq!((bench.clock(now_ms), bench.mark()), (vec![], vec![]));
    }
    bench.record(founding(12));
    assert_eq!((bench.mark(), bench.openings), (vec![], 0), "a proposal is no mark");
    bench.opening(1, &["a"]);
    assert_eq!(bench.openings, 1);
    let told = bench.mark();
    let to = Checkpoint { position: Position::start_of(NextOffset(2)), checksum: Some(bench.checksum(1)) };
    assert_eq!((told.len(), told[0].from, told[0].to), (1, Position::default(), to));
    bench.opening(2, &["a"]);
    assert_eq!(bench.openings, 1, "a second writer of the log read makes no second reader");
    // Each record is covered once it has been read, whatever it is.
    bench.record(founding(13));
    bench.block(1, &[NOTHING]);
    for read in [4, 5] {
        let told = bench.mark();
        let to = Checkpoint { position: Position::start_of(NextOffset(5)), checksum: Some(bench.checksum(4)) };
        assert_eq!(told.first().map(|said| said.to), (read == 4).then_some(to), "{read}");
    }
    bench.record(founding(14));
    let to = Checkpoint { position: Position::start_of(NextOffset(6)), checksum: Some(bench.checksum(5)) };
    assert_eq!(bench.mark()[0].to, to);
}

#[test]
fn a_log_that_its_predecessor_did_not_read_is_refused() {
    for (input_log_id, is_refused) in [(12, false), (13, true)] {
        let mut bench = Bench::restoring(UNBOUNDED, BlockLimits::default());
        let opening =
            Opening { log_id: 21, input_log_id, store_id: 0, identity: 8, generation: 1, origins: Vec::new() };
        let inherited = Inherited::Opening { partition: Partition(0), offset: NextOffset(0), opening: &opening };
        bench.tell(Fact::Inherited(inherited));
        bench.tell(Fact::Opened { input: EventsInput, next: NextOffset(0), until: None });
        let read = Opening { log_id: 12, identity: 7, ..opening.clone() }.encode();
        let record = Fact::Record { input: EventsInput, offset: NextOffset(0), record: read.as_slice() };
        let told = bench.stage.handle(record, &mut Vec::<Effect>::new());
        assert_eq!(matches!(told, Err(StageError::OtherLog { .. })), is_refused, "{told:?}");
    }
}

#[test]
fn where_its_predecessor_was_every_record_is_compared_founding_marks_too() {
    let mut first = Bench::open(UNBOUNDED, BlockLimits::default());
    first.record(founding(12));
    first.opening(1, &["a"]);
    first.block(1, &[NOTHING]);
    for held in 1..=3_u32 {
        for is_other in [false, true] {
            let mut bench = Bench::restoring(UNBOUNDED, BlockLimits::default());
            let position = Position::start_of(NextOffset(u64::from(held)));
            let checksum = Some(first.checksum(held as usize - 1) ^ u32::from(is_other));
            let checkpoint = Checkpoint { position, checksum };
            bench.tell(Fact::Inherited(Inherited::Checkpoint { output: 0, source: &source("events"), checkpoint }));
            bench.tell(Fact::Opened { input: EventsInput, next: NextOffset(0), until: None });
            let mut refused = None;
            for (offset, block) in (0..).zip(&first.log) {
                let (input, mut effects) = (EventsInput, Vec::new());
                let record = Fact::Record { input, offset: NextOffset(offset), record: block.as_slice() };
                refused = bench.stage.handle(record, &mut effects).is_err().then_some(offset);
                if refused.is_some() {
                    break;
                }
            }
            assert_eq!(refused, is_other.then_some(u64::from(held) - 1), "held up to {held}");
        }
    }
}

#[test]
fn what_waits_for_a_source_has_not_happened_yet_for_the_rows() {
    let mut bench = Bench::by_entry(&["a", "b"]);
    assert_eq!(bench.stands(), (None, Lag::Behind), "nothing has been heard of either");
    let a = Spoken { span: (0, 3), highest: Some(30), views: &[(0, 10), (1, 20), (2, 20)], ..NOTHING };
    assert_eq!(bench.block(1, &[a]), [], "b may bring what comes first");
    assert_eq!(bench.stands(), (None, Lag::Behind));
    assert_eq!((bench.held_bytes(), bench.stage.is_busy()), (3 * HELD_BYTES, false), "it can do nothing about it");
    // Once b is at its end all may go; what leaves says no later time than it is itself.
    let told = bench.block(1, &[Spoken { source: "b", highest: Some(5), ..NOTHING }]);
    assert_eq!(progress(&told[..4]), [(Some(10), Lag::Live), (Some(20), Lag::Live)]);
    assert_eq!((times(&told), bench.released(), bench.held_bytes()), (vec![10, 20], 3, 0));
    assert_eq!(bench.stands(), (Some(30), Lag::Live), "up to where a source has been read");
    bench.block(1, &[Spoken { source: "b", span: (0, 0), lag: Lag::Behind, highest: Some(50), ..NOTHING }]);
    assert_eq!(bench.stands(), (Some(20), Lag::Behind), "b may bring something of after 20");
    let told = bench.block(1, &[Spoken { span: (3, 5), highest: Some(60), views: &[(3, 40), (4, 60)], ..NOTHING }]);
    assert_eq!((times(&told), bench.held_bytes()), (vec![40], HELD_BYTES), "nothing of b comes before 50");
    assert_eq!(bench.stands(), (Some(40), Lag::Behind));
    bench.block(1, &[Spoken { source: "b", highest: Some(45), ..NOTHING }]);
    assert_eq!(bench.stands(), (Some(60), Lag::Live));
    bench.block(1, &[Spoken { span: (5, 6), highest: Some(55), views: &[(5, 55)], ..NOTHING }]);
    assert_eq!(bench.stands(), (Some(60), Lag::Live), "times do not go back");
}

#[test]
fn what_a_section_brings_again_is_counted_as_known_and_nothing_else_is() {
    let mut bench = Bench::by_entry(&["a"]);
    let duplicates = |bench: &Bench| (bench.released(), bench.stage.work().tally().ledger_duplicates);
    bench.block(1, &[Spoken { span: (0, 3), views: &[(0, 1), (1, 2), (2, 3)], ..NOTHING }]);
    assert_eq!(duplicates(&bench), (3, 0));
    let told = bench.block(1, &[Spoken { span: (1, 5), views: &[(1, 2), (2, 3), (3, 4), (4, 5)], ..NOTHING }]);
    assert_eq!((times(&told), duplicates(&bench)), (vec![4, 5], (5, 2)), "the first half of it");
    bench.block(1, &[Spoken { span: (0, 3), views: &[(0, 1), (1, 2), (2, 3)], ..NOTHING }]);
    assert_eq!(duplicates(&bench), (5, 5), "all of it");
}

#[test]
fn of_how_a_source_stands_the_newest_writer_has_the_last_word_if_it_has_read_as_far() {
    let mut bench = Bench::by_entry(&["a", "b"]);
    let behind = Spoken { lag: Lag::Behind, ..NOTHING };
    bench.block(1, &[Spoken { source: "b", ..NOTHING }]);
    bench.block(1, &[Spoken { span: (0, 2), views: &[(0, 1), (1, 2)], ..behind }]);
    assert_eq!(bench.stands().1, Lag::Behind);
    bench.opening(2, &["a", "b"]);
    assert_eq!(bench.stands().1, Lag::Behind, "its opening mark changes nothing");
    bench.block(2, &[Spoken { span: (0, 1), views: &[(0, 1)], ..NOTHING }]);
    assert_eq!(bench.stands().1, Lag::Behind, "it has not read as far");
    bench.block(2, &[Spoken { span: (0, 2), views: &[(0, 1), (1, 2)], ..NOTHING }]);
    assert_eq!(bench.stands().1, Lag::Live, "it has, and brings nothing new");
    bench.opening(2, &["a", "b"]);
    assert_eq!(bench.stands().1, Lag::Live, "nor does an opening mark put behind who was heard");
    bench.block(1, &[Spoken { span: (2, 2), ..behind }]);
    bench.block(1, &[Spoken { span: (0, 2), views: &[(0, 1), (1, 2)], ..behind }]);
    assert_eq!(bench.stands().1, Lag::Live, "an overtaken one says late how things stood");
    let told = bench.block(1, &[Spoken { span: (2, 3), views: &[(2, 3)], lag: Lag::History, ..NOTHING }]);
    assert_eq!((times(&told), progress(&told)), (vec![3], vec![(Some(3), Lag::Live)]), "its events count all the same");
    assert_eq!(bench.stands().1, Lag::Live);
    bench.block(1, &[Spoken { source: "b", span: (0, 1), views: &[(0, 9)], ..NOTHING }]);
    assert_eq!(bench.held_bytes(), 0, "and nothing waits for it");
}

#[test]
fn a_history_is_silent_from_its_first_entry_to_its_last_and_no_other_is() {
    let mut bench = Bench::by_entry(&["a"]);
    let told = bench.block(1, &[Spoken { span: (0, 1), views: &[(0, 1)], ..NOTHING }]);
    assert_eq!(progress(&told), [(Some(1), Lag::Live)]);
    let told = bench.block(1, &[Spoken { span: (1, 2), views: &[(1, 2)], ..NOTHING }]);
    assert_eq!(progress(&told), [(Some(2), Lag::Live)]);
    let history = Spoken { lag: Lag::History, ..NOTHING };
    let told = bench.block(1, &[Spoken { span: (2, 4), views: &[(2, 3), (3, 4)], ..history }]);
    assert_eq!(progress(&told), [(Some(3), Lag::History), (Some(4), Lag::History)]);
    let told = bench.block(1, &[Spoken { span: (4, 5), views: &[(4, 5)], ..history }]);
    assert_eq!(progress(&told), [(Some(5), Lag::History)]);
    let told = bench.block(1, &[Spoken { span: (5, 6), views: &[(5, 6)], ..NOTHING }]);
    assert_eq!(progress(&told), [(Some(6), Lag::History)], "what stands before its end is history too");
    assert_eq!(bench.stands(), (Some(6), Lag::Live));
    let told = bench.block(1, &[Spoken { span: (6, 7), views: &[(6, 7)], lag: Lag::Behind, ..NOTHING }]);
    assert_eq!(progress(&told), [(Some(7), Lag::Behind)], "a mere backlog is no history");
}

#[test]
fn nothing_waits_for_a_source_that_an_opening_mark_no_longer_names() {
    for lag in [Lag::Behind, Lag::History, Lag::Waiting] {
        let mut bench = Bench::by_entry(&["a", "b", "c"]);
        let live = |source| Spoken { source, ..NOTHING };
        bench.block(1, &[live("c"), Spoken { source: "b", lag, highest: Some(5), ..NOTHING }]);
        bench.block(1, &[Spoken { span: (0, 1), views: &[(0, 10)], ..NOTHING }]);
        let waits = lag.is_behind();
        assert_eq!((bench.released() == 0, bench.stands().1.is_behind()), (waits, waits), "{lag:?}");
        assert_eq!(bench.given_up(), if waits { vec![] } else { vec!["b-0"] });
        let told = bench.opening(2, &["a", "c", "d"]);
        assert_eq!(bench.released(), u64::from(!waits), "d is new, and has not been heard of");
        assert_eq!((times(&told), bench.given_up()), (vec![], vec![]), "{lag:?}");
        let told = bench.opening(3, &["a", "c"]);
        assert_eq!((times(&told), bench.released()), (if waits { vec![10] } else { vec![] }, 1), "{lag:?}");
        let at_it = told.iter().all(|said| said.to.position.offset == NextOffset(4));
        assert!(at_it, "at the position of the mark that let it go: {told:?}");
        assert_eq!(bench.stands().1, Lag::Live, "{lag:?}");
    }
}

#[test]
fn of_a_source_that_was_given_up_is_late_what_comes_after_later_ones_until_it_has_caught_up() {
    let mut bench = Bench::by_entry(&["a", "b"]);
    bench.block(1, &[Spoken { lag: Lag::Waiting, ..NOTHING }, Spoken { source: "b", ..NOTHING }]);
    assert_eq!(bench.given_up(), ["a-0"]);
    bench.block(1, &[Spoken { source: "b", span: (0, 1), views: &[(0, 100)], ..NOTHING }]);
    let waiting = Spoken { lag: Lag::Waiting, ..NOTHING };
    bench.block(1, &[Spoken { span: (0, 2), views: &[(0, 100), (1, 101)], ..waiting }]);
    assert_eq!(bench.late(), [], "as late as the latest is in time");
    bench.block(1, &[Spoken { span: (2, 4), views: &[(2, 99), (3, 100)], ..waiting }]);
    assert_eq!(bench.late(), [("a-0".to_owned(), 2)]);
    bench.block(1, &[Spoken { source: "b", span: (1, 2), views: &[(1, 50)], ..NOTHING }]);
    assert_eq!(bench.late(), [("a-0".to_owned(), 2)], "of one that was not given up it is nothing special");
    bench.block(1, &[Spoken { span: (4, 5), views: &[(4, 98)], lag: Lag::Behind, ..NOTHING }]);
    assert_eq!(bench.given_up(), ["a-0"], "behind anew is not caught up");
    bench.block(1, &[Spoken { span: (5, 6), views: &[(5, 97)], ..NOTHING }]);
    assert_eq!((bench.late(), bench.given_up()), (vec![("a-0".to_owned(), 4)], vec![]), "up to its end");
    bench.block(1, &[Spoken { span: (6, 7), views: &[(6, 96)], ..NOTHING }]);
    assert_eq!(bench.late(), [("a-0".to_owned(), 4)]);
}

#[test]
fn a_large_block_of_one_source_is_merged_as_it_is_read_and_one_of_several_only_as_a_whole() {
    let many: Vec<(u64, i64)> = (0..1_000).map(|n| (n, 1_000 + i64::try_from(n).unwrap())).collect();
    let a = Spoken { span: (0, 1_000), views: &many, ..NOTHING };
    let room = MERGE_RELEASE_BYTES + HELD_BYTES;
    assert!(many.len() * HELD_BYTES > room);
    let mut bench = Bench::open(room, BlockLimits::default());
    bench.opening(1, &["a"]);
    bench.block(1, &[NOTHING]);
    bench.block(1, &[a]);
    assert_eq!((bench.released(), bench.stage.work().forced()), (1_000, 0));
    let mut bench = Bench::open(UNBOUNDED, BlockLimits::default());
    bench.opening(1, &["a", "b"]);
    bench.block(1, &[NOTHING, Spoken { source: "b", ..NOTHING }]);
    bench.block(1, &[a, Spoken { source: "b", span: (0, 1), views: &[(0, 5)], ..NOTHING }]);
    let told = bench.mark();
    let released = times(&told);
    assert_eq!((released.len(), released[0]), (1_001, 5), "what stands last in the block was first");
    // Few are not worth it.
    let mut bench = Bench::open(2 * HELD_BYTES, BlockLimits::default());
    bench.opening(1, &["a", "b"]);
    bench.block(1, &[NOTHING]);
    bench.block(1, &[Spoken { span: (0, 3), views: &many[..3], ..NOTHING }]);
    assert_eq!((bench.released(), bench.stage.work().forced()), (1, 1), "b may still bring something");
}

#[test]
fn events_are_held_by_what_they_cost_and_counted_by_what_they_are() {
    let mut bench = Bench::open(UNBOUNDED, BlockLimits::default());
    bench.opening(1, &["a", "b"]);
    let events = [
        (EventType::View, &["i"][..], 0),
        (EventType::View, &["j"], 0),
        (EventType::Cart, &["i"], 0),
        (
            EventType::Order,
            &["i", "j", "k"],
            allocated(size_of::<BufferedOrder>()) + allocated(3 * size_of::<ItemId>()),
        ),
    ];
    for (offset, (event_type, names, bytes)) in (0..).zip(events) {
        let before = bench.held_bytes();
        let spoken = Spoken { span: (offset, offset + 1), views: &[(offset, 10)], ..NOTHING };
        let block = bench.events(1, &[spoken], event_type, names);
        bench.record(block);
        assert_eq!(bench.held_bytes() - before, HELD_BYTES + bytes, "{event_type:?}");
    }
    bench.block(1, &[Spoken { source: "b", ..NOTHING }]);
    let counted = bench.stage.work().tally().fates.map(|fates| fates[Fate::Counted as usize]);
    assert_eq!((counted, bench.released()), ([2, 1, 1, 0, 0, 0, 0, 0, 0], 4));
    let work = bench.stage.work();
    let names = work.bytes_by_kind().iter().find(|(kind, _)| *kind == "names").unwrap().1;
    assert!(names > work.items.bytes() && work.items.bytes() > 0, "the table and the block's numbers");
}

#[test]
fn a_block_of_pairs_says_when_the_event_arrived_that_it_starts_with() {
    let mut bench = Bench::open(UNBOUNDED, BlockLimits::default());
    bench.opening(1, &["a"]);
    bench.block(1, &[Spoken { span: (0, 2), views: &[(0, 10), (1, 20)], ..NOTHING }]);
    assert_eq!(bench.tell(Fact::Flush)[0].arrived_ms, Some(1_010));
    bench.block(1, &[Spoken { span: (2, 3), views: &[(2, 30)], ..NOTHING }]);
    assert_eq!(bench.tell(Fact::Flush)[0].arrived_ms, Some(1_030));
}

#[test]
fn a_lag_is_told_at_once_and_then_no_more_often_than_once_a_second() {
    let mut bench = Bench::open(UNBOUNDED, BlockLimits::default());
    let stands = |lag| Spoken { lag, ..NOTHING };
    bench.opening(1, &["a"]);
    assert_eq!(bench.lags_at(0), [Lag::Behind]);
    assert_eq!(bench.lags_at(998), []);
    bench.block(1, &[stands(Lag::Live)]);
    assert_eq!(bench.lags_at(999), [], "the next round is not due");
    assert_eq!(bench.lags_at(1_000), [Lag::Live]);
    assert_eq!(bench.lags_at(2_000), [], "it is known");
    bench.block(1, &[stands(Lag::History)]);
    assert_eq!(bench.lags_at(2_001), [Lag::History], "the last round was long ago");
}

#[test]
fn what_has_been_told_makes_nothing_that_changes_later_wait() {
    let mut bench = Bench::open(UNBOUNDED, BlockLimits::default());
    bench.opening(1, &["a"]);
    assert_eq!(bench.lags_at(0), [Lag::Behind]);
    for (now_ms, lag) in [(5_000, Lag::Live), (7_500, Lag::History)] {
        bench.block(1, &[Spoken { lag, ..NOTHING }]);
        assert_eq!(bench.mark().len(), 1, "a mark tells everything");
        bench.lags_at(now_ms);
        bench.block(1, &[Spoken { lag: Lag::Behind, ..NOTHING }]);
        assert_eq!(bench.lags_at(now_ms + 500), [Lag::Behind], "no round was a moment ago");
    }
}

#[test]
fn every_ten_minutes_all_is_told_again() {
    let mut bench = Bench::open(UNBOUNDED, BlockLimits::default());
    bench.opening(1, &["a"]);
    assert_eq!(bench.lags_at(0), [Lag::Behind]);
    assert_eq!(bench.lags_at(REPEAT_INTERVAL_MS - 1), []);
    assert_eq!(bench.mark(), [], "it is known");
    assert_eq!(bench.lags_at(REPEAT_INTERVAL_MS), [], "the mark was a moment ago");
    assert_eq!(bench.mark().len(), 1);
    bench.clock(2 * REPEAT_INTERVAL_MS - 1);
    assert_eq!(bench.mark(), []);
}
