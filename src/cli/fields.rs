//! Fields of a mapping that are in no record of a sample, and what is there instead.

use crate::intake::{FieldsSpec, Format, MappingSpec, OneOrMore, OriginSpec, TimeOriginSpec, TypeSpec};
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
    let parse = |record: &[u8]| serde_json::from_slice::<Value>(record).ok();
    let values: Vec<Value> = records.filter_map(parse).filter(Value::is_object).collect();
    if values.is_empty() {
        return Vec::new(); // each is a reject of its own kind
    }
    let mut there = BTreeSet::new();
    values.iter().for_each(|value| list("", value, 0, &mut there));
    let shown: Vec<&str> = there.iter().take(SHOWN_MAX).map(String::as_str).collect();
    let more = if there.len() > SHOWN_MAX { ", …" } else { "" };
    let nowhere = |pointers: &Vec<String>| {
        !pointers.iter().any(|pointer| values.iter().any(|value| value.pointer(pointer).is_some()))
    };
    let missed = wanted.iter().filter(|wanted| nowhere(&wanted.pointers));
    missed
        .map(|Wanted { field, required, pointers }| Absent {
            required: *required,
            text: format!(
                "{field}: {} is in none of {} records; fields that are there: {}{more}. Correct it in [source.fields]",
                pointers.join(" and "),
                values.len(),
                shown.join(", ")
            ),
        })
        .collect()
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
    let mut found = Vec::new();
    let mut add = |field, required, places: Option<Vec<String>>| {
        let pointers = places.filter(|places| !places.is_empty());
        found.extend(pointers.map(|pointers| Wanted { field, required, pointers }));
    };
    if let TypeSpec::Read { from, .. } = &mapping.event_type {
        add("type", true, in_value(from));
    }
    add("shop", false, in_value(&fields.shop));
    add("user", true, in_value(&fields.user));
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
    let fixed = match &mapping.event_type {
        TypeSpec::Fixed(name) => Some(name.as_str()),
        TypeSpec::Read { .. } => None,
    };
    if matches!(fixed, None | Some("view" | "cart")) {
        add("item", true, in_value(&fields.item));
    }
    if fixed.is_none_or(|name| name == "order") {
        add("lines", true, Some(vec![fields.lines.clone()]));
    }
    if fields.id != usual.id {
        add("id", false, in_value(&fields.id));
    }
    if fields.order_id != usual.order_id {
        add("order_id", false, in_value(&fields.order_id));
    }
    found
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
}
