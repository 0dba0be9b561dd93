//! The broker and the means that all other tests here stand on.

use crate::broker::{Broker, free_ports};
use crate::kafka::{self, Sent, wait_until};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const ENDED_MAX: Duration = Duration::from_secs(20);

#[test]
fn what_is_written_is_read_back_whole() {
    let broker = Broker::shared();
    let topic = broker.topic("round-trip");
    kafka::create_topic(broker.bootstrap(), &topic, 3, &[("cleanup.policy", "compact")]);
    let headers = vec![("reason".to_owned(), Some(b"none".to_vec())), ("empty".to_owned(), None)];
    let full = Sent { headers: headers.clone(), timestamp_ms: Some(1_700_000_000_123), ..Sent::of("key", "value") };
    let null = Sent { key: Some(b"gone".to_vec()), partition: Some(1), ..Sent::default() };
    kafka::produce(broker.bootstrap(), &topic, [full.to(2), null]);

    let read = kafka::read_all(broker.bootstrap(), &topic);
    assert_eq!(read.iter().map(|rec| (rec.partition, rec.offset)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    assert_eq!((read[0].key.as_deref(), &read[0].value), (Some(&b"gone"[..]), &None));
    assert_eq!((read[1].key.as_deref(), read[1].value.as_deref()), (Some(&b"key"[..]), Some(&b"value"[..])));
    assert_eq!((&read[1].headers, read[1].timestamp_ms), (&headers, Some(1_700_000_000_123)));
    assert_eq!(kafka::end_offsets(broker.bootstrap(), &topic), [0, 1, 1]);
    assert_eq!(kafka::committed(broker.bootstrap(), "nobody", &topic), [None; 3]);
}

#[test]
fn keys_go_where_the_java_client_sends_them() {
    let broker = Broker::shared();
    let topic = broker.topic("keys");
    kafka::create_topic(broker.bootstrap(), &topic, 7, &[]);
    kafka::produce(broker.bootstrap(), &topic, ["21", "foobar"].map(|key| Sent::of(key, "")));
    let read = kafka::read_all(broker.bootstrap(), &topic);
    // Murmur2 of Kafka's own test cases (`UtilsTest`): 21 → -973932308, foobar → -790332482; without the sign bit, modulo 7.
    let expected = [("21", (-973_932_308 & i32::MAX) % 7), ("foobar", (-790_332_482 & i32::MAX) % 7)];
    for (key, partition) in expected {
        assert!(
            read.iter().any(|rec| rec.key.as_deref() == Some(key.as_bytes()) && rec.partition == partition),
            "{key}"
        );
    }
}

#[test]
fn a_hundred_thousand_records_keep_their_order() {
    let broker = Broker::shared();
    let topic = broker.topic("many");
    kafka::create_topic(broker.bootstrap(), &topic, 2, &[]);
    let sent = |number: i64| Sent::of(number.to_string(), number.to_string()).to(i32::try_from(number % 2).unwrap());
    kafka::produce(broker.bootstrap(), &topic, (0..100_000).map(sent));
    let read = kafka::read_all(broker.bootstrap(), &topic);
    assert_eq!(read.len(), 100_000);
    for rec in read {
        let number = rec.offset * 2 + i64::from(rec.partition);
        assert_eq!(rec.value, Some(number.to_string().into_bytes()));
    }
}

#[test]
fn a_broker_that_was_killed_comes_back_with_its_data() {
    let broker = Broker::start();
    let bootstrap = broker.bootstrap().to_owned();
    kafka::create_topic(&bootstrap, "kept", 1, &[]);
    kafka::produce(&bootstrap, "kept", [Sent::of("a", "1")]);
    broker.stop();
    assert!(std::net::TcpStream::connect(&bootstrap).is_err(), "it still listens");
    broker.start_again();
    kafka::produce(&bootstrap, "kept", [Sent::of("b", "2")]);
    let values: Vec<_> = kafka::read_all(&bootstrap, "kept").into_iter().map(|rec| rec.value.unwrap()).collect();
    assert_eq!(values, [b"1", b"2"]);
}

#[test]
fn a_broker_ends_with_whoever_started_it() {
    let folder = tempfile::tempdir().unwrap().keep();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker-up");
    let mut starter = Command::new(script)
        .arg(free_ports().to_string())
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("a log", ENDED_MAX, || folder.join("broker.log").exists().then_some(()));
    drop(starter.stdin.take());
    wait_until("an end", ENDED_MAX, || starter.try_wait().unwrap());
    wait_until("no folder", ENDED_MAX, || (!folder.exists()).then_some(()));
}
