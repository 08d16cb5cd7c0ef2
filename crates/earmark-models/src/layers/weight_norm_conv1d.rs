use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use crate::backend::{self, ConvWeight, Convolution, Padding, WeightCache};
use crate::config::activation::Activation;

/// A grouped convolution over time whose weight is kept as direction and length (arXiv:1602.07868): each of the K taps has a
/// length `weight_g`, shared by all channels. As many frames out as in, or as there are whole strides.
#[derive(Module, Debug)]
pub(crate) struct WeightNormConv1d {
    weight_g: Param<Tensor<3>>, // [1, 1, K]
    weight_v: Param<Tensor<3>>, // [D, D / groups, K]
    bias: Param<Tensor<1>>,
    groups: usize,
    stride: usize,
    #[module(skip)]
    cache: WeightCache,
}

impl WeightNormConv1d {
    pub(crate) fn new(channels: usize, kernel: usize, groups: usize, device: &Device) -> Self {
        WeightNormConv1d {
            weight_g: Initializer::Zeros.init([1, 1, kernel], device),
            weight_v: Initializer::Zeros.init([channels, channels / groups, kernel], device),
            bias: Initializer::Zeros.init([channels], device),
            groups,
            stride: 1,
            cache: WeightCache::default(),
        }
    }

    pub(crate) fn with_stride(self, stride: usize) -> Self {
        WeightNormConv1d { stride, ..self }
    }

    /// The activation of what the convolution gives: `[B, T, D]` to `[B, T / stride, D]`, in the dtype of the bias.
    pub(crate) fn forward_activated(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        let convolution = Convolution {
            weight: ConvWeight { v: self.weight_v.val(), g: Some(self.weight_g.val()) },
            bias: Some(self.bias.val()),
            stride: self.stride,
            padding: Padding::Same,
            groups: self.groups,
            cache: &self.cache,
        };
        backend::conv1d(x, convolution, Some(activation))
    }
}
