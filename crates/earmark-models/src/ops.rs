//! What layers do, the same for every network.
//!
//! A product is computed in the number type of its weights, a norm in that of its scale, and a softmax in f32, whatever
//! their input has: so the types of the parameters alone decide how a network computes ([`half_products`](crate::half_products)).

use burn::nn::{Dropout, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Distribution, Tensor, module};

use crate::activation::Activation;
use crate::transformer::LayerNorm;
use crate::{cpu, learn};

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
) -> Tensor<D> {
    if cpu::takes(&hidden) && cpu::takes(&x) && cpu::takes(&layer.weight) {
        // Nothing is dropped outside of training.
        return cpu::linear(layer, None, x, Some(hidden));
    }
    add(hidden, self::dropout(dropout, linear(layer, x)))
}

/// Drops numbers at random, in training only.
pub(crate) fn dropout<const D: usize>(dropout: &Dropout, x: Tensor<D>) -> Tensor<D> {
    if dropout.prob > 0.0 && learn::takes(&x) {
        // From the device's generator, which each step of training seeds.
        let bits = Tensor::<1>::random([2], Distribution::Uniform(0.0, 1.0), &x.device()).into_data();
        let seed = bits.iter::<f32>().fold(0, |seed, bits| seed << 32 | u64::from(bits.to_bits()));
        return learn::dropout(x, 1.0 - dropout.prob, seed);
    }
    dropout.forward(x)
}

/// Each row brought to mean 0 and variance 1, scaled and shifted.
pub(crate) fn layer_norm<const D: usize>(norm: &LayerNorm, x: Tensor<D>) -> Tensor<D> {
    if cpu::takes(&x) && cpu::takes(&norm.gamma) {
        return cpu::layer_norm(norm, x);
    }
    if learn::takes(&x) && learn::takes(&norm.gamma) {
        return learn::layer_norm(norm, x);
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
/// - `dropout` is that of the attention probabilities.
pub(crate) fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<Tensor<4>>,
    dropout: &Dropout,
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
    let weights = if learn::takes(&scores) { learn::softmax(scores) } else { softmax(scores, 3) };
    let weights = self::dropout(dropout, weights).cast(value.dtype());
    let attended = weights.matmul(split(value)); // [B, H, T, D / H]
    attended.swap_dims(1, 2).reshape([batch, steps, width])
}

#[cfg(test)]
mod tests {
    use burn::nn::DropoutConfig;
    use burn::tensor::TensorData;
    use earmark_testkit::{assert_close, noise};

    use super::*;
    use crate::test_support::device;

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
        let dropout = DropoutConfig::new(0.0).init();
        let bias: Vec<f32> = (0..2 * steps).map(|i| if i % steps < real { 0.0 } else { -3e4 }).collect();
        let bias: Tensor<4> = Tensor::from_data(TensorData::new(bias, [2, 1, 1, steps]), &device());
        let masked = attention(query.clone(), key.clone(), value.clone(), 3, Some(bias), &dropout);
        let [query, key, value] = [query, key, value].map(|x| x.narrow(1, 0, real));
        let alone = attention(query, key, value, 3, None, &dropout);
        // Worst on the CPU, kernels and plain, and on libtorch: 0.
        assert_close("attention", &values(masked.narrow(1, 0, real)), &values(alone), 1e-6);
    }
}
