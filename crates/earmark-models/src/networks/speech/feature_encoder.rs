use burn::module::{Initializer, Module, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Dropout, GroupNorm, GroupNormConfig, Linear};
use burn::tensor::{Device, Tensor};

use crate::backend::cpu::{self, Packed};
use crate::layers::activation::Activation;
use crate::layers::conv1d::{conv1d, conv1d_normed_over_time, norm_into_taps};
use crate::layers::ops;
use crate::layers::transformer::{LayerNorm, dropout, layer_norm, linear};
use crate::networks::speech::config::{FeatExtractNorm, SpeechConfig};
use crate::training::rng::TrainingRng;

/// Seven convolutions from samples to frames.
#[derive(Module, Debug)]
pub(super) struct FeatureEncoder {
    conv_layers: Vec<ConvLayer>,
}

impl FeatureEncoder {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        FeatureEncoder {
            conv_layers: (0..config.conv_dim.len()).map(|i| ConvLayer::zeros(config, i, device)).collect(),
        }
    }

    /// `[B, S]` samples to `[B, T, C]` frames.
    pub(super) fn forward(&self, waveforms: Tensor<2>) -> Tensor<3> {
        let first = &self.conv_layers[0];
        if cpu::takes(&waveforms) && cpu::takes(&first.conv.weight) {
            let taps = first.normed_taps(&waveforms.clone().unsqueeze_dim(2));
            return cpu::conv_stack(
                waveforms,
                self.conv_layers.iter().map(ConvLayer::on_cpu).collect(),
                taps,
            );
        }
        let waveforms = waveforms.unsqueeze_dim(2); // [B, S, 1]
        self.conv_layers.iter().fold(waveforms, |hidden, layer| layer.forward(&hidden))
    }
}

/// Convolution, norm, activation.
#[derive(Module, Debug)]
struct ConvLayer {
    conv: Conv1d,
    layer_norm: Option<ConvNorm>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    packed: Packed,
}

/// The reference calls both norms `layer_norm`, so the checkpoint's keys are the same.
#[derive(Module, Debug)]
enum ConvNorm {
    Group(GroupNorm),
    Layer(LayerNorm),
}

impl ConvLayer {
    fn zeros(config: &SpeechConfig, index: usize, device: &Device) -> Self {
        let channels_in = if index == 0 { 1 } else { config.conv_dim[index - 1] };
        let channels = config.conv_dim[index];
        let conv = Conv1dConfig::new(channels_in, channels, config.conv_kernel[index])
            .with_stride(config.conv_stride[index])
            .with_bias(config.conv_bias)
            .with_initializer(Initializer::Zeros)
            .init(device);
        let layer_norm = match (config.feat_extract_norm, index) {
            (FeatExtractNorm::Group, 0) => {
                Some(ConvNorm::Group(GroupNormConfig::new(channels, channels).init(device)))
            }
            (FeatExtractNorm::Group, _) => None,
            // The reference takes PyTorch's default epsilon here, not the config's.
            (FeatExtractNorm::Layer, _) => Some(ConvNorm::Layer(layer_norm(channels, 1e-5, device))),
        };
        ConvLayer { conv, layer_norm, activation: config.feat_extract_activation, packed: Packed::default() }
    }

    /// `[B, T, C]` to `[B, T', C']`.
    fn forward(&self, hidden: &Tensor<3>) -> Tensor<3> {
        let (weight, bias) = (self.conv.weight.val(), self.conv.bias.as_ref().map(Param::val));
        let (stride, activation) = (self.conv.stride, self.activation);
        match &self.layer_norm {
            Some(ConvNorm::Group(norm)) => {
                conv1d_normed_over_time(hidden, weight, scale_and_shift(norm), stride, activation)
            }
            Some(ConvNorm::Layer(norm)) => activation
                .forward(ops::layer_norm(norm, conv1d(hidden, weight, bias, stride, None, &self.packed))),
            None => conv1d(hidden, weight, bias, stride, Some(activation), &self.packed),
        }
    }

    /// The same for the CPU's kernels.
    fn on_cpu(&self) -> cpu::Layer<'_> {
        cpu::Layer {
            weight: self.conv.weight.val(),
            packed: &self.packed,
            bias: self.conv.bias.as_ref().map(Param::val),
            stride: self.conv.stride,
            norm: match &self.layer_norm {
                Some(ConvNorm::Layer(norm)) => Some(norm),
                // The first layer's norm over time is in its taps.
                Some(ConvNorm::Group(_)) | None => None,
            },
            activation: self.activation,
        }
    }

    /// Weight and bias for each clip, if this layer is normed over time.
    fn normed_taps(&self, waveforms: &Tensor<3>) -> Option<(Tensor<3>, Tensor<3>)> {
        match &self.layer_norm {
            Some(ConvNorm::Group(norm)) => {
                let weight = self.conv.weight.val();
                Some(norm_into_taps(waveforms, weight, scale_and_shift(norm), self.conv.stride))
            }
            _ => None,
        }
    }
}

fn scale_and_shift(norm: &GroupNorm) -> (Tensor<1>, Tensor<1>, f64) {
    let (gamma, beta) = norm.gamma.as_ref().zip(norm.beta.as_ref()).expect("made with scale and shift");
    (gamma.val(), beta.val(), norm.epsilon)
}

/// Convolution channels to hidden size.
#[derive(Module, Debug)]
pub(super) struct FeatureProjection {
    layer_norm: Option<LayerNorm>,
    projection: Linear,
    dropout: Dropout,
}

impl FeatureProjection {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let channels = *config.conv_dim.last().expect("validated: at least one convolution");
        FeatureProjection {
            layer_norm: config
                .feat_proj_layer_norm
                .then(|| layer_norm(channels, config.layer_norm_eps, device)),
            projection: linear(channels, config.hidden_size, true, device),
            dropout: dropout(config.feat_proj_dropout),
        }
    }

    pub(super) fn forward(&self, features: Tensor<3>, rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let features = match &self.layer_norm {
            Some(norm) => ops::layer_norm(norm, features),
            None => features,
        };
        ops::dropout(&self.dropout, ops::linear(&self.projection, features), rng)
    }
}
