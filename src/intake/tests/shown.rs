//! Impressions and clicks, and what orders cost for their sake.

use super::*;
use crate::event::{Currency, Money, Spot};

fn reading(toml: &str) -> Mapping {
    let spec = toml::from_str::<MappingSpec>(toml).unwrap();
    MappingSpec { reads_clicks: true, ..spec }.compile().unwrap()
}

fn json(rest: &str) -> String {
    format!(r#"{{"user":"u","ts":{MORNING_MS},{rest}}}"#)
}

#[test]
fn an_impression_has_its_entries_in_lines_or_is_one() {
    let mapping = reading("");
    let spot = Spot { list: Some("also-bought".into()), placement: Some("cart".into()), about: Some("a".into()) };
    let of = |rest: &str| {
        let json = json(&format!(r#""type":"impression","list":"also-bought","placement":"cart","about":"a",{rest}"#));
        match event(&mapping, &json).event.action {
            Action::Impression { spot: found, entries } => {
                assert_eq!(found.list.as_deref(), spot.list.as_deref());
                assert_eq!((found.placement.as_deref(), found.about.as_deref()), (Some("cart"), Some("a")));
                entries
                    .iter()
                    .map(|e| (e.item.to_string(), e.position, e.source.as_deref().map(str::to_owned)))
                    .collect()
            }
            other => panic!("{other:?}"),
        }
    };
    let found: Vec<_> =
        of(r#""lines":[{"item":"x","position":3,"source":"manual"},{"item":7},{"item":"z","position":"9"}]"#);
    let expected = [("x", Some(3), Some("manual")), ("7", Some(2), None), ("z", Some(9), None)]
        .map(|(item, position, source)| (item.to_owned(), position, source.map(str::to_owned)));
    assert_eq!(found, expected, "without a place of its own, its place among the others");
    let found: Vec<_> = of(r#""position":11,"lines":[{"item":"x"},{"item":"y"}]"#);
    assert_eq!(
        found.iter().map(|(_, position, _)| *position).collect::<Vec<_>>(),
        [Some(11), Some(12)],
        "a second page"
    );
    assert_eq!(of(r#""item":"x","source":"second""#), [("x".to_owned(), Some(1), Some("second".to_owned()))]);
}

#[test]
fn a_click_is_of_one_entry_and_need_not_say_its_place() {
    let mapping = reading("");
    let of = |rest: &str| match event(&mapping, &json(&format!(r#""type":"click","list":"l",{rest}"#))).event.action {
        Action::Click { entry, .. } => (entry.item.to_string(), entry.position),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(r#""item":"x""#), ("x".to_owned(), None));
    assert_eq!(of(r#""item":"x","position":4"#), ("x".to_owned(), Some(4)));
    assert_eq!(of(r#""lines":[{"item":"x","position":4}]"#), ("x".to_owned(), Some(4)));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place_and_moves_no_time() {
    let mapping = reading("");
    let of = |rest: &str| {
        let found = reject(&mapping, &json(rest));
        assert_eq!(found.time, None, "{found}");
        (found.reason, found.message)
    };
    let lines = |line: &str| format!(r#""type":"impression","list":"l","lines":[{{"item":"x"}},{line}]"#);
    for position in ["0", "-3", "1000000000000", "1.5", "\"first\"", "18446744073709551615", "[]"] {
        let (reason, message) = of(&lines(&format!(r#"{{"item":"y","position":{position}}}"#)));
        assert_eq!(reason, Reason::BadPosition, "{message}");
        assert!(message.contains("line 2 in /lines") && message.contains("from 1"), "{message}");
        let (reason, message) = of(&format!(r#""type":"click","list":"l","item":"x","position":{position}"#));
        assert_eq!(reason, Reason::BadPosition, "{message}");
    }
    assert_eq!(of(&lines("{}")).0, Reason::MissingField);
    assert_eq!(of(&lines(r#"{"item":""}"#)).0, Reason::EmptyId);
    assert_eq!(of(r#""type":"impression","list":"l","lines":[]"#).0, Reason::EmptyOrder);
    assert_eq!(of(r#""type":"impression","list":"l""#).0, Reason::MissingField);
    assert_eq!(of(r#""type":"click","item":"x""#).0, Reason::MissingField, "of no list and no placement");
    let many = vec![r#"{"item":"x"}"#; 1001].join(",");
    let (reason, message) = of(&format!(r#""type":"impression","list":"l","lines":[{many}]"#));
    assert_eq!((reason, message.contains("1001 entries, more than 1000")), (Reason::TooManyLines, true), "{message}");
    let thousand =
        json(&format!(r#""type":"impression","list":"l","lines":[{}]"#, vec![r#"{"item":"x"}"#; 1000].join(",")));
    let Action::Impression { entries, .. } = event(&mapping, &thousand).event.action else { panic!() };
    assert_eq!((entries.len(), entries[999].position), (1000, Some(1000)));
}

#[test]
fn a_name_of_a_list_that_can_be_none_loses_nothing_else() {
    let mapping = reading("");
    let long = "l".repeat(10_000);
    for name in [format!("\"{long}\""), "\"a\\tb\"".to_owned(), "true".to_owned(), "[1]".to_owned()] {
        let json = json(&format!(r#""type":"click","list":{name},"item":"x""#));
        let seen = event(&mapping, &json);
        let Action::Click { spot, .. } = seen.event.action else { panic!() };
        assert_eq!(spot.list.as_deref(), Some(""), "it is one that nobody knows");
    }
}

#[test]
fn what_an_order_costs_is_read_where_it_makes_sense_and_never_refuses_it() {
    let mapping = reading("");
    let of = |rest: &str| {
        let json = json(&format!(r#""type":"order",{rest}"#));
        match event(&mapping, &json).event.action {
            Action::Order { items, money, .. } => (items.len(), money.map(|money| *money)),
            other => panic!("{other:?}"),
        }
    };
    let lines =
        r#""lines":[{"item":"x","unit_price":1.5,"quantity":3},{"item":"y","unit_price":"20.10"},{"item":"z"}]"#;
    let amounts = vec![Some(4500), Some(20_100), None];
    let money = |currency, amounts| Some(Money { currency, amounts });
    assert_eq!(of(&format!(r#""currency":"eur",{lines}"#)), (3, money(Currency(*b"EUR"), amounts.clone())));
    assert_eq!(of(lines), (3, money(Currency::NONE, amounts)));
    assert_eq!(of(&format!(r#""currency":"euro",{lines}"#)), (3, None));
    for price in ["-1", "1e300", "\"free\"", "true", "[]", "1e16"] {
        let one = format!(r#""lines":[{{"item":"x","unit_price":{price}}}]"#);
        assert_eq!(of(&one), (1, None), "{price}");
    }
    let skipping = reading("fields.line_without_item = \"skip\"");
    let json = json(r#""type":"order","lines":[{"unit_price":9},{"item":"x","unit_price":2}]"#);
    let Action::Order { items, money: Some(money), .. } = event(&skipping, &json).event.action else { panic!() };
    assert_eq!((items.len(), money.amounts), (1, vec![Some(2000)]), "that of the line which is left");
    let plain = toml::from_str::<MappingSpec>("").unwrap().compile().unwrap();
    let json = self::json(r#""type":"order","lines":[{"item":"x","unit_price":2}]"#);
    let Action::Order { money, .. } = event(&plain, &json).event.action else { panic!() };
    assert_eq!(money, None);
}

#[test]
fn where_nobody_asks_for_them_nothing_of_them_is_read() {
    let mapping = mapping("");
    let json = r#"{"type":"impression","lines":"nonsense"}"#;
    assert_eq!(event(&mapping, json).event.action, Action::Unread(EventType::Impression));
}

#[test]
fn a_source_of_impressions_and_clicks_alone_is_known() {
    for (toml, is_alone) in [
        ("type = \"click\"", true),
        ("type = { field = \"/e\", values = { a = \"impression\", b = \"click\", c = \"skip\" } }", true),
        ("type = { field = \"/e\", values = { a = \"impression\", b = \"view\" } }", false),
        ("type = { field = \"/e\", values = { a = \"skip\" } }", false),
        ("", false),
    ] {
        assert_eq!(mapping(toml).is_of_lists_only(), is_alone, "{toml}");
    }
}
