//! Avro's bytes, one by one: numbers, lengths, texts, the heads of blocks.
//!
//! Reference: Apache Avro 1.12 specification, "Binary Encoding".
//! Invariants: nothing is read beyond the end, and nothing is allocated by a length that the data claims. What is said of
//! a fault holds no number from the data: where it is read out of step, that would be a piece of some text.

use super::schema::Meaning;
use crate::intake::value::Value;
use std::borrow::Cow;

/// Why reading stopped.
#[derive(Debug)]
pub(super) struct Stop {
    /// At which byte of the record.
    pub at: usize,
    /// What is wrong; empty when the place looked for is reached.
    pub what: String,
    /// Names of the fields and elements around, from the inside.
    pub path: Vec<Box<str>>,
}

impl Stop {
    /// The same, within `name`.
    pub fn within(mut self: Box<Self>, name: &str) -> Box<Self> {
        self.path.push(name.into());
        self
    }
}

/// Boxed: it is rare, and results are many.
pub(super) type Read<T> = Result<T, Box<Stop>>;

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

/// Elements that stand together in an array or a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub count: u64,
    /// Where it ends, if its writer said so.
    pub end: Option<usize>,
}

impl<'a> Data<'a> {
    pub fn stop<T>(&self, what: impl Into<String>) -> Read<T> {
        Err(Box::new(Stop { at: self.at, what: what.into(), path: Vec::new() }))
    }

    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn next_bytes(&mut self, count: usize) -> Read<&'a [u8]> {
        match self.bytes[self.at..].split_at_checked(count) {
            Some((taken, _)) => {
                self.at += count;
                Ok(taken)
            }
            None => self.stop(format!("{count} bytes are due, {} are left", self.remaining())),
        }
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let start = *self;
        self.next_bytes(N)?.try_into().or_else(|_| start.stop("cut"))
    }

    pub fn boolean(&mut self) -> Read<bool> {
        let start = *self;
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => start.stop("true or false that is neither 1 nor 0"),
        }
    }

    pub fn float(&mut self) -> Read<f64> {
        Ok(f64::from(f32::from_le_bytes(self.array()?)))
    }

    pub fn double(&mut self) -> Read<f64> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    pub fn int(&mut self) -> Read<i64> {
        let start = *self;
        let number = self.long()?;
        if i32::try_from(number).is_ok() { Ok(number) } else { start.stop("an int beyond 32 bits") }
    }

    pub fn long(&mut self) -> Read<i64> {
        let (mut number, mut shift) = (0_u64, 0_u32);
        for (place, &byte) in self.bytes[self.at..].iter().enumerate() {
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                return self.stop("a number beyond 64 bits");
            }
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                self.at += place + 1;
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
            shift += 7;
        }
        self.stop("the data ends within a number")
    }

    fn length(&mut self) -> Read<usize> {
        let start = *self;
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(length) if length <= self.remaining() => Ok(length),
            Ok(_) => start.stop(format!("a length beyond the {} bytes that are left", self.remaining())),
            Err(_) => start.stop("a negative length"),
        }
    }

    pub fn length_and_bytes(&mut self) -> Read<&'a [u8]> {
        let length = self.length()?;
        self.next_bytes(length)
    }

    pub fn text(&mut self) -> Read<&'a str> {
        let start = *self;
        let bytes = self.length_and_bytes()?;
        str::from_utf8(bytes).or_else(|_| start.stop("text that is not UTF-8"))
    }

    /// A number below `count`.
    pub fn choice(&mut self, count: usize, of: &str) -> Read<usize> {
        let start = *self;
        let number = self.long()?;
        match usize::try_from(number) {
            Ok(choice) if choice < count => Ok(choice),
            _ => start.stop(format!("a {of} that is none of {count}")),
        }
    }

    /// The head of the next block; `None` at the end of the array or map.
    pub fn block(&mut self) -> Read<Option<Block>> {
        match self.long()? {
            0 => Ok(None),
            count @ 1.. => Ok(Some(Block { count: count.unsigned_abs(), end: None })),
            count => {
                let length = self.length()?;
                Ok(Some(Block { count: count.unsigned_abs(), end: Some(self.at + length) }))
            }
        }
    }

    /// Checks that `block` ends here.
    pub fn end_block(&self, block: Block) -> Read<()> {
        match block.end {
            Some(end) if end != self.at => self.stop(format!("a block that ends at byte {end} by its own word")),
            _ => Ok(()),
        }
    }
}

/// What `bytes` say.
pub(super) fn meaning(bytes: &[u8], meaning: Meaning) -> Value<'_> {
    match meaning {
        Meaning::Plain => match str::from_utf8(bytes) {
            Ok(text) => Value::Text(Cow::Borrowed(text)),
            Err(_) => Value::Bytes,
        },
        Meaning::Uuid => Value::Text(Cow::Owned(uuid(bytes))),
        Meaning::Decimal(scale) => decimal(bytes, scale),
    }
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.extend([byte >> 4, byte & 0xF].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    text
}

/// A decimal without fraction is a whole number where it has 64 bits at most; every other is a float.
fn decimal(bytes: &[u8], scale: u16) -> Value<'static> {
    let Some(&first) = bytes.first() else { return Value::Signed(0) };
    let fill = if first < 0x80 { 0 } else { 0xFF };
    let significant = bytes.iter().position(|&byte| byte != fill).map_or(&[][..], |start| &bytes[start..]);
    let sign = if fill == 0 { 0_i128 } else { -1 };
    if significant.len() > 15 {
        let start = if fill == 0 { 0.0 } else { -1.0 };
        let number = significant.iter().fold(start, |number, &byte| number * 256.0 + f64::from(byte));
        return Value::Float(number / libm::pow(10.0, f64::from(scale)));
    }
    let number = significant.iter().fold(sign, |number, &byte| (number << 8) | i128::from(byte));
    match (scale, i64::try_from(number), u64::try_from(number)) {
        (0, Ok(number), _) => Value::Signed(number),
        (0, _, Ok(number)) => Value::Unsigned(number),
        _ => Value::Float(number as f64 / libm::pow(10.0, f64::from(scale))),
    }
}
