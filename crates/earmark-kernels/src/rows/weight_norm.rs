//! Weight normalisation: a weight as a direction and, to every tap of its kernel, a length.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::rows::sums::column_dots;

/// Elements that one task takes, about: 64 KiB.
const TASK: usize = 1 << 14;

/// Gives every column of `v` the length in `g`: `out[r, k] = v[r, k] * g[k] / ‖v[:, k]‖`.
///
/// - `v`: `[rows, taps]`: what PyTorch calls `weight_v`, `[out, in / groups, kernel]`, normalised along `dim=2`
/// - `g`: `[taps]`: its `weight_g`
/// - `out`: like `v`
///
/// Lengths are within 6e-8 of their own size, and the same for every number of threads. A column of zeros gives NaN, as
/// in PyTorch.
///
/// # Panics
///
/// If `g` is empty, `v` is not whole rows, or `out` is not as long.
pub fn weight_norm(v: &[f32], g: &[f32], out: &mut [f32]) {
    check(v, g, out, "a weight for every number of its direction");
    let arch = Arch::new();
    let scales: Vec<f32> = lengths(arch, v, g.len()).iter().zip(g).map(|(norm, g)| g / norm).collect();
    let task = task(g.len());
    out.par_chunks_mut(task)
        .zip(v.par_chunks(task))
        .for_each(|(out, v)| arch.dispatch(Scale { v, scales: &scales, out }));
}

/// Turns the gradient with respect to what [`weight_norm`] made of `v` into that with respect to `v`, in place, and
/// returns that with respect to `g`, `[taps]`.
///
/// With the length of a column `n` and its share of the gradient in its own direction `d = Σ gradient · v / n`, they are
/// `g / n · (gradient - v · d / n)` and `d`.
///
/// # Panics
///
/// As [`weight_norm`] does, and if `gradient` is not as long as `v`.
pub fn weight_norm_backward(v: &[f32], g: &[f32], gradient: &mut [f32]) -> Vec<f32> {
    check(v, g, gradient, "a gradient for every number of a weight");
    let arch = Arch::new();
    backward_with(arch, v, g, gradient)
}

fn backward_with(arch: Arch, v: &[f32], g: &[f32], gradient: &mut [f32]) -> Vec<f32> {
    let lengths = lengths(arch, v, g.len());
    let dots = column_dots(arch, v, gradient, g.len());
    let scales: Vec<f32> = lengths.iter().zip(g).map(|(norm, g)| g / norm).collect();
    let along = dots.iter().zip(&lengths).map(|(dot, &norm)| (dot / f64::from(norm).powi(2)) as f32);
    let along: Vec<f32> = along.collect();
    let task = task(g.len());
    gradient
        .par_chunks_mut(task)
        .zip(v.par_chunks(task))
        .for_each(|(gradient, v)| arch.dispatch(Backward { v, scales: &scales, along: &along, gradient }));
    dots.iter().zip(&lengths).map(|(dot, &norm)| (dot / f64::from(norm)) as f32).collect()
}

#[track_caller]
fn check(v: &[f32], g: &[f32], out: &[f32], what: &str) {
    assert!(!g.is_empty(), "a weight norm is over one tap at least");
    assert!(v.len().is_multiple_of(g.len()), "{} numbers are not rows of {}", v.len(), g.len());
    assert_eq!(v.len(), out.len(), "{what}");
}

/// How many elements one task takes: whole rows.
fn task(taps: usize) -> usize {
    (TASK / taps).max(1) * taps
}

fn lengths(arch: Arch, v: &[f32], taps: usize) -> Vec<f32> {
    column_dots(arch, v, v, taps).into_iter().map(|square| square.sqrt() as f32).collect()
}

struct Scale<'a> {
    v: &'a [f32],
    scales: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { v, scales, out } = self;
        for (out, v) in out.chunks_exact_mut(scales.len()).zip(v.chunks_exact(scales.len())) {
            for ((out, &v), &scale) in out.iter_mut().zip(v).zip(scales) {
                *out = v * scale;
            }
        }
    }
}

struct Backward<'a> {
    v: &'a [f32],
    scales: &'a [f32],
    along: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { v, scales, along, gradient } = self;
        let taps = scales.len();
        for (gradient, v) in gradient.chunks_exact_mut(taps).zip(v.chunks_exact(taps)) {
            for (((g, &v), &scale), &along) in gradient.iter_mut().zip(v).zip(scales).zip(along) {
                *g = scale * (*g - v * along);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instruction_sets, noise, worst};

    /// The lengths of the columns.
    fn norms(v: &[f32], taps: usize) -> Vec<f64> {
        (0..taps)
            .map(|k| v.iter().skip(k).step_by(taps).map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt())
            .collect()
    }

    const SHAPES: [(usize, usize); 6] = [(1, 1), (3, 2), (700, 5), (96, 31), (2304, 128), (12_003, 8)];

    #[test]
    fn columns_get_their_lengths() {
        for (rows, taps) in SHAPES {
            let v = noise(1, rows * taps);
            // So that results are about 1.
            let g: Vec<f32> = noise(2, taps).iter().map(|g| g * (rows as f32).sqrt()).collect();
            let norms = norms(&v, taps);
            let exact: Vec<f64> =
                (0..v.len()).map(|i| f64::from(v[i]) * f64::from(g[i % taps]) / norms[i % taps]).collect();
            for (name, arch) in instruction_sets() {
                let lengths = lengths(arch, &v, taps);
                let error = worst(&lengths, &norms) / norms.iter().fold(f64::INFINITY, |a, &b| a.min(b));
                let scales: Vec<f32> = lengths.iter().zip(&g).map(|(norm, g)| g / norm).collect();
                let mut out = vec![f32::NAN; v.len()];
                arch.dispatch(Scale { v: &v, scales: &scales, out: &mut out });
                let errors = [error, worst(&out, &exact)];
                println!("{name} [{rows}, {taps}]: {errors:?}");
                // Measured 5.5e-8, of the length itself, and 1.6e-7.
                assert!(errors[0] < 1e-7 && errors[1] < 3e-7, "{name} [{rows}, {taps}]: {errors:?}");
            }
            let mut out = vec![f32::NAN; v.len()];
            weight_norm(&v, &g, &mut out);
            assert!(worst(&out, &exact) < 3e-7);
        }
    }

    #[test]
    fn gradients_match_f64() {
        for (rows, taps) in SHAPES {
            let (v, gradient) = (noise(1, rows * taps), noise(3, rows * taps));
            let g: Vec<f32> = noise(2, taps).iter().map(|g| g * (rows as f32).sqrt()).collect();
            let norms = norms(&v, taps);
            let of_g: Vec<f64> = (0..taps)
                .map(|k| {
                    let column = (k..v.len()).step_by(taps);
                    column.map(|i| f64::from(v[i]) * f64::from(gradient[i])).sum::<f64>() / norms[k]
                })
                .collect();
            let of_v: Vec<f64> = (0..v.len())
                .map(|i| {
                    let (g, along, norm) = (f64::from(g[i % taps]), of_g[i % taps], norms[i % taps]);
                    g / norm * (f64::from(gradient[i]) - f64::from(v[i]) * along / norm)
                })
                .collect();
            for (name, arch) in instruction_sets() {
                let mut out = gradient.clone();
                let sums = backward_with(arch, &v, &g, &mut out);
                let errors = [worst(&out, &of_v), worst(&sums, &of_g)];
                println!("{name} [{rows}, {taps}]: {errors:?}");
                // Measured 2.2e-7 and 1.1e-7.
                assert!(errors[0] < 5e-7 && errors[1] < 3e-7, "{name} [{rows}, {taps}]: {errors:?}");
            }
        }
    }

    #[test]
    fn a_column_of_zeros_gives_nan_and_leaves_the_others_alone() {
        let v = [3.0, 0.0, 4.0, 0.0];
        let mut out = [0.0; 4];
        weight_norm(&v, &[5.0, 1.0], &mut out);
        assert_eq!([out[0], out[2]], [3.0, 4.0]);
        assert!(out[1].is_nan() && out[3].is_nan());
    }

    #[test]
    fn results_are_the_same_for_every_number_of_threads() {
        let (v, g) = (noise(1, 5001 * 24), noise(2, 24));
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (mut out, mut gradient) = (vec![0.0; v.len()], noise(3, v.len()));
                weight_norm(&v, &g, &mut out);
                let of_g = weight_norm_backward(&v, &g, &mut gradient);
                (out, gradient, of_g)
            })
        });
        assert_eq!(one, three);
    }

    #[test]
    #[should_panic(expected = "7 numbers are not rows of 3")]
    fn part_of_a_row_is_refused() {
        weight_norm(&[0.0; 7], &[0.0; 3], &mut [0.0; 7]);
    }
}
