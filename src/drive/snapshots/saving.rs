//! Taking snapshots, one partition at a time: portions of its stage's state, turn by turn, to whoever stores them.
//!
//! Invariants: a turn does one portion; a store that is slow holds up the snapshot, nothing else; nothing is published before all that was
//! appended before its moment is acknowledged; what a snapshot costs while it is taken is bounded, in bytes and in time.

use super::counted::Counted;
use super::storing::{Job, Published};
use super::watching::{Begun, Watched, reader_of};
use super::{STATE_FORMAT, Snapshots, stage_of};
use crate::drive::plan::Plan;
use crate::limits::EARLY_BYTES_MAX;
use crate::memory::{Holding, Part};
use crate::position::{NextOffset, Partition};
use crate::saved::{Saving, put};
use crate::snapshot::{Head, StoreError};
use crate::stage::{Kept, Log, Moment, Stage};
use crate::watch::health::StageName;
use crate::watch::metrics::{GivenUp, Metrics};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Instant;

/// Bytes of a portion: well under a millisecond.
const PORTION_BYTES: usize = 256 << 10;
/// Portions that wait for the store, at most.
const WAITING_PORTIONS_MAX: usize = 8;
/// A snapshot for which the store has taken and given nothing for this long is given up: longer than its client tries a request again.
const STILL_MS_MAX: i64 = 240_000;
/// One that takes longer than this altogether is given up, so that other partitions have their turn.
const TAKE_MS_MAX: i64 = 1_800_000;
/// Snapshots of a worker that were given up, and whose threads the store still holds: with so many, no other is begun.
const GIVEN_UP_MAX: usize = 2;
/// How soon after one that came to nothing the next is tried.
const AGAIN_MS: i64 = 10_000;

/// What is to be done with a snapshot.
enum Order {
    /// Store this.
    Chunk(Vec<u8>),
    /// That was all, and all that it needs is acknowledged.
    Publish,
}

/// Who stores: a thread, or the worker itself.
enum Hand {
    Inline(Box<Job>),
    Thread { orders: SyncSender<Order>, outcome: Came },
}

/// By which a thread tells what came of a snapshot.
type Came = Receiver<Result<Published, StoreError>>;

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(in crate::drive) enum Failure {
    #[error("{0}")]
    Store(StoreError),
    #[error("the snapshot store has taken and given nothing for {} s", STILL_MS_MAX / 1_000)]
    Still,
    #[error("it is not there after {} min", TAKE_MS_MAX / 60_000)]
    Late,
    #[error("more than {} MiB changed before the snapshot store took it", .0 >> 20)]
    Early(usize),
    #[error("all weights of a relation were scaled anew meanwhile")]
    Void,
    #[error("its partition is gone")]
    Gone,
    #[error("its thread has ended")]
    Ended,
}

impl Failure {
    /// Whether others will fail for the same reason, until the store is well again.
    pub(in crate::drive) fn is_of_the_store(&self) -> bool {
        self.given_up().is_some() || matches!(self, Self::Store(_))
    }

    /// Why it was given up, if it was.
    fn given_up(&self) -> Option<GivenUp> {
        match self {
            Self::Still => Some(GivenUp::Still),
            Self::Late => Some(GivenUp::Late),
            Self::Early(_) => Some(GivenUp::Early),
            Self::Store(_) | Self::Void | Self::Gone | Self::Ended => None,
        }
    }
}

/// A snapshot that is being taken.
struct Taking {
    partition: Partition,
    offset: u64,
    hand: Hand,
    /// A portion that the store has no room for yet.
    waiting: Option<Vec<u8>>,
    is_encoded: bool,
    is_asked: bool,
    /// When these appends are acknowledged, it may be published.
    era: u64,
    /// With more that had to go early, it is given up.
    early_max: usize,
    began_ms: i64,
    began: Instant,
    /// Goes up with everything that the store takes or gives; what it was, and since when.
    moved: Arc<AtomicU64>,
    seen: (u64, i64),
}

/// Takes the snapshots of a worker.
pub(in crate::drive) struct Saver {
    snapshots: Option<Snapshots>,
    log: Log,
    taking: Option<Taking>,
    /// By which those would tell what came of them that were given up.
    given_up: Vec<Came>,
    early_max: usize,
    counted: Counted,
    /// When each partition is next.
    next_ms: BTreeMap<Partition, i64>,
    /// Up to where each partition has a snapshot.
    saved: BTreeMap<Partition, u64>,
    metrics: Arc<Metrics>,
    /// What waits for the store.
    held: Holding,
    watched: BTreeMap<Partition, Watched>,
}

impl Saver {
    /// Of a worker that reads `log`.
    pub(in crate::drive) fn new(snapshots: Option<Snapshots>, log: Log, metrics: Arc<Metrics>) -> Self {
        metrics.set_snapshot_interval(snapshots.as_ref().map_or(0, |snapshots| snapshots.interval_ms));
        let (next_ms, saved, watched) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (given_up, counted) = (Vec::new(), Counted::default());
        let held = metrics.holding(Part::Snapshots);
        Self {
            snapshots,
            log,
            taking: None,
            given_up,
            early_max: EARLY_BYTES_MAX,
            counted,
            next_ms,
            saved,
            metrics,
            held,
            watched,
        }
    }

    /// Gives a snapshot up where more bytes than these had to go early.
    pub(in crate::drive) fn with_early_max(self, early_max: usize) -> Self {
        Self { early_max, ..self }
    }

    /// The stage whose snapshots it takes.
    pub(in crate::drive) fn stage(&self) -> StageName {
        reader_of(self.log)
    }

    /// A partition has been taken over, and has `records` still to read.
    pub(in crate::drive) fn meet(
        &mut self,
        partition: Partition,
        begun: &Begun,
        records: u64,
        now: crate::stage::Clock,
    ) {
        let Some(snapshots) = &self.snapshots else { return };
        // Partitions by turns: the first ones soon, so that a long log is not read twice.
        let share = snapshots.interval_ms / 8 * i64::from(partition.0 % 8);
        self.next_ms.insert(partition, now.monotonic_ms.saturating_add(snapshots.interval_ms).saturating_sub(share));
        self.saved.insert(partition, begun.next.0);
        // The one before it goes first, and takes its gauges along.
        self.watched.remove(&partition);
        let watched = Watched::new(&self.metrics, self.log, partition, begun, records, now);
        self.watched.insert(partition, watched);
    }

    /// Shows how the snapshots of a partition stand that has been read up to `next`.
    pub(in crate::drive) fn show(&mut self, partition: Partition, next: NextOffset, now_ms: i64) {
        if let (Some(watched), Some(&saved)) = (self.watched.get_mut(&partition), self.saved.get(&partition)) {
            watched.show(NextOffset(saved).lag(next), now_ms);
        }
    }

    /// A partition is somebody else's now. What is out of its snapshot already needs it no more.
    pub(in crate::drive) fn forget(&mut self, partition: Partition) {
        self.next_ms.remove(&partition);
        self.saved.remove(&partition);
        self.watched.remove(&partition);
        let taking = self.taking.take_if(|taking| taking.partition == partition && !taking.is_encoded);
        self.let_go(taking);
    }

    /// The partition whose turn it is, if none is being taken; `next` says how far each has read.
    pub(in crate::drive) fn due(
        &self,
        now_ms: i64,
        next: impl Fn(Partition) -> Option<NextOffset>,
    ) -> Option<Partition> {
        let holds = |came: &&Came| matches!(came.try_recv(), Err(TryRecvError::Empty));
        let held = self.given_up.iter().filter(holds).count();
        if self.taking.is_some() || self.snapshots.is_none() || held >= GIVEN_UP_MAX {
            return None;
        }
        let is_due =
            |(&partition, &at_ms): (&Partition, &i64)| at_ms <= now_ms && self.has_news(partition, next(partition));
        let due = self.next_ms.iter().filter(|&entry| is_due(entry));
        due.min_by_key(|&(_, &at_ms)| at_ms).map(|(&partition, _)| partition)
    }

    /// A snapshot is through, or given up: its thread ends when the store lets it.
    fn let_go(&mut self, taking: Option<Taking>) {
        self.given_up.retain(|came| matches!(came.try_recv(), Err(TryRecvError::Empty)));
        if let Some(Taking { hand: Hand::Thread { outcome, .. }, .. }) = taking {
            self.given_up.push(outcome);
        }
    }

    fn has_news(&self, partition: Partition, next: Option<NextOffset>) -> bool {
        next.is_some_and(|next| self.saved.get(&partition).is_none_or(|&saved| saved < next.0))
    }

    /// Partitions that have read something since their last snapshot.
    pub(in crate::drive) fn unsaved(&self, next: impl Fn(Partition) -> Option<NextOffset>) -> Vec<Partition> {
        let all = self.next_ms.keys().copied();
        if self.snapshots.is_none() {
            Vec::new()
        } else {
            all.filter(|&partition| self.has_news(partition, next(partition))).collect()
        }
    }

    /// It cannot be taken now.
    pub(in crate::drive) fn postpone(&mut self, partition: Partition, now_ms: i64) {
        self.next_ms.insert(partition, now_ms.saturating_add(AGAIN_MS));
    }

    /// Begins the snapshot of `partition` at `moment`; it is published when the appends of `era` are acknowledged.
    pub(in crate::drive) fn begin(
        &mut self,
        partition: Partition,
        moment: Moment,
        about: About,
        era: u64,
        now: crate::stage::Clock,
    ) -> anyhow::Result<()> {
        let (Some(snapshots), Some(stage)) = (&self.snapshots, stage_of(self.log)) else { return Ok(()) };
        let offset = moment.next.first().copied().unwrap_or_default().0;
        let mut facts = Vec::new();
        put(&mut facts, &moment.facts);
        let head = Head {
            stage: stage.to_owned(),
            partition: partition.0,
            log_id: moment.log_id,
            store_id: snapshots.store_id,
            identity: about.identity,
            partitions: about.partitions,
            offset,
            origin: moment.origin.0,
            checksum: moment.checkpoint.checksum,
            epoch: about.epoch,
            inputs: about.inputs,
            facts,
            written_at_ms: now.wall_ms,
            written_by: snapshots.instance.to_string(),
            state_format: STATE_FORMAT,
        };
        let (totals, moved) = (about.partitions.1, Arc::<AtomicU64>::default());
        let job = Job {
            snapshots: snapshots.clone(),
            log: self.log,
            partition,
            head,
            writing: None,
            out: Vec::new(),
            totals,
            counted: self.counted.clone(),
            metrics: Arc::clone(&self.metrics),
            moved: Arc::clone(&moved),
        };
        let hand = if snapshots.is_inline { Hand::Inline(Box::new(job)) } else { in_thread(job)? };
        let (began_ms, began) = (now.monotonic_ms, Instant::now());
        self.taking = Some(Taking {
            partition,
            offset,
            hand,
            waiting: None,
            is_encoded: false,
            is_asked: false,
            era,
            early_max: self.early_max,
            began_ms,
            began,
            moved,
            seen: (0, began_ms),
        });
        Ok(())
    }

    /// The partition whose snapshot is being taken, and the era that it waits for.
    pub(in crate::drive) fn at_work(&self) -> Option<(Partition, u64)> {
        self.taking.as_ref().map(|taking| (taking.partition, taking.era))
    }

    /// Whether it could go on at once.
    pub(in crate::drive) fn is_busy(&self) -> bool {
        self.taking.as_ref().is_some_and(|taking| !taking.is_encoded && taking.waiting.is_none())
    }

    /// One turn of the snapshot that is being taken. `stage` is its partition's, while that is this worker's. Gives what came of it, once.
    pub(in crate::drive) fn go_on<W: Kept>(
        &mut self,
        stage: Option<&mut Stage<W>>,
        is_acknowledged: bool,
        now_ms: i64,
    ) -> Option<Outcome> {
        let taking = self.taking.as_mut()?;
        let (partition, offset, began, began_ms) = (taking.partition, taking.offset, taking.began, taking.began_ms);
        self.held.set(stage.as_ref().map_or(0, |stage| stage.held_early() as u64));
        let came = taking.turn(stage, is_acknowledged, now_ms)?;
        self.held.set(0);
        let taking = self.taking.take();
        self.let_go(taking);
        let seconds = began.elapsed().as_secs_f64();
        self.metrics.count_snapshot(reader_of(self.log), came.is_ok());
        if let Some(why) = came.as_ref().err().and_then(Failure::given_up) {
            self.metrics.count_given_up(reader_of(self.log), why);
        }
        if let (Some(watched), Ok(published)) = (self.watched.get_mut(&partition), &came) {
            watched.published(published, seconds, began_ms);
        }
        let snapshots = self.snapshots.as_ref()?;
        let (after_ms, outcome) = match came {
            Ok(published) => {
                self.saved.insert(partition, offset);
                (snapshots.interval_ms, Outcome::Published { partition, published, seconds })
            }
            Err(why) => (AGAIN_MS.min(snapshots.interval_ms), Outcome::Failed { partition, why }),
        };
        if let Some(next_ms) = self.next_ms.get_mut(&partition) {
            *next_ms = now_ms.saturating_add(after_ms);
        }
        Some(outcome)
    }
}

/// What came of a snapshot.
pub(in crate::drive) enum Outcome {
    /// It can be started from.
    Published { partition: Partition, published: Published, seconds: f64 },
    /// Nothing. The next one is tried soon.
    Failed { partition: Partition, why: Failure },
}

/// What a snapshot's head says besides the moment.
pub(in crate::drive) struct About {
    pub(in crate::drive) identity: u64,
    pub(in crate::drive) partitions: (u32, u32),
    pub(in crate::drive) epoch: Option<u64>,
    pub(in crate::drive) inputs: Vec<(String, u32, u64)>,
}

impl About {
    /// Of a stage that reads one log only, and does not claim.
    pub(in crate::drive) fn of(plan: &Plan) -> Self {
        let partitions = (plan.events_partitions, plan.pairs_partitions);
        Self { identity: plan.state_identity(), partitions, epoch: None, inputs: Vec::new() }
    }
}

type Outcomes = Result<Published, Failure>;

impl Taking {
    fn turn<W: Kept>(&mut self, stage: Option<&mut Stage<W>>, is_acknowledged: bool, now_ms: i64) -> Option<Outcomes> {
        let held = stage.as_ref().map_or(0, |stage| stage.held_early());
        let mut failure = self.is_given_up(held, now_ms);
        if !self.is_encoded {
            let Some(stage) = stage else { return Some(Err(Failure::Gone)) };
            let encoded = failure.take().map_or_else(|| self.encode(stage), |failure| Some(Err(failure)));
            if self.is_encoded || encoded.is_some() {
                stage.end_save();
            }
            if encoded.is_some() {
                return encoded;
            }
        }
        self.deliver(is_acknowledged).or(failure.map(Err))
    }

    /// Whether it is to be given up: `held` bytes had to go early. What waits for the brokers does not wait for the store.
    fn is_given_up(&mut self, held: usize, now_ms: i64) -> Option<Failure> {
        let moved = self.moved.load(Ordering::Relaxed);
        if moved != self.seen.0 || (self.waiting.is_none() && !self.is_asked) {
            self.seen = (moved, now_ms);
        }
        if held > self.early_max {
            Some(Failure::Early(self.early_max))
        } else if now_ms.saturating_sub(self.seen.1) > STILL_MS_MAX {
            Some(Failure::Still)
        } else {
            (now_ms.saturating_sub(self.began_ms) > TAKE_MS_MAX).then_some(Failure::Late)
        }
    }

    /// What is out of the state goes to the store: the last portion, where that had no room yet, then the order to publish.
    fn deliver(&mut self, is_acknowledged: bool) -> Option<Outcomes> {
        if self.is_encoded
            && let Some(chunk) = self.waiting.take()
            && let Some(came) = self.order(Order::Chunk(chunk))
        {
            return Some(came);
        }
        if self.is_encoded && self.waiting.is_none() && !self.is_asked && is_acknowledged {
            self.is_asked = true;
            if let Hand::Inline(job) = &mut self.hand {
                return Some(job.publish().map_err(Failure::Store));
            }
            if let Some(came) = self.order(Order::Publish) {
                return Some(came);
            }
        }
        match &self.hand {
            Hand::Thread { outcome, .. } => outcome.try_recv().ok().map(|came| came.map_err(Failure::Store)),
            Hand::Inline(_) => None,
        }
    }

    /// A portion, if there is room for it.
    fn encode<W: Kept>(&mut self, stage: &mut Stage<W>) -> Option<Outcomes> {
        if let Some(chunk) = self.waiting.take() {
            if let Some(came) = self.order(Order::Chunk(chunk)) {
                return Some(came);
            }
            if self.waiting.is_some() {
                return None;
            }
        }
        let mut chunk = Vec::with_capacity(PORTION_BYTES + PORTION_BYTES / 4);
        match stage.save(PORTION_BYTES, &mut chunk) {
            Saving::More => {}
            Saving::Done => self.is_encoded = true,
            Saving::Void => return Some(Err(Failure::Void)),
        }
        self.order(Order::Chunk(chunk))
    }

    /// Gives an order, or keeps the chunk until there is room. `Some` when that ends the snapshot.
    fn order(&mut self, order: Order) -> Option<Outcomes> {
        match (&mut self.hand, order) {
            (Hand::Inline(job), Order::Chunk(chunk)) => {
                job.portion(&chunk).err().map(|error| Err(Failure::Store(error)))
            }
            (Hand::Inline(_), Order::Publish) => None,
            (Hand::Thread { orders, outcome }, order) => match orders.try_send(order) {
                Ok(()) => None,
                Err(TrySendError::Full(Order::Chunk(chunk))) => {
                    self.waiting = Some(chunk);
                    None
                }
                Err(TrySendError::Full(Order::Publish)) => {
                    self.is_asked = false;
                    None
                }
                Err(TrySendError::Disconnected(_)) => Some(match outcome.try_recv() {
                    Ok(came) => came.map_err(Failure::Store),
                    Err(_) => Err(Failure::Ended),
                }),
            },
        }
    }
}

fn in_thread(mut job: Job) -> anyhow::Result<Hand> {
    let (orders, taken) = sync_channel(WAITING_PORTIONS_MAX);
    let (tell, outcome) = sync_channel(1);
    let name = format!("snapshot-{}-{}", job.log.name(), job.partition.0);
    std::thread::Builder::new().name(name).spawn(move || {
        let came = loop {
            match taken.recv() {
                Ok(Order::Chunk(chunk)) => {
                    if let Err(error) = job.portion(&chunk) {
                        break Err(error);
                    }
                }
                Ok(Order::Publish) => break job.publish(),
                Err(_) => return, // given up: what was stored of it goes with the job
            }
        };
        let _nobody_waits = tell.send(came);
    })?;
    Ok(Hand::Thread { orders, outcome })
}

#[cfg(test)]
mod tests;
