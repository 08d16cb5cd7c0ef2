use burn::module::{Initializer, Module, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

use crate::backend::{self, ConvWeight, Convolution, Padding, WeightCache};
use crate::config::activation::Activation;

/// A convolution over time, channels last.
#[derive(Module, Debug)]
pub(crate) struct Conv1d {
    weight: Param<Tensor<3>>, // [O, I / groups, K]
    bias: Option<Param<Tensor<1>>>,
    stride: usize,
    groups: usize,
    #[module(skip)]
    padding: Padding,
    #[module(skip)]
    cache: WeightCache,
}

impl Conv1d {
    /// Without padding, at every step.
    pub(crate) fn new(inputs: usize, outputs: usize, kernel: usize, device: &Device) -> Self {
        Conv1d {
            weight: Initializer::Zeros.init([outputs, inputs, kernel], device),
            bias: Some(Initializer::Zeros.init([outputs], device)),
            stride: 1,
            groups: 1,
            padding: Padding::None,
            cache: WeightCache::default(),
        }
    }

    /// In `groups` that do not see one another's channels, with as many frames out as in.
    pub(crate) fn grouped(channels: usize, kernel: usize, groups: usize, device: &Device) -> Self {
        Conv1d { groups, padding: Padding::Same, ..Conv1d::new(channels / groups, channels, kernel, device) }
    }

    /// Not above the kernel.
    pub(crate) fn with_stride(self, stride: usize) -> Self {
        Conv1d { stride, ..self }
    }

    /// The same layer, without its bias unless `bias`.
    pub(crate) fn with_bias(self, bias: bool) -> Self {
        Conv1d { bias: self.bias.filter(|_| bias), ..self }
    }

    /// So many zeros on both sides.
    pub(crate) fn with_padding(self, zeros: usize) -> Self {
        Conv1d { padding: Padding::Zeros(zeros), ..self }
    }

    /// Over a frame and those before it only, with as many frames out as in.
    pub(crate) fn causal(self) -> Self {
        Conv1d { padding: Padding::Before, ..self }
    }

    /// Channels that it reads.
    pub(crate) fn inputs(&self) -> usize {
        self.weight.dims()[1] * self.groups
    }

    /// `[B, T, I]` to `[B, T', O]`, in the dtype of the weight.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        backend::conv1d(x, self.convolution(), None)
    }

    /// The activation of what the convolution gives: `[B, T, I]` to `[B, T', O]`, in the dtype of the weight.
    pub(crate) fn forward_activated(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        backend::conv1d(x, self.convolution(), Some(activation))
    }

    pub(super) fn convolution(&self) -> Convolution<'_> {
        Convolution {
            weight: ConvWeight { v: self.weight.val(), g: None },
            bias: self.bias.as_ref().map(Param::val),
            stride: self.stride,
            padding: self.padding,
            groups: self.groups,
            cache: &self.cache,
        }
    }
}

/// The first half of a convolution's channels, gated by the second (arXiv:1612.08083): `[B, T, 2 D]` to `[B, T, D]`.
pub(crate) fn glu(x: Tensor<3>) -> Tensor<3> {
    let width = x.dims()[2] / 2;
    x.clone().narrow(2, 0, width) * sigmoid(x.narrow(2, width, width))
}
