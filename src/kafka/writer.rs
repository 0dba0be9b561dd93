//! Gapless appends: an idempotent producer that either delivers everything in order, or ends its owner.
//!
//! Invariants: per partition, records stand in the log in the order in which they were given; a record that cannot be
//! delivered is a failure of the writer for good, so nothing behind it is relied on. A broker accepts any first sequence
//! number of a new producer, so nothing follows a writer's first record on a partition before that is acknowledged.
//! Absent: Kafka transactions (ARCHITECTURE, "Exactly once"), partitioners, a limit on time: brokers that are away are
//! waited for.

use super::client::log_line;
use super::lane::{Lane, Pace};
use super::reader::{default, kafka_number, kbytes, lock, next, number};
use super::transport::Names;
use crate::drive::{Appending, LogFailure, Run, Runs, Vigil, Writer};
use crate::limits::PRODUCED_BYTES_MAX;
use crate::memory::{Holding, Part, Sizes};
use crate::position::{NextOffset, Partition};
use crate::publish::Stamp;
use crate::stage::Log;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a record waits for others to go out with.
const LINGER_MS: &str = "25";
/// How long an owner that waits sleeps between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// Half of how long a partition is given more, at least, while something of it is under way.
const AGE_MIN: Duration = Duration::from_millis(5);
/// What is said while there is no room.
const NO_ROOM: &str = "there is no room for more appends until brokers acknowledge some";
/// How much is given of a partition before it is acknowledged, unless the settings say how large a batch is: librdkafka's own.
const BATCH_BYTES: u64 = 1_000_000;

/// What is known of a record until it is acknowledged.
struct Sent {
    /// The number of its partition's lane.
    lane: usize,
    era: u64,
    /// Whether its owner waits to hear where it stands.
    is_asked: bool,
    /// As which record its publisher counts it.
    stamp: Option<Stamp>,
    bytes: u64,
}

struct Acknowledgements {
    count: AtomicU64,
    waiting: Holding,
    deliveries: Mutex<Deliveries>,
}

/// What brokers have said.
#[derive(Default)]
struct Deliveries {
    /// How many records of each era have been acknowledged.
    by_era: BTreeMap<u64, u64>,
    /// Records, and their bytes, that have been acknowledged of each lane since that was looked at.
    landed: Vec<(u64, u64)>,
    /// Where the last record stands that was asked for.
    asked: Option<NextOffset>,
    /// Where records with a stamp stand.
    runs: Runs,
    failure: Option<String>,
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer"); // its line in the log says as much
        if matches!(error, KafkaError::Global(RDKafkaErrorCode::Fatal)) {
            lock(&self.deliveries).failure.get_or_insert_with(|| reason.to_owned());
        }
    }
}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        self.waiting.sub(sent.bytes);
        let mut deliveries = lock(&self.deliveries);
        match result {
            Ok(delivered) => {
                if sent.is_asked {
                    deliveries.asked = next(delivered.offset());
                }
                if deliveries.landed.len() <= sent.lane {
                    deliveries.landed.resize(sent.lane + 1, (0, 0));
                }
                let (records, bytes) = &mut deliveries.landed[sent.lane];
                (*records, *bytes) = (*records + 1, *bytes + sent.bytes);
                if let (Some(stamp), Some(partition)) = (sent.stamp, number(delivered.partition())) {
                    deliveries.runs.landed(partition, next(delivered.offset()), stamp);
                }
                *deliveries.by_era.entry(sent.era).or_default() += 1;
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                deliveries.failure.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// A record that waits to be handed to librdkafka.
struct Waiting {
    /// Its key, and behind it its value.
    bytes: Vec<u8>,
    key: Option<usize>,
    has_value: bool,
    headers: Option<OwnedHeaders>,
    sent: Box<Sent>,
}

/// What may be held that brokers have not acknowledged.
#[derive(Clone, Copy)]
pub(super) struct Room {
    bytes: u64,
    records: u64,
}

/// The writer.
pub struct KafkaWriter {
    producer: BaseProducer<Acknowledgements>,
    topics: [(Log, String); 4],
    vigil: Arc<Vigil>,
    sent: u64,
    era: u64,
    /// How many records were sent in each era that has not been acknowledged in full.
    sent_by_era: BTreeMap<u64, u64>,
    places: BTreeMap<(Log, Partition), usize>,
    lanes: Vec<(Log, Partition, Lane<Waiting>)>,
    pace: Pace,
    room: Room,
    /// Records and bytes that have not been acknowledged.
    held: Room,
    /// When acknowledgements were looked at last.
    now: Instant,
}

impl KafkaWriter {
    /// A new producer.
    pub(super) fn new(names: &Names, vigil: &Arc<Vigil>) -> anyhow::Result<Self> {
        let (mut config, topics) = (names.client.clone(), names.logs.clone());
        config
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("message.max.bytes", PRODUCED_BYTES_MAX.to_string());
        let room = queueing(&mut config, names.sizes.appended);
        default(&mut config, "linger.ms", LINGER_MS);
        default(&mut config, "compression.type", "lz4");
        let pace = pace(&config);
        let made = config.create_with_context(Acknowledgements {
            count: AtomicU64::new(0),
            waiting: Holding::new(&names.held, Part::Appends),
            deliveries: Mutex::default(),
        });
        let producer = made.map_err(|error| LogFailure::of("producer", &"making it", &error))?;
        Ok(Self {
            producer,
            topics,
            vigil: Arc::clone(vigil),
            sent: 0,
            era: 0,
            sent_by_era: BTreeMap::new(),
            places: BTreeMap::new(),
            lanes: Vec::new(),
            pace,
            room,
            held: Room { bytes: 0, records: 0 },
            now: Instant::now(),
        })
    }

    fn send(&mut self, log: Log, partition: Partition, appending: Appending<'_>, is_asked: bool) -> anyhow::Result<()> {
        let lane = self.lane(log, partition)?;
        let Appending { key, value, headers, stamp } = appending;
        let bytes = [key, value].into_iter().flatten().map(|part| part.len() as u64).sum();
        while !self.has_room_for(bytes) {
            self.take_in()?;
            if !self.has_room_for(bytes) {
                self.vigil.wait(&NO_ROOM)?;
                std::thread::sleep(LOOK);
            }
        }
        let mut sent = Box::new(Sent { lane, era: self.era, is_asked, stamp, bytes });
        let mut headers = owned(headers);
        if self.lanes[lane].2.is_open(self.pace, self.now) {
            loop {
                match self.produce(key, value, headers, sent)? {
                    None => break,
                    Some(again) => (headers, sent) = again,
                }
                self.take_in()?;
                self.vigil.wait(&NO_ROOM)?;
                std::thread::sleep(LOOK);
            }
        } else {
            let bytes = [key.unwrap_or_default(), value.unwrap_or_default()].concat();
            let (key, has_value) = (key.map(<[u8]>::len), value.is_some());
            self.lanes[lane].2.wait(Waiting { bytes, key, has_value, headers, sent });
        }
        self.producer.context().waiting.add(bytes); // what is acknowledged is heard by this thread alone
        (self.held.bytes, self.held.records) = (self.held.bytes + bytes, self.held.records + 1);
        self.sent += 1;
        *self.sent_by_era.entry(self.era).or_default() += 1;
        Ok(())
    }

    /// Hands a record to librdkafka; gives it back where that has no room.
    fn produce(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Option<OwnedHeaders>,
        sent: Box<Sent>,
    ) -> anyhow::Result<Option<(Option<OwnedHeaders>, Box<Sent>)>> {
        let (place, bytes) = (sent.lane, sent.bytes);
        let (log, partition, lane) = &mut self.lanes[place];
        let topic = self.topics.iter().find(|(name, _)| name == log).map_or("", |(_, topic)| topic);
        let mut record = BaseRecord::<[u8], [u8], Box<Sent>>::with_opaque_to(topic, sent);
        record = record.partition(kafka_number(*partition));
        (record.key, record.payload, record.headers) = (key, value, headers);
        match self.producer.send(record) {
            Ok(()) => {
                lane.handed_over(bytes, self.now);
                Ok(None)
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                Ok(Some((again.headers, again.delivery_opaque)))
            }
            Err((error, _)) => Err(LogFailure::of(topic, &"appending", &error).into()),
        }
    }

    /// Hands over what has waited, as far as it may go.
    fn hand_over(&mut self) -> anyhow::Result<()> {
        for place in 0..self.lanes.len() {
            while let Some(Waiting { bytes, key, has_value, headers, sent }) =
                self.lanes[place].2.next(self.pace, self.now)
            {
                let (start, end) = bytes.split_at(key.unwrap_or_default());
                let given = self.produce(key.map(|_| start), has_value.then_some(end), headers, sent)?;
                if let Some((headers, sent)) = given {
                    self.lanes[place].2.put_back(Waiting { bytes, key, has_value, headers, sent });
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes in what the brokers have answered. One poll takes in one answer, of some records only; what is not taken in holds its
    /// room in the queue.
    fn take_in(&mut self) -> anyhow::Result<()> {
        self.now = Instant::now();
        loop {
            let before = self.producer.context().count.load(Ordering::Relaxed);
            self.producer.poll(Duration::ZERO);
            if self.producer.context().count.load(Ordering::Relaxed) == before {
                break;
            }
        }
        {
            let mut deliveries = lock(&self.producer.context().deliveries);
            if let Some(what) = &deliveries.failure {
                return Err(LogFailure::said("producer", &format!("a record was not delivered: {what}")).into());
            }
            for ((_, _, lane), landed) in self.lanes.iter_mut().zip(&mut deliveries.landed) {
                let (records, bytes) = std::mem::take(landed);
                lane.acknowledged(records, bytes);
                self.held.records = self.held.records.saturating_sub(records);
                self.held.bytes = self.held.bytes.saturating_sub(bytes);
            }
        }
        self.hand_over()
    }

    /// Whether so many bytes more may wait for the brokers: those of one record always may.
    fn has_room_for(&self, bytes: u64) -> bool {
        let Room { bytes: held, records } = self.held;
        records == 0 || held.saturating_add(bytes) <= self.room.bytes && records < self.room.records
    }

    /// The number of a partition's lane. The first record of a partition goes alone: waits until it has been acknowledged.
    fn lane(&mut self, log: Log, partition: Partition) -> anyhow::Result<usize> {
        let Some(&place) = self.places.get(&(log, partition)) else {
            self.lanes.push((log, partition, Lane::default()));
            self.places.insert((log, partition), self.lanes.len() - 1);
            return Ok(self.lanes.len() - 1);
        };
        if !self.lanes[place].2.is_known() {
            loop {
                self.take_in()?;
                if self.lanes[place].2.is_known() {
                    break;
                }
                let (name, number) = (log.name(), partition.0);
                self.vigil.wait(&format_args!("{name}-{number}: its first record is not acknowledged"))?;
                std::thread::sleep(LOOK);
            }
            self.vigil.note_answer();
        }
        Ok(place)
    }

    fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        lock(&self.producer.context().deliveries)
    }

    fn is_acknowledged(&self) -> bool {
        self.producer.context().count.load(Ordering::Relaxed) == self.sent
    }
}

impl Writer for KafkaWriter {
    fn append(&mut self, log: Log, partition: Partition, appending: Appending<'_>) -> anyhow::Result<()> {
        self.send(log, partition, appending, false)
    }

    fn append_at(&mut self, log: Log, partition: Partition, appending: Appending<'_>) -> anyhow::Result<NextOffset> {
        self.deliveries().asked = None;
        self.send(log, partition, appending, true)?;
        self.flush()?;
        let asked = self.deliveries().asked;
        asked.ok_or_else(|| LogFailure::said(log.name(), "a record was acknowledged without its offset").into())
    }

    fn look(&mut self) -> anyhow::Result<()> {
        self.take_in()
    }

    fn holds_back(&self) -> bool {
        self.lanes.iter().any(|(_, _, lane)| lane.has_waiting())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        while !self.is_acknowledged() {
            self.take_in()?;
            if !self.is_acknowledged() {
                self.vigil.wait(&"brokers have not acknowledged what was appended")?;
                std::thread::sleep(LOOK);
            }
        }
        self.vigil.note_answer();
        Ok(())
    }

    fn end_era(&mut self) -> u64 {
        self.era += 1;
        self.era - 1
    }

    fn is_done(&mut self, era: u64) -> bool {
        let mut deliveries = lock(&self.producer.context().deliveries);
        let acknowledged = &mut deliveries.by_era;
        while let Some((&oldest, &sent)) = self.sent_by_era.first_key_value() {
            if oldest > era {
                break;
            }
            if acknowledged.get(&oldest) != Some(&sent) {
                return false;
            }
            acknowledged.remove(&oldest);
            self.sent_by_era.remove(&oldest);
        }
        true
    }

    fn runs(&mut self) -> Vec<(Partition, Option<Run>)> {
        self.deliveries().runs.take()
    }
}

/// What may wait for the brokers: so many bytes, and as many records as these hold at most. More, and the writer's owner waits.
pub(super) fn queueing(config: &mut ClientConfig, bytes: usize) -> Room {
    let number = |config: &ClientConfig, name| config.get(name).and_then(|value| value.parse::<u64>().ok());
    default(config, "queue.buffering.max.kbytes", &kbytes(bytes));
    let kbytes = number(config, "queue.buffering.max.kbytes").unwrap_or(bytes as u64 >> 10);
    let queued = Sizes::queued(usize::try_from(kbytes << 10).unwrap_or(bytes));
    default(config, "queue.buffering.max.messages", &queued.to_string());
    let records = number(config, "queue.buffering.max.messages").filter(|&records| records > 0);
    Room { bytes: kbytes << 10, records: records.unwrap_or(queued) }
}

/// When a partition is given no more: by then all that it was given is in one request.
fn pace(config: &ClientConfig) -> Pace {
    let number = |name: &str| config.get(name).and_then(|value| value.parse::<f64>().ok());
    let linger_ms = number("linger.ms").filter(|ms| (0.0..1e6).contains(ms)).unwrap_or_default();
    let bytes_max = config.get("batch.size").and_then(|bytes| bytes.parse().ok()).unwrap_or(BATCH_BYTES);
    Pace { bytes_max, age_max: Duration::from_secs_f64(linger_ms / 1e3).max(AGE_MIN) * 2 }
}

fn owned(headers: &[(&str, &[u8])]) -> Option<OwnedHeaders> {
    let new = OwnedHeaders::new_with_capacity(headers.len());
    let add = |owned: OwnedHeaders, &(key, value): &(&str, &[u8])| owned.insert(Header { key, value: Some(value) });
    (!headers.is_empty()).then(|| headers.iter().fold(new, add))
}

impl Drop for KafkaWriter {
    /// What has not been acknowledged is given up: its reader's log decides.
    fn drop(&mut self) {
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
        self.producer.poll(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::APPENDED_BYTES_MIN;
    use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};
    use std::sync::atomic::AtomicBool;

    /// Nothing is ever acknowledged; whoever waits is told to stop.
    #[test]
    fn what_brokers_do_not_acknowledge_stays_within_its_room_and_its_owner_waits() {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", "127.0.0.1:1");
        let names = Names { sizes: Sizes { appended: APPENDED_BYTES_MIN, ..Sizes::default() }, ..Names::of(client) };
        let stop = Arc::new(AtomicBool::new(true));
        let vigil = Arc::new(Vigil::new("test", stop, &Health::new(1, HEARTBEAT_AGE_MAX)));
        let mut writer = KafkaWriter::new(&names, &vigil).unwrap();
        let block = vec![7; 1 << 20];
        let appending = || Appending { value: Some(&block), ..Appending::default() };
        // Each is the first on its partition: only for room is waited.
        let appended = (0..200).take_while(|&n| writer.append(Log::Events, Partition(n), appending()).is_ok()).count();
        assert_eq!(appended, APPENDED_BYTES_MIN >> 20);
        assert_eq!(names.held.bytes(Part::Appends), APPENDED_BYTES_MIN as u64);
        drop(writer);
        assert_eq!(names.held.bytes(Part::Appends), 0, "what was given up is held by nobody");

        // The largest record there may be has room in a queue that is empty.
        let mut writer = KafkaWriter::new(&names, &vigil).unwrap();
        let largest = vec![7; crate::limits::RECORD_BYTES_MAX];
        writer.append(Log::Pairs, Partition(0), Appending { value: Some(&largest), ..Appending::default() }).unwrap();
    }

    #[test]
    fn small_records_wait_in_numbers_that_their_room_is_reckoned_for() {
        let mut client = ClientConfig::new();
        queueing(&mut client, APPENDED_BYTES_MIN);
        assert_eq!(client.get("queue.buffering.max.kbytes"), Some("33792"));
        assert_eq!(client.get("queue.buffering.max.messages"), Some("33792"));
        client.set("queue.buffering.max.kbytes", "1000000").remove("queue.buffering.max.messages");
        queueing(&mut client, APPENDED_BYTES_MIN);
        assert_eq!(client.get("queue.buffering.max.kbytes"), Some("1000000"), "what the settings say stands");
        assert_eq!(client.get("queue.buffering.max.messages"), Some("100000"));
    }
}
