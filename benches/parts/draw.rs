//! Numbers at random, always the same ones.

/// Xorshift.
pub struct Draw(u64);

impl Draw {
    pub fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or_default()
    }

    /// From 0, below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A rank below `end` by Zipf's law, of an exponent that is not 1: the inverse of the integral of its density, which differs from the sum
    /// in the first ranks by some percent.
    pub fn zipf_of(&mut self, end: usize, exponent: f64) -> usize {
        let rest = 1.0 - exponent;
        let whole = ((end as f64 + 1.0).powf(rest) - 1.0) * self.share() + 1.0;
        let rank = whole.powf(1.0 / rest) - 1.0;
        (rank as usize).min(end - 1)
    }
}
