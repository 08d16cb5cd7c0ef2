use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use crate::backend::{self, Norm};

/// Layer normalisation (arXiv:1607.06450): each row brought to mean 0 and variance 1, scaled and shifted.
///
/// burn's own keeps its epsilon private; the field names are burn's, for burn-store to rename.
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    gamma: Param<Tensor<1>>, // `weight` in a file
    beta: Param<Tensor<1>>,  // `bias` in a file
    epsilon: f64,
}

impl LayerNorm {
    pub(crate) fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        LayerNorm {
            gamma: Initializer::Ones.init([width], device),
            beta: Initializer::Zeros.init([width], device),
            epsilon,
        }
    }

    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        backend::layer_norm(x, self.norm())
    }

    pub(super) fn norm(&self) -> Norm {
        Norm { gamma: self.gamma.val(), beta: self.beta.val(), epsilon: self.epsilon }
    }
}

/// Each row brought to mean 0 and variance 1: a layer norm without weights.
pub(crate) fn standardised(x: Tensor<3>, epsilon: f64) -> Tensor<3> {
    let ([.., width], device, dtype) = (x.dims(), x.device(), x.dtype());
    let gamma = Tensor::<1>::ones([width], &device).cast(dtype);
    let beta = Tensor::<1>::zeros([width], &device).cast(dtype);
    backend::layer_norm(x, Norm { gamma, beta, epsilon })
}
