//! The defaults of a reader's schema, written as Avro, so that what reads data reads them too.
//!
//! Invariants: a default that does not fit its type is refused with the field's name. A record in a default may leave out
//! what has a default of its own; one that would so hold itself without end is refused.

use super::schema::{Defaults, Scalar, Schema, Type, TypeId};
use crate::intake::DEPTH_MAX;
use serde_json::Value;

/// Most values within one default.
const DEFAULT_VALUES_MAX: usize = 10_000;

impl Schema {
    /// The schema that `text` (JSON) is, as a reader has it: its defaults count, and must fit their types.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_reader(text: &str) -> Result<Self, String> {
        let (mut schema, defaults) = Self::parse(text)?;
        for (&(of, place), default) in &defaults {
            let bytes = written(&schema, &defaults, of, place, default)?;
            if let Type::Record(record) = &mut schema.types[of] {
                record.fields[place].default = Some(bytes);
            }
        }
        Ok(schema)
    }
}

/// `default` of the field at `place` of a record, as bytes.
fn written(
    schema: &Schema,
    defaults: &Defaults,
    record: TypeId,
    place: usize,
    default: &Value,
) -> Result<Box<[u8]>, String> {
    let Type::Record(record) = schema.of(record) else { return Ok(Box::default()) };
    let field = &record.fields[place];
    let mut writer = Writer { schema, defaults, bytes: Vec::new(), values: 0 };
    writer.write(field.of, default, 0).ok_or_else(|| {
        format!("the default of field {:?} in record {:?} does not fit its type", field.name, record.name)
    })?;
    Ok(writer.bytes.into_boxed_slice())
}

struct Writer<'s> {
    schema: &'s Schema,
    defaults: &'s Defaults,
    bytes: Vec<u8>,
    values: usize,
}

impl Writer<'_> {
    /// Appends `json` as `of`; `None` when it does not fit.
    fn write(&mut self, of: TypeId, json: &Value, depth: usize) -> Option<()> {
        self.values += 1;
        if depth > DEPTH_MAX || self.values > DEFAULT_VALUES_MAX {
            return None;
        }
        match self.schema.of(of) {
            Type::Scalar(scalar) => self.scalar(scalar, json),
            Type::Array(items) => {
                let elements = json.as_array()?;
                self.count(elements.len())?;
                elements.iter().try_for_each(|element| self.write(*items, element, depth + 1))?;
                if elements.is_empty() { Some(()) } else { self.count(0) }
            }
            Type::Map(values) => {
                let entries = json.as_object()?;
                self.count(entries.len())?;
                for (name, value) in entries {
                    self.length_and(name.as_bytes())?;
                    self.write(*values, value, depth + 1)?;
                }
                if entries.is_empty() { Some(()) } else { self.count(0) }
            }
            // Before 1.12 only the first branch may be meant; since then any that fits.
            Type::Union(branches) => branches.iter().enumerate().find_map(|(place, &branch)| {
                let start = self.bytes.len();
                let written = self.count(place).and_then(|()| self.write(branch, json, depth));
                if written.is_none() {
                    self.bytes.truncate(start);
                }
                written
            }),
            Type::Record(record) => {
                let given = json.as_object()?;
                record.fields.iter().enumerate().try_for_each(|(place, field)| {
                    let value = given.get(&*field.name).or_else(|| self.defaults.get(&(of, place)))?;
                    self.write(field.of, value, depth + 1)
                })
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar, json: &Value) -> Option<()> {
        match scalar {
            Scalar::Null => json.as_null(),
            Scalar::Boolean => self.append(&[u8::from(json.as_bool()?)]),
            Scalar::Int(_) => self.number(i64::from(i32::try_from(json.as_i64()?).ok()?)),
            Scalar::Long(_) => self.number(json.as_i64()?),
            // Of the precision of its type.
            #[expect(clippy::cast_possible_truncation)]
            Scalar::Float => self.append(&(json.as_f64()? as f32).to_le_bytes()),
            Scalar::Double => self.append(&json.as_f64()?.to_le_bytes()),
            Scalar::Text => self.length_and(json.as_str()?.as_bytes()),
            Scalar::Bytes(_) => self.length_and(&code_points(json)?),
            Scalar::Fixed(length, _) => {
                let bytes = code_points(json).filter(|bytes| bytes.len() == *length)?;
                self.append(&bytes)
            }
            Scalar::Enum(symbols) => {
                let symbol = json.as_str()?;
                self.count(symbols.iter().position(|known| &**known == symbol)?)
            }
        }
    }

    fn count(&mut self, count: usize) -> Option<()> {
        self.number(i64::try_from(count).ok()?)
    }

    fn length_and(&mut self, bytes: &[u8]) -> Option<()> {
        self.count(bytes.len())?;
        self.append(bytes)
    }

    fn number(&mut self, number: i64) -> Option<()> {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest > 0x7F {
            self.bytes.push(u8::try_from(rest & 0x7F).ok()? | 0x80);
            rest >>= 7;
        }
        self.append(&[u8::try_from(rest).ok()?])
    }

    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.extend(bytes);
        Some(())
    }
}

/// Bytes as the default of a schema has them: a code point a byte.
fn code_points(json: &Value) -> Option<Vec<u8>> {
    json.as_str()?.chars().map(|char| u8::try_from(char).ok()).collect()
}
