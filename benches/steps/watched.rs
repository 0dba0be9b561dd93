//! Steps, timed; and the memory that they took at most.

use samenloop::stage::{Effect, Fact, RowsWork, Stage, StageError};
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

    /// One fact, timed. What follows from it is appended to `effects`.
    pub fn step(
        &mut self,
        stage: &mut Stage<RowsWork>,
        fact: Fact<'_, &[u8]>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), StageError> {
        let kind = kind_of(&fact);
        let (before, began) = (ran(), Instant::now());
        stage.handle(fact, effects)?;
        let wall = began.elapsed();
        self.steps += 1;
        self.all += wall;
        if wall > SHORT {
            // Where the system keeps no account, the wall's time must do.
            let run = before.and_then(|before| Some(ran()?.saturating_sub(before))).map_or(wall, |run| run.min(wall));
            if run > self.longest.run {
                self.longest = Longest { run, wall, kind };
            }
        }
        Ok(())
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

fn kind_of(fact: &Fact<'_, &[u8]>) -> &'static str {
    match fact {
        Fact::Left(_) => "left",
        Fact::Opened { .. } => "opened",
        Fact::Record { input: 0, .. } => "pairs",
        Fact::Record { .. } => "totals",
        Fact::Ended { .. } => "ended",
        Fact::Clock { .. } => "clock",
        Fact::Flush | Fact::Send => "send",
        Fact::Rest => "rest",
        Fact::Drain => "drain",
    }
}

/// What this thread has run, by the system's account, good to a few ms.
fn ran() -> Option<Duration> {
    let figures = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    figures.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The most memory that was resident since the scene began.
fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or_default() / 1024
}
