//! Forward decay (Cormode, Shkapenyuk, Srivastava and Xu, "Forward Decay", ICDE 2009), in base 2.
//!
//! An event at time t weighs 2^((t - L) / h) when it is counted; nothing that is stored ever shrinks, and reading divides by
//! 2^((now - L) / h). The landmark L is a whole number of half-lives since 1970, so moving it multiplies by a power of two,
//! which changes no bit of a mantissa. Only IEEE additions, multiplications, divisions and square roots are used:
//! the same bits on every platform.
//! Absent: the platform's `exp2` and `powf`, which differ between systems.

use crate::event::EventTime;
use std::f64::consts::LN_2;
use std::sync::LazyLock;

/// Longest half-life, in ms (35,000 years): keeps the integer arithmetic below within 64 bits.
pub const HALF_LIFE_MS_MAX: i64 = 1 << 50;

/// The landmark moves when the weight of an event would exceed 2 to this power.
const EXPONENT_MAX: i64 = 64;
/// An event older than the landmark by more half-lives than this counts as one of that age, so that a total never
/// underflows to zero: zero means absent.
const EXPONENT_MIN: i64 = -900;

/// Parts that a half-life is cut into: the length of the table.
const STEPS: i64 = 1024;

/// 2^(i / 1024) for i below 1024: products of repeated square roots of two.
static POWERS: LazyLock<[f64; 1024]> = LazyLock::new(|| {
    let mut roots = [0.0_f64; 10];
    let mut root = 2.0_f64;
    for place in roots.iter_mut().rev() {
        root = root.sqrt();
        *place = root; // 2^(2^bit / 1024)
    }
    std::array::from_fn(|step| {
        let set = roots.iter().enumerate().filter(|(bit, _)| step >> bit & 1 == 1);
        set.fold(1.0, |product, (_, root)| product * root)
    })
});

/// 2^(part / whole), for 0 <= part < whole <= [`HALF_LIFE_MS_MAX`].
fn fraction_power(part: i64, whole: i64) -> f64 {
    let scaled = part * STEPS;
    let step = usize::try_from(scaled / whole).unwrap_or(0); // 0 to 1023
    // What is left is below 1/1024: exp(x) to the fourth power of x is good to 2e-18.
    let x = (scaled % whole) as f64 / whole as f64 * (LN_2 / STEPS as f64);
    POWERS[step] * (1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0)))))
}

/// 2^exponent, exactly; an exponent outside what a normal `f64` holds counts as the nearest that is inside.
#[must_use]
pub(super) fn power_of_two(exponent: i64) -> f64 {
    let biased = exponent.clamp(-1022, 1023) + 1023;
    f64::from_bits(u64::try_from(biased).unwrap_or(1) << 52)
}

/// The weight as stored for a pair. What would underflow is held at the smallest normal number, so that a pair that was
/// counted stays present.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is meant")]
pub(super) fn narrow(weight: f64) -> f32 {
    (weight as f32).max(f32::MIN_POSITIVE)
}

/// Bits of an `f64` behind those that an `f32` holds.
const BEHIND_F32: u64 = (1 << 29) - 1;
/// Of these, the ones that are not kept.
const DROPPED_BITS: u32 = 13;

/// A weight as it is stored: an `f32`, cut, and the next 16 bits. The `f32` alone is what is read.
///
/// An `f32` alone is not enough to add to: rounding goes the same way each time when many equal weights meet, as with
/// weekly repeat orders, and is then off by 1e-3 at a weight of 1,000. With 16 bits more it is off by less than 1e-6 after a million additions.
#[must_use]
pub(super) fn split(weight: f64) -> (f32, u16) {
    let rounded = weight.to_bits().saturating_add(1 << (DROPPED_BITS - 1));
    let coarse = narrow(f64::from_bits(rounded & !BEHIND_F32));
    (coarse, u16::try_from((rounded >> DROPPED_BITS) & 0xFFFF).unwrap_or(0)) // masked: it fits
}

/// The stored weight plus `weight`. The rounding looks at mantissas alone, so it knows no landmark.
#[must_use]
pub(super) fn accumulate(coarse: f32, fine: u16, weight: f64) -> (f32, u16) {
    split(stored(coarse, fine) + weight)
}

fn stored(coarse: f32, fine: u16) -> f64 {
    f64::from_bits(f64::from(coarse).to_bits() | u64::from(fine) << DROPPED_BITS)
}

/// What is left, relative to what is taken back, that can only be rounding: of a pair, of which 40 bits are kept, and of a total. Damped
/// weights and old ones that are as small beside a newer one would have to be 24 half-lives apart.
const ROUNDING_OF_PAIRS: f64 = 1.0 / (1_u64 << 24) as f64;
pub(super) const ROUNDING_OF_TOTALS: f64 = 1.0 / (1_u64 << 36) as f64;

/// What is left of a weight when `taken` is taken back. Nothing at all where no support is left, or none was there, and what is
/// left is only what adding and subtracting has rounded; else it stays present.
#[must_use]
pub(super) fn remaining(weight: f64, taken: f64, rounding: f64, is_without_support: bool) -> f64 {
    let left = weight - taken;
    if is_without_support && left <= taken * rounding { 0.0 } else { left.max(f64::MIN_POSITIVE) }
}

/// The stored weight less `weight`; 0 where nothing is left: see [`left`].
#[must_use]
pub(super) fn reduce(coarse: f32, fine: u16, weight: f64, is_without_support: bool) -> (f32, u16) {
    match remaining(stored(coarse, fine), weight, ROUNDING_OF_PAIRS, is_without_support) {
        0.0 => (0.0, 0),
        left => split(left),
    }
}

/// Decay of one relation: its half-life and where its landmark stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decay {
    half_life_ms: i64,
    /// In half-lives since 1970; `None` before the first event.
    landmark: Option<i64>,
}

impl Decay {
    pub(super) fn new(half_life_ms: i64) -> Self {
        Self { half_life_ms: half_life_ms.clamp(1, HALF_LIFE_MS_MAX), landmark: None }
    }

    /// The half-life, in ms.
    pub(super) fn half_life_ms(&self) -> i64 {
        self.half_life_ms
    }

    /// The landmark, in half-lives since 1970; 0 before the first event.
    pub(super) fn landmark(&self) -> i64 {
        self.landmark.unwrap_or(0)
    }

    /// The same; none before the first event.
    pub(super) fn landmark_if_any(&self) -> Option<i64> {
        self.landmark
    }

    /// Stands where it stood when it was kept.
    pub(super) fn restore(&mut self, landmark: Option<i64>) {
        self.landmark = landmark;
    }

    /// Makes sure that an event at `time` can be counted. Returns by how many half-lives the landmark moved: all that
    /// is stored must be multiplied by 2 to minus that power.
    #[must_use]
    pub(super) fn prepare(&mut self, time: EventTime) -> i64 {
        self.prepare_landmark(self.half_lives(time))
    }

    /// The same for weights that somebody else counted from the landmark `wanted`.
    #[must_use]
    pub(super) fn prepare_landmark(&mut self, wanted: i64) -> i64 {
        let Some(landmark) = self.landmark else {
            self.landmark = Some(wanted);
            return 0;
        };
        let lead = wanted.saturating_sub(landmark);
        if lead <= EXPONENT_MAX {
            return 0;
        }
        self.landmark = Some(wanted);
        lead
    }

    /// 2^((time - L) / h): the weight of an event at `time`, and what divides a stored weight to decay it to `time`.
    #[must_use]
    pub(super) fn growth(&self, time: EventTime) -> f64 {
        let exponent = self.half_lives(time).saturating_sub(self.landmark()).max(EXPONENT_MIN);
        power_of_two(exponent) * fraction_power(time.0.rem_euclid(self.half_life_ms), self.half_life_ms)
    }

    fn half_lives(&self, time: EventTime) -> i64 {
        time.0.div_euclid(self.half_life_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::DAY_MS;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn powers_agree_with_the_platform(half_life in 1_i64..400 * DAY_MS, part in 0..i64::MAX) {
            let part = part % half_life;
            let exact = (part as f64 / half_life as f64).exp2();
            let own = fraction_power(part, half_life);
            prop_assert!((own / exact - 1.0).abs() <= 1e-13, "{own} for {exact}");
        }

        #[test]
        fn a_weight_is_the_same_from_any_landmark_but_for_its_exponent(time in 0_i64..4_000_000_000_000, shift in 1_i64..60) {
            let mut decay = Decay::new(60 * DAY_MS);
            prop_assert_eq!(decay.prepare(EventTime(time)), 0);
            let weight = decay.growth(EventTime(time));
            let moved = Decay { landmark: Some(decay.landmark() + shift), ..decay };
            prop_assert_eq!((moved.growth(EventTime(time)) * power_of_two(shift)).to_bits(), weight.to_bits());
            let mantissa = |weight: f64| weight.to_bits() & ((1 << 52) - 1);
            prop_assert_eq!(mantissa(moved.growth(EventTime(time))), mantissa(weight));
        }
    }

    #[test]
    fn powers_have_fixed_bits() {
        // From this code; a change of any bit makes two releases count differently.
        let seen =
            [(1, 3), (1, 2), (999, 1000), (123_456_789, 5_184_000_000)].map(|(p, h)| fraction_power(p, h).to_bits());
        assert_eq!(seen, GOLDEN, "{seen:#x?}");
    }

    const GOLDEN: [u64; 4] =
        [0x3ff4_28a2_f98d_728a, 0x3ff6_a09e_667f_3bcd, 0x3fff_fa52_de61_c11f, 0x3ff0_442c_c995_31d1];

    #[test]
    fn the_landmark_moves_only_when_an_event_lies_far_ahead() {
        let mut decay = Decay::new(1000);
        assert_eq!(decay.prepare(EventTime(5500)), 0);
        assert_eq!((decay.landmark(), decay.growth(EventTime(5000))), (5, 1.0));
        assert_eq!(decay.prepare(EventTime(69_999)), 0, "64 half-lives ahead");
        assert_eq!(decay.prepare(EventTime(70_000)), 65);
        assert_eq!(decay.growth(EventTime(70_500)), 2.0_f64.sqrt());
        assert_eq!(decay.prepare(EventTime(0)), 0, "never back");
        assert_eq!(decay.growth(EventTime(69_000)), 0.5);
    }

    /// How far off a pair is that is counted `count` times.
    fn drift(count: u32, weight: impl Fn(u32) -> f64) -> f64 {
        let ((mut coarse, mut fine), mut exact) = (split(weight(1)), weight(1));
        for n in 2..=count {
            (coarse, fine) = accumulate(coarse, fine, weight(n));
            exact += weight(n);
        }
        (f64::from(coarse) / exact - 1.0).abs()
    }

    #[test]
    fn a_rush_of_equal_weights_does_not_drift() {
        for scale in [1.0003, 1.2345, 1.4321, 1.7171, 1.9999] {
            let half_life = |n: u32| scale * (f64::from(n) / 100_000.0).exp2();
            let near = |n: u32| scale / f64::from(n * 7 % 20 + 1).sqrt();
            for count in [1000, 10_000, 1_000_000] {
                assert!(drift(count, |_| scale) < 1e-6, "at one moment: {scale} {count}");
                assert!(drift(count, half_life) < 1e-6, "over half-lives: {scale} {count}");
                assert!(drift(count, near) < 1e-6, "nearness: {scale} {count}");
            }
        }
    }

    #[test]
    fn what_is_taken_back_wholly_is_nothing_and_what_has_support_stays() {
        let third = 1.0 / 3.0;
        let sum = (0..1000).fold((0.0, 0), |(coarse, fine), n| accumulate(coarse, fine, third + f64::from(n)));
        let rest = (0..1000).rev().fold(sum, |(coarse, fine), n| reduce(coarse, fine, third + f64::from(n), n == 0));
        assert_eq!(rest, (0.0, 0), "but for rounding");
        let (coarse, fine) = split(1.0);
        assert_eq!(reduce(coarse, fine, 1.0, true), (0.0, 0));
        assert_eq!(reduce(coarse, fine, 2.0, true), (0.0, 0), "never below nothing");
        assert_eq!(reduce(coarse, fine, 2.0, false), (f32::MIN_POSITIVE, 0), "support says that it is there");
        assert_eq!(reduce(coarse, fine, 0.75, true), (0.25, 0), "a repeat order without support is there too");
    }

    #[test]
    fn what_is_behind_the_last_bit_that_is_kept_is_rounded_to_the_nearest() {
        let one = |behind: u64| split(f64::from_bits(1_f64.to_bits() + behind));
        let bit = 1 << DROPPED_BITS;
        for (behind, fine) in [(0, 0), (bit / 2 - 1, 0), (bit / 2, 1), (bit - 1, 1), (bit, 1), (bit + bit / 2, 2)] {
            assert_eq!(one(behind), (1.0, fine), "{behind} behind");
        }
    }

    #[test]
    fn weekly_repeat_orders_do_not_drift() {
        for customers in [1_u32, 20, 21, 55, 144, 987, 4_000] {
            let weekly = |n: u32| (f64::from(n / customers) * 7.0 / 180.0).exp2() / f64::from(n / customers + 1);
            for weeks in [60, 100, 250] {
                let off = drift(customers * weeks, weekly);
                assert!(off < 1e-6, "{customers} customers, {weeks} weeks: {off:e}");
            }
        }
    }

    proptest! {
        #[test]
        fn accumulating_is_exact_where_it_can_be_and_knows_no_landmark(
            stored in 1_u16.., added in 1_u16.., fine in any::<u16>(), shift in -40_i64..40, odd in 1.0..2.0_f64,
        ) {
            let whole = (f32::from(stored) + f32::from(added), 0);
            prop_assert_eq!(accumulate(f32::from(stored), 0, f64::from(added)), whole);
            let factor = power_of_two(shift);
            let here = accumulate(f32::from(stored), fine, odd);
            let there = accumulate(narrow(f64::from(stored) * factor), fine, odd * factor);
            prop_assert_eq!((f64::from(here.0) * factor, here.1), (f64::from(there.0), there.1));
        }
    }

    #[test]
    fn what_would_underflow_stays_present() {
        let mut decay = Decay::new(1);
        assert_eq!(decay.prepare(EventTime(1_000_000)), 0);
        let ancient = decay.growth(EventTime(i64::MIN));
        assert!(ancient > 0.0 && narrow(ancient) == f32::MIN_POSITIVE);
        assert!(decay.growth(EventTime(i64::MAX)).is_finite());
    }

    #[test]
    fn beyond_the_oldest_age_all_count_as_of_that_age() {
        let mut decay = Decay::new(1);
        assert_eq!(decay.prepare(EventTime(1_000_000)), 0);
        let oldest = decay.growth(EventTime(1_000_000 + EXPONENT_MIN));
        assert_eq!(oldest, power_of_two(EXPONENT_MIN));
        assert_eq!(decay.growth(EventTime(1_000_000 + EXPONENT_MIN - 1)), oldest);
        assert_eq!(decay.growth(EventTime(i64::MIN)), oldest);
    }

    #[test]
    fn before_1970_time_decays_as_after_it() {
        let mut decay = Decay::new(1_000);
        assert_eq!(decay.prepare(EventTime(-5_500)), 0);
        for (time, later) in [(-5_750, -4_750), (-750, 250), (-1, 999)] {
            assert_eq!(decay.growth(EventTime(later)) / decay.growth(EventTime(time)), 2.0, "a half-life from {time}");
        }
        assert!(decay.growth(EventTime(-250)) > decay.growth(EventTime(-750)));
        assert_eq!(decay.growth(EventTime(-5_500)), 2.0_f64.sqrt());
    }
}
