//! Records that are no events, between others that are: rejected with all that helps to find them, or passed over. The rest
//! is exact.

use crate::command::shop_shape;
use crate::kafka::{self, Rec, Sent};
use crate::recount::{Event, Kind};
use crate::service::House;
use crate::{rig, shop};

/// No order may have more lines.
const LINES_MAX: usize = 100_000;
const LONG_BYTES: usize = 900_000;
/// In the names of all users: what must not be in a log line.
const USER: &str = "visitor-7f3a-";
const TIME_MS: i64 = 1_700_000_000_000;

fn order(lines: usize) -> String {
    let lines = vec![r#"{"item":"i1"}"#; lines].join(",");
    format!(r#"{{"type":"order","user":"{USER}bulk","ts":{TIME_MS},"order_id":"o","lines":[{lines}]}}"#)
}

/// Values that are no events, with their reasons; none for what is passed over.
fn poison() -> Vec<(Option<String>, Option<&'static str>)> {
    let view_of =
        |item: usize| format!(r#"{{"type":"view","user":"{USER}1","ts":{TIME_MS},"item":"{}"}}"#, "x".repeat(item));
    vec![
        (None, None),
        (Some(format!(r#"{{"user":"{USER}1","item":"#)), Some("bad_json")),
        (Some(format!(r#"[{{"user":"{USER}1"}}]"#)), Some("not_an_object")),
        (Some("x".repeat(LONG_BYTES)), Some("bad_json")),
        (Some(view_of(LONG_BYTES)), Some("id_too_long")),
        (Some(order(LINES_MAX + 1)), Some("too_many_lines")),
        (Some(format!(r#"{{"type":"view","user":"{USER}1","item":"i1"}}"#)), Some("missing_field")),
    ]
}

fn header<'a>(rec: &'a Rec, name: &str) -> &'a str {
    let found = rec.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_deref());
    let [Some(value)] = found.collect::<Vec<_>>()[..] else { panic!("{name}: {:?}", rec.headers) };
    std::str::from_utf8(value).unwrap()
}

/// A poisonous record and where it went.
struct Bad {
    sent: Sent,
    partition: i32,
    offset: i64,
    reason: &'static str,
}

#[test]
fn what_is_no_event_is_rejected_with_its_place_and_the_rest_is_exact() {
    let mut house = House::new("poison");
    house.more = "[log]\nlevel = \"debug\"\n".to_owned();
    let topic = house.source("shop", 2, &[("max.message.bytes", "20000000")], "");
    let mut events = shop::events(21, 1_500, &shop::Shape { users: 20, calm: true, ..shop_shape() });
    events.iter_mut().for_each(|event| event.user = format!("{USER}{}", event.user));

    // Good ones by user, bad ones in their midst; what lands where is remembered.
    let (mut records, mut ends, mut bad) = (Vec::new(), [0_i64; 2], Vec::new());
    let poison = poison();
    for (number, event) in events.iter().enumerate() {
        if number % 200 == 100
            && let Some((value, reason)) = poison.get(number / 200)
        {
            let partition = i32::try_from(number / 200 % 2).unwrap();
            let sent = Sent {
                key: Some(format!("key {number}").into_bytes()),
                value: value.as_ref().map(|value| value.clone().into_bytes()),
                headers: vec![("trace".to_owned(), Some(b"t-1".to_vec()))],
                timestamp_ms: Some(TIME_MS + i64::try_from(number).unwrap()),
                partition: Some(partition),
            };
            if let Some(reason) = *reason {
                bad.push(Bad {
                    sent: sent.clone(),
                    partition,
                    offset: ends[usize::try_from(partition).unwrap()],
                    reason,
                });
            }
            ends[usize::try_from(partition).unwrap()] += 1;
            records.push(sent);
        }
        let partition = usize::from(event.user.bytes().map(u32::from).sum::<u32>() % 2 == 1);
        ends[partition] += 1;
        records.push(Sent::of("k", rig::line(event)).to(i32::try_from(partition).unwrap()));
    }
    records.push(Sent::of("k", order(LINES_MAX)).to(0));
    kafka::produce(house.broker.bootstrap(), &topic, records);
    assert_eq!(bad.len(), poison.len() - 1, "all were sent");

    house.create_topics();
    let mut instance = house.start("one");
    house.wait_rest(&mut [&mut instance]);
    // 100,000 lines of one item are an order of one item.
    events.push(Event {
        id: None,
        kind: Kind::order("o", vec!["i1".to_owned(); LINES_MAX]),
        shop: "main".to_owned(),
        user: format!("{USER}bulk"),
        ts: TIME_MS,
    });
    house.assert_counts(&[&instance], &events, "around poison");

    let rejects = kafka::read_all(house.broker.bootstrap(), &house.own("rejects"));
    assert_eq!(rejects.len(), bad.len());
    for Bad { sent, partition, offset, reason } in &bad {
        let is_it = |rec: &&Rec| rec.key == sent.key;
        let rec = rejects.iter().find(is_it).unwrap_or_else(|| panic!("{reason} is missing"));
        assert!(rec.value == sent.value && rec.timestamp_ms == sent.timestamp_ms, "{reason}: not as it was");
        assert_eq!(header(rec, "trace"), "t-1", "its own headers stay");
        assert_eq!(header(rec, "samenloop.reason"), *reason);
        assert_eq!(header(rec, "__connect.errors.topic"), topic);
        assert_eq!(header(rec, "__connect.errors.partition"), partition.to_string());
        assert_eq!(header(rec, "__connect.errors.offset"), offset.to_string(), "{reason}");
        let stage = if matches!(*reason, "bad_json" | "not_an_object") { "VALUE_CONVERTER" } else { "TRANSFORMATION" };
        assert_eq!(header(rec, "__connect.errors.stage"), stage, "{reason}");
        let message = header(rec, "__connect.errors.exception.message");
        assert!(message.len() > 10 && message.len() < 1_000 && !message.contains(USER), "{reason}: {message}");
    }

    let metrics = instance.metrics();
    for reason in ["bad_json", "not_an_object", "id_too_long", "too_many_lines", "missing_field"] {
        let want = bad.iter().filter(|bad| bad.reason == reason).count();
        let label = format!("reason=\"{reason}\"");
        assert_eq!(metrics.sum_where("samenloop_rejects_total", &label), want as f64, "{reason}");
    }
    assert_eq!(metrics.sum("samenloop_rejects_total"), bad.len() as f64);
    assert_eq!(metrics.sum("samenloop_skipped_nulls_total"), 1.0, "the null");
    let log = instance.log();
    assert!(log.contains("reason=\"bad_json\""), "rejects are in the log when it is asked for them");
    assert!(!log.contains(USER), "{:?}", log.lines().find(|line| line.contains(USER)));
    instance.stop();
}
