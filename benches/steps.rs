//! How long a rows stage is away at most: the longest step (one fact) at a hundred thousand lists, and at a million.
//!
//! A worker that is in a step answers nobody, not even the probe that would have it killed. So a step must be short, and must not
//! grow with what the stage holds. The scenes are those in which everything is due at once: the end of silence, rest, the hourly
//! sweep, totals of all partitions, snapshots that are taken meanwhile, and the restore of a successor, from the logs and from a snapshot.
//!
//! ```sh
//! cargo bench --bench steps                                   # 100,000 and 1,000,000 lists, on 1 and on 4 partitions
//! cargo bench --bench steps -- --lists 100000 --partitions 4  # one of these
//! ```
//!
//! What counts is what the thread itself ran in a step (a stage waits for nothing); the wall's time beside it shows how busy the machine
//! is. `--strict` fails when a step took longer than [`STEP_MAX`].

#![allow(clippy::print_stdout, missing_docs)]

#[path = "steps/scene.rs"]
mod scene;
#[path = "steps/shop.rs"]
mod shop;
#[path = "steps/watched.rs"]
mod watched;

use scene::Scene;
use std::error::Error;
use std::time::Duration;
use watched::Phase;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// No step may take longer.
const STEP_MAX: Duration = Duration::from_millis(50);
const LISTS: [usize; 2] = [100_000, 1_000_000];
const PARTITIONS: [u32; 2] = [1, 4];

fn main() -> Result<(), Box<dyn Error>> {
    let lists: Vec<usize> = number("--lists")?.map_or(LISTS.to_vec(), |lists| vec![lists]);
    let partitions =
        number("--partitions")?.map_or(Ok(PARTITIONS.to_vec()), |count| u32::try_from(count).map(|n| vec![n]))?;
    let mut longest = Duration::ZERO;
    for &partitions in &partitions {
        let mut runs = Vec::new();
        for &lists in &lists {
            println!("\n{lists} lists on {partitions} partition(s)");
            println!(
                "{:16} {:>9} {:>8} {:>12} {:>9} {:>12} {:>10} {:>10}",
                "scene", "steps", "lists", "longest ms", "(wall)", "its kind", "all s", "peak MB"
            );
            let phases = play(lists, partitions)?;
            longest = phases.iter().map(|phase| phase.longest.run).fold(longest, Duration::max);
            runs.push(phases);
        }
        if let [fewer, more] = &runs[..] {
            compare(fewer, more);
        }
    }
    let verdict = if longest <= STEP_MAX { "holds" } else { "does not hold" };
    println!("\nno step over {} ms: {verdict}, the longest took {:.1} ms", STEP_MAX.as_millis(), ms(longest));
    if longest > STEP_MAX && std::env::args().any(|argument| argument == "--strict") {
        return Err("a step took too long".into());
    }
    Ok(())
}

/// Plays all scenes on one shop.
fn play(lists: usize, partitions: u32) -> Result<Vec<Phase>, Box<dyn Error>> {
    let mut phases = Vec::new();
    let mut scene = Scene::new(lists, partitions)?;
    let mut note = |phase: Phase| {
        println!("{phase}");
        phases.push(phase);
    };
    note(scene.fill()?);
    note(scene.end_silence()?);
    note(scene.work()?);
    note(scene.rest()?);
    note(scene.sweep()?);
    note(scene.keep()?);
    let (pairs, raw, stored) = scene.kept_sizes()?;
    note(scene.rest()?);
    let mut left = scene.leave();
    note(left.take_over(false)?);
    note(left.take_over(true)?);
    let each = |bytes: usize| bytes as f64 / pairs.max(1) as f64;
    println!(
        "snapshots of {pairs} pairs: {raw} bytes ({:.1} a pair), stored {stored} ({:.1} a pair)",
        each(raw),
        each(stored)
    );
    Ok(phases)
}

/// A step must not grow with the data.
fn compare(fewer: &[Phase], more: &[Phase]) {
    println!("\nthe longest step, {} lists beside {}:", LISTS[1], LISTS[0]);
    for (fewer, more) in fewer.iter().zip(more) {
        let times = ms(more.longest.run) / ms(fewer.longest.run).max(0.001);
        println!("{:16} {:9.1} ms  {:9.1} ms  {times:6.1} ×", more.name, ms(more.longest.run), ms(fewer.longest.run));
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The number behind a flag.
fn number(flag: &str) -> Result<Option<usize>, std::num::ParseIntError> {
    std::env::args().skip_while(|argument| argument != flag).nth(1).map(|text| text.parse()).transpose()
}
