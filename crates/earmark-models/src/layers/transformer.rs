//! The pieces that transformers share whatever their checkpoints call them.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
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
