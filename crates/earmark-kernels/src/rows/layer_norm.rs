//! Layer normalisation.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::simd::{dot, fma, sum};

/// Elements that one task takes, about: 64 KiB.
const TASK: usize = 1 << 14;

/// Normalises every row of `x` in place: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.
///
/// - `x`: `[rows, width]`, where `width` is the length of `gamma`
/// - `gamma`, `beta`: `[width]`
///
/// The variance is that of the population and is taken of the differences from the mean, in a second pass, so a large mean
/// costs no more than its own
/// rounding: rows about 0.5 come out within 4.2e-7 of the result in f64, rows of [999, 1001] within 1.5e-4.
///
/// # Panics
///
/// If `gamma` is empty, `beta` is not as long, or `x` is not whole rows.
pub fn layer_norm(x: &mut [f32], gamma: &[f32], beta: &[f32], epsilon: f32) {
    let norm = LayerNorm::new(gamma, beta, epsilon);
    norm.check(x);
    x.par_chunks_mut(norm.task()).for_each(|rows| norm.arch.dispatch(InPlace(norm, rows)));
}

/// [`layer_norm`] of `x` into `out`, which keeps `x` for a residual connection.
///
/// # Panics
///
/// As [`layer_norm`] does, and if `out` is not as long as `x`.
pub fn layer_norm_into(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, out: &mut [f32]) {
    let norm = LayerNorm::new(gamma, beta, epsilon);
    norm.check(x);
    assert_eq!(x.len(), out.len(), "an output for every input of a layer norm");
    let tasks = out.par_chunks_mut(norm.task()).zip(x.par_chunks(norm.task()));
    tasks.for_each(|(out, x)| norm.arch.dispatch(Into(norm, x, out)));
}

#[derive(Clone, Copy)]
struct LayerNorm<'a> {
    arch: Arch,
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f32,
}

impl<'a> LayerNorm<'a> {
    fn new(gamma: &'a [f32], beta: &'a [f32], epsilon: f32) -> Self {
        assert!(!gamma.is_empty(), "a layer norm is over one number at least");
        assert_eq!(gamma.len(), beta.len(), "gamma and beta of a layer norm");
        Self { arch: Arch::new(), gamma, beta, epsilon }
    }

    fn check(&self, x: &[f32]) {
        assert!(
            x.len().is_multiple_of(self.gamma.len()),
            "{} numbers are not rows of {}",
            x.len(),
            self.gamma.len()
        );
    }

    /// How many elements one task takes: whole rows.
    fn task(&self) -> usize {
        let width = self.gamma.len();
        (TASK / width).max(1) * width
    }

    /// The mean of a row, and one over its deviation.
    #[inline(always)]
    fn moments(&self, row: &[f32]) -> [f32; 2] {
        let width = row.len() as f32;
        let mean = sum(row, |x| x) / width;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / width;
        [mean, (variance + self.epsilon).sqrt().recip()]
    }

    #[inline(always)]
    fn normalise<S: Simd>(x: f32, [mean, scale]: [f32; 2], gamma: f32, beta: f32) -> f32 {
        fma::<S>((x - mean) * scale, gamma, beta)
    }
}

struct InPlace<'a>(LayerNorm<'a>, &'a mut [f32]);

impl WithSimd for InPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(norm, x) = self;
        for row in x.chunks_exact_mut(norm.gamma.len()) {
            let moments = norm.moments(row);
            for ((x, &gamma), &beta) in row.iter_mut().zip(norm.gamma).zip(norm.beta) {
                *x = LayerNorm::normalise::<S>(*x, moments, gamma, beta);
            }
        }
    }
}

struct Into<'a>(LayerNorm<'a>, &'a [f32], &'a mut [f32]);

impl WithSimd for Into<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(norm, x, out) = self;
        let width = norm.gamma.len();
        for (row, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let moments = norm.moments(row);
            for (((out, &x), &gamma), &beta) in out.iter_mut().zip(row).zip(norm.gamma).zip(norm.beta) {
                *out = LayerNorm::normalise::<S>(x, moments, gamma, beta);
            }
        }
    }
}

/// The gradients of a layer norm.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNormGradient {
    /// With respect to `gamma`.
    pub gamma: Vec<f32>,
    /// With respect to `beta`.
    pub beta: Vec<f32>,
}

/// Turns the gradient with respect to what [`layer_norm`] made of `x` into that with respect to `x`, in place, and
/// returns those with respect to `gamma` and `beta`.
///
/// - `x`: `[rows, width]`, before it was normalised
/// - `gradient`: like `x`
///
/// # Panics
///
/// As [`layer_norm`] does, and if `gradient` is not as long as `x`.
pub fn layer_norm_backward(
    x: &[f32],
    gamma: &[f32],
    epsilon: f32,
    gradient: &mut [f32],
) -> LayerNormGradient {
    let norm = LayerNorm::new(gamma, gamma, epsilon);
    norm.check(x);
    assert_eq!(x.len(), gradient.len(), "a gradient for every output of a layer norm");
    // The same tasks and the same order of adding them up for every number of threads.
    let tasks = gradient.par_chunks_mut(norm.task()).zip(x.par_chunks(norm.task()));
    let parts: Vec<_> =
        tasks.map(|(gradient, x)| norm.arch.dispatch(Backward { norm, x, gradient })).collect();
    let zeros = LayerNormGradient { gamma: vec![0.0; gamma.len()], beta: vec![0.0; gamma.len()] };
    parts.into_iter().fold(zeros, |mut total, part| {
        total.gamma.iter_mut().zip(part.gamma).for_each(|(total, part)| *total += part);
        total.beta.iter_mut().zip(part.beta).for_each(|(total, part)| *total += part);
        total
    })
}

struct Backward<'a> {
    norm: LayerNorm<'a>,
    x: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = LayerNormGradient;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> LayerNormGradient {
        let Self { norm, x, gradient } = self;
        let width = norm.gamma.len();
        let mut sums = LayerNormGradient { gamma: vec![0.0; width], beta: vec![0.0; width] };
        let mut normal = vec![0.0; width];
        for (row, gradient) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            let [mean, scale] = norm.moments(row);
            for (normal, &x) in normal.iter_mut().zip(row) {
                *normal = (x - mean) * scale;
            }
            for ((sum, &g), &normal) in sums.gamma.iter_mut().zip(&*gradient).zip(&normal) {
                *sum = fma::<S>(g, normal, *sum);
            }
            for (sum, &g) in sums.beta.iter_mut().zip(&*gradient) {
                *sum += g;
            }
            for (g, &gamma) in gradient.iter_mut().zip(norm.gamma) {
                *g *= gamma;
            }
            let average = sum(gradient, |g| g) / width as f32;
            let along = dot::<S>(gradient, &normal) / width as f32;
            for (g, &normal) in gradient.iter_mut().zip(&normal) {
                *g = scale * (*g - average - normal * along);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instruction_sets, noise, worst};

    fn reference(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32) -> Vec<f64> {
        let mut out = Vec::new();
        for row in x.chunks_exact(gamma.len()) {
            let width = row.len() as f64;
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width;
            let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width;
            let scale = 1.0 / (variance + f64::from(epsilon)).sqrt();
            let affine = gamma.iter().zip(beta);
            out.extend(row.iter().zip(affine).map(|(&x, (&gamma, &beta))| {
                (f64::from(x) - mean) * scale * f64::from(gamma) + f64::from(beta)
            }));
        }
        out
    }

    #[test]
    fn rows_are_normalised_as_in_f64() {
        for (name, arch) in instruction_sets() {
            for (rows, width) in [(1, 1), (3, 2), (5, 31), (2, 32), (7, 33), (4, 97), (9, 768), (1, 20_011)] {
                let x: Vec<f32> = noise(1, rows * width).iter().map(|x| 3.0 * x + 0.5).collect();
                let (gamma, beta) = (noise(2, width), noise(3, width));
                let norm = LayerNorm { arch, ..LayerNorm::new(&gamma, &beta, 1e-5) };
                let (mut inside, mut out) = (x.clone(), vec![f32::NAN; x.len()]);
                arch.dispatch(InPlace(norm, &mut inside));
                arch.dispatch(Into(norm, &x, &mut out));
                assert_eq!(inside, out);
                let worst = worst(&out, &reference(&x, &gamma, &beta, 1e-5));
                println!("{name} [{rows}, {width}]: {worst:e}");
                // Measured 4.2e-7.
                assert!(worst < 5e-7, "{name} [{rows}, {width}]: {worst:e}");
            }
        }
    }

    #[test]
    fn a_large_mean_costs_its_own_rounding() {
        let x: Vec<f32> = noise(1, 768 * 3).iter().map(|x| x + 1000.0).collect();
        let (gamma, beta) = (vec![1.0; 768], vec![0.0; 768]);
        let mut out = vec![0.0; x.len()];
        layer_norm_into(&x, &gamma, &beta, 1e-5, &mut out);
        let worst = worst(&out, &reference(&x, &gamma, &beta, 1e-5));
        println!("{worst:e}");
        assert!(worst < 2e-4, "{worst:e}"); // Measured 1.5e-4: the mean itself is rounded to 3e-5.
    }

    #[test]
    fn many_rows_are_shared_out_whole() {
        let x = noise(1, 501 * 768);
        let (gamma, beta) = (noise(2, 768), noise(3, 768));
        let (mut inside, mut out) = (x.clone(), vec![0.0; x.len()]);
        layer_norm(&mut inside, &gamma, &beta, 1e-5);
        layer_norm_into(&x, &gamma, &beta, 1e-5, &mut out);
        assert_eq!(inside, out);
        assert!(worst(&out, &reference(&x, &gamma, &beta, 1e-5)) < 5e-7);
    }

    #[test]
    #[should_panic(expected = "7 numbers are not rows of 3")]
    fn part_of_a_row_is_refused() {
        layer_norm(&mut [0.0; 7], &[0.0; 3], &[0.0; 3], 1e-5);
    }

    #[test]
    fn gradients_match_f64() {
        for (rows, width) in [(1, 1), (3, 2), (5, 31), (100, 768), (7, 33)] {
            let (x, gamma, gradient) = (noise(1, rows * width), noise(2, width), noise(3, rows * width));
            let (mut of_x, mut of_gamma, mut of_beta) = (Vec::new(), vec![0.0; width], vec![0.0; width]);
            let unit = vec![1.0; width];
            let normal = reference(&x, &unit, &vec![0.0; width], 1e-3);
            for ((row, normal), g) in x.chunks(width).zip(normal.chunks(width)).zip(gradient.chunks(width)) {
                let n = width as f64;
                let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
                let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
                let scale = 1.0 / (variance + f64::from(1e-3f32)).sqrt();
                let slope: Vec<f64> =
                    g.iter().zip(&gamma).map(|(&g, &k)| f64::from(g) * f64::from(k)).collect();
                let average = slope.iter().sum::<f64>() / n;
                let along = slope.iter().zip(normal).map(|(s, normal)| s * normal).sum::<f64>() / n;
                for i in 0..width {
                    of_x.push(scale * (slope[i] - average - normal[i] * along));
                    of_gamma[i] += f64::from(g[i]) * normal[i];
                    of_beta[i] += f64::from(g[i]);
                }
            }
            for (name, arch) in instruction_sets() {
                let mut out = gradient.clone();
                let norm = LayerNorm { arch, ..LayerNorm::new(&gamma, &gamma, 1e-3) };
                let sums = arch.dispatch(Backward { norm, x: &x, gradient: &mut out });
                let errors = [worst(&out, &of_x), worst(&sums.gamma, &of_gamma), worst(&sums.beta, &of_beta)];
                println!("{name} [{rows}, {width}]: {errors:?}");
                // Measured 3.3e-7 for x, 5.8e-6 for sums over 100 rows.
                assert!(errors[0] < 2e-6 && errors[1] < 1e-5 && errors[2] < 1e-5, "{name}: {errors:?}");
            }
            let mut out = gradient.clone();
            let sums = layer_norm_backward(&x, &gamma, 1e-3, &mut out);
            assert!(worst(&out, &of_x) < 2e-6 && worst(&sums.gamma, &of_gamma) < 1e-5);
            assert!(worst(&sums.beta, &of_beta) < 1e-5);
        }
    }
}
