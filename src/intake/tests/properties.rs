//! Any bytes, any object: the same outcome as the naive decoder's, never a panic.

use super::naive::{Outcome, expected, of_the_room};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

const MAPPINGS: [&str; 8] = [
    "",
    "fields.user = \"/a/0\"\nfields.user_missing = \"anonymous\"\nfields.version = { key = \"/a\" }\nfields.session = \"/zzz\"",
    "fields.user = [\"/a/0\", \"/user\", \"/a/user\"]\nfields.id = \"/order_id\"",
    "fields.lines = \"/a/lines\"\nfields.line_item = [\"/0\", \"/item\"]\nfields.line_without_item = \"skip\"",
    "fields.line_item = [\"\", \"/item\"]",
    "fields.item = \"/lines/0/item\"\nfields.line_item = [\"/a/item\", \"/item\"]\nfields.shop = \"/lines/1/a/item\"",
    "type = { field = \"/type\", values = { view = \"skip\", order = \"order\", \"7\" = \"cart\" }, other = \"skip\" }",
    "type = \"order\"\nfields.user = [{ key = \"/user\" }, { key = \"\" }]\nfields.time = [\"/ts\", { record = \"timestamp\" }]",
];

/// A JSON value as written, so that names may repeat and texts be escaped.
fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        4 => select(vec!["\"u\"", "\"\"", "\"a b\"", "\"\\u0061\\/\"", "\"é\\n\"", "7", "-7", "18446744073709551615"]),
        1 => select(vec!["null", "true", "1.5", "1e3", "-0", "\"x/y\"", "\"view\"", "\"7\"", "{}", "[]", "1700000000123"]),
    ];
    let scalar = scalar.prop_map(str::to_owned);
    let long = (250_usize..260).prop_map(|length| format!("\"{}\"", "x".repeat(length)));
    let leaf = prop_oneof![20 => scalar, 1 => long];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|elements| format!("[{}]", elements.join(" , "))),
            vec((name(), inner), 0..4).prop_map(|fields| object(&fields)),
        ]
    })
}

fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["item", "user", "a", "0", "1", "lines", "i\\u0074em", "zzz", "\\ud83d\\ude00"])
}

fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Whether a name repeats within an object of `json`.
fn repeats(json: &str) -> bool {
    struct Names(bool);
    impl<'de> serde::Deserialize<'de> for Names {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Names(false))
        }
    }
    macro_rules! none {
        ($($visit:ident: $of:ty),*) => { $(fn $visit<E>(self, _: $of) -> Result<Self, E> { Ok(self) })* };
    }
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = Self;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("JSON")
        }
        none!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
        fn visit_unit<E>(self) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self, A::Error> {
            while let Some(Names(found)) = seq.next_element()? {
                self.0 |= found;
            }
            Ok(self)
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
            let mut met = std::collections::BTreeSet::new();
            while let Some((name, Names(found))) = map.next_entry::<String, Names>()? {
                self.0 |= found || !met.insert(name);
            }
            Ok(self)
        }
    }
    serde_json::from_str::<Names>(json).is_ok_and(|Names(found)| found)
}

#[test]
fn a_name_that_repeats_is_found_at_any_depth() {
    assert!(repeats(r#"{"a":[1,{"b":null,"c":{"x":1,"x":2}}]}"#) && repeats(r#"{"a":1,"\u0061":2}"#));
    assert!(!repeats(r#"{"a":{"b":1.5,"c":true},"b":["a",{"a":1},{"a":2}]}"#));
}

/// Fields of an event, mostly good.
fn fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let known = |values: Vec<&'static str>| prop_oneof![24 => select(values).prop_map(str::to_owned), 1 => json()];
    let lines = vec(known(vec!["{\"item\":\"i1\"}", "{\"a\":{\"item\":2},\"item\":\"i3\"}", "\"i4\""]), 0..4);
    let lines = prop_oneof![24 => lines.prop_map(|lines| format!("[{}]", lines.join(","))), 1 => json()];
    let event = (
        known(vec!["\"view\"", "\"cart\"", "\"order\"", "\"add\"", "\"return\"", "\"cancel\"", "\"erase\"", "7"])
            .prop_map(|value| ("type", value)),
        known(vec!["1700000000123", "\"1700000000123\"", "5"]).prop_map(|value| ("ts", value)),
        known(vec!["\"u1\"", "12"]).prop_map(|value| ("user", value)),
        known(vec!["\"i1\"", "99"]).prop_map(|value| ("item", value)),
        known(vec!["\"o1\""]).prop_map(|value| ("order_id", value)),
        lines.prop_map(|value| ("lines", value)),
        vec(
            (
                select(vec![
                    "session", "version", "a", "zzz", "shop", "event_id", "item", "lines", "user", "ts", "zzz",
                ]),
                json(),
            ),
            0..3,
        ),
    );
    event.prop_flat_map(|(kind, ts, user, item, order_id, lines, more)| {
        let mut all = vec![kind, ts, user, item, order_id, lines];
        all.extend(more);
        Just(all).prop_shuffle()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_walk_finds_what_a_tree_of_values_finds(
        fields in fields(),
        toml in select(MAPPINGS.to_vec()),
        key in prop::option::of(prop_oneof![json(), Just("{".to_owned())]),
        timestamp_ms in prop::option::of(Just(MORNING_MS)),
    ) {
        let json = object(&fields);
        let key = key.as_ref().map(String::as_bytes);
        let record = Record { key, timestamp_ms, ..record(&json) };
        let spec: MappingSpec = toml::from_str(toml).unwrap();
        // Which of two lines of one name is meant, nobody knows.
        let is_object = |value: serde_json::Value| value.pointer(&spec.fields.lines).is_some_and(serde_json::Value::is_object);
        prop_assume!(!serde_json::from_str(&json).is_ok_and(is_object) || !repeats(&json));
        prop_assert_eq!(of_the_room(&spec.compile().unwrap(), &record), expected(&spec, &record), "{} by {}", json, toml);
    }

    #[test]
    fn unknown_fields_change_nothing(fields in fields(), more in vec((0_usize..16, json()), 1..5), toml in select(MAPPINGS.to_vec())) {
        let mapping = mapping(toml);
        let plain = object(&fields);
        let mut with_more = fields;
        for (place, value) in more {
            with_more.insert(place % (with_more.len() + 1), ("never mapped", value));
        }
        let with_more = object(&with_more);
        prop_assert_eq!(of_the_room(&mapping, &record(&plain)), of_the_room(&mapping, &record(&with_more)));
    }

    #[test]
    fn any_bytes_are_an_event_or_a_reject_and_never_a_panic(
        mut bytes in prop_oneof![vec(any::<u8>(), 0..200), fields().prop_map(|fields| object(&fields).into_bytes())],
        damage in vec((any::<usize>(), any::<u8>()), 0..4),
        toml in select(MAPPINGS.to_vec()),
    ) {
        for (place, byte) in damage {
            let length = bytes.len().max(1);
            if let Some(place) = bytes.get_mut(place % length) {
                *place = byte;
            }
        }
        let mapping = mapping(toml);
        let record = Record { key: Some(&bytes), value: Some(&bytes), ..Record::default() };
        if let Err(reject) = intake().admit_record(&mapping, &PLANS, &record, Now { clock_ms: Some(MORNING_MS), read_to: None }) {
            prop_assert!(!reject.message.is_empty() && reject.message.len() < 600, "{}", reject);
        }
    }
}

#[test]
fn the_generator_makes_every_kind_of_outcome() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut events, mut refused, mut skipped) = (0, 0, 0);
    for toml in MAPPINGS.iter().cycle().take(600) {
        let fields = fields().new_tree(&mut runner).unwrap().current();
        match of_the_room(&mapping(toml), &record(&object(&fields))) {
            Outcome::Event { .. } => events += 1,
            Outcome::Refused(..) => refused += 1,
            Outcome::Skipped => skipped += 1,
        }
    }
    assert!(events > 100 && refused > 50 && skipped > 20, "{events} events, {refused} refused, {skipped} skipped");
}
