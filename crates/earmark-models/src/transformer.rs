//! The pieces that transformers share whatever their checkpoints call them.

use burn::module::Initializer;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// A linear layer with every weight zero.
pub(crate) fn linear(inputs: usize, outputs: usize, bias: bool, device: &Device) -> Linear {
    LinearConfig::new(inputs, outputs).with_bias(bias).with_initializer(Initializer::Zeros).init(device)
}

pub(crate) fn layer_norm(width: usize, epsilon: f64, device: &Device) -> LayerNorm {
    LayerNormConfig::new(width).with_epsilon(epsilon).init(device)
}

pub(crate) fn dropout(chance: f64) -> Dropout {
    DropoutConfig::new(chance).init()
}

/// Multi-head attention of projected queries, keys and values, `[B, T, D]` each and of the result.
///
/// `dropout` is that of the attention probabilities.
pub(crate) fn attend(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    dropout: &Dropout,
) -> Tensor<3> {
    let [batch, steps, width] = query.dims();
    let size = width / heads;
    let split = |x: Tensor<3>| x.reshape([batch, steps, heads, size]).swap_dims(1, 2); // [B, H, T, D / H]
    let query = split(query) * (size as f64).powf(-0.5);
    let scores = query.matmul(split(key).transpose()); // [B, H, T, T]
    let attended = dropout.forward(softmax(scores, 3)).matmul(split(value)); // [B, H, T, D / H]
    attended.swap_dims(1, 2).reshape([batch, steps, width])
}

/// The states mixed by the softmax of `weights`, one weight a state.
pub(crate) fn weighted_sum(states: Vec<Tensor<3>>, weights: Tensor<1>) -> Tensor<3> {
    let weights = softmax(weights, 0);
    let mixed = states
        .into_iter()
        .enumerate()
        .map(|(i, state)| state * weights.clone().narrow(0, i, 1).reshape([1, 1, 1]));
    mixed.reduce(|sum, state| sum + state).expect("an encoder gives at least its input")
}
