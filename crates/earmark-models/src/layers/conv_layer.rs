use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use crate::backend::{self, ConvNorm, Norm, StackedConv};
use crate::config::activation::Activation;
use crate::layers::conv1d::Conv1d;
use crate::layers::layer_norm::LayerNorm;

/// Convolution, norm, activation: a layer of a stack that turns samples into frames.
#[derive(Module, Debug)]
pub(crate) struct ConvLayer {
    conv: Conv1d,
    layer_norm: Option<FrameNorm>,
    #[module(skip)]
    activation: Activation,
}

/// The reference calls both norms `layer_norm`, so the checkpoint's keys are the same.
#[derive(Module, Debug)]
pub(crate) enum FrameNorm {
    Group(GroupNorm),
    Layer(LayerNorm),
}

/// Group normalisation (arXiv:1803.08494) with a group for each channel: its mean and variance over the whole clip.
#[derive(Module, Debug)]
pub(crate) struct GroupNorm {
    gamma: Param<Tensor<1>>, // `weight` in a file
    beta: Param<Tensor<1>>,  // `bias` in a file
    epsilon: f64,
}

impl GroupNorm {
    pub(crate) fn new(channels: usize, epsilon: f64, device: &Device) -> Self {
        GroupNorm {
            gamma: Initializer::Ones.init([channels], device),
            beta: Initializer::Zeros.init([channels], device),
            epsilon,
        }
    }
}

impl ConvLayer {
    /// `conv` neither padded nor grouped.
    pub(crate) fn new(conv: Conv1d, layer_norm: Option<FrameNorm>, activation: Activation) -> Self {
        ConvLayer { conv, layer_norm, activation }
    }

    fn stacked(&self) -> StackedConv<'_> {
        let norm = self.layer_norm.as_ref().map(|norm| match norm {
            FrameNorm::Layer(norm) => ConvNorm::OverChannels(norm.norm()),
            FrameNorm::Group(GroupNorm { gamma, beta, epsilon }) => {
                ConvNorm::OverTime(Norm { gamma: gamma.val(), beta: beta.val(), epsilon: *epsilon })
            }
        });
        StackedConv { conv: self.conv.convolution(), norm, activation: self.activation }
    }
}

/// The layers one after the other: `[B, S]` samples to `[B, T, C]` frames.
pub(crate) fn forward_all(layers: &[ConvLayer], waveforms: Tensor<2>) -> Tensor<3> {
    backend::conv_stack(waveforms, layers.iter().map(ConvLayer::stacked).collect())
}
