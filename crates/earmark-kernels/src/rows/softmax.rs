//! Softmax over rows, and its gradient.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::simd::{LEAST, SUMS, dot, exp, halve, padded, total};

/// Elements that one task takes, about: 64 KiB.
const TASK: usize = 1 << 14;

/// Replaces every row of `x` by its softmax, `exp(x) / Σ exp(x)`, in parallel.
///
/// - `x`: `[rows, width]`
///
/// What would be below 1e-20, that of -∞ for one, becomes exactly 0: beside the largest of its row it is lost in any sum. A row of
/// nothing but -∞ gives NaN, as in PyTorch, and so does one with ∞ or NaN in it.
///
/// # Panics
///
/// If `width` is 0 or `x` is not whole rows.
pub fn softmax(x: &mut [f32], width: usize) {
    check(x, width);
    let arch = Arch::new();
    x.par_chunks_mut(task(width)).for_each(|x| arch.dispatch(Forward { x, width }));
}

/// Turns the gradient with respect to `y`, a [`softmax`], into that with respect to what it was taken of, in place and in
/// parallel: `y * (gradient - Σ gradient * y)`.
///
/// - `y`: `[rows, width]`
/// - `gradient`: like `y`
///
/// # Panics
///
/// As [`softmax`] does, and if `gradient` is not as long as `y`.
pub fn softmax_backward(y: &[f32], gradient: &mut [f32], width: usize) {
    check(y, width);
    assert_eq!(y.len(), gradient.len(), "a gradient for every output of a softmax");
    let arch = Arch::new();
    gradient
        .par_chunks_mut(task(width))
        .zip(y.par_chunks(task(width)))
        .for_each(|(gradient, y)| arch.dispatch(Backward { y, gradient, width }));
}

#[track_caller]
fn check(x: &[f32], width: usize) {
    assert!(width > 0 && x.len().is_multiple_of(width), "{} numbers are not rows of {width}", x.len());
}

/// How many elements one task takes: whole rows.
fn task(width: usize) -> usize {
    (TASK / width).max(1) * width
}

struct Forward<'a> {
    x: &'a mut [f32],
    width: usize,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.x.chunks_exact_mut(self.width) {
            let (blocks, rest) = row.as_chunks_mut::<SUMS>();
            let mut last = padded(rest, f32::NEG_INFINITY);

            // One instruction; what it does with a NaN is no matter, which makes the sum one in any case.
            let larger = |a: f32, b: f32| if a > b { a } else { b };
            let mut best = last;
            for block in &*blocks {
                best.iter_mut().zip(block).for_each(|(best, &x)| *best = larger(*best, x));
            }
            let best = halve(best, larger);

            let mut sums = [0.0; SUMS];
            let mut weigh = |block: &mut [f32; SUMS]| {
                for (x, sum) in block.iter_mut().zip(&mut sums) {
                    *x = exp::<S>(*x - best);
                    *sum += *x;
                }
            };
            blocks.iter_mut().for_each(&mut weigh);
            weigh(&mut last);
            let scale = total(sums).recip();
            let weight = |power: f32| if power * scale < LEAST { 0.0 } else { power * scale };
            blocks.as_flattened_mut().iter_mut().for_each(|x| *x = weight(*x));
            last.iter_mut().for_each(|x| *x = weight(*x));
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }
}

struct Backward<'a> {
    y: &'a [f32],
    gradient: &'a mut [f32],
    width: usize,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.y.chunks_exact(self.width);
        for (y, gradient) in rows.zip(self.gradient.chunks_exact_mut(self.width)) {
            let along = dot::<S>(gradient, y);
            for (g, &y) in gradient.iter_mut().zip(y) {
                *g = y * (*g - along);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instruction_sets, noise, worst};

    const SHAPES: [(usize, usize); 8] =
        [(0, 5), (5, 1), (3, 2), (700, 35), (9, 64), (50, 249), (7, 1499), (2, 20_011)];

    fn reference(x: &[f32], width: usize) -> Vec<f64> {
        let row = |row: &[f32]| {
            let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let powers: Vec<f64> = row.iter().map(|&x| (f64::from(x) - f64::from(best)).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.into_iter().map(move |x| x / sum)
        };
        x.chunks(width).flat_map(row).collect()
    }

    #[test]
    fn rows_match_f64_on_every_instruction_set() {
        for (rows, width) in SHAPES {
            let x: Vec<f32> = noise(1, rows * width).iter().map(|x| 10.0 * x - 3.0).collect();
            let exact = reference(&x, width);
            for (name, arch) in instruction_sets() {
                let mut y = x.clone();
                arch.dispatch(Forward { x: &mut y, width });
                let relative = y.iter().zip(&exact).map(|(&y, exact)| (f64::from(y) / exact - 1.0).abs());
                let error = relative.fold(0.0, f64::max);
                println!("{name} [{rows}, {width}]: {error:e}");
                // Measured 1.2e-6, mostly the rounding of differences of 20, and 1.7e-6 in a row of 20 011.
                assert!(error < 2e-6, "{name} [{rows}, {width}]: {error:e}");
            }
            let mut y = x;
            softmax(&mut y, width);
            assert!(worst(&y, &exact) < 2e-6);
        }
    }

    #[test]
    fn gradients_match_f64_on_every_instruction_set() {
        for (rows, width) in SHAPES {
            let mut y: Vec<f32> = noise(1, rows * width).iter().map(|x| 3.0 * x).collect();
            softmax(&mut y, width);
            let gradient = noise(2, rows * width);
            let mut exact = Vec::new();
            for (y, g) in y.chunks(width).zip(gradient.chunks(width)) {
                let along: f64 = y.iter().zip(g).map(|(&y, &g)| f64::from(y) * f64::from(g)).sum();
                exact.extend(y.iter().zip(g).map(|(&y, &g)| f64::from(y) * (f64::from(g) - along)));
            }
            for (name, arch) in instruction_sets() {
                let mut out = gradient.clone();
                arch.dispatch(Backward { y: &y, gradient: &mut out, width });
                let error = worst(&out, &exact);
                println!("{name} [{rows}, {width}]: {error:e}");
                assert!(error < 5e-8, "{name} [{rows}, {width}]: {error:e}"); // Measured 1.7e-8.
            }
            let mut out = gradient.clone();
            softmax_backward(&y, &mut out, width);
            assert!(worst(&out, &exact) < 5e-8);
        }
    }

    #[test]
    fn masked_numbers_become_exactly_nothing() {
        for (name, arch) in instruction_sets() {
            let mut x = vec![f32::NEG_INFINITY; 70];
            (x[3], x[40], x[41]) = (5.0, 5.0, -83.0);
            arch.dispatch(Forward { x: &mut x, width: 70 });
            assert_eq!([x[3], x[40], x[41], x[42]], [0.5, 0.5, 0.0, 0.0], "{name}");
            for odd in [f32::INFINITY, f32::NAN, f32::NEG_INFINITY] {
                let mut x = vec![if odd < 0.0 { odd } else { 1.0 }; 70];
                x[33] = odd;
                arch.dispatch(Forward { x: &mut x, width: 70 });
                assert!(x[33].is_nan() && x[0].is_nan(), "{name}: {odd}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "7 numbers are not rows of 3")]
    fn part_of_a_row_is_refused() {
        softmax(&mut [0.0; 7], 3);
    }
}
