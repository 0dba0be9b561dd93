//! The facts worker: reads every partition of each topic of facts, from its start and for ever, into the table of facts of its process.
//!
//! It is in no group and commits nothing: each process needs all facts. Where it has come to is kept beside the plan, so that a worker
//! that starts again in its place goes on there: older facts never stand in place of newer ones once they have been complete.
//!
//! Until all that was there at the start has been read, intake takes nothing and no list is published. A topic that is away, or gives
//! nothing, is waited for as long as the settings say; a bad fact costs nothing but itself.

mod topic;

#[cfg(test)]
mod tests;

use self::topic::{Followed, Turn};
use super::schemas::{Schemas, UNKNOWN_AGAIN_MS};
use super::transport::{Rejects, Transport};
use super::worker::{Hands, SECOND_MS, Ties, Worker};
use crate::config::WhenAway;
use crate::facts::{Facts, FactsTopic};
use crate::intake::FactMapping;
use crate::position::{NextOffset, Partition};
use crate::serve::Asked;
use crate::stage::Clock;
use crate::watch::waits::Outside;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often a topic that is not there is looked for, and how often one that is, for more partitions and for its end.
const AWAY_LOOK_MS: i64 = 2_000;
const TOPIC_LOOK_MS: i64 = 10_000;

/// The topics that facts come from.
#[derive(Clone, Default)]
pub struct FactsFeed {
    /// Each of another kind.
    pub sources: Vec<FactsSource>,
    /// How long a start waits, in ms, while nothing comes of what it needs.
    pub wait_ms: i64,
    /// What then.
    pub when_away: WhenAway,
    /// How far a worker of this process has read.
    pub progress: Progress,
}

/// A topic of facts.
#[derive(Clone)]
pub struct FactsSource {
    /// Of which kind.
    pub topic: FactsTopic,
    /// How its records read.
    pub mapping: Arc<FactMapping>,
}

/// How far each partition has been read: outlives a worker that has to start again.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<BTreeMap<(FactsTopic, Partition), NextOffset>>>);

impl Progress {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(FactsTopic, Partition), NextOffset>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, topic: FactsTopic, partition: Partition) -> Option<NextOffset> {
        self.lock().get(&(topic, partition)).copied()
    }

    fn set(&self, topic: FactsTopic, partition: Partition, next: NextOffset) {
        self.lock().insert((topic, partition), next);
    }
}

/// The worker.
pub struct FactsWorker<T: Transport> {
    hands: Hands<T>,
    facts: Arc<Facts>,
    topics: Vec<Followed<T>>,
    rejects: T::Rejects,
    schemas: Schemas,
    wait_ms: i64,
    when_away: WhenAway,
    /// Records taken so far, and when the last one came, by the steady clock.
    records: u64,
    moved_ms: i64,
    next_second_ms: i64,
    next_forget_ms: i64,
}

impl<T: Transport> FactsWorker<T> {
    /// Follows the topics of the plan's feed.
    ///
    /// # Errors
    /// When it cannot be made, or nobody wants facts.
    pub fn new(hands: Hands<T>) -> anyhow::Result<Self> {
        let (Some(facts), Some(feed)) = (hands.plan.facts().cloned(), hands.plan.feed.clone()) else {
            anyhow::bail!("facts are read that nobody wants: a mistake in samenloop, please report it");
        };
        let mut topics = Vec::new();
        for source in feed.sources {
            let metrics = hands.ties.metrics.facts(source.topic);
            topics.push(Followed::new(source, &hands.transport, feed.progress.clone(), metrics)?);
        }
        let now_ms = hands.now().monotonic_ms;
        Ok(Self {
            facts,
            topics,
            rejects: hands.transport.rejects()?,
            schemas: Schemas::new(hands.plan.schemas.clone()),
            wait_ms: feed.wait_ms,
            when_away: feed.when_away,
            records: 0,
            moved_ms: now_ms,
            next_second_ms: now_ms,
            next_forget_ms: now_ms.saturating_add(UNKNOWN_AGAIN_MS),
            hands,
        })
    }

    /// Says that all facts are there once they are, or what is still missing.
    fn look_whether_complete(&mut self, now: Clock) -> anyhow::Result<()> {
        let vigil = &self.hands.ties.vigil;
        if self.facts.is_complete() {
            return Ok(());
        }
        let missing: Vec<String> = self.topics.iter().filter_map(Followed::missing).collect();
        if missing.is_empty() {
            let (items, bytes) = (self.facts.items(), self.facts.bytes());
            let refused: u64 = self.topics.iter().map(Followed::refused).sum();
            tracing::info!(items, bytes, refused, "all facts have been read");
            self.facts.complete();
        } else if now.monotonic_ms.saturating_sub(self.moved_ms) < self.wait_ms || self.when_away == WhenAway::Wait {
            vigil.wait_for(Outside::Facts, &missing.join("; "))?;
            return Ok(());
        } else {
            tracing::warn!("goes on without all facts (facts.when_away = \"go-on\"): {}", missing.join("; "));
            self.facts.complete();
        }
        vigil.note_answer_of(Outside::Facts);
        Ok(())
    }
}

impl<T: Transport> Worker for FactsWorker<T> {
    fn ties(&self) -> &Ties {
        &self.hands.ties
    }

    fn look(&mut self) -> anyhow::Result<()> {
        self.rejects.look();
        Ok(())
    }

    /// There is no group: what may change are the topics themselves.
    fn change(&mut self) -> anyhow::Result<()> {
        let now_ms = self.hands.now().monotonic_ms;
        for topic in &mut self.topics {
            topic.look(now_ms)?;
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<bool> {
        let mut turn = Turn {
            now: self.hands.now(),
            facts: &self.facts,
            schemas: &mut self.schemas,
            rejects: &mut self.rejects,
            ties: &mut self.hands.ties,
        };
        let now = turn.now;
        let mut is_idle = true;
        for topic in &mut self.topics {
            is_idle &= topic.read(&mut turn)?;
        }
        let records: u64 = self.topics.iter().map(Followed::records).sum();
        if std::mem::replace(&mut self.records, records) != records {
            self.moved_ms = now.monotonic_ms;
        }
        self.rejects.flush();
        Ok(is_idle)
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        let now = self.hands.now();
        if now.monotonic_ms >= self.next_second_ms {
            self.next_second_ms = now.monotonic_ms.saturating_add(SECOND_MS);
            self.facts.come_to(now.wall_ms);
        }
        if now.monotonic_ms >= self.next_forget_ms {
            self.next_forget_ms = now.monotonic_ms.saturating_add(UNKNOWN_AGAIN_MS);
            self.topics.iter_mut().for_each(Followed::forget_not_found);
        }
        self.look_whether_complete(now)
    }

    fn show(&mut self) {
        let is_complete = self.facts.is_complete();
        self.hands.settle(is_complete, !is_complete);
        self.hands.show();
        self.hands.ties.metrics.show_facts(self.facts.items(), self.facts.bytes(), is_complete);
        self.topics.iter_mut().for_each(Followed::show);
    }

    fn asked(&self) -> Asked<'_> {
        let rows_partitions = self.hands.plan.pairs_partitions;
        Asked { assignment: 0, rejected: 0, windows: Vec::new(), rows: Vec::new(), rows_partitions }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.rejects.flush();
        Ok(())
    }
}
