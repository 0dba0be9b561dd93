//! Sources and lists as Avro with a schema registry: versions of schemas, poison, a registry that is away.

use crate::command::{shop_shape, shown};
use crate::kafka::{self, Sent};
use crate::recount::{Event, Kind};
use crate::redis_server::Redis;
use crate::registry::{Fault, TestRegistry};
use crate::running::{EVENTS, produce, replayed};
use crate::service::House;
use crate::shop;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const AWAY: Duration = Duration::from_secs(10);
const GOES_ON_MAX: Duration = Duration::from_secs(8);
const UNKNOWN_ID: u32 = 4_711;

/// An event as a producer of its own writes it. The second version has a new field in front, and others in another order.
fn schema(version: usize) -> Schema {
    let mut fields = vec![
        r#"{"name":"type","type":{"type":"enum","name":"Type","symbols":["view","cart","order"]}}"#,
        r#"{"name":"user","type":"string"}"#,
        r#"{"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}}"#,
        r#"{"name":"shop","type":"string"}"#,
        r#"{"name":"event_id","type":["null","string"],"default":null}"#,
        r#"{"name":"item","type":["null","string"],"default":null}"#,
        r#"{"name":"order_id","type":["null","string"],"default":null}"#,
        r#"{"name":"lines","type":["null",{"type":"array","items":{"type":"record","name":"Line","fields":[
            {"name":"item","type":"string"}]}}],"default":null}"#,
    ];
    if version == 2 {
        fields.swap(1, 6);
        fields.insert(0, r#"{"name":"channel","type":"string"}"#);
    }
    let text = format!(r#"{{"type":"record","name":"Event","namespace":"shop","fields":[{}]}}"#, fields.join(","));
    Schema::parse_str(&text).unwrap()
}

fn optional(text: Option<&str>) -> Value {
    match text {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(text) => Value::Union(1, Box::new(Value::String(text.to_owned()))),
    }
}

/// An event in the wire format.
fn written(event: &Event, schema: &Schema, id: u32) -> Vec<u8> {
    let (number, name, item, order_id, lines) = match &event.kind {
        Kind::View { item, .. } => (0, "view", Some(item.as_str()), None, None),
        Kind::Cart { item } => (1, "cart", Some(item.as_str()), None, None),
        Kind::Order { order_id, lines, .. } => (2, "order", None, Some(order_id.as_str()), Some(lines)),
        Kind::Erase => unreachable!("no lives"),
    };
    let line = |item: &String| Value::Record(vec![("item".to_owned(), Value::String(item.clone()))]);
    let lines = match lines {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(lines) => Value::Union(1, Box::new(Value::Array(lines.iter().map(line).collect()))),
    };
    let fields = BTreeMap::from([
        ("channel", Value::String("app".to_owned())),
        ("type", Value::Enum(number, name.to_owned())),
        ("user", Value::String(event.user.clone())),
        ("ts", Value::TimestampMillis(event.ts)),
        ("shop", Value::String(event.shop.clone())),
        ("event_id", optional(event.id.as_deref())),
        ("item", optional(item)),
        ("order_id", optional(order_id)),
        ("lines", lines),
    ]);
    let Schema::Record(record) = schema else { panic!("a record") };
    let in_order = record.fields.iter().map(|field| (field.name.clone(), fields[field.name.as_str()].clone()));
    let writer = GenericDatumWriter::builder(schema).build().unwrap();
    let datum = writer.write_value_to_vec(Value::Record(in_order.collect())).unwrap();
    [&[0], &id.to_be_bytes()[..], &datum].concat()
}

/// A value of the wire format, as the registry's schema reads it; as JSON.
fn read(registry: &TestRegistry, subject: &str, bytes: &[u8]) -> serde_json::Value {
    let (head, mut datum) = bytes.split_at(5);
    let text = registry.latest(subject).unwrap_or_else(|| panic!("{subject} is not registered"));
    let id = registry.register(subject, &text); // the same text has one id
    assert_eq!(head, [&[0], &id.to_be_bytes()[..]].concat(), "{subject}: the registered schema's id");
    let schema = Schema::parse_str(&text).unwrap();
    let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut datum).unwrap();
    assert!(datum.is_empty(), "bytes are left over");
    value.try_into().unwrap()
}

fn house(purpose: &str, registry: &TestRegistry) -> House {
    let mut house = House::new(purpose);
    house.more = format!("[registry]\nurl = \"{}\"\n", registry.url());
    house
}

/// Events of the three kinds that the schema has.
fn events(seed: u64) -> Vec<Event> {
    shop::events(seed, EVENTS, &shop::Shape { users: 60, items: 80, lives: false, ..shop_shape() })
}

fn sent<'a>(events: impl Iterator<Item = &'a Event>, schema: &Schema, id: u32) -> Vec<Sent> {
    events.map(|event| Sent::of(event.user.as_str(), written(event, schema, id))).collect()
}

#[test]
fn avro_of_two_versions_counts_the_same_and_lists_are_avro_that_others_read() {
    let registry = TestRegistry::start();
    let mut house = house("avro", &registry);
    house.output.clear();
    let topic = house.source("shop", 5, &[], "format = \"avro\"\n");
    let events = events(31);
    let versions = [1, 2].map(|version| {
        let schema = schema(version);
        let id = registry.register(&format!("{topic}-value"), &serde_json::to_string(&schema).unwrap());
        (schema, id)
    });
    let mut records: Vec<Sent> = Vec::new();
    for (half, (schema, id)) in events.chunks(events.len() / 2).zip(&versions) {
        records.extend(sent(half.iter(), schema, *id));
    }
    let whole = written(&events[0], &versions[0].0, versions[0].1);
    let bad = [
        ("cut", whole[..whole.len() - 3].to_vec(), "bad_avro"),
        ("json", b"{\"type\":\"view\"}".to_vec(), "bad_avro"),
        ("unknown", written(&events[0], &versions[0].0, UNKNOWN_ID), "unknown_schema"),
    ];
    for (number, (key, value, _)) in bad.iter().enumerate() {
        records.insert(500 * (number + 1), Sent::of(*key, value.clone()));
    }
    kafka::produce(house.broker.bootstrap(), &topic, records);

    house.create_topics();
    let mut instance = house.start("one");
    house.wait_rest(&mut [&mut instance]);
    house.assert_counts(&[&instance], &events, "from Avro");

    let all = kafka::read_all(house.broker.bootstrap(), &house.own("rejects"));
    let reason_of = |key: &str| {
        let rec = all.iter().find(|rec| rec.key.as_deref() == Some(key.as_bytes()))?;
        let header = rec.headers.iter().find(|(name, _)| name == "samenloop.reason")?;
        Some((rec.value.clone()?, String::from_utf8(header.1.clone()?).unwrap()))
    };
    for (key, value, reason) in bad {
        assert_eq!(reason_of(key), Some((value, reason.to_owned())), "{key}");
    }
    let without_lines = events.iter().filter(|event| event.kind.is_refused());
    assert_eq!(all.len(), 3 + without_lines.count(), "nothing else is rejected");

    let topic = house.own("lists");
    let mut lists = BTreeMap::new();
    for rec in kafka::read_all(house.broker.bootstrap(), &topic) {
        let key = read(&registry, &format!("{topic}-key"), &rec.key.unwrap());
        let key = ["shop", "list", "item"].map(|field| key[field].as_str().unwrap()).join("/");
        let list = rec.value.map(|value| shown(&read(&registry, &format!("{topic}-value"), &value)));
        lists.insert(key, list);
    }
    lists.retain(|_, list| list.is_some());
    let want: BTreeMap<_, _> = replayed(&house, &events).into_iter().map(|(key, list)| (key, Some(list))).collect();
    assert!(want.len() > 100, "{} lists test nothing", want.len());
    assert_eq!(lists, want);
    instance.stop();
    // What a warmer keeps of it is the same, as JSON.
    let redis = Redis::start(&[]);
    house.more.push_str(&format!("[warm]\nurl = \"{}\"\n", redis.url()));
    let ended = house.command(&["warm", "--once"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let kept = redis.lists("").into_iter().map(|(key, json)| (key, Some(shown(&serde_json::from_str(&json).unwrap()))));
    let kept: BTreeMap<_, _> = kept.collect();
    assert!(kept == want, "{} of {} lists: {}", kept.len(), want.len(), ended.stderr);
}

#[test]
fn while_the_registry_is_away_nothing_is_rejected_or_lost_and_other_sources_go_on() {
    let registry = TestRegistry::start();
    let mut house = house("away", &registry);
    let avro = house.source("avro", 2, &[], "format = \"avro\"\n");
    let json = house.source("json", 2, &[], "");
    let all: Vec<Event> = events(32).into_iter().filter(|event| !event.kind.is_refused()).collect();
    let is_avro = |event: &&Event| event.user.bytes().map(u32::from).sum::<u32>() % 2 == 0;
    let (before, meanwhile) = all.split_at(all.len() / 2);
    let [(old, old_id), (new, new_id)] = [1, 2].map(|version| {
        let schema = schema(version);
        let id = registry.register(&format!("{avro}-value"), &serde_json::to_string(&schema).unwrap());
        (schema, id)
    });
    let bootstrap = house.broker.bootstrap();
    let of_json = |events: &[Event]| -> Vec<Event> { events.iter().filter(|event| !is_avro(event)).cloned().collect() };
    kafka::produce(bootstrap, &avro, sent(before.iter().filter(is_avro), &old, old_id));
    produce(&house, &json, &of_json(before));
    house.create_topics();
    let mut instance = house.start("one");
    house.wait_rest(&mut [&mut instance]);
    let counted = instance.metrics().sum("samenloop_events_total");
    assert_eq!(counted, before.len() as f64);
    let group = house.own("intake.avro");
    let committed = kafka::committed(bootstrap, &group, &avro);

    registry.set_fault(Some(Fault::Drop));
    let since = Instant::now();
    kafka::produce(bootstrap, &avro, sent(meanwhile.iter().filter(is_avro), &new, new_id));
    let others = of_json(meanwhile);
    produce(&house, &json, &others);
    kafka::wait_until("the other source's events", GOES_ON_MAX, || {
        (instance.metrics().sum("samenloop_events_total") >= counted + others.len() as f64).then_some(())
    });
    registry.set_fault(Some(Fault::Silent));
    std::thread::sleep(AWAY.saturating_sub(since.elapsed()));
    instance.assert_runs();
    assert_eq!(instance.metrics().sum("samenloop_events_total"), counted + others.len() as f64, "of a schema unknown");
    assert_eq!(kafka::committed(bootstrap, &group, &avro), committed, "committed beyond what waits");
    assert!(instance.get("/livez").0 == 200, "it waits, it does not hang");
    registry.set_fault(None);

    house.wait_rest(&mut [&mut instance]);
    assert_eq!(kafka::read_all(bootstrap, &house.own("rejects")), []);
    house.assert_counts(&[&instance], &all, "when the registry was back");
    house.event_entries().assert_once("events");
    instance.stop();
}
