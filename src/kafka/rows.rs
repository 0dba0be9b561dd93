//! A rows worker: its partitions of the pairs log, a stage each, their lists, and the totals of all.

use super::reader::{Change, Next, Reader};
use super::scan::{StopAsked, place_of};
use super::service::Plan;
use super::totals::Totals;
use super::worker::{Hands, Ties, Worker, age_ms, unexpected};
use super::writer::Appending;
use crate::event::EventTime;
use crate::kafka::lists::ListHeaders;
use crate::kafka::registry::RegistryError;
use crate::position::{NextOffset, Partition, SourcePartition};
use crate::publish::ListRecord;
use crate::serve::Asked;
use crate::stage::{Effect, Fact, Landed, Log, RowsInput, RowsRecord, RowsWork, Stage};
use crate::watch::health::{PartitionState, StageName};
use crate::watch::metrics::{DelayTally, LagFollower, RowsFollower};
use crate::watch::{clock, now_ms, rows_tallies, state};
use crate::wire;
use anyhow::Context as _;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Records taken between two looks at everything else.
const BATCH_RECORDS: usize = 32;
/// How often a list published before is tried to be read, and how long between two tries.
const REGISTRY_TRIES_MAX: u32 = 30;
const REGISTRY_PAUSE: Duration = Duration::from_secs(2);
/// A partition of the pairs log that is this worker's.
struct Held {
    stage: Stage<RowsWork>,
    /// The newest record's timestamp.
    newest_ms: Option<i64>,
    delay: DelayTally,
    follower: RowsFollower,
    lag: LagFollower,
}

/// The worker.
pub(super) struct RowsWorker {
    hands: Hands,
    reader: Reader,
    totals: Totals,
    held: BTreeMap<Partition, Held>,
    effects: Vec<Effect>,
    /// Key and value of the list at hand, and its JSON.
    key: Vec<u8>,
    value: Vec<u8>,
    json: Vec<u8>,
}

impl RowsWorker {
    pub(super) fn new(hands: Hands) -> anyhow::Result<Self> {
        let plan = &hands.plan;
        let (wake, wake_too) = (hands.ties.wake.clone(), hands.ties.wake.clone());
        let reader = Reader::join(&plan.client, &plan.group("rows"), plan.topic(Log::Pairs), move || wake.wake())?;
        let totals = Totals::new(plan, move || wake_too.wake())?;
        Ok(Self {
            hands,
            reader,
            totals,
            held: BTreeMap::new(),
            effects: Vec::new(),
            key: Vec::new(),
            value: Vec::new(),
            json: Vec::new(),
        })
    }

    /// Tells the stages the deltas that are at hand; says whether there were none.
    fn read_pairs(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BATCH_RECORDS {
            let partition = match self.reader.poll(Duration::ZERO)? {
                Next::Nothing => return Ok(true),
                Next::End(partition) => {
                    if let Some(held) = self.held.get_mut(&partition) {
                        held.stage.handle(Fact::Ended { input: RowsInput::Pairs }, &mut self.effects)?;
                    }
                    partition
                }
                Next::Record(message) => {
                    let Some((partition, offset)) = place_of(&message) else { continue };
                    let (Some(held), Some(record)) = (self.held.get_mut(&partition), message.payload()) else {
                        continue; // revoked since it was fetched, or nothing
                    };
                    held.newest_ms = message.timestamp().to_millis();
                    held.stage.handle(
                        Fact::Record { input: RowsInput::Pairs, offset, record: RowsRecord::Block(record) },
                        &mut self.effects,
                    )?;
                    partition
                }
            };
            self.carry_out(partition)?;
        }
        Ok(false)
    }

    /// Tells every stage the totals that are at hand; says whether there were none.
    fn read_totals(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BATCH_RECORDS {
            let (held, effects) = (&mut self.held, &mut self.effects);
            let got = self.totals.poll(&mut |partition, fact| {
                let input = RowsInput::Totals(partition);
                for held in held.values_mut() {
                    let fact = match fact {
                        None => Fact::Ended { input },
                        Some((offset, record)) => Fact::Record { input, offset, record: RowsRecord::Block(record) },
                    };
                    held.stage.handle(fact, effects)?;
                    assert!(effects.is_empty(), "totals change what is ranked later, and nothing at once");
                }
                Ok(())
            })?;
            if !got {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_up(&mut self, change: Change) -> anyhow::Result<()> {
        match change {
            Change::Revoked(partitions) => {
                for partition in &partitions {
                    self.let_go(*partition);
                }
                self.hands.flush()?; // what was published last must stand before a successor reads it
                self.reader.release(&partitions)?;
            }
            Change::Assigned(partitions) => {
                let starts = self.take_over(&partitions)?;
                if !starts.is_empty() {
                    self.totals.start_again()?; // the new stages need all of them; the others drop what they know
                }
                self.reader.assign(&starts)?;
            }
        }
        Ok(())
    }

    /// A stage for each of `partitions` that knows what subscribers were told. Returns where they read from.
    fn take_over(&mut self, partitions: &[Partition]) -> anyhow::Result<Vec<(Partition, NextOffset)>> {
        let plan = Arc::clone(&self.hands.plan);
        let (_, pairs_identity) = plan.setup.identities(plan.events_partitions, plan.pairs_partitions);
        let mut stages = Vec::new();
        for &partition in partitions {
            let (counting, rows) = (&plan.setup.counting, &plan.setup.rows);
            let work = RowsWork::new(partition, plan.pairs_partitions, counting, pairs_identity, rows);
            let claim = wire::claim(rand::random(), partition);
            self.hands.append(Log::Totals, partition, Appending { value: Some(&claim), ..Appending::default() })?;
            stages.push((partition, Stage::new(work, RowsInput::all(self.totals.partitions()))));
        }
        self.hands.flush()?;
        let mut starts = Vec::new();
        for (partition, mut stage) in stages {
            // At or behind the claim, where nobody else writes meanwhile.
            let (_, claimed_to) = self.totals.bounds(partition)?;
            stage.handle(Fact::Claimed { epoch: claimed_to.0.saturating_sub(1) }, &mut self.effects)?;
            starts.push((partition, self.open(partition, stage)?));
        }
        Ok(starts)
    }

    fn open(&mut self, partition: Partition, mut stage: Stage<RowsWork>) -> anyhow::Result<NextOffset> {
        let (next, until) = self.reader.bounds(partition)?;
        stage.handle(Fact::Opened { input: RowsInput::Pairs, next, until: Some(until) }, &mut self.effects)?;
        for number in 0..self.totals.partitions() {
            let (next, until) = self.totals.bounds(Partition(number))?;
            let input = RowsInput::Totals(Partition(number));
            stage.handle(Fact::Opened { input, next, until: Some(until) }, &mut self.effects)?;
        }
        stage.handle(Fact::Opened { input: RowsInput::Lists, next: NextOffset(0), until: None }, &mut self.effects)?;
        self.restore(&mut stage, partition)?;
        stage.handle(Fact::Ended { input: RowsInput::Lists }, &mut self.effects)?;
        let source = SourcePartition { source: Log::Pairs.name().into(), partition };
        let Ties { metrics, health, .. } = &self.hands.ties;
        tracing::info!(stage = "rows", partition = partition.0, from = next.0, to = until.0, "reading the pairs log");
        let records_left = until.0.saturating_sub(next.0);
        health.set(StageName::Rows, partition, PartitionState::CatchingUp { records_left });
        let held = Held {
            stage,
            newest_ms: None,
            delay: DelayTally::default(),
            follower: metrics.rows(partition),
            lag: metrics.lag(StageName::Rows, &source),
        };
        self.held.insert(partition, held);
        self.carry_out(partition)?;
        Ok(next)
    }

    /// Tells a new stage what subscribers were told last; HTTP serves it again.
    fn restore(&mut self, stage: &mut Stage<RowsWork>, partition: Partition) -> anyhow::Result<()> {
        let Hands { scanner, plan, ties, .. } = &mut self.hands;
        let mut beat = || ties.heartbeat.beat();
        let (mut effects, mut foreign_keys) = (Vec::<Effect>::new(), 0_u64);
        let from = BTreeMap::from([(partition, NextOffset(0))]);
        let topic = plan.topic(Log::Lists);
        scanner.scan(topic, &from, &mut beat, &mut |_, offset, message| {
            let place = || format!("{topic}-{} at offset {}", partition.0, offset.0);
            foreign_keys += u64::from(!plan.codec.owns_key(message.key().unwrap_or_default()));
            let record = read_list(plan, ties, message).with_context(place)?;
            let key = record.key();
            if record.tombstone {
                ties.view.remove(&key);
            } else {
                let mut json = Vec::new();
                record.write_json(&mut json);
                let at = message.timestamp().to_millis().unwrap_or_default();
                ties.view.insert(&key, &json, EventTime(at));
            }
            let landed = RowsRecord::List(Landed::of(&record, Some(record.stamp())));
            Ok(stage.handle(Fact::Record { input: RowsInput::Lists, offset, record: landed }, &mut effects)?)
        })?;
        if foreign_keys > 0 {
            tracing::warn!(
                topic,
                partition = partition.0,
                records = foreign_keys,
                "keys of another form, or of another registry: compaction keeps those lists beside the new ones. \
                 Start with another topics.prefix, or remove them"
            );
        }
        Ok(())
    }

    fn let_go(&mut self, partition: Partition) {
        if self.held.remove(&partition).is_none() {
            return;
        }
        self.hands.ties.view.remove_partition(partition, self.hands.plan.pairs_partitions);
        self.hands.ties.health.remove(StageName::Rows, partition);
        tracing::info!(stage = "rows", partition = partition.0, "let go");
    }

    /// Carries out what the stage of `partition` wants.
    fn carry_out(&mut self, _partition: Partition) -> anyhow::Result<()> {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Append { log, partition, block } => {
                    self.hands.append(log, partition, Appending { value: Some(&block), ..Appending::default() })?;
                }
                Effect::Publish { partition, record, since_ms, waited_ms, .. } => {
                    self.publish(partition, &record, since_ms, waited_ms)?;
                }
                other @ Effect::Reject { .. } => return Err(unexpected("rows", &other)),
            }
        }
        self.effects = effects;
        Ok(())
    }

    fn publish(
        &mut self,
        partition: Partition,
        record: &ListRecord<'_>,
        since_ms: Option<i64>,
        waited_ms: Option<i64>,
    ) -> anyhow::Result<()> {
        let Some(held) = self.held.get_mut(&partition) else { return Ok(()) };
        let key = record.key();
        if record.tombstone {
            self.hands.ties.view.remove(&key);
        } else {
            self.json.clear();
            record.write_json(&mut self.json);
            self.hands.ties.view.insert(&key, &self.json, EventTime(now_ms()));
        }
        if let Some(waited_ms) = waited_ms {
            held.delay.record(waited_ms.unsigned_abs().saturating_mul(1000));
        }
        self.hands.plan.codec.encode_record(record, &mut self.key, &mut self.value);
        let mut headers = OwnedHeaders::new();
        for (key, text) in (ListHeaders { stamp: record.stamp(), since_ms }).texts() {
            headers = headers.insert(Header { key, value: Some(&text) });
        }
        let appending = Appending {
            key: Some(&self.key),
            value: (!record.tombstone).then_some(&self.value[..]),
            headers: Some(headers),
        };
        Ok(self.hands.append(Log::Lists, partition, appending)?)
    }
}

impl Worker for RowsWorker {
    fn hands(&mut self) -> &mut Hands {
        &mut self.hands
    }

    fn change(&mut self) -> anyhow::Result<()> {
        while let Some(change) = self.reader.change() {
            self.take_up(change)?;
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<bool> {
        let no_totals = self.read_totals()?;
        Ok(self.read_pairs()? && no_totals)
    }

    fn tick(&mut self) -> anyhow::Result<()> {
        let clock = clock();
        for partition in self.held.keys().copied().collect::<Vec<_>>() {
            if let Some(held) = self.held.get_mut(&partition) {
                held.stage.handle(Fact::Clock(clock), &mut self.effects)?;
            }
            self.carry_out(partition)?;
        }
        Ok(())
    }

    fn show(&mut self) {
        let mut offsets = Vec::new();
        for (&partition, held) in &mut self.held {
            let left = self.reader.left(partition, held.stage.next(RowsInput::Pairs), true);
            held.follower.update(&rows_tallies(held.stage.work(), &held.delay));
            held.lag.update(left, age_ms(left, held.newest_ms));
            self.hands.ties.health.set(StageName::Rows, partition, state(held.stage.phase(), left));
            offsets.push((partition, held.stage.next(RowsInput::Pairs)));
        }
        self.reader.commit(&offsets, "");
        self.hands.settle(self.reader.is_settled(), self.held.is_empty());
        self.hands.show();
    }

    fn asked(&self) -> Asked<'_> {
        let rows = self.held.iter().map(|(&partition, held)| (partition, held.stage.work())).collect();
        Asked { rejected: 0, windows: Vec::new(), rows, rows_partitions: self.hands.plan.pairs_partitions }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        for partition in self.held.keys().copied().collect::<Vec<_>>() {
            self.let_go(partition);
        }
        Ok(self.hands.flush()?)
    }
}

/// A record of the lists topic. A registry that is away for a moment is asked again.
fn read_list(plan: &Plan, ties: &Ties, message: &BorrowedMessage<'_>) -> anyhow::Result<ListRecord<'static>> {
    let names = message.headers().into_iter().flat_map(|headers| headers.iter());
    let headers = ListHeaders::read(names.map(|header| (header.key, header.value)))?;
    let schema_of = |id: u32| match &plan.registry {
        Some(registry) => registry.schema(id),
        None => Err(RegistryError::NotFound {
            url: "the settings name no schema registry, so samenloop".to_owned(),
            what: format!("schema {id}"),
        }),
    };
    let stamp = headers.map(|headers| headers.stamp);
    let key = message.key().unwrap_or_default();
    let mut tries = 0;
    loop {
        match plan.codec.decode(key, message.payload(), stamp, &schema_of) {
            Ok(record) => return Ok(record.into_owned()),
            Err(error) if error.is_transient() && tries < REGISTRY_TRIES_MAX => {
                if ties.stop.load(Ordering::Relaxed) {
                    return Err(StopAsked.into());
                }
                tries += 1;
                tracing::warn!(%error, tries, "a list published before cannot be read yet");
                ties.heartbeat.beat();
                std::thread::sleep(REGISTRY_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
