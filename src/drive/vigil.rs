//! A worker's sign of life while it waits for somebody: brokers that are away are waited for, and said so.
//!
//! Invariants: whatever a worker waits for, it beats meanwhile, and it stops waiting when the process stops. Only a refusal
//! ends a worker; what passes by itself is waited for as long as it takes.

use crate::watch::health::{Health, Heartbeat};
use crate::watch::waits::BrokerWait;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What was being waited for was given up because the process stops.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("stopped while waiting")]
pub struct StopAsked;

/// After so long without an answer, brokers count as away: log, metric and readiness say so.
const AWAY_AFTER: Duration = Duration::from_secs(2);
/// How often the log repeats that brokers are waited for.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Since when something has been waited for, and when that was last said.
struct Waiting {
    since: Instant,
    said: Option<Instant>,
}

/// Shared by a worker and its clients.
pub struct Vigil {
    name: Arc<str>,
    heartbeat: Heartbeat,
    stop: Arc<AtomicBool>,
    brokers: BrokerWait,
    waiting: Mutex<Option<Waiting>>,
}

impl Vigil {
    /// Of the worker called `name`, which gives up waiting once `stop` is set.
    #[must_use]
    pub fn new(name: &str, stop: Arc<AtomicBool>, health: &Health) -> Self {
        let (heartbeat, brokers) = (health.heartbeat(name), health.waits().worker(name));
        Self { name: Arc::from(name), heartbeat, stop, brokers, waiting: Mutex::new(None) }
    }

    /// The worker's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A sign of life.
    pub fn beat(&self) {
        self.heartbeat.beat();
    }

    /// Whether the process stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A sign of life of a worker that cannot go on until somebody answers: `why` says who and what. To be called again and
    /// again.
    ///
    /// # Errors
    /// When the process stops.
    pub fn wait(&self, why: &dyn Display) -> Result<(), StopAsked> {
        self.beat();
        if self.is_stopping() {
            return Err(StopAsked);
        }
        self.note_away(why);
        Ok(())
    }

    /// Somebody whom the worker needs does not answer now.
    pub fn note_away(&self, why: &dyn Display) {
        let mut waiting = self.lock();
        let now = Instant::now();
        let held = waiting.get_or_insert(Waiting { since: now, said: None });
        let waited = now.duration_since(held.since);
        if waited < AWAY_AFTER || held.said.is_some_and(|said| now.duration_since(said) < SAY_AGAIN) {
            return;
        }
        if held.said.replace(now).is_none() {
            self.brokers.begin();
        }
        tracing::warn!(worker = &*self.name, seconds = waited.as_secs(), "waiting: {why}");
    }

    /// Who was waited for has answered.
    pub fn note_answer(&self) {
        let Some(held) = self.lock().take() else { return };
        if held.said.is_some() {
            self.brokers.end();
            tracing::info!(worker = &*self.name, seconds = held.since.elapsed().as_secs(), "goes on");
        }
    }

    /// The worker ends as it should, and is no longer watched.
    pub fn finish(&self) {
        self.heartbeat.finish();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
