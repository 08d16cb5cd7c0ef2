use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::layers::conv_layer::{self, ConvLayer, FrameNorm, GroupNorm};
use crate::layers::conv1d::Conv1d;
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::layers::linear::Linear;
use crate::networks::speech::config::{FeatExtractNorm, SpeechConfig};
use crate::training::rng::TrainingRng;

/// Seven convolutions from samples to frames.
#[derive(Module, Debug)]
pub(super) struct FeatureEncoder {
    conv_layers: Vec<ConvLayer>,
}

impl FeatureEncoder {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        // The reference takes PyTorch's default here, not the config's.
        const NORM_EPSILON: f64 = 1e-5;
        let layer = |i: usize| {
            let (inputs, channels) = (if i == 0 { 1 } else { config.conv_dim[i - 1] }, config.conv_dim[i]);
            let conv = Conv1d::new(inputs, channels, config.conv_kernel[i], device)
                .with_stride(config.conv_stride[i])
                .with_bias(config.conv_bias);
            let norm = match (config.feat_extract_norm, i) {
                (FeatExtractNorm::Group, 0) => {
                    Some(FrameNorm::Group(GroupNorm::new(channels, NORM_EPSILON, device)))
                }
                (FeatExtractNorm::Group, _) => None,
                (FeatExtractNorm::Layer, _) => {
                    Some(FrameNorm::Layer(LayerNorm::new(channels, NORM_EPSILON, device)))
                }
            };
            ConvLayer::new(conv, norm, config.feat_extract_activation)
        };
        FeatureEncoder { conv_layers: (0..config.conv_dim.len()).map(layer).collect() }
    }

    /// `[B, S]` samples to `[B, T, C]` frames.
    pub(super) fn forward(&self, waveforms: Tensor<2>) -> Tensor<3> {
        conv_layer::forward_all(&self.conv_layers, waveforms)
    }
}

/// Convolution channels to hidden size.
#[derive(Module, Debug)]
pub(super) struct FeatureProjection {
    layer_norm: Option<LayerNorm>,
    /// SEW has none where the convolutions are as wide as the transformer.
    projection: Option<Linear>,
    dropout: Dropout,
}

impl FeatureProjection {
    pub(super) fn zeros(config: &SpeechConfig, device: &Device) -> Self {
        let channels = *config.conv_dim.last().expect("validated: at least one convolution");
        FeatureProjection {
            layer_norm: config
                .feat_proj_layer_norm
                .then(|| LayerNorm::new(channels, config.feature_epsilon(), device)),
            projection: (!config.is_squeezed() || channels != config.hidden_size)
                .then(|| Linear::new(channels, config.hidden_size, device)),
            dropout: Dropout::new(config.feat_proj_dropout),
        }
    }

    /// `[B, T, C]` to `[B, T, D]`.
    pub(super) fn forward(&self, features: Tensor<3>, rng: Option<&mut TrainingRng>) -> Tensor<3> {
        let features = match &self.layer_norm {
            Some(norm) => norm.forward(features),
            None => features,
        };
        let projected = match &self.projection {
            Some(projection) => projection.forward(features),
            None => features,
        };
        self.dropout.forward(projected, rng)
    }
}
