//! Schemas that refer to others, as one text.
//!
//! In a registry a schema may name types that stand in other schemas. Where such a name first occurs, its definition is put
//! in its place; later ones stay names. So a parser needs that one text only.
//! Invariants: full names do not change: a definition without a namespace does not fall into the one around it; a type is
//! defined once; what is not a type (names of fields, defaults, docs) is not touched.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Most schemas that one refers to, directly or not.
pub(super) const REFERENCES_MAX: usize = 256;
/// Deepest nesting of types; serde_json refuses texts that are deeper, but definitions stand in each other.
const DEPTH_MAX: usize = 128;

/// What a registry says of one reference.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Reference {
    /// Where the type is registered.
    pub(super) subject: String,
    /// As which version.
    pub(super) version: u32,
}

/// A reference, and the schema it leads to.
pub(super) struct Referenced {
    pub(super) reference: Reference,
    pub(super) schema: String,
}

/// The schema `text`, with the definitions of `referenced` where they are first named.
pub(super) fn inline(text: &str, referenced: &[Referenced]) -> Result<String, String> {
    let mut definitions = BTreeMap::new();
    for Referenced { reference, schema } in referenced {
        let read = |error| format!("subject {} version {}: {error}", reference.subject, reference.version);
        let schema: Value = serde_json::from_str(schema).map_err(read)?;
        let full_name = schema.as_object().and_then(|schema| full_name(schema, "")).map(|(name, _)| name);
        let Some(name) = full_name else {
            return Err(format!("subject {} version {} defines no named type", reference.subject, reference.version));
        };
        definitions.insert(name, schema);
    }
    let mut schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut walk = Walk { definitions, defined: BTreeSet::new() };
    walk.place(&mut schema, "", DEPTH_MAX)?;
    Ok(schema.to_string())
}

struct Walk {
    /// Not placed yet, by full name.
    definitions: BTreeMap<String, Value>,
    defined: BTreeSet<String>,
}

impl Walk {
    /// Handles a place where a type stands, within `namespace`.
    fn place(&mut self, schema: &mut Value, namespace: &str, depth: usize) -> Result<(), String> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(format!("types nest deeper than {DEPTH_MAX}"));
        };
        match schema {
            Value::String(name) => {
                let qualified = qualify(name, namespace);
                // A name alone may also be one of no namespace.
                let found = [qualified.as_str(), name.as_str()]
                    .into_iter()
                    .find(|name| self.defined.contains(*name) || self.definitions.contains_key(*name));
                let Some((full, mut definition)) = found.and_then(|name| self.definitions.remove_entry(name)) else {
                    return Ok(());
                };
                if let Value::Object(object) = &mut definition
                    && !full.contains('.')
                {
                    object.insert("namespace".to_owned(), Value::String(String::new()));
                }
                *schema = definition;
                // The definition stands where its name stood, but does not inherit.
                self.place(schema, "", depth)
            }
            Value::Array(branches) => branches.iter_mut().try_for_each(|branch| self.place(branch, namespace, depth)),
            Value::Object(object) => self.object(object, namespace, depth),
            _ => Ok(()),
        }
    }

    fn object(&mut self, object: &mut Map<String, Value>, namespace: &str, depth: usize) -> Result<(), String> {
        let named = matches!(object.get("type").and_then(Value::as_str), Some("record" | "error" | "enum" | "fixed"));
        let mut within = namespace.to_owned();
        if named && let Some((name, own)) = full_name(object, namespace) {
            within = own;
            self.definitions.remove(&name);
            self.defined.insert(name);
        }
        if let Some(fields) = object.get_mut("fields").and_then(Value::as_array_mut) {
            for field in fields {
                if let Some(field_type) = field.get_mut("type") {
                    self.place(field_type, &within, depth)?;
                }
            }
        }
        for key in ["items", "values"] {
            if let Some(inner) = object.get_mut(key) {
                self.place(inner, &within, depth)?;
            }
        }
        match object.get_mut("type") {
            Some(inner) if !named => self.place(inner, &within, depth),
            _ => Ok(()),
        }
    }
}

/// The full name of a named type that stands in `namespace`, and the namespace within it.
fn full_name(object: &Map<String, Value>, namespace: &str) -> Option<(String, String)> {
    let name = object.get("name")?.as_str()?;
    let full = qualify(name, object.get("namespace").and_then(Value::as_str).unwrap_or(namespace));
    let within = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
    Some((full, within))
}

fn qualify(name: &str, namespace: &str) -> String {
    match name.contains('.') || namespace.is_empty() {
        true => name.to_owned(),
        false => format!("{namespace}.{name}"),
    }
}
