//! Dropout, whose mask is computed and never stored.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Elements that one task takes: 64 KiB. Part of what a seed means: another number gives other masks.
const TASK: usize = 1 << 14;

/// Keeps every number of `x` with probability `keep`, divided by it, and replaces the others by 0, in place and in
/// parallel.
///
/// Which ones are kept is a function of `seed` and of their places alone. So the same call on the gradient of the result
/// gives that of `x`, for every number of threads and on every machine; every layer and step wants a seed of its own,
/// and consecutive ones will do. `keep` is taken to the nearest 2⁻³².
///
/// Where `keep` is 1 nothing is done, and where it is 0 all become 0, NaN too.
///
/// # Panics
///
/// If `keep` is not in `[0, 1]`.
pub fn dropout(x: &mut [f32], keep: f64, seed: u64) {
    dropout_with(Arch::new(), x, Dropout { keep, seed });
}

fn dropout_with(arch: Arch, x: &mut [f32], dropout: Dropout) {
    dropout.check();
    if dropout.keep < 1.0 {
        x.par_chunks_mut(TASK).enumerate().for_each(|(task, x)| dropout.apply(arch, task as u64, x));
    }
}

/// A dropout that is part of another operation, as that of the weights of an attention: see [`dropout()`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The probability of each number to be kept, in `[0, 1]`.
    pub keep: f64,
    /// Decides which are.
    pub seed: u64,
}

impl Dropout {
    #[track_caller]
    pub(crate) fn check(self) {
        assert!((0.0..=1.0).contains(&self.keep), "{} is not a probability", self.keep);
    }

    /// Drops numbers of `x`, one of the parts of an array, on the calling thread.
    pub(crate) fn apply(self, arch: Arch, part: u64, x: &mut [f32]) {
        // Saturates: as near to 1 as that, all but one in 2^32 are kept.
        let below = (self.keep * 2f64.powi(32)).round() as u32;
        let scale = self.keep.recip() as f32;
        let key = mix(mix(self.seed).wrapping_add(part));
        arch.dispatch(Drop { x, keys: [key as u32, (key >> 32) as u32], below, scale });
    }
}

/// One step of SplitMix64: neighbouring numbers become unrelated ones.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Draws a number for every element: [`mix`] with the words that vectors can multiply, the place in the task and its two
/// keys. The second key goes in half way, so that tasks are no shifts of one sequence.
struct Drop<'a> {
    x: &'a mut [f32],
    keys: [u32; 2],
    below: u32,
    scale: f32,
}

impl WithSimd for Drop<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, keys, below, scale } = self;
        for (place, x) in (0u32..).zip(x) {
            // Chris Wellons' `lowbias32`.
            let hash = place.wrapping_add(keys[0]);
            let hash = (hash ^ (hash >> 16)).wrapping_mul(0x7FEB_352D);
            let hash = hash ^ keys[1];
            let hash = (hash ^ (hash >> 15)).wrapping_mul(0x846C_A68B);
            let hash = hash ^ (hash >> 16);
            *x = if hash < below { *x * scale } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instruction_sets, noise};

    /// 1 where a number is kept and 0 where it is not.
    fn mask(length: usize, keep: f64, seed: u64) -> Vec<f64> {
        let mut x = vec![1.0; length];
        dropout(&mut x, keep, seed);
        let scale = keep.recip() as f32;
        x.iter().map(|&x| if x == 0.0 { 0.0 } else { f64::from(x / scale) }).collect()
    }

    /// How far the mean of the products of two masks is from what independent ones give, in standard deviations.
    fn relation(a: &[f64], b: &[f64], keep: f64) -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| (a - keep) * (b - keep)).sum::<f64>();
        products / (a.len() as f64).sqrt() / (keep * (1.0 - keep))
    }

    /// Several million draws, over a hundred tests of them: 4.5 deviations happen once in 1500 such runs, and the seeds are
    /// fixed.
    #[test]
    fn numbers_are_kept_independently() {
        let length = 4_000_003;
        let mut most: f64 = 0.0;
        for (keep, seed) in [(0.9, 0), (0.5, 1), (0.1, 2), (0.999, u64::MAX), (0.95, 1 << 40)] {
            let kept = mask(length, keep, seed);
            let share = kept.iter().sum::<f64>() / length as f64;
            let deviation = (share - keep) / (keep * (1.0 - keep) / length as f64).sqrt();
            most = most.max(deviation.abs());
            // Neighbours, lanes, channels, tasks.
            for lag in [1, 2, 3, 4, 7, 8, 16, 31, 32, 64, 128, 249, 512, 768, 1024, 3072, 1 << 14, 1 << 16] {
                most = most.max(relation(&kept[lag..], &kept[..length - lag], keep).abs());
            }
            for other in [seed ^ 1, seed.wrapping_add(2), seed ^ (1 << 32), seed ^ (1 << 63), !seed] {
                most = most.max(relation(&kept, &mask(length, keep, other), keep).abs());
            }
            // Every place of a task as often as the others: χ² of the 16 384 counts, about normal.
            let mut counts = vec![0.0; TASK];
            kept.chunks_exact(TASK)
                .for_each(|task| counts.iter_mut().zip(task).for_each(|(count, x)| *count += x));
            let tasks = (length / TASK) as f64;
            let square: f64 = counts.iter().map(|count| (count - tasks * keep).powi(2)).sum();
            let square = square / (tasks * keep * (1.0 - keep));
            most = most.max((square - TASK as f64).abs() / (2.0 * TASK as f64).sqrt());
        }
        println!("worst: {most:.2} standard deviations"); // Measured 2.36.
        assert!(most < 4.5, "{most:.2} standard deviations");
    }

    #[test]
    fn a_mask_is_the_same_on_every_instruction_set_and_number_of_threads() {
        let x = noise(1, 100_003);
        let mut expected = x.clone();
        dropout(&mut expected, 0.7, 42);
        for (name, arch) in instruction_sets() {
            for threads in [1, 3] {
                let mut y = x.clone();
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| dropout_with(arch, &mut y, Dropout { keep: 0.7, seed: 42 }));
                assert_eq!(y, expected, "{name}");
            }
        }
        for (&x, &y) in x.iter().zip(&expected) {
            assert!(y == 0.0 || y == x * (1.0f64 / 0.7) as f32);
        }
    }

    #[test]
    fn all_and_nothing_can_be_kept() {
        let x = noise(1, 1000);
        for (keep, factor) in [(1.0, 1.0), (0.0, 0.0)] {
            let mut y = x.clone();
            dropout(&mut y, keep, 1);
            assert!(x.iter().zip(&y).all(|(x, &y)| y == x * factor));
        }
    }

    #[test]
    #[should_panic(expected = "1.5 is not a probability")]
    fn more_than_all_is_refused() {
        dropout(&mut [1.0], 1.5, 1);
    }
}
