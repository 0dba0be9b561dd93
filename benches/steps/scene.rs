//! The rows stages of one worker, and what happens to them.
//!
//! Logs are kept as a broker would: what one stage tells the others is given to all, what was published is what a successor finds.

use crate::shop::{IDENTITY, Shop};
use crate::watched::{Phase, Wanted};
use samenloop::event::EventTime;
use samenloop::position::{NextOffset, Partition};
use samenloop::publish::ListRecord;
use samenloop::rules::{CountingRules, ListRules, PublishRules};
use samenloop::saved::{Saving, frames};
use samenloop::snapshot::{Encoder, Head};
use samenloop::stage::{
    Clock, Clocked, Fact, Input as _, Kept as _, Landed, RowsInput, RowsRecord, RowsSetup, RowsWork, Stage, StageError,
};
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};

type Outcome<T> = Result<T, Box<dyn Error>>;

const START_MS: i64 = 1_700_000_000_000;
/// What a worker's clock ticks by.
const TICK_MS: i64 = 20;
const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600 * SECOND_MS;
/// In which the end of silence is to be over.
const AFTER_SILENCE_MS: i64 = 60 * SECOND_MS;
/// In which rest is to be reached, and what it brings up be ranked.
const TO_REST_MS: i64 = 60 * SECOND_MS;
/// Blocks of the scene of work, one a tick, and their stars: 5,000 events a second.
const WORK_BLOCKS: usize = 50;
const WORK_STARS: usize = 100;
/// As the program has it.
const PORTION_BYTES: usize = 256 << 10;

/// What stands on the logs.
struct Logs {
    /// By partition.
    pairs: Vec<Vec<Vec<u8>>>,
    totals: Vec<Vec<Vec<u8>>>,
    /// Each list as it was published: its partition, its length, its bytes.
    lists: BufWriter<File>,
    /// By partition: how many of them.
    published: Vec<u64>,
}

/// The stages, live or about to be.
pub struct Scene {
    shop: Shop,
    stages: Vec<Stage<RowsWork>>,
    logs: Logs,
    /// By partition of totals: how many all have taken.
    totals_taken: Vec<usize>,
    clock_ms: i64,
    wanted: Wanted,
    kept: Vec<KeptState>,
}

/// The state of one partition as it was kept.
#[derive(Default)]
pub struct KeptState {
    chunks: Vec<Vec<u8>>,
    /// Where each input goes on.
    next: Vec<NextOffset>,
}

/// What a scene left on its logs, and what it kept.
pub struct LeftBehind {
    logs: Logs,
    kept: Vec<KeptState>,
    partitions: u32,
    clock_ms: i64,
}

impl Scene {
    pub fn new(lists: usize, partitions: u32) -> Outcome<Self> {
        let shop = Shop::new(lists, partitions);
        let pairs = (0..partitions).map(|partition| vec![shop.opening(Partition(partition))]).collect();
        let totals = vec![Vec::new(); usize::try_from(partitions)?];
        let published = vec![0; totals.len()];
        let logs = Logs { pairs, totals, lists: BufWriter::new(tempfile::tempfile()?), published };
        let mut scene = Self {
            shop,
            stages: (0..partitions).map(|partition| new_stage(partition, partitions)).collect(),
            totals_taken: vec![0; logs.totals.len()],
            logs,
            clock_ms: START_MS,
            wanted: Wanted::default(),
            kept: Vec::new(),
        };
        let mut phase = Phase::new("opened");
        for partition in 0..scene.stages.len() {
            scene.tell(&mut phase, partition, Fact::Claimed { epoch: 1 })?;
            for input in RowsInput::all(partitions) {
                let start = NextOffset(0);
                scene.tell(&mut phase, partition, Fact::Opened { input, next: start, until: Some(start) })?;
            }
            scene.give_pairs(&mut phase, partition, 0)?;
        }
        Ok(scene)
    }

    /// A source reads history: every item gets its row.
    pub fn fill(&mut self) -> Outcome<Phase> {
        let mut phase = Phase::new("fill");
        let mut blocks = Vec::new();
        let time = EventTime(self.clock_ms);
        self.shop.every_item(time, true, |partition, block| blocks.push((partition, block)));
        self.append(&mut phase, blocks)?;
        Ok(phase.done())
    }

    /// History is over: everything is due.
    pub fn end_silence(&mut self) -> Outcome<Phase> {
        let mut phase = Phase::new("silence ends");
        self.clock_ms += SECOND_MS;
        let mut blocks = Vec::new();
        self.shop.marks(EventTime(self.clock_ms), |partition, block| blocks.push((partition, block)));
        self.append(&mut phase, blocks)?;
        // Ranking is what the clock brings about; something comes now and then, so that it is not rest that does it.
        for _ in 0..AFTER_SILENCE_MS / SECOND_MS {
            self.pass(&mut phase, SECOND_MS)?;
            let mut blocks = Vec::new();
            self.shop.some_items(1, EventTime(self.clock_ms), |partition, block| blocks.push((partition, block)));
            self.append(&mut phase, blocks)?;
        }
        Ok(phase.done())
    }

    /// Events as on a busy day.
    pub fn work(&mut self) -> Outcome<Phase> {
        let mut phase = Phase::new("work");
        for _ in 0..WORK_BLOCKS {
            let mut blocks = Vec::new();
            let time = EventTime(self.clock_ms);
            self.shop.some_items(WORK_STARS, time, |partition, block| blocks.push((partition, block)));
            self.append(&mut phase, blocks)?;
            self.pass(&mut phase, TICK_MS)?;
        }
        Ok(phase.done())
    }

    /// Nothing comes any more: exact totals, then everything is ranked once.
    pub fn rest(&mut self) -> Outcome<Phase> {
        let mut phase = Phase::new("rest");
        self.pass(&mut phase, TO_REST_MS)?;
        Ok(phase.done())
    }

    /// An hour goes by: the slow sweep ranks every row once.
    pub fn sweep(&mut self) -> Outcome<Phase> {
        let mut phase = Phase::new("an hour's sweep");
        self.pass(&mut phase, HOUR_MS)?;
        Ok(phase.done())
    }

    /// Of each partition a snapshot is taken, while events come in as on a busy day: one block behind each portion.
    pub fn keep(&mut self) -> Outcome<Phase> {
        let mut phase = Phase::new("snapshots");
        for partition in 0..self.stages.len() {
            // Its own lists have landed, nobody else's between them.
            let published = self.logs.published[partition];
            let passed = Fact::Passed { input: RowsInput::Lists, next: NextOffset(published), sequence: published };
            self.tell(&mut phase, partition, passed)?;
            let (stage, wanted) = (&mut self.stages[partition], &mut self.wanted);
            let moment = phase.timed("begin save", || stage.begin_save(wanted).ok_or("not now"))?;
            self.logs.carry_out(&mut phase, partition, &mut self.wanted)?;
            let mut kept = KeptState { chunks: Vec::new(), next: moment.next };
            loop {
                let mut chunk = Vec::with_capacity(2 * PORTION_BYTES);
                let stage = &mut self.stages[partition];
                let saved = phase.timed("save", || Ok::<_, StageError>(stage.save(PORTION_BYTES, &mut chunk)))?;
                kept.chunks.push(chunk);
                if saved != Saving::More {
                    assert_eq!(saved, Saving::Done, "no landmark moves here");
                    break;
                }
                let mut blocks = Vec::new();
                let time = EventTime(self.clock_ms);
                self.shop.some_items(WORK_STARS, time, |partition, block| blocks.push((partition, block)));
                self.append(&mut phase, blocks)?;
                self.pass(&mut phase, TICK_MS)?;
            }
            self.stages[partition].end_save();
            self.kept.push(kept);
        }
        Ok(phase.done())
    }

    /// Pairs held, and what their snapshots take: as they are saved, and as they are stored.
    pub fn kept_sizes(&self) -> Outcome<(usize, usize, usize)> {
        let pairs = self.stages.iter().map(|stage| stage.work().rows().stats().pairs).sum();
        let (mut raw, mut stored) = (0, 0);
        for kept in &self.kept {
            let (mut encoder, mut out) = Encoder::head(&head())?;
            for chunk in &kept.chunks {
                raw += chunk.len();
                encoder.chunk(chunk, &mut out)?;
                stored += out.len();
                out.clear();
            }
        }
        Ok((pairs, raw, stored))
    }

    /// The end of these stages.
    pub fn leave(self) -> LeftBehind {
        let partitions = u32::try_from(self.stages.len()).unwrap_or(u32::MAX);
        LeftBehind { logs: self.logs, kept: self.kept, partitions, clock_ms: self.clock_ms }
    }

    /// So much time, tick by tick, for one stage after the other as a worker does.
    fn pass(&mut self, phase: &mut Phase, time_ms: i64) -> Outcome<()> {
        for _ in 0..time_ms / TICK_MS {
            self.clock_ms += TICK_MS;
            for partition in 0..self.stages.len() {
                self.tell(phase, partition, Fact::Clock(Clock::at(self.clock_ms)))?;
                // What is left over goes on at once, turn by turn; other facts come in between.
                while self.stages[partition].is_busy() {
                    self.tell(phase, partition, Fact::Continue)?;
                }
            }
            self.give_totals(phase)?;
        }
        Ok(())
    }

    fn append(&mut self, phase: &mut Phase, blocks: Vec<(Partition, Vec<u8>)>) -> Outcome<()> {
        for (partition, block) in blocks {
            let pairs = &mut self.logs.pairs[partition.index()];
            pairs.push(block);
            let number = pairs.len() - 1;
            self.give_pairs(phase, partition.index(), number)?;
        }
        self.give_totals(phase)
    }

    fn give_pairs(&mut self, phase: &mut Phase, partition: usize, number: usize) -> Outcome<()> {
        let block = std::mem::take(&mut self.logs.pairs[partition][number]);
        let offset = NextOffset(number as u64);
        let record = RowsRecord::Block(&block);
        self.tell(phase, partition, Fact::Record { input: RowsInput::Pairs, offset, record })?;
        self.logs.pairs[partition][number] = block;
        Ok(())
    }

    /// What any stage told of its totals, all are told.
    fn give_totals(&mut self, phase: &mut Phase) -> Outcome<()> {
        for teller in 0..self.stages.len() {
            while let Some(record) = self.logs.totals[teller].get(self.totals_taken[teller]).cloned() {
                let offset = NextOffset(self.totals_taken[teller] as u64);
                self.totals_taken[teller] += 1;
                let input = RowsInput::Totals(Partition(u32::try_from(teller)?));
                for partition in 0..self.stages.len() {
                    let record = RowsRecord::Block(&record);
                    self.tell(phase, partition, Fact::Record { input, offset, record })?;
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, phase: &mut Phase, partition: usize, fact: Fact<'_, RowsWork>) -> Outcome<()> {
        phase.step(&mut self.stages[partition], fact, &mut self.wanted)?;
        self.logs.carry_out(phase, partition, &mut self.wanted)
    }
}

impl Logs {
    /// Keeps what a stage wants kept. Not part of a step.
    fn carry_out(&mut self, phase: &mut Phase, partition: usize, wanted: &mut Wanted) -> Outcome<()> {
        self.totals[partition].append(&mut wanted.totals);
        self.published[partition] += wanted.count;
        phase.lists += std::mem::take(&mut wanted.count);
        let mut lists = &wanted.lists[..];
        while let Some((length, rest)) = lists.split_first_chunk::<4>() {
            let (json, rest) = rest.split_at(usize::try_from(u32::from_le_bytes(*length))?);
            self.lists.write_all(&u32::try_from(partition)?.to_le_bytes())?;
            self.lists.write_all(length)?;
            self.lists.write_all(json)?;
            lists = rest;
        }
        wanted.lists.clear();
        wanted.lists.shrink_to(0); // what one step wanted at most is seen as the scene's peak, not as what the next holds
        Ok(())
    }
}

impl LeftBehind {
    /// A successor restores what subscribers were told, and counts the log again until it is live: all of it, or, `from_kept`, what has
    /// come since the snapshots.
    pub fn take_over(&mut self, from_kept: bool) -> Outcome<Phase> {
        let mut phase = Phase::new(if from_kept { "with snapshots" } else { "take-over" });
        let clock_ms = self.clock_ms;
        let mut stages: Vec<_> = (0..self.partitions).map(|partition| new_stage(partition, self.partitions)).collect();
        let mut wanted = Wanted::default();
        let counts = self.lists_by_partition()?;
        let nothing = KeptState::default();
        for (partition, stage) in stages.iter_mut().enumerate() {
            let kept = self.kept.get(partition).filter(|_| from_kept).unwrap_or(&nothing);
            for chunk in &kept.chunks {
                phase.timed("load", || {
                    frames(chunk).try_for_each(|frame| frame.and_then(|(kind, body)| stage.work_mut().load(kind, body)))
                })?;
            }
            if !kept.chunks.is_empty() {
                phase.timed("loaded", || stage.work_mut().loaded())?;
            }
            phase.step(stage, Fact::Claimed { epoch: 2 }, &mut wanted)?;
            for input in RowsInput::all(self.partitions) {
                let end = match input {
                    RowsInput::Pairs => self.logs.pairs[partition].len() as u64,
                    RowsInput::Totals(of) => self.logs.totals[of.index()].len() as u64,
                    RowsInput::Lists => counts[partition],
                };
                let until = Some(NextOffset(end));
                let next = kept.next.get(input.index()).copied().unwrap_or_default();
                phase.step(stage, Fact::Opened { input, next, until }, &mut wanted)?;
            }
        }
        self.restore(&mut phase, &mut stages, &mut wanted)?;
        for (partition, stage) in stages.iter_mut().enumerate() {
            let totals = (0..).map(Partition).map(RowsInput::Totals).zip(&self.logs.totals);
            let inputs = totals.chain([(RowsInput::Pairs, &self.logs.pairs[partition])]);
            for (input, records) in inputs {
                let next = stage.next(input);
                for (offset, record) in (0..).map(NextOffset).zip(records).filter(|(offset, _)| *offset >= next) {
                    let record = RowsRecord::Block(record);
                    phase.step(stage, Fact::Record { input, offset, record }, &mut wanted)?;
                }
            }
        }
        for _ in 0..AFTER_SILENCE_MS / TICK_MS {
            self.clock_ms += TICK_MS;
            for stage in &mut stages {
                phase.step(stage, Fact::Clock(Clock::at(self.clock_ms)), &mut wanted)?;
                phase.lists += wanted.forget(); // another successor is to find the same
                while stage.is_busy() {
                    phase.step(stage, Fact::Continue, &mut wanted)?;
                    phase.lists += wanted.forget();
                }
            }
        }
        self.clock_ms = clock_ms;
        Ok(phase.done())
    }

    /// Tells each stage what was published of its partition, in order.
    fn restore(&mut self, phase: &mut Phase, stages: &mut [Stage<RowsWork>], wanted: &mut Wanted) -> Outcome<()> {
        let mut offsets = vec![0_u64; stages.len()];
        self.each_list(|partition, json| {
            let read: ListRecord<'_> = serde_json::from_slice(json)?;
            let record = RowsRecord::List(Landed::of(&read, Some(read.stamp())));
            let offset = NextOffset(offsets[partition]);
            offsets[partition] += 1;
            if offset < stages[partition].next(RowsInput::Lists) {
                return Ok(()); // the state knows it
            }
            Ok(phase.step(&mut stages[partition], Fact::Record { input: RowsInput::Lists, offset, record }, wanted)?)
        })
    }

    fn lists_by_partition(&mut self) -> Outcome<Vec<u64>> {
        let mut counts = vec![0; usize::try_from(self.partitions)?];
        self.each_list(|partition, _| {
            counts[partition] += 1;
            Ok(())
        })?;
        Ok(counts)
    }

    fn each_list(&mut self, mut each: impl FnMut(usize, &[u8]) -> Outcome<()>) -> Outcome<()> {
        self.logs.lists.flush()?;
        let mut file = self.logs.lists.get_ref().try_clone()?;
        let end = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let (mut lists, mut read, mut json) = (BufReader::new(&file), 0, Vec::new());
        while read < end {
            let mut number = || -> std::io::Result<u32> {
                let mut bytes = [0; 4];
                lists.read_exact(&mut bytes)?;
                Ok(u32::from_le_bytes(bytes))
            };
            let (partition, length) = (usize::try_from(number()?)?, number()?);
            json.resize(usize::try_from(length)?, 0);
            lists.read_exact(&mut json)?;
            read += 8 + u64::from(length);
            each(partition, &json)?;
        }
        Ok(())
    }
}

/// A head, so that its bytes are counted.
fn head() -> Head {
    Head {
        stage: "rows".to_owned(),
        partition: 0,
        log_id: 1,
        store_id: 1,
        identity: IDENTITY,
        partitions: (1, 1),
        offset: 1,
        checksum: None,
        epoch: Some(1),
        origin: 0,
        inputs: Vec::new(),
        facts: Vec::new(),
        written_at_ms: START_MS,
        written_by: String::new(),
        state_format: 1,
    }
}

fn new_stage(partition: u32, partitions: u32) -> Stage<RowsWork> {
    let setup = RowsSetup {
        lists: ListRules::defaults(),
        publish: PublishRules::default(),
        clocked: Clocked::Wall,
        facts: None,
    };
    let work = RowsWork::new(Partition(partition), partitions, &CountingRules::default(), IDENTITY, &setup);
    Stage::new(work, RowsInput::all(partitions))
}
