//! The pieces that transformers share whatever their checkpoints call them.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// A linear layer with every weight zero.
pub(crate) fn linear(inputs: usize, outputs: usize, bias: bool, device: &Device) -> Linear {
    LinearConfig::new(inputs, outputs).with_bias(bias).with_initializer(Initializer::Zeros).init(device)
}

/// Layer normalisation (arXiv:1607.06450). burn's own keeps its epsilon to itself, which the CPU's kernels have to know; the
/// names are burn's, so that checkpoints are read alike.
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    pub(crate) gamma: Param<Tensor<1>>,
    pub(crate) beta: Param<Tensor<1>>,
    pub(crate) epsilon: f64,
}

pub(crate) fn layer_norm(width: usize, epsilon: f64, device: &Device) -> LayerNorm {
    let (gamma, beta) = (Initializer::Ones.init([width], device), Initializer::Zeros.init([width], device));
    LayerNorm { gamma, beta, epsilon }
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
