//! One topic of facts, as it is followed.

use super::{AWAY_LOOK_MS, FactsSource, Progress, TOPIC_LOOK_MS};
use crate::drive::intake::{WaitingRecord, with_record};
use crate::drive::schemas::{Answered, Schemas};
use crate::drive::transport::{Follower, Message, Next, Rejected, Rejects, Topic, Transport};
use crate::drive::worker::Ties;
use crate::facts::Facts;
use crate::intake::{Learned, Plans, Record, Reject};
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::stage::Clock;
use crate::watch::metrics::{FactsFollower, FactsTallies};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Records taken of one topic between two looks at everything else.
const BATCH_RECORDS: usize = 1024;

/// How many bad facts of a topic are kept as rejects while it is read to its end at the start: it is read at each start, by each process,
/// and a catalogue with a mistake in all of its records would fill the rejects topic again each time. All are counted.
pub const REJECTS_AT_START_MAX: u64 = 1000;

/// What taking records works with.
pub(super) struct Turn<'t, T: Transport> {
    pub(super) facts: &'t Facts,
    pub(super) schemas: &'t mut Schemas,
    pub(super) rejects: &'t mut T::Rejects,
    pub(super) ties: &'t mut Ties,
    pub(super) now: Clock,
}

/// A partition that is read.
struct Place {
    next: NextOffset,
    /// Where it ended when it was taken up.
    until: NextOffset,
    /// Where it ended when that was looked at last.
    end: NextOffset,
    /// Whether it has been read to where it ended when it was taken up.
    is_reached: bool,
}

/// A topic that is followed.
pub(super) struct Followed<T: Transport> {
    source: FactsSource,
    /// As positions and rejects name it.
    name: Arc<str>,
    follower: Rc<T::Follower>,
    plans: Plans,
    places: BTreeMap<Partition, Place>,
    progress: Progress,
    /// The record that waits for its schema: nothing behind it is read meanwhile.
    waiting: Option<(Partition, WaitingRecord)>,
    retry_at_ms: Option<i64>,
    next_look_ms: i64,
    tallies: FactsTallies,
    kept_at_start: u64,
    metrics: FactsFollower,
}

impl<T: Transport> Followed<T> {
    pub(super) fn new(
        source: FactsSource,
        transport: &T,
        progress: Progress,
        metrics: FactsFollower,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            name: Arc::from(format!("facts.{}", source.topic.name())),
            follower: Rc::new(transport.follow(&Topic::Facts(source.topic))?),
            source,
            plans: Plans::default(),
            places: BTreeMap::new(),
            progress,
            waiting: None,
            retry_at_ms: None,
            next_look_ms: i64::MIN,
            tallies: FactsTallies::default(),
            kept_at_start: 0,
            metrics,
        })
    }

    /// Looks, now and then, whether the topic is there, has more partitions, and where it ends.
    pub(super) fn look(&mut self, now_ms: i64) -> anyhow::Result<()> {
        if now_ms < self.next_look_ms {
            return Ok(());
        }
        let Some(count) = self.follower.partitions()? else {
            self.next_look_ms = now_ms.saturating_add(AWAY_LOOK_MS);
            return Ok(());
        };
        self.next_look_ms = now_ms.saturating_add(TOPIC_LOOK_MS);
        let mut has_grown = false;
        for partition in (0..count).map(Partition) {
            let bounds = self.follower.bounds(partition)?;
            if let Some(place) = self.places.get_mut(&partition) {
                place.end = bounds.high;
                continue;
            }
            let topic = self.source.topic;
            let known = self.progress.of(topic, partition);
            let next = known.filter(|known| (bounds.low..=bounds.high).contains(known)).unwrap_or(bounds.low);
            let (from, to) = (next.0, bounds.high.0);
            tracing::info!(topic = topic.name(), partition = partition.0, from, to, "reading facts");
            let is_reached = next >= bounds.high;
            self.places.insert(partition, Place { next, until: bounds.high, end: bounds.high, is_reached });
            has_grown = true;
        }
        if has_grown {
            let places: Vec<_> = self.places.iter().map(|(&partition, place)| (partition, place.next)).collect();
            self.follower.assign(&places)?;
            // What waits has been fetched already, and is behind no other.
            if let Some((partition, waiting)) = &self.waiting
                && let Some(place) = self.places.get(partition)
                && place.next <= waiting.offset
            {
                self.waiting = None;
            }
        }
        Ok(())
    }

    /// What is missing before all that was there at the start has been read.
    pub(super) fn missing(&self) -> Option<String> {
        let name = self.source.topic.name();
        if self.places.is_empty() {
            return Some(format!("the topic of facts.{name} is not there"));
        }
        let left = self.places.values().filter(|place| !place.is_reached).map(|place| place.next.lag(place.until));
        let (partitions, left) = left.fold((0, 0), |(count, sum), left| (count + 1, sum + left));
        let waits = if self.waiting.is_some() { ", one of which waits for its schema" } else { "" };
        (partitions > 0).then(|| format!("{left} records of facts.{name} are to be read{waits}"))
    }

    pub(super) fn records(&self) -> u64 {
        self.tallies.records
    }

    pub(super) fn refused(&self) -> u64 {
        self.tallies.refused.values().sum()
    }

    #[cfg(test)]
    pub(super) fn kept_at_start(&self) -> u64 {
        self.kept_at_start
    }

    pub(super) fn forget_not_found(&mut self) {
        self.plans.forget_not_found();
    }

    pub(super) fn show(&mut self) {
        self.tallies.lag = self.places.values().map(|place| place.next.lag(place.end.max(place.next))).sum();
        self.metrics.update(&self.tallies);
    }

    /// Takes what is at hand; says whether that was nothing.
    pub(super) fn read(&mut self, turn: &mut Turn<'_, T>) -> anyhow::Result<bool> {
        if self.places.is_empty() {
            return Ok(true);
        }
        if let Some((partition, waiting)) = self.waiting.take() {
            let offset = waiting.offset;
            if !waiting.with(|record| self.take(partition, offset, record, turn))? {
                self.waiting = Some((partition, waiting));
                return Ok(true);
            }
        }
        let follower = Rc::clone(&self.follower);
        for _ in 0..BATCH_RECORDS {
            match follower.poll(Duration::ZERO)? {
                Next::Nothing => return Ok(true),
                Next::End(partition) => {
                    if let Some(place) = self.places.get_mut(&partition) {
                        place.is_reached = true;
                    }
                }
                Next::Record(message) => {
                    let Some((partition, offset)) = message.place() else { continue };
                    let taken = with_record(&message, |record| {
                        let taken = self.take(partition, offset, record, turn)?;
                        let waiting = (!taken).then(|| WaitingRecord::of(Rc::from(record.topic), offset, record));
                        anyhow::Ok(waiting)
                    })?;
                    if let Some(waiting) = taken {
                        self.waiting = Some((partition, waiting));
                        return Ok(false);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Tells a record's facts; false when it must wait for its schema.
    fn take(
        &mut self,
        partition: Partition,
        offset: NextOffset,
        record: &Record<'_>,
        turn: &mut Turn<'_, T>,
    ) -> anyhow::Result<bool> {
        let now = turn.now;
        if self.retry_at_ms.is_some_and(|retry_at_ms| now.monotonic_ms < retry_at_ms) {
            return Ok(false);
        }
        let mapping = Arc::clone(&self.source.mapping);
        while let Some(id) = mapping.form().missing_schema(&self.plans, record) {
            turn.ties.vigil.beat();
            match turn.schemas.ask(id, &self.name, now) {
                Answered::Known(text) => mapping.form().learn(&mut self.plans, id, Learned::Schema(&text)),
                Answered::Unusable(why) => mapping.form().learn(&mut self.plans, id, Learned::Unusable(&why)),
                Answered::Unknown => mapping.form().learn(&mut self.plans, id, Learned::NotFound),
                Answered::AskAt(retry_at_ms) => {
                    self.retry_at_ms = Some(retry_at_ms);
                    return Ok(false);
                }
            }
        }
        self.retry_at_ms = None;
        self.tallies.records += 1;
        let (tallies, mut first) = (&mut self.tallies, None);
        mapping.decode(&self.plans, record, |decoded| {
            let told = decoded.and_then(|fact| {
                tallies.shortened += u64::from(fact.shortened);
                fact.tell(turn.facts)
            });
            if let Err(reject) = told {
                *tallies.refused.entry(reject.reason.name()).or_default() += 1;
                first.get_or_insert(reject);
            }
        });
        if let Some(reject) = first {
            self.keep(partition, offset, record, &reject, turn)?;
        }
        if let Some(place) = self.places.get_mut(&partition) {
            place.next = offset.after();
            place.is_reached |= place.next >= place.until;
            self.progress.set(self.source.topic, partition, place.next);
        }
        Ok(true)
    }

    /// Keeps the record of a bad fact.
    fn keep(
        &mut self,
        partition: Partition,
        offset: NextOffset,
        record: &Record<'_>,
        reject: &Reject,
        turn: &mut Turn<'_, T>,
    ) -> anyhow::Result<()> {
        let source = &SourcePartition { source: Arc::clone(&self.name), partition };
        tracing::debug!(%source, offset = offset.0, reason = reject.reason.name(), "{}", reject.message);
        turn.ties.witness.reject(source, offset, reject)?;
        let is_at_start = self.places.get(&partition).is_some_and(|place| !place.is_reached);
        if is_at_start && self.kept_at_start >= REJECTS_AT_START_MAX {
            return Ok(());
        }
        self.kept_at_start += u64::from(is_at_start);
        turn.rejects.append(&Rejected { source, offset, reject, record })
    }
}
