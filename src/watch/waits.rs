//! Who waits for something outside this process: a worker for the brokers, a source for its registry, a topic's partition for
//! a reader.
//!
//! Whoever waits holds a handle and says so; dropping it ends that. Invariant: to wait is no fault of the process, so
//! liveness knows nothing of this. Readiness names all of it, but only a partition without a reader makes an instance
//! unready: what has been counted can be served without brokers, and the other sources go on.
//! Absent: the decision that a wait is long enough to be told. That is made, and put on the log, by whoever waits.

use crate::position::{Partition, SourcePartition};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// By name; who does not wait is there without a time.
    workers: Mutex<BTreeMap<Arc<str>, Option<Instant>>>,
    sources: Mutex<BTreeMap<SourcePartition, Option<(String, Instant)>>>,
    topics: Mutex<BTreeMap<Arc<str>, TopicStanding>>,
}

/// A worker's right to say that it waits for brokers.
#[derive(Debug)]
pub struct BrokerWait {
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
    pub fn worker(self: &Arc<Self>, worker: &str) -> BrokerWait {
        let worker = Arc::<str>::from(worker);
        lock(&self.workers).insert(Arc::clone(&worker), None);
        BrokerWait { waits: Arc::clone(self), worker }
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

    /// Every worker, and since how long it has been waiting for brokers.
    #[must_use]
    pub fn workers(&self) -> Vec<(Arc<str>, Option<Duration>)> {
        lock(&self.workers).iter().map(|(worker, since)| (Arc::clone(worker), since.map(|at| at.elapsed()))).collect()
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
        let of_worker = |(worker, lasts): (Arc<str>, Option<Duration>)| {
            Some(Wait { who: worker.to_string(), what: "the brokers".to_owned(), lasts: lasts? })
        };
        let mut all: Vec<Wait> = self.workers().into_iter().filter_map(of_worker).collect();
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

impl BrokerWait {
    /// It waits, from now on, or still.
    pub fn begin(&self) {
        lock(&self.waits.workers).entry(Arc::clone(&self.worker)).or_default().get_or_insert_with(Instant::now);
    }

    /// The brokers have answered.
    pub fn end(&self) {
        lock(&self.waits.workers).insert(Arc::clone(&self.worker), None);
    }
}

impl Drop for BrokerWait {
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
        assert_eq!((waits.all(), waits.workers()), (vec![], vec![(Arc::from("rows-0"), None)]));
        worker.begin();
        let first = waits.all()[0].clone();
        assert_eq!((&*first.who, &*first.what), ("rows-0", "the brokers"));
        worker.begin();
        source.begin("its schema registry");
        let all = waits.all();
        assert!(all[0].lasts >= first.lasts, "it waits still, not anew");
        assert_eq!((all.len(), &*all[1].who, &*all[1].what), (2, "shop-3", "its schema registry"));
        assert_eq!(waits.sources(), [(SourcePartition::new("shop", 3), true)]);
        worker.end();
        source.end();
        assert_eq!((waits.all(), waits.sources()), (vec![], vec![(SourcePartition::new("shop", 3), false)]));
        source.begin("its schema registry");
        drop((worker, source));
        assert_eq!((waits.all(), waits.workers(), waits.sources()), (vec![], vec![], vec![]));
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
