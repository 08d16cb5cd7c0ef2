//! Natural logarithms that compile to vectors: no branch, no table, no call.
//!
//! `ln(m) = 2 artanh(s)` with `s = (m - 1) / (m + 1)`: for a mantissa between `√½` and `√2`, `s²` is below 0.03 and a few
//! terms of the series are enough. The library's logarithm took two fifths of an extractor's time.

use std::f64::consts::{LN_2, LN_10};

/// Takes any normal positive number, and infinity; at most 3e-7 from the truth, relatively.
#[inline(always)]
pub(crate) fn ln_f32(x: f32) -> f32 {
    /// The bits of `√½`, rounded down.
    const SQRT_HALF: i32 = 0x3f35_04f3;
    let bits = x.to_bits().cast_signed();
    let exponent = (bits - SQRT_HALF) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)).cast_unsigned());
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = 1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square * (1.0 / 9.0)));
    // 2^-14 of `ln 2` is cut off the product with the exponent, so that it is exact, and added with the small terms.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = (LN_2 - HIGH as f64) as f32;
    let exponent = exponent as f32;
    let small = 2.0 * s * (square * series) + exponent * LOW;
    let ln = exponent * HIGH + (2.0 * s + small);
    if x < f32::INFINITY { ln } else { x }
}

/// Takes any normal positive number, and infinity; at most 1e-13 from the truth, relatively.
#[inline(always)]
pub(crate) fn ln_f64(x: f64) -> f64 {
    const SQRT_HALF: i64 = 0x3fe6_a09e_667f_3bcc;
    let bits = x.to_bits().cast_signed();
    // There is no vector shift of signed 64-bit numbers, nor a conversion of them, before AVX-512: both go by way of the
    // upper half, where the exponent is.
    let exponent = ((bits - SQRT_HALF) >> 32) as i32 >> 20;
    let mantissa = f64::from_bits((bits - (i64::from(exponent) << 52)).cast_unsigned());
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut series = 1.0 / 17.0;
    for term in [15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = 1.0 / term + square * series;
    }
    let ln = f64::from(exponent) * LN_2 + 2.0 * s * series;
    if x < f64::INFINITY { ln } else { x }
}

/// The common logarithm; see [`ln_f32`].
#[inline(always)]
pub(crate) fn log10_f32(x: f32) -> f32 {
    ln_f32(x) * (1.0 / LN_10) as f32
}

/// The common logarithm; see [`ln_f64`].
#[inline(always)]
pub(crate) fn log10_f64(x: f64) -> f64 {
    ln_f64(x) * (1.0 / LN_10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The difference relative to the truth, which is not 0.
    fn difference(got: f64, truth: f64) -> f64 {
        ((got - truth) / truth).abs()
    }

    #[test]
    fn f32_is_close_over_every_mantissa_and_every_exponent() {
        let normal = f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits();
        // Every number from 1/2 to 2, and one in 251 of all others.
        let near_one = 0.5f32.to_bits()..2f32.to_bits();
        let (mut ln, mut log10) = (0.0f64, 0.0f64);
        for bits in near_one.chain(normal.step_by(251)) {
            let x = f32::from_bits(bits);
            let truth = f64::from(x).ln();
            if truth != 0.0 {
                ln = ln.max(difference(f64::from(ln_f32(x)), truth));
                log10 = log10.max(difference(f64::from(log10_f32(x)), truth / LN_10));
            }
        }
        eprintln!("ln_f32: {ln:e}, log10_f32: {log10:e}");
        assert!(ln <= 3e-7 && log10 <= 4e-7, "{ln:e}, {log10:e}");
    }

    #[test]
    fn f64_is_close_over_every_exponent() {
        let (first, last) = (f64::MIN_POSITIVE.to_bits(), f64::INFINITY.to_bits());
        let mut worst = 0.0f64;
        for bits in (first..last).step_by((1 << 42) - 11) {
            let x = f64::from_bits(bits);
            worst = worst.max(difference(ln_f64(x), x.ln()));
        }
        for bits in (0.5f64.to_bits()..2f64.to_bits()).step_by((1 << 32) - 5) {
            let x = f64::from_bits(bits);
            worst = worst.max(difference(ln_f64(x), x.ln()));
        }
        eprintln!("ln_f64: {worst:e}");
        assert!(worst <= 1e-13, "{worst:e}");
    }

    #[test]
    fn one_is_exact_and_infinity_stays() {
        assert_eq!([ln_f32(1.0), log10_f32(1.0)], [0.0; 2]);
        assert_eq!([ln_f64(1.0), log10_f64(1.0)], [0.0; 2]);
        assert_eq!(log10_f32(f32::INFINITY), f32::INFINITY);
        assert_eq!(log10_f64(f64::INFINITY), f64::INFINITY);
    }
}
