//! Activations, alone and after something else, and the slope of GELU.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::simd::{LEAST, exp, polynomial};

/// Elements that one task takes: 64 KiB, large against the cost of a task and small against a core's cache.
const TASK: usize = 1 << 14;

/// What is done with every number a layer puts out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// The exact GELU, `x Φ(x)` with the normal distribution's Φ, not its tanh form.
    ///
    /// Within 1.5e-7 of the exact value where `x < 4`, and within 0.53 units of the last place beyond. -∞ gives 0, its
    /// limit, where PyTorch gives NaN; NaN stays NaN.
    Gelu,
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `x / (1 + e^-x)`, also called swish: within 3.4e-7 where `x < 4`, and within 1.5 units of the last place
    /// beyond. -∞ gives its limit here too.
    Silu,
}

impl Activation {
    /// Replaces every number by its activation, in parallel.
    pub fn apply(self, x: &mut [f32]) {
        let arch = Arch::new();
        x.par_chunks_mut(TASK).for_each(|x| self.apply_with(arch, x, None));
    }

    /// Adds `bias` (as long as `x`) and applies the activation, on the calling thread.
    pub(crate) fn apply_with(self, arch: Arch, x: &mut [f32], bias: Option<&[f32]>) {
        match self {
            Activation::None => {
                if bias.is_some() {
                    arch.dispatch(Apply::<Identity>::new(x, bias));
                }
            }
            Activation::Gelu => arch.dispatch(Apply::<Gelu>::new(x, bias)),
            Activation::Relu => arch.dispatch(Apply::<Relu>::new(x, bias)),
            Activation::Silu => arch.dispatch(Apply::<Silu>::new(x, bias)),
        }
    }
}

/// A function of one number. (A closure could not be told to be inlined, and would keep the wrong instruction set.)
trait Function {
    fn of<S: Simd>(x: f32) -> f32;
}

struct Identity;
struct Gelu;
struct Relu;
struct Silu;

impl Function for Identity {
    #[inline(always)]
    fn of<S: Simd>(x: f32) -> f32 {
        x
    }
}

impl Function for Gelu {
    #[inline(always)]
    fn of<S: Simd>(x: f32) -> f32 {
        // Beyond 1000 the product would be ∞ times 0.
        let magnitude = if x.abs() > 1e3 { 1e3 } else { x.abs() };
        // What is subtracted is small and nearly exact on either side: `1 + erf` would cancel where x is negative.
        Relu::of::<S>(x) - magnitude * normal_tail::<S>(magnitude)
    }
}

impl Function for Relu {
    #[inline(always)]
    fn of<S: Simd>(x: f32) -> f32 {
        if x < 0.0 { 0.0 } else { x }
    }
}

impl Function for Silu {
    #[inline(always)]
    fn of<S: Simd>(x: f32) -> f32 {
        let x = if x < -88.0 { -88.0 } else { x }; // From there on it is -5e-37.
        x / (1.0 + exp::<S>(-x))
    }
}

/// `Φ(-x)` of an `x` that is not negative: how much of the normal distribution lies beyond it. Within 1.5e-7 of it.
///
/// As `p(x)⁻⁴`: the inverse fourth root is smooth, grows without bound and rounds well, for the last of `p`'s coefficients
/// outweigh the others where the result is large. They minimise the largest error of `x Φ(-x)` on [0, 6], which is
/// 1.1e-8 before rounding; beyond 6 the result only falls.
#[inline(always)]
fn normal_tail<S: Simd>(x: f32) -> f32 {
    let p = polynomial::<S, 12>(
        x,
        [
            1.189_533_7e-6,
            -1.508_235_7e-5,
            9.486_632e-5,
            -3.144_487_6e-4,
            7.576_519e-4,
            -6.556_362e-4,
            2.534_207_7e-3,
            5.986_280_7e-3,
            3.139_863e-2,
            0.118_270_08,
            0.237_213_82,
            1.189_207_1,
        ],
    );
    let p2 = p * p;
    let tail = (p2 * p2).recip();
    if tail < LEAST { 0.0 } else { tail }
}

struct Apply<'a, F> {
    x: &'a mut [f32],
    bias: Option<&'a [f32]>,
    function: PhantomData<F>,
}

impl<'a, F> Apply<'a, F> {
    fn new(x: &'a mut [f32], bias: Option<&'a [f32]>) -> Self {
        Self { x, bias, function: PhantomData }
    }
}

impl<F: Function> WithSimd for Apply<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, bias, .. } = self;
        if let Some(bias) = bias {
            assert_eq!(x.len(), bias.len(), "one bias to every number of a row");
            x.iter_mut().zip(bias).for_each(|(x, bias)| *x = F::of::<S>(*x + bias));
        } else {
            x.iter_mut().for_each(|x| *x = F::of::<S>(*x));
        }
    }
}

/// Turns the gradient with respect to `gelu(x)` into that with respect to `x`, in place and in parallel.
///
/// The slope is `Φ(x) + x φ(x)`, within 2.2e-7 of the exact one.
///
/// # Panics
///
/// If `x` and `gradient` differ in length.
pub fn gelu_backward(x: &[f32], gradient: &mut [f32]) {
    assert_eq!(x.len(), gradient.len(), "a gradient for every input of GELU");
    let arch = Arch::new();
    gradient
        .par_chunks_mut(TASK)
        .zip(x.par_chunks(TASK))
        .for_each(|(gradient, x)| arch.dispatch(GeluBackward { x, gradient }));
}

struct GeluBackward<'a> {
    x: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for GeluBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        const INV_SQRT_TAU: f32 = 0.398_942_3;
        for (gradient, &x) in self.gradient.iter_mut().zip(self.x) {
            let x = x.clamp(-1e3, 1e3); // Beyond it the density would be ∞ times 0.
            let tail = normal_tail::<S>(x.abs());
            let cdf = if x < 0.0 { tail } else { 1.0 - tail };
            let slope = cdf + x * INV_SQRT_TAU * exp::<S>(-0.5 * x * x);
            *gradient *= if slope.abs() < LEAST { 0.0 } else { slope };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{erf64, instruction_sets};

    fn reference(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::None => x,
            Activation::Gelu => 0.5 * x * (1.0 + erf64(x / std::f64::consts::SQRT_2)),
            Activation::Relu => x.max(0.0),
            Activation::Silu => x / (1.0 + (-x).exp()),
        }
    }

    /// Numbers from -12 to 12, and a length that leaves a remainder in every vector.
    fn line() -> Vec<f32> {
        (0..240_011).map(|i| i as f32 * 1e-4 - 12.0).collect()
    }

    #[test]
    fn activations_match_f64() {
        for (name, arch) in instruction_sets() {
            for activation in [Activation::None, Activation::Gelu, Activation::Relu, Activation::Silu] {
                let (x, mut y) = (line(), line());
                activation.apply_with(arch, &mut y, None);
                // The largest difference where results are below 4, and beyond in units of the result's last place.
                let (mut worst, mut units): (f64, f64) = (0.0, 0.0);
                for (&x, &y) in x.iter().zip(&y) {
                    let exact = reference(activation, x.into());
                    let difference = (f64::from(y) - exact).abs();
                    if x < 4.0 {
                        worst = worst.max(difference);
                    } else {
                        units = units.max(difference / f64::from(y.next_up() - y));
                    }
                }
                println!("{name} {activation:?}: {worst:e}, {units:.2} units");
                // Measured 1.5e-7 and 0.53 units for GELU, 3.4e-7 and 1.48 for SiLU.
                let allowed = if activation == Activation::Silu { (4e-7, 1.7) } else { (1.8e-7, 0.6) };
                assert!(
                    worst < allowed.0 && units < allowed.1,
                    "{name} {activation:?}: {worst:e}, {units:.2}"
                );
            }
        }
    }

    #[test]
    fn gelu_of_the_extremes() {
        for (name, arch) in instruction_sets() {
            let mut y =
                [f32::NEG_INFINITY, f32::MIN, -100.0, -0.0, 0.0, 1e-40, 100.0, f32::INFINITY, f32::NAN];
            Activation::Gelu.apply_with(arch, &mut y, None);
            assert_eq!(y[..5], [0.0; 5], "{name}");
            assert!((y[5] - 5e-41).abs() < 2e-45, "{name}: {}", y[5]);
            assert_eq!(y[6..8], [100.0, f32::INFINITY], "{name}");
            assert!(y[8].is_nan(), "{name}");
            for activation in [Activation::Relu, Activation::Silu] {
                let mut y = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
                activation.apply_with(arch, &mut y, None);
                assert!(y[0].is_nan() && y[1] == f32::INFINITY && y[2].abs() < 1e-36, "{name}: {y:?}");
            }
        }
    }

    #[test]
    fn nothing_tiny_is_left_of_a_number_far_below_0() {
        for (name, arch) in instruction_sets() {
            let x: Vec<f32> = (0..30_000).map(|i| i as f32 * -1e-3).collect();
            let (mut y, mut slope) = (x.clone(), vec![1.0; x.len()]);
            Activation::Gelu.apply_with(arch, &mut y, None);
            arch.dispatch(GeluBackward { x: &x, gradient: &mut slope });
            let tiny = |&&y: &&f32| y != 0.0 && y.abs() < LEAST;
            assert_eq!(y.iter().chain(&slope).find(tiny), None, "{name}");
            assert!([&y, &slope].iter().all(|y| y[20_000..].iter().all(|&y| y == 0.0)), "{name}");
        }
    }

    #[test]
    fn the_slope_of_gelu_matches_f64() {
        for (name, arch) in instruction_sets() {
            let x = line();
            let mut y = vec![2.0; x.len()];
            arch.dispatch(GeluBackward { x: &x, gradient: &mut y });
            let mut worst: f64 = 0.0;
            for (&x, &y) in x.iter().zip(&y) {
                let x = f64::from(x);
                let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
                let exact = 0.5 + 0.5 * erf64(x / std::f64::consts::SQRT_2) + x * density;
                worst = worst.max((f64::from(y) / 2.0 - exact).abs());
            }
            println!("{name}: {worst:e}");
            assert!(worst < 3e-7, "{name}: {worst:e}"); // Measured 2.2e-7.
        }
    }

    /// Central differences of the fourth order, in `f64`: their own error is 1e-6, and the rounding of GELU costs 4e-6.
    #[test]
    fn the_slope_of_gelu_is_that_of_the_gelu_computed() {
        const STEP: f32 = 0.0625;
        for (name, arch) in instruction_sets() {
            let x: Vec<f32> = (0..=3200).map(|i| i as f32 / 256.0 - 6.25).collect();
            let mut slope = vec![1.0; x.len()];
            arch.dispatch(GeluBackward { x: &x, gradient: &mut slope });
            let at = |steps: f32| {
                let mut y: Vec<f32> = x.iter().map(|x| x + steps * STEP).collect();
                Activation::Gelu.apply_with(arch, &mut y, None);
                y
            };
            let [far_below, below, above, far_above] = [-2.0, -1.0, 1.0, 2.0].map(at);
            let mut worst: f64 = 0.0;
            for i in 0..x.len() {
                let difference = |above: &[f32], below: &[f32]| f64::from(above[i]) - f64::from(below[i]);
                let quotient = (8.0 * difference(&above, &below) - difference(&far_above, &far_below))
                    / (12.0 * f64::from(STEP));
                worst = worst.max((quotient - f64::from(slope[i])).abs());
            }
            println!("{name}: {worst:e}");
            assert!(worst < 1e-5, "{name}: {worst:e}"); // Measured 4.9e-6.
        }
    }
}
