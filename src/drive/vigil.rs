//! A worker's sign of life while it waits for somebody: brokers, or a snapshot store, that are away are waited for, and said so.
//!
//! Invariants: whatever a worker waits for, it beats meanwhile, and it stops waiting when the process stops. Only a refusal
//! ends a worker; what passes by itself is waited for as long as it takes.

use crate::watch::health::{Health, Heartbeat};
use crate::watch::waits::{Outside, WorkerWait};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What was being waited for was given up because the process stops.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("stopped while waiting")]
pub struct StopAsked;

/// After so long without an answer, whoever was asked counts as away: log, metric and readiness say so.
const AWAY_AFTER: Duration = Duration::from_secs(2);
/// How often the log repeats who is waited for.
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
    waits: WorkerWait,
    waiting: Mutex<BTreeMap<Outside, Waiting>>,
}

impl Vigil {
    /// Of the worker called `name`, which gives up waiting once `stop` is set.
    #[must_use]
    pub fn new(name: &str, stop: Arc<AtomicBool>, health: &Health) -> Self {
        let (heartbeat, waits) = (health.heartbeat(name), health.waits().worker(name));
        Self { name: Arc::from(name), heartbeat, stop, waits, waiting: Mutex::default() }
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

    /// A sign of life of a worker that cannot go on until the brokers answer: `why` says who and what. To be called again and
    /// again.
    ///
    /// # Errors
    /// When the process stops.
    pub fn wait(&self, why: &dyn Display) -> Result<(), StopAsked> {
        self.wait_for(Outside::Brokers, why)
    }

    /// The same, of whoever else is waited for.
    ///
    /// # Errors
    /// When the process stops.
    pub fn wait_for(&self, whom: Outside, why: &dyn Display) -> Result<(), StopAsked> {
        self.beat();
        if self.is_stopping() {
            return Err(StopAsked);
        }
        self.note_silence(whom, why);
        Ok(())
    }

    /// Brokers that the worker needs do not answer now.
    pub fn note_away(&self, why: &dyn Display) {
        self.note_silence(Outside::Brokers, why);
    }

    fn note_silence(&self, whom: Outside, why: &dyn Display) {
        let mut waiting = self.lock();
        let now = Instant::now();
        let held = waiting.entry(whom).or_insert(Waiting { since: now, said: None });
        let waited = now.duration_since(held.since);
        if waited < AWAY_AFTER || held.said.is_some_and(|said| now.duration_since(said) < SAY_AGAIN) {
            return;
        }
        if held.said.replace(now).is_none() {
            self.waits.begin(whom);
        }
        tracing::warn!(worker = &*self.name, seconds = waited.as_secs(), "waiting for {}: {why}", whom.name());
    }

    /// The brokers have answered.
    pub fn note_answer(&self) {
        self.note_answer_of(Outside::Brokers);
    }

    /// Who was waited for has answered: says nothing of anybody else.
    pub fn note_answer_of(&self, whom: Outside) {
        let Some(held) = self.lock().remove(&whom) else { return };
        if held.said.is_some() {
            self.waits.end(whom);
            let seconds = held.since.elapsed().as_secs();
            tracing::info!(worker = &*self.name, seconds, "goes on: {} answered", whom.name());
        }
    }

    /// The worker ends as it should, and is no longer watched.
    pub fn finish(&self) {
        self.heartbeat.finish();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Outside, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
