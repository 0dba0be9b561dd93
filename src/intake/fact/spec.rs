//! The settings' form of a mapping of facts (reference: `docs/facts.md`).
//!
//! Invariant: every part has a default, and all defaults together read samenloop's own form of facts: plain names.
//! Absent: how settings are read (`config`), and whether they are good (see `mapping`).

use super::field::FactField;
use crate::event::SHOP_DEFAULT;
use crate::facts::FactsTopic;
use crate::intake::origin::{FactOriginSpec, OriginSpec, TimeOriginSpec, TimeSpec, WrittenScalar};
use crate::intake::spec::{Format, OneOrMore};
use std::collections::BTreeMap;

/// How records become facts of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactSpec {
    /// Of which kind.
    pub topic: FactsTopic,
    /// How the value's bytes are written.
    pub format: Format,
    /// How the key's bytes are written, where they are looked at.
    pub key_format: Format,
    /// What the key says: the names of fields with slashes between them, or `json`: an object of them.
    pub key: String,
    /// A jq program that makes of a record the values that the fields are in.
    pub transform: Option<String>,
    /// Where the fields are, as far as that is said.
    pub fields: BTreeMap<&'static str, OneOrMore<FactOriginSpec>>,
    /// What counts as missing in every field.
    pub missing: Vec<WrittenScalar>,
    /// Whether blanks around texts are cut off in every field.
    pub trim: bool,
}

impl FactSpec {
    /// Our own form.
    #[must_use]
    pub fn new(topic: FactsTopic) -> Self {
        Self {
            topic,
            format: Format::Json,
            key_format: Format::Json,
            key: Self::default_key(topic),
            transform: None,
            fields: BTreeMap::new(),
            missing: Vec::new(),
            trim: false,
        }
    }

    /// What the key says where nothing else is said.
    #[must_use]
    pub fn default_key(topic: FactsTopic) -> String {
        let names: Vec<&str> = FactField::key_of(topic).iter().map(|field| field.name()).collect();
        names.join("/")
    }

    /// Where a field is.
    pub(super) fn places(&self, field: FactField) -> OneOrMore<FactOriginSpec> {
        if let Some(said) = self.fields.get(field.name()) {
            return said.clone();
        }
        let mut places = vec![FactOriginSpec::field(&format!("/{}", field.name()))];
        match field {
            FactField::Shop => {
                let constant = OriginSpec::Constant(SHOP_DEFAULT.to_owned());
                places.push(FactOriginSpec::plain(TimeOriginSpec::Read(constant, TimeSpec::default())));
            }
            FactField::When => places.push(FactOriginSpec::plain(TimeOriginSpec::RecordTimestamp)),
            _ => {}
        }
        OneOrMore(places)
    }
}
