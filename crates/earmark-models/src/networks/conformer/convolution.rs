use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};

use crate::backend;
use crate::config::activation::Activation;
use crate::layers::batch_norm::batch_norm;
use crate::layers::conv1d::{Conv1d, glu};
use crate::layers::dropout::Dropout;
use crate::layers::layer_norm::LayerNorm;
use crate::networks::conformer::config::{ConformerConfig, Convolution};
use crate::training::rng::TrainingRng;

/// The convolution module of a block: a gate over channels, a convolution of each channel over time, a norm.
#[derive(Module, Debug)]
pub(super) struct ConformerConvolution {
    layer_norm: LayerNorm,
    pointwise_conv1: Conv1d, // D to 2 D
    depthwise_conv: Conv1d,
    batch_norm: Option<BatchNorm>,
    depthwise_layer_norm: Option<LayerNorm>,
    pointwise_conv2: Conv1d,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl ConformerConvolution {
    pub(super) fn zeros(config: &ConformerConfig, device: &Device) -> Self {
        let width = config.width;
        let norm = || LayerNorm::new(width, config.epsilon, device);
        let pointwise = |outputs| Conv1d::new(width, outputs, 1, device).with_bias(false);
        let depthwise = Conv1d::grouped(width, config.kernel, width, device).with_bias(false);
        let causal = config.convolution == Convolution::CausalLayerNorm;
        ConformerConvolution {
            layer_norm: norm(),
            pointwise_conv1: pointwise(2 * width),
            depthwise_conv: if causal { depthwise.causal() } else { depthwise },
            batch_norm: (!causal).then(|| BatchNormConfig::new(width).init(device)),
            depthwise_layer_norm: causal.then(norm),
            pointwise_conv2: pointwise(width),
            dropout: Dropout::new(config.conv_dropout),
            activation: config.activation,
        }
    }

    /// `[B, T, D]` to the same; `keep` is 1 for real frames and 0 for padding, `[B, T, 1]`.
    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        keep: Option<&Tensor<3>>,
        rng: Option<&mut TrainingRng>,
    ) -> Tensor<3> {
        let hidden = self.layer_norm.forward(hidden);
        let hidden = match keep {
            Some(keep) => {
                let keep = keep.clone().cast(hidden.dtype());
                hidden * keep
            }
            None => hidden,
        };
        let wide = self.pointwise_conv1.forward(hidden); // [B, T, 2 D]
        let hidden = self.depthwise_conv.forward(glu(wide)); // [B, T, D]
        let hidden = match &self.batch_norm {
            Some(norm) => batch_norm(norm, hidden.swap_dims(1, 2)).swap_dims(1, 2),
            None => hidden,
        };
        let hidden = match &self.depthwise_layer_norm {
            Some(norm) => norm.forward(hidden),
            None => hidden,
        };
        let hidden = self.pointwise_conv2.forward(backend::activate(hidden, self.activation));
        self.dropout.forward(hidden, rng)
    }
}
