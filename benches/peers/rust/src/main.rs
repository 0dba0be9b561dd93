//! The job of ../README.md in plain idiomatic Rust: serde, hash maps with a fast hash, `StreamConsumer`, everything in memory, nothing kept.

mod counting;

use anyhow::{Context, Result};
use counting::Counting;
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SILENCE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct View<'a> {
    user: &'a str,
    item: &'a str,
    ts: i64,
}

#[derive(Serialize)]
struct List<'a> {
    item: &'a str,
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    item: &'a str,
    weight: f32,
    support: u32,
}

fn given(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: ../run starts this"))
}

fn publish(
    counting: &mut Counting,
    producer: &ThreadedProducer<rdkafka::producer::DefaultProducerContext>,
    topic: &str,
) -> Result<()> {
    for anchor in counting.take_dirty() {
        let entries: Vec<Entry<'_>> = counting
            .top(anchor)
            .into_iter()
            .map(|(item, pair)| Entry { item: counting.name(item), weight: pair.weight, support: pair.support })
            .collect();
        if entries.is_empty() {
            continue;
        }
        let list = List { item: counting.name(anchor), entries };
        let value = serde_json::to_vec(&list)?;
        let mut record = BaseRecord::to(topic).key(list.item).payload(&value);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (bootstrap, source, lists) = (given("PEER_BOOTSTRAP")?, given("PEER_SOURCE")?, given("PEER_LISTS")?);
    let flush_updates: u64 = given("PEER_FLUSH_UPDATES")?.parse()?;
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("group.id", given("PEER_GROUP")?)
        .set("auto.offset.reset", "earliest")
        .create()?;
    let producer: ThreadedProducer<_> = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("linger.ms", "50")
        .set("compression.type", "lz4")
        .set("enable.idempotence", "true")
        .create()?;
    consumer.subscribe(&[&source])?;
    let mut counting = Counting::default();
    let mut flushed = 0;
    loop {
        match tokio::time::timeout(SILENCE, consumer.recv()).await {
            Ok(message) => {
                let message = message?;
                let view: View<'_> = serde_json::from_slice(message.payload().unwrap_or_default())?;
                counting.view(view.user, view.item, view.ts);
                if counting.updates - flushed >= flush_updates {
                    flushed = counting.updates;
                    publish(&mut counting, &producer, &lists)?;
                }
            }
            Err(_silence) => {
                flushed = counting.updates;
                publish(&mut counting, &producer, &lists)?;
                producer.flush(Duration::from_secs(60))?;
            }
        }
    }
}
