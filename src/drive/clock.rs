//! The clocks that workers go by: the wall's for what is written, a steady one for every duration.

use crate::stage::Clock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Gives the time.
pub trait Clocks: Send + Sync {
    /// Now.
    fn now(&self) -> Clock;
}

/// This machine's clocks.
pub struct SystemClocks {
    started: Instant,
}

impl Default for SystemClocks {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clocks for SystemClocks {
    fn now(&self) -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Clock { wall_ms: ms(since), monotonic_ms: ms(self.started.elapsed()) }
    }
}

/// A clock that stands still until it is set: an in-process run is a function of its input.
#[derive(Default)]
pub struct SetClocks {
    wall_ms: AtomicI64,
    monotonic_ms: AtomicI64,
}

impl SetClocks {
    /// The wall's clock shows `wall_ms`, whatever it showed; the steady one goes on by what that is later.
    pub fn set(&self, wall_ms: i64) {
        let before = self.wall_ms.swap(wall_ms, Ordering::Relaxed);
        self.pass(wall_ms.saturating_sub(before).max(0));
    }

    /// The wall's clock is put to `wall_ms`; no time passes.
    pub fn put(&self, wall_ms: i64) {
        self.wall_ms.store(wall_ms, Ordering::Relaxed);
    }

    /// Time passes by the steady clock alone.
    pub fn pass(&self, ms: i64) {
        let now = self.monotonic_ms.load(Ordering::Relaxed);
        self.monotonic_ms.store(now.saturating_add(ms), Ordering::Relaxed);
    }
}

impl Clocks for SetClocks {
    fn now(&self) -> Clock {
        Clock { wall_ms: self.wall_ms.load(Ordering::Relaxed), monotonic_ms: self.monotonic_ms.load(Ordering::Relaxed) }
    }
}
