//! A whole value by its schema, for a program that may look at any of it.
//!
//! Records and maps are objects, enums and UUIDs texts, of a union it is the value. Numbers keep their digits: a decimal is the number with all
//! of its places. Times are whole numbers in the unit of their schema. Bytes are text where they are UTF-8, else bytes.
//!
//! Invariants: as for `read`: every value is paid for, and the nesting has a limit.

use super::data::{Data, Read, Stop, meaning};
use super::read::Values;
use super::schema::{Meaning, Scalar, Schema, Type, TypeId};
use crate::intake::DEPTH_MAX;
use crate::intake::transform::{Num, Val, text_or_bytes};
use crate::intake::value::Value;
use jaq_json::Map;

/// The datum that `bytes` hold from `start` to their end.
///
/// # Errors
/// What is wrong, where.
pub(super) fn read(schema: &Schema, bytes: &[u8], start: usize) -> Result<Val, Box<Stop>> {
    let data = Data { bytes, at: start.min(bytes.len()) };
    let mut walk = Walk { schema, data, depth: 0, values: Values::of(bytes.len()) };
    let value = walk.value(schema.top)?;
    match walk.data.remaining() {
        0 => Ok(value),
        left => walk.data.stop(format!("{left} more bytes than its schema has")),
    }
}

struct Walk<'s, 'a> {
    schema: &'s Schema,
    data: Data<'a>,
    depth: usize,
    values: Values,
}

impl<'s> Walk<'s, '_> {
    fn value(&mut self, of: TypeId) -> Read<Val> {
        self.values.take(&self.data)?;
        match self.schema.of(of) {
            Type::Scalar(scalar) => self.scalar(scalar),
            Type::Union(branches) => {
                let branch = self.data.choice(branches.len(), "branch")?;
                self.value(branches[branch])
            }
            Type::Record(record) => self.nested(|walk| {
                let mut fields = Map::default();
                for field in &record.fields {
                    let value = walk.value(field.of).map_err(|stop| stop.within(&field.name))?;
                    fields.insert(Val::utf8_str(field.name.to_string()), value);
                }
                Ok(Val::obj(fields))
            }),
            Type::Array(inner) => self.nested(|walk| {
                let mut values = Vec::new();
                while let Some(block) = walk.data.block()? {
                    for _ in 0..block.count {
                        let value = walk.value(*inner).map_err(|stop| stop.within(&values.len().to_string()))?;
                        values.push(value);
                    }
                    walk.data.end_block(block)?;
                }
                Ok(Val::Arr(values.into()))
            }),
            Type::Map(inner) => self.nested(|walk| {
                let mut fields = Map::default();
                while let Some(block) = walk.data.block()? {
                    for _ in 0..block.count {
                        let name = walk.data.text()?;
                        let value = walk.value(*inner).map_err(|stop| stop.within(name))?;
                        fields.insert(Val::utf8_str(name.to_owned()), value);
                    }
                    walk.data.end_block(block)?;
                }
                Ok(Val::obj(fields))
            }),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Read<Val>) -> Read<Val> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.data.stop(format!("nested deeper than {DEPTH_MAX}"));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn scalar(&mut self, scalar: &'s Scalar) -> Read<Val> {
        Ok(match scalar {
            Scalar::Null => Val::Null,
            Scalar::Boolean => Val::Bool(self.data.boolean()?),
            Scalar::Int(_) => Val::Num(Num::from_integral(self.data.int()?)),
            Scalar::Long(_) => Val::Num(Num::from_integral(self.data.long()?)),
            Scalar::Float => Val::from(self.data.float()?),
            Scalar::Double => Val::from(self.data.double()?),
            Scalar::Text => Val::utf8_str(self.data.text()?.to_owned()),
            Scalar::Bytes(of) => bytes_as(self.data.length_and_bytes()?, *of),
            Scalar::Fixed(length, of) => bytes_as(self.data.next_bytes(*length)?, *of),
            Scalar::Enum(symbols) => {
                let symbol = self.data.choice(symbols.len(), "symbol")?;
                Val::utf8_str(symbols[symbol].to_string())
            }
        })
    }
}

fn bytes_as(bytes: &[u8], of: Meaning) -> Val {
    if let Meaning::Decimal(scale) = of
        && let Some(number) = decimal(bytes, usize::from(scale))
    {
        return Val::Num(number);
    }
    match meaning(bytes, of) {
        Value::Text(text) => Val::utf8_str(text.into_owned()),
        Value::Float(number) => Val::from(number),
        _ => text_or_bytes(bytes),
    }
}

/// A decimal with all of its digits, such as `12.50`; `None` where they would be more than anybody writes.
fn decimal(bytes: &[u8], scale: usize) -> Option<Num> {
    const BYTES_MAX: usize = 400;
    const SCALE_MAX: usize = 1000;
    if bytes.len() > BYTES_MAX || scale > SCALE_MAX {
        return None;
    }
    let is_negative = bytes.first().is_some_and(|&first| first >= 0x80);
    let mut magnitude = bytes.to_vec();
    if is_negative {
        let mut carries = true;
        for byte in magnitude.iter_mut().rev() {
            let (sum, overflows) = (!*byte).overflowing_add(u8::from(carries));
            (*byte, carries) = (sum, overflows);
        }
    }
    let hex: String = magnitude.iter().map(|byte| format!("{byte:02x}")).collect();
    let whole = Num::from_str_radix(if hex.is_empty() { "0" } else { &hex }, 16)?.to_string();
    let digits = format!("{whole:0>width$}", width = scale + 1);
    let (before, after) = digits.split_at(digits.len() - scale);
    let sign = if is_negative { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    let text = format!("{sign}{before}{point}{after}");
    if scale == 0 { Num::from_str_radix(&text, 10) } else { Some(Num::Dec(text.into())) }
}
