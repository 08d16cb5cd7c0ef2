//! What layers do, the same for every network.
//!
//! A product is computed in the number type of its weights, a norm in that of its scale, and a softmax in f32, whatever
//! their input has: so the types of the parameters alone decide how a network computes ([`mixed_precision`](crate::mixed_precision)).

use std::sync::{Mutex, PoisonError};

use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Dropout, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Distribution, Tensor, module};

use crate::backend::{cpu, cpu_autodiff};
use crate::layers::activation::Activation;
use crate::layers::transformer::LayerNorm;
use crate::training::rng::TrainingRng;

/// `x W + b`: `[…, I]` to `[…, O]`.
pub(crate) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    if cpu::takes(&x) && cpu::takes(&layer.weight) {
        return cpu::linear(layer, None, x, None);
    }
    layer.forward(x.cast(layer.weight.dtype()))
}

/// [`linear`], then the activation.
pub(crate) fn linear_then<const D: usize>(layer: &Linear, activation: Activation, x: Tensor<D>) -> Tensor<D> {
    if cpu::takes(&x) && cpu::takes(&layer.weight) {
        return cpu::linear(layer, Some(activation), x, None);
    }
    activation.forward(linear(layer, x))
}

/// `hidden + dropout(x W + b)`, in the number type of `hidden`: how a residual connection ends.
pub(crate) fn linear_onto<const D: usize>(
    hidden: Tensor<D>,
    layer: &Linear,
    dropout: &Dropout,
    x: Tensor<D>,
    rng: Option<&mut TrainingRng>,
) -> Tensor<D> {
    if cpu::takes(&hidden) && cpu::takes(&x) && cpu::takes(&layer.weight) {
        // Nothing is dropped outside of training.
        return cpu::linear(layer, None, x, Some(hidden));
    }
    add(hidden, self::dropout(dropout, linear(layer, x), rng))
}

/// Drops numbers at random: with `rng`, on a device with a graph, and unless the module is frozen
/// ([`Module::freeze`](burn::module::Module::freeze)).
pub(crate) fn dropout<const D: usize>(
    dropout: &Dropout,
    x: Tensor<D>,
    rng: Option<&mut TrainingRng>,
) -> Tensor<D> {
    let Some(rng) = rng else { return x };
    if dropout.prob == 0.0 || !dropout.training.is_enabled() || !x.device().is_autodiff() {
        return x;
    }
    let (keep, seed) = (1.0 - dropout.prob, rng.dropout_seed());
    if cpu_autodiff::takes(&x) {
        return cpu_autodiff::dropout(x, keep, seed);
    }
    let kept = {
        // A device has one generator for the whole process: nobody else may draw between the seed and the draw.
        static DRAWING: Mutex<()> = Mutex::new(());
        let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        x.device().seed(seed);
        x.random_like(Distribution::Bernoulli(keep))
    };
    x * kept * (1.0 / keep)
}

/// A convolution over an image, in the number type of its weights: `[B, I, H, W]` to `[B, O, H', W']`.
pub(crate) fn conv2d(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    layer.forward(x.cast(layer.weight.dtype()))
}

/// A batch norm by its running statistics, in the number type of its scale: `[B, C, …]` to the same.
pub(crate) fn batch_norm<const D: usize>(norm: &BatchNorm, x: Tensor<D>) -> Tensor<D> {
    norm.forward(x.cast(norm.gamma.dtype()))
}

/// Each row brought to mean 0 and variance 1, scaled and shifted.
pub(crate) fn layer_norm<const D: usize>(norm: &LayerNorm, x: Tensor<D>) -> Tensor<D> {
    if cpu::takes(&x) && cpu::takes(&norm.gamma) {
        return cpu::layer_norm(norm, x);
    }
    if cpu_autodiff::takes(&x) && cpu_autodiff::takes(&norm.gamma) {
        return cpu_autodiff::layer_norm(norm, x);
    }
    let dtype = norm.gamma.dtype();
    // Sums of squares leave the range of 16-bit floats.
    let [gamma, beta] = [&norm.gamma, &norm.beta].map(|param| param.val().cast(DType::F32));
    module::layer_norm(x.cast(DType::F32), gamma, Some(beta), norm.epsilon).cast(dtype)
}

/// `hidden + update`, in the number type of `hidden`.
pub(crate) fn add<const D: usize>(hidden: Tensor<D>, update: Tensor<D>) -> Tensor<D> {
    let dtype = hidden.dtype();
    hidden + update.cast(dtype)
}

/// Multi-head attention of projected queries, keys and values: `[B, T, D]` each, and the result.
///
/// - `bias` is added to the scores: `[B, H, T, T]`, or with 1 for any of them. Never a boolean mask: burn-tch reads it the
///   other way round.
/// - `dropout` is that of the attention probabilities, and what it draws from.
pub(crate) fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<Tensor<4>>,
    dropout: Option<(&Dropout, &mut TrainingRng)>,
) -> Tensor<3> {
    if cpu::takes(&query) && cpu::takes(&key) && cpu::takes(&value) && bias.as_ref().is_none_or(cpu::takes) {
        return cpu::attention(query, key, value, heads, bias);
    }
    let [batch, steps, width] = query.dims();
    let size = width / heads;
    let split = |x: Tensor<3>| x.reshape([batch, steps, heads, size]).swap_dims(1, 2); // [B, H, T, D / H]
    let query = split(query) * (size as f64).powf(-0.5);
    let scores = query.matmul(split(key).transpose()).cast(DType::F32); // [B, H, T, T]
    let scores = match bias {
        Some(bias) => scores + bias.cast(DType::F32),
        None => scores,
    };
    let weights =
        if cpu_autodiff::takes(&scores) { cpu_autodiff::softmax(scores) } else { softmax(scores, 3) };
    let weights = match dropout {
        Some((dropout, rng)) => self::dropout(dropout, weights, Some(rng)),
        None => weights,
    };
    let weights = weights.cast(value.dtype());
    let attended = weights.matmul(split(value)); // [B, H, T, D / H]
    attended.swap_dims(1, 2).reshape([batch, steps, width])
}

#[cfg(test)]
mod tests {
    use burn::module::Module as _;
    use burn::nn::DropoutConfig;
    use burn::tensor::{Device, TensorData};
    use earmark_testkit::{assert_close, noise};

    use super::*;
    use crate::test_support::device;

    #[test]
    fn dropout_drops_with_noise_and_a_graph_and_never_in_a_frozen_module() {
        let ones = |device: &Device| Tensor::<2>::ones([100, 100], device);
        let layer = DropoutConfig::new(0.5).init();
        let (learning, plain) = (device().autodiff(), device());
        let dropped = |layer: &Dropout, device: &Device, rng: Option<&mut TrainingRng>| -> Vec<f32> {
            dropout(layer, ones(device), rng).into_data().try_into_vec().unwrap()
        };
        let same = vec![1.0; 10_000];
        assert_eq!(dropped(&layer, &learning, None), same);
        assert_eq!(dropped(&layer, &plain, Some(&mut TrainingRng::new(1))), same);
        assert_eq!(dropped(&layer.clone().freeze(), &learning, Some(&mut TrainingRng::new(1))), same);
        assert_eq!(dropped(&DropoutConfig::new(0.0).init(), &learning, Some(&mut TrainingRng::new(1))), same);

        let first = dropped(&layer, &learning, Some(&mut TrainingRng::new(1)));
        let kept = first.iter().filter(|&&x| x == 2.0).count();
        assert!(first.iter().all(|&x| x == 0.0 || x == 2.0) && (4700..5300).contains(&kept), "{kept}");
        // The draws are those of `rng`, whatever else the device drew.
        ones(&learning).random_like(Distribution::Default);
        assert_eq!(dropped(&layer, &learning, Some(&mut TrainingRng::new(1))), first);
        assert_ne!(dropped(&layer, &learning, Some(&mut TrainingRng::new(2))), first);
    }

    fn random(steps: usize, seed: u64) -> Tensor<3> {
        Tensor::from_data(TensorData::new(noise(2 * steps * 12, seed), [2, steps, 12]), &device())
    }

    fn values(tensor: Tensor<3>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    /// burn-tch 0.22.1 keeps what a boolean mask tells it to drop (module.rs:488): were ours ever handed one, padding would be
    /// all that is heard. `cargo xtask test --device libtorch` runs this there.
    #[test]
    fn attention_hears_what_the_bias_leaves_and_nothing_of_the_rest() {
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
}
