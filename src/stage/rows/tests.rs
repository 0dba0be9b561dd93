//! One partition of rows, told facts by hand: what a driver, a log and other owners may do to it.

mod exposure;
mod facts;
mod hits;
mod review;
mod placements;
mod shop_wide;
mod totals;

use super::publishing::{NEIGHBOURS_MAX, RANKED_MAX, TOTALS_FIRST_ANEW_MS, TOTALS_FIRST_MS};
use super::totals::{CHANGED_MAX, LOOKED_AT_MAX, TELL_INTERVAL_MS};
use super::*;
use crate::event::EventTime;
use crate::items::{Items, fingerprint, spread};
use crate::position::{Position, Span};
use crate::publish::{EntryRecord, ListRecord, Stamp};
use crate::rank::{Day, Source};
use crate::relation::{Change, Delta};
use crate::stage::{Effect, Fact, Phase, Stage};
use crate::wire::{Anew, Lag, Opening, Origin, PairsWriter, SectionHead, TotalsBlock, claim};

const IDENTITY: u64 = 7;
/// By the wall. The other clock starts at 0.
const WALL_MS: i64 = 1_700_000_000_000;
const EVENT_MS: i64 = 1_690_000_000_000;

/// Which lists were published, and under which stamps; which blocks were appended to the totals log.
#[derive(Default, Debug)]
struct Seen {
    lists: Vec<(String, Stamp, bool)>,
    records: Vec<ListRecord<'static>>,
    totals: Vec<Vec<u8>>,
}

/// A stage, and the writer of its pairs log.
struct Bench {
    stage: Stage<RowsWork>,
    partition: Partition,
    items: Items,
    log: Vec<Vec<u8>>,
    written: Position,
    monotonic_ms: i64,
}

impl Bench {
    /// A stage that has nothing to catch up with.
    fn live(partition: u32, partitions: u32, epoch: u64) -> Self {
        let mut bench = Self::restoring(partition, partitions);
        bench.open(epoch, 0, 0).unwrap();
        assert_eq!(*bench.stage.phase(), Phase::Live);
        bench.write_opening();
        bench
    }

    fn restoring(partition: u32, partitions: u32) -> Self {
        Self::by_counting(partition, partitions, &CountingRules::default())
    }

    fn by_counting(partition: u32, partitions: u32, counting: &CountingRules) -> Self {
        Self::by(partition, partitions, counting, &setup())
    }

    fn by_setup(partition: u32, partitions: u32, setup: &RowsSetup) -> Self {
        Self::by(partition, partitions, &CountingRules::default(), setup)
    }

    fn by(partition: u32, partitions: u32, counting: &CountingRules, setup: &RowsSetup) -> Self {
        let partition = Partition(partition);
        let work = RowsWork::new(partition, partitions, counting, IDENTITY, setup);
        Self {
            stage: Stage::new(work, RowsInput::all(partitions)),
            partition,
            items: Items::default(),
            log: Vec::new(),
            written: Position::default(),
            monotonic_ms: 0,
        }
    }

    fn open(&mut self, epoch: u64, pairs_until: u64, lists_until: u64) -> Result<Seen, StageError> {
        self.tell(Fact::Claimed { epoch })?;
        let totals: Vec<RowsInput> = RowsInput::all(2).skip(2).take(self.totals_partitions()).collect();
        for input in totals {
            self.tell(Fact::Opened { input, next: NextOffset(0), until: Some(NextOffset(0)) })?;
        }
        for (input, until) in [(RowsInput::Lists, lists_until), (RowsInput::Pairs, pairs_until)] {
            self.tell(Fact::Opened { input, next: NextOffset(0), until: Some(NextOffset(until)) })?;
        }
        Ok(Seen::default())
    }

    fn totals_partitions(&self) -> usize {
        if self.stage.work().rows().is_alone() { 1 } else { 2 }
    }

    fn tell(&mut self, fact: Fact<'_, RowsWork>) -> Result<Seen, StageError> {
        let mut effects: Vec<Effect> = Vec::new();
        let told = self.stage.handle(fact, &mut effects);
        let mut seen = Seen::default();
        for effect in effects {
            match effect {
                Effect::Publish { record, .. } => {
                    seen.lists.push((record.key(), record.stamp(), record.tombstone));
                    seen.records.push(*record);
                }
                Effect::Append { log: Log::Totals, partition, block } => {
                    assert_eq!(partition, self.partition, "every partition writes its own");
                    seen.totals.push(block);
                }
                other => panic!("{other:?}"),
            }
        }
        told.map(|()| seen)
    }

    fn owns(&self, item: ItemId) -> bool {
        let partitions = u32::try_from(self.totals_partitions()).unwrap();
        spread(self.items.fingerprint(item), partitions) == self.partition
    }

    fn write_opening(&mut self) {
        let source = SourcePartition::new("events", 0);
        let origins = vec![Origin { source, first: Some(Position::default()) }];
        let opening = Opening { log_id: 1, input_log_id: 0, store_id: 0, identity: IDENTITY, generation: 1, origins };
        self.append(opening.encode()).unwrap();
    }

    fn append(&mut self, block: Vec<u8>) -> Result<Seen, StageError> {
        self.log.push(block.clone());
        self.pairs(self.log.len() as u64 - 1, &block)
    }

    fn pairs(&mut self, offset: u64, block: &[u8]) -> Result<Seen, StageError> {
        let record = RowsRecord::Block(block);
        self.tell(Fact::Record { input: RowsInput::Pairs, offset: NextOffset(offset), record })
    }

    /// A block of views: each pair in a session of its own, and the second item once more.
    fn views(&mut self, pairs: &[(&str, &str)]) -> Seen {
        let mut writer = PairsWriter::default();
        let source = SourcePartition::new("events", 0);
        let from = self.written;
        writer.open(SectionHead {
            source,
            span: Span { from, to: from },
            highest: Some(EventTime(EVENT_MS)),
            lag: Lag::Live,
            arrived_ms: Some(WALL_MS),
            checksum: None,
        });
        let shop = self.items.shop("main");
        for (centre, neighbour) in pairs {
            let (centre, neighbour) = (self.items.item(shop, centre), self.items.item(shop, neighbour));
            let relation = Relation::ViewedTogether;
            let own = [centre, neighbour].map(|item| self.owns(item));
            let star = Change::Star { relation, centre, neighbours: &[neighbour] };
            let alone = Change::Star { relation, centre: neighbour, neighbours: &[] };
            for (change, _) in [(star, own[0]), (alone, own[1])].into_iter().filter(|(_, is_own)| *is_own) {
                writer.push(self.written, &Delta::counted(EventTime(EVENT_MS), change), &self.items);
                self.written = Position::start_of(self.written.offset.after());
            }
        }
        writer.head().unwrap().span.to = self.written;
        let block = writer.finish(1, &self.items);
        self.append(block).unwrap()
    }

    /// A block of stars around these centres, each with all of these neighbours.
    fn stars(&mut self, centres: &[ItemId], neighbours: &[ItemId]) -> Seen {
        let mut writer = PairsWriter::default();
        let (source, from) = (SourcePartition::new("events", 0), self.written);
        let (highest, lag) = (Some(EventTime(EVENT_MS)), Lag::Live);
        let span = Span { from, to: from };
        writer.open(SectionHead { source, span, highest, lag, arrived_ms: None, checksum: None });
        for &centre in centres {
            let change = Change::Star { relation: Relation::ViewedTogether, centre, neighbours };
            writer.push(self.written, &Delta::counted(EventTime(EVENT_MS), change), &self.items);
            self.written = Position::start_of(self.written.offset.after());
        }
        writer.head().unwrap().span.to = self.written;
        let block = writer.finish(1, &self.items);
        self.append(block).unwrap()
    }

    /// A section without entries: how its source stands.
    fn stands(&mut self, lag: Lag, highest: Option<EventTime>) -> Seen {
        let mut writer = PairsWriter::default();
        let (source, from) = (SourcePartition::new("events", 0), self.written);
        let span = Span { from, to: from };
        writer.open(SectionHead { source, span, highest, lag, arrived_ms: None, checksum: None });
        let block = writer.finish(1, &self.items);
        self.append(block).unwrap()
    }

    fn ranked(&self) -> u64 {
        self.stage.work().tally().ranked.iter().sum()
    }

    fn many_views(&mut self, count: usize) -> Seen {
        let names: Vec<(String, String)> = (0..count).map(|n| (format!("a{n}"), format!("b{n}"))).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        self.views(&pairs)
    }

    /// Time passes, by both clocks; then all that is left over.
    fn pass(&mut self, ms: i64) -> Seen {
        self.monotonic_ms += ms;
        self.clock(WALL_MS + self.monotonic_ms)
    }

    fn clock(&mut self, wall_ms: i64) -> Seen {
        let clock = Clock { wall_ms, monotonic_ms: self.monotonic_ms };
        let mut seen = self.tell(Fact::Clock(clock)).unwrap();
        while self.stage.is_busy() {
            let more = self.tell(Fact::Continue).unwrap();
            seen.lists.extend(more.lists);
            seen.records.extend(more.records);
            seen.totals.extend(more.totals);
        }
        seen
    }

    fn total(&mut self, partition: u32, offset: u64, block: &[u8]) -> Result<Seen, StageError> {
        let input = RowsInput::Totals(Partition(partition));
        self.tell(Fact::Record { input, offset: NextOffset(offset), record: RowsRecord::Block(block) })
    }

    /// Something lands on the lists log.
    fn lands(
        &mut self,
        offset: u64,
        item: &str,
        stamp: Option<Stamp>,
        others: Option<&[&str]>,
    ) -> Result<Seen, StageError> {
        let record = record(item, stamp.unwrap_or_default(), others.unwrap_or_default(), others.is_none());
        let landed = RowsRecord::List(Landed::of(&record, stamp));
        self.tell(Fact::Record { input: RowsInput::Lists, offset: NextOffset(offset), record: landed })
    }
}

/// The defaults, without a sweep.
fn setup() -> RowsSetup {
    let publish = PublishRules { sweep_ms: 1 << 40, ..PublishRules::default() };
    RowsSetup { lists: ListRules::defaults(), publish, clocked: Clocked::Wall, facts: None }
}

fn record<'a>(item: &'a str, stamp: Stamp, others: &[&'a str], tombstone: bool) -> ListRecord<'a> {
    let entry = |other: &&'a str| EntryRecord {
        item: (*other).into(),
        score: 20.654,
        support: 1,
        weight: 1.0,
        anchor_weight: 1.0,
        other_weight: 1.0,
        contexts: 1.0,
        confidence: 1.0,
        lift: 1.0,
        llr_root: 0.0,
        source: Source::Counted,
        verdict: None,
        relation: None,
        list: None,
        price: None,
        currency: None,
        stock: None,
        last_seen: Day(0),
    };
    let (shop, list, entries) = ("main".into(), "viewed-together".into(), others.iter().map(entry).collect());
    let Stamp { epoch, sequence } = stamp;
    ListRecord { shop, list, item: item.into(), entries, reserve: Vec::new(), tombstone, as_of: 0, epoch, sequence }
}

fn at(epoch: u64, sequence: u64) -> Stamp {
    Stamp { epoch, sequence }
}

fn key(item: &str) -> String {
    format!("main/viewed-together/{item}")
}

/// Names of items that partition `owner` of two owns.
fn names_of(owner: u32, count: usize) -> Vec<String> {
    (0..).map(|n| format!("i{n}")).filter(|n| spread(fingerprint("main", n), 2).0 == owner).take(count).collect()
}

fn told(bench: &mut Bench) -> Seen {
    let names = names_of(0, 6);
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "other")).collect();
    bench.views(&pairs);
    bench.pass(1)
}

/// Without contexts no list is shown: gates need to know N.
fn with_contexts(bench: &mut Bench) {
    contexts(bench, Lag::Live);
}

/// The same while its source reads history, and a view of two items.
fn with_contexts_of(bench: &mut Bench, lag: Lag) {
    contexts(bench, lag);
    let mut writer = PairsWriter::default();
    let (source, from) = (SourcePartition::new("events", 0), bench.written);
    let span = Span { from, to: from };
    writer.open(SectionHead { source, span, highest: None, lag, arrived_ms: None, checksum: None });
    let shop = bench.items.shop("main");
    let (centre, neighbour) = (bench.items.item(shop, "a"), bench.items.item(shop, "b"));
    let relation = Relation::ViewedTogether;
    let star = Change::Star { relation, centre, neighbours: &[neighbour] };
    let alone = Change::Star { relation, centre: neighbour, neighbours: &[] };
    for change in [star, alone] {
        writer.push(bench.written, &Delta::counted(EventTime(EVENT_MS), change), &bench.items);
        bench.written = Position::start_of(bench.written.offset.after());
    }
    writer.head().unwrap().span.to = bench.written;
    let block = writer.finish(1, &bench.items);
    bench.append(block).unwrap();
}

fn contexts(bench: &mut Bench, lag: Lag) {
    let mut writer = PairsWriter::default();
    let from = bench.written;
    let source = SourcePartition::new("events", 0);
    let highest = Some(EventTime(EVENT_MS));
    writer.open(SectionHead { source, span: Span { from, to: from }, highest, lag, arrived_ms: None, checksum: None });
    let shop = bench.items.shop("main");
    for _ in 0..10 {
        let change = Change::Context { shop, relation: Relation::ViewedTogether };
        writer.push(bench.written, &Delta::counted(EventTime(EVENT_MS), change), &bench.items);
        bench.written = Position::start_of(bench.written.offset.after());
    }
    writer.head().unwrap().span.to = bench.written;
    let block = writer.finish(1, &bench.items);
    bench.append(block).unwrap();
}

#[test]
fn a_fact_ranks_a_bounded_number_of_lists_and_changed_ones_go_first() {
    let mut bench = Bench::live(0, 1, 0);
    with_contexts(&mut bench);
    bench.pass(1);
    let lists = 4 * RANKED_MAX;
    assert_eq!(bench.many_views(lists / 2).lists, [], "counting ranks nothing");
    let mut steps = 0;
    let mut seen = bench.tell(Fact::Clock(Clock { wall_ms: WALL_MS, monotonic_ms: 1 })).unwrap().lists;
    assert_eq!(seen.len(), RANKED_MAX);
    while bench.stage.is_busy() {
        let step = bench.tell(Fact::Continue).unwrap().lists;
        assert!(step.len() <= RANKED_MAX);
        seen.extend(step);
        steps += 1;
    }
    assert_eq!((seen.len(), steps), (lists, 3));
    assert_eq!(bench.tell(Fact::Continue).unwrap().lists, [], "nothing is left over");

    // Rest brings up everything; what changes meanwhile does not wait for that.
    let rest_ms = PublishRules::default().rest_after_ms;
    bench.pass(1_000);
    bench.monotonic_ms += rest_ms;
    bench.tell(Fact::Clock(Clock { wall_ms: WALL_MS, monotonic_ms: bench.monotonic_ms })).unwrap();
    assert!(bench.stage.is_busy(), "most of the sweep is left over");
    let ranked = |bench: &Bench| bench.stage.work().tally().ranked.iter().sum::<u64>();
    assert!(ranked(&bench) <= (lists + RANKED_MAX) as u64, "one step of it");
    bench.views(&[("new", "b0")]);
    let step = bench.tell(Fact::Continue).unwrap().lists;
    assert_eq!(step.first().map(|list| &*list.0), Some(&*key("new")), "the sweep does not starve what changed");
    while bench.stage.is_busy() {
        bench.tell(Fact::Continue).unwrap();
    }
    assert!(ranked(&bench) >= (2 * lists) as u64, "the sweep went through");
}

/// Where the bound of rows is lifted, they may be so long that far fewer make a step.
#[test]
fn a_fact_ranks_few_rows_where_they_are_long() {
    const NEIGHBOURS: usize = 1_000;
    let mut bench = Bench::by_counting(0, 1, &CountingRules { row_max: None, ..CountingRules::default() });
    bench.open(0, 0, 0).unwrap();
    bench.write_opening();
    with_contexts(&mut bench);
    let shop = bench.items.shop("main");
    let mut named = |prefix: &str, count: usize| -> Vec<ItemId> {
        (0..count).map(|n| bench.items.item(shop, &format!("{prefix}{n}"))).collect()
    };
    let (centres, neighbours) = (named("c", 200), named("n", NEIGHBOURS));
    bench.stars(&centres, &neighbours);
    bench.pass(1);
    bench.pass(1_000);
    // All is told, and has cooled: now the long rows change, and one short one.
    bench.stars(&centres, &neighbours[..1]);
    let ranked = |bench: &Bench| bench.stage.work().tally().ranked.iter().sum::<u64>();
    let most = (NEIGHBOURS_MAX / NEIGHBOURS + 2) as u64;
    let (first, mut steps) = (ranked(&bench), Vec::new());
    bench.monotonic_ms += 1;
    let clock = Clock { wall_ms: WALL_MS + bench.monotonic_ms, monotonic_ms: bench.monotonic_ms };
    let mut fact = Fact::Clock(clock);
    while steps.is_empty() || bench.stage.is_busy() {
        let before = ranked(&bench);
        bench.tell(std::mem::replace(&mut fact, Fact::Continue)).unwrap();
        steps.push(ranked(&bench) - before);
    }
    assert!(steps.iter().all(|&step| step <= most), "{steps:?}, {most} are allowed");
    assert_eq!(ranked(&bench) - first, 201, "{steps:?}");
}

#[test]
fn the_end_of_silence_publishes_everything_in_steps() {
    let mut bench = Bench::restoring(0, 1);
    bench.open(0, 3, 0).unwrap();
    bench.write_opening();
    with_contexts(&mut bench);
    assert_eq!(*bench.stage.phase(), Phase::CatchingUp);
    let lists = 3 * RANKED_MAX;
    let seen = bench.many_views(lists / 2);
    assert_eq!((seen.lists.len(), bench.stage.phase()), (0, &Phase::Live), "the last record of the backlog");
    let first = bench.tell(Fact::Clock(Clock::at(WALL_MS))).unwrap().lists;
    assert_eq!(first.len(), RANKED_MAX);
    let mut keys: Vec<_> = first.into_iter().chain(bench.clock(WALL_MS).lists).map(|list| list.0).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), lists, "each once");
}

#[test]
fn a_wall_clock_that_is_put_back_or_forth_changes_no_duration() {
    const HOUR_MS: i64 = 3_600_000;
    let steps = [0, -HOUR_MS, HOUR_MS, -10 * HOUR_MS, 0];
    let run = |steps: &[i64]| {
        let mut bench = Bench::live(0, 1, 0);
        with_contexts(&mut bench);
        let mut all = Vec::new();
        for (turn, step_ms) in steps.iter().enumerate() {
            bench.views(&[("a", &format!("b{turn}"))]);
            for _ in 0..3 {
                bench.monotonic_ms += 250;
                let at_ms = bench.monotonic_ms;
                let seen = bench.clock(WALL_MS + at_ms + step_ms);
                all.extend(seen.lists.into_iter().map(|list| (at_ms, list)));
            }
        }
        bench.monotonic_ms += 60_000;
        bench.clock(WALL_MS - HOUR_MS);
        (all, bench.stage.work().tally().ranked)
    };
    let calm = run(&[0; 5]);
    assert!(calm.0.len() >= 10, "{:?}", calm.0);
    assert_eq!(run(&steps), calm);
}

#[test]
fn what_a_paused_owner_publishes_late_is_published_over() {
    let mut bench = Bench::live(0, 1, 900);
    with_contexts(&mut bench);
    bench.views(&[("a", "b")]);
    let published = bench.pass(1).lists;
    assert_eq!(published, [(key("a"), at(900, 1), false), (key("b"), at(900, 2), false)]);
    // Late, but before ours has landed: ours stands behind it.
    bench.lands(0, "a", Some(at(300, 41)), Some(&["z"])).unwrap();
    bench.lands(1, "a", Some(at(900, 1)), Some(&["b"])).unwrap();
    bench.lands(2, "b", Some(at(900, 2)), Some(&["a"])).unwrap();
    assert_eq!(bench.pass(1_000).lists, []);
    // Now it stands last; and a key that this owner never had; and somebody who says nothing of himself.
    bench.lands(3, "a", Some(at(300, 42)), Some(&["z"])).unwrap();
    bench.lands(4, "ghost", Some(at(300, 43)), Some(&["z"])).unwrap();
    bench.lands(5, "b", None, None).unwrap();
    let mut over = bench.pass(1_000).lists;
    over.sort();
    assert_eq!(
        over.iter().map(|list| (&*list.0, list.2)).collect::<Vec<_>>(),
        [(&*key("a"), false), (&*key("b"), false), (&*key("ghost"), true)]
    );
    assert!(over.iter().all(|list| list.1 > at(900, 2)));
    assert_eq!(bench.stage.work().tally().corrected, 3);
    for (offset, (name, stamp, is_gone)) in (6..).zip(&over) {
        let item = name.rsplit('/').next().unwrap();
        bench.lands(offset, item, Some(*stamp), (!is_gone).then_some(&["x"][..])).unwrap();
    }
    assert_eq!(bench.pass(1_000).lists, [], "and that is the end of it");
    assert_eq!(bench.pass(1_000_000).lists, []);
}

#[test]
fn a_key_that_is_not_this_partitions_or_no_list_of_ours_is_left_alone() {
    let mut bench = Bench::live(0, 2, 900);
    let foreign = (0..).map(|n| format!("i{n}")).find(|n| spread(fingerprint("main", n), 2).0 == 1).unwrap();
    bench.lands(0, &foreign, Some(at(1, 1)), Some(&["z"])).unwrap();
    let mut other = record("a", at(1, 2), &["z"], false);
    other.list = "best-sellers".into();
    let landed = RowsRecord::List(Landed::of(&other, Some(at(1, 2))));
    bench.tell(Fact::Record { input: RowsInput::Lists, offset: NextOffset(1), record: landed }).unwrap();
    assert_eq!(bench.pass(1_000).lists, []);
}

#[test]
fn an_owner_that_sees_a_higher_epoch_stops() {
    let overtaken = |told: Result<Seen, StageError>, log: Log, higher: u64| {
        let Err(StageError::Overtaken { log: seen, own: 900, found, .. }) = told else { panic!("{told:?}") };
        assert_eq!((seen, found), (log, higher));
    };
    let mut bench = Bench::live(0, 1, 900);
    overtaken(bench.lands(0, "a", Some(at(901, 1)), Some(&["z"])), Log::Lists, 901);
    assert!(matches!(bench.tell(Fact::Continue), Err(StageError::Stopped)));

    let mut bench = Bench::live(0, 2, 900);
    bench.total(0, 300, &claim(1, Partition(0), 0)).unwrap();
    bench.total(0, 900, &claim(2, Partition(0), 0)).unwrap();
    bench.total(1, 5_000, &claim(3, Partition(1), 0)).unwrap();
    overtaken(bench.total(0, 950, &claim(4, Partition(0), 0)), Log::Totals, 950);

    let mut successor = Bench::live(0, 2, 950);
    let block = told(&mut successor).totals.remove(0);
    let mut bench = Bench::live(0, 2, 900);
    overtaken(bench.total(0, 901, &block), Log::Totals, 950);
}

#[test]
fn lists_of_an_epoch_that_no_claim_explains_are_refused() {
    let mut bench = Bench::restoring(0, 1);
    bench.open(3, 0, 1).unwrap();
    let told = bench.lands(0, "a", Some(at(700, 1)), Some(&["z"]));
    assert!(matches!(told, Err(StageError::EpochLost { own: 3, found: 700, .. })), "{told:?}");
}

/// A totals log that was made anew beside lists: epochs go on above theirs, and what is not counted yet is not gone.
#[test]
fn beside_lists_of_before_nothing_goes_out_until_all_has_been_counted_again() {
    let mut bench = Bench::restoring(0, 1);
    bench.stage.work_mut().made_anew(Anew { epochs_from: 1_000, read_to: vec![NextOffset(3)] });
    let epoch = bench.stage.work().epochs_from() + 3;
    bench.open(epoch, 1, 2).unwrap();
    bench.lands(0, "a", Some(at(700, 1)), Some(&["b"])).unwrap();
    bench.lands(1, "ghost", Some(at(700, 2)), Some(&["z"])).unwrap();
    bench.write_opening();
    assert_eq!(*bench.stage.phase(), Phase::Live);
    let mut news = bench.stands(Lag::Live, None).lists; // nothing read yet
    news.extend(bench.clock(WALL_MS).lists);
    news.extend(bench.views(&[("a", "b")]).lists); // live, but not as far as the events log went
    news.extend(bench.pass(10_000).lists);
    assert_eq!(news, []);
    with_contexts(&mut bench);
    assert_eq!(bench.pass(TOTALS_FIRST_ANEW_MS - 1).lists, [], "the others' totals first");
    let told = bench.pass(1).lists;
    let ghost: Vec<_> = told.iter().filter(|list| list.2).map(|list| list.1.epoch).collect();
    assert_eq!((ghost, told.len()), (vec![epoch], 2), "ghost goes, b is new, a is as it was: {told:?}");
}

#[test]
fn claims_on_a_log_that_was_made_anew_count_from_where_its_epochs_begin() {
    let mut bench = Bench::live(0, 2, 5_000_900);
    bench.total(0, 0, &Anew { epochs_from: 5_000_000, read_to: Vec::new() }.encode()).unwrap();
    bench.total(0, 900, &claim(1, Partition(0), 5_000_000)).unwrap();
    bench.total(1, 7_000, &claim(1, Partition(1), 5_000_000)).unwrap();
    let told = bench.total(0, 901, &claim(2, Partition(0), 5_000_000));
    assert!(matches!(told, Err(StageError::Overtaken { found: 5_000_901, .. })), "{told:?}");
}

/// One record that a predecessor left: item, stamp, and what it shows.
type Landing<'a> = (&'a str, Stamp, Option<&'a [&'a str]>);

/// What a predecessor left on the lists log, and what its successor publishes, though its counts say the same.
#[test]
fn a_successor_publishes_over_what_stands_last_and_nothing_else() {
    let b: Option<&[&str]> = Some(&["b"]);
    let a: Option<&[&str]> = Some(&["a"]);
    let z: Option<&[&str]> = Some(&["z"]);
    let cases: &[(&[Landing<'_>], &[&str])] = &[
        (&[("a", at(1, 1), b), ("b", at(1, 2), a)], &[]),
        (&[("a", at(1, 1), b), ("b", at(1, 2), a), ("a", at(0, 9), z)], &["a"]),
        (&[("a", at(0, 9), z), ("a", at(1, 1), b), ("b", at(1, 2), a)], &[]),
        (&[("a", at(1, 1), b), ("b", at(1, 2), a), ("b", at(0, 8), None)], &["b"]),
        (&[("a", at(1, 1), b), ("b", at(1, 2), a), ("ghost", at(0, 8), z)], &["ghost"]),
        (&[("a", at(1, 1), b)], &["b"]),
    ];
    for (landings, expected) in cases {
        let mut bench = Bench::restoring(0, 1);
        bench.open(5, 3, landings.len() as u64).unwrap();
        for (offset, (item, stamp, shown)) in (0..).zip(*landings) {
            assert!(bench.stage.work().wants_lists());
            bench.lands(offset, item, Some(*stamp), *shown).unwrap();
        }
        assert!(!bench.stage.work().wants_lists());
        bench.write_opening();
        with_contexts(&mut bench);
        bench.views(&[("a", "b")]);
        let published = bench.pass(1).lists;
        let items: Vec<&str> = published.iter().map(|list| list.0.rsplit('/').next().unwrap()).collect();
        assert_eq!(items, *expected, "{landings:?}");
        assert!(published.iter().all(|list| list.2 == list.0.ends_with("ghost")), "{published:?}");
    }
}

#[test]
fn what_a_section_brings_again_is_counted_as_known_and_the_rest_of_it_counts() {
    let mut bench = Bench::live(0, 1, 900);
    bench.views(&[("a", "b")]);
    bench.written = Position::start_of(NextOffset(1));
    bench.views(&[("c", "d")]);
    let work = bench.stage.work();
    let support = |name: &str| {
        let item = work.rows().items().find_item("main", name).unwrap();
        work.rows().row(Relation::ViewedTogether, item).anchor_support
    };
    assert_eq!((work.tally().ledger_duplicates, support("b"), support("c"), support("d")), (1, 1, 0, 1));
    let last = bench.log.last().unwrap().clone();
    bench.append(last).unwrap();
    assert_eq!(bench.stage.work().tally().ledger_duplicates, 3, "all of it");
}

#[test]
fn what_was_counted_in_silence_is_due_with_everything_and_since_no_time_of_its_own() {
    let mut bench = Bench::restoring(0, 1);
    bench.open(0, 3, 0).unwrap();
    bench.write_opening();
    with_contexts(&mut bench);
    bench.views(&[("a", "b")]);
    assert_eq!(*bench.stage.phase(), Phase::Live);
    let mut effects: Vec<Effect> = Vec::new();
    bench.stage.handle(Fact::Clock(Clock::at(WALL_MS)), &mut effects).unwrap();
    let since = effects.iter().filter_map(|effect| match effect {
        Effect::Publish { since_ms, .. } => Some(*since_ms),
        _ => None,
    });
    assert_eq!(since.collect::<Vec<_>>(), [None; 2]);
}

#[test]
fn behind_a_history_lists_wait_a_moment_for_the_others_and_then_come_once() {
    let mut bench = Bench::live(0, 1, 900);
    bench.pass(1);
    bench.stands(Lag::History, None);
    with_contexts_of(&mut bench, Lag::History);
    assert_eq!(bench.pass(60_000).lists, [], "all is silent");
    bench.stands(Lag::Live, None);
    assert_eq!(bench.pass(TOTALS_FIRST_MS - 1).lists, []);
    assert_eq!(bench.pass(1).lists.len(), 2);
    bench.stands(Lag::Live, None);
    assert_eq!(bench.pass(60_000).lists, [], "once");
}

#[test]
fn a_list_that_is_off_is_not_even_ranked() {
    let mut lists = ListRules::defaults();
    lists[Relation::ViewedTogether.index()].enabled = false;
    let setup = RowsSetup { lists, publish: PublishRules::default(), clocked: Clocked::Wall, facts: None };
    let mut bench = Bench::by_setup(0, 1, &setup);
    bench.open(0, 0, 0).unwrap();
    bench.write_opening();
    with_contexts(&mut bench);
    bench.views(&[("a", "b")]);
    assert_eq!((bench.pass(1_000).lists, bench.ranked(), bench.stage.work().due.known()), (vec![], 0, 0));
}

#[test]
fn time_that_passes_by_marks_alone_is_followed_and_brings_everything_up_at_rest() {
    let rest_ms = PublishRules::default().rest_after_ms;
    let mut bench = Bench::live(0, 1, 900);
    with_contexts(&mut bench);
    bench.pass(1);
    bench.views(&[("a", "b")]);
    bench.pass(1);
    bench.pass(rest_ms - 2);
    let changed = bench.ranked();
    bench.pass(1);
    let rested = bench.ranked();
    assert_eq!((changed, rested), (2, 4), "exactly then");
    bench.stands(Lag::Live, Some(EventTime(EVENT_MS)));
    bench.pass(2 * rest_ms);
    assert_eq!(bench.ranked(), rested, "no time has passed");
    let later = EventTime(EVENT_MS + 1);
    bench.stands(Lag::Live, Some(later));
    assert_eq!(bench.stage.work().rows().now(), later);
    bench.pass(2 * rest_ms);
    assert_eq!(bench.ranked(), rested + 2);
}

#[test]
fn where_events_are_the_clock_lists_go_out_as_their_times_come_and_no_clock_moves_them() {
    let setup = RowsSetup {
        lists: ListRules::defaults(),
        publish: PublishRules::default(),
        clocked: Clocked::Events,
        facts: None,
    };
    let mut bench = Bench::by_setup(0, 1, &setup);
    bench.open(0, 0, 0).unwrap();
    bench.write_opening();
    with_contexts(&mut bench);
    assert_eq!(bench.views(&[("a", "b")]).lists, [], "due at their very time");
    assert_eq!((bench.pass(1_000_000).lists, bench.stage.is_busy()), (vec![], false));
    assert_eq!(bench.stands(Lag::Live, Some(EventTime(EVENT_MS))).lists, []);
    assert_eq!(bench.stands(Lag::Live, Some(EventTime(EVENT_MS + 1))).lists.len(), 2);
}

#[test]
fn all_lists_as_they_stand_are_published_in_steps_news_or_not() {
    let mut bench = Bench::live(0, 1, 900);
    with_contexts(&mut bench);
    let pairs = RANKED_MAX * 3 / 4;
    bench.many_views(pairs);
    bench.pass(1);
    bench.lands(0, "ghost", Some(at(300, 43)), None).unwrap();
    bench.pass(1_000);
    let (mut from, mut steps, mut seen) = (Some(0), Vec::new(), Vec::new());
    while let Some(start) = from {
        let mut effects: Vec<Effect> = Vec::new();
        from = bench.stage.work_mut().publish_all(start, &mut effects);
        steps.push((start, from));
        for effect in effects {
            let Effect::Publish { record, since_ms: None, .. } = effect else { panic!("{effect:?}") };
            assert!(record.stamp().epoch == 900 && record.entries.iter().all(|entry| entry.llr_root.is_finite()));
            seen.push(record.key());
        }
    }
    let steps_want = [(0, Some(RANKED_MAX)), (RANKED_MAX, None)];
    assert_eq!((&steps[..], seen.len()), (&steps_want[..], 2 * pairs), "the buried one is not among them");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2 * pairs, "each once");
}

#[test]
fn what_became_of_lists_is_told_by_kind() {
    let mut bench = Bench::live(0, 1, 900);
    with_contexts(&mut bench);
    bench.views(&[("a", "b")]);
    bench.pass(1);
    let list = ListName::of(Relation::ViewedTogether).index();
    let tally = |bench: &Bench| {
        let tally = bench.stage.work().tally();
        [tally.ranked, tally.published, tally.tombstones, tally.suppressed].map(|by_list| by_list[list])
    };
    let [ranked, published, tombstones, suppressed] = tally(&bench);
    assert_eq!((published, tombstones), (2, 0));
    bench.lands(0, "ghost", Some(at(300, 43)), Some(&["z"])).unwrap();
    bench.pass(1_000);
    assert_eq!(tally(&bench), [ranked + 1, published, 1, suppressed], "it is buried");
    bench.pass(PublishRules::default().rest_after_ms);
    let [at_rest, published, tombstones, still] = tally(&bench);
    assert_eq!((published, tombstones, still - suppressed), (2, 1, 2), "at rest nothing is news");
    assert!(at_rest >= ranked + 3);
}

#[test]
fn a_list_says_since_when_its_change_waited_and_no_clock_makes_that_less_than_nothing() {
    for (wall_ms, waited_ms) in [(WALL_MS + 700, 700), (WALL_MS - 5_000, 0)] {
        let mut bench = Bench::live(0, 1, 900);
        with_contexts(&mut bench);
        bench.views(&[("a", "b")]);
        let mut effects: Vec<Effect> = Vec::new();
        let clock = Clock { wall_ms, monotonic_ms: bench.monotonic_ms + 1 };
        bench.stage.handle(Fact::Clock(clock), &mut effects).unwrap();
        let told: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Publish { since_ms, waited_ms, .. } => Some((*since_ms, *waited_ms)),
                _ => None,
            })
            .collect();
        assert_eq!(told, [(Some(WALL_MS), Some(waited_ms)); 2]);
    }
}

#[test]
fn bytes_held_are_told_by_kind_and_nothing_is_taken_off() {
    let mut bench = Bench::live(0, 2, 900);
    told(&mut bench);
    let work = bench.stage.work();
    let kinds = work.bytes_by_kind();
    let of = |kind: &str| kinds.iter().find(|(name, _)| *name == kind).unwrap().1;
    for (kind, parts) in [
        ("names", [work.rows.items().bytes(), work.names.held_bytes()]),
        ("due", [work.due.bytes(), work.lists.bytes()]),
        ("blocks", [work.telling.bytes(), work.totals_writer.held_bytes()]),
    ] {
        assert!(parts.iter().all(|&part| part > 0), "{kind}: {parts:?}");
        assert!(of(kind) > parts[0] && of(kind) > parts[1], "{kind}: {} of {parts:?}", of(kind));
    }
}
