//! Every operation in burn's own: what a backend falls back on.

use std::f64::consts::FRAC_1_SQRT_2;
use std::sync::{Mutex, PoisonError};

use burn::backend::DispatchDevice;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Distribution, Tensor, activation, module};

use crate::backend::operands::{
    Affine, ConvNorm, ConvWeight, Convolution, DropoutMask, Norm, Padding, StackedConv,
};
use crate::backend::taps;
use crate::config::activation::Activation;

/// What differs by device; `backend/mod.rs` has a function with the description of each. The defaults are made of burn's
/// operations and of each other, so that a backend's step serves in what it does not override.
pub(super) trait Operations: Sized {
    fn linear<const D: usize>(x: Tensor<D>, affine: Affine, activation: Option<Activation>) -> Tensor<D> {
        linear::<Self, D>(x, affine, activation)
    }

    fn linear_residual<const D: usize>(x: Tensor<D>, affine: Affine, residual: Tensor<D>) -> Tensor<D> {
        linear_residual::<Self, D>(x, affine, residual)
    }

    fn layer_norm<const D: usize>(x: Tensor<D>, norm: Norm) -> Tensor<D> {
        layer_norm(x, norm)
    }

    fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
        activate(x, activation)
    }

    /// Over the last axis.
    fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        softmax(x)
    }

    /// Called on a device with a graph only.
    fn dropout<const D: usize>(x: Tensor<D>, mask: DropoutMask) -> Tensor<D> {
        dropout(x, mask)
    }

    fn attention(
        query: Tensor<3>,
        key: Tensor<3>,
        value: Tensor<3>,
        heads: usize,
        bias: Option<Tensor<4>>,
        mask: Option<DropoutMask>,
    ) -> Tensor<3> {
        attention::<Self>(query, key, value, heads, bias, mask)
    }

    /// [`Padding::Zeros`] and [`Padding::Before`] are none by now.
    fn conv1d(x: Tensor<3>, conv: Convolution<'_>, activation: Option<Activation>) -> Tensor<3> {
        conv1d::<Self>(x, conv, activation)
    }

    fn conv_stack(waveforms: Tensor<2>, layers: Vec<StackedConv<'_>>) -> Tensor<3> {
        conv_stack::<Self>(waveforms, layers)
    }

    /// `v` `[O, I, K]` with each of its K taps brought to the length `g` `[1, 1, K]`.
    fn weight_norm(v: Tensor<3>, g: Tensor<3>) -> Tensor<3> {
        weight_norm(v, g)
    }
}

/// Nothing overridden.
pub(super) struct Plain;

impl Operations for Plain {}

pub(super) fn linear<B: Operations, const D: usize>(
    x: Tensor<D>,
    Affine { weight, bias }: Affine,
    activation: Option<Activation>,
) -> Tensor<D> {
    let product = module::linear(x.cast(weight.dtype()), weight, bias);
    match activation {
        Some(activation) => B::activate(product, activation),
        None => product,
    }
}

pub(super) fn linear_residual<B: Operations, const D: usize>(
    x: Tensor<D>,
    affine: Affine,
    residual: Tensor<D>,
) -> Tensor<D> {
    let dtype = residual.dtype();
    residual + B::linear(x, affine, None).cast(dtype)
}

pub(super) fn layer_norm<const D: usize>(x: Tensor<D>, norm: Norm) -> Tensor<D> {
    let dtype = norm.gamma.dtype();
    // Sums of squares leave the range of 16-bit floats.
    let [gamma, beta] = [norm.gamma, norm.beta].map(|tensor| tensor.cast(DType::F32));
    module::layer_norm(x.cast(DType::F32), gamma, Some(beta), norm.epsilon).cast(dtype)
}

pub(super) fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    match activation {
        Activation::Gelu if x.device().is_autodiff() && !has_exact_gelu_gradient(&x.device()) => erf_gelu(x),
        Activation::Gelu => activation::gelu(x),
        Activation::Relu => activation::relu(x),
        Activation::Silu => activation::silu(x),
    }
}

pub(super) fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::softmax(x, D - 1)
}

/// Whether a device's own gradient of GELU is that of the exact form. Elsewhere burn 0.22.1 takes that of the tanh form
/// (burn-backend, `gelu_backward`), which is off by some 1e-3.
fn has_exact_gelu_gradient(device: &Device) -> bool {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "libtorch")]
        DispatchDevice::LibTorch(_) => true,
        #[allow(unreachable_patterns, reason = "a build with no other device has no other variant")]
        _ => false,
    }
}

/// GELU in steps that each have an exact gradient.
pub(super) fn erf_gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let share = (x.clone() * FRAC_1_SQRT_2).erf().add_scalar(1.0).mul_scalar(0.5);
    x * share
}

pub(super) fn dropout<const D: usize>(x: Tensor<D>, mask: DropoutMask) -> Tensor<D> {
    let kept = {
        // A device has one generator for the whole process: nobody else may draw between the seed and the draw.
        static DRAWING: Mutex<()> = Mutex::new(());
        let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        x.device().seed(mask.seed);
        x.random_like(Distribution::Bernoulli(mask.keep))
    };
    x * kept * (1.0 / mask.keep)
}

pub(super) fn attention<B: Operations>(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<Tensor<4>>,
    mask: Option<DropoutMask>,
) -> Tensor<3> {
    let [batch, queries, width] = query.dims();
    let size = width / heads;
    let split = |x: Tensor<3>| {
        let steps = x.dims()[1];
        x.reshape([batch, steps, heads, size]).swap_dims(1, 2) // [B, H, T, D / H]
    };
    let query = split(query) * (size as f64).powf(-0.5);
    let scores = query.matmul(split(key).transpose()).cast(DType::F32); // [B, H, Q, T]
    let scores = match bias {
        Some(bias) => scores + bias.cast(DType::F32),
        None => scores,
    };
    let weights = B::softmax(scores);
    let weights = match mask {
        Some(mask) => B::dropout(weights, mask),
        None => weights,
    };
    let weights = weights.cast(value.dtype());
    let attended = weights.matmul(split(value)); // [B, H, Q, D / H]
    attended.swap_dims(1, 2).reshape([batch, queries, width])
}

pub(super) fn conv1d<B: Operations>(
    x: Tensor<3>,
    conv: Convolution<'_>,
    activation: Option<Activation>,
) -> Tensor<3> {
    let Convolution { weight, bias, stride, padding, groups, .. } = conv;
    let weight = normed_weight::<B>(weight);
    let weight = match &bias {
        Some(bias) => weight.cast(bias.dtype()),
        None => weight,
    };
    let activate = |x: Tensor<3>| match activation {
        Some(activation) => B::activate(x, activation),
        None => x,
    };
    if padding == Padding::None && groups == 1 {
        return activate(taps::conv1d(&x, weight, bias, stride));
    }
    let (frames, half) = (x.dims()[1], weight.dims()[2] / 2);
    let x = x.cast(weight.dtype()).swap_dims(1, 2); // [B, I, T]
    let convolved = match padding {
        Padding::Same if stride > 1 => {
            let kernel = weight.dims()[2];
            let x = spanned(x, half, (frames / stride).saturating_sub(1) * stride + kernel);
            module::conv1d(x, weight, bias, ConvOptions::new([stride], [0], [1], groups))
        }
        Padding::Same => module::conv1d(x, weight, bias, ConvOptions::new([stride], [half], [1], groups))
            .narrow(2, 0, frames / stride),
        _ => module::conv1d(x, weight, bias, ConvOptions::new([stride], [0], [1], groups)),
    };
    activate(convolved.swap_dims(1, 2))
}

/// `x` `[B, I, T]` behind so many zeros, and cut or filled with zeros to so many frames: all that a convolution with a stride reads. With
/// frames left over behind its last step burn 0.22.1 computes wrong gradients.
fn spanned(x: Tensor<3>, zeros: usize, frames: usize) -> Tensor<3> {
    let ([batch, channels, length], device, dtype) = (x.dims(), x.device(), x.dtype());
    let silence = |count| Tensor::<3>::zeros([batch, channels, count], &device).cast(dtype);
    let behind = frames.saturating_sub(zeros + length);
    let parts = [(zeros > 0).then(|| silence(zeros)), Some(x), (behind > 0).then(|| silence(behind))];
    Tensor::cat(parts.into_iter().flatten().collect(), 2).narrow(2, 0, frames)
}

/// The weight with its norm applied, if it has one.
pub(super) fn normed_weight<B: Operations>(weight: ConvWeight) -> Tensor<3> {
    match weight.g {
        Some(g) => B::weight_norm(weight.v, g),
        None => weight.v,
    }
}

pub(super) fn conv_stack<B: Operations>(waveforms: Tensor<2>, layers: Vec<StackedConv<'_>>) -> Tensor<3> {
    let waveforms = waveforms.unsqueeze_dim(2); // [B, S, 1]
    layers.into_iter().fold(waveforms, |hidden, StackedConv { conv, norm, activation }| match norm {
        None => B::conv1d(hidden, conv, Some(activation)),
        Some(ConvNorm::OverChannels(norm)) => {
            B::activate(B::layer_norm(B::conv1d(hidden, conv, None), norm), activation)
        }
        Some(ConvNorm::OverTime(norm)) => {
            let (stride, weight) = (conv.stride, normed_weight::<B>(conv.weight));
            B::activate(taps::conv1d_normed_over_time(&hidden, weight, norm, stride), activation)
        }
    })
}

pub(super) fn weight_norm(v: Tensor<3>, g: Tensor<3>) -> Tensor<3> {
    let norm = v.clone().square().sum_dim(0).sum_dim(1).sqrt(); // [1, 1, K]
    v * (g / norm)
}
