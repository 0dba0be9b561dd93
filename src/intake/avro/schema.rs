//! An Avro schema as a list of types that name each other by number.
//!
//! Reference: Apache Avro 1.12 specification, "Schema Declaration". Names of types are resolved here, so that what reads by
//! a schema knows nothing of namespaces. Of a writer's schema only what its bytes depend on is checked: a bad default
//! or an odd name in it does not keep anyone from reading. What nothing here knows (a logical type, an attribute) is
//! passed over, as the specification wants it.
//! Absent: data (see `read`), and what of it is wanted (see `plan`).

use crate::intake::value::LogicalTime;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Longest text of a schema, in bytes.
pub(in crate::intake) const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// Number of a type within its schema.
pub(super) type TypeId = usize;

/// A schema.
#[derive(Clone, Debug)]
pub(in crate::intake) struct Schema {
    pub(super) types: Vec<Type>,
    pub(super) top: TypeId,
}

impl Schema {
    /// About the bytes held.
    pub(super) fn bytes(&self) -> usize {
        crate::memory::of_vec(&self.types)
    }
}

/// The defaults of a schema's fields as JSON, by record and place.
pub(super) type Defaults = BTreeMap<(TypeId, usize), Value>;

/// A type.
#[derive(Clone, Debug)]
pub(super) enum Type {
    Scalar(Scalar),
    Array(TypeId),
    Map(TypeId),
    /// Never directly in another union.
    Union(Vec<TypeId>),
    Record(Record),
}

/// A type without types inside.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Null,
    Boolean,
    Int(Option<LogicalTime>),
    Long(Option<LogicalTime>),
    Float,
    Double,
    Text,
    Bytes(Meaning),
    /// This many bytes.
    Fixed(usize, Meaning),
    Enum(Vec<Box<str>>),
}

/// What bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Text, if they are UTF-8.
    Plain,
    /// A whole number in two's complement, to be divided by ten to this power.
    Decimal(u16),
    /// The 16 bytes of a UUID.
    Uuid,
}

/// A record, or an error: written alike.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Without its namespace.
    pub name: Box<str>,
    /// The same of its aliases.
    pub aliases: Vec<Box<str>>,
    /// As they are written.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub name: Box<str>,
    pub aliases: Vec<Box<str>>,
    pub of: TypeId,
    /// As it would be written. Kept of a reader's schema only.
    pub default: Option<Box<[u8]>>,
}

impl Field {
    pub fn has_alias(&self, name: &str) -> bool {
        self.aliases.iter().any(|alias| &**alias == name)
    }
}

impl Schema {
    /// The schema that `text` (JSON) is, as a writer had it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_writer(text: &str) -> Result<Self, String> {
        Self::parse(text).map(|(schema, _)| schema)
    }

    /// The schema that `text` is, and the defaults of its fields.
    pub(super) fn parse(text: &str) -> Result<(Self, Defaults), String> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(format!("{} bytes long, more than {SCHEMA_BYTES_MAX}", text.len()));
        }
        let json: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let mut parser = Parser::default();
        let top = parser.any(&json, "")?;
        Ok((Self { types: parser.types, top }, parser.defaults))
    }

    pub(super) fn of(&self, id: TypeId) -> &Type {
        &self.types[id]
    }
}

#[derive(Default)]
struct Parser {
    types: Vec<Type>,
    /// By full name.
    named: BTreeMap<String, TypeId>,
    defaults: Defaults,
}

impl Parser {
    fn push(&mut self, of: Type) -> TypeId {
        self.types.push(of);
        self.types.len() - 1
    }

    fn any(&mut self, json: &Value, namespace: &str) -> Result<TypeId, String> {
        match json {
            Value::String(name) => self.by_name(name, namespace),
            Value::Array(branches) => self.union(branches, namespace),
            Value::Object(table) => self.table(table, namespace),
            other => Err(format!("{other} stands where a type is expected: a name, an array or an object")),
        }
    }

    fn by_name(&mut self, name: &str, namespace: &str) -> Result<TypeId, String> {
        if let Some(scalar) = primitive(name) {
            return Ok(self.push(Type::Scalar(scalar)));
        }
        let known = self.named.get(&full_name(name, namespace)).or_else(|| self.named.get(name));
        known.copied().ok_or_else(|| {
            format!("it names a type {name:?} that it does not define before; a schema must hold all its types")
        })
    }

    fn table(&mut self, table: &Map<String, Value>, namespace: &str) -> Result<TypeId, String> {
        let within = |name: &str| table.get(name).ok_or_else(|| format!("a type lacks its \"{name}\""));
        match within("type")? {
            Value::String(kind) => match kind.as_str() {
                "record" | "error" => self.record(table, namespace),
                "array" => self.any(within("items")?, namespace).map(|items| self.push(Type::Array(items))),
                "map" => self.any(within("values")?, namespace).map(|values| self.push(Type::Map(values))),
                "enum" => {
                    let symbols = Type::Scalar(Scalar::Enum(texts(table, "symbols")));
                    self.define(table, namespace, symbols).map(|(id, _)| id)
                }
                "fixed" => {
                    let bytes = within("size")?.as_u64().and_then(|bytes| usize::try_from(bytes).ok());
                    let bytes = bytes.ok_or("the size of a fixed type is a whole number")?;
                    let fixed = Type::Scalar(logical(Scalar::Fixed(bytes, Meaning::Plain), table));
                    self.define(table, namespace, fixed).map(|(id, _)| id)
                }
                name => match primitive(name) {
                    Some(scalar) => Ok(self.push(Type::Scalar(logical(scalar, table)))),
                    None => self.by_name(name, namespace),
                },
            },
            nested => self.any(nested, namespace),
        }
    }

    fn union(&mut self, branches: &[Value], namespace: &str) -> Result<TypeId, String> {
        let branches: Vec<_> = branches.iter().map(|branch| self.any(branch, namespace)).collect::<Result<_, _>>()?;
        if branches.iter().any(|&branch| matches!(self.types[branch], Type::Union(_))) {
            return Err("a union stands directly in a union".to_owned());
        }
        Ok(self.push(Type::Union(branches)))
    }

    /// Adds a type that has a name; returns its namespace too.
    fn define(&mut self, table: &Map<String, Value>, around: &str, of: Type) -> Result<(TypeId, String), String> {
        let name = table.get("name").and_then(Value::as_str).ok_or("a record, enum or fixed type lacks its name")?;
        let own = table.get("namespace").and_then(Value::as_str);
        let full = full_name(name, own.unwrap_or(around));
        let namespace = full.rsplit_once('.').map(|(namespace, _)| namespace.to_owned()).unwrap_or_default();
        let id = self.push(of);
        match self.named.insert(full, id) {
            None => Ok((id, namespace)),
            Some(_) => Err(format!("it defines the type {name:?} twice")),
        }
    }

    fn record(&mut self, table: &Map<String, Value>, around: &str) -> Result<TypeId, String> {
        // Known before its fields: they may name it.
        let (id, namespace) = self.define(table, around, Type::Scalar(Scalar::Null))?;
        let listed = table.get("fields").and_then(Value::as_array).ok_or("a record lacks its fields")?;
        let mut fields = Vec::with_capacity(listed.len());
        for (place, field) in listed.iter().enumerate() {
            let name = field.get("name").and_then(Value::as_str).ok_or("a field lacks its name")?;
            let of = field.get("type").ok_or_else(|| format!("field {name:?} lacks its type"))?;
            let of = self.any(of, &namespace)?;
            if let Some(default) = field.get("default") {
                self.defaults.insert((id, place), default.clone());
            }
            let aliases = field.as_object().map(|field| texts(field, "aliases")).unwrap_or_default();
            fields.push(Field { name: name.into(), aliases, of, default: None });
        }
        let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
        let aliases = texts(table, "aliases").iter().map(|alias| short_name(alias)).collect();
        self.types[id] = Type::Record(Record { name: short_name(name), aliases, fields });
        Ok(id)
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn short_name(name: &str) -> Box<str> {
    name.rsplit('.').next().unwrap_or_default().into()
}

fn texts(table: &Map<String, Value>, name: &str) -> Vec<Box<str>> {
    let listed = table.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    listed.iter().filter_map(Value::as_str).map(Into::into).collect()
}

fn primitive(name: &str) -> Option<Scalar> {
    Some(match name {
        "null" => Scalar::Null,
        "boolean" => Scalar::Boolean,
        "int" => Scalar::Int(None),
        "long" => Scalar::Long(None),
        "float" => Scalar::Float,
        "double" => Scalar::Double,
        "bytes" => Scalar::Bytes(Meaning::Plain),
        "string" => Scalar::Text,
        _ => return None,
    })
}

/// `scalar` with the logical type that `table` gives it, where that is one that changes what it says.
fn logical(scalar: Scalar, table: &Map<String, Value>) -> Scalar {
    let name = table.get("logicalType").and_then(Value::as_str).unwrap_or_default();
    let decimal = || {
        let scale = table.get("scale").map_or(Some(0), Value::as_u64)?;
        (name == "decimal").then_some(Meaning::Decimal(u16::try_from(scale).ok()?))
    };
    match scalar {
        Scalar::Int(None) => Scalar::Int((name == "date").then_some(LogicalTime::Date)),
        Scalar::Long(None) => Scalar::Long(LogicalTime::of_timestamp(name)),
        Scalar::Bytes(plain) => Scalar::Bytes(decimal().unwrap_or(plain)),
        Scalar::Fixed(16, Meaning::Plain) if name == "uuid" => Scalar::Fixed(16, Meaning::Uuid),
        Scalar::Fixed(bytes, plain) => Scalar::Fixed(bytes, decimal().unwrap_or(plain)),
        other => other,
    }
}
