//! The loop of `samenloop warm`: read what is at hand, write it, note how far the cache is, wait for whoever is away.
//!
//! Invariants: what is read is in the cache, or in the batch, or will be read again: whatever goes wrong on the cache's side drops the
//! batch, and once the cache answers, every partition is read from where cache and group say it is. A partition is handed over when its
//! batch has been written.

use super::link::CacheError;
use super::store::{Cache, Stopped};
use super::understood::understood;
use crate::drive::{Change as GroupChange, Message, Next, Reader, SchemaSource, StopAsked, Vigil, Wake};
use crate::intake::Record;
use crate::position::{NextOffset, Partition};
use crate::warm::{Batch, Held, Made, Reading, Start, start};
use crate::watch::health::{Health, WARMER};
use crate::watch::metrics::{Metrics, WarmFollower, WarmLagFollower, WarmTallies};
use crate::watch::waits::Outside;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long the loop sleeps when nothing is there; what comes wakes it.
const REST: Duration = Duration::from_millis(100);
/// How often the cache is asked whether it is what it was, while nothing is written.
const LOOK: Duration = Duration::from_secs(1);
/// How often offsets are committed, and figures shown.
const SHOW: Duration = Duration::from_secs(1);
/// How long until a cache that did not answer is asked again: at first, and at most, doubled in between.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// Unreadable records that are logged one by one in a second; all are counted.
const TOLD_MAX: u64 = 10;

/// Until when a warmer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until it is told to stop.
    Stopped,
    /// Until the cache holds what the topic held at the start.
    CaughtUp,
}

/// What a warmer is made of.
pub struct WarmerParts<R> {
    /// Reads the lists topic, as a member of a group.
    pub reader: R,
    /// Where lists go.
    pub cache: Cache,
    /// What records mean.
    pub reading: Reading,
    /// Schemas of Avro, if there is a registry.
    pub schemas: Option<Arc<dyn SchemaSource>>,
    /// How long a value lives, in ms.
    pub lives_ms: Option<i64>,
    /// Its sign of life.
    pub vigil: Arc<Vigil>,
    /// Wakes it.
    pub wake: Wake,
    /// Who hears how it stands.
    pub health: Arc<Health>,
    /// Who hears what it did.
    pub metrics: Arc<Metrics>,
}

/// A partition that is this warmer's.
struct Place {
    /// The first record that is not in the batch, nor in the cache.
    next: NextOffset,
    /// Where it ended when it was taken over.
    target: NextOffset,
    /// Whether it has been read to there.
    is_reached: bool,
    /// Whether the reader has been told to read it.
    is_read: bool,
    /// Whether the cache has said how far it is, so that records are taken.
    is_known: bool,
    /// Timestamp of the last record that was read of it.
    newest_ms: Option<i64>,
    shown: WarmLagFollower,
}

/// Since when the cache does not do what it is asked, and when it is asked again.
struct Away {
    what: String,
    again: Instant,
    pause: Duration,
}

/// Keeps a cache equal to the lists topic.
pub struct Warmer<R: Reader> {
    parts: WarmerParts<R>,
    fingerprint: String,
    places: BTreeMap<Partition, Place>,
    batch: Batch,
    /// What the cache is, as far as is known; `None`: it is to be asked.
    held: Option<Held>,
    was_open: bool,
    away: Option<Away>,
    tallies: WarmTallies,
    told: u64,
    follower: WarmFollower,
    next_look: Instant,
    next_show: Instant,
    /// When all lists are written anew, where they live for a time only.
    renew_at: Option<Instant>,
}

impl<R: Reader> Warmer<R> {
    /// Of these parts.
    #[must_use]
    pub fn new(parts: WarmerParts<R>) -> Self {
        let now = Instant::now();
        parts.health.announce(WARMER);
        Self {
            fingerprint: parts.reading.fingerprint(parts.lives_ms),
            follower: parts.metrics.warm(),
            renew_at: parts.lives_ms.map(|lives_ms| now + renewed_after(lives_ms)),
            parts,
            places: BTreeMap::new(),
            batch: Batch::default(),
            held: None,
            was_open: false,
            away: None,
            tallies: WarmTallies::default(),
            told: 0,
            next_look: now,
            next_show: now,
        }
    }

    /// What has been done so far.
    #[must_use]
    pub fn tallies(&self) -> WarmTallies {
        self.tallies
    }

    /// Works until it is told to stop, or until the topic has been read to where it ended at the start. What is in hand is written then, and
    /// committed.
    ///
    /// # Errors
    /// What a person must decide: the brokers or the cache refuse, or the cache is another warmer's.
    pub fn run(&mut self, until: Until) -> anyhow::Result<()> {
        let worked = self.work(until);
        let stopped = worked.as_ref().is_err_and(|error| error.is::<StopAsked>());
        if worked.is_ok() || stopped {
            self.write()?;
        }
        self.commit(true);
        self.show();
        self.parts.vigil.finish();
        if stopped { Ok(()) } else { worked }
    }

    fn work(&mut self, until: Until) -> anyhow::Result<()> {
        loop {
            self.parts.vigil.beat();
            if self.parts.vigil.is_stopping() {
                return Ok(());
            }
            self.changes()?;
            if !self.is_open()? {
                continue;
            }
            let is_more = self.fill()?;
            self.write()?;
            let now = Instant::now();
            if now >= self.next_look {
                self.look()?;
            }
            if self.renew_at.is_some_and(|at| now >= at) {
                self.renew()?;
            }
            if now >= self.next_show {
                self.next_show = now + SHOW;
                self.commit(false);
                self.show();
            }
            if self.is_caught_up() {
                self.parts.health.settle(WARMER);
                if until == Until::CaughtUp {
                    return Ok(());
                }
            }
            if !is_more && self.held.is_some() {
                self.parts.wake.sleep(Instant::now() + REST);
            }
        }
    }

    /// What the group says.
    fn changes(&mut self) -> anyhow::Result<()> {
        while let Some(change) = self.parts.reader.change() {
            match change {
                GroupChange::Assigned(partitions) => self.take(&partitions)?,
                GroupChange::Revoked(partitions) => {
                    self.write()?;
                    self.commit(true);
                    self.leave(&partitions)?;
                }
                GroupChange::Lost(partitions) => {
                    // Somebody else writes them by now. What is in the batch of them is older than what that one writes, or the same.
                    self.leave(&partitions)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, partitions: &[Partition]) -> anyhow::Result<()> {
        self.ask_of(partitions)?;
        let WarmerParts { reader, metrics, .. } = &self.parts;
        for &partition in partitions {
            let bounds = reader.bounds(partition)?;
            let place = Place {
                next: bounds.low,
                target: bounds.high,
                is_reached: bounds.high <= bounds.low,
                is_read: false,
                is_known: false,
                newest_ms: None,
                shown: metrics.warm_lag(partition),
            };
            self.places.insert(partition, place);
        }
        if self.held.is_some() {
            return self.settle(partitions);
        }
        // The group waits for an answer. Nothing of them is taken until the cache says how far it is.
        let starts: Vec<_> = partitions.iter().filter_map(|it| Some((*it, self.places.get(it)?.next))).collect();
        self.parts.reader.assign(&starts)?;
        partitions.iter().filter_map(|it| self.places.get_mut(it).map(|place| place.is_read = true)).for_each(drop);
        self.parts.reader.pause(partitions)
    }

    /// How far the cache is with these partitions, which somebody else may have written meanwhile.
    fn ask_of(&mut self, partitions: &[Partition]) -> anyhow::Result<()> {
        let Some(held) = &mut self.held else { return Ok(()) };
        match self.parts.cache.look() {
            Err(error) => self.trouble(error),
            Ok(Some(found)) if found.id == held.id => {
                held.places.retain(|partition, _| !partitions.contains(partition));
                held.places.extend(found.places.iter().filter(|(partition, _)| partitions.contains(partition)));
                Ok(())
            }
            Ok(_) => self.ask_again(),
        }
    }

    fn leave(&mut self, partitions: &[Partition]) -> anyhow::Result<()> {
        partitions.iter().for_each(|partition| drop(self.places.remove(partition)));
        self.parts.reader.release(partitions)
    }

    /// Reads `partitions` from where cache and group say they are.
    fn settle(&mut self, partitions: &[Partition]) -> anyhow::Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        let reader = &self.parts.reader;
        let mut starts = Vec::new();
        for &partition in partitions {
            let Some(place) = self.places.get_mut(&partition) else { continue };
            let (bounds, committed) = (reader.bounds(partition)?, reader.committed(partition)?);
            let committed = committed.as_ref().map(|(offset, note)| (*offset, note.as_str()));
            // Of a cache whose lists run out, those of before may be about to.
            let is_new = !std::mem::replace(&mut place.is_known, true) && self.parts.lives_ms.is_some();
            let from = match start(held, partition, committed, [bounds.low, bounds.high]) {
                Start::From(_) if is_new => Start::Anew(bounds.low),
                from => from,
            };
            let (at, is_anew) = (from.at(), matches!(from, Start::Anew(_)));
            tracing::info!(partition = partition.0, offset = at.0, anew = is_anew, "reading lists");
            place.next = at;
            if std::mem::replace(&mut place.is_read, true) {
                reader.release(&[partition])?;
            }
            starts.push((partition, at));
        }
        reader.assign(&starts)?;
        reader.resume(partitions) // letting go of a partition does not end its pause
    }

    /// Whether the cache is open; waits a little where it is not.
    fn is_open(&mut self) -> anyhow::Result<bool> {
        if self.held.is_some() {
            return Ok(true);
        }
        if let Some(away) = &self.away {
            self.parts.vigil.wait_for(Outside::Cache, &away.what)?;
            if Instant::now() < away.again {
                // A member that does not poll would be taken for dead. Paused, it gets nothing.
                let _nothing = self.parts.reader.poll()?;
                thread::sleep(AGAIN_FIRST.min(away.again.saturating_duration_since(Instant::now())));
                return Ok(false);
            }
        }
        let id = format!("{:016x}", rand::random::<u64>());
        // Who starts has the newest settings; who has been working finds others' only where two are at it.
        match self.parts.cache.open(&id, &self.fingerprint, !self.was_open) {
            Err(error) => {
                self.trouble(error)?;
                return Ok(false);
            }
            Ok(held) if held.settings != self.fingerprint => {
                anyhow::bail!(
                    "the cache is filled by another warmer with other settings (value, transform, lists, shops or ttl) under the same \
                     warm.key_prefix: stop one of them, or give it another prefix"
                )
            }
            Ok(held) => {
                if held.id == id {
                    tracing::info!("the cache is empty, or filled by other settings: all lists are read");
                }
                self.held = Some(held);
            }
        }
        (self.was_open, self.away) = (true, None);
        self.parts.vigil.note_answer_of(Outside::Cache);
        self.next_look = Instant::now() + LOOK;
        let partitions: Vec<Partition> = self.places.keys().copied().collect();
        if !partitions.is_empty() {
            self.settle(&partitions)?; // of none it would be an answer to the group, which has not said anything
        }
        Ok(true)
    }

    /// Takes what is at hand, as far as there is room. Whether there may be more.
    fn fill(&mut self) -> anyhow::Result<bool> {
        let WarmerParts { reader, reading, schemas, vigil, .. } = &self.parts;
        while !self.batch.is_full() {
            let message = match reader.poll()? {
                Next::Record(message) => message,
                Next::End(partition) => {
                    if let Some(place) = self.places.get_mut(&partition) {
                        place.is_reached = true;
                    }
                    continue;
                }
                Next::Nothing => return Ok(false),
            };
            let Some((partition, offset)) = message.place() else { continue };
            let Some(place) = self.places.get_mut(&partition).filter(|place| place.next <= offset) else { continue };
            let mut headers = Vec::new();
            message.headers(&mut headers);
            let record = Record {
                topic: message.topic(),
                key: message.key(),
                value: message.value(),
                timestamp_ms: message.timestamp_ms(),
                headers: &headers,
                around: None,
            };
            let change = match understood(reading, schemas.as_ref(), vigil, &record)? {
                Ok(Made::Change(change)) => Some(change),
                Ok(Made::Unselected) => {
                    self.tallies.unselected += 1;
                    None
                }
                Err(what) => {
                    self.tallies.unreadable += 1;
                    self.told += 1;
                    if self.told <= TOLD_MAX {
                        let (partition, offset) = (partition.0, offset.0);
                        tracing::warn!(partition, offset, "no list can be read here, it is passed over: {what}");
                    }
                    None
                }
            };
            place.next = offset.after();
            place.newest_ms = record.timestamp_ms.or(place.newest_ms);
            place.is_reached |= place.next >= place.target;
            self.batch.add(partition, place.next, change);
        }
        Ok(true)
    }

    /// Writes what is in hand.
    fn write(&mut self) -> anyhow::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let Some(held) = &mut self.held else {
            self.batch.clear();
            return Ok(());
        };
        let sent = self.parts.cache.write(&self.batch, held);
        self.next_look = Instant::now() + LOOK; // each chunk looks, too
        for written in sent.written {
            self.batch.take();
            self.tallies.set += written.set;
            self.tallies.deleted += written.deleted;
            self.tallies.older += written.older;
        }
        match sent.stopped {
            None => Ok(()),
            Some(Stopped::Elsewhere) => self.ask_again(),
            Some(Stopped::Failed(error)) => self.trouble(error),
        }
    }

    /// Whether the cache is still what it was: asked where nothing has been written for a while.
    fn look(&mut self) -> anyhow::Result<()> {
        self.next_look = Instant::now() + LOOK;
        let Some(held) = &self.held else { return Ok(()) };
        match self.parts.cache.look() {
            Err(error) => self.trouble(error),
            Ok(found) => {
                let is_where = |found: &Held| {
                    self.places.keys().all(|partition| found.places.get(partition) == held.places.get(partition))
                };
                if found.is_some_and(|found| found.id == held.id && is_where(&found)) {
                    Ok(())
                } else {
                    self.ask_again()
                }
            }
        }
    }

    /// The cache is not what it was: it says itself what it is.
    fn ask_again(&mut self) -> anyhow::Result<()> {
        tracing::warn!("the cache holds less than it had, or another's: what is missing is read again");
        self.follower.count_return();
        self.forget()
    }

    fn trouble(&mut self, error: CacheError) -> anyhow::Result<()> {
        let CacheError::Away { what, trouble } = error else { return Err(error.into()) };
        self.follower.count_trouble(trouble);
        tracing::debug!(what, "the cache does not take what it is given");
        let pause = self.away.take().map_or(AGAIN_FIRST, |away| (away.pause * 2).min(AGAIN_MAX));
        self.away = Some(Away { what, again: Instant::now() + pause, pause });
        self.forget()
    }

    /// Drops what is in hand, and reads nothing until the cache has said what it is.
    fn forget(&mut self) -> anyhow::Result<()> {
        self.batch.clear();
        self.parts.health.announce(WARMER);
        if self.held.take().is_some() {
            let partitions: Vec<Partition> = self.places.keys().copied().collect();
            self.parts.reader.pause(&partitions)?;
        }
        Ok(())
    }

    /// Reads all lists once more, so that they live on.
    fn renew(&mut self) -> anyhow::Result<()> {
        self.renew_at = self.parts.lives_ms.map(|lives_ms| Instant::now() + renewed_after(lives_ms));
        for (&partition, place) in &mut self.places {
            let low = self.parts.reader.bounds(partition)?.low;
            self.parts.reader.release(&[partition])?;
            self.parts.reader.assign(&[(partition, low)])?;
            place.next = low;
        }
        tracing::info!("all lists are written anew, so that they live on");
        Ok(())
    }

    /// Whether the cache holds what the topic held when its partitions were taken over.
    fn is_caught_up(&self) -> bool {
        let is_known = self.parts.reader.is_settled() && self.held.is_some() && self.batch.is_empty();
        is_known && self.places.values().all(|place| place.is_reached)
    }

    /// Commits how far the cache is, and which cache that is.
    fn commit(&self, wait: bool) {
        let Some(held) = &self.held else { return };
        let places = self.places.keys().filter_map(|partition| Some((*partition, *held.places.get(partition)?)));
        let places: Vec<_> = places.collect();
        if !places.is_empty() {
            self.parts.reader.commit(&places, &held.id, wait);
        }
    }

    fn show(&mut self) {
        if self.told > TOLD_MAX {
            tracing::warn!(records = self.told - TOLD_MAX, "and more that cannot be read");
        }
        self.told = 0;
        self.follower.update(&self.tallies);
        let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        for (&partition, place) in &mut self.places {
            let lag = self.parts.reader.lag(partition, place.next, self.batch.is_empty());
            let age_ms = if lag == 0 { 0 } else { place.newest_ms.map_or(0, |newest_ms| now_ms - newest_ms) };
            place.shown.update(lag, age_ms);
        }
    }
}

fn renewed_after(lives_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(lives_ms / 2).unwrap_or(0))
}
