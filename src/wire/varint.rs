//! Numbers and names as bytes, and the bounds-checked reader of both.

use super::frame::WireError;
use crate::limits::ID_BYTES_MAX;

/// Longest varint of 64 bits.
pub(super) const VARINT_BYTES_MAX: usize = 10;

/// How many bytes [`put`] appends.
pub(super) fn length(value: u64) -> usize {
    (64 - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// How many bytes [`put_name`] appends.
pub(super) fn name_length(name: &str) -> usize {
    length(name.len() as u64) + name.len()
}

/// Appends an unsigned LEB128 number.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7F) as u8);
}

/// Longest varint of 128 bits.
pub(super) const WIDE_BYTES_MAX: usize = 19;

/// Appends an unsigned LEB128 number of up to 128 bits.
pub(super) fn put_wide(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7F) as u8);
}

/// Appends a signed number, zigzag.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}

/// Appends a name.
pub(super) fn put_name(out: &mut Vec<u8>, name: &str) {
    put(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
}

/// Appends how many things follow.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    put(out, count as u64);
}

/// Reads a body front to back. Every read is checked; errors carry the byte they stand at.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn error(&self, what: &'static str) -> WireError {
        WireError::Malformed { at: self.at, what }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, WireError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.error("ends early"))?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, WireError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7F);
        for place in 1..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if place == VARINT_BYTES_MAX - 1 && bits > 1 {
                return Err(self.error("number over 64 bits"));
            }
            value |= bits << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("number without end"))
    }

    pub(super) fn wide(&mut self) -> Result<u128, WireError> {
        let mut value = 0_u128;
        for place in 0..WIDE_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7F);
            if place == WIDE_BYTES_MAX - 1 && bits > 3 {
                return Err(self.error("number over 128 bits"));
            }
            value |= bits << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("number without end"))
    }

    #[inline]
    pub(super) fn small(&mut self) -> Result<u32, WireError> {
        let value = self.number()?;
        u32::try_from(value).map_err(|_| self.error("number over 32 bits"))
    }

    #[inline]
    pub(super) fn signed(&mut self) -> Result<i64, WireError> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// How many things of at least `bytes_each` bytes follow; refused when the rest could not hold them.
    pub(super) fn count(&mut self, bytes_each: usize) -> Result<usize, WireError> {
        let value = self.number()?;
        let count = usize::try_from(value).map_err(|_| self.error("count too large"))?;
        if count.saturating_mul(bytes_each) > self.bytes.len() - self.at {
            return Err(self.error("count larger than the rest of the block"));
        }
        Ok(count)
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let end = self.at.saturating_add(N);
        let slice = self.bytes.get(self.at..end).ok_or_else(|| self.error("ends early"))?;
        self.at = end;
        <[u8; N]>::try_from(slice).map_err(|_| self.error("ends early"))
    }

    pub(super) fn name(&mut self) -> Result<&'a str, WireError> {
        let length = self.count(1)?;
        if length > ID_BYTES_MAX {
            return Err(self.error("name too long"));
        }
        let slice = &self.bytes[self.at..self.at + length];
        self.at += length;
        std::str::from_utf8(slice).map_err(|_| self.error("name is not UTF-8"))
    }

    /// A number below `bound`: a reference into a dictionary of that size.
    #[inline]
    pub(super) fn reference(&mut self, bound: usize) -> Result<u32, WireError> {
        let value = self.small()?;
        if (value as usize) < bound { Ok(value) } else { Err(self.error("reference outside its dictionary")) }
    }
}
