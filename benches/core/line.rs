//! The stages of each partition, timed, and a line about them.

use super::source::{Form, SCHEMA, VIEWS};
use rustix::time::{ClockId, clock_gettime};
use samenloop::event::UserKeys;
use samenloop::intake::{Format, Intake, Learned, MappingSpec, Record, Reject, SchemaId, TimeRules};
use samenloop::position::{NextOffset, Partition, SourcePartition};
use samenloop::publish::Publication;
use samenloop::relation::Relation;
use samenloop::rules::{CountingRules, ListRules, PublishRules};
use samenloop::stage::{
    BlockLimits, Clock, Clocked, Effects, EventsInput, Fact, Inherited, IntakeInput, IntakeWork, Log, RowsInput,
    RowsRecord, RowsSetup, RowsWork, SourceInput, Stage, StageError, WindowsWork, Work,
};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Years after every view: all of it is history, so lists are silent.
const NOW_MS: i64 = 1_900_000_000_000;
const HISTORY_MS: i64 = 6 * 3_600_000;
const MERGE_BYTES: usize = 256 << 20;
const IDENTITY: u64 = 1;
const LOG_ID: u128 = 1;
/// Kinds of memory of the windows stage that grow with something else.
const OF_NO_USER: [&str; 3] = ["names", "merge", "blocks"];
const INTAKE: SourceInput = SourceInput(0);

/// The blocks that a stage wrote, by partition. Rejects and lists there are to be none.
struct Written {
    blocks: Vec<Vec<Vec<u8>>>,
    others: usize,
}

impl Written {
    fn new(partitions: usize) -> Self {
        Self { blocks: vec![Vec::new(); partitions], others: 0 }
    }
}

impl Effects for Written {
    fn append(&mut self, log: Log, partition: Partition, block: Vec<u8>) {
        if log != Log::Totals {
            self.blocks[partition.index()].push(block);
        }
    }

    fn publish(&mut self, _: &Publication<'_>) {
        self.others += 1;
    }

    fn reject(&mut self, _: &SourcePartition, _: NextOffset, _: Reject) {
        self.others += 1;
    }
}

/// What one step took of the processors: of all threads, and of the one that ran longest, which the others wait for.
#[derive(Clone, Copy, Default)]
struct Took {
    all: Duration,
    longest: Duration,
}

fn ran() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Lets every machine do its part on a thread of its own; gives what each made.
fn side_by_side<M: Send, R: Send>(
    machines: &mut [M],
    part: impl Fn(usize, &mut M) -> Result<R, StageError> + Sync,
) -> Result<(Vec<R>, Took), StageError> {
    let done: Vec<_> = std::thread::scope(|scope| {
        let part = &part;
        let threads: Vec<_> = machines
            .iter_mut()
            .enumerate()
            .map(|(number, machine)| {
                scope.spawn(move || {
                    let before = ran();
                    let made = part(number, machine);
                    (made, ran().saturating_sub(before))
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut took = Took::default();
    let mut all = Vec::new();
    for (made, cpu) in done {
        took.all += cpu;
        took.longest = took.longest.max(cpu);
        all.push(made?);
    }
    assert_eq!(all.len(), machines.len(), "a thread ended early");
    Ok((all, took))
}

/// The stages of each partition.
struct Machines {
    intakes: Vec<Stage<IntakeWork>>,
    windows: Vec<Stage<WindowsWork>>,
    rows: Vec<Stage<RowsWork>>,
}

fn begin<W: Work>(
    stage: &mut Stage<W>,
    inputs: Vec<W::Input>,
    out: &mut Written,
    until: u64,
) -> Result<(), StageError> {
    stage.handle(Fact::Clock(Clock::at(NOW_MS)), out)?;
    for input in inputs {
        stage.handle(Fact::Opened { input, next: NextOffset(0), until: Some(NextOffset(until)) }, out)?;
    }
    Ok(())
}

impl Machines {
    fn new(form: Form, partitions: u32) -> Result<Self, Box<dyn Error>> {
        let rules = CountingRules::default();
        let format = if form == Form::Avro { Format::Avro } else { Format::Json };
        let mapping = Arc::new(MappingSpec { format, ..MappingSpec::default() }.compile()?);
        let (mut intakes, mut windows, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for partition in 0..partitions {
            let intake = Intake::new(TimeRules::default(), UserKeys::new([7; 16]), 1);
            let source = SourcePartition::new("shop", partition);
            let inputs = vec![IntakeInput { source, mapping: Arc::clone(&mapping) }];
            let work = IntakeWork::new(intake, inputs, 1, IDENTITY, Some(HISTORY_MS), BlockLimits::default());
            let mut stage = Stage::new(work, [INTAKE]);
            if form == Form::Avro {
                stage.work_mut().learn(0, SchemaId(0), Learned::Schema(SCHEMA));
            }
            intakes.push(stage);
            let limits = BlockLimits::default();
            let work =
                WindowsWork::new(Partition(partition), partitions, &rules, IDENTITY, IDENTITY, MERGE_BYTES, limits);
            windows.push(Stage::new(work, [EventsInput]));
            let setup = RowsSetup {
                lists: ListRules::defaults(),
                publish: PublishRules::default(),
                clocked: Clocked::Wall,
                facts: None,
            };
            let work = RowsWork::new(Partition(partition), partitions, &rules, IDENTITY, &setup);
            rows.push(Stage::new(work, RowsInput::all(partitions)));
        }
        Ok(Self { intakes, windows, rows })
    }

    /// Opens everything; gives the opening marks of the events log, by partition.
    fn open(&mut self, end: u64) -> Result<Vec<Vec<Vec<u8>>>, StageError> {
        let mut events = Vec::new();
        for stage in &mut self.intakes {
            let mut out = Written::new(1);
            stage.handle(Fact::Inherited(Inherited::NewLogId(LOG_ID)), &mut out)?;
            begin(stage, vec![INTAKE], &mut out, end)?;
            events.push(out.blocks.remove(0));
        }
        for stage in &mut self.windows {
            let mut out = Written::new(self.rows.len());
            stage.handle(Fact::Inherited(Inherited::NewLogId(LOG_ID)), &mut out)?;
            begin(stage, vec![EventsInput], &mut out, u64::MAX)?;
        }
        let partitions = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        for stage in &mut self.rows {
            let mut out = Written::new(self.windows.len());
            stage.handle(Fact::Claimed { epoch: 1 }, &mut out)?;
            stage.handle(Fact::Clock(Clock::at(NOW_MS)), &mut out)?;
            for input in RowsInput::all(partitions) {
                let until = Some(NextOffset(if input == RowsInput::Pairs { u64::MAX } else { 0 }));
                stage.handle(Fact::Opened { input, next: NextOffset(0), until }, &mut out)?;
            }
        }
        Ok(events)
    }

    /// Records of each source partition → rows. Gives what each stage took.
    fn count(
        &mut self,
        records: &[&[Vec<u8>]],
        (from, mut opening): (u64, Vec<Vec<Vec<u8>>>),
    ) -> Result<[Took; 3], StageError> {
        let (mut events, intake) = side_by_side(&mut self.intakes, |number, stage| {
            let mut out = Written::new(1);
            for (offset, value) in (from..).map(NextOffset).zip(records[number]) {
                let record = Record { value: Some(value), ..Record::default() };
                stage.handle(Fact::Record { input: INTAKE, offset, record }, &mut out)?;
            }
            stage.handle(Fact::Flush, &mut out)?;
            assert_eq!(out.others, 0, "all of them are events");
            Ok(out.blocks.remove(0))
        })?;
        for (blocks, opening) in events.iter_mut().zip(opening.drain(..)) {
            blocks.splice(0..0, opening);
        }
        let outputs = self.rows.len();
        let (pairs, windows) = side_by_side(&mut self.windows, |number, stage| {
            let mut out = Written::new(outputs);
            for block in &events[number] {
                let offset = stage.next(EventsInput);
                stage.handle(Fact::Record { input: EventsInput, offset, record: block }, &mut out)?;
            }
            stage.handle(Fact::Flush, &mut out)?;
            Ok(out.blocks)
        })?;
        let (_, rows) = side_by_side(&mut self.rows, |number, stage| {
            let mut out = Written::new(outputs);
            for block in pairs.iter().flat_map(|by_partition| &by_partition[number]) {
                let (input, offset, record) =
                    (RowsInput::Pairs, stage.next(RowsInput::Pairs), RowsRecord::Block(block));
                stage.handle(Fact::Record { input, offset, record }, &mut out)?;
            }
            assert_eq!(out.others, 0, "lists are silent");
            Ok(())
        })?;
        Ok([intake, windows, rows])
    }
}

pub fn head() {
    println!(
        "{:24} {:6} {:>7} {:>8} {:>8} {:>8} {:>8} {:>6} {:>8} {:>10} {:>8} {:>8}",
        "views of",
        "form",
        "threads",
        "intake",
        "windows",
        "rows",
        "ns each",
        "pairs",
        "ns each",
        "views/s",
        "B a pair",
        "B a user"
    );
}

/// Counts half of the records, then measures the other half.
pub fn of(what: &str, form: Form, records: &[Vec<Vec<u8>>]) -> Result<(), Box<dyn Error>> {
    let partitions = u32::try_from(records.len())?;
    let mut machines = Machines::new(form, partitions)?;
    let opening = machines.open(VIEWS as u64)?;
    // The first half of the shortest, so that offsets agree.
    let half = records.iter().map(Vec::len).min().unwrap_or_default() / 2;
    let first: Vec<&[Vec<u8>]> = records.iter().map(|records| &records[..half]).collect();
    machines.count(&first, (0, opening))?;
    let updates = |machines: &Machines| -> u64 {
        machines
            .rows
            .iter()
            .map(|stage| stage.work().rows().stats().by_relation[Relation::ViewedTogether.index()].pair_updates)
            .sum()
    };
    let before = updates(&machines);
    let rest: Vec<&[Vec<u8>]> = records.iter().map(|records| &records[half..]).collect();
    let views: usize = rest.iter().map(|records| records.len()).sum();
    let took = machines.count(&rest, (half as u64, Vec::new()))?;
    let pairs = updates(&machines) - before;
    let each = |took: Duration| took.as_secs_f64() * 1e9 / views as f64;
    let [intake, windows, rows] = took.map(|took| each(took.all));
    let longest: Duration = took.iter().map(|took| took.longest).sum();
    let (held, bytes) = machines
        .rows
        .iter()
        .map(|stage| stage.work().rows().stats())
        .fold((0, 0), |(pairs, bytes), stats| (pairs + stats.pairs, bytes + stats.bytes));
    let users: usize = machines.windows.iter().map(|stage| stage.work().users()).sum();
    let held_of_users = |stage: &Stage<WindowsWork>| -> usize {
        let kinds = stage.work().bytes_by_kind();
        kinds.iter().filter(|(kind, _)| !OF_NO_USER.contains(kind)).map(|(_, bytes)| bytes).sum()
    };
    let user_bytes: usize = machines.windows.iter().map(held_of_users).sum();
    println!(
        "{what:24} {form:6} {partitions:>7} {intake:>8.0} {windows:>8.0} {rows:>8.0} {:>8.0} {:>6.1} {:>8.1} {:>10.0} {:>8.1} {:>8.0}",
        intake + windows + rows,
        pairs as f64 / views as f64,
        rows * views as f64 / pairs.max(1) as f64,
        views as f64 / longest.as_secs_f64(),
        bytes as f64 / held.max(1) as f64,
        user_bytes as f64 / users.max(1) as f64,
    );
    Ok(())
}
