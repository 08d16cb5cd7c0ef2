//! What is computed how on which device: the one place that asks.
//!
//! A layer calls one of the functions below. Each has a default in burn's operations ([`plain`]), right on every device and
//! in every dtype; a backend overrides those that it computes faster.
//!
//! | backend         | for tensors on                       | overrides                                                 |
//! |-----------------|--------------------------------------|-----------------------------------------------------------|
//! | [`Cpu`]         | burn's CPU device, without a graph   | all but softmax and weight norm, by `earmark-kernels`     |
//! | [`CpuAutodiff`] | burn's CPU device, with a graph      | the steps that have a gradient in `earmark-kernels`       |
//! | [`Plain`]       | every other device                   | nothing                                                   |
//!
//! With the environment variable `EARMARK_PLAIN` set, everything is plain: the tests run so as well, and a wrong result is
//! traced to the one or the other.
//!
//! A product is computed in the dtype of its weights, a norm in that of its scale and a softmax in f32, whatever their input
//! has: the dtypes of the parameters alone decide how a network computes
//! ([`mixed_precision`](crate::mixed_precision())).
//!
//! A new backend is a file like `cpu.rs`, with a variant of `Backend` and its line in `dispatch!`.

mod cpu;
mod cpu_autodiff;
mod operands;
mod plain;
pub(crate) mod recomputed;
mod taps;

use std::sync::LazyLock;

use burn::tensor::{Device, Tensor};

use crate::config::activation::Activation;

use cpu::Cpu;
use cpu_autodiff::CpuAutodiff;
use plain::{Operations as _, Plain};

pub(crate) use operands::{
    Affine, ConvNorm, ConvWeight, Convolution, DropoutMask, Norm, Padding, StackedConv, WeightCache,
};

enum Backend {
    Plain,
    Cpu,
    CpuAutodiff,
}

impl Backend {
    fn of<const D: usize>(x: &Tensor<D>) -> Backend {
        static ALL_PLAIN: LazyLock<bool> = LazyLock::new(|| std::env::var_os("EARMARK_PLAIN").is_some());
        let device = x.device();
        // Devices are equal with and without a graph.
        match *ALL_PLAIN || device != Device::flex() {
            true => Backend::Plain,
            false if device.is_autodiff() => Backend::CpuAutodiff,
            false => Backend::Cpu,
        }
    }
}

/// An operation of the backend that computes on the device of its first operand.
macro_rules! dispatch {
    ($operation:ident($x:ident $(, $operand:expr)*)) => {
        match Backend::of(&$x) {
            Backend::Plain => Plain::$operation($x $(, $operand)*),
            Backend::Cpu => Cpu::$operation($x $(, $operand)*),
            Backend::CpuAutodiff => CpuAutodiff::$operation($x $(, $operand)*),
        }
    };
}

/// `x W + b`, then the activation: `[…, I]` to `[…, O]`, in the dtype of the weight.
pub(crate) fn linear<const D: usize>(
    x: Tensor<D>,
    affine: Affine,
    activation: Option<Activation>,
) -> Tensor<D> {
    dispatch!(linear(x, affine, activation))
}

/// `residual + x W + b`, in the dtype of `residual`.
pub(crate) fn linear_residual<const D: usize>(
    x: Tensor<D>,
    affine: Affine,
    residual: Tensor<D>,
) -> Tensor<D> {
    dispatch!(linear_residual(x, affine, residual))
}

/// The activation of each number.
pub(crate) fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    dispatch!(activate(x, activation))
}

/// Each row brought to mean 0 and variance 1, scaled and shifted; in the dtype of the scale.
pub(crate) fn layer_norm<const D: usize>(x: Tensor<D>, norm: Norm) -> Tensor<D> {
    dispatch!(layer_norm(x, norm))
}

/// Zeroes numbers at random, on a device with a graph; elsewhere `x` as it is.
pub(crate) fn dropout<const D: usize>(x: Tensor<D>, mask: DropoutMask) -> Tensor<D> {
    if !x.device().is_autodiff() {
        return x;
    }
    dispatch!(dropout(x, mask))
}

/// Multi-head attention of projected queries `[B, Q, D]` to keys and values `[B, T, D]`: `[B, Q, D]`.
///
/// - `bias` is added to the scores: `[B, H, Q, T]`, or with 1 for any of them. Never a boolean mask: burn-tch 0.22.1 keeps
///   what a boolean mask tells it to drop (module.rs:488).
/// - `mask` is the dropout of the attention probabilities, on a device with a graph.
pub(crate) fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<Tensor<4>>,
    mask: Option<DropoutMask>,
) -> Tensor<3> {
    let mask = mask.filter(|_| query.device().is_autodiff());
    dispatch!(attention(query, key, value, heads, bias, mask))
}

/// A convolution over time, then the activation: `[B, T, I]` to `[B, T', O]`, in the dtype of the weight; of the bias, if
/// there is one.
pub(crate) fn conv1d(x: Tensor<3>, conv: Convolution<'_>, activation: Option<Activation>) -> Tensor<3> {
    let (x, conv) = padded(x, conv);
    dispatch!(conv1d(x, conv, activation))
}

/// Convolutions one after the other, from samples `[B, S]` to frames `[B, T, C]`.
pub(crate) fn conv_stack(waveforms: Tensor<2>, layers: Vec<StackedConv<'_>>) -> Tensor<3> {
    dispatch!(conv_stack(waveforms, layers))
}

/// [`Padding::Zeros`] and [`Padding::Before`] by a copy: no backend is faster than that at the few frames that are padded so.
fn padded<'a>(x: Tensor<3>, conv: Convolution<'a>) -> (Tensor<3>, Convolution<'a>) {
    let [before, after] = match conv.padding {
        Padding::Zeros(count) => [count, count],
        Padding::Before => [conv.weight.v.dims()[2] - 1, 0],
        Padding::None | Padding::Same => return (x, conv),
    };
    let [batch, _, channels] = x.dims();
    let zeros = |count| Tensor::<3>::zeros([batch, count, channels], &x.device()).cast(x.dtype());
    let parts = [(before > 0).then(|| zeros(before)), Some(x.clone()), (after > 0).then(|| zeros(after))];
    let x = Tensor::cat(parts.into_iter().flatten().collect(), 1);
    (x, Convolution { padding: Padding::None, ..conv })
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use earmark_testkit::{assert_close, noise};

    use super::*;
    use crate::test_support::{device, values};

    fn random(steps: usize, seed: u64) -> Tensor<3> {
        Tensor::from_data(TensorData::new(noise(2 * steps * 12, seed), [2, steps, 12]), &device())
    }

    /// With a boolean mask burn-tch would attend to the padding alone. `cargo xtask test --device libtorch` runs this there.
    #[test]
    fn attention_attends_to_what_the_bias_leaves_and_to_nothing_else() {
        let (real, steps) = (5, 8);
        let [query, key, value] = [1, 2, 3].map(|seed| random(steps, seed));
        let bias: Vec<f32> = (0..2 * steps).map(|i| if i % steps < real { 0.0 } else { -3e4 }).collect();
        let bias: Tensor<4> = Tensor::from_data(TensorData::new(bias, [2, 1, 1, steps]), &device());
        let masked = attention(query.clone(), key.clone(), value.clone(), 3, Some(bias), None);
        let [query, key, value] = [query, key, value].map(|x| x.narrow(1, 0, real));
        let alone = attention(query, key, value, 3, None, None);
        // Worst on the CPU, kernels and plain, and on libtorch: 0.
        assert_close("attention", &values(masked.narrow(1, 0, real)), &values(alone), 1e-6);
    }

    #[test]
    fn attention_in_one_step_has_the_gradients_of_burns_operations() {
        let device = Device::flex().autodiff();
        let operands = || {
            [(110, 1), (70, 2), (70, 3)].map(|(steps, seed)| {
                Tensor::<3>::from_data(TensorData::new(noise(2 * steps * 12, seed), [2, steps, 12]), &device)
                    .require_grad()
            })
        };
        let bias: Vec<f32> = (0..140).map(|i| if i % 70 < 50 { 0.0 } else { -3e4 }).collect();
        let bias = Tensor::<4>::from_data(TensorData::new(bias, [2, 1, 1, 70]), &device);
        let read = |tensor: Tensor<3>| tensor.into_data().try_into_vec::<f32>().unwrap();
        let both = |one_step: bool| {
            let [q, k, v] = operands();
            let parts = (q.clone(), k.clone(), v.clone(), 3, Some(bias.clone()), None);
            let out = match one_step {
                true => CpuAutodiff::attention(parts.0, parts.1, parts.2, parts.3, parts.4, parts.5),
                false => Plain::attention(parts.0, parts.1, parts.2, parts.3, parts.4, parts.5),
            };
            let gradients = (out.clone() * out.clone()).sum().backward();
            let of = |x: Tensor<3>| read(x.grad(&gradients).expect("it is tracked"));
            [read(out.inner()), of(q), of(k), of(v)]
        };
        for ((name, plain), fused) in
            ["out", "queries", "keys", "values"].iter().zip(both(false)).zip(both(true))
        {
            assert_close(name, &plain, &fused, 1e-6);
        }
    }

    #[test]
    fn gelu_in_steps_is_gelu_and_so_is_its_gradient() {
        let device = Device::flex().autodiff();
        let values: Vec<f32> = noise(1000, 1).iter().map(|x| 4.0 * x).collect();
        let x = || Tensor::<1>::from_data(TensorData::new(values.clone(), [1000]), &device).require_grad();
        let read = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap();
        let both = |gelu: &dyn Fn(Tensor<1>) -> Tensor<1>| {
            let x = x();
            let y = gelu(x.clone());
            let gradient = x.grad(&y.clone().sum().backward()).expect("x is tracked");
            (read(y.inner()), read(gradient))
        };
        let (plain, slope) = both(&plain::erf_gelu);
        let (fused, fused_slope) = both(&|x| dispatch!(activate(x, Activation::Gelu)));
        // Worst: 2.4e-7 and 1.8e-7.
        assert_close("gelu", &plain, &fused, 1e-6);
        assert_close("its gradient", &slope, &fused_slope, 1e-6);
    }
}
