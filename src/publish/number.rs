//! Numbers as lists print them: few digits, enough to recompute a score.

/// Most digits behind the point.
const DECIMALS_MAX: usize = 15;

const POWERS_OF_TEN: [f64; DECIMALS_MAX + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// `value` to `digits` significant digits, but not beyond the 15th behind the point. Its shortest decimal form has no
/// more than these. Rounds the same way everywhere, so a weight that is at most another stays so.
pub(super) fn significant(value: f64, digits: usize) -> f64 {
    let size = value.abs();
    if size < POWERS_OF_TEN[DECIMALS_MAX] {
        // Digits before the point, or minus the zeros behind it.
        let whole = POWERS_OF_TEN.partition_point(|&power| power <= size);
        let decimals = if whole > 0 {
            digits.saturating_sub(whole)
        } else {
            let zeros = POWERS_OF_TEN.partition_point(|&power| size * power < 1.0);
            digits + zeros - 1
        };
        let scale = POWERS_OF_TEN[decimals.min(DECIMALS_MAX)];
        return (whole_number(size * scale) / scale).copysign(value);
    }
    value
}

/// The nearest whole number. At most 10^15 comes here, which `i64` and `f64` hold; `f64::round` is slow where the
/// processor's own instruction may not be used.
#[expect(clippy::cast_possible_truncation, reason = "the fraction is what is cut")]
fn whole_number(size: f64) -> f64 {
    (size + 0.5) as i64 as f64
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
            assert_eq!(significant(value, digits).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn nine_digits_are_kept_and_no_order_turns_round(x in 1e-6..1e12_f64, y in 1e-6..1e12_f64) {
            prop_assert!((significant(x, 9) / x - 1.0).abs() < 5.1e-9);
            prop_assert_eq!(x <= y, significant(x, 9) <= significant(y, 9) && (x <= y || significant(x, 9) < significant(y, 9)));
            let digits = significant(x, 9).to_string().replace('.', "").trim_matches('0').len();
            prop_assert!(digits <= 9 || x >= 1e9, "{}", significant(x, 9));
        }
    }
}
