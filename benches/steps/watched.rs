//! Steps, timed; and the memory that they took at most.

use samenloop::stage::{Effect, Fact, RowsWork, Stage, StageError};
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

/// The longest step of a phase.
#[derive(Clone, Copy, Default)]
pub struct Longest {
    pub wall: Duration,
    /// What the thread ran in it.
    pub run: Duration,
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
        let (ran, began) = (ran(), Instant::now());
        stage.handle(fact, effects)?;
        let wall = began.elapsed();
        self.steps += 1;
        self.all += wall;
        if wall > self.longest.wall {
            self.longest = Longest { wall, run: crate::watched::ran().saturating_sub(ran), kind };
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
        let (wall, run) = (longest.wall.as_secs_f64() * 1000.0, longest.run.as_secs_f64() * 1000.0);
        let (kind, all) = (longest.kind, all.as_secs_f64());
        write!(f, "{name:16} {steps:9} {lists:8} {wall:12.1} {run:9.1} {kind:>12} {all:10.1} {peak_mb:10}")
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

/// What this thread has run, by the system's account; zero where there is none.
fn ran() -> Duration {
    let figures = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(figures.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default())
}

/// The most memory that was resident since the scene began.
fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or_default() / 1024
}
