//! The settings' form of a mapping (reference: `docs/mapping.md`).
//!
//! Invariants: every part has a default, and all defaults together read samenloop's own form of events; what is written
//! out is read back as the same. Unknown keys are passed over here, so that whoever reads the settings can find them.
//! Absent: checks of names and pointers (see `mapping`).

use super::origin::{OriginSpec, TimeOriginSpec, TimeSpec, WrittenScalar};
use crate::event::{EventType, SHOP_DEFAULT};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// How a source's records become events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct MappingSpec {
    /// The type of event.
    #[serde(rename = "type")]
    pub event_type: TypeSpec,
    /// How the value's bytes are written.
    pub format: Format,
    /// How the key's bytes are written, where the mapping reads them.
    pub key_format: Format,
    /// A jq program that makes of a record the values that the fields are in; without it they are in the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transform: Option<String>,
    /// Where the fields are.
    pub fields: FieldsSpec,
    /// Whether impressions and clicks are read, and what orders cost: a setting of its own. Otherwise nobody looks for what only they need.
    #[serde(skip)]
    pub reads_clicks: bool,
}

/// How a record's bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a record.
    #[default]
    Json,
    /// Files only: a row of comma-separated values a record, its columns the fields.
    Csv,
    /// Files only: the same, separated by tabs.
    Tsv,
    /// Avro in the Confluent wire format, or bare where the writer's schema is given.
    Avro,
}

impl Format {
    /// Whether records are rows of a table.
    #[must_use]
    pub fn is_rows(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }
}

/// Where the fields of an event are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct FieldsSpec {
    /// The shop.
    pub shop: OneOrMore<OriginSpec>,
    /// The user.
    pub user: OneOrMore<OriginSpec>,
    /// The event time.
    pub time: OneOrMore<TimeOriginSpec>,
    /// The event id; an event needs none.
    pub id: OneOrMore<OriginSpec>,
    /// The item of a view or cart.
    pub item: OneOrMore<OriginSpec>,
    /// The session of a view; a view needs none.
    pub session: OneOrMore<OriginSpec>,
    /// The number of an order; an order needs none, later records of it do.
    pub order_id: OneOrMore<OriginSpec>,
    /// Which state of an order is the newer one; a record needs none.
    pub version: OneOrMore<OriginSpec>,
    /// The array of an order's lines.
    pub lines: String,
    /// The item within a line, by JSON pointer; empty means the line itself.
    pub line_item: OneOrMore<OriginSpec>,
    /// The list of an impression or a click.
    pub list: OneOrMore<OriginSpec>,
    /// Its placement; it has one of both.
    pub placement: OneOrMore<OriginSpec>,
    /// The item that the list is about; a list about a whole shop has none.
    pub about: OneOrMore<OriginSpec>,
    /// The place of the entry, or of the first one, from 1.
    pub position: OneOrMore<OriginSpec>,
    /// Where the entry came from, as the list's record says.
    pub source: OneOrMore<OriginSpec>,
    /// The currency of what an order's lines cost.
    pub currency: OneOrMore<OriginSpec>,
    /// The place within a line of an impression, by JSON pointer.
    pub line_position: String,
    /// The source within a line of an impression.
    pub line_source: String,
    /// What one of a line's pieces costs.
    pub line_price: String,
    /// How many pieces there are.
    pub line_quantity: String,
    /// What becomes of a line whose item is missing, null or empty.
    pub line_without_item: LineWithoutItem,
    /// What counts as missing in every field, besides what a place says itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<WrittenScalar>,
    /// Whether blanks around texts are cut off in every field.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trim: bool,
    /// What becomes of an order whose user is missing, null or empty.
    pub user_missing: UserMissing,
}

/// What becomes of an order without a user: a guest's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UserMissing {
    /// It is refused.
    #[default]
    Reject,
    /// It counts as its own customer, without history.
    Anonymous,
}

/// What becomes of an order's line that has no item: a voucher, shipping, a comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LineWithoutItem {
    /// The order is refused.
    #[default]
    Reject,
    /// The line is passed over.
    Skip,
}

impl Default for FieldsSpec {
    fn default() -> Self {
        let field = |pointer: &str| OneOrMore(vec![OriginSpec::Field(pointer.to_owned())]);
        let shop = vec![OriginSpec::Field("/shop".to_owned()), OriginSpec::Constant(SHOP_DEFAULT.to_owned())];
        Self {
            shop: OneOrMore(shop),
            user: field("/user"),
            time: OneOrMore(vec![TimeOriginSpec::Read(OriginSpec::Field("/ts".to_owned()), TimeSpec::default())]),
            id: field("/event_id"),
            item: field("/item"),
            session: field("/session"),
            order_id: field("/order_id"),
            version: field("/version"),
            lines: "/lines".to_owned(),
            line_item: field("/item"),
            list: field("/list"),
            placement: field("/placement"),
            about: field("/about"),
            position: field("/position"),
            source: field("/source"),
            currency: field("/currency"),
            line_position: "/position".to_owned(),
            line_source: "/source".to_owned(),
            line_price: "/unit_price".to_owned(),
            line_quantity: "/quantity".to_owned(),
            line_without_item: LineWithoutItem::Reject,
            missing: Vec::new(),
            trim: false,
            user_missing: UserMissing::Reject,
        }
    }
}

/// Which type of event a record is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written<TypeTable>", into = "Written<TypeTable>")]
pub enum TypeSpec {
    /// The same for all: the name of an [`EventType`].
    Fixed(String),
    /// Read from the record.
    Read {
        /// Where.
        from: OneOrMore<OriginSpec>,
        /// What each value means: the name of an [`EventType`], or `skip`.
        values: BTreeMap<String, String>,
        /// What becomes of other values, and of records without one: `reject` or `skip`.
        other: String,
    },
}

impl Default for TypeSpec {
    fn default() -> Self {
        Self::read(OneOrMore(vec![OriginSpec::Field("/type".to_owned())]), None, None)
    }
}

impl TypeSpec {
    fn read(from: OneOrMore<OriginSpec>, values: Option<BTreeMap<String, String>>, other: Option<String>) -> Self {
        let own_names = || EventType::ALL.map(|known| (known.name().to_owned(), known.name().to_owned())).into();
        let other = other.unwrap_or_else(|| "reject".to_owned());
        Self::Read { from, values: values.unwrap_or_else(own_names), other }
    }
}

/// A text for the common case, or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written<T> {
    Text(String),
    Table(T),
}

/// A table that says where the type is read from and what its values mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
struct TypeTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<OneOrMore<OriginSpec>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<String>,
}

impl TryFrom<Written<TypeTable>> for TypeSpec {
    type Error = String;

    fn try_from(written: Written<TypeTable>) -> Result<Self, String> {
        let field = |pointer| OneOrMore(vec![OriginSpec::Field(pointer)]);
        match written {
            Written::Text(text) if text.starts_with('/') => Ok(Self::read(field(text), None, None)),
            Written::Text(text) => Ok(Self::Fixed(text)),
            Written::Table(table) => match (table.field, table.from) {
                (Some(pointer), None) => Ok(Self::read(field(pointer), table.values, table.other)),
                (None, Some(from)) => Ok(Self::read(from, table.values, table.other)),
                _ => {
                    Err("type: expected \"view\", \"cart\", \"order\", or a table with field = \"/…\" (or from = …), \
                          values = { … }, other = \"reject\" or \"skip\""
                        .to_owned())
                }
            },
        }
    }
}

impl From<TypeSpec> for Written<TypeTable> {
    fn from(spec: TypeSpec) -> Self {
        match spec {
            TypeSpec::Fixed(name) => Self::Text(name),
            TypeSpec::Read { from, values, other } => {
                let (values, other) = (Some(values), Some(other));
                Self::Table(match from.0.as_slice() {
                    [OriginSpec::Field(pointer)] => {
                        TypeTable { field: Some(pointer.clone()), from: None, values, other }
                    }
                    _ => TypeTable { field: None, from: Some(from), values, other },
                })
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor(PhantomData))
    }
}

struct WrittenVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for WrittenVisitor<T> {
    type Value = Written<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a table")
    }

    fn visit_str<E>(self, text: &str) -> Result<Written<T>, E> {
        Ok(Written::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Written::Table)
    }
}

impl<T: Serialize> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Table(table) => table.serialize(serializer),
        }
    }
}

/// One, or an array of which the first that gives something counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMore<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMoreVisitor(PhantomData))
    }
}

struct OneOrMoreVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMoreVisitor<T> {
    type Value = OneOrMore<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a table, or an array of these")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMore<T>, E> {
        T::deserialize(StrDeserializer::new(text)).map(|one| OneOrMore(vec![one]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMore<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMore(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMore<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element()? {
            all.push(one);
        }
        Ok(OneOrMore(all))
    }
}

impl<T: Serialize> Serialize for OneOrMore<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            all => all.serialize(serializer),
        }
    }
}
