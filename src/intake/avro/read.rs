//! One walk over a value by its plan, which picks what is wanted and skips the rest.
//!
//! Invariants: texts are borrowed from the value, from the schema's symbols and from defaults; what is skipped is not
//! looked at beyond its lengths. Every value is paid for ([`Values`]), also one that has no bytes (null, a record of such): an array can
//! claim any number of them. The nesting has a limit also where it is skipped.

use super::data::{Data, Read, Stop, meaning};
use super::plan::{Default, Kind, Plan, ReadId};
use super::schema::{Scalar, Schema, Type, TypeId};
use crate::intake::DEPTH_MAX;
use crate::intake::paths::Paths;
use crate::intake::value::{Found, LogicalTime, Place, Value};
use std::borrow::Cow;

/// Most values in one record, besides [`VALUES_PER_BYTE_MAX`] for each of its bytes.
const VALUES_MAX: usize = 10_000;

/// Values that one byte may stand for: records around it that hold nothing else, and fields beside it that are null.
const VALUES_PER_BYTE_MAX: usize = 8;

/// How many values may still be read of a record.
#[derive(Clone, Copy)]
pub(super) struct Values(usize);

impl Values {
    /// Of a record of so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self(VALUES_PER_BYTE_MAX.saturating_mul(bytes).saturating_add(VALUES_MAX))
    }

    /// Pays for a value.
    pub(super) fn take(&mut self, data: &Data<'_>) -> Read<()> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => data.stop(format!("more than {VALUES_MAX} values, and {VALUES_PER_BYTE_MAX} for each byte")),
        }
    }
}

/// The values at `paths` in the datum that `bytes` hold from `start` to their end.
///
/// # Errors
/// What is wrong, where.
pub(super) fn read<'a>(plan: &'a Plan, paths: &Paths, bytes: &'a [u8], start: usize) -> Result<Found<'a>, Box<Stop>> {
    let mut walk = Walk::new(paths, bytes, start, None);
    walk.read(plan, plan.top, None)?;
    match walk.data.remaining() {
        0 => Ok(walk.found),
        left => walk.data.stop(format!("{left} more bytes than its schema has")),
    }
}

/// Where `place` ends in the same, in bytes. A second walk, for messages only.
pub(super) fn locate(plan: &Plan, paths: &Paths, bytes: &[u8], start: usize, place: Place) -> Option<usize> {
    let mut walk = Walk::new(paths, bytes, start, Some(place));
    let stop = walk.read(plan, plan.top, None).err()?;
    stop.what.is_empty().then_some(stop.at)
}

struct Walk<'p, 'a> {
    data: Data<'a>,
    paths: &'p Paths,
    found: Found<'a>,
    stop: Option<Place>,
    depth: usize,
    values: Values,
}

impl<'p, 'a> Walk<'p, 'a> {
    fn new(paths: &'p Paths, bytes: &'a [u8], start: usize, stop: Option<Place>) -> Self {
        let data = Data { bytes, at: start.min(bytes.len()) };
        Self { data, paths, found: Found::nothing(paths), stop, depth: 0, values: Values::of(bytes.len()) }
    }

    /// Reads a value; `line` when it is a line of the order.
    fn read(&mut self, plan: &'a Plan, id: ReadId, line: Option<usize>) -> Read<()> {
        self.values.take(&self.data)?;
        let read = &plan.reads[id];
        let value = match &read.kind {
            Kind::Union(branches) => {
                let branch = self.data.choice(branches.len(), "branch")?;
                return self.read(plan, branches[branch], line);
            }
            Kind::Scalar(of) => match plan.schema.of(*of) {
                Type::Scalar(scalar) => self.scalar(scalar)?,
                _ => Value::Missing,
            },
            Kind::Record { of, parts, defaults } => {
                self.enter()?;
                self.record(plan, *of, parts, defaults)?;
                self.leave();
                Value::Object
            }
            Kind::Array { element, indexed, each } => {
                self.enter()?;
                self.array(plan, *element, indexed, *each)?;
                self.leave();
                Value::Array
            }
            Kind::Map { value, named } => {
                self.enter()?;
                self.map(plan, *value, named)?;
                self.leave();
                Value::Object
            }
        };
        self.keep(read.node, value, line)
    }

    fn record(&mut self, plan: &'a Plan, of: TypeId, parts: &[Vec<ReadId>], defaults: &'a [Default]) -> Read<()> {
        let Type::Record(record) = plan.schema.of(of) else { return Ok(()) };
        for (field, reads) in record.fields.iter().zip(parts) {
            let (start, values) = (self.data.at, self.values);
            let read = match &reads[..] {
                [] => self.skip(&plan.schema, field.of),
                [only] => self.read(plan, *only, None),
                several => several.iter().try_for_each(|&read| {
                    // The same values: paid for once.
                    (self.data.at, self.values) = (start, values);
                    self.read(plan, read, None)
                }),
            };
            read.map_err(|stop| stop.within(&field.name))?;
        }
        defaults.iter().try_for_each(|default| self.default(default))
    }

    /// Reads a default as if it were written here.
    fn default(&mut self, default: &'a Default) -> Read<()> {
        let (data, stop) = (self.data, self.stop.take());
        self.data = Data { bytes: &default.bytes, at: 0 };
        let read = self.read(&default.plan, default.plan.top, None);
        (self.data, self.stop) = (data, stop);
        read
    }

    fn array(
        &mut self,
        plan: &'a Plan,
        element: TypeId,
        indexed: &[(usize, ReadId)],
        each: Option<ReadId>,
    ) -> Read<()> {
        if each.is_some() {
            self.found.forget_lines();
        }
        let mut index = 0;
        while let Some(block) = self.data.block()? {
            // Nothing in it is wanted, and it says how long it is.
            if let (None, Some(end), true) = (each, block.end, indexed.iter().all(|(wanted, _)| *wanted < index)) {
                self.data.at = end;
                continue;
            }
            for _ in 0..block.count {
                let wanted = indexed.iter().find(|(wanted, _)| *wanted == index).map(|(_, read)| *read).or(each);
                let read = match wanted {
                    Some(read) => {
                        self.found.forget(self.paths, plan.reads[read].node);
                        self.read(plan, read, each.map(|_| index))
                    }
                    None => self.skip(&plan.schema, element),
                };
                read.map_err(|stop| stop.within(&index.to_string()))?;
                index += 1;
            }
            self.data.end_block(block)?;
        }
        if each.is_some() {
            self.found.line_count = index;
        }
        Ok(())
    }

    fn map(&mut self, plan: &'a Plan, value: TypeId, named: &[(Box<str>, ReadId)]) -> Read<()> {
        while let Some(block) = self.data.block()? {
            for _ in 0..block.count {
                let name = self.data.length_and_bytes()?;
                match named.iter().find(|(wanted, _)| wanted.as_bytes() == name) {
                    Some((name, read)) => {
                        self.found.forget(self.paths, plan.reads[*read].node);
                        self.read(plan, *read, None).map_err(|stop| stop.within(name))?;
                    }
                    None => self.skip(&plan.schema, value)?,
                }
            }
            self.data.end_block(block)?;
        }
        Ok(())
    }

    fn scalar(&mut self, scalar: &'a Scalar) -> Read<Value<'a>> {
        Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean => Value::Bool(self.data.boolean()?),
            Scalar::Int(logical) => number(self.data.int()?, *logical),
            Scalar::Long(logical) => number(self.data.long()?, *logical),
            Scalar::Float => Value::Float(self.data.float()?),
            Scalar::Double => Value::Float(self.data.double()?),
            Scalar::Text => Value::Text(Cow::Borrowed(self.data.text()?)),
            Scalar::Bytes(of) => meaning(self.data.length_and_bytes()?, *of),
            Scalar::Fixed(length, of) => meaning(self.data.next_bytes(*length)?, *of),
            Scalar::Enum(symbols) => {
                let symbol = self.data.choice(symbols.len(), "symbol")?;
                Value::Text(Cow::Borrowed(&symbols[symbol]))
            }
        })
    }

    fn skip(&mut self, schema: &Schema, of: TypeId) -> Read<()> {
        self.values.take(&self.data)?;
        match schema.of(of) {
            Type::Scalar(scalar) => return self.skip_scalar(scalar),
            Type::Union(branches) => {
                let branch = self.data.choice(branches.len(), "branch")?;
                return self.skip(schema, branches[branch]);
            }
            Type::Record(record) => {
                self.enter()?;
                for field in &record.fields {
                    self.skip(schema, field.of).map_err(|stop| stop.within(&field.name))?;
                }
            }
            Type::Array(inner) => self.skip_blocks(schema, *inner, false)?,
            Type::Map(inner) => self.skip_blocks(schema, *inner, true)?,
        }
        self.leave();
        Ok(())
    }

    fn skip_blocks(&mut self, schema: &Schema, inner: TypeId, with_names: bool) -> Read<()> {
        self.enter()?;
        while let Some(block) = self.data.block()? {
            if let Some(end) = block.end {
                self.data.at = end;
                continue;
            }
            for _ in 0..block.count {
                if with_names {
                    self.data.length_and_bytes()?;
                }
                self.skip(schema, inner)?;
            }
        }
        Ok(())
    }

    fn skip_scalar(&mut self, scalar: &Scalar) -> Read<()> {
        match scalar {
            Scalar::Null => Ok(()),
            Scalar::Boolean => self.data.boolean().map(drop),
            Scalar::Int(_) => self.data.int().map(drop),
            Scalar::Long(_) => self.data.long().map(drop),
            Scalar::Float => self.data.next_bytes(4).map(drop),
            Scalar::Double => self.data.next_bytes(8).map(drop),
            Scalar::Text | Scalar::Bytes(_) => self.data.length_and_bytes().map(drop),
            Scalar::Fixed(length, _) => self.data.next_bytes(*length).map(drop),
            Scalar::Enum(symbols) => self.data.choice(symbols.len(), "symbol").map(drop),
        }
    }

    /// The end of every read.
    fn keep(&mut self, node: usize, value: Value<'a>, line: Option<usize>) -> Read<()> {
        self.found.values[node] = value;
        if let Some(line) = line {
            self.found.keep_line(self.paths, line, node);
        }
        let reached = match self.stop {
            None => false,
            Some(Place::Node(wanted)) => wanted == node,
            Some(Place::Line(wanted)) => line == Some(wanted),
        };
        if reached { self.data.stop("") } else { Ok(()) }
    }

    fn enter(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { self.data.stop(format!("nested deeper than {DEPTH_MAX}")) } else { Ok(()) }
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }
}

fn number(number: i64, logical: Option<LogicalTime>) -> Value<'static> {
    logical.map_or(Value::Signed(number), |logical| Value::Time(number, logical))
}
