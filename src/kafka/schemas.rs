//! The schemas that sources are written with, as an intake worker asks the registry for them.
//!
//! What passes by itself (no answer, not allowed, a fault) is waited for: nothing is rejected for it. What the registry surely does
//! not know is asked for a few times more, as a schema may have been registered a moment ago, and then counts as unknown for
//! a while.
//!
//! A registry that does not answer takes its time over that: it is asked in a thread of its own, so no other source waits.

use crate::intake::SchemaId;
use crate::kafka::registry::{Registry, RegistryError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often an id that the registry does not know is asked for before its records are rejected.
const UNKNOWN_TRIES_MAX: u32 = 5;
/// How soon to look whether it has answered.
const ANSWER_LOOK: Duration = Duration::from_millis(10);
/// How long between two questions for an unknown id.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(500);
/// After this long, what was unknown is asked for again.
pub(super) const UNKNOWN_AGAIN: Duration = Duration::from_secs(60);
/// How long between two questions to a registry that does not answer.
const AWAY_PAUSE: Duration = Duration::from_secs(2);

/// What is to be done with a record that needs a schema.
pub(super) enum Standing {
    /// This is the schema.
    Known(Arc<str>),
    /// It is none that can be used, for this reason: a reject.
    Unusable(String),
    /// There is none: a reject.
    Unknown,
    /// Nobody knows yet: wait until then.
    Ask(Instant),
}

type Answer = Result<Arc<str>, RegistryError>;

/// The questions asked so far.
pub(super) struct Schemas {
    registry: Option<Arc<Registry>>,
    /// Questions that are on their way.
    asked: BTreeMap<SchemaId, Receiver<Answer>>,
    /// Ids that the registry did not know: how often they were asked for.
    unknown: BTreeMap<SchemaId, u32>,
    /// While it is away: until when it is left alone.
    away_until: Option<Instant>,
}

impl Schemas {
    pub(super) fn new(registry: Option<Arc<Registry>>) -> Self {
        Self { registry, asked: BTreeMap::new(), unknown: BTreeMap::new(), away_until: None }
    }

    /// The schema of `id`, for a record of `source`.
    pub(super) fn ask(&mut self, id: SchemaId, source: &str) -> Standing {
        let Some(registry) = &self.registry else { return Standing::Unknown };
        let now = Instant::now();
        if let Some(away_until) = self.away_until.filter(|&away_until| now < away_until) {
            return Standing::Ask(away_until);
        }
        let Some(asked) = self.asked.get(&id) else {
            self.asked.insert(id, ask(registry, id));
            return Standing::Ask(now + ANSWER_LOOK);
        };
        let answer = match asked.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return Standing::Ask(now + ANSWER_LOOK),
            Err(TryRecvError::Disconnected) => {
                self.asked.remove(&id);
                return Standing::Ask(now + AWAY_PAUSE);
            }
        };
        self.asked.remove(&id);
        match answer {
            Ok(text) => {
                if self.away_until.take().is_some() {
                    tracing::info!(source, "the schema registry answers again");
                }
                self.unknown.remove(&id);
                Standing::Known(text)
            }
            Err(error) if error.is_transient() => {
                if self.away_until.is_none() {
                    tracing::warn!(source, id = id.0, %error, "waiting for the schema registry; nothing is rejected");
                }
                let away_until = Instant::now() + AWAY_PAUSE;
                self.away_until = Some(away_until);
                Standing::Ask(away_until)
            }
            Err(error @ RegistryError::NotFound { .. }) => {
                let tries = self.unknown.entry(id).or_default();
                *tries += 1;
                if *tries < UNKNOWN_TRIES_MAX {
                    return Standing::Ask(Instant::now() + UNKNOWN_PAUSE);
                }
                self.unknown.remove(&id);
                tracing::warn!(source, id = id.0, %error, "records of this schema are rejected");
                Standing::Unknown
            }
            Err(error) => {
                tracing::warn!(source, id = id.0, %error, "records of this schema are rejected");
                Standing::Unusable(error.to_string())
            }
        }
    }
}

fn ask(registry: &Arc<Registry>, id: SchemaId) -> Receiver<Answer> {
    let (tell, answer) = channel();
    let registry = Arc::clone(registry);
    thread::spawn(move || {
        let _nobody_waits = tell.send(registry.schema(id.0));
    });
    answer
}
