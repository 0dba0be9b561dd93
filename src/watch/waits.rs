//! Who waits for something outside this process: a worker for the brokers or the snapshot store, a source for its registry, a
//! topic's partition for a reader.
//!
//! Whoever waits holds a handle and says so; dropping it ends that. Invariant: to wait is no fault of the process, so
//! liveness knows nothing of this. Readiness names all of it, but only a partition without a reader makes an instance
//! unready: what has been counted can be served without brokers, and the other sources go on.
//! Absent: the decision that a wait is long enough to be told. That is made, and put on the log, by whoever waits.

use crate::position::{Partition, SourcePartition};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a worker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outside {
    /// Kafka.
    Brokers,
    /// Where schemas are registered.
    Registry,
    /// Where states are kept.
    Store,
    /// Topics of facts, at start.
    Facts,
    /// What a warmer keeps.
    Cache,
}

impl Outside {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Brokers, Self::Registry, Self::Store, Self::Facts, Self::Cache];

    /// As `/readyz` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Brokers => "the brokers",
            Self::Registry => "the schema registry",
            Self::Store => "the snapshot store",
            Self::Facts => "facts about items",
            Self::Cache => "the cache",
        }
    }
}

/// A worker, and since how long it has been waiting.
pub type WorkerWaits = (Arc<str>, Option<Duration>);

/// One that waits, as `/readyz` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The worker, or the source and its partition.
    pub who: String,
    /// What for.
    pub what: String,
    /// Since how long.
    pub lasts: Duration,
}

/// What is known of a source's topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicStanding {
    /// Its partitions.
    pub partitions: u32,
    /// Those that nobody reads, as far as this instance can know.
    pub unread: Vec<Partition>,
}

/// All that wait.
#[derive(Debug, Default)]
pub struct Waits {
    /// By name; who does not wait is there with none.
    workers: Mutex<BTreeMap<Arc<str>, BTreeMap<Outside, Instant>>>,
    sources: Mutex<BTreeMap<SourcePartition, Option<(String, Instant)>>>,
    topics: Mutex<BTreeMap<Arc<str>, TopicStanding>>,
}

/// A worker's right to say what it waits for.
#[derive(Debug)]
pub struct WorkerWait {
    waits: Arc<Waits>,
    worker: Arc<str>,
}

/// The right to say that a source partition waits.
#[derive(Debug)]
pub struct SourceWait {
    waits: Arc<Waits>,
    source: SourcePartition,
}

impl Waits {
    /// The handle of a worker, which does not wait yet.
    #[must_use]
    pub fn worker(self: &Arc<Self>, worker: &str) -> WorkerWait {
        let worker = Arc::<str>::from(worker);
        lock(&self.workers).insert(Arc::clone(&worker), BTreeMap::new());
        WorkerWait { waits: Arc::clone(self), worker }
    }

    /// The handle of a source partition, which does not wait yet.
    #[must_use]
    pub fn source(self: &Arc<Self>, source: &SourcePartition) -> SourceWait {
        lock(&self.sources).insert(source.clone(), None);
        SourceWait { waits: Arc::clone(self), source: source.clone() }
    }

    /// Notes how many partitions the topic of `source` has, and which of them nobody reads.
    pub fn set_topic(&self, source: &str, standing: TopicStanding) {
        lock(&self.topics).insert(Arc::from(source), standing);
    }

    /// Every worker, and since how long it has been waiting for `what`.
    #[must_use]
    pub fn workers(&self, what: Outside) -> Vec<WorkerWaits> {
        let workers = lock(&self.workers);
        workers.iter().map(|(worker, since)| (Arc::clone(worker), since.get(&what).map(Instant::elapsed))).collect()
    }

    /// Every source partition that is read here, and whether it waits.
    #[must_use]
    pub fn sources(&self) -> Vec<(SourcePartition, bool)> {
        lock(&self.sources).iter().map(|(source, wait)| (source.clone(), wait.is_some())).collect()
    }

    /// Every source whose topic is known.
    #[must_use]
    pub fn topics(&self) -> Vec<(Arc<str>, TopicStanding)> {
        lock(&self.topics).iter().map(|(source, standing)| (Arc::clone(source), standing.clone())).collect()
    }

    /// All that wait now.
    #[must_use]
    pub fn all(&self) -> Vec<Wait> {
        let mut all = Vec::new();
        for (worker, waits) in lock(&self.workers).iter() {
            all.extend(waits.iter().map(|(what, since)| Wait {
                who: worker.to_string(),
                what: what.name().to_owned(),
                lasts: since.elapsed(),
            }));
        }
        let sources = lock(&self.sources);
        all.extend(sources.iter().filter_map(|(source, wait)| {
            let (what, since) = wait.as_ref()?;
            Some(Wait { who: source.to_string(), what: what.clone(), lasts: since.elapsed() })
        }));
        all
    }

    /// Whether every partition of every source has a reader.
    #[must_use]
    pub fn all_are_read(&self) -> bool {
        lock(&self.topics).values().all(|standing| standing.unread.is_empty())
    }
}

impl WorkerWait {
    /// It waits for `what`, from now on, or still.
    pub fn begin(&self, what: Outside) {
        let mut workers = lock(&self.waits.workers);
        workers.entry(Arc::clone(&self.worker)).or_default().entry(what).or_insert_with(Instant::now);
    }

    /// That has answered.
    pub fn end(&self, what: Outside) {
        if let Some(waits) = lock(&self.waits.workers).get_mut(&self.worker) {
            waits.remove(&what);
        }
    }
}

impl Drop for WorkerWait {
    fn drop(&mut self) {
        lock(&self.waits.workers).remove(&self.worker);
    }
}

impl SourceWait {
    /// It waits for `what` ("its schema registry, http://…"), from now on, or still.
    pub fn begin(&self, what: &str) {
        let mut sources = lock(&self.waits.sources);
        let wait = sources.entry(self.source.clone()).or_default();
        let since = wait.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        *wait = Some((what.to_owned(), since));
    }

    /// It goes on.
    pub fn end(&self) {
        lock(&self.waits.sources).insert(self.source.clone(), None);
    }
}

impl Drop for SourceWait {
    fn drop(&mut self) {
        lock(&self.waits.sources).remove(&self.source);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_named_from_the_first_time_on_and_until_it_goes_on_or_ends() {
        let waits = Arc::<Waits>::default();
        let (worker, source) = (waits.worker("rows-0"), waits.source(&SourcePartition::new("shop", 3)));
        let of =
            |what| waits.workers(what).into_iter().map(|(worker, lasts)| (worker, lasts.is_some())).collect::<Vec<_>>();
        assert_eq!((waits.all(), of(Outside::Brokers)), (vec![], vec![(Arc::from("rows-0"), false)]));
        worker.begin(Outside::Brokers);
        let first = waits.all()[0].clone();
        assert_eq!((&*first.who, &*first.what), ("rows-0", "the brokers"));
        worker.begin(Outside::Brokers);
        worker.begin(Outside::Store);
        source.begin("its schema registry");
        let all = waits.all();
        assert!(all[0].lasts >= first.lasts, "it waits still, not anew");
        let named: Vec<(&str, &str)> = all.iter().map(|wait| (&*wait.who, &*wait.what)).collect();
        let store = ("rows-0", "the snapshot store");
        assert_eq!(named, [("rows-0", "the brokers"), store, ("shop-3", "its schema registry")]);
        assert_eq!(waits.sources(), [(SourcePartition::new("shop", 3), true)]);
        worker.end(Outside::Brokers);
        source.end();
        let told = |what| (of(what)[0].1, waits.all().len());
        assert_eq!(told(Outside::Brokers), (false, 1), "an answer of the brokers is none of the store");
        assert_eq!((told(Outside::Store).0, told(Outside::Registry).0), (true, false));
        worker.end(Outside::Store);
        assert_eq!((waits.all(), waits.sources()), (vec![], vec![(SourcePartition::new("shop", 3), false)]));
        source.begin("its schema registry");
        drop((worker, source));
        assert_eq!((waits.all(), waits.workers(Outside::Store), waits.sources()), (vec![], vec![], vec![]));
    }

    #[test]
    fn a_partition_without_a_reader_is_known() {
        let waits = Waits::default();
        assert!(waits.all_are_read());
        let unread = TopicStanding { partitions: 5, unread: vec![Partition(4)] };
        waits.set_topic("shop", unread.clone());
        waits.set_topic("club", TopicStanding { partitions: 1, unread: vec![] });
        assert!(!waits.all_are_read());
        assert_eq!(waits.topics()[1], (Arc::from("shop"), unread));
        waits.set_topic("shop", TopicStanding { partitions: 5, unread: vec![] });
        assert!(waits.all_are_read());
    }
}
