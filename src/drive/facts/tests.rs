//! Facts as they come: over the in-process logs, with the worker of production.

use super::*;
use crate::drive::memory::{Kept, MemoryTransport};
use crate::drive::transport::Topic;
use crate::drive::{
    Clocks, Desk, MemoryLog, Pipeline, Plan, Questions, SetClocks, Setup, Sink, Tenure, Vigil, Wake, Witness, plan,
};
use crate::event::UserKeys;
use crate::facts::Stock;
use crate::intake::{FactSpec, Intake, MappingSpec, Record, Reject, TimeRules};
use crate::items::fingerprint;
use crate::position::SourcePartition;
use crate::publish::Publication;
use crate::publish::codec::SchemaFailure;
use crate::rules::{CountingRules, ListRules, PublishRules};
use crate::stage::{BlockLimits, Clocked, IntakeInput, RowsSetup};
use crate::watch::health::{HEARTBEAT_AGE_MAX, Health};
use crate::watch::metrics::Metrics;
use std::sync::mpsc::channel;

const STOCK: Topic = Topic::Facts(FactsTopic::Stock);

/// A process that reads facts, and can do so again.
struct Bench {
    log: MemoryLog,
    clocks: Arc<SetClocks>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    rejects: Arc<Mutex<Vec<String>>>,
    plan: Arc<Plan>,
}

struct Heard(Arc<Mutex<Vec<String>>>);

impl Witness for Heard {
    fn reject(&mut self, source: &SourcePartition, offset: NextOffset, reject: &Reject) -> anyhow::Result<()> {
        self.0.lock().unwrap().push(format!("{source}@{} {}", offset.0, reject.reason.name()));
        Ok(())
    }
}

fn setup(facts: &Arc<Facts>) -> Setup {
    let (lists, publish) = (ListRules::defaults(), PublishRules::default());
    Setup {
        intake: Intake::new(TimeRules::default(), UserKeys::new([0; 16]), 1),
        events_identity: 0,
        history_ms: None,
        clicks: crate::rules::ClickRules::default(),
        counting: CountingRules::default(),
        merge_bytes_max: 1 << 20,
        rows: RowsSetup { lists, publish, clocked: Clocked::Wall, facts: Some(Arc::clone(facts)) },
        limits: BlockLimits::default(),
    }
}

impl Bench {
    fn new(topics: &[FactsTopic], when_away: WhenAway) -> Self {
        Self::with(topics, when_away, |spec| spec)
    }

    fn with(topics: &[FactsTopic], when_away: WhenAway, change: impl Fn(FactSpec) -> FactSpec) -> Self {
        let (log, facts) = (MemoryLog::new(1, 1).keeping(), Arc::new(Facts::new(1 << 30)));
        let plan = plan(setup(&facts), &[], 0, &log).unwrap();
        let source = |&topic: &FactsTopic| FactsSource {
            topic,
            mapping: Arc::new(change(FactSpec::new(topic)).compile(None).unwrap()),
        };
        let feed = FactsFeed {
            sources: topics.iter().map(source).collect(),
            wait_ms: 60_000,
            when_away,
            progress: Progress::default(),
        };
        let plan = Plan { feed: Some(feed), ..Arc::try_unwrap(plan).unwrap_or_else(|_| panic!("it is ours alone")) };
        Self {
            log,
            clocks: Arc::default(),
            health: Arc::new(Health::new(1, HEARTBEAT_AGE_MAX)),
            metrics: Arc::new(Metrics::new().unwrap()),
            rejects: Arc::default(),
            plan: Arc::new(plan),
        }
    }

    fn worker(&self) -> FactsWorker<MemoryTransport> {
        let ties = Ties {
            number: 0,
            vigil: Arc::new(Vigil::new("facts-0", Arc::default(), &self.health)),
            wake: Wake::default(),
            clock: Arc::clone(&self.clocks) as Arc<dyn Clocks>,
            tenure: Tenure::endless(),
            desk: Desk::new(Arc::clone(&self.health)),
            health: Arc::clone(&self.health),
            metrics: Arc::clone(&self.metrics),
            view: Arc::default(),
            questions: Questions::new(channel().1),
            witness: Box::new(Heard(Arc::clone(&self.rejects))),
        };
        FactsWorker::new(Hands::new(Arc::clone(&self.plan), ties, self.log.transport(0)).unwrap()).unwrap()
    }

    fn facts(&self) -> &Facts {
        self.plan.facts().unwrap()
    }

    fn say(&self, topic: &Topic, partition: u32, key: &str, value: Option<&str>) {
        let kept = Kept {
            key: Some(key.as_bytes().to_vec()),
            value: value.map(|value| value.as_bytes().to_vec()),
            ..Kept::default()
        };
        self.log.with(topic, Partition(partition), |held| held.push(kept)).unwrap();
    }

    fn stock(&self, item: &str) -> Stock {
        self.facts().of(fingerprint("main", item)).stock
    }

    fn metric(&self, line: &str) -> bool {
        self.metrics.render(0, 0, &self.health).unwrap().lines().any(|known| known == line)
    }
}

/// Turns until nothing is at hand.
fn settle(worker: &mut FactsWorker<MemoryTransport>) {
    while !worker.turn().unwrap() {}
    worker.tick().unwrap();
    worker.show();
}

#[test]
fn facts_are_complete_once_every_partition_has_been_read_to_its_end_and_are_followed_from_then_on() {
    let bench = Bench::new(&[FactsTopic::Stock, FactsTopic::Catalogue], WhenAway::Wait);
    bench.log.make(&STOCK, 2);
    bench.say(&STOCK, 0, "A", Some(r#"{"item":"A","quantity":0}"#));
    bench.say(&STOCK, 1, "B", Some(r#"{"item":"B","quantity":0}"#));
    bench.say(&STOCK, 1, "B", None);
    let mut worker = bench.worker();
    settle(&mut worker);
    assert_eq!((bench.stock("A"), bench.stock("B")), (Stock::Out, Stock::In));
    assert!(!bench.facts().is_complete(), "the catalogue is not there");
    assert_eq!(bench.health.waiting(), [Arc::from("facts-0")], "so the process is not ready");
    bench.log.make(&Topic::Facts(FactsTopic::Catalogue), 1);
    bench.clocks.pass(AWAY_LOOK_MS);
    settle(&mut worker);
    assert!(bench.facts().is_complete(), "an empty topic has been read to its end");
    assert_eq!(bench.health.waiting(), [] as [Arc<str>; 0]);
    bench.say(&STOCK, 0, "A", Some(r#"{"item":"A","quantity":5}"#));
    bench.say(&STOCK, 0, "C", Some(r#"{"item":"C","quantity":"lots"}"#));
    settle(&mut worker);
    assert_eq!(bench.stock("A"), Stock::In);
    assert_eq!(*bench.rejects.lock().unwrap(), ["facts.stock-0@2 bad_number"]);
    assert!(bench.metric("samenloop_facts_refused_total{reason=\"bad_number\",topic=\"stock\"} 1"));
    assert!(bench.metric("samenloop_facts_records_total{topic=\"stock\"} 5"));
    assert!(bench.metric("samenloop_facts_ready 1"));
    assert!(bench.metric("samenloop_facts_lag_records{topic=\"stock\"} 0"));
}

#[test]
fn partitions_that_a_topic_grows_are_read_from_their_start() {
    let bench = Bench::new(&[FactsTopic::Stock], WhenAway::Wait);
    bench.log.make(&STOCK, 1);
    let mut worker = bench.worker();
    settle(&mut worker);
    bench.log.make(&STOCK, 3);
    bench.say(&STOCK, 2, "A", Some(r#"{"item":"A","quantity":0}"#));
    settle(&mut worker);
    assert_eq!(bench.stock("A"), Stock::In, "nobody has looked yet");
    bench.clocks.pass(TOPIC_LOOK_MS);
    settle(&mut worker);
    assert_eq!(bench.stock("A"), Stock::Out);
    assert!(bench.facts().is_complete());
}

#[test]
fn a_worker_that_starts_again_goes_on_and_never_takes_an_older_fact_for_news() {
    let bench = Bench::new(&[FactsTopic::Stock], WhenAway::Wait);
    bench.log.make(&STOCK, 1);
    bench.say(&STOCK, 0, "A", Some(r#"{"item":"A","quantity":5}"#));
    bench.say(&STOCK, 0, "A", Some(r#"{"item":"A","quantity":0}"#));
    settle(&mut bench.worker());
    let changes = bench.facts().next_change();
    bench.say(&STOCK, 0, "B", Some(r#"{"item":"B","quantity":0}"#));
    settle(&mut bench.worker());
    assert_eq!((bench.stock("A"), bench.stock("B")), (Stock::Out, Stock::Out));
    assert_eq!(bench.facts().next_change(), changes + 1, "only what is new has changed anything");
    bench.log.with(&STOCK, Partition(0), |held| held.replace([])).unwrap(); // made anew, and shorter
    bench.say(&STOCK, 0, "A", Some(r#"{"item":"A","quantity":7}"#));
    settle(&mut bench.worker());
    assert_eq!(bench.stock("A"), Stock::In);
}

#[test]
fn a_topic_that_is_away_is_waited_for_as_long_as_the_settings_say() {
    for (when_away, goes_on) in [(WhenAway::Wait, false), (WhenAway::GoOn, true)] {
        let bench = Bench::new(&[FactsTopic::Stock], when_away);
        let mut worker = bench.worker();
        settle(&mut worker);
        bench.clocks.pass(59_999);
        settle(&mut worker);
        assert!(!bench.facts().is_complete());
        bench.clocks.pass(1);
        settle(&mut worker);
        assert_eq!(bench.facts().is_complete(), goes_on);
        bench.log.make(&STOCK, 1);
        bench.say(&STOCK, 0, "A", Some(r#"{"item":"A","quantity":0}"#));
        bench.clocks.pass(AWAY_LOOK_MS);
        settle(&mut worker);
        assert_eq!((bench.facts().is_complete(), bench.stock("A")), (true, Stock::Out), "it may come later");
    }
}

#[test]
fn bad_facts_that_stand_there_at_every_start_are_counted_and_the_first_are_kept() {
    let bench = Bench::new(&[FactsTopic::Stock], WhenAway::Wait);
    bench.log.make(&STOCK, 1);
    let bad = topic::REJECTS_AT_START_MAX + 500;
    for _ in 0..bad {
        bench.say(&STOCK, 0, "A", Some("{"));
    }
    let mut worker = bench.worker();
    settle(&mut worker);
    assert_eq!(bench.rejects.lock().unwrap().len() as u64, bad, "who watches hears of each");
    assert_eq!(worker.topics[0].kept_at_start(), topic::REJECTS_AT_START_MAX);
    assert!(bench.metric("samenloop_facts_refused_total{reason=\"bad_json\",topic=\"stock\"} 1500"));
    assert!(bench.facts().is_complete());
}

/// A registry that knows one schema, once it is told to answer.
struct Registry(std::sync::atomic::AtomicBool);

impl crate::drive::SchemaSource for Registry {
    fn schema(&self, id: u32) -> Result<Arc<str>, SchemaFailure> {
        if !self.0.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(SchemaFailure::Passing("away".to_owned()));
        }
        assert_eq!(id, 7);
        let fields = r#"[{"name":"item","type":"string"},{"name":"quantity","type":"int"}]"#;
        Ok(Arc::from(format!(r#"{{"type":"record","name":"Stock","fields":{fields}}}"#)))
    }

    fn is_at_hand(&self) -> bool {
        true
    }
}

#[test]
fn a_fact_waits_for_its_schema_and_keeps_its_place() {
    let avro = |spec| FactSpec { format: crate::intake::Format::Avro, ..spec };
    let mut bench = Bench::with(&[FactsTopic::Stock], WhenAway::Wait, avro);
    let registry = Arc::new(Registry(false.into()));
    let plan = Arc::try_unwrap(bench.plan).unwrap_or_else(|_| panic!("it is ours alone"));
    bench.plan = Arc::new(Plan { schemas: Some(Arc::clone(&registry) as Arc<dyn crate::drive::SchemaSource>), ..plan });
    bench.log.make(&STOCK, 1);
    // Item A; 0, then 5 pieces of it.
    for quantity in [0, 10] {
        let value = [0, 0, 0, 0, 7, 2, b'A', quantity];
        let kept = Kept { key: Some(b"A".to_vec()), value: Some(value.to_vec()), ..Kept::default() };
        bench.log.with(&STOCK, Partition(0), |held| held.push(kept)).unwrap();
    }
    let mut worker = bench.worker();
    settle(&mut worker);
    assert!(!bench.facts().is_complete());
    registry.0.store(true, std::sync::atomic::Ordering::Relaxed);
    bench.clocks.pass(60_000);
    settle(&mut worker);
    assert!(bench.facts().is_complete());
    assert_eq!(bench.stock("A"), Stock::In, "the newer one came behind the one that waited");
}

fn tell(facts: &Facts, topic: FactsTopic, value: &str) {
    let mapping = FactSpec::new(topic).compile(None).unwrap();
    let record = Record { value: Some(value.as_bytes()), ..Record::default() };
    mapping.decode(&crate::intake::Plans::default(), &record, |fact| fact.unwrap().tell(facts).unwrap());
}

struct Deaf;

impl Sink for Deaf {
    fn list(&mut self, _: &Publication<'_>, _: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: &SourcePartition, _: NextOffset, _: &Reject) -> anyhow::Result<()> {
        Ok(())
    }
}

#[test]
fn intake_takes_no_event_before_facts_are_complete() {
    let facts = Arc::new(Facts::new(1 << 30));
    let source = SourcePartition::new("shop", 0);
    let input = IntakeInput { source, mapping: Arc::new(MappingSpec::default().compile().unwrap()) };
    let mut pipeline = Pipeline::open(setup(&facts), vec![input], i64::MAX, MemoryLog::new(1, 1), Deaf).unwrap();
    pipeline.clock(1_700_000_000_000).unwrap();
    let event = br#"{"type":"view","user":"u","ts":1700000000000,"item":"A-red"}"#;
    let record = Record { value: Some(event), ..Record::default() };
    pipeline.feed(0, NextOffset(0), &record).unwrap();
    pipeline.flush().unwrap();
    assert_eq!(pipeline.intake_tally().accepted.iter().sum::<u64>(), 0);
    facts.complete();
    pipeline.flush().unwrap();
    assert_eq!(pipeline.intake_tally().accepted.iter().sum::<u64>(), 1);
}

/// A pipeline on a log of one partition of each kind, which is kept.
fn pipeline(facts: &Arc<Facts>, log: &MemoryLog) -> Pipeline<Deaf> {
    let source = SourcePartition::new("shop", 0);
    let input = IntakeInput { source, mapping: Arc::new(MappingSpec::default().compile().unwrap()) };
    let mut pipeline = Pipeline::open(setup(facts), vec![input], i64::MAX, log.clone(), Deaf).unwrap();
    pipeline.clock(1_700_000_000_000).unwrap();
    pipeline
}

fn counts(pipeline: &Pipeline<Deaf>) -> String {
    let mut written = Vec::new();
    crate::serve::write_counts(&pipeline.asked(), None, &mut written).unwrap();
    String::from_utf8(written).unwrap()
}

#[test]
fn a_variant_counts_as_its_parent_what_is_no_product_counts_for_nothing_and_both_are_in_the_log_for_good() {
    let facts = Arc::new(Facts::new(1 << 30));
    for value in [
        r#"{"item":"A-red","parent":"A"}"#,
        r#"{"item":"A-blue","parent":"A"}"#,
        r#"{"item":"deposit","countable":false}"#,
    ] {
        tell(&facts, FactsTopic::Catalogue, value);
    }
    facts.complete();
    let log = MemoryLog::new(1, 1).keeping();
    let mut first = pipeline(&facts, &log);
    let lines = |items: &[&str]| {
        let lines: Vec<String> = items.iter().map(|item| format!(r#"{{"item":"{item}"}}"#)).collect();
        lines.join(",")
    };
    let orders = [lines(&["A-red", "A-blue", "B", "deposit"]), lines(&["A", "B"]), lines(&["deposit"])];
    for (number, lines) in (0..).zip(orders) {
        let order = format!(
            r#"{{"type":"order","user":"u{number}","ts":1700000000000,"order_id":"{number}","lines":[{lines}]}}"#
        );
        let record = Record { value: Some(order.as_bytes()), ..Record::default() };
        first.feed(0, NextOffset(number), &record).unwrap();
    }
    first.flush().unwrap();
    first.rest().unwrap();
    let tally = first.intake_tally();
    assert_eq!((tally.uncountable, tally.accepted.iter().sum::<u64>(), tally.rejected()), (1, 2, 0));
    let counted = counts(&first);
    assert!(counted.contains("bought_together\tA\tB\t2\t"), "{counted}");
    assert!(!counted.contains("A-red") && !counted.contains("deposit"), "{counted}");
    first.finish().unwrap();
    drop(first);
    tell(&facts, FactsTopic::Catalogue, r#"{"item":"A-red","parent":"C"}"#);
    tell(&facts, FactsTopic::Catalogue, r#"{"item":"deposit","countable":true}"#);
    let mut second = pipeline(&facts, &log);
    second.flush().unwrap();
    second.rest().unwrap();
    assert_eq!(second.intake_tally().accepted.iter().sum::<u64>(), 0, "the log holds all of them");
    assert_eq!(counts(&second), counted, "what was decided stays");
}
