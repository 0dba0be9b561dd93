//! Ctrl-C and SIGTERM: the first is a wish to stop in order, another one ends the process.

use anyhow::Context as _;
use console::Term;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Exit code of a process that a second Ctrl-C ended: 128 + SIGINT.
const INTERRUPTED: i32 = 130;
/// A second signal so soon is the same wish: `timeout` signals a process and its group at once.
const SAME_WISH_MAX: Duration = Duration::from_millis(500);

/// Sets `stop` at the first Ctrl-C or SIGTERM, and ends the process at the second. Once per process.
pub(super) fn stop_at_signal(stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let stop = Arc::clone(stop);
    let mut first = None;
    ctrlc::set_handler(move || {
        stop.store(true, Ordering::Relaxed);
        if is_another_wish(&mut first, Instant::now()) {
            let term = Term::stdout();
            if term.is_term() {
                let _ = term.show_cursor(); // the live view hides it; a terminal that is gone needs none
            }
            process::exit(INTERRUPTED);
        }
    })
    .context("Ctrl-C cannot be caught")
}

/// Whether a signal at `now` came long enough after the first one, which is noted here.
fn is_another_wish(first: &mut Option<Instant>, now: Instant) -> bool {
    now.duration_since(*first.get_or_insert(now)) >= SAME_WISH_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signal_well_after_the_first_ends_the_process() {
        let mut first = None;
        let start = Instant::now();
        for (after_ms, ends) in [(0, false), (0, false), (499, false), (500, true), (9_000, true)] {
            let now = start + Duration::from_millis(after_ms);
            assert_eq!(is_another_wish(&mut first, now), ends, "{after_ms} ms");
        }
    }
}
