//! One-dimensional convolution as matrix products, channels last.
//!
//! burn's own `conv1d` copies its input into columns, forward and backward, and that was the larger part of a training
//! step on a CPU (docs/performance.md). In channels-last layout the taps of one stride are one row, so a convolution is a
//! sum of ⌈kernel / stride⌉ plain products.

use std::f64::consts::PI;
use std::ops::Range;

use burn::tensor::{DType, Device, Tensor, TensorData, module};

use crate::backend::operands::Norm;

/// Convolves `[B, T, I]` with `weight` `[O, I, K]` at `stride`, without padding: `[B, T', O]`, T' = (T - K) / stride + 1, in
/// the dtype of the weight.
///
/// `stride` must not be above K, nor K above T.
pub(super) fn conv1d(x: &Tensor<3>, weight: Tensor<3>, bias: Option<Tensor<1>>, stride: usize) -> Tensor<3> {
    let [out_channels, in_channels, kernel] = weight.dims();
    let x = &x.clone().cast(weight.dtype());
    let weight = weight.permute([2, 1, 0]); // [K, I, O]
    let product = |taps: Range<usize>, bias: Option<Tensor<1>>| {
        let weight = weight.clone().narrow(0, taps.start, taps.len());
        module::linear(
            rows(x, &taps, kernel, stride),
            weight.reshape([taps.len() * in_channels, out_channels]),
            bias,
        )
    };
    let mut groups = tap_groups(kernel, stride);
    let first = groups.next().expect("a kernel has a tap");
    let first = product(first, bias);
    groups.fold(first, |sum, taps| sum + product(taps, None))
}

/// [`conv1d`] of one input channel, each output channel brought to mean 0 and variance 1 over time, scaled and shifted:
/// convolution and `GroupNorm(groups = channels)` in one.
pub(super) fn conv1d_normed_over_time(
    x: &Tensor<3>,
    weight: Tensor<3>,
    norm: Norm,
    stride: usize,
) -> Tensor<3> {
    let (dtype, kernel) = (weight.dtype(), weight.dims()[2]);
    let (weight, bias) = norm_into_taps(x, weight, norm, stride);
    let frames = frames(&x.clone().cast(DType::F32), kernel, stride);
    // The bias is one more tap, over a column of ones.
    let [batch, count, _] = frames.dims();
    let ones = Tensor::<3>::ones([batch, count, 1], &frames.device()).cast(DType::F32);
    let (frames, weight) = (Tensor::cat(vec![frames, ones], 2), Tensor::cat(vec![weight, bias], 1));
    frames.cast(dtype).matmul(weight.cast(dtype))
}

/// The weight `[B, K, O]` and the bias `[B, 1, O]` that make [`conv1d_normed_over_time`] a plain convolution, for each clip
/// its own.
///
/// Mean and variance of `w · f` over the frames f are `w · mean(f)` and `wᵀ cov(f) w`, so the norm goes into the K taps and
/// no pass over the `[B, T', O]` result is needed. A bias before the norm would vanish with the mean. All in f32, whatever
/// the dtypes are.
pub(super) fn norm_into_taps(
    x: &Tensor<3>,
    weight: Tensor<3>,
    Norm { gamma, beta, epsilon }: Norm,
    stride: usize,
) -> (Tensor<3>, Tensor<3>) {
    let [out_channels, _, kernel] = weight.dims();
    let [x, weight] = [x.clone(), weight].map(|tensor| tensor.cast(DType::F32));
    let [gamma, beta] = [gamma, beta].map(|tensor| tensor.cast(DType::F32).reshape([1, out_channels, 1]));
    let frames = frames(&x, kernel, stride); // [B, T', K]
    let count = frames.dims()[1];
    // Centred first: then the mean is exactly 0 and the variance loses no digits to it.
    let mean = frames.clone().mean_dim(1); // [B, 1, K]
    let frames = frames - mean.clone();
    // Neighbouring samples are nearly equal, and the variance of a kernel that takes their difference would be lost in the
    // rounding of their sum. In a cosine basis the taps are nearly independent; the basis is orthonormal, so turning kernel
    // and frames alike changes no product.
    let basis = cosines(kernel, &frames.device()).cast(DType::F32);
    let weight = weight.reshape([1, out_channels, kernel]);
    let turned = weight.clone().matmul(basis.clone());
    let covariance = gram(&frames.matmul(basis)) / count as f64; // [B, K, K]
    let variance = (turned.clone().matmul(covariance) * turned).sum_dim(2); // [B, O, 1]
    // Rounding may leave a negative variance to a kernel that passes nothing of a loud clip.
    let variance = variance.clamp_min(0.0);
    let scale = gamma / (variance + epsilon).sqrt();
    let weight = (weight * scale).swap_dims(1, 2); // [B, K, O]
    let bias = beta.swap_dims(1, 2) - mean.matmul(weight.clone()); // [B, 1, O]
    (weight, bias)
}

/// The inputs of the taps of one input channel at each step: `[B, T', K]`.
fn frames(x: &Tensor<3>, kernel: usize, stride: usize) -> Tensor<3> {
    let groups = tap_groups(kernel, stride).map(|taps| rows(x, &taps, kernel, stride));
    Tensor::cat(groups.collect(), 2)
}

/// `frames` `[B, T, K]` times itself over time, `[B, K, K]`.
///
/// A long clip has 100 000 frames, and some libraries add that many products one after the other, in f32: summed by the
/// thousand and then over the sums, the rounding stays that of a short clip.
fn gram(frames: &Tensor<3>) -> Tensor<3> {
    const CHUNK: usize = 1024;
    let [batch, count, taps] = frames.dims();
    let (whole, rest) = (count / CHUNK, count % CHUNK);
    let sum = |start: usize, chunks: usize, length: usize| {
        let chunks = frames.clone().narrow(1, start, chunks * length).reshape([batch, chunks, length, taps]);
        let products: Tensor<4> = chunks.clone().swap_dims(2, 3).matmul(chunks);
        products.sum_dim(1).squeeze_dim::<3>(1)
    };
    match (whole, rest) {
        (0, _) => sum(0, 1, rest),
        (_, 0) => sum(0, whole, CHUNK),
        _ => sum(0, whole, CHUNK) + sum(whole * CHUNK, 1, rest),
    }
}

/// The orthonormal cosine transform (DCT-II) of `size` taps, `[1, size, size]`.
fn cosines(size: usize, device: &Device) -> Tensor<3> {
    let value = |tap: usize, wave: usize| {
        let scale = if wave == 0 { 1.0 } else { 2.0 } / size as f64;
        scale.sqrt() * (PI * (tap as f64 + 0.5) * wave as f64 / size as f64).cos()
    };
    let values: Vec<f32> = (0..size * size).map(|i| value(i / size, i % size) as f32).collect();
    Tensor::from_data(TensorData::new(values, [1, size, size]), device)
}

/// The taps in groups of one stride; the first group takes what is left over, so that no group reaches past the end.
fn tap_groups(kernel: usize, stride: usize) -> impl Iterator<Item = Range<usize>> {
    let rest = kernel % stride;
    let whole = (0..kernel / stride).map(move |i| rest + i * stride..rest + (i + 1) * stride);
    std::iter::once(0..rest).filter(|taps| !taps.is_empty()).chain(whole)
}

/// The inputs of the taps at each step: `[B, T', taps * I]`.
fn rows(x: &Tensor<3>, taps: &Range<usize>, kernel: usize, stride: usize) -> Tensor<3> {
    let [batch, length, channels] = x.dims();
    let steps = (length - kernel) / stride + 1;
    let hops = x.clone().narrow(1, taps.start, steps * stride).reshape([batch, steps, stride * channels]);
    if taps.len() == stride { hops } else { hops.narrow(2, 0, taps.len() * channels) }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::GroupNormConfig;
    use burn::tensor::activation::relu;
    use burn::tensor::ops::ConvOptions;
    use earmark_testkit::{assert_close, noise};

    use super::*;

    fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
        let values = noise(shape.iter().product(), seed);
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn values(tensor: Tensor<3>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    /// Worst seen: 9.6e-7, on sums of 60 products of numbers below 1.
    #[test]
    fn equals_burns_convolution_for_every_kernel_stride_and_remainder() {
        for stride in 1..=5 {
            for kernel in stride..=12 {
                for length in kernel..kernel + 2 * stride {
                    let (x, weight) = (random([2, length, 5], 1), random([3, 5, kernel], 2));
                    let bias = random([3], 3);
                    let options = ConvOptions::new([stride], [0], [1], 1);
                    let plain = module::conv1d(
                        x.clone().swap_dims(1, 2),
                        weight.clone(),
                        Some(bias.clone()),
                        options,
                    );
                    let ours = conv1d(&x, weight, Some(bias), stride);
                    let what = format!("kernel {kernel} stride {stride} length {length}");
                    assert_close(&what, &values(ours), &values(plain.swap_dims(1, 2)), 2e-5);
                }
            }
        }
    }

    /// Worst seen: 2.2e-6, on numbers up to 4.
    #[test]
    fn the_norm_inside_the_taps_equals_the_norm_after_the_convolution() {
        for offset in [0.0, 3.0] {
            let (x, weight) = (random([2, 1003, 1], 1) + offset, random([8, 1, 10], 2));
            let (gamma, beta) = (random([8], 3), random([8], 4));
            let options = ConvOptions::new([5], [0], [1], 1);
            let plain = module::conv1d(x.clone().swap_dims(1, 2), weight.clone(), None, options);
            let mut norm = GroupNormConfig::new(8, 8).init(&Device::flex());
            norm.gamma = Some(Param::from_tensor(gamma.clone()));
            norm.beta = Some(Param::from_tensor(beta.clone()));
            let plain = norm.forward(plain).swap_dims(1, 2);
            let plain = relu(plain);
            let ours = relu(conv1d_normed_over_time(&x, weight, Norm { gamma, beta, epsilon: 1e-5 }, 5));
            assert_close(&format!("offset {offset}"), &values(ours), &values(plain), 2e-5);
        }
    }
}
