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

/// The states mixed by the softmax of `weights`, one weight a state.
pub(crate) fn weighted_sum(states: Vec<Tensor<3>>, weights: Tensor<1>) -> Tensor<3> {
    let weights = softmax(weights, 0);
    let mixed = states
        .into_iter()
        .enumerate()
        .map(|(i, state)| state.cast(weights.dtype()) * weights.clone().narrow(0, i, 1).reshape([1, 1, 1]));
    mixed.reduce(|sum, state| sum + state).expect("an encoder gives at least its input")
}
