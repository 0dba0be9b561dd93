//! Steps, timed; and the memory that they took at most.

use rustix::time::{ClockId, clock_gettime};
use samenloop::intake::Reject;
use samenloop::position::{NextOffset, Partition, SourcePartition};
use samenloop::publish::Publication;
use samenloop::stage::{Effects, Fact, Log, RowsInput, RowsWork, Stage, StageError};
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

/// Below this nobody asks what a step ran: it cannot be the longest that matters.
const SHORT: Duration = Duration::from_micros(100);

/// The longest step of a phase.
#[derive(Clone, Copy, Default)]
pub struct Longest {
    /// What the thread ran in it: a stage waits for nothing, so all else is the machine's doing.
    pub run: Duration,
    pub wall: Duration,
    pub kind: &'static str,
}

/// A scene as it went.
#[derive(Clone)]
pub struct Phase {
    pub name: &'static str,
    pub steps: u64,
    /// Lists and tombstones published.
    pub lists: u64,
    pub longest: Longest,
    /// Of all steps together.
    pub all: Duration,
    pub peak_mb: u64,
}

impl Phase {
    /// A new scene; the peak of memory is counted from here.
    pub fn new(name: &'static str) -> Self {
        let _where_it_can_be = fs::write("/proc/self/clear_refs", "5");
        Self { name, steps: 0, lists: 0, longest: Longest::default(), all: Duration::ZERO, peak_mb: 0 }
    }

    /// One fact, timed, with what it wants carried out: encoded, as in production.
    pub fn step(
        &mut self,
        stage: &mut Stage<RowsWork>,
        fact: Fact<'_, RowsWork>,
        effects: &mut Wanted,
    ) -> Result<(), StageError> {
        self.timed(kind_of(&fact), || stage.handle(fact, effects))
    }

    /// Anything else that keeps the worker.
    pub fn timed<R, E>(&mut self, kind: &'static str, step: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        let (before, began) = (ran(), Instant::now());
        let done = step()?;
        let wall = began.elapsed();
        self.steps += 1;
        self.all += wall;
        if wall > SHORT {
            let run = ran().saturating_sub(before);
            if run > self.longest.run {
                self.longest = Longest { run, wall, kind };
            }
        }
        Ok(done)
    }

    /// The scene is over.
    pub fn done(mut self) -> Self {
        self.peak_mb = peak_mb();
        self
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, steps, lists, longest, all, peak_mb } = self;
        let (run, wall) = (longest.run.as_secs_f64() * 1000.0, longest.wall.as_secs_f64() * 1000.0);
        let (kind, all) = (longest.kind, all.as_secs_f64());
        write!(f, "{name:16} {steps:9} {lists:8} {run:12.1} {wall:9.1} {kind:>12} {all:10.1} {peak_mb:10}")
    }
}

/// What a stage wanted, encoded.
#[derive(Default)]
pub struct Wanted {
    /// Blocks of totals.
    pub totals: Vec<Vec<u8>>,
    /// Lists: the length of each record, and the record.
    pub lists: Vec<u8>,
    /// How many.
    pub count: u64,
    json: Vec<u8>,
}

impl Wanted {
    /// Nobody wants it. Returns how many lists that were.
    pub fn forget(&mut self) -> u64 {
        self.totals.clear();
        self.lists.clear();
        std::mem::take(&mut self.count)
    }
}

impl Effects for Wanted {
    fn append(&mut self, log: Log, _partition: Partition, block: Vec<u8>) {
        assert_eq!(log, Log::Totals, "rows append totals only");
        self.totals.push(block);
    }

    fn publish(&mut self, publication: &Publication<'_>) {
        self.json.clear();
        if publication.is_tombstone() {
            publication.record().write_json(&mut self.json);
        } else {
            publication.write_json(&mut self.json);
        }
        let length = u32::try_from(self.json.len()).unwrap_or(u32::MAX);
        self.lists.extend_from_slice(&length.to_le_bytes());
        self.lists.extend_from_slice(&self.json);
        self.count += 1;
    }

    fn reject(&mut self, source: &SourcePartition, _offset: NextOffset, _reject: Reject) {
        unreachable!("rows reject nothing of {source}");
    }
}

fn kind_of(fact: &Fact<'_, RowsWork>) -> &'static str {
    match fact {
        Fact::Inherited(_) => "inherited",
        Fact::Opened { .. } => "opened",
        Fact::Record { input: RowsInput::Pairs, .. } => "pairs",
        Fact::Record { input: RowsInput::Lists, .. } => "lists",
        Fact::Record { .. } => "totals",
        Fact::Passed { .. } => "passed",
        Fact::Claimed { .. } => "claimed",
        Fact::Waits { .. } => "waits",
        Fact::Continue => "continue",
        Fact::Ended { .. } => "ended",
        Fact::Clock(_) => "clock",
        Fact::Flush | Fact::Send => "send",
        Fact::Rest => "rest",
        Fact::Drain => "drain",
    }
}

/// What this thread has run so far.
fn ran() -> Duration {
    let at = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(at.tv_sec.unsigned_abs(), u32::try_from(at.tv_nsec).unwrap_or_default())
}

/// The most memory that was resident since the scene began.
fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or_default() / 1024
}
