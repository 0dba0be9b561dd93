//! A source's jq program: what it gives, what is refused at start and in a run, and that a run ends.

use super::avro::{datum, wire};
use super::*;
use crate::limits::TRANSFORM_OUTPUTS_MAX;
use serde_json::json;

fn spec(program: &str) -> MappingSpec {
    MappingSpec { transform: Some(program.to_owned()), ..MappingSpec::default() }
}

fn of(program: &str) -> Mapping {
    spec(program).compile().unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn refused_at_start(program: &str) -> String {
    spec(program).compile().expect_err(program).to_string()
}

/// What a program gives for a record, as texts.
fn gives(program: &str, record: &Record<'_>) -> Result<Vec<String>, Reject> {
    let outputs = of(program).transform(&PLANS, record)?;
    Ok(outputs.iter().map(Output::to_json).collect())
}

/// What is said of a program that may not take more than a few steps.
fn fails_soon(program: &str) -> String {
    const FEW: usize = 30_000;
    let reject = of(program).form().transform_within(FEW, &PLANS, &record("{}")).expect_err(program);
    assert_eq!(reject.reason, Reason::Transform, "{program}: {reject}");
    reject.message
}

fn one(program: &str, json: &str) -> String {
    gives(program, &record(json)).unwrap_or_else(|reject| panic!("{program}: {reject}")).join(" ")
}

fn fails(program: &str, json: &str) -> String {
    let reject = gives(program, &record(json)).expect_err(program);
    assert_eq!(reject.reason, Reason::Transform, "{program}: {reject}");
    reject.message
}

const BATCH: &str = r#"{"who": "u7", "at": 1700000000123, "hits": [
    {"t": "pageview", "sku": "a"}, {"t": "scroll"}, {"t": "order", "no": 12345678901234567890, "skus": ["a", "b"]}, {"t": "pageview"}]}"#;

const UNPACK: &str = r#"
    . as $batch | .hits[] | select(.t != "scroll")
    | {user: $batch.who, ts: $batch.at, type: (if .t == "order" then "order" else "view" end),
       item: .sku, order_id: .no, lines: [.skus[]? | {item: .}]}"#;

#[test]
fn a_batch_gives_an_event_for_each_of_its_hits_and_a_reject_of_its_own_for_a_bad_one() {
    let mapping = of(UNPACK);
    let batch = record(BATCH);
    let outputs = mapping.transform(&PLANS, &batch).unwrap();
    let admit = |output| intake().admit_output(&mapping, &PLANS, &batch, output, Now::default());
    let [view, order, bad] = &outputs[..] else { panic!("{outputs:?}") };
    let seen = admit(view).unwrap().unwrap();
    assert_eq!((&*seen.event.user, seen.event.time.0), ("u7", MORNING_MS));
    assert_eq!(seen.event.action, Action::View { item: "a".into(), session: None });
    let bought = admit(order).unwrap().unwrap();
    let lines = ["a", "b"].map(Into::into).to_vec();
    assert_eq!(
        bought.event.action,
        Action::Order {
            step: OrderStep::State,
            order_id: "12345678901234567890".into(),
            version: None,
            items: lines,
            money: None
        }
    );
    let reject = admit(bad).unwrap_err();
    assert_eq!(reject.reason, Reason::MissingField);
    assert!(reject.message.starts_with("item (/item): missing"), "{reject}");
    assert_eq!(reject.time, Some(EventTime(MORNING_MS)));
}

#[test]
fn numbers_keep_their_digits_and_texts_their_characters() {
    for (program, json, want) in [
        (".", r#"{"a":12345678901234567890,"b":123456789012345678901234567890}"#, ""),
        (".", r#"{"a":0.10,"b":1e3,"c":-7,"d":"é\n\"件\\","e":[true,false,null,{}],"f":[]}"#, ""),
        (".a + 1", r#"{"a":9007199254740993}"#, "9007199254740994"),
        (".a | tostring", r#"{"a":98765432109876543210}"#, "\"98765432109876543210\""),
        (".a | tojson | fromjson", r#"{"a":{"b":98765432109876543210}}"#, r#"{"b":98765432109876543210}"#),
        (".a | fromjson | .items[0]", r#"{"a":"{\"items\":[\"x\"]}"}"#, "\"x\""),
        (".a | tonumber", r#"{"a":"0017"}"#, "17"),
        (".a", r#"{"a":1,"a":2}"#, "2"),
        (".a / 2", r#"{"a":3}"#, "1.5"),
    ] {
        assert_eq!(one(program, json), if want.is_empty() { json } else { want }, "{program} of {json}");
    }
}

#[test]
fn a_calculated_whole_number_is_an_id_and_a_time() {
    let mapping = of("{type: \"view\", user: (.u / 2), ts: (.s * 1000), item: (.i * 1.0)}");
    let source = record(r#"{"u": 34, "s": 1700000000.123, "i": 5}"#);
    let outputs = mapping.transform(&PLANS, &source).unwrap();
    let seen = intake().admit_output(&mapping, &PLANS, &source, &outputs[0], Now::default()).unwrap().unwrap();
    assert_eq!((&*seen.event.user, seen.event.time.0), ("17", MORNING_MS));
    assert_eq!(items(&seen.event.action), ["5"]);
}

#[test]
fn a_program_sees_key_headers_topic_and_timestamp() {
    let headers = [("kind", &b"old"[..]), ("kind", b"new"), ("raw", b"\xff")];
    let whole = Record {
        topic: "clicks",
        key: Some(b"k1"),
        value: Some(b"{}"),
        timestamp_ms: Some(5),
        headers: &headers,
        around: None,
    };
    let program = "[$key, $headers.kind, ($headers.raw | length), $topic, $timestamp]";
    assert_eq!(gives(program, &whole).unwrap(), [r#"["k1","new",1,"clicks",5]"#]);
    let bare = Record { value: Some(b"{}"), ..Record::default() };
    assert_eq!(gives("[$key, $headers, $topic, $timestamp]", &bare).unwrap(), [r#"[null,{},"",null]"#]);
}

#[test]
fn a_field_can_still_come_from_beside_the_value() {
    let mut spec = spec(".hits[]");
    spec.fields.user = toml::from_str::<MappingSpec>("fields.user = { key = \"\" }").unwrap().fields.user;
    let mapping = spec.compile().unwrap();
    let source = Record {
        key: Some(b"u9"),
        value: Some(br#"{"hits": [{"type": "view", "ts": 1700000000123, "item": "a"}]}"#),
        ..Record::default()
    };
    let outputs = mapping.transform(&PLANS, &source).unwrap();
    let seen = intake().admit_output(&mapping, &PLANS, &source, &outputs[0], Now::default()).unwrap().unwrap();
    assert_eq!(&*seen.event.user, "u9");
}

#[test]
fn what_is_not_the_same_each_time_does_not_exist() {
    for program in [
        "now",
        "env",
        "$ENV",
        "$ENV.HOME",
        "env.HOME",
        "input",
        "inputs",
        "[inputs]",
        "input_filename",
        "debug",
        "debug(\"x\")",
        "stderr",
        "halt",
        "halt_error",
        "halt(1)",
        "localtime",
        "strflocaltime(\"%H\")",
        "input_line_number",
        "get_search_list",
        ".a | now",
        "def f: now; .",
        "\"\\(now)\"",
    ] {
        let error = refused_at_start(program);
        assert!(
            error.starts_with("transform: line 1, column ") && error.contains(" is not defined"),
            "{program}: {error}"
        );
    }
    let error = refused_at_start(".a |\n  now");
    assert!(
        error.starts_with("transform: line 2, column 3: filter now/0 is not defined; a transform must give the same"),
        "{error}"
    );
}

#[test]
fn a_program_that_cannot_be_compiled_is_refused_with_its_place() {
    for (program, want) in [
        ("", "transform: line 1, column 1: expected term, the program ends here"),
        (".a | ", "transform: line 1, column 6: expected term, the program ends here"),
        ("{a: .b\n", "transform: line 1, column 1: \"{\" is not closed"),
        (".items[] |\n select(.a = = 1)", "transform: line 2, column 14: expected term, here is \"=\""),
        ("if .a then .b", "transform: line 1, column 14: expected else or end, the program ends here"),
        (".a |\n\n nosuch(1; 2)", "transform: line 3, column 2: filter nosuch/2 is not defined"),
        (
            "$user",
            "transform: line 1, column 1: variable $user is not defined; of the record there are $key, $headers, $topic, $timestamp",
        ),
        (".a § .b", "transform: line 1, column 4: expected token, here is \"§ .b\""),
        ("import \"x\" as x; .", "transform: line 1, column 8: expected nothing, here is \"\\\"x\\\"\""),
        ("!step", "transform: line 1, column 1: expected term, here is \"!\""),
    ] {
        assert_eq!(refused_at_start(program), want, "{program}");
    }
    assert!(refused_at_start(&"#".repeat(70_000)).contains("70000 bytes, more than 65536"));
    let with_reader = of(".").with_schemas(None, Some("\"string\"")).unwrap_err();
    assert_eq!(with_reader.field, "reader_schema_file");
}

#[test]
fn a_run_ends_whatever_the_program() {
    for program in [
        "[range(1e12)]",
        "range(1e12) | empty",
        "[range(1e12)]?",
        "try [range(1e12)] catch 1",
        "[.[]?, range(infinite)]",
        "repeat(.) | empty",
        "[repeat(1)]",
        "last(repeat(1))",
        "def f: f; f",
        "def f: try f catch f; f",
        "def f: f?; f",
        "def f: def g: f; [g]; first(f)",
        "def f: def g: f; g; f",
        "until(false; .)",
        "[while(true; .)]",
        "[recurse(.)]",
        "last(range(1e12)?)",
        "[limit(1e12; repeat(1))]",
        "first(range(1e12) | select(. < 0))",
        "isempty(range(1e12) | empty)",
        "any(range(1e12); . < 0)",
        "label $out | foreach range(1e12) as $i (0; . + 1; if . < 0 then break $out else empty end)",
        "reduce range(1e12) as $i (0; . + $i)",
        "[range(1000)] | [.[] as $a | .[] as $b | .[] as $c | 1] | length",
        "[range(1000)] | [.[] + .[] + .[]] | length",
        "[range(1000)] | [(.[] | empty), (.[] as $a | .[] as $b | .[] | empty)]",
        "[limit(1000; repeat(1))] | [.. as $a | .. as $b | .. as $c | 1] | length",
        "reduce range(60) as $i (\"x\"; . + .) | length",
        "reduce range(60) as $i (\"x\"; . += .) | length",
        "reduce range(60) as $i (\"x\"; . * 2) | length",
        "reduce range(60) as $i (\"x\"; . *= 2) | length",
        "reduce range(60) as $i (\"x\"; \"\\(.)\\(.)\") | length",
        "reduce range(60) as $i (\"\\\"\"; tojson) | length",
        "reduce range(60) as $i ([1]; . + .) | length",
        "\"x\" * 1e15 | length",
        "\"x\" * 99999999999999999999999 | length",
        "[range(60)] | map([0, 1]) | combinations | empty",
        "(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|(1,2)|empty",
        ".a |= (range(1e12) | empty)",
        "path(repeat(.a)) | empty",
        "getpath([range(1e12)])",
    ] {
        let message = fails_soon(program);
        let limits = [
            "the program fails: more than 30000 steps for one record".to_owned(),
            "the program fails: calls itself too deeply".to_owned(),
        ];
        assert!(limits.iter().any(|limit| message.starts_with(limit)), "{program}: {message}");
    }
    for program in [
        "reduce range(1e6) as $i (0; [.])",
        "reduce range(1e6) as $i (0; [0, .])",
        "reduce range(1e6) as $i (0; [., 0])",
        "reduce range(1e6) as $i (0; {a: .})",
        "reduce range(1e6) as $i (0; {a: 1, b: .})",
        "reduce range(1e6) as $i ([]; [[$i], .])",
        "[limit(100000; recurse([.]))] | length",
        "reduce range(1e6) as $i (0; [.]) | tojson",
    ] {
        assert!(fails_soon(program).starts_with("the program fails: a value nested deeper than 1000"), "{program}");
    }
    for program in ["def f: 1 + f; f", "def f: [f]; f", "def f: f | f; f", "def f: {a: f}; f"] {
        assert!(fails_soon(program).starts_with("the program fails: calls itself too deeply"), "{program}");
    }
}

#[test]
fn what_honest_programs_do_is_within_the_bounds() {
    let lines: Vec<_> = (0..LINES_MAX).map(|n| json!({"sku": n, "parent": null, "qty": 1})).collect();
    let order = json!({"lines": lines, "who": "u"}).to_string();
    for (program, want) in [
        ("[.lines[] | select(.parent == null) | {item: .sku, qty}] | length", LINES_MAX),
        (".lines | map(.sku | tostring) | join(\",\") | length", 588_889),
        (".lines | group_by(.qty) | map(length) | add", LINES_MAX),
        ("reduce .lines[] as $line ({}; .[$line.sku | tostring] += $line.qty) | length", LINES_MAX),
        ("[.lines[].sku] | unique | length", LINES_MAX),
        ("[limit(5; .lines[])] | length", 5),
        ("[.. | .sku? // empty] | length", LINES_MAX - 1 + 1),
    ] {
        assert_eq!(one(program, &order), want.to_string(), "{program}");
    }
}

#[test]
fn the_outputs_of_a_record_have_a_limit() {
    assert_eq!(gives(&format!("range({TRANSFORM_OUTPUTS_MAX})"), &record("{}")).unwrap().len(), TRANSFORM_OUTPUTS_MAX);
    let message = fails(&format!("range({})", TRANSFORM_OUTPUTS_MAX + 1), "{}");
    assert!(message.starts_with("the program fails: more than 10000 values of one record"), "{message}");
}

#[test]
fn a_record_on_which_the_program_fails_is_refused_whole_and_nothing_of_it_is_told() {
    let secret = r#"{"user": "secret-user-77", "a": [{"b": "secret item"}], "n": 4711, "lines": {"x": 1}}"#;
    for (program, want) in [
        (".user.id", "cannot index \"…\" with \"id\""),
        (".a[0].b[0]", "cannot index \"…\" with 0"),
        (".n[]", "cannot use N as iterable (array or object)"),
        ("{user: 1}, error(\"no customer in \\(.user)\")", "no customer in …"),
        ("error({code: 5, user: .user})", "{…}"),
        (".user + 1", "cannot calculate \"…\" + 1"),
        (".user | fromjson", "a text that is not JSON: … at line N column N"),
        (".user | tonumber", "a text that is not JSON: … at line N column N"),
        ("error", "{…}"),
        ("error(null)", "null"),
    ] {
        let message = fails(program, secret);
        for told in ["secret", "77", "4711"] {
            assert!(!message.contains(told), "{program}: {message}");
        }
        assert!(
            message.starts_with(&format!("the program fails: {want}; the record is refused whole")),
            "{program}: {message}"
        );
    }
}

#[test]
fn what_is_no_json_is_no_input() {
    for json in
        ["", "{", "{}{}", "{\"a\": NaN}", "{\"a\": 01}", "[1,]", "{\"a\": \"\\ud800\"}", "nul", "{a: 1}", "# {}"]
    {
        let reject = gives(".", &record(json)).expect_err(json);
        assert_eq!(reject.reason, Reason::BadJson, "{json}: {reject}");
    }
    let reject = gives(".", &Record { value: Some(b"{\"a\": \"\xff\"}"), ..Record::default() }).unwrap_err();
    assert!(reject.message.contains("not UTF-8 at byte 7"), "{reject}");
    let deep = "[".repeat(100_000);
    assert_eq!(gives(".", &record(&deep)).unwrap_err().reason, Reason::BadJson);
    assert!(fails(".a | fromjson", &json!({ "a": deep }).to_string()).contains("JSON:"));
    let long = format!("{{\"a\": {}}}", "9".repeat(1001));
    assert_eq!(gives(".", &record(&long)).unwrap_err().reason, Reason::BadJson);
    assert_eq!(one(".", "[]"), "[]", "what the program makes of it is its own business");
}

#[test]
fn an_output_that_is_no_object_is_a_reject() {
    let mapping = of(".[]");
    let source = record("[1, {}]");
    let outputs = mapping.transform(&PLANS, &source).unwrap();
    let reject = mapping.decode_output(&PLANS, &source, &outputs[0]).unwrap_err();
    assert_eq!(reject.reason, Reason::NotAnObject);
    assert!(reject.message.starts_with("the value is a whole number, not an object"), "{reject}");
}

#[test]
fn a_value_is_read_as_the_same_json_would_be() {
    let events = [
        r#"{"type":"order","user":17,"ts":"1700000000123","lines":[{"item":"a"},{"item":2},{"item":null}],"order_id":5}"#,
        r#"{"type":"order","user":"u","ts":1700000000123,"lines":[]}"#,
        r#"{"type":"order","user":"u","ts":1700000000123,"lines":{"a":1}}"#,
        r#"{"type":"view","user":1.5,"ts":1700000000123,"item":"a"}"#,
        r#"{"type":"view","user":18446744073709551615,"ts":1700000000123,"item":"a"}"#,
        r#"{"type":"view","user":18446744073709551616,"ts":1700000000123,"item":"a"}"#,
        r#"{"type":"view","user":true,"ts":1700000000123,"item":"a"}"#,
        r#"{"type":"view","user":{"a":1},"ts":1700000000123,"item":"a"}"#,
        r#"{"type":"cart","user":"é","ts":1700000000.123,"item":"件"}"#,
        r#"{"type":"view","user":"u","ts":1700000000123,"item":""}"#,
        r#"{"type":"wish","user":"u","ts":1700000000123}"#,
        r#"{"user":"u"}"#,
        r#"{"type":"order","user":"u","ts":1,"shop":"a/b","lines":[["x"],"y"]}"#,
    ];
    let fields =
        "fields.line_item = [\"/item\", \"\", \"/0\"]\nfields.item = [\"/item\", \"/lines/0/item\", \"/lines/1\"]";
    let plain = mapping(fields);
    let through = mapping(&format!("transform = \".\"\n{fields}"));
    for json in events {
        let source = record(json);
        let without_place = |reject: Reject| {
            let (start, rest) = reject.message.split_once(", to column ").unwrap_or((&reject.message, ""));
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            Reject { message: format!("{start}{rest}"), ..reject }
        };
        let outputs = through.transform(&PLANS, &source).unwrap();
        let got = through.decode_output(&PLANS, &source, &outputs[0]);
        assert_eq!(got, plain.decode(&PLANS, &source).map_err(without_place), "{json}");
    }
}

#[test]
fn avro_is_seen_whole() {
    const SCHEMA: &str = r#"{"type": "record", "name": "All", "fields": [
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["view", "order"]}},
        {"name": "user", "type": ["null", "string", "long"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "int"}}},
        {"name": "none", "type": "null"}, {"name": "yes", "type": "boolean"}, {"name": "half", "type": "double"},
        {"name": "text", "type": "bytes"}, {"name": "big", "type": "long"},
        {"name": "next", "type": ["null", "All"]}
    ]}"#;
    let inner = json!({"kind": "view", "user": null, "at": 7, "tags": {}, "none": null, "yes": false, "half": 0.25, "text": [],
        "big": -1, "next": null});
    let value = json!({"kind": "order", "user": "u1", "at": 1_700_000_000_123_000_i64, "tags": {"a": [1, -2]}, "none": null,
        "yes": true, "half": 0.5, "text": [104, 105], "big": 9_007_199_254_740_993_i64, "next": inner});
    let bytes = wire(&datum(SCHEMA, value));
    let mapping = mapping("format = \"avro\"\ntransform = \".\"");
    let mut plans = Plans::default();
    let source = Record { value: Some(&bytes), ..Record::default() };
    assert_eq!(mapping.missing_schema(&plans, &source), Some(SchemaId(7)));
    mapping.learn(&mut plans, SchemaId(7), Learned::Schema(SCHEMA));
    let outputs = mapping.transform(&plans, &source).unwrap();
    let want = r#"{"kind":"order","user":"u1","at":1700000000123000,"tags":{"a":[1,-2]},"none":null,"yes":true,"half":0.5,"text":"hi","big":9007199254740993,"next":{"kind":"view","user":null,"at":7,"tags":{},"none":null,"yes":false,"half":0.25,"text":"","big":-1,"next":null}}"#;
    assert_eq!(outputs[0].to_json(), want);
    for cut in 5..bytes.len() {
        let source = Record { value: Some(&bytes[..cut]), ..Record::default() };
        assert_eq!(mapping.transform(&plans, &source).unwrap_err().reason, Reason::BadAvro, "cut at {cut}");
    }
}

#[test]
fn a_decimal_of_avro_keeps_its_places() {
    for (bytes, scale, want) in [
        (&[0x04, 0xE2][..], 2, "12.50"),
        (&[0xFB, 0x1E], 2, "-12.50"),
        (&[0x05], 2, "0.05"),
        (&[0xFB], 2, "-0.05"),
        (&[0x00], 0, "0"),
        (&[], 2, "0.00"),
        (&[0x80], 0, "-128"),
        (&[0x00, 0xAB, 0x54, 0xA9, 0x8C, 0xEB, 0x1F, 0x0A, 0xD2], 0, "12345678901234567890"),
        (
            &[0x01, 0x8E, 0xE9, 0x0F, 0xF6, 0xC3, 0x73, 0xE0, 0xEE, 0x4E, 0x3F, 0x0A, 0xD2],
            10,
            "12345678901234567890.1234567890",
        ),
    ] {
        let schema = format!(r#"{{"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": {scale}}}"#);
        let mapping = mapping("format = \"avro\"\ntransform = \".\"").with_schemas(Some(&schema), None).unwrap();
        let value = [&[u8::try_from(2 * bytes.len()).unwrap()], bytes].concat();
        let source = Record { value: Some(&value), ..Record::default() };
        assert_eq!(mapping.transform(&PLANS, &source).unwrap()[0].to_json(), want);
    }
}

#[test]
fn a_key_of_avro_is_its_value() {
    let mapping = mapping("format = \"json\"\nkey_format = \"avro\"\ntransform = \"$key\"");
    let mut plans = Plans::default();
    let key = wire(&[4, b'k', b'1']);
    let source = Record { key: Some(&key), value: Some(b"{}"), ..Record::default() };
    assert_eq!(mapping.missing_schema(&plans, &source), Some(SchemaId(7)));
    mapping.learn(&mut plans, SchemaId(7), Learned::Schema("\"string\""));
    assert_eq!(mapping.transform(&plans, &source).unwrap()[0].to_json(), "\"k1\"");
    let unused = super::mapping("key_format = \"avro\"\ntransform = \".\"");
    assert_eq!(unused.missing_schema(&Plans::default(), &source), None, "nobody looks at it");
}

/// A reason that no record without a program can have, for the test that asks for all reasons.
pub fn reasons() -> Vec<Reason> {
    vec![of("error").transform(&PLANS, &record("{}")).unwrap_err().reason]
}

/// Where programs written for jq would be surprised, as docs/mapping.md tells.
#[test]
fn what_differs_from_jq_is_as_it_is_told() {
    assert!(fails(".a.b = 1", "{}").contains("cannot use null as iterable"));
    assert_eq!(one(".a = {b: 1}", "{}"), r#"{"a":{"b":1}}"#);
    assert_eq!(one("[.a?, .a?.b?] | length", "5"), "0");
    assert_eq!(one("[.a.b.c, (.a // \"none\")]", "{}"), r#"[null,"none"]"#);
    assert_eq!(
        one("[\"2024-06-10T06:13:20Z\" | fromdate, (1718000000 | todate)]", "{}"),
        r#"[1718000000,"2024-06-10T06:13:20Z"]"#
    );
    assert_eq!(one("\"2024-06-10 06:13\" | strptime(\"%Y-%m-%d %H:%M\") | mktime", "{}"), "1717999980");
    assert_eq!(one("[.[] | IN(1, 2)]", "[1, 3]"), "[true,false]");
    assert_eq!(one("INDEX(.id) | keys", r#"[{"id":"b"},{"id":"a"}]"#), r#"["a","b"]"#);
    assert_eq!(one("[.a | toarray, trimstr(\"x\")]", r#"{"a":"xyx"}"#), r#"[["xyx"],"y"]"#);
}
