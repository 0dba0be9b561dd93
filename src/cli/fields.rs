//! Fields of a mapping that are in no record of a sample, and what is there instead.

use crate::intake::{FieldsSpec, Format, MappingSpec, OneOrMore, OriginSpec, TimeOriginSpec, TypeSpec, UserMissing};
use serde_json::Value;
use std::collections::BTreeSet;

/// Fields that are listed as being there.
const SHOWN_MAX: usize = 20;
/// How deep fields are listed.
const DEPTH_SHOWN_MAX: usize = 3;

/// A field that is nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Absent {
    /// Whether an event may need it.
    pub(super) required: bool,
    /// What is missing, and what is there.
    pub(super) text: String,
}

/// Those of `wanted` that are found in no value of `records`.
pub(super) fn absent<'a>(wanted: &[Wanted], records: impl Iterator<Item = &'a [u8]>) -> Vec<Absent> {
    let values = objects(records);
    if values.is_empty() {
        return Vec::new(); // each is a reject of its own kind
    }
    let shown = shown(&values);
    let nowhere = |pointers: &Vec<String>| {
        !pointers.iter().any(|pointer| values.iter().any(|value| value.pointer(pointer).is_some()))
    };
    let missed = wanted.iter().filter(|wanted| nowhere(&wanted.pointers));
    missed
        .map(|Wanted { field, required, pointers }| Absent {
            required: *required,
            text: format!(
                "{field}: {} is in none of {} records; fields that are there: {shown}. Correct it in [source.fields]",
                pointers.join(" and "),
                values.len()
            ),
        })
        .collect()
}

/// The fields that are in `records`, for people; none where no record has any.
pub(super) fn there<'a>(records: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let values = objects(records);
    (!values.is_empty()).then(|| shown(&values))
}

fn objects<'a>(records: impl Iterator<Item = &'a [u8]>) -> Vec<Value> {
    let parse = |record: &[u8]| serde_json::from_slice::<Value>(record).ok();
    records.filter_map(parse).filter(Value::is_object).collect()
}

fn shown(values: &[Value]) -> String {
    let mut there = BTreeSet::new();
    values.iter().for_each(|value| list("", value, 0, &mut there));
    let shown: Vec<&str> = there.iter().take(SHOWN_MAX).map(String::as_str).collect();
    let more = if there.len() > SHOWN_MAX { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// A field that is looked for in the value of a record.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Its name.
    pub(super) field: &'static str,
    /// Whether an event may need it.
    pub(super) required: bool,
    /// The places where it is looked for.
    pub(super) pointers: Vec<String>,
}

/// Each field with whether an event may need it, and the places in the value where it is looked for. Not those that can
/// come from elsewhere too, nor those that an event can do without and nobody asked for. None where a program makes the values
/// that are read, or an Avro schema says what there is.
pub(super) fn wanted(mapping: &MappingSpec) -> Vec<Wanted> {
    if mapping.format == Format::Avro || mapping.transform.is_some() {
        return Vec::new();
    }
    let (fields, usual) = (&mapping.fields, FieldsSpec::default());
    let types = Types::of(&mapping.event_type);
    let mut found = Vec::new();
    let mut add = |field, required, places: Option<Vec<String>>| {
        let pointers = places.filter(|places| !places.is_empty());
        found.extend(pointers.map(|pointers| Wanted { field, required, pointers }));
    };
    if let TypeSpec::Read { from, .. } = &mapping.event_type {
        add("type", true, in_value(from));
    }
    add("shop", false, in_value(&fields.shop));
    // Orders may be nobody's; a place that is named all the same is one that should be there.
    let is_nobodys = fields.user_missing == UserMissing::Anonymous && fields.user == usual.user && !types.any(&SEEN);
    if !is_nobodys {
        add("user", true, in_value(&fields.user));
    }
    let time: Option<Vec<String>> = fields
        .time
        .0
        .iter()
        .map(|origin| match origin {
            TimeOriginSpec::Read(origin, _) => origin.pointer().map(str::to_owned),
            TimeOriginSpec::RecordTimestamp => None,
        })
        .collect();
    add("time", true, time);
    let is_either = types.are_all(&JOINED);
    if types.any(&SEEN) || is_either {
        let mut places = in_value(&fields.item);
        if let Some(places) = places.as_mut().filter(|_| is_either) {
            places.push(fields.lines.clone());
        }
        add("item", true, places);
    }
    if types.any(&["order"]) {
        add("lines", true, Some(vec![fields.lines.clone()]));
    }
    if fields.id != usual.id {
        add("id", false, in_value(&fields.id));
    }
    let is_by_number = types.are_all(&["add", "return", "cancel"]);
    if is_by_number || fields.order_id != usual.order_id {
        add("order_id", is_by_number, in_value(&fields.order_id));
    }
    found
}

/// The same of a table, whose columns are the same for all records. Where a record may be of any type, a table without lines
/// holds no orders, and one without items no views.
pub(super) fn wanted_columns(mapping: &MappingSpec) -> Vec<Wanted> {
    let mut found = wanted(mapping);
    if mapping.event_type == TypeSpec::default() {
        let lines = found.iter().position(|wanted| wanted.field == "lines").map(|place| found.remove(place));
        let item = found.iter_mut().find(|wanted| wanted.field == "item");
        if let (Some(item), Some(lines)) = (item, lines) {
            item.pointers.extend(lines.pointers);
        }
    }
    found
}

/// Types whose records hold an item each.
const SEEN: [&str; 2] = ["view", "cart"];
/// Types whose records hold lines, or one item.
const JOINED: [&str; 2] = ["add", "return"];

/// The types that the records of a source can be.
struct Types<'a>(Vec<&'a str>);

impl<'a> Types<'a> {
    fn of(spec: &'a TypeSpec) -> Self {
        Self(match spec {
            TypeSpec::Fixed(name) => vec![name],
            TypeSpec::Read { values, .. } => {
                values.values().map(String::as_str).filter(|name| *name != "skip").collect()
            }
        })
    }

    fn any(&self, names: &[&str]) -> bool {
        self.0.iter().any(|name| names.contains(name))
    }

    fn are_all(&self, names: &[&str]) -> bool {
        !self.0.is_empty() && self.0.iter().all(|name| names.contains(name))
    }
}

/// The places, when all are in the value.
fn in_value(origins: &OneOrMore<OriginSpec>) -> Option<Vec<String>> {
    origins.0.iter().map(|origin| origin.pointer().map(str::to_owned)).collect()
}

/// Adds the pointers of what `value` holds. Of an array the first entry stands for all.
fn list(above: &str, value: &Value, depth: usize, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if depth < DEPTH_SHOWN_MAX => {
            for (name, value) in fields {
                list(&format!("{above}/{}", name.replace('~', "~0").replace('/', "~1")), value, depth + 1, into);
            }
        }
        Value::Array(entries) if depth < DEPTH_SHOWN_MAX && entries.first().is_some_and(Value::is_object) => {
            into.insert(above.to_owned());
            list(&format!("{above}/0"), &entries[0], depth + 1, into);
        }
        _ => {
            into.insert(above.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(mapping: &MappingSpec, values: &[&str]) -> Vec<Absent> {
        absent(&wanted(mapping), values.iter().map(|value| value.as_bytes()))
    }

    fn view(fields: FieldsSpec) -> MappingSpec {
        MappingSpec { event_type: TypeSpec::Fixed("view".to_owned()), fields, ..MappingSpec::default() }
    }

    #[test]
    fn a_field_that_is_nowhere_is_named_with_those_that_are_there() {
        let item = OneOrMore(vec![OriginSpec::Field("/skuu".to_owned())]);
        let mapping = view(FieldsSpec { item, ..FieldsSpec::default() });
        let found = missed(&mapping, &["{\"sku\":1,\"user\":2,\"ts\":3}", "{\"a/b\":{\"c\":[{\"d\":1}]}}", "[1]"]);
        let text = "item: /skuu is in none of 2 records; fields that are there: /a~1b/c, /a~1b/c/0, /sku, /ts, /user. \
                    Correct it in [source.fields]";
        assert_eq!(found, [Absent { required: true, text: text.to_owned() }]);
    }

    #[test]
    fn a_field_that_one_record_has_or_that_can_come_from_elsewhere_is_not_missed() {
        let user = OneOrMore(vec![OriginSpec::Field("/nowhere".to_owned()), OriginSpec::Key(String::new())]);
        let mapping = view(FieldsSpec { user, ..FieldsSpec::default() });
        assert_eq!(missed(&mapping, &["{\"item\":1}", "{\"ts\":1}"]), []);
        assert_eq!(missed(&view(FieldsSpec::default()), &["no json", "[]"]), []);
        let missed = missed(&MappingSpec::default(), &["{\"type\":\"view\",\"user\":1,\"ts\":2,\"item\":3}"]);
        assert_eq!(missed.len(), 1, "no order is among them: {missed:?}");
    }

    #[test]
    fn what_a_source_needs_follows_from_the_types_that_its_records_can_be() {
        let read = |values: &[(&str, &str)]| {
            let own = |text: &&(&str, &str)| (text.0.to_owned(), text.1.to_owned());
            let from = OneOrMore(vec![OriginSpec::Field("/kind".to_owned())]);
            TypeSpec::Read { from, values: values.iter().map(|pair| own(&pair)).collect(), other: "skip".to_owned() }
        };
        let fixed = |name: &str| TypeSpec::Fixed(name.to_owned());
        let needs = |event_type: TypeSpec, fields: FieldsSpec| {
            let mapping = MappingSpec { event_type, fields, ..MappingSpec::default() };
            let required = wanted_columns(&mapping).into_iter().filter(|wanted| wanted.required);
            let named = required.map(|wanted| format!("{}={}", wanted.field, wanted.pointers.join("|")));
            named.collect::<Vec<_>>().join(" ")
        };
        let usual = FieldsSpec::default;
        let anonymous = || FieldsSpec { user_missing: UserMissing::Anonymous, ..FieldsSpec::default() };
        for (event_type, fields, expected) in [
            (fixed("view"), usual(), "user=/user time=/ts item=/item"),
            (fixed("order"), usual(), "user=/user time=/ts lines=/lines"),
            (fixed("add"), usual(), "user=/user time=/ts item=/item|/lines order_id=/order_id"),
            (fixed("cancel"), usual(), "user=/user time=/ts order_id=/order_id"),
            (read(&[("v", "view"), ("x", "skip")]), usual(), "type=/kind user=/user time=/ts item=/item"),
            (
                read(&[("r", "add"), ("c", "return")]),
                usual(),
                "type=/kind user=/user time=/ts item=/item|/lines order_id=/order_id",
            ),
            (read(&[("v", "view"), ("o", "order")]), usual(), "type=/kind user=/user time=/ts item=/item lines=/lines"),
            (TypeSpec::default(), usual(), "type=/type user=/user time=/ts item=/item|/lines"),
            (fixed("add"), anonymous(), "time=/ts item=/item|/lines order_id=/order_id"),
            (fixed("view"), anonymous(), "user=/user time=/ts item=/item"),
        ] {
            assert_eq!(needs(event_type.clone(), fields), expected, "{event_type:?}");
        }
    }
}
