//! Ways of doing the same, timed by turns.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How often each way is tried.
const ROUNDS: usize = 5;

/// A way of doing something: its name, and what does it `units` times.
pub type Way<'w> = (&'static str, Box<dyn FnMut() + 'w>);

pub fn head() {
    println!("{:38} {:30} {:>10} {:>8}", "part", "way", "ns each", "ratio");
}

/// Tries all ways by turns, and prints of each the fastest, with the first one's as 1.
pub fn compare(part: &str, units: usize, mut ways: Vec<Way<'_>>) {
    let mut fastest = vec![Duration::MAX; ways.len()];
    for _ in 0..ROUNDS {
        for ((_, way), fastest) in ways.iter_mut().zip(&mut fastest) {
            *fastest = (*fastest).min(timed(way));
        }
    }
    let names: Vec<&str> = ways.iter().map(|(name, _)| *name).collect();
    print(part, units, &names, &fastest);
}

/// Of each way one time that was taken elsewhere.
pub fn print(part: &str, units: usize, names: &[&str], times: &[Duration]) {
    let own = times.first().map_or(1.0, Duration::as_secs_f64);
    for (place, (name, time)) in names.iter().zip(times).enumerate() {
        let part = if place == 0 { part } else { "" };
        let each = time.as_secs_f64() * 1e9 / units.max(1) as f64;
        println!("{part:38} {name:30} {each:>10.1} {:>8.2}", time.as_secs_f64() / own);
    }
}

/// What the thread itself ran in it.
pub fn timed(way: &mut dyn FnMut()) -> Duration {
    let before = ran();
    way();
    ran().saturating_sub(before)
}

/// What this thread has run so far.
fn ran() -> Duration {
    let at = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(at.tv_sec.unsigned_abs(), u32::try_from(at.tv_nsec).unwrap_or_default())
}
