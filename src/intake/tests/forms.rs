//! The settings' form: what is read, refused, written and found unknown.

use super::*;

const FULL: &str = r#"
type = { field = "/event", values = { product_viewed = "view", added_to_cart = "cart", order_placed = "order" } }
format = "json"

[fields]
shop = { constant = "b2c" }
user = ["/customer_id", "/cookie_id", { key = "" }, { header = "visitor" }]
time = [{ field = "/ts", unit = "us" }, { record = "timestamp" }]
id = { key = "/id" }
item = "/item"
order_id = { topic = true }
lines = "/a/lines"
line_item = ["/item", ""]
"#;

#[test]
fn a_mapping_written_out_is_read_back_as_the_same() {
    let skips =
        "type = { from = [\"/a\", { header = \"h\" }], values = { a = \"skip\", b = \"cart\" }, other = \"skip\" }";
    for text in [FULL, "", skips, "type = \"view\"", "type = \"/kind\""] {
        let spec: MappingSpec = toml::from_str(text).unwrap();
        spec.compile().unwrap();
        let written = toml::to_string(&spec).unwrap();
        assert_eq!(toml::from_str::<MappingSpec>(&written).unwrap(), spec, "{written}");
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<MappingSpec>(&json).unwrap(), spec, "{json}");
    }
}

#[test]
fn an_example_of_the_reference_is_a_mapping_that_compiles() {
    #[derive(serde::Deserialize)]
    struct Settings {
        source: Vec<MappingSpec>,
    }
    let reference = include_str!("../../../docs/mapping.md");
    let examples: Vec<&str> =
        reference.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 4);
    for example in examples {
        let settings: Settings = toml::from_str(example).unwrap_or_else(|error| panic!("{example}\n{error}"));
        for spec in settings.source {
            spec.compile().unwrap_or_else(|error| panic!("{example}\n{error}"));
        }
    }
}

#[test]
fn unknown_keys_are_found_by_whoever_reads_the_settings() {
    let text = "tpye = \"view\"\ntype = { field = \"/e\", vaules = {} }\n[fields]\nusr = \"/u\"\n\
                user = { field = \"/u\", haeder = \"x\" }\ntime = [{ field = \"/t\", uint = \"s\" }]";
    let mut unknown = Vec::new();
    let toml = toml::Deserializer::parse(text).unwrap();
    let _: MappingSpec = serde_ignored::deserialize(toml, |path| unknown.push(path.to_string())).unwrap();
    unknown.sort();
    assert_eq!(unknown, ["fields.time.0.uint", "fields.user.haeder", "fields.usr", "tpye", "type.vaules"]);
}

#[test]
fn a_mapping_that_cannot_be_right_is_refused_with_the_field_and_the_remedy() {
    let cases = [
        ("fields.user = \"customer\"", "fields.user: \"customer\" is not a JSON pointer: write \"/customer\""),
        ("fields.user = \"/a~2\"", "fields.user: \"/a~2\" is not a JSON pointer: in a name write ~ as ~0"),
        ("fields.user = \"\"", "fields.user: an empty pointer is the whole record"),
        ("fields.user = []", "fields.user: 0 places to look at; write 1 to 16"),
        ("fields.lines = \"\"", "fields.lines: an empty pointer"),
        ("fields.line_item = [\"item\"]", "fields.line_item: \"item\" is not a JSON pointer"),
        ("fields.shop = { constant = \"a/b\" }", "fields.shop: constant \"a/b\": holds a slash"),
        ("fields.shop = { constant = \"\" }", "fields.shop: constant \"\": empty"),
        ("fields.id = { key = \"a\" }", "fields.id: \"a\" is not a JSON pointer"),
        ("type = \"viewed\"", "type: \"viewed\" is no type of event; write view, cart, order"),
        (
            "type = { field = \"/e\", values = { a = \"veiw\" } }",
            "type: \"veiw\" is no type of event; write view, cart, order, add, return, cancel, erase, impression, click or skip",
        ),
        ("type = { field = \"/e\", values = {} }", "type: values is empty"),
        ("type = { field = \"/e\", other = \"drop\" }", "type: other = \"drop\"; write reject or skip"),
    ];
    for (text, message) in cases {
        let error = toml::from_str::<MappingSpec>(text).unwrap().compile().unwrap_err().to_string();
        assert!(error.starts_with(message), "{text}\n{error}");
    }
    let long = format!("fields.user = \"{}\"", "/a".repeat(POINTER_STEPS_MAX + 1));
    assert!(toml::from_str::<MappingSpec>(&long).unwrap().compile().is_err());
}

#[test]
fn a_form_that_says_nothing_or_two_things_is_refused_when_read() {
    for (text, part) in [
        ("fields.user = { field = \"/a\", header = \"b\" }", "exactly one of field, key, header"),
        ("fields.user = { feild = \"/a\" }", "exactly one of field, key, header"),
        ("fields.user = { topic = false }", "topic can only be true"),
        ("fields.user = { field = \"/a\", unit = \"s\" }", "for the time only"),
        ("fields.user = 7", "a text, a table, or an array of these"),
        ("fields.time = { record = \"offset\" }", "record = \"timestamp\""),
        ("fields.time = { field = \"/ts\", unit = \"min\" }", "unit \"min\" is none of s, ms, us, ns, days, iso8601"),
        ("type = { values = { a = \"view\" } }", "a table with field"),
        ("format = \"xml\"", "unknown variant `xml`"),
    ] {
        let error = toml::from_str::<MappingSpec>(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}\n{error}");
    }
}
