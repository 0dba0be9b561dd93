//! A state that is kept while the stage goes on, and what goes on from it: the same as if nothing had stopped.

use super::*;
use crate::event::UserKeys;
use crate::relation::Relation;
use crate::saved::{SavedError, Saving, frames};
use crate::stage::{Kept, Moment, PartitionFacts};
use crate::windows::tests::recount::{self, Event, Step};
use crate::windows::tests::shop::{self, Random, Shape};
use crate::wire::DeltaScratch;

const OUTPUTS: u32 = 3;
const SOURCES: [&str; 3] = ["a", "b", "c"];

/// Small limits and short horizons, so that everything fills, closes and is forgotten.
fn rules() -> CountingRules {
    CountingRules {
        session_gap_ms: 40_000,
        session_max_items: 5,
        pair_window: 3,
        recent_max: 3,
        view_to_order_ms: 90_000,
        cart_gap_ms: 70_000,
        cart_max: 4,
        basket_max: 4,
        repeat_horizon_ms: 300_000,
        purchases_max: 6,
        also_max: 3,
        also_horizon_ms: 200_000,
        dedup_ids: 4,
        session_longest_ms: 100_000,
        sessions_open: 2,
        order_open_ms: 250_000,
        orders_max: 2,
        together_orders: 3,
        forget_after_ms: 1_000_000,
        forget_customer_after_ms: 2_000_000,
        half_life_ms: [500_000; Relation::COUNT],
        ..CountingRules::default()
    }
}

fn shape() -> Shape {
    let edges_ms = vec![40_000, 90_000, 60_000, 120_000, 250_000];
    Shape { users: 400, items: 14, lines_max: 7, edges_ms, calm: false, lives: true }
}

fn small(random: &mut Random, bound: u64) -> usize {
    usize::try_from(random.below(bound)).unwrap()
}

/// Writes events as intake would.
struct Log {
    random: Random,
    items: Items,
    users: UserKeys,
    records: Vec<Vec<u8>>,
    /// Of each source: where it is, the highest time, how it stands.
    at: [(u64, Option<EventTime>, Lag); 3],
    generation: u64,
}

impl Log {
    fn of(seed: u64, events: usize) -> Vec<Vec<u8>> {
        let mut log = Self {
            random: Random::new(seed ^ 0x5EED),
            items: Items::default(),
            users: UserKeys::new([0; 16]),
            records: vec![founding(12)],
            at: [(0, None, Lag::Behind), (0, None, Lag::History), (0, None, Lag::Live)],
            generation: 1,
        };
        log.opening(&SOURCES);
        let mut events = shop::events(seed, events, &shape());
        // Most views are by users who come by now and then.
        for event in events.iter_mut().filter(|event| matches!(event.kind, recount::Kind::View { .. })) {
            if log.random.chance(60) {
                event.user = format!("v{}", log.random.below(400));
            }
        }
        let mut rest = events.iter().filter(|event| !event.kind.is_refused()).peekable();
        while rest.peek().is_some() {
            match log.random.below(40) {
                0 => log.records.push(founding(13)),
                1 => {
                    log.generation += 1;
                    let fewer = 2 + small(&mut log.random, 2);
                    log.opening(&SOURCES[..fewer]);
                }
                _ => log.block(&mut rest),
            }
        }
        log.records
    }

    fn opening(&mut self, sources: &[&str]) {
        let first = Some(Position::default());
        let origins = sources.iter().map(|name| Origin { source: source(name), first }).collect();
        let generation = self.generation;
        self.records
            .push(Opening { log_id: 12, input_log_id: 0, store_id: 0, identity: 7, generation, origins }.encode());
    }

    fn block<'e>(&mut self, events: &mut impl Iterator<Item = &'e Event>) {
        let mut writer = EventsWriter::default();
        for _ in 0..=self.random.below(2) {
            let which = small(&mut self.random, 3);
            if self.random.chance(15) {
                self.at[which].2 = [Lag::Live, Lag::Behind, Lag::History, Lag::Waiting, Lag::Live, Lag::Live]
                    [small(&mut self.random, 6)];
            }
            let (mut offset, mut highest, lag) = self.at[which];
            let from = Position::start_of(NextOffset(offset));
            let place = writer.open(SectionHead {
                source: source(SOURCES[which]),
                span: Span { from, to: from },
                highest,
                lag,
                arrived_ms: Some(5),
                checksum: None,
            });
            for event in events.take(small(&mut self.random, 7)) {
                self.event(&mut writer, place, offset, event);
                highest = highest.max(Some(EventTime(event.ts)));
                offset += 1;
            }
            let head = writer.head(place);
            (head.span.to, head.highest) = (Position::start_of(NextOffset(offset)), highest);
            self.at[which] = (offset, highest, lag);
        }
        self.records.push(writer.finish(self.generation, &self.items));
        if self.random.chance(5) {
            self.records.push(self.records[self.records.len() - 1].clone()); // sent again
        }
    }

    fn event(&mut self, writer: &mut EventsWriter, place: usize, offset: u64, event: &Event) {
        let time = EventTime(event.ts);
        let shop = self.items.shop(&event.shop);
        let (event_type, link, version, names, content): (_, _, _, &[String], _) = match &event.kind {
            recount::Kind::View { item, session } => {
                let content = EventKey::of_item(EventType::View, item, time);
                (EventType::View, session.as_deref().map(LinkKey::of), None, std::slice::from_ref(item), content)
            }
            recount::Kind::Cart { item } => {
                let content = EventKey::of_item(EventType::Cart, item, time);
                (EventType::Cart, None, None, std::slice::from_ref(item), content)
            }
            recount::Kind::Order { step, order_id, version, lines } => {
                let step = match step {
                    Step::State => OrderStep::State,
                    Step::Add => OrderStep::Add,
                    Step::Return => OrderStep::Return,
                    Step::Cancel => OrderStep::Cancel,
                };
                let number = (!order_id.is_empty()).then(|| LinkKey::of(order_id));
                let lines: &[String] = if step == OrderStep::Cancel { &[] } else { lines };
                let key = EventKey::of_order(step, order_id, *version, lines.iter().map(String::as_str), time);
                (step.event_type(), number, *version, lines, key)
            }
            recount::Kind::Erase => (EventType::Erase, None, None, &[], EventKey(0)),
        };
        let items: Vec<ItemId> = names.iter().map(|item| self.items.item(shop, item)).collect();
        let key = event.id.as_ref().map_or(content, |id| EventKey::of_id(event_type, id));
        let (position, user) = (Position::start_of(NextOffset(offset)), self.users.key(&event.shop, &event.user));
        let (money, shown) = (None, None);
        let event =
            EventToWrite { position, user, key, time, event_type, link, version, shop, items: &items, money, shown };
        writer.push(place, &event, &self.items);
    }
}

/// A stage and what it has appended, by partition.
struct Run {
    stage: Stage<WindowsWork>,
    pairs: Vec<Vec<Vec<u8>>>,
}

impl Run {
    fn new(merge_bytes_max: usize, entries_max: usize) -> Self {
        let limits = BlockLimits { entries_max, ..BlockLimits::default() };
        let work = WindowsWork::new(Partition(0), OUTPUTS, &rules(), 7, 8, merge_bytes_max, limits);
        Self { stage: Stage::new(work, [EventsInput]), pairs: vec![Vec::new(); OUTPUTS as usize] }
    }

    fn try_tell(&mut self, fact: Fact<'_, WindowsWork>) -> Result<(), StageError> {
        let mut effects: Vec<Effect> = Vec::new();
        let told = self.stage.handle(fact, &mut effects);
        self.take(effects);
        told
    }

    fn tell(&mut self, fact: Fact<'_, WindowsWork>) {
        self.try_tell(fact).unwrap();
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let Effect::Append { partition, block, .. } = effect else { panic!("{effect:?}") };
            self.pairs[partition.index()].push(block);
        }
    }

    /// Tells what another has appended, and starts at `next`.
    fn open(&mut self, pairs: &[Vec<Vec<u8>>], next: NextOffset) -> Result<(), StageError> {
        self.try_tell(Fact::Inherited(Inherited::NewLogId(21)))?;
        for (output, blocks) in pairs.iter().enumerate() {
            let partition = Partition(u32::try_from(output).unwrap());
            let facts = facts(crate::stage::Log::Pairs, partition, blocks);
            for (offset, opening) in facts.openings() {
                self.try_tell(Fact::Inherited(Inherited::Opening { partition, offset, opening }))?;
            }
            for (source, checkpoint) in facts.checkpoints() {
                self.try_tell(Fact::Inherited(Inherited::Checkpoint { output, source, checkpoint }))?;
            }
        }
        self.try_tell(Fact::Opened { input: EventsInput, next, until: None })
    }

    fn read(&mut self, log: &[Vec<u8>], range: std::ops::Range<usize>) {
        for offset in range {
            self.try_read(log, offset).unwrap();
        }
    }

    fn try_read(&mut self, log: &[Vec<u8>], offset: usize) -> Result<(), StageError> {
        let record = log[offset].as_slice();
        self.try_tell(Fact::Record { input: EventsInput, offset: NextOffset(offset as u64), record })
    }

    fn begin_save(&mut self) -> Option<Moment> {
        let mut effects: Vec<Effect> = Vec::new();
        let moment = self.stage.begin_save(&mut effects);
        self.take(effects);
        moment
    }

    /// The state, in one portion.
    fn state(&mut self) -> Vec<u8> {
        self.begin_save().unwrap();
        let mut out = Vec::new();
        assert_eq!(self.stage.save(usize::MAX, &mut out), Saving::Done);
        out
    }

    fn load(&mut self, state: &[u8]) -> Result<(), SavedError> {
        for frame in frames(state) {
            let (kind, body) = frame?;
            self.stage.work_mut().load(kind, body)?;
        }
        self.stage.work_mut().loaded()
    }

    fn windows_bytes(&self) -> [usize; 3] {
        let bytes = self.stage.work().windows.bytes();
        [bytes.carts, bytes.customers, bytes.ids]
    }
}

fn facts(log: crate::stage::Log, partition: Partition, blocks: &[Vec<u8>]) -> PartitionFacts {
    let mut facts = PartitionFacts::default();
    for (offset, block) in (0..).zip(blocks) {
        facts.record(log, partition, NextOffset(offset), block).unwrap();
    }
    facts
}

/// All entries of blocks, by name and position.
fn entries(blocks: &[Vec<u8>], items: &mut Items) -> Vec<String> {
    let (mut all, mut names, mut scratch) = (Vec::new(), Translation::default(), DeltaScratch::default());
    for block in blocks.iter().filter(|block| matches!(kind_of(block), Ok(Kind::Pairs))) {
        let block = PairsBlock::decode(block).unwrap();
        names.fill(&block.shops, &block.items, items);
        for entry in &block.entries {
            let delta = block.with_delta(entry, &names, &mut scratch, |delta| format!("{delta:?}"));
            all.push(format!("{} {delta}", entry.position));
        }
    }
    all
}

fn openings(pairs: &[Vec<Vec<u8>>]) -> usize {
    pairs.iter().flatten().filter(|block| matches!(kind_of(block), Ok(Kind::Opening))).count()
}

/// Keeps a state at `cut` while `run` reads on to the end, in portions of up to 200 bytes. How many portions it took.
fn keep_while_reading(run: &mut Run, log: &[Vec<u8>], cut: usize, random: &mut Random) -> (Vec<u8>, usize) {
    let (mut state, mut portions, mut is_done) = (Vec::new(), 0, false);
    for offset in cut..log.len() {
        if !is_done && random.chance(30) {
            portions += 1;
            is_done = run.stage.save(1 + small(random, 200), &mut state) == Saving::Done;
        }
        run.read(log, offset..offset + 1);
        match random.below(8) {
            0 => run.tell(Fact::Flush),
            1 => run.tell(Fact::Clock(Clock::at(i64::try_from(offset).unwrap() * 700))),
            _ => {}
        }
    }
    while !is_done {
        portions += 1;
        is_done = run.stage.save(1 + small(random, 200), &mut state) == Saving::Done;
    }
    (state, portions)
}

#[test]
fn a_state_that_is_kept_in_portions_is_that_of_its_moment_and_goes_on_as_if_nothing_had_stopped() {
    let (mut all_portions, mut fewer, mut held, mut tried) = (0, 0, 0, 0);
    for seed in shop::seeds(60) {
        let mut random = Random::new(seed);
        let log = Log::of(seed, 1_500);
        let merge_bytes_max = if random.chance(50) { UNBOUNDED } else { 20 * HELD_BYTES };
        let entries_max = 1 + small(&mut random, 9);
        let cut = 2 + small(&mut random, log.len() as u64 * 2 / 3);
        let fresh = || Run::new(merge_bytes_max, entries_max);
        let context = format!("seed {seed} (SAMENLOOP_SEED={seed}), cut at {cut} of {}", log.len());

        let mut whole = fresh();
        whole.open(&[], NextOffset(0)).unwrap();
        whole.read(&log, 0..cut);
        let moment = whole.begin_save().unwrap();
        let before: Vec<usize> = whole.pairs.iter().map(Vec::len).collect();
        let users = whole.stage.work().users();
        held += usize::from(whole.stage.work().merge.held() > 0);
        let (state, portions) = keep_while_reading(&mut whole, &log, cut, &mut random);
        all_portions += portions;
        fewer += usize::from(whole.stage.work().users() < users);
        whole.tell(Fact::Rest);

        let events = facts(crate::stage::Log::Events, Partition(0), &log[..cut]);
        assert_eq!((&moment.facts, moment.next), (&events, vec![NextOffset(cut as u64)]), "{context}");
        let read_to = Checkpoint {
            position: Position::start_of(NextOffset(cut as u64)),
            checksum: Some(checksum_of_block(&log[cut - 1]).unwrap()),
        };
        assert_eq!(moment.checkpoint, read_to, "{context}");

        // What was kept is what one has that stopped there.
        let mut stopped = fresh();
        stopped.open(&[], NextOffset(0)).unwrap();
        stopped.read(&log, 0..cut);
        let at_moment = stopped.state();
        let then: Vec<Vec<Vec<u8>>> = whole.pairs.iter().zip(&before).map(|(all, &n)| all[..n].to_vec()).collect();
        let later: Vec<Vec<Vec<u8>>> = whole.pairs.iter().zip(&before).map(|(all, &n)| all[n..].to_vec()).collect();
        let mut resumed = fresh();
        resumed.load(&state).unwrap_or_else(|error| panic!("{error}, {context}"));
        resumed.open(&then, NextOffset(cut as u64)).unwrap();
        assert_eq!(openings(&resumed.pairs), OUTPUTS as usize, "it introduces itself, {context}");
        assert!(resumed.state() == at_moment, "another state, {context}");
        assert_eq!(resumed.windows_bytes(), stopped.windows_bytes(), "{context}");

        // From there on it gives the same.
        resumed.read(&log, cut..log.len());
        resumed.tell(Fact::Rest);
        let mut items = Items::default();
        for (resumed, later) in resumed.pairs.iter().zip(&later) {
            assert_eq!(entries(resumed, &mut items), entries(later, &mut items), "{context}");
        }
        assert_eq!(openings(&resumed.pairs), OUTPUTS as usize, "once, {context}");
        assert_eq!(resumed.windows_bytes(), whole.windows_bytes(), "{context}");
        let at_end = whole.state();
        assert!(resumed.state() == at_end, "another state at the end, {context}");

        // Where the log holds what follows already, it says nothing of it again.
        let mut muted = fresh();
        muted.load(&state).unwrap();
        muted.open(&whole.pairs, NextOffset(cut as u64)).unwrap();
        muted.read(&log, cut..log.len());
        assert_eq!(muted.stage.work().appended().0, 0, "{context}");
        assert!(muted.state() == at_end, "{context}");
        tried += 1;
    }
    assert!(all_portions > 10 * tried, "{all_portions} portions of {tried} states");
    assert!(tried < 60 || (fewer > 5 && held > 5), "{fewer} tables shrank, {held} merges held something");
}

type Blocks = Vec<Vec<u8>>;

/// A small log, and the state behind its first half.
fn small_state() -> (Blocks, usize, Vec<u8>, Vec<Blocks>) {
    let log = Log::of(5, 80);
    let cut = log.len() / 2;
    let mut run = Run::new(UNBOUNDED, 9);
    run.open(&[], NextOffset(0)).unwrap();
    run.read(&log, 0..cut);
    let state = run.state();
    (log, cut, state, run.pairs)
}

#[test]
fn a_damaged_state_is_refused_or_taken_up_but_nothing_fails() {
    let (log, cut, state, pairs) = small_state();
    let mut refused = 0;
    let mut take_up = |state: &[u8]| {
        let mut run = Run::new(UNBOUNDED, 9);
        if run.load(state).is_err() {
            refused += 1;
            return true;
        }
        // What nobody can tell from a state must not bring anybody down either.
        if run.open(&pairs, NextOffset(cut as u64)).is_ok() {
            let _ = (cut..log.len()).try_for_each(|offset| run.try_read(&log, offset));
        }
        false
    };
    assert!(!take_up(&state));
    for end in 0..state.len() {
        assert!(take_up(&state[..end]), "cut at {end} of {}", state.len());
    }
    for place in 0..state.len() {
        for bit in 0..8 {
            let mut other = state.clone();
            other[place] ^= 1 << bit;
            take_up(&other);
        }
        for byte in [0, 0x7F, 0xFF] {
            let mut other = state.clone();
            other[place] = byte;
            take_up(&other);
        }
    }
    assert!(refused > 2 * state.len(), "{refused} of {} bytes", state.len());
}

#[test]
fn frames_that_come_twice_or_not_at_all_are_refused() {
    let (.., state, _) = small_state();
    let all: Vec<(u8, &[u8])> = frames(&state).map(Result::unwrap).collect();
    assert_eq!(all.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [1, 2, 3, 4]);
    for other in 0..all.len() {
        for times in [0, 2] {
            let mut work = Run::new(UNBOUNDED, 9).stage;
            let mut told = Ok(());
            for (place, &(kind, body)) in all.iter().enumerate() {
                for _ in 0..if place == other { times } else { 1 } {
                    told = told.and_then(|()| work.work_mut().load(kind, body));
                }
            }
            let told = told.and_then(|()| work.work_mut().loaded());
            assert!(matches!(told, Err(SavedError::Unfit { .. })), "kind {} {times} times: {told:?}", all[other].0);
        }
    }
    let mut run = Run::new(UNBOUNDED, 9);
    assert_eq!(run.stage.work_mut().load(9, &[]), Err(SavedError::Kind { kind: 9 }));
}

#[test]
fn a_state_does_not_go_on_where_something_is_missing_or_another() {
    let (log, cut, state, pairs) = small_state();
    let next = NextOffset(cut as u64);
    let start = |state: &[u8], pairs: &[Vec<Vec<u8>>], next| {
        let mut run = Run::new(UNBOUNDED, 9);
        run.load(state).unwrap();
        run.open(pairs, next)
    };
    assert!(start(&state, &pairs, next).is_ok());
    let shorter: Vec<Vec<Vec<u8>>> = pairs.iter().map(|blocks| blocks[..blocks.len() - 1].to_vec()).collect();
    let told = start(&state, &shorter, next);
    assert!(matches!(told, Err(StageError::Ahead { partition: Partition(0), .. })), "{told:?}");
    let told = start(&state, &pairs, next.after());
    assert!(matches!(told, Err(StageError::Checkpoint { .. })), "records between are missing: {told:?}");
    // Another log of pairs, made of other records before the same place.
    let mut other = log.clone();
    other[cut - 1] = founding(99);
    let mut run = Run::new(UNBOUNDED, 9);
    run.open(&[], NextOffset(0)).unwrap();
    run.read(&other, 0..cut);
    run.tell(Fact::Rest);
    let told = start(&state, &run.pairs, next);
    assert!(matches!(told, Err(StageError::Checkpoint { .. })), "{told:?}");
    // A log that was made of another log of events.
    let opening =
        Opening { log_id: 21, input_log_id: 13, store_id: 0, identity: 8, generation: 1, origins: Vec::new() };
    let foreign: Vec<Vec<Vec<u8>>> =
        pairs.iter().map(|blocks| [vec![opening.encode()], blocks[1..].to_vec()].concat()).collect();
    let told = start(&state, &foreign, next);
    assert!(matches!(told, Err(StageError::OtherLog { .. })), "{told:?}");
}

#[test]
fn nothing_is_kept_before_the_log_is_known_nor_while_much_is_held() {
    let mut run = Run::new(UNBOUNDED, 9);
    run.open(&[], NextOffset(0)).unwrap();
    run.read(&[founding(12)], 0..1);
    assert!(run.begin_save().is_none(), "it has not said that it is there");
    assert_eq!(run.stage.save(100, &mut Vec::new()), Saving::Void, "nothing was begun");
    let mut bench = Bench::by_entry(&["a", "b"]);
    let (mut at, most) = (0, crate::limits::KEPT_MERGE_BYTES_MAX);
    while bench.held_bytes() <= most {
        assert!(bench.stage.work().may_save());
        let views: Vec<(u64, i64)> = (at..at + 5_000).map(|n| (n, 10)).collect();
        bench.block(1, &[Spoken { span: (at, at + 5_000), views: &views, ..NOTHING }]);
        at += 5_000;
    }
    assert!(!bench.stage.work().may_save());
    bench.block(1, &[Spoken { source: "b", highest: Some(20), ..NOTHING }]);
    assert!(bench.stage.work().may_save());
}
