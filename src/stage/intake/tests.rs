//! An intake on its own, told facts by hand: what it writes of events, of what it has read, and of how far behind it is.

use super::*;
use crate::event::UserKeys;
use crate::intake::{MappingSpec, TimeRules};
use crate::stage::lag::SOURCE_WAIT_MAX_MS;
use crate::stage::{Effect, Fact, Stage};
use crate::wire::{EventItems, EventsBlock, Kind, Opening, kind_of};

const NOW_MS: i64 = 1_700_000_000_000;
const SECRET: [u8; 16] = [3; 16];

/// What a block says of a source.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    output: u32,
    source: u32,
    from: u64,
    to: Checkpoint,
    highest: Option<i64>,
    lag: Lag,
    events: Vec<(u64, Vec<String>)>,
}

/// An intake of some partitions of one source.
struct Bench {
    stage: Stage<IntakeWork>,
    openings: Vec<(u32, Opening)>,
    rejects: Vec<(SourcePartition, u64, Reason)>,
}

fn source(n: u32) -> SourcePartition {
    SourcePartition::new("shop", n)
}

fn work(inputs: u32, outputs: u32, history_ms: Option<i64>, limits: BlockLimits) -> IntakeWork {
    let mapping = Arc::new(MappingSpec::default().compile().unwrap());
    let input = |n| IntakeInput { source: source(n), mapping: Arc::clone(&mapping) };
    let intake = Intake::new(TimeRules::default(), UserKeys::new(SECRET), outputs);
    IntakeWork::new(intake, (0..inputs).map(input).collect(), outputs, 7, history_ms, limits)
}

impl Bench {
    fn of(work: IntakeWork) -> Self {
        let inputs = work.inputs.len();
        let stage = Stage::new(work, (0..inputs).map(SourceInput));
        Self { stage, openings: Vec::new(), rejects: Vec::new() }
    }

    /// Two sources, of which the first `until` records are there, and two partitions of the log.
    fn open(until: u64, history_ms: Option<i64>) -> Self {
        let mut bench = Self::of(work(2, 2, history_ms, BlockLimits::default()));
        bench.clock(0);
        (0..2).for_each(|input| drop(bench.opened(input, 0, Some(until))));
        bench
    }

    fn tell(&mut self, fact: Fact<'_, IntakeWork>) -> Vec<Said> {
        self.try_tell(fact).unwrap()
    }

    fn try_tell(&mut self, fact: Fact<'_, IntakeWork>) -> Result<Vec<Said>, StageError> {
        let mut effects: Vec<Effect> = Vec::new();
        self.stage.handle(fact, &mut effects)?;
        let mut all = Vec::new();
        for effect in effects {
            match effect {
                Effect::Append { log: Log::Events, partition, block } if kind_of(&block).unwrap() == Kind::Opening => {
                    self.openings.push((partition.0, Opening::decode(&block).unwrap()));
                }
                Effect::Append { log: Log::Events, partition, block } => all.extend(said(partition.0, &block)),
                Effect::Reject { source, offset, reject } => self.rejects.push((source, offset.0, reject.reason)),
                other => panic!("{other:?}"),
            }
        }
        Ok(all)
    }

    fn opened(&mut self, input: usize, next: u64, until: Option<u64>) -> Vec<Said> {
        let (input, next, until) = (SourceInput(input), NextOffset(next), until.map(NextOffset));
        self.tell(Fact::Opened { input, next, until })
    }

    /// `after_ms`: after the start, by both clocks.
    fn clock(&mut self, after_ms: i64) -> Vec<Said> {
        self.tell(Fact::Clock(Clock { wall_ms: NOW_MS + after_ms, monotonic_ms: after_ms }))
    }

    /// What changed of lags, as it was told: number of the source, and its lag; of partition 0, which all others follow.
    fn lags(&mut self, fact: Fact<'_, IntakeWork>) -> Vec<(u32, Lag)> {
        let all = self.tell(fact);
        let of = |output| {
            let all = all.iter().filter(move |said| said.output == output);
            all.map(|said| (said.source, said.lag)).collect::<Vec<_>>()
        };
        assert_eq!(of(0), of(1), "every partition is told the same");
        of(0)
    }

    fn lags_at(&mut self, after_ms: i64) -> Vec<(u32, Lag)> {
        self.lags(Fact::Clock(Clock { wall_ms: NOW_MS + after_ms, monotonic_ms: after_ms }))
    }

    /// A record of `input` that was put there `age_ms` ago, by the wall.
    fn record(&mut self, input: usize, offset: u64, value: &str, age_ms: Option<i64>) -> Vec<Said> {
        let now_ms = self.stage.work().clock.map_or(NOW_MS, |clock| clock.wall_ms);
        let timestamp_ms = age_ms.map(|age_ms| now_ms - age_ms);
        let record = Record { value: Some(value.as_bytes()), timestamp_ms, ..Record::default() };
        self.tell(Fact::Record { input: SourceInput(input), offset: NextOffset(offset), record })
    }

    fn view(&mut self, input: usize, offset: u64, user: &str, age_ms: Option<i64>) -> Vec<Said> {
        self.record(input, offset, &view(user, NOW_MS), age_ms)
    }

    /// A record that is skipped.
    fn skip(&mut self, input: usize, offset: u64, age_ms: i64) -> Vec<(u32, Lag)> {
        let now_ms = self.stage.work().clock.map_or(NOW_MS, |clock| clock.wall_ms);
        let record = Record { timestamp_ms: Some(now_ms - age_ms), ..Record::default() };
        self.lags(Fact::Record { input: SourceInput(input), offset: NextOffset(offset), record })
    }

    fn wait(&mut self, input: usize) -> Vec<(u32, Lag)> {
        self.lags(Fact::Waits { input: SourceInput(input) })
    }

    fn end(&mut self, input: usize) -> Vec<(u32, Lag)> {
        self.lags(Fact::Ended { input: SourceInput(input) })
    }
}

fn said(output: u32, block: &[u8]) -> Vec<Said> {
    let block = EventsBlock::decode(block).unwrap();
    let name = |number: u32| block.items[number as usize].1.to_owned();
    let section = |section: &crate::wire::Section| {
        let event = |entry: &crate::wire::EventEntry| {
            let items = match &entry.items {
                EventItems::One(number) => vec![name(*number)],
                EventItems::Lines(lines) => block.lines[lines.clone()].iter().map(|&number| name(number)).collect(),
                EventItems::None(shop) | EventItems::Shown(_, shop) => vec![block.shops[*shop as usize].to_owned()],
            };
            (entry.position.offset.0, items)
        };
        let head = &section.head;
        Said {
            output,
            source: head.source.partition.0,
            from: head.span.from.offset.0,
            to: head.checkpoint(),
            highest: head.highest.map(|time| time.0),
            lag: head.lag,
            events: block.entries[section.entries.clone()].iter().map(event).collect(),
        }
    };
    block.sections.iter().map(section).collect()
}

fn view(user: &str, time_ms: i64) -> String {
    format!(r#"{{"type":"view","user":"{user}","ts":{time_ms},"item":"a"}}"#)
}

fn order(user: &str, items: &[&str]) -> String {
    let lines: Vec<String> = items.iter().map(|item| format!(r#"{{"item":"{item}"}}"#)).collect();
    format!(r#"{{"type":"order","user":"{user}","ts":{NOW_MS},"order_id":"o","lines":[{}]}}"#, lines.join(","))
}

/// A user of partition `output` of two.
fn user_of(output: u32) -> String {
    let keys = UserKeys::new(SECRET);
    let is_of = |user: &String| keys.key("", user).partition(2) == Partition(output);
    (0..).map(|n| format!("u{n}")).find(is_of).unwrap()
}

fn checkpoint(offset: u64, checksum: Option<u32>) -> Checkpoint {
    Checkpoint { position: Position::start_of(NextOffset(offset)), checksum }
}

fn checksum(value: &str) -> Option<u32> {
    Some(checksum_of_record(&Record { value: Some(value.as_bytes()), ..Record::default() }))
}

fn predecessor(generation: u64, origins: &[(u32, Option<u64>)]) -> Opening {
    let first = |first: u64| Position::start_of(NextOffset(first));
    let origins = origins.iter().map(|(n, offset)| Origin { source: source(*n), first: offset.map(first) }).collect();
    Opening { log_id: 12, input_log_id: 0, store_id: 0, identity: 7, generation, origins }
}

#[test]
fn the_opening_mark_names_every_configured_source_with_the_first_origin_that_was_said() {
    let mut bench = Bench::of(work(2, 2, None, BlockLimits::default()).naming([source(1), source(2), source(3)]));
    for opening in
        [predecessor(1, &[(0, Some(2)), (2, Some(3)), (9, Some(1))]), predecessor(2, &[(0, Some(4)), (2, Some(8))])]
    {
        let (partition, offset) = (Partition(1), NextOffset(0));
        bench.tell(Fact::Inherited(Inherited::Opening { partition, offset, opening: &opening }));
    }
    assert_eq!(bench.stage.work().origin(0), Some(Position::start_of(NextOffset(2))));
    assert_eq!(bench.stage.work().resume_at(0), NextOffset(2), "nothing before its origin is on any partition");
    bench.opened(0, 2, None);
    assert_eq!(bench.openings, [], "not before all inputs are open");
    bench.opened(1, 5, None);
    let mut want = predecessor(3, &[(0, Some(2)), (1, Some(5)), (2, Some(3)), (3, None)]);
    assert_eq!(bench.openings, [(0, want.clone()), (1, want.clone())]);
    want.log_id = 13;
    let offset = NextOffset(0);
    let other = bench.try_tell(Fact::Inherited(Inherited::Opening { partition: Partition(0), offset, opening: &want }));
    assert!(matches!(other, Err(StageError::OtherLog { .. })));
}

#[test]
fn each_partition_goes_on_where_it_ends_and_muted_is_what_it_holds() {
    let mut bench = Bench::of(work(1, 2, None, BlockLimits::default()));
    let opening = predecessor(1, &[(0, Some(2))]);
    bench.tell(Fact::Inherited(Inherited::Opening {
        partition: Partition(0),
        offset: NextOffset(0),
        opening: &opening,
    }));
    let users = [user_of(0), user_of(1)];
    let value =
        |offset: u64| view(&users[usize::try_from(offset % 2).unwrap()], NOW_MS + i64::try_from(offset).unwrap());
    for (output, offset) in [(0, 7), (1, 4), (1, 3)] {
        let inherited = Inherited::Checkpoint {
            output,
            source: &source(0),
            checkpoint: checkpoint(offset, checksum(&value(offset - 1))),
        };
        bench.tell(Fact::Inherited(inherited));
        let other = Inherited::Checkpoint { output, source: &source(5), checkpoint: checkpoint(99, None) };
        bench.tell(Fact::Inherited(other));
    }
    assert_eq!(bench.stage.work().checkpoint(0), checkpoint(4, checksum(&value(3))));
    bench.opened(0, 4, None);
    let told = bench.tell(Fact::Rest);
    let known: Vec<_> = told.iter().map(|said| (said.output, said.from, said.to)).collect();
    assert_eq!(known, [(1, 4, checkpoint(4, checksum(&value(3))))], "whose record its predecessor read");
    (4..9).for_each(|offset| drop(bench.record(0, offset, &value(offset), None)));
    let told = bench.tell(Fact::Flush);
    let end = checkpoint(9, checksum(&value(8)));
    let events = |offsets: &[u64]| offsets.iter().map(|&offset| (offset, vec!["a".to_owned()])).collect::<Vec<_>>();
    let spans: Vec<_> = told.iter().map(|said| (said.output, said.from, said.to, said.events.clone())).collect();
    assert_eq!(spans, [(0, 7, end, events(&[8])), (1, 4, end, events(&[5, 7]))]);
    let tally = bench.stage.work().tally();
    assert_eq!((tally.muted, tally.accepted[EventType::View as usize]), (2, 3));
}

#[test]
fn a_source_that_is_read_from_before_or_anew_is_checked_against_what_was_read() {
    let restored = |opening: bool| {
        let mut bench = Bench::of(work(1, 1, None, BlockLimits::default()));
        if opening {
            let opening = predecessor(1, &[(0, Some(2))]);
            let inherited = Inherited::Opening { partition: Partition(0), offset: NextOffset(0), opening: &opening };
            bench.tell(Fact::Inherited(inherited));
            let (value, source) = (view("u", NOW_MS), source(0));
            let inherited =
                Inherited::Checkpoint { output: 0, source: &source, checkpoint: checkpoint(4, checksum(&value)) };
            bench.tell(Fact::Inherited(inherited));
        }
        bench
    };
    let open = |bench: &mut Bench, next: u64, until: Option<u64>| {
        bench.try_tell(Fact::Opened { input: SourceInput(0), next: NextOffset(next), until: until.map(NextOffset) })
    };
    let skipped = open(&mut restored(true), 5, None).unwrap_err().to_string();
    assert!(skipped.starts_with("shop-0 would go on at 5, but the events log holds it up to 4 only"), "{skipped}");
    assert!(matches!(open(&mut restored(true), 3, Some(3)), Err(StageError::Checkpoint { .. })), "it ends before");
    let told = open(&mut restored(false), 5, Some(5)).unwrap();
    assert_eq!(told[0].from, 5, "the log knows nothing of it: it starts there");
    let mut bench = restored(true);
    open(&mut bench, 3, Some(9)).unwrap();
    let record = Record { value: Some(b"other"), ..Record::default() };
    let other = bench.try_tell(Fact::Record { input: SourceInput(0), offset: NextOffset(3), record });
    assert!(matches!(other, Err(StageError::Checkpoint { offset: NextOffset(3), .. })));
    // The same record: then it goes on.
    let mut bench = restored(true);
    open(&mut bench, 3, Some(9)).unwrap();
    assert_eq!(bench.view(0, 3, "u", None), []);
    let told = bench.tell(Fact::Rest);
    assert_eq!(told[0].to, checkpoint(4, checksum(&view("u", NOW_MS))));
}

#[test]
fn a_source_that_starts_in_the_middle_is_covered_from_there() {
    let mut bench = Bench::of(work(1, 1, None, BlockLimits::default()));
    bench.opened(0, 5, None);
    let told = bench.tell(Fact::Rest);
    assert_eq!((told[0].from, told[0].to), (5, checkpoint(5, None)), "nothing has been read of it");
    bench.view(0, 5, "u", None);
    let told = bench.tell(Fact::Flush);
    assert_eq!((told[0].from, told[0].to), (5, checkpoint(6, checksum(&view("u", NOW_MS)))));
}

#[test]
fn every_record_is_an_event_a_reject_or_skipped_and_moves_its_sources_time() {
    let earlier = IntakeTally { skipped: 10, ..IntakeTally::default() };
    let mut bench = Bench::of(work(1, 1, None, BlockLimits::default()).counting_on(earlier));
    bench.opened(0, 0, None);
    let highest = |bench: &Bench| bench.stage.work().highest(0).map(|time| time.0 - NOW_MS);
    bench.stage.work_mut().resume_from(0, Some(EventTime(NOW_MS - 9)), None);
    bench.stage.work_mut().resume_from(0, Some(EventTime(NOW_MS - 10)), None);
    bench.stage.work_mut().resume_from(0, None, None);
    assert_eq!(highest(&bench), Some(-9));
    bench.record(0, 0, &view("u", NOW_MS + 5), None);
    bench.record(0, 1, &view("u", NOW_MS), None);
    assert_eq!(highest(&bench), Some(5), "a late one does not set it back");
    bench.record(0, 2, &order("u", &["b", "c"]), None);
    let empty = order("u", &[]).replace(&NOW_MS.to_string(), &(NOW_MS + 7).to_string());
    bench.record(0, 3, &empty, None);
    assert_eq!(highest(&bench), Some(7), "a reject whose time is good moves it too");
    bench.record(0, 4, &order("u", &[]), None);
    bench.record(0, 5, "no", None);
    assert_eq!(highest(&bench), Some(7));
    bench.tell(Fact::Record { input: SourceInput(0), offset: NextOffset(6), record: Record::default() });
    let before = bench.clock(0);
    bench.record(0, 7, &view("v", NOW_MS + 3_600_000), None);
    let told = [before, bench.tell(Fact::Flush)].concat();
    let events = [(0, vec!["a"]), (1, vec!["a"]), (2, vec!["b", "c"]), (7, vec!["a"])];
    let events = events.map(|(offset, items)| (offset, items.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    assert_eq!(told.iter().map(|said| said.highest).collect::<Vec<_>>(), [Some(NOW_MS + 7); 2]);
    assert_eq!(told.into_iter().flat_map(|said| said.events).collect::<Vec<_>>(), events);
    let rejected = [(3, Reason::EmptyOrder), (4, Reason::EmptyOrder), (5, Reason::BadJson)];
    assert_eq!(bench.rejects, rejected.map(|(offset, reason)| (source(0), offset, reason)));
    let tally = bench.stage.work().tally();
    assert_eq!((tally.accepted, tally.skipped, tally.skewed, tally.muted), ([3, 0, 1, 0, 0, 0, 0, 0, 0], 11, 1, 0));
    assert_eq!((tally.rejects[Reason::EmptyOrder.index()], tally.rejects[Reason::BadJson.index()]), (2, 1));
    assert_eq!(tally.rejected(), 3);
}

#[test]
fn a_full_block_covers_its_last_event_and_leaves_room_for_none_that_is_too_large() {
    let value = view("u", NOW_MS);
    let mut bench = Bench::of(work(1, 1, None, BlockLimits { entries_max: 2, ..BlockLimits::default() }));
    bench.opened(0, 0, None);
    assert_eq!(bench.view(0, 0, "u", None), []);
    let told = bench.view(0, 1, "u", None);
    assert_eq!(
        (told.len(), told[0].from, told[0].to, told[0].events.len()),
        (1, 0, checkpoint(2, checksum(&value)), 2)
    );
    let mut bench = Bench::of(work(1, 1, None, BlockLimits { bytes_max: 1_000, ..BlockLimits::default() }));
    bench.opened(0, 0, None);
    assert_eq!(bench.view(0, 0, "u", None), []);
    let name = "b".repeat(60);
    let items: Vec<String> = (0..20).map(|n| format!("{name}{n}")).collect();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let told = bench.record(0, 1, &order("u", &items), None);
    let spans: Vec<_> = told.iter().map(|said| (said.from, said.to.position.offset.0, said.events.len())).collect();
    assert_eq!(spans, [(0, 1, 1), (1, 2, 1)], "what was there leaves before it, and it fills a block alone");
}

#[test]
fn a_lag_is_told_at_once_and_then_no_more_often_than_once_a_second() {
    let mut bench = Bench::open(3, None);
    assert_eq!(bench.lags_at(0), [(0, Lag::Behind), (1, Lag::Behind)], "the first mark");
    assert_eq!(bench.end(0), [(0, Lag::Live)]);
    // The end that another had at the start is told without delay: what waits for it need not wait longer.
    assert_eq!(bench.lags_at(100), []);
    (0..2).for_each(|offset| assert_eq!(bench.skip(1, offset, 0), []));
    assert_eq!(bench.skip(1, 2, 0), [(1, Lag::Live)]);
    // From there on once a second.
    assert_eq!(bench.lags_at(200), []);
    assert_eq!(bench.wait(0), []);
    let waited_ms = 200 + SOURCE_WAIT_MAX_MS;
    assert_eq!(bench.lags_at(waited_ms - 1), []);
    assert_eq!(bench.lags_at(waited_ms), [(0, Lag::Waiting)], "the last round was long ago");
    assert_eq!(bench.end(0), [], "the next is not due");
    assert_eq!(bench.lags_at(waited_ms + 999), []);
    assert_eq!(bench.lags_at(waited_ms + 1_000), [(0, Lag::Live)]);
    assert_eq!(bench.lags_at(waited_ms + 5_000), []);
}

#[test]
fn a_source_that_has_not_been_at_its_end_waits_for_the_round_with_what_it_has_to_say() {
    let mut bench = Bench::open(9, Some(60_000));
    assert_eq!(bench.lags_at(0), [(0, Lag::History), (1, Lag::History)], "the first mark");
    assert_eq!(bench.skip(0, 0, 0), [(0, Lag::Behind)], "young: no history");
    bench.lags_at(300);
    assert_eq!(bench.skip(1, 0, 0), [], "the next round is not due");
    assert_eq!(bench.lags_at(999), []);
    assert_eq!(bench.lags_at(1_000), [(1, Lag::Behind)]);
}

#[test]
fn what_has_been_told_makes_nothing_that_changes_later_wait() {
    let behind_ms = 45_000;
    for by_mark in [false, true] {
        let mut bench = Bench::open(0, None);
        bench.lags_at(behind_ms + 1_500 - SOURCE_WAIT_MAX_MS);
        bench.wait(1);
        bench.lags_at(behind_ms - 5_000);
        bench.lags_at(behind_ms);
        assert_eq!(bench.skip(0, 0, 60_000), [(0, Lag::Behind)], "old");
        bench.lags_at(behind_ms + 500);
        if by_mark {
            assert_eq!(bench.end(0), [], "not due");
            assert_eq!(bench.lags(Fact::Rest), [(0, Lag::Live)], "a mark tells everything");
        }
        assert_eq!(bench.lags_at(behind_ms + 1_000), []);
        assert_eq!(bench.skip(0, 1, 60_000), [], "so that no mark is due");
        assert_eq!(bench.lags_at(behind_ms + 1_500), [(1, Lag::Waiting)], "no round was a moment ago");
    }
}

#[test]
fn without_a_clock_lags_are_told_at_once_and_nothing_waits_too_long() {
    let mut bench = Bench::of(work(1, 2, None, BlockLimits::default()));
    bench.opened(0, 0, None);
    assert_eq!(bench.wait(0), []);
    assert_eq!(bench.end(0), [(0, Lag::Live)]);
    let mut bench = Bench::of(work(1, 2, None, BlockLimits::default()));
    bench.opened(0, 0, Some(1));
    let record = Record { timestamp_ms: Some(NOW_MS), ..Record::default() };
    let told = bench.lags(Fact::Record { input: SourceInput(0), offset: NextOffset(0), record });
    assert_eq!(told, [(0, Lag::Live)], "no age is known");
}

#[test]
fn every_ten_minutes_all_is_told_again() {
    let mut bench = Bench::open(0, None);
    let all = [(0, Lag::Live), (1, Lag::Live)];
    assert_eq!(bench.lags_at(0), [], "told when it was opened");
    assert_eq!(bench.lags(Fact::Rest), []);
    assert_eq!(bench.lags_at(REPEAT_INTERVAL_MS - 1), []);
    assert_eq!(bench.lags(Fact::Rest), [], "it is known");
    assert_eq!(bench.lags_at(REPEAT_INTERVAL_MS), [], "the mark was a moment ago");
    assert_eq!(bench.lags(Fact::Rest), all);
    assert_eq!(bench.lags(Fact::Rest), []);
    bench.clock(2 * REPEAT_INTERVAL_MS - 1);
    assert_eq!(bench.lags(Fact::Rest), []);
}

/// An intake of one source whose records are batches, for two partitions of the log.
fn of_batches(limits: BlockLimits) -> Bench {
    let transform = Some(".batch[]?".to_owned());
    let mapping = Arc::new(MappingSpec { transform, ..MappingSpec::default() }.compile().unwrap());
    let intake = Intake::new(TimeRules::default(), UserKeys::new(SECRET), 2);
    let inputs = vec![IntakeInput { source: source(0), mapping }];
    let mut bench = Bench::of(IntakeWork::new(intake, inputs, 2, 7, None, limits));
    bench.clock(0);
    drop(bench.opened(0, 0, Some(10)));
    bench
}

fn batch(values: &[String]) -> String {
    format!("{{\"batch\":[{}]}}", values.join(","))
}

/// Where blocks cover the source up to, and at which places of which records their events stand.
fn places(bench: &mut Bench, fact: Fact<'_, IntakeWork>) -> Vec<(u32, String, Option<u32>, Vec<String>)> {
    let mut effects: Vec<Effect> = Vec::new();
    bench.stage.handle(fact, &mut effects).unwrap();
    let block = |effect| match effect {
        Effect::Append { partition, block, .. } => {
            let decoded = EventsBlock::decode(&block).unwrap();
            let head = &decoded.sections[0].head;
            let at = decoded.entries.iter().map(|entry| entry.position.to_string());
            Some((partition.0, head.span.to.to_string(), head.checksum, at.collect()))
        }
        _ => None,
    };
    effects.into_iter().filter_map(block).collect()
}

fn fact(value: &str, offset: u64) -> Fact<'_, IntakeWork> {
    let record = Record { value: Some(value.as_bytes()), ..Record::default() };
    Fact::Record { input: SourceInput(0), offset: NextOffset(offset), record }
}

#[test]
fn each_event_of_a_record_stands_at_a_place_of_its_own_and_a_block_may_end_between_them() {
    let [here, there] = [user_of(0), user_of(1)];
    let values = [&here, &here, &there, &here, &here, &here].map(|user| view(user, NOW_MS));
    let value = batch(&values);
    let mut bench = of_batches(BlockLimits { entries_max: 2, ..BlockLimits::default() });
    let at = |places: &[&str]| places.iter().map(|&place| place.to_owned()).collect::<Vec<_>>();
    let got = places(&mut bench, fact(&value, 3));
    let of_it = checksum(&value);
    assert_eq!(
        got,
        [(0, "3.2".to_owned(), of_it, at(&["3.0", "3.1"])), (0, "3.5".to_owned(), of_it, at(&["3.3", "3.4"]))],
        "the third is another partition's"
    );
    let rest = places(&mut bench, Fact::Send);
    assert_eq!(rest, [(0, "4.0".to_owned(), of_it, at(&["3.5"])), (1, "4.0".to_owned(), of_it, at(&["3.2"]))]);
    assert_eq!(bench.stage.work().tally().accepted, [6, 0, 0, 0, 0, 0, 0, 0, 0]);

    // Its successor finds two events of the record on one partition, none on the other.
    let mut bench = of_batches(BlockLimits::default());
    let left = Checkpoint { position: Position { offset: NextOffset(3), index: 2 }, checksum: of_it };
    let work = work_of(&mut bench);
    work.sections.restore(0, 0, left);
    assert!(places(&mut bench, fact(&value, 3)).is_empty());
    let rest = places(&mut bench, Fact::Send);
    assert_eq!(
        rest,
        [(0, "4.0".to_owned(), of_it, at(&["3.3", "3.4", "3.5"])), (1, "4.0".to_owned(), of_it, at(&["3.2"]))]
    );
    assert_eq!(bench.stage.work().tally().muted, 2);
}

fn work_of(bench: &mut Bench) -> &mut IntakeWork {
    bench.stage.work_mut()
}

#[test]
fn a_record_is_told_as_a_reject_once_passed_over_or_refused_whole() {
    let mut bench = of_batches(BlockLimits::default());
    let mut rejects = |value: &str, offset| -> Vec<String> {
        let mut effects: Vec<Effect> = Vec::new();
        bench.stage.handle(fact(value, offset), &mut effects).unwrap();
        let reject = |effect| if let Effect::Reject { reject, .. } = effect { Some(reject.to_string()) } else { None };
        effects.into_iter().filter_map(reject).collect()
    };
    let bad = "{\"type\":\"view\"}".to_owned();
    let mixed = batch(&[view("u", NOW_MS), bad.clone(), view("v", NOW_MS), bad.clone(), "7".to_owned()]);
    let told = rejects(&mixed, 0);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("missing_field: value 2 of the 5 that transform gave: time (/ts): missing"),
        "{told:?}"
    );
    assert!(told[0].ends_with("; 2 more of its values are refused too"), "{told:?}");
    assert!(rejects("{}", 1).is_empty() && rejects(&batch(&[]), 2).is_empty());
    let whole = rejects("5", 3);
    assert!(
        whole.len() == 1 && whole[0].starts_with("transform: the program fails: cannot index N with \"batch\""),
        "{whole:?}"
    );
    assert!(rejects("{", 4)[0].starts_with("bad_json: "));
    let tally = bench.stage.work().tally();
    assert_eq!((tally.accepted, tally.filtered, tally.rejected()), ([2, 0, 0, 0, 0, 0, 0, 0, 0], 2, 5));
    assert_eq!(tally.rejects[Reason::NotAnObject.index()], 1);
    let null = Record::default();
    bench.tell(Fact::Record { input: SourceInput(0), offset: NextOffset(5), record: null });
    assert_eq!(bench.stage.work().tally().skipped, 1, "a null value is no input");
}
