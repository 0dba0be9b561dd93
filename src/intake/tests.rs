//! Records in, events or rejects out.

mod avro;
mod shown;
mod forms;
mod naive;
mod native;
mod properties;
mod transform;

use super::*;
use crate::event::{Action, EventKey, EventTime, EventType, OrderStep, UserKeys};
use crate::limits::LINES_MAX;

const MORNING_MS: i64 = 1_700_000_000_123;

/// JSON needs none.
static PLANS: std::sync::LazyLock<Plans> = std::sync::LazyLock::new(Plans::default);

fn mapping(toml: &str) -> Mapping {
    toml::from_str::<MappingSpec>(toml).unwrap().compile().unwrap()
}

fn intake() -> Intake {
    Intake::new(TimeRules::default(), UserKeys::new([0; 16]), 7)
}

fn record(json: &str) -> Record<'_> {
    Record { topic: "clicks", value: Some(json.as_bytes()), ..Record::default() }
}

fn event<'a>(mapping: &'a Mapping, json: &'a str) -> Admitted<'a> {
    intake().admit_record(mapping, &PLANS, &record(json), Now::default()).unwrap().unwrap()
}

fn reject(mapping: &Mapping, json: &str) -> Reject {
    intake().admit_record(mapping, &PLANS, &record(json), Now::default()).unwrap_err()
}

fn items(action: &Action<'_>) -> Vec<String> {
    match action {
        Action::View { item, .. } | Action::Cart { item } => vec![item.to_string()],
        Action::Erase | Action::Unread(_) => Vec::new(),
        Action::Impression { entries, .. } => entries.iter().map(|entry| entry.item.to_string()).collect(),
        Action::Click { entry, .. } => vec![entry.item.to_string()],
        Action::Order { items, .. } => items.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_defaults_read_the_own_form_of_events() {
    let mapping = mapping("");
    let seen = event(&mapping, r#"{"event_id":"ot-0","type":"view","user":"s0","ts":1659304800025,"item":"1517085"}"#);
    assert_eq!((&*seen.event.shop, &*seen.event.user), ("main", "s0"));
    assert_eq!(seen.event.time, EventTime(1_659_304_800_025));
    assert_eq!(seen.event.key, EventKey::of_id(EventType::View, "ot-0"));
    assert_eq!(seen.event.action, Action::View { item: "1517085".into(), session: None });
    assert_eq!(seen.user, UserKeys::new([0; 16]).key("main", "s0"));
    assert_eq!(seen.partition, seen.user.partition(7));
    assert!(!seen.skewed);

    let seen = event(&mapping, r#"{"type":"cart","shop":"b2b","user":"u","ts":1659304800025,"item":"é/件 1"}"#);
    assert_eq!(&*seen.event.shop, "b2b");
    assert_eq!(seen.event.action, Action::Cart { item: "é/件 1".into() });
    let content = EventKey::of_item(EventType::Cart, "é/件 1", EventTime(1_659_304_800_025));
    assert_eq!(seen.event.key, content, "no id: the content is the key");

    let order = r#"{"event_id":"or-1","type":"order","user":"c1","ts":1291191960000,"order_id":"536365",
                    "lines":[{"item":"85123A","qty":6,"price":2.55},{"item":"71053"},{"item":"85123A"}]}"#;
    let seen = event(&mapping, order);
    let lines = ["85123A", "71053", "85123A"].map(Into::into).to_vec();
    assert_eq!(
        seen.event.action,
        Action::Order { step: OrderStep::State, order_id: "536365".into(), version: None, items: lines, money: None }
    );
}

#[test]
fn a_null_value_and_a_type_that_is_to_be_skipped_are_neither_event_nor_reject() {
    let mapping = mapping(r#"type = { field = "/t", values = { v = "view", w = "skip" }, other = "skip" }"#);
    let tombstone = Record { key: Some(b"k"), ..Record::default() };
    assert_eq!(mapping.decode(&PLANS, &tombstone), Ok(None));
    for json in [r#"{"t":"w"}"#, r#"{"t":"else"}"#, "{}", r#"{"t":true}"#, r#"{"t":[1]}"#] {
        assert_eq!(mapping.decode(&PLANS, &record(json)), Ok(None), "{json}");
    }
    assert_eq!(reject(&mapping, r#"{"t":"v"}"#).reason, Reason::MissingField);
}

#[test]
fn each_reason_has_a_record_that_earns_it() {
    let mapping = mapping("");
    let long = "x".repeat(257);
    let deep = format!(r#"{{"type":"view","x":{}{}}}"#, "[".repeat(127), "]".repeat(127));
    let many = format!(r#"{{"type":"order","user":"u","ts":{MORNING_MS},"lines":[{}1]}}"#, "1,".repeat(LINES_MAX));
    let cases = [
        (Reason::BadJson, r#"{"type":"view","user":"u","ts":NaN,"item":"i"}"#.to_owned()),
        (Reason::BadJson, r#"{"type":"view""#.to_owned()),
        (Reason::BadJson, String::new()),
        (Reason::BadJson, format!(r#"{{"type":"view","user":"u","ts":{MORNING_MS},"item":"i"}}x"#)),
        (Reason::BadJson, deep),
        (Reason::BadJson, "[".repeat(100_000)),
        (Reason::NotAnObject, r#"["view"]"#.to_owned()),
        (Reason::NotAnObject, "1".to_owned()),
        (Reason::MissingField, "{}".to_owned()),
        (Reason::MissingField, r#"{"type":"view","user":"u","item":"i"}"#.to_owned()),
        (Reason::MissingField, format!(r#"{{"type":"view","user":null,"ts":{MORNING_MS},"item":"i"}}"#)),
        (Reason::MissingField, format!(r#"{{"type":"view","user":"u","ts":{MORNING_MS}}}"#)),
        (
            Reason::MissingField,
            format!(r#"{{"type":"order","user":"u","ts":{MORNING_MS},"lines":[{{"item":1}},{{}}]}}"#),
        ),
        (Reason::BadType, format!(r#"{{"type":"view","user":1.5,"ts":{MORNING_MS},"item":"i"}}"#)),
        (Reason::BadType, format!(r#"{{"type":"view","user":"u","ts":{MORNING_MS},"item":{{"id":1}}}}"#)),
        (Reason::BadType, format!(r#"{{"type":"order","user":"u","ts":{MORNING_MS},"lines":"1,2"}}"#)),
        (Reason::BadType, format!(r#"{{"type":"order","user":"u","ts":{MORNING_MS},"lines":[{{"item":true}}]}}"#)),
        (Reason::BadType, r#"{"type":"view","user":"u","ts":[],"item":"i"}"#.to_owned()),
        (Reason::UnknownType, format!(r#"{{"type":"refund","user":"u","ts":{MORNING_MS},"item":"i"}}"#)),
        (Reason::EmptyId, format!(r#"{{"type":"view","user":"","ts":{MORNING_MS},"item":"i"}}"#)),
        (Reason::EmptyId, format!(r#"{{"type":"order","user":"u","ts":{MORNING_MS},"lines":[{{"item":""}}]}}"#)),
        (Reason::IdTooLong, format!(r#"{{"type":"view","user":"{long}","ts":{MORNING_MS},"item":"i"}}"#)),
        (
            Reason::IdTooLong,
            format!(r#"{{"event_id":"{long}","type":"view","user":"u","ts":{MORNING_MS},"item":"i"}}"#),
        ),
        (Reason::BadId, format!(r#"{{"type":"view","user":"u","ts":{MORNING_MS},"item":"a\tb"}}"#)),
        (Reason::BadId, format!(r#"{{"type":"view","user":"u","ts":{MORNING_MS},"item":"a\u0085b"}}"#)),
        (Reason::BadId, format!(r#"{{"type":"view","shop":"a/b","user":"u","ts":{MORNING_MS},"item":"i"}}"#)),
        (Reason::BadTime, r#"{"type":"view","user":"u","ts":"yesterday","item":"i"}"#.to_owned()),
        (Reason::BadTime, r#"{"type":"view","user":"u","ts":1700000000123456,"item":"i"}"#.to_owned()),
        (Reason::BadTime, r#"{"type":"view","user":"u","ts":1e300,"item":"i"}"#.to_owned()),
        (Reason::TimeTooEarly, r#"{"type":"view","user":"u","ts":1700000000,"item":"i"}"#.to_owned()),
        (Reason::EmptyOrder, format!(r#"{{"type":"order","user":"u","ts":{MORNING_MS},"lines":[]}}"#)),
        (Reason::EmptyOrder, format!(r#"{{"type":"order","user":"u","ts":{MORNING_MS}}}"#)),
        (Reason::EmptyOrder, format!(r#"{{"type":"return","user":"u","ts":{MORNING_MS},"order_id":"o","lines":[]}}"#)),
        (Reason::MissingField, format!(r#"{{"type":"add","user":"u","ts":{MORNING_MS},"item":"i"}}"#)),
        (Reason::MissingField, format!(r#"{{"type":"cancel","user":"u","ts":{MORNING_MS}}}"#)),
        (Reason::MissingField, format!(r#"{{"type":"erase","ts":{MORNING_MS}}}"#)),
        (Reason::BadType, format!(r#"{{"type":"cancel","user":"u","ts":{MORNING_MS},"order_id":"o","version":1.5}}"#)),
        (Reason::TooManyLines, many),
    ];
    for (reason, json) in &cases {
        let found = reject(&mapping, json);
        assert_eq!(found.reason, *reason, "{}\n{found}", &json[..json.len().min(200)]);
    }
    for reason in Reason::ALL {
        let others = avro::reasons().into_iter().chain(transform::reasons()).chain([
            Reason::BadCsv,
            Reason::TimeJump,
            Reason::BadPosition,
        ]); // see `native`, `shown`, and below
        let mut known = cases.iter().map(|(known, _)| *known).chain(others);
        assert!(known.any(|known| known == reason), "{} has no case", reason.name());
        assert_eq!(Reason::ALL[reason.index()], reason);
    }
}

#[test]
fn a_time_too_far_ahead_of_those_around_its_record_is_refused_and_moves_no_clock() {
    let mapping = mapping("");
    let day_ms = 86_400_000;
    let around = Some(Around { median: EventTime(MORNING_MS), max_jump_ms: 30 * day_ms });
    let admitted = |json: &str| {
        let record = Record { around, ..record(json) };
        intake().admit_record(&mapping, &PLANS, &record, Now::default()).map(|admitted| admitted.unwrap().event.time)
    };
    let view = |ts: i64| format!(r#"{{"type":"view","user":"u","ts":{ts},"item":"i"}}"#);
    let last = MORNING_MS + 30 * day_ms;
    assert_eq!(admitted(&view(last)), Ok(EventTime(last)));
    let found = admitted(&view(last + 1 + day_ms)).unwrap_err();
    assert_eq!((found.reason, found.time), (Reason::TimeJump, None));
    assert!(found.message.contains("lies 31 days ahead of ") && found.message.contains("(30 days)"), "{found}");
    let without_item = |ts: i64| admitted(&format!(r#"{{"type":"view","user":"u","ts":{ts}}}"#)).unwrap_err();
    assert_eq!(without_item(last).time, Some(EventTime(last)));
    assert_eq!((without_item(last + 1).reason, without_item(last + 1).time), (Reason::MissingField, None));
}

#[test]
fn the_reference_explains_every_reason() {
    let reference = include_str!("../../docs/mapping.md");
    for reason in Reason::ALL {
        assert!(reference.contains(&format!("| `{}` |", reason.name())), "{} is not in docs/mapping.md", reason.name());
    }
}

#[test]
fn a_message_says_the_field_what_was_found_where_and_what_to_do() {
    let mapping = mapping(r#"fields.user = ["/customer_id", "/cookie_id"]"#);
    let cases = [
        (
            r#"{"type":"view","customer_id":{"id":"secret"},"ts":1700000000123,"item":"i"}"#,
            "bad_type: user (/customer_id, to column 44): an object; an id is text or a whole number: map the field \
             that holds it",
        ),
        (
            r#"{"type":"view","customer_id":17.0,"ts":1700000000123,"item":"i"}"#,
            "bad_type: user (/customer_id, to column 33): a number with a fraction or exponent, or beyond 64 bits; an id \
             is text or a whole number: map the field that holds it, or make 17.0 whole in a transform: tostring | \
             sub(\"\\\\.0+$\"; \"\")",
        ),
        (
            r#"{"type":"view","customer_id":"","cookie_id":null,"ts":1700000000123,"item":"i"}"#,
            "empty_id: user (/customer_id, /cookie_id): empty; an event needs it: do not send it without",
        ),
        (
            "{\"type\":\"order\",\"cookie_id\":\"u\",\"ts\":1700000000123,\n\"lines\":[{\"item\":1},{\"item\":[2]}]}",
            "bad_type: line_item (/item of line 2 in /lines, to line 2 column 32): an array; an id is text or a whole \
             number: map the field that holds it",
        ),
        (
            r#"{"type":"view","customer_id":7,"ts":1700000000123456,"item":"i"}"#,
            "bad_time: time (/ts, to column 52): 1700000000123456 lies beyond the year 9999 in ms; in us it would be \
             2023-11-14T22:13:20.123Z: set unit = \"us\"",
        ),
        (
            r#"{"type":"view","customer_id":7,"ts":1700000000,"item":"i"}"#,
            "time_too_early: time: 1970-01-20T16:13:20Z read as ms lies before 2000-01-01T00:00:00Z, the earliest \
             accepted; in s it would be 2023-11-14T22:13:20Z: set unit = \"s\"",
        ),
        (
            r#"{"type":"a type that is far too long to be shown whole","ts":1700000000123}"#,
            "unknown_type: type (/type, to column 55): \"a type that is far too long to be shown …\" is none of add, \
             cancel, cart, click, erase, impression, order, return, view; map it under values (\"skip\" passes over it), or set other = \"skip\"",
        ),
        (
            r#"{"type":"view","customer_id":7,"ts":1700000000123,"item":"i",}"#,
            "bad_json: the record is not JSON: trailing comma at line 1 column 62; mend its producer, or skip this topic",
        ),
    ];
    for (json, message) in cases {
        assert_eq!(reject(&mapping, json).to_string(), message);
    }
}

#[test]
fn no_message_holds_a_user_id_or_a_whole_payload() {
    let mapping = mapping("");
    let secret = "jane@example.org\\t".repeat(300);
    for json in [
        format!(r#"{{"type":"view","user":"{secret}","ts":{MORNING_MS},"item":"i"}}"#),
        format!(r#"{{"type":"view","user":["{secret}"],"ts":{MORNING_MS},"item":"i"}}"#),
        format!(r#"{{"type":"view","user":"{secret}","ts":"x","item":"i"}}"#),
        format!(r#"{{"type":"view","user":"{secret}" "item":"i"}}"#),
    ] {
        let found = reject(&mapping, &json);
        assert!(!found.message.contains("jane") && found.message.len() < 300, "{found}");
    }
}

#[test]
fn the_first_place_that_gives_something_counts() {
    let mapping = mapping(r#"fields.user = ["/customer_id", "/cookie_id", { header = "visitor" }]"#);
    let user = |rest: &str| {
        let json = format!(r#"{{"type":"view","ts":{MORNING_MS},"item":"i"{rest}}}"#);
        let headers: [(&str, &[u8]); 3] = [("visitor", b"old"), ("visitor", b"h"), ("other", b"o")];
        let record = Record { headers: &headers, ..record(&json) };
        mapping.decode(&PLANS, &record).map(|decoded| decoded.unwrap().user.to_string()).map_err(|reject| reject.reason)
    };
    assert_eq!(user(r#","customer_id":"c","cookie_id":"k""#).unwrap(), "c");
    assert_eq!(user(r#","customer_id":null,"cookie_id":"k""#).unwrap(), "k");
    assert_eq!(user(r#","customer_id":"","cookie_id":"k""#).unwrap(), "k");
    assert_eq!(user(r#","cookie_id":18446744073709551615"#).unwrap(), "18446744073709551615");
    assert_eq!(user(r#","cookie_id":-7"#).unwrap(), "-7");
    assert_eq!(user("").unwrap(), "h", "of several headers the last");
    assert_eq!(user(r#","customer_id":false,"cookie_id":"k""#), Err(Reason::BadType), "there, but no id");
}

#[test]
fn fields_may_come_from_the_key_the_topic_a_header_or_a_constant() {
    let mapping = mapping(
        r#"
        type = { from = { header = "kind" }, values = { pv = "view" } }
        [fields]
        shop = { topic = true }
        user = { key = "/who/id" }
        id = { key = "" }
        item = { constant = "all" }
        time = [{ field = "/at", unit = "s" }, { record = "timestamp" }]
        "#,
    );
    let headers: [(&str, &[u8]); 1] = [("kind", b"pv")];
    let key = br#"{"who":{"id":12}}"#;
    let record = Record { key: Some(key), timestamp_ms: Some(MORNING_MS), headers: &headers, ..record("{}") };
    let decoded = mapping.decode(&PLANS, &record).unwrap().unwrap();
    assert_eq!((&*decoded.shop, &*decoded.user), ("clicks", "12"));
    assert_eq!(decoded.own_time, EventTime(MORNING_MS));
    assert_eq!(decoded.key, EventKey::of_id(EventType::View, r#"{"who":{"id":12}}"#));
    assert_eq!(items(&decoded.action), ["all"]);

    let reason = |record: Record<'_>| mapping.decode(&PLANS, &record).unwrap_err().reason;
    assert_eq!(reason(Record { key: Some(b"{"), ..record }), Reason::BadJson);
    assert_eq!(reason(Record { key: None, ..record }), Reason::MissingField);
    assert_eq!(reason(Record { timestamp_ms: None, ..record }), Reason::MissingField);
    assert_eq!(reason(Record { timestamp_ms: Some(-1), ..record }), Reason::MissingField, "the transport's none");
    assert_eq!(reason(Record { headers: &[("kind", b"\xFF")], ..record }), Reason::BadType);
}

#[test]
fn times_are_read_in_their_unit() {
    let cases = [
        ("s", "1700000000", 1_700_000_000_000),
        ("s", "1700000000.123", MORNING_MS),
        ("s", "\"1700000000\"", 1_700_000_000_000),
        ("s", "\"1700000000.123\"", MORNING_MS),
        ("s", "1.7e9", 1_700_000_000_000),
        ("ms", "1700000000123", MORNING_MS),
        ("ms", "\"1700000000123\"", MORNING_MS),
        ("ms", "1700000000123.4", MORNING_MS),
        ("us", "1700000000123999", MORNING_MS),
        ("iso8601", "\"2023-11-14T22:13:20.123Z\"", MORNING_MS),
        ("iso8601", "\"2023-11-14T23:13:20.123+01:00\"", MORNING_MS),
        ("iso8601", "\"2023-11-14T22:13:20.123\"", MORNING_MS),
        ("iso8601", "\"2023-11-14 22:13:20\"", 1_700_000_000_000),
        ("iso8601", "\"2023-11-14\"", 1_699_920_000_000),
    ];
    for (unit, written, time_ms) in cases {
        let mapping = mapping(&format!("fields.time = {{ field = \"/at\", unit = \"{unit}\" }}"));
        let json = format!(r#"{{"type":"view","user":"u","item":"i","at":{written}}}"#);
        assert_eq!(event(&mapping, &json).event.time, EventTime(time_ms), "{written} in {unit}");
    }
    for (unit, written) in
        [("iso8601", "1700000000"), ("iso8601", "\"2023-13-01\""), ("s", "\"inf\""), ("ms", "\"NaN\"")]
    {
        let mapping = mapping(&format!("fields.time = {{ field = \"/at\", unit = \"{unit}\" }}"));
        let json = format!(r#"{{"type":"view","user":"u","item":"i","at":{written}}}"#);
        assert_eq!(reject(&mapping, &json).reason, Reason::BadTime, "{written} in {unit}");
    }
}

#[test]
fn a_time_far_ahead_is_corrected_to_the_earlier_of_timestamp_and_clock() {
    let mapping = mapping("");
    let (five_minutes, hour) = (300_000, 3_600_000);
    // (own, timestamp, clock) from the morning on, in ms → (time, skewed)
    let cases = [
        (five_minutes, None, Some(0), five_minutes, false),
        (five_minutes + 1, None, Some(0), 0, true),
        (five_minutes + 1, Some(hour), Some(0), 0, true),
        (five_minutes + 1, Some(0), Some(hour), 0, true),
        (five_minutes + 1, Some(0), None, 0, true),
        (hour * 1_000_000, None, None, hour * 1_000_000, false),
        (hour, Some(-MORNING_MS), Some(hour), hour, false), // a timestamp in 1970 says nothing
    ];
    for (own, timestamp, clock, time, skewed) in cases {
        let json = format!(r#"{{"type":"view","user":"u","ts":{},"item":"i"}}"#, MORNING_MS + own);
        let at = |offset: i64| MORNING_MS + offset;
        let record = Record { timestamp_ms: timestamp.map(at), ..record(&json) };
        let admitted = intake()
            .admit_record(&mapping, &PLANS, &record, Now { clock_ms: clock.map(at), read_to: None })
            .unwrap()
            .unwrap();
        assert_eq!(
            (admitted.event.time, admitted.skewed),
            (EventTime(at(time)), skewed),
            "{own} {timestamp:?} {clock:?}"
        );
        if skewed {
            let read_to = Some(EventTime(at(-hour)));
            let corrected = intake()
                .admit_record(&mapping, &PLANS, &record, Now { clock_ms: clock.map(at), read_to })
                .unwrap()
                .unwrap();
            let want = if timestamp.is_none() { -hour } else { time };
            assert_eq!(corrected.event.time, EventTime(at(want)), "a file's line is as old as its file");
        }
        let own_key = EventKey::of_item(EventType::View, "i", EventTime(at(own)));
        assert_eq!(admitted.event.key, own_key, "the key is made before the correction");
    }
}

#[test]
fn a_reject_with_a_good_time_reports_it_corrected() {
    let mapping = mapping("");
    let empty = |time_ms: i64| format!(r#"{{"type":"order","user":"u","ts":{time_ms},"lines":[]}}"#);
    let time = |time_ms: i64| {
        intake()
            .admit_record(&mapping, &PLANS, &record(&empty(time_ms)), Now { clock_ms: Some(MORNING_MS), read_to: None })
            .unwrap_err()
            .time
    };
    assert_eq!(time(MORNING_MS - 5), Some(EventTime(MORNING_MS - 5)));
    assert_eq!(time(MORNING_MS * 2), Some(EventTime(MORNING_MS)), "a reject from 2077 must not move the source there");
    assert_eq!(time(1_700_000_000), None, "1970");
    let unknown = format!(r#"{{"type":"return","ts":{MORNING_MS}}}"#);
    assert_eq!(reject(&mapping, &unknown).time, Some(EventTime(MORNING_MS)));
    assert_eq!(reject(&mapping, "{").time, None);
}

#[test]
fn lines_may_be_texts_or_lie_deep_and_share_a_place_with_a_view() {
    let texts = mapping("type = \"order\"\n[fields]\nlines = \"/basket/skus\"\nline_item = \"\"");
    let json = format!(r#"{{"user":"u","ts":{MORNING_MS},"basket":{{"skus":["a",2,"\u0063"]}}}}"#);
    assert_eq!(items(&event(&texts, &json).event.action), ["a", "2", "c"]);

    let shared = mapping(
        "[fields]\nitem = \"/items/0/product/id\"\nlines = \"/items\"\nline_item = [\"/sku\", \"/product/id\"]",
    );
    let both = r#"[{"product":{"id":"p"}},{"sku":"s","product":{"id":"q"}},{"sku":"","product":{"id":"r"}}]"#;
    let json = |kind: &str| format!(r#"{{"type":"{kind}","user":"u","ts":{MORNING_MS},"items":{both}}}"#);
    assert_eq!(items(&event(&shared, &json("order")).event.action), ["p", "s", "r"]);
    assert_eq!(items(&event(&shared, &json("view")).event.action), ["p"]);
}

#[test]
fn lines_without_item_refuse_the_order_unless_they_are_to_be_skipped() {
    let json = format!(
        r#"{{"type":"order","user":"u","ts":{MORNING_MS},"lines":[{{"item":1}},{{"voucher":2}},{{"item":3}}]}}"#
    );
    let found = reject(&mapping(""), &json);
    assert!(found.reason == Reason::MissingField && found.message.contains("/item of line 2 in /lines"), "{found}");
    let skipping = mapping("fields.line_without_item = \"skip\"");
    assert_eq!(items(&event(&skipping, &json).event.action), ["1", "3"]);
    let vouchers = format!(r#"{{"type":"order","user":"u","ts":{MORNING_MS},"lines":[{{"voucher":2}}]}}"#);
    assert_eq!(reject(&skipping, &vouchers).reason, Reason::EmptyOrder);
}

#[test]
fn of_a_repeated_name_the_last_counts_with_all_below_it() {
    let mapping = mapping("fields.user = \"/a/b\"");
    let with = |rest: &str| format!(r#"{{"type":"order","ts":{MORNING_MS},"lines":["x"],{rest}}}"#);
    let lines = r#""lines":[{"item":1},{"item":2,"item":3}]"#;
    let json = with(&format!(r#""a":{{"b":"u"}},"a":{{"b":"v"}},{lines}"#));
    let seen = event(&mapping, &json);
    assert_eq!((&*seen.event.user, items(&seen.event.action)), ("v", vec!["1".to_owned(), "3".to_owned()]));
    assert_eq!(reject(&mapping, &with(&format!(r#""a":{{"b":"u"}},"a":{{}},{lines}"#))).reason, Reason::MissingField);
    assert_eq!(reject(&mapping, &with(r#""a":{"b":"u"},"lines":null"#)).reason, Reason::EmptyOrder);
}

#[test]
fn pointers_follow_their_escapes() {
    let mapping = mapping("fields.user = \"/x~1y/m~0n/1/\"\nfields.item = \"/0\"");
    let json = format!(r#"{{"type":"view","ts":{MORNING_MS},"0":"i","x\/y":{{"m~n":[{{"":"w"}},{{"":"u"}}]}}}}"#);
    assert_eq!(&*event(&mapping, &json).event.user, "u");
}

#[test]
fn text_without_escapes_is_borrowed_from_the_record() {
    let mapping = mapping("");
    let json = format!(r#"{{"type":"order","user":"u","shop":"s\u0031","ts":{MORNING_MS},"lines":[{{"item":"a"}}]}}"#);
    let seen = event(&mapping, &json).event;
    let range = json.as_bytes().as_ptr_range();
    assert!(range.contains(&seen.user.as_ptr()));
    let Action::Order { items, .. } = &seen.action else { panic!("an order") };
    assert!(range.contains(&items[0].as_ptr()));
    assert_eq!(&*seen.shop, "s1");
}

#[test]
fn records_of_an_order_say_what_they_do_to_it() {
    let mapping = mapping("");
    let record = |kind: &str, more: &str| {
        let json = format!(r#"{{"type":"{kind}","user":"u","ts":{MORNING_MS},"order_id":7,{more}}}"#);
        format!("{:?}", event(&mapping, &json).event.action)
    };
    let order = |step, version, items: &[&str]| {
        let items = items.iter().map(|item| item.to_string().into()).collect();
        format!("{:?}", Action::Order { step, order_id: "7".into(), version, items, money: None })
    };
    let lines = r#""lines":[{"item":"a"},{"item":"b"}]"#;
    assert_eq!(record("order", &format!(r#"{lines},"version":3"#)), order(OrderStep::State, Some(3), &["a", "b"]));
    assert_eq!(record("add", lines), order(OrderStep::Add, None, &["a", "b"]));
    assert_eq!(record("add", r#""item":"c""#), order(OrderStep::Add, None, &["c"]), "a record a line");
    assert_eq!(record("return", r#""item":"c","version":"-4""#), order(OrderStep::Return, Some(-4), &["c"]));
    assert_eq!(
        record("cancel", &format!(r#"{lines},"version":"1970-01-01T00:00:02Z""#)),
        order(OrderStep::Cancel, Some(2_000), &[])
    );
    let of_two = format!(r#"{{"type":"order","user":"u","ts":{MORNING_MS},"order_id":7,"item":"c"}}"#);
    assert_eq!(reject(&mapping, &of_two).reason, Reason::EmptyOrder, "an order's state is never one item by chance");
}

#[test]
fn a_view_has_its_session_and_an_erasure_needs_no_time() {
    let mapping = mapping("");
    let json = format!(r#"{{"type":"view","user":"u","ts":{MORNING_MS},"item":"i","session":12}}"#);
    let seen = event(&mapping, &json);
    assert_eq!(seen.event.action, Action::View { item: "i".into(), session: Some("12".into()) });
    for (read_to, clock_ms, want) in [(Some(5), Some(MORNING_MS), 5), (None, Some(MORNING_MS), MORNING_MS)] {
        let now = Now { clock_ms, read_to: read_to.map(|ms| EventTime(MORNING_MS - ms)) };
        let want = if read_to.is_some() { MORNING_MS - want } else { want };
        let erased = intake().admit_record(&mapping, &PLANS, &record(r#"{"type":"erase","user":"u"}"#), now);
        let erased = erased.unwrap().unwrap();
        assert_eq!((erased.event.action, erased.event.time), (Action::Erase, EventTime(want)));
        assert_eq!(erased.user, UserKeys::new([0; 16]).key("main", "u"));
    }
}

#[test]
fn an_order_without_a_user_is_of_one_of_its_own_where_the_mapping_says_so() {
    let json =
        |more: &str| format!(r#"{{"type":"order","user":null,"ts":{MORNING_MS},"lines":[{{"item":"a"}}]{more}}}"#);
    assert_eq!(reject(&mapping(""), &json("")).reason, Reason::MissingField);
    let mapping = mapping("fields.user_missing = \"anonymous\"");
    let user = |json: &str| event(&mapping, json).user;
    let numbered = user(&json(r#","order_id":"7""#));
    let cancelled = format!(r#"{{"type":"cancel","ts":{},"order_id":7}}"#, MORNING_MS + 1);
    assert_eq!(numbered, user(&cancelled), "a later record finds it");
    assert_ne!(numbered, user(&json(r#","order_id":"8""#)));
    assert_eq!(user(&json("")), user(&json("")), "sent again");
    assert_ne!(user(&json(r#","event_id":"1""#)), user(&json(r#","event_id":"2""#)));
    let view = format!(r#"{{"type":"view","ts":{MORNING_MS},"item":"i"}}"#);
    assert_eq!(reject(&mapping, &view).reason, Reason::MissingField, "orders only");
}
