//! The schemas that sources are written with, as an intake worker asks for them.
//!
//! What passes by itself (no answer, not allowed, a fault) is waited for: nothing is rejected for it. What a registry surely does
//! not know is asked for a few times more, as a schema may have been registered a moment ago, and then counts as unknown for
//! a while.
//!
//! A registry that does not answer takes its time over that: it is asked in a thread of its own, so no other source waits.

use crate::intake::SchemaId;
use crate::publish::codec::SchemaFailure;
use crate::stage::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

/// How often an id that the registry does not know is asked for before its records are rejected.
const UNKNOWN_TRIES_MAX: u32 = 5;
/// How soon to look whether it has answered.
const ANSWER_LOOK_MS: i64 = 10;
/// How long between two questions for an unknown id.
const UNKNOWN_PAUSE_MS: i64 = 500;
/// After this long, what was unknown is asked for again.
pub(super) const UNKNOWN_AGAIN_MS: i64 = 60_000;
/// How long between two questions to a registry that does not answer.
const AWAY_PAUSE_MS: i64 = 2_000;

/// Gives the text of a schema by its id.
pub trait SchemaSource: Send + Sync {
    /// The schema of `id`.
    ///
    /// # Errors
    /// Why there is none now.
    fn schema(&self, id: u32) -> Result<Arc<str>, SchemaFailure>;

    /// Whether it answers at once, so that no thread is needed to ask it.
    fn is_at_hand(&self) -> bool {
        false
    }
}

/// What is to be done with a record that needs a schema.
pub(super) enum Answered {
    /// This is the schema.
    Known(Arc<str>),
    /// It is none that can be used, for this reason: a reject.
    Unusable(String),
    /// There is none: a reject.
    Unknown,
    /// Nobody knows yet: to be asked again at this time, by the steady clock.
    AskAt(i64),
}

type Answer = Result<Arc<str>, SchemaFailure>;

/// The questions asked so far.
pub(super) struct Schemas {
    registry: Option<Arc<dyn SchemaSource>>,
    /// Questions that are on their way.
    asked: BTreeMap<SchemaId, Receiver<Answer>>,
    /// Ids that the registry did not know: how often they were asked for.
    unknown: BTreeMap<SchemaId, u32>,
    /// While it is away: until when it is left alone.
    away_until_ms: Option<i64>,
}

impl Schemas {
    pub(super) fn new(registry: Option<Arc<dyn SchemaSource>>) -> Self {
        Self { registry, asked: BTreeMap::new(), unknown: BTreeMap::new(), away_until_ms: None }
    }

    /// The schema of `id`, for a record of `source`.
    pub(super) fn ask(&mut self, id: SchemaId, source: &str, now: Clock) -> Answered {
        let Some(registry) = &self.registry else { return Answered::Unknown };
        let now_ms = now.monotonic_ms;
        if let Some(away_until_ms) = self.away_until_ms.filter(|&until_ms| now_ms < until_ms) {
            return Answered::AskAt(away_until_ms);
        }
        let answer = if registry.is_at_hand() {
            registry.schema(id.0)
        } else {
            let Some(asked) = self.asked.get(&id) else {
                self.asked.insert(id, ask(registry, id));
                return Answered::AskAt(now_ms + ANSWER_LOOK_MS);
            };
            match asked.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Empty) => return Answered::AskAt(now_ms + ANSWER_LOOK_MS),
                Err(TryRecvError::Disconnected) => {
                    self.asked.remove(&id);
                    return Answered::AskAt(now_ms + AWAY_PAUSE_MS);
                }
            }
        };
        self.asked.remove(&id);
        self.answered(id, source, now_ms, answer)
    }

    fn answered(&mut self, id: SchemaId, source: &str, now_ms: i64, answer: Answer) -> Answered {
        match answer {
            Ok(text) => {
                if self.away_until_ms.take().is_some() {
                    tracing::info!(source, "the schema registry answers again");
                }
                self.unknown.remove(&id);
                Answered::Known(text)
            }
            Err(error @ SchemaFailure::Passing(_)) => {
                if self.away_until_ms.is_none() {
                    tracing::warn!(source, id = id.0, %error, "waiting for the schema registry; nothing is rejected");
                }
                let away_until_ms = now_ms + AWAY_PAUSE_MS;
                self.away_until_ms = Some(away_until_ms);
                Answered::AskAt(away_until_ms)
            }
            Err(error @ SchemaFailure::NotFound(_)) => {
                let tries = self.unknown.entry(id).or_default();
                *tries += 1;
                if *tries < UNKNOWN_TRIES_MAX {
                    return Answered::AskAt(now_ms + UNKNOWN_PAUSE_MS);
                }
                self.unknown.remove(&id);
                tracing::warn!(source, id = id.0, %error, "records of this schema are rejected");
                Answered::Unknown
            }
            Err(error @ SchemaFailure::Unusable(_)) => {
                tracing::warn!(source, id = id.0, %error, "records of this schema are rejected");
                Answered::Unusable(error.to_string())
            }
        }
    }
}

fn ask(registry: &Arc<dyn SchemaSource>, id: SchemaId) -> Receiver<Answer> {
    let (tell, answer) = channel();
    let registry = Arc::clone(registry);
    thread::spawn(move || {
        let _nobody_waits = tell.send(registry.schema(id.0));
    });
    answer
}
