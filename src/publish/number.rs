//! Numbers as lists print them: few digits, enough to recompute a score.

/// Most digits behind the point.
const DECIMALS_MAX: usize = 15;

const POWERS_OF_TEN: [f64; DECIMALS_MAX + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A number of few digits: `scaled` / 10^`decimals`, with its sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rounded {
    /// The number before it was rounded, for its sign; the number itself where it is written in full.
    given: f64,
    scaled: u64,
    decimals: usize,
    /// Whether it is written as an integer with a point in it.
    is_plain: bool,
}

/// Instead of decimals, where a number is written in full.
const UNSCALED: usize = usize::MAX;

/// Below this and from [`POWERS_OF_TEN`]'s end on, other writers use an exponent.
const PLAIN_MIN: f64 = 1e-4;

/// Where the first digit of a number stands: how many digits before the point, or minus how many zeros behind it.
#[derive(Clone, Copy)]
pub(super) struct Magnitude {
    value: f64,
    /// None: too large for decimals.
    first: Option<(usize, usize)>,
}

impl Magnitude {
    /// Of `value`.
    #[inline]
    pub(super) fn of(value: f64) -> Self {
        let size = value.abs();
        // The exponent of 2 is at least log2 - 1; 1233 / 4096 is just below log10(2).
        let exponent = (size.to_bits() >> 52).cast_signed() - 1023;
        let first = if size >= 1.0 {
            if size < POWERS_OF_TEN[DECIMALS_MAX] {
                let least = usize::try_from((exponent * 1233) >> 12).unwrap_or(0);
                Some((least + 1 + usize::from(POWERS_OF_TEN[least + 1] <= size), 0))
            } else {
                None
            }
        } else {
            let least = usize::try_from(((-exponent - 1) * 1233) >> 12).unwrap_or(0);
            let more = POWERS_OF_TEN.iter().skip(least).take_while(|&&power| size * power < 1.0).count();
            Some((0, least.min(POWERS_OF_TEN.len()) + more))
        };
        Self { value, first: first.filter(|_| size.is_finite()) }
    }

    /// To `digits` significant digits, but not beyond the 15th behind the point. The shortest decimal form has no
    /// more than these. Rounds the same way everywhere, so a weight that is at most another stays so.
    #[inline]
    pub(super) fn rounded(self, digits: usize) -> Rounded {
        let Some((whole, zeros)) = self.first else { return Rounded::plain(self.value) };
        let decimals = if whole > 0 { digits.saturating_sub(whole) } else { digits + zeros - 1 };
        let decimals = decimals.min(DECIMALS_MAX);
        let size = self.value.abs();
        let scaled = nearest(size * POWERS_OF_TEN[decimals]);
        Rounded { given: self.value, scaled, decimals, is_plain: scaled == 0 || size >= PLAIN_MIN }
    }
}

/// `value` to `digits` significant digits: see [`Magnitude::rounded`].
#[inline]
pub(super) fn rounded(value: f64, digits: usize) -> Rounded {
    Magnitude::of(value).rounded(digits)
}

impl Rounded {
    /// `scaled` / 10^`decimals`.
    pub(super) fn of(scaled: u32, decimals: usize) -> Self {
        Self { given: 0.0, scaled: scaled.into(), decimals, is_plain: true }
    }

    /// A number that is written in full.
    pub(super) fn plain(value: f64) -> Self {
        Self { given: value, scaled: 0, decimals: UNSCALED, is_plain: false }
    }

    /// The number itself. Its shortest decimal form is the one of the other fields.
    #[inline]
    pub(super) fn value(&self) -> f64 {
        match POWERS_OF_TEN.get(self.decimals) {
            Some(scale) => (self.scaled as f64 / scale).copysign(self.given),
            None => self.given,
        }
    }

    /// Appends the shortest decimal form, as JSON has it: with a point, though nothing stand behind it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if !self.is_plain {
            let written = serde_json::to_writer(out, &self.value());
            assert!(written.is_ok(), "a number always serialises");
            return;
        }
        let (mut scaled, mut decimals) = (self.scaled, self.decimals);
        while decimals > 1 && scaled.is_multiple_of(10) {
            (scaled, decimals) = (scaled / 10, decimals - 1);
        }
        if self.given.is_sign_negative() {
            out.push(b'-');
        }
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(scaled).as_bytes();
        if decimals == 0 {
            out.extend_from_slice(text);
            out.extend_from_slice(b".0");
        } else if let Some(whole) = text.len().checked_sub(decimals).filter(|whole| *whole > 0) {
            out.extend_from_slice(&text[..whole]);
            out.push(b'.');
            out.extend_from_slice(&text[whole..]);
        } else {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', decimals - text.len()));
            out.extend_from_slice(text);
        }
    }
}

/// The nearest whole number. At most 10^15 comes here, which `i64` and `f64` hold; `f64::round` is slow where the
/// processor's own instruction may not be used.
#[expect(clippy::cast_possible_truncation, reason = "the fraction is what is cut")]
fn nearest(size: f64) -> u64 {
    ((size + 0.5) as i64).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_are_cut_where_they_carry_nothing() {
        for (value, digits, expected) in [
            (0.0, 9, "0"),
            (12.345_678_912_34, 9, "12.3456789"),
            (0.012_345_678_912_34, 9, "0.0123456789"),
            (0.333_333_333_333, 6, "0.333333"),
            (123_456_789_123.4, 9, "123456789123"),
            (1.0, 9, "1"),
            (-3.456_781_828, 6, "-3.45678"),
            (1e-16, 9, "0"),
            (999_999_999.6, 9, "1000000000"),
            (1e300, 9, &1e300_f64.to_string()),
        ] {
            assert_eq!(rounded(value, digits).value().to_string(), expected);
        }
    }

    fn text(value: f64, digits: usize) -> String {
        let mut out = Vec::new();
        rounded(value, digits).write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_serde_writes(bits: u64, near in -20.0..20.0_f64, whole in 0..100_000_u32, digits in 1..10_usize) {
            let any = f64::from_bits(bits);
            let values = [any, near.exp2(), -near.exp(), 10_f64.powf(near.trunc()), f64::from(whole), f64::from(whole) / 1000.0];
            for value in values.into_iter().filter(|value| value.is_finite()) {
                let serde = serde_json::to_string(&rounded(value, digits).value()).unwrap();
                prop_assert_eq!(text(value, digits), serde, "{} to {} digits", value, digits);
            }
            let mut score = Vec::new();
            Rounded::of(whole, 3).write(&mut score);
            prop_assert_eq!(String::from_utf8(score).unwrap(), serde_json::to_string(&(f64::from(whole) / 1000.0)).unwrap());
        }

        #[test]
        fn nine_digits_are_kept_and_no_order_turns_round(x in 1e-6..1e12_f64, y in 1e-6..1e12_f64) {
            prop_assert!((rounded(x, 9).value() / x - 1.0).abs() < 5.1e-9);
            prop_assert_eq!(x <= y, rounded(x, 9).value() <= rounded(y, 9).value() && (x <= y || rounded(x, 9).value() < rounded(y, 9).value()));
            let digits = rounded(x, 9).value().to_string().replace('.', "").trim_matches('0').len();
            prop_assert!(digits <= 9 || x >= 1e9, "{}", rounded(x, 9).value());
        }
    }
}
