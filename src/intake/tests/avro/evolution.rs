//! Writers older and newer than the mapping, and the names of a reader's schema.

use super::*;

fn record_of(fields: &str) -> String {
    format!(r#"{{"type": "record", "name": "shop.View", "fields": [{fields}]}}"#)
}

/// The decoded view's (user, item, time) of `json` written by `schema`.
fn view(mapping: &Mapping, schema: &str, json: Json) -> Result<(String, String, i64), Reason> {
    let value = wire(&datum(schema, json));
    let plans = plans(mapping, schema);
    let decoded = mapping.decode(&plans, &of(&value)).map_err(|reject| reject.reason)?.unwrap();
    Ok((decoded.user.to_string(), items(&decoded.action).concat(), decoded.own_time.0))
}

fn seen(user: &str, item: &str) -> Result<(String, String, i64), Reason> {
    Ok((user.to_owned(), item.to_owned(), MORNING_MS))
}

#[test]
fn fields_added_removed_reordered_promoted_or_made_nullable_are_found() {
    let mapping = avro("type = \"view\"\nfields.user = [\"/visitor/id\", \"/user\"]");
    let first = record_of(
        r#"{"name": "user", "type": "int"}, {"name": "item", "type": "string"}, {"name": "ts", "type": "long"}"#,
    );
    assert_eq!(view(&mapping, &first, json!({"user": 5, "item": "i", "ts": MORNING_MS})), seen("5", "i"));
    let newer = record_of(
        r#"{"name": "ts", "type": "double"}, {"name": "added", "type": {"type": "map", "values": "bytes"}},
           {"name": "item", "type": ["null", "bytes"]}, {"name": "user", "type": "long"},
           {"name": "visitor", "type": ["null", {"type": "record", "name": "V", "fields": [{"name": "id", "type": ["null", "string"]}]}]}"#,
    );
    let written =
        |visitor: Json| json!({"ts": 1_700_000_000_123.0, "added": {}, "item": "i", "user": 5, "visitor": visitor});
    assert_eq!(view(&mapping, &newer, written(json!({"id": "v"}))), seen("v", "i"));
    assert_eq!(view(&mapping, &newer, written(json!({"id": null}))), seen("5", "i"));
    assert_eq!(view(&mapping, &newer, written(Json::Null)), seen("5", "i"));
    let removed = record_of(r#"{"name": "user", "type": "int"}, {"name": "ts", "type": "long"}"#);
    assert_eq!(view(&mapping, &removed, json!({"user": 5, "ts": MORNING_MS})), Err(Reason::MissingField));
}

#[test]
fn a_field_that_its_writer_renamed_is_found_by_the_writers_alias() {
    let mapping = avro("type = \"view\"");
    let renamed = record_of(
        r#"{"name": "customer", "aliases": ["client", "user"], "type": "string"}, {"name": "item", "type": "string"},
           {"name": "ts", "type": "long"}"#,
    );
    assert_eq!(view(&mapping, &renamed, json!({"customer": "c", "item": "i", "ts": MORNING_MS})), seen("c", "i"));
    let both =
        record_of(r#"{"name": "customer", "aliases": ["item"], "type": "string"}, {"name": "item", "type": "string"}"#);
    let cases = [("[\"/user\", \"/item\"]", "i"), ("\"/customer\"", "c")];
    for (pointers, user) in cases {
        // By hand: apache-avro refuses an alias that is another field's name.
        let text = format!("type = \"view\"\nfields.time = {{ record = \"timestamp\" }}\nfields.user = {pointers}");
        let mapping = avro(&text);
        let record = Record { timestamp_ms: Some(MORNING_MS), ..of(b"\0\0\0\0\x07\x02c\x02i") };
        let decoded = mapping.decode(&PLANS, &record).map_err(|reject| reject.reason);
        assert_eq!(decoded, Err(Reason::UnknownSchema));
        let plans = plans(&mapping, &both);
        assert_eq!(mapping.decode(&plans, &record).unwrap().unwrap().user, user, "a name before an alias");
    }
    let twice = avro("type = \"view\"\nfields.user = [\"/user\", \"/customer\"]\nfields.item = \"/customer\"");
    assert_eq!(view(&twice, &renamed, json!({"customer": "c", "item": "i", "ts": MORNING_MS})), seen("c", "c"));
}

#[test]
fn a_field_renamed_in_the_readers_schema_gives_the_written_value_where_apache_avro_gives_the_default() {
    let writer = record_of(
        r#"{"name": "cust", "type": "string"}, {"name": "item", "type": "string"}, {"name": "ts", "type": "long"}"#,
    );
    let reader = record_of(
        r#"{"name": "user", "aliases": ["client", "cust"], "type": "string", "default": "nobody"},
           {"name": "item", "type": "string"}, {"name": "ts", "type": "long"}"#,
    );
    let written = json!({"cust": "c", "item": "i", "ts": MORNING_MS});
    let mapping = avro("type = \"view\"").with_schemas(None, Some(&reader)).unwrap();
    assert_eq!(view(&mapping, &writer, written.clone()), seen("c", "i"));
    let bare = avro("type = \"view\"").with_schemas(Some(&writer), Some(&reader)).unwrap();
    let value = datum(&writer, written.clone());
    assert_eq!(bare.decode(&PLANS, &of(&value)).unwrap().unwrap().user, "c", "bare too");

    let parse = |text: &str| apache_avro::Schema::parse_str(text).unwrap();
    let (of_writer, of_reader) = (parse(&writer), parse(&reader));
    let resolved = GenericDatumReader::builder(&of_writer).reader_schema(&of_reader).build().unwrap();
    let AvroValue::Record(fields) = resolved.read_value(&mut &datum(&writer, written)[..]).unwrap() else {
        panic!("a record")
    };
    assert_eq!(fields[0], ("user".to_owned(), AvroValue::String("nobody".to_owned())), "why we do not resolve by it");
}

#[test]
fn what_is_not_written_is_the_readers_default() {
    let writer = record_of(
        r#"{"name": "item", "type": "string"}, {"name": "ts", "type": "long"},
        {"name": "inner", "type": ["null", {"type": "record", "name": "In", "fields": [{"name": "x", "type": "int"}]}]}"#,
    );
    let reader = |user: &str| {
        record_of(&format!(
            r#"{user}, {{"name": "inner", "type": {{"type": "record", "name": "In", "fields": [{{"name": "x", "type": "int"}},
                {{"name": "who", "type": "string", "default": "inner one"}}]}}}}"#
        ))
    };
    let written = |inner: Json| json!({"item": "i", "ts": MORNING_MS, "inner": inner});
    let user = |pointer: &str, field: &str, inner: Json| {
        let mapping = avro(&format!("type = \"view\"\nfields.user = \"{pointer}\""));
        let mapping = mapping.with_schemas(None, Some(&reader(field))).unwrap();
        view(&mapping, &writer, written(inner)).map(|(user, ..)| user)
    };
    let text = r#"{"name": "user", "type": "string", "default": "nobody"}"#;
    assert_eq!(user("/user", text, Json::Null).as_deref(), Ok("nobody"));
    assert_eq!(user("/inner/who", text, json!({"x": 1})).as_deref(), Ok("inner one"), "in a record that is written");
    assert_eq!(user("/inner/who", text, Json::Null), Err(Reason::MissingField), "in one that is not");
    let nullable = r#"{"name": "user", "type": ["null", "string"], "default": null}"#;
    assert_eq!(user("/user", nullable, Json::Null), Err(Reason::MissingField));
    let nested = r#"{"name": "user", "type": {"type": "record", "name": "U", "fields": [
        {"name": "ids", "type": {"type": "array", "items": {"type": "map", "values": "long"}}},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["a", "b"]}, "default": "b"}]},
        "default": {"ids": [{}, {"n": 1, "m": -300}]}}"#;
    assert_eq!(user("/user/ids/1/m", nested, Json::Null).as_deref(), Ok("-300"));
    assert_eq!(user("/user/kind", nested, Json::Null).as_deref(), Ok("b"), "a default within a default");
    assert_eq!(user("/user/ids/7", nested, Json::Null), Err(Reason::MissingField));
    assert_eq!(user("/user/ids", nested, Json::Null), Err(Reason::BadType));
}

#[test]
fn lines_are_found_by_the_readers_names_in_unions_and_arrays_and_may_be_its_default() {
    let writer = r#"{"type": "record", "name": "Order", "fields": [{"name": "positions", "type": ["null", {"type": "array",
        "items": ["null", {"type": "record", "name": "Position", "fields": [{"name": "sku", "type": "string"}]}]}]}]}"#;
    let reader = |name: &str| {
        format!(
            r#"{{"type": "record", "name": "Order", "fields": [{{"name": "lines", "aliases": ["{name}"],
               "type": {{"type": "array", "items": [{{"type": "record", "name": "Note", "fields": [{{"name": "text", "type": "string"}}]}},
                   {{"type": "record", "name": "Line", "aliases": ["old.Position"],
                     "fields": [{{"name": "item", "aliases": ["sku"], "type": "string", "default": "none"}}]}}]}},
               "default": [{{"item": "d1"}}, {{"item": "d2"}}]}}]}}"#
        )
    };
    let toml = "type = \"order\"\nfields.user = { constant = \"u\" }\nfields.time = { record = \"timestamp\" }\nfields.line_without_item = \"skip\"";
    let value = wire(&datum(writer, json!({"positions": [{"sku": "a"}, null, {"sku": "b"}]})));
    let record = Record { timestamp_ms: Some(MORNING_MS), ..of(&value) };
    let lines = |name: &str| {
        let mapping = avro(toml).with_schemas(None, Some(&reader(name))).unwrap();
        let plans = plans(&mapping, writer);
        mapping.decode(&plans, &record).map(|event| items(&event.unwrap().action)).map_err(|reject| reject.to_string())
    };
    assert_eq!(lines("positions").unwrap(), ["a", "b"], "a line of null has no item of the line before");
    assert_eq!(lines("other").unwrap(), ["d1", "d2"], "not written: the default, by the branch that it fits");
}

#[test]
fn a_default_that_does_not_fit_is_refused_at_the_start() {
    let cases = [
        r#"{"name": "a", "type": "int", "default": "x"}"#,
        r#"{"name": "a", "type": "int", "default": 2147483648}"#,
        r#"{"name": "a", "type": {"type": "fixed", "name": "F", "size": 2}, "default": "abc"}"#,
        r#"{"name": "a", "type": "bytes", "default": "€"}"#,
        r#"{"name": "a", "type": ["null", "View"], "default": {}}, {"name": "b", "type": "View", "default": {}}"#,
        r#"{"name": "a", "type": "View", "default": {}}, {"name": "b", "type": "View", "default": {}}"#,
    ];
    for fields in cases {
        let found = avro("").with_schemas(None, Some(&record_of(fields))).unwrap_err();
        assert_eq!(found.field, "reader_schema_file");
        assert!(found.message.contains("in record \"View\" does not fit its type"), "{found}");
        assert!(
            avro("").with_schemas(Some(&record_of(fields)), None).is_ok(),
            "of a writer's schema it does not matter"
        );
    }
}
