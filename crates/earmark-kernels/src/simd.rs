//! Functions of one number that compile to vectors of whatever length, and the sums that do not by themselves.
//!
//! They are written for one `f32` and inlined into loops inside a [`pulp::WithSimd`], where the compiler may use the
//! instruction set `S`; it turns the loops into vectors of it. Nothing here branches on a value, or it would not.

use pulp::Simd;

/// `a * b + c`, rounded once where there is an instruction for it. (`f32::mul_add` without one is a slow function.)
#[inline(always)]
pub(crate) fn fma<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// A polynomial, the highest coefficient first.
#[inline(always)]
pub(crate) fn polynomial<S: Simd, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for &coefficient in &coefficients[1..] {
        sum = fma::<S>(sum, x, coefficient);
    }
    sum
}

/// The exponential function of an `x` not above 88. Exactly 0 below -87.33, where results are no longer normal numbers.
/// Within 8.1e-8 of itself.
///
/// Cephes' `expf`: `x = n ln 2 + r`, a polynomial in `r`, and `n` written into the exponent.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: what is added to it loses its fraction.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4]; // The first has so few bits that `n` times it is exact.
    let shifted = fma::<S>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<S>(n, -LN_2[1], fma::<S>(n, -LN_2[0], x));
    let p = polynomial::<S, 6>(
        r,
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5],
    );
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    let y = fma::<S>(p * r, r, r) + 1.0;
    if x < -87.33 { 0.0 } else { y * power }
}

/// The least share that is not taken for 0: weights of an attention while training, what GELU leaves of a number. Where all are
/// smaller, as in channels of Whisper's that are shut and at keys that nobody attends to, the gradients that they are multiplied by
/// make subnormal sums, and on Intel's processors a matrix product of those takes ten times as long. (PyTorch's GELU is 0 below -5.6.)
pub(crate) const LEAST: f32 = 1e-20;

/// Sums that are kept side by side, to be added up at the end: enough for two of the longest vectors.
pub(crate) const SUMS: usize = 32;

/// The sum of `term` over the elements.
#[inline(always)]
pub(crate) fn sum(x: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; SUMS];
    let (blocks, rest) = x.as_chunks::<SUMS>();
    for block in blocks {
        for (sum, &x) in sums.iter_mut().zip(block) {
            *sum += term(x);
        }
    }
    for (sum, &x) in sums.iter_mut().zip(rest) {
        *sum += term(x);
    }
    total(sums)
}

/// The last elements of a row as a block like the others: a loop over fewer than a vector is slow.
#[inline(always)]
pub(crate) fn padded(rest: &[f32], padding: f32) -> [f32; SUMS] {
    let mut block = [padding; SUMS];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// The scalar product of two rows of one length.
#[inline(always)]
pub(crate) fn dot<S: Simd>(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0; SUMS];
    let ((x_blocks, x_rest), (y_blocks, y_rest)) = (x.as_chunks::<SUMS>(), y.as_chunks::<SUMS>());
    let mut add = |x: &[f32; SUMS], y: &[f32; SUMS]| {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum = fma::<S>(x, y, *sum);
        }
    };
    x_blocks.iter().zip(y_blocks).for_each(|(x, y)| add(x, y));
    if !x_rest.is_empty() {
        add(&padded(x_rest, 0.0), &padded(y_rest, 0.0));
    }
    total(sums)
}

/// By halves, so that the roundings stay few.
#[inline(always)]
pub(crate) fn total(sums: [f32; SUMS]) -> f32 {
    halve(sums, |a, b| a + b)
}

/// One number of many, by halves.
#[inline(always)]
pub(crate) fn halve(mut lanes: [f32; SUMS], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut length = SUMS / 2;
    while length > 0 {
        for lane in 0..length {
            lanes[lane] = join(lanes[lane], lanes[lane + length]);
        }
        length /= 2;
    }
    lanes[0]
}
