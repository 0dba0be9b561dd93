//! Whether what a worker owns may still be its own: not after the process has slept for so long that its groups may have missed it. They
//! count from its last heartbeat, which went out before it fell asleep, so that is somewhat shorter than they wait.
//!
//! A machine that is suspended, or a process that is stopped, misses nothing by its own reckoning; its groups have given its partitions to others
//! meanwhile, and hear nothing of it until it asks. So each worker looks before it does anything, by a clock that goes on while the
//! machine is suspended, and after too long a sleep drops what it holds: nothing is finished, appended or committed.
//! What it appends all the same in the instant between the two is dropped by the ledger: counts do not rest on this.
//! A worker that is merely busy has not slept: somebody else in the process looks every few milliseconds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Tells how much time has passed, also while the machine was suspended.
pub trait SleepClock: Send + Sync {
    /// Since anything; never goes back.
    fn now(&self) -> Duration;
}

/// This machine's: since it was started.
pub struct SystemSleepClock;

impl SleepClock for SystemSleepClock {
    fn now(&self) -> Duration {
        #[cfg(target_os = "linux")]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        Duration::try_from(rustix::time::clock_gettime(CLOCK)).unwrap_or_default()
    }
}

/// The process has slept for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the process slept for {slept:?} (the machine was suspended, or the process was stopped). After {longest:?} \
     (session.timeout.ms, less heartbeat.interval.ms and a second) its groups may have given what it owned to others: that is dropped"
)]
pub struct Overslept {
    slept: Duration,
    longest: Duration,
}

/// Of a process.
pub struct Lease {
    clock: Box<dyn SleepClock>,
    longest: Duration,
    seen: Mutex<Seen>,
}

struct Seen {
    /// When somebody looked last.
    at: Duration,
    /// How often the process overslept, and for how long the last time.
    times: u64,
    slept: Duration,
}

impl Lease {
    /// Runs out when nobody looks for `longest`, by `clock`.
    #[must_use]
    pub fn new(clock: Box<dyn SleepClock>, longest: Duration) -> Arc<Self> {
        let seen = Mutex::new(Seen { at: clock.now(), times: 0, slept: Duration::ZERO });
        Arc::new(Self { clock, longest, seen })
    }

    /// Looks at the clock: the process is awake. To be called much more often than it may sleep, whatever its workers do.
    pub fn look(&self) {
        let _seen = self.looked();
    }

    fn looked(&self) -> MutexGuard<'_, Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let slept = now.saturating_sub(seen.at);
        if slept > self.longest {
            seen.times += 1;
            seen.slept = slept;
        }
        seen.at = now.max(seen.at);
        seen
    }
}

/// Of a worker, from when it was made.
pub struct Tenure(Option<(Arc<Lease>, u64)>);

impl Tenure {
    /// Begins now.
    #[must_use]
    pub fn begin(lease: &Arc<Lease>) -> Self {
        let times = lease.looked().times;
        Self(Some((Arc::clone(lease), times)))
    }

    /// Never ends: where nobody else could own anything.
    #[must_use]
    pub fn endless() -> Self {
        Self(None)
    }

    /// Whether it goes on.
    ///
    /// # Errors
    /// When the process has overslept since it began.
    pub fn check(&self) -> Result<(), Overslept> {
        let Some((lease, begun)) = &self.0 else { return Ok(()) };
        let seen = lease.looked();
        if seen.times == *begun { Ok(()) } else { Err(Overslept { slept: seen.slept, longest: lease.longest }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that is set.
    #[derive(Clone, Default)]
    struct Jumping(Arc<Mutex<Duration>>);

    impl Jumping {
        fn pass(&self, seconds: u64) {
            *self.0.lock().unwrap() += Duration::from_secs(seconds);
        }
    }

    impl SleepClock for Jumping {
        fn now(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    fn leased() -> (Jumping, Arc<Lease>) {
        let clock = Jumping::default();
        let lease = Lease::new(Box::new(clock.clone()), Duration::from_secs(15));
        (clock, lease)
    }

    #[test]
    fn who_overslept_has_nothing_any_more_and_who_begins_afterwards_has() {
        let (clock, lease) = leased();
        let (first, second) = (Tenure::begin(&lease), Tenure::begin(&lease));
        clock.pass(15);
        assert_eq!((first.check(), second.check()), (Ok(()), Ok(())), "the group has not missed it");
        clock.pass(16);
        let error = Overslept { slept: Duration::from_secs(16), longest: Duration::from_secs(15) };
        for _ in 0..2 {
            assert_eq!((first.check(), second.check()), (Err(error), Err(error)), "whoever has looked first");
            clock.pass(1);
        }
        let again = Tenure::begin(&lease);
        assert_eq!(again.check(), Ok(()));
        clock.pass(3_600);
        lease.look();
        assert!(again.check().is_err(), "also where somebody else has seen it");
        assert_eq!(Tenure::endless().check(), Ok(()));
    }

    #[test]
    fn a_worker_that_is_busy_has_not_slept() {
        let (clock, lease) = leased();
        let tenure = Tenure::begin(&lease);
        for _ in 0..100 {
            clock.pass(10);
            lease.look();
        }
        assert_eq!(tenure.check(), Ok(()));
    }

    #[test]
    fn this_machines_clock_goes_on() {
        let before = SystemSleepClock.now();
        assert!(before > Duration::ZERO && SystemSleepClock.now() >= before);
    }
}
