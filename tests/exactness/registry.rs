//! A schema registry that is away at the start: its source waits, no other does for long, nothing is rejected, and when it is back
//! everything is counted.

use crate::recount::{Event, Kind, Recount};
use crate::rig::{Heard, Shape, counts, default_rules, difference, line, naive_rules};
use crate::shop::{self, Random};
use samenloop::drive::{Clocks as _, Kept, Pipeline, Plan, SchemaSource, SetClocks, Topic, plan};
use samenloop::intake::{Format, MappingSpec, TypeSpec};
use samenloop::position::{Partition, SourcePartition};
use samenloop::publish::codec::SchemaFailure;
use samenloop::stage::{IntakeInput, SOURCE_WAIT_MAX_MS};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// After all events.
const CLOCK_MS: i64 = 4_000_000_000_000;
const SCHEMA_ID: u32 = 7;
const SCHEMA: &str = r#"{"type": "record", "name": "view", "fields": [
    {"name": "shop", "type": "string"}, {"name": "user", "type": "string"}, {"name": "item", "type": "string"},
    {"name": "event_id", "type": "string"}, {"name": "ts", "type": "long"}]}"#;

/// Knows one schema, while it is there.
#[derive(Default)]
struct TestRegistry {
    is_there: AtomicBool,
}

impl SchemaSource for TestRegistry {
    fn schema(&self, id: u32) -> Result<Arc<str>, SchemaFailure> {
        match (self.is_there.load(Ordering::Relaxed), id) {
            (false, _) => Err(SchemaFailure::Passing("away".to_owned())),
            (true, SCHEMA_ID) => Ok(SCHEMA.into()),
            (true, other) => Err(SchemaFailure::NotFound(format!("schema {other}"))),
        }
    }

    fn is_at_hand(&self) -> bool {
        true
    }
}

/// A view in Avro, behind the five bytes that name its schema.
fn avro(event: &Event) -> Vec<u8> {
    let Kind::View { item, .. } = &event.kind else { panic!("views only") };
    let mut bytes = vec![0];
    bytes.extend(SCHEMA_ID.to_be_bytes());
    for text in [&event.shop, &event.user, item, event.id.as_ref().unwrap()] {
        put_long(&mut bytes, i64::try_from(text.len()).unwrap());
        bytes.extend(text.as_bytes());
    }
    put_long(&mut bytes, event.ts);
    bytes
}

/// Zigzag, in groups of seven bits (Avro specification, binary encoding).
fn put_long(bytes: &mut Vec<u8>, value: i64) {
    let mut left = u64::from_ne_bytes(((value << 1) ^ (value >> 63)).to_ne_bytes());
    while left >= 0x80 {
        bytes.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
        left >>= 7;
    }
    bytes.push(u8::try_from(left).unwrap());
}

/// Users of the one source and of the other: their order among each other does not matter.
fn is_avro(event: &Event) -> bool {
    event.user.bytes().last().unwrap() % 2 == 1
}

fn events(seed: u64) -> Vec<Event> {
    let views_alone = shop::Shape { lives: false, ..shop::Shape::of(&naive_rules(&default_rules())) };
    let mut events = shop::events(seed, 400, &views_alone);
    events.retain(|event| !is_avro(event) || matches!(event.kind, Kind::View { .. }));
    for (number, event) in events.iter_mut().enumerate().filter(|(_, event)| is_avro(event)) {
        event.id.get_or_insert_with(|| format!("n{number}"));
    }
    events
}

fn feed(pipeline: &Pipeline<Heard>, event: &Event) {
    let (name, value) = if is_avro(event) { ("views", avro(event)) } else { ("shop", line(event).into_bytes()) };
    let kept = Kept { value: Some(value), ..Kept::default() };
    pipeline.log().with(&Topic::Source(name.into()), Partition(0), |held| held.push(kept));
}

fn assert_counted(pipeline: &Pipeline<Heard>, events: &[&Event], context: &str) {
    let mut recount = Recount::new(naive_rules(&default_rules()));
    events.iter().for_each(|event| recount.event(event));
    let as_of = recount.latest();
    assert_eq!(difference(&recount.rows(as_of), &counts([pipeline], as_of)), None, "{context}");
}

#[test]
fn without_a_registry_at_the_start_the_others_are_counted_and_with_it_everything_is() {
    for seed in shop::seeds(4) {
        for restarts in [false, true] {
            let context = format!("restarts: {restarts}, SAMENLOOP_SEED={seed}");
            let shape = Shape { partitions: 3, ..Shape::new(&default_rules()) };
            let (log, registry, clocks) = (shape.log(), Arc::<TestRegistry>::default(), Arc::<SetClocks>::default());
            let spec = MappingSpec {
                format: Format::Avro,
                event_type: TypeSpec::Fixed("view".to_owned()),
                // By a program that sees the whole value, or by pointers.
                transform: restarts.then(|| "{shop, user, item, event_id, ts}, empty".to_owned()),
                ..MappingSpec::default()
            };
            let input = |name: &str, spec: &MappingSpec| IntakeInput {
                source: SourcePartition::new(name, 0),
                mapping: Arc::new(spec.compile().unwrap()),
            };
            let inputs = vec![input("shop", &MappingSpec::default()), input("views", &spec)];
            let mut plan: Arc<Plan> = plan(shape.setup(), &inputs, i64::MAX, &log).unwrap();
            Arc::get_mut(&mut plan).unwrap().schemas = Some(registry.clone());
            clocks.set(CLOCK_MS);
            let mut pipeline =
                Pipeline::open_instance(0, plan, inputs, log, Arc::clone(&clocks), Heard::default()).unwrap();
            let mut random = Random::new(seed);
            let all = events(seed);
            let (first, rest) = all.split_at(all.len() / 2);
            // Both sources have something from the start on.
            first.iter().for_each(|event| feed(&pipeline, event));
            let mut pass = |pipeline: &mut Pipeline<Heard>, rounds: i64, step_ms: i64| {
                for _ in 0..rounds {
                    clocks.set(clocks.now().wall_ms + step_ms);
                    pipeline.flush().unwrap();
                    if restarts && random.chance(3) {
                        pipeline.restart().unwrap();
                    }
                }
            };
            pass(&mut pipeline, 10, SOURCE_WAIT_MAX_MS / 20);
            assert_counted(&pipeline, &[], &format!("{context}: nothing is counted yet"));
            pass(&mut pipeline, 60, SOURCE_WAIT_MAX_MS / 10);
            rest.iter().for_each(|event| feed(&pipeline, event));
            pass(&mut pipeline, 60, SOURCE_WAIT_MAX_MS / 10);
            let others: Vec<&Event> = all.iter().filter(|event| !is_avro(event)).collect();
            assert_counted(&pipeline, &others, &format!("{context}: while it is away"));
            registry.is_there.store(true, Ordering::Relaxed);
            pass(&mut pipeline, 30, 1_000);
            assert_counted(&pipeline, &all.iter().collect::<Vec<_>>(), &format!("{context}: when it is back"));
        }
    }
}
