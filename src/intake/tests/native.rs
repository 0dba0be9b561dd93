//! What everybody needs of a mapping: what stands for nothing, zones and patterns of times, kinds of a type, paths that end
//! early, lines in other shapes.

use super::*;

fn order(fields: &str) -> Mapping {
    mapping(&format!("type = \"order\"\nfields.user = {{ constant = \"u\" }}\n{fields}"))
}

/// When an order with this time counts, in UTC.
fn order_time(time: &str, written: &str) -> Result<String, String> {
    let mapping = order(&format!("fields.time = {time}"));
    let json = format!("{{\"ts\":{written},\"lines\":[{{\"item\":1}}]}}");
    let read = intake().admit_record(&mapping, &PLANS, &record(&json), Now::default());
    let event = read.map_err(|reject| reject.to_string())?.unwrap().event;
    Ok(jiff::Timestamp::from_millisecond(event.time.0).unwrap().to_string())
}

#[test]
fn what_stands_for_nothing_is_passed_over_before_fallbacks_as_text_and_as_number() {
    let with = mapping(
        "fields.user = [{ field = \"/customer\", missing = [0, \"undefined\", \"(not set)\"], trim = true }, \"/mail\"]\n\
         fields.item = { field = \"/item\", missing = [\"\", \"none\"] }",
    );
    for customer in ["0", "\"0\"", "0.0", "\"undefined\"", "\" (not set) \"", "null", "\"\"", "\"  \""] {
        let json =
            format!("{{\"type\":\"view\",\"ts\":{MORNING_MS},\"customer\":{customer},\"mail\":\"m\",\"item\":1}}");
        assert_eq!(event(&with, &json).event.user, "m", "{customer}");
    }
    let json = format!("{{\"type\":\"view\",\"ts\":{MORNING_MS},\"customer\":\" 7 \",\"mail\":\"m\",\"item\":1}}");
    assert_eq!(event(&with, &json).event.user, "7");
    for item in ["\"none\"", "\"\""] {
        let json = format!("{{\"type\":\"view\",\"ts\":{MORNING_MS},\"mail\":\"m\",\"item\":{item}}}");
        assert_eq!(reject(&with, &json).reason, Reason::MissingField, "{item}");
    }
}

#[test]
fn of_all_fields_the_same_can_stand_for_nothing_and_lines_without_product_be_passed_over_by_item() {
    let with = order(
        "fields.missing = [\"n/a\"]\nfields.trim = true\nfields.line_without_item = \"skip\"\n\
         fields.line_item = [{ field = \"/sku\", missing = [\"SHIPPING\"] }, \"/ean\"]",
    );
    let lines =
        "[{\"sku\":\"SHIPPING\"},{\"sku\":\" a \"},{\"sku\":\"n/a\",\"ean\":\"b\"},{\"sku\":\"SHIPPING\",\"ean\":9}]";
    let json = format!("{{\"ts\":{MORNING_MS},\"order_id\":\"n/a\",\"lines\":{lines}}}");
    let seen = event(&with, &json);
    assert_eq!(items(&seen.event.action), ["a", "b", "9"]);
    assert!(matches!(&seen.event.action, Action::Order { order_id, .. } if order_id.is_empty()));
}

#[test]
fn a_time_without_zone_is_one_of_the_zone_that_the_mapping_names() {
    let zone = "{ field = \"/ts\", unit = \"iso8601\", zone = \"Europe/Amsterdam\" }";
    for (written, utc) in [
        ("2024-01-05 10:00:00", "2024-01-05T09:00:00Z"),
        ("2024-07-05T10:00:00", "2024-07-05T08:00:00Z"),
        ("2024-07-05T10:00:00Z", "2024-07-05T10:00:00Z"), // it has one
        ("2024-07-05T10:00:00-08:00", "2024-07-05T18:00:00Z"),
        ("2024-03-31T02:30:00", "2024-03-31T01:30:00Z"), // skipped: as if the clock had not been put forward
        ("2024-10-27T02:30:00", "2024-10-27T00:30:00Z"), // twice: the first
    ] {
        assert_eq!(order_time(zone, &format!("\"{written}\"")).unwrap(), utc, "{written}");
    }
    let short = order_time("{ field = \"/ts\", zone = \"Europe/Amsterdam\" }", "\"2024-07-05 10:00\"");
    assert_eq!(short.unwrap(), "2024-07-05T08:00:00Z", "a zone is for times that are written out");
}

#[test]
fn a_zone_in_brackets_is_read_and_one_that_the_offset_belies_is_refused() {
    let iso = "{ field = \"/ts\", unit = \"iso8601\", zone = \"Asia/Tokyo\" }";
    for (written, utc) in [
        ("2026-03-01T10:00:00[Europe/Amsterdam]", "2026-03-01T09:00:00Z"),
        ("2026-03-01T10:00:00+01:00[Europe/Amsterdam]", "2026-03-01T09:00:00Z"),
        ("2026-03-01T10:00:00Z[Europe/Amsterdam]", "2026-03-01T10:00:00Z"),
        ("2026-10-25T02:30:00+01:00[Europe/Amsterdam]", "2026-10-25T01:30:00Z"), // the second of the two
        ("2026-03-01T10:00:00+02:00[+02:00]", "2026-03-01T08:00:00Z"),
        ("2026-03-01T10:00:00Z[u-ca=iso8601]", "2026-03-01T10:00:00Z"), // no zone
    ] {
        assert_eq!(order_time(iso, &format!("\"{written}\"")).unwrap(), utc, "{written}");
    }
    for (written, part) in [
        ("2026-03-01T10:00:00+05:00[Europe/Amsterdam]", "names an offset that its zone does not have then"),
        ("2026-03-01T10:00:00[Europe/Amsterdm]", "names a zone that is not known"),
    ] {
        let told = order_time(iso, &format!("\"{written}\"")).unwrap_err();
        assert!(told.starts_with("bad_time: time (/ts") && told.contains(part), "{told}");
    }
}

#[test]
fn times_are_read_by_a_pattern() {
    for (time, written, utc) in [
        ("format = \"dd-mm-yyyy HH:MM\"", "\"04-03-2024 09:06\"", "2024-03-04T09:06:00Z"),
        ("format = \"dd-mm-yyyy HH:MM\", zone = \"Europe/Amsterdam\"", "\"4-7-2024 9:06\"", "2024-07-04T07:06:00Z"),
        ("format = \"%d/%m/%Y %H:%M:%S\"", "\"04/03/2024 09:06:07\"", "2024-03-04T09:06:07Z"),
        ("format = \"mm/dd/yyyy hh:mm a\"", "\"03/04/2024 02:06 PM\"", "2024-03-04T14:06:00Z"),
        ("format = \"yyyymmddHHMMSS\"", "20240304090607", "2024-03-04T09:06:07Z"),
        (
            "format = \"dd.mm.yy HH:MM:SS zzz\", zone = \"Asia/Tokyo\"",
            "\"04.03.24 09:06:00 +0200\"",
            "2024-03-04T07:06:00Z",
        ),
        ("unit = \"ns\"", "1709543160123456789", "2024-03-04T09:06:00.123Z"),
    ] {
        assert_eq!(order_time(&format!("{{ field = \"/ts\", {time} }}"), written).unwrap(), utc, "{time}");
    }
    let told = order_time("{ field = \"/ts\", format = \"dd-mm-yyyy\" }", "\"2024-03-04\"").unwrap_err();
    assert!(told.contains("is no time in dd-mm-yyyy; set unit = \"iso8601\""), "{told}");
}

#[test]
fn an_order_of_a_day_counts_at_the_end_of_its_day_and_a_view_at_its_start() {
    let day = |more: &str, written: &str| order_time(&format!("{{ field = \"/ts\", {more} }}"), written).unwrap();
    assert_eq!(day("unit = \"iso8601\"", "\"2024-03-04\""), "2024-03-04T23:59:59.999Z");
    assert_eq!(day("unit = \"iso8601\", zone = \"Europe/Amsterdam\"", "\"2024-03-31\""), "2024-03-31T21:59:59.999Z");
    assert_eq!(
        day("format = \"dd-mm-yyyy\", zone = \"America/New_York\"", "\"04-03-2024\""),
        "2024-03-05T04:59:59.999Z"
    );
    assert_eq!(day("unit = \"days\"", "19786"), "2024-03-04T23:59:59.999Z");
    assert_eq!(day("unit = \"days\", zone = \"Europe/Amsterdam\"", "\"19786\""), "2024-03-04T22:59:59.999Z");
    assert_eq!(day("unit = \"iso8601\", day = \"start\"", "\"2024-03-04\""), "2024-03-04T00:00:00Z");
    assert_eq!(day("unit = \"iso8601\"", "\"2024-03-04T00:00:00\""), "2024-03-04T00:00:00Z", "it says more than a day");
    let views = mapping("type = \"view\"\nfields.time = { field = \"/ts\", unit = \"iso8601\" }");
    let seen = event(&views, "{\"ts\":\"2024-03-04\",\"user\":1,\"item\":2}").event.time;
    assert_eq!(seen, EventTime(1_709_510_400_000));
}

#[test]
fn a_time_in_another_form_is_told_with_the_setting_that_reads_it() {
    for (time, written, part) in [
        ("unit = \"ms\"", "\"2024-01-05T10:00:00Z\"", "set unit = \"iso8601\""),
        ("unit = \"iso8601\"", "1704448800", "in s it would be 2024-01-05T10:00:00Z: set unit = \"s\""),
        ("unit = \"iso8601\"", "\"1704448800000\"", "set unit = \"ms\""),
        ("unit = \"s\"", "1704448800000000000", "set unit = \"ns\""),
        ("unit = \"ms\"", "19727", "set unit = \"days\""),
        ("unit = \"iso8601\"", "\"05/01/2024 10:00\"", "set format = \"dd/mm/yyyy HH:MM\", or \"mm/dd/yyyy HH:MM\""),
        ("unit = \"iso8601\"", "\"31-12-2023\"", "set format = \"dd-mm-yyyy\""),
        ("unit = \"iso8601\"", "\"2024-01-05 10:00:00 UTC\"", "set format = \"yyyy-mm-dd HH:MM:SS 'UTC'\""),
        ("unit = \"iso8601\"", "\"Fri, 05 Jan 2024 10:00:00 GMT\"", "set format = \"ddd, dd mmm yyyy"),
        ("unit = \"iso8601\"", "20240105", "set format = \"yyyymmdd\""),
        ("unit = \"iso8601\"", "\"/Date(1704448800000)/\"", "iso8601 reads 2026-03-01T10:00:00Z and its like"),
        ("unit = \"iso8601\"", "\"45296.4167\"", "it looks like a date of Excel"),
        ("unit = \"iso8601\"", "\"9999-12-31T00:00:00\"", "stands for never"),
    ] {
        let told = order_time(&format!("{{ field = \"/ts\", {time} }}"), written).unwrap_err();
        assert!(told.contains(part), "{written} by {time}: {told}");
    }
}

#[test]
fn zones_patterns_and_places_that_cannot_be_are_refused_when_compiled() {
    for (toml, part) in [
        (
            "fields.time = { field = \"/ts\", zone = \"Europe/Amsterdm\" }",
            "fields.time: zone \"Europe/Amsterdm\" is not known",
        ),
        (
            "fields.time = { field = \"/ts\", unit = \"ms\", zone = \"UTC\" }",
            "fields.time: zone is for times that are written out",
        ),
        ("fields.time = { field = \"/ts\", format = \"HH:MM\" }", "fields.time: format \"HH:MM\" does not say year"),
        ("fields.item = \"/items/*/sku\"", "fields.item: \"/items/*/sku\": a JSON pointer leads to one place"),
        ("fields.lines = \"/items[*]\"", "fields.lines: \"/items[*]\": a JSON pointer leads"),
        (
            "fields.user = \"$.customer.id\"",
            "fields.user: \"$.customer.id\" is not a JSON pointer: write \"/customer/id\"",
        ),
        ("fields.line_item = { key = \"/a\" }", "fields.line_item: the item of a line stands in the line"),
    ] {
        let error = toml::from_str::<MappingSpec>(toml).unwrap().compile().unwrap_err().to_string();
        assert!(error.starts_with(part), "{toml}\n{error}");
    }
    for (toml, part) in [
        ("fields.time = { field = \"/ts\", unit = \"dd-mm-yyyy\" }", "a pattern is a format: format = \"dd-mm-yyyy\""),
        ("fields.time = { field = \"/ts\", unit = \"s\", format = \"%Y\" }", "set one"),
        ("fields.user = { constant = \"a\", trim = true }", "a constant is what it is"),
        ("fields.user = { field = \"/a\", zone = \"UTC\" }", "for the time only"),
    ] {
        let error = toml::from_str::<MappingSpec>(toml).unwrap_err().to_string();
        assert!(error.contains(part), "{toml}\n{error}");
    }
}

#[test]
fn a_type_may_be_true_or_a_number() {
    let with = mapping(
        "type = { field = \"/paid\", values = { true = \"order\", false = \"skip\", 2 = \"view\", \"2.5\" = \"cart\" } }",
    );
    let json = |paid: &str| {
        format!("{{\"paid\":{paid},\"user\":1,\"ts\":{MORNING_MS},\"item\":2,\"lines\":[{{\"item\":3}}]}}")
    };
    for (paid, expected) in [
        ("true", Some(EventType::Order)),
        ("false", None),
        ("2", Some(EventType::View)),
        ("2.0", Some(EventType::View)),
    ] {
        let json = json(paid);
        let seen = intake().admit_record(&with, &PLANS, &record(&json), Now::default()).unwrap();
        assert_eq!(seen.map(|seen| seen.event.action.event_type()), expected, "{paid}");
    }
    assert_eq!(reject(&with, &json("3")).reason, Reason::UnknownType);
}

#[test]
fn a_path_that_ends_early_is_told_with_what_stands_there() {
    let with = mapping(
        "fields.user = \"/customer/id\"\nfields.item = \"/items/sku\"\nfields.lines = \"/cart/lines\"\nfields.line_item = \"/product/id\"",
    );
    let start = format!("\"ts\":{MORNING_MS}");
    for (json, part) in [
        (
            "\"type\":\"view\",\"customer\":\"jan\"",
            "user (/customer/id): missing or null (the path ends at /customer, which is text)",
        ),
        ("\"type\":\"view\",\"customer\":{\"nr\":1}", "missing or null (/customer is there, without it)"),
        ("\"type\":\"view\",\"customer\":null", "(the path ends at /customer, which is null)"),
        ("\"type\":\"view\",\"customer\":\"{\\\"id\\\":1}\"", "it looks like JSON, which a transform can read"),
        (
            "\"type\":\"view\",\"customer\":{\"id\":1},\"items\":[{\"sku\":1}]",
            "(/items is an array; a step into it is an index, such as /items/0)",
        ),
        (
            "\"type\":\"order\",\"customer\":{\"id\":1},\"cart\":7",
            "an order without lines (the path ends at /cart, which is a whole number)",
        ),
        (
            "\"type\":\"order\",\"customer\":{\"id\":1},\"cart\":{\"lines\":[{\"product\":{\"id\":1}},{\"product\":5}]}",
            "of line 2 in /cart/lines",
        ),
        (
            "\"type\":\"order\",\"customer\":{\"id\":1},\"cart\":{\"lines\":[{\"product\":5}]}",
            "(the path ends at /cart/lines/*/product, which is a whole number)",
        ),
        (
            "\"type\":\"order\",\"customer\":{\"id\":1},\"cart\":{\"lines\":[\"sku\"]}",
            "(the path ends at /cart/lines/*, which is text)",
        ),
    ] {
        let told = reject(&with, &format!("{{{start},{json}}}")).to_string();
        assert!(told.contains(part) && !told.contains("jan"), "{json}: {told}");
    }
}

#[test]
fn lines_may_be_an_object_that_is_the_one_line_or_holds_them() {
    let with = order("");
    for (lines, expected) in [
        ("{\"item\":\"a\",\"qty\":{\"n\":1}}", Some(vec!["a"])),
        ("{\"qty\":{\"item\":\"x\"},\"item\":\"a\"}", Some(vec!["a"])),
        ("{\"0\":{\"item\":\"a\"},\"2\":{\"item\":\"b\"}}", Some(vec!["a", "b"])),
        ("{\"x\":{\"item\":\"b\"},\"y\":{\"item\":\"a\"}}", Some(vec!["b", "a"])),
        ("{\"x\":{\"item\":\"b\"},\"count\":2}", None),
        ("{\"sku-1\":2}", None),
        ("{}", None),
    ] {
        let json = format!("{{\"ts\":{MORNING_MS},\"lines\":{lines}}}");
        match expected {
            Some(expected) => assert_eq!(items(&event(&with, &json).event.action), expected, "{lines}"),
            None => assert_eq!(reject(&with, &json).reason, Reason::BadType, "{lines}"),
        }
    }
    let nested = order("fields.line_item = [\"/product/sku\", \"/ean\"]");
    let json = format!("{{\"ts\":{MORNING_MS},\"lines\":{{\"ean\":5,\"product\":{{\"sku\":\"a\"}}}}}}");
    assert_eq!(items(&event(&nested, &json).event.action), ["a"], "the first place counts, wherever it stands");
    let second =
        reject(&with, &format!("{{\"ts\":{MORNING_MS},\"lines\":{{\"a\":{{\"item\":1}},\"b\":{{\"item\":[]}}}}}}"));
    assert!(second.message.contains("of line 2 in /lines, to column 59"), "{second}");
    for (lines, part) in [
        ("\"[{}]\"", "a transform reads: fromjson"),
        ("\"a,b\"", "split(\",\")"),
        ("{\"a\":1}", "where it is a line itself"),
    ] {
        let told = reject(&with, &format!("{{\"ts\":{MORNING_MS},\"lines\":{lines}}}")).to_string();
        assert!(told.contains("lines are an array") && told.contains(part), "{told}");
    }
}

#[test]
fn a_row_that_could_not_be_told_into_columns_is_refused_with_what_is_wrong() {
    let rows = mapping("format = \"csv\"");
    assert_eq!(reject(&rows, "\"7 cells, 6 columns\"").to_string(), "bad_csv: 7 cells, 6 columns");
    assert_eq!(reject(&rows, "{\"type\":\"view\"}").message.split(':').next(), Some("time (/ts)"), "no column of JSON");
}
