//! Sums over the rows of a matrix, one to every column: the gradients of whatever is the same for all rows.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::simd::fma;

/// Elements that one task takes, about: 256 KiB, large against what it returns.
const TASK: usize = 1 << 16;

/// Rows that are added up as `f32`, by halves: three roundings before everything else is `f64`.
const ROWS: usize = 8;

/// Columns below which several rows are taken for one long one, so that there are whole vectors of them.
const NARROW: usize = 64;

/// The sum of every column, in parallel: the gradient with respect to a bias.
///
/// - `x`: `[rows, width]`
/// - returns `[width]`
///
/// Eight numbers at a time are added as `f32` and all else as `f64`, in the same order for every number of threads.
///
/// # Panics
///
/// If `width` is 0 or `x` is not whole rows.
pub fn column_sums(x: &[f32], width: usize) -> Vec<f32> {
    let sums = sums::<Alone>(Arch::new(), x, x, width);
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// The scalar product of every column of `x` with that of `y`, added up as [`column_sums`] does.
pub(crate) fn column_dots(arch: Arch, x: &[f32], y: &[f32], width: usize) -> Vec<f64> {
    sums::<Product>(arch, x, y, width)
}

fn sums<T: Term + Send>(arch: Arch, x: &[f32], y: &[f32], width: usize) -> Vec<f64> {
    assert!(width > 0 && x.len().is_multiple_of(width), "{} numbers are not rows of {width}", x.len());
    assert_eq!(x.len(), y.len(), "matrices of one shape");
    let long = width * NARROW.div_ceil(width);
    let task = (TASK / (ROWS * long)).max(1) * ROWS * long;
    let tasks = x.par_chunks(task).zip(y.par_chunks(task));
    let parts: Vec<_> =
        tasks.map(|(x, y)| arch.dispatch(Sums { x, y, long, term: PhantomData::<T> })).collect();
    let mut total = vec![0.0; width];
    for row in parts.iter().flat_map(|part| part.chunks_exact(width)) {
        total.iter_mut().zip(row).for_each(|(total, part)| *total += part);
    }
    total
}

/// What is added up.
trait Term {
    fn add<S: Simd>(sum: f32, x: f32, y: f32) -> f32;
}

struct Alone;
struct Product;

impl Term for Alone {
    #[inline(always)]
    fn add<S: Simd>(sum: f32, x: f32, _: f32) -> f32 {
        sum + x
    }
}

impl Term for Product {
    #[inline(always)]
    fn add<S: Simd>(sum: f32, x: f32, y: f32) -> f32 {
        fma::<S>(x, y, sum)
    }
}

struct Sums<'a, T> {
    x: &'a [f32],
    y: &'a [f32],
    long: usize,
    term: PhantomData<T>,
}

impl<T: Term> WithSimd for Sums<'_, T> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f64> {
        let Self { x, y, long, .. } = self;
        let mut sums = vec![0.0; long];
        let (x, y) = (x.chunks(ROWS * long), y.chunks(ROWS * long));
        for (x, y) in x.zip(y) {
            if x.len() == ROWS * long {
                let row = |row: usize| (&x[row * long..][..long], &y[row * long..][..long]);
                let rows: [_; ROWS] = std::array::from_fn(row);
                for (column, sum) in sums.iter_mut().enumerate() {
                    let pair = |i: usize| {
                        let (x, y) = rows[i];
                        let first = T::add::<S>(0.0, x[column], y[column]);
                        let (x, y) = rows[i + 1];
                        T::add::<S>(first, x[column], y[column])
                    };
                    *sum += f64::from((pair(0) + pair(2)) + (pair(4) + pair(6)));
                }
            } else {
                for (x, y) in x.chunks(long).zip(y.chunks(long)) {
                    for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
                        *sum += f64::from(T::add::<S>(0.0, x, y));
                    }
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instruction_sets, noise, worst};

    fn reference(x: &[f32], width: usize, term: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..width).map(|column| (column..x.len()).step_by(width).map(&term).sum()).collect()
    }

    #[test]
    fn sums_match_f64_on_every_instruction_set() {
        for (name, arch) in instruction_sets() {
            for (rows, width) in
                [(0, 3), (1, 1), (200_003, 1), (7, 5), (1001, 33), (513, 64), (999, 768), (3, 70_001)]
            {
                let (x, y) = (noise(1, rows * width), noise(2, rows * width));
                let alone = reference(&x, width, |i| x[i].into());
                let products = reference(&x, width, |i| f64::from(x[i]) * f64::from(y[i]));
                let single = |sums: Vec<f64>| sums.into_iter().map(|sum| sum as f32).collect::<Vec<_>>();
                let errors = [
                    worst(&single(sums::<Alone>(arch, &x, &x, width)), &alone),
                    worst(&single(column_dots(arch, &x, &y, width)), &products),
                ]
                .map(|error| error / (rows as f64).sqrt().max(1.0));
                println!("{name} [{rows}, {width}]: {errors:?}");
                // Over sqrt(rows).
                assert!(errors.iter().all(|&error| error < 1e-7), "{name} [{rows}, {width}]: {errors:?}");
            }
        }
    }

    #[test]
    fn sums_are_the_same_for_every_number_of_threads() {
        let x = noise(1, 5001 * 96);
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| column_sums(&x, 96))
        });
        assert_eq!(one, three);
    }

    #[test]
    #[should_panic(expected = "7 numbers are not rows of 3")]
    fn part_of_a_row_is_refused() {
        column_sums(&[0.0; 7], 3);
    }
}
