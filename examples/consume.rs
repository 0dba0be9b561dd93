//! The least that reading a topic costs: one `BaseConsumer`, polled record by record, which looks at every byte of the values.
//!
//! `tests/throughput kafka` runs it beside samenloop, on the same topic, broker and core, and gives samenloop's figures as
//! multiples of its own. Prints one JSON object: records, bytes, and CPU nanoseconds of the whole process, start included.
//!
//! ```sh
//! cargo run --release --example consume -- --bootstrap 127.0.0.1:9092 --topic shop-events
//! ```

#![allow(clippy::print_stdout, missing_docs)]

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::error::Error;
use std::time::{Duration, Instant};

/// How long brokers may take to tell of the topic, or to give the next record.
const SILENCE_MAX: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let (Some(bootstrap), Some(topic)) = (argument("--bootstrap"), argument("--topic")) else {
        return Err("consume needs --bootstrap HOST:PORT and --topic TOPIC".into());
    };
    let began = Instant::now();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "bare-loop")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(&topic), SILENCE_MAX)?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    let mut starts = TopicPartitionList::new();
    for partition in 0..partitions {
        starts.add_partition_offset(&topic, i32::try_from(partition)?, Offset::Beginning)?;
    }
    consumer.assign(&starts)?;
    let (mut records, mut bytes, mut sum, mut left) = (0_u64, 0_u64, 0_u64, partitions);
    while left > 0 {
        match consumer.poll(SILENCE_MAX) {
            Some(Ok(message)) => {
                let value = message.payload().unwrap_or_default();
                records += 1;
                bytes += value.len() as u64;
                sum += value.iter().map(|&byte| u64::from(byte)).sum::<u64>();
            }
            Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => return Err(format!("{topic}: nothing for {} s", SILENCE_MAX.as_secs()).into()),
        }
    }
    let (cpu_ns, wall_ms) = (cpu_ns()?, began.elapsed().as_millis());
    println!(r#"{{"records":{records},"bytes":{bytes},"cpu_ns":{cpu_ns},"wall_ms":{wall_ms},"sum":{sum}}}"#);
    Ok(())
}

/// The value behind a flag.
fn argument(flag: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != flag).nth(1)
}

/// What the threads of this process have run, librdkafka's included: all are still there.
fn cpu_ns() -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let figures = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += figures.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}
