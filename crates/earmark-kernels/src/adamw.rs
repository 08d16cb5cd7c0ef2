//! The step of AdamW.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::simd::fma;

/// Elements that one task takes: 64 KiB of each of four arrays.
const TASK: usize = 1 << 14;

/// The settings of AdamW, under PyTorch's names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// The learning rate, of this step.
    pub lr: f64,
    /// How much of the first and of the second moment is kept from step to step.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// What a weight loses in a step, in units of itself and of the learning rate. It is 0 for biases and norms.
    pub weight_decay: f64,
}

impl Default for AdamW {
    /// PyTorch's.
    fn default() -> Self {
        Self { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 }
    }
}

/// One step of AdamW, in place and in parallel: all of `torch.optim.AdamW` in one pass over memory.
///
/// - `moment_1`, `moment_2`: averages of the gradient and of its square, kept from step to step, 0 before the first
/// - `step`: how many steps there were with this one, so 1 in the first
///
/// ```text
/// weights  -= lr * weight_decay * weights
/// moment_1  = beta_1 * moment_1 + (1 - beta_1) * gradient
/// moment_2  = beta_2 * moment_2 + (1 - beta_2) * gradient²
/// weights  -= lr / (1 - beta_1^step) * moment_1 / (sqrt(moment_2) / sqrt(1 - beta_2^step) + eps)
/// ```
///
/// # Panics
///
/// If `step` is 0 or the lengths differ.
pub fn adamw(
    weights: &mut [f32],
    gradient: &[f32],
    moment_1: &mut [f32],
    moment_2: &mut [f32],
    settings: AdamW,
    step: u32,
) {
    assert!(step > 0, "the first step is number 1");
    let lengths = [gradient.len(), moment_1.len(), moment_2.len()];
    assert_eq!(lengths, [weights.len(); 3], "a gradient and two moments for every weight");
    let (arch, factors) = (Arch::new(), Factors::new(settings, step));
    weights
        .par_chunks_mut(TASK)
        .zip(gradient.par_chunks(TASK))
        .zip(moment_1.par_chunks_mut(TASK).zip(moment_2.par_chunks_mut(TASK)))
        .for_each(|((weights, gradient), (moment_1, moment_2))| {
            arch.dispatch(Step { factors, weights, gradient, moment_1, moment_2 });
        });
}

/// What is the same for all weights, computed in `f64` as PyTorch does.
#[derive(Clone, Copy)]
struct Factors {
    keep: f32,
    step: f32,
    betas: [f32; 2],
    rest: [f32; 2],
    correction: f32,
    eps: f32,
}

impl Factors {
    fn new(settings: AdamW, step: u32) -> Self {
        let AdamW { lr, betas, eps, weight_decay } = settings;
        let [first, second] = betas.map(|beta| 1.0 - beta.powf(step.into()));
        Self {
            keep: (1.0 - lr * weight_decay) as f32,
            step: (lr / first) as f32,
            betas: betas.map(|beta| beta as f32),
            rest: betas.map(|beta| (1.0 - beta) as f32),
            correction: second.sqrt().recip() as f32,
            eps: eps as f32,
        }
    }
}

struct Step<'a> {
    factors: Factors,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    moment_1: &'a mut [f32],
    moment_2: &'a mut [f32],
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { factors, weights, gradient, moment_1, moment_2 } = self;
        let Factors { keep, step, betas, rest, correction, eps } = factors;
        let weights = weights.iter_mut().zip(gradient);
        for ((weight, &g), (m1, m2)) in weights.zip(moment_1.iter_mut().zip(moment_2)) {
            // As PyTorch's `lerp_`: the first moment of a gradient that does not change stays exactly what it is.
            *m1 = fma::<S>(rest[0], g - *m1, *m1);
            *m2 = fma::<S>(rest[1] * g, g, betas[1] * *m2);
            let size = fma::<S>(m2.sqrt(), correction, eps);
            *weight = fma::<S>(-step, *m1 / size, *weight * keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instruction_sets, noise, worst};

    /// PyTorch's `_single_tensor_adamw`, in `f64`.
    fn reference(settings: AdamW, step: u32, arrays: &mut [Vec<f64>; 3], gradient: &[f32]) {
        let [weights, moment_1, moment_2] = arrays;
        let [beta_1, beta_2] = settings.betas;
        for (i, &g) in gradient.iter().enumerate() {
            let g = f64::from(g);
            weights[i] *= 1.0 - settings.lr * settings.weight_decay;
            moment_1[i] = beta_1 * moment_1[i] + (1.0 - beta_1) * g;
            moment_2[i] = beta_2 * moment_2[i] + (1.0 - beta_2) * g * g;
            let correction_1 = 1.0 - beta_1.powf(step.into());
            let correction_2 = 1.0 - beta_2.powf(step.into());
            let size = moment_2[i].sqrt() / correction_2.sqrt() + settings.eps;
            weights[i] -= settings.lr / correction_1 * moment_1[i] / size;
        }
    }

    #[test]
    fn steps_match_f64_on_every_instruction_set() {
        let length = 1003;
        for settings in [
            AdamW::default(),
            AdamW { lr: 5e-5, betas: [0.9, 0.98], eps: 1e-6, weight_decay: 0.0 },
            AdamW { lr: 0.1, betas: [0.0, 0.5], eps: 0.1, weight_decay: 1.0 },
        ] {
            for (name, arch) in instruction_sets() {
                let mut weights = noise(1, length);
                let [mut moment_1, mut moment_2] = [(); 2].map(|()| vec![0.0; length]);
                let exact = weights.iter().map(|&x| f64::from(x)).collect();
                let mut exact = [exact, vec![0.0; length], vec![0.0; length]];
                for step in 1..=30 {
                    // Gradients of all sizes; some are 0.
                    let mut gradient = noise(u64::from(step) + 10, length);
                    for (i, g) in gradient.iter_mut().enumerate() {
                        *g *= [1.0, 1e-3, 1e-6, 0.0, 100.0][i % 5];
                    }
                    let factors = Factors::new(settings, step);
                    arch.dispatch(Step {
                        factors,
                        weights: &mut weights,
                        gradient: &gradient,
                        moment_1: &mut moment_1,
                        moment_2: &mut moment_2,
                    });
                    reference(settings, step, &mut exact, &gradient);
                }
                // Weights are about 1; moments up to 100 and 10 000.
                let error = worst(&weights, &exact[0]);
                let errors = [worst(&moment_1, &exact[1]) / 100.0, worst(&moment_2, &exact[2]) / 1e4];
                println!("{name} {settings:?}: {error:e} {errors:?}");
                // Measured 1.3e-6, of 30 roundings of a weight, and 9.3e-8.
                assert!(error < 2e-6 && errors[0] < 2e-7 && errors[1] < 2e-7, "{name}: {error:e} {errors:?}");
            }
        }
    }

    #[test]
    fn many_weights_are_shared_out() {
        let (length, settings) = (40_001, AdamW::default());
        let gradient = noise(2, length);
        let mut arrays = [1, 3, 4].map(|seed| noise(seed, length));
        arrays[2].iter_mut().for_each(|x| *x = x.abs());
        let mut exact = arrays.clone().map(|x| x.into_iter().map(f64::from).collect());
        let [weights, moment_1, moment_2] = &mut arrays;
        adamw(weights, &gradient, moment_1, moment_2, settings, 1000);
        reference(settings, 1000, &mut exact, &gradient);
        for (array, exact) in arrays.iter().zip(&exact) {
            assert!(worst(array, exact) < 1e-6);
        }
    }

    #[test]
    #[should_panic(expected = "a gradient and two moments for every weight")]
    fn a_gradient_too_short_is_refused() {
        adamw(&mut [0.0; 3], &[0.0; 2], &mut [0.0; 3], &mut [0.0; 3], AdamW::default(), 1);
    }
}
